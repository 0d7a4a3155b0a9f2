import jstat from 'jstat';
import { clamp } from './clamp.ts';

/**
 * Ends of the Wilson score interval of a share of `k` in `n` (Wilson 1927; method "Wilson" of R's `binom.confint`).
 * `confidence` is two-sided: 0.95 leaves 2.5 % beyond each end. Of nothing (n = 0) the interval is 0…1. `k` and `n` need
 * not be whole.
 */
export function wilsonUpper(k: number, n: number, confidence: number): number {
  return n > 0 ? clamp(end(k, n, confidence, 1), 0, 1) : 1;
}

export function wilsonLower(k: number, n: number, confidence: number): number {
  return n > 0 ? clamp(end(k, n, confidence, -1), 0, 1) : 0;
}

function end(k: number, n: number, confidence: number, side: 1 | -1): number {
  const z = jstat.jStat.normal.inv(0.5 + confidence / 2, 0, 1);
  const share = k / n;
  const half = z * Math.sqrt((share * (1 - share)) / n + (z * z) / (4 * n * n));
  return (share + (z * z) / (2 * n) + side * half) / (1 + (z * z) / n);
}
