import { expect, test } from 'vitest';
import { sigmoid } from './sigmoid.ts';

// scipy 1.17.1: scipy.special.expit(x)
test.each([
  [-1000, 0],
  [-40, 4.248354255291589e-18],
  [-2.5, 0.07585818002124355],
  [-1, 0.2689414213699951],
  [0, 0.5],
  [0.3, 0.574442516811659],
  [1, 0.7310585786300049],
  [2.5, 0.9241418199787566],
  [36, 0.9999999999999998],
  [1000, 1],
])('log odds of %d are a probability of %d', (logOdds, expected) => {
  const got = sigmoid(logOdds);
  expect(Math.abs(got - expected)).toBeLessThanOrEqual(expected * 4e-16);
});
