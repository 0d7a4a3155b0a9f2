import { expect, test } from 'vitest';
import type { Blindness } from '../model/index.ts';
import { prometheusLines, queryLines } from './check-systems.ts';
import type { Look } from './look.ts';
import { configFromText } from './testdata.ts';

const CONFIG = configFromText(`
prometheus: { url: 'http://prometheus:9090/prefix' }
services:
  api: { signals: { requests: { prometheus: a }, errors: { prometheus: b } } }
  web: { signals: { requests: { prometheus: c } } }
databases:
  main-db:
    url: postgres://m@db/app
    queries: { orders: { sql: select 1, unit: count }, outbox_pending: { sql: select 2, unit: count } }
`);

function lookWith(blind: readonly (readonly [target: string, check: string])[], unreachable: readonly string[] = []) {
  const blindness = () => blind.map(([target, check]) => ({ target, check }) as Blindness);
  return { pipeline: { blindness }, unreachable: new Set(unreachable) } as unknown as Look;
}

test.each([
  [[], 'ok', '3 of 3 answer on prometheus:9090'],
  [[['api', 'errors']], 'failed', '2 of 3 answer on prometheus:9090'],
  [[['other', 'errors']], 'ok', '3 of 3 answer on prometheus:9090'],
] as const)('blind for %j, Prometheus is %s', (blind, state, detail) => {
  expect(prometheusLines(CONFIG, lookWith(blind))).toMatchObject([{ target: 'prometheus', state, detail }]);
});

test('a Prometheus that nothing is bound to is no fault, and without one there is no line', () => {
  const unused = configFromText('prometheus: { url: http://p:9090 }\ncaches: { a: { redis: redis://r } }');
  expect(prometheusLines(unused, lookWith([]))).toMatchObject([{ state: 'none' }]);
  const none = configFromText('caches: { a: { redis: redis://r } }');
  expect(prometheusLines(none, lookWith([]))).toEqual([]);
});

test.each([
  [[], [], [['ok', '2 of 2 answer: orders, outbox_pending']]],
  [[['main-db', 'orders']], [], [['failed', '1 of 2 answer: outbox_pending']]],
  [[], ['main-db'], []],
] as const)('queries with %j blind and %j out of reach', (blind, unreachable, expected) => {
  const lines = queryLines('main-db', CONFIG, lookWith(blind, unreachable));
  expect(lines.map(({ state, detail }) => [state, detail])).toEqual(expected);
});

test('a database without queries has no line for them', () => {
  const config = configFromText('databases: { a: { url: "postgres://m@db/app" } }');
  expect(queryLines('a', config, lookWith([]))).toEqual([]);
});
