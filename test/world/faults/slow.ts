import { setTimeout as sleep } from 'node:timers/promises';
import { type CallersOptions, startCallers } from '../callers.ts';
import type { PostgresServer } from '../server.ts';
import { openSession } from '../sessions.ts';
import { type StatementStats, statementStats, waitForChange } from '../statements.ts';
import { listOrdersSql } from '../workload.ts';
import { type Expectation, type Fault, injecting, preparation } from './fault.ts';

const expect = (variant: string): Expectation => ({ detector: 'slow-queries', cause: 'slow-query', variant });

/** The part of the text that `pg_stat_statements` leaves as it is: it writes the 20 of the limit as a parameter. */
const listOrdersBeginning = listOrdersSql.slice(0, listOrdersSql.indexOf(' LIMIT'));

export interface SlowPlanOptions {
  /** Rows of `orders` to have before the index goes. Default 300,000, for some 30 to 60 ms a call. */
  readonly rows?: number;
}

/** Somebody dropped the index of the order listing. The rows that the fault adds to `orders` stay. */
export function slowPlan({ rows = 300_000 }: SlowPlanOptions = {}): Fault {
  const { prepare, take } = preparation(async ({ primary }, undo) => {
    await growOrders(primary, rows);
    return steadyCalls(undo, primary, listOrdersBeginning, {
      applicationName: 'catalog-api',
      clients: 2,
      perSecond: 6,
      call: (client, number) => client.query(listOrdersSql, [1 + (number % 1_000)]),
    });
  });
  return {
    name: 'slow-plan',
    title: 'the index of the order listing is gone, and its plan reads the whole table',
    expect: expect('plan-change'),
    prepare,
    inject: (world) =>
      injecting(world, async (undo) => {
        const { primary } = world;
        const healthyMs = await take(world, undo);
        const index = 'orders_customer_id_placed_at_idx';
        undo.defer(async () => {
          await primary.admin(`CREATE INDEX IF NOT EXISTS ${index} ON public.orders (customer_id, placed_at DESC)`);
          const from = await statementStats(primary, listOrdersBeginning);
          await waitForChange('the listing to be quick', primary, listOrdersBeginning, from, ({ calls, meanMs }) => {
            return calls >= 5 && meanMs < 10;
          });
        });
        await primary.admin(`DROP INDEX public.${index}`);
        return slowFacts(primary, listOrdersBeginning, healthyMs);
      }),
  };
}

const recommendationsSql =
  'SELECT c.city, i.sku, count(DISTINCT o.customer_id) AS buyers, sum(i.quantity * i.price_cents) AS cents ' +
  'FROM order_items i JOIN orders o ON o.id = i.order_id JOIN customers c ON c.id = o.customer_id ' +
  'WHERE o.total_cents > $1 GROUP BY c.city, i.sku ORDER BY buyers DESC, cents DESC';

/** A release brings a heavy statement that was never seen before. */
export function slowNewQuery(): Fault {
  return {
    name: 'slow-new-query',
    title: 'a new heavy statement of recommendations-api takes most of the time of the database',
    expect: expect('new-query'),
    inject: (world) =>
      injecting(world, async (undo) => {
        const { primary } = world;
        const from = await statementStats(primary, recommendationsSql);
        const callers = startCallers(primary, {
          applicationName: 'recommendations-api',
          clients: 2,
          perSecond: 8,
          call: (client, number) => client.query(recommendationsSql, [1_000 + (number % 1_000)]),
        });
        undo.defer(() => callers.stop());
        const { meanMs, share } = await waitForChange(
          'the new statement to take most of the time',
          primary,
          recommendationsSql,
          from,
          (change) => change.calls >= 8 && change.share > 0.5,
        );
        const { queryid } = await statementStats(primary, recommendationsSql);
        return { queryid, query: recommendationsSql, meanMs: round(meanMs), share: round(share) };
      }),
  };
}

const itemsSql = 'SELECT id, sku, quantity, price_cents FROM order_items WHERE order_id = $1';

