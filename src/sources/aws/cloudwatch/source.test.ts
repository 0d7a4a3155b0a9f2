/** The source over the wire: an endpoint on the loopback, the SDK as it is. The clock is the test's. */

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { RunbookdError } from '../../../model/errors.ts';
import type { Series } from '../../../model/series.ts';
import type { PollResult } from '../../../model/source.ts';
import type { Aws } from '../calls.ts';
import { createAws } from '../clients.ts';
import {
  accountAt,
  json,
  NO_LIMITS,
  quiet,
  SHORT_DEADLINES,
  startWireServer,
  TEST_CREDENTIALS,
  type WireAnswer,
  type WireQuery,
  type WireRequest,
  type WireServer,
  wireError,
  wireResult,
} from '../testdata.ts';
import { bindingQueries, queueQueries, serviceQueries } from './presets.ts';
import { type CloudWatchOptions, type CloudWatchTarget, createCloudWatchSource } from './source.ts';

const MINUTE = 60_000;
const never = new AbortController().signal;
const T0 = Date.parse('2026-11-23T14:00:30Z');

const alb = { loadBalancer: 'app/rastup/0123456789abcdef', targetGroup: 'targetgroup/api/fedcba9876543210' };
const api: CloudWatchTarget = {
  target: 'api',
  kind: 'service',
  queries: serviceQueries({ ecs: { cluster: 'rastup-prod', service: 'api-service' }, alb }),
};

let wire: WireServer;
let aws: Aws;

/** The world behind the endpoint: a value of a metric at a time, its zones and tasks, and how calls fail. */
interface World {
  value: (metric: string, atSeconds: number, query: WireQuery) => number | null;
  status: (metric: string) => string;
  metrics: (body: WireRequest['body']) => readonly unknown[];
  fail: (request: WireRequest) => WireAnswer | null;
  pageSize: number;
}
let world: World;

const base = (metric: string): number | null =>
  ({
    RequestCount: 600,
    TargetResponseTime: 0.2,
    CPUUtilization: 40,
    MemoryUtilization: 50,
    HealthyHostCount: 3,
    UnHealthyHostCount: 0,
  })[metric] ?? null;

const named = (values: Readonly<Record<string, string>>) => ({
  Dimensions: Object.entries(values).map(([Name, Value]) => ({ Name, Value })),
});

function answer(request: WireRequest): WireAnswer {
  const failed = world.fail(request);
  if (failed !== null) return failed;
  const { body, operation } = request;
  if (operation === 'ListMetrics') return json({ Metrics: world.metrics(body) });
  const queries = body['MetricDataQueries'] as readonly WireQuery[];
  const span = { fromSeconds: Number(body['StartTime']), toSeconds: Number(body['EndTime']) };
  const offset = Number(body['NextToken'] ?? 0);
  const page = queries.slice(offset, offset + world.pageSize);
  const next = offset + world.pageSize;
  return json({
    MetricDataResults: page.map((query) => {
      const { MetricName } = query.MetricStat.Metric;
      return wireResult(query, span, (at) => world.value(MetricName, at, query), world.status(MetricName));
    }),
    ...(next < queries.length ? { NextToken: String(next) } : {}),
  });
}

function sourceOf(targets: readonly CloudWatchTarget[], more: Partial<CloudWatchOptions> = {}) {
  return createCloudWatchSource({
    name: 'cloudwatch',
    aws,
    targets,
    periodSeconds: 60,
    settleSeconds: 120,
    budgetUsdPerMonth: 1000,
    pollSeconds: 60,
    log: quiet,
    ...more,
  });
}

const find = (list: readonly Series[], signal: string, labels: Series['labels'] = {}): Series | undefined =>
  list.find((one) => one.signal === signal && JSON.stringify(one.labels) === JSON.stringify(labels));
const poll = (source: ReturnType<typeof sourceOf>, now: number): Promise<PollResult> =>
  source.poll('cloudwatch', now, never);
const calls = (operation: string): readonly WireRequest[] => wire.requests.filter((one) => one.operation === operation);

