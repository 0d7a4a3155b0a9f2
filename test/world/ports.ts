import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * A free port of 127.0.0.1 below the range that systems give to outgoing connections (32768 and up on Linux), so that
 * nobody takes it while a server of the world is stopped. Another process may still take it first: callers try again.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    if (await isFree(port)) return port;
  }
  throw new Error('no free port between 20000 and 32000');
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen({ host: '127.0.0.1', port, exclusive: true });
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}
