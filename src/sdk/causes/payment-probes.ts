/**
 * Probes of payments, by what Stripe answers: `type` says whose it is, `code` what failed, and `decline_code` why an issuer
 * declined. `insufficient_funds` is no code but a decline code under `card_declined`, so both levels are read.
 * https://docs.stripe.com/error-handling, https://docs.stripe.com/declines/codes
 */

import type { Labels } from '../../model/index.ts';
import type { AnyProbe, Facts } from '../detector.ts';
import { probe } from '../detector.ts';
import { neutral, opposes, supports } from '../evidence.ts';
import { percent, plural, safeName, times } from '../format.ts';
import { type Excess, excessBy, excessShare } from './label-excess.ts';
import type { Points } from './service-questions.ts';
import { rateText, seriesQuestion } from './service-questions.ts';

/** Whose failure it is. */
export type PaymentBucket = 'declined' | 'authentication' | 'vendor' | 'request' | 'limited' | 'other';

export const BUCKET_NAMES: Readonly<Record<PaymentBucket, string>> = {
  declined: 'declined by the issuer',
  authentication: 'wait for 3D Secure',
  vendor: "errors of Stripe's own",
  request: 'requests that Stripe refuses',
  limited: 'turned away for too many requests',
  other: 'of another type',
};

const REQUEST_TYPES = new Set([
  'invalid_request_error',
  'idempotency_error',
  'authentication_error',
  'permission_error',
]);
const AUTHENTICATION =
  /^(?:authentication_required|payment_intent_authentication_failure|setup_intent_authentication_failure)$/;

/** Types as the API has them and as its libraries name them: `StripeCardError`, `card_error`. */
function snake(value: string | undefined): string {
  return (value ?? '')
    .replace(/^Stripe/, '')
    .replace(/([a-z])([A-Z])|([A-Z])(?=[A-Z][a-z])/g, '$1$3_$2')
    .toLowerCase();
}

export function bucketOf({ type, code, decline_code: decline }: Labels): PaymentBucket {
  const kind = snake(type);
  if (AUTHENTICATION.test(code ?? '') || AUTHENTICATION.test(decline ?? '')) return 'authentication';
  if (kind === 'rate_limit_error' || code === 'rate_limit' || code === 'lock_timeout') return 'limited';
  if (kind === 'api_error' || kind === 'api_connection_error' || kind === 'connection_error') return 'vendor';
  if (REQUEST_TYPES.has(kind)) return 'request';
  if (kind === 'card_error' || code === 'card_declined' || (decline ?? '') !== '') return 'declined';
  return 'other';
}

/** What an error is called: by its decline code, else its code, else its type. */
export const errorName = ({ type, code, decline_code: decline }: Labels): string =>
  (decline ?? '') || (code ?? '') || snake(type) || 'no code';

const FEW_ERRORS = 10;

const bucketsOf = (points: Points, facts: Facts): Excess => excessBy(points, facts, bucketOf);

/** The errors of one bucket, by name, most first. */
function namesText(points: Points, facts: Facts, bucket: PaymentBucket): string {
  const names = excessBy(points, facts, (labels) => (bucketOf(labels) === bucket ? errorName(labels) : null));
  if (names.all <= 0) return '';
  const told = names.parts.slice(0, 3).map((one) => `${safeName(one.name, 40)} ${percent(one.excess / names.all)}`);
  return `: ${told.join(', ')}`;
}

export interface BucketWeights {
  /** Where most additional failures are of the bucket. */
  readonly most: number;
  /** Where hardly any are. */
  readonly few: number;
}

