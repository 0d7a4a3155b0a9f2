/** What CloudWatch does not show, one line for each target and reason. Pure. */

import { clockTime, duration } from '../../../model/format.ts';
import type { EpochMs } from '../../../model/glossary.ts';
import type { Blindness } from '../../../model/source.ts';
import { type AwsFailure, CLOCK_GRANT } from '../failure.ts';
import type { MetricSeries, SignalQuery } from './query.ts';

export const CHECK = 'cloudwatch';

export interface FailedSeries {
  readonly series: MetricSeries;
  readonly failure: AwsFailure;
}

/** Failures of a target with the same words are one; they name their signals where not all of the target's are hidden. */
export function failureBlindness(failed: readonly FailedSeries[], all: readonly MetricSeries[]): readonly Blindness[] {
  const sizes = new Map<string, number>();
  for (const { target } of all) sizes.set(target, (sizes.get(target) ?? 0) + 1);
  const groups = Map.groupBy(failed, ({ series, failure }) => JSON.stringify([series.target, failure]));
  return [...groups.values()].map((group) => {
    const { series, failure } = group[0]!;
    const partly = group.length < (sizes.get(series.target) ?? 0);
    const detail = partly
      ? `${failure.detail}: ${listed(group.map((one) => one.series.query.signal))}`
      : failure.detail;
    return {
      target: series.target,
      check: CHECK,
      ...failure,
      detail,
      signals: signalsOf(group.map((one) => one.series)),
    };
  });
}

const signalsOf = (list: readonly Pick<Absent, 'query'>[]): readonly string[] => [
  ...new Set(list.map(({ query }) => query.signal)),
];

interface Absent {
  readonly target: string;
  readonly query: SignalQuery;
  /** Worth having, and not needed now. */
  readonly optional?: boolean;
}

/** Namespace and dimensions: what is there or not there as one. */
export const placeOf = ({ query }: Pick<Absent, 'query'>): string =>
  `${query.namespace} (${Object.entries(query.dimensions)
    .map(([name, value]) => `${name}=${value}`)
    .join(', ')})`;

/** Metrics that CloudWatch answered for in full, with nothing, for three hours. */
export function absenceBlindness(absent: readonly Absent[], region: string): readonly Blindness[] {
  const groups = Map.groupBy(absent, (one) => JSON.stringify([one.target, placeOf(one)]));
  return [...groups.values()].map((group) => {
    const first = group[0]!;
    const names = listed(group.map((one) => one.query.metric));
    const detail = `${placeOf(first)} had no data in 3 h: ${names}`;
    const head = {
      target: first.target,
      check: CHECK,
      because: 'no_data',
      detail,
      grant: remedy(first, region),
    } as const;
    const optional = group.every((one) => one.optional === true) ? { optional: true as const } : {};
    return { ...head, signals: signalsOf(group), ...optional };
  });
}

/** Metrics of one place whose newest value is older than what is judged. */
export interface Late extends Absent {
  readonly newestEnd: EpochMs;
}

/** `aws.settleSeconds` takes no more. */
const MAX_SETTLE_SECONDS = 900;

/** Values that are late are no values: nobody judges them, and that is said. */
export function lateBlindness(late: readonly Late[], region: string, now: EpochMs): readonly Blindness[] {
  const groups = Map.groupBy(late, (one) => JSON.stringify([one.target, placeOf(one)]));
  return [...groups.values()].map((group) => {
    const first = group[0]!;
    const newest = Math.max(...group.map(({ newestEnd }) => newestEnd));
    const age = duration((now - newest) / 1000);
    const names = listed(group.map((one) => one.query.metric));
    const detail = `${placeOf(first)} has nothing newer than ${clockTime(newest)} UTC, ${age} ago: ${names}`;
    const settle = Math.ceil((now - newest) / 60_000) * 60;
    const wait = settle > MAX_SETTLE_SECONDS ? '' : `; if CloudWatch stays so late, set aws.settleSeconds: ${settle}`;
    const grant = `${remedy(first, region)}${wait}`;
    return { target: first.target, check: CHECK, because: 'no_data', detail, grant, signals: signalsOf(group) };
  });
}

function remedy({ query }: Absent, region: string): string {
  const { namespace, dimensions } = query;
  const cluster = dimensions['ClusterName'] ?? '';
  if (namespace === 'ECS/ContainerInsights') {
    return ECS_NAME.test(cluster)
      ? `aws ecs update-cluster-settings --cluster ${cluster} --settings name=containerInsights,value=enhanced`
      : 'turn Container Insights with enhanced observability on for the cluster';
  }
  const what: Readonly<Record<string, string>> = {
    'AWS/ApplicationELB': 'the load balancer and the target group (ends of their ARNs)',
    'AWS/ECS': 'the cluster and the service, and whether a task of it ran',
    'AWS/RDS': 'the name of the instance',
    'AWS/SQS': 'the name of the queue, and whether it was used in the last 6 h',
    'AWS/Lambda': 'the name of the function',
  };
  return `check ${what[namespace] ?? 'namespace, metric and dimensions'}, and the region ${region}`;
}

/** An offset below it moves no figure by a whole period; answers tell the time to the second. */
export const CLOCK_OFF_MS = 60_000;

/**
 * One line for each target: whatever is judged of it is judged at a wrong time.
 *
 * @param offsetMs 0 for a clock that is not off
 */
export function clockBlindness(
  { aheadMs, offsetMs }: { readonly aheadMs: number; readonly offsetMs: number },
  targets: readonly string[],
): readonly Blindness[] {
  const isOff = offsetMs !== 0;
  if (aheadMs <= 0 && !isOff) return [];
  const off = `${duration(Math.abs(offsetMs) / 1000)} ${offsetMs > 0 ? 'behind' : 'ahead of'}`;
  const detail = isOff
    ? `the clock of this machine is ${off} that of AWS: new values are ${offsetMs > 0 ? 'not asked for yet' : 'taken for old ones'}`
    : `CloudWatch has values of ${Math.ceil(aheadMs / 1000)} s in the future: the clock of this machine is behind`;
  return targets.map((target) => ({ target, check: CHECK, because: 'error', detail, grant: CLOCK_GRANT }));
}

/** Only such a name is put into a command. */
const ECS_NAME = /^[A-Za-z][A-Za-z0-9_-]{0,254}$/;

export function listed(names: readonly string[]): string {
  const unique = [...new Set(names)];
  return unique.length > 8 ? `${unique.slice(0, 8).join(', ')} and ${unique.length - 8} more` : unique.join(', ');
}
