/** A signal of the user's own: one query whose result is a number, or a number for each of some labels. */

import type { Unit } from '../../../model/glossary.ts';

export interface SignalQuery {
  readonly signal: string;
  /** One statement that only reads; tables with their schema. Never leaves the process. */
  readonly sql: string;
  readonly unit: Unit;
  readonly periodMs: number;
  /** Column of the number; null: the only one that is no label. */
  readonly column: string | null;
  /** Columns whose values become labels of the same names. */
  readonly labels: readonly string[];
}

export const QUERIES_GROUP = 'queries';

const DEFAULT_PERIOD_MS = 60_000;

/** How often the poll group `queries` has to run: as often as the most eager query. */
export function queriesPeriodMs(queries: readonly Pick<SignalQuery, 'periodMs'>[]): number {
  return queries.length === 0 ? DEFAULT_PERIOD_MS : Math.min(...queries.map(({ periodMs }) => periodMs));
}