beforeAll(async () => {
  for (const [name, value] of Object.entries(TEST_CREDENTIALS)) vi.stubEnv(name, value);
  wire = await startWireServer(answer);
});
afterAll(async () => {
  await wire.close();
  vi.unstubAllEnvs();
});
beforeEach(() => {
  (wire.requests as unknown[]).length = 0;
  world = {
    value: base,
    status: () => 'Complete',
    metrics: (body) => {
      if (/^Task/.test(String(body['MetricName']))) {
        return [named({ ClusterName: 'rastup-prod', ServiceName: 'api-service', TaskId: 't1' })];
      }
      return body['MetricName'] === 'RequestCount'
        ? ['us-east-1a', 'us-east-1b'].map((AvailabilityZone) =>
            named({ LoadBalancer: alb.loadBalancer, TargetGroup: alb.targetGroup, AvailabilityZone }),
          )
        : [];
    },
    fail: () => null,
    pageSize: 500,
  };
  aws = createAws(accountAt(wire.endpoint), {
    log: quiet,
    deadlines: SHORT_DEADLINES,
    rates: { ...NO_LIMITS, 'cloudwatch:ListMetrics': { perSecond: 1000, burst: 1000 } },
  });
});
afterEach(() => {
  aws.close();
});

describe('a poll', () => {
  test('gives settled samples in our units, with zeros where requests prove them', async () => {
    const { series, blind, changes } = await poll(sourceOf([api]), T0);
    expect(blind).toEqual([]);
    expect(changes).toEqual([]);
    const requests = find(series, 'requests')!;
    // The newest period that is over for two minutes at 14:00:30 ends at 13:58.
    expect(new Date(requests.times.at(-1)!).toISOString()).toBe('2026-11-23T13:58:00.000Z');
    expect(requests.times).toHaveLength(180);
    expect(requests).toMatchObject({ unit: 'count', periodMs: MINUTE });
    expect(find(series, 'cpu')?.values.at(-1)).toBeCloseTo(0.4, 10);
    expect(new Set(find(series, 'errors')?.values)).toEqual(new Set([0]));
    expect(find(series, 'zone_errors', { zone: 'us-east-1b' })?.values.at(-1)).toBe(0);
    expect(find(series, 'latency_p95')).toMatchObject({ unit: 's', periodMs: MINUTE });
    expect(new Set(find(series, 'requests_silent_seconds')?.values)).toEqual(new Set([0]));
  });

  test('reads the last 15 minutes again, and asks nothing while no period has ended', async () => {
    const source = sourceOf([api]);
    await poll(source, T0);
    const asked = calls('GetMetricData').length;
    expect((await poll(source, T0 + 20_000)).series).toEqual([]);
    expect(calls('GetMetricData')).toHaveLength(asked);
    world.value = (metric, at) => (metric === 'RequestCount' && at * 1000 === T0 - 330_000 ? 999 : base(metric));
    const { series } = await poll(source, T0 + MINUTE);
    const requests = find(series, 'requests')!;
    expect(requests.times).toHaveLength(15);
    expect(requests.values[requests.times.indexOf(T0 - 330_000 + MINUTE)]).toBe(999);
  });

  test('follows pages, and metrics that are spread over them', async () => {
    world.pageSize = 4;
    const { series, blind } = await poll(sourceOf([api]), T0);
    expect(blind).toEqual([]);
    expect(find(series, 'healthy_hosts')?.times).toHaveLength(180);
    expect(calls('GetMetricData').some(({ body }) => body['NextToken'] !== undefined)).toBe(true);
  });

  test('asks for 1,200 metrics in calls of at most 500', async () => {
    const targets = Array.from({ length: 60 }, (_, i) => ({
      ...api,
      target: `api-${i}`,
      queries: api.queries
        .filter((query) => !Object.values(query.dimensions).includes('*'))
        .concat([])
        .map((query) => ({ ...query, dimensions: { ...query.dimensions, N: String(i) } })),
    }));
    const { series } = await poll(sourceOf(targets), T0);
    const sizes = calls('GetMetricData').map(({ body }) => (body['MetricDataQueries'] as unknown[]).length);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(500);
    expect(sizes.reduce((a, b) => a + b, 0)).toBe(60 * targets[0]!.queries.length);
    expect(new Set(series.map((one) => one.target)).size).toBe(60);
  });

  test('tells a total outage from not being able to look', async () => {
    const source = sourceOf([api]);
    await poll(source, T0);
    const down = T0 + 10 * MINUTE;
    const outageFrom = (T0 - 150_000) / 1000;
    world.value = (metric, at) => (at < outageFrom || !/Request|Response/.test(metric) ? base(metric) : null);
    const { series } = await poll(source, down);
    // Nothing after 13:58: ten minutes of silence at the settled end, 14:08. And the errors are not zero: nobody knows.
    expect(find(series, 'requests_silent_seconds')?.values.at(-1)).toBe(600);
    expect(find(series, 'errors')?.times.at(-1)).toBe(T0 - 150_000);
    world.status = (metric) => (metric === 'RequestCount' ? 'InternalError' : 'Complete');
    const blinded = await poll(source, down + MINUTE);
    expect(find(blinded.series, 'requests_silent_seconds')).toBeUndefined();
    expect(find(blinded.series, 'errors')).toBeUndefined();
    expect(blinded.blind).toMatchObject([{ target: 'api', because: 'error' }]);
    expect(blinded.blind[0]?.detail).toContain('InternalError');
  });

  test.each(['PartialData', 'InternalError', 'Forbidden'])(
    '%s of a metric is missing data and never zero',
    async (status) => {
      world.status = (metric) => (metric === 'HTTPCode_Target_5XX_Count' ? status : 'Complete');
      const source = sourceOf([api]);
      const { series, blind } = await poll(source, T0);
      expect(find(series, 'errors')).toBeUndefined();
      expect(find(series, 'client_errors')).toBeDefined();
      expect(blind).toHaveLength(1);
      expect(blind[0]).toMatchObject({
        target: 'api',
        check: 'cloudwatch',
        because: status === 'Forbidden' ? 'denied' : 'error',
      });
      expect(blind[0]?.detail).toContain('errors, zone_errors');
      // And when it is there again it is read from where it was lost, zeros included.
      world.status = () => 'Complete';
      const healed = await poll(source, T0 + 30 * MINUTE);
      expect(healed.blind).toEqual([]);
      expect(find(healed.series, 'errors')?.times[0]).toBe(find(series, 'requests')?.times[30]);
    },
  );
});

