/**
 * Every source of HTTP and Redis in one installation, each behind something that spoils its answers at will, and a second
 * installation beside it that sees what is true.
 */

import type { PollResult, Question, QuestionKind, Source, Symptom } from '../../src/model/index.ts';
import type { AnyDetector } from '../../src/sdk/detector.ts';
import { loadAllDetectors } from '../../src/watch.ts';
import { type Api, readCall } from '../world/aws/protocol.ts';
import { type SystemsWorld, startSystems, systemsConfig, systemsEnv, type Watchable } from '../world/systems.ts';
import {
  type Asked,
  type BytesUpstream,
  type HttpTrouble,
  startBytesUpstream,
  startElsewhere,
  startUpstream,
  type Upstream,
} from './fuzz-upstream.ts';
import { START, STARTED_AT } from './service-fault-cases.ts';
import { type Learned, type ServiceHarness, startServiceHarness } from './service-harness.ts';

type Server = 'aws' | 'health' | 'status' | 'prometheus' | 'typesense' | 'opensearch' | 'sentry' | 'datadog' | 'redis';

/** One interface that somebody else answers, and what of ours depends on it. */
export interface Channel {
  readonly name: string;
  readonly server: Server;
  readonly format: 'json' | 'xml' | 'resp';
  /** Of `aws`, which share an address. */
  readonly api?: Api;
  /** Name of the source that asks it. */
  readonly source: string;
  /** Whether the source reads it in its polls. */
  readonly polled: boolean;
  readonly kinds: readonly QuestionKind[];
  /** What is no spoilt answer but what the target is watched for: it does not answer, or says that it is not well. */
  readonly symptoms: readonly (HttpTrouble | 'close')[];
}

const NO_ANSWER: readonly HttpTrouble[] = ['reset', 'cut', 'error-500', 'drip', 'hang'];
const aws = (
  api: Api,
  source: string,
  polled: boolean,
  kinds: readonly QuestionKind[],
  format: Channel['format'] = 'json',
): Channel => ({ name: `aws ${api}`, server: 'aws', format, api, source, polled, kinds, symptoms: [] });
const http = (
  server: Server,
  source: string,
  polled: boolean,
  kinds: readonly QuestionKind[],
  symptoms: Channel['symptoms'] = [],
): Channel => ({ name: server, server, format: 'json', source, polled, kinds, symptoms });

export const CHANNELS: readonly Channel[] = [
  aws('cloudwatch', 'cloudwatch', true, ['series']),
  aws('ecs', 'ecs', true, ['ecs.service', 'ecs.capacity']),
  aws('elasticloadbalancing', 'ecs', false, ['alb.targets'], 'xml'),
  aws('autoscaling', 'ecs', false, ['ecs.capacity'], 'xml'),
  aws('logs', 'logs', false, ['logs.errors']),
  aws('rds', 'rds', true, ['rds.instance', 'rds.network'], 'xml'),
  aws('ec2', 'rds', true, ['rds.network'], 'xml'),
  aws('lambda', 'lambda', false, ['lambda.function']),
  aws('sqs', 'sqs', false, ['sqs.queue']),
  http('health', 'health', true, ['service.health'], NO_ANSWER),
  http('status', 'status', true, ['vendor.status']),
  http('prometheus', 'prometheus', true, ['series']),
  http('typesense', 'search', true, ['search.engine'], NO_ANSWER),
  http('opensearch', 'search', false, ['search.fallback']),
  http('sentry', 'sentry', false, ['errors.tracked']),
  http('datadog', 'datadog', false, ['apm.request_time']),
  { ...http('redis', 'redis', true, ['cache.server'], ['close', 'hang']), format: 'resp' },
];

export interface FuzzClock {
  now(): number;
  advance(ms: number): void;
  set(at: number): void;
}

