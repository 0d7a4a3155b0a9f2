/** A cluster of ECS: its instances, and whether there is room on them. */

import { hash, hexId } from './random.ts';
import type { ClusterSpec } from './types.ts';

export interface Capacity {
  readonly from?: number;
  readonly to?: number;
  readonly lacks: 'cpu' | 'memory' | 'ports' | 'network-interfaces' | 'instances' | 'fargate-capacity' | 'quota' | null;
  readonly draining?: number;
  readonly disconnected?: number;
  /** Why the Auto Scaling group cannot grow; null: it is at its maximum. */
  readonly scalingFailure?: string | null;
}

export interface ClusterFacts extends Required<ClusterSpec> {
  readonly autoScalingGroup: string | null;
  readonly instanceIds: readonly string[];
}

export interface ClusterModel {
  readonly facts: ClusterFacts;
  capacities: readonly (Capacity & { readonly from: number; to: number })[];
  capacityAt(at: number): Capacity | null;
}

export function createCluster(spec: ClusterSpec, seed: number): ClusterModel {
  const launchType = spec.launchType ?? 'EC2';
  const instances = launchType === 'EC2' ? (spec.instances ?? 10) : 0;
  const model: ClusterModel = {
    facts: {
      cluster: spec.cluster,
      launchType,
      containerInsights: spec.containerInsights ?? 'enhanced',
      instances,
      instanceCpuUnits: spec.instanceCpuUnits ?? 4096,
      instanceMemoryMiB: spec.instanceMemoryMiB ?? 15_500,
      maxInstances: spec.maxInstances ?? instances + 2,
      autoScalingGroup: launchType === 'EC2' ? `${spec.cluster}-cluster` : null,
      instanceIds: Array.from(
        { length: instances },
        (_, index) => `i-0${hexId(`${seed}/${spec.cluster}/${index}`, 16)}`,
      ),
    },
    capacities: [],
    capacityAt: (at) => model.capacities.findLast(({ from, to }) => from <= at && at < to) ?? null,
  };
  return model;
}

/** Texts of the ECS developer guide, "Amazon ECS service event messages". */
export function noRoom(cluster: ClusterModel, capacity: Capacity | null): string | null {
  if (capacity === null || capacity.lacks === null) return null;
  const more = 'For more information, see the Troubleshooting section of the Amazon ECS Developer Guide.';
  const instance = hexId(
    `${cluster.facts.instanceIds[hash(1, 2) % Math.max(1, cluster.facts.instances)] ?? ''}/ci`,
    32,
  );
  const closest = (lacks: string): string =>
    'was unable to place a task because no container instance met all of its requirements. The closest matching ' +
    `(container-instance ${instance}) ${lacks}. ${more}`;
  switch (capacity.lacks) {
    case 'cpu':
      return closest('has insufficient CPU units available');
    case 'memory':
      return closest('has insufficient memory available');
    case 'ports':
      return closest('is already using a port required by your task');
    case 'network-interfaces':
      return closest('encountered error "RESOURCE:ENI"');
    case 'instances':
      return `was unable to place a task because no container instance met all of its requirements. Reason: No Container Instances were found in your cluster. ${more}`;
    case 'fargate-capacity':
      return 'was unable to place a task. Reason: Capacity is unavailable at this time. Please try again later or in a different availability zone.';
    case 'quota':
      return "was unable to place a task. Reason: You've reached the limit on the number of vCPUs you can run concurrently.";
  }
}
