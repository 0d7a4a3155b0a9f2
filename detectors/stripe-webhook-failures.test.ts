import type { Change, Reading, VendorStatusAnswer } from 'runbookd/sdk';
import { type CaseAnswers, describeDetector, NOW, unknownAnswer } from 'runbookd/testing';
import { expect, test } from 'vitest';
import {
  alone,
  calm,
  change,
  confidenceOf,
  counts,
  DB,
  databaseCases,
  even,
  logs,
  MINUTE,
  newVersion,
  ONSET,
  rolledBack,
  STRIPE,
  STRIPE_TIMEOUT,
  service,
  TYPE_ERROR,
  template,
  vendorCallsFail,
} from '../test/cases/service.ts';
import { detector } from './stripe-webhook-failures.ts';

const PAYMENT = service('payment');
const CALM = calm('payment');

const events = (result: string, before: number, after: readonly number[], source = 'stripe'): Reading =>
  counts('webhook_events', before, after, { target: 'payment', labels: { source, result } });
const webhooks = (ok: number, signature: number, handler: number): readonly Reading[] => [
  events('ok', 120, [ok, ok, ok]),
  events('signature_failed', 0.05, [signature, signature, signature]),
  events('handler_failed', 0.3, [handler, handler, handler]),
  events('ok', 12, [12, 12, 12], 'twilio'),
];
const QUIET = webhooks(120, 0, 0);
const SIGNATURES = webhooks(0, 120, 0);
const HANDLER = webhooks(20, 0, 100);

const MISMATCH = template(
  'StripeSignatureVerificationError: No signatures found matching the expected signature for payload. Are you passing the raw request body you received from Stripe?',
  'authentication',
  120,
);
const PARSED = template(
  'StripeSignatureVerificationError: Webhook payload must be provided as a string or a Buffer instance representing the _raw_ request body. Payload was provided as a parsed JavaScript object instead.',
  'exception',
  120,
);
const CLOCK = template('StripeSignatureVerificationError: Timestamp outside the tolerance zone', 'exception', 120);

const NONE = Array.from({ length: 12 }, () => 0);
const paid = (before: number, after: number): readonly Reading[] => [
  counts(
    'payment_attempts',
    before,
    Array.from(NONE, () => after),
    { target: 'payment' },
  ),
  counts(
    'payment_errors',
    before * 0.04,
    Array.from(NONE, () => after * 0.04),
    {
      target: 'payment',
      labels: { type: 'card_error', code: 'card_declined' },
    },
  ),
];
const SILENT = [events('ok', 120, NONE), events('signature_failed', 0.05, NONE), ...paid(90, 90)];

const page = (
  indicator: VendorStatusAnswer['indicator'],
  description: string,
  incident?: string,
): VendorStatusAnswer => ({
  at: NOW,
  page: 'status.stripe.com',
  indicator,
  description,
  incidents:
    incident === undefined ? [] : [{ name: incident, status: 'investigating', impact: indicator, startedAt: ONSET }],
  components: [],
});

const saying = (message: typeof MISMATCH, over: CaseAnswers = {}): CaseAnswers => ({
  ...CALM,
  'logs.errors': logs([message], even(20)),
  ...over,
});
const rotated = (at: number): Change => change('payment', 'secret stripe_webhook_secret rotated', at);

