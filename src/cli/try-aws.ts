/**
 * Each call that an account is needed for, made once in its cheapest form: whether it is allowed, before it is needed at
 * three in the morning. Ids that nothing has are asked for where that is enough to be refused.
 */

import type { Config } from '../config/index.ts';
import type { Aws, AwsAction, AwsCalls } from '../sources/aws/calls.ts';
import { boundSignals } from '../watch-systems.ts';

export interface TryResult {
  readonly action: AwsAction;
  /** `untried` when there was nothing to try it on, because what comes before it failed or is not there. */
  readonly outcome: 'allowed' | 'failed' | 'untried';
  /** What `Aws.call` rejected with. */
  readonly error?: unknown;
}

/** What of an account is watched; the first of each kind stands for all. */
interface Watched {
  readonly metrics: boolean;
  readonly ecs: { readonly cluster: string; readonly service: string } | null;
  readonly targetGroup: string | null;
  readonly logGroup: string | null;
  readonly rds: string | null;
  readonly sqs: string | null;
  readonly lambda: string | null;
  readonly taskDefinitions: boolean;
}

const NO_TASK = '0'.repeat(32);
const NO_INSTANCE = '00000000-0000-0000-0000-000000000000';
const MINUTE_MS = 60_000;

export function watchedIn(config: Config, account: string): Watched {
  const mine = <T extends { readonly account: string }>(record: Readonly<Record<string, T>>): readonly T[] =>
    Object.values(record).filter((one) => one.account === account);
  const first = <T, U>(list: readonly T[], pick: (one: T) => U | null | undefined): U | null => {
    for (const one of list) {
      const found = pick(one);
      if (found !== null && found !== undefined) return found;
    }
    return null;
  };
  const services = mine(config.services);
  const searches = mine(config.searches);
  const databases = mine(config.databases);
  const queues = mine(config.queues);
  const rds = first(databases, (one) => one.rds ?? first(Object.values(one.replicas), (replica) => replica.rds));
  const bound = boundSignals(config).some((one) => one.account === account && 'cloudwatch' in one.binding);
  const measured = bound || services.some((one) => one.ecs !== null || one.alb !== null);
  return {
    metrics: measured || queues.length > 0 || rds !== null,
    ecs: first(services, (one) => one.ecs),
    targetGroup: first(services, (one) => one.alb?.targetGroup),
    logGroup: first([...services, ...queues, ...searches], (one) => one.logs?.group),
    rds,
    sqs: first(queues, (one) => one.sqs),
    lambda: first(queues, (one) => one.consumer?.lambda),
    taskDefinitions: config.aws?.taskDefinitions ?? false,
  };
}

