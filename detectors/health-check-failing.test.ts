import type {
  Change,
  Diagnosis,
  EcsServiceAnswer,
  HealthCheckResult,
  LogErrorsAnswer,
  LogTemplate,
  ReachabilityAnswer,
  ReachReason,
  ReachStep,
  Reading,
  ServiceHealthAnswer,
  SessionGroup,
  SessionsAnswer,
  StopKind,
  Target,
  TargetGroupAnswer,
} from 'runbookd/sdk';
import { describeDetector, judge, NOW, reading, unknownAnswer } from 'runbookd/testing';
import { expect, test } from 'vitest';
import { detector } from './health-check-failing.ts';

const MINUTE = 60_000;
/** Three polls of the endpoints have failed. */
const ONSET = NOW - 2 * MINUTE;

const API: Target = {
  name: 'api',
  kind: 'service',
  dependsOn: ['main-db', 'stripe', 'redis'],
  slots: {
    service: 'api',
    region: 'us-east-1',
    cluster: 'rastup-prod',
    ecsService: 'api-service',
    logGroup: '/aws/ecs/rastup-prod/api-service',
    healthUrl: 'https://api.rastup.com/health',
    readyUrl: 'https://api.rastup.com/ready',
  },
};
const DB: Target = {
  name: 'main-db',
  kind: 'database',
  dependsOn: [],
  slots: {
    psql: 'psql -h main-db.internal -U admin -d rastup',
    host: 'main-db.internal',
    port: '5432',
    database: 'rastup',
    region: 'us-east-1',
    rdsInstance: 'rastup-prod',
  },
};
const STRIPE: Target = {
  name: 'stripe',
  kind: 'dependency',
  dependsOn: [],
  hosts: ['api.stripe.com'],
  slots: {
    dependency: 'stripe',
    flag: 'stripe_payments_enabled',
    cacheFlag: 'stripe_api_cache_enabled',
    statusUrl: 'https://status.stripe.com/api/v2/status.json',
  },
};

const REDIS: Target = {
  name: 'redis',
  kind: 'cache',
  dependsOn: [],
  slots: { host: 'redis.internal', port: '6379' },
};

const poll = (signal: string, values: readonly number[]): Reading =>
  reading(signal, values, { target: 'api', periodSeconds: 60, unit: 'bool' });
const times = (after: readonly number[]): Reading =>
  reading('health_milliseconds', [...Array.from({ length: 20 }, () => 18), ...after], {
    target: 'api',
    periodSeconds: 60,
    unit: 'ms',
    band: { expected: 18, lower: 5, upper: 60 },
  });
const UP = poll('health_live', [1, 1, 1, 1, 1, 1]);
const DOWN = poll('health_live', [1, 1, 1, 0, 0, 0]);
const READY = poll('health_ready', [1, 1, 1, 1, 1, 1]);
const NOT_READY = poll('health_ready', [1, 1, 1, 0, 0, 0]);

/** Redis as our own polls find it. */
const ofRedis = (signal: string, values: readonly number[], unit: Reading['unit'] = 'bool'): Reading =>
  reading(signal, values, { target: 'redis', periodSeconds: 60, unit });
const REDIS_UP = ofRedis('cache_up', [1, 1, 1, 1, 1, 1]);
const REDIS_DOWN = ofRedis('cache_up', [1, 1, 1, 0, 0, 0]);

/** A count by the minute. */
const counts = (signal: string, before: number, after: readonly number[]): Reading =>
  reading(signal, [...Array.from({ length: 40 }, () => before), ...after], {
    target: 'api',
    periodSeconds: 60,
    band: { expected: before, lower: before * 0.7, upper: Math.max(before * 1.3, 1) },
  });
const gauge = (signal: string, before: number, after: number): Reading =>
  reading(signal, [...Array.from({ length: 40 }, () => before), after, after, after], {
    target: 'api',
    periodSeconds: 60,
    unit: 'ratio',
    band: { expected: before, lower: before * 0.7, upper: before * 1.3 },
  });
const SERVED = [counts('requests', 2100, [2100, 2080, 2120]), counts('errors', 4, [4, 3, 5])];
const FAILED = [counts('requests', 2100, [2100, 2080, 2120]), counts('errors', 4, [900, 1200, 1300])];
const GONE = [counts('requests', 2100, [200, 90, 80]), counts('errors', 4, [1, 0, 0])];
const CPU_IDLE = [gauge('cpu', 0.3, 0.28), gauge('cpu_max', 0.36, 0.31)];
const CPU_FULL = [gauge('cpu', 0.3, 0.97), gauge('cpu_max', 0.36, 0.99)];

