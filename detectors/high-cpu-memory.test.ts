import type { Change, EcsServiceAnswer, RunningTask, StoppedTask, Target } from 'runbookd/sdk';
import { describeDetector, NOW, type ReadingOptions, reading, unknownAnswer } from 'runbookd/testing';
import { expect } from 'vitest';
import { detector } from './high-cpu-memory.ts';

const MINUTE = 60_000;
const API: Target = {
  name: 'api',
  kind: 'service',
  dependsOn: [],
  slots: { service: 'api', ecsService: 'api-service', cluster: 'rastup-prod', region: 'us-east-1' },
};

const one = (signal: string, values: readonly number[], options: ReadingOptions = {}) =>
  reading(signal, values, { target: 'api', periodSeconds: 60, ...options });

/** Forty minutes: `before` until the last values, beside a band of a tenth around what is usual. */
function minutes(signal: string, before: number, now: readonly number[], options: ReadingOptions = {}) {
  const wave = (index: number): number => 1 + 0.03 * Math.sin(index);
  const earlier = Array.from({ length: 40 - now.length }, (_, index) => before * wave(index));
  const band = { expected: before, lower: before * 0.85, upper: before * 1.15 };
  return one(signal, [...earlier, ...now], { band, ...options });
}

const ratio = { unit: 'ratio' } as const;
const cpu = (before: number, now: readonly number[], options: ReadingOptions = {}) =>
  minutes('cpu', before, now, { ...ratio, ...options });
const memory = (before: number, now: readonly number[], options: ReadingOptions = {}) =>
  minutes('memory', before, now, { ...ratio, ...options });
const p95 = (now: readonly number[]) => minutes('latency_p95', 0.21, now, { unit: 's' });
const requests = (now: readonly number[] = []) => minutes('requests', 5400, now);
const HOT = [0.84, 0.9, 0.92, 0.89, 0.91];
const SLOW = [0.8, 1.4, 1.9, 1.8, 1.9];

const id = (index: number): string => `${String(index).repeat(8)}0123456789abcdef01234567`;
const tasks = (values: readonly (readonly number[])[], signal = 'task_cpu') =>
  values.map((now, index) => one(signal, now, { ...ratio, labels: { task: id(index + 1) } }));

const task = (index: number, over: Partial<RunningTask> = {}): RunningTask => ({
  id: id(index + 1),
  version: 'api:511',
  status: 'RUNNING',
  health: 'healthy',
  zone: `us-east-1${'abc'.charAt(index % 3)}`,
  createdAt: NOW - 3 * 86_400_000,
  startedAt: NOW - 3 * 86_400_000,
  images: [],
  ...over,
});

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
  deployments: [
    {
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
    },
  ],
  rolledBack: null,
  circuitBreaker: { enabled: true, rollback: true },
  events: [],
  tasks: [0, 1, 2, 3, 4, 5].map((index) => task(index)),
  stopped: [],
  history: [60, 30, 10, 0].map((ago) => ({ at: NOW - ago * MINUTE, desired: 6, running: 6, pending: 0 })),
  stopTimeoutSeconds: 30,
  ...over,
});

const deployed = (minutesAgo: number, over: Partial<Change> = {}): Change => ({
  id: 'deployment-512',
  target: 'api',
  kind: 'deployment',
  summary: 'api:511 → api:512',
  at: { earliest: NOW - minutesAgo * MINUTE - 10_000, latest: NOW - minutesAgo * MINUTE },
  source: 'ecs',
  deployment: { version: 'api:512', previous: 'api:511', state: 'completed' },
  ...over,
});

const newVersion = (minutesAgo: number): EcsServiceAnswer =>
  service({
    version: 'api:512',
    controller: 'ecs',
    versions: [{ version: 'api:511', completedAt: null, servedFrom: null, servedUntil: null, failed: false }],
    deployments: [
      { ...service().deployments[0]!, version: 'api:512', createdAt: NOW - minutesAgo * MINUTE, updatedAt: NOW },
    ],
    tasks: [0, 1, 2, 3, 4, 5].map((index) =>
      task(index, { version: 'api:512', startedAt: NOW - (minutesAgo - 1) * MINUTE }),
    ),
  });

const killed = (minutesAgo: number): StoppedTask => ({
  id: id(9),
  version: 'api:511',
  kind: 'out-of-memory',
  stopCode: 'EssentialContainerExited',
  reason: 'OutOfMemoryError: Container killed due to memory usage',
  startedAt: NOW - 20 * 3_600_000,
  stoppedAt: NOW - minutesAgo * MINUTE,
  containers: [{ name: 'api', exitCode: 137, reason: 'OutOfMemoryError' }],
});

