/**
 * From what was read to series in our units, with the zeros that are proved and the silence of requests. Pure.
 *
 * CloudWatch stamps a value with the start of its period; a sample of ours has the time at which it is complete, the end:
 * so an onset lies between two samples, and a deployment within the minute before the first bad one is not after it.
 */

import type { EpochMs } from '../../../model/glossary.ts';
import type { Series } from '../../../model/series.ts';
import { type Beside, fillZeros, NO_POINTS, silence } from './fill.ts';
import { type MetricSeries, relatedSeries } from './query.ts';
import type { Outcome, Points } from './read.ts';
import type { Span } from './windows.ts';

export interface Assembly {
  /** Of one target. */
  readonly series: readonly MetricSeries[];
  readonly outcomes: ReadonlyMap<string, Outcome>;
  /** Distance of its samples. */
  readonly periodMs: (series: MetricSeries) => number;
  /** Period that was read. */
  readonly stepMs: (series: MetricSeries) => number;
  /** What was read of it; what proves its zeros may have been read for longer. */
  readonly span: (series: MetricSeries) => Span | undefined;
  /** How old the newest sample may be when all is well, beyond its periods. */
  readonly delayMs: number;
  /** What sums are multiplied with: less than 1 when they were read over longer periods than they are given for. */
  readonly sumScale: number;
}

export function assemble({ series, outcomes, span, ...rest }: Assembly): readonly Series[] {
  const { periodMs, stepMs, delayMs, sumScale } = rest;
  return series.flatMap((one) => {
    const points = completePoints(one, outcomes);
    if (points === null) return [];
    const { query } = one;
    const proof = query.zeroWhere === null ? [] : relatedSeries(query.zeroWhere, one.labels, series);
    const filled = fillZeros(
      points,
      proof.map((each) => within(completePoints(each, outcomes) ?? NO_POINTS, span(one))),
    );
    const scale = query.scale * (isSum(query.stat) ? sumScale : 1);
    const given = columns(filled, scale, query.atLeast, stepMs(one));
    if (given.times.length === 0) return [];
    return [
      {
        target: one.target,
        signal: query.signal,
        labels: one.labels,
        unit: query.unit,
        periodMs: periodMs(one),
        delayMs,
        ...given,
      },
    ];
  });
}

export interface SilenceInput {
  readonly target: string;
  readonly series: readonly MetricSeries[];
  readonly outcomes: ReadonlyMap<string, Outcome>;
  readonly span: Span;
  /** Of what was read. */
  readonly stepMs: number;
  readonly periodMs: number;
  readonly delayMs: number;
  readonly knownEnd: EpochMs | null;
  readonly beside: Beside;
}

/** `requests_silent_seconds` of a target; null where its requests were not read completely or never had a value. */
export function assembleSilence(
  input: SilenceInput,
): { readonly series: Series | null; readonly newestEnd: EpochMs | null } | null {
  const requests = input.series.filter((one) => one.query.signal === 'requests');
  const points = requests.map((one) => completePoints(one, input.outcomes));
  if (requests.length === 0 || points.includes(null)) return null;
  const complete = points.filter((each) => each !== null);
  const silent = silence(complete, input.span, input.stepMs, input.knownEnd, input.beside);
  const given = columns(silent.points, 1, null, input.stepMs);
  const { target, periodMs, delayMs } = input;
  const head = { target, signal: 'requests_silent_seconds', labels: {}, unit: 's' as const, periodMs, delayMs };
  return { series: given.times.length === 0 ? null : { ...head, ...given }, newestEnd: silent.newestEnd };
}

/** A hole that was not asked about is no hole. */
function within({ times, values }: Points, span: Span | undefined): Points {
  if (span === undefined) return NO_POINTS;
  const kept = [...times.keys()].filter((i) => times[i]! >= span.from && times[i]! < span.to);
  return { times: kept.map((i) => times[i]!), values: kept.map((i) => values[i]!) };
}

/** Null for what was not seen, or not asked. */
export function completePoints(one: MetricSeries, outcomes: ReadonlyMap<string, Outcome>): Points | null {
  const outcome = outcomes.get(one.id);
  return outcome?.state === 'complete' ? outcome.points : null;
}

export function isSum(stat: string): boolean {
  return stat === 'Sum' || stat === 'SampleCount';
}

function columns(points: Points, scale: number, atLeast: number | null, stepMs: number) {
  const known =
    atLeast === null
      ? points.times.map((_, i) => i)
      : [...points.times.keys()].filter((i) => points.values[i]! >= atLeast);
  return {
    times: Float64Array.from(known, (i) => points.times[i]! + stepMs),
    values: Float64Array.from(known, (i) => points.values[i]! * scale),
  };
}
