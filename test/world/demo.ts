/**
 * `npm run demo [-- --fault NAME | --list]`: the main job, live, on this machine alone. A real PostgreSQL pair with a
 * real workload, watched by the real daemon as its own process; a local HTTPS receiver stands for PagerDuty. A fault is
 * made, the page is printed as on-call gets it, the fault is ended, the resolve arrives.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, styleText } from 'node:util';
import pg from 'pg';
import { stringify } from 'yaml';
import { cloudConfig, startCloud } from './cloud.ts';
import { faults } from './faults/index.ts';
import { serviceFaults } from './faults/services/index.ts';
import { LIVE_OPTIONS } from './faults/services/live-options.ts';
import { type PagerDutyLedger, startPagerDuty } from './pagerduty.ts';
import type { ReceivedEvent } from './pagerduty-events.ts';
import { freePort } from './ports.ts';
import { startPostgres } from './postgres.ts';
import { startWorkload } from './workload.ts';

const ROUTING_KEY = 'demo0demo0demo0demo0demo0demo000';
/** Watching before the fault: long enough for counters to have differences and standbys to be known. */
const CALM_MS = 12_000;
const PAGE_DEADLINE_MS = 180_000;

const { values } = parseArgs({
  options: {
    fault: { type: 'string', default: 'lock-idle-in-transaction' },
    list: { type: 'boolean', default: false },
    version: { type: 'string', default: '18' },
    help: { type: 'boolean', default: false },
  },
});
const colour = process.stdout.isTTY === true;
const paint = (style: Parameters<typeof styleText>[0], text: string): string =>
  colour ? styleText(style, text) : text;
const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};
const step = (text: string): void => say(`${paint('cyan', '›')} ${text}`);

if (values.help) {
  say('npm run demo -- [--fault NAME] [--version 15|18] [--list]');
  process.exit(0);
}
/** Faults that need another address than the world's own are for tests. */
const shown = Object.values(faults).filter((fault) => fault.expect !== undefined && !/-(dns|tls)$/.test(fault.name));
/** Those of services, which are watched through AWS; what takes half an hour in life is for tests. */
const shownOfServices = Object.values(serviceFaults).filter((one) => one.slow !== true);
if (values.list) {
  const all = [...shown, ...shownOfServices];
  const width = Math.max(...all.map((one) => one.name.length));
  for (const [title, list] of [
    ['A database:', shown],
    ['Services on ECS behind load balancers, with their database and vendors:', shownOfServices],
  ] as const) {
    say(paint('bold', title));
    for (const one of list) say(`  ${one.name.padEnd(width)}  ${one.title}`);
  }
  process.exit(0);
}
const ofService = shownOfServices.find((one) => one.name === values.fault);
const ofDatabase = shown.find((one) => one.name === values.fault);
const fault = ofService ?? ofDatabase;
if (fault === undefined || (values.version !== '15' && values.version !== '18')) {
  process.stderr.write(`no fault ${values.fault} or no version ${values.version}; see npm run demo -- --list\n`);
  process.exit(2);
}

const started = Date.now();
const since = (): string => `${((Date.now() - started) / 1000).toFixed(1)} s`;

await using stack = new AsyncDisposableStack();
const stop = (): void => {
  void stack.disposeAsync().finally(() => process.exit(130));
};
process.once('SIGINT', stop);
process.once('SIGTERM', stop);

step(`starting PostgreSQL ${values.version}, primary and streaming standby`);
const world = stack.use(await startPostgres({ version: values.version === '15' ? 15 : 18, standby: true }));
const standby = world.standby;
if (standby === undefined) throw new Error('the world has no standby');
const pagerduty = await startPagerDuty();
stack.defer(() => pagerduty.close());
const workload = startWorkload(world.primary, { replica: standby });
stack.defer(() => workload.stop());
const cloud =
  ofService === undefined
    ? null
    : stack.use(
        await startCloud({
          postgres: world,
          publishDelayMs: 0,
          pace: 30,
          ...(ofService.cluster === undefined ? {} : { cluster: ofService.cluster }),
        }),
      );
if (cloud !== null) step('starting AWS on this machine: a fleet of five services with 14 days of history, two vendors');
await ofDatabase?.prepare?.(world);
if (cloud !== null) await ofService?.prepare?.(cloud);

