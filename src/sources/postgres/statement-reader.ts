/** The statements sent to pg_stat_statements, and what keeps us from reading it. */

import type { EpochMs } from '../../model/glossary.ts';
import type { Blindness } from '../../model/source.ts';
import type { PostgresServer } from './collector.ts';
import { sqlstateOf, unknownAnswer } from './failure.ts';
import { booleanOf, namesOf, numberOf, textOf, timeOfAge } from './row-values.ts';
import { type StatementReading, WIDTH } from './statement-deltas.ts';

export interface StatementsRead {
  readonly reading: StatementReading;
  readonly statsResetAt: EpochMs | null;
  /** When the server first saw an entry (17+), by key, for entries younger than asked for and than the last reset. */
  readonly since: ReadonlyMap<string, EpochMs>;
  readonly schema: string;
}

export type ReadOutcome =
  | { readonly state: 'read'; readonly read: StatementsRead }
  | { readonly state: 'blind'; readonly blind: Blindness };

const READ_TIMEOUT_MS = 5_000;
const META_TIMEOUT_MS = 2_000;

/**
 * The extension's schema and columns are looked up each time: CREATE EXTENSION and ALTER EXTENSION UPDATE need no
 * restart of ours. `shared` tells whether others log in with our role: then its statements are not only our own.
 */
const META_SQL = `
SELECT pg_catalog.quote_ident(n.nspname) AS schema,
  (SELECT p.proargnames::pg_catalog.text FROM pg_catalog.pg_proc p
   WHERE p.pronamespace = n.oid AND p.proname = 'pg_stat_statements' LIMIT 1) AS columns,
  EXISTS (SELECT FROM pg_catalog.pg_class c
          WHERE c.relnamespace = n.oid AND c.relname = 'pg_stat_statements_info') AS has_info,
  pg_catalog.current_setting('pg_stat_statements.track', true) AS track,
  pg_catalog.current_setting('compute_query_id', true) AS compute_query_id,
  pg_catalog.quote_ident(current_user) AS role, pg_catalog.current_database() AS database,
  (SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname = current_user) AS me,
  EXISTS (SELECT FROM pg_catalog.pg_stat_activity a
          WHERE a.usename = current_user AND a.pid <> pg_catalog.pg_backend_pid()
            AND a.application_name <> pg_catalog.current_setting('application_name')) AS shared,
  pg_catalog.pg_postmaster_start_time()::pg_catalog.text AS identity
FROM (SELECT 1) one
LEFT JOIN pg_catalog.pg_extension e ON e.extname = 'pg_stat_statements'
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace`;

/** Sticky: one look at a moment when the other sessions of our role are away must not hide their statements. */
export interface ReaderState {
  shared: boolean;
}

/** How far back the first times of entries are asked for when nothing is known yet. */
const SINCE_FIRST_MS = 24 * 3_600_000;
/** Entries that came since the last reading are asked for with this much more, for whatever the reading itself took. */
const SINCE_MARGIN_MS = 60_000;

/**
 * Numbers only (`showtext` is false): with texts the server reads a file that can be gigabytes.
 *
 * @param lastAt time of the last reading: only entries that came after it are asked for their first time, which costs
 * the server a quarter of the whole reading when all are
 *
 * Throws what the server's `query` throws, unless it means that the view is not there for us.
 */
