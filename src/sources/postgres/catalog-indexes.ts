/** The indexes of the connected database, looked at from time to time, and which of them went, came or broke. */

import { RunbookdError } from '../../model/errors.ts';
import type { EpochMs } from '../../model/glossary.ts';
import type { PostgresServer, Row } from './collector.ts';
import { booleanOf, numberOf, textOf } from './row-values.ts';

export interface IndexState {
  readonly oid: number;
  /** `schema.table`. */
  readonly table: string;
  /** Empty while its table has been locked at every look. */
  readonly definition: string;
  /** False for one that a failed or running CREATE INDEX CONCURRENTLY left. */
  readonly valid: boolean;
  readonly building: boolean;
}

export interface IndexLook {
  readonly at: EpochMs;
  /** By `schema.index`. */
  readonly indexes: ReadonlyMap<string, IndexState>;
  /** There are more than we take: what is not here may be there. */
  readonly truncated: boolean;
}

export interface LostIndex {
  readonly name: string;
  readonly table: string;
  readonly definition: string;
  readonly seenAt: EpochMs;
  readonly lostBy: EpochMs;
}

const LIMIT = 5_000;
const LOST_MS = 24 * 60 * 60_000;
/** Names of the copies that REINDEX CONCURRENTLY makes and drops. */
const TRANSIENT = /_cc(new|old)\d*$/;

const INDEXES_SQL = `
SELECT i.indexrelid AS oid, n.nspname || '.' || c.relname AS name, tn.nspname || '.' || t.relname AS table,
  i.indisvalid AS valid,
  EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index p WHERE p.index_relid = i.indexrelid) AS building
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND c.relpersistence <> 't'
ORDER BY i.indexrelid LIMIT ${LIMIT + 1}`;

// pg_get_indexdef() opens the table under ACCESS SHARE, for a moment (ruleutils.c, set_relation_column_names). Hence
// each definition is read once, never of a table that somebody holds or wants for himself alone; what slips through
// ends with the lock timeout, and is read at a later look.
const definitionsSql = (oids: readonly number[]): string => `
WITH closed AS MATERIALIZED (
  SELECT l.relation FROM pg_catalog.pg_locks l WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'
    AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()))
SELECT i.indexrelid AS oid, pg_catalog.left(pg_catalog.pg_get_indexdef(i.indexrelid), 1000) AS definition
FROM pg_catalog.pg_index i
WHERE i.indexrelid = ANY ('{${oids.join(',')}}'::pg_catalog.oid[])
  AND NOT EXISTS (SELECT FROM closed c WHERE c.relation IN (i.indrelid, i.indexrelid))`;

/** Waits for no lock, and takes the definitions that `before` has from there. */
export async function readIndexes(
  server: PostgresServer,
  before: IndexLook | null,
  now: EpochMs,
  signal: AbortSignal,
): Promise<IndexLook> {
  const rows = await server.query('indexes', INDEXES_SQL, { timeoutMs: 5_000, signal });
  const indexes = new Map<string, IndexState>();
  for (const row of rows.slice(0, LIMIT)) {
    const name = textOf(row, 'name') ?? '';
    if (TRANSIENT.test(name)) continue;
    const oid = numberOf(row, 'oid') ?? 0;
    const known = before?.indexes.get(name);
    indexes.set(name, {
      oid,
      table: textOf(row, 'table') ?? '',
      definition: known?.oid === oid ? known.definition : '',
      valid: booleanOf(row, 'valid') === true,
      building: booleanOf(row, 'building') === true,
    });
  }
  const missing = [...indexes.values()].filter(({ definition }) => definition === '').map(({ oid }) => oid);
  const definitions = missing.length === 0 ? [] : await readDefinitions(server, missing, signal);
  const byOid = new Map(definitions.map((row) => [numberOf(row, 'oid'), textOf(row, 'definition') ?? '']));
  for (const [name, index] of indexes) {
    indexes.set(name, { ...index, definition: byOid.get(index.oid) ?? index.definition });
  }
  return { at: now, indexes, truncated: rows.length > LIMIT };
}

async function readDefinitions(
  server: PostgresServer,
  oids: readonly number[],
  signal: AbortSignal,
): Promise<readonly Row[]> {
  try {
    return await server.query('index definitions', definitionsSql(oids), { timeoutMs: 5_000, signal });
  } catch (error) {
    // Somebody locked a table (55P03) or dropped an index in this very moment: not worth the look.
    if (error instanceof RunbookdError && error.code === 'POSTGRES_QUERY') return [];
    throw error;
  }
}

export interface IndexChange {
  readonly name: string;
  readonly what: 'dropped' | 'created' | 'invalid';
  readonly summary: string;
}

export function indexChanges(before: IndexLook, after: IndexLook): readonly IndexChange[] {
  const changes: IndexChange[] = [];
  const change = (name: string, what: IndexChange['what'], table: string): void => {
    const phrase = what === 'invalid' ? 'is invalid' : `was ${what}`;
    changes.push({ name, what, summary: `index ${name} on ${table} ${phrase}` });
  };
  for (const [name, { table }] of before.indexes) if (!after.indexes.has(name)) change(name, 'dropped', table);
  for (const [name, { table, valid, building }] of after.indexes) {
    const old = before.indexes.get(name);
    const broken = !valid && !building;
    if (old === undefined && !broken && !before.truncated && !after.truncated) change(name, 'created', table);
    if (broken && (old === undefined || old.valid || old.building)) change(name, 'invalid', table);
  }
  return changes;
}

/** Indexes that an earlier look of the last day had and this one has not. */
export function lostIndexes(
  lost: readonly LostIndex[],
  before: IndexLook | null,
  after: IndexLook,
): readonly LostIndex[] {
  const kept = lost.filter(({ name, lostBy }) => !after.indexes.has(name) && lostBy > after.at - LOST_MS);
  const known = new Set(kept.map(({ name }) => name));
  const gone =
    before === null ? [] : [...before.indexes].filter(([name]) => !after.indexes.has(name) && !known.has(name));
  const since = before?.at ?? after.at;
  return [
    ...kept,
    ...gone.map(([name, { table, definition }]) => ({ name, table, definition, seenAt: since, lostBy: after.at })),
  ];
}
