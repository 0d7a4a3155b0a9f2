import { expect, test } from 'vitest';
import { healthyVersionBefore } from '../../../sdk/causes/healthy-version.ts';
import { noteDeployments, type SeenDeployment } from './deployments.ts';
import { factsOf, inProgress, type ServiceFacts } from './facts.ts';
import type { Rollback } from './rollbacks.ts';
import { noteRollbacks } from './rollbacks.ts';
import type { KeptStop } from './task-facts.ts';
import { definitionArn, deployment, service } from './testdata.ts';
import { servedVersions } from './versions.ts';

const T = Date.UTC(2026, 10, 23, 14, 0, 0);
const MINUTE = 60_000;

const seen = (version: string, createdAt: number, more: Partial<SeenDeployment> = {}): SeenDeployment => ({
  id: `ecs-svc/${createdAt}`,
  version,
  previous: null,
  createdAt,
  progressSince: null,
  completedAt: { earliest: createdAt + MINUTE, latest: createdAt + MINUTE },
  failedAt: null,
  reason: null,
  rollback: false,
  told: [],
  ...more,
});

const stop = (version: string, startedAt: number, stoppedAt: number, kind: KeptStop['kind']): KeptStop => ({
  id: `${version}-${stoppedAt}`,
  version,
  kind,
  stopCode: null,
  reason: '',
  startedAt,
  stoppedAt,
  containers: [],
  final: true,
  deployment: null,
});

/** What to go back to from api:3 when the trouble began at T. */
const previousOf = (
  deployments: readonly SeenDeployment[],
  stopped: readonly KeptStop[],
  rollbacks: readonly Rollback[] = [],
): string | null => {
  const versions = servedVersions(
    { deployments: [...deployments], stopped: [...stopped], tasks: [] },
    { deployments: [] },
    rollbacks,
  );
  return healthyVersionBefore({ version: 'api:3', versions }, { earliest: T, latest: T });
};

const failedAt = { earliest: T, latest: T };
const CRASH = stop('api:2', T - 58 * MINUTE, T - 57 * MINUTE, 'essential-container-exited');

test.each<[string, string | null, readonly SeenDeployment[], readonly KeptStop[]]>([
  ['nothing was seen', null, [], []],
  ['the one before', 'api:2', [seen('api:1', T - 600 * MINUTE), seen('api:2', T - 60 * MINUTE), seen('api:3', T)], []],
  [
    'never one that failed',
    'api:1',
    [
      seen('api:1', T - 600 * MINUTE),
      seen('api:2', T - 60 * MINUTE, { failedAt, completedAt: null }),
      seen('api:3', T),
    ],
    [],
  ],
  [
    'never one that never completed',
    null,
    [seen('api:2', T - 60 * MINUTE, { completedAt: null }), seen('api:3', T)],
    [],
  ],
  [
    'not one that completed, crashed, and was replaced at once',
    'api:1',
    [seen('api:1', T - 600 * MINUTE), seen('api:2', T - 60 * MINUTE), seen('api:3', T - 55 * MINUTE)],
    [CRASH],
  ],
  ['one crash in an hour is no reason', 'api:2', [seen('api:2', T - 60 * MINUTE), seen('api:3', T)], [CRASH]],
  [
    'by the tasks that it replaced, when no deployment was seen before',
    'api:2',
    [seen('api:3', T)],
    [stop('api:2', T - 600 * MINUTE, T, 'deployment')],
  ],
  [
    'not by tasks that lived for a minute, or crashed',
    null,
    [seen('api:3', T)],
    [stop('api:2', T - MINUTE, T, 'deployment'), stop('api:1', T - 600 * MINUTE, T, 'out-of-memory')],
  ],
])('what to go back to from api:3: %s', (_what, expected, deployments, stopped) => {
  expect(previousOf(deployments, stopped)).toBe(expected);
});

test('a revision that was taken back is not gone back to', () => {
  const taken = { deployment: 'ecs-svc/9', at: failedAt, from: 'api:2', to: 'api:1', reason: 'alarm detected' };
  const all = [seen('api:1', T - 600 * MINUTE), seen('api:2', T - 60 * MINUTE)];
  expect(previousOf(all, [], [taken])).toBe('api:1');
});

const rollbacksOf = (facts: ServiceFacts, known: readonly SeenDeployment[]) => {
  const versions = new Map([...known, ...facts.deployments].map(({ id, version }) => [id, version]));
  return noteRollbacks([], facts, { seen: known, versions, before: T - MINUTE }, T);
};

test('a fix brought out by hand after a failed deployment is no rollback', () => {
  const failed = deployment('512', 'api:512', T - 20 * MINUTE, { status: 'ACTIVE', rolloutState: 'FAILED' });
  const now = (version: string) =>
    factsOf(service('api', { deployments: [deployment('513', version, T - 5 * MINUTE), failed] }));
  const before = [seen('api:511', T - 600 * MINUTE)];
  const fixed = noteDeployments(before, now('api:513'), { before: T - MINUTE, primary: null, stopped: [] }, T);
  expect(rollbacksOf(now('api:513'), fixed)).toEqual([]);
  expect(rollbacksOf(now('api:511'), before)).toMatchObject([
    { from: 'api:512', to: 'api:511', at: { earliest: T - 5 * MINUTE, latest: T - 5 * MINUTE } },
  ]);
});

test('a task set of CodeDeploy is in progress before it is PRIMARY', () => {
  const set = (id: string, status: string, version: string, createdAt: number) => ({
    id: `ecs-svc/${id}`,
    status,
    taskDefinition: definitionArn(version),
    computedDesiredCount: 2,
    runningCount: 2,
    createdAt: new Date(createdAt),
  });
  const old = set('1', 'PRIMARY', 'api:1', T - 600 * MINUTE);
  const both = factsOf(service('api', { taskSets: [old, set('2', 'ACTIVE', 'api:2', T)] }));
  expect(inProgress(both)).toMatchObject({ version: 'api:2', rollout: null });
  expect(both.version).toBe('api:1');
  const context = { before: T - MINUTE, primary: 'ecs-svc/1', stopped: [] };
  const first = noteDeployments([], both, context, T);
  expect(first.map((one) => [one.version, one.previous, one.completedAt !== null])).toEqual([
    ['api:1', null, true],
    ['api:2', 'api:1', false],
  ]);
  const done = factsOf(service('api', { taskSets: [set('2', 'PRIMARY', 'api:2', T)] }));
  expect(noteDeployments(first, done, context, T + MINUTE).at(-1)).toMatchObject({
    progressSince: null,
    completedAt: { earliest: T - MINUTE, latest: T + MINUTE },
  });
});
