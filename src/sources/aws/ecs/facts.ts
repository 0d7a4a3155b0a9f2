/** What DescribeServices says of a service, as plain data with our words. */

import type { Service, TaskSet } from '@aws-sdk/client-ecs';
import type { EcsDeployment, EcsEvent, EcsServiceAnswer } from '../../../model/aws.ts';
import type { EpochMs } from '../../../model/glossary.ts';
import { redactAws } from '../errors.ts';
import { eventKindOf } from './event-kind.ts';

export interface ServiceFacts {
  readonly status: string;
  readonly desired: number;
  readonly running: number;
  readonly pending: number;
  readonly launchType: string;
  /** Names of the capacity providers that it may use; empty with a launch type. */
  readonly providers: readonly string[];
  readonly onInstances: boolean;
  readonly version: string;
  /** The wanted one first. */
  readonly deployments: readonly EcsDeployment[];
  /** Newest first, at most 100. */
  readonly events: readonly EcsEvent[];
  readonly controller: EcsServiceAnswer['controller'];
  readonly circuitBreaker: EcsServiceAnswer['circuitBreaker'];
  /** ECS takes a failed deployment back by itself, by the circuit breaker or by an alarm. */
  readonly rollsBack: boolean;
  readonly targetGroupArns: readonly string[];
}

/** Last part of an ARN: `api:512` of a task definition, the id of a task. */
export function tail(arn: string | undefined): string {
  return arn?.slice(arn.lastIndexOf('/') + 1) ?? '';
}

export function timeOf(date: Date | undefined): EpochMs | null {
  const at = date?.getTime();
  return at === undefined || Number.isNaN(at) ? null : at;
}

const ROLLOUTS: Readonly<Record<string, EcsDeployment['rollout']>> = {
  IN_PROGRESS: 'in_progress',
  COMPLETED: 'completed',
  FAILED: 'failed',
};

const CONTROLLERS: Readonly<Record<string, ServiceFacts['controller']>> = {
  CODE_DEPLOY: 'code-deploy',
  EXTERNAL: 'external',
};

export function factsOf(service: Service): ServiceFacts {
  const strategy = service.capacityProviderStrategy ?? service.deployments?.[0]?.capacityProviderStrategy ?? [];
  const providers = strategy.flatMap(({ capacityProvider }) => capacityProvider ?? []);
  const launchType = providers[0] ?? service.launchType ?? service.deployments?.[0]?.launchType ?? 'EC2';
  const configuration = service.deploymentConfiguration;
  const breaker = configuration?.deploymentCircuitBreaker;
  const deployments = deploymentsOf(service);
  const primary = deployments.find(({ status }) => status === 'PRIMARY');
  return {
    status: service.status ?? 'UNKNOWN',
    desired: service.desiredCount ?? 0,
    running: service.runningCount ?? 0,
    pending: service.pendingCount ?? 0,
    launchType,
    providers,
    onInstances: !/^(FARGATE|FARGATE_SPOT|EXTERNAL)$/.test(launchType),
    version: primary?.version ?? tail(service.taskDefinition),
    deployments,
    events: (service.events ?? [])
      .flatMap(({ createdAt, message }): readonly EcsEvent[] => {
        const at = timeOf(createdAt);
        if (at === null || message === undefined) return [];
        return [{ at, kind: eventKindOf(message), message: redactAws(message) }];
      })
      .toSorted((a, b) => b.at - a.at),
    controller: CONTROLLERS[service.deploymentController?.type ?? ''] ?? 'ecs',
    circuitBreaker:
      breaker === undefined ? null : { enabled: breaker.enable ?? false, rollback: breaker.rollback ?? false },
    rollsBack:
      (breaker?.enable === true && breaker.rollback === true) ||
      (configuration?.alarms?.enable === true && configuration.alarms.rollback === true),
    targetGroupArns: (service.loadBalancers ?? service.taskSets?.[0]?.loadBalancers ?? []).flatMap(
      ({ targetGroupArn }) => targetGroupArn ?? [],
    ),
  };
}

function deploymentsOf(service: Service): readonly EcsDeployment[] {
  const order = (one: EcsDeployment): number => (one.status === 'PRIMARY' ? Number.POSITIVE_INFINITY : one.createdAt);
  const rolling = (service.deployments ?? []).map(
    (one): EcsDeployment => ({
      id: one.id ?? '',
      status: one.status ?? '',
      version: tail(one.taskDefinition),
      createdAt: timeOf(one.createdAt) ?? 0,
      updatedAt: timeOf(one.updatedAt) ?? timeOf(one.createdAt) ?? 0,
      desired: one.desiredCount ?? 0,
      pending: one.pendingCount ?? 0,
      running: one.runningCount ?? 0,
      failed: one.failedTasks ?? 0,
      rollout: ROLLOUTS[one.rolloutState ?? ''] ?? null,
      rolloutReason: one.rolloutStateReason === undefined ? null : redactAws(one.rolloutStateReason),
    }),
  );
  const all = rolling.length > 0 ? rolling : (service.taskSets ?? []).map(taskSetDeployment);
  return all.filter(({ id }) => id !== '').toSorted((a, b) => order(b) - order(a));
}

/** CodeDeploy and external controllers have task sets instead, which know no rollout state. */
function taskSetDeployment(set: TaskSet): EcsDeployment {
  return {
    id: set.id ?? '',
    status: set.status ?? '',
    version: tail(set.taskDefinition),
    createdAt: timeOf(set.createdAt) ?? 0,
    updatedAt: timeOf(set.updatedAt) ?? timeOf(set.createdAt) ?? 0,
    desired: set.computedDesiredCount ?? 0,
    pending: set.pendingCount ?? 0,
    running: set.runningCount ?? 0,
    failed: 0,
    rollout: null,
    rolloutReason: null,
  };
}

/** AWS refuses requests that are signed five minutes off: its clock is no further ahead of ours than that. */
export const AHEAD_MS = 15 * 60_000;

/** What lies in the future and cannot be: what is taken for the newest then would hide all that comes. Null for nothing. */
export function futureIn({ events, deployments }: ServiceFacts, now: EpochMs): string | null {
  if (events.some(({ at }) => at > now + AHEAD_MS)) return 'an event of the service lies in the future';
  if (deployments.some(({ createdAt }) => createdAt > now + AHEAD_MS)) return 'a deployment lies in the future';
  return null;
}

export function primaryOf(facts: Pick<ServiceFacts, 'deployments'>): EcsDeployment | undefined {
  return facts.deployments.find(({ status }) => status === 'PRIMARY');
}

/**
 * Controllers without a rollout state: done when only one is left and all its tasks run. A task set of CodeDeploy is not
 * PRIMARY before the traffic goes to it.
 */
export function rolloutOf(deployment: EcsDeployment, facts: ServiceFacts): 'in_progress' | 'completed' | 'failed' {
  if (deployment.rollout !== null) return deployment.rollout;
  if (facts.deployments.length === 1) return deployment.running >= deployment.desired ? 'completed' : 'in_progress';
  return facts.deployments.some(({ createdAt }) => createdAt > deployment.createdAt) ? 'completed' : 'in_progress';
}

/** The deployment that is being brought out; one that was overtaken is not. */
export function inProgress(facts: ServiceFacts): EcsDeployment | undefined {
  return facts.deployments.find(
    (one) => rolloutOf(one, facts) === 'in_progress' && (one.status === 'PRIMARY' || one.rollout === null),
  );
}
