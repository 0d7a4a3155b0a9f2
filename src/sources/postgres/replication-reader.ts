/**
 * The statements sent about replication, one per server and look, and their rows as facts. Positions in the WAL are
 * bytes from 0/0; they are differenced here, so that a position of one server can be compared with another's.
 */

import type { EpochMs } from '../../model/glossary.ts';
import type { ReplicationAnswer, SessionHolder, StandbyOnPrimary } from '../../model/postgres.ts';
import type { PostgresServer, Row } from './collector.ts';
import { normalizeSql } from './normalize.ts';
import { booleanOf, numberOf, textOf, timeOfAge } from './row-values.ts';
import { nameOf, recordsOf } from './text.ts';

export type Slot = NonNullable<ReplicationAnswer['primary']>['slots'][number];

export interface StandbyRow extends Omit<StandbyOnPrimary, 'name'> {
  readonly app: string;
  readonly slot: string | null;
  /** WAL position that it has replayed; null for receivers that do not replay. */
  readonly replayPosition: number | null;
}

export interface PrimaryLook {
  readonly at: EpochMs;
  readonly inRecovery: boolean;
  /** WAL position; null on Aurora, whose log is not a stream. */
  readonly position: number | null;
  readonly standbys: readonly StandbyRow[];
  /** True when the role may not see the rows of pg_stat_replication. */
  readonly hidden: boolean;
  readonly slots: readonly Slot[];
  readonly walSenderTimeoutSeconds: number;
  readonly role: string;
}

export interface ReplicaLook {
  readonly at: EpochMs;
  readonly inRecovery: boolean;
  readonly receiver: 'streaming' | 'none' | 'hidden' | 'other';
  readonly lastMessageSeconds: number | null;
  readonly receiverTimeoutSeconds: number;
  readonly receivedPosition: number | null;
  readonly replayPosition: number | null;
  readonly replayAgeSeconds: number | null;
  readonly replayPaused: boolean;
  readonly maxStandbyStreamingDelayMs: number | null;
  readonly recoveryMinApplyDelayMs: number | null;
  readonly startupWaitEvent: string | null;
  readonly conflicts: number | null;
  readonly hotStandbyFeedback: boolean;
  /** What the primary's row of this replica can be recognised by. */
  readonly identity: { readonly slot: string | null; readonly cluster: string | null; readonly address: string | null };
  readonly role: string;
}

const TIMEOUT_MS = 2_000;
/** More standbys or slots than any page or series budget takes. */
const LIMIT = 50;
const seconds = (setting: string): string =>
  `extract(epoch FROM pg_catalog.current_setting('${setting}')::pg_catalog.interval)`;
// The functions for the current position fail in recovery, those for replay are NULL outside of it.
const HERE = `CASE WHEN pg_catalog.pg_is_in_recovery()
  THEN coalesce(pg_catalog.pg_last_wal_receive_lsn(), pg_catalog.pg_last_wal_replay_lsn())
  ELSE pg_catalog.pg_current_wal_lsn() END`;
const bytes = (lsn: string): string => `pg_catalog.pg_wal_lsn_diff(${lsn}, '0/0')::pg_catalog.float8`;
const behind = (lsn: string): string => `pg_catalog.pg_wal_lsn_diff(here.lsn, ${lsn})::pg_catalog.float8`;

// Backups and logical subscribers are walsenders too, and no standbys; a subscriber's backlog shows as its slot's.
const standbysSql = `
SELECT r.application_name AS app, pg_catalog.host(r.client_addr) AS client, r.state, r.sync_state,
  ${behind('r.sent_lsn')} AS sent_behind, ${behind('r.replay_lsn')} AS replay_behind,
  ${bytes('r.replay_lsn')} AS replay_position,
  extract(epoch FROM r.replay_lag)::pg_catalog.float8 AS replay_lag, s.slot_name AS slot
FROM pg_catalog.pg_stat_replication r
LEFT JOIN pg_catalog.pg_replication_slots s ON s.active_pid = r.pid
CROSS JOIN (SELECT ${HERE} AS lsn) here
WHERE r.state IS DISTINCT FROM 'backup' AND s.slot_type IS DISTINCT FROM 'logical'
ORDER BY r.backend_start, r.pid LIMIT ${LIMIT}`;

