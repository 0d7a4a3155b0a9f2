import { expect, test } from 'vitest';
import type { StopKind } from '../../../model/aws.ts';
import { isCrash, type StopFacts, stopKindOf } from './stop-kind.ts';

type Row = readonly [kind: StopKind, crash: boolean, what: string, facts: Partial<StopFacts>];

const exited = (
  exitCode: number | null,
  reason: string | null = null,
  name = 'api',
): StopFacts['containers'][number] => ({
  name,
  exitCode,
  reason,
});

const SCALING = 'Scaling activity initiated by (deployment ecs-svc/8646900195280463695)';
const TARGET_GROUP = 'arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/api/7a7a1fcbd0455d4b';
const RESOURCES = 'ResourceInitializationError: unable to pull secrets or registry auth:';

// Texts of the developer guide's "stopped tasks error messages" and of answers of real accounts.
const ROWS: readonly Row[] = [
  [
    'out-of-memory',
    true,
    'a container over its limit',
    {
      stopCode: 'EssentialContainerExited',
      reason: 'OutOfMemoryError: container killed due to memory usage',
      containers: [exited(137, 'OutOfMemoryError: Container killed due to memory usage')],
    },
  ],
  [
    'out-of-memory',
    true,
    'only the container says so',
    {
      stopCode: 'EssentialContainerExited',
      reason: 'Essential container in task exited',
      containers: [exited(137, 'OutOfMemoryError: Container killed due to memory usage')],
    },
  ],
  [
    'essential-container-exited',
    true,
    '137 by itself, without the word of ECS',
    { stopCode: 'EssentialContainerExited', reason: 'Essential container in task exited', containers: [exited(137)] },
  ],
  [
    'essential-container-exited',
    true,
    'exit 1',
    { stopCode: 'EssentialContainerExited', reason: 'Essential container in task exited', containers: [exited(1)] },
  ],
  [
    'essential-container-exited',
    true,
    'a segmentation fault',
    { stopCode: 'EssentialContainerExited', reason: 'Essential container in task exited', containers: [exited(139)] },
  ],
  [
    'essential-container-exited',
    true,
    'a service that just ends',
    { stopCode: 'EssentialContainerExited', reason: 'Essential container in task exited', containers: [exited(0)] },
  ],
  [
    'essential-container-exited',
    true,
    'beside a helper of AWS that never came up',
    {
      stopCode: 'EssentialContainerExited',
      reason: 'Essential container in task exited',
      containers: [exited(1), exited(null, 'CannotPullContainerError: pull image manifest', 'aws-guardduty-agent-x1')],
    },
  ],
  ['slow-shutdown', false, 'killed while scaled in', { reason: SCALING, containers: [exited(137)] }],
  ['slow-shutdown', false, 'killed while replaced', { reason: SCALING, containers: [exited(137)], replaced: true }],
  ['scaling', false, 'scaled in, gracefully', { reason: SCALING, containers: [exited(143)] }],
  ['deployment', false, 'replaced, gracefully', { reason: SCALING, containers: [exited(0)], replaced: true }],
  [
    'health-check-failed',
    true,
    'by the load balancer',
    { reason: `Task failed ELB health checks in (target-group ${TARGET_GROUP})`, containers: [exited(143)] },
  ],
  [
    'health-check-failed',
    true,
    'and killed, because it hung',
    { reason: `Task failed ELB health checks in (target-group ${TARGET_GROUP})`, containers: [exited(137)] },
  ],
  ['health-check-failed', true, 'of the container', { reason: 'Task failed container health checks' }],
  [
    'image-pull',
    true,
    'an image that is not there',
    {
      stopCode: 'TaskFailedToStart',
      reason:
        'CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref docker.io/library/repository:latest: pull access denied, repository does not exist or may require authorization',
      started: false,
    },
  ],
  [
    'image-pull',
    true,
    'told by the container',
    {
      stopCode: 'TaskFailedToStart',
      reason: 'Task failed to start',
      containers: [exited(null, 'CannotPullContainerError: inspect image has been retried 1 time(s): httpReadSeeker')],
      started: false,
    },
  ],
  [
    'image-pull',
    true,
    'no way to the registry',
    {
      stopCode: 'TaskFailedToStart',
      reason: `${RESOURCES} The task cannot pull registry auth from Amazon ECR: There is a connection issue between the task and Amazon ECR. Check your task network configuration.`,
      started: false,
    },
  ],
  [
    'image-pull',
    true,
    'no right to the registry',
    {
      stopCode: 'TaskFailedToStart',
      reason: `${RESOURCES} execution resource retrieval failed: unable to retrieve ecr registry auth: service call has been retried 1 time(s)`,
      started: false,
    },
  ],
  [
    'secrets',
    true,
    'Secrets Manager',
    {
      stopCode: 'TaskFailedToStart',
      reason: `${RESOURCES} execution resource retrieval failed: unable to retrieve secret from asm: service call has been retried 1 time(s): failed to fetch secret`,
      started: false,
    },
  ],
  [
    'secrets',
    true,
    'Parameter Store',
    {
      stopCode: 'TaskFailedToStart',
      reason: `${RESOURCES} execution resource retrieval failed: unable to retrieve secrets from ssm: service call has been retried 1 time(s)`,
      started: false,
    },
  ],
  [
    'start-failed',
    true,
    'the step is named but nothing of secrets',
    { stopCode: 'TaskFailedToStart', reason: `${RESOURCES} netlink failure`, started: false },
  ],
  [
    'start-failed',
    true,
    'logs cannot be reached',
    {
      stopCode: 'TaskFailedToStart',
      reason:
        'ResourceInitializationError: failed to initialize logging driver: failed to create Cloudwatch log stream: ResourceNotFoundException',
      started: false,
    },
  ],
  [
    'start-failed',
    true,
    'a command that is not there',
    {
      stopCode: 'TaskFailedToStart',
      reason: 'CannotStartContainerError: ResourceInitializationError: failed to create new container runtime task',
      started: false,
    },
  ],
  [
    'start-failed',
    true,
    'no network interface',
    {
      stopCode: 'TaskFailedToStart',
      reason: 'Timeout waiting for network interface provisioning to complete.',
      started: false,
    },
  ],
  ['spot', true, 'Fargate Spot', { stopCode: 'SpotInterruption', reason: 'Your Spot Task was interrupted.' }],
  [
    'spot',
    true,
    'Fargate Spot as it was told before',
    { stopCode: 'TerminationNotice', reason: 'Your Spot Task was interrupted.' },
  ],
  [
    'host',
    true,
    'an instance that went away',
    { stopCode: 'TerminationNotice', reason: 'Host EC2 (instance i-03dba81187d65ce7e) terminated.' },
  ],
  ['host', true, 'an instance that was stopped', { reason: 'Host EC2 (instance i-06aab15feb4568492) stopped.' }],
  [
    'host',
    true,
    'maintenance of Fargate',
    {
      reason: 'ECS is performing maintenance on the underlying infrastructure hosting the task',
      containers: [exited(137)],
    },
  ],
  ['user', false, 'by hand', { stopCode: 'UserInitiated', reason: 'Task stopped by user' }],
  [
    'user',
    false,
    'an instance that was deregistered by hand',
    { stopCode: 'UserInitiated', reason: 'Container instance deregistration forced by user' },
  ],
  ['other', false, 'the scheduler, in words not known', { reason: 'Something that was not yet said' }],
  ['other', true, 'nobody says why', { stopCode: null, reason: '' }],
];

test.each(ROWS)('%s (crash: %s): %s', (kind, crash, _what, facts) => {
  const whole: StopFacts = {
    stopCode: 'ServiceSchedulerInitiated',
    reason: '',
    started: true,
    containers: [],
    replaced: false,
    ...facts,
  };
  expect(stopKindOf(whole)).toBe(kind);
  expect(isCrash({ kind, stopCode: whole.stopCode })).toBe(crash);
});
