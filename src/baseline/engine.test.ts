import { describe, expect, test } from 'vitest';
import {
  absorbEngine,
  BUCKET_MS,
  createEngine,
  type Engine,
  expectedAt,
  learnValues,
  restoreState,
  STATE_LENGTH,
  stateOf,
} from './engine.ts';
import { spreadFloor } from './spread.ts';

const START = Date.UTC(2026, 10, 23);
const MINUTE = 60_000;

function engine(warmupBuckets = 12): Engine {
  return createEngine({ unit: 's', warmupBuckets });
}

/** One value each `periodMs` from `from` on. */
function feed(to: Engine, from: number, count: number, periodMs: number, value: (i: number) => number): number {
  const times = Float64Array.from({ length: count }, (_, i) => from + i * periodMs);
  learnValues(
    to,
    times,
    times.map((_, i) => value(i)),
  );
  return from + count * periodMs;
}

/** mulberry32 and Box–Muller: the same normal values at every run. */
function normal(seed: number): () => number {
  let state = seed;
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return () => Math.sqrt(-2 * Math.log(uniform() || 1e-12)) * Math.cos(2 * Math.PI * uniform());
}

test('the band is declared not ready until the warm-up is over', () => {
  const e = engine();
  expect(expectedAt(e, START)).toMatchObject({ ready: false, profile: 'none', expected: Number.NaN });
  // Twelve buckets are closed when the first value of the thirteenth comes.
  let at = feed(e, START, 60, MINUTE, () => 10);
  expect(expectedAt(e, at).ready).toBe(false);
  at = feed(e, at, 1, MINUTE, () => 10);
  expect(expectedAt(e, at)).toMatchObject({ ready: true, profile: 'last_24h', expected: 10 });
});

test('the band is one object until a bucket closes', () => {
  const e = engine();
  const at = feed(e, START, 61, MINUTE, () => 10);
  const band = expectedAt(e, at);
  feed(e, at, 4, MINUTE, () => 99);
  expect(expectedAt(e, at)).toBe(band);
  feed(e, at + 4 * MINUTE, 1, MINUTE, () => 99);
  expect(expectedAt(e, at)).not.toBe(band);
});

// Bucket medians 1…12 (numpy: median 6.5, 1.4826 × MAD 4.4478), one value a bucket, so nothing is added from within.
test('level and spread are the median and the scaled deviation of the bucket medians', () => {
  const e = engine();
  const at = feed(e, START, 13, BUCKET_MS, (i) => i + 1);
  expect(expectedAt(e, at)).toMatchObject({ expected: 6.5, lower: 0 });
  expect(expectedAt(e, at).upper).toBeCloseTo(6.5 + 3 * 4.4478, 10);
});

test('a series that never moves has a band of three spread floors', () => {
  const e = engine();
  const at = feed(e, START, 61, MINUTE, () => 100);
  // 1 % of the level is more than 50 ms.
  expect(expectedAt(e, at)).toMatchObject({ expected: 100, lower: 97, upper: 103 });
  const small = engine();
  feed(small, START, 61, MINUTE, () => 0);
  expect(expectedAt(small, at).upper).toBeCloseTo(3 * spreadFloor('s', 0), 12);
  expect(expectedAt(small, at).lower).toBe(0);
});

describe.each([
  ['15 s', 15_000],
  ['1 min', MINUTE],
  ['5 min', BUCKET_MS],
])('normal noise sampled each %s', (_, periodMs) => {
  // Three standard deviations hold 99.73 % of normal values: the share outside is 0.27 %.
  test('leaves the band about as seldom as a normal distribution does', () => {
    const e = createEngine({ unit: 's', warmupBuckets: 12 });
    const noise = normal(7);
    const at = feed(e, START, Math.ceil((24 * 60 * MINUTE) / periodMs), periodMs, () => 100 + 5 * noise());
    const { lower, upper } = expectedAt(e, at);
    let outside = 0;
    for (let i = 0; i < 20_000; i++) {
      const value = 100 + 5 * noise();
      if (value < lower || value > upper) outside++;
    }
    expect(outside / 20_000).toBeLessThan(0.01);
    expect(upper - lower).toBeLessThan(1.35 * 30);
  });
});

