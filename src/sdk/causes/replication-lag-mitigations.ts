/** What to do about replication lag. The runbook's `StatusInfos` gives no lag: CloudWatch's ReplicaLag does. */

import type { SlotValues } from '../../model/index.ts';
import { ask, type Effect, effect, type Mitigation } from '../detector.ts';
import { duration } from '../format.ts';
import { flowOf, lagSeconds, rates, receives, replicationWindow, type View, viewOf } from './replication-view.ts';

/** An effect on the lag of `{standby}`; `pending` says in words why the step has not been taken yet, if so. */
function catchesUp(withinMs: number, pending: (view: View, slots: SlotValues) => string | null): Effect {
  return effect<'postgres.replication'>({
    expect: `lag of {standby} below its limit within ${duration(withinMs / 1000)}`,
    withinMs,
    ask: (_slots, facts) => ask('postgres.replication', facts, {}, replicationWindow(facts)),
    judge: (value, slots, facts) => {
      const view = viewOf(value, String(slots['standby'] ?? ''));
      const waiting = pending(view, slots);
      if (waiting !== null) return { state: 'not_applied', observed: waiting };
      const lag = lagSeconds(value, view);
      if (lag === null) return { state: 'not_yet', observed: `the lag of ${view.name} is not known` };
      const observed = `${view.name} is ${duration(lag)} behind`;
      if (lag <= Number(facts.options['warnSeconds'])) return { state: 'worked', observed };
      const { replica } = view;
      const catching =
        replica !== null && flowOf(replica) === 'keeps-up' && (replica.replayRateBytesPerSecond ?? 0) > 0;
      return catching
        ? { state: 'partly', observed: `${observed} and ${rates(replica)}` }
        : { state: 'not_yet', observed };
    },
  });
}

const lsnSql =
  'select application_name, client_addr, state, sync_state, replay_lag, pg_wal_lsn_diff(case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end, replay_lsn) as lag_bytes from pg_stat_replication';
const replaySql =
  'select pg_is_wal_replay_paused() as paused, greatest(0, pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())) as bytes_to_replay, now() - pg_last_xact_replay_timestamp() as replay_age';
const slotsSql =
  "select slot_name, active, wal_status, pg_wal_lsn_diff(case when pg_is_in_recovery() then pg_last_wal_receive_lsn() else pg_current_wal_lsn() end, restart_lsn) as kept_bytes from pg_replication_slots where slot_type = 'physical'";
const readOnly = { risk: 'read-only', riskText: 'reads only' } as const;

export const replicationLagMitigations: Readonly<Record<string, Mitigation>> = {
  look: { ...readOnly, title: 'Check the replication status on the primary', command: `{psql} -c "${lsnSql}"` },
  'cloudwatch-lag': {
    ...readOnly,
    title: "Check the replica's lag over time (CloudWatch ReplicaLag)",
    command:
      'aws cloudwatch get-metric-statistics --namespace AWS/RDS --metric-name ReplicaLag --dimensions Name=DBInstanceIdentifier,Value={rdsReplica} --start-time {fromTime} --end-time {toTime} --period 60 --statistics Maximum',
  },
  'check-link': {
    ...readOnly,
    title: 'Check the receiver, and to whom the standby is told to connect',
    // Only these parts of primary_conninfo: it may hold a password.
    command: `{replicaPsql} -c "select substring(current_setting('primary_conninfo') from 'host=[^ ]+') as host, substring(current_setting('primary_conninfo') from 'port=[^ ]+') as port, substring(current_setting('primary_conninfo') from 'user=[^ ]+') as usr, (select status from pg_stat_wal_receiver) as receiver"`,
    alternative: 'pg_isready -h {host} -p {port}',
    verify: '{replicaPsql} -c "select status, last_msg_receipt_time from pg_stat_wal_receiver"',
    effect: catchesUp(300_000, ({ replica, sender, name }) =>
      sender === undefined && (replica === null || receives(replica) === false) ? `${name} still has no link` : null,
    ),
  },
  'cancel-query': {
    title: 'Cancel the query on the standby that holds up replay',
    risk: 'reversible',
    riskText:
      'the query of pid {pid} on {standby} fails and can be run again; a recycled pid is not hit. A session idle in transaction has no query to cancel: it needs the alternative, which ends the session',
    precheck: `{replicaPsql} -c "select pid, application_name, state, xact_start from pg_stat_activity where pid = {pid} and backend_start = '{backendStart}'"`,
    command: `{replicaPsql} -c "select pg_cancel_backend(pid) from pg_stat_activity where pid = {pid} and backend_start = '{backendStart}'"`,
    alternative: `{replicaPsql} -c "select pg_terminate_backend(pid) from pg_stat_activity where pid = {pid} and backend_start = '{backendStart}'"`,
    verify: `{replicaPsql} -c "${replaySql}"`,
    effect: catchesUp(300_000, ({ replica, name }, slots) => {
      const still = replica?.longQueries.some(
        (one) => one.pid === Number(slots['pid']) && one.backendStart === slots['backendStart'],
      );
      return still === true ? `pid ${slots['pid']} on ${name} still holds its snapshot` : null;
    }),
  },
  resume: {
    title: 'Resume replay on the standby',
    risk: 'reversible',
    riskText: 'ask first who paused it: a backup or a look at old rows may rely on it',
    precheck: `{replicaPsql} -c "${replaySql}"`,
    command: '{replicaPsql} -c "select pg_wal_replay_resume()"',
    verify: `{replicaPsql} -c "${replaySql}"`,
    undo: '{replicaPsql} -c "select pg_wal_replay_pause()"',
    effect: catchesUp(300_000, ({ replica, name }) =>
      replica?.replayPaused ? `replay on ${name} is still paused` : null,
    ),
  },
  writers: {
    ...readOnly,
    title: 'See which sessions write, and pause the import or migration among them',
    command:
      '{psql} -c "select pid, application_name, usename, state, now() - xact_start as in_transaction from pg_stat_activity where backend_xid is not null order by xact_start"',
    effect: catchesUp(900_000, () => null),
  },
  'replica-load': {
    ...readOnly,
    title: 'See what the standby is busy with',
    command: `{replicaPsql} -c "select coalesce(wait_event_type, 'CPU') as waits_for, application_name, count(*) from pg_stat_activity where state = 'active' and pid <> pg_backend_pid() group by 1, 2 order by 3 desc limit 20"`,
    effect: catchesUp(900_000, () => null),
  },
  'replica-size': {
    ...readOnly,
    title: "Check the replica's instance class; scale it up when it is smaller than the primary's",
    command:
      "aws rds describe-db-instances --db-instance-identifier {rdsReplica} --query 'DBInstances[0].[DBInstanceClass,StorageType,Iops]'",
  },
  'look-slots': {
    ...readOnly,
    title: 'Check the replication slots on the primary',
    command: `{psql} -c "${slotsSql}"`,
  },
  'drop-slot': {
    title: 'Drop the lost slot, then build the standby anew (pg_basebackup)',
    risk: 'disruptive',
    riskText:
      'no undo: slot {slotName} is gone for good; only an inactive one is dropped. The standby must be built anew either way',
    precheck: `{psql} -c "${slotsSql}"`,
    command: `{psql} -c "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = '{slotName}' and not active and wal_status = 'lost'"`,
    verify: `{psql} -c "${slotsSql}"`,
  },
};
