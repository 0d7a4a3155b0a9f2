import type {
  ActivityAnswer,
  Change,
  EcsServiceAnswer,
  LockTreeAnswer,
  LogErrorsAnswer,
  Reading,
  RunningTask,
  SessionGroup,
  SessionsAnswer,
  StatementDelta,
  StatementsAnswer,
  TableState,
  Target,
  VendorStatusAnswer,
} from 'runbookd/sdk';
import { type CaseAnswers, describeDetector, NOW, type ReadingOptions, reading, unknownAnswer } from 'runbookd/testing';
import { expect } from 'vitest';
import { detector } from './high-latency.ts';

const MINUTE = 60_000;
const API: Target = {
  name: 'api',
  kind: 'service',
  dependsOn: ['main-db', 'stripe', 'twilio'],
  slots: { service: 'api', ecsService: 'api-service', cluster: 'rastup-prod', region: 'us-east-1' },
};
const vendor = (name: string, host: string): Target => ({
  name,
  kind: 'dependency',
  dependsOn: [],
  hosts: [host],
  slots: {
    dependency: name,
    cacheFlag: `${name}_api_cache_enabled`,
    timeoutKey: `${name}.timeout_ms`,
    statusUrl: `https://status.${name}.com/api/v2/status.json`,
  },
});
const DEPENDENCIES: readonly Target[] = [
  {
    name: 'main-db',
    kind: 'database',
    dependsOn: [],
    slots: {
      psql: 'psql -h main-db.internal -U admin -d rastup',
      database: 'rastup',
      region: 'us-east-1',
      rdsInstance: 'rastup-prod',
    },
  },
  vendor('stripe', 'api.stripe.com'),
  vendor('twilio', 'api.twilio.com'),
];

// --- what the metrics say -------------------------------------------------------------------------------------------

interface Shape extends ReadingOptions {
  readonly polls?: number;
}

/** Forty minutes: as usual until the last values, beside a band around what is usual. */
function minutes(signal: string, usual: number, now: readonly number[] = [], { polls = 40, ...options }: Shape = {}) {
  const earlier = Array.from({ length: polls - now.length }, (_, index) => usual * (1 + 0.03 * Math.sin(index)));
  const band = { expected: usual, lower: usual * 0.85, upper: usual * 1.2 };
  return reading(signal, [...earlier, ...now], { target: 'api', periodSeconds: 60, band, ...options });
}

const seconds = { unit: 's' } as const;
const ratio = { unit: 'ratio' } as const;
const p95 = (now: readonly number[], options: Shape = {}) =>
  minutes('latency_p95', 0.21, now, { ...seconds, ...options });
const p50 = (now: readonly number[] = []) => minutes('latency_p50', 0.08, now, seconds);
const host = (name: string, usual: number, now: readonly number[] = []) =>
  minutes('dependency_latency_p95', usual, now, { ...seconds, labels: { host: name } });
const calls = (name: string, usual: number) => minutes('dependency_requests', usual, [], { labels: { host: name } });
const endpoint = (name: string, usual: number, now: readonly number[] = []) =>
  minutes('endpoint_latency_p95', usual, now, { ...seconds, labels: { endpoint: name } });
const zone = (signal: string, name: string, usual: number, now: readonly number[] = []) =>
  minutes(signal, usual, now, { labels: { zone: name } });
const rds = (signal: string, usual: number, now: readonly number[] = [], options: Shape = {}) =>
  minutes(signal, usual, now, { target: 'main-db', ...options });

const SLOW = [1.2, 2.4, 2.8, 2.7, 2.9];
const ALL_SLOW = [p95(SLOW), p50([0.2, 0.38, 0.41, 0.4, 0.4])];
const SUBSET_SLOW = [p95(SLOW), p50()];

const BASE: readonly Reading[] = [
  p95([]),
  p50(),
  minutes('latency_p99', 0.5, [], seconds),
  minutes('requests', 5400),
  minutes('errors', 10),
  minutes('cpu', 0.4, [], ratio),
  minutes('cpu_max', 0.45, [], ratio),
  minutes('memory', 0.6, [], ratio),
  host('api.stripe.com', 0.3),
  host('api.twilio.com', 0.25),
  host('typesense.rastup.com', 0.04),
  calls('api.stripe.com', 600),
  calls('api.twilio.com', 400),
  calls('typesense.rastup.com', 3000),
  minutes('db_time_seconds', 160, [], seconds),
  minutes('db_queries', 21_600),
  zone('zone_requests', 'us-east-1a', 2700),
  zone('zone_requests', 'us-east-1b', 2700),
  zone('zone_errors', 'us-east-1a', 5),
  zone('zone_errors', 'us-east-1b', 5),
  rds('rds_cpu', 0.35, [], ratio),
  rds('rds_queue_depth', 0.5),
];

const keyOf = (one: Reading): string => JSON.stringify([one.target, one.signal, Object.entries(one.labels)]);

/** A quiet world with these readings in place of its own. */
function world(...now: readonly Reading[]): readonly Reading[] {
  const changed = new Map(now.map((one) => [keyOf(one), one]));
  return [...BASE.filter((one) => !changed.has(keyOf(one))), ...now];
}

// --- what the services say ------------------------------------------------------------------------------------------

const id = (index: number): string => `${String(index).repeat(8)}0123456789abcdef01234567`;

