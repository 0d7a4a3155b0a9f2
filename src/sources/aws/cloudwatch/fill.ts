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

/**
 * For every settled period: seconds between its end and the end of the newest period up to it that had a request. Only of
 * requests that were read completely, so that silence is told from blindness. Empty until the first request is known.
 *
 * @param knownEnd end of the newest period with a request that was known before this reading
 */
export function silence(requests: readonly Points[], span: Span, periodMs: number, knownEnd: EpochMs | null): Silence {
  const active = new Set<EpochMs>();
  for (const { times, values } of requests) {
    times.forEach((at, i) => {
      if (values[i]! > 0) active.add(at);
    });
  }
  // What was known of a time that has just been read again is judged by this reading.
  let end = knownEnd !== null && knownEnd <= span.from ? knownEnd : null;
  if (end === null && knownEnd !== null && active.size === 0) end = Math.min(knownEnd, span.to);
  const times: EpochMs[] = [];
  const values: number[] = [];
  for (let at = span.from; at < span.to; at += periodMs) {
    if (active.has(at)) end = at + periodMs;
    if (end === null || end > at + periodMs) continue;
    times.push(at);
    values.push((at + periodMs - end) / 1000);
  }
  return { points: { times, values }, newestEnd: end };
}
