/**
 * Every call to AWS that runbookd makes, by its IAM action, with the SDK's types. Nothing calls AWS but through `Aws.call`,
 * so this table is also what the IAM policy in config/README.md is generated from. Types only: the SDK's clients are
 * loaded when the first call needs them.
 */

import type {
  DescribeAutoScalingGroupsCommandInput,
  DescribeAutoScalingGroupsCommandOutput,
  DescribeScalingActivitiesCommandInput,
  DescribeScalingActivitiesCommandOutput,
} from '@aws-sdk/client-auto-scaling';
import type {
  GetMetricDataCommandInput,
  GetMetricDataCommandOutput,
  ListMetricsCommandInput,
  ListMetricsCommandOutput,
} from '@aws-sdk/client-cloudwatch';
import type { FilterLogEventsCommandInput, FilterLogEventsCommandOutput } from '@aws-sdk/client-cloudwatch-logs';
import type { DescribeSecurityGroupsCommandInput, DescribeSecurityGroupsCommandOutput } from '@aws-sdk/client-ec2';
import type {
  DescribeClustersCommandInput,
  DescribeClustersCommandOutput,
  DescribeContainerInstancesCommandInput,
  DescribeContainerInstancesCommandOutput,
  DescribeServiceDeploymentsCommandInput,
  DescribeServiceDeploymentsCommandOutput,
  DescribeServicesCommandInput,
  DescribeServicesCommandOutput,
  DescribeTaskDefinitionCommandInput,
  DescribeTaskDefinitionCommandOutput,
  DescribeTasksCommandInput,
  DescribeTasksCommandOutput,
  ListContainerInstancesCommandInput,
  ListContainerInstancesCommandOutput,
  ListServiceDeploymentsCommandInput,
  ListServiceDeploymentsCommandOutput,
  ListServicesCommandInput,
  ListServicesCommandOutput,
  ListTasksCommandInput,
  ListTasksCommandOutput,
} from '@aws-sdk/client-ecs';
import type {
  DescribeLoadBalancerAttributesCommandInput,
  DescribeLoadBalancerAttributesCommandOutput,
  DescribeTargetGroupsCommandInput,
  DescribeTargetGroupsCommandOutput,
  DescribeTargetHealthCommandInput,
  DescribeTargetHealthCommandOutput,
} from '@aws-sdk/client-elastic-load-balancing-v2';
import type {
  GetAccountSettingsCommandInput,
  GetAccountSettingsCommandOutput,
  GetFunctionConcurrencyCommandInput,
  GetFunctionConcurrencyCommandOutput,
  ListEventSourceMappingsCommandInput,
  ListEventSourceMappingsCommandOutput,
} from '@aws-sdk/client-lambda';
import type {
  DescribeDBInstancesCommandInput,
  DescribeDBInstancesCommandOutput,
  DescribeEventsCommandInput,
  DescribeEventsCommandOutput,
} from '@aws-sdk/client-rds';
import type {
  GetQueueAttributesCommandInput,
  GetQueueAttributesCommandOutput,
  GetQueueUrlCommandInput,
  GetQueueUrlCommandOutput,
} from '@aws-sdk/client-sqs';

interface Call<I, O> {
  readonly input: I;
  readonly output: O;
}

