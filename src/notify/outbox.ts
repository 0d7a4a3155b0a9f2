/**
 * The outbox owns delivery: at least once, in order within a key, whatever the receiver does.
 *
 * A row's states: pending → delivered, or pending → (refused) pending and minimal → dead. A row is marked only after the
 * receiver's answer, so a crash in between repeats the attempt; the receiver's dedup key absorbs that. A pump that is
 * stopped leaves the rows it was trying untouched, due at once for the next one.
 */

import type { Logger } from 'pino';
import { messageOf } from '../model/errors.ts';
import type { EpochMs } from '../model/glossary.ts';
import type { Channel, DeliveryOutcome, OutboxRow } from '../model/notification.ts';
import type { Store } from '../model/store.ts';
import { afterAttempt, isCritical } from './backoff.ts';
import { clipAtWord } from './clip.ts';
import { redact } from './redact.ts';
import { createTokenBucket, type TokenBucket } from './token-bucket.ts';

/** Keys delivered at the same time; the last lane and the last tokens of a burst are kept for new critical pages. */
const LANES = 4;
const ORDINARY_LANES = LANES - 1;
const CRITICAL_RESERVE = 2;

export type OutboxOutcome = 'delivered' | 'retry' | 'refused' | 'dead';

export interface OutboxOptions {
  readonly store: Pick<Store, 'outboxDue' | 'outboxMark'>;
  readonly channels: readonly Channel[];
  readonly log: Pick<Logger, 'info' | 'warn' | 'error'>;
  readonly now: () => EpochMs;
  /** Per channel, in any minute. PagerDuty takes about 120 a minute per key; half of it leaves room for others. */
  readonly ratePerMinute?: number;
  /** For one attempt, whatever the channel does. */
  readonly deadlineMs?: number;
  /** For counters: called once per attempt, after the row was marked. */
  readonly onOutcome?: (channel: string, outcome: OutboxOutcome) => void;
}

export interface Outbox {
  /**
   * Delivers all that is due and resolves with the number of attempts. A call while another runs joins it. Throws only
   * what the store throws.
   */
  pump(signal: AbortSignal): Promise<number>;
  /** Aborts what is under way and waits for it; a later pump does nothing. */
  stop(): Promise<void>;
}

