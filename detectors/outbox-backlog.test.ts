import type {
  LockTreeAnswer,
  LogErrorsAnswer,
  Reading,
  SearchEngineAnswer,
  SessionsAnswer,
  StatementDelta,
  Target,
} from 'runbookd/sdk';
import { type CaseAnswers, describeDetector, judge, NOW, reading, unknownAnswer } from 'runbookd/testing';
import { expect, test } from 'vitest';
import {
  activity,
  alone,
  calm,
  confidenceOf,
  DB,
  DELTA,
  group,
  MINUTE,
  root,
  type SessionPoint,
  sessions,
  statements,
  TABLE,
  tables,
  tree,
} from '../test/cases/service.ts';
import { detector } from './outbox-backlog.ts';

const TARGET: Target = DB;
const CALM = calm();

// --- what the metrics say: sixty minutes, of which the last twelve are the trouble ------------------------------------

const SINCE = 12;
const series = (
  signal: string,
  before: number,
  now: (minute: number) => number,
  over: { readonly unit?: Reading['unit']; readonly upper?: number; readonly since?: number } = {},
): Reading => {
  const since = over.since ?? SINCE;
  const values = Array.from({ length: 60 }, (_, index) =>
    index < 60 - since ? before : now(index - (60 - since) + 1),
  );
  return reading(signal, values, {
    periodSeconds: 60,
    unit: over.unit ?? 'count',
    band: { expected: before, lower: before * 0.5, upper: over.upper ?? before * 1.4 },
  });
};

const age = (perMinute: number) =>
  series('outbox_oldest_seconds', 4, (m) => 4 + perMinute * m, { unit: 's', upper: 9 });
const pending = (perMinute: number) => series('outbox_pending', 60, (m) => 60 + perMinute * m, { upper: 90 });
const added = (now = 900) => series('outbox_added', 900, () => now, { upper: 1100 });
const processed = (now = 900) => series('outbox_processed', 900, () => now, { upper: 1100 });

const QUIET = [age(0), pending(0), added(), processed()];
const STUCK = [age(60), pending(900), added(), processed(0)];
const BEHIND = [age(24), pending(400), added(), processed(500)];
const FLOOD = [age(24), pending(1500), added(2500), processed(1000)];
const POISON = [age(60), pending(0), added(), processed()];

// --- what the database says -------------------------------------------------------------------------------------------

const statement = (queryid: string, text: string, now: number, before = 15): StatementDelta => ({
  ...DELTA,
  queryid,
  text,
  callsPerSecond: now,
  calls: now * 300,
  share: 0.08,
  meanMs: 3,
  before: { ...DELTA.before, callsPerSecond: before, meanMs: 3 },
});
const FETCH = 'SELECT id, payload FROM search.outbox WHERE NOT processed ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED';
const FINISH = 'UPDATE search.outbox SET processed = true WHERE id = ANY ($1)';
const INSERT = 'INSERT INTO search.outbox (surface, payload) VALUES ($1, $2)';
const atOutbox = (fetches: number, ends: number, inserts = 15) =>
  statements({
    top: [
      statement('11', FETCH, fetches),
      statement('12', FINISH, ends),
      statement('13', INSERT, inserts),
      ...statements().top,
    ],
  });
const WORKS = atOutbox(15, 15);

const worker = (there: boolean, points: readonly SessionPoint[] = []): SessionsAnswer =>
  sessions(
    [group('api', 'idle', 30), ...(there ? [group('search-indexer', 'idle', 2)] : [])],
    [
      { minutesAgo: 50, byApp: { api: 30, 'search-indexer': 2 } },
      { minutesAgo: 20, byApp: { api: 30, 'search-indexer': 2 } },
      ...points,
      { minutesAgo: 0, byApp: there ? { api: 30, 'search-indexer': 2 } : { api: 30 } },
    ],
  );
const HEALTHY = {
  ...CALM,
  'postgres.statements': WORKS,
  'postgres.sessions': worker(true),
} satisfies CaseAnswers;

