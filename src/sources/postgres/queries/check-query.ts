/**
 * Whether a query of the user's own may run, and the form that it runs in. The parser (libpg-query, WebAssembly) is loaded
 * with this module, so import it only where there are such queries: `await import(…)`.
 *
 * The server refuses all of this as well, for the transaction is read only and the query stands in parentheses, where
 * neither a second statement nor one that writes is SQL; here it is refused before anything runs, with a reason.
 */

import { loadSqlParser } from '../normalize.ts';

const parser = await loadSqlParser();

/** In characters; also bounds the parser's recursion. */
const MAX_SQL = 4_000;
/** One more than is kept, so that more is noticed. */
export const MAX_ROWS = 50;
/** Characters of one row as JSON. A row is a number and some labels. */
export const MAX_ROW = 20_000;

/** A read-only transaction lets them pass, and what they do outlives it or leaves the database. */
const MORE_THAN_READS =
  /^(?:pg_(?:try_)?advisory_|pg_(?:terminate|cancel)_backend$|pg_(?:create|drop|copy|promote|reload|rotate|switch|log|read|ls|stat_file|stat_reset|stat_statements_reset|notify|import|logical|replication|wal_replay|backup|start_backup|stop_backup|export)(?:_|$)|set_config$|nextval$|setval$|dblink|lo_|query_to_xml|table_to_xml|database_to_xml|schema_to_xml|cursor_to_xml)/;

type Node = Readonly<Record<string, unknown>>;

/** What is wrong with it, for people; null when it may run. */
export function checkSignalQuery(sql: string): string | null {
  if (sql.trim() === '') return 'is empty, expected one SELECT';
  if (sql.length > MAX_SQL) return `has ${sql.length} characters, expected at most ${MAX_SQL}`;
  if (sql.includes('\0') || !sql.isWellFormed()) return 'holds a character that is not text';
  const parsed = statementsOf(sql);
  if (typeof parsed === 'string') return parsed;
  const [first, ...others] = parsed;
  if (first === undefined) return 'holds no statement, expected one SELECT';
  if (others.length > 0) return `holds ${parsed.length} statements, expected one SELECT`;
  const kind = Object.keys(first.stmt)[0] ?? '';
  if (kind !== 'SelectStmt') return `is not a SELECT, WITH … SELECT, VALUES or TABLE (${kind})`;
  const own = namesOfWith(first.stmt);
  for (const [key, value] of nodesIn(first.stmt)) {
    const wrong = problemOf(key, value, own);
    if (wrong !== null) return wrong;
  }
  return null;
}

/**
 * At most 51 rows of `row`, each as JSON that knows numbers from texts, and `columns`, because JSON keeps one of two
 * columns of the same name. The query must have passed the check.
 */
export function wrapped(sql: string): string {
  const statement = statementsOf(sql);
  const only = typeof statement === 'string' ? undefined : statement[0];
  const bytes = Buffer.from(sql, 'utf8');
  const start = only?.location ?? 0;
  // Without its semicolon; the parser counts bytes, and 0 is the rest.
  const text = only?.length
    ? bytes.subarray(start, start + only.length).toString('utf8')
    : bytes.toString('utf8', start);
  return `SELECT pg_catalog.left(runbookd_row::pg_catalog.text, ${MAX_ROW}) AS row,
  (SELECT pg_catalog.count(*) FROM pg_catalog.json_object_keys(runbookd_row))::pg_catalog.int4 AS columns
FROM (SELECT pg_catalog.row_to_json(runbookd_rows) AS runbookd_row FROM (
${text}
) AS runbookd_rows LIMIT ${MAX_ROWS + 1}) AS runbookd_query`;
}

/** Tables and views that it names, `schema.name` quoted for a GRANT, without the system's own and its WITH names. */
export function relationsOf(sql: string): readonly { readonly schema: string; readonly name: string }[] {
  const parsed = statementsOf(sql);
  if (typeof parsed === 'string') return [];
  const found = new Map<string, { readonly schema: string; readonly name: string }>();
  for (const [key, value] of parsed.flatMap(({ stmt }) => [...nodesIn(stmt)])) {
    const { schemaname, relname } = value as { readonly schemaname?: unknown; readonly relname?: unknown };
    if (key !== 'RangeVar' || typeof schemaname !== 'string' || typeof relname !== 'string') continue;
    if (/^(?:pg_catalog|information_schema)$/.test(schemaname)) continue;
    found.set(JSON.stringify([schemaname, relname]), { schema: quoted(schemaname), name: quoted(relname) });
  }
  return [...found.values()];
}

function statementsOf(
  sql: string,
): readonly { readonly stmt: Node; readonly location: number; readonly length: number }[] | string {
  try {
    const { stmts = [] } = parser.parseSync(sql);
    return stmts.map(({ stmt, stmt_location = 0, stmt_len = 0 }) => ({
      stmt: (stmt ?? {}) as Node,
      location: stmt_location,
      length: stmt_len,
    }));
  } catch (error) {
    const position = parser.hasSqlDetails(error) ? error.sqlDetails?.cursorPosition : undefined;
    return position === undefined ? 'is not SQL' : `is not SQL from character ${position + 1} on`;
  }
}

function problemOf(key: string, value: Node, own: ReadonlySet<string>): string | null {
  if (key.endsWith('Stmt') && key !== 'SelectStmt') return `holds a ${key}, expected only to read`;
  if (value['intoClause'] !== undefined) return 'has INTO, expected only to read';
  if (value['lockingClause'] !== undefined) return 'has FOR UPDATE or FOR SHARE, expected only to read';
  if (key === 'ParamRef') return 'has a parameter ($1), expected values';
  if (key === 'RangeVar') {
    const { schemaname, relname } = value as { readonly schemaname?: unknown; readonly relname?: unknown };
    const name = String(relname);
    // The search path is pg_catalog alone, so that nobody can put a table of theirs in front of another.
    if (schemaname === undefined && !own.has(name) && !name.startsWith('pg_')) {
      return `names ${name} without its schema, expected public.${name} or another`;
    }
  }
  if (key === 'FuncCall') {
    const parts = Array.isArray(value['funcname']) ? (value['funcname'] as readonly Node[]) : [];
    const name = String((parts.at(-1)?.['String'] as Node | undefined)?.['sval'] ?? '');
    if (MORE_THAN_READS.test(name)) return `calls ${name}(), which does more than read`;
  }
  return null;
}

function namesOfWith(tree: Node): ReadonlySet<string> {
  const names = new Set<string>();
  for (const [key, value] of nodesIn(tree)) if (key === 'CommonTableExpr') names.add(String(value['ctename']));
  return names;
}

/** Every object of the tree under the key that holds it. An explicit stack: a long chain of operators is a deep tree. */
function* nodesIn(tree: Node): Generator<readonly [string, Node]> {
  const stack: (readonly [string, unknown])[] = [['', tree]];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const [key, value] = next;
    if (Array.isArray(value)) stack.push(...value.map((each: unknown) => [key, each] as const));
    else if (typeof value === 'object' && value !== null) {
      yield [key, value as Node];
      stack.push(...Object.entries(value));
    }
  }
}

function quoted(name: string): string {
  return /^[a-z_][a-z0-9_]{0,62}$/.test(name) ? name : `"${name.replaceAll('"', '""').replace(/\p{C}/gu, '?')}"`;
}
