import { median } from './median.ts';
import type { Numbers } from './numbers.ts';

/** Most points that are compared pairwise (n²/2 slopes); longer windows are thinned evenly. */
const MAX_POINTS = 256;

/**
 * Theil–Sen slope in units per second: the median of the slopes of all pairs, so that up to 29 % of wild points do not
 * move it (Sen 1968, J. Am. Stat. Assoc. 63:1379). `times` are milliseconds, in any order; pairs at one time are
 * left out. NaN when there are fewer than two distinct times.
 */
export function slope(times: Numbers, values: Numbers): number {
  const length = Math.min(times.length, values.length);
  const stride = Math.max(1, Math.ceil(length / MAX_POINTS));
  const slopes: number[] = [];
  // Counted from the end: the newest point is always among those compared.
  for (let i = length - 1; i >= 0; i -= stride) {
    for (let j = i - stride; j >= 0; j -= stride) {
      const seconds = (times[i]! - times[j]!) / 1000;
      if (seconds !== 0) slopes.push((values[i]! - values[j]!) / seconds);
    }
  }
  return median(slopes);
}