/** A page that read the items of one order now asks once for each of twenty. */
export function slowNPlusOne(): Fault {
  const perSecond = 5;
  const after = 20;
  const { prepare, take } = preparation(async ({ primary }, undo) => {
    const state = { callsPerRequest: 1 };
    const healthyMs = await steadyCalls(undo, primary, itemsSql, {
      applicationName: 'catalog-api',
      clients: 2,
      perSecond,
      call: async (client, number) => {
        for (let item = 0; item < state.callsPerRequest; item += 1) {
          await client.query(itemsSql, [1 + ((number + item * 37) % 8_000)]);
        }
      },
    });
    return { state, healthyMs };
  });
  return {
    name: 'slow-n-plus-one',
    title: 'a page of catalog-api asks for each item by itself: twenty times the calls, each as quick as before',
    expect: { detector: 'slow-queries', cause: 'n-plus-one' },
    prepare,
    inject: (world) =>
      injecting(world, async (undo) => {
        const { primary } = world;
        const { state, healthyMs } = await take(world, undo);
        undo.defer(async () => {
          state.callsPerRequest = 1;
          // Until the last request of twenty is through.
          await sleep(1000 / perSecond);
        });
        const from = await statementStats(primary, itemsSql);
        const began = performance.now();
        state.callsPerRequest = after;
        const { calls, meanMs } = await waitForChange('the calls to multiply', primary, itemsSql, from, (change) => {
          const seconds = (performance.now() - began) / 1000;
          return seconds >= 1 && change.calls / seconds > perSecond * after * 0.6;
        });
        const callsPerSecond = round(calls / ((performance.now() - began) / 1000));
        return { queryid: from.queryid, query: itemsSql, callsPerSecond, meanMs: round(meanMs), healthyMs };
      }),
  };
}

/**
 * Starts calls that end with the fault, and waits for the first eight. Returns their mean time in milliseconds,
 * as the server counts it.
 */
export async function steadyCalls(
  undo: AsyncDisposableStack,
  server: PostgresServer,
  beginning: string,
  options: CallersOptions,
): Promise<number> {
  const from = await statementStats(server, beginning);
  const callers = startCallers(server, options);
  undo.defer(() => callers.stop());
  const { meanMs } = await waitForChange('the calls to begin', server, beginning, from, ({ calls }) => calls >= 8);
  return round(meanMs);
}

/** Waits until the statement's mean is at least twice what it was and 20 ms more, over five calls. */
export async function slowFacts(
  server: PostgresServer,
  beginning: string,
  healthyMs: number,
  from?: StatementStats,
): Promise<Readonly<Record<string, string | number>>> {
  const since = from ?? (await statementStats(server, beginning));
  const { meanMs } = await waitForChange('the statement to be slow', server, beginning, since, (change) => {
    return change.calls >= 5 && change.meanMs >= Math.max(2 * healthyMs, healthyMs + 20);
  });
  return { queryid: since.queryid, query: beginning, healthyMs, meanMs: round(meanMs) };
}

const round = (value: number): number => Math.round(value * 100) / 100;

// Without the triggers of the foreign key, which would take most of the time, and without an entry among the
// statements, where it would look like a fault of its own.
async function growOrders(server: PostgresServer, rows: number): Promise<void> {
  const [row] = await server.admin<{ n: number }>('SELECT count(*)::int AS n FROM public.orders');
  const missing = rows - (row?.n ?? 0);
  if (missing <= 0) return;
  const session = await openSession(server, 'world-admin', 'admin');
  try {
    await session.query("SET pg_stat_statements.track = 'none'");
    await session.query('SET session_replication_role = replica');
    await session.query(
      `INSERT INTO public.orders (customer_id, status, total_cents, placed_at, note)
       SELECT 1 + n * 7919::bigint % 1000, 'delivered', n % 20000, now() - interval '30 days' - n * interval '1 minute', 'old shop'
       FROM generate_series(1, $1) AS n`,
      [missing],
    );
    // Now, lest autovacuum does it in the middle of a test.
    await session.query('VACUUM ANALYZE public.orders');
  } finally {
    await session.close();
  }
}
