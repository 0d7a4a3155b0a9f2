import { expect, test } from 'vitest';
import {
  checkHttpUrl,
  checkRootUrl,
  hostPortText,
  isLoopback,
  LISTEN_PATTERN,
  parseDatabaseUrl,
  parseListen,
  parseRedisUrl,
} from './address.ts';

test.each([
  ['127.0.0.1:9470', { host: '127.0.0.1', port: 9470 }, true],
  ['localhost:0', { host: 'localhost', port: 0 }, true],
  ['[::1]:9470', { host: '::1', port: 9470 }, true],
  ['127.9.9.9:80', { host: '127.9.9.9', port: 80 }, true],
  ['0.0.0.0:9470', { host: '0.0.0.0', port: 9470 }, false],
  ['[::]:9470', { host: '::', port: 9470 }, false],
  ['127.evil.example:9470', { host: '127.evil.example', port: 9470 }, false],
])('%s is read, and loopback is %s', (text, expected, loopback) => {
  expect(text).toMatch(LISTEN_PATTERN);
  expect(parseListen(text)).toEqual(expected);
  expect(hostPortText(expected)).toBe(text);
  expect(isLoopback(expected.host)).toBe(loopback);
});

test.each([':9470', '9470', 'localhost', '::1:9470', 'http://localhost:9470', 'a b:1', 'host:port', '-x:1'])(
  '%s is no address to listen on',
  (text) => {
    expect(text).not.toMatch(LISTEN_PATTERN);
  },
);

// As psql reads the same URLs (PostgreSQL documentation, 34.1.1.2 connection URIs).
test.each([
  ['postgres://u@db.internal/app', 'db.internal', 5432, 'app', false],
  ['postgresql://u:p%40ss@db.internal:5433/app?sslmode=require', 'db.internal', 5433, 'app', true],
  ['postgres://u@[2001:db8::1]:6432/app', '2001:db8::1', 6432, 'app', false],
  ['postgres:///app?user=u&host=/var/run/postgresql&port=5439', '/var/run/postgresql', 5439, 'app', false],
  ['postgres://u@%2Fvar%2Frun%2Fpostgresql/app', '/var/run/postgresql', 5432, 'app', false],
  ['postgres://u@db', 'db', 5432, 'u', false],
  ['postgres://u:p@/app?host=/tmp', '/tmp', 5432, 'app', true],
  ['postgres://u@db/my%20app?password=x', 'db', 5432, 'my app', true],
])('%s is %s %i %s', (url, host, port, database, hasPassword) => {
  expect(parseDatabaseUrl(url)).toEqual({ ok: true, address: { host, port, database }, hasPassword });
});

test.each([
  'mysql://db/app',
  'db.internal',
  '',
  'postgres://u:123#hunter2@db/app',
  'postgres://u:123/hunter2@db/app',
  'postgres://u:123?hunter2@db/app',
  'postgres://u:hunter2%@db/app',
  'postgres://u@a,b/app?hunter2',
  'postgres://db/app?hunter2',
])('%s is refused without quoting it', (url) => {
  const parsed = parseDatabaseUrl(url);
  expect(parsed.ok).toBe(false);
  expect(JSON.stringify(parsed)).not.toContain('hunter2');
});

const ANYWHERE = { plain: 'anywhere', root: false } as const;
const VENDOR = { plain: 'loopback', root: true } as const;

test.each([
  ['https://api.rastup.com/health', ANYWHERE, null],
  ['http://10.0.0.7:8080/ready?deep=1', ANYWHERE, null],
  ['https://status.stripe.com/', VENDOR, null],
  ['http://127.0.0.1:4566', VENDOR, null],
  ['http://[::1]:4566', VENDOR, null],
  ['http://localhost', VENDOR, null],
  ['ftp://api.rastup.com/', ANYWHERE, 'found "ftp://api.rastup.com/", expected an http:// or https:// URL'],
  ['https://', ANYWHERE, 'found "https://", expected an http:// or https:// URL'],
  ['https://api.rastup.com/a b', ANYWHERE, 'found "https://api.rastup.com/a b", expected an http:// or https:// URL'],
  ['https://u@api.rastup.com/', ANYWHERE, 'has a user or password, which is never written here'],
  ['https://u:hunter2@api.rastup.com/', ANYWHERE, 'has a user or password, which is never written here'],
  ['https://api.rastup.com/#x', ANYWHERE, 'found "https://api.rastup.com/#x", expected a URL without #'],
  ['http://stripe.com', VENDOR, 'found "http://stripe.com", expected https:// (http:// only for this machine)'],
  [
    'http://127.0.0.1.evil.example',
    VENDOR,
    'found "http://127.0.0.1.evil.example", expected https:// (http:// only for this machine)',
  ],
  [
    'https://status.stripe.com/api',
    VENDOR,
    'found "https://status.stripe.com/api", expected nothing after the host: https://status.stripe.com',
  ],
])('%s: %s', (text, rule, expected) => {
  expect(checkHttpUrl(text, rule)).toBe(expected);
});

// The URI schemes `redis` and `rediss` as registered with IANA: redis://user:password@host:port/db-number.
test.each([
  ['redis://redis.internal', 'redis.internal', 6379, false],
  ['rediss://default:p%40ss@redis.internal:6380/2', 'redis.internal', 6380, true],
  ['redis://monitor@[2001:db8::1]:7000/', '2001:db8::1', 7000, false],
  ['redis://:secret@127.0.0.1/0', '127.0.0.1', 6379, true],
])('%s is a cache on %s', (text, host, port, hasPassword) => {
  expect(parseRedisUrl(text)).toEqual({ ok: true, address: { host, port }, hasPassword });
});

test.each([
  ['redis.internal:6379'],
  ['http://redis.internal:6379'],
  ['unix:///var/run/redis.sock'],
  ['redis://'],
  ['redis:///0'],
  ['redis://:canary#hunter2@redis'],
  ['redis://:canary?hunter2@redis'],
  ['redis://:canary/hunter2@redis'],
  ['redis://redis/sessions'],
  ['redis://redis/0?password=canary-hunter2'],
  ['redis://redis:port'],
])('%s is no cache, and what is said of it does not quote it', (text) => {
  const parsed = parseRedisUrl(text);
  expect(parsed).toMatchObject({ ok: false });
  expect(JSON.stringify(parsed)).not.toMatch(/canary|hunter2/);
});

test.each([
  ['http://prometheus:9090/prefix/', 'anywhere', true],
  ['http://prometheus:9090', 'loopback', false],
  ['http://127.0.0.1:9090', 'loopback', true],
  ['https://sentry.example', 'loopback', true],
  ['http://prometheus:9090?x=1', 'anywhere', false],
  ['http://prometheus:9090/#a', 'anywhere', false],
  ['http://u:p@prometheus:9090', 'anywhere', false],
] as const)('%s as the root of a server, http %s: %s', (text, plain, good) => {
  expect(checkRootUrl(text, plain) === null).toBe(good);
});
