import type {
  CacheServerAnswer,
  Change,
  Reading,
  SearchEngineAnswer,
  SearchFallbackAnswer,
  Target,
} from 'runbookd/sdk';
import { type CaseAnswers, describeDetector, NOW, type ReadingOptions, reading, unknownAnswer } from 'runbookd/testing';
import { expect } from 'vitest';
import { detector } from './search-latency.ts';

const MINUTE = 60_000;
const SEARCH: Target = {
  name: 'catalogue',
  kind: 'search',
  dependsOn: ['search-cache'],
  slots: {
    searchUrl: 'https://typesense.rastup.com',
    fallbackUrl: 'https://opensearch.rastup.com',
    fallbackFlag: 'search.engine',
    fallbackValue: 'OPENSEARCH',
  },
};
const DEPENDENCIES: readonly Target[] = [
  { name: 'search-cache', kind: 'cache', dependsOn: [], slots: { host: 'cache.internal', port: '6379' } },
];

interface Shape extends ReadingOptions {
  readonly polls?: number;
}

/** Forty minutes: as usual until the last values, beside a band around what is usual. */
function minutes(signal: string, usual: number, now: readonly number[] = [], { polls = 40, ...options }: Shape = {}) {
  const earlier = Array.from({ length: polls - now.length }, (_, index) => usual * (1 + 0.02 * Math.sin(index)));
  const band = { expected: usual, lower: usual * 0.85, upper: usual * 1.2 };
  return reading(signal, [...earlier, ...now], { target: 'catalogue', periodSeconds: 60, band, ...options });
}

const engineMs = (now: readonly number[] = []) => minutes('search_engine_latency_ms', 40, now, { unit: 'ms' });
const p95 = (now: readonly number[] = []) => minutes('search_latency_p95', 0.18, now, { unit: 's' });
const perSecond = (now: readonly number[] = []) => minutes('search_requests_per_second', 42, now);
const queries = (now: readonly number[] = []) => minutes('search_queries', 9_000, now);
const hitRatio = (now: readonly number[] = []) =>
  minutes('search_cache_hit_ratio', 0.8, now, { unit: 'ratio', band: { expected: 0.8, lower: 0.75, upper: 0.85 } });
const ofCache = (signal: string, usual: number, now: readonly number[] = []) =>
  minutes(signal, usual, now, { target: 'search-cache' });
const flag = (now: readonly number[] = []) =>
  reading('cache_up', [...Array(40 - now.length).fill(1), ...now], { target: 'search-cache', periodSeconds: 60 });

const SLOW = [160, 240, 250, 245, 255];
const SLOW_P95 = [0.6, 0.9, 0.95, 0.92, 0.96];

const BASE: readonly Reading[] = [
  engineMs(),
  p95(),
  perSecond(),
  queries(),
  hitRatio(),
  minutes('search_overloaded_per_second', 0),
  minutes('search_pending_writes', 2),
  minutes('search_memory', 0.5, [], { unit: 'ratio' }),
  minutes('search_facets_per_query', 2.5),
  ofCache('cache_evictions_per_second', 0),
  ofCache('cache_hit_ratio', 0.9),
  flag(),
];

const keyOf = (one: Reading): string => JSON.stringify([one.target, one.signal, Object.entries(one.labels)]);

/** A quiet world with these readings in place of its own. */
function world(...now: readonly Reading[]): readonly Reading[] {
  const changed = new Map(now.map((one) => [keyOf(one), one]));
  return [...BASE.filter((one) => !changed.has(keyOf(one))), ...now];
}

const engine = (over: Partial<SearchEngineAnswer> = {}): SearchEngineAnswer => ({
  at: NOW,
  engine: 'typesense',
  host: 'typesense.rastup.com',
  healthy: true,
  problem: null,
  collections: [{ name: 'models', documents: 48_200 }],
  requestsPerSecond: 42,
  searchLatencyMs: 250,
  writeLatencyMs: 20,
  pendingWriteBatches: 2,
  overloadedPerSecond: 0,
  memoryRatio: 0.5,
  diskRatio: 0.25,
  cpuRatio: 0.35,
  ...over,
});

const fallback = (over: Partial<SearchFallbackAnswer> = {}): SearchFallbackAnswer => ({
  at: NOW,
  engine: 'opensearch',
  host: 'opensearch.rastup.com',
  status: 'green',
  nodes: 3,
  unassignedShards: 0,
  activeShardsRatio: 1,
  ready: true,
  ...over,
});

