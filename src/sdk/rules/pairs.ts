/** Two counts of one target side by side: errors of requests. */

import type { EpochMs, Interval, Reading, Sample } from '../../model/index.ts';

export interface Pair {
  readonly at: EpochMs;
  readonly errors: Sample;
  readonly requests: Sample;
}

export interface Share {
  readonly errors: number;
  readonly requests: number;
  /** 0 where nothing was asked. */
  readonly rate: number;
}

/** By time, oldest first; times that only one of them has are left out. */
export function align(errors: Reading, requests: Reading): readonly Pair[] {
  const pairs: Pair[] = [];
  let next = 0;
  for (const sample of requests.samples) {
    while (next < errors.samples.length && errors.samples[next]!.at < sample.at) next++;
    const other = errors.samples[next];
    if (other !== undefined && other.at === sample.at) pairs.push({ at: sample.at, errors: other, requests: sample });
  }
  return pairs;
}

/** Those after that time. */
export function after(pairs: readonly Pair[], at: EpochMs): readonly Pair[] {
  let first = pairs.length;
  while (first > 0 && pairs[first - 1]!.at > at) first--;
  return first === 0 ? pairs : pairs.slice(first);
}

export function shareOf(pairs: readonly Pair[]): Share {
  let errors = 0;
  let requests = 0;
  for (const pair of pairs) {
    errors += pair.errors.value;
    requests += pair.requests.value;
  }
  return { errors, requests, rate: requests === 0 ? 0 : errors / requests };
}

/** The newest pairs in which every request failed, oldest first; ones without requests between them count as such. */
export function allFailed(pairs: readonly Pair[]): readonly Pair[] {
  let first = pairs.length;
  for (let i = pairs.length - 1; i >= 0; i--) {
    const { errors, requests } = pairs[i]!;
    if (errors.value < requests.value) break;
    if (requests.value > 0) first = i;
  }
  return pairs.slice(first);
}

export interface Onset {
  /** Of the first pair that is of the departure. */
  readonly index: number;
  readonly onset: Interval;
}

/** Where all fail, one that does not is still possible. */
const ALMOST_ALL = 0.999;
/** Starts that are this much (in log likelihood) less likely than the best are not believed. */
const UNLIKELY = 2;

/**
 * When a rate rose from `before` to what it has been since: the start that makes the errors most likely under two rates
 * (the step of Page's CUSUM, Biometrika 41:100, 1954), and how far earlier or later it may have been.
 */
export function onsetOf(pairs: readonly Pair[], before: number, rate: number, periodMs: number): Onset {
  let risen = rate;
  let best = pairs.length - 1;
  let from = best;
  let to = best;
  // The window's rate still has the time before in it: once more with the rate since the start that it gave.
  for (let pass = 0; pass < 2; pass++) {
    const base = Math.max(Math.min(before, risen / 2), risen / 1000);
    const failed = Math.log(risen / base);
    const passed = Math.log((1 - Math.min(risen, ALMOST_ALL)) / (1 - base));
    const gain = ({ errors, requests }: Pair): number =>
      errors.value * failed + Math.max(0, requests.value - errors.value) * passed;
    const scores = new Float64Array(pairs.length);
    let score = 0;
    for (let i = pairs.length - 1; i >= 0; i--) {
      score += gain(pairs[i]!);
      scores[i] = score;
    }
    best = scores.lastIndexOf(scores.reduce((most, one) => Math.max(most, one), Number.NEGATIVE_INFINITY));
    from = best;
    to = best;
    while (from > 0 && scores[from - 1]! >= scores[best]! - UNLIKELY) from--;
    while (to < pairs.length - 1 && scores[to + 1]! >= scores[best]! - UNLIKELY) to++;
    risen = Math.max(rate, shareOf(pairs.slice(best)).rate);
  }
  const earliest = pairs[from - 1]?.at ?? pairs[from]!.at - periodMs;
  return { index: best, onset: { earliest, latest: pairs[to]!.at } };
}

/** Highest rate of a window of that length that ends at or after the pair of that index. */
export function worstRate(pairs: readonly Pair[], index: number, windowMs: number): number {
  let worst = 0;
  let errors = 0;
  let requests = 0;
  let first = 0;
  for (const [i, pair] of pairs.entries()) {
    errors += pair.errors.value;
    requests += pair.requests.value;
    for (; pairs[first]!.at <= pair.at - windowMs; first++) {
      errors -= pairs[first]!.errors.value;
      requests -= pairs[first]!.requests.value;
    }
    if (i >= index && requests > 0) worst = Math.max(worst, errors / requests);
  }
  return worst;
}
