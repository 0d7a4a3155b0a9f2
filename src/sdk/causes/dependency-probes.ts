/** Probes of a vendor as the target itself: what its page says, how our calls to it fare, what changed at our side. */

import type { Question, Symptom } from '../../model/index.ts';
import type { Answered, AnyProbe, Facts } from '../detector.ts';
import { ask, probe } from '../detector.ts';
import { neutral, opposes, supports } from '../evidence.ts';
import { clockTime, plural, safeName, times } from '../format.ts';
import { FEW } from './dependency-failures.ts';
import { excessBy } from './label-excess.ts';
import { changesQuestion, rateText, seriesQuestion, share, sumsAtOnset } from './service-questions.ts';
import { isUp, type Level, latencyText, levelsOf, riseOf } from './service-series.ts';
import { weighed } from './weighed.ts';

export type Calls = 'failing' | 'well' | 'unknown';

const callQuestions = (facts: Facts): readonly Question<'series'>[] => [
  seriesQuestion(facts, 'dependency_errors'),
  seriesQuestion(facts, 'dependency_requests'),
];

function ratesOf(facts: Facts, answered: Answered) {
  const [failed, all] = callQuestions(facts).map((question) => answered(question));
  if (failed == null || all == null) return null;
  const [bad, calls] = [sumsAtOnset(failed.points, facts), sumsAtOnset(all.points, facts)];
  const now = share(bad.after, Math.max(calls.after, bad.after));
  return { now, before: share(bad.before, Math.max(calls.before, bad.before)), failed: bad.after, calls: calls.after };
}

/** How our own calls to it fare, from what is counted at this target. */
function callsOf(facts: Facts, answered: Answered): Calls {
  const found = ratesOf(facts, answered);
  if (found === null || found.calls + found.failed === 0) return 'unknown';
  const { now, before, failed } = found;
  if (failed >= FEW && now >= 0.02 && now >= before * 3) return 'failing';
  return now < Math.max(0.01, before * 1.5) ? 'well' : 'unknown';
}

/** A weight for each state of our calls. */
export function ownCallsProbe(weights: Readonly<Record<'failing' | 'well', number>>): AnyProbe {
  return probe({
    id: 'own-calls',
    factor: 'calls',
    title: 'how our calls to it fare',
    ask: (_symptom, facts) => seriesQuestion(facts, 'dependency_errors'),
    also: (_symptom, facts) => callQuestions(facts),
    judge(_errors, _symptom, facts, answered) {
      const found = ratesOf(facts, answered);
      if (found === null) return neutral('failed calls are known, but not of how many');
      const calls = callsOf(facts, answered);
      const only = calls === 'failing' ? worstHost(facts, answered) : null;
      const where = only === null ? '' : `, nearly all of them to ${safeName(only, 80)}`;
      const observed = `${rateText(found.now)} of ${plural(found.calls, 'call')} to ${facts.target.name} fail, ${rateText(found.before)} before${where}`;
      const slots = hostSlots(facts, answered);
      if (calls === 'unknown') return neutral(observed, { slots });
      return weighed(weights[calls], observed, { headline: `${rateText(found.now)} of our calls fail`, slots });
    },
  });
}

interface PageWeights {
  /** Major or critical. */
  readonly bad: number;
  /** Minor, or maintenance. */
  readonly minor: number;
  readonly none: number;
  /** Only while our calls are known to fail: else the page says nothing of them. */
  readonly whileFailing?: true;
}

/** What the vendor's page says. Support and never proof, but where the page itself is what is spoken of. */
export function statusPageProbe({ bad, minor, none, whileFailing }: PageWeights): AnyProbe {
  return probe({
    id: 'vendor-status',
    factor: 'vendor',
    title: "what the vendor's status page says",
    ask: (_symptom, facts) => ask('vendor.status', facts, {}),
    also: (_symptom, facts) => [...callQuestions(facts), seriesQuestion(facts, 'dependency_latency_p95')],
    judge({ indicator, description, page, incidents, components, at }, _symptom, facts, answered) {
      const [incident] = incidents;
      const named =
        incident === undefined ? '' : `, ${safeName(incident.name, 100)} (${safeName(incident.status, 40)})`;
      const parts = components.slice(0, 3).map(({ name }) => safeName(name, 40));
      const touched = parts.length === 0 ? '' : `; it names ${parts.join(', ')}`;
      const observed = `${page} says ${safeName(description, 100)}${named} at ${clockTime(at)}${touched}`;
      const slots = hostSlots(facts, answered);
      const headline = incident === undefined ? safeName(description, 60) : safeName(incident.name, 60);
      const is = indicator === 'major' || indicator === 'critical' ? bad : indicator === 'none' ? none : minor;
      if (indicator === 'unknown') return neutral(observed, { slots });
      if (
        whileFailing === true &&
        is > 0 &&
        callsOf(facts, answered) !== 'failing' &&
        slowRise(facts, answered) === null
      )
        return neutral(`${observed}; our calls are not known to be touched`, { slots });
      return weighed(is, observed, { headline, slots });
    },
  });
}

/** Part of the additional failures that one host must have for the others to be well. */
const NEARLY_ALL = 0.8;

/** The one of several hosts that has the trouble: it fails, or else it is slow, and the others do not. */
function worstHost(facts: Facts, answered: Answered): string | null {
  const { hosts = [] } = facts.target;
  if (hosts.length < 2) return null;
  const failed = answered(seriesQuestion(facts, 'dependency_errors'))?.points ?? [];
  const excess = excessBy(failed, facts, ({ host }) => host ?? null);
  const [top] = excess.parts;
  if (top !== undefined && excess.all >= FEW) return top.excess >= NEARLY_ALL * excess.all ? top.name : null;
  const levels = levelsOf(answered(seriesQuestion(facts, 'dependency_latency_p95'))?.points ?? [], facts);
  const slow = levels.filter(isSlow);
  return slow.length === 1 ? (slow[0]!.labels['host'] ?? null) : null;
}

