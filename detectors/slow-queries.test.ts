import type { ActivityAnswer, LockTreeAnswer, StatementDelta, StatementsAnswer, TableState } from 'runbookd/sdk';
import {
  type CaseAnswers,
  describeDetector,
  NOW,
  type ReadingOptions,
  reading,
  TARGET,
  unknownAnswer,
} from 'runbookd/testing';
import { describe, expect, test } from 'vitest';
import { detector } from './slow-queries.ts';

const ID = '7239487';
const every = { periodSeconds: 60 };
const hour = <T>(before: T, now: T, polls = 5): readonly T[] => [
  ...Array<T>(30).fill(before),
  ...Array<T>(polls).fill(now),
];

interface Shape {
  readonly id?: string;
  readonly mean: readonly number[];
  /** Calls a second. */
  readonly rate: readonly number[];
  readonly lifetime?: number | null;
  readonly knownSeconds?: number;
  readonly temp?: readonly number[];
  readonly band?: ReadingOptions['band'];
}

function statement({ id = ID, mean, rate, lifetime = mean[0] ?? 0, knownSeconds, temp, band }: Shape) {
  const labelled = { ...every, labels: { queryid: id } };
  const lived = mean.map((_, index) => 5000 + index * 100);
  return [
    reading('statement_mean_ms', mean, { ...labelled, unit: 'ms', ...(band === undefined ? {} : { band }) }),
    reading(
      'statement_calls',
      rate.map((one) => one * 60),
      labelled,
    ),
    reading('statement_calls_per_second', rate, labelled),
    ...(lifetime === null
      ? []
      : [
          reading(
            'statement_lifetime_mean_ms',
            mean.map(() => lifetime),
            labelled,
          ),
          reading('statement_lifetime_calls', lived, labelled),
        ]),
    ...(knownSeconds === undefined ? [] : [reading('statement_known_seconds', [knownSeconds], labelled)]),
    ...(temp === undefined ? [] : [reading('statement_temp_blocks_per_call', temp, labelled)]),
  ];
}

function totals(msPerSecond: readonly number[], callsPerSecond: readonly number[]) {
  return [
    reading('statement_time_ms_per_second', msPerSecond, { ...every, unit: 'ms' }),
    reading('statement_calls_per_second', callsPerSecond, every),
  ];
}

const slower = [...statement({ mean: hour(3, 95), rate: hour(10, 10) }), ...totals(hour(300, 1200), hour(200, 200))];
const often = [...statement({ mean: hour(2, 2.1), rate: hour(40, 400) }), ...totals(hour(400, 1160), hour(200, 560))];
const busier = [...statement({ mean: hour(20, 20), rate: hour(10, 40) }), ...totals(hour(500, 2000), hour(200, 800))];
const fresh = [
  ...statement({ mean: [400, 400, 400], rate: [2, 2, 2], lifetime: null, knownSeconds: 180 }),
  ...totals(hour(300, 1100, 3), hour(200, 202, 3)),
];
const spilled = [
  ...statement({ mean: hour(80, 400), rate: hour(2, 2), temp: hour(0, 40_000) }),
  ...totals(hour(400, 1100), hour(200, 200)),
];

