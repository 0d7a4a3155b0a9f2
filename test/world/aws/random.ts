/**
 * Chance that is a pure function of its coordinates: the same seed, thing, time and channel give the same draw for ever,
 * so that history needs no storage and reads twice alike.
 */

/** 32 bits of a text (FNV-1a with a final avalanche), for seeds and made-up ids. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return avalanche(hash);
}

function avalanche(value: number): number {
  let hash = value | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x21f0aaad);
  hash = Math.imul(hash ^ (hash >>> 15), 0x735a2d97);
  return (hash ^ (hash >>> 15)) >>> 0;
}

/** 32 bits for up to three coordinates within a seed. */
export function hash(seed: number, a: number, b = 0, c = 0): number {
  // Times exceed 32 bits: the high part must count too.
  const high = Math.floor(a / 0x1_0000_0000);
  let mixed = avalanche(seed ^ Math.imul(a | 0, 0x9e3779b1) ^ Math.imul(high | 0, 0x85ebca6b));
  mixed = avalanche(mixed ^ Math.imul(b | 0, 0xc2b2ae35));
  return c === 0 ? mixed : avalanche(mixed ^ Math.imul(c | 0, 0x27d4eb2f));
}

/** In (0, 1). */
export const uniform = (seed: number, a: number, b = 0, c = 0): number => (hash(seed, a, b, c) + 0.5) / 0x1_0000_0000;

/** Standard normal. */
export const normal = (seed: number, a: number, b = 0, c = 0): number => inverseNormal(uniform(seed, a, b, c));

/** Quantile of the standard normal distribution: P. J. Acklam's rational approximation, relative error below 1.2e-9. */
export function inverseNormal(p: number): number {
  if (p < 0.02425) {
    const q = Math.sqrt(-2 * Math.log(p));
    return tail(q);
  }
  if (p > 0.97575) return -tail(Math.sqrt(-2 * Math.log(1 - p)));
  const q = p - 0.5;
  const r = q * q;
  return (
    ((((((-3.969683028665376e1 * r + 2.209460984245205e2) * r - 2.759285104469687e2) * r + 1.38357751867269e2) * r -
      3.066479806614716e1) *
      r +
      2.506628277459239) *
      q) /
    (((((-5.447609879822406e1 * r + 1.615858368580409e2) * r - 1.556989798598866e2) * r + 6.680131188771972e1) * r -
      1.328068155288572e1) *
      r +
      1)
  );
}

const tail = (q: number): number =>
  (((((-7.784894002430293e-3 * q - 3.223964580411365e-1) * q - 2.400758277161838) * q - 2.549732539343734) * q +
    4.374664141464968) *
    q +
    2.938163982698783) /
  ((((7.784695709041462e-3 * q + 3.224671290700398e-1) * q + 2.445134137142996) * q + 3.754408661907416) * q + 1);

/** Distribution function of the standard normal: Abramowitz and Stegun 26.2.17, absolute error below 7.5e-8. */
export function normalCdf(z: number): number {
  const t = 1 / (1 + 0.2316419 * Math.abs(z));
  const upper =
    0.3989422804014327 *
    Math.exp((-z * z) / 2) *
    t *
    (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return z >= 0 ? 1 - upper : upper;
}

/** A Poisson count by inversion of one draw; from a mean of 30 on by the normal approximation. */
export function poisson(mean: number, u: number): number {
  if (!(mean > 0)) return 0;
  if (mean > 30) return Math.max(0, Math.round(mean + Math.sqrt(mean) * inverseNormal(u)));
  let term = Math.exp(-mean);
  let sum = term;
  let count = 0;
  while (u > sum && count < 200) {
    count += 1;
    term *= mean / count;
    sum += term;
  }
  return count;
}

/** A binomial count; exact enough for traffic: Poisson where p is small, else normal, always within 0..n. */
export function binomial(n: number, p: number, u: number): number {
  if (n <= 0 || p <= 0) return 0;
  if (p >= 1) return n;
  if (p > 0.5) return n - binomial(n, 1 - p, 1 - u);
  const mean = n * p;
  if (mean < 30) return Math.min(n, poisson(mean, u));
  return Math.min(n, Math.max(0, Math.round(mean + Math.sqrt(mean * (1 - p)) * inverseNormal(u))));
}

/** Splits a count by weights, at random and without loss. */
export function split(count: number, weights: readonly number[], seed: number, at: number): number[] {
  let left = count;
  let rest = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight, index) => {
    const part = index === weights.length - 1 ? left : binomial(left, weight / rest, uniform(seed, at, index, 77));
    left -= part;
    rest -= weight;
    return part;
  });
}

/** A smooth wander in about [−1, 1] that changes over `scaleMs`. */
export function wander(seed: number, at: number, scaleMs: number): number {
  const position = at / scaleMs;
  const cell = Math.floor(position);
  const t = position - cell;
  const ease = t * t * (3 - 2 * t);
  const from = uniform(seed, cell, 5) * 2 - 1;
  const to = uniform(seed, cell + 1, 5) * 2 - 1;
  return from + (to - from) * ease;
}

/** Made-up hexadecimal ids, 8 digits for each 32 bits. */
export const hexId = (text: string, digits: number): string => {
  let id = '';
  for (let part = 0; id.length < digits; part += 1) id += hashText(`${text}/${part}`).toString(16).padStart(8, '0');
  return id.slice(0, digits);
};
