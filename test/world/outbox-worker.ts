/** The worker of the outbox on a real server, and those who fill it: real sessions with real statements. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { OutboxWork } from './app-metrics/outbox.ts';
import { type OpenClient, openClient } from './clients.ts';
import type { PostgresServer } from './server.ts';

/** As it logs in. */
export const OUTBOX_WORKER = 'search-outbox-worker';

const FETCH = 'SELECT id, payload FROM search.outbox WHERE NOT processed ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED';
const FINISH = 'UPDATE search.outbox SET processed = true WHERE id = ANY ($1)';
const ADD = 'INSERT INTO search.outbox (payload) VALUES ($1)';
const BATCH = 10;
/** Longer than any of it takes: who is not done then waits for a lock, and is left to it. */
const PATIENCE_MS = 400;

/** Each call is one minute's work; what waits for a lock goes on by itself when that is given up. */
export function outboxWorker(server: PostgresServer, stack: AsyncDisposableStack) {
  const clients = new Map<string, OpenClient>();
  const busy = new Map<string, Promise<void>>();
  const close = async (name: string): Promise<void> => {
    const open = clients.get(name);
    clients.delete(name);
    await open?.close();
  };
  stack.defer(async () => {
    for (const name of [...clients.keys()]) await close(name);
  });
  const as = async (name: string, round: (client: OpenClient['client']) => Promise<void>): Promise<void> => {
    if (busy.has(name)) return;
    const run = async (): Promise<void> => {
      const open = clients.get(name) ?? (await openClient({ connectionString: server.appUrl(name) }));
      clients.set(name, open);
      await round(open.client);
    };
    // A server that went away meanwhile ends the session: the next minute begins with another.
    const running = run()
      .catch(() => close(name))
      .finally(() => busy.delete(name));
    busy.set(name, running);
    await Promise.race([running, sleep(PATIENCE_MS)]);
  };

  return async ({ connected, fetches, finishes, inserts }: OutboxWork): Promise<void> => {
    if (!server.running) {
      clients.clear();
      return;
    }
    await as('api-orders', async (client) => {
      for (let index = 0; index < inserts; index += 1) await client.query(ADD, [{ order: index }]);
    });
    if (!connected) return close(OUTBOX_WORKER);
    await as(OUTBOX_WORKER, async (client) => {
      for (let index = 0; index < fetches; index += 1) {
        await client.query('BEGIN');
        const { rows } = await client.query<{ id: string }>(FETCH, [BATCH]);
        if (index < finishes) {
          await client.query(FINISH, [rows.map(({ id }) => id)]);
          await client.query('COMMIT');
        } else {
          await client.query('ROLLBACK');
        }
      }
    });
  };
}
