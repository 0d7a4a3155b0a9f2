import type { Change, Diagnosis, LockTreeAnswer, SessionGroup, SessionsAnswer, StatementsAnswer } from 'runbookd/sdk';
import { describeDetector, judge, NOW, reading, TARGET, unknownAnswer } from 'runbookd/testing';
import { expect, test } from 'vitest';
import { detector } from './connection-pool-exhausted.ts';

const slots = (used: readonly number[], usable = 97) => [
  reading('connections_used', used),
  reading(
    'connections_usable',
    used.map(() => usable),
  ),
];
const FIRING = slots([24, 24, 60, 88, 92, 92]);

const group = (app: string, state: string, count: number, longest = 5): SessionGroup => ({
  app,
  user: 'app',
  state,
  count,
  longestInStateSeconds: longest,
});

interface Point {
  readonly minutesAgo: number;
  readonly used: number;
  readonly active?: number;
  readonly idleInTransaction?: number;
  readonly waiting?: number;
  readonly byApp?: Readonly<Record<string, number>>;
}

const sessions = (
  groups: readonly SessionGroup[],
  points: readonly Point[],
  over: Partial<SessionsAnswer> = {},
): SessionsAnswer => ({
  at: NOW,
  used: 92,
  usable: 97,
  max: 100,
  reserved: 3,
  groups,
  holders: [],
  history: points.map((point) => ({
    at: NOW - point.minutesAgo * 60_000,
    used: point.used,
    active: point.active ?? 2,
    idle: 0,
    idleInTransaction: point.idleInTransaction ?? 0,
    waitingForLock: point.waiting ?? 0,
    byApp: point.byApp ?? {},
  })),
  newSessionsPerSecond: 0.4,
  hidden: 0,
  ...over,
});

const FREE_TREE: LockTreeAnswer = {
  at: NOW,
  blockedSessions: 0,
  clientSessions: 92,
  roots: [],
  prepared: [],
  blockedByPrepared: 0,
  waiters: [],
  longestWaitSeconds: 0,
  blockedSince: null,
  history: [],
};

const holder = {
  pid: 2134,
  backendStart: '2026-11-23 13:58:02.114873+00',
  app: 'checkout-worker',
  user: 'checkout',
  state: 'idle in transaction',
  inStateSeconds: 300,
  inTransactionSeconds: 300,
  command: 'UPDATE',
  query: null,
  heldMode: 'RowExclusiveLock',
  relation: 'public.orders',
  blocksDirectly: 70,
  blocksInAll: 70,
};
const TREE: LockTreeAnswer = {
  ...FREE_TREE,
  blockedSessions: 70,
  roots: [holder],
  blockedSince: { earliest: NOW - 300_000, latest: NOW - 280_000 },
};
const ALTER = {
  pid: 2137,
  backendStart: '2026-11-23 14:00:00+00',
  app: 'migrate',
  command: 'ALTER TABLE',
  query: null,
  waitsForMode: 'AccessExclusiveLock',
  relation: 'public.orders',
  waitSeconds: 280,
  blockedBy: [2134],
  blocksInAll: 69,
};

const statements = (over: Partial<StatementsAnswer> = {}): StatementsAnswer => ({
  from: NOW - 120_000,
  to: NOW,
  totalMs: 12_000,
  totalCalls: 6_000,
  totalMsPerSecondBefore: 100,
  totalCallsPerSecondBefore: 50,
  top: [],
  evicted: 0,
  statsResetAt: null,
  ...over,
});

const statement = (queryid: string, meanMs: number, before: number) => ({
  queryid,
  database: 'rastup',
  user: 'app',
  text: 'select 1',
  calls: 1_000,
  totalMs: meanMs * 1_000,
  meanMs,
  callsPerSecond: 10,
  share: 0.2,
  rowsPerCall: 1,
  blocksPerCall: 10,
  blocksReadPerCall: 5,
  tempBlocksPerCall: 0,
  before: {
    basis: 'baseline' as const,
    calls: 100_000,
    meanMs: before,
    callsPerSecond: 10,
    rowsPerCall: 1,
    blocksPerCall: 10,
    tempBlocksPerCall: 0,
  },
  firstSeenAt: null,
});

const activity = (active: number, before: number, waits: Readonly<Record<string, number>>) => ({
  at: NOW,
  activeSessions: active,
  waits,
  activeBefore: before,
  tempBytesPerSecond: 0,
  tempFilesPerSecond: 0,
  deadlocks: 0,
  transactionsPerSecond: 60,
  rollbackShare: 0,
  autovacuumWorkers: 0,
});

const usable = (values: readonly number[]) => ({
  unit: 'count' as const,
  points: values.map((value, index) => ({
    labels: {},
    at: NOW - (values.length - 1 - index) * 600_000,
    value,
    expected: null,
    lower: null,
    upper: null,
  })),
});

