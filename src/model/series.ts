/** Series, samples, bands, readings: the numbers that rules judge. */

import type { EpochMs, Unit } from './glossary.ts';

export type Labels = Readonly<Record<string, string>>;

/** New points of one signal of one target, columnar, oldest first. `values` holds finite numbers only. */
export interface Series {
  readonly target: string;
  readonly signal: string;
  readonly labels: Labels;
  readonly unit: Unit;
  /** Expected distance of samples in milliseconds; what `late` and `missing` are measured with. */
  readonly periodMs: number;
  /** How long after its time a sample can be had when all is well, for backends that take time. Default 0. */
  readonly delayMs?: number;
  readonly times: Float64Array;
  readonly values: Float64Array;
}

export type BandProfile = 'none' | 'last_24h' | 'hour_of_day' | 'hour_of_week';

/** What is expected of a series at a time. While `ready` is false the figures are NaN and `samples` is 0. */
export interface Band {
  /** The median, which forgives single bad hours. */
  readonly expected: number;
  readonly lower: number;
  readonly upper: number;
  /** The arithmetic mean over the same profile: what rates of counts are made of (Σ errors / Σ requests). */
  readonly mean: number;
  /** Samples that the mean is over. */
  readonly samples: number;
  /**
   * Variance over mean of what happens in one period, of about the last week: 1 for counts of independent events, more
   * where they come in clusters. Absent where nothing is known of it.
   */
  readonly dispersion?: number;
  readonly ready: boolean;
  readonly profile: BandProfile;
}

export interface Sample {
  readonly at: EpochMs;
  readonly value: number;
  /** The band as it stood when the sample was judged: read before anything was learned from it. */
  readonly band: Band;
}

/**
 * The last settled samples of one labelled signal, oldest first (at most 60 minutes), each beside its band.
 * `freshness` tells a value that is current from one that is not there: no data is a state, never zero.
 */
export interface Reading {
  readonly target: string;
  readonly signal: string;
  readonly labels: Labels;
  readonly unit: Unit;
  readonly periodMs: number;
  readonly samples: readonly Sample[];
  readonly freshness: 'present' | 'late' | 'missing' | 'absent';
}

/** A reading's point as a page or the API shows it. Null where the baseline is not ready. */
export interface ReadingPoint {
  readonly signal: string;
  readonly labels: Labels;
  readonly unit: Unit;
  readonly at: EpochMs;
  readonly value: number;
  readonly expected: number | null;
  readonly lower: number | null;
  readonly upper: number | null;
}
