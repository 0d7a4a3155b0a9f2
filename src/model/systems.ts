/**
 * What search engines, caches, error trackers and APM say of themselves, as plain data. Times are epoch milliseconds.
 * Texts from outside are redacted and cut by the source.
 */

import type { EpochMs } from './glossary.ts';

export interface SearchEngineAnswer {
  readonly at: EpochMs;
  readonly engine: 'typesense';
  /** Host of the engine. */
  readonly host: string;
  /** Null when /health did not say. */
  readonly healthy: boolean | null;
  /**
   * What is wrong: `OUT_OF_DISK`, `OUT_OF_MEMORY` as it says itself (it may still search then, and refuses writes); else how
   * it failed to answer, having answered before: `refused`, `timeout`, `reset`, `dns`, `tls`, `status 502`.
   */
  readonly problem: string | null;
  /** Those that are watched and could be read. `missing`: it was there before, and the engine does not know it any more. */
  readonly collections: readonly { readonly name: string; readonly documents: number; readonly missing?: true }[];
  /** Over the last 10 s, as Typesense counts: https://typesense.org/docs/ (cluster operations, API stats). */
  readonly requestsPerSecond: number | null;
  readonly searchLatencyMs: number | null;
  readonly writeLatencyMs: number | null;
  readonly pendingWriteBatches: number | null;
  readonly overloadedPerSecond: number | null;
  readonly memoryRatio: number | null;
  readonly diskRatio: number | null;
  readonly cpuRatio: number | null;
}

/** Whether the engine that would take over is fit to. */
export interface SearchFallbackAnswer {
  readonly at: EpochMs;
  readonly engine: 'opensearch';
  readonly host: string;
  readonly status: 'green' | 'yellow' | 'red' | 'unknown';
  readonly nodes: number;
  readonly unassignedShards: number;
  readonly activeShardsRatio: number;
  /** Green, or yellow with all primaries; and it answered in time. */
  readonly ready: boolean;
}

/** Redis (or what speaks its INFO). */
export interface CacheServerAnswer {
  readonly at: EpochMs;
  readonly host: string;
  readonly version: string;
  readonly role: 'primary' | 'replica' | 'unknown';
  readonly loading: boolean;
  readonly pingMs: number;
  readonly clients: number;
  readonly maxClients: number | null;
  readonly blockedClients: number;
  readonly usedMemoryBytes: number;
  /** 0 means without a limit. */
  readonly maxMemoryBytes: number;
  readonly evictionPolicy: string | null;
  readonly evictedKeys: number;
  readonly rejectedConnections: number;
  readonly hits: number;
  readonly misses: number;
  readonly replicaLinkUp: boolean | null;
  readonly uptimeSeconds: number;
}

/** Issues of an error tracker around the onset. */
export interface TrackedErrorsAnswer {
  readonly at: EpochMs;
  readonly tracker: 'sentry';
  readonly project: string;
  /** Most events first, at most 10. */
  readonly issues: readonly {
    readonly id: string;
    /** Type and value, redacted, at most 160 characters. */
    readonly title: string;
    readonly culprit: string | null;
    readonly firstSeenAt: EpochMs;
    readonly lastSeenAt: EpochMs;
    /** Events since the onset, as far as the tracker says. */
    readonly events: number;
    readonly users: number | null;
    readonly state: 'new' | 'regressed' | 'grown' | 'known';
    readonly release: string | null;
  }[];
}

/** Where the time of requests goes, from APM. Seconds, shares 0…1. */
export interface RequestTimeAnswer {
  readonly at: EpochMs;
  readonly apm: 'datadog';
  readonly service: string;
  readonly p95Seconds: number | null;
  readonly meanSeconds: number | null;
  /** Share of the request's time by kind of work; what is left is the service itself. */
  readonly shares: { readonly database: number | null; readonly http: number | null; readonly cache: number | null };
  /** The same in an equally long time before the onset. */
  readonly before: { readonly database: number | null; readonly http: number | null; readonly cache: number | null };
}
