/** What the application knows of its searches, and what they make of the engine: its load, and so its latency. */

import { WELL as ENGINE, type TypesenseState } from '../search.ts';
import { type AreaOptions, type Bound, createArea, plain } from './area.ts';

export interface SearchEffects {
  /** Searches of users. */
  readonly queriesFactor?: number;
  /** Added to the share that finds nothing. */
  readonly zeroShare?: number;
  /** Added to the share that the cache before the engine answers. */
  readonly hitRatio?: number;
  readonly facetsFactor?: number;
  /** What else the engine's machine has to do, as a share of it. */
  readonly cpu?: number;
  readonly pendingWrites?: number;
  /** Milliseconds that a search waits for something else than the CPU. */
  readonly waits?: number;
  readonly memory?: number;
  /** Share of the documents of a collection that are lost. */
  readonly lost?: Readonly<Record<string, number>>;
  /** Collections that the engine does not know any more. */
  readonly dropped?: readonly string[];
}

const TARGET = 'typesense';
const PER_MINUTE = 2_400;
const HIT_RATIO = 0.6;
const FACETS = 2.4;
const ZERO_SHARE = 0.04;
/** Of the engine's machine at the mean traffic, and what a search takes when nothing else is there. */
const CPU = 0.3;
const SERVICE_MS = 19;
/** What is searched in each collection, of all searches. */
const SHARES: Readonly<Record<string, number>> = { models: 0.85, studios: 0.15 };

export type EngineFigures = Pick<
  TypesenseState,
  | 'collections'
  | 'searchesPerSecond'
  | 'searchLatencyMs'
  | 'cpuPercent'
  | 'overloadedPerSecond'
  | 'pendingWriteBatches'
  | 'memoryUsedBytes'
>;

export function searchMetrics(options: AreaOptions) {
  const { affect, sum, product, effectsAt, busy, count, level } = createArea<SearchEffects>('search', options);
  const hitRatio = (at: number): number =>
    Math.min(0.99, Math.max(0.01, level(at, 'hits', HIT_RATIO, 0.015) + sum(at, (one) => one.hitRatio)));
  const facets = (at: number): number => level(at, 'facets', FACETS, 0.03) * product(at, (one) => one.facetsFactor);
  const rate = (at: number): number => (PER_MINUTE / 60) * busy(at) * product(at, (one) => one.queriesFactor);
  const lost = (at: number, collection: string): number =>
    1 - effectsAt(at).reduce((left, one) => left * (1 - (one.lost?.[collection] ?? 0)), 1);
  const queries = (at: number): number => count(at, 'queries', rate(at) * 60);
  const zeroShare = (at: number): number => {
    const missing = Object.entries(SHARES).reduce((all, [name, share]) => all + share * lost(at, name), 0);
    return Math.min(1, ZERO_SHARE + sum(at, (one) => one.zeroShare) + (1 - ZERO_SHARE) * missing);
  };

  /** The machine as a queue with one server: what is left of it divides the time of a search. */
  function engine(at: number): EngineFigures {
    const reach = rate(at) * (1 - hitRatio(at));
    const work = (facets(at) / FACETS) ** 1.3;
    const wanted = CPU * (reach / ((PER_MINUTE / 60) * (1 - HIT_RATIO))) * work + sum(at, (one) => one.cpu);
    const cpu = Math.min(0.98, wanted);
    const refused = Math.max(0, wanted - 1) * reach;
    return {
      collections: Object.fromEntries(
        Object.entries(ENGINE.collections)
          .filter(([name]) => !effectsAt(at).some(({ dropped = [] }) => dropped.includes(name)))
          .map(([name, documents]) => [
            name,
            Math.round(level(at, `documents/${name}`, documents, 0.0005) * (1 - lost(at, name))),
          ]),
      ),
      searchesPerSecond: level(at, 'reach', reach, 0.03),
      searchLatencyMs: level(
        at,
        'engine',
        (SERVICE_MS * work * (1 + sum(at, (one) => one.memory) * 8)) / (1 - cpu) + sum(at, (one) => one.waits),
      ),
      cpuPercent: 100 * Math.min(0.99, level(at, 'cpu', cpu, 0.03)),
      overloadedPerSecond: refused,
      pendingWriteBatches: Math.round(level(at, 'writes', 2, 0.3) + sum(at, (one) => one.pendingWrites)),
      memoryUsedBytes: Math.round(
        ENGINE.memoryTotalBytes *
          Math.min(0.985, ENGINE.memoryUsedBytes / ENGINE.memoryTotalBytes + sum(at, (one) => one.memory)),
      ),
    };
  }

  const bound: readonly Bound[] = [
    {
      target: TARGET,
      signal: 'search_queries',
      query: 'sum(increase(search_queries_total[1m]))',
      read: plain(queries),
    },
    {
      target: TARGET,
      signal: 'search_zero_results',
      query: 'sum(increase(search_zero_results_total[1m]))',
      read: plain((at) => Math.min(queries(at), count(at, 'zero', queries(at) * zeroShare(at)))),
    },
    {
      target: TARGET,
      signal: 'search_latency_p95',
      query: 'histogram_quantile(0.95, sum by (le) (rate(search_duration_seconds_bucket[1m])))',
      read: plain((at) => level(at, 'p95', 0.02 + (2.6 * engine(at).searchLatencyMs) / 1000, 0.03)),
    },
    {
      target: TARGET,
      signal: 'search_cache_hit_ratio',
      query: 'sum(rate(search_cache_hits_total[1m])) / sum(rate(search_queries_total[1m]))',
      read: plain(hitRatio),
    },
    {
      target: TARGET,
      signal: 'search_facets_per_query',
      query: 'sum(rate(search_facets_total[1m])) / sum(rate(search_queries_total[1m]))',
      read: plain(facets),
    },
  ];
  return { affect, engine, bound };
}
