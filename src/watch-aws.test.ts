import { pino } from 'pino';
import { expect, test } from 'vitest';
import { configFromText } from './cli/testdata.ts';
import { cloudwatchTargets } from './watch-aws.ts';
import { boundSignals, type WatchOptions } from './watch-systems.ts';

const METRIC = 'namespace: N, metric: M, stat: p95, scale: 0.001';

const CONFIG = configFromText(`
aws: { region: us-east-1, accounts: { other: { region: eu-west-1 } } }
prometheus: { url: http://prometheus:9090 }
services:
  api:
    alb: { loadBalancer: app/rastup/0123456789abcdef, targetGroup: targetgroup/api/fedcba9876543210 }
    signals: { latency_p95: { cloudwatch: { ${METRIC} } }, errors: { prometheus: up } }
  web: { account: other, signals: { graphql_latency_p95: { cloudwatch: { ${METRIC} } } } }
databases: { main-db: { url: 'postgres://m@db/app', rds: rastup, signals: { rds_cpu: { prometheus: up } } } }
dependencies: { bank: { signals: { payment_errors: { cloudwatch: { ${METRIC} } }, payments: { prometheus: up, unit: count } } } }
`);

const options: WatchOptions = {
  bound: boundSignals(CONFIG),
  periodMs: () => 60_000,
  unitOf: (signal) => (signal === 'graphql_latency_p95' ? 's' : undefined),
  log: pino({ level: 'silent' }),
};

const queriesOf = (account: string) =>
  Object.fromEntries(cloudwatchTargets(CONFIG, account, options).map((one) => [one.target, one]));

test('a bound signal takes the place of the preset one, from whichever backend it comes', () => {
  const { api, 'main-db': database } = queriesOf('default');
  const names = api!.queries.map(({ signal }) => signal);
  expect(names).toContain('requests');
  expect(names).not.toContain('errors');
  expect(api!.queries.filter(({ signal }) => signal === 'latency_p95')).toMatchObject([{ scale: 0.001 }]);
  expect(database!.queries.map(({ signal }) => signal)).not.toContain('rds_cpu');
});

test('targets that have no preset are read for what is bound, and only for what CloudWatch has', () => {
  const { bank } = queriesOf('default');
  expect(bank).toMatchObject({ kind: 'dependency', queries: [{ signal: 'payment_errors' }] });
  expect(bank!.queries).toHaveLength(1);
});

test('each account reads its own targets, in the unit that the signal is known to have', () => {
  expect(Object.keys(queriesOf('other'))).toEqual(['web']);
  expect(queriesOf('other').web!.queries).toMatchObject([{ signal: 'graphql_latency_p95', unit: 's' }]);
});
