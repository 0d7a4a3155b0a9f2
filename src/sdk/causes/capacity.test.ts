import { expect, test } from 'vitest';
import type { EcsCapacityAnswer, Symptom, Target } from '../../model/index.ts';
import type { Facts } from '../detector.ts';
import type { CapacityVariant } from './capacity.ts';
import { capacityHypotheses } from './capacity.ts';

const T0 = Date.UTC(2026, 10, 23, 14, 0, 0);
const API: Target = { name: 'api', kind: 'service', dependsOn: [], slots: {} };
const facts: Facts = { now: T0 + 300_000, target: API, on: API, onset: { earliest: T0, latest: T0 }, options: {} };

const capacity = (over: Partial<EcsCapacityAnswer> = {}): EcsCapacityAnswer => ({
  at: T0,
  cluster: 'prod',
  onInstances: true,
  instances: 4,
  draining: 0,
  disconnected: 0,
  largestFreeCpuUnits: 512,
  largestFreeMemoryMiB: 4096,
  neededCpuUnits: 1024,
  neededMemoryMiB: 2048,
  fitting: 0,
  autoScalingGroup: { name: 'prod-cluster', desired: 4, maximum: 5, inService: 4, failures: [] },
  placementFailures: [{ at: T0, lacks: 'cpu', message: 'insufficient CPU units available' }],
  ...over,
});
const judge = (variant: CapacityVariant, id: string, answer: EcsCapacityAnswer) =>
  capacityHypotheses({ variants: [variant] })[0]!
    .probes.find((one) => one.id === id)!
    .judge(answer, {} as Symptom, facts, () => null);

test.each([
  ['cpu', 'supports', 5.5],
  ['memory', 'opposes', -5],
] as const)('a placement failure for lack of CPU: %s %s', (variant, state, weight) => {
  expect(judge(variant, 'placement', capacity())).toMatchObject({ state, weight });
});

test('that ECS tells of no new failure counts little: it tells the same one once in six hours', () => {
  expect(judge('cpu', 'placement', capacity({ placementFailures: [] }))).toMatchObject({
    state: 'opposes',
    weight: -2,
  });
});

test.each([
  ['cpu', capacity(), 'supports'],
  ['memory', capacity(), 'opposes'],
  ['cpu', capacity({ fitting: 2 }), 'opposes'],
  ['instances', capacity({ instances: 2, draining: 1, disconnected: 1 }), 'supports'],
  ['fargate', capacity(), 'opposes'],
  ['cpu', capacity({ onInstances: false, fitting: null }), 'opposes'],
  ['fargate', capacity({ onInstances: false, fitting: null }), 'neutral'],
] as const)('room for %s (%#): %s', (variant, answer, state) => {
  expect(judge(variant, 'room', answer).state).toBe(state);
});

test('the group grows by what is missing and never over its maximum', () => {
  expect(judge('cpu', 'placement', capacity()).slots).toEqual({ autoScalingGroup: 'prod-cluster', instanceCount: 5 });
  const full = { name: 'prod-cluster', desired: 5, maximum: 5, inService: 5, failures: [] };
  expect(judge('cpu', 'placement', capacity({ autoScalingGroup: full })).slots).toEqual({
    autoScalingGroup: 'prod-cluster',
  });
  expect(judge('cpu', 'placement', capacity({ autoScalingGroup: null })).slots).toEqual({});
});
