/** What to do about tasks that stop: see why, go back where the version is the cause, restart where it is not. */

import type { Mitigation } from '../detector.ts';
import { ask, effect, rightNow } from '../detector.ts';
import { deploymentMitigations } from './deployment-mitigations.ts';
import { unevenMitigations } from './uneven-mitigations.ts';
import { unreachableMitigations } from './unreachable-mitigations.ts';

const look = (title: string, command: string, alternative?: string): Mitigation => ({
  title,
  risk: 'read-only',
  riskText: 'reads only',
  command,
  ...(alternative === undefined ? {} : { alternative }),
});

const STOPPED =
  'aws ecs list-tasks --region {region} --cluster {cluster} --service-name {ecsService} --desired-status STOPPED';
const REASON =
  'aws ecs describe-tasks --region {region} --cluster {cluster} --tasks {stoppedTask} --query "tasks[0].[stopCode,stoppedReason,containers[].[name,exitCode,reason]]"';
const COUNTS =
  'aws ecs describe-services --region {region} --cluster {cluster} --services {ecsService} --query "services[0].[desiredCount,runningCount,pendingCount,events[0:5].message]"';

export const crashedMitigations: Readonly<Record<string, Mitigation>> = {
  'stopped-tasks': look('List the tasks that stopped (ECS shows them for an hour)', STOPPED),
  'stopped-reason': look('Look at why the last one stopped', REASON),
  'service-logs': look(
    'Look at the last messages of the service',
    'aws logs tail {logGroup} --region {region} --since 15m',
  ),
  'memory-by-task': look(
    'Look at the memory of the tasks: a leak, or a limit that is too low',
    'npm run metrics:memory -- --window=1h --group-by=task',
  ),
  'check-health': look('Ask the health endpoint', 'curl -sS -v -m 10 {healthUrl}'),
  'target-health': unevenMitigations['target-health']!,
  'secret-changes': {
    ...unreachableMitigations['secret-changes']!,
    command:
      'aws secretsmanager list-secrets --region {region} --sort-order desc --query "SecretList[].[Name,LastChangedDate,LastRotatedDate]"',
  },
  rollback: deploymentMitigations['rollback']!,
  'restart-service': {
    title: 'Restart the service: all tasks are replaced by tasks of the same version',
    risk: 'disruptive',
    riskText:
      'tasks are replaced one after another and requests in flight are drained; it brings the same version with the same limits again, so it is shown only where the version is not the cause; there is no undo',
    precheck: REASON,
    command:
      'aws ecs update-service --region {region} --cluster {cluster} --service {ecsService} --{forceNewDeployment}',
    verify: COUNTS,
    effect: effect({
      expect: 'all wanted tasks run within 10 min',
      withinMs: 10 * 60_000,
      ask: (_slots, facts) => ask('ecs.service', facts, {}, rightNow(facts)),
      judge({ deployments, running, desired }, _slots, facts) {
        const observed = `${running} of ${desired} tasks run`;
        const primary = deployments.find((one) => one.status === 'PRIMARY');
        if (primary === undefined || primary.createdAt <= facts.onset.latest) return { state: 'not_applied', observed };
        return { state: running >= desired && desired > 0 ? 'worked' : 'partly', observed };
      },
    }),
  },
};
