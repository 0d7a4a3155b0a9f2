import { expect, test } from 'vitest';
import { checkSignalQuery, relationsOf, wrapped } from './check-query.ts';

test.each([
  'SELECT count(*) FROM search.outbox WHERE NOT processed',
  'select 1;',
  'select 1 -- the end',
  '/* a; b */ select 1; -- ; delete',
  "select ';' as text, 1 as n",
  'VALUES (1)',
  'TABLE public.gauge',
  'WITH open AS (SELECT id FROM public.orders) SELECT count(*) FROM open',
  'WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 9) SELECT max(i) FROM n',
  'SELECT 1 UNION SELECT 2',
  'SELECT count(*) FROM pg_stat_activity',
  "SELECT extract(epoch FROM now() - min(created_at)) FROM search.outbox WHERE payload ? 'x'",
  'SELECT count(*) FROM public.orders TABLESAMPLE system (1)',
  'SELECT pg_sleep(0.1)',
  '(SELECT 1)',
])('%s may run', (sql) => {
  expect(checkSignalQuery(sql)).toBeNull();
});

test.each<readonly [string, RegExp]>([
  ['', /^is empty/],
  [' \n', /^is empty/],
  ['-- nothing', /^holds no statement/],
  [';', /^holds no statement/],
  ['selec 1', /^is not SQL from character 1 on$/],
  ['SELECT count(*) FROM', /^is not SQL/],
  ["SELECT 'open", /^is not SQL/],
  ['SELECT 1) x; DROP TABLE public.orders; SELECT * FROM (SELECT 1', /^is not SQL/],
  ['SELECT 1; SELECT 2', /^holds 2 statements/],
  ['SELECT 1; COMMIT; DROP TABLE public.orders', /^holds 3 statements/],
  ['DELETE FROM public.orders', /^is not a SELECT.*DeleteStmt/],
  ['INSERT INTO public.orders VALUES (1)', /^is not a SELECT/],
  ['UPDATE public.orders SET note = 1', /^is not a SELECT/],
  ['DROP TABLE public.orders', /^is not a SELECT/],
  ['COPY public.orders TO PROGRAM $$sh$$', /^is not a SELECT/],
  ['EXPLAIN ANALYZE SELECT 1', /^is not a SELECT/],
  ['SET transaction_read_only = off', /^is not a SELECT/],
  ['DO $$ begin end $$', /^is not a SELECT/],
  ['SHOW port', /^is not a SELECT/],
  ['CALL public.p()', /^is not a SELECT/],
  ['WITH gone AS (DELETE FROM public.orders RETURNING 1) SELECT count(*) FROM gone', /^holds a DeleteStmt/],
  ['WITH x AS (INSERT INTO public.orders (note) VALUES (1) RETURNING 1) SELECT 1', /^holds a InsertStmt/],
  ['SELECT * FROM (WITH x AS (UPDATE public.orders SET note = 1 RETURNING 1) SELECT 1) y', /^holds a UpdateStmt/],
  [
    'WITH x AS (MERGE INTO public.a USING public.b ON true WHEN MATCHED THEN DELETE RETURNING 1) SELECT 1',
    /^holds a MergeStmt/,
  ],
  ['SELECT 1 INTO public.copy', /^has INTO/],
  ['SELECT id FROM public.orders FOR UPDATE', /^has FOR UPDATE/],
  ['SELECT 1 UNION (SELECT id FROM public.orders FOR SHARE)', /^has FOR UPDATE/],
  ['SELECT count(*) FROM (SELECT id FROM public.orders FOR KEY SHARE SKIP LOCKED) x', /^has FOR UPDATE/],
  ['SELECT $1::int', /^has a parameter/],
  ['SELECT count(*) FROM outbox', /^names outbox without its schema, expected public\.outbox/],
  ['SELECT set_config($$statement_timeout$$, $$0$$, false)', /^calls set_config\(\)/],
  ['SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_stat_activity', /^calls pg_terminate_backend\(\)/],
  ['SELECT count(*) FROM public.a WHERE pg_try_advisory_lock(1)', /^calls pg_try_advisory_lock\(\)/],
  ['SELECT PG_READ_FILE($$/etc/passwd$$)', /^calls pg_read_file\(\)/],
  ['SELECT n FROM public.dblink_exec($$x$$, $$y$$) AS t(n)', /^calls dblink_exec\(\)/],
  ['SELECT nextval($$public.s$$)', /^calls nextval\(\)/],
  [`SELECT ${'1+'.repeat(2_000)}1`, /^has 4008 characters, expected at most 4000$/],
  ['SELECT 1\0', /^holds a character/],
  ['SELECT \ud800', /^holds a character/],
])('%s is refused', (sql, why) => {
  expect(checkSignalQuery(sql)).toMatch(why);
});

test('nesting as deep as the length allows is no trouble', () => {
  expect(checkSignalQuery(`SELECT ${'('.repeat(1_900)}1${')'.repeat(1_900)}`)).toBeNull();
  expect(checkSignalQuery(`SELECT ${'1+'.repeat(1_990)}1`)).toBeNull();
  expect(checkSignalQuery(`SELECT ${'('.repeat(3_900)}`)).toMatch(/^is not SQL/);
  expect(checkSignalQuery('SELECT 1')).toBeNull();
});

test('it runs in parentheses, without its semicolon and what is behind, whatever the letters take in bytes', () => {
  for (const [sql, inner] of [
    ['select 1', 'select 1'],
    ['  select 1 ;  ', 'select 1 '],
    ["select 'żółć' as a, 1 as n; -- ende", "select 'żółć' as a, 1 as n"],
    ['select 1 -- comment', 'select 1 -- comment'],
  ] as const) {
    const text = wrapped(sql);
    expect(text).toContain(`\n${inner}\n)`.replace(/^\n +/, '\n'));
    expect(text.match(/;/g)).toBeNull();
    expect(checkSignalQuery(text)).toBeNull();
  }
});

test('the relations for a GRANT are named once, quoted where they have to be', () => {
  const sql = 'WITH a AS (TABLE app."Odd ""one") SELECT 1 FROM a, public.orders, public.orders o, pg_catalog.pg_class';
  expect(relationsOf(sql)).toEqual(
    expect.arrayContaining([
      { schema: 'app', name: '"Odd ""one"' },
      { schema: 'public', name: 'orders' },
    ]),
  );
  expect(relationsOf(sql)).toHaveLength(2);
});
