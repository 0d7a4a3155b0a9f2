import { Client } from 'pg';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { ReachReason, ReachStep } from '../../src/model/postgres.ts';
import type { Answer, QuestionKind, QuestionTypes } from '../../src/model/question.ts';
import type { PollResult } from '../../src/model/source.ts';
import { createActivityCollector } from '../../src/sources/postgres/activity.ts';
import { createConnection } from '../../src/sources/postgres/connection.ts';
import { parseEndpoint } from '../../src/sources/postgres/endpoint.ts';
import { sqlstateOf } from '../../src/sources/postgres/failure.ts';
import { createServer } from '../../src/sources/postgres/server.ts';
import { createPostgresSource, POSTGRES_SIGNALS } from '../../src/sources/postgres/source.ts';
import { type ActiveFault, faults } from '../world/faults/index.ts';
import { type PostgresWorld, startPostgres } from '../world/postgres.ts';
import { endSessions, openSession, openSessions } from '../world/sessions.ts';
import { waitUntil } from '../world/wait.ts';

const signal = new AbortController().signal;
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A collector as the source makes it, and its figures by signal. */
function watch(url: string) {
  const endpoint = parseEndpoint('main-db', url);
  const server = createServer({ target: 'main-db', database: 'main-db', replica: null, endpoint });
  const activity = createActivityCollector(server, { periodMs: 15_000 });
  closers.push(() => server.connection.close());
  const poll = (now = Date.now()): Promise<PollResult> => activity.poll(now, signal);
  const ask = async <K extends QuestionKind>(
    kind: K,
    params: QuestionTypes[K]['params'] = {},
    window = { from: Date.now() - 600_000, to: Date.now() },
  ): Promise<Answer<K>> => {
    const answer = activity.answers[kind];
    if (answer === undefined) throw new Error(`no answer to ${kind}`);
    return answer({ kind, target: 'main-db', window, params }, Date.now(), signal);
  };
  const value = async <K extends QuestionKind>(kind: K, params: QuestionTypes[K]['params'] = {}) => {
    const answer = await ask(kind, params);
    if (answer.state !== 'answered') throw new Error(`${kind}: ${answer.detail}`);
    return answer.value as QuestionTypes[K]['value'];
  };
  return { server, activity, poll, ask, value };
}

function figures({ series }: PollResult): Readonly<Record<string, number>> {
  return Object.fromEntries(
    series.map(({ signal: name, labels, values }) => [[name, ...Object.values(labels)].join('/'), values[0] ?? NaN]),
  );
}

async function inject(world: PostgresWorld, name: string): Promise<ActiveFault> {
  const fault = await faults[name]?.inject(world);
  if (fault === undefined) throw new Error(`no fault ${name}`);
  closers.push(() => fault.cure());
  return fault;
}

