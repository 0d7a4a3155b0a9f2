/** The decisions of the CloudWatch source that need no wire: windows, calls, zeros, silence, periods, dollars, names. */

import { describe, expect, test } from 'vitest';
import { CLOUDWATCH_SIGNALS } from '../signals.ts';
import { absenceBlindness, failureBlindness } from './blind.ts';
import { costsOf } from './cost.ts';
import { pickValues } from './discover.ts';
import { type Beside, fillZeros, silence } from './fill.ts';
import { stepOf } from './history.ts';
import { choosePeriod, type Multiple, takenPeriod } from './period-choice.ts';
import { batchInput, MAX_POINTS, planBatches } from './plan.ts';
import { bindingQueries, databaseQueries, queueQueries, serviceQueries } from './presets.ts';
import { metricSeries, type SignalQuery } from './query.ts';
import type { Points } from './read.ts';
import { createState, readState, saveState, UNKNOWN_METRIC } from './state.ts';
import { settledEnd, spanOf } from './windows.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const at = (clock: string): number => Date.parse(`2026-11-23T${clock}Z`);

const alb = { loadBalancer: 'app/rastup/0123456789abcdef', targetGroup: 'targetgroup/api/fedcba9876543210' };
const ecs = { cluster: 'rastup-prod', service: 'api-service' };
const all: readonly SignalQuery[] = [
  ...serviceQueries({ ecs, alb }),
  ...databaseQueries({ rds: 'rastup-prod' }),
  ...queueQueries({ sqs: 'm', deadLetter: 'm-dlq', consumer: { lambda: 'f' } }),
];
const query = (signal: string): SignalQuery => all.find((one) => one.signal === signal)!;

describe('what is asked for', () => {
  test.each([
    ['14:05:59', MINUTE, 120_000, '14:03:00'],
    ['14:06:00', MINUTE, 120_000, '14:04:00'],
    ['14:06:00', 5 * MINUTE, 120_000, '14:00:00'],
    ['14:07:00', 5 * MINUTE, 120_000, '14:05:00'],
  ])('at %s with periods of %i ms settled after %i ms, it ends at %s', (now, periodMs, settleMs, end) => {
    expect(settledEnd(at(now), periodMs, settleMs)).toBe(at(end));
  });

  test.each([
    ['the first look goes back 3 h', MINUTE, null, '11:00:00'],
    ['the last 15 min are always read again', MINUTE, '13:59:00', '13:45:00'],
    ['after a pause, from where it stopped', MINUTE, '13:20:30', '13:20:00'],
    ['after a long pause, 3 h', MINUTE, '02:00:00', '11:00:00'],
    ['a watermark of a clock that was set back counts for nothing', MINUTE, '18:00:00', '13:45:00'],
    ['of periods of a second, 300', 1000, '13:59:00', '13:55:00'],
    ['of periods of a second, an hour after a pause', 1000, '11:20:00', '13:00:00'],
    ['two periods at least', 15 * MINUTE, '13:45:00', '13:30:00'],
  ])('%s', (_what, periodMs, watermark, from) => {
    const span = spanOf(at('14:00:00'), periodMs, watermark === null ? null : at(watermark));
    expect(span).toEqual({ from: at(from), to: at('14:00:00') });
  });
});