const CALM = {
  'ecs.service': service(),
  changes: { changes: [] },
  'logs.errors': {
    from: NOW - 15 * MINUTE,
    to: NOW,
    logGroup: '/aws/ecs/rastup-prod/api-service',
    partial: false,
    count: 4,
    before: 8,
    beforeSeconds: 600,
    templates: [],
    byTask: {},
  },
};

/** From 60 % to 86 % in forty minutes. */
const LEAK = Array.from({ length: 40 }, (_, index) => 0.6 + 0.0066 * index + 0.004 * Math.sin(index));
const leaking = one('memory', LEAK, { ...ratio, band: { expected: 0.58, lower: 0.5, upper: 0.66 } });

const others =
  (limit: number, but: readonly string[] = []) =>
  (diagnosis: { causes: readonly { cause: string; variant: string | null; confidence: number }[] }) =>
    expect(
      diagnosis.causes.slice(1).filter((cause) => cause.confidence >= limit && !but.includes(cause.cause)),
    ).toEqual([]);

describeDetector(detector, {
  target: API,
  silent: [
    { name: 'a quiet service', readings: [cpu(0.4, [0.41, 0.42]), memory(0.6, [0.61, 0.6])] },
    { name: 'two periods of five above the limit', readings: [cpu(0.4, [0.5, 0.85, 0.6, 0.88])] },
    { name: 'high, and over', readings: [cpu(0.4, [0.9, 0.92, 0.91, 0.7])] },
    {
      name: 'a task that starts and is busy for a minute',
      readings: [cpu(0.4, [0.5]), minutes('cpu_max', 0.5, [0.99])],
    },
    { name: 'below the clearing limit', readings: [cpu(0.4, [0.9, 0.9, 0.74])], active: ['cpu'] },
    { name: 'only memory is known', readings: [memory(0.5, [0.5])] },
  ],
  firing: [
    {
      name: 'CPU for three periods, which explains and pages nobody',
      readings: [cpu(0.45, HOT), requests()],
      subject: 'cpu',
      severity: 'info',
      headline: /^CPU 91 % \(baseline 45 %\)$/,
    },
    {
      name: 'CPU with slow answers beside it',
      readings: [cpu(0.45, HOT), p95(SLOW)],
      subject: 'cpu',
      severity: 'warning',
    },
    {
      name: 'CPU with failing requests beside it',
      readings: [cpu(0.45, HOT), requests(), minutes('errors', 10, [60, 200])],
      subject: 'cpu',
      severity: 'warning',
    },
    {
      name: 'a few more errors than ever are not failing requests',
      readings: [cpu(0.45, HOT), requests(), minutes('errors', 1, [4])],
      subject: 'cpu',
      severity: 'info',
    },
    { name: 'CPU at its end', readings: [cpu(0.45, [0.97, 0.98, 0.99])], subject: 'cpu', severity: 'warning' },
    {
      name: 'CPU at its end and slow answers',
      readings: [cpu(0.45, [0.97, 0.98, 0.99]), p95(SLOW)],
      subject: 'cpu',
      severity: 'error',
    },
    {
      name: 'a worker that always runs at its end',
      readings: [cpu(0.97, [0.97, 0.98, 0.99])],
      subject: 'cpu',
      severity: 'info',
    },
    {
      name: 'one task alone',
      readings: [cpu(0.4, [0.42, 0.44, 0.43]), minutes('cpu_max', 0.5, [0.97, 0.99, 0.98])],
      subject: 'cpu',
      severity: 'info',
      headline: /^CPU of one task 98 %, mean 43 %$/,
    },
    {
      name: 'memory that has always been high',
      readings: [memory(0.84, [0.85, 0.84, 0.84])],
      subject: 'memory',
      severity: 'info',
    },
    {
      name: 'memory that will be full within two hours',
      readings: [leaking],
      subject: 'memory',
      severity: 'error',
      headline: /^memory 86 % \(baseline 58 %\), full in 2\d min$/,
    },
    {
      name: 'memory that grows slowly',
      readings: [
        one(
          'memory',
          LEAK.map((value) => 0.8 + (value - 0.6) / 4),
          {
            ...ratio,
            band: { expected: 0.6, lower: 0.5, upper: 0.7 },
          },
        ),
      ],
      subject: 'memory',
      severity: 'warning',
    },
    { name: 'memory at its end', readings: [memory(0.6, [0.95, 0.96, 0.96])], subject: 'memory', severity: 'error' },
    {
      name: 'memory beside quiet CPU',
      readings: [cpu(0.4, [0.4]), memory(0.6, [0.83, 0.84, 0.85])],
      subject: 'memory',
    },
    {
      name: 'above the clearing limit while it fires',
      readings: [cpu(0.4, [0.9, 0.76])],
      active: ['cpu'],
      subject: 'cpu',
    },
  ],
  missing: [
    { name: 'neither CPU nor memory', readings: [requests(), p95(SLOW)] },
    {
      name: 'readings that ended',
      readings: [cpu(0.4, HOT), memory(0.5, [0.5])].map((one) => ({ ...one, freshness: 'missing' as const })),
    },
  ],
  causes: [
    {
      name: 'a rush of visitors',
      readings: [
        cpu(0.45, HOT),
        minutes(
          'cpu_max',
          0.5,
          HOT.map((value) => value + 0.04),
        ),
        requests([9000, 10_400, 10_700, 10_500, 10_600]),
        p95(SLOW),
      ],
      answers: CALM,
      first: { cause: 'traffic-surge' },
      atLeast: 0.85,
      commands: [
        /^aws ecs update-service --region us-east-1 --cluster rastup-prod --service api-service --desired-count 10$/,
        /npm run metrics:infra -- --services=api --metrics=cpu,memory/,
      ],
      check: (diagnosis) => {
        others(0.3)(diagnosis);
        const scale = diagnosis.causes[0]?.mitigations[0];
        expect(scale).toMatchObject({
          undo: 'aws ecs update-service --region us-east-1 --cluster rastup-prod --service api-service --desired-count 6',
        });
        expect(diagnosis.causes[0]?.evidence[0]?.headline).toBe('with 1.9× the usual requests');
      },
    },
    {
      name: 'a version that costs twice the CPU: both the code and its deployment',
      readings: [cpu(0.45, HOT), minutes('cpu_max', 0.5, HOT), requests(), p95(SLOW)],
      answers: { ...CALM, 'ecs.service': newVersion(9), changes: { changes: [deployed(8)] } },
      first: { cause: 'less-efficient-code' },
      atLeast: 0.9,
      commands: [
        /npm run deploy:rollback -- --service=api --to-version=api:511/,
        /npm run profile:cpu -- --service=api --duration=60s/,
        /npm run profile:download -- --service=api --type=cpu --output=cpu-profile.cpuprofile/,
      ],
      check: (diagnosis) => {
        others(0.3, ['recent-deployment'])(diagnosis);
        expect(diagnosis.causes[1]).toMatchObject({ cause: 'recent-deployment', variant: null });
        expect(diagnosis.causes[1]!.confidence).toBeGreaterThanOrEqual(0.5);
      },
    },
    {
      name: 'a deployment that made memory jump',
      readings: [memory(0.6, [0.83, 0.84, 0.84, 0.83, 0.84]), requests()],
      answers: { ...CALM, 'ecs.service': newVersion(7), changes: { changes: [deployed(7)] } },
      first: { cause: 'recent-deployment' },
      atLeast: 0.75,
      commands: [/deploy:rollback/],
      check: others(0.3),
    },
    {
      name: 'a deployment that ECS has taken back already',
      readings: [memory(0.6, [0.83, 0.84, 0.84, 0.83, 0.84]), requests()],
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
        changes: { changes: [deployed(7)] },
      },
      first: { cause: 'recent-deployment', variant: 'rolled-back' },
      atLeast: 0.8,
      check: others(0.3),
    },
    {
      name: 'a deployment after it began is not the cause',
      readings: [cpu(0.45, HOT), requests(), p95(SLOW)],
      answers: { ...CALM, changes: { changes: [deployed(1)] } },
      check: (diagnosis) => {
        const all = [...diagnosis.causes, ...diagnosis.ruledOut];
        for (const cause of ['recent-deployment', 'less-efficient-code'])
          expect(all.find((one) => one.cause === cause)?.confidence).toBeLessThan(0.3);
      },
    },
    {
      name: 'a deployment before a surge is not the cause',
      readings: [cpu(0.45, HOT), requests([9000, 10_400, 10_700, 10_500, 10_600]), p95(SLOW)],
      answers: { ...CALM, 'ecs.service': newVersion(12), changes: { changes: [deployed(12)] } },
      first: { cause: 'traffic-surge' },
      atLeast: 0.85,
      check: others(0.3),
    },
    {
      name: 'one task among six, seen by Container Insights',
      readings: [
        cpu(0.4, [0.42, 0.44, 0.43]),
        minutes('cpu_max', 0.5, [0.97, 0.99, 0.98]),
        ...tasks([[0.97, 0.98, 0.98], ...[0.3, 0.31, 0.33, 0.32, 0.31].map((value) => [value, value, value])]),
        requests(),
      ],
      answers: CALM,
      first: { cause: 'bad-task', variant: 'hot-task' },
      atLeast: 0.85,
      commands: [
        /^aws ecs stop-task --region us-east-1 --cluster rastup-prod --task 111111110123456789abcdef01234567 --reason "far busier than the others"$/,
      ],
      check: others(0.3),
    },
    {
      name: 'one task, without knowing which: its command is withheld',
      readings: [cpu(0.4, [0.42, 0.44, 0.43]), minutes('cpu_max', 0.5, [0.97, 0.99, 0.98]), requests()],
      answers: CALM,
      first: { cause: 'bad-task', variant: 'hot-task' },
      atLeast: 0.7,
      check: (diagnosis) => {
        const stop = diagnosis.causes[0]?.mitigations.find((one) => one.id === 'stop-hot-task');
        expect(stop).toHaveProperty('withheld');
      },
    },
    {
      name: 'memory that grows with flat traffic',
      readings: [leaking, requests(), cpu(0.4, [0.42])],
      answers: CALM,
      first: { cause: 'memory-leak' },
      atLeast: 0.85,
      verdict: 'cause',
      commands: [
        /^aws ecs update-service --region us-east-1 --cluster rastup-prod --service api-service --force-new-deployment$/,
        /npm run profile:heap -- --service=api$/,
        /npm run profile:download -- --service=api --type=heap --output=heap-snapshot\.heapsnapshot/,
        /npm run metrics:memory -- --window=1h --group-by=task/,
      ],
      check: (diagnosis) => {
        others(0.3)(diagnosis);
        expect(diagnosis.causes[0]?.evidence[0]?.observed).toMatch(
          /^memory went from 6\d % to 86 % in 39 min, steadily/,
        );
      },
    },
    {
      name: 'memory that grows, with tasks that ran out of it',
      readings: [leaking, requests()],
      answers: { ...CALM, 'ecs.service': service({ stopped: [killed(6)] }) },
      first: { cause: 'memory-leak' },
      atLeast: 0.93,
    },
    {
      name: 'memory that is full at once, and tasks that are killed for it',
      readings: [memory(0.5, [0.95, 0.96, 0.97, 0.96, 0.97, 0.96]), requests()],
      answers: { ...CALM, 'ecs.service': service({ running: 2, stopped: [killed(1), killed(2), killed(3)] }) },
      first: { cause: 'service-crashed', variant: 'out-of-memory' },
      atLeast: 0.9,
    },
    {
      name: 'memory that grows because the traffic does is no leak',
      readings: [leaking, requests(LEAK.map((value) => 5400 + (value - 0.6) * 18_000))],
      answers: CALM,
      check: (diagnosis) => {
        const leak = diagnosis.causes.find((one) => one.cause === 'memory-leak');
        expect(leak?.confidence).toBeLessThan(0.5);
      },
    },
    {
      name: 'CPU at its reservation on Fargate, with no more work than before',
      readings: [
        cpu(0.85, [0.99, 0.995, 0.99, 1, 0.995, 1], { band: { expected: 0.9, lower: 0.8, upper: 0.96 } }),
        requests(),
        p95(SLOW),
      ],
      answers: CALM,
      first: { cause: 'service-saturated', variant: 'cpu-throttled' },
      atLeast: 0.85,
      commands: [/update-service .* --desired-count 10/],
      check: others(0.3),
    },
    {
      name: 'nothing could be seen',
      readings: [cpu(0.45, HOT)],
      answers: {
        series: unknownAnswer('no_data', 'api has no such signal'),
        'ecs.service': unknownAnswer('denied', 'ecs:DescribeServices is denied', 'ecs:DescribeServices'),
      },
      verdict: 'inconclusive',
      check: (diagnosis) => expect(diagnosis.causes.every((one) => one.confidence <= 0.2)).toBe(true),
    },
  ],
});
