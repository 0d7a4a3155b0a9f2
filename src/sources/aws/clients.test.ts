import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { RunbookdError } from '../../model/errors.ts';
import type { Aws } from './calls.ts';
import { createAws } from './clients.ts';
import { failureOf } from './failure.ts';
import {
  accountAt,
  json,
  NO_LIMITS,
  quiet,
  SHORT_DEADLINES,
  startWireServer,
  TEST_CREDENTIALS,
  type WireServer,
  wireError,
} from './testdata.ts';

const never = new AbortController().signal;
const EMPTY = { MetricDataQueries: [], StartTime: new Date(0), EndTime: new Date(60_000) };

let wire: WireServer;
let aws: Aws;

const options = { log: quiet, deadlines: SHORT_DEADLINES, rates: NO_LIMITS };

async function failing(call: Promise<unknown>): Promise<RunbookdError> {
  const error: unknown = await call.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof RunbookdError)) throw new Error(`expected a RunbookdError, got ${String(error)}`);
  return error;
}

beforeAll(async () => {
  for (const [name, value] of Object.entries(TEST_CREDENTIALS)) vi.stubEnv(name, value);
  wire = await startWireServer(() => json({}));
});
afterAll(async () => {
  await wire.close();
  vi.unstubAllEnvs();
});
beforeEach(() => {
  wire.answer = () => json({ MetricDataResults: [] });
  (wire.requests as unknown[]).length = 0;
  aws = createAws(accountAt(wire.endpoint), options);
});
afterEach(() => {
  aws.close();
});

describe('a call over the wire, with the SDK as it is', () => {
  test('is signed with the credentials of the chain and gives the answer', async () => {
    wire.answer = () =>
      json({ MetricDataResults: [{ Id: 'a', StatusCode: 'Complete', Timestamps: [60], Values: [1] }] });
    const answer = await aws.call('cloudwatch:GetMetricData', EMPTY, never);
    expect(answer.MetricDataResults).toEqual([
      { Id: 'a', StatusCode: 'Complete', Timestamps: [new Date(60_000)], Values: [1] },
    ]);
    expect(wire.requests[0]?.operation).toBe('GetMetricData');
    expect(wire.requests[0]?.headers.authorization).toContain('Credential=AKIDEXAMPLE/');
  });

  test("a server that hangs ends at our deadline and not at the caller's patience", async () => {
    wire.answer = () => ({ kind: 'hang' });
    const startedAt = performance.now();
    const error = await failing(aws.call('cloudwatch:GetMetricData', EMPTY, never));
    expect(error.code).toBe('AWS_TIMEOUT');
    expect(error.message).toMatch(/^AWS us-east-1: no answer to cloudwatch:GetMetricData within \d+ ms$/);
    expect(performance.now() - startedAt).toBeLessThan(SHORT_DEADLINES.callMs + 400);
  });

  test('a signal that fires ends the call at once', async () => {
    wire.answer = () => ({ kind: 'hang' });
    const controller = new AbortController();
    const calling = failing(aws.call('cloudwatch:GetMetricData', EMPTY, controller.signal));
    controller.abort();
    expect((await calling).code).toBe('AWS_TIMEOUT');
    expect((await failing(aws.call('cloudwatch:GetMetricData', EMPTY, controller.signal))).code).toBe('AWS_TIMEOUT');
  });

  test.each([
    ['com.amazonaws.cloudwatch#ThrottlingException', 'AWS_THROTTLED', 2],
    ['com.amazon.coral.service#AccessDeniedException', 'AWS_DENIED', 1],
    ['com.amazon.coral.service#UnrecognizedClientException', 'AWS_CREDENTIALS', 1],
  ])('%s is %s after %i attempts', async (type, code, attempts) => {
    wire.answer = () => wireError(type);
    const error = await failing(aws.call('cloudwatch:GetMetricData', EMPTY, never));
    expect(error.code).toBe(code);
    expect(wire.requests).toHaveLength(attempts);
    expect(error.message).not.toMatch(/req-id|session-token/);
  });

  test('a 500 that is not JSON is a failure that says so', async () => {
    wire.answer = () => ({ kind: 'raw', status: 500, body: '<html>upstream</html>' });
    const error = await failing(aws.call('cloudwatch:GetMetricData', EMPTY, never));
    expect(error.message).toContain('not what the API gives (HTTP 500)');
  });

  test('nobody listens', async () => {
    const dead = createAws(accountAt('http://127.0.0.1:1'), options);
    const error = await failing(dead.call('ecs:ListTasks', {}, never));
    expect(error.message).toBe('AWS us-east-1: ecs:ListTasks failed: the connection was refused (ECONNREFUSED)');
    dead.close();
  });

  test('the time of the answer tells how far off the clock of this machine is, refused or not', async () => {
    expect(aws.clockOffsetMs?.()).toBe(0);
    await aws.call('cloudwatch:GetMetricData', EMPTY, never);
    expect(Math.abs(aws.clockOffsetMs?.() ?? Number.NaN)).toBeLessThan(2_000);
    wire.aheadMs = 600_000;
    wire.answer = () => wireError('ThrottlingException');
    await failing(aws.call('cloudwatch:GetMetricData', EMPTY, never));
    wire.aheadMs = 0;
    expect(aws.clockOffsetMs?.()).toBeGreaterThan(597_000);
    expect(aws.clockOffsetMs?.()).toBeLessThan(602_000);
  });

  test('writes nothing to the console', async () => {
    const spies = (['log', 'info', 'warn', 'error', 'debug'] as const).map((name) => vi.spyOn(console, name));
    wire.answer = () => wireError('ThrottlingException');
    await failing(aws.call('cloudwatch:GetMetricData', EMPTY, never));
    for (const spy of spies) expect(spy).not.toHaveBeenCalled();
    vi.restoreAllMocks();
  });
});

