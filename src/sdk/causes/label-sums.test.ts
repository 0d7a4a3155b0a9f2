import { NOW, reading } from 'runbookd/testing';
import { describe, expect, test } from 'vitest';
import { countedBeside, readingsBy, summedReadings } from './label-sums.ts';

const BAND = { expected: 10, lower: 5, upper: 15, mean: 10 };
const of = (name: string, values: readonly number[], over: object = { band: BAND }) =>
  reading('requests', values, { labels: { name }, periodSeconds: 60, ...over });
const values = (one: { readonly samples: readonly { readonly value: number }[] } | null) =>
  one?.samples.map(({ value }) => value);

describe('a sum of label sets', () => {
  test('adds values and bands at each time', () => {
    const sum = summedReadings([of('a', [10, 20]), of('b', [1, 2], { band: { ...BAND, expected: 1, mean: 1 } })]);
    expect(values(sum)).toEqual([11, 22]);
    expect(sum?.labels).toEqual({});
    expect(sum?.samples[0]?.band).toMatchObject({ expected: 11, mean: 11, lower: 10, upper: 30, ready: true });
  });

  test('a label set without a sample where another has one counted nothing', () => {
    const late = reading('requests', [7], {
      labels: { name: 'b' },
      periodSeconds: 60,
      endsAt: NOW - 60_000,
      band: BAND,
    });
    expect(values(summedReadings([of('a', [10, 20, 30]), late]))).toEqual([10, 27, 30]);
  });

  test.each([
    [[of('a', [100]), of('b', [10], {})], true],
    [[of('a', [100]), of('b', [60], {})], false],
    [[of('a', [100], {})], false],
  ])('has a baseline while what is new is a small part: %#', (readings, ready) => {
    expect(summedReadings(readings)?.samples[0]?.band.ready).toBe(ready);
  });

  test('of nothing is nothing', () => expect(summedReadings([])).toBeNull());
});

describe('counts beside the whole that they are of', () => {
  const whole = summedReadings([of('a', [100, 100, 100])])!;

  test('are true zeros where the whole was counted and they were not', () => {
    const few = reading('errors', [3], { periodSeconds: 60, endsAt: NOW - 60_000, band: BAND });
    expect(values(countedBeside(whole, [few]))).toEqual([0, 3, 0]);
  });

  test('of a label that was never seen before have a baseline of nothing, of as many samples as the whole', () => {
    const band = countedBeside(whole, [reading('errors', [9, 9, 9], { periodSeconds: 60 })])?.samples[2]?.band;
    expect(band).toMatchObject({ mean: 0, expected: 0, ready: true, samples: whole.samples[2]!.band.samples });
  });

  test('have none while the whole has none', () => {
    const fresh = reading('requests', [100, 100], { periodSeconds: 60 });
    expect(countedBeside(fresh, [of('x', [1, 1])])?.samples.every(({ band }) => !band.ready)).toBe(true);
  });

  test('without any label set are missing, not zero', () => expect(countedBeside(whole, [])).toBeNull());
});

test('readings without the label are left out', () => {
  const byName = readingsBy('name', [of('a', [1]), of('a', [2]), of('b', [3]), reading('requests', [4])]);
  expect([...byName].map(([name, all]) => [name, all.length])).toEqual([
    ['a', 2],
    ['b', 1],
  ]);
});
