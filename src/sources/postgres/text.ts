/** Text that other people chose (application names, roles, prepared transactions), made safe to show. */

/**
 * At most `limit` characters on one line: control characters, line ends, and the invisible ones that reorder or hide
 * text become `?`. An empty name is `(unnamed)` to whoever calls `nameOf`.
 */
export function printable(text: string, limit: number): string {
  const clean = text.toWellFormed().replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '?');
  const characters = Array.from(clean);
  return characters.length <= limit ? clean : `${characters.slice(0, limit - 1).join('')}…`;
}

/** NAMEDATALEN is 64 bytes: no name of Postgres is longer. */
export function nameOf(value: unknown): string {
  const text = typeof value === 'string' ? printable(value, 64).trim() : '';
  return text === '' ? '(unnamed)' : text;
}

/** An array of records out of a JSON column; empty when it is not one. */
export function recordsOf(value: unknown): readonly Readonly<Record<string, unknown>>[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === 'object' && each !== null) : [];
}
