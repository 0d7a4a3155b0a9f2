import { describe, expect, test } from 'vitest';
import { createCatalogue } from './catalogue.ts';
import { bigFleet, demoFleet } from './demo-fleet.ts';
import type { Fleet } from './fleet.ts';
import { pointOf, type Statistic, statisticOf } from './metric.ts';

const NOW = Date.parse('2026-11-23T20:00:00Z');
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const LB = 'app/rastup/0123456789abcdef';
const ALB = { LoadBalancer: LB, TargetGroup: 'targetgroup/api/fedcba9876543210' };
const ECS = { ClusterName: 'rastup-prod', ServiceName: 'api-service' };

function reader(fleet: Fleet) {
  const catalogue = createCatalogue(fleet);
  return (
    namespace: string,
    name: string,
    dimensions: Record<string, string>,
    stat: string,
    at: number,
    periodMs = MINUTE,
  ) => {
    const metric = catalogue.find(namespace, name, dimensions);
    if (metric === null) throw new Error(`no metric ${namespace} ${name} ${JSON.stringify(dimensions)}`);
    return pointOf(metric, statisticOf(stat) as Statistic, at, periodMs, Number.POSITIVE_INFINITY);
  };
}
const fresh = (): Fleet => demoFleet({ now: () => NOW });
const alb = (read: ReturnType<typeof reader>, name: string, stat: string, at: number, periodMs = MINUTE) =>
  read('AWS/ApplicationELB', name, name.includes('_ELB_') ? { LoadBalancer: LB } : ALB, stat, at, periodMs);
const minutes = (from: number, count: number): number[] =>
  Array.from({ length: count }, (_, index) => from + index * MINUTE);
const mean = (values: readonly (number | null)[]): number => {
  const found = values.filter((value) => value !== null);
  return found.reduce((sum, value) => sum + value, 0) / found.length;
};
const sd = (values: readonly number[]): number => {
  const middle = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - middle) ** 2)));
};

