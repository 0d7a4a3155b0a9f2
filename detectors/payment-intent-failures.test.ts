import { bucketOf, type Labels, type Reading } from 'runbookd/sdk';
import { type CaseAnswers, describeDetector, unknownAnswer } from 'runbookd/testing';
import { expect, test } from 'vitest';
import {
  alone,
  calm,
  confidenceOf,
  counts,
  even,
  logs,
  newVersion,
  rolledBack,
  STRIPE,
  STRIPE_TIMEOUT,
  service,
  status,
  TWILIO,
  template,
  vendorCallsFail,
} from '../test/cases/service.ts';
import { detector } from './payment-intent-failures.ts';

const PAYMENT = service('payment', ['stripe', 'twilio']);
const CALM = calm('payment');

const attempts = (now = 300): Reading => counts('payment_attempts', 300, [now, now, now], { target: 'payment' });
const errors = (labels: Labels, before: number, now: number): Reading =>
  counts('payment_errors', before, [now, now, now], { target: 'payment', labels });

const DECLINED = { type: 'card_error', code: 'card_declined' };
const POOR = { ...DECLINED, decline_code: 'insufficient_funds' };
const GENERIC = { ...DECLINED, decline_code: 'generic_decline' };
const CVC = { type: 'card_error', code: 'incorrect_cvc', decline_code: '' };
const SECURE = { type: 'card_error', code: 'authentication_required', decline_code: 'authentication_required' };
const API = { type: 'api_error', code: '', decline_code: '' };
const CONNECTION = { type: 'api_connection_error', code: '', decline_code: '' };
const INVALID = { type: 'invalid_request_error', code: 'parameter_missing', decline_code: '' };
const LIMIT = { type: 'rate_limit_error', code: 'rate_limit', decline_code: '' };

const key = (one: Reading): string => JSON.stringify([one.signal, Object.entries(one.labels)]);
const USUAL = [attempts(), errors(POOR, 6, 6), errors(GENERIC, 5, 5), errors(SECURE, 2, 2)];
const world = (...now: readonly Reading[]): readonly Reading[] => {
  const changed = new Set(now.map(key));
  return [...now, ...USUAL.filter((one) => !changed.has(key(one)))];
};

const VENDOR_DOWN = world(errors(API, 0.1, 150), errors(CONNECTION, 0.1, 40));
const REFUSED = world(errors(INVALID, 0.1, 180));
const POORER = world(errors(POOR, 6, 60), errors(GENERIC, 5, 22));
const TESTED = world(attempts(1500), errors(GENERIC, 5, 700), errors(CVC, 1, 450));
const NOT_SECURED = world(errors(SECURE, 2, 120));
const LIMITED = world(errors(LIMIT, 0.1, 130));

const quiet = { ...CALM, 'logs.errors': logs([]) } satisfies CaseAnswers;

