/**
 * What the sources say of a service, its database and its vendors: all well, and each of the troubles that detectors of
 * services share. Data for the tests of detectors.
 */

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
  StatementDelta,
  StatementsAnswer,
  TableState,
  Target,
  TrackedErrorsAnswer,
  VendorStatusAnswer,
} from 'runbookd/sdk';
import { type CaseAnswers, NOW, reading } from 'runbookd/testing';
import { expect } from 'vitest';

export const MINUTE = 60_000;
/** Metrics are two minutes behind. */
export const ENDS = NOW - 2 * MINUTE;
/** The trouble began three samples ago. */
export const ONSET = ENDS - 2 * MINUTE;

export const service = (name: string, dependsOn: readonly string[] = ['main-db', 'stripe']): Target => ({
  name,
  kind: 'service',
  dependsOn,
  slots: {
    service: name,
    region: 'us-east-1',
    cluster: 'rastup-prod',
    ecsService: `${name}-service`,
    logGroup: `/aws/ecs/rastup-prod/${name}-service`,
  },
});
export const DB: Target = {
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
export const vendor = (name: string, host: string): Target => ({
  name,
  kind: 'dependency',
  dependsOn: [],
  hosts: [host],
  slots: {
    dependency: name,
    flag: `${name}_enabled`,
    cacheFlag: `${name}_api_cache_enabled`,
    timeoutKey: `${name}.timeout_ms`,
    statusUrl: `https://status.${name}.com/api/v2/status.json`,
  },
});
export const STRIPE: Target = vendor('stripe', 'api.stripe.com');
export const TWILIO: Target = vendor('twilio', 'api.twilio.com');

// --- metrics --------------------------------------------------------------------------------------------------------

export interface Counts {
  readonly target?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly unit?: Reading['unit'];
  /** Without a baseline: never seen before. */
  readonly fresh?: boolean;
  readonly upper?: number;
}

/** By the minute: an hour of `before`, then `after`. */
export function counts(signal: string, before: number, after: readonly number[], options: Counts = {}): Reading {
  const { target = 'api', labels = {}, unit = 'count', fresh = false } = options;
  const values = fresh ? after : [...Array.from({ length: 60 - after.length }, () => before), ...after];
  const upper = options.upper ?? Math.max(before * 1.3, unit === 'count' ? 1 : 0);
  return reading(signal, values, {
    target,
    periodSeconds: 60,
    endsAt: ENDS,
    labels,
    unit,
    ...(fresh ? {} : { band: { expected: before, lower: before * 0.7, upper, mean: before } }),
  });
}

export const toHost = (signal: string, host: string, before: number, after: number, target = 'api'): Reading =>
  counts(signal, before, [after, after, after], { target, labels: { host } });

export const hostLatency = (host: string, before: number, after: number, target = 'api'): Reading =>
  counts('dependency_latency_p95', before, [after, after, after], { target, labels: { host }, unit: 's' });

export const vendorCallsFail = (target = 'api'): readonly Reading[] => [
  toHost('dependency_requests', 'api.stripe.com', 300, 300, target),
  toHost('dependency_errors', 'api.stripe.com', 1, 280, target),
  toHost('dependency_requests', 'api.twilio.com', 120, 118, target),
  toHost('dependency_errors', 'api.twilio.com', 0, 0, target),
];

// --- its tasks and messages -----------------------------------------------------------------------------------------

export const TASKS = ['0a1b2c3d4e5f60718293a4b5c6d7e8f0', '1b', '2c', '3d', '4e', '5f'].map((id) => id.padEnd(32, '0'));
const ZONES = ['us-east-1a', 'us-east-1b', 'us-east-1c'];
const task = (index: number, version: string): RunningTask => ({
  id: TASKS[index]!,
  version,
  status: 'RUNNING',
  health: 'healthy',
  zone: ZONES[index % 3]!,
  createdAt: NOW - 20 * MINUTE,
  startedAt: NOW - 20 * MINUTE,
  images: [],
});
const six = (name: string, revisions: readonly number[]): readonly RunningTask[] =>
  TASKS.map((_id, index) => task(index, `${name}:${revisions[index % revisions.length]!}`));

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

export const ecs = (name: string, over: Partial<EcsServiceAnswer> = {}): EcsServiceAnswer => ({
  at: NOW,
  cluster: 'rastup-prod',
  service: `${name}-service`,
  status: 'ACTIVE',
  desired: 6,
  running: 6,
  pending: 0,
  launchType: 'FARGATE',
  taskCpuUnits: 1024,
  taskMemoryMiB: 2048,
  version: `${name}:511`,
  controller: 'ecs',
  versions: [{ version: `${name}:510`, completedAt: null, servedFrom: null, servedUntil: null, failed: false }],
  deployments: [deployment(`${name}:511`, NOW - 26 * 60 * MINUTE)],
  rolledBack: null,
  circuitBreaker: { enabled: true, rollback: true },
  events: [],
  tasks: six(name, [511]),
  stopped: [],
  history: [],
  stopTimeoutSeconds: 30,
  ...over,
});

export const template = (
  text: string,
  kind: LogTemplate['kind'],
  count: number,
  over: Partial<LogTemplate> = {},
): LogTemplate => ({ template: text, kind, host: null, count, before: 0, firstAt: ONSET, lastAt: NOW, ...over });

export const logs = (
  templates: readonly LogTemplate[],
  byTask: Readonly<Record<string, number>> = {},
): LogErrorsAnswer => ({
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
export const even = (each: number): Readonly<Record<string, number>> =>
  Object.fromEntries(TASKS.map((id) => [id, each]));

export const TYPE_ERROR = template(
  "TypeError: Cannot read properties of undefined (reading '<*>') at CheckoutService.total",
  'exception',
  610,
);
export const STRIPE_TIMEOUT = template(
  'StripeConnectionError: request to https://api.stripe.com/<*> failed, reason: connect ETIMEDOUT <*>',
  'timeout',
  580,
  { host: 'api.stripe.com' },
);
const POOL_TIMEOUT = template(
  'Error: timeout exceeded when trying to connect: pool of <*> clients is exhausted',
  'pool-timeout',
  600,
);
const DATABASE_REFUSED = template('Error: connect ECONNREFUSED <*>:5432', 'database-refused', 600);
const LOCK_TIMEOUT = template('error: canceling statement due to lock timeout', 'database-error', 600);

// --- the vendor, the tracker ----------------------------------------------------------------------------------------

export const status = (indicator: VendorStatusAnswer['indicator'], description: string): VendorStatusAnswer => ({
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

export const tracked = (issues: TrackedErrorsAnswer['issues'] = []): TrackedErrorsAnswer => ({
  at: NOW,
  tracker: 'sentry',
  project: 'api',
  issues,
});

// --- the database ---------------------------------------------------------------------------------------------------

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

export const group = (app: string, state: string, count: number, longest = 5): SessionGroup => ({
  app,
  user: 'app',
  state,
  count,
  longestInStateSeconds: longest,
});
export type SessionPoint = Partial<SessionsAnswer['history'][number]> & { readonly minutesAgo: number };
export const sessions = (
  groups: readonly SessionGroup[],
  points: readonly SessionPoint[],
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

export const FREE_TREE: LockTreeAnswer = {
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
export const root = (state: string, command: string, relation = 'public.orders'): LockHolder => ({
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
  relation,
  blocksDirectly: 30,
  blocksInAll: 30,
});
export const tree = (over: Partial<LockTreeAnswer>): LockTreeAnswer => ({
  ...FREE_TREE,
  blockedSessions: 30,
  longestWaitSeconds: 260,
  blockedSince: { earliest: ONSET - 3 * MINUTE, latest: ONSET - 2 * MINUTE },
  history: [{ at: NOW, blocked: 30, root: 2134 }],
  ...over,
});
export const ALTER: LockTreeAnswer['waiters'][number] = {
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

export const DELTA: StatementDelta = {
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
const OTHERS = [0, 1, 2, 3, 4, 5].map((index) => ({
  ...DELTA,
  queryid: String(100 + index),
  text: `SELECT * FROM things_${index} WHERE id = $1`,
  share: 0.1,
}));
export const statements = (over: Partial<StatementsAnswer> = {}): StatementsAnswer => ({
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
export const suspect = (one: Partial<StatementDelta>, totalCalls = 60_000): StatementsAnswer =>
  statements({ totalMs: 360_000, totalCalls, top: [{ ...DELTA, share: 0.75, ...one }, ...OTHERS] });

export const TABLE: TableState = {
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
export const tables = (over: Partial<TableState> = {}) => ({ at: NOW, tables: [{ ...TABLE, ...over }] });
export const activity = (active: number, before: number, over: object = {}) => ({
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
  ...over,
});

// --- all of it ------------------------------------------------------------------------------------------------------

/** All is well but for the symptom: what each case changes is its cause. */
export const calm = (name = 'api') =>
  ({
    'ecs.service': ecs(name),
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
    'postgres.tables': tables(),
    'postgres.activity': activity(3, 3),
    'postgres.reachability': reach('ok', 'ok'),
    'postgres.server': {
      role: 'primary' as const,
      versionNum: 180_004,
      startedAt: NOW - 1e9,
      timeline: 1,
      flavour: 'rds' as const,
      maxConnections: 100,
      usableConnections: 97,
      database: 'rastup',
    },
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
    'vendor.status': status('none', 'All Systems Operational'),
    'errors.tracked': tracked(),
    changes: { changes: [] },
  }) satisfies CaseAnswers;

export const change = (target: string, summary: string, at: number, over: Partial<Change> = {}): Change => ({
  id: `${target}-${summary}-${at}`,
  target,
  kind: 'setting',
  summary,
  at: { earliest: at, latest: at },
  source: 'told',
  ...over,
});

export const DEPLOYED = ONSET - 90_000;

/** A version that was brought out 90 s before, with its own new error on its own tasks. */
export function newVersion(name = 'api', message: LogTemplate | null = TYPE_ERROR) {
  const [next, previous] = [`${name}:512`, `${name}:511`];
  return {
    ...calm(name),
    'ecs.service': ecs(name, {
      version: next,
      controller: 'ecs',
      versions: [{ version: previous, completedAt: null, servedFrom: null, servedUntil: null, failed: false }],
      deployments: [
        deployment(next, DEPLOYED, { running: 3, rollout: 'in_progress' as never }),
        deployment(previous, NOW - 26 * 60 * MINUTE, { status: 'ACTIVE', running: 3 }),
      ],
      tasks: six(name, [512, 511]),
    }),
    'logs.errors':
      message === null ? logs([]) : logs([message], { [TASKS[0]!]: 210, [TASKS[2]!]: 190, [TASKS[4]!]: 210 }),
    changes: {
      changes: [
        change(name, `deployment of ${next} started`, DEPLOYED, {
          kind: 'deployment',
          source: 'ecs',
          deployment: { version: next, previous, state: 'started' },
        }),
      ],
    },
  } satisfies CaseAnswers;
}

/** The version was taken back by ECS already. */
export function rolledBack(name = 'api', message: LogTemplate | null = TYPE_ERROR) {
  return {
    ...calm(name),
    'ecs.service': ecs(name, {
      rolledBack: {
        at: { earliest: ONSET - 30_000, latest: ONSET },
        from: `${name}:512`,
        to: `${name}:511`,
        reason: 'deployment circuit breaker: tasks failed to start',
      },
    }),
    'logs.errors': message === null ? logs([]) : logs([message], even(100)),
  } satisfies CaseAnswers;
}

/** Nothing but the first looks likely. */
export const alone = ({ causes }: Diagnosis): void => {
  const others = causes.slice(1).filter((one) => one.confidence >= 0.3);
  expect(others.map((one) => `${one.cause} ${one.variant} on ${one.on} ${one.confidence}`)).toEqual([]);
};

export const confidenceOf = (diagnosis: Diagnosis, cause: string, variant: string | null = null): number =>
  Math.max(
    0,
    ...[...diagnosis.causes, ...diagnosis.ruledOut].flatMap((one) =>
      one.cause === cause && one.variant === variant ? one.confidence : [],
    ),
  );

export interface SharedCase {
  readonly name: string;
  readonly readings: readonly Reading[];
  readonly answers: CaseAnswers;
  readonly answersOf?: Readonly<Record<string, CaseAnswers>>;
  readonly first: { readonly cause: string; readonly variant: string; readonly on: string };
  readonly atLeast: number;
  readonly check: (diagnosis: Diagnosis) => void;
}

const NOT_READY = {
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

/** Slots, locks and the way to the database, each as the service feels it. */
export function databaseCases(readings: readonly Reading[], name = 'api'): readonly SharedCase[] {
  const CALM = calm(name);
  const of = (cause: string, variant: string, message: LogTemplate, answers: CaseAnswers): SharedCase => ({
    name: `the database: ${cause} ${variant}`,
    readings,
    answers: { ...CALM, 'logs.errors': logs([message], even(100)), ...answers },
    first: { cause, variant, on: 'main-db' },
    atLeast: 0.8,
    check: alone,
  });
  const pool = (variant: string, answers: CaseAnswers) => of('connection-pool', variant, POOL_TIMEOUT, answers);
  const locks = (variant: string, over: Partial<LockTreeAnswer>) =>
    of('lock-contention', variant, LOCK_TIMEOUT, { 'postgres.lock_tree': tree(over) });
  const way = (variant: string, answer: ReachabilityAnswer, rds = 'available') =>
    of('database-unreachable', variant, DATABASE_REFUSED, {
      'postgres.reachability': answer,
      'service.health': NOT_READY,
      'rds.instance': { ...CALM['rds.instance'], status: rds },
    });
  return [
    pool('leak', {
      'postgres.sessions': sessions(
        [group('billing-worker', 'idle', 84, 720), group('api', 'active', 3), group('api', 'idle', 7)],
        [
          { minutesAgo: 40, used: 20, byApp: { 'billing-worker': 12 } },
          { minutesAgo: 20, used: 55, byApp: { 'billing-worker': 47 } },
          { minutesAgo: 0, used: 94, byApp: { 'billing-worker': 84 } },
        ],
      ),
    }),
    pool('surge', {
      'postgres.sessions': sessions(
        [group('api', 'active', 82), group('api', 'idle', 10)],
        [
          { minutesAgo: 30, used: 24, active: 3 },
          { minutesAgo: 2, used: 26, active: 4 },
          { minutesAgo: 1, used: 90, active: 78 },
          { minutesAgo: 0, used: 92, active: 80 },
        ],
      ),
      'postgres.statements': statements({ totalCalls: 150_000 }),
      'postgres.activity': activity(80, 3),
    }),
    pool('idle-in-transaction', {
      'postgres.sessions': sessions(
        [group('checkout-worker', 'idle in transaction', 70, 300), group('api', 'active', 22)],
        [
          { minutesAgo: 20, used: 30, idleInTransaction: 1 },
          { minutesAgo: 0, used: 92, idleInTransaction: 70 },
        ],
      ),
    }),
    pool('limit-lowered', {
      'postgres.sessions': sessions(
        [group('api', 'idle', 14, 20), group('worker', 'idle', 12, 20), group('api', 'active', 10)],
        [
          { minutesAgo: 50, used: 36 },
          { minutesAgo: 0, used: 36 },
        ],
        { usable: 37, max: 40 },
      ),
      changes: { changes: [change('main-db', 'max_connections 100 → 40', ONSET - 5 * MINUTE)] },
    }),
    locks('idle-in-transaction', { roots: [root('idle in transaction', 'UPDATE')] }),
    locks('ddl-queue', { roots: [{ ...root('active', 'SELECT'), blocksDirectly: 1 }], waiters: [ALTER] }),
    locks('running-transaction', { roots: [root('active', 'UPDATE')] }),
    locks('prepared-transaction', {
      blockedByPrepared: 30,
      prepared: [{ gid: 'ledger-17', preparedSeconds: 400, owner: 'ledger', database: 'rastup' }],
      waiters: [{ ...ALTER, command: 'UPDATE', waitsForMode: 'ShareLock', blockedBy: [0] }],
    }),
    way('stopped', reach('refused', 'tcp'), 'stopped'),
    way('dns', reach('dns_failed', 'dns', { passed: {}, address: null })),
    way('network', reach('tcp_timeout', 'tcp', { elapsedMs: 5000 })),
    way('tls', reach('tls_certificate', 'tls')),
    way('authentication', reach('authentication_failed', 'authentication', { sqlstate: '28P01' })),
    way('missing-database', reach('no_such_database', 'startup', { sqlstate: '3D000' })),
    way('starting-up', reach('starting_up', 'startup', { sqlstate: '57P03' }), 'rebooting'),
    way('too-many-connections', reach('too_many_connections', 'startup', { sqlstate: '53300', lastUsed: 95 })),
    way('hung', reach('hung', 'startup', { elapsedMs: 5000 })),
  ];
}

/** Statements that take the database's time, seen at an operation that is slow. */
export function statementCases(readings: readonly Reading[], name = 'api'): readonly SharedCase[] {
  const CALM = calm(name);
  const apm = {
    at: NOW,
    apm: 'datadog' as const,
    service: name,
    p95Seconds: 2,
    meanSeconds: 1,
    shares: { database: 0.82, http: 0.03, cache: null },
    before: { database: 0.3, http: 0.1, cache: null },
  };
  const busy = activity(9, 6);
  const of = (variant: string, answers: CaseAnswers): SharedCase => ({
    name: `slow statements: ${variant}`,
    readings,
    answers: { ...CALM, 'apm.request_time': apm, 'postgres.activity': busy, ...answers },
    first: { cause: 'slow-query', variant, on: 'main-db' },
    atLeast: 0.8,
    check: alone,
  });
  return [
    of('plan-change', {
      'postgres.statements': suspect({ meanMs: 95, blocksPerCall: 8000 }),
      'postgres.tables': tables({
        lostIndexes: [
          {
            name: 'orders_customer_id_placed_at_idx',
            definition: 'CREATE INDEX orders_customer_id_placed_at_idx ON public.orders USING btree (customer_id)',
            seenAt: ONSET - 6 * MINUTE,
            lostBy: ONSET - 2 * MINUTE,
          },
        ],
      }),
    }),
    of('stale-statistics', {
      'postgres.statements': suspect({ meanMs: 95, blocksPerCall: 8000 }),
      'postgres.tables': tables({ modifiedSinceAnalyze: 1_400_000, lastAnalyzedAt: NOW - 9 * 86_400_000 }),
    }),
    of('new-query', {
      'postgres.statements': suspect({
        meanMs: 400,
        firstSeenAt: ONSET,
        before: { ...DELTA.before, basis: 'none', calls: 0, meanMs: 0, callsPerSecond: null },
      }),
    }),
    of('temp-spill', {
      'postgres.statements': suspect({
        meanMs: 400,
        blocksPerCall: 900,
        tempBlocksPerCall: 40_000,
        before: { ...DELTA.before, meanMs: 80, blocksPerCall: 890 },
      }),
      'postgres.activity': { ...busy, tempBytesPerSecond: 6e8, tempFilesPerSecond: 2 },
    }),
    {
      ...of('more-calls', {
        'postgres.statements': suspect({ callsPerSecond: 40, calls: 12_000 }, 240_000),
      }),
      // That all is called more often says little of why one operation is slow.
      atLeast: 0.5,
    },
  ];
}