describe.each([18, 15] as const)('PostgreSQL %i', (version) => {
  let world: PostgresWorld;
  beforeAll(async () => {
    world = await startPostgres({ version });
  });
  afterAll(() => world[Symbol.asyncDispose]());

  test('the settings before a statement hold for it and leave nothing behind, without a warning', async () => {
    const connection = createConnection('main-db', parseEndpoint('main-db', world.primary.monitorUrl));
    closers.push(() => connection.close());
    const settings = `SELECT current_setting('statement_timeout') AS statement, current_setting('lock_timeout') AS lock,
      current_setting('transaction_read_only') AS read_only, current_setting('search_path') AS path,
      current_setting('TimeZone') AS zone, current_setting('application_name') AS app`;
    const options = { timeoutMs: 1_500, signal };
    const [within] = await connection.query('settings', settings, options);
    expect(within).toEqual({
      statement: '1500ms',
      lock: '250ms',
      read_only: 'on',
      path: 'pg_catalog',
      zone: 'UTC',
      app: 'runbookd',
    });
    await expect(connection.query('zero', 'SELECT 1/0', options)).rejects.toMatchObject({ code: 'POSTGRES_QUERY' });
    await expect(connection.query('write', 'CREATE TEMP TABLE x ()', options)).rejects.toMatchObject({
      message: expect.stringContaining('read-only transaction'),
    });
    const [state] = await world.primary.admin(
      `SELECT state, xact_start IS NULL AS outside, backend_xmin IS NULL AS free, count(*) OVER ()::int AS sessions
       FROM pg_stat_activity WHERE application_name = 'runbookd'`,
    );
    expect(state).toEqual({ state: 'idle', outside: true, free: true, sessions: 1 });
    // Errors of the checks themselves are logged; a warning of ours would say that SET LOCAL had no transaction.
    expect(await world.primary.logTail(200)).not.toContain('SET LOCAL can only be used');
  });

  test('the server itself ends a statement that takes too long, and the session goes on', async () => {
    const connection = createConnection('main-db', parseEndpoint('main-db', world.primary.monitorUrl));
    closers.push(() => connection.close());
    const began = performance.now();
    const slow = connection.query('slow', 'SELECT pg_sleep(30)', { timeoutMs: 300, signal });
    const error = await slow.catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'POSTGRES_TIMEOUT' });
    expect(sqlstateOf(error)).toBe('57014');
    expect(performance.now() - began).toBeLessThan(1_200);
    const [row] = await connection.query('next', 'SELECT 1 AS one', { timeoutMs: 300, signal });
    expect(row).toEqual({ one: 1 });
    expect(connection.generation()).toBe(1);
  });

  test('a lock that is not to be had ends the check after a quarter of a second', async () => {
    const connection = createConnection('main-db', parseEndpoint('main-db', world.primary.adminUrl));
    closers.push(() => connection.close());
    const holder = await openSession(world.primary, 'holder');
    closers.push(() => endSessions(world.primary, [holder]));
    await holder.query('BEGIN');
    await holder.query('LOCK TABLE public.orders IN ACCESS EXCLUSIVE MODE');
    const began = performance.now();
    const blocked = connection.query('blocked', 'SELECT count(*) FROM public.orders', { timeoutMs: 2_000, signal });
    await expect(blocked).rejects.toMatchObject({
      code: 'POSTGRES_QUERY',
      message: expect.stringContaining('lock timeout'),
    });
    expect(performance.now() - began).toBeLessThan(1_000);
  });

  test('a quiet server gives every figure, zeros included, and rates from the second poll on', async () => {
    const { poll, value, server } = watch(world.primary.monitorUrl);
    const first = figures(await poll());
    expect(first).toMatchObject({
      reachable: 1,
      connections_usable: 37,
      blocked_sessions: 0,
      longest_lock_wait_seconds: 0,
      ddl_queue_waiters: 0,
      connections_idle_in_transaction: 0,
      longest_idle_in_transaction_seconds: 0,
      active_sessions: 0,
    });
    expect(first['connections_used_ratio']).toBeCloseTo(first['connections_used']! / 37);
    expect(first).not.toHaveProperty('transactions_per_second');
    const second = await poll(Date.now() + 15_000);
    expect(second.blind).toEqual([]);
    expect(figures(second)).toMatchObject({ deadlocks_per_second: 0, transactions_per_second: expect.any(Number) });
    expect(await value('postgres.server')).toMatchObject({
      role: 'primary',
      timeline: 1,
      flavour: 'postgres',
      maxConnections: 40,
      usableConnections: 37,
      database: 'rastup',
    });
    expect(Math.floor((server.facts()?.versionNum ?? 0) / 10_000)).toBe(version);
    expect(server.capabilities()?.statementsSchema).toBe('public');
    expect(server.capabilities()?.has('pg_stat_checkpointer')).toBe(version === 18);
    expect(server.capabilities()?.has('pg_stat_activity', 'leader_pid')).toBe(true);
    expect(server.capabilities()?.has('orders')).toBe(false);
  });

  test('a forgotten transaction behind a migration is the root, with its lock, its table and its victims', async () => {
    const { poll, value, ask } = watch(world.primary.monitorUrl);
    const quietAt = Date.now();
    await poll(quietAt);
    const { facts, cure } = await inject(world, 'lock-idle-in-transaction');
    const result = figures(await poll());
    expect(result).toMatchObject({ blocked_sessions: 7, ddl_queue_waiters: 6, connections_idle_in_transaction: 1 });
    expect(result['longest_lock_wait_seconds']).toBeGreaterThan(0);
    const tree = await value('postgres.lock_tree');
    expect(tree).toMatchObject({
      blockedSessions: 7,
      roots: [
        {
          pid: facts['blockerPid'],
          app: 'checkout-worker',
          user: 'app',
          state: 'idle in transaction',
          command: 'UPDATE',
          query: expect.stringMatching(/^UPDATE orders SET note = \$\d WHERE id = \$1$/),
          heldMode: 'RowExclusiveLock',
          relation: 'public.orders',
          blocksDirectly: 1,
          blocksInAll: 7,
        },
      ],
    });
    expect(tree.waiters[0]).toMatchObject({
      pid: facts['migrationPid'],
      command: 'ALTER TABLE',
      waitsForMode: 'AccessExclusiveLock',
      relation: 'public.orders',
      blockedBy: [facts['blockerPid']],
      blocksInAll: 6,
    });
    expect(tree.blockedSince?.earliest).toBe(quietAt);
    expect(tree.blockedSince?.latest).toBeLessThanOrEqual(Date.now());
    expect(JSON.stringify(tree)).not.toContain('packing');
    const root = { pid: tree.roots[0]!.pid, backendStart: tree.roots[0]!.backendStart };
    expect(root.backendStart).toMatch(/^\d{4}-\d\d-\d\d [\d:.]+\+00$/);
    expect(await value('postgres.backend', root)).toMatchObject({ alive: true, state: 'idle in transaction' });

    const lastPoll = await poll();
    await cure();
    expect(await value('postgres.backend', root)).toMatchObject({ alive: false, state: null });
    // Over, but within the window: the last tree is still told, with its time.
    const after = await ask('postgres.lock_tree');
    expect(after).toMatchObject({ at: lastPoll.series[0]?.times[0], value: { roots: [{ pid: root.pid }] } });
    expect(after.state === 'answered' && after.value.history.at(-1)).toMatchObject({ blocked: 0 });
    const outside = await ask('postgres.lock_tree', {}, { from: Date.now() - 1, to: Date.now() + 5_000 });
    expect(outside).toMatchObject({ value: { blockedSessions: 0, roots: [], blockedSince: null } });
    expect(figures(await poll())).toMatchObject({ blocked_sessions: 0, longest_lock_wait_seconds: 0 });
  });

  test('a running transaction, a queue behind DDL and a prepared transaction are each told from the others', async () => {
    const { value } = watch(world.primary.monitorUrl);
    const running = await inject(world, 'lock-running-transaction');
    expect((await value('postgres.lock_tree')).roots).toMatchObject([
      {
        pid: running.facts['blockerPid'],
        state: 'active',
        heldMode: 'RowExclusiveLock',
        relation: 'public.orders',
        blocksInAll: 6,
      },
    ]);
    await running.cure();
    const queue = await inject(world, 'lock-ddl-queue');
    expect((await value('postgres.lock_tree')).roots).toMatchObject([
      {
        pid: queue.facts['blockerPid'],
        app: 'reporting',
        heldMode: 'AccessShareLock',
        relation: 'public.orders',
        blocksInAll: 7,
      },
    ]);
    await queue.cure();
    const prepared = await inject(world, 'lock-prepared-transaction');
    expect(await value('postgres.lock_tree')).toMatchObject({
      roots: [],
      blockedSessions: 6,
      blockedByPrepared: 6,
      prepared: [{ gid: prepared.facts['gid'], owner: 'app', database: 'rastup' }],
    });
  });

  test('sessions are named by application, however hostile the name', async () => {
    const { poll, value } = watch(world.primary.monitorUrl);
    const hostile = `x'); DROP TABLE orders; --"\n\u001b[31m`;
    const named = await openSessions(world.primary, hostile, 3);
    const ours = await openSession(world.primary, 'runbookd');
    closers.push(() => endSessions(world.primary, [...named, ours]));
    await named[0]!.query('BEGIN');
    await named[0]!.query("SELECT 's3cret'");
    const result = figures(await poll());
    const apps = Object.keys(result).filter((name) => name.startsWith('connections_by_app/'));
    const app = apps.find((name) => name.includes('DROP TABLE'))!;
    expect(result[app]).toBe(3);
    expect(app).not.toMatch(/[\u0000-\u001f]/);
    // Somebody else who takes our name is counted all the same.
    expect(result['connections_by_app/runbookd']).toBe(1);
    const sessions = await value('postgres.sessions');
    expect(sessions.groups.reduce((sum, { count }) => sum + count, 0)).toBe(result['client_sessions']);
    expect(sessions.holders[0]).toMatchObject({
      pid: named[0]!.pid,
      state: 'idle in transaction',
      client: '127.0.0.1',
    });
    expect(sessions).toMatchObject({ usable: 37, max: 40, reserved: 3, hidden: 0, used: result['connections_used'] });
    expect(JSON.stringify(sessions)).not.toContain('s3cret');
    await endSessions(world.primary, named);
    expect(figures(await poll())[app]).toBe(0);
  });

  test('a role with nothing but LOGIN sees slots and lock waits; what is hidden is said, not zero', async () => {
    await world.primary.admin(
      `DO $$ BEGIN CREATE ROLE "plain ""role""" LOGIN PASSWORD 'x'; EXCEPTION WHEN duplicate_object THEN NULL; END $$`,
    );
    const url = new URL(world.primary.monitorUrl);
    url.username = encodeURIComponent('plain "role"');
    url.password = 'x';
    const { poll, value, ask } = watch(url.href);
    const { facts } = await inject(world, 'lock-idle-in-transaction');
    const result = await poll();
    expect(result.blind).toEqual([
      {
        target: 'main-db',
        check: 'sessions',
        because: 'denied',
        detail: expect.stringMatching(/^states, waits and queries of \d+ sessions are hidden/),
        grant: 'GRANT pg_monitor TO "plain ""role""";',
      },
    ]);
    const seen = figures(result);
    expect(seen).toMatchObject({
      reachable: 1,
      blocked_sessions: 7,
      ddl_queue_waiters: 6,
      'connections_by_app/checkout-api': 6,
    });
    expect(seen['connections_used']).toBeGreaterThanOrEqual(9);
    for (const hidden of ['connections_active', 'connections_idle_in_transaction', 'active_sessions']) {
      expect(seen).not.toHaveProperty(hidden);
    }
    const tree = await value('postgres.lock_tree');
    expect(tree.roots).toMatchObject([
      { pid: facts['blockerPid'], state: 'hidden', query: null, relation: 'public.orders' },
    ]);
    expect((await value('postgres.sessions')).hidden).toBeGreaterThanOrEqual(8);
    const backend = await ask('postgres.backend', { pid: Number(facts['blockerPid']), backendStart: '' });
    expect(backend).toMatchObject({
      state: 'unknown',
      because: 'denied',
      grant: 'GRANT pg_monitor TO "plain ""role""";',
    });
  });

  test('a server that keeps its control file to itself is watched without a timeline', async () => {
    const functions = 'FUNCTION pg_catalog.pg_control_checkpoint(), pg_catalog.pg_control_system()';
    await world.primary.admin(`REVOKE EXECUTE ON ${functions} FROM PUBLIC`);
    await world.primary.admin('CREATE ROLE rdsadmin');
    closers.push(async () => {
      await world.primary.admin(`GRANT EXECUTE ON ${functions} TO PUBLIC`);
      await world.primary.admin('DROP ROLE rdsadmin');
    });
    const { poll, value } = watch(world.primary.monitorUrl);
    const result = await poll();
    expect(result.blind).toEqual([]);
    expect(figures(result)).toMatchObject({ reachable: 1 });
    expect(await value('postgres.server')).toMatchObject({ timeline: null, flavour: 'rds' });
  });

  test('views and functions of others cannot stand in for those of the catalogue', async () => {
    const shadows = [
      'CREATE VIEW public.pg_stat_activity AS SELECT 1 AS pid, NULL::int AS leader_pid',
      'CREATE VIEW public.pg_locks AS SELECT 1 AS pid',
      "CREATE FUNCTION public.pg_is_in_recovery() RETURNS boolean LANGUAGE sql AS 'SELECT true'",
      "CREATE FUNCTION public.current_setting(text) RETURNS text LANGUAGE sql AS 'SELECT ''1'''",
      "CREATE FUNCTION public.evil(bigint, bigint) RETURNS boolean LANGUAGE sql AS 'SELECT true'",
      'CREATE OPERATOR public.= (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = public.evil)',
      'ALTER ROLE runbookd SET search_path = public, pg_catalog',
    ];
    for (const sql of shadows) await world.primary.admin(sql);
    closers.push(async () => {
      await world.primary.admin('ALTER ROLE runbookd RESET search_path');
      await world.primary.admin('DROP VIEW public.pg_stat_activity, public.pg_locks');
      await world.primary.admin('DROP OPERATOR public.= (bigint, bigint)');
      await world.primary.admin('DROP FUNCTION public.evil, public.pg_is_in_recovery, public.current_setting(text)');
    });
    const { poll, value } = watch(world.primary.monitorUrl);
    expect(figures(await poll())).toMatchObject({ reachable: 1, connections_usable: 37, blocked_sessions: 0 });
    expect(await value('postgres.server')).toMatchObject({ role: 'primary', maxConnections: 40 });
    expect(await value('postgres.lock_tree')).toMatchObject({ blockedSessions: 0 });
  });

  test('an idle session that the server ends is replaced without a missed poll', async () => {
    const { poll, server } = watch(world.primary.monitorUrl);
    await poll();
    await world.primary.admin(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'runbookd'",
    );
    await waitUntil('the session to be gone', () => server.connection.backends().length === 0);
    expect(figures(await poll())).toMatchObject({ reachable: 1 });
    expect(server.connection.sockets()).toEqual({ open: 1, peak: 1 });
  });

  test('polls and questions at the same time never hold more than two connections', async () => {
    const { poll, ask, server } = watch(world.primary.monitorUrl);
    const kinds = ['postgres.sessions', 'postgres.activity', 'postgres.lock_tree', 'postgres.reachability'] as const;
    const slow = Array.from({ length: 3 }, () =>
      server.query('slow', 'SELECT pg_sleep(0.4)', { timeoutMs: 2_000, signal }),
    );
    const all = Promise.all([poll(), ...slow, ...kinds.flatMap((kind) => [ask(kind), ask(kind)])]);
    const [row] = await world.primary.admin(
      "SELECT count(*)::int AS n FROM pg_stat_activity WHERE usename = 'runbookd'",
    );
    expect(row?.['n']).toBeLessThanOrEqual(2);
    await all;
    expect(server.connection.sockets().peak).toBe(2);
  });

  test('a restart is a new epoch: no rate is made over it, and history survives a snapshot', async () => {
    const before = watch(world.primary.monitorUrl);
    await before.poll(Date.now() - 30_000);
    await before.poll(Date.now() - 15_000);
    const epoch = before.server.epoch();
    const saved: unknown = JSON.parse(JSON.stringify([before.server.snapshot(), before.activity.snapshot()]));
    await world.primary.restart();

    const after = watch(world.primary.monitorUrl);
    const [server, activity] = saved as [unknown, unknown];
    after.server.restore(server);
    after.activity.restore(activity);
    for (const each of [before, after]) {
      expect(figures(await each.poll())).not.toHaveProperty('transactions_per_second');
      expect(each.server.epoch()).toBe(epoch + 1);
    }
    expect((await after.value('postgres.sessions')).history).toHaveLength(3);
    expect(figures(await after.poll(Date.now() + 1))).toHaveProperty('transactions_per_second');
  });
});