export function createOutbox({
  store,
  channels,
  log,
  now,
  ratePerMinute = 60,
  deadlineMs = 10_000,
  onOutcome,
}: OutboxOptions): Outbox {
  const lanes = new Map<string, { readonly channel: Channel; readonly bucket: TokenBucket }>();
  for (const channel of channels) lanes.set(channel.name, { channel, bucket: createTokenBucket(ratePerMinute) });
  const stopper = new AbortController();
  const unknownChannels = new Set<string>();
  /** The last error logged of each channel: a repeated one is only counted. */
  const failing = new Map<string, string>();
  let running: Promise<number> | null = null;

  async function run(signal: AbortSignal): Promise<number> {
    const inFlight = new Map<string, { readonly critical: boolean; readonly done: Promise<void> }>();
    let attempts = 0;
    let storeFailure: { readonly error: unknown } | null = null;
    while (!signal.aborted && storeFailure === null) {
      const picked = inFlight.size < LANES ? await pick(inFlight) : null;
      if (picked === null) {
        if (inFlight.size === 0) break;
        await Promise.race(Array.from(inFlight.values(), ({ done }) => done));
        continue;
      }
      attempts += 1;
      const lane = laneOf(picked.row);
      const done = attempt(picked.row, picked.channel, signal)
        .catch((error: unknown) => {
          storeFailure ??= { error };
        })
        .finally(() => inFlight.delete(lane));
      inFlight.set(lane, { critical: isCritical(picked.row.notification), done });
    }
    await Promise.all(Array.from(inFlight.values(), ({ done }) => done));
    if (storeFailure !== null) throw (storeFailure as { readonly error: unknown }).error;
    return attempts;
  }

  /** Asked anew for each free lane: a critical page that comes while others are tried goes next. */
  async function pick(
    inFlight: ReadonlyMap<string, { readonly critical: boolean }>,
  ): Promise<{ readonly row: OutboxRow; readonly channel: Channel } | null> {
    const ordinary = Array.from(inFlight.values()).filter(({ critical }) => !critical).length;
    const at = now();
    // Rows in flight are still due: twice the lanes always shows those that are not.
    for (const row of await store.outboxDue(at, LANES * 2)) {
      if (inFlight.has(laneOf(row))) continue;
      const lane = lanes.get(row.channel);
      if (lane === undefined) {
        reportUnknown(row.channel);
        continue;
      }
      const critical = isCritical(row.notification);
      if (!critical && ordinary >= ORDINARY_LANES) continue;
      const reserve = critical ? 0 : Math.min(CRITICAL_RESERVE, lane.bucket.burst - 1);
      if (lane.bucket.take(at, reserve)) return { row, channel: lane.channel };
    }
    return null;
  }

  async function attempt(row: OutboxRow, channel: Channel, signal: AbortSignal): Promise<void> {
    const outcome = await deliver(row, channel, signal);
    if (outcome === null) return;
    const mark = afterAttempt(row, outcome, now());
    await store.outboxMark(row.seq, mark);
    report(row, outcome, mark.state === 'dead');
    onOutcome?.(channel.name, mark.state === 'dead' ? 'dead' : outcome.outcome);
  }

  /** Null when the pump was stopped before an answer. */
  async function deliver(row: OutboxRow, channel: Channel, signal: AbortSignal): Promise<DeliveryOutcome | null> {
    const attemptOver = new AbortController();
    const { promise: over, resolve } = Promise.withResolvers<DeliveryOutcome | null>();
    const timer = setTimeout(() => {
      resolve({ outcome: 'retry', error: `no answer within ${deadlineMs} ms` });
      attemptOver.abort();
    }, deadlineMs);
    const onStop = (): void => {
      resolve(null);
      attemptOver.abort();
    };
    signal.addEventListener('abort', onStop);
    if (signal.aborted) onStop();
    try {
      const outcome = await Promise.race([over, channel.deliver(row.notification, row.minimal, attemptOver.signal)]);
      if (outcome === null || outcome.outcome === 'delivered') return outcome;
      return { ...outcome, error: clipAtWord(redact(outcome.error), 500) };
    } catch (error) {
      // A channel must not throw; one that does must not stop the others.
      return { outcome: 'retry', error: clipAtWord(redact(`channel failed: ${messageOf(error)}`), 500) };
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onStop);
    }
  }

  function report(row: OutboxRow, outcome: DeliveryOutcome, dead: boolean): void {
    const { channel, notification } = row;
    const fields = { channel, notification: notification.id, kind: notification.kind, incident: notification.incident };
    if (outcome.outcome === 'delivered') {
      if (failing.delete(channel)) log.info({ channel }, 'notifications are delivered again');
      return;
    }
    if (dead) {
      log.error({ ...fields, error: outcome.error }, 'notification given up: refused in full and in minimal form');
    } else if (failing.get(channel) !== outcome.error) {
      log.warn({ ...fields, outcome: outcome.outcome, error: outcome.error }, 'notification not delivered');
    }
    failing.set(channel, outcome.error);
  }

  function reportUnknown(channel: string): void {
    if (unknownChannels.has(channel)) return;
    unknownChannels.add(channel);
    log.warn({ channel }, 'notifications wait for a channel that is not configured');
  }

  return {
    pump: (signal) => {
      if (stopper.signal.aborted) return Promise.resolve(0);
      running ??= run(AbortSignal.any([signal, stopper.signal])).finally(() => {
        running = null;
      });
      return running;
    },
    stop: async () => {
      stopper.abort();
      // Whoever pumps gets the store's failure; stopping only waits.
      await running?.catch(() => undefined);
    },
  };
}

const laneOf = (row: OutboxRow): string => JSON.stringify([row.channel, row.notification.key]);
