/** Which part of time is asked for. All times are aligned to the period and at its start, as CloudWatch's are. */

import type { EpochMs } from '../../../model/glossary.ts';

/** Values may still move for so long after they were published; reading them again costs nothing. */
export const REREAD_MS = 15 * 60_000;
/** As far back as is read after a pause, and at the first look. What had no value for so long is not there. */
export const LOOK_BACK_MS = 3 * 60 * 60_000;

/** Of periods of seconds so many are read, and no more: every poll would carry tens of thousands of values. */
const MOST_REREAD = 300;
const MOST_LOOK_BACK = 3_600;

/** From is included, to is not. */
export interface Span {
  readonly from: EpochMs;
  readonly to: EpochMs;
}

/** The end of the newest period that has settled. */
export function settledEnd(now: EpochMs, periodMs: number, settleMs: number): EpochMs {
  return Math.floor((now - settleMs) / periodMs) * periodMs;
}

/** What is read up to `to`: the last 15 minutes, or all since the watermark, at most 3 hours; at least two periods, at most thousands. */
export function spanOf(to: EpochMs, periodMs: number, watermark: EpochMs | null): Span {
  const floor = (at: EpochMs): EpochMs => Math.floor(at / periodMs) * periodMs;
  const usual = Math.min(floor(to - Math.min(REREAD_MS, MOST_REREAD * periodMs)), to - 2 * periodMs);
  const furthest = floor(to - Math.min(LOOK_BACK_MS, MOST_LOOK_BACK * periodMs));
  const wanted = watermark === null ? furthest : Math.min(usual, floor(watermark));
  // A watermark of the future is of a clock that was set back since.
  return { from: Math.max(furthest, Math.min(wanted, usual)), to };
}

export function slotsOf({ from, to }: Span, periodMs: number): number {
  return Math.max(0, Math.round((to - from) / periodMs));
}
