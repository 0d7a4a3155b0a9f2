/**
 * AWS/ECS and ECS/ContainerInsights. Service utilisation is published while a task runs; Container Insights counts tasks
 * always, and has metrics of single tasks (dimensions ClusterName, ServiceName, TaskId) with enhanced observability.
 */

import type { Task } from './ecs-orders.ts';
import type { Fleet } from './fleet.ts';
import { type Dimensions, type Metric, type MetricName, type Stats, single, spread } from './metric.ts';
import type { ServiceModel, Slot } from './service-model.ts';

const running = (slot: Slot): readonly Task[] =>
  slot.tasks.filter((task) => task.startedAt < slot.start + slot.length && task.stoppedAt > slot.start);

const cpuOf = (model: ServiceModel, slot: Slot): readonly number[] =>
  running(slot).map((task) => 100 * model.taskCpu(task, slot));
const memoryOf = (model: ServiceModel, slot: Slot): readonly number[] =>
  running(slot).map((task) => 100 * model.memory(task, slot));

type Of = (model: ServiceModel, slot: Slot) => Stats | null;

const ECS: Readonly<Record<string, Of>> = {
  CPUUtilization: (model, slot) => spread(cpuOf(model, slot)),
  MemoryUtilization: (model, slot) => spread(memoryOf(model, slot)),
};

const total = (values: readonly number[], of: number): Stats | null =>
  values.length === 0 ? null : single(values.reduce((sum, value) => sum + (value / 100) * of, 0));

const middle = (slot: Slot): number => slot.start + slot.length / 2;

const INSIGHTS: Readonly<Record<string, { readonly unit: string; readonly of: Of }>> = {
  CpuUtilized: { unit: 'None', of: (model, slot) => total(cpuOf(model, slot), model.facts.taskCpuUnits) },
  CpuReserved: { unit: 'None', of: (model, slot) => reserved(slot, model.facts.taskCpuUnits) },
  MemoryUtilized: { unit: 'Megabytes', of: (model, slot) => total(memoryOf(model, slot), model.facts.taskMemoryMiB) },
  MemoryReserved: { unit: 'Megabytes', of: (model, slot) => reserved(slot, model.facts.taskMemoryMiB) },
  RunningTaskCount: {
    unit: 'Count',
    of: (_, slot) =>
      single(running(slot).filter((task) => task.stoppedAt > middle(slot) && task.startedAt <= middle(slot)).length),
  },
  PendingTaskCount: {
    unit: 'Count',
    of: (model, slot) => {
      const at = middle(slot);
      return single(
        model.machine.tasks(at, at + 1).filter((task) => task.startedAt > at && task.stoppingAt > at).length,
      );
    },
  },
  DesiredTaskCount: { unit: 'Count', of: (model, slot) => single(model.machine.state(middle(slot)).desired) },
  DeploymentCount: {
    unit: 'Count',
    of: (model, slot) => {
      const at = middle(slot);
      const { deployments } = model.machine.state(at);
      return single(
        deployments.filter(({ changes }) => changes.findLast((c) => c.at <= at)?.status !== 'INACTIVE').length,
      );
    },
  },
};

const reserved = (slot: Slot, each: number): Stats | null => {
  const count = running(slot).length;
  return count === 0 ? null : single(count * each);
};

const ENHANCED: Readonly<Record<string, (model: ServiceModel, task: Task, slot: Slot) => number>> = {
  TaskCpuUtilization: (model, task, slot) => 100 * model.taskCpu(task, slot),
  TaskMemoryUtilization: (model, task, slot) => 100 * model.memory(task, slot),
};

export function ecsMetric(fleet: Fleet, name: string, dimensions: Dimensions): Metric | null {
  const { ClusterName: cluster, ServiceName: service, ...rest } = dimensions;
  const of = Object.hasOwn(ECS, name) ? ECS[name] : undefined;
  if (of === undefined || cluster === undefined || service === undefined || Object.keys(rest).length > 0) return null;
  const model = fleet.serviceByEcs(cluster, service);
  if (model === undefined) return null;
  return {
    unit: 'Percent',
    namespace: 'AWS/ECS',
    name,
    stats: (start, length) => of(model, model.slot(start, length)),
  };
}

export function insightsMetric(fleet: Fleet, name: string, dimensions: Dimensions): Metric | null {
  const { ClusterName: cluster, ServiceName: service, TaskId: id, ...rest } = dimensions;
  if (cluster === undefined || service === undefined || Object.keys(rest).length > 0) return null;
  const model = fleet.serviceByEcs(cluster, service);
  const insights = fleet.clusters.get(cluster)?.facts.containerInsights;
  if (model === undefined || insights === undefined || insights === 'disabled') return null;
  const base = { namespace: 'ECS/ContainerInsights', name };
  if (Object.hasOwn(INSIGHTS, name) && id === undefined) {
    const { unit, of } = INSIGHTS[name]!;
    return { ...base, unit, stats: (start, length) => of(model, model.slot(start, length)) };
  }
  if (!Object.hasOwn(ENHANCED, name) || insights !== 'enhanced') return null;
  const of = ENHANCED[name]!;
  return {
    ...base,
    unit: 'Percent',
    stats: (start, length) => {
      const slot = model.slot(start, length);
      const tasks = running(slot).filter((task) => id === undefined || task.id === id);
      return spread(tasks.map((task) => of(model, task, slot)));
    },
  };
}

export function* ecsNames(fleet: Fleet, name: string | undefined): Generator<MetricName> {
  for (const { facts } of fleet.services.values()) {
    for (const metric of Object.keys(ECS)) {
      if (name !== undefined && metric !== name) continue;
      yield {
        namespace: 'AWS/ECS',
        name: metric,
        dimensions: { ClusterName: facts.cluster, ServiceName: facts.ecsService },
      };
    }
  }
}

/** Metrics of tasks that ran since `from` are listed. */
export function* insightsNames(
  fleet: Fleet,
  name: string | undefined,
  from: number,
  to: number,
): Generator<MetricName> {
  const namespace = 'ECS/ContainerInsights';
  for (const model of fleet.services.values()) {
    const { cluster, ecsService } = model.facts;
    const insights = fleet.clusters.get(cluster)?.facts.containerInsights;
    if (insights === undefined || insights === 'disabled') continue;
    const dimensions = { ClusterName: cluster, ServiceName: ecsService };
    for (const metric of Object.keys(INSIGHTS)) {
      if (name === undefined || metric === name) yield { namespace, name: metric, dimensions };
    }
    if (insights !== 'enhanced') continue;
    for (const metric of Object.keys(ENHANCED)) {
      if (name !== undefined && metric !== name) continue;
      yield { namespace, name: metric, dimensions };
      for (const task of model.machine.tasks(from, to)) {
        if (task.startedAt < to) yield { namespace, name: metric, dimensions: { ...dimensions, TaskId: task.id } };
      }
    }
  }
}