const ids = ['0a1b2c3d4e5f60718293a4b5c6d7e8f0', '1b', '2c', '3d', '4e', '5f'].map((id) => id.padEnd(32, '0'));
const deployment = (
  version: string,
  createdAt: number,
  over: Partial<EcsServiceAnswer['deployments'][number]> = {},
) => ({
  id: `ecs-svc/${version.replace(/\D/g, '')}`,
  status: 'PRIMARY',
  version,
  createdAt,
  updatedAt: createdAt,
  desired: 6,
  pending: 0,
  running: 6,
  failed: 0,
  rollout: 'completed' as const,
  rolloutReason: null,
  ...over,
});

const running = (version: string, status = 'RUNNING') =>
  ids.map((id) => ({
    id,
    version,
    status,
    health: 'healthy' as const,
    zone: null,
    createdAt: NOW - 20 * MINUTE,
    startedAt: NOW - 20 * MINUTE,
    images: [],
  }));
const ecs = (over: Partial<EcsServiceAnswer> = {}): EcsServiceAnswer => ({
  at: NOW,
  cluster: 'rastup-prod',
  service: 'api-service',
  status: 'ACTIVE',
  desired: 6,
  running: 6,
  pending: 0,
  launchType: 'FARGATE',
  taskCpuUnits: 1024,
  taskMemoryMiB: 2048,
  version: 'api:511',
  controller: 'ecs',
  versions: [{ version: 'api:510', completedAt: null, servedFrom: null, servedUntil: null, failed: false }],
  deployments: [deployment('api:511', NOW - 26 * 60 * MINUTE)],
  rolledBack: null,
  circuitBreaker: { enabled: true, rollback: true },
  events: [],
  tasks: running('api:511'),
  stopped: [],
  history: [],
  stopTimeoutSeconds: 30,
  ...over,
});

const template = (
  text: string,
  kind: LogTemplate['kind'],
  count: number,
  over: Partial<LogTemplate> = {},
): LogTemplate => ({
  template: text,
  kind,
  host: null,
  count,
  before: 0,
  firstAt: ONSET,
  lastAt: NOW,
  ...over,
});

const logs = (templates: readonly LogTemplate[], byTask: Readonly<Record<string, number>> = {}): LogErrorsAnswer => ({
  from: ONSET - 11 * MINUTE,
  to: NOW,
  logGroup: '/aws/ecs/rastup-prod/api-service',
  partial: false,
  count: templates.reduce((sum, one) => sum + one.count, 0),
  before: templates.reduce((sum, one) => sum + one.before, 0),
  beforeSeconds: 600,
  templates,
  byTask,
});
const ABOUT = {
  nothing: logs([]),
  redis: logs([template('Error: connect ECONNREFUSED <*>:6379', 'refused', 600)]),
  stripe: logs([
    template('StripeConnectionError: request to https://api.stripe.com/<*> failed', 'timeout', 580, {
      host: 'api.stripe.com',
    }),
  ]),
  pool: logs([
    template('Error: timeout exceeded when trying to connect: pool of <*> clients is exhausted', 'pool-timeout', 600),
  ]),
  database: logs([template('Error: connect ECONNREFUSED <*>:5432', 'database-refused', 600)]),
  databaseTimeout: logs([template('Error: Query read timeout', 'database-timeout', 600)]),
  ours: logs([template('TypeError: Cannot read properties of undefined', 'exception', 600)]),
};

type Check = HealthCheckResult['checks'][number];
const bad = (name: string, detail: string | null = null): Check => ({ name, ok: false, detail });
const good = (name: string): Check => ({ name, ok: true, detail: null });
const answers = (path: string, status: number, over: Partial<HealthCheckResult> = {}): HealthCheckResult => ({
  endpoint: `api.rastup.com${path}`,
  status,
  failure: null,
  milliseconds: 12,
  checks: [],
  ...over,
});
const fails = (
  path: string,
  failure: NonNullable<HealthCheckResult['failure']>,
  milliseconds = 40,
): HealthCheckResult => ({
  endpoint: `api.rastup.com${path}`,
  status: failure === 'redirect' ? 302 : null,
  failure,
  milliseconds: failure === 'timeout' ? 4_500 : milliseconds,
  checks: [],
});
const health = (live: HealthCheckResult | null, ready: HealthCheckResult | null): ServiceHealthAnswer => ({
  at: NOW,
  live,
  ready,
  history: [],
});
const LIVE = answers('/health', 200);
/** The readiness endpoint says no, and why. */
const notReady = (...checks: readonly Check[]): ServiceHealthAnswer =>
  health(LIVE, answers('/ready', 503, { checks, milliseconds: 2_004 }));