test('three bad hours of a day hardly move the level', () => {
  const e = engine();
  const noise = normal(3);
  const at = feed(e, START, 24 * 60, MINUTE, (i) => (i >= 600 && i < 780 ? 500 : 100 + noise()));
  expect(expectedAt(e, at).expected).toBeGreaterThan(99);
  expect(expectedAt(e, at).expected).toBeLessThan(102);
});

test('many values in a bucket are thinned and their median is kept', () => {
  const e = engine(1);
  // 300 a bucket; a rising ramp has the same median however it is thinned, up to a step of it.
  const at = feed(e, START, 301, 1000, (i) => i);
  expect(Math.abs(expectedAt(e, at).expected - 149.5)).toBeLessThan(8);
});

test('only the last 24 h count', () => {
  const e = engine();
  const at = feed(e, START, 288 * 5, MINUTE, () => 10);
  const later = feed(e, at, 288 * 5 + 1, MINUTE, () => 20);
  expect(expectedAt(e, later)).toMatchObject({ expected: 20, upper: 20.6 });
});

test('a gap of days changes nothing, one of more than a week begins anew', () => {
  const day = 24 * 60 * MINUTE;
  const e = engine();
  const at = feed(e, START, 61, MINUTE, () => 10);
  const band = expectedAt(e, at);
  expect(expectedAt(e, at + 6 * day)).toEqual(band);
  expect(expectedAt(e, at + 8 * day).ready).toBe(false);
  feed(e, at + 8 * day, 1, MINUTE, () => 10);
  expect(expectedAt(e, at + 8 * day).ready).toBe(false);
});

test('a clock that was set back goes on in the same ring', () => {
  const e = engine();
  const at = feed(e, START, 61, MINUTE, () => 10);
  feed(e, at - 60 * MINUTE, 30, MINUTE, () => 10);
  expect(expectedAt(e, at - 30 * MINUTE)).toMatchObject({ expected: 10, ready: true });
});

test('a restored state goes on exactly as the original', () => {
  const a = engine();
  const noise = normal(5);
  const at = feed(a, START, 24 * 60 + 3, MINUTE, () => 100 + 5 * noise());
  const b = engine();
  expect(restoreState(b, stateOf(a))).toBe(true);
  expect(expectedAt(b, at)).toEqual(expectedAt(a, at));
  const values = Array.from({ length: 600 }, () => 100 + 5 * noise());
  for (const e of [a, b]) feed(e, at, 600, 15_000, (i) => values[i]!);
  expect(stateOf(b)).toEqual(stateOf(a));
  expect(expectedAt(b, at)).toEqual(expectedAt(a, at));
});

test('a state of another length is refused', () => {
  const e = engine();
  expect(restoreState(e, new Float32Array(STATE_LENGTH - 1))).toBe(false);
});

test('what another engine learned is taken over as if it had been learned here', () => {
  const noise = normal(9);
  const values = Array.from({ length: 40 * 60 }, () => 100 + 5 * noise());
  const cut = 25 * 60; // a bucket's edge
  const whole = engine();
  const first = engine();
  const second = engine();
  feed(whole, START, values.length, MINUTE, (i) => values[i]!);
  feed(first, START, cut, MINUTE, (i) => values[i]!);
  feed(second, START + cut * MINUTE, values.length - cut, MINUTE, (i) => values[cut + i]!);
  absorbEngine(first, second);
  const at = START + values.length * MINUTE;
  const { mean, dispersion, samples, ...rest } = expectedAt(first, at);
  expect(expectedAt(whole, at)).toMatchObject(rest);
  // These fade with time, and what was learned apart has not faded yet.
  expect(Math.abs(mean / expectedAt(whole, at).mean - 1)).toBeLessThan(0.001);
  expect(Math.abs(samples / expectedAt(whole, at).samples - 1)).toBeLessThan(0.01);
  expect(Math.abs(dispersion! / expectedAt(whole, at).dispersion! - 1)).toBeLessThan(0.01);
});

test('a state is at most 4 KB', () => {
  expect(STATE_LENGTH * 4).toBeLessThanOrEqual(4096);
});
