/**
 * Whether the cluster has room for one more task of a service: container instances with what is left on them, the Auto
 * Scaling group that they come from, and what ECS said when it found no place. On Fargate only the last.
 */

import type { AutoScalingGroup } from '@aws-sdk/client-auto-scaling';
import type { ContainerInstance } from '@aws-sdk/client-ecs';
import type { EcsCapacityAnswer } from '../../../model/aws.ts';
import type { EpochMs } from '../../../model/glossary.ts';
import type { Window } from '../../../model/question.ts';
import type { OnUnseen } from '../alb/targets.ts';
import type { Aws } from '../calls.ts';
import { redactAws } from '../errors.ts';
import { lacksOf } from './event-kind.ts';
import { type ServiceFacts, timeOf } from './facts.ts';
import { A_HUNDRED } from './reader.ts';
import type { TaskSize } from './task-facts.ts';

const MAX_PAGES = 5;
const MAX_FAILURES = 10;
const MAX_PLACEMENT_FAILURES = 20;
const ACTIVITIES_MS = 24 * 60 * 60_000;

export interface CapacityQuestion {
  readonly cluster: string;
  readonly facts: ServiceFacts;
  readonly size: TaskSize | null;
  readonly window: Window;
  readonly now: EpochMs;
}

/**
 * Rejects as `Aws.call` does; the Auto Scaling group is null where it may not be read.
 *
 * @param onUnseen is told why it is null then
 */
export async function capacityAnswer(
  aws: Aws,
  { cluster, facts, size, window, now }: CapacityQuestion,
  signal: AbortSignal,
  onUnseen: OnUnseen = () => undefined,
): Promise<EcsCapacityAnswer> {
  const need = { cpuUnits: size?.cpuUnits ?? null, memoryMiB: size?.memoryMiB ?? null };
  const placementFailures = facts.events
    .filter(({ kind, at }) => kind === 'placement-failure' && at >= window.from && at <= window.to)
    .slice(0, MAX_PLACEMENT_FAILURES)
    .map(({ at, message }) => ({ at, lacks: lacksOf(message), message }));
  const common = {
    at: now,
    cluster,
    neededCpuUnits: need.cpuUnits,
    neededMemoryMiB: need.memoryMiB,
    placementFailures,
  };
  if (!facts.onInstances) {
    return {
      ...common,
      onInstances: false,
      instances: 0,
      draining: 0,
      disconnected: 0,
      largestFreeCpuUnits: null,
      largestFreeMemoryMiB: null,
      fitting: null,
      autoScalingGroup: null,
    };
  }
  const instances = ofProviders(await containerInstances(aws, cluster, signal), facts);
  const autoScalingGroup = await groupAnswer(aws, cluster, instances.list, now, signal).catch((error: unknown) => {
    if (signal.aborted) throw error;
    onUnseen(error);
    return null;
  });
  return {
    ...common,
    onInstances: true,
    ...roomOf(instances.list, need),
    ...(instances.total > instances.list.length ? { instances: instances.total } : {}),
    autoScalingGroup,
  };
}

interface Instances {
  readonly list: readonly ContainerInstance[];
  /** More than the list when that was cut. */
  readonly total: number;
}

async function containerInstances(aws: Aws, cluster: string, signal: AbortSignal): Promise<Instances> {
  const list: ContainerInstance[] = [];
  let nextToken: string | undefined;
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const input = { cluster, maxResults: A_HUNDRED, ...(nextToken === undefined ? {} : { nextToken }) };
    const answer = await aws.call('ecs:ListContainerInstances', input, signal);
    const containerInstances = answer.containerInstanceArns ?? [];
    if (containerInstances.length > 0) {
      const described = await aws.call('ecs:DescribeContainerInstances', { cluster, containerInstances }, signal);
      list.push(...(described.containerInstances ?? []));
    }
    nextToken = answer.nextToken;
    if (nextToken === undefined) return { list, total: list.length };
  }
  const answer = await aws.call('ecs:DescribeClusters', { clusters: [cluster] }, signal);
  return { list, total: answer.clusters?.[0]?.registeredContainerInstancesCount ?? list.length };
}

/** A service with capacity providers is only placed on their instances. */
function ofProviders(instances: Instances, { providers }: ServiceFacts): Instances {
  if (providers.length === 0) return instances;
  const list = instances.list.filter(({ capacityProviderName }) => providers.includes(capacityProviderName ?? ''));
  return { list, total: list.length };
}

