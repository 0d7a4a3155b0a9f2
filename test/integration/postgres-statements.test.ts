import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { StatementsAnswer } from '../../src/model/postgres.ts';
import type { Series } from '../../src/model/series.ts';
import { parseEndpoint } from '../../src/sources/postgres/endpoint.ts';
import { createServer, type ManagedServer } from '../../src/sources/postgres/server.ts';
import { createStatementsCollector, STATEMENTS_SIGNALS } from '../../src/sources/postgres/statements.ts';
import { type PostgresWorld, startPostgres } from '../world/postgres.ts';
import { waitUntil } from '../world/wait.ts';

const MINUTE = 60_000;
const signal = new AbortController().signal;
const opened: ManagedServer[] = [];

function serverAt(url: string): ManagedServer {
  const server = createServer({
    target: 'main-db',
    database: 'main-db',
    replica: null,
    endpoint: parseEndpoint('main-db', url),
  });
  opened.push(server);
  return server;
}

const question = (from: number, to: number) =>
  ({ kind: 'postgres.statements', target: 'main-db', window: { from, to }, params: {} }) as const;

const latest = (series: readonly Series[], name: string, queryid?: string): number | undefined =>
  series.find((each) => each.signal === name && each.labels['queryid'] === queryid)?.values[0];

async function appRuns(world: PostgresWorld, sql: string, times: number, params: unknown[] = []): Promise<void> {
  const client = new pg.Client({ connectionString: world.primary.appUrl('checkout-api') });
  await client.connect();
  try {
    for (let time = 0; time < times; time += 1) await client.query(sql, params);
  } finally {
    await client.end();
  }
}

