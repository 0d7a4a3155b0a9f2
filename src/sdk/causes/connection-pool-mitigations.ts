/** What to do about connection slots that run out. Idle sessions are ended for one application only, never for all. */

import type { Effect, Mitigation } from '../detector.ts';
import { ask, effect, sinceOnset } from '../detector.ts';
import { percent, safeName } from '../format.ts';

/** The application's sessions of these states are younger than the age that was asked for, and slots are free again. */
function slotsFreed(states: readonly string[]): Effect {
  return effect({
    expect: 'used slots below 70 % within 1 min',
    withinMs: 60_000,
    ask: (_slots, facts) => ask('postgres.sessions', facts, {}, sinceOnset(facts)),
    judge(sessions, slots) {
      const app = String(slots['appName'] ?? '');
      const old = sessions.groups.filter(
        (group) =>
          group.app === app &&
          states.includes(group.state) &&
          (group.longestInStateSeconds ?? 0) >= Number(slots['idleSeconds'] ?? Number.POSITIVE_INFINITY),
      );
      const share = sessions.used / Math.max(sessions.usable, 1);
      const used = `${sessions.used} of ${sessions.usable} slots used (${percent(share)})`;
      if (share < 0.7) return { state: 'worked', observed: used };
      if (old.length > 0) return { state: 'not_applied', observed: `${safeName(app)} still has old sessions; ${used}` };
      return { state: 'partly', observed: `the old sessions of ${safeName(app)} are gone, but ${used}` };
    },
  });
}

const IDLE_IN_TRANSACTION = "state in ('idle in transaction', 'idle in transaction (aborted)')";

/** Sessions of one application that have been in that state for longer than `{idleSeconds}`. */
function ofApp(select: string, state: string): string {
  return `{psql} -c "select ${select} from pg_stat_activity where application_name = '{appName}' and ${state} and state_change < now() - interval '{idleSeconds} seconds' and backend_type = 'client backend'"`;
}

const LOOK_AT_LIMITS = `{psql} -c "select name, setting, source, pending_restart from pg_settings where name in ('max_connections', 'superuser_reserved_connections', 'reserved_connections')"`;

const USED = `{psql} -c "select count(*) as used from pg_stat_activity where backend_type = 'client backend'"`;

export const connectionPoolMitigations: Readonly<Record<string, Mitigation>> = {
  'count-by-state': {
    title: 'Count the sessions by state and application',
    risk: 'read-only',
    riskText: 'reads only',
    command: `{psql} -c "select count(*), state, application_name from pg_stat_activity where backend_type = 'client backend' group by state, application_name order by 1 desc"`,
  },
  'terminate-idle-in-transaction': {
    title: 'End the sessions of {appName} that are idle in transaction for over {idleSeconds} s',
    risk: 'reversible',
    riskText:
      'reversible by retry: open transactions of {appName} that nobody has touched for {idleSeconds} s are rolled back; other applications and working sessions are left alone; there is no undo',
    precheck: ofApp('pid, state, now() - state_change as in_state, client_addr', IDLE_IN_TRANSACTION),
    command: ofApp('pid, pg_terminate_backend(pid)', IDLE_IN_TRANSACTION),
    verify: USED,
    effect: slotsFreed(['idle in transaction', 'idle in transaction (aborted)']),
  },
  'terminate-idle': {
    title: 'End the sessions of {appName} that are idle for over {idleSeconds} s',
    risk: 'reversible',
    riskText:
      'sessions of {appName} that are idle for over {idleSeconds} s are closed: its pool opens new ones when it needs them, and a leak fills up again; other applications are left alone; there is no undo',
    precheck: ofApp('pid, now() - state_change as idle, client_addr', "state = 'idle'"),
    command: ofApp('pid, pg_terminate_backend(pid)', "state = 'idle'"),
    verify: USED,
    effect: slotsFreed(['idle']),
  },
  'restart-app': {
    title: 'Restart {appName}: its tasks give their sessions back one after another',
    risk: 'disruptive',
    riskText:
      'the tasks of the service are replaced one after another; requests in flight are drained; there is no undo',
    command:
      'aws ecs update-service --region {region} --cluster {cluster} --service {ecsService} --force-new-deployment',
    verify: USED,
  },
  'pool-settings': {
    title: "Look at the application's pool settings",
    risk: 'read-only',
    riskText: 'reads only',
    command: 'npm run config:get -- --key=db.pool',
  },
  'pool-size': {
    title:
      'Set db.pool.max so that all processes together stay under the usable slots: here a larger pool takes more of them',
    risk: 'reversible',
    riskText: 'a pool that is too small makes requests wait for a connection; takes effect when the processes read it',
    precheck: 'npm run config:get -- --key=db.pool.max',
    command: 'npm run config:update -- --key=db.pool.max --value={poolSize}',
    verify: 'npm run config:get -- --key=db.pool.max',
  },
  'look-at-limits': {
    title:
      'Look at the limits: raising max_connections, or reserving slots for on-call with reserved_connections (16+), needs a restart, so not at 3 AM',
    risk: 'read-only',
    riskText: 'reads only',
    command: LOOK_AT_LIMITS,
    alternative:
      'aws rds describe-db-instances --db-instance-identifier {rdsInstance} --query "DBInstances[0].[DBInstanceClass,DBParameterGroups]"',
  },
  'restore-limit': {
    title:
      'Set max_connections back to {maxConnections}; it takes effect at the next restart, which ends every session',
    risk: 'disruptive',
    riskText:
      'nothing changes until the server is restarted, and the restart ends every session: plan it; on RDS the value is in the parameter group; to undo, set the present value again before the restart',
    precheck: LOOK_AT_LIMITS,
    command: '{psql} -c "alter system set max_connections = {maxConnections}"',
    alternative:
      'aws rds describe-db-instances --region {region} --db-instance-identifier {rdsInstance} --query "DBInstances[0].DBParameterGroups"',
    verify: LOOK_AT_LIMITS,
  },
};