describeDetector(detector, {
  target: PAYMENT,
  dependencies: [STRIPE, TWILIO],
  silent: [
    { name: 'as many declines as ever', readings: world() },
    { name: 'a point more', readings: world(errors(POOR, 6, 9)) },
    {
      name: 'twice the payments and twice the declines',
      readings: world(attempts(600), errors(POOR, 6, 12), errors(GENERIC, 5, 10)),
    },
  ],
  firing: [
    {
      name: 'Stripe fails',
      readings: VENDOR_DOWN,
      severity: 'critical',
      headline: /^payments fail 4[0-9] % \(baseline 4\.4 %\), 94 % errors of Stripe's own$/,
    },
    { name: 'declines alone are a warning', readings: POORER, severity: 'warning' },
  ],
  missing: [
    { name: 'nothing is bound', readings: [] },
    { name: 'attempts alone', readings: [attempts()] },
    { name: 'errors alone', readings: [errors(POOR, 6, 60)] },
  ],
  causes: [
    {
      name: 'Stripe is down, and says so',
      readings: [...VENDOR_DOWN, ...vendorCallsFail('payment')],
      answers: {
        ...CALM,
        'logs.errors': logs([STRIPE_TIMEOUT], even(97)),
        'vendor.status': status('major', 'Partial System Outage'),
      },
      first: { cause: 'external-service', variant: 'down', on: 'stripe' },
      atLeast: 0.95,
      commands: [/^curl -sS -m 10 https:\/\/status\.stripe\.com\/api\/v2\/status\.json$/],
      check: (diagnosis) => {
        alone(diagnosis);
        expect(diagnosis.symptom!.breakdown).toEqual([
          "failures: 94 % errors of Stripe's own, 5.4 % declined by the issuer, 1 % wait for 3D Secure",
          'failures by code: api_error 74 %, api_connection_error 20 %, insufficient_funds 3 %, generic_decline 2 %',
        ]);
      },
    },
    {
      name: 'Stripe is down, and only the payments say so; a version came at the same minute',
      readings: VENDOR_DOWN,
      answers: newVersion('payment', null),
      first: { cause: 'external-service', variant: 'down', on: 'stripe' },
      atLeast: 0.8,
      check: (diagnosis) => {
        alone(diagnosis);
        expect(diagnosis.causes.filter((one) => one.on === 'twilio' && one.confidence > 0.1)).toEqual([]);
      },
    },
    {
      name: 'a version sends what Stripe refuses',
      readings: REFUSED,
      answers: newVersion(
        'payment',
        template('StripeInvalidRequestError: Missing required param: amount', 'exception', 540),
      ),
      first: { cause: 'recent-deployment', on: 'payment' },
      atLeast: 0.9,
      commands: [/deploy:rollback -- --service=payment --to-version=payment:511$/],
      check: alone,
    },
    {
      name: 'a version that sent what Stripe refuses was taken back',
      readings: REFUSED,
      answers: rolledBack('payment'),
      first: { cause: 'recent-deployment', variant: 'rolled-back', on: 'payment' },
      atLeast: 0.8,
      check: alone,
    },
    {
      name: 'more customers are without money',
      readings: POORER,
      answers: quiet,
      first: { cause: 'declines-up', on: 'payment' },
      atLeast: 0.8,
      commands: [/^npm run metrics:payments -- --window=1h --group-by=error_code,decline_code$/],
      check: (diagnosis) => {
        alone(diagnosis);
        expect(diagnosis.causes[0]!.evidence.map((one) => one.observed).join('\n')).toMatch(
          /declined by the issuer: insufficient_funds 76 %, generic_decline 24 %/,
        );
      },
    },
    {
      name: 'a version before more declines is not why',
      readings: POORER,
      answers: newVersion('payment', null),
      first: { cause: 'declines-up', on: 'payment' },
      atLeast: 0.8,
      check: alone,
    },
    {
      name: 'somebody tries out cards',
      readings: TESTED,
      answers: quiet,
      first: { cause: 'card-testing', on: 'payment' },
      atLeast: 0.8,
      check: alone,
    },
    {
      name: 'payments are not led through 3D Secure',
      readings: NOT_SECURED,
      answers: quiet,
      first: { cause: 'authentication-flow-broken', on: 'payment' },
      atLeast: 0.8,
      check: alone,
    },
    {
      name: 'they are not since a version: it is taken back for that',
      readings: NOT_SECURED,
      answers: newVersion('payment', null),
      first: { cause: 'authentication-flow-broken', on: 'payment' },
      atLeast: 0.85,
      commands: [/deploy:rollback -- --service=payment --to-version=payment:511$/],
      check: alone,
    },
    {
      name: 'Stripe limits us',
      readings: LIMITED,
      answers: quiet,
      first: { cause: 'rate-limited', variant: 'theirs', on: 'stripe' },
      atLeast: 0.8,
      check: alone,
    },
    {
      name: 'a status page alone proves nothing',
      readings: POORER,
      answers: { ...quiet, 'vendor.status': status('major', 'Partial System Outage') },
      first: { cause: 'declines-up', on: 'payment' },
      check: (diagnosis) => expect(confidenceOf(diagnosis, 'external-service', 'down')).toBeLessThan(0.05),
    },
    {
      name: 'nothing could be seen',
      readings: VENDOR_DOWN,
      answers: { series: unknownAnswer('no_data', 'none') },
      verdict: 'inconclusive',
    },
  ],
});

test.each<readonly [Labels, string]>([
  [POOR, 'declined'],
  [GENERIC, 'declined'],
  [CVC, 'declined'],
  [SECURE, 'authentication'],
  // Off-session payments decline with it.
  [{ type: 'card_error', code: 'card_declined', decline_code: 'authentication_required' }, 'authentication'],
  [API, 'vendor'],
  [CONNECTION, 'vendor'],
  [{ type: 'StripeConnectionError' }, 'vendor'],
  [{ type: 'StripeAPIError' }, 'vendor'],
  [{ type: 'StripeCardError', code: 'expired_card' }, 'declined'],
  [INVALID, 'request'],
  [{ type: 'idempotency_error' }, 'request'],
  [{ type: 'StripeAuthenticationError' }, 'request'],
  [LIMIT, 'limited'],
  [{ type: 'StripeRateLimitError' }, 'limited'],
  // 429 for a lock on an object, which comes as an invalid request.
  [{ type: 'invalid_request_error', code: 'lock_timeout' }, 'limited'],
  [{}, 'other'],
])('%o is %s', (labels, bucket) => expect(bucketOf(labels)).toBe(bucket));
