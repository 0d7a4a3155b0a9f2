import { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { Role } from './schema.ts';
import { connectionUrl, type PostgresServer } from './server.ts';
import { withDeadline } from './wait.ts';

export interface CallersOptions {
  readonly applicationName: string;
  /** Sessions at most; each makes one call at a time. */
  readonly clients: number;
  /** Calls per second, of all clients together. What cannot be done in time is left out, not made up for. */
  readonly perSecond: number;
  readonly role?: Role;
  /** One call. The client's own failures are counted, never thrown. */
  readonly call: (client: pg.PoolClient, number: number) => Promise<unknown>;
}

export interface CallStats {
  readonly calls: number;
  readonly errors: number;
  /** Message of the last error. */
  readonly lastError?: string;
}

export interface Callers {
  readonly stats: () => CallStats;
  /** Ends the calls and closes the sessions; a call that hangs is cut off after two seconds. */
  readonly stop: () => Promise<void>;
}

/** Calls at a steady rate through a pool, as an application does, until stopped or until the world is released. */
export function startCallers(server: PostgresServer, options: CallersOptions): Callers {
  const { applicationName, clients, perSecond, role = 'app', call } = options;
  const sockets = new Set<Socket>();
  const pool = new pg.Pool({
    stream: () => {
      const socket = new Socket();
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
      return socket;
    },
    connectionString: connectionUrl(server.port, role),
    application_name: applicationName,
    max: clients,
    idleTimeoutMillis: 0,
    connectionTimeoutMillis: 5_000,
    statement_timeout: 15_000,
  });
  pool.on('error', () => undefined);
  pool.on('connect', (client) => {
    // The pool listens only while a client is idle; a loss during a call would end the process.
    client.on('error', () => undefined);
  });

  const stopping = new AbortController();
  const { signal } = stopping;
  let calls = 0;
  let errors = 0;
  let lastError: string | undefined;

  const oneCall = async (): Promise<void> => {
    let client: pg.PoolClient | undefined;
    try {
      client = await pool.connect();
      await call(client, calls);
      calls += 1;
      client.release();
    } catch (error) {
      // A failed call may have left a transaction open: the session is thrown away, as pools do.
      client?.release(true);
      if (signal.aborted) return;
      errors += 1;
      lastError = error instanceof Error ? error.message : String(error);
      await sleep(50, undefined, { signal }).catch(() => undefined);
    }
  };
  const loop = async (index: number): Promise<void> => {
    const intervalMs = (1000 * clients) / perSecond;
    let due = performance.now() + (intervalMs * index) / clients;
    while (!signal.aborted) {
      const waitMs = due - performance.now();
      if (waitMs > 0) await sleep(waitMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      due = Math.max(due + intervalMs, performance.now());
      await oneCall();
    }
  };
  const loops = Promise.all(Array.from({ length: clients }, (_, index) => loop(index)));

  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopped ??= (async () => {
      stopping.abort();
      await withDeadline('calls to end', 2_000, loops).catch(() => undefined);
      const ended = pool.end().catch(() => undefined);
      await withDeadline('the pool to end', 500, ended).catch(() => undefined);
      for (const socket of sockets) socket.destroy();
      await loops;
    })();
    return stopped;
  };
  server.closing.addEventListener('abort', () => void stop(), { once: true });
  return {
    stats: () => ({ calls, errors, ...(lastError !== undefined && { lastError }) }),
    stop,
  };
}
