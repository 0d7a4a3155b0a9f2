/** What the rows of a query are, as samples: one number, or one for each set of labels. */

import type { Labels } from '../../../model/series.ts';
import type { Row } from '../collector.ts';
import { printable } from '../text.ts';
import type { SignalQuery } from './signal-query.ts';

export interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

export interface Result {
  readonly samples: readonly Sample[];
  /** What is wrong with the result, without anything of it; null when it is as it should be. */
  readonly problem: string | null;
}

/** Limits of the wrapped query: see `check-query.ts`, whose parser is not loaded for this. */
export interface ResultLimits {
  readonly maxRows: number;
  readonly maxRow: number;
}

const MAX_LABEL_LENGTH = 100;

type Fields = Readonly<Record<string, unknown>>;

const refused = (problem: string): Result => ({ samples: [], problem });

/**
 * No row is no data, NULL is a missing value, neither is zero. A result of another form gives no figure, with the reason;
 * of more rows than are kept, the first are.
 */
export function samplesOf(rows: readonly Row[], query: SignalQuery, { maxRows, maxRow }: ResultLimits): Result {
  if (rows.length > 1 && query.labels.length === 0) {
    return refused('gives several rows, expected one, or labels that tell them apart');
  }
  const samples = new Map<string, Sample>();
  for (const row of rows.slice(0, maxRows)) {
    const fields = fieldsOf(row, maxRow);
    if (typeof fields === 'string') return refused(fields);
    const labels = labelsOf(fields, query.labels);
    if (typeof labels === 'string') return refused(labels);
    const value = numberIn(fields, query);
    if (typeof value === 'string') return refused(value);
    const key = JSON.stringify(labels);
    if (samples.has(key)) return refused('gives two rows of the same labels, expected one for each');
    // Kept under its key although it is missing, so that its double is noticed.
    samples.set(key, { labels, value: value ?? Number.NaN });
  }
  const problem =
    rows.length > maxRows ? `gives more than ${maxRows} rows, of which the first ${maxRows} are read` : null;
  return { samples: [...samples.values()].filter(({ value }) => !Number.isNaN(value)), problem };
}

function fieldsOf(row: Row, maxRow: number): Fields | string {
  const text = row['row'];
  if (typeof text !== 'string') return 'gives a row that cannot be read';
  if (Array.from(text).length >= maxRow) return `gives a row of more than ${maxRow} characters`;
  let fields: unknown;
  try {
    fields = JSON.parse(text);
  } catch {
    return 'gives a row that cannot be read';
  }
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) return 'gives a row that cannot be read';
  if (Object.keys(fields).length !== row['columns']) return 'gives two columns of the same name';
  return fields as Fields;
}

/** Null when it is missing; the text is what is wrong. */
function numberIn(fields: Fields, { column, labels }: SignalQuery): number | null | string {
  const names = Object.keys(fields).filter((name) => !labels.includes(name));
  if (column === null && names.length !== 1) {
    return `gives ${names.length} columns besides labels, expected one, or column: NAME`;
  }
  const name = column ?? names[0] ?? '';
  if (!Object.hasOwn(fields, name)) return `gives no column ${name}`;
  const value = fields[name];
  if (value === null) return null;
  // JSON has no such numbers: the server writes them as texts.
  const isSpecial = value === 'NaN' || value === 'Infinity' || value === '-Infinity';
  if (isSpecial || (typeof value === 'number' && !Number.isFinite(value))) return 'gives a number that is not finite';
  if (typeof value !== 'number') return `gives ${kindOf(value)}, expected a number (value::float8)`;
  return value;
}

function kindOf(value: unknown): string {
  if (typeof value === 'boolean') return 'true or false';
  return typeof value === 'string' ? 'a text, a time or an interval' : 'JSON or an array';
}

function labelsOf(fields: Fields, names: readonly string[]): Labels | string {
  const entries: (readonly [string, string])[] = [];
  for (const name of names) {
    if (!Object.hasOwn(fields, name)) return `gives no column ${name} for the label`;
    const value = fields[name];
    if (typeof value === 'object' && value !== null) return `gives ${kindOf(value)} in ${name}, expected a text`;
    entries.push([name, value === null ? '(null)' : printable(String(value), MAX_LABEL_LENGTH)]);
  }
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}