const task = (index: number, over: Partial<RunningTask> = {}): RunningTask => ({
  id: id(index + 1),
  version: 'api:511',
  status: 'RUNNING',
  health: 'healthy',
  zone: `us-east-1${'ab'.charAt(index % 2)}`,
  createdAt: NOW - 3 * 86_400_000,
  startedAt: NOW - 3 * 86_400_000,
  images: [],
  ...over,
});
const six = (over: (index: number) => Partial<RunningTask> = () => ({})) =>
  [0, 1, 2, 3, 4, 5].map((index) => task(index, over(index)));

const PRIMARY: EcsServiceAnswer['deployments'][number] = {
  id: 'd1',
  status: 'PRIMARY',
  version: 'api:511',
  createdAt: NOW - 3 * 86_400_000,
  updatedAt: NOW - 3 * 86_400_000,
  desired: 6,
  pending: 0,
  running: 6,
  failed: 0,
  rollout: 'completed',
  rolloutReason: null,
};

const service = (over: Partial<EcsServiceAnswer> = {}): EcsServiceAnswer => ({
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
  deployments: [PRIMARY],
  rolledBack: null,
  circuitBreaker: { enabled: true, rollback: true },
  events: [],
  tasks: six(),
  stopped: [],
  history: [60, 30, 10, 0].map((ago) => ({ at: NOW - ago * MINUTE, desired: 6, running: 6, pending: 0 })),
  stopTimeoutSeconds: 30,
  ...over,
});

const newVersion = (minutesAgo: number): EcsServiceAnswer =>
  service({
    version: 'api:512',
    controller: 'ecs',
    versions: [{ version: 'api:511', completedAt: null, servedFrom: null, servedUntil: null, failed: false }],
    deployments: [{ ...PRIMARY, version: 'api:512', createdAt: NOW - minutesAgo * MINUTE, updatedAt: NOW }],
    tasks: six(() => ({ version: 'api:512', startedAt: NOW - (minutesAgo - 1) * MINUTE })),
  });

const deployed = (minutesAgo: number): Change => ({
  id: 'deployment-512',
  target: 'api',
  kind: 'deployment',
  summary: 'api:511 → api:512',
  at: { earliest: NOW - minutesAgo * MINUTE - 10_000, latest: NOW - minutesAgo * MINUTE },
  source: 'ecs',
  deployment: { version: 'api:512', previous: 'api:511', state: 'completed' },
});

const status = (name: string, over: Partial<VendorStatusAnswer> = {}): VendorStatusAnswer => ({
  at: NOW,
  page: `status.${name}.com`,
  indicator: 'none',
  description: 'All systems operational',
  incidents: [],
  components: [],
  ...over,
});
const incident = (name: string) =>
  status(name, {
    indicator: 'major',
    description: 'Partial outage',
    incidents: [
      { name: 'Elevated API latency', status: 'investigating', impact: 'major', startedAt: NOW - 5 * MINUTE },
    ],
  });

const QUIET_LOGS: LogErrorsAnswer = {
  from: NOW - 15 * MINUTE,
  to: NOW,
  logGroup: '/aws/ecs/rastup-prod/api-service',
  partial: false,
  count: 4,
  before: 8,
  beforeSeconds: 600,
  templates: [],
  byTask: {},
};

// --- what the database says -----------------------------------------------------------------------------------------

const DELTA: StatementDelta = {
  queryid: '7239487',
  database: 'rastup',
  user: 'app',
  text: 'SELECT id, status FROM orders WHERE customer_id = $1 ORDER BY placed_at DESC LIMIT 20',
  calls: 3000,
  totalMs: 9000,
  meanMs: 3,
  callsPerSecond: 10,
  share: 0.2,
  rowsPerCall: 20,
  blocksPerCall: 24,
  blocksReadPerCall: 1,
  tempBlocksPerCall: 0,
  before: {
    basis: 'baseline',
    calls: 18_000,
    meanMs: 3,
    callsPerSecond: 10,
    rowsPerCall: 20,
    blocksPerCall: 24,
    tempBlocksPerCall: 0,
  },
  firstSeenAt: null,
};
const steady = (index: number): StatementDelta => ({ ...DELTA, queryid: String(100 + index), share: 0.1 });
const OTHERS = [0, 1, 2, 3, 4, 5].map(steady);
const slowed = (one: StatementDelta): StatementDelta => ({ ...one, meanMs: 30, share: 0.12 });

const statements = (over: Partial<StatementsAnswer> = {}): StatementsAnswer => ({
  from: NOW - 300_000,
  to: NOW,
  totalMs: 90_000,
  totalCalls: 60_000,
  totalMsPerSecondBefore: 300,
  totalCallsPerSecondBefore: 200,
  top: [DELTA, ...OTHERS],
  evicted: 0,
  statsResetAt: null,
  ...over,
});
/** The first statement is another one than before; all together take 1,200 ms/s instead of 300. */
const suspect = (one: Partial<StatementDelta>, totalCalls = 60_000): StatementsAnswer =>
  statements({ totalMs: 360_000, totalCalls, top: [{ ...DELTA, share: 0.75, ...one }, ...OTHERS] });
