/** One series' way: from polls and history into its recent samples, and from there, when settled, into its baseline. */

import type { EpochMs, Series } from '../model/index.ts';
import type { DueQueue } from './due.ts';
import { BUCKET_MS, createEngine, expectedAt, filledOf, learnValues, resetEngine } from './engine.ts';
import type { Freezes } from './freezes.ts';
import {
  columns,
  dropBefore,
  dropFrom,
  indexAfter,
  isJudged,
  judge,
  known,
  lengthOf,
  lowerBound,
  timeAt,
  upsert,
  valueAt,
} from './recent.ts';
import { READINGS_MS, type SeriesState, type SeriesStateOptions, setPeriod } from './series-state.ts';

export interface FeedOptions extends SeriesStateOptions {
  readonly learningHorizonMs: number;
  readonly freezes: Freezes;
  readonly due: DueQueue<SeriesState>;
}

export interface Feed {
  /** Judges new and changed samples. Gives the number of samples refused. */
  observe(state: SeriesState, series: Series, now: EpochMs): number;
  /** Learns a portion of history. Gives the number of samples refused. */
  backfill(state: SeriesState, series: Series, now: EpochMs): number;
  /** Learns what is due, and sets when there will be more. */
  learn(state: SeriesState, now: EpochMs): void;
  schedule(state: SeriesState): void;
}

const MAX_RECENT = 8_192;
/** A backend's clock may be ahead of ours by this much, or by a period. Later samples are of a clock that was set back. */
const AHEAD_MS = 60_000;
/** Between two portions of history. */
const PORTIONS_MS = 2 * 60_000;

export const newestAllowed = (now: EpochMs, periodMs: number): EpochMs => now + Math.max(AHEAD_MS, periodMs);

