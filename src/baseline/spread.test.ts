import { expect, test } from 'vitest';
import { smallSampleFactor, spreadFloor } from './spread.ts';

test.each([
  ['s', 0, 0.002],
  ['s', 100, 1],
  ['ms', 200, 5],
  ['count', 0, 0.5],
  ['count', -1000, 10],
  ['bool', 0, 0],
] as const)('the least spread in %s at a level of %d is %d', (unit, level, expected) => {
  expect(spreadFloor(unit, level)).toBe(expected);
});

// Simulated with numpy 2.4.6, 400,000 draws each: 1 / mean of the scaled deviation of n normal values.
test.each([
  [2, 1.196],
  [3, 1.487],
  [4, 1.36],
  [5, 1.214],
  [6, 1.191],
  [7, 1.138],
  [8, 1.128],
  [9, 1.102],
  [10, 1.097],
  [20, 1.042],
])('the deviation of %d values is scaled by about %d', (n, expected) => {
  expect(Math.abs(smallSampleFactor(n) - expected)).toBeLessThan(0.015);
});
