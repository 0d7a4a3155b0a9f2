import { describe, expect, test } from 'vitest';
import { clipAtWord, clipLines } from './clip.ts';

const points = (text: string): number => Array.from(text).length;

describe('clipping at a word', () => {
  test.each([
    ['leaves what fits', 'main-db: 14 sessions', 20, 'main-db: 14 sessions'],
    ['ends at a word', 'alpha beta gamma delta', 20, 'alpha beta gamma…'],
    ['cuts a word that is far too long', 'a'.repeat(30), 10, `${'a'.repeat(9)}…`],
    ['counts code points, not code units', '😀'.repeat(10), 10, '😀'.repeat(10)],
    ['never cuts a character', '😀'.repeat(11), 10, `${'😀'.repeat(9)}…`],
    ['leaves nothing of an empty text', '', 10, ''],
  ])('%s', (_name, text, max, expected) => {
    expect(clipAtWord(text, max)).toBe(expected);
  });

  test('stays within the limit and well formed for any mixture', () => {
    for (let length = 0; length < 200; length += 1) {
      const text = Array.from({ length }, (_, n) => ['a', '😀', ' ', 'é', '漢'][(n * 7 + length) % 5]).join('');
      const clipped = clipAtWord(text, 64);
      expect(points(clipped)).toBeLessThanOrEqual(64);
      expect(clipped.isWellFormed()).toBe(true);
    }
  });
});

test('clipped lines take at most the bytes of their JSON form, and one more line would not fit', () => {
  const lines = ['plain', 'quote " and \\', '漢字', '😀', 'x'.repeat(40), 'end'];
  const bytes = (of: readonly string[]): number => Buffer.byteLength(JSON.stringify(of.join('\n')));
  for (let max = 0; max < 120; max += 1) {
    const kept = clipLines(lines, max);
    if (kept.length > 0) expect(bytes(kept)).toBeLessThanOrEqual(max);
    if (kept.length < lines.length) expect(bytes(lines.slice(0, kept.length + 1)) + 2).toBeGreaterThan(max);
  }
  expect(clipLines(lines, 1_000)).toStrictEqual(lines);
});
