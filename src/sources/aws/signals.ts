/**
 * Every signal that the AWS sources give, by the kind of target that has it. Counts are per period of the series.
 * Those
 * `byHand` have no preset: a service's `signals` binds them.
 */

import type { SignalInfo } from '../../model/source.ts';

const cloudwatch = (signal: string, unit: SignalInfo['unit'], description: string): SignalInfo => ({
  signal,
  unit,
  group: 'cloudwatch',
  description,
});
const byHand = (signal: string, unit: SignalInfo['unit'], description: string): SignalInfo => ({
  ...cloudwatch(signal, unit, description),
  byHand: true,
});
const ecs = (signal: string, unit: SignalInfo['unit'], description: string): SignalInfo => ({
  signal,
  unit,
  group: 'ecs',
  description,
});

export const CLOUDWATCH_SIGNALS: readonly SignalInfo[] = [
  // A service behind an ALB (AWS/ApplicationELB).
  cloudwatch('requests', 'count', 'requests that reached a target'),
  cloudwatch('errors', 'count', '5xx answers of targets'),
  cloudwatch('client_errors', 'count', '4xx answers of targets'),
  cloudwatch('elb_errors', 'count', '5xx answers of the load balancer itself: no target, or no answer of one'),
  cloudwatch('elb_502', 'count', '502 of the load balancer: a target closed the connection or answered nonsense'),
  cloudwatch('elb_503', 'count', '503 of the load balancer: no healthy target'),
  cloudwatch('elb_504', 'count', '504 of the load balancer: a target did not answer in time'),
  cloudwatch('connection_errors', 'count', 'connections to targets that failed'),
  cloudwatch('latency_p50', 's', 'median time of an answer'),
  cloudwatch('latency_p95', 's', '95th percentile of the time of an answer'),
  cloudwatch('latency_p99', 's', '99th percentile of the time of an answer'),
  cloudwatch('healthy_hosts', 'count', 'targets that the load balancer holds for healthy, the fewest of the period'),
  cloudwatch('unhealthy_hosts', 'count', 'targets that it holds for unhealthy, the most of the period'),
  cloudwatch('zone_requests', 'count', 'requests by availability zone (label zone)'),
  cloudwatch('zone_errors', 'count', '5xx answers of targets by availability zone (label zone)'),
  cloudwatch(
    'requests_silent_seconds',
    's',
    'how long CloudWatch has had no request to show, asked and answered in full',
  ),
  // Its tasks (AWS/ECS, and ECS/ContainerInsights with enhanced observability).
  cloudwatch('cpu', 'ratio', 'CPU of what is reserved, mean of the tasks'),
  cloudwatch('cpu_max', 'ratio', 'CPU of what is reserved, the busiest task'),
  cloudwatch('memory', 'ratio', 'memory of what is reserved, mean of the tasks'),
  cloudwatch('memory_max', 'ratio', 'memory of what is reserved, the fullest task'),
  cloudwatch('task_cpu', 'ratio', 'CPU of what is reserved by task (label task); Container Insights, enhanced'),
  cloudwatch('task_memory', 'ratio', 'memory of what is reserved by task (label task); Container Insights, enhanced'),
  // What only the application knows, by hand.
  byHand('endpoint_requests', 'count', 'requests by endpoint and status (labels endpoint, status)'),
  byHand('endpoint_latency_p95', 's', '95th percentile by endpoint (label endpoint)'),
  byHand('dependency_requests', 'count', 'requests to others by host (label host)'),
  byHand('dependency_errors', 'count', 'failed requests to others by host (label host)'),
  byHand('dependency_latency_p95', 's', '95th percentile of requests to others by host (label host)'),
  byHand('rate_limited', 'count', 'requests that the service answered with 429'),
  byHand('db_queries', 'count', 'statements that the service sent to its database'),
  byHand('db_time_seconds', 's', 'time that requests spent in the database, summed'),
  // A database on RDS (AWS/RDS).
  cloudwatch('rds_cpu', 'ratio', 'CPU of the instance'),
  cloudwatch('rds_connections', 'count', 'connections to the instance'),
  cloudwatch('rds_free_storage_bytes', 'bytes', 'free storage'),
  cloudwatch('rds_freeable_memory_bytes', 'bytes', 'memory that could be freed'),
  cloudwatch('rds_read_latency', 's', 'mean time of a disk read'),
  cloudwatch('rds_write_latency', 's', 'mean time of a disk write'),
  cloudwatch('rds_queue_depth', 'count', 'disk operations that wait'),
  cloudwatch('rds_replica_lag_seconds', 's', 'replica lag as RDS sees it; −1 (unknown) is left out'),
  cloudwatch('rds_burst_balance', 'ratio', 'burst credits of gp2 storage that are left'),
  // A queue on SQS (AWS/SQS) and its consumer on Lambda (AWS/Lambda).
  cloudwatch('queue_visible', 'count', 'messages that wait'),
  cloudwatch('queue_in_flight', 'count', 'messages that were received and not yet deleted'),
  cloudwatch('queue_age_seconds', 's', 'age of the oldest message'),
  cloudwatch('queue_sent', 'count', 'messages sent'),
  cloudwatch('queue_deleted', 'count', 'messages deleted, that is worked off'),
  cloudwatch('dead_letters', 'count', 'messages in the dead-letter queue'),
  cloudwatch('consumer_invocations', 'count', 'invocations of the consumer'),
  cloudwatch('consumer_errors', 'count', 'invocations that failed'),
  cloudwatch(
    'consumer_throttles',
    'count',
    'invocations refused by a concurrency limit; not among invocations or errors',
  ),
  cloudwatch('consumer_duration_p95', 's', '95th percentile of the duration of an invocation'),
  cloudwatch('consumer_concurrency', 'count', 'most invocations at once'),
];

export const ECS_SIGNALS: readonly SignalInfo[] = [
  ecs('running_tasks', 'count', 'tasks that run'),
  ecs('desired_tasks', 'count', 'tasks that are wanted'),
  ecs('pending_tasks', 'count', 'tasks that are being started'),
  ecs('crashed_tasks', 'count', 'tasks that stopped in the last 10 min without anybody wanting it'),
  ecs('deployment_seconds', 's', 'age of the deployment that is in progress; 0 when none is'),
  ecs('deployment_failed_tasks', 'count', 'tasks of that deployment that failed; 0 when none is in progress'),
];

export const AWS_SIGNALS: readonly SignalInfo[] = [...CLOUDWATCH_SIGNALS, ...ECS_SIGNALS];
