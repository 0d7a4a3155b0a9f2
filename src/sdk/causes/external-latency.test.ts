import { describe, expect, test } from 'vitest';
import type { Question, QuestionTypes, Symptom, Target } from '../../model/index.ts';
import type { Answered, Facts } from '../detector.ts';
import { externalSlowHypotheses } from './external-latency.ts';

const MINUTE = 60_000;
const NOW = Date.UTC(2026, 10, 23, 14, 5);
const API: Target = { name: 'api', kind: 'service', dependsOn: ['stripe'], slots: {} };
const STRIPE: Target = { name: 'stripe', kind: 'dependency', dependsOn: [], hosts: ['stripe.com'], slots: {} };
const SYMPTOM: Symptom = {
  detector: 'high-latency',
  target: 'api',
  subject: '',
  severity: 'error',
  headline: 'p95 2.9 s',
  summary: '',
  onset: { earliest: NOW - 5 * MINUTE, latest: NOW - 4 * MINUTE },
  readings: [],
};
const facts = (on: Target): Facts => ({ now: NOW, target: API, on, onset: SYMPTOM.onset, options: {} });

type Series = QuestionTypes['series']['value'];

/** Twenty minutes as usual, then five as now. */
const series = (hosts: Readonly<Record<string, readonly [usual: number, now: number]>>): Series => ({
  unit: 's',
  points: Object.entries(hosts).flatMap(([host, [usual, now]]) =>
    Array.from({ length: 25 }, (_, index) => ({
      labels: host === '' ? {} : { host },
      at: NOW - (24 - index) * MINUTE,
      value: index < 20 ? usual : now,
      expected: usual,
      lower: usual * 0.8,
      upper: usual * 1.2,
    })),
  ),
});

const hostLatency = externalSlowHypotheses()[0]!.probes.find((one) => one.id === 'host-latency')!;

function judged(hosts: Parameters<typeof series>[0], own: readonly [number, number] | null = null, on = STRIPE) {
  const answered: Answered = (question) =>
    own !== null && (question as Question<'series'>).params.signal === 'latency_p95'
      ? (series({ '': own }) as never)
      : null;
  return hostLatency.judge(series(hosts), SYMPTOM, facts(on), answered);
}

describe('a slow vendor', () => {
  test('its host is slow and the others are not; a host below a configured one is its own', () => {
    expect(judged({ 'api.stripe.com': [0.3, 2.3], 'api.twilio.com': [0.2, 0.2] })).toMatchObject({
      state: 'supports',
      weight: 3.7,
      observed: 'api.stripe.com takes 2.3 s (baseline 0.3 s); 1 of 1 other hosts are as before',
      slots: { timeoutMs: 1500 },
    });
  });

  test('it is as fast as before', () => {
    expect(judged({ 'api.stripe.com': [0.3, 0.32], 'api.twilio.com': [0.2, 3] })).toMatchObject({
      state: 'opposes',
      headline: 'api.stripe.com 0.32 s, as before',
    });
  });

  test('where all hosts are slower it is hardly this one', () => {
    const found = judged({ 'api.stripe.com': [0.3, 2.3], 'api.twilio.com': [0.2, 2] });
    expect(found.weight).toBe(1);
    expect(found.observed).toMatch(/1 of 1 other hosts are slower too/);
  });

  test('a tenth of a second more does not explain two', () => {
    const found = judged({ 'api.stripe.com': [0.2, 0.3], 'api.twilio.com': [0.2, 0.2] }, [0.2, 2.2]);
    expect(found).toMatchObject({ state: 'supports', weight: 1.5 });
  });

  test('without hosts in the configuration it cannot be seen', () => {
    const { hosts: _, ...bare } = STRIPE;
    expect(judged({ 'api.stripe.com': [0.3, 2.3] }, null, bare)).toMatchObject({
      state: 'unknown',
      because: 'not_configured',
      grant: 'dependencies.stripe.hosts',
    });
  });

  test.each([
    [0.05, 4, 1000],
    [0.3, 2.3, 1500],
    [3, 20, 5000],
    [2, 3, undefined],
  ])('usually %d s and now %d s: give up after %s ms', (usual, now, timeoutMs) => {
    expect(judged({ 'api.stripe.com': [usual, now], 'api.twilio.com': [0.2, 0.2] }).slots).toEqual(
      timeoutMs === undefined ? {} : { timeoutMs },
    );
  });
});
