import pg from 'pg';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { PollResult, Source } from '../../src/model/source.ts';
import type { SignalQuery } from '../../src/sources/postgres/queries/signal-query.ts';
import { createPostgresSource } from '../../src/sources/postgres/source.ts';
import { type PostgresWorld, startPostgres } from '../world/postgres.ts';
import { waitUntil } from '../world/wait.ts';

const MINUTE = 60_000;
const NOW = 1_764_000_000_000;
const { signal } = new AbortController();
const opened: Source[] = [];
let logged: { readonly msg: string }[] = [];

const query = (name: string, sql: string, rest: Partial<SignalQuery> = {}): SignalQuery => ({
  signal: name,
  sql,
  unit: 'count',
  periodMs: MINUTE,
  column: null,
  labels: [],
  ...rest,
});

const BACKLOG = query('outbox_backlog', 'SELECT count(*) FROM search.outbox WHERE NOT processed;');
const AGE = query(
  'outbox_age_seconds',
  'SELECT extract(epoch FROM now() - min(created_at)) FROM search.outbox WHERE NOT processed -- of the oldest',
  { unit: 's' },
);

/** Sources as the daemon has them: our role may read statistics and nothing else until it is granted. */
describe.each([18, 15] as const)("signals of the user's own on PostgreSQL %i", (version) => {
  let world: PostgresWorld;
  beforeAll(async () => {
    world = await startPostgres({ version });
  });
  // The role has three connections.
  afterEach(async () => {
    for (const source of opened.splice(0)) await source.close();
    await waitUntil('our sessions to end', async () => {
      const left = await world.primary.admin("SELECT 1 FROM pg_stat_activity WHERE usename = 'runbookd'");
      return left.length === 0;
    });
  });
  afterAll(async () => {
    await world?.[Symbol.asyncDispose]();
  });

  const open = (...queries: readonly SignalQuery[]): Source => {
    logged = [];
    const source = createPostgresSource({
      target: 'main-db',
      url: world.primary.monitorUrl,
      replicas: {},
      periodsMs: { activity: MINUTE, replication: MINUTE, statements: MINUTE, catalog: MINUTE },
      queries,
      log: pino({ level: 'warn' }, { write: (line: string) => logged.push(JSON.parse(line)) }),
    });
    opened.push(source);
    return source;
  };
  const poll = (source: Source, now = NOW): Promise<PollResult> => source.poll('queries', now, signal);
  const figures = ({ series }: PollResult) =>
    series.map(({ signal: name, labels, values }) => [name, labels, values[0]] as const);
  const granted = async (work: () => Promise<void>): Promise<void> => {
    await world.primary.admin('GRANT USAGE ON SCHEMA search TO runbookd; GRANT SELECT ON search.outbox TO runbookd');
    await world.primary.admin('GRANT SELECT ON public.orders, public.customers TO runbookd');
    try {
      await work();
    } finally {
      await world.primary.admin('REVOKE ALL ON SCHEMA search FROM runbookd; REVOKE ALL ON search.outbox FROM runbookd');
      await world.primary.admin('REVOKE ALL ON public.orders, public.customers FROM runbookd');
    }
  };
  const session = async (work: (client: pg.Client) => Promise<void>): Promise<void> => {
    const client = new pg.Client({ connectionString: world.primary.appUrl('outbox-writer') });
    await client.connect();
    try {
      await work(client);
    } finally {
      await client.end();
    }
  };

  it('are a group of their own, only where there are any', () => {
    expect(open().groups).not.toContain('queries');
    expect(open(BACKLOG).groups).toContain('queries');
    expect(() => open(query('blocked_sessions', 'SELECT 1'))).toThrow(
      'databases.main-db.queries.blocked_sessions: a signal of that name is there already',
    );
  });

  it('the backlog of an outbox and its age: in the bad state, and after its cure', async () => {
    await granted(async () => {
      const source = open(BACKLOG, AGE);
      const healthy = await poll(source);
      // No age of nothing: NULL is missing, not zero.
      expect(figures(healthy)).toEqual([['outbox_backlog', {}, 0]]);
      expect(healthy.blind).toEqual([]);
      await session(async (client) => {
        await client.query(
          "INSERT INTO search.outbox (payload, created_at) SELECT '{}', now() - interval '90 seconds' FROM generate_series(1, 412)",
        );
        const bad = await poll(source, NOW + MINUTE);
        expect(bad.series[0]).toMatchObject({ target: 'main-db', unit: 'count', periodMs: MINUTE, labels: {} });
        expect(bad.series[0]?.times[0]).toBe(NOW + MINUTE);
        expect(bad.series[0]?.values[0]).toBe(412);
        expect(bad.series[1]?.values[0]).toBeGreaterThan(89);
        expect(bad.series[1]?.values[0]).toBeLessThan(150);
        await client.query('UPDATE search.outbox SET processed = true WHERE NOT processed');
      });
      expect(figures(await poll(source, NOW + 2 * MINUTE))).toEqual([['outbox_backlog', {}, 0]]);
    });
  });

  it('a table that may not be read is a blindness with the grant, and the grant cures it', async () => {
    const source = open(BACKLOG, query('answer', 'SELECT 42'));
    const denied = await poll(source);
    expect(figures(denied)).toEqual([['answer', {}, 42]]);
    expect(denied.blind).toEqual([
      {
        target: 'main-db',
        check: 'outbox_backlog',
        because: 'denied',
        detail: 'query of outbox_backlog: may not read what it names (SQLSTATE 42501)',
        grant: 'GRANT USAGE ON SCHEMA search TO runbookd; GRANT SELECT ON search.outbox TO runbookd;',
      },
    ]);
    await granted(async () => {
      const seen = await poll(source, NOW + MINUTE);
      expect(figures(seen)[0]).toEqual(['outbox_backlog', {}, 0]);
      expect(seen.blind).toEqual([]);
    });
  });

  it('labels split a signal, by column names, with a column for the number', async () => {
    await granted(async () => {
      const sql = 'SELECT status, count(*) AS n, min(id) AS first FROM public.orders GROUP BY status ORDER BY status';
      const source = open(
        query('orders', sql.replace(', min(id) AS first', ''), { labels: ['status'] }),
        query('orders_of', sql, { labels: ['status'], column: 'n' }),
        query('cities', 'SELECT id::text AS customer, 1 FROM public.customers ORDER BY id', { labels: ['customer'] }),
        query('twice', 'SELECT count(*), count(id) FROM public.orders'),
        query('values', "VALUES ('a', 1.5), ('b', 2)", { labels: ['column1'] }),
        query('table', 'TABLE public.customers'),
      );
      const { series, blind } = await poll(source);
      const of = (name: string) => figures({ series, changes: [], blind }).filter(([each]) => each === name);
      const statuses = ['delivered', 'paid', 'placed', 'shipped'];
      for (const name of ['orders', 'orders_of']) {
        expect(of(name)).toEqual(statuses.map((status) => [name, { status }, 2000]));
      }
      expect(of('cities')).toHaveLength(50);
      expect(of('cities')[49]).toEqual(['cities', { customer: '50' }, 1]);
      expect(of('values')).toEqual([
        ['values', { column1: 'a' }, 1.5],
        ['values', { column1: 'b' }, 2],
      ]);
      expect(blind.map(({ check, because, detail }) => [check, because, detail])).toEqual([
        ['cities', 'unsupported', 'query of cities: gives more than 50 rows, of which the first 50 are read'],
        ['twice', 'unsupported', 'query of twice: gives two columns of the same name'],
        ['table', 'unsupported', 'query of table: gives several rows, expected one, or labels that tell them apart'],
      ]);
    });
  });

  it('types: what is a number to the server is one here, all else is named', async () => {
    const numbers = {
      int2: '3::int2',
      int8: '9007199254740993',
      numeric: '12345678901234567890.5',
      float4: '0.5::float4',
      float8: "'1e-300'::float8",
    };
    const others = {
      text: "'12'::text",
      flag: 'true',
      time: 'now()',
      interval: "interval '1 hour'",
      nan: "'NaN'::float8",
      infinity: "'Infinity'::float8",
      json: "'{}'::jsonb",
    };
    const source = open(
      ...Object.entries({ ...numbers, ...others }).map(([name, value]) => query(name, `SELECT ${value} AS value`)),
      query('nothing', 'SELECT NULL::int'),
      query('no_rows', 'SELECT 1 WHERE false'),
      query('no_columns', 'SELECT'),
    );
    const result = await poll(source);
    expect(Object.fromEntries(figures(result).map(([name, , value]) => [name, value]))).toEqual({
      int2: 3,
      int8: 9_007_199_254_740_992,
      numeric: 12_345_678_901_234_567_000,
      float4: 0.5,
      float8: 1e-300,
    });
    expect(result.blind.map(({ check }) => check)).toEqual([...Object.keys(others), 'no_columns']);
    expect(new Set(result.blind.map(({ because }) => because))).toEqual(new Set(['unsupported']));
  });

  it('what is wrong with a query is told by the SQLSTATE, without a word of the query or of its data', async () => {
    await granted(async () => {
      const secret = 'hunter2';
      const source = open(
        query('no_table', `SELECT count(*) FROM public.${secret}`),
        query('no_column', `SELECT ${secret} FROM public.orders`),
        query('no_function', `SELECT ${secret}()`),
        query('cast', `SELECT '${secret}'::int`),
        query('data', 'SELECT email::int FROM public.customers'),
        query('zero', 'SELECT 1 / 0'),
        query('writes', `WITH x AS (DELETE FROM public.orders RETURNING '${secret}') SELECT count(*) FROM x`),
        query('two', `SELECT 1; SELECT '${secret}'`),
        query('syntax', `SELEC ${secret}`),
      );
      const { series, blind } = await poll(source);
      expect(series).toEqual([]);
      expect(
        blind.map(({ check, because, detail }) => [check, because, /\(SQLSTATE (.{5})\)/.exec(detail)?.[1]]),
      ).toEqual([
        ['no_table', 'not_configured', '42P01'],
        ['no_column', 'not_configured', '42703'],
        ['no_function', 'not_configured', '42883'],
        ['cast', 'error', '22P02'],
        ['data', 'error', '22P02'],
        ['zero', 'error', '22012'],
        ['writes', 'not_configured', undefined],
        ['two', 'not_configured', undefined],
        ['syntax', 'not_configured', undefined],
      ]);
      const text = JSON.stringify([blind, logged]);
      expect(text).not.toContain(secret);
      expect(text).not.toContain('example.com');
      const [{ n } = { n: 0 }] = await world.primary.admin<{ n: number }>(
        'SELECT count(*)::int AS n FROM public.orders',
      );
      expect(n).toBe(8000);
    });
  });

  it('a query that times out twice is asked less often, says so, and the others go on', async () => {
    const source = open(query('slow', 'SELECT 1 FROM pg_sleep(9)'), query('answer', 'SELECT 42'));
    const seen: string[] = [];
    let blind: PollResult['blind'] = [];
    for (let n = 0; n < 8; n += 1) {
      const started = performance.now();
      const result = await poll(source, NOW + n * MINUTE);
      blind = result.blind;
      expect(figures(result)).toEqual([['answer', {}, 42]]);
      expect(blind).toMatchObject([{ check: 'slow', because: 'timeout' }]);
      seen.push(performance.now() - started > 1_500 ? 'asked' : 'left');
    }
    // After the second timeout every second minute, after the third every fourth.
    expect(seen).toEqual(['asked', 'asked', 'left', 'asked', 'left', 'left', 'left', 'asked']);
    expect(blind[0]?.detail).toBe(
      'query of slow: no answer within 2000 ms (SQLSTATE 57014); asked every 480 s until it answers',
    );
    expect(logged.map(({ msg }) => msg)).toEqual(Array(3).fill('query times out, it is asked less often'));
    // The breaker of the server is not what a slow query of the user's opens.
    expect((await source.poll('activity', NOW, signal)).blind).toEqual([]);
  });

  it('a locked table costs a quarter of a second and is said', async () => {
    await granted(async () => {
      const source = open(BACKLOG, query('answer', 'SELECT 42'));
      await session(async (client) => {
        await client.query('BEGIN; LOCK TABLE search.outbox IN ACCESS EXCLUSIVE MODE');
        const started = performance.now();
        const locked = await poll(source);
        expect(performance.now() - started).toBeLessThan(2_000);
        expect(figures(locked)).toEqual([['answer', {}, 42]]);
        expect(locked.blind).toMatchObject([
          { check: 'outbox_backlog', because: 'timeout', detail: expect.stringContaining('(SQLSTATE 55P03)') },
        ]);
        await client.query('ROLLBACK');
      });
      expect((await poll(source, NOW + MINUTE)).blind).toEqual([]);
    });
  });

  it('each has a period of its own, and never two run at once', async () => {
    await granted(async () => {
      const quick = query(
        'quick',
        'SELECT count(*) FROM pg_stat_activity WHERE usename = current_user AND state = $$active$$',
        {
          periodMs: 10_000,
        },
      );
      const slow = query('each_minute', 'SELECT 1 FROM pg_sleep(0.02)');
      const source = open(quick, slow, { ...quick, signal: 'quick_too' });
      const names: string[][] = [];
      for (let n = 0; n <= 6; n += 1) {
        const result = await poll(source, NOW + n * 10_000);
        names.push(result.series.map(({ signal: name }) => name).sort());
        for (const [name, , value] of figures(result)) if (name !== 'each_minute') expect(value).toBe(1);
      }
      const two = ['quick', 'quick_too'];
      const three = ['each_minute', ...two];
      expect(names).toEqual([three, two, two, two, two, two, three]);
    });
  });

  it('a result that is far too large is cut by the server, not by us', async () => {
    const source = open(
      query('wide', "SELECT repeat('x', 50000000) AS text, 1 AS n", { labels: ['text'], column: 'n' }),
      query('long', 'SELECT n, n::text AS label FROM generate_series(1, 100000000) n', { labels: ['label'] }),
    );
    const before = process.memoryUsage().rss;
    const { series, blind } = await poll(source);
    expect(
      blind.map(({ check, detail }) => [
        check,
        /more than 20000 characters|more than 50 rows|SQLSTATE 57014/.test(detail),
      ]),
    ).toEqual([
      ['wide', true],
      ['long', true],
    ]);
    expect(series.every(({ signal: name }) => name === 'long')).toBe(true);
    expect(process.memoryUsage().rss - before).toBeLessThan(100_000_000);
  });

  it('a server that is gone is an error of the poll, and what was blind is seen again when it is back', async () => {
    const source = open(query('answer', 'SELECT 42'));
    expect(figures(await poll(source))).toEqual([['answer', {}, 42]]);
    await world.primary.stop('fast');
    await expect(poll(source, NOW + MINUTE)).rejects.toMatchObject({ code: 'POSTGRES_CONNECT' });
    await world.primary.start();
    const back = await poll(source, NOW + 2 * MINUTE);
    expect(figures(back)).toEqual([['answer', {}, 42]]);
    expect(back.blind).toEqual([]);
  });
});
