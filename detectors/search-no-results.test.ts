import type { Change, Reading, SearchEngineAnswer, SearchFallbackAnswer, Target } from 'runbookd/sdk';
import { type CaseAnswers, describeDetector, NOW, type ReadingOptions, reading, unknownAnswer } from 'runbookd/testing';
import { expect } from 'vitest';
import { detector } from './search-no-results.ts';

const MINUTE = 60_000;
const SEARCH: Target = {
  name: 'catalogue',
  kind: 'search',
  dependsOn: ['main-db', 'indexer'],
  slots: {
    searchUrl: 'https://typesense.rastup.com',
    fallbackUrl: 'https://opensearch.rastup.com',
    fallbackFlag: 'search.engine',
    fallbackValue: 'OPENSEARCH',
  },
};
const DEPENDENCIES: readonly Target[] = [
  { name: 'main-db', kind: 'database', dependsOn: [], slots: { psql: 'psql -h main-db.internal -U admin -d rastup' } },
  {
    name: 'indexer',
    kind: 'queue',
    dependsOn: [],
    slots: { region: 'us-east-1', functionName: 'rastup-search-indexer' },
  },
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

const up = (now: readonly number[] = []) =>
  reading('search_up', [...Array(40 - now.length).fill(1), ...now], {
    target: 'catalogue',
    periodSeconds: 60,
    unit: 'bool',
  });
const documents = (collection: string, usual: number, now: readonly number[] = []) =>
  minutes('search_documents', usual, now, { labels: { collection } });
const queries = (now: readonly number[] = []) => minutes('search_queries', 1200, now);
const zero = (now: readonly number[] = []) => minutes('search_zero_results', 48, now);
const ofDatabase = (signal: string, usual: number, now: readonly number[] = []) =>
  minutes(signal, usual, now, { target: 'main-db' });
const ofQueue = (signal: string, usual: number, now: readonly number[] = []) =>
  minutes(signal, usual, now, { target: 'indexer' });

const EMPTY = [300, 460, 455, 470, 460];

const BASE: readonly Reading[] = [
  up(),
  documents('models', 48_200),
  documents('studios', 3_100),
  queries(),
  zero(),
  ofDatabase('outbox_pending', 40),
  ofDatabase('outbox_oldest_seconds', 8),
  ofQueue('consumer_errors', 0),
  ofQueue('queue_age_seconds', 6),
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
  collections: [
    { name: 'models', documents: 48_200 },
    { name: 'studios', documents: 3_100 },
  ],
  requestsPerSecond: 42,
  searchLatencyMs: 12,
  writeLatencyMs: 20,
  pendingWriteBatches: 0,
  overloadedPerSecond: 0,
  memoryRatio: 0.4,
  diskRatio: 0.25,
  cpuRatio: 0.22,
  ...over,
});

const SILENT_ENGINE: Partial<SearchEngineAnswer> = {
  healthy: null,
  problem: 'refused',
  collections: [],
  requestsPerSecond: null,
  searchLatencyMs: null,
  pendingWriteBatches: null,
  memoryRatio: null,
  diskRatio: null,
  cpuRatio: null,
};

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

const deployed = (minutesAgo: number): Change => ({
  id: 'deployment-512',
  target: 'api',
  kind: 'deployment',
  summary: 'api:511 → api:512',
  at: { earliest: NOW - minutesAgo * MINUTE - 10_000, latest: NOW - minutesAgo * MINUTE },
  source: 'ecs',
  deployment: { version: 'api:512', previous: 'api:511', state: 'completed' },
});

const CALM: CaseAnswers = { 'search.engine': engine(), 'search.fallback': fallback(), changes: { changes: [] } };

interface Shown {
  readonly causes: readonly {
    readonly cause: string;
    readonly confidence: number;
    readonly mitigations: readonly { readonly id: string; readonly withheld?: string }[];
  }[];
}

