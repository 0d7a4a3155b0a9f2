import { describe, expect, test } from 'vitest';
import { conflicts, strongest } from './lock-modes.ts';
import { parseLockLook } from './lock-rows.ts';
import { blockedSince, buildLockTree } from './locks.ts';

interface FakeSession {
  readonly pid: number;
  readonly app?: string;
  readonly state?: string;
  readonly leader?: number;
  readonly client?: boolean;
  readonly ours?: boolean;
  readonly backend_type?: string;
  readonly in_transaction?: number | null;
}
const session = (over: FakeSession): Record<string, unknown> => ({
  leader: over.pid,
  app: 'api',
  usename: 'app',
  state: 'active',
  client: true,
  ours: false,
  hidden: false,
  backend_type: 'client backend',
  backend_start: `start of ${over.pid}`,
  in_state: 5,
  in_transaction: 6,
  query: `select ${over.pid}`,
  ...over,
});
const lock = (pid: number, mode: string, over: Record<string, unknown> = {}): Record<string, unknown> => ({
  pid,
  locktype: 'relation',
  mode,
  granted: true,
  relation: 1,
  relkind: 'r',
  schema: 'public',
  name: 'orders',
  waited: null,
  ...over,
});
const edge = (pid: number, ...blockers: readonly number[]): Record<string, unknown> => ({ pid, blockers });
const tree = (row: Record<string, unknown>) =>
  buildLockTree(parseLockLook({ clients: 9, prepared: null, locks: [], ...row }), {
    query: (raw) => raw,
    command: () => 'SELECT',
  });

test('lock modes conflict as the table of the manual says', () => {
  expect(conflicts('RowExclusiveLock', 'RowExclusiveLock')).toBe(false);
  expect(conflicts('RowExclusiveLock', 'ShareLock')).toBe(true);
  expect(conflicts('AccessShareLock', 'ExclusiveLock')).toBe(false);
  expect(conflicts('AccessShareLock', 'AccessExclusiveLock')).toBe(true);
  expect(conflicts('ShareUpdateExclusiveLock', 'ShareUpdateExclusiveLock')).toBe(true);
  expect(conflicts('ShareLock', 'ShareLock')).toBe(false);
  expect(conflicts('SIReadLock', 'AccessExclusiveLock')).toBe(false);
  expect(strongest([{ mode: 'AccessShareLock' }, { mode: 'ShareLock' }, { mode: 'RowShareLock' }])?.mode).toBe(
    'ShareLock',
  );
});

describe('a migration behind a forgotten transaction', () => {
  const built = tree({
    sessions: [1, 2, 3, 4].map((pid) => session({ pid, ...(pid === 1 && { state: 'idle in transaction' }) })),
    edges: [edge(2, 1), edge(3, 2), edge(4, 2)],
    locks: [
      lock(1, 'AccessShareLock'),
      lock(1, 'RowExclusiveLock'),
      lock(1, 'RowExclusiveLock', { relation: 2, relkind: 'i', name: 'orders_pkey' }),
      lock(2, 'AccessExclusiveLock', { granted: false, waited: 30 }),
      lock(3, 'AccessShareLock', { granted: false, waited: 20 }),
      lock(4, 'RowExclusiveLock', { granted: false, waited: 10 }),
    ],
  });

  test('the root is the transaction, not the migration that stands in its way', () => {
    expect(built.roots).toMatchObject([
      {
        pid: 1,
        state: 'idle in transaction',
        heldMode: 'RowExclusiveLock',
        relation: 'public.orders',
        blocksDirectly: 1,
        blocksInAll: 3,
        backendStart: 'start of 1',
      },
    ]);
  });

  test('waiters come with the longest wait first and with what they hold up themselves', () => {
    expect(built.waiters.map(({ pid, waitSeconds, blocksInAll }) => [pid, waitSeconds, blocksInAll])).toEqual([
      [2, 30, 2],
      [3, 20, 0],
      [4, 10, 0],
    ]);
    expect(built).toMatchObject({ blockedSessions: 3, longestWaitSeconds: 30, ddlQueueWaiters: 2, clientSessions: 9 });
  });
});

test('who waits for a row is told the table of the tuple, and the root holds its lock on that table', () => {
  const { roots, waiters } = tree({
    sessions: [1, 2, 3].map((pid) => session({ pid })),
    edges: [edge(2, 1), edge(3, 2)],
    locks: [
      lock(1, 'RowExclusiveLock'),
      lock(1, 'RowExclusiveLock', { relation: 7, name: 'other' }),
      lock(2, 'ShareLock', { granted: false, locktype: 'transactionid', relation: null, schema: null, name: null }),
      lock(2, 'ExclusiveLock', { locktype: 'tuple' }),
      lock(2, 'RowExclusiveLock'),
      lock(3, 'ExclusiveLock', { granted: false, locktype: 'tuple' }),
    ],
  });
  expect(roots).toMatchObject([{ pid: 1, heldMode: 'RowExclusiveLock', relation: 'public.orders' }]);
  expect(waiters.map(({ relation }) => relation)).toEqual(['public.orders', 'public.orders']);
});

