/** What to do about a server that cannot be reached: look from the outside first, act on the server last. */

import type { Mitigation } from '../detector.ts';
import { ask, effect, sinceOnset } from '../detector.ts';
import { connectionPoolMitigations } from './connection-pool-mitigations.ts';

const STATUS =
  'aws rds describe-db-instances --db-instance-identifier {rdsInstance} --query "DBInstances[0].[DBInstanceStatus,Endpoint,MultiAZ,PendingModifiedValues]"';
/** Before acting on an instance: it must be this one, not one of the same name in the shell's own region. */
const STATUS_IN_REGION = STATUS.replace('describe-db-instances', 'describe-db-instances --region {region}');
const READY = 'pg_isready -h {host} -p {port} -t 5';

/** The server answers a query again. */
const answers = (expect: string, withinMs: number) =>
  effect({
    expect,
    withinMs,
    ask: (_slots, facts) => ask('postgres.reachability', facts, {}, sinceOnset(facts)),
    judge(answer) {
      if (answer.reason === 'ok') return { state: 'worked', observed: 'the server answers' };
      if (answer.reason === 'starting_up' || answer.reason === 'shutting_down') {
        return { state: 'partly', observed: 'the server is starting up or shutting down' };
      }
      return { state: 'not_yet', observed: `still not reachable, at step ${answer.step}` };
    },
  });

const look = (title: string, command: string, alternative?: string): Mitigation => ({
  title,
  risk: 'read-only',
  riskText: 'reads only',
  command,
  ...(alternative === undefined ? {} : { alternative }),
});

export const unreachableMitigations: Readonly<Record<string, Mitigation>> = {
  'server-status': look('Look at the state of the instance', STATUS, READY),
  'server-events': look(
    'Look at what happened to the instance in the last hour (restart, failover, storage full)',
    'aws rds describe-events --source-type db-instance --source-identifier {rdsInstance} --duration 60',
  ),
  'test-connection': look('Test the connection', '{psql} -c "SELECT 1;"'),
  'resolve-name': look('Resolve the name from here', 'dig +short {host}', 'getent hosts {host}'),
  'security-groups': look(
    'Look at the security groups: the port must be open to the subnets of the callers',
    'aws ec2 describe-security-groups --group-ids {securityGroup}',
    'aws rds describe-db-instances --db-instance-identifier {rdsInstance} --query "DBInstances[0].[VpcSecurityGroups,DBSubnetGroup.Subnets]"',
  ),
  'look-at-certificate': look(
    "Look at the server's certificate: its names, its issuer, its end",
    'timeout --foreground 10 openssl s_client -starttls postgres -connect {host}:{port} -servername {host}',
  ),
  'login-roles': look(
    'Look at the roles that may log in, and until when their passwords are valid',
    '{psql} -c "select rolname, rolvaliduntil, rolconnlimit from pg_roles where rolcanlogin order by rolname"',
  ),
  'host-rules': look(
    'Look at who may come from where (needs a superuser; on RDS look at rds.force_ssl and the security groups)',
    '{psql} -c "select line_number, type, database, user_name, address, auth_method, error from pg_hba_file_rules"',
  ),
  'secret-changes': look(
    'Look for a secret that was rotated in the last hours without its readers',
    'aws secretsmanager list-secrets --sort-order desc --query "SecretList[].[Name,LastChangedDate,LastRotatedDate]"',
  ),
  'list-databases': look(
    'List the databases of the server',
    '{psql} -d postgres -c "select datname, datallowconn from pg_database order by datname"',
  ),
  'role-limits': look(
    'Look at the roles with a connection limit of their own',
    '{psql} -c "select rolname, rolconnlimit, (select count(*) from pg_stat_activity where usename = rolname) as used from pg_roles where rolconnlimit >= 0"',
  ),
  'count-by-state': connectionPoolMitigations['count-by-state']!,
  'pool-settings': connectionPoolMitigations['pool-settings']!,
  'free-slot': {
    title: 'Free one slot: end the one session that has been idle in transaction longest, if for over 5 min',
    risk: 'reversible',
    riskText:
      'reversible by retry: the transaction of that one session is rolled back; needs a role that may use the reserved slots; there is no undo',
    precheck: `{psql} -c "select pid, backend_start, application_name, now() - state_change as in_state from pg_stat_activity where state = 'idle in transaction' order by state_change limit 5"`,
    command: `{psql} -c "select pid, application_name, pg_terminate_backend(pid) from pg_stat_activity where (pid, backend_start) = (select pid, backend_start from pg_stat_activity where backend_type = 'client backend' and state = 'idle in transaction' and state_change < now() - interval '5 minutes' order by state_change limit 1)"`,
    verify: `{psql} -c "select count(*) as used from pg_stat_activity where backend_type = 'client backend'"`,
    effect: answers('the next poll goes through within 1 min', 60_000),
  },
  'start-server': {
    title: 'Start the instance, if it was stopped',
    risk: 'reversible',
    riskText: 'starts a stopped instance and nothing else; refused in any other state',
    precheck: STATUS_IN_REGION,
    command: 'aws rds start-db-instance --region {region} --db-instance-identifier {rdsInstance}',
    verify: READY,
    undo: 'aws rds stop-db-instance --region {region} --db-instance-identifier {rdsInstance}',
    effect: answers('the server answers within 10 min', 600_000),
  },
  'reboot-server': {
    title: 'Restart the instance, when nothing else helps',
    risk: 'disruptive',
    riskText:
      'ends every session, and crash recovery can take minutes; an instance in several zones can fail over instead (--force-failover); there is no undo',
    precheck: STATUS_IN_REGION,
    command: 'aws rds reboot-db-instance --region {region} --db-instance-identifier {rdsInstance}',
    verify: READY,
    effect: answers('the server answers within 10 min', 600_000),
  },
};
