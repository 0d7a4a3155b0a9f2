/** What AWS can do to us, as data: how it is made, and what must be said of it. */

import { DEADLINES } from '../../src/sources/aws/clients.ts';
import type { CloudWorld } from '../world/cloud.ts';
import { BOTH, type Setup } from './service-blind-cases.ts';

export interface Trouble extends Setup {
  readonly name: string;
  readonly begin?: (world: CloudWorld) => () => void;
  /** The source of which nothing can be read: that is an incident, one for all that it shows. */
  readonly unreadable?: 'cloudwatch';
  /** Each in a gap of a fleet that is well. */
  readonly gaps: readonly RegExp[];
  /** Each in NOT SEEN of the page; default those of the gaps. */
  readonly notSeen?: readonly RegExp[];
  /** How long it lasts while all is well; default 12. */
  readonly minutes?: number;
  /** CloudWatch answers in full, with nothing: what is older than a quarter of an hour is not asked for again. */
  readonly empty?: true;
  /** Every gap is one of these. */
  readonly only?: RegExp;
  /** Minutes until the page must be there; default 10. */
  readonly within?: number;
  /** Minutes until the gaps are gone after it; default 3. */
  readonly goneAfter?: number;
}

const TEN_MINUTES = 600_000;
const SHORT = { connectMs: 2000, requestMs: 120, callMs: 150 };

const serviceConfig =
  (
    change: (one: Readonly<Record<string, unknown>>) => Readonly<Record<string, unknown>>,
  ): NonNullable<Setup['config']> =>
  (right) => ({
    ...right,
    services: Object.fromEntries(
      Object.entries(right['services'] ?? {}).map(([name, one]) => [name, change(one as Record<string, unknown>)]),
    ),
  });

const withRole: NonNullable<Setup['config']> = (right) => ({
  ...right,
  aws: { ...right['aws'], roleArn: 'arn:aws:iam::123456789012:role/runbookd' },
});

