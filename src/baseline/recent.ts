/**
 * The recent samples of one series, columnar, oldest first, each with the band under which it was judged. Bands are shared
 * objects that change every five minutes at most, so a sample costs 24 bytes.
 */

import type { Band, EpochMs } from '../model/index.ts';

export interface Recent {
  readonly length: number;
  timeAt(index: number): EpochMs;
  valueAt(index: number): number;
  bandAt(index: number): Band;
  /** Index of the first sample at or after that time. */
  lowerBound(at: EpochMs): number;
  /** Puts a sample in its place; one of that time is replaced. */
  upsert(at: EpochMs, value: number, band: Band): void;
  /** How many of these points, from the first on, are here one after another with the same values and a ready band. */
  known(pointTimes: Float64Array, pointValues: Float64Array): number;
  /** Gives the sample of that index another band. */
  judge(index: number, band: Band): void;
  /** Columns of [from, to), views that the next change may overwrite. */
  columns(from: number, to: number): { readonly times: Float64Array; readonly values: Float64Array };
  /** Drops samples before that index. */
  dropBefore(index: number): void;
  /** Drops samples from that index on. */
  dropFrom(index: number): void;
  readonly bytes: number;
}

const FIRST_CAPACITY = 16;

export function createRecent(): Recent {
  let times = new Float64Array(FIRST_CAPACITY);
  let values = new Float64Array(FIRST_CAPACITY);
  let bands: Band[] = [];
  // Samples are in [start, end) of the columns: dropping the oldest moves `start`, and copies only now and then.
  let start = 0;
  let end = 0;

  function lowerBound(at: EpochMs): number {
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

  function makeRoom(): void {
    if (end < times.length) return;
    const length = end - start;
    // Room enough in front: shift. Otherwise grow by half: a window of an hour stays near its own size.
    const capacity = start >= times.length / 8 ? times.length : Math.ceil(times.length * 1.5);
    const move = (column: Float64Array): Float64Array<ArrayBuffer> => {
      const moved = new Float64Array(capacity);
      moved.set(column.subarray(start, end));
      return moved;
    };
    times = move(times);
    values = move(values);
    bands = bands.slice(start, end);
    start = 0;
    end = length;
  }

  return {
    get length() {
      return end - start;
    },
    timeAt: (index) => times[start + index]!,
    valueAt: (index) => values[start + index]!,
    bandAt: (index) => bands[start + index]!,
    lowerBound,
    upsert(at, value, band) {
      const index = lowerBound(at);
      if (index === end - start || times[start + index] !== at) {
        makeRoom();
        const to = start + index;
        times.copyWithin(to + 1, to, end);
        values.copyWithin(to + 1, to, end);
        if (to === end) bands[to] = band;
        else bands.splice(to, 0, band);
        times[to] = at;
        end++;
      }
      values[start + index] = value;
      bands[start + index] = band;
    },
    known(pointTimes, pointValues) {
      if (pointTimes.length === 0 || end === start) return 0;
      const first = start + lowerBound(pointTimes[0]!);
      const most = Math.min(pointTimes.length, end - first);
      let i = 0;
      while (i < most) {
        const at = first + i;
        if (times[at] !== pointTimes[i] || values[at] !== pointValues[i] || !bands[at]!.ready) break;
        i++;
      }
      return i;
    },
    judge(index, band) {
      bands[start + index] = band;
    },
    columns: (from, to) => ({
      times: times.subarray(start + from, start + to),
      values: values.subarray(start + from, start + to),
    }),
    dropBefore(index) {
      start += Math.min(Math.max(0, index), end - start);
    },
    dropFrom(index) {
      end = Math.min(end, start + Math.max(0, index));
      bands.length = Math.min(bands.length, end);
    },
    get bytes() {
      return times.byteLength + values.byteLength + 8 * bands.length;
    },
  };
}
