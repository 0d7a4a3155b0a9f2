import { describe, expect, test } from 'vitest';
import type { Question, Target, UnknownBecause } from '../model/index.ts';
import { isWell, line, unknownLine, withoutRepeats } from './check-lines.ts';
import { targetLines } from './check-targets.ts';
import type { Look } from './look.ts';
import { configFromText } from './testdata.ts';

const CONFIG = configFromText(`
aws: { region: us-east-1 }
services:
  api:
    ecs: { cluster: rastup-prod, service: api-service }
    alb: { loadBalancer: app/rastup/0123456789abcdef, targetGroup: targetgroup/api/fedcba9876543210 }
    health: { live: https://api.rastup.com/health, ready: https://api.rastup.com/ready }
    signals: { db_queries: { cloudwatch: { namespace: N, metric: M, stat: Sum } } }
  web: { health: { live: https://web/live }, sentry: web, datadog: { service: web, env: production } }
queues: { messages: { sqs: rastup-messages, deadLetter: rastup-dlq, consumer: { lambda: worker } } }
dependencies:
  stripe: { statusPage: https://status.stripe.com }
  twilio: { hosts: [api.twilio.com] }
  bank: { signals: { payment_errors: { prometheus: payment_errors } } }
databases: { main-db: { url: 'postgres://m@db/app', rds: rastup-prod } }
sentry: { organization: rastup, token: env:KEY }
datadog: { apiKey: env:KEY, appKey: env:KEY }
prometheus: { url: http://prometheus:9090 }
searches:
  products:
    typesense: { url: http://typesense:8108, apiKey: env:KEY, collections: [products] }
    opensearch: { url: http://opensearch:9200 }
  alone: { typesense: { url: http://typesense:8108, apiKey: env:KEY, collections: [products] } }
caches: { sessions: { redis: redis://redis } }
`);

const VALUES: Readonly<Record<string, unknown>> = {
  'ecs.service': { running: 6, desired: 6, version: 'api:512', launchType: 'FARGATE', deployments: [{}, {}] },
  'alb.targets': { healthy: 5, targets: [1, 2, 3, 4, 5, 6], healthCheck: 'GET /health on port 8080' },
  'service.health': {
    live: { endpoint: 'api.rastup.com/health', status: 200, failure: null, milliseconds: 12.4, checks: [] },
    ready: { endpoint: 'api.rastup.com/ready', status: 503, failure: null, milliseconds: 30, checks: [] },
  },
  'sqs.queue': { visible: 12, inFlight: 3, deadLetterQueue: 'rastup-dlq', deadLetters: 2 },
  'lambda.function': {
    reservedConcurrency: null,
    accountConcurrency: 1000,
    accountUnreserved: 900,
    eventSources: [{ state: 'enabled', batchSize: 10, maximumConcurrency: 8 }],
  },
  'vendor.status': { page: 'status.stripe.com', indicator: 'none', description: 'All Systems Operational' },
  'rds.instance': {
    status: 'available',
    engine: 'postgres',
    version: '16.4',
    instanceClass: 'db.r6g.large',
    multiAz: true,
  },
  'search.engine': {
    host: 'typesense:8108',
    healthy: true,
    problem: null,
    collections: [{ name: 'products', documents: 41_200 }],
  },
  'search.fallback': { host: 'opensearch:9200', status: 'green', nodes: 3, ready: true },
  'cache.server': {
    host: 'redis:6379',
    version: '7.2.4',
    role: 'primary',
    loading: false,
    clients: 12,
    maxClients: 10_000,
    pingMs: 1.2,
  },
  'errors.tracked': { issues: [{ state: 'new' }, { state: 'known' }] },
  'apm.request_time': { service: 'web', p95Seconds: 0.2104, shares: { database: 0.311 } },
  'postgres.server': {
    role: 'primary',
    versionNum: 160_004,
    flavour: 'rds',
    usableConnections: 97,
    startedAt: Date.UTC(2026, 10, 1, 9, 30),
  },
};

function lookWith(values: Readonly<Record<string, unknown>>): Look {
  const ask = async ({ kind }: Question) =>
    values[kind] === undefined
      ? { state: 'unknown', kind, because: 'denied', detail: 'AWS us-east-1: x is denied', grant: 'iam: allow x' }
      : { state: 'answered', kind, value: values[kind], at: 0, source: 'test' };
  return { pipeline: { ask, blindness: () => [] }, unreachable: new Set() } as unknown as Look;
}

async function linesOf(name: string, values = VALUES) {
  const target = { name, kind: name in CONFIG.databases ? 'database' : 'service' } as Target;
  const lines = await targetLines(target, CONFIG, lookWith(values));
  return lines.map(({ state, what, detail }) => `${state} ${what}: ${detail}`);
}