const cache = (over: Partial<CacheServerAnswer> = {}): CacheServerAnswer => ({
  at: NOW,
  host: 'cache.internal:6379',
  version: '7.4.2',
  role: 'primary',
  loading: false,
  pingMs: 1,
  clients: 41,
  maxClients: 10_000,
  blockedClients: 0,
  usedMemoryBytes: 5e8,
  maxMemoryBytes: 1e9,
  evictionPolicy: 'allkeys-lru',
  evictedKeys: 0,
  rejectedConnections: 0,
  hits: 9_000_000,
  misses: 1_000_000,
  replicaLinkUp: null,
  uptimeSeconds: 864_000,
  ...over,
});

const deployed = (minutesAgo: number): Change => ({
  id: 'deployment-512',
  target: 'api',
  kind: 'deployment',
  summary: 'api:511 → api:512',
  at: { earliest: NOW - minutesAgo * MINUTE - 10_000, latest: NOW - minutesAgo * MINUTE },
  source: 'ecs',
  deployment: { version: 'api:512', previous: 'api:511', state: 'completed' },
});

const CALM: CaseAnswers = {
  'search.engine': engine(),
  'search.fallback': fallback(),
  'cache.server': cache(),
  changes: { changes: [] },
};

interface Shown {
  readonly causes: readonly { readonly cause: string; readonly confidence: number }[];
}

/** Nothing but the first, and what is true besides, looks likely. */
const others =
  (but: readonly string[] = []) =>
  ({ causes }: Shown) =>
    expect(causes.slice(1).filter(({ cause, confidence }) => confidence >= 0.3 && !but.includes(cause))).toEqual([]);

const FALLBACK = /^npm run flags:update -- --flag=search\.engine --value=OPENSEARCH$/;

