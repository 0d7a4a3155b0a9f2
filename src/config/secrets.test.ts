import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { format, inspect } from 'node:util';
import { expect, test } from 'vitest';
import { createSecret, SECRET_REF } from './secrets.ts';

const baseDir = mkdtempSync(join(tmpdir(), 'runbookd-secret-'));
const context = { env: { KEY: 'canary-hunter2', EMPTY: '' }, baseDir };

test.each([
  ['env:KEY', true],
  ['file:/run/secrets/key', true],
  ['file:key', true],
  ['env:', false],
  ['env:MY KEY', false],
  ['file:', false],
  ['ENV:KEY', false],
  ['canary-hunter2', false],
])('%s is a reference: %s', (text, expected) => {
  expect(SECRET_REF.test(text)).toBe(expected);
});

test('a variable and a file are read, the line break at the end of a file is not part of it', () => {
  writeFileSync(join(baseDir, 'key'), 'canary-hunter2\r\n');
  expect(createSecret('env:KEY', context).read()).toBe('canary-hunter2');
  expect(createSecret('file:key', context).read()).toBe('canary-hunter2');
  expect(createSecret(`file:${join(baseDir, 'key')}`, { env: {}, baseDir: '/' }).read()).toBe('canary-hunter2');
});

test('a secret prints as <secret> everywhere', () => {
  const secret = createSecret('env:KEY', context);
  expect(JSON.stringify({ secret })).toBe('{"secret":"<secret>"}');
  expect(inspect({ secret })).toBe('{ secret: <secret> }');
  expect(format('%s %o', secret, [secret])).not.toContain('canary');
  expect(`${secret}`).toBe('<secret>');
});

test('what is missing or empty is named by its reference', () => {
  writeFileSync(join(baseDir, 'blank'), '\n');
  const message = (ref: string): string => {
    try {
      return createSecret(ref, context).read();
    } catch (error) {
      return `${(error as { code: string }).code} ${(error as Error).message}`;
    }
  };
  expect(message('env:NONE')).toBe('SECRET_MISSING env:NONE: environment variable is not set');
  expect(message('env:EMPTY')).toBe('SECRET_MISSING env:EMPTY: environment variable is empty');
  expect(message('file:blank')).toBe('SECRET_MISSING file:blank: file is empty');
  expect(message('file:none')).toBe(`SECRET_MISSING file:none: there is no file ${baseDir}/none`);
  expect(message('file:.')).toBe(`SECRET_MISSING file:.: ${baseDir} cannot be read (EISDIR)`);
});

test('a file that goes away after the start is an error when it is used', () => {
  writeFileSync(join(baseDir, 'gone'), 'x');
  const secret = createSecret('file:gone', context);
  expect(secret.read()).toBe('x');
  rmSync(join(baseDir, 'gone'));
  expect(() => secret.read()).toThrow('there is no file');
});
