/** A signal of a target, bound to a query, and what is made of the series that the query gives. */

import type { Unit } from '../../model/glossary.ts';
import type { Series } from '../../model/series.ts';
import { impossible } from '../plausible.ts';
import type { MatrixSeries } from './matrix.ts';

export interface PrometheusBinding {
  readonly target: string;
  readonly signal: string;
  readonly unit: Unit;
  /** PromQL, evaluated at each step. Counts must be counts of one period: `sum(increase(errors_total[1m]))`. */
  readonly query: string;
  /** What a value is multiplied with: 0.001 for milliseconds that are to be seconds. Default 1. */
  readonly scale?: number;
}

/** A signal is one quantity, split by few labels: more is a dashboard's. */
export const MAX_SERIES = 50;

export const keyOf = ({ target, signal }: PrometheusBinding): string => JSON.stringify([target, signal]);

/** At most 50, known ones first, then by their labels: the same ones at every poll. */
export function chooseSeries(
  series: readonly MatrixSeries[],
  known: ReadonlySet<string>,
): { readonly kept: readonly MatrixSeries[]; readonly left: number } {
  if (series.length <= MAX_SERIES) return { kept: series, left: 0 };
  const order = (a: MatrixSeries, b: MatrixSeries): number =>
    Number(known.has(b.key)) - Number(known.has(a.key)) || (a.key < b.key ? -1 : 1);
  return { kept: [...series].sort(order).slice(0, MAX_SERIES), left: series.length - MAX_SERIES };
}

/** In the unit of the signal; without the samples that the scale makes infinite, and without series that are then empty. */
export function seriesOf(
  { target, signal, unit, scale = 1 }: PrometheusBinding,
  kept: readonly MatrixSeries[],
  { periodMs, delayMs }: { readonly periodMs: number; readonly delayMs: number },
): readonly Series[] {
  return kept.flatMap(({ labels, times, values }) => {
    const scaled = values.map((value) => value * scale);
    const finite = scaled.flatMap((value, index) => (Number.isFinite(value) ? [index] : []));
    if (finite.length === 0) return [];
    return [
      {
        target,
        signal,
        labels,
        unit,
        periodMs,
        delayMs,
        times: Float64Array.from(finite, (index) => times[index]!),
        values: Float64Array.from(finite, (index) => scaled[index]!),
      },
    ];
  });
}

/** A value that such a signal never has, `-1, expected 0 to 86400`; null when there is none. */
export function impossibleIn(series: readonly Series[]): string | null {
  for (const { signal, unit, values } of series) {
    for (const value of values) {
      const why = impossible(signal, unit, value);
      if (why !== null) return why;
    }
  }
  return null;
}
