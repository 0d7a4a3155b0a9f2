/** The tables that statements touch, and what state they are in. Nothing here opens a relation, so it waits for no lock. */

import type { EpochMs } from '../../model/glossary.ts';
import type { TableState } from '../../model/postgres.ts';
import type { IndexLook, LostIndex } from './catalog-indexes.ts';
import type { PostgresServer, Row } from './collector.ts';
import { loadSqlParser } from './normalize.ts';
import { numberOf, textOf, timeOfAge } from './row-values.ts';

const MAX_TABLES = 30;
const MAX_COUNTED = 1_000;
const COUNTERS_EVERY_MS = 5 * 60_000;
const COUNTERS_KEPT = 13;

/** As written: `orders`, `search.outbox`. */
export interface RelationName {
  readonly schema: string | null;
  readonly name: string;
}

/**
 * The relations that a statement names, without its own WITH names, in no order that means anything. Of a text that
 * PostgreSQL's parser does not take (it was cut), those that stand behind FROM, JOIN, UPDATE or INTO.
 */
export async function relationNames(sql: string): Promise<readonly RelationName[]> {
  const parser = await loadSqlParser();
  const found = new Map<string, RelationName>();
  const add = (schema: string | null, name: string): void => {
    found.set(JSON.stringify([schema, name]), { schema, name });
  };
  let tree: unknown;
  try {
    tree = parser.parseSync(sql);
  } catch {
    for (const [, , quotedSchema, plainSchema, quoted, plain] of sql.matchAll(NAMED)) {
      if (quoted === undefined && KEYWORD.test(plain ?? '')) continue;
      add(quotedSchema ?? plainSchema?.toLowerCase() ?? null, quoted ?? plain?.toLowerCase() ?? '');
    }
    return [...found.values()];
  }
  const own = new Set<string>();
  // An explicit stack: a long chain of operators is a deep tree.
  const stack: unknown[] = [tree];
  while (stack.length > 0) {
    const node = stack.pop();
    if (Array.isArray(node)) stack.push(...node);
    else if (typeof node === 'object' && node !== null) {
      for (const [key, value] of Object.entries(node)) {
        if (key === 'CommonTableExpr') own.add(String((value as { ctename?: unknown }).ctename));
        // Below INSERT, UPDATE and DELETE the target's node has no tag of its own.
        if (key === 'RangeVar' || key === 'relation') {
          const { schemaname, relname } = value as { schemaname?: unknown; relname?: unknown };
          if (typeof relname === 'string') add(typeof schemaname === 'string' ? schemaname : null, relname);
        }
        stack.push(value);
      }
    }
  }
  return [...found.values()].filter(({ schema, name }) => schema !== null || !own.has(name));
}

