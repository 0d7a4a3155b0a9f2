import { chmod, chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { type Binaries, findBinaries, type PostgresVersion } from './binaries.ts';
import { freePort } from './ports.ts';
import { startReaper } from './processes.ts';
import { passwords } from './schema.ts';
import { createServer, type OwnedServer, type PostgresServer } from './server.ts';
import { baseSettings, copyDirectory, settingsFile, templateDirectory } from './template.ts';
import { waitUntil } from './wait.ts';

export type { PostgresVersion } from './binaries.ts';
export { connectionUrl, type PostgresServer, type Row, type StopMode } from './server.ts';

export interface PostgresOptions {
  /** Default 18. */
  readonly version?: PostgresVersion;
  /** With a streaming standby that has a physical slot of its own. Default: no standby. */
  readonly standby?: boolean;
  /** Over the settings of every world, on both servers; `wal_level: 'logical'`, `max_connections: '20'`… */
  readonly settings?: Readonly<Record<string, string>>;
  /** With a self-signed certificate; connections without TLS stay possible. */
  readonly ssl?: boolean;
}

export interface PostgresWorld extends AsyncDisposable {
  readonly version: PostgresVersion;
  readonly primary: PostgresServer;
  readonly standby?: PostgresServer;
  /** Path of the certificate, with `ssl`. */
  readonly certificateFile?: string;
  /** Everything of the world lies below it; it is gone after the release. */
  readonly directory: string;
}

const slotName = 'standby_1';

/**
 * Starts a PostgreSQL with database `rastup`, its roles and some data, and on request a streaming standby.
 *
 * The standby is a copy of the same stopped data directory as the primary, which is a base backup like any other and
 * needs no backup session. Everything is released by `await using` or `[Symbol.asyncDispose]`, when the start fails
 * half way, and by a small watching process when this process dies without doing it.
 */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresWorld> {
  const { version = 18, standby: withStandby = false, settings = {}, ssl = false } = options;
  const binaries = await findBinaries(version);
  const template = await templateDirectory(version);

  await using stack = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'runbookd-world-'));
  const reaper = startReaper(directory);
  stack.defer(() => reaper.release());
  stack.defer(() => rm(directory, { recursive: true, force: true, maxRetries: 5 }));
  await chmod(directory, 0o711);

  const closing = new AbortController();
  const certificateFile = ssl ? await writeCertificate(directory, binaries) : undefined;
  const tls = certificateFile
    ? { ssl: 'on', ssl_cert_file: certificateFile, ssl_key_file: join(directory, 'server.key') }
    : {};

  const launch = async (name: 'primary' | 'standby', extra: Readonly<Record<string, string>>): Promise<OwnedServer> => {
    const dataDirectory = join(directory, name);
    if (name === 'standby') await writeOwned(join(dataDirectory, 'standby.signal'), '', binaries);
    for (let attempt = 1; ; attempt += 1) {
      const port = await freePort();
      const all = {
        ...baseSettings,
        ...tls,
        ...settings,
        ...extra,
        cluster_name: name,
        port: String(port),
        unix_socket_directories: dataDirectory,
      };
      await writeOwned(join(dataDirectory, 'world.conf'), settingsFile(all), binaries);
      const logPath = join(directory, `${name}.log`);
      const server = createServer({
        name,
        version,
        port,
        dataDirectory,
        logPath,
        binaries,
        closing: closing.signal,
      });
      try {
        await server.start();
        stack.defer(() => server.kill());
        return server;
      } catch (error) {
        await server.kill();
        const taken = (await server.logTail()).includes('Address already in use');
        if (!taken || attempt === 5) throw error;
      }
    }
  };

  const names = withStandby ? ['primary', 'standby'] : ['primary'];
  await Promise.all(names.map((name) => copyDirectory(template, join(directory, name))));
  const primary = await launch('primary', {});
  let standby: OwnedServer | undefined;
  if (withStandby) {
    await primary.admin('SELECT pg_create_physical_replication_slot($1, true)', [slotName]);
    standby = await launch('standby', { ...standbySettings(primary) });
    await waitUntil('the standby to stream', async () => {
      const rows = await primary.admin("SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'");
      return rows.length > 0;
    });
  }
  for (const server of [primary, standby]) stack.defer(() => server?.closeAdmin());
  stack.defer(() => closing.abort(new Error('the world is released')));

  const owned = stack.move();
  return {
    version,
    primary,
    directory,
    ...(standby && { standby }),
    ...(certificateFile && { certificateFile }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function standbySettings(primary: PostgresServer): Readonly<Record<string, string>> {
  return {
    primary_conninfo: `host=127.0.0.1 port=${primary.port} user=replicator password=${passwords.replicator}`,
    primary_slot_name: slotName,
  };
}

async function writeOwned(path: string, text: string, { runAs }: Binaries): Promise<void> {
  await writeFile(path, text, { mode: 0o600 });
  if (runAs.uid !== undefined && runAs.gid !== undefined) await chown(path, runAs.uid, runAs.gid);
}

async function writeCertificate(directory: string, binaries: Binaries): Promise<string> {
  const pem = await generate([{ name: 'commonName', value: 'localhost' }], {
    keySize: 2048,
    extensions: [
      {
        name: 'subjectAltName',
        altNames: [
          { type: 2, value: 'localhost' },
          { type: 7, ip: '127.0.0.1' },
        ],
      },
    ],
  });
  await writeOwned(join(directory, 'server.key'), pem.private, binaries);
  const certificateFile = join(directory, 'server.crt');
  await writeOwned(certificateFile, pem.cert, binaries);
  await chmod(certificateFile, 0o644);
  return certificateFile;
}
