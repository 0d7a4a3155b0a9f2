import type { PoolClient } from 'pg';
import { type Callers, startCallers } from './callers.ts';
import type { PostgresServer } from './server.ts';

export interface WorkloadOptions {
  /** Sessions on the primary, shared out between the applications. Default 6; at least one per application. */
  readonly clients?: number;
  /** Transactions per second, of all applications together. Default 60. */
  readonly perSecond?: number;
  /** One application of this name makes all calls. Default: three applications share them. */
  readonly applicationName?: string;
  /** Readings of the catalogue go here, as `catalog-api`, with a third more of `perSecond`. */
  readonly replica?: PostgresServer;
}

export interface WorkloadStats {
  readonly transactions: number;
  readonly errors: number;
}

export interface Workload {
  readonly stop: () => Promise<void>;
  readonly stats: () => WorkloadStats;
}

const customers = 1_000;
const orders = 8_000;
const random = (upTo: number): number => 1 + Math.floor(Math.random() * upTo);

const readCustomer = (client: PoolClient): Promise<unknown> =>
  client.query('SELECT id, email, name, city FROM customers WHERE id = $1', [random(customers)]);

const readOrder = (client: PoolClient): Promise<unknown> =>
  client.query('SELECT o.*, c.name FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.id = $1', [
    random(orders),
  ]);

const listOrders = (client: PoolClient): Promise<unknown> => client.query(listOrdersSql, [random(customers)]);

/** The order listing, which lives on the index `orders_customer_id_placed_at_idx`. */
export const listOrdersSql =
  'SELECT id, status, total_cents, placed_at FROM orders WHERE customer_id = $1 ORDER BY placed_at DESC LIMIT 20';

const sumOfCity = (client: PoolClient): Promise<unknown> =>
  client.query(
    `SELECT c.city, count(*) AS orders, sum(o.total_cents) AS total_cents
     FROM customers c JOIN orders o ON o.customer_id = c.id
     WHERE c.id BETWEEN $1 AND $1 + 50 GROUP BY c.city ORDER BY c.city`,
    [random(customers - 50)],
  );

const placeOrder = async (client: PoolClient): Promise<void> => {
  await client.query('BEGIN');
  const { rows } = await client.query<{ id: string }>(
    "INSERT INTO orders (customer_id, status, total_cents, note) VALUES ($1, 'placed', $2, 'web') RETURNING id",
    [random(customers), random(20_000)],
  );
  const id = rows[0]?.id;
  await client.query('INSERT INTO order_items (order_id, sku, quantity, price_cents) VALUES ($1, $2, 1, $3)', [
    id,
    `SKU-${random(500)}`,
    random(5_000),
  ]);
  await client.query("INSERT INTO search.outbox (payload) VALUES (jsonb_build_object('order', $1::bigint))", [id]);
  await client.query('COMMIT');
};

const payOrder = async (client: PoolClient): Promise<void> => {
  await client.query('BEGIN');
  await client.query("UPDATE orders SET status = 'paid' WHERE id = $1", [random(orders)]);
  await client.query('COMMIT');
};

const drainOutbox = (client: PoolClient): Promise<unknown> =>
  client.query(
    `UPDATE search.outbox SET processed = true WHERE id IN
       (SELECT id FROM search.outbox WHERE NOT processed ORDER BY id LIMIT 10 FOR UPDATE SKIP LOCKED)`,
  );

type Call = (client: PoolClient) => Promise<unknown>;

// What each application does, in turns; a call that stands twice comes twice as often.
const applications: Readonly<Record<string, { readonly share: number; readonly calls: readonly Call[] }>> = {
  'checkout-api': { share: 0.4, calls: [readCustomer, placeOrder, listOrders, payOrder, readOrder] },
  'catalog-api': { share: 0.4, calls: [readCustomer, readOrder, listOrders, readOrder, sumOfCity] },
  'orders-worker': { share: 0.2, calls: [payOrder, drainOutbox, readOrder, payOrder] },
};

/**
 * A healthy mixed load as role `app`: point reads, the order listing, a small aggregate, inserts and updates in
 * transactions. It goes on through restarts, faults and cuts, and counts what fails.
 */
export function startWorkload(server: PostgresServer, options: WorkloadOptions = {}): Workload {
  const { clients = 6, perSecond = 60, applicationName, replica } = options;
  const turns = (calls: readonly Call[]) => (client: PoolClient, number: number) =>
    calls[number % calls.length]!(client);

  const callers: Callers[] = [];
  if (applicationName === undefined) {
    for (const [name, { share, calls }] of Object.entries(applications)) {
      callers.push(
        startCallers(server, {
          applicationName: name,
          clients: Math.max(1, Math.round(clients * share)),
          perSecond: perSecond * share,
          call: turns(calls),
        }),
      );
    }
  } else {
    const calls = Object.values(applications).flatMap((application) => application.calls);
    callers.push(startCallers(server, { applicationName, clients, perSecond, call: turns(calls) }));
  }
  if (replica !== undefined) {
    callers.push(
      startCallers(replica, {
        applicationName: applicationName ?? 'catalog-api',
        clients: Math.max(1, Math.round(clients / 3)),
        perSecond: perSecond / 3,
        call: turns([readCustomer, readOrder, listOrders]),
      }),
    );
  }

  return {
    stop: async () => {
      await Promise.all(callers.map((each) => each.stop()));
    },
    stats: () => {
      const all = callers.map((each) => each.stats());
      return {
        transactions: all.reduce((sum, { calls }) => sum + calls, 0),
        errors: all.reduce((sum, { errors }) => sum + errors, 0),
      };
    },
  };
}
