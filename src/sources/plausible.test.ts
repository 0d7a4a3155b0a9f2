import { expect, test } from 'vitest';
import type { Unit } from '../model/glossary.ts';
import { impossible } from './plausible.ts';

test.each<readonly [string, Unit, number]>([
  ['requests', 'count', 0],
  // 151 million requests a second, of the busiest table on the busiest day that AWS told of, for a minute.
  ['requests', 'count', 9.06e9],
  ['errors', 'count', 9102],
  // AWS' own example of a service that is alone on its instance.
  ['cpu', 'ratio', 4],
  ['task_cpu', 'ratio', 1_536],
  ['memory', 'ratio', 1.3],
  ['rds_cpu', 'ratio', 1],
  ['rds_cpu', 'ratio', 1.004],
  // The longest idle timeout of a load balancer.
  ['latency_p99', 's', 4_000],
  ['endpoint_latency_p95', 's', 0],
  // SQS keeps messages for 14 days.
  ['queue_age_seconds', 's', 14 * 86_400],
  ['rds_free_storage_bytes', 'bytes', 64 * 2 ** 40],
  ['orders_minus_refunds', 'count', -3],
  ['duration_of_a_subscription', 'count', 400],
])('%s (%s) may be %d', (signal, unit, value) => {
  expect(impossible(signal, unit, value)).toBeNull();
});

test.each<readonly [string, Unit, number]>([
  ['requests', 'count', -1],
  ['requests', 'count', 1e13],
  ['requests', 'count', 1e308],
  ['cpu', 'ratio', 5_000],
  ['rds_cpu', 'ratio', 50],
  ['rds_cpu', 'ratio', -0.01],
  ['rds_burst_balance', 'ratio', 1.2],
  ['search_cache_hit_ratio', 'ratio', 1.5],
  ['latency_p95', 's', -0.001],
  ['latency_p95', 's', 86_401],
  ['queue_age_seconds', 's', 1.7e10],
  ['rds_free_storage_bytes', 'bytes', 1e20],
  ['orders_minus_refunds', 'count', -1e300],
  ['requests', 'count', Number.NaN],
  ['requests', 'count', Number.POSITIVE_INFINITY],
])('%s (%s) is never %d', (signal, unit, value) => {
  expect(impossible(signal, unit, value)).toMatch(/, expected -?[\d.e+]+ to [\d.e+]+$/);
});
