import { expect, test } from 'vitest';
import { freshnessOf } from './freshness.ts';

test.each([
  [15, 0, 'present'],
  [15, 30, 'present'],
  [15, 31, 'late'],
  [15, 45, 'late'],
  [15, 46, 'missing'],
  [15, 75, 'missing'],
  [15, 76, 'absent'],
  [1, 4, 'missing'],
  [1, 60, 'missing'],
  [1, 61, 'absent'],
  [60, 300, 'missing'],
  [60, 301, 'absent'],
  // The newest sample is a moment ahead of our clock.
  [15, -5, 'present'],
])('at a period of %d s, a newest sample of %d s ago is %s', (periodSeconds, ageSeconds, expected) => {
  const now = 1_800_000_000_000;
  expect(freshnessOf(now - ageSeconds * 1000, periodSeconds * 1000, now)).toBe(expected);
});
