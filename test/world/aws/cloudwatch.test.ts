import {
  type CloudWatchClient,
  GetMetricDataCommand,
  ListMetricsCommand,
  type MetricDataQuery,
} from '@aws-sdk/client-cloudwatch';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AwsEndpoint, startAws } from './aws.ts';
import { awsClients } from './clients.ts';
import { bigFleet, demoFleet } from './demo-fleet.ts';
import type { Fleet } from './fleet.ts';

const NOW = Date.parse('2026-11-23T22:00:30Z');
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
let now = NOW;
let fleet: Fleet;
let aws: AwsEndpoint;
let client: CloudWatchClient;

beforeAll(async () => {
  fleet = demoFleet({ now: () => now, startedAt: NOW - 500 * DAY });
  aws = await startAws({ fleet });
  client = awsClients(aws.endpoint).cloudwatch;
});
afterAll(async () => {
  client.destroy();
  await aws.close();
});

const DIMENSIONS = { LoadBalancer: 'app/rastup/0123456789abcdef', TargetGroup: 'targetgroup/api/fedcba9876543210' };
const query = (
  id: string,
  name = 'RequestCount',
  stat = 'Sum',
  period = 60,
  dimensions: Record<string, string> = DIMENSIONS,
): MetricDataQuery => ({
  Id: id,
  MetricStat: {
    Metric: {
      Namespace: 'AWS/ApplicationELB',
      MetricName: name,
      Dimensions: Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value })),
    },
    Period: period,
    Stat: stat,
  },
});
const get = (queries: readonly MetricDataQuery[], from: number, to: number, more: object = {}) =>
  client.send(
    new GetMetricDataCommand({
      StartTime: new Date(from),
      EndTime: new Date(to),
      ScanBy: 'TimestampAscending',
      MetricDataQueries: [...queries],
      ...more,
    }),
  );
const times = async (queried: MetricDataQuery, from: number, to: number): Promise<readonly string[]> =>
  (await get([queried], from, to)).MetricDataResults![0]!.Timestamps!.map((at) => at.toISOString().slice(0, 19));