describe.each([18, 15] as const)('statements of PostgreSQL %i', (version) => {
  let world: PostgresWorld;
  beforeAll(async () => {
    world = await startPostgres({ version });
  });
  // The role has three connections, and every server below takes one.
  afterEach(async () => {
    for (const server of opened.splice(0)) await server.connection.close();
    await waitUntil('our sessions to end', async () => {
      const left = await world.primary.admin("SELECT 1 FROM pg_stat_activity WHERE usename = 'runbookd'");
      return left.length === 0;
    });
  });
  afterAll(async () => {
    await world?.[Symbol.asyncDispose]();
  });

  const answered = async (
    collector: ReturnType<typeof createStatementsCollector>,
    from: number,
    to: number,
  ): Promise<StatementsAnswer> => {
    const answer = await collector.answers['postgres.statements']?.(question(from, to), to, signal);
    if (answer?.state !== 'answered') throw new Error(`not answered: ${JSON.stringify(answer)}`);
    return answer.value;
  };

  it('gives rates and means of what ran between two polls, and says what is new', async () => {
    const collector = createStatementsCollector(serverAt(world.primary.monitorUrl), { periodMs: MINUTE });
    const start = Date.now();
    const old = "SELECT count(*) FROM customers WHERE city = 'Lisbon'";
    await appRuns(world, old, 10);
    const first = await collector.poll(start, signal);
    expect(first).toEqual({ series: [], changes: [], blind: [] });

    await appRuns(world, old, 5);
    await appRuns(world, 'SELECT pg_sleep(0.02), $1::int AS new_one', 10, [7]);
    const { series, blind } = await collector.poll(start + MINUTE, signal);
    expect(blind).toEqual([]);

    const answer = await answered(collector, start, start + MINUTE + 1);
    const slow = answer.top.find(({ text }) => text?.includes('new_one'));
    const known = answer.top.find(({ text }) => text?.includes('city'));
    expect(slow).toMatchObject({
      text: 'SELECT pg_sleep($2), $1::int AS new_one',
      calls: 10,
      database: 'rastup',
      user: 'app',
      rowsPerCall: 1,
      before: { basis: 'none', calls: 0 },
      firstSeenAt: expect.any(Number),
    });
    expect(slow?.meanMs).toBeGreaterThan(19);
    expect(slow?.share).toBeGreaterThan(0.5);
    expect(known).toMatchObject({ calls: 5, before: { basis: 'lifetime', calls: 10 } });
    expect(known?.blocksPerCall).toBeGreaterThan(1);
    expect(JSON.stringify(answer)).not.toContain('Lisbon');

    expect(latest(series, 'statement_calls', slow?.queryid)).toBe(10);
    expect(latest(series, 'statement_mean_ms', slow?.queryid)).toBeCloseTo(slow?.meanMs ?? 0, 3);
    expect(latest(series, 'statement_share', slow?.queryid)).toBeGreaterThan(0.5);
    expect(latest(series, 'statement_known_seconds', slow?.queryid)).toBeGreaterThanOrEqual(0);
    expect(latest(series, 'statement_lifetime_calls', slow?.queryid)).toBe(0);
    expect(latest(series, 'statement_lifetime_mean_ms', slow?.queryid)).toBeUndefined();
    expect(latest(series, 'statement_lifetime_calls', known?.queryid)).toBe(10);
    expect(latest(series, 'statement_calls_per_second', known?.queryid)).toBeCloseTo(5 / 60, 6);
    expect(latest(series, 'statement_time_ms_per_second')).toBeGreaterThan(200 / 60);
    const signals = new Set(STATEMENTS_SIGNALS.map((each) => each.signal));
    for (const each of series) expect(signals).toContain(each.signal);

    const texts = await collector.topStatements({ from: start, to: start + MINUTE }, start + MINUTE, signal);
    expect(texts[0]).toContain('new_one');
  });

  it('leaves our own statements out, and keeps them when others log in with our role', async () => {
    const collector = createStatementsCollector(serverAt(world.primary.monitorUrl), { periodMs: MINUTE });
    const start = Date.now();
    for (const at of [0, MINUTE, 2 * MINUTE]) await collector.poll(start + at, signal);
    const own = await answered(collector, start, start + 3 * MINUTE);
    expect(own.top.filter(({ user }) => user === 'runbookd')).toEqual([]);

    const shared = createStatementsCollector(serverAt(world.primary.appUrl('runbookd')), { periodMs: MINUTE });
    const other = new pg.Client({ connectionString: world.primary.appUrl('checkout-api') });
    await other.connect();
    try {
      await world.primary.admin('GRANT pg_monitor TO app');
      await shared.poll(start, signal);
      await other.query('SELECT 1 AS of_the_same_role');
      const seen = await answered(shared, start, start + MINUTE);
      expect(seen.top.some(({ text }) => text?.includes('of_the_same_role'))).toBe(true);
    } finally {
      await world.primary.admin('REVOKE pg_monitor FROM app');
      await other.end();
    }
  });

  it('compares with the ten minutes before once there are enough calls', async () => {
    const collector = createStatementsCollector(serverAt(world.primary.monitorUrl), { periodMs: MINUTE });
    const start = Date.now();
    const sql = 'SELECT max(total_cents) FROM orders WHERE customer_id = $1';
    await collector.poll(start, signal);
    for (let minute = 1; minute <= 11; minute += 1) {
      await appRuns(world, sql, 3, [minute]);
      await collector.poll(start + minute * MINUTE, signal);
    }
    await appRuns(world, sql, 9, [3]);
    const answer = await answered(collector, start + 11 * MINUTE, start + 12 * MINUTE);
    const one = answer.top.find(({ text }) => text?.includes('max(total_cents)'));
    expect(one).toMatchObject({ calls: 9, callsPerSecond: 9 / 60, before: { basis: 'baseline', calls: 33 } });
    expect(one?.before.callsPerSecond).toBeCloseTo(33 / (11 * 60), 6);
    expect(answer.totalCallsPerSecondBefore).toBeGreaterThan(0);

    const restored = createStatementsCollector(serverAt(world.primary.monitorUrl), { periodMs: MINUTE });
    restored.restore(JSON.parse(JSON.stringify(collector.snapshot())));
    const again = await answered(restored, start + 11 * MINUTE, start + 12 * MINUTE);
    expect(again.top.find(({ queryid }) => queryid === one?.queryid)?.before).toEqual(one?.before);
  });

  it('gives no difference over a reset or a restart, and reports the reset as a change', async () => {
    const server = serverAt(world.primary.monitorUrl);
    const collector = createStatementsCollector(server, { periodMs: MINUTE });
    const start = Date.now();
    await collector.poll(start, signal);
    await world.primary.admin('SELECT pg_stat_statements_reset()');
    const reset = await collector.poll(start + MINUTE, signal);
    expect(reset.series).toEqual([]);
    expect(reset.changes).toMatchObject([{ kind: 'stats_reset', target: 'main-db' }]);
    const after = await collector.poll(start + 2 * MINUTE, signal);
    expect(after.changes).toEqual([]);
    expect(latest(after.series, 'statement_time_ms_per_second')).toBeGreaterThanOrEqual(0);

    await world.primary.restart();
    const restarted = await collector.poll(start + 3 * MINUTE, signal);
    expect(restarted).toEqual({ series: [], changes: [], blind: [] });
  });

  it('says what is missing, with the cure, for every way to be blind', async () => {
    const plain = new URL(world.primary.monitorUrl);
    await world.primary.admin("CREATE ROLE plain LOGIN PASSWORD 'world-plain'");
    plain.username = 'plain';
    plain.password = 'world-plain';
    const denied = createStatementsCollector(serverAt(plain.href), { periodMs: MINUTE });
    const hidden = await denied.poll(Date.now(), signal);
    expect(hidden.series).toEqual([]);
    expect(hidden.blind).toMatchObject([{ because: 'denied', grant: 'GRANT pg_monitor TO plain;' }]);
    const answer = await denied.answers['postgres.statements']?.(question(0, Date.now()), Date.now(), signal);
    expect(answer).toMatchObject({ state: 'unknown', because: 'denied', grant: 'GRANT pg_monitor TO plain;' });

    const monitor = createStatementsCollector(serverAt(world.primary.monitorUrl), { periodMs: MINUTE });
    await world.primary.admin('DROP EXTENSION pg_stat_statements');
    try {
      const { blind } = await monitor.poll(Date.now(), signal);
      expect(blind).toMatchObject([{ because: 'not_configured', grant: 'CREATE EXTENSION pg_stat_statements;' }]);
    } finally {
      await world.primary.admin('CREATE SCHEMA "Odd one"');
      await world.primary.admin('CREATE EXTENSION pg_stat_statements SCHEMA "Odd one"');
    }
    const closed = await monitor.poll(Date.now(), signal);
    expect(closed.blind).toMatchObject([{ because: 'denied' }]);
    await world.primary.admin(closed.blind[0]?.grant ?? '');
    expect((await monitor.poll(Date.now(), signal)).blind).toEqual([]);
    await world.primary.admin('ALTER EXTENSION pg_stat_statements SET SCHEMA public');
  });

  it('reads 5,000 entries in tens of milliseconds', async () => {
    // Constants are not part of a queryid, operators are.
    const sums = Array.from({ length: 4_600 }, (_, n) => {
      const operators = n.toString(4).padStart(7, '0');
      return `PERFORM 1${[...operators].map((digit) => ` ${'+-*%'[Number(digit)]} 1`).join('')};`;
    });
    await world.primary.admin("SET pg_stat_statements.track = 'all'");
    await world.primary.admin(`DO $$ BEGIN ${sums.join(' ')} END $$`);
    const [count] = await world.primary.admin<{ n: number }>('SELECT count(*)::int AS n FROM pg_stat_statements');
    expect(count?.n).toBeGreaterThan(4_500);
    const collector = createStatementsCollector(serverAt(world.primary.monitorUrl), { periodMs: MINUTE });
    const start = Date.now();
    await collector.poll(start, signal);
    const times: number[] = [];
    for (let minute = 1; minute <= 5; minute += 1) {
      const began = performance.now();
      await collector.poll(start + minute * MINUTE, signal);
      times.push(performance.now() - began);
    }
    // The whole poll, ours included, on whatever machine runs this; the server's part is measured in test/bench.
    expect(times.sort((a, b) => a - b)[2]).toBeLessThan(1_000);
    const [cost] = await world.primary.admin<{ mean: number; rows: number }>(
      `SELECT mean_exec_time AS mean, rows / calls AS rows FROM pg_stat_statements
       WHERE query LIKE '%temp_blks_written%pg_stat_statements($%' AND userid = 'runbookd'::regrole ORDER BY calls DESC`,
    );
    expect(cost?.mean).toBeLessThan(100);
    expect(JSON.stringify(collector.snapshot()).length).toBeLessThan(2_000_000);
  });
});

it('says that the library is not loaded', async () => {
  await using world = await startPostgres({ settings: { shared_preload_libraries: '' } });
  const server = serverAt(world.primary.monitorUrl);
  const collector = createStatementsCollector(server, { periodMs: MINUTE });
  const { blind } = await collector.poll(Date.now(), signal);
  expect(blind).toMatchObject([
    { because: 'not_configured', grant: expect.stringContaining('shared_preload_libraries') },
  ]);
  await server.connection.close();
});
