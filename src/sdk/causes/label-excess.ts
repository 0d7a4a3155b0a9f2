/** What grew: counts by label since the onset, against what the time before would have given. */

import type { EpochMs, Interval, Labels } from '../../model/index.ts';
import type { Points } from './service-questions.ts';
import { share } from './service-questions.ts';

export interface ExcessPart {
  readonly name: string;
  /** Since the onset. */
  readonly after: number;
  /** What as long a time before the onset had. */
  readonly expected: number;
  /** What is more than that, never negative. */
  readonly excess: number;
}

export interface Excess {
  /** Most first. */
  readonly parts: readonly ExcessPart[];
  /** Of all parts together. */
  readonly all: number;
  readonly after: number;
}

/**
 * Counts by name since the onset. `nameOf` gives null for what does not count. Where there is no time before the onset,
 * what the bands expect stands for it; without a band, nothing.
 */
export function excessBy(
  points: Points | null | undefined,
  facts: { readonly onset: Interval },
  nameOf: (labels: Labels) => string | null,
): Excess {
  const all = points ?? [];
  const { earliest, latest } = facts.onset;
  const periods = (isIn: (at: EpochMs) => boolean): number =>
    new Set(all.flatMap(({ at }) => (isIn(at) ? [at] : []))).size;
  const before = periods((at) => at <= earliest);
  const since = periods((at) => at >= latest);
  const byName = new Map<string, { after: number; before: number; band: number }>();
  for (const { labels, at, value, expected } of all) {
    const name = nameOf(labels);
    if (name === null) continue;
    const found = byName.get(name) ?? { after: 0, before: 0, band: 0 };
    byName.set(name, found);
    if (at <= earliest) found.before += value;
    if (at >= latest) {
      found.after += value;
      found.band += expected ?? 0;
    }
  }
  const parts = [...byName].map(([name, found]) => {
    const expected = before > 0 ? (found.before / before) * since : found.band;
    return { name, after: found.after, expected, excess: Math.max(0, found.after - expected) };
  });
  parts.sort((a, b) => b.excess - a.excess || b.after - a.after || (a.name < b.name ? -1 : 1));
  return {
    parts,
    all: parts.reduce((sum, one) => sum + one.excess, 0),
    after: parts.reduce((sum, one) => sum + one.after, 0),
  };
}

/** Which part of what grew these names have. */
export function excessShare(excess: Excess, isIt: (name: string) => boolean): number {
  return share(
    excess.parts.reduce((sum, one) => sum + (isIt(one.name) ? one.excess : 0), 0),
    excess.all,
  );
}
