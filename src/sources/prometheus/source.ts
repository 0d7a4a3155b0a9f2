/**
 * Prometheus, or what speaks its query API (Thanos, Mimir, VictoriaMetrics), as a source: each binding is one range query
 * for what came since the last poll. An empty result is no data, never zero. What could not be seen is a blindness of
 * that target and signal.
 */

import type { Logger } from 'pino';
import { RunbookdError } from '../../model/errors.ts';
import type { EpochMs } from '../../model/glossary.ts';
import type { UnknownBecause } from '../../model/question.ts';
import type { Series } from '../../model/series.ts';
import type { Blindness, PollResult, Source } from '../../model/source.ts';
import { chooseSeries, impossibleIn, keyOf, type PrometheusBinding, seriesOf } from './binding.ts';
import { readHistory } from './history.ts';
import type { RangeWindow } from './matrix.ts';
import { type QueryFailure, type RangeResult, rangeQuery } from './range-query.ts';
import { serverOf } from './server.ts';
import { type BindingState, readState, saveState, UNSEEN } from './state.ts';

export type { PrometheusBinding } from './binding.ts';

export interface PrometheusSourceOptions {
  /** Of the source: `prometheus`. */
  readonly name: string;
  /** Root of the server, with its path prefix if it has one. A user and password in it become a header. */
  readonly url: string;
  /** Secrets already read. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly bindings: readonly PrometheusBinding[];
  /** Of the poll group `prometheus`. */
  readonly periodMs: number;
  /** Distance of samples. Default: one for each poll. */
  readonly stepMs?: number;
  readonly log: Logger;
  /** How long after its time a sample is taken as settled: two scrapes of the usual 15 s. */
  readonly settleMs?: number;
  /** Of one query, and of a whole poll. */
  readonly deadlineMs?: number;
  readonly pollDeadlineMs?: number;
  readonly monotonic?: () => number;
}

const GROUP = 'prometheus';
const SETTLE_MS = 30_000;
const DEADLINE_MS = 5_000;
/** A walk comes after the poll, within the 25 s of both. */
const POLL_DEADLINE_MS = 15_000;
/** What is older is left to `history`. */
const CATCH_UP_MS = 15 * 60_000;
/** A query that the server cannot read is asked again that late: it may have been brought up to date. */
const INVALID_FOR_MS = 15 * 60_000;
const CONCURRENCY = 4;

interface Look {
  readonly binding: PrometheusBinding;
  readonly result: RangeResult;
}

