/**
 * Caches that speak Redis' protocol, by PING and INFO: a connection for each look, at most one at a time at each cache.
 *
 * A cache that does not answer counts as down only after it has answered here once: until then the address or the password
 * may be what is wrong, and that is a setting of ours. Counters become rates between two polls of one run of the server.
 */

import type { Logger } from 'pino';
import type { EpochMs } from '../../model/glossary.ts';
import type { Answer, Question, UnknownBecause } from '../../model/question.ts';
import type { Series } from '../../model/series.ts';
import type { Blindness, PollResult, Source } from '../../model/source.ts';
import { infoOf, missingIn, type ServerInfo, serverAnswer } from './info.ts';
import { inquire, type RedisFailure, wordsOfRedis } from './inquire.ts';
import { REDIS_SIGNALS } from './signals.ts';
import { packAnswered, unpackAnswered } from './snapshot.ts';

export { REDIS_SIGNALS } from './signals.ts';

export interface RedisSourceOptions {
  readonly name: string;
  readonly caches: readonly {
    readonly target: string;
    /** `redis://` or `rediss://`, a secret: it holds the password. */
    readonly url: string;
  }[];
  /** Of the poll group `redis`. */
  readonly periodMs: number;
  readonly log: Logger;
  readonly monotonic?: () => number;
  /** Of a whole look; connecting and each command have two thirds of it. */
  readonly deadlineMs?: number;
}

type Cache = RedisSourceOptions['caches'][number];

/** A walk waits 5 s for an answer. */
const DEADLINE_MS = 4_000;
/** INFO is some kilobytes; with thousands of commands in its statistics some hundred. */
const MAX_BYTES = 1_048_576;
/** Counters of longer ago make no rate of now. */
const STALE_PERIODS = 3;

const UNITS = new Map(REDIS_SIGNALS.map(({ signal, unit }) => [signal, unit]));
/** What its clients feel too. */
const OUTAGES: readonly RedisFailure[] = ['refused', 'timeout', 'reset', 'dns', 'tls', 'max-clients', 'busy'];

type Look =
  | { readonly state: 'said'; readonly info: ServerInfo; readonly pingMs: number; readonly ponged: boolean }
  | { readonly state: 'failed'; readonly failure: RedisFailure; readonly code: string };

interface Counters {
  readonly at: EpochMs;
  readonly info: ServerInfo;
}

export function createRedisSource(options: RedisSourceOptions): Source {
  const { name, caches, periodMs, log, monotonic = () => performance.now(), deadlineMs = DEADLINE_MS } = options;
  const byTarget = new Map(caches.map((cache) => [cache.target, cache]));
  const limits = { deadlineMs, maxBytes: MAX_BYTES };
  const closing = new AbortController();
  const running = new Map<string, Promise<Look>>();
  let answered: ReadonlyMap<string, string> = new Map();
  let counters: ReadonlyMap<string, Counters> = new Map();

  const isKnown = ({ target, url }: Cache): boolean => answered.get(target) === addressOf(url);

  const inquireNow = async (cache: Cache): Promise<Look> => {
    const stepMs = Math.ceil((deadlineMs * 2) / 3);
    const said = await inquire(
      { url: cache.url, ...limits, connectMs: stepMs, commandMs: stepMs, monotonic },
      closing.signal,
    );
    if (said.state === 'failed') return said;
    const info = infoOf(said.info);
    if (info === null) return { state: 'failed', failure: 'reply', code: '' };
    answered = new Map(answered).set(cache.target, addressOf(cache.url));
    return { state: 'said', info, pingMs: said.pingMs, ponged: said.ponged };
  };

  /** Joins a look that is under way: never two connections at once. Null when the caller gave up. */
  const look = async (cache: Cache, signal: AbortSignal): Promise<Look | null> => {
    let looking = running.get(cache.target);
    if (looking === undefined) {
      looking = inquireNow(cache).finally(() => running.delete(cache.target));
      running.set(cache.target, looking);
    }
    const seen = await untilAborted(looking, signal);
    return closing.signal.aborted ? null : seen;
  };

  const seriesOf = (cache: Cache, seen: Look, now: EpochMs): readonly Series[] => {
    const point = (signal: string, value: number | null): readonly Series[] =>
      value === null
        ? []
        : [
            {
              target: cache.target,
              signal,
              labels: {},
              unit: UNITS.get(signal) ?? 'count',
              periodMs,
              times: Float64Array.of(now),
              values: Float64Array.of(value),
            },
          ];
    if (seen.state === 'failed') return point('cache_up', isKnown(cache) && OUTAGES.includes(seen.failure) ? 0 : null);
    const { info, pingMs, ponged } = seen;
    const since = sinceOf(counters.get(cache.target), info, now, periodMs);
    const memory =
      info.usedMemoryBytes === null || !info.maxMemoryBytes ? null : info.usedMemoryBytes / info.maxMemoryBytes;
    return [
      ...point('cache_up', ponged && !info.loading ? 1 : 0),
      ...point('cache_memory', memory),
      ...point('cache_clients', info.clients),
      ...point('cache_rejected_connections', since?.rejected ?? null),
      ...point('cache_evictions_per_second', since?.evictionsPerSecond ?? null),
      ...point('cache_hit_ratio', since?.hitRatio ?? null),
      ...point('cache_ping_ms', pingMs),
    ];
  };

  const gapOf = (cache: Cache, failure: RedisFailure, code: string) => {
    const key = `caches.${cache.target}.redis`;
    const detail = `${addressOf(cache.url)}: ${wordsOfRedis(failure, code, limits)}`;
    return { because: becauseOf(failure), detail, grant: grantOf(key, failure, isKnown(cache)) };
  };

  const blindnessOf = (cache: Cache, seen: Look): readonly Blindness[] =>
    seen.state === 'said'
      ? []
      : [{ target: cache.target, check: 'cache.server', ...gapOf(cache, seen.failure, seen.code) }];

  return {
    name,
    groups: ['redis'],
    async poll(_group, now, signal): Promise<PollResult> {
      const looks = await Promise.all(caches.map(async (cache) => ({ cache, seen: await look(cache, signal) })));
      if (signal.aborted) return { series: [], changes: [], blind: [] };
      const found = looks.flatMap(({ cache, seen }) => (seen === null ? [] : [{ cache, seen }]));
      const series = found.flatMap(({ cache, seen }) => seriesOf(cache, seen, now));
      counters = new Map([
        ...counters,
        ...found.flatMap(({ cache, seen }): readonly (readonly [string, Counters])[] =>
          seen.state === 'said' ? [[cache.target, { at: now, info: seen.info }]] : [],
        ),
      ]);
      return { series, changes: [], blind: found.flatMap(({ cache, seen }) => blindnessOf(cache, seen)) };
    },
    answers: ({ kind, target }) => kind === 'cache.server' && byTarget.has(target),
    async answer(question: Question, now, signal): Promise<Answer> {
      const { kind, target } = question;
      const cache = byTarget.get(target);
      if (kind !== 'cache.server' || cache === undefined) {
        return {
          state: 'unknown',
          kind,
          because: 'unsupported',
          detail: `${name} does not answer ${kind} of ${target}`,
        };
      }
      const seen = await look(cache, signal);
      if (seen === null) return { state: 'unknown', kind, because: 'timeout', detail: 'the look was given up' };
      if (seen.state === 'failed') {
        const { because, detail, grant } = gapOf(cache, seen.failure, seen.code);
        return { state: 'unknown', kind, because, detail, ...(grant === null ? {} : { grant }) };
      }
      const host = addressOf(cache.url);
      const value = serverAnswer(seen.info, host, seen.pingMs, now);
      if (value === null) {
        const detail = `${host}: INFO does not say ${missingIn(seen.info).join(', ')}`;
        return { state: 'unknown', kind, because: 'unsupported', detail };
      }
      return { state: 'answered', kind, value, at: now, source: `${host}: PING, INFO` };
    },
    snapshot: () => (answered.size === 0 ? null : packAnswered(answered)),
    restore(bytes) {
      const restored = unpackAnswered(bytes);
      if (restored === null) log.warn({ source: name }, 'snapshot is not readable, starting without it');
      else answered = new Map([...restored].filter(([target]) => byTarget.has(target)));
    },
    async close() {
      closing.abort();
      await Promise.allSettled(running.values());
    },
  };
}

