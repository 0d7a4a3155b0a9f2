import { describe, expect, test } from 'vitest';
import type { EcsServiceAnswer, LogErrorsAnswer, Question, RunningTask, Symptom, Target } from '../../model/index.ts';
import type { Answered, Facts } from '../detector.ts';
import { unevenHypotheses } from './uneven.ts';

const T0 = Date.UTC(2026, 10, 23, 14, 0, 0);
const API: Target = { name: 'api', kind: 'service', dependsOn: [], slots: {} };
const facts: Facts = {
  now: T0 + 300_000,
  target: API,
  on: API,
  onset: { earliest: T0, latest: T0 + 60_000 },
  options: {},
};
const symptom = { subject: '' } as Symptom;

const task = (id: string, version = 'api:1', zone = 'a'): RunningTask => ({
  id,
  version,
  status: 'RUNNING',
  health: 'healthy',
  zone,
  createdAt: T0,
  startedAt: T0,
  images: [],
});
const knowing =
  (tasks: readonly RunningTask[]): Answered =>
  (question: Question) =>
    (question.kind === 'ecs.service' ? ({ tasks } as Partial<EcsServiceAnswer>) : null) as never;
const logs = (byTask: Readonly<Record<string, number>>): LogErrorsAnswer => ({
  from: T0,
  to: facts.now,
  logGroup: '/aws/ecs/api',
  partial: false,
  count: 0,
  before: 0,
  beforeSeconds: 600,
  templates: [],
  byTask,
});

const byId = new Map(unevenHypotheses().map((one) => [one.cause, one]));
const probeOf = (cause: string, id: string) => byId.get(cause)!.probes.find((one) => one.id === id)!;

describe('one bad task', () => {
  const six = ['1', '2', '3', '4', '5', '6'].map((id) => task(id));
  test.each([
    ['all on one of six', six, { 1: 100 }, 'supports'],
    ['even over six', six, { 1: 20, 2: 18, 3: 22, 4: 19, 5: 21, 6: 20 }, 'opposes'],
    ['on two of six', six, { 1: 60, 2: 45 }, 'opposes'],
    ['two thirds on one of two: not far from even', [task('1'), task('2')], { 1: 66, 2: 34 }, 'opposes'],
    ['nearly all on one of two', [task('1'), task('2')], { 1: 96, 2: 4 }, 'supports'],
    ['there is only one', [task('1')], { 1: 100 }, 'opposes'],
    ['the only one of a new version', [task('1', 'api:2'), task('2'), task('3')], { 1: 100 }, 'opposes'],
    ['too few to tell', six, { 1: 9 }, 'neutral'],
  ] as const)('%s', (_name, tasks, byTask, state) => {
    expect(probeOf('bad-task', 'by-task').judge(logs(byTask), symptom, facts, knowing(tasks)).state).toBe(state);
  });

  test('a task that is gone is not to be stopped', () => {
    const judged = probeOf('bad-task', 'by-task').judge(logs({ 9: 100 }), symptom, facts, knowing(six));
    expect(judged).toMatchObject({ state: 'supports' });
    expect(judged.slots).toBeUndefined();
  });

  test('by CPU, the busiest is told beside the middle of the others', () => {
    const [hypothesis] = unevenHypotheses({ variants: ['bad-task'], by: 'task_cpu' });
    const judge = (values: readonly number[]) =>
      hypothesis!.probes[0]!.judge(
        {
          unit: 'ratio',
          points: values.map((value, index) => ({
            labels: { task: String(index + 1) },
            at: T0,
            value,
            expected: null,
            lower: null,
            upper: null,
          })),
        },
        symptom,
        facts,
        knowing(six),
      );
    expect(judge([0.99, 0.3, 0.32, 0.29])).toMatchObject({ state: 'supports', slots: { task: '1' } });
    expect(judge([0.9, 0.88, 0.91]).state).toBe('opposes');
    expect(judge([0.9, 0.65, 0.66]).state).toBe('neutral');
  });
});

test('a zone in which one task of several has all errors is no bad zone', () => {
  const tasks = [task('1', 'api:1', 'b'), task('2', 'api:1', 'b'), task('3', 'api:1', 'a')];
  const judge = (byTask: Readonly<Record<string, number>>) =>
    probeOf('bad-zone', 'tasks-by-zone').judge(logs(byTask), symptom, facts, knowing(tasks)).state;
  expect(judge({ 1: 100 })).toBe('opposes');
  expect(judge({ 1: 50, 2: 45 })).toBe('supports');
  expect(judge({ 1: 50, 3: 45 })).toBe('opposes');
});
