/**
 * What AWS' answers must be to be believed: the members that are read, with their types and the range that the API's
 * reference gives them. The SDK checks little of that: what is not there reads as undefined, which would then be taken
 * for zero or for none, and a page of a proxy reads as an answer without anything in it.
 */

import type { AwsAction } from './calls.ts';

/** What is wrong with it, by the path to it: `services.0.runningCount is -1, expected a whole number`. Null for nothing. */
type Check = (value: unknown, path: string) => string | null;

const isAbsent = (value: unknown): boolean => value === undefined || value === null;

function named(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (isAbsent(value)) return 'missing';
  // Texts are whoever's who wrote them.
  return Array.isArray(value) ? 'a list' : typeof value === 'string' ? 'a text' : 'an object';
}

const expected =
  (words: string, fits: (value: unknown) => boolean): Check =>
  (value, path) =>
    fits(value) ? null : `${path} is ${named(value)}, expected ${words}`;

const text = expected('a text', (value) => typeof value === 'string');
const flag = expected('true or false', (value) => typeof value === 'boolean');
/** Before there was AWS, or when nobody of today answers. */
const [EARLIEST, LATEST] = [Date.UTC(2000, 0, 1), Date.UTC(2100, 0, 1)];
const time = expected(
  'a time',
  (value) => value instanceof Date && value.getTime() >= EARLIEST && value.getTime() < LATEST,
);
const whole = (least: number, most: number): Check =>
  expected(
    `a whole number from ${least} to ${most}`,
    (value) => Number.isInteger(value) && (value as number) >= least && (value as number) <= most,
  );
const like = (pattern: RegExp, words: string): Check =>
  expected(words, (value) => typeof value === 'string' && pattern.test(value));

/** More of anything than an account can have. */
const count = whole(0, 1e9);
const word = like(/^[A-Za-z][A-Za-z0-9_.-]{0,99}$/, 'a word');
/** Names and ids of AWS' resources, ARNs among them. */
const id = like(/^[\w+=,.@:/#-]{1,2048}$/, 'a name');
const port = whole(-1, 65_535);
const group = like(/^sg-[\da-z]{1,40}$/, 'the id of a security group');

const list =
  (of: Check): Check =>
  (value, path) => {
    if (!Array.isArray(value)) return `${path} is ${named(value)}, expected a list`;
    for (const [index, one] of (value as readonly unknown[]).entries()) {
      const wrong = of(one, `${path}.${index}`);
      if (wrong !== null) return wrong;
    }
    return null;
  };

const maybe =
  (of: Check): Check =>
  (value, path) =>
    isAbsent(value) ? null : of(value, path);

const record =
  (members: Readonly<Record<string, Check>>): Check =>
  (value, path) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      return `${path} is ${named(value)}, expected an object`;
    }
    for (const [name, check] of Object.entries(members)) {
      const wrong = check((value as Readonly<Record<string, unknown>>)[name], path === '' ? name : `${path}.${name}`);
      if (wrong !== null) return wrong;
    }
    return null;
  };

const texts = maybe(list(text));
const optional = maybe(text);
const counts = { desiredCount: count, pendingCount: count, runningCount: count };
const rollsBack = maybe(record({ enable: maybe(flag), rollback: maybe(flag) }));
const providers = maybe(list(record({ capacityProvider: id })));
const balancers = maybe(list(record({ targetGroupArn: maybe(id) })));
/** A task definition's revision, with or without the rest of its ARN. */
const revision = like(/^(?:arn:[\w:/-]+\/)?[\w-]{1,255}:\d{1,9}$/, 'a revision of a task definition');

const deployment = record({
  id: like(/^ecs-svc\/\d+$/, 'the id of a deployment'),
  status: word,
  taskDefinition: revision,
  createdAt: time,
  updatedAt: maybe(time),
  ...counts,
  failedTasks: maybe(count),
  rolloutState: maybe(word),
  rolloutStateReason: optional,
  launchType: maybe(word),
  capacityProviderStrategy: providers,
});

/** Of CodeDeploy and of controllers of others; those may leave the revision out. */
const taskSet = record({
  id,
  status: word,
  taskDefinition: maybe(revision),
  createdAt: time,
  updatedAt: maybe(time),
  computedDesiredCount: count,
  pendingCount: count,
  runningCount: count,
  loadBalancers: balancers,
});

