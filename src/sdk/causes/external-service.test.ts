import { describe, expect, test } from 'vitest';
import type { Question, QuestionTypes, Symptom, Target } from '../../model/index.ts';
import type { Answered, Facts } from '../detector.ts';
import { externalServiceHypotheses } from './external-service.ts';

const T0 = Date.UTC(2026, 10, 23, 14, 0, 0);
const API: Target = { name: 'api', kind: 'service', dependsOn: ['stripe'], slots: {} };
const STRIPE: Target = { name: 'stripe', kind: 'dependency', dependsOn: [], hosts: ['api.stripe.com'], slots: {} };
const facts = (on: Target = STRIPE): Facts => ({
  now: T0 + 300_000,
  target: API,
  on,
  onset: { earliest: T0, latest: T0 + 60_000 },
  options: {},
});
const symptom = { subject: '' } as Symptom;

type Series = QuestionTypes['series']['value'];
/** Five minutes before and three after the onset, by host. */
const series = (byHost: Readonly<Record<string, readonly [number, number]>>): Series => ({
  unit: 'count',
  points: Object.entries(byHost).flatMap(([host, [before, after]]) =>
    [-4, -3, -2, -1, 0, 1, 2, 3].map((minute) => ({
      labels: { host },
      at: T0 + minute * 60_000,
      value: minute <= 0 ? before : after,
      expected: null,
      lower: null,
      upper: null,
    })),
  ),
});
const knowing =
  (signals: Readonly<Record<string, Series>>): Answered =>
  (question: Question) =>
    (question.kind === 'series' ? (signals[(question as Question<'series'>).params.signal] ?? null) : null) as never;

const [down, slow] = externalServiceHypotheses({ variants: ['down', 'slow'] });

describe('calls that fail', () => {
  const judge = (failed: Series, all: Series, errors?: Series, on?: Target) =>
    down!.probes
      .find((one) => one.id === 'failed-calls')!
      .judge(
        failed,
        symptom,
        facts(on),
        knowing({ dependency_requests: all, ...(errors === undefined ? {} : { errors }) }),
      );
  const CALLS = series({ 'api.stripe.com': [100, 100], 'api.twilio.com': [50, 50] });

  test.each([
    ['to it alone', series({ 'api.stripe.com': [0, 90], 'api.twilio.com': [0, 0] }), 'supports', 4],
    ['to everybody', series({ 'api.stripe.com': [0, 90], 'api.twilio.com': [0, 45] }), 'opposes', -2],
    ['most of all to it', series({ 'api.stripe.com': [0, 90], 'api.twilio.com': [0, 12] }), 'supports', 1],
    ['to somebody else', series({ 'api.stripe.com': [0, 0], 'api.twilio.com': [0, 45] }), 'opposes', -4],
    ['as ever', series({ 'api.stripe.com': [3, 3], 'api.twilio.com': [0, 0] }), 'opposes', -4],
    ['somewhat more than ever', series({ 'api.stripe.com': [2, 5], 'api.twilio.com': [0, 0] }), 'neutral', 0],
  ] as const)('%s', (_name, failed, state, weight) => {
    expect(judge(failed, CALLS)).toMatchObject({ state, weight });
  });

  test('too few of them explain nothing', () => {
    const failed = series({ 'api.stripe.com': [0, 10] });
    expect(judge(failed, CALLS, series({ '': [0, 400] }))).toMatchObject({ state: 'supports', weight: 1 });
    expect(judge(failed, CALLS, series({ '': [0, 11] }))).toMatchObject({ state: 'supports', weight: 4 });
  });

  test('without hosts it cannot be told whose calls they are', () => {
    expect(judge(series({}), CALLS, undefined, { ...STRIPE, hosts: [] })).toMatchObject({
      state: 'unknown',
      because: 'not_configured',
      grant: 'dependencies.NAME.hosts',
    });
  });
});

describe('calls that take long', () => {
  const judge = (latency: Series) =>
    slow!.probes.find((one) => one.id === 'slow-calls')!.judge(latency, symptom, facts(), () => null);

  test.each([
    ['to it alone', series({ 'api.stripe.com': [0.2, 2.4], 'api.twilio.com': [0.1, 0.1] }), 'supports', 4],
    ['to everybody', series({ 'api.stripe.com': [0.2, 2.4], 'api.twilio.com': [0.1, 1.1] }), 'supports', 1],
    ['as ever', series({ 'api.stripe.com': [0.2, 0.21], 'api.twilio.com': [0.1, 0.1] }), 'opposes', -4],
  ] as const)('%s', (_name, latency, state, weight) => {
    expect(judge(latency)).toMatchObject({ state, weight });
  });

  test('the timeout to set is well above what healthy calls take and at most five seconds', () => {
    const timeout = (before: number) => judge(series({ 'api.stripe.com': [before, before * 10] })).slots;
    expect(timeout(0.05)).toEqual({ timeoutMs: 1000 });
    expect(timeout(0.42)).toEqual({ timeoutMs: 2500 });
    expect(timeout(2)).toEqual({ timeoutMs: 5000 });
  });
});
