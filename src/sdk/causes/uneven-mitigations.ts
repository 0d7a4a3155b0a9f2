/** What to do about trouble in one place: take that one task out, look at that one zone or endpoint. */

import type { Mitigation } from '../detector.ts';
import { ask, effect, rightNow } from '../detector.ts';
import { safeName } from '../format.ts';

const look = (title: string, command: string, alternative?: string): Mitigation => ({
  title,
  risk: 'read-only',
  riskText: 'reads only',
  command,
  ...(alternative === undefined ? {} : { alternative }),
});

const TASK =
  'aws ecs describe-tasks --region {region} --cluster {cluster} --tasks {task} --query "tasks[0].[lastStatus,healthStatus,startedAt,taskDefinitionArn,availabilityZone,containers[].[name,lastStatus,healthStatus]]"';

export const unevenMitigations: Readonly<Record<string, Mitigation>> = {
  'look-at-task': look('Look at that task', TASK),
  'stop-task': {
    title: 'Stop task {task}: ECS starts another in its place',
    risk: 'reversible',
    riskText:
      'reversible: that one task is drained and stopped and ECS starts another; until it runs there is one task less; what the task could have told is gone but for its logs',
    precheck: TASK,
    command:
      'aws ecs stop-task --region {region} --cluster {cluster} --task {task} --reason "errors on this task only"',
    verify:
      'aws ecs describe-services --region {region} --cluster {cluster} --services {ecsService} --query "services[0].[desiredCount,runningCount,pendingCount]"',
    effect: effect({
      expect: 'another task runs in its place within 5 min, and the errors end with it',
      withinMs: 5 * 60_000,
      ask: (_slots, facts) => ask('ecs.service', facts, {}, rightNow(facts)),
      judge({ tasks, running, desired }, slots) {
        const id = String(slots['task'] ?? '');
        const state = `${running} of ${desired} tasks run`;
        if (tasks.some((task) => task.id === id && task.status === 'RUNNING')) {
          return { state: 'not_applied', observed: `task ${safeName(id, 13)} still runs; ${state}` };
        }
        return {
          state: running >= desired ? 'worked' : 'partly',
          observed: `task ${safeName(id, 13)} is gone; ${state}`,
        };
      },
    }),
  },
  'target-health': look(
    'Look at the targets of the load balancer by zone',
    'aws elbv2 describe-target-health --region {region} --target-group-arn {targetGroupArn} --query "TargetHealthDescriptions[].[Target.Id,Target.AvailabilityZone,TargetHealth.State,TargetHealth.Reason]"',
  ),
  'list-tasks': look(
    'List the tasks that run',
    'aws ecs list-tasks --region {region} --cluster {cluster} --service-name {ecsService} --desired-status RUNNING',
  ),
  'errors-by-endpoint': look(
    'Look at the errors by endpoint and status',
    'npm run metrics:errors -- --window=15m --group-by=endpoint,status_code',
  ),
  'error-logs': look(
    'Look at the error messages of the last 15 min',
    'aws logs tail {logGroup} --region {region} --since 15m --filter-pattern ERROR',
  ),
};
