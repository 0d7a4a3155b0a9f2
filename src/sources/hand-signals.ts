/**
 * Signals that no source gives by itself: what only the application, or a query of the user's own, knows. A target's
 * `signals` (or `queries`) binds them. Counts are per period of the series.
 */

import type { SignalInfo } from '../model/source.ts';

const hand = (signal: string, unit: SignalInfo['unit'], description: string): SignalInfo => ({
  signal,
  unit,
  group: 'hand',
  description,
});

export const HAND_SIGNALS: readonly SignalInfo[] = [
  // A service that answers GraphQL.
  hand('graphql_requests', 'count', 'GraphQL operations that were answered (label operation)'),
  hand(
    'graphql_errors',
    'count',
    'those whose answer holds an error, by the first one (labels operation, error_type: extensions.code)',
  ),
  hand('graphql_latency_p95', 's', '95th percentile of the time of an operation (label operation)'),
  hand(
    'graphql_queries_per_operation',
    'count',
    'database queries that one operation sends, mean of the period (label operation)',
  ),
  // A database with an outbox, by a query.
  hand('outbox_pending', 'count', 'rows of the outbox that wait'),
  hand('outbox_oldest_seconds', 's', 'age of the oldest row that waits; 0 when none does'),
  hand('outbox_added', 'count', 'rows added to the outbox'),
  hand('outbox_processed', 'count', 'rows of the outbox that were worked off'),
  // A service that takes webhooks and payments.
  hand(
    'webhook_events',
    'count',
    'webhooks that came (labels source: stripe; result: ok, signature_failed, handler_failed)',
  ),
  hand('payment_attempts', 'count', 'payments that were tried, failed ones among them'),
  hand(
    'payment_errors',
    'count',
    'payments that failed, by what the vendor answered (labels type, code, decline_code; empty where there is none)',
  ),
  // A service that holds WebSocket connections.
  hand('ws_connections', 'count', 'WebSocket connections that are open'),
  hand('ws_new_connections', 'count', 'WebSocket connections that were tried, failed ones among them'),
  hand('ws_errors', 'count', 'those that failed (label reason: auth, limit, server…, or the status or close code)'),
  hand(
    'ws_disconnects',
    'count',
    'WebSocket connections that ended (label reason: idle_timeout, auth, limit, server, client…, or the close code)',
  ),
  hand('ws_lifetime_p50', 's', 'how long the WebSocket connections that ended had lived, median'),
];
