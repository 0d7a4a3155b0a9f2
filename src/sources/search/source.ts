/**
 * Search engines (Typesense) and what would take over (OpenSearch), by GET alone.
 *
 * An engine that does not answer counts as down only after it has answered here once as an engine does: until then the
 * address or the way there may be what is wrong, and that is a setting of ours. The same holds for a collection that is
 * not there. Bodies that make no sense are gaps, never figures.
 */

import type { Logger } from 'pino';
import type { EpochMs } from '../../model/glossary.ts';
import type { Answer, Question } from '../../model/question.ts';
import type { Series } from '../../model/series.ts';
import type { Blindness, PollResult, Source } from '../../model/source.ts';
import type { SearchEngineAnswer } from '../../model/systems.ts';
import { endpointOf, get, wordsOf } from '../http/get.ts';
import { type EngineLook, type Failed, isFailed, lookAt } from './look.ts';
import { clusterOf } from './opensearch.ts';
import { SEARCH_SIGNALS } from './signals.ts';
import { type EngineState, packEngines, unpackEngines } from './snapshot.ts';

export { SEARCH_SIGNALS, SEARCH_SIGNALS_BY_HAND } from './signals.ts';

export interface SearchSourceOptions {
  readonly name: string;
  readonly engines: readonly {
    readonly target: string;
    readonly typesense: { readonly url: string; readonly apiKey: () => string };
    /** Names or aliases whose documents are counted. */
    readonly collections: readonly string[];
    readonly opensearch: { readonly url: string; readonly headers?: Readonly<Record<string, string>> } | null;
  }[];
  /** Of the poll group `search`. */
  readonly periodMs: number;
  readonly log: Logger;
  readonly monotonic?: () => number;
  /** Of each GET of a poll. */
  readonly deadlineMs?: number;
}

type Engine = SearchSourceOptions['engines'][number];

const DEADLINE_MS = 4_000;
/** A walk waits 5 s for an answer, and a look asks twice in turn. */
const ANSWER_MS = 2_200;
const FALLBACK_MS = 3_000;
const FALLBACK_BYTES = 65_536;

const UNITS = new Map(SEARCH_SIGNALS.map(({ signal, unit }) => [signal, unit]));
const NEVER: EngineState = { answered: null, collections: [] };

