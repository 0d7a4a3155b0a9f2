/** Limits: ours, which answers users with 429, and a vendor's, which answers us with it. */

import type { TargetKind } from '../../model/index.ts';
import type { AnyProbe, Hypothesis, Mitigation } from '../detector.ts';
import { probe } from '../detector.ts';
import { neutral, opposes, supports } from '../evidence.ts';
import { clockTime, count, percent, plural, safeName, times } from '../format.ts';
import {
  changesQuestion,
  FEW_MESSAGES,
  isHostOf,
  logShare,
  logsQuestion,
  rateText,
  seriesQuestion,
  share,
  sumsAtOnset,
} from './service-questions.ts';

export type RateLimitVariant = 'ours' | 'theirs';

export interface RateLimitOptions {
  readonly variants?: readonly RateLimitVariant[];
  readonly prior?: number;
  /** Subject of the symptom that is 429 answers: only there our own limit explains all of it. */
  readonly subject?: string;
}

/** Fewer limited requests prove nothing. */
const FEW_LIMITED = 5;

/** `ours` about the service itself, `theirs` about each of its dependencies. */
export function rateLimitHypotheses(options: RateLimitOptions = {}): readonly Hypothesis[] {
  const { variants = ['ours', 'theirs'], prior = 0.045, subject = '429' } = options;
  const hypothesis = (
    variant: RateLimitVariant,
    on: 'self' | TargetKind,
    title: string,
    rest: Pick<Hypothesis, 'probes' | 'mitigations' | 'requires'>,
  ): Hypothesis => ({ cause: 'rate-limited', variant, title: `Rate limiting: ${title}`, prior, on, ...rest });
  const all: Readonly<Record<RateLimitVariant, Hypothesis>> = {
    ours: hypothesis('ours', 'self', 'the service itself turns requests away with 429', {
      requires: ['limited-share'],
      probes: [limitedShareProbe(subject), trafficProbe(), limitSettingProbe()],
      mitigations: ['rate-limit-metrics', 'raise-rate-limit'],
    }),
    theirs: hypothesis('theirs', 'dependency', 'it turns our calls away with 429', {
      requires: ['limited-messages'],
      probes: [limitedMessagesProbe(), failedCallsProbe()],
      mitigations: ['external-services', 'enable-cache', 'disable-flag'],
    }),
  };
  return variants.map((variant) => all[variant]);
}

function limitedShareProbe(subject: string): AnyProbe {
  return probe({
    id: 'limited-share',
    factor: 'limited',
    title: 'requests that the service answered with 429',
    ask: (_symptom, facts) => seriesQuestion(facts, 'rate_limited'),
    also: (_symptom, facts) => [seriesQuestion(facts, 'requests'), seriesQuestion(facts, 'errors')],
    judge({ points }, symptom, facts, answered) {
      const requests = sumsAtOnset(answered(seriesQuestion(facts, 'requests'))?.points, facts);
      const errors = sumsAtOnset(answered(seriesQuestion(facts, 'errors'))?.points, facts);
      const limited = sumsAtOnset(points, facts);
      const now = share(limited.after, requests.after);
      const before = share(limited.before, requests.before);
      const observed = `${rateText(now)} of ${plural(requests.after, 'request')} were answered with 429, ${rateText(before)} before`;
      const headline = `429 for ${rateText(now)} of requests`;
      if (limited.after < FEW_LIMITED || now < Math.max(0.005, before * 2)) return opposes(5, observed, { headline });
      const present = Number(facts.on.slots['rateLimit']);
      // Half as much again: enough for most, and not a limit that is none.
      const slots = Number.isSafeInteger(present) && present > 0 ? { rateLimit: Math.ceil(present * 1.5) } : {};
      const fiveXx = share(errors.after, requests.after);
      if (symptom.subject === subject) {
        // The symptom's own headline says how many.
        return supports(5.2, `${observed}; 5xx ${rateText(fiveXx)}`, { slots });
      }
      return neutral(`${observed}: that is true, but 429 is no 5xx`, { slots });
    },
  });
}

function trafficProbe(): AnyProbe {
  return probe({
    id: 'traffic',
    factor: 'traffic',
    title: 'requests beside what is expected',
    ask: (_symptom, facts) => seriesQuestion(facts, 'requests'),
    judge({ points }, _symptom, facts) {
      const since = points.filter((point) => point.at >= facts.onset.latest && point.expected !== null);
      const now = since.reduce((sum, point) => sum + point.value, 0);
      const expected = since.reduce((sum, point) => sum + (point.expected ?? 0), 0);
      if (expected <= 0) return neutral('expected requests are not known');
      const observed = `${count(now)} requests since then, ${times(now / expected)} the expected`;
      if (now < expected * 1.3) return neutral(observed);
      return supports(1, observed, { headline: `with ${times(now / expected)} the usual requests` });
    },
  });
}

