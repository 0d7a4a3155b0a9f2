import type { EpochMs, Reading } from '../model/index.ts';

/** A series of short period is not called absent by a pause that a restart or a slow poll makes. */
const MIN_ABSENT_MS = 60_000;

/**
 * By the age of the newest sample, less what the backend takes when all is well: present to 2 periods, late to 3, missing
 * to 5 (at least a minute), then absent.
 */
export function freshnessOf(newestAt: EpochMs, periodMs: number, now: EpochMs, delayMs = 0): Reading['freshness'] {
  const ageMs = now - newestAt - delayMs;
  if (ageMs <= 2 * periodMs) return 'present';
  if (ageMs <= 3 * periodMs) return 'late';
  return ageMs <= Math.max(5 * periodMs, MIN_ABSENT_MS) ? 'missing' : 'absent';
}
