/** Every metric of a fleet, found by name or listed. */

import { DATABASE_METRICS } from './database-model.ts';
import type { Fleet } from './fleet.ts';
import { type Dimensions, latencyStats, type Metric, type MetricName, single } from './metric.ts';
import { albMetric, albNames } from './metrics-alb.ts';
import { appMetric, appNames } from './metrics-app.ts';
import { ecsMetric, ecsNames, insightsMetric, insightsNames } from './metrics-ecs.ts';
import type { QueueModel, QueueSlot } from './queue-model.ts';
import { hashText } from './random.ts';

export interface Catalogue {
  /** Null for a metric that does not exist; CloudWatch answers it with no points and no error. */
  find(namespace: string, name: string, dimensions: Dimensions): Metric | null;
  /** In a stable order. Tasks that ran since `from`. */
  list(namespace: string | undefined, name: string | undefined, from: number, to: number): readonly MetricName[];
}

const SQS: Readonly<
  Record<string, { readonly unit: string; readonly of: (slot: QueueSlot) => ReturnType<typeof single> }>
> = {
  ApproximateNumberOfMessagesVisible: { unit: 'Count', of: ({ visible }) => single(visible) },
  ApproximateNumberOfMessagesNotVisible: { unit: 'Count', of: ({ inFlight }) => single(inFlight) },
  ApproximateNumberOfMessagesDelayed: { unit: 'Count', of: () => single(0) },
  ApproximateAgeOfOldestMessage: { unit: 'Seconds', of: ({ ageSeconds }) => single(ageSeconds) },
  NumberOfMessagesSent: { unit: 'Count', of: ({ sent }) => single(sent) },
  NumberOfMessagesReceived: { unit: 'Count', of: ({ received }) => single(received) },
  NumberOfMessagesDeleted: { unit: 'Count', of: ({ deleted }) => single(deleted) },
};
const DEAD: Readonly<Record<string, (slot: QueueSlot) => number>> = {
  ApproximateNumberOfMessagesVisible: ({ dead }) => dead,
  ApproximateNumberOfMessagesNotVisible: () => 0,
  ApproximateAgeOfOldestMessage: ({ dead }) => (dead > 0 ? 60 : 0),
};
const LAMBDA: Readonly<Record<string, (slot: QueueSlot) => ReturnType<typeof single>>> = {
  Invocations: ({ invocations }) => (invocations === 0 ? null : single(invocations)),
  Errors: ({ invocations, invocationErrors }) => (invocations === 0 ? null : single(invocationErrors)),
  Throttles: ({ invocations, throttles }) => (invocations + throttles === 0 ? null : single(throttles)),
  ConcurrentExecutions: ({ invocations, concurrency }) => (invocations === 0 ? null : single(concurrency)),
};