/** Throws CONFIG_INVALID for an address that is none; nothing is asked before the first poll. */
export function createPrometheusSource(options: PrometheusSourceOptions): Source {
  const { name, bindings, periodMs, stepMs = periodMs, log, settleMs = SETTLE_MS } = options;
  const pollDeadlineMs = options.pollDeadlineMs ?? POLL_DEADLINE_MS;
  const { monotonic = () => performance.now(), deadlineMs = DEADLINE_MS } = options;
  const server = serverOf({ ...options, monotonic, deadlineMs });
  let states = new Map<string, BindingState>();
  const stateOf = (binding: PrometheusBinding): BindingState => states.get(keyOf(binding)) ?? UNSEEN;

  /** From the step after the watermark; null while there is no new step. */
  const windowOf = ({ watermark }: BindingState, now: EpochMs): RangeWindow | null => {
    const to = Math.floor((now - settleMs) / stepMs) * stepMs;
    const oldest = Math.ceil((now - CATCH_UP_MS) / stepMs) * stepMs;
    // A watermark in the future is of a clock that was set back.
    const next = watermark === null || watermark > now ? oldest : (Math.floor(watermark / stepMs) + 1) * stepMs;
    const from = Math.max(next, oldest);
    return from > to ? null : { from, to, stepMs };
  };

  const say = (binding: PrometheusBinding, state: BindingState, topic: string, fields: object, message: string) => {
    if (state.told.has(topic)) return state.told;
    log.warn({ source: name, target: binding.target, signal: binding.signal, ...fields }, message);
    return new Set([...state.told, topic]);
  };

  const isRefused = ({ invalidAt }: BindingState, now: EpochMs): boolean =>
    invalidAt !== null && now >= invalidAt && now - invalidAt < INVALID_FOR_MS;

  /** Keeps what was seen, and gives the series of it. */
  const take = ({ binding, result }: Look, now: EpochMs): readonly Series[] => {
    const state = stateOf(binding);
    const keep = (next: Partial<BindingState>): void => {
      states = new Map(states).set(keyOf(binding), { ...state, invalidAt: null, blind: null, ...next });
    };
    if (result.state === 'unseen') {
      const { failure } = result;
      keep({
        invalidAt: failure.reach === 'invalid' ? now : null,
        blind: blindnessOf(binding, failure.because, failure.words, failure.grant),
      });
      return [];
    }
    const { answer } = result;
    // A sum over a part is a wrong figure. The watermark stays, so that it is read again while that is possible.
    if (answer.partial.length > 0) {
      keep({ blind: blindnessOf(binding, 'error', `the data is not whole: ${answer.partial.join('; ')}`, null) });
      return [];
    }
    const { kept, left } = chooseSeries(answer.series, state.known);
    const series = seriesOf(binding, kept, { periodMs: stepMs, delayMs: settleMs });
    const lie = impossibleIn(series);
    if (lie !== null) {
      keep({ blind: blindnessOf(binding, 'error', `the query gives ${lie}`, null) });
      return [];
    }
    const dropped = answer.dropped + left;
    let { told } = state;
    if (dropped > 0) told = say(binding, state, 'dropped', { kept: kept.length, dropped }, 'series are left out');
    if (answer.remarks.length > 0) {
      told = say(binding, { ...state, told }, 'remarks', { remarks: answer.remarks }, 'prometheus warns of a query');
    }
    const newest = series.map(({ times }) => times.at(-1)!);
    keep({
      told,
      ...(kept.length > 0 && { known: new Set(kept.map(({ key }) => key)) }),
      ...(newest.length > 0 && { watermark: Math.max(...newest) }),
      ...(answer.histograms > 0 && { blind: histogramsOf(binding) }),
    });
    return series;
  };

  const blindnessOf = (
    { target, signal }: PrometheusBinding,
    because: UnknownBecause,
    words: string,
    grant: string | null,
  ): Blindness => ({ target, check: signal, because, detail: `${server.host}: ${signal}: ${words}`, grant });

  const histogramsOf = (binding: PrometheusBinding): Blindness => {
    const grant = `make the query of ${binding.signal} a number: histogram_quantile(0.95, …), histogram_count(…)`;
    return blindnessOf(binding, 'unsupported', 'the query gives native histograms, expected numbers', grant);
  };

  async function poll(now: EpochMs, signal: AbortSignal): Promise<PollResult> {
    const due = bindings.flatMap((binding) => {
      const window = isRefused(stateOf(binding), now) ? null : windowOf(stateOf(binding), now);
      return window === null ? [] : [{ binding, window }];
    });
    const looks = await lookAtAll(due, signal);
    if (signal.aborted) return { series: [], changes: [], blind: [] };
    log.trace({ source: name, queries: looks.length }, 'poll');
    const series = looks.flatMap((look) => take(look, now));
    return { series, changes: [], blind: bindings.flatMap((binding) => stateOf(binding).blind ?? []) };
  }

  /** A server that fails every query alike is not asked the rest of them. */
  async function lookAtAll(
    due: readonly { readonly binding: PrometheusBinding; readonly window: RangeWindow }[],
    signal: AbortSignal,
  ): Promise<readonly Look[]> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(pollDeadlineMs)]);
    const looks: Look[] = [];
    const queue = [...due.entries()];
    let answered = 0;
    let timeouts = 0;
    let given: QueryFailure | null = null;
    const work = async (): Promise<void> => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        const [index, { binding, window }] = next;
        if (limit.aborted || given !== null) {
          looks[index] = { binding, result: { state: 'unseen', failure: given ?? late } };
          continue;
        }
        const result = await rangeQuery(server, binding.query, binding.signal, window, limit);
        looks[index] = { binding, result };
        if (result.state === 'seen') answered += 1;
        else if (result.failure.because === 'timeout') timeouts += 1;
        if (result.state !== 'unseen') continue;
        const { failure } = result;
        if (failure.reach === 'server' || (timeouts >= CONCURRENCY && answered === 0)) given ??= failure;
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, work));
    return looks;
  }

  const late: QueryFailure = {
    reach: 'query',
    because: 'timeout',
    words: `not asked, the queries before it took ${pollDeadlineMs} ms`,
    grant: null,
  };

  return {
    name,
    groups: [GROUP],
    poll: async (group, now, signal) => {
      if (group !== GROUP) throw new RunbookdError('HTTP_ANSWER', [name, `no poll group is named ${group}`]);
      return poll(now, signal);
    },
    history: (from, now, signal) => {
      const to = now - settleMs;
      const readable = bindings.filter((binding) => !isRefused(stateOf(binding), now));
      const known = (binding: PrometheusBinding): ReadonlySet<string> => stateOf(binding).known;
      return readHistory({ server, bindings: readable, stepMs, settleMs, known, from, to, log }, signal);
    },
    answers: () => false,
    answer: async ({ kind }) => ({
      state: 'unknown',
      kind,
      because: 'unsupported',
      detail: `${name} answers no questions`,
    }),
    snapshot: () => saveState(states),
    restore: (bytes) => {
      const saved = readState(bytes);
      const keys = new Set(bindings.map(keyOf));
      if (saved === null) log.warn({ source: name }, 'snapshot is not readable, starting without history');
      else states = new Map([...saved].filter(([key]) => keys.has(key)));
    },
    close: async () => undefined,
  };
}
