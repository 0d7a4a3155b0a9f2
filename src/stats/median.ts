import { median as exactMedian } from 'simple-statistics';
import { asArray, type Numbers } from './numbers.ts';

/** Middle value, or the mean of the two middle ones. NaN for no values: an empty window is not an error here. */
export function median(values: Numbers): number {
  return values.length === 0 ? Number.NaN : exactMedian(asArray(values));
}
