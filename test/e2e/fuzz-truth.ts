/** What an installation that asks the true servers read, and whether a sample is of it. */

import { CloudWatchClient, GetMetricDataCommand } from '@aws-sdk/client-cloudwatch';
import type { Series } from '../../src/model/index.ts';
import { APP_NAMESPACE } from '../world/service-config.ts';
import type { Channel, FuzzWorld } from './fuzz-world.ts';

const MINUTE_MS = 60_000;
/** Of our own clock. */
export const MEASURED = new Set(['health_milliseconds', 'cache_ping_ms']);
/** Differences of two polls: one that was not read makes them of two periods. */
const DIFFERENCES = new Set(['cache_hit_ratio', 'cache_evictions_per_second', 'cache_rejected_connections']);

/** By series, and by signal for those under another label, all values at a time. */
export type Truth = Map<string, Map<number, ReadonlySet<number>>>;
const signalKey = ({ target, signal }: Series): string => `${target}\t${signal}`;
export const seriesKey = (one: Series): string =>
  `${signalKey(one)}\t${JSON.stringify(Object.entries(one.labels).sort())}`;

export function learnTruth(truth: Truth, series: readonly Series[]): void {
  for (const one of series) {
    for (const key of [seriesKey(one), signalKey(one)]) {
      const known = truth.get(key) ?? new Map<number, ReadonlySet<number>>();
      truth.set(key, known);
      for (const [index, at] of one.times.entries()) {
        const others = key === seriesKey(one) ? [] : (known.get(at) ?? []);
        known.set(at, new Set([...others, one.values[index]!]));
      }
    }
  }
}

const near = (a: number, b: number): boolean => Math.abs(a - b) <= 1e-9 * Math.max(Math.abs(a), Math.abs(b), 1e-9);

/** Percentiles are over as long as it takes for enough requests, as far as these were seen: none is half or twice another. */
export function isOverAnotherPeriod(one: Series, truth: Truth): boolean {
  if (!/latency|duration/.test(one.signal)) return false;
  const known = [...(truth.get(signalKey(one))?.values() ?? [])].flatMap((values) => [...values]);
  const [least, most] = [Math.min(...known) / 2, Math.max(...known) * 2];
  return one.values.every((value) => value >= least && value <= most);
}

/** As CloudWatch has them, asked for by name; zero where it has nothing. */
export async function endpointRequests({ world }: FuzzWorld, one: Series): Promise<Map<number, ReadonlySet<number>>> {
  const client = new CloudWatchClient({ region: 'us-east-1', endpoint: world.aws.endpoint });
  const dimensions = { Service: one.target, Endpoint: one.labels['endpoint'], StatusCode: one.labels['status'] };
  const Metric = {
    Namespace: APP_NAMESPACE,
    MetricName: 'Requests',
    Dimensions: Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value: Value ?? '' })),
  };
  const [StartTime, EndTime] = [new Date(one.times[0]! - MINUTE_MS), new Date(one.times.at(-1)!)];
  const MetricDataQueries = [{ Id: 'one', MetricStat: { Metric, Period: MINUTE_MS / 1000, Stat: 'Sum' } }];
  const answer = await client.send(new GetMetricDataCommand({ StartTime, EndTime, MetricDataQueries }));
  client.destroy();
  const { Timestamps = [], Values = [] } = answer.MetricDataResults?.[0] ?? {};
  const seen = new Map(Timestamps.map((at, index) => [at.getTime() + MINUTE_MS, Values[index]!]));
  return new Map([...one.times].map((at) => [at, new Set([seen.get(at) ?? 0])]));
}

/** Null when all samples are those of the truth. */
export function falseSample(one: Series, truth: Truth, mayFall: boolean): string | null {
  // A label may be any text; the values are those of the signal then.
  const known = truth.get(seriesKey(one)) ?? truth.get(signalKey(one));
  for (const [index, at] of one.times.entries()) {
    const value = one.values[index]!;
    const name = `${seriesKey(one)} at ${new Date(at).toISOString()} is ${value}`;
    if (!Number.isFinite(value)) return name;
    if (MEASURED.has(one.signal)) {
      if (value < 0 || value > MINUTE_MS) return name;
      continue;
    }
    const expected = [...(known?.get(at) ?? [])];
    if (DIFFERENCES.has(one.signal)) {
      const far = expected.some((each) => Math.abs(value - each) > 0.5 * each + 1e-9);
      if (value < 0 || (one.unit === 'ratio' && value > 1) || far) return `${name}, not ${expected.join()}`;
      continue;
    }
    if (mayFall && value === 0 && one.unit === 'bool') continue;
    if (!expected.some((each) => near(value, each))) return `${name}, not ${expected.join()}`;
  }
  return null;
}

/** What comes of two polls takes two that were read; which values a wildcard has depends on when it was looked at. */
export function newestOf(series: readonly Series[], { api }: Channel): readonly string[] {
  const own = series.filter((one) => !DIFFERENCES.has(one.signal));
  if (api !== 'cloudwatch') return own.map((one) => `${seriesKey(one)} ${one.times.at(-1)}`);
  return own.map((one) =>
    Object.keys(one.labels).length === 0 ? `${seriesKey(one)} ${one.times.at(-1)}` : signalKey(one),
  );
}
