/**
 * Error rates: more errors than the baseline rate explains, by size and by significance, in a short or in a long window.
 *
 * Real errors come in clusters (a task that restarts, a client that retries): two clusters within five minutes happen
 * somewhere every week. So errors are counted in clusters as large as this service's have been (`Band.dispersion`), and a
 * window counts only if what is left of it without its worst minutes cannot be chance either.
 */

import type { Band, EpochMs, Interval, Reading } from '../../model/index.ts';
import { poissonUpperTail, wilsonUpper } from '../../stats/index.ts';
import { after, align, allFailed, onsetOf, type Pair, type Share, shareOf, worstRate } from './pairs.ts';

export interface ErrorRateRule {
  /** Above the baseline rate, as a share of requests: 0.005 is half a point. */
  readonly excess: number;
  readonly shortMs: number;
  readonly longMs: number;
  readonly minimumErrors: number;
  /** Chance of so many errors at the baseline rate, below which it is none. */
  readonly significance: number;
  /**
   * Share of errors to take for normal while there is no baseline, so that what fails from its first minute is found, and
   * not learned as its normal. Only gross and lasting failure is judged against it. Absent where no share is normal
   * everywhere: then nothing is judged without a baseline.
   */
  readonly assumed?: number;
}

export interface ErrorRateDeparture {
  /** The window that departed; `total-failure`: every request failed, of too few for a window. */
  readonly window: 'short' | 'long' | 'total-failure';
  /** Time of the newest sample that was judged. */
  readonly at: EpochMs;
  /** In that window. */
  readonly errors: number;
  readonly requests: number;
  readonly rate: number;
  readonly baseline: number;
  /** Set where there is no baseline yet, and `baseline` is the rule's assumption. */
  readonly assumed?: true;
  /** The baseline rate at its upper 95 % limit: what `tail` is reckoned with. */
  readonly baselineUpper: number;
  /** Chance of so many errors or more at that rate. */
  readonly tail: number;
  readonly onset: Interval;
  /** Highest rate of a short window since the onset. */
  readonly worstRate: number;
}

export type ErrorRateJudgement =
  | { readonly state: 'departed'; readonly departure: ErrorRateDeparture }
  | { readonly state: 'clear'; readonly at: EpochMs; readonly rate: number; readonly baseline: number }
  | { readonly state: 'not_ready'; readonly because: string };

/** Below this many requests the baseline's share is taken with one more error instead of Wilson's limit. */
const FEW_REQUESTS = 10_000;
const CONFIDENCE = 0.95;
const HOUR_MS = 3_600_000;
/** Once departed it clears only below the limit less this share of its distance to the baseline … */
const CLEAR_SHARE = 0.2;
/** … or where the baseline by itself brings as many errors this often: one of 20 requests is 5 %, and nothing. */
const CLEAR_CHANCE = 0.05;
/** Parts of the short window: minutes of five. A part is never shorter than a period. */
const PARTS = 5;
/** Days that it takes to know whether the errors of a service come in bursts. */
const CALM_DAYS = 7;
/** Up to this dispersion they do not: the slope of a day alone makes 1.02 of the errors of 10,000 requests a minute. */
const CALM_DISPERSION = 1.03;
/**
 * Parts that are left out of a window, its worst: one, since a burst takes a minute; of a service that has bursts three,
 * since three within five minutes come by chance somewhere in a thousand services each week. How improbable what is left
 * must be. By simulation: see quiet-weeks.test.ts.
 */
const CALM = { parts: 1, significance: 3e-4 } as const;
const BURSTY = { parts: 3, significance: 1e-4 } as const;
/** Errors beyond the baseline, in clusters, that no burst has: they need no second part. */
const LARGE_EXCESS = 100;

/** Without a baseline a rate must be this many times the one assumed: services differ. */
const ASSUMED_TIMES = 5;

/** Bursts may take two minutes in a row in which there are few other requests. */
const TOTAL_PARTS = 2;

interface Clusters {
  /** At its upper limit: an estimate over E rare events is off by 1/√E. */
  readonly dispersion: number;
  /** Whether errors are known to come one by one. */
  readonly calm: boolean;
}

