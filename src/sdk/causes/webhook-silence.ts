/**
 * Webhooks that do not come at all, while what they tell of goes on: the vendor has disabled our endpoint or lost its
 * address, or delivers late. Nothing fails then, so nothing else sees it.
 */

import type { Interval, Reading, Sample } from '../../model/index.ts';
import type { AnyProbe, Facts, Hypothesis, Mitigation } from '../detector.ts';
import { ask, probe } from '../detector.ts';
import { neutral, opposes, supports } from '../evidence.ts';
import { clockTime, percent, plural, safeName } from '../format.ts';
import { versionBeforeProbe } from './explained-by-version.ts';
import { externalServiceMitigations } from './external-service-mitigations.ts';
import { isHostOf, seriesQuestion, share, sumsAtOnset } from './service-questions.ts';
import { ofSource, sourceOf } from './webhook-probes.ts';
import { weighed } from './weighed.ts';

export const SILENCE = 'silence';

export interface SilenceRule {
  /** Time that is looked at. */
  readonly withinMs: number;
  /** Webhooks that must be expected in that time: fewer may all be late by chance. */
  readonly minimum: number;
}

export interface Silence {
  readonly came: number;
  readonly expected: number;
  readonly onset: Interval;
}

/** Of what is expected: more than that is no silence; once silent, it is over above the second. */
const HARDLY = 0.1;
const AGAIN = 0.5;
/** A late hour has fewer than its mean, and its bursts are fewer still. */
const CLUSTERS = 3;

/**
 * Hardly any webhook, where many are expected. Only times at which a count was seen: what is not counted is not zero.
 * Null when there is none, or without a band.
 */
export function silenceOf(all: Reading, { withinMs, minimum }: SilenceRule, active: boolean): Silence | null {
  const newest = all.samples.at(-1);
  if (newest?.band.ready !== true) return null;
  const window = all.samples.filter(({ at, band }) => at > newest.at - withinMs && band.ready);
  // What has lasted is not asked again for the whole window: it is over as soon as they come again.
  const looked = active ? window.slice(-3) : window;
  const sums = looked.reduce(
    (sum, { value, band }) => ({
      came: sum.came + value,
      expected: sum.expected + band.expected,
      clusters: Math.max(sum.clusters, band.dispersion ?? 1),
    }),
    { came: 0, expected: 0, clusters: 1 },
  );
  const { came, expected, clusters } = sums;
  if (!active && expected < minimum * Math.max(1, clusters / CLUSTERS)) return null;
  if (came > expected * (active ? AGAIN : HARDLY)) return null;
  const isLow = ({ value, band }: Sample): boolean => value <= (band.ready ? band.expected : 0) * HARDLY;
  if (!active && !isLow(newest)) return null;
  let start = all.samples.length - 1;
  while (start > 0 && isLow(all.samples[start - 1]!)) start--;
  const first = all.samples[start]!;
  const before = all.samples[start - 1]?.at ?? first.at - all.periodMs;
  return { came, expected, onset: { earliest: before, latest: first.at } };
}

/** Payments that went through in the same time; null when they are not counted. */
export function passedSince(attempts: Reading | null, failed: Reading | null, from: number): number | null {
  if (attempts === null) return null;
  const sum = (reading: Reading | null): number =>
    (reading?.samples ?? []).reduce((total, { at, value }) => total + (at >= from ? value : 0), 0);
  return Math.max(0, sum(attempts) - sum(failed));
}

interface SilenceWeights {
  readonly silent: number;
}

/** How many came since, of how many before. */
function silenceProbe({ silent }: SilenceWeights): AnyProbe {
  return probe({
    id: 'silence',
    factor: 'results',
    title: 'whether webhooks come at all',
    ask: (_symptom, facts) => seriesQuestion(facts, 'webhook_events'),
    judge({ points }, { subject }, facts) {
      if (subject !== SILENCE) return opposes(8, 'webhooks come', { headline: 'webhooks come' });
      const own = ofSource(points, facts);
      const { after } = sumsAtOnset(own, facts);
      const expected = own.reduce(
        (sum, { at, expected: usual }) => sum + (at >= facts.onset.latest ? (usual ?? 0) : 0),
        0,
      );
      const observed = `${plural(Math.round(after), 'webhook')} came since ${clockTime(facts.onset.latest)}, where ${Math.round(expected)} are usual`;
      if (after > expected * AGAIN) return opposes(4, observed, { headline: 'webhooks come again' });
      return supports(silent, observed, { headline: observed });
    },
  });
}

/** Customers who pay make events: where they do not pay, there is nothing to tell of. */
function paymentsGoOnProbe(weights: { readonly going: number; readonly stopped: number }): AnyProbe {
  return probe({
    id: 'payments-go-on',
    factor: 'payments',
    title: 'whether payments go on',
    ask: (_symptom, facts) => seriesQuestion(facts, 'payment_attempts'),
    also: (_symptom, facts) => [seriesQuestion(facts, 'payment_errors')],
    judge({ points }, _symptom, facts, answered) {
      const errors = answered(seriesQuestion(facts, 'payment_errors'))?.points ?? [];
      const tried = sumsAtOnset(points, facts);
      const failed = sumsAtOnset(errors, facts);
      const usual = points.reduce((sum, one) => sum + (one.at >= facts.onset.latest ? (one.expected ?? 0) : 0), 0);
      const passed = Math.max(0, tried.after - failed.after);
      const observed = `${plural(passed, 'payment')} went through since then, ${percent(share(tried.after, usual))} of the usual were tried`;
      if (usual <= 0) return neutral(`${plural(passed, 'payment')} went through since then`);
      if (passed >= usual * 0.5) return supports(weights.going, observed, { headline: 'payments go through as ever' });
      return passed <= usual * HARDLY ? opposes(weights.stopped, observed, { headline: observed }) : neutral(observed);
    },
  });
}