describe('each part of a target is a line', () => {
  test.each([
    [
      'api',
      [
        'ok ECS rastup-prod/api-service: 6 of 6 tasks running, api:512, FARGATE, 2 deployments at once',
        'ok target group api: 5 of 6 targets healthy (GET /health on port 8080)',
        'ok health: api.rastup.com/health 200 in 12 ms, api.rastup.com/ready 503 in 30 ms',
        'none logs: not configured: error messages are not read',
        'ok signals by hand: db_queries',
      ],
    ],
    [
      'messages',
      [
        'ok SQS rastup-messages: 12 waiting, 3 in flight, 2 in rastup-dlq',
        'ok Lambda worker: no concurrency reserved; the account has 1000, 900 of them not reserved; event source enabled, 10 messages a run, 8 runs at once',
      ],
    ],
    ['stripe', ['ok status page: status.stripe.com says: All Systems Operational (none)']],
    ['twilio', ['none status page: not configured: seen only by its hosts (api.twilio.com)']],
    ['bank', ['none status page: not configured: seen only by its signals', 'ok signals by hand: payment_errors']],
    [
      'web',
      [
        'ok health: api.rastup.com/health 200 in 12 ms, api.rastup.com/ready 503 in 30 ms',
        'none logs: not configured: error messages are not read',
        'ok Sentry web: 2 issues in the last quarter of an hour, 1 of them new or back',
        'ok Datadog web in production: web: p95 210 ms, 31 % of it in the database',
      ],
    ],
    [
      'products',
      [
        'ok Typesense: typesense:8108 is well; documents: products 41200',
        'ok OpenSearch: opensearch:9200 is green with 3 nodes, ready',
      ],
    ],
    ['sessions', ['ok Redis: redis:6379: 7.2.4, primary, 12 of 10000 clients, answers in 1 ms']],
    [
      'main-db',
      [
        'ok server: PostgreSQL on RDS 16.4, primary, 97 usable connections, up since 2026-11-01 09:30:00 UTC',
        'ok RDS rastup-prod: available, postgres 16.4 on db.r6g.large, multi-AZ',
      ],
    ],
  ])('%s', async (name, expected) => {
    expect(await linesOf(name)).toEqual(expected);
  });

  test('an endpoint that gives no answer has failed', async () => {
    const health = { live: { endpoint: 'a/', status: null, failure: 'tls', milliseconds: 5, checks: [] }, ready: null };
    const lines = await linesOf('api', { ...VALUES, 'service.health': health });
    expect(lines[2]).toBe('failed health: a/ no answer: tls');
  });

  test('a search engine without another to take over says so', async () => {
    expect(await linesOf('alone')).toContain('none OpenSearch: not configured: nothing is known to take over');
  });

  test.each([
    [{ healthy: false, problem: 'OUT_OF_DISK', collections: [] }, 'typesense:8108: OUT_OF_DISK'],
    [{ healthy: false, problem: null, collections: [] }, 'typesense:8108 is not well; documents: none read'],
    [
      { healthy: true, problem: null, collections: [{ name: 'products', documents: 0, missing: true }] },
      'typesense:8108 is well; documents: products is gone',
    ],
  ])('a search engine has failed that says %j', async (value, detail) => {
    const engine = { host: 'typesense:8108', ...value };
    expect((await linesOf('products', { ...VALUES, 'search.engine': engine }))[0]).toBe(`failed Typesense: ${detail}`);
  });

  test('a part that may not be looked at is blind', async () => {
    const { 'ecs.service': _, ...rest } = VALUES;
    expect((await linesOf('api', rest))[0]).toBe('blind ECS rastup-prod/api-service: AWS us-east-1: x is denied');
  });
});

test.each<[UnknownBecause, string]>([
  ['denied', 'blind'],
  ['timeout', 'failed'],
  ['not_configured', 'failed'],
  ['error', 'failed'],
])('an answer that is unknown because %s is %s', (because, state) => {
  const said = unknownLine('api', 'ECS', { state: 'unknown', because, detail: 'x' });
  expect(said).toEqual({ target: 'api', state, what: 'ECS', detail: 'x', grant: null });
  expect(isWell([said])).toBe(false);
});

describe('said once', () => {
  const kept = (lines: Parameters<typeof withoutRepeats>[0]) => withoutRepeats(lines).map((one) => one.target);

  test('is a permission, and a setting wherever it is missing', () => {
    const denied = (target: string) => line(target, 'blind', target, `${target} denied`, 'iam: allow ecs:ListTasks');
    const unset = (target: string) => line(target, 'blind', 'x', 'y', 'grant pg_monitor to monitor_ro');
    expect(kept([denied('AWS us-east-1'), denied('api'), unset('a'), unset('b')])).toEqual(['AWS us-east-1', 'a', 'b']);
  });

  test('is what is wrong with an account', () => {
    const account = line('AWS us-east-1', 'failed', 'credentials', 'no valid AWS credentials');
    const poll = line('cloudwatch', 'failed', 'poll', 'AWS us-east-1: no valid AWS credentials');
    expect(kept([account, poll])).toEqual(['AWS us-east-1']);
  });

  test('is what a question and a poll found out about one target, and not about two', () => {
    const asked = line('api', 'failed', 'ECS c/s', 'AWS us-east-1: ecs:DescribeServices failed: reset');
    const polled = line('api', 'blind', 'ecs service', 'AWS us-east-1: ecs:DescribeServices failed: reset');
    expect(kept([asked, polled, { ...asked, target: 'web' }])).toEqual(['api', 'web']);
  });

  test('is nothing that works', () => {
    const good = line('api', 'ok', 'x', 'y');
    expect(kept([good, good])).toEqual(['api', 'api']);
  });
});
