import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { DatabaseConfig } from '../../src/config/index.ts';
import { openClient } from '../world/clients.ts';
import { type PostgresWorld, startPostgres } from '../world/postgres.ts';
import { type Harness, startHarness } from './harness.ts';

/**
 * The way of a user without metrics: an outbox in a real PostgreSQL that a real worker works off, watched by queries of
 * the user's own. A minute of life is a second.
 */

const PER_SECOND = 20;
const RELAY = 'outbox-relay';
const CALM_MS = 7_000;
const FOUND_MS = 15_000;
const GONE_MS = 12_000;

const query = (sql: string, unit?: 's'): DatabaseConfig['queries'][string] => ({
  sql,
  unit: unit ?? 'count',
  periodSeconds: 1,
  column: null,
  labels: [],
});
const QUERIES: DatabaseConfig['queries'] = {
  outbox_oldest_seconds: query(
    'SELECT coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 FROM search.outbox WHERE NOT processed',
    's',
  ),
  outbox_pending: query('SELECT count(*) FROM search.outbox WHERE NOT processed'),
  outbox_added: query("SELECT count(*) FROM search.outbox WHERE created_at > now() - interval '1 second'"),
  outbox_processed: query("SELECT count(*) FROM search.outbox WHERE processed_at > now() - interval '1 second'"),
};

const FETCH = 'SELECT id, payload FROM search.outbox WHERE NOT processed ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED';
const FINISH = 'UPDATE search.outbox SET processed = true, processed_at = clock_timestamp() WHERE id = ANY ($1)';
const ADD = "INSERT INTO search.outbox (payload) SELECT '{}' FROM generate_series(1, $1)";

interface Running {
  stop(): Promise<void>;
}

/** Ten rounds a second, until it is stopped and its session is gone. */
async function every(world: PostgresWorld, name: string, round: (ask: Ask) => Promise<void>): Promise<Running> {
  const { client, close } = await openClient({ connectionString: world.primary.appUrl(name) });
  const ask: Ask = async (sql, params = []) => (await client.query(sql, [...params])).rows;
  let isStopped = false;
  const running = (async () => {
    while (!isStopped) {
      await round(ask);
      await sleep(100);
    }
  })();
  return {
    async stop() {
      isStopped = true;
      await running;
      await close();
    },
  };
}

type Ask = (sql: string, params?: readonly unknown[]) => Promise<readonly Record<string, unknown>[]>;

/** Takes what waits and ends it; one that fails gives it back. */
const relay = (world: PostgresWorld, fails = false): Promise<Running> =>
  every(world, RELAY, async (ask) => {
    await ask('BEGIN');
    const rows = await ask(FETCH, [200]);
    if (!fails) await ask(FINISH, [rows.map(({ id }) => id)]);
    await ask(fails ? 'ROLLBACK' : 'COMMIT');
  });

let world: PostgresWorld;
let writer: Running;

beforeAll(async () => {
  world = await startPostgres();
  await world.primary.admin(
    'ALTER TABLE search.outbox ADD COLUMN processed_at timestamptz; GRANT USAGE ON SCHEMA search TO runbookd; GRANT SELECT ON search.outbox TO runbookd',
  );
  writer = await every(world, 'api', async (ask) => void (await ask(ADD, [PER_SECOND / 10])));
});
afterAll(async () => {
  await writer?.stop();
  await world?.[Symbol.asyncDispose]();
});

const watching = (): Promise<Harness> =>
  startHarness({
    url: world.primary.monitorUrl,
    queries: QUERIES,
    options: {
      'outbox-backlog': { pollSeconds: 1, minimumAgeSeconds: 3, clearPolls: 2, clearSeconds: 1, flapHoldSeconds: 1 },
    },
  });

function first(harness: Harness) {
  const diagnosis = harness.firing('outbox-backlog')?.diagnosis;
  return diagnosis?.verdict === 'cause' ? diagnosis.causes[0] : undefined;
}

function storyOf(harness: Harness): string {
  return harness.pipeline
    .findings()
    .map(({ detector, symptom, diagnosis }) => {
      const causes = (diagnosis?.causes ?? [])
        .slice(0, 3)
        .flatMap(({ cause, variant, confidence, evidence }) => [
          `  ${cause}/${variant} ${confidence}`,
          ...evidence.map((one) => `    ${one.probe} ${one.state} ${one.weight}: ${one.observed}`),
        ]);
      return [`${detector}: ${symptom.summary}`, `  verdict ${diagnosis?.verdict}`, ...causes].join('\n');
    })
    .join('\n');
}

test('a worker that stops and starts again, by queries alone', { timeout: 40_000 }, async () => {
  const worker = await relay(world);
  await using harness = await watching();
  await harness.pollUntil(() => false, CALM_MS);
  expect(harness.incidents(), storyOf(harness)).toEqual([]);

  await worker.stop();
  const isFound = await harness.pollUntil(() => first(harness)?.cause === 'consumer-stopped', FOUND_MS);
  expect(isFound, storyOf(harness)).toBe(true);
  expect(harness.incidents()).toHaveLength(1);
  const { evidence, mitigations, on } = first(harness)!;
  expect(on).toBe('main-db');
  const said = evidence.map(({ observed }) => observed).join('\n');
  expect(said).toMatch(/outbox-relay was connected until \d\d:\d\d:\d\d and is not any more/);
  expect(said).toMatch(/ages by (0\.9\d*|1(\.\d+)?) s each second/);
  expect(harness.firing('outbox-backlog')!.symptom.summary).toMatch(/Nothing is worked off\.$/);
  expect(JSON.stringify(mitigations)).toContain('select count(*), processed from search.outbox group by processed');

  const again = await relay(world);
  const isOver = await harness.pollUntil(() => harness.incidents().length === 0, GONE_MS);
  expect(isOver, storyOf(harness)).toBe(true);
  expect(harness.notifications.at(-1)?.kind).toBe('resolve');
  await again.stop();
});

test('its look-alike: a worker that takes rows and gives them back', { timeout: 40_000 }, async () => {
  const well = await relay(world);
  await using harness = await watching();
  await harness.pollUntil(() => false, CALM_MS);
  expect(harness.incidents(), storyOf(harness)).toEqual([]);

  await well.stop();
  const worker = await relay(world, true);
  const isFound = await harness.pollUntil(() => first(harness)?.cause === 'consumer-failing', FOUND_MS);
  expect(isFound, storyOf(harness)).toBe(true);
  const said = first(harness)!
    .evidence.map(({ observed }) => observed)
    .join('\n');
  expect(said).toMatch(/outbox-relay is connected/);
  expect(said).toMatch(/of transactions are rolled back/);

  await worker.stop();
  const again = await relay(world);
  expect(await harness.pollUntil(() => harness.incidents().length === 0, GONE_MS), storyOf(harness)).toBe(true);
  await again.stop();
});
