import { expect, test } from 'vitest';
import type {
  Judged,
  LogErrorsAnswer,
  LogKind,
  RdsNetworkAnswer,
  ReachabilityAnswer,
  Symptom,
  Target,
} from '../../model/index.ts';
import type { Facts } from '../detector.ts';
import { serviceDatabaseHypotheses, serviceDatabaseUnreachableHypotheses } from './service-database.ts';

const T0 = Date.UTC(2026, 10, 23, 14, 0, 0);
const API: Target = { name: 'api', kind: 'service', dependsOn: ['main-db'], slots: {} };
const DB: Target = {
  name: 'main-db',
  kind: 'database',
  dependsOn: [],
  slots: { host: 'main-db.internal', rdsInstance: 'prod' },
};
const facts: Facts = {
  now: T0 + 300_000,
  target: API,
  on: DB,
  onset: { earliest: T0, latest: T0 + 60_000 },
  options: {},
};

const judge = (variant: string, id: string, value: unknown): Judged => {
  const all = [...serviceDatabaseUnreachableHypotheses(), ...serviceDatabaseHypotheses()];
  const found = all.find((one) => one.variant === variant && one.probes.some((probe) => probe.id === id))!;
  const probe = found.probes.find((one) => one.id === id)!;
  return probe.judge(value as never, {} as Symptom, facts, () => null);
};

const reach = (reason: ReachabilityAnswer['reason']): Partial<ReachabilityAnswer> => ({
  reason,
  step: 'ok',
  host: 'main-db.internal',
  port: 5432,
  address: null,
  sqlstate: null,
  message: '',
  elapsedMs: 1,
  passed: {},
});

test('that the database answers us rules out all but a lost way of the service', () => {
  expect(judge('stopped', 'reachability', reach('ok'))).toMatchObject({ state: 'opposes', weight: -6 });
  expect(judge('network', 'reachability', reach('ok'))).toMatchObject({ state: 'opposes', weight: -1.5 });
  expect(judge('stopped', 'reachability', reach('refused')).state).toBe('supports');
});

const network = (allows: readonly string[], lostBy: number | null): RdsNetworkAnswer => ({
  at: T0,
  instance: 'prod',
  port: 5432,
  groups: [{ id: 'sg-0db0db0db0db0db00', allows }],
  lost: lostBy === null ? [] : [{ group: 'sg-0db0db0db0db0db00', source: 'sg-0a91', seenAt: lostBy - 60_000, lostBy }],
});
test.each([
  ['a rule that was lost just before', network([], T0), 'supports', 5],
  ['no rule at all', network([], null), 'supports', 3],
  ['rules as ever', network(['10.0.0.0/16'], null), 'opposes', -1.5],
  ['a rule that was lost an hour ago', network(['10.0.0.0/16'], T0 - 3_600_000), 'opposes', -1.5],
  ['a rule that was lost only later', network(['10.0.0.0/16'], T0 + 240_000), 'neutral', 0],
] as const)('security groups: %s', (_name, answer, state, weight) => {
  expect(judge('network', 'rds-network', answer)).toMatchObject({
    state,
    weight,
    slots: { securityGroup: 'sg-0db0db0db0db0db00', port: 5432 },
  });
});

test.each([
  ['stopped', 'stopped', 'supports'],
  ['stopped', 'available', 'opposes'],
  ['stopped', 'rebooting', 'neutral'],
  ['starting-up', 'rebooting', 'supports'],
  ['hung', 'storage-full', 'supports'],
  ['tls', 'stopped', 'opposes'],
  ['tls', 'available', 'neutral'],
] as const)('%s beside an RDS instance that is %s: %s', (variant, status, state) => {
  expect(judge(variant, 'rds-status', { instance: 'prod', status, events: [] }).state).toBe(state);
});

const logs = (kind: LogKind, host: string | null): Partial<LogErrorsAnswer> => ({
  to: facts.now,
  beforeSeconds: 600,
  templates: [{ template: 'x', kind, host, count: 100, before: 0, firstAt: T0, lastAt: T0 }],
});
test.each([
  ['stopped', 'database-refused', null, 'supports'],
  ['stopped', 'refused', 'main-db.internal', 'supports'],
  ['stopped', 'refused', 'api.stripe.com', 'opposes'],
  ['stopped', 'exception', null, 'opposes'],
  ['leak', 'pool-timeout', null, 'supports'],
  ['leak', 'timeout', 'api.stripe.com', 'opposes'],
] as const)('%s beside messages of kind %s that name %s: %s', (variant, kind, host, state) => {
  expect(judge(variant, 'service-messages', logs(kind, host)).state).toBe(state);
});

test.each([
  ['database', false, 'supports'],
  ['postgres', false, 'supports'],
  ['main-db', false, 'supports'],
  ['prisma-db', false, 'supports'],
  ['database', true, 'opposes'],
  ['redis', false, 'neutral'],
  ['feedback', false, 'neutral'],
] as const)('a readiness check named %s that is %s: %s', (name, ok, state) => {
  expect(judge('stopped', 'ready-check', { ready: { checks: [{ name, ok, detail: null }] } }).state).toBe(state);
});
