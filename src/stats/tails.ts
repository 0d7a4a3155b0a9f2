import jstat from 'jstat';
import { clamp } from './clamp.ts';

/**
 * From this many events on the tail is not summed any more (jstat's gamma takes 4 ns an event, its beta stops after 100
 * steps of its fraction) but bounded from above. The bound is Chernoff's: too large by a factor of about √(2πk), so it
 * speaks a little too late and never too early.
 */
const MAX_EXACT = 100_000;

/**
 * P(X ≥ k) for X ~ Poisson(mean): the regularised lower incomplete gamma function P(k, mean), for whole k exactly that
 * (Abramowitz and Stegun 26.4.21). Relative error below 1e-9 down to 1e-300. A mean of 0 gives 0 for k > 0; k ≤ 0 gives 1.
 *
 * `dispersion` is variance over mean where events come in clusters (never below 1): events and mean are counted in
 * clusters of that size, the quasi-Poisson model of McCullagh and Nelder 1989, section 6.2.
 */
export function poissonUpperTail(k: number, mean: number, dispersion = 1): number {
  const size = Math.max(1, dispersion);
  return poisson(k / size, mean / size);
}

function poisson(k: number, mean: number): number {
  if (Number.isNaN(k) || !(mean >= 0)) return Number.NaN;
  if (k <= 0) return 1;
  if (mean === 0) return 0;
  if (k > MAX_EXACT) return k <= mean ? 1 : Math.exp(k - mean - k * Math.log(k / mean));
  // Where it rounds, the series may leave 0…1 by a few units of the last place.
  return clamp(jstat.jStat.lowRegGamma(k, mean), 0, 1);
}

/**
 * P(X ≥ k) for X ~ Binomial(n, p): the regularised incomplete beta function I_p(k, n − k + 1) (A & S 26.5.24). Relative
 * error below 1e-6. k ≤ 0 gives 1, k > n gives 0. NaN for p outside 0…1.
 */
export function binomialUpperTail(k: number, n: number, p: number): number {
  if (Number.isNaN(k) || Number.isNaN(n) || !(p >= 0 && p <= 1)) return Number.NaN;
  if (k <= 0) return 1;
  if (k > n || p === 0) return 0;
  if (p === 1) return 1;
  if (n * p > MAX_EXACT || k > MAX_EXACT) return chernoff(k, n, p);
  return clamp(Number(jstat.jStat.ibeta(p, k, n - k + 1)), 0, 1);
}

/** exp(−n · KL(k/n ‖ p)), above every upper binomial tail (Hoeffding 1963, theorem 1). */
function chernoff(k: number, n: number, p: number): number {
  if (k <= n * p) return 1;
  const misses = n - k;
  return Math.exp(-k * Math.log(k / n / p) - (misses === 0 ? 0 : misses * Math.log(misses / n / (1 - p))));
}