export const TROUBLES: readonly Trouble[] = [
  {
    name: 'everything is denied',
    fault: 'health',
    services: BOTH,
    begin: ({ aws }) => aws.trouble.deny('*'),
    unreadable: 'cloudwatch',
    gaps: [
      /^api: cloudwatch: .*; iam: allow cloudwatch:GetMetricData$/,
      /^search: cloudwatch: .*; iam: allow cloudwatch:GetMetricData$/,
      /^api: ecs service: .*; iam: allow ecs:DescribeServices$/,
      /^main-db: rds.instance: .*; iam: allow rds:DescribeDBInstances$/,
    ],
    notSeen: [
      /iam: allow ecs:DescribeServices/,
      /iam: allow logs:FilterLogEvents/,
      /iam: allow cloudwatch:GetMetricData/,
    ],
  },
  {
    name: 'everything is denied, from the start',
    fault: 'health',
    services: BOTH,
    fromTheStart: true,
    begin: ({ aws }) => aws.trouble.deny('*'),
    unreadable: 'cloudwatch',
    // What ListMetrics could not say is looked for at once, and found with the next poll.
    gaps: [
      /^api: cloudwatch: .*; iam: allow cloudwatch:GetMetricData$/,
      /^search: cloudwatch: .*; iam: allow cloudwatch:GetMetricData$/,
      /^api: ecs service: .*; iam: allow ecs:DescribeServices$/,
    ],
    notSeen: [/iam: allow ecs:DescribeServices/, /iam: allow cloudwatch:GetMetricData/],
  },
  {
    name: 'metrics may not be listed, from the start',
    fault: 'errors',
    fromTheStart: true,
    begin: ({ aws }) => aws.trouble.deny('cloudwatch:ListMetrics'),
    gaps: [/^api: cloudwatch: .*zone_requests, zone_errors, task_cpu.*; iam: allow cloudwatch:ListMetrics$/],
    notSeen: [/iam: allow cloudwatch:ListMetrics/],
  },
  {
    name: 'the region is a wrong one',
    fault: 'health',
    services: BOTH,
    // What ListMetrics did not find is looked for every ten minutes.
    goneAfter: 11,
    fromTheStart: true,
    empty: true,
    begin: ({ aws }) => aws.trouble.confine('eu-central-1'),
    gaps: [
      /^api: cloudwatch: AWS\/ApplicationELB .* RequestCount.*; check the load balancer .* and the region us-east-1/,
      /^search: cloudwatch: AWS\/ECS .* CPUUtilization.*; check the cluster .* and the region us-east-1/,
      /^api: ecs service: .*Cluster not found.*; check the name, the account and the region in the configuration$/,
      /^main-db: rds.instance: .*; check the name, the account and the region in the configuration$/,
    ],
    notSeen: [/Cluster not found.*; to see it: check the name, the account and the region in the configuration/],
  },
  {
    name: 'the cluster is not known',
    fault: 'errors',
    fromTheStart: true,
    config: serviceConfig((one) => ({ ...one, ecs: { ...(one['ecs'] as object), cluster: 'rastup-production' } })),
    gaps: [
      /^api: ecs service: .*Cluster not found.*; check the name, the account and the region in the configuration$/,
      /^api: cloudwatch: AWS\/ECS \(ClusterName=rastup-production.* CPUUtilization.*; check the cluster and the service/,
    ],
    notSeen: [/Cluster not found.*; to see it: check the name, the account and the region in the configuration/],
  },
  {
    name: 'the service is not known',
    fault: 'errors',
    fromTheStart: true,
    config: serviceConfig((one) => ({ ...one, ecs: { ...(one['ecs'] as object), service: 'no-such-service' } })),
    gaps: [/^api: ecs service: .*no-such-service.*; check services\.api\.ecs \(cluster, service\) and the region/],
    notSeen: [/no-such-service/],
  },
  {
    name: 'the metric of CPU does not exist',
    fault: 'latency',
    fromTheStart: true,
    empty: true,
    begin: ({ aws }) => aws.trouble.forget('AWS/ECS/CPUUtilization'),
    gaps: [/^api: cloudwatch: AWS\/ECS .* had no data in 3 h: CPUUtilization; check the cluster and the service/],
    notSeen: [/had no data in 3 h: CPUUtilization.*; to see it: check the cluster and the service/],
  },
  {
    name: 'the metric of requests does not exist',
    fault: 'health',
    fromTheStart: true,
    empty: true,
    begin: ({ aws }) => aws.trouble.forget('AWS/ApplicationELB/RequestCount'),
    gaps: [/^api: cloudwatch: AWS\/ApplicationELB .* had no data in 3 h: RequestCount; check the load balancer/],
    notSeen: [/had no data in 3 h: RequestCount.*; to see it: check the load balancer/],
  },
  {
    name: 'Container Insights is off',
    fault: 'cpu',
    fromTheStart: true,
    containerInsights: 'disabled',
    gaps: [/^api: cloudwatch: ECS\/ContainerInsights .*; aws ecs update-cluster-settings --cluster rastup-prod/],
    notSeen: [/to see it: aws ecs update-cluster-settings --cluster rastup-prod --settings name=containerInsights/],
  },
  {
    name: 'every second call is throttled',
    fault: 'errors',
    begin: ({ aws }) => aws.trouble.throttle('*', 0.5),
    gaps: [],
    only: /is throttled.*; service quotas: raise the calls per second of \w+:\w+/,
  },
  {
    name: 'three of four calls are throttled',
    fault: 'errors',
    begin: ({ aws }) => aws.trouble.throttle('*', 0.75),
    gaps: [/is throttled.*; service quotas: raise the calls per second of \w+:\w+/],
  },
  {
    name: 'all calls are throttled for five minutes',
    fault: 'health',
    begin: ({ aws }) => aws.trouble.throttle('*'),
    minutes: 5,
    unreadable: 'cloudwatch',
    gaps: [
      /^api: cloudwatch: .*throttled; service quotas: raise the calls per second of cloudwatch:GetMetricData/,
      /^api: ecs service: .*throttled; service quotas: raise the calls per second of ecs:DescribeServices/,
    ],
  },
  {
    name: 'CloudWatch gives a half of its series in part',
    fault: 'health',
    begin: ({ aws }) => aws.trouble.partial(0.5),
    gaps: [/^(api|search): cloudwatch: .*CloudWatch says PartialData of a metric: \w+/],
  },
  {
    name: 'CloudWatch gives all of its series in part',
    fault: 'health',
    begin: ({ aws }) => aws.trouble.partial(1),
    unreadable: 'cloudwatch',
    gaps: [/^api: cloudwatch: .*CloudWatch says PartialData of a metric/],
  },
  {
    name: 'points come ten minutes late',
    fault: 'health',
    begin: ({ aws }) => aws.trouble.late(TEN_MINUTES),
    gaps: [
      /^api: cloudwatch: AWS\/ApplicationELB .* has nothing newer than .*; if CloudWatch stays so late, set aws\.settleSeconds: \d+$/,
      /^api: cloudwatch: AWS\/ECS .* has nothing newer than .* set aws\.settleSeconds: \d+$/,
      /^main-db: cloudwatch: AWS\/RDS .* has nothing newer than .* set aws\.settleSeconds: \d+$/,
    ],
    notSeen: [/AWS\/ApplicationELB .* has nothing newer than .* to see it: .* set aws\.settleSeconds: \d+/],
  },
  {
    name: 'points come ten minutes late, and aws.settleSeconds waits for them',
    fault: 'errors',
    within: 20,
    config: (right) => ({ ...right, aws: { ...right['aws'], settleSeconds: 780 } }),
    begin: ({ aws }) => aws.trouble.late(TEN_MINUTES),
    gaps: [],
  },
  {
    name: 'the credentials have expired',
    fault: 'health',
    begin: ({ aws }) => aws.trouble.expire(),
    unreadable: 'cloudwatch',
    gaps: [
      /^api: cloudwatch: .*they have expired; give runbookd credentials by the default chain/,
      /^api: ecs service: .*they have expired; give runbookd credentials by the default chain/,
    ],
  },
  {
    name: 'the role may not be taken on',
    fault: 'health',
    fromTheStart: true,
    config: withRole,
    begin: ({ aws }) => aws.trouble.deny('sts:AssumeRole'),
    unreadable: 'cloudwatch',
    gaps: [
      /^api: cloudwatch: .*sts:AssumeRole is denied; iam: allow sts:AssumeRole$/,
      /^api: ecs service: .*sts:AssumeRole is denied; iam: allow sts:AssumeRole$/,
    ],
    notSeen: [/sts:AssumeRole is denied.*; to see it: iam: allow sts:AssumeRole/],
  },
  {
    name: 'the temporary credentials of a role expire, and others can be had',
    fault: 'errors',
    config: withRole,
    begin: ({ aws }) => aws.trouble.expire(),
    gaps: [],
  },
  {
    name: 'the clock of the machine is off, and signatures are refused',
    fault: 'health',
    begin: ({ aws }) => aws.trouble.clock(TEN_MINUTES, false),
    unreadable: 'cloudwatch',
    gaps: [
      /^api: cloudwatch: .*clock of this machine is off.*; set the clock of this machine/,
      /^api: ecs service: .*clock of this machine is off.*; set the clock of this machine/,
    ],
  },
  {
    name: 'the clock of the machine is ten minutes behind',
    fault: 'errors',
    within: 20,
    skewMs: -TEN_MINUTES,
    begin: ({ aws }) => aws.trouble.clock(TEN_MINUTES),
    gaps: [
      /^api: cloudwatch: the clock of this machine is (10 min|9 min 5\d s) behind that of AWS.*; set the clock of this machine/,
    ],
    notSeen: [],
  },
  {
    name: 'the clock of the machine is ten minutes ahead',
    fault: 'health',
    skewMs: TEN_MINUTES,
    begin: ({ aws }) => aws.trouble.clock(-TEN_MINUTES),
    gaps: [
      /^api: cloudwatch: the clock of this machine is 10 min( \d s)? ahead of that of AWS.*; set the clock of this machine/,
    ],
    notSeen: [],
  },
  {
    name: 'calls hang',
    fault: 'health',
    begin: ({ aws }) => hanging(aws.trouble.hang('*')),
    minutes: 5,
    unreadable: 'cloudwatch',
    gaps: [/^api: cloudwatch: .*no answer to cloudwatch:GetMetricData/, /^api: ecs service: .*no answer/],
  },
  {
    name: 'calls of ECS hang',
    fault: 'errors',
    begin: ({ aws }) => hanging(aws.trouble.hang('ecs:DescribeServices')),
    minutes: 5,
    gaps: [/^api: ecs service: .*no answer to ecs:DescribeServices/],
  },
  {
    name: 'connections are reset',
    fault: 'health',
    begin: ({ aws }) => aws.trouble.drop('*'),
    unreadable: 'cloudwatch',
    gaps: [/^api: cloudwatch: .*the connection was reset/, /^api: ecs service: .*the connection was reset/],
  },
  {
    name: 'a proxy answers in the place of AWS',
    fault: 'health',
    begin: ({ aws }) => aws.trouble.garbage('*'),
    unreadable: 'cloudwatch',
    gaps: [/^api: cloudwatch: .*HTTP 500/, /^api: ecs service: .*HTTP 500/],
  },
];

/** Deadlines are in real time. */
function hanging(end: () => void): () => void {
  const usual = { ...DEADLINES };
  Object.assign(DEADLINES, SHORT);
  return () => {
    Object.assign(DEADLINES, usual);
    end();
  };
}