const locked = (over: Partial<LockTreeAnswer>, relation = 'search.outbox'): CaseAnswers => ({
  ...HEALTHY,
  'postgres.statements': atOutbox(0, 0),
  'postgres.lock_tree': tree({
    blockedSessions: 3,
    blockedSince: { earliest: NOW - 14 * MINUTE, latest: NOW - 13 * MINUTE },
    waiters: [
      {
        pid: 3001,
        backendStart: '2026-11-23 13:00:00+00',
        app: 'search-indexer',
        command: 'UPDATE',
        query: null,
        waitsForMode: 'ShareLock',
        relation,
        waitSeconds: 700,
        blockedBy: [2134],
        blocksInAll: 0,
      },
    ],
    ...over,
  }),
});
const holder = (state: string, command: string) => ({
  ...root(state, command, 'search.outbox'),
  blocksDirectly: 3,
  blocksInAll: 3,
});

/** The worker's fetch is another statement than before, and so slower. */
const slowFetch = (over: Partial<StatementDelta>, more: CaseAnswers = {}): CaseAnswers => ({
  ...HEALTHY,
  'postgres.statements': statements({
    totalMs: 300_000,
    top: [{ ...statement('11', FETCH, 6), meanMs: 95, share: 0.7, ...over }, ...statements().top],
  }),
  'postgres.tables': tables({ ...TABLE, table: 'search.outbox' }),
  'postgres.activity': activity(6, 4),
  ...more,
});

/** It is filled from the outbox, by a function with a log of its own. */
const ENGINE: Target = {
  name: 'typesense',
  kind: 'search',
  dependsOn: ['main-db'],
  slots: { searchUrl: 'https://typesense.rastup.com', logGroup: '/aws/lambda/rastup-search-indexer' },
};
const engine = (over: Partial<SearchEngineAnswer>): CaseAnswers => ({
  ...HEALTHY,
  'postgres.statements': atOutbox(15, 0),
  'search.engine': {
    at: NOW,
    engine: 'typesense',
    host: 'typesense.rastup.com',
    healthy: true,
    problem: null,
    collections: [],
    requestsPerSecond: 40,
    searchLatencyMs: 20,
    writeLatencyMs: 20,
    pendingWriteBatches: 0,
    overloadedPerSecond: 0,
    memoryRatio: 0.4,
    diskRatio: 0.3,
    cpuRatio: 0.3,
    ...over,
  },
});
const refusing = (variant: string, over: Partial<SearchEngineAnswer>, commands: readonly RegExp[]) => ({
  name: `the search engine that it fills is down: ${variant}`,
  readings: STUCK,
  answers: engine(over),
  first: { cause: 'search-engine-down', variant, on: 'typesense' },
  atLeast: 0.85,
  commands,
  check: alone,
});
const workerSays = (count: number): LogErrorsAnswer => ({
  from: NOW - 25 * MINUTE,
  to: NOW,
  logGroup: '/aws/lambda/rastup-search-indexer',
  partial: false,
  count,
  before: 0,
  beforeSeconds: 600,
  templates:
    count === 0
      ? []
      : [
          {
            template: 'TypeError: Cannot read properties of undefined (reading <*>)',
            kind: 'exception',
            host: null,
            count,
            before: 0,
            firstAt: NOW - 11 * MINUTE,
            lastAt: NOW,
          },
        ],
  byTask: {},
});

