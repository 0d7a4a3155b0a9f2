/** What is asked of the cache: counters that a server adds up itself. */

import { type AreaOptions, createArea } from './area.ts';

export interface CacheEffects {
  /** Added to the share of look-ups that find their key. */
  readonly hitRatio?: number;
  readonly evictionsPerSecond?: number;
  /** Connections that are turned away. */
  readonly rejectedPerSecond?: number;
}

const LOOKUPS_PER_SECOND = 900;
const HIT_RATIO = 0.9;

export interface CacheRates {
  readonly hitsPerSecond: number;
  readonly missesPerSecond: number;
  readonly evictionsPerSecond: number;
  readonly rejectedPerSecond: number;
}

export function cacheMetrics(options: AreaOptions) {
  const { affect, sum, busy, level } = createArea<CacheEffects>('cache', options);
  return {
    affect,
    rates(at: number): CacheRates {
      const lookups = level(at, 'lookups', LOOKUPS_PER_SECOND * busy(at), 0.02);
      const ratio = Math.min(1, Math.max(0, level(at, 'hits', HIT_RATIO, 0.006) + sum(at, (one) => one.hitRatio)));
      return {
        hitsPerSecond: lookups * ratio,
        missesPerSecond: lookups * (1 - ratio),
        evictionsPerSecond: sum(at, (one) => one.evictionsPerSecond),
        rejectedPerSecond: sum(at, (one) => one.rejectedPerSecond),
      };
    },
  };
}
