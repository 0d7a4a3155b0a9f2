/**
 * Reading of a log group within a budget of pages, events and time. FilterLogEvents gives pages of up to 1 MB, oldest
 * first; a page may be empty and yet not the last. When a budget ends the reading, the answer says up to when it got.
 */

import type { FilterLogEventsCommandOutput } from '@aws-sdk/client-cloudwatch-logs';
import type { EpochMs } from '../../../model/glossary.ts';
import type { Aws } from '../calls.ts';
import type { LogEvent } from './digest.ts';

export interface Budget {
  readonly pages: number;
  readonly events: number;
  /** No further page is asked for after it. */
  readonly enough: AbortSignal;
  /** Ends even the call that is under way. */
  readonly signal: AbortSignal;
}

export interface Span {
  readonly group: string;
  readonly filter: string;
  /** Both included. */
  readonly from: EpochMs;
  readonly to: EpochMs;
}

export interface ReadResult {
  readonly pages: number;
  readonly events: number;
  /** All events from the span's start to this time were read; null when not even that is known. */
  readonly readTo: EpochMs | null;
  readonly complete: boolean;
  /** What ended the reading early; null when that was its end or its budget. */
  readonly error: unknown;
}

/** Lines between two breaths of the event loop. */
const CHUNK = 250;

/**
 * Rejects as `Aws.call` does when not even the first page could be had; later failures end the reading.
 *
 * @param take is given the events as they come, oldest first
 */
export async function readEvents(
  aws: Aws,
  span: Span,
  budget: Budget,
  take: (event: LogEvent) => void,
): Promise<ReadResult> {
  let pages = 0;
  let events = 0;
  let readTo: EpochMs | null = null;
  let nextToken: string | undefined;
  const ended = (complete: boolean, error: unknown = null): ReadResult => ({
    ...{ pages, events, readTo: complete ? span.to : readTo, complete },
    // Our own deadline is the budget.
    error: budget.signal.aborted ? null : error,
  });
  do {
    let page: FilterLogEventsCommandOutput;
    try {
      page = await aws.call(
        'logs:FilterLogEvents',
        {
          logGroupName: span.group,
          startTime: span.from,
          endTime: span.to,
          filterPattern: span.filter,
          limit: Math.min(10_000, budget.events - events),
          ...(nextToken === undefined ? {} : { nextToken }),
        },
        budget.signal,
      );
    } catch (error) {
      if (pages === 0) throw error;
      return ended(false, error);
    }
    pages += 1;
    for (const [at, event] of (page.events ?? []).entries()) {
      const { timestamp, message, logStreamName } = event;
      if (timestamp === undefined || message === undefined || timestamp < span.from || timestamp > span.to) continue;
      events += 1;
      readTo = Math.max(readTo ?? timestamp, timestamp);
      take({ at: timestamp, message, stream: logStreamName ?? '' });
      if (at % CHUNK === CHUNK - 1) {
        await new Promise((resolve) => setImmediate(resolve));
        if (budget.signal.aborted) return ended(false);
      }
      if (events >= budget.events) return ended(page.nextToken === undefined && at === (page.events?.length ?? 0) - 1);
    }
    // A token that repeats itself would be read for ever.
    if (page.nextToken === undefined || page.nextToken === nextToken) return ended(page.nextToken === undefined);
    nextToken = page.nextToken;
  } while (pages < budget.pages && !budget.enough.aborted && !budget.signal.aborted);
  return ended(false);
}