describe('calls', () => {
  const many = (n: number) =>
    Array.from({ length: n }, (_, i) => metricSeries('api', { ...query('requests'), metric: `M${i}` }, {}));
  const wanted = (n: number, slots: number, periodMs = MINUTE) =>
    many(n).map((series) => ({ series, periodMs, span: { from: 0, to: slots * periodMs } }));

  test.each([
    [1200, 15, [500, 500, 200]],
    [500, 180, [500]],
    [500, 300, [336, 164]],
    [3, 60_000, [1, 1, 1]],
  ])('%i metrics of %i points each go in calls of %j', (n, slots, sizes) => {
    const batches = planBatches(wanted(n, slots));
    expect(batches.map((batch) => batch.series.length)).toEqual(sizes);
    for (const { series, span, periodMs } of batches) {
      expect((series.length * (span.to - span.from)) / periodMs).toBeLessThanOrEqual(MAX_POINTS);
    }
  });

  test('more points than a call gives are cut in time, oldest first, without a gap', () => {
    const batches = planBatches(wanted(2, 250_000));
    expect(batches.map((batch) => batch.span.from)).toEqual(
      batches.map((batch) => batch.span.from).toSorted((a, b) => a - b),
    );
    const spans = [...new Map(batches.map((batch) => [batch.span.from, batch.span])).values()];
    expect(spans.at(0)?.from).toBe(0);
    expect(spans.at(-1)?.to).toBe(250_000 * MINUTE);
    spans.slice(1).forEach((span, i) => {
      expect(span.from).toBe(spans[i]?.to);
    });
  });

  test('a metric that two signals share is asked once, in its period and span', () => {
    const one = metricSeries('a', query('elb_errors'), {});
    const other = metricSeries('b', query('elb_errors'), {});
    expect(one.id).toBe(other.id);
    const span = { from: 0, to: HOUR };
    const batches = planBatches([one, other].map((series) => ({ series, periodMs: MINUTE, span })));
    expect(batches).toHaveLength(1);
    expect(batchInput(batches[0]!, null)).toEqual({
      MetricDataQueries: [
        {
          Id: one.id,
          MetricStat: {
            Metric: {
              Namespace: 'AWS/ApplicationELB',
              MetricName: 'HTTPCode_ELB_5XX_Count',
              Dimensions: [{ Name: 'LoadBalancer', Value: alb.loadBalancer }],
            },
            Period: 60,
            Stat: 'Sum',
          },
          ReturnData: true,
        },
      ],
      StartTime: new Date(0),
      EndTime: new Date(HOUR),
      ScanBy: 'TimestampAscending',
      MaxDatapoints: 100_800,
    });
  });

  test('ids are those of the API, and stay', () => {
    const ids = many(300).map((series) => series.id);
    for (const id of ids) expect(id).toMatch(/^[a-z][a-zA-Z0-9_]{0,254}$/);
    expect(new Set(ids).size).toBe(300);
    expect(many(300).map((series) => series.id)).toEqual(ids);
  });
});

const points = (pairs: Readonly<Record<string, number>>): Points => ({
  times: Object.keys(pairs).map((clock) => at(`${clock}:00`)),
  values: Object.values(pairs),
});

describe('holes', () => {
  test('are zero where requests prove it, and holes elsewhere', () => {
    const errors = points({ '14:01': 3 });
    const requests = points({ '14:00': 50, '14:01': 60, '14:03': 0 });
    expect(fillZeros(errors, [requests])).toEqual(points({ '14:00': 0, '14:01': 3, '14:03': 0 }));
  });

  test('stay holes without requests: a total outage shows no errors of targets, which is not zero errors', () => {
    expect(fillZeros(points({}), [points({})])).toEqual(points({}));
    expect(fillZeros(points({ '14:01': 3 }), [])).toEqual(points({ '14:01': 3 }));
  });
});

