/** What can be ordered of a service of ECS, and what there is to see of it. */

import type { StopContext, StopDetail, StopReason } from './ecs-stops.ts';

export interface Task {
  readonly id: string;
  readonly ordinal: number;
  /** Which of the wanted tasks it is: 0 … desired − 1. */
  readonly place: number;
  readonly deployment: string;
  readonly revision: number;
  readonly zone: number;
  readonly createdAt: number;
  readonly pullAt: number;
  /** Infinity while not known to happen, here and below. */
  startedAt: number;
  healthyAt: number;
  stoppingAt: number;
  stoppedAt: number;
  stop: StopDetail | null;
  accounted: boolean;
  /** A rollback takes the tasks of the old revision over. */
  adopted: { readonly at: number; readonly deployment: string } | null;
}

/** The deployment that a task belongs to at a time. */
export const ownerOf = (task: Task, at: number): string =>
  task.adopted !== null && task.adopted.at <= at ? task.adopted.deployment : task.deployment;

export interface DeploymentChange {
  readonly at: number;
  readonly status: 'PRIMARY' | 'ACTIVE' | 'INACTIVE';
  readonly rollout: 'IN_PROGRESS' | 'COMPLETED' | 'FAILED';
  readonly reason: string;
}

export interface Deployment {
  readonly id: string;
  readonly revision: number;
  readonly createdAt: number;
  readonly changes: DeploymentChange[];
  readonly failedAt: number[];
  readonly order: DeployOrder | null;
  /** Between two batches; a deployment is never complete sooner. */
  readonly paceMs: number;
  /** Of a rollback: the deployment that failed. */
  readonly rollbackOf: string | null;
  readonly source: { readonly id: string; readonly revision: number } | null;
}

interface Pace {
  /** From the order to RUNNING, and from there to a healthy target. Defaults 20 and 20. */
  readonly startSeconds?: number;
  readonly healthSeconds?: number;
}

export interface DeployOrder extends Pace {
  readonly kind: 'deploy';
  readonly at: number;
  readonly revision: number;
  /**
   * `fails-rollback`: its tasks stop, the circuit breaker takes it back. `stuck`: its tasks stay PENDING, or stop again
   * and again where `tasksFail` says how. `never-healthy`: its tasks run, fail the load balancer's checks, are replaced.
   */
  readonly outcome: 'completes' | 'fails-rollback' | 'stuck' | 'never-healthy';
  readonly tasksFail?: StopReason;
  /** Between two batches of new tasks; default 30. */
  readonly everySeconds?: number;
  /** How long a failing task lives after RUNNING; default 15. */
  readonly failAfterSeconds?: number;
  /** Until the load balancer gives a task of `never-healthy` up; default 90. */
  readonly graceSeconds?: number;
}

export interface CrashOrder extends Pace {
  readonly kind: 'crash';
  readonly at: number;
  readonly to: number;
  /** A task lives so long, ±10 %; default 30. */
  readonly afterSeconds?: number;
  readonly reason: StopReason;
  /** How many of the wanted tasks; default all. */
  readonly tasks?: number;
  readonly given?: { readonly [K in keyof StopDetail]?: StopDetail[K] | undefined };
}

export interface LeakOrder {
  readonly kind: 'leak';
  readonly at: number;
  readonly to: number;
  /** Memory at the start and its slope, as ratios. */
  readonly base: number;
  readonly slopePerHour: number;
  readonly revision: number | null;
}

export interface StopOrder {
  readonly kind: 'stop';
  readonly at: number;
  readonly task?: string;
  readonly count?: number;
  readonly reason: StopReason;
  readonly given?: { readonly [K in keyof StopDetail]?: StopDetail[K] | undefined };
}

export interface ScaleOrder {
  readonly kind: 'scale';
  readonly at: number;
  readonly desired: number;
}

export interface UnhealthyOrder {
  readonly kind: 'unhealthy';
  readonly at: number;
  readonly to: number;
  readonly tasks?: number;
  readonly reason: 'Target.Timeout' | 'Target.ResponseCodeMismatch' | 'Target.FailedHealthChecks';
  readonly description: string;
  /** Whether ECS replaces such tasks, as it does after the grace period; then after so many seconds. */
  readonly replaceAfterSeconds?: number;
}

export type Order = DeployOrder | CrashOrder | LeakOrder | StopOrder | ScaleOrder | UnhealthyOrder;

export interface MachineOptions {
  readonly seed: number;
  readonly service: string;
  readonly desired: number;
  readonly revision: number;
  readonly startedAt: number;
  readonly circuitBreaker: boolean;
  readonly port: number;
  context(deployment: string, revision: number, ordinal: number): StopContext;
  /** The event's text when there is no room for another task at that time; null when there is. */
  noRoom(at: number): string | null;
}

export interface EcsEventRecord {
  readonly id: string;
  readonly at: number;
  readonly message: string;
}

/** At one time. */
export interface MachineState {
  readonly desired: number;
  readonly deployments: readonly Deployment[];
  readonly circuitBreaker: boolean;
}

export const NEVER = Number.POSITIVE_INFINITY;