const bothFail = (failure: NonNullable<HealthCheckResult['failure']>): ServiceHealthAnswer =>
  health(fails('/health', failure), fails('/ready', failure));

const targets = (unhealthy: number, reason = 'Target.ResponseCodeMismatch'): TargetGroupAnswer => ({
  at: NOW,
  targetGroup: 'targetgroup/api/fedcba9876543210',
  targetGroupArn: 'arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/api/fedcba9876543210',
  targets: ids.map((id, index) => ({
    id,
    zone: null,
    state: index < unhealthy ? ('unhealthy' as const) : ('healthy' as const),
    reason: index < unhealthy ? reason : null,
    description: null,
  })),
  healthy: 6 - unhealthy,
  unhealthy,
  healthCheck: 'GET /health on port 8080, expects 200',
  idleTimeoutSeconds: 60,
});
const change = (version: string, at: number, over: Partial<Change> = {}): Change => ({
  id: `deploy-${version}-${at}`,
  target: 'api',
  kind: 'deployment',
  summary: `deployment of ${version} started`,
  at: { earliest: at, latest: at },
  source: 'ecs',
  deployment: { version, previous: 'api:511', state: 'started' },
  ...over,
});

const reach = (reason: ReachReason, step: ReachStep, over: Partial<ReachabilityAnswer> = {}): ReachabilityAnswer => ({
  at: NOW,
  step,
  reason,
  host: 'main-db.internal',
  port: 5432,
  address: '10.0.3.7',
  sqlstate: null,
  message: '',
  elapsedMs: 3,
  passed: { dns: 1 },
  lastGoodAt: ONSET - 30_000,
  lastUsed: 40,
  lastUsable: 97,
  ...over,
});

const group = (app: string, state: string, count: number, longest = 5): SessionGroup => ({
  app,
  user: 'app',
  state,
  count,
  longestInStateSeconds: longest,
});
type Point = Partial<SessionsAnswer['history'][number]> & { readonly minutesAgo: number };
const sessions = (
  groups: readonly SessionGroup[],
  points: readonly Point[],
  over: Partial<SessionsAnswer> = {},
): SessionsAnswer => ({
  at: NOW,
  used: groups.reduce((sum, one) => sum + one.count, 0),
  usable: 97,
  max: 100,
  reserved: 3,
  groups,
  holders: [],
  history: points.map(({ minutesAgo, ...point }) => ({
    at: NOW - minutesAgo * MINUTE,
    used: 40,
    active: 2,
    idle: 0,
    idleInTransaction: 0,
    waitingForLock: 0,
    byApp: {},
    ...point,
  })),
  newSessionsPerSecond: 0.4,
  hidden: 0,
  ...over,
});

const statements = (over: object = {}) => ({
  from: NOW - 120_000,
  to: NOW,
  totalMs: 12_000,
  totalCalls: 6_000,
  totalMsPerSecondBefore: 100,
  totalCallsPerSecondBefore: 50,
  top: [],
  evicted: 0,
  statsResetAt: null,
  ...over,
});
const activity = (active: number, before: number) => ({
  at: NOW,
  activeSessions: active,
  waits: { CPU: active },
  activeBefore: before,
  tempBytesPerSecond: 0,
  tempFilesPerSecond: 0,
  deadlocks: 0,
  transactionsPerSecond: 60,
  rollbackShare: 0,
  autovacuumWorkers: 0,
});

/** All is well but for what each case changes. */
const CALM = {
  'ecs.service': ecs(),
  'alb.targets': targets(0),
  'logs.errors': ABOUT.nothing,
  'postgres.sessions': sessions(
    [group('api', 'idle', 30, 20), group('api', 'active', 3)],
    [
      { minutesAgo: 50, byApp: { api: 33 } },
      { minutesAgo: 0, byApp: { api: 33 } },
    ],
  ),
  'postgres.statements': statements(),
  'postgres.activity': activity(3, 3),
  'postgres.reachability': reach('ok', 'ok'),
  'rds.instance': {
    at: NOW,
    instance: 'rastup-prod',
    status: 'available',
    engine: 'postgres',
    version: '16.4',
    instanceClass: 'db.r6g.large',
    multiAz: true,
    allocatedGiB: 200,
    pending: [],
    host: 'main-db.internal',
    port: 5432,
    events: [],
  },
  'rds.network': {
    at: NOW,
    instance: 'rastup-prod',
    port: 5432,
    groups: [{ id: 'sg-0db0db0db0db0db00', allows: ['sg-0a91a91a91a91a91a'] }],
    lost: [],
  },
  'service.health': health(LIVE, answers('/ready', 503)),
  'cache.server': {
    at: NOW,
    host: 'redis.internal:6379',
    version: '7.4.2',
    role: 'primary',
    loading: false,
    pingMs: 1,
    clients: 41,
    maxClients: 10_000,
    blockedClients: 0,
    usedMemoryBytes: 268_435_456,
    maxMemoryBytes: 1_073_741_824,
    evictionPolicy: 'allkeys-lru',
    evictedKeys: 0,
    rejectedConnections: 0,
    hits: 9_000_000,
    misses: 1_000_000,
    replicaLinkUp: null,
    uptimeSeconds: 864_000,
  },
  'vendor.status': {
    at: NOW,
    page: 'status.stripe.com',
    indicator: 'none',
    description: 'All Systems Operational',
    incidents: [],
    components: [],
  },
  changes: { changes: [] },
} as const;

