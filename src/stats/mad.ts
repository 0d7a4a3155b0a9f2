import { medianAbsoluteDeviation } from 'simple-statistics';
import { asArray, type Numbers } from './numbers.ts';

/** 1 / Φ⁻¹(3/4): makes the MAD of normal values estimate their standard deviation. */
const NORMAL_SCALE = 1.4826;

/** Median absolute deviation, scaled to the standard deviation of a normal distribution. NaN for no values. */
export function mad(values: Numbers): number {
  return values.length === 0 ? Number.NaN : NORMAL_SCALE * medianAbsoluteDeviation(asArray(values));
}
