/** The series of one interval: totals, and a handful of figures for each statement that is worth following. Pure. */

import type { EpochMs, Unit } from '../../model/glossary.ts';
import type { Series } from '../../model/series.ts';
import type { SignalInfo } from '../../model/source.ts';
import { point } from './row-values.ts';
import {
  CALLS,
  cumulative,
  RING_MS,
  type StatementInterval,
  type StatementReading,
  TEMP_BLOCKS,
  TIME_MS,
  WIDTH,
} from './statement-deltas.ts';

const TOP_TRACKED = 30;
const MAX_TRACKED = 60;

const GROUP = 'statements';
const info = (signal: string, unit: Unit, description: string): SignalInfo => ({
  signal,
  unit,
  group: GROUP,
  description,
});

export const STATEMENTS_SIGNALS: readonly SignalInfo[] = [
  info('statement_time_ms_per_second', 'ms', 'time of all statements, in ms per second: 1000 is one busy session'),
  info('statement_calls_per_second', 'per_second', 'calls of all statements; with a queryid, of that statement'),
  info('statement_mean_ms', 'ms', 'mean time of a call over the interval, by queryid'),
  info('statement_share', 'ratio', 'share of all statement time in the interval, by queryid'),
  info('statement_calls', 'count', 'calls in the interval, by queryid'),
  info('statement_lifetime_mean_ms', 'ms', 'mean time of a call before the interval, since the last reset, by queryid'),
  info('statement_lifetime_calls', 'count', 'calls before the interval, since the last reset, by queryid'),
  info('statement_known_seconds', 's', 'time since the statement was first seen, by queryid; none for older ones'),
  info('statement_temp_blocks_per_call', 'count', 'temporary blocks that a call wrote, by queryid'),
];
const UNITS: ReadonlyMap<string, Unit> = new Map(STATEMENTS_SIGNALS.map(({ signal, unit }) => [signal, unit]));

export interface SeriesInput {
  readonly target: string;
  readonly periodMs: number;
  readonly interval: StatementInterval;
  /** At the end of the interval. */
  readonly reading: StatementReading;
  /** When each statement was last among those with most time, by queryid. */
  readonly tracked: ReadonlyMap<string, EpochMs>;
  readonly firstSeenAt: (queryid: string) => EpochMs | null;
}

/**
 * Followed are the 30 statements with most time of the interval, and those that were among them within the hour as long
 * as they are called: 60 at most, the latest first.
 */
export function statementSeries(input: SeriesInput): {
  readonly series: readonly Series[];
  readonly tracked: ReadonlyMap<string, EpochMs>;
} {
  const { target, periodMs, interval, reading } = input;
  const { queryids, values, to: at } = interval;
  const seconds = (interval.to - interval.from) / 1000;
  const make = (signal: string, value: number, queryid?: string): Series => {
    const labels = queryid === undefined ? {} : { queryid };
    return point({ target, signal, unit: UNITS.get(signal) ?? 'count', periodMs, labels }, at, value);
  };

  const rowOf = new Map(queryids.map((queryid, row) => [queryid, row * WIDTH]));
  const called = (queryid: string): boolean => (values[(rowOf.get(queryid) ?? Number.NaN) + CALLS] ?? 0) > 0;
  const top = queryids.slice(0, TOP_TRACKED).filter(called);
  const tracked = new Map([...input.tracked].filter(([, seenAt]) => seenAt > at - RING_MS));
  for (const queryid of top) tracked.set(queryid, at);
  const others = [...tracked]
    .filter(([queryid, seenAt]) => seenAt < at && called(queryid))
    .sort(([, a], [, b]) => b - a);
  const shown = [...top, ...others.map(([queryid]) => queryid)].slice(0, MAX_TRACKED);

  const lifetime = cumulative(reading);
  const series = [
    make('statement_time_ms_per_second', interval.totalMs / seconds),
    make('statement_calls_per_second', interval.totalCalls / seconds),
  ];
  for (const queryid of shown) {
    const row = rowOf.get(queryid) ?? 0;
    const calls = values[row + CALLS] ?? 0;
    const timeMs = values[row + TIME_MS] ?? 0;
    const life = lifetime.get(queryid);
    const lifeCalls = Math.max(0, (life?.[CALLS] ?? 0) - calls);
    const lifeMs = Math.max(0, (life?.[TIME_MS] ?? 0) - timeMs);
    series.push(
      make('statement_mean_ms', timeMs / calls, queryid),
      make('statement_share', interval.totalMs > 0 ? timeMs / interval.totalMs : 0, queryid),
      make('statement_calls', calls, queryid),
      make('statement_calls_per_second', calls / seconds, queryid),
      make('statement_lifetime_calls', lifeCalls, queryid),
      make('statement_temp_blocks_per_call', (values[row + TEMP_BLOCKS] ?? 0) / calls, queryid),
    );
    if (lifeCalls > 0) series.push(make('statement_lifetime_mean_ms', lifeMs / lifeCalls, queryid));
    const first = input.firstSeenAt(queryid);
    if (first !== null) series.push(make('statement_known_seconds', Math.max(0, at - first) / 1000, queryid));
  }
  return { series, tracked };
}
