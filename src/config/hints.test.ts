import { expect, test } from 'vitest';
import { signalHints } from './hints.ts';
import { TARGET_KINDS } from './target-names.ts';
import type { Config } from './types.ts';

const KNOWN = ['requests', 'latency_p95', 'db_queries'];

test.each([
  ['requests', null],
  ['request', 'requests'],
  ['db_querys', 'db_queries'],
  ['latency_p90', 'latency_p95'],
  ['checkout_seconds', null],
])('a signal that is named %s is taken for a slip of %s', (signal, near) => {
  const bound = { api: { signals: { [signal]: {} } } };
  const sections = Object.fromEntries(TARGET_KINDS.map((kind) => [kind, kind === 'services' ? bound : {}]));
  expect(signalHints(sections as unknown as Config, KNOWN)).toEqual(
    near === null
      ? []
      : [{ target: 'api', message: `signals.${signal}: no detector of ours reads this name; did you mean ${near}?` }],
  );
});

test('a query that is named almost like a known signal is asked about as well', () => {
  const sections = Object.fromEntries(TARGET_KINDS.map((kind) => [kind, {}]));
  const databases = { 'main-db': { signals: {}, queries: { db_query: {} } } };
  expect(signalHints({ ...sections, databases } as unknown as Config, KNOWN)).toEqual([]);
  const slip = { 'main-db': { signals: {}, queries: { requets: {} } } };
  expect(signalHints({ ...sections, databases: slip } as unknown as Config, KNOWN)).toEqual([
    { target: 'main-db', message: 'queries.requets: no detector of ours reads this name; did you mean requests?' },
  ]);
});