const DELTA: StatementDelta = {
  queryid: ID,
  database: 'rastup',
  user: 'app',
  text: 'SELECT id, status FROM orders WHERE customer_id = $1 ORDER BY placed_at DESC LIMIT 20',
  calls: 3000,
  totalMs: 285_000,
  meanMs: 95,
  callsPerSecond: 10,
  share: 0.79,
  rowsPerCall: 20,
  blocksPerCall: 8000,
  blocksReadPerCall: 50,
  tempBlocksPerCall: 0,
  before: {
    basis: 'baseline',
    calls: 18_000,
    meanMs: 3,
    callsPerSecond: 10,
    rowsPerCall: 20,
    blocksPerCall: 24,
    tempBlocksPerCall: 0,
  },
  firstSeenAt: null,
};
const TABLE: TableState = {
  table: 'public.orders',
  liveRows: 2_000_000,
  bytes: 4e8,
  modifiedSinceAnalyze: 900,
  lastAnalyzedAt: NOW - 3_600_000,
  deadRows: 0,
  sequentialScansPerSecond: 0,
  indexScansPerSecond: 40,
  sequentialRowsPerScan: 0,
  indexes: ['orders_pkey'],
  lostIndexes: [],
  invalidIndexes: [],
};
const LOST = {
  name: 'orders_customer_id_placed_at_idx',
  definition: 'CREATE INDEX orders_customer_id_placed_at_idx ON public.orders USING btree (customer_id, placed_at)',
  seenAt: NOW - 8 * 60_000,
  lostBy: NOW - 5 * 60_000,
};
const ACTIVITY: ActivityAnswer = {
  at: NOW,
  activeSessions: 4,
  waits: { CPU: 4 },
  activeBefore: 4,
  tempBytesPerSecond: 0,
  tempFilesPerSecond: 0,
  deadlocks: 0,
  transactionsPerSecond: 80,
  rollbackShare: 0,
  autovacuumWorkers: 0,
};
const steady = (index: number): StatementDelta => ({
  ...DELTA,
  queryid: String(100 + index),
  meanMs: 4,
  blocksPerCall: 12,
  share: 0.02,
  callsPerSecond: 20,
  calls: 6000,
  before: { ...DELTA.before, meanMs: 4, blocksPerCall: 12, callsPerSecond: 20 },
});
const slowed = (index: number): StatementDelta => ({ ...steady(index), meanMs: 30, share: 0.1 });
const others = (make = steady): readonly StatementDelta[] => [0, 1, 2, 3, 4, 5].map(make);

type Roots = LockTreeAnswer['roots'];

function lockTree(variant: 'idle-in-transaction' | 'ddl-queue' | 'running-transaction' | 'prepared-transaction') {
  const since = { earliest: NOW - 330_000, latest: NOW - 300_000 };
  const prepared = variant === 'prepared-transaction';
  const command = variant === 'ddl-queue' ? 'ALTER TABLE' : 'UPDATE';
  const roots: Roots = [
    {
      pid: 2134,
      backendStart: '2026-11-23 13:58:02.114873+00',
      app: 'checkout-worker',
      user: 'app',
      state: variant === 'idle-in-transaction' ? 'idle in transaction' : 'active',
      inStateSeconds: 320,
      inTransactionSeconds: 330,
      command,
      query: null,
      heldMode: variant === 'ddl-queue' ? 'AccessExclusiveLock' : 'RowExclusiveLock',
      relation: 'public.orders',
      blocksDirectly: 14,
      blocksInAll: 14,
    },
  ];
  return {
    at: NOW,
    blockedSessions: 14,
    clientSessions: 30,
    roots: prepared ? [] : roots,
    prepared: prepared ? [{ gid: 'order-1', preparedSeconds: 400, owner: 'app', database: 'rastup' }] : [],
    blockedByPrepared: prepared ? 14 : 0,
    waiters: [],
    longestWaitSeconds: 300,
    blockedSince: since,
    history: [{ at: NOW - 300_000, blocked: 14, root: 2134 }],
  };
}

interface Parts {
  readonly one?: Partial<StatementDelta>;
  readonly others?: readonly StatementDelta[];
  readonly table?: Partial<TableState>;
  readonly activity?: Partial<ActivityAnswer>;
  readonly totalCalls?: number;
  readonly changes?: readonly {
    readonly kind: 'deployment' | 'index' | 'setting';
    readonly summary: string;
    readonly at: number;
  }[];
  readonly flavour?: 'postgres' | 'rds';
}

function answers(parts: Parts = {}): CaseAnswers {
  const statements: StatementsAnswer = {
    from: NOW - 300_000,
    to: NOW,
    totalMs: 360_000,
    totalCalls: parts.totalCalls ?? 60_000,
    totalMsPerSecondBefore: 300,
    totalCallsPerSecondBefore: 200,
    top: [{ ...DELTA, ...parts.one }, ...(parts.others ?? others())],
    evicted: 0,
    statsResetAt: null,
  };
  return {
    'postgres.statements': statements,
    'postgres.tables': { at: NOW, tables: [{ ...TABLE, ...parts.table }] },
    'postgres.activity': { ...ACTIVITY, ...parts.activity },
    'postgres.server': {
      role: 'primary',
      versionNum: 180_004,
      startedAt: NOW - 1e9,
      timeline: 1,
      flavour: parts.flavour ?? 'postgres',
      maxConnections: 100,
      usableConnections: 97,
      database: 'rastup',
    },
    'postgres.lock_tree': {
      at: NOW,
      blockedSessions: 0,
      clientSessions: 30,
      roots: [],
      prepared: [],
      blockedByPrepared: 0,
      waiters: [],
      longestWaitSeconds: 0,
      blockedSince: null,
      history: [],
    },
    changes: {
      changes: (parts.changes ?? []).map(({ kind, summary, at }) => ({
        id: summary,
        target: 'main-db',
        kind,
        summary,
        at: { earliest: at, latest: at },
        source: 'test',
      })),
    },
  };
}

