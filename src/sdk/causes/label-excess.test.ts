import { expect, test } from 'vitest';
import { excessBy, excessShare } from './label-excess.ts';

const ONSET = { onset: { earliest: 5_000, latest: 6_000 } };
const points = (name: string, values: Readonly<Record<number, number>>, expected: number | null = null) =>
  Object.entries(values).map(([at, value]) => ({
    labels: { name },
    at: Number(at),
    value,
    expected,
    lower: null,
    upper: null,
  }));
const nameOf = (labels: Readonly<Record<string, string>>): string | null => labels['name'] ?? null;

test('what is more than as long a time before had, by name', () => {
  const all = [
    ...points('a', { 3000: 2, 4000: 2, 5000: 2, 6000: 12, 7000: 12 }),
    ...points('b', { 3000: 1, 4000: 1, 5000: 1, 6000: 1, 7000: 1 }),
    // Emitted only when it is not zero: it had nothing in the three periods before.
    ...points('c', { 7000: 10 }),
  ];
  const excess = excessBy(all, ONSET, nameOf);
  expect(excess.parts).toEqual([
    { name: 'a', after: 24, expected: 4, excess: 20 },
    { name: 'c', after: 10, expected: 0, excess: 10 },
    { name: 'b', after: 2, expected: 2, excess: 0 },
  ]);
  expect(excess).toMatchObject({ all: 30, after: 36 });
  expect(excessShare(excess, (name) => name === 'a')).toBeCloseTo(2 / 3);
});

test('without a time before, the band stands for it', () => {
  expect(excessBy(points('a', { 6000: 12, 7000: 12 }, 5), ONSET, nameOf).parts).toEqual([
    { name: 'a', after: 24, expected: 10, excess: 14 },
  ]);
});

test('between the last good sample and the first bad one nothing is counted', () => {
  expect(excessBy(points('a', { 5500: 100 }), ONSET, nameOf).all).toBe(0);
});

test('names that do not count are left out', () => {
  expect(excessBy(points('a', { 6000: 5 }), ONSET, () => null).parts).toEqual([]);
  expect(excessShare(excessBy(null, ONSET, nameOf), () => true)).toBe(0);
});
