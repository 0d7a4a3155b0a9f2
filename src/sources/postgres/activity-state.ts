/** What the activity collector keeps between polls, and the looks at the server that polls and questions share. */

import { RunbookdError } from '../../model/errors.ts';
import type { EpochMs } from '../../model/glossary.ts';
import type { LockTreeAnswer } from '../../model/postgres.ts';
import type { Capabilities, Row } from './collector.ts';
import { lockTreeSql, parseLockLook } from './lock-rows.ts';
import { blockedSince, buildLockTree, type LockTree } from './locks.ts';
import { commandTag, normalizeSql } from './normalize.ts';
import { type ActivityPoint, restorePoints } from './ring.ts';
import { numberOf } from './row-values.ts';
import type { ManagedServer } from './server.ts';
import { APPS, countsSql, type Look, parseLook, shownQuery } from './sessions.ts';

/** The server's own limit for each check; ours is a second more. */
const CHECK_MS = 2_000;

export interface SeenTree {
  readonly at: EpochMs;
  readonly tree: LockTree;
  readonly since: LockTreeAnswer['blockedSince'];
}

export interface ActivityState {
  /** Oldest first. */
  ring: readonly ActivityPoint[];
  /** The last tree with anybody in it, of the last hour. */
  lastTree: SeenTree | null;
  /** Applications that have a series. */
  apps: readonly string[];
  lastGoodAt: EpochMs | null;
  lastFailure: { readonly at: EpochMs; readonly message: string } | null;
}

export function emptyState(): ActivityState {
  return { ring: [], lastTree: null, apps: [], lastGoodAt: null, lastFailure: null };
}

/** `ours`: process ids of our own sessions. */
export type SqlOf = (capabilities: Capabilities, ours: readonly number[], factColumns: string) => string;

export interface Looks {
  /** One check in one round trip, after a probe if the server may be another one; throws as the server does. */
  ask(check: string, sql: SqlOf, now: EpochMs, signal: AbortSignal): Promise<Row>;
  /** A check whose row carries the counts; other columns may ride along. */
  counts(now: EpochMs, signal: AbortSignal, sql?: SqlOf): Promise<{ readonly look: Look; readonly row: Row }>;
  locks(now: EpochMs, signal: AbortSignal): Promise<SeenTree>;
}

export function createLooks(server: ManagedServer, state: ActivityState): Looks {
  /** Whether sessions were hidden at the last look; null before the first. */
  let anyHidden: boolean | null = null;
  const ask: Looks['ask'] = async (check, sql, now, signal) => {
    await server.prepare(now, signal);
    const capabilities = server.capabilities();
    if (capabilities === null) throw new RunbookdError('POSTGRES_QUERY', [server.target, check, 'no capabilities']);
    const text = sql(capabilities, server.connection.backends(), server.factColumns());
    return (await server.query(check, text, { timeoutMs: CHECK_MS, signal }))[0] ?? {};
  };
  return {
    ask,
    async counts(now, signal, sql = countsSql) {
      const look = async (): Promise<{ readonly look: Look; readonly row: Row }> => {
        const row = await ask('sessions', sql, now, signal);
        server.note(row, now);
        return { look: parseLook(row, server.epoch()), row };
      };
      const seen = await look();
      const turned = anyHidden !== null && anyHidden !== seen.look.hidden > 0;
      anyHidden = seen.look.hidden > 0;
      if (!turned) return seen;
      // A grant was given or taken away, which needs no new session. What is hidden must not be read as none: who waits
      // for a lock is then counted in another view, so look again.
      server.forget();
      return anyHidden && server.capabilities()?.canReadAllStats === true ? look() : seen;
    },
    async locks(now, signal) {
      const rows = parseLockLook(await ask('locks', lockTreeSql, now, signal));
      const texts = new Map<string, string | null>();
      for (const { query } of rows.sessions.values()) {
        if (query !== null && !texts.has(query)) texts.set(query, await shownQuery(query, normalizeSql));
      }
      const tree = buildLockTree(rows, {
        query: (raw) => (raw === null ? null : (texts.get(raw) ?? null)),
        command: (raw) => (raw === null ? null : commandTag(raw)),
      });
      const present = { at: now, blocked: tree.blockedSessions, longestWaitSeconds: tree.longestWaitSeconds };
      const transaction = tree.roots[0]?.inTransactionSeconds ?? tree.prepared[0]?.preparedSeconds ?? null;
      return { at: now, tree, since: blockedSince(state.ring, present, transaction) };
    },
  };
}

export function packState({ ring, lastTree, apps, lastGoodAt }: ActivityState): unknown {
  return { ring, lastTree, apps, lastGoodAt };
}

/** Ignores what it does not understand. */
export function unpackState(saved: unknown): ActivityState {
  const record = (typeof saved === 'object' && saved !== null ? saved : {}) as Readonly<Record<string, unknown>>;
  const apps = record['apps'];
  return {
    ring: restorePoints(record['ring']),
    lastTree: restoreTree(record['lastTree']),
    apps: Array.isArray(apps) ? apps.filter((app) => typeof app === 'string').slice(0, APPS) : [],
    lastGoodAt: numberOf(record, 'lastGoodAt'),
    lastFailure: null,
  };
}

/** Only the shape that a question needs is checked: the snapshot is our own, perhaps of another version. */
function restoreTree(state: unknown): SeenTree | null {
  const { at, tree, since } = (state ?? {}) as Partial<SeenTree>;
  const whole =
    typeof at === 'number' &&
    typeof tree === 'object' &&
    [tree?.roots, tree?.waiters, tree?.prepared].every(Array.isArray) &&
    [tree?.blockedSessions, tree?.clientSessions, tree?.longestWaitSeconds].every((value) => typeof value === 'number');
  return whole ? ({ at, tree, since: since ?? null } as SeenTree) : null;
}
