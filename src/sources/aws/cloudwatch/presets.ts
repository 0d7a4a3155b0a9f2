/**
 * The metrics of AWS' own services behind our signals: names, dimensions and statistics as AWS documents them. Pure: from
 * the names of a target's resources to what is asked.
 */

import type { Unit } from '../../../model/glossary.ts';
import { CLOUDWATCH_SIGNALS } from '../signals.ts';
import type { SignalQuery } from './query.ts';

const UNITS: ReadonlyMap<string, Unit> = new Map(CLOUDWATCH_SIGNALS.map(({ signal, unit }) => [signal, unit]));

/** What tells a hole that is zero from one that is not known, by signal. */
const ZERO_WHERE: Readonly<Record<string, readonly string[]>> = {
  zone_errors: ['zone_requests'],
  dependency_errors: ['dependency_requests', 'requests'],
  consumer_errors: ['consumer_invocations'],
  consumer_throttles: ['consumer_invocations'],
};

/** What a percentile is over, by signal. */
const SAMPLES: Readonly<Record<string, readonly string[]>> = {
  endpoint_latency_p95: ['endpoint_requests'],
  dependency_latency_p95: ['dependency_requests'],
  consumer_duration_p95: ['consumer_invocations'],
};

const isPercentile = (stat: string): boolean => /^(p|tm|tc|ts|wm|pr|iqm)/i.test(stat);

interface Extra {
  readonly scale?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly sparse?: boolean;
  readonly atLeast?: number;
  readonly absence?: SignalQuery['absence'];
}

function query(
  signal: string,
  [namespace, metric, stat]: readonly [namespace: string, metric: string, stat: string],
  dimensions: Readonly<Record<string, string>>,
  extra: Extra = {},
): SignalQuery {
  const { scale = 1, labels = {}, sparse = false, atLeast = null } = extra;
  return {
    signal,
    unit: UNITS.get(signal) ?? 'count',
    namespace,
    metric,
    stat,
    dimensions,
    labels,
    scale,
    zeroWhere: sparse ? (ZERO_WHERE[signal] ?? ['requests']) : null,
    samples: isPercentile(stat) ? (SAMPLES[signal] ?? ['requests']) : null,
    atLeast,
    absence: extra.absence ?? (sparse ? 'normal' : 'gap'),
  };
}

export function serviceQueries(service: {
  readonly ecs: { readonly cluster: string; readonly service: string } | null;
  readonly alb: { readonly loadBalancer: string; readonly targetGroup: string } | null;
}): readonly SignalQuery[] {
  const { ecs, alb } = service;
  return [...(alb === null ? [] : albQueries(alb)), ...(ecs === null ? [] : ecsQueries(ecs))];
}

function albQueries(alb: { readonly loadBalancer: string; readonly targetGroup: string }): readonly SignalQuery[] {
  const namespace = 'AWS/ApplicationELB';
  const LoadBalancer = alb.loadBalancer;
  const both = { LoadBalancer, TargetGroup: alb.targetGroup };
  const zoned = { ...both, AvailabilityZone: '*' };
  const labels = { AvailabilityZone: 'zone' };
  const sparse = { sparse: true };
  return [
    query('requests', [namespace, 'RequestCount', 'Sum'], both),
    query('errors', [namespace, 'HTTPCode_Target_5XX_Count', 'Sum'], both, sparse),
    query('client_errors', [namespace, 'HTTPCode_Target_4XX_Count', 'Sum'], both, sparse),
    // What the load balancer answers by itself is counted for it as a whole, all its target groups together.
    query('elb_errors', [namespace, 'HTTPCode_ELB_5XX_Count', 'Sum'], { LoadBalancer }, sparse),
    query('elb_502', [namespace, 'HTTPCode_ELB_502_Count', 'Sum'], { LoadBalancer }, sparse),
    query('elb_503', [namespace, 'HTTPCode_ELB_503_Count', 'Sum'], { LoadBalancer }, sparse),
    query('elb_504', [namespace, 'HTTPCode_ELB_504_Count', 'Sum'], { LoadBalancer }, sparse),
    query('connection_errors', [namespace, 'TargetConnectionErrorCount', 'Sum'], both, sparse),
    query('latency_p50', [namespace, 'TargetResponseTime', 'p50'], both),
    query('latency_p95', [namespace, 'TargetResponseTime', 'p95'], both),
    query('latency_p99', [namespace, 'TargetResponseTime', 'p99'], both),
    query('healthy_hosts', [namespace, 'HealthyHostCount', 'Minimum'], both),
    query('unhealthy_hosts', [namespace, 'UnHealthyHostCount', 'Maximum'], both),
    // Its absence says nothing that the absence of `requests` does not.
    query('zone_requests', [namespace, 'RequestCount', 'Sum'], zoned, { labels, absence: 'normal' }),
    query('zone_errors', [namespace, 'HTTPCode_Target_5XX_Count', 'Sum'], zoned, { labels, sparse: true }),
  ];
}

