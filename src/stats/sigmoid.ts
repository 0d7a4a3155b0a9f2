/** Logistic function: natural-log odds to a probability. Exact in both tails: never overflows, never NaN for a number. */
export function sigmoid(logOdds: number): number {
  if (logOdds >= 0) return 1 / (1 + Math.exp(-logOdds));
  // e^x / (1 + e^x): for large negative x, 1 / (1 + e^-x) would lose every digit of the small result.
  const odds = Math.exp(logOdds);
  return odds / (1 + odds);
}
