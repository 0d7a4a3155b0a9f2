import { expect, test } from 'vitest';
import { signalHints } from './hints.ts';
import type { Config } from './types.ts';

const KNOWN = ['requests', 'latency_p95', 'db_queries'];

test.each([
  ['requests', null],
  ['request', 'requests'],
  ['db_querys', 'db_queries'],
  ['latency_p90', 'latency_p95'],
  ['checkout_seconds', null],
])('a signal that is named %s is taken for a slip of %s', (signal, near) => {
  const services = { api: { signals: { [signal]: {} } } } as unknown as Config['services'];
  expect(signalHints({ services }, KNOWN)).toEqual(
    near === null
      ? []
      : [{ target: 'api', message: `signals.${signal}: no detector of ours reads this name; did you mean ${near}?` }],
  );
});
