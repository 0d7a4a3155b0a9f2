import { once } from 'node:events';
import { createServer } from 'node:net';
import { pino } from 'pino';
import { afterEach, expect, test } from 'vitest';
import { type Redis, type RedisTrouble, startRedis } from '../../../test/world/redis.ts';
import type { Answer, PollResult, Question, Source } from '../../model/index.ts';
import { createRedisSource, REDIS_SIGNALS } from './source.ts';

const DEADLINE_MS = 400;
const { signal } = new AbortController();
const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function serve(): Promise<Redis> {
  const redis = await startRedis();
  closers.push(() => redis[Symbol.asyncDispose]());
  return redis;
}

function open(url: string, deadlineMs = DEADLINE_MS): Source {
  const source = createRedisSource({
    name: 'redis',
    caches: [{ target: 'sessions', url }],
    periodMs: 15_000,
    deadlineMs,
    log: pino({ level: 'silent' }),
  });
  closers.push(() => source.close());
  return source;
}

const QUESTION: Question = { kind: 'cache.server', target: 'sessions', window: { from: 0, to: 1_000_000 }, params: {} };

const valuesOf = ({ series }: PollResult): Readonly<Record<string, number>> =>
  Object.fromEntries(series.map(({ signal: name, values }) => [name, values[0] ?? Number.NaN]));

const answerOf = (answer: Answer): unknown => (answer.state === 'answered' ? answer.value : answer);

test('a cache that is well: counters become rates from the second poll on', async () => {
  const redis = await serve();
  const source = open(redis.url);
  expect(valuesOf(await source.poll('redis', 1_000, signal))).toEqual({
    cache_up: 1,
    cache_memory: 0.25,
    cache_clients: 41,
    cache_ping_ms: expect.any(Number),
  });
  redis.set({ evictedKeys: 300, rejectedConnections: 7, hits: 9_000_900, misses: 1_000_300, uptimeSeconds: 864_015 });
  const result = await source.poll('redis', 16_000, signal);
  expect(valuesOf(result)).toMatchObject({
    cache_evictions_per_second: 20,
    cache_rejected_connections: 7,
    cache_hit_ratio: 0.75,
  });
  expect(result.blind).toEqual([]);
  const units = new Map(REDIS_SIGNALS.map((info) => [info.signal, info.unit]));
  for (const one of result.series) expect(one).toMatchObject({ target: 'sessions', unit: units.get(one.signal) });
});

test('one connection for a look, read-only commands, and it is closed', async () => {
  const redis = await serve();
  const source = open(redis.url);
  await Promise.all([
    source.poll('redis', 1_000, signal),
    source.answer(QUESTION, 1_000, signal),
    source.answer(QUESTION, 1_001, signal),
  ]);
  expect(redis.commands).toEqual(['AUTH', 'PING', 'INFO']);
  expect(redis.connections().taken).toBe(1);
  await expect.poll(() => redis.connections().open).toBe(0);
});

test('the answer', async () => {
  const redis = await serve();
  redis.set({ role: 'slave', masterLinkUp: false, blockedClients: 3 });
  expect(answerOf(await open(redis.url).answer(QUESTION, 2_000, signal))).toEqual({
    at: 2_000,
    host: `127.0.0.1:${redis.port}`,
    version: '7.4.2',
    role: 'replica',
    loading: false,
    pingMs: expect.any(Number),
    clients: 41,
    maxClients: 10_000,
    blockedClients: 3,
    usedMemoryBytes: 268_435_456,
    maxMemoryBytes: 1_073_741_824,
    evictionPolicy: 'allkeys-lru',
    evictedKeys: 0,
    rejectedConnections: 0,
    hits: 9_000_000,
    misses: 1_000_000,
    replicaLinkUp: false,
    uptimeSeconds: 864_000,
  });
});

