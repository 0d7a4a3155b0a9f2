import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ERRORS, type ErrorCode, messageOf, RunbookdError } from './errors.ts';

const CODES = Object.keys(ERRORS) as readonly ErrorCode[];

const documented = readFileSync(join(import.meta.dirname, 'errors.md'), 'utf8')
  .split(/^## /m)
  .slice(1)
  .map((section) => {
    const [code = '', ...lines] = section.trim().split('\n');
    return { code, lines: lines.filter((line) => line !== '') };
  });

test('the page lists exactly the codes that exist, in their order', () => {
  expect(documented.map(({ code }) => code)).toEqual(CODES);
});

test.each(documented)('$code has its message, whether it is retried, and advice', ({ code, lines }) => {
  const { template, retryable } = ERRORS[code as ErrorCode];
  expect(lines[0]).toBe(`\`${template}\` · ${retryable ? 'retryable' : 'not retryable'}`);
  expect(lines.slice(1).join(' ').length).toBeGreaterThan(40);
});

test.each(CODES)('the words of %s begin in lower case and end without a full stop', (code) => {
  expect(ERRORS[code].template).toMatch(/^[a-z%]/);
  expect(ERRORS[code].template).not.toMatch(/\.$/);
});

test('a message is filled in order, once, and says ? where a value is missing', () => {
  const error = new RunbookdError('POSTGRES_TIMEOUT', ['main-db', 'select %s']);
  expect(error.message).toBe('database main-db: no answer to select %s within ? ms');
  expect(error).toMatchObject({ name: 'RunbookdError', code: 'POSTGRES_TIMEOUT', retryable: true });
});

test('the cause is kept, and absent when there is none', () => {
  const cause = new Error('disk full');
  expect(new RunbookdError('STORE_WRITE', ['state.db', 'disk full'], cause).cause).toBe(cause);
  expect('cause' in new RunbookdError('STORE_WRITE', ['state.db', 'disk full'])).toBe(false);
});

test.each([
  [new Error('refused'), 'refused'],
  [
    new AggregateError([new Error('::1 refused'), new Error('127.0.0.1 refused')], ''),
    '::1 refused; 127.0.0.1 refused',
  ],
  ['text', 'text'],
  [undefined, 'undefined'],
])('the message of %s is %s', (thrown, expected) => {
  expect(messageOf(thrown)).toBe(expected);
});
