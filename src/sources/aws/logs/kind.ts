/**
 * What an error message says, by the words of common runtimes and clients (node-postgres, knex, Sequelize, Prisma,
 * TypeORM, HikariCP, DBCP, SQLAlchemy, psycopg, ActiveRecord, Npgsql, Go, Java, Python), and which host it names.
 */

import type { LogKind } from '../../../model/aws.ts';

/** A database is talked of: a client's name, its port, or the word itself. */
const DATABASE =
  /postgres|psql|\bpg(?:-pool|bouncer|_|\b)|psycopg|asyncpg|jdbc|hikari|sequelize|prisma|knex|typeorm|sqlalchemy|activerecord|npgsql|mysql|mariadb|\bsql|database|\brds\b|:(?:5432|5433|6432|3306)\b/i;

const POOL =
  /timeout exceeded when trying to connect|timeout acquiring a connection|connection ?acquire ?timeout|connection is not available, request timed out|timed out fetching a new connection from the (?:connection )?pool|\bP2024\b|queuepool limit of size|couldn'?t get a connection after|\bPoolTimeout\b|cannot get a connection, pool error|timeout waiting for idle object|attempt by a client to checkout a connection has timed out|could not obtain a (?:database )?connection (?:from the pool )?within|(?:connection )?pool (?:is |was |has been )?(?:probably )?(?:full|exhausted|empty)|no (?:free|available) connections? (?:left )?in (?:the )?pool|pool (?:acquire )?timeout/i;

const NAME =
  /\bENOTFOUND\b|\bEAI_AGAIN\b|\bEAI_NONAME\b|getaddrinfo (?:failed|E)|UnknownHostException|name or service not known|nodename nor servname|temporary failure in name resolution|no such host|could not (?:translate|resolve) host|\bNXDOMAIN\b|name resolution (?:failed|error)/i;

/** SQLSTATE 53300 (too many connections), 57P03 (not taking connections now): the server says no. */
const DATABASE_REFUSED =
  /\b(?:53300|57P03)\b(?! ?ms)|too many clients already|too many connections|remaining connection slots are reserved|no more connections allowed|the database system is (?:starting up|shutting down|in recovery|not (?:yet )?accepting)|can'?t reach database server|\bP1001\b/i;
const DATABASE_TIMEOUT =
  /\b(?:57014|55P03)\b(?! ?ms)|canceling statement due to (?:statement|lock|user)|query read timeout|lock wait timeout exceeded|connection terminated due to connection timeout|statement timeout|could not obtain lock/i;
const DATABASE_ERROR =
  /\b(?:57P0[1245]|40P01|42P01|3D000)\b|sqlstate|deadlock detected|terminating connection due to|connection terminated unexpectedly|server closed the connection unexpectedly|could not serialize access|current transaction is aborted|read-only transaction|duplicate key value violates|violates (?:foreign key|unique|not-null|check) constraint|(?:relation|column) \S{1,80} does not exist|PSQLException|SQL(?:Transient|NonTransient|Recoverable|Syntax)?\w{0,40}Exception|Sequelize\w{0,40}Error|Prisma\w{0,40}Error|\bORA-\d{5}\b|\b(?:OperationalError|ProgrammingError|IntegrityError|InterfaceError)\b/i;

const MEMORY =
  /heap out of memory|OutOfMemory|out of memory|cannot allocate memory|\bENOMEM\b|\bMemoryError\b|OOM-?kill|std::bad_alloc|allocation failed - javascript heap/i;

const TLS =
  /self[- ]signed certificate|certificate (?:has expired|verify failed|is not yet valid|unknown|signed by unknown)|unable to (?:verify the first|get (?:local )?issuer) certificate|\bCERT_[A-Z_]{3,40}|ERR_TLS_|\bx509:|SSLHandshake|SSLError|SSL routines|tls handshake|handshake failure|ERR_SSL_|\bEPROTO\b|PKIX path|certificate/i;

