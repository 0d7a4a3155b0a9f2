import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import { createConnection, parseNumber } from './connection.ts';
import { parseEndpoint } from './endpoint.ts';
import { queryFailure, sqlstateOf } from './failure.ts';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function silentServer(): Promise<{
  readonly url: string;
  readonly open: Set<Socket>;
  readonly seen: () => number;
}> {
  const open = new Set<Socket>();
  let seen = 0;
  const server = createServer((socket) => {
    seen += 1;
    open.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => open.delete(socket));
    // Read on, or the end of the connection is never noticed.
    socket.resume();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => new Promise((resolve) => server.close(resolve)));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return { url: `postgres://me:s3cret@127.0.0.1:${port}/shop`, open, seen: () => seen };
}

test('a server that accepts and is silent costs a connect deadline, and no more than two sockets at a time', async () => {
  const { url, open } = await silentServer();
  const connection = createConnection('main-db', parseEndpoint('main-db', url));
  closers.unshift(() => connection.close());
  // Timers only: the sockets are real, the deadlines are moved to.
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  closers.push(async () => vi.useRealTimers());
  const { signal } = new AbortController();
  const asked = Array.from({ length: 5 }, () => connection.query('sessions', 'SELECT 1', { timeoutMs: 500, signal }));
  const settled = Promise.allSettled(asked);
  await vi.advanceTimersByTimeAsync(7_000);
  const outcomes = await settled;
  for (const outcome of outcomes) {
    expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'POSTGRES_TIMEOUT' } });
  }
  expect(connection.sockets()).toEqual({ open: 0, peak: 2 });
  for (const socket of open) await once(socket, 'close');
  expect(open.size).toBe(0);
});

test('an abort ends the wait at once and takes the socket with it', async () => {
  const { url, open, seen } = await silentServer();
  const connection = createConnection('main-db', parseEndpoint('main-db', url));
  closers.unshift(() => connection.close());
  const stop = new AbortController();
  const asked = connection.query('sessions', 'SELECT 1', { timeoutMs: 500, signal: stop.signal });
  while (seen() === 0) await new Promise((resolve) => setImmediate(resolve));
  const began = performance.now();
  stop.abort();
  await expect(asked).rejects.toMatchObject({ code: 'ABORTED' });
  expect(performance.now() - began).toBeLessThan(500);
  for (const socket of open) await once(socket, 'close');
  expect(connection.sockets().open).toBe(0);
});

test('nothing is asked of a connection that was closed', async () => {
  const { url, seen } = await silentServer();
  const connection = createConnection('main-db', parseEndpoint('main-db', url));
  await connection.close();
  const asked = connection.query('sessions', 'SELECT 1', { timeoutMs: 500, signal: AbortSignal.timeout(5_000) });
  await expect(asked).rejects.toMatchObject({ code: 'ABORTED' });
  expect(seen()).toBe(0);
});

test('64-bit integers are numbers while that is exact, and text beyond', () => {
  expect(
    ['0', '-5', '9007199254740991', '9007199254740993', '1.25', '12345678901234567890.5'].map(parseNumber),
  ).toEqual([0, -5, 9_007_199_254_740_991, '9007199254740993', 1.25, '12345678901234567890.5']);
});

test.each([
  ['57014', 'POSTGRES_TIMEOUT'],
  ['42501', 'POSTGRES_DENIED'],
  ['55P03', 'POSTGRES_QUERY'],
  ['57P01', 'POSTGRES_CONNECT'],
  ['08006', 'POSTGRES_CONNECT'],
  ['42P01', 'POSTGRES_QUERY'],
  ['ECONNRESET', 'POSTGRES_CONNECT'],
])('%s of a statement is %s, and the original is kept', (code, expected) => {
  const original = Object.assign(new Error('the words of s3cret'), { code });
  const failure = queryFailure('main-db', 'sessions', 2_000, original, 's3cret');
  expect(failure).toMatchObject({ code: expected, cause: original });
  expect(failure.message).not.toContain('s3cret');
  expect(sqlstateOf(failure)).toBe(code === 'ECONNRESET' ? null : code);
});
