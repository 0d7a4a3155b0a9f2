/**
 * `npm run bench`: what the README claims about cost and speed, measured on this machine. The machine may be shared and
 * noisy: medians, counts and bytes are meant to be compared, single times are not.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import type { Question, QuestionKind, Source } from '../../src/model/index.ts';
import { createPostgresSource } from '../../src/sources/postgres/source.ts';
import { startDaemon } from '../e2e/daemon.ts';
import { freePort } from '../world/ports.ts';
import { type PostgresWorld, startPostgres } from '../world/postgres.ts';

const STATEMENTS = 5000;
const TABLES = 500;
const POLLS = 40;
const IDLE_MS = 60_000;
/** Long enough for every poll group to have run. */
const FIRST_MS = 10_000;

interface Figure {
  readonly what: string;
  readonly measured: string;
  readonly limit: string;
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
const ms = (value: number): string => `${value.toFixed(1)} ms`;
const seconds = (valueMs: number): string => `${(valueMs / 1000).toFixed(2)} s`;

async function fill(world: PostgresWorld): Promise<void> {
  const tables = Array.from({ length: TABLES }, (_, index) => `bench_${index}`);
  for (const table of tables) {
    await world.primary.admin(`CREATE TABLE ${table} (id int primary key, a int, b int, c text)`);
  }
  const columns = ['id', 'a', 'b', 'c', 'id, a', 'id, b', 'id, c', 'a, b', 'a, c', 'b, c', 'id, a, b'];
  let made = 0;
  for (const list of columns) {
    for (const table of tables) {
      if (made++ >= STATEMENTS + 500) return;
      await world.primary.admin(`SELECT ${list} FROM ${table} WHERE id = 1`);
    }
  }
}

/** Database time of our role since the start, in ms, as the server itself counts it. */
async function ourTime(world: PostgresWorld): Promise<number> {
  const [row] = await world.primary.admin<{ readonly ms: number }>(
    `SELECT coalesce(sum(total_exec_time + total_plan_time), 0)::float8 AS ms FROM pg_stat_statements s
     JOIN pg_roles r ON r.oid = s.userid WHERE r.rolname = 'runbookd'`,
  );
  return row?.ms ?? Number.NaN;
}

const QUESTIONS: readonly QuestionKind[] = [
  'postgres.server',
  'postgres.sessions',
  'postgres.lock_tree',
  'postgres.statements',
  'postgres.tables',
  'postgres.activity',
  'postgres.replication',
  'postgres.reachability',
];

/** Most sessions that the server showed of our role while all groups are polled and all questions asked at once. */
async function mostConnections(world: PostgresWorld, source: Source): Promise<number> {
  let most = 0;
  let over = false;
  const watching = (async () => {
    while (!over) {
      const [row] = await world.primary.admin<{ readonly n: number }>(
        `SELECT count(*)::int AS n FROM pg_stat_activity WHERE usename = 'runbookd'`,
      );
      most = Math.max(most, row?.n ?? 0);
    }
  })();
  const window = { from: Date.now() - 600_000, to: Date.now() };
  const ask = (kind: QuestionKind): Question => ({ kind, target: 'bench', window, params: {} }) as Question;
  for (let round = 0; round < 20; round++) {
    await Promise.all([
      ...source.groups.map((group) => source.poll(group, Date.now(), AbortSignal.timeout(20_000))),
      ...QUESTIONS.map((kind) => source.answer(ask(kind), Date.now(), AbortSignal.timeout(20_000))),
    ]);
  }
  over = true;
  await watching;
  return most;
}

async function pollCost(): Promise<readonly Figure[]> {
  await using world = await startPostgres({
    version: 18,
    settings: {
      'pg_stat_statements.max': '10000',
      'pg_stat_statements.track_utility': 'off',
      'pg_stat_statements.track_planning': 'on',
    },
  });
  await fill(world);
  const [entries] = await world.primary.admin<{ readonly n: string }>(
    'SELECT count(*)::text AS n FROM pg_stat_statements',
  );
  const periodsMs = { activity: 15_000, replication: 15_000, statements: 60_000, catalog: 60_000 };
  const log = pino({ level: 'silent' });
  const source = createPostgresSource({ target: 'bench', url: world.primary.monitorUrl, replicas: {}, periodsMs, log });
  const byGroup = new Map<string, number[]>();
  const walls: number[] = [];
  for (let poll = 0; poll < POLLS; poll++) {
    const wall = performance.now();
    for (const group of source.groups) {
      const before = await ourTime(world);
      await source.poll(group, Date.now(), AbortSignal.timeout(20_000));
      const spent = (await ourTime(world)) - before;
      // The first polls probe capabilities and take first readings: a daemon does that once.
      if (poll >= 3) byGroup.set(group, [...(byGroup.get(group) ?? []), spent]);
    }
    walls.push(performance.now() - wall);
  }
  const most = await mostConnections(world, source);
  await source.close();
  const medians = [...byGroup].map(([group, values]) => [group, median(values)] as const);
  const all = medians.reduce((sum, [, value]) => sum + value, 0);
  return [
    {
      what: `database time of one poll of everything (${entries?.n} statements, ${TABLES} tables), median of ${POLLS - 3}`,
      measured: `${ms(all)} (${medians.map(([group, value]) => `${group} ${ms(value)}`).join(', ')})`,
      limit: '25 ms',
    },
    {
      what: 'connections to the database, most seen with all polls and all questions at once',
      measured: String(most),
      limit: '2',
    },
  ];
}

async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? Number.NaN) * 1024;
}

