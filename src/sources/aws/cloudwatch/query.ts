/** What is asked of CloudWatch: a signal's metric as it is configured, and the concrete metrics that it stands for. */

import { createHash } from 'node:crypto';
import type { Unit } from '../../../model/glossary.ts';
import type { Labels } from '../../../model/series.ts';
import type { TargetKind } from '../../../model/target.ts';

export interface SignalQuery {
  readonly signal: string;
  readonly unit: Unit;
  readonly namespace: string;
  readonly metric: string;
  /** `Sum`, `Average`, `Maximum`, `Minimum`, `SampleCount`, `p95`… */
  readonly stat: string;
  /** `*` stands for every value that ListMetrics knows. */
  readonly dimensions: Readonly<Record<string, string>>;
  /** Label of a dimension with `*`; without one it is the dimension's own name. */
  readonly labels: Readonly<Record<string, string>>;
  /** What a value is multiplied with to be in `unit`. */
  readonly scale: number;
  /** Published only when it is not zero: holes are zero where the first of these signals that the target has, has a value. */
  readonly zeroWhere: readonly string[] | null;
  /** Signals that count what a percentile is over, the best first; null for what is no percentile. */
  readonly samples: readonly string[] | null;
  /** Values below it mean that the figure is not known (ReplicaLag is −1 then). */
  readonly atLeast: number | null;
  /** What it means when CloudWatch has had nothing for hours. `hot`: needed only while the service is short of CPU or memory. */
  readonly absence: 'gap' | 'normal' | 'hot';
}

export interface CloudWatchTarget {
  readonly target: string;
  readonly kind: TargetKind;
  readonly queries: readonly SignalQuery[];
}

/** One metric of CloudWatch behind one labelled signal. Several may share an `id`: they are asked once. */
export interface MetricSeries {
  readonly target: string;
  readonly query: SignalQuery;
  readonly labels: Labels;
  readonly dimensions: readonly (readonly [name: string, value: string])[];
  /** Of namespace, metric, dimensions and statistic: valid as a query's id, the same after a restart. */
  readonly id: string;
}

export const LABEL_LIMIT = 100;

/** Values of one wildcard: the dimensions' values in the order of the query's wildcards. */
export function metricSeries(
  target: string,
  query: SignalQuery,
  values: Readonly<Record<string, string>>,
): MetricSeries {
  const dimensions = Object.entries(query.dimensions)
    .map(([name, value]) => [name, value === '*' ? (values[name] ?? '') : value] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const labels = Object.fromEntries(
    wildcards(query).map((name) => [query.labels[name] ?? name, labelValue(values[name] ?? '')]),
  );
  const identity = JSON.stringify([query.namespace, query.metric, query.stat, dimensions]);
  const id = `m${createHash('sha256').update(identity).digest('hex').slice(0, 24)}`;
  return { target, query, labels, dimensions, id };
}

export function wildcards(query: SignalQuery): readonly string[] {
  return Object.entries(query.dimensions)
    .filter(([, value]) => value === '*')
    .map(([name]) => name);
}

/** Others choose these values: printable, at most 100 characters. */
function labelValue(value: string): string {
  const clean = value.replace(/[^\x20-\x7e\u00a0-\u024f]/g, '?');
  return clean.length > LABEL_LIMIT ? `${clean.slice(0, LABEL_LIMIT - 1)}…` : clean;
}

/** Two sets of labels that do not contradict each other: `{ endpoint }` and `{ endpoint, status }` of that endpoint. */
export function compatible(one: Labels, other: Labels): boolean {
  return Object.entries(one).every(([name, value]) => other[name] === undefined || other[name] === value);
}

/** The series of the first of these signals that the target has, with labels that do not contradict. */
export function relatedSeries(
  signals: readonly string[],
  labels: Labels,
  ofTarget: readonly MetricSeries[],
): readonly MetricSeries[] {
  for (const signal of signals) {
    const found = ofTarget.filter((one) => one.query.signal === signal);
    if (found.length > 0) return found.filter((one) => compatible(one.labels, labels));
  }
  return [];
}

/** `AWS/ApplicationELB RequestCount`. */
export function metricName({ query }: MetricSeries): string {
  return `${query.namespace} ${query.metric}`;
}
