import { expect, test } from 'vitest';
import { mad } from './mad.ts';

// R: mad(x), whose constant is 1.4826; equal to 1.4826 * scipy.stats.median_abs_deviation(x) of scipy 1.17.1
test.each([
  [[2.1, 3.5, 3.6, 4.0, 9.9], 0.59304],
  [[5, 1, 4, 2, 3, 6], 2.2239],
  [[0.21, 0.19, 0.2, 0.22, 2.9, 0.2, 0.18, 0.21, 0.23, 0.2], 0.014826],
  [[7], 0],
])('the scaled deviation of %j is %d', (values, expected) => {
  expect(mad(values)).toBeCloseTo(expected, 12);
  expect(mad(Float64Array.from(values))).toBeCloseTo(expected, 12);
});

test('no values have no deviation', () => {
  expect(mad(new Float64Array(0))).toBeNaN();
});
