/**
 * One poll. First everything at the base period; then percentiles, at periods that hold enough requests, as the first part
 * shows. A metric is asked again when a period of it has settled since it was last read completely: a poll in between
 * costs nothing, and what failed is tried again at each.
 */

import type { EpochMs } from '../../../model/glossary.ts';
import type { Series } from '../../../model/series.ts';
import type { Blindness } from '../../../model/source.ts';
import type { Aws } from '../calls.ts';
import { eachOf } from '../concurrent.ts';
import { assemble, assembleSilence, completePoints } from './assemble.ts';
import { blindness } from './gaps.ts';
import { choosePeriod, takenPeriod } from './period-choice.ts';
import { planBatches, type Wanted } from './plan.ts';
import { type CloudWatchTarget, type MetricSeries, relatedSeries, type SignalQuery } from './query.ts';
import { type BatchResult, type Outcome, readBatch } from './read.ts';
import { type PollState, UNKNOWN_METRIC } from './state.ts';
import { REREAD_MS, type Span, settledEnd, spanOf } from './windows.ts';
import { besideOf } from './witness.ts';

export interface PollInput {
  readonly aws: Aws;
  /** All concrete metrics. */
  readonly series: readonly MetricSeries[];
  readonly targets: readonly CloudWatchTarget[];
  /** Whether ListMetrics has answered for the wildcards of a query. */
  readonly lookedUp: (target: CloudWatchTarget, query: SignalQuery) => boolean;
  readonly state: PollState;
  readonly periodMs: number;
  readonly settleMs: number;
  /** How old the newest sample may be when all is well, beyond its periods. */
  readonly delayMs: number;
  readonly now: EpochMs;
}

export interface PollOutput {
  readonly series: readonly Series[];
  /** The whole present blindness. */
  readonly blind: readonly Blindness[];
  /** Set when calls were made and nothing at all could be read. */
  readonly error: unknown;
  /** Number of metrics that were asked for. */
  readonly asked: number;
}

const BATCHES_AT_ONCE = 2;
/** From this share of what is reserved on, it matters which task has it. */
const HOT = 0.8;
/** A query that CloudWatch refused as such is not asked again before that: finding it costs calls. */
const ASK_AGAIN_MS = 60 * 60_000;

export function seriesKey({ target, query, labels }: MetricSeries): string {
  return JSON.stringify([target, query.signal, Object.entries(labels).sort()]);
}

