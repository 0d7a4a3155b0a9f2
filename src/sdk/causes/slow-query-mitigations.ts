/**
 * What to do about slow statements. Corrected against the runbook: by load and not by mean (which finds rare ones),
 * EXPLAIN and never EXPLAIN ANALYZE (which runs it), each ALTER SYSTEM in a call of its own (two statements in one are
 * one transaction, where it is refused), and never pg_stat_statements_reset() (it destroys everybody's differences).
 */

import { ask, effect, type Mitigation } from '../detector.ts';
import { count, milliseconds } from '../format.ts';
import { hasBefore } from './statements.ts';

const readOnly = { risk: 'read-only', riskText: 'reads only' } as const;

const tableSql =
  "select schemaname, relname, n_live_tup, n_mod_since_analyze, last_analyze, last_autoanalyze from pg_stat_user_tables where schemaname || '.' || relname = '{table}'";

/** The mean of statement `{queryid}` over the last two minutes against before. */
const fasterWithin = (withinMs: number): NonNullable<Mitigation['effect']> =>
  effect<'postgres.statements'>({
    expect: `statement {queryid} as fast as before within ${withinMs / 60_000} min`,
    withinMs,
    ask: (_slots, facts) => ask('postgres.statements', facts, {}, { from: facts.now - 120_000, to: facts.now }),
    judge: ({ top }, slots) => {
      const one = top.find((statement) => statement.queryid === String(slots['queryid']));
      if (one === undefined)
        return { state: 'worked', observed: `statement ${slots['queryid']} takes no more time worth naming` };
      const observed = `statement ${one.queryid} takes ${milliseconds(one.meanMs)} a call, ${count(one.callsPerSecond, 1)} calls/s`;
      if (!hasBefore(one)) return { state: 'not_yet', observed };
      const text = `${observed}, before ${milliseconds(one.before.meanMs)}`;
      if (one.meanMs <= 1.25 * one.before.meanMs) return { state: 'worked', observed: text };
      return { state: one.meanMs <= 2 * one.before.meanMs ? 'partly' : 'not_yet', observed: text };
    },
  });

export const slowQueryMitigations: Readonly<Record<string, Mitigation>> = {
  'slow-query-list': {
    ...readOnly,
    title: 'List the slow queries, and show statement {queryid}',
    command: 'npm run db:slow-queries -- --threshold=1000ms --limit=20',
    alternative:
      '{psql} -c "select queryid, calls, round(total_exec_time) as total_ms, round(mean_exec_time) as mean_ms, left(query, 300) as query from pg_stat_statements where queryid = {queryid}"',
  },
  'slow-query-explain': {
    ...readOnly,
    riskText: 'plans the statement and does not run it',
    title: 'Show the plan of statement {queryid} without running it',
    // Its text never passes through the shell: the server reads it from pg_stat_statements and explains it.
    command:
      '{psql} -c "do $do$ declare line text; begin for line in execute (select $q$explain ({planOption}) $q$ || query from pg_stat_statements where queryid = {queryid} limit 1) loop raise notice $f$%$f$, line; end loop; end $do$"',
  },
  'slow-query-indexes': {
    ...readOnly,
    title:
      'See which indexes {table} has; make a lost one again with CREATE INDEX CONCURRENTLY as the evidence shows it',
    riskText:
      'reads only. CREATE INDEX CONCURRENTLY itself is slow, waits for old transactions and can leave an invalid index: not for 3 AM unless the index was lost',
    command: `{psql} -c "select indexrelid::regclass as index, indisvalid as valid from pg_index where indrelid = '{table}'::regclass"`,
    effect: fasterWithin(900_000),
  },
  'slow-query-analyze': {
    title: 'Gather fresh statistics of {table}',
    risk: 'reversible',
    riskText:
      'reads a sample of the table and blocks neither reads nor writes; no undo is needed, new plans are made from the new statistics',
    precheck: `{psql} -c "${tableSql}"`,
    command: '{psql} -c "analyze {table}"',
    verify: `{psql} -c "${tableSql}"`,
    effect: fasterWithin(300_000),
  },
  'slow-query-work-mem': {
    title: 'Give the sessions of {roleName} more memory to sort and hash',
    risk: 'reversible',
    riskText:
      'new sessions of {roleName} may take 64 MB for each sort or hash, several for a statement: check free memory first. The undo forgets a value set before, which the check shows',
    precheck: `{psql} -c "select rolname, rolconfig from pg_roles where rolname = '{roleName}'"`,
    command: `{psql} -c "alter role {roleName} set work_mem = '64MB'"`,
    verify: `{psql} -c "select rolname, rolconfig from pg_roles where rolname = '{roleName}'"`,
    undo: '{psql} -c "alter role {roleName} reset work_mem"',
    effect: fasterWithin(600_000),
  },
  'slow-query-log': {
    title: 'Log statements over 1 s for a while (log_min_duration_statement)',
    risk: 'reversible',
    riskText: 'the log then holds statements with their values, and grows; undo it after the analysis',
    precheck: '{psql} -c "show log_min_duration_statement"',
    command: '{psql} -c "alter {systemScope} set log_min_duration_statement = 1000" -c "select pg_reload_conf()"',
    verify: '{psql} -c "show log_min_duration_statement"',
    undo: '{psql} -c "alter {systemScope} reset log_min_duration_statement" -c "select pg_reload_conf()"',
  },
};

export const nPlusOneMitigations: Readonly<Record<string, Mitigation>> = {
  'n-plus-one-list': {
    ...readOnly,
    title: 'Check the query count per request',
    command: 'npm run metrics:db-queries -- --window=15m --group-by=endpoint',
    alternative:
      '{psql} -c "select application_name, count(*) from pg_stat_activity where query_id = {queryid} group by 1 order by 2 desc"',
  },
  'n-plus-one-log': {
    title: 'Log the queries of the application for a while',
    risk: 'reversible',
    riskText: 'the log grows fast and holds values; undo it after the analysis',
    command: 'npm run config:update -- --key=db.log_queries --value=true',
    undo: 'npm run config:update -- --key=db.log_queries --value=false',
  },
};

export const databaseSaturatedMitigations: Readonly<Record<string, Mitigation>> = {
  'saturated-waits': {
    ...readOnly,
    title: 'See what active sessions wait for, and whose they are',
    command: `{psql} -c "select coalesce(wait_event_type, 'CPU') as waits_for, application_name, count(*) from pg_stat_activity where state = 'active' and backend_type = 'client backend' and pid <> pg_backend_pid() group by 1, 2 order by 3 desc limit 20"`,
  },
};