describe('percentiles', () => {
  const rate = (perMinute: number) => (metric: string) => (metric === 'RequestCount' ? perMinute : base(metric));

  test.each([
    [600, 1],
    [60, 5],
    [5, 15],
  ])('with %i requests a minute are asked at %i minutes', async (perMinute, minutes) => {
    world.value = rate(perMinute);
    const { series } = await poll(sourceOf([api]), T0);
    expect(find(series, 'latency_p95')?.periodMs).toBe(minutes * MINUTE);
    expect(find(series, 'latency_p95')!.times.every((at) => at % (minutes * MINUTE) === 0)).toBe(true);
  });

  test('of longer periods are asked for when such a period has ended', async () => {
    world.value = rate(60);
    const source = sourceOf([api]);
    await poll(source, T0);
    expect(find((await poll(source, T0 + MINUTE)).series, 'latency_p95')).toBeUndefined();
    expect(find((await poll(source, T0 + 2 * MINUTE)).series, 'latency_p95')?.times.at(-1)).toBe(
      Date.parse('2026-11-23T14:00:00Z'),
    );
  });
});

describe('dimensions with *', () => {
  const bound = bindingQueries('endpoint_requests', {
    namespace: 'Rastup/Api',
    metric: 'Requests',
    stat: 'Sum',
    dimensions: { Service: 'api', Endpoint: '*', Status: '*' },
    labels: { Endpoint: 'endpoint', Status: 'status' },
    scale: 1,
    sparse: true,
  });
  const target: CloudWatchTarget = { ...api, queries: [...api.queries, ...bound] };
  const endpoints = (body: WireRequest['body']): readonly unknown[] =>
    body['MetricName'] === 'Requests'
      ? [
          named({ Service: 'api', Endpoint: '/pay', Status: '500' }),
          named({ Service: 'api', Endpoint: '/pay', Status: '200' }),
          named({ Service: 'other', Endpoint: '/x', Status: '200' }),
        ]
      : [];

  test('become labels, and are looked up again after ten minutes', async () => {
    world.metrics = endpoints;
    world.value = (metric, _at, query) =>
      metric !== 'Requests'
        ? base(metric)
        : query.MetricStat.Metric.Dimensions.some(({ Value }) => Value === '200')
          ? 7
          : null;
    const source = sourceOf([target]);
    const { series } = await poll(source, T0);
    expect(find(series, 'endpoint_requests', { endpoint: '/pay', status: '200' })?.values.at(-1)).toBe(7);
    expect(find(series, 'endpoint_requests', { endpoint: '/pay', status: '500' })?.values.at(-1)).toBe(0);
    expect(calls('ListMetrics')[0]?.body['RecentlyActive']).toBe('PT3H');
    const looked = calls('ListMetrics').length;
    await poll(source, T0 + 9 * MINUTE);
    expect(calls('ListMetrics')).toHaveLength(looked);
    await poll(source, T0 + 11 * MINUTE);
    expect(calls('ListMetrics')).toHaveLength(2 * looked);
  });

  test('that may not be looked up are a gap with the action to allow; the rest is read', async () => {
    world.fail = ({ operation }) => (operation === 'ListMetrics' ? wireError('AccessDeniedException') : null);
    const { series, blind } = await poll(sourceOf([target]), T0);
    expect(find(series, 'requests')).toBeDefined();
    expect(find(series, 'zone_requests')).toBeUndefined();
    expect(blind[0]).toMatchObject({ target: 'api', because: 'denied', grant: 'iam: allow cloudwatch:ListMetrics' });
  });
});

