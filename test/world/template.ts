import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { appendFile, chown, mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { type Binaries, cacheFolder, findBinaries, makeOnce, type PostgresVersion } from './binaries.ts';
import { openClient } from './clients.ts';
import { freePort } from './ports.ts';
import { databaseName, databaseSql, passwords, rolesSql, schemaSql, vacuumSql } from './schema.ts';
import { waitUntil } from './wait.ts';

const execute = promisify(execFile);

const accessRules = `# TYPE DATABASE USER ADDRESS METHOD
local all all scram-sha-256
host all all 127.0.0.1/32 scram-sha-256
host replication replicator 127.0.0.1/32 scram-sha-256
`;

/** Settings of every world; `postgresql.auto.conf`, hence ALTER SYSTEM, still wins over them. */
export const baseSettings: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  shared_preload_libraries: 'pg_stat_statements',
  track_io_timing: 'on',
  fsync: 'off',
  shared_buffers: '16MB',
  max_connections: '40',
  max_prepared_transactions: '10',
  max_wal_senders: '5',
  max_replication_slots: '5',
  wal_level: 'replica',
  wal_keep_size: '256MB',
  max_worker_processes: '4',
  jit: 'off',
  // Timings of two shared cores are noise enough without parallel workers.
  max_parallel_workers_per_gather: '0',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_line_prefix: '%m [%p] %q%a ',
  wal_retrieve_retry_interval: '500ms',
};

/**
 * A stopped data directory of the version with the roles and the schema in it, made once per machine.
 * Copy it; never start it.
 */
export async function templateDirectory(version: PostgresVersion): Promise<string> {
  const binaries = await findBinaries(version);
  const content = JSON.stringify([rolesSql, databaseSql, schemaSql, accessRules, await readFile(import.meta.filename)]);
  const key = createHash('sha256').update(content).digest('hex').slice(0, 12);
  const owner = binaries.runAs.uid ?? process.getuid?.() ?? 0;
  const folder = join(await cacheFolder(), `template-${binaries.packageVersion}-${owner}-${key}`);
  return makeOnce(folder, (scratch) => build(binaries, scratch));
}

/** Copies a data directory with owners and modes; `cp` is several times quicker here than Node's own. */
export async function copyDirectory(from: string, to: string): Promise<void> {
  await execute('cp', ['-Rp', from, to]);
}

/** The file that a data directory's `postgresql.conf` includes last. */
export function settingsFile(settings: Readonly<Record<string, string>>): string {
  const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value.replaceAll("'", "''")}'`);
  return `${lines.join('\n')}\n`;
}

/** Starts `postgres` on a data directory; its standard output and error go to `logPath`. */
export async function spawnPostgres(binaries: Binaries, directory: string, logPath: string): Promise<ChildProcess> {
  const log = await open(logPath, 'a');
  try {
    return spawn(binaries.postgres, ['-D', directory], {
      ...binaries.runAs,
      cwd: '/',
      // An own session: a Ctrl-C at the terminal is for us; we then stop the server in order.
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
      env: { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' },
    });
  } finally {
    await log.close();
  }
}

/** State that the postmaster writes into the eighth line of its pid file: `starting`, `ready`, `standby`, `stopping`. */
export async function postmasterState(directory: string): Promise<string | undefined> {
  const file = await readFile(join(directory, 'postmaster.pid'), 'utf8').catch(() => '');
  return file.split('\n')[7]?.trim();
}

async function build(binaries: Binaries, directory: string): Promise<void> {
  const { runAs } = binaries;
  const scratch = dirname(directory);
  const passwordFile = join(scratch, 'password');
  await mkdir(directory, { mode: 0o700 });
  await writeFile(passwordFile, passwords.postgres, { mode: 0o600 });
  if (runAs.uid !== undefined && runAs.gid !== undefined) {
    await chown(directory, runAs.uid, runAs.gid);
    await chown(passwordFile, runAs.uid, runAs.gid);
  }
  // WAL segments of 4 instead of 16 MB: less to copy for every world.
  const options = ['--username=postgres', `--pwfile=${passwordFile}`, '--encoding=UTF8', '--locale=C', '--no-sync'];
  await execute(binaries.initdb, [...options, '--auth=scram-sha-256', '--wal-segsize=4', '-D', directory], {
    ...runAs,
    cwd: '/',
    env: { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' },
  });
  await rm(passwordFile);
  await writeFile(join(directory, 'pg_hba.conf'), accessRules);
  await appendFile(join(directory, 'postgresql.conf'), "\ninclude 'world.conf'\n");
  const port = await freePort();
  // No socket: below a long temporary folder its path would be longer than the system allows.
  const settings = { ...baseSettings, unix_socket_directories: '', port: String(port), min_wal_size: '8MB' };
  await writeFile(join(directory, 'world.conf'), settingsFile(settings));

  const logPath = join(scratch, 'log');
  const server = await spawnPostgres(binaries, directory, logPath);
  const exited = once(server, 'exit');
  try {
    await waitUntil('the template server to start', async () => {
      if (server.exitCode !== null) throw new Error(`postgres ended: ${await readFile(logPath, 'utf8')}`);
      return (await postmasterState(directory)) === 'ready';
    });
    await run(port, 'postgres', [rolesSql, databaseSql]);
    await run(port, databaseName, [schemaSql, vacuumSql, 'SELECT pg_stat_statements_reset()', 'CHECKPOINT']);
    server.kill('SIGINT');
    await exited;
  } finally {
    server.kill('SIGQUIT');
    await exited;
  }
}

async function run(port: number, database: string, statements: readonly string[]): Promise<void> {
  const login = { host: '127.0.0.1', port, database, user: 'postgres', password: passwords.postgres };
  const { client, close } = await openClient(login);
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await close();
  }
}
