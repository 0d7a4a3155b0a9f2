/** Faults whose first symptom is a webhook that fails, or a payment that does. */

import type { PaymentEffects, PaymentError } from '../../app-metrics/payments.ts';
import type { SystemsWorld } from '../../systems.ts';
import { befall, type SystemFault, type SystemMaking } from './fault.ts';

const webhooks = (cause: string) => ({ detector: 'stripe-webhook-failures', target: 'payment', cause });
const payments = (cause: string) => ({ detector: 'payment-intent-failures', target: 'payment', cause });
export const PAYMENT_WATCH = ['payment', 'stripe'] as const;

const ERRORS = { detector: 'high-error-rate', target: 'payment' } as const;
const SLOW = { detector: 'high-latency', target: 'payment' } as const;
const VENDOR = { detector: 'dependency-trouble', target: 'stripe' } as const;
const PAYMENTS = { detector: 'payment-intent-failures', target: 'payment' } as const;
const DEPLOYED = { detector: 'service-unavailable', target: 'payment', subject: 'deployment' } as const;

const LOOK = 'npm run logs:webhooks -- --source=stripe --window=1h';
const RETRY = 'npm run webhooks:retry -- --source=stripe --since=1h';
const BACK = 'npm run deploy:rollback -- --service=payment --to-version=payment:511';
const BY_CODE = 'npm run metrics:payments -- --window=1h --group-by=error_code,decline_code';
const BREAKERS = 'npm run flags:disable -- --flag=stripe_enabled';

/** As stripe-node says it: https://github.com/stripe/stripe-node/blob/master/src/Webhooks.ts */
const MISMATCH =
  'StripeSignatureVerificationError: No signatures found matching the expected signature for payload. Are you passing the raw request body you received from Stripe? (request {id})';
const PARSED =
  'StripeSignatureVerificationError: Webhook payload must be provided as a string or a Buffer (https://nodejs.org/api/buffer.html) instance representing the _raw_ request body. Payload was provided as a parsed JavaScript object instead. (request {id})';
const CLOCK = 'StripeSignatureVerificationError: Timestamp outside the tolerance zone (request {id})';

/** Answered with 400, as Stripe's own examples do: no server error, so only the count and the log tell. */
function signaturesFail({ measure, affect }: SystemMaking, message: string): void {
  measure('payments', { webhooks: { share: 0.998, result: 'signature_failed' } });
  affect('payment', { log: { perMinute: 120, messages: [message] } });
}

/** Answered with 500, so that Stripe sends them again. */
function handlerFails({ measure, affect }: SystemMaking, share: number, message: string, version?: string): void {
  measure('payments', { webhooks: { share, result: 'handler_failed' } });
  affect('payment', {
    errors: { share: 0.15 * share, status: 500, ...(version === undefined ? {} : { version }) },
    log: { perMinute: 0, messages: [message] },
  });
}

/** A new issue of the error tracker, from now on. */
function tracked({ undo }: SystemMaking, world: SystemsWorld, type: string, value: string): void {
  const from = world.now();
  const bursts = [{ from, to: from + 3_600_000, perMinute: 15 }];
  world.sentry.set([{ id: '4711', project: 'payment', type, value, substatus: 'new', bursts }]);
  undo(() => world.sentry.set([]));
}

