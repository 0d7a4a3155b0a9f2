import { expect, test } from 'vitest';
import type { Series } from '../../model/series.ts';
import { impossibleIn } from './binding.ts';

const series = (signal: string, unit: Series['unit'], ...values: number[]): Series => ({
  target: 'api',
  signal,
  labels: {},
  unit,
  periodMs: 60_000,
  times: Float64Array.from(values, (_, index) => index),
  values: Float64Array.from(values),
});

test('figures that may be pass, however bad', () => {
  const all = [series('graphql_errors', 'count', 0, 955), series('cpu', 'ratio', 4), series('own_delta', 'count', -3)];
  expect(impossibleIn(all)).toBeNull();
});

test('one that cannot be makes all of the answer none: the rest is of the same mind', () => {
  const all = [series('graphql_errors', 'count', 3), series('graphql_errors', 'count', 5, -1)];
  expect(impossibleIn(all)).toBe('-1, expected 0 to 1000000000000');
});