const slotsSql = (inactiveSince: boolean): string => `
SELECT s.slot_name AS name, s.slot_type AS type, s.active, s.wal_status, ${behind('s.restart_lsn')} AS retained,
  ${inactiveSince ? 'extract(epoch FROM pg_catalog.now() - s.inactive_since)::pg_catalog.float8' : 'NULL'} AS inactive_age
FROM pg_catalog.pg_replication_slots s CROSS JOIN (SELECT ${HERE} AS lsn) here ORDER BY s.slot_name LIMIT ${LIMIT}`;

const list = (sql: string): string => `(SELECT pg_catalog.json_agg(t) FROM (${sql}) t)`;

// Not run against Aurora: columns as its manual gives them. Its replicas read shared storage, so no stream shows them.
const AURORA_SQL = `
SELECT server_id AS app, NULL AS client, 'streaming' AS state, 'async' AS sync_state, NULL AS slot,
  replica_lag_in_msec / 1000.0 AS replay_lag
FROM aurora_replica_status() WHERE session_id <> 'MASTER_SESSION_ID'`;

export async function readPrimary(server: PostgresServer, now: EpochMs, signal: AbortSignal): Promise<PrimaryLook> {
  const aurora = server.facts()?.flavour === 'aurora';
  const sql = `SELECT pg_catalog.pg_is_in_recovery() AS in_recovery, ${aurora ? 'NULL' : bytes(HERE)} AS position,
    ${seconds('wal_sender_timeout')} AS sender_timeout, pg_catalog.quote_ident(current_user) AS role,
    ${list(aurora ? AURORA_SQL : standbysSql)} AS standbys,
    ${aurora ? 'NULL' : list(slotsSql(server.capabilities()?.has('pg_replication_slots', 'inactive_since') === true))} AS slots`;
  const [row] = await server.query('replication', sql, { timeoutMs: TIMEOUT_MS, signal });
  const standbys = recordsOf(row?.['standbys']);
  return {
    at: now,
    inRecovery: booleanOf(row, 'in_recovery') === true,
    position: numberOf(row, 'position'),
    standbys: standbys.map(standbyRow),
    hidden: standbys.some((each) => each['state'] === null),
    slots: recordsOf(row?.['slots']).map((slot) => ({
      name: nameOf(slot['name']),
      type: textOf(slot, 'type') ?? 'physical',
      active: booleanOf(slot, 'active') === true,
      walStatus: textOf(slot, 'wal_status'),
      retainedBytes: numberOf(slot, 'retained'),
      inactiveSince: timeOfAge(slot, 'inactive_age', now),
    })),
    walSenderTimeoutSeconds: numberOf(row, 'sender_timeout') ?? 0,
    role: textOf(row, 'role') ?? '',
  };
}

function standbyRow(row: Row): StandbyRow {
  const atLeastZero = (value: number | null): number | null => (value === null ? null : Math.max(0, value));
  return {
    app: nameOf(row['app']),
    client: textOf(row, 'client'),
    state: textOf(row, 'state') ?? '',
    syncState: textOf(row, 'sync_state') ?? '',
    slot: textOf(row, 'slot'),
    sentBytesBehind: atLeastZero(numberOf(row, 'sent_behind')),
    replayBytesBehind: atLeastZero(numberOf(row, 'replay_behind')),
    replayPosition: numberOf(row, 'replay_position'),
    replayLagSeconds: atLeastZero(numberOf(row, 'replay_lag')),
  };
}

// Without pg_monitor the receiver's row has its pid and nothing else.
const REPLICA_SQL = `
SELECT pg_catalog.pg_is_in_recovery() AS in_recovery, pg_catalog.quote_ident(current_user) AS role,
  w.pid AS receiver_pid, w.status AS receiver_status, w.slot_name AS receiver_slot,
  extract(epoch FROM pg_catalog.clock_timestamp() - w.last_msg_receipt_time)::pg_catalog.float8 AS last_message,
  ${seconds('wal_receiver_timeout')} AS receiver_timeout,
  ${bytes('pg_catalog.pg_last_wal_receive_lsn()')} AS received, ${bytes('pg_catalog.pg_last_wal_replay_lsn()')} AS replayed,
  extract(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.pg_last_xact_replay_timestamp())::pg_catalog.float8 AS age,
  CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_is_wal_replay_paused() ELSE false END AS paused,
  pg_catalog.current_setting('max_standby_streaming_delay') AS streaming_delay,
  CASE WHEN pg_catalog.current_setting('max_standby_streaming_delay') <> '-1'
    THEN ${seconds('max_standby_streaming_delay')} * 1000 END AS streaming_delay_ms,
  ${seconds('recovery_min_apply_delay')} * 1000 AS apply_delay_ms,
  pg_catalog.current_setting('hot_standby_feedback') = 'on' AS feedback,
  pg_catalog.current_setting('cluster_name') AS cluster,
  pg_catalog.host(pg_catalog.inet_server_addr()) AS address,
  (SELECT a.wait_event FROM pg_catalog.pg_stat_activity a WHERE a.backend_type = 'startup' LIMIT 1) AS startup_wait,
  (SELECT pg_catalog.sum(d.conflicts)::pg_catalog.float8 FROM pg_catalog.pg_stat_database d) AS conflicts
FROM (SELECT 1) one LEFT JOIN pg_catalog.pg_stat_wal_receiver w ON true`;

