/**
 * What to do about a service that is out of CPU or memory. Corrected against the runbook: describe-services shows no
 * CPU and no memory, so the look is at CloudWatch; a restart starts the same version and only buys time.
 */

import type { EcsServiceAnswer, SlotValues } from '../../model/index.ts';
import type { Effect, Facts, Mitigation } from '../detector.ts';
import { ask, effect, rightNow } from '../detector.ts';
import { plural } from '../format.ts';
import { unevenMitigations } from './uneven-mitigations.ts';

type Outcome = ReturnType<Effect['judge']>;

function serviceEffect(
  expect: string,
  minutes: number,
  judge: (value: EcsServiceAnswer, slots: SlotValues, facts: Facts) => Outcome,
): Effect {
  return effect<'ecs.service'>({
    expect,
    withinMs: minutes * 60_000,
    ask: (_slots, facts) => ask('ecs.service', { ...facts, on: facts.target }, {}, rightNow(facts)),
    judge,
  });
}

const scaled = serviceEffect('{desiredCount} tasks run within 5 min', 5, (value, slots) => {
  const wanted = Number(slots['desiredCount']);
  const text = `${value.running} of ${plural(value.desired, 'wanted task')} run`;
  if (value.desired < wanted) return { state: 'not_applied', observed: text };
  if (value.running >= wanted) return { state: 'worked', observed: text };
  return { state: value.running > Number(slots['presentCount']) ? 'partly' : 'not_yet', observed: text };
});

const restarted = serviceEffect('every task is a new one within 15 min', 15, (value, _slots, facts) => {
  const newest = Math.max(0, ...value.deployments.map((one) => one.createdAt));
  if (newest <= facts.onset.latest) return { state: 'not_applied', observed: 'no deployment since it began' };
  const old = value.tasks.filter((one) => (one.startedAt ?? newest) < newest);
  if (old.length === 0) return { state: 'worked', observed: `all ${value.running} tasks are new` };
  return { state: 'partly', observed: `${plural(old.length, 'task')} of before still run` };
});

const SERVICE = '--region {region} --cluster {cluster}';
const COUNTS = `aws ecs describe-services ${SERVICE} --services {ecsService} --query "services[0].[desiredCount,runningCount,pendingCount]"`;

export const serviceLoadMitigations: Readonly<Record<string, Mitigation>> = {
  'load-look': {
    title: 'Look at CPU and memory',
    risk: 'read-only',
    riskText: 'reads only',
    command: 'npm run metrics:infra -- --services={service} --metrics=cpu,memory',
    alternative:
      'aws cloudwatch get-metric-statistics --region {region} --namespace AWS/ECS --metric-name CPUUtilization --dimensions Name=ClusterName,Value={cluster} Name=ServiceName,Value={ecsService} --start-time {fromTime} --end-time {toTime} --period 60 --statistics Average Maximum',
  },
  'load-by-task': {
    title: 'Look at memory and CPU by task',
    risk: 'read-only',
    riskText: 'reads only',
    command: 'npm run metrics:memory -- --window=1h --group-by=task',
    alternative: `aws ecs list-tasks ${SERVICE} --service-name {ecsService} --desired-status RUNNING`,
  },
  'scale-up': {
    title: 'Run {desiredCount} tasks instead of {presentCount}',
    risk: 'reversible',
    riskText:
      'more tasks open more database connections: see that there are slots for them; autoscaling may change the count again; the undo takes the tasks away, draining them',
    precheck: COUNTS,
    command: `aws ecs update-service ${SERVICE} --service {ecsService} --desired-count {desiredCount}`,
    verify: COUNTS,
    undo: `aws ecs update-service ${SERVICE} --service {ecsService} --desired-count {presentCount}`,
    effect: scaled,
  },
  'stop-hot-task': {
    ...unevenMitigations['stop-task']!,
    riskText:
      'that one task is drained and stopped and ECS starts another; until it runs the others take its load; take its profile first, it is gone with it; there is no undo',
    command:
      'aws ecs stop-task --region {region} --cluster {cluster} --task {task} --reason "far busier than the others"',
  },
  'rolling-restart': {
    title: 'Restart the tasks one after another: it buys time, the same version starts again',
    risk: 'disruptive',
    riskText:
      'every task is replaced by a new one of the same version, draining; what made memory grow goes on; there is no undo',
    precheck: COUNTS,
    command: `aws ecs update-service ${SERVICE} --service {ecsService} --{forceNewDeployment}`,
    verify: COUNTS,
    effect: restarted,
  },
  'cpu-profile': {
    title: 'Take a CPU profile of 60 s',
    risk: 'read-only',
    riskText: 'changes nothing; costs some CPU while it runs',
    command: 'npm run profile:cpu -- --service={service} --duration=60s',
  },
  'cpu-profile-download': {
    title: 'Fetch the CPU profile, for chrome://inspect',
    risk: 'read-only',
    riskText: 'reads only',
    command: 'npm run profile:download -- --service={service} --type=cpu --output=cpu-profile.cpuprofile',
  },
  'heap-snapshot': {
    title: 'Take a heap snapshot while memory is below half, before the growth or once it has grown again',
    risk: 'disruptive',
    // Node's own words: about twice the size of the heap, synchronous, risk of the OOM killer (v8.getHeapSnapshot).
    riskText:
      'the task stands still while it is taken, and it takes about as much memory again as the heap has: near the limit it ends the task; there is no undo',
    command: 'npm run profile:heap -- --service={service}',
  },
  'heap-download': {
    title: 'Fetch the heap snapshot, for chrome://inspect',
    risk: 'read-only',
    riskText: 'reads only; a heap holds personal data: keep it where that may lie',
    command: 'npm run profile:download -- --service={service} --type=heap --output=heap-snapshot.heapsnapshot',
  },
};
