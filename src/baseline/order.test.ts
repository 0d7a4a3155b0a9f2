import { expect, test } from 'vitest';
import { mad, median } from '../stats/index.ts';
import { deviationOf, medianOf } from './order.ts';

test('median and deviation are those of the sorted column, whatever its length and order', () => {
  let state = 1;
  const random = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  for (let count = 1; count <= 300; count++) {
    // Many equal ones, few equal ones, rising, falling.
    const columns = [3, 10_000].map((of) => Array.from({ length: count }, () => random(of) - 1));
    columns.push(
      [...columns[1]!].sort((a, b) => a - b),
      [...columns[1]!].sort((a, b) => b - a),
    );
    for (const column of columns) {
      const scratch = Float64Array.from([...column, -99, 99]);
      const center = medianOf(scratch, count);
      expect(center).toBe(median(column));
      expect(deviationOf(scratch, count, center)).toBeCloseTo(mad(column), 9);
      expect([...scratch.slice(count)]).toEqual([-99, 99]);
    }
  }
});

test('no values have no median', () => {
  expect(medianOf(new Float64Array(1), 0)).toBeNaN();
  expect(deviationOf(new Float64Array(1), 0, 1)).toBeNaN();
});
