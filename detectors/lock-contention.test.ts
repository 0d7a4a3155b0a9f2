import type { Diagnosis, LockHolder, LockTreeAnswer, LockWaiter } from 'runbookd/sdk';
import { describeDetector, judge, NOW, reading, TARGET, unknownAnswer } from 'runbookd/testing';
import { expect, test } from 'vitest';
import { detector } from './lock-contention.ts';

const waits = (blocked: readonly number[], seconds: readonly number[]) => [
  reading('blocked_sessions', blocked),
  reading('longest_lock_wait_seconds', seconds, { unit: 's' }),
];
const FIRING = [...waits([0, 0, 14, 14], [0, 0, 105, 120]), reading('client_sessions', [22, 22, 40, 40])];

const root = (over: Partial<LockHolder> = {}): LockHolder => ({
  pid: 2134,
  backendStart: '2026-11-23 13:58:02.114873+00',
  app: 'checkout-worker',
  user: 'checkout',
  state: 'idle in transaction',
  inStateSeconds: 151,
  inTransactionSeconds: 160,
  command: 'UPDATE',
  query: 'update orders set note = $1 where id = $2',
  heldMode: 'RowExclusiveLock',
  relation: 'public.orders',
  blocksDirectly: 1,
  blocksInAll: 14,
  ...over,
});

const waiter = (over: Partial<LockWaiter> = {}): LockWaiter => ({
  pid: 2140,
  backendStart: '2026-11-23 14:01:00.000001+00',
  app: 'checkout-api',
  command: 'SELECT',
  query: null,
  waitsForMode: 'AccessShareLock',
  relation: 'public.orders',
  waitSeconds: 110,
  blockedBy: [2137],
  blocksInAll: 0,
  ...over,
});

const MIGRATION = waiter({
  pid: 2137,
  backendStart: '2026-11-23 14:02:00.5+00',
  app: 'migrate',
  user: 'migrator',
  command: 'ALTER TABLE',
  waitsForMode: 'AccessExclusiveLock',
  waitSeconds: 120,
  blockedBy: [2134],
  blocksInAll: 13,
});

const tree = (over: Partial<LockTreeAnswer> = {}): LockTreeAnswer => ({
  at: NOW,
  blockedSessions: 14,
  clientSessions: 40,
  roots: [root()],
  prepared: [],
  blockedByPrepared: 0,
  waiters: [MIGRATION, waiter()],
  longestWaitSeconds: 120,
  blockedSince: { earliest: NOW - 135_000, latest: NOW - 120_000 },
  history: [{ at: NOW, blocked: 14, root: 2134 }],
  ...over,
});

const sessions = (over: { readonly idleInTransaction?: number; readonly used?: number } = {}) => ({
  at: NOW,
  used: over.used ?? 40,
  usable: 97,
  max: 100,
  reserved: 3,
  groups: [
    { app: 'checkout-api', user: 'checkout', state: 'active', count: 20, longestInStateSeconds: 120 },
    ...(over.idleInTransaction === 0
      ? []
      : [
          {
            app: 'checkout-worker',
            user: 'checkout',
            state: 'idle in transaction',
            count: 1,
            longestInStateSeconds: 151,
          },
        ]),
  ],
  holders: [],
  history: [],
  newSessionsPerSecond: 0.1,
  hidden: 0,
});

const activity = (waitClasses: Readonly<Record<string, number>>, active: number, before: number) => ({
  at: NOW,
  activeSessions: active,
  waits: waitClasses,
  activeBefore: before,
  tempBytesPerSecond: 0,
  tempFilesPerSecond: 0,
  deadlocks: 0,
  transactionsPerSecond: 40,
  rollbackShare: 0,
  autovacuumWorkers: 0,
});
const LOCKED = activity({ Lock: 14, CPU: 1 }, 15, 2);

const NOTHING = { changes: { changes: [] } };
const REPORT = root({
  pid: 2150,
  app: 'reporting',
  state: 'active',
  command: 'SELECT',
  inStateSeconds: 720,
  heldMode: 'AccessShareLock',
});
const BATCH = root({
  pid: 2160,
  app: 'billing-batch',
  state: 'active',
  heldMode: null,
  relation: null,
  blocksDirectly: 14,
});
const DENIED = unknownAnswer('denied', 'pg_stat_activity is hidden', 'grant pg_monitor to runbookd');

const others = (diagnosis: Diagnosis): number =>
  Math.max(0, ...diagnosis.causes.slice(1).map((cause) => cause.confidence));