describe('silence of requests', () => {
  const span = { from: at('14:00:00'), to: at('14:04:00') };
  const read = (requests: Points, knownEnd: number | null) => {
    const { points: found, newestEnd } = silence([requests], span, MINUTE, knownEnd);
    return { silent: found.values, from: found.times[0], newestEnd };
  };

  test('is zero where there are requests and grows where there are none', () => {
    expect(read(points({ '14:00': 5, '14:01': 5 }), null)).toEqual({
      silent: [0, 0, 60, 120],
      from: at('14:00:00'),
      newestEnd: at('14:02:00'),
    });
  });

  test('goes on from what was known before', () => {
    expect(read(points({}), at('13:50:00'))).toEqual({
      silent: [660, 720, 780, 840],
      from: at('14:00:00'),
      newestEnd: at('13:50:00'),
    });
  });

  test('says nothing while no request was ever seen', () => {
    expect(read(points({}), null)).toEqual({ silent: [], from: undefined, newestEnd: null });
    // Published and zero is no request.
    expect(read(points({ '14:01': 0 }), null).silent).toEqual([]);
  });

  const last = { '14:00': 5 };
  const readBeside = (beside: Beside) => {
    const { points: found, newestEnd } = silence([points(last)], span, MINUTE, null, beside);
    return { silent: found.values, newestEnd };
  };
  const none: Beside['proofs'] = [];

  test('is said only as far as something that is always published has come', () => {
    expect(readBeside({ witnessEnd: at('14:04:00'), proofs: none }).silent).toEqual([0, 60, 120, 180]);
    expect(readBeside({ witnessEnd: at('14:02:00'), proofs: none }).silent).toEqual([0, 60]);
    // All of CloudWatch is late: nothing but the requests that did come.
    expect(readBeside({ witnessEnd: at('13:50:00'), proofs: none }).silent).toEqual([0]);
  });

  test('without anything that is always published it is said from a quarter of an hour on', () => {
    expect(readBeside({ witnessEnd: null, proofs: none }).silent).toEqual([0]);
    const { points: found } = silence([points({})], span, MINUTE, at('13:47:00'), { witnessEnd: null, proofs: none });
    expect(found.values).toEqual([900, 960, 1020]);
  });

  test('requests that are proved by their response times were not missing', () => {
    const proofs = [{ points: points({ '14:02': 0.2 }), periodMs: MINUTE }];
    expect(readBeside({ witnessEnd: at('14:04:00'), proofs })).toEqual({
      silent: [0, 60, 0, 60],
      newestEnd: at('14:03:00'),
    });
    // Of a longer period with a request that is known, nothing more is known.
    const long = [{ points: points({ '14:00': 0.2 }), periodMs: 4 * MINUTE }];
    expect(readBeside({ witnessEnd: at('14:04:00'), proofs: long }).silent).toEqual([0, 60, 120, 180]);
    const errors = [{ points: points({ '14:03': 0 }), periodMs: MINUTE }];
    expect(readBeside({ witnessEnd: at('14:04:00'), proofs: errors }).silent).toEqual([0, 60, 120, 180]);
  });

  test('a late request corrects what was said before', () => {
    const before = read(points({ '14:00': 5 }), null);
    expect(before.silent).toEqual([0, 60, 120, 180]);
    expect(read(points({ '14:00': 5, '14:03': 1 }), before.newestEnd).silent).toEqual([0, 60, 120, 0]);
  });
});

describe('the period of a percentile', () => {
  test.each<[number | null, Multiple | null, Multiple]>([
    [null, null, 5],
    [null, 15, 15],
    [1000, null, 1],
    [200, null, 1],
    [199, 1, 5],
    [40, null, 5],
    [39, null, 15],
    [1, null, 15],
    [0, 1, 15],
    // Back to a shorter one only with half as much again: 300 in it.
    [250, 5, 5],
    [299, 5, 5],
    [300, 5, 1],
    [55, 15, 15],
    [60, 15, 5],
    [300, 15, 1],
  ])('with %s requests a minute, %s before: %i', (perPeriod, present, expected) => {
    expect(choosePeriod(perPeriod, present)).toBe(expected);
  });

  test.each([
    [15, 20],
    [25, 30],
    [75, 120],
    [150, 180],
    [5, 5],
    [300, 300],
  ])('a period of %i s is asked as one of %i s, which CloudWatch takes', (wanted, taken) => {
    expect(takenPeriod(wanted * 1000)).toBe(taken * 1000);
  });

  test('a rate that swings by a tenth around the border does not flip it', () => {
    let present: Multiple | null = null;
    let turns = 0;
    for (let i = 0; i < 200; i += 1) {
      const next: Multiple = choosePeriod(200 * (1 + 0.1 * Math.sin(i)), present);
      if (present !== null && next !== present) turns += 1;
      present = next;
    }
    expect(turns).toBeLessThanOrEqual(1);
  });
});