/** A limit that was set anew is ours whatever the traffic does. */
function limitSettingProbe(): AnyProbe {
  return probe({
    id: 'limit-setting',
    factor: 'traffic',
    title: 'changes of rate limits before it began',
    ask: (_symptom, facts) => changesQuestion(facts),
    judge({ changes }, _symptom, facts) {
      const found = changes.findLast(
        ({ kind, summary, at }) =>
          (kind === 'setting' || kind === 'flag') &&
          /rate.?limit|throttl/i.test(summary) &&
          at.earliest <= facts.onset.latest,
      );
      if (found === undefined) return neutral('no change of a rate limit is known in the 2 h before');
      return supports(2, `${safeName(found.summary, 120)} at ${clockTime(found.at.latest)}`, {
        headline: `since ${safeName(found.summary, 60)}`,
      });
    },
  });
}

function limitedMessagesProbe(): AnyProbe {
  return probe({
    id: 'limited-messages',
    factor: 'logs',
    title: 'messages that say it limits our calls',
    ask: (_symptom, facts) => logsQuestion(facts),
    judge(logs, _symptom, facts) {
      const hosts = facts.on.hosts ?? [];
      const found = logShare(logs, facts, ({ kind, host }) => kind === 'rate-limited' && isHostOf(host, hosts));
      if (found.all < FEW_MESSAGES) return neutral('no more error messages than before');
      const name = safeName(hosts.join(', ') || facts.on.name, 80);
      const observed = `${found.fitting} of ${found.all} additional error messages say that ${name} limits our calls`;
      if (found.top === null || found.share < 0.05) {
        return opposes(4, observed, { headline: `no message says that ${name} limits us` });
      }
      const text = `${observed}: ${safeName(found.top.template, 120)}`;
      const headline = `${name} answers 429 (${percent(found.share)} of the new messages)`;
      return supports(found.share >= 0.5 ? 5.2 : found.share >= 0.2 ? 3 : 1, text, { headline });
    },
  });
}

function failedCallsProbe(): AnyProbe {
  return probe({
    id: 'failed-calls',
    factor: 'calls',
    title: 'failed calls to it',
    ask: (_symptom, facts) => seriesQuestion(facts, 'dependency_errors'),
    also: (_symptom, facts) => [seriesQuestion(facts, 'dependency_requests')],
    judge(errors, _symptom, facts, answered) {
      const own = ({ labels }: { labels: Readonly<Record<string, string>> }): boolean =>
        isHostOf(labels['host'] ?? null, facts.on.hosts ?? []);
      const calls = answered(seriesQuestion(facts, 'dependency_requests'));
      const failed = sumsAtOnset(errors.points.filter(own), facts);
      const all = sumsAtOnset(calls?.points.filter(own), facts);
      if (all.after === 0) return neutral(`no calls to ${facts.on.name} are known`);
      const now = share(failed.after, all.after);
      const observed = `${rateText(now)} of ${plural(all.after, 'call')} to ${facts.on.name} fail, ${rateText(share(failed.before, all.before))} before`;
      if (now < 0.01) return opposes(3, observed, { headline: `${rateText(now)} of calls fail` });
      // Failed calls alone do not say why they failed.
      return supports(0.5, observed);
    },
  });
}

/** Of `ours`; `theirs` shares those of an external service (`externalServiceMitigations`). */
export const rateLimitMitigations: Readonly<Record<string, Mitigation>> = {
  'rate-limit-metrics': {
    title: 'Look at who is limited',
    risk: 'read-only',
    riskText: 'reads only',
    command: 'npm run metrics:rate-limits -- --window=15m',
  },
  'raise-rate-limit': {
    title: 'Raise the rate limit to {rateLimit} requests a minute for now, if these are users and not an attack',
    risk: 'reversible',
    riskText:
      'reversible: more requests reach the service and its databases, which must have room for them; to undo, set the value again that the first command shows',
    precheck: 'npm run config:get -- --key={rateLimitKey}',
    command: 'npm run config:update -- --key={rateLimitKey} --value={rateLimit}',
    verify: 'npm run metrics:rate-limits -- --window=15m',
  },
};