describeDetector(detector, {
  silent: [
    { name: 'nobody is blocked', readings: waits([0, 0, 0], [0, 0, 0]) },
    { name: 'somebody waits, but for less than the hold', readings: waits([0, 1, 2], [0, 3, 18]) },
    { name: 'short waits of ever new sessions', readings: waits([2, 3, 1, 2], [0.2, 1, 0.4, 0.8]) },
    {
      name: 'a migration waits with one session behind it',
      readings: [...waits([0, 2], [0, 12]), reading('ddl_queue_waiters', [0, 1])],
    },
    { name: 'the blocking is over', readings: waits([14, 14, 0], [100, 115, 0]), active: [''] },
    { name: 'only fresh waits are left of it', readings: waits([14, 14, 1], [100, 115, 0.3]), active: [''] },
  ],
  firing: [
    { name: 'one session for the hold', readings: waits([0, 1, 1], [0, 16, 31]), severity: 'warning' },
    {
      name: 'many sessions for two minutes',
      readings: FIRING,
      severity: 'critical',
      headline: /^14 sessions blocked for 2 min$/,
    },
    {
      name: 'one session for long',
      readings: waits([1, 1], [110, 125]),
      severity: 'critical',
      headline: /^1 session /,
    },
    {
      name: 'a migration queue after seconds',
      readings: [...waits([0, 4], [0, 6]), reading('ddl_queue_waiters', [0, 3])],
      severity: 'critical',
    },
    { name: 'still blocked below the hold once it fires', readings: waits([9, 5], [100, 8]), active: [''] },
    { name: 'a shorter hold', readings: waits([0, 1], [0, 2]), options: { holdSeconds: 1 } },
  ],
  missing: [
    { name: 'no reading at all', readings: [] },
    { name: 'no wait time', readings: [reading('blocked_sessions', [3])] },
    {
      name: 'readings that ended',
      readings: waits([3], [60]).map((one) => ({ ...one, freshness: 'missing' as const })),
    },
  ],
  causes: [
    {
      name: 'a forgotten transaction under a waiting migration',
      readings: FIRING,
      answers: {
        'postgres.lock_tree': tree(),
        'postgres.sessions': sessions(),
        'postgres.activity': LOCKED,
        ...NOTHING,
      },
      first: { cause: 'lock-contention', variant: 'idle-in-transaction' },
      atLeast: 0.85,
      verdict: 'cause',
      commands: [
        /select pid, state, xact_start, application_name from pg_stat_activity where pid = 2134"$/,
        /pg_terminate_backend\(pid\) .* pid = 2134 and backend_start = '2026-11-23 13:58:02\.114873\+00'"$/,
        /alter role checkout set idle_in_transaction_session_timeout/,
      ],
      check: (diagnosis) => {
        const [first] = diagnosis.causes;
        const observed = first!.evidence.map((line) => line.observed).join('\n');
        expect(observed).toContain(
          'pid 2134 (checkout-worker) holds RowExclusiveLock on public.orders, idle in transaction for 2 min 31 s',
        );
        expect(observed).toContain(
          'it blocks 14 sessions, directly or through pid 2137 (ALTER TABLE waiting, which queues everyone behind it)',
        );
        expect(first!.evidence[0]!.headline).toBe('by pid 2134, idle in transaction (checkout-worker)');
        expect(others(diagnosis)).toBeLessThan(0.3);
        expect(diagnosis.ruledOut.map((one) => [one.variant, one.because])).toEqual(
          expect.arrayContaining([
            ['ddl-queue', 'pid 2137 waits itself for pid 2134'],
            ['running-transaction', 'root pid 2134 is idle in transaction'],
            ['prepared-transaction', 'none blocks anyone'],
            [null, '40 of 97 slots'],
          ]),
        );
      },
    },
    {
      name: 'an aborted transaction at the root',
      readings: FIRING,
      answers: {
        'postgres.lock_tree': tree({ roots: [root({ state: 'idle in transaction (aborted)' })] }),
        ...NOTHING,
      },
      first: { cause: 'lock-contention', variant: 'idle-in-transaction' },
      atLeast: 0.85,
    },
    {
      name: 'a migration behind a long report',
      readings: FIRING,
      answers: {
        'postgres.lock_tree': tree({ roots: [REPORT], waiters: [{ ...MIGRATION, blockedBy: [2150] }, waiter()] }),
        'postgres.sessions': sessions({ idleInTransaction: 0 }),
        'postgres.activity': LOCKED,
        ...NOTHING,
      },
      first: { cause: 'lock-contention', variant: 'ddl-queue' },
      atLeast: 0.85,
      commands: [
        /pg_cancel_backend\(pid\) .* pid = 2137 and backend_start = '2026-11-23 14:02:00\.5\+00'/,
        /alter role migrator set lock_timeout/,
      ],
      check: (diagnosis) => {
        expect(diagnosis.causes[0]!.evidence[0]!.observed).toBe(
          'pid 2137 (migrate) waits for AccessExclusiveLock on public.orders (ALTER TABLE) behind pid 2150 (reporting), active for 12 min (SELECT); 13 sessions queue behind pid 2137',
        );
        expect(others(diagnosis)).toBeLessThan(0.3);
      },
    },
    {
      name: 'a migration that holds the table itself',
      readings: FIRING,
      answers: {
        'postgres.lock_tree': tree({
          roots: [root({ app: 'migrate', state: 'active', command: 'ALTER TABLE', heldMode: 'AccessExclusiveLock' })],
          waiters: [waiter({ blockedBy: [2134] })],
        }),
        changes: {
          changes: [
            {
              id: 'd512',
              target: 'main-db',
              kind: 'deployment',
              summary: 'deploy 512',
              at: { earliest: NOW - 200_000, latest: NOW - 190_000 },
              source: 'api',
            },
          ],
        },
      },
      first: { cause: 'lock-contention', variant: 'ddl-queue' },
      atLeast: 0.9,
      commands: [/pg_cancel_backend\(pid\) .* pid = 2134 /],
      check: (diagnosis) => {
        expect(diagnosis.causes[0]!.evidence.find((line) => line.probe === 'deployment-before')?.state).toBe(
          'supports',
        );
      },
    },
    {
      name: 'a deployment that came after the blocking speaks against it',
      readings: FIRING,
      answers: {
        'postgres.lock_tree': tree({ roots: [REPORT], waiters: [{ ...MIGRATION, blockedBy: [2150] }] }),
        changes: {
          changes: [
            {
              id: 'd513',
              target: 'main-db',
              kind: 'deployment',
              summary: 'deploy 513',
              at: { earliest: NOW - 30_000, latest: NOW - 20_000 },
              source: 'api',
            },
          ],
        },
      },
      first: { cause: 'lock-contention', variant: 'ddl-queue' },
      check: (diagnosis) => {
        expect(diagnosis.causes[0]!.evidence.find((line) => line.probe === 'deployment-before')?.state).toBe('opposes');
      },
    },
    {
      name: 'a batch that works and holds rows',
      readings: FIRING,
      answers: {
        'postgres.lock_tree': tree({ roots: [BATCH], waiters: [waiter({ blockedBy: [2160], relation: null })] }),
        'postgres.sessions': sessions({ idleInTransaction: 0 }),
        'postgres.activity': LOCKED,
        ...NOTHING,
      },
      first: { cause: 'lock-contention', variant: 'running-transaction' },
      atLeast: 0.85,
      commands: [
        /pg_cancel_backend\(pid\) .* pid = 2160 .* state = 'active'/,
        /pg_terminate_backend\(pid\) .* pid = 2160 /,
      ],
      check: (diagnosis) => expect(others(diagnosis)).toBeLessThan(0.3),
    },
    {
      name: 'a batch with many rows and a migration that queues only few of the victims',
      readings: FIRING,
      answers: {
        'postgres.lock_tree': tree({
          roots: [BATCH],
          waiters: [{ ...MIGRATION, blockedBy: [2160], blocksInAll: 1 }, waiter({ blockedBy: [2160] })],
        }),
        ...NOTHING,
      },
      first: { cause: 'lock-contention', variant: 'running-transaction' },
      atLeast: 0.85,
    },
    {
      name: 'a prepared transaction that nobody finished',
      readings: FIRING,
      answers: {
        'postgres.lock_tree': tree({
          roots: [],
          blockedByPrepared: 14,
          prepared: [{ gid: 'ledger-17', preparedSeconds: 400, owner: 'ledger', database: 'rastup' }],
          waiters: [waiter({ blockedBy: [0], waitsForMode: 'ShareLock', relation: null })],
        }),
        'postgres.sessions': sessions({ idleInTransaction: 0 }),
        ...NOTHING,
      },
      first: { cause: 'lock-contention', variant: 'prepared-transaction' },
      atLeast: 0.85,
      commands: [/pg_prepared_xacts order by prepared/, /rollback prepared 'ledger-17'/],
      check: (diagnosis) => expect(others(diagnosis)).toBeLessThan(0.3),
    },
    {
      name: 'of several prepared transactions none is named for the rollback',
      readings: FIRING,
      answers: {
        'postgres.lock_tree': tree({
          roots: [],
          blockedByPrepared: 14,
          prepared: ['a-1', 'a-2'].map((gid) => ({ gid, preparedSeconds: 400, owner: 'ledger', database: 'rastup' })),
        }),
        ...NOTHING,
      },
      first: { cause: 'lock-contention', variant: 'prepared-transaction' },
      check: (diagnosis) => {
        const rollback = diagnosis.causes[0]!.mitigations.find((one) => one.id === 'rollback-prepared');
        expect(rollback).toHaveProperty('withheld');
      },
    },
    {
      name: 'the lock tree is hidden and every statement waits for IO',
      readings: FIRING,
      answers: {
        'postgres.lock_tree': DENIED,
        'postgres.sessions': sessions({ idleInTransaction: 0 }),
        'postgres.activity': activity({ IO: 30, CPU: 4 }, 34, 4),
        ...NOTHING,
      },
      first: { cause: 'database-saturated' },
    },
    {
      name: 'the blocking was over before anyone looked, and the slots are full',
      readings: FIRING,
      answers: {
        'postgres.lock_tree': tree({ blockedSessions: 0, roots: [], waiters: [], blockedSince: null, history: [] }),
        'postgres.sessions': sessions({ used: 95, idleInTransaction: 0 }),
        'postgres.activity': activity({ Client: 3 }, 3, 3),
        ...NOTHING,
      },
      first: { cause: 'connection-pool' },
      verdict: 'unclear',
    },
    {
      name: 'nothing can be seen',
      readings: FIRING,
      answers: { 'postgres.lock_tree': DENIED, 'postgres.sessions': DENIED },
      verdict: 'inconclusive',
      check: (diagnosis) => {
        expect(diagnosis.causes.every((cause) => cause.confidence < 0.5)).toBe(true);
        expect(diagnosis.gaps.map((gap) => gap.grant)).toContain('grant pg_monitor to runbookd');
      },
    },
    {
      name: 'the root itself is hidden from us',
      readings: FIRING,
      answers: {
        'postgres.lock_tree': tree({ roots: [root({ state: 'hidden', command: null })], waiters: [] }),
        ...NOTHING,
      },
      verdict: 'inconclusive',
      check: (diagnosis) => expect(diagnosis.gaps.some((gap) => gap.grant?.includes('pg_monitor'))).toBe(true),
    },
    {
      name: 'names that others chose stay out of commands',
      readings: FIRING,
      answers: {
        'postgres.lock_tree': tree({ roots: [root({ app: "x'; drop table orders; --", user: 'odd "role"' })] }),
        ...NOTHING,
      },
      first: { cause: 'lock-contention', variant: 'idle-in-transaction' },
      commands: [/pg_terminate_backend\(pid\) .* pid = 2134 /],
      check: (diagnosis) => {
        const shown = diagnosis.causes[0]!.mitigations.map((one) => ('command' in one ? { ...one, slots: null } : one));
        expect(JSON.stringify(shown)).not.toMatch(/drop table|odd/);
      },
    },
  ],
});

