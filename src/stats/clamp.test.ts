import { expect, test } from 'vitest';
import { clamp } from './clamp.ts';

test.each([
  [-1, 0, 1, 0],
  [0.5, 0, 1, 0.5],
  [2, 0, 1, 1],
  [Number.POSITIVE_INFINITY, 0, 1, 1],
  [Number.NaN, 0, 1, Number.NaN],
])('%d limited to [%d, %d] is %d', (value, low, high, expected) => {
  expect(clamp(value, low, high)).toBe(expected);
});
