/**
 * One batch read through all its pages. A metric's result is complete only when CloudWatch says so on its last page:
 * anything else is a metric that was not seen, whatever points came with it.
 */

import type { GetMetricDataCommandOutput, MetricDataResult } from '@aws-sdk/client-cloudwatch';
import type { EpochMs } from '../../../model/glossary.ts';
import type { Aws } from '../calls.ts';
import { AwsCause, accountLabel, redactAws } from '../errors.ts';
import { type AwsFailure, failureOf } from '../failure.ts';
import { type Batch, batchInput } from './plan.ts';

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

interface Growing {
  readonly times: EpochMs[];
  readonly values: number[];
  status: string;
  message: string;
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
    const outcome: Outcome = { state: 'unseen', failure: failureOf(result.error), invalid: true };
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
  for (const { id } of batch.series) {
    const one = found.get(id);
    // While pages are missing a metric of an earlier page may have more points on a later one, unless it said complete.
    if (one?.status === 'Complete') {
      newestAt = one.times.reduce((newest, at) => Math.max(newest, at), newestAt);
      outcomes.set(id, { state: 'complete', points: inOrder(one, batch) });
    } else {
      const failure = error === null ? statusFailure(aws, one) : failureOf(error);
      outcomes.set(id, { state: 'unseen', failure, invalid: false });
    }
  }
  return { outcomes, error, newestAt };
}

function take(found: Map<string, Growing>, result: MetricDataResult): void {
  const { Id: id, Timestamps: times = [], Values: values = [] } = result;
  if (id === undefined) return;
  const one = found.get(id) ?? { times: [], values: [], status: '', message: '' };
  times.forEach((at, i) => {
    const value = values[i];
    if (value === undefined || !Number.isFinite(value)) return;
    one.times.push(at.getTime());
    one.values.push(value);
  });
  one.status = result.StatusCode ?? '';
  one.message = result.Messages?.map(({ Code, Value }) => `${Code ?? ''} ${Value ?? ''}`.trim()).join('; ') ?? '';
  found.set(id, one);
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

function statusFailure(aws: Aws, one: Growing | undefined): AwsFailure {
  const label = accountLabel(aws.account);
  const status = one?.status ?? '';
  const words = redactAws(one?.message ?? '');
  const said = status === '' ? 'does not mention a metric' : `says ${status} of a metric`;
  const detail = `${label}: GetMetricData ${said}${words === '' ? '' : ` (${words})`}`;
  if (status === 'Forbidden') return { because: 'denied', detail, grant: 'iam: allow cloudwatch:GetMetricData' };
  return { because: 'error', detail, grant: null };
}
