/**
 * What the AWS sources can answer, as plain data. Times are epoch milliseconds, sizes bytes unless the name says MiB,
 * CPU in ECS units (1024 = one vCPU). Texts from AWS and from logs are redacted and cut by the source.
 */

import type { EpochMs, Interval } from './glossary.ts';

/**
 * Why a task stopped, from stopCode, stoppedReason and the containers' exit codes and reasons:
 * `out-of-memory` only where ECS says OutOfMemoryError; exit 137 while the scheduler stops the task is `slow-shutdown`
 * (SIGKILL after the stop timeout); `image-pull`, `secrets` and `start-failed` never reached RUNNING; `scaling`,
 * `deployment` and `user` are on purpose.
 */
export type StopKind =
  | 'out-of-memory'
  | 'slow-shutdown'
  | 'essential-container-exited'
  | 'health-check-failed'
  | 'image-pull'
  | 'secrets'
  | 'start-failed'
  | 'spot'
  | 'host'
  | 'scaling'
  | 'deployment'
  | 'user'
  | 'other';

export interface StoppedTask {
  /** Last part of the task's ARN. */
  readonly id: string;
  /** `family:revision`. */
  readonly version: string;
  readonly kind: StopKind;
  readonly stopCode: string | null;
  /** As ECS gives it, redacted, at most 300 characters. */
  readonly reason: string;
  readonly startedAt: EpochMs | null;
  readonly stoppedAt: EpochMs;
  readonly containers: readonly {
    readonly name: string;
    readonly exitCode: number | null;
    readonly reason: string | null;
  }[];
}

export interface RunningTask {
  readonly id: string;
  readonly version: string;
  readonly status: string;
  readonly health: 'healthy' | 'unhealthy' | 'unknown';
  readonly zone: string | null;
  readonly createdAt: EpochMs | null;
  readonly startedAt: EpochMs | null;
  /** Digests of its images, sorted. */
  readonly images: readonly string[];
}

export interface EcsDeployment {
  readonly id: string;
  /** PRIMARY is the wanted one; ACTIVE ones are being drained. */
  readonly status: string;
  readonly version: string;
  readonly createdAt: EpochMs;
  readonly updatedAt: EpochMs;
  readonly desired: number;
  readonly pending: number;
  readonly running: number;
  readonly failed: number;
  /** Null with controllers other than ECS' rolling update. */
  readonly rollout: 'in_progress' | 'completed' | 'failed' | null;
  readonly rolloutReason: string | null;
}

export type EcsEventKind =
  | 'steady'
  | 'start-impaired'
  | 'placement-failure'
  | 'configuration-failure'
  | 'deployment-started'
  | 'deployment-completed'
  | 'deployment-failed'
  | 'rollback'
  | 'unhealthy'
  | 'throttled'
  | 'other';

export interface EcsEvent {
  readonly at: EpochMs;
  readonly kind: EcsEventKind;
  /** At most 300 characters. */
  readonly message: string;
}

