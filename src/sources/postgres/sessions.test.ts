import { expect, test } from 'vitest';
import type { Capabilities } from './collector.ts';
import { countsOf, countsSql, parseGroups, parseHolders, parseLook, sessionsCte } from './sessions.ts';

const capabilities = (canReadAllStats: boolean, columns: readonly string[]): Capabilities => ({
  has: (_relation, column) => column !== undefined && columns.includes(column),
  statementsSchema: null,
  statementsColumns: new Set(),
  isSuperuser: false,
  canReadAllStats,
});

test('columns that a server does not have are not asked for', () => {
  const old = countsSql(capabilities(true, []), [], 'true AS in_recovery');
  expect(old).not.toContain('leader_pid');
  expect(old).toContain('NULL::float8 AS sessions');
  const recent = countsSql(capabilities(true, ['leader_pid', 'sessions']), [], 'true AS in_recovery');
  expect(recent).toContain('coalesce(leader_pid, pid) AS leader');
  expect(recent).toContain('sum(sessions)::float8 AS sessions');
});

test('a role that sees no wait events counts the waiting in pg_locks', () => {
  expect(countsSql(capabilities(true, []), [], 'x')).not.toContain('pg_locks');
  expect(countsSql(capabilities(false, []), [], 'x')).toContain('pg_catalog.pg_locks');
});

test('only whole numbers of ours get into the statement', () => {
  expect(sessionsCte(capabilities(true, []), [7, Number.NaN, 1.5, 8])).toContain('pid IN (7, 8)');
  expect(sessionsCte(capabilities(true, []), [])).not.toContain('pid IN');
});

test('names that look the same once made printable are added up, and the ring keeps the first five', () => {
  const apps = ['a\u0001', 'a\u0002', 'b', 'c', 'd', 'e', ''].map((app, index) => ({ app, count: 10 - index }));
  const look = parseLook({ apps, used: 49 }, 3);
  expect([...look.apps]).toEqual([
    ['a?', 19],
    ['b', 8],
    ['c', 7],
    ['d', 6],
    ['e', 5],
    ['(unnamed)', 4],
  ]);
  expect(countsOf(look, 5)).toMatchObject({ at: 5, used: 49, byApp: { 'a?': 19, b: 8, c: 7, d: 6, e: 5 } });
  expect(look.counters.epoch).toBe(3);
});

test('a row without sessions is a quiet server', async () => {
  expect(parseLook({}, 0)).toMatchObject({ used: 0, waiting: 0, longestIdleInTransactionSeconds: 0, tracked: true });
  expect(parseGroups({ groups: null })).toEqual([]);
  expect(await parseHolders({ holders: null }, async () => 'x')).toEqual([]);
});

test('queries leave normalised, hidden and empty ones not at all', async () => {
  const rows = ['select 1', '<insufficient privilege>', '', null].map((query, pid) => ({ pid, query, state: 'idle' }));
  const holders = await parseHolders({ holders: rows }, async (sql) => sql.replace('1', '$1'));
  expect(holders.map(({ query }) => query)).toEqual(['select $1', null, null, null]);
});
