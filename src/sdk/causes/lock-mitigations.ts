/** What to do about a lock tree. A kill names pid and backend_start, so that a recycled pid is never hit. */

import type { Mitigation } from '../detector.ts';
import { ask, effect, rightNow } from '../detector.ts';
import { plural } from '../format.ts';

const BLOCKED = `{psql} -c "select count(*) as blocked from pg_stat_activity where wait_event_type = 'Lock'"`;

/** The session in these slots no longer stands in the tree, as a root or as a waiter. */
const freed = (pidSlot: 'pid' | 'ddlPid', startSlot: 'backendStart' | 'ddlBackendStart') =>
  effect({
    expect: 'blocked sessions 0 within 10 s',
    withinMs: 10_000,
    ask: (_slots, facts) => ask('postgres.lock_tree', facts, {}, rightNow(facts)),
    judge(tree, slots) {
      const pid = slots[pidSlot];
      const isIt = (one: { readonly pid: number; readonly backendStart: string }): boolean =>
        String(one.pid) === String(pid) && one.backendStart === slots[startSlot];
      const blocked = plural(tree.blockedSessions, 'session');
      if (tree.roots.some(isIt) || tree.waiters.some(isIt)) {
        return { state: 'not_applied', observed: `pid ${pid} is still in the lock tree; ${blocked} blocked` };
      }
      if (tree.blockedSessions === 0)
        return { state: 'worked', observed: `pid ${pid} blocks nobody; 0 sessions blocked` };
      return { state: 'partly', observed: `pid ${pid} is out of the lock tree, but ${blocked} are still blocked` };
    },
  });

const preparedGone = effect({
  expect: 'blocked sessions 0 within 10 s',
  withinMs: 10_000,
  ask: (_slots, facts) => ask('postgres.lock_tree', facts, {}, rightNow(facts)),
  judge(tree, slots) {
    const blocked = plural(tree.blockedSessions, 'session');
    if (tree.prepared.some((one) => one.gid === slots['gid'])) {
      return { state: 'not_applied', observed: `${slots['gid']} is still prepared; ${blocked} blocked` };
    }
    if (tree.blockedSessions === 0) return { state: 'worked', observed: 'no session is blocked' };
    return { state: 'partly', observed: `${slots['gid']} is gone, but ${blocked} are still blocked` };
  },
});