/** Nothing but the first, and what is true besides, looks likely. */
const others =
  (but: readonly string[] = []) =>
  ({ causes }: Shown) =>
    expect(causes.slice(1).filter(({ cause, confidence }) => confidence >= 0.3 && !but.includes(cause))).toEqual([]);

const FALLBACK = /^npm run flags:update -- --flag=search\.engine --value=OPENSEARCH$/;
const BACKLOG = [ofDatabase('outbox_pending', 40, [9_000, 21_000, 30_000, 38_000, 41_200])];
const OLDEST = ofDatabase('outbox_oldest_seconds', 8, [200, 400, 600, 800, 1_000]);

describeDetector(detector, {
  target: SEARCH,
  dependencies: DEPENDENCIES,
  silent: [
    { name: 'as ever', readings: world() },
    { name: 'one poll that failed', readings: world(up([0])) },
    { name: 'down, and back', readings: world(up([0, 0, 0, 1])) },
    { name: 'a tenth of the documents less', readings: world(documents('models', 48_200, [43_400, 43_400, 43_400])) },
    { name: 'a small collection of which few are gone', readings: world(documents('studios', 40, [25, 25, 25])) },
    { name: 'a collection that is always empty', readings: world(documents('drafts', 0, [0, 0])) },
    {
      name: 'traffic fell: fewer searches, as many of them without a result as ever',
      readings: world(queries([400, 300, 310, 305, 300]), zero([16, 12, 13, 12, 12])),
    },
    {
      name: 'one rare filter finds nothing: a few searches more in a minute',
      readings: world(zero([48, 52, 60, 55, 58])),
    },
    {
      name: 'traffic rose: more searches, and more without a result in proportion',
      readings: world(queries([2400, 2400, 2400]), zero([96, 97, 96])),
    },
    { name: 'only the engine is known', readings: [up()] },
    {
      name: 'no baseline yet, and documents there',
      readings: [up(), reading('search_documents', [9, 9], { target: 'catalogue', labels: { collection: 'models' } })],
    },
    {
      name: 'filled again beyond half of what was lost',
      readings: world(documents('models', 48_200, [18_000, 30_000, 44_000])),
      active: ['models'],
    },
  ],
  firing: [
    { name: 'the engine is down', readings: world(up([0, 0])), severity: 'critical', headline: /^search engine down$/ },
    {
      name: 'a collection shrank',
      readings: world(documents('models', 48_200, [18_800, 18_800])),
      subject: 'models',
      severity: 'error',
      headline: /^models shrank 61 %$/,
    },
    {
      name: 'a collection is empty',
      readings: world(documents('studios', 3_100, [0, 0])),
      subject: 'studios',
      severity: 'critical',
      headline: /^studios is empty$/,
    },
    {
      name: 'empty before a baseline is known',
      readings: [
        up(),
        reading('search_documents', [900, 900, 0, 0], { target: 'catalogue', labels: { collection: 'models' } }),
      ],
      subject: 'models',
      severity: 'critical',
    },
    {
      name: 'searches find nothing',
      readings: world(zero(EMPTY)),
      subject: 'zero-results',
      severity: 'error',
      headline: /^results empty for 36 % of searches \(baseline 4 %\)$/,
    },
    {
      name: 'hardly any search finds anything',
      readings: world(zero([1100, 1150, 1160, 1150, 1160])),
      subject: 'zero-results',
      severity: 'critical',
    },
    {
      name: 'still far below while it fires',
      readings: world(documents('models', 48_200, [18_000, 30_000, 40_000])),
      subject: 'models',
      active: ['models'],
    },
  ],
  missing: [
    { name: 'nothing is known', readings: [] },
    { name: 'an engine that was not seen lately', readings: [{ ...up([0, 0]), freshness: 'missing' }] },
    { name: 'searches, but not what they found', readings: [queries()] },
  ],
  causes: [
    {
      name: 'the engine refuses connections',
      readings: world(up([0, 0, 0])),
      answers: { ...CALM, 'search.engine': engine(SILENT_ENGINE) },
      first: { cause: 'search-engine-down', variant: 'unreachable', on: 'catalogue' },
      atLeast: 0.9,
      commands: [/^curl -sS -m 10 https:\/\/typesense\.rastup\.com\/health$/, FALLBACK],
      check: others(),
    },
    {
      name: 'the engine could not be asked, and the polls say that it is down',
      readings: world(up([0, 0, 0])),
      answers: { ...CALM, 'search.engine': unknownAnswer('timeout', 'no answer before the deadline') },
      check: ({ causes, verdict }) => {
        expect(causes[0]).toMatchObject({ cause: 'search-engine-down', variant: 'unreachable' });
        expect(verdict).toBe('cause');
      },
    },
    {
      name: 'the engine starts, or lags',
      readings: world(up([0, 0, 0])),
      answers: { ...CALM, 'search.engine': engine({ ...SILENT_ENGINE, healthy: false, problem: null }) },
      first: { cause: 'search-engine-down', variant: 'not-ready', on: 'catalogue' },
      atLeast: 0.9,
      commands: [FALLBACK],
      check: others(),
    },
    {
      name: 'the engine is out of disk',
      readings: world(up([0, 0, 0])),
      answers: { ...CALM, 'search.engine': engine({ ...SILENT_ENGINE, healthy: false, problem: 'OUT_OF_DISK' }) },
      first: { cause: 'search-engine-down', variant: 'out-of-disk', on: 'catalogue' },
      atLeast: 0.9,
      commands: [
        /^curl -sS -m 10 --variable %TYPESENSE_API_KEY --expand-header "X-TYPESENSE-API-KEY: \{\{TYPESENSE_API_KEY\}\}" https:\/\/typesense\.rastup\.com\/metrics\.json$/,
        FALLBACK,
      ],
      check: others(),
    },
    {
      name: 'the engine is out of memory and refuses what is written, so that it waits in the outbox',
      readings: world(zero(EMPTY), ...BACKLOG, OLDEST),
      answers: { ...CALM, 'search.engine': engine({ problem: 'OUT_OF_MEMORY', memoryRatio: 0.99 }) },
      first: { cause: 'search-engine-down', variant: 'out-of-memory', on: 'catalogue' },
      atLeast: 0.8,
      check: others(),
    },
    {
      name: 'documents are gone, and nothing waits',
      readings: world(documents('models', 48_200, [18_800, 18_800, 18_800])),
      answers: CALM,
      first: { cause: 'index-shrunk', on: 'catalogue' },
      atLeast: 0.8,
      commands: [
        /^npm run search:reindex -- --surface=models --dry-run$/,
        /^npm run search:reindex -- --surface=models$/,
        /\/collections\/models$/,
        FALLBACK,
      ],
      check: ({ causes, ruledOut }) => {
        others()({ causes });
        expect(causes[0]?.mitigations.map((one) => one.id)).toEqual([
          'collection-stats',
          'reindex-dry-run',
          'reindex',
          'fallback',
        ]);
        expect(ruledOut.find((one) => one.cause === 'indexer-behind')?.because).toMatch(/outbox/);
      },
    },
    {
      name: 'a collection is not there any more',
      readings: world(documents('models', 48_200, [0, 0, 0])),
      answers: {
        ...CALM,
        'search.engine': engine({ collections: [{ name: 'models', documents: 0, missing: true }] }),
      },
      first: { cause: 'index-shrunk', variant: 'collection-missing', on: 'catalogue' },
      atLeast: 0.8,
      commands: [/--surface=models --dry-run$/],
      check: ({ causes }) => expect(causes.slice(1).filter(({ confidence }) => confidence >= 0.3)).toEqual([]),
    },
    {
      name: 'what changed waits in the outbox while the index shrinks',
      readings: world(documents('models', 48_200, [30_000, 25_000, 18_800]), zero(EMPTY), ...BACKLOG, OLDEST),
      answers: CALM,
      first: { cause: 'indexer-behind', on: 'main-db' },
      atLeast: 0.8,
      commands: [
        /^psql -h main-db\.internal -U admin -d rastup -c "SELECT count\(\*\), processed FROM search\.outbox GROUP BY processed"$/,
        /^npm run search:reindex -- --surface=models --dry-run$/,
        FALLBACK,
      ],
      check: others(),
    },
    {
      name: 'what changed waits in the outbox',
      readings: world(zero(EMPTY), ...BACKLOG, OLDEST),
      answers: CALM,
      first: { cause: 'indexer-behind', on: 'main-db' },
      atLeast: 0.8,
      check: ({ causes }) => {
        others()({ causes });
        expect(causes[0]?.evidence[0]?.headline).toBe('outbox 41,200 behind');
      },
    },
    {
      name: 'the indexer fails',
      readings: world(
        zero(EMPTY),
        ofQueue('consumer_errors', 0.2, [40, 60, 55, 60, 58]),
        ofQueue('queue_age_seconds', 6, [60, 200, 350, 450, 600]),
      ),
      answers: CALM,
      first: { cause: 'indexer-behind', variant: 'indexer-fails', on: 'indexer' },
      atLeast: 0.8,
      commands: [
        /^aws logs tail --region us-east-1 \/aws\/lambda\/rastup-search-indexer --since 30m --follow$/,
        FALLBACK,
      ],
      check: others(),
    },
    {
      name: 'a new version asks for something else',
      readings: world(zero(EMPTY)),
      answers: { ...CALM, changes: { changes: [deployed(6)] } },
      first: { cause: 'query-change', on: 'catalogue' },
      atLeast: 0.8,
      commands: [/^npm run deploy:rollback -- --service=api --to-version=api:511$/],
      check: others(),
    },
    {
      name: 'a version that came only afterwards is not to blame',
      readings: world(zero(EMPTY)),
      answers: { ...CALM, changes: { changes: [deployed(1)] } },
      check: ({ ruledOut }) =>
        expect(ruledOut.find((one) => one.cause === 'query-change')?.because).toBe('deployed only after it began'),
    },
    {
      name: 'a deployment at the time when the index shrank: the version asks as before',
      readings: world(documents('models', 48_200, [18_800, 18_800, 18_800]), zero(EMPTY)),
      answers: { ...CALM, changes: { changes: [deployed(6)] } },
      first: { cause: 'index-shrunk', on: 'catalogue' },
      atLeast: 0.8,
      check: others(),
    },
    ...(
      [
        ['red', fallback({ status: 'red', ready: false, unassignedShards: 4 })],
        ['not answering', unknownAnswer('timeout', 'no answer before the deadline')],
        ['not configured', unknownAnswer('not_configured', 'no engine to fall back to is configured')],
      ] as const
    ).map(([name, answer]) => ({
      name: `the switch is withheld while the fallback is ${name}`,
      readings: world(up([0, 0, 0])),
      answers: { ...CALM, 'search.engine': engine(SILENT_ENGINE), 'search.fallback': answer },
      first: { cause: 'search-engine-down', variant: 'unreachable' },
      check: ({ causes }: Shown) => {
        const found = causes[0]?.mitigations.find((one) => one.id === 'fallback');
        expect(found?.withheld).toMatch(
          /^\{fallbackEngine\} is not known \(.* once its cluster says that it is ready\)$/,
        );
      },
    })),
    {
      name: 'nothing could be seen',
      readings: [zero(EMPTY), queries()],
      answers: { changes: unknownAnswer('error', 'x') },
      verdict: 'inconclusive',
      check: ({ causes }) => expect(causes.every(({ confidence }) => confidence <= 0.35)).toBe(true),
    },
    {
      name: 'everything was seen, and nothing explains it',
      readings: world(zero(EMPTY)),
      answers: CALM,
      verdict: 'unclear',
      check: ({ causes }) => expect(causes.every(({ confidence }) => confidence < 0.3)).toBe(true),
    },
  ],
});
