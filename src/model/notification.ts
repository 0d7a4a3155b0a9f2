/** Notifications: what leaves the process, kept in the outbox until delivered. */

import type { EpochMs, Severity } from './glossary.ts';

export type NotificationKind = 'trigger' | 'update' | 'resolve' | 'change';

/** A line block of a page: `WHAT`, `SINCE`, `LIKELY`… in reading order, most needed first. */
export interface PageSection {
  readonly heading: string;
  readonly lines: readonly string[];
  /** Evidence value: when the payload is too large, the lowest goes first. */
  readonly value: number;
}

/** A channel-neutral notification. Channels cut it to their limits. */
export interface Notification {
  readonly id: string;
  readonly kind: NotificationKind;
  /** `runbookd:<name>:<incident>[:severity]`, or the change's id; the FIFO key and PagerDuty's dedup key. */
  readonly key: string;
  readonly incident: string | null;
  readonly at: EpochMs;
  readonly severity: Severity;
  readonly summary: string;
  /** Of what: the target's name; PagerDuty's `source` and `component`. */
  readonly target: string;
  readonly detector: string | null;
  readonly cause: string | null;
  readonly reason: string;
  readonly sections: readonly PageSection[];
  readonly links: readonly { readonly href: string; readonly text: string }[];
}

export type OutboxState = 'pending' | 'delivered' | 'dead';

export interface OutboxRow {
  readonly seq: number;
  readonly channel: string;
  readonly notification: Notification;
  readonly state: OutboxState;
  readonly attempts: number;
  readonly nextAt: EpochMs;
  readonly lastError: string | null;
  /** True once the full payload was refused and only the minimal one is sent. */
  readonly minimal: boolean;
}

export type DeliveryOutcome =
  | { readonly outcome: 'delivered' }
  /** Try again later: 429, 5xx, network, deadline. */
  | { readonly outcome: 'retry'; readonly error: string; readonly retryAfterMs?: number }
  /** The receiver refuses this payload: 400 and other 4xx. */
  | { readonly outcome: 'refused'; readonly error: string };

/** A way out (PagerDuty, Slack…). Must honour the signal and never throw for what the receiver does. */
export interface Channel {
  readonly name: string;
  deliver(notification: Notification, minimal: boolean, signal: AbortSignal): Promise<DeliveryOutcome>;
}
