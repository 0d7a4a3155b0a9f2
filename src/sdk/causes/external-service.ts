/**
 * A vendor that does not answer, or answers slowly: calls to its hosts are worse and those to others are not, the error
 * messages name it. Its own status page supports that and never proves it: pages lag and are edited by people.
 */

import type { Judged, LogKind } from '../../model/index.ts';
import type { AnyProbe, Facts, Hypothesis } from '../detector.ts';
import { ask, probe } from '../detector.ts';
import { neutral, opposes, supports, unknown } from '../evidence.ts';
import { clockTime, duration, percent, plural, safeName, times } from '../format.ts';
import type { Points } from './service-questions.ts';
import {
  FEW_MESSAGES,
  healthQuestion,
  isHostOf,
  logShare,
  logsQuestion,
  rateText,
  seriesQuestion,
  share,
  sumsAtOnset,
} from './service-questions.ts';

export { externalServiceMitigations } from './external-service-mitigations.ts';

export type ExternalServiceVariant = 'down' | 'slow';

export interface ExternalServiceOptions {
  readonly variants?: readonly ExternalServiceVariant[];
  readonly prior?: number;
  /** Also ask the service's readiness endpoint, which names what it cannot reach. */
  readonly readiness?: boolean;
}

/** Fewer failed calls prove nothing. */
const FEW_CALLS = 5;
/** It says of the vendor itself what a caller can only guess, and whether it is our side of the calls. */
const SEEN_BY = ['dependency-trouble'] as const;

/** One per dependency; spread `externalServiceMitigations` into the detector's mitigations beside them. */
export function externalServiceHypotheses(options: ExternalServiceOptions = {}): readonly Hypothesis[] {
  const { variants = ['down'], prior = 0.12, readiness = false } = options;
  const all: Readonly<Record<ExternalServiceVariant, Hypothesis>> = {
    down: {
      cause: 'external-service',
      variant: 'down',
      title: 'External service: calls to it fail',
      prior,
      on: 'dependency',
      requires: ['messages-name-it'],
      probes: [
        failedCallsProbe(),
        messagesProbe(DOWN_KINDS, 3),
        vendorStatusProbe(1),
        ...(readiness ? [readinessProbe()] : []),
      ],
      mitigations: ['vendor-status', 'disable-flag', 'external-services'],
      seenBy: SEEN_BY,
    },
    slow: {
      cause: 'external-service',
      variant: 'slow',
      title: 'External service: it answers slowly',
      prior,
      on: 'dependency',
      requires: ['slow-calls'],
      probes: [slowCallsProbe(), messagesProbe(['timeout'], 1.5), vendorStatusProbe(0.7)],
      mitigations: ['external-latency', 'vendor-status', 'enable-cache', 'reduce-timeout', 'disable-flag'],
      seenBy: SEEN_BY,
    },
  };
  return variants.map((variant) => all[variant]);
}

const HOSTS_GRANT = 'dependencies.NAME.hosts';

const ofHosts = (points: Points | null | undefined, facts: Facts, wanted: boolean): Points =>
  (points ?? []).filter((point) => isHostOf(point.labels['host'] ?? null, facts.on.hosts ?? []) === wanted);

function hostText(facts: Facts): string {
  return safeName((facts.on.hosts ?? []).join(', ') || facts.on.name, 80);
}

/** Null when it can be asked about by host. */
function withoutHosts(facts: Facts): Judged | null {
  if ((facts.on.hosts ?? []).length > 0) return null;
  return unknown('not_configured', `no hosts of ${facts.on.name} are configured`, HOSTS_GRANT);
}

