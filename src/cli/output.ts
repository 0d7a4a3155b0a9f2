/** What commands print with: colour and tables for a person, plain text or JSON for a pipe. */

import { styleText } from 'node:util';

export interface Io {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: { write(text: string): unknown; readonly isTTY?: boolean };
  readonly stderr: { write(text: string): unknown; readonly isTTY?: boolean };
}

type Style = Parameters<typeof styleText>[0];

export interface Output {
  line(text?: string): void;
  json(value: unknown): void;
  error(text: string): void;
  paint(style: Style, text: string): string;
  /** Columns padded to their widest cell; the last is not padded. */
  table(head: readonly string[], rows: readonly (readonly string[])[]): void;
}

export function createOutput(io: Io): Output {
  const colour = io.stdout.isTTY === true && io.env.NO_COLOR === undefined;
  const line = (text = ''): void => {
    io.stdout.write(`${text}\n`);
  };
  const paint = (style: Style, text: string): string =>
    colour ? styleText(style, text, { validateStream: false }) : text;
  return {
    line,
    json: (value) => line(JSON.stringify(value, null, 2)),
    error(text) {
      io.stderr.write(`${text}\n`);
    },
    paint,
    table(head, rows) {
      const widths = head.map((cell, column) =>
        Math.max(cell.length, ...rows.map((row) => (row[column] ?? '').length)),
      );
      const format = (row: readonly string[]): string =>
        row.map((cell, column) => (column === head.length - 1 ? cell : cell.padEnd(widths[column] ?? 0))).join('  ');
      line(paint('bold', format(head)));
      for (const row of rows) line(format(row));
    },
  };
}

/** Exit codes: the same for every command. */
export const EXIT = {
  ok: 0,
  finding: 1,
  usage: 2,
  blind: 3,
  internal: 4,
} as const;
