/**
 * A cache that has lost what it held, or does not answer: everything behind it gets all the work. Seen in the hit rate that
 * the service measures, or on the cache itself.
 */

import type { Question } from '../../model/index.ts';
import type { AnyProbe, Facts, Hypothesis } from '../detector.ts';
import { ask, probe, rightNow } from '../detector.ts';
import { neutral, opposes, supports } from '../evidence.ts';
import { bytes, clockTime, count, duration, percent, safeName } from '../format.ts';
import { dependencyLevel, dependencyQuestions, fallbackProbe } from './search-probes.ts';
import { changesQuestion } from './service-questions.ts';
import { isAfterOnset, type Level, overLevel, riseOf, roseAt } from './service-series.ts';

const TITLE = 'Cache miss storm:';

/** A cache is filled again by then. */
const STARTED_MS = 15 * 60_000;

/** `self` by a hit rate that is bound by hand; the others once for each cache that the target depends on. */
export function cacheMissStormHypotheses(): readonly Hypothesis[] {
  return [
    {
      cause: 'cache-miss-storm',
      title: `${TITLE} searches that the cache answered reach the engine`,
      prior: 0.1,
      on: 'self',
      requires: ['hit-rate'],
      probes: [hitRateProbe(), cacheWellProbe(), fallbackProbe()],
      mitigations: ['cache-hit-rate', 'engine-stats', 'fallback'],
    },
    {
      cause: 'cache-miss-storm',
      variant: 'evicting',
      title: `${TITLE} the cache throws entries out before they are used`,
      prior: 0.08,
      on: 'cache',
      requires: ['evictions'],
      probes: [evictionsProbe(), hitsProbe(), memoryProbe()],
      mitigations: ['cache-info', 'cache-hit-rate'],
    },
    {
      cause: 'cache-miss-storm',
      variant: 'cache-down',
      title: `${TITLE} the cache does not answer, or has just started empty`,
      prior: 0.06,
      on: 'cache',
      requires: ['cache-up'],
      probes: [upProbe(), startedProbe()],
      mitigations: ['cache-info', 'cache-hit-rate'],
    },
  ];
}

/** Hits that became misses, in shares of all look-ups: 95 % → 80 % is four times the work behind the cache. */
const FELL = 0.1;

function hitRateJudge(level: Level, what: string, weight: number, facts: Parameters<AnyProbe['judge']>[2]) {
  if (level.before === null) return neutral(`the hit rate of ${what} before is not known`);
  const text = `${percent(level.now)} of look-ups are found in ${what}, ${percent(level.before)} before`;
  const headline = `hit rate ${percent(level.now)} (baseline ${percent(level.before)})`;
  const fell = level.before - level.now;
  if (fell < FELL / 3) return opposes(4, text, { headline: `hit rate ${percent(level.now)}, as ever` });
  if (fell < FELL) return neutral(text);
  const began = roseAt({ ...level, ...inverse(level) }, 1.1);
  if (began !== null && isAfterOnset(began, facts, 2 * level.periodMs))
    return supports(1, `${text}, but only from ${clockTime(began)} on, after it began`);
  return supports(weight, text, { headline });
}

/** Misses rise where hits fall. */
function inverse(level: Level): Pick<Level, 'points' | 'before' | 'upper' | 'now'> {
  return {
    points: level.points.map((one) => ({ ...one, value: 1 - one.value })),
    before: level.before === null ? null : 1 - level.before,
    upper: level.before === null ? null : 1 - level.before + FELL / 2,
    now: 1 - level.now,
  };
}

function hitRateProbe(): AnyProbe {
  return overLevel(
    {
      id: 'hit-rate',
      factor: 'hits',
      title: 'hit rate of the search cache, against before',
      signal: 'search_cache_hit_ratio',
    },
    (level, _symptom, facts) => hitRateJudge(level, 'the search cache', 4.2, facts),
  );
}

function hitsProbe(): AnyProbe {
  return overLevel(
    {
      id: 'hits',
      factor: 'hits',
      title: 'hit rate of the cache, against before',
      signal: 'cache_hit_ratio',
      of: 'cause',
    },
    (level, _symptom, facts) => hitRateJudge(level, safeName(facts.on.name), 2, facts),
  );
}

function evictionsProbe(): AnyProbe {
  return overLevel(
    {
      id: 'evictions',
      factor: 'evictions',
      title: 'keys that the cache throws out, against before',
      signal: 'cache_evictions_per_second',
      of: 'cause',
    },
    (level, _symptom, facts) => {
      const text = `${safeName(facts.on.name)} evicts ${count(level.now, 1)} keys a second, ${count(level.before ?? 0, 1)} before`;
      const headline = `${count(level.now, 1)} keys/s evicted`;
      if (level.now < 1) return opposes(4, text, { headline });
      if (!evicts(level))
        return (riseOf(level) ?? 2) <= 1.3 ? opposes(2, `${text}: as ever`, { headline }) : neutral(text);
      return supports(3, text, { headline });
    },
  );
}

