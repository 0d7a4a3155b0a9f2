import { Socket } from 'node:net';
import pg from 'pg';
import { withDeadline } from './wait.ts';

export interface OpenClient {
  readonly client: pg.Client;
  /** Says goodbye, and cuts the connection when the server does not hang up within half a second. */
  readonly close: () => Promise<void>;
}

/** Connects a client whose later loss of the connection fails its next statement and nothing else. */
export async function openClient(config: pg.ClientConfig): Promise<OpenClient> {
  const socket = new Socket();
  const client = new pg.Client({ connectionTimeoutMillis: 10_000, ...config, stream: () => socket });
  client.on('error', () => undefined);
  try {
    await client.connect();
  } catch (error) {
    socket.destroy();
    throw error;
  }
  return {
    client,
    // `end` alone waits for the server to hang up, which a stopped one never does.
    close: async () => {
      await withDeadline('the connection to end', 500, client.end()).catch(() => undefined);
      socket.destroy();
    },
  };
}