interface Baseline extends Clusters {
  readonly rate: number;
  readonly upper: number;
  readonly assumed: boolean;
}

/**
 * Judges the newest time that both readings have; times where one has no sample are left out. No samples of errors beside
 * requests are missing data, not zero: sources fill in true zeros. `active`: whether it was departed before.
 * Without a baseline only what departs from `rule.assumed` is said, never that all is well.
 */
export function errorRateAbove(
  errors: Reading | undefined,
  requests: Reading,
  rule: ErrorRateRule,
  active: boolean,
): ErrorRateJudgement {
  if (errors === undefined || errors.samples.length === 0) return notReady('errors have no samples');
  const pairs = align(errors, requests);
  const newest = pairs.at(-1);
  if (newest === undefined) return notReady('errors and requests have no time in common');
  const windows = { short: after(pairs, newest.at - rule.shortMs), long: after(pairs, newest.at - rule.longMs) };
  const baseline =
    baselineOf(windows.short, errors.periodMs) ??
    baselineOf(windows.long, errors.periodMs) ??
    (rule.assumed === undefined ? null : assumedBaseline(rule.assumed, windows.long));
  if (baseline === null) return notReady(NO_BASELINE);
  const now = shareOf(windows.short);
  if (active && now.requests === 0) return notReady('no requests in the window');
  const limit = Math.max(baseline.rate + rule.excess, baseline.assumed ? ASSUMED_TIMES * baseline.rate : 0);
  const partMs = Math.max(rule.shortMs / PARTS, errors.periodMs, requests.periodMs);
  // Where parts are longer than bursts, a second one is none either.
  const without = baseline.calm || 2 * partMs >= rule.shortMs ? CALM : BURSTY;

  const departed = (window: ErrorRateDeparture['window'], share: Share, tail: number): ErrorRateJudgement => {
    const { index, onset } = onsetOf(pairs, baseline.rate, share.rate, requests.periodMs);
    const worst = Math.max(share.rate, worstRate(pairs, index, rule.shortMs));
    const assumed = baseline.assumed ? { assumed: true as const } : {};
    const of = { baseline: baseline.rate, baselineUpper: baseline.upper, ...assumed };
    return { state: 'departed', departure: { window, at: newest.at, ...share, ...of, tail, onset, worstRate: worst } };
  };

  if (active) {
    const chance = poissonUpperTail(now.errors, now.requests * baseline.rate, baseline.dispersion);
    if (now.rate > limit - CLEAR_SHARE * (limit - baseline.rate) && chance < CLEAR_CHANCE) {
      return departed('short', now, tailOf(now, baseline));
    }
    return { state: 'clear', at: newest.at, rate: now.rate, baseline: baseline.rate };
  }
  if (now.rate > limit) {
    for (const name of ['short', 'long'] as const) {
      const share = shareOf(windows[name]);
      const tail = tailOf(share, baseline);
      const much = share.rate > limit && share.errors >= rule.minimumErrors && tail < rule.significance;
      // An hour may have bursts of any service, and the rest of it has some of a bursty one too.
      const [but, clusters] = name === 'long' ? [BURSTY, baseline.dispersion] : [without, 1];
      if (much && lasts(pairs, windows[name], partMs, but, baseline, clusters)) return departed(name, share, tail);
    }
  }
  const failed = allFailed(pairs);
  const run = shareOf(failed);
  const parts = partsOf(failed, partMs).filter((part) => part.requests > 0).length;
  // Failures in a row are as many trials as there are clusters of them, and at least one in each part.
  const chance = baseline.upper ** Math.max(parts, run.errors / baseline.dispersion);
  if (run.errors >= rule.minimumErrors && parts > TOTAL_PARTS && chance < rule.significance) {
    return departed('total-failure', run, chance);
  }
  if (baseline.assumed) return notReady(NO_BASELINE);
  return { state: 'clear', at: newest.at, rate: now.rate, baseline: baseline.rate };
}