test('without a limit there is no share of it; without look-ups no hit ratio; after a restart no rates', async () => {
  const redis = await serve();
  redis.set({ maxMemoryBytes: 0 });
  const source = open(redis.url);
  await source.poll('redis', 0, signal);
  const idle = valuesOf(await source.poll('redis', 15_000, signal));
  expect(idle).not.toHaveProperty('cache_memory');
  expect(idle).not.toHaveProperty('cache_hit_ratio');
  expect(idle['cache_evictions_per_second']).toBe(0);
  redis.set({ runId: 'ffffffffffffffff', uptimeSeconds: 2, evictedKeys: 0, hits: 10, misses: 10 });
  expect(Object.keys(valuesOf(await source.poll('redis', 30_000, signal))).sort()).toEqual([
    'cache_clients',
    'cache_ping_ms',
    'cache_up',
  ]);
});

test('counters that were reset, and ones of long ago, make no rate', async () => {
  const redis = await serve();
  const source = open(redis.url);
  await source.poll('redis', 0, signal);
  redis.set({ hits: 5, misses: 5, uptimeSeconds: 864_015 });
  expect(valuesOf(await source.poll('redis', 15_000, signal))).not.toHaveProperty('cache_hit_ratio');
  redis.set({ hits: 15, misses: 5, uptimeSeconds: 868_000 });
  expect(valuesOf(await source.poll('redis', 3_600_000, signal))).not.toHaveProperty('cache_hit_ratio');
});

test.each<readonly [RedisTrouble, Readonly<Record<string, number>>, string]>([
  ['hang', { cache_up: 0 }, 'timeout'],
  ['drip', { cache_up: 0 }, 'timeout'],
  ['lying-length', { cache_up: 0 }, 'timeout'],
  ['reset', { cache_up: 0 }, 'error'],
  ['close', { cache_up: 0 }, 'error'],
  ['max-clients', { cache_up: 0 }, 'error'],
  ['busy', { cache_up: 0 }, 'error'],
  // Not what the protocol allows: no figure of the cache.
  ['garbage', {}, 'error'],
  ['huge', {}, 'error'],
])('%s after it was well gives %j and one blindness', async (kind, values, because) => {
  const redis = await serve();
  const source = open(redis.url);
  await source.poll('redis', 1_000, signal);
  redis.trouble(kind);
  const result = await source.poll('redis', 2_000, signal);
  expect(valuesOf(result)).toEqual(values);
  expect(result.blind).toMatchObject([{ target: 'sessions', check: 'cache.server', because, grant: null }]);
  expect(await source.answer(QUESTION, 3_000, signal)).toMatchObject({ state: 'unknown' });
  expect(JSON.stringify(result)).not.toContain('canary');
  await expect.poll(() => redis.connections().open).toBe(0);
});

test('a wrong address or password at install is blindness and no outage', async () => {
  const redis = await serve();
  const wrong = open(`redis://:canary-wrong@127.0.0.1:${redis.port}`);
  const denied = await wrong.poll('redis', 1_000, signal);
  expect(denied).toMatchObject({
    series: [],
    blind: [{ because: 'denied', grant: expect.stringContaining('caches.sessions.redis') }],
  });
  expect(JSON.stringify([denied, await wrong.answer(QUESTION, 1_000, signal)])).not.toContain('canary');
  const source = open(redis.url);
  await redis.stop();
  expect(await source.poll('redis', 1_000, signal)).toMatchObject({
    series: [],
    blind: [{ because: 'error', grant: expect.stringContaining('nothing there has answered') }],
  });
  await redis.start();
  expect(valuesOf(await source.poll('redis', 2_000, signal))).toMatchObject({ cache_up: 1 });
  await redis.stop();
  const down = await source.poll('redis', 3_000, signal);
  expect(valuesOf(down)).toEqual({ cache_up: 0 });
  const second = open(redis.url);
  second.restore(source.snapshot()!);
  expect(valuesOf(await second.poll('redis', 4_000, signal))).toEqual({ cache_up: 0 });
});

