/**
 * What a probe's judgement can say. Weights are natural-log odds ratios ("weight of evidence", I. J. Good, 1950):
 * 1 is weak, 2 is good, 3 is strong, 5 settles it. They are added to the prior's log odds.
 */

import type { Judged, SlotValues, UnknownBecause } from '../model/index.ts';

interface Extra {
  /** The telling fact in a few words, for the summary line. */
  readonly headline?: string;
  /** Values that mitigations may fill in. */
  readonly slots?: SlotValues;
}

/** `weight` > 0. */
export function supports(weight: number, observed: string, extra: Extra = {}): Judged {
  return { state: 'supports', weight: Math.abs(weight), observed, ...extra };
}

/** `weight` is given as its size; the ledger shows it negative. `headline` is what RULED OUT prints. */
export function opposes(weight: number, observed: string, extra: Extra = {}): Judged {
  return { state: 'opposes', weight: -Math.abs(weight), observed, ...extra };
}

export function neutral(observed: string, extra: Extra = {}): Judged {
  return { state: 'neutral', weight: 0, observed, ...extra };
}

/** The answer came but does not hold what the probe needs. */
export function unknown(because: UnknownBecause, observed: string, grant?: string): Judged {
  return { state: 'unknown', weight: 0, observed, because, ...(grant === undefined ? {} : { grant }) };
}
