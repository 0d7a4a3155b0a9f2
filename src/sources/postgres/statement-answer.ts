/** From the ring of statement differences to an answer. Pure. */

import type { EpochMs } from '../../model/glossary.ts';
import type { StatementDelta, StatementsAnswer } from '../../model/postgres.ts';
import type { Window } from '../../model/question.ts';
import {
  BLOCKS_HIT,
  BLOCKS_READ,
  CALLS,
  ROWS,
  type StatementInterval,
  type StatementSums,
  sumOf,
  TEMP_BLOCKS,
  TIME_MS,
} from './statement-deltas.ts';

/** A baseline needs that much time or that many intervals, and calls; else the whole life is the better comparison. */
const BASELINE_MS = 10 * 60_000;
const BASELINE_INTERVALS = 5;
const BASELINE_CALLS = 20;
const TOP = 20;

export interface StatementsInput {
  /** Oldest first, the fresh one last. */
  readonly intervals: readonly StatementInterval[];
  /** Counters by queryid at the end of the last interval. */
  readonly lifetime: ReadonlyMap<string, Float64Array>;
  readonly firstSeenAt: (queryid: string) => EpochMs | null;
  readonly statsResetAt: EpochMs | null;
}

/** Texts are null; null when no interval touches the window. */
export function statementsAnswer(input: StatementsInput, window: Window): StatementsAnswer | null {
  const inside = input.intervals.filter(({ from, to }) => to > window.from && from < window.to);
  const first = inside[0];
  const last = inside.at(-1);
  if (first === undefined || last === undefined) return null;
  const sums = sumOf(inside);
  const earlier = input.intervals.filter(({ to }) => to <= first.from);
  const before = sumOf(earlier);
  // What the counters gained after the window is not part of the life before it either.
  const sinceStart = sumOf(input.intervals.filter(({ to }) => to > first.from));
  const order = [...sums.byQueryid].sort(([, a], [, b]) => (b[TIME_MS] ?? 0) - (a[TIME_MS] ?? 0)).slice(0, TOP);
  const seconds = Math.max(sums.coveredMs / 1000, 1e-3);
  const perSecondBefore = (total: number): number | null =>
    before.coveredMs > 0 ? (total / before.coveredMs) * 1000 : null;
  return {
    from: first.from,
    to: last.to,
    totalMs: sums.totalMs,
    totalCalls: sums.totalCalls,
    totalMsPerSecondBefore: perSecondBefore(before.totalMs),
    totalCallsPerSecondBefore: perSecondBefore(before.totalCalls),
    top: order.map(([queryid, values]): StatementDelta => {
      const per = perCall(values);
      return {
        queryid,
        database: null,
        user: null,
        text: null,
        calls: values[CALLS] ?? 0,
        totalMs: values[TIME_MS] ?? 0,
        meanMs: per(TIME_MS),
        callsPerSecond: (values[CALLS] ?? 0) / seconds,
        share: sums.totalMs > 0 ? (values[TIME_MS] ?? 0) / sums.totalMs : 0,
        rowsPerCall: per(ROWS),
        blocksPerCall: per(BLOCKS_HIT) + per(BLOCKS_READ),
        blocksReadPerCall: per(BLOCKS_READ),
        tempBlocksPerCall: per(TEMP_BLOCKS),
        before: beforeOf(queryid, before, earlier.length, input.lifetime, sinceStart),
        firstSeenAt: input.firstSeenAt(queryid),
      };
    }),
    evicted: inside.some(({ evicted }) => evicted === null)
      ? null
      : inside.reduce((sum, { evicted }) => sum + (evicted ?? 0), 0),
    statsResetAt: input.statsResetAt,
  };
}

function beforeOf(
  queryid: string,
  before: StatementSums,
  intervals: number,
  lifetime: ReadonlyMap<string, Float64Array>,
  sinceStart: StatementSums,
): StatementDelta['before'] {
  const rolling = before.byQueryid.get(queryid);
  const enough = before.coveredMs >= BASELINE_MS || intervals >= BASELINE_INTERVALS;
  const ready = enough && (rolling?.[CALLS] ?? 0) >= BASELINE_CALLS;
  const gained = sinceStart.byQueryid.get(queryid);
  const values =
    ready && rolling !== undefined
      ? rolling
      : (lifetime.get(queryid) ?? new Float64Array()).map((value, column) =>
          Math.max(0, value - (gained?.[column] ?? 0)),
        );
  const calls = Math.round(values[CALLS] ?? 0);
  const per = perCall(values);
  return {
    basis: ready ? 'baseline' : calls > 0 ? 'lifetime' : 'none',
    calls,
    meanMs: per(TIME_MS),
    callsPerSecond: ready ? (calls / before.coveredMs) * 1000 : null,
    rowsPerCall: per(ROWS),
    blocksPerCall: per(BLOCKS_HIT) + per(BLOCKS_READ),
    tempBlocksPerCall: per(TEMP_BLOCKS),
  };
}

function perCall(values: Float64Array): (column: number) => number {
  const calls = values[CALLS] ?? 0;
  return (column) => (calls > 0 ? (values[column] ?? 0) / calls : 0);
}