test('a cache that loads its data is there and not up', async () => {
  const redis = await serve();
  redis.set({ loading: true });
  const source = open(redis.url);
  expect(valuesOf(await source.poll('redis', 1_000, signal))).toMatchObject({ cache_up: 0, cache_clients: 41 });
  expect(answerOf(await source.answer(QUESTION, 2_000, signal))).toMatchObject({ loading: true });
});

test('a user that may not run INFO is a gap with the grant', async () => {
  const redis = await serve();
  redis.deny(['INFO']);
  const { series, blind } = await open(redis.url).poll('redis', 1_000, signal);
  expect(series).toEqual([]);
  expect(blind).toMatchObject([{ because: 'denied', grant: 'ACL SETUSER runbookd on >PASSWORD +ping +info' }]);
});

test.each(['http://127.0.0.1:1', 'unix:///tmp/x', '127.0.0.1:6379', 'redis//canary', ''])(
  '%j is not asked at all',
  async (url) => {
    const { series, blind } = await open(url).poll('redis', 1_000, signal);
    expect(series).toEqual([]);
    expect(blind).toMatchObject([{ because: 'not_configured' }]);
    expect(JSON.stringify(blind)).not.toContain('canary');
  },
);

test('a server that takes the connection and no TLS hello ends with the deadline, and leaves no connection', async () => {
  let open_ = 0;
  const server = createServer((socket) => {
    open_ += 1;
    socket.on('close', () => {
      open_ -= 1;
    });
    socket.on('error', () => undefined);
    // Keeps an idle timeout from ever firing.
    const timer = setInterval(() => socket.write(Buffer.from([0x16, 0x03, 0x03])), 30);
    socket.on('close', () => clearInterval(timer));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => server.close());
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const source = open(`rediss://127.0.0.1:${port}`);
  const { series, blind } = await source.poll('redis', 1_000, signal);
  expect(series).toEqual([]);
  expect(blind).toHaveLength(1);
  await expect.poll(() => open_).toBe(0);
});

test('a flood is cut off long before it fills the memory', async () => {
  const redis = await serve();
  const source = open(redis.url, 4_000);
  redis.trouble('huge');
  const before = process.memoryUsage().rss;
  const started = performance.now();
  const { blind } = await source.poll('redis', 1_000, signal);
  expect(blind[0]?.detail).toMatch(/larger than 1024 KB$/);
  expect(performance.now() - started).toBeLessThan(2_000);
  expect(process.memoryUsage().rss - before).toBeLessThan(300_000_000);
});

test('a look that is given up says nothing about the cache, and closing ends what is under way', async () => {
  const redis = await serve();
  const source = open(redis.url, 60_000);
  await source.poll('redis', 1_000, signal);
  redis.trouble('hang');
  const controller = new AbortController();
  const polling = source.poll('redis', 2_000, controller.signal);
  controller.abort();
  expect(await polling).toEqual({ series: [], changes: [], blind: [] });
  expect(await source.answer(QUESTION, 3_000, AbortSignal.abort())).toMatchObject({ because: 'timeout' });
  const waiting = source.answer(QUESTION, 4_000, signal);
  await source.close();
  expect(await waiting).toMatchObject({ state: 'unknown', because: 'timeout' });
  await expect.poll(() => redis.connections().open).toBe(0);
});

test('an unknown or damaged snapshot is ignored', async () => {
  const source = open('redis://127.0.0.1:9');
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
  for (const damaged of [new Uint8Array([0xff]), bytes('null'), bytes('{"version":1,"answered":[7,["a"],["a",7]]}')]) {
    expect(() => source.restore(damaged)).not.toThrow();
  }
  expect(source.snapshot()).toBeNull();
  expect(source.answers(QUESTION)).toBe(true);
  expect(source.answers({ ...QUESTION, target: 'other' })).toBe(false);
});
