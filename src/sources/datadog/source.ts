/** Datadog APM, asked in a diagnosis and never polled: how long requests take, and which share of that is the database's. */

import type { Logger } from 'pino';
import type { EpochMs } from '../../model/glossary.ts';
import type { Answer, Question, UnknownBecause } from '../../model/question.ts';
import type { Source } from '../../model/source.ts';
import type { RequestTimeAnswer } from '../../model/systems.ts';
import { get, wordsOf } from '../http/get.ts';
import { type QuerySeries, queryAnswerOf } from './query.ts';
import { requestTimeOf } from './request-time.ts';
import { ENTRIES, entryQueries, isSpanName, isTag, timeQueries } from './spans.ts';

export interface DatadogService {
  readonly target: string;
  /** The tags `service` and `env` of its spans. */
  readonly service: string;
  readonly env: string;
  /** Name of the spans by which requests enter; without it, the most frequent of the usual ones. */
  readonly operation?: string;
}

export interface DatadogSourceOptions {
  readonly name: string;
  /** `datadoghq.com`, `datadoghq.eu`, `us3.datadoghq.com`… */
  readonly site: string;
  /** Default: the API of the site. */
  readonly url?: string;
  /** Read anew for each question. A failure reads as not configured. */
  readonly apiKey: () => string;
  readonly appKey: () => string;
  readonly services: readonly DatadogService[];
  readonly log: Logger;
  readonly monotonic?: () => number;
  /** Of all requests of a question together. */
  readonly deadlineMs?: number;
}

/** A walk waits 5 s for an answer. */
const DEADLINE_MS = 4_500;
const MAX_BYTES = 2_097_152;
const MINUTE_MS = 60_000;
/** One point a minute. */
const ROLLUP_SECONDS = 60;
/** As long before the onset as after it. Trace metrics come with a delay of a minute or two. */
const SHORTEST_MS = 10 * MINUTE_MS;
const LONGEST_MS = 6 * 60 * MINUTE_MS;
/** How long the name of the entry spans is believed. */
const ENTRY_MS = 6 * 60 * MINUTE_MS;

interface Unknown {
  readonly because: UnknownBecause;
  readonly detail: string;
  readonly grant?: string;
}

interface Call {
  readonly keys: Readonly<Record<string, string>>;
  readonly started: number;
  readonly from: EpochMs;
  readonly to: EpochMs;
  readonly signal: AbortSignal;
}

