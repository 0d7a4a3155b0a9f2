/**
 * How often a query is asked. On time → (times out twice in a row) → at half the pace, then a quarter, an eighth, a tenth
 * → (answers, be it with an error) → on time. A query that hurts the server is not put to it again and again.
 */

import type { EpochMs } from '../../../model/glossary.ts';

export interface Pace {
  readonly askedAt: EpochMs | null;
  /** In a row. */
  readonly timeouts: number;
}

export const FRESH: Pace = { askedAt: null, timeouts: 0 };

const TIMEOUTS_TO_SLOW = 2;
const MAX_FACTOR = 10;

/** 1 on time, 10 at most. */
export function slowdown({ timeouts }: Pace): number {
  return timeouts < TIMEOUTS_TO_SLOW ? 1 : Math.min(MAX_FACTOR, 2 ** (timeouts - TIMEOUTS_TO_SLOW + 1));
}

/** How far beyond its time a query is; from 0 on it is due. Half a poll early is in time: schedules jitter. */
export function overdueMs(pace: Pace, periodMs: number, pollMs: number, now: EpochMs): number {
  const { askedAt } = pace;
  // Never asked, or the clock was set back.
  if (askedAt === null || askedAt > now) return Number.POSITIVE_INFINITY;
  return now - askedAt - periodMs * slowdown(pace) + pollMs / 2;
}

export function afterAsking(pace: Pace, now: EpochMs, timedOut: boolean): Pace {
  return { askedAt: now, timeouts: timedOut ? pace.timeouts + 1 : 0 };
}
