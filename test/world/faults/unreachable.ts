import { chown, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { passwords } from '../schema.ts';
import type { PostgresServer } from '../server.ts';
import { endSessions, openSession, type Session } from '../sessions.ts';
import { waitUntil } from '../wait.ts';
import { type Expectation, type Fault, injecting } from './fault.ts';

const expect = (variant: string): Expectation => ({
  detector: 'database-unreachable',
  cause: 'database-unreachable',
  variant,
});

/** The address answers with a refusal: nothing listens. */
export function unreachableStopped(): Fault {
  return {
    name: 'unreachable-stopped',
    title: 'the server is stopped: connections are refused',
    expect: expect('stopped'),
    inject: (world) =>
      injecting(world, async (undo) => {
        const { primary } = world;
        undo.defer(() => waitForOutcome(primary.monitorUrl, 'connected'));
        undo.defer(() => primary.start());
        await primary.stop('fast');
        await waitForOutcome(primary.monitorUrl, 'ECONNREFUSED');
        return { url: primary.monitorUrl };
      }),
  };
}

/** The kernel accepts the connection and nobody ever speaks. */
export function unreachablePaused(): Fault {
  return {
    name: 'unreachable-paused',
    title: 'the server hangs: connections are accepted and never answered',
    expect: expect('hung'),
    inject: (world) =>
      injecting(world, async (undo) => {
        const { primary } = world;
        undo.defer(() => waitForOutcome(primary.monitorUrl, 'connected'));
        undo.defer(() => primary.resume());
        await primary.pause();
        await waitForOutcome(primary.monitorUrl, 'silence');
        return { url: primary.monitorUrl };
      }),
  };
}

/** The monitor's password was changed. Its open sessions are ended, for they would go on. */
export function unreachableAuth(): Fault {
  return {
    name: 'unreachable-auth',
    title: 'the password of the monitor was changed',
    expect: expect('authentication'),
    inject: (world) =>
      injecting(world, async (undo) => {
        const { primary } = world;
        undo.defer(async () => {
          await primary.admin(`ALTER ROLE runbookd PASSWORD '${passwords.runbookd}'`);
          await waitForOutcome(primary.monitorUrl, 'connected');
        });
        await primary.admin("ALTER ROLE runbookd PASSWORD 'other'");
        await endMonitors(primary);
        await waitForOutcome(primary.monitorUrl, '28P01');
        return { url: primary.monitorUrl };
      }),
  };
}

/** A restore that waits for a WAL file that never comes: the server says "starting up" for ever. */
export function unreachableStartingUp(): Fault {
  return {
    name: 'unreachable-starting-up',
    title: 'the server stays in recovery and takes no connections',
    expect: expect('starting-up'),
    inject: (world) =>
      injecting(world, async (undo) => {
        const { primary } = world;
        const signalFile = join(primary.dataDirectory, 'recovery.signal');
        const settingsFile = join(primary.dataDirectory, 'postgresql.auto.conf');
        const settings = await readFile(settingsFile, 'utf8');
        undo.defer(async () => {
          await primary.stop('immediate');
          await rm(signalFile, { force: true });
          // By file: ALTER SYSTEM needs a server that talks.
          await writeFile(settingsFile, settings);
          await primary.start();
          await waitForOutcome(primary.monitorUrl, 'connected');
        });
        await primary.admin("ALTER SYSTEM SET restore_command = 'exec sleep 3600'");
        await primary.admin("ALTER SYSTEM SET hot_standby = 'off'");
        await primary.stop('fast');
        await writeFile(signalFile, '');
        const { uid, gid } = await stat(primary.dataDirectory);
        await chown(signalFile, uid, gid);
        await primary.start('starting');
        await waitForOutcome(primary.monitorUrl, '57P03');
        return { url: primary.monitorUrl };
      }),
  };
}

/** All slots are taken, the monitor's too; only superusers get in. */
export function unreachableTooManyConnections(): Fault {
  return {
    name: 'unreachable-too-many-connections',
    title: 'all connections are taken, and the monitor does not get one',
    expect: expect('too-many-connections'),
    inject: (world) =>
      injecting(world, async (undo) => {
        const { primary } = world;
        const sessions: Session[] = [];
        const stopping = new AbortController();
        const signal = AbortSignal.any([stopping.signal, primary.closing]);
        undo.defer(() => waitForOutcome(primary.monitorUrl, 'connected'));
        undo.defer(() => endSessions(primary, sessions));
        // A slot that somebody gives back must not let the monitor in, so the application goes on grabbing.
        const grabbing = (async () => {
          while (!signal.aborted) {
            const session = await openSession(primary, 'checkout-api').catch(() => undefined);
            if (session === undefined) await sleep(50, undefined, { signal }).catch(() => undefined);
            else sessions.push(session);
          }
        })();
        undo.defer(async () => {
          stopping.abort();
          await grabbing;
        });
        await waitUntil('the monitor to be refused', async () => {
          await endMonitors(primary);
          return (await tryConnect(primary.monitorUrl)) === '53300';
        });
        return { url: primary.monitorUrl, applicationName: 'checkout-api' };
      }),
  };
}

/** Nothing happens to the server: the fault is in the address. */
export function unreachableDns(): Fault {
  return {
    name: 'unreachable-dns',
    title: 'the host name of the database does not resolve',
    expect: expect('dns'),
    inject: (world) =>
      injecting(world, async () => {
        const url = new URL(world.primary.monitorUrl);
        // RFC 2606 keeps .invalid from ever being registered.
        url.hostname = 'main-db.invalid';
        return { url: url.href };
      }),
  };
}

/** Nothing happens to the server: the client insists on TLS, which the server (of a world without `ssl`) lacks. */
export function unreachableTls(): Fault {
  return {
    name: 'unreachable-tls',
    title: 'the client requires TLS and the server has none',
    expect: expect('tls'),
    inject: (world) =>
      injecting(world, async () => {
        if (world.certificateFile !== undefined) throw new Error('the fault needs a world without ssl');
        const url = new URL(world.primary.monitorUrl);
        url.searchParams.set('sslmode', 'require');
        return { url: url.href };
      }),
  };
}

/**
 * What a new connection meets: `connected`, `silence` (a socket that opens and does not answer within 300 ms),
 * or the code of the error, SQLSTATE or that of the system.
 */
export async function tryConnect(connectionString: string): Promise<string> {
  const socket = new Socket();
  const client = new pg.Client({ connectionString, stream: () => socket, connectionTimeoutMillis: 300 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('SELECT 1');
    await client.end();
    return 'connected';
  } catch (error) {
    const { code } = error as { readonly code?: string };
    return code ?? (socket.bytesWritten > 0 && socket.bytesRead === 0 ? 'silence' : String(error));
  } finally {
    socket.destroy();
  }
}

async function waitForOutcome(url: string, outcome: string): Promise<void> {
  let last = '';
  await waitUntil(
    () => `a connection to meet ${outcome}, not ${last}`,
    async () => {
      last = await tryConnect(url);
      return last === outcome;
    },
  );
}

async function endMonitors(server: PostgresServer): Promise<void> {
  await server.admin("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'runbookd'");
}
