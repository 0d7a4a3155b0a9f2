import { describe, expect, it } from 'vitest';
import { commandTag, normalizeSql } from './normalize.ts';

describe('normalizeSql', () => {
  it.each([
    ['select  a,\n b from t where id = 42', 'select a, b from t where id = $1'],
    [
      "select * from t where a = 'x' and b = E'it\\'s' and c = $$d$$",
      'select * from t where a = $1 and b = $2 and c = $3',
    ],
    ["select B'101', X'1F', U&'d\\0061t', -1.5e3, 0xFF, 1_000", 'select $1, $2, $3, -$4, $5, $6'],
    ['select $1 from t where a = $2 limit 7', 'select $1 from t where a = $2 limit $3'],
    ['select a /* one /* two */ */ , b -- three\nfrom t', 'select a , b from t'],
    ['select a/**/b', 'select a b'],
    // As pg_stat_statements stores it: a parameter where the grammar wants a literal, and the list of 18 squashed.
    ['select a + interval $1 from t where b IN ($2 /*, ... */)', 'select a + interval $1 from t where b IN ($2 )'],
    ['select \'é\', a from "Übersicht"', 'select $1, a from "Übersicht"'],
    ['select * from "a@example.com"', 'select * from "…"'],
    ["insert into t values (1, 'a'); update t set a = 2;", 'insert into t values ($1, $2); update t set a = $3'],
    ['select 1 from t where a = (select max(b) from u)', 'select $1 from t where a = (select max(b) from u)'],
  ])('prints the structure of %j', async (sql, expected) => {
    expect(await normalizeSql(sql)).toBe(expected);
  });

  it.each([
    ["CREATE ROLE leak LOGIN PASSWORD 'S3cretPw'", 'CREATE ROLE…'],
    ["alter user app set search_path = 'a'", 'ALTER USER…'],
    ["CREATE SUBSCRIPTION s CONNECTION 'host=a password=b' PUBLICATION p", 'CREATE SUBSCRIPTION…'],
    ["ALTER SUBSCRIPTION s CONNECTION 'host=a password=b'", 'ALTER SUBSCRIPTION…'],
    ["CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (host 'h')", 'CREATE SERVER…'],
    ["CREATE USER MAPPING FOR u SERVER s OPTIONS (password 'p')", 'CREATE USER MAPPING…'],
    ["COPY t FROM PROGRAM 'curl https://token@host'", 'COPY…'],
    ['COPY t FROM STDIN', 'COPY t FROM STDIN'],
    ['DO $$ begin perform 1; end $$', 'DO…'],
    ["SET app.password = 'x'", 'SET…'],
    ['SET LOCAL app_password TO hunter2', 'SET…'],
    ["SET work_mem = '64kB'", 'SET work_mem…'],
    ["ALTER SYSTEM SET primary_conninfo = 'host=a password=b'", 'ALTER SYSTEM…'],
    ['create or replace function f() returns int language sql as $$ select 1 $$', 'CREATE FUNCTION…'],
    ["select 1; CREATE ROLE leak PASSWORD 'S3cretPw'", 'select $1; CREATE ROLE…'],
  ])('reduces %j to its command', async (sql, expected) => {
    expect(await normalizeSql(sql)).toBe(expected);
  });

  it.each([
    ["select a, b from t where a = 'half of a lite", 'select a, b from t where a =…'],
    ['select a from t where (', 'select a from t where (…'],
    ['select a from t /* half of a comm', 'select a from t…'],
    ['select a from t where b = $tag$ half', 'select a from t where b =…'],
    ['select a, "half of a na', 'select a,…'],
    ["select 'it's the rest'", 'select $1…'],
    // A literal to a server with standard_conforming_strings off.
    ["select a, 'x\\' the rest \\'' from t", 'select a,…'],
  ])('prints %j as far as the grammar follows it', async (sql, expected) => {
    expect(await normalizeSql(sql)).toBe(expected);
  });

  it.each(['', '   ', '/* nothing */', ';', 'hunter2', 'selekt a from b', "'a' 'b", "select E'\\u00", '\\d orders'])(
    'shows nothing of %j',
    async (sql) => {
      expect(await normalizeSql(sql)).toBeNull();
    },
  );

  it('cuts at 300 code points, never inside one', async () => {
    const text = (await normalizeSql(`select ${'"𝛼𝛽", '.repeat(60)}a from t`)) ?? '';
    expect(Array.from(text)).toHaveLength(300);
    expect(text).toMatch(/…$/);
    expect(text.isWellFormed()).toBe(true);
  });

  it('takes texts of any length and depth', async () => {
    for (const body of ['('.repeat(50_000), '1+'.repeat(50_000), 'not '.repeat(20_000), 'a, '.repeat(300_000)]) {
      const text = await normalizeSql(`select ${body}`);
      expect(Array.from(text ?? '').length).toBeLessThanOrEqual(300);
    }
    expect(await normalizeSql('select 1')).toBe('select $1');
  });

  it('lets no canary out, wherever it stands and wherever the text is cut', async () => {
    const random = seeded(20_261_123);
    const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
    for (let round = 0; round < 300; round += 1) {
      const parts = Array.from({ length: 1 + Math.floor(random() * 5) }, () => pick(hidingPlaces)(CANARY));
      const whole = pick(statements)(parts.join(pick([' , ', ',', '\n,\t'])));
      const sql = random() < 0.5 ? whole : whole.slice(0, Math.floor(random() * whole.length));
      const text = await normalizeSql(sql);
      expect(text ?? '', sql).not.toMatch(/canary|4242424242/i);
    }
  });
});