describe('GetMetricData', () => {
  test.each([
    ['more than 500 queries', Array.from({ length: 501 }, (_, index) => query(`q${index}`)), {}],
    ['an id twice', [query('q'), query('q')], {}],
    ['an id with a capital', [query('Q')], {}],
    ['a period of 45 s', [query('q', 'RequestCount', 'Sum', 45)], {}],
    ['a period of 90 s', [query('q', 'RequestCount', 'Sum', 90)], {}],
    ['a statistic that does not exist', [query('q', 'RequestCount', 'P95')], {}],
    ['more points than a page has', [query('q')], { MaxDatapoints: 100_801 }],
    ['an expression', [{ Id: 'e', Expression: 'm1 / m2' }], {}],
    ['an end before the start', [query('q')], { EndTime: new Date(NOW - 2 * HOUR) }],
  ] as const)('refuses %s', async (_, queries, more) => {
    await expect(get(queries, NOW - HOUR, NOW, more)).rejects.toMatchObject({
      name: 'ValidationException',
      Code: 'ValidationError',
    });
  });

  test('takes 500 queries, and answers a metric that does not exist with no points', async () => {
    const { MetricDataResults } = await get(
      [...Array.from({ length: 499 }, (_, index) => query(`q${index}`)), query('none', 'Requests')],
      NOW - HOUR,
      NOW,
    );
    expect(MetricDataResults).toHaveLength(500);
    expect(MetricDataResults!.at(-1)).toMatchObject({ Id: 'none', Values: [], StatusCode: 'Complete' });
  });

  test('rounds the start down to the minute, includes it, and leaves the end out', async () => {
    expect(await times(query('q'), NOW - 20 * MINUTE, NOW - 17 * MINUTE)).toEqual([
      '2026-11-23T21:40:00',
      '2026-11-23T21:41:00',
      '2026-11-23T21:42:00',
      '2026-11-23T21:43:00',
    ]);
    expect(
      await times(query('q', 'RequestCount', 'Sum', 300), NOW - 20 * MINUTE - 30_000, NOW - 10 * MINUTE - 30_000),
    ).toEqual(['2026-11-23T21:40:00', '2026-11-23T21:45:00']);
    expect(
      await times(query('q', 'RequestCount', 'Sum', 10), NOW - 5 * MINUTE + 4_000, NOW - 5 * MINUTE + 24_000),
    ).toEqual(['2026-11-23T21:55:30', '2026-11-23T21:55:40', '2026-11-23T21:55:50']);
  });

  test.each([
    ['10 s for 3 h', 10, 3 * HOUR],
    ['60 s for 15 d', 60, 15 * DAY],
    ['300 s for 63 d', 300, 63 * DAY],
    ['3600 s for 455 d', 3600, 455 * DAY],
  ])('keeps %s', async (_, period, age) => {
    const span = period * 1_000 * 4;
    const at = Math.floor((NOW - age) / (period * 1_000)) * period * 1_000;
    expect(await times(query('q', 'RequestCount', 'Sum', period), at - 3 * span, at)).toEqual([]);
    expect((await times(query('q', 'RequestCount', 'Sum', period), at + span, at + 2 * span)).length).toBeGreaterThan(
      0,
    );
  });

  test('a metric is late; a long period that is not over has what is there', async () => {
    expect((await times(query('q'), NOW - 10 * MINUTE, NOW)).at(-1)).toBe('2026-11-23T21:57:00');
    const five = await get([query('q', 'RequestCount', 'Sum', 300)], NOW - 10 * MINUTE, NOW);
    const [whole, part] = five.MetricDataResults![0]!.Values!.slice(-2);
    expect(part! / whole!).toBeCloseTo(3 / 5, 1);
    now += 2 * MINUTE;
    const later = await get([query('q', 'RequestCount', 'Sum', 300)], NOW - 10 * MINUTE, NOW);
    expect(later.MetricDataResults![0]!.Values!.at(-1)! / whole!).toBeCloseTo(1, 1);
    now = NOW;
  });

  test('pages by points: series are cut, and go on with the token; another request’s token is refused', async () => {
    const queries = [query('a'), query('b', 'HealthyHostCount', 'Minimum'), query('c', 'TargetResponseTime', 'p95')];
    const [from, to] = [NOW - HOUR, NOW - 10 * MINUTE];
    const whole = await get(queries, from, to);
    const merged: Record<string, number[]> = {};
    let NextToken: string | undefined;
    let pages = 0;
    const partial: string[] = [];
    do {
      const page = await get(queries, from, to, {
        MaxDatapoints: 40,
        ...(NextToken === undefined ? {} : { NextToken }),
      });
      expect(page.MetricDataResults!.reduce((sum, { Values }) => sum + Values!.length, 0)).toBeLessThanOrEqual(40);
      for (const { Id, Values, StatusCode } of page.MetricDataResults!) {
        merged[Id!] = [...(merged[Id!] ?? []), ...Values!];
        if (StatusCode === 'PartialData') partial.push(Id!);
      }
      NextToken = page.NextToken;
      pages += 1;
    } while (NextToken !== undefined && pages < 20);
    expect(pages).toBe(4);
    expect(partial).toEqual(['a', 'b', 'c']);
    expect(merged).toEqual(Object.fromEntries(whole.MetricDataResults!.map(({ Id, Values }) => [Id, Values])));
    const { NextToken: token } = await get(queries, from, to, { MaxDatapoints: 40 });
    await expect(get([query('a')], from, to, { NextToken: token })).rejects.toMatchObject({
      name: expect.stringMatching(/^InvalidNextToken/),
    });
  });

  test('dimensions must be those that were published', async () => {
    const results = await get(
      [
        query('lb', 'RequestCount', 'Sum', 60, { LoadBalancer: DIMENSIONS.LoadBalancer }),
        query('tg', 'RequestCount', 'Sum', 60, { TargetGroup: DIMENSIONS.TargetGroup }),
        query('elb', 'HTTPCode_ELB_5XX_Count', 'Sum', 60, DIMENSIONS),
      ],
      NOW - HOUR,
      NOW,
    );
    expect(results.MetricDataResults!.map(({ Values }) => Values!.length > 0)).toEqual([true, false, false]);
  });

  test('nothing is older than the fleet', async () => {
    const young = demoFleet({ now: () => NOW, startedAt: NOW - HOUR - 30_000 });
    const endpoint = await startAws({ fleet: young, publishDelayMs: 0 });
    const { cloudwatch } = awsClients(endpoint.endpoint);
    const command = new GetMetricDataCommand({
      StartTime: new Date(NOW - DAY),
      EndTime: new Date(NOW),
      MetricDataQueries: [query('q')],
    });
    const { MetricDataResults } = await cloudwatch.send(command);
    expect(MetricDataResults![0]!.Values).toHaveLength(60);
    expect(MetricDataResults![0]!.Timestamps![0]).toEqual(new Date('2026-11-23T21:59:00Z'));
    cloudwatch.destroy();
    await endpoint.close();
  });
});