const directory = await mkdtemp(join(tmpdir(), 'runbookd-demo-'));
stack.defer(() => rm(directory, { recursive: true, force: true }));
const port = await freePort();
const quick = { pollSeconds: 2, holdSeconds: 6 };
const databaseOnly = {
  name: 'demo',
  store: { sqlite: join(directory, 'state.db') },
  http: { listen: `127.0.0.1:${port}` },
  databases: {
    'main-db': {
      url: 'env:DEMO_DATABASE_URL',
      operatorCommand: `psql -h ${world.primary.host} -p ${world.primary.port} -U admin -d ${world.primary.database}`,
      contact: '@dba',
      replicas: { 'replica-1': { url: 'env:DEMO_REPLICA_URL' } },
    },
  },
  notify: { pagerduty: { routingKey: 'env:DEMO_ROUTING_KEY', server: pagerduty.server, caFile: pagerduty.caFile } },
  // Shorter holds than the defaults, so that the demo takes a minute; the thresholds of replication are the world's size.
  detectors: {
    'lock-contention': { options: quick },
    'connection-pool-exhausted': { options: quick },
    'database-unreachable': { options: { pollSeconds: 2 } },
    'replication-lag': { options: { pollSeconds: 2, warnSeconds: 3, warnBytes: 150_000 } },
    'slow-queries': {
      options: {
        pollSeconds: 2,
        holdSeconds: 4,
        clearSeconds: 6,
        minCalls: 20,
        minLifetimeCalls: 50,
        spillBlocks: 50,
        loadFloor: 1,
      },
    },
  },
};
/** Where the database is not what the fault is about, seconds of it are not judged: a busy machine makes them uneven. */
const { 'slow-queries': _, ...calmDatabase } = LIVE_OPTIONS;
/** A minute of life is two seconds here: periods, windows and holds are options. */
const config =
  cloud === null
    ? databaseOnly
    : {
        ...cloudConfig(cloud, {
          aws: { periodSeconds: 1, settleSeconds: 0 },
          database: { url: 'env:DEMO_DATABASE_URL', replicaUrl: 'env:DEMO_REPLICA_URL' },
          detectors: ofService?.live === true ? LIVE_OPTIONS : calmDatabase,
        }),
        name: 'demo',
        store: databaseOnly.store,
        http: databaseOnly.http,
        notify: databaseOnly.notify,
      };
const configFile = join(directory, 'demo.yaml');
await writeFile(configFile, stringify(config));

step(`starting the daemon: runbookd run --config ${configFile}`);
const daemon = spawn(
  process.execPath,
  [fileURLToPath(new URL('../../src/cli/launcher.js', import.meta.url)), 'run', '--config', configFile],
  {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      ...process.env,
      DEMO_DATABASE_URL: world.primary.monitorUrl,
      DEMO_REPLICA_URL: standby.monitorUrl,
      DEMO_ROUTING_KEY: ROUTING_KEY,
      // Any key will do for the AWS of this machine; these are none.
      ...(cloud === null ? {} : { AWS_ACCESS_KEY_ID: 'AKIADEMODEMODEMODEM0', AWS_SECRET_ACCESS_KEY: 'demo' }),
    },
  },
);
stack.defer(() => end(daemon));
const firedAt = watchLog(daemon);
await ready(`http://127.0.0.1:${port}/readyz`, daemon);
step(`the daemon is ready after ${since()}; status: http://127.0.0.1:${port}/api/v1/findings`);
step(
  `a healthy workload of ${(workload.stats().transactions / ((Date.now() - started) / 1000)).toFixed(0)} transactions a second; nothing should page`,
);
await new Promise((resolve) => setTimeout(resolve, CALM_MS));
const before = pagerduty.ledger().incidents.map(({ events }) => events[0]?.summary ?? '');
if (before.length > 0) throw new Error(`${before.length} page(s) while all was healthy: ${before.join(' | ')}`);

step(paint('bold', `fault: ${fault.title}`));
const injecting = Date.now();
const active =
  cloud === null || ofService === undefined ? await ofDatabase!.inject(world) : await ofService.inject(cloud);
stack.defer(() => active.cure());
const { url: _secret, ...facts } = active.facts;
step(
  `made after ${since()}${Object.keys(facts).length === 0 ? '' : `: ${JSON.stringify(facts)}`}; waiting for the page`,
);

