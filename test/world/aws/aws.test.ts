import { DescribeAutoScalingGroupsCommand, DescribeScalingActivitiesCommand } from '@aws-sdk/client-auto-scaling';
import { GetMetricDataCommand, ListMetricsCommand } from '@aws-sdk/client-cloudwatch';
import { FilterLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs';
import { DescribeSecurityGroupsCommand } from '@aws-sdk/client-ec2';
import {
  DescribeClustersCommand,
  DescribeServicesCommand,
  DescribeTaskDefinitionCommand,
  ListServicesCommand,
} from '@aws-sdk/client-ecs';
import {
  DescribeLoadBalancerAttributesCommand,
  DescribeTargetGroupsCommand,
  DescribeTargetHealthCommand,
} from '@aws-sdk/client-elastic-load-balancing-v2';
import {
  GetAccountSettingsCommand,
  GetFunctionConcurrencyCommand,
  ListEventSourceMappingsCommand,
} from '@aws-sdk/client-lambda';
import { DescribeDBInstancesCommand, DescribeEventsCommand } from '@aws-sdk/client-rds';
import { GetQueueAttributesCommand, GetQueueUrlCommand } from '@aws-sdk/client-sqs';
import { fromTemporaryCredentials } from '@aws-sdk/credential-providers';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type AwsEndpoint, startAws } from './aws.ts';
import { awsClients } from './clients.ts';
import { demoFleet } from './demo-fleet.ts';
import type { Fleet } from './fleet.ts';
import type { Action } from './trouble.ts';

const START = Date.parse('2026-11-23T22:00:30Z');
const now = START;
let fleet: Fleet;
let aws: AwsEndpoint;
let clients: ReturnType<typeof awsClients>;

beforeAll(async () => {
  fleet = demoFleet({ now: () => now });
  aws = await startAws({ fleet });
  clients = awsClients(aws.endpoint);
});
afterAll(async () => {
  for (const client of Object.values(clients)) client.destroy();
  await aws.close();
});
beforeEach(() => aws.clearCalls());

const requestCount = (client = clients.cloudwatch) =>
  client.send(
    new GetMetricDataCommand({
      StartTime: new Date(now - 600_000),
      EndTime: new Date(now),
      MetricDataQueries: [
        {
          Id: 'r',
          MetricStat: {
            Metric: {
              Namespace: 'AWS/ApplicationELB',
              MetricName: 'RequestCount',
              Dimensions: [
                { Name: 'LoadBalancer', Value: 'app/rastup/0123456789abcdef' },
                { Name: 'TargetGroup', Value: 'targetgroup/api/fedcba9876543210' },
              ],
            },
            Period: 60,
            Stat: 'Sum',
          },
        },
      ],
    }),
  );
const services = () =>
  clients.ecs.send(new DescribeServicesCommand({ cluster: 'rastup-prod', services: ['api-service'] }));
const balancer = 'arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/rastup/0123456789abcdef';

