/** What is allowed and yet looks like a slip of the pen. Said by `runbookd check`, never an error. */

import { distance } from 'fastest-levenshtein';
import { TARGET_KINDS, type TargetSection } from './target-names.ts';
import type { Config } from './types.ts';

export interface Hint {
  /** The target that it is about. */
  readonly target: string;
  readonly message: string;
}

/** Farther than this is another name on purpose: `latency_p90` beside `latency_p95` is near enough to be asked about. */
const NEAR = 2;

/** Signals that are bound by hand, or read by a query, under a name that is almost, but not quite, one of `known`. */
export function signalHints(config: Pick<Config, TargetSection>, known: readonly string[]): readonly Hint[] {
  const named = TARGET_KINDS.flatMap((kind) =>
    Object.entries(config[kind]).flatMap(([target, one]) => [
      ...Object.keys(one.signals).map((signal) => ({ target, section: 'signals', signal })),
      ...Object.keys('queries' in one ? one.queries : {}).map((signal) => ({ target, section: 'queries', signal })),
    ]),
  );
  return named.flatMap(({ target, section, signal }) => {
    if (known.includes(signal)) return [];
    const near = known.find((one) => distance(signal, one) <= NEAR);
    if (near === undefined) return [];
    return [{ target, message: `${section}.${signal}: no detector of ours reads this name; did you mean ${near}?` }];
  });
}
