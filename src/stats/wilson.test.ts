import { expect, test } from 'vitest';
import { wilsonLower, wilsonUpper } from './wilson.ts';

// scipy 1.17.1: scipy.stats.binomtest(k, n).proportion_ci(0.95, 'wilson')
test.each([
  [0, 300, 0, 0.012642971224546036],
  [20, 10_000, 0.0012951117125432855, 0.0030873506646506045],
  [9, 4800, 0.000986776174623047, 0.0035598890323623716],
  [5, 5, 0.5655175352168251, 1],
  [1, 2, 0.09453120573423074, 0.9054687942657693],
  [2000, 1_000_000, 0.001914327754589874, 0.002089498323697815],
])('%d of %d is between %d and %d', (k, n, lower, upper) => {
  expect(wilsonLower(k, n, 0.95)).toBeCloseTo(lower, 9);
  expect(wilsonUpper(k, n, 0.95)).toBeCloseTo(upper, 9);
});

test('of nothing seen the share may be anything', () => {
  expect([wilsonLower(0, 0, 0.95), wilsonUpper(0, 0, 0.95)]).toEqual([0, 1]);
});