/** For commands that ask one of its hosts: the one that has the trouble, else the first. */
function hostSlots(facts: Facts, answered: Answered): { readonly host?: string; readonly port?: string } {
  const { hosts = [] } = facts.target;
  const worst = worstHost(facts, answered);
  const host = worst !== null && hosts.includes(worst) ? worst : hosts[0];
  return host === undefined ? {} : { host, port: '443' };
}

const SLOW = 1.5;
const FLOOR_SECONDS = 0.05;

const isSlow = (one: Level): boolean => isUp(one, SLOW) && one.now - (one.before ?? 0) >= FLOOR_SECONDS;

/** How much slower it answers than before; null where it does not, or is not known to. */
function slowRise(facts: Facts, answered: Answered): number | null {
  const levels = levelsOf(answered(seriesQuestion(facts, 'dependency_latency_p95'))?.points ?? [], facts);
  const slow = levels.filter(isSlow);
  return slow.length === 0 ? null : Math.max(...slow.map((one) => riseOf(one) ?? 1));
}

/** Whether it answers slowly. Fills the time to wait for it. */
export function ownLatencyProbe(weights: { readonly slow: number; readonly asBefore: number }): AnyProbe {
  return probe({
    id: 'own-latency',
    factor: 'latency',
    title: 'how long our calls to it take',
    ask: (_symptom, facts) => seriesQuestion(facts, 'dependency_latency_p95'),
    judge({ points }, _symptom, facts, answered) {
      // Hosts have times of their own: the one that rose most.
      const [worst] = [...levelsOf(points, facts)].sort((a, b) => (riseOf(b) ?? 1) - (riseOf(a) ?? 1));
      if (worst === undefined || worst.before === null) return neutral('how long calls took before is not known');
      const up = riseOf(worst) ?? 1;
      const observed = `p95 of calls to ${safeName(worst.labels['host'] ?? facts.target.name, 80)} is ${latencyText(worst.now)}, ${latencyText(worst.before)} before (${times(up)})`;
      const headline = `p95 of calls ${latencyText(worst.now)} (${times(up)})`;
      if (slowRise(facts, answered) === null) {
        return up <= 1.2 || worst.upper !== null
          ? weighed(-weights.asBefore, observed, { headline })
          : neutral(observed);
      }
      // The runbook's five seconds, or less where healthy calls are much faster than that; whole half seconds.
      const seconds = Math.min(5, Math.max(1, Math.ceil(worst.before * 10) / 2));
      const slots = seconds < worst.now ? { timeoutMs: seconds * 1000 } : {};
      return weighed(weights.slow, observed, { headline, slots });
    },
  });
}

/** Changes at our side that would break calls in that way. */
export function ourChangeProbe(words: RegExp, weight: number): AnyProbe {
  return probe({
    id: 'our-change',
    factor: 'change',
    title: 'changes at our side in the 2 h before',
    ask: (_symptom, facts) => changesQuestion(facts),
    judge({ changes }, _symptom, facts) {
      const found = changes.findLast(
        ({ kind, summary, at }) => kind !== 'deployment' && words.test(summary) && at.earliest <= facts.onset.latest,
      );
      if (found === undefined) return neutral('no such change is known in the 2 h before');
      const observed = `${safeName(found.target, 60)}: ${safeName(found.summary, 120)} at ${clockTime(found.at.latest)}`;
      return supports(weight, observed, { headline: `since ${safeName(found.summary, 60)}` });
    },
  });
}

/** More calls than usual: what a limit comes with. */
export function moreCallsProbe(weight: number): AnyProbe {
  return probe({
    id: 'more-calls',
    factor: 'traffic',
    title: 'calls to it beside what is usual',
    ask: (_symptom, facts) => seriesQuestion(facts, 'dependency_requests'),
    judge({ points }, _symptom, facts) {
      const levels = levelsOf(points, facts);
      const [now, before] = [
        levels.reduce((sum, one) => sum + one.now, 0),
        levels.reduce((sum, one) => sum + (one.before ?? 0), 0),
      ];
      if (before <= 0) return neutral('how many calls there were before is not known');
      const observed = `calls to it are ${times(now / before)} what they were`;
      return now >= before * 1.3 ? supports(weight, observed, { headline: observed }) : neutral(observed);
    },
  });
}

/** An announcement explains nothing where our calls are hit: then the failure does. */
export function untouchedProbe(weights: { readonly touched: number; readonly well: number }): AnyProbe {
  return probe({
    id: 'touched',
    factor: 'touched',
    title: 'whether our calls are touched',
    ask: (_symptom: Symptom, facts) => seriesQuestion(facts, 'dependency_requests'),
    also: (_symptom, facts) => [...callQuestions(facts), seriesQuestion(facts, 'dependency_latency_p95')],
    judge(_requests, _symptom, facts, answered) {
      const calls = callsOf(facts, answered);
      const slower = slowRise(facts, answered);
      if (calls === 'failing') return opposes(weights.touched, 'our calls fail', { headline: 'our calls fail' });
      if (slower !== null) {
        const observed = `our calls take ${times(slower)} the time`;
        return opposes(weights.touched, observed, { headline: observed });
      }
      return calls === 'well'
        ? supports(weights.well, 'our calls to it are as before')
        : neutral('our calls are not known');
    },
  });
}
