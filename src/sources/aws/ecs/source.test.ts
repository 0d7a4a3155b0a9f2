import { pino } from 'pino';
import { expect, test } from 'vitest';
import type { EcsServiceAnswer } from '../../../model/aws.ts';
import { RunbookdError } from '../../../model/errors.ts';
import type { Answer, QuestionKind } from '../../../model/question.ts';
import type { PollResult, Source } from '../../../model/source.ts';
import { createEcsSource, type EcsSourceOptions } from './source.ts';
import {
  CLUSTER,
  deny,
  deployment,
  digest,
  event,
  type FakeAws,
  type FakeService,
  fakeEcs,
  service,
  stopped,
  task,
} from './testdata.ts';

const { signal } = new AbortController();
const T = Date.UTC(2026, 10, 23, 14, 0, 0);
const DAY = 24 * 60 * 60_000;
const MINUTE = 60_000;
const NAMES = { target: 'api', cluster: CLUSTER, service: 'api-service', targetGroup: null, loadBalancer: null };

function open(aws: FakeAws, more: Partial<EcsSourceOptions> = {}): Source {
  return createEcsSource({
    name: 'ecs',
    aws,
    services: [NAMES],
    periodMs: 15_000,
    taskDefinitions: false,
    log: pino({ level: 'silent' }),
    ...more,
  });
}

/** A service that has run revision 511 for a day, with two tasks. */
function steady(): { readonly aws: FakeAws; readonly api: FakeService } {
  const api: FakeService = {
    service: service('api-service', { deployments: [deployment('511', 'api:511', T - DAY)] }),
    tasks: [task('a1', 'api:511', '511', T - DAY), task('a2', 'api:511', '511', T - DAY)],
  };
  return { aws: fakeEcs(new Map([['api-service', api]])), api };
}

const latest = (result: PollResult, name: string): number | undefined =>
  result.series.find((one) => one.signal === name)?.values[0];
const summaries = (result: PollResult): readonly string[] => result.changes.map(({ summary }) => summary);
const ids = (result: PollResult): readonly string[] => result.changes.map(({ id }) => id);

async function ask<K extends QuestionKind>(source: Source, kind: K, now: number): Promise<Answer<K>> {
  const window = { from: now - 60 * MINUTE, to: now };
  return (await source.answer({ kind, target: 'api', window, params: {} } as never, now, signal)) as Answer<K>;
}

async function seen(source: Source, now: number): Promise<EcsServiceAnswer> {
  const answer = await ask(source, 'ecs.service', now);
  if (answer.state !== 'answered') throw new Error(answer.detail);
  return answer.value;
}

test('a steady service has counts, no changes and a look at its tasks in five minutes', async () => {
  const { aws } = steady();
  const source = open(aws);
  const first = await source.poll('ecs', T, signal);
  expect(Object.fromEntries(first.series.map((one) => [one.signal, one.values[0]]))).toEqual({
    running_tasks: 2,
    desired_tasks: 2,
    pending_tasks: 0,
    crashed_tasks: 0,
    deployment_seconds: 0,
    deployment_failed_tasks: 0,
  });
  expect(first).toMatchObject({ changes: [], blind: [] });
  aws.calls.length = 0;
  for (let n = 1; n <= 20; n += 1) await source.poll('ecs', T + n * 15_000, signal);
  const by = (action: string) => aws.calls.filter((call) => call.action === action).length;
  expect([by('ecs:DescribeServices'), by('ecs:ListTasks'), by('ecs:DescribeTasks')]).toEqual([20, 2, 1]);
  const answer = await ask(source, 'ecs.service', T + 5 * MINUTE);
  expect(answer).toMatchObject({ state: 'answered', source: `api: ecs:DescribeServices ${CLUSTER}/api-service` });
  const value = await seen(source, T + 5 * MINUTE);
  expect(value).toMatchObject({ version: 'api:511', controller: 'ecs', taskCpuUnits: 512, taskMemoryMiB: 1024 });
  expect(value.history).toHaveLength(21);
  expect(value.tasks[0]?.images).toEqual([digest('a')]);
  expect(JSON.stringify(answer)).not.toMatch(/hunter2|DB_PASSWORD/);
});

