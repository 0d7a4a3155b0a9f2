/** No room for another task: tasks are wanted and cannot be placed, told apart by what is lacking. */

import type { EcsCapacityAnswer, Judged, SlotValues, TargetKind } from '../../model/index.ts';
import type { AnyProbe, Hypothesis } from '../detector.ts';
import { aroundOnset, ask, probe } from '../detector.ts';
import { neutral, opposes, supports } from '../evidence.ts';
import { clockTime, count, plural, safeName } from '../format.ts';
import { ecsQuestion } from './service-questions.ts';

export { capacityMitigations } from './capacity-mitigations.ts';

export type CapacityVariant = 'cpu' | 'memory' | 'network' | 'instances' | 'fargate';

type Lack = EcsCapacityAnswer['placementFailures'][number]['lacks'];

interface Spec {
  readonly title: string;
  readonly lacks: readonly Lack[];
  readonly prior: number;
  /** For RULED OUT. */
  readonly none: string;
  readonly mitigations: readonly string[];
}

const ON_INSTANCES = ['cluster-capacity', 'scale-cluster', 'container-instances', 'scaling-activities'];

const VARIANTS: Readonly<Record<CapacityVariant, Spec>> = {
  cpu: {
    title: 'no instance has enough free CPU for another task',
    lacks: ['cpu'],
    prior: 0.05,
    none: 'CPU is not what is lacking',
    mitigations: ON_INSTANCES,
  },
  memory: {
    title: 'no instance has enough free memory for another task',
    lacks: ['memory'],
    prior: 0.05,
    none: 'memory is not what is lacking',
    mitigations: ON_INSTANCES,
  },
  network: {
    title: 'no instance has a free port or network interface for another task',
    lacks: ['ports', 'network-interfaces'],
    prior: 0.02,
    none: 'ports and network interfaces are not what is lacking',
    mitigations: ON_INSTANCES,
  },
  instances: {
    title: 'the cluster has no instance that takes tasks',
    lacks: ['instances'],
    prior: 0.03,
    none: 'instances are there',
    mitigations: ['container-instances', 'scale-cluster', 'scaling-activities', 'cluster-capacity'],
  },
  fargate: {
    title: 'Fargate gives no more tasks: its capacity in the zone, or a quota of the account',
    lacks: ['fargate-capacity', 'quota'],
    prior: 0.03,
    none: 'Fargate is not what is lacking',
    mitigations: ['service-events', 'fargate-quotas', 'scale-cluster'],
  },
};

export interface CapacityOptions {
  readonly on?: 'self' | TargetKind;
  readonly variants?: readonly CapacityVariant[];
  readonly priorScale?: number;
}

/** The variants as hypotheses; spread `capacityMitigations` into the detector's mitigations beside them. */
export function capacityHypotheses(options: CapacityOptions = {}): readonly Hypothesis[] {
  const { on = 'self', variants = Object.keys(VARIANTS) as readonly CapacityVariant[], priorScale = 1 } = options;
  return variants.map((variant) => {
    const spec = VARIANTS[variant];
    return {
      cause: 'capacity-exhausted',
      variant,
      title: `Capacity exhausted: ${spec.title}`,
      prior: spec.prior * priorScale,
      on,
      requires: ['placement'],
      probes: [placementProbe(spec), roomProbe(variant), wantedProbe()],
      mitigations: spec.mitigations,
    };
  });
}

function placementProbe(spec: Spec): AnyProbe {
  return probe({
    id: 'placement',
    factor: 'placement',
    title: 'tasks that could not be placed',
    ask: (_symptom, facts) => ask('ecs.capacity', facts, {}, aroundOnset(facts, 60 * 60_000)),
    also: (_symptom, facts) => [ecsQuestion(facts)],
    judge(capacity, _symptom, facts, answered): Judged {
      const failures = capacity.placementFailures.filter((one) => one.at >= facts.onset.earliest - 15 * 60_000);
      const mine = failures.filter((one) => spec.lacks.includes(one.lacks));
      const [last] = mine;
      if (last === undefined) {
        if (failures.length > 0) return opposes(5, `tasks cannot be placed, but ${spec.none}`, { headline: spec.none });
        // ECS tells the same failure once in six hours: that none is new is no proof.
        return opposes(2, 'no new placement failure is known', { headline: 'no placement failure' });
      }
      const ecs = answered(ecsQuestion(facts));
      const missing = ecs === null ? 1 : Math.max(1, ecs.desired - ecs.running - ecs.pending);
      const observed = `${plural(mine.length, 'placement failure')}, the last at ${clockTime(last.at)}: ${safeName(essenceOf(last.message), 200)}`;
      return supports(5.5, observed, { headline: LACKS[last.lacks], slots: groupSlots(capacity, missing) });
    },
  });
}

