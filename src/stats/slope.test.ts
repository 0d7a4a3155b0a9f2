import { expect, test } from 'vitest';
import { slope } from './slope.ts';

const ms = (seconds: readonly number[]): readonly number[] => seconds.map((s) => s * 1000);

// scipy 1.17.1: scipy.stats.theilslopes(values, seconds).slope
test.each([
  [[0, 15, 30, 45, 60, 75, 90, 105], [1, 8.4, 16.1, 23, 400, 38.2, 45.5, 52.9], 0.49436507936507934],
  [[0, 10, 10, 20, 35], [5, 4, 6, 3, -1.5], -0.18571428571428572],
])('the slope at %j s of %j is %d per second', (seconds, values, expected) => {
  expect(slope(ms(seconds), values)).toBeCloseTo(expected, 14);
  expect(slope(Float64Array.from(ms(seconds)), Float64Array.from(values))).toBeCloseTo(expected, 14);
});

test.each([
  [[], []],
  [[5], [1]],
  [
    [5, 5],
    [1, 2],
  ],
])('times %j have no slope', (seconds, values) => {
  expect(slope(ms(seconds), values)).toBeNaN();
});

test('a long window is thinned and its line is still found', () => {
  const times = Float64Array.from({ length: 5000 }, (_, i) => 1_800_000_000_000 + i * 1000);
  const values = times.map((_, i) => 3 + 0.25 * i);
  expect(slope(times, values)).toBeCloseTo(0.25, 10);
});