export async function readStatements(
  server: PostgresServer,
  state: ReaderState,
  lastAt: EpochMs | null,
  now: EpochMs,
  signal: AbortSignal,
): Promise<ReadOutcome> {
  const [meta] = await server.query('statements', META_SQL, { timeoutMs: META_TIMEOUT_MS, signal });
  const blind = (because: Blindness['because'], detail: string, grant: string): ReadOutcome => ({
    state: 'blind',
    blind: { target: server.target, check: 'statements', because, detail, grant },
  });
  const role = textOf(meta, 'role') ?? 'the role';
  const schema = textOf(meta, 'schema');
  if (textOf(meta, 'track') === null) return blind('not_configured', NOT_LOADED.detail, NOT_LOADED.grant);
  if (schema === null) {
    const detail = `extension pg_stat_statements is not in database ${textOf(meta, 'database')}`;
    return blind('not_configured', detail, 'CREATE EXTENSION pg_stat_statements;');
  }
  if (textOf(meta, 'track') === 'none') {
    return blind('not_configured', 'pg_stat_statements.track is none', "pg_stat_statements.track = 'top'");
  }
  if (textOf(meta, 'compute_query_id') === 'off') {
    return blind('not_configured', 'compute_query_id is off, so nothing is recorded', "compute_query_id = 'auto'");
  }
  state.shared ||= booleanOf(meta, 'shared') === true;

  const columns = new Set(namesOf(meta, 'columns'));
  const options = { timeoutMs: READ_TIMEOUT_MS, signal };
  try {
    const infoSql = `SELECT dealloc, stats_reset::pg_catalog.text AS stats_reset,
      extract(epoch FROM pg_catalog.now() - stats_reset) AS age FROM ${schema}.pg_stat_statements_info`;
    const [info] = booleanOf(meta, 'has_info') === true ? await server.query('statements', infoSql, options) : [];
    const youngerMs = lastAt === null ? SINCE_FIRST_MS : Math.min(now - lastAt + SINCE_MARGIN_MS, SINCE_FIRST_MS);
    const rows = await server.query('statements', numbersSql(schema, columns, youngerMs), options);

    const me = state.shared ? null : textOf(meta, 'me');
    const statsResetAt = timeOfAge(info, 'age', now);
    const since = new Map<string, EpochMs>();
    const keys: string[] = [];
    const seen = new Set<string>();
    const values = new Float64Array(rows.length * WIDTH);
    for (const row of rows) {
      if (me !== null && textOf(row, 'userid') === me) continue;
      const queryid = textOf(row, 'queryid');
      if (queryid === null) {
        const grant = `GRANT pg_monitor TO ${role};`;
        return blind('denied', `statements of other roles are hidden from role ${role}`, grant);
      }
      const key = `${queryid}\t${textOf(row, 'dbid')}\t${textOf(row, 'userid')}\t${textOf(row, 'toplevel') ?? ''}`;
      if (seen.has(key)) continue;
      seen.add(key);
      const at = keys.push(key) * WIDTH - WIDTH;
      for (let column = 0; column < WIDTH; column += 1) values[at + column] = Number(row[NUMBERS[column] ?? '']) || 0;
      const sinceAt = timeOfAge(row, 'since_age', now);
      // After a reset every entry is young; only those younger than the reset itself say something.
      if (sinceAt !== null && (statsResetAt === null || sinceAt > statsResetAt + 60_000)) since.set(key, sinceAt);
    }
    const reading: StatementReading = {
      at: now,
      identity: textOf(meta, 'identity') ?? '',
      epoch: server.epoch(),
      statsReset: textOf(info, 'stats_reset'),
      dealloc: numberOf(info, 'dealloc'),
      keys,
      values: values.slice(0, keys.length * WIDTH),
    };
    return { state: 'read', read: { reading, statsResetAt, since, schema } };
  } catch (error) {
    if (sqlstateOf(error) === '55000') return blind('not_configured', NOT_LOADED.detail, NOT_LOADED.grant);
    const unknown = unknownAnswer('postgres.statements', error);
    if (unknown.because !== 'denied') throw error;
    return blind('denied', unknown.detail, `GRANT USAGE ON SCHEMA ${schema} TO ${role}; GRANT pg_monitor TO ${role};`);
  }
}

const NOT_LOADED = {
  detail: 'pg_stat_statements is not loaded: it is not in shared_preload_libraries',
  grant: "shared_preload_libraries = 'pg_stat_statements' (needs a restart), then CREATE EXTENSION pg_stat_statements;",
};

const NUMBERS = ['calls', 'time_ms', 'rows', 'shared_blks_hit', 'shared_blks_read', 'temp_blks_written'] as const;

function numbersSql(schema: string, columns: ReadonlySet<string>, youngerMs: number): string {
  // 12 called it total_time; toplevel is of 14, stats_since of 17.
  const time = columns.has('total_exec_time') ? 'total_exec_time' : 'total_time';
  const toplevel = columns.has('toplevel') ? ', toplevel' : '';
  const since = columns.has('stats_since')
    ? `, CASE WHEN stats_since > pg_catalog.now() - interval '${Math.max(0, Math.ceil(youngerMs / 1000))} seconds'
         THEN pg_catalog.date_part('epoch', pg_catalog.now() - stats_since) END AS since_age`
    : '';
  return `SELECT dbid, userid, queryid, calls, ${time} AS time_ms, rows, shared_blks_hit, shared_blks_read,
    temp_blks_written${toplevel}${since} FROM ${schema}.pg_stat_statements(false)`;
}

export interface StatementText {
  readonly text: string;
  readonly database: string | null;
  readonly user: string | null;
}

/** Raw texts, cut at 2,000 characters, by queryid: never to leave the process as they are. */
export async function readTexts(
  server: PostgresServer,
  schema: string,
  queryids: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, StatementText>> {
  const asked = queryids.filter((queryid) => /^-?\d{1,19}$/.test(queryid));
  if (asked.length === 0) return new Map();
  const list = asked.map((queryid) => `'${queryid}'::pg_catalog.int8`).join(', ');
  const sql = `SELECT s.queryid, pg_catalog.left(s.query, 2000) AS query, d.datname AS database, r.rolname AS user
    FROM ${schema}.pg_stat_statements(true) s
    LEFT JOIN pg_catalog.pg_database d ON d.oid = s.dbid
    LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.userid
    WHERE s.queryid IN (${list}) ORDER BY s.calls DESC LIMIT 200`;
  const texts = new Map<string, StatementText>();
  for (const row of await server.query('statement texts', sql, { timeoutMs: READ_TIMEOUT_MS, signal })) {
    const queryid = textOf(row, 'queryid') ?? '';
    if (texts.has(queryid)) continue;
    texts.set(queryid, {
      text: textOf(row, 'query') ?? '',
      database: textOf(row, 'database'),
      user: textOf(row, 'user'),
    });
  }
  return texts;
}
