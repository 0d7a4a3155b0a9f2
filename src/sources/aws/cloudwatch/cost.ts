/**
 * What reading costs. GetMetricData is billed by metrics requested, $0.01 for 1,000, whatever their points; every
 * statistic is counted as a metric here, which is never too little. ListMetrics and the one reading of history at the first
 * start (each metric once) are not in it: cents. Pure.
 */

export const USD_PER_METRIC = 0.01 / 1000;
const MONTH_SECONDS = 30 * 24 * 3600;
/** Blinder than this is no monitoring: then the budget is overrun, and that is said. */
export const MAX_POLL_SECONDS = 900;

export interface Costs {
  /** Metrics that are asked for, each statistic by itself. */
  readonly series: number;
  readonly usdPerMonth: number;
  /** How often they are read in effect. */
  readonly pollSeconds: number;
  readonly budgetUsdPerMonth: number;
  /** The pace was slowed down to stay within the budget. */
  readonly stretched: boolean;
  /** Even the slowest pace costs more. */
  readonly overBudget: boolean;
}

export interface CostInput {
  /** Number of metrics by the period that they are read at, in seconds. */
  readonly byPeriod: ReadonlyMap<number, number>;
  readonly pollSeconds: number;
  readonly budgetUsdPerMonth: number;
}

export function costsOf({ byPeriod, pollSeconds, budgetUsdPerMonth }: CostInput): Costs {
  const series = [...byPeriod.values()].reduce((sum, n) => sum + n, 0);
  // A metric is not read again before its next period is over.
  const usd = (poll: number): number =>
    [...byPeriod].reduce((sum, [period, n]) => sum + (n * USD_PER_METRIC * MONTH_SECONDS) / Math.max(poll, period), 0);
  const slowest = Math.max(pollSeconds, MAX_POLL_SECONDS);
  let effective = pollSeconds;
  while (usd(effective) > budgetUsdPerMonth && effective < slowest) {
    effective = Math.min(slowest, effective + pollSeconds);
  }
  return {
    series,
    usdPerMonth: usd(effective),
    pollSeconds: effective,
    budgetUsdPerMonth,
    stretched: effective > pollSeconds,
    overBudget: usd(effective) > budgetUsdPerMonth,
  };
}
