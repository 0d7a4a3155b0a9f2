/** What a server's catalogue has and what our role may see, probed in one query instead of derived from a version. */

import type { PostgresServerFacts } from '../../model/postgres.ts';
import type { Capabilities, Row } from './collector.ts';
import { numberOf, textOf } from './row-values.ts';
import { recordsOf } from './text.ts';

/** What does not change while a server runs, read together with the capabilities. */
export interface ServerConstants {
  readonly versionNum: number;
  readonly flavour: PostgresServerFacts['flavour'];
  readonly maxConnections: number;
  readonly usableConnections: number;
  readonly database: string;
  /** Our role, quoted for SQL: what a GRANT has to name. */
  readonly role: string;
}

/**
 * Usable slots: `reserved_connections` is there from 16 on, `rds.*` on RDS only; a setting that is not there reads as 0.
 * Columns are those of views and tables of pg_catalog alone, so that nothing in `public` can pretend to be one.
 * RDS: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Appendix.PostgreSQL.CommonDBATasks.html (rdsadmin);
 * Aurora: aurora_version() in pg_catalog.
 */
export const CAPABILITIES_SQL = `
SELECT pg_catalog.current_setting('server_version_num')::int AS version_num,
  pg_catalog.current_database()::text AS database,
  pg_catalog.quote_ident(current_user::text) AS role,
  pg_catalog.current_setting('is_superuser') = 'on' AS superuser,
  pg_catalog.pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS read_all_stats,
  pg_catalog.current_setting('max_connections')::int AS max_connections,
  pg_catalog.current_setting('max_connections')::int
    - pg_catalog.current_setting('superuser_reserved_connections')::int
    - coalesce(nullif(pg_catalog.current_setting('reserved_connections', true), '')::int, 0)
    - coalesce(nullif(pg_catalog.current_setting('rds.rds_superuser_reserved_connections', true), '')::int, 0)
    AS usable_connections,
  EXISTS (SELECT 1 FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
          WHERE n.nspname = 'pg_catalog' AND p.proname = 'aurora_version') AS aurora,
  pg_catalog.current_setting('rds.extensions', true) IS NOT NULL
    OR EXISTS (SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = 'rdsadmin') AS rds,
  (SELECT pg_catalog.json_agg(pg_catalog.json_build_object('name', r.relname, 'columns', r.columns)) FROM (
     SELECT c.relname, pg_catalog.json_agg(a.attname) AS columns
     FROM pg_catalog.pg_class c
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
     WHERE n.nspname = 'pg_catalog' AND c.relkind IN ('v', 'r') GROUP BY c.relname) r) AS relations,
  (SELECT pg_catalog.quote_ident(n.nspname) FROM pg_catalog.pg_extension e
     JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
     WHERE e.extname = 'pg_stat_statements') AS statements_schema,
  (SELECT pg_catalog.json_agg(DISTINCT o.name) FROM pg_catalog.pg_extension e
     JOIN pg_catalog.pg_proc p ON p.pronamespace = e.extnamespace AND p.proname = 'pg_stat_statements'
     CROSS JOIN LATERAL unnest(p.proargnames, p.proargmodes) AS o (name, mode)
     WHERE e.extname = 'pg_stat_statements' AND o.mode IN ('o', 'b', 't')) AS statements_columns`;

export function parseCapabilities(row: Row): {
  readonly capabilities: Capabilities;
  readonly constants: ServerConstants;
} {
  const relations = new Map<string, ReadonlySet<string>>();
  for (const { name, columns } of recordsOf(row['relations'])) {
    if (typeof name === 'string') relations.set(name, new Set(Array.isArray(columns) ? columns.map(String) : []));
  }
  const statements = row['statements_columns'];
  const isSuperuser = row['superuser'] === true;
  return {
    capabilities: {
      has: (relation, column) => {
        const columns = relations.get(relation);
        return columns !== undefined && (column === undefined || columns.has(column));
      },
      statementsSchema: textOf(row, 'statements_schema'),
      statementsColumns: new Set(Array.isArray(statements) ? statements.map(String) : []),
      isSuperuser,
      canReadAllStats: isSuperuser || row['read_all_stats'] === true,
    },
    constants: {
      versionNum: numberOf(row, 'version_num') ?? 0,
      flavour: row['aurora'] === true ? 'aurora' : row['rds'] === true ? 'rds' : 'postgres',
      maxConnections: numberOf(row, 'max_connections') ?? 0,
      usableConnections: numberOf(row, 'usable_connections') ?? 0,
      database: textOf(row, 'database') ?? '',
      role: textOf(row, 'role') ?? '',
    },
  };
}