function ecsQueries(ecs: { readonly cluster: string; readonly service: string }): readonly SignalQuery[] {
  const both = { ClusterName: ecs.cluster, ServiceName: ecs.service };
  const percent = { scale: 0.01 };
  const task = { ...percent, labels: { TaskId: 'task' }, absence: 'hot' as const };
  return [
    query('cpu', ['AWS/ECS', 'CPUUtilization', 'Average'], both, percent),
    query('cpu_max', ['AWS/ECS', 'CPUUtilization', 'Maximum'], both, percent),
    query('memory', ['AWS/ECS', 'MemoryUtilization', 'Average'], both, percent),
    query('memory_max', ['AWS/ECS', 'MemoryUtilization', 'Maximum'], both, percent),
    query('task_cpu', ['ECS/ContainerInsights', 'TaskCpuUtilization', 'Average'], { ...both, TaskId: '*' }, task),
    query('task_memory', ['ECS/ContainerInsights', 'TaskMemoryUtilization', 'Average'], { ...both, TaskId: '*' }, task),
  ];
}

/** Of a database or of one of its replicas: the target is what differs. */
export function databaseQueries(database: { readonly rds: string }): readonly SignalQuery[] {
  const dimensions = { DBInstanceIdentifier: database.rds };
  const rds = (signal: string, metric: string, stat: string, extra: Extra = {}): SignalQuery =>
    query(signal, ['AWS/RDS', metric, stat], dimensions, extra);
  return [
    rds('rds_cpu', 'CPUUtilization', 'Average', { scale: 0.01 }),
    rds('rds_connections', 'DatabaseConnections', 'Maximum'),
    rds('rds_free_storage_bytes', 'FreeStorageSpace', 'Minimum'),
    rds('rds_freeable_memory_bytes', 'FreeableMemory', 'Minimum'),
    rds('rds_read_latency', 'ReadLatency', 'Average'),
    rds('rds_write_latency', 'WriteLatency', 'Average'),
    rds('rds_queue_depth', 'DiskQueueDepth', 'Average'),
    // Replicas only; −1 when the lag is not known.
    rds('rds_replica_lag_seconds', 'ReplicaLag', 'Maximum', { atLeast: 0, absence: 'normal' }),
    // gp2 storage only.
    rds('rds_burst_balance', 'BurstBalance', 'Minimum', { scale: 0.01, absence: 'normal' }),
  ];
}

export function queueQueries(queue: {
  readonly sqs: string;
  readonly deadLetter: string | null;
  readonly consumer: { readonly lambda: string } | null;
}): readonly SignalQuery[] {
  const sqs = (signal: string, metric: string, stat: string, extra: Extra = {}): SignalQuery =>
    query(signal, ['AWS/SQS', metric, stat], { QueueName: queue.sqs }, extra);
  const visible = 'ApproximateNumberOfMessagesVisible';
  // SQS publishes nothing of a queue that nobody used for six hours, as most dead-letter queues are.
  const normal = { absence: 'normal' as const };
  const consumer = queue.consumer === null ? [] : consumerQueries(queue.consumer.lambda);
  return [
    sqs('queue_visible', visible, 'Maximum'),
    sqs('queue_in_flight', 'ApproximateNumberOfMessagesNotVisible', 'Maximum'),
    sqs('queue_age_seconds', 'ApproximateAgeOfOldestMessage', 'Maximum'),
    sqs('queue_sent', 'NumberOfMessagesSent', 'Sum', normal),
    sqs('queue_deleted', 'NumberOfMessagesDeleted', 'Sum', normal),
    ...(queue.deadLetter === null
      ? []
      : [query('dead_letters', ['AWS/SQS', visible, 'Maximum'], { QueueName: queue.deadLetter }, normal)]),
    ...consumer,
  ];
}

/** A function that was not invoked publishes nothing: that is no gap. */
function consumerQueries(name: string): readonly SignalQuery[] {
  const lambda = (signal: string, metric: string, stat: string, extra: Extra = {}): SignalQuery =>
    query(signal, ['AWS/Lambda', metric, stat], { FunctionName: name }, { absence: 'normal', ...extra });
  return [
    lambda('consumer_invocations', 'Invocations', 'Sum'),
    lambda('consumer_errors', 'Errors', 'Sum', { sparse: true }),
    lambda('consumer_throttles', 'Throttles', 'Sum', { sparse: true }),
    lambda('consumer_duration_p95', 'Duration', 'p95', { scale: 0.001 }),
    lambda('consumer_concurrency', 'ConcurrentExecutions', 'Maximum'),
  ];
}

/** A metric that is bound to a signal by hand, as the configuration has it. */
export interface MetricBinding {
  readonly namespace: string;
  readonly metric: string;
  readonly stat: string;
  readonly dimensions: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly scale: number;
  readonly sparse: boolean;
}

/** What replaces the preset of that signal. */
export function bindingQueries(signal: string, binding: MetricBinding): readonly SignalQuery[] {
  const { namespace, metric, stat, dimensions, labels, scale, sparse } = binding;
  return [query(signal, [namespace, metric, stat], dimensions, { labels, scale, sparse })];
}
