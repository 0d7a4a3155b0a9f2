/** A small ECS for tests: services and tasks in the SDK's shapes, behind the calls that the source makes. */

import type { Deployment, Service, ServiceEvent, Task } from '@aws-sdk/client-ecs';
import { RunbookdError } from '../../../model/errors.ts';
import type { Aws, AwsAction, AwsCalls } from '../calls.ts';
import { AwsCause } from '../errors.ts';

export const ACCOUNT = '123456789012';
export const CLUSTER = 'rastup-prod';

type Handlers = { [A in AwsAction]?: (input: AwsCalls[A]['input']) => Omit<AwsCalls[A]['output'], '$metadata'> };

export interface FakeAws extends Aws {
  readonly calls: { readonly action: AwsAction; readonly input: unknown }[];
  readonly handlers: Handlers;
  /** Throws AWS_DENIED for these. */
  readonly denied: Set<AwsAction>;
}

export function fakeAws(handlers: Handlers = {}): FakeAws {
  const calls: { action: AwsAction; input: unknown }[] = [];
  const denied = new Set<AwsAction>();
  return {
    account: { name: 'default', region: 'us-east-1', roleArn: null, externalId: null, endpoint: null },
    calls,
    handlers,
    denied,
    async call(action, input, signal) {
      signal.throwIfAborted();
      calls.push({ action, input });
      if (denied.has(action)) throw deny(action);
      const handler = handlers[action] as ((input: unknown) => object) | undefined;
      if (handler === undefined) throw new RunbookdError('AWS_FAILED', ['AWS us-east-1', action, 'not in this fake']);
      return { $metadata: {}, ...handler(input) } as never;
    },
    close: () => undefined,
  };
}

export function deny(action: AwsAction): RunbookdError {
  const cause = new AwsCause(action, 'AccessDeniedException', 400, 'not authorized');
  return new RunbookdError('AWS_DENIED', ['AWS us-east-1', action], cause);
}

export const taskArn = (id: string): string => `arn:aws:ecs:us-east-1:${ACCOUNT}:task/${CLUSTER}/${id}`;
export const definitionArn = (version: string): string => `arn:aws:ecs:us-east-1:${ACCOUNT}:task-definition/${version}`;
export const digest = (letter: string): string => `sha256:${letter.repeat(64)}`;

export function deployment(id: string, version: string, createdAt: number, more: Partial<Deployment> = {}): Deployment {
  return {
    id: `ecs-svc/${id}`,
    status: 'PRIMARY',
    taskDefinition: definitionArn(version),
    desiredCount: 2,
    pendingCount: 0,
    runningCount: 2,
    failedTasks: 0,
    createdAt: new Date(createdAt),
    updatedAt: new Date(createdAt),
    launchType: 'FARGATE',
    rolloutState: 'COMPLETED',
    rolloutStateReason: `ECS deployment ecs-svc/${id} completed.`,
    ...more,
  };
}

/** As ECS: what runs is of the wanted revision, of one container, image `a`. */
export function task(id: string, version: string, deploymentId: string, at: number, more: Partial<Task> = {}): Task {
  return {
    taskArn: taskArn(id),
    taskDefinitionArn: definitionArn(version),
    startedBy: `ecs-svc/${deploymentId}`,
    desiredStatus: 'RUNNING',
    lastStatus: 'RUNNING',
    healthStatus: 'UNKNOWN',
    availabilityZone: 'us-east-1a',
    cpu: '512',
    memory: '1024',
    createdAt: new Date(at),
    startedAt: new Date(at + 20_000),
    containers: [{ name: 'api', imageDigest: digest('a'), lastStatus: 'RUNNING' }],
    overrides: { containerOverrides: [{ name: 'api', environment: [{ name: 'DB_PASSWORD', value: 'hunter2' }] }] },
    ...more,
  };
}

/** The same task, ended. */
export function stopped(of: Task, at: number, more: Partial<Task> & { readonly exitCode?: number } = {}): Task {
  const { exitCode, ...rest } = more;
  return {
    ...of,
    desiredStatus: 'STOPPED',
    lastStatus: 'STOPPED',
    stopCode: 'EssentialContainerExited',
    stoppedReason: 'Essential container in task exited',
    stoppingAt: new Date(at - 1000),
    stoppedAt: new Date(at),
    executionStoppedAt: new Date(at),
    containers: [{ name: 'api', imageDigest: digest('a'), lastStatus: 'STOPPED', exitCode: exitCode ?? 1 }],
    ...rest,
  };
}

export const event = (at: number, message: string): ServiceEvent => ({
  id: `${at}-${message.length}`,
  createdAt: new Date(at),
  message,
});

export interface FakeService {
  service: Service;
  tasks: Task[];
}

export function service(name: string, more: Partial<Service> = {}): Service {
  return {
    serviceName: name,
    serviceArn: `arn:aws:ecs:us-east-1:${ACCOUNT}:service/${CLUSTER}/${name}`,
    status: 'ACTIVE',
    desiredCount: 2,
    runningCount: 2,
    pendingCount: 0,
    launchType: 'FARGATE',
    deploymentConfiguration: { deploymentCircuitBreaker: { enable: true, rollback: true } },
    loadBalancers: [
      { targetGroupArn: `arn:aws:elasticloadbalancing:us-east-1:${ACCOUNT}:targetgroup/api/fedcba9876543210` },
    ],
    deployments: [],
    events: [],
    ...more,
  };
}

/** Answers from `services`, within the limits of the API: 10 services, 100 tasks a call, 100 a page. */
export function fakeEcs(services: Map<string, FakeService>): FakeAws {
  return fakeAws({
    'ecs:DescribeServices': ({ services: names = [] }) => {
      if (names.length > 10) throw new Error('more than ten services');
      return {
        services: names.flatMap((name) => services.get(name)?.service ?? []),
        failures: names
          .filter((name) => !services.has(name))
          .map((name) => ({ arn: `arn:aws:ecs:us-east-1:${ACCOUNT}:service/${CLUSTER}/${name}`, reason: 'MISSING' })),
      };
    },
    'ecs:ListTasks': ({ serviceName = '', desiredStatus, nextToken }) => {
      const all = (services.get(serviceName)?.tasks ?? []).filter((one) => one.desiredStatus === desiredStatus);
      const from = Number(nextToken ?? 0);
      const more = all.length > from + 100 ? { nextToken: String(from + 100) } : {};
      return { taskArns: all.slice(from, from + 100).flatMap((one) => one.taskArn ?? []), ...more };
    },
    'ecs:DescribeTasks': ({ tasks: arns = [] }) => {
      if (arns.length > 100) throw new Error('more than a hundred tasks');
      const all = [...services.values()].flatMap(({ tasks }) => tasks);
      return {
        tasks: arns.flatMap((arn) => all.filter((one) => one.taskArn === arn || one.taskArn?.endsWith(`/${arn}`))),
      };
    },
  });
}
