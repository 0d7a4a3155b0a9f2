import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ReplicationAnswer } from '../../src/model/postgres.ts';
import type { PollResult } from '../../src/model/source.ts';
import type { Collector } from '../../src/sources/postgres/collector.ts';
import { parseEndpoint } from '../../src/sources/postgres/endpoint.ts';
import { createReplicationCollector } from '../../src/sources/postgres/replication.ts';
import { createServer, type ManagedServer } from '../../src/sources/postgres/server.ts';
import { replicationCut, replicationPaused, replicationReplicaQuery } from '../world/faults/replication.ts';
import { type PostgresWorld, startPostgres } from '../world/postgres.ts';
import { waitUntil } from '../world/wait.ts';
import { startWorkload } from '../world/workload.ts';

const SECOND = 1_000;
const signal = new AbortController().signal;

async function serverAt(target: string, replica: string | null, url: string): Promise<ManagedServer> {
  const server = createServer({ target, database: 'main-db', replica, endpoint: parseEndpoint(target, url) });
  await server.prepare(Date.now(), signal);
  return server;
}

interface Watch {
  readonly collectors: readonly Collector[];
  poll(now: number): Promise<{ readonly primary: PollResult; readonly replica: PollResult }>;
  answer(from: number, now: number): Promise<ReplicationAnswer>;
  close(): Promise<void>;
}

async function watch(world: PostgresWorld, urlOf = (url: string): string => url): Promise<Watch> {
  const primary = await serverAt('main-db', null, urlOf(world.primary.monitorUrl));
  const replica = await serverAt('main-db/replica-1', 'replica-1', urlOf(world.standby!.monitorUrl));
  const collectors = createReplicationCollector(primary, { 'replica-1': replica }, { periodMs: 15 * SECOND });
  const [onPrimary, onReplica] = collectors;
  return {
    collectors,
    poll: async (now) => ({ primary: await onPrimary!.poll(now, signal), replica: await onReplica!.poll(now, signal) }),
    answer: async (from, now) => {
      const question = {
        kind: 'postgres.replication',
        target: 'main-db',
        window: { from, to: now },
        params: {},
      } as const;
      const answer = await onPrimary!.answers['postgres.replication']!(question, now, signal);
      if (answer.state !== 'answered') throw new Error(`not answered: ${JSON.stringify(answer)}`);
      return answer.value;
    },
    close: async () => {
      await Promise.all([primary.connection.close(), replica.connection.close()]);
    },
  };
}

/** `standby_link_up` with the standby's name, and the rest by signal. */
function values(result: PollResult): Record<string, number | undefined> {
  return Object.fromEntries(
    result.series.map(({ signal: name, labels, values: [value] }) => {
      const subject = labels['standby'] ?? labels['slot'];
      return [subject === undefined ? name : `${name} ${subject}`, value];
    }),
  );
}