const NAMED =
  /\b(from|join|update|into)\s+(?:only\s+)?(?:(?:"([^"]+)"|([a-z_][\w$]*))\s*\.\s*)?(?:"([^"]+)"|([a-z_][\w$]*))/gi;
const KEYWORD = /^(select|lateral|set|values|only|skip|nowait|of)$/i;

/** Scan counters of tables at one time, columnar: sequential scans, rows they read, index scans. */
export interface TableCounters {
  readonly at: EpochMs;
  readonly epoch: number;
  readonly rows: ReadonlyMap<string, number>;
  readonly values: Float64Array;
}

const COUNTERS_SQL = `
SELECT s.schemaname || '.' || s.relname AS table, s.seq_scan, s.seq_tup_read, s.idx_scan
FROM pg_catalog.pg_stat_user_tables s
ORDER BY coalesce(s.seq_tup_read, 0) + coalesce(s.idx_tup_fetch, 0) DESC, s.relid LIMIT ${MAX_COUNTED}`;

/** Null while the newest is young enough; the ring reaches an hour back. */
export async function readCounters(
  server: PostgresServer,
  ring: readonly TableCounters[],
  now: EpochMs,
  signal: AbortSignal,
): Promise<readonly TableCounters[]> {
  const newest = ring.at(-1);
  if (newest !== undefined && newest.epoch === server.epoch() && now - newest.at < COUNTERS_EVERY_MS) return ring;
  const rows = await server.query('tables', COUNTERS_SQL, { timeoutMs: 2_000, signal });
  const values = new Float64Array(rows.length * 3);
  const byName = new Map<string, number>();
  for (const [index, row] of rows.entries()) {
    byName.set(textOf(row, 'table') ?? '', index);
    values.set(countersOf(row), index * 3);
  }
  return [...ring, { at: now, epoch: server.epoch(), rows: byName, values }].slice(-COUNTERS_KEPT);
}

function countersOf(row: Row): readonly [number, number, number] {
  return [numberOf(row, 'seq_scan') ?? 0, numberOf(row, 'seq_tup_read') ?? 0, numberOf(row, 'idx_scan') ?? 0];
}

// Sizes are relpages × block size, as of the last vacuum or analyze: pg_relation_size() and its kin take a lock.
const stateSql = (names: readonly RelationName[]): string => `
SELECT n.nspname || '.' || c.relname AS table, s.n_live_tup, s.n_dead_tup, s.n_mod_since_analyze, c.reltuples,
  s.seq_scan, s.seq_tup_read, s.idx_scan,
  extract(epoch FROM pg_catalog.now() - greatest(s.last_analyze, s.last_autoanalyze))::pg_catalog.float8 AS analyzed_age,
  (c.relpages::pg_catalog.int8 + (SELECT coalesce(pg_catalog.sum(ic.relpages), 0) FROM pg_catalog.pg_index i
     JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid WHERE i.indrelid = c.oid))
    * pg_catalog.current_setting('block_size')::pg_catalog.int8 AS bytes
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_stat_user_tables s ON s.relid = c.oid
WHERE c.relkind IN ('r', 'p', 'm') AND (${names.map(matches).join(' OR ')})
ORDER BY c.relpages DESC, c.oid LIMIT ${MAX_TABLES}`;

// A name without a schema is whatever the search path of its session finds; all tables of the name come into question.
function matches({ schema, name }: RelationName): string {
  const inSchema = schema === null ? '' : ` AND n.nspname = ${literal(schema)}`;
  return `(c.relname = ${literal(name)}${inSchema})`;
}

/** A literal that no name can leave: every character as its code point. */
function literal(text: string): string {
  const escaped = Array.from(text.toWellFormed().replaceAll('\0', '').slice(0, 64), (character) => {
    const hex = (character.codePointAt(0) ?? 0).toString(16);
    return `\\+${hex.padStart(6, '0')}`;
  });
  return `U&'${escaped.join('')}'`;
}

export interface TablesInput {
  readonly names: readonly RelationName[];
  readonly ring: readonly TableCounters[];
  /** Rates are taken from the last counters before this time, or else the oldest. */
  readonly from: EpochMs;
  readonly look: IndexLook;
  readonly lost: readonly LostIndex[];
}

/** The user tables among the names, largest first. Throws what `query` throws. */
export async function readTables(
  server: PostgresServer,
  input: TablesInput,
  now: EpochMs,
  signal: AbortSignal,
): Promise<readonly TableState[]> {
  const { ring, look, lost, from } = input;
  const names = input.names.slice(0, 100);
  if (names.length === 0) return [];
  const rows = await server.query('tables', stateSql(names), { timeoutMs: 3_000, signal });
  const comparable = ring.filter(({ epoch, at }) => epoch === server.epoch() && at < now);
  const before = comparable.findLast(({ at }) => at <= from) ?? comparable[0];
  return rows.map((row): TableState => {
    const table = textOf(row, 'table') ?? '';
    const live = numberOf(row, 'n_live_tup') ?? 0;
    const planned = Math.max(0, numberOf(row, 'reltuples') ?? 0);
    const own = [...look.indexes].filter(([, index]) => index.table === table);
    return {
      table,
      // The statistics' count is 0 after a crash; the planner's survives it.
      liveRows: live > 0 ? live : planned,
      bytes: numberOf(row, 'bytes') ?? 0,
      modifiedSinceAnalyze: numberOf(row, 'n_mod_since_analyze') ?? 0,
      lastAnalyzedAt: timeOfAge(row, 'analyzed_age', now),
      deadRows: numberOf(row, 'n_dead_tup') ?? 0,
      ...ratesOf(row, table, before, now),
      indexes: own.map(([name]) => name).sort(),
      lostIndexes: lost
        .filter((index) => index.table === table)
        .map(({ name, definition, seenAt, lostBy }) => ({ name, definition, seenAt, lostBy })),
      invalidIndexes: own
        .filter(([, { valid, building }]) => !valid && !building)
        .map(([name]) => name)
        .sort(),
    };
  });
}

function ratesOf(
  row: Row,
  table: string,
  before: TableCounters | undefined,
  now: EpochMs,
): Pick<TableState, 'sequentialScansPerSecond' | 'indexScansPerSecond' | 'sequentialRowsPerScan'> {
  const at = before?.rows.get(table);
  const none = { sequentialScansPerSecond: null, indexScansPerSecond: null, sequentialRowsPerScan: null };
  if (before === undefined || at === undefined) return none;
  const old = before.values.subarray(at * 3, at * 3 + 3);
  const [scans = 0, read = 0, indexScans = 0] = countersOf(row).map((value, column) => value - (old[column] ?? 0));
  if (scans < 0 || read < 0 || indexScans < 0) return none;
  const seconds = (now - before.at) / 1000;
  return {
    sequentialScansPerSecond: scans / seconds,
    indexScansPerSecond: indexScans / seconds,
    sequentialRowsPerScan: scans > 0 ? read / scans : null,
  };
}