test('what comes anew is read far back, and proves nothing of what was not read so far back with it', async () => {
  const bind = { namespace: 'Rastup/Api', metric: 'Requests', stat: 'Sum', labels: {}, scale: 1, sparse: true };
  const queries = [...api.queries, ...bindingQueries('endpoint_requests', { ...bind, dimensions: { Endpoint: '*' } })];
  const listed = world.metrics;
  const source = sourceOf([{ ...api, queries }]);
  world.value = (metric) => (metric === 'HTTPCode_Target_5XX_Count' ? 7 : base(metric));
  await poll(source, T0);
  world.metrics = (body) => (body['MetricName'] === 'Requests' ? [named({ Endpoint: '/new' })] : listed(body));
  const { series } = await poll(source, T0 + 11 * MINUTE);
  expect(find(series, 'endpoint_requests', { Endpoint: '/new' })?.times.length).toBeGreaterThanOrEqual(180);
  expect(new Set(find(series, 'errors')?.values)).toEqual(new Set([7]));
});

describe('what is not there', () => {
  test('for three hours is a gap that says what to check; counters of errors are not missed', async () => {
    world.value = (metric) => (/CPU|Memory/.test(metric) ? base(metric) : null);
    const { blind } = await poll(sourceOf([api]), T0);
    expect(blind).toHaveLength(1);
    expect(blind[0]).toMatchObject({ target: 'api', check: 'cloudwatch', because: 'no_data' });
    expect(blind[0]?.detail).toMatch(/RequestCount, TargetResponseTime, HealthyHostCount, UnHealthyHostCount$/);
    expect(blind[0]?.signals).toContain('latency_p95');
  });

  test('metrics by task are worth having, and needed while the service is short of CPU', async () => {
    const listed = world.metrics;
    world.metrics = (body) => (/^Task/.test(String(body['MetricName'])) ? [] : listed(body));
    const grant = expect.stringContaining('containerInsights,value=enhanced');
    const source = sourceOf([api]);
    const gap = { because: 'no_data', grant, signals: ['task_cpu', 'task_memory'] };
    expect((await poll(source, T0)).blind).toEqual([expect.objectContaining({ ...gap, optional: true })]);
    world.value = (metric) => (metric === 'CPUUtilization' ? 95 : base(metric));
    const { blind } = await poll(source, T0 + MINUTE);
    expect(blind).toMatchObject([gap]);
    expect(blind[0]?.optional).toBeUndefined();
  });

  test.each<[number, RegExp | null, string]>([
    [600, null, 'in time'],
    [
      660,
      /^AWS\/ECS .* has nothing newer than 13:49:00 UTC, 11 min 30 s ago: CPUUtilization, MemoryUtilization$/,
      'late',
    ],
  ])('as late as %i s is a gap with the setting that waits for it, and no silence', async (late, expected, _what) => {
    const source = sourceOf([api], { settleSeconds: 400 });
    const before = T0 - 15 * MINUTE;
    await poll(source, before);
    world.value = (metric, at) =>
      (metric !== 'CPUUtilization' && metric !== 'MemoryUtilization') || at < T0 / 1000 - late - 60
        ? base(metric)
        : null;
    const { blind } = await poll(source, T0);
    if (expected === null) return expect(blind).toEqual([]);
    expect(blind).toMatchObject([{ because: 'no_data', grant: expect.stringContaining('aws.settleSeconds: 720') }]);
    expect(blind[0]?.detail).toMatch(expected);
    world.value = base;
    expect((await poll(source, T0 + MINUTE)).blind).toEqual([]);
  });

  test('requests that stopped are no values that are late', async () => {
    const source = sourceOf([api]);
    await poll(source, T0);
    world.value = (metric) => (/^(Request|TargetResponse)/.test(metric) ? null : base(metric));
    expect((await poll(source, T0 + 30 * MINUTE)).blind).toEqual([]);
  });

  test('an idle dead-letter queue and an idle consumer are no gap', async () => {
    const queries = queueQueries({ sqs: 'messages', deadLetter: 'dlq', consumer: { lambda: 'worker' } });
    world.value = (_metric, _at, { MetricStat }) =>
      MetricStat.Metric.Namespace === 'AWS/SQS' && MetricStat.Metric.Dimensions[0]?.Value === 'messages' ? 0 : null;
    const { series, blind } = await poll(sourceOf([{ target: 'messages', kind: 'queue', queries }]), T0);
    expect(blind).toEqual([]);
    expect(find(series, 'dead_letters')).toBeUndefined();
    expect(find(series, 'consumer_errors')).toBeUndefined();
  });
});

