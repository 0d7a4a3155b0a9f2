import { describe, expect, test } from 'vitest';
import type { EcsServiceAnswer, StopKind, StoppedTask, Symptom, Target } from '../../model/index.ts';
import type { Facts } from '../detector.ts';
import type { CrashedVariant } from './crashed.ts';
import { crashedHypotheses } from './crashed.ts';

const T0 = Date.UTC(2026, 10, 23, 14, 0, 0);
const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const API: Target = { name: 'api', kind: 'service', dependsOn: [], slots: {} };
const facts: Facts = {
  now: T0 + 5 * MINUTE,
  target: API,
  on: API,
  onset: { earliest: T0 - MINUTE, latest: T0 },
  options: {},
};

const stop = (kind: StopKind, over: Partial<StoppedTask> = {}): StoppedTask => ({
  id: 'c0ffee00',
  version: 'api:512',
  kind,
  stopCode: 'EssentialContainerExited',
  reason: 'Essential container in task exited',
  startedAt: T0,
  stoppedAt: T0 + MINUTE,
  containers: [{ name: 'app', exitCode: 137, reason: null }],
  ...over,
});
const ecs = (stopped: readonly StoppedTask[], deployedAt = T0 - 3 * DAY): EcsServiceAnswer =>
  ({
    desired: 6,
    running: 0,
    pending: 1,
    version: 'api:512',
    controller: 'ecs',
    versions: [{ version: 'api:511', completedAt: null, servedFrom: null, servedUntil: null, failed: false }],
    deployments: [{ status: 'PRIMARY', version: 'api:512', createdAt: deployedAt }],
    stopped,
  }) as unknown as EcsServiceAnswer;
const judge = (variant: CrashedVariant, answer: EcsServiceAnswer) =>
  crashedHypotheses({ variants: [variant] })[0]!.probes[0]!.judge(answer, {} as Symptom, facts, () => null);

test.each(['scaling', 'deployment', 'user'] as const)('a task that was stopped on purpose (%s) is no crash', (kind) => {
  expect(judge('essential-container-exited', ecs([stop(kind)]))).toMatchObject({
    state: 'opposes',
    headline: 'no task stopped',
  });
});

test('what stopped long before it began is no crash of now', () => {
  expect(judge('out-of-memory', ecs([stop('out-of-memory', { stoppedAt: T0 - 40 * MINUTE })])).state).toBe('opposes');
});

test('exit code 137 is out of memory only where ECS says so', () => {
  const answer = ecs([stop('slow-shutdown'), stop('slow-shutdown')]);
  expect(judge('out-of-memory', answer).state).toBe('opposes');
  expect(judge('slow-shutdown', answer)).toMatchObject({
    state: 'supports',
    headline: '2 tasks stopped: killed at the stop timeout',
  });
});

test('tasks that leave slowly while others crash are not the trouble', () => {
  const answer = ecs([stop('slow-shutdown'), stop('essential-container-exited')]);
  expect(judge('slow-shutdown', answer).state).toBe('neutral');
  expect(judge('essential-container-exited', answer).state).toBe('supports');
});

test.each([
  ['OutOfMemoryError: Container killed due to memory usage', 'OutOfMemoryError'],
  [null, 'exit code 137, SIGKILL'],
])('the headline says what ECS says: %s', (reason, text) => {
  const one = stop('out-of-memory', { containers: [{ name: 'app', exitCode: 137, reason }] });
  expect(judge('out-of-memory', ecs([one])).headline).toBe(`1 task stopped: ${text}`);
});

describe('a restart brings the same version again', () => {
  const one = stop('essential-container-exited');
  test('where the version is days old it may help', () => {
    expect(judge('essential-container-exited', ecs([one])).slots).toEqual({
      stoppedTask: 'c0ffee00',
      forceNewDeployment: 'force-new-deployment',
    });
  });
  test('where the version is new, only going back helps', () => {
    expect(judge('essential-container-exited', ecs([one], T0 - 10 * MINUTE)).slots).toEqual({
      stoppedTask: 'c0ffee00',
      previousVersion: 'api:511',
    });
  });
  test('where tasks of the version before stop too, it is not the version', () => {
    const stops = [one, stop('essential-container-exited', { version: 'api:511' })];
    expect(judge('essential-container-exited', ecs(stops, T0 - 10 * MINUTE)).slots).toHaveProperty(
      'forceNewDeployment',
    );
  });
  test('a deployment after it began was an attempt to help', () => {
    expect(judge('essential-container-exited', ecs([one], T0 + 2 * MINUTE)).slots).toHaveProperty('forceNewDeployment');
  });
});