describe('a server that cannot be reached', () => {
  let world: PostgresWorld;
  beforeAll(async () => {
    world = await startPostgres();
  });
  afterAll(() => world[Symbol.asyncDispose]());

  test.each([
    ['unreachable-stopped', 'tcp', 'refused', null],
    ['unreachable-auth', 'authentication', 'authentication_failed', '28P01'],
    ['unreachable-starting-up', 'startup', 'starting_up', '57P03'],
    // The last slots are for superusers: it is refused only once the server knows who asks.
    ['unreachable-too-many-connections', 'authentication', 'too_many_connections', '53300'],
    ['unreachable-dns', 'dns', 'dns_failed', null],
  ] as const)('%s is told by its first failing step', async (name, step, reason, sqlstate) => {
    const good = watch(world.primary.monitorUrl);
    await good.poll();
    const { facts, cure } = await inject(world, name);
    const url = String(facts['url']);
    const { poll, value, server, ask } = url === world.primary.monitorUrl ? good : watch(url);
    // Where everybody fights for the last slot we may win it now and then: what counts is how a loss is told.
    const lost = async <Outcome>(
      look: () => Promise<Outcome>,
      isLoss: (outcome: Outcome) => boolean,
    ): Promise<Outcome> =>
      waitUntil(`${name} to be seen`, async () => {
        const outcome = await look();
        if (isLoss(outcome)) return outcome;
        await world.primary.admin(
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'runbookd'",
        );
        return null;
      });
    const failed = await lost(poll, (result) => figures(result)['reachable'] === 0);
    expect(figures(failed)).toEqual({ reachable: 0 });
    expect(failed.blind).toMatchObject([{ check: 'connect', because: 'error' }]);
    const reached = await lost(
      () => value('postgres.reachability'),
      (walk) => walk.reason !== 'ok',
    );
    expect(reached).toMatchObject({
      step,
      reason,
      sqlstate,
      lastGoodAt: server === good.server ? expect.any(Number) : null,
    });
    const asked = await lost(
      () => ask('postgres.sessions'),
      (answer) => answer.state === 'unknown',
    );
    expect(asked).toMatchObject({ because: 'error' });
    expect(server.connection.sockets().open).toBe(0);
    expect(JSON.stringify([failed, reached])).not.toContain('world-runbookd');
    await cure();
    expect(figures(await good.poll())).toMatchObject({ reachable: 1 });
    expect((await good.value('postgres.reachability')).reason).toBe('ok');
  });

  test('a server that hangs, in a query and in connect, costs a deadline each and is found again after it', async () => {
    const { poll, value, server, ask } = watch(world.primary.monitorUrl);
    await poll();
    const { cure } = await inject(world, 'unreachable-paused');
    for (const _ of ['in the query', 'in connect']) {
      const began = performance.now();
      const failed = await poll();
      expect(figures(failed)).toEqual({ reachable: 0 });
      expect(failed.blind).toMatchObject([{ check: 'connect', because: 'timeout' }]);
      expect(performance.now() - began).toBeLessThan(4_000);
    }
    expect(await value('postgres.reachability')).toMatchObject({ step: 'startup', reason: 'hung', sqlstate: null });
    expect(await ask('postgres.lock_tree')).toMatchObject({ state: 'unknown', because: 'timeout' });
    expect(server.connection.sockets()).toMatchObject({ open: 0, peak: 1 });
    await cure();
    expect(figures(await poll())).toMatchObject({ reachable: 1 });
  });

  test('limits, permissions and a missing database are told apart', async () => {
    const { admin, monitorUrl } = world.primary;
    const role = async (name: string, options: string): Promise<string> => {
      await admin(`CREATE ROLE ${name} ${options} PASSWORD 'x'`);
      const url = new URL(monitorUrl);
      url.username = name;
      url.password = 'x';
      return url.href;
    };
    const crowded = await role('crowded', 'LOGIN CONNECTION LIMIT 1');
    const client = new Client({ connectionString: crowded });
    await client.connect();
    closers.push(() => client.end());
    const elsewhere = new URL(monitorUrl);
    elsewhere.pathname = '/nowhere';
    const cases: readonly (readonly [string, ReachStep, ReachReason, string])[] = [
      [crowded, 'authentication', 'role_connection_limit', '53300'],
      [await role('mute', 'NOLOGIN'), 'authentication', 'not_permitted', '28000'],
      [elsewhere.href, 'authentication', 'no_such_database', '3D000'],
    ];
    for (const [url, step, reason, sqlstate] of cases) {
      expect(await watch(url).value('postgres.reachability')).toMatchObject({ step, reason, sqlstate });
    }
  });

  test('TLS that the server does not have is told, by the walk and by the poll', async () => {
    const { poll, value } = watch(`${world.primary.monitorUrl}?sslmode=require`);
    expect(figures(await poll())).toEqual({ reachable: 0 });
    expect(await value('postgres.reachability')).toMatchObject({ step: 'tls', reason: 'tls_not_supported' });
  });
});

