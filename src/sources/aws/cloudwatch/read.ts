/**
 * One batch read through all its pages. A metric's result is complete only when CloudWatch says so on its last page:
 * anything else is a metric that was not seen, whatever points came with it.
 */

import type { GetMetricDataCommandOutput, MetricDataResult } from '@aws-sdk/client-cloudwatch';
import { RunbookdError } from '../../../model/errors.ts';
import type { EpochMs } from '../../../model/glossary.ts';
import { impossible } from '../../plausible.ts';
import type { Aws } from '../calls.ts';
import { AwsCause, accountLabel, redactAws } from '../errors.ts';
import { type AwsFailure, failureOf } from '../failure.ts';
import { type Batch, batchInput } from './plan.ts';
import type { MetricSeries } from './query.ts';

/** Points of one metric, oldest first, unscaled. */
export interface Points {
  readonly times: readonly EpochMs[];
  readonly values: readonly number[];
}

export type Outcome =
  | { readonly state: 'complete'; readonly points: Points }
  | {
      readonly state: 'unseen';
      readonly failure: AwsFailure;
      readonly error: unknown;
      /** CloudWatch does not take this very query: a statistic that there is none of, a malformed name. */
      readonly invalid: boolean;
    };

export interface BatchResult {
  /** By metric id; every id of the batch is there. */
  readonly outcomes: ReadonlyMap<string, Outcome>;
  /** What ended the reading early; null when all pages were read. */
  readonly error: unknown;
  /** Time of the newest point of all, asked for or not; −∞ when there was none. */
  readonly newestAt: EpochMs;
}

/** 100,800 points are one page; what needs more than these is cut off rather than read for ever. */
const MAX_PAGES = 20;
/** One query among 500 is found with 18; when all are refused, something else is wrong. */
const MAX_HALVING_CALLS = 40;

const NEVER = Number.NEGATIVE_INFINITY;
const AHEAD_MS = 24 * 60 * 60_000;

interface Growing {
  readonly times: EpochMs[];
  readonly values: number[];
  status: string;
  message: string;
  /** What makes it no answer of CloudWatch; null for nothing. */
  wrong: string | null;
}

/**
 * Never rejects: what failed is in `error` and in the outcomes. One query that is not valid fails the whole call, so that
 * a call refused for that is halved until the query is found; the others are read.
 */
export function readBatch(aws: Aws, batch: Batch, signal: AbortSignal): Promise<BatchResult> {
  return readOrHalve(aws, batch, signal, { calls: MAX_HALVING_CALLS });
}

async function readOrHalve(aws: Aws, batch: Batch, signal: AbortSignal, left: { calls: number }): Promise<BatchResult> {
  const result = await readPages(aws, batch, signal);
  if (!isInvalid(result.error)) return result;
  left.calls -= 2;
  if (left.calls < 0 && batch.series.length > 1) return result;
  const [only] = batch.series;
  if (batch.series.length === 1 && only !== undefined) {
    const { error } = result;
    const outcome: Outcome = { state: 'unseen', failure: failureOf(error), error, invalid: true };
    return { outcomes: new Map([[only.id, outcome]]), error: null, newestAt: result.newestAt };
  }
  const middle = Math.ceil(batch.series.length / 2);
  const halves = [batch.series.slice(0, middle), batch.series.slice(middle)];
  const [one, other] = await Promise.all(halves.map((series) => readOrHalve(aws, { ...batch, series }, signal, left)));
  return {
    outcomes: new Map([...(one?.outcomes ?? []), ...(other?.outcomes ?? [])]),
    error: one?.error ?? other?.error ?? null,
    newestAt: Math.max(one?.newestAt ?? NEVER, other?.newestAt ?? NEVER),
  };
}

function isInvalid(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : null;
  return cause instanceof AwsCause && /^(Validation|InvalidParameter|MissingRequiredParameter)/.test(cause.kind);
}

