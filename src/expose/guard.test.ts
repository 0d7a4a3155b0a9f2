import { expect, test } from 'vitest';
import { hasToken, isHostAllowed } from './guard.ts';

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
