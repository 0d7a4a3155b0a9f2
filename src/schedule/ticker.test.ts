import { getTasks } from 'node-cron';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { cronTicker, delayTo } from './ticker.ts';

const HOUR = 3_600_000;
const zone = process.env.TZ;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  process.env.TZ = zone;
  vi.useRealTimers();
});

/** Times of the ticks in that stretch, on the monotonic clock; `at` happens after `afterMs`. */
function ticksOver(ms: number, afterMs = 0, at: () => void = () => {}): number[] {
  const ticks: number[] = [];
  const stop = cronTicker(() => ticks.push(performance.now()));
  vi.advanceTimersByTime(afterMs);
  at();
  vi.advanceTimersByTime(ms - afterMs);
  stop();
  return ticks;
}

const longestGap = (ticks: readonly number[]): number => Math.max(...ticks.slice(1).map((tick, i) => tick - ticks[i]!));

test('a tick comes at each full second', () => {
  vi.setSystemTime(Date.UTC(2026, 10, 23, 12, 0, 0, 300));
  const walls: number[] = [];
  const stop = cronTicker(() => walls.push(Date.now() % 1000));
  vi.advanceTimersByTime(10_000);
  stop();
  expect(walls).toEqual(new Array(10).fill(0));
});

test('a stopped ticker leaves no timer and no task', () => {
  const stop = cronTicker(() => {});
  expect(getTasks().size).toBe(1);
  stop();
  expect(vi.getTimerCount()).toBe(0);
  expect(getTasks().size).toBe(0);
});

test.each([
  ['−1 h', -HOUR],
  ['+1 h', HOUR],
  ['−1 day', -24 * HOUR],
  ['+1 day', 24 * HOUR],
  ['+20 days', 480 * HOUR],
  ['from 1970', Date.UTC(2026, 10, 23) - Date.UTC(1970, 0, 1)],
  ['+0.4 s', 400],
  ['−0.4 s', -400],
])('a clock step of %s makes no pause', (_, step) => {
  vi.setSystemTime(step > 2000 * 24 * HOUR ? Date.UTC(1970, 0, 1) : Date.UTC(2026, 10, 23, 12, 0, 0, 250));
  const ticks = ticksOver(20_000, 5_600, () => vi.setSystemTime(Date.now() + step));
  expect(longestGap(ticks)).toBeLessThanOrEqual(1000);
  expect(ticks.length).toBeGreaterThanOrEqual(19);
});

describe.each([
  'America/New_York',
  'America/Los_Angeles',
  'Europe/Paris',
  'Europe/London',
  'Australia/Lord_Howe',
  'Africa/Cairo',
])('in a container of %s', (name) => {
  // Every change of 2026 of that zone, found in its own rules; both ways in each.
  test('no change to or from daylight saving makes a pause or a double', () => {
    process.env.TZ = name;
    const offset = (at: number): number => new Date(at).getTimezoneOffset();
    const changes: number[] = [];
    for (let at = Date.UTC(2026, 0, 1); at < Date.UTC(2027, 0, 1); at += HOUR / 2) {
      if (offset(at) !== offset(at + HOUR / 2)) changes.push(at + HOUR / 2);
    }
    expect(changes).toHaveLength(2);
    for (const change of changes) {
      vi.setSystemTime(change - 60_000);
      const ticks = ticksOver(120_000);
      expect(ticks).toHaveLength(120);
      expect(longestGap(ticks)).toBe(1000);
    }
  });
});

test.each([
  ['a leap day', Date.UTC(2028, 1, 29)],
  ['the end of a leap day', Date.UTC(2028, 2, 1)],
  ['the end of a year', Date.UTC(2027, 0, 1)],
  ['the end of 32-bit time', 2 ** 31 * 1000],
])('%s makes no pause', (_, at) => {
  vi.setSystemTime(at - 30_000);
  expect(ticksOver(60_000)).toHaveLength(60);
});

test.each([
  [new Date(1_000), 400, 600],
  [new Date(1_000), 1_000, 1000],
  [new Date(1_000), 5_000, 1000],
  [new Date(9_000), 1_000, 1000],
  [undefined, 1_000, 1000],
])('from %s seen at %d ms the next look is in %d ms', (next, at, expected) => {
  expect(delayTo(next, at)).toBe(expected);
});