async function cpuSeconds(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function idle(): Promise<readonly Figure[]> {
  await using world = await startPostgres({ version: 18, standby: true });
  const directory = await mkdtemp(join(tmpdir(), 'runbookd-bench-'));
  try {
    const readies: number[] = [];
    const port = await freePort();
    const file = join(directory, 'bench.yaml');
    const database = { url: 'env:BENCH_URL' };
    const databases = {
      'db-a': { ...database, replicas: { 'replica-1': { url: 'env:BENCH_REPLICA_URL' } } },
      'db-b': database,
    };
    await writeFile(
      file,
      JSON.stringify({ store: { sqlite: join(directory, 's.db') }, http: { listen: `127.0.0.1:${port}` }, databases }),
    );
    // The role of the world allows three connections; three watched servers on two postmasters stay within that.
    // With a cache of its own, which the first start finds empty.
    const env = {
      BENCH_URL: world.primary.monitorUrl,
      BENCH_REPLICA_URL: world.standby!.monitorUrl,
      XDG_CACHE_HOME: directory,
    };
    const untilReady = async (): Promise<void> => {
      const deadline = performance.now() + 20_000;
      while (performance.now() < deadline) {
        const response = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => null);
        if (response?.ok === true) return;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      throw new Error('not ready within 20 s');
    };
    const stops: number[] = [];
    let firstResident = 0;
    for (let round = 0; round < 6; round++) {
      const started = performance.now();
      await using daemon = startDaemon(['run', '--config', file], env);
      await untilReady();
      readies.push(performance.now() - started);
      if (round === 0) {
        await new Promise((resolve) => setTimeout(resolve, FIRST_MS));
        firstResident = await residentBytes(daemon.child.pid!);
      }
      const stopping = performance.now();
      await daemon.kill('SIGTERM');
      stops.push(performance.now() - stopping);
    }
    const [first = Number.NaN, ...later] = readies;
    await using daemon = startDaemon(['run', '--config', file], env);
    await untilReady();
    const pid = daemon.child.pid!;
    const cpu = await cpuSeconds(pid);
    await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
    const used = (await cpuSeconds(pid)) - cpu;
    const resident = await residentBytes(pid);
    await daemon.kill('SIGTERM');
    return [
      { what: 'start to ready, median of 5', measured: seconds(median(later)), limit: '2 s' },
      { what: 'start to ready, the very first (nothing compiled yet)', measured: seconds(first), limit: '–' },
      { what: 'SIGTERM to exit, median of 6', measured: seconds(median(stops)), limit: '2 s' },
      {
        what: 'resident memory after 60 s, 3 databases',
        measured: `${(resident / 1e6).toFixed(0)} MB`,
        limit: '150 MB',
      },
      {
        what: `the same ${FIRST_MS / 1000} s after the very first start`,
        measured: `${(firstResident / 1e6).toFixed(0)} MB`,
        limit: '150 MB',
      },
      {
        what: 'CPU of the daemon over 60 s, 3 databases',
        measured: `${((used / (IDLE_MS / 1000)) * 100).toFixed(1)} % of one core`,
        limit: '–',
      },
    ];
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Services behind load balancers: 16 metrics each, and 4 more of two zones. */
const SERVICES = 500;
const SETTLING_MS = 120_000;
const MEASURED_MS = 180_000;

/** The daemon with 10,000 series of CloudWatch at 60 s, the last hour of 14 days of history read before. */
async function manySeries(): Promise<readonly Figure[]> {
  const directory = await mkdtemp(join(tmpdir(), 'runbookd-bench-'));
  const cloudwatch = spawn(process.execPath, [fileURLToPath(new URL('cloudwatch.ts', import.meta.url))]);
  try {
    const [chunk] = (await once(cloudwatch.stdout, 'data')) as [Buffer];
    const port = await freePort();
    const file = join(directory, 'bench.yaml');
    const services = Object.fromEntries(
      Array.from({ length: SERVICES }, (_, index) => {
        const id = index.toString(16).padStart(16, '0');
        const alb = { loadBalancer: `app/lb-${index}/${id}`, targetGroup: `targetgroup/tg-${index}/${id}` };
        return [`svc-${index}`, { alb }];
      }),
    );
    const aws = {
      region: 'us-east-1',
      endpoint: `http://127.0.0.1:${chunk.toString().trim()}`,
      budgetUsdPerMonth: 1e6,
    };
    const http = { listen: `127.0.0.1:${port}` };
    await writeFile(file, JSON.stringify({ store: { sqlite: join(directory, 's.db') }, http, aws, services }));
    const env = {
      AWS_ACCESS_KEY_ID: 'AKIABENCHBENCHBENCH0',
      AWS_SECRET_ACCESS_KEY: 'bench',
      XDG_CACHE_HOME: directory,
    };
    await using daemon = startDaemon(['run', '--config', file], env);
    const pid = daemon.child.pid!;
    const started = performance.now();
    while (!(await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => null))?.ok) {
      if (performance.now() - started > 400_000 || daemon.child.exitCode !== null) throw new Error(daemon.output());
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    const history = performance.now() - started;
    await new Promise((resolve) => setTimeout(resolve, SETTLING_MS));
    const cpu = await cpuSeconds(pid);
    await new Promise((resolve) => setTimeout(resolve, MEASURED_MS));
    const used = (await cpuSeconds(pid)) - cpu;
    const resident = await residentBytes(pid);
    const peak = Number(/VmHWM:\s+(\d+) kB/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
    const text = await (await fetch(`http://127.0.0.1:${port}/api/v1/series`)).json().catch(() => null);
    const count = Array.isArray((text as { series?: unknown[] } | null)?.series)
      ? (text as { series: unknown[] }).series.length
      : Number.NaN;
    await daemon.kill('SIGTERM');
    const of = `${SERVICES} services, about 10,000 series at 60 s`;
    return [
      {
        what: `CPU, ${of}`,
        measured: `${((used / (MEASURED_MS / 1000)) * 100).toFixed(1)} % of one core`,
        limit: '10 %',
      },
      {
        what: `resident memory, ${of} (peak while 14 days of history are read: ${(peak / 1e6).toFixed(0)} MB)`,
        measured: `${(resident / 1e6).toFixed(0)} MB (${count} series)`,
        limit: '250 MB',
      },
      { what: `until 14 days of history of these are read`, measured: seconds(history), limit: '–' },
    ];
  } finally {
    cloudwatch.kill('SIGKILL');
    await rm(directory, { recursive: true, force: true });
  }
}

/** `npm run bench -- NAME`: one of them alone. */
const ALL = { poll: pollCost, idle, series: manySeries };
const wanted = process.argv.slice(2);
const figures: Figure[] = [];
for (const [name, measure] of Object.entries(ALL)) {
  if (wanted.length === 0 || wanted.includes(name)) figures.push(...(await measure()));
}
process.stdout.write(`node ${process.versions.node}, ${cpus().length} cores, ${(totalmem() / 1e9).toFixed(0)} GB\n`);
const width = Math.max(...figures.map((figure) => figure.what.length));
for (const { what, measured, limit } of figures)
  process.stdout.write(`${what.padEnd(width)}  ${measured}  (aim: ${limit})\n`);
