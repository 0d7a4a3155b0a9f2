import { describe, expect, test } from 'vitest';
import { forecastText, memoryGrowth, paceText, secondsToLimit } from './memory-growth.ts';

const MINUTE = 60_000;
const points = (values: readonly number[]) => values.map((value, index) => ({ at: index * MINUTE, value }));
const forty = (of: (index: number) => number) => points(Array.from({ length: 40 }, (_, index) => of(index)));
const noise = (index: number): number => 0.006 * Math.sin(2.1 * index);

describe('growth of memory', () => {
  test.each([
    { name: 'a leak', values: forty((index) => 0.6 + 0.005 * index + noise(index)), steady: true },
    { name: 'a leak with small collections', values: forty((i) => 0.6 + 0.005 * i - 0.02 * (i % 3)), steady: true },
    {
      name: 'a step at a deployment',
      values: forty((index) => (index < 12 ? 0.6 : 0.82) + noise(index)),
      steady: false,
    },
    { name: 'a warm-up that levels off', values: forty((index) => 0.8 - 0.2 * 0.75 ** index), steady: false },
    { name: 'a flat line', values: forty((index) => 0.7 + noise(index)), steady: false },
    {
      name: 'growth that a restart ended',
      values: forty((index) => (index < 20 ? 0.6 + 0.01 * index : 0.4)),
      steady: false,
    },
    { name: 'a sawtooth of large collections', values: forty((index) => 0.6 + 0.02 * (index % 10)), steady: false },
  ])('$name: steady is $steady', ({ values, steady }) => {
    expect(memoryGrowth(values)?.steady).toBe(steady);
  });

  test('the slope is that of the line', () => {
    const growth = memoryGrowth(forty((index) => 0.5 + 0.006 * index))!;
    expect(growth.perSecond).toBeCloseTo(0.006 / 60, 10);
    // From 80 %, 20 points at 0.6 points a minute: 33 min 20 s.
    expect(secondsToLimit(growth, 0.8)).toBeCloseTo(2000, 6);
  });

  test('less than ten minutes, or nothing, says nothing', () => {
    expect(memoryGrowth(points([0.5, 0.6, 0.7, 0.8, 0.9, 0.91, 0.92, 0.93, 0.94]))).toBeNull();
    expect(memoryGrowth([])).toBeNull();
    expect(secondsToLimit(null, 0.9)).toBeNull();
  });
});

test.each([
  [0.012 / 60, '1.2 points a minute'],
  [0.04 / 3600, '4 points an hour'],
])('%d reads %s', (perSecond, text) => {
  expect(paceText(perSecond)).toBe(text);
});

test.each([
  [20, 'less than a minute'],
  [1263, '21 min'],
  [5400, '1 h 30 min'],
])('a forecast of %d seconds reads %s', (seconds, text) => {
  expect(forecastText(seconds)).toBe(text);
});