describe('ListMetrics', () => {
  test('pages of 500, filters by dimension, and with RecentlyActive leaves the silent out', async () => {
    const big = bigFleet(30, { now: () => NOW });
    big.affect({ service: 'svc-003', from: NOW - 5 * HOUR, effects: { silence: true } });
    const endpoint = await startAws({ fleet: big });
    const { cloudwatch } = awsClients(endpoint.endpoint);
    const list = async (input: object): Promise<{ readonly names: string[]; readonly pages: number }> => {
      const names: string[] = [];
      let NextToken: string | undefined;
      let pages = 0;
      do {
        const page = await cloudwatch.send(
          new ListMetricsCommand({ ...input, ...(NextToken === undefined ? {} : { NextToken }) }),
        );
        expect(page.Metrics!.length).toBeLessThanOrEqual(500);
        names.push(
          ...page.Metrics!.map(
            (metric) => `${metric.MetricName} ${metric.Dimensions!.map(({ Value }) => Value).join(' ')}`,
          ),
        );
        NextToken = page.NextToken;
        pages += 1;
      } while (NextToken !== undefined);
      return { names, pages };
    };
    const all = await list({ Namespace: 'AWS/ApplicationELB' });
    expect(all.pages).toBeGreaterThan(3);
    expect(new Set(all.names).size).toBe(all.names.length);
    const service = {
      Namespace: 'Rastup/App',
      MetricName: 'Latency',
      Dimensions: [{ Name: 'Service', Value: 'svc-003' }, { Name: 'Endpoint' }],
    };
    expect((await list(service)).names).toHaveLength(4);
    expect((await list({ ...service, RecentlyActive: 'PT3H' })).names).toEqual([]);
    const other = { ...service, Dimensions: [{ Name: 'Service', Value: 'svc-020' }], RecentlyActive: 'PT3H' };
    expect((await list(other)).names).toHaveLength(4);
    cloudwatch.destroy();
    await endpoint.close();
  });

  test('names tasks where Container Insights is enhanced', async () => {
    const { Metrics } = await client.send(
      new ListMetricsCommand({
        Namespace: 'ECS/ContainerInsights',
        MetricName: 'TaskMemoryUtilization',
        Dimensions: [{ Name: 'TaskId' }],
      }),
    );
    expect(Metrics).toHaveLength(22);
  });
});

test('ten thousand series of fifteen points are quick', async () => {
  const big = bigFleet(500, { now: () => NOW });
  const endpoint = await startAws({ fleet: big, now: () => NOW });
  const { cloudwatch } = awsClients(endpoint.endpoint);
  const queries = [...big.services.values()].flatMap(({ facts }) =>
    ['RequestCount', 'HTTPCode_Target_5XX_Count', 'HealthyHostCount', 'TargetResponseTime'].map((name) => ({
      name,
      dimensions: { LoadBalancer: facts.loadBalancer, TargetGroup: facts.targetGroup },
    })),
  );
  const started = performance.now();
  for (let from = 0; from < queries.length; from += 500) {
    const some = queries
      .slice(from, from + 500)
      .map(({ name, dimensions }, index) =>
        query(`q${index}`, name, name === 'TargetResponseTime' ? 'p95' : 'Sum', 60, dimensions),
      );
    const command = new GetMetricDataCommand({
      StartTime: new Date(NOW - 17 * MINUTE),
      EndTime: new Date(NOW),
      MetricDataQueries: some,
    });
    expect((await cloudwatch.send(command)).MetricDataResults).toHaveLength(500);
  }
  // 2,000 of them, client included: measured 0.4 s; the limit is for a loaded machine.
  expect(performance.now() - started).toBeLessThan(8_000);
  cloudwatch.destroy();
  await endpoint.close();
});
