/** Sessions: the statement of every activity poll, and who holds the slots when a question asks for names. */

import type { EpochMs } from '../../model/glossary.ts';
import type { SessionCounts, SessionGroup, SessionHolder } from '../../model/postgres.ts';
import type { Capabilities, Row } from './collector.ts';
import { APPLICATION_NAME } from './endpoint.ts';
import type { Counters } from './ring.ts';
import { numberOf, textOf } from './row-values.ts';
import { nameOf, printable, recordsOf } from './text.ts';

/** Applications with a series of their own. */
export const APPS = 20;
const APPS_IN_RING = 5;
const GROUPS = 50;
const HOLDERS = 10;
/** track_activity_query_size is 1 kB by default; a page shows 300 characters. */
const QUERY_CHARACTERS = 4_000;

/** What the server replaces by NULL for sessions of others when the role is not in pg_read_all_stats. */
const HIDDEN_QUERY = '<insufficient privilege>';

/**
 * Sessions with what we make of them. `client`: takes one of the slots (a hidden session shows neither type nor state;
 * one with a database and a user is taken for a client's). `ours`: our own, by pid and name.
 */
export function sessionsCte(capabilities: Capabilities, ourPids: readonly number[]): string {
  const leader = capabilities.has('pg_stat_activity', 'leader_pid') ? 'leader_pid' : 'NULL::int';
  const pids = ourPids.filter((pid) => Number.isSafeInteger(pid));
  const ours =
    pids.length === 0 ? '' : ` OR (application_name = '${APPLICATION_NAME}' AND pid IN (${pids.join(', ')}))`;
  return `session AS MATERIALIZED (
  SELECT pid, coalesce(${leader}, pid) AS leader, application_name AS app, usename::text AS usename, client_addr, state,
    wait_event_type, backend_type, backend_start, xact_start, query_start, state_change, query,
    coalesce(backend_type = 'client backend', datid IS NOT NULL AND usesysid IS NOT NULL) AS client,
    backend_type IS NULL AND datid IS NOT NULL AND usename <> 'rdsadmin' AS hidden,
    pid = pg_catalog.pg_backend_pid()${ours} AS ours
  FROM pg_catalog.pg_stat_activity)`;
}

/** Seconds since, by the server's clock; null when there is no such time (greatest() alone would make that 0). */
export const age = (column: string): string =>
  `CASE WHEN ${column} IS NOT NULL
     THEN greatest(0, extract(epoch FROM pg_catalog.clock_timestamp() - ${column}))::float8 END`;

/**
 * All figures of a poll in one row: facts of the server, counts of sessions, counters of all databases.
 *
 * Sessions that wait for a lock are counted from pg_stat_activity, which costs nothing; a role that sees no wait events
 * counts them in pg_locks, which everybody may read. Parallel workers count as their leader.
 */
export function countsSql(
  capabilities: Capabilities,
  ourPids: readonly number[],
  factColumns: string,
  more: readonly string[] = [],
): string {
  const waiting = capabilities.canReadAllStats
    ? `SELECT count(DISTINCT leader) FROM session
       WHERE wait_event_type = 'Lock' AND NOT ours AND (client OR backend_type = 'parallel worker')`
    : `SELECT count(DISTINCT s.leader) FROM session s JOIN pg_catalog.pg_locks l USING (pid)
       WHERE NOT l.granted AND s.client AND NOT s.ours`;
  const sessions = capabilities.has('pg_stat_database', 'sessions') ? 'sum(sessions)::float8' : 'NULL::float8';
  return `WITH ${sessionsCte(capabilities, ourPids)}
SELECT ${[factColumns, ...more].join(', ')}, extract(epoch FROM pg_catalog.clock_timestamp())::float8 AS server_seconds,
  c.*, d.*, (${waiting}) AS waiting,
  pg_catalog.current_setting('track_activities') AS track_activities,
  (SELECT pg_catalog.json_agg(a) FROM (
     SELECT coalesce(app, '') AS app, count(*) AS count FROM session WHERE client AND NOT ours
     GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ${APPS}) a) AS apps
FROM (SELECT count(*) FILTER (WHERE client) AS used,
        count(*) FILTER (WHERE client AND NOT ours) AS clients,
        count(*) FILTER (WHERE client AND NOT ours AND state IN ('active', 'fastpath function call')) AS active,
        count(*) FILTER (WHERE client AND NOT ours AND state = 'idle') AS idle,
        count(*) FILTER (WHERE client AND NOT ours AND state LIKE 'idle in transaction%') AS idle_in_transaction,
        max(${age('state_change')}) FILTER (WHERE client AND NOT ours AND state LIKE 'idle in transaction%')
          AS longest_idle_in_transaction,
        count(*) FILTER (WHERE hidden) AS hidden
      FROM session) c,
     (SELECT sum(xact_commit)::float8 AS commits, sum(xact_rollback)::float8 AS rollbacks,
        sum(deadlocks)::float8 AS deadlocks, sum(temp_bytes)::float8 AS temp_bytes,
        sum(temp_files)::float8 AS temp_files, ${sessions} AS sessions, max(stats_reset)::text AS stats_reset
      FROM pg_catalog.pg_stat_database WHERE datname IS NOT NULL) d`;
}