export interface FuzzWorld extends AsyncDisposable {
  readonly clock: FuzzClock;
  readonly world: SystemsWorld;
  /** Spoils what a channel's server answers; `asked` says whether an answer is the channel's. */
  readonly http: Readonly<Record<Exclude<Server, 'redis'>, readonly Upstream[]>>;
  readonly redis: BytesUpstream;
  isOf(channel: Channel, asked: Asked): boolean;
  /** Requests that followed a redirect. */
  visits(): number;
  /** Time begins again. */
  restart(): void;
  /** A new installation at the start of time, with all that was learned. */
  installation(watched?: readonly Watchable[]): Promise<ServiceHarness>;
  /** The same, asking the true servers: what it reads is true. */
  control(): Promise<ServiceHarness>;
}

export interface FuzzWorldOptions {
  readonly watch: readonly Watchable[];
  readonly historyDays: number;
}

/** Sources without a history are watched for so long: a band takes an hour, and what is learned is 15 min old. */
const WATCHED_MINUTES = 80;
const STEP_MS = 60_000;

export async function startFuzzWorld({ watch, historyDays }: FuzzWorldOptions): Promise<FuzzWorld> {
  await using starting = new AsyncDisposableStack();
  let at = START - WATCHED_MINUTES * STEP_MS;
  const base = starting.use(await startSystems({ now: () => at, startedAt: STARTED_AT }));
  const clock: FuzzClock = {
    now: () => at,
    advance(ms) {
      at += ms;
      base.tick();
    },
    set(next) {
      at = next;
      base.tick();
    },
  };
  // Nobody asks it: PostgreSQL is asked in its own protocol, through a client of its own, and not here.
  const server = {
    host: '127.0.0.1',
    port: 1,
    database: 'rastup',
    monitorUrl: 'postgres://runbookd@127.0.0.1:1/rastup',
  };
  const world = { ...base, postgres: { primary: server } } as unknown as SystemsWorld;

  const elsewhere = starting.use(await startElsewhere());
  const before = async (url: string): Promise<Upstream> => starting.use(await startUpstream(url, elsewhere.url));
  const one = async (url: string): Promise<readonly [Upstream, string]> => {
    const upstream = await before(url);
    return [upstream, upstream.url];
  };
  const healthOf = async ([name, { live, ready }]: readonly [
    string,
    { readonly live: string; readonly ready: string },
  ]) => {
    const upstream = await before(new URL(live).origin);
    const urls = {
      live: `${upstream.url}${new URL(live).pathname}`,
      ready: `${upstream.url}${new URL(ready).pathname}`,
    };
    return { name, upstream, urls };
  };
  const health = await Promise.all(Object.entries(world.health).map(healthOf));
  const status = await Promise.all(
    Object.entries(world.vendors).map(async ([name, { url }]) => ({ name, upstream: await before(url) })),
  );
  const [cloud, endpoint] = await one(world.aws.endpoint);
  const [prometheus, prometheusUrl] = await one(world.prometheus.url);
  const [typesense, typesenseUrl] = await one(world.typesense.url);
  const [opensearch, opensearchUrl] = await one(world.opensearch.url);
  const [sentry, sentryUrl] = await one(world.sentry.url);
  const [datadog, datadogUrl] = await one(world.datadog.url);
  const redis = starting.use(await startBytesUpstream(world.redis.url));

  const spoilable = {
    ...world,
    aws: { ...world.aws, endpoint },
    health: Object.fromEntries(health.map(({ name, urls }) => [name, { ...world.health.api, ...urls }])),
    vendors: Object.fromEntries(
      status.map(({ name, upstream }) => [name, { ...world.vendors.stripe, url: upstream.url }]),
    ),
    prometheus: { ...world.prometheus, url: prometheusUrl },
    typesense: { ...world.typesense, url: typesenseUrl },
    opensearch: { ...world.opensearch, url: opensearchUrl },
    sentry: { ...world.sentry, url: sentryUrl },
    datadog: { ...world.datadog, url: datadogUrl },
    redis: { ...world.redis, url: redis.url },
  } as unknown as SystemsWorld;

  const detectors = await loadAllDetectors([]);
  const configOf = (of: SystemsWorld, watched: readonly Watchable[]): Readonly<Record<string, unknown>> => {
    const config = systemsConfig(of, { watch: watched });
    return { ...config, aws: { ...(config['aws'] as object), taskDefinitions: true } };
  };
  const start = (of: SystemsWorld, learned?: Learned, watched = watch): Promise<ServiceHarness> =>
    startServiceHarness({
      clock,
      config: configOf(of, watched),
      env: systemsEnv(of),
      detectors,
      stepMs: STEP_MS,
      ...(learned === undefined ? {} : { learned }),
    });

  const learnt = await learn(start, spoilable, clock, historyDays);
  const stack = starting.move();
  return {
    clock,
    world,
    http: {
      aws: [cloud],
      health: health.map(({ upstream }) => upstream),
      status: status.map(({ upstream }) => upstream),
      prometheus: [prometheus],
      typesense: [typesense],
      opensearch: [opensearch],
      sentry: [sentry],
      datadog: [datadog],
    },
    redis,
    isOf: ({ api }, asked) => api === undefined || readCall({ ...asked, url: asked.path })?.api === api,
    visits: elsewhere.visits,
    restart: () => clock.set(START),
    installation: (watched) => start(spoilable, learnt, watched),
    control: () => start(world),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

async function learn(
  start: (of: SystemsWorld) => Promise<ServiceHarness>,
  world: SystemsWorld,
  clock: FuzzClock,
  days: number,
): Promise<Learned> {
  await using harness = await start(world);
  for (const source of polledSources(harness)) {
    if (source.history === undefined) continue;
    await harness.pipeline.backfill(source, clock.now() - days * 86_400_000, AbortSignal.timeout(120_000));
  }
  for (let minute = 0; minute < WATCHED_MINUTES; minute += 1) {
    // Who has a history reads what came meanwhile in one go.
    const isLast = minute >= WATCHED_MINUTES - 3;
    await pollAll(harness, (source) => source.history !== undefined && !isLast);
    clock.advance(STEP_MS);
  }
  return harness.learned();
}

/** All but PostgreSQL. */
export function polledSources({ watch }: ServiceHarness): readonly Source[] {
  return watch.sources.filter(({ name }) => !name.startsWith('postgres'));
}

/** Every poll group of those sources once; throws what any throws. */
export async function pollAll(harness: ServiceHarness, but: (source: Source) => boolean = () => false): Promise<void> {
  const due = polledSources(harness).filter((source) => !but(source));
  await Promise.all(
    due.flatMap((source) =>
      source.groups.map((group) => harness.pipeline.poll(source, group, AbortSignal.timeout(20_000))),
    ),
  );
}

/** Puts each poll's results aside, as the pipeline gets them: null for one that failed. */
export function recordPolls(harness: ServiceHarness): (source: string) => PollResult | null {
  const last = new Map<string, PollResult>();
  for (const source of polledSources(harness)) {
    const { poll } = source;
    Object.assign(source, {
      async poll(...args: Parameters<Source['poll']>) {
        last.delete(source.name);
        const result = await poll.apply(source, args);
        last.set(source.name, result);
        return result;
      },
    });
  }
  return (name) => last.get(name) ?? null;
}

/** As if that detector had seen something two minutes ago. */
export function symptomOf(detector: AnyDetector, target: string, now: number): Symptom {
  const onset = { earliest: now - 180_000, latest: now - 120_000 };
  const headline = 'something is wrong';
  return {
    detector: detector.id,
    target,
    subject: '',
    severity: 'error',
    headline,
    summary: headline,
    onset,
    readings: [],
  };
}

/** Which question it is, whenever it is asked. */
export function identityOf({ kind, target, params }: Question): string {
  const { since: _since, ...others } = params as { readonly since?: number };
  return JSON.stringify([kind, target, others]);
}
