/**
 * What a figure can be at all. An upstream that gives another one is not believed: the figure is unknown then, and nothing
 * is concluded from it. Whatever may be true passes, however bad: every request failing, CPU at four times what is
 * reserved.
 */

import type { Unit } from '../model/glossary.ts';
import { AWS_SIGNALS } from './aws/signals.ts';
import { HAND_SIGNALS } from './hand-signals.ts';
import { SEARCH_SIGNALS_BY_HAND } from './search/signals.ts';

/** A hundred times the requests that the busiest systems there are take in a minute. */
const MANY = 1e12;
const CENTURY_SECONDS = 3.2e9;
const DAY_SECONDS = 86_400;

/**
 * A `ratio` is also of what is reserved, and no limit then: ECS gives a service 400 % of CPU where a task alone on an
 * instance uses four times its units, and memory is of the soft limit
 * (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service_utilization.html). 128 units of 192 CPUs are 1,536.
 */
const MOST: Readonly<Record<Unit, number>> = {
  bool: 1,
  count: MANY,
  per_second: MANY,
  bytes: 2 ** 63,
  bytes_per_second: 2 ** 63,
  ratio: 2_000,
  s: CENTURY_SECONDS,
  ms: CENTURY_SECONDS * 1_000,
};

/** Parts of a whole; a hundredth more comes of rounding, and of two rates that are not of the very same moment. */
const PARTS: ReadonlySet<string> = new Set(['rds_cpu', 'rds_burst_balance', 'search_cache_hit_ratio']);
const WHOLE = 1.01;
/** Of one request or statement: nobody waits for longer. */
const LATENCY = /(?:^|_)(?:latency|duration)(?:_|$)/;

/** Of ours: what a unit counts or measures is never below zero. What users name may be a difference. */
const OURS: ReadonlySet<string> = new Set(
  [...AWS_SIGNALS, ...HAND_SIGNALS, ...SEARCH_SIGNALS_BY_HAND].map(({ signal }) => signal),
);

/** Lowest and highest value that a signal can have, in its unit. */
export function rangeOf(signal: string, unit: Unit): { readonly least: number; readonly most: number } {
  const latency = LATENCY.test(signal)
    ? unit === 's'
      ? DAY_SECONDS
      : unit === 'ms'
        ? DAY_SECONDS * 1_000
        : null
    : null;
  const most = PARTS.has(signal) ? WHOLE : (latency ?? MOST[unit]);
  return { least: OURS.has(signal) ? 0 : -MOST[unit], most };
}

/** Null for one that may be; else what is wrong with it: `-1, expected 0 to 86400`. NaN is none. */
export function impossible(signal: string, unit: Unit, value: number): string | null {
  const { least, most } = rangeOf(signal, unit);
  return value >= least && value <= most ? null : `${value}, expected ${least} to ${most}`;
}