export async function pollOnce(input: PollInput, signal: AbortSignal): Promise<PollOutput> {
  const { series, state, periodMs, settleMs, now } = input;
  const byTarget = Map.groupBy(series, (one) => one.target);
  const ofTarget = (one: MetricSeries): readonly MetricSeries[] => byTarget.get(one.target) ?? [];
  const samplesOf = (one: MetricSeries): readonly MetricSeries[] =>
    one.query.samples === null ? [] : relatedSeries(one.query.samples, one.labels, ofTarget(one));
  const asked = series.filter(({ id }) => !isRefused(state.metrics.get(id)?.invalidAt ?? null, now));
  const sampled = asked.filter((one) => samplesOf(one).length > 0);
  const isSampled = new Set(sampled);
  const direct = asked.filter((one) => !isSampled.has(one));

  const end = settledEnd(now, periodMs, settleMs);
  const watermarks = proofWatermarks(direct, ofTarget, state);
  const firstWanted = direct.flatMap((one): Wanted[] => {
    const own = watermarkOf(one, state);
    if (own !== null && own >= end && own <= now) return [];
    return [{ series: one, periodMs, span: spanOf(end, periodMs, watermarks.get(one.id) ?? own) }];
  });
  // What proves zeros has to be read wherever something asks for its proof.
  const proofs = direct.flatMap((one): Wanted[] => {
    const oldest = watermarks.get(one.id);
    const own = watermarkOf(one, state);
    if (oldest === undefined || own === null || own < end || oldest >= end) return [];
    return [{ series: one, periodMs, span: spanOf(end, periodMs, oldest) }];
  });
  const first = await readAll(input, [...firstWanted, ...proofs], signal);

  const secondWanted = sampled.flatMap((one): Wanted[] => {
    const key = seriesKey(one);
    const perPeriod = recentRate(samplesOf(one), first.outcomes, { from: end - REREAD_MS, to: end }, periodMs);
    const multiple = choosePeriod(perPeriod, state.multiples.get(key) ?? null);
    state.multiples.set(key, multiple);
    const period = takenPeriod(periodMs * multiple);
    const to = settledEnd(now, period, settleMs);
    const own = watermarkOf(one, state);
    if (own !== null && own >= to && own <= now) return [];
    return [{ series: one, periodMs: period, span: spanOf(to, period, own) }];
  });
  const second = await readAll(input, secondWanted, signal);

  const outcomes = new Map([...first.outcomes, ...second.outcomes]);
  const periods = new Map([...firstWanted, ...proofs, ...secondWanted].map((one) => [one.series.id, one]));
  const periodOf = (one: MetricSeries): number => periods.get(one.id)?.periodMs ?? periodMs;
  // Before the watermarks move: they tell whether requests were read without a gap.
  const requestsOf = new Map(
    firstWanted.filter((one) => one.series.query.signal === 'requests').map((one) => [one.series.target, one]),
  );
  const silent = [...byTarget].flatMap(([target, list]) => {
    const requests = requestsOf.get(target);
    if (requests === undefined) return [];
    const { span } = requests;
    const knownEnd = knownRequestsEnd(state, requests.series, span);
    const steps = { stepMs: periodMs, periodMs, delayMs: input.delayMs };
    const seenEnd = ({ id }: MetricSeries): EpochMs | null => state.metrics.get(id)?.seenEnd ?? null;
    const beside = besideOf({ series: list, outcomes, stepMs: periodOf, seenEnd });
    const result = assembleSilence({ target, series: list, outcomes, span, ...steps, knownEnd, beside });
    if (result === null) return [];
    if (result.newestEnd !== null) state.requestsEnd.set(target, result.newestEnd);
    return result.series === null ? [] : [result.series];
  });
  for (const [id, { periodMs: period, span }] of periods) settle(state, id, outcomes.get(id), span, period, now);

  const given = [...byTarget.values()].flatMap((list) =>
    assemble({
      series: list,
      outcomes,
      periodMs: periodOf,
      stepMs: periodOf,
      span: (one) => periods.get(one.id)?.span,
      delayMs: input.delayMs,
      sumScale: 1,
    }),
  );
  const results = [...first.results, ...second.results];
  if (results.length > 0) state.aheadMs = Math.max(0, ...results.map((result) => result.newestAt - now));
  for (const [target, list] of byTarget) {
    const hot = isHot(list, outcomes);
    if (hot === true) state.hot.add(target);
    if (hot === false) state.hot.delete(target);
  }
  return {
    series: [...given, ...silent],
    blind: blindness(input, byTarget),
    error: [...outcomes.values()].some((outcome) => outcome.state === 'complete') ? null : errorOf(input, results),
    asked: periods.size,
  };
}

/** Of a look that gave nothing: what ended a call, or what CloudWatch says of every metric there is. */
function errorOf({ series, state }: PollInput, results: readonly BatchResult[]): unknown {
  const failed = results.find((result) => result.error !== null);
  if (failed !== undefined) return failed.error;
  const refused = results.flatMap(({ outcomes }) => [...outcomes.values()]).find((one) => one.state === 'unseen');
  // Metrics that are asked once more between two periods may all be missing while the others are well.
  const all = series.every(({ id }) => (state.metrics.get(id) ?? UNKNOWN_METRIC).failure !== null);
  return refused !== undefined && all ? refused.error : null;
}

