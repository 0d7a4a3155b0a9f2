/**
 * Taking over what was learned apart while a level was new, once it is accepted: as if it had been learned here, and with
 * the profiles of hours brought to the new level at once. Otherwise their medians would hold to the old one for days,
 * and what was accepted would be told again.
 */

import {
  advanceTo,
  BUCKET_MEAN,
  BUCKET_VALUES,
  BUCKETS,
  CLUSTER_SQUARES,
  CLUSTER_SUM,
  DAY_HOURS,
  DAY_SUM,
  DEVIATIONS,
  DEVIATIONS_AT,
  DEVIATIONS_FILLED,
  DEVIATIONS_NEXT,
  EMPTY,
  FILLED,
  FIRST_HOUR,
  HOUR,
  HOUR_BUCKETS,
  HOUR_DEVIATIONS,
  HOUR_MEAN,
  HOUR_MS,
  HOUR_SQUARES,
  HOUR_VALUES,
  HOURS_AT,
  hourMedian,
  LAST_HOUR,
  MEDIANS_AT,
  NEXT,
  OPEN_AT,
  OPEN_BUCKET,
  OPEN_COUNT,
  OPEN_SKIP,
  OPEN_STRIDE,
  PERIOD,
  pack,
  RING_HOURS,
  type State,
  unpack,
  WITHIN_AT,
} from './layout.ts';
import { closeBucket, closeHour, pushDeviation, pushMedian } from './learn.ts';
import { medianOf } from './order.ts';
import { hourLevel } from './seasonal.ts';
import type { Zone } from './zone.ts';

const OPEN_FIELDS = [
  ...[OPEN_BUCKET, OPEN_COUNT, OPEN_STRIDE, OPEN_SKIP, BUCKET_MEAN, BUCKET_VALUES, PERIOD],
  ...[HOUR, HOUR_MEAN, HOUR_SQUARES, HOUR_VALUES, HOUR_BUCKETS, HOUR_DEVIATIONS],
];
/** Hours that both levels must be known of. */
const MIN_PAIRS = 3;

const ratios = new Float64Array(RING_HOURS);

export function absorb(into: State, from: State, zone: Zone): void {
  const f = into.floats;
  const g = from.floats;
  if (g[OPEN_BUCKET]! < 0) return;
  closeBucket(f);
  closeHour(into, zone);
  shiftHours(into, from, zone);
  // As much of the day as stays in its ring.
  const kept = f[FILLED] === 0 ? 0 : Math.min(1, (BUCKETS - g[FILLED]!) / f[FILLED]!);
  for (let i = 0; i < g[FILLED]!; i++) {
    pushMedian(f, g[MEDIANS_AT + ((g[NEXT]! - g[FILLED]! + i + BUCKETS) % BUCKETS)]!);
  }
  for (let i = 0; i < g[DEVIATIONS_FILLED]!; i++) {
    const index = (g[DEVIATIONS_NEXT]! - g[DEVIATIONS_FILLED]! + i + DEVIATIONS) % DEVIATIONS;
    pushDeviation(f, g[DEVIATIONS_AT + index]!);
  }
  for (const field of [DAY_SUM, DAY_HOURS]) f[field] = kept * f[field]! + g[field]!;
  for (const field of [CLUSTER_SQUARES, CLUSTER_SUM]) f[field]! += g[field]!;
  if (g[LAST_HOUR]! >= 0) {
    for (let hour = Math.max(g[FIRST_HOUR]!, g[LAST_HOUR]! - RING_HOURS + 1); hour <= g[LAST_HOUR]!; hour++) {
      const median = hourMedian(from, hour);
      if (Number.isNaN(median)) continue;
      advanceTo(into, hour);
      into.hours[hour % RING_HOURS] = pack(median);
    }
  }
  for (let i = WITHIN_AT; i < HOURS_AT; i++) {
    // One day of it says little.
    if (!Number.isNaN(g[i]!)) f[i] = Number.isNaN(f[i]!) ? g[i]! : (f[i]! + g[i]!) / 2;
  }
  for (const field of OPEN_FIELDS) f[field] = g[field]!;
  f.set(g.subarray(OPEN_AT, WITHIN_AT), OPEN_AT);
}

/** Scales what is known of the hours by how the new level lies to it; what was at zero cannot be scaled and is dropped. */
function shiftHours(into: State, from: State, zone: Zone): void {
  const last = from.floats[LAST_HOUR]!;
  if (last < 0) return;
  let pairs = 0;
  let hours = 0;
  for (let hour = Math.max(from.floats[FIRST_HOUR]!, last - RING_HOURS + 1); hour <= last; hour++) {
    const now = hourMedian(from, hour);
    if (Number.isNaN(now)) continue;
    hours++;
    const then = hourLevel(into, (hour + 0.5) * HOUR_MS, zone);
    if (then !== null && then > 0 && now > 0) ratios[pairs++] = now / then;
  }
  if (hours < MIN_PAIRS) return;
  const ratio = pairs * 2 < hours ? Number.NaN : medianOf(ratios, pairs);
  scale(into.hours, ratio);
  let before = 0;
  let after = 0;
  for (let slot = 0; slot < into.weekMeans.length; slot++) {
    const mean = unpack(from.weekMeans[slot]!);
    if (Number.isNaN(mean)) continue;
    const old = unpack(into.weekMeans[slot]!);
    if (!Number.isNaN(old)) {
      before += old;
      after += mean;
    }
  }
  scale(into.weekMeans, before > 0 && after > 0 ? after / before : Number.NaN);
  for (let slot = 0; slot < into.weekMeans.length; slot++) {
    if (from.weekMeans[slot] !== EMPTY) into.weekMeans[slot] = from.weekMeans[slot]!;
  }
}

function scale(packed: Uint16Array, ratio: number): void {
  for (let i = 0; i < packed.length; i++) if (packed[i] !== EMPTY) packed[i] = pack(unpack(packed[i]!) * ratio);
}