/** A service of ECS: what is wanted, what runs, what stopped, what is being deployed. */
export interface EcsServiceAnswer {
  readonly at: EpochMs;
  readonly cluster: string;
  readonly service: string;
  readonly status: string;
  readonly desired: number;
  readonly running: number;
  readonly pending: number;
  /** `FARGATE`, `EC2`, `EXTERNAL`, or the capacity provider's name. */
  readonly launchType: string;
  readonly taskCpuUnits: number | null;
  readonly taskMemoryMiB: number | null;
  /** `family:revision` that is wanted now. */
  readonly version: string;
  /** Who brings versions out: with others than ECS, UpdateService takes no task definition and no restart. */
  readonly controller: 'ecs' | 'code-deploy' | 'external';
  /**
   * Revisions that served, newest first: a revision that was brought out twice is there twice. Which one to go back to
   * depends on when the trouble began.
   */
  readonly versions: readonly {
    readonly version: string;
    /** Null where only its tasks are known. */
    readonly completedAt: EpochMs | null;
    /** Null: since before what is known. */
    readonly servedFrom: EpochMs | null;
    /** When the next one was brought out; null while it is the wanted one. */
    readonly servedUntil: EpochMs | null;
    /** It failed, or ECS took it back. */
    readonly failed: boolean;
  }[];
  readonly deployments: readonly EcsDeployment[];
  /** Set when the circuit breaker or an alarm took a deployment back in the window. */
  readonly rolledBack: {
    readonly at: Interval;
    readonly from: string;
    readonly to: string;
    readonly reason: string;
  } | null;
  readonly circuitBreaker: { readonly enabled: boolean; readonly rollback: boolean } | null;
  /** Newest first, over the question's window, at most 50. */
  readonly events: readonly EcsEvent[];
  /** Running and pending tasks, at most 200. */
  readonly tasks: readonly RunningTask[];
  /** Tasks that stopped in the window, newest first, at most 100; ours are kept for 24 h, ECS shows them for one. */
  readonly stopped: readonly StoppedTask[];
  /** Oldest first, over the question's window. */
  readonly history: readonly {
    readonly at: EpochMs;
    readonly desired: number;
    readonly running: number;
    readonly pending: number;
  }[];
  /** Seconds after which ECS kills a task that takes too long to stop; null when not known. */
  readonly stopTimeoutSeconds: number | null;
}

/** Whether the cluster has room for another task of the service. */
export interface EcsCapacityAnswer {
  readonly at: EpochMs;
  readonly cluster: string;
  /** Fargate has no instances: then only quotas and placement failures tell. */
  readonly onInstances: boolean;
  readonly instances: number;
  readonly draining: number;
  readonly disconnected: number;
  /** Largest room on any one instance; null on Fargate. */
  readonly largestFreeCpuUnits: number | null;
  readonly largestFreeMemoryMiB: number | null;
  readonly neededCpuUnits: number | null;
  readonly neededMemoryMiB: number | null;
  /** Instances that could take one more task; null on Fargate. */
  readonly fitting: number | null;
  readonly autoScalingGroup: {
    readonly name: string;
    readonly desired: number;
    readonly maximum: number;
    readonly inService: number;
    /** Newest first, at most 10. */
    readonly failures: readonly { readonly at: EpochMs; readonly reason: string }[];
  } | null;
  /** Newest first, over the question's window. */
  readonly placementFailures: readonly {
    readonly at: EpochMs;
    readonly lacks:
      | 'cpu'
      | 'memory'
      | 'ports'
      | 'network-interfaces'
      | 'instances'
      | 'fargate-capacity'
      | 'quota'
      | 'other';
    readonly message: string;
  }[];
}

export interface TargetHealth {
  /** Instance id or address, as registered. */
  readonly id: string;
  readonly zone: string | null;
  readonly state: 'healthy' | 'unhealthy' | 'initial' | 'draining' | 'unused' | 'unavailable';
  /** `Target.Timeout`, `Target.ResponseCodeMismatch`, `Target.FailedHealthChecks`…; null when healthy. */
  readonly reason: string | null;
  readonly description: string | null;
}

export interface TargetGroupAnswer {
  readonly at: EpochMs;
  readonly targetGroup: string;
  readonly targetGroupArn: string;
  readonly targets: readonly TargetHealth[];
  readonly healthy: number;
  readonly unhealthy: number;
  /** `GET /health on port 8080, expects 200`. */
  readonly healthCheck: string | null;
  /** `idle_timeout.timeout_seconds` of the load balancer; null when not readable. */
  readonly idleTimeoutSeconds: number | null;
}

/** What a log message says, by words that the common runtimes and clients use. */
export type LogKind =
  | 'pool-timeout'
  | 'database-refused'
  | 'database-timeout'
  | 'database-error'
  | 'name-resolution'
  | 'refused'
  | 'timeout'
  | 'rate-limited'
  | 'out-of-memory'
  | 'authentication'
  | 'tls'
  | 'exception'
  | 'other';

