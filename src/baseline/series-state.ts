/** What is kept of one series: its baseline, its recent samples, and how far they were learned. */

import type { EpochMs, Labels, Series, Unit } from '../model/index.ts';
import { createEngine, type Engine, STATE_LENGTH } from './engine.ts';
import { createRecent, type Recent } from './recent.ts';

export interface SeriesState {
  /** Sorts by target, signal, labels. */
  readonly key: string;
  readonly target: string;
  readonly signal: string;
  readonly labels: Labels;
  readonly unit: Unit;
  periodMs: number;
  /** Wall time of the last poll that had the series. */
  seenAt: EpochMs;
  /** Samples up to this time have been learned, held or left out; −1 for none. */
  learnedThrough: EpochMs;
  readonly engine: Engine;
  /** What was learned apart while the target was frozen. */
  held: Engine | null;
  readonly recent: Recent;
}

export function seriesKey(target: string, signal: string, labels: Labels): string {
  const pairs = Object.keys(labels)
    .sort()
    .map((name) => [name, labels[name]]);
  return JSON.stringify([target, signal, pairs]);
}

export function createSeriesState(
  { target, signal, labels, unit, periodMs }: Omit<Series, 'times' | 'values'>,
  warmupBuckets: number,
  seenAt: EpochMs,
): SeriesState {
  return {
    key: seriesKey(target, signal, labels),
    target,
    signal,
    labels,
    unit,
    periodMs,
    seenAt,
    learnedThrough: -1,
    engine: createEngine({ unit, warmupBuckets }),
    held: null,
    recent: createRecent(),
  };
}

export function bytesOf(state: SeriesState): number {
  return 4 * STATE_LENGTH * (state.held === null ? 1 : 2) + state.recent.bytes;
}

/** First index whose time is after `at`. */
export function indexAfter(recent: Recent, at: EpochMs): number {
  let index = recent.lowerBound(at);
  while (index < recent.length && recent.timeAt(index) <= at) index++;
  return index;
}
