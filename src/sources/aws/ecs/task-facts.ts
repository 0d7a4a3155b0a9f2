/** What DescribeTasks says of tasks, as plain data with our words. Overrides (which hold environment values) are not read. */

import type { Task } from '@aws-sdk/client-ecs';
import type { RunningTask, StoppedTask } from '../../../model/aws.ts';
import type { EpochMs } from '../../../model/glossary.ts';
import { redactAws } from '../errors.ts';
import { tail, timeOf } from './facts.ts';
import { isInjected, stopKindOf } from './stop-kind.ts';

/** A stopped task as it is kept: until `final`, ECS may still add exit codes. */
export interface KeptStop extends StoppedTask {
  readonly final: boolean;
  /** `ecs-svc/123`, the deployment that started it. */
  readonly deployment: string | null;
}

/** A task that is there, with the deployment that started it. */
export interface LiveTask extends RunningTask {
  readonly deployment: string | null;
}

export interface TaskSize {
  readonly version: string;
  readonly cpuUnits: number | null;
  readonly memoryMiB: number | null;
}

function deploymentIdOf(task: Task): string | null {
  return task.startedBy?.startsWith('ecs-svc/') === true ? task.startedBy : null;
}

/** Wanted and not yet stopped. */
export function isLive(task: Task): boolean {
  return task.desiredStatus !== 'STOPPED' && task.lastStatus !== 'STOPPED';
}

export function liveTask(task: Task): LiveTask {
  const own = (task.containers ?? []).filter(({ name }) => !isInjected(name ?? ''));
  const digests = own.flatMap(({ imageDigest }) => imageDigest ?? []);
  return {
    id: tail(task.taskArn),
    version: tail(task.taskDefinitionArn),
    status: task.lastStatus ?? 'UNKNOWN',
    health: task.healthStatus === 'HEALTHY' ? 'healthy' : task.healthStatus === 'UNHEALTHY' ? 'unhealthy' : 'unknown',
    zone: task.availabilityZone ?? null,
    createdAt: timeOf(task.createdAt),
    startedAt: timeOf(task.startedAt),
    // While one is missing the others would look like another image.
    images: digests.length === own.length ? digests.toSorted() : [],
    deployment: deploymentIdOf(task),
  };
}

/**
 * Null while its containers still run. A task in an own network is DEPROVISIONING for up to a minute after they ended.
 *
 * @param primary the wanted deployment, to tell scaling in from being replaced
 */
export function stoppedTask(
  task: Task,
  primary: { readonly id: string; readonly createdAt: EpochMs } | undefined,
): KeptStop | null {
  const stoppedAt = timeOf(task.executionStoppedAt) ?? timeOf(task.stoppedAt);
  if (stoppedAt === null) return null;
  const containers = (task.containers ?? []).map((one) => ({
    name: one.name ?? '',
    exitCode: one.exitCode ?? null,
    reason: one.reason ?? null,
  }));
  const deployment = deploymentIdOf(task);
  const startedAt = timeOf(task.startedAt);
  const decidedAt = timeOf(task.stoppingAt) ?? stoppedAt;
  const reason = task.stoppedReason ?? '';
  const replaced = primary !== undefined && deployment !== null && deployment !== primary.id;
  return {
    id: tail(task.taskArn),
    version: tail(task.taskDefinitionArn),
    kind: stopKindOf({
      stopCode: task.stopCode ?? null,
      reason,
      started: startedAt !== null,
      containers,
      replaced: replaced && decidedAt >= primary.createdAt,
    }),
    stopCode: task.stopCode ?? null,
    reason: redactAws(reason),
    startedAt,
    stoppedAt,
    containers: containers.map((one) => ({ ...one, reason: one.reason === null ? null : redactAws(one.reason) })),
    final: task.lastStatus === 'STOPPED',
    deployment,
  };
}

/** What a task reserves: the task's own figures, or the sum of its containers' on EC2; null where nothing is reserved. */
export function sizeOf(task: Task): TaskSize {
  const sum = (values: readonly (string | undefined)[]): number | null => {
    const total = values.reduce((all, value) => all + (Number(value) || 0), 0);
    return total > 0 ? total : null;
  };
  const containers = task.containers ?? [];
  return {
    version: tail(task.taskDefinitionArn),
    cpuUnits: sum([task.cpu]) ?? sum(containers.map(({ cpu }) => cpu)),
    memoryMiB:
      sum([task.memory]) ?? sum(containers.map(({ memory, memoryReservation }) => memory ?? memoryReservation)),
  };
}
