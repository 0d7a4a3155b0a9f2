import { expect, test } from 'vitest';
import { AWS_NAMES, REGION_PATTERN, ROLE_ARN_PATTERN, readAwsName, STATISTIC_PATTERN } from './aws-names.ts';

/** Forms of ARNs: Service Authorization Reference of each service; the log group as the console copies it. */
test.each([
  ['cluster', 'rastup-prod', 'rastup-prod', null],
  ['cluster', 'arn:aws:ecs:us-east-1:123456789012:cluster/rastup-prod', 'rastup-prod', 'us-east-1'],
  ['cluster', 'arn:aws-cn:ecs:cn-north-1:123456789012:cluster/rastup', 'rastup', 'cn-north-1'],
  ['ecsService', 'arn:aws:ecs:us-east-1:123456789012:service/rastup-prod/api', 'api', 'us-east-1'],
  ['ecsService', 'arn:aws:ecs:us-east-1:123456789012:service/api', 'api', 'us-east-1'],
  [
    'loadBalancer',
    'arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/rastup/0123456789abcdef',
    'app/rastup/0123456789abcdef',
    'us-east-1',
  ],
  [
    'targetGroup',
    'arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/api/0123456789abcdef',
    'targetgroup/api/0123456789abcdef',
    'us-east-1',
  ],
  ['queue', 'rastup-messages.fifo', 'rastup-messages.fifo', null],
  ['queue', 'arn:aws:sqs:us-east-1:123456789012:rastup-messages', 'rastup-messages', 'us-east-1'],
  ['queue', 'https://sqs.us-east-1.amazonaws.com/123456789012/rastup-messages', 'rastup-messages', 'us-east-1'],
  ['lambda', 'arn:aws:lambda:us-east-1:123456789012:function:worker', 'worker', 'us-east-1'],
  ['logGroup', '/aws/ecs/rastup-prod/api-service', '/aws/ecs/rastup-prod/api-service', null],
  ['logGroup', 'arn:aws:logs:us-east-1:123456789012:log-group:/aws/ecs/api:*', '/aws/ecs/api', 'us-east-1'],
] as const)('%s %s is %s in %s', (form, text, name, region) => {
  expect(AWS_NAMES[form].pattern.test(text)).toBe(true);
  expect(readAwsName(AWS_NAMES[form], text)).toEqual({ name, region });
});

test.each([
  ['cluster', 'arn:aws:ecs:us-east-1:123456789012:service/api'],
  ['cluster', 'a b'],
  ['cluster', ''],
  ['cluster', '-f'],
  ['ecsService', `a${'b'.repeat(255)}`],
  ['loadBalancer', 'net/rastup/0123456789abcdef'],
  ['loadBalancer', 'app/rastup/0123456789ABCDEF'],
  ['loadBalancer', 'rastup'],
  ['targetGroup', 'targetgroup/api/0123456789abcdef/1'],
  ['queue', `${'q'.repeat(81)}`],
  ['queue', 'http://sqs.us-east-1.amazonaws.com/123456789012/rastup-messages'],
  ['queue', 'https://sqs.us-east-1.amazonaws.com.evil.example/123456789012/rastup-messages'],
  ['lambda', 'arn:aws:lambda:us-east-1:123456789012:function:worker:7'],
  ['logGroup', '/aws/ecs/*'],
  ['logGroup', 'a\nb'],
] as const)('no %s is %j', (form, text) => {
  expect(AWS_NAMES[form].pattern.test(text)).toBe(false);
});

test.each(['us-east-1', 'eu-central-2', 'us-gov-west-1', 'us-iso-east-1', 'ap-southeast-5', 'eusc-de-east-1'])(
  '%s is a region',
  (region) => expect(REGION_PATTERN.test(region)).toBe(true),
);

test.each(['us-east-1a', 'US-EAST-1', 'us-east', 'useast1', 'us-east-1.evil.example', ''])('%j is none', (region) =>
  expect(REGION_PATTERN.test(region)).toBe(false),
);

test.each([
  ['arn:aws:iam::123456789012:role/runbookd', true],
  ['arn:aws-us-gov:iam::123456789012:role/ops/monitoring/runbookd', true],
  ['arn:aws:iam::123456789012:user/runbookd', false],
  ['arn:aws:iam::1234:role/runbookd', false],
  ['runbookd', false],
])('%s is the ARN of a role: %s', (arn, expected) => {
  expect(ROLE_ARN_PATTERN.test(arn)).toBe(expected);
});

test.each([
  ['Sum', true],
  ['SampleCount', true],
  ['p95', true],
  ['p99.9', true],
  ['p0.1', true],
  ['p100', true],
  ['p0', false],
  ['p101', false],
  ['p100.5', false],
  ['p95.', false],
  ['sum', false],
  ['tm99', false],
])('%s is a statistic: %s', (stat, expected) => {
  expect(STATISTIC_PATTERN.test(stat)).toBe(expected);
});
