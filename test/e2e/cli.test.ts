/** The command line as a person meets it: the real entry point, on good and bad input, with what it says and its exit code. */

import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { runCli } from '../../src/cli/cli.ts';
import type { Diagnosis } from '../../src/model/index.ts';
import { type ActiveFault, lockIdleInTransaction } from '../world/faults/index.ts';
import { type PagerDutyFault, type PagerDutyWorld, startPagerDuty } from '../world/pagerduty.ts';
import { freePort } from '../world/ports.ts';
import { type PostgresWorld, startPostgres } from '../world/postgres.ts';
import { endSessions, openSession } from '../world/sessions.ts';
import { waitUntil } from '../world/wait.ts';
import { type Daemon, runToEnd, startDaemon } from './daemon.ts';

// These wait for databases far more than they compute: side by side they take the time of the slowest.
vi.setConfig({ maxConcurrency: 6 });

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'runbookd-cli-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** What no pipe may carry: anything that a terminal obeys, colour included, and what reorders or hides text. */
const UNSAFE = /[^\P{Cc}\n]|[\p{Cf}\p{Zl}\p{Zp}]/u;

interface Result {
  readonly code: number | null;
  readonly output: string;
}

function proper(result: Result): Result {
  expect(result.output).not.toMatch(UNSAFE);
  expect(result.output).not.toMatch(/runbookd: internal error|\n\s+at .+:\d+:\d+/);
  return result;
}

