import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Binaries, PostgresVersion } from './binaries.ts';
import { type OpenClient, openClient } from './clients.ts';
import { childrenOf, signalProcess } from './processes.ts';
import { databaseName, passwords, type Role } from './schema.ts';
import { postmasterState, spawnPostgres } from './template.ts';
import { waitUntil } from './wait.ts';

export type Row = Readonly<Record<string, unknown>>;
export type StopMode = 'smart' | 'fast' | 'immediate';

export interface PostgresServer {
  readonly name: 'primary' | 'standby';
  readonly version: PostgresVersion;
  readonly host: '127.0.0.1';
  readonly port: number;
  readonly database: 'rastup';
  readonly dataDirectory: string;
  /** As role `runbookd`: `pg_monitor` and nothing else, at most three connections. */
  readonly monitorUrl: string;
  /** As the superuser `admin`, the role of the runbook's `psql -U admin`. */
  readonly adminUrl: string;
  /** As role `app`, the owner of the tables. */
  readonly appUrl: (applicationName: string) => string;
  /** Process id of the postmaster. Throws while the server is stopped. */
  readonly pid: number;
  readonly running: boolean;
  /** Aborted when the world is about to be released: whatever loops against this server ends. */
  readonly closing: AbortSignal;
  /** Runs one statement on the one admin connection (`world-admin`), opened at first use and again after a restart. */
  readonly admin: <Result extends Row = Row>(sql: string, params?: readonly unknown[]) => Promise<readonly Result[]>;
  /** Ends the admin connection; the next use opens another. */
  readonly closeAdmin: () => Promise<void>;
  readonly stop: (mode?: StopMode) => Promise<void>;
  /** Starts the server and waits until it accepts sessions, or until its pid file says `until`. */
  readonly start: (until?: 'ready' | 'standby' | 'starting') => Promise<void>;
  readonly restart: (mode?: StopMode) => Promise<void>;
  /** SIGSTOP to the postmaster and all its children: connections are accepted by the kernel and never answered. */
  readonly pause: () => Promise<void>;
  readonly resume: () => Promise<void>;
  readonly logTail: (lines?: number) => Promise<string>;
}

/** A server that only `startPostgres` sees: it also has its end. */
export interface OwnedServer extends PostgresServer {
  /** Stops the server at once, whatever state it is in. */
  readonly kill: () => Promise<void>;
}

export interface ServerOptions {
  readonly name: 'primary' | 'standby';
  readonly version: PostgresVersion;
  readonly port: number;
  readonly dataDirectory: string;
  readonly logPath: string;
  readonly binaries: Binaries;
  readonly closing: AbortSignal;
}

const stopSignals: Readonly<Record<StopMode, NodeJS.Signals>> = {
  smart: 'SIGTERM',
  fast: 'SIGINT',
  immediate: 'SIGQUIT',
};

export function connectionUrl(port: number, role: Role, parameters: Readonly<Record<string, string>> = {}): string {
  const url = new URL(`postgres://${role}:${passwords[role]}@127.0.0.1:${port}/${databaseName}`);
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return url.href;
}