/** 429 alone may be anything; it counts beside words of HTTP. */
const RATE =
  /too many requests|rate[- _]?limit|\bthrottl(?:ed|ing)|quota (?:exceeded|limit)|rate exceeded|\bSlowDown\b|(?:status(?:[ _]?code)?|http(?:\/\d(?:\.\d)?)?|code|error|returned|response|responded with)["'\\]{0,4}\s{0,3}[:=]?\s{0,3}["']?429\b|\b429 (?:too|error|client)/i;

const AUTH =
  /password authentication failed|\b28P01\b|no pg_hba\.conf entry|\b401 unauthorized|\b403 forbidden|unauthori[sz]ed|authentication (?:failed|error|required)|invalid (?:api[ _-]?key|token|signature|credentials?|grant|client)|access ?denied|ExpiredToken|token (?:has |is )?expired|jwt (?:expired|malformed|must be)|JsonWebToken|(?:signature|token) verification failed|InvalidClientTokenId|(?:status(?:[ _]?code)?|http(?:\/\d(?:\.\d)?)?|code)["'\\]{0,4}\s{0,3}[:=]?\s{0,3}["']?40[13]\b/i;

const REFUSED = /\bECONNREFUSED\b|connection (?:to \S{1,253} )?(?:was )?refused|ConnectException|actively refused/i;
const TIMEOUT =
  /\bE(?:SOCKET)?TIMEDOUT\b|\bETIME\b|timed?[ -]?out|timeout|deadline exceeded|\bUND_ERR_\w{0,20}TIMEOUT|\b504\b gateway/i;
const EXCEPTION =
  /\b[A-Z]\w{0,80}(?:Exception|Error)\b|\bpanic:|traceback|unhandled|uncaught|\bexception\b|stack trace/i;

/** First match wins: from what is most particular to what is most general. */
export function kindOf(text: string): LogKind {
  if (MEMORY.test(text)) return 'out-of-memory';
  if (NAME.test(text)) return 'name-resolution';
  if (POOL.test(text)) return 'pool-timeout';
  if (DATABASE_REFUSED.test(text)) return 'database-refused';
  if (DATABASE_TIMEOUT.test(text)) return 'database-timeout';
  const database = DATABASE.test(text);
  if (database && REFUSED.test(text)) return 'database-refused';
  if (/password authentication failed|\b28P01\b|no pg_hba\.conf entry/i.test(text)) return 'authentication';
  if (TLS.test(text)) return 'tls';
  if (DATABASE_ERROR.test(text) && !TIMEOUT.test(text)) return 'database-error';
  if (database && TIMEOUT.test(text)) return 'database-timeout';
  if (RATE.test(text)) return 'rate-limited';
  if (AUTH.test(text)) return 'authentication';
  if (REFUSED.test(text)) return 'refused';
  if (TIMEOUT.test(text)) return 'timeout';
  return EXCEPTION.test(text) ? 'exception' : 'other';
}

/** Places where a host stands, most certain first. */
const HOST_PLACES: readonly RegExp[] = [
  /\b[a-z][a-z0-9+.-]{1,20}:\/\/(?:[^\s/?#@]{0,200}@)?([A-Za-z0-9.-]{1,253})(?=[:/?#\s"'),\]]|$)/gi,
  /\b(?:ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ECONNRESET|UnknownHostException:|UnknownHost:)\s{1,3}([A-Za-z0-9.-]{1,253})/g,
  /\b(?:host(?:name)?(?: name)?|server at|server|connect(?:ion)? to|lookup|resolve|upstream)["'`:=\s]{1,4}([A-Za-z0-9.-]{1,253})/gi,
  /(?<![A-Za-z0-9._-])([A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}):\d{2,5}\b/g,
  // Bare, and no package of Java, whose names begin with what a host's ends with.
  /(?<![A-Za-z0-9._@/-])(?!(?:com|org|net|io|java|javax|jakarta)\.)([A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,6}\.(?:com|net|org|dev|app|cloud))(?![A-Za-z0-9_-])/g,
];
/** `server.js:42` is a place in a file. */
const FILE =
  /\.(?:[cm]?[jt]sx?|py|java|kt|go|rb|php|scala|cs|rs|cc?|cpp|h|sh|json|ya?ml|sql|log|html|vue|ex|exs|lua)$/i;

/** A host name with a dot, of letters in its last label; null for addresses, files, and whatever could be a token. */
export function hostOf(text: string): string | null {
  for (const place of HOST_PLACES) {
    for (const [, found] of text.matchAll(place)) {
      const host = found?.replace(/\.+$/, '').toLowerCase() ?? '';
      if (isHost(host)) return host;
    }
  }
  return null;
}

export function isHost(host: string): boolean {
  if (host.length > 120 || FILE.test(host)) return false;
  const labels = host.split('.');
  if (labels.length < 2 || labels.length > 9 || !/^[a-z]{2,24}$/.test(labels.at(-1) ?? '')) return false;
  return labels.every((label) => /^[a-z0-9](?:[a-z0-9-]{0,48}[a-z0-9])?$/.test(label) && !isRandom(label));
}

/**
 * Long labels of mixed letters and digits without a hyphen are keys, not names; the twelve characters that RDS puts into
 * the names of its endpoints are left.
 */
function isRandom(label: string): boolean {
  return label.split('-').some((part) => part.length > 14 && /\d/.test(part) && /[a-z]/.test(part));
}
