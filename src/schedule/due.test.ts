import { describe, expect, test } from 'vitest';
import { decideDue, type Pace, phaseOf, slotFrom, watch } from './due.ts';

const pace = (changes: Partial<Pace> = {}): Pace => ({
  periodMs: 15_000,
  phaseMs: 4_000,
  nextMs: 64_000,
  inPhase: true,
  state: 'idle',
  ...changes,
});

test.each<[string, Partial<Pace>, number, boolean, unknown, number]>([
  ['not yet due', {}, 63_999, false, null, 64_000],
  ['due to the millisecond', {}, 64_000, true, null, 79_000],
  ['a second late', {}, 65_000, true, null, 79_000],
  ['late by one slot', {}, 79_000, true, { reason: 'late', slots: 1 }, 94_000],
  ['after a standstill of an hour', {}, 64_000 + 3_600_000, true, { reason: 'late', slots: 240 }, 64_000 + 3_615_000],
  ['after a sleep of a day', {}, 64_000 + 86_400_000, true, { reason: 'late', slots: 5760 }, 64_000 + 86_415_000],
  ['still running', { state: 'running' }, 64_500, false, { reason: 'overlap', slots: 1 }, 79_000],
  ['still running after three slots', { state: 'running' }, 95_000, false, { reason: 'overlap', slots: 3 }, 109_000],
  ['stuck', { state: 'stuck' }, 64_000, false, { reason: 'stuck', slots: 1 }, 79_000],
  ['still running and not due', { state: 'running' }, 63_000, false, null, 64_000],
  // The monotonic clock does not go back; were it to, nothing would run twice.
  ['earlier than before', {}, 10_000, false, null, 64_000],
  ['the first run, just before its slot', { inPhase: false, nextMs: 63_000 }, 63_000, true, null, 79_000],
  ['the first run, just after its slot', { inPhase: false, nextMs: 65_000 }, 65_000, true, null, 79_000],
  ['the first run, half a period before its slot', { inPhase: false, nextMs: 56_500 }, 56_500, true, null, 64_000],
])('%s: the decision', (_, changes, nowMs, run, missed, nextMs) => {
  expect(decideDue(pace(changes), nowMs)).toEqual({ run, missed, nextMs });
});

test('after the first run a job comes into its slot within half to one and a half periods', () => {
  for (let first = 0; first < 15_000; first += 97) {
    const { nextMs } = decideDue(pace({ inPhase: false, nextMs: first }), first);
    expect((nextMs - 4_000) % 15_000).toBe(0);
    expect(nextMs - first).toBeGreaterThanOrEqual(7_500);
    expect(nextMs - first).toBeLessThanOrEqual(22_500);
  }
});

test.each([
  [0, 4_000],
  [4_000, 4_000],
  [4_001, 19_000],
  [100_000, 109_000],
])('the first slot from %d on is %d', (atLeast, expected) => {
  expect(slotFrom(15_000, 4_000, atLeast)).toBe(expected);
});

describe('phases', () => {
  const ids = Array.from({ length: 1000 }, (_, i) => `postgres main-db-${i} activity`);

  test('are the same each time and lie within the period', () => {
    for (const id of ids) {
      const phase = phaseOf(id, 15_000);
      expect(phase).toBe(phaseOf(id, 15_000));
      expect(phase).toBeGreaterThanOrEqual(0);
      expect(phase).toBeLessThan(15_000);
    }
  });

  // χ² with 14 degrees of freedom: 36.1 is exceeded by chance once in 1,000 (scipy.stats.chi2.isf(0.001, 14)).
  test('of similar ids spread evenly', () => {
    const seconds = new Array<number>(15).fill(0);
    for (const id of ids) seconds[Math.floor(phaseOf(id, 15_000) / 1000)]!++;
    const chi2 = seconds.reduce((sum, n) => sum + (n - 1000 / 15) ** 2 / (1000 / 15), 0);
    expect(chi2).toBeLessThan(36.1);
  });
});

test.each([
  ['a tick just came', 10_000, 9_900, 9_000, 'ok'],
  ['a tick is late but not silent', 10_000, 7_500, 9_000, 'ok'],
  ['no tick came while the watchdog looked', 10_000, 7_400, 9_000, 'silent'],
  ['neither tick nor watchdog came', 10_000, 4_000, 5_000, 'stall'],
])('%s: %d, %d, %d is %s', (_, now, lastTick, lastLook, expected) => {
  expect(watch(now, lastTick, lastLook)).toBe(expected);
});