describe('failures', () => {
  const rejection = async (promise: Promise<unknown>): Promise<RunbookdError> =>
    promise.then(
      () => Promise.reject(new Error('expected it to reject')),
      (error: RunbookdError) => error,
    );

  test.each<[string, WireAnswer, string]>([
    ['denied', wireError('AccessDeniedException'), 'AWS_DENIED'],
    ['throttled', wireError('ThrottlingException'), 'AWS_THROTTLED'],
    ['expired', wireError('ExpiredTokenException'), 'AWS_CREDENTIALS'],
    [
      'clock',
      wireError('SignatureDoesNotMatch', 'Signature expired: 20261123T100000Z is now earlier than'),
      'AWS_CREDENTIALS',
    ],
    ['hang', { kind: 'hang' }, 'AWS_TIMEOUT'],
    ['a page of a proxy', { kind: 'raw', status: 500, body: '<html>' }, 'AWS_FAILED'],
  ])('%s: the poll rejects when nothing was read, and recovers', async (_what, failure, code) => {
    world.fail = () => failure;
    const source = sourceOf([api]);
    expect((await rejection(poll(source, T0))).code).toBe(code);
    world.fail = () => null;
    const { series, blind } = await poll(source, T0 + MINUTE);
    expect(blind).toEqual([]);
    expect(find(series, 'requests')?.times.length).toBeGreaterThanOrEqual(180);
  });

  test('of one call keep what the others gave, and list the targets that it hid', async () => {
    const targets = [0, 1].map((n) => ({
      target: `t${n}`,
      kind: 'service' as const,
      queries: Array.from({ length: 400 }, (_, i) => ({
        ...api.queries[0]!,
        signal: i === 0 ? 'requests' : `s${i}`,
        metric: `M${n}-${i}`,
        absence: 'normal' as const,
      })),
    }));
    world.value = () => 1;
    world.fail = ({ body }) => (JSON.stringify(body).includes('"M1-399"') ? wireError('AccessDeniedException') : null);
    const { series, blind } = await poll(sourceOf(targets), T0);
    expect(series.some((one) => one.target === 't0')).toBe(true);
    expect(blind.map((one) => one.target)).toEqual(['t1']);
    expect(blind[0]?.detail).toContain('cloudwatch:GetMetricData is denied');
  });

  test('a query that is not valid hides itself alone, and is not asked again at once', async () => {
    const [bad] = bindingQueries('rate_limited', {
      namespace: 'Rastup/Api',
      metric: 'Limited',
      stat: 'p101',
      dimensions: {},
      labels: {},
      scale: 1,
      sparse: false,
    });
    world.fail = ({ body }) =>
      JSON.stringify(body).includes('p101') ? wireError('ValidationError', 'The value p101 for Stat is invalid') : null;
    const source = sourceOf([{ ...api, queries: [...api.queries, { ...bad!, samples: null }] }]);
    const { series, blind } = await poll(source, T0);
    expect(find(series, 'requests')).toBeDefined();
    expect(find(series, 'memory_max')).toBeDefined();
    expect(blind).toHaveLength(1);
    expect(blind[0]?.detail).toMatch(/The value p101 for Stat is invalid: rate_limited$/);
    const before = wire.requests.length;
    const { blind: still } = await poll(source, T0 + MINUTE);
    expect(still).toEqual(blind);
    expect(wire.requests.slice(before).some(({ body }) => JSON.stringify(body).includes('p101'))).toBe(false);
  });

  test('a look of which CloudWatch gives no metric at all rejects with what it says', async () => {
    const source = sourceOf([api]);
    await poll(source, T0);
    world.status = () => 'InternalError';
    const error = await rejection(poll(source, T0 + MINUTE));
    expect(error).toMatchObject({ code: 'AWS_FAILED', message: expect.stringContaining('says InternalError') });
    world.status = () => 'Forbidden';
    expect((await rejection(poll(source, T0 + 2 * MINUTE))).code).toBe('AWS_DENIED');
    world.status = () => 'Complete';
    expect((await poll(source, T0 + 3 * MINUTE)).blind).toEqual([]);
  });

  test('of what is asked once more between two periods do not make the others unread', async () => {
    const source = sourceOf([api]);
    world.status = (metric) => (metric === 'CPUUtilization' ? 'PartialData' : 'Complete');
    await poll(source, T0);
    const { blind } = await poll(source, T0 + 15_000);
    expect(blind).toMatchObject([{ signals: ['cpu', 'cpu_max'] }]);
  });

  test('of a look at wildcards that were found before say that what comes anew is not found', async () => {
    const source = sourceOf([api]);
    await poll(source, T0);
    world.fail = ({ operation }) => (operation === 'ListMetrics' ? wireError('AccessDeniedException') : null);
    const { series, blind } = await poll(source, T0 + 11 * MINUTE);
    expect(find(series, 'zone_requests', { zone: 'us-east-1a' })).toBeDefined();
    expect(blind).toMatchObject([
      {
        grant: 'iam: allow cloudwatch:ListMetrics',
        detail: expect.stringMatching(/zone_requests, zone_errors, .*; only what was found before is read$/),
        signals: ['zone_requests', 'zone_errors', 'task_cpu', 'task_memory'],
      },
    ]);
    world.fail = () => null;
    expect((await poll(source, T0 + 12 * MINUTE)).blind).toEqual([]);
  });

  test.each([
    [600_000, 'behind'],
    [-600_000, 'ahead of'],
  ])('a clock that is off by %i ms is a gap of every target, and no lateness', async (aheadMs, words) => {
    const source = sourceOf([api]);
    await poll(source, T0);
    wire.aheadMs = aheadMs;
    // The clock of AWS is the one that the values are by.
    world.value = (metric, at) => (at < T0 / 1000 + aheadMs / 1000 ? base(metric) : null);
    const { blind } = await poll(source, T0 + MINUTE);
    wire.aheadMs = 0;
    expect(blind).toMatchObject([{ target: 'api', grant: expect.stringContaining('set the clock') }]);
    expect(blind[0]?.detail).toMatch(
      new RegExp(`^the clock of this machine is (10 min|9 min 59 s|10 min 1 s) ${words} that of AWS`),
    );
    await poll(source, T0 + 2 * MINUTE);
    world.value = base;
    expect((await poll(source, T0 + 3 * MINUTE)).blind).toEqual([]);
  });

  test('values of the future name the clock', async () => {
    world.fail = ({ operation, body }) => {
      if (operation !== 'GetMetricData') return null;
      const queries = body['MetricDataQueries'] as readonly WireQuery[];
      const late = { fromSeconds: T0 / 1000, toSeconds: T0 / 1000 + 600 };
      return json({ MetricDataResults: queries.map((query) => wireResult(query, late, () => 1)) });
    };
    const { series, blind } = await poll(sourceOf([api]), T0);
    expect(series).toEqual([]);
    expect(blind.at(-1)).toMatchObject({ check: 'cloudwatch', grant: expect.stringContaining('clock') });
    expect(blind.at(-1)?.detail).toContain('in the future');
  });
});

