/** Where the samples of a series and their bands lie in its room, and how they are read. `recent.ts` changes them. */

import type { Band, BandProfile, EpochMs } from '../model/index.ts';
import type { Arena, Room } from './arena.ts';

/**
 * In its room one column after another: times and values of `capacity` samples, rows of bands, and as 16 bits the number
 * of each sample's row. Samples are in [start, end) of the columns: dropping the oldest moves `start`, and moves the
 * others only now and then.
 */
export interface Recent extends Room {
  readonly arena: Arena;
  capacity: number;
  rowCapacity: number;
  start: number;
  end: number;
  /** Rows in use. */
  rows: number;
}

const PROFILES: readonly BandProfile[] = ['none', 'last_24h', 'hour_of_day', 'hour_of_week'];

// Columns of a row.
const EXPECTED = 0;
const LOWER = 1;
const UPPER = 2;
const MEAN = 3;
const SAMPLES = 4;
const DISPERSION = 5; // NaN where the band has none
const KIND = 6; // number of the profile, and READY
export const WIDTH = 7;
const READY = 8;

export function bytesFor(capacity: number, rowCapacity: number): number {
  return 18 * capacity + 8 * WIDTH * rowCapacity;
}

// Where columns begin: in doubles of the page, the last in halves.
export const timesAt = ({ at }: Recent): number => at / 8;
export const valuesAt = ({ at, capacity }: Recent): number => at / 8 + capacity;
export const bandsAt = ({ at, capacity }: Recent): number => at / 8 + 2 * capacity;
export const numbersAt = ({ at, capacity, rowCapacity }: Recent): number =>
  at / 2 + 8 * capacity + 4 * WIDTH * rowCapacity;

export const lengthOf = ({ start, end }: Recent): number => end - start;
export const timeAt = (recent: Recent, index: number): EpochMs =>
  recent.page.doubles[timesAt(recent) + recent.start + index]!;
export const valueAt = (recent: Recent, index: number): number =>
  recent.page.doubles[valuesAt(recent) + recent.start + index]!;

/** Whether the sample was judged by a band that was ready. */
export const isJudged = (recent: Recent, index: number): boolean =>
  recent.page.doubles[bandsAt(recent) + bandNumber(recent, index) * WIDTH + KIND]! >= READY;

/** Number of the band of a sample: the same for the same band. */
export const bandNumber = (recent: Recent, index: number): number =>
  recent.page.halves[numbersAt(recent) + recent.start + index]!;

/** The band of a sample, made anew. */
export function bandAt(recent: Recent, index: number): Band {
  const { doubles } = recent.page;
  const at = bandsAt(recent) + bandNumber(recent, index) * WIDTH;
  const kind = doubles[at + KIND]!;
  const dispersion = doubles[at + DISPERSION]!;
  return {
    expected: doubles[at + EXPECTED]!,
    lower: doubles[at + LOWER]!,
    upper: doubles[at + UPPER]!,
    mean: doubles[at + MEAN]!,
    samples: doubles[at + SAMPLES]!,
    ready: kind >= READY,
    profile: PROFILES[kind % READY]!,
    ...(Number.isNaN(dispersion) ? {} : { dispersion }),
  };
}

const kindOf = ({ ready, profile }: Band): number => (ready ? READY : 0) + PROFILES.indexOf(profile);

export function isRow(recent: Recent, row: number, band: Band): boolean {
  const { doubles } = recent.page;
  const at = bandsAt(recent) + row * WIDTH;
  return (
    Object.is(doubles[at + EXPECTED], band.expected) &&
    Object.is(doubles[at + LOWER], band.lower) &&
    Object.is(doubles[at + UPPER], band.upper) &&
    Object.is(doubles[at + MEAN], band.mean) &&
    doubles[at + SAMPLES] === band.samples &&
    Object.is(doubles[at + DISPERSION], band.dispersion ?? Number.NaN) &&
    doubles[at + KIND] === kindOf(band)
  );
}

export function writeRow(recent: Recent, row: number, band: Band): void {
  const { doubles } = recent.page;
  const at = bandsAt(recent) + row * WIDTH;
  doubles[at + EXPECTED] = band.expected;
  doubles[at + LOWER] = band.lower;
  doubles[at + UPPER] = band.upper;
  doubles[at + MEAN] = band.mean;
  doubles[at + SAMPLES] = band.samples;
  doubles[at + DISPERSION] = band.dispersion ?? Number.NaN;
  doubles[at + KIND] = kindOf(band);
}