test('a deployment that succeeds is told when it starts and when it completes, each once', async () => {
  const { aws, api } = steady();
  const source = open(aws);
  await source.poll('ecs', T, signal);
  const rolling = { rolloutState: 'IN_PROGRESS', runningCount: 0, pendingCount: 2 } as const;
  const old = deployment('511', 'api:511', T - DAY, { status: 'ACTIVE' });
  api.service.deployments = [deployment('512', 'api:512', T + 10_000, rolling), old];
  const started = await source.poll('ecs', T + 15_000, signal);
  expect(started.changes).toMatchObject([
    {
      id: `ecs:${CLUSTER}/api-service:ecs-svc/512:started`,
      kind: 'deployment',
      target: 'api',
      summary: 'api-service: deployment of api:512 started, before it api:511',
      at: { earliest: T + 10_000, latest: T + 10_000 },
      deployment: { version: 'api:512', previous: 'api:511', state: 'started' },
    },
  ]);
  expect(latest(started, 'deployment_seconds')).toBe(5);
  expect((await seen(source, T + 16_000)).versions.map((one) => one.version)).toContain('api:511');
  expect((await source.poll('ecs', T + 30_000, signal)).changes).toEqual([]);
  api.service.deployments = [deployment('512', 'api:512', T + 10_000)];
  api.service.events = [event(T + 40_000, '(service api-service) (deployment ecs-svc/512) deployment completed.')];
  const completed = await source.poll('ecs', T + 45_000, signal);
  expect(completed.changes).toMatchObject([
    { at: { earliest: T + 40_000, latest: T + 40_000 }, deployment: { state: 'completed', version: 'api:512' } },
  ]);
  expect(latest(completed, 'deployment_seconds')).toBe(0);
  expect((await source.poll('ecs', T + 60_000, signal)).changes).toEqual([]);
});

const FAILED = '(service api-service) (deployment ecs-svc/512) deployment failed: tasks failed to start.';
const CIRCUIT = 'ECS deployment circuit breaker: tasks failed to start.';

test.each([
  ['the old deployment comes back under its own id', '511'],
  ['the old revision comes back as a new deployment', '513'],
])('a rollback by the circuit breaker is told as such, and never as a deployment: %s', async (_how, id) => {
  const { aws, api } = steady();
  const source = open(aws);
  await source.poll('ecs', T, signal);
  const old = deployment('511', 'api:511', T - DAY, { status: 'ACTIVE' });
  api.service.deployments = [
    deployment('512', 'api:512', T + 10_000, { rolloutState: 'IN_PROGRESS', runningCount: 0, failedTasks: 2 }),
    old,
  ];
  const during = await source.poll('ecs', T + 15_000, signal);
  expect(latest(during, 'deployment_failed_tasks')).toBe(2);
  const at = T + 10 * MINUTE;
  api.service.deployments = [
    deployment(id, 'api:511', id === '511' ? T - DAY : at, {
      rolloutState: 'IN_PROGRESS',
      rolloutStateReason: 'ECS deployment circuit breaker: rolling back to deploymentId ecs-svc/511.',
    }),
    deployment('512', 'api:512', T + 10_000, {
      status: 'ACTIVE',
      rolloutState: 'FAILED',
      rolloutStateReason: CIRCUIT,
      runningCount: 0,
    }),
  ];
  api.service.events = [
    event(at, `(service api-service) rolling back to deployment ecs-svc/${id}.`),
    event(at - 1, FAILED),
  ];
  const back = await source.poll('ecs', at + 5_000, signal);
  expect(summaries(back)).toEqual([
    'api-service: deployment of api:512 failed: tasks failed to start',
    'api-service: deployment of api:512 rolled back to api:511: tasks failed to start',
  ]);
  expect(back.changes.at(-1)).toMatchObject({
    at: { earliest: at, latest: at },
    deployment: { version: 'api:512', previous: 'api:511', state: 'rolled_back' },
  });
  // An old deployment that is brought back has not been in progress since yesterday.
  expect(latest(back, 'deployment_seconds')).toBeLessThanOrEqual(5);
  const value = await seen(source, at + 6_000);
  expect(value).toMatchObject({ version: 'api:511' });
  expect(value.rolledBack).toEqual({
    at: { earliest: at, latest: at },
    from: 'api:512',
    to: 'api:511',
    reason: 'tasks failed to start',
  });
  api.service.deployments = [deployment(id, 'api:511', id === '511' ? T - DAY : at)];
  api.service.events.unshift(
    event(at + MINUTE, `(service api-service) (deployment ecs-svc/${id}) deployment completed.`),
  );
  expect((await source.poll('ecs', at + 2 * MINUTE, signal)).changes).toEqual([]);
});