function failedCallsProbe(): AnyProbe {
  return probe({
    id: 'failed-calls',
    factor: 'calls',
    title: 'failed calls to it beside those to others',
    ask: (_symptom, facts) => seriesQuestion(facts, 'dependency_errors'),
    also: (_symptom, facts) => [seriesQuestion(facts, 'dependency_requests'), seriesQuestion(facts, 'errors')],
    judge(errors, _symptom, facts, answered) {
      const missing = withoutHosts(facts);
      if (missing !== null) return missing;
      const calls = answered(seriesQuestion(facts, 'dependency_requests'));
      if (calls === null) return neutral('failed calls are known, but not of how many');
      const rates = (wanted: boolean) => {
        const failed = sumsAtOnset(ofHosts(errors.points, facts, wanted), facts);
        const all = sumsAtOnset(ofHosts(calls.points, facts, wanted), facts);
        return { failed, all, before: share(failed.before, all.before), after: share(failed.after, all.after) };
      };
      const own = rates(true);
      const others = rates(false);
      if (own.all.after === 0) return neutral(`no calls to ${hostText(facts)} since then`);
      const observed = `${rateText(own.after)} of ${plural(own.all.after, 'call')} to ${hostText(facts)} fail, ${rateText(own.before)} before; ${rateText(others.after)} of ${plural(others.all.after, 'call')} to others`;
      if (own.failed.after < FEW_CALLS || own.after < 0.02 || own.after < own.before * 3) {
        const headline = `${rateText(own.after)} of calls to ${hostText(facts)} fail`;
        return own.after < Math.max(0.01, own.before * 1.5) ? opposes(4, observed, { headline }) : neutral(observed);
      }
      const headline = `${rateText(own.after)} of calls to ${hostText(facts)} fail`;
      // A service's own way out, or its own mistake, makes calls to everybody fail.
      if (others.after > Math.max(0.02, others.before * 3) && others.failed.after >= FEW_CALLS) {
        return others.after >= own.after * 0.5
          ? opposes(2, `${observed}: not to it alone`, { headline: 'calls to others fail as well' })
          : supports(1, `${observed}: not to it alone`);
      }
      const ours = sumsAtOnset(answered(seriesQuestion(facts, 'errors'))?.points, facts).after;
      if (ours > 0 && own.failed.after < ours * 0.2) {
        return supports(1, `${observed}; too few to explain ${plural(ours, 'error')} of ${facts.target.name}`);
      }
      return supports(4, observed, { headline });
    },
  });
}

function slowCallsProbe(): AnyProbe {
  return probe({
    id: 'slow-calls',
    factor: 'calls',
    title: 'how long calls to it take beside those to others',
    ask: (_symptom, facts) => seriesQuestion(facts, 'dependency_latency_p95'),
    judge({ points }, _symptom, facts) {
      const missing = withoutHosts(facts);
      if (missing !== null) return missing;
      const own = medians(ofHosts(points, facts, true), facts);
      const others = medians(ofHosts(points, facts, false), facts);
      if (own.after === null) return neutral(`no calls to ${hostText(facts)} since then`);
      if (own.before === null)
        return neutral(`95 % of calls to ${hostText(facts)} take under ${duration(own.after)}; before is not known`);
      const ratio = own.after / Math.max(own.before, 0.001);
      const observed = `p95 of calls to ${hostText(facts)} is ${duration(own.after)}, ${duration(own.before)} before (${times(ratio)})${
        others.after === null ? '' : `; of calls to others ${duration(others.after)}`
      }`;
      const headline = `p95 of calls to ${hostText(facts)} ${duration(own.after)} (${times(ratio)})`;
      if (ratio < 1.25) return opposes(4, observed, { headline });
      if (ratio < 1.5 || own.after - own.before < 0.05) return neutral(observed);
      const othersRatio =
        others.after === null || others.before === null ? 1 : others.after / Math.max(others.before, 0.001);
      if (othersRatio >= ratio * 0.6) return supports(1, `${observed}: not to it alone`);
      return supports(ratio >= 2 ? 4 : 3, observed, { headline, slots: { timeoutMs: timeoutFor(own.before) } });
    },
  });
}

/** The runbook's five seconds, or less where healthy calls are much faster than that; whole half seconds. */
function timeoutFor(healthySeconds: number): number {
  return Math.min(5000, Math.max(1000, Math.ceil((healthySeconds * 5000) / 500) * 500));
}