const CANARY = 'cAnAry4242424242';
const hidingPlaces: readonly ((canary: string) => string)[] = [
  (c) => `'${c}'`,
  (c) => `'it''s ${c}'`,
  (c) => `E'it\\'s ${c}'`,
  (c) => `E'\\\\' || '${c}'`,
  (c) => `U&'${c}\\0061'`,
  (c) => `N'${c}'`,
  (c) => `$$${c}$$`,
  (c) => `$a$ $$ ' ${c} " $a$`,
  (c) => `1 /* ${c} */`,
  (c) => `1 /* a /* ${c} */ ' ${c} */`,
  (c) => `1 -- ${c} '\n`,
  () => '4242424242',
  () => '42.42424242424242e7',
  () => '-4242424242',
  () => "X'4242424242'",
  () => "B'1' || '4242424242'",
  (c) => `'a'\n'${c}'`,
  (c) => `interval '${c}'`,
  (c) => `set_config('app.password', '${c}', false)`,
  (c) => `dblink('host=h password=${c}', 'select 1')`,
];
const statements: readonly ((list: string) => string)[] = [
  (list) => `select ${list} from t where a = 1`,
  (list) => `/* ${CANARY} */ insert into t values (${list})`,
  (list) => `update t set a = (select b from u where c in (${list}))`,
  (list) => `with x as (select ${list}) delete from t using x`,
  (list) => `prepare p as select ${list}`,
  (list) => `execute p(${list})`,
  (list) => `copy (select ${list}) to stdout`,
  (list) => `select 1; alter role app password '${CANARY}'; select ${list}`,
  (list) => `declare c cursor for select ${list}`,
  (list) => `create table t as select ${list}`,
  (list) => `notify t, '${CANARY}'; comment on table t is '${CANARY}'; select ${list}`,
];

/** mulberry32: small, good enough to choose test cases, the same on every run. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

describe('commandTag', () => {
  it.each([
    ['select 1', 'SELECT'],
    ['  (SELECT 1) union select 2', 'SELECT'],
    ['/* a /* b */ */ -- c\n update t set a = 1', 'UPDATE'],
    ['alter table t add column a int', 'ALTER TABLE'],
    ['create unique index concurrently i on t (a)', 'CREATE INDEX CONCURRENTLY'],
    ['CREATE INDEX i ON t (a)', 'CREATE INDEX'],
    ['create temp table t as select 1', 'CREATE TABLE'],
    ['create or replace view v as select 1', 'CREATE VIEW'],
    ['drop materialized view v', 'DROP MATERIALIZED VIEW'],
    ['LOCK orders', 'LOCK TABLE'],
    ['begin', 'BEGIN'],
    ['BEGIN; select 1', 'BEGIN'],
    ["with a as (select ')' from b) insert into c select * from a", 'INSERT'],
    ['with recursive a as (select 1) select * from a', 'SELECT'],
    ['vacuum (analyze) t', 'VACUUM'],
    ['selekt 1', null],
    ['hunter2', null],
    ['', null],
    ['-- only a comment', null],
    ["'select'", null],
  ])('of %j is %j', (sql, expected) => {
    expect(commandTag(sql)).toBe(expected);
  });
});
