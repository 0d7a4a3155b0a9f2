import type {
  Change,
  Diagnosis,
  EventSourceMapping,
  LambdaFunctionAnswer,
  LogErrorsAnswer,
  LogTemplate,
  ReachabilityAnswer,
  ReachReason,
  ReachStep,
  Reading,
  SearchEngineAnswer,
  SessionGroup,
  SessionsAnswer,
  SqsQueueAnswer,
  Target,
} from 'runbookd/sdk';
import { clearText, raisedConcurrency, secondsToClear } from 'runbookd/sdk';
import { describeDetector, judge, NOW, reading, unknownAnswer } from 'runbookd/testing';
import { describe, expect, test } from 'vitest';
import { detector } from './message-delivery-delays.ts';

const MINUTE = 60_000;
/** CloudWatch is two minutes behind; the trouble shows in the last five samples. */
const ENDS = NOW - 2 * MINUTE;
const ONSET = ENDS - 4 * MINUTE;

const MESSAGES: Target = {
  name: 'messages',
  kind: 'queue',
  dependsOn: ['main-db', 'stripe', 'typesense'],
  slots: { region: 'us-east-1', functionName: 'rastup-message-processor' },
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

const TYPESENSE: Target = {
  name: 'typesense',
  kind: 'search',
  dependsOn: [],
  slots: { searchUrl: 'https://typesense.rastup.com' },
};

/** By the minute: 40 samples of `before`, then `after`. */
const series = (signal: string, before: number, after: readonly number[], unit: Reading['unit'] = 'count'): Reading =>
  reading(signal, [...Array.from({ length: 40 }, () => before), ...after], {
    target: 'messages',
    periodSeconds: 60,
    endsAt: ENDS,
    unit,
    band: { expected: before, lower: before * 0.7, upper: before === 0 ? 0 : before * 1.3 },
  });
const flat = (value: number): readonly number[] => Array.from({ length: 5 }, () => value);
const merge = (...parts: readonly (readonly Reading[])[]): readonly Reading[] => [
  ...new Map(parts.flat().map((one) => [one.signal, one])).values(),
];

const AGE = series('queue_age_seconds', 3, [70, 130, 190, 250, 310], 's');
const QUIET_AGE = series('queue_age_seconds', 3, flat(3), 's');
const GROWING = series('queue_visible', 20, [700, 1400, 2100, 2800, 3500]);
/** All is well but for what each case changes. */
const WELL = [
  QUIET_AGE,
  series('queue_visible', 20, flat(22)),
  series('queue_in_flight', 30, flat(30)),
  series('queue_sent', 1200, flat(1200)),
  series('queue_deleted', 1200, flat(1200)),
  series('consumer_invocations', 120, flat(120)),
  series('consumer_errors', 0, flat(0)),
  series('consumer_throttles', 0, flat(0)),
  series('consumer_duration_p95', 0.8, flat(0.8), 's'),
  series('consumer_concurrency', 10, flat(10)),
  series('dead_letters', 2, flat(2)),
];
const late = (...parts: readonly Reading[]): readonly Reading[] => merge(WELL, [AGE, GROWING], parts);

/** Not published any more since it began. */
const ended = (signal: string, before: number, unit: Reading['unit'] = 'count'): Reading => {
  const whole = series(signal, before, flat(before), unit);
  return { ...whole, samples: whole.samples.slice(0, -5), freshness: 'missing' };
};

const FAILING = late(
  series('queue_deleted', 1200, flat(100)),
  series('consumer_errors', 0, flat(115)),
  series('consumer_duration_p95', 0.8, flat(0.5), 's'),
  series('queue_in_flight', 30, flat(400)),
);
const HANGING = late(
  series('queue_deleted', 1200, flat(20)),
  series('queue_in_flight', 30, [300, 600, 900, 1100, 1100]),
  series('consumer_invocations', 120, flat(40)),
  series('consumer_errors', 0, flat(38)),
  series('consumer_duration_p95', 0.8, flat(30), 's'),
  series('consumer_concurrency', 10, flat(40)),
);
const THROTTLED = late(
  series('queue_deleted', 1200, flat(500)),
  series('consumer_invocations', 120, flat(50)),
  series('consumer_throttles', 0, flat(90)),
);
const SURGE = late(
  series('queue_sent', 1200, [4000, 4000, 4000, 1300, 1250]),
  series('queue_visible', 20, [2800, 5600, 8300, 8400, 8400]),
);
const STOPPED = late(
  series('queue_deleted', 1200, flat(0)),
  series('queue_in_flight', 30, flat(0)),
  ended('consumer_invocations', 120),
  ended('consumer_errors', 0),
  ended('consumer_throttles', 0),
  ended('consumer_duration_p95', 0.8, 's'),
  ended('consumer_concurrency', 10),
);
const POISON = merge(WELL, [series('dead_letters', 2, [5, 9, 14, 20, 26]), series('consumer_errors', 0, flat(9))]);

const queue = (over: Partial<SqsQueueAnswer> = {}): SqsQueueAnswer => ({
  at: NOW,
  queue: 'rastup-messages',
  url: 'https://sqs.us-east-1.amazonaws.com/123456789012/rastup-messages',
  visible: 3500,
  inFlight: 30,
  delayed: 0,
  visibilityTimeoutSeconds: 180,
  maxReceives: 5,
  deadLetterQueue: 'rastup-messages-dlq',
  deadLetters: 2,
  ...over,
});
const EVENT_SOURCE: EventSourceMapping = {
  id: '6f3a3c1e-1111-4222-8333-0123456789ab',
  state: 'enabled',
  reason: 'USER_INITIATED',
  changedAt: NOW - 90 * 24 * 60 * MINUTE,
  batchSize: 10,
  maximumConcurrency: null,
};
const eventSource = (over: Partial<EventSourceMapping> = {}): Partial<LambdaFunctionAnswer> => ({
  eventSources: [{ ...EVENT_SOURCE, ...over }],
});
const lambda = (over: Partial<LambdaFunctionAnswer> = {}): LambdaFunctionAnswer => ({
  at: NOW,
  name: 'rastup-message-processor',
  reservedConcurrency: 50,
  accountConcurrency: 1000,
  accountUnreserved: 800,
  eventSources: [EVENT_SOURCE],
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
  logGroup: '/aws/lambda/rastup-message-processor',
  partial: false,
  count: templates.reduce((sum, one) => sum + one.count, 0),
  before: templates.reduce((sum, one) => sum + one.before, 0),
  beforeSeconds: 600,
  templates,
  byTask,
});
const change = (version: string, at: number, over: Partial<Change> = {}): Change => ({
  id: `deploy-${version}-${at}`,
  target: 'messages',
  kind: 'deployment',
  summary: `deployment of ${version} started`,
  at: { earliest: at, latest: at },
  source: 'ci',
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

const NO_LOGS = unknownAnswer('not_configured', 'not configured');
const CALM = {
  'sqs.queue': queue(),
  'lambda.function': lambda(),
  'logs.errors': logs([]),
  'postgres.reachability': reach('ok', 'ok'),
  'postgres.sessions': sessions(
    [group('worker', 'idle', 30, 20), group('worker', 'active', 3)],
    [
      { minutesAgo: 50, byApp: { worker: 33 } },
      { minutesAgo: 0, byApp: { worker: 33 } },
    ],
  ),
  'postgres.statements': statements(),
  'postgres.activity': activity(3, 3),
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
  readonly readings: readonly Reading[];
  readonly answers?: object;
  readonly first: { readonly cause: string; readonly variant?: string; readonly on?: string };
  readonly commands?: readonly RegExp[];
  readonly check?: (diagnosis: Diagnosis) => void;
}
/** One cause that must lead, and nothing else beside it. */
const leads = ({ answers = {}, check = alone, ...part }: Part) => ({
  ...part,
  answers: { ...CALM, ...answers },
  atLeast: 0.8,
  verdict: 'cause' as const,
  check,
});

const REFUSED = logs([template('Error: connect ECONNREFUSED <*>:5432', 'database-refused', 600)]);
const POOL = logs([template('Error: timeout exceeded when trying to connect: pool of <*>', 'pool-timeout', 600)]);
const OWN = logs([template('TypeError: Cannot read properties of undefined', 'exception', 600)]);
const STRIPE_DOWN = logs([
  template('StripeConnectionError: request to https://api.stripe.com/<*> failed', 'timeout', 580, {
    host: 'api.stripe.com',
  }),
]);
const unreachable = (variant: string, answered: ReachabilityAnswer, commands: readonly RegExp[], over: object = {}) =>
  leads({
    name: `its database is unreachable: ${variant}`,
    readings: FAILING,
    answers: { 'logs.errors': REFUSED, 'postgres.reachability': answered, ...over },
    first: { cause: 'database-unreachable', variant, on: 'main-db' },
    commands,
  });
const pool = (variant: string, answered: SessionsAnswer, over: object = {}) =>
  leads({
    name: `its database has no free slot: ${variant}`,
    readings: FAILING,
    answers: { 'logs.errors': POOL, 'postgres.sessions': answered, ...over },
    first: { cause: 'connection-pool', variant, on: 'main-db' },
  });

const ENGINE: SearchEngineAnswer = {
  at: NOW,
  engine: 'typesense',
  host: 'typesense.rastup.com',
  healthy: true,
  problem: null,
  collections: [],
  requestsPerSecond: 40,
  searchLatencyMs: 20,
  writeLatencyMs: 20,
  pendingWriteBatches: 0,
  overloadedPerSecond: 0,
  memoryRatio: 0.4,
  diskRatio: 0.3,
  cpuRatio: 0.3,
};
const engineDown = (variant: string, over: Partial<SearchEngineAnswer>, command: RegExp) =>
  leads({
    name: `the search engine that it writes to is down: ${variant}`,
    readings: FAILING,
    answers: { 'logs.errors': NO_LOGS, 'search.engine': { ...ENGINE, ...over } },
    first: { cause: 'search-engine-down', variant, on: 'typesense' },
    commands: [command],
  });

const LIMIT_LOWERED = change('', ONSET - 5 * MINUTE, {
  target: 'main-db',
  kind: 'setting',
  summary: 'max_connections 100 → 40',
  deployment: undefined as never,
});

describeDetector(detector, {
  target: MESSAGES,
  dependencies: [DB, STRIPE, TYPESENSE],
  silent: [
    { name: 'all is well', readings: WELL },
    {
      name: 'late for two minutes, which is too few',
      readings: merge(WELL, [series('queue_age_seconds', 3, [3, 3, 3, 70, 130], 's')]),
    },
    { name: 'late, and over', readings: merge(WELL, [series('queue_age_seconds', 3, [70, 130, 190, 250, 20], 's')]) },
    {
      name: 'as late as it always is at this hour',
      readings: merge(WELL, [series('queue_age_seconds', 120, flat(300), 's')]),
    },
    {
      name: 'more wait than usual, but few',
      readings: merge(WELL, [series('queue_visible', 5, [20, 40, 60, 70, 80])]),
    },
    {
      name: 'a backlog that is worked off in time',
      readings: merge(WELL, [
        series('queue_visible', 20, [900, 1800, 2700, 2600, 2500]),
        series('queue_deleted', 1200, [1200, 1200, 1200, 1600, 1700]),
      ]),
    },
    {
      name: 'a backlog that has stood there for an hour',
      readings: [QUIET_AGE, series('queue_visible', 5000, flat(5000))],
    },
    { name: 'some dead letters, as before', readings: merge(WELL, [series('dead_letters', 400, flat(402))]) },
    {
      name: 'dead letters whose first value is all that is known',
      readings: [
        ...WELL.slice(0, 2),
        reading('dead_letters', [40], { target: 'messages', periodSeconds: 60, endsAt: ENDS }),
      ],
    },
    {
      name: 'an empty queue, of which SQS gives no age',
      readings: [series('queue_visible', 0, flat(0)), { ...AGE, freshness: 'absent' }],
    },
  ],
  firing: [
    {
      name: 'the oldest message is late and the backlog grows',
      readings: late(series('queue_deleted', 1200, flat(500))),
      severity: 'error',
      headline: /^oldest message 5 min 10 s \(baseline 3 s\), 3,500 wait \(baseline 20\), not draining$/,
    },
    {
      name: 'late, but worked off soon',
      readings: late(
        series('queue_deleted', 1200, flat(1900)),
        series('queue_visible', 20, [9000, 8300, 7600, 6900, 6200]),
      ),
      severity: 'warning',
      headline: /clear in 8 min 51 s at this rate$/,
    },
    {
      name: 'the backlog alone, where failing messages hide the age',
      readings: merge(WELL, [GROWING, series('queue_deleted', 1200, flat(500))]),
      severity: 'error',
      headline: /^3,500 wait \(baseline 20\), not draining$/,
    },
    { name: 'nothing is worked off', readings: STOPPED, severity: 'critical', headline: /none is worked off$/ },
    {
      name: 'late for more than an hour',
      readings: merge(WELL, [series('queue_age_seconds', 3, [3700, 3760, 3820, 3880, 3940], 's')]),
      severity: 'critical',
    },
    {
      name: 'new dead letters',
      readings: POISON,
      subject: 'dead-letter',
      severity: 'warning',
      headline: /^24 new dead letters in 15 min \(26 in all\)$/,
    },
    {
      name: 'a backlog goes on while it is not worked off in time, though it grows no more',
      readings: merge(WELL, [series('queue_visible', 20, flat(5000)), series('queue_deleted', 1200, flat(1210))]),
      active: [''],
      severity: 'error',
    },
  ],
  missing: [
    { name: 'nothing is known', readings: [] },
    {
      name: 'SQS has stopped to publish: the queue has been idle for six hours',
      readings: late().map((one) => ({ ...one, freshness: 'absent' as const })),
    },
    { name: 'only the consumer is known', readings: WELL.slice(5, 10) },
  ],
  causes: [
    leads({
      name: 'each message takes twice as long',
      readings: late(
        series('queue_deleted', 1200, flat(700)),
        series('consumer_duration_p95', 0.8, flat(1.5), 's'),
        series('consumer_invocations', 120, flat(70)),
      ),
      first: { cause: 'consumer-under-capacity', on: 'messages' },
      commands: [
        /processing_rate/,
        /list-event-source-mappings --region us-east-1 --function-name rastup-message-processor/,
      ],
      check: (diagnosis) => {
        alone(diagnosis);
        expect(diagnosis.causes[0]!.mitigations.find(({ id }) => id === 'raise-concurrency')).toHaveProperty(
          'withheld',
        );
      },
    }),
    leads({
      name: 'it runs as often at once as it may, and that is too little by now',
      readings: late(
        series('queue_sent', 1200, flat(1300)),
        series('queue_deleted', 1200, flat(1100)),
        series('consumer_concurrency', 48, flat(50)),
      ),
      first: { cause: 'consumer-under-capacity' },
      commands: [
        /^aws lambda put-function-concurrency --region us-east-1 --function-name rastup-message-processor --reserved-concurrent-executions 75$/,
      ],
    }),
    leads({
      name: 'a consumer that is no Lambda function',
      readings: late(series('queue_deleted', 1200, flat(700))).filter(({ signal }) => !signal.startsWith('consumer')),
      answers: { 'lambda.function': unknownAnswer('not_configured', 'not configured'), 'logs.errors': NO_LOGS },
      first: { cause: 'consumer-under-capacity' },
      check: () => undefined,
    }),
    leads({
      name: 'its reserved concurrency is used up',
      readings: THROTTLED,
      answers: { 'lambda.function': lambda({ reservedConcurrency: 10 }) },
      first: { cause: 'consumer-throttled', on: 'messages' },
      commands: [
        /^aws lambda get-function-concurrency --region us-east-1 --function-name rastup-message-processor$/,
        /^aws lambda put-function-concurrency .* --reserved-concurrent-executions 30$/,
        /^aws sqs get-queue-attributes --region us-east-1 --queue-url https:\/\/sqs\.us-east-1\.amazonaws\.com\/123456789012\/rastup-messages --attribute-names ApproximateNumberOfMessages /,
      ],
    }),
    leads({
      name: "the account's concurrency is used up, so none can be given",
      readings: THROTTLED,
      answers: {
        'lambda.function': lambda({ reservedConcurrency: null, accountConcurrency: 110, accountUnreserved: 108 }),
      },
      first: { cause: 'consumer-throttled', variant: 'account' },
      commands: [/^aws lambda get-account-settings --region us-east-1 --query AccountLimit$/],
      check: (diagnosis) => {
        alone(diagnosis);
        expect(diagnosis.causes[0]!.evidence.map((line) => line.observed).join('\n')).toContain(
          'ask AWS for a higher quota',
        );
        expect(diagnosis.causes[0]!.mitigations.find(({ id }) => id === 'reserve-concurrency')).toHaveProperty(
          'withheld',
        );
      },
    }),
    leads({
      name: "other functions take the account's concurrency, and some of it can be reserved",
      readings: THROTTLED,
      answers: { 'lambda.function': lambda({ reservedConcurrency: null }) },
      first: { cause: 'consumer-throttled', variant: 'account' },
      commands: [
        /^aws lambda put-function-concurrency --region us-east-1 --function-name rastup-message-processor --reserved-concurrent-executions 30$/,
      ],
      check: (diagnosis) => {
        alone(diagnosis);
        expect(diagnosis.causes[0]!.mitigations.find(({ id }) => id === 'reserve-concurrency')).toMatchObject({
          undo: 'aws lambda delete-function-concurrency --region us-east-1 --function-name rastup-message-processor',
        });
      },
    }),
    leads({
      name: 'its event source was given fewer runs at once',
      readings: late(
        series('queue_deleted', 1200, flat(500)),
        series('consumer_invocations', 120, flat(50)),
        series('consumer_concurrency', 10, flat(4)),
      ),
      answers: {
        'lambda.function': lambda(eventSource({ maximumConcurrency: 4, changedAt: ONSET - 2 * MINUTE })),
      },
      first: { cause: 'consumer-under-capacity', variant: 'event-source' },
      commands: [
        /^aws lambda update-event-source-mapping --region us-east-1 --uuid 6f3a3c1e-1111-4222-8333-0123456789ab --scaling-config MaximumConcurrency=12$/,
      ],
      check: (diagnosis) => {
        alone(diagnosis);
        expect(diagnosis.causes[0]!.mitigations.find(({ id }) => id === 'raise-event-source')).toMatchObject({
          undo: expect.stringMatching(/MaximumConcurrency=4$/),
          effect: expect.stringMatching(/^the event source may start 12 runs at once within 2 min/),
        });
      },
    }),
    leads({
      name: 'runs take longer, so that they reach what the event source lets them',
      readings: late(
        series('queue_deleted', 1200, flat(700)),
        series('consumer_duration_p95', 0.8, flat(2.8), 's'),
        series('consumer_invocations', 120, flat(70)),
        series('consumer_concurrency', 10, flat(20)),
      ),
      answers: { 'lambda.function': lambda(eventSource({ maximumConcurrency: 20 })) },
      first: { cause: 'consumer-under-capacity' },
      commands: [/--scaling-config MaximumConcurrency=43$/],
    }),
    leads({
      name: 'runs hang and use up what is reserved: that they are refused is what comes of it',
      readings: merge(HANGING, [series('consumer_throttles', 0, flat(90))]),
      answers: { 'lambda.function': lambda({ reservedConcurrency: 40 }), 'logs.errors': NO_LOGS },
      first: { cause: 'consumer-hanging' },
    }),
    leads({
      name: 'messages that were refused too often end as dead letters: they are not poison',
      readings: merge(THROTTLED, [series('dead_letters', 2, [20, 60, 100, 150, 200])]),
      answers: { 'lambda.function': lambda({ reservedConcurrency: 10 }) },
      first: { cause: 'consumer-throttled' },
    }),
    leads({
      name: 'a bug in the version that was brought out just before',
      readings: FAILING,
      answers: { 'logs.errors': OWN, changes: { changes: [change('processor-42', ONSET - 3 * MINUTE)] } },
      first: { cause: 'consumer-failing', on: 'messages' },
      commands: [
        /^aws logs tail \/aws\/lambda\/rastup-message-processor --region us-east-1 --since 15m$/,
        /get-function-configuration/,
        /deploy:history/,
      ],
      check: (diagnosis) => {
        alone(diagnosis);
        expect(diagnosis.causes[0]!.evidence.map((line) => line.headline)).toEqual(
          expect.arrayContaining(['96 % of its runs fail', '3 min after processor-42 was brought out']),
        );
      },
    }),
    leads({
      name: 'it fails and nobody can say why',
      readings: FAILING,
      answers: {
        'logs.errors': NO_LOGS,
        'sqs.queue': unknownAnswer('denied', 'sqs:GetQueueAttributes is denied', 'sqs:GetQueueAttributes'),
      },
      first: { cause: 'consumer-failing' },
    }),
    leads({
      name: 'failing messages become dead letters, all of them: they are not poison',
      readings: merge(FAILING, [series('dead_letters', 2, [20, 60, 100, 150, 200])]),
      answers: { 'logs.errors': OWN },
      first: { cause: 'consumer-failing' },
    }),
    leads({
      name: 'runs last until their time limit',
      readings: HANGING,
      answers: { 'logs.errors': logs([template('Task timed out after 30.00 seconds', 'timeout', 60)]) },
      first: { cause: 'consumer-hanging', on: 'messages' },
      commands: [/--filter-pattern "timed out"$/, /get-function-configuration .*Timeout/],
    }),
    leads({
      name: 'single messages cannot be worked off',
      readings: POISON,
      first: { cause: 'poison-messages', on: 'messages' },
      commands: [
        /^aws sqs receive-message --region us-east-1 --queue-url https:\/\/sqs\.us-east-1\.amazonaws\.com\/123456789012\/rastup-messages-dlq --max-number-of-messages 5 --visibility-timeout 0 /,
      ],
      check: (diagnosis) => {
        alone(diagnosis);
        expect(diagnosis.symptom!.subject).toBe('dead-letter');
        expect(JSON.stringify(diagnosis)).not.toMatch(/purge-queue/);
      },
    }),
    leads({
      name: 'poison that is tried again and again: the oldest is late before anything is given up',
      readings: merge(WELL, [AGE, series('queue_in_flight', 30, [60, 90, 110, 140, 170])]),
      first: { cause: 'poison-messages' },
      commands: [/--queue-url https:\/\/sqs\.us-east-1\.amazonaws\.com\/123456789012\/rastup-messages-dlq /],
      check: (diagnosis) => {
        alone(diagnosis);
        expect(diagnosis.symptom!.subject).toBe('');
        expect(diagnosis.causes[0]!.evidence.map((line) => line.headline)).toContain(
          'the others pass one that is 5 min 10 s old',
        );
      },
    }),
    leads({
      name: 'poison in batches: every fourth run fails with it, the others flow',
      readings: merge(POISON, [series('consumer_errors', 0, flat(30))]),
      first: { cause: 'poison-messages' },
    }),
    leads({
      name: 'three times as many are sent for three minutes',
      readings: SURGE,
      first: { cause: 'traffic-surge', on: 'messages' },
      commands: [/processing_rate/],
      check: (diagnosis) => {
        alone(diagnosis);
        expect(diagnosis.causes[0]!.evidence[0]!.observed).toBe(
          '8,400 more than usual were sent since shortly before, at most 3.3× the usual beside 8,400 that wait',
        );
      },
    }),
    leads({
      name: 'two true causes: a surge runs into the limit',
      readings: merge(SURGE, [series('consumer_throttles', 0, flat(90)), series('queue_deleted', 1200, flat(1150))]),
      answers: { 'lambda.function': lambda({ reservedConcurrency: 10 }) },
      first: { cause: 'consumer-throttled' },
      check: (diagnosis) => {
        expect(confidenceOf(diagnosis, 'traffic-surge')).toBeGreaterThanOrEqual(0.5);
        expect(confidenceOf(diagnosis, 'consumer-throttled')).toBeGreaterThanOrEqual(0.5);
      },
    }),
    leads({
      name: 'the event source is disabled',
      readings: STOPPED,
      answers: {
        'sqs.queue': queue({ inFlight: 0 }),
        'lambda.function': lambda(eventSource({ state: 'disabled', changedAt: ONSET - MINUTE })),
      },
      first: { cause: 'consumer-stopped', variant: 'disabled' },
      commands: [
        /^aws lambda update-event-source-mapping --region us-east-1 --uuid 6f3a3c1e-1111-4222-8333-0123456789ab --enabled$/,
      ],
      check: (diagnosis) => {
        alone(diagnosis);
        expect(diagnosis.causes[0]!.evidence.map((line) => line.observed)).toContain(
          'its event source is disabled since 13:58:00 (USER_INITIATED)',
        );
      },
    }),
    leads({
      name: 'an event source that somebody disabled once messages waited is not why they wait',
      readings: SURGE,
      answers: { 'lambda.function': lambda(eventSource({ state: 'disabled', changedAt: NOW - MINUTE })) },
      first: { cause: 'traffic-surge' },
    }),
    leads({
      name: 'nobody receives the messages, and its event source cannot be read',
      readings: STOPPED,
      answers: { 'sqs.queue': queue({ inFlight: 0 }), 'lambda.function': lambda({ eventSources: null }) },
      first: { cause: 'consumer-stopped' },
    }),
    leads({
      name: 'nobody receives the messages: there is no event source',
      readings: STOPPED,
      answers: { 'sqs.queue': queue({ inFlight: 0 }), 'lambda.function': lambda({ eventSources: [] }) },
      first: { cause: 'consumer-stopped', on: 'messages' },
      commands: [/list-event-source-mappings/],
      check: (diagnosis) => {
        alone(diagnosis);
        expect(diagnosis.causes[0]!.evidence.map((line) => line.headline)).toEqual(
          expect.arrayContaining(['nobody receives them', 'no run since 13:58:00']),
        );
      },
    }),
    leads({
      name: 'its concurrency was set to 0',
      readings: merge(STOPPED, [series('queue_in_flight', 30, flat(40)), series('consumer_throttles', 0, flat(90))]),
      answers: { 'lambda.function': lambda({ reservedConcurrency: 0 }) },
      first: { cause: 'consumer-stopped', variant: 'switched-off' },
      commands: [/put-function-concurrency .* --reserved-concurrent-executions 10$/],
    }),
    unreachable('stopped', reach('refused', 'tcp'), [/start-db-instance/], {
      'rds.instance': { ...CALM['rds.instance'], status: 'stopped' },
    }),
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
    unreachable(
      'too-many-connections',
      reach('too_many_connections', 'startup', { sqlstate: '53300', lastUsed: 95 }),
      [],
    ),
    unreachable('hung', reach('hung', 'startup', { elapsedMs: 5000 }), [/reboot-db-instance/]),
    engineDown('unreachable', { healthy: null, problem: 'refused' }, /curl .*typesense\.rastup\.com\/health/),
    engineDown('not-ready', { healthy: false }, /typesense\.rastup\.com\/health/),
    engineDown('out-of-disk', { problem: 'OUT_OF_DISK', diskRatio: 0.99 }, /typesense\.rastup\.com\/metrics\.json/),
    engineDown('out-of-memory', { problem: 'OUT_OF_MEMORY' }, /typesense\.rastup\.com\/metrics\.json/),
    leads({
      name: 'a search engine that is well does not explain a consumer that fails',
      readings: FAILING,
      answers: { 'logs.errors': OWN, 'search.engine': ENGINE },
      first: { cause: 'consumer-failing' },
    }),
    leads({
      name: 'a hung database makes the consumer hang; its messages cannot be read',
      readings: HANGING,
      answers: { 'logs.errors': NO_LOGS, 'postgres.reachability': reach('hung', 'startup', { elapsedMs: 5000 }) },
      first: { cause: 'database-unreachable', variant: 'hung' },
    }),
    leads({
      name: 'its database is unreachable and its messages cannot be read',
      readings: FAILING,
      answers: { 'logs.errors': NO_LOGS, 'postgres.reachability': reach('tcp_timeout', 'tcp') },
      first: { cause: 'database-unreachable', variant: 'network' },
    }),
    pool(
      'leak',
      sessions(
        [group('billing-worker', 'idle', 84, 720), group('worker', 'active', 3), group('worker', 'idle', 7)],
        [
          { minutesAgo: 40, used: 20, byApp: { 'billing-worker': 12 } },
          { minutesAgo: 20, used: 55, byApp: { 'billing-worker': 47 } },
          { minutesAgo: 0, used: 94, byApp: { 'billing-worker': 84 } },
        ],
      ),
    ),
    pool(
      'surge',
      sessions(
        [group('worker', 'active', 82), group('worker', 'idle', 10)],
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
        [group('checkout-worker', 'idle in transaction', 70, 300), group('worker', 'active', 22)],
        [
          { minutesAgo: 20, used: 30, idleInTransaction: 1 },
          { minutesAgo: 0, used: 92, idleInTransaction: 70 },
        ],
      ),
    ),
    pool(
      'limit-lowered',
      sessions(
        [group('worker', 'idle', 12, 20), group('api', 'idle', 12, 20), group('worker', 'active', 12)],
        [
          { minutesAgo: 50, used: 36 },
          { minutesAgo: 0, used: 36 },
        ],
        { usable: 37, max: 40 },
      ),
      { changes: { changes: [LIMIT_LOWERED] } },
    ),
    leads({
      name: 'the vendor is down',
      readings: FAILING,
      answers: {
        'logs.errors': STRIPE_DOWN,
        'vendor.status': { ...CALM['vendor.status'], indicator: 'major', description: 'Partial System Outage' },
      },
      first: { cause: 'external-service', variant: 'down', on: 'stripe' },
      commands: [/status\.stripe\.com/],
    }),
    leads({
      name: 'a status page alone does not explain a surge',
      readings: SURGE,
      answers: {
        'vendor.status': { ...CALM['vendor.status'], indicator: 'critical', description: 'Major Outage' },
      },
      first: { cause: 'traffic-surge' },
    }),
    leads({
      name: 'a deployment that came after it began is not its cause',
      readings: THROTTLED,
      answers: {
        'lambda.function': lambda({ reservedConcurrency: 10 }),
        changes: { changes: [change('processor-43', NOW - MINUTE)] },
      },
      first: { cause: 'consumer-throttled' },
    }),
    {
      name: 'nothing but the age is known',
      readings: [AGE],
      answers: {},
      verdict: 'inconclusive',
      check: (diagnosis) => expect(diagnosis.gaps.length).toBeGreaterThan(0),
    },
  ],
});

describe('figures', () => {
  test.each([
    // waiting, in and out a second, seconds
    [600, 10, 12, 300],
    [600, 10, 10, Number.POSITIVE_INFINITY],
    [600, 12, 10, Number.POSITIVE_INFINITY],
    [0, 12, 10, 0],
  ])('%d wait, %d come and %d go a second', (waiting, comes, goes, seconds) => {
    expect(secondsToClear(waiting, comes, goes)).toBe(seconds);
  });

  test('a backlog that does not drain has no time', () => {
    expect([clearText(1500), clearText(Number.POSITIVE_INFINITY)]).toEqual([
      'clear in 25 min at this rate',
      'not draining',
    ]);
  });

  test.each([
    // What is reserved, not reserved by anybody, used; in and out → reserved then. Lambda keeps 100 unreserved.
    ['twice as much comes as goes', 10, 800, 10, { sent: 200, deleted: 100 }, 25],
    ['never more than four times', 10, 800, 10, { sent: 9000, deleted: 100 }, 40],
    ['at least half as much again', 10, 800, 10, { sent: 100, deleted: 100 }, 15],
    ['no more than the account has', 10, 103, 10, { sent: 9000, deleted: 100 }, 13],
    ['the account has none left', 10, 100, 10, { sent: 9000, deleted: 100 }, null],
    ['nothing is known of the flow', 10, 800, 10, null, 40],
    ['none is reserved', null, 800, 20, { sent: 200, deleted: 100 }, 50],
    ['none is reserved and the pool is in use', null, 108, 20, { sent: 200, deleted: 100 }, null],
  ])('concurrency: %s', (_, reservedConcurrency, accountUnreserved, used, flow, raised) => {
    expect(raisedConcurrency({ reservedConcurrency, accountUnreserved }, used, flow)).toBe(raised);
  });
});

test('dead letters that are not read any more are not fewer', () => {
  const readings = WELL.filter(({ signal }) => signal !== 'dead_letters');
  expect(judge(detector, { name: '', readings, active: ['dead-letter'] }, MESSAGES)).toMatchObject({
    state: 'judged',
    symptoms: [],
    unjudged: ['dead-letter'],
  });
});

test('an idle queue beside living dead letters is not judged', () => {
  const judged = judge(detector, { name: '', readings: [series('dead_letters', 2, flat(2))], active: [''] }, MESSAGES);
  expect(judged).toMatchObject({ state: 'judged', symptoms: [], unjudged: [''] });
});

test('it began when the oldest message was not worked off', () => {
  const judged = judge(detector, { name: '', readings: merge(WELL, [AGE]) }, MESSAGES);
  expect(judged.state === 'judged' && judged.symptoms[0]!.onset).toEqual({ earliest: ONSET - 70_000, latest: ONSET });
});