test('a first poll after a rollback tells it, with the revision from the tasks that it started', async () => {
  const { aws, api } = steady();
  api.service.deployments = [deployment('513', 'api:511', T - 20 * MINUTE)];
  api.service.events = [
    event(T - 20 * MINUTE, '(service api-service) rolling back to deployment ecs-svc/513.'),
    event(T - 20 * MINUTE - 1, FAILED),
  ];
  api.tasks.push(stopped(task('b1', 'api:512', '512', T - 30 * MINUTE), T - 25 * MINUTE));
  const result = await open(aws).poll('ecs', T, signal);
  expect(summaries(result)).toEqual([
    'api-service: deployment of api:512 rolled back to api:511: tasks failed to start',
  ]);
});

test('without a word in the events the service deployments say that it was taken back', async () => {
  const { aws, api } = steady();
  aws.handlers['ecs:ListServiceDeployments'] = () => ({
    serviceDeployments: [{ serviceDeploymentArn: 'arn:sd', status: 'ROLLBACK_SUCCESSFUL' }],
  });
  aws.handlers['ecs:DescribeServiceDeployments'] = () => ({
    serviceDeployments: [
      {
        status: 'ROLLBACK_SUCCESSFUL',
        createdAt: new Date(T - 30 * MINUTE),
        rollback: {
          reason: 'Service deployment rolled back because of alarm api-5xx.',
          startedAt: new Date(T - 20 * MINUTE),
        },
      },
    ],
  });
  api.service.deployments = [
    deployment('513', 'api:511', T - 20 * MINUTE),
    deployment('512', 'api:512', T - 30 * MINUTE, { status: 'ACTIVE', rolloutState: 'FAILED' }),
  ];
  const source = open(aws);
  expect(summaries(await source.poll('ecs', T, signal))).toContain(
    'api-service: deployment of api:512 rolled back to api:511: Service deployment rolled back because of alarm api-5xx',
  );
  await source.poll('ecs', T + 2 * MINUTE, signal);
  expect(aws.calls.filter(({ action }) => action === 'ecs:ListServiceDeployments')).toHaveLength(1);
});

test('a crash loop is counted by what ended, not by what was wanted', async () => {
  const { aws, api } = steady();
  const source = open(aws);
  await source.poll('ecs', T, signal);
  const oom = { name: 'api', exitCode: 137, reason: 'OutOfMemoryError: Container killed due to memory usage' };
  const slow = {
    stopCode: 'ServiceSchedulerInitiated',
    stoppedReason: 'Scaling activity initiated by (deployment ecs-svc/511)',
  } as const;
  api.tasks = [
    task('c1', 'api:511', '511', T + 10_000),
    stopped(task('a1', 'api:511', '511', T - DAY), T + 5_000, { containers: [oom] }),
    stopped(task('a2', 'api:511', '511', T - DAY), T + 6_000, { exitCode: 1 }),
    stopped(task('a3', 'api:511', '511', T - DAY), T + 7_000, { exitCode: 137, ...slow }),
  ];
  api.service = {
    ...api.service,
    runningCount: 1,
    events: [event(T + 10_000, '(service api-service) has started 1 tasks: (task c1).')],
  };
  const result = await source.poll('ecs', T + 15_000, signal);
  expect([latest(result, 'crashed_tasks'), latest(result, 'running_tasks')]).toEqual([2, 1]);
  const value = await seen(source, T + 16_000);
  expect(value.stopped.map(({ id, kind }) => [id, kind])).toEqual([
    ['a3', 'slow-shutdown'],
    ['a2', 'essential-container-exited'],
    ['a1', 'out-of-memory'],
  ]);
  expect(value.stopped[2]?.containers[0]).toMatchObject({
    exitCode: 137,
    reason: expect.stringMatching(/OutOfMemory/),
  });
  // Ten minutes later they are no crashes of now any more, but are still known when ECS has forgotten them.
  api.tasks = [task('c1', 'api:511', '511', T + 10_000)];
  expect(latest(await source.poll('ecs', T + 11 * MINUTE, signal), 'crashed_tasks')).toBe(0);
  expect((await seen(source, T + 50 * MINUTE)).stopped).toHaveLength(3);
});

