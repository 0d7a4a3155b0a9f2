import { expect, test } from 'vitest';
import { wrongAnswer } from './answers.ts';
import type { AwsAction } from './calls.ts';

const AT = new Date(1_764_000_000_000);
const deployment = {
  id: 'ecs-svc/0123456789012345678',
  status: 'PRIMARY',
  taskDefinition: 'arn:aws:ecs:us-east-1:123456789012:task-definition/api:512',
  createdAt: AT,
  updatedAt: AT,
  desiredCount: 6,
  pendingCount: 0,
  runningCount: 6,
};
const service = {
  serviceName: 'api-service',
  status: 'ACTIVE',
  desiredCount: 6,
  pendingCount: 0,
  runningCount: 6,
  deployments: [deployment],
  events: [{ createdAt: AT, message: '(service api-service) has reached a steady state.' }],
};
const rule = { IpProtocol: 'tcp', FromPort: 5432, ToPort: 5432, IpRanges: [{ CidrIp: '10.0.0.0/16' }] };
const groups = (permission: object) => ({
  SecurityGroups: [{ GroupId: 'sg-0123456789abcdef0', IpPermissions: [permission] }],
});

// As the API references have them, with what they leave out where there is none.
test.each<readonly [AwsAction, unknown]>([
  ['ecs:DescribeServices', { services: [service], failures: [] }],
  ['ecs:DescribeServices', { services: [{ ...service, deployments: undefined, events: undefined }] }],
  ['ecs:DescribeServices', { services: [], failures: [{ arn: 'arn', reason: 'MISSING' }] }],
  ['ecs:ListTasks', { taskArns: [] }],
  ['logs:FilterLogEvents', { events: [], nextToken: 'next' }],
  ['rds:DescribeEvents', { Events: [] }],
  ['elasticloadbalancing:DescribeTargetHealth', { TargetHealthDescriptions: [] }],
  [
    'elasticloadbalancing:DescribeTargetHealth',
    {
      TargetHealthDescriptions: [
        { Target: { Id: '10.0.1.7', Port: 8080 }, TargetHealth: { State: 'unhealthy', Reason: 'Target.Timeout' } },
      ],
    },
  ],
  ['ec2:DescribeSecurityGroups', groups(rule)],
  ['ec2:DescribeSecurityGroups', groups({ IpProtocol: '-1', UserIdGroupPairs: [{ GroupId: 'sg-1a2b3c4d' }] })],
  ['ec2:DescribeSecurityGroups', groups({ IpProtocol: 'icmpv6', FromPort: -1, ToPort: -1 })],
  ['lambda:GetFunctionConcurrency', {}],
  ['lambda:GetFunctionConcurrency', { ReservedConcurrentExecutions: 0 }],
  ['sqs:GetQueueAttributes', { Attributes: { ApproximateNumberOfMessages: '12', RedrivePolicy: '{}' } }],
])('%s: an answer as it is documented', (action, output) => {
  expect(wrongAnswer(action, output)).toBeNull();
});

test.each<readonly [AwsAction, unknown, string]>([
  // A page of a proxy reads as an answer without anything in it.
  ['ecs:DescribeServices', {}, 'services is missing, expected a list'],
  ['elasticloadbalancing:DescribeTargetHealth', {}, 'TargetHealthDescriptions is missing, expected a list'],
  ['logs:FilterLogEvents', { searchedLogStreams: [] }, 'events is missing, expected a list'],
  ['ecs:DescribeServices', 'x', ' is a text, expected an object'],
  [
    'ecs:DescribeServices',
    { services: [{ ...service, runningCount: undefined }] },
    'services.0.runningCount is missing, expected a whole number from 0 to 1000000000',
  ],
  [
    'ecs:DescribeServices',
    { services: [{ ...service, desiredCount: -1 }] },
    'services.0.desiredCount is -1, expected a whole number from 0 to 1000000000',
  ],
  [
    'ecs:DescribeServices',
    { services: [{ ...service, deployments: [{ ...deployment, id: '$(reboot)' }] }] },
    'services.0.deployments.0.id is a text, expected the id of a deployment',
  ],
  [
    'ecs:DescribeServices',
    { services: [{ ...service, events: [{ createdAt: new Date(Number.NaN), message: 'x' }] }] },
    'services.0.events.0.createdAt is an object, expected a time',
  ],
  ['ecs:ListTasks', { taskArns: { length: 3 } }, 'taskArns is an object, expected a list'],
  [
    'ec2:DescribeSecurityGroups',
    groups({ ...rule, IpRanges: [{}] }),
    'SecurityGroups.0.IpPermissions.0.IpRanges.0.CidrIp is missing, expected a range of addresses',
  ],
  [
    'ec2:DescribeSecurityGroups',
    groups({ ...rule, FromPort: undefined }),
    'SecurityGroups.0.IpPermissions.0.FromPort is missing, expected a whole number from -1 to 65535',
  ],
  [
    'ec2:DescribeSecurityGroups',
    groups({ ...rule, ToPort: 16 }),
    'SecurityGroups.0.IpPermissions.0.ToPort is 16, expected a whole number from 5432 to 65535',
  ],
  [
    'lambda:GetAccountSettings',
    { AccountLimit: { ConcurrentExecutions: '1000', UnreservedConcurrentExecutions: 900 } },
    'AccountLimit.ConcurrentExecutions is a text, expected a whole number from 0 to 1000000000',
  ],
  [
    'lambda:ListEventSourceMappings',
    { EventSourceMappings: [{ UUID: 'a', State: 'Enabled' }] },
    'EventSourceMappings.0.EventSourceArn is missing, expected an ARN',
  ],
  [
    'sqs:GetQueueAttributes',
    { Attributes: { ApproximateNumberOfMessages: '-1' } },
    'Attributes.ApproximateNumberOfMessages is a text, expected a number',
  ],
])('%s: what is none says where and what was expected', (action, output, words) => {
  expect(wrongAnswer(action, output)).toBe(`an answer that is not what the API gives: ${words}`);
});

test('no text of the answer stands in what is said of it', () => {
  const output = { services: [{ ...service, runningCount: 'password=hunter2' }] };
  expect(wrongAnswer('ecs:DescribeServices', output)).not.toContain('hunter2');
});
