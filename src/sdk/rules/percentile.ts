/** Percentiles of latency, given as numbers: N of M samples well above the baseline, of enough requests each. */

import type { EpochMs, Interval, Reading, Sample } from '../../model/index.ts';
import { firstOfRun } from './gauge.ts';

export interface PercentileRule {
  /** Times the baseline: 1.25 is a quarter above it. */
  readonly ratio: number;
  /** And at least this much above it. */
  readonly floorSeconds: number;
  /** N of M samples must be beyond, the newest among them. */
  readonly need: number;
  readonly of: number;
  /** Requests that a sample must be of: a 95th percentile of fewer than 200 is that of its ten slowest. */
  readonly minimumSamples: number;
  /** Once departed it clears only below the limit less this share of its distance to the baseline. */
  readonly clearShare: number;
}

export interface PercentileDeparture {
  /** Time of the newest sample that was judged. */
  readonly at: EpochMs;
  readonly value: number;
  readonly baseline: number;
  readonly limit: number;
  /** Highest since the onset. */
  readonly worst: number;
  readonly onset: Interval;
}

export type PercentileJudgement =
  | { readonly state: 'departed'; readonly departure: PercentileDeparture }
  | { readonly state: 'clear'; readonly at: EpochMs; readonly value: number; readonly baseline: number }
  | { readonly state: 'not_ready'; readonly because: string };

/**
 * A sample counts if it is of enough requests; without a reading of requests, which nobody bound, all count. The limit of
 * each is by its own band: `ratio` and `floorSeconds` both passed, and outside of the band. `active`: whether it was
 * departed before.
 */
export function percentileAbove(
  latency: Reading,
  requests: Reading | undefined,
  rule: PercentileRule,
  active: boolean,
): PercentileJudgement {
  const newest = latency.samples.at(-1);
  if (newest === undefined) return { state: 'not_ready', because: 'latency has no samples' };
  const asked = requests === undefined ? null : askedAt(latency, requests);
  const samples = latency.samples.filter((sample) => asked === null || asked(sample.at) >= rule.minimumSamples);
  const span = rule.of * latency.periodMs;
  const latest = samples.at(-1);
  if (latest === undefined || newest.at - latest.at >= span) {
    return { state: 'not_ready', because: `fewer than ${rule.minimumSamples} requests in each of the last samples` };
  }
  if (!latest.band.ready) return { state: 'not_ready', because: 'the baseline of latency is not known yet' };
  const noiseOf = (sample: Sample): number => (asked === null ? 0 : NOISE / Math.sqrt(asked(sample.at)));
  const over = (sample: Sample): boolean =>
    sample.band.ready && sample.value > (active ? clearOf : limitOf)(sample, rule, noiseOf(sample));
  const last = samples.filter((sample) => sample.at > latest.at - span);
  if (!over(latest) || last.filter(over).length < (active ? 1 : rule.need)) {
    return { state: 'clear', at: latest.at, value: latest.value, baseline: latest.band.expected };
  }
  const start = firstOfRun(samples, over);
  const first = samples[start]!;
  return {
    state: 'departed',
    departure: {
      at: latest.at,
      value: latest.value,
      baseline: latest.band.expected,
      limit: limitOf(latest, rule, noiseOf(latest)),
      worst: samples.slice(start).reduce((worst, sample) => Math.max(worst, sample.value), latest.value),
      onset: { earliest: samples[start - 1]?.at ?? first.at - latency.periodMs, latest: first.at },
    },
  };
}

/**
 * A band reaches three spreads. The 95th percentile of a few hundred requests strays that far every few hours, and three
 * of five minutes then come by chance once a day somewhere in fifty services (simulated): so it has to be four.
 */
const SPREADS = 4 / 3;

/**
 * The 95th percentile of n requests deviates by 2.1/√n normal quantiles (David and Nagaraja, Order Statistics, 3rd ed.,
 * section 10.2: √(p(1−p)/n) over the density there), which are 0.84 in the logarithm where p95 is four times the median:
 * 1.8/√n of the value, 12 % of 205 requests. Three of these; from 470 requests on a quarter is more than that.
 */
const NOISE = 3 * 1.8;

function limitOf({ band }: Sample, { ratio, floorSeconds }: PercentileRule, noise: number): number {
  const strays = band.expected + SPREADS * (band.upper - band.expected);
  return Math.max(Math.max(ratio, 1 + noise) * band.expected, band.expected + floorSeconds, strays);
}

function clearOf(sample: Sample, rule: PercentileRule, noise: number): number {
  const limit = limitOf(sample, rule, noise);
  return limit - rule.clearShare * (limit - sample.band.expected);
}

/** Requests that the latency of a time is of: the count then, or of the longer period around it, by the latency's period. */
function askedAt(latency: Reading, requests: Reading): (at: EpochMs) => number {
  const counts = new Map(requests.samples.map((sample) => [sample.at, sample.value]));
  const scale = latency.periodMs / requests.periodMs;
  return (at) => {
    const exact = counts.get(at);
    if (exact !== undefined) return exact * scale;
    if (scale >= 1) return 0;
    const around = requests.samples.findLast((sample) => sample.at <= at);
    return around === undefined || at - around.at >= requests.periodMs ? 0 : around.value * scale;
  };
}
