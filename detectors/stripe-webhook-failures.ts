import {
  behindTheHandler,
  connectionPoolMitigations,
  count,
  countedBeside,
  defineDetector,
  deploymentHypotheses,
  deploymentMitigations,
  duration,
  errorRateAbove,
  externalServiceHypotheses,
  externalServiceMitigations,
  integer,
  lifecycleOptions,
  lockContentionMitigations,
  mitigationsOf,
  notOfSilence,
  number,
  passedSince,
  percent,
  plural,
  points,
  type Reading,
  type RuleSymptom,
  rateText,
  type Severity,
  SILENCE,
  type Silence,
  safeName,
  serviceDatabaseHypotheses,
  serviceDatabaseUnreachableHypotheses,
  silenceOf,
  summedReadings,
  unreachableMitigations,
  WEBHOOK_OK,
  webhookHypotheses,
  webhookMitigations,
  webhookSilenceHypotheses,
  webhookSilenceMitigations,
  withTrackedErrors,
} from 'runbookd/sdk';

const hypotheses = [
  ...notOfSilence(webhookHypotheses()),
  // A version may fail on what it gets, or have lost the way that webhooks come.
  ...behindTheHandler(withTrackedErrors(deploymentHypotheses())),
  ...notOfSilence(
    behindTheHandler([
      ...serviceDatabaseHypotheses(),
      ...serviceDatabaseUnreachableHypotheses(),
      ...externalServiceHypotheses(),
    ]),
  ),
  ...webhookSilenceHypotheses(),
];

const sumSince = (readings: readonly Reading[], from: number): number =>
  readings.flatMap((one) => one.samples).reduce((sum, { at, value }) => sum + (at >= from ? value : 0), 0);

interface SilentOptions {
  readonly source: string;
  readonly silentSeconds: number;
}

/** Null where customers do not pay either: then there is nothing to tell of. */
function silenceSymptom(
  { came, expected, onset }: Silence,
  o: SilentOptions,
  target: string,
  all: Reading,
  readings: (signal: string) => readonly Reading[],
): RuleSymptom | null {
  const attempts = summedReadings(readings('payment_attempts'));
  const failed = attempts === null ? null : countedBeside(attempts, readings('payment_errors'));
  const passed = passedSince(attempts, failed, onset.latest);
  if (passed !== null && passed < FEW_PASSED) return null;
  const name = safeName(o.source);
  const some = came === 0 ? `no webhooks of ${name} come` : `hardly any webhooks of ${name} come`;
  const beside = passed === null ? '' : `, while ${plural(passed, 'payment')} went through`;
  return {
    subject: SILENCE,
    // Without the payments, nobody knows that there is anything to tell of.
    severity: passed === null ? 'warning' : 'error',
    headline: `${some}${beside}`,
    summary: `${some} to ${target}${beside}: ${count(came)} of ${count(expected)} that are usual in ${duration(o.silentSeconds)}.`,
    onset,
    readings: points([all, attempts ?? undefined]),
  };
}

/** Fewer payments need not have made an event by now. */
const FEW_PASSED = 10;