export interface Look {
  readonly used: number;
  readonly clients: number;
  readonly active: number;
  readonly idle: number;
  readonly idleInTransaction: number;
  readonly longestIdleInTransactionSeconds: number;
  readonly waiting: number;
  readonly hidden: number;
  readonly tracked: boolean;
  /** Most sessions first; names that look the same once made printable are added up. */
  readonly apps: ReadonlyMap<string, number>;
  readonly counters: Counters;
}

export function parseLook(row: Row, epoch: number): Look {
  const figure = (column: string): number => numberOf(row, column) ?? 0;
  const apps = new Map<string, number>();
  for (const each of recordsOf(row['apps'])) {
    const app = nameOf(each['app']);
    apps.set(app, (apps.get(app) ?? 0) + (numberOf(each, 'count') ?? 0));
  }
  return {
    used: figure('used'),
    clients: figure('clients'),
    active: figure('active'),
    idle: figure('idle'),
    idleInTransaction: figure('idle_in_transaction'),
    longestIdleInTransactionSeconds: figure('longest_idle_in_transaction'),
    waiting: figure('waiting'),
    hidden: figure('hidden'),
    tracked: textOf(row, 'track_activities') !== 'off',
    apps,
    counters: {
      serverSeconds: figure('server_seconds'),
      epoch,
      resetAt: textOf(row, 'stats_reset'),
      commits: figure('commits'),
      rollbacks: figure('rollbacks'),
      deadlocks: figure('deadlocks'),
      tempBytes: figure('temp_bytes'),
      tempFiles: figure('temp_files'),
      sessions: numberOf(row, 'sessions'),
    },
  };
}

export function countsOf(look: Look, at: EpochMs): SessionCounts {
  return {
    at,
    used: look.used,
    active: look.active,
    idle: look.idle,
    idleInTransaction: look.idleInTransaction,
    waitingForLock: look.waiting,
    byApp: Object.fromEntries([...look.apps].slice(0, APPS_IN_RING)),
  };
}

/** Who holds the slots: groups, and the sessions longest idle, with and without a transaction. */
export function holdersSql(capabilities: Capabilities, ourPids: readonly number[], factColumns: string): string {
  const holders = (condition: string): string => `
     SELECT * FROM (SELECT pid, backend_start::text AS backend_start, app, usename, pg_catalog.host(client_addr) AS client, state,
         ${age('state_change')} AS in_state, ${age('xact_start')} AS in_transaction,
         left(query, ${QUERY_CHARACTERS}) AS query
       FROM session WHERE client AND NOT ours AND NOT hidden AND ${condition}
       ORDER BY state_change LIMIT ${HOLDERS}) each`;
  const groups = `(SELECT pg_catalog.json_agg(g) FROM (
     SELECT coalesce(app, '') AS app, coalesce(usename, '') AS usename, coalesce(state, '') AS state, count(*) AS count,
       max(${age('state_change')}) AS longest
     FROM session WHERE client AND NOT ours GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3 LIMIT ${GROUPS}) g) AS groups`;
  const longest = `(SELECT pg_catalog.json_agg(h) FROM (${holders("state LIKE 'idle in transaction%'")}
     UNION ALL ${holders("state = 'idle'")}) h) AS holders`;
  return countsSql(capabilities, ourPids, factColumns, [groups, longest]);
}

export function parseGroups(row: Row): readonly SessionGroup[] {
  return recordsOf(row['groups']).map((group) => ({
    app: nameOf(group['app']),
    user: nameOf(group['usename']),
    state: textOf(group, 'state') || 'hidden',
    count: numberOf(group, 'count') ?? 0,
    longestInStateSeconds: numberOf(group, 'longest'),
  }));
}

/** `normalize` never gives a constant away; a hidden query is null. */
export async function parseHolders(
  row: Row,
  normalize: (sql: string) => Promise<string | null>,
): Promise<readonly SessionHolder[]> {
  return Promise.all(
    recordsOf(row['holders']).map(async (holder) => ({
      pid: numberOf(holder, 'pid') ?? 0,
      backendStart: textOf(holder, 'backend_start') ?? '',
      app: nameOf(holder['app']),
      user: nameOf(holder['usename']),
      client: textOf(holder, 'client'),
      state: printable(textOf(holder, 'state') ?? '', 40),
      inStateSeconds: numberOf(holder, 'in_state') ?? 0,
      inTransactionSeconds: numberOf(holder, 'in_transaction'),
      query: await shownQuery(textOf(holder, 'query'), normalize),
    })),
  );
}

export async function shownQuery(
  query: string | null,
  normalize: (sql: string) => Promise<string | null>,
): Promise<string | null> {
  return query === null || query === '' || query === HIDDEN_QUERY ? null : normalize(query);
}
