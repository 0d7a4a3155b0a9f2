/** What is allowed and yet looks like a slip of the pen. Said by `runbookd check`, never an error. */

import { distance } from 'fastest-levenshtein';
import type { Config } from './types.ts';

export interface Hint {
  /** The target that it is about. */
  readonly target: string;
  readonly message: string;
}

/** Farther than this is another name on purpose: `latency_p90` beside `latency_p95` is near enough to be asked about. */
const NEAR = 2;

/** Signals that are bound by hand under a name that is almost, but not quite, one that detectors read. */
export function signalHints(config: Pick<Config, 'services'>, known: readonly string[]): readonly Hint[] {
  return Object.entries(config.services).flatMap(([target, { signals }]) =>
    Object.keys(signals).flatMap((signal) => {
      if (known.includes(signal)) return [];
      const near = known.find((one) => distance(signal, one) <= NEAR);
      if (near === undefined) return [];
      return [{ target, message: `signals.${signal}: no detector of ours reads this name; did you mean ${near}?` }];
    }),
  );
}
