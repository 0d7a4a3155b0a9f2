/**
 * The period that a percentile is asked at. Fewer than 10 / (1 − p) samples give no percentile worth judging: 200 for the
 * 95th. Percentiles of short periods can not be averaged into one of a long period, so a longer period is asked instead.
 * Pure.
 */

export const MIN_SAMPLES = 200;
/** How much more than that a shorter period must have before it is taken again: a rate at the border must not flip it. */
const RETURN_RATIO = 1.5;

export type Multiple = 1 | 5 | 15;
export const MULTIPLES: readonly Multiple[] = [1, 5, 15];

/** CloudWatch takes periods of 1, 5, 10, 20 and 30 s, and multiples of 60: the next of these. */
export function takenPeriod(wantedMs: number): number {
  const short = [1_000, 5_000, 10_000, 20_000, 30_000].find((one) => one >= wantedMs);
  return short ?? Math.ceil(wantedMs / 60_000) * 60_000;
}

/**
 * @param perPeriod mean number of samples in one base period, lately; null when it is not known
 * @param present the choice until now; null when there was none
 */
export function choosePeriod(perPeriod: number | null, present: Multiple | null): Multiple {
  if (perPeriod === null) return present ?? 5;
  const enough = (multiple: Multiple, ratio: number): boolean => perPeriod * multiple >= MIN_SAMPLES * ratio;
  for (const multiple of MULTIPLES) {
    const ratio = present !== null && multiple < present ? RETURN_RATIO : 1;
    if (enough(multiple, ratio)) return multiple;
  }
  return 15;
}
