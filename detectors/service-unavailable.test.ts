import type {
  Band,
  Change,
  Diagnosis,
  EcsCapacityAnswer,
  EcsEvent,
  EcsServiceAnswer,
  LogErrorsAnswer,
  LogTemplate,
  ReachabilityAnswer,
  ReachReason,
  ReachStep,
  Reading,
  RunningTask,
  StopKind,
  StoppedTask,
  Target,
} from 'runbookd/sdk';
import { describeDetector, judge, NOW, reading, unknownAnswer } from 'runbookd/testing';
import { expect, test } from 'vitest';
import { detector } from './service-unavailable.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** First poll that saw too few tasks. */
const ONSET = NOW - 3 * MINUTE;

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
    statusUrl: 'https://status.stripe.com/api/v2/status.json',
  },
};

const polls = (signal: string, values: readonly number[], over: Parameters<typeof reading>[2] = {}): Reading =>
  reading(signal, values, { target: 'api', periodSeconds: 60, ...over });
const tasks = (running: readonly number[], desired = 6): readonly Reading[] => [
  polls('running_tasks', running),
  polls(
    'desired_tasks',
    running.map(() => desired),
  ),
];
/** CloudWatch's, two minutes behind. */
const metric = (
  signal: string,
  values: readonly number[],
  expected?: number,
  over: Parameters<typeof reading>[2] = {},
) =>
  polls(signal, values, {
    endsAt: NOW - 2 * MINUTE,
    ...(expected === undefined
      ? {}
      : { band: { expected, lower: expected * 0.7, upper: Math.max(1, expected * 1.3) } }),
    ...over,
  });

/** What every day like this one has: level and spread. */
const bandOf = (expected: number, spread: number): Band => ({
  expected,
  lower: Math.max(0, expected - 3 * spread),
  upper: expected + 3 * spread,
  mean: expected,
  samples: 1440,
  ready: true,
  profile: 'hour_of_week',
});

/** A service of 2100 requests a minute that nobody asks any more. */
const silence = (seconds: number, perMinute = 2100): readonly Reading[] => [
  polls('requests_silent_seconds', [0, seconds / 2, seconds], { unit: 's' }),
  metric('requests', [perMinute, perMinute], perMinute, { endsAt: NOW - seconds * 1000, freshness: 'missing' }),
];

const DOWN = tasks([6, 6, 0, 0, 0, 0]);
const HALF_DOWN = [
  ...tasks([6, 6, 2, 2, 2, 2]),
  metric('requests', [2100, 2100, 2000], 2100),
  metric('healthy_hosts', [6, 6, 2]),
];
const NOT_READY = [
  ...tasks([6, 6, 6, 6, 6, 6]),
  polls('health_live', [1, 1, 1, 1, 1, 1], { unit: 'bool' }),
  polls('health_ready', [1, 1, 0, 0, 0, 0], { unit: 'bool' }),
  metric('requests', [2100, 2100, 2080], 2100),
  metric('healthy_hosts', [6, 6, 6]),
];
const STUCK = [
  ...tasks([6, 6, 6, 6]),
  polls('deployment_seconds', [2340, 2400, 2460, 2520], { unit: 's' }),
  polls('deployment_failed_tasks', [0, 0, 0, 0]),
  metric('requests', [2100, 2100, 2080], 2100),
];
const FAILING_DEPLOYMENT = [
  ...tasks([6, 6, 6, 6]),
  polls('deployment_seconds', [180, 240, 300, 360], { unit: 's' }),
  polls('deployment_failed_tasks', [1, 2, 4, 6]),
];
const SILENT = [...tasks([6, 6, 6]), metric('healthy_hosts', [6, 6, 6]), ...silence(900)];

const ids = ['a1', 'b2', 'c3', 'd4', 'e5', 'f6'].map((id) => id.repeat(16));
const running = (version: string, n = 6): readonly RunningTask[] =>
  ids.slice(0, n).map((id) => ({
    id,
    version,
    status: 'RUNNING',
    health: 'healthy',
    zone: 'us-east-1a',
    createdAt: NOW - 26 * HOUR,
    startedAt: NOW - 26 * HOUR,
    images: [],
  }));

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
  deployments: [deployment('api:511', NOW - 26 * HOUR)],
  rolledBack: null,
  circuitBreaker: { enabled: true, rollback: true },
  events: [],
  tasks: running('api:511'),
  stopped: [],
  history: [],
  stopTimeoutSeconds: 30,
  ...over,
});

interface Stop {
  readonly kind: StopKind;
  readonly stopCode: string;
  readonly reason: string;
  readonly exitCode?: number | null;
  readonly containerReason?: string | null;
  readonly ranSeconds?: number | null;
}