export async function readReplica(server: PostgresServer, now: EpochMs, signal: AbortSignal): Promise<ReplicaLook> {
  const [row] = await server.query('replication', REPLICA_SQL, { timeoutMs: TIMEOUT_MS, signal });
  const status = textOf(row, 'receiver_status');
  const present = textOf(row, 'receiver_pid') !== null;
  const cluster = textOf(row, 'cluster');
  return {
    at: now,
    inRecovery: booleanOf(row, 'in_recovery') === true,
    receiver: !present ? 'none' : status === null ? 'hidden' : status === 'streaming' ? 'streaming' : 'other',
    lastMessageSeconds: numberOf(row, 'last_message'),
    receiverTimeoutSeconds: numberOf(row, 'receiver_timeout') ?? 0,
    receivedPosition: numberOf(row, 'received'),
    replayPosition: numberOf(row, 'replayed'),
    replayAgeSeconds: numberOf(row, 'age'),
    replayPaused: booleanOf(row, 'paused') === true,
    maxStandbyStreamingDelayMs: numberOf(row, 'streaming_delay_ms'),
    recoveryMinApplyDelayMs: numberOf(row, 'apply_delay_ms'),
    startupWaitEvent: textOf(row, 'startup_wait'),
    conflicts: numberOf(row, 'conflicts'),
    hotStandbyFeedback: booleanOf(row, 'feedback') === true,
    identity: {
      slot: textOf(row, 'receiver_slot'),
      cluster: cluster === '' ? null : cluster,
      address: textOf(row, 'address'),
    },
    role: textOf(row, 'role') ?? '',
  };
}

const LONG_QUERIES_SQL = `
SELECT a.pid, a.backend_start::pg_catalog.text AS backend_start, a.application_name AS app, a.usename AS user,
  pg_catalog.host(a.client_addr) AS client, a.state, pg_catalog.left(a.query, 2000) AS query,
  extract(epoch FROM pg_catalog.clock_timestamp() - a.state_change)::pg_catalog.float8 AS in_state,
  extract(epoch FROM pg_catalog.clock_timestamp() - a.xact_start)::pg_catalog.float8 AS in_transaction
FROM pg_catalog.pg_stat_activity a
WHERE a.backend_type = 'client backend' AND a.xact_start IS NOT NULL AND a.pid <> pg_catalog.pg_backend_pid()
  AND NOT (a.usename = current_user AND a.application_name = pg_catalog.current_setting('application_name'))
ORDER BY a.xact_start LIMIT 5`;

/** Open transactions of the replica, longest first: what replay may have to wait for. */
export async function readLongQueries(server: PostgresServer, signal: AbortSignal): Promise<readonly SessionHolder[]> {
  const rows = await server.query('replication: long queries', LONG_QUERIES_SQL, { timeoutMs: TIMEOUT_MS, signal });
  return Promise.all(
    rows.map(async (row) => ({
      pid: numberOf(row, 'pid') ?? 0,
      backendStart: textOf(row, 'backend_start') ?? '',
      app: nameOf(row['app']),
      user: nameOf(row['user']),
      client: textOf(row, 'client'),
      state: textOf(row, 'state') ?? '',
      inStateSeconds: Math.max(0, numberOf(row, 'in_state') ?? 0),
      inTransactionSeconds: numberOf(row, 'in_transaction'),
      query: await normalizeSql(textOf(row, 'query') ?? ''),
    })),
  );
}
