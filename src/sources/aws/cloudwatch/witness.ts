/** What tells a service that is silent from a CloudWatch that is late: other metrics of the same target. Pure. */

import type { EpochMs } from '../../../model/glossary.ts';
import { completePoints } from './assemble.ts';
import type { Beside } from './fill.ts';
import type { MetricSeries } from './query.ts';
import type { Outcome } from './read.ts';

/** Published each minute with or without traffic, the best first: the same namespace is late at the same time. */
const WITNESSES = ['healthy_hosts', 'cpu'] as const;
/** Published only for requests. */
const PROOFS: ReadonlySet<string> = new Set(['latency_p50', 'latency_p95', 'latency_p99', 'errors', 'client_errors']);

export interface BesideInput {
  /** Of one target. */
  readonly series: readonly MetricSeries[];
  readonly outcomes: ReadonlyMap<string, Outcome>;
  /** Period that was read. */
  readonly stepMs: (series: MetricSeries) => number;
  /** End of the newest value that was ever seen before this reading. */
  readonly seenEnd: (series: MetricSeries) => EpochMs | null;
}

export function besideOf({ series, outcomes, stepMs, seenEnd }: BesideInput): Beside {
  const ends = WITNESSES.map((signal) =>
    series
      .filter((one) => one.query.signal === signal)
      .flatMap((one) => {
        const newest = completePoints(one, outcomes)?.times.at(-1);
        return [newest === undefined ? null : newest + stepMs(one), seenEnd(one)].filter((end) => end !== null);
      }),
  );
  // One that never had a value is no witness; one that had is, also while it is late.
  const witness = ends.find((each) => each.length > 0);
  const proofs = series
    .filter((one) => PROOFS.has(one.query.signal))
    .flatMap((one) => {
      const points = completePoints(one, outcomes);
      return points === null ? [] : [{ points, periodMs: stepMs(one) }];
    });
  return { witnessEnd: witness === undefined ? null : Math.max(...witness), proofs };
}
