import { expect, test } from 'vitest';
import { hostOf, isHost, kindOf } from './kind.ts';

// Texts as the clients print them.
test.each([
  ['pool-timeout', 'Error: timeout exceeded when trying to connect'],
  ['pool-timeout', 'KnexTimeoutError: Knex: Timeout acquiring a connection. The pool is probably full.'],
  ['pool-timeout', 'SequelizeConnectionAcquireTimeoutError: Operation timeout'],
  ['pool-timeout', 'HikariPool-1 - Connection is not available, request timed out after 30000ms.'],
  ['pool-timeout', 'Timed out fetching a new connection from the connection pool. (P2024)'],
  ['pool-timeout', 'QueuePool limit of size 5 overflow 10 reached, connection timed out, timeout 30.00'],
  ['pool-timeout', "psycopg_pool.PoolTimeout: couldn't get a connection after 30.00 sec"],
  [
    'pool-timeout',
    'ActiveRecord::ConnectionTimeoutError: could not obtain a connection from the pool within 5.000 seconds',
  ],
  ['pool-timeout', 'Npgsql.NpgsqlException: The connection pool has been exhausted'],
  ['pool-timeout', 'Cannot get a connection, pool error Timeout waiting for idle object'],
  ['database-refused', 'connect ECONNREFUSED 10.0.3.17:5432'],
  ['database-refused', 'connection to server at "db", port 5432 failed: Connection refused; is postgres running?'],
  ['database-refused', 'FATAL: sorry, too many clients already'],
  ['database-refused', 'ERROR: remaining connection slots are reserved for roles with the SUPERUSER attribute'],
  ['database-refused', 'FATAL: the database system is starting up'],
  ['database-refused', "PrismaClientInitializationError: Can't reach database server at `db:5432`"],
  ['database-refused', 'org.postgresql.util.PSQLException: Connection to db.internal:5432 refused.'],
  ['database-timeout', 'error: canceling statement due to statement timeout'],
  ['database-timeout', 'Error: Query read timeout (pg)'],
  ['database-timeout', 'connect ETIMEDOUT 10.0.3.17:5432'],
  ['database-error', 'FATAL: terminating connection due to administrator command (SQLSTATE 57P01)'],
  ['database-error', 'deadlock detected'],
  ['database-error', 'Error: Connection terminated unexpectedly'],
  ['database-error', 'duplicate key value violates unique constraint "users_pkey"'],
  ['database-error', 'psycopg2.OperationalError: server closed the connection unexpectedly'],
  ['name-resolution', 'getaddrinfo ENOTFOUND main-db.internal'],
  ['name-resolution', 'getaddrinfo EAI_AGAIN main-db.internal'],
  ['name-resolution', 'dial tcp: lookup api.stripe.com: no such host'],
  ['name-resolution', 'could not translate host name "db" to address: Name or service not known'],
  ['name-resolution', 'java.net.UnknownHostException: api.stripe.com'],
  ['refused', 'connect ECONNREFUSED 10.0.0.9:6379'],
  ['refused', 'java.net.ConnectException: Connection refused'],
  ['timeout', 'AxiosError: timeout of 5000ms exceeded'],
  ['timeout', 'context deadline exceeded (Client.Timeout exceeded while awaiting headers)'],
  ['timeout', 'connect ETIMEDOUT 10.0.0.9:443'],
  ['rate-limited', 'Request failed with status code 429'],
  ['rate-limited', '429 Too Many Requests'],
  ['rate-limited', 'StripeRateLimitError: Rate limit exceeded'],
  ['rate-limited', 'ThrottlingException: Rate exceeded'],
  ['out-of-memory', 'FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory'],
  ['out-of-memory', 'java.lang.OutOfMemoryError: Java heap space'],
  ['out-of-memory', 'MemoryError'],
  ['authentication', 'FATAL: password authentication failed for user "app"'],
  ['authentication', 'Request failed with status code 401'],
  ['authentication', 'JsonWebTokenError: invalid signature'],
  ['authentication', 'AccessDenied: not authorized to perform: s3:GetObject'],
  ['tls', 'Error: self-signed certificate in certificate chain'],
  ['tls', 'x509: certificate signed by unknown authority'],
  ['tls', 'javax.net.ssl.SSLHandshakeException: PKIX path building failed'],
  ['exception', "TypeError: Cannot read properties of undefined (reading 'id')"],
  ['exception', 'panic: runtime error: index out of range'],
  ['other', 'order could not be placed'],
  ['other', 'took 429 ms'],
] as const)('%s: %s', (kind, text) => {
  expect(kindOf(text)).toBe(kind);
});

test.each([
  ['api.stripe.com', 'POST https://api.stripe.com/v1/charges failed'],
  ['api.stripe.com', 'POST https://u:p@api.stripe.com:443/v1 failed'],
  ['main-db.internal', 'getaddrinfo ENOTFOUND main-db.internal'],
  [
    'rastup.abcdefghijkl.us-east-1.rds.amazonaws.com',
    'connect to rastup.abcdefghijkl.us-east-1.rds.amazonaws.com:5432',
  ],
  ['api.twilio.com', 'no answer of api.twilio.com in time'],
  ['API.Stripe.com'.toLowerCase(), 'host API.Stripe.com.'],
  [null, 'connect ECONNREFUSED 10.0.3.17:5432'],
  [null, 'at handler (server.js:42)'],
  [null, 'com.zaxxer.hikari.pool.HikariPool: failed'],
  [null, 'org.apache.http.conn.HttpHostConnectException'],
  [null, 'https://localhost:3000/x'],
  [null, 'https://a9f3kd02mfk3l4k5j6h7.example.com/'],
])('the host is %s in: %s', (host, text) => {
  expect(hostOf(text)).toBe(host);
});

test.each(['a b.com', 'a_b.com', 'x.com/path', '-a.com', 'a..com', '10.0.0.1', 'com', `${'a'.repeat(60)}.com`, ''])(
  '%j is no host',
  (text) => {
    expect(isHost(text)).toBe(false);
  },
);
