import { expect, test } from 'vitest';
import { median } from './median.ts';

// numpy 2.4.6: numpy.median(x)
test.each([
  [[2.1, 3.5, 3.6, 4.0, 9.9], 3.6],
  [[5, 1, 4, 2, 3, 6], 3.5],
  [[0.21, 0.19, 0.2, 0.22, 2.9, 0.2, 0.18, 0.21, 0.23, 0.2], 0.20500000000000002],
  [[7], 7],
])('the median of %j is %d', (values, expected) => {
  expect(median(values)).toBeCloseTo(expected, 14);
  expect(median(Float64Array.from(values))).toBeCloseTo(expected, 14);
});

test('no values have no median', () => {
  expect(median([])).toBeNaN();
});

test('the input keeps its order', () => {
  const values = Float64Array.of(3, 1, 2);
  median(values);
  expect([...values]).toEqual([3, 1, 2]);
});
