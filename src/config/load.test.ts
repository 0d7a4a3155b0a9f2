import { chmodSync, mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { beforeEach, describe, expect, test } from 'vitest';
import { messageOf, RunbookdError } from '../model/index.ts';
import { configFromEnv, loadConfig } from './load.ts';

const ENV = {
  HOME: '/home/op',
  DATABASE_URL: 'postgres://monitor:canary-hunter2@main-db.internal/rastup?sslmode=verify-full',
  REPLICA_URL: 'postgresql://monitor:canary-hunter2@replica.internal:5433/rastup',
  REDIS_URL: 'rediss://default:canary-hunter2@redis.internal/2',
  API_KEY: 'canary-hunter2',
};

let directory = '';

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'runbookd-config-'));
});

function write(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof RunbookdError) return error.code;
    throw error;
  }
  return 'none';
}

/** Records have no prototype, which a comparison would see. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

const FULL = `
name: rastup-prod
timeZone: america/los_angeles
store: { sqlite: state/state.db }
http: { listen: '[::1]:9470', token: file:api-token, writeToken: file:write-token, metricsListen: 0.0.0.0:9471 }
publicUrl: https://runbookd.example/ops/
aws:
  region: us-east-1
  accounts:
    staging: { region: eu-west-1, roleArn: 'arn:aws:iam::123456789012:role/runbookd', externalId: rastup }
prometheus: { url: 'http://prometheus:9090/prefix/', headers: { X-Scope-OrgID: env:API_KEY } }
sentry: { organization: rastup, token: env:API_KEY }
datadog: { site: datadoghq.eu, apiKey: env:API_KEY, appKey: env:API_KEY }
services:
  api:
    ecs: { cluster: rastup-prod, service: api-service }
    alb: { loadBalancer: app/rastup/0123456789abcdef, targetGroup: targetgroup/api/fedcba9876543210 }
    logs: /aws/ecs/rastup-prod/api-service
    health: { live: https://api.rastup.com/health, ready: https://api.rastup.com/ready }
    dependsOn: [main-db, stripe, main-db/replica-1]
    rateLimit: { key: rate_limit.requests_per_minute, perMinute: 600 }
    sentry: api
    datadog: { service: api, env: production }
    signals:
      checkout_seconds: { prometheus: 'histogram_quantile(0.95, x)', unit: ms, scale: 0.001 }
      graphql_requests: { prometheus: 'sum by (operation) (increase(graphql_total[1m]))' }
      endpoint_requests:
        cloudwatch:
          { namespace: Rastup/Api, metric: Requests, stat: Sum, dimensions: { Service: api, Endpoint: '*' }, labels: { Endpoint: endpoint } }
  payments:
    account: staging
    ecs:
      cluster: arn:aws:ecs:eu-west-1:123456789012:cluster/rastup-staging
      service: arn:aws:ecs:eu-west-1:123456789012:service/rastup-staging/payments
    alb:
      loadBalancer: arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/staging/0123456789abcdef
      targetGroup: arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/payments/0123456789abcdef
    logs: { group: 'arn:aws:logs:eu-west-1:123456789012:log-group:/aws/ecs/payments:*', filter: '?ERROR ?FATAL' }
    dependsOn: [api]
    contact: '@payments'
dependencies:
  stripe: { statusPage: https://status.stripe.com/, hosts: [API.stripe.com., files.stripe.com], flag: stripe_payments_enabled }
queues:
  messages:
    sqs: https://sqs.us-east-1.amazonaws.com/123456789012/rastup-messages
    deadLetter: arn:aws:sqs:us-east-1:123456789012:rastup-messages-dlq
    consumer: { lambda: 'arn:aws:lambda:us-east-1:123456789012:function:rastup-message-processor' }
    dependsOn: [main-db]
searches:
  products:
    typesense: { url: 'http://typesense:8108/', apiKey: env:API_KEY, collections: [products, products, users] }
    opensearch: { url: 'https://opensearch:9200', headers: { Authorization: env:API_KEY } }
    fallback: { flag: search.engine, value: OPENSEARCH }
    dependsOn: [main-db, sessions]
    logs: /aws/lambda/indexer
caches:
  sessions: { redis: env:REDIS_URL, dependsOn: [api] }
  open: { redis: 'redis://monitor@[::1]:6380', contact: '@cache' }
databases:
  main-db:
    url: env:DATABASE_URL
    rds: rastup-prod
    operatorCommand: psql -h main-db.internal -U admin -d rastup
    queries:
      outbox_pending: { sql: 'select count(*) from public.outbox', unit: count }
      orders: { sql: 'select kind, n, m from public.o', unit: per_second, periodSeconds: 300, column: n, labels: [kind] }
    replicas:
      replica-1: { url: env:REPLICA_URL, rds: rastup-prod-replica }
  other-db: { url: 'postgres://monitor@[::1]:5439/other', contact: '@other-team' }
notify:
  pagerduty: { routingKey: file:pagerduty, server: 'localhost:8443', caFile: ca.pem }
contacts: { default: '#oncall', databases: '@dba', main-db: '@main', main-db/replica-1: '@reports', messages: '@messaging', products: '@search' }
commands: aws
detectors:
  slow-queries: { options: { riseRatio: 1.25 } }
  replication-lag: { enabled: false }
mitigations: { slow-queries.cancel: './ops/cancel.sh {pid}' }
detectorsDir: [mine, /etc/runbookd/detectors]
log: { level: debug }
`;

function writeFull(): string {
  write('api-token', 'canary-hunter2-canary\n');
  write('write-token', 'canary-hunter2-writes\n');
  write('pagerduty', 'canary-hunter2\n');
  write('ca.pem', '-----BEGIN CERTIFICATE-----\n');
  return write('runbookd.yaml', FULL);
}

describe('a full configuration', () => {
  test('is resolved: paths from where the file lies, addresses from URLs, contacts of targets', () => {
    const config = loadConfig({ path: writeFull(), env: ENV });
    expect(config).toMatchObject({
      name: 'rastup-prod',
      timeZone: 'America/Los_Angeles',
      store: { sqlite: join(directory, 'state/state.db') },
      http: { listen: { host: '::1', port: 9470 }, metricsListen: { host: '0.0.0.0', port: 9471 } },
      publicUrl: 'https://runbookd.example/ops',
      commands: 'aws',
      detectorsDir: [join(directory, 'mine'), '/etc/runbookd/detectors'],
      log: { level: 'debug' },
    });
    expect(config.http.token?.read()).toBe('canary-hunter2-canary');
    expect(config.http.writeToken?.read()).toBe('canary-hunter2-writes');
    expect(config.notify.pagerduty?.server).toBe('localhost:8443');
    expect(config.notify.pagerduty?.caFile).toBe(join(directory, 'ca.pem'));
    const main = config.databases['main-db']!;
    expect(main.url.read()).toBe(ENV.DATABASE_URL);
    expect({ ...main.address }).toEqual({ host: 'main-db.internal', port: 5432, database: 'rastup' });
    expect(main.contact).toBe('@main');
    expect(main.replicas['replica-1']).toMatchObject({
      rds: 'rastup-prod-replica',
      contact: '@reports',
      operatorCommand: 'psql -h replica.internal -p 5433 -U admin -d rastup',
    });
    const other = config.databases['other-db']!;
    expect(other.contact).toBe('@other-team');
    expect(other.operatorCommand).toBe('psql -h ::1 -p 5439 -U admin -d other');
    expect(config.detectors['slow-queries']).toEqual({ enabled: true, options: { riseRatio: 1.25 } });
    expect(config.detectors['replication-lag']?.enabled).toBe(false);
  });

  test('knows services, queues and vendors: ARNs and URLs cut to names, accounts with defaults', () => {
    const { aws, services, queues, dependencies, databases } = loadConfig({ path: writeFull(), env: ENV });
    expect(plain(aws)).toEqual({
      accounts: {
        default: { name: 'default', region: 'us-east-1', roleArn: null, externalId: null, endpoint: null },
        staging: {
          name: 'staging',
          region: 'eu-west-1',
          roleArn: 'arn:aws:iam::123456789012:role/runbookd',
          externalId: 'rastup',
          endpoint: null,
        },
      },
      budgetUsdPerMonth: 50,
      periodSeconds: 60,
      settleSeconds: 120,
      taskDefinitions: false,
    });
    expect(plain(services.api)).toEqual({
      account: 'default',
      ecs: { cluster: 'rastup-prod', service: 'api-service' },
      alb: { loadBalancer: 'app/rastup/0123456789abcdef', targetGroup: 'targetgroup/api/fedcba9876543210' },
      logs: { group: '/aws/ecs/rastup-prod/api-service', filter: null },
      health: { live: 'https://api.rastup.com/health', ready: 'https://api.rastup.com/ready' },
      dependsOn: ['main-db', 'stripe', 'main-db/replica-1'],
      signals: {
        endpoint_requests: {
          cloudwatch: {
            namespace: 'Rastup/Api',
            metric: 'Requests',
            stat: 'Sum',
            dimensions: { Service: 'api', Endpoint: '*' },
            labels: { Endpoint: 'endpoint' },
            scale: 1,
            sparse: false,
          },
        },
        checkout_seconds: { prometheus: { query: 'histogram_quantile(0.95, x)', unit: 'ms', scale: 0.001 } },
        graphql_requests: {
          prometheus: { query: 'sum by (operation) (increase(graphql_total[1m]))', unit: null, scale: 1 },
        },
      },
      sentry: 'api',
      datadog: { service: 'api', env: 'production', operation: null },
      rateLimit: { key: 'rate_limit.requests_per_minute', perMinute: 600 },
      contact: null,
    });
    expect(plain(services.payments)).toMatchObject({
      account: 'staging',
      ecs: { cluster: 'rastup-staging', service: 'payments' },
      alb: { loadBalancer: 'app/staging/0123456789abcdef', targetGroup: 'targetgroup/payments/0123456789abcdef' },
      logs: { group: '/aws/ecs/payments', filter: '?ERROR ?FATAL' },
      health: null,
      contact: '@payments',
    });
    expect(plain(queues.messages)).toEqual({
      account: 'default',
      sqs: 'rastup-messages',
      deadLetter: 'rastup-messages-dlq',
      consumer: { lambda: 'rastup-message-processor' },
      logs: { group: '/aws/lambda/rastup-message-processor', filter: null },
      dependsOn: ['main-db'],
      signals: {},
      contact: '@messaging',
    });
    expect(plain(dependencies.stripe)).toEqual({
      statusPage: 'https://status.stripe.com',
      hosts: ['api.stripe.com', 'files.stripe.com'],
      flag: 'stripe_payments_enabled',
      cacheFlag: null,
      timeoutKey: null,
      signals: {},
      contact: null,
    });
    expect(databases['main-db']?.account).toBe('default');
  });

  test('knows search engines, caches, Prometheus, Sentry, Datadog and queries, with handles for secrets', () => {
    const config = loadConfig({ path: writeFull(), env: ENV });
    expect(plain([config.prometheus, config.sentry, config.datadog])).toEqual([
      { url: 'http://prometheus:9090/prefix', headers: { 'X-Scope-OrgID': '<secret>' }, periodSeconds: null },
      { url: 'https://sentry.io', organization: 'rastup', token: '<secret>' },
      { site: 'datadoghq.eu', endpoint: null, apiKey: '<secret>', appKey: '<secret>' },
    ]);
    expect(config.prometheus?.headers['X-Scope-OrgID']?.read()).toBe('canary-hunter2');
    expect(plain(config.searches.products)).toEqual({
      account: 'default',
      typesense: { url: 'http://typesense:8108', apiKey: '<secret>', collections: ['products', 'users'] },
      opensearch: { url: 'https://opensearch:9200', headers: { Authorization: '<secret>' } },
      fallback: { flag: 'search.engine', value: 'OPENSEARCH' },
      logs: { group: '/aws/lambda/indexer', filter: null },
      dependsOn: ['main-db', 'sessions'],
      signals: {},
      contact: '@search',
    });
    expect(plain(config.caches)).toEqual({
      sessions: {
        url: '<secret>',
        address: { host: 'redis.internal', port: 6379 },
        dependsOn: ['api'],
        signals: {},
        contact: null,
      },
      open: { url: '<secret>', address: { host: '::1', port: 6380 }, dependsOn: [], signals: {}, contact: '@cache' },
    });
    expect(config.caches.sessions?.url.read()).toBe(ENV.REDIS_URL);
    expect(plain(config.databases['main-db']?.queries)).toEqual({
      outbox_pending: {
        sql: 'select count(*) from public.outbox',
        unit: 'count',
        periodSeconds: 60,
        column: null,
        labels: [],
      },
      orders: {
        sql: 'select kind, n, m from public.o',
        unit: 'per_second',
        periodSeconds: 300,
        column: 'n',
        labels: ['kind'],
      },
    });
  });

  test('prints no secret, however it is printed', () => {
    const config = loadConfig({ path: writeFull(), env: ENV });
    const printed = [
      JSON.stringify(config),
      inspect(config, { depth: null, showHidden: true }),
      `${config.databases['main-db']?.url}`,
    ].join('\n');
    expect(printed).not.toMatch(/canary|hunter2/);
    expect(printed).toContain('<secret>');
  });

  test('is frozen to the bottom', () => {
    const config = loadConfig({ path: writeFull(), env: ENV });
    const open: string[] = [];
    const visit = (value: unknown, path: string): void => {
      if (typeof value !== 'object' || value === null) return;
      if (!Object.isFrozen(value)) open.push(path);
      for (const [key, child] of Object.entries(value)) visit(child, `${path}.${key}`);
    };
    visit(config, 'config');
    expect(open).toEqual([]);
  });

  test('does not find what only Object.prototype has', () => {
    const config = loadConfig({ path: writeFull(), env: ENV });
    expect(config.databases.constructor).toBeUndefined();
    expect(config.mitigations.toString).toBeUndefined();
  });

  test('takes a database that is named like a property of every object', () => {
    const path = write('a.yaml', 'databases: { constructor: { url: env:DATABASE_URL } }');
    expect(JSON.stringify(loadConfig({ path, env: ENV }).databases)).toMatch(/^\{"constructor":.*main-db\.internal/);
  });
});

test('a file secret that is rotated is read anew', () => {
  const config = loadConfig({ path: writeFull(), env: ENV });
  write('api-token', 'another-canary-hunter2');
  expect(config.http.token?.read()).toBe('another-canary-hunter2');
});

test('options are checked and brought to their unit when the detectors are known', () => {
  const path = write(
    'a.yaml',
    `databases: { a: { url: env:DATABASE_URL } }\ndetectors: { x: { options: { hold: 2m } } }`,
  );
  const hold = { type: 'number', default: 1, unit: 's', description: 'hold' } as const;
  const detectors = [{ id: 'x', title: 'X', options: { hold } }];
  expect({ ...loadConfig({ path, env: ENV, detectors }).detectors.x?.options }).toEqual({ hold: 120 });
  expect({ ...loadConfig({ path, env: ENV }).detectors.x?.options }).toEqual({ hold: '2m' });
});

describe('a directory', () => {
  test('is merged in name order: maps are merged, the later file wins, other files are left alone', () => {
    write(
      '10-base.yaml',
      'name: base\naws: { region: us-east-1 }\ndatabases: { a: { url: env:DATABASE_URL, rds: one } }\ndetectorsDir: [x, y]',
    );
    write('20-site.yml', 'name: site\ndatabases: { a: { rds: two }, b: { url: env:REPLICA_URL } }\ndetectorsDir: [z]');
    write('.hidden.yaml', 'nonsense: 1');
    write('notes.txt', 'nonsense: 1');
    const config = loadConfig({ path: directory, env: ENV });
    expect(config.name).toBe('site');
    expect(Object.keys(config.databases)).toEqual(['a', 'b']);
    expect(config.databases.a).toMatchObject({ rds: 'two', address: { host: 'main-db.internal' } });
    expect(config.detectorsDir).toEqual([join(directory, 'z')]);
  });

  test('may be mounted as Kubernetes mounts a ConfigMap, by symlinks', () => {
    mkdirSync(join(directory, '..2026_11_23'));
    writeFileSync(join(directory, '..2026_11_23', 'a.yaml'), 'databases: { a: { url: env:DATABASE_URL } }');
    symlinkSync('..2026_11_23', join(directory, '..data'));
    symlinkSync('..data/a.yaml', join(directory, 'a.yaml'));
    expect(Object.keys(loadConfig({ path: directory, env: ENV }).databases)).toEqual(['a']);
  });

  test('names the file and the line of each problem', () => {
    write('a.yaml', 'name: base\ntimeZone: Nowhere/Atall\n');
    write('b.yaml', '\nlog: { level: loud }\n\ndatabases: { a: { url: env:DATABASE_URL } }\n');
    expect(() => loadConfig({ path: directory, env: ENV })).toThrow(
      `${directory}/a.yaml:2: timeZone: found "Nowhere/Atall", expected an IANA time zone such as Europe/Berlin\n` +
        `${directory}/b.yaml:2: log.level: found "loud"; expected one of`,
    );
  });

  test('reports the syntax errors of all files', () => {
    write('a.yaml', 'a: "x\n');
    write('b.yaml', '\na: @x\n');
    expect(() => loadConfig({ path: directory, env: ENV })).toThrow(
      new RegExp(`^${directory}/a.yaml:2: not valid YAML: .*\n${directory}/b.yaml:2: not valid YAML: plain value`),
    );
  });

  test('without YAML files is an error that says so', () => {
    expect(() => loadConfig({ path: directory, env: ENV })).toThrow('has no *.yaml or *.yml file');
  });
});

describe('AWS', () => {
  const api = 'services: { api: { ecs: { cluster: c, service: s } } }';

  test.each([
    ['what it says itself', `aws: { region: eu-west-1 }\n${api}`, { AWS_REGION: 'us-east-1' }, 'eu-west-1'],
    ['AWS_REGION', api, { AWS_REGION: 'us-east-1', AWS_DEFAULT_REGION: 'us-west-2' }, 'us-east-1'],
    ['AWS_DEFAULT_REGION', api, { AWS_DEFAULT_REGION: 'us-west-2' }, 'us-west-2'],
  ])('has its region from %s', (_, text, env, region) => {
    expect(loadConfig({ path: write('a.yaml', text), env }).aws?.accounts.default?.region).toBe(region);
  });

  test.each([
    ['a database outside AWS', 'databases: { a: { url: env:DATABASE_URL } }', null],
    ['a service that only has health endpoints', 'services: { a: { health: { live: "http://a/live" } } }', null],
    [
      'signals of Prometheus alone',
      'prometheus: { url: http://p:9090 }\nservices: { a: { signals: { requests: { prometheus: up } } } }',
      null,
    ],
    [
      'a search engine and a cache',
      'searches: { a: { typesense: { url: http://t, apiKey: env:API_KEY, collections: [a] } } }\ncaches: { b: { redis: redis://r } }',
      null,
    ],
    [
      'a log group of a search engine',
      'searches: { a: { typesense: { url: http://t, apiKey: env:API_KEY, collections: [a] }, logs: a } }',
      'env-east-1',
    ],
    [
      'a signal of a cache in CloudWatch',
      'caches: { a: { redis: redis://r, signals: { x: { cloudwatch: { namespace: N, metric: M, stat: Sum } } } } }',
      'env-east-1',
    ],
    ['settings that are the defaults', 'aws: { periodSeconds: 60 }\ndependencies: { a: { hosts: [a] } }', null],
    ['a region', 'aws: { region: us-east-1 }\ndependencies: { a: { hosts: [a] } }', 'us-east-1'],
    [
      'a signal',
      'services: { a: { signals: { x: { cloudwatch: { namespace: N, metric: M, stat: p99.9 } } } } }',
      'env-east-1',
    ],
    ['a queue', 'queues: { a: { sqs: a.fifo } }', 'env-east-1'],
    [
      'a replica on RDS',
      'databases: { a: { url: "postgres://m@h/d", replicas: { r: { url: "postgres://m@r/d", rds: r } } } }',
      'env-east-1',
    ],
  ])('with %s is for the region %3$s', (_, text, region) => {
    const env = { ...ENV, AWS_REGION: 'env-east-1' };
    expect(loadConfig({ path: write('a.yaml', text), env }).aws?.accounts.default?.region ?? null).toBe(region);
  });

  test('may have other accounts only, when all that is watched is there', () => {
    const text = 'aws: { accounts: { b: { region: eu-west-1 } } }\nqueues: { q: { sqs: q, account: b } }';
    const accounts = loadConfig({ path: write('a.yaml', text), env: ENV }).aws?.accounts;
    expect(accounts?.b?.region).toBe('eu-west-1');
    expect(accounts?.default?.region).toBe('');
  });

  test('may have another endpoint on this machine, for tests', () => {
    const text = `aws: { region: us-east-1, endpoint: 'http://127.0.0.1:4566/' }\n${api}`;
    expect(loadConfig({ path: write('a.yaml', text), env: ENV }).aws?.accounts.default?.endpoint).toBe(
      'http://127.0.0.1:4566',
    );
  });
});

test('services may depend on each other in a circle', () => {
  const health = "health: { live: 'https://h/live' }";
  const path = write('a.yaml', `services: { a: { ${health}, dependsOn: [b] }, b: { ${health}, dependsOn: [a] } }`);
  expect(loadConfig({ path, env: ENV }).services.a?.dependsOn).toEqual(['b']);
});

test('nothing to watch is CONFIG_EMPTY, unless it is to be found out what could be', () => {
  const path = write('a.yaml', 'aws: { region: us-east-1 }');
  expect(codeOf(() => loadConfig({ path, env: ENV }))).toBe('CONFIG_EMPTY');
  expect(loadConfig({ path, env: ENV, mayBeEmpty: true }).aws?.accounts.default?.region).toBe('us-east-1');
});

describe('the environment alone', () => {
  test('gives one database, its replica and PagerDuty', () => {
    const config = configFromEnv({ ...ENV, PAGERDUTY_ROUTING_KEY: '0123456789abcdef0123456789abcdef' });
    expect(Object.keys(config.databases)).toEqual(['main-db']);
    expect(Object.keys(config.databases['main-db']!.replicas)).toEqual(['replica-1']);
    expect(config.notify.pagerduty?.server).toBe('events.pagerduty.com');
    expect(config.http).toMatchObject({ listen: { host: '127.0.0.1', port: 9470 }, token: null, metricsListen: null });
    expect(config.store.sqlite).toBe('/home/op/.local/state/runbookd/state.db');
  });

  test('is used when no path is given, and XDG_STATE_HOME moves the store', () => {
    const config = loadConfig({ env: { ...ENV, XDG_STATE_HOME: '/var/lib' } });
    expect(config.origin).toBe('environment');
    expect(config.store.sqlite).toBe('/var/lib/runbookd/state.db');
  });

  test('with nothing in it is CONFIG_EMPTY', () => {
    expect(codeOf(() => loadConfig({ env: {} }))).toBe('CONFIG_EMPTY');
    expect(codeOf(() => loadConfig({ env: { DATABASE_URL: '' } }))).toBe('CONFIG_EMPTY');
  });

  test('names the variable whose value is wrong, and not the value', () => {
    expect(() => loadConfig({ env: { DATABASE_URL: 'canary-hunter2' } })).toThrow(
      'environment: databases.main-db.url: the value of env:DATABASE_URL is not a postgres:// URL; ' +
        'expected postgres://user@host:5432/database',
    );
  });
});

describe('files that cannot be a configuration', () => {
  test('one that is not there is CONFIG_FILE', () => {
    expect(codeOf(() => loadConfig({ path: join(directory, 'none.yaml'), env: ENV }))).toBe('CONFIG_FILE');
  });

  test('10 MB are refused unread', () => {
    const path = write('big.yaml', 'x'.repeat(10_000_000));
    expect(codeOf(() => loadConfig({ path, env: ENV }))).toBe('CONFIG_FILE');
  });

  test.runIf(process.getuid?.() !== 0)('one that may not be read is CONFIG_FILE', () => {
    const path = write('a.yaml', 'name: x');
    chmodSync(path, 0);
    expect(codeOf(() => loadConfig({ path, env: ENV }))).toBe('CONFIG_FILE');
  });

  test.each([
    ['nesting', '['.repeat(200_000)],
    ['nested maps', 'a: '.concat('{a: '.repeat(5_000))],
    ['indentation', Array.from({ length: 1_000 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n')],
    ['60,000 keys', Array.from({ length: 60_000 }, (_, key) => `k${key}: 1`).join('\n')],
  ])('a bomb of %s ends as CONFIG_SYNTAX', (_, text) => {
    const path = write('bomb.yaml', text);
    expect(codeOf(() => loadConfig({ path, env: ENV }))).toBe('CONFIG_SYNTAX');
  });
});

/** Deterministic: the same files in every run (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

test('300 mangled files give a configuration or a coded error, never a secret and never a crash', () => {
  const random = randomFrom(20261123);
  const pieces = ['{', '}', '[', ']', ': ', '- ', '\n', '  ', '"', "'", '&a ', '*a', '!t ', '#', '\t', '\u0000', '~'];
  writeFull();
  for (let round = 0; round < 300; round++) {
    const at = Math.floor(random() * FULL.length);
    const cut = Math.floor(random() * 12);
    const piece = pieces[Math.floor(random() * pieces.length)]!;
    const path = write('fuzz.yaml', FULL.slice(0, at) + piece + FULL.slice(at + cut));
    try {
      loadConfig({ path, env: ENV });
    } catch (error) {
      expect(error).toBeInstanceOf(RunbookdError);
      expect(messageOf(error)).not.toMatch(/canary|hunter2/);
    }
  }
});
