/** The rows that a lock tree is built from: one statement, and its answer as plain data. */

import type { LockTreeAnswer } from '../../model/postgres.ts';
import type { Capabilities, Row } from './collector.ts';
import { numberOf, textOf } from './row-values.ts';
import { age, sessionsCte } from './sessions.ts';
import { nameOf, printable, recordsOf } from './text.ts';

/** Waiting processes that are looked at: each costs one pg_blocking_pids(). */
const MAX_WAITING = 300;
const MAX_LOCKS = 5_000;
const MAX_PREPARED = 20;
const QUERY_CHARACTERS = 4_000;
/** pg_blocking_pids() shows a prepared transaction as this. */
export const PREPARED = 0;

/**
 * Locks of the sessions involved that can tell which relation it is about: what is waited for, and granted locks on
 * relations and tuples; AccessShareLock, which every reader holds on everything, only where an AccessExclusiveLock
 * waits. Names are those of the connected database; other databases' relations stay numbers, hence unnamed.
 */
export function lockTreeSql(capabilities: Capabilities, ourPids: readonly number[]): string {
  const waited = capabilities.has('pg_locks', 'waitstart') ? `coalesce(${age('l.waitstart')}, 0)` : 'NULL::float8';
  return `WITH ${sessionsCte(capabilities, ourPids)},
waiting AS MATERIALIZED (
  SELECT DISTINCT pid FROM pg_catalog.pg_locks WHERE NOT granted AND pid <> pg_catalog.pg_backend_pid()
  LIMIT ${MAX_WAITING}),
edge AS MATERIALIZED (SELECT pid, pg_catalog.pg_blocking_pids(pid) AS blockers FROM waiting),
involved AS MATERIALIZED (
  SELECT pid FROM edge UNION SELECT unnest(blockers) FROM edge
  UNION SELECT s.leader FROM session s JOIN edge USING (pid)),
lock AS MATERIALIZED (
  SELECT l.pid, l.locktype, l.mode, l.granted, l.database, l.relation, ${waited} AS waited
  FROM pg_catalog.pg_locks l JOIN involved USING (pid)
  WHERE NOT l.granted OR l.locktype IN ('relation', 'tuple'))
SELECT (SELECT count(*) FROM session WHERE client AND NOT ours) AS clients,
  (SELECT pg_catalog.json_agg(pg_catalog.json_build_object('pid', pid, 'blockers', blockers)) FROM edge) AS edges,
  (SELECT pg_catalog.json_agg(s) FROM (
     SELECT pid, leader, app, usename, state, backend_type, client, ours, hidden, backend_start::text AS backend_start,
       ${age('state_change')} AS in_state, ${age('xact_start')} AS in_transaction,
       left(query, ${QUERY_CHARACTERS}) AS query
     FROM session JOIN involved USING (pid)) s) AS sessions,
  (SELECT pg_catalog.json_agg(l) FROM (
     SELECT lock.pid, lock.locktype, lock.mode, lock.granted, lock.relation, lock.waited, c.relkind,
       n.nspname AS schema, c.relname AS name
     FROM lock
     LEFT JOIN pg_catalog.pg_class c ON c.oid = lock.relation AND lock.database IN (0,
       (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))
     LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE lock.mode <> 'AccessShareLock' OR NOT lock.granted
       OR lock.relation IN (SELECT relation FROM lock WHERE NOT granted AND mode = 'AccessExclusiveLock')
     ORDER BY lock.granted LIMIT ${MAX_LOCKS}) l) AS locks,
  (SELECT pg_catalog.json_agg(p) FROM (
     SELECT gid, ${age('prepared')} AS seconds, owner::text, database::text
     FROM pg_catalog.pg_prepared_xacts ORDER BY prepared LIMIT ${MAX_PREPARED}) p) AS prepared`;
}