test('a task that vanished from every list is asked for by its id', async () => {
  const { aws, api } = steady();
  const source = open(aws);
  await source.poll('ecs', T, signal);
  const list = aws.handlers['ecs:ListTasks']!;
  aws.handlers['ecs:ListTasks'] = (input) => (input.desiredStatus === 'STOPPED' ? { taskArns: [] } : list(input));
  api.tasks[1] = stopped(api.tasks[1]!, T + 5_000);
  api.service.events = [event(T + 10_000, '(service api-service) has started 1 tasks: (task c1).')];
  expect(latest(await source.poll('ecs', T + 15_000, signal), 'crashed_tasks')).toBe(1);
});

test('an image that cannot be pulled and a cluster without room are told by kind', async () => {
  const { aws, api } = steady();
  const pull =
    'CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref 123456789012.dkr.ecr.us-east-1.amazonaws.com/api:v2: not found';
  const { startedAt: _, ...never } = task('b1', 'api:511', '511', T - MINUTE);
  api.tasks.push(
    stopped(never, T - 30_000, { stopCode: 'TaskFailedToStart', stoppedReason: pull, containers: [{ name: 'api' }] }),
  );
  const place = '(service api-service) was unable to place a task. Reason:';
  api.service.events = [
    event(T - 20_000, `${place} You've reached the limit on the number of vCPUs you can run concurrently`),
    event(T - 30_000, `${place} ${pull}`),
    event(T - 2 * DAY, `${place} Capacity is unavailable at this time.`),
  ];
  const source = open(aws);
  await source.poll('ecs', T, signal);
  const value = await seen(source, T);
  expect(value.stopped).toMatchObject([{ kind: 'image-pull', startedAt: null, stopCode: 'TaskFailedToStart' }]);
  expect(value.events.map(({ kind }) => kind)).toEqual(['placement-failure', 'start-impaired']);
  const capacity = await ask(source, 'ecs.capacity', T);
  expect(capacity).toMatchObject({
    state: 'answered',
    value: { onInstances: false, fitting: null, neededCpuUnits: 512, placementFailures: [{ lacks: 'quota' }] },
  });
});

test('a restart in the middle tells nothing twice and keeps the stopped tasks', async () => {
  const { aws, api } = steady();
  const before = open(aws);
  await before.poll('ecs', T, signal);
  api.service.deployments = [
    deployment('512', 'api:512', T + 10_000, { rolloutState: 'IN_PROGRESS' }),
    deployment('511', 'api:511', T - DAY, { status: 'ACTIVE' }),
  ];
  api.tasks.push(stopped(task('b1', 'api:512', '512', T + 10_000), T + 12_000));
  expect(ids(await before.poll('ecs', T + 15_000, signal))).toHaveLength(1);
  const state = before.snapshot()!;

  const after = open(aws);
  after.restore(state);
  api.tasks = api.tasks.filter((one) => one.desiredStatus === 'RUNNING');
  api.service.desiredCount = 4;
  const result = await after.poll('ecs', T + 5 * MINUTE, signal);
  expect(result.changes).toMatchObject([
    {
      kind: 'setting',
      summary: 'api-service: desired count 2 → 4',
      at: { earliest: T + 15_000, latest: T + 5 * MINUTE },
    },
  ]);
  expect(latest(result, 'crashed_tasks')).toBe(1);
  expect(await seen(after, T + 5 * MINUTE)).toMatchObject({ stopped: [{ id: 'b1' }] });

  // Without the memory, the last two hours are told again under the same id, which the store knows.
  const blank = open(aws);
  expect(ids(await blank.poll('ecs', T + 5 * MINUTE, signal))).toEqual([
    `ecs:${CLUSTER}/api-service:ecs-svc/512:started`,
  ]);
});

