import { pino } from 'pino';
import { expect, test } from 'vitest';
import { startRedis } from '../../../test/world/redis.ts';
import { infoOf, missingIn, serverAnswer } from './info.ts';
import { createRedisSource } from './source.ts';

/** Deterministic (mulberry32): a failure can be had again. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const HOSTILE = [
  '',
  '-1',
  'NaN',
  '1e9',
  '99999999999999999999',
  ' 5',
  '0x10',
  '٣',
  '\u202e',
  '1.5',
  'up\u0000',
  '{}',
  'a'.repeat(10_000),
];
const INFO = [
  'redis_version:7.4.2',
  'run_id:0e61abd297771de3',
  'uptime_in_seconds:86400',
  'connected_clients:41',
  'maxclients:10000',
  'blocked_clients:0',
  'used_memory:268435456',
  'maxmemory:1073741824',
  'maxmemory_policy:allkeys-lru',
  'loading:0',
  'evicted_keys:0',
  'rejected_connections:0',
  'keyspace_hits:9000000',
  'keyspace_misses:1000000',
  'role:master',
];

function mutatedInfo(next: () => number): string {
  const lines = [...INFO];
  for (let n = Math.floor(next() * 3); n >= 0; n -= 1) {
    const at = Math.floor(next() * lines.length);
    const line = lines[at] ?? '';
    switch (Math.floor(next() * 5)) {
      case 0:
        lines.splice(at, 1);
        break;
      case 1:
        lines[at] = line.slice(0, Math.floor(next() * line.length));
        break;
      case 2:
        lines[at] = `${line.split(':')[0]}:${HOSTILE[Math.floor(next() * HOSTILE.length)]}`;
        break;
      case 3:
        lines.splice(at, 0, `${line.split(':')[0]}:7`);
        break;
      default:
        lines[at] = line.replace(/./, () => String.fromCharCode(Math.floor(next() * 65_536)));
    }
  }
  return lines.join(next() < 0.5 ? '\r\n' : '\n');
}

const figures = (value: object | null): readonly number[] =>
  Object.values(value ?? {}).filter((each) => typeof each === 'number');

test('4,000 mutated INFO texts: no crash, and only figures that a server can have', () => {
  const next = random(20_261_123);
  const wrong: string[] = [];
  for (let round = 0; round < 4_000; round += 1) {
    const text = mutatedInfo(next);
    const info = infoOf(text);
    const answer = info === null ? null : serverAnswer(info, 'cache:6379', 1, 1);
    if (info !== null && (answer === null) !== missingIn(info).length > 0) wrong.push(`half an answer: ${text}`);
    if (![...figures(info), ...figures(answer)].every((each) => Number.isSafeInteger(each) && each >= 0))
      wrong.push(text);
  }
  expect(wrong).toEqual([]);
});

/** What a broken or hostile server sends in place of a reply, among others frames without an end and ones in one another. */
function mutatedReply(reply: string, next: () => number): string {
  const at = Math.floor(next() * reply.length);
  switch (Math.floor(next() * 9)) {
    case 0:
      return reply.slice(0, at);
    case 1:
      return reply.slice(0, at) + String.fromCharCode(Math.floor(next() * 128)) + reply.slice(at + 1);
    case 2:
      return `${reply}${reply}`;
    case 3:
      return reply.replace(/\d+/, () => String(Math.floor(next() * 1e6)));
    case 4:
      return `${'*1\r\n'.repeat(Math.floor(next() * 5_000))}${reply}`;
    case 5:
      return ['*-1\r\n', '$-1\r\n', ':5\r\n', '_\r\n', '#t\r\n', ',nan\r\n', '%1\r\n+a\r\n+b\r\n', '*0\r\n'][
        Math.floor(next() * 8)
      ]!;
    case 6:
      return `-${['ERR', 'MOVED 1 10.0.0.9:6379', 'CLUSTERDOWN', 'OOM', ''][Math.floor(next() * 5)]} x\r\n`;
    case 7:
      return `>3\r\n+message\r\n+channel\r\n+text\r\n${reply}`;
    default:
      return `+${'x'.repeat(Math.floor(next() * 100_000))}\r\n`;
  }
}

test('2,400 mutated replies on the wire: no crash, only figures that a server can have, no connection left', async () => {
  const next = random(11);
  await using redis = await startRedis();
  const targets = Array.from({ length: 24 }, (_, index) => `cache-${index}`);
  const source = createRedisSource({
    name: 'redis',
    caches: targets.map((target) => ({ target, url: redis.url })),
    periodMs: 1_000,
    deadlineMs: 60,
    log: pino({ level: 'silent' }),
  });
  const unhandled: unknown[] = [];
  const note = (error: unknown): void => {
    unhandled.push(error);
  };
  process.on('unhandledRejection', note);
  let replies = 0;
  const wrong: string[] = [];
  const { signal } = new AbortController();
  // One bad reply of the three that a look gets: else INFO would hardly ever be reached.
  redis.mutate((reply) => {
    if (reply === '+OK\r\n' && next() < 0.8) return reply;
    if (reply === '+PONG\r\n' && next() < 0.6) return reply;
    replies += 1;
    return mutatedReply(reply, next);
  });
  for (let round = 1; replies < 2_400; round += 1) {
    const { series, blind } = await source.poll('redis', round * 1_000, signal);
    for (const { signal: name, values } of series) {
      const [value = Number.NaN] = values;
      if (!(Number.isFinite(value) && value >= 0)) wrong.push(`${name} ${value}`);
    }
    if (JSON.stringify(blind).includes(redis.password)) wrong.push('the password was told');
  }
  await source.close();
  await expect.poll(() => redis.connections().open).toBe(0);
  process.off('unhandledRejection', note);
  expect(unhandled).toEqual([]);
  expect(wrong).toEqual([]);
}, 120_000);