const NO_BASELINE = 'the baseline of errors or of requests is not known yet';

const notReady = (because: string): ErrorRateJudgement => ({ state: 'not_ready', because });

/** From the bands under which the pairs were judged; null when none is known. */
function baselineOf(pairs: readonly Pair[], periodMs: number): Baseline | null {
  let errors = 0;
  let requests = 0;
  let seen = Number.NaN;
  let clusters: Clusters = { dispersion: 1, calm: true };
  let size = 1;
  for (const pair of pairs) {
    const [of, all] = [pair.errors.band, pair.requests.band];
    if (!of.ready || !all.ready || Number.isNaN(of.mean + all.mean)) continue;
    errors += of.mean;
    requests += all.mean;
    seen = all.mean * Math.min(of.samples, all.samples);
    clusters = clustersOf(of, periodMs);
    size = Math.max(1, of.dispersion ?? 1);
  }
  if (Number.isNaN(seen)) return null;
  const rate = requests > 0 ? Math.min(1, errors / requests) : 0;
  // In clusters, there is less to go by.
  const n = seen / size;
  const upper = seen < FEW_REQUESTS ? uncertain(rate, n) : wilsonUpper(rate * n, n, CONFIDENCE);
  return { rate, upper: Math.max(rate, upper), ...clusters, assumed: false };
}

/** As if the requests that were seen had failed at that rate; nothing is known of bursts, so there may be some. */
function assumedBaseline(rate: number, pairs: readonly Pair[]): Baseline {
  const { requests } = shareOf(pairs);
  return { rate, upper: Math.max(rate, uncertain(rate, requests)), dispersion: 1, calm: false, assumed: true };
}

const uncertain = (rate: number, n: number): number => (rate * n + 1) / (n + 2);

/** Where a band says nothing of clusters, there are taken to be none. */
function clustersOf({ profile, samples, mean, dispersion }: Band, periodMs: number): Clusters {
  if (dispersion === undefined) return { dispersion: 1, calm: true };
  const hours = (samples * periodMs) / HOUR_MS;
  const days = { none: 0, last_24h: hours / 24, hour_of_day: hours, hour_of_week: 7 * hours }[profile];
  const off = 1 / Math.sqrt(1 + (mean * days * 24 * HOUR_MS) / periodMs);
  const calm = days >= CALM_DAYS && dispersion <= CALM_DISPERSION + 2 * off;
  return { dispersion: Math.max(1, dispersion + off), calm };
}

function tailOf({ errors, requests }: Share, { upper, dispersion }: Baseline): number {
  return poissonUpperTail(errors, requests * upper, dispersion);
}

/** Whether the errors of a window are more than a burst: without its worst parts it is still no chance. */
function lasts(
  all: readonly Pair[],
  window: readonly Pair[],
  partMs: number,
  without: typeof CALM | typeof BURSTY,
  baseline: Baseline,
  clusters: number,
): boolean {
  const share = shareOf(window);
  if (!baseline.assumed && share.errors - share.requests * baseline.upper >= LARGE_EXCESS * baseline.dispersion)
    return true;
  // Where a window has too few periods, those before it have to tell.
  const newest = all.at(-1)!.at;
  const parts = [...partsOf(after(all, Math.min(window[0]!.at - 1, newest - (without.parts + 1) * partMs)), partMs)];
  parts.sort((a, b) => b.errors - b.requests * baseline.rate - (a.errors - a.requests * baseline.rate));
  let errors = 0;
  let requests = 0;
  for (const part of parts.slice(without.parts)) {
    errors += part.errors;
    requests += part.requests;
  }
  return poissonUpperTail(errors, requests * baseline.upper, clusters) < without.significance;
}

/** Shares of the parts of time that the pairs fall into, counted back from the newest. */
function partsOf(pairs: readonly Pair[], partMs: number): readonly Share[] {
  const newest = pairs.at(-1)?.at ?? 0;
  const parts = Map.groupBy(pairs, (pair) => Math.floor((newest - pair.at) / partMs));
  return [...parts.values()].map(shareOf);
}
