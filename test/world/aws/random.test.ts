import { describe, expect, test } from 'vitest';
import { type Component, sampleQuantile } from './latency.ts';
import { binomial, inverseNormal, normal, normalCdf, poisson, split, uniform } from './random.ts';

describe('draws', () => {
  // R: qnorm(c(0.001, 0.05, 0.5, 0.95, 0.999)), pnorm(c(-2, 0, 1.5)).
  test.each([
    [0.001, -3.090232306167813],
    [0.05, -1.6448536269514729],
    [0.5, 0],
    [0.95, 1.6448536269514722],
    [0.999, 3.090232306167813],
  ])('the normal quantile of %d is R’s', (p, z) => expect(inverseNormal(p)).toBeCloseTo(z, 7));
  test.each([
    [-2, 0.02275013194817921],
    [0, 0.5],
    [1.5, 0.9331927987311419],
  ])('the normal distribution at %d is R’s', (z, p) => expect(normalCdf(z)).toBeCloseTo(p, 6));
  // R: qpois(c(.1, .5, .9), 4); qpois(c(.1, .5, .9), 400).
  test.each([
    [4, [2, 4, 7]],
    [400, [374, 400, 426]],
  ])('Poisson quantiles of mean %d are R’s', (mean, wanted) => {
    expect([0.1, 0.5, 0.9].map((u) => poisson(mean, u))).toEqual(wanted);
  });

  test('neighbouring coordinates are independent, and of mean 0 and variance 1', () => {
    const values = Array.from({ length: 20_000 }, (_, index) =>
      normal(7, Date.parse('2026-11-23') + index * 60_000, 3),
    );
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + value * value, 0) / values.length;
    const lagged = values.slice(1).reduce((sum, value, index) => sum + value * values[index]!, 0) / values.length;
    expect(Math.abs(mean)).toBeLessThan(0.03);
    expect(Math.abs(variance - 1)).toBeLessThan(0.04);
    expect(Math.abs(lagged)).toBeLessThan(0.03);
  });

  test('a binomial keeps its bounds, a split loses nothing', () => {
    for (let index = 0; index < 2_000; index += 1) {
      const n = Math.floor(uniform(1, index) * 5_000);
      const count = binomial(n, uniform(2, index), uniform(3, index));
      expect(count).toBeGreaterThanOrEqual(0);
      expect(count).toBeLessThanOrEqual(n);
      const parts = split(n, [5, 3, 2, 0.1], 9, index);
      expect(parts.reduce((sum, part) => sum + part, 0)).toBe(n);
      expect(Math.min(...parts)).toBeGreaterThanOrEqual(0);
    }
  });
});

describe('sample quantiles', () => {
  const usual: Component = { weight: 1_000, p50: 0.06, p95: 0.21, p99: 0.42 };
  test.each([
    [0.5, 0.06],
    [0.95, 0.21],
    [0.99, 0.42],
  ])('without chance, p%d is the shape’s', (p, wanted) =>
    expect(sampleQuantile([usual], p, 1e9, 0)).toBeCloseTo(wanted, 6),
  );

  test('a tenth of slow requests moves p95 and leaves the median', () => {
    const slow: Component = { weight: 111, p50: 3, p95: 5, p99: 6 };
    expect(sampleQuantile([usual, slow], 0.95, 1e9, 0)).toBeGreaterThan(2.5);
    expect(sampleQuantile([usual, slow], 0.5, 1e9, 0)).toBeLessThan(0.075);
  });

  test('the noise of p95 falls with the root of the count', () => {
    const sd = (n: number): number => {
      const logs = Array.from({ length: 4_000 }, (_, index) =>
        Math.log(sampleQuantile([usual], 0.95, n, normal(5, index))!),
      );
      const mean = logs.reduce((sum, value) => sum + value, 0) / logs.length;
      return Math.sqrt(logs.reduce((sum, value) => sum + (value - mean) ** 2, 0) / logs.length);
    };
    expect(sd(1_000) / sd(16_000)).toBeCloseTo(4, 0);
    expect(sampleQuantile([usual], 0.95, 0, 0)).toBeNull();
  });
});
