import { quantile as type7 } from 'simple-statistics';
import { clamp } from './clamp.ts';
import { asArray, type Numbers } from './numbers.ts';

/**
 * Quantile of type 7 (linear interpolation, the default of R and numpy). `p` outside 0…1 is clamped.
 * NaN for no values or a NaN `p`.
 */
export function quantile(values: Numbers, p: number): number {
  if (values.length === 0 || Number.isNaN(p)) return Number.NaN;
  return type7(asArray(values), clamp(p, 0, 1));
}
