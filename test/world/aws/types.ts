/** What a fleet is made of, and what can befall it. Shares are 0..1, times epoch ms, latencies seconds. */

import type { LatencyShape } from './latency.ts';

export interface EndpointSpec {
  readonly name: string;
  /** Of the service's requests; the shares of a service are scaled to 1. */
  readonly share: number;
  readonly latencyFactor?: number;
}

export interface ServiceSpec {
  /** As the application names itself in its own metrics: `api`. */
  readonly name: string;
  /** Default `<name>-service`. */
  readonly ecsService?: string;
  readonly cluster: string;
  /** Mean of the working day. */
  readonly requestsPerMinute: number;
  readonly tasks?: number;
  /** Share of 5xx answers without a fault. */
  readonly errorShare?: number;
  readonly latency?: LatencyShape;
  /** Ratios at the mean traffic. */
  readonly cpu?: number;
  readonly memory?: number;
  readonly taskCpuUnits?: number;
  readonly taskMemoryMiB?: number;
  readonly loadBalancer?: string;
  readonly targetGroup?: string;
  readonly logGroup?: string;
  readonly logFormat?: 'text' | 'json';
  readonly endpoints?: readonly EndpointSpec[];
  /** Hosts that it calls, with the share of requests that call them. */
  readonly dependencies?: Readonly<Record<string, number>>;
  readonly queriesPerRequest?: number;
  /** Mean seconds of one statement. */
  readonly secondsPerQuery?: number;
  /** Revision of the task definition that runs at the beginning; default 511. */
  readonly revision?: number;
  readonly circuitBreaker?: boolean;
  readonly idleTimeoutSeconds?: number;
}

export interface DatabaseSpec {
  readonly instance: string;
  readonly replicaOf?: string;
  readonly instanceClass?: string;
  readonly engineVersion?: string;
  readonly allocatedGiB?: number;
  readonly storageType?: 'gp2' | 'gp3';
  readonly connections?: number;
  readonly cpu?: number;
  readonly host?: string;
  readonly port?: number;
  readonly securityGroup?: string;
}

export interface QueueSpec {
  readonly queue: string;
  readonly deadLetter?: string;
  readonly lambda?: string;
  readonly messagesPerMinute?: number;
  /** What the consumer can work off at most. */
  readonly capacityPerMinute?: number;
  readonly visibilityTimeoutSeconds?: number;
  readonly maxReceives?: number;
  readonly reservedConcurrency?: number | null;
  /** Of the event source; default 10. */
  readonly batchSize?: number;
  /** Of the event source: most runs at once. Sets the capacity, where none is given. */
  readonly maximumConcurrency?: number;
  /** Time limit of the function; default 30. */
  readonly timeoutSeconds?: number;
  /** How long a run takes. */
  readonly runMs?: { readonly p50: number; readonly p95: number; readonly p99: number };
}

export interface ClusterSpec {
  readonly cluster: string;
  readonly launchType?: 'FARGATE' | 'EC2';
  readonly containerInsights?: 'disabled' | 'enabled' | 'enhanced';
  /** EC2 only. */
  readonly instances?: number;
  readonly instanceCpuUnits?: number;
  readonly instanceMemoryMiB?: number;
  readonly maxInstances?: number;
}

export interface FleetOptions {
  readonly seed: number;
  readonly services: readonly ServiceSpec[];
  readonly databases?: readonly DatabaseSpec[];
  readonly queues?: readonly QueueSpec[];
  readonly clusters: readonly ClusterSpec[];
  /** When it was brought up: no metric, log line or event is older. Give at least 14 days for a seasonal baseline. */
  readonly startedAt: number;
  readonly timeZone?: string;
  /** What "now" is for faults without a time, and for those that are taken back. Default: the system's clock. */
  readonly now?: () => number;
}

/** Which requests of the service an effect touches; all given must hold. */
export interface Scope {
  readonly zone?: string;
  readonly task?: string;
  readonly endpoint?: string;
  /** Tasks of this version, `family:revision` or the revision alone. */
  readonly version?: string;
}