describe('dollars', () => {
  // AWS' price, $0.01 for 1,000 metrics: 100 metrics every minute of 30 days are 4.32 million, $43.20.
  test.each([
    [100, 60, 1000, { usdPerMonth: 43.2, pollSeconds: 60, stretched: false, overBudget: false }],
    [100, 300, 1000, { usdPerMonth: 8.64, pollSeconds: 300, stretched: false, overBudget: false }],
    // Asked more often than a period ends, nothing more is asked for.
    [100, 15, 1000, { usdPerMonth: 43.2, pollSeconds: 15, stretched: false, overBudget: false }],
    [100, 60, 22, { usdPerMonth: 21.6, pollSeconds: 120, stretched: true, overBudget: false }],
    [100, 60, 1, { usdPerMonth: 2.88, pollSeconds: 900, stretched: true, overBudget: true }],
    [10_000, 60, 5000, { usdPerMonth: 4320, pollSeconds: 60, stretched: false, overBudget: false }],
    [0, 60, 0, { usdPerMonth: 0, pollSeconds: 60, stretched: false, overBudget: false }],
  ])('%i metrics every %i s with $%i a month', (series, pollSeconds, budgetUsdPerMonth, expected) => {
    const costs = costsOf({ byPeriod: new Map([[60, series]]), pollSeconds, budgetUsdPerMonth });
    expect({ ...costs, usdPerMonth: Math.round(costs.usdPerMonth * 100) / 100 }).toMatchObject({ series, ...expected });
  });

  test('percentiles of longer periods are read less often', () => {
    const byPeriod = new Map([
      [60, 10],
      [300, 10],
    ]);
    expect(costsOf({ byPeriod, pollSeconds: 60, budgetUsdPerMonth: 50 }).usdPerMonth).toBeCloseTo(4.32 + 0.864, 6);
  });
});

describe('presets', () => {
  test('give known signals only, in their units, each once', () => {
    const units = new Map(CLOUDWATCH_SIGNALS.map((info) => [info.signal, info.unit]));
    for (const one of all) expect(one.unit).toBe(units.get(one.signal));
    expect(new Set(all.map((one) => one.signal)).size).toBe(all.length);
  });

  test('and bindings by hand, give every signal that is not computed', () => {
    const byHand = CLOUDWATCH_SIGNALS.filter((info) => info.byHand === true).map((info) => info.signal);
    const given = [...all.map((one) => one.signal), ...byHand, 'requests_silent_seconds'];
    expect(given.toSorted()).toEqual(CLOUDWATCH_SIGNALS.map((info) => info.signal).toSorted());
  });

  // Names, dimensions and statistics: CloudWatch metrics pages of ELB, ECS, RDS, SQS and Lambda.
  test.each([
    ['requests', 'AWS/ApplicationELB', 'RequestCount', 'Sum', 1],
    ['latency_p95', 'AWS/ApplicationELB', 'TargetResponseTime', 'p95', 1],
    ['healthy_hosts', 'AWS/ApplicationELB', 'HealthyHostCount', 'Minimum', 1],
    ['cpu_max', 'AWS/ECS', 'CPUUtilization', 'Maximum', 0.01],
    ['task_memory', 'ECS/ContainerInsights', 'TaskMemoryUtilization', 'Average', 0.01],
    ['rds_burst_balance', 'AWS/RDS', 'BurstBalance', 'Minimum', 0.01],
    ['queue_age_seconds', 'AWS/SQS', 'ApproximateAgeOfOldestMessage', 'Maximum', 1],
    ['consumer_duration_p95', 'AWS/Lambda', 'Duration', 'p95', 0.001],
  ])('%s is %s %s %s × %d', (signal, namespace, metric, stat, scale) => {
    expect(query(signal)).toMatchObject({ namespace, metric, stat, scale });
  });

  test('zeros are proved by the right signal', () => {
    expect(query('errors').zeroWhere).toEqual(['requests']);
    expect(query('zone_errors').zeroWhere).toEqual(['zone_requests']);
    expect(query('consumer_throttles').zeroWhere).toEqual(['consumer_invocations']);
    expect(query('requests').zeroWhere).toBeNull();
    expect(query('dead_letters').zeroWhere).toBeNull();
  });

  test('a binding by hand is scaled, labelled, and its percentile is over what it is of', () => {
    const [bound] = bindingQueries('endpoint_latency_p95', {
      namespace: 'Rastup/Api',
      metric: 'Latency',
      stat: 'p95',
      dimensions: { Service: 'api', Endpoint: '*' },
      labels: { Endpoint: 'endpoint' },
      scale: 0.001,
      sparse: false,
    });
    expect(bound).toMatchObject({ unit: 's', scale: 0.001, samples: ['endpoint_requests'], zeroWhere: null });
    const series = metricSeries('api', bound!, { Endpoint: `/a\u0007${'x'.repeat(200)}` });
    expect(series.labels['endpoint']).toHaveLength(100);
    expect(series.labels['endpoint']).toMatch(/^\/a\?x+…$/);
    // The value itself is asked for as it is.
    expect(series.dimensions).toContainEqual(['Endpoint', `/a\u0007${'x'.repeat(200)}`]);
  });
});

