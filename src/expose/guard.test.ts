import { expect, test } from 'vitest';
import { createRateLimit, hasToken, isHostAllowed } from './guard.ts';

const TOKEN = 'canary-hunter2-canary';

test.each([
  [`Bearer ${TOKEN}`, true],
  [`bearer ${TOKEN}`, true],
  [`Bearer ${TOKEN}x`, false],
  [`Bearer ${TOKEN.slice(0, -1)}`, false],
  [`Bearer  ${TOKEN}`, false],
  [`Basic ${TOKEN}`, false],
  [TOKEN, false],
  ['Bearer ', false],
  ['', false],
  [undefined, false],
])('Authorization: %s is let in: %s', (header, expected) => {
  expect(hasToken(header, TOKEN)).toBe(expected);
});

test('an empty token lets nobody in', () => {
  expect(hasToken('Bearer ', '')).toBe(false);
  expect(hasToken(undefined, '')).toBe(false);
});

test.each([
  ['localhost:9470', true],
  ['LOCALHOST', true],
  ['127.0.0.1:9470', true],
  ['127.1.2.3', true],
  ['[::1]:9470', true],
  ['runbookd.example', true],
  [undefined, true],
  ['evil.example:9470', false],
  ['127.0.0.1.evil.example', false],
  ['localhost.evil.example', false],
  ['127.0.0.1:9470@evil.example', false],
  ['169.254.169.254', false],
  ['', false],
])('Host: %s is allowed: %s', (header, expected) => {
  expect(isHostAllowed(header, ['runbookd.example'])).toBe(expected);
});

test('a rate limit lets that many through in any minute, and says how long to wait', () => {
  const limit = createRateLimit(3);
  expect([0, 1000, 2000, 2500, 59_999].map((at) => limit.take(at))).toEqual([0, 0, 0, 58, 1]);
  expect([60_000, 60_000, 61_000, 62_000].map((at) => limit.take(at))).toEqual([0, 1, 0, 0]);
});

test('a clock that is set back does not hold anybody up for longer than a minute', () => {
  const limit = createRateLimit(1);
  expect(limit.take(3_600_000)).toBe(0);
  expect(limit.take(0)).toBe(0);
  expect(limit.take(1)).toBe(60);
});