async function readPages(aws: Aws, batch: Batch, signal: AbortSignal): Promise<BatchResult> {
  const found = new Map<string, Growing>();
  let token: string | null = null;
  let error: unknown = null;
  let pages = 0;
  try {
    do {
      const page: GetMetricDataCommandOutput = await aws.call(
        'cloudwatch:GetMetricData',
        batchInput(batch, token),
        signal,
      );
      for (const result of page.MetricDataResults ?? []) take(found, result);
      token = page.NextToken ?? null;
      pages += 1;
    } while (token !== null && pages < MAX_PAGES);
  } catch (thrown) {
    error = thrown;
  }
  const outcomes = new Map<string, Outcome>();
  let newestAt = NEVER;
  for (const series of batch.series) {
    const { id } = series;
    const one = found.get(id);
    const wrong = one === undefined ? null : (one.wrong ?? wrongIn(one, series, batch));
    if (wrong !== null) {
      const why = new RunbookdError('AWS_FAILED', [accountLabel(aws.account), 'cloudwatch:GetMetricData', wrong]);
      outcomes.set(id, { state: 'unseen', failure: failureOf(why), error: why, invalid: false });
    } else if (one?.status === 'Complete') {
      // While pages are missing a metric of an earlier page may have more points on a later one, unless it said complete.
      newestAt = one.times.reduce((newest, at) => Math.max(newest, at), newestAt);
      outcomes.set(id, { state: 'complete', points: inOrder(one, batch) });
    } else {
      const why = error ?? statusError(aws, one);
      outcomes.set(id, { state: 'unseen', failure: failureOf(why), error: why, invalid: false });
    }
  }
  return { outcomes, error, newestAt };
}

function take(found: Map<string, Growing>, result: MetricDataResult): void {
  const { Id: id, Timestamps, Values, StatusCode, Messages } = result;
  if (id === undefined) return;
  const one = found.get(id) ?? { times: [], values: [], status: '', message: '', wrong: null };
  found.set(id, one);
  const [times, values]: readonly unknown[] = [Timestamps ?? [], Values ?? []];
  // A value that is left out would be a hole, and holes may mean zero.
  if (!Array.isArray(times) || !Array.isArray(values) || times.length !== values.length) {
    one.wrong = 'a metric has not as many values as times';
    return;
  }
  for (const [index, at] of (times as readonly unknown[]).entries()) {
    const value: unknown = values[index];
    if (!(at instanceof Date) || !Number.isFinite(at.getTime()) || !Number.isFinite(value)) {
      one.wrong = 'a metric has a time or a value that is none';
      return;
    }
    one.times.push(at.getTime());
    one.values.push(value as number);
  }
  // Complete, PartialData, InternalError, Forbidden: it is shown.
  one.status = /^[A-Za-z]{1,40}$/.test(StatusCode ?? '') ? String(StatusCode) : '';
  const messages: unknown = Messages ?? [];
  one.message = Array.isArray(messages)
    ? messages.map((each) => `${each?.Code ?? ''} ${each?.Value ?? ''}`.trim()).join('; ')
    : '';
}

/** What cannot be: times that were not asked for, values that such a metric never has. Null for nothing. */
function wrongIn({ times, values }: Growing, { query }: MetricSeries, { span, periodMs }: Batch): string | null {
  const { signal, unit, scale, metric, atLeast } = query;
  for (const [index, at] of times.entries()) {
    // What lies shortly after the end is of a clock that is behind, which is told elsewhere; it is left out.
    const asked = at >= span.from - periodMs && at < span.to + AHEAD_MS && (at - span.from) % periodMs === 0;
    if (!asked) return `${metric} has a value at a time that was not asked for`;
    const value = values[index]!;
    const unknown = atLeast !== null && value < atLeast;
    const why = unknown ? null : impossible(signal, unit, value * scale);
    if (why !== null) return `${metric} gives ${signal} of ${why}`;
  }
  return null;
}

/** Oldest first and each time once, within what was asked for: pages and endpoints may have another order. */
function inOrder({ times, values }: Growing, { span }: Batch): Points {
  const sorted = times.every((at, i) => i === 0 || times[i - 1]! < at)
    ? times.map((_, i) => i)
    : times.map((_, i) => i).sort((a, b) => times[a]! - times[b]!);
  const kept = sorted.filter((index, i) => {
    const at = times[index]!;
    return at >= span.from && at < span.to && at !== times[sorted[i + 1]!];
  });
  return { times: kept.map((i) => times[i]!), values: kept.map((i) => values[i]!) };
}

/** Of a metric that an answer does not give, though the call went through. */
function statusError(aws: Aws, one: Growing | undefined): RunbookdError {
  const label = accountLabel(aws.account);
  const action = 'cloudwatch:GetMetricData';
  const status = one?.status ?? '';
  const words = redactAws(one?.message ?? '');
  const said = status === '' ? 'does not mention a metric' : `says ${status} of a metric`;
  const cause = new AwsCause(action, status, null, words);
  const why = `${said}${words === '' ? '' : ` (${words})`}`;
  if (status === 'Forbidden') return new RunbookdError('AWS_DENIED', [label, `${action} (${why})`], cause);
  return new RunbookdError('AWS_FAILED', [label, action, `CloudWatch ${why}`], cause);
}