/** One call of each protocol, and what the vendor says when it refuses. */
const SAMPLES: readonly {
  readonly action: Action;
  readonly call: () => Promise<unknown>;
  readonly denied: string;
  readonly throttled: string;
  readonly expired: string;
}[] = [
  {
    action: 'cloudwatch:GetMetricData',
    call: () => requestCount(),
    denied: 'AccessDenied',
    throttled: 'Throttling',
    expired: 'ExpiredToken',
  },
  {
    action: 'ecs:DescribeServices',
    call: services,
    denied: 'AccessDeniedException',
    throttled: 'ThrottlingException',
    expired: 'ExpiredTokenException',
  },
  {
    action: 'logs:FilterLogEvents',
    call: () =>
      clients.logs.send(
        new FilterLogEventsCommand({ logGroupName: '/aws/ecs/rastup-prod/api-service', startTime: now - 10_000 }),
      ),
    denied: 'AccessDeniedException',
    throttled: 'ThrottlingException',
    expired: 'ExpiredTokenException',
  },
  {
    action: 'rds:DescribeDBInstances',
    call: () => clients.rds.send(new DescribeDBInstancesCommand({})),
    denied: 'AccessDenied',
    throttled: 'Throttling',
    expired: 'ExpiredToken',
  },
  {
    action: 'elasticloadbalancing:DescribeTargetGroups',
    call: () => clients.elb.send(new DescribeTargetGroupsCommand({})),
    denied: 'AccessDenied',
    throttled: 'Throttling',
    expired: 'ExpiredToken',
  },
  {
    action: 'ec2:DescribeSecurityGroups',
    call: () => clients.ec2.send(new DescribeSecurityGroupsCommand({})),
    denied: 'UnauthorizedOperation',
    throttled: 'RequestLimitExceeded',
    expired: 'RequestExpired',
  },
  {
    action: 'autoscaling:DescribeAutoScalingGroups',
    call: () => clients.autoScaling.send(new DescribeAutoScalingGroupsCommand({})),
    denied: 'AccessDenied',
    throttled: 'Throttling',
    expired: 'ExpiredToken',
  },
  {
    action: 'lambda:GetAccountSettings',
    call: () => clients.lambda.send(new GetAccountSettingsCommand({})),
    denied: 'AccessDeniedException',
    throttled: 'TooManyRequestsException',
    expired: 'ExpiredTokenException',
  },
  {
    action: 'sqs:GetQueueUrl',
    call: () => clients.sqs.send(new GetQueueUrlCommand({ QueueName: 'rastup-messages' })),
    denied: 'AccessDenied',
    throttled: 'RequestThrottled',
    expired: 'ExpiredToken',
  },
];

