/** Probes of a service's WebSocket connections: how long they live, whether they are taken, how they come back. */

import type { EcsServiceAnswer, LogTemplate } from '../../model/index.ts';
import type { Answered, AnyProbe, Facts } from '../detector.ts';
import { ask, probe } from '../detector.ts';
import { neutral, opposes, supports } from '../evidence.ts';
import { clockTime, count, duration, plural, safeName, times } from '../format.ts';
import {
  changesQuestion,
  ecsQuestion,
  FEW_MESSAGES,
  logShare,
  logsQuestion,
  primaryOf,
  rateText,
  seriesQuestion,
  share,
  sumsAtOnset,
  unwantedStops,
} from './service-questions.ts';
import { type Level, levelsOf } from './service-series.ts';
import { FEW, type ReasonWeights } from './websocket-reasons.ts';
import { weighed } from './weighed.ts';

const plainLevel = (answered: Answered, facts: Facts, signal: string): Level | null =>
  levelsOf(answered(seriesQuestion(facts, signal))?.points ?? [], facts)[0] ?? null;

/** Lifetimes this near to the idle timeout, or where they are measured to twice it, are of its making. */
const NEAR = 0.2;
/** Little's law is of a steady state: not of a wave that passes. */
const STEADY = 1.5;

function reckonedLifetime(open: Level | null, fresh: Level | null, facts: Facts): number | null {
  if (open === null || fresh === null) return null;
  const since = fresh.points.filter(({ at }) => at >= facts.onset.latest).map(({ value }) => value);
  const [least, most] = [Math.min(...since), Math.max(...since)];
  if (since.length < 3 || least <= 0 || most > least * STEADY) return null;
  return (open.now * fresh.periodMs) / 1000 / fresh.now;
}

/**
 * How long connections live, beside the load balancer's idle timeout: measured where `ws_lifetime_p50` is bound, else by
 * Little's law (connections = new ones per second × lifetime; J. D. C. Little, Operations Research 9:383, 1961).
 * `near` may be negative. Where it supports, it fills the interval of pings that would keep connections open.
 */
export function lifetimeProbe(weights: { readonly near: number; readonly longer: number }): AnyProbe {
  return probe({
    id: 'lifetime',
    factor: 'lifetime',
    title: "how long connections live, beside the load balancer's idle timeout",
    ask: (_symptom, facts) => ask('alb.targets', facts, {}),
    also: (_symptom, facts) =>
      ['ws_lifetime_p50', 'ws_connections', 'ws_new_connections'].map((signal) => seriesQuestion(facts, signal)),
    judge({ idleTimeoutSeconds: idle, targetGroupArn }, _symptom, facts, answered) {
      if (idle === null || idle <= 0) return neutral('the idle timeout of the load balancer is not known');
      const measured = plainLevel(answered, facts, 'ws_lifetime_p50')?.now ?? null;
      const open = plainLevel(answered, facts, 'ws_connections');
      const fresh = plainLevel(answered, facts, 'ws_new_connections');
      const reckoned = reckonedLifetime(open, fresh, facts);
      const seconds = measured ?? reckoned;
      if (seconds === null) return neutral('how long connections live is not known', { slots: { targetGroupArn } });
      const observed = `connections live for ${duration(seconds)}${measured === null ? ' in the mean' : ' in the middle'}; the load balancer cuts idle ones after ${duration(idle)}`;
      const key = String(facts.options['pingIntervalKey'] ?? '');
      const ping = key === '' ? {} : { timeoutKey: key, timeoutMs: Math.max(1, Math.floor(idle / 2)) * 1000 };
      const slots = { targetGroupArn, ...ping };
      const multiples = measured === null ? [idle] : [idle, 2 * idle];
      const isNear = multiples.some((one) => Math.abs(seconds - one) <= NEAR * one);
      if (isNear) {
        // A mean comes near by chance more easily than a median.
        const weight = measured === null ? weights.near * 0.7 : weights.near;
        return weighed(weight, observed, { headline: `connections end after ${duration(seconds)}`, slots });
      }
      if (seconds < idle * (1 - NEAR) || seconds > idle * 4) {
        return weighed(-weights.longer, observed, { headline: `connections live for ${duration(seconds)}`, slots });
      }
      return neutral(observed, { slots });
    },
  });
}

/** Settings of timeouts and pings, or whatever `words` asks for, before it began. */
export function settingProbe(id: string, title: string, words: RegExp, weight: number): AnyProbe {
  return probe({
    id,
    factor: 'change',
    title,
    ask: (_symptom, facts) => changesQuestion(facts),
    judge({ changes }, _symptom, facts) {
      const found = changes.findLast(
        ({ kind, summary, at }) => kind !== 'deployment' && words.test(summary) && at.earliest <= facts.onset.latest,
      );
      if (found === undefined) return neutral('no such change is known in the 2 h before');
      const observed = `${safeName(found.summary, 120)} at ${clockTime(found.at.latest)}`;
      return supports(weight, observed, { headline: `since ${safeName(found.summary, 60)}` });
    },
  });
}

/** Messages by what they say. `hardly` is a size: the weight when hardly any of the new ones says it. */
export function saidProbe(
  id: string,
  title: string,
  says: (template: LogTemplate) => boolean,
  { most, hardly }: ReasonWeights,
): AnyProbe {
  return probe({
    id,
    factor: 'logs',
    title,
    ask: (_symptom, facts) => logsQuestion(facts),
    judge(logs, _symptom, facts) {
      const found = logShare(logs, facts, says);
      if (found.all < FEW_MESSAGES) return neutral('no more error messages than before');
      const observed = `${found.fitting} of ${found.all} additional error messages`;
      if (found.top === null || found.share < 0.05) {
        return opposes(hardly, `${observed} speak of it`, { headline: 'the messages are about something else' });
      }
      const text = `${observed}: ${safeName(found.top.template, 120)}`;
      if (found.share < 0.2) return neutral(text);
      return weighed(found.share >= 0.5 ? most : most / 2, text, { headline: safeName(found.top.template, 60) });
    },
  });
}

