/**
 * SQL text made fit to leave the process: structure only, no constant, no comment.
 *
 * Emission is by allow-list: a token is printed only when its own text has the shape of a name, a key word, an operator
 * or a parameter; everything else becomes `$n`. The lexer is PostgreSQL's (libpg-query), and text is printed only as far
 * as PostgreSQL's grammar follows it, because beyond a syntax error a misplaced quote turns data into names.
 * libpg-query's own normalize() is not used: it keeps comments and the constants of utility statements, and it returns
 * some lexer errors, with the offending literal, as if they were the result.
 */

const MAX_CODE_POINTS = 300;
/** More than any page shows; bounds the parser's work and its recursion. */
const MAX_PARSED = 4000;

const NAME = /^[\p{L}_][\p{L}\p{N}_$]*$/u;
// A quoted name can be any text, so only plain ones pass; 63 bytes is PostgreSQL's limit for names.
const QUOTED_NAME = /^"[\p{L}\p{N}_ $.-]{1,63}"$/u;
const PARAMETER = /^\$\d+$/;
const OPERATOR = /^[-+*/<>=~!@#%^&|`?:.,;()[\]]+$/;

interface Token {
  readonly text: string;
  readonly spaced: boolean;
}

/** libpg-query, its WebAssembly loaded at first use. Node keeps the module; nothing is kept here. */
export async function loadSqlParser(): Promise<typeof import('libpg-query')> {
  const parser = await import('libpg-query');
  await parser.loadModule();
  return parser;
}

/**
 * One line of at most 300 code points (what a page may show), `…` where something was left out: constants are `$n`, comments are gone,
 * statements that carry secrets by nature are their command only. Also takes text that pg_stat_statements has
 * normalised, and text cut at track_activity_query_size. Null when nothing of it is safe to show.
 */
export async function normalizeSql(sql: string, maxCodePoints = MAX_CODE_POINTS): Promise<string | null> {
  const parser = await loadSqlParser();
  const taken = sql.replaceAll('\0', ' ').slice(0, MAX_PARSED).toWellFormed();
  const grammatical = grammaticalPrefix(parser, taken);
  if (grammatical === null) return null;
  let cut = !grammatical.whole || taken.length < sql.length;
  if (cut && commandTag(grammatical.text) === null) return null;

  const scanned = scanTokens(parser, grammatical.text);
  if (scanned === null) return null;
  const end = scanned.findIndex(
    (token, index) => escapesItsQuote(token) || isGluedToLiteral(token, scanned[index - 1]),
  );
  const tokens = end < 0 ? scanned : scanned.slice(0, end);
  cut ||= end >= 0;

  const statements = splitStatements(tokens);
  if (statements.length === 0) return null;
  const next = nextParameter(tokens);
  const text = statements.map((statement) => reduced(statement) ?? printed(statement, next)).join('; ');
  return shorten(cut && !text.endsWith('…') ? `${text}…` : text, maxCodePoints);
}

function grammaticalPrefix(
  parser: typeof import('libpg-query'),
  sql: string,
): { readonly text: string; readonly whole: boolean } | null {
  if (sql.trim() === '') return null;
  try {
    parser.parseSync(sql);
    return { text: sql, whole: true };
  } catch (error) {
    if (!parser.hasSqlDetails(error)) return null;
    // The position counts code points; for an unterminated literal or comment it is where that begins.
    const position = error.sqlDetails?.cursorPosition ?? 0;
    const prefix = Array.from(sql).slice(0, position).join('').trimEnd();
    return prefix === '' ? null : { text: prefix, whole: false };
  }
}

function scanTokens(parser: typeof import('libpg-query'), sql: string): readonly Token[] | null {
  try {
    const tokens: Token[] = [];
    let previousEnd = 0;
    for (const token of parser.scanSync(sql).tokens) {
      if (token.tokenName === 'SQL_COMMENT' || token.tokenName === 'C_COMMENT') continue;
      // A removed comment separates too: `a/**/b` must not become `ab`.
      tokens.push({ text: token.text, spaced: token.start > previousEnd });
      previousEnd = token.end;
    }
    return tokens;
  } catch {
    return null;
  }
}

/**
 * With standard_conforming_strings off, `'a\'b'` is one literal, but it is lexed here as 'a\' and the name b.
 * What follows such a token, or a stray backslash, cannot be trusted.
 */
function escapesItsQuote({ text }: Token): boolean {
  return text.startsWith('\\') || (/^['nN]/.test(text) && /\\'/.test(text));
}

/** `'it's'` is the literal 'it' and the name s: a name that touches a closing quote is a misquoted literal. */
function isGluedToLiteral({ text, spaced }: Token, before: Token | undefined): boolean {
  return !spaced && before !== undefined && /['$]$/.test(before.text) && NAME.test(text);
}

function splitStatements(tokens: readonly Token[]): readonly (readonly Token[])[] {
  const statements: Token[][] = [[]];
  for (const token of tokens) {
    if (token.text === ';') statements.push([]);
    else statements.at(-1)?.push(token);
  }
  return statements.filter((statement) => statement.length > 0);
}

function nextParameter(tokens: readonly Token[]): () => string {
  let highest = 0;
  for (const { text } of tokens) if (PARAMETER.test(text)) highest = Math.max(highest, Number(text.slice(1)));
  return () => {
    highest += 1;
    return `$${highest}`;
  };
}

function printed(statement: readonly Token[], next: () => string): string {
  let text = '';
  for (const [index, token] of statement.entries()) {
    const known =
      NAME.test(token.text) || QUOTED_NAME.test(token.text) || PARAMETER.test(token.text) || OPERATOR.test(token.text);
    const part = known ? token.text : token.text.startsWith('"') ? '"…"' : next();
    text += index > 0 && token.spaced ? ` ${part}` : part;
  }
  return text;
}

/** `CREATE ROLE…` for statements whose names or options may be secrets too; null when the statement can be printed. */
function reduced(statement: readonly Token[]): string | null {
  const words = statement.map(({ text }) => text.toUpperCase());
  const [first, second, third] = words;
  switch (first) {
    case 'DO':
      return 'DO…';
    case 'SET':
      return reducedSet(statement);
    case 'COPY':
      return words.includes('PROGRAM') ? 'COPY…' : null;
    case 'CREATE':
    case 'ALTER': {
      if (second === 'USER' && third === 'MAPPING') return `${first} USER MAPPING…`;
      if (second === 'FOREIGN' && third === 'DATA') return `${first} FOREIGN DATA WRAPPER…`;
      if (second !== undefined && SECRET_OBJECTS.has(second)) return `${first} ${second}…`;
      const kind = words.slice(1, 4).find((word) => word === 'FUNCTION' || word === 'PROCEDURE');
      return kind === undefined ? null : `${first} ${kind}…`;
    }
    default:
      return null;
  }
}

const SECRET_OBJECTS: ReadonlySet<string> = new Set([
  'ROLE',
  'USER',
  'GROUP',
  'SUBSCRIPTION',
  'SERVER',
  'SYSTEM',
  'DATABASE',
]);

/** The value of SET may be a bare name, so it never shows; nor does the name of a custom or password-like setting. */
function reducedSet(statement: readonly Token[]): string {
  const at = /^(local|session)$/i.test(statement[1]?.text ?? '') ? 2 : 1;
  const name = statement[at]?.text ?? '';
  const custom = statement[at + 1]?.text === '.';
  const plain = /^[a-z][a-z_]*$/i.test(name) && !custom && !/pass|secret|key|token|conninfo|command/i.test(name);
  return plain ? `SET ${name}…` : 'SET…';
}

function shorten(text: string, maxCodePoints: number): string {
  const points = Array.from(text);
  return points.length <= maxCodePoints ? text : `${points.slice(0, maxCodePoints - 1).join('')}…`;
}

const OBJECTS = [
  'ACCESS METHOD',
  'AGGREGATE',
  'COLLATION',
  'DATABASE',
  'DOMAIN',
  'EXTENSION',
  'FOREIGN TABLE',
  'FUNCTION',
  'GROUP',
  'INDEX CONCURRENTLY',
  'INDEX',
  'MATERIALIZED VIEW',
  'OPERATOR',
  'POLICY',
  'PROCEDURE',
  'PUBLICATION',
  'ROLE',
  'RULE',
  'SCHEMA',
  'SEQUENCE',
  'SERVER',
  'STATISTICS',
  'SUBSCRIPTION',
  'SYSTEM',
  'TABLE',
  'TABLESPACE',
  'TRIGGER',
  'TYPE',
  'USER MAPPING',
  'USER',
  'VIEW',
];

/** Longest first where one begins with another. */
const TAGS: readonly string[] = [
  ...['CREATE', 'ALTER', 'DROP'].flatMap((verb) => OBJECTS.map((object) => `${verb} ${object}`)),
  'REFRESH MATERIALIZED VIEW',
  'PREPARE TRANSACTION',
  'COMMIT PREPARED',
  'ROLLBACK PREPARED',
  'START TRANSACTION',
  'LOCK TABLE',
  ...['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'MERGE', 'COPY', 'TRUNCATE', 'VACUUM', 'ANALYZE', 'REINDEX', 'CLUSTER'],
  ...['BEGIN', 'COMMIT', 'END', 'ROLLBACK', 'ABORT', 'SAVEPOINT', 'RELEASE', 'SET', 'RESET', 'SHOW', 'DISCARD'],
  ...['GRANT', 'REVOKE', 'COMMENT', 'CALL', 'DO', 'EXECUTE', 'PREPARE', 'DEALLOCATE', 'DECLARE', 'FETCH', 'MOVE'],
  ...['CLOSE', 'EXPLAIN', 'LISTEN', 'UNLISTEN', 'NOTIFY', 'CHECKPOINT', 'VALUES', 'TABLE'],
];

/** The command in upper case, from a fixed list (`ALTER TABLE`, `SELECT`), or null. Cheap: no parser, first words only. */
export function commandTag(sql: string): string | null {
  const start = skipBlank(sql, 0);
  const words = (sql.slice(start, start + 120).match(/[a-z]+/gi) ?? []).slice(0, 7).map((word) => word.toUpperCase());
  if (!/^[a-z]/i.test(sql.slice(start, start + 1))) return null;
  if (words[0] === 'WITH') return commandOfWith(sql, start);
  if (words[0] === 'LOCK') return 'LOCK TABLE';
  const noise = new Set(['OR', 'REPLACE', 'UNIQUE', 'TEMP', 'TEMPORARY', 'UNLOGGED', 'GLOBAL', 'LOCAL', 'RECURSIVE']);
  const creates = words[0] === 'CREATE' || words[0] === 'ALTER' || words[0] === 'DROP';
  const said = (creates ? words.filter((word) => !noise.has(word)) : words).join(' ');
  return TAGS.find((tag) => said === tag || said.startsWith(`${tag} `)) ?? null;
}

/** Behind white space, comments and opening parentheses. */
function skipBlank(sql: string, from: number): number {
  let at = from;
  for (;;) {
    const blank = /^[\s(;]+/.exec(sql.slice(at, at + 200))?.[0].length ?? 0;
    at += blank;
    if (sql.startsWith('--', at)) {
      const end = sql.indexOf('\n', at);
      at = end < 0 ? sql.length : end + 1;
    } else if (sql.startsWith('/*', at)) {
      at = endOfComment(sql, at);
    } else if (blank === 0) {
      return at;
    }
  }
}

function endOfComment(sql: string, start: number): number {
  let depth = 0;
  for (const mark of sql.slice(start).matchAll(/\/\*|\*\//g)) {
    depth += mark[0] === '/*' ? 1 : -1;
    if (depth === 0) return start + mark.index + 2;
  }
  return sql.length;
}

/** The first command outside every parenthesis; quoted parts are skipped roughly, which can only make it null. */
function commandOfWith(sql: string, start: number): string | null {
  let depth = 0;
  const pieces = /'(?:[^']|'')*'|"[^"]*"|--[^\n]*|\/\*[\s\S]*?\*\/|[()]|[a-z_]\w*/gi;
  for (const [piece] of sql.slice(start, start + MAX_PARSED).matchAll(pieces)) {
    if (piece === '(') depth += 1;
    else if (piece === ')') depth -= 1;
    else if (depth === 0 && /^(select|insert|update|delete|merge)$/i.test(piece)) return piece.toUpperCase();
  }
  return null;
}