/** Never rejects. Calls that need nothing of each other go side by side; `Aws` paces them. */
export async function tryAccount(
  watched: Watched,
  aws: Aws,
  now: number,
  signal: AbortSignal,
): Promise<readonly TryResult[]> {
  const results: TryResult[] = [];
  /** The answer, or null when there was none. */
  const attempt = async <A extends AwsAction>(
    action: A,
    call: () => Promise<AwsCalls[A]['output']>,
  ): Promise<AwsCalls[A]['output'] | null> => {
    try {
      const answer = await call();
      results.push({ action, outcome: 'allowed' });
      return answer;
    } catch (error) {
      results.push({ action, outcome: 'failed', error });
      return null;
    }
  };
  const untried = (action: AwsAction): void => void results.push({ action, outcome: 'untried' });

  const metrics = async (): Promise<void> => {
    const Metric = { Namespace: 'AWS/ECS', MetricName: 'CPUUtilization' };
    const MetricDataQueries = [{ Id: 'm', MetricStat: { Metric, Period: 60, Stat: 'Average' } }];
    const range = { StartTime: new Date(now - 5 * MINUTE_MS), EndTime: new Date(now) };
    await Promise.all([
      attempt('cloudwatch:GetMetricData', () =>
        aws.call('cloudwatch:GetMetricData', { MetricDataQueries, ...range }, signal),
      ),
      attempt('cloudwatch:ListMetrics', () =>
        aws.call('cloudwatch:ListMetrics', { ...Metric, RecentlyActive: 'PT3H' }, signal),
      ),
    ]);
  };

  const ecs = async ({ cluster, service }: NonNullable<Watched['ecs']>): Promise<void> => {
    const described = attempt('ecs:DescribeServices', () =>
      aws.call('ecs:DescribeServices', { cluster, services: [service] }, signal),
    );
    const definition = async (): Promise<void> => {
      const taskDefinition = (await described)?.services?.[0]?.taskDefinition;
      if (taskDefinition === undefined) return untried('ecs:DescribeTaskDefinition');
      await attempt('ecs:DescribeTaskDefinition', () =>
        aws.call('ecs:DescribeTaskDefinition', { taskDefinition }, signal),
      );
    };
    const deployments = async (): Promise<void> => {
      const listed = await attempt('ecs:ListServiceDeployments', () =>
        aws.call('ecs:ListServiceDeployments', { cluster, service, maxResults: 1 }, signal),
      );
      const arn = listed?.serviceDeployments?.[0]?.serviceDeploymentArn;
      if (arn === undefined) return untried('ecs:DescribeServiceDeployments');
      await attempt('ecs:DescribeServiceDeployments', () =>
        aws.call('ecs:DescribeServiceDeployments', { serviceDeploymentArns: [arn] }, signal),
      );
    };
    await Promise.all([
      described,
      ...(watched.taskDefinitions ? [definition()] : []),
      deployments(),
      attempt('ecs:ListTasks', () =>
        aws.call('ecs:ListTasks', { cluster, serviceName: service, maxResults: 1 }, signal),
      ),
      attempt('ecs:DescribeTasks', () => aws.call('ecs:DescribeTasks', { cluster, tasks: [NO_TASK] }, signal)),
      attempt('ecs:DescribeClusters', () => aws.call('ecs:DescribeClusters', { clusters: [cluster] }, signal)),
      attempt('ecs:ListContainerInstances', () =>
        aws.call('ecs:ListContainerInstances', { cluster, maxResults: 1 }, signal),
      ),
      attempt('ecs:DescribeContainerInstances', () =>
        aws.call('ecs:DescribeContainerInstances', { cluster, containerInstances: [NO_INSTANCE] }, signal),
      ),
      attempt('autoscaling:DescribeAutoScalingGroups', () =>
        aws.call('autoscaling:DescribeAutoScalingGroups', { MaxRecords: 1 }, signal),
      ),
      attempt('autoscaling:DescribeScalingActivities', () =>
        aws.call('autoscaling:DescribeScalingActivities', { MaxRecords: 1 }, signal),
      ),
    ]);
  };

  const targets = async (targetGroup: string): Promise<void> => {
    const name = targetGroup.split('/')[1] ?? targetGroup;
    const groups = await attempt('elasticloadbalancing:DescribeTargetGroups', () =>
      aws.call('elasticloadbalancing:DescribeTargetGroups', { Names: [name] }, signal),
    );
    const { TargetGroupArn, LoadBalancerArns } = groups?.TargetGroups?.[0] ?? {};
    const LoadBalancerArn = LoadBalancerArns?.[0];
    if (TargetGroupArn === undefined) untried('elasticloadbalancing:DescribeTargetHealth');
    if (LoadBalancerArn === undefined) untried('elasticloadbalancing:DescribeLoadBalancerAttributes');
    await Promise.all([
      TargetGroupArn !== undefined &&
        attempt('elasticloadbalancing:DescribeTargetHealth', () =>
          aws.call('elasticloadbalancing:DescribeTargetHealth', { TargetGroupArn }, signal),
        ),
      LoadBalancerArn !== undefined &&
        attempt('elasticloadbalancing:DescribeLoadBalancerAttributes', () =>
          aws.call('elasticloadbalancing:DescribeLoadBalancerAttributes', { LoadBalancerArn }, signal),
        ),
    ]);
  };

  const logs = (logGroupName: string) =>
    attempt('logs:FilterLogEvents', () =>
      aws.call('logs:FilterLogEvents', { logGroupName, limit: 1, startTime: now - MINUTE_MS, endTime: now }, signal),
    );

  const rds = async (instance: string): Promise<void> => {
    const [described] = await Promise.all([
      attempt('rds:DescribeDBInstances', () =>
        aws.call('rds:DescribeDBInstances', { DBInstanceIdentifier: instance }, signal),
      ),
      attempt('rds:DescribeEvents', () =>
        aws.call('rds:DescribeEvents', { SourceIdentifier: instance, SourceType: 'db-instance', Duration: 1 }, signal),
      ),
    ]);
    const groups = described?.DBInstances?.[0]?.VpcSecurityGroups ?? [];
    const GroupIds = groups.flatMap(({ VpcSecurityGroupId: id }) => (id === undefined ? [] : [id]));
    if (GroupIds.length === 0) return untried('ec2:DescribeSecurityGroups');
    await attempt('ec2:DescribeSecurityGroups', () => aws.call('ec2:DescribeSecurityGroups', { GroupIds }, signal));
  };

  const sqs = async (QueueName: string): Promise<void> => {
    const found = await attempt('sqs:GetQueueUrl', () => aws.call('sqs:GetQueueUrl', { QueueName }, signal));
    const QueueUrl = found?.QueueUrl;
    if (QueueUrl === undefined) return untried('sqs:GetQueueAttributes');
    const AttributeNames: ['ApproximateNumberOfMessages'] = ['ApproximateNumberOfMessages'];
    await attempt('sqs:GetQueueAttributes', () =>
      aws.call('sqs:GetQueueAttributes', { QueueUrl, AttributeNames }, signal),
    );
  };

  const lambda = (FunctionName: string) =>
    Promise.all([
      attempt('lambda:GetFunctionConcurrency', () =>
        aws.call('lambda:GetFunctionConcurrency', { FunctionName }, signal),
      ),
      attempt('lambda:GetAccountSettings', () => aws.call('lambda:GetAccountSettings', {}, signal)),
      attempt('lambda:ListEventSourceMappings', () =>
        aws.call('lambda:ListEventSourceMappings', { FunctionName, MaxItems: 1 }, signal),
      ),
    ]);

  await Promise.all([
    watched.metrics && metrics(),
    watched.ecs !== null && ecs(watched.ecs),
    watched.targetGroup !== null && targets(watched.targetGroup),
    watched.logGroup !== null && logs(watched.logGroup),
    watched.rds !== null && rds(watched.rds),
    watched.sqs !== null && sqs(watched.sqs),
    watched.lambda !== null && lambda(watched.lambda),
  ]);
  // Answers come in any order; what is printed should not.
  return results.sort((a, b) => (a.action < b.action ? -1 : 1));
}