/** What an event of ECS says beyond what all such events say: the page has room for one line of it. */
function essenceOf(message: string): string {
  return message
    .replace(/^\(service [^)]*\) /, '')
    .replace(/^was unable to place a task because no container instance met all of its requirements\.\s*/, '')
    .replace(/\s*For more information, see .*$/s, '');
}

const LACKS: Readonly<Record<Lack, string>> = {
  cpu: 'no instance has enough CPU',
  memory: 'no instance has enough memory',
  ports: 'no instance has the port free',
  'network-interfaces': 'no instance has a network interface free',
  instances: 'no instance takes tasks',
  'fargate-capacity': 'Fargate has no capacity in the zone',
  quota: 'a quota of the account is reached',
  other: 'tasks cannot be placed',
};

/** The group and its new size: one instance for what is missing, more where one holds few tasks, never over its maximum. */
function groupSlots(capacity: EcsCapacityAnswer, missingTasks: number): SlotValues {
  const group = capacity.autoScalingGroup;
  if (group === null) return {};
  const wanted = Math.min(group.maximum, group.desired + Math.max(1, Math.ceil(missingTasks / 2)));
  return { autoScalingGroup: group.name, ...(wanted > group.desired ? { instanceCount: wanted } : {}) };
}

/** What each instance has left beside what a task needs. */
function roomProbe(variant: CapacityVariant): AnyProbe {
  return probe({
    id: 'room',
    factor: 'room',
    title: 'room for another task on the instances of the cluster',
    ask: (_symptom, facts) => ask('ecs.capacity', facts, {}, aroundOnset(facts, 60 * 60_000)),
    judge(capacity): Judged {
      const { onInstances, instances, fitting } = capacity;
      if (!onInstances) {
        return variant === 'fargate'
          ? neutral('the tasks run on Fargate')
          : opposes(5, 'the tasks run on Fargate, not on instances', { headline: 'on Fargate' });
      }
      if (variant === 'fargate')
        return opposes(5, 'the tasks run on instances, not on Fargate', { headline: 'not on Fargate' });
      const slots = { slots: groupSlots(capacity, 1) };
      const usable = instances - capacity.draining - capacity.disconnected;
      if (usable <= 0) {
        const observed = `${plural(instances, 'instance')}, ${capacity.draining} draining, ${capacity.disconnected} disconnected: none takes tasks`;
        return variant === 'instances' ? supports(2.5, observed, slots) : neutral(observed, slots);
      }
      if (fitting !== null && fitting > 0) {
        const observed = `${fitting} of ${plural(instances, 'instance')} have room for another task`;
        return opposes(variant === 'network' ? 1.5 : 3.5, observed, {
          headline: `${fitting} of ${instances} instances have room`,
        });
      }
      const free = freeText(variant, capacity);
      if (free === null) return neutral(`${plural(instances, 'instance')}, none with room for another task`, slots);
      return free.lacks
        ? supports(2, `${free.text}${limitText(capacity)}`, slots)
        : opposes(2, free.text, { headline: free.text });
    },
  });
}

function freeText(variant: CapacityVariant, capacity: EcsCapacityAnswer) {
  const { largestFreeCpuUnits: cpu, largestFreeMemoryMiB: memory, neededCpuUnits, neededMemoryMiB } = capacity;
  if (variant === 'cpu' && cpu !== null && neededCpuUnits !== null) {
    return {
      lacks: cpu < neededCpuUnits,
      text: `a task needs ${count(neededCpuUnits)} CPU units, most free on an instance are ${count(cpu)}`,
    };
  }
  if (variant === 'memory' && memory !== null && neededMemoryMiB !== null) {
    return {
      lacks: memory < neededMemoryMiB,
      text: `a task needs ${count(neededMemoryMiB)} MiB of memory, most free on an instance are ${count(memory)}`,
    };
  }
  return null;
}

/** Why the group does not grow by itself. */
function limitText({ autoScalingGroup: group }: EcsCapacityAnswer): string {
  if (group === null) return '';
  const failure = group.failures[0];
  if (failure !== undefined) return `; ${safeName(group.name, 60)} could not grow: ${safeName(failure.reason, 120)}`;
  return group.desired >= group.maximum ? `; ${safeName(group.name, 60)} is at its maximum of ${group.maximum}` : '';
}

/** Where all wanted tasks run, nothing is lacking. */
function wantedProbe(): AnyProbe {
  return probe({
    id: 'missing-tasks',
    factor: 'running',
    title: 'tasks that are wanted and do not run',
    ask: (_symptom, facts) => ecsQuestion(facts),
    judge({ running, desired, deployments }) {
      const observed = `${running} of ${plural(desired, 'task')} run`;
      const waits = deployments.some((one) => one.running < one.desired);
      if (running < desired) return supports(0.5, observed);
      return waits ? neutral(observed) : opposes(2, observed, { headline: observed });
    },
  });
}