describe('values of a wildcard', () => {
  const zones = query('zone_requests');
  const metric = (dimensions: Readonly<Record<string, string>>) => ({
    Dimensions: Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value })),
  });
  const both = { LoadBalancer: alb.loadBalancer, TargetGroup: alb.targetGroup };

  test('are those of metrics with exactly these dimensions', () => {
    const found = pickValues(
      zones,
      [
        metric({ ...both, AvailabilityZone: 'us-east-1b' }),
        metric({ ...both, AvailabilityZone: 'us-east-1a' }),
        metric({ LoadBalancer: alb.loadBalancer, AvailabilityZone: 'us-east-1c' }),
        metric({ ...both, TargetGroup: 'targetgroup/other/1', AvailabilityZone: 'us-east-1d' }),
        metric({ ...both, AvailabilityZone: 'us-east-1e', Extra: 'x' }),
      ],
      [],
    );
    expect(found).toEqual({
      values: [{ AvailabilityZone: 'us-east-1a' }, { AvailabilityZone: 'us-east-1b' }],
      dropped: 0,
    });
  });

  test('are at most 50: those known before stay, the rest is counted', () => {
    const metrics = Array.from({ length: 80 }, (_, i) => metric({ ...both, AvailabilityZone: `z${100 + i}` }));
    const found = pickValues(zones, metrics, [{ AvailabilityZone: 'z179' }, { AvailabilityZone: 'gone' }]);
    expect(found.values).toHaveLength(50);
    expect(found.values[0]).toEqual({ AvailabilityZone: 'z179' });
    expect(found.dropped).toBe(30);
  });
});

