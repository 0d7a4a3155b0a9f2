/**
 * The recent samples of one series, columnar, oldest first, each with the band under which it was judged. Bands are shared
 * objects that change every five minutes at most, so a sample costs 24 bytes. There are as many of these as there are
 * series: plain records with functions over them, since methods of their own would cost each more than its first samples.
 */

import type { Band, EpochMs } from '../model/index.ts';

/**
 * Samples are in [start, end) of the columns: dropping the oldest moves `start`, and copies only now and then. `bands` has
 * those of these samples alone, so that a band lives no longer than its samples.
 */
export interface Recent {
  times: Float64Array;
  values: Float64Array;
  bands: Band[];
  start: number;
  end: number;
}

const FIRST_CAPACITY = 16;

export function createRecent(): Recent {
  return {
    times: new Float64Array(FIRST_CAPACITY),
    values: new Float64Array(FIRST_CAPACITY),
    bands: [],
    start: 0,
    end: 0,
  };
}

export const lengthOf = ({ start, end }: Recent): number => end - start;
export const timeAt = (recent: Recent, index: number): EpochMs => recent.times[recent.start + index]!;
export const valueAt = (recent: Recent, index: number): number => recent.values[recent.start + index]!;
export const bandAt = (recent: Recent, index: number): Band => recent.bands[index]!;

export function recentBytes({ times, values, bands }: Recent): number {
  return times.byteLength + values.byteLength + 8 * bands.length;
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
    const { times, values, bands, start, end } = recent;
    const to = start + index;
    times.copyWithin(to + 1, to, end);
    values.copyWithin(to + 1, to, end);
    if (index === bands.length) bands.push(band);
    else bands.splice(index, 0, band);
    times[to] = at;
    recent.end++;
  }
  recent.values[recent.start + index] = value;
  recent.bands[index] = band;
}

function makeRoom(recent: Recent): void {
  const { times, start, end } = recent;
  if (end < times.length) return;
  // Room enough in front: shift. Otherwise grow by half: a window of an hour stays near its own size.
  const capacity = start >= times.length / 8 ? times.length : Math.ceil(times.length * 1.5);
  const move = (column: Float64Array): Float64Array => {
    const moved = new Float64Array(capacity);
    moved.set(column.subarray(start, end));
    return moved;
  };
  recent.times = move(times);
  recent.values = move(recent.values);
  recent.start = 0;
  recent.end = end - start;
}

/** How many of these points, from the first on, are here one after another with the same values and a ready band. */
export function known(recent: Recent, pointTimes: Float64Array, pointValues: Float64Array): number {
  const { times, values, bands, start, end } = recent;
  if (pointTimes.length === 0 || end === start) return 0;
  const first = start + lowerBound(recent, pointTimes[0]!);
  const most = Math.min(pointTimes.length, end - first);
  let i = 0;
  while (i < most) {
    const at = first + i;
    if (times[at] !== pointTimes[i] || values[at] !== pointValues[i] || !bands[i + first - start]!.ready) break;
    i++;
  }
  return i;
}

/** Gives the sample of that index another band. */
export function judge(recent: Recent, index: number, band: Band): void {
  recent.bands[index] = band;
}

export interface Columns {
  readonly times: Float64Array;
  readonly values: Float64Array;
}

/** Columns of [from, to), views that the next change may overwrite. */
export function columns({ times, values, start }: Recent, from: number, to: number): Columns {
  return { times: times.subarray(start + from, start + to), values: values.subarray(start + from, start + to) };
}

/** Drops samples before that index. */
export function dropBefore(recent: Recent, index: number): void {
  const count = Math.min(Math.max(0, index), lengthOf(recent));
  recent.start += count;
  if (count > 0) recent.bands.splice(0, count);
}

/** Drops samples from that index on. */
export function dropFrom(recent: Recent, index: number): void {
  recent.end = Math.min(recent.end, recent.start + Math.max(0, index));
  recent.bands.length = lengthOf(recent);
}