export function createSearchSource(options: SearchSourceOptions): Source {
  const { name, engines, periodMs, log, monotonic = () => performance.now(), deadlineMs = DEADLINE_MS } = options;
  const byTarget = new Map(engines.map((engine) => [engine.target, engine]));
  let states: ReadonlyMap<string, EngineState> = new Map();

  /** Null when the caller gave up: that says nothing about the engine. */
  const look = async (engine: Engine, deadline: number, signal: AbortSignal): Promise<EngineLook | null> => {
    const { typesense, collections } = engine;
    const seen = await lookAt({ ...typesense, collections, deadlineMs: deadline, monotonic }, signal);
    if (signal.aborted) return null;
    if (seen.health !== null) {
      const known = stateOf(engine, seen).collections;
      const there = [...seen.collections].flatMap(([each, count]) => (typeof count === 'number' ? [each] : []));
      const all = [...new Set([...known, ...there])].filter((each) => collections.includes(each));
      states = new Map(states).set(engine.target, { answered: seen.address, collections: all });
    }
    return seen;
  };

  /** Of that address: another engine under the same name begins anew. */
  const stateOf = ({ target }: Engine, { address }: EngineLook): EngineState => {
    const state = states.get(target) ?? NEVER;
    return state.answered === address ? state : NEVER;
  };

  const documentsIn = (engine: Engine, seen: EngineLook): readonly (readonly [string, number, boolean])[] =>
    [...seen.collections].flatMap(([each, count]): readonly (readonly [string, number, boolean])[] => {
      if (typeof count === 'number') return [[each, count, false]];
      return count === 'missing' && stateOf(engine, seen).collections.includes(each) ? [[each, 0, true]] : [];
    });

  const seriesOf = (engine: Engine, seen: EngineLook, now: EpochMs): readonly Series[] => {
    const point = (signal: string, value: number | null, labels: Series['labels'] = {}): readonly Series[] =>
      value === null
        ? []
        : [
            {
              target: engine.target,
              signal,
              labels,
              unit: UNITS.get(signal) ?? 'count',
              periodMs,
              times: Float64Array.of(now),
              values: Float64Array.of(value),
            },
          ];
    const isDown = seen.health?.ok === false || (seen.failure !== null && stateOf(engine, seen).answered !== null);
    const stats = isFailed(seen.stats) ? null : seen.stats;
    const resources = isFailed(seen.resources) ? null : seen.resources;
    return [
      ...point('search_up', seen.health?.ok === true ? 1 : isDown ? 0 : null),
      ...documentsIn(engine, seen).flatMap(([collection, count]) => point('search_documents', count, { collection })),
      ...point('search_requests_per_second', stats?.requestsPerSecond ?? null),
      ...point('search_engine_latency_ms', stats?.searchLatencyMs ?? null),
      ...point('search_pending_writes', stats?.pendingWriteBatches ?? null),
      ...point('search_overloaded_per_second', stats?.overloadedPerSecond ?? null),
      ...point('search_memory', resources?.memoryRatio ?? null),
      ...point('search_disk', resources?.diskRatio ?? null),
    ];
  };

  const blindnessOf = (engine: Engine, seen: EngineLook): readonly Blindness[] => {
    const { target } = engine;
    const gap = (check: string, { because, detail, needs }: Failed, otherwise: string | null = null): Blindness => ({
      target,
      check,
      because,
      detail,
      grant: needs === null ? otherwise : `set searches.${target}.typesense.apiKey to ${needs}`,
    });
    const gaps: Blindness[] = [];
    if (seen.healthFailed !== null) gaps.push(gap('search.health', seen.healthFailed, addressGrant(engine, seen)));
    if (isFailed(seen.stats)) gaps.push(gap('search.stats', seen.stats));
    if (isFailed(seen.resources)) gaps.push(gap('search.metrics', seen.resources));
    const unread = [...seen.collections].flatMap(([each, count]): readonly Blindness[] => {
      if (isFailed(count)) return [gap('search.collections', count)];
      if (count !== 'missing' || stateOf(engine, seen).collections.includes(each)) return [];
      const detail = `${seen.address}: there is no collection ${each}, and never was one`;
      const grant = `set searches.${target}.typesense.collections to the collections that there are`;
      return [{ target, check: 'search.collections', because: 'not_configured', detail, grant }];
    });
    // What all have in common is said once.
    return [...gaps, ...unread.slice(0, 5)];
  };

  const addressGrant = (engine: Engine, seen: EngineLook): string | null =>
    stateOf(engine, seen).answered === null
      ? `check searches.${engine.target}.typesense.url: nothing there has answered as a Typesense yet`
      : null;

  const answerEngine = async (engine: Engine, now: EpochMs, signal: AbortSignal): Promise<Answer> => {
    const kind = 'search.engine';
    const seen = await look(engine, Math.min(ANSWER_MS, deadlineMs), signal);
    if (seen === null) return { state: 'unknown', kind, because: 'timeout', detail: 'the look was given up' };
    const isOutage = seen.failure !== null && stateOf(engine, seen).answered !== null;
    if (seen.healthFailed !== null && !isOutage) {
      const { because, detail } = seen.healthFailed;
      const grant = addressGrant(engine, seen);
      return { state: 'unknown', kind, because, detail, ...(grant === null ? {} : { grant }) };
    }
    const value = engineAnswer(seen, documentsIn(engine, seen), now);
    return {
      state: 'answered',
      kind,
      value,
      at: now,
      source: `GET ${seen.address}/{health,stats.json,metrics.json,collections}`,
    };
  };

  const answerFallback = async (engine: Engine, now: EpochMs, signal: AbortSignal): Promise<Answer> => {
    const kind = 'search.fallback';
    const { opensearch, target } = engine;
    if (opensearch === null) {
      const detail = `no engine to fall back to is configured for ${target}`;
      return {
        state: 'unknown',
        kind,
        because: 'not_configured',
        detail,
        grant: `set searches.${target}.opensearch.url`,
      };
    }
    const url = `${opensearch.url.replace(/\/+$/, '')}/_cluster/health`;
    const limits = { deadlineMs: Math.min(FALLBACK_MS, deadlineMs), maxBytes: FALLBACK_BYTES };
    const got = await get(url, { ...limits, monotonic, headers: opensearch.headers ?? {} }, signal);
    const endpoint = endpointOf(url);
    if (got.failure !== null) {
      const because = got.failure === 'timeout' ? 'timeout' : got.failure === 'redirect' ? 'not_configured' : 'error';
      return { state: 'unknown', kind, because, detail: `${endpoint}: ${wordsOf(got, limits)}` };
    }
    if (got.status === 401 || got.status === 403) {
      const grant = `set searches.${target}.opensearch.headers to those of a user that has the permission cluster:monitor/health`;
      return { state: 'unknown', kind, because: 'denied', detail: `${endpoint}: answered ${got.status}`, grant };
    }
    const value = got.status === 200 ? clusterOf(got.body, URL.parse(url)?.host ?? '', now) : null;
    if (value === null) {
      const words = got.status === 200 ? "the answer is not a cluster's health" : `answered ${got.status}`;
      return { state: 'unknown', kind, because: 'error', detail: `${endpoint}: ${words}` };
    }
    return { state: 'answered', kind, value, at: now, source: `GET ${endpoint}` };
  };

  return {
    name,
    groups: ['search'],
    async poll(_group, now, signal): Promise<PollResult> {
      const looks = await Promise.all(
        engines.map(async (engine) => ({ engine, seen: await look(engine, deadlineMs, signal) })),
      );
      if (signal.aborted) return { series: [], changes: [], blind: [] };
      return {
        series: looks.flatMap(({ engine, seen }) => (seen === null ? [] : seriesOf(engine, seen, now))),
        changes: [],
        blind: looks.flatMap(({ engine, seen }) => (seen === null ? [] : blindnessOf(engine, seen))),
      };
    },
    answers: ({ kind, target }) => (kind === 'search.engine' || kind === 'search.fallback') && byTarget.has(target),
    async answer(question: Question, now, signal): Promise<Answer> {
      const { kind, target } = question;
      const engine = byTarget.get(target);
      if (engine !== undefined && kind === 'search.engine') return answerEngine(engine, now, signal);
      if (engine !== undefined && kind === 'search.fallback') return answerFallback(engine, now, signal);
      return { state: 'unknown', kind, because: 'unsupported', detail: `${name} does not answer ${kind} of ${target}` };
    },
    snapshot: () => (states.size === 0 ? null : packEngines(states)),
    restore(bytes) {
      const restored = unpackEngines(bytes);
      if (restored === null) log.warn({ source: name }, 'snapshot is not readable, starting without it');
      else states = new Map([...restored].filter(([target]) => byTarget.has(target)));
    },
    close: async () => undefined,
  };
}

function engineAnswer(
  seen: EngineLook,
  documents: readonly (readonly [string, number, boolean])[],
  at: EpochMs,
): SearchEngineAnswer {
  const stats = isFailed(seen.stats) ? null : seen.stats;
  const resources = isFailed(seen.resources) ? null : seen.resources;
  return {
    at,
    engine: 'typesense',
    host: seen.address,
    healthy: seen.health?.ok ?? null,
    problem: seen.health === null ? seen.failure : seen.health.problem,
    collections: documents.map(([name, count, missing]) => ({
      name,
      documents: count,
      ...(missing ? { missing } : {}),
    })),
    requestsPerSecond: stats?.requestsPerSecond ?? null,
    searchLatencyMs: stats?.searchLatencyMs ?? null,
    writeLatencyMs: stats?.writeLatencyMs ?? null,
    pendingWriteBatches: stats?.pendingWriteBatches ?? null,
    overloadedPerSecond: stats?.overloadedPerSecond ?? null,
    memoryRatio: resources?.memoryRatio ?? null,
    diskRatio: resources?.diskRatio ?? null,
    cpuRatio: resources?.cpuRatio ?? null,
  };
}