export function createCatalogue(fleet: Fleet): Catalogue {
  const found = new Map<string, Metric | null>();

  function make(namespace: string, name: string, dimensions: Dimensions): Metric | null {
    switch (namespace) {
      case 'AWS/ApplicationELB':
        return albMetric(fleet, name, dimensions);
      case 'AWS/ECS':
        return ecsMetric(fleet, name, dimensions);
      case 'ECS/ContainerInsights':
        return insightsMetric(fleet, name, dimensions);
      case 'Rastup/App':
        return appMetric(fleet, name, dimensions);
      case 'AWS/RDS': {
        const model = fleet.databases.get(dimensions['DBInstanceIdentifier'] ?? '');
        const unit = Object.hasOwn(DATABASE_METRICS, name) ? DATABASE_METRICS[name] : undefined;
        if (model === undefined || unit === undefined || Object.keys(dimensions).length !== 1) return null;
        return { namespace, name, unit, stats: (start, length) => single(model.value(name, start, length)) };
      }
      case 'AWS/SQS':
        return sqsMetric(name, dimensions);
      case 'AWS/Lambda':
        return lambdaMetric(name, dimensions);
      default:
        return null;
    }
  }

  function sqsMetric(name: string, dimensions: Dimensions): Metric | null {
    const queue = dimensions['QueueName'];
    if (queue === undefined || Object.keys(dimensions).length !== 1) return null;
    const base = { namespace: 'AWS/SQS', name };
    const model = fleet.queues.get(queue);
    if (model !== undefined && Object.hasOwn(SQS, name)) {
      const { unit, of } = SQS[name]!;
      return { ...base, unit, stats: (start, length) => of(model.slot(start, length)) };
    }
    const owner = [...fleet.queues.values()].find(({ facts }) => facts.deadLetter === queue);
    if (owner === undefined || !Object.hasOwn(DEAD, name)) return null;
    return { ...base, unit: 'Count', stats: (start, length) => single(DEAD[name]!(owner.slot(start, length))) };
  }

  function lambdaMetric(name: string, dimensions: Dimensions): Metric | null {
    const lambda = dimensions['FunctionName'];
    const model = [...fleet.queues.values()].find(({ facts }) => facts.lambda !== null && facts.lambda === lambda);
    if (model === undefined || Object.keys(dimensions).length !== 1) return null;
    const base = { namespace: 'AWS/Lambda', name };
    if (Object.hasOwn(LAMBDA, name)) {
      return { ...base, unit: 'Count', stats: (start, length) => LAMBDA[name]!(model.slot(start, length)) };
    }
    return name === 'Duration' ? durationOf(model, base) : null;
  }

  return {
    find: (namespace, name, dimensions) => {
      const key = `${namespace}\n${name}\n${Object.keys(dimensions)
        .sort()
        .map((dimension) => `${dimension}=${dimensions[dimension]}`)
        .join('\n')}`;
      const known = found.get(key);
      if (known !== undefined) return known;
      const metric = make(namespace, name, dimensions);
      if (found.size > 200_000) found.clear();
      found.set(key, metric);
      return metric;
    },
    list: (namespace, name, from, to) => {
      const names: MetricName[] = [];
      const wanted = (known: string): boolean => namespace === undefined || namespace === known;
      if (wanted('AWS/ApplicationELB')) names.push(...albNames(fleet, name));
      if (wanted('AWS/ECS')) names.push(...ecsNames(fleet, name));
      if (wanted('ECS/ContainerInsights')) names.push(...insightsNames(fleet, name, from, to));
      if (wanted('Rastup/App')) names.push(...appNames(fleet, name));
      const plain = (of: string, metrics: readonly string[], dimensions: Dimensions): void => {
        if (!wanted(of)) return;
        for (const metric of metrics)
          if (name === undefined || metric === name) names.push({ namespace: of, name: metric, dimensions });
      };
      for (const { facts } of fleet.databases.values()) {
        const metrics = Object.keys(DATABASE_METRICS).filter(
          (metric) => metric !== 'ReplicaLag' || facts.replicaOf !== null,
        );
        plain('AWS/RDS', metrics, { DBInstanceIdentifier: facts.instance });
      }
      for (const { facts } of fleet.queues.values()) {
        plain('AWS/SQS', Object.keys(SQS), { QueueName: facts.queue });
        if (facts.deadLetter !== null) plain('AWS/SQS', Object.keys(DEAD), { QueueName: facts.deadLetter });
        if (facts.lambda !== null)
          plain('AWS/Lambda', [...Object.keys(LAMBDA), 'Duration'], { FunctionName: facts.lambda });
      }
      return names;
    },
  };
}

function durationOf(model: QueueModel, base: { readonly namespace: string; readonly name: string }): Metric {
  return {
    ...base,
    unit: 'Milliseconds',
    components: (start, length) => model.slot(start, length).duration,
    stats: (start, length) => {
      const { duration, invocations } = model.slot(start, length);
      return latencyStats(duration, invocations, hashText(base.name), start);
    },
  };
}

/** Whether anything was published in a window, for RecentlyActive. */
export function isActive(metric: Metric, from: number, to: number): boolean {
  // A look at every tenth minute: a metric that was active for less than that may be missed, as CloudWatch says it may.
  for (let at = Math.floor(to / 60_000) * 60_000 - 60_000; at >= from; at -= 600_000) {
    if (metric.stats(at, 60_000) !== null) return true;
  }
  return false;
}
