/**
 * The answer of Datadog's metrics query (`GET /api/v1/query`): `{ status, series: [{ query_index, interval, pointlist:
 * [[epoch ms, value or null], …], unit: [{ family, scale_factor }, …] }] }`.
 * https://docs.datadoghq.com/api/latest/metrics/query-timeseries-points/
 */

import type { EpochMs } from '../../model/glossary.ts';

export interface QueryPoint {
  readonly at: EpochMs;
  readonly value: number;
}

export interface QuerySeries {
  /** Which of the queries, counted from 0. */
  readonly index: number;
  readonly intervalMs: number;
  /** Oldest first, values finite and not negative. */
  readonly points: readonly QueryPoint[];
  /** What a value is to be multiplied with to be in seconds; null where it is no time. */
  readonly toSeconds: number | null;
}

export type QueryAnswer = { readonly series: readonly QuerySeries[] } | { readonly error: 'refused' | 'malformed' };

/** What was asked for. */
export interface Range {
  readonly from: EpochMs;
  readonly to: EpochMs;
}

const ANY: Range = { from: 0, to: Number.POSITIVE_INFINITY };
const MAX_SERIES = 200;
const MAX_POINTS = 5_000;
const LARGEST = 1e18;

type Fields = Readonly<Record<string, unknown>>;

/** A series that is not whole makes the answer malformed: a part of a sum would be a wrong figure. */
export function queryAnswerOf(body: string, queries: number, range: Range = ANY): QueryAnswer {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    return { error: 'malformed' };
  }
  if (!isFields(parsed)) return { error: 'malformed' };
  // Datadog says what is wrong with a query in an answer of 200.
  if (parsed['status'] === 'error') return { error: 'refused' };
  const list = parsed['series'];
  if (parsed['status'] !== 'ok' || !Array.isArray(list) || list.length > MAX_SERIES) return { error: 'malformed' };
  const series: QuerySeries[] = [];
  for (const one of list) {
    const read = isFields(one) ? seriesOf(one, queries, range) : null;
    if (read === null || series.some((other) => other.index === read.index)) return { error: 'malformed' };
    series.push(read);
  }
  return { series };
}

function seriesOf(one: Fields, queries: number, range: Range): QuerySeries | null {
  const index = queries === 1 ? (one['query_index'] ?? 0) : one['query_index'];
  const interval = one['interval'];
  const rows = one['pointlist'];
  if (typeof index !== 'number' || !Number.isInteger(index) || index < 0 || index >= queries) return null;
  if (typeof interval !== 'number' || !(interval >= 1 && interval <= 86_400)) return null;
  if (!Array.isArray(rows) || rows.length > MAX_POINTS) return null;
  const points: QueryPoint[] = [];
  for (const row of rows) {
    if (!Array.isArray(row) || row.length !== 2) return null;
    const [at, value] = row as readonly unknown[];
    if (typeof at !== 'number' || !Number.isFinite(at) || at <= (points.at(-1)?.at ?? 0)) return null;
    // Intervals begin before what was asked for, and none after it.
    if (at <= range.from - interval * 1000 || at > range.to) return null;
    // Null is an interval without data.
    if (value === null) continue;
    if (typeof value !== 'number' || !Number.isFinite(value) || value < 0 || value > LARGEST) return null;
    points.push({ at, value });
  }
  return { index, intervalMs: interval * 1000, points, toSeconds: secondsOf(one['unit']) };
}

/** `[{ "family": "time", "scale_factor": 1e-9, "name": "nanosecond" }, null]`. */
function secondsOf(unit: unknown): number | null {
  const first: unknown = Array.isArray(unit) ? unit[0] : null;
  if (!isFields(first) || first['family'] !== 'time') return null;
  const factor = first['scale_factor'];
  return typeof factor === 'number' && factor > 0 && factor <= 604_800 ? factor : null;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
