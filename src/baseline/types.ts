/** What `createBaselines` takes and gives. */

import type { Band, EpochMs, Labels, Reading, Series } from '../model/index.ts';

export interface BaselineOptions {
  /** Samples are learned when older than this: max(15 min, longest rule window). */
  readonly learningHorizonMs: number;
  /** Buckets of five minutes before a band is ready. Default 12, an hour. */
  readonly warmupBuckets?: number;
  /** IANA name of the zone whose hours and weekdays the profiles follow; default UTC. Throws a RangeError for none. */
  readonly timeZone?: string;
  /** Default 20,000 in all, 2,000 of one target; further series are dropped and counted. */
  readonly seriesCap?: number;
  readonly seriesCapPerTarget?: number;
}

export type RestoreResult =
  | { readonly state: 'restored'; readonly series: number }
  | { readonly state: 'ignored'; readonly because: 'damaged' | 'version' };

export interface Baselines {
  /**
   * Judges new samples. Idempotent by (series, time): one that is there with the same value costs next to nothing and keeps
   * the band with which it was first judged; with another value it is judged again by the band of its time and replaced.
   */
  observe(series: readonly Series[], now: EpochMs): void;
  /**
   * Learns history at once, portion by portion, each oldest first; samples before the newest that was learned are passed
   * over, unless no band was ready yet: then what was learned gives way to the history. A longer period than that of the
   * polls is welcome if the values are measured as the polls' are (counts per period of a poll). Samples of the last
   * 60 minutes, of the same period, are in the readings too. Learning from polls waits until portions have ceased for two
   * minutes.
   */
  backfill(series: readonly Series[], now: EpochMs): void;
  expected(target: string, signal: string, labels: Labels, at: EpochMs): Band;
  /** The last 60 minutes, all label sets, sorted by labels; series without a sample in them are not there. */
  readings(target: string, signal: string, now: EpochMs): readonly Reading[];
  allReadings(now: EpochMs): readonly Reading[];
  /** The newest sample alone of each series that has one within the last 60 minutes, in no order: for metrics. */
  latest(now: EpochMs): readonly Reading[];
  /**
   * Moves samples older than the learning horizon into the baselines, or holds them apart under a freeze. Only series of
   * which a five-minute bucket is complete are looked at: with nothing to learn it costs microseconds.
   */
  learn(now: EpochMs): void;
  /** Samples of this target from `since` on are not learned until thawed. Idempotent. */
  freeze(target: string, since: EpochMs): void;
  /** Drops what was frozen, or learns it when `keep` is set: the new level was accepted. */
  thaw(target: string, keep: boolean): void;
  /** All at once: with thousands of series that blocks for hundreds of milliseconds. */
  snapshot(): Uint8Array;
  /**
   * The same in parts, which `restore` takes put together; each is made when it is asked for, from at most `perPart`
   * series as they then are. What happens between two parts may be in the one and not in the other: a series is whole by
   * itself, but those of one target may be of slightly different moments. Series that come meanwhile are left out.
   */
  snapshotParts(perPart: number): Iterable<Uint8Array>;
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
