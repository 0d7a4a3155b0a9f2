import { setTimeout as sleep } from 'node:timers/promises';
import { startCallers } from '../callers.ts';
import type { PostgresServer } from '../server.ts';
import { endSessions, openSession, type Session } from '../sessions.ts';
import { type Expectation, type Fault, injecting, waitForRow } from './fault.ts';

export interface PoolOptions {
  /** Share of the usable slots to exceed, 0 to 1. Default 0.9. */
  readonly share?: number;
  /** Time between two sessions that the leak opens, in milliseconds. Default 20. */
  readonly everyMs?: number;
}

const expect = (variant: string): Expectation => ({
  detector: 'connection-pool-exhausted',
  cause: 'connection-pool',
  variant,
});

/** Slots that roles without privileges can use, and how many of them are taken. */
export async function slots(server: PostgresServer): Promise<{ readonly usable: number; readonly used: number }> {
  const [row] = await server.admin<{ usable: number; used: number }>(
    `SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
              - coalesce(current_setting('reserved_connections', true)::int, 0) AS usable,
            (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend') AS used`,
  );
  if (row === undefined) throw new Error('no row of slots');
  return row;
}

/** The classic leak: a worker takes a session per job and never gives it back. */
export function poolLeak({ share = 0.9, everyMs = 20 }: PoolOptions = {}): Fault {
  return {
    name: 'pool-leak',
    title: 'billing-worker opens a session per job and never gives it back',
    expect: expect('leak'),
    inject: (world) =>
      injecting(world, async (undo) => {
        const sessions = await fill(undo, world.primary, 'billing-worker', share, everyMs, async (session) => {
          await session.query('SELECT count(*) FROM orders WHERE id < $1', [100]);
        });
        await waitForState(world.primary, sessions, 'idle');
        return { applicationName: 'billing-worker', sessions: sessions.length };
      }),
  };
}

/** Sessions that begin, read and are left there; they hold no lock that anybody waits for. */
export function poolIdleInTransaction({ share = 0.9, everyMs = 0 }: PoolOptions = {}): Fault {
  return {
    name: 'pool-idle-in-transaction',
    title: 'sessions of orders-worker pile up idle in transaction',
    expect: expect('idle-in-transaction'),
    inject: (world) =>
      injecting(world, async (undo) => {
        const sessions = await fill(undo, world.primary, 'orders-worker', share, everyMs, async (session) => {
          await session.query('BEGIN');
          await session.query('SELECT status FROM orders WHERE id = $1', [1]);
        });
        await waitForState(world.primary, sessions, 'idle in transaction');
        return { applicationName: 'orders-worker', sessions: sessions.length };
      }),
  };
}

/** A rush of visitors: all sessions are really at work. */
export function poolSurge({ share = 0.9 }: PoolOptions = {}): Fault {
  return {
    name: 'pool-surge',
    title: 'a rush of visitors: checkout-api opens many sessions at once, all at work',
    expect: expect('surge'),
    inject: (world) =>
      injecting(world, async (undo) => {
        const { primary } = world;
        const { usable, used } = await slots(primary);
        const clients = Math.max(1, Math.floor(usable * share) + 1 - used);
        undo.defer(async () => {
          await waitForRow(
            'the rush to be over',
            primary,
            'SELECT count(*) = 0 AS ok FROM pg_stat_activity WHERE query = $1',
            [surgeSql],
          );
        });
        const callers = startCallers(primary, {
          applicationName: 'checkout-api',
          clients,
          // More than they can do, so that each goes from one call straight to the next.
          perSecond: clients * 20,
          call: (client) => client.query(surgeSql, [1]),
        });
        undo.defer(() => callers.stop());
        await waitForRow(
          `${clients} sessions to be active`,
          primary,
          "SELECT count(*) >= $1 * 0.8 AS ok FROM pg_stat_activity WHERE state = 'active' AND query = $2",
          [clients, surgeSql],
        );
        return { applicationName: 'checkout-api', sessions: clients };
      }),
  };
}

const surgeSql = 'SELECT pg_sleep(0.3), c.name FROM customers c WHERE c.id = $1';

// Opens sessions one after another until more than `share` of the usable slots are taken, by whomever.
async function fill(
  undo: AsyncDisposableStack,
  server: PostgresServer,
  applicationName: string,
  share: number,
  everyMs: number,
  use: (session: Session) => Promise<void>,
): Promise<readonly Session[]> {
  const sessions: Session[] = [];
  undo.defer(() => endSessions(server, sessions));
  for (;;) {
    const { usable, used } = await slots(server);
    if (used > usable * share) return sessions;
    const session = await openSession(server, applicationName);
    sessions.push(session);
    await use(session);
    await sleep(everyMs);
  }
}

async function waitForState(server: PostgresServer, sessions: readonly Session[], state: string): Promise<void> {
  await waitForRow(
    `the sessions to be ${state}`,
    server,
    'SELECT count(*) = $2 AS ok FROM pg_stat_activity WHERE pid = ANY ($1) AND state = $3',
    [sessions.map((session) => session.pid), sessions.length, state],
  );
}
