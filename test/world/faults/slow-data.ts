import { type Callers, startCallers } from '../callers.ts';
import type { PostgresServer } from '../server.ts';
import { statementStats, waitForChange } from '../statements.ts';
import { type Expectation, type Fault, injecting, preparation, sessionsFor } from './fault.ts';
import { slowFacts, steadyCalls } from './slow.ts';

const expect = (variant: string): Expectation => ({ detector: 'slow-queries', cause: 'slow-query', variant });

const reconcileSql =
  'SELECT count(*) AS matched, sum(i.amount_cents) AS cents FROM shipments s ' +
  'JOIN invoices i ON i.batch = s.batch AND i.order_id = s.order_id WHERE s.batch = $1';

export interface SlowStatisticsOptions {
  /** Rows that the load adds to each of the two tables. Default 100,000. */
  readonly rows?: number;
}

/**
 * Two tables of fifty small batches get a load of large ones, and nobody analyzes them. The planner takes a batch that
 * its statistics do not know for one row, and reads every invoice of it again for every shipment of it.
 */
export function slowStatistics({ rows = 100_000 }: SlowStatisticsOptions = {}): Fault {
  const perBatch = 700;
  const tables = ['shipments', 'invoices'] as const;
  const { prepare, take } = preparation(async ({ primary }, undo) => {
    undo.defer(async () => {
      await primary.admin('DROP TABLE IF EXISTS public.shipments, public.invoices');
    });
    for (const table of tables) {
      await primary.admin(
        `CREATE TABLE public.${table} (batch integer NOT NULL, order_id integer NOT NULL, amount_cents integer NOT NULL)
         WITH (autovacuum_enabled = off)`,
      );
      await primary.admin(`ALTER TABLE public.${table} OWNER TO app`);
      await primary.admin(
        `INSERT INTO public.${table} SELECT 1 + n / 20, n, n * 7 % 5000 FROM generate_series(0, 999) AS n`,
      );
      await primary.admin(`CREATE INDEX ${table}_batch_idx ON public.${table} (batch)`);
      await primary.admin(`VACUUM ANALYZE public.${table}`);
    }
    const state = { firstBatch: 1, batches: 50 };
    const healthyMs = await steadyCalls(undo, primary, reconcileSql, {
      applicationName: 'billing-worker',
      clients: 2,
      perSecond: 4,
      call: (client, number) => client.query(reconcileSql, [state.firstBatch + (number % state.batches)]),
    });
    return { state, healthyMs };
  });
  return {
    name: 'slow-statistics',
    title: 'a bulk load made the statistics of two tables worthless, and their join a nested loop',
    expect: expect('stale-statistics'),
    prepare,
    inject: (world) =>
      injecting(world, async (undo) => {
        const { primary } = world;
        const { state, healthyMs } = await take(world, undo);
        const [load] = await sessionsFor(undo, primary, 'bulk-load');
        for (const table of tables) {
          await load!.query(
            `INSERT INTO ${table} SELECT 100 + n / ${perBatch}, 1000 + n, n % 5000 FROM generate_series(0, $1 - 1) AS n`,
            [rows],
          );
        }
        undo.defer(async () => {
          for (const table of tables) await primary.admin(`ANALYZE public.${table}`);
          await waitForQuick(primary, reconcileSql);
        });
        const from = await statementStats(primary, reconcileSql);
        state.firstBatch = 100;
        state.batches = Math.max(1, Math.floor(rows / perBatch));
        return { table: 'public.shipments', ...(await slowFacts(primary, reconcileSql, healthyMs, from)) };
      }),
  };
}

// In memory: a hash of the hidden ids and a sort of wide rows. With work_mem at its minimum the sort goes through a
// temporary file, and so does the list of ids, which no longer may be hashed and is read again for every document.
const visibleSql =
  'SELECT id, body FROM search.documents WHERE id NOT IN (SELECT document_id FROM search.hidden) ' +
  'ORDER BY clicks DESC OFFSET $1';

/** `work_mem` of the application was lowered to its minimum; sorts that fitted into memory go through files. */
export function slowTempSpill(): Fault {
  const { prepare, take } = preparation(async ({ primary }, undo) => {
    undo.defer(async () => {
      await primary.admin('DROP TABLE IF EXISTS search.documents, search.hidden');
    });
    await primary.admin(
      `CREATE TABLE search.documents AS
       SELECT n AS id, n * 7919 % 6007 AS clicks, repeat('word' || n || ' ', 200) AS body
       FROM generate_series(1, 200) AS n`,
    );
    await primary.admin(
      'CREATE TABLE search.hidden AS SELECT 100000 + n AS document_id FROM generate_series(1, 4200) AS n',
    );
    for (const table of ['search.documents', 'search.hidden']) {
      await primary.admin(`ALTER TABLE ${table} OWNER TO app`);
      await primary.admin(`VACUUM ANALYZE ${table}`);
    }
    const call: Parameters<typeof startCallers>[1] = {
      applicationName: 'search-api',
      clients: 2,
      perSecond: 4,
      call: (client, number) => client.query(visibleSql, [180 + (number % 10)]),
    };
    await using first = new AsyncDisposableStack();
    const healthyMs = await steadyCalls(first, primary, visibleSql, call);
    return { healthyMs, deployment: redeployable(undo, primary, call, first.move()) };
  });
  return {
    name: 'slow-temp-spill',
    title: 'work_mem of the application was lowered, and frequent sorts spill to temporary files',
    expect: expect('temp-spill'),
    prepare,
    inject: (world) =>
      injecting(world, async (undo) => {
        const { primary } = world;
        const { healthyMs, deployment } = await take(world, undo);
        undo.defer(async () => {
          await primary.admin('ALTER ROLE app RESET work_mem');
          await deployment.again();
          await waitForQuick(primary, visibleSql);
        });
        await primary.admin("ALTER ROLE app SET work_mem = '64kB'");
        // A setting of a role counts for new sessions only.
        await deployment.again();
        const from = await statementStats(primary, visibleSql);
        const facts = await slowFacts(primary, visibleSql, healthyMs, from);
        const { tempBlocksWritten } = await waitForChange('the sorts to spill', primary, visibleSql, from, (change) => {
          return change.tempBlocksWritten > 0;
        });
        return { ...facts, tempBlocksWritten };
      }),
  };
}

// Calls whose sessions can be opened anew, as a deployment does.
function redeployable(
  undo: AsyncDisposableStack,
  server: PostgresServer,
  options: Parameters<typeof startCallers>[1],
  first: AsyncDisposableStack,
): { readonly again: () => Promise<void> } {
  let current: Callers | undefined;
  undo.use(first);
  undo.defer(() => current?.stop());
  return {
    again: async () => {
      await first.disposeAsync();
      await current?.stop();
      current = startCallers(server, options);
    },
  };
}

async function waitForQuick(server: PostgresServer, sql: string): Promise<void> {
  const before = await statementStats(server, sql);
  // Two calls may have begun before the cure.
  await waitForChange('the last slow calls to end', server, sql, before, ({ calls }) => calls >= 2);
  const from = await statementStats(server, sql);
  await waitForChange('the statement to be quick again', server, sql, from, ({ calls, meanMs }) => {
    return calls >= 4 && meanMs < 25;
  });
}
