import { expect, test } from 'vitest';
import { outside, redact } from './redact.ts';

test.each([
  ['a password by its name', 'login failed, password=correct-horse for app', 'login failed, password=<*> for app'],
  ['in JSON', '{"user":"x","password":"p w\\"d","n":1}', '{"user":"x","password":<*>,"n":1}'],
  ['in JSON inside JSON', '"{\\"apiKey\\":\\"abc def\\",\\"n\\":1}"', '"{\\"apiKey\\":<*>",\\"n\\":1}"'],
  ['in prose', 'the token is opensesame now', 'the token is <*> now'],
  ['in SQL', "ALTER ROLE app PASSWORD 'it''s me' VALID", 'ALTER ROLE app PASSWORD <*> VALID'],
  ['a header', 'GET / Authorization: Basic dXNlcjpwYXNz\nnext', 'GET / Authorization: <*>\nnext'],
  ['cookies, all of them', 'Cookie: a=b; c=d', 'Cookie: <*>'],
  ['a URL', 'GET https://me:pw@api.x.com/v1/u/7?key=1 failed', 'GET https://api.x.com/<*> failed'],
  ['a mail address', 'no such user bob.smith+x@example.co.uk', 'no such user <*>'],
  ['a card', 'declined 4242 4242 4242 4242 today', 'declined <*> today'],
  ['a digest', 'key 9f86d081884c7d659a2feaa0c55ad015', 'key <*>'],
  ['a key of AWS', 'AKIAIOSFODNN7EXAMPLE and wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY', '<*> and <*>'],
  ['colours of a terminal', '\u001b[31mERROR\u001b[0m boom', 'ERROR boom'],
  ['a mark inside a secret', 'pass\u200bword=hunter', 'password=<*>'],
  ['a sentence without any', 'connection to main-db refused after 30 s', 'connection to main-db refused after 30 s'],
])('%s', (_, text, expected) => {
  expect(redact(text)).toBe(expected);
});

test('a text for people is one printable line of bounded length', () => {
  expect(outside('first\r\nsecond\tthird\u202e \u0007', 100)).toBe('first second third');
  expect(Array.from(outside('é'.repeat(500), 40))).toHaveLength(40);
  expect(outside('\ud800 lone', 40)).toBe('\ufffd lone');
});

test('hostile texts take no time', () => {
  const hostile = [
    'password='.repeat(2_000),
    `${'a'.repeat(50_000)}@`,
    '@'.repeat(50_000),
    '1 '.repeat(25_000),
    '://'.repeat(20_000),
    'eyJ'.repeat(20_000),
    '"'.repeat(50_000),
    '\\"'.repeat(25_000),
    `authorization${' '.repeat(50_000)}`,
    '-----BEGIN A-----'.repeat(3_000),
    'A-'.repeat(25_000),
    '\u001b['.repeat(20_000),
    `token${"'".repeat(50_000)}`,
  ];
  for (const text of hostile) {
    const started = process.cpuUsage().user;
    redact(text);
    // Linear is milliseconds here; a quadratic pattern takes seconds, so that a slow machine does not matter.
    expect(process.cpuUsage().user - started, text.slice(0, 20)).toBeLessThan(1_000_000);
  }
});
