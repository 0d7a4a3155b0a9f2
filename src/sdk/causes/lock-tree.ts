/** Reads a lock tree the way an engineer does: who stands at the root, and is it the root that hurts or what queues at it. */

import type { LockHolder, LockTreeAnswer, LockWaiter } from '../../model/index.ts';
import { duration, safeName } from '../format.ts';

export type LockVariant = 'idle-in-transaction' | 'ddl-queue' | 'running-transaction' | 'prepared-transaction';

/** For NOT SEEN: what shows the sessions of others. */
export const MONITOR_GRANT = 'GRANT pg_monitor to the role that runbookd logs in as';

/** A DDL statement at the head of a queue: waiting behind `root`, or being the root itself (`waiter` null). */
export interface DdlHead {
  readonly root: LockHolder;
  readonly waiter: LockWaiter | null;
}

export interface LockTreeView {
  /** Sessions blocked, directly or not, by what each variant names. */
  readonly victims: Readonly<Record<LockVariant, number>>;
  readonly total: number;
  /** The roots of each kind, most victims first. */
  readonly idle: readonly LockHolder[];
  readonly running: readonly LockHolder[];
  readonly ddl: readonly DdlHead[];
  /** Roots whose state our role may not see. */
  readonly hidden: readonly LockHolder[];
}

/** Table locks that queue ordinary statements behind them (PostgreSQL manual, table 13.2: conflicts with RowExclusive). */
const QUEUEING_MODES: ReadonlySet<string> = new Set([
  'AccessExclusiveLock',
  'ExclusiveLock',
  'ShareRowExclusiveLock',
  'ShareLock',
]);
const DDL_COMMAND =
  /^(alter|create|drop|truncate|reindex|cluster|vacuum full|vacuum|lock|refresh|comment|grant|revoke)\b/i;

export function readLockTree(tree: LockTreeAnswer): LockTreeView {
  const idle: LockHolder[] = [];
  const running: LockHolder[] = [];
  const ddl: DdlHead[] = [];
  const hidden: LockHolder[] = [];
  for (const root of tree.roots) {
    // Prepared transactions have no process: they are counted by themselves.
    if (root.pid === 0) continue;
    const head = ddlHead(root, tree.waiters);
    if (root.state === 'hidden' || root.state === '') hidden.push(root);
    else if (root.state.startsWith('idle')) idle.push(root);
    else if (head === null) running.push(root);
    else ddl.push(head);
  }
  const victims = {
    'idle-in-transaction': sum(idle.map((root) => root.blocksInAll)),
    'ddl-queue': sum(ddl.map((head) => head.root.blocksInAll)),
    'running-transaction': sum(running.map((root) => root.blocksInAll)),
    'prepared-transaction': tree.blockedByPrepared,
  };
  return { victims, total: Math.max(tree.blockedSessions, 1), idle, running, ddl, hidden };
}

/**
 * The DDL that makes the queue at this root, or null: the root's own, or a waiter's that holds back at least half of
 * the root's victims (itself counted). Fewer than that would wait for the root's rows all the same.
 */
function ddlHead(root: LockHolder, waiters: readonly LockWaiter[]): DdlHead | null {
  const waiter = ddlBehind(root, waiters);
  if (waiter !== null && (waiter.blocksInAll + 1) * 2 >= root.blocksInAll) return { root, waiter };
  const own = root.command !== null && DDL_COMMAND.test(root.command);
  const mode = root.relation !== null && root.heldMode !== null && QUEUEING_MODES.has(root.heldMode);
  // A table lock with a plain statement as the last one is a DDL earlier in the same transaction.
  return own || mode ? { root, waiter: null } : null;
}

/** The waiter directly behind that root which asks for a table lock and queues others behind itself; the worst of them. */
export function ddlBehind(root: LockHolder, waiters: readonly LockWaiter[]): LockWaiter | null {
  const candidates = waiters.filter(
    (waiter) => waiter.blockedBy.includes(root.pid) && waiter.blocksInAll > 0 && isDdl(waiter),
  );
  return candidates.reduce<LockWaiter | null>(
    (worst, waiter) => (worst === null || waiter.blocksInAll > worst.blocksInAll ? waiter : worst),
    null,
  );
}

function isDdl(waiter: LockWaiter): boolean {
  if (waiter.command !== null) return DDL_COMMAND.test(waiter.command);
  return waiter.relation !== null && waiter.waitsForMode !== null && QUEUEING_MODES.has(waiter.waitsForMode);
}

/** `pid 2134 (checkout-worker)`. */
export function who(session: { readonly pid: number; readonly app: string }): string {
  return `pid ${session.pid} (${safeName(session.app)})`;
}

/** `RowExclusiveLock on public.orders`, or `the lock` where it could not be seen. */
export function lockText(mode: string | null, relation: string | null): string {
  const held = mode === null ? 'the lock' : safeName(mode);
  return relation === null ? held : `${held} on ${safeName(relation, 80)}`;
}

/** `idle in transaction for 2 min 31 s`, `active for 3 s (UPDATE)`. */
export function stateText(root: LockHolder): string {
  const since = root.inStateSeconds === null ? '' : ` for ${duration(root.inStateSeconds)}`;
  const command = root.state === 'active' && root.command !== null ? ` (${safeName(root.command)})` : '';
  return `${safeName(root.state)}${since}${command}`;
}

/** What a waiting session runs: `ALTER TABLE`, or the lock that it wants. */
export function commandText(waiter: LockWaiter): string {
  return safeName(waiter.command ?? waiter.waitsForMode ?? 'a table lock');
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