test('a snapshot that is damaged, or of another service, is left out', () => {
  const { aws } = steady();
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
  const source = open(aws);
  const fresh = source.snapshot()!;
  const other = { of: 'other/api-service', desired: 9 };
  const odd = {
    of: `${CLUSTER}/api-service`,
    stopped: [7, { id: 'x' }],
    counts: 'x',
    deployments: [{}],
    rollbacks: [{ at: 1 }],
  };
  for (const each of [
    new Uint8Array([0xff, 0xfe]),
    bytes('null'),
    bytes('{"version":99,"services":{}}'),
    bytes(JSON.stringify({ version: 1, services: { api: 3 } })),
    bytes(JSON.stringify({ version: 1, services: { api: other } })),
    bytes(JSON.stringify({ version: 1, services: { api: odd } })),
  ]) {
    source.restore(each);
    expect(new TextDecoder().decode(source.snapshot()!)).toBe(new TextDecoder().decode(fresh));
  }
});

test('a tag that was moved shows as another image under the same revision, once', async () => {
  const { aws, api } = steady();
  const source = open(aws);
  await source.poll('ecs', T, signal);
  const fresh = [
    { name: 'api', imageDigest: digest('b') },
    { name: 'aws-guardduty-agent-x', imageDigest: digest('c') },
  ];
  api.tasks.push(task('n1', 'api:511', '511', T + 30_000, { containers: fresh }));
  api.service.events = [event(T + 30_000, '(service api-service) has started 1 tasks: (task n1).')];
  const result = await source.poll('ecs', T + 60_000, signal);
  expect(result.changes).toMatchObject([
    {
      kind: 'deployment',
      at: { earliest: T + 30_000, latest: T + 50_000 },
      deployment: { version: 'api:511', previous: 'api:511', images: [digest('b')] },
    },
  ]);
  api.tasks.push(task('n2', 'api:511', '511', T + 70_000, { containers: fresh }));
  for (const at of [75_000, 6 * MINUTE]) expect((await source.poll('ecs', T + at, signal)).changes).toEqual([]);
});

test('tasks that may not be listed are unseen and not uncrashed, the counts go on', async () => {
  const { aws, api } = steady();
  aws.denied.add('ecs:ListTasks');
  api.service.runningCount = 0;
  const source = open(aws);
  const result = await source.poll('ecs', T, signal);
  expect(latest(result, 'running_tasks')).toBe(0);
  expect(latest(result, 'crashed_tasks')).toBeUndefined();
  expect(result.blind).toMatchObject([
    { target: 'api', check: 'ecs tasks', because: 'denied', grant: 'iam: allow ecs:ListTasks' },
  ]);
  await source.poll('ecs', T + 15_000, signal);
  expect(aws.calls.filter(({ action }) => action === 'ecs:ListTasks')).toHaveLength(1);
  const answer = await ask(source, 'ecs.service', T + 20_000);
  expect(answer).toMatchObject({ state: 'unknown', because: 'denied', grant: 'iam: allow ecs:ListTasks' });
  expect(await ask(source, 'ecs.capacity', T + 20_000)).toMatchObject({ state: 'answered' });
  aws.denied.clear();
  expect((await source.poll('ecs', T + 2 * MINUTE, signal)).blind).toEqual([]);
});

