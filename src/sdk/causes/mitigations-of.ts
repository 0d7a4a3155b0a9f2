/** Mitigations of causes that are put together: only those that a hypothesis names. */

import type { Hypothesis, Mitigation } from '../detector.ts';

/** A later record wins where two have the same id. */
export function mitigationsOf(
  hypotheses: readonly Hypothesis[],
  ...records: readonly Readonly<Record<string, Mitigation>>[]
): Readonly<Record<string, Mitigation>> {
  const named = new Set(hypotheses.flatMap((hypothesis) => hypothesis.mitigations));
  const all: Readonly<Record<string, Mitigation>> = Object.assign({}, ...records);
  return Object.fromEntries(Object.entries(all).filter(([id]) => named.has(id)));
}