/** Seven tasks that stopped that way, newest first. */
const stops = (stop: Stop, version = 'api:511', n = 7): readonly StoppedTask[] =>
  Array.from({ length: n }, (_one, index) => {
    const stoppedAt = NOW - (index * 35 + 10) * 1000;
    return {
      id: `${String(index).repeat(8)}c0ffee00c0ffee00c0ffee00`,
      version,
      kind: stop.kind,
      stopCode: stop.stopCode,
      reason: stop.reason,
      startedAt: stop.ranSeconds === null ? null : stoppedAt - (stop.ranSeconds ?? 22) * 1000,
      stoppedAt,
      containers: [{ name: 'app', exitCode: stop.exitCode ?? null, reason: stop.containerReason ?? null }],
    };
  });

const OUT_OF_MEMORY: Stop = {
  kind: 'out-of-memory',
  stopCode: 'EssentialContainerExited',
  reason: 'Essential container in task exited',
  exitCode: 137,
  containerReason: 'OutOfMemoryError: Container killed due to memory usage',
};
const EXITED: Stop = {
  kind: 'essential-container-exited',
  stopCode: 'EssentialContainerExited',
  reason: 'Essential container in task exited',
  exitCode: 1,
};
const CRASHES: Readonly<Record<string, Stop>> = {
  'out-of-memory': OUT_OF_MEMORY,
  'essential-container-exited': EXITED,
  'health-check-failed': {
    kind: 'health-check-failed',
    stopCode: 'ServiceSchedulerInitiated',
    reason:
      'Task failed ELB health checks in (target-group arn:aws:elasticloadbalancing:us-east-1:<*>:targetgroup/api/<*>)',
    exitCode: 143,
    ranSeconds: 190,
  },
  'image-pull': {
    kind: 'image-pull',
    stopCode: 'TaskFailedToStart',
    reason:
      'CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref <*>.dkr.ecr.us-east-1.amazonaws.com/api:v512: not found',
    ranSeconds: null,
  },
  secrets: {
    kind: 'secrets',
    stopCode: 'TaskFailedToStart',
    reason:
      'ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secret from asm: AccessDeniedException',
    ranSeconds: null,
  },
  'start-failed': {
    kind: 'start-failed',
    stopCode: 'TaskFailedToStart',
    reason: 'CannotStartContainerError: failed to create container task: exec: "/app/start.sh": permission denied',
    ranSeconds: null,
  },
  'slow-shutdown': {
    kind: 'slow-shutdown',
    stopCode: 'ServiceSchedulerInitiated',
    reason: 'Scaling activity initiated by (deployment ecs-svc/<*>)',
    exitCode: 137,
    ranSeconds: 80_000,
  },
  'host-lost': {
    kind: 'spot',
    stopCode: 'SpotInterruption',
    reason: 'Your Spot Task was interrupted.',
    exitCode: 143,
    ranSeconds: 7_000,
  },
};

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
  before: 0,
  beforeSeconds: 600,
  templates,
  byTask,
});

