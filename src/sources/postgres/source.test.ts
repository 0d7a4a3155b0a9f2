import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { pino } from 'pino';
import { afterEach, expect, test, vi } from 'vitest';
import type { Source } from '../../model/source.ts';
import { createPostgresSource, POSTGRES_SIGNALS } from './source.ts';

const { signal } = new AbortController();
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

function open(url: string, replicas: Readonly<Record<string, { readonly url: string }>> = {}): Source {
  const source = createPostgresSource({
    target: 'main-db',
    url,
    replicas,
    periodsMs: { activity: 15_000, replication: 10_000, statements: 60_000, catalog: 60_000 },
    log: pino({ level: 'silent' }),
  });
  closers.push(() => source.close());
  return source;
}

test('a server that hangs is tried three times, left alone for five polls, and tried again', async () => {
  const sockets = new Set<Socket>();
  let seen = 0;
  const server = createServer((socket) => {
    seen += 1;
    sockets.add(socket);
    socket.on('error', () => undefined).resume();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => server.close());
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const source = open(`postgres://me:s3cret@127.0.0.1:${port}/shop`);
  closers.push(() => vi.useRealTimers());
  // Timers only: the sockets are real, the deadlines are moved to.
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });

  const log: string[] = [];
  for (let n = 0; n < 10; n += 1) {
    const before = seen;
    const polling = source.poll('activity', n * 15_000, signal);
    await vi.advanceTimersByTimeAsync(3_100);
    const { series, blind } = await polling;
    expect(series.map(({ signal: name, values }) => [name, values[0]])).toEqual([['reachable', 0]]);
    expect(blind).toMatchObject([{ target: 'main-db', check: 'connect', because: 'timeout' }]);
    log.push(seen === before ? `skipped: ${/circuit open/.test(blind[0]?.detail ?? '')}` : 'tried');
  }
  const skipped = Array.from({ length: 5 }, () => 'skipped: true');
  expect(log).toEqual(['tried', 'tried', 'tried', ...skipped, 'tried', 'skipped: true']);
  const other = await source.poll('statements', 0, signal);
  expect(other).toMatchObject({ series: [], blind: [{ because: 'timeout' }] });
});

test('an unknown or damaged snapshot is ignored', () => {
  const source = open('postgres://me@127.0.0.1:1/shop', { 'replica-1': { url: 'postgres://me@127.0.0.1:2/shop' } });
  const fresh = source.snapshot()!;
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
  const damaged = [
    new Uint8Array(),
    new Uint8Array([0xff, 0xfe, 0x00]),
    bytes('null'),
    bytes('[]'),
    bytes('{"version":999,"servers":{},"collectors":{}}'),
    bytes('{"version":1,"servers":{"main-db":7},"collectors":{"activity":[1],"statements":"x","catalog":{"look":5}}}'),
    fresh.slice(0, fresh.length >> 1),
  ];
  for (const each of damaged) expect(() => source.restore(each)).not.toThrow();
  expect(source.snapshot()).toEqual(fresh);
  source.restore(fresh);
  expect(source.snapshot()).toEqual(fresh);
});

test('a URL that is none is refused at once and not repeated', () => {
  expect(() => open('postgres://me:s3/cret@db/x')).toThrow(
    /^database main-db: url is not a postgres:\/\/ URL: (?!.*cret)/,
  );
  expect(() => open('postgres://me@db/x', { r: { url: 'http://x' } })).toThrow(/^database main-db\/r: /);
});

test('signals have one name, one unit and a description each', () => {
  const names = POSTGRES_SIGNALS.map(({ signal: name }) => name);
  expect(new Set(names).size).toBe(names.length);
  for (const { signal: name, group, description } of POSTGRES_SIGNALS) {
    expect(name).toMatch(/^[a-z][a-z0-9_]*$/);
    expect(['activity', 'replication', 'statements', 'catalog']).toContain(group);
    expect(description.length).toBeGreaterThan(10);
  }
});
