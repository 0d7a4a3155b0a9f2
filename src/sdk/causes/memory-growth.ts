/** Whether memory has been growing steadily, and when it will be full: what tells a leak from a step or a sawtooth. */

import type { Sample } from '../../model/index.ts';
import { duration } from '../format.ts';
import { slopePerSecond } from '../rules/index.ts';
import { median } from './service-series.ts';

export interface Growth {
  readonly from: number;
  readonly to: number;
  readonly seconds: number;
  /** Least squares over the whole time. */
  readonly perSecond: number;
  /** Both halves grew: neither a step nor a burst that is over. */
  readonly steady: boolean;
}

const MINIMUM_POINTS = 9;
const MINIMUM_MS = 10 * 60_000;
/** Growth below this share of the limit is nothing. */
const GROWTH_SHARE = 0.03;
/** Each half must have its part of the growth. */
const HALF_SHARE = 0.25;
const MINIMUM_FIT = 0.7;

type Point = Pick<Sample, 'at' | 'value'>;

/** Null with less than ten minutes or nine points. */
export function memoryGrowth(points: readonly Point[]): Growth | null {
  const [first, last] = [points[0], points.at(-1)];
  if (first === undefined || last === undefined) return null;
  if (points.length < MINIMUM_POINTS || last.at - first.at < MINIMUM_MS) return null;
  const slope = slopePerSecond(points, last.at - first.at + 1);
  if (slope === null) return null;
  const width = Math.max(3, Math.floor(points.length / 6));
  const level = (from: number): number => median(points.slice(from, from + width).map((one) => one.value));
  const from = level(0);
  const to = level(points.length - width);
  const middle = level(Math.floor((points.length - width) / 2));
  const total = to - from;
  const share = total <= 0 ? 0 : (middle - from) / total;
  return {
    from,
    to,
    seconds: (last.at - first.at) / 1000,
    perSecond: slope,
    steady:
      total >= GROWTH_SHARE &&
      share >= HALF_SHARE &&
      share <= 1 - HALF_SHARE &&
      lineShare(points, slope) >= MINIMUM_FIT,
  };
}

/** The part of the variance that the line explains (r²): little of a sawtooth, nearly all of a leak. */
function lineShare(points: readonly Point[], perSecond: number): number {
  const spread = (of: (point: Point) => number): number => {
    const mean = points.reduce((sum, one) => sum + of(one), 0) / points.length;
    return points.reduce((sum, one) => sum + (of(one) - mean) ** 2, 0);
  };
  const start = points[0]?.at ?? 0;
  const inValue = spread((one) => one.value);
  return inValue === 0 ? 0 : (perSecond ** 2 * spread((one) => (one.at - start) / 1000)) / inValue;
}

/** Seconds until the limit (a ratio of 1) is reached at this pace; null when it does not grow steadily. */
export function secondsToLimit(growth: Growth | null, now: number, limit = 1): number | null {
  if (growth === null || !growth.steady || growth.perSecond <= 0) return null;
  return Math.max(0, limit - now) / growth.perSecond;
}

/** A forecast in whole minutes: seconds would say more than is known. */
export function forecastText(seconds: number): string {
  return seconds < 60 ? 'less than a minute' : duration(Math.round(seconds / 60) * 60);
}

/** `1.2 points a minute`, `4 points an hour`: of a ratio, in percentage points. */
export function paceText(perSecond: number): string {
  const perMinute = perSecond * 60 * 100;
  if (perMinute >= 0.2) return `${Number(perMinute.toFixed(1))} points a minute`;
  return `${Number((perMinute * 60).toFixed(1))} points an hour`;
}
