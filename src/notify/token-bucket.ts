import type { EpochMs } from '../model/glossary.ts';

export interface TokenBucket {
  /** Takes one token, leaving at least `reserve`; false when there are not that many. */
  take(now: EpochMs, reserve: number): boolean;
  readonly burst: number;
}

/**
 * A bucket that lets at most `perMinute` through in any minute: a full burst and what flows in during the minute add up
 * to it (a bucket of `perMinute` tokens that also refills at `perMinute` would let twice as many through). Below 6 a
 * minute the burst is one and the bound is `perMinute + 1`.
 */
export function createTokenBucket(perMinute: number): TokenBucket {
  const burst = Math.max(1, Math.floor(perMinute / 6));
  const perMs = (burst === 1 ? perMinute : perMinute - burst) / 60_000;
  let tokens = burst;
  let filledAt = Number.NEGATIVE_INFINITY;
  return {
    burst,
    take: (now, reserve) => {
      // A clock that is set back adds nothing and starts anew from there.
      tokens = Math.min(burst, tokens + Math.max(0, now - filledAt) * perMs);
      filledAt = now;
      if (tokens < 1 + reserve) return false;
      tokens -= 1;
      return true;
    },
  };
}
