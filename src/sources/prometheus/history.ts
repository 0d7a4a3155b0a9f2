/**
 * What Prometheus still holds, for baselines of the first day: a binding at a time, in portions that fit into one answer.
 * Samples are 300 s apart, each as of one period of the poll, which `periodMs` names.
 */

import type { Logger } from 'pino';
import { RunbookdError } from '../../model/errors.ts';
import type { EpochMs } from '../../model/glossary.ts';
import type { Series } from '../../model/series.ts';
import { chooseSeries, impossibleIn, type PrometheusBinding, seriesOf } from './binding.ts';
import type { RangeWindow } from './matrix.ts';
import { rangeQuery } from './range-query.ts';
import type { Server } from './server.ts';

const STEP_MS = 300_000;
/**
 * Prometheus refuses more than 11,000 points a series ("exceeded maximum resolution"). With 50 series of some 30 bytes a
 * sample this is about 1.5 MB, and leaves room for queries that give many more series than are kept.
 */
const MAX_POINTS = 1_000;
/** Fewer are not worth another try: the query itself is too much. */
const MIN_POINTS = 50;

export interface HistoryInput {
  readonly server: Server;
  readonly bindings: readonly PrometheusBinding[];
  /** Of the polls. */
  readonly stepMs: number;
  readonly settleMs: number;
  /** Keys of the series that polls keep. */
  readonly known: (binding: PrometheusBinding) => ReadonlySet<string>;
  readonly from: EpochMs;
  readonly to: EpochMs;
  readonly log: Logger;
}

/**
 * Throws HTTP_ANSWER when the server as a whole cannot be read. A single query that fails is left out from there on and
 * logged: the polls tell of it.
 */
export async function* readHistory(input: HistoryInput, signal: AbortSignal): AsyncGenerator<readonly Series[]> {
  const { bindings, stepMs } = input;
  const coarse = Math.ceil(STEP_MS / stepMs) * stepMs;
  const from = Math.ceil(input.from / coarse) * coarse;
  const to = Math.floor(input.to / coarse) * coarse;
  for (const binding of bindings) {
    if (from <= to) yield* historyOf(input, binding, { from, to, stepMs: coarse }, signal);
  }
}

async function* historyOf(
  { server, stepMs, settleMs, known, log }: HistoryInput,
  binding: PrometheusBinding,
  whole: RangeWindow,
  signal: AbortSignal,
): AsyncGenerator<readonly Series[]> {
  let points = MAX_POINTS;
  let keys = known(binding);
  for (let from = whole.from; from <= whole.to; ) {
    const to = Math.min(whole.to, from + (points - 1) * whole.stepMs);
    const result = await rangeQuery(server, binding.query, binding.signal, { ...whole, from, to }, signal);
    if (signal.aborted) throw new RunbookdError('ABORTED', [`history of ${server.name}`], signal.reason);
    if (result.state === 'unseen') {
      const { reach, words } = result.failure;
      if (reach === 'server') throw new RunbookdError('HTTP_ANSWER', [server.name, `${server.host}: ${words}`]);
      if (reach === 'much' && points > MIN_POINTS) {
        points = Math.ceil(points / 4);
        continue;
      }
      log.warn({ source: server.name, target: binding.target, signal: binding.signal, words }, 'no history');
      return;
    }
    const { answer } = result;
    // A part of a sum is a wrong figure; the next portion may be whole again.
    if (answer.partial.length === 0) {
      const { kept } = chooseSeries(answer.series, keys);
      if (kept.length > 0) keys = new Set(kept.map(({ key }) => key));
      const series = seriesOf(binding, kept, { periodMs: stepMs, delayMs: settleMs });
      // As at a poll; what comes before and after it may be right.
      if (series.length > 0 && impossibleIn(series) === null) yield series;
    }
    from = to + whole.stepMs;
  }
}
