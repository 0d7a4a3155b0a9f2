import { describe, expect, test } from 'vitest';
import { type ErrorCode, RunbookdError } from '../../model/errors.ts';
import type { UnknownBecause } from '../../model/question.ts';
import { type AwsCause, awsError, credentialsError, isExpired, redactAws } from './errors.ts';
import { failureOf } from './failure.ts';
import { accountAt } from './testdata.ts';

const account = accountAt('http://127.0.0.1:1');

function sdkError(name: string, message = 'no', status?: number, code?: string): Error {
  const error = new Error(message);
  error.name = name;
  return Object.assign(error, {
    ...(status === undefined ? {} : { $metadata: { httpStatusCode: status } }),
    ...(code === undefined ? {} : { code }),
  });
}

// Names as the services give them: AWS' "common errors" pages, the ECS, RDS, ELB, SQS and EC2 API references.
const cases: readonly (readonly [what: string, error: unknown, code: ErrorCode, because: UnknownBecause])[] = [
  ['a JSON service denies', sdkError('AccessDeniedException', 'no', 400), 'AWS_DENIED', 'denied'],
  ['a query service denies', sdkError('AccessDenied', 'no', 403), 'AWS_DENIED', 'denied'],
  ['EC2 denies', sdkError('UnauthorizedOperation', 'no', 403), 'AWS_DENIED', 'denied'],
  ['a proxy denies', sdkError('Unknown', 'UnknownError', 403), 'AWS_DENIED', 'denied'],
  ['no credentials', sdkError('CredentialsProviderError', 'Could not load'), 'AWS_CREDENTIALS', 'denied'],
  ['expired token', sdkError('ExpiredTokenException', 'expired', 400), 'AWS_CREDENTIALS', 'denied'],
  ['expired token, query', sdkError('ExpiredToken', 'expired', 403), 'AWS_CREDENTIALS', 'denied'],
  ['unknown key', sdkError('UnrecognizedClientException', 'invalid', 400), 'AWS_CREDENTIALS', 'denied'],
  ['unknown key, query', sdkError('InvalidClientTokenId', 'invalid', 403), 'AWS_CREDENTIALS', 'denied'],
  ['EC2 and a wrong key', sdkError('AuthFailure', 'invalid', 401), 'AWS_CREDENTIALS', 'denied'],
  ['clock', sdkError('RequestExpired', 'expired', 400), 'AWS_CREDENTIALS', 'denied'],
  ['throttled', sdkError('ThrottlingException', 'Rate exceeded', 400), 'AWS_THROTTLED', 'error'],
  ['throttled, query', sdkError('Throttling', 'Rate exceeded', 400), 'AWS_THROTTLED', 'error'],
  ['throttled, EC2', sdkError('RequestLimitExceeded', 'Rate exceeded', 503), 'AWS_THROTTLED', 'error'],
  ['throttled, Lambda', sdkError('TooManyRequestsException', 'Rate exceeded', 429), 'AWS_THROTTLED', 'error'],
  ['throttled by status', sdkError('Strange', 'slow', 429), 'AWS_THROTTLED', 'error'],
  ['request timeout', sdkError('TimeoutError', 'took too long'), 'AWS_TIMEOUT', 'timeout'],
  ['socket timeout', sdkError('Error', 'x', undefined, 'ETIMEDOUT'), 'AWS_TIMEOUT', 'timeout'],
  ['aborted', sdkError('AbortError', 'Request aborted'), 'AWS_TIMEOUT', 'timeout'],
  ['no cluster', sdkError('ClusterNotFoundException', 'Cluster not found.', 400), 'AWS_NOT_FOUND', 'not_configured'],
  ['no service', sdkError('ServiceNotActiveException', 'x', 400), 'AWS_NOT_FOUND', 'not_configured'],
  ['no instance', sdkError('DBInstanceNotFound', 'DBInstance x not found', 404), 'AWS_NOT_FOUND', 'not_configured'],
  ['no target group', sdkError('TargetGroupNotFound', 'x', 400), 'AWS_NOT_FOUND', 'not_configured'],
  ['no queue', sdkError('QueueDoesNotExist', 'x', 400), 'AWS_NOT_FOUND', 'not_configured'],
  [
    'no queue, old name',
    sdkError('AWS.SimpleQueueService.NonExistentQueue', 'x', 400),
    'AWS_NOT_FOUND',
    'not_configured',
  ],
  ['no log group', sdkError('ResourceNotFoundException', 'x', 400), 'AWS_NOT_FOUND', 'not_configured'],
  ['no security group', sdkError('InvalidGroup.NotFound', 'x', 400), 'AWS_NOT_FOUND', 'not_configured'],
  ['region switched off', sdkError('OptInRequired', 'subscribe', 403), 'AWS_FAILED', 'error'],
  ['refused', sdkError('Error', 'connect ECONNREFUSED', undefined, 'ECONNREFUSED'), 'AWS_FAILED', 'error'],
  ['internal', sdkError('InternalFailure', 'oops', 500), 'AWS_FAILED', 'error'],
  [
    'not JSON',
    Object.assign(new SyntaxError('Unexpected <'), { $metadata: { httpStatusCode: 500 } }),
    'AWS_FAILED',
    'error',
  ],
  ['a string', 'oops', 'AWS_FAILED', 'error'],
];

