/** What commands print with: colour, tables and wrapped lines for a person, plain text or JSON for a pipe. */

import { styleText } from 'node:util';

export interface Stream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
  on?(event: 'error', listener: (error: NodeJS.ErrnoException) => void): unknown;
}

export interface Io {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: Stream;
  readonly stderr: Stream;
}

type Style = Parameters<typeof styleText>[0];

export interface Output {
  /** As it is: text of others goes through `paint` or `wrapped`. */
  line(text?: string): void;
  json(value: unknown): void;
  error(text: string): void;
  /** Styled on a terminal that takes colour, plain anywhere else; safe to show in both. */
  paint(style: Style, text: string): string;
  /**
   * Wrapped at words on a terminal, with `indent` blanks before what follows the first line; one line anywhere else.
   * `style` is for its first `indent` characters.
   */
  wrapped(text: string, indent: number, style?: Style): void;
  /** Columns padded to their widest cell; the last is not padded, and wrapped on a terminal. */
  table(head: readonly string[], rows: readonly (readonly string[])[]): void;
}

/** Narrower than this, set-in lines hold no words any more. */
const NARROWEST = 40;

export function createOutput(io: Io): Output {
  // Whoever reads may leave early (`| head`): the rest is for nobody, and no error.
  io.stdout.on?.('error', (error) => {
    if (error.code !== 'EPIPE') throw error;
  });
  const terminal = io.stdout.isTTY === true;
  // https://no-color.org: any value but the empty one.
  const colour = terminal && (io.env.NO_COLOR ?? '') === '' && io.env.TERM !== 'dumb';
  const line = (text = ''): void => {
    io.stdout.write(`${text}\n`);
  };
  const paint = (style: Style, text: string): string =>
    colour ? styleText(style, safeText(text), { validateStream: false }) : safeText(text);
  const wrapped: Output['wrapped'] = (text, indent, style) => {
    const columns = terminal ? (io.stdout.columns ?? 0) : 0;
    const room = columns >= indent + NARROWEST ? columns : Number.POSITIVE_INFINITY;
    const [first = '', ...rest] = wrap(safeText(text), room, indent);
    line(style === undefined ? first : paint(style, first.slice(0, indent)) + first.slice(indent));
    for (const each of rest) line(each);
  };
  return {
    line,
    json: (value) => line(safeJson(value)),
    error(text) {
      io.stderr.write(`${safeText(text)}\n`);
    },
    paint,
    wrapped,
    table(head, rows) {
      const widths = head.map((cell, column) =>
        Math.max(cell.length, ...rows.map((row) => (row[column] ?? '').length)),
      );
      const indent = widths.slice(0, -1).reduce((sum, width) => sum + width + 2, 0);
      const format = (row: readonly string[]): string =>
        row.map((cell, column) => (column === head.length - 1 ? cell : cell.padEnd(widths[column] ?? 0))).join('  ');
      line(paint('bold', format(head)));
      for (const row of rows) wrapped(format(row).trimEnd(), indent);
    },
  };
}

/** Controls but the line feed, and the invisible characters that reorder or hide what stands beside them. */
const UNSAFE = /[^\P{Cc}\n]|[\p{Cf}\p{Zl}\p{Zp}]/gu;

/** The text without anything that a terminal would obey or show in another order: each such character becomes `?`. */
export function safeText(text: string): string {
  return text.toWellFormed().replace(UNSAFE, '?');
}

/** The same value, with those characters as escapes: JSON's own rules leave all but the first 32 as they are. */
export function safeJson(value: unknown): string {
  const escaped = (found: string): string =>
    found
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join('');
  return JSON.stringify(value, null, 2).replace(UNSAFE, escaped);
}

/** Lines of at most `columns` characters; what comes after the first begins with `indent` blanks. A longer word stays whole. */
export function wrap(text: string, columns: number, indent: number): readonly string[] {
  const lines: string[] = [];
  let rest = text;
  while (rest.length > columns) {
    const from = lines.length === 0 ? indent : indent + 1;
    const before = rest.lastIndexOf(' ', columns);
    const at = before > from ? before : rest.indexOf(' ', from);
    if (at < 0) break;
    lines.push(rest.slice(0, at).trimEnd());
    rest = ' '.repeat(indent) + rest.slice(at).trimStart();
  }
  return [...lines, rest];
}

/** Exit codes: the same for every command. */
export const EXIT = {
  ok: 0,
  finding: 1,
  usage: 2,
  blind: 3,
  internal: 4,
} as const;
