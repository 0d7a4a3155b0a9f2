import { expect, test } from 'vitest';
import { NO_BAND } from './engine.ts';
import {
  bandAt,
  createRecent,
  dropBefore,
  dropFrom,
  lengthOf,
  lowerBound,
  type Recent,
  timeAt,
  upsert,
  valueAt,
} from './recent.ts';

const dump = (recent: Recent): readonly (readonly number[])[] =>
  Array.from({ length: lengthOf(recent) }, (_, i) => [timeAt(recent, i), valueAt(recent, i)]);

test.each([
  ['in order', [1, 2, 3, 4]],
  ['backwards', [4, 3, 2, 1]],
  ['shuffled', [3, 1, 4, 2]],
  ['with one twice', [1, 2, 2, 3, 4, 1]],
])('samples that come %s are kept in order', (_, order) => {
  const recent = createRecent();
  for (const at of order) upsert(recent, at, at * 10, NO_BAND);
  expect(dump(recent)).toEqual([1, 2, 3, 4].map((at) => [at, at * 10]));
});

test('a sample of a time already there replaces value and band', () => {
  const recent = createRecent();
  upsert(recent, 1, 10, NO_BAND);
  const band = { ...NO_BAND, expected: 5 };
  upsert(recent, 1, 11, band);
  expect(dump(recent)).toEqual([[1, 11]]);
  expect(bandAt(recent, 0)).toEqual(band);
});

test('a sliding window behaves as a sorted list does, whatever comes and goes', () => {
  const recent = createRecent();
  const model = new Map<number, { readonly value: number; readonly band: typeof NO_BAND }>();
  let state = 1;
  const random = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  for (let step = 0; step < 5000; step++) {
    const at = step + random(40) - 20;
    const sample = { value: step, band: { ...NO_BAND, expected: step } };
    upsert(recent, at, sample.value, sample.band);
    model.set(at, sample);
    if (random(10) === 0) {
      const cut = step - 100 - random(50);
      dropBefore(recent, lowerBound(recent, cut));
      for (const time of model.keys()) if (time < cut) model.delete(time);
    }
    if (random(200) === 0) {
      dropFrom(recent, lowerBound(recent, step - 5));
      for (const time of model.keys()) if (time >= step - 5) model.delete(time);
    }
  }
  const expected = [...model].sort(([a], [b]) => a - b);
  expect(dump(recent)).toEqual(expected.map(([at, { value }]) => [at, value]));
  expect(expected.map((_, i) => bandAt(recent, i).expected)).toEqual(expected.map(([, { band }]) => band.expected));
  expect(recent.bytes).toBeLessThan(20_000);
  // Rows of bands that no sample has any more are used again.
  expect(recent.rows).toBeLessThan(3 * expected.length);
});