const TABLE: TableState = {
  table: 'public.orders',
  liveRows: 2_000_000,
  bytes: 4e8,
  modifiedSinceAnalyze: 900,
  lastAnalyzedAt: NOW - 3_600_000,
  deadRows: 0,
  sequentialScansPerSecond: 0,
  indexScansPerSecond: 40,
  sequentialRowsPerScan: 0,
  indexes: ['orders_pkey'],
  lostIndexes: [],
  invalidIndexes: [],
};
const LOST = {
  name: 'orders_customer_id_placed_at_idx',
  definition: 'CREATE INDEX orders_customer_id_placed_at_idx ON public.orders USING btree (customer_id, placed_at)',
  seenAt: NOW - 10 * MINUTE,
  lostBy: NOW - 6 * MINUTE,
};
const tables = (over: Partial<TableState> = {}) => ({ at: NOW, tables: [{ ...TABLE, ...over }] });
const ACTIVITY: ActivityAnswer = {
  at: NOW,
  activeSessions: 4,
  waits: { CPU: 4 },
  activeBefore: 4,
  tempBytesPerSecond: 0,
  tempFilesPerSecond: 0,
  deadlocks: 0,
  transactionsPerSecond: 80,
  rollbackShare: 0,
  autovacuumWorkers: 0,
};
const BUSY: ActivityAnswer = { ...ACTIVITY, activeSessions: 9, activeBefore: 6, waits: { CPU: 9 } };
const NO_LOCKS: LockTreeAnswer = {
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

const VARIANTS = ['idle-in-transaction', 'ddl-queue', 'running-transaction', 'prepared-transaction'] as const;

function lockTree(variant: (typeof VARIANTS)[number]): LockTreeAnswer {
  const root = {
    pid: 2134,
    backendStart: '2026-11-23 13:58:02.114873+00',
    app: 'checkout-worker',
    user: 'app',
    state: variant === 'idle-in-transaction' ? 'idle in transaction' : 'active',
    inStateSeconds: 320,
    inTransactionSeconds: 330,
    command: variant === 'ddl-queue' ? 'ALTER TABLE' : 'UPDATE',
    query: null,
    heldMode: variant === 'ddl-queue' ? 'AccessExclusiveLock' : 'RowExclusiveLock',
    relation: 'public.orders',
    blocksDirectly: 14,
    blocksInAll: 14,
  };
  const prepared = variant === 'prepared-transaction';
  return {
    ...NO_LOCKS,
    blockedSessions: 14,
    roots: prepared ? [] : [root],
    prepared: prepared ? [{ gid: 'order-1', preparedSeconds: 400, owner: 'app', database: 'rastup' }] : [],
    blockedByPrepared: prepared ? 14 : 0,
    longestWaitSeconds: 300,
    blockedSince: { earliest: NOW - 360_000, latest: NOW - 330_000 },
    history: [{ at: NOW - 300_000, blocked: 14, root: prepared ? null : 2134 }],
  };
}

const group = (app: string, state: string, count: number, longest = 5): SessionGroup => ({
  app,
  user: 'app',
  state,
  count,
  longestInStateSeconds: longest,
});

interface Point {
  readonly ago: number;
  readonly used: number;
  readonly active?: number;
  readonly idleInTransaction?: number;
  readonly byApp?: Readonly<Record<string, number>>;
}

const sessions = (
  groups: readonly SessionGroup[],
  points: readonly Point[],
  over: Partial<SessionsAnswer> = {},
): SessionsAnswer => ({
  at: NOW,
  used: 92,
  usable: 97,
  max: 100,
  reserved: 3,
  groups,
  holders: [],
  history: points.map(({ ago, used, active = 3, idleInTransaction = 0, byApp = {} }) => ({
    at: NOW - ago * MINUTE,
    used,
    active,
    idle: 0,
    idleInTransaction,
    waitingForLock: 0,
    byApp,
  })),
  newSessionsPerSecond: 0.4,
  hidden: 0,
  ...over,
});
const FEW = sessions(
  [group('api', 'idle', 34), group('api', 'active', 4)],
  [
    { ago: 40, used: 40, byApp: { api: 38 } },
    { ago: 0, used: 40, byApp: { api: 38 } },
  ],
  { used: 40 },
);

const CALM: CaseAnswers = {
  'ecs.service': service(),
  'logs.errors': QUIET_LOGS,
  'alb.targets': {
    at: NOW,
    targetGroup: 'targetgroup/api/fedcba9876543210',
    targetGroupArn: 'arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/api/fedcba9876543210',
    targets: six().map((one) => ({
      id: one.id,
      zone: one.zone,
      state: 'healthy' as const,
      reason: null,
      description: null,
    })),
    healthy: 6,
    unhealthy: 0,
    healthCheck: 'GET /health on port 8080, expects 200',
    idleTimeoutSeconds: 60,
  },
  'vendor.status': status('stripe'),
  'postgres.statements': statements(),
  'postgres.tables': tables(),
  'postgres.activity': ACTIVITY,
  'postgres.lock_tree': NO_LOCKS,
  'postgres.sessions': FEW,
  'postgres.server': {
    role: 'primary',
    versionNum: 180_004,
    startedAt: NOW - 1e9,
    timeline: 1,
    flavour: 'rds',
    maxConnections: 100,
    usableConnections: 97,
    database: 'rastup',
  },
  changes: { changes: [] },
};

/** A request spends ten times as long in the database. */
const DATABASE_SLOW = minutes('db_time_seconds', 160, [500, 1400, 1600, 1500, 1600], seconds);
/** The changes of the database itself: none, whatever was deployed. */
const NO_CHANGES = { 'main-db': { changes: { changes: [] } } };

const slowQuery = (variant: string) => ({ cause: 'slow-query', variant, on: 'main-db' });

interface Shown {
  readonly causes: readonly { readonly cause: string; readonly confidence: number }[];
}
/** Nothing but the first, and what is true besides, looks likely. */
const others =
  (but: readonly string[] = []) =>
  ({ causes }: Shown) =>
    expect(causes.slice(1).filter(({ cause, confidence }) => confidence >= 0.3 && !but.includes(cause))).toEqual([]);

const confidenceOf = (
  diagnosis: Shown & { readonly ruledOut: readonly { readonly cause: string; readonly confidence: number }[] },
  cause: string,
): number =>
  Math.max(
    0,
    ...[...diagnosis.causes, ...diagnosis.ruledOut].flatMap((one) => (one.cause === cause ? one.confidence : [])),
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
  dependencies: DEPENDENCIES,
  silent: [
    { name: 'as ever', readings: world() },
    {
      name: 'a quarter more, but less than 25 ms',
      readings: world(minutes('latency_p95', 0.06, [0.08, 0.08, 0.08], seconds)),
    },
    { name: '25 ms more, but not a quarter', readings: world(p95([0.24, 0.25, 0.25, 0.25])) },
    { name: 'two slow periods of five', readings: world(p95([0.21, 0.9, 0.21, 0.9])) },
    { name: 'slow, and over', readings: world(p95([0.9, 0.9, 0.9, 0.21])) },
    { name: 'below the clearing limit', readings: world(p95([0.9, 0.9, 0.9, 0.22])), active: [''] },
  ],
  firing: [
    {
      name: 'all requests slower',
      readings: world(...ALL_SLOW),
      severity: 'critical',
      headline: /^p95 2\.9 s \(baseline 0\.21 s\)$/,
    },
    { name: 'three times the baseline, but under a second', readings: world(p95([0.7, 0.8, 0.8])), severity: 'error' },
    { name: 'a little slower', readings: world(p95([0.28, 0.28, 0.29])), severity: 'warning' },
    { name: 'only p95 is known', readings: [p95(SLOW)], severity: 'critical' },
    { name: 'above the clearing limit while it fires', readings: world(p95([0.9, 0.9, 0.26])), active: [''] },
  ],
  missing: [
    { name: 'no latency', readings: BASE.filter((one) => one.signal !== 'latency_p95') },
    { name: 'latency that ended', readings: [{ ...p95(SLOW), freshness: 'missing' }] },
    { name: 'too few requests to make a p95', readings: [p95(SLOW), minutes('requests', 100)] },
    { name: 'no baseline yet', readings: [reading('latency_p95', [2, 2, 2], { target: 'api', periodSeconds: 60 })] },
  ],
  causes: [
    {
      name: 'the summary says that all is slow, and where',
      readings: world(
        ...ALL_SLOW,
        minutes('latency_p99', 0.5, [3, 6, 6.1], seconds),
        endpoint('POST /checkout', 0.3, [2, 4, 4.1]),
        endpoint('GET /search', 0.2, []),
        endpoint('GET /models', 0.1, []),
        host('api.stripe.com', 0.3, [1, 1.8, 1.9]),
      ),
      answers: CALM,
      check: ({ symptom }) => {
        expect(symptom?.summary).toBe(
          'p95 of api is 2.9 s (baseline 0.21 s); p50 0.4 s (baseline 0.08 s): all requests are slower.',
        );
        expect(symptom?.breakdown).toEqual([
          'p95 by endpoint: POST /checkout 4.1 s (baseline 0.3 s); 2 of 3 endpoints as before',
          'p95 by host: api.stripe.com 1.9 s (baseline 0.3 s); 2 of 3 hosts as before',
          'p99 6.1 s (baseline 0.5 s)',
        ]);
      },
    },
    {
      name: 'the summary says that a part is slow, and the breakdown is left out where it says nothing',
      readings: world(...SUBSET_SLOW),
      answers: CALM,
      check: ({ symptom }) => {
        expect(symptom?.summary).toMatch(/; p50 0\.08\d? s as before: a part of the requests is slow\.$/);
        expect(symptom).not.toHaveProperty('breakdown');
      },
    },
    {
      name: 'a version that is slow',
      readings: world(...ALL_SLOW),
      answers: { ...CALM, 'ecs.service': newVersion(9), changes: { changes: [deployed(8)] } },
      answersOf: NO_CHANGES,
      first: { cause: 'recent-deployment', on: 'api' },
      atLeast: 0.8,
      commands: [/npm run deploy:rollback -- --service=api --to-version=api:511/],
      check: others(),
    },
    {
      name: 'a version that ECS has taken back',
      readings: world(...ALL_SLOW),
      answers: {
        ...CALM,
        'ecs.service': service({
          rolledBack: {
            at: { earliest: NOW - 2 * MINUTE, latest: NOW - 2 * MINUTE },
            from: 'api:512',
            to: 'api:511',
            reason: 'deployment circuit breaker: tasks failed to start',
          },
        }),
        changes: { changes: [deployed(8)] },
      },
      answersOf: NO_CHANGES,
      first: { cause: 'recent-deployment', variant: 'rolled-back', on: 'api' },
      atLeast: 0.8,
      check: others(),
    },
    {
      name: 'a deployment after it began is against it',
      readings: world(...ALL_SLOW, host('api.stripe.com', 0.3, [1, 2.2, 2.3, 2.2, 2.3])),
      answers: { ...CALM, 'ecs.service': newVersion(1), changes: { changes: [deployed(1)] } },
      answersOf: NO_CHANGES,
      first: { cause: 'external-service', variant: 'slow', on: 'stripe' },
      atLeast: 0.8,
      check: (diagnosis) => {
        others()(diagnosis);
        const ruledOut = diagnosis.ruledOut.find((one) => one.cause === 'recent-deployment' && one.variant === null);
        expect(ruledOut?.because).toMatch(/deployed only after/);
      },
    },
    {
      name: 'a lost index',
      readings: world(...ALL_SLOW, DATABASE_SLOW),
      answers: {
        ...CALM,
        'postgres.statements': suspect({ meanMs: 95, blocksPerCall: 8000 }),
        'postgres.tables': tables({ lostIndexes: [LOST] }),
        'postgres.activity': BUSY,
      },
      first: slowQuery('plan-change'),
      atLeast: 0.9,
      commands: [/indexrelid::regclass/, /explain \(generic_plan\)/],
      check: others(),
    },
    {
      name: 'the same seen by the service alone, when the statements are hidden, is no verdict',
      readings: world(...ALL_SLOW, DATABASE_SLOW),
      answers: {
        ...CALM,
        'postgres.statements': unknownAnswer('denied', 'pg_stat_statements is hidden', 'GRANT pg_monitor TO runbookd'),
        'postgres.tables': unknownAnswer('denied', 'pg_stat_statements is hidden'),
      },
      verdict: 'inconclusive',
    },
    {
      name: 'stale statistics',
      readings: world(...ALL_SLOW, DATABASE_SLOW),
      answers: {
        ...CALM,
        'postgres.statements': suspect({ meanMs: 95, blocksPerCall: 8000 }),
        'postgres.tables': tables({ modifiedSinceAnalyze: 1_400_000, lastAnalyzedAt: NOW - 9 * 86_400_000 }),
        'postgres.activity': BUSY,
      },
      first: slowQuery('stale-statistics'),
      atLeast: 0.85,
      commands: [/analyze public\.orders/],
      check: others(),
    },
    {
      name: 'a new statement that a deployment brought: both are true',
      readings: world(...ALL_SLOW, DATABASE_SLOW),
      answers: {
        ...CALM,
        'ecs.service': newVersion(8),
        changes: { changes: [deployed(7)] },
        'postgres.statements': suspect({
          meanMs: 400,
          firstSeenAt: NOW - 5 * MINUTE,
          before: { ...DELTA.before, basis: 'none', calls: 0, meanMs: 0, callsPerSecond: null },
        }),
        'postgres.activity': BUSY,
      },
      answersOf: NO_CHANGES,
      first: slowQuery('new-query'),
      atLeast: 0.85,
      check: (diagnosis) => {
        others(['recent-deployment'])(diagnosis);
        expect(confidenceOf(diagnosis, 'recent-deployment')).toBeGreaterThanOrEqual(0.5);
      },
    },
    {
      name: 'a statement that spills to disk',
      readings: world(...ALL_SLOW, DATABASE_SLOW),
      answers: {
        ...CALM,
        'postgres.statements': suspect({
          meanMs: 400,
          blocksPerCall: 900,
          tempBlocksPerCall: 40_000,
          before: { ...DELTA.before, meanMs: 80, blocksPerCall: 890 },
        }),
        'postgres.activity': { ...BUSY, tempBytesPerSecond: 6e8, tempFilesPerSecond: 2 },
      },
      first: slowQuery('temp-spill'),
      atLeast: 0.9,
      check: others(),
    },
    {
      name: 'another consumer of the database that calls more',
      readings: world(...ALL_SLOW),
      answers: {
        ...CALM,
        'postgres.statements': suspect({ callsPerSecond: 40, calls: 12_000 }, 240_000),
        'postgres.activity': BUSY,
      },
      first: slowQuery('more-calls'),
      atLeast: 0.5,
      check: others(),
    },
    {
      name: 'a loop around one query',
      readings: world(...ALL_SLOW, minutes('db_queries', 21_600, [100_000, 220_000, 220_000], {}), DATABASE_SLOW),
      answers: {
        ...CALM,
        'postgres.statements': suspect(
          {
            meanMs: 2.1,
            rowsPerCall: 1,
            blocksPerCall: 4,
            callsPerSecond: 400,
            calls: 120_000,
            before: { ...DELTA.before, meanMs: 2, rowsPerCall: 1, blocksPerCall: 4, callsPerSecond: 40 },
          },
          48_000 + 120_000,
        ),
        'postgres.activity': BUSY,
      },
      first: { cause: 'n-plus-one', on: 'main-db' },
      atLeast: 0.95,
      commands: [/npm run metrics:db-queries -- --window=15m --group-by=endpoint/],
      check: others(),
    },
    {
      name: 'a loop seen by the service alone',
      readings: world(
        ...ALL_SLOW,
        minutes('db_queries', 21_600, [220_000, 220_000, 220_000, 220_000, 220_000]),
        DATABASE_SLOW,
      ),
      answers: {
        ...CALM,
        'postgres.statements': unknownAnswer('unsupported', 'pg_stat_statements is not installed'),
        'postgres.tables': unknownAnswer('unsupported', 'pg_stat_statements is not installed'),
      },
      first: { cause: 'n-plus-one', on: 'main-db' },
      atLeast: 0.8,
    },
    {
      name: 'a database with too much to do',
      readings: world(
        ...ALL_SLOW,
        DATABASE_SLOW,
        rds('rds_cpu', 0.35, [0.9, 0.97, 0.98, 0.97, 0.98], ratio),
        rds('rds_queue_depth', 0.5, [9, 30, 31, 29, 33]),
      ),
      answers: {
        ...CALM,
        'postgres.statements': statements({ totalMs: 900_000, top: [DELTA, ...OTHERS].map(slowed) }),
        'postgres.activity': { ...ACTIVITY, activeSessions: 30, waits: { CPU: 12, IO: 18 } },
      },
      first: { cause: 'database-saturated', on: 'main-db' },
      atLeast: 0.95,
      check: others(),
    },
    {
      name: 'storage without burst credits',
      readings: world(
        ...ALL_SLOW,
        DATABASE_SLOW,
        rds('rds_burst_balance', 0.9, [0.02, 0, 0, 0, 0], ratio),
        rds('rds_queue_depth', 0.5, [9, 30, 31, 29, 33]),
      ),
      answers: {
        ...CALM,
        'postgres.statements': statements({ totalMs: 900_000, top: [DELTA, ...OTHERS].map(slowed) }),
        'postgres.activity': { ...ACTIVITY, activeSessions: 30, waits: { IO: 28, CPU: 2 } },
      },
      first: { cause: 'database-saturated', on: 'main-db' },
      atLeast: 0.95,
      check: (diagnosis) =>
        expect(diagnosis.causes[0]?.evidence.map((one) => one.observed)).toContain(
          "0 % of the storage's burst credits are left",
        ),
    },
    ...VARIANTS.map((variant) => ({
      name: `requests that wait for locks: ${variant}`,
      readings: world(...ALL_SLOW, DATABASE_SLOW),
      answers: {
        ...CALM,
        'postgres.lock_tree': lockTree(variant),
        'postgres.statements': suspect({ meanMs: 95 }),
        'postgres.activity': { ...ACTIVITY, activeSessions: 16, waits: { Lock: 14, CPU: 2 } },
      },
      first: { cause: 'lock-contention', variant, on: 'main-db' },
      atLeast: 0.85,
      check: others(),
    })),
    {
      name: 'no connection is left: one application keeps its sessions',
      readings: world(...ALL_SLOW),
      answers: {
        ...CALM,
        'postgres.sessions': sessions(
          [group('billing-worker', 'idle', 84, 720), group('api', 'active', 3), group('api', 'idle', 5)],
          [
            { ago: 40, used: 20, byApp: { 'billing-worker': 12 } },
            { ago: 20, used: 55, byApp: { 'billing-worker': 47 } },
            { ago: 0, used: 92, byApp: { 'billing-worker': 84 } },
          ],
        ),
      },
      first: { cause: 'connection-pool', variant: 'leak', on: 'main-db' },
      atLeast: 0.85,
      check: others(),
    },
    {
      name: 'no connection is left: more work than usual',
      readings: world(...ALL_SLOW),
      answers: {
        ...CALM,
        'postgres.sessions': sessions(
          [group('report-worker', 'active', 80), group('api', 'idle', 8)],
          [
            { ago: 30, used: 24 },
            { ago: 6, used: 26, active: 4 },
            { ago: 5, used: 90, active: 78 },
            { ago: 0, used: 92, active: 80 },
          ],
        ),
        'postgres.statements': statements({ totalCalls: 150_000 }),
        'postgres.activity': { ...ACTIVITY, activeSessions: 80, waits: { Timeout: 75, CPU: 5 } },
      },
      first: { cause: 'connection-pool', variant: 'surge', on: 'main-db' },
      atLeast: 0.85,
      check: others(),
    },
    {
      name: 'no connection is left: sessions idle in transaction',
      readings: world(...ALL_SLOW),
      answers: {
        ...CALM,
        'postgres.sessions': sessions(
          [group('api', 'idle in transaction', 70, 400), group('api', 'idle', 12), group('api', 'active', 4)],
          [
            { ago: 30, used: 30, byApp: { api: 28 } },
            { ago: 0, used: 92, idleInTransaction: 70, byApp: { api: 86 } },
          ],
        ),
      },
      first: { cause: 'connection-pool', variant: 'idle-in-transaction', on: 'main-db' },
      atLeast: 0.85,
      check: others(),
    },
    {
      name: 'no connection is left: the limit was lowered',
      readings: world(...ALL_SLOW),
      answers: {
        ...CALM,
        'postgres.sessions': sessions(
          [group('api', 'idle', 20), group('api', 'active', 4), group('billing', 'idle', 11)],
          [
            { ago: 50, used: 36, byApp: { api: 24 } },
            { ago: 25, used: 37, byApp: { api: 24 } },
            { ago: 0, used: 36, byApp: { api: 24 } },
          ],
          { used: 36, usable: 37, max: 40 },
        ),
      },
      answersOf: {
        'main-db': {
          changes: {
            changes: [
              {
                id: 'limit',
                target: 'main-db',
                kind: 'setting',
                summary: 'max_connections 100 → 40',
                at: { earliest: NOW - 12 * MINUTE, latest: NOW - 11 * MINUTE },
                source: 'main-db',
              },
            ],
          },
        },
      },
      first: { cause: 'connection-pool', variant: 'limit-lowered', on: 'main-db' },
      atLeast: 0.85,
      check: others(),
    },
    {
      name: 'a vendor that is slow, says so, and is called by enough requests',
      readings: world(...SUBSET_SLOW, host('api.stripe.com', 0.3, [1, 2.2, 2.4, 2.3, 2.3])),
      answers: CALM,
      answersOf: { stripe: { 'vendor.status': incident('stripe') } },
      first: { cause: 'external-service', variant: 'slow', on: 'stripe' },
      atLeast: 0.95,
      verdict: 'cause',
      commands: [
        /npm run flags:enable -- --flag=stripe_api_cache_enabled/,
        /npm run config:update -- --key=stripe\.timeout_ms --value=1500/,
        /npm run metrics:external-services -- --window=15m --metric=latency/,
      ],
      check: (diagnosis) => {
        others()(diagnosis);
        expect(diagnosis.causes[0]?.evidence[0]?.observed).toBe(
          'api.stripe.com takes 2.3 s (baseline 0.3 s); 2 of 2 other hosts are as before',
        );
      },
    },
    {
      name: 'a slow vendor and a version brought out before: the deployment does not lead',
      readings: world(...SUBSET_SLOW, host('api.stripe.com', 0.3, [1, 2.2, 2.4, 2.3, 2.3])),
      answers: { ...CALM, 'ecs.service': newVersion(12), changes: { changes: [deployed(11)] } },
      answersOf: { ...NO_CHANGES, stripe: { 'vendor.status': incident('stripe') } },
      first: { cause: 'external-service', variant: 'slow', on: 'stripe' },
      atLeast: 0.9,
      check: others(),
    },
    {
      name: 'an incident on a status page whose host is as fast as ever',
      readings: world(...ALL_SLOW),
      answers: CALM,
      answersOf: { stripe: { 'vendor.status': incident('stripe') } },
      check: (diagnosis) => expect(confidenceOf(diagnosis, 'external-service')).toBeLessThan(0.1),
    },
    {
      name: 'a vendor that is slow but hardly called',
      readings: world(...ALL_SLOW, host('api.twilio.com', 0.25, [2, 2.2, 2.4, 2.3, 2.3]), calls('api.twilio.com', 20)),
      answers: CALM,
      check: (diagnosis) => expect(confidenceOf(diagnosis, 'external-service')).toBeLessThan(0.5),
    },
    {
      name: 'a rush of visitors',
      readings: world(
        ...ALL_SLOW,
        minutes('requests', 5400, [8000, 11_000, 12_000, 11_800, 11_900]),
        minutes('cpu', 0.4, [0.7, 0.86, 0.88, 0.87, 0.88], ratio),
        minutes('cpu_max', 0.45, [0.75, 0.9, 0.92, 0.91, 0.92], ratio),
        minutes('db_time_seconds', 160, [240, 330, 360, 350, 360], seconds),
        minutes('db_queries', 21_600, [32_000, 44_000, 48_000, 47_200, 47_600]),
      ),
      answers: CALM,
      first: { cause: 'traffic-surge', on: 'api' },
      atLeast: 0.85,
      commands: [/aws ecs update-service .* --service api-service --desired-count 9$/],
      check: others(),
    },
    {
      name: 'requests that rose only afterwards are retries',
      readings: world(
        ...ALL_SLOW,
        minutes('requests', 5400, [9000, 9500, 9400]),
        host('api.stripe.com', 0.3, [1, 2.2, 2.4, 2.3, 2.3]),
      ),
      answers: CALM,
      first: { cause: 'external-service', variant: 'slow', on: 'stripe' },
      atLeast: 0.85,
      check: others(),
    },
    {
      name: 'tasks are killed over and over, and those that are left have no CPU',
      readings: world(
        ...ALL_SLOW,
        minutes('cpu', 0.4, [0.8, 0.95, 0.97, 0.96, 0.97], ratio),
        minutes('cpu_max', 0.45, [0.85, 0.98, 0.99, 0.98, 0.99], ratio),
      ),
      answers: { ...CALM, 'ecs.service': service({ running: 2, stopped: [10, 40, 70, 100].map(killed) }) },
      first: { cause: 'service-crashed', on: 'api' },
      atLeast: 0.9,
      check: others(),
    },
    {
      name: 'a new version whose requests cost twice the CPU',
      readings: world(
        ...ALL_SLOW,
        minutes('cpu', 0.4, [0.8, 0.95, 0.97, 0.96, 0.97], ratio),
        minutes('cpu_max', 0.45, [0.85, 0.98, 0.99, 0.98, 0.99], ratio),
      ),
      answers: { ...CALM, 'ecs.service': newVersion(8), changes: { changes: [deployed(8)] } },
      first: { cause: 'less-efficient-code', on: 'api' },
      atLeast: 0.9,
      commands: [/deploy:rollback -- --service=api --to-version=api:511/],
    },
    {
      name: 'CPU is used up, without more traffic or a new version',
      readings: world(
        ...ALL_SLOW,
        minutes('cpu', 0.4, [0.8, 0.95, 0.97, 0.96, 0.97], ratio),
        minutes('cpu_max', 0.45, [0.85, 0.98, 0.99, 0.98, 0.99], ratio),
      ),
      answers: CALM,
      first: { cause: 'service-saturated', variant: 'cpu', on: 'api' },
      atLeast: 0.8,
      commands: [
        /aws ecs update-service --region us-east-1 --cluster rastup-prod --service api-service --desired-count 10$/,
        /npm run metrics:infra -- --services=api --metrics=cpu,memory/,
      ],
      check: others(),
    },
    {
      name: 'half of the tasks are gone, and the others have no CPU left',
      readings: world(
        ...ALL_SLOW,
        minutes('cpu', 0.4, [0.8, 0.86, 0.87, 0.86, 0.87], ratio),
        minutes('cpu_max', 0.45, [0.85, 0.9, 0.9, 0.9, 0.9], ratio),
      ),
      answers: {
        ...CALM,
        'ecs.service': service({
          desired: 3,
          running: 3,
          tasks: six().slice(0, 3),
          history: [
            { at: NOW - 30 * MINUTE, desired: 6, running: 6, pending: 0 },
            { at: NOW - 8 * MINUTE, desired: 6, running: 6, pending: 0 },
            { at: NOW - 5 * MINUTE, desired: 3, running: 3, pending: 0 },
          ],
        }),
      },
      first: { cause: 'service-saturated', variant: 'cpu', on: 'api' },
      atLeast: 0.93,
      commands: [/--desired-count 5$/],
      check: others(),
    },
    {
      name: 'CPU that is always high is not why it is slow today',
      readings: world(...ALL_SLOW, minutes('cpu', 0.85, [], ratio), minutes('cpu_max', 0.9, [], ratio)),
      answers: CALM,
      check: (diagnosis) => expect(confidenceOf(diagnosis, 'service-saturated')).toBeLessThan(0.1),
    },
    {
      name: 'memory is used up',
      readings: world(...ALL_SLOW, minutes('memory', 0.6, [0.93, 0.96, 0.97, 0.96, 0.97], ratio)),
      answers: CALM,
      first: { cause: 'service-saturated', variant: 'memory', on: 'api' },
      atLeast: 0.8,
      check: others(),
    },
    {
      name: 'memory that grew steadily until nothing was left',
      readings: world(
        ...ALL_SLOW,
        reading(
          'memory',
          Array.from({ length: 40 }, (_, index) => 0.6 + 0.0095 * index),
          {
            ...ratio,
            target: 'api',
            periodSeconds: 60,
            band: { expected: 0.58, lower: 0.5, upper: 0.66 },
          },
        ),
      ),
      answers: CALM,
      first: { cause: 'memory-leak', on: 'api' },
      atLeast: 0.8,
      commands: [/--force-new-deployment/],
      check: others(),
    },
    {
      name: 'one task that is far busier than the others',
      readings: world(
        ...SUBSET_SLOW,
        minutes('cpu', 0.4, [0.42, 0.44, 0.43], ratio),
        minutes('cpu_max', 0.45, [0.9, 0.98, 0.99, 0.98, 0.99], ratio),
        ...[0.98, 0.31, 0.33, 0.32, 0.31, 0.3].map((value, index) =>
          reading('task_cpu', Array(10).fill(value), {
            ...ratio,
            target: 'api',
            periodSeconds: 60,
            labels: { task: id(index + 1) },
          }),
        ),
      ),
      answers: CALM,
      first: { cause: 'bad-task', variant: 'hot-task', on: 'api' },
      atLeast: 0.9,
      commands: [/aws ecs stop-task .* --task 111111110123456789abcdef01234567/],
      check: others(),
    },
    {
      name: 'tasks that have just been added and warm up',
      readings: world(p95([1.2, 1.9, 1.6, 1.1, 0.8, 0.6]), p50([0.1, 0.1, 0.1, 0.09, 0.09, 0.08])),
      answers: {
        ...CALM,
        'ecs.service': service({
          desired: 9,
          running: 9,
          tasks: [...six(), ...[6, 7, 8].map((index) => task(index, { startedAt: NOW - 6.5 * MINUTE }))],
          history: [
            { at: NOW - 30 * MINUTE, desired: 6, running: 6, pending: 0 },
            { at: NOW - 8 * MINUTE, desired: 9, running: 6, pending: 3 },
            { at: NOW - 5 * MINUTE, desired: 9, running: 9, pending: 0 },
          ],
        }),
      },
      first: { cause: 'cold-capacity', on: 'api' },
      atLeast: 0.85,
      commands: [/--attributes Key=slow_start\.duration_seconds,Value=60/],
      check: others(),
    },
    {
      name: 'tasks that autoscaling added only afterwards',
      readings: world(...ALL_SLOW),
      answers: {
        ...CALM,
        'ecs.service': service({
          desired: 9,
          running: 9,
          tasks: [...six(), ...[6, 7, 8].map((index) => task(index, { startedAt: NOW - MINUTE }))],
        }),
      },
      check: (diagnosis) => expect(confidenceOf(diagnosis, 'cold-capacity')).toBeLessThan(0.05),
    },
    {
      name: 'one availability zone, whose requests fail too',
      readings: world(
        ...SUBSET_SLOW,
        minutes('errors', 10, [150, 320, 330, 310, 340]),
        zone('zone_errors', 'us-east-1b', 5, [145, 315, 325, 305, 335]),
      ),
      answers: {
        ...CALM,
        'logs.errors': {
          ...QUIET_LOGS,
          count: 500,
          byTask: { [id(2)]: 170, [id(4)]: 160, [id(6)]: 165, [id(1)]: 2, [id(3)]: 2, [id(5)]: 1 },
        },
      },
      first: { cause: 'bad-zone', on: 'api' },
      atLeast: 0.9,
      check: others(),
    },
    {
      name: 'nothing could be seen',
      readings: [p95(SLOW)],
      answers: {
        series: unknownAnswer('no_data', 'api has no such signal'),
        'ecs.service': unknownAnswer('denied', 'ecs:DescribeServices is denied', 'ecs:DescribeServices'),
      },
      verdict: 'inconclusive',
      check: (diagnosis) => expect(diagnosis.causes.every((one) => one.confidence <= 0.25)).toBe(true),
    },
    {
      name: 'everything was seen, and nothing explains it',
      readings: world(...ALL_SLOW),
      answers: CALM,
      verdict: 'unclear',
      check: (diagnosis) => expect(diagnosis.causes.every((one) => one.confidence < 0.3)).toBe(true),
    },
  ],
});
