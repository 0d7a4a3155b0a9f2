/**
 * Answers about sessions, locks, activity and the way to the server: each asks the server anew, with a deadline, and
 * adds the history of the ring. What cannot be had is unknown, with the reason.
 */

import { RunbookdError } from '../../model/errors.ts';
import type { EpochMs } from '../../model/glossary.ts';
import type { Answer, Question, QuestionKind, QuestionTypes } from '../../model/question.ts';
import type { ActivityState, Looks, SqlOf } from './activity-state.ts';
import type { Answers, Row } from './collector.ts';
import { unknownAnswer } from './failure.ts';
import { normalizeSql } from './normalize.ts';
import { checkReachability } from './reachability.ts';
import { inWindow, ratesOver } from './ring.ts';
import { numberOf, textOf } from './row-values.ts';
import type { ManagedServer } from './server.ts';
import { countsSql, holdersSql, parseGroups, parseHolders } from './sessions.ts';
import { printable } from './text.ts';

const QUESTION_MS = 5_000;

/** Where the figures come from, so that people can have them again. */
const SOURCES: Partial<Readonly<Record<QuestionKind, string>>> = {
  'postgres.server': 'pg_settings, pg_postmaster_start_time(), pg_control_checkpoint()',
  'postgres.sessions': 'pg_stat_activity',
  'postgres.lock_tree': 'pg_locks, pg_blocking_pids(), pg_stat_activity',
  'postgres.activity': 'pg_stat_activity, pg_stat_database',
  'postgres.backend': 'pg_stat_activity',
  'postgres.reachability': 'a connection attempt, step by step',
};

/** What lets the role see the sessions of others. */
export function monitorGrant(server: ManagedServer): string {
  return `GRANT pg_monitor TO ${server.role() ?? 'the role'};`;
}

