import { describe, expect, test } from 'vitest';
import { createOutput, safeJson, safeText, wrap } from './output.ts';

/** As a terminal gets them: colour (SGR), title (OSC), C1, bidirectional override, zero-width space, a lone surrogate. */
const HOSTILE = 'a\u001b[31mb\u001b]0;t\u0007c\u009b1md\u202ee\u200bf\ud800';

function printed(
  stdout: { readonly isTTY?: boolean; readonly columns?: number },
  env: Readonly<Record<string, string>>,
  use: (output: ReturnType<typeof createOutput>) => void,
): string {
  const chunks: string[] = [];
  const write = (text: string): unknown => chunks.push(text);
  use(createOutput({ env, stdout: { write, ...stdout }, stderr: { write } }));
  return chunks.join('');
}

describe('text of others', () => {
  test('holds nothing that a terminal obeys, and keeps its lines', () => {
    expect(safeText(HOSTILE)).toBe('a?[31mb?]0;t?c?1md?e?f\ufffd');
    expect(safeText('two\nlines ä €')).toBe('two\nlines ä €');
  });

  test('is the same value in JSON, with nothing raw', () => {
    const value = { name: `${HOSTILE.slice(0, -1)}\u{e0001}` };
    const text = safeJson(value);
    expect(JSON.parse(text)).toEqual(value);
    expect(text).not.toMatch(/[^\P{Cc}\n]|[\p{Cf}]/u);
  });

  test.each([
    ['painted', (output: ReturnType<typeof createOutput>) => output.line(output.paint('red', HOSTILE))],
    ['wrapped', (output: ReturnType<typeof createOutput>) => output.wrapped(HOSTILE, 0)],
    ['in a table', (output: ReturnType<typeof createOutput>) => output.table(['A'], [[HOSTILE]])],
    ['an error', (output: ReturnType<typeof createOutput>) => output.error(HOSTILE)],
  ])('is safe when it is %s', (_how, use) => {
    expect(printed({}, {}, use)).toContain('a?[31mb?]0;t?c?1md?e?f');
  });
});

describe('colour', () => {
  const RED = '\u001b[31mred\u001b[39m\n';
  test.each([
    ['a terminal', { isTTY: true }, {}, RED],
    ['a pipe', {}, {}, 'red\n'],
    ['a terminal with NO_COLOR', { isTTY: true }, { NO_COLOR: '1' }, 'red\n'],
    ['a terminal with an empty NO_COLOR, which says nothing', { isTTY: true }, { NO_COLOR: '' }, RED],
    ['a dumb terminal', { isTTY: true }, { TERM: 'dumb' }, 'red\n'],
  ])('for %s', (_name, stdout, env, expected) => {
    expect(printed(stdout, env, (output) => output.line(output.paint('red', 'red')))).toBe(expected);
  });
});

describe('wrapping', () => {
  test.each([
    ['short', 20, 4, ['short']],
    ['head one two three', 12, 5, ['head one two', '     three']],
    ['head one two three four', 12, 5, ['head one two', '     three', '     four']],
    ['head averyveryverylongword end', 12, 5, ['head averyveryverylongword', '     end']],
    ['averyveryverylongword', 5, 0, ['averyveryverylongword']],
    ['exactly ten', 11, 0, ['exactly ten']],
  ])('%s at %i', (text, columns, indent, lines) => {
    expect(wrap(text, columns, indent)).toEqual(lines);
  });

  test('is for terminals that are wide enough: a pipe gets one line', () => {
    const text = `head  ${'word '.repeat(30).trim()}`;
    const lines = (stdout: object): number =>
      printed(stdout, {}, (output) => output.wrapped(text, 6)).split('\n').length - 1;
    expect(lines({})).toBe(1);
    expect(lines({ isTTY: true, columns: 20 })).toBe(1);
    expect(lines({ isTTY: true, columns: 80 })).toBe(2);
  });
});

test('a reader who leaves early is no error, another failure is', () => {
  let listener: (error: NodeJS.ErrnoException) => void = () => undefined;
  const stdout = {
    write: () => true,
    on: (_event: 'error', listen: typeof listener) => {
      listener = listen;
    },
  };
  createOutput({ env: {}, stdout, stderr: stdout });
  expect(() => listener(Object.assign(new Error('broken pipe'), { code: 'EPIPE' }))).not.toThrow();
  expect(() => listener(Object.assign(new Error('no space'), { code: 'ENOSPC' }))).toThrow('no space');
});