export interface ServiceEffects {
  /** Further 5xx answers. */
  readonly errors?: Scope & { readonly share: number; readonly status?: number };
  readonly latency?: Scope & {
    /** Of the whole distribution. */
    readonly factor?: number;
    readonly addSeconds?: number;
    /** Of the slow end alone: p50 stays, p95 and p99 move. */
    readonly p95Factor?: number;
    readonly p95AddSeconds?: number;
  };
  /** Ratios added to the CPU of all tasks, or of one. */
  readonly cpu?: { readonly add: number; readonly task?: string };
  readonly memory?: {
    readonly add?: number;
    readonly task?: string;
    /** Ratio per hour, from the start of a task or of the condition; at 1 the task is killed, out of memory. */
    readonly slopePerHour?: number;
    /** Only tasks of this version leak. */
    readonly version?: string;
  };
  readonly requestsFactor?: number;
  /** Nobody asks: neither requests nor errors of the load balancer. */
  readonly silence?: boolean;
  /** Shares of requests that the load balancer answers by itself; 503 and 502 reach no target. */
  readonly elb?: { readonly '502'?: number; readonly '503'?: number; readonly '504'?: number };
  readonly connectionErrors?: number;
  readonly dependency?: {
    readonly host: string;
    readonly errorShare?: number;
    readonly latencyFactor?: number;
    readonly latencyAddSeconds?: number;
  };
  readonly dbQueriesFactor?: number;
  readonly dbTimeFactor?: number;
  /** Share of requests that the service answers with 429. */
  readonly rateLimited?: number;
  readonly log?: {
    readonly perMinute: number;
    /** `{n}`, `{id}`, `{ms}`, `{ip}` become different in every line. */
    readonly messages: readonly string[];
    readonly level?: 'error' | 'warn' | 'info';
    readonly task?: string;
    /** Only tasks of this version write it. */
    readonly version?: string;
  };
  /** Tasks are slow for a time after their start. */
  readonly coldTasks?: { readonly seconds: number; readonly latencyFactor: number };
}

export interface DatabaseEffects {
  readonly cpuAdd?: number;
  readonly connectionsAdd?: number;
  readonly connectionsFactor?: number;
  readonly readLatencyFactor?: number;
  readonly writeLatencyFactor?: number;
  readonly queueDepthAdd?: number;
  /** Seconds at once, and seconds per second. */
  readonly replicaLag?: { readonly addSeconds?: number; readonly growth?: number };
  readonly freeStorageBytes?: number;
  readonly freeableMemoryFactor?: number;
  readonly burstBalance?: number;
}

export interface QueueEffects {
  readonly sentFactor?: number;
  /** Of the consumer's capacity; 0: nothing is worked off. */
  readonly capacityFactor?: number;
  /** Share of messages that always fail: they go to the dead-letter queue. */
  readonly poisonShare?: number;
  /** Share of invocations that fail (their messages come back). */
  readonly errorShare?: number;
  readonly throttledShare?: number;
  readonly durationFactor?: number;
  /** Runs wait until their time limit ends them. */
  readonly hang?: boolean;
  /** What is reserved for the function: PutFunctionConcurrency. */
  readonly reserved?: number;
  /** Runs that other functions take of the account's 1,000. */
  readonly accountTaken?: number;
  /** UpdateEventSourceMapping. */
  readonly eventSource?: { readonly disabled?: boolean; readonly maximumConcurrency?: number };
  /** Errors that the function writes and gets over. */
  readonly log?: { readonly perMinute: number; readonly messages: readonly string[] };
  /** What the function writes when a run, or a message of it, fails. `{n}`, `{id}`, `{ms}` become different in every line. */
  readonly messages?: readonly string[];
}

interface During {
  readonly from?: number;
  readonly to?: number;
}

export type Condition = During &
  (
    | { readonly service: string; readonly effects: ServiceEffects }
    | { readonly database: string; readonly effects: DatabaseEffects }
    | { readonly queue: string; readonly effects: QueueEffects }
  );

/** A condition with its times filled in. `to` is set when it is taken back. */
export interface Active<E> {
  readonly from: number;
  to: number;
  readonly effects: E;
}

export const ZONES = ['a', 'b', 'c'] as const;
