/**
 * Why runbookd makes each call of AWS, what goes blind without it, and what its IAM statement is about. The policy in
 * config/README.md and what `doctor` says come from here. Read actions only.
 */

import type { AwsAction } from './calls.ts';

/** Statements of the policy, in its order. */
export type Sid =
  | 'Metrics'
  | 'EcsList'
  | 'EcsRead'
  | 'EcsTaskDefinitions'
  | 'LoadBalancers'
  | 'Logs'
  | 'Databases'
  | 'SecurityGroups'
  | 'ContainerCapacity'
  | 'Functions'
  | 'FunctionQuota'
  | 'EventSources'
  | 'Queues';

export interface ActionInfo {
  readonly sid: Sid;
  /** What it is for, one sentence. */
  readonly why: string;
  /** Causes and symptoms that can not be told without it. */
  readonly hides: readonly string[];
  /** Diagnoses stay useful without it. */
  readonly optional: boolean;
}

const action = (sid: Sid, why: string, hides: readonly string[], optional = false): ActionInfo => ({
  sid,
  why,
  hides,
  optional,
});

export const AWS_ACTIONS = {
  'cloudwatch:GetMetricData': action(
    'Metrics',
    'reads every metric: requests, errors, latency, CPU, memory, databases, queues',
    ['high-error-rate', 'high-latency', 'high-cpu-memory', 'service-saturated', 'traffic-surge', 'database-saturated'],
  ),
  'cloudwatch:ListMetrics': action(
    'Metrics',
    'finds the values of dimensions: availability zones, tasks, endpoints, hosts',
    ['bad-zone', 'bad-task', 'bad-endpoint', 'external-service'],
    true,
  ),
  'ecs:DescribeServices': action('EcsRead', 'reads deployments, counts of tasks and service events', [
    'recent-deployment',
    'deployment-stuck',
    'service-crashed',
    'cold-capacity',
  ]),
  'ecs:ListServices': action('EcsList', 'lists the services of a cluster for `check --discover`', [], true),
  'ecs:ListTasks': action('EcsList', 'finds the running tasks and those that stopped', ['service-crashed', 'bad-task']),
  'ecs:DescribeTasks': action('EcsRead', 'reads why tasks stopped, and their health, zone and images', [
    'service-crashed',
    'bad-task',
    'recent-deployment',
  ]),
  'ecs:DescribeClusters': action('EcsRead', 'checks that the cluster is there and active', [], true),
  'ecs:ListContainerInstances': action(
    'EcsRead',
    'finds the instances of a cluster that is not only Fargate',
    ['deployment-stuck'],
    true,
  ),
  'ecs:DescribeContainerInstances': action(
    'EcsRead',
    'reads what room is left on the instances for another task',
    ['deployment-stuck'],
    true,
  ),
  'ecs:ListServiceDeployments': action(
    'EcsRead',
    'finds the deployments of the past, and with them the version to go back to',
    ['recent-deployment'],
  ),
  'ecs:DescribeServiceDeployments': action(
    'EcsRead',
    'reads when those deployments began and ended, and which were taken back',
    ['recent-deployment'],
  ),
  'ecs:DescribeTaskDefinition': action(
    'EcsTaskDefinitions',
    'reads CPU, memory and stop timeout of a revision; its environment values are dropped at once (aws.taskDefinitions)',
    [],
    true,
  ),
  'logs:FilterLogEvents': action(
    'Logs',
    'reads error messages of a service around the onset',
    ['recent-deployment', 'connection-pool', 'external-service', 'rate-limited', 'database-unreachable'],
    true,
  ),
  'rds:DescribeDBInstances': action('Databases', 'reads the state of the instances: rebooting, storage full, stopped', [
    'database-unreachable',
    'database-saturated',
  ]),
  'rds:DescribeEvents': action(
    'Databases',
    'reads failovers, restarts and maintenance of the instances',
    ['database-unreachable'],
    true,
  ),
  'elasticloadbalancing:DescribeTargetGroups': action(
    'LoadBalancers',
    'reads the health check of the target group',
    ['service-crashed', 'deployment-stuck'],
    true,
  ),
  'elasticloadbalancing:DescribeTargetHealth': action('LoadBalancers', 'reads why targets are held for unhealthy', [
    'service-crashed',
    'deployment-stuck',
    'bad-task',
  ]),
  'elasticloadbalancing:DescribeLoadBalancerAttributes': action(
    'LoadBalancers',
    'reads the idle timeout of the load balancer',
    [],
    true,
  ),
  'ec2:DescribeSecurityGroups': action(
    'SecurityGroups',
    'sees whether the way to the database was closed',
    ['database-unreachable'],
    true,
  ),
  'autoscaling:DescribeAutoScalingGroups': action(
    'ContainerCapacity',
    'reads whether the group of the instances may grow',
    ['deployment-stuck'],
    true,
  ),
  'autoscaling:DescribeScalingActivities': action(
    'ContainerCapacity',
    'reads why it did not grow',
    ['deployment-stuck'],
    true,
  ),
  'lambda:GetFunctionConcurrency': action(
    'Functions',
    'reads the concurrency that is reserved for a consumer',
    ['queue-backlog'],
    true,
  ),
  'lambda:GetAccountSettings': action(
    'FunctionQuota',
    'reads how much concurrency the account has left',
    ['queue-backlog'],
    true,
  ),
  'lambda:ListEventSourceMappings': action(
    'EventSources',
    'reads whether the event source of a consumer is enabled, and how many runs at once it may start',
    ['consumer-stopped', 'consumer-under-capacity'],
    true,
  ),
  'sqs:GetQueueUrl': action('Queues', 'finds the queue by its name', ['queue-backlog']),
  'sqs:GetQueueAttributes': action('Queues', 'reads what waits now, and the limits of the queue', ['queue-backlog']),
} as const satisfies Readonly<Record<AwsAction, ActionInfo>>;

/** Actions in the order of the table. */
export const ACTION_NAMES = Object.keys(AWS_ACTIONS) as readonly AwsAction[];