describe('a server with a certificate of its own making', () => {
  let world: PostgresWorld;
  beforeAll(async () => {
    world = await startPostgres({ ssl: true });
  });
  afterAll(() => world[Symbol.asyncDispose]());

  test.each([
    ['sslmode=require', 'ok'],
    ['sslmode=verify-full', 'tls_certificate'],
    ['sslmode=verify-ca', 'tls_certificate'],
    ['sslmode=verify-ca&sslrootcert=FILE', 'ok'],
    ['sslmode=verify-full&sslrootcert=FILE', 'ok'],
    ['sslmode=disable', 'ok'],
  ])('%s: %s', async (query, reason) => {
    const options = query.replace('FILE', encodeURIComponent(world.certificateFile ?? ''));
    const { poll, value, server } = watch(`${world.primary.monitorUrl}?${options}`);
    expect(figures(await poll())).toMatchObject({ reachable: reason === 'ok' ? 1 : 0 });
    expect((await value('postgres.reachability')).reason).toBe(reason);
    if (reason !== 'ok') return;
    await poll();
    const rows = await server.query(
      'tls',
      'SELECT ssl FROM pg_catalog.pg_stat_ssl WHERE pid = pg_catalog.pg_backend_pid()',
      { timeoutMs: 1_000, signal },
    );
    expect(rows).toEqual([{ ssl: !query.includes('disable') }]);
  });
});

