/** Trends: whether a series has been growing, and how fast. */

import type { Sample } from '../../model/index.ts';

/**
 * Least-squares slope in units per second over the samples of the last `windowMs`; null with fewer than three or no
 * spread in time. Times are centred first, so that epoch milliseconds lose no precision.
 */
export function slopePerSecond(samples: readonly Pick<Sample, 'at' | 'value'>[], windowMs: number): number | null {
  const newest = samples.at(-1);
  if (newest === undefined) return null;
  const used = samples.filter((sample) => sample.at > newest.at - windowMs);
  if (used.length < 3) return null;
  const meanAt = used.reduce((sum, sample) => sum + (sample.at - newest.at), 0) / used.length;
  const meanValue = used.reduce((sum, sample) => sum + sample.value, 0) / used.length;
  let covariance = 0;
  let variance = 0;
  for (const sample of used) {
    const dt = (sample.at - newest.at - meanAt) / 1000;
    covariance += dt * (sample.value - meanValue);
    variance += dt * dt;
  }
  return variance === 0 ? null : covariance / variance;
}