/** How many more connections are opened than usual. */
export function reopenedProbe(ratio: number, weights: { readonly storm: number; readonly calm: number }): AnyProbe {
  return probe({
    id: 'new-connections',
    factor: 'storm',
    title: 'new connections beside what is usual',
    ask: (_symptom, facts) => seriesQuestion(facts, 'ws_new_connections'),
    judge({ points }, _symptom, facts) {
      const [level] = levelsOf(points, facts);
      // The first wave is the largest: the median of what came since would miss it.
      const since = points.filter(({ at }) => at >= facts.onset.latest).map(({ value }) => value);
      const before = level?.before ?? 0;
      if (level === undefined || since.length === 0 || before <= 0) return neutral('new connections are not known');
      const most = Math.max(...since);
      const observed = `up to ${count(most)} new connections a period, ${times(most / before)} the usual ${count(before)}`;
      const headline = `${times(most / before)} the usual new connections`;
      if (most >= before * ratio) return weighed(weights.storm, observed, { headline });
      return most < before * 2 ? weighed(-weights.calm, observed, { headline }) : neutral(observed);
    },
  });
}

const REPLACED_MS = 10 * 60_000;

/** Tasks that came in place of others around the onset: their clients had to come back. Crashes explain more. */
export function replacedTasksProbe(weights: { readonly replaced: number; readonly crashed: number }): AnyProbe {
  return probe({
    id: 'replaced-tasks',
    factor: 'tasks',
    title: 'tasks that were replaced around the time it began',
    ask: (_symptom, facts) => ecsQuestion(facts),
    judge(ecs, _symptom, facts) {
      const stops = unwantedStops(ecs, facts).length;
      if (stops > 0) {
        const observed = `${plural(stops, 'task')} stopped without anybody wanting it, which explains more`;
        return opposes(weights.crashed, observed, { headline: `${plural(stops, 'task')} stopped unwanted` });
      }
      const from = facts.onset.earliest - REPLACED_MS;
      const fresh = ecs.tasks.filter(({ startedAt }) => (startedAt ?? 0) >= from).length;
      const gone = ecs.stopped.filter(({ stoppedAt }) => stoppedAt >= from).length;
      const created = primaryOf(ecs)?.createdAt ?? 0;
      const observed = `${fresh} of ${plural(ecs.tasks.length, 'task')} started and ${gone} stopped in the 10 min before it began or since`;
      if (fresh === 0 && gone === 0) return neutral(observed);
      const why = created >= from && created <= facts.onset.latest ? ', by a deployment' : '';
      const headline = `${plural(Math.max(fresh, gone), 'task')} replaced${why}`;
      return supports(weights.replaced, `${observed}${why}`, { headline });
    },
  });
}

/** Whether connections are taken when they come: those of a storm are. */
export function acceptedProbe(weights: { readonly accepted: number; readonly refused: number }): AnyProbe {
  return probe({
    id: 'accepted',
    factor: 'accepted',
    title: 'whether new connections are accepted',
    ask: (_symptom, facts) => seriesQuestion(facts, 'ws_errors'),
    also: (_symptom, facts) => [seriesQuestion(facts, 'ws_new_connections')],
    judge({ points }, _symptom, facts, answered) {
      const failed = sumsAtOnset(points, facts);
      const tried = sumsAtOnset(answered(seriesQuestion(facts, 'ws_new_connections'))?.points, facts);
      const now = share(failed.after, Math.max(tried.after, failed.after));
      const before = share(failed.before, Math.max(tried.before, failed.before));
      const observed = `${rateText(now)} of ${count(tried.after)} new connections fail, ${rateText(before)} before`;
      if (tried.after < FEW) return neutral('too few new connections are known');
      const headline = `${rateText(now)} of new connections fail`;
      if (now <= Math.max(0.03, before * 1.5)) return weighed(weights.accepted, observed, { headline });
      return now >= Math.max(0.1, before * 3) ? weighed(-weights.refused, observed, { headline }) : neutral(observed);
    },
  });
}

/** Half as many tasks again: the values that scaling up needs. Says nothing for or against. */
export function roomProbe(): AnyProbe {
  return probe({
    id: 'connections-by-task',
    factor: 'room',
    title: 'connections beside the tasks that hold them',
    ask: (_symptom, facts) => ecsQuestion(facts),
    also: (_symptom, facts) => [seriesQuestion(facts, 'ws_connections')],
    judge(ecs: EcsServiceAnswer, _symptom, facts, answered) {
      const open = plainLevel(answered, facts, 'ws_connections');
      const slots = ecs.desired > 0 ? { presentCount: ecs.desired, desiredCount: Math.ceil(ecs.desired * 1.5) } : {};
      const tasks = plural(ecs.running, 'task');
      if (open === null || ecs.running === 0) return neutral(`${tasks} run`, { slots });
      const each = `${count(open.now)} connections on ${tasks}, ${count(open.now / ecs.running)} each`;
      const isFull = open.upper !== null && open.now > open.upper;
      return isFull
        ? supports(1, `${each}: more than ever at this hour`, { headline: each, slots })
        : neutral(each, { slots });
    },
  });
}
