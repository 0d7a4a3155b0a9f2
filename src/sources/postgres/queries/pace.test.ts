import { expect, test } from 'vitest';
import { afterAsking, FRESH, overdueMs, slowdown } from './pace.ts';

const PERIOD = 60_000;
const POLL = 10_000;

test('on time while it answers; half a poll early is in time', () => {
  expect(overdueMs(FRESH, PERIOD, POLL, 0)).toBe(Number.POSITIVE_INFINITY);
  const asked = afterAsking(FRESH, 1_000_000, false);
  const due = [10_000, 54_999, 55_000, 60_000].map((after) => overdueMs(asked, PERIOD, POLL, 1_000_000 + after) >= 0);
  expect(due).toEqual([false, false, true, true]);
  expect(overdueMs(asked, PERIOD, POLL, 999_999), 'the clock was set back').toBe(Number.POSITIVE_INFINITY);
});

test('one timeout changes nothing, from the second on it is asked less often, ten times at most, until it answers', () => {
  let pace = FRESH;
  const factors = [true, true, true, true, true, true, false, true].map((timedOut) => {
    pace = afterAsking(pace, 0, timedOut);
    return slowdown(pace);
  });
  expect(factors).toEqual([1, 2, 4, 8, 10, 10, 1, 1]);
});