describe('what is not seen', () => {
  const series = ['requests', 'errors', 'cpu'].map((signal) => metricSeries('api', query(signal), {}));
  const failure = {
    because: 'error' as const,
    detail: 'AWS us-east-1: cloudwatch:GetMetricData is throttled',
    grant: null,
  };

  test('is one line for a target when all of it failed, and names its signals when a part did', () => {
    const failed = series.map((one) => ({ series: one, failure }));
    const all = { target: 'api', check: 'cloudwatch', ...failure, signals: ['requests', 'errors', 'cpu'] };
    expect(failureBlindness(failed, series)).toEqual([all]);
    expect(failureBlindness(failed.slice(0, 2), series)).toEqual([
      { ...all, detail: `${failure.detail}: requests, errors`, signals: ['requests', 'errors'] },
    ]);
  });

  test('and was never there, says what to check', () => {
    const [lb, task] = absenceBlindness(
      [
        { target: 'api', query: query('requests') },
        { target: 'api', query: query('latency_p95') },
        { target: 'api', query: query('task_cpu') },
      ],
      'us-east-1',
    );
    expect(lb).toEqual({
      target: 'api',
      check: 'cloudwatch',
      because: 'no_data',
      detail: `AWS/ApplicationELB (LoadBalancer=${alb.loadBalancer}, TargetGroup=${alb.targetGroup}) had no data in 3 h: RequestCount, TargetResponseTime`,
      grant: 'check the load balancer and the target group (ends of their ARNs), and the region us-east-1',
      signals: ['requests', 'latency_p95'],
    });
    expect(task?.grant).toBe(
      'aws ecs update-cluster-settings --cluster rastup-prod --settings name=containerInsights,value=enhanced',
    );
  });

  test('puts no strange cluster name into a command', () => {
    const strange = { ...query('task_cpu'), dimensions: { ClusterName: 'a; rm -rf /', ServiceName: 's', TaskId: '*' } };
    expect(absenceBlindness([{ target: 'api', query: strange }], 'r')[0]?.grant).not.toContain('rm -rf');
  });
});

describe('a snapshot', () => {
  const HERE = 'us-east-1 ';

  test('of another account or region is not taken: what was seen there says nothing here', () => {
    expect(readState(saveState(createState(), 'eu-west-1 '), HERE)).toBeNull();
    expect(readState(saveState(createState(), HERE), HERE)).not.toBeNull();
  });

  test('keeps watermarks, silence and periods, and nothing of failures', () => {
    const state = createState();
    const failure = { because: 'error' as const, detail: 'x', grant: null };
    state.metrics.set('m1', { watermark: 60_000, seenEnd: 30_000, failure, invalidAt: 1 });
    state.metrics.set('m2', { watermark: null, seenEnd: null, failure, invalidAt: null });
    state.requestsEnd.set('api', 120_000);
    state.multiples.set('key', 5);
    const restored = readState(saveState(state, HERE), HERE);
    expect(restored?.metrics.get('m1')).toEqual({ watermark: 60_000, seenEnd: 30_000, failure: null, invalidAt: null });
    expect(restored?.metrics.get('m2')).toEqual(UNKNOWN_METRIC);
    expect(restored?.requestsEnd.get('api')).toBe(120_000);
    expect(restored?.multiples.get('key')).toBe(5);
  });

  test.each([
    ['nothing', ''],
    ['another version', '{"version":99,"metrics":{},"requestsEnd":{},"multiples":{}}'],
    ['a list', '[]'],
    ['parts of another form', '{"version":1,"metrics":[],"requestsEnd":{},"multiples":{}}'],
  ])('that is %s is not taken', (_what, text) => {
    expect(readState(new TextEncoder().encode(text), HERE)).toBeNull();
  });

  test('entries that are not readable are left out', () => {
    const text = '{"version":1,"metrics":{"a":"x","b":[-1,"y"]},"requestsEnd":{"t":null},"multiples":{"k":7}}';
    const state = readState(new TextEncoder().encode(text), HERE);
    expect(state?.metrics.get('b')).toEqual(UNKNOWN_METRIC);
    expect([state?.metrics.size, state?.requestsEnd.size, state?.multiples.size]).toEqual([1, 0, 0]);
  });
});

test.each([
  [60_000, 300_000],
  [300_000, 300_000],
  [120_000, 360_000],
  [900_000, 900_000],
])('history of a poll at %i ms is read at %i ms', (periodMs, stepMs) => {
  expect(stepOf(periodMs)).toBe(stepMs);
});
