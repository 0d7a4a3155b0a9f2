import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { TablesAnswer } from '../../src/model/postgres.ts';
import { createCatalogCollector } from '../../src/sources/postgres/catalog.ts';
import type { Collector } from '../../src/sources/postgres/collector.ts';
import { parseEndpoint } from '../../src/sources/postgres/endpoint.ts';
import { createServer, type ManagedServer } from '../../src/sources/postgres/server.ts';
import { createStatementsCollector } from '../../src/sources/postgres/statements.ts';
import { restart, settingChanged } from '../world/faults/changes.ts';
import { type PostgresServer, type PostgresWorld, startPostgres } from '../world/postgres.ts';
import { waitUntil } from '../world/wait.ts';
import { listOrdersSql } from '../world/workload.ts';

const MINUTE = 60_000;
const signal = new AbortController().signal;
const opened: ManagedServer[] = [];

async function serverAt(url: string, replica: string | null = null): Promise<ManagedServer> {
  const target = replica === null ? 'main-db' : `main-db/${replica}`;
  const server = createServer({ target, database: 'main-db', replica, endpoint: parseEndpoint(target, url) });
  opened.push(server);
  await server.prepare(Date.now(), signal);
  return server;
}

async function closeAll(servers: readonly PostgresServer[]): Promise<void> {
  for (const server of opened.splice(0)) await server.connection.close();
  for (const server of servers) {
    await waitUntil('our sessions to end', async () => {
      const left = await server.admin("SELECT 1 FROM pg_stat_activity WHERE usename = 'runbookd'");
      return left.length === 0;
    });
  }
}