describe('the budget', () => {
  test('is kept by reading less often, and that is said once', async () => {
    const warnings: unknown[] = [];
    const log = { ...quiet, warn: (...line: unknown[]) => warnings.push(line) } as unknown as CloudWatchOptions['log'];
    const source = sourceOf([api], { budgetUsdPerMonth: 3, log });
    expect(source.costs()).toMatchObject({ stretched: true, overBudget: false });
    const { pollSeconds, usdPerMonth } = source.costs();
    expect(usdPerMonth).toBeLessThanOrEqual(3);
    expect(pollSeconds).toBeGreaterThan(60);
    const read: number[] = [];
    for (let minute = 0; minute < 30; minute += 1) {
      const { series } = await poll(source, T0 + minute * MINUTE);
      if (series.length > 0) read.push(minute);
    }
    const steps = read.slice(1).map((minute, i) => minute - read[i]!);
    expect(new Set(steps)).toEqual(new Set([source.costs().pollSeconds / 60]));
    expect(warnings).toHaveLength(1);
  });

  const minutesRead = async (source: ReturnType<typeof sourceOf>, minutes: number): Promise<readonly number[]> => {
    const found: number[] = [];
    for (let minute = 0; minute < minutes; minute += 1) {
      const before = calls('GetMetricData').length;
      await poll(source, T0 + minute * MINUTE);
      if (calls('GetMetricData').length > before) found.push(minute);
    }
    return found;
  };

  test('does not make a look that failed wait for the next one', async () => {
    const source = sourceOf([api], { budgetUsdPerMonth: 3 });
    await poll(source, T0);
    const pace = source.costs().pollSeconds / 60;
    world.fail = ({ operation }) => (operation === 'GetMetricData' ? wireError('AccessDeniedException') : null);
    await expect(poll(source, T0 + pace * MINUTE)).rejects.toThrow();
    await expect(poll(source, T0 + (pace + 1) * MINUTE)).rejects.toThrow();
    world.fail = () => null;
    expect((await poll(source, T0 + (pace + 2) * MINUTE)).series).not.toEqual([]);
    expect((await poll(source, T0 + (pace + 3) * MINUTE)).series).toEqual([]);
  });

  test('is not spent on what keeps failing beside what is read', async () => {
    const source = sourceOf([api], { budgetUsdPerMonth: 3 });
    world.status = (metric) => (metric === 'CPUUtilization' ? 'InternalError' : 'Complete');
    const looks = await minutesRead(source, 16);
    const pace = source.costs().pollSeconds / 60;
    expect(looks).toEqual([0, 1, 2, 3, 3 + pace, 3 + 2 * pace, 3 + 3 * pace].filter((minute) => minute < 16));
  });

  test('that is too small for one look in 15 minutes is overrun, and that is said', async () => {
    const source = sourceOf([api], { budgetUsdPerMonth: 0.01 });
    await poll(source, T0);
    expect(source.costs()).toMatchObject({ pollSeconds: 900, overBudget: true });
  });
});

