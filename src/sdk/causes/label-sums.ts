/** Counts by label as one: all operations together, all errors of one operation. Labels that are not there count nothing. */

import type { Band, EpochMs, Reading, Sample } from '../../model/index.ts';

/** New label sets may be this share of a sum whose baseline is still believed. */
const NEW_SHARE = 0.2;

const NO_BAND: Band = {
  expected: Number.NaN,
  lower: Number.NaN,
  upper: Number.NaN,
  mean: Number.NaN,
  samples: 0,
  ready: false,
  profile: 'none',
};

/**
 * All label sets of a count as one reading; null without any. A label set without a sample where others of its signal
 * have one counted nothing then. While more than a fifth has no baseline, neither has the sum.
 */
export function summedReadings(readings: readonly Reading[]): Reading | null {
  const [first] = readings;
  if (first === undefined) return null;
  const times = [...new Set(readings.flatMap((one) => one.samples.map((sample) => sample.at)))].sort((a, b) => a - b);
  const at = samplesAt(readings);
  return {
    ...first,
    labels: {},
    freshness: readings.some((one) => one.freshness === 'present') ? 'present' : first.freshness,
    samples: times.map((time) => {
      const parts = at(time);
      const value = sumOf(parts);
      const fresh = sumOf(parts.filter((one) => !one.band.ready));
      const ready = parts.filter((one) => one.band.ready);
      return { at: time, value, band: ready.length === 0 || fresh > value * NEW_SHARE ? NO_BAND : bandOf(ready) };
    }),
  };
}

/**
 * Counts that are a part of others (errors of requests), at the times of the whole, which says that there was a count at
 * all: what has no sample then is a true zero. A label set without a baseline of its own was never seen before: its
 * baseline is nothing. Null without any label set.
 */
export function countedBeside(whole: Reading, readings: readonly Reading[]): Reading | null {
  const [first] = readings;
  if (first === undefined) return null;
  const at = samplesAt(readings);
  return {
    ...first,
    labels: {},
    samples: whole.samples.map(({ at: time, band }) => {
      const parts = at(time);
      const own = bandOf(parts.filter((one) => one.band.ready));
      return { at: time, value: sumOf(parts), band: band.ready ? { ...own, samples: band.samples } : NO_BAND };
    }),
  };
}

/** Readings by one of their labels; those without it are left out. */
export function readingsBy(label: string, readings: readonly Reading[]): ReadonlyMap<string, readonly Reading[]> {
  const named = readings.filter((one) => (one.labels[label] ?? '') !== '');
  return Map.groupBy(named, (one) => one.labels[label]!);
}

function samplesAt(readings: readonly Reading[]): (at: EpochMs) => readonly Sample[] {
  const byTime = Map.groupBy(
    readings.flatMap((one) => one.samples),
    (sample) => sample.at,
  );
  return (at) => byTime.get(at) ?? [];
}

const sumOf = (samples: readonly Sample[]): number => samples.reduce((sum, { value }) => sum + value, 0);

function bandOf(samples: readonly Sample[]): Band {
  const sum = (of: (band: Band) => number): number => samples.reduce((total, { band }) => total + of(band), 0);
  const dispersion = samples.reduce((most, { band }) => Math.max(most, band.dispersion ?? 1), 1);
  return {
    expected: sum((band) => band.expected),
    lower: sum((band) => band.lower),
    upper: sum((band) => band.upper),
    mean: sum((band) => band.mean),
    samples: samples.reduce((least, { band }) => Math.min(least, band.samples), Number.MAX_SAFE_INTEGER),
    dispersion,
    ready: true,
    profile: samples[0]?.band.profile ?? 'last_24h',
  };
}