const asBefore = { meanMs: 3, blocksPerCall: 24 };
const look = {
  rowsPerCall: 1,
  meanMs: 2.1,
  blocksPerCall: 4,
  callsPerSecond: 400,
  calls: 120_000,
  before: { ...DELTA.before, meanMs: 2, rowsPerCall: 1, blocksPerCall: 4, callsPerSecond: 40 },
};
const slow = (variant: string) => ({ cause: 'slow-query', variant });
const restBelow = (limit: number) => (diagnosis: { causes: readonly { confidence: number }[] }) =>
  expect(diagnosis.causes.slice(1).filter((one) => one.confidence >= limit)).toEqual([]);

describeDetector(detector, {
  silent: [
    {
      name: 'nothing is slower',
      readings: [...statement({ mean: hour(3, 3.2), rate: hour(10, 10) }), ...totals(hour(300, 300), hour(200, 200))],
    },
    { name: 'no statement at all', readings: totals([0, 0], [0, 0]) },
    {
      name: 'twice as slow, but by less than 20 ms',
      readings: [...statement({ mean: hour(5, 20), rate: hour(10, 10) }), ...totals(hour(300, 400), hour(200, 200))],
    },
    {
      name: '20 ms more, but not twice as slow',
      readings: [
        ...statement({ mean: hour(100, 150), rate: hour(10, 10) }),
        ...totals(hour(1300, 1800), hour(200, 200)),
      ],
    },
    {
      name: 'slow, but hardly called',
      readings: [...statement({ mean: hour(3, 900), rate: hour(0.05, 0.05) }), ...totals(hour(50, 100), hour(20, 20))],
    },
    {
      name: 'slow, but a small part of the whole',
      readings: [...statement({ mean: hour(3, 60), rate: hour(1, 1) }), ...totals(hour(900, 950), hour(200, 200))],
    },
    {
      name: 'slow against a short life',
      readings: [...statement({ mean: [95, 95], rate: [10, 10], lifetime: null }), ...totals([1000, 1000], [20, 20])],
    },
    {
      name: 'as slow as it is at this hour',
      readings: [
        ...statement({ mean: hour(3, 95), rate: hour(10, 10), band: { expected: 90, lower: 60, upper: 120 } }),
        ...totals(hour(300, 1200), hour(200, 200)),
      ],
    },
    {
      name: 'slow, and over',
      readings: [
        ...statement({ mean: [...hour(3, 500, 3), 3], rate: hour(10, 10, 4) }),
        ...totals(hour(300, 2000, 4), hour(200, 200, 4)),
      ],
    },
    {
      name: 'a new statement of no consequence',
      readings: [...statement({ mean: [400], rate: [0.02], lifetime: null, knownSeconds: 60 }), ...totals([9], [1])],
    },
    {
      name: 'a statement that was there at the first look',
      readings: [...statement({ mean: [400], rate: [2], lifetime: null }), ...totals([900], [10])],
    },
    {
      name: 'temporary files that have always been there',
      readings: [
        ...statement({ mean: hour(400, 400), rate: hour(2, 2), temp: hour(40_000, 40_000) }),
        ...totals(hour(1000, 1000), hour(200, 200)),
      ],
    },
  ],
  firing: [
    {
      name: 'one that is 30 times slower',
      readings: slower,
      severity: 'error',
      headline: /^statement 7239487 32× slower \(95 ms a call, before 3 ms\), 79 % of database time$/,
    },
    {
      name: 'against its band',
      readings: [
        ...statement({ mean: hour(50, 130), rate: hour(10, 10), band: { expected: 50, lower: 40, upper: 60 } }),
        ...totals(hour(1500, 2300), hour(200, 200)),
      ],
      severity: 'warning',
    },
    { name: 'a new one', readings: fresh, headline: /new statement 7239487 takes 62 %/ },
    { name: 'one called ten times as often', readings: often, headline: /called 10× as often/ },
    { name: 'all called four times as often, which pages nobody', readings: busier, severity: 'info' },
    {
      name: 'one that spills',
      readings: [
        ...statement({ mean: hour(80, 130), rate: hour(3, 3), temp: hour(0, 40_000) }),
        ...totals(hour(500, 700), hour(200, 200)),
      ],
      headline: /spills to disk/,
    },
    {
      name: 'two, the worse first',
      readings: [...slower, ...statement({ id: '12', mean: hour(2, 40), rate: hour(4, 4) })],
      headline: /^statement 7239487 .*, and 1 more$/,
    },
    {
      name: 'above the clearing limit while it fires',
      readings: [...statement({ mean: hour(50, 92), rate: hour(10, 10) }), ...totals(hour(1500, 1900), hour(200, 200))],
      active: [''],
    },
  ],
  missing: [
    { name: 'nothing', readings: [] },
    { name: 'only figures of the past', readings: slower.map((one) => ({ ...one, freshness: 'missing' as const })) },
  ],
  causes: [
    {
      name: 'its index is gone',
      readings: slower,
      answers: answers({
        table: { lostIndexes: [LOST] },
        changes: [{ kind: 'index', summary: 'index dropped', at: NOW - 6 * 60_000 }],
      }),
      first: slow('plan-change'),
      atLeast: 0.95,
      commands: [/indexrelid::regclass.*public\.orders.*::regclass/, /explain \(generic_plan\).*queryid = 7239487/],
      check: (diagnosis) => {
        restBelow(0.3)(diagnosis);
        expect(JSON.stringify(diagnosis.causes[0]?.evidence)).toContain('USING btree (customer_id, placed_at)');
      },
    },
    {
      name: 'another plan, with every index there',
      readings: slower,
      answers: answers({ table: { sequentialScansPerSecond: 10, sequentialRowsPerScan: 2_000_000 } }),
      first: slow('plan-change'),
      atLeast: 0.85,
      check: restBelow(0.3),
    },
    {
      name: 'an index that was lost only afterwards',
      readings: slower,
      answers: answers({ table: { lostIndexes: [{ ...LOST, seenAt: NOW - 60_000, lostBy: NOW }] } }),
      check: (diagnosis) => {
        const plan = diagnosis.causes.find((one) => one.variant === 'plan-change');
        expect(plan?.confidence ?? 0).toBeLessThan(0.5);
      },
    },
    {
      name: 'stale statistics',
      readings: slower,
      answers: answers({ table: { modifiedSinceAnalyze: 1_400_000, lastAnalyzedAt: NOW - 9 * 86_400_000 } }),
      first: slow('stale-statistics'),
      atLeast: 0.85,
      commands: [/analyze public\.orders/],
      check: restBelow(0.3),
    },
    {
      name: 'a new statement after a deployment',
      readings: fresh,
      answers: answers({
        one: {
          meanMs: 400,
          firstSeenAt: NOW - 180_000,
          before: { ...DELTA.before, basis: 'none', calls: 0, meanMs: 0, callsPerSecond: null },
        },
        changes: [{ kind: 'deployment', summary: 'api 512', at: NOW - 6 * 60_000 }],
      }),
      first: slow('new-query'),
      atLeast: 0.9,
      commands: [/alter system set log_min_duration_statement = 1000.* -c "select pg_reload_conf\(\)"/],
      check: restBelow(0.3),
    },
    {
      name: 'no ALTER SYSTEM on RDS',
      readings: fresh,
      answers: answers({
        flavour: 'rds',
        one: {
          meanMs: 400,
          firstSeenAt: NOW - 180_000,
          before: { ...DELTA.before, basis: 'none', calls: 0, meanMs: 0, callsPerSecond: null },
        },
      }),
      first: slow('new-query'),
      check: (diagnosis) => {
        const log = diagnosis.causes[0]?.mitigations.find((one) => one.id === 'slow-query-log');
        expect(log).toMatchObject({ withheld: expect.stringContaining('RDS and Aurora refuse') });
      },
    },
    {
      name: 'a deployment after the onset does not speak for the new statement',
      readings: fresh,
      answers: answers({
        one: {
          meanMs: 400,
          firstSeenAt: NOW - 180_000,
          before: { ...DELTA.before, basis: 'none', calls: 0, meanMs: 0, callsPerSecond: null },
        },
        changes: [{ kind: 'deployment', summary: 'api 513', at: NOW - 10_000 }],
      }),
      check: (diagnosis) => {
        const line = diagnosis.causes[0]?.evidence.find((one) => one.probe === 'deployment');
        expect(line).toMatchObject({ state: 'opposes', weight: -1 });
      },
    },
    {
      name: 'a spill after work_mem was lowered',
      readings: spilled,
      answers: answers({
        one: {
          meanMs: 400,
          blocksPerCall: 900,
          tempBlocksPerCall: 40_000,
          before: { ...DELTA.before, meanMs: 80, blocksPerCall: 890 },
        },
        activity: { tempBytesPerSecond: 6e8, tempFilesPerSecond: 2 },
        changes: [{ kind: 'setting', summary: 'work_mem 64MB → 4MB', at: NOW - 6 * 60_000 }],
      }),
      first: slow('temp-spill'),
      atLeast: 0.9,
      commands: [/alter role app set work_mem/],
      check: restBelow(0.3),
    },
    {
      name: 'more traffic',
      readings: busier,
      answers: answers({
        one: {
          ...look,
          meanMs: 20,
          callsPerSecond: 40,
          calls: 12_000,
          before: { ...look.before, meanMs: 20, callsPerSecond: 10 },
        },
        totalCalls: 240_000,
      }),
      first: slow('more-calls'),
      atLeast: 0.85,
      commands: [/npm run db:slow-queries/],
      check: restBelow(0.3),
    },
    {
      name: 'a loop around one query',
      readings: often,
      answers: answers({ one: look, totalCalls: 60_000 - 3000 + 120_000 - 9000 }),
      first: { cause: 'n-plus-one' },
      atLeast: 0.9,
      commands: [/npm run metrics:db-queries -- --window=15m --group-by=endpoint/],
      check: restBelow(0.3),
    },
    {
      name: 'a server with too much to do',
      readings: slower,
      answers: answers({
        one: { blocksPerCall: 24, share: 0.3 },
        others: others(slowed),
        activity: { activeSessions: 30, activeBefore: 4, waits: { CPU: 12, IO: 18 } },
      }),
      first: { cause: 'database-saturated' },
      atLeast: 0.9,
      commands: [/wait_event_type/],
      check: restBelow(0.3),
    },
    ...(['idle-in-transaction', 'ddl-queue', 'running-transaction', 'prepared-transaction'] as const).map(
      (variant) => ({
        name: `statements that wait for locks: ${variant}`,
        readings: slower,
        answers: {
          ...answers({ one: { blocksPerCall: 24 }, activity: { activeSessions: 16, waits: { Lock: 14, CPU: 2 } } }),
          'postgres.lock_tree': lockTree(variant),
        },
        first: { cause: 'lock-contention', variant },
        atLeast: 0.8,
        check: restBelow(0.3),
      }),
    ),
    {
      name: 'nothing could be seen',
      readings: slower,
      answers: {
        'postgres.statements': unknownAnswer('denied', 'pg_stat_statements is hidden', 'GRANT pg_monitor TO runbookd'),
      },
      verdict: 'inconclusive',
      check: (diagnosis) => expect(diagnosis.causes.every((one) => one.confidence <= 0.2)).toBe(true),
    },
  ],
});

describe('effects of slow-queries', () => {
  const facts = { now: NOW, target: TARGET, on: TARGET, onset: { earliest: NOW, latest: NOW }, options: {} };
  test.each([
    [{}, 'not_yet'],
    [{ meanMs: 5 }, 'partly'],
    [asBefore, 'worked'],
    [{ queryid: '1' }, 'worked'],
  ] as const)('analyze: %j is %s', (one, state) => {
    const value = answers({ one })['postgres.statements'] as StatementsAnswer;
    expect(detector.mitigations['slow-query-analyze']?.effect?.judge(value, { queryid: ID }, facts).state).toBe(state);
  });
});