export const detector = defineDetector({
  id: 'stripe-webhook-failures',
  title: 'Stripe webhook failures',
  why: 'Payments succeed at Stripe and we do not hear of it: orders stay open, subscriptions lapse, users pay twice.',
  runbook: 'Payment Service / Stripe Webhook Failures',
  target: 'service',
  signals: {
    events: {
      signal: 'webhook_events',
      unit: 'count',
      required: true,
      description: 'webhooks that came, by source and result: ok, signature_failed, handler_failed',
    },
    attempts: {
      signal: 'payment_attempts',
      unit: 'count',
      required: false,
      description: 'payments that were tried: while they go on, webhooks must come',
    },
    errors: { signal: 'payment_errors', unit: 'count', required: false, description: 'payments that failed' },
  },
  options: {
    ...lifecycleOptions({ pollSeconds: 60, holdSeconds: 0, clearPolls: 3, clearSeconds: 600 }),
    source: { type: 'string', default: 'stripe', description: 'the label `source` of the webhooks that are looked at' },
    excessPoints: number(2, 'how far the share of failures must be above its baseline', {
      unit: 'percentage points',
      minimum: 0,
      maximum: 100,
    }),
    shortSeconds: integer(300, 'the short window', { unit: 's', minimum: 10, maximum: 3600 }),
    longSeconds: integer(3600, 'the long window, which gathers failures where few webhooks come', {
      unit: 's',
      minimum: 10,
      maximum: 3600,
    }),
    minimumErrors: integer(5, 'failures that there must be in the window', { unit: 'webhooks', minimum: 1 }),
    significance: number(1e-6, 'chance of so many failures at the baseline rate, below which it is no chance', {
      minimum: 1e-12,
      maximum: 0.05,
    }),
    silentSeconds: integer(600, 'how long hardly any webhook came, while customers pay', {
      unit: 's',
      minimum: 60,
      maximum: 3600,
    }),
    silentMinimum: integer(30, 'webhooks that must be expected in that time, for their absence to count', {
      unit: 'webhooks',
      minimum: 10,
    }),
    criticalPercent: number(50, 'share of failures from which on it is critical', {
      unit: '%',
      minimum: 0,
      maximum: 100,
    }),
  },
  rule({ options: o, readings, target, active }) {
    const own = readings('webhook_events').filter((one) => (one.labels['source'] ?? o.source) === o.source);
    const all = summedReadings(own);
    if (all === null) return { state: 'no_data', signals: ['webhook_events'] };
    const quiet = silenceOf(all, { withinMs: o.silentSeconds * 1000, minimum: o.silentMinimum }, active(SILENCE));
    const silence = quiet === null ? null : silenceSymptom(quiet, o, target.name, all, readings);
    const silent = silence === null ? [] : [silence];
    const at = all.samples.at(-1)?.at ?? 0;
    // A result that never was is not counted anywhere: beside webhooks that came, that is none.
    const bad = own.filter((one) => one.labels['result'] !== WEBHOOK_OK);
    const failed = countedBeside(all, bad.length === 0 ? [{ ...all, samples: [] }] : bad);
    if (failed === null) return { state: 'no_data', signals: ['webhook_events'] };
    const judged = errorRateAbove(
      failed,
      all,
      {
        excess: o.excessPoints / 100,
        shortMs: o.shortSeconds * 1000,
        longMs: o.longSeconds * 1000,
        minimumErrors: o.minimumErrors,
        significance: o.significance,
      },
      active(''),
    );
    if (judged.state === 'not_ready' && silence === null && !active(SILENCE)) {
      return { state: 'not_ready', signals: ['webhook_events'] };
    }
    // Where none come, it is not known whether they would pass.
    if (judged.state === 'not_ready') return { state: 'judged', at, symptoms: silent, unjudged: [''] };
    if (judged.state === 'clear') return { state: 'judged', at: judged.at, symptoms: silent };
    const { errors, requests, rate, baseline, window, onset } = judged.departure;
    const since = sumSince(bad, onset.latest);
    const signatures = sumSince(
      bad.filter((one) => one.labels['result'] === 'signature_failed'),
      onset.latest,
    );
    const part = since === 0 ? 0 : signatures / since;
    const which = part >= 0.9 ? 'signature' : part <= 0.1 ? 'handler' : `${percent(part)} signature`;
    // A window that began before it mixes the healthy time in.
    const came = sumSince(own, onset.latest);
    const failing = came === 0 ? rate : since / came;
    const severity: Severity = failing >= o.criticalPercent / 100 ? 'critical' : 'error';
    const seconds =
      window === 'total-failure' ? (at - onset.earliest) / 1000 : window === 'long' ? o.longSeconds : o.shortSeconds;
    const name = safeName(o.source);
    return {
      state: 'judged',
      at,
      symptoms: [
        {
          subject: '',
          severity,
          headline: `${rateText(failing)} of ${name} webhooks fail (${which}; baseline ${rateText(baseline)})`,
          summary: `${rateText(failing)} of the webhooks of ${name} to ${target.name} fail since it began, ${rateText(rate)} failed in the last ${duration(seconds)}: ${count(errors)} of ${count(requests)}; ${percent(part)} of the failures are of signatures. The baseline is ${rateText(baseline)}.`,
          onset,
          readings: points([failed, all]),
        },
        ...silent,
      ],
    };
  },
  hypotheses,
  mitigations: mitigationsOf(
    hypotheses,
    webhookMitigations,
    webhookSilenceMitigations,
    deploymentMitigations,
    connectionPoolMitigations,
    lockContentionMitigations,
    unreachableMitigations,
    externalServiceMitigations,
  ),
});
