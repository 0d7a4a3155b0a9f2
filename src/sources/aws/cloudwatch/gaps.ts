/** What of CloudWatch is not seen after a poll: refused, never there, late, or at a wrong time. Pure. */

import type { EpochMs } from '../../../model/glossary.ts';
import type { Blindness } from '../../../model/source.ts';
import {
  absenceBlindness,
  CLOCK_OFF_MS,
  clockBlindness,
  failureBlindness,
  type Late,
  lateBlindness,
  placeOf,
} from './blind.ts';
import type { PollInput } from './poll.ts';
import { type MetricSeries, wildcards } from './query.ts';
import { type MetricState, UNKNOWN_METRIC } from './state.ts';
import { LOOK_BACK_MS } from './windows.ts';

/** The whole present blindness. */
export function blindness(
  input: PollInput,
  byTarget: ReadonlyMap<string, readonly MetricSeries[]>,
): readonly Blindness[] {
  const { aws, targets, series, state, now, lookedUp } = input;
  const stateOf = (one: MetricSeries): MetricState => state.metrics.get(one.id) ?? UNKNOWN_METRIC;
  const failed = series.flatMap((one) => {
    const { failure } = stateOf(one);
    return failure === null ? [] : [{ series: one, failure }];
  });
  const silent = series.filter((one) => {
    const { watermark, seenEnd, failure } = stateOf(one);
    if (one.query.absence !== 'gap' || watermark === null || failure !== null) return false;
    return seenEnd === null || now - seenEnd > LOOK_BACK_MS;
  });
  const nowhere = targets.flatMap((watched) => {
    const { target, queries } = watched;
    return queries
      .filter((query) => {
        if (query.absence === 'normal' || wildcards(query).length === 0 || !lookedUp(watched, query)) return false;
        return !(byTarget.get(target) ?? []).some((one) => one.query === query);
      })
      .map((query) => ({ target, query, optional: query.absence === 'hot' && !state.hot.has(target) }));
  });
  const { region } = aws.account;
  const measured = aws.clockOffsetMs?.() ?? 0;
  const offsetMs = Math.abs(measured) < CLOCK_OFF_MS ? 0 : measured;
  // By a clock that is ahead everything looks late; by one that is behind nothing newer was asked for.
  const at = now + Math.min(0, offsetMs);
  return [
    ...failureBlindness(failed, series),
    ...absenceBlindness([...silent, ...nowhere], region),
    ...lateBlindness(lateOnes(input, byTarget, at), region, at),
    ...clockBlindness({ aheadMs: state.aheadMs, offsetMs }, [...byTarget.keys()]),
  ];
}

/** Published each minute, whatever happens: AWS' pages on metrics of load balancers, ECS and RDS. */
const ALWAYS: ReadonlySet<string> = new Set([
  ...['healthy_hosts', 'unhealthy_hosts', 'cpu', 'cpu_max', 'memory', 'memory_max'],
  ...['rds_cpu', 'rds_connections', 'rds_free_storage_bytes', 'rds_freeable_memory_bytes', 'rds_queue_depth'],
]);
/** From this age on, in periods, a sample is not judged any more: `freshnessOf` calls it missing. */
const MISSING_PERIODS = 3;

/** What was there and is not any more, of places where even that is too old which is always published. */
function lateOnes(
  { state, delayMs, periodMs }: PollInput,
  byTarget: ReadonlyMap<string, readonly MetricSeries[]>,
  now: EpochMs,
): readonly Late[] {
  const isLate = (end: EpochMs): boolean =>
    now - end > delayMs + MISSING_PERIODS * periodMs && now - end <= LOOK_BACK_MS;
  return [...byTarget.values()].flatMap((list) => {
    const seen = list.flatMap((one): readonly (Late & { readonly always: boolean })[] => {
      const { seenEnd, failure } = state.metrics.get(one.id) ?? UNKNOWN_METRIC;
      if (seenEnd === null || failure !== null || one.query.absence !== 'gap') return [];
      const { target, query } = one;
      return [{ target, query, newestEnd: seenEnd, always: ALWAYS.has(query.signal) }];
    });
    return [...Map.groupBy(seen, placeOf).values()].flatMap((place) => {
      const always = place.filter((one) => one.always);
      return always.length > 0 && always.every(({ newestEnd }) => isLate(newestEnd)) ? place : [];
    });
  });
}