const limitChange = (summary: string, earliest: number, latest: number): Change => ({
  id: 'limit',
  target: 'main-db',
  kind: 'setting',
  summary,
  at: { earliest, latest },
  source: 'main-db',
});

const CALM = {
  'postgres.lock_tree': FREE_TREE,
  'postgres.statements': statements(),
  'postgres.activity': activity(3, 3, { CPU: 2, IO: 1 }),
  changes: { changes: [] },
  series: usable([97, 97, 97]),
};
const LEAK = sessions(
  [group('billing-worker', 'idle', 84, 720), group('checkout-api', 'active', 3), group('checkout-api', 'idle', 5)],
  [
    { minutesAgo: 40, used: 20, byApp: { 'billing-worker': 12 } },
    { minutesAgo: 20, used: 55, byApp: { 'billing-worker': 47 } },
    { minutesAgo: 0, used: 92, byApp: { 'billing-worker': 84 } },
  ],
);
const FLAT = [
  { minutesAgo: 50, used: 36, byApp: { 'checkout-api': 30 } },
  { minutesAgo: 25, used: 37, byApp: { 'checkout-api': 30 } },
  { minutesAgo: 0, used: 36, byApp: { 'checkout-api': 30 } },
];
const BLOCKED = sessions(
  [
    group('checkout-api', 'active', 74),
    group('checkout-api', 'idle', 10),
    group('checkout-worker', 'idle in transaction', 1, 300),
  ],
  [
    { minutesAgo: 40, used: 24 },
    { minutesAgo: 0, used: 92, active: 74, waiting: 70 },
  ],
);
const BUSY = sessions(
  [group('checkout-api', 'active', 80), group('checkout-api', 'idle', 8)],
  [
    { minutesAgo: 30, used: 24, active: 3 },
    { minutesAgo: 2, used: 26, active: 4 },
    { minutesAgo: 1, used: 90, active: 78 },
    { minutesAgo: 0, used: 92, active: 80 },
  ],
);

const lookAlikesAreLow = (diagnosis: Diagnosis): void => {
  expect(Math.max(0, ...diagnosis.causes.slice(1).map((cause) => cause.confidence))).toBeLessThan(0.3);
};

