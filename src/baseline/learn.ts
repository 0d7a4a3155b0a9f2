/**
 * Learning: values fill the open bucket; a value of another bucket closes it into the ring of medians; a bucket of
 * another hour closes the hour into the four weeks that profiles are read from. Nothing is allocated.
 */

import {
  advanceTo,
  BUCKET_MEAN,
  BUCKET_MS,
  BUCKET_VALUES,
  BUCKETS,
  BUCKETS_PER_HOUR,
  CLUSTER_SQUARES,
  CLUSTER_SUM,
  DAY_HOURS,
  DAY_SUM,
  DEVIATIONS,
  DEVIATIONS_AT,
  DEVIATIONS_FILLED,
  DEVIATIONS_NEXT,
  FILLED,
  HOUR,
  HOUR_BUCKETS,
  HOUR_DEVIATIONS,
  HOUR_MEAN,
  HOUR_MS,
  HOUR_SQUARES,
  HOUR_VALUES,
  hourMedian,
  MEDIANS_AT,
  NEXT,
  OPEN_AT,
  OPEN_BUCKET,
  OPEN_COUNT,
  OPEN_SKIP,
  OPEN_STRIDE,
  OPEN_VALUES,
  PERIOD,
  pack,
  RING_HOURS,
  resetState,
  type State,
  unpack,
  WEEK_HOURS,
  WITHIN_AT,
} from './layout.ts';
import { deviationOf, medianOf } from './order.ts';
import { smallSampleFactor } from './spread.ts';
import type { Zone } from './zone.ts';

/** A baseline that learned nothing for seven days is not believed any more and begins anew. */
export const STALE_BUCKETS = (7 * 24 * HOUR_MS) / BUCKET_MS;
/** Buckets that an hour needs for its median to count: samples of 15 minutes give four. */
const MIN_HOUR_BUCKETS = 3;
/** Time constants in units learned: a day of buckets for the day's mean, a week of hours for the clusters. */
const DAY_DECAY = 1 - 1 / BUCKETS;
const WEEK_DECAY = 1 - 1 / WEEK_HOURS;

const scratch = new Float64Array(OPEN_VALUES + DEVIATIONS);

/** Learns values, oldest first; finite, of times that this state has not learned, `periodMs` apart. */
export function learn(state: State, times: Float64Array, values: Float64Array, periodMs: number, zone: Zone): void {
  const f = state.floats;
  f[PERIOD] = periodMs / HOUR_MS;
  for (let i = 0; i < times.length; i++) {
    const bucket = Math.floor(times[i]! / BUCKET_MS);
    if (bucket !== f[OPEN_BUCKET]) enter(state, bucket, zone);
    const value = values[i]!;
    keep(f, value);
    f[BUCKET_VALUES]!++;
    f[BUCKET_MEAN]! += (value - f[BUCKET_MEAN]!) / f[BUCKET_VALUES]!;
    f[HOUR_VALUES]!++;
    const off = value - f[HOUR_MEAN]!;
    f[HOUR_MEAN]! += off / f[HOUR_VALUES]!;
    f[HOUR_SQUARES]! += off * (value - f[HOUR_MEAN]!);
  }
}

function enter(state: State, bucket: number, zone: Zone): void {
  const f = state.floats;
  if (f[OPEN_BUCKET]! >= 0 && bucket - f[OPEN_BUCKET]! > STALE_BUCKETS) {
    const period = f[PERIOD]!;
    resetState(state);
    f[PERIOD] = period;
  } else closeBucket(f);
  const hour = Math.floor(bucket / BUCKETS_PER_HOUR);
  if (hour !== f[HOUR]) {
    closeHour(state, zone);
    f[HOUR] = hour;
  }
  f[OPEN_BUCKET] = bucket;
}

function keep(f: Float32Array, value: number): void {
  if (f[OPEN_SKIP]! > 0) {
    f[OPEN_SKIP]!--;
    return;
  }
  if (f[OPEN_COUNT] === OPEN_VALUES) {
    for (let i = 0; i < OPEN_VALUES / 2; i++) f[OPEN_AT + i] = f[OPEN_AT + 2 * i]!;
    f[OPEN_COUNT] = OPEN_VALUES / 2;
    f[OPEN_STRIDE]! *= 2;
  }
  f[OPEN_AT + f[OPEN_COUNT]!] = value;
  f[OPEN_COUNT]!++;
  f[OPEN_SKIP] = f[OPEN_STRIDE]! - 1;
}

export function pushMedian(f: Float32Array, value: number): void {
  f[MEDIANS_AT + f[NEXT]!] = value;
  f[NEXT] = (f[NEXT]! + 1) % BUCKETS;
  f[FILLED] = Math.min(BUCKETS, f[FILLED]! + 1);
}

export function pushDeviation(f: Float32Array, value: number): void {
  f[DEVIATIONS_AT + f[DEVIATIONS_NEXT]!] = value;
  f[DEVIATIONS_NEXT] = (f[DEVIATIONS_NEXT]! + 1) % DEVIATIONS;
  f[DEVIATIONS_FILLED] = Math.min(DEVIATIONS, f[DEVIATIONS_FILLED]! + 1);
}

