/**
 * Differences of two readings of pg_stat_statements, and the ring of them. Pure; counters of the server go up until a
 * reset, an eviction (the least used entries, when pg_stat_statements.max is reached) or a crash.
 */

import type { EpochMs } from '../../model/glossary.ts';

/** Columns of every counter array: calls, time in ms, rows, blocks hit, blocks read, temporary blocks written. */
export const WIDTH = 6;
export const CALLS = 0;
export const TIME_MS = 1;
export const ROWS = 2;
export const BLOCKS_HIT = 3;
export const BLOCKS_READ = 4;
export const TEMP_BLOCKS = 5;

/** Ring limits: an hour at the usual period, and a bound on memory where tests or operators poll faster. */
export const RING_MS = 60 * 60_000;
const RING_INTERVALS = 720;
const KEPT_BY_TIME = 50;
const KEPT_BY_CALLS = 50;

export interface StatementReading {
  readonly at: EpochMs;
  /** Start time of the server as text: another value is another life of the counters' owner. */
  readonly identity: string;
  /** Null for a reading of an earlier process of ours, whose epochs cannot be compared. */
  readonly epoch: number | null;
  /** The server's own text of the time of the last reset, exact; null before 14. */
  readonly statsReset: string | null;
  /** Evictions since the reset; null before 14. */
  readonly dealloc: number | null;
  /** `queryid \t dbid \t userid \t toplevel`, beside `values` in rows of WIDTH. */
  readonly keys: readonly string[];
  readonly values: Float64Array;
}

/** What happened between two readings, by queryid, most time first. */
export interface StatementInterval {
  readonly from: EpochMs;
  readonly to: EpochMs;
  readonly totalMs: number;
  readonly totalCalls: number;
  readonly evicted: number | null;
  readonly queryids: readonly string[];
  readonly values: Float64Array;
}

export type Difference =
  | { readonly state: 'interval'; readonly interval: StatementInterval; readonly newKeys: readonly string[] }
  /** The counters cannot be compared; `statistics` says that they themselves were reset, with the server alive. */
  | { readonly state: 'reset'; readonly statistics: boolean };

export function queryidOf(key: string): string {
  return key.slice(0, key.indexOf('\t'));
}

/**
 * A key that was not there has gained all its counters since. A counter that fell is a reset, unless evictions explain
 * it: then the entry began anew, and its counters are what it gained since (a lower bound).
 */
export function difference(before: StatementReading, after: StatementReading): Difference {
  const sameServer = before.identity === after.identity && (before.epoch === null || before.epoch === after.epoch);
  const statistics = before.statsReset !== null && after.statsReset !== before.statsReset;
  if (!sameServer || statistics || after.at <= before.at)
    return { state: 'reset', statistics: sameServer && statistics };
  const evicted = before.dealloc === null || after.dealloc === null ? null : after.dealloc - before.dealloc;

  const rowBefore = new Map(before.keys.map((key, row) => [key, row * WIDTH]));
  const byQueryid = new Map<string, Float64Array>();
  const newKeys: string[] = [];
  let totalMs = 0;
  let totalCalls = 0;
  for (const [row, key] of after.keys.entries()) {
    const at = row * WIDTH;
    let old = rowBefore.get(key);
    if (old === undefined) newKeys.push(key);
    else if ((after.values[at + CALLS] ?? 0) < (before.values[old + CALLS] ?? 0)) {
      if (evicted === null || evicted <= 0) return { state: 'reset', statistics: true };
      old = undefined;
    }
    if (old !== undefined && after.values[at + CALLS] === before.values[old + CALLS]) continue;
    const queryid = queryidOf(key);
    const sums = sumsOf(byQueryid, queryid);
    for (let column = 0; column < WIDTH; column += 1) {
      const gained = (after.values[at + column] ?? 0) - (old === undefined ? 0 : (before.values[old + column] ?? 0));
      sums[column] = (sums[column] ?? 0) + Math.max(0, gained);
      if (column === TIME_MS) totalMs += Math.max(0, gained);
      if (column === CALLS) totalCalls += gained;
    }
  }
  const order = [...byQueryid].sort(([, a], [, b]) => (b[TIME_MS] ?? 0) - (a[TIME_MS] ?? 0));
  const interval: StatementInterval = {
    from: before.at,
    to: after.at,
    totalMs,
    totalCalls,
    evicted,
    queryids: order.map(([queryid]) => queryid),
    values: Float64Array.from(order.flatMap(([, sums]) => [...sums])),
  };
  return { state: 'interval', interval, newKeys: evicted === 0 || evicted === null ? newKeys : [] };
}

/** The interval with only the statements that had most time or most calls; its totals stay those of all. */
export function compact(interval: StatementInterval): StatementInterval {
  const { queryids, values } = interval;
  if (queryids.length <= KEPT_BY_TIME) return interval;
  const byCalls = queryids
    .map((_, row) => row)
    .sort((a, b) => (values[b * WIDTH + CALLS] ?? 0) - (values[a * WIDTH + CALLS] ?? 0))
    .slice(0, KEPT_BY_CALLS);
  const kept = [...new Set([...Array(KEPT_BY_TIME).keys(), ...byCalls])].sort((a, b) => a - b);
  return {
    ...interval,
    queryids: kept.map((row) => queryids[row] ?? ''),
    values: Float64Array.from(kept.flatMap((row) => [...values.subarray(row * WIDTH, (row + 1) * WIDTH)])),
  };
}

/** The ring with one more interval, without what is older than an hour. */
export function pushed(
  ring: readonly StatementInterval[],
  interval: StatementInterval,
  now: EpochMs,
): readonly StatementInterval[] {
  const kept = ring.filter(({ to }) => to > now - RING_MS && to <= interval.from + 1);
  return [...kept.slice(-(RING_INTERVALS - 1)), compact(interval)];
}

export interface StatementSums {
  readonly totalMs: number;
  readonly totalCalls: number;
  readonly coveredMs: number;
  readonly byQueryid: ReadonlyMap<string, Float64Array>;
}

export function sumOf(intervals: readonly StatementInterval[]): StatementSums {
  const byQueryid = new Map<string, Float64Array>();
  let [totalMs, totalCalls, coveredMs] = [0, 0, 0];
  for (const interval of intervals) {
    totalMs += interval.totalMs;
    totalCalls += interval.totalCalls;
    coveredMs += interval.to - interval.from;
    addRows(byQueryid, interval.queryids, interval.values);
  }
  return { totalMs, totalCalls, coveredMs, byQueryid };
}

/** The counters of a reading by queryid, whoever ran it where. */
export function cumulative(reading: StatementReading): ReadonlyMap<string, Float64Array> {
  const byQueryid = new Map<string, Float64Array>();
  addRows(byQueryid, reading.keys.map(queryidOf), reading.values);
  return byQueryid;
}

function addRows(into: Map<string, Float64Array>, queryids: readonly string[], values: Float64Array): void {
  for (const [row, queryid] of queryids.entries()) {
    const sums = sumsOf(into, queryid);
    for (let column = 0; column < WIDTH; column += 1) {
      sums[column] = (sums[column] ?? 0) + (values[row * WIDTH + column] ?? 0);
    }
  }
}

function sumsOf(into: Map<string, Float64Array>, queryid: string): Float64Array {
  const existing = into.get(queryid);
  if (existing !== undefined) return existing;
  const sums = new Float64Array(WIDTH);
  into.set(queryid, sums);
  return sums;
}