const alone = (diagnosis: Diagnosis): void => {
  const others = diagnosis.causes.slice(1);
  const shown = others.map((one) => `${one.cause} ${one.variant} ${one.confidence}`).join(', ');
  expect(Math.max(0, ...others.map((one) => one.confidence)), shown).toBeLessThan(0.3);
};
const confidenceOf = (diagnosis: Diagnosis, cause: string, variant: string | null = null): number =>
  [...diagnosis.causes, ...diagnosis.ruledOut].find((one) => one.cause === cause && one.variant === variant)!
    .confidence;

interface Part {
  readonly name: string;
  readonly readings?: readonly Reading[];
  readonly answers: object;
  readonly first: { readonly cause: string; readonly variant?: string; readonly on?: string };
  readonly commands?: readonly RegExp[];
  readonly check?: (diagnosis: Diagnosis) => void;
}
/** One cause that must lead, and nothing else beside it. */
const case_ = ({ readings = [UP, NOT_READY, ...SERVED, ...CPU_IDLE], check = alone, ...part }: Part) => ({
  ...part,
  readings: readings.some(({ target }) => target === 'redis') ? readings : [...readings, REDIS_UP],
  answers: { ...CALM, ...part.answers },
  atLeast: 0.8,
  verdict: 'cause' as const,
  check,
});

const DATABASE = notReady(bad('database', 'timeout after 2000 ms'), good('redis'));
const pool = (variant: string, answered: SessionsAnswer, over: object = {}) =>
  case_({
    name: `connection pool: ${variant}`,
    readings: [UP, NOT_READY, ...FAILED, ...CPU_IDLE],
    answers: { 'service.health': DATABASE, 'logs.errors': ABOUT.pool, 'postgres.sessions': answered, ...over },
    first: { cause: 'connection-pool', variant, on: 'main-db' },
    commands: [/group by state, application_name/],
  });
const unreachable = (variant: string, answered: ReachabilityAnswer, commands: readonly RegExp[], over: object = {}) =>
  case_({
    name: `database unreachable: ${variant}`,
    readings: [UP, NOT_READY, ...FAILED, ...CPU_IDLE],
    answers: {
      'service.health': DATABASE,
      'logs.errors': ABOUT.database,
      'postgres.reachability': answered,
      'alb.targets': targets(6),
      ...over,
    },
    first: { cause: 'database-unreachable', variant, on: 'main-db' },
    commands,
  });
const crashed = (kind: StopKind, variant: string, exitCode: number | null = null) =>
  case_({
    name: `tasks stop: ${variant}`,
    readings: [DOWN, NOT_READY, ...GONE, ...CPU_IDLE],
    answers: {
      'service.health': health(answers('/health', 503), answers('/ready', 503)),
      'alb.targets': targets(6, 'Target.FailedHealthChecks'),
      'ecs.service': ecs({
        running: 0,
        tasks: running('api:511', 'PENDING'),
        stopped: ids.slice(0, 3).map((id, index) => ({
          id,
          version: 'api:511',
          kind,
          stopCode: 'EssentialContainerExited',
          reason: `Task stopped: ${kind}`,
          startedAt: NOW - 10 * MINUTE,
          stoppedAt: ONSET - index * 1000,
          containers: [{ name: 'app', exitCode, reason: null }],
        })),
      }),
    },
    first: { cause: 'service-crashed', variant, on: 'api' },
    commands: [/--desired-status STOPPED/],
  });
const endpoint = (
  variant: 'dns' | 'tls' | 'redirect' | 'network',
  failure: NonNullable<HealthCheckResult['failure']>,
  commands: readonly RegExp[],
  readings: readonly Reading[] = SERVED,
) =>
  case_({
    name: `endpoint unreachable: ${variant}, ${readings === SERVED ? 'for us' : 'for everybody'}`,
    readings: [DOWN, NOT_READY, ...readings, ...CPU_IDLE],
    answers: { 'service.health': bothFail(failure) },
    first: { cause: 'endpoint-unreachable', variant, on: 'api' },
    commands,
  });