describeDetector(detector, {
  target: PAYMENT,
  dependencies: [DB, STRIPE],
  silent: [
    { name: 'all pass', readings: QUIET },
    { name: 'one that failed', readings: [events('ok', 40, [39, 40, 40]), events('handler_failed', 0.1, [1, 0, 0])] },
    {
      name: 'those of another source fail',
      readings: [...QUIET, events('signature_failed', 0.1, [12, 12, 12], 'twilio')],
    },
    { name: 'nothing has ever failed', readings: [events('ok', 40, [40, 40, 40])] },
    { name: 'none come at night, when few would', readings: [events('ok', 2, NONE), ...paid(2, 2)] },
    { name: 'none come, and nobody pays either', readings: [events('ok', 120, NONE), ...paid(90, 0)] },
    { name: 'none came for two minutes', readings: [events('ok', 120, [120, 0, 0]), ...paid(90, 90)] },
    { name: 'ten times as many come, as after an outage', readings: [events('ok', 120, [1200, 1100, 900])] },
  ],
  firing: [
    {
      name: 'all signatures fail',
      readings: SIGNATURES,
      severity: 'critical',
      headline: /^100 % of stripe webhooks fail \(signature; baseline 0\.3 %\)$/,
    },
    {
      name: 'the handler fails for most',
      readings: HANDLER,
      severity: 'critical',
      headline: /^83 % of stripe webhooks fail \(handler; baseline/,
    },
    {
      name: 'none come, while customers pay',
      subject: 'silence',
      readings: SILENT,
      severity: 'error',
      headline: /^no webhooks of stripe come, while [0-9,]+ payments went through$/,
    },
    {
      name: 'none come, and payments are not counted',
      subject: 'silence',
      readings: [events('ok', 120, NONE)],
      severity: 'warning',
      headline: /^no webhooks of stripe come$/,
    },
    {
      name: 'few come, and all fail',
      readings: [events('ok', 2, [0, 0, 0, 0, 0]), events('signature_failed', 0.001, [2, 2, 1, 2, 2])],
      severity: 'critical',
    },
  ],
  missing: [
    { name: 'nothing is bound', readings: [] },
    { name: 'only those of another source', readings: [events('ok', 12, [12], 'twilio')] },
  ],
  causes: [
    {
      name: 'the secret was rotated, and somebody told us',
      readings: SIGNATURES,
      answers: saying(MISMATCH, { changes: { changes: [rotated(ONSET - 90_000)] } }),
      first: { cause: 'webhook-secret-rotated', on: 'payment' },
      atLeast: 0.95,
      commands: [
        /^npm run logs:webhooks -- --source=stripe --window=1h$/,
        /^npm run secrets:rotate -- --secret=stripe_webhook_secret$/,
        /^npm run webhooks:retry -- --source=stripe --since=1h$/,
      ],
      check: alone,
    },
    {
      name: 'the secret was rotated, and nobody told us',
      readings: SIGNATURES,
      answers: saying(MISMATCH),
      first: { cause: 'webhook-secret-rotated', on: 'payment' },
      atLeast: 0.8,
      check: (diagnosis) => {
        alone(diagnosis);
        const commands = diagnosis.causes[0]!.mitigations.map((one) => one.id);
        expect(commands).toEqual(['webhook-logs', 'webhook-secret-rotate', 'webhook-retry']);
      },
    },
    {
      name: 'a new version parses the body first: its library says so',
      readings: SIGNATURES,
      answers: newVersion('payment', PARSED),
      first: { cause: 'webhook-body-parsed', on: 'payment' },
      atLeast: 0.9,
      commands: [/^npm run deploy:rollback -- --service=payment --to-version=payment:511$/],
      check: (diagnosis) => {
        alone(diagnosis);
        const ids = diagnosis.causes.slice(0, 1).flatMap((one) => one.mitigations.map(({ id }) => id));
        // The secret is well: to rotate it would break what a rollback mends.
        expect(ids).not.toContain('webhook-secret-rotate');
      },
    },
    {
      name: 'a new version parses the body first: only the general message is there',
      readings: SIGNATURES,
      answers: newVersion('payment', MISMATCH),
      first: { cause: 'webhook-body-parsed', on: 'payment' },
      atLeast: 0.8,
      check: alone,
    },
    {
      name: 'a deployment hours before is not why: the secret is',
      readings: SIGNATURES,
      answers: saying(MISMATCH, {
        changes: {
          changes: [
            change('payment', 'deployment of payment:511 started', NOW - 100 * MINUTE, {
              kind: 'deployment',
              deployment: { version: 'payment:511', previous: 'payment:510', state: 'completed' },
            }),
          ],
        },
      }),
      first: { cause: 'webhook-secret-rotated', on: 'payment' },
      atLeast: 0.8,
      check: alone,
    },
    {
      name: 'our clock is off',
      readings: SIGNATURES,
      answers: saying(CLOCK),
      first: { cause: 'webhook-clock-skew', on: 'payment' },
      atLeast: 0.85,
      check: alone,
    },
    {
      name: 'the handler fails on what it gets, without any change',
      readings: HANDLER,
      answers: saying(TYPE_ERROR),
      first: { cause: 'handler-failing', on: 'payment' },
      atLeast: 0.8,
      check: (diagnosis) => {
        alone(diagnosis);
        expect(confidenceOf(diagnosis, 'webhook-secret-rotated')).toBeLessThan(0.02);
      },
    },
    {
      name: 'a new version fails on what it gets',
      readings: HANDLER,
      answers: newVersion('payment'),
      first: { cause: 'recent-deployment', on: 'payment' },
      atLeast: 0.9,
      commands: [/deploy:rollback/],
      check: alone,
    },
    {
      name: 'a version that failed on what it got was taken back',
      readings: HANDLER,
      answers: rolledBack('payment'),
      first: { cause: 'recent-deployment', variant: 'rolled-back', on: 'payment' },
      atLeast: 0.8,
      check: alone,
    },
    {
      name: 'the handler asks Stripe back, which does not answer',
      readings: [...HANDLER, ...vendorCallsFail('payment')],
      answers: saying(STRIPE_TIMEOUT),
      first: { cause: 'external-service', variant: 'down', on: 'stripe' },
      atLeast: 0.9,
      commands: [/curl .*status\.stripe\.com/],
      check: alone,
    },
    {
      name: 'none come while customers pay, and the vendor knows of nothing',
      readings: SILENT,
      answers: { ...CALM, 'vendor.status': page('none', 'All Systems Operational') },
      first: { cause: 'webhooks-not-sent', variant: 'endpoint', on: 'payment' },
      atLeast: 0.85,
      commands: [/^stripe webhook_endpoints list --live$/, /webhooks:retry/],
      check: alone,
    },
    {
      name: 'none come while customers pay: the vendor delivers late, and says so',
      readings: SILENT,
      answers: { ...CALM, 'vendor.status': page('major', 'Partial outage', 'Delayed webhook deliveries') },
      first: { cause: 'webhooks-not-sent', variant: 'vendor', on: 'stripe' },
      atLeast: 0.85,
      commands: [/^curl .*status\.stripe\.com/],
      check: alone,
    },
    {
      name: 'none come since a version that has lost the way to the handler',
      readings: SILENT,
      answers: {
        ...CALM,
        'vendor.status': page('none', 'All Systems Operational'),
        'ecs.service': unknownAnswer('timeout', 'no answer in time'),
        changes: {
          changes: [
            change('payment', 'deployment of payment:512 started', NOW - 15 * MINUTE, {
              kind: 'deployment',
              deployment: { version: 'payment:512', previous: 'payment:511', state: 'started' },
            }),
          ],
        },
      },
      first: { cause: 'recent-deployment', on: 'payment' },
      atLeast: 0.7,
      commands: [/deploy:history/],
      check: alone,
    },
    ...databaseCases(HANDLER, 'payment'),
    {
      name: 'nothing could be seen',
      readings: SIGNATURES,
      answers: { series: unknownAnswer('no_data', 'none') },
      verdict: 'inconclusive',
    },
  ],
});

test('that events pass again is told with figures', () => {
  const { effect } = detector.mitigations['webhook-retry']!;
  const facts = { now: NOW, target: PAYMENT, on: PAYMENT, onset: { earliest: ONSET, latest: ONSET }, options: {} };
  const points = (ok: number, failed: number) => ({
    unit: 'count' as const,
    points: [
      ['ok', ok],
      ['signature_failed', failed],
    ].map(([result, value]) => ({
      labels: { source: 'stripe', result: String(result) },
      at: NOW - MINUTE,
      value: Number(value),
      expected: null,
      lower: null,
      upper: null,
    })),
  });
  expect(effect!.judge(points(0, 40), {}, facts)).toEqual({
    state: 'not_yet',
    observed: '100 % of 40 webhooks in the last 10 min fail',
  });
  expect(effect!.judge(points(30, 10), {}, facts).state).toBe('partly');
  expect(effect!.judge(points(40, 1), {}, facts).state).toBe('worked');
  expect(effect!.judge(points(0, 0), {}, facts).state).toBe('not_applied');
});
