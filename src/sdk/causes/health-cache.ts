/** A cache behind a readiness endpoint, where it is watched itself: what it says, beside what the body says of it. */

import type { SlotValues } from '../../model/index.ts';
import type { AnyProbe, Facts, Hypothesis } from '../detector.ts';
import { ask, probe, rightNow } from '../detector.ts';
import { neutral, opposes, supports } from '../evidence.ts';
import { clockTime, count, plural, safeName } from '../format.ts';
import { CACHE, cacheMessagesProbe } from './cache-messages.ts';
import { namedCheckProbe } from './health-probes.ts';
import { dependencyQuestions } from './search-probes.ts';
import { changesQuestion, FEW_MESSAGES, logShare, logsQuestion } from './service-questions.ts';
import { overLevel, type SeriesPoint } from './service-series.ts';

const MINUTE_MS = 60_000;
/** Of `maxclients`: from here on it lets nobody else in soon, up to here there is room. */
const FULL = 0.95;
const ROOM = 0.8;

/** Once for each cache that the service depends on; the same cause as where it is only named. */
export function healthCacheHypotheses(): readonly Hypothesis[] {
  return [
    {
      cause: 'cache-unreachable',
      variant: 'down',
      title: 'Cache unreachable: it does not answer us either',
      prior: 0.06,
      on: 'cache',
      requires: ['cache-up'],
      probes: [cacheUpProbe(), cacheNamedProbe(2.5), cacheMessagesProbe()],
      mitigations: ['cache-ping', 'ask-ready', 'cache-status', 'cache-events'],
    },
    {
      cause: 'cache-unreachable',
      variant: 'too-many-clients',
      title: 'Cache unreachable: it has as many clients as it takes, and turns others away',
      prior: 0.04,
      on: 'cache',
      requires: ['cache-clients'],
      probes: [cacheClientsProbe(), rejectedProbe(), cacheNamedProbe(2), fullMessagesProbe()],
      mitigations: ['cache-clients', 'ask-ready', 'cache-status'],
    },
  ];
}

/** Weaker than where nothing is known of the cache itself. */
const cacheNamedProbe = (weight: number): AnyProbe => namedCheckProbe({ what: 'cache', names: CACHE, weight });

/** As Redis and its kin say it, in the words of its clients too. */
const FULL_WORDS = /max(?:imum)? number of (?:clients|connections)|maxclients/i;

function fullMessagesProbe(): AnyProbe {
  return probe({
    id: 'full-messages',
    factor: 'logs',
    title: 'error messages that say that it takes no more clients',
    ask: (_symptom, facts) => logsQuestion(facts),
    judge(logs, _symptom, facts) {
      const found = logShare(logs, facts, ({ template }) => FULL_WORDS.test(template));
      if (found.all < FEW_MESSAGES) return neutral('no more error messages than before');
      const observed = `${found.fitting} of ${found.all} more error messages than before say that it takes no more clients`;
      if (found.top === null || found.share < 0.2) return neutral(observed);
      return supports(3, `${observed}: ${safeName(found.top.template, 120)}`);
    },
  });
}

/** Those of the service, for commands about a cause that is on the cache. */
function serviceSlots({ target, on }: Facts): SlotValues {
  return Object.fromEntries(
    ['region', 'readyUrl', 'healthUrl', 'logGroup'].flatMap((name) => {
      const value = target.slots[name];
      return value === undefined || on.slots[name] !== undefined ? [] : [[name, value]];
    }),
  );
}

/** When it was down, of the polls since shortly before the onset; null when it answered every time. */
function downSince(points: readonly SeriesPoint[], { onset }: Facts): string | null {
  const since = points.filter((one) => one.at >= onset.earliest - 2 * MINUTE_MS);
  const down = since.filter((one) => one.value === 0);
  const [first, last] = [down[0], down.at(-1)];
  // One poll that failed is no outage.
  if (first === undefined || last === undefined || down.length < 2) return null;
  return `did not answer ${down.length} of ${plural(since.length, 'poll')}, from ${clockTime(first.at)} to ${clockTime(last.at)}`;
}