const onsetOf = (readings: ReturnType<typeof waits>) => {
  const judged = judge(detector, { name: '', readings });
  return judged.state === 'judged' ? judged.symptoms[0]?.onset : undefined;
};

test('the onset ends when the longest waiter began to wait and starts at the clean look before that', () => {
  expect(onsetOf(waits([0, 0, 3, 3, 3], [0, 0, 10, 25, 40]))).toEqual({ earliest: NOW - 45_000, latest: NOW - 40_000 });
});

test('a clean look that the wait contradicts does not bound the onset', () => {
  expect(onsetOf(waits([0, 3], [0, 60]))).toEqual({ earliest: NOW - 75_000, latest: NOW - 60_000 });
});

test('a queue behind a migration is urgent, a plain wait is not', () => {
  const symptom = (readings: ReturnType<typeof waits>) => {
    const judged = judge(detector, { name: '', readings });
    return judged.state === 'judged' ? judged.symptoms[0] : undefined;
  };
  expect(symptom([...waits([0, 4], [0, 6]), reading('ddl_queue_waiters', [0, 3])])?.urgent).toBe(true);
  expect(symptom(FIRING)?.urgent).toBeUndefined();
});

test('a terminated root is seen to have worked, and one that is still there to be not applied', () => {
  const effect = detector.mitigations['terminate-root']!.effect!;
  const facts = { now: NOW, target: TARGET, on: TARGET, onset: { earliest: NOW, latest: NOW }, options: {} };
  const slots = { pid: 2134, backendStart: '2026-11-23 13:58:02.114873+00' };
  expect(effect.judge(tree(), slots, facts).state).toBe('not_applied');
  expect(effect.judge(tree({ blockedSessions: 0, roots: [], waiters: [] }), slots, facts).state).toBe('worked');
  expect(effect.judge(tree({ roots: [root({ pid: 9 })] }), slots, facts).state).toBe('partly');
  const recycled = tree({ roots: [root({ backendStart: '2026-11-23 14:04:00+00' })] });
  expect(effect.judge(recycled, slots, facts).state).toBe('partly');
});
