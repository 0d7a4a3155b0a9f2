/**
 * Inside the Postgres source: a server is one endpoint with one small pool; a collector reads one subject from one
 * server (sessions, locks, statements, replication, catalogue), keeps what has no history of its own, and answers the
 * questions about it.
 */

import type { EpochMs } from '../../model/glossary.ts';
import type { PostgresServerFacts } from '../../model/postgres.ts';
import type { Answer, Question, QuestionKind } from '../../model/question.ts';
import type { PollResult } from '../../model/source.ts';

export type Row = Readonly<Record<string, unknown>>;

/** What this server's catalogue has, probed instead of derived from the version; read anew after a reconnect. */
export interface Capabilities {
  /** `has('pg_stat_replication_slots')` or `has('pg_stat_activity', 'query_id')`; pg_catalog relations only. */
  has(relation: string, column?: string): boolean;
  /** Schema of pg_stat_statements in the connected database, quoted for SQL; null when the extension is not there. */
  readonly statementsSchema: string | null;
  /** Columns of the pg_stat_statements() function's result. */
  readonly statementsColumns: ReadonlySet<string>;
  readonly isSuperuser: boolean;
  /** Member of pg_monitor or pg_read_all_stats. */
  readonly canReadAllStats: boolean;
}

export interface PostgresServer {
  /** `main-db`, or `main-db/replica-1`. */
  readonly target: string;
  /** `main-db` for both. */
  readonly database: string;
  /** `replica-1`, or null for the primary endpoint. */
  readonly replica: string | null;
  /**
   * One check in one round trip: the simple query protocol with the settings before the statement, so that it is one
   * implicit read-only transaction with statement and lock timeouts that leaves no session state behind (safe behind
   * PgBouncer) and rolls itself back on an error. Only integers and literals of our own may stand in `sql`.
   * Throws RunbookdError: POSTGRES_CONNECT, POSTGRES_TIMEOUT, POSTGRES_DENIED, POSTGRES_QUERY.
   */
  query(
    check: string,
    sql: string,
    options: { readonly timeoutMs: number; readonly signal: AbortSignal },
  ): Promise<readonly Row[]>;
  /** As of the last good poll; null before the first. */
  facts(): PostgresServerFacts | null;
  capabilities(): Capabilities | null;
  /**
   * Counts up whenever counters cannot be compared any more: another server or timeline, a restart, a change of role.
   * A collector that sees a new epoch starts its differences anew and emits no rate for that interval.
   */
  epoch(): number;
}

export type Answers = {
  readonly [K in QuestionKind]?: (question: Question<K>, now: EpochMs, signal: AbortSignal) => Promise<Answer<K>>;
};

export interface Collector {
  readonly group: string;
  /** Throws RunbookdError when nothing could be read; a part that could not be read is in `blind`. */
  poll(now: EpochMs, signal: AbortSignal): Promise<PollResult>;
  readonly answers: Answers;
  /** JSON-able state that a restart would lose; null when there is none. */
  snapshot(): unknown;
  /** Ignores what it does not understand. */
  restore(state: unknown): void;
}