describe('every API answers the vendor’s client', () => {
  test('CloudWatch gives points and names, newest first', async () => {
    const { MetricDataResults } = await requestCount();
    expect(MetricDataResults![0]).toMatchObject({ Id: 'r', StatusCode: 'Complete' });
    const times = MetricDataResults![0]!.Timestamps!.map(Number);
    expect(times).toEqual([...times].sort((a, b) => b - a));
    // Two minutes behind: the slot from 21:57 ended at 21:58.
    expect(times[0]).toBe(Date.parse('2026-11-23T21:57:00Z'));
    const { Metrics } = await clients.cloudwatch.send(
      new ListMetricsCommand({ Namespace: 'AWS/RDS', MetricName: 'ReplicaLag' }),
    );
    expect(Metrics).toEqual([
      {
        Namespace: 'AWS/RDS',
        MetricName: 'ReplicaLag',
        Dimensions: [{ Name: 'DBInstanceIdentifier', Value: 'rastup-prod-replica' }],
      },
    ]);
  });

  test('RDS gives instances and events', async () => {
    const { DBInstances } = await clients.rds.send(
      new DescribeDBInstancesCommand({ DBInstanceIdentifier: 'rastup-prod' }),
    );
    const [instance] = DBInstances!;
    expect(instance).toMatchObject({
      DBInstanceIdentifier: 'rastup-prod',
      DBInstanceStatus: 'available',
      Engine: 'postgres',
      MultiAZ: true,
      AllocatedStorage: 500,
      Endpoint: { Port: 5432 },
      ReadReplicaDBInstanceIdentifiers: ['rastup-prod-replica'],
      PendingModifiedValues: {},
    });
    expect(instance!.VpcSecurityGroups).toHaveLength(1);
    fleet.database('rastup-prod', {
      at: now - 60_000,
      status: 'storage-full',
      pending: { AllocatedStorage: 800 },
      events: [
        { message: 'The free storage capacity is low: <1 % & "falling"', categories: ['low storage', 'failure'] },
      ],
    });
    const { Events } = await clients.rds.send(
      new DescribeEventsCommand({ SourceType: 'db-instance', SourceIdentifier: 'rastup-prod', Duration: 30 }),
    );
    expect(Events).toEqual([
      expect.objectContaining({
        SourceIdentifier: 'rastup-prod',
        Message: 'The free storage capacity is low: <1 % & "falling"',
        EventCategories: ['low storage', 'failure'],
        Date: new Date(now - 60_000),
      }),
    ]);
    const after = await clients.rds.send(new DescribeDBInstancesCommand({ DBInstanceIdentifier: 'rastup-prod' }));
    expect(after.DBInstances![0]).toMatchObject({
      DBInstanceStatus: 'storage-full',
      PendingModifiedValues: { AllocatedStorage: 800 },
    });
    fleet.database('rastup-prod', { status: 'available' });
  });

  test('the load balancer gives groups, health and attributes', async () => {
    const { TargetGroups } = await clients.elb.send(new DescribeTargetGroupsCommand({ Names: ['api'] }));
    expect(TargetGroups![0]).toMatchObject({
      HealthCheckPath: '/health',
      Matcher: { HttpCode: '200' },
      LoadBalancerArns: [balancer],
    });
    const { TargetHealthDescriptions } = await clients.elb.send(
      new DescribeTargetHealthCommand({ TargetGroupArn: TargetGroups![0]!.TargetGroupArn }),
    );
    expect(TargetHealthDescriptions).toHaveLength(6);
    expect(TargetHealthDescriptions![0]).toMatchObject({
      Target: { Port: 8080, AvailabilityZone: 'us-east-1a' },
      TargetHealth: { State: 'healthy' },
    });
    const { Attributes } = await clients.elb.send(
      new DescribeLoadBalancerAttributesCommand({ LoadBalancerArn: balancer }),
    );
    expect(Attributes).toContainEqual({ Key: 'idle_timeout.timeout_seconds', Value: '60' });
  });

  test('a rule that is taken out of the security group is gone', async () => {
    const group = fleet.databases.get('rastup-prod')!.facts.securityGroup;
    const ask = () => clients.ec2.send(new DescribeSecurityGroupsCommand({ GroupIds: [group] }));
    const [before] = (await ask()).SecurityGroups!;
    expect(before!.IpPermissions![0]).toMatchObject({
      IpProtocol: 'tcp',
      FromPort: 5432,
      ToPort: 5432,
      IpRanges: [{ CidrIp: '10.0.0.0/16', Description: 'the services & their <deploy hosts>' }],
    });
    expect(before!.IpPermissions![0]!.UserIdGroupPairs).toHaveLength(1);
    fleet.database('rastup-prod', { removeRule: true });
    const [after] = (await ask()).SecurityGroups!;
    expect(after!.IpPermissions).toEqual([]);
    fleet.database('rastup-prod', { addRule: '10.0.0.0/16' });
    expect((await ask()).SecurityGroups![0]!.IpPermissions).toHaveLength(1);
  });

  test('Auto Scaling, Lambda and SQS answer', async () => {
    const { AutoScalingGroups } = await clients.autoScaling.send(
      new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: ['rastup-prod-cluster'] }),
    );
    expect(AutoScalingGroups![0]).toMatchObject({ DesiredCapacity: 10, MaxSize: 12 });
    expect(AutoScalingGroups![0]!.Instances).toHaveLength(10);
    const { Activities } = await clients.autoScaling.send(
      new DescribeScalingActivitiesCommand({ AutoScalingGroupName: 'rastup-prod-cluster' }),
    );
    expect(Activities![0]).toMatchObject({ StatusCode: 'Successful' });
    const concurrency = await clients.lambda.send(
      new GetFunctionConcurrencyCommand({ FunctionName: 'rastup-message-processor' }),
    );
    expect(concurrency.ReservedConcurrentExecutions).toBeUndefined();
    const { AccountLimit } = await clients.lambda.send(new GetAccountSettingsCommand({}));
    expect(AccountLimit).toMatchObject({ ConcurrentExecutions: 1000, UnreservedConcurrentExecutions: 1000 });
    const { QueueUrl } = await clients.sqs.send(new GetQueueUrlCommand({ QueueName: 'rastup-messages' }));
    const { Attributes } = await clients.sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] }));
    expect(Number(Attributes!['ApproximateNumberOfMessages'])).toBeLessThan(20);
    expect(JSON.parse(Attributes!['RedrivePolicy']!)).toMatchObject({ maxReceiveCount: 5 });
  });

  test('Lambda lists the event sources of a function, and what became of them', async () => {
    const list = (extra: object = {}) =>
      clients.lambda.send(new ListEventSourceMappingsCommand({ FunctionName: 'rastup-message-processor', ...extra }));
    const { EventSourceMappings, NextMarker } = await list();
    expect(NextMarker).toBeUndefined();
    expect(EventSourceMappings).toMatchObject([
      {
        EventSourceArn: 'arn:aws:sqs:us-east-1:123456789012:rastup-messages',
        State: 'Enabled',
        BatchSize: 10,
        ScalingConfig: { MaximumConcurrency: 8 },
      },
    ]);
    expect(EventSourceMappings![0]!.UUID).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    expect(EventSourceMappings![0]!.LastModified!.getTime()).toBe(fleet.startedAt);
    const enable = fleet.affect({ queue: 'rastup-messages', effects: { eventSource: { disabled: true } } });
    expect((await list()).EventSourceMappings![0]!.State).toBe('Disabled');
    enable();
    expect((await list()).EventSourceMappings![0]!.State).toBe('Enabled');
    const first = await clients.lambda.send(new ListEventSourceMappingsCommand({ MaxItems: 1 }));
    const second = await clients.lambda.send(
      new ListEventSourceMappingsCommand({ MaxItems: 1, Marker: first.NextMarker }),
    );
    expect([first, second].map((page) => page.EventSourceMappings?.length)).toEqual([1, 1]);
    expect(second.NextMarker).toBeUndefined();
    expect((await list({ EventSourceArn: 'arn:aws:sqs:us-east-1:123456789012:x' })).EventSourceMappings).toEqual([]);
  });

  test('ECS gives clusters, services and task definitions', async () => {
    const { clusters } = await clients.ecs.send(
      new DescribeClustersCommand({ clusters: ['rastup-prod'], include: ['SETTINGS'] }),
    );
    expect(clusters![0]).toMatchObject({
      registeredContainerInstancesCount: 10,
      runningTasksCount: 22,
      activeServicesCount: 5,
      settings: [{ name: 'containerInsights', value: 'enhanced' }],
    });
    const { serviceArns } = await clients.ecs.send(new ListServicesCommand({ cluster: 'rastup-prod' }));
    expect(serviceArns).toHaveLength(5);
    const { taskDefinition } = await clients.ecs.send(new DescribeTaskDefinitionCommand({ taskDefinition: 'api:511' }));
    expect(taskDefinition!.containerDefinitions![0]).toMatchObject({ stopTimeout: 30 });
  });

  test('a role is assumed, with its external id, and its keys are used', async () => {
    const guarded = await startAws({
      fleet,
      roles: [{ roleArn: 'arn:aws:iam::210987654321:role/look', externalId: 'between-us' }],
    });
    try {
      const credentials = (externalId: string) =>
        fromTemporaryCredentials({
          params: { RoleArn: 'arn:aws:iam::210987654321:role/look', ExternalId: externalId },
          masterCredentials: { accessKeyId: 'AKIAMASTER', secretAccessKey: 'x' },
          clientConfig: { endpoint: guarded.endpoint, region: 'eu-west-1' },
        });
      const { accessKeyId, sessionToken, expiration } = await credentials('between-us')();
      expect(accessKeyId).toMatch(/^ASIA/);
      expect(sessionToken).toBeTruthy();
      expect(Number(expiration)).toBeGreaterThan(now);
      await expect(credentials('guessed')()).rejects.toMatchObject({ name: 'AccessDenied' });
      expect(guarded.calls().map(({ action, region, code }) => ({ action, region, code }))).toEqual([
        { action: 'sts:AssumeRole', region: 'eu-west-1', code: null },
        { action: 'sts:AssumeRole', region: 'eu-west-1', code: 'AccessDenied' },
      ]);
    } finally {
      await guarded.close();
    }
  });
});