function cacheUpProbe(): AnyProbe {
  return overLevel(
    { id: 'cache-up', factor: 'up', title: 'whether the cache answers us', signal: 'cache_up', of: 'cause' },
    ({ points }, _symptom, facts) => {
      const name = safeName(facts.on.name);
      const slots = serviceSlots(facts);
      const was = downSince(points, facts);
      if (was === null) return opposes(4, `${name} answers us`, { headline: `${name} answers us`, slots });
      return supports(4, `${name} ${was}`, { headline: `${name} does not answer`, slots });
    },
  );
}

function cacheClientsProbe(): AnyProbe {
  return probe<'cache.server'>({
    id: 'cache-clients',
    factor: 'clients',
    title: 'clients of the cache, of those that it takes',
    ask: (_symptom, facts) => ask('cache.server', facts, {}, rightNow(facts)),
    judge({ clients, maxClients }, _symptom, facts) {
      const slots = serviceSlots(facts);
      if (maxClients === null || maxClients <= 0) return neutral(`${plural(clients, 'client')}`, { slots });
      const observed = `${count(clients)} of at most ${plural(maxClients, 'client')} are connected`;
      if (clients >= maxClients * FULL) return supports(3.5, observed, { headline: observed, slots });
      return clients < maxClients * ROOM ? opposes(5, observed, { headline: observed, slots }) : neutral(observed);
    },
  });
}

function rejectedProbe(): AnyProbe {
  return overLevel(
    {
      id: 'cache-rejected',
      factor: 'rejected',
      title: 'connections that the cache turned away',
      signal: 'cache_rejected_connections',
      of: 'cause',
    },
    (level) => {
      const observed = `${count(level.now)} connections a period were turned away, ${count(level.before ?? 0)} before`;
      if (level.now >= 1 && level.now > 2 * (level.before ?? 0)) {
        return supports(2, observed, { headline: `${count(level.now)} connections turned away` });
      }
      return level.now === 0 ? opposes(1.5, 'no connection was turned away') : neutral(observed);
    },
  );
}

/** For the cause within the service: a cache that is down for all, or full, explains more than the way to it. */
export function cacheWellProbe(weight: number): AnyProbe {
  const servers = (facts: Facts) =>
    facts.target.dependsOn.map((target) => ({ ...ask('cache.server', facts, {}, rightNow(facts)), target }));
  return probe<'changes'>({
    id: 'cache-itself',
    factor: 'cache',
    title: 'whether the caches that are watched answer us',
    // Which of what it depends on is a cache is not known beforehand: they are asked beside what every walk asks.
    ask: (_symptom, facts) => changesQuestion(facts),
    also: (_symptom, facts) => [...dependencyQuestions(facts, 'cache_up'), ...servers(facts)],
    judge(_changes, _symptom, facts, answered) {
      const polls = dependencyQuestions(facts, 'cache_up').flatMap((question) => {
        const points = answered(question)?.points ?? [];
        return points.length === 0 ? [] : [{ name: safeName(question.target), was: downSince(points, facts) }];
      });
      const down = polls.flatMap(({ name, was }) => (was === null ? [] : [`${name} ${was}`]));
      const full = servers(facts).flatMap((question) => {
        const server = answered(question);
        if (server === null || server.maxClients === null || server.clients < server.maxClients * FULL) return [];
        return [`${safeName(question.target)} has ${plural(server.clients, 'client')} of at most ${server.maxClients}`];
      });
      const reasons = [...down, ...full];
      if (reasons.length > 0) {
        const observed = reasons.join(', ');
        return opposes(weight, `${observed}, which explains more`, { headline: observed });
      }
      const names = polls.map(({ name }) => name).join(', ');
      return neutral(names === '' ? 'no cache is watched' : `${names} answers us: only the service does not reach it`);
    },
  });
}