describe('credentials', () => {
  test('that expire while it runs are looked for again, and no call is lost', async () => {
    await aws.call('cloudwatch:GetMetricData', EMPTY, never);
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIDRENEWED');
    wire.answer = ({ headers }) =>
      headers.authorization?.includes('AKIDRENEWED') === true
        ? json({ MetricDataResults: [] })
        : wireError('ExpiredTokenException', 'The security token included in the request is expired');
    await Promise.all([1, 2, 3].map(() => aws.call('cloudwatch:GetMetricData', EMPTY, never)));
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIDEXAMPLE');
  });

  test('that stay expired are told, after one more look', async () => {
    await aws.call('cloudwatch:GetMetricData', EMPTY, never);
    wire.answer = () => wireError('ExpiredTokenException', 'expired');
    const error = await failing(aws.call('cloudwatch:GetMetricData', EMPTY, never));
    expect(error.message).toBe('AWS us-east-1: no valid AWS credentials: they have expired');
    const before = wire.requests.length;
    await failing(aws.call('cloudwatch:GetMetricData', EMPTY, never));
    expect(wire.requests.length - before).toBeLessThanOrEqual(2);
  });

  test('of a role are had from STS at the same endpoint, with the external id', async () => {
    const xml = `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
      <AccessKeyId>ASIAOFTHEROLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>
      <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`;
    wire.answer = ({ operation }) =>
      operation === 'AssumeRole' ? { kind: 'raw', status: 200, body: xml } : json({ taskArns: [] });
    const roleArn = 'arn:aws:iam::123456789012:role/runbookd';
    const role = createAws(accountAt(wire.endpoint, { name: 'eu', roleArn, externalId: 'x-1' }), options);
    await role.call('ecs:ListTasks', {}, never);
    await role.call('ecs:ListTasks', {}, never);
    expect(wire.requests.map(({ operation }) => operation)).toEqual(['AssumeRole', 'ListTasks', 'ListTasks']);
    expect(wire.requests[1]?.headers.authorization).toContain('Credential=ASIAOFTHEROLE/');
    role.close();
  });

  test('of a role that may not be taken on name sts:AssumeRole', async () => {
    wire.answer = () => ({
      kind: 'raw',
      status: 403,
      body: '<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>',
    });
    const role = createAws(accountAt(wire.endpoint, { roleArn: 'arn:aws:iam::123456789012:role/r' }), options);
    const error = await failing(role.call('ecs:ListTasks', {}, never));
    expect(error.message).toBe('AWS us-east-1: sts:AssumeRole is denied');
    expect(failureOf(error).grant).toBe('iam: allow sts:AssumeRole');
    role.close();
  });
});

test('after it was closed nothing is called any more', async () => {
  aws.close();
  expect((await failing(aws.call('ecs:ListTasks', {}, never))).code).toBe('ABORTED');
  expect(wire.requests).toHaveLength(0);
});
