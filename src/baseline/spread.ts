import type { Unit } from '../model/index.ts';

/** Of the level: a series that never moves is not expected to the last digit. */
const RELATIVE_FLOOR = 0.01;

/** What nobody would call a difference, by unit; a band reaches three times as far to each side. */
const ABSOLUTE_FLOOR: Readonly<Record<Unit, number>> = {
  s: 0.002,
  ms: 5,
  bytes: 65_536,
  ratio: 0.005,
  count: 0.5,
  per_second: 0.05,
  bytes_per_second: 16_384,
  bool: 0,
};

export function spreadFloor(unit: Unit, level: number): number {
  return Math.max(ABSOLUTE_FLOOR[unit], RELATIVE_FLOOR * Math.abs(level));
}

/**
 * Factors that make the scaled MAD of n normal values unbiased, n = 2…9; n / (n − 0.8) beyond.
 * Croux and Rousseeuw 1992, "Time-efficient algorithms for two highly robust estimators of scale".
 */
const SMALL_SAMPLE = [1.196, 1.495, 1.363, 1.206, 1.2, 1.14, 1.129, 1.107];

export function smallSampleFactor(n: number): number {
  return SMALL_SAMPLE[n - 2] ?? n / (n - 0.8);
}