const service = record({
  serviceName: id,
  status: word,
  ...counts,
  taskDefinition: maybe(revision),
  launchType: maybe(word),
  capacityProviderStrategy: providers,
  deploymentController: maybe(record({ type: maybe(word) })),
  deploymentConfiguration: maybe(record({ deploymentCircuitBreaker: rollsBack, alarms: rollsBack })),
  deployments: maybe(list(deployment)),
  taskSets: maybe(list(taskSet)),
  events: maybe(list(record({ createdAt: time, message: text }))),
  loadBalancers: balancers,
});

/** Units and MiB come as texts. */
const size = maybe(like(/^\d{1,9}$/, 'a number'));
const task = record({
  taskArn: id,
  taskDefinitionArn: revision,
  lastStatus: word,
  desiredStatus: word,
  healthStatus: maybe(word),
  startedBy: optional,
  availabilityZone: optional,
  createdAt: maybe(time),
  startedAt: maybe(time),
  stoppingAt: maybe(time),
  stoppedAt: maybe(time),
  executionStoppedAt: maybe(time),
  stopCode: maybe(word),
  stoppedReason: optional,
  cpu: size,
  memory: size,
  containers: maybe(
    list(
      record({
        name: optional,
        exitCode: maybe(whole(-(2 ** 31), 2 ** 32)),
        reason: optional,
        imageDigest: maybe(id),
        cpu: size,
        memory: size,
        memoryReservation: size,
      }),
    ),
  ),
});

const instance = record({
  status: word,
  agentConnected: flag,
  ec2InstanceId: maybe(id),
  capacityProviderName: maybe(id),
  remainingResources: list(record({ name: text, integerValue: maybe(whole(-1e9, 1e9)) })),
});

/** Ports are there for the protocols that have them; without them a rule would be one for all. */
const permission: Check = (value, path) => {
  const source = (name: string, of: Check): Check => maybe(list(record({ [name]: of })));
  const wrong = record({
    IpProtocol: like(/^(?:-1|[a-z0-9]{1,10})$/, 'a protocol'),
    FromPort: maybe(port),
    ToPort: maybe(port),
    IpRanges: source('CidrIp', like(/^[\d.]{7,15}\/\d{1,2}$/, 'a range of addresses')),
    Ipv6Ranges: source('CidrIpv6', like(/^[\da-f:.]{2,45}\/\d{1,3}$/i, 'a range of addresses')),
    PrefixListIds: source('PrefixListId', like(/^pl-[\da-z]{1,40}$/, 'the id of a prefix list')),
    UserIdGroupPairs: source('GroupId', group),
  })(value, path);
  if (wrong !== null) return wrong;
  const { IpProtocol, FromPort, ToPort } = value as Readonly<Record<string, unknown>>;
  if (IpProtocol !== 'tcp' && IpProtocol !== 'udp') return null;
  return record({ FromPort: port, ToPort: whole(Number(FromPort ?? 0), 65_535) })({ FromPort, ToPort }, path);
};

const database = record({
  DBInstanceIdentifier: id,
  DBInstanceStatus: word,
  Engine: optional,
  EngineVersion: optional,
  DBInstanceClass: optional,
  MultiAZ: maybe(flag),
  AllocatedStorage: maybe(count),
  DbInstancePort: maybe(port),
  Endpoint: maybe(record({ Address: maybe(like(/^[\w.:-]{1,255}$/, 'a host')), Port: maybe(port) })),
  VpcSecurityGroups: maybe(list(record({ VpcSecurityGroupId: group, Status: maybe(word) }))),
  DBParameterGroups: maybe(list(record({ DBParameterGroupName: optional, ParameterApplyStatus: maybe(word) }))),
  PendingModifiedValues: maybe(record({})),
});

const arn = like(/^arn:[\w-]+:[\w-]+:[\w-]*:\d*:\S{1,1024}$/, 'an ARN');

/** Without an ARN it would be of no queue: only those of a cluster of somebody else's have none. */
const mapping: Check = (value, path) => {
  const isOthers = !isAbsent((value as { readonly SelfManagedEventSource?: unknown } | null)?.SelfManagedEventSource);
  return record({
    UUID: id,
    State: word,
    EventSourceArn: isOthers ? maybe(arn) : arn,
    BatchSize: maybe(whole(0, 100_000)),
    LastModified: maybe(time),
    ScalingConfig: maybe(record({ MaximumConcurrency: maybe(count) })),
  })(value, path);
};

/** SQS gives figures as texts. */
const figure = maybe(like(/^\d{1,15}$/, 'a number'));
const page = maybe(text);

