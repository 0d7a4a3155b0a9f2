/**
 * The lock tree: who waits for whom, and what the sessions at its roots hold. Pure; its rows are read only while
 * somebody waits, because pg_blocking_pids() and pg_locks stop the lock manager for a moment.
 */

import type { EpochMs } from '../../model/glossary.ts';
import type { LockHolder, LockTreeAnswer, LockWaiter } from '../../model/postgres.ts';
import { conflicts, strongest } from './lock-modes.ts';
import { type Lock, type LockLook, PREPARED } from './lock-rows.ts';

const MAX_WAITERS = 50;
const MAX_ROOTS = 20;

export type LockTree = Omit<LockTreeAnswer, 'at' | 'blockedSince' | 'history'> & {
  /** Sessions that wait, directly or not, behind an AccessExclusiveLock that itself waits. */
  readonly ddlQueueWaiters: number;
};

export interface ShownQueries {
  readonly query: (raw: string | null) => string | null;
  readonly command: (raw: string | null) => string | null;
}

/** Pure. `queries` gives what may be shown of a statement's text. */
export function buildLockTree(look: LockLook, queries: ShownQueries): LockTree {
  const victims = new Map<number, number[]>();
  for (const [waiter, blockers] of look.blockedBy) {
    for (const blocker of blockers) victims.set(blocker, [...(victims.get(blocker) ?? []), waiter]);
  }
  const behind = (pids: readonly number[]): ReadonlySet<number> => {
    const seen = new Set<number>();
    const queue = pids.flatMap((pid) => victims.get(pid) ?? []);
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
      if (seen.has(next)) continue;
      seen.add(next);
      queue.push(...(victims.get(next) ?? []));
    }
    return seen;
  };
  const locksOf = (pid: number): readonly Lock[] => look.locks.get(pid) ?? [];
  const waitOf = (pid: number): Lock | undefined => locksOf(pid).find(({ granted }) => !granted);

  const waiters: readonly LockWaiter[] = [...look.blockedBy].flatMap(([pid, blockers]) => {
    const session = look.sessions.get(pid);
    if (session === undefined || !session.client) return [];
    const wait = waitOf(pid);
    return {
      pid,
      backendStart: session.backendStart,
      app: session.app,
      command: queries.command(session.query),
      query: queries.query(session.query),
      waitsForMode: wait?.mode ?? null,
      relation: wait?.name ?? contested(wait, locksOf(pid), [])?.name ?? null,
      // Before 14 there is no waitstart; the statement's age is then the most that it can have waited.
      waitSeconds: wait?.waited ?? session.inState,
      blockedBy: [...blockers].sort((a, b) => a - b),
      blocksInAll: behind([pid]).size,
    };
  });

  const roots: readonly LockHolder[] = [...victims].flatMap(([pid, direct]) => {
    const session = look.sessions.get(pid);
    if (session === undefined || look.blockedBy.has(pid)) return [];
    const held = heldFor(locksOf(pid), direct, waitOf, locksOf);
    return {
      pid,
      backendStart: session.backendStart,
      app: session.app,
      user: session.user,
      state: session.state,
      inStateSeconds: session.inState,
      inTransactionSeconds: session.inTransaction,
      command: queries.command(session.query),
      query: queries.query(session.query),
      heldMode: held?.mode ?? null,
      relation: held?.name ?? null,
      blocksDirectly: direct.length,
      blocksInAll: behind([pid]).size,
    };
  });

  const queueing = [...look.blockedBy.keys()].filter((pid) => waitOf(pid)?.mode === 'AccessExclusiveLock');
  const clients = (pids: ReadonlySet<number>): number =>
    [...pids].filter((pid) => look.sessions.get(pid)?.client === true).length;
  return {
    blockedSessions: waiters.length,
    clientSessions: look.clients,
    roots: roots.toSorted((a, b) => b.blocksInAll - a.blocksInAll || a.pid - b.pid).slice(0, MAX_ROOTS),
    prepared: look.prepared,
    blockedByPrepared: clients(behind([PREPARED])),
    waiters: waiters
      .toSorted((a, b) => (b.waitSeconds ?? 0) - (a.waitSeconds ?? 0) || a.pid - b.pid)
      .slice(0, MAX_WAITERS),
    longestWaitSeconds: Math.max(0, ...waiters.map(({ waitSeconds }) => waitSeconds ?? 0)),
    ddlQueueWaiters: clients(behind(queueing)),
  };
}

/**
 * The lock for which a root's victims wait. Who waits for a relation waits for that one; who waits for a row waits for
 * a transaction or a tuple, and what both then have in common is a table that both write.
 */
function heldFor(
  held: readonly Lock[],
  victims: readonly number[],
  waitOf: (pid: number) => Lock | undefined,
  locksOf: (pid: number) => readonly Lock[],
): Lock | undefined {
  const granted = held.filter(({ granted, type, table }) => granted && type === 'relation' && table);
  const found = victims.flatMap((victim) => {
    const wait = waitOf(victim);
    if (wait === undefined) return [];
    if (wait.type === 'relation') {
      return granted.filter(({ relation, mode }) => relation === wait.relation && conflicts(mode, wait.mode));
    }
    const table = contested(wait, locksOf(victim), granted);
    return granted.filter(({ relation }) => relation === table?.relation);
  });
  return strongest(found);
}

/** The table whose row is waited for: that of the tuple, else one that the waiter and `others` both write. */
function contested(wait: Lock | undefined, own: readonly Lock[], others: readonly Lock[]): Lock | undefined {
  if (wait === undefined || wait.type === 'relation') return wait;
  const tuple = wait.type === 'tuple' ? wait : own.find(({ type, granted }) => granted && type === 'tuple');
  if (tuple !== undefined) return tuple;
  if (wait.type !== 'transactionid') return undefined;
  const writes = (locks: readonly Lock[]): readonly Lock[] =>
    locks.filter(({ granted, type, table, mode }) => {
      return granted && type === 'relation' && table && (mode === 'RowExclusiveLock' || mode === 'RowShareLock');
    });
  const both = writes(own).filter(({ relation }) => {
    return others.length === 0 || others.some((other) => other.relation === relation);
  });
  // More than one table in common: naming one of them would be a guess.
  const tables = new Set(both.map(({ relation }) => relation));
  return tables.size === 1 ? both[0] : undefined;
}

/** A point of what was seen of the tree in earlier polls, oldest first. */
export interface BlockingPoint {
  readonly at: EpochMs;
  readonly blocked: number;
  readonly longestWaitSeconds: number;
}

/**
 * When the present blocking began: after the last poll that saw nobody blocked, and no later than the longest wait that
 * was ever seen since says. Without such a poll (we were started amid it) the root's own transaction bounds it below.
 */
export function blockedSince(
  history: readonly BlockingPoint[],
  tree: { readonly at: EpochMs; readonly blocked: number; readonly longestWaitSeconds: number },
  rootTransactionSeconds: number | null,
): LockTreeAnswer['blockedSince'] {
  if (tree.blocked === 0) return null;
  const earlier = history.filter(({ at }) => at < tree.at);
  const clear = earlier.findLastIndex(({ blocked }) => blocked === 0);
  const run = [...earlier.slice(clear + 1), tree];
  const latest = Math.min(...run.map(({ at, longestWaitSeconds }) => Math.round(at - longestWaitSeconds * 1000)));
  const before = earlier[clear]?.at ?? tree.at - (rootTransactionSeconds ?? tree.longestWaitSeconds) * 1000;
  return { earliest: Math.min(Math.round(before), latest), latest };
}