describeDetector(detector, {
  silent: [
    { name: 'a quiet server', readings: slots([20, 22, 21]) },
    { name: 'just under the limit', readings: slots([77, 77, 77]) },
    { name: 'one poll over it', readings: slots([40, 40, 79]) },
    { name: 'over it in the past', readings: slots([79, 90, 60]) },
    { name: 'below the clearing limit', readings: slots([90, 90, 67]), active: [''] },
  ],
  firing: [
    {
      name: 'two polls over 80 %',
      readings: slots([40, 78, 79]),
      severity: 'warning',
      headline: /^79 of 97 connection slots taken$/,
    },
    { name: 'over 90 %', readings: FIRING, severity: 'critical' },
    {
      name: 'still critical between 80 and 90 % after that',
      readings: slots([40, 92, 92, 80]),
      severity: 'critical',
      active: [''],
    },
    { name: 'a warning again below 80 %', readings: slots([40, 92, 92, 75]), severity: 'warning', active: [''] },
    { name: 'still over the clearing limit', readings: slots([72, 70]), active: [''], severity: 'warning' },
    { name: 'a limit that was lowered under it', readings: slots([36, 36], 37), severity: 'critical' },
  ],
  missing: [
    { name: 'no reading at all', readings: [] },
    { name: 'no limit', readings: [reading('connections_used', [90, 90])] },
    {
      name: 'readings that ended',
      readings: slots([92, 92]).map((one) => ({ ...one, freshness: 'missing' as const })),
    },
  ],
  causes: [
    {
      name: 'one application keeps every session that it opens',
      readings: FIRING,
      answers: { ...CALM, 'postgres.sessions': LEAK },
      first: { cause: 'connection-pool', variant: 'leak' },
      atLeast: 0.85,
      verdict: 'cause',
      commands: [
        /select count\(\*\), state, application_name .* group by state, application_name/,
        /pg_terminate_backend\(pid\) .* application_name = 'billing-worker' and state = 'idle' and state_change < now\(\) - interval '60 seconds'/,
        /npm run config:get -- --key=db\.pool/,
      ],
      check: (diagnosis) => {
        lookAlikesAreLow(diagnosis);
        expect(diagnosis.causes[0]!.evidence[0]).toMatchObject({
          observed: '84 of 97 slots (87 %) are idle sessions of billing-worker, the longest for 12 min',
          headline: 'by 84 idle sessions of billing-worker',
        });
        expect(diagnosis.ruledOut.map((one) => one.because)).toEqual(
          expect.arrayContaining(['0 sessions blocked', '3 of 92 sessions at work', 'limit not changed in 24 h']),
        );
      },
    },
    {
      name: 'a leak so fast that nothing has been idle for long offers no command that would hit the healthy',
      readings: FIRING,
      answers: {
        ...CALM,
        'postgres.sessions': sessions(
          [group('billing-worker', 'idle', 84, 20), group('checkout-api', 'active', 3)],
          [
            { minutesAgo: 1, used: 24, byApp: { 'billing-worker': 2 } },
            { minutesAgo: 0, used: 92, byApp: { 'billing-worker': 84 } },
          ],
        ),
      },
      first: { cause: 'connection-pool', variant: 'leak' },
      atLeast: 0.85,
      check: (diagnosis) => {
        const end = diagnosis.causes[0]!.mitigations.find((one) => one.id === 'terminate-idle');
        expect(end).toHaveProperty('withheld');
      },
    },
    {
      name: 'a slow leak that has taken days',
      readings: FIRING,
      answers: {
        ...CALM,
        'postgres.sessions': sessions(
          [group('billing-worker', 'idle', 84, 200_000), group('checkout-api', 'active', 3)],
          [
            { minutesAgo: 50, used: 90, byApp: { 'billing-worker': 82 } },
            { minutesAgo: 0, used: 92, byApp: { 'billing-worker': 84 } },
          ],
        ),
      },
      first: { cause: 'connection-pool', variant: 'leak' },
      atLeast: 0.8,
      commands: [/interval '600 seconds'/],
    },
    {
      name: 'a rush of visitors',
      readings: FIRING,
      answers: {
        ...CALM,
        'postgres.sessions': BUSY,
        'postgres.statements': statements({ totalCalls: 30_000, totalMs: 5_000_000 }),
        'postgres.activity': activity(80, 3, { Timeout: 75, CPU: 5 }),
      },
      first: { cause: 'connection-pool', variant: 'surge' },
      atLeast: 0.85,
      commands: [/db\.pool/],
      check: (diagnosis) => {
        lookAlikesAreLow(diagnosis);
        const observed = diagnosis.causes[0]!.evidence.map((line) => line.observed).join('\n');
        expect(observed).toContain('sessions at work went from 4 to 80');
      },
    },
    {
      name: 'the same sessions at work, but on as many calls as before, are slower work',
      readings: FIRING,
      answers: {
        ...CALM,
        'postgres.sessions': BUSY,
        'postgres.statements': statements({
          totalMs: 400_000,
          top: ['1', '2', '3', '4', '5'].map((id) => statement(id, 66, 2)),
        }),
        'postgres.activity': activity(80, 3, { IO: 70, CPU: 10 }),
      },
      first: { cause: 'database-saturated' },
      atLeast: 0.85,
      check: lookAlikesAreLow,
    },
    {
      name: 'sessions pile up idle in transaction',
      readings: FIRING,
      answers: {
        ...CALM,
        'postgres.sessions': sessions(
          [
            group('orders-worker', 'idle in transaction', 70, 900),
            group('checkout-api', 'idle', 15),
            group('checkout-api', 'active', 3),
          ],
          [
            { minutesAgo: 40, used: 24, idleInTransaction: 1 },
            { minutesAgo: 0, used: 92, idleInTransaction: 70 },
          ],
        ),
      },
      first: { cause: 'connection-pool', variant: 'idle-in-transaction' },
      atLeast: 0.85,
      commands: [
        /pg_terminate_backend\(pid\) .* application_name = 'orders-worker' and state in \('idle in transaction', .* interval '300 seconds'/,
      ],
      check: lookAlikesAreLow,
    },
    {
      name: 'the limit was lowered at a restart under a pool that is as large as ever',
      readings: slots([36, 36, 36], 37),
      answers: {
        ...CALM,
        'postgres.sessions': sessions(
          [group('checkout-api', 'idle', 30, 40), group('checkout-api', 'active', 4)],
          FLAT,
          {
            used: 36,
            usable: 37,
            max: 40,
          },
        ),
        changes: { changes: [limitChange('max_connections 100 → 40', NOW - 3_600_000, NOW - 3_590_000)] },
        series: usable([97, 37, 37]),
      },
      first: { cause: 'connection-pool', variant: 'limit-lowered' },
      atLeast: 0.85,
      commands: [/alter system set max_connections = 100/, /from pg_settings/],
      check: lookAlikesAreLow,
    },
    {
      name: 'a limit that was lowered only after the onset is no cause',
      readings: FIRING,
      answers: {
        ...CALM,
        'postgres.sessions': LEAK,
        changes: { changes: [limitChange('max_connections 100 → 40', NOW - 5_000, NOW - 1_000)] },
      },
      first: { cause: 'connection-pool', variant: 'leak' },
      check: (diagnosis) => {
        expect(diagnosis.ruledOut.map((one) => one.variant)).toContain('limit-lowered');
      },
    },
    {
      name: 'sessions that wait behind a forgotten transaction',
      readings: FIRING,
      answers: {
        ...CALM,
        'postgres.sessions': BLOCKED,
        'postgres.lock_tree': TREE,
        'postgres.activity': activity(74, 3, { Lock: 70 }),
      },
      first: { cause: 'lock-contention', variant: 'idle-in-transaction' },
      atLeast: 0.85,
      commands: [/pg_terminate_backend\(pid\) .* pid = 2134 /],
      check: lookAlikesAreLow,
    },
    {
      name: 'sessions that wait behind a migration',
      readings: FIRING,
      answers: {
        ...CALM,
        'postgres.sessions': BLOCKED,
        'postgres.lock_tree': {
          ...TREE,
          roots: [{ ...holder, app: 'reporting', state: 'active', command: 'SELECT' }],
          waiters: [ALTER],
        },
      },
      first: { cause: 'lock-contention', variant: 'ddl-queue' },
      atLeast: 0.85,
      check: lookAlikesAreLow,
    },
    {
      name: 'sessions that wait behind a working transaction',
      readings: FIRING,
      answers: {
        ...CALM,
        'postgres.sessions': BLOCKED,
        'postgres.lock_tree': { ...TREE, roots: [{ ...holder, state: 'active', relation: null, heldMode: null }] },
      },
      first: { cause: 'lock-contention', variant: 'running-transaction' },
      atLeast: 0.85,
      check: lookAlikesAreLow,
    },
    {
      name: 'sessions that wait behind a prepared transaction',
      readings: FIRING,
      answers: {
        ...CALM,
        'postgres.sessions': BLOCKED,
        'postgres.lock_tree': {
          ...TREE,
          roots: [],
          blockedByPrepared: 70,
          prepared: [{ gid: 'ledger-17', preparedSeconds: 400, owner: 'ledger', database: 'rastup' }],
        },
      },
      first: { cause: 'lock-contention', variant: 'prepared-transaction' },
      atLeast: 0.85,
      check: lookAlikesAreLow,
    },
    {
      name: 'one blocked session does not explain a full server',
      readings: FIRING,
      answers: {
        ...CALM,
        'postgres.sessions': LEAK,
        'postgres.lock_tree': { ...TREE, blockedSessions: 1, roots: [{ ...holder, blocksInAll: 1 }] },
      },
      first: { cause: 'connection-pool', variant: 'leak' },
      check: (diagnosis) => {
        expect(diagnosis.ruledOut.map((one) => one.because)).toContain('1 of 92 sessions blocked');
      },
    },
    {
      name: 'what the sessions do is hidden',
      readings: FIRING,
      answers: {
        'postgres.sessions': sessions([group('', '', 90)], [], { hidden: 90 }),
        'postgres.lock_tree': unknownAnswer('denied', 'hidden', 'grant pg_monitor to runbookd'),
      },
      verdict: 'inconclusive',
      check: (diagnosis) => {
        expect(diagnosis.gaps.some((gap) => gap.grant?.includes('pg_monitor'))).toBe(true);
      },
    },
    {
      name: 'a hostile application name gives no command',
      readings: FIRING,
      answers: { ...CALM, 'postgres.sessions': sessions([group("x'; drop table orders; --", 'idle', 84, 900)], []) },
      first: { cause: 'connection-pool', variant: 'leak' },
      check: (diagnosis) => {
        const commands = diagnosis.causes[0]!.mitigations.map((one) => ('command' in one ? one.command : ''));
        expect(commands.join('\n')).not.toContain('drop table');
      },
    },
  ],
});

test('the onset lies between the last poll under the limit and the first over it', () => {
  const judged = judge(detector, { name: '', readings: slots([24, 60, 88, 92]) });
  expect(judged).toMatchObject({ symptoms: [{ onset: { earliest: NOW - 30_000, latest: NOW - 15_000 } }] });
});

test('ended sessions are seen to have worked once slots are free', () => {
  const effect = detector.mitigations['terminate-idle']!.effect!;
  const facts = { now: NOW, target: TARGET, on: TARGET, onset: { earliest: NOW, latest: NOW }, options: {} };
  const values = { appName: 'billing-worker', idleSeconds: 60 };
  expect(effect.judge(LEAK, values, facts).state).toBe('not_applied');
  expect(effect.judge({ ...LEAK, used: 30, groups: [] }, values, facts).state).toBe('worked');
  expect(effect.judge({ ...LEAK, groups: [] }, values, facts).state).toBe('partly');
});