const webhookFaults: readonly SystemFault[] = [
  {
    name: 'webhook-secret-rotated',
    title: "somebody rolled the endpoint's secret in Stripe's dashboard: no signature matches from one moment on",
    expect: {
      ...webhooks('webhook-secret-rotated'),
      commands: [LOOK, 'npm run secrets:rotate -- --secret=stripe_webhook_secret', RETRY],
      says: [/100 % of stripe webhooks fail \(signature/, /No signatures found matching/],
    },
    watch: PAYMENT_WATCH,
    inject: (world) =>
      befall(world, (moves) => {
        signaturesFail(moves, MISMATCH);
        return {};
      }),
  },
  {
    name: 'webhook-body-parsed',
    title: 'version 512 of payment parses the body before the signature is verified',
    expect: {
      ...webhooks('webhook-body-parsed'),
      commands: [BACK, RETRY],
      says: [/payment:512/, /Webhook payload must be provided as a string or a Buffer/],
    },
    lookAlikeOf: 'webhook-secret-rotated',
    watch: PAYMENT_WATCH,
    inject: (world) =>
      befall(world, (moves) => {
        moves.deploy('payment', 512);
        signaturesFail(moves, PARSED);
        return {};
      }),
  },
  {
    name: 'webhook-clock-off',
    title: 'the clocks of the hosts of payment are six minutes slow: every signature is out of its time',
    expect: {
      ...webhooks('webhook-clock-skew'),
      commands: ['curl -sS -m 10 -I https://api.stripe.com/healthcheck', RETRY],
      says: [/Timestamp outside the tolerance/],
    },
    lookAlikeOf: 'webhook-secret-rotated',
    watch: PAYMENT_WATCH,
    inject: (world) =>
      befall(world, (moves) => {
        signaturesFail(moves, CLOCK);
        return {};
      }),
  },
  {
    name: 'webhook-handler-fails',
    title: 'Stripe sends a field that the handler does not expect since the API version of the endpoint was raised',
    expect: {
      ...webhooks('handler-failing'),
      commands: [LOOK, RETRY],
      says: [/webhooks fail \(handler/, /TypeError: Cannot read properties of null \(reading 'billing_details'\)/],
    },
    also: [ERRORS],
    lookAlikeOf: 'webhook-secret-rotated',
    watch: PAYMENT_WATCH,
    inject: (world) =>
      befall(world, (moves) => {
        const message = "Cannot read properties of null (reading 'billing_details')";
        handlerFails(moves, 0.7, `TypeError: ${message} at onChargeSucceeded (/srv/app/webhooks/charge.js:{n})`);
        tracked(moves, world, 'TypeError', message);
        return {};
      }),
  },
  {
    name: 'webhook-handler-new-version',
    title: 'version 512 of payment fails on events of subscriptions',
    expect: {
      ...webhooks('recent-deployment'),
      commands: [BACK],
      says: [/webhooks fail \(handler/, /payment:512/],
    },
    also: [ERRORS, DEPLOYED],
    lookAlikeOf: 'webhook-handler-fails',
    watch: PAYMENT_WATCH,
    inject: (world) =>
      befall(world, (moves) => {
        moves.deploy('payment', 512);
        handlerFails(
          moves,
          0.7,
          'TypeError: plan.tiers is not iterable at onInvoicePaid (/srv/app/webhooks/invoice.js:{n})',
          '512',
        );
        return {};
      }),
  },
  {
    name: 'webhook-handler-stripe-down',
    title: "the handler reads each object anew from Stripe's API, which does not answer; its page is silent",
    expect: {
      ...webhooks('external-service'),
      variant: 'down',
      on: 'stripe',
      commands: [BREAKERS],
      says: [/webhooks fail \(handler/, /api\.stripe\.com/],
    },
    also: [ERRORS, SLOW, VENDOR, PAYMENTS],
    lookAlikeOf: 'webhook-handler-fails',
    watch: PAYMENT_WATCH,
    inject: (world) =>
      befall(world, (moves) => {
        const message =
          'StripeConnectionError: request to https://api.stripe.com/v1/invoices/{id} timed out after 20000 ms';
        handlerFails(moves, 0.65, message);
        moves.affect('payment', {
          dependency: { host: 'api.stripe.com', errorShare: 0.6, latencyAddSeconds: 2 },
          latency: { addSeconds: 1 },
        });
        return {};
      }),
  },
  {
    name: 'webhook-endpoint-disabled',
    title: 'Stripe has disabled the endpoint: no webhook comes, while customers pay as ever',
    expect: {
      ...webhooks('webhooks-not-sent'),
      variant: 'endpoint',
      commands: [LOOK, RETRY],
      says: [/no webhooks? of stripe/i, /payments/],
    },
    watch: PAYMENT_WATCH,
    within: 15,
    inject: (world) =>
      befall(world, ({ measure }) => {
        measure('payments', { sentFactor: 0 });
        return {};
      }),
  },
  {
    name: 'webhook-delivery-delayed',
    title: 'Stripe delivers webhooks late, and says so on its status page',
    expect: {
      ...webhooks('webhooks-not-sent'),
      variant: 'vendor',
      on: 'stripe',
      commands: ['npm run status:external-services', RETRY],
      says: [/no webhooks? of stripe/i, /Delayed webhook deliveries/],
    },
    also: [VENDOR],
    lookAlikeOf: 'webhook-endpoint-disabled',
    watch: PAYMENT_WATCH,
    within: 15,
    inject: (world) =>
      befall(world, ({ measure, undo }) => {
        measure('payments', { sentFactor: 0 });
        world.vendors.stripe.say('major', 'Delayed webhook deliveries');
        undo(() => world.vendors.stripe.say('none'));
        return {};
      }),
  },
];

const card = (share: number, code: string, decline: string = code) => ({ share, type: 'card_error', code, decline });
const declined = (share: number, decline: string) => card(share, 'card_declined', decline);
const refused = (share: number, error: PaymentError) => ({ share, ...error });

/** What Stripe answers; the service passes it on to the customer with 402 or tells him to try again. */
function paymentsFail(
  { measure, affect }: SystemMaking,
  failures: PaymentEffects['failures'],
  message: string,
  more: {
    readonly attemptsFactor?: number;
    readonly status?: number;
    readonly share?: number;
    readonly version?: string;
  } = {},
): void {
  const { attemptsFactor, status, share = 0.1, version } = more;
  measure('payments', { ...(failures && { failures }), ...(attemptsFactor === undefined ? {} : { attemptsFactor }) });
  const log = { perMinute: 12, messages: [message] };
  affect(
    'payment',
    status === undefined ? { log } : { errors: { share, status, ...(version === undefined ? {} : { version }) }, log },
  );
}

const intentFaults: readonly SystemFault[] = [
  {
    name: 'payments-declined',
    title: 'a large issuer declines one payment in seven: cards without cover, the rest without a reason',
    expect: {
      ...payments('declines-up'),
      commands: [BY_CODE, '/aws/ecs/rastup-prod/payment-service'],
      says: [/declined by the issuer/, /insufficient_funds/],
    },
    watch: PAYMENT_WATCH,
    inject: (world) =>
      befall(world, (moves) => {
        const failures = [declined(0.09, 'insufficient_funds'), declined(0.06, 'do_not_honor')];
        paymentsFail(moves, failures, 'StripeCardError: Your card was declined. (payment {id})');
        return {};
      }),
  },
  {
    name: 'payments-card-testing',
    title: 'somebody tries stolen cards out: four times the payments, most of them declined',
    expect: {
      ...payments('card-testing'),
      commands: ['npm run metrics:rate-limits -- --window=15m', BY_CODE],
      says: [/incorrect_cvc|generic_decline/, /payments tried/],
    },
    lookAlikeOf: 'payments-declined',
    watch: PAYMENT_WATCH,
    inject: (world) =>
      befall(world, (moves) => {
        const failures = [
          declined(0.35, 'generic_decline'),
          declined(0.08, 'do_not_honor'),
          card(0.2, 'incorrect_cvc'),
          declined(0.06, 'fraudulent'),
        ];
        paymentsFail(moves, failures, 'StripeCardError: Your card was declined. (payment {id})', { attemptsFactor: 4 });
        return {};
      }),
  },
  {
    name: 'payments-3d-secure',
    title: 'version 512 of payment does not lead customers to the authentication of their bank',
    expect: {
      ...payments('authentication-flow-broken'),
      commands: [BY_CODE, BACK],
      says: [/wait for 3D Secure/, /authentication_required/, /payment:512/],
    },
    lookAlikeOf: 'payments-declined',
    watch: PAYMENT_WATCH,
    inject: (world) =>
      befall(world, (moves) => {
        moves.deploy('payment', 512);
        const failures = [card(0.16, 'authentication_required')];
        paymentsFail(
          moves,
          failures,
          'StripeCardError: Your card was declined. This transaction requires authentication. (payment {id})',
        );
        return {};
      }),
  },
  {
    name: 'payments-stripe-errors',
    title: 'Stripe answers one payment in four with an error of its own; its page does not know of it yet',
    expect: {
      ...payments('external-service'),
      variant: 'down',
      on: 'stripe',
      commands: ['npm run status:external-services', BREAKERS],
      says: [/errors of Stripe's own/, /api_error/],
    },
    also: [ERRORS, VENDOR],
    lookAlikeOf: 'payments-declined',
    watch: PAYMENT_WATCH,
    inject: (world) =>
      befall(world, (moves) => {
        const message =
          'StripeAPIError: An error occurred with our connection to api.stripe.com: 500 (request req_{id})';
        paymentsFail(moves, [refused(0.25, { type: 'api_error' })], message, { status: 502, share: 0.2 });
        moves.affect('payment', { dependency: { host: 'api.stripe.com', errorShare: 0.22 } });
        moves.measure('vendors', { host: 'api.stripe.com', reason: '5xx' });
        return {};
      }),
  },
  {
    name: 'payments-new-version',
    title: 'version 512 of payment sends a parameter that Stripe does not know: it refuses the request',
    expect: {
      ...payments('recent-deployment'),
      commands: [BACK],
      says: [/requests that Stripe refuses/, /parameter_unknown/, /payment:512/],
    },
    also: [ERRORS, DEPLOYED, VENDOR],
    lookAlikeOf: 'payments-stripe-errors',
    watch: PAYMENT_WATCH,
    inject: (world) =>
      befall(world, (moves) => {
        moves.deploy('payment', 512);
        const failures = [refused(0.6, { type: 'invalid_request_error', code: 'parameter_unknown' })];
        const message = 'StripeInvalidRequestError: Received unknown parameter: payment_method_option (payment {id})';
        paymentsFail(moves, failures, message, { status: 500, share: 0.4, version: '512' });
        return {};
      }),
  },
  {
    name: 'payments-limited-by-stripe',
    title: 'a report that runs beside the payments uses up our limit at Stripe: payments are answered with 429',
    expect: {
      ...payments('rate-limited'),
      variant: 'theirs',
      on: 'stripe',
      says: [/too many requests/, /api\.stripe\.com/],
    },
    also: [ERRORS, VENDOR],
    lookAlikeOf: 'payments-stripe-errors',
    watch: PAYMENT_WATCH,
    inject: (world) =>
      befall(world, (moves) => {
        const message =
          'StripeRateLimitError: 429 Too Many Requests from https://api.stripe.com/v1/payment_intents: Request rate limit exceeded (request req_{id})';
        const failures = [refused(0.2, { type: 'invalid_request_error', code: 'rate_limit' })];
        paymentsFail(moves, failures, message, { status: 503, share: 0.15 });
        moves.affect('payment', { dependency: { host: 'api.stripe.com', errorShare: 0.2 } });
        moves.measure('vendors', { host: 'api.stripe.com', reason: '429' });
        return {};
      }),
  },
];

export const paymentFaults: readonly SystemFault[] = [...webhookFaults, ...intentFaults];
