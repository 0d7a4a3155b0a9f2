/**
 * Caps on the number of time series that `/metrics` shows, so that no target and no defect can flood the Prometheus that
 * scrapes us. What does not fit is dropped and counted.
 */

export interface SeriesBudget {
  /** Whether there is room for `count` more series of the target; takes it when there is. */
  take(target: string, count: number): boolean;
  /** Series that found no room. */
  dropped(): number;
}

/** 500 series a target and 10,000 in all keep a scrape below 250 ms and about 1 MB. */
export const SERIES_PER_TARGET = 500;
export const SERIES_IN_ALL = 10_000;

export function createSeriesBudget(perTarget = SERIES_PER_TARGET, inAll = SERIES_IN_ALL): SeriesBudget {
  const used = new Map<string, number>();
  let total = 0;
  let dropped = 0;
  return {
    take(target, count) {
      const before = used.get(target) ?? 0;
      if (before + count > perTarget || total + count > inAll) {
        dropped += count;
        return false;
      }
      used.set(target, before + count);
      total += count;
      return true;
    },
    dropped: () => dropped,
  };
}

/**
 * Keeps the values of a label to the first `limit` that come; later ones read `other`. For labels whose values come from
 * fixed lists in the code: a guard against a defect, not a policy.
 */
export function boundedLabel(limit = 100): (value: string) => string {
  const seen = new Set<string>();
  return (value) => {
    if (seen.has(value)) return value;
    if (seen.size >= limit) return 'other';
    seen.add(value);
    return value;
  };
}