describe('errors are the vendor’s, protocol by protocol', () => {
  test.each(SAMPLES)('$action', async ({ action, call, denied, throttled, expired }) => {
    const allow = aws.trouble.deny(action);
    await expect(call()).rejects.toMatchObject({
      name: denied,
      message: expect.stringContaining(`perform: ${action}`),
    });
    allow();
    const calm = aws.trouble.throttle(action);
    await expect(call()).rejects.toMatchObject({ name: throttled });
    calm();
    const renew = aws.trouble.expire();
    await expect(call()).rejects.toMatchObject({ name: expired });
    renew();
    const mend = aws.trouble.garbage(action);
    await expect(call()).rejects.toMatchObject({ $metadata: { httpStatusCode: 500 } });
    mend();
    const join = aws.trouble.drop(action);
    await expect(call()).rejects.toMatchObject({ code: 'ECONNRESET' });
    join();
    await expect(call()).resolves.toBeDefined();
    expect(
      aws.calls().map(({ action: of, status, code }) => [of, status === null ? null : status < 300, code]),
    ).toEqual([
      [action, false, denied],
      [action, false, throttled],
      [action, false, expired],
      [action, false, 'garbage'],
      [action, null, 'drop'],
      [action, true, null],
    ]);
  });

  const missing: readonly (readonly [string, () => Promise<unknown>, string])[] = [
    [
      'a database',
      () => clients.rds.send(new DescribeDBInstancesCommand({ DBInstanceIdentifier: 'x' })),
      'DBInstanceNotFoundFault',
    ],
    [
      'a target group',
      () => clients.elb.send(new DescribeTargetGroupsCommand({ Names: ['x'] })),
      'TargetGroupNotFoundException',
    ],
    [
      'a security group',
      () => clients.ec2.send(new DescribeSecurityGroupsCommand({ GroupIds: ['sg-1'] })),
      'InvalidGroup.NotFound',
    ],
    ['a queue', () => clients.sqs.send(new GetQueueUrlCommand({ QueueName: 'x' })), 'QueueDoesNotExist'],
    [
      'a function',
      () => clients.lambda.send(new GetFunctionConcurrencyCommand({ FunctionName: 'x' })),
      'ResourceNotFoundException',
    ],
    ['a cluster', () => clients.ecs.send(new ListServicesCommand({ cluster: 'x' })), 'ClusterNotFoundException'],
    [
      'a log group',
      () => clients.logs.send(new FilterLogEventsCommand({ logGroupName: '/x' })),
      'ResourceNotFoundException',
    ],
  ];
  test.each(missing)('%s that is not there', async (_, call, name) => {
    await expect(call()).rejects.toMatchObject({ name });
  });

  test('the age of the oldest message is no attribute of a queue', async () => {
    const { QueueUrl } = await clients.sqs.send(new GetQueueUrlCommand({ QueueName: 'rastup-messages' }));
    const ask = clients.sqs.send(
      new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['ApproximateAgeOfOldestMessage' as 'All'] }),
    );
    await expect(ask).rejects.toMatchObject({ name: 'InvalidAttributeName' });
  });

  test('an unsigned request, another API and another target are refused loudly', async () => {
    const post = (headers: Record<string, string>) => fetch(aws.endpoint, { method: 'POST', headers, body: '{}' });
    const unsigned = await post({ 'x-amz-target': 'AmazonSQS.GetQueueUrl' });
    expect(unsigned.status).toBe(403);
    expect(unsigned.headers.get('x-amzn-query-error')).toBe('MissingAuthenticationToken;Sender');
    const other = await post({ 'x-amz-target': 'DynamoDB_20120810.GetItem' });
    expect([other.status, await other.text()]).toEqual([404, expect.stringContaining('DynamoDB_20120810.GetItem')]);
  });
});

