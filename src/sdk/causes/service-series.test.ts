import { describe, expect, test } from 'vitest';
import type { Target } from '../../model/index.ts';
import type { Facts } from '../detector.ts';
import {
  isAfterOnset,
  isUp,
  latencyText,
  levelsOf,
  perSecond,
  riseOf,
  roseAt,
  type SeriesPoint,
} from './service-series.ts';

const MINUTE = 60_000;
const NOW = Date.UTC(2026, 10, 23, 14, 5);
const API: Target = { name: 'api', kind: 'service', dependsOn: [], slots: {} };

/** The onset lies between five and four minutes ago. */
const FACTS: Facts = {
  now: NOW,
  target: API,
  on: API,
  onset: { earliest: NOW - 5 * MINUTE, latest: NOW - 4 * MINUTE },
  options: {},
};

/** One value a minute, the last one now. */
function series(
  values: readonly number[],
  band: readonly [number, number] | null = null,
  labels = {},
): readonly SeriesPoint[] {
  return values.map((value, index) => ({
    labels,
    at: NOW - (values.length - 1 - index) * MINUTE,
    value,
    expected: band?.[0] ?? null,
    lower: null,
    upper: band?.[1] ?? null,
  }));
}

const level = (values: readonly number[], band: readonly [number, number] | null = null) =>
  levelsOf(series(values, band), FACTS)[0]!;

describe('levels', () => {
  test('now is the median since the onset, before is what the band expects', () => {
    expect(level([10, 10, 10, 30, 90, 31, 30, 32], [11, 14])).toMatchObject({
      now: 31,
      before: 11,
      upper: 14,
      recent: 10,
      periodMs: MINUTE,
    });
  });

  test('without a band before is the median of the time before the onset', () => {
    expect(level([10, 12, 11, 30, 30, 31, 30, 32])).toMatchObject({ before: 11, upper: null });
  });

  test('with neither before is not known', () => {
    expect(level([10, 30, 30, 31, 30, 32])).toMatchObject({ before: null, recent: null });
  });

  test('what has no value since the onset is no level', () => {
    const stale = series([1, 2, 3]).map((one) => ({ ...one, at: one.at - 10 * MINUTE }));
    expect(levelsOf(stale, FACTS)).toEqual([]);
  });

  test('there is one for each label set, whatever the order of the points', () => {
    const points = [...series([5, 5, 5, 5], null, { host: 'b' }), ...series([1, 1, 1, 1], null, { host: 'a' })];
    const found = levelsOf(points.toReversed(), FACTS);
    expect(found.map((one) => [one.labels['host'], one.now]).sort()).toEqual([
      ['a', 1],
      ['b', 5],
    ]);
  });
});

test.each([
  { name: 'above the ratio and the band', values: [30, 30, 30, 30, 30], band: [10, 14] as const, up: true },
  { name: 'above the ratio, within a wide band', values: [30, 30, 30, 30, 30], band: [10, 40] as const, up: false },
  { name: 'above the band, below the ratio', values: [12, 12, 12, 12, 12], band: [10, 11] as const, up: false },
])('is up: $name is $up', ({ values, band, up }) => {
  expect(isUp(level(values, band), 1.3)).toBe(up);
});

test.each([
  { name: 'at the first point above the band', values: [10, 10, 10, 30, 30], expected: NOW - MINUTE },
  { name: 'a single dip does not end it', values: [10, 10, 30, 10, 30], expected: NOW - 2 * MINUTE },
  { name: 'two do', values: [30, 30, 10, 10, 30], expected: NOW },
  { name: 'what is up from the oldest point on is older than that', values: [30, 30, 30, 30, 30], expected: null },
  { name: 'what is not up has not risen', values: [30, 30, 30, 10, 10], expected: null },
])('rose: $name', ({ values, expected }) => {
  expect(roseAt(level(values, [10, 14]), 1.3)).toBe(expected);
});

test('a period of slack lies between the onset and what came after it', () => {
  expect(isAfterOnset(FACTS.onset.latest + MINUTE, FACTS)).toBe(false);
  expect(isAfterOnset(FACTS.onset.latest + MINUTE + 1, FACTS)).toBe(true);
});

test('a rise over nothing is not known', () => {
  expect(riseOf({ now: 5, before: 0 })).toBeNull();
});

test.each([
  [0.004, '4 ms'],
  [0.08, '0.08 s'],
  [0.2134, '0.21 s'],
  [2.94, '2.9 s'],
  [75, '1 min 15 s'],
  [Number.NaN, '?'],
])('%d seconds read %s', (value, text) => {
  expect(latencyText(value)).toBe(text);
});

test('counts of a minute read as a rate', () => {
  expect(perSecond(5400, MINUTE)).toBe('90/s');
  expect(perSecond(90, MINUTE)).toBe('1.5/s');
});
