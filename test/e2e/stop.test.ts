import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { openSqliteStore } from '../../src/store/sqlite.ts';
import { type PagerDutyWorld, startPagerDuty } from '../world/pagerduty.ts';
import { freePort } from '../world/ports.ts';
import { type PostgresWorld, startPostgres } from '../world/postgres.ts';
import { waitUntil, withDeadline } from '../world/wait.ts';
import { type Daemon, startDaemon } from './daemon.ts';

let world: PostgresWorld;
let pagerduty: PagerDutyWorld;
let directory: string;

beforeAll(async () => {
  world = await startPostgres({ version: 18 });
  pagerduty = await startPagerDuty();
});
afterAll(async () => {
  await pagerduty?.close();
  await world?.[Symbol.asyncDispose]();
});
beforeEach(async () => {
  pagerduty.clear();
  pagerduty.setFault('ok');
  directory = await mkdtemp(join(tmpdir(), 'runbookd-stop-'));
  return () => rm(directory, { recursive: true, force: true });
});

interface Setup {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly store: string;
  readonly port: number;
}

/** `refused`: nothing listens where the database should be, which pages within a few polls. */
async function setup(database: 'healthy' | 'refused', port?: number): Promise<Setup> {
  const listen = port ?? (await freePort());
  const store = join(directory, 'state.db');
  const file = join(directory, 'stop.yaml');
  const config = {
    name: 'stop',
    store: { sqlite: store },
    http: { listen: `127.0.0.1:${listen}` },
    databases: { 'main-db': { url: 'env:STOP_DATABASE_URL' } },
    notify: { pagerduty: { routingKey: 'env:STOP_ROUTING_KEY', server: pagerduty.server, caFile: pagerduty.caFile } },
    detectors: { 'database-unreachable': { options: { pollSeconds: 1 } } },
  };
  await writeFile(file, JSON.stringify(config));
  const url = database === 'healthy' ? world.primary.monitorUrl : `postgres://m@127.0.0.1:${await freePort()}/app`;
  const env = { STOP_DATABASE_URL: url, STOP_ROUTING_KEY: 'k'.repeat(32), XDG_CACHE_HOME: directory };
  return { args: ['run', '--config', file], env, store, port: listen };
}

async function isReady(port: number): Promise<boolean> {
  const response = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => null);
  return response?.ok === true;
}

const exited = (daemon: Daemon, withinMs: number): Promise<number | null> =>
  withDeadline(`the daemon to exit\n${daemon.output()}`, withinMs, daemon.exit());

test('SIGTERM ends an idle daemon within 2 s, with 0, and its sessions with it', async () => {
  const { args, env, store, port } = await setup('healthy');
  await using daemon = startDaemon(args, env);
  await waitUntil(
    () => `ready\n${daemon.output()}`,
    () => isReady(port),
  );
  daemon.child.kill('SIGTERM');
  expect(await exited(daemon, 2000)).toBe(0);
  expect(existsSync(`${store}.holder`)).toBe(false);
  await waitUntil('no session of ours', async () => {
    const rows = await world.primary.admin(`SELECT pid FROM pg_stat_activity WHERE usename = 'runbookd'`);
    return rows.length === 0;
  });
});

test('SIGTERM while PagerDuty hangs: exits within 20 s, with 0, and the next start delivers the page', async () => {
  const { args, env } = await setup('refused');
  pagerduty.setFault('hang');
  {
    await using daemon = startDaemon(args, env);
    await waitUntil(
      () => `a delivery\n${daemon.output()}`,
      () => pagerduty.ledger().requests.length > 0,
    );
    daemon.child.kill('SIGTERM');
    expect(await exited(daemon, 20_000)).toBe(0);
  }
  expect(pagerduty.ledger().incidents).toEqual([]);
  pagerduty.setFault('ok');
  await using next = startDaemon(args, env);
  await waitUntil(
    () => `the page\n${next.output()}`,
    () => pagerduty.openIncidents().length > 0,
    {
      timeoutMs: 20_000,
    },
  );
  expect(pagerduty.ledger().incidents).toHaveLength(1);
});

test('a second signal ends it at once, whatever it waits for, and loses nothing', async () => {
  const { args, env } = await setup('refused');
  pagerduty.setFault('hang');
  {
    await using daemon = startDaemon(args, env);
    await waitUntil(
      () => `a delivery\n${daemon.output()}`,
      () => pagerduty.ledger().requests.length > 0,
    );
    daemon.child.kill('SIGTERM');
    await waitUntil('it to be stopping', () => daemon.output().includes('"stopping"'));
    daemon.child.kill('SIGTERM');
    expect(await exited(daemon, 1000)).not.toBe(0);
  }
  pagerduty.setFault('ok');
  await using next = startDaemon(args, env);
  await waitUntil(
    () => `the page\n${next.output()}`,
    () => pagerduty.openIncidents().length > 0,
    {
      timeoutMs: 20_000,
    },
  );
  expect(pagerduty.ledger().incidents).toHaveLength(1);
});

test('a port in use: exits with 2 and says so, and the store is free for the next', async () => {
  const taken = createServer();
  const port = await freePort();
  await new Promise<void>((resolve) => taken.listen(port, '127.0.0.1', resolve));
  const { args, env, store } = await setup('healthy', port);
  try {
    await using daemon = startDaemon(args, env);
    expect(await exited(daemon, 10_000)).toBe(2);
    expect(daemon.output()).toContain(`cannot listen on 127.0.0.1:${port}: the port is in use`);
    expect(existsSync(`${store}.holder`)).toBe(false);
    const opened = await openSqliteStore({ path: store, log: pino({ level: 'silent' }), now: Date.now });
    await opened.close();
  } finally {
    taken.close();
  }
});

test('a second daemon on the same store: exits with 2 and names the first, which goes on', async () => {
  const { args, env, port } = await setup('healthy');
  await using first = startDaemon(args, env);
  await waitUntil(
    () => `ready\n${first.output()}`,
    () => isReady(port),
  );
  await using second = startDaemon(args, env);
  expect(await exited(second, 10_000)).toBe(2);
  expect(second.output()).toContain(`in use by another runbookd: pid ${first.child.pid} `);
  expect(await isReady(port)).toBe(true);
});
