import { expect, test } from 'vitest';
import { binomialUpperTail, poissonUpperTail } from './tails.ts';

const relative = (got: number, expected: number): number => Math.abs(got / expected - 1);

// scipy 1.17.1: scipy.stats.poisson.sf(k - 1, mean)
test.each([
  [1, 0.2, 0.18126924692201815],
  [5, 0.02, 2.6226009622220556e-11],
  [5, 0.01, 8.264185641806515e-13],
  [10, 1, 1.1142547833872071e-7],
  [36, 20, 0.00080365996140446],
  [80, 20, 4.6171994563211356e-24],
  [161, 60, 3.50276245577946e-27],
  [1000, 900, 0.0005499022657117818],
  [1000, 1200, 0.9999999987118394],
  [10_000, 9600, 2.5470314183846415e-5],
  [100_000, 98_500, 9.382554994077976e-7],
])('at least %d events of a Poisson mean of %d have a probability of %d', (k, mean, expected) => {
  expect(relative(poissonUpperTail(k, mean), expected)).toBeLessThan(1e-9);
});

// scipy 1.17.1: scipy.special.gammainc(k / 7.5, mean / 7.5)
test.each([
  [20, 0.35, 6.8011521855369e-5],
  [40, 0.35, 3.579764824026147e-10],
])('%d events in clusters of 7.5, of a mean of %d, have a probability of %d', (k, mean, expected) => {
  expect(relative(poissonUpperTail(k, mean, 7.5), expected)).toBeLessThan(1e-9);
  expect(poissonUpperTail(k, mean, 0.5)).toBe(poissonUpperTail(k, mean));
});

// scipy 1.17.1: scipy.stats.binom.sf(k - 1, n, p)
test.each([
  [5, 20, 0.01, 1.3677986328934107e-6],
  [36, 10_000, 0.002, 0.000793420051834079],
  [60, 200, 0.05, 5.282389253739885e-30],
  [10, 200, 0.05, 0.5452901913191844],
  [700, 10_000, 0.05, 2.2880003464660187e-18],
  [51_000, 1_000_000, 0.05, 2.4113966830816106e-6],
  [200, 200, 0.5, 6.223015277861142e-61],
  [1, 1_000_000, 1e-9, 0.0009995001671245088],
])('at least %d of %d at a probability of %d have one of %d', (k, n, p, expected) => {
  expect(relative(binomialUpperTail(k, n, p), expected)).toBeLessThan(1e-6);
});

/** C(n, k) exactly. */
function choose(n: bigint, k: bigint): bigint {
  let result = 1n;
  for (let i = 1n; i <= k; i++) result = (result * (n - k + i)) / i;
  return result;
}

test('the tail of a share of 1/8 is the exact sum of its terms', () => {
  for (let k = 1n; k <= 30n; k++) {
    let sum = 0n;
    for (let i = k; i <= 30n; i++) sum += choose(30n, i) * 7n ** (30n - i);
    // Divided with 40 digits kept: the deepest tail is 8 ** -30.
    const exact = Number((sum * 10n ** 40n) / 8n ** 30n) / 1e40;
    expect(relative(binomialUpperTail(Number(k), 30, 1 / 8), exact)).toBeLessThan(1e-6);
  }
});

// scipy 1.17.1: poisson.sf(119999, 119000) = 0.0019, binom.sf(119999, 10**7, 0.0119) = 0.0018; Chernoff's bound is above.
test('of more than 100,000 events the tail is bounded from above, and at once', () => {
  expect(poissonUpperTail(120_000, 119_000)).toBeGreaterThan(0.0019);
  expect(poissonUpperTail(120_000, 119_000)).toBeLessThan(0.02);
  expect(binomialUpperTail(120_000, 1e7, 0.0119)).toBeGreaterThan(0.0018);
  expect(binomialUpperTail(120_000, 1e7, 0.0119)).toBeLessThan(0.02);
  expect(poissonUpperTail(1e9, 9e8)).toBe(0);
  expect(poissonUpperTail(9e8, 1e9)).toBe(1);
  expect(binomialUpperTail(5e8, 1e9, 0.4)).toBe(0);
  expect(binomialUpperTail(1e9, 1e9, 0.4)).toBe(0);
  expect(binomialUpperTail(3e8, 1e9, 0.4)).toBe(1);
});

test.each([
  ['no events are certain', poissonUpperTail(0, 3), 1],
  ['an event where none can be is impossible', poissonUpperTail(1, 0), 0],
  ['none of none is certain', binomialUpperTail(0, 0, 0.5), 1],
  ['more than all is impossible', binomialUpperTail(6, 5, 0.5), 0],
  ['one at no probability is impossible', binomialUpperTail(1, 5, 0), 0],
  ['all at full probability is certain', binomialUpperTail(5, 5, 1), 1],
  ['a mean that is not known gives nothing known', poissonUpperTail(5, Number.NaN), Number.NaN],
  ['a negative mean gives nothing known', poissonUpperTail(5, -1), Number.NaN],
  ['a probability above 1 gives nothing known', binomialUpperTail(5, 10, 1.1), Number.NaN],
])('%s', (_, got, expected) => {
  expect(got).toBe(expected);
});
