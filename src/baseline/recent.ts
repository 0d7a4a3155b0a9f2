/**
 * The recent samples of one series, columnar, oldest first, each with the band under which it was judged. Bands change
 * every five minutes at most, so each is kept once, as a row of numbers: a sample costs 18 bytes, a band 56. There are as
 * many of these as there are series: plain records with functions over them, since methods of their own would cost each
 * more than its first samples, and objects of a band more than all of them.
 */

import type { Band, BandProfile, EpochMs } from '../model/index.ts';

/**
 * Samples are in [start, end) of the columns: dropping the oldest moves `start`, and moves the others only now and then.
 * `bandOf` has for each the number of its row in `bands`.
 */
export interface Recent {
  times: Float64Array;
  values: Float64Array;
  bandOf: Uint16Array;
  bands: Float64Array;
  start: number;
  end: number;
  /** Rows in use. */
  rows: number;
}

const FIRST_CAPACITY = 16;
const FIRST_ROWS = 2;
/** An hour has 13 bands, and few series ever keep more. */
const MORE_ROWS = 3;
const PROFILES: readonly BandProfile[] = ['none', 'last_24h', 'hour_of_day', 'hour_of_week'];

// Columns of a row.
const EXPECTED = 0;
const LOWER = 1;
const UPPER = 2;
const MEAN = 3;
const SAMPLES = 4;
const DISPERSION = 5; // NaN where the band has none
const KIND = 6; // number of the profile, and READY
const WIDTH = 7;
const READY = 8;

/** `capacity`: samples that there will be, as far as that is known. */
export function createRecent(capacity = FIRST_CAPACITY): Recent {
  return {
    times: new Float64Array(capacity),
    values: new Float64Array(capacity),
    bandOf: new Uint16Array(capacity),
    bands: new Float64Array(FIRST_ROWS * WIDTH),
    start: 0,
    end: 0,
    rows: 0,
  };
}

export const lengthOf = ({ start, end }: Recent): number => end - start;
export const timeAt = (recent: Recent, index: number): EpochMs => recent.times[recent.start + index]!;
export const valueAt = (recent: Recent, index: number): number => recent.values[recent.start + index]!;

/** Whether the sample was judged by a band that was ready. */
export const isJudged = (recent: Recent, index: number): boolean =>
  recent.bands[recent.bandOf[recent.start + index]! * WIDTH + KIND]! >= READY;

/** Number of the band of a sample: the same for the same band. */
export const bandNumber = (recent: Recent, index: number): number => recent.bandOf[recent.start + index]!;

/** The band of a sample, made anew. */
export function bandAt(recent: Recent, index: number): Band {
  const { bands } = recent;
  const at = bandNumber(recent, index) * WIDTH;
  const kind = bands[at + KIND]!;
  const dispersion = bands[at + DISPERSION]!;
  return {
    expected: bands[at + EXPECTED]!,
    lower: bands[at + LOWER]!,
    upper: bands[at + UPPER]!,
    mean: bands[at + MEAN]!,
    samples: bands[at + SAMPLES]!,
    ready: kind >= READY,
    profile: PROFILES[kind % READY]!,
    ...(Number.isNaN(dispersion) ? {} : { dispersion }),
  };
}

export function recentBytes({ times, values, bandOf, bands }: Recent): number {
  return times.byteLength + values.byteLength + bandOf.byteLength + bands.byteLength;
}

/** Index of the first sample at or after that time. */
export function lowerBound({ times, start, end }: Recent, at: EpochMs): number {
  // New samples come last, nearly always.
  if (end === start || times[end - 1]! < at) return end - start;
  let low = start;
  let high = end;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (times[middle]! < at) low = middle + 1;
    else high = middle;
  }
  return low - start;
}

/** First index whose time is after `at`. */
export function indexAfter(recent: Recent, at: EpochMs): number {
  let index = lowerBound(recent, at);
  while (index < lengthOf(recent) && timeAt(recent, index) <= at) index++;
  return index;
}

/** Puts a sample in its place; one of that time is replaced. */
export function upsert(recent: Recent, at: EpochMs, value: number, band: Band): void {
  const index = lowerBound(recent, at);
  if (index === lengthOf(recent) || timeAt(recent, index) !== at) {
    makeRoom(recent);
    const { times, values, bandOf, start, end } = recent;
    const to = start + index;
    if (to < end) {
      times.copyWithin(to + 1, to, end);
      values.copyWithin(to + 1, to, end);
      bandOf.copyWithin(to + 1, to, end);
    }
    times[to] = at;
    // Of no band that is in use, until it has its own.
    bandOf[to] = bandOf[Math.max(start, to - 1)]!;
    recent.end++;
  }
  recent.values[recent.start + index] = value;
  judge(recent, index, band);
}

