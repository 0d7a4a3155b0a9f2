import { expect, test } from 'vitest';
import type { LockHolder, LockTreeAnswer, LockWaiter } from '../../model/index.ts';
import { commandText, lockText, readLockTree, stateText } from './lock-tree.ts';

const root = (over: Partial<LockHolder>): LockHolder => ({
  pid: 1,
  backendStart: '2026-11-23 13:58:02+00',
  app: 'app',
  user: 'app',
  state: 'active',
  inStateSeconds: 3,
  inTransactionSeconds: 4,
  command: 'UPDATE',
  query: null,
  heldMode: 'RowExclusiveLock',
  relation: 'public.orders',
  blocksDirectly: 1,
  blocksInAll: 6,
  ...over,
});

const waiter = (over: Partial<LockWaiter>): LockWaiter => ({
  pid: 2,
  backendStart: '2026-11-23 13:59:02+00',
  app: 'migrate',
  command: 'ALTER TABLE',
  query: null,
  waitsForMode: 'AccessExclusiveLock',
  relation: 'public.orders',
  waitSeconds: 1,
  blockedBy: [1],
  blocksInAll: 5,
  ...over,
});

const read = (holder: LockHolder, waiters: readonly LockWaiter[], blockedByPrepared = 0) => {
  const tree: LockTreeAnswer = {
    at: 0,
    blockedSessions: 6,
    clientSessions: 20,
    roots: [holder],
    prepared: [],
    blockedByPrepared,
    waiters,
    longestWaitSeconds: 1,
    blockedSince: null,
    history: [],
  };
  const { victims } = readLockTree(tree);
  return Object.entries(victims).flatMap(([variant, count]) => (count > 0 ? [variant] : []));
};

// Table 13.2 of the PostgreSQL manual: which table locks make ordinary reads or writes wait.
test.each([
  ['an idle root over a waiting ALTER', root({ state: 'idle in transaction' }), [waiter({})], 'idle-in-transaction'],
  ['an active root over a waiting ALTER', root({}), [waiter({})], 'ddl-queue'],
  ['a hidden command that asks for the strongest lock', root({}), [waiter({ command: null })], 'ddl-queue'],
  ['a waiting ALTER with nobody behind it', root({}), [waiter({ blocksInAll: 0 })], 'running-transaction'],
  ['a waiting ALTER with few of the victims', root({}), [waiter({ blocksInAll: 1 })], 'running-transaction'],
  ['a waiting UPDATE with others behind it', root({}), [waiter({ command: 'UPDATE' })], 'running-transaction'],
  ['an ALTER behind somebody else', root({}), [waiter({ blockedBy: [9] })], 'running-transaction'],
  ['a root that runs DDL', root({ command: 'CREATE INDEX' }), [], 'ddl-queue'],
  ['a root with a table lock from before', root({ command: 'SELECT', heldMode: 'ShareLock' }), [], 'ddl-queue'],
  ['a root with a row lock', root({ heldMode: 'ExclusiveLock', relation: null }), [], 'running-transaction'],
  ['an advisory lock of an idle session', root({ state: 'idle' }), [], 'idle-in-transaction'],
])('%s', (_name, holder, waiters, expected) => {
  expect(read(holder, waiters)).toEqual([expected]);
});

test('a prepared transaction counts by its victims, and a hidden root counts for nothing', () => {
  expect(read(root({ pid: 0 }), [], 6)).toEqual(['prepared-transaction']);
  expect(read(root({ state: 'hidden' }), [])).toEqual([]);
});

test('what is shown is bounded and printable', () => {
  expect(lockText(null, null)).toBe('the lock');
  expect(lockText('RowExclusiveLock', 'public.orders')).toBe('RowExclusiveLock on public.orders');
  expect(stateText(root({ inStateSeconds: null }))).toBe('active (UPDATE)');
  expect(commandText(waiter({ command: null }))).toBe('AccessExclusiveLock');
  expect(lockText('x\u001b[31m', null)).toBe('x?[31m');
});
