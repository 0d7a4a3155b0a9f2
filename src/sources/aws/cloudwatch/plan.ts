/** From metrics that are to be read to calls of GetMetricData within its limits. Pure. */

import type { GetMetricDataCommandInput, MetricDataQuery } from '@aws-sdk/client-cloudwatch';
import type { MetricSeries } from './query.ts';
import { type Span, slotsOf } from './windows.ts';

/** Limits of one call, by the API's reference. */
export const MAX_QUERIES = 500;
export const MAX_POINTS = 100_800;

export interface Wanted {
  readonly series: MetricSeries;
  readonly periodMs: number;
  readonly span: Span;
}

export interface Batch {
  readonly span: Span;
  readonly periodMs: number;
  /** Each id once. */
  readonly series: readonly MetricSeries[];
}

/**
 * Metrics of the same period and span go together, each id once. A span with more points than one call gives for a single
 * metric is cut, oldest part first.
 */
export function planBatches(wanted: readonly Wanted[]): readonly Batch[] {
  const groups = new Map<string, { first: Wanted; byId: Map<string, MetricSeries> }>();
  for (const one of wanted) {
    if (slotsOf(one.span, one.periodMs) === 0) continue;
    const key = `${one.periodMs} ${one.span.from} ${one.span.to}`;
    const group = groups.get(key) ?? { first: one, byId: new Map<string, MetricSeries>() };
    group.byId.set(one.series.id, one.series);
    groups.set(key, group);
  }
  return [...groups.values()].flatMap(({ first, byId }) => {
    const { span, periodMs } = first;
    const series = [...byId.values()];
    const size = Math.max(1, Math.min(MAX_QUERIES, Math.floor(MAX_POINTS / slotsOf(span, periodMs))));
    return cut(span, periodMs).flatMap((part) =>
      chunks(series, size).map((some) => ({ span: part, periodMs, series: some })),
    );
  });
}

function cut(span: Span, periodMs: number): readonly Span[] {
  const step = MAX_POINTS * periodMs;
  const parts: Span[] = [];
  for (let from = span.from; from < span.to; from += step) parts.push({ from, to: Math.min(span.to, from + step) });
  return parts;
}

function chunks<T>(all: readonly T[], size: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size));
}

export function batchInput({ span, periodMs, series }: Batch, token: string | null): GetMetricDataCommandInput {
  return {
    MetricDataQueries: series.map((one) => metricDataQuery(one, periodMs)),
    StartTime: new Date(span.from),
    EndTime: new Date(span.to),
    ScanBy: 'TimestampAscending',
    MaxDatapoints: MAX_POINTS,
    ...(token === null ? {} : { NextToken: token }),
  };
}

function metricDataQuery({ id, query, dimensions }: MetricSeries, periodMs: number): MetricDataQuery {
  return {
    Id: id,
    MetricStat: {
      Metric: {
        Namespace: query.namespace,
        MetricName: query.metric,
        Dimensions: dimensions.map(([Name, Value]) => ({ Name, Value })),
      },
      Period: periodMs / 1000,
      Stat: query.stat,
    },
    ReturnData: true,
  };
}
