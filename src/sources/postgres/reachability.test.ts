import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { parseEndpoint } from './endpoint.ts';
import { checkReachability } from './reachability.ts';
import { reasonOf } from './startup-protocol.ts';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** A TCP server that does what a test tells it to with each connection. Resolves with its port and its open sockets. */
async function listen(serve: (socket: Socket) => void): Promise<{ readonly port: number; readonly open: Set<Socket> }> {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => open.delete(socket));
    serve(socket);
    // Read on, or the end of the connection is never noticed.
    socket.resume();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => new Promise((resolve) => server.close(resolve)));
  const address = server.address();
  return { port: typeof address === 'object' && address !== null ? address.port : 0, open };
}

const reach = (port: number, query = '', deadlineMs = 700) =>
  checkReachability(
    parseEndpoint('main-db', `postgres://me:s3cret@127.0.0.1:${port}/shop${query}`),
    AbortSignal.timeout(10_000),
    deadlineMs,
  );

/** ErrorResponse as a server sends it: type, length, fields, end. */
function errorResponse(sqlstate: string, message: string): Buffer {
  const body = Buffer.from(`SFATAL\0VFATAL\0C${sqlstate}\0M${message}\0\0`);
  const head = Buffer.alloc(5);
  head.write('E');
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

test.each([
  ['accepts and is silent', '', () => undefined, 'startup', 'hung'],
  ['is silent where TLS begins', '?sslmode=require', () => undefined, 'tls', 'hung'],
  [
    'has no TLS and sslmode asks for it',
    '?sslmode=require',
    (socket: Socket) => socket.write('N'),
    'tls',
    'tls_not_supported',
  ],
  ['hangs up at once', '', (socket: Socket) => socket.destroy(), 'startup', 'reset'],
  ['speaks HTTP', '', (socket: Socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'), 'startup', 'protocol'],
  ['speaks no TLS after all', '?sslmode=require', (socket: Socket) => socket.write('Sgarbage'), 'tls', 'tls_error'],
])('a server that %s', async (_name, query, serve, step, reason) => {
  const { port, open } = await listen((socket) => socket.once('data', () => serve(socket)));
  const reached = await reach(port, query);
  expect(reached).toMatchObject({ step, reason, host: '127.0.0.1', port, address: '127.0.0.1', sqlstate: null });
  expect(reached.elapsedMs).toBeLessThan(1_500);
  for (const socket of open) await once(socket, 'close');
  expect(open.size).toBe(0);
});

test.each([
  ['57P03', 'the database system is starting up', 'startup', 'starting_up'],
  ['57P03', 'the database system is shutting down', 'startup', 'shutting_down'],
  ['57P03', 'the database system is in recovery mode', 'startup', 'starting_up'],
  ['53300', 'sorry, too many clients already', 'startup', 'too_many_connections'],
  ['53300', 'too many connections for role "me"', 'startup', 'role_connection_limit'],
  ['53300', 'too many connections for database "shop"', 'startup', 'role_connection_limit'],
  ['28000', 'no pg_hba.conf entry for host "10.0.0.1", user "me"', 'authentication', 'not_permitted'],
  ['28P01', 'password authentication failed for user "me"', 'authentication', 'authentication_failed'],
  ['3D000', 'database "shop" does not exist', 'authentication', 'no_such_database'],
  ['08P01', 'no such database: shop', 'startup', 'no_such_database'],
])('SQLSTATE %s, %s', async (sqlstate, message, step, reason) => {
  const { port } = await listen((socket) => socket.once('data', () => socket.end(errorResponse(sqlstate, message))));
  expect(await reach(port)).toMatchObject({ step, reason, sqlstate, message });
});

test('a closed port is refused, with the steps that were passed before', async () => {
  const { port } = await listen(() => undefined);
  await closers.splice(0)[0]?.();
  const reached = await reach(port);
  expect(reached).toMatchObject({ step: 'tcp', reason: 'refused', passed: { dns: expect.any(Number) } });
});

test('a name that does not resolve', async () => {
  const endpoint = parseEndpoint('main-db', 'postgres://me:s3cret@no-such-host.invalid/shop');
  const reached = await checkReachability(endpoint, AbortSignal.timeout(10_000), 4_000);
  expect(reached).toMatchObject({ step: 'dns', reason: 'dns_failed', address: null, passed: {} });
});

test('a server that repeats the password does not make us repeat it', async () => {
  const { port } = await listen((socket) => socket.end(errorResponse('28P01', 'bad password s3cret\nfor user')));
  const { message } = await reach(port);
  expect(message).toBe('bad password (password)?for user');
});

test('an abort reads as the deadline', async () => {
  const { port } = await listen(() => undefined);
  const endpoint = parseEndpoint('main-db', `postgres://me@127.0.0.1:${port}/shop`);
  expect(await checkReachability(endpoint, AbortSignal.abort())).toMatchObject({ step: 'tcp', reason: 'tcp_timeout' });
  expect(reasonOf(null, 'x')).toBe('protocol');
});
