/**
 * The recent samples of one series, columnar, oldest first, each with the band under which it was judged. Bands change
 * every five minutes at most, so each is kept once, as a row of numbers: a sample costs 18 bytes, a band 56. There are as
 * many of these as there are series: plain records with functions over them, since methods of their own would cost each
 * more than its first samples, and one room of an arena for all columns.
 */

import type { Band, EpochMs } from '../model/index.ts';
import { createArena, noRoom } from './arena.ts';
import {
  bandsAt,
  bytesFor,
  isJudged,
  isRow,
  lengthOf,
  numbersAt,
  type Recent,
  timeAt,
  timesAt,
  valueAt,
  valuesAt,
  WIDTH,
  writeRow,
} from './recent-layout.ts';

export { bandAt, bandNumber, isJudged, lengthOf, type Recent, timeAt, valueAt } from './recent-layout.ts';

const FIRST_CAPACITY = 16;
/** Those of an hour and the newest; few series ever keep more. */
const FIRST_ROWS = 14;
const MORE_ROWS = 3;

/** `capacity`: samples that there will be, as far as that is known. */
export function createRecent(capacity = FIRST_CAPACITY, arena = createArena()): Recent {
  const rowCapacity = Math.min(capacity, FIRST_ROWS);
  // Spelled out: an object that begins with a spread keeps its fields in a second one.
  const { page } = noRoom();
  const recent: Recent = { page, at: 0, bytes: 0, arena, capacity, rowCapacity, start: 0, end: 0, rows: 0 };
  arena.take(recent, bytesFor(capacity, rowCapacity));
  return recent;
}

/** Makes room for so many samples at once, where there is less. */
export function reserve(recent: Recent, capacity: number): void {
  if (recent.capacity >= capacity) return;
  resize(recent, capacity, Math.max(recent.rowCapacity, Math.min(capacity, FIRST_ROWS)));
}

/** Gives its room back: it is empty then, for good. */
export function releaseRecent(recent: Recent): void {
  recent.arena.give(recent);
  recent.start = 0;
  recent.end = 0;
  recent.rows = 0;
}

/** Index of the first sample at or after that time. */
export function lowerBound(recent: Recent, at: EpochMs): number {
  const { doubles } = recent.page;
  const first = timesAt(recent) + recent.start;
  const length = lengthOf(recent);
  // New samples come last, nearly always.
  if (length === 0 || doubles[first + length - 1]! < at) return length;
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (doubles[first + middle]! < at) low = middle + 1;
    else high = middle;
  }
  return low;
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
    const { page, start, end } = recent;
    const to = start + index;
    if (to < end) moveColumns(recent, to + 1, to, end);
    page.doubles[timesAt(recent) + to] = at;
    const numbers = numbersAt(recent);
    // Of no band that is in use, until it has its own.
    page.halves[numbers + to] = page.halves[numbers + Math.max(start, to - 1)]!;
    recent.end++;
  }
  recent.page.doubles[valuesAt(recent) + recent.start + index] = value;
  judge(recent, index, band);
}

function makeRoom(recent: Recent): void {
  const { capacity, start, end } = recent;
  if (end < capacity) return;
  // Room enough in front: shift. Otherwise grow by an eighth: a window of an hour stays near its own size.
  if (start > 0 && start >= capacity / 16) {
    moveColumns(recent, 0, start, end);
    recent.start = 0;
    recent.end = end - start;
  } else resize(recent, Math.ceil(capacity * 1.125) + 1, recent.rowCapacity);
}

/** Samples [from, through) to where `to` is. */
function moveColumns(recent: Recent, to: number, from: number, through: number): void {
  const { doubles, halves } = recent.page;
  for (const column of [timesAt(recent), valuesAt(recent)]) {
    doubles.copyWithin(column + to, column + from, column + through);
  }
  const numbers = numbersAt(recent);
  halves.copyWithin(numbers + to, numbers + from, numbers + through);
}

