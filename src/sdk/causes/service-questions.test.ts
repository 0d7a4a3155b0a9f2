import { describe, expect, test } from 'vitest';
import type { LogErrorsAnswer, LogTemplate, Target } from '../../model/index.ts';
import type { Facts } from '../detector.ts';
import { isHostOf, isServerError, logShare, partsBy, rateOf, rateText, sumsAtOnset } from './service-questions.ts';

const T0 = Date.UTC(2026, 10, 23, 14, 0, 0);
const TARGET: Target = { name: 'api', kind: 'service', dependsOn: [], slots: {} };
const facts: Facts = {
  now: T0 + 300_000,
  target: TARGET,
  on: TARGET,
  onset: { earliest: T0, latest: T0 + 60_000 },
  options: {},
};
const point = (minute: number, value: number, labels: Readonly<Record<string, string>> = {}) => ({
  labels,
  at: T0 + minute * 60_000,
  value,
  expected: null,
  lower: null,
  upper: null,
});

test('samples up to the last good one are before, those from the first bad one on are after', () => {
  expect(sumsAtOnset([point(-1, 1), point(0, 2), point(1, 40), point(2, 80)], facts)).toEqual({
    before: 3,
    after: 120,
  });
  expect(sumsAtOnset(null, facts)).toEqual({ before: 0, after: 0 });
});

test('parts have their share of the errors beside their share of the traffic', () => {
  const parts = partsBy(
    'zone',
    [point(1, 90, { zone: 'b' }), point(1, 10, { zone: 'a' })],
    [point(1, 300, { zone: 'a' }), point(1, 100, { zone: 'b' }), point(-1, 9_000, { zone: 'a' })],
    facts,
  );
  expect(parts).toEqual([
    { name: 'b', errors: 90, requests: 100, errorShare: 0.9, trafficShare: 0.25 },
    { name: 'a', errors: 10, requests: 300, errorShare: 0.1, trafficShare: 0.75 },
  ]);
  expect(rateOf(parts)).toBe(0.25);
});

describe('which messages grew', () => {
  const template = (kind: LogTemplate['kind'], count: number, before: number): LogTemplate => ({
    template: kind,
    kind,
    host: null,
    count,
    before,
    firstAt: T0,
    lastAt: T0,
  });
  const logs = (templates: readonly LogTemplate[], beforeSeconds = 600): LogErrorsAnswer => ({
    from: T0 - 600_000,
    to: T0 + 300_000,
    logGroup: '/aws/ecs/api',
    partial: false,
    count: 0,
    before: 0,
    beforeSeconds,
    templates,
    byTask: {},
  });

  test('what was there before at the same rate is not counted', () => {
    // 400 in the ten minutes before are 200 in the five since: only the 30 others are additional.
    const found = logShare(
      logs([template('other', 200, 400), template('timeout', 30, 0)]),
      facts,
      ({ kind }) => kind === 'timeout',
    );
    expect(found).toMatchObject({ fitting: 30, all: 30, share: 1, top: { kind: 'timeout' } });
  });

  test('without a time before, all of them count', () => {
    expect(logShare(logs([template('other', 50, 0)], 0), facts, () => false)).toMatchObject({
      all: 50,
      share: 0,
      top: null,
    });
  });
});

test.each([
  ['api.stripe.com', true],
  ['API.Stripe.com', true],
  ['eu.api.stripe.com', true],
  ['notapi.stripe.com', false],
  ['stripe.com', false],
  [null, false],
] as const)('%s is a host of api.stripe.com: %s', (host, expected) => {
  expect(isHostOf(host, ['api.stripe.com'])).toBe(expected);
});

test.each([
  [0.0391, '3.9 %'],
  [0.002, '0.2 %'],
  [0.0004, '< 0.1 %'],
  [0, '0 %'],
  [0.314, '31 %'],
  [0.0999, '10 %'],
])('a rate of %f reads %s', (rate, text) => {
  expect(rateText(rate)).toBe(text);
});

test('a 5xx status is told from others', () => {
  expect(['500', '503', '5xx', '404', '200', undefined].map(isServerError)).toEqual([
    true,
    true,
    true,
    false,
    false,
    false,
  ]);
});
