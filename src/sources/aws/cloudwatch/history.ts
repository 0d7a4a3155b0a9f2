/**
 * What CloudWatch still holds, for baselines of the first day: 300 s of it for 63 days (60 s only for 15). A target at a
 * time, each metric asked for in as few calls as its points allow, because calls are billed by metric.
 */

import type { EpochMs } from '../../../model/glossary.ts';
import type { Series } from '../../../model/series.ts';
import type { Aws } from '../calls.ts';
import { assemble, assembleSilence } from './assemble.ts';
import { planBatches } from './plan.ts';
import { type MetricSeries, wildcards } from './query.ts';
import { type Outcome, type Points, readBatch } from './read.ts';
import { type Span, settledEnd } from './windows.ts';
import { besideOf } from './witness.ts';

const RETENTION_MS = 63 * 24 * 60 * 60_000;
const STEP_MS = 300_000;
/** Metrics of one target: those without wildcards first, so that a thousand endpoints do not take the rest's place. */
const MAX_PER_TARGET = 200;

export interface HistoryInput {
  readonly aws: Aws;
  readonly series: readonly MetricSeries[];
  readonly periodMs: number;
  readonly settleMs: number;
  readonly from: EpochMs;
  readonly now: EpochMs;
  /** Told of each metric of which the whole span was read, with the end of its newest period; null for none. */
  readonly onRead?: (series: MetricSeries, span: Span, newestEnd: EpochMs | null) => void;
}

/**
 * Samples are at every 300 s (or period, if longer), which their `periodMs` says; counts are as of one period of the poll,
 * so that they are the mean of as many.
 */
export async function* readHistory(input: HistoryInput, signal: AbortSignal): AsyncGenerator<readonly Series[]> {
  const { aws, periodMs, settleMs, now } = input;
  const stepMs = stepOf(periodMs);
  const to = settledEnd(now, stepMs, settleMs);
  const from = Math.ceil(Math.max(input.from, now - RETENTION_MS) / stepMs) * stepMs;
  if (from >= to) return;
  const span: Span = { from, to };
  for (const [target, all] of Map.groupBy(input.series, (one) => one.target)) {
    const series = [...all]
      .sort((a, b) => wildcards(a.query).length - wildcards(b.query).length)
      .slice(0, MAX_PER_TARGET);
    const { outcomes, error } = await readTarget(aws, series, span, stepMs, signal);
    const given = assemble({
      series,
      outcomes,
      periodMs: () => stepMs,
      stepMs: () => stepMs,
      span: () => span,
      delayMs: 0,
      sumScale: periodMs / stepMs,
    });
    const silent = assembleSilence({
      target,
      series,
      outcomes,
      span,
      stepMs,
      periodMs: stepMs,
      delayMs: 0,
      knownEnd: null,
      beside: besideOf({ series, outcomes, stepMs: () => stepMs, seenEnd: () => null }),
    })?.series;
    const portion = silent == null ? given : [...given, silent];
    if (portion.length > 0) yield portion;
    if (error !== null) throw error;
  }
}

/** 300 s, or the next multiple of the poll's period that is no shorter. */
export function stepOf(periodMs: number): number {
  return Math.ceil(STEP_MS / periodMs) * periodMs;
}

/** One call after the other: a page of 100,800 points is a quarter of what CloudWatch gives in a second. */
async function readTarget(
  aws: Aws,
  series: readonly MetricSeries[],
  span: Span,
  stepMs: number,
  signal: AbortSignal,
): Promise<{ readonly outcomes: ReadonlyMap<string, Outcome>; readonly error: unknown }> {
  const outcomes = new Map<string, Outcome>();
  for (const batch of planBatches(series.map((one) => ({ series: one, periodMs: stepMs, span })))) {
    const result = await readBatch(aws, batch, signal);
    for (const [id, outcome] of result.outcomes) outcomes.set(id, joined(outcomes.get(id), outcome));
    if (result.error !== null) return { outcomes, error: result.error };
  }
  return { outcomes, error: null };
}

/** Parts of a span, in the order of time; a metric of which one part was not seen was not seen. */
function joined(before: Outcome | undefined, next: Outcome): Outcome {
  if (before === undefined || before.state === 'unseen') return before ?? next;
  if (next.state === 'unseen') return next;
  const points: Points = {
    times: [...before.points.times, ...next.points.times],
    values: [...before.points.values, ...next.points.values],
  };
  return { state: 'complete', points };
}