async function readAll(
  { aws }: PollInput,
  wanted: readonly Wanted[],
  signal: AbortSignal,
): Promise<{ readonly outcomes: ReadonlyMap<string, Outcome>; readonly results: readonly BatchResult[] }> {
  const results: BatchResult[] = [];
  // An answer is megabytes while it is taken apart: more at once would be faster and cost memory that is never given back.
  await eachOf(planBatches(wanted), BATCHES_AT_ONCE, async (batch) => {
    results.push(await readBatch(aws, batch, signal));
  });
  return { outcomes: new Map(results.flatMap((result) => [...result.outcomes])), results };
}

function isRefused(invalidAt: EpochMs | null, now: EpochMs): boolean {
  return invalidAt !== null && now >= invalidAt && now - invalidAt < ASK_AGAIN_MS;
}

function watermarkOf(one: MetricSeries, { metrics }: PollState): EpochMs | null {
  return metrics.get(one.id)?.watermark ?? null;
}

/** How far back each proof of zeros has to be read: as far as the furthest behind of what needs it. */
function proofWatermarks(
  direct: readonly MetricSeries[],
  ofTarget: (one: MetricSeries) => readonly MetricSeries[],
  state: PollState,
): ReadonlyMap<string, EpochMs> {
  const oldest = new Map<string, EpochMs>();
  for (const one of direct) {
    if (one.query.zeroWhere === null) continue;
    const own = watermarkOf(one, state) ?? 0;
    for (const proof of relatedSeries(one.query.zeroWhere, one.labels, ofTarget(one))) {
      const proved = watermarkOf(proof, state) ?? 0;
      oldest.set(proof.id, Math.min(oldest.get(proof.id) ?? Number.POSITIVE_INFINITY, own, proved));
    }
  }
  return oldest;
}

/** Mean number of samples in a period; null when they were not seen now, or there were none to tell a rate by. */
function recentRate(
  samples: readonly MetricSeries[],
  outcomes: ReadonlyMap<string, Outcome>,
  span: Span,
  periodMs: number,
): number | null {
  let sum = 0;
  for (const one of samples) {
    const points = completePoints(one, outcomes);
    if (points === null) return null;
    points.times.forEach((at, i) => {
      if (at >= span.from && at < span.to) sum += points.values[i]! * one.query.scale;
    });
  }
  return sum === 0 ? null : sum / ((span.to - span.from) / periodMs);
}

/** After a pause that was longer than what is read again, nobody knows: silence is measured from where reading begins. */
function knownRequestsEnd(state: PollState, requests: MetricSeries, span: Span): EpochMs | null {
  const known = state.requestsEnd.get(requests.target) ?? null;
  const watermark = watermarkOf(requests, state);
  const gap = watermark === null || watermark < span.from;
  return known !== null && gap ? Math.max(known, span.from) : known;
}

function settle(
  state: PollState,
  id: string,
  outcome: Outcome | undefined,
  span: Span,
  periodMs: number,
  now: EpochMs,
): void {
  if (outcome === undefined) return;
  const before = state.metrics.get(id) ?? UNKNOWN_METRIC;
  if (outcome.state === 'unseen') {
    state.metrics.set(id, { ...before, failure: outcome.failure, invalidAt: outcome.invalid ? now : null });
    return;
  }
  const newest = outcome.points.times.at(-1);
  // What was known of a time after the span is of a clock that was set back.
  const known = before.seenEnd === null ? null : Math.min(before.seenEnd, span.to);
  const seenEnd = newest === undefined ? known : Math.max(known ?? 0, newest + periodMs);
  state.metrics.set(id, { watermark: span.to, seenEnd, failure: null, invalidAt: null });
}

/** Whether a service was short of CPU or memory in what was just read; null when that was not seen. */
function isHot(list: readonly MetricSeries[], outcomes: ReadonlyMap<string, Outcome>): boolean | null {
  const points = list
    .filter(({ query }) => query.signal === 'cpu_max' || query.signal === 'memory_max')
    .map((one) => ({ one, read: completePoints(one, outcomes) }));
  if (points.length === 0 || points.every(({ read }) => read === null)) return null;
  return points.some(({ one, read }) => read?.values.some((value) => value * one.query.scale >= HOT) === true);
}
