import type { TargetHealthDescription } from '@aws-sdk/client-elastic-load-balancing-v2';
import { expect, test } from 'vitest';
import { type FakeAws, fakeAws } from '../ecs/testdata.ts';
import { healthCheckText } from './health-check.ts';
import { createAlbReader } from './targets.ts';

const { signal } = new AbortController();
const T = Date.UTC(2026, 10, 23, 14, 0, 0);
const PREFIX = 'arn:aws:elasticloadbalancing:us-east-1:123456789012';
const ARN = `${PREFIX}:targetgroup/api/fedcba9876543210`;
const NAME = { targetGroup: 'targetgroup/api/fedcba9876543210', loadBalancer: 'app/rastup/0123456789abcdef' };

// Fields as the API gives them: HealthCheckPort is "traffic-port", a healthy target has a state and nothing else.
const GROUP = {
  TargetGroupArn: ARN,
  TargetGroupName: 'api',
  Protocol: 'HTTP',
  Port: 8000,
  HealthCheckProtocol: 'HTTP',
  HealthCheckPort: 'traffic-port',
  HealthCheckEnabled: true,
  HealthCheckPath: '/health',
  Matcher: { HttpCode: '200' },
  LoadBalancerArns: [`${PREFIX}:loadbalancer/app/rastup/0123456789abcdef`],
} as const;

const TARGETS: TargetHealthDescription[] = [
  {
    Target: { Id: '10.0.1.23', Port: 8080, AvailabilityZone: 'us-east-1a' },
    HealthCheckPort: '8080',
    TargetHealth: { State: 'healthy' },
  },
  {
    Target: { Id: '10.0.2.7', Port: 8080, AvailabilityZone: 'us-east-1b' },
    HealthCheckPort: '8080',
    TargetHealth: {
      State: 'unhealthy',
      Reason: 'Target.ResponseCodeMismatch',
      Description: 'Health checks failed with these codes: [503]',
    },
  },
  {
    Target: { Id: '10.0.3.9' },
    HealthCheckPort: '8080',
    TargetHealth: { State: 'unhealthy.draining', Reason: 'Target.DeregistrationInProgress' },
  },
];

function balancer(): FakeAws {
  return fakeAws({
    'elasticloadbalancing:DescribeTargetGroups': () => ({
      TargetGroups: [{ ...GROUP, LoadBalancerArns: [...GROUP.LoadBalancerArns] }],
    }),
    'elasticloadbalancing:DescribeTargetHealth': () => ({ TargetHealthDescriptions: TARGETS }),
    'elasticloadbalancing:DescribeLoadBalancerAttributes': () => ({
      Attributes: [{ Key: 'idle_timeout.timeout_seconds', Value: '60' }],
    }),
  });
}

test('targets have their reasons, the group its health check and idle timeout', async () => {
  const aws = balancer();
  const reader = createAlbReader(aws);
  expect(await reader.targets(NAME, [], T, signal)).toEqual({
    at: T,
    targetGroup: 'targetgroup/api/fedcba9876543210',
    targetGroupArn: ARN,
    targets: [
      {
        id: '10.0.2.7',
        zone: 'us-east-1b',
        state: 'unhealthy',
        reason: 'Target.ResponseCodeMismatch',
        description: 'Health checks failed with these codes: [503]',
      },
      { id: '10.0.3.9', zone: null, state: 'draining', reason: 'Target.DeregistrationInProgress', description: null },
      { id: '10.0.1.23', zone: 'us-east-1a', state: 'healthy', reason: null, description: null },
    ],
    healthy: 1,
    unhealthy: 1,
    healthCheck: 'GET /health on port 8080, expects 200',
    idleTimeoutSeconds: 60,
  });
  aws.calls.length = 0;
  await reader.targets(NAME, [], T + 60_000, signal);
  expect(aws.calls.map(({ action }) => action)).toEqual(['elasticloadbalancing:DescribeTargetHealth']);
});

test('the ARN that ECS has is taken without asking, the configured end decides which', async () => {
  const aws = balancer();
  const known = [`${PREFIX}:targetgroup/admin/1111111111111111`, ARN];
  const { targetGroupArn } = await createAlbReader(aws).targets(NAME, known, T, signal);
  expect(targetGroupArn).toBe(ARN);
  expect(aws.calls.filter(({ input }) => 'Names' in (input as object))).toEqual([]);
});

test('a health check and idle timeout that may not be read are null and told, the targets stand', async () => {
  const aws = balancer();
  aws.denied.add('elasticloadbalancing:DescribeTargetGroups');
  const unseen: unknown[] = [];
  const answer = await createAlbReader(aws).targets(NAME, [ARN], T, signal, (error) => unseen.push(error));
  expect(unseen).toMatchObject([{ code: 'AWS_DENIED' }]);
  // The load balancer's ARN is the target group's with another end.
  expect(answer).toMatchObject({ unhealthy: 1, healthCheck: null, idleTimeoutSeconds: 60 });
  aws.denied.add('elasticloadbalancing:DescribeLoadBalancerAttributes');
  expect(await createAlbReader(aws).targets(NAME, [ARN], T, signal)).toMatchObject({ idleTimeoutSeconds: null });
  await expect(createAlbReader(aws).targets(NAME, [], T, signal)).rejects.toMatchObject({ code: 'AWS_DENIED' });
});

test('a target group that is not there is named', async () => {
  const wrong = { ...NAME, targetGroup: 'targetgroup/api/0000000000000000' };
  await expect(createAlbReader(balancer()).targets(wrong, [], T, signal)).rejects.toMatchObject({
    code: 'AWS_NOT_FOUND',
    message: expect.stringMatching(/us-east-1.*targetgroup\/api\/0000000000000000/),
  });
});

test.each([
  ['GET /health on the traffic port, expects 200', {}, null],
  ['GET /health on port 9000, expects 200-299', { HealthCheckPort: '9000', Matcher: { HttpCode: '200-299' } }, null],
  ['GET /health on port 8443 (HTTPS), expects 200', { HealthCheckProtocol: 'HTTPS' }, '8443'],
  [
    'gRPC /AWS.ALB/healthcheck on port 50051, expects code 12',
    { ProtocolVersion: 'GRPC', HealthCheckPath: '/AWS.ALB/healthcheck', Matcher: { GrpcCode: '12' } },
    '50051',
  ],
  ['TCP connection on port 5432', { HealthCheckProtocol: 'TCP', HealthCheckPath: undefined }, '5432'],
  [null, { HealthCheckEnabled: false }, null],
] as const)('%s', (text, more, port) => {
  const group = { ...GROUP, LoadBalancerArns: [], ...more };
  expect(healthCheckText(group, port)).toBe(text);
});