export interface AwsCalls {
  'cloudwatch:GetMetricData': Call<GetMetricDataCommandInput, GetMetricDataCommandOutput>;
  'cloudwatch:ListMetrics': Call<ListMetricsCommandInput, ListMetricsCommandOutput>;
  'ecs:DescribeServices': Call<DescribeServicesCommandInput, DescribeServicesCommandOutput>;
  'ecs:ListServices': Call<ListServicesCommandInput, ListServicesCommandOutput>;
  'ecs:ListTasks': Call<ListTasksCommandInput, ListTasksCommandOutput>;
  'ecs:DescribeTasks': Call<DescribeTasksCommandInput, DescribeTasksCommandOutput>;
  'ecs:DescribeClusters': Call<DescribeClustersCommandInput, DescribeClustersCommandOutput>;
  'ecs:ListContainerInstances': Call<ListContainerInstancesCommandInput, ListContainerInstancesCommandOutput>;
  'ecs:DescribeContainerInstances': Call<
    DescribeContainerInstancesCommandInput,
    DescribeContainerInstancesCommandOutput
  >;
  'ecs:ListServiceDeployments': Call<ListServiceDeploymentsCommandInput, ListServiceDeploymentsCommandOutput>;
  'ecs:DescribeServiceDeployments': Call<
    DescribeServiceDeploymentsCommandInput,
    DescribeServiceDeploymentsCommandOutput
  >;
  /** Opt-in (`aws.taskDefinitions`): the answer carries plain-text environment values, which are dropped at once. */
  'ecs:DescribeTaskDefinition': Call<DescribeTaskDefinitionCommandInput, DescribeTaskDefinitionCommandOutput>;
  'logs:FilterLogEvents': Call<FilterLogEventsCommandInput, FilterLogEventsCommandOutput>;
  'rds:DescribeDBInstances': Call<DescribeDBInstancesCommandInput, DescribeDBInstancesCommandOutput>;
  'rds:DescribeEvents': Call<DescribeEventsCommandInput, DescribeEventsCommandOutput>;
  'elasticloadbalancing:DescribeTargetGroups': Call<
    DescribeTargetGroupsCommandInput,
    DescribeTargetGroupsCommandOutput
  >;
  'elasticloadbalancing:DescribeTargetHealth': Call<
    DescribeTargetHealthCommandInput,
    DescribeTargetHealthCommandOutput
  >;
  'elasticloadbalancing:DescribeLoadBalancerAttributes': Call<
    DescribeLoadBalancerAttributesCommandInput,
    DescribeLoadBalancerAttributesCommandOutput
  >;
  'ec2:DescribeSecurityGroups': Call<DescribeSecurityGroupsCommandInput, DescribeSecurityGroupsCommandOutput>;
  'autoscaling:DescribeAutoScalingGroups': Call<
    DescribeAutoScalingGroupsCommandInput,
    DescribeAutoScalingGroupsCommandOutput
  >;
  'autoscaling:DescribeScalingActivities': Call<
    DescribeScalingActivitiesCommandInput,
    DescribeScalingActivitiesCommandOutput
  >;
  'lambda:GetFunctionConcurrency': Call<GetFunctionConcurrencyCommandInput, GetFunctionConcurrencyCommandOutput>;
  'lambda:GetAccountSettings': Call<GetAccountSettingsCommandInput, GetAccountSettingsCommandOutput>;
  'lambda:ListEventSourceMappings': Call<ListEventSourceMappingsCommandInput, ListEventSourceMappingsCommandOutput>;
  'sqs:GetQueueUrl': Call<GetQueueUrlCommandInput, GetQueueUrlCommandOutput>;
  'sqs:GetQueueAttributes': Call<GetQueueAttributesCommandInput, GetQueueAttributesCommandOutput>;
}

export type AwsAction = keyof AwsCalls;

/** One account and region that is looked at. Credentials come from the SDK's default chain, or from the role there. */
export interface AwsAccount {
  /** `default`, or its name under `aws.accounts`. */
  readonly name: string;
  readonly region: string;
  readonly roleArn: string | null;
  readonly externalId: string | null;
  /** Another endpoint for every service, for tests. */
  readonly endpoint: string | null;
}

export interface Aws {
  readonly account: AwsAccount;
  /**
   * One call with its own deadline (8 s at most, less when the signal fires), at most one retry, inside the account's
   * token bucket. Rejects with a `RunbookdError` AWS_DENIED, AWS_CREDENTIALS, AWS_THROTTLED, AWS_TIMEOUT, AWS_NOT_FOUND or
   * AWS_FAILED, whose message names the account, the action and what AWS said, without request ids and secrets.
   */
  call<A extends AwsAction>(
    action: A,
    input: AwsCalls[A]['input'],
    signal: AbortSignal,
  ): Promise<AwsCalls[A]['output']>;
  /** How far AWS' clock is ahead of this machine's by its last answer; 0 before the first. */
  clockOffsetMs?(): number;
  close(): void;
}
