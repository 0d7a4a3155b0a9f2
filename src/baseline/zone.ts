/** Local time of a zone, cheaply: offsets from UTC by the hour. */

import type { EpochMs } from '../model/index.ts';

/** Milliseconds to add to UTC for local time at that moment. */
export type Zone = (at: EpochMs) => number;

const HOUR_MS = 3_600_000;
/** Hours kept: the five weeks that profiles read, and more. */
const MAX_KEPT = 4096;

export const UTC: Zone = () => 0;

/** `timeZone` by its IANA name. Throws a RangeError for a zone that is none. Offsets change on whole hours of UTC (Lord Howe: by half past). */
export function createZone(timeZone: string): Zone {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  if (format.resolvedOptions().timeZone === 'UTC') return UTC;
  const known = new Map<number, number>();
  return (at) => {
    const hour = Math.floor(at / HOUR_MS);
    const found = known.get(hour);
    if (found !== undefined) return found;
    const offset = offsetAt(format, hour * HOUR_MS);
    if (known.size >= MAX_KEPT) known.clear();
    known.set(hour, offset);
    return offset;
  };
}

function offsetAt(format: Intl.DateTimeFormat, at: EpochMs): number {
  const parts: Record<string, number> = {};
  for (const { type, value } of format.formatToParts(at)) parts[type] = Number(value);
  const { year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0 } = parts;
  return Date.UTC(year, month - 1, day, hour, minute, second) - at;
}
