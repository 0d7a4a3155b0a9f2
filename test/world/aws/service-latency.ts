/** How long answers take in a slot, and for which requests something else holds. */

import type { Component, LatencyShape } from './latency.ts';
import { normal, wander } from './random.ts';
import { revisionOf, type ServiceFacts, zoneIndex } from './service-facts.ts';
import type { Hosts } from './service-hosts.ts';
import type { Active, Scope, ServiceEffects } from './types.ts';

type Weight = (condition: Active<ServiceEffects>) => number;

export interface LatencyReader {
  /** Share of the requests that a scope touches. */
  scopeShare(scope: Scope, hosts: Hosts, skipEndpoint?: boolean): number;
  /** Null: of all endpoints. */
  componentsOf(
    start: number,
    length: number,
    requests: number,
    load: number,
    cpu: number,
    active: readonly Active<ServiceEffects>[],
    weight: Weight,
    hosts: Hosts,
    endpoint: number | null,
  ): readonly Component[];
}

export function createLatency(seed: number, facts: ServiceFacts): LatencyReader {
  /** Share of the requests that a scope touches. */
  function scopeShare(scope: Scope, hosts: Hosts, skipEndpoint = false): number {
    let share = 1;
    if (scope.zone !== undefined) share *= zoneIndex(scope.zone) === null ? 0 : 1 / 3;
    if (scope.endpoint !== undefined && !skipEndpoint) {
      share *= facts.endpoints.find(({ name }) => name === scope.endpoint)?.share ?? 0;
    }
    if (scope.task !== undefined || scope.version !== undefined) {
      const revision = scope.version === undefined ? null : revisionOf(scope.version);
      let touched = 0;
      hosts.tasks.forEach((task, index) => {
        if ((scope.task === undefined || task.id === scope.task) && (revision === null || task.revision === revision)) {
          touched += hosts.shares[index]!;
        }
      });
      share *= touched;
    }
    return share;
  }

  function componentsOf(
    start: number,
    length: number,
    requests: number,
    load: number,
    cpu: number,
    active: readonly Active<ServiceEffects>[],
    weight: (condition: Active<ServiceEffects>) => number,
    hosts: Hosts,
    endpoint: number | null,
  ): readonly Component[] {
    const channel = length / 1_000;
    const queueing = cpu > 0.75 ? 1 + 2 * ((cpu - 0.75) / 0.25) ** 2 : 1;
    const level =
      (1 + 0.1 * (load - 1)) *
      queueing *
      (1 + 0.02 * wander(seed ^ 0x55, start, 2_400_000)) *
      Math.max(0.5, 1 + 0.028 * normal(seed, start, channel, 11)) *
      (endpoint === null ? 1 : facts.endpoints[endpoint]!.latencyFactor);
    const stretch = Math.max(0.7, 1 + 0.025 * normal(seed, start, channel, 12));
    const base: LatencyShape = {
      p50: facts.latency.p50 * level,
      p95: facts.latency.p95 * level * stretch,
      p99: facts.latency.p99 * level * stretch,
    };
    const changes: { readonly share: number; readonly apply: (shape: LatencyShape) => LatencyShape }[] = [];
    for (const condition of active) {
      const { latency, coldTasks } = condition.effects;
      if (
        latency !== undefined &&
        (endpoint === null || latency.endpoint === undefined || latency.endpoint === facts.endpoints[endpoint]!.name)
      ) {
        const share = weight(condition) * scopeShare(latency, hosts, endpoint !== null);
        changes.push({ share, apply: (shape) => slower(shape, latency) });
      }
      if (coldTasks !== undefined) {
        const share = coldShare(hosts, start, start + length, coldTasks.seconds) * weight(condition);
        changes.push({ share, apply: (shape) => slower(shape, { factor: coldTasks.latencyFactor }) });
      }
    }
    // What holds for every request changes the base; what holds for some splits them off.
    let common = base;
    for (const { share, apply } of changes) if (share >= 0.999) common = apply(common);
    const partial = changes.filter(({ share }) => share > 0.0005 && share < 0.999);
    const taken = Math.min(
      1,
      partial.reduce((sum, { share }) => sum + share, 0),
    );
    const components: Component[] = partial.map(({ share, apply }) => ({ ...apply(common), weight: requests * share }));
    if (taken < 1) components.push({ ...common, weight: requests * (1 - taken) });
    return components;
  }

  function coldShare(hosts: Hosts, start: number, end: number, seconds: number): number {
    let share = 0;
    hosts.tasks.forEach((task, index) => {
      const overlap = Math.min(end, task.startedAt + seconds * 1_000) - Math.max(start, task.startedAt);
      if (overlap > 0) share += hosts.shares[index]! * Math.min(1, overlap / (end - start));
    });
    return share;
  }

  return { scopeShare, componentsOf };
}

function slower(shape: LatencyShape, effect: NonNullable<ServiceEffects['latency']>): LatencyShape {
  const { factor = 1, addSeconds = 0, p95Factor = 1, p95AddSeconds = 0 } = effect;
  const p50 = shape.p50 * factor + addSeconds;
  const p95 = (shape.p95 * factor + addSeconds) * p95Factor + p95AddSeconds;
  const p99 = (shape.p99 * factor + addSeconds) * p95Factor + p95AddSeconds;
  return { p50, p95: Math.max(p50 * 1.02, p95), p99: Math.max(p50 * 1.03, p95 * 1.01, p99) };
}
