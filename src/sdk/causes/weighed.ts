/** Evidence whose side depends on the cause that weighs it. */

import type { Judged, SlotValues } from '../../model/index.ts';
import { neutral, opposes, supports } from '../evidence.ts';

interface Extra {
  readonly headline?: string;
  readonly slots?: SlotValues;
}

/** A weight of either sign; 0 is neutral. */
export function weighed(weight: number, observed: string, extra: Extra = {}): Judged {
  if (weight === 0) return neutral(observed, extra);
  return weight > 0 ? supports(weight, observed, extra) : opposes(weight, observed, extra);
}
