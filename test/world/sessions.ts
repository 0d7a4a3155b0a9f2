import { openClient } from './clients.ts';
import type { Role } from './schema.ts';
import { connectionUrl, type PostgresServer, type Row } from './server.ts';
import { waitUntil } from './wait.ts';

/** One database session under our control, as an application would hold it. */
export interface Session {
  /** Process id of its backend. */
  readonly pid: number;
  readonly applicationName: string;
  readonly query: (sql: string, params?: readonly unknown[]) => Promise<readonly Row[]>;
  /** Starts a statement whose end, good or bad, is of no interest: one that waits for a lock, say. */
  readonly start: (sql: string, params?: readonly unknown[]) => void;
  readonly close: () => Promise<void>;
}

/** Opens a session that never throws on its own: a loss of the connection only fails the next statement. */
export async function openSession(
  server: PostgresServer,
  applicationName: string,
  role: Role = 'app',
): Promise<Session> {
  const { client, close } = await openClient({
    connectionString: connectionUrl(server.port, role),
    application_name: applicationName,
  });
  // A world that is released with a fault still in it must not leave open sockets, which keep the process alive.
  server.closing.addEventListener('abort', () => void close(), { once: true });
  const query = async (sql: string, params: readonly unknown[] = []): Promise<readonly Row[]> =>
    (await client.query<Row>(sql, [...params])).rows;
  try {
    const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    return {
      pid: rows[0]!.pid,
      applicationName,
      query,
      start: (sql, params) => void query(sql, params).catch(() => undefined),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

export function openSessions(
  server: PostgresServer,
  applicationName: string,
  count: number,
): Promise<readonly Session[]> {
  return Promise.all(Array.from({ length: count }, () => openSession(server, applicationName)));
}

/**
 * Ends sessions, busy ones too, and waits until their backends are gone.
 * A backend that waits for a lock or sleeps does not notice that its client left, so the server is told to end it.
 */
export async function endSessions(server: PostgresServer, sessions: readonly Session[]): Promise<void> {
  await Promise.all(sessions.map((session) => session.close()));
  const pids = sessions.map((session) => session.pid);
  const names = [...new Set(sessions.map((session) => session.applicationName))];
  await waitUntil(`the sessions ${pids.join(', ')} to end`, async () => {
    const left = await server.admin(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = ANY ($1) AND application_name = ANY ($2)',
      [pids, names],
    );
    return left.length === 0;
  });
}