describe('what the SDK throws', () => {
  test.each(cases)('%s', (_what, error, code, because) => {
    const mapped = awsError(account, 'ecs:DescribeServices', error, 123.4);
    expect(mapped.code).toBe(code);
    expect(mapped.message).toContain('AWS us-east-1');
    expect(failureOf(mapped).because).toBe(because);
  });

  test('a refused connection is found in what caused it, and in each address that was tried', () => {
    const refused = sdkError('Error', 'x', undefined, 'ECONNREFUSED');
    const tried = new AggregateError([refused], '');
    for (const error of [new Error('fetch failed', { cause: refused }), tried]) {
      expect(awsError(account, 'ecs:ListTasks', error, 1).message).toBe(
        'AWS us-east-1: ecs:ListTasks failed: the connection was refused (ECONNREFUSED)',
      );
    }
  });

  test('the body of a page that is no answer is not passed on', () => {
    const error = new SyntaxError('Unexpected token <, "<html>secret" is not valid JSON');
    const mapped = awsError(account, 'ecs:ListTasks', Object.assign(error, { $metadata: { httpStatusCode: 502 } }), 1);
    expect(mapped.message).toBe(
      'AWS us-east-1: ecs:ListTasks failed: an answer that is not what the API gives (HTTP 502)',
    );
  });

  test('a signature that does not match says the clock only where AWS speaks of time, and never the request', () => {
    const early = sdkError('SignatureDoesNotMatch', 'Signature not yet current: 20261123T140000Z is later than');
    const wrong = sdkError('SignatureDoesNotMatch', 'The request signature\nx-amz-security-token:FwoGZXIvYXdzEA');
    const clock = awsError(account, 'rds:DescribeEvents', early, 1);
    expect(clock.message).toContain('clock of this machine is off');
    expect(failureOf(clock).grant).toContain('set the clock');
    const key = awsError(account, 'rds:DescribeEvents', wrong, 1);
    expect(key.message).toContain('secret key is wrong');
    expect(JSON.stringify([key.message, (key.cause as Error).message])).not.toContain('FwoG');
  });

  test('what EC2 calls expired may be the credentials or the clock, and both are named', () => {
    const mapped = awsError(
      account,
      'ec2:DescribeSecurityGroups',
      sdkError('RequestExpired', 'Request has expired.'),
      1,
    );
    expect(mapped.message).toContain('they have expired, or the clock of this machine is off');
    expect(failureOf(mapped).grant).toMatch(/default chain.*; or set the clock of this machine/);
    expect(isExpired(mapped)).toBe(true);
  });

  test('what is throttled has a quota', () => {
    const mapped = awsError(account, 'ecs:ListTasks', sdkError('ThrottlingException', 'Rate exceeded'), 1);
    expect(failureOf(mapped)).toMatchObject({
      because: 'error',
      grant: 'service quotas: raise the calls per second of ecs:ListTasks, or let others in the account call it less',
    });
  });

  test('the grant names the action that was denied, and an explicit deny is told from a missing allow', () => {
    const missing = awsError(
      account,
      'ecs:ListTasks',
      sdkError('AccessDeniedException', 'because no policy allows'),
      1,
    );
    expect(failureOf(missing)).toMatchObject({ because: 'denied', grant: 'iam: allow ecs:ListTasks' });
    const deny = sdkError('AccessDeniedException', 'with an explicit deny in a service control policy');
    expect(failureOf(awsError(account, 'ecs:ListTasks', deny, 1)).grant).toBe(
      'iam: a policy denies ecs:ListTasks explicitly, lift it there',
    );
  });

  test('our own errors pass as they are', () => {
    const own = new RunbookdError('POLL_DEADLINE', ['x', 5]);
    expect(awsError(account, 'ecs:ListTasks', own, 1)).toBe(own);
    expect(failureOf(own).because).toBe('timeout');
  });
});

