import type {
  Change,
  Diagnosis,
  EcsServiceAnswer,
  LockHolder,
  LockTreeAnswer,
  LogErrorsAnswer,
  LogTemplate,
  ReachabilityAnswer,
  ReachReason,
  ReachStep,
  Reading,
  RunningTask,
  SessionGroup,
  SessionsAnswer,
  Target,
  VendorStatusAnswer,
} from 'runbookd/sdk';
import { describeDetector, judge, NOW, reading, unknownAnswer } from 'runbookd/testing';
import { expect, test } from 'vitest';
import { detector } from './high-error-rate.ts';

const MINUTE = 60_000;
/** CloudWatch is two minutes behind; the errors began three samples ago. */
const ENDS = NOW - 2 * MINUTE;
const ONSET = ENDS - 2 * MINUTE;

const API: Target = {
  name: 'api',
  kind: 'service',
  dependsOn: ['main-db', 'stripe'],
  slots: {
    service: 'api',
    region: 'us-east-1',
    cluster: 'rastup-prod',
    ecsService: 'api-service',
    logGroup: '/aws/ecs/rastup-prod/api-service',
    rateLimitKey: 'rate_limit.requests_per_minute',
    rateLimit: '1000',
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

interface Options {
  readonly labels?: Readonly<Record<string, string>>;
  readonly mean?: number;
  readonly lower?: number;
}

/** A count by the minute: an hour of `before`, then `after`. */
const counts = (signal: string, before: number, after: readonly number[], options: Options = {}): Reading => {
  const mean = options.mean ?? before;
  return reading(signal, [...Array.from({ length: 57 }, () => before), ...after], {
    target: 'api',
    periodSeconds: 60,
    endsAt: ENDS,
    labels: options.labels ?? {},
    band: { expected: mean, lower: options.lower ?? mean * 0.7, upper: Math.max(mean * 1.3, 1), mean },
  });
};

const REQUESTS = counts('requests', 2100, [2100, 2080, 2120]);
const errors = (after: readonly number[]): Reading => counts('errors', 4, after);
const FIRING = [REQUESTS, errors([160, 240, 260])];
const LIMITED = [REQUESTS, errors([4, 4, 5]), counts('rate_limited', 2, [200, 320, 350])];

const endpoint = (name: string, status: string, before: number, after: number): Reading =>
  counts('endpoint_requests', before, [after, after, after], { labels: { endpoint: name, status } });
const zone = (signal: string, name: string, before: number, after: number): Reading =>
  counts(signal, before, [after, after, after], { labels: { zone: name } });
const toHost = (signal: string, host: string, before: number, after: number): Reading =>
  counts(signal, before, [after, after, after], { labels: { host } });

const VENDOR_CALLS_FAIL = [
  toHost('dependency_requests', 'api.stripe.com', 300, 300),
  toHost('dependency_errors', 'api.stripe.com', 1, 280),
  toHost('dependency_requests', 'api.twilio.com', 120, 118),
  toHost('dependency_errors', 'api.twilio.com', 0, 0),
];
const VENDOR_CALLS_FINE = [
  toHost('dependency_requests', 'api.stripe.com', 300, 300),
  toHost('dependency_errors', 'api.stripe.com', 1, 1),
];

const ids = ['0a1b2c3d4e5f60718293a4b5c6d7e8f0', '1b', '2c', '3d', '4e', '5f'].map((id) => id.padEnd(32, '0'));
const ZONES = ['us-east-1a', 'us-east-1b', 'us-east-1c'];
const task = (index: number, version: string): RunningTask => ({
  id: ids[index]!,
  version,
  status: 'RUNNING',
  health: 'healthy',
  zone: ZONES[index % 3]!,
  createdAt: NOW - 20 * MINUTE,
  startedAt: NOW - 20 * MINUTE,
  images: [],
});
const six = (versions: readonly string[]): readonly RunningTask[] =>
  ids.map((_id, index) => task(index, versions[index % versions.length]!));

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
  tasks: six(['api:511']),
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
const even = (each: number): Readonly<Record<string, number>> => Object.fromEntries(ids.map((id) => [id, each]));

const STRIPE_TIMEOUT = template(
  'StripeConnectionError: request to https://api.stripe.com/<*> failed, reason: connect ETIMEDOUT <*>',
  'timeout',
  580,
  { host: 'api.stripe.com' },
);
const TYPE_ERROR = template(
  "TypeError: Cannot read properties of undefined (reading '<*>') at CheckoutService.total",
  'exception',
  610,
);
const POOL_TIMEOUT = template(
  'Error: timeout exceeded when trying to connect: pool of <*> clients is exhausted',
  'pool-timeout',
  600,
);
const DATABASE_REFUSED = template('Error: connect ECONNREFUSED <*>:5432', 'database-refused', 600);
const LOCK_TIMEOUT = template('error: canceling statement due to lock timeout', 'database-error', 600);

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

const FREE_TREE: LockTreeAnswer = {
  at: NOW,
  blockedSessions: 0,
  clientSessions: 40,
  roots: [],
  prepared: [],
  blockedByPrepared: 0,
  waiters: [],
  longestWaitSeconds: 0,
  blockedSince: null,
  history: [],
};
const root = (state: string, command: string): LockHolder => ({
  pid: 2134,
  backendStart: '2026-11-23 13:58:02.114873+00',
  app: 'checkout-worker',
  user: 'checkout',
  state,
  inStateSeconds: 300,
  inTransactionSeconds: 300,
  command,
  query: null,
  heldMode: 'RowExclusiveLock',
  relation: 'public.orders',
  blocksDirectly: 30,
  blocksInAll: 30,
});
const tree = (over: Partial<LockTreeAnswer>): LockTreeAnswer => ({
  ...FREE_TREE,
  blockedSessions: 30,
  longestWaitSeconds: 260,
  blockedSince: { earliest: ONSET - 3 * MINUTE, latest: ONSET - 2 * MINUTE },
  history: [{ at: NOW, blocked: 30, root: 2134 }],
  ...over,
});
const ALTER: LockTreeAnswer['waiters'][number] = {
  pid: 2137,
  backendStart: '2026-11-23 14:00:00+00',
  app: 'migrate',
  command: 'ALTER TABLE',
  query: null,
  waitsForMode: 'AccessExclusiveLock',
  relation: 'public.orders',
  waitSeconds: 260,
  blockedBy: [2134],
  blocksInAll: 29,
};

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

const vendor = (indicator: VendorStatusAnswer['indicator'], description: string): VendorStatusAnswer => ({
  at: NOW,
  page: 'status.stripe.com',
  indicator,
  description,
  incidents:
    indicator === 'none'
      ? []
      : [{ name: 'Elevated API errors', status: 'investigating', impact: 'major', startedAt: NOW }],
  components: [],
});

/** All is well but for the errors: what each case changes is its cause. */
const CALM = {
  'ecs.service': ecs(),
  'alb.targets': {
    at: NOW,
    targetGroup: 'targetgroup/api/fedcba9876543210',
    targetGroupArn: 'arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/api/fedcba9876543210',
    targets: ids.map((id, index) => ({
      id,
      zone: ZONES[index % 3]!,
      state: 'healthy' as const,
      reason: null,
      description: null,
    })),
    healthy: 6,
    unhealthy: 0,
    healthCheck: 'GET /health on port 8080, expects 200',
    idleTimeoutSeconds: 60,
  },
  'logs.errors': logs([]),
  'postgres.sessions': sessions(
    [group('api', 'idle', 30, 20), group('api', 'active', 3)],
    [
      { minutesAgo: 50, byApp: { api: 33 } },
      { minutesAgo: 0, byApp: { api: 33 } },
    ],
  ),
  'postgres.lock_tree': FREE_TREE,
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
  'service.health': {
    at: NOW,
    live: null,
    ready: {
      endpoint: 'api.rastup.com/ready',
      status: 200,
      failure: null,
      milliseconds: 20,
      checks: [{ name: 'database', ok: true, detail: null }],
    },
    history: [],
  },
  'vendor.status': vendor('none', 'All Systems Operational'),
  changes: { changes: [] },
} as const;

const NOT_READY_DB = {
  at: NOW,
  live: null,
  ready: {
    endpoint: 'api.rastup.com/ready',
    status: 503,
    failure: null,
    milliseconds: 2_004,
    checks: [{ name: 'database', ok: false, detail: 'timeout after 2000 ms' }],
  },
  history: [],
};

const rest = (diagnosis: Diagnosis): number => Math.max(0, ...diagnosis.causes.slice(1).map((one) => one.confidence));
const alone = (diagnosis: Diagnosis): void => {
  const others = diagnosis.causes.slice(1).map((one) => `${one.cause} ${one.variant} ${one.confidence}`);
  expect(rest(diagnosis), others.join(', ')).toBeLessThan(0.3);
};
const confidenceOf = (diagnosis: Diagnosis, cause: string, variant: string | null = null): number =>
  [...diagnosis.causes, ...diagnosis.ruledOut].find((one) => one.cause === cause && one.variant === variant)!
    .confidence;

const DEPLOYED = ONSET - 90_000;
const NEW_VERSION = {
  ...CALM,
  'ecs.service': ecs({
    version: 'api:512',
    controller: 'ecs',
    versions: [{ version: 'api:511', completedAt: null, servedFrom: null, servedUntil: null, failed: false }],
    deployments: [
      deployment('api:512', DEPLOYED, { running: 3, rollout: 'in_progress' }),
      deployment('api:511', NOW - 26 * 60 * MINUTE, { status: 'ACTIVE', running: 3 }),
    ],
    tasks: six(['api:512', 'api:511']),
  }),
  'logs.errors': logs([TYPE_ERROR], { [ids[0]!]: 210, [ids[2]!]: 190, [ids[4]!]: 210 }),
  changes: { changes: [change('api:512', DEPLOYED)] },
};
const LEAK = sessions(
  [group('billing-worker', 'idle', 84, 720), group('api', 'active', 3), group('api', 'idle', 7)],
  [
    { minutesAgo: 40, used: 20, byApp: { 'billing-worker': 12 } },
    { minutesAgo: 20, used: 55, byApp: { 'billing-worker': 47 } },
    { minutesAgo: 0, used: 94, byApp: { 'billing-worker': 84 } },
  ],
);

/** A cause of the database, seen at the service. */
const ofDatabase = (
  name: string,
  first: { readonly cause: string; readonly variant: string },
  answers: object,
  message: LogTemplate,
  commands: readonly RegExp[] = [],
) => ({
  name,
  readings: FIRING,
  answers: { ...CALM, 'logs.errors': logs([message], even(100)), ...answers },
  first: { ...first, on: 'main-db' },
  atLeast: 0.8,
  verdict: 'cause' as const,
  commands,
  check: alone,
});
const unreachable = (variant: string, answer: ReachabilityAnswer, commands: readonly RegExp[], over: object = {}) =>
  ofDatabase(
    `database unreachable: ${variant}`,
    { cause: 'database-unreachable', variant },
    { 'postgres.reachability': answer, 'service.health': NOT_READY_DB, ...over },
    DATABASE_REFUSED,
    commands,
  );

const killed = (secondsAgo: number): EcsServiceAnswer['stopped'][number] => ({
  id: `${String(secondsAgo).padStart(4, '0')}`.padEnd(32, 'c'),
  version: 'api:511',
  kind: 'out-of-memory',
  stopCode: 'EssentialContainerExited',
  reason: 'Essential container in task exited',
  startedAt: NOW - (secondsAgo + 40) * 1000,
  stoppedAt: NOW - secondsAgo * 1000,
  containers: [{ name: 'app', exitCode: 137, reason: 'OutOfMemoryError: Container killed due to memory usage' }],
});

describeDetector(detector, {
  target: API,
  dependencies: [DB, STRIPE],
  silent: [
    { name: 'a quiet service', readings: [REQUESTS, errors([4, 5, 3])] },
    {
      name: 'half a point more is not enough when it is chance',
      readings: [counts('requests', 20, [20, 20, 20]), counts('errors', 0, [0, 1, 0], { mean: 0.04 })],
    },
    {
      name: 'errors of the load balancer are those of others while all is well here',
      readings: [
        REQUESTS,
        errors([4, 5, 3]),
        counts('elb_errors', 1, [300, 300, 300]),
        counts('healthy_hosts', 6, [6, 6, 6]),
      ],
    },
    {
      name: 'errors of the load balancer are those of others while a single period here is low',
      readings: [
        counts('requests', 3000, [3000, 3010, 2990, 3000, 2000]),
        counts('errors', 6, [6, 5, 6, 4, 5]),
        counts('elb_errors', 1, [300, 300, 300, 300, 300]),
      ],
    },
    {
      name: 'errors of the load balancer are those of others while fewer requests are missing here',
      readings: [
        counts('requests', 100, [60, 62, 58, 61, 60]),
        counts('errors', 0.1, [0, 0, 0, 0, 0]),
        counts('elb_errors', 1, [300, 300, 300, 300, 300]),
      ],
    },
    {
      name: 'they never count when so configured',
      readings: [
        REQUESTS,
        errors([4, 5, 3]),
        counts('elb_errors', 1, [300, 300, 300]),
        counts('healthy_hosts', 6, [0, 0, 0]),
      ],
      options: { elbErrors: 'never' },
    },
    { name: 'as many 429 as ever', readings: [REQUESTS, errors([4, 4, 4]), counts('rate_limited', 20, [22, 19, 20])] },
  ],
  firing: [
    {
      name: '5xx well above the baseline',
      readings: FIRING,
      severity: 'critical',
      headline: /^5xx \d.* % \(baseline 0\.2 %\)$/,
    },
    {
      name: 'a small but certain rise',
      readings: [REQUESTS, errors([40, 42, 44])],
      severity: 'error',
      headline: /^5xx 1\.3 %/,
    },
    {
      name: 'ten times the baseline and over 2 %',
      readings: [REQUESTS, errors([70, 75, 74])],
      severity: 'critical',
    },
    {
      name: 'errors of the load balancer while its targets are unhealthy',
      readings: [
        REQUESTS,
        errors([4, 5, 3]),
        counts('elb_errors', 1, [300, 300, 300]),
        counts('unhealthy_hosts', 0, [3, 3, 3]),
      ],
      severity: 'critical',
    },
    {
      name: 'errors of the load balancer that are as many as the requests that are missing here',
      readings: [
        counts('requests', 3000, [3000, 1900, 1850, 1900, 1950]),
        counts('errors', 6, [6, 5, 6, 4, 5]),
        counts('elb_errors', 1, [1, 1100, 1150, 1100, 1050]),
      ],
      severity: 'critical',
    },
    {
      name: 'errors of the load balancer when they always count',
      readings: [REQUESTS, errors([4, 5, 3]), counts('elb_errors', 1, [300, 300, 300])],
      options: { elbErrors: 'always' },
    },
    { name: '429 alone', readings: LIMITED, subject: '429', severity: 'error', headline: /^429 for \d.* of requests/ },
    {
      name: 'few 429, but more than ever',
      readings: [REQUESTS, errors([4, 4, 4]), counts('rate_limited', 2, [40, 40, 40])],
      subject: '429',
      severity: 'warning',
    },
  ],
  missing: [
    { name: 'no requests', readings: [errors([4, 4, 4])] },
    { name: 'no errors', readings: [REQUESTS] },
    { name: 'readings that ended', readings: FIRING.map((one) => ({ ...one, freshness: 'absent' as const })) },
    {
      name: 'a baseline that is not ready',
      readings: [
        reading('requests', [2100, 2100], { periodSeconds: 60 }),
        reading('errors', [200, 200], { periodSeconds: 60 }),
      ],
    },
  ],
  causes: [
    {
      name: 'a bug in the version that was brought out 90 s before',
      readings: FIRING,
      answers: NEW_VERSION,
      first: { cause: 'recent-deployment', on: 'api' },
      atLeast: 0.9,
      verdict: 'cause',
      commands: [
        /^npm run deploy:history -- --limit=5$/,
        /^npm run deploy:rollback -- --service=api --to-version=api:511$/,
      ],
      check: (diagnosis) => {
        alone(diagnosis);
        const [first] = diagnosis.causes;
        expect(first!.evidence.map((line) => line.observed)).toEqual(
          expect.arrayContaining([
            '610 of 610 error messages are on the 3 tasks of api:512, 0 on the 3 of api:511',
            expect.stringMatching(/^never seen before: TypeError: Cannot read properties of undefined/),
          ]),
        );
        const rollback = first!.mitigations.find((one) => one.id === 'rollback');
        expect(rollback).toMatchObject({
          alternative:
            'aws ecs update-service --region us-east-1 --cluster rastup-prod --service api-service --task-definition api:511',
        });
        expect(diagnosis.ruledOut.map((one) => one.because)).toEqual(
          expect.arrayContaining(['main-db answers us', '0 sessions blocked', '33 of 97 slots']),
        );
      },
    },
    {
      name: 'a deployment that is known from changes only',
      readings: FIRING,
      answers: {
        ...CALM,
        'ecs.service': unknownAnswer('denied', 'ecs:DescribeServices is denied', 'ecs:DescribeServices'),
        'logs.errors': unknownAnswer('not_configured', 'not configured', 'services.api.logs'),
        changes: { changes: [change('512', DEPLOYED, { source: 'ci' })] },
      },
      first: { cause: 'recent-deployment' },
      atLeast: 0.8,
      verdict: 'cause',
      check: (diagnosis) => {
        alone(diagnosis);
        expect(diagnosis.causes[0]!.evidence[0]!.headline).toBe('1 min 30 s after 512 was brought out');
        expect(diagnosis.causes[0]!.mitigations.find((one) => one.id === 'rollback')).toHaveProperty('withheld');
      },
    },
    {
      name: 'tasks are killed over and over, and the load balancer has nobody to ask',
      readings: FIRING,
      answers: { ...CALM, 'ecs.service': ecs({ running: 2, stopped: [10, 40, 70, 100].map(killed) }) },
      first: { cause: 'service-crashed', on: 'api' },
      atLeast: 0.9,
    },
    {
      name: 'ECS has taken the bad version back by itself',
      readings: FIRING,
      answers: {
        ...CALM,
        'ecs.service': ecs({
          version: 'api:511',
          deployments: [deployment('api:511', NOW - MINUTE, { rollout: 'in_progress' })],
          rolledBack: {
            at: { earliest: NOW - 2 * MINUTE, latest: NOW - MINUTE },
            from: 'api:512',
            to: 'api:511',
            reason: 'ECS deployment circuit breaker: tasks failed to start.',
          },
        }),
        'logs.errors': logs([TYPE_ERROR], even(100)),
        changes: {
          changes: [
            change('api:512', DEPLOYED),
            change('api:512', NOW - MINUTE, {
              summary: 'api:512 was rolled back to api:511',
              deployment: { version: 'api:512', previous: 'api:511', state: 'rolled_back' },
            }),
          ],
        },
      },
      first: { cause: 'recent-deployment', variant: 'rolled-back' },
      atLeast: 0.8,
      verdict: 'cause',
      check: (diagnosis) => {
        alone(diagnosis);
        const commands = diagnosis.causes[0]!.mitigations.flatMap((one) => ('command' in one ? [one.command] : []));
        expect(commands.join('\n')).not.toMatch(/rollback|update-service/);
      },
    },
    {
      name: 'somebody has brought the version before out again by hand',
      readings: FIRING,
      answers: {
        ...CALM,
        'ecs.service': ecs({ deployments: [deployment('api:511', NOW - MINUTE, { rollout: 'in_progress' })] }),
        'logs.errors': logs([TYPE_ERROR], even(100)),
        changes: {
          changes: [
            change('api:512', DEPLOYED),
            change('api:511', NOW - MINUTE, {
              deployment: { version: 'api:511', previous: 'api:512', state: 'started' },
            }),
          ],
        },
      },
      first: { cause: 'recent-deployment', variant: 'rolled-back' },
      atLeast: 0.8,
    },
    {
      name: 'the vendor is down',
      readings: [...FIRING, ...VENDOR_CALLS_FAIL],
      answers: {
        ...CALM,
        'logs.errors': logs([STRIPE_TIMEOUT], even(97)),
        'vendor.status': vendor('major', 'Partial System Outage'),
      },
      first: { cause: 'external-service', variant: 'down', on: 'stripe' },
      atLeast: 0.9,
      verdict: 'cause',
      commands: [
        /^curl -sS -m 10 https:\/\/status\.stripe\.com\/api\/v2\/status\.json$/,
        /^npm run flags:disable -- --flag=stripe_payments_enabled$/,
      ],
      check: (diagnosis) => {
        alone(diagnosis);
        expect(diagnosis.causes[0]!.evidence[0]).toMatchObject({
          observed: '93 % of 900 calls to api.stripe.com fail, 0.3 % before; 0 % of 354 calls to others',
          headline: '93 % of calls to api.stripe.com fail',
        });
      },
    },
    {
      name: 'the vendor is down and its page does not know it yet; a deployment came at the same minute',
      readings: [...FIRING, ...VENDOR_CALLS_FAIL],
      answers: {
        ...NEW_VERSION,
        'logs.errors': logs([STRIPE_TIMEOUT], even(97)),
      },
      first: { cause: 'external-service', variant: 'down' },
      atLeast: 0.9,
      check: alone,
    },
    {
      name: 'a status page alone proves nothing',
      readings: [...FIRING, ...VENDOR_CALLS_FINE],
      answers: { ...NEW_VERSION, 'vendor.status': vendor('major', 'Partial System Outage') },
      first: { cause: 'recent-deployment' },
      check: (diagnosis) => {
        alone(diagnosis);
        expect(confidenceOf(diagnosis, 'external-service', 'down')).toBeLessThan(0.05);
      },
    },
    ofDatabase(
      'a leak has all connection slots',
      { cause: 'connection-pool', variant: 'leak' },
      { 'postgres.sessions': LEAK },
      POOL_TIMEOUT,
      [/group by state, application_name/, /application_name = 'billing-worker' and state = 'idle'/],
    ),
    ofDatabase(
      'a rush has all connection slots',
      { cause: 'connection-pool', variant: 'surge' },
      {
        'postgres.sessions': sessions(
          [group('api', 'active', 82), group('api', 'idle', 10)],
          [
            { minutesAgo: 30, used: 24, active: 3 },
            { minutesAgo: 2, used: 26, active: 4 },
            { minutesAgo: 1, used: 90, active: 78 },
            { minutesAgo: 0, used: 92, active: 80 },
          ],
        ),
        'postgres.statements': statements({ totalCalls: 30_000 }),
        'postgres.activity': activity(80, 3),
      },
      POOL_TIMEOUT,
    ),
    ofDatabase(
      'sessions idle in transaction have all connection slots',
      { cause: 'connection-pool', variant: 'idle-in-transaction' },
      {
        'postgres.sessions': sessions(
          [group('checkout-worker', 'idle in transaction', 70, 300), group('api', 'active', 22)],
          [
            { minutesAgo: 20, used: 30, idleInTransaction: 1 },
            { minutesAgo: 0, used: 92, idleInTransaction: 70 },
          ],
        ),
      },
      POOL_TIMEOUT,
    ),
    ofDatabase(
      'the limit of connections was lowered',
      { cause: 'connection-pool', variant: 'limit-lowered' },
      {
        'postgres.sessions': sessions(
          [group('api', 'idle', 14, 20), group('worker', 'idle', 12, 20), group('api', 'active', 10)],
          [
            { minutesAgo: 50, used: 36 },
            { minutesAgo: 0, used: 36 },
          ],
          { usable: 37, max: 40 },
        ),
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
      POOL_TIMEOUT,
    ),
    ofDatabase(
      'an idle session holds the lock that everybody waits for',
      { cause: 'lock-contention', variant: 'idle-in-transaction' },
      { 'postgres.lock_tree': tree({ roots: [root('idle in transaction', 'UPDATE')] }) },
      LOCK_TIMEOUT,
      [/pg_terminate_backend/],
    ),
    ofDatabase(
      'a migration queues everybody',
      { cause: 'lock-contention', variant: 'ddl-queue' },
      { 'postgres.lock_tree': tree({ roots: [{ ...root('active', 'SELECT'), blocksDirectly: 1 }], waiters: [ALTER] }) },
      LOCK_TIMEOUT,
    ),
    ofDatabase(
      'a long transaction holds the lock',
      { cause: 'lock-contention', variant: 'running-transaction' },
      { 'postgres.lock_tree': tree({ roots: [root('active', 'UPDATE')] }) },
      LOCK_TIMEOUT,
    ),
    ofDatabase(
      'a prepared transaction that nobody finished holds the lock',
      { cause: 'lock-contention', variant: 'prepared-transaction' },
      {
        'postgres.lock_tree': tree({
          blockedByPrepared: 30,
          prepared: [{ gid: 'ledger-17', preparedSeconds: 400, owner: 'ledger', database: 'rastup' }],
          waiters: [{ ...ALTER, command: 'UPDATE', waitsForMode: 'ShareLock', blockedBy: [0] }],
        }),
      },
      LOCK_TIMEOUT,
    ),
    unreachable(
      'stopped',
      reach('refused', 'tcp', { message: 'connect ECONNREFUSED 10.0.3.7:5432' }),
      [/start-db-instance/],
      {
        'rds.instance': { ...CALM['rds.instance'], status: 'stopped' },
      },
    ),
    unreachable('dns', reach('dns_failed', 'dns', { passed: {}, address: null }), [/dig \+short/]),
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
    {
      name: "the service's rule of the security group is gone, while we still get in",
      readings: FIRING,
      answers: {
        ...CALM,
        'logs.errors': logs([template('Error: connect ETIMEDOUT <*>:5432', 'database-timeout', 600)], even(100)),
        'service.health': NOT_READY_DB,
        'rds.network': {
          ...CALM['rds.network'],
          lost: [
            {
              group: 'sg-0db0db0db0db0db00',
              source: 'sg-0c0ffee0c0ffee0c0',
              seenAt: ONSET - 2 * MINUTE,
              lostBy: ONSET - MINUTE,
            },
          ],
        },
      },
      first: { cause: 'database-unreachable', variant: 'network', on: 'main-db' },
      atLeast: 0.8,
      commands: [/describe-security-groups --group-ids sg-0db0db0db0db0db00/],
      check: alone,
    },
    {
      name: 'our own limit turns users away',
      readings: [...LIMITED, ...VENDOR_CALLS_FINE],
      answers: CALM,
      first: { cause: 'rate-limited', variant: 'ours', on: 'api' },
      atLeast: 0.8,
      verdict: 'cause',
      commands: [
        /^npm run metrics:rate-limits -- --window=15m$/,
        /^npm run config:update -- --key=rate_limit\.requests_per_minute --value=1500$/,
      ],
      check: alone,
    },
    {
      name: 'the vendor limits us',
      readings: [...FIRING, ...VENDOR_CALLS_FAIL],
      answers: {
        ...CALM,
        'logs.errors': logs(
          [
            template(
              'StripeRateLimitError: Too many requests (status 429) from https://api.stripe.com/<*>',
              'rate-limited',
              590,
              { host: 'api.stripe.com' },
            ),
          ],
          even(98),
        ),
      },
      first: { cause: 'rate-limited', variant: 'theirs', on: 'stripe' },
      atLeast: 0.8,
      commands: [/flags:enable -- --flag=stripe_api_cache_enabled/],
      check: alone,
    },
    {
      name: 'one task fails all that it gets',
      readings: FIRING,
      answers: {
        ...CALM,
        'logs.errors': logs([template('Error: ENOSPC: no space left on device, write', 'exception', 600)], {
          ...even(2),
          [ids[0]!]: 590,
        }),
      },
      first: { cause: 'bad-task' },
      atLeast: 0.8,
      commands: [
        /^aws ecs stop-task --region us-east-1 --cluster rastup-prod --task 0a1b2c3d4e5f60718293a4b5c6d7e8f0 --reason /,
      ],
      check: alone,
    },
    {
      name: 'the first task of a new version is no bad task',
      readings: FIRING,
      answers: {
        ...NEW_VERSION,
        'ecs.service': {
          ...NEW_VERSION['ecs.service'],
          tasks: [task(0, 'api:512'), ...ids.slice(1).map((_id, index) => task(index + 1, 'api:511'))],
        },
        'logs.errors': logs([TYPE_ERROR], { [ids[0]!]: 600 }),
      },
      first: { cause: 'recent-deployment' },
      atLeast: 0.9,
      check: alone,
    },
    {
      name: 'one zone fails',
      readings: [
        ...FIRING,
        zone('zone_requests', 'us-east-1a', 700, 700),
        zone('zone_requests', 'us-east-1b', 700, 700),
        zone('zone_requests', 'us-east-1c', 700, 700),
        zone('zone_errors', 'us-east-1a', 1, 2),
        zone('zone_errors', 'us-east-1b', 1, 215),
        zone('zone_errors', 'us-east-1c', 2, 3),
      ],
      answers: { ...CALM, 'logs.errors': logs([TYPE_ERROR], { [ids[1]!]: 300, [ids[4]!]: 290, [ids[0]!]: 4 }) },
      first: { cause: 'bad-zone' },
      atLeast: 0.8,
      commands: [/describe-target-health .* --target-group-arn arn:aws:elasticloadbalancing/],
      check: alone,
    },
    {
      name: 'one endpoint fails and nothing else is known',
      readings: [
        ...FIRING,
        endpoint('POST /checkout', '200', 240, 20),
        endpoint('POST /checkout', '500', 1, 215),
        endpoint('GET /models', '200', 1800, 1790),
        endpoint('GET /models', '500', 2, 3),
      ],
      answers: { ...CALM, 'logs.errors': logs([{ ...TYPE_ERROR, before: 2 }], even(101)) },
      first: { cause: 'bad-endpoint' },
      atLeast: 0.8,
      commands: [/metrics:errors/, /aws logs tail \/aws\/ecs\/rastup-prod\/api-service --region us-east-1/],
      check: (diagnosis) => {
        alone(diagnosis);
        expect(diagnosis.symptom!.breakdown).toEqual(['POST /checkout has 99 % of the errors and 12 % of the traffic']);
      },
    },
    {
      name: 'a bug of the new version on one endpoint is the version, not the endpoint',
      readings: [
        ...FIRING,
        endpoint('POST /checkout', '200', 240, 20),
        endpoint('POST /checkout', '500', 1, 215),
        endpoint('GET /models', '200', 1800, 1790),
      ],
      answers: NEW_VERSION,
      first: { cause: 'recent-deployment' },
      check: alone,
    },
    {
      name: 'a deployment three hours ago does not lead',
      readings: [...FIRING, ...VENDOR_CALLS_FAIL],
      answers: {
        ...CALM,
        'ecs.service': ecs({ deployments: [deployment('api:511', NOW - 180 * MINUTE)] }),
        'logs.errors': logs([STRIPE_TIMEOUT], even(97)),
      },
      first: { cause: 'external-service', variant: 'down' },
      check: alone,
    },
    {
      name: 'a deployment that came after the errors is not their cause',
      readings: FIRING,
      answers: { ...CALM, changes: { changes: [change('api:512', ONSET + 30_000)] } },
      verdict: 'unclear',
      check: (diagnosis) => {
        const found = diagnosis.ruledOut.find((one) => one.cause === 'recent-deployment' && one.variant === null);
        expect(found?.because).toMatch(/^deployed only after 14:01:30$/);
      },
    },
    {
      name: 'the tasks of the version before fail as often: it is not the deployment',
      readings: FIRING,
      answers: { ...NEW_VERSION, 'logs.errors': logs([TYPE_ERROR], even(100)) },
      check: (diagnosis) => expect(confidenceOf(diagnosis, 'recent-deployment')).toBeLessThan(0.3),
    },
    {
      name: 'a bad version and a vendor that is down: both are told',
      readings: [...FIRING, ...VENDOR_CALLS_FAIL],
      answers: {
        ...NEW_VERSION,
        'logs.errors': logs(
          [
            { ...TYPE_ERROR, count: 300 },
            { ...STRIPE_TIMEOUT, count: 250 },
          ],
          { [ids[0]!]: 190, [ids[2]!]: 180, [ids[4]!]: 170, [ids[1]!]: 5, [ids[3]!]: 5 },
        ),
        'vendor.status': vendor('major', 'Partial System Outage'),
      },
      check: (diagnosis) => {
        expect(confidenceOf(diagnosis, 'recent-deployment')).toBeGreaterThanOrEqual(0.5);
        expect(confidenceOf(diagnosis, 'external-service', 'down')).toBeGreaterThanOrEqual(0.5);
      },
    },
    {
      name: 'nothing can be seen',
      readings: FIRING,
      answers: {},
      verdict: 'inconclusive',
      check: (diagnosis) => expect(diagnosis.causes[0]!.confidence).toBeLessThan(0.5),
    },
    {
      name: 'all is well wherever one looks',
      readings: [...FIRING, ...VENDOR_CALLS_FINE],
      answers: { ...CALM, 'logs.errors': logs([{ ...TYPE_ERROR, count: 3, before: 5 }], {}) },
      check: (diagnosis) => expect(diagnosis.causes[0]!.confidence).toBeLessThan(0.5),
    },
  ],
});

test('the onset lies between the last good sample and the first bad one', () => {
  const judged = judge(detector, { name: '', readings: FIRING }, API);
  expect(judged).toMatchObject({ symptoms: [{ onset: { earliest: ONSET - MINUTE, latest: ONSET } }] });
});

test('what is lost of the 429 does not clear its finding', () => {
  const judged = judge(detector, { name: '', readings: [REQUESTS, errors([4, 4, 4])], active: ['429'] }, API);
  expect(judged).toMatchObject({ state: 'judged', symptoms: [], unjudged: ['429'] });
});

test('a rollback is seen to have worked when every task runs the version of before', () => {
  const { effect } = detector.mitigations['rollback']!;
  const facts = { now: NOW, target: API, on: API, onset: { earliest: ONSET, latest: ONSET }, options: {} };
  const slots = { previousVersion: 'api:511' };
  const judgeEcs = (answer: EcsServiceAnswer) => effect!.judge(answer, slots, facts);
  expect(judgeEcs(ecs({ version: 'api:512' })).state).toBe('not_applied');
  expect(judgeEcs(ecs({ tasks: six(['api:511', 'api:512']) }))).toEqual({
    state: 'partly',
    observed: 'api:511 runs on 3 of 6 tasks',
  });
  expect(judgeEcs(ecs()).state).toBe('worked');
});

test('a flag is seen to be off when the calls end', () => {
  const { effect } = detector.mitigations['disable-flag']!;
  const facts = { now: NOW, target: API, on: STRIPE, onset: { earliest: ONSET - MINUTE, latest: ONSET }, options: {} };
  const calls = (values: readonly number[]) => ({
    unit: 'count' as const,
    points: values.map((value, index) => ({
      labels: { host: 'api.stripe.com' },
      at: ENDS - (values.length - 1 - index) * MINUTE,
      value,
      expected: null,
      lower: null,
      upper: null,
    })),
  });
  expect(effect!.judge(calls([300, 300, 290, 300, 310]), {}, facts).state).toBe('not_applied');
  expect(effect!.judge(calls([300, 300, 290, 0, 0]), {}, facts)).toEqual({
    state: 'worked',
    observed: 'calls to stripe went from 300 to 0 a period',
  });
});
