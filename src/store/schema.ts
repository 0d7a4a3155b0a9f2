/**
 * Tables and migrations of the store. A row holds its object as JSON (`body`) plus the columns that queries need; the
 * JSON is the truth, the columns are derived from it at each write.
 */

import type { ColumnType, Generated } from 'kysely';
import type { Finding } from '../model/finding.ts';
import type { OutboxState } from '../model/notification.ts';

/** Never changed after the insert. */
type Fixed<T> = ColumnType<T, T, never>;

export interface FindingTable {
  id: Fixed<string>;
  state: Finding['state'];
  first_seen_at: number;
  resolved_at: number | null;
  body: string;
}

export interface IncidentTable {
  id: Fixed<string>;
  state: 'open' | 'resolved';
  opened_at: number;
  resolved_at: number | null;
  body: string;
}

export interface ChangeTable {
  id: Fixed<string>;
  target: Fixed<string>;
  earliest: Fixed<number>;
  latest: Fixed<number>;
  body: Fixed<string>;
}

export interface OutboxTable {
  /** Order of writing; within (channel, key) the order of delivery. */
  seq: Generated<number>;
  channel: Fixed<string>;
  notification_id: Fixed<string>;
  key: Fixed<string>;
  incident: Fixed<string | null>;
  urgency: Fixed<number>;
  enqueued_at: Fixed<number>;
  state: OutboxState;
  attempts: number;
  next_at: number;
  /** When the row was last marked: later than now means that the clock was set back since. */
  marked_at: number;
  last_error: string | null;
  minimal: number;
  body: Fixed<string>;
}

export interface SnapshotTable {
  key: Fixed<string>;
  at: number;
  state: Uint8Array;
}

export interface SchemaVersionTable {
  version: number;
  applied_at: number;
}

export interface Schema {
  finding: FindingTable;
  incident: IncidentTable;
  change: ChangeTable;
  outbox: OutboxTable;
  snapshot: SnapshotTable;
  schema_version: SchemaVersionTable;
}

export interface Migration {
  readonly version: number;
  readonly statements: readonly string[];
}

/**
 * Ordered, each applied once in one transaction with its version row. A migration that was released is never edited:
 * the next change is a new one. Autoincrement, because a `seq` must not come back after the newest row was pruned.
 */
export const SQLITE_MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    statements: [
      `create table finding (
         id text primary key, state text not null, first_seen_at integer not null, resolved_at integer,
         body text not null) strict`,
      'create index finding_by_state on finding (state, first_seen_at)',
      'create index finding_by_time on finding (first_seen_at)',
      `create table incident (
         id text primary key, state text not null, opened_at integer not null, resolved_at integer,
         body text not null) strict`,
      'create index incident_by_state on incident (state, opened_at)',
      'create index incident_by_time on incident (opened_at)',
      `create table change (
         id text primary key, target text not null, earliest integer not null, latest integer not null,
         body text not null) strict`,
      'create index change_by_target on change (target, latest)',
      `create table outbox (
         seq integer primary key autoincrement, channel text not null, notification_id text not null, key text not null,
         incident text, urgency integer not null, enqueued_at integer not null, state text not null,
         attempts integer not null, next_at integer not null, marked_at integer not null, last_error text,
         minimal integer not null, body text not null, unique (channel, notification_id)) strict`,
      "create index outbox_pending on outbox (channel, key, seq) where state = 'pending'",
      'create index outbox_by_state on outbox (state, enqueued_at)',
      'create table snapshot (key text primary key, at integer not null, state blob not null) strict',
    ],
  },
];