/** As a process of its own, as people start it. */
async function runbookd(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Result> {
  return proper(await runToEnd(args, env));
}

/** The same command line in this process, which costs no start; that both say the same is a test of its own. */
async function runHere(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Result> {
  const chunks: string[] = [];
  const stream = { write: (text: string): unknown => chunks.push(text) };
  const code = await runCli(args, { env, stdout: stream, stderr: stream });
  return proper({ code, output: chunks.join('') });
}

const NOTHING_TO_WATCH =
  'runbookd: nothing to watch: there is no configuration file (--config PATH or RUNBOOKD_CONFIG) and DATABASE_URL is not set\n';
const SEE_HELP = '(run with --help for the commands and options)\n';

describe.concurrent('usage', () => {
  test.each([
    [
      ['--help'],
      0,
      /^Usage: runbookd \[options\] \[command\]\n[\s\S]*\n {2}detectors \[options\] \[id\][\s\S]*Exit codes: 0 well, 1 a finding/,
    ],
    [
      ['run', '--help'],
      0,
      /^Usage: runbookd run \[options\]\n\nwatch, diagnose and page until stopped\n\nOptions:\n {2}-c, --config/,
    ],
    [['--version'], 0, /^\d+\.\d+\.\d+\n$/],
    [['diagnos'], 2, `runbookd: no command is named diagnos; did you mean diagnose?\n${SEE_HELP}`],
    [
      ['frobnicate'],
      2,
      `runbookd: no command is named frobnicate; known: run, check, diagnose, detectors\n${SEE_HELP}`,
    ],
    [['run', 'main-db'], 2, `runbookd: run takes no argument, found main-db\n${SEE_HELP}`],
    [['check', '--frob'], 2, `runbookd: unknown option '--frob'\n${SEE_HELP}`],
    [['detectors', 'lock-contentoin'], 2, 'runbookd: no detector is named lock-contentoin; nearest: lock-contention\n'],
    [['run'], 2, NOTHING_TO_WATCH],
    [['check'], 2, NOTHING_TO_WATCH],
    [['diagnose', 'nosuch'], 2, NOTHING_TO_WATCH],
    [[], 2, NOTHING_TO_WATCH],
  ] as const)('%s exits %i', async (args, code, says) => {
    const result = await runHere(args);
    if (typeof says === 'string') expect(result.output).toBe(says);
    else expect(result.output).toMatch(says);
    expect(result.code).toBe(code);
  });

  test('detectors are a table, one of them in full, or JSON', async () => {
    const [all, one, json] = await Promise.all([
      runHere(['detectors']),
      runHere(['detectors', 'lock-contention']),
      runHere(['detectors', '--json']),
    ]);
    expect(all.output).toMatch(/^DETECTOR +WATCHES +CAUSES +TITLE\n/);
    expect(all.output).toMatch(/^lock-contention +database +\d+ +Lock contention$/m);
    expect(one.output).toMatch(/^lock-contention: Lock contention\n.+\nrunbook: Database \/ Lock Contention\n/);
    expect(one.output).toMatch(/^holdSeconds +30 +s +how long the symptom must last before the finding fires$/m);
    expect(one.output).toMatch(/^terminate-root +reversible +End the session at the root, pid \{pid\}$/m);
    const listed = JSON.parse(json.output) as readonly { readonly id: string }[];
    expect(listed.map(({ id }) => id)).toContain('database-unreachable');
    expect(all.output.trimEnd().split('\n')).toHaveLength(listed.length + 1);
    expect([all.code, one.code, json.code]).toEqual([0, 0, 0]);
  });
});

describe.concurrent('as a process of its own', () => {
  test.each([
    [['--help'], {}, 0],
    [['frobnicate'], {}, 2],
    [['detectors', 'lock-contention', '--json'], {}, 0],
    [['run'], { DATABASE_URL: 'mysql://u:hunter2@db/app' }, 2],
  ] as const)('%s says the same and exits with the same code', async (args, env, code) => {
    const own = await runbookd(args, env);
    expect(own).toEqual(await runHere(args, env));
    expect(own.code).toBe(code);
  });
});

describe.concurrent('configuration', () => {
  const ENV = 'environment: databases.main-db.url: the value of env:DATABASE_URL';
  test.each([
    ['hello', `runbookd: ${ENV} is not a postgres:// URL; expected postgres://user@host:5432/database\n`],
    [
      'mysql://u:hunter2@db/app',
      `runbookd: ${ENV} is not a postgres:// URL; expected postgres://user@host:5432/database\n`,
    ],
    [
      'postgres://u:hunter#2@db/app',
      `runbookd: ${ENV} cannot be read: characters such as @ / # ? % in a password must be percent-encoded\n`,
    ],
  ])('DATABASE_URL=%s', async (url, says) => {
    expect(await runHere(['check'], { DATABASE_URL: url })).toEqual({ code: 2, output: says });
  });

  const URL_LINE = '    url: postgres://monitor@db.invalid/app\n';
  test.each([
    [
      'a key that is not one',
      `databases:\n  main-db:\n${URL_LINE}    rsd: rastup\n`,
      ':4: databases.main-db.rsd: unknown key; did you mean "rds"?',
    ],
    [
      'a detector that is not one',
      `databases:\n  main-db:\n${URL_LINE}detectors:\n  lock-contentoin: { enabled: false }\n`,
      ':5: detectors.lock-contentoin: there is no such detector; did you mean "lock-contention"?',
    ],
    [
      'a value that does not fit',
      `databases:\n  main-db:\n${URL_LINE}detectors:\n  lock-contention: { options: { holdSeconds: soon } }\n`,
      ':5: detectors.lock-contention.options.holdSeconds: found "soon", expected a number from 0 to 86400 (s)',
    ],
    [
      'a variable that is not set',
      'databases:\n  main-db:\n    url: env:NO_SUCH_URL\n',
      ':3: databases.main-db.url: env:NO_SUCH_URL: environment variable is not set',
    ],
    [
      'a file that is not there',
      `databases:\n  main-db:\n${URL_LINE}notify:\n  pagerduty:\n    routingKey: file:no-such-key\n`,
      ':6: notify.pagerduty.routingKey: file:no-such-key: there is no file ',
    ],
    ['text that is not YAML', 'databases: [\n', ': not valid YAML: '],
    [
      'nothing to watch',
      'name: test\n',
      ' has no services, databases, dependencies, queues, searches or caches; expected at least one',
    ],
  ])('%s is named with its file, line, key and what was expected', async (title, text, says) => {
    const file = join(directory, `${title.replaceAll(' ', '-')}.yaml`);
    await writeFile(file, text);
    const result = await runHere(['check', '--config', file]);
    expect(result.output).toContain(says);
    expect(result.output).toContain(file);
    expect(result.output.startsWith('runbookd: ')).toBe(true);
    expect(result.code).toBe(2);
  });

  test('a file that is not there is an error of the configuration, also for run and detectors', async () => {
    const file = join(directory, 'no-such.yaml');
    for (const command of ['run', 'detectors']) {
      const { code, output } = await runHere([command], { RUNBOOKD_CONFIG: file });
      expect(output).toContain(`runbookd: ${file}: cannot be read: `);
      expect(code).toBe(2);
    }
  });
});

/** `postgres://role:password@127.0.0.1:PORT/rastup` with parts replaced. */
function variant(url: string, change: (url: URL) => void): string {
  const changed = new URL(url);
  change(changed);
  return changed.href;
}

describe.concurrent('a database', () => {
  let world: PostgresWorld;
  let silent: Server;
  let silentPort: number;

  beforeAll(async () => {
    world = await startPostgres({ version: 18 });
    await world.primary.admin('ALTER ROLE runbookd CONNECTION LIMIT -1');
    await world.primary.admin("CREATE ROLE plain LOGIN PASSWORD 'plain'");
    await world.primary.admin('CREATE DATABASE bare');
    silent = createServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    silentPort = (silent.address() as { readonly port: number }).port;
  });
  afterAll(async () => {
    silent?.close();
    await world?.[Symbol.asyncDispose]();
  });

  test('that is healthy: check says what it is, diagnose says that nothing is wrong', async () => {
    const env = { DATABASE_URL: world.primary.monitorUrl };
    const [check, text, json, unknown] = await Promise.all([
      runbookd(['check'], env),
      runbookd(['diagnose'], env),
      runHere(['diagnose', 'main-db', '--json'], env),
      runHere(['diagnose', 'nosuch'], env),
    ]);
    expect(check.output).toMatch(
      /^ok {6}main-db: server: PostgreSQL 18\.\d+, primary, 37 usable connections, up since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$/m,
    );
    expect(check.output).toContain('none    notify: PagerDuty: notify.pagerduty is not configured');
    expect(check.code).toBe(0);
    expect(text.output).toMatch(/^healthy {3}main-db: no symptom of the \d+ detectors that could look\n$/);
    expect(text.code).toBe(0);
    expect(JSON.parse(json.output)).toMatchObject({ verdict: 'healthy', target: 'main-db', causes: [], gaps: [] });
    expect(json.code).toBe(0);
    expect(unknown).toEqual({ code: 2, output: 'runbookd: no target is named nosuch; known: main-db\n' });
  });

  interface Unreachable {
    readonly name: string;
    readonly url: () => string;
    readonly variant: string;
    /** What `check` says after `cannot be reached: `. */
    readonly check: RegExp;
    /** The summary line, after the target. */
    readonly summary: RegExp;
    readonly command: RegExp;
  }

  test.each<Unreachable>([
    {
      name: 'whose password is wrong',
      url: () => variant(world.primary.monitorUrl, (url) => (url.password = 'canary-wrong')),
      variant: 'authentication',
      check: /: password authentication failed for user "runbookd" \[28P01\], at step authentication/,
      summary: /unreachable for .+, password or certificate of the role refused · > 99 % database unreachable/,
      command: /psql -h 127\.0\.0\.1 -p \d+ -U admin -d rastup -c "SELECT 1;"/,
    },
    {
      name: 'whose host is wrong',
      url: () => variant(world.primary.monitorUrl, (url) => (url.hostname = 'main-db.invalid')),
      variant: 'dns',
      check: /^main-db\.invalid:\d+: getaddrinfo \w+ main-db\.invalid, at step dns/,
      summary: /unreachable for .+, the name does not resolve · /,
      command: /dig \+short main-db\.invalid/,
    },
    {
      name: 'whose port is wrong',
      url: () => variant(world.primary.monitorUrl, (url) => (url.port = '1')),
      variant: 'stopped',
      check: /^127\.0\.0\.1:1: connect ECONNREFUSED 127\.0\.0\.1:1, at step tcp/,
      summary: /unreachable for .+, connection refused · /,
      command: /pg_isready -h 127\.0\.0\.1 -p 1 -t 5/,
    },
    {
      name: 'that accepts and says nothing',
      url: () => variant(world.primary.monitorUrl, (url) => (url.port = String(silentPort))),
      variant: 'hung',
      check: /: no answer within the deadline, at step startup/,
      summary: /unreachable for .+, it accepts connections and says nothing · /,
      command: /psql -h 127\.0\.0\.1 -p \d+ -U admin -d rastup -c "SELECT 1;"/,
    },
    {
      name: 'that has no TLS while we insist on it',
      url: () => variant(world.primary.monitorUrl, (url) => url.searchParams.set('sslmode', 'require')),
      variant: 'tls',
      check: /: the server does not support TLS, which sslmode asks for, at step tls/,
      summary: /unreachable for .+, the server has no TLS · /,
      command: /openssl s_client -starttls postgres -connect 127\.0\.0\.1:\d+/,
    },
    {
      name: 'that is not on the server',
      url: () => variant(world.primary.monitorUrl, (url) => (url.pathname = '/nosuch')),
      variant: 'missing-database',
      check: /: database "nosuch" does not exist \[3D000\], at step authentication/,
      summary: /unreachable for .+, the database does not exist · /,
      command: /psql .* -c "select datname, datallowconn from pg_database order by datname"/,
    },
  ])('$name is a finding with the cause first, and check names the step', async (one) => {
    const env = { DATABASE_URL: one.url() };
    const started = performance.now();
    const [check, text, json] = await Promise.all([
      runHere(['check'], env),
      runbookd(['diagnose'], env),
      runHere(['diagnose', 'main-db', '--json'], env),
    ]);
    expect(performance.now() - started).toBeLessThan(25_000);
    expectUnreachable(one, check, text, json);
  });

  test('that stands still while it is asked is a finding too', async () => {
    await using paused = await startPostgres({ version: 18 });
    const env = { DATABASE_URL: paused.primary.monitorUrl };
    await paused.primary.pause();
    const [check, text, json] = await Promise.all([
      runHere(['check'], env),
      runbookd(['diagnose'], env),
      runHere(['diagnose', 'main-db', '--json'], env),
    ]);
    await paused.primary.resume();
    const expected = {
      variant: 'hung',
      check: /: no answer within the deadline, at step startup/,
      summary: /unreachable for .+, it accepts connections and says nothing · /,
      command: /psql -h 127\.0\.0\.1 -p \d+ -U admin -d rastup -c "SELECT 1;"/,
    };
    expectUnreachable(expected, check, text, json);
  });

  function expectUnreachable(
    expected: Pick<Unreachable, 'variant' | 'check' | 'summary' | 'command'>,
    check: Result,
    text: Result,
    json: Result,
  ): void {
    const failed = check.output.split('\n').filter((line) => !/^(ok|none) /.test(line) && line !== '');
    expect(failed).toHaveLength(1);
    const [line = ''] = failed;
    expect(line).toMatch(/^failed {2}main-db: cannot be reached: .+ \(runbookd diagnose main-db says what to do\)$/);
    expect(line.replace('failed  main-db: cannot be reached: ', '')).toMatch(expected.check);
    expect(check.code).toBe(3);

    const [summary = ''] = text.output.split('\n');
    expect(summary).toMatch(/^main-db: /);
    expect(summary).toMatch(expected.summary);
    expect(text.output).toMatch(/^SINCE {7}before \d\d:\d\d:\d\d UTC, when this look began; /m);
    expect(text.output).toMatch(/^LIKELY {6}Database unreachable: /m);
    expect(/^DO FIRST {4}look: {4}(.+)$/m.exec(text.output)?.[1]).toMatch(expected.command);
    expect(text.output).not.toContain('not seen');
    expect(text.code).toBe(1);

    const diagnosis = JSON.parse(json.output) as Diagnosis;
    expect(diagnosis.verdict).toBe('cause');
    expect(diagnosis.causes[0]).toMatchObject({ cause: 'database-unreachable', variant: expected.variant });
    expect(json.code).toBe(1);
    for (const { output } of [check, text, json]) expect(output).not.toMatch(/canary|world-runbookd|postgres:\/\//);
  }

  test('without the extension: what is blind is named with the command that helps, the rest is judged', async () => {
    const env = { DATABASE_URL: variant(world.primary.monitorUrl, (url) => (url.pathname = '/bare')) };
    const [check, text, json] = await Promise.all([
      runHere(['check'], env),
      runbookd(['diagnose'], env),
      runHere(['diagnose', '--json'], env),
    ]);
    expect(check.output).toContain(
      'blind   main-db: statements: extension pg_stat_statements is not in database bare\n' +
        '        to see it: CREATE EXTENSION pg_stat_statements;\n',
    );
    expect(check.output).toMatch(/^ok {6}main-db: server: PostgreSQL 18/m);
    expect(check.code).toBe(3);
    expect(text.output).toContain('; to see it: CREATE EXTENSION pg_stat_statements;\n');
    expect(text.output).toContain('not told  main-db: slow-queries: no data of ');
    expect(text.output).toMatch(
      /^unsure {4}main-db: no symptom of the \d+ detectors that could look, but not everything could be seen$/m,
    );
    expect(text.code).toBe(3);
    expect(JSON.parse(json.output)).toMatchObject({
      verdict: 'inconclusive',
      gaps: [{ what: 'statements', because: 'not_configured', grant: 'CREATE EXTENSION pg_stat_statements;' }],
    });
    expect(json.code).toBe(3);
  });

  test('for a role without pg_monitor: every blind spot comes with the grant', async () => {
    await using stack = new AsyncDisposableStack();
    const other = await openSession(world.primary, 'other');
    stack.defer(() => endSessions(world.primary, [other]));
    const url = variant(world.primary.monitorUrl, (to) => {
      to.username = 'plain';
      to.password = 'plain';
    });
    const [check, text] = await Promise.all([
      runHere(['check'], { DATABASE_URL: url }),
      runbookd(['diagnose'], { DATABASE_URL: url }),
    ]);
    for (const what of ['sessions', 'statements', 'settings']) {
      expect(check.output).toMatch(
        new RegExp(
          `^blind {3}main-db: ${what}: .+ hidden from role plain\n {8}to see it: GRANT pg_monitor TO plain;$`,
          'm',
        ),
      );
    }
    expect(check.output).toMatch(/^ok {6}main-db: server: PostgreSQL 18/m);
    expect(check.code).toBe(3);
    expect(text.output).toMatch(/^not seen {2}main-db: sessions: .+; to see it: GRANT pg_monitor TO plain;$/m);
    expect(text.output).toMatch(/^unsure {4}main-db: /m);
    expect(text.code).toBe(3);
  });

  test('with two daemons on one store: the second names the first and ends, the first loses nothing', async () => {
    const { file, port } = await daemonConfig('two', {});
    await using first = startDaemon(['run', '--config', file], { TEST_DATABASE_URL: world.primary.monitorUrl });
    await waitUntil('the first to be ready', async () => (await status(port, '/readyz')) === 200);
    const { code, output } = await runbookd(['run', '--config', file], { TEST_DATABASE_URL: world.primary.monitorUrl });
    expect(output).toMatch(
      new RegExp(`^runbookd: store \\S+two\\.db is in use by another runbookd: pid ${first.child.pid} on \\S+ since `),
    );
    expect(code).toBe(2);
    const polls = await polled(port);
    await waitUntil('the first to go on', async () => (await polled(port)) >= polls + 3);
    expect(await status(port, '/readyz')).toBe(200);
    await first.kill('SIGTERM');
    expect(first.child.exitCode).toBe(0);
    expect(messages(first)).not.toContain('error');
  });
});

describe.concurrent('a lock chain', () => {
  let world: PostgresWorld;
  let fault: ActiveFault;

  beforeAll(async () => {
    world = await startPostgres({ version: 18, settings: { shared_preload_libraries: '' } });
    await world.primary.admin('ALTER ROLE runbookd CONNECTION LIMIT -1');
    fault = await lockIdleInTransaction({ waiters: 3 }).inject(world);
  });
  afterAll(async () => {
    await fault?.cure();
    await world?.[Symbol.asyncDispose]();
  });

  test('is diagnosed: the page as text, the whole of it as JSON, the command with the real pid', async () => {
    const file = join(directory, 'locks.yaml');
    await writeFile(file, "databases:\n  main-db: { url: 'env:LOCKS_URL' }\ncontacts: { databases: '@dba' }\n");
    const env = { LOCKS_URL: world.primary.monitorUrl };
    const [check, text, json] = await Promise.all([
      runHere(['check', '--config', file], env),
      runbookd(['diagnose', '--config', file], env),
      runbookd(['diagnose', 'main-db', '--json', '--config', file], env),
    ]);
    const { blockerPid } = fault.facts;
    const [summary = ''] = text.output.split('\n');
    expect(summary).toMatch(
      new RegExp(
        `^main-db: 4 sessions blocked for .+ by pid ${blockerPid}, idle in transaction \\(checkout-worker\\) · (?:9\\d|> 99) % lock contention$`,
      ),
    );
    expect(text.output).toMatch(
      new RegExp(`^ +then: .+pg_terminate_backend\\(pid\\) .+ where pid = ${blockerPid} and `, 'm'),
    );
    expect(text.output).toMatch(/^OWNER {7}@dba · runbook: Database \/ Lock Contention$/m);
    // One look does not come back to see whether it helped.
    expect(text.output).not.toContain('runbookd checks');
    expect(text.code).toBe(1);
    const diagnosis = JSON.parse(json.output) as Diagnosis;
    expect(diagnosis).toMatchObject({
      verdict: 'cause',
      target: 'main-db',
      symptom: { detector: 'lock-contention', severity: 'critical' },
      runbook: 'Database / Lock Contention',
    });
    expect(diagnosis.causes[0]).toMatchObject({
      cause: 'lock-contention',
      on: 'main-db',
      variant: 'idle-in-transaction',
    });
    expect(diagnosis.causes[0]!.confidence).toBeGreaterThan(0.9);
    const terminate = diagnosis.causes[0]!.mitigations.find(({ id }) => id === 'terminate-root');
    expect(terminate).toMatchObject({
      slots: { pid: blockerPid },
      command: expect.stringContaining(`pid = ${blockerPid}`),
    });
    expect(json.code).toBe(1);
    // Here the library is not loaded at all, which takes more than CREATE EXTENSION.
    expect(check.output).toContain(
      'blind   main-db: statements: pg_stat_statements is not loaded: it is not in shared_preload_libraries\n' +
        "        to see it: shared_preload_libraries = 'pg_stat_statements' (needs a restart), then CREATE EXTENSION pg_stat_statements;\n",
    );
    expect(check.code).toBe(3);
  });

  test('of a session with a hostile name is told without obeying it', async () => {
    await using hostile = await startPostgres({ version: 18 });
    const { primary } = hostile;
    await using stack = new AsyncDisposableStack();
    const name = `x'"; $(id) \`id\`\n\u001b[31mRED\u001b]0;t\u0007\u009b31m\u202egnp`;
    const sessions = await Promise.all([1, 2, 3].map(() => openSession(primary, 'hostile')));
    stack.defer(() => endSessions(primary, sessions));
    for (const session of sessions) await session.query("SELECT set_config('application_name', $1, false)", [name]);
    const [blocker, ...waiters] = sessions;
    await blocker!.query('BEGIN');
    await blocker!.query("UPDATE orders SET note = 'held' WHERE id = 1");
    for (const session of waiters) session.start("UPDATE orders SET note = 'wanted' WHERE id = 1");
    await waitUntil('both to wait', async () => {
      const rows = await primary.admin("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'");
      return rows.length === 2;
    });
    const env = { DATABASE_URL: primary.monitorUrl };
    const [text, json] = await Promise.all([runbookd(['diagnose'], env), runHere(['diagnose', '--json'], env)]);
    const { pid } = blocker!;
    expect(text.output.split('\n')[0]).toMatch(
      new RegExp(`^main-db: 2 sessions blocked .* by pid ${pid}, .*lock contention$`),
    );
    expect(text.output).toContain('x\'"; $(id)');
    const diagnosis = JSON.parse(json.output) as Diagnosis;
    expect(diagnosis.causes[0]).toMatchObject({ cause: 'lock-contention', variant: 'idle-in-transaction' });
    const commands = diagnosis.causes[0]!.mitigations.flatMap((one) =>
      'command' in one ? [one.command, one.precheck] : [],
    );
    expect(commands.filter((command) => command?.includes(`pid = ${pid} `))).not.toEqual([]);
    expect(commands.join('\n')).not.toMatch(/RED|\$\(|`|gnp/);
    expect([text.code, json.code]).toEqual([1, 1]);
  });

  describe.concurrent('and a PagerDuty that', () => {
    const started: PagerDutyWorld[] = [];
    afterAll(async () => {
      for (const pagerduty of started) await pagerduty.close();
    });

    async function watching(
      fault: PagerDutyFault,
    ): Promise<{ pagerduty: PagerDutyWorld; daemon: Daemon; port: number }> {
      const pagerduty = await startPagerDuty();
      started.push(pagerduty);
      pagerduty.setFault(fault);
      const { server, caFile } = pagerduty;
      const { file, port } = await daemonConfig(fault, {
        notify: { pagerduty: { routingKey: 'env:TEST_ROUTING_KEY', server, caFile } },
      });
      const env = { TEST_DATABASE_URL: world.primary.monitorUrl, TEST_ROUTING_KEY: 'k'.repeat(32) };
      const daemon = startDaemon(['run', '--config', file], env);
      await waitUntil(
        'the page to be tried',
        () => pagerduty.ledger().requests.some(({ event }) => event?.action === 'trigger'),
        { timeoutMs: 30_000 },
      );
      return { pagerduty, daemon, port };
    }

    const stopped = async (daemon: Daemon): Promise<void> => {
      expect(daemon.child.exitCode).toBeNull();
      await daemon.kill('SIGTERM');
      expect(daemon.child.exitCode).toBe(0);
    };

    test.each(['hang', 'html', '500'] as const)(
      'answers with %s: polls keep their pace, and the page arrives once it heals',
      async (kind) => {
        const { pagerduty, daemon, port } = await watching(kind);
        await using _ = daemon;
        const before = await polled(port);
        // Locks are looked at each second, and an attempt that hangs is given up after ten.
        await waitUntil('polls', async () => (await polled(port)) >= before + 4, { timeoutMs: 10_000 });
        expect(pagerduty.ledger().incidents).toEqual([]);
        pagerduty.setFault('ok');
        const { incidents } = await pagerduty.waitFor(({ incidents }) => incidents.length > 0, 30_000);
        expect(incidents[0]!.events[0]!.summary).toContain(`by pid ${fault.facts.blockerPid},`);
        if (kind !== 'hang') expect(daemon.output()).toContain('notification not delivered');
        await stopped(daemon);
      },
    );

    test('refuses what we send: the page is given up, loudly, and the daemon lives', async () => {
      const { daemon, port } = await watching('400');
      await using _ = daemon;
      await waitUntil('the page to be given up', () =>
        messages(daemon).some(({ msg, kind }) => /^notification given up/.test(msg) && kind === 'trigger'),
      );
      const given = messages(daemon).find(({ msg, kind }) => /^notification given up/.test(msg) && kind === 'trigger');
      expect(given).toMatchObject({ channel: 'pagerduty', error: expect.stringContaining('pagerduty answered 400') });
      const dead = await waitUntil('the metric', async () =>
        /^runbookd_notifications_total\{channel="pagerduty",outcome="dead"\} (\d+)$/m.exec(await metrics(port)),
      );
      expect(Number(dead[1])).toBeGreaterThan(0);
      const before = await polled(port);
      await waitUntil('polls', async () => (await polled(port)) >= before + 2);
      await stopped(daemon);
    });
  });
});

/** A daemon that looks at locks each second and at nothing else as often, with a store and a port of its own. */
async function daemonConfig(name: string, extra: object): Promise<{ readonly file: string; readonly port: number }> {
  const port = await freePort();
  const file = join(directory, `${name}.yaml`);
  const config = {
    name,
    store: { sqlite: join(directory, `${name}.db`) },
    http: { listen: `127.0.0.1:${port}` },
    databases: { 'main-db': { url: 'env:TEST_DATABASE_URL' } },
    detectors: { 'lock-contention': { options: { pollSeconds: 1, holdSeconds: 0 } } },
    ...extra,
  };
  await writeFile(file, JSON.stringify(config));
  return { file, port };
}

async function get(port: number, path: string): Promise<Response | null> {
  return fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(2000) }).catch(() => null);
}

async function status(port: number, path: string): Promise<number | null> {
  return (await get(port, path))?.status ?? null;
}

async function metrics(port: number): Promise<string> {
  return (await (await get(port, '/metrics'))?.text()) ?? '';
}

/** Polls that went through so far. */
async function polled(port: number): Promise<number> {
  const found = /^runbookd_poll_duration_seconds_count\{source="postgres:main-db"\} (\d+)$/m.exec(await metrics(port));
  return Number(found?.[1] ?? 0);
}

interface LogLine {
  readonly msg: string;
  readonly kind?: string;
}

/** The log: one JSON object a line. */
function messages(daemon: Daemon): readonly LogLine[] {
  return daemon
    .output()
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as LogLine);
}
