/** What a metric of CloudWatch is here: statistics of base slots, and how they add up to a period. */

import { type Component, meanOf, sampleQuantile } from './latency.ts';
import { hashText, normal } from './random.ts';

export interface Stats {
  readonly sum: number;
  readonly min: number;
  readonly max: number;
  /** SampleCount. */
  readonly n: number;
}

export interface Metric {
  readonly unit: string;
  readonly namespace: string;
  readonly name: string;
  /** Of one base slot of at most a minute; null: nothing is published. */
  stats(start: number, length: number): Stats | null;
  /** The distribution of one base slot, for percentiles that are of the period and not of its minutes. */
  components?(start: number, length: number): readonly Component[];
}

/** A metric by its name, as ListMetrics gives it. */
export interface MetricName {
  readonly namespace: string;
  readonly name: string;
  readonly dimensions: Readonly<Record<string, string>>;
}

export type Dimensions = Readonly<Record<string, string>>;

/** Every sample counts 1, as the load balancer counts. */
export const counted = (value: number, zeroToo = false): Stats | null =>
  value === 0 && !zeroToo
    ? null
    : { sum: value, min: value === 0 ? 0 : 1, max: value === 0 ? 0 : 1, n: Math.max(1, value) };

/** One sample of a value. */
export const single = (value: number | null): Stats | null =>
  value === null ? null : { sum: value, min: value, max: value, n: 1 };

export const spread = (values: readonly number[]): Stats | null =>
  values.length === 0
    ? null
    : {
        sum: values.reduce((sum, value) => sum + value, 0),
        min: Math.min(...values),
        max: Math.max(...values),
        n: values.length,
      };

/** Statistics of a latency: the smallest and largest of n are its quantiles at 1/n and 1 − 1/n. */
export function latencyStats(components: readonly Component[], n: number, seed: number, start: number): Stats | null {
  const count = Math.round(n);
  if (count <= 0 || components.length === 0) return null;
  const draw = normal(seed, start, 81);
  const edge = Math.min(0.4, 1 / (count + 1));
  return {
    sum: meanOf(components) * count,
    min: sampleQuantile(components, edge, 1e9, 0) ?? 0,
    max: sampleQuantile(components, 1 - edge, count * 10, draw) ?? 0,
    n: count,
  };
}

export type Statistic =
  | { readonly kind: 'Sum' | 'Average' | 'Minimum' | 'Maximum' | 'SampleCount' }
  | { readonly kind: 'percentile'; readonly p: number };

const SIMPLE = ['Sum', 'Average', 'Minimum', 'Maximum', 'SampleCount'] as const;

/** Null when the vendor would refuse it, or this world does not speak it (trimmed means and the like). */
export function statisticOf(text: string): Statistic | null {
  const simple = SIMPLE.find((name) => name === text);
  if (simple !== undefined) return { kind: simple };
  const match = /^p(\d{1,2}(?:\.\d{1,10})?|100)$/.exec(text);
  return match === null ? null : { kind: 'percentile', p: Math.min(0.999999, Math.max(1e-6, Number(match[1]) / 100)) };
}

const MINUTE = 60_000;

/** One value of a period that begins at `start`; slots that end after `until` are not published yet. */
export function pointOf(
  metric: Metric,
  statistic: Statistic,
  start: number,
  periodMs: number,
  until: number,
): number | null {
  const slotMs = Math.min(periodMs, MINUTE);
  if (periodMs === slotMs && statistic.kind !== 'percentile') {
    if (start + slotMs > until) return null;
    const stats = metric.stats(start, slotMs);
    return stats === null ? null : pick(stats, statistic.kind);
  }
  if (statistic.kind === 'percentile' && metric.components !== undefined) {
    const components: Component[] = [];
    let n = 0;
    for (let at = start; at < start + periodMs && at + slotMs <= until; at += slotMs) {
      for (const component of metric.components(at, slotMs)) {
        components.push(component);
        n += component.weight;
      }
    }
    const seed = hashText(`${metric.namespace}/${metric.name}/${statistic.p}`) ^ (periodMs / 1_000);
    return sampleQuantile(components, statistic.p, n, normal(seed, start, 83));
  }
  let sum = 0;
  let n = 0;
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  const values: number[] = [];
  for (let at = start; at < start + periodMs && at + slotMs <= until; at += slotMs) {
    const stats = metric.stats(at, slotMs);
    if (stats === null) continue;
    sum += stats.sum;
    n += stats.n;
    min = Math.min(min, stats.min);
    max = Math.max(max, stats.max);
    if (statistic.kind === 'percentile') values.push(stats.sum / stats.n);
  }
  if (n === 0) return null;
  if (statistic.kind !== 'percentile') return pick({ sum, n, min, max }, statistic.kind);
  values.sort((a, b) => a - b);
  return values[Math.min(values.length - 1, Math.floor(statistic.p * values.length))] ?? null;
}

function pick(stats: Stats, kind: Exclude<Statistic['kind'], 'percentile'>): number {
  switch (kind) {
    case 'Sum':
      return stats.sum;
    case 'Average':
      return stats.sum / stats.n;
    case 'Minimum':
      return stats.min;
    case 'Maximum':
      return stats.max;
    case 'SampleCount':
      return stats.n;
  }
}