const wanted = ofService?.second === undefined ? 1 : 2;
/** `runbookd:demo:ID[:severity]`: one that got worse has a key of its own for that, so that it pages again. */
const idsOf = (ledger: PagerDutyLedger): ReadonlySet<string> =>
  new Set(ledger.incidents.map((one) => one.dedupKey.split(':')[2]!));
const isOpen = (ledger: PagerDutyLedger): boolean => idsOf(ledger).size >= wanted;
const open = await pagerduty.waitFor(isOpen, PAGE_DEADLINE_MS);
const paged = open.incidents[0]!;
const pageAt = Date.now();
for (const incident of open.incidents) {
  say('');
  printPage(incident.events[0]!);
  say('');
}
const fired = firedAt();
const heldFor = fired === null ? '?' : ((fired - injecting) / 1000).toFixed(1);
step(
  `fault to hold met ${heldFor} s; hold met to PagerDuty's 202 ${fired === null ? '?' : ((pageAt - fired) / 1000).toFixed(2)} s ` +
    '(the diagnosis is in between)',
);

const command = commandOf(paged.events[0]!);
if (command !== null && ofDatabase?.expect?.detector === 'lock-contention') {
  step('running the command of the page, as on-call would');
  await runSql(world.primary.adminUrl, command);
} else {
  step('ending the fault');
}
await active.cure();
const ended = Date.now();
const resolved = (ledger: PagerDutyLedger): boolean =>
  ledger.incidents.every((incident) => incident.state === 'resolved');
const done = await pagerduty.waitFor((ledger) => isOpen(ledger) && resolved(ledger), PAGE_DEADLINE_MS);
for (const incident of done.incidents) {
  for (const event of incident.events.slice(1)) {
    const news = details(event).NEWS ?? event.summary;
    // An update is a trigger on the same key: PagerDuty appends it to the open incident.
    say(`  ${paint('dim', event.action === 'trigger' ? 'update ' : event.action)}  ${news}`);
  }
}
step(
  paint(
    'green',
    `resolved ${((Date.now() - ended) / 1000).toFixed(1)} s after the fault ended; the whole demo took ${since()}`,
  ),
);

function details(event: ReceivedEvent): Readonly<Record<string, string>> {
  // A resolve needs no payload for PagerDuty; ours says what ended it, and the receiver keeps the whole body.
  const payload = event.raw.payload as { readonly custom_details?: Readonly<Record<string, string>> } | undefined;
  return payload?.custom_details ?? {};
}

function printPage(event: ReceivedEvent): void {
  say(paint('bold', `PagerDuty · ${event.severity ?? ''} · ${event.summary ?? ''}`));
  say('');
  for (const [heading, text] of Object.entries(details(event))) {
    text.split('\n').forEach((line, index) => {
      say(`${paint('bold', (index === 0 ? heading : '').padEnd(12))}${line}`);
    });
  }
}

/** The SQL of the page's `then:` line. */
function commandOf(event: ReceivedEvent): string | null {
  const line = (details(event)['DO FIRST'] ?? '').split('\n').find((text) => text.startsWith('then:'));
  return line?.match(/-c "([^"]+)"/)?.[1] ?? null;
}

async function runSql(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

/** Prints what the daemon says of changes of state; answers when its first finding fired. */
function watchLog(child: ChildProcess): () => number | null {
  let at: number | null = null;
  let rest = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const entry = parse(line);
      if (entry === null) continue;
      if (entry.msg === 'finding' && entry.event === 'fired') at ??= Date.parse(String(entry.time));
      if (Number(entry.level) >= 40) say(paint('yellow', `  daemon: ${line}`));
    }
  });
  return () => at;
}

function parse(line: string): Readonly<Record<string, unknown>> | null {
  try {
    return JSON.parse(line) as Readonly<Record<string, unknown>>;
  } catch {
    return null;
  }
}

async function ready(url: string, child: ChildProcess): Promise<void> {
  // The history of 14 days is read before.
  const deadline = Date.now() + 90_000;
  while (Date.now() < deadline) {
    if (child.exitCode !== null) throw new Error(`the daemon ended with exit code ${child.exitCode}`);
    const response = await fetch(url, { signal: AbortSignal.timeout(1000) }).catch(() => null);
    if (response?.ok === true) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('the daemon was not ready within 90 s');
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  await Promise.race([exited, new Promise((resolve) => setTimeout(resolve, 5000))]);
  if (child.exitCode === null) child.kill('SIGKILL');
}
