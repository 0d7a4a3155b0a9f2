/**
 * What the Postgres source can answer, as plain data. All times are epoch milliseconds on the daemon's clock
 * (the source converts ages measured by the server), sizes are bytes, durations say their unit.
 */

import type { EpochMs } from './glossary.ts';

export type PostgresRole = 'primary' | 'replica';

export interface PostgresServerFacts {
  readonly role: PostgresRole;
  /** `server_version_num`, for example 180004. */
  readonly versionNum: number;
  readonly startedAt: EpochMs;
  readonly timeline: number | null;
  readonly flavour: 'postgres' | 'rds' | 'aurora';
  readonly maxConnections: number;
  /** Slots an ordinary role can use: max_connections less every reserved kind. */
  readonly usableConnections: number;
  readonly database: string;
}

/** Client sessions grouped by who they are and what they do. Our own sessions are left out. */
export interface SessionGroup {
  readonly app: string;
  readonly user: string;
  readonly state: string;
  readonly count: number;
  /** Longest time that a session of the group has been in its state; null when not visible. */
  readonly longestInStateSeconds: number | null;
}

/** One session worth naming: holds a slot or a transaction for long. */
export interface SessionHolder {
  readonly pid: number;
  /** `backend_start::text`, with microseconds: the second half of a backend's identity. */
  readonly backendStart: string;
  readonly app: string;
  readonly user: string;
  readonly client: string | null;
  readonly state: string;
  readonly inStateSeconds: number;
  readonly inTransactionSeconds: number | null;
  /** Text is normalised: constants are `$n`, comments are gone. Null when hidden or not parseable. */
  readonly query: string | null;
}

/** A point of the 60-minute ring of session counts. */
export interface SessionCounts {
  readonly at: EpochMs;
  readonly used: number;
  readonly active: number;
  readonly idle: number;
  readonly idleInTransaction: number;
  readonly waitingForLock: number;
  /** The five applications with most sessions, by name. */
  readonly byApp: Readonly<Record<string, number>>;
}

export interface SessionsAnswer {
  readonly at: EpochMs;
  /** All client backends that count against the slots, ours included. */
  readonly used: number;
  readonly usable: number;
  readonly max: number;
  readonly reserved: number;
  /** Most numerous first, at most 50. */
  readonly groups: readonly SessionGroup[];
  /** Longest idle and longest idle-in-transaction sessions first, at most 10 of each kind. */
  readonly holders: readonly SessionHolder[];
  /** Oldest first, over the question's window. */
  readonly history: readonly SessionCounts[];
  /** New sessions per second over the window (14+), else null. */
  readonly newSessionsPerSecond: number | null;
  /** Names hidden from us because the role lacks pg_monitor (pg_read_all_stats). */
  readonly hidden: number;
}

export interface LockHolder {
  readonly pid: number;
  readonly backendStart: string;
  readonly app: string;
  readonly user: string;
  readonly state: string;
  readonly inStateSeconds: number | null;
  readonly inTransactionSeconds: number | null;
  /** The first key word(s) of what it runs or ran last: `ALTER TABLE`, `UPDATE`, `SELECT`. Null when hidden. */
  readonly command: string | null;
  readonly query: string | null;
  /** Strongest lock it holds on the relation that its direct victims wait for, if seen. */
  readonly heldMode: string | null;
  /** `schema.table` of that lock, if it is a relation that we can name. */
  readonly relation: string | null;
  readonly blocksDirectly: number;
  readonly blocksInAll: number;
}

export interface LockWaiter {
  readonly pid: number;
  readonly backendStart: string;
  readonly app: string;
  /** Left out when hidden. */
  readonly user?: string;
  readonly command: string | null;
  readonly query: string | null;
  readonly waitsForMode: string | null;
  readonly relation: string | null;
  readonly waitSeconds: number | null;
  readonly blockedBy: readonly number[];
  /** Sessions that wait behind this one, directly or not. */
  readonly blocksInAll: number;
}

