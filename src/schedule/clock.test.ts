import { expect, test } from 'vitest';
import { manualClock, systemClock } from './clock.ts';

test('time that passes moves both clocks, a wall clock that is set moves alone', () => {
  const clock = manualClock(1_800_000_000_000);
  clock.advance(500);
  expect([clock.now(), clock.monotonic()]).toEqual([1_800_000_000_500, 500]);
  clock.set(1_700_000_000_000);
  expect([clock.now(), clock.monotonic()]).toEqual([1_700_000_000_000, 500]);
});

test('the system clock reads epoch milliseconds, and a clock that does not go back', () => {
  const clock = systemClock();
  expect(Math.abs(clock.now() - Date.now())).toBeLessThan(1000);
  const before = clock.monotonic();
  expect(clock.monotonic()).toBeGreaterThanOrEqual(before);
});