describe('history without a fault', () => {
  test('reads twice alike, in any order, and alike in another fleet of the seed', () => {
    const [one, two] = [reader(fresh()), reader(fresh())];
    const times = minutes(NOW - 3 * DAY, 50);
    const first = times.map((at) => alb(one, 'TargetResponseTime', 'p95', at));
    const again = [...times].reverse().map((at) => alb(one, 'TargetResponseTime', 'p95', at));
    expect(again.reverse()).toEqual(first);
    expect(times.map((at) => alb(two, 'TargetResponseTime', 'p95', at))).toEqual(first);
    const other = reader(demoFleet({ seed: 2, now: () => NOW }));
    expect(times.map((at) => alb(other, 'TargetResponseTime', 'p95', at))).not.toEqual(first);
  });

  test('traffic has a day and a week', () => {
    const read = reader(fresh());
    const level = (day: string, hour: number): number =>
      mean(
        minutes(Date.parse(`${day}T00:00:00-08:00`) + hour * HOUR, 30).map((at) =>
          alb(read, 'RequestCount', 'Sum', at),
        ),
      );
    const [thursday, saturday] = ['2026-11-12', '2026-11-14'];
    const [peak, night] = [level(thursday, 15), level(thursday, 3)];
    expect(peak / 10_000).toBeGreaterThan(1.3);
    expect(night / 10_000).toBeLessThan(0.75);
    expect(level(saturday, 15) / peak).toBeCloseTo(0.75, 1);
    // The same hour a week earlier and later is nearly the same; the wander is a few percent.
    expect(level('2026-11-19', 15) / peak).toBeGreaterThan(0.9);
    expect(level('2026-11-19', 15) / peak).toBeLessThan(1.1);
  });

  test('the noise of p95 from minute to minute is 3 to 7 %, more with little traffic', () => {
    const read = reader(fresh());
    const noise = (dimensions: Record<string, string>): number => {
      const values = minutes(NOW - 2 * HOUR, 100).map((at) =>
        Math.log(read('AWS/ApplicationELB', 'TargetResponseTime', dimensions, 'p95', at)!),
      );
      return sd(values.slice(1).map((value, index) => value - values[index]!)) / Math.SQRT2;
    };
    expect(noise(ALB)).toBeGreaterThan(0.025);
    expect(noise(ALB)).toBeLessThan(0.07);
    const { facts } = fresh().services.get('websocket')!;
    expect(noise({ LoadBalancer: facts.loadBalancer, TargetGroup: facts.targetGroup })).toBeGreaterThan(
      noise(ALB) * 1.3,
    );
  });

  test('errors are few and come in clusters', () => {
    const read = reader(fresh());
    const times = minutes(NOW - 4 * DAY, 4 * 1_440);
    const errors = times.map((at) => alb(read, 'HTTPCode_Target_5XX_Count', 'Sum', at) ?? 0);
    const requests = times.map((at) => alb(read, 'RequestCount', 'Sum', at) ?? 0);
    const share = mean(errors) / mean(requests);
    expect(share).toBeGreaterThan(0.001);
    expect(share).toBeLessThan(0.003);
    const search = reader(fresh());
    const { facts } = fresh().services.get('search')!;
    const quiet = times.map((at) =>
      search(
        'AWS/ApplicationELB',
        'HTTPCode_Target_5XX_Count',
        { LoadBalancer: facts.loadBalancer, TargetGroup: facts.targetGroup },
        'Sum',
        at,
      ),
    );
    // A counter that is zero is not published; and more spread than Poisson's.
    expect(quiet.filter((value) => value === null).length).toBeGreaterThan(100);
    expect(quiet.filter((value) => value === 0)).toEqual([]);
    const counts = quiet.map((value) => value ?? 0);
    expect(sd(counts) ** 2 / mean(counts)).toBeGreaterThan(1.3);
  });

  test('a longer period adds counts up and has a percentile of its own', () => {
    const read = reader(fresh());
    const start = NOW - HOUR;
    const parts = minutes(start, 5).map((at) => alb(read, 'RequestCount', 'Sum', at)!);
    expect(alb(read, 'RequestCount', 'Sum', start, 5 * MINUTE)).toBe(parts.reduce((sum, value) => sum + value, 0));
    const p95 = alb(read, 'TargetResponseTime', 'p95', start, 5 * MINUTE)!;
    const each = minutes(start, 5).map((at) => alb(read, 'TargetResponseTime', 'p95', at)!);
    expect(p95).toBeGreaterThan(Math.min(...each) * 0.98);
    expect(p95).toBeLessThan(Math.max(...each) * 1.02);
    const tens = Array.from(
      { length: 6 },
      (_, index) => alb(read, 'RequestCount', 'Sum', start + index * 10_000, 10_000)!,
    );
    expect(tens.reduce((sum, value) => sum + value, 0) / parts[0]!).toBeCloseTo(1, 1);
  });

  test('the parts add up: zones, endpoints and codes', () => {
    const fleet = fresh();
    const read = reader(fleet);
    const at = NOW - HOUR;
    const total = alb(read, 'RequestCount', 'Sum', at)!;
    const zones = ['a', 'b', 'c'].map(
      (zone) =>
        read('AWS/ApplicationELB', 'RequestCount', { ...ALB, AvailabilityZone: `us-east-1${zone}` }, 'Sum', at)!,
    );
    expect(zones.reduce((sum, value) => sum + value, 0)).toBe(total);
    const zoneErrors = ['a', 'b', 'c'].map(
      (zone) =>
        read(
          'AWS/ApplicationELB',
          'HTTPCode_Target_5XX_Count',
          { ...ALB, AvailabilityZone: `us-east-1${zone}` },
          'Sum',
          at,
        ) ?? 0,
    );
    expect(zoneErrors.reduce((sum, value) => sum + value, 0)).toBe(alb(read, 'HTTPCode_Target_5XX_Count', 'Sum', at));
    let seen = 0;
    let failed = 0;
    for (const { name } of fleet.services.get('api')!.facts.endpoints) {
      for (const StatusCode of ['200', '400', '401', '404', '429', '500', '502', '503', '504']) {
        const count = read('Rastup/App', 'Requests', { Service: 'api', Endpoint: name, StatusCode }, 'Sum', at) ?? 0;
        seen += count;
        if (StatusCode >= '500') failed += count;
      }
    }
    expect(seen).toBe(total);
    expect(failed).toBe(alb(read, 'HTTPCode_Target_5XX_Count', 'Sum', at));
  });

  test('CPU follows traffic, memory stays', () => {
    const read = reader(fresh());
    const at = (hour: number, name: string): number =>
      mean(
        minutes(Date.parse('2026-11-12T00:00:00-08:00') + hour * HOUR, 20).map((time) =>
          read('AWS/ECS', name, ECS, 'Average', time),
        ),
      );
    expect(at(15, 'CPUUtilization') / at(3, 'CPUUtilization')).toBeGreaterThan(1.5);
    expect(Math.abs(at(15, 'MemoryUtilization') - at(3, 'MemoryUtilization'))).toBeLessThan(5);
  });
});