/** Far more than ever: a cache that is always full always evicts. */
const evicts = (level: Level): boolean => level.now > Math.max(10, 3 * (level.before ?? 0), level.upper ?? 0);

function memoryProbe(): AnyProbe {
  return probe<'cache.server'>({
    id: 'cache-memory',
    factor: 'memory',
    title: 'memory of the cache, of what it may use',
    ask: (_symptom, facts) => ask('cache.server', facts, {}, rightNow(facts)),
    judge({ usedMemoryBytes, maxMemoryBytes, evictionPolicy }) {
      if (maxMemoryBytes === 0) return opposes(2, 'it has no limit of memory, so it evicts nothing');
      const used = usedMemoryBytes / maxMemoryBytes;
      const policy = evictionPolicy === null ? '' : `, ${evictionPolicy}`;
      const text = `${bytes(usedMemoryBytes)} of ${bytes(maxMemoryBytes)} are used${policy}`;
      if (used >= 0.95) return supports(0.8, text);
      return used < 0.8 ? opposes(1.5, text) : neutral(text);
    },
  });
}

function upProbe(): AnyProbe {
  return overLevel(
    { id: 'cache-up', factor: 'up', title: 'whether the cache answers', signal: 'cache_up', of: 'cause' },
    (level, _symptom, facts) => {
      const name = safeName(facts.on.name);
      const since = level.points.filter((one) => one.at >= facts.onset.earliest - 10 * 60_000);
      const down = since.filter((one) => one.value === 0);
      if (down.length >= 2 || level.now === 0) {
        const first = down[0];
        const text = `${name} did not answer ${down.length} of ${since.length} times${first === undefined ? '' : `, first at ${clockTime(first.at)}`}`;
        if (first !== undefined && isAfterOnset(first.at, facts, 2 * level.periodMs))
          return supports(1.5, `${text}, after it began`);
        return supports(5, text, { headline: `${name} does not answer` });
      }
      return opposes(2, `${name} answered every time`, { headline: `${name} answers` });
    },
  );
}

const cachesOf = (facts: Facts): readonly Question<'cache.server'>[] =>
  facts.target.dependsOn.map((target) => ({ kind: 'cache.server', target, window: rightNow(facts), params: {} }));

/** Hits that are lost because the cache itself lost what it held: which is another cause, with another cure. */
function cacheWellProbe(): AnyProbe {
  return probe<'changes'>({
    id: 'cache-well',
    factor: 'cache',
    title: 'whether a cache that search depends on lost its entries',
    // Which of what it depends on is a cache is not known beforehand: they are asked beside what every walk asks.
    ask: (_symptom, facts) => changesQuestion(facts),
    also: (_symptom, facts) => [...cachesOf(facts), ...dependencyQuestions(facts, 'cache_evictions_per_second')],
    judge(_changes, _symptom, facts, answered) {
      const started = cachesOf(facts).flatMap((question) => {
        const server = answered(question);
        if (server === null) return [];
        const startedAt = server.at - server.uptimeSeconds * 1000;
        return facts.onset.earliest - startedAt <= STARTED_MS && startedAt <= facts.onset.latest + 60_000
          ? [`${safeName(question.target, 60)} started anew at ${clockTime(startedAt)}`]
          : [];
      });
      const evicting = dependencyLevel(facts, 'cache_evictions_per_second', answered);
      const reasons =
        evicting !== null && evicts(evicting.level)
          ? [...started, `${evicting.of} evicts ${count(evicting.level.now, 1)} keys a second`]
          : started;
      if (reasons.length === 0) return neutral('no cache that search depends on is known to have lost its entries');
      const observed = reasons.join(', ');
      return opposes(3, `${observed}, which explains more`, { headline: observed });
    },
  });
}

/** A cache that has just started is empty, unless it has loaded its data. That it answers again says nothing then. */
function startedProbe(): AnyProbe {
  return probe<'cache.server'>({
    id: 'cache-started',
    factor: 'up',
    title: 'since when the cache has run',
    ask: (_symptom, facts) => ask('cache.server', facts, {}, rightNow(facts)),
    judge({ uptimeSeconds, loading, at }, _symptom, facts) {
      if (loading) return supports(4, 'it is loading its data');
      const startedAt = at - uptimeSeconds * 1000;
      const text = `it started ${duration(uptimeSeconds)} ago, at ${clockTime(startedAt)}`;
      if (startedAt > facts.onset.latest + 60_000) return neutral(`${text}, after it began`);
      if (facts.onset.earliest - startedAt <= STARTED_MS)
        return supports(6, text, { headline: `the cache started anew at ${clockTime(startedAt)}` });
      return opposes(2, text, { headline: `the cache has run for ${duration(uptimeSeconds)}` });
    },
  });
}
