import {
  BUCKET_NAMES,
  bucketLine,
  bucketOf,
  count,
  countedBeside,
  defineDetector,
  deploymentHypotheses,
  deploymentMitigations,
  duration,
  errorName,
  errorRateAbove,
  externalServiceHypotheses,
  externalServiceMitigations,
  integer,
  lifecycleOptions,
  mitigationsOf,
  number,
  type PaymentBucket,
  paymentHypotheses,
  paymentMitigations,
  percent,
  points,
  type Reading,
  rateLimitHypotheses,
  rateText,
  type Severity,
  safeName,
  summedReadings,
  withPaymentDoubts,
  withPaymentErrors,
  withTrackedErrors,
} from 'runbookd/sdk';

const hypotheses = [
  ...paymentHypotheses(),
  ...withPaymentErrors(externalServiceHypotheses({ prior: 0.15 }), 'vendor', { most: 4.2, few: -4 }),
  ...withPaymentErrors(rateLimitHypotheses({ variants: ['theirs'] }), 'limited', { most: 5, few: -4 }),
  ...withPaymentDoubts(withTrackedErrors(deploymentHypotheses())),
];

/** Failures that are the customers' own: nobody of us can mend them at night. */
const CUSTOMERS: ReadonlySet<PaymentBucket> = new Set(['declined']);

interface Part {
  readonly name: string;
  readonly share: number;
}

/** Which part of the failures since the onset each name has, most first. */
function partsOf(errors: readonly Reading[], from: number, nameOf: (one: Reading) => string): readonly Part[] {
  const sums = new Map<string, number>();
  for (const one of errors) {
    const sum = one.samples.reduce((total, { at, value }) => total + (at >= from ? value : 0), 0);
    sums.set(nameOf(one), (sums.get(nameOf(one)) ?? 0) + sum);
  }
  const all = [...sums.values()].reduce((total, value) => total + value, 0);
  return [...sums]
    .filter(([, value]) => value > 0)
    .map(([name, value]) => ({ name, share: value / all }))
    .sort((a, b) => b.share - a.share || (a.name < b.name ? -1 : 1));
}

export const detector = defineDetector({
  id: 'payment-intent-failures',
  title: 'Payment intent failures',
  why: 'Customers cannot pay: each minute costs sales, and the ones who fail do not come back.',
  runbook: 'Payment Service / Payment Intent Failures',
  target: 'service',
  signals: {
    attempts: {
      signal: 'payment_attempts',
      unit: 'count',
      required: true,
      description: 'payments that were tried, failed ones among them',
    },
    errors: {
      signal: 'payment_errors',
      unit: 'count',
      required: true,
      description: 'payments that failed, by type, code and decline code of what Stripe answered',
    },
  },
  options: {
    ...lifecycleOptions({ pollSeconds: 60, holdSeconds: 0, clearPolls: 3, clearSeconds: 600 }),
    provider: {
      type: 'string',
      default: 'stripe',
      description: 'who takes the payments: part of the name or of the hosts of a dependency',
    },
    excessPoints: number(2, 'how far the share of failures must be above its baseline', {
      unit: 'percentage points',
      minimum: 0,
      maximum: 100,
    }),
    shortSeconds: integer(300, 'the short window', { unit: 's', minimum: 10, maximum: 3600 }),
    longSeconds: integer(3600, 'the long window, which gathers failures where few pay', {
      unit: 's',
      minimum: 10,
      maximum: 3600,
    }),
    minimumErrors: integer(5, 'failures that there must be in the window', { unit: 'payments', minimum: 1 }),
    significance: number(1e-6, 'chance of so many failures at the baseline rate, below which it is no chance', {
      minimum: 1e-12,
      maximum: 0.05,
    }),
    criticalPoints: number(
      20,
      'points above the baseline from which on it is critical, where it is not only declines',
      {
        unit: 'percentage points',
        minimum: 0,
        maximum: 100,
      },
    ),
  },
  rule({ options: o, readings, target, active }) {
    const attempts = summedReadings(readings('payment_attempts'));
    const errors = readings('payment_errors');
    const failed = attempts === null ? null : countedBeside(attempts, errors);
    if (attempts === null || failed === null) {
      return { state: 'no_data', signals: attempts === null ? ['payment_attempts'] : ['payment_errors'] };
    }
    const judged = errorRateAbove(
      failed,
      attempts,
      {
        excess: o.excessPoints / 100,
        shortMs: o.shortSeconds * 1000,
        longMs: o.longSeconds * 1000,
        minimumErrors: o.minimumErrors,
        significance: o.significance,
      },
      active(''),
    );
    if (judged.state === 'not_ready') return { state: 'not_ready', signals: ['payment_attempts', 'payment_errors'] };
    if (judged.state === 'clear') return { state: 'judged', at: judged.at, symptoms: [] };
    const found = judged.departure;
    const { at, rate, baseline, window, onset } = found;
    const buckets = partsOf(errors, onset.latest, (one) => bucketOf(one.labels));
    const names = partsOf(errors, onset.latest, (one) => errorName(one.labels));
    // What was always there is of the customers as a rule: a part of it does not make the rest theirs.
    const customers = buckets.reduce((sum, one) => sum + (CUSTOMERS.has(one.name as PaymentBucket) ? one.share : 0), 0);
    const critical = found.worstRate - baseline >= o.criticalPoints / 100;
    const severity: Severity = customers >= 0.9 ? 'warning' : critical ? 'critical' : 'error';
    const top = buckets[0];
    const what = top === undefined ? '' : `, ${percent(top.share)} ${BUCKET_NAMES[top.name as PaymentBucket]}`;
    const seconds =
      window === 'total-failure' ? (at - onset.earliest) / 1000 : window === 'long' ? o.longSeconds : o.shortSeconds;
    const breakdown = [
      buckets.length < 2
        ? null
        : `failures: ${buckets
            .slice(0, 4)
            .map((one) => bucketLine(one.name as PaymentBucket, one.share))
            .join(', ')}`,
      names.length === 0
        ? null
        : `failures by code: ${names
            .slice(0, 4)
            .map((one) => `${safeName(one.name, 40)} ${percent(one.share)}`)
            .join(', ')}`,
    ].filter((line) => line !== null);
    return {
      state: 'judged',
      at,
      symptoms: [
        {
          subject: '',
          severity,
          headline: `payments fail ${rateText(rate)} (baseline ${rateText(baseline)})${what}`,
          summary: `${rateText(rate)} of the payments of ${target.name} failed in the last ${duration(seconds)}: ${count(found.errors)} of ${count(found.requests)}${what}. The baseline is ${rateText(baseline)}.`,
          onset,
          readings: points([failed, attempts]),
          ...(breakdown.length === 0 ? {} : { breakdown }),
        },
      ],
    };
  },
  hypotheses,
  mitigations: mitigationsOf(hypotheses, paymentMitigations, deploymentMitigations, externalServiceMitigations),
});