/** A server on a prepared data directory, not yet started. */
export function createServer(options: ServerOptions): OwnedServer {
  const { name, version, port, dataDirectory, logPath, binaries, closing } = options;
  const adminUrl = connectionUrl(port, 'admin');
  let child: ChildProcess | undefined;
  let adminClient: OpenClient | undefined;
  let adminTurn: Promise<unknown> = Promise.resolve();

  const running = (): boolean => child !== undefined && child.exitCode === null && child.signalCode === null;
  const runningPid = (): number => {
    if (!running() || child?.pid === undefined) throw new Error(`the ${name} is not running`);
    return child.pid;
  };
  const logTail = async (lines = 40): Promise<string> => {
    const text = await readFile(logPath, 'utf8').catch(() => '');
    return text.trimEnd().split('\n').slice(-lines).join('\n');
  };

  const connectAdmin = async (): Promise<OpenClient> => {
    if (adminClient !== undefined) return adminClient;
    const opened = await openClient({
      connectionString: adminUrl,
      application_name: 'world-admin',
      query_timeout: 60_000,
    });
    opened.client.on('end', () => {
      if (adminClient === opened) adminClient = undefined;
    });
    adminClient = opened;
    return opened;
  };
  const closeAdmin = async (): Promise<void> => {
    const opened = adminClient;
    adminClient = undefined;
    await opened?.close();
  };
  // In turns: `pg` deprecates a second query on a client whose first is still running.
  const admin = <Result extends Row = Row>(
    sql: string,
    params: readonly unknown[] = [],
  ): Promise<readonly Result[]> => {
    const turn = adminTurn.then(async () => {
      const { client } = await connectAdmin();
      const { rows } = await client.query<Result>(sql, [...params]);
      return rows as readonly Result[];
    });
    adminTurn = turn.catch(() => undefined);
    return turn;
  };

  const start: PostgresServer['start'] = async (until = 'ready') => {
    if (running()) throw new Error(`the ${name} is already running`);
    const started = await spawnPostgres(binaries, dataDirectory, logPath);
    started.on('error', () => undefined);
    started.unref();
    child = started;
    await waitUntil(
      `the ${name} to be ${until}`,
      async () => {
        if (!running()) throw new Error(`the ${name} ended while starting:\n${await logTail()}`);
        return (await postmasterState(dataDirectory)) === until;
      },
      { timeoutMs: 30_000, everyMs: 10 },
    );
  };
  const ended = async (process: ChildProcess, timeoutMs: number): Promise<boolean> => {
    if (process.exitCode !== null || process.signalCode !== null) return true;
    process.ref();
    const timer = new AbortController();
    const outcome = await Promise.race([
      once(process, 'exit').then(() => true),
      sleep(timeoutMs, false, { signal: timer.signal }).catch(() => false),
    ]);
    timer.abort();
    return outcome;
  };
  const stop: PostgresServer['stop'] = async (mode = 'fast') => {
    const stopping = child;
    if (stopping === undefined || !running()) return;
    signalProcess(runningPid(), stopSignals[mode]);
    if (!(await ended(stopping, 30_000))) throw new Error(`the ${name} did not stop:\n${await logTail()}`);
  };
  const resume: PostgresServer['resume'] = async () => {
    const pid = runningPid();
    for (const each of [...(await childrenOf(pid)), pid]) signalProcess(each, 'SIGCONT');
  };

  return {
    name,
    version,
    host: '127.0.0.1',
    port,
    database: databaseName,
    dataDirectory,
    closing,
    adminUrl,
    monitorUrl: connectionUrl(port, 'runbookd'),
    appUrl: (applicationName) => connectionUrl(port, 'app', { application_name: applicationName }),
    get pid() {
      return runningPid();
    },
    get running() {
      return running();
    },
    admin,
    closeAdmin,
    start,
    stop,
    restart: async (mode = 'fast') => {
      await stop(mode);
      await start();
    },
    pause: async () => {
      const pid = runningPid();
      // The postmaster first: it then starts no child that the list would miss.
      signalProcess(pid, 'SIGSTOP');
      for (const each of await childrenOf(pid)) signalProcess(each, 'SIGSTOP');
    },
    resume,
    logTail,
    kill: async () => {
      const killed = child;
      if (killed === undefined || !running()) return;
      const pid = runningPid();
      // SIGQUIT makes the postmaster take its children and its shared memory with it, which SIGKILL would leave behind.
      signalProcess(pid, 'SIGQUIT');
      await resume();
      if (await ended(killed, 8_000)) return;
      const children = await childrenOf(pid);
      for (const each of [pid, ...children]) signalProcess(each, 'SIGKILL');
      await ended(killed, 5_000);
    },
  };
}
