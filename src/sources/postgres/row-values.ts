/** Columns of a row as numbers, texts and times, whatever way the driver gave them: 64-bit integers may be text. */

import type { EpochMs } from '../../model/glossary.ts';
import type { Series } from '../../model/series.ts';
import type { Row } from './collector.ts';

/** Null for NULL and for what is not a finite number. */
export function numberOf(row: Row | undefined, column: string): number | null {
  const value = row?.[column];
  if (value === null || value === undefined || value === '') return null;
  const number = Number(value);
  return Number.isFinite(number) ? number : null;
}

export function textOf(row: Row | undefined, column: string): string | null {
  const value = row?.[column];
  return value === null || value === undefined ? null : String(value);
}

/** The driver gives booleans, or `t` and `f` where it parses nothing. */
export function booleanOf(row: Row | undefined, column: string): boolean | null {
  const value = row?.[column];
  if (typeof value === 'boolean') return value;
  return value === 't' || value === 'true' ? true : value === 'f' || value === 'false' ? false : null;
}

/** A time from its age in seconds as measured by the server: on the daemon's clock whatever the server's says. */
export function timeOfAge(row: Row | undefined, column: string, now: EpochMs): EpochMs | null {
  const seconds = numberOf(row, column);
  return seconds === null ? null : Math.round(now - seconds * 1000);
}

/** The members of an array or name[] as `array::text` prints it, for arrays of plain names. */
export function namesOf(row: Row | undefined, column: string): readonly string[] {
  const value = row?.[column];
  if (Array.isArray(value)) return value.map(String);
  const text = typeof value === 'string' ? value.replace(/^\{|\}$/g, '') : '';
  return text === '' ? [] : text.split(',').map((name) => name.replace(/^"|"$/g, ''));
}

/** A series of one point. */
export function point(
  of: Pick<Series, 'target' | 'signal' | 'unit' | 'periodMs'> & { readonly labels?: Series['labels'] },
  at: EpochMs,
  value: number,
): Series {
  return { labels: {}, ...of, times: Float64Array.of(at), values: Float64Array.of(value) };
}
