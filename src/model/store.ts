/** The store as the pipeline sees it: one transaction per cycle, a durable outbox, snapshots by key. */

import type { Change } from './change.ts';
import type { Finding, Incident } from './finding.ts';
import type { EpochMs } from './glossary.ts';
import type { Notification, OutboxRow, OutboxState } from './notification.ts';

export interface Commit {
  readonly findings: readonly Finding[];
  readonly incidents: readonly Incident[];
  /** One outbox row per channel and notification; ids already there are left alone. */
  readonly notifications: readonly { readonly channel: string; readonly notification: Notification }[];
  readonly changes: readonly Change[];
}

export interface IncidentQuery {
  readonly state?: 'open' | 'resolved';
  readonly limit: number;
}

export interface Store {
  /** Findings that are not resolved, and open incidents. */
  load(): Promise<{ readonly findings: readonly Finding[]; readonly incidents: readonly Incident[] }>;
  /** All or nothing; durable (fsync) when it returns. */
  commit(commit: Commit): Promise<{ readonly newChanges: readonly Change[] }>;
  /** Newest first. */
  incidents(query: IncidentQuery): Promise<readonly Incident[]>;
  incident(id: string): Promise<Incident | null>;
  findings(query: { readonly state?: Finding['state']; readonly limit: number }): Promise<readonly Finding[]>;
  /** Oldest first, whose interval touches the window. */
  changes(query: {
    readonly targets: readonly string[];
    readonly from: EpochMs;
    readonly to: EpochMs;
  }): Promise<readonly Change[]>;
  /**
   * The oldest pending row of each (channel, key) that is due: FIFO per key. At most `limit` of each channel, most
   * urgent first (new pages by severity, then updates and resolves, then changes), then oldest first. A row marked at a
   * time later than `now` is due: the clock was set back since.
   */
  outboxDue(now: EpochMs, limit: number): Promise<readonly OutboxRow[]>;
  outboxMark(
    seq: number,
    mark: {
      readonly state: OutboxState;
      readonly attempts: number;
      readonly nextAt: EpochMs;
      readonly lastError: string | null;
      readonly minimal: boolean;
    },
  ): Promise<void>;
  outboxCounts(): Promise<{
    readonly pending: number;
    readonly dead: number;
    readonly oldestPendingAt: EpochMs | null;
  }>;
  snapshot(key: string, state: Uint8Array, at: EpochMs): Promise<void>;
  readSnapshot(key: string): Promise<{ readonly state: Uint8Array; readonly at: EpochMs } | null>;
  /** Deletes resolved findings, closed incidents, delivered outbox rows and changes older than that. */
  prune(before: EpochMs): Promise<void>;
  close(): Promise<void>;
}
