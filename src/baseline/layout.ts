/**
 * The state of one series' baseline: one Float32Array, so that a snapshot is a copy of it.
 *
 * - header: scalars, by the indices below
 * - medians: of the last 288 five-minute buckets learned (24 h when nothing was left out), a ring in order of learning
 * - deviations: spread within the last 48 buckets, a ring
 * - open: values of the bucket that is not closed yet
 * - within: spread of single samples around their hour's level, by local hour of day
 * - hours: median of each clock hour (UTC) of the last four weeks, a ring by epoch hour, 16 bits each
 * - week means: arithmetic mean by local hour of week, decayed over weeks, 16 bits each
 *
 * Hours are kept in UTC and read in local time, so that a change of the clock moves nothing that was learned. Bucket and
 * hour numbers stay below 2^24 and so are exact as Float32 until the year 2129.
 */

export const BUCKET_MS = 300_000;
export const HOUR_MS = 3_600_000;
export const BUCKETS_PER_HOUR = HOUR_MS / BUCKET_MS;
export const BUCKETS = 288;
export const DEVIATIONS = 48;
/** Values kept of the open bucket; when there are more, every second one is left out, again and again. */
export const OPEN_VALUES = 40;
export const WEEK_HOURS = 168;
/** Four weeks: at any time the same hour of week of the four weeks before is there. */
export const RING_HOURS = 4 * WEEK_HOURS;

// Header fields, by index into the state.
export const FILLED = 0; // closed buckets, at most BUCKETS
export const NEXT = 1; // where the next median goes
export const DEVIATIONS_FILLED = 2;
export const DEVIATIONS_NEXT = 3;
export const OPEN_BUCKET = 4; // bucket number, −1 for none
export const OPEN_COUNT = 5;
export const OPEN_STRIDE = 6; // keep each n-th value
export const OPEN_SKIP = 7; // values to leave out before the next is kept
export const BUCKET_MEAN = 8; // of all values of the open bucket
export const BUCKET_VALUES = 9; // how many
export const DAY_SUM = 10; // decayed Σ (mean × period) of closed buckets, period in hours
export const DAY_HOURS = 11; // decayed Σ period
export const HOUR = 12; // number of the open hour, −1 for none
export const HOUR_MEAN = 13; // Welford's running mean and sum of squared deviations of the open hour's values
export const HOUR_SQUARES = 14;
export const HOUR_VALUES = 15;
export const HOUR_BUCKETS = 16; // buckets and deviations that were pushed in the open hour
export const HOUR_DEVIATIONS = 17;
export const FIRST_HOUR = 18; // first and last closed hour, −1 for none
export const LAST_HOUR = 19;
export const CLUSTER_SQUARES = 20; // decayed Σ squared deviations within hours × period, period in hours
export const CLUSTER_SUM = 21; // decayed Σ (values − 1) × mean of hours
export const PERIOD = 22; // hours between samples as they are learned, of the last that were
export const TREND_HOUR = 23; // closed hour for which the trend below was computed, −1 for none
export const TREND_AT = 24; // this week over one, two, three weeks ago
export const HEADER = 28;

export const MEDIANS_AT = HEADER;
export const DEVIATIONS_AT = MEDIANS_AT + BUCKETS;
export const OPEN_AT = DEVIATIONS_AT + DEVIATIONS;
export const WITHIN_AT = OPEN_AT + OPEN_VALUES;
export const HOURS_AT = WITHIN_AT + 24;
export const WEEK_MEANS_AT = HOURS_AT + RING_HOURS / 2;
/** Floats of a state: 848, that is 3,392 bytes. */
export const STATE_LENGTH = WEEK_MEANS_AT + WEEK_HOURS / 2;

export interface State {
  readonly floats: Float32Array<ArrayBuffer>;
  /** Views of the same memory: the packed parts. */
  readonly hours: Uint16Array;
  readonly weekMeans: Uint16Array;
}

export function createState(): State {
  const floats = new Float32Array(STATE_LENGTH);
  const state: State = {
    floats,
    hours: new Uint16Array(floats.buffer, 4 * HOURS_AT, RING_HOURS),
    weekMeans: new Uint16Array(floats.buffer, 4 * WEEK_MEANS_AT, WEEK_HOURS),
  };
  resetState(state);
  return state;
}

export function resetState({ floats, hours, weekMeans }: State): void {
  floats.fill(0);
  for (const field of [OPEN_BUCKET, HOUR, FIRST_HOUR, LAST_HOUR, TREND_HOUR]) floats[field] = -1;
  floats[OPEN_STRIDE] = 1;
  floats.fill(Number.NaN, WITHIN_AT, HOURS_AT);
  hours.fill(EMPTY);
  weekMeans.fill(EMPTY);
}

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** Packed NaN: nothing known. */
export const EMPTY = 0x7fc0;

/** The upper half of a Float32 ("bfloat16"), rounded: 8 significant bits, at most 0.4 % off, and its whole range. */
export function pack(value: number): number {
  float[0] = value;
  return Number.isNaN(value) ? EMPTY : (bits[0]! + 0x8000) >>> 16;
}

export function unpack(packed: number): number {
  bits[0] = packed << 16;
  return float[0]!;
}

/** Median of the values of that clock hour; NaN when it is not known (any more). */
export function hourMedian({ floats, hours }: State, hour: number): number {
  const last = floats[LAST_HOUR]!;
  return hour > last || hour <= last - RING_HOURS || hour < 0 ? Number.NaN : unpack(hours[hour % RING_HOURS]!);
}

/** Makes `hour` the newest of the ring; those that it skips, or that a wrong clock wrote after it, are not known. */
export function advanceTo({ floats, hours }: State, hour: number): void {
  const last = floats[LAST_HOUR]!;
  if (floats[FIRST_HOUR]! < 0 || hour < floats[FIRST_HOUR]!) floats[FIRST_HOUR] = hour;
  const [from, to] = last < 0 || hour === last ? [hour, hour] : hour > last ? [last + 1, hour] : [hour + 1, last];
  for (let i = Math.max(from, to - RING_HOURS + 1); i <= to; i++) hours[i % RING_HOURS] = EMPTY;
  floats[LAST_HOUR] = hour;
}