const DEPLOYED = ONSET - 90_000;
const NEW_VERSION = {
  'ecs.service': ecs({
    version: 'api:512',
    controller: 'ecs',
    versions: [{ version: 'api:511', completedAt: null, servedFrom: null, servedUntil: null, failed: false }],
    deployments: [deployment('api:512', DEPLOYED)],
    tasks: running('api:512'),
  }),
  changes: { changes: [change('api:512', DEPLOYED)] },
};
const FULL_SLOTS = sessions(
  [group('billing-worker', 'idle', 84, 720), group('api', 'active', 3), group('api', 'idle', 7)],
  [
    { minutesAgo: 40, used: 20, byApp: { 'billing-worker': 12 } },
    { minutesAgo: 20, used: 55, byApp: { 'billing-worker': 47 } },
    { minutesAgo: 0, used: 94, byApp: { 'billing-worker': 84 } },
  ],
);

describeDetector(detector, {
  target: API,
  dependencies: [DB, STRIPE, REDIS],
  silent: [
    { name: 'both endpoints answer', readings: [UP, READY, times([18, 20])] },
    { name: 'two polls failed, which is too few', readings: [poll('health_ready', [1, 1, 1, 1, 0, 0])] },
    { name: 'three failed, and the newest is well', readings: [poll('health_live', [1, 0, 0, 0, 1])] },
    { name: 'slow for a moment', readings: [UP, READY, times([18, 2500, 2500, 18])] },
    {
      name: 'slow as ever',
      readings: [
        UP,
        reading('health_milliseconds', Array(10).fill(2500), {
          unit: 'ms',
          band: { expected: 2500, lower: 2200, upper: 2900 },
        }),
      ],
    },
    {
      name: 'switched off on purpose',
      readings: [DOWN, NOT_READY, reading('desired_tasks', [0, 0, 0], { target: 'api' })],
    },
    { name: 'one failed poll is within the clearing of nothing', readings: [poll('health_ready', [1, 1, 0])] },
  ],
  firing: [
    {
      name: 'the readiness endpoint alone while requests are served',
      readings: [UP, NOT_READY, ...SERVED],
      severity: 'warning',
      headline: /^\/ready fails for 3 min, requests are served as before$/,
    },
    {
      name: 'the readiness endpoint alone, and requests fail',
      readings: [UP, NOT_READY, ...FAILED],
      severity: 'error',
      headline: /^\/ready fails for 3 min, 61 % of the requests fail$/,
    },
    {
      name: 'the readiness endpoint alone, with nobody to say how requests are served',
      readings: [UP, NOT_READY],
      severity: 'error',
    },
    {
      name: 'the readiness endpoint alone, and no target is healthy',
      readings: [UP, NOT_READY, ...SERVED, counts('healthy_hosts', 6, [0, 0, 0])],
      severity: 'error',
      headline: /no target is healthy$/,
    },
    {
      name: 'the health endpoint',
      readings: [DOWN, READY, ...SERVED],
      severity: 'error',
      headline: /^\/health fails for 3 min/,
    },
    {
      name: 'both',
      readings: [DOWN, NOT_READY, ...GONE],
      severity: 'critical',
      headline: /^\/health and \/ready fail for 3 min, requests are at 4 %/,
    },
    {
      name: 'slow for long',
      readings: [UP, READY, times([2400, 2600, 3100, 3000, 3200])],
      severity: 'warning',
      headline: /^\/ready takes 3\.2 s \(baseline 18 ms\)$/,
    },
    { name: 'one failed poll keeps it up', readings: [poll('health_live', [0, 1, 1, 0])], active: [''] },
  ],
  missing: [
    { name: 'nothing was read', readings: [] },
    {
      name: 'the readings ended',
      readings: [DOWN, NOT_READY].map((one) => ({ ...one, freshness: 'absent' as const })),
    },
    { name: 'requests alone say nothing of it', readings: SERVED },
  ],
  causes: [
    unreachable('stopped', reach('refused', 'tcp'), [/start-db-instance/], {
      'rds.instance': { ...CALM['rds.instance'], status: 'stopped' },
    }),
    unreachable('dns', reach('dns_failed', 'dns', { passed: {}, address: null }), [/dig \+short main-db/]),
    unreachable('network', reach('tcp_timeout', 'tcp', { elapsedMs: 5000 }), [/SELECT 1/]),
    unreachable('tls', reach('tls_certificate', 'tls'), [/openssl/]),
    unreachable('authentication', reach('authentication_failed', 'authentication', { sqlstate: '28P01' }), [
      /pg_roles/,
    ]),
    unreachable('missing-database', reach('no_such_database', 'startup', { sqlstate: '3D000' }), [/pg_database/]),
    unreachable('starting-up', reach('starting_up', 'startup', { sqlstate: '57P03' }), [/describe-events/], {
      'rds.instance': { ...CALM['rds.instance'], status: 'rebooting' },
    }),
    unreachable('too-many-connections', reach('too_many_connections', 'startup', { sqlstate: '53300', lastUsed: 95 }), [
      /group by state, application_name/,
    ]),
    unreachable('hung', reach('hung', 'startup', { elapsedMs: 5000 }), [/reboot-db-instance/]),
    case_({
      name: 'a hung database hangs the health endpoint too: the process is not to blame',
      readings: [DOWN, NOT_READY, ...GONE, ...CPU_IDLE],
      answers: {
        'service.health': bothFail('timeout'),
        'postgres.reachability': reach('hung', 'startup', { elapsedMs: 5000 }),
        'logs.errors': ABOUT.databaseTimeout,
        'alb.targets': targets(6, 'Target.Timeout'),
      },
      first: { cause: 'database-unreachable', variant: 'hung' },
    }),
    pool('leak', FULL_SLOTS),
    pool(
      'surge',
      sessions(
        [group('api', 'active', 82), group('api', 'idle', 10)],
        [
          { minutesAgo: 30, used: 24, active: 3 },
          { minutesAgo: 2, used: 26, active: 4 },
          { minutesAgo: 1, used: 90, active: 78 },
          { minutesAgo: 0, used: 92, active: 80 },
        ],
      ),
      { 'postgres.statements': statements({ totalCalls: 30_000 }), 'postgres.activity': activity(80, 3) },
    ),
    pool(
      'idle-in-transaction',
      sessions(
        [group('checkout-worker', 'idle in transaction', 70, 300), group('api', 'active', 22)],
        [
          { minutesAgo: 20, used: 30, idleInTransaction: 1 },
          { minutesAgo: 0, used: 92, idleInTransaction: 70 },
        ],
      ),
    ),
    {
      ...pool(
        'limit-lowered',
        sessions(
          [group('api', 'idle', 14, 20), group('worker', 'idle', 12, 20), group('api', 'active', 10)],
          [
            { minutesAgo: 50, used: 36 },
            { minutesAgo: 0, used: 36 },
          ],
          { usable: 37, max: 40 },
        ),
        {
          changes: {
            changes: [
              change('', ONSET - 5 * MINUTE, {
                target: 'main-db',
                kind: 'setting',
                summary: 'max_connections 100 → 40',
                deployment: undefined as never,
              }),
            ],
          },
        },
      ),
      commands: [],
    },
    pool('own-pool', CALM['postgres.sessions']),
    case_({
      name: 'the body names redis',
      readings: [UP, NOT_READY, ...FAILED, ...CPU_IDLE],
      answers: {
        'service.health': notReady(bad('redis', 'connect ECONNREFUSED 10.0.4.9:6379'), good('database')),
        'logs.errors': ABOUT.redis,
        'alb.targets': targets(6),
      },
      first: { cause: 'cache-unreachable', on: 'api' },
      commands: [/^curl -v -m 10 https:\/\/api\.rastup\.com\/ready$/, /elasticache describe-/],
      check: (diagnosis) => {
        alone(diagnosis);
        expect(diagnosis.causes[0]!.evidence[0]!.headline).toBe('not ready: redis: connect ECONNREFUSED 10.0.4.9:6379');
        expect(diagnosis.ruledOut.map((one) => one.because)).toEqual(
          expect.arrayContaining(['main-db answers us', '33 of 97 slots', 'no task stopped']),
        );
      },
    }),
    case_({
      name: 'the body names the cache, and the messages cannot be read',
      answers: {
        'service.health': notReady(bad('cache.session-store')),
        'logs.errors': unknownAnswer('not_configured', 'not configured', 'services.api.logs'),
      },
      first: { cause: 'cache-unreachable' },
    }),
    case_({
      name: 'the body names redis, which does not answer us either',
      readings: [UP, NOT_READY, ...FAILED, ...CPU_IDLE, REDIS_DOWN],
      answers: {
        'service.health': notReady(bad('redis', 'connect ECONNREFUSED 10.0.4.9:6379'), good('database')),
        'logs.errors': ABOUT.redis,
        'cache.server': unknownAnswer('error', 'redis.internal:6379: the connection was refused (ECONNREFUSED)'),
      },
      first: { cause: 'cache-unreachable', variant: 'down', on: 'redis' },
      commands: [/^redis-cli -h redis\.internal -p 6379 PING$/, /elasticache describe-.* --region us-east-1/],
    }),
    case_({
      name: 'the body names redis, which takes no more clients',
      readings: [
        UP,
        NOT_READY,
        ...FAILED,
        ...CPU_IDLE,
        REDIS_UP,
        ofRedis('cache_rejected_connections', [0, 0, 0, 300, 360, 350], 'count'),
      ],
      answers: {
        'service.health': notReady(bad('redis', 'ERR max number of clients reached'), good('database')),
        'logs.errors': ABOUT.redis,
        'cache.server': { ...CALM['cache.server'], clients: 9_998 },
      },
      first: { cause: 'cache-unreachable', variant: 'too-many-clients', on: 'redis' },
      commands: [/^redis-cli -h redis\.internal -p 6379 CLIENT LIST$/],
    }),
    case_({
      name: 'a deployment came at the same minute, and the body names redis',
      answers: { ...NEW_VERSION, 'service.health': notReady(bad('redis')), 'logs.errors': ABOUT.redis },
      first: { cause: 'cache-unreachable' },
    }),
    case_({
      name: 'the body names the vendor',
      readings: [UP, NOT_READY, ...FAILED, ...CPU_IDLE],
      answers: {
        'service.health': notReady(bad('stripe', 'HTTP 503'), good('database'), good('redis')),
        'logs.errors': ABOUT.stripe,
        'vendor.status': { ...CALM['vendor.status'], indicator: 'major', description: 'Partial System Outage' },
      },
      first: { cause: 'external-service', variant: 'down', on: 'stripe' },
      commands: [/status\.stripe\.com/, /flags:disable -- --flag=stripe_payments_enabled/],
    }),
    case_({
      name: 'a status page alone names nobody',
      readings: [UP, NOT_READY, ...FAILED, ...CPU_IDLE],
      answers: {
        'service.health': notReady(bad('redis'), good('stripe')),
        'logs.errors': ABOUT.redis,
        'vendor.status': { ...CALM['vendor.status'], indicator: 'critical', description: 'Major Outage' },
      },
      first: { cause: 'cache-unreachable' },
    }),
    case_({
      name: 'the process has no time to answer',
      readings: [DOWN, NOT_READY, ...GONE, ...CPU_FULL],
      answers: { 'service.health': bothFail('timeout'), 'alb.targets': targets(6, 'Target.Timeout') },
      first: { cause: 'service-hung', on: 'api' },
      commands: [/^curl -v -m 10 https:\/\/api\.rastup\.com\/health$/, /force-new-deployment/],
      check: (diagnosis) => {
        alone(diagnosis);
        expect(diagnosis.causes[0]!.evidence.map((line) => line.headline)).toEqual(
          expect.arrayContaining(['/health does not answer', 'with CPU at 99 %']),
        );
      },
    }),
    case_({
      name: 'the process stands still with nothing to do',
      readings: [DOWN, NOT_READY, ...GONE, ...CPU_IDLE],
      answers: { 'service.health': bothFail('timeout'), 'alb.targets': targets(6, 'Target.Timeout') },
      first: { cause: 'service-hung' },
    }),
    case_({
      name: 'answers are late for want of CPU',
      readings: [UP, READY, times([2400, 2600, 3100, 3000, 3200]), ...SERVED, ...CPU_FULL],
      answers: {
        'service.health': health(
          answers('/health', 200, { milliseconds: 2900 }),
          answers('/ready', 200, { milliseconds: 3200 }),
        ),
        'alb.targets': targets(2, 'Target.Timeout'),
      },
      first: { cause: 'service-hung' },
    }),
    crashed('out-of-memory', 'out-of-memory', 137),
    crashed('essential-container-exited', 'essential-container-exited', 1),
    crashed('image-pull', 'image-pull'),
    crashed('secrets', 'secrets'),
    crashed('start-failed', 'start-failed'),
    crashed('slow-shutdown', 'slow-shutdown', 137),
    crashed('host', 'host-lost'),
    endpoint('tls', 'tls', [/openssl s_client -connect api\.rastup\.com:443 -servername api\.rastup\.com/]),
    endpoint('tls', 'tls', [], GONE),
    {
      ...endpoint('tls', 'tls', [], []),
      name: 'an expired certificate while the metrics are still of the time before',
      readings: [DOWN, NOT_READY, ...SERVED.map((one) => ({ ...one, samples: one.samples.slice(0, -3) }))],
    },
    endpoint('dns', 'dns', [/^dig \+short api\.rastup\.com$/]),
    endpoint('dns', 'dns', [], GONE),
    endpoint('redirect', 'redirect', [/^curl -sS -I -L -m 10 https/]),
    endpoint('network', 'timeout', [/describe-target-health/]),
    {
      ...endpoint('network', 'refused', []),
      name: 'we are refused while users are served',
      check: (diagnosis: Diagnosis) => {
        alone(diagnosis);
        expect(diagnosis.causes[0]!.evidence.map((line) => line.observed).join('\n')).toContain(
          'it may be our own look that fails',
        );
      },
    },
    case_({
      name: 'the check asks for an address that is not there any more',
      answers: { 'service.health': health(LIVE, answers('/ready', 404)) },
      first: { cause: 'health-check-itself', on: 'api' },
      commands: [/^curl -v -m 10 https:\/\/api\.rastup\.com\/ready$/, /describe-target-health/],
    }),
    case_({
      name: 'somebody put a login before it',
      readings: [DOWN, NOT_READY, ...SERVED, ...CPU_IDLE],
      answers: { 'service.health': health(answers('/health', 401), answers('/ready', 401)) },
      first: { cause: 'health-check-itself' },
    }),
    {
      ...case_({
        name: 'it says no without a reason, and all is served',
        answers: {},
        first: { cause: 'health-check-itself' },
      }),
      atLeast: 0.7,
    },
    case_({
      name: 'the new version answers with 500',
      readings: [DOWN, NOT_READY, ...FAILED, ...CPU_IDLE],
      answers: {
        ...NEW_VERSION,
        'service.health': health(answers('/health', 500), answers('/ready', 500)),
        'logs.errors': ABOUT.ours,
        'alb.targets': targets(6),
      },
      first: { cause: 'recent-deployment', on: 'api' },
      commands: [/deploy:rollback -- --service=api --to-version=api:511/],
    }),
    case_({
      name: 'ECS has taken the bad version back already',
      readings: [DOWN, NOT_READY, ...FAILED, ...CPU_IDLE],
      answers: {
        'service.health': health(answers('/health', 500), answers('/ready', 500)),
        'logs.errors': ABOUT.ours,
        'alb.targets': targets(3),
        'ecs.service': ecs({
          deployments: [deployment('api:511', NOW - MINUTE, { rollout: 'in_progress' })],
          rolledBack: {
            at: { earliest: NOW - 2 * MINUTE, latest: NOW - MINUTE },
            from: 'api:512',
            to: 'api:511',
            reason: 'ECS deployment circuit breaker: tasks failed to start.',
          },
        }),
        changes: { changes: [change('api:512', DEPLOYED)] },
      },
      first: { cause: 'recent-deployment', variant: 'rolled-back' },
    }),
    case_({
      name: 'two true causes: the database and the cache are both away',
      readings: [UP, NOT_READY, ...FAILED, ...CPU_IDLE],
      answers: {
        'service.health': notReady(bad('database'), bad('redis')),
        'postgres.reachability': reach('tcp_timeout', 'tcp', { elapsedMs: 5000 }),
      },
      first: { cause: 'database-unreachable', variant: 'network' },
      check: (diagnosis) => {
        expect(confidenceOf(diagnosis, 'database-unreachable', 'network')).toBeGreaterThanOrEqual(0.5);
        expect(confidenceOf(diagnosis, 'cache-unreachable')).toBeGreaterThanOrEqual(0.5);
      },
    }),
    {
      name: 'nothing could be asked',
      readings: [UP, NOT_READY],
      answers: {},
      verdict: 'inconclusive',
      check: (diagnosis) => expect(diagnosis.gaps.length).toBeGreaterThan(0),
    },
  ],
});

test('a service without health endpoints is silent, one whose endpoints were never read is not known', () => {
  const { healthUrl: _live, readyUrl: _ready, ...slots } = API.slots;
  const without = { ...API, slots };
  expect(judge(detector, { name: '', readings: [] }, without)).toMatchObject({ state: 'judged', symptoms: [] });
  expect(judge(detector, { name: '', readings: [] }, API)).toMatchObject({ state: 'no_data' });
});

test('what failed is not well because it is not read any more', () => {
  const lost = { ...NOT_READY, freshness: 'absent' as const };
  const judged = judge(detector, { name: '', readings: [UP, lost], active: [''] }, API);
  expect(judged).toMatchObject({ state: 'judged', symptoms: [], unjudged: [''] });
});

test('the onset is between the last good poll and the first bad one', () => {
  const judged = judge(detector, { name: '', readings: [UP, NOT_READY] }, API);
  expect(judged.state === 'judged' && judged.symptoms[0]!.onset).toEqual({ earliest: NOW - 3 * MINUTE, latest: ONSET });
});
