import { expect, test } from 'vitest';
import { decode, encode } from './json.ts';

const cases: readonly (readonly [string, unknown])[] = [
  ['plain values', { a: 1, b: 'x', c: null, d: [true, { e: 1.5 }] }],
  ['an interval with open ends', { earliest: Number.NEGATIVE_INFINITY, latest: Number.POSITIVE_INFINITY }],
  ['a figure that is not a number', [Number.NaN]],
  ['hostile text', { a: 'nul \u0000, quote ", \u202e, 😀, lone \ud83d end' }],
  ['the largest exact integers', [Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]],
];

test.each(cases)('%s come back as they were', (_name, value) => {
  expect(decode(encode(value))).toStrictEqual(value);
});

test('text that is not JSON is an error, never an empty object', () => {
  expect(() => decode('{"a":')).toThrow(SyntaxError);
});