describe('values that come late', () => {
  const late = (metrics: RegExp, from: number) => (metric: string, at: number) =>
    at < from / 1000 || !metrics.test(metric) ? base(metric) : null;

  test('are no silence while the hosts of the same target group are late too', async () => {
    const source = sourceOf([api]);
    await poll(source, T0);
    world.value = late(/./, T0 - 150_000);
    const { series } = await poll(source, T0 + 8 * MINUTE);
    expect(find(series, 'requests_silent_seconds')?.values.at(-1)).toBe(0);
    // Metrics of another namespace may be in time.
    world.value = late(/Request|Response|Host/, T0 - 150_000);
    const { series: next } = await poll(source, T0 + 9 * MINUTE);
    expect(find(next, 'requests_silent_seconds')?.values.at(-1)).toBe(0);
  });

  test('are no silence while response times prove requests', async () => {
    const source = sourceOf([api]);
    await poll(source, T0);
    world.value = late(/RequestCount/, T0 - 150_000);
    const { series } = await poll(source, T0 + 10 * MINUTE);
    expect(find(series, 'requests_silent_seconds')?.values.at(-1)).toBe(0);
  });
});

describe('a restart', () => {
  test('goes on from the snapshot: watermarks, silence, periods', async () => {
    const first = sourceOf([api]);
    await poll(first, T0);
    const second = sourceOf([api]);
    second.restore(first.snapshot()!);
    world.value = (metric) => (/Request|Response/.test(metric) ? null : base(metric));
    const { series } = await poll(second, T0 + 20 * MINUTE);
    expect(find(series, 'cpu')?.times).toHaveLength(20);
    expect(find(series, 'requests_silent_seconds')?.values.at(-1)).toBe(1200);
  });

  test('after days says no more silence than it has looked at', async () => {
    const first = sourceOf([api]);
    await poll(first, T0);
    const second = sourceOf([api]);
    second.restore(first.snapshot()!);
    world.value = (metric) => (/Request|Response/.test(metric) ? null : base(metric));
    const { series } = await poll(second, T0 + 48 * 60 * MINUTE);
    expect(find(series, 'requests_silent_seconds')?.values.at(-1)).toBe(3 * 3600);
  });

  test('with a damaged snapshot begins anew', async () => {
    const source = sourceOf([api]);
    source.restore(new TextEncoder().encode('nonsense'));
    expect((await poll(source, T0)).series.length).toBeGreaterThan(0);
  });
});

