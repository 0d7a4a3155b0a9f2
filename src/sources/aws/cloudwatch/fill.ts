/** What holes mean: zero where something else proves that nothing happened, otherwise nothing at all. Pure. */

import type { EpochMs } from '../../../model/glossary.ts';
import type { Points } from './read.ts';
import type { Span } from './windows.ts';

export const NO_POINTS: Points = { times: [], values: [] };

/**
 * A counter that is published only when it is not zero: its holes become zero at the times at which one of the `proof`
 * series has a value, and stay holes elsewhere. Both must have been read completely.
 */
export function fillZeros(sparse: Points, proof: readonly Points[]): Points {
  const seen = new Map(sparse.times.map((at, i) => [at, sparse.values[i]!]));
  for (const { times } of proof) {
    for (const at of times) if (!seen.has(at)) seen.set(at, 0);
  }
  if (seen.size === sparse.times.length) return sparse;
  const times = [...seen.keys()].sort((a, b) => a - b);
  return { times, values: times.map((at) => seen.get(at)!) };
}

export interface Silence {
  readonly points: Points;
  /** End of the newest period with a request; null when none was ever seen. */
  readonly newestEnd: EpochMs | null;
}

/** What else CloudWatch had of the target, by which silence is told from values that are late. */
export interface Beside {
  /** End of the newest period of a metric that is always published; null for a target that has none. */
  readonly witnessEnd: EpochMs | null;
  /** What is there only where a request was. */
  readonly proofs: readonly { readonly points: Points; readonly periodMs: number }[];
}

/** Silence that nothing confirms: longer than CloudWatch is late when it is late. */
export const UNWITNESSED_MS = 15 * 60_000;

/**
 * For every settled period: seconds between its end and the end of the newest period up to it that had a request. Only of
 * requests that were read completely, so that silence is told from blindness; and only as far as something else that is
 * always published has come, because CloudWatch says `Complete` of values that are merely late. Empty until the first
 * request is known.
 *
 * @param knownEnd end of the newest period with a request that was known before this reading
 */
export function silence(
  requests: readonly Points[],
  span: Span,
  periodMs: number,
  knownEnd: EpochMs | null,
  beside: Beside = { witnessEnd: span.to, proofs: [] },
): Silence {
  const active = new Set<EpochMs>();
  for (const { times, values } of requests) {
    times.forEach((at, i) => {
      if (values[i]! > 0) active.add(at);
    });
  }
  for (const { points, periodMs: proofMs } of beside.proofs) {
    points.times.forEach((at, i) => {
      if (points.values[i]! <= 0) return;
      const slots = Array.from({ length: Math.round(proofMs / periodMs) }, (_, slot) => at + slot * periodMs);
      // A request that the count does not have: it came in one of these periods, at the latest in the last.
      if (!slots.some((slot) => active.has(slot))) active.add(slots.at(-1)!);
    });
  }
  const newest = Math.max(...active) + periodMs;
  // What was known of a time that has just been read again is judged by this reading.
  let end = knownEnd !== null && knownEnd <= span.from ? knownEnd : null;
  if (end === null && knownEnd !== null && active.size === 0) end = Math.min(knownEnd, span.to);
  const times: EpochMs[] = [];
  const values: number[] = [];
  for (let at = span.from; at < span.to; at += periodMs) {
    if (active.has(at)) end = at + periodMs;
    if (end === null || end > at + periodMs) continue;
    const isConfirmed = at + periodMs <= Math.max(newest, beside.witnessEnd ?? 0);
    if (!isConfirmed && (beside.witnessEnd !== null || at + periodMs - end < UNWITNESSED_MS)) continue;
    times.push(at);
    values.push((at + periodMs - end) / 1000);
  }
  return { points: { times, values }, newestEnd: end };
}