export const lockContentionMitigations: Readonly<Record<string, Mitigation>> = {
  'look-at-root': {
    title: 'Look at the session at the root of the lock tree',
    risk: 'read-only',
    riskText: 'reads only',
    command: '{psql} -c "select pid, state, xact_start, application_name from pg_stat_activity where pid = {pid}"',
    alternative:
      '{psql} -c "select pid, pg_blocking_pids(pid) as blocked_by, state, wait_event_type, application_name from pg_stat_activity where cardinality(pg_blocking_pids(pid)) > 0 or pid = {pid}"',
  },
  'terminate-root': {
    title: 'End the session at the root, pid {pid}',
    risk: 'reversible',
    riskText:
      'reversible by retry: the transaction of pid {pid} is rolled back; nothing else is touched; a recycled pid is not hit; there is no undo',
    precheck: `{psql} -c "select pid, state, now() - state_change as for_so_long, application_name from pg_stat_activity where pid = {pid} and backend_start = '{backendStart}'"`,
    command: `{psql} -c "select pg_terminate_backend(pid) from pg_stat_activity where pid = {pid} and backend_start = '{backendStart}'"`,
    verify: BLOCKED,
    effect: freed('pid', 'backendStart'),
  },
  'cancel-root': {
    title: 'Cancel the statement of the session at the root, pid {pid}',
    risk: 'reversible',
    riskText:
      'reversible by retry: the statement of pid {pid} fails and its transaction is rolled back, the session stays; a recycled pid is not hit; there is no undo',
    precheck: `{psql} -c "select pid, state, now() - query_start as for_so_long, application_name from pg_stat_activity where pid = {pid} and backend_start = '{backendStart}'"`,
    command: `{psql} -c "select pg_cancel_backend(pid) from pg_stat_activity where pid = {pid} and backend_start = '{backendStart}' and state = 'active'"`,
    verify: BLOCKED,
    effect: freed('pid', 'backendStart'),
  },
  'cancel-ddl': {
    title: 'Cancel the DDL statement that everyone queues behind, pid {ddlPid}',
    risk: 'reversible',
    riskText:
      'the migration of pid {ddlPid} fails and can be run again later, with a lock_timeout; the queue behind it goes on at once; a recycled pid is not hit; there is no undo',
    precheck: `{psql} -c "select pid, state, wait_event_type, now() - query_start as for_so_long, application_name from pg_stat_activity where pid = {ddlPid} and backend_start = '{ddlBackendStart}'"`,
    command: `{psql} -c "select pg_cancel_backend(pid) from pg_stat_activity where pid = {ddlPid} and backend_start = '{ddlBackendStart}'"`,
    verify: BLOCKED,
    effect: freed('ddlPid', 'ddlBackendStart'),
  },
  'look-at-prepared': {
    title: 'Look at the prepared transactions',
    risk: 'read-only',
    riskText: 'reads only',
    command: '{psql} -c "select gid, prepared, owner, database from pg_prepared_xacts order by prepared"',
  },
  'rollback-prepared': {
    title: 'Roll back prepared transaction {gid}, if its transaction manager says that it was not committed elsewhere',
    risk: 'disruptive',
    riskText:
      'what {gid} has written is lost for good, while other parts of the same distributed transaction may have been committed: ask its owner first; there is no undo',
    precheck: `{psql} -c "select gid, prepared, owner, database from pg_prepared_xacts where gid = '{gid}'"`,
    command: `{psql} -c "rollback prepared '{gid}'"`,
    verify: BLOCKED,
    effect: preparedGone,
  },
  'commit-prepared': {
    title: 'Or commit prepared transaction {gid}, if its transaction manager says that it was committed elsewhere',
    risk: 'disruptive',
    riskText: 'what {gid} has written becomes visible for good: ask its owner first; there is no undo',
    precheck: `{psql} -c "select gid, prepared, owner, database from pg_prepared_xacts where gid = '{gid}'"`,
    command: `{psql} -c "commit prepared '{gid}'"`,
    verify: BLOCKED,
    effect: preparedGone,
  },
  'limit-idle-in-transaction': {
    title: 'Later: end transactions of role {roleName} that sit idle for more than a minute',
    risk: 'reversible',
    riskText:
      'new sessions of {roleName} lose a transaction that is idle for over 60 s; sessions that are open keep theirs',
    precheck: `{psql} -c "select rolname, rolconfig from pg_roles where rolname = '{roleName}'"`,
    command: `{psql} -c "alter role {roleName} set idle_in_transaction_session_timeout = '60s'"`,
    verify: `{psql} -c "select rolname, rolconfig from pg_roles where rolname = '{roleName}'"`,
    undo: '{psql} -c "alter role {roleName} reset idle_in_transaction_session_timeout"',
  },
  'lock-timeout-for-migrations': {
    title: 'Later: let migrations of role {roleName} give up after 5 s in a lock queue, and try again',
    risk: 'reversible',
    riskText:
      'every statement in new sessions of {roleName} that waits over 5 s for a lock fails: only for a role that runs migrations and nothing else',
    precheck: `{psql} -c "select rolname, rolconfig from pg_roles where rolname = '{roleName}'"`,
    command: `{psql} -c "alter role {roleName} set lock_timeout = '5s'"`,
    verify: `{psql} -c "select rolname, rolconfig from pg_roles where rolname = '{roleName}'"`,
    undo: '{psql} -c "alter role {roleName} reset lock_timeout"',
  },
};
