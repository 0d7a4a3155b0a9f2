/** Why payments fail: the cards of customers, cards that are tried out, 3D Secure, Stripe itself, or what we send to it. */

import type { AnyProbe, Hypothesis, Mitigation } from '../detector.ts';
import { opposes } from '../evidence.ts';
import { safeName } from '../format.ts';
import { versionBeforeProbe } from './explained-by-version.ts';
import {
  attemptsProbe,
  type BucketWeights,
  declineKindsProbe,
  type PaymentBucket,
  paymentBucketProbe,
} from './payment-probes.ts';
import { isHostOf } from './service-questions.ts';

export { BUCKET_NAMES, bucketLine, bucketOf, errorName, type PaymentBucket } from './payment-probes.ts';

/** The bucket of the vendor and of its limit, about the dependency that takes the payments only. */
function ofProvider(inner: AnyProbe): AnyProbe {
  return {
    ...inner,
    judge(value, symptom, facts, answered) {
      const provider = String(facts.options['provider'] ?? 'stripe').toLowerCase();
      const hosts = (facts.on.hosts ?? []).map((host) => host.toLowerCase());
      const isIt =
        facts.on.name.toLowerCase().includes(provider) || hosts.some((host) => isProviderHost(host, provider));
      if (isIt) return inner.judge(value, symptom, facts, answered);
      return opposes(3.5, `payments are taken by ${safeName(provider)}`, { headline: 'it does not take the payments' });
    },
  };
}

const isProviderHost = (host: string, provider: string): boolean =>
  host.includes(provider) || isHostOf(host, [`${provider}.com`]);

/** The hypotheses about dependencies, beside what the payments themselves say of the one that takes them. */
export function withPaymentErrors(
  hypotheses: readonly Hypothesis[],
  bucket: PaymentBucket,
  weights: BucketWeights,
): readonly Hypothesis[] {
  return hypotheses.map((one) => ({
    ...one,
    // What the payments themselves say is enough: messages are a gap without them, no blindness.
    requires: [`payment-${bucket}`],
    probes: [ofProvider(paymentBucketProbe(bucket, weights)), ...one.probes],
  }));
}

/** Spread `paymentMitigations` into the detector's mitigations beside them. */
export function paymentHypotheses(): readonly Hypothesis[] {
  return [
    {
      cause: 'card-testing',
      title: 'Card testing: somebody tries out stolen cards with many small payments',
      prior: 0.08,
      on: 'self',
      requires: ['payment-declined', 'attempts'],
      probes: [
        paymentBucketProbe('declined', { most: 1.5, few: -6 }),
        attemptsProbe({ surge: 2.7, usual: -4.5 }),
        declineKindsProbe({ testing: 1, honest: -2.5 }),
      ],
      mitigations: ['card-testing-look', 'payment-errors', 'payment-logs'],
    },
    {
      cause: 'declines-up',
      title: 'Declines: the cards of customers are declined more often, by their issuers or for want of money',
      prior: 0.15,
      on: 'self',
      requires: ['payment-declined'],
      probes: [
        paymentBucketProbe('declined', { most: 3.2, few: -6 }),
        attemptsProbe({ surge: -4.5, usual: 0.5 }),
        declineKindsProbe({ testing: 0, honest: 0.7 }),
      ],
      mitigations: ['payment-errors', 'payment-logs'],
    },
    {
      cause: 'authentication-flow-broken',
      title: '3D Secure: payments that need authentication are not led through it',
      prior: 0.12,
      on: 'self',
      requires: ['payment-authentication'],
      probes: [
        paymentBucketProbe('authentication', { most: 4, few: -6 }),
        // Most often a change of ours; an issuer may also ask for more of it.
        versionBeforeProbe({ ifBefore: 0.8, ifNone: 0 }),
      ],
      mitigations: ['payment-errors', 'rollback', 'payment-logs'],
    },
  ];
}

/** A version that was brought out breaks what is sent to Stripe, and nothing else. */
export function withPaymentDoubts(deployments: readonly Hypothesis[]): readonly Hypothesis[] {
  const probes: readonly AnyProbe[] = [
    paymentBucketProbe('request', { most: 1.2, few: 0 }),
    renamed(paymentBucketProbe('declined', { most: -5, few: 0 }), 'not-declined'),
    renamed(paymentBucketProbe('vendor', { most: -5, few: 0 }), 'not-vendor'),
    renamed(paymentBucketProbe('limited', { most: -4.5, few: 0 }), 'not-limited'),
    renamed(paymentBucketProbe('authentication', { most: -5, few: 0 }), 'not-authentication'),
  ];
  return deployments.map((one) => ({ ...one, probes: [...one.probes, ...probes] }));
}

const renamed = (one: AnyProbe, id: string): AnyProbe => ({ ...one, id });

const readOnly = { risk: 'read-only', riskText: 'reads only' } as const;

export const paymentMitigations: Readonly<Record<string, Mitigation>> = {
  'payment-errors': {
    ...readOnly,
    title: 'Look at the failures by code, and at the decline codes under card_declined',
    command: 'npm run metrics:payments -- --window=1h --group-by=error_code,decline_code',
  },
  'payment-logs': {
    ...readOnly,
    title: "Look at Stripe's errors in the log",
    command: 'aws logs tail {logGroup} --region {region} --since 1h --filter-pattern "stripe api error"',
  },
  'card-testing-look': {
    ...readOnly,
    title:
      'See who tries so much; then a rule in Stripe Radar (https://dashboard.stripe.com/radar) and a CAPTCHA before paying',
    command: 'npm run metrics:rate-limits -- --window=15m',
  },
};
