import type { PostgresServer } from './server.ts';
import { waitUntil } from './wait.ts';

/** What `pg_stat_statements` holds of one statement, over all roles. */
export interface StatementStats {
  readonly queryid: string;
  readonly calls: number;
  readonly totalMs: number;
  readonly tempBlocksWritten: number;
  /** Of all statements of the database, this one included. */
  readonly databaseTotalMs: number;
}

/** Figures of the statements whose text begins with `beginning`; zeros where there is none. */
export async function statementStats(server: PostgresServer, beginning: string): Promise<StatementStats> {
  const [row] = await server.admin<Record<string, unknown> & StatementStats>(
    `SELECT coalesce(max(queryid::text) FILTER (WHERE own), '') AS queryid,
            coalesce(sum(calls) FILTER (WHERE own), 0)::float8 AS calls,
            coalesce(sum(total_exec_time) FILTER (WHERE own), 0)::float8 AS "totalMs",
            coalesce(sum(temp_blks_written) FILTER (WHERE own), 0)::float8 AS "tempBlocksWritten",
            coalesce(sum(total_exec_time), 0)::float8 AS "databaseTotalMs"
     FROM (SELECT *, starts_with(query, $1) AS own FROM pg_stat_statements
           WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())) AS s`,
    [beginning],
  );
  if (row === undefined) throw new Error('no row of pg_stat_statements');
  return row;
}

export interface StatementChange {
  readonly calls: number;
  readonly meanMs: number;
  /** Share of the time of all statements, 0 to 1. */
  readonly share: number;
  readonly tempBlocksWritten: number;
}

/** Waits until the statement has changed as `enough` says since `from`, and returns the change. */
export async function waitForChange(
  what: string,
  server: PostgresServer,
  beginning: string,
  from: StatementStats,
  enough: (change: StatementChange) => boolean,
): Promise<StatementChange> {
  let last: StatementChange | undefined;
  return waitUntil(
    () => `${what}; so far ${JSON.stringify(last)}`,
    async () => {
      const to = await statementStats(server, beginning);
      const calls = to.calls - from.calls;
      const totalMs = to.totalMs - from.totalMs;
      last = {
        calls,
        meanMs: calls > 0 ? totalMs / calls : 0,
        share: totalMs / Math.max(to.databaseTotalMs - from.databaseTotalMs, Number.EPSILON),
        tempBlocksWritten: to.tempBlocksWritten - from.tempBlocksWritten,
      };
      return enough(last) && last;
    },
    { timeoutMs: 30_000, everyMs: 50 },
  );
}
