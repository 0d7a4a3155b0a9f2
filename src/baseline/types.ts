/** What `createBaselines` takes and gives. */

import type { Band, EpochMs, Labels, Reading, Series } from '../model/index.ts';

export interface BaselineOptions {
  /** Samples are learned when older than this: max(15 min, longest rule window). */
  readonly learningHorizonMs: number;
  /** Buckets of five minutes before a band is ready. Default 12, an hour. */
  readonly warmupBuckets?: number;
  /** Default 20,000 in all, 2,000 of one target; further series are dropped and counted. */
  readonly seriesCap?: number;
  readonly seriesCapPerTarget?: number;
}

export type RestoreResult =
  | { readonly state: 'restored'; readonly series: number }
  | { readonly state: 'ignored'; readonly because: 'damaged' | 'version' };

export interface Baselines {
  /** Judges new samples. Idempotent by (series, time): one already there is judged again and replaced. */
  observe(series: readonly Series[], now: EpochMs): void;
  expected(target: string, signal: string, labels: Labels, at: EpochMs): Band;
  /** The last 60 minutes, all label sets, sorted by labels; series without a sample in them are not there. */
  readings(target: string, signal: string, now: EpochMs): readonly Reading[];
  allReadings(now: EpochMs): readonly Reading[];
  /** Moves samples older than the learning horizon into the baselines, or holds them apart under a freeze. */
  learn(now: EpochMs): void;
  /** Samples of this target from `since` on are not learned until thawed. Idempotent. */
  freeze(target: string, since: EpochMs): void;
  /** Drops what was frozen, or learns it when `keep` is set: the new level was accepted. */
  thaw(target: string, keep: boolean): void;
  snapshot(): Uint8Array;
  /** Replaces everything, or nothing when the state cannot be read. Recent samples are judged by the restored bands. */
  restore(state: Uint8Array): RestoreResult;
  stats(): BaselineStats;
}

export interface BaselineStats {
  readonly series: number;
  /** Series refused by a cap, counted at each observation. */
  readonly dropped: number;
  /** Samples refused: not finite, from the future, or beyond what one series may keep waiting. */
  readonly samplesDropped: number;
  readonly bytes: number;
}
