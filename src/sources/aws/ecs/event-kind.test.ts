import { expect, test } from 'vitest';
import type { EcsEventKind } from '../../../model/aws.ts';
import { deploymentOf, eventKindOf, lacksOf } from './event-kind.ts';

const TG = 'arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/api/4d2246e3635cc45b';
const NO_PLACE = '(service api) was unable to place a task because no container instance met all of its requirements.';
const MORE = 'For more information, see the Troubleshooting section of the Amazon ECS Developer Guide.';

// From the developer guide's "service event messages" and from answers of real accounts.
const KINDS: readonly (readonly [EcsEventKind, string])[] = [
  ['steady', '(service api) has reached a steady state.'],
  ['other', `(service api) deregistered 2 targets in (target-group ${TG})`],
  ['other', `(service api) registered 2 targets in (target-group ${TG})`],
  ['other', '(service api) has begun draining connections on 2 tasks.'],
  ['other', '(service api) has stopped 2 running tasks: (task 9d85800c30b349039d104d52b506b930).'],
  ['other', '(service api) has started 2 tasks: (task 8378fd0fc0d744109128c8d6a0b71524).'],
  ['other', '(service api) stopped 2 pending tasks.'],
  ['other', '(service api) is AZ balanced with 2 tasks in eu-central-1a, 2 tasks in eu-central-1c.'],
  [
    'unhealthy',
    `(service api) (task 9d85800c30b349039d104d52b506b930) (port 8080) is unhealthy in (target-group ${TG}) due to (reason Health checks failed with these codes: [503]).`,
  ],
  [
    'unhealthy',
    '(service api) (instance i-0abc) is unhealthy in (elb api) due to (reason Instance has failed at least the UnhealthyThreshold number of health checks consecutively.)',
  ],
  ['unhealthy', '(service api) (task 60a736a708f44dfcb1191e0771825ad5) failed container health checks.'],
  [
    'unhealthy',
    '(service api) has started 2 tasks: (task 8378fd0fc0d744109128c8d6a0b71524). Amazon ECS replaced 2 tasks due to an unhealthy status.',
  ],
  ['deployment-completed', '(service api) (deployment ecs-svc/1111111111111111111) deployment completed.'],
  [
    'deployment-failed',
    '(service api) (deployment ecs-svc/1111111111111111111) deployment failed: tasks failed to start.',
  ],
  ['deployment-failed', '(service api) (deployment ecs-svc/8028) deployment failed: alarm detected.'],
  ['rollback', '(service api) rolling back to deployment ecs-svc/4744463545704487209.'],
  ['start-impaired', `(service api) is unable to consistently start tasks successfully. ${MORE}`],
  ['throttled', '(service api) operations are being throttled. Will try again later.'],
  ['throttled', 'service production-web operations are being throttled on elb. Will try again later.'],
  [
    'configuration-failure',
    '(service api) was unable to stop or start tasks during a deployment because of the service deployment configuration. Update the minimumHealthyPercent or maximumPercent value and try again.',
  ],
  [
    'configuration-failure',
    `(service api) failed to register targets in (target-group ${TG}) with (error The following targets are not in the target group VPC 'vpc-1': 'i-1')`,
  ],
  [
    'configuration-failure',
    "(service api) failed to launch a task with (error ECS was unable to assume the role 'arn:aws:iam::123456789012:role/exec' that was provided for this task.)",
  ],
  [
    'configuration-failure',
    'IAM trust relationship has been misconfigured or changed, and ECS can no longer maintain your service',
  ],
  [
    'start-impaired',
    '(service api) was unable to place a task. Reason: CannotPullContainerError: pull image manifest has been retried 1 time(s): not found',
  ],
  [
    'start-impaired',
    '(service api) was unable to place a task. Reason: ResourceInitializationError: unable to pull secrets or registry auth: The task cannot pull registry auth from Amazon ECR',
  ],
  [
    'placement-failure',
    '(service api) was unable to place a task. Reason: ResourceInitializationError: Unable to launch instance(s) for capacity provider managed. VcpuLimitExceeded: You have requested more vCPU capacity than your current vCPU limit',
  ],
  [
    'placement-failure',
    `${NO_PLACE} The closest matching (container-instance b2db08b9) has insufficient CPU units available. ${MORE}`,
  ],
  [
    'placement-failure',
    '(service api) was unable to reach steady state. Reason: No Container Instances were found in your capacity provider.',
  ],
  [
    'other',
    '(service api) was unable to reach steady state because (taskSet ecs-svc/1111111111111111111) was unable to scale in due to (reason 2 tasks under protection)',
  ],
];

test.each(KINDS)('%s: %s', (kind, message) => {
  expect(eventKindOf(message)).toBe(kind);
});

// The closest matching instance as ECS writes it, and reasons of Fargate and of capacity providers.
const LACKS: readonly (readonly [ReturnType<typeof lacksOf>, string])[] = [
  [
    'cpu',
    `${NO_PLACE} The closest matching (container-instance b2db08b9-0e55) has insufficient CPU units available. ${MORE}`,
  ],
  [
    'memory',
    `${NO_PLACE} The closest matching (container-instance 79cac21e) has insufficient memory available. ${MORE}`,
  ],
  [
    'ports',
    `${NO_PLACE} The closest matching (container-instance 3f4de1c5) is already using a port required by your task. ${MORE}`,
  ],
  ['instances', `${NO_PLACE} Reason: No Container Instances were found in your cluster. ${MORE}`],
  [
    'instances',
    `${NO_PLACE} The closest matching (container-instance 3a09814c) doesn't have the agent connected. ${MORE}`,
  ],
  ['instances', `${NO_PLACE} The closest matching container-instance 3a09814c encountered error "AGENT".`],
  ['network-interfaces', '(service api) was unable to place a task. Reason: TaskFailedToStart: RESOURCE:ENI.'],
  ['memory', '(service api) was unable to place a task. Reason: TaskFailedToStart: RESOURCE:MEMORY.'],
  ['other', '(service api) was unable to place a task. Reason: TaskFailedToStart: RESOURCE:GPU.'],
  [
    'fargate-capacity',
    '(service api) was unable to place a task. Reason: Capacity is unavailable at this time. Please try again later or in a different availability zone.',
  ],
  [
    'quota',
    "(service api) was unable to place a task. Reason: You've reached the limit on the number of vCPUs you can run concurrently",
  ],
  [
    'quota',
    "(service api) was unable to place a task. Reason: You've reached the limit on the number of tasks you can run concurrently",
  ],
  ['quota', '(service api) was unable to place a task. Reason: The requested CPU configuration is above your limit.'],
  [
    'quota',
    '(service api) was unable to place tasks in your cluster because the tasks provisioning capacity limit was exceeded.',
  ],
  ['other', NO_PLACE],
];

test.each(LACKS)('lacks %s: %s', (lacks, message) => {
  expect(eventKindOf(message)).toBe('placement-failure');
  expect(lacksOf(message)).toBe(lacks);
});

test('an event names its deployment', () => {
  expect(deploymentOf('(service api) (deployment ecs-svc/123) deployment completed.')).toBe('ecs-svc/123');
  expect(deploymentOf('(service api) has reached a steady state.')).toBeNull();
});