describe.each([18, 15] as const)('catalogue of PostgreSQL %i', (version) => {
  let world: PostgresWorld;
  beforeAll(async () => {
    world = await startPostgres({ version });
  });
  afterEach(() => closeAll([world.primary]));
  afterAll(async () => {
    await world?.[Symbol.asyncDispose]();
  });

  const collectorAt = async (): Promise<Collector> =>
    createCatalogCollector(await serverAt(world.primary.monitorUrl), { periodMs: MINUTE });

  it('tells of a recent start once, and of nothing while nothing changes', async () => {
    const collector = await collectorAt();
    const start = Date.now();
    const first = await collector.poll(start, signal);
    expect(first).toMatchObject({ series: [], blind: [], changes: [{ kind: 'restart', target: 'main-db' }] });
    expect(first.changes[0]?.at.latest).toBeLessThanOrEqual(start);
    for (const minute of [1, 11, 22]) {
      expect((await collector.poll(start + minute * MINUTE, signal)).changes).toEqual([]);
    }
    const other = await collectorAt();
    expect((await other.poll(start + 23 * MINUTE, signal)).changes[0]?.id).toBe(first.changes[0]?.id);
  });

  it('reports a changed setting with its values, and its way back', async () => {
    const collector = await collectorAt();
    const start = Date.now();
    await collector.poll(start, signal);
    const fault = await settingChanged().inject(world);
    const changed = await collector.poll(start + MINUTE, signal);
    await fault.cure();
    const back = await collector.poll(start + 2 * MINUTE, signal);
    expect(changed.changes).toMatchObject([
      { kind: 'setting', summary: 'work_mem 4MB → 8MB', at: { earliest: start, latest: start + MINUTE } },
    ]);
    expect(back.changes).toMatchObject([{ kind: 'setting', summary: 'work_mem 8MB → 4MB' }]);
  });

  it('reports settings of roles, those that our own session overrides, and those that wait for a restart', async () => {
    const collector = await collectorAt();
    const start = Date.now();
    await collector.poll(start, signal);
    const admin = world.primary.admin;
    const visible = (name: string, value: string) =>
      waitUntil(name, async () => {
        const rows = await admin('SELECT 1 FROM pg_settings WHERE name = $1 AND reset_val = $2', [name, value]);
        return rows.length === 1;
      });
    await admin("ALTER ROLE app SET work_mem = '64kB'");
    await admin("ALTER DATABASE rastup SET random_page_cost = '9'");
    await admin("ALTER SYSTEM SET lock_timeout = '3s'");
    await admin("ALTER SYSTEM SET max_connections = '50'");
    await admin('SELECT pg_reload_conf()');
    await visible('lock_timeout', '3000');
    const { changes } = await collector.poll(start + MINUTE, signal);
    await admin("ALTER ROLE app SET work_mem = '1MB'");
    await admin('ALTER ROLE app RESET random_page_cost');
    for (const sql of ['ALTER DATABASE rastup RESET ALL', 'ALTER SYSTEM RESET ALL', 'SELECT pg_reload_conf()']) {
      await admin(sql);
    }
    await visible('lock_timeout', '0');
    const later = await collector.poll(start + 2 * MINUTE, signal);
    await admin('ALTER ROLE app RESET ALL');
    expect(changes.map(({ summary }) => summary)).toEqual([
      'database rastup: random_page_cost unset → 9',
      'lock_timeout 0 → 3s',
      'max_connections was changed in the configuration and waits for a restart',
      'role app: work_mem unset → 64kB',
    ]);
    expect(later.changes.map(({ summary }) => summary)).toEqual([
      'database rastup: random_page_cost 9 → unset',
      'lock_timeout 3s → 0',
      'role app: work_mem 64kB → 1MB',
    ]);
  });

  it('never holds the value of a setting that may be secret', async () => {
    const collector = await collectorAt();
    const start = Date.now();
    await collector.poll(start, signal);
    const secrets: Readonly<Record<string, string>> = {
      archive_command: 'curl https://user:cAnAry@host',
      primary_conninfo: 'host=h password=cAnAry',
      'app.jwt_secret': 'cAnAry',
    };
    for (const [name, value] of Object.entries(secrets)) {
      if (name.includes('.')) await world.primary.admin(`ALTER ROLE app SET ${name} = '${value}'`);
      else await world.primary.admin(`ALTER SYSTEM SET ${name} = '${value}'`);
    }
    await world.primary.admin('SELECT pg_reload_conf()');
    await waitUntil('the setting', async () => {
      const rows = await world.primary.admin(
        "SELECT 1 FROM pg_settings WHERE name = 'archive_command' AND reset_val <> ''",
      );
      return rows.length === 1;
    });
    const { changes } = await collector.poll(start + MINUTE, signal);
    await world.primary.admin('ALTER SYSTEM RESET ALL');
    await world.primary.admin('SELECT pg_reload_conf()');
    await world.primary.admin('ALTER ROLE app RESET ALL');
    expect(changes.map(({ summary }) => summary)).toEqual([
      'archive_command changed',
      'primary_conninfo changed',
      'role app: app.jwt_secret changed',
    ]);
    expect(JSON.stringify([changes, collector.snapshot()])).not.toMatch(/canary/i);
  });

  it('reports dropped, created and invalid indexes at its next look', async () => {
    const collector = await collectorAt();
    const start = Date.now();
    const admin = world.primary.admin;
    await collector.poll(start, signal);
    await admin('DROP INDEX public.order_items_order_id_idx');
    await admin('CREATE INDEX orders_status_idx ON public.orders (status)');
    await admin(
      "INSERT INTO public.customers (email, name, city) VALUES ('twin1', 'twin', 'x'), ('twin2', 'twin', 'x')",
    );
    await admin('CREATE UNIQUE INDEX CONCURRENTLY customers_name_idx ON public.customers (name)').catch(
      () => undefined,
    );
    const tooSoon = await collector.poll(start + MINUTE, signal);
    const { changes } = await collector.poll(start + 10 * MINUTE, signal);
    await admin('DROP INDEX public.customers_name_idx, public.orders_status_idx');
    await admin("DELETE FROM public.customers WHERE name = 'twin'");
    await admin('CREATE INDEX order_items_order_id_idx ON public.order_items (order_id)');
    expect(tooSoon.changes).toEqual([]);
    expect(changes.map(({ kind, summary, at }) => ({ kind, summary, at }))).toEqual(
      [
        'index public.order_items_order_id_idx on public.order_items was dropped',
        'index public.orders_status_idx on public.orders was created',
        'index public.customers_name_idx on public.customers is invalid',
      ].map((summary) => ({ kind: 'index', summary, at: { earliest: start, latest: start + 10 * MINUTE } })),
    );
  });

  it('answers with the tables of the statements with most time, and the index that they lost', async () => {
    const server = await serverAt(world.primary.monitorUrl);
    const statements = createStatementsCollector(server, { periodMs: MINUTE });
    const catalog = createCatalogCollector(server, { periodMs: MINUTE, topStatements: statements.topStatements });
    const start = Date.now();
    await statements.poll(start, signal);
    await catalog.poll(start, signal);

    await world.primary.admin('DROP INDEX public.orders_customer_id_placed_at_idx');
    const app = new pg.Client({ connectionString: world.primary.appUrl('checkout-api') });
    await app.connect();
    for (let id = 1; id <= 40; id += 1) await app.query(listOrdersSql, [id]);
    await app.query('SELECT count(*) FROM search.outbox WHERE NOT processed');
    await app.query('SELECT pg_stat_force_next_flush()').catch(() => undefined);
    await app.end();
    await waitUntil('the statistics', async () => {
      const rows = await world.primary.admin(
        "SELECT 1 FROM pg_stat_user_tables WHERE relname = 'orders' AND seq_scan >= 40",
      );
      return rows.length === 1;
    });

    const now = start + 2 * MINUTE;
    const restored = createCatalogCollector(server, { periodMs: MINUTE, topStatements: statements.topStatements });
    restored.restore(JSON.parse(JSON.stringify(catalog.snapshot())));
    for (const each of [catalog, restored]) {
      const { tables } = await tablesOf(each, start, now);
      const orders = tables.find(({ table }) => table === 'public.orders');
      expect(orders).toMatchObject({
        indexes: ['public.orders_pkey'],
        invalidIndexes: [],
        lostIndexes: [
          {
            name: 'public.orders_customer_id_placed_at_idx',
            definition:
              'CREATE INDEX orders_customer_id_placed_at_idx ON public.orders USING btree (customer_id, placed_at DESC)',
            seenAt: start,
            lostBy: now,
          },
        ],
      });
      expect(orders?.liveRows).toBeGreaterThan(7_000);
      expect(orders?.bytes).toBeGreaterThan(500_000);
      expect(tables.some(({ table }) => table === 'search.outbox')).toBe(true);
      if (each === restored) continue;
      expect(orders?.sequentialScansPerSecond).toBeGreaterThanOrEqual(40 / 120);
      expect(orders?.sequentialRowsPerScan).toBeGreaterThan(7_000);
    }
    const { changes } = await catalog.poll(now + MINUTE, signal);
    expect(changes).toMatchObject([{ kind: 'index', at: { earliest: start, latest: now } }]);
    await world.primary.admin(
      'CREATE INDEX orders_customer_id_placed_at_idx ON public.orders (customer_id, placed_at DESC)',
    );
    const healed = await tablesOf(catalog, start, now + 2 * MINUTE);
    expect(healed.tables.find(({ table }) => table === 'public.orders')?.lostIndexes).toEqual([]);
  });

  it('waits for no lock, even on a table under ACCESS EXCLUSIVE', async () => {
    const server = await serverAt(world.primary.monitorUrl);
    const names = async (): Promise<readonly string[]> => ['SELECT * FROM orders, search.outbox'];
    const collector = createCatalogCollector(server, { periodMs: MINUTE, topStatements: names });
    const holder = new pg.Client({ connectionString: world.primary.adminUrl });
    await holder.connect();
    try {
      await holder.query('BEGIN');
      await holder.query('LOCK TABLE public.orders, search.outbox IN ACCESS EXCLUSIVE MODE');
      await holder.query('ALTER INDEX public.orders_pkey SET (fillfactor = 80)');
      await holder.query('ALTER TABLE public.order_items ADD COLUMN extra integer');
      const start = Date.now();
      const began = performance.now();
      expect((await collector.poll(start, signal)).blind).toEqual([]);
      const { tables } = await tablesOf(collector, start, start + MINUTE);
      expect(tables.map(({ table }) => table).sort()).toEqual(['public.orders', 'search.outbox']);
      expect(performance.now() - began).toBeLessThan(2_000);
      expect(JSON.stringify(collector.snapshot())).toContain('CREATE UNIQUE INDEX customers_pkey');
      expect(JSON.stringify(collector.snapshot())).not.toContain('CREATE UNIQUE INDEX orders_pkey');
    } finally {
      await holder.query('ROLLBACK');
      await holder.end();
    }
    await collector.poll(Date.now() + 20 * MINUTE, signal);
    expect(JSON.stringify(collector.snapshot())).toContain('CREATE UNIQUE INDEX orders_pkey');
  });

  it('is not deceived by views and operators in public', async () => {
    const admin = world.primary.admin;
    await admin('CREATE VIEW public.pg_settings AS SELECT 1 AS name');
    await admin("CREATE FUNCTION public.evil(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT 1 / 0 = 1'");
    await admin('CREATE OPERATOR public.= (LEFTARG = text, RIGHTARG = text, FUNCTION = public.evil)');
    await admin('ALTER ROLE runbookd SET search_path = public, pg_catalog');
    try {
      const collector = await collectorAt();
      const start = Date.now();
      expect((await collector.poll(start, signal)).changes).toMatchObject([{ kind: 'restart' }]);
      expect((await collector.poll(start + 11 * MINUTE, signal)).changes).toEqual([]);
    } finally {
      await admin('ALTER ROLE runbookd RESET search_path');
      await admin('DROP OPERATOR public.= (text, text)');
      await admin('DROP FUNCTION public.evil');
      await admin('DROP VIEW public.pg_settings');
    }
  });

  it('says which settings are hidden from a role with nothing, and reads the rest', async () => {
    await world.primary.admin("CREATE ROLE plain LOGIN PASSWORD 'world-plain'");
    const url = new URL(world.primary.monitorUrl);
    url.username = 'plain';
    url.password = 'world-plain';
    const names = async (): Promise<readonly string[]> => ['SELECT * FROM orders'];
    const collector = createCatalogCollector(await serverAt(url.href), { periodMs: MINUTE, topStatements: names });
    const start = Date.now();
    const { blind } = await collector.poll(start, signal);
    expect(blind).toMatchObject([{ check: 'settings', because: 'denied', grant: 'GRANT pg_monitor TO plain;' }]);
    const { tables } = await tablesOf(collector, start, start + MINUTE);
    expect(tables).toMatchObject([{ table: 'public.orders' }]);
  });

  it('reports a restart at the time of the start', async () => {
    const collector = await collectorAt();
    const start = Date.now();
    await collector.poll(start, signal);
    await restart().inject(world);
    const now = Date.now();
    const { changes } = await collector.poll(now, signal);
    expect(changes).toMatchObject([{ kind: 'restart', summary: 'the server was started' }]);
    expect(changes[0]?.at.earliest).toBeGreaterThanOrEqual(start);
    expect(changes[0]?.at.latest).toBeLessThanOrEqual(now);
  });
});

async function tablesOf(collector: Collector, from: number, now: number): Promise<TablesAnswer> {
  const question = { kind: 'postgres.tables', target: 'main-db', window: { from, to: now }, params: {} } as const;
  const answer = await collector.answers['postgres.tables']!(question, now, signal);
  if (answer.state !== 'answered') throw new Error(`not answered: ${JSON.stringify(answer)}`);
  return answer.value;
}

it('reports a promotion as a failover, under the database', async () => {
  await using world = await startPostgres({ standby: true });
  const collector = createCatalogCollector(await serverAt(world.standby!.monitorUrl, 'replica-1'), {
    periodMs: MINUTE,
  });
  const start = Date.now();
  await collector.poll(start, signal);
  await world.standby!.admin('SELECT pg_promote()');
  const { changes } = await collector.poll(start + MINUTE, signal);
  expect(changes).toMatchObject([
    {
      kind: 'failover',
      target: 'main-db',
      summary: 'replica-1: standby → primary',
      at: { earliest: start, latest: start + MINUTE },
    },
  ]);
  await closeAll([]);
});