const SHAPES: { readonly [A in AwsAction]: Readonly<Record<string, Check>> } = {
  // What is wrong with one metric costs that one: `cloudwatch/read.ts`.
  'cloudwatch:GetMetricData': { MetricDataResults: list(record({ Id: maybe(text) })), NextToken: page },
  'cloudwatch:ListMetrics': {
    Metrics: list(record({ Dimensions: maybe(list(record({ Name: text, Value: text }))) })),
    NextToken: page,
  },
  'ecs:DescribeServices': {
    services: list(service),
    failures: maybe(list(record({ arn: optional, reason: optional }))),
  },
  'ecs:ListServices': { serviceArns: list(id), nextToken: page },
  'ecs:ListTasks': { taskArns: list(id), nextToken: page },
  'ecs:DescribeTasks': { tasks: list(task) },
  'ecs:DescribeClusters': { clusters: list(record({ registeredContainerInstancesCount: maybe(count) })) },
  'ecs:ListContainerInstances': { containerInstanceArns: list(id), nextToken: page },
  'ecs:DescribeContainerInstances': { containerInstances: list(instance) },
  'ecs:ListServiceDeployments': {
    serviceDeployments: list(record({ serviceDeploymentArn: maybe(id), status: maybe(word) })),
  },
  'ecs:DescribeServiceDeployments': {
    serviceDeployments: list(
      record({
        createdAt: maybe(time),
        finishedAt: maybe(time),
        statusReason: optional,
        rollback: maybe(record({ startedAt: maybe(time), reason: optional })),
      }),
    ),
  },
  'ecs:DescribeTaskDefinition': {
    taskDefinition: record({ containerDefinitions: list(record({ stopTimeout: maybe(whole(0, 86_400)) })) }),
  },
  'logs:FilterLogEvents': {
    events: list(record({ timestamp: whole(0, 4e12), message: text, logStreamName: optional })),
    nextToken: page,
  },
  'rds:DescribeDBInstances': { DBInstances: list(database), Marker: page },
  'rds:DescribeEvents': { Events: list(record({ Date: time, Message: text, EventCategories: texts })), Marker: page },
  'elasticloadbalancing:DescribeTargetGroups': {
    TargetGroups: list(record({ TargetGroupArn: id, LoadBalancerArns: maybe(list(id)) })),
  },
  'elasticloadbalancing:DescribeTargetHealth': {
    TargetHealthDescriptions: list(
      record({
        Target: record({ Id: id, AvailabilityZone: optional }),
        HealthCheckPort: optional,
        TargetHealth: record({ State: word, Reason: maybe(word), Description: optional }),
      }),
    ),
  },
  'elasticloadbalancing:DescribeLoadBalancerAttributes': {
    Attributes: list(record({ Key: text, Value: optional })),
  },
  'ec2:DescribeSecurityGroups': {
    SecurityGroups: list(record({ GroupId: group, IpPermissions: list(permission) })),
    NextToken: page,
  },
  'autoscaling:DescribeAutoScalingGroups': {
    AutoScalingGroups: list(
      record({
        AutoScalingGroupName: text,
        DesiredCapacity: count,
        MaxSize: count,
        Instances: maybe(list(record({ InstanceId: id, LifecycleState: like(/^[\w:]{1,60}$/, 'a state') }))),
        Tags: maybe(list(record({ Key: optional }))),
      }),
    ),
    NextToken: page,
  },
  'autoscaling:DescribeScalingActivities': {
    Activities: list(record({ StatusCode: word, StartTime: time, StatusMessage: optional, Cause: optional })),
  },
  'lambda:GetFunctionConcurrency': { ReservedConcurrentExecutions: maybe(count) },
  'lambda:GetAccountSettings': {
    AccountLimit: record({ ConcurrentExecutions: count, UnreservedConcurrentExecutions: count }),
  },
  'lambda:ListEventSourceMappings': {
    EventSourceMappings: list(mapping),
    NextMarker: page,
  },
  'sqs:GetQueueUrl': { QueueUrl: text },
  'sqs:GetQueueAttributes': {
    Attributes: record({
      ApproximateNumberOfMessages: figure,
      ApproximateNumberOfMessagesNotVisible: figure,
      ApproximateNumberOfMessagesDelayed: figure,
      VisibilityTimeout: figure,
      RedrivePolicy: optional,
    }),
  },
};

/** What makes this no answer of that call, fit to be shown; null when it is one. */
export function wrongAnswer(action: AwsAction, output: unknown): string | null {
  const wrong = record(SHAPES[action])(output, '');
  return wrong === null ? null : `an answer that is not what the API gives: ${wrong}`;
}
