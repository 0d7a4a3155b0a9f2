import { expect, test } from 'vitest';
import { parseDuration } from './durations.ts';

test.each([
  ['500ms', 500],
  ['15s', 15_000],
  ['1.5s', 1_500],
  ['10m', 600_000],
  ['24h', 86_400_000],
  ['7d', 604_800_000],
  ['0s', 0],
])('%s is %d ms', (text, ms) => {
  expect(parseDuration(text)).toEqual({ ok: true, ms });
});

test.each([
  [15, 'expected a duration with its unit: 15s, 15m, 15h or 15ms'],
  ['15', 'expected a duration such as 500ms, 15s, 10m, 24h or 7d'],
  ['15 s', 'expected a duration such as 500ms, 15s, 10m, 24h or 7d'],
  ['-5s', 'expected a duration such as 500ms, 15s, 10m, 24h or 7d'],
  ['1h30m', 'expected a duration such as 500ms, 15s, 10m, 24h or 7d'],
  ['NaNs', 'expected a duration such as 500ms, 15s, 10m, 24h or 7d'],
  [null, 'expected a duration such as 500ms, 15s, 10m, 24h or 7d'],
  ['999999999999d', 'expected at most 366d'],
])('%j is refused: %s', (value, expected) => {
  expect(parseDuration(value)).toEqual({ ok: false, expected });
});