/** By CPU and memory only: ports, network interfaces and placement constraints may still stand in the way. */
export function roomOf(
  list: readonly ContainerInstance[],
  need: { readonly cpuUnits: number | null; readonly memoryMiB: number | null },
): Pick<
  EcsCapacityAnswer,
  'instances' | 'draining' | 'disconnected' | 'largestFreeCpuUnits' | 'largestFreeMemoryMiB' | 'fitting'
> {
  const draining = list.filter(({ status }) => status === 'DRAINING');
  const active = list.filter(({ status }) => status === 'ACTIVE');
  const usable = active.filter(({ agentConnected }) => agentConnected === true);
  const free = usable.map((one) => ({ cpuUnits: remaining(one, 'CPU'), memoryMiB: remaining(one, 'MEMORY') }));
  const known = need.cpuUnits !== null || need.memoryMiB !== null;
  const fits = free.filter((room) => room.cpuUnits >= (need.cpuUnits ?? 0) && room.memoryMiB >= (need.memoryMiB ?? 0));
  return {
    instances: list.length,
    draining: draining.length,
    disconnected: active.length - usable.length,
    largestFreeCpuUnits: Math.max(0, ...free.map((room) => room.cpuUnits)),
    largestFreeMemoryMiB: Math.max(0, ...free.map((room) => room.memoryMiB)),
    fitting: known || free.length === 0 ? fits.length : null,
  };
}

function remaining(instance: ContainerInstance, resource: string): number {
  return instance.remainingResources?.find(({ name }) => name === resource)?.integerValue ?? 0;
}

/**
 * The group that holds one of the instances. Without any instance: the only one that ECS manages (it tags those) whose
 * name holds the cluster's; a guess would put another group into a command.
 */
async function groupOf(
  aws: Aws,
  cluster: string,
  list: readonly ContainerInstance[],
  signal: AbortSignal,
): Promise<AutoScalingGroup | null> {
  const ids = new Set(list.flatMap(({ ec2InstanceId }) => ec2InstanceId ?? []));
  const candidates: AutoScalingGroup[] = [];
  let NextToken: string | undefined;
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const input = { MaxRecords: A_HUNDRED, ...(NextToken === undefined ? {} : { NextToken }) };
    const answer = await aws.call('autoscaling:DescribeAutoScalingGroups', input, signal);
    for (const group of answer.AutoScalingGroups ?? []) {
      if (group.Instances?.some(({ InstanceId }) => ids.has(InstanceId ?? '')) === true) return group;
      const managed = group.Tags?.some(({ Key }) => Key === 'AmazonECSManaged') === true;
      if (managed && group.AutoScalingGroupName?.toLowerCase().includes(cluster.toLowerCase()) === true) {
        candidates.push(group);
      }
    }
    NextToken = answer.NextToken;
    if (NextToken === undefined) break;
  }
  return ids.size === 0 && candidates.length === 1 ? (candidates[0] ?? null) : null;
}

/** Null also where it may not be read: the room in the cluster stands without it. */
async function groupAnswer(
  aws: Aws,
  cluster: string,
  list: readonly ContainerInstance[],
  now: EpochMs,
  signal: AbortSignal,
): Promise<EcsCapacityAnswer['autoScalingGroup']> {
  const group = await groupOf(aws, cluster, list, signal);
  if (group === null) return null;
  const name = group.AutoScalingGroupName ?? '';
  const input = { AutoScalingGroupName: name, MaxRecords: A_HUNDRED };
  const { Activities = [] } = await aws.call('autoscaling:DescribeScalingActivities', input, signal);
  return {
    name,
    desired: group.DesiredCapacity ?? 0,
    maximum: group.MaxSize ?? 0,
    inService: (group.Instances ?? []).filter(({ LifecycleState }) => LifecycleState === 'InService').length,
    failures: Activities.filter(({ StatusCode }) => StatusCode === 'Failed' || StatusCode === 'Cancelled')
      .flatMap(({ StartTime, StatusMessage, Cause }) => {
        const at = timeOf(StartTime);
        if (at === null || at < now - ACTIVITIES_MS) return [];
        return [{ at, reason: redactAws(StatusMessage ?? Cause ?? '') }];
      })
      .toSorted((a, b) => b.at - a.at)
      .slice(0, MAX_FAILURES),
  };
}
