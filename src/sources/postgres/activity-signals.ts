/** What the activity group gives, by name. */

import type { Unit } from '../../model/glossary.ts';
import type { SignalInfo } from '../../model/source.ts';
import { APPS } from './sessions.ts';

export const ACTIVITY_GROUP = 'activity';

const info = (signal: string, unit: Unit, description: string): SignalInfo => ({
  signal,
  unit,
  group: ACTIVITY_GROUP,
  description,
});

export const ACTIVITY_SIGNALS: readonly SignalInfo[] = [
  info('reachable', 'bool', '1 when the poll had a session and an answer, else 0; always there'),
  info('connections_used', 'count', 'client sessions, ours included: slots taken'),
  info('connections_usable', 'count', 'slots for ordinary roles: max_connections less every reserved kind'),
  info('connections_used_ratio', 'ratio', 'connections_used / connections_usable'),
  info('connections_active', 'count', 'client sessions running a statement'),
  info('connections_idle', 'count', 'client sessions idle outside a transaction'),
  info('connections_idle_in_transaction', 'count', 'client sessions idle in a transaction, aborted ones included'),
  info('longest_idle_in_transaction_seconds', 's', 'longest that a client session has been idle in its transaction'),
  info('connections_by_app', 'count', `client sessions by application_name, the ${APPS} most numerous; by app`),
  info('client_sessions', 'count', 'client sessions, ours not included'),
  info('blocked_sessions', 'count', 'client sessions waiting for a lock'),
  info('longest_lock_wait_seconds', 's', 'longest present wait for a lock; 0 when nobody waits'),
  info('ddl_queue_waiters', 'count', 'client sessions behind an AccessExclusiveLock that itself waits'),
  info('active_sessions', 'count', 'client sessions at work: active, and not waiting for a lock'),
  info('transactions_per_second', 'per_second', 'commits and rollbacks of all databases'),
  info('rollback_ratio', 'ratio', 'rollbacks / transactions'),
  info('deadlocks_per_second', 'per_second', 'deadlocks of all databases'),
  info('temp_bytes_per_second', 'bytes_per_second', 'bytes written to temporary files by queries'),
  info('temp_files_per_second', 'per_second', 'temporary files made by queries'),
];
export const ACTIVITY_UNITS: ReadonlyMap<string, Unit> = new Map(
  ACTIVITY_SIGNALS.map(({ signal, unit }) => [signal, unit]),
);