test('two tables in common and no tuple: no table is named rather than guessed', () => {
  const both = (pid: number) => [
    lock(pid, 'RowExclusiveLock'),
    lock(pid, 'RowExclusiveLock', { relation: 7, name: 'b' }),
  ];
  const { roots } = tree({
    sessions: [1, 2].map((pid) => session({ pid })),
    edges: [edge(2, 1)],
    locks: [
      ...both(1),
      ...both(2),
      lock(2, 'ShareLock', { granted: false, locktype: 'transactionid', relation: null }),
    ],
  });
  expect(roots).toMatchObject([{ pid: 1, heldMode: null, relation: null }]);
});

test('relations of another database stay unnamed', () => {
  const { roots, waiters } = tree({
    sessions: [1, 2].map((pid) => session({ pid })),
    edges: [edge(2, 1)],
    locks: [
      lock(1, 'AccessExclusiveLock', { schema: null, name: null, relkind: null }),
      lock(2, 'AccessShareLock', { granted: false, schema: null, name: null, relkind: null }),
    ],
  });
  expect([roots[0]?.relation, waiters[0]?.relation]).toEqual([null, null]);
});

test('parallel workers count as their leader, who is not behind itself', () => {
  const built = tree({
    sessions: [
      session({ pid: 1 }),
      session({ pid: 2 }),
      session({ pid: 21, leader: 2, client: false, backend_type: 'parallel worker' }),
      session({ pid: 22, leader: 2, client: false, backend_type: 'parallel worker' }),
    ],
    edges: [edge(21, 1, 2), edge(22, 1, 1)],
  });
  expect(built.waiters).toMatchObject([{ pid: 2, blockedBy: [1] }]);
  expect(built.roots).toMatchObject([{ pid: 1, blocksDirectly: 1, blocksInAll: 1 }]);
});

test('a prepared transaction has no session: it is no root, but its victims are counted', () => {
  const built = tree({
    sessions: [session({ pid: 2 }), session({ pid: 3 })],
    edges: [edge(2, 0), edge(3, 2)],
    prepared: [{ gid: 'two\nlines', seconds: 60, owner: 'app', database: 'shop' }],
  });
  expect(built).toMatchObject({
    roots: [],
    blockedByPrepared: 2,
    prepared: [{ gid: 'two?lines', preparedSeconds: 60, owner: 'app', database: 'shop' }],
  });
});

test('our own sessions are no victims, sessions that ended are no blockers, and a deadlock ends the walk', () => {
  const built = tree({
    sessions: [session({ pid: 1, ours: true }), session({ pid: 2 }), session({ pid: 3 }), session({ pid: 4 })],
    edges: [edge(1, 2), edge(2, 3), edge(3, 2), edge(4, 99)],
  });
  expect(built).toMatchObject({ blockedSessions: 2, roots: [] });
  expect(built.waiters.map(({ blocksInAll }) => blocksInAll)).toEqual([2, 2]);
});

test('an autovacuum worker can be at the root, under the name of what it is', () => {
  const built = tree({
    sessions: [session({ pid: 1, client: false, app: '', backend_type: 'autovacuum worker' }), session({ pid: 2 })],
    edges: [edge(2, 1)],
  });
  expect(built.roots).toMatchObject([{ pid: 1, app: 'autovacuum worker' }]);
});

describe('blocking began', () => {
  const at = 1_000_000;
  const now = { at, blocked: 3, longestWaitSeconds: 20 };
  test.each([
    ['never, when nobody is blocked', [], { ...now, blocked: 0 }, null, null],
    [
      'after the last clear poll and by the longest wait',
      [
        { at: at - 45_000, blocked: 0, longestWaitSeconds: 0 },
        { at: at - 15_000, blocked: 2, longestWaitSeconds: 3 },
      ],
      now,
      500,
      { earliest: at - 45_000, latest: at - 20_000 },
    ],
    [
      'by a wait that was seen earlier and has ended since',
      [
        { at: at - 60_000, blocked: 0, longestWaitSeconds: 0 },
        { at: at - 30_000, blocked: 1, longestWaitSeconds: 10 },
      ],
      now,
      500,
      { earliest: at - 60_000, latest: at - 40_000 },
    ],
    [
      'not before the root began, when we were started amid it',
      [],
      now,
      50,
      { earliest: at - 50_000, latest: at - 20_000 },
    ],
    [
      'at one point, when the clear poll and the wait contradict each other',
      [{ at: at - 5_000, blocked: 0, longestWaitSeconds: 0 }],
      now,
      null,
      { earliest: at - 20_000, latest: at - 20_000 },
    ],
  ])('%s', (_name, history, look, root, expected) => {
    expect(blockedSince(history, look, root)).toEqual(expected);
  });
});