describe('history', () => {
  const DAY = 24 * 60 * MINUTE;

  test('gives 15 days at 300 s, counts as of one period of the poll, zeros as proved', async () => {
    world.value = (metric) => (metric === 'RequestCount' ? 3000 : base(metric));
    const portions: (readonly Series[])[] = [];
    for await (const portion of sourceOf([api]).history!(T0 - 15 * DAY, T0, never)) portions.push(portion);
    const series = portions.flat();
    const requests = find(series, 'requests')!;
    // From 14:05, the first whole one, to 13:55, the last that has settled.
    expect(requests.times).toHaveLength(15 * 288 - 2);
    expect(requests.times[1]! - requests.times[0]!).toBe(300_000);
    expect(requests.values[0]).toBe(600);
    expect(find(series, 'latency_p95')?.values[0]).toBe(0.2);
    expect(find(series, 'errors')?.times).toHaveLength(15 * 288 - 2);
    for (const { body } of calls('GetMetricData')) {
      const slots = (Number(body['EndTime']) - Number(body['StartTime'])) / 300;
      expect(slots * (body['MetricDataQueries'] as unknown[]).length).toBeLessThanOrEqual(100_800);
    }
    // Billed by metric: each is asked for once.
    const asked = calls('GetMetricData').flatMap(({ body }) =>
      (body['MetricDataQueries'] as WireQuery[]).map(({ Id }) => Id),
    );
    expect(new Set(asked).size).toBe(asked.length);
  });

  test('rejects as a poll does', async () => {
    world.fail = () => wireError('AccessDeniedException');
    const history = sourceOf([api]).history!(T0 - DAY, T0, never);
    await expect(history[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'AWS_DENIED' });
  });
});

test('answers no questions', async () => {
  const source = sourceOf([api]);
  const question = {
    kind: 'series',
    target: 'api',
    window: { from: 0, to: 1 },
    params: { signal: 'requests' },
  } as const;
  expect(source.answers(question)).toBe(false);
  expect(await source.answer(question, T0, never)).toMatchObject({ state: 'unknown', because: 'unsupported' });
});
