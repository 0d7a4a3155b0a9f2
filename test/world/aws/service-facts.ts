/** What a service is, with its defaults filled in from the seed. */

import type { LatencyShape } from './latency.ts';
import { hash, uniform } from './random.ts';
import { type EndpointSpec, type ServiceSpec, ZONES } from './types.ts';

export interface ServiceFacts {
  readonly name: string;
  readonly ecsService: string;
  readonly cluster: string;
  readonly family: string;
  readonly requestsPerMinute: number;
  readonly tasks: number;
  readonly errorShare: number;
  readonly latency: LatencyShape;
  readonly cpu: number;
  readonly memory: number;
  readonly taskCpuUnits: number;
  readonly taskMemoryMiB: number;
  readonly loadBalancer: string;
  readonly targetGroup: string;
  readonly logGroup: string;
  readonly logFormat: 'text' | 'json';
  readonly endpoints: readonly Required<EndpointSpec>[];
  readonly dependencies: Readonly<Record<string, number>>;
  readonly queriesPerRequest: number;
  readonly secondsPerQuery: number;
  readonly revision: number;
  readonly circuitBreaker: boolean;
  readonly idleTimeoutSeconds: number;
  readonly port: number;
}

export function factsOf(spec: ServiceSpec, seed: number): ServiceFacts {
  const own = (channel: number): number => uniform(seed, 1, channel);
  const ecsService = spec.ecsService ?? `${spec.name}-service`;
  const id = hash(seed, 3).toString(16).padStart(8, '0') + hash(seed, 4).toString(16).padStart(8, '0');
  const p50 = 0.03 + 0.06 * own(11);
  const endpoints = spec.endpoints ?? [
    { name: `GET /v1/${spec.name}`, share: 0.5, latencyFactor: 0.8 },
    { name: `GET /v1/${spec.name}/{id}`, share: 0.27, latencyFactor: 0.9 },
    { name: `POST /v1/${spec.name}`, share: 0.15, latencyFactor: 1.5 },
    { name: `DELETE /v1/${spec.name}/{id}`, share: 0.08, latencyFactor: 1.2 },
  ];
  const total = endpoints.reduce((sum, { share }) => sum + share, 0);
  return {
    name: spec.name,
    ecsService,
    cluster: spec.cluster,
    family: spec.name,
    requestsPerMinute: spec.requestsPerMinute,
    tasks: spec.tasks ?? 4 + (hash(seed, 5) % 5),
    errorShare: spec.errorShare ?? 0.0005 + 0.0035 * own(12) ** 2,
    latency: spec.latency ?? { p50, p95: p50 * 3, p99: p50 * 6 },
    cpu: spec.cpu ?? 0.28 + 0.15 * own(13),
    memory: spec.memory ?? 0.42 + 0.2 * own(14),
    taskCpuUnits: spec.taskCpuUnits ?? 1024,
    taskMemoryMiB: spec.taskMemoryMiB ?? 2048,
    loadBalancer: spec.loadBalancer ?? `app/rastup-${spec.name}/${id}`,
    targetGroup: spec.targetGroup ?? `targetgroup/${spec.name}/${[...id].reverse().join('')}`,
    logGroup: spec.logGroup ?? `/aws/ecs/${spec.cluster}/${ecsService}`,
    logFormat: spec.logFormat ?? 'text',
    endpoints: endpoints.map(({ name, share, latencyFactor }) => ({
      name,
      share: share / total,
      latencyFactor: latencyFactor ?? 1,
    })),
    dependencies: spec.dependencies ?? {},
    queriesPerRequest: spec.queriesPerRequest ?? 4,
    secondsPerQuery: spec.secondsPerQuery ?? 0.0025,
    revision: spec.revision ?? 511,
    circuitBreaker: spec.circuitBreaker ?? true,
    idleTimeoutSeconds: spec.idleTimeoutSeconds ?? 60,
    port: 8080,
  };
}

/** `api:512` or `512`. */
export function revisionOf(version: string): number {
  const revision = Number(version.includes(':') ? version.slice(version.lastIndexOf(':') + 1) : version);
  if (!Number.isInteger(revision) || revision < 1)
    throw new Error(`version ${version}: expected REVISION or FAMILY:REVISION`);
  return revision;
}

/** `us-east-1b` or `b`. */
export function zoneIndex(zone: string): number | null {
  const index = (ZONES as readonly string[]).indexOf(zone.slice(-1));
  return index < 0 ? null : index;
}
