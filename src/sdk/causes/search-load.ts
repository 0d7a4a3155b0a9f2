/** Why searches take longer than usual: the engine has too much to do, or no memory, or each search asks for more. */

import type { AnyProbe, Hypothesis } from '../detector.ts';
import { probe } from '../detector.ts';
import { neutral, opposes, supports } from '../evidence.ts';
import { clockTime, count, percent, safeName, times } from '../format.ts';
import { engineProbe, fallbackProbe, newQueriesProbe } from './search-probes.ts';
import { seriesQuestion } from './service-questions.ts';
import { isAfterOnset, isUp, type Level, levelsOf, overLevel, riseOf, roseAt } from './service-series.ts';

const SURGE = 1.3;
const NO_SURGE = 1.2;
const CPU_FULL = 0.85;
const CPU_ROOM = 0.6;
const MEMORY_FULL = 0.9;
const MEMORY_ROOM = 0.8;

const LOOKS = ['engine-stats', 'engine-resources'] as const;

export function engineOverloadedHypothesis(): Hypothesis {
  return {
    cause: 'search-engine-overloaded',
    title: 'Search engine overloaded: it turns requests away, or has no CPU left',
    prior: 0.12,
    on: 'self',
    requires: ['engine-cpu'],
    probes: [overloadedProbe(), cpuProbe(), trafficProbe({ up: 0.7, flat: 0 }), fallbackProbe()],
    mitigations: [...LOOKS, 'fallback'],
  };
}

export function memoryPressureHypothesis(): Hypothesis {
  return {
    cause: 'search-memory-pressure',
    title: 'Search engine short of memory: its index does not fit any more',
    prior: 0.08,
    on: 'self',
    requires: ['engine-memory'],
    probes: [memoryProbe(), memoryRiseProbe(), fallbackProbe()],
    mitigations: ['engine-resources', 'fallback', 'engine-health'],
  };
}

export function writesPendingHypothesis(): Hypothesis {
  return {
    cause: 'search-writes-pending',
    title: 'Writes pending: the engine is busy taking in changes',
    prior: 0.1,
    on: 'self',
    requires: ['pending-writes'],
    probes: [pendingProbe(), fallbackProbe()],
    mitigations: [...LOOKS, 'fallback'],
  };
}

export function queryComplexityHypothesis(): Hypothesis {
  return {
    cause: 'query-complexity',
    title: 'Query complexity: each search asks for more filters and facets',
    prior: 0.1,
    on: 'self',
    requires: ['facets'],
    probes: [
      facetsProbe(),
      trafficProbe({ up: -1.5, flat: 0.5 }),
      newQueriesProbe({ near: 1.8, none: 0, after: 3 }),
      fallbackProbe(),
    ],
    mitigations: ['query-complexity', 'rollback-queries', 'search-deploy-history', 'fallback'],
  };
}

/** Users search more than usual. What only the engine gets more of, because a cache lost its entries, is no surge. */
export function searchSurgeHypothesis(): Hypothesis {
  return {
    cause: 'traffic-surge',
    title: 'Traffic surge: more searches than usual',
    prior: 0.12,
    on: 'self',
    requires: ['searches'],
    probes: [trafficProbe({ up: 3.7, flat: -4 }), hitRateKeptProbe(), fallbackProbe()],
    mitigations: ['engine-stats', 'fallback', 'engine-resources'],
  };
}

function overloadedProbe(): AnyProbe {
  return overLevel(
    {
      id: 'overloaded',
      factor: 'overloaded',
      title: 'requests that the engine turns away',
      signal: 'search_overloaded_per_second',
    },
    (level) => {
      const text = `the engine turns ${count(level.now, 1)} requests a second away, ${count(level.before ?? 0, 1)} before`;
      if (level.now >= 0.1 && level.now > 2 * (level.before ?? 0))
        return supports(3.7, text, { headline: `${count(level.now, 1)} requests/s turned away` });
      return level.now === 0 ? opposes(0.8, 'the engine turns no request away') : neutral(text);
    },
  );
}

function cpuProbe(): AnyProbe {
  return engineProbe(
    { id: 'engine-cpu', factor: 'cpu', title: "CPU of the engine's machine" },
    ({ cpuRatio, host }) => {
      if (cpuRatio === null) return neutral('CPU of the engine is not known');
      const text = `CPU of ${safeName(host, 80)} is at ${percent(cpuRatio)}`;
      const headline = `engine CPU ${percent(cpuRatio)}`;
      if (cpuRatio >= CPU_FULL) return supports(2.8, text, { headline });
      return cpuRatio < CPU_ROOM ? opposes(3, text, { headline }) : neutral(text);
    },
  );
}

function memoryProbe(): AnyProbe {
  return engineProbe(
    { id: 'engine-memory', factor: 'memory', title: "memory of the engine's machine" },
    ({ memoryRatio, problem, host }) => {
      const name = safeName(host, 80);
      if (problem === 'OUT_OF_MEMORY') {
        return supports(5, `${name} says OUT_OF_MEMORY`, { headline: `${name} is out of memory` });
      }
      if (memoryRatio === null) return neutral('memory of the engine is not known');
      const text = `memory of ${name} is at ${percent(memoryRatio)}`;
      const headline = `engine memory ${percent(memoryRatio)}`;
      if (memoryRatio >= MEMORY_FULL) return supports(3, text, { headline });
      return memoryRatio < MEMORY_ROOM ? opposes(4, text, { headline }) : neutral(text);
    },
  );
}