export function createFeed({ learningHorizonMs, freezes, due, ...stateOptions }: FeedOptions): Feed {
  /** Used again for each series of each portion of a history, of which there are many, one after another. */
  let scratch = { times: new Float64Array(0), values: new Float64Array(0) };

  /** Due when a sample passes the horizon that is not of the bucket that is being learned. */
  function schedule(state: SeriesState): void {
    const { recent, learnedThrough } = state;
    const index = learnedThrough < 0 ? 0 : lowerBound(recent, (Math.floor(learnedThrough / BUCKET_MS) + 1) * BUCKET_MS);
    if (index < lengthOf(recent)) due.at(state, Math.max(timeAt(recent, index) + learningHorizonMs, state.learnAfter));
  }

  function observe(state: SeriesState, series: Series, now: EpochMs): number {
    let refused = 0;
    const { engine, recent } = state;
    const newest = newestAllowed(now, series.periodMs);
    setPeriod(state, series.periodMs);
    state.delayMs = series.delayMs ?? 0;
    state.seenAt = now;
    // After a backward clock step: what the wrong clock stamped would stay the newest for the size of the step.
    if (lengthOf(recent) > 0 && timeAt(recent, lengthOf(recent) - 1) > newest)
      dropFrom(recent, indexAfter(recent, newest));
    if (state.learnedThrough > newest) state.learnedThrough = now;
    let changed = false;
    // The same points are sent again at each poll, oldest first.
    for (let i = known(recent, series.times, series.values); i < series.times.length; i++) {
      const at = series.times[i]!;
      const value = series.values[i]!;
      if (!Number.isFinite(value) || !(at >= 0 && at <= newest)) {
        refused++;
        continue;
      }
      const index = lowerBound(recent, at);
      if (index < lengthOf(recent) && timeAt(recent, index) === at && valueAt(recent, index) === value) {
        // One that nothing was known for when it came is judged as soon as there is something.
        if (!isJudged(recent, index)) judge(recent, index, expectedAt(engine, at));
        continue;
      }
      upsert(recent, at, value, expectedAt(engine, at));
      changed = true;
    }
    if (!changed) return refused;
    const over = lengthOf(recent) - MAX_RECENT;
    if (over > 0) {
      dropBefore(recent, over);
      refused += over;
    }
    schedule(state);
    return refused;
  }

  function backfill(state: SeriesState, series: Series, now: EpochMs): number {
    if (series.times.length === 0) return 0;
    const { engine, recent } = state;
    state.seenAt = now;
    state.learnAfter = now + PORTIONS_MS;
    if (series.times[0]! <= state.learnedThrough && filledOf(engine) < stateOptions.warmupBuckets) {
      resetEngine(engine);
      state.learnedThrough = -1;
    }
    const { times, values, refused } = learnable(state, series, now);
    learnValues(engine, times, values, series.periodMs);
    if (times.length > 0) state.learnedThrough = times.at(-1)!;
    const newest = newestAllowed(now, series.periodMs);
    for (let i = 0; i < series.times.length; i++) {
      const at = series.times[i]!;
      if (series.periodMs !== state.periodMs || !(at > now - READINGS_MS && at <= newest)) continue;
      const index = lowerBound(recent, at);
      // What was polled is newer than what history says of the same time.
      if (index < lengthOf(recent) && timeAt(recent, index) === at) continue;
      if (Number.isFinite(series.values[i]!)) upsert(recent, at, series.values[i]!, expectedAt(engine, at));
    }
    for (let i = 0; i < lengthOf(recent); i++) {
      if (!isJudged(recent, i)) judge(recent, i, expectedAt(engine, timeAt(recent, i)));
    }
    schedule(state);
    return refused;
  }

  /** Of a portion of history, what is past the horizon, newer than what was learned, and of no incident; until the next. */
  function learnable(state: SeriesState, series: Series, now: EpochMs): Learnable {
    const since = freezes.since(state.target) ?? Number.POSITIVE_INFINITY;
    const leftOut = freezes.leftOut(state.target);
    const until = Math.min(now - learningHorizonMs, since);
    let last = state.learnedThrough;
    const { length } = series.times;
    if (scratch.times.length < length) scratch = { times: new Float64Array(length), values: new Float64Array(length) };
    const { times, values } = scratch;
    let count = 0;
    let refused = 0;
    for (let i = 0; i < series.times.length; i++) {
      const at = series.times[i]!;
      const value = series.values[i]!;
      if (!(at > last && at >= 0 && at < until)) continue;
      if (leftOut.some((span) => at >= span.from && at <= span.through)) continue;
      if (!Number.isFinite(value)) {
        refused++;
        continue;
      }
      last = at;
      times[count] = at;
      values[count++] = value;
    }
    return { times: times.subarray(0, count), values: values.subarray(0, count), refused };
  }

  function learn(state: SeriesState, now: EpochMs): void {
    const { engine, recent, target, periodMs } = state;
    const to = lowerBound(recent, now - learningHorizonMs);
    let from = indexAfter(recent, state.learnedThrough);
    const upTo = (index: number): void => {
      if (index <= from) return;
      const { times, values } = columns(recent, from, index);
      learnValues(engine, times, values, periodMs);
      from = index;
    };
    if (from < to) {
      state.learnedThrough = timeAt(recent, to - 1);
      for (const span of freezes.leftOut(target)) {
        upTo(Math.min(to, lowerBound(recent, span.from)));
        from = Math.max(from, Math.min(to, indexAfter(recent, span.through)));
      }
      const since = freezes.since(target);
      upTo(since === null ? to : Math.min(to, lowerBound(recent, since)));
      if (from < to) {
        state.held ??= createEngine({ unit: state.unit, ...stateOptions });
        const { times, values } = columns(recent, from, to);
        learnValues(state.held, times, values, periodMs);
      }
    }
    dropBefore(recent, Math.min(indexAfter(recent, state.learnedThrough), lowerBound(recent, now - READINGS_MS)));
    schedule(state);
  }

  return { observe, backfill, learn, schedule };
}

interface Learnable {
  readonly times: Float64Array;
  readonly values: Float64Array;
  readonly refused: number;
}