/** Which part of the additional failures is of one bucket. */
export function paymentBucketProbe(bucket: PaymentBucket, weights: BucketWeights): AnyProbe {
  return probe({
    id: `payment-${bucket}`,
    factor: 'payment-errors',
    title: 'additional failures by what Stripe answers',
    ask: (_symptom, facts) => seriesQuestion(facts, 'payment_errors'),
    judge({ points }, _symptom, facts) {
      const buckets = bucketsOf(points, facts);
      const part = excessShare(buckets, (name) => name === bucket);
      const observed = `${percent(part)} of ${plural(Math.round(buckets.all), 'additional failure')} are ${BUCKET_NAMES[bucket]}${namesText(points, facts, bucket)}`;
      if (buckets.all < FEW_ERRORS) return neutral(observed);
      const headline = `${percent(part)} ${BUCKET_NAMES[bucket]}`;
      const weight = part >= 0.6 ? weights.most : part <= 0.25 ? weights.few : 0;
      if (weight === 0) return neutral(observed);
      return weight > 0 ? supports(weight, observed, { headline }) : opposes(weight, observed, { headline });
    },
  });
}

interface Attempts {
  readonly surge: number;
  readonly usual: number;
}

/** Whether far more is tried than usual. */
export function attemptsProbe({ surge, usual }: Attempts): AnyProbe {
  return probe({
    id: 'attempts',
    factor: 'attempts',
    title: 'payments tried, against before',
    ask: (_symptom, facts) => seriesQuestion(facts, 'payment_attempts'),
    judge({ points }, _symptom, facts) {
      const [all] = excessBy(points, facts, () => 'all').parts;
      if (all === undefined || all.expected <= 0) return neutral('payments tried before are not known');
      const up = all.after / all.expected;
      const upper = points.filter((one) => one.at >= facts.onset.latest);
      const over = upper.every((one) => one.upper === null || one.value > one.upper);
      const observed = `${plural(all.after, 'payment')} tried since then, ${times(up)} of before`;
      if (up >= 1.8 && over) {
        const headline = `${times(up)} the payments tried`;
        return surge > 0 ? supports(surge, observed, { headline }) : opposes(surge, observed, { headline });
      }
      if (up > 1.4 || usual === 0) return neutral(observed);
      const headline = 'as many payments tried as before';
      return usual > 0 ? supports(usual, observed, { headline }) : opposes(usual, observed, { headline });
    },
  });
}

/** Codes of cards that are tried out: numbers and checks that do not fit, and what issuers say of thieves. */
const TESTING =
  /^(?:incorrect_(?:number|cvc|zip|address)|invalid_(?:number|cvc|account|expiry_month|expiry_year)|expired_card|fraudulent|stolen_card|lost_card|pickup_card|restricted_card|do_not_honor|generic_decline|transaction_not_allowed|card_velocity_exceeded|test_mode_live_card|highest_risk_level)$/;
/** What honest customers meet. */
const HONEST = /^(?:insufficient_funds|withdrawal_count_limit_exceeded|expired_card|currency_not_supported)$/;

/** Who the declines are of: customers without money, or cards that are tried out. */
export function declineKindsProbe(weights: { readonly testing: number; readonly honest: number }): AnyProbe {
  return probe({
    id: 'decline-kinds',
    factor: 'declines',
    title: 'additional declines by their code',
    ask: (_symptom, facts) => seriesQuestion(facts, 'payment_errors'),
    judge({ points }, _symptom, facts) {
      const names = excessBy(points, facts, (labels) => (bucketOf(labels) === 'declined' ? errorName(labels) : null));
      if (names.all < FEW_ERRORS) return neutral('too few additional declines to say what they are');
      const testing = excessShare(names, (name) => TESTING.test(name));
      const honest = excessShare(names, (name) => HONEST.test(name));
      const observed = `of ${plural(Math.round(names.all), 'additional decline')} ${percent(honest)} are for want of money, ${percent(testing)} as cards that are tried out have them`;
      const weight = testing >= 0.7 ? weights.testing : honest >= 0.5 ? weights.honest : 0;
      if (weight === 0) return neutral(observed);
      return weight > 0 ? supports(weight, observed) : opposes(weight, observed);
    },
  });
}

/** `3.9 % declined by the issuer` for the page. */
export function bucketLine(name: PaymentBucket, part: number): string {
  return `${rateText(part)} ${BUCKET_NAMES[name]}`;
}