describe('conditions', () => {
  const from = NOW - 30 * MINUTE;
  const during = NOW - 10 * MINUTE;
  const before = NOW - 40 * MINUTE;

  test('errors of one endpoint, one zone, one task', () => {
    const fleet = fresh();
    const read = reader(fleet);
    fleet.affect({
      service: 'api',
      from,
      effects: { errors: { share: 0.5, endpoint: 'POST /v1/checkout', status: 503 } },
    });
    const checkout = { Service: 'api', Endpoint: 'POST /v1/checkout' };
    const failed = read('Rastup/App', 'Requests', { ...checkout, StatusCode: '503' }, 'Sum', during)!;
    const total = alb(read, 'RequestCount', 'Sum', during)!;
    expect(failed / total).toBeCloseTo(0.04, 2);
    expect(read('Rastup/App', 'Requests', { ...checkout, StatusCode: '503' }, 'Sum', before)).toBeNull();

    const zoned = fresh();
    const readZone = reader(zoned);
    zoned.affect({ service: 'api', from, effects: { errors: { share: 0.3, zone: 'us-east-1b' } } });
    const errors = (zone: string): number =>
      readZone('AWS/ApplicationELB', 'HTTPCode_Target_5XX_Count', { ...ALB, AvailabilityZone: zone }, 'Sum', during) ??
      0;
    expect(errors('us-east-1b')).toBeGreaterThan(20 * errors('us-east-1a'));

    const single = fresh();
    const readTask = reader(single);
    const [task] = single.runningTasks('api');
    single.affect({ service: 'api', from, effects: { errors: { share: 1, task: task! } } });
    const share =
      alb(readTask, 'HTTPCode_Target_5XX_Count', 'Sum', during)! / alb(readTask, 'RequestCount', 'Sum', during)!;
    expect(share).toBeCloseTo(1 / 6, 1);
  });

  test('slow for all, slow at the end only, slow for some', () => {
    const p = (effects: Parameters<Fleet['affect']>[0]['effects'], stat: string): number => {
      const fleet = fresh();
      fleet.affect({ service: 'api', from, effects: effects as never });
      const read = reader(fleet);
      return (
        alb(read, 'TargetResponseTime', stat, during, 5 * MINUTE)! /
        alb(read, 'TargetResponseTime', stat, before, 5 * MINUTE)!
      );
    };
    expect(p({ latency: { factor: 2 } }, 'p50')).toBeCloseTo(2, 0);
    expect(p({ latency: { factor: 2 } }, 'p95')).toBeCloseTo(2, 0);
    expect(p({ latency: { p95Factor: 3 } }, 'p50')).toBeCloseTo(1, 0);
    expect(p({ latency: { p95Factor: 3 } }, 'p95')).toBeGreaterThan(2.5);
    const checkout = { latency: { endpoint: 'POST /v1/checkout', addSeconds: 4 } };
    expect(p(checkout, 'p50')).toBeLessThan(1.25);
    expect(p(checkout, 'p95')).toBeGreaterThan(5);
  });

  test('silence publishes neither requests nor latency, and hosts stay', () => {
    const fleet = fresh();
    const read = reader(fleet);
    fleet.affect({ service: 'api', from, effects: { silence: true } });
    expect(['RequestCount', 'HTTPCode_ELB_503_Count'].map((name) => alb(read, name, 'Sum', during))).toEqual([
      null,
      null,
    ]);
    expect(alb(read, 'TargetResponseTime', 'p95', during)).toBeNull();
    expect(alb(read, 'HealthyHostCount', 'Minimum', during)).toBe(6);
  });

  test('a total outage shows no requests, but 503 of the load balancer; ECS falls silent', () => {
    const fleet = fresh();
    const read = reader(fleet);
    fleet.crashLoop('api', { at: from, afterSeconds: 5, reason: 'image-pull' });
    fleet.stopTask('api', { at: from, kind: 'host', count: 6 });
    expect(alb(read, 'RequestCount', 'Sum', during)).toBeNull();
    expect(alb(read, 'HTTPCode_Target_5XX_Count', 'Sum', during)).toBeNull();
    expect(alb(read, 'HTTPCode_ELB_503_Count', 'Sum', during)).toBeGreaterThan(5_000);
    expect(alb(read, 'HTTPCode_ELB_5XX_Count', 'Sum', during)).toBe(alb(read, 'HTTPCode_ELB_503_Count', 'Sum', during));
    expect(read('AWS/ECS', 'CPUUtilization', ECS, 'Average', during)).toBeNull();
    expect(read('ECS/ContainerInsights', 'RunningTaskCount', ECS, 'Average', during)).toBe(0);
    expect(alb(read, 'RequestCount', 'Sum', before)).toBeGreaterThan(5_000);
  });

  test('one busy task shows in the maximum, and by its id', () => {
    const fleet = fresh();
    const read = reader(fleet);
    const [task] = fleet.runningTasks('api');
    fleet.affect({ service: 'api', from, effects: { cpu: { add: 0.45, task: task! } } });
    const cpu = (stat: string): number => read('AWS/ECS', 'CPUUtilization', ECS, stat, during)!;
    expect(cpu('Maximum') - cpu('Average')).toBeGreaterThan(30);
    expect(
      read('ECS/ContainerInsights', 'TaskCpuUtilization', { ...ECS, TaskId: task! }, 'Average', during),
    ).toBeCloseTo(cpu('Maximum'), 5);
    expect(
      createCatalogue(demoFleet({ now: () => NOW, cluster: { containerInsights: 'disabled' } })).find(
        'ECS/ContainerInsights',
        'RunningTaskCount',
        ECS,
      ),
    ).toBeNull();
  });

  test('a leak climbs, kills its tasks out of memory, and begins anew', () => {
    const fleet = fresh();
    const read = reader(fleet);
    fleet.affect({ service: 'api', from: NOW - 2 * HOUR, effects: { memory: { slopePerHour: 0.4 } } });
    const memory = (at: number): number => read('AWS/ECS', 'MemoryUtilization', ECS, 'Maximum', at)!;
    expect(memory(NOW - HOUR) - memory(NOW - 110 * MINUTE)).toBeGreaterThan(25);
    const { machine } = fleet.services.get('api')!;
    const killed = machine
      .tasks(NOW - 2 * HOUR, NOW)
      .filter(({ stop, stoppingAt }) => stoppingAt < NOW && stop?.containerReason?.startsWith('OutOfMemoryError'));
    expect(killed).toHaveLength(6);
    expect(new Set(killed.map(({ stoppingAt }) => Math.round(stoppingAt / MINUTE))).size).toBeGreaterThan(1);
    expect(memory(NOW - 20 * MINUTE)).toBeLessThan(75);
  });

  test('vendors, the database’s share, and refusals', () => {
    const fleet = fresh();
    const read = reader(fleet);
    const stripe = { Service: 'payment', Host: 'api.stripe.com' };
    fleet.affect({
      service: 'payment',
      from,
      effects: { dependency: { host: 'api.stripe.com', errorShare: 0.4, latencyFactor: 5 } },
    });
    fleet.affect({ service: 'api', from, effects: { dbQueriesFactor: 6, dbTimeFactor: 2, rateLimited: 0.1 } });
    const calls = (name: string): number => read('Rastup/App', name, stripe, 'Sum', during, 5 * MINUTE)!;
    expect(calls('DependencyErrors') / calls('DependencyRequests')).toBeCloseTo(0.4, 1);
    const latency = (at: number): number => read('Rastup/App', 'DependencyLatency', stripe, 'p95', at)!;
    expect(latency(during) / latency(before)).toBeGreaterThan(3.5);
    const perRequest = (at: number): number =>
      read('Rastup/App', 'DbQueries', { Service: 'api' }, 'Sum', at)! / alb(read, 'RequestCount', 'Sum', at)!;
    expect(perRequest(during) / perRequest(before)).toBeCloseTo(6, 0);
    const time = (at: number): number => read('Rastup/App', 'DbTime', { Service: 'api' }, 'Sum', at)!;
    expect(time(during) / time(before)).toBeGreaterThan(9);
    const limited = read('Rastup/App', 'RateLimited', { Service: 'api' }, 'Sum', during)!;
    expect(limited / alb(read, 'RequestCount', 'Sum', during)!).toBeCloseTo(0.1, 1);
    expect(read('Rastup/App', 'RateLimited', { Service: 'api' }, 'Sum', before)).toBeNull();
  });

  test('what is taken back ends; it does not unhappen', () => {
    const fleet = fresh();
    const read = reader(fleet);
    const undo = fleet.affect({ service: 'api', from, effects: { errors: { share: 0.2 } } });
    const bad = alb(read, 'HTTPCode_Target_5XX_Count', 'Sum', during)!;
    undo(NOW - 5 * MINUTE);
    expect(alb(read, 'HTTPCode_Target_5XX_Count', 'Sum', during)).toBe(bad);
    expect(alb(read, 'HTTPCode_Target_5XX_Count', 'Sum', NOW - 3 * MINUTE)!).toBeLessThan(bad / 10);
  });

  test('a condition touches the part of a minute that it covers', () => {
    const fleet = fresh();
    const read = reader(fleet);
    fleet.affect({ service: 'api', from: during + 30_000, effects: { errors: { share: 0.4 } } });
    const share = alb(read, 'HTTPCode_Target_5XX_Count', 'Sum', during)! / alb(read, 'RequestCount', 'Sum', during)!;
    expect(share).toBeCloseTo(0.2, 1);
    const seconds = (at: number): number => alb(read, 'HTTPCode_Target_5XX_Count', 'Sum', at, 5_000) ?? 0;
    expect(seconds(during + 20_000)).toBeLessThan(20);
    expect(seconds(during + 40_000)).toBeGreaterThan(200);
  });

  test('databases: CPU, connections, lag that grows and is made good', () => {
    const fleet = fresh();
    const read = reader(fleet);
    fleet.affect({
      database: 'rastup-prod',
      from,
      to: NOW - 5 * MINUTE,
      effects: { cpuAdd: 0.5, connectionsFactor: 3 },
    });
    fleet.affect({
      database: 'rastup-prod-replica',
      from,
      to: NOW - 5 * MINUTE,
      effects: { replicaLag: { growth: 0.5 } },
    });
    const rds = (name: string, at: number, instance = 'rastup-prod'): number | null =>
      read('AWS/RDS', name, { DBInstanceIdentifier: instance }, 'Average', at);
    expect(rds('CPUUtilization', during)! - rds('CPUUtilization', before)!).toBeGreaterThan(40);
    expect(rds('DatabaseConnections', during)! / rds('DatabaseConnections', before)!).toBeCloseTo(3, 0);
    expect(rds('ReplicaLag', during, 'rastup-prod-replica')).toBeGreaterThan(500);
    expect(rds('ReplicaLag', NOW + 10 * MINUTE, 'rastup-prod-replica')).toBeLessThan(1);
    expect(rds('ReplicaLag', during)).toBeNull();
    fleet.database('rastup-prod', { at: NOW - 2 * MINUTE, status: 'stopped' });
    expect(rds('CPUUtilization', NOW)).toBeNull();
  });

  test('queues: a backlog is the sum of what came, and is worked off', () => {
    const fleet = fresh();
    const read = reader(fleet);
    const sqs = (name: string, stat: string, at: number, queue = 'rastup-messages'): number | null =>
      read('AWS/SQS', name, { QueueName: queue }, stat, at);
    const lambda = (name: string, at: number): number | null =>
      read('AWS/Lambda', name, { FunctionName: 'rastup-message-processor' }, 'Sum', at);
    expect(sqs('ApproximateNumberOfMessagesVisible', 'Maximum', before)).toBeLessThan(20);
    fleet.affect({ queue: 'rastup-messages', from, to: NOW - 10 * MINUTE, effects: { capacityFactor: 0 } });
    const at = NOW - 11 * MINUTE;
    const sent = minutes(from, 20).reduce((sum, time) => sum + sqs('NumberOfMessagesSent', 'Sum', time)!, 0);
    expect(sqs('ApproximateNumberOfMessagesVisible', 'Maximum', at)! / sent).toBeCloseTo(1, 1);
    expect(sqs('ApproximateAgeOfOldestMessage', 'Maximum', at)).toBeGreaterThan(800);
    expect(sqs('NumberOfMessagesDeleted', 'Sum', at)).toBe(0);
    expect(sqs('ApproximateNumberOfMessagesVisible', 'Maximum', NOW + HOUR)).toBeLessThan(200);

    const poisoned = fresh();
    const readPoison = reader(poisoned);
    poisoned.affect({ queue: 'rastup-messages', from, effects: { poisonShare: 0.2, throttledShare: 0.5 } });
    const dead = (time: number): number =>
      readPoison(
        'AWS/SQS',
        'ApproximateNumberOfMessagesVisible',
        { QueueName: 'rastup-messages-dlq' },
        'Maximum',
        time,
      )!;
    expect([dead(before), dead(during) > 1_000]).toEqual([0, true]);
    expect(
      readPoison('AWS/Lambda', 'Throttles', { FunctionName: 'rastup-message-processor' }, 'Sum', during),
    ).toBeGreaterThan(10);
    expect(lambda('Throttles', during)).toBe(0);
  });

  test('answers of the load balancer itself, by code', () => {
    const fleet = fresh();
    const read = reader(fleet);
    fleet.affect({
      service: 'api',
      from,
      effects: { elb: { '502': 0.02, '503': 0.1, '504': 0.01 }, connectionErrors: 0.02 },
    });
    const requests = alb(read, 'RequestCount', 'Sum', during)!;
    const [bad, none, slow] = ['502', '503', '504'].map(
      (code) => alb(read, `HTTPCode_ELB_${code}_Count`, 'Sum', during)!,
    );
    // 503 never reached a target, the others did.
    expect(none! / (requests + none!)).toBeCloseTo(0.1, 1);
    expect(bad! / requests).toBeCloseTo(0.02, 2);
    expect(slow! / requests).toBeCloseTo(0.01, 2);
    expect(alb(read, 'HTTPCode_ELB_5XX_Count', 'Sum', during)).toBe(bad! + none! + slow!);
    expect(alb(read, 'TargetConnectionErrorCount', 'Sum', during)! / requests).toBeCloseTo(0.02, 2);
  });

  test('errors of a version come with it and go with it', () => {
    const fleet = fresh();
    const read = reader(fleet);
    fleet.affect({ service: 'api', from: NOW - 2 * HOUR, effects: { errors: { share: 0.3, version: '512' } } });
    const share = (at: number): number =>
      (alb(read, 'HTTPCode_Target_5XX_Count', 'Sum', at) ?? 0) / alb(read, 'RequestCount', 'Sum', at)!;
    expect(share(during)).toBeLessThan(0.01);
    fleet.deploy('api', { version: 'api:512', at: NOW - 20 * MINUTE });
    const rising = minutes(NOW - 20 * MINUTE, 4).map(share);
    expect(rising).toEqual([...rising].sort((a, b) => a - b));
    expect(share(during)).toBeCloseTo(0.3, 1);
    fleet.deploy('api', { version: 'api:511', at: NOW });
    expect(share(NOW + 6 * MINUTE)).toBeLessThan(0.01);
  });

  test('new tasks are cold for a while', () => {
    const fleet = fresh();
    const read = reader(fleet);
    fleet.affect({ service: 'api', from: NOW - HOUR, effects: { coldTasks: { seconds: 120, latencyFactor: 8 } } });
    const p95 = (at: number): number => alb(read, 'TargetResponseTime', 'p95', at)!;
    const calm = p95(NOW - 20 * MINUTE);
    fleet.deploy('api', { version: 512, at: NOW - 15 * MINUTE });
    const worst = Math.max(...minutes(NOW - 15 * MINUTE, 5).map(p95));
    expect(worst / calm).toBeGreaterThan(1.8);
    expect(p95(NOW - MINUTE) / calm).toBeLessThan(1.3);
  });
});

test('a big fleet has services of 20 to 20,000 requests a minute', () => {
  const rates = [...bigFleet(50, { now: () => NOW }).services.values()].map(({ facts }) => facts.requestsPerMinute);
  expect([rates.length, Math.min(...rates), Math.max(...rates)]).toEqual([50, 20, 20_000]);
});
