/**
 * Activity: connections, sessions, lock waits and throughput of one server.
 *
 * A poll is one round trip, two while somebody waits for a lock, one more after a reconnect. A failed connect is a
 * sample (`reachable` 0) and no error.
 */

import { messageOf } from '../../model/errors.ts';
import { plural } from '../../model/format.ts';
import type { EpochMs } from '../../model/glossary.ts';
import type { Labels, Series } from '../../model/series.ts';
import type { Blindness, PollResult } from '../../model/source.ts';
import { activityAnswers, monitorGrant } from './activity-answers.ts';
import { ACTIVITY_GROUP, ACTIVITY_UNITS } from './activity-signals.ts';
import { createLooks, emptyState, packState, type SeenTree, unpackState } from './activity-state.ts';
import type { Collector } from './collector.ts';
import { becauseOf, isUnreachable } from './failure.ts';
import { pushPoint, RING_MS, ratesBetween } from './ring.ts';
import { point } from './row-values.ts';
import type { ManagedServer } from './server.ts';
import { APPS, countsOf, type Look } from './sessions.ts';

export interface ActivityCollector extends Collector {
  /** The poll of a server that is not even asked. */
  skipped(now: EpochMs, why: Blindness): PollResult;
}

export function createActivityCollector(
  server: ManagedServer,
  options: { readonly periodMs: number },
): ActivityCollector {
  const { target } = server;
  const state = emptyState();
  const looks = createLooks(server, state);

  const series = (signal: string, at: EpochMs, value: number, labels: Labels = {}): Series =>
    point(
      { target, signal, unit: ACTIVITY_UNITS.get(signal) ?? 'count', periodMs: options.periodMs, labels },
      at,
      value,
    );

  const hiddenSessions = (look: Look): readonly Blindness[] => {
    const check = 'sessions';
    const hidden: Blindness = {
      target,
      check,
      because: 'denied',
      detail: `states, waits and queries of ${plural(look.hidden, 'session')} are hidden from role ${server.role()}`,
      grant: monitorGrant(server),
    };
    const untracked: Blindness = {
      target,
      check,
      because: 'not_configured',
      detail: 'track_activities is off, so no session shows its state',
      grant: 'ALTER SYSTEM SET track_activities = on; SELECT pg_reload_conf();',
    };
    const denied = server.capabilities()?.canReadAllStats === false && look.hidden > 0;
    return [...(denied ? [hidden] : []), ...(look.tracked ? [] : [untracked])];
  };

  const appSeries = (look: Look, now: EpochMs): readonly Series[] => {
    // An application whose sessions are all gone has none, which is a figure; it keeps its series while there is room.
    const gone = state.apps.filter((app) => !look.apps.has(app)).slice(0, Math.max(0, APPS - look.apps.size));
    state.apps = [...look.apps.keys(), ...gone];
    return state.apps.map((app) => series('connections_by_app', now, look.apps.get(app) ?? 0, { app }));
  };

  const rateSeries = (look: Look, now: EpochMs): readonly Series[] => {
    const before = state.ring.at(-1);
    const rates = before === undefined ? null : ratesBetween(before.counters, look.counters);
    if (rates === null) return [];
    return [
      series('transactions_per_second', now, rates.transactionsPerSecond),
      series('rollback_ratio', now, rates.rollbackShare),
      series('deadlocks_per_second', now, rates.deadlocks / rates.seconds),
      series('temp_bytes_per_second', now, rates.tempBytesPerSecond),
      series('temp_files_per_second', now, rates.tempFilesPerSecond),
    ];
  };

  const failed = (now: EpochMs, error: unknown): PollResult => {
    const down = isUnreachable(error);
    const detail = messageOf(error);
    if (down) state.lastFailure = { at: now, message: detail };
    // The server answers but refuses the check: look anew at what it has before the next one.
    else server.forget();
    const because = becauseOf(error);
    const grant = because === 'denied' ? monitorGrant(server) : null;
    const blind: Blindness = { target, check: down ? 'connect' : 'sessions', because, detail, grant };
    return { series: [series('reachable', now, down ? 0 : 1)], changes: [], blind: [blind] };
  };

  /** Null with the reason when the tree could not be read; the counts stand all the same. */
  const lookAtLocks = async (now: EpochMs, signal: AbortSignal, blind: Blindness[]): Promise<SeenTree | null> => {
    try {
      return await looks.locks(now, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      blind.push({ target, check: 'locks', because: becauseOf(error), detail: messageOf(error), grant: null });
      return null;
    }
  };

  const poll = async (now: EpochMs, signal: AbortSignal): Promise<PollResult> => {
    let look: Look;
    try {
      ({ look } = await looks.counts(now, signal));
    } catch (error) {
      if (signal.aborted) throw error;
      return failed(now, error);
    }
    state.lastGoodAt = now;
    const blind = [...hiddenSessions(look)];
    const statesKnown = blind.length === 0;
    const seen = look.waiting > 0 ? await lookAtLocks(now, signal, blind) : null;
    const tree = seen?.tree;
    const usable = server.facts()?.usableConnections ?? 0;
    const slots = [
      series('connections_usable', now, usable),
      series('connections_used_ratio', now, look.used / usable),
    ];
    const states = [
      series('connections_active', now, look.active),
      series('connections_idle', now, look.idle),
      series('connections_idle_in_transaction', now, look.idleInTransaction),
      series('longest_idle_in_transaction_seconds', now, look.longestIdleInTransactionSeconds),
      series('active_sessions', now, Math.max(0, look.active - look.waiting)),
    ];
    const waits = [
      series('longest_lock_wait_seconds', now, tree?.longestWaitSeconds ?? 0),
      series('ddl_queue_waiters', now, tree?.ddlQueueWaiters ?? 0),
    ];
    const all: readonly Series[] = [
      series('reachable', now, 1),
      series('connections_used', now, look.used),
      ...(usable > 0 ? slots : []),
      series('client_sessions', now, look.clients),
      series('blocked_sessions', now, look.waiting),
      // What is hidden or could not be read is not zero.
      ...(look.waiting === 0 || tree !== undefined ? waits : []),
      ...(statesKnown ? states : []),
      ...appSeries(look, now),
      ...rateSeries(look, now),
    ];
    if (seen !== null && seen.tree.blockedSessions > 0) state.lastTree = seen;
    if (state.lastTree !== null && state.lastTree.at < now - RING_MS) state.lastTree = null;
    state.ring = pushPoint(state.ring, {
      at: now,
      counts: countsOf(look, now),
      usable,
      blocked: look.waiting,
      root: tree?.roots[0]?.pid ?? null,
      longestWaitSeconds: tree?.longestWaitSeconds ?? 0,
      counters: look.counters,
    });
    return { series: all, changes: [], blind };
  };

  return {
    group: ACTIVITY_GROUP,
    poll,
    answers: activityAnswers(server, looks, state),
    skipped: (now, why) => ({ series: [series('reachable', now, 0)], changes: [], blind: [why] }),
    snapshot: () => packState(state),
    restore: (saved) => {
      Object.assign(state, unpackState(saved));
    },
  };
}
