import { describe, expect, test } from 'vitest';
import type { Band, Reading } from '../../model/index.ts';
import { type PercentileRule, percentileAbove } from './percentile.ts';

const START = Date.UTC(2026, 10, 23, 12);
const MINUTE = 60_000;

const RULE: PercentileRule = {
  ratio: 1.25,
  floorSeconds: 0.025,
  need: 3,
  of: 5,
  minimumSamples: 200,
  clearShare: 0.2,
};

const BAND: Band = {
  expected: 0.2,
  lower: 0.17,
  upper: 0.23,
  mean: 0.2,
  samples: 420,
  ready: true,
  profile: 'hour_of_day',
};

function reading(signal: string, values: readonly number[], band: Partial<Band> = {}, periodMs = MINUTE): Reading {
  const samples = values.map((value, i) => ({ at: START + i * periodMs, value, band: { ...BAND, ...band } }));
  const unit = signal === 'requests' ? 'count' : 's';
  return { target: 'api', signal, labels: {}, unit, periodMs, samples, freshness: 'present' };
}

const minutes = (...values: readonly number[]): readonly number[] => [0.2, 0.21, 0.19, 0.2, 0.2, ...values];
const p95 = (...values: readonly number[]): Reading => reading('latency_p95', minutes(...values));
const asked = (length: number, each = 2000): Reading =>
  reading(
    'requests',
    Array.from({ length }, () => each),
  );
const state = (latency: Reading, requests: Reading | undefined = asked(10), active = false): string =>
  percentileAbove(latency, requests, RULE, active).state;

describe('a rise', () => {
  test('of three in five samples is found, with what it was and since when', () => {
    expect(percentileAbove(p95(0.3, 0.22, 0.4, 0.21, 0.35), asked(10), RULE, false)).toEqual({
      state: 'departed',
      departure: {
        at: START + 9 * MINUTE,
        value: 0.35,
        baseline: 0.2,
        limit: 0.25,
        worst: 0.4,
        onset: { earliest: START + 4 * MINUTE, latest: START + 5 * MINUTE },
      },
    });
  });

  test.each([
    ['is not one with two of five', [0.3, 0.2, 0.2, 0.2, 0.35]],
    ['is over with the newest within the limit', [0.3, 0.4, 0.4, 0.4, 0.24]],
    ['of less than a quarter is none', [0.24, 0.24, 0.24, 0.24, 0.24]],
  ])('%s', (_, values) => {
    expect(state(p95(...values))).toBe('clear');
  });

  test('must be more than the floor, where the baseline is small', () => {
    const small = { expected: 0.02, lower: 0.015, upper: 0.025 };
    expect(state(reading('latency_p95', minutes(0.04, 0.04, 0.04), small))).toBe('clear');
    expect(state(reading('latency_p95', minutes(0.05, 0.05, 0.05), small))).toBe('departed');
  });

  test('must be out of the band, where the series is restless', () => {
    const restless = { upper: 0.5 };
    expect(state(reading('latency_p95', minutes(0.4, 0.4, 0.4), restless))).toBe('clear');
    expect(state(reading('latency_p95', minutes(0.61, 0.61, 0.61), restless))).toBe('departed');
  });
});

describe('samples of few requests', () => {
  const requests = (...last: readonly number[]): Reading =>
    reading('requests', [...Array.from({ length: 10 - last.length }, () => 2000), ...last]);

  test('do not count', () => {
    expect(state(p95(0.9, 0.9, 0.9, 0.9, 0.9), requests(199, 199, 199, 200, 200))).toBe('clear');
    expect(state(p95(0.9, 0.9, 0.9, 0.9, 0.9), requests(199, 199, 200, 200, 200))).toBe('departed');
  });

  test('alone are no judgement', () => {
    expect(state(p95(0.9, 0.9, 0.9, 0.9, 0.9), requests(50, 50, 50, 50, 50))).toBe('not_ready');
    expect(state(p95(0.9, 0.9, 0.9, 0.9, 0.9), reading('requests', []))).toBe('not_ready');
  });

  test('are all of a time when the period of latency is longer', () => {
    const fives = reading('latency_p95', minutes(0.3, 0.3, 0.3), {}, 5 * MINUTE);
    expect(state(fives, asked(40, 41))).toBe('departed');
    expect(state(fives, asked(40, 39))).toBe('not_ready');
  });

  test('are a part of a count over a longer period', () => {
    const fives = reading('requests', [1100, 900], {}, 5 * MINUTE);
    expect(state(p95(0.3, 0.3, 0.3, 0.3, 0.3), fives)).toBe('not_ready');
    expect(state(p95(0.3, 0.3, 0.3, 0.3, 0.3), reading('requests', [900, 1100], {}, 5 * MINUTE))).toBe('departed');
  });

  test('count where nobody bound the requests', () => {
    expect(percentileAbove(p95(0.3, 0.3, 0.3), undefined, RULE, false).state).toBe('departed');
  });
});

describe('once departed', () => {
  // The limit is 0.25 s, a fifth of its 0.05 s above the baseline less is 0.24 s.
  test.each([
    [0.245, 'departed'],
    [0.239, 'clear'],
  ])('a value of %d s is %s', (value, expected) => {
    expect(state(p95(0.3, 0.3, 0.3, 0.3, value), asked(10), true)).toBe(expected);
    expect(state(p95(0.3, 0.3, 0.3, 0.3, value), asked(10), false)).toBe('clear');
  });
});

test('without samples or without a band there is no judgement', () => {
  expect(state(reading('latency_p95', []))).toBe('not_ready');
  expect(state(reading('latency_p95', minutes(0.9, 0.9, 0.9), { ready: false }))).toBe('not_ready');
});
