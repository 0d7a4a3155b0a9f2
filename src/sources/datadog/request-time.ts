/** From the series of a service's spans to where the time of its requests goes, before an onset and since. Pure. */

import type { EpochMs } from '../../model/glossary.ts';
import type { RequestTimeAnswer } from '../../model/systems.ts';
import type { QuerySeries } from './query.ts';
import { KINDS, type Kind } from './spans.ts';

export interface TimeSeries {
  /** Time of all requests, summed, and how many they were. */
  readonly total: QuerySeries | undefined;
  readonly hits: QuerySeries | undefined;
  readonly p95: QuerySeries | undefined;
  readonly kinds: readonly { readonly kind: Kind; readonly series: QuerySeries }[];
}

type Shares = RequestTimeAnswer['shares'];

/** Null where no request was seen since the onset. */
export function requestTimeOf(
  series: TimeSeries,
  since: EpochMs,
): Omit<RequestTimeAnswer, 'at' | 'apm' | 'service'> | null {
  const after = (one: QuerySeries | undefined) => sumOf(one, (at) => at >= since);
  const before = (one: QuerySeries | undefined) => sumOf(one, (at, width) => at + width <= since);
  const hits = after(series.hits);
  const total = after(series.total);
  if (total === null || total <= 0) return null;
  const scale = series.total?.toSeconds ?? null;
  return {
    p95Seconds: medianSince(series.p95, since),
    meanSeconds: hits !== null && hits > 0 && scale !== null ? (total * scale) / hits : null,
    shares: sharesOf(series, total, after),
    before: sharesOf(series, before(series.total), before),
  };
}

/**
 * Time of a kind of span against that of the requests. Spans of one request may run at once, so that their time together
 * can be more than its own: then all of it. A kind that has no series anywhere is not measured, which is not zero.
 */
function sharesOf(
  series: TimeSeries,
  total: number | null,
  sum: (one: QuerySeries | undefined) => number | null,
): Shares {
  const share = (kind: Kind): number | null => {
    const own = series.kinds.filter((one) => one.kind === kind);
    if (own.length === 0 || total === null || total <= 0) return null;
    // Of different units, a quotient would be none.
    if (own.some((one) => one.series.toSeconds !== series.total?.toSeconds)) return null;
    return Math.min(1, own.reduce((all, one) => all + (sum(one.series) ?? 0), 0) / total);
  };
  const [database, http, cache] = KINDS.map(share);
  return { database: database ?? null, http: http ?? null, cache: cache ?? null };
}

/** Null where there is no point in it. */
function sumOf(one: QuerySeries | undefined, isIn: (at: EpochMs, widthMs: number) => boolean): number | null {
  const points = (one?.points ?? []).filter(({ at }) => isIn(at, one!.intervalMs));
  return points.length === 0 ? null : points.reduce((sum, { value }) => sum + value, 0);
}

/** The median of the intervals' percentiles: they cannot be averaged. */
function medianSince(one: QuerySeries | undefined, since: EpochMs): number | null {
  const scale = one?.toSeconds ?? null;
  const values = (one?.points ?? []).filter(({ at }) => at >= since).map(({ value }) => value);
  if (scale === null || values.length === 0) return null;
  return values.sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)]! * scale;
}