describeDetector(detector, {
  target: TARGET,
  dependencies: [ENGINE],
  silent: [
    { name: 'rows come and go', readings: QUIET },
    {
      name: 'an age that is usual at this hour',
      readings: [series('outbox_oldest_seconds', 200, () => 300, { unit: 's', upper: 280 })],
    },
    {
      name: 'one slow minute',
      readings: [series('outbox_oldest_seconds', 4, () => 300, { unit: 's', upper: 9, since: 1 })],
    },
    {
      name: 'more rows than usual that go again',
      readings: [age(0), series('outbox_pending', 60, () => 150, { upper: 90 })],
    },
    {
      name: 'more rows than usual, as many for an hour',
      readings: [age(0), series('outbox_pending', 60, () => 900, { upper: 90, since: 60 })],
    },
  ],
  firing: [
    {
      name: 'the oldest row gets old',
      readings: STUCK,
      severity: 'error',
      headline: /^outbox 12 min 4 s behind, 10,860 rows wait$/,
    },
    {
      name: 'for more than half an hour',
      readings: [series('outbox_oldest_seconds', 4, (m) => 60 * m, { unit: 's', upper: 9, since: 40 })],
      severity: 'critical',
    },
    {
      name: 'rows pile up while the oldest is still young',
      readings: [age(0), pending(300)],
      severity: 'warning',
      headline: /^outbox grows: 3,660 rows wait$/,
    },
    {
      name: 'without a baseline, by age alone',
      readings: [reading('outbox_oldest_seconds', [10, 200, 260], { periodSeconds: 60, unit: 's' })],
    },
  ],
  missing: [
    { name: 'nothing is bound', readings: [] },
    { name: 'the age ended', readings: [{ ...age(60), freshness: 'missing' }] },
  ],
  causes: [
    {
      name: 'the worker is gone',
      readings: STUCK,
      answers: { ...HEALTHY, 'postgres.statements': atOutbox(0, 0), 'postgres.sessions': worker(false) },
      first: { cause: 'consumer-stopped', on: 'main-db' },
      atLeast: 0.9,
      commands: [
        /-c "select count\(\*\), processed from search\.outbox group by processed"$/,
        /^aws logs tail \/aws\/lambda\/rastup-search-indexer --since 30m$/,
      ],
      check: (diagnosis) => {
        alone(diagnosis);
        expect(diagnosis.symptom!.summary).toMatch(/ Nothing is worked off\.$/);
      },
    },
    {
      name: 'the worker is gone, and only the database knows it',
      readings: [age(60), pending(900)],
      answers: { ...HEALTHY, 'postgres.statements': atOutbox(0, 0), 'postgres.sessions': worker(false) },
      first: { cause: 'consumer-stopped', on: 'main-db' },
      atLeast: 0.8,
      check: alone,
    },
    {
      name: 'the worker takes rows and fails',
      readings: STUCK,
      answers: {
        ...HEALTHY,
        'postgres.statements': atOutbox(15, 0),
        'postgres.activity': activity(3, 3, { rollbackShare: 0.3 }),
      },
      first: { cause: 'consumer-failing', on: 'main-db' },
      atLeast: 0.85,
      commands: [/to_jsonb\(o\) - .*payload.* from search\.outbox o where not processed/],
      check: alone,
    },
    {
      name: 'the worker takes rows and ends none: the statement that ended them is not called any more',
      readings: STUCK,
      answers: {
        ...HEALTHY,
        'postgres.statements': statements({
          top: [statement('11', FETCH, 15), statement('13', INSERT, 15), ...statements().top],
        }),
        'postgres.activity': activity(3, 3, { rollbackShare: 0.3 }),
      },
      first: { cause: 'consumer-failing', on: 'main-db' },
      atLeast: 0.8,
    },
    {
      name: 'one statement that takes rows and ends them',
      readings: BEHIND,
      answers: {
        ...HEALTHY,
        'postgres.statements': statements({
          top: [
            statement(
              '14',
              'WITH head AS (SELECT id FROM search.outbox WHERE NOT processed LIMIT $1 FOR UPDATE SKIP LOCKED) UPDATE search.outbox o SET processed = true FROM head WHERE o.id = head.id RETURNING o.id',
              15,
            ),
            ...statements().top,
          ],
        }),
      },
      first: { cause: 'consumer-under-capacity', on: 'main-db' },
      atLeast: 0.8,
      check: (diagnosis) => {
        alone(diagnosis);
        expect(JSON.stringify(diagnosis.causes[0]!.evidence)).toContain('15 ends a second (100 % of before)');
      },
    },
    {
      name: 'the worker fails, as its own log says; the statements of the database are not known',
      readings: STUCK,
      answers: {
        ...HEALTHY,
        'postgres.statements': unknownAnswer('denied', 'no pg_stat_statements'),
        'logs.errors': workerSays(600),
      },
      first: { cause: 'consumer-failing', on: 'main-db' },
      atLeast: 0.8,
      check: alone,
    },
    refusing('unreachable', { healthy: null, problem: 'refused' }, [/curl .*typesense\.rastup\.com\/health/]),
    refusing('not-ready', { healthy: false }, [/typesense\.rastup\.com\/health/]),
    refusing('out-of-disk', { problem: 'OUT_OF_DISK', diskRatio: 0.99 }, [/typesense\.rastup\.com\/metrics\.json/]),
    refusing('out-of-memory', { problem: 'OUT_OF_MEMORY' }, [/typesense\.rastup\.com\/metrics\.json/]),
    {
      name: 'a search engine that is well does not explain a worker that is gone',
      readings: STUCK,
      answers: {
        ...engine({}),
        'postgres.statements': atOutbox(0, 0),
        'postgres.sessions': worker(false),
        'logs.errors': workerSays(0),
      },
      first: { cause: 'consumer-stopped', on: 'main-db' },
      check: alone,
    },
    {
      name: 'a search engine that is down does not explain a surge that is worked off',
      readings: [age(24), pending(1500), added(2500), processed(1000)],
      answers: { ...engine({ problem: 'OUT_OF_DISK' }), 'postgres.statements': atOutbox(18, 18, 45) },
      first: { cause: 'traffic-surge', on: 'main-db' },
    },
    {
      name: 'the worker does less than is added',
      readings: BEHIND,
      answers: HEALTHY,
      first: { cause: 'consumer-under-capacity', on: 'main-db' },
      atLeast: 0.8,
      check: (diagnosis) => {
        alone(diagnosis);
        expect(diagnosis.symptom!.summary).toMatch(/which is less than is added: it does not clear\.$/);
      },
    },
    {
      name: 'far more rows than usual are added',
      readings: FLOOD,
      answers: { ...HEALTHY, 'postgres.statements': atOutbox(18, 18, 45) },
      first: { cause: 'traffic-surge', on: 'main-db' },
      atLeast: 0.8,
      check: alone,
    },
    {
      name: 'one row that nobody can take, while the others pass it',
      readings: POISON,
      answers: HEALTHY,
      first: { cause: 'poison-row', on: 'main-db' },
      atLeast: 0.85,
      commands: [/order by created_at limit 5/],
      check: (diagnosis) => {
        alone(diagnosis);
        expect(confidenceOf(diagnosis, 'consumer-stopped')).toBeLessThan(0.05);
      },
    },
    {
      name: 'an idle session holds a lock on the outbox: the worker waits',
      readings: STUCK,
      answers: locked({ roots: [holder('idle in transaction', 'UPDATE')] }),
      first: { cause: 'lock-contention', variant: 'idle-in-transaction', on: 'main-db' },
      atLeast: 0.85,
      commands: [/pg_terminate_backend/],
      check: alone,
    },
    {
      name: 'a migration of the outbox queues its worker',
      readings: STUCK,
      answers: locked({ roots: [{ ...holder('active', 'ALTER TABLE'), heldMode: 'AccessExclusiveLock' }] }),
      first: { cause: 'lock-contention', variant: 'ddl-queue', on: 'main-db' },
      atLeast: 0.85,
      check: alone,
    },
    {
      name: 'a long transaction over the outbox',
      readings: STUCK,
      answers: locked({ roots: [holder('active', 'DELETE')] }),
      first: { cause: 'lock-contention', variant: 'running-transaction', on: 'main-db' },
      atLeast: 0.85,
      check: alone,
    },
    {
      name: 'a prepared transaction over the outbox',
      readings: STUCK,
      answers: locked({
        blockedByPrepared: 3,
        prepared: [{ gid: 'outbox-17', preparedSeconds: 900, owner: 'ledger', database: 'rastup' }],
      }),
      first: { cause: 'lock-contention', variant: 'prepared-transaction', on: 'main-db' },
      atLeast: 0.8,
      check: alone,
    },
    {
      name: 'locks on another table do not explain it',
      readings: STUCK,
      answers: {
        ...HEALTHY,
        'postgres.statements': atOutbox(0, 0),
        'postgres.sessions': worker(false),
        'postgres.lock_tree': tree({ roots: [root('idle in transaction', 'UPDATE', 'public.orders')] }),
      },
      first: { cause: 'consumer-stopped', on: 'main-db' },
      check: alone,
    },
    {
      name: "the worker's fetch has lost its index",
      readings: BEHIND,
      answers: slowFetch(
        { blocksPerCall: 8000 },
        {
          'postgres.tables': tables({
            table: 'search.outbox',
            lostIndexes: [
              {
                name: 'outbox_waiting_idx',
                definition: 'CREATE INDEX outbox_waiting_idx ON search.outbox USING btree (id) WHERE (NOT processed)',
                seenAt: NOW - 15 * MINUTE,
                lostBy: NOW - 14 * MINUTE,
              },
            ],
          }),
        },
      ),
      first: { cause: 'slow-query', variant: 'plan-change', on: 'main-db' },
      atLeast: 0.85,
      check: alone,
    },
    {
      name: "the worker's fetch is planned with stale statistics",
      readings: BEHIND,
      answers: slowFetch(
        { blocksPerCall: 8000 },
        {
          'postgres.tables': tables({
            table: 'search.outbox',
            modifiedSinceAnalyze: 1_400_000,
            lastAnalyzedAt: NOW - 9 * 86_400_000,
          }),
        },
      ),
      first: { cause: 'slow-query', variant: 'stale-statistics', on: 'main-db' },
      atLeast: 0.8,
      commands: [/analyze search\.outbox/],
      check: alone,
    },
    {
      name: 'a new statement at the outbox',
      readings: BEHIND,
      answers: slowFetch({
        meanMs: 400,
        firstSeenAt: NOW - 13 * MINUTE,
        before: { ...DELTA.before, basis: 'none', calls: 0, meanMs: 0, callsPerSecond: null },
      }),
      first: { cause: 'slow-query', variant: 'new-query', on: 'main-db' },
      atLeast: 0.8,
      check: alone,
    },
    {
      name: "the worker's fetch sorts on disk",
      readings: BEHIND,
      answers: slowFetch(
        {
          meanMs: 400,
          blocksPerCall: 900,
          tempBlocksPerCall: 40_000,
          before: { ...DELTA.before, meanMs: 80, blocksPerCall: 890 },
        },
        { 'postgres.activity': activity(6, 4, { tempBytesPerSecond: 6e8, tempFilesPerSecond: 2 }) },
      ),
      first: { cause: 'slow-query', variant: 'temp-spill', on: 'main-db' },
      atLeast: 0.85,
      check: alone,
    },
    {
      name: 'a slow statement elsewhere does not explain it',
      readings: BEHIND,
      answers: {
        ...HEALTHY,
        'postgres.statements': statements({
          totalMs: 300_000,
          top: [{ ...DELTA, meanMs: 95, blocksPerCall: 8000, share: 0.7 }],
        }),
      },
      first: { cause: 'consumer-under-capacity', on: 'main-db' },
      check: (diagnosis) => expect(confidenceOf(diagnosis, 'slow-query', 'plan-change')).toBeLessThan(0.1),
    },
    {
      name: 'nothing could be seen',
      readings: [age(60)],
      answers: { series: unknownAnswer('no_data', 'none') },
      verdict: 'inconclusive',
    },
  ],
});

test('what is worked off is said of the time since it began, not of before', () => {
  const summaryOf = (...readings: readonly Reading[]): string | undefined => {
    const judged = judge(detector, { name: '', readings }, TARGET);
    return judged.state === 'judged' ? judged.symptoms[0]?.summary : undefined;
  };
  const short = { since: 4, upper: 1100 };
  const stopped = series('outbox_processed', 900, () => 0, short);
  const old = series('outbox_oldest_seconds', 4, (m) => 60 * m, { unit: 's', upper: 9, since: 4 });
  expect(summaryOf(old, pending(900), added(), stopped)).toMatch(/ Nothing is worked off\.$/);
  expect(summaryOf(age(0), pending(300), added(1200), processed())).toMatch(
    /more each second\. 15 rows a second are worked off, which is less than is added: it does not clear\.$/,
  );
});

test('it began when the row was added that is the oldest, not when the limit was crossed', () => {
  const judged = judge(detector, { name: '', readings: STUCK }, TARGET);
  const onset = judged.state === 'judged' ? judged.symptoms[0]?.onset : undefined;
  expect(onset).toEqual({ earliest: NOW - 11 * MINUTE - 64_000, latest: NOW - 11 * MINUTE });
});
