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
import { type Arena, createArena, isReleased, noRoom, type Room } from './arena.ts';
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
  /** Where its state is kept; default one of its own. */
  readonly arena?: Arena;
}

/**
 * There are as many of these as there are series: plain records with functions over them, since methods of their own
 * would cost each some 700 bytes. The state is in its room of the arena, and is copied to be worked on: that takes less
 * than making views of it, which code that is compiled for other arrays would be slow with.
 */
export interface Engine extends Room {
  readonly unit: Unit;
  readonly warmupBuckets: number;
  readonly zone: Zone;
  readonly arena: Arena;
  /** Distance of the samples that are judged; what `samples` of a band is counted in. */
  periodMs: number;
  /** What was said last, null after a change. */
  band: Band | null;
  /** The five minutes that `band` is for; ANY when it does not go by the hour. */
  bandOf: number;
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
/** The states that are worked on: nothing stays in them from one call to the next. */
const work = createState();
const other = createState();
const ANY = -1;

export function createEngine({ unit, warmupBuckets, zone = UTC, arena = createArena() }: EngineOptions): Engine {
  // Spelled out: an object that begins with a spread keeps its fields in a second one.
  const engine: Engine = {
    page: noRoom().page,
    at: 0,
    bytes: 0,
    unit,
    warmupBuckets,
    zone,
    arena,
    periodMs: 60_000,
    band: null,
    bandOf: ANY,
  };
  arena.take(engine, 4 * STATE_LENGTH);
  resetEngine(engine);
  return engine;
}

/** Gives its room back: it knows nothing then, for good. */
export function releaseEngine(engine: Engine): void {
  engine.arena.give(engine);
  engine.band = null;
}

const field = ({ page, at }: Engine, index: number): number => page.floats[at / 4 + index]!;

function load(into: State, engine: Engine): void {
  into.floats.set(stateOf(engine));
}

function save(engine: Engine, from: State): void {
  stateOf(engine).set(from.floats);
}

/** Learns values, oldest first; finite, of times that this engine has not learned, `periodMs` apart. */
export function learnValues(
  engine: Engine,
  times: Float64Array,
  values: Float64Array,
  periodMs: number = engine.periodMs,
): void {
  if (isReleased(engine)) return;
  const open = field(engine, OPEN_BUCKET);
  load(work, engine);
  learn(work, times, values, periodMs, engine.zone);
  save(engine, work);
  if (field(engine, OPEN_BUCKET) !== open) engine.band = null;
}

/** The same object until a bucket closes, or `at` passes into another five minutes where it goes by the hour. */
export function expectedAt(engine: Engine, at: EpochMs): Band {
  if (isReleased(engine)) return NO_BAND;
  const { unit, zone, warmupBuckets, periodMs } = engine;
  const bucket = Math.floor(at / BUCKET_MS);
  if (bucket - field(engine, OPEN_BUCKET) > STALE_BUCKETS) return NO_BAND;
  if (engine.band !== null && (engine.bandOf === ANY || engine.bandOf === bucket)) return engine.band;
  const filled = filledOf(engine);
  if (filled < warmupBuckets || filled === 0) return NO_BAND;
  load(work, engine);
  // One for five minutes: at its middle.
  const found = seasonal(work, (bucket + 0.5) * BUCKET_MS, unit, zone);
  engine.bandOf = found === null ? ANY : bucket;
  engine.band = found === null ? lastDay(work, unit, periodMs) : fromHours(work, found, periodMs);
  // The trend of weeks is learned when it is asked for.
  save(engine, work);
  return engine.band;
}

/** Closed buckets of the last 24 h learned. */
export const filledOf = (engine: Engine): number => field(engine, FILLED);

/** Takes over everything that another engine learned after this one stopped, as if it had been learned here. */
export function absorbEngine(engine: Engine, from: Engine): void {
  if (isReleased(engine) || isReleased(from)) return;
  load(work, engine);
  load(other, from);
  absorb(work, other, engine.zone);
  save(engine, work);
  engine.band = null;
}

/** Forgets everything. */
export function resetEngine(engine: Engine): void {
  resetState(work);
  if (!isReleased(engine)) save(engine, work);
  engine.band = null;
}

/** A view, which the next observation changes; empty when the engine was released. */
export function stateOf({ page, at }: Engine): Float32Array {
  return page.floats.subarray(at / 4, at / 4 + STATE_LENGTH);
}

/** False, and nothing changed, when it is not a state of an engine. */
export function restoreState(engine: Engine, from: Float32Array): boolean {
  if (from.length !== STATE_LENGTH || from[FILLED]! > BUCKETS || from[OPEN_COUNT]! > OPEN_VALUES) return false;
  if (!isReleased(engine)) stateOf(engine).set(from);
  engine.band = null;
  return true;
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