describeDetector(detector, {
  target: SEARCH,
  dependencies: DEPENDENCIES,
  silent: [
    { name: 'as ever', readings: world() },
    {
      name: 'three times as long, but less than 50 ms more',
      readings: world(minutes('search_engine_latency_ms', 12, [36, 36, 36, 36], { unit: 'ms' })),
    },
    {
      name: '50 ms more, but not one and a half times',
      readings: world(minutes('search_engine_latency_ms', 400, [470, 480, 480], { unit: 'ms' })),
    },
    { name: 'two slow periods of five', readings: world(engineMs([40, 250, 40, 250])) },
    { name: 'slow, and over', readings: world(engineMs([250, 250, 250, 40])) },
    {
      name: 'a night without searches: the mean is of hardly any',
      readings: world(engineMs(SLOW), perSecond([0.2, 0.1, 0.1, 0.2, 0.1])),
    },
    { name: 'a p95 of hardly any searches', readings: world(p95(SLOW_P95), queries([90, 80, 90, 80, 90])) },
    { name: 'only the engine is known', readings: [engineMs()] },
  ],
  firing: [
    {
      name: 'the engine is slow',
      readings: world(engineMs(SLOW)),
      severity: 'warning',
      headline: /^search takes 255 ms \(baseline 40 ms\)$/,
    },
    { name: 'the engine is very slow', readings: world(engineMs([700, 700, 700])), severity: 'error' },
    {
      name: 'users wait',
      readings: world(p95(SLOW_P95)),
      subject: 'p95',
      severity: 'error',
      headline: /^search p95 0\.96 s \(baseline 0\.18 s\)$/,
    },
    { name: 'above the clearing limit while it fires', readings: world(engineMs([250, 250, 88])), active: [''] },
  ],
  missing: [
    { name: 'nothing is known', readings: [] },
    { name: 'latency that ended', readings: [{ ...engineMs(SLOW), freshness: 'missing' }] },
    {
      name: 'no baseline yet',
      readings: [reading('search_engine_latency_ms', [250, 250, 250], { target: 'catalogue' })],
    },
  ],
  causes: [
    {
      name: 'the engine turns requests away with its CPU used up, and hardly more of them',
      readings: world(
        engineMs(SLOW),
        perSecond([46, 47, 46, 47, 46]),
        minutes('search_overloaded_per_second', 0, [6, 14, 15, 14, 16]),
      ),
      answers: { ...CALM, 'search.engine': engine({ cpuRatio: 0.98, overloadedPerSecond: 16 }) },
      first: { cause: 'search-engine-overloaded', on: 'catalogue' },
      atLeast: 0.8,
      commands: [/^npm run metrics:typesense -- --window=15m --metric=latency$/, FALLBACK],
      check: others(),
    },
    {
      name: 'a surge that overloads the engine is both',
      readings: world(
        engineMs(SLOW),
        perSecond([70, 95, 94, 96, 95]),
        queries([15_000, 19_000, 19_100, 19_000, 19_200]),
        minutes('search_overloaded_per_second', 0, [6, 14, 15, 14, 16]),
      ),
      answers: { ...CALM, 'search.engine': engine({ cpuRatio: 0.98, overloadedPerSecond: 16 }) },
      check: ({ causes }) => {
        expect(
          causes
            .slice(0, 2)
            .map(({ cause }) => cause)
            .sort(),
        ).toEqual(['search-engine-overloaded', 'traffic-surge']);
        expect(causes.slice(0, 2).every(({ confidence }) => confidence >= 0.8)).toBe(true);
        expect(causes.slice(2).every(({ confidence }) => confidence < 0.3)).toBe(true);
      },
    },
    {
      name: 'the engine has no memory left',
      readings: world(engineMs(SLOW), minutes('search_memory', 0.7, [0.9, 0.95, 0.96, 0.96, 0.97], { unit: 'ratio' })),
      answers: { ...CALM, 'search.engine': engine({ memoryRatio: 0.97 }) },
      first: { cause: 'search-memory-pressure', on: 'catalogue' },
      atLeast: 0.8,
      commands: [/\/metrics\.json$/, FALLBACK],
      check: others(),
    },
    {
      name: 'an engine that always stands at 92 % of its memory is not slow for it today',
      readings: world(engineMs(SLOW), minutes('search_memory', 0.92, [], { unit: 'ratio' })),
      answers: { ...CALM, 'search.engine': engine({ memoryRatio: 0.92 }) },
      check: ({ causes }) => expect(causes.every(({ confidence }) => confidence < 0.3)).toBe(true),
    },
    {
      name: 'writes wait: somebody imports',
      readings: world(engineMs(SLOW), minutes('search_pending_writes', 2, [120, 400, 620, 800, 900])),
      answers: { ...CALM, 'search.engine': engine({ pendingWriteBatches: 900, cpuRatio: 0.7 }) },
      first: { cause: 'search-writes-pending', on: 'catalogue' },
      atLeast: 0.8,
      check: others(),
    },
    {
      name: 'the search cache lost its hits, so that the engine gets more searches and users send as many as ever',
      readings: world(engineMs(SLOW), hitRatio([0.4, 0.22, 0.2, 0.21, 0.2]), perSecond([100, 150, 155, 150, 152])),
      answers: { ...CALM, 'search.engine': engine({ cpuRatio: 0.75 }) },
      first: { cause: 'cache-miss-storm', on: 'catalogue' },
      atLeast: 0.8,
      commands: [/^npm run metrics:search -- --window=15m --metric=cache_hit_rate$/, FALLBACK],
      check: others(),
    },
    {
      name: 'the same where nobody measures what users send',
      readings: world(
        engineMs(SLOW),
        hitRatio([0.4, 0.22, 0.2, 0.21, 0.2]),
        perSecond([100, 150, 155, 150, 152]),
      ).filter((one) => one.signal !== 'search_queries'),
      answers: { ...CALM, 'search.engine': engine({ cpuRatio: 0.75 }) },
      first: { cause: 'cache-miss-storm', on: 'catalogue' },
      atLeast: 0.8,
      check: ({ causes }) =>
        expect(causes.find(({ cause }) => cause === 'traffic-surge')?.confidence ?? 0).toBeLessThan(0.3),
    },
    {
      name: 'the cache evicts what it was to keep',
      readings: world(
        engineMs(SLOW),
        ofCache('cache_evictions_per_second', 0, [150, 400, 420, 410, 430]),
        ofCache('cache_hit_ratio', 0.9, [0.7, 0.5, 0.45, 0.46, 0.45]),
      ).filter((one) => one.signal !== 'search_cache_hit_ratio'),
      answers: { ...CALM, 'cache.server': cache({ usedMemoryBytes: 9.9e8 }) },
      first: { cause: 'cache-miss-storm', variant: 'evicting', on: 'search-cache' },
      atLeast: 0.8,
      commands: [/^redis-cli -h cache\.internal -p 6379 INFO$/],
      check: others(),
    },
    {
      name: 'the cache started anew and is empty',
      readings: world(
        engineMs(SLOW),
        flag([0, 0, 1, 1, 1, 1, 1]),
        ofCache('cache_hit_ratio', 0.9, [0.1, 0.3, 0.4, 0.5, 0.5]),
      ).filter((one) => one.signal !== 'search_cache_hit_ratio'),
      answers: { ...CALM, 'cache.server': cache({ uptimeSeconds: 330, usedMemoryBytes: 4e7 }) },
      first: { cause: 'cache-miss-storm', variant: 'cache-down', on: 'search-cache' },
      atLeast: 0.8,
      check: others(),
    },
    {
      name: 'the cache does not answer',
      readings: world(engineMs(SLOW), flag([0, 0, 0, 0, 0, 0])).filter(
        (one) => one.signal !== 'search_cache_hit_ratio',
      ),
      answers: { ...CALM, 'cache.server': unknownAnswer('error', 'cache.internal:6379: the connection was refused') },
      first: { cause: 'cache-miss-storm', variant: 'cache-down', on: 'search-cache' },
      atLeast: 0.8,
      check: others(),
    },
    {
      name: 'a new version asks for more facets',
      readings: world(engineMs(SLOW), minutes('search_facets_per_query', 2.5, [7, 8, 8.2, 8, 8.1])),
      answers: { ...CALM, changes: { changes: [deployed(6)] }, 'search.engine': engine({ cpuRatio: 0.7 }) },
      first: { cause: 'query-complexity', on: 'catalogue' },
      atLeast: 0.8,
      commands: [
        /^npm run metrics:search -- --window=15m --group-by=filters,facets$/,
        /^npm run deploy:rollback -- --service=api --to-version=api:511$/,
        FALLBACK,
      ],
      check: others(),
    },
    {
      name: 'a deployment that changed no query is not to blame',
      readings: world(engineMs(SLOW)),
      answers: { ...CALM, changes: { changes: [deployed(6)] } },
      check: ({ causes }) => expect(causes.every(({ confidence }) => confidence < 0.3)).toBe(true),
    },
    {
      name: 'far more searches than usual',
      readings: world(
        engineMs(SLOW),
        p95(SLOW_P95),
        perSecond([70, 95, 94, 96, 95]),
        queries([15_000, 19_000, 19_100, 19_000, 19_200]),
      ),
      answers: { ...CALM, 'search.engine': engine({ cpuRatio: 0.7 }) },
      first: { cause: 'traffic-surge', on: 'catalogue' },
      atLeast: 0.8,
      commands: [FALLBACK],
      check: others(),
    },
    {
      name: 'searches that rose only afterwards, as retries make it',
      readings: world(engineMs([250, 250, 250, 250, 250, 250, 250, 250, 250]), queries([19_000, 19_100, 19_000])),
      answers: CALM,
      check: ({ causes }) => expect(causes.every(({ confidence }) => confidence < 0.3)).toBe(true),
    },
    {
      name: 'the switch is withheld while the fallback is red',
      readings: world(engineMs(SLOW), queries([15_000, 19_000, 19_100, 19_000, 19_200])),
      answers: { ...CALM, 'search.fallback': fallback({ status: 'red', ready: false }) },
      first: { cause: 'traffic-surge' },
      check: ({ causes }) =>
        expect(causes[0]?.mitigations.find((one) => one.id === 'fallback')).toMatchObject({
          withheld: expect.stringContaining('once its cluster says that it is ready'),
        }),
    },
    {
      name: 'nothing could be seen',
      readings: [engineMs(SLOW)],
      answers: { series: unknownAnswer('no_data', 'catalogue has no such signal') },
      verdict: 'inconclusive',
      check: ({ causes }) => expect(causes.every(({ confidence }) => confidence <= 0.25)).toBe(true),
    },
    {
      name: 'everything was seen, and nothing explains it',
      readings: world(engineMs(SLOW)),
      answers: CALM,
      verdict: 'unclear',
      check: ({ causes }) => expect(causes.every(({ confidence }) => confidence < 0.3)).toBe(true),
    },
  ],
});
