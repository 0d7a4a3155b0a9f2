import { expect, test } from 'vitest';
import { nameOf, printable } from './text.ts';

test.each([
  ['plain text is left alone', 'o\'brien "quoted" ünïcode 日本', 'o\'brien "quoted" ünïcode 日本'],
  ['line ends and control characters cannot start a line of their own', 'a\nb\r\tc\u0007\u001b[31m', 'a?b??c??[31m'],
  ['characters that turn the reading direction are replaced', 'abc\u202etxt.exe', 'abc?txt.exe'],
  ['invisible characters are replaced', 'pay\u200bpal\u2028x', 'pay?pal?x'],
  ['half of a surrogate pair is replaced', 'x\ud800y', 'x\ufffdy'],
])('%s', (_name, text, expected) => {
  expect(printable(text, 100)).toBe(expected);
});

test('a text that is too long ends in an ellipsis and never splits a character', () => {
  expect(printable('😀'.repeat(10), 5)).toBe('😀😀😀😀…');
});

test('an empty or missing name is said to be unnamed', () => {
  expect([nameOf(''), nameOf('  '), nameOf(null), nameOf(7), nameOf('api')]).toEqual([
    '(unnamed)',
    '(unnamed)',
    '(unnamed)',
    '(unnamed)',
    'api',
  ]);
});