/** Messages that differ only in numbers, ids, quoted values and the like. */
export interface LogTemplate {
  /** At most 200 characters, variable parts replaced by `<*>`, redacted. */
  readonly template: string;
  readonly kind: LogKind;
  /** Host that the message names, if any. */
  readonly host: string | null;
  /** Messages from the onset on, and in the time before it of the window. */
  readonly count: number;
  readonly before: number;
  readonly firstAt: EpochMs;
  readonly lastAt: EpochMs;
}

export interface LogErrorsAnswer {
  readonly from: EpochMs;
  readonly to: EpochMs;
  readonly logGroup: string;
  /** True when the deadline or the page cap ended the reading: counts are of what was read. */
  readonly partial: boolean;
  readonly count: number;
  readonly before: number;
  /** Seconds that `before` covers, so that rates can be compared. */
  readonly beforeSeconds: number;
  /** Grown most first, at most 20. */
  readonly templates: readonly LogTemplate[];
  /** Error messages from the onset on, by task id, where the stream's name ends with one. */
  readonly byTask: Readonly<Record<string, number>>;
}

export interface RdsInstanceAnswer {
  readonly at: EpochMs;
  readonly instance: string;
  /** `available`, `rebooting`, `storage-full`, `stopped`, `modifying`, `failed`… */
  readonly status: string;
  readonly engine: string;
  readonly version: string;
  readonly instanceClass: string;
  readonly multiAz: boolean;
  readonly allocatedGiB: number | null;
  readonly pending: readonly string[];
  readonly host: string | null;
  readonly port: number | null;
  /** Newest first, over the question's window, at most 20. */
  readonly events: readonly {
    readonly at: EpochMs;
    readonly message: string;
    readonly categories: readonly string[];
  }[];
}

/** Whether the security groups of the instance still let the database's port in. */
export interface RdsNetworkAnswer {
  readonly at: EpochMs;
  readonly instance: string;
  readonly port: number;
  readonly groups: readonly {
    readonly id: string;
    /** Sources that may reach the port: `sg-0123…`, `10.0.0.0/16`, `pl-…`. */
    readonly allows: readonly string[];
  }[];
  /** Rules for the port that were seen in the last 24 h and are not there any more. */
  readonly lost: readonly {
    readonly group: string;
    readonly source: string;
    readonly seenAt: EpochMs;
    readonly lostBy: EpochMs;
  }[];
}

/** What hands the messages of a queue to a function: an event source mapping of Lambda. */
export interface EventSourceMapping {
  /** Its UUID; empty where AWS gave something else. */
  readonly id: string;
  readonly state: 'enabled' | 'disabled' | 'creating' | 'enabling' | 'disabling' | 'updating' | 'deleting' | 'other';
  /** Who changed it last, as AWS says it (`USER_INITIATED`), redacted; null where it says nothing. */
  readonly reason: string | null;
  /** When it was changed last, or its state changed. */
  readonly changedAt: EpochMs | null;
  /** Most messages of one run. */
  readonly batchSize: number | null;
  /** Most runs at once; null when it has no limit of its own. */
  readonly maximumConcurrency: number | null;
}

export interface LambdaFunctionAnswer {
  readonly at: EpochMs;
  readonly name: string;
  /** Null when none is reserved. */
  readonly reservedConcurrency: number | null;
  readonly accountConcurrency: number;
  readonly accountUnreserved: number;
  /** Those of the queue alone, by id; empty when nothing hands it the queue's messages; null when they cannot be read. */
  readonly eventSources: readonly EventSourceMapping[] | null;
}

export interface SqsQueueAnswer {
  readonly at: EpochMs;
  readonly queue: string;
  readonly url: string;
  readonly visible: number;
  readonly inFlight: number;
  readonly delayed: number;
  readonly visibilityTimeoutSeconds: number;
  readonly maxReceives: number | null;
  readonly deadLetterQueue: string | null;
  readonly deadLetters: number | null;
}
