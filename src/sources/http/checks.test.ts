import { expect, test } from 'vitest';
import { checksOf } from './checks.ts';

// Bodies as the frameworks document them.
test.each<readonly [string, unknown, readonly (readonly [string, boolean, string | null])[]]>([
  [
    'a map of words',
    { checks: { database: 'ok', redis: 'down' } },
    [
      ['redis', false, null],
      ['database', true, null],
    ],
  ],
  [
    'a map of flags',
    { checks: { database: false, redis: true } },
    [
      ['database', false, null],
      ['redis', true, null],
    ],
  ],
  [
    'a map of objects',
    { status: 'unhealthy', checks: { database: { status: 'unhealthy', error: 'timeout' }, redis: { healthy: true } } },
    [
      ['database', false, 'timeout'],
      ['redis', true, null],
    ],
  ],
  [
    'a list of dependencies',
    {
      status: 'fail',
      dependencies: [
        { name: 'main-db', status: 'down', message: 'refused' },
        { name: 'stripe', ok: true },
      ],
    },
    [
      ['main-db', false, 'refused'],
      ['stripe', true, null],
    ],
  ],
  [
    'Spring Boot Actuator, with a group in it',
    {
      status: 'DOWN',
      components: {
        db: {
          status: 'DOWN',
          components: {
            primary: { status: 'DOWN', details: { error: 'PSQLException: refused' } },
            replica: { status: 'UP' },
          },
        },
        diskSpace: { status: 'UP', details: { free: 1 } },
      },
    },
    [
      ['db', false, null],
      ['db.primary', false, 'PSQLException: refused'],
      ['db.replica', true, null],
      ['diskSpace', true, null],
    ],
  ],
  [
    'health+json',
    {
      status: 'fail',
      checks: {
        'postgres:connections': [{ status: 'pass' }, { status: 'fail', output: 'no connection' }],
        uptime: [{ status: 'pass', observedValue: 3 }],
        'cache:hits': [{ status: 'warn' }],
      },
    },
    [
      ['postgres:connections', false, 'no connection'],
      ['uptime', true, null],
      ['cache:hits', true, null],
    ],
  ],
  [
    'NestJS Terminus',
    {
      status: 'error',
      info: { redis: { status: 'up' } },
      error: { database: { status: 'down', message: 'timeout of 1000ms exceeded' } },
      details: { database: { status: 'down', message: 'timeout of 1000ms exceeded' }, redis: { status: 'up' } },
    },
    [
      ['database', false, 'timeout of <*> exceeded'],
      ['redis', true, null],
    ],
  ],
  [
    'MicroProfile',
    { status: 'DOWN', checks: [{ name: 'db', status: 'DOWN', data: { error: 'x' } }] },
    [['db', false, 'x']],
  ],
  [
    'ASP.NET',
    { status: 'Unhealthy', entries: { npgsql: { status: 'Unhealthy', description: 'gone' } } },
    [['npgsql', false, 'gone']],
  ],
  [
    'a number of HTTP',
    { services: { stripe: { status: 503 }, db: { status: 200 } } },
    [
      ['stripe', false, null],
      ['db', true, null],
    ],
  ],
  ['words that mean neither', { checks: { a: 'perhaps', b: { status: 'unknown' }, c: 7, d: null, e: [] } }, []],
  ['an error that is a text', { status: 'error', error: 'database is down' }, []],
  ['only a status', { status: 'ok' }, []],
])('%s', (_, body, expected) => {
  const plain = checksOf(JSON.stringify(body)).map(({ name, ok, detail }) => [
    name,
    ok,
    detail?.replace(/\d+ms/, '<*>') ?? null,
  ]);
  expect(plain).toEqual(expected);
});

test.each(['', 'OK', 'null', '[]', '[{"name":"db","status":"down"}]', '<html></html>', '{"checks":', '"{}"'])(
  'no checks in %j',
  (body) => {
    expect(checksOf(body)).toEqual([]);
  },
);

test('at most 50, failed ones first, names and details of others made safe', () => {
  const many = Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`c${n}`, n !== 180]));
  const checks = checksOf(JSON.stringify({ checks: many }));
  expect(checks).toHaveLength(50);
  expect(checks[0]).toMatchObject({ name: 'c180', ok: false });
  const [check] = checksOf(
    JSON.stringify({
      checks: { [`a\u202e\n${'b'.repeat(99)}`]: { status: 'down', error: 'postgres://me:hunter2@db/x\u0007' } },
    }),
  );
  expect(check?.name).toMatch(/^[\x20-\x7e…]{1,60}$/);
  expect(check?.detail).toBe('postgres://db/<*>');
});

test('a hostile body of the largest size takes no time', () => {
  for (const body of [
    '{"checks":'.repeat(6_000),
    `{"checks":${'['.repeat(60_000)}`,
    `{"checks":${'{"a":'.repeat(9_000)}1${'}'.repeat(9_001)}`,
  ]) {
    const started = performance.now();
    checksOf(body);
    expect(performance.now() - started).toBeLessThan(200);
  }
});
