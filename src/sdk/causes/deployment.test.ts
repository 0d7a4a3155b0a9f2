import { describe, expect, test } from 'vitest';
import type { Change, EcsServiceAnswer, Question, Symptom, Target } from '../../model/index.ts';
import type { Answered, Facts } from '../detector.ts';
import { deploymentHypotheses } from './deployment.ts';

const T0 = Date.UTC(2026, 10, 23, 14, 0, 0);
const MINUTE = 60_000;
const TARGET: Target = {
  name: 'api',
  kind: 'service',
  dependsOn: ['main-db'],
  slots: { cluster: 'prod', ecsService: 'api' },
};
const facts: Facts = {
  now: T0 + 5 * MINUTE,
  target: TARGET,
  on: TARGET,
  onset: { earliest: T0 - MINUTE, latest: T0 },
  options: {},
};
const symptom = { subject: '' } as Symptom;
const NOTHING: Answered = () => null;

const deployed = (earliest: number, latest = earliest, over: Partial<Change> = {}): Change => ({
  id: 'd',
  target: 'api',
  kind: 'deployment',
  summary: 'api:512 was brought out',
  at: { earliest, latest },
  source: 'ecs',
  deployment: { version: 'api:512', previous: 'api:511', state: 'started' },
  ...over,
});

const ecs = (createdAt: number, over: Partial<EcsServiceAnswer> = {}): EcsServiceAnswer => ({
  at: T0,
  cluster: 'prod',
  service: 'api',
  status: 'ACTIVE',
  desired: 2,
  running: 2,
  pending: 0,
  launchType: 'FARGATE',
  taskCpuUnits: null,
  taskMemoryMiB: null,
  version: 'api:512',
  controller: 'ecs',
  versions: [{ version: 'api:511', completedAt: null, servedFrom: null, servedUntil: null, failed: false }],
  deployments: [
    {
      id: 'ecs-svc/1',
      status: 'PRIMARY',
      version: 'api:512',
      createdAt,
      updatedAt: createdAt,
      desired: 2,
      pending: 0,
      running: 2,
      failed: 0,
      rollout: 'completed',
      rolloutReason: null,
    },
  ],
  rolledBack: null,
  circuitBreaker: null,
  events: [],
  tasks: [],
  stopped: [],
  history: [],
  stopTimeoutSeconds: null,
  ...over,
});
const knowing =
  (answer: EcsServiceAnswer): Answered =>
  (question: Question) =>
    (question.kind === 'ecs.service' ? answer : null) as never;

const [bad, back] = deploymentHypotheses();
const probeOf = (id: string, hypothesis = bad!) => hypothesis.probes.find((one) => one.id === id)!;

describe('which came first', () => {
  const judge = (changes: readonly Change[], answered: Answered = NOTHING) =>
    probeOf('deployment-order').judge({ changes }, symptom, facts, answered);

  test.each([
    ['a minute and a half before', deployed(T0 - 150_000), 'supports', 3],
    ['in the same minute: the order is not known', deployed(T0 - 70_000, T0 - 10_000), 'supports', 2.7],
    [
      'the same revision anew',
      deployed(T0 - 150_000, T0 - 150_000, {
        summary: 'api: deployment of api:512 started anew, same revision',
        deployment: { version: 'api:512', previous: 'api:512', state: 'started' },
      }),
      'supports',
      1,
    ],
    [
      'completed after it began, started before we look',
      deployed(T0 + MINUTE, T0 + MINUTE, {
        deployment: { version: 'api:512', previous: 'api:511', state: 'completed' },
      }),
      'neutral',
      0,
    ],
    ['twenty minutes before', deployed(T0 - 20 * MINUTE), 'supports', 1],
    ['three hours before', deployed(T0 - 180 * MINUTE), 'neutral', 0],
    ['wholly after', deployed(T0 + 1), 'opposes', -5],
    ['of something else that it depends on', deployed(T0 - MINUTE, T0 - MINUTE, { target: 'main-db' }), 'neutral', 0],
    ['a setting, not a deployment', deployed(T0 - MINUTE, T0 - MINUTE, { kind: 'setting' }), 'neutral', 0],
  ] as const)('%s', (_name, change, state, weight) => {
    expect(judge([change])).toMatchObject({ state, weight });
  });

  test('the nearest before counts, whatever came after', () => {
    expect(judge([deployed(T0 - 100 * MINUTE), deployed(T0 - 2 * MINUTE), deployed(T0 + MINUTE)])).toMatchObject({
      state: 'supports',
      headline: '2 min after api:512 was brought out',
    });
  });

  test('that none is known says something only where ECS says since when the version runs', () => {
    expect(judge([]).state).toBe('neutral');
    expect(judge([], knowing(ecs(T0 - 90 * MINUTE))).state).toBe('neutral');
    expect(judge([], knowing(ecs(T0 - 180 * MINUTE)))).toMatchObject({ state: 'opposes', weight: -1.5 });
    expect(judge([], knowing(ecs(T0 - 26 * 60 * MINUTE)))).toMatchObject({
      state: 'opposes',
      headline: 'none in 1 d 2 h',
    });
  });
});

describe('what runs', () => {
  const judge = (answer: EcsServiceAnswer) => probeOf('running-version').judge(answer, symptom, facts, NOTHING);

  test('the version to go back to is known whatever the order', () => {
    for (const createdAt of [T0 - MINUTE, T0 - 300 * MINUTE, T0 + MINUTE]) {
      expect(judge(ecs(createdAt)).slots).toEqual({ previousVersion: 'api:511' });
    }
  });

  test('there is none to go back to where the one before is the same, or is not known', () => {
    expect(
      judge(
        ecs(T0 - MINUTE, {
          controller: 'ecs',
          versions: [{ version: 'api:512', completedAt: null, servedFrom: null, servedUntil: null, failed: false }],
        }),
      ).slots,
    ).toEqual({});
    expect(judge(ecs(T0 - MINUTE, { controller: 'ecs', versions: [] })).slots).toEqual({});
  });
});

describe('what was taken back', () => {
  const rolledBack = (latest: number) => ({
    at: { earliest: latest - MINUTE, latest },
    from: 'api:512',
    to: 'api:511',
    reason: 'circuit breaker',
  });

  test('well before it began it has nothing to do with it', () => {
    const answer = ecs(T0 - 60 * MINUTE, { rolledBack: rolledBack(T0 - 50 * MINUTE) });
    for (const hypothesis of [bad!, back!]) {
      expect(probeOf('taken-back', hypothesis).judge(answer, symptom, facts, NOTHING).state).toBe('neutral');
    }
  });

  test('it rules out a second rollback', () => {
    const answer = ecs(T0, { rolledBack: rolledBack(T0 + 2 * MINUTE) });
    expect(probeOf('taken-back').judge(answer, symptom, facts, NOTHING).state).toBe('opposes');
    expect(probeOf('taken-back', back!).judge(answer, symptom, facts, NOTHING).state).toBe('supports');
  });
});
