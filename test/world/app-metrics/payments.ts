/**
 * Webhooks and payments of the payment service. What Stripe answers is as its documentation has it: `type`, `code` and,
 * under `card_declined`, `decline_code` (https://docs.stripe.com/error-codes, https://docs.stripe.com/declines/codes). What is
 * not taken with a 2xx is sent again, with pauses that grow (https://docs.stripe.com/webhooks#retries).
 */

import { type AreaOptions, type Bound, createArea, MINUTE, plain } from './area.ts';

export type WebhookFailure = 'signature_failed' | 'handler_failed';

/** How Stripe names a payment's error. */
export interface PaymentError {
  readonly type: string;
  readonly code?: string;
  readonly decline?: string;
}

export interface PaymentEffects {
  /** Share of the webhooks that fail. */
  readonly webhooks?: { readonly share: number; readonly result: WebhookFailure };
  /** Of what Stripe sends; 0: nothing comes. */
  readonly sentFactor?: number;
  /** Payments that customers try. */
  readonly attemptsFactor?: number;
  /** Share of the attempts that fail in this way too. */
  readonly failures?: readonly (PaymentError & { readonly share: number })[];
  /** What fails on a healthy day, multiplied. */
  readonly declinesFactor?: number;
}

const TARGET = 'payment';
const WEBHOOKS_PER_MINUTE = 120;
const ATTEMPTS_PER_MINUTE = 90;
/** Minutes after which a webhook that failed comes again. */
const PAUSES = [2, 12, 47] as const;

/** Shares of the webhooks on a healthy day: scanners that sign nothing, and an order that is gone. */
const FAILING: Readonly<Record<WebhookFailure, number>> = { signature_failed: 0.001, handler_failed: 0.002 };

const card = (code: string, decline = ''): PaymentError => ({ type: 'card_error', code, decline });
const declined = (decline: string): PaymentError => card('card_declined', decline);

/** Shares of the attempts on a healthy day. */
const USUAL: readonly (PaymentError & { readonly share: number })[] = [
  { ...declined('insufficient_funds'), share: 0.016 },
  { ...declined('generic_decline'), share: 0.009 },
  { ...declined('do_not_honor'), share: 0.006 },
  { ...card('incorrect_cvc', 'incorrect_cvc'), share: 0.003 },
  { ...card('expired_card', 'expired_card'), share: 0.003 },
  { ...card('authentication_required', 'authentication_required'), share: 0.004 },
  { type: 'api_error', share: 0.0004 },
  { type: 'invalid_request_error', code: 'parameter_invalid_integer', share: 0.0003 },
];

const keyOf = ({ type, code = '', decline = '' }: PaymentError): string => [type, code, decline].join('/');

export function paymentMetrics(options: AreaOptions) {
  const { affect, effectsAt, active, product, busy, count } = createArea<PaymentEffects>('payments', options);

  const failing = (at: number, result: WebhookFailure): number =>
    effectsAt(at).reduce((sum, { webhooks }) => sum + (webhooks?.result === result ? webhooks.share : 0), 0);
  const sent = (at: number): number => WEBHOOKS_PER_MINUTE * busy(at) * product(at, (one) => one.sentFactor);
  /** Of what comes again, what failed so long ago. */
  const again = (at: number): number =>
    PAUSES.reduce((sum, pause) => {
      const then = at - pause * MINUTE;
      const share = Math.min(1, failing(then, 'signature_failed') + failing(then, 'handler_failed'));
      return sum + (share === 0 ? 0 : sent(then) * share);
    }, 0);
  const arrive = (at: number): number => count(at, 'webhooks', sent(at) + (sent(at) === 0 ? 0 : again(at)));
  function results(at: number): Readonly<Record<'ok' | WebhookFailure, number>> {
    const all = arrive(at);
    const of = (result: WebhookFailure): number =>
      Math.round(all * failing(at, result)) + count(at, result, all * FAILING[result]);
    const signature = Math.min(all, of('signature_failed'));
    const handler = Math.min(all - signature, of('handler_failed'));
    return { ok: all - signature - handler, signature_failed: signature, handler_failed: handler };
  }

  const attempts = (at: number): number =>
    count(at, 'attempts', ATTEMPTS_PER_MINUTE * busy(at) * product(at, (one) => one.attemptsFactor));
  /** Every kind that there ever was, so that a counter that exists goes on. */
  function errors(at: number) {
    const kinds = new Map(USUAL.map((one) => [keyOf(one), one as PaymentError]));
    for (const { from, effects } of active()) {
      if (from <= at) for (const one of effects.failures ?? []) kinds.set(keyOf(one), one);
    }
    const all = attempts(at);
    let left = all;
    return [...kinds].map(([key, { type, code = '', decline = '' }]) => {
      const usual = USUAL.find((one) => keyOf(one) === key)?.share ?? 0;
      const added = effectsAt(at)
        .flatMap(({ failures = [] }) => failures)
        .reduce((sum, one) => sum + (keyOf(one) === key ? one.share : 0), 0);
      const share = usual * product(at, (one) => one.declinesFactor);
      const value = Math.min(left, Math.round(all * added) + count(at, `errors/${key}`, all * share));
      left -= value;
      // Prometheus has no empty labels.
      return {
        labels: { type, ...(code === '' ? {} : { code }), ...(decline === '' ? {} : { decline_code: decline }) },
        value,
      };
    });
  }

  const bound: readonly Bound[] = [
    {
      target: TARGET,
      signal: 'webhook_events',
      query: 'sum by (source, result) (increase(webhook_events_total{app="payment"}[1m]))',
      read: (at) =>
        Object.entries(results(at)).map(([result, value]) => ({ labels: { source: 'stripe', result }, value })),
    },
    {
      target: TARGET,
      signal: 'payment_attempts',
      query: 'sum(increase(payment_intents_total{app="payment"}[1m]))',
      read: plain(attempts),
    },
    {
      target: TARGET,
      signal: 'payment_errors',
      query: 'sum by (type, code, decline_code) (increase(payment_errors_total{app="payment"}[1m]))',
      read: errors,
    },
  ];
  return { affect, bound };
}
