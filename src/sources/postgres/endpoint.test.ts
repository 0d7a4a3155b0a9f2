import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { RunbookdError } from '../../model/errors.ts';
import { parseEndpoint } from './endpoint.ts';

const directory = mkdtempSync(join(tmpdir(), 'runbookd-endpoint-'));
afterAll(() => rmSync(directory, { recursive: true }));
const ca = join(directory, 'ca.pem');
writeFileSync(ca, 'a certificate');

test('a URL is taken apart, percent-encoding undone', () => {
  expect(parseEndpoint('main-db', 'postgresql://me%40x:p%3A%2F@db.internal:6432/shop%20one')).toEqual({
    host: 'db.internal',
    port: 6432,
    user: 'me@x',
    password: 'p:/',
    database: 'shop one',
    tls: null,
  });
});

test.each([
  ['the port is 5432 by default', 'postgres://me@db/x', { port: 5432, password: null }],
  ['the database is named like the user by default', 'postgres://me@db', { database: 'me' }],
  ['an IPv6 address loses its brackets', 'postgres://me@[::1]:5433/x', { host: '::1', port: 5433 }],
  [
    'a socket directory may stand in host',
    'postgres://me@/x?host=/run/postgresql',
    { host: '/run/postgresql', tls: null },
  ],
])('%s', (_name, url, expected) => {
  expect(parseEndpoint('main-db', url)).toMatchObject(expected);
});

// https://www.postgresql.org/docs/current/libpq-ssl.html, table 32.1.
test.each([
  ['', null],
  ['sslmode=disable', null],
  ['sslmode=allow', null],
  ['sslmode=prefer', null],
  ['sslmode=require', { verify: false, verifyHost: false }],
  ['sslmode=no-verify', { verify: false, verifyHost: false }],
  [`sslmode=require&sslrootcert=${ca}`, { verify: true, verifyHost: false, ca: 'a certificate' }],
  [`sslmode=verify-ca&sslrootcert=${ca}`, { verify: true, verifyHost: false, ca: 'a certificate' }],
  ['sslmode=verify-full', { verify: true, verifyHost: true, ca: null }],
  ['sslmode=verify-full&sslrootcert=system', { verify: true, verifyHost: true, ca: null }],
  ['ssl=true', { verify: true, verifyHost: true }],
])('%j means what it means to libpq', (query, expected) => {
  const { tls } = parseEndpoint('main-db', `postgres://me@db/x?${query}`);
  if (expected === null) expect(tls).toBeNull();
  else expect(tls).toMatchObject(expected);
});

test.each([
  ['another scheme', 'mysql://me:s3cret@db/x', "scheme is 'mysql:'"],
  ['no URL', 's3cret', 'cannot be parsed'],
  ['a raw slash in the password', 'postgres://me:s3/cret@db/x', 'cannot be parsed'],
  ['broken percent-encoding', 'postgres://me:s3cret%zz@db/x', 'password is not valid'],
  ['no user', 'postgres://db/x', 'names no user'],
  ['an unknown sslmode', 'postgres://me:s3cret@db/x?sslmode=maybe', 'sslmode is not one of'],
  [
    'a certificate file that is not there',
    'postgres://me:s3cret@db/x?sslmode=verify-ca&sslrootcert=/nowhere',
    'sslrootcert',
  ],
])('%s is refused without repeating the password', (_name, url, words) => {
  const error = (() => {
    try {
      parseEndpoint('main-db', url);
      return undefined;
    } catch (thrown) {
      return thrown;
    }
  })();
  expect(error).toBeInstanceOf(RunbookdError);
  expect(error).toMatchObject({ code: 'POSTGRES_URL', message: expect.stringContaining(words) });
  expect(JSON.stringify([error, (error as Error).stack, String((error as Error).cause)])).not.toContain('s3cret');
});