const capacity = (over: Partial<EcsCapacityAnswer> = {}): EcsCapacityAnswer => ({
  at: NOW,
  cluster: 'rastup-prod',
  onInstances: true,
  instances: 4,
  draining: 0,
  disconnected: 0,
  largestFreeCpuUnits: 2048,
  largestFreeMemoryMiB: 4096,
  neededCpuUnits: 1024,
  neededMemoryMiB: 2048,
  fitting: 3,
  autoScalingGroup: { name: 'rastup-prod-cluster', desired: 4, maximum: 10, inService: 4, failures: [] },
  placementFailures: [],
  ...over,
});
const FARGATE = capacity({
  onInstances: false,
  instances: 0,
  largestFreeCpuUnits: null,
  largestFreeMemoryMiB: null,
  fitting: null,
  autoScalingGroup: null,
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

const ready = (checks: readonly { name: string; ok: boolean; detail: string | null }[]) => ({
  at: NOW,
  live: { endpoint: 'api.rastup.com/health', status: 200, failure: null, milliseconds: 12, checks: [] },
  ready: {
    endpoint: 'api.rastup.com/ready',
    status: checks.every((one) => one.ok) ? 200 : 503,
    failure: null,
    milliseconds: 2_010,
    checks,
  },
  history: [],
});
const DATABASE_DOWN = ready([
  { name: 'database', ok: false, detail: 'timeout after 2000 ms' },
  { name: 'redis', ok: true, detail: null },
]);

const TARGET_GROUP = 'arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/api/fedcba9876543210';
const targets = (healthy: number, over: { readonly reason: string; readonly description: string } | null = null) => ({
  at: NOW,
  targetGroup: 'targetgroup/api/fedcba9876543210',
  targetGroupArn: TARGET_GROUP,
  targets: ids.map((id, index) => ({
    id,
    zone: 'us-east-1a',
    state: index < healthy ? ('healthy' as const) : ('unhealthy' as const),
    reason: index < healthy ? null : (over?.reason ?? 'Target.Timeout'),
    description: index < healthy ? null : (over?.description ?? 'Request timed out'),
  })),
  healthy,
  unhealthy: 6 - healthy,
  healthCheck: 'GET /health on port 8080, expects 200',
  idleTimeoutSeconds: 60,
});

/** All is well but for the symptom: what each case changes is its cause. */
const CALM = {
  'ecs.service': ecs(),
  'ecs.capacity': FARGATE,
  'alb.targets': targets(6),
  'logs.errors': logs([]),
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
  'service.health': ready([{ name: 'database', ok: true, detail: null }]),
  'vendor.status': {
    at: NOW,
    page: 'status.stripe.com',
    indicator: 'none' as const,
    description: 'All Systems Operational',
    incidents: [],
    components: [],
  },
  changes: { changes: [] },
};
const GONE = ecs({
  running: 0,
  pending: 2,
  tasks: [],
  deployments: [deployment('api:511', NOW - 26 * HOUR, { running: 0 })],
});

const confidenceOf = (diagnosis: Diagnosis, cause: string, variant: string | null = null): number =>
  [...diagnosis.causes, ...diagnosis.ruledOut].find((one) => one.cause === cause && one.variant === variant)!
    .confidence;
const alone = (diagnosis: Diagnosis): void => {
  const others = diagnosis.causes.slice(1).map((one) => `${one.cause} ${one.variant} ${one.confidence}`);
  expect(Math.max(0, ...diagnosis.causes.slice(1).map((one) => one.confidence)), others.join(', ')).toBeLessThan(0.3);
};
const commandsOf = (diagnosis: Diagnosis): string =>
  diagnosis.causes[0]!.mitigations.flatMap((one) => ('command' in one ? [one.command] : [])).join('\n');

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

const crash = (variant: string, commands: readonly RegExp[], answers: object = {}) => ({
  name: `tasks stop: ${variant}`,
  readings: DOWN,
  answers: {
    ...CALM,
    'ecs.service': { ...GONE, stopped: stops(CRASHES[variant]!) },
    'alb.targets': targets(0),
    ...answers,
  },
  first: { cause: 'service-crashed', variant, on: 'api' },
  atLeast: 0.8,
  verdict: 'cause' as const,
  commands,
  check: alone,
});

const lacking = (
  variant: string,
  lacks: EcsCapacityAnswer['placementFailures'][number]['lacks'],
  message: string,
  answer: EcsCapacityAnswer,
  commands: readonly RegExp[],
) => ({
  name: `no room: ${variant}`,
  readings: HALF_DOWN,
  answers: {
    ...CALM,
    'ecs.service': ecs({
      running: 2,
      tasks: running('api:511', 2),
      launchType: variant === 'fargate' ? 'FARGATE' : 'EC2',
    }),
    'ecs.capacity': { ...answer, placementFailures: [{ at: NOW - MINUTE, lacks, message }] },
  },
  first: { cause: 'capacity-exhausted', variant, on: 'api' },
  atLeast: 0.8,
  verdict: 'cause' as const,
  commands,
  check: alone,
});
const placement = (what: string): string =>
  `(service api-service) was unable to place a task because no container instance met all of its requirements. The closest matching (container-instance <*>) ${what}. For more information, see the Troubleshooting section.`;

const unreachable = (variant: string, answer: ReachabilityAnswer, commands: readonly RegExp[], over: object = {}) => ({
  name: `database unreachable: ${variant}`,
  readings: NOT_READY,
  answers: {
    ...CALM,
    'postgres.reachability': answer,
    'service.health': DATABASE_DOWN,
    'logs.errors': logs([
      template("PrismaClientInitializationError: Can't reach database server at `<*>`:`5432`", 'database-refused', 340),
    ]),
    ...over,
  },
  first: { cause: 'database-unreachable', variant, on: 'main-db' },
  atLeast: 0.8,
  verdict: 'cause' as const,
  commands,
  check: alone,
});

/** Brought out just before its tasks began to fail. */
const NEW = {
  version: 'api:512',
  controller: 'ecs' as const,
  versions: [{ version: 'api:511', completedAt: null, servedFrom: null, servedUntil: null, failed: false }],
  deployments: [deployment('api:512', ONSET - 4 * MINUTE, { running: 0, failed: 7, rollout: 'in_progress' as const })],
};

describeDetector(detector, {
  target: API,
  dependencies: [DB, STRIPE],
  silent: [
    { name: 'all tasks run', readings: tasks([6, 6, 6]) },
    { name: 'more than half of them run', readings: tasks([6, 4, 4]) },
    { name: 'nobody wants a task', readings: tasks([6, 0, 0], 0) },
    { name: 'silence where no task is wanted', readings: [...tasks([0, 0, 0], 0), ...silence(7200)] },
    { name: 'it was down and is up again', readings: tasks([0, 0, 6]) },
    { name: 'two failed polls of the health endpoint', readings: [polls('health_live', [1, 1, 0, 0])] },
    {
      name: '503 of others behind the same load balancer',
      readings: [metric('elb_503', [0, 80, 90], 0), metric('requests', [2100, 2080, 2110], 2100)],
    },
    {
      name: '503 of others while a single period of its own is low',
      readings: [metric('elb_503', [0, 80, 90, 85, 80], 0), metric('requests', [2100, 2080, 2110, 2090, 1300], 2100)],
    },
    {
      name: 'thousands of 503 of others while a few requests of its own are missing',
      readings: [metric('elb_503', [0, 2000, 2100, 2000, 2000], 0), metric('requests', [40, 20, 21, 19, 22], 40)],
    },
    {
      name: 'a service that has gone quiet for the night, as every night',
      readings: [...tasks([6, 6, 6]), ...silence(8 * 3600).slice(0, 1)],
      expected: (signal, _labels, at) => {
        const hours = (at - (NOW - 8 * HOUR)) / HOUR;
        if (signal === 'requests') return bandOf(200, 30);
        // Silent for as long as the night has lasted, on average: none of it in the hour before.
        return bandOf(Math.max(0, hours) * 3600, 60);
      },
    },
    {
      name: 'a service with bursts a quarter of an hour apart',
      readings: [...tasks([6, 6, 6]), ...silence(840).slice(0, 1)],
      expected: (signal) => (signal === 'requests' ? bandOf(100, 10) : bandOf(420, 100)),
    },
    {
      name: 'silence of a service whose days are too different to say what was due',
      readings: [...tasks([6, 6, 6]), ...silence(900).slice(0, 1)],
      expected: (signal) => (signal === 'requests' ? bandOf(200, 80) : bandOf(0, 1)),
    },
    { name: 'five minutes of silence that nothing confirms', readings: [...tasks([6, 6, 6]), ...silence(400)] },
    { name: 'silence at night, when hardly any request is due', readings: [...tasks([6, 6, 6]), ...silence(900, 0.5)] },
    {
      name: 'silence as at this hour of every day',
      readings: [
        ...tasks([6, 6, 6]),
        polls('requests_silent_seconds', [700, 760, 820], {
          unit: 's',
          band: { expected: 800, lower: 0, upper: 3000 },
        }),
        ...silence(900).slice(1),
      ],
    },
    { name: 'a deployment of ten minutes', readings: [polls('deployment_seconds', [480, 540, 600])] },
    {
      name: 'a deployment whose failures have stopped',
      readings: [
        polls(
          'deployment_seconds',
          Array.from({ length: 15 }, (_, index) => 300 + index * 60),
        ),
        polls(
          'deployment_failed_tasks',
          Array.from({ length: 15 }, () => 4),
        ),
      ],
    },
    {
      name: 'metrics that ended, and nothing else is known',
      readings: [metric('elb_503', [0, 0, 0], 0), metric('requests', [2100], 2100, { freshness: 'absent' })],
    },
  ],
  firing: [
    { name: 'no task runs', readings: DOWN, severity: 'critical', headline: /^0 of 6 tasks run$/ },
    {
      name: 'fewer than half of the tasks, and they serve',
      readings: HALF_DOWN,
      severity: 'error',
      headline: /^2 of 6 tasks run$/,
    },
    {
      name: 'no healthy target',
      readings: [metric('healthy_hosts', [6, 0, 0])],
      severity: 'critical',
      headline: /^no healthy target$/,
    },
    {
      name: '503 while requests fall',
      readings: [metric('elb_503', [0, 400, 450, 450], 0), metric('requests', [2100, 900, 850, 800], 2100)],
      severity: 'error',
      headline: /^1,300 × 503 of the load balancer, requests 0\.4× the expected$/,
    },
    {
      name: '503 and no request comes through',
      readings: [
        metric('elb_503', [0, 2000, 2100, 2100], 0),
        metric('requests', [2100], 2100, { endsAt: NOW - 5 * MINUTE, freshness: 'missing' }),
      ],
      severity: 'critical',
    },
    {
      name: 'the health endpoint fails three times',
      readings: [polls('health_live', [1, 0, 0, 0])],
      severity: 'critical',
      headline: /^the health endpoint fails$/,
    },
    {
      name: 'not ready, but it serves',
      readings: NOT_READY,
      severity: 'error',
      headline: /^the readiness endpoint fails$/,
    },
    {
      name: 'silence that nothing else confirms, for long',
      readings: SILENT,
      severity: 'critical',
      headline: /^no traffic for 15 min$/,
    },
    {
      name: 'silence whose last request was hours ago',
      readings: [...tasks([6, 6, 6]), metric('healthy_hosts', [6, 6, 6]), ...silence(5 * 3600).slice(0, 1)],
      expected: (signal) => (signal === 'requests' ? bandOf(2100, 100) : bandOf(0, 1)),
      active: [''],
      severity: 'critical',
      headline: /^no traffic for 5 h$/,
    },
    {
      name: 'an outage of the day that lasts into a night that is always quiet',
      readings: [...tasks([6, 6, 6]), ...silence(8 * 3600).slice(0, 1)],
      expected: (signal, _labels, at) => {
        const isNight = at > NOW - 6 * HOUR;
        if (signal === 'requests') return bandOf(200, 10);
        return bandOf(isNight ? 4 * 3600 : 0, 60);
      },
      active: [''],
      severity: 'critical',
      headline: /^no traffic for 8 h$/,
    },
    {
      name: 'hours of silence of a service of few requests',
      readings: [...tasks([6, 6, 6]), ...silence(3 * 3600).slice(0, 1)],
      // Ten in an hour, one at a time: the last one was 5.5 min ago on average.
      expected: (signal) => (signal === 'requests' ? bandOf(1, 0.2) : bandOf(330, 300)),
      headline: /^no traffic for 3 h$/,
    },
    {
      name: 'no healthy target beside 503 and requests that still seem to come',
      readings: [
        metric('healthy_hosts', [6, 0, 0]),
        metric('elb_503', [0, 60, 79], 0),
        metric('requests', [2100, 1950, 1900], 2100),
      ],
      severity: 'critical',
      headline: /^no healthy target$/,
    },
    {
      name: 'silence and no task',
      readings: [...DOWN, ...silence(420)],
      severity: 'critical',
      headline: /^no traffic for 7 min and 0 of 6 tasks run$/,
    },
    {
      name: 'a deployment that takes over half an hour',
      readings: STUCK,
      subject: 'deployment',
      severity: 'warning',
      headline: /^deployment in progress for 42 min$/,
    },
    {
      name: 'a deployment whose tasks fail one after another',
      readings: FAILING_DEPLOYMENT,
      subject: 'deployment',
      severity: 'warning',
      headline: /^deployment in progress for 6 min, 6 tasks failed$/,
    },
    {
      name: 'a stuck deployment of a service that is down',
      readings: [...DOWN, polls('deployment_seconds', [2400, 2460])],
      subject: 'deployment',
      severity: 'error',
    },
  ],
  missing: [
    { name: 'nothing is known', readings: [] },
    { name: 'requests alone say nothing', readings: [metric('requests', [2100, 2100], 2100)] },
    { name: 'all ended', readings: [...DOWN, ...HALF_DOWN].map((one) => ({ ...one, freshness: 'absent' as const })) },
  ],
  causes: [
    crash('out-of-memory', [/--desired-status STOPPED/, /--force-new-deployment/, /metrics:memory/]),
    crash('essential-container-exited', [
      /describe-tasks --region us-east-1 --cluster rastup-prod --tasks 00000000c0ffee00c0ffee00c0ffee00 /,
      /^aws ecs update-service --region us-east-1 --cluster rastup-prod --service api-service --force-new-deployment$/,
    ]),
    crash('health-check-failed', [/^curl -sS -v -m 10 https:\/\/api\.rastup\.com\/health$/, /describe-target-health/]),
    crash('image-pull', [/stoppedReason/]),
    crash('secrets', [/aws secretsmanager list-secrets/]),
    crash('start-failed', [/stoppedReason/]),
    crash('slow-shutdown', [/aws logs tail/]),
    crash('host-lost', [/--force-new-deployment/]),
    {
      name: 'exit code 137 is out of memory only where ECS says so',
      readings: DOWN,
      answers: {
        ...CALM,
        'ecs.service': { ...GONE, stopped: stops(CRASHES['slow-shutdown']!) },
        'alb.targets': targets(0),
      },
      first: { cause: 'service-crashed', variant: 'slow-shutdown' },
      check: (diagnosis) => expect(confidenceOf(diagnosis, 'service-crashed', 'out-of-memory')).toBeLessThan(0.05),
    },
    {
      name: 'the version that was just brought out runs out of memory: no restart of it is offered',
      readings: [...DOWN, ...silence(300)],
      answers: {
        ...CALM,
        'ecs.service': { ...GONE, ...NEW, stopped: stops(OUT_OF_MEMORY, 'api:512') },
        'alb.targets': targets(0),
        changes: { changes: [change('api:512', ONSET - 4 * MINUTE)] },
      },
      first: { cause: 'recent-deployment' },
      atLeast: 0.8,
      check: (diagnosis) => {
        expect(confidenceOf(diagnosis, 'service-crashed', 'out-of-memory')).toBeGreaterThanOrEqual(0.8);
        const crashed = diagnosis.causes.find((one) => one.cause === 'service-crashed')!;
        expect(crashed.evidence[0]!.headline).toBe('7 tasks stopped: OutOfMemoryError');
        const shown = crashed.mitigations.flatMap((one) => ('command' in one ? [one.command] : []));
        expect(shown).toContain('npm run deploy:rollback -- --service=api --to-version=api:511');
        expect(shown.join('\n')).not.toContain('--force-new-deployment');
      },
    },
    {
      name: 'the new version is not ready although its tasks run',
      readings: NOT_READY,
      answers: {
        ...CALM,
        'ecs.service': ecs({
          version: 'api:512',
          controller: 'ecs',
          versions: [{ version: 'api:511', completedAt: null, servedFrom: null, servedUntil: null, failed: false }],
          deployments: [deployment('api:512', ONSET - 2 * MINUTE)],
          tasks: running('api:512'),
        }),
        'logs.errors': logs([template('Error: missing required environment variable SESSION_KEY', 'exception', 240)]),
        changes: { changes: [change('api:512', ONSET - 2 * MINUTE)] },
      },
      first: { cause: 'recent-deployment' },
      atLeast: 0.8,
      verdict: 'cause',
      commands: [/deploy:rollback -- --service=api --to-version=api:511$/],
      check: alone,
    },
    {
      name: 'ECS has taken the version back and the tasks come up again',
      readings: DOWN,
      answers: {
        ...CALM,
        'ecs.service': ecs({
          running: 3,
          pending: 3,
          tasks: running('api:511', 3),
          deployments: [deployment('api:511', NOW - MINUTE, { rollout: 'in_progress', running: 3, pending: 3 })],
          rolledBack: {
            at: { earliest: NOW - 2 * MINUTE, latest: NOW - MINUTE },
            from: 'api:512',
            to: 'api:511',
            reason: 'ECS deployment circuit breaker: tasks failed to start.',
          },
        }),
      },
      first: { cause: 'recent-deployment', variant: 'rolled-back' },
      atLeast: 0.8,
      check: (diagnosis) => {
        alone(diagnosis);
        expect(commandsOf(diagnosis)).not.toMatch(/deploy:rollback|update-service/);
      },
    },
    {
      name: 'a deployment that goes on for ever',
      readings: STUCK,
      answers: {
        ...CALM,
        'ecs.service': ecs({
          version: 'api:512',
          controller: 'ecs',
          versions: [{ version: 'api:511', completedAt: null, servedFrom: null, servedUntil: null, failed: false }],
          circuitBreaker: { enabled: false, rollback: false },
          deployments: [
            deployment('api:512', NOW - 42 * MINUTE, {
              running: 2,
              pending: 1,
              rollout: 'in_progress',
              rolloutReason: 'ECS deployment ecs-svc/512 in progress.',
            }),
            deployment('api:511', NOW - 26 * HOUR, { status: 'ACTIVE', running: 4 }),
          ],
        }),
        changes: { changes: [change('api:512', NOW - 42 * MINUTE)] },
      },
      first: { cause: 'deployment-stuck' },
      atLeast: 0.8,
      verdict: 'cause',
      commands: [
        /services\[0\]\.deployments/,
        /services\[0\]\.events\[0:10\]/,
        /^npm run deploy:rollback -- --service=api --to-version=api:511$/,
      ],
      check: (diagnosis) => {
        alone(diagnosis);
        expect(diagnosis.causes[0]!.evidence[0]!.headline).toBe('api:512 runs on 2 of 6 tasks');
        expect(diagnosis.ruledOut.find((one) => one.cause === 'recent-deployment')?.because).toBe(
          'is itself what is stuck',
        );
      },
    },
    {
      name: 'a deployment whose tasks exit at once: stuck, and why',
      readings: FAILING_DEPLOYMENT,
      answers: {
        ...CALM,
        'ecs.service': ecs({
          version: 'api:512',
          controller: 'ecs',
          versions: [{ version: 'api:511', completedAt: null, servedFrom: null, servedUntil: null, failed: false }],
          deployments: [
            deployment('api:512', NOW - 6 * MINUTE, { running: 0, pending: 1, failed: 6, rollout: 'in_progress' }),
            deployment('api:511', NOW - 26 * HOUR, { status: 'ACTIVE' }),
          ],
          stopped: stops(EXITED, 'api:512', 6),
        }),
      },
      check: (diagnosis) => {
        expect(confidenceOf(diagnosis, 'deployment-stuck')).toBeGreaterThanOrEqual(0.8);
        expect(confidenceOf(diagnosis, 'service-crashed', 'essential-container-exited')).toBeGreaterThanOrEqual(0.5);
        expect(diagnosis.causes.slice(2).every((one) => one.confidence < 0.3)).toBe(true);
      },
    },
    {
      name: 'the circuit breaker has ended the deployment',
      readings: FAILING_DEPLOYMENT,
      answers: {
        ...CALM,
        'ecs.service': ecs({
          deployments: [deployment('api:511', NOW - MINUTE, { rollout: 'in_progress' })],
          rolledBack: {
            at: { earliest: NOW - 2 * MINUTE, latest: NOW - MINUTE },
            from: 'api:512',
            to: 'api:511',
            reason: 'ECS deployment circuit breaker: tasks failed to start.',
          },
        }),
      },
      first: { cause: 'deployment-stuck', variant: 'rolled-back' },
      atLeast: 0.8,
      check: (diagnosis) => {
        alone(diagnosis);
        expect(commandsOf(diagnosis)).not.toContain('deploy:rollback');
      },
    },
    lacking(
      'cpu',
      'cpu',
      placement('has insufficient CPU units available'),
      capacity({ largestFreeCpuUnits: 512, fitting: 0 }),
      [
        /^aws ecs describe-clusters --region us-east-1 --clusters rastup-prod --include STATISTICS$/,
        /^aws autoscaling set-desired-capacity --region us-east-1 --auto-scaling-group-name rastup-prod-cluster --desired-capacity 6$/,
      ],
    ),
    lacking(
      'memory',
      'memory',
      placement('has insufficient memory available'),
      capacity({ largestFreeMemoryMiB: 900, fitting: 0 }),
      [/--desired-capacity 6$/],
    ),
    lacking('network', 'network-interfaces', placement('encountered error "RESOURCE:ENI"'), capacity({ fitting: 0 }), [
      /list-container-instances/,
    ]),
    lacking(
      'instances',
      'instances',
      '(service api-service) was unable to place a task because no container instance met all of its requirements. Reason: No Container Instances were found in your cluster.',
      capacity({ instances: 2, draining: 2, fitting: 0, largestFreeCpuUnits: 0, largestFreeMemoryMiB: 0 }),
      [/list-container-instances/],
    ),
    {
      ...lacking(
        'fargate',
        'fargate-capacity',
        '(service api-service) was unable to place a task. Reason: Capacity is unavailable at this time. Please try again later or in a different availability zone.',
        FARGATE,
        [/services\[0\]\.events/, /service-quotas list-service-quotas/],
      ),
      check: (diagnosis: Diagnosis) => {
        alone(diagnosis);
        const scale = diagnosis.causes[0]!.mitigations.find((one) => one.id === 'scale-cluster');
        expect(scale).toHaveProperty('withheld');
      },
    },
    {
      name: 'a group of instances at its maximum cannot be scaled from the page',
      readings: HALF_DOWN,
      answers: {
        ...CALM,
        'ecs.service': ecs({ running: 2, tasks: running('api:511', 2), launchType: 'EC2' }),
        'ecs.capacity': capacity({
          largestFreeCpuUnits: 512,
          fitting: 0,
          autoScalingGroup: { name: 'rastup-prod-cluster', desired: 4, maximum: 4, inService: 4, failures: [] },
          placementFailures: [
            { at: NOW - MINUTE, lacks: 'cpu', message: placement('has insufficient CPU units available') },
          ],
        }),
      },
      first: { cause: 'capacity-exhausted', variant: 'cpu' },
      check: (diagnosis) => {
        expect(diagnosis.causes[0]!.mitigations.find((one) => one.id === 'scale-cluster')).toHaveProperty('withheld');
        expect(diagnosis.causes[0]!.evidence.map((line) => line.observed).join('\n')).toContain('at its maximum of 4');
      },
    },
    unreachable(
      'stopped',
      reach('refused', 'tcp', { message: 'connect ECONNREFUSED 10.0.3.7:5432' }),
      [/start-db-instance/],
      {
        'rds.instance': { ...CALM['rds.instance'], status: 'stopped' },
      },
    ),
    unreachable('dns', reach('dns_failed', 'dns', { passed: {}, address: null }), [/dig \+short/]),
    unreachable(
      'network',
      reach('tcp_timeout', 'tcp', { elapsedMs: 5000 }),
      [/describe-security-groups --group-ids sg-0db0db0db0db0db00/],
      {
        'rds.network': {
          ...CALM['rds.network'],
          groups: [{ id: 'sg-0db0db0db0db0db00', allows: [] }],
          lost: [
            {
              group: 'sg-0db0db0db0db0db00',
              source: 'sg-0a91a91a91a91a91a',
              seenAt: ONSET - 2 * MINUTE,
              lostBy: ONSET - MINUTE,
            },
          ],
        },
      },
    ),
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
      name: 'the vendor that it cannot be ready without is down',
      readings: NOT_READY,
      answers: {
        ...CALM,
        'service.health': ready([
          { name: 'database', ok: true, detail: null },
          { name: 'stripe', ok: false, detail: 'connect ETIMEDOUT' },
        ]),
        'logs.errors': logs([
          template('StripeConnectionError: request to https://api.stripe.com/<*> failed', 'timeout', 200, {
            host: 'api.stripe.com',
          }),
        ]),
      },
      first: { cause: 'external-service', variant: 'down', on: 'stripe' },
      atLeast: 0.8,
      commands: [/flags:disable -- --flag=stripe_payments_enabled/],
      check: alone,
    },
    {
      name: 'all is well here and nothing arrives',
      readings: SILENT,
      answers: {
        ...CALM,
        'service.health': {
          at: NOW,
          live: { endpoint: 'api.rastup.com/health', status: null, failure: 'tls', milliseconds: 60, checks: [] },
          ready: null,
          history: [],
        },
      },
      first: { cause: 'traffic-stopped-upstream' },
      atLeast: 0.8,
      verdict: 'cause',
      commands: [/^curl -sS -v -m 10 https:\/\/api\.rastup\.com\/health$/, /describe-load-balancers/],
      check: alone,
    },
    {
      name: 'nothing arrives, and the way in is open to us',
      readings: SILENT,
      answers: CALM,
      first: { cause: 'traffic-stopped-upstream' },
      atLeast: 0.8,
      check: alone,
    },
    {
      name: 'a deployment three hours ago and tasks that were interrupted',
      readings: DOWN,
      answers: {
        ...CALM,
        'ecs.service': {
          ...GONE,
          deployments: [deployment('api:511', NOW - 3 * HOUR, { running: 0 })],
          stopped: stops(CRASHES['host-lost']!),
        },
        'alb.targets': targets(0),
      },
      first: { cause: 'service-crashed', variant: 'host-lost' },
      check: alone,
    },
    {
      name: 'tasks crash because the database is gone: both are told',
      readings: DOWN,
      answers: {
        ...CALM,
        'ecs.service': { ...GONE, stopped: stops(EXITED) },
        'alb.targets': targets(0),
        'postgres.reachability': reach('refused', 'tcp'),
        'service.health': DATABASE_DOWN,
        'logs.errors': logs([template('Error: connect ECONNREFUSED <*>:5432', 'database-refused', 80)]),
      },
      check: (diagnosis) => {
        expect(confidenceOf(diagnosis, 'database-unreachable', 'stopped')).toBeGreaterThanOrEqual(0.5);
        expect(confidenceOf(diagnosis, 'service-crashed', 'essential-container-exited')).toBeGreaterThanOrEqual(0.5);
      },
    },
    {
      name: 'ECS cannot be seen',
      readings: DOWN,
      answers: {
        ...CALM,
        'ecs.service': unknownAnswer('denied', 'ecs:DescribeServices is denied', 'ecs:DescribeServices'),
        'ecs.capacity': unknownAnswer('denied', 'ecs:DescribeClusters is denied', 'ecs:DescribeClusters'),
      },
      verdict: 'inconclusive',
      check: (diagnosis) => {
        const gap = diagnosis.gaps.find((one) => one.grant === 'ecs:DescribeServices');
        expect(gap?.hides).toContain('service-crashed (out-of-memory)');
      },
    },
  ],
});

test('steady events after a deployment speak against a stuck one', () => {
  const events: readonly EcsEvent[] = [
    { at: NOW - MINUTE, kind: 'steady', message: '(service api-service) has reached a steady state.' },
  ];
  const stuck = detector.hypotheses.find((one) => one.cause === 'deployment-stuck' && one.variant === undefined)!;
  const steady = stuck.probes.find((one) => one.id === 'steady-state')!;
  const facts = { now: NOW, target: API, on: API, onset: { earliest: ONSET, latest: ONSET }, options: {} };
  const answer = ecs({ ...NEW, events });
  expect(steady.judge(answer, {} as never, facts, () => null)).toMatchObject({ state: 'opposes' });
});

test('what is not seen any more does not clear the finding that it opened', () => {
  const lost = DOWN.map((one) => ({ ...one, freshness: 'absent' as const }));
  const judged = judge(detector, { name: '', readings: [...lost, metric('elb_503', [0, 0], 0)], active: [''] }, API);
  expect(judged).toMatchObject({ state: 'judged', symptoms: [], unjudged: [''] });
});

test('silence of which nobody knows what was due does not clear the finding that it opened', () => {
  const readings = [...tasks([6, 6, 6]), ...silence(5 * 3600).slice(0, 1)];
  const judged = judge(detector, { name: '', readings, active: [''] }, API);
  expect(judged).toMatchObject({ state: 'judged', symptoms: [], unjudged: [''] });
  const back = [...tasks([6, 6, 6]), polls('requests_silent_seconds', [3600, 0, 0], { unit: 's' })];
  expect(judge(detector, { name: '', readings: back, active: [''] }, API)).toMatchObject({
    symptoms: [],
    unjudged: [],
  });
});

test('the onset is that of the sign that came first', () => {
  const judged = judge(detector, { name: '', readings: [...DOWN, ...silence(420)] }, API);
  expect(judged).toMatchObject({ symptoms: [{ onset: { earliest: NOW - 480_000, latest: NOW - 420_000 } }] });
});

test('a restart is seen to have worked when a new deployment runs all tasks', () => {
  const { effect } = detector.mitigations['restart-service']!;
  const facts = { now: NOW, target: API, on: API, onset: { earliest: ONSET, latest: ONSET }, options: {} };
  expect(effect!.judge(GONE, {}, facts).state).toBe('not_applied');
  const again = [deployment('api:511', NOW - MINUTE, { running: 2, rollout: 'in_progress' })];
  expect(effect!.judge(ecs({ deployments: again, running: 2 }), {}, facts)).toEqual({
    state: 'partly',
    observed: '2 of 6 tasks run',
  });
  expect(effect!.judge(ecs({ deployments: again }), {}, facts).state).toBe('worked');
});

test('a larger cluster is seen by what the group wants and has', () => {
  const { effect } = detector.mitigations['scale-cluster']!;
  const facts = { now: NOW, target: API, on: API, onset: { earliest: ONSET, latest: ONSET }, options: {} };
  const group = (desired: number, inService: number) => ({
    name: 'rastup-prod-cluster',
    desired,
    maximum: 10,
    inService,
    failures: [],
  });
  const slots = { instanceCount: 6 };
  expect(effect!.judge(capacity(), slots, facts).state).toBe('not_applied');
  expect(effect!.judge(capacity({ autoScalingGroup: group(6, 4) }), slots, facts).state).toBe('partly');
  expect(effect!.judge(capacity({ autoScalingGroup: group(6, 6) }), slots, facts).state).toBe('worked');
});