export interface LockTreeAnswer {
  readonly at: EpochMs;
  readonly blockedSessions: number;
  readonly clientSessions: number;
  /** Roots of the tree: sessions that block others and wait for nobody; most victims first. */
  readonly roots: readonly LockHolder[];
  /** Prepared transactions that hold locks (pg_blocking_pids shows them as pid 0), oldest first. */
  readonly prepared: readonly {
    readonly gid: string;
    readonly preparedSeconds: number;
    readonly owner: string;
    readonly database: string;
  }[];
  /** True when somebody waits behind a prepared transaction. */
  readonly blockedByPrepared: number;
  /** Longest wait first, at most 50. */
  readonly waiters: readonly LockWaiter[];
  readonly longestWaitSeconds: number;
  /** When blocking began, from the ring and the server's own wait times; null when nobody is blocked. */
  readonly blockedSince: { readonly earliest: EpochMs; readonly latest: EpochMs } | null;
  /** Oldest first over the question's window: how many were blocked, and the root's pid then. */
  readonly history: readonly { readonly at: EpochMs; readonly blocked: number; readonly root: number | null }[];
}

/** One statement over the question's window, from the difference of two readings of pg_stat_statements. */
export interface StatementDelta {
  readonly queryid: string;
  readonly database: string | null;
  readonly user: string | null;
  /** Normalised text, ≤ 300 characters, comments and utility secrets removed; null when hidden or not asked for. */
  readonly text: string | null;
  readonly calls: number;
  readonly totalMs: number;
  readonly meanMs: number;
  readonly callsPerSecond: number;
  /** Share of all statement time in the window, 0…1. */
  readonly share: number;
  readonly rowsPerCall: number;
  readonly blocksPerCall: number;
  readonly blocksReadPerCall: number;
  readonly tempBlocksPerCall: number;
  /** The same statement before the window: rolling baseline when ready, else its whole life in pg_stat_statements. */
  readonly before: {
    readonly basis: 'baseline' | 'lifetime' | 'none';
    readonly calls: number;
    readonly meanMs: number;
    readonly callsPerSecond: number | null;
    readonly rowsPerCall: number;
    readonly blocksPerCall: number;
    readonly tempBlocksPerCall: number;
  };
  /** When this queryid was first seen by us or by the server; null when it was there at our first look. */
  readonly firstSeenAt: EpochMs | null;
}

export interface StatementsAnswer {
  readonly from: EpochMs;
  readonly to: EpochMs;
  readonly totalMs: number;
  readonly totalCalls: number;
  /** All statement time a second before the window, as ms per s; null while unknown. */
  readonly totalMsPerSecondBefore: number | null;
  readonly totalCallsPerSecondBefore: number | null;
  /** Most time first, at most 20, with texts. */
  readonly top: readonly StatementDelta[];
  /** Entries pushed out of pg_stat_statements in the window: what we could not see. Null before 14. */
  readonly evicted: number | null;
  readonly statsResetAt: EpochMs | null;
}

/** State of the tables that the named statements touch. */
export interface TableState {
  readonly table: string;
  readonly liveRows: number;
  readonly bytes: number;
  readonly modifiedSinceAnalyze: number;
  readonly lastAnalyzedAt: EpochMs | null;
  readonly deadRows: number;
  readonly sequentialScansPerSecond: number | null;
  readonly indexScansPerSecond: number | null;
  readonly sequentialRowsPerScan: number | null;
  /** Index names now, and those that were there in an earlier look of the last 24 h and are not any more. */
  readonly indexes: readonly string[];
  readonly lostIndexes: readonly {
    readonly name: string;
    readonly definition: string;
    readonly seenAt: EpochMs;
    readonly lostBy: EpochMs;
  }[];
  readonly invalidIndexes: readonly string[];
}

export interface TablesAnswer {
  readonly at: EpochMs;
  readonly tables: readonly TableState[];
}

/** Activity of the server as a whole over the question's window. */
export interface ActivityAnswer {
  readonly at: EpochMs;
  readonly activeSessions: number;
  /** Active sessions by wait class now: `CPU` for none, else wait_event_type. */
  readonly waits: Readonly<Record<string, number>>;
  readonly activeBefore: number | null;
  readonly tempBytesPerSecond: number | null;
  readonly tempFilesPerSecond: number | null;
  readonly deadlocks: number | null;
  readonly transactionsPerSecond: number | null;
  readonly rollbackShare: number | null;
  readonly autovacuumWorkers: number;
}

