import { describe, expect, it } from 'vitest';
import { RunbookdError } from '../../model/errors.ts';
import type { PostgresServer, Row } from './collector.ts';
import { createStatementsCollector } from './statements.ts';

const MINUTE = 60_000;
const signal = new AbortController().signal;

interface Fake {
  readonly server: PostgresServer;
  rows: readonly Row[];
  info: Row;
  meta: Row;
  texts: readonly Row[] | Error;
  fails: Error | null;
}

/** Rows as the driver gives them, by the statement that asks for them. */
function fake(): Fake {
  const state: Fake = {
    rows: [],
    texts: [],
    fails: null,
    info: { dealloc: 0, stats_reset: '2026-01-01', age: 86_400 },
    meta: {
      schema: 'public',
      columns: '{showtext,userid,dbid,toplevel,queryid,query,total_exec_time,stats_since}',
      has_info: true,
      track: 'top',
      compute_query_id: 'auto',
      role: 'runbookd',
      me: 99,
      shared: false,
      identity: '2025-12-01',
    },
    server: {
      target: 'main-db',
      database: 'main-db',
      replica: null,
      facts: () => null,
      capabilities: () => null,
      epoch: () => 0,
      query: async (_check, sql) => {
        if (state.fails !== null) throw state.fails;
        if (sql.includes('pg_stat_statements(true)')) {
          if (state.texts instanceof Error) throw state.texts;
          return state.texts;
        }
        if (sql.includes('pg_stat_statements(false)')) return state.rows;
        return [sql.includes('proargnames') ? state.meta : state.info];
      },
    },
  };
  return state;
}

const entry = (queryid: string | null, calls: number, timeMs: number, rest: Row = {}): Row => ({
  ...{
    dbid: 5,
    userid: 10,
    toplevel: true,
    rows: calls,
    shared_blks_hit: 0,
    shared_blks_read: 0,
    temp_blks_written: 0,
  },
  ...{ queryid, calls, time_ms: timeMs, since_age: null },
  ...rest,
});

const ask = (collector: ReturnType<typeof createStatementsCollector>, from: number, to: number) =>
  collector.answers['postgres.statements']!(
    { kind: 'postgres.statements', target: 'main-db', window: { from, to }, params: {} },
    to,
    signal,
  );

describe('statements', () => {
  it('know since when a statement is there: from the server when it is younger than the reset, else from ourselves', async () => {
    const state = fake();
    const collector = createStatementsCollector(state.server, { periodMs: MINUTE });
    state.rows = [
      entry('1', 1, 1),
      entry('2', 1, 1, { since_age: 600 }),
      // As old as the reset: it says when the statistics began, not when the statement did.
      entry('3', 1, 1, { since_age: 86_390 }),
    ];
    await collector.poll(0, signal);
    state.rows = [entry('1', 2, 2), entry('2', 2, 2), entry('3', 2, 2), entry('4', 1, 1)];
    const { series } = await collector.poll(MINUTE, signal);
    const known = series.filter((each) => each.signal === 'statement_known_seconds');
    expect(known.map(({ labels, values }) => [labels['queryid'], values[0]])).toEqual([
      ['2', 660],
      ['4', 0],
    ]);
  });

  it('keep a long gap as history and make no sample of it', async () => {
    const state = fake();
    const collector = createStatementsCollector(state.server, { periodMs: MINUTE });
    state.rows = [entry('1', 1, 1)];
    await collector.poll(0, signal);
    state.rows = [entry('1', 100, 100)];
    expect((await collector.poll(30 * MINUTE, signal)).series).toEqual([]);
    state.rows = [entry('1', 110, 200)];
    expect(await ask(collector, 30 * MINUTE, 31 * MINUTE)).toMatchObject({
      state: 'answered',
      value: { top: [{ calls: 10, meanMs: 10, before: { basis: 'baseline', calls: 99, meanMs: 1 } }] },
    });
  });

  it('answer from the ring when the server does not, and without texts when they cannot be read', async () => {
    const state = fake();
    const collector = createStatementsCollector(state.server, { periodMs: MINUTE });
    state.rows = [entry('1', 1, 1)];
    await collector.poll(0, signal);
    state.rows = [entry('1', 3, 9)];
    await collector.poll(MINUTE, signal);
    state.texts = new RunbookdError('POSTGRES_TIMEOUT', ['main-db', 'statement texts', 5_000]);
    expect(await ask(collector, 0, 2 * MINUTE)).toMatchObject({
      state: 'answered',
      value: { top: [{ queryid: '1', calls: 2, text: null }] },
    });
    state.fails = new RunbookdError('POSTGRES_TIMEOUT', ['main-db', 'statements', 5_000]);
    expect(await ask(collector, 0, 2 * MINUTE)).toMatchObject({ state: 'answered', value: { totalCalls: 2 } });
    expect(await ask(collector, 5 * MINUTE, 6 * MINUTE)).toMatchObject({ state: 'unknown', because: 'timeout' });
    await expect(collector.poll(2 * MINUTE, signal)).rejects.toBe(state.fails);
  });

  it('do not know anything before the second reading', async () => {
    const state = fake();
    const collector = createStatementsCollector(state.server, { periodMs: MINUTE });
    expect(await ask(collector, 0, MINUTE)).toMatchObject({ state: 'unknown', because: 'no_data' });
  });

  it.each([
    ['hidden rows', { rows: [entry(null, 1, 1)] }, 'denied', 'GRANT pg_monitor TO runbookd;'],
    ['no extension', { schema: null }, 'not_configured', 'CREATE EXTENSION pg_stat_statements;'],
    ['no library', { track: null }, 'not_configured', /^shared_preload_libraries/],
    ['track = none', { track: 'none' }, 'not_configured', /^pg_stat_statements.track/],
    ['no query ids', { compute_query_id: 'off' }, 'not_configured', /^compute_query_id/],
  ])(
    'are blind, with the cure: %s',
    async (_, { rows, ...meta }: Readonly<Record<string, unknown>>, because, grant) => {
      const state = fake();
      state.rows = Array.isArray(rows) ? rows : [];
      state.meta = { ...state.meta, ...meta };
      const collector = createStatementsCollector(state.server, { periodMs: MINUTE });
      const { blind } = await collector.poll(0, signal);
      expect(blind).toMatchObject([{ because, grant: expect.stringMatching(grant) }]);
      expect(await ask(collector, 0, MINUTE)).toMatchObject({ state: 'unknown', because });
    },
  );

  it('leave out what runs as our role', async () => {
    const state = fake();
    state.rows = [entry('1', 1, 1, { userid: 99 })];
    const collector = createStatementsCollector(state.server, { periodMs: MINUTE });
    await collector.poll(0, signal);
    state.rows = [entry('1', 5, 50, { userid: 99 })];
    const { series } = await collector.poll(MINUTE, signal);
    expect(series.map(({ values }) => values[0])).toEqual([0, 0]);
  });
});