test('a look that failed when one was called for leaves crashes unknown, and is made up for at once', async () => {
  const { aws, api } = steady();
  const source = open(aws);
  expect(latest(await source.poll('ecs', T, signal), 'crashed_tasks')).toBe(0);
  const list = aws.handlers['ecs:ListTasks']!;
  aws.handlers['ecs:ListTasks'] = () => {
    throw new RunbookdError('AWS_THROTTLED', ['AWS us-east-1', 'ecs:ListTasks']);
  };
  api.tasks = [stopped(task('a1', 'api:511', '511', T - DAY), T + 5_000), task('a2', 'api:511', '511', T - DAY)];
  const started = event(T + 10_000, '(service api-service) has started 1 tasks: (task c1).');
  api.service = { ...api.service, runningCount: 1, events: [started] };
  const blind = await source.poll('ecs', T + 15_000, signal);
  expect(latest(blind, 'running_tasks')).toBe(1);
  expect(latest(blind, 'crashed_tasks')).toBeUndefined();
  expect(blind.blind).toMatchObject([{ check: 'ecs tasks', signals: ['crashed_tasks'] }]);
  aws.handlers['ecs:ListTasks'] = list;
  const well = await source.poll('ecs', T + 30_000, signal);
  expect(latest(well, 'crashed_tasks')).toBe(1);
  expect(well.blind).toEqual([]);
});

test('what became of a failed deployment is blind while it may not be asked, in the poll and in the answer', async () => {
  const { aws, api } = steady();
  aws.denied.add('ecs:ListServiceDeployments');
  // Of the deployment there is nothing left but that it failed.
  api.service.events = [event(T - 20 * MINUTE, FAILED)];
  const source = open(aws);
  const grant = 'iam: allow ecs:ListServiceDeployments';
  expect((await source.poll('ecs', T, signal)).blind).toMatchObject([{ check: 'ecs rollbacks', grant }]);
  expect(await ask(source, 'ecs.service', T + 20_000)).toMatchObject({ state: 'answered', unseen: [{ grant }] });
  aws.denied.clear();
  aws.handlers['ecs:ListServiceDeployments'] = () => ({ serviceDeployments: [] });
  expect((await source.poll('ecs', T + 2 * MINUTE, signal)).blind).toEqual([]);
});

test.each([
  ['MISSING', null],
  ['INACTIVE', 'INACTIVE'],
])('a service that is %s is named, with what to check', async (reason, status) => {
  const gone: FakeService = { service: service('api-service', { status: status ?? '' }), tasks: [] };
  const source = open(fakeEcs(status === null ? new Map() : new Map([['api-service', gone]])));
  const result = await source.poll('ecs', T, signal);
  expect(result.series).toEqual([]);
  expect(result.blind).toMatchObject([
    {
      target: 'api',
      check: 'ecs service',
      because: 'not_configured',
      detail: expect.stringMatching(new RegExp(`us-east-1.*api-service in cluster ${CLUSTER} \\(${reason}`)),
      grant: expect.stringMatching(/services\.api\.ecs.*region.*account/),
    },
  ]);
  expect(await ask(source, 'ecs.service', T)).toMatchObject({ state: 'unknown', because: 'not_configured' });
});

test('a cluster that is not there is a name to check, for each of its services', async () => {
  const { aws } = steady();
  aws.handlers['ecs:DescribeServices'] = () => {
    throw new RunbookdError('AWS_NOT_FOUND', ['AWS us-east-1', 'ecs:DescribeServices', 'Cluster not found.']);
  };
  const { series, blind } = await open(aws).poll('ecs', T, signal);
  expect(series).toEqual([]);
  expect(blind).toMatchObject([{ target: 'api', because: 'not_configured', grant: expect.stringMatching(/region/) }]);
});

test('a throttled look is answered with what was seen less than a minute ago, and not with older', async () => {
  const { aws } = steady();
  const source = open(aws);
  await source.poll('ecs', T, signal);
  aws.handlers['ecs:DescribeServices'] = aws.handlers['ecs:ListTasks'] = () => {
    throw new RunbookdError('AWS_THROTTLED', ['AWS us-east-1', 'ecs:DescribeServices']);
  };
  expect(await ask(source, 'ecs.service', T + 30_000)).toMatchObject({ state: 'answered', at: T });
  expect(await ask(source, 'ecs.service', T + 2 * MINUTE)).toMatchObject({ state: 'unknown', because: 'error' });
});

