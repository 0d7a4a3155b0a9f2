/** From an IAM action to the SDK's client and command. Modules are loaded by `import()` when the first call needs them. */

import type { AwsAction } from './calls.ts';

export interface AwsModules {
  readonly cloudwatch: typeof import('@aws-sdk/client-cloudwatch');
  readonly ecs: typeof import('@aws-sdk/client-ecs');
  readonly logs: typeof import('@aws-sdk/client-cloudwatch-logs');
  readonly rds: typeof import('@aws-sdk/client-rds');
  readonly elasticloadbalancing: typeof import('@aws-sdk/client-elastic-load-balancing-v2');
  readonly ec2: typeof import('@aws-sdk/client-ec2');
  readonly autoscaling: typeof import('@aws-sdk/client-auto-scaling');
  readonly lambda: typeof import('@aws-sdk/client-lambda');
  readonly sqs: typeof import('@aws-sdk/client-sqs');
}

export type AwsService = keyof AwsModules;

type ClientOf<M> = Extract<keyof M, `${string}Client`>;
type CommandOf<M> = Extract<keyof M, `${string}Command`>;

interface Loader<S extends AwsService> {
  readonly load: () => Promise<AwsModules[S]>;
  readonly client: ClientOf<AwsModules[S]>;
}

export const AWS_CLIENTS: { readonly [S in AwsService]: Loader<S> } = {
  cloudwatch: { load: () => import('@aws-sdk/client-cloudwatch'), client: 'CloudWatchClient' },
  ecs: { load: () => import('@aws-sdk/client-ecs'), client: 'ECSClient' },
  logs: { load: () => import('@aws-sdk/client-cloudwatch-logs'), client: 'CloudWatchLogsClient' },
  rds: { load: () => import('@aws-sdk/client-rds'), client: 'RDSClient' },
  elasticloadbalancing: {
    load: () => import('@aws-sdk/client-elastic-load-balancing-v2'),
    client: 'ElasticLoadBalancingV2Client',
  },
  ec2: { load: () => import('@aws-sdk/client-ec2'), client: 'EC2Client' },
  autoscaling: { load: () => import('@aws-sdk/client-auto-scaling'), client: 'AutoScalingClient' },
  lambda: { load: () => import('@aws-sdk/client-lambda'), client: 'LambdaClient' },
  sqs: { load: () => import('@aws-sdk/client-sqs'), client: 'SQSClient' },
};

/** The service is the action's prefix, the command its name with `Command`: anything else does not compile. */
type CommandTable = {
  readonly [A in AwsAction]: A extends `${infer S extends AwsService}:${infer N}`
    ? { readonly service: S; readonly command: Extract<CommandOf<AwsModules[S]>, `${N}Command`> }
    : never;
};

export const AWS_COMMANDS = {
  'cloudwatch:GetMetricData': { service: 'cloudwatch', command: 'GetMetricDataCommand' },
  'cloudwatch:ListMetrics': { service: 'cloudwatch', command: 'ListMetricsCommand' },
  'ecs:DescribeServices': { service: 'ecs', command: 'DescribeServicesCommand' },
  'ecs:ListServices': { service: 'ecs', command: 'ListServicesCommand' },
  'ecs:ListTasks': { service: 'ecs', command: 'ListTasksCommand' },
  'ecs:DescribeTasks': { service: 'ecs', command: 'DescribeTasksCommand' },
  'ecs:DescribeClusters': { service: 'ecs', command: 'DescribeClustersCommand' },
  'ecs:ListContainerInstances': { service: 'ecs', command: 'ListContainerInstancesCommand' },
  'ecs:DescribeContainerInstances': { service: 'ecs', command: 'DescribeContainerInstancesCommand' },
  'ecs:ListServiceDeployments': { service: 'ecs', command: 'ListServiceDeploymentsCommand' },
  'ecs:DescribeServiceDeployments': { service: 'ecs', command: 'DescribeServiceDeploymentsCommand' },
  'ecs:DescribeTaskDefinition': { service: 'ecs', command: 'DescribeTaskDefinitionCommand' },
  'logs:FilterLogEvents': { service: 'logs', command: 'FilterLogEventsCommand' },
  'rds:DescribeDBInstances': { service: 'rds', command: 'DescribeDBInstancesCommand' },
  'rds:DescribeEvents': { service: 'rds', command: 'DescribeEventsCommand' },
  'elasticloadbalancing:DescribeTargetGroups': {
    service: 'elasticloadbalancing',
    command: 'DescribeTargetGroupsCommand',
  },
  'elasticloadbalancing:DescribeTargetHealth': {
    service: 'elasticloadbalancing',
    command: 'DescribeTargetHealthCommand',
  },
  'elasticloadbalancing:DescribeLoadBalancerAttributes': {
    service: 'elasticloadbalancing',
    command: 'DescribeLoadBalancerAttributesCommand',
  },
  'ec2:DescribeSecurityGroups': { service: 'ec2', command: 'DescribeSecurityGroupsCommand' },
  'autoscaling:DescribeAutoScalingGroups': { service: 'autoscaling', command: 'DescribeAutoScalingGroupsCommand' },
  'autoscaling:DescribeScalingActivities': { service: 'autoscaling', command: 'DescribeScalingActivitiesCommand' },
  'lambda:GetFunctionConcurrency': { service: 'lambda', command: 'GetFunctionConcurrencyCommand' },
  'lambda:GetAccountSettings': { service: 'lambda', command: 'GetAccountSettingsCommand' },
  'lambda:ListEventSourceMappings': { service: 'lambda', command: 'ListEventSourceMappingsCommand' },
  'sqs:GetQueueUrl': { service: 'sqs', command: 'GetQueueUrlCommand' },
  'sqs:GetQueueAttributes': { service: 'sqs', command: 'GetQueueAttributesCommand' },
} as const satisfies CommandTable;
