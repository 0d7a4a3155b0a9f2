/** What CloudWatch does not show, one line for each target and reason. Pure. */

import type { Blindness } from '../../../model/source.ts';
import type { AwsFailure } from '../failure.ts';
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
    return { target: series.target, check: CHECK, ...failure, detail };
  });
}

interface Absent {
  readonly target: string;
  readonly query: SignalQuery;
}

/** Metrics that CloudWatch answered for in full, with nothing, for three hours. */
export function absenceBlindness(absent: readonly Absent[], region: string): readonly Blindness[] {
  const place = ({ query }: Absent): string =>
    `${query.namespace} (${Object.entries(query.dimensions)
      .map(([name, value]) => `${name}=${value}`)
      .join(', ')})`;
  const groups = Map.groupBy(absent, (one) => JSON.stringify([one.target, place(one)]));
  return [...groups.values()].map((group) => {
    const first = group[0]!;
    const names = listed(group.map((one) => one.query.metric));
    const detail = `${place(first)} had no data in 3 h: ${names}`;
    return { target: first.target, check: CHECK, because: 'no_data', detail, grant: remedy(first, region) };
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

/** Only such a name is put into a command. */
const ECS_NAME = /^[A-Za-z][A-Za-z0-9_-]{0,254}$/;

function listed(names: readonly string[]): string {
  const unique = [...new Set(names)];
  return unique.length > 8 ? `${unique.slice(0, 8).join(', ')} and ${unique.length - 8} more` : unique.join(', ');
}