function medians(points: Points, facts: Facts): { readonly before: number | null; readonly after: number | null } {
  const median = (values: readonly number[]): number | null => {
    const sorted = values.toSorted((a, b) => a - b);
    return sorted.length === 0 ? null : sorted[Math.floor((sorted.length - 1) / 2)]!;
  };
  return {
    before: median(points.filter((point) => point.at <= facts.onset.earliest).map((point) => point.value)),
    after: median(points.filter((point) => point.at >= facts.onset.latest).map((point) => point.value)),
  };
}

const DOWN_KINDS: readonly LogKind[] = [
  'name-resolution',
  'refused',
  'timeout',
  'tls',
  'authentication',
  'exception',
  'other',
];

/** `settled` is the weight when most of the new messages name it. */
function messagesProbe(kinds: readonly LogKind[], settled: number): AnyProbe {
  return probe({
    id: 'messages-name-it',
    factor: 'logs',
    title: 'error messages of the service that name it',
    ask: (_symptom, facts) => logsQuestion(facts),
    judge(logs, _symptom, facts) {
      const missing = withoutHosts(facts);
      if (missing !== null) return missing;
      const found = logShare(
        logs,
        facts,
        ({ host, kind }) => isHostOf(host, facts.on.hosts ?? []) && kinds.includes(kind),
      );
      if (found.all < FEW_MESSAGES) return neutral('no more error messages than before');
      const limited = logShare(
        logs,
        facts,
        ({ host, kind }) => isHostOf(host, facts.on.hosts ?? []) && kind === 'rate-limited',
      );
      if (limited.share >= 0.3 && limited.fitting > found.fitting) {
        const said = `${limited.fitting} of ${limited.all} additional error messages say that ${hostText(facts)} limits our calls: it does answer`;
        return opposes(3.5, said, { headline: 'it answers, with 429' });
      }
      const observed = `${found.fitting} of ${found.all} additional error messages name ${hostText(facts)}`;
      const headline = `${percent(found.share)} of the new error messages name ${hostText(facts)}`;
      if (found.share < 0.05) return opposes(2, observed, { headline: `no message names ${hostText(facts)}` });
      if (found.share < 0.2 || found.top === null) return neutral(observed);
      const text = `${observed}, most: ${safeName(found.top.template, 120)}`;
      return supports(found.share >= 0.5 ? settled : settled / 2, text, { headline });
    },
  });
}

function vendorStatusProbe(most: number): AnyProbe {
  return probe({
    id: 'vendor-status',
    factor: 'vendor',
    title: "what the vendor's status page says",
    ask: (_symptom, facts) => ask('vendor.status', facts, {}),
    judge({ indicator, description, page, incidents, at }) {
      const incident = incidents[0];
      const named =
        incident === undefined ? '' : `, ${safeName(incident.name, 100)} (${safeName(incident.status, 40)})`;
      const observed = `${page} says ${safeName(description, 100)}${named} at ${clockTime(at)}`;
      if (indicator === 'major' || indicator === 'critical') return supports(most, observed);
      if (indicator === 'minor' || indicator === 'maintenance') return supports(most / 2, observed);
      return neutral(observed);
    },
  });
}

function readinessProbe(): AnyProbe {
  return probe({
    id: 'readiness',
    factor: 'ready',
    title: 'what the readiness endpoint says of it',
    ask: (_symptom, facts) => healthQuestion(facts),
    judge({ ready }, _symptom, facts) {
      const names = [facts.on.name, ...(facts.on.hosts ?? [])].map((name) => name.toLowerCase());
      const check = ready?.checks.find((one) => names.some((name) => one.name.toLowerCase().includes(name)));
      if (check === undefined) return neutral(`the readiness endpoint does not speak of ${facts.on.name}`);
      const detail = check.detail === null ? '' : `: ${safeName(check.detail, 80)}`;
      if (check.ok) {
        return opposes(2, `the readiness endpoint reaches ${facts.on.name}`, { headline: `${facts.on.name} is ready` });
      }
      return supports(3.5, `the readiness endpoint cannot reach ${safeName(check.name)}${detail}`, {
        headline: `not ready: ${safeName(check.name)}${detail}`,
      });
    },
  });
}
