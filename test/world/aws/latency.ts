/**
 * The distribution of the time of an answer: log-linear in the normal quantile between the median and p95, steeper
 * above, and mixtures of it, since a fault seldom slows every request.
 */

import { inverseNormal, normalCdf } from './random.ts';

const Z95 = 1.6448536269514722;
const Z99 = 2.3263478740408408;

/** Seconds. `p50 ≤ p95 ≤ p99`. */
export interface LatencyShape {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

export interface Component extends LatencyShape {
  /** Requests with this distribution. */
  readonly weight: number;
}

function quantileOf(shape: LatencyShape, z: number): number {
  const up = Math.log(shape.p95 / shape.p50) / Z95;
  if (z <= 0) return shape.p50 * Math.exp(z * up * 0.6);
  if (z <= Z95) return shape.p50 * Math.exp(z * up);
  const far = Math.max(1e-6, Math.log(shape.p99 / shape.p95)) / (Z99 - Z95);
  return shape.p95 * Math.exp((z - Z95) * far);
}

function zOf(shape: LatencyShape, seconds: number): number {
  const up = Math.max(1e-6, Math.log(shape.p95 / shape.p50) / Z95);
  if (seconds <= shape.p50) return Math.log(seconds / shape.p50) / (up * 0.6);
  if (seconds <= shape.p95) return Math.log(seconds / shape.p50) / up;
  const far = Math.max(1e-6, Math.log(shape.p99 / shape.p95)) / (Z99 - Z95);
  return Z95 + Math.log(seconds / shape.p95) / far;
}

/**
 * The sample quantile of `n` requests of a mixture; `draw` is a standard normal. A sample quantile deviates in
 * probability by √(p(1−p)/n) (David and Nagaraja, Order Statistics, 3rd ed., section 10.2). Null without requests.
 */
export function sampleQuantile(components: readonly Component[], p: number, n: number, draw: number): number | null {
  if (n <= 0 || components.length === 0) return null;
  const z = inverseNormal(p);
  const density = 0.3989422804014327 * Math.exp((-z * z) / 2);
  // A few dozen requests have no 99th percentile: their largest is it, so the deviation is bounded.
  const deviation = Math.min(0.9, Math.sqrt((p * (1 - p)) / n) / density);
  return mixtureQuantile(components, Math.min(4, z + deviation * draw));
}

function mixtureQuantile(components: readonly Component[], z: number): number {
  const first = components[0]!;
  if (components.length === 1) return quantileOf(first, z);
  let total = 0;
  let low = Number.POSITIVE_INFINITY;
  let high = 0;
  let logs = 0;
  for (const component of components) {
    const value = quantileOf(component, z);
    low = Math.min(low, value);
    high = Math.max(high, value);
    total += component.weight;
    logs += component.weight * Math.log(value);
  }
  // Near alike: their geometric mean is the mixture's quantile to well below the noise.
  if (high / low < 1.2) return Math.exp(logs / total);
  const wanted = normalCdf(z);
  for (let step = 0; step < 40 && high / low > 1.0005; step += 1) {
    const middle = Math.sqrt(low * high);
    let below = 0;
    for (const component of components) below += component.weight * normalCdf(zOf(component, middle));
    if (below / total < wanted) low = middle;
    else high = middle;
  }
  return Math.sqrt(low * high);
}

/** Rough mean of a mixture, for the statistic Average. */
export function meanOf(components: readonly Component[]): number {
  let total = 0;
  let sum = 0;
  for (const { weight, p50, p95, p99 } of components) {
    total += weight;
    sum += weight * (0.75 * p50 + 0.2 * ((p50 + p95) / 2) + 0.04 * p95 + 0.01 * p99);
  }
  return total === 0 ? 0 : sum / total;
}