test('one service that a policy leaves out does not hide the others', async () => {
  const all = new Map(
    ['a', 'b', 'c'].map((name): [string, FakeService] => [
      name,
      { service: service(name, { deployments: [deployment('1', `${name}:1`, T - DAY)] }), tasks: [] },
    ]),
  );
  const aws = fakeEcs(all);
  const describeServices = aws.handlers['ecs:DescribeServices']!;
  aws.handlers['ecs:DescribeServices'] = (input) => {
    if (input.services?.includes('b')) throw deny('ecs:DescribeServices');
    return describeServices(input);
  };
  const services = ['a', 'b', 'c'].map((name) => ({ ...NAMES, target: name, service: name }));
  const source = open(aws, { services });
  const first = await source.poll('ecs', T, signal);
  expect(first.blind).toMatchObject([{ target: 'b', because: 'denied' }]);
  expect(new Set(first.series.map(({ target }) => target))).toEqual(new Set(['a', 'c']));
  aws.calls.length = 0;
  const second = await source.poll('ecs', T + 15_000, signal);
  expect(second.blind).toHaveLength(1);
  expect(aws.calls.filter(({ action }) => action === 'ecs:DescribeServices')).toHaveLength(1);
});

/** Calls of a minute, after the first looks, by action. */
async function callsOfAMinute(moving: boolean): Promise<number> {
  const names = Array.from({ length: 50 }, (_, n) => `svc-${n}`);
  const all = new Map(
    names.map((name): [string, FakeService] => [
      name,
      {
        service: service(name, {
          deployments: [deployment('1', `${name}:1`, T - MINUTE)],
          runningCount: moving ? 1 : 2,
        }),
        tasks: [task(`${name}-1`, `${name}:1`, '1', T - DAY), task(`${name}-2`, `${name}:1`, '1', T - DAY)],
      },
    ]),
  );
  const aws = fakeEcs(all);
  const source = open(aws, { services: names.map((name) => ({ ...NAMES, target: name, service: name })) });
  for (let n = 0; n < 8; n += 1) await source.poll('ecs', T + n * 15_000, signal);
  aws.calls.length = 0;
  for (let n = 8; n < 12; n += 1) await source.poll('ecs', T + n * 15_000, signal);
  return aws.calls.length;
}

test('fifty services cost 20 calls a minute while steady, and 140 while all of them move', async () => {
  expect(await callsOfAMinute(false)).toBe(20);
  expect(await callsOfAMinute(true)).toBe(140);
});

test('a service with a load balancer only has no poll and answers for its targets alone', async () => {
  const { aws } = steady();
  const source = open(aws, {
    services: [{ ...NAMES, cluster: null, service: null, targetGroup: 'targetgroup/api/fedcba9876543210' }],
  });
  expect(source.groups).toEqual([]);
  const window = { from: 0, to: T };
  expect(source.answers({ kind: 'alb.targets', target: 'api', window, params: {} })).toBe(true);
  expect(source.answers({ kind: 'ecs.service', target: 'api', window, params: {} })).toBe(false);
});

test('of a task definition only the stop timeout is taken, and only where that is allowed', async () => {
  const { aws } = steady();
  expect((await seen(open(aws), T)).stopTimeoutSeconds).toBeNull();
  expect(aws.calls.map(({ action }) => action)).not.toContain('ecs:DescribeTaskDefinition');
  const environment = [{ name: 'TOKEN', value: 'hunter2' }];
  aws.handlers['ecs:DescribeTaskDefinition'] = () => ({
    taskDefinition: { containerDefinitions: [{ name: 'api', stopTimeout: 120, environment }] },
  });
  const source = open(aws, { taskDefinitions: true });
  aws.denied.add('ecs:DescribeTaskDefinition');
  const unseen = [{ because: 'denied', grant: 'iam: allow ecs:DescribeTaskDefinition' }];
  expect(await ask(source, 'ecs.service', T - MINUTE)).toMatchObject({ state: 'answered', unseen });
  aws.denied.clear();
  const value = await seen(source, T);
  expect(value.stopTimeoutSeconds).toBe(120);
  expect(JSON.stringify(value) + new TextDecoder().decode(source.snapshot()!)).not.toContain('hunter2');
});
