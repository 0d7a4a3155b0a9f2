import { expect, test } from 'vitest';
import { configFromText } from './cli/testdata.ts';
import type { Series, Source } from './model/index.ts';
import { boundSignals, keyOf, signalQueries, withoutBound } from './watch-systems.ts';

const CLOUDWATCH = 'cloudwatch: { namespace: N, metric: M, stat: Sum }';

const CONFIG = configFromText(`
aws: { region: us-east-1, accounts: { other: { region: eu-west-1 } } }
prometheus: { url: http://prometheus:9090 }
services: { api: { account: other, signals: { requests: { ${CLOUDWATCH} }, errors: { prometheus: up } } } }
databases:
  main-db:
    url: postgres://m@db/app
    signals: { connections_used: { prometheus: up } }
    queries:
      orders: { sql: 'select n, kind from public.o', unit: count, periodSeconds: 300, column: n, labels: [kind] }
caches: { sessions: { redis: redis://r, signals: { cache_hit_ratio: { ${CLOUDWATCH} } } } }
`);

test('bound signals are those of all kinds of targets, each with the account of its target', () => {
  expect(boundSignals(CONFIG).map((one) => [one.section, one.target, one.account, one.signal])).toEqual([
    ['services', 'api', 'other', 'requests'],
    ['services', 'api', 'other', 'errors'],
    ['databases', 'main-db', 'default', 'connections_used'],
    ['caches', 'sessions', 'default', 'cache_hit_ratio'],
  ]);
});

test('a query is what the source of the database takes, its period in milliseconds', () => {
  expect(signalQueries(CONFIG.databases['main-db']!)).toEqual([
    {
      signal: 'orders',
      sql: 'select n, kind from public.o',
      unit: 'count',
      periodMs: 300_000,
      column: 'n',
      labels: ['kind'],
    },
  ]);
});

const one = (target: string, signal: string) => ({ target, signal }) as Series;

test('what is bound is left out of polls and of history, and everything else is let through', async () => {
  const series = [one('api', 'running_tasks'), one('api', 'desired_tasks'), one('web', 'running_tasks')];
  const source = {
    name: 'ecs',
    poll: async () => ({ series, changes: ['change'], blind: ['blind'] }),
    async *history() {
      yield series;
    },
    answers: () => true,
  } as unknown as Source;
  const wrapped = withoutBound(source, new Set([keyOf('api', 'running_tasks')]));
  const signal = AbortSignal.timeout(1000);
  const kept = [one('api', 'desired_tasks'), one('web', 'running_tasks')];
  expect(await wrapped.poll('ecs', 0, signal)).toEqual({ series: kept, changes: ['change'], blind: ['blind'] });
  expect(await Array.fromAsync(wrapped.history!(0, 1, signal))).toEqual([kept]);
  expect(wrapped.name).toBe('ecs');
});

test('a source without history has none when wrapped', () => {
  const source = { name: 'ecs', groups: ['ecs'] } as unknown as Source;
  expect(withoutBound(source, new Set()).history).toBeUndefined();
});
