/** Durations as people write them: `500ms`, `15s`, `10m`, `24h`, `7d`. Inside the program they are milliseconds. */

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Pattern of a duration, for JSON Schema. */
export const DURATION_PATTERN = '^[0-9]+(\\.[0-9]+)?(ms|s|m|h|d)$';

export type ParsedDuration =
  | { readonly ok: true; readonly ms: number }
  | { readonly ok: false; readonly expected: string };

/** A bare number is refused, because 15 could be seconds or milliseconds. Whole milliseconds, at most 366 days. */
export function parseDuration(value: unknown): ParsedDuration {
  if (typeof value === 'number') {
    return { ok: false, expected: `expected a duration with its unit: ${value}s, ${value}m, ${value}h or ${value}ms` };
  }
  const expected = 'expected a duration such as 500ms, 15s, 10m, 24h or 7d';
  if (typeof value !== 'string' || value.length > 20) return { ok: false, expected };
  const match = new RegExp(DURATION_PATTERN).exec(value);
  if (match === null) return { ok: false, expected };
  const unit = match[2]!;
  const ms = Math.round(Number(value.slice(0, -unit.length)) * UNITS_MS[unit]!);
  if (ms > 366 * 86_400_000) return { ok: false, expected: 'expected at most 366d' };
  return { ok: true, ms };
}