/** Of pages that speak of all that a vendor has: whether it is this. */
const OF_WEBHOOKS = /webhook|event|notification|deliver/i;

interface PageWeights {
  /** It speaks of webhooks; of something else that is bad; of nothing. */
  readonly ofThem: number;
  readonly bad: number;
  readonly none: number;
}

/** Of the vendor that sends them: the dependency that the hypothesis is about, or the one that has its name. */
function vendorPageProbe(weights: PageWeights): AnyProbe {
  return probe({
    id: 'vendor-status',
    factor: 'vendor',
    title: "what the vendor's status page says",
    ask(_symptom, facts) {
      const source = sourceOf(facts).toLowerCase();
      const named = facts.target.dependsOn.find((name) => name.toLowerCase().includes(source));
      const target = facts.on.kind === 'dependency' ? facts.on.name : (named ?? facts.on.name);
      return { ...ask('vendor.status', facts, {}), target };
    },
    judge({ indicator, description, page, incidents, at }, _symptom, facts) {
      if (facts.on.kind === 'dependency' && !isSource(facts)) {
        const source = safeName(sourceOf(facts));
        return opposes(6, `the webhooks are of ${source}`, { headline: `the webhooks are of ${source}` });
      }
      const about = incidents.find(({ name }) => OF_WEBHOOKS.test(name)) ?? incidents[0];
      const named = about === undefined ? '' : `, ${safeName(about.name, 100)} (${safeName(about.status, 40)})`;
      const observed = `${page} says ${safeName(description, 100)}${named} at ${clockTime(at)}`;
      if (indicator === 'none') return weighed(weights.none, observed, { headline: 'its page says that all is well' });
      const headline = safeName(about?.name ?? description, 60);
      if (about !== undefined && OF_WEBHOOKS.test(about.name)) return weighed(weights.ofThem, observed, { headline });
      const isBad = indicator === 'major' || indicator === 'critical';
      return isBad ? weighed(weights.bad, observed, { headline }) : neutral(observed);
    },
  });
}

/** By the name of the dependency or its hosts. */
function isSource(facts: Facts): boolean {
  const source = sourceOf(facts).toLowerCase();
  const hosts = (facts.on.hosts ?? []).map((host) => host.toLowerCase());
  return (
    facts.on.name.toLowerCase().includes(source) ||
    hosts.some((host) => host.includes(source) || isHostOf(host, [`${source}.com`]))
  );
}

/** Spread `webhookSilenceMitigations` into the detector's mitigations beside them. */
export function webhookSilenceHypotheses(): readonly Hypothesis[] {
  return [
    {
      cause: 'webhooks-not-sent',
      variant: 'endpoint',
      title:
        'Webhooks do not come: our endpoint is disabled, its address is another, or something before it turns them away',
      prior: 0.12,
      on: 'self',
      requires: ['silence'],
      probes: [
        silenceProbe({ silent: 2.7 }),
        paymentsGoOnProbe({ going: 1.3, stopped: 5 }),
        vendorPageProbe({ ofThem: -4.5, bad: -1.8, none: 0.3 }),
        versionBeforeProbe({ ifBefore: -3.5, ifNone: 0.3 }),
      ],
      mitigations: ['webhook-endpoints', 'webhook-logs', 'webhook-retry'],
    },
    {
      cause: 'webhooks-not-sent',
      variant: 'vendor',
      title: 'Webhooks do not come: the vendor delivers them late',
      prior: 0.08,
      on: 'dependency',
      requires: ['silence', 'vendor-status'],
      probes: [
        silenceProbe({ silent: 2 }),
        vendorPageProbe({ ofThem: 4.2, bad: 1.8, none: -3.5 }),
        paymentsGoOnProbe({ going: 0.5, stopped: 5 }),
      ],
      mitigations: ['vendor-status', 'webhook-endpoints', 'webhook-retry'],
    },
  ];
}

/** Causes of failing webhooks: where none come, none fail. */
export function notOfSilence(hypotheses: readonly Hypothesis[]): readonly Hypothesis[] {
  const doubt: AnyProbe = probe({
    id: 'come-at-all',
    factor: 'results',
    title: 'whether webhooks come at all',
    ask: (_symptom, facts) => seriesQuestion(facts, 'webhook_events'),
    judge: (_value, { subject }) =>
      subject === SILENCE ? opposes(8, 'none come', { headline: 'none come' }) : neutral('webhooks come'),
  });
  return hypotheses.map((one) => ({ ...one, probes: [...one.probes, doubt] }));
}

export const webhookSilenceMitigations: Readonly<Record<string, Mitigation>> = {
  'vendor-status': externalServiceMitigations['vendor-status']!,
  'webhook-endpoints': {
    title:
      'Look at the endpoints as the vendor has them: whether ours is enabled, and its address (an endpoint is enabled again in the dashboard, https://dashboard.stripe.com/webhooks)',
    risk: 'read-only',
    riskText: 'reads only; needs the command line tool of the vendor',
    command: 'stripe webhook_endpoints list --live',
  },
};