describe('what the credential provider throws', () => {
  const role = accountAt('http://127.0.0.1:1', { name: 'eu', roleArn: 'arn:aws:iam::123456789012:role/r' });

  test('STS that says no is a missing sts:AssumeRole', () => {
    const mapped = credentialsError(role, sdkError('AccessDenied', 'not authorized', 403), 1);
    expect(mapped.message).toBe('AWS eu (us-east-1): sts:AssumeRole is denied');
    expect(failureOf(mapped).grant).toBe('iam: allow sts:AssumeRole');
  });

  test('a chain without credentials is told as such, with and without a role', () => {
    for (const one of [role, account]) {
      const mapped = credentialsError(one, sdkError('CredentialsProviderError', 'Could not load credentials'), 1);
      expect(mapped.code).toBe('AWS_CREDENTIALS');
      expect((mapped.cause as AwsCause).kind).toBe('CredentialsProviderError');
    }
  });
});

describe('redactAws', () => {
  test.each([
    ['User: arn:aws:sts::123456789012:assumed-role/ops/i-0a is not authorized', 'User: (principal) is not authorized'],
    ['Rate exceeded (Service: AmazonECS; Status Code: 400; Request ID: 0a-1b)', 'Rate exceeded'],
    ['Key AKIAIOSFODNN7EXAMPLE is not valid', 'Key (key id) is not valid'],
    ['no. Encoded authorization failure message: abcDEF', 'no.'],
    ['first line\nsecond line', 'first line'],
    [`token ${'A'.repeat(200)}`, 'token (…)'],
    ['cannot reach postgres://app:hunter2@db:5432/x', 'cannot reach postgres://[redacted]@db:5432/x'],
    ['Essential container exited: --password=hunter2', 'Essential container exited: --password=[redacted]'],
    ['Master user changed by jane.doe@example.com', 'Master user changed by [e-mail]'],
    ['exited: pass\u200bword=hunter2', 'exited: password=[redacted]'],
    [
      '(service web) registered 1 targets in (target-group arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/web/0123456789abcdef)',
      '(service web) registered 1 targets in (target-group arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/web/0123456789abcdef)',
    ],
    [
      '(service web, taskSet ecs-svc/1234567890123456789) has begun draining task 0123456789abcdef0123456789abcdef',
      '(service web, taskSet ecs-svc/1234567890123456789) has begun draining task 0123456789abcdef0123456789abcdef',
    ],
    ['DBInstance rastup-prod not found.', 'DBInstance rastup-prod not found.'],
  ])('%s', (text, expected) => {
    expect(redactAws(text)).toBe(expected);
  });

  test('is never longer than 300 characters', () => {
    expect(redactAws('a b '.repeat(200))).toHaveLength(300);
  });
});