export function closeBucket(f: Float32Array): void {
  const count = f[OPEN_COUNT]!;
  if (count === 0) return;
  for (let i = 0; i < count; i++) scratch[i] = f[OPEN_AT + i]!;
  const median = medianOf(scratch, count);
  pushMedian(f, median);
  f[HOUR_BUCKETS]!++;
  if (count > 1) {
    pushDeviation(f, deviationOf(scratch, count, median) * smallSampleFactor(count));
    f[HOUR_DEVIATIONS]!++;
  }
  // Until the first day is full, this is the plain mean of all values.
  const decay = f[FILLED] === BUCKETS ? DAY_DECAY : 1;
  const hours = f[BUCKET_VALUES]! * f[PERIOD]!;
  f[DAY_SUM] = decay * f[DAY_SUM]! + f[BUCKET_MEAN]! * hours;
  f[DAY_HOURS] = decay * f[DAY_HOURS]! + hours;
  for (const field of [OPEN_COUNT, OPEN_SKIP, BUCKET_MEAN, BUCKET_VALUES]) f[field] = 0;
  f[OPEN_STRIDE] = 1;
}

export function closeHour(state: State, zone: Zone): void {
  const f = state.floats;
  const hour = f[HOUR]!;
  if (hour < 0) return;
  const buckets = Math.min(f[HOUR_BUCKETS]!, BUCKETS_PER_HOUR);
  advanceTo(state, hour);
  if (buckets >= MIN_HOUR_BUCKETS) {
    const local = Math.floor(hour + 0.5 + zone((hour + 0.5) * HOUR_MS) / HOUR_MS);
    learnWithin(f, WITHIN_AT + (local % 24), withinHour(f, buckets));
    learnMean(state, hour, local % WEEK_HOURS, f[HOUR_MEAN]!);
    for (let i = 0; i < buckets; i++) scratch[i] = f[MEDIANS_AT + ((f[NEXT]! - 1 - i + BUCKETS) % BUCKETS)]!;
    state.hours[hour % RING_HOURS] = pack(medianOf(scratch, buckets));
  }
  f[CLUSTER_SQUARES] = WEEK_DECAY * f[CLUSTER_SQUARES]! + f[HOUR_SQUARES]! * f[PERIOD]!;
  f[CLUSTER_SUM] = WEEK_DECAY * f[CLUSTER_SUM]! + Math.max(0, f[HOUR_VALUES]! - 1) * f[HOUR_MEAN]!;
  for (const field of [HOUR_MEAN, HOUR_SQUARES, HOUR_VALUES, HOUR_BUCKETS, HOUR_DEVIATIONS]) f[field] = 0;
}

/** How far single samples lie from the line through the hour: within its buckets, and from bucket to bucket. */
function withinHour(f: Float32Array, buckets: number): number {
  const median = (i: number): number => f[MEDIANS_AT + ((f[NEXT]! - buckets + i + BUCKETS) % BUCKETS)]!;
  const middle = (buckets - 1) / 2;
  let sum = 0;
  let products = 0;
  let squares = 0;
  for (let i = 0; i < buckets; i++) {
    sum += median(i);
    products += (i - middle) * median(i);
    squares += (i - middle) ** 2;
  }
  const slope = products / squares;
  for (let i = 0; i < buckets; i++) scratch[i] = median(i) - sum / buckets - slope * (i - middle);
  const center = medianOf(scratch, buckets);
  // Two degrees of freedom went into the line.
  const between =
    deviationOf(scratch, buckets, center) * smallSampleFactor(buckets) * Math.sqrt(buckets / (buckets - 2));
  const deviations = Math.min(f[HOUR_DEVIATIONS]!, DEVIATIONS);
  if (deviations === 0) return between;
  for (let i = 0; i < deviations; i++) {
    scratch[i] = f[DEVIATIONS_AT + ((f[DEVIATIONS_NEXT]! - 1 - i + DEVIATIONS) % DEVIATIONS)]!;
  }
  return Math.hypot(between, medianOf(scratch, deviations));
}

/** A quarter of the way each day, and never more than to the half or the double: one bad hour moves it little. */
function learnWithin(f: Float32Array, index: number, spread: number): void {
  const old = f[index]!;
  const limited = old > 0 ? Math.min(Math.max(spread, old / 2), 2 * old) : spread;
  f[index] = Number.isNaN(old) ? spread : old + (limited - old) / 4;
}

/** The mean over the weeks so far; from the fourth on, a week's share falls by a quarter with each later one. */
function learnMean(state: State, hour: number, slot: number, mean: number): void {
  const old = unpack(state.weekMeans[slot]!);
  let weeks = 1;
  for (let week = 1; week <= 3; week++) if (!Number.isNaN(hourMedian(state, hour - week * WEEK_HOURS))) weeks++;
  state.weekMeans[slot] = pack(Number.isNaN(old) ? mean : old + (mean - old) / Math.max(2, weeks));
}