/** One standby as the primary sees it. */
export interface StandbyOnPrimary {
  readonly name: string;
  readonly client: string | null;
  readonly state: string;
  readonly syncState: string;
  readonly sentBytesBehind: number | null;
  readonly replayBytesBehind: number | null;
  /** Null when idle and caught up. */
  readonly replayLagSeconds: number | null;
}

/** The three facts of a replica, never one number, with what could hold its replay back. */
export interface ReplicaFacts {
  readonly at: EpochMs;
  readonly receiver: 'streaming' | 'none' | 'hidden' | 'other';
  readonly lastMessageSeconds: number | null;
  /** `wal_receiver_timeout` of the replica. */
  readonly receiverTimeoutSeconds: number;
  readonly replayedAllReceived: boolean | null;
  readonly replayAgeSeconds: number | null;
  readonly receivedNotReplayedBytes: number | null;
  readonly replayPaused: boolean;
  /** Longest-running sessions with a snapshot: they can hold replay back while max_standby_streaming_delay allows. */
  readonly longQueries: readonly SessionHolder[];
  readonly maxStandbyStreamingDelayMs: number | null;
  readonly recoveryMinApplyDelayMs: number | null;
  readonly startupWaitEvent: string | null;
  readonly conflictsPerSecond: number | null;
  readonly hotStandbyFeedback: boolean;
  readonly receiveRateBytesPerSecond: number | null;
  readonly replayRateBytesPerSecond: number | null;
}

export interface ReplicationAnswer {
  readonly at: EpochMs;
  /** Null when the primary could not be read. */
  readonly primary: {
    readonly standbys: readonly StandbyOnPrimary[];
    readonly walBytesPerSecond: number | null;
    readonly walBytesPerSecondBefore: number | null;
    readonly slots: readonly {
      readonly name: string;
      readonly type: string;
      readonly active: boolean;
      readonly walStatus: string | null;
      readonly retainedBytes: number | null;
      readonly inactiveSince: EpochMs | null;
    }[];
    readonly walSenderTimeoutSeconds: number;
  } | null;
  /** By configured replica name (`replica-1`); unknown replicas say why. */
  readonly replicas: Readonly<Record<string, { readonly facts: ReplicaFacts | null; readonly because: string | null }>>;
  /** Oldest first, over the window, by standby. */
  readonly history: readonly {
    readonly at: EpochMs;
    readonly standby: string;
    readonly lagSeconds: number | null;
    readonly lagBytes: number | null;
  }[];
}

/** The first step that failed on the way to a session, each with its own cause and cure. */
export type ReachStep = 'dns' | 'tcp' | 'tls' | 'startup' | 'authentication' | 'query' | 'ok';

export type ReachReason =
  | 'ok'
  | 'dns_failed'
  | 'refused'
  | 'tcp_timeout'
  | 'tcp_error'
  | 'tls_not_supported'
  | 'tls_certificate'
  | 'tls_error'
  | 'starting_up'
  | 'shutting_down'
  | 'too_many_connections'
  | 'role_connection_limit'
  | 'authentication_failed'
  | 'not_permitted'
  | 'no_such_database'
  | 'hung'
  | 'reset'
  | 'protocol';

export interface ReachabilityAnswer {
  readonly at: EpochMs;
  readonly step: ReachStep;
  readonly reason: ReachReason;
  readonly host: string;
  readonly port: number;
  readonly address: string | null;
  readonly sqlstate: string | null;
  /** The error's own words, redacted: no password, no URL. */
  readonly message: string;
  readonly elapsedMs: number;
  /** Time of each step that was passed, in ms. */
  readonly passed: Readonly<Partial<Record<ReachStep, number>>>;
  /** The last time that a poll went through; null when never. */
  readonly lastGoodAt: EpochMs | null;
  /** Session counts at the last good poll, when known. */
  readonly lastUsed: number | null;
  readonly lastUsable: number | null;
}
