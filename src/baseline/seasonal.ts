/**
 * What is expected by the hour of week or of day: at the same local time of the last weeks (or days), the line between
 * the medians of the two clock hours around it, centred at half past; the level is the median of these over the weeks.
 * So a steep curve has no step at the hour, and one bad week in three is forgiven.
 *
 * A growing service: weeks are brought to this week's level first, by the median ratio of all hours of the last seven days
 * to the same hours of that week, between ½ and 2. It takes three and a half days of another level to move such a median,
 * so no incident does; a holiday neither. Days (the profile of the first three weeks) are not corrected: against the day
 * before, a Sunday looks like a fall and a Monday like a rise. They lag by half their seven days.
 *
 * Around a change of the clock, what follows people keeps its local hour and what follows machines its hour of UTC: as
 * long as the profile holds values from before the change, the band is the wider of both.
 */

import type { EpochMs, Unit } from '../model/index.ts';
import {
  FIRST_HOUR,
  HOUR_MS,
  hourMedian,
  LAST_HOUR,
  RING_HOURS,
  type State,
  TREND_AT,
  TREND_HOUR,
  unpack,
  WEEK_HOURS,
  WITHIN_AT,
} from './layout.ts';
import { deviationOf, medianOf } from './order.ts';
import { smallSampleFactor, spreadFloor } from './spread.ts';
import type { Zone } from './zone.ts';

export interface Seasonal {
  readonly profile: 'hour_of_day' | 'hour_of_week';
  readonly level: number;
  readonly lower: number;
  readonly upper: number;
  /** NaN when not known. */
  readonly mean: number;
  /** Hours that the mean is over. */
  readonly hours: number;
}

const DAY_MS = 24 * HOUR_MS;
const NEED = 3;
/** One of each weekday; looked for as far back as the ring goes, so that a freeze of days does not wear the profile out. */
const DAYS = 7;
const RING_DAYS = RING_HOURS / 24;
const WEEKS = 4;
export const BAND_SPREADS = 3;
/** Pairs of hours that a ratio of weeks needs: half a week. */
const MIN_PAIRS = WEEK_HOURS / 2;
const MAX_TREND = 2;
/** Hours beside the one asked that lend it their deviations: three or seven values alone say little of a spread. */
const BESIDE = [0, -HOUR_MS, HOUR_MS] as const;

const values = new Float64Array(DAYS);
const residuals = new Float64Array(BESIDE.length * DAYS);
const ratios = new Float64Array(WEEK_HOURS);

/** Null until there are three days of this hour. */
export function seasonal(state: State, at: EpochMs, unit: Unit, zone: Zone): Seasonal | null {
  const hours = state.floats[LAST_HOUR]! - state.floats[FIRST_HOUR]! + 1;
  if (state.floats[LAST_HOUR]! < 0 || hours < 2 * 24) return null;
  // Two weeks and an hour hold an hour of week three times.
  const weekly = hours > 2 * WEEK_HOURS ? profile(state, at, unit, zone, true) : null;
  return weekly ?? profile(state, at, unit, zone, false);
}

function profile(state: State, at: EpochMs, unit: Unit, zone: Zone, weekly: boolean): Seasonal | null {
  if (weekly) learnTrend(state);
  const local = collect(state, at, zone, weekly, true);
  if (local.count < NEED) return null;
  const within = withinAt(state.floats, at + zone(at));
  const one = band(state, at, unit, zone, weekly, true, within);
  const other = local.clockChanged ? band(state, at, unit, zone, weekly, false, within) : null;
  const days = Math.floor((state.floats[LAST_HOUR]! - state.floats[FIRST_HOUR]! + 1) / 24);
  return {
    profile: weekly ? 'hour_of_week' : 'hour_of_day',
    level: one.level,
    lower: other === null || !(other.lower < one.lower) ? one.lower : other.lower,
    upper: other === null || !(other.upper > one.upper) ? one.upper : other.upper,
    mean: weekly ? weekMean(state, at + zone(at)) : dayMean(state, at + zone(at)),
    hours: weekly ? local.count : Math.max(local.count, Math.min(days, RING_DAYS)),
  };
}

/** Level alone, of whichever profile there is; null for none. */
export function hourLevel(state: State, at: EpochMs, zone: Zone): number | null {
  for (const weekly of [true, false]) {
    if (weekly) learnTrend(state);
    const { count } = collect(state, at, zone, weekly, true);
    if (count >= NEED) return medianOf(values, count);
  }
  return null;
}

interface Collected {
  readonly count: number;
  /** Whether any of them was before a change of the clock. */
  readonly clockChanged: boolean;
}