function makeRoom(recent: Recent): void {
  const { times, values, bandOf, start, end } = recent;
  if (end < times.length) return;
  // Room enough in front: shift. Otherwise grow by a quarter: a window of an hour stays near its own size.
  if (start > 0 && start >= times.length / 16) {
    for (const column of [times, values, bandOf]) column.copyWithin(0, start, end);
    recent.start = 0;
    recent.end = end - start;
  } else resize(recent, Math.ceil(times.length * 1.25) + 1);
}

/** How many of these points, from the first on, are here one after another with the same values and a ready band. */
export function known(recent: Recent, pointTimes: Float64Array, pointValues: Float64Array): number {
  const { times, values, start, end } = recent;
  if (pointTimes.length === 0 || end === start) return 0;
  const first = start + lowerBound(recent, pointTimes[0]!);
  const most = Math.min(pointTimes.length, end - first);
  let i = 0;
  while (i < most) {
    const at = first + i;
    if (times[at] !== pointTimes[i] || values[at] !== pointValues[i] || !isJudged(recent, at - start)) break;
    i++;
  }
  return i;
}

/** Gives the sample of that index another band. */
export function judge(recent: Recent, index: number, band: Band): void {
  recent.bandOf[recent.start + index] = rowOf(recent, band);
}

/** The last row when it is of that band, else a new one. */
function rowOf(recent: Recent, band: Band): number {
  if (recent.rows > 0 && isRow(recent.bands, (recent.rows - 1) * WIDTH, band)) return recent.rows - 1;
  if ((recent.rows + 1) * WIDTH > recent.bands.length) {
    forgetUnused(recent);
    if ((recent.rows + 1) * WIDTH > recent.bands.length) {
      const grown = new Float64Array((recent.rows + Math.max(MORE_ROWS, recent.rows >> 3)) * WIDTH);
      grown.set(recent.bands);
      recent.bands = grown;
    }
  }
  const { bands } = recent;
  const at = recent.rows * WIDTH;
  bands[at + EXPECTED] = band.expected;
  bands[at + LOWER] = band.lower;
  bands[at + UPPER] = band.upper;
  bands[at + MEAN] = band.mean;
  bands[at + SAMPLES] = band.samples;
  bands[at + DISPERSION] = band.dispersion ?? Number.NaN;
  bands[at + KIND] = kindOf(band);
  return recent.rows++;
}

const kindOf = ({ ready, profile }: Band): number => (ready ? READY : 0) + PROFILES.indexOf(profile);

function isRow(bands: Float64Array, at: number, band: Band): boolean {
  return (
    Object.is(bands[at + EXPECTED], band.expected) &&
    Object.is(bands[at + LOWER], band.lower) &&
    Object.is(bands[at + UPPER], band.upper) &&
    Object.is(bands[at + MEAN], band.mean) &&
    bands[at + SAMPLES] === band.samples &&
    Object.is(bands[at + DISPERSION], band.dispersion ?? Number.NaN) &&
    bands[at + KIND] === kindOf(band)
  );
}

/** Keeps the rows that samples have, in their order. */
function forgetUnused(recent: Recent): void {
  const { bandOf, bands, start, end, rows } = recent;
  const moved = new Uint16Array(rows);
  for (let i = start; i < end; i++) moved[bandOf[i]!] = 1;
  let kept = 0;
  for (let row = 0; row < rows; row++) {
    if (moved[row] === 0) continue;
    bands.copyWithin(kept * WIDTH, row * WIDTH, (row + 1) * WIDTH);
    moved[row] = kept++;
  }
  for (let i = start; i < end; i++) bandOf[i] = moved[bandOf[i]!]!;
  recent.rows = kept;
}

export interface Columns {
  readonly times: Float64Array;
  readonly values: Float64Array;
}

/** Columns of [from, to), views that the next change may overwrite. */
export function columns({ times, values, start }: Recent, from: number, to: number): Columns {
  return { times: times.subarray(start + from, start + to), values: values.subarray(start + from, start + to) };
}

/** Drops samples before that index. A first look that went far back does not keep its room for ever. */
export function dropBefore(recent: Recent, index: number): void {
  recent.start += Math.min(Math.max(0, index), lengthOf(recent));
  if (recent.times.length >= LARGE && recent.times.length > 2 * lengthOf(recent)) {
    resize(recent, Math.max(LARGE / 2, lengthOf(recent) + ROOM));
  }
}

const LARGE = 128;
const ROOM = 6;

function resize(recent: Recent, capacity: number): void {
  const { times, values, bandOf, start, end } = recent;
  recent.times = new Float64Array(capacity);
  recent.values = new Float64Array(capacity);
  recent.bandOf = new Uint16Array(capacity);
  recent.times.set(times.subarray(start, end));
  recent.values.set(values.subarray(start, end));
  recent.bandOf.set(bandOf.subarray(start, end));
  recent.start = 0;
  recent.end = end - start;
}

/** Drops samples from that index on. */
export function dropFrom(recent: Recent, index: number): void {
  recent.end = Math.min(recent.end, recent.start + Math.max(0, index));
}