/** How many of these points, from the first on, are here one after another with the same values and a ready band. */
export function known(recent: Recent, pointTimes: Float64Array, pointValues: Float64Array): number {
  if (pointTimes.length === 0 || lengthOf(recent) === 0) return 0;
  const first = lowerBound(recent, pointTimes[0]!);
  const most = Math.min(pointTimes.length, lengthOf(recent) - first);
  let i = 0;
  while (i < most) {
    const index = first + i;
    if (timeAt(recent, index) !== pointTimes[i] || valueAt(recent, index) !== pointValues[i]) break;
    if (!isJudged(recent, index)) break;
    i++;
  }
  return i;
}

/** Gives the sample of that index another band. */
export function judge(recent: Recent, index: number, band: Band): void {
  const row = rowOf(recent, band);
  recent.page.halves[numbersAt(recent) + recent.start + index] = row;
}

/** The last row when it is of that band, else a new one. */
function rowOf(recent: Recent, band: Band): number {
  if (recent.rows > 0 && isRow(recent, recent.rows - 1, band)) return recent.rows - 1;
  if (recent.rows === recent.rowCapacity) {
    forgetUnused(recent);
    if (recent.rows === recent.rowCapacity) {
      resize(recent, recent.capacity, recent.rows + Math.max(MORE_ROWS, recent.rows >> 3));
    }
  }
  writeRow(recent, recent.rows, band);
  return recent.rows++;
}

/** Keeps the rows that samples have, in their order. */
function forgetUnused(recent: Recent): void {
  const { page, start, end, rows } = recent;
  const { doubles, halves } = page;
  const bands = bandsAt(recent);
  const numbers = numbersAt(recent);
  const moved = new Uint16Array(rows);
  for (let i = start; i < end; i++) moved[halves[numbers + i]!] = 1;
  let kept = 0;
  for (let row = 0; row < rows; row++) {
    if (moved[row] === 0) continue;
    doubles.copyWithin(bands + kept * WIDTH, bands + row * WIDTH, bands + (row + 1) * WIDTH);
    moved[row] = kept++;
  }
  for (let i = start; i < end; i++) halves[numbers + i] = moved[halves[numbers + i]!]!;
  recent.rows = kept;
}

export interface Columns {
  readonly times: Float64Array;
  readonly values: Float64Array;
}

/** Columns of [from, to), views that the next change may overwrite. */
export function columns(recent: Recent, from: number, to: number): Columns {
  const { page, start } = recent;
  const [times, values] = [timesAt(recent) + start, valuesAt(recent) + start];
  return {
    times: page.doubles.subarray(times + from, times + to),
    values: page.doubles.subarray(values + from, values + to),
  };
}

/** Drops samples before that index. A first look that went far back does not keep its room for ever. */
export function dropBefore(recent: Recent, index: number): void {
  recent.start += Math.min(Math.max(0, index), lengthOf(recent));
  if (recent.capacity >= LARGE && recent.capacity > 2 * lengthOf(recent)) {
    forgetUnused(recent);
    const rows = Math.max(FIRST_ROWS, recent.rows + MORE_ROWS);
    resize(recent, Math.max(LARGE / 2, lengthOf(recent) + ROOM), rows);
  }
}

const LARGE = 128;
const ROOM = 6;

/** Into another room. */
function resize(recent: Recent, capacity: number, rowCapacity: number): void {
  const before = { ...recent };
  const { start, end, rows, arena } = recent;
  arena.take(recent, bytesFor(capacity, rowCapacity));
  recent.capacity = capacity;
  recent.rowCapacity = rowCapacity;
  recent.start = 0;
  recent.end = end - start;
  const [from, to] = [before.page, recent.page];
  const copy = (column: (of: Recent) => number, first: number, last: number): void => {
    const at = column(before);
    to.doubles.set(from.doubles.subarray(at + first, at + last), column(recent));
  };
  copy(timesAt, start, end);
  copy(valuesAt, start, end);
  copy(bandsAt, 0, rows * WIDTH);
  const numbers = numbersAt(before);
  to.halves.set(from.halves.subarray(numbers + start, numbers + end), numbersAt(recent));
  arena.give(before);
}

/** Drops samples from that index on. */
export function dropFrom(recent: Recent, index: number): void {
  recent.end = Math.min(recent.end, recent.start + Math.max(0, index));
}