describe('trouble', () => {
  test('a hung call is never answered, and is told as such', async () => {
    const mend = aws.trouble.hang('ecs:DescribeServices');
    const { ecs } = clients;
    const ask = ecs.send(new DescribeServicesCommand({ cluster: 'rastup-prod', services: ['api-service'] }), {
      abortSignal: AbortSignal.timeout(200),
    });
    await expect(ask).rejects.toMatchObject({ name: 'AbortError' });
    expect(aws.calls()).toMatchObject([{ action: 'ecs:DescribeServices', status: null, code: 'hang' }]);
    mend();
    await expect(services()).resolves.toBeDefined();
  });

  test('a share of calls is throttled, evenly', async () => {
    const mend = aws.trouble.throttle('ecs:DescribeServices', 0.25);
    const results = [];
    for (let call = 0; call < 8; call += 1)
      results.push(
        await services().then(
          () => 'ok',
          (error: Error) => error.name,
        ),
      );
    mend();
    expect(results.filter((result) => result === 'ThrottlingException')).toHaveLength(2);
  });

  test('an expired key stays expired; a new one is taken', async () => {
    await requestCount();
    const renew = aws.trouble.expire();
    await expect(requestCount()).rejects.toMatchObject({ name: 'ExpiredToken' });
    const fresh = awsClients(aws.endpoint, 'AKIAFRESH');
    await expect(requestCount(fresh.cloudwatch)).resolves.toBeDefined();
    for (const client of Object.values(fresh)) client.destroy();
    renew();
  });

  test('late, partial and forgotten metrics', async () => {
    const values = async () => (await requestCount()).MetricDataResults![0]!;
    const whole = await values();
    const onTime = aws.trouble.late(180_000);
    expect((await values()).Values).toEqual(whole.Values!.slice(3));
    onTime();
    const mend = aws.trouble.partial(1);
    const half = await values();
    expect(half.StatusCode).toBe('PartialData');
    expect(half.Values!.length).toBeLessThan(whole.Values!.length);
    mend();
    const remember = aws.trouble.forget('AWS/ApplicationELB/RequestCount');
    expect((await values()).Values).toEqual([]);
    const listed = await clients.cloudwatch.send(new ListMetricsCommand({ MetricName: 'RequestCount' }));
    expect(listed.Metrics).toEqual([]);
    remember();
    expect(await values()).toEqual(whole);
  });

  test('misuse is told', () => {
    expect(() => aws.trouble.deny('ecs:DescribeService' as Action)).toThrow('no action ecs:DescribeService');
    expect(() => aws.trouble.throttle('*', 2)).toThrow('share 2');
    expect(() => fleet.affect({ service: 'apo', effects: {} })).toThrow('no service apo in the fleet; there are api,');
    expect(() => fleet.affect({ service: 'api', effects: { errors: { share: 1, endpoint: 'GET /x' } } })).toThrow(
      'no endpoint GET /x',
    );
    expect(() => fleet.affect({ service: 'search', effects: { dependency: { host: 'api.stripe.com' } } })).toThrow(
      'does not call',
    );
    expect(() => fleet.deploy('api', { version: 'latest' })).toThrow('version latest');
  });

  test('the region is that of the signature', async () => {
    const other = awsClients(aws.endpoint, 'AKIAOTHER', 'eu-central-1');
    await other.ecs.send(new ListServicesCommand({ cluster: 'rastup-prod' }));
    for (const client of Object.values(other)) client.destroy();
    expect(aws.calls()).toMatchObject([{ action: 'ecs:ListServices', region: 'eu-central-1', accessKey: 'AKIAOTHER' }]);
  });
});
