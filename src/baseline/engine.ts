/**
 * The rolling baseline of one series: the medians of the last 288 five-minute buckets that were learned (24 h when
 * nothing was left out), and for the spread within a bucket the deviations of the last 48.
 *
 * The state is one Float32Array, so that a snapshot is a copy of it: a few header fields, both rings, and the values of
 * the open bucket. A bucket closes when a value of another bucket comes; only then does the band change. Bucket numbers
 * (epoch / 5 min) stay below 2^24 and so are exact as Float32 until the year 2129.
 *
 * The rings are filled in the order of learning and not by the hour: time under freeze or without data does not wear the
 * baseline out. One that learned nothing for seven days is not believed any more and begins anew.
 */

import type { Band, EpochMs, Unit } from '../model/index.ts';
import { mad, median } from '../stats/index.ts';
import { smallSampleFactor, spreadFloor } from './spread.ts';

export interface EngineOptions {
  readonly unit: Unit;
  /** Closed buckets before the band is ready. */
  readonly warmupBuckets: number;
}

export interface Engine {
  /** Learns values, oldest first; finite, of times that this engine has not learned. */
  observe(times: Float64Array, values: Float64Array): void;
  /** The same object until a bucket closes. */
  expected(at: EpochMs): Band;
  /** Takes over everything that another engine learned after this one stopped, as if it had been learned here. */
  absorb(other: Engine): void;
  snapshot(): Float32Array;
  /** False, and nothing changed, when it is not a state of this engine. */
  restore(state: Float32Array): boolean;
}

export const BUCKET_MS = 300_000;
const BUCKETS = 288;
const DEVIATIONS = 48;
/** Values kept of the open bucket; when there are more, every second one is left out, again and again. */
const OPEN_VALUES = 40;
const STALE_BUCKETS = (7 * 24 * 3_600_000) / BUCKET_MS;
const BAND_SPREADS = 3;

// Header fields, by index into the state.
const FILLED = 0; // closed buckets, at most BUCKETS
const NEXT = 1; // where the next median goes
const DEVIATIONS_FILLED = 2;
const DEVIATIONS_NEXT = 3;
const OPEN_BUCKET = 4; // bucket number, −1 for none
const OPEN_COUNT = 5;
const OPEN_STRIDE = 6; // keep each n-th value
const OPEN_SKIP = 7; // values to leave out before the next is kept
const HEADER = 8;
const MEDIANS_AT = HEADER;
const DEVIATIONS_AT = MEDIANS_AT + BUCKETS;
const OPEN_AT = DEVIATIONS_AT + DEVIATIONS;
/** Floats of a state; 1,536 bytes. */
export const STATE_LENGTH = OPEN_AT + OPEN_VALUES;

export const NO_BAND: Band = Object.freeze({
  expected: Number.NaN,
  lower: Number.NaN,
  upper: Number.NaN,
  ready: false,
  profile: 'none',
});