export interface LockSession {
  readonly pid: number;
  readonly leader: number;
  readonly backendStart: string;
  readonly app: string;
  readonly user: string;
  readonly state: string;
  readonly client: boolean;
  readonly ours: boolean;
  readonly inState: number | null;
  readonly inTransaction: number | null;
  readonly query: string | null;
}

export interface Lock {
  readonly type: string;
  readonly mode: string;
  readonly granted: boolean;
  readonly relation: number | null;
  readonly name: string | null;
  /** Ordinary, partitioned, materialised view or TOAST: a lock on an index alone says little. */
  readonly table: boolean;
  readonly waited: number | null;
}

export interface LockLook {
  readonly clients: number;
  readonly sessions: ReadonlyMap<number, LockSession>;
  /** By process id, workers folded into their leader; 0 stands for prepared transactions. */
  readonly blockedBy: ReadonlyMap<number, ReadonlySet<number>>;
  readonly locks: ReadonlyMap<number, readonly Lock[]>;
  readonly prepared: LockTreeAnswer['prepared'];
}

export function parseLockLook(row: Row): LockLook {
  const sessions = new Map<number, LockSession>();
  for (const each of recordsOf(row['sessions'])) {
    const pid = numberOf(each, 'pid') ?? -1;
    const client = each['client'] === true;
    sessions.set(pid, {
      pid,
      leader: numberOf(each, 'leader') ?? pid,
      backendStart: textOf(each, 'backend_start') ?? '',
      // Autovacuum workers and the like have no name, but what they are says more.
      app: client || textOf(each, 'app') ? nameOf(each['app']) : nameOf(each['backend_type']),
      user: nameOf(each['usename']),
      state: printable(textOf(each, 'state') ?? (each['hidden'] === true ? 'hidden' : 'active'), 40),
      client,
      ours: each['ours'] === true,
      inState: numberOf(each, 'in_state'),
      inTransaction: numberOf(each, 'in_transaction'),
      query: each['hidden'] === true ? null : textOf(each, 'query'),
    });
  }
  const leaderOf = (pid: number): number => sessions.get(pid)?.leader ?? pid;
  const blockedBy = new Map<number, Set<number>>();
  for (const each of recordsOf(row['edges'])) {
    const waiter = leaderOf(numberOf(each, 'pid') ?? -1);
    const session = sessions.get(waiter);
    if (session === undefined || session.ours) continue;
    const blockers = Array.isArray(each['blockers']) ? each['blockers'] : [];
    for (const blocker of blockers.map((pid) => leaderOf(Number(pid)))) {
      // A session that ended between the two views is no blocker any more.
      if (blocker === waiter || (blocker !== PREPARED && !sessions.has(blocker))) continue;
      blockedBy.set(waiter, (blockedBy.get(waiter) ?? new Set()).add(blocker));
    }
  }
  const locks = new Map<number, Lock[]>();
  for (const each of recordsOf(row['locks'])) {
    const pid = leaderOf(numberOf(each, 'pid') ?? -1);
    const list = locks.get(pid) ?? [];
    const [schema, name] = [textOf(each, 'schema'), textOf(each, 'name')];
    list.push({
      type: textOf(each, 'locktype') ?? '',
      mode: textOf(each, 'mode') ?? '',
      granted: each['granted'] === true,
      relation: numberOf(each, 'relation'),
      name: schema === null || name === null ? null : printable(`${schema}.${name}`, 130),
      table: ['r', 'p', 'm', 't'].includes(textOf(each, 'relkind') ?? ''),
      waited: numberOf(each, 'waited'),
    });
    locks.set(pid, list);
  }
  const prepared = recordsOf(row['prepared']).map((each) => ({
    // A gid is at most 200 bytes.
    gid: printable(textOf(each, 'gid') ?? '', 200),
    preparedSeconds: numberOf(each, 'seconds') ?? 0,
    owner: nameOf(each['owner']),
    database: nameOf(each['database']),
  }));
  return { clients: numberOf(row, 'clients') ?? 0, sessions, blockedBy, locks, prepared };
}
