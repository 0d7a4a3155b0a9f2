/**
 * The rolling baseline of one series: the profile of this hour of the week (from three weeks on), of this hour of the day
 * (from three days on), else of the last 24 h learned: the medians of 288 five-minute buckets, and for the spread within
 * a bucket the deviations of the last 48. `layout.ts` says what is kept, `learn.ts` how it is learned, `seasonal.ts` how
 * the profiles of hours are read.
 *
 * A bucket closes when a value of another bucket comes; only then does the band of the last 24 h change. Its rings are
 * filled in the order of learning and not by the hour: time under freeze or without data does not wear the baseline out.
 * One that learned nothing for seven days is not believed any more and begins anew.
 */

import type { Band, EpochMs, Unit } from '../model/index.ts';
import { absorb } from './absorb.ts';
import {
  BUCKET_MS,
  BUCKETS,
  CLUSTER_SQUARES,
  CLUSTER_SUM,
  createState,
  DAY_HOURS,
  DAY_SUM,
  DEVIATIONS_AT,
  DEVIATIONS_FILLED,
  FILLED,
  HOUR_MS,
  MEDIANS_AT,
  OPEN_BUCKET,
  OPEN_COUNT,
  OPEN_VALUES,
  resetState,
  STATE_LENGTH,
  type State,
} from './layout.ts';
import { learn, STALE_BUCKETS } from './learn.ts';
import { deviationOf, medianOf } from './order.ts';
import { BAND_SPREADS, type Seasonal, seasonal } from './seasonal.ts';
import { spreadFloor } from './spread.ts';
import { UTC, type Zone } from './zone.ts';

export { BUCKET_MS, STATE_LENGTH } from './layout.ts';

export interface EngineOptions {
  readonly unit: Unit;
  /** Closed buckets before the band is ready. */
  readonly warmupBuckets: number;
  /** Whose hours the profiles follow; default UTC. */
  readonly zone?: Zone;
}

export interface Engine {
  /** Distance of the samples that are judged; what `samples` of a band is counted in. */
  periodMs: number;
  /** Learns values, oldest first; finite, of times that this engine has not learned, `periodMs` apart. */
  observe(times: Float64Array, values: Float64Array, periodMs?: number): void;
  /** The same object until a bucket closes, or `at` passes into another five minutes where it goes by the hour. */
  expected(at: EpochMs): Band;
  /** Closed buckets of the last 24 h learned. */
  filled(): number;
  /** Takes over everything that another engine learned after this one stopped, as if it had been learned here. */
  absorb(other: Engine): void;
  /** Forgets everything. */
  reset(): void;
  snapshot(): Float32Array;
  /** What `snapshot` copies: a view, which the next observation changes. */
  state(): Float32Array;
  /** False, and nothing changed, when it is not a state of this engine. */
  restore(state: Float32Array): boolean;
}

export const NO_BAND: Band = Object.freeze({
  expected: Number.NaN,
  lower: Number.NaN,
  upper: Number.NaN,
  mean: Number.NaN,
  samples: 0,
  ready: false,
  profile: 'none',
});

const scratch = new Float64Array(BUCKETS);
const ANY = -1;

export function createEngine({ unit, warmupBuckets, zone = UTC }: EngineOptions): Engine {
  const state = createState();
  const f = state.floats;
  let band: Band | null = null;
  /** The five minutes that `band` is for; ANY when it does not go by the hour. */
  let bandOf = ANY;

  const engine: Engine = {
    periodMs: 60_000,
    observe(times, values, periodMs = engine.periodMs) {
      const open = f[OPEN_BUCKET];
      learn(state, times, values, periodMs, zone);
      if (f[OPEN_BUCKET] !== open) band = null;
    },
    expected(at) {
      const bucket = Math.floor(at / BUCKET_MS);
      if (bucket - f[OPEN_BUCKET]! > STALE_BUCKETS) return NO_BAND;
      if (band !== null && (bandOf === ANY || bandOf === bucket)) return band;
      if (f[FILLED]! < warmupBuckets || f[FILLED] === 0) return NO_BAND;
      // One for five minutes: at its middle.
      const found = seasonal(state, (bucket + 0.5) * BUCKET_MS, unit, zone);
      bandOf = found === null ? ANY : bucket;
      band = found === null ? lastDay(state, unit, engine.periodMs) : fromHours(state, found, engine.periodMs);
      return band;
    },
    filled: () => f[FILLED]!,
    absorb(other) {
      const from = createState();
      from.floats.set(other.state());
      absorb(state, from, zone);
      band = null;
    },
    reset() {
      resetState(state);
      band = null;
    },
    snapshot: () => f.slice(),
    state: () => f,
    restore(from) {
      if (from.length !== STATE_LENGTH || from[FILLED]! > BUCKETS || from[OPEN_COUNT]! > OPEN_VALUES) return false;
      f.set(from);
      band = null;
      return true;
    },
  };
  return engine;
}

function lastDay(state: State, unit: Unit, periodMs: number): Band {
  const f = state.floats;
  const filled = f[FILLED]!;
  for (let i = 0; i < filled; i++) scratch[i] = f[MEDIANS_AT + i]!;
  const level = medianOf(scratch, filled);
  const between = deviationOf(scratch, filled, level);
  // A bucket's median moves far less than one sample does: what samples do within a bucket has to be added.
  const deviations = f[DEVIATIONS_FILLED]!;
  for (let i = 0; i < deviations; i++) scratch[i] = f[DEVIATIONS_AT + i]!;
  const within = deviations === 0 ? 0 : medianOf(scratch, deviations);
  const spread = Math.max(Math.hypot(between, within), spreadFloor(unit, level));
  const lower = level - BAND_SPREADS * spread;
  return Object.freeze({
    expected: level,
    // No unit of ours measures what can be negative; a series that is negative all the same keeps its lower side.
    lower: level >= 0 ? Math.max(0, lower) : lower,
    upper: level + BAND_SPREADS * spread,
    mean: f[DAY_SUM]! / f[DAY_HOURS]!,
    samples: samplesOf(f[DAY_HOURS]!, periodMs),
    ready: true,
    profile: 'last_24h',
    dispersion: dispersionOf(state, periodMs),
  });
}

function fromHours(state: State, { level, lower, upper, mean, hours, profile }: Seasonal, periodMs: number): Band {
  const f = state.floats;
  const known = !Number.isNaN(mean);
  return Object.freeze({
    expected: level,
    lower,
    upper,
    mean: known ? mean : f[DAY_SUM]! / f[DAY_HOURS]!,
    samples: samplesOf(known ? hours : f[DAY_HOURS]!, periodMs),
    ready: true,
    profile,
    dispersion: dispersionOf(state, periodMs),
  });
}

function samplesOf(hours: number, periodMs: number): number {
  return Math.round((hours * HOUR_MS) / periodMs);
}

/**
 * Variance over mean of what happens in one period, within the hours of about the last week; 1 where nothing is known.
 * Means of k periods, as backfilled ones are, vary by k times less: each hour counts with its own period.
 */
function dispersionOf({ floats }: State, periodMs: number): number {
  const sum = floats[CLUSTER_SUM]!;
  return sum > 0 ? (floats[CLUSTER_SQUARES]! * HOUR_MS) / (sum * periodMs) : 1;
}
