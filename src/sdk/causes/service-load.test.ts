import { describe, expect, test } from 'vitest';
import type { EcsServiceAnswer, RunningTask, Target } from '../../model/index.ts';
import type { Facts } from '../detector.ts';
import { serviceLoadMitigations } from './service-load.ts';
import { tasksFor } from './task-probes.ts';

const NOW = Date.UTC(2026, 10, 23, 14, 5);
const MINUTE = 60_000;
const API: Target = { name: 'api', kind: 'service', dependsOn: [], slots: {} };
const FACTS: Facts = {
  now: NOW,
  target: API,
  on: API,
  onset: { earliest: NOW - 20 * MINUTE, latest: NOW - 19 * MINUTE },
  options: {},
};

/** present × load / 0.6, rounded up, at most twice as many. */
test.each([
  [6, 0.91, 10],
  [6, 0.6, null],
  [6, 0.3, null],
  [4, 1, 7],
  [2, 1.6, 4],
  [1, 0.95, 2],
  [0, 0.95, null],
])('%d tasks at a load of %d become %s', (present, load, expected) => {
  expect(tasksFor(present, load)).toBe(expected);
});

const task = (id: string, startedAt: number): RunningTask => ({
  id,
  version: 'api:511',
  status: 'RUNNING',
  health: 'healthy',
  zone: 'us-east-1a',
  createdAt: startedAt,
  startedAt,
  images: [],
});

const OLD = NOW - 86_400_000;

const service = (over: Partial<EcsServiceAnswer>): EcsServiceAnswer => ({
  at: NOW,
  cluster: 'rastup-prod',
  service: 'api-service',
  status: 'ACTIVE',
  desired: 2,
  running: 2,
  pending: 0,
  launchType: 'FARGATE',
  taskCpuUnits: 1024,
  taskMemoryMiB: 2048,
  version: 'api:511',
  controller: 'ecs',
  versions: [],
  deployments: [],
  rolledBack: null,
  circuitBreaker: null,
  events: [],
  tasks: [task('aaaaaaaa', OLD), task('bbbbbbbb', OLD)],
  stopped: [],
  history: [],
  stopTimeoutSeconds: null,
  ...over,
});

const deployment = (createdAt: number): EcsServiceAnswer['deployments'][number] => ({
  id: 'd',
  status: 'PRIMARY',
  version: 'api:511',
  createdAt,
  updatedAt: createdAt,
  desired: 2,
  pending: 0,
  running: 2,
  failed: 0,
  rollout: 'in_progress',
  rolloutReason: null,
});

describe('effects', () => {
  const scale = { presentCount: 2, desiredCount: 4 };
  const restarted = NOW - 5 * MINUTE;
  test.each([
    ['scale-up', scale, { desired: 2, running: 2 }, 'not_applied'],
    ['scale-up', scale, { desired: 4, running: 2 }, 'not_yet'],
    ['scale-up', scale, { desired: 4, running: 3 }, 'partly'],
    ['scale-up', scale, { desired: 4, running: 4 }, 'worked'],
    ['stop-hot-task', { task: 'aaaaaaaa' }, {}, 'not_applied'],
    ['stop-hot-task', { task: 'cccccccc' }, {}, 'worked'],
    ['stop-hot-task', { task: 'cccccccc' }, { running: 1 }, 'partly'],
    ['rolling-restart', {}, { deployments: [deployment(OLD)] }, 'not_applied'],
    ['rolling-restart', {}, { deployments: [deployment(restarted)] }, 'partly'],
    [
      'rolling-restart',
      {},
      { deployments: [deployment(restarted)], tasks: [task('c', restarted + 1), task('d', restarted + 2)] },
      'worked',
    ],
  ] as const)('%s with %j: %j is %s', (id, slots, over, state) => {
    expect(serviceLoadMitigations[id]?.effect?.judge(service(over), slots, FACTS).state).toBe(state);
  });
});
