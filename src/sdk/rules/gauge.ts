/** Gauges: N of the last M samples beyond a limit, with a lower limit to clear, and the onset as an interval. */

import type { Interval, Reading, ReadingPoint, Sample } from '../../model/index.ts';

export interface Departure {
  readonly reading: Reading;
  readonly latest: Sample;
  /** Extreme of the samples since the onset. */
  readonly worst: Sample;
  readonly onset: Interval;
}

export interface GaugeRule {
  readonly limit: number;
  /** Once active, it stays a symptom until the value is back within this; default the limit itself. */
  readonly clear?: number;
  readonly direction?: 'above' | 'below';
  /** N of M: this many of the last `of` samples must be beyond the limit. Default 1 of 1. */
  readonly need?: number;
  readonly of?: number;
}

/**
 * The departure, or null when there is none. The newest sample itself must be beyond the limit (the clearing limit
 * when active): a rule never speaks of what is already over. Fewer than `need` samples are no departure.
 */
export function beyond(reading: Reading, rule: GaugeRule, active = false): Departure | null {
  const latest = reading.samples.at(-1);
  if (latest === undefined) return null;
  const limit = active ? (rule.clear ?? rule.limit) : rule.limit;
  const sign = rule.direction === 'below' ? -1 : 1;
  const over = (sample: Sample): boolean => sample.value * sign > limit * sign;
  if (!over(latest)) return null;
  const need = active ? 1 : (rule.need ?? 1);
  const last = reading.samples.slice(-(active ? 1 : (rule.of ?? rule.need ?? 1)));
  if (last.filter(over).length < need) return null;
  const start = firstOfRun(reading.samples, over);
  const first = reading.samples[start]!;
  const before = reading.samples[start - 1];
  const run = reading.samples.slice(start);
  return {
    reading,
    latest,
    worst: run.reduce((worst, sample) => (sample.value * sign > worst.value * sign ? sample : worst), first),
    onset: { earliest: before?.at ?? first.at - reading.periodMs, latest: first.at },
  };
}

/** Index of the first sample of the present run; single samples back within the limit do not end a run. */
export function firstOfRun(samples: readonly Sample[], over: (sample: Sample) => boolean): number {
  let start = samples.length - 1;
  for (let index = samples.length - 1; index >= 0; index--) {
    if (over(samples[index]!)) start = index;
    else if (index > 0 && !over(samples[index - 1]!)) break;
  }
  return start;
}

/** A reading's newest point for the page. */
export function point(reading: Reading): ReadingPoint | null {
  const latest = reading.samples.at(-1);
  if (latest === undefined) return null;
  const ready = latest.band.ready;
  return {
    signal: reading.signal,
    labels: reading.labels,
    unit: reading.unit,
    at: latest.at,
    value: latest.value,
    expected: ready ? latest.band.expected : null,
    lower: ready ? latest.band.lower : null,
    upper: ready ? latest.band.upper : null,
  };
}

/** The newest points of several readings, missing ones left out. */
export function points(readings: readonly (Reading | undefined)[]): readonly ReadingPoint[] {
  return readings.flatMap((reading) => {
    const found = reading === undefined ? null : point(reading);
    return found === null ? [] : [found];
  });
}