/** Host and port: no user, no password, no database. */
export function addressOf(url: string): string {
  const parsed = URL.parse(url);
  if (parsed === null || parsed.hostname === '') return '(not a URL)';
  return `${parsed.hostname}:${parsed.port === '' ? '6379' : parsed.port}`;
}

/** Null when the signal came first. */
async function untilAborted(looking: Promise<Look>, signal: AbortSignal): Promise<Look | null> {
  if (signal.aborted) return null;
  const { promise, resolve } = Promise.withResolvers<null>();
  const abort = (): void => resolve(null);
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([looking, promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** Null after a start of the server, or of ours, and where too long has passed. Counters that went back were reset. */
function sinceOf(before: Counters | undefined, info: ServerInfo, now: EpochMs, periodMs: number) {
  const elapsed = before === undefined ? 0 : now - before.at;
  if (before === undefined || elapsed <= 0 || elapsed > STALE_PERIODS * periodMs) return null;
  if (before.info.runId !== info.runId) return null;
  if (
    before.info.uptimeSeconds !== null &&
    info.uptimeSeconds !== null &&
    info.uptimeSeconds < before.info.uptimeSeconds
  )
    return null;
  const grown = (field: 'rejectedConnections' | 'evictedKeys' | 'hits' | 'misses'): number | null => {
    const [was, is] = [before.info[field], info[field]];
    return was === null || is === null || is < was ? null : is - was;
  };
  const rejected = grown('rejectedConnections');
  const evicted = grown('evictedKeys');
  const hits = grown('hits');
  const misses = grown('misses');
  const lookups = hits === null || misses === null ? 0 : hits + misses;
  return {
    rejected,
    evictionsPerSecond: evicted === null ? null : evicted / (elapsed / 1000),
    hitRatio: hits === null || lookups === 0 ? null : hits / lookups,
  };
}

function becauseOf(failure: RedisFailure): UnknownBecause {
  switch (failure) {
    case 'timeout':
      return 'timeout';
    case 'auth':
    case 'denied':
      return 'denied';
    case 'url':
    case 'client-missing':
      return 'not_configured';
    default:
      return 'error';
  }
}

function grantOf(key: string, failure: RedisFailure, isKnown: boolean): string | null {
  switch (failure) {
    case 'auth':
      return `set ${key} to redis://USER:PASSWORD@HOST:PORT with a user that may log in`;
    case 'denied':
      return 'ACL SETUSER runbookd on >PASSWORD +ping +info';
    case 'url':
      return `set ${key} to redis://HOST:PORT or rediss://HOST:PORT`;
    case 'client-missing':
      return 'npm install @redis/client';
    default:
      return isKnown ? null : `check ${key}: nothing there has answered as a Redis yet`;
  }
}