describe('the source of a primary and its standby', () => {
  let world: PostgresWorld;
  beforeAll(async () => {
    world = await startPostgres({ standby: true });
  });
  afterAll(() => world[Symbol.asyncDispose]());
  const open = () => {
    const source = createPostgresSource({
      target: 'main-db',
      url: world.primary.monitorUrl,
      replicas: { 'replica-1': { url: world.standby!.monitorUrl } },
      periodsMs: { activity: 15_000, replication: 10_000, statements: 60_000, catalog: 60_000 },
      log: pino({ level: 'silent' }),
    });
    closers.push(() => source.close());
    return source;
  };

  test('every group is polled, twice, and gives only signals that are in the catalogue', async () => {
    const source = open();
    expect([...source.groups].sort()).toEqual(
      ['activity', 'catalog', 'replication', 'statements'].flatMap((group) => [group, `${group}:replica-1`]),
    );
    const units = new Map(POSTGRES_SIGNALS.map((info) => [info.signal, info]));
    expect(units.size).toBe(POSTGRES_SIGNALS.length);
    const now = Date.now();
    for (const at of [now - 60_000, now]) {
      for (const group of source.groups) {
        const { series } = await source.poll(group, at, signal);
        for (const { signal: name, unit, target, values } of series) {
          expect(units.get(name), name).toMatchObject({ unit, group: group.replace(/:.*/, '') });
          const onReplica = group.endsWith(':replica-1') && !group.startsWith('replication');
          expect(target).toBe(onReplica ? 'main-db/replica-1' : 'main-db');
          expect([...values].every(Number.isFinite)).toBe(true);
        }
      }
    }
  });

  test('questions go to the server that they are about, and others are left to others', async () => {
    const source = open();
    const now = Date.now();
    const window = { from: now - 60_000, to: now };
    const server = (target: string) => ({ kind: 'postgres.server', target, window, params: {} }) as const;
    expect(await source.answer(server('main-db'), now, signal)).toMatchObject({ value: { role: 'primary' } });
    expect(await source.answer(server('main-db/replica-1'), now, signal)).toMatchObject({ value: { role: 'replica' } });
    expect(source.answers(server('other-db'))).toBe(false);
    expect(await source.answer(server('other-db'), now, signal)).toMatchObject({
      state: 'unknown',
      because: 'unsupported',
    });
    expect(source.answers({ kind: 'changes', target: 'main-db', window, params: {} })).toBe(false);
    for (const target of ['main-db', 'main-db/replica-1']) {
      expect(source.answers({ kind: 'postgres.replication', target, window, params: {} })).toBe(true);
    }
  });

  test('a snapshot gives another process the history and the epoch', async () => {
    const first = open();
    const now = Date.now();
    for (const group of first.groups) await first.poll(group, now - 20_000, signal);
    const second = open();
    second.restore(first.snapshot()!);
    const window = { from: now - 60_000, to: now };
    const question = { kind: 'postgres.sessions', target: 'main-db', window, params: {} } as const;
    expect(await second.answer(question, now, signal)).toMatchObject({ value: { history: [{ at: now - 20_000 }] } });
    const next = await second.poll('activity', now, signal);
    expect(figures(next)).toHaveProperty('transactions_per_second');
  });

  test('a standby that is promoted is another server: no rate is made over it', async () => {
    const source = open();
    const now = Date.now();
    await source.poll('activity:replica-1', now - 30_000, signal);
    expect(figures(await source.poll('activity:replica-1', now - 15_000, signal))).toHaveProperty(
      'transactions_per_second',
    );
    await world.standby!.admin('SELECT pg_promote()');
    expect(figures(await source.poll('activity:replica-1', now, signal))).not.toHaveProperty('transactions_per_second');
    const question = {
      kind: 'postgres.server',
      target: 'main-db/replica-1',
      window: { from: 0, to: now },
      params: {},
    } as const;
    expect(await source.answer(question, now, signal)).toMatchObject({ value: { role: 'primary' } });
  });
});
