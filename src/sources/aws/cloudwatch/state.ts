/** What one poll leaves to the next, and a snapshot of it. */

import type { EpochMs } from '../../../model/glossary.ts';
import type { AwsFailure } from '../failure.ts';
import { MULTIPLES, type Multiple } from './period-choice.ts';

export interface MetricState {
  /** End of what was read completely. */
  readonly watermark: EpochMs | null;
  /** End of the newest period that had a value. */
  readonly seenEnd: EpochMs | null;
  /** Why the last look did not see it. Not kept over a restart. */
  readonly failure: AwsFailure | null;
  /** When CloudWatch refused the very query; null when it did not. Not kept over a restart. */
  readonly invalidAt: EpochMs | null;
}

export interface PollState {
  /** By metric id. */
  readonly metrics: Map<string, MetricState>;
  /** By target: end of the newest period with a request. */
  readonly requestsEnd: Map<string, EpochMs>;
  /** By `seriesKey`. */
  readonly multiples: Map<string, Multiple>;
  /** Targets that were short of CPU or memory when that was last seen. Not kept over a restart. */
  readonly hot: Set<string>;
  /** How far the newest value of the last reading lay in the future. Not kept over a restart. */
  aheadMs: number;
}

export const UNKNOWN_METRIC: MetricState = { watermark: null, seenEnd: null, failure: null, invalidAt: null };

export function createState(): PollState {
  return { metrics: new Map(), requestsEnd: new Map(), multiples: new Map(), hot: new Set(), aheadMs: 0 };
}

/** Tasks and endpoints come and go: what is not asked any more is not remembered. */
export function forgetOthers(state: PollState, ids: ReadonlySet<string>, keys: ReadonlySet<string>): void {
  for (const id of state.metrics.keys()) if (!ids.has(id)) state.metrics.delete(id);
  for (const key of state.multiples.keys()) if (!keys.has(key)) state.multiples.delete(key);
}

const VERSION = 1;

/** @param place account and region: elsewhere, what was seen here says nothing */
export function saveState(state: PollState, place: string): Uint8Array {
  const metrics = Object.fromEntries([...state.metrics].map(([id, one]) => [id, [one.watermark, one.seenEnd]]));
  const requestsEnd = Object.fromEntries(state.requestsEnd);
  const multiples = Object.fromEntries(state.multiples);
  return new TextEncoder().encode(JSON.stringify({ version: VERSION, place, metrics, requestsEnd, multiples }));
}

/** Null when it is not a state of ours and of that place; single entries that are not readable are left out. */
export function readState(bytes: Uint8Array, place: string): PollState | null {
  const record = (value: unknown): value is Readonly<Record<string, unknown>> =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  const time = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value) && value >= 0;
  let saved: unknown;
  try {
    saved = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return null;
  }
  if (!record(saved) || saved['version'] !== VERSION) return null;
  // Before it was noted there was one place.
  if ((saved['place'] ?? place) !== place) return null;
  const { metrics, requestsEnd, multiples } = saved;
  if (!record(metrics) || !record(requestsEnd) || !record(multiples)) return null;
  const state = createState();
  for (const [id, pair] of Object.entries(metrics)) {
    if (!Array.isArray(pair)) continue;
    const [watermark, seenEnd] = pair as readonly unknown[];
    state.metrics.set(id, {
      watermark: time(watermark) ? watermark : null,
      seenEnd: time(seenEnd) ? seenEnd : null,
      failure: null,
      invalidAt: null,
    });
  }
  for (const [target, end] of Object.entries(requestsEnd)) if (time(end)) state.requestsEnd.set(target, end);
  for (const [key, multiple] of Object.entries(multiples)) {
    const known = MULTIPLES.find((one) => one === multiple);
    if (known !== undefined) state.multiples.set(key, known);
  }
  return state;
}
