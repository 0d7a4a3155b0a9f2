/**
 * Everything that the runbook knows of, in miniature: the cloud, and beside it a search engine with its fallback, a cache,
 * an error tracker, APM, and a Prometheus that holds what applications know of themselves. Real HTTP (and Redis' own
 * protocol) on loopback.
 */

import { type AppMetrics, boundOf, createAppMetrics } from './app-metrics/index.ts';
import { hexId } from './aws/random.ts';
import { createSeason } from './aws/season.ts';
import { type OpenClient, openClient } from './clients.ts';
import { type CloudOptions, type CloudWorld, startCloud } from './cloud.ts';
import { type FakeDatadog, type FakeSpans, startDatadog } from './datadog.ts';
import { outboxWorker } from './outbox-worker.ts';
import type { PostgresWorld } from './postgres.ts';
import { type FakePrometheus, startPrometheus } from './prometheus.ts';
import { type Redis, startRedis } from './redis.ts';
import { type OpenSearch, startOpenSearch, startTypesense, type Typesense } from './search.ts';
import { type FakeSentry, startSentry } from './sentry.ts';

export { systemsConfig, systemsEnv, WATCHABLE, type Watchable } from './systems-config.ts';

const SENTRY = { organization: 'rastup', token: 'canary-sentry-token' } as const;
const DATADOG = { apiKey: 'canary-datadog-key', appKey: 'canary-datadog-app-key' } as const;

export interface SystemsWorld extends CloudWorld {
  readonly typesense: Typesense;
  readonly opensearch: OpenSearch;
  readonly redis: Redis;
  readonly sentry: FakeSentry;
  readonly datadog: FakeDatadog;
  readonly prometheus: FakePrometheus;
  /** What applications know of themselves, and the effects of faults on it. */
  readonly app: AppMetrics;
  /** Redis starts anew, empty, with its counters at zero. */
  restartCache(): void;
  readonly secrets: typeof SENTRY & typeof DATADOG;
  /** Sends the statements of the last minute to the real database, where there is one: after each minute. */
  work(): Promise<void>;
  /** Brings what servers say of themselves up to the present: after each move of the clock. */
  tick(): void;
}

export async function startSystems(options: CloudOptions = {}): Promise<SystemsWorld> {
  await using starting = new AsyncDisposableStack();
  const cloud = starting.use(
    await startCloud({ checks: { api: ['database', 'redis', 'stripe', 'twilio'] }, ...options }),
  );
  const { fleet, now } = cloud;
  const app = createAppMetrics({ now, season: createSeason(fleet.timeZone), fleet });
  const typesense = starting.use(await startTypesense());
  const opensearch = starting.use(await startOpenSearch());
  const redis = starting.use(await startRedis());
  const sentry = starting.use(await startSentry({ ...SENTRY, projects: ['api', 'payment', 'websocket'] }));
  const datadog = starting.use(await startDatadog(DATADOG));
  const prometheus = starting.use(await startPrometheus());
  for (const { query, read } of boundOf(app)) prometheus.set(query, read);
  datadog.set(calmSpans(fleet.startedAt));

  let tickedAt = now();
  let cacheStartedAt = fleet.startedAt;
  let counters = { hits: 9_000_000, misses: 1_000_000, evictedKeys: 0, rejectedConnections: 0 };
  const tick = (): void => {
    const at = now();
    const seconds = Math.max(0, at - tickedAt) / 1000;
    tickedAt = at;
    typesense.set(app.search.engine(at));
    const { hitsPerSecond, missesPerSecond, evictionsPerSecond, rejectedPerSecond } = app.cache.rates(at);
    counters = {
      hits: counters.hits + Math.round(hitsPerSecond * seconds),
      misses: counters.misses + Math.round(missesPerSecond * seconds),
      evictedKeys: counters.evictedKeys + Math.round(evictionsPerSecond * seconds),
      rejectedConnections: counters.rejectedConnections + Math.round(rejectedPerSecond * seconds),
    };
    redis.set({ ...counters, uptimeSeconds: Math.round((at - cacheStartedAt) / 1000) });
  };
  tick();
  const session = cloud.postgres === undefined ? null : statementSession(cloud.postgres, starting);
  const outbox = cloud.postgres === undefined ? null : outboxWorker(cloud.postgres.primary, starting);
  const work = async (): Promise<void> => {
    if (session !== null) await session(app.statements.perMinute(now()));
    if (outbox !== null) await outbox(app.outbox.work(now()));
  };
  const restartCache = (): void => {
    cacheStartedAt = now();
    counters = { hits: 0, misses: 0, evictedKeys: 0, rejectedConnections: 0 };
    redis.set({ runId: hexId(`redis/${cacheStartedAt}`, 40), ...counters, uptimeSeconds: 0 });
  };
  const stack = starting.move();
  return {
    ...cloud,
    typesense,
    opensearch,
    redis,
    sentry,
    datadog,
    prometheus,
    app,
    secrets: { ...SENTRY, ...DATADOG },
    restartCache,
    work,
    tick,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

const LOOKUP = 'SELECT name, city FROM public.customers WHERE id = $1';
const LIST =
  'SELECT id, status, total_cents FROM public.orders WHERE customer_id = $1 ORDER BY placed_at DESC LIMIT 20';

/** The api's own session. A server that is away takes no statements: nobody waits for it. */
function statementSession({ primary }: PostgresWorld, stack: AsyncDisposableStack) {
  let open: OpenClient | null = null;
  stack.defer(async () => open?.close());
  return async ({ lookups, lists }: { readonly lookups: number; readonly lists: number }): Promise<void> => {
    if (!primary.running) open = null;
    if (!primary.running) return;
    open ??= await openClient({ connectionString: primary.appUrl('api') });
    for (let index = 0; index < lookups; index += 1) await open.client.query(LOOKUP, [1 + (index % 1000)]);
    for (let index = 0; index < lists; index += 1) await open.client.query(LIST, [1 + (index % 1000)]);
  };
}

/** The api and its clients as APM sees them: on a healthy day a quarter of the time is the database's. */
export function calmSpans(
  startedAt: number,
  since?: { readonly from: number; readonly databaseSeconds: number },
): readonly FakeSpans[] {
  const spans = (span: string, service: string, perMinute: number, seconds: number, now = seconds): FakeSpans => ({
    span,
    service,
    env: 'prod',
    phases: [
      { from: startedAt, perMinute, seconds },
      ...(since === undefined ? [] : [{ from: since.from, perMinute, seconds: now }]),
    ],
  });
  const database = since?.databaseSeconds ?? 0.004;
  return [
    spans('express.request', 'api', 10_000, 0.06, 0.06 + 4 * (database - 0.004)),
    spans('pg.query', 'api-postgres', 40_000, 0.004, database),
    spans('http.request', 'api-http-client', 1_200, 0.12),
  ];
}