/** Engines keep their index in memory and some always stand high: that is no news. */
function memoryRiseProbe(): AnyProbe {
  return overLevel(
    { id: 'memory-rise', factor: 'memory-rise', title: 'memory against before', signal: 'search_memory' },
    (level) => {
      const up = riseOf(level);
      if (up === null) return neutral('memory before is not known');
      const text = `memory is at ${percent(level.now)}, ${percent(level.before ?? 0)} before`;
      if (up <= 1.03)
        return opposes(2.5, `${text}: as ever`, { headline: `engine memory ${percent(level.now)}, as ever` });
      return level.upper === null || level.now > level.upper ? supports(1.2, text) : neutral(text);
    },
  );
}

function pendingProbe(): AnyProbe {
  return overLevel(
    {
      id: 'pending-writes',
      factor: 'writes',
      title: 'batches of writes that wait, against before',
      signal: 'search_pending_writes',
    },
    (level, _symptom, facts) => {
      const text = `${count(level.now)} batches of writes wait in the engine, ${count(level.before ?? 0)} before`;
      const headline = `${count(level.now)} write batches pending`;
      const limit = Math.max(20, 3 * (level.before ?? 0), level.upper ?? 0);
      if (level.now <= limit) return opposes(4, text, { headline });
      const began = roseAt(level, 3);
      if (began !== null && isAfterOnset(began, facts, 2 * level.periodMs))
        return supports(1, `${text}, but only from ${clockTime(began)} on, after it began`);
      return supports(4, text, { headline });
    },
  );
}

function facetsProbe(): AnyProbe {
  return overLevel(
    { id: 'facets', factor: 'facets', title: 'filters and facets of a search', signal: 'search_facets_per_query' },
    (level, _symptom, facts) => {
      const up = riseOf(level);
      if (up === null) return neutral('how many filters and facets a search had before is not known');
      const text = `a search has ${count(level.now, 1)} filters and facets, ${count(level.before ?? 0, 1)} before (${times(up)})`;
      const headline = `${times(up)} the filters and facets for a search`;
      if (up <= 1.15) return opposes(4, text, { headline });
      if (!isUp(level, 1.3)) return neutral(text);
      const began = roseAt(level, 1.3);
      if (began !== null && isAfterOnset(began, facts, level.periodMs))
        return opposes(1, `${text}, but only from ${clockTime(began)} on, after it began`);
      return supports(3.6, text, { headline });
    },
  );
}

/** Searches as users send them where that is measured, else as they reach the engine. */
function searchesOf(engine: Level, queries: Level | null): { readonly level: Level; readonly what: string } {
  if (queries !== null) return { level: queries, what: 'searches' };
  return { level: engine, what: 'searches that reach the engine' };
}

/** Weights of more searches than usual and of as many; negative ones oppose. */
function trafficProbe(weights: { readonly up: number; readonly flat: number }): AnyProbe {
  return overLevel(
    {
      id: 'searches',
      factor: 'traffic',
      title: 'searches beside their band',
      signal: 'search_requests_per_second',
      also: ['search_queries'],
    },
    (engine, _symptom, facts, other) => {
      const { level, what } = searchesOf(engine, other('search_queries'));
      const up = riseOf(level);
      if (up === null) return neutral(`how many ${what} there were before is not known`);
      const text = `${times(up)} the usual ${what}`;
      const judged = (weight: number, headline: string) => {
        if (weight === 0) return neutral(text);
        return weight > 0 ? supports(weight, text, { headline }) : opposes(weight, text, { headline });
      };
      if (isUp(level, SURGE)) {
        const began = roseAt(level, SURGE);
        if (began !== null && isAfterOnset(began, facts, 2 * level.periodMs)) {
          const late = `${text}, but only from ${clockTime(began)} on, after it began, as retries make it`;
          return weights.up > 0 ? opposes(2, late, { headline: 'searches rose only after it began' }) : neutral(late);
        }
        return judged(weights.up, `with ${times(up)} the usual searches`);
      }
      return up <= NO_SURGE || level.upper !== null ? judged(weights.flat, 'as many searches as usual') : neutral(text);
    },
  );
}

function hitRateKeptProbe(): AnyProbe {
  return probe<'series'>({
    id: 'hit-rate',
    factor: 'hits',
    title: 'hit rate of the search cache, against before',
    ask: (_symptom, facts) => seriesQuestion(facts, 'search_cache_hit_ratio'),
    also: (_symptom, facts) => [seriesQuestion(facts, 'search_queries')],
    judge({ points }, _symptom, facts, answered) {
      const level = levelsOf(points, facts)[0];
      const up = level === undefined ? null : riseOf(level);
      if (level === undefined || up === null) return neutral('the hit rate before is not known');
      const text = `${percent(level.now)} of searches are found in the cache, ${percent(level.before ?? 0)} before`;
      // Searches of users were measured: those rose or did not, whatever the cache did.
      const measured = answered(seriesQuestion(facts, 'search_queries')) !== null;
      if (up > 0.85 || measured) return neutral(text);
      return opposes(3, `${text}: the engine gets what the cache did not find`, {
        headline: 'the cache lost its hits',
      });
    },
  });
}