export function createEngine({ unit, warmupBuckets }: EngineOptions): Engine {
  const state = new Float32Array(STATE_LENGTH);
  let band: Band | null = null;

  function reset(): void {
    state.fill(0);
    state[OPEN_BUCKET] = -1;
    state[OPEN_STRIDE] = 1;
    band = null;
  }

  function push(value: number): void {
    state[MEDIANS_AT + state[NEXT]!] = value;
    state[NEXT] = (state[NEXT]! + 1) % BUCKETS;
    state[FILLED] = Math.min(BUCKETS, state[FILLED]! + 1);
  }

  function pushDeviation(value: number): void {
    state[DEVIATIONS_AT + state[DEVIATIONS_NEXT]!] = value;
    state[DEVIATIONS_NEXT] = (state[DEVIATIONS_NEXT]! + 1) % DEVIATIONS;
    state[DEVIATIONS_FILLED] = Math.min(DEVIATIONS, state[DEVIATIONS_FILLED]! + 1);
  }

  function close(): void {
    const count = state[OPEN_COUNT]!;
    if (count === 0) return;
    const values = state.subarray(OPEN_AT, OPEN_AT + count);
    push(median(values));
    if (count > 1) pushDeviation(mad(values) * smallSampleFactor(count));
    state[OPEN_COUNT] = 0;
    state[OPEN_STRIDE] = 1;
    state[OPEN_SKIP] = 0;
    band = null;
  }

  function keep(value: number): void {
    if (state[OPEN_SKIP]! > 0) {
      state[OPEN_SKIP]!--;
      return;
    }
    if (state[OPEN_COUNT] === OPEN_VALUES) {
      for (let i = 0; i < OPEN_VALUES / 2; i++) state[OPEN_AT + i] = state[OPEN_AT + 2 * i]!;
      state[OPEN_COUNT] = OPEN_VALUES / 2;
      state[OPEN_STRIDE]! *= 2;
    }
    state[OPEN_AT + state[OPEN_COUNT]!] = value;
    state[OPEN_COUNT]!++;
    state[OPEN_SKIP] = state[OPEN_STRIDE]! - 1;
  }

  function enter(bucket: number): void {
    if (bucket === state[OPEN_BUCKET]) return;
    if (state[OPEN_BUCKET]! >= 0 && bucket - state[OPEN_BUCKET]! > STALE_BUCKETS) reset();
    else close();
    state[OPEN_BUCKET] = bucket;
  }

  function compute(): Band {
    const filled = state[FILLED]!;
    if (filled < warmupBuckets || filled === 0) return NO_BAND;
    const medians = state.subarray(MEDIANS_AT, MEDIANS_AT + filled);
    const level = median(medians);
    // A bucket's median moves far less than one sample does: what samples do within a bucket has to be added.
    const within =
      state[DEVIATIONS_FILLED] === 0
        ? 0
        : median(state.subarray(DEVIATIONS_AT, DEVIATIONS_AT + state[DEVIATIONS_FILLED]!));
    const spread = Math.max(Math.hypot(mad(medians), within), spreadFloor(unit, level));
    const lower = level - BAND_SPREADS * spread;
    return Object.freeze({
      expected: level,
      // No unit of ours measures what can be negative; a series that is negative all the same keeps its lower side.
      lower: level >= 0 ? Math.max(0, lower) : lower,
      upper: level + BAND_SPREADS * spread,
      ready: true,
      profile: 'last_24h',
    });
  }

  reset();
  return {
    observe(times, values) {
      for (let i = 0; i < times.length; i++) {
        enter(Math.floor(times[i]! / BUCKET_MS));
        keep(values[i]!);
      }
    },
    expected(at) {
      if (Math.floor(at / BUCKET_MS) - state[OPEN_BUCKET]! > STALE_BUCKETS) return NO_BAND;
      band ??= compute();
      return band;
    },
    absorb(other) {
      const from = other.snapshot();
      if (from[OPEN_BUCKET]! < 0) return;
      close();
      for (let i = 0; i < from[FILLED]!; i++) {
        push(from[MEDIANS_AT + ((from[NEXT]! - from[FILLED]! + i + BUCKETS) % BUCKETS)]!);
      }
      for (let i = 0; i < from[DEVIATIONS_FILLED]!; i++) {
        pushDeviation(
          from[DEVIATIONS_AT + ((from[DEVIATIONS_NEXT]! - from[DEVIATIONS_FILLED]! + i + DEVIATIONS) % DEVIATIONS)]!,
        );
      }
      for (const field of [OPEN_BUCKET, OPEN_COUNT, OPEN_STRIDE, OPEN_SKIP]) state[field] = from[field]!;
      state.set(from.subarray(OPEN_AT), OPEN_AT);
      band = null;
    },
    snapshot: () => state.slice(),
    restore(from) {
      if (from.length !== STATE_LENGTH || from[FILLED]! > BUCKETS || from[OPEN_COUNT]! > OPEN_VALUES) return false;
      state.set(from);
      band = null;
      return true;
    },
  };
}