export function activityAnswers(server: ManagedServer, looks: Looks, state: Readonly<ActivityState>): Answers {
  const { target } = server;

  const answering =
    <K extends QuestionKind>(
      kind: K,
      find: (
        question: Question<K>,
        now: EpochMs,
        signal: AbortSignal,
      ) => Promise<QuestionTypes[K]['value'] & { readonly at?: EpochMs }>,
    ) =>
    async (question: Question<K>, now: EpochMs, outer: AbortSignal): Promise<Answer<K>> => {
      try {
        const value = await find(question, now, AbortSignal.any([outer, AbortSignal.timeout(QUESTION_MS)]));
        const source = `${target}: ${SOURCES[kind] ?? kind}`;
        return { state: 'answered', kind, value, at: value.at ?? now, source } as Answer<K>;
      } catch (error) {
        const unknown = unknownAnswer(kind, error);
        return (unknown.because === 'denied' ? { ...unknown, grant: monitorGrant(server) } : unknown) as Answer<K>;
      }
    };

  return {
    'postgres.server': answering('postgres.server', async (_question, now, signal) => {
      await looks.counts(now, signal);
      const facts = server.facts();
      if (facts === null) throw new RunbookdError('POSTGRES_QUERY', [target, 'server', 'no facts']);
      return facts;
    }),

    'postgres.sessions': answering('postgres.sessions', async ({ window }, now, signal) => {
      const { look, row } = await looks.counts(now, signal, holdersSql);
      const facts = server.facts();
      const [usable, max] = [facts?.usableConnections ?? 0, facts?.maxConnections ?? 0];
      const points = inWindow(state.ring, window);
      return {
        at: now,
        used: look.used,
        usable,
        max,
        reserved: max - usable,
        groups: parseGroups(row),
        holders: await parseHolders(row, normalizeSql),
        history: points.map(({ counts }) => counts),
        newSessionsPerSecond: ratesOver([...points, look].map(({ counters }) => counters))?.sessionsPerSecond ?? null,
        hidden: look.hidden,
      };
    }),

    'postgres.lock_tree': answering('postgres.lock_tree', async ({ window }, now, signal) => {
      const fresh = await looks.locks(now, signal);
      const points = inWindow(state.ring, window).filter(({ at }) => at < now);
      const present = { at: now, blocked: fresh.tree.blockedSessions, root: fresh.tree.roots[0]?.pid ?? null };
      const { lastTree } = state;
      // It may be over by now: then what was last seen of it, if that lies in the window, says more than nothing.
      const earlier = lastTree !== null && lastTree.at >= window.from && lastTree.at <= window.to ? lastTree : fresh;
      const shown = present.blocked === 0 ? earlier : fresh;
      const { ddlQueueWaiters: _, ...tree } = shown.tree;
      const history = [...points.map(({ at, blocked, root }) => ({ at, blocked, root })), present];
      return { ...tree, at: shown.at, blockedSince: shown.since, history };
    }),

    'postgres.activity': answering('postgres.activity', async ({ window }, now, signal) => {
      const { look, row } = await looks.counts(now, signal, activitySql);
      const points = inWindow(state.ring, window);
      const rates = ratesOver([...points, look].map(({ counters }) => counters));
      const before = state.ring.filter(({ at }) => at < window.from);
      return {
        at: now,
        activeSessions: look.active,
        waits: waitsOf(row),
        activeBefore: median(before.map(({ counts }) => counts.active)),
        tempBytesPerSecond: rates?.tempBytesPerSecond ?? null,
        tempFilesPerSecond: rates?.tempFilesPerSecond ?? null,
        deadlocks: rates?.deadlocks ?? null,
        transactionsPerSecond: rates?.transactionsPerSecond ?? null,
        rollbackShare: rates?.rollbackShare ?? null,
        autovacuumWorkers: numberOf(row, 'autovacuum_workers') ?? 0,
      };
    }),

    'postgres.backend': answering('postgres.backend', async ({ params }, now, signal) => {
      const { pid, backendStart } = params;
      if (!Number.isSafeInteger(pid)) return { at: now, alive: false, state: null };
      const columns = 'backend_start::text AS backend_start, state';
      const sql = `SELECT ${columns} FROM pg_catalog.pg_stat_activity WHERE pid = ${pid}`;
      const row = await looks.ask('backend', () => sql, now, signal);
      if (row['backend_start'] === null) {
        throw new RunbookdError('POSTGRES_DENIED', [target, 'backend', `pid ${pid} is hidden from our role`]);
      }
      // No row: undefined, and nobody of that pid is there.
      const alive = textOf(row, 'backend_start') === backendStart;
      return { at: now, alive, state: alive ? textOf(row, 'state') : null };
    }),

    'postgres.reachability': answering('postgres.reachability', async (_question, now, signal) => {
      const release = await server.connection.reserve(signal);
      try {
        const reached = await checkReachability(server.endpoint, signal);
        const { lastFailure, lastGoodAt } = state;
        const failing = reached.reason === 'ok' && lastFailure !== null && lastFailure.at > (lastGoodAt ?? 0);
        const message = failing ? `${reached.message}; the last poll failed: ${lastFailure.message}` : reached.message;
        const last = state.ring.at(-1);
        return {
          ...reached,
          at: now,
          message: printable(message, 400),
          lastGoodAt,
          lastUsed: last?.counts.used ?? null,
          lastUsable: last?.usable ?? null,
        };
      } finally {
        release();
      }
    }),
  };
}

/** Active client sessions by wait class (`CPU`: none, it computes), and autovacuum workers, ride along. */
const activitySql: SqlOf = (capabilities, ours, facts) =>
  countsSql(capabilities, ours, facts, [
    `(SELECT pg_catalog.json_object_agg(w.class, w.count) FROM (
       SELECT coalesce(wait_event_type, 'CPU') AS class, count(*) AS count FROM session
       WHERE client AND NOT ours AND state IN ('active', 'fastpath function call') GROUP BY 1) w) AS waits`,
    "(SELECT count(*) FROM session WHERE backend_type = 'autovacuum worker') AS autovacuum_workers",
  ]);

function waitsOf(row: Row): Readonly<Record<string, number>> {
  const waits = row['waits'];
  if (typeof waits !== 'object' || waits === null) return {};
  return Object.fromEntries(Object.entries(waits).filter(([, count]) => typeof count === 'number'));
}

function median(values: readonly number[]): number | null {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle];
  if (upper === undefined) return null;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2;
}
