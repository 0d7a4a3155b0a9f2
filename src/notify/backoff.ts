import type { EpochMs } from '../model/glossary.ts';
import type { DeliveryOutcome, Notification, OutboxRow } from '../model/notification.ts';

/** Network and 5xx: 5 s, 10 s, 20 s, … PagerDuty asks for "a few minutes" at most, so the cap is five. */
export const FIRST_DELAY_MS = 5_000;
/** 429: PagerDuty's page on rate limits suggests retries 30 s apart. */
export const FIRST_THROTTLED_DELAY_MS = 30_000;
export const MAX_DELAY_MS = 300_000;
/** The cap for a new critical page while the receiver is down: it leaves within a minute of the recovery. */
export const MAX_CRITICAL_DELAY_MS = 60_000;
/** A receiver's own wish is kept up to this: a page must not wait for days because of one header. */
export const MAX_RETRY_AFTER_MS = 900_000;

export interface OutboxMark {
  readonly state: OutboxRow['state'];
  readonly attempts: number;
  readonly nextAt: EpochMs;
  readonly lastError: string | null;
  readonly minimal: boolean;
}

/**
 * What becomes of a row after an attempt. A retry never gives up: an outage may last a day and the page still goes out.
 * A refused payload is tried once more with the fields that cannot be wrong, then it is dead.
 */
export function afterAttempt(
  row: Pick<OutboxRow, 'attempts' | 'minimal' | 'notification'>,
  outcome: DeliveryOutcome,
  now: EpochMs,
): OutboxMark {
  const attempts = row.attempts + 1;
  switch (outcome.outcome) {
    case 'delivered':
      return { state: 'delivered', attempts, nextAt: now, lastError: null, minimal: row.minimal };
    case 'refused': {
      const state = row.minimal ? 'dead' : 'pending';
      return { state, attempts, nextAt: now, lastError: outcome.error, minimal: true };
    }
    case 'retry': {
      const nextAt = now + retryDelayMs(attempts, isCritical(row.notification), outcome.retryAfterMs);
      return { state: 'pending', attempts, nextAt, lastError: outcome.error, minimal: row.minimal };
    }
  }
}

/** `retryAfterMs` is present for a 429 only; `attempts` counts the one that just failed. */
function retryDelayMs(attempts: number, critical: boolean, retryAfterMs: number | undefined): number {
  const throttled = retryAfterMs !== undefined;
  const first = throttled ? FIRST_THROTTLED_DELAY_MS : FIRST_DELAY_MS;
  const cap = critical && !throttled ? MAX_CRITICAL_DELAY_MS : MAX_DELAY_MS;
  // 2 ** 20 is far beyond the cap and far below where doubling leaves the exact integers.
  const delay = Math.min(first * 2 ** Math.min(attempts - 1, 20), cap);
  const wished = Number.isFinite(retryAfterMs) ? Math.min(Math.max(retryAfterMs ?? 0, 0), MAX_RETRY_AFTER_MS) : 0;
  return Math.ceil(Math.max(delay, wished));
}

/** A page that must not wait behind others: a new one, not what follows on it. */
export function isCritical({ kind, severity }: Pick<Notification, 'kind' | 'severity'>): boolean {
  return kind === 'trigger' && severity === 'critical';
}