describe.each([18, 15] as const)('replication of PostgreSQL %i', (version) => {
  let world: PostgresWorld;
  let watched: Watch | undefined;
  beforeAll(async () => {
    world = await startPostgres({ version, standby: true });
  });
  afterEach(async () => {
    await watched?.close();
    watched = undefined;
    for (const server of [world.primary, world.standby!]) {
      await waitUntil('our sessions to end', async () => {
        const left = await server.admin("SELECT 1 FROM pg_stat_activity WHERE usename = 'runbookd'");
        return left.length === 0;
      });
    }
  });
  afterAll(async () => {
    await world?.[Symbol.asyncDispose]();
  });

  it('shows a healthy pair as up and not behind, from both ends, also when idle', async () => {
    watched = await watch(world);
    const start = Date.now();
    await watched.poll(start);
    const workload = startWorkload(world.primary, { perSecond: 100 });
    await waitUntil('some writes', () => workload.stats().transactions > 30);
    await workload.stop();
    await waitUntil('the standby to have it all', async () => {
      const rows = await world.primary.admin(
        'SELECT 1 FROM pg_stat_replication WHERE replay_lsn = pg_current_wal_lsn()',
      );
      return rows.length === 1;
    });
    const { primary, replica } = await watched.poll(start + 15 * SECOND);
    expect(primary.blind).toEqual([]);
    expect(values(primary)).toMatchObject({
      'standby_link_up replica-1': 1,
      'standby_lag_seconds replica-1': 0,
      'standby_lag_bytes replica-1': 0,
    });
    expect(values(primary)['wal_bytes_per_second']).toBeGreaterThan(100);
    expect(values(primary)['slot_retained_bytes standby_1']).toBeLessThan(1_000_000);
    expect(values(replica)).toEqual({
      'standby_link_up replica-1': 1,
      'standby_lag_seconds replica-1': 0,
      'standby_lag_bytes replica-1': 0,
    });
    for (const { target } of [...primary.series, ...replica.series]) expect(target).toBe('main-db');

    const answer = await watched.answer(start, start + 20 * SECOND);
    expect(answer.primary?.standbys).toMatchObject([{ name: 'replica-1', state: 'streaming', replayBytesBehind: 0 }]);
    expect(answer.primary?.slots).toMatchObject([{ name: 'standby_1', type: 'physical', active: true }]);
    expect(answer.replicas['replica-1']?.facts).toMatchObject({
      receiver: 'streaming',
      replayedAllReceived: true,
      replayPaused: false,
      receivedNotReplayedBytes: 0,
      receiverTimeoutSeconds: 60,
      maxStandbyStreamingDelayMs: 30_000,
      recoveryMinApplyDelayMs: 0,
    });
    expect(answer.history.map(({ standby }) => standby)).toContain('replica-1');
  });

  it('tells a cut link from an idle one: the standby has all that it received and is not up', async () => {
    watched = await watch(world);
    const start = Date.now();
    await watched.poll(start);
    const fault = await replicationCut().inject(world);
    try {
      const first = await watched.poll(start + 15 * SECOND);
      expect(values(first.primary)).toMatchObject({ 'standby_link_up replica-1': 0 });
      expect(values(first.primary)['standby_lag_bytes replica-1']).toBeUndefined();
      expect(values(first.replica)).toMatchObject({ 'standby_link_up replica-1': 0 });
      expect(values(first.replica)['standby_lag_bytes replica-1']).toBeGreaterThan(100_000);
      expect(values(first.replica)['standby_lag_seconds replica-1']).toBeGreaterThan(0);
      const answer = await watched.answer(start, start + 20 * SECOND);
      expect(answer.primary?.standbys).toEqual([]);
      expect(answer.primary?.slots).toMatchObject([{ active: false }]);
      expect(answer.replicas['replica-1']?.facts).toMatchObject({ replayedAllReceived: true });
      expect(['none', 'other']).toContain(answer.replicas['replica-1']?.facts?.receiver);
      expect(answer.primary?.walBytesPerSecond).toBeGreaterThan(0);
    } finally {
      await fault.cure();
    }
    const healed = await watched.poll(start + 60 * SECOND);
    expect(values(healed.primary)).toMatchObject({ 'standby_link_up replica-1': 1 });
    expect(values(healed.replica)).toMatchObject({ 'standby_link_up replica-1': 1 });
  });

  it('sees replay that is paused: bytes and seconds grow while the link is up', async () => {
    watched = await watch(world);
    const start = Date.now();
    await watched.poll(start);
    const fault = await replicationPaused().inject(world);
    try {
      await watched.poll(start + 15 * SECOND);
      const { primary, replica } = await watched.poll(start + 45 * SECOND);
      for (const end of [primary, replica]) {
        expect(values(end)).toMatchObject({ 'standby_link_up replica-1': 1 });
        expect(values(end)['standby_lag_bytes replica-1']).toBeGreaterThan(100_000);
      }
      // replay_lag keeps its last value while replay stands still; the position tells.
      expect(values(primary)['standby_lag_seconds replica-1']).toBeGreaterThanOrEqual(30);
      const answer = await watched.answer(start, start + 45 * SECOND);
      expect(answer.replicas['replica-1']?.facts).toMatchObject({ replayPaused: true, replayedAllReceived: false });
    } finally {
      await fault.cure();
    }
  });

  it('names the session that replay waits for', async () => {
    watched = await watch(world);
    const start = Date.now();
    await watched.poll(start);
    const fault = await replicationReplicaQuery().inject(world);
    try {
      const answer = await watched.answer(start, start + SECOND);
      const facts = answer.replicas['replica-1']?.facts;
      expect(facts?.longQueries[0]).toMatchObject({ pid: fault.facts['queryPid'], app: 'reporting', user: 'app' });
      expect(facts?.longQueries[0]?.query).toMatch(/^SELECT status, sum\(total_cents\)/);
      expect(facts?.longQueries[0]?.query).not.toContain('3600');
      expect(facts).toMatchObject({ maxStandbyStreamingDelayMs: null, replayPaused: false });
      expect(facts?.startupWaitEvent).toMatch(/^RecoveryConflict/);
      expect(facts?.receivedNotReplayedBytes).toBeGreaterThan(0);
    } finally {
      await fault.cure();
    }
  });

  it('keeps what one end says when the other cannot be read, and knows the standby again after a restart of ours', async () => {
    watched = await watch(world);
    const start = Date.now();
    await watched.poll(start);
    const saved = JSON.parse(JSON.stringify(watched.collectors[0]!.snapshot()));
    const alone = await serverAt('main-db', null, world.primary.monitorUrl);
    const gone = createServer({
      target: 'main-db/replica-1',
      database: 'main-db',
      replica: 'replica-1',
      endpoint: parseEndpoint('main-db/replica-1', 'postgres://runbookd:x@127.0.0.1:1/rastup'),
    });
    try {
      const [collector] = createReplicationCollector(
        alone,
        { 'replica-1': gone, other: gone },
        { periodMs: 15 * SECOND },
      );
      collector!.restore(saved);
      const result = await collector!.poll(start + 15 * SECOND, signal);
      expect(values(result)).toMatchObject({ 'standby_link_up replica-1': 1, 'standby_link_up other': 0 });
      const question = {
        kind: 'postgres.replication',
        target: 'main-db',
        window: { from: 0, to: start },
        params: {},
      } as const;
      const answer = await collector!.answers['postgres.replication']!(question, start + 16 * SECOND, signal);
      expect(answer).toMatchObject({
        state: 'answered',
        value: { replicas: { 'replica-1': { facts: null, because: expect.stringContaining('ECONNREFUSED') } } },
      });
    } finally {
      await alone.connection.close();
      await gone.connection.close();
    }
  });

  it('is blind, not wrong, with a role that may see nothing', async () => {
    await world.primary.admin("CREATE ROLE plain LOGIN PASSWORD 'world-plain'");
    await waitUntil('the role to be on the standby', async () => {
      return (await world.standby!.admin("SELECT 1 FROM pg_roles WHERE rolname = 'plain'")).length === 1;
    });
    watched = await watch(world, (url) => {
      const plain = new URL(url);
      plain.username = 'plain';
      plain.password = 'world-plain';
      return plain.href;
    });
    const start = Date.now();
    await watched.poll(start);
    const { primary, replica } = await watched.poll(start + 15 * SECOND);
    expect(Object.keys(values(primary)).sort()).toEqual(['slot_retained_bytes standby_1', 'wal_bytes_per_second']);
    expect(primary.blind).toMatchObject([
      { target: 'main-db', because: 'denied', grant: 'GRANT pg_monitor TO plain;' },
    ]);
    expect(values(replica)).toMatchObject({ 'standby_link_up replica-1': 1 });
    expect(replica.blind).toMatchObject([{ target: 'main-db/replica-1', because: 'denied' }]);
    const answer = await watched.answer(start, start + 16 * SECOND);
    expect(answer.primary).toBeNull();
    expect(answer.replicas['replica-1']?.facts?.receiver).toBe('hidden');
  });
});

it('gives the WAL rate and nothing else for a primary without standbys', async () => {
  await using world = await startPostgres();
  const server = await serverAt('main-db', null, world.primary.monitorUrl);
  const [collector] = createReplicationCollector(server, {}, { periodMs: 15 * SECOND });
  const start = Date.now();
  await collector!.poll(start, signal);
  const result = await collector!.poll(start + 15 * SECOND, signal);
  expect(Object.keys(values(result))).toEqual(['wal_bytes_per_second']);
  await server.connection.close();
});
