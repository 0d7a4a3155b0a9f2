/**
 * Why webhooks fail: their signatures do not match (the secret, the body, the clock), or our handler does not take them.
 */

import type { SlotValues } from '../../model/index.ts';
import type { Facts, Hypothesis, Mitigation } from '../detector.ts';
import { effect } from '../detector.ts';
import { plural } from '../format.ts';
import { versionBeforeProbe } from './explained-by-version.ts';
import { rateText, seriesQuestion, share } from './service-questions.ts';
import { newIssuesProbe } from './tracked-errors.ts';
import {
  FEW_WEBHOOKS,
  fromOneMomentProbe,
  ofSource,
  ownHandlerProbe,
  secretChangeProbe,
  signatureMessagesProbe,
  vendorCallsProbe,
  WEBHOOK_OK,
  webhookResultsProbe,
} from './webhook-probes.ts';

export { WEBHOOK_OK } from './webhook-probes.ts';
export {
  notOfSilence,
  passedSince,
  SILENCE,
  type Silence,
  silenceOf,
  webhookSilenceHypotheses,
  webhookSilenceMitigations,
} from './webhook-silence.ts';

/** Spread `webhookMitigations` into the detector's mitigations beside them. */
export function webhookHypotheses(): readonly Hypothesis[] {
  return [
    {
      cause: 'webhook-secret-rotated',
      title: 'Webhook secret: what we verify with is not what the vendor signs with',
      prior: 0.15,
      on: 'self',
      requires: ['results'],
      probes: [
        webhookResultsProbe({ signatures: 3, handler: -6 }),
        fromOneMomentProbe(),
        signatureMessagesProbe({ parsed: -4.5, clock: -6, mismatch: 0.7 }),
        secretChangeProbe(2.5),
        versionBeforeProbe({ ifBefore: -4, ifNone: 0 }),
      ],
      mitigations: ['webhook-logs', 'webhook-secret-rotate', 'webhook-retry'],
    },
    {
      cause: 'webhook-body-parsed',
      title: 'Webhook body: it is parsed before its signature is verified, since the version that was brought out last',
      prior: 0.06,
      on: 'self',
      requires: ['results'],
      probes: [
        webhookResultsProbe({ signatures: 2.5, handler: -6 }),
        fromOneMomentProbe(),
        signatureMessagesProbe({ parsed: 3.5, clock: -6, mismatch: 0.3 }),
        versionBeforeProbe({ ifBefore: 2.2, ifNone: -3 }),
      ],
      mitigations: ['webhook-logs', 'deploy-history', 'rollback', 'webhook-retry'],
    },
    {
      cause: 'webhook-clock-skew',
      title: 'Clock: ours is more than five minutes off, or the events come that late',
      prior: 0.03,
      on: 'self',
      requires: ['signature-messages'],
      probes: [
        webhookResultsProbe({ signatures: 1, handler: -6 }),
        signatureMessagesProbe({ parsed: -5, clock: 5.2, mismatch: -3 }),
        versionBeforeProbe({ ifBefore: -0.7, ifNone: 0 }),
      ],
      mitigations: ['webhook-logs', 'vendor-clock', 'webhook-retry'],
    },
    {
      cause: 'handler-failing',
      title: 'Webhook handler: our own code fails on events that are signed as they should be',
      prior: 0.12,
      on: 'self',
      requires: ['results'],
      probes: [
        webhookResultsProbe({ signatures: -6, handler: 2.5 }),
        ownHandlerProbe(),
        newIssuesProbe(0.8),
        versionBeforeProbe({ ifBefore: -4.5, ifNone: 0 }),
        vendorCallsProbe(),
      ],
      mitigations: ['webhook-logs', 'webhook-retry'],
    },
  ];
}

/** Causes behind the handler: that signatures fail is none of them. */
export function behindTheHandler(hypotheses: readonly Hypothesis[]): readonly Hypothesis[] {
  return hypotheses.map((one) => ({
    ...one,
    probes: [...one.probes, webhookResultsProbe({ signatures: -6, handler: 0.3 })],
  }));
}

const RETRIED_MS = 30 * 60_000;

/** Whether events pass again: seen at the last quarter of an hour of the source's own results. */
const passAgain = (withinMs: number): NonNullable<Mitigation['effect']> =>
  effect<'series'>({
    expect: `webhooks pass again within ${withinMs / 60_000} min`,
    withinMs,
    ask: (_slots: SlotValues, facts: Facts) => seriesQuestion(facts, 'webhook_events'),
    judge({ points }, _slots, facts) {
      const last = ofSource(points, facts).filter(({ at }) => at > facts.now - 10 * 60_000);
      const sum = (failed: boolean): number =>
        last.reduce((total, one) => total + ((one.labels['result'] !== WEBHOOK_OK) === failed ? one.value : 0), 0);
      const [failed, passed] = [sum(true), sum(false)];
      const observed = `${rateText(share(failed, failed + passed))} of ${plural(failed + passed, 'webhook')} in the last 10 min fail`;
      if (failed + passed < FEW_WEBHOOKS) return { state: 'not_applied', observed };
      if (failed <= passed * 0.05) return { state: 'worked', observed };
      return { state: failed <= passed ? 'partly' : 'not_yet', observed };
    },
  });

export const webhookMitigations: Readonly<Record<string, Mitigation>> = {
  'webhook-logs': {
    title: "Look at the webhooks' log, and at the vendor's dashboard (https://dashboard.stripe.com/webhooks)",
    risk: 'read-only',
    riskText: 'reads only',
    command: 'npm run logs:webhooks -- --source=stripe --window=1h',
    alternative: 'aws logs tail {logGroup} --region {region} --since 1h --filter-pattern "webhook signature"',
  },
  'webhook-secret-rotate': {
    title: "Bring out the secret that the vendor's dashboard shows for this endpoint",
    risk: 'disruptive',
    riskText:
      'disruptive: every event signed with the secret of before fails from then on. Compare first whether the secret differs at all; the vendor can let both be valid for up to 24 h',
    precheck: 'npm run logs:webhooks -- --source=stripe --window=1h',
    command: 'npm run secrets:rotate -- --secret=stripe_webhook_secret',
    verify: 'npm run logs:webhooks -- --source=stripe --window=1h',
    effect: passAgain(RETRIED_MS),
  },
  'webhook-retry': {
    title: 'Once they pass again: have the failed events of the last hour delivered anew',
    risk: 'reversible',
    riskText:
      'events come once more, also those that were half done: the handler must know events by their id. The vendor itself repeats for up to three days',
    precheck: 'npm run logs:webhooks -- --source=stripe --window=1h',
    command: 'npm run webhooks:retry -- --source=stripe --since=1h',
    effect: passAgain(RETRIED_MS),
  },
  'vendor-clock': {
    title: "Compare the vendor's clock (the header date) with that of the tasks",
    risk: 'read-only',
    riskText: 'reads only',
    command: 'curl -sS -m 10 -I https://api.stripe.com/healthcheck',
  },
};