/** Fills `values` with what the same time of the days or weeks before was, by the local clock or by UTC. */
function collect(state: State, at: EpochMs, zone: Zone, weekly: boolean, byClock: boolean): Collected {
  const offset = zone(at);
  const step = weekly ? 7 : 1;
  const most = weekly ? WEEKS : DAYS;
  let count = 0;
  let clockChanged = false;
  for (let days = step; days <= RING_DAYS && count < most; days += step) {
    const then = at - days * DAY_MS;
    const shift = offset - zone(then);
    const value = valueAt(state, byClock ? then + shift : then);
    if (Number.isNaN(value)) continue;
    if (shift !== 0) clockChanged = true;
    values[count++] = weekly ? value * trendOf(state.floats, days / 7) : value;
  }
  return { count, clockChanged };
}

function band(
  state: State,
  at: EpochMs,
  unit: Unit,
  zone: Zone,
  weekly: boolean,
  byClock: boolean,
  within: number,
): { readonly level: number; readonly lower: number; readonly upper: number } {
  let level = Number.NaN;
  let perHour = 0;
  let pooled = 0;
  for (const beside of BESIDE) {
    const { count } = collect(state, at + beside, zone, weekly, byClock);
    if (count < NEED) continue;
    const center = medianOf(values, count);
    if (beside === 0) {
      level = center;
      perHour = count;
    }
    for (let i = 0; i < count; i++) residuals[pooled++] = values[i]! - center;
  }
  const between = perHour === 0 ? 0 : deviationOf(residuals, pooled, 0) * smallSampleFactor(perHour);
  const spread = Math.max(Math.hypot(between, Number.isNaN(within) ? 0 : within), spreadFloor(unit, level));
  const lower = level - BAND_SPREADS * spread;
  return { level, lower: level >= 0 ? Math.max(0, lower) : lower, upper: level + BAND_SPREADS * spread };
}

/** On the line between the hours around `at`; of one of them where the other is not known. */
function valueAt(state: State, at: EpochMs): number {
  const position = at / HOUR_MS - 0.5;
  const hour = Math.floor(position);
  return between(hourMedian(state, hour), hourMedian(state, hour + 1), position - hour);
}

function between(before: number, after: number, share: number): number {
  if (Number.isNaN(before)) return after;
  return Number.isNaN(after) ? before : before + (after - before) * share;
}

function withinAt(f: Float32Array, localAt: number): number {
  const position = localAt / HOUR_MS - 0.5;
  const hour = Math.floor(position);
  return between(f[WITHIN_AT + (hour % 24)]!, f[WITHIN_AT + ((hour + 1) % 24)]!, position - hour);
}

function weekMean(state: State, localAt: number): number {
  const position = localAt / HOUR_MS - 0.5;
  const hour = Math.floor(position);
  const mean = (slot: number): number => unpack(state.weekMeans[slot % WEEK_HOURS]!);
  return between(mean(hour), mean(hour + 1), position - hour);
}

/** Over the weekdays that there are. */
function dayMean(state: State, localAt: number): number {
  let sum = 0;
  let slots = 0;
  for (let day = 0; day < 7; day++) {
    const mean = weekMean(state, localAt + day * DAY_MS);
    if (Number.isNaN(mean)) continue;
    sum += mean;
    slots++;
  }
  return slots === 0 ? Number.NaN : sum / slots;
}

function trendOf(f: Float32Array, weeks: number): number {
  // No hour of the last week has its partner of four weeks ago left: taken as one more week like the last.
  return weeks < WEEKS ? f[TREND_AT + weeks - 1]! : limited(f[TREND_AT]! * f[TREND_AT + 2]!);
}

function limited(ratio: number): number {
  return Math.min(Math.max(ratio, 1 / MAX_TREND), MAX_TREND);
}

/** Once for each closed hour. */
function learnTrend(state: State): void {
  const f = state.floats;
  const last = f[LAST_HOUR]!;
  if (f[TREND_HOUR] === last) return;
  f[TREND_HOUR] = last;
  for (let weeks = 1; weeks < WEEKS; weeks++) {
    let pairs = 0;
    for (let hour = last; hour > last - WEEK_HOURS; hour--) {
      const now = hourMedian(state, hour);
      const then = hourMedian(state, hour - weeks * WEEK_HOURS);
      if (now > 0 && then > 0) ratios[pairs++] = now / then;
    }
    f[TREND_AT + weeks - 1] = pairs < MIN_PAIRS ? 1 : limited(medianOf(ratios, pairs));
  }
}
