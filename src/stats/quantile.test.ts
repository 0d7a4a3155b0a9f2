import { expect, test } from 'vitest';
import { quantile } from './quantile.ts';

const AT = [0, 0.05, 0.25, 0.5, 0.95, 0.99, 1];

// numpy 2.4.6: numpy.quantile(x, AT), method 'linear', which is R's type 7
test.each([
  [
    [2.1, 3.5, 3.6, 4.0, 9.9],
    [2.1, 2.38, 3.5, 3.6, 8.719999999999999, 9.664, 9.9],
  ],
  [
    [5, 1, 4, 2, 3, 6],
    [1, 1.25, 2.25, 3.5, 5.75, 5.95, 6],
  ],
  [
    [0.21, 0.19, 0.2, 0.22, 2.9, 0.2, 0.18, 0.21, 0.23, 0.2],
    [0.18, 0.1845, 0.2, 0.205, 1.6985, 2.6597, 2.9],
  ],
])('the quantiles of %j are %j', (values, expected) => {
  AT.forEach((p, i) => {
    expect(quantile(values, p)).toBeCloseTo(expected[i]!, 12);
    expect(quantile(Float64Array.from(values), p)).toBeCloseTo(expected[i]!, 12);
  });
});

test('a share outside 0…1 gives the ends, and none gives NaN', () => {
  expect(quantile([1, 2, 3], -0.1)).toBe(1);
  expect(quantile([1, 2, 3], 1.1)).toBe(3);
  expect(quantile([1, 2, 3], Number.NaN)).toBeNaN();
  expect(quantile([], 0.5)).toBeNaN();
});