export function createDatadogSource(options: DatadogSourceOptions): Source {
  const { name, site, services, log } = options;
  const { monotonic = () => performance.now(), deadlineMs = DEADLINE_MS } = options;
  const root = (options.url ?? `https://api.${site}`).replace(/\/+$/, '');
  const host = URL.parse(root)?.host ?? '(not a URL)';
  const byTarget = new Map(services.map((one) => [one.target, one]));
  const entries = new Map<string, { readonly entry: string; readonly at: EpochMs }>();

  const refusal = (status: number | null): Unknown => {
    const detail = `${host}: answered ${status} to a metrics query`;
    switch (status) {
      case 401:
      case 403:
        return {
          because: 'denied',
          detail,
          grant: 'a valid Datadog API key of this site, and an application key with the scope timeseries_query',
        };
      case 404:
        return {
          because: 'not_configured',
          detail,
          grant: `set the site of ${name}: datadoghq.com, datadoghq.eu, us3…`,
        };
      case 429:
        return { because: 'error', detail: `${detail}: too many requests` };
      default:
        return { because: 'error', detail };
    }
  };

  const query = async (queries: readonly string[], call: Call): Promise<readonly QuerySeries[] | Unknown> => {
    const left = deadlineMs - (monotonic() - call.started);
    const late: Unknown = { because: 'timeout', detail: `${host}: no whole answer within ${deadlineMs} ms` };
    if (left <= 0) return late;
    const parameters = new URLSearchParams({
      from: String(Math.floor(call.from / 1000)),
      to: String(Math.floor(call.to / 1000)),
      query: queries.join(','),
    });
    const limits = { deadlineMs: left, maxBytes: MAX_BYTES };
    const got = await get(
      `${root}/api/v1/query?${parameters}`,
      { ...limits, monotonic, headers: call.keys },
      call.signal,
    );
    if (got.failure === 'timeout') return late;
    if (got.failure !== null) {
      const because = got.failure === 'redirect' ? 'not_configured' : 'error';
      return { because, detail: `${host}: ${wordsOf(got, limits)}` };
    }
    if (got.status !== 200) return refusal(got.status);
    const answer = queryAnswerOf(got.body ?? '', queries.length, call);
    if ('series' in answer) return answer.series;
    const what = answer.error === 'refused' ? 'refused the query' : 'the answer is not that of a metrics query';
    return { because: 'error', detail: `${host}: ${what}` };
  };

  /** The spans by which requests enter: as configured, as known, else the most frequent of the usual ones. */
  const entryOf = async (one: DatadogService, now: EpochMs, call: Call): Promise<string | Unknown> => {
    if (one.operation !== undefined) return one.operation;
    const known = entries.get(one.target);
    if (known !== undefined && now >= known.at && now - known.at < ENTRY_MS) return known.entry;
    const series = await query(entryQueries(one.service, one.env, ENTRIES, ROLLUP_SECONDS), call);
    if ('because' in series) return series;
    const hits = ENTRIES.map((entry, index) => ({
      entry,
      hits: (series.find((each) => each.index === index)?.points ?? []).reduce((sum, { value }) => sum + value, 0),
    }));
    const most = hits.reduce((best, each) => (each.hits > best.hits ? each : best));
    if (most.hits === 0) return noData(one);
    entries.set(one.target, { entry: most.entry, at: now });
    return most.entry;
  };

  const noData = ({ service, env }: DatadogService): Unknown => ({
    because: 'no_data',
    detail: `${host}: no requests in the trace metrics of ${service} in ${env}`,
    grant: `set the service, env and operation of ${name} as the tags and the name of its spans have them`,
  });

  const look = async (
    one: DatadogService,
    since: EpochMs,
    now: EpochMs,
    signal: AbortSignal,
  ): Promise<RequestTimeAnswer | Unknown> => {
    const keys = keysOf(options.apiKey, options.appKey);
    if (keys === null) {
      return {
        because: 'not_configured',
        detail: `${host}: no usable keys`,
        grant: `set apiKey and appKey of ${name}`,
      };
    }
    if (!isTag(one.service) || !isTag(one.env) || !isSpanName(one.operation ?? 'web.request')) {
      const detail = `${host}: service, env or operation of ${one.target} is not a plain tag`;
      return { because: 'not_configured', detail };
    }
    const start = Math.min(since, now - MINUTE_MS);
    const span = Math.min(LONGEST_MS, Math.max(SHORTEST_MS, now - start));
    const call: Call = { keys, started: monotonic(), from: start - span, to: now, signal };
    const entry = await entryOf(one, now, call);
    if (typeof entry !== 'string') return entry;
    const wanted = timeQueries(one.service, one.env, entry, ROLLUP_SECONDS);
    const queries = [wanted.total, wanted.hits, wanted.p95, ...wanted.kinds.map((each) => each.query)];
    const series = await query(queries, call);
    if ('because' in series) return series;
    const [total, hits, p95] = [0, 1, 2].map((index) => series.find((each) => each.index === index));
    const kinds = series.flatMap((each) => {
      const kind = wanted.kinds[each.index - 3]?.kind;
      return kind === undefined ? [] : [{ kind, series: each }];
    });
    const found = requestTimeOf({ total, hits, p95, kinds }, start);
    return found === null ? noData(one) : { at: now, apm: 'datadog', service: one.service, ...found };
  };

  return {
    name,
    groups: [],
    poll: async () => ({ series: [], changes: [], blind: [] }),
    answers: ({ kind, target }) => kind === 'apm.request_time' && byTarget.has(target),
    async answer(question, now, signal): Promise<Answer> {
      const { kind, target } = question;
      const one = byTarget.get(target);
      if (kind !== 'apm.request_time' || one === undefined) {
        return {
          state: 'unknown',
          kind,
          because: 'unsupported',
          detail: `${name} does not answer ${kind} of ${target}`,
        };
      }
      const { since } = (question as Question<'apm.request_time'>).params;
      const seen = await look(one, since, now, signal);
      if ('because' in seen) {
        log.debug({ source: name, target, because: seen.because }, 'no answer');
        return { state: 'unknown', kind, ...seen };
      }
      return {
        state: 'answered',
        kind,
        value: seen,
        at: now,
        source: `${host}: trace metrics of ${one.service} in ${one.env}`,
      };
    },
    snapshot: () => null,
    restore: () => undefined,
    close: async () => undefined,
  };
}

/** Null for keys that could not stand in a header, without saying what they are. */
function keysOf(apiKey: () => string, appKey: () => string): Readonly<Record<string, string>> | null {
  try {
    const [api, app] = [apiKey().trim(), appKey().trim()];
    const isKey = (key: string): boolean => /^[\x21-\x7e]{1,1000}$/.test(key);
    return isKey(api) && isKey(app) ? { 'DD-API-KEY': api, 'DD-APPLICATION-KEY': app } : null;
  } catch {
    return null;
  }
}
