import { expect, test } from 'vitest';
import { wordsOf } from './failure.ts';

test.each([
  ['a long password goes wherever it stands', 'xhunter22x is wrong', 'hunter22', 'x(password)x is wrong'],
  [
    'a short one as a word of its own',
    'x is not "x", but unexpectedly',
    'x',
    '(password) is not "(password)", but unexpectedly',
  ],
  ['also one of special characters', 'got a+(b', 'a+(b', 'got (password)'],
  ['no password is no text', 'as it is', '', 'as it is'],
  ['a URL goes whole', 'at postgres://u:p@h/d now', null, 'at (url) now'],
] as const)('%s', (_title, message, password, expected) => {
  expect(wordsOf(new Error(message), password)).toBe(expected);
});
