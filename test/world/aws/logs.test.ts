import {
  type CloudWatchLogsClient,
  type FilteredLogEvent,
  FilterLogEventsCommand,
} from '@aws-sdk/client-cloudwatch-logs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AwsEndpoint, startAws } from './aws.ts';
import { awsClients } from './clients.ts';
import { demoFleet } from './demo-fleet.ts';
import type { Fleet } from './fleet.ts';
import { compilePattern } from './log-pattern.ts';

const NOW = Date.parse('2026-11-23T22:00:00Z');
const MINUTE = 60_000;
let now = NOW;
let fleet: Fleet;
let aws: AwsEndpoint;
let client: CloudWatchLogsClient;

beforeAll(async () => {
  fleet = demoFleet({ now: () => now });
  aws = await startAws({ fleet });
  client = awsClients(aws.endpoint).logs;
});
afterAll(async () => {
  client.destroy();
  await aws.close();
});

const ask = (input: object, group = '/aws/ecs/rastup-prod/api-service') =>
  client.send(
    new FilterLogEventsCommand({ logGroupName: group, startTime: NOW - 10 * MINUTE, endTime: NOW, ...input }),
  );
async function all(
  input: object,
  group?: string,
): Promise<{ readonly events: FilteredLogEvent[]; readonly pages: number }> {
  const events: FilteredLogEvent[] = [];
  let nextToken: string | undefined;
  let pages = 0;
  do {
    const page = await ask({ ...input, ...(nextToken === undefined ? {} : { nextToken }) }, group);
    events.push(...page.events!);
    nextToken = page.nextToken;
    pages += 1;
  } while (nextToken !== undefined);
  return { events, pages };
}

describe('patterns', () => {
  const text = '2026-11-23T22:00:00Z ERROR [api] GET /v1/orders 500 Exception: pool exhausted';
  const json = '{"level":"error","status":503,"msg":"pool exhausted","nested":{"host":"api.stripe.com"},"gone":null}';
  test.each([
    ['', text, true],
    ['ERROR', text, true],
    ['error', text, false],
    ['ERROR Exception', text, true],
    ['ERROR FATAL', text, false],
    ['?FATAL ?ERROR', text, true],
    ['?FATAL ?WARN', text, false],
    ['"pool exhausted"', text, true],
    ['"exhausted pool"', text, false],
    ['ERROR -pool', text, false],
    ['%5[0-9]{2}%', text, true],
    ['{ $.level = "error" }', json, true],
    ['{ $.level = "warn" }', json, false],
    ['{ $.level = "err*" }', json, true],
    ['{ $.status >= 500 && $.status < 600 }', json, true],
    ['{ ($.status = 500) || ($.nested.host = "api.stripe.com") }', json, true],
    ['{ $.level != "error" }', json, false],
    ['{ $.gone IS NULL }', json, true],
    ['{ $.absent NOT EXISTS }', json, true],
    ['{ $.level = "error" }', text, false],
  ])('%s', (pattern, message, wanted) => expect(compilePattern(pattern)(message)).toBe(wanted));

  test.each(['pool-exhausted', '[ip, user]', '{ $.level = }', '{ level = "x" }', '"open'])(
    'refuses %s',
    async (pattern) => {
      await expect(ask({ filterPattern: pattern })).rejects.toMatchObject({ name: 'InvalidParameterException' });
    },
  );
});

describe('lines', () => {
  test('healthy ones of every task, errors as many as the metric counts', async () => {
    const { events } = await all({});
    expect(events.length).toBeGreaterThan(500);
    expect(new Set(events.map(({ logStreamName }) => logStreamName))).toEqual(
      new Set(fleet.runningTasks('api').map((id) => `ecs/app/${id}`)),
    );
    const at = events.map(({ timestamp }) => timestamp!);
    expect(at).toEqual([...at].sort((a, b) => a - b));
    // The base rate of api: 0.15 % of 13,000 a minute, and a cluster at times.
    const errors = (await all({ filterPattern: 'ERROR' })).events;
    expect(errors.length).toBeGreaterThan(100);
    expect(errors.length).toBeLessThan(400);
    expect(await all({})).toEqual(await all({}));
    expect(new Set(events.map(({ eventId }) => eventId)).size).toBe(events.length);
  });

  test('JSON where the service writes JSON', async () => {
    const { events } = await all({ filterPattern: '{ $.level = "error" }' }, '/aws/ecs/rastup-prod/search-service');
    expect(events.length).toBeGreaterThan(3);
    expect(JSON.parse(events[0]!.message!)).toMatchObject({ service: 'search', level: 'error' });
  });

  test('a fault’s messages, its variable parts, its task', async () => {
    const [task] = fleet.runningTasks('api', NOW);
    const undo = fleet.affect({
      service: 'api',
      from: NOW - 5 * MINUTE,
      effects: {
        log: {
          perMinute: 120,
          messages: ['connection to 10.0.0.{n} timed out after {ms} ms (pool {id})'],
          task: task!,
        },
      },
    });
    const { events } = await all({ filterPattern: '"timed out after"' });
    expect(events.length).toBeGreaterThan(500);
    expect(events.length).toBeLessThan(700);
    expect(new Set(events.map(({ logStreamName }) => logStreamName))).toEqual(new Set([`ecs/app/${task}`]));
    expect(new Set(events.map(({ message }) => message!.split(' timed')[1])).size).toBeGreaterThan(400);
    expect(events[0]!.timestamp).toBeGreaterThanOrEqual(NOW - 5 * MINUTE);
    const other = await all({ filterPattern: '"timed out after"', logStreamNamePrefix: 'ecs/app/0000' });
    expect(other.events).toEqual([]);
    undo(NOW - 6 * MINUTE);
  });

  test('errors of a condition carry its messages', async () => {
    const undo = fleet.affect({
      service: 'api',
      from: NOW - 5 * MINUTE,
      effects: {
        errors: { share: 0.02 },
        log: { perMinute: 0, messages: ['PoolTimeoutError: no connection within {ms} ms'] },
      },
    });
    const { events } = await all({ filterPattern: 'PoolTimeoutError' });
    expect(events.length).toBeGreaterThan(1_000);
    expect(events.length).toBeLessThan(1_700);
    undo(NOW - 6 * MINUTE);
  });

  test('a task’s last words', async () => {
    now = NOW + 5 * MINUTE;
    fleet.stopTask('api', { kind: 'out-of-memory', at: NOW + MINUTE });
    const { events } = await all({ startTime: NOW, endTime: now, filterPattern: '"heap out of memory"' });
    expect(events).toHaveLength(1);
    now = NOW;
  });
});

describe('pages', () => {
  test('end at their limit and go on where they ended', async () => {
    const whole = await all({});
    const paged = await all({ limit: 100 });
    expect(paged.pages).toBe(Math.ceil(whole.events.length / 100));
    expect(paged.events).toEqual(whole.events);
    await expect(ask({ limit: 10_001 })).rejects.toMatchObject({ name: 'InvalidParameterException' });
    await expect(ask({ nextToken: 'x' })).rejects.toMatchObject({ name: 'InvalidParameterException' });
  });

  test('may be empty after a bounded search', async () => {
    const first = await ask({ startTime: NOW - 12 * 60 * MINUTE, filterPattern: '"never written"' });
    expect(first.events).toEqual([]);
    expect(first.nextToken).toBeDefined();
    expect((await all({ startTime: NOW - 12 * 60 * MINUTE, filterPattern: '"never written"' })).pages).toBeGreaterThan(
      2,
    );
  });
});
