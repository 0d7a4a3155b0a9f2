import type { PostgresWorld } from '../postgres.ts';
import type { PostgresServer } from '../server.ts';
import { endSessions, openSession, type Session } from '../sessions.ts';
import { waitUntil } from '../wait.ts';

/** What a diagnosis of the fault must say. */
export interface Expectation {
  readonly detector: string;
  readonly cause: string;
  readonly variant?: string;
}

export interface Fault {
  readonly name: string;
  /** What happens, in one line, for people. */
  readonly title: string;
  /** Absent where the fault is a change to be noticed and no finding. */
  readonly expect?: Expectation;
  readonly needsStandby?: boolean;
  /**
   * Makes the healthy state that the fault departs from (data, calls at a steady rate), for those who learn a baseline
   * before; `inject` does it itself otherwise. The cure ends it.
   */
  readonly prepare?: (world: PostgresWorld) => Promise<void>;
  /** Makes the bad state, and resolves once the server's own views show it. */
  readonly inject: (world: PostgresWorld) => Promise<ActiveFault>;
}

export interface ActiveFault {
  /** What a test may compare a finding with: `blockerPid`, `url`… */
  readonly facts: Readonly<Record<string, string | number>>;
  /** Undoes the fault, and resolves once nothing of it is left. A second call does nothing. */
  readonly cure: () => Promise<void>;
}

/**
 * Runs `inject` with a stack of what to undo, which becomes the cure: the last made goes first. What was made so far
 * is undone if `inject` fails half way. In a released world there is nothing left to cure.
 */
export async function injecting(
  world: PostgresWorld,
  inject: (undo: AsyncDisposableStack) => Promise<ActiveFault['facts']>,
): Promise<ActiveFault> {
  await using undo = new AsyncDisposableStack();
  const facts = await inject(undo);
  const kept = undo.move();
  return {
    facts,
    cure: async () => {
      if (!world.primary.closing.aborted) await kept.disposeAsync();
    },
  };
}

export interface Preparation<State> {
  readonly prepare: (world: PostgresWorld) => Promise<void>;
  /** What was prepared, or is prepared now; `undo` ends it. */
  readonly take: (world: PostgresWorld, undo: AsyncDisposableStack) => Promise<State>;
}

export function preparation<State>(
  make: (world: PostgresWorld, undo: AsyncDisposableStack) => Promise<State>,
): Preparation<State> {
  const made = new WeakMap<PostgresWorld, { readonly state: State; readonly undo: AsyncDisposableStack }>();
  const prepare = async (world: PostgresWorld): Promise<void> => {
    if (made.has(world)) return;
    await using undo = new AsyncDisposableStack();
    const state = await make(world, undo);
    made.set(world, { state, undo: undo.move() });
  };
  return {
    prepare,
    take: async (world, undo) => {
      await prepare(world);
      const { state, undo: prepared } = made.get(world)!;
      made.delete(world);
      undo.use(prepared);
      return state;
    },
  };
}

/** Opens sessions that end with the fault. */
export async function sessionsFor(
  undo: AsyncDisposableStack,
  server: PostgresServer,
  applicationName: string,
  count = 1,
): Promise<readonly Session[]> {
  const sessions: Session[] = [];
  undo.defer(() => endSessions(server, sessions));
  const opening = Array.from({ length: count }, async () => {
    sessions.push(await openSession(server, applicationName));
  });
  await Promise.all(opening);
  return sessions;
}

/** Waits until a query of one row with one boolean column `ok` says so. */
export function waitForRow(
  what: string,
  server: PostgresServer,
  sql: string,
  params: readonly unknown[] = [],
  timeoutMs = 20_000,
): Promise<boolean> {
  return waitUntil(what, async () => (await server.admin<{ ok: boolean }>(sql, params))[0]?.ok === true, {
    timeoutMs,
  });
}

/** Waits until `count` sessions wait, directly or not, behind the session `pid` (0: a prepared transaction). */
export function waitForBlocked(server: PostgresServer, pid: number, count: number): Promise<boolean> {
  return waitForRow(
    `${count} sessions to wait behind ${pid}`,
    server,
    `WITH RECURSIVE edge AS (
       SELECT a.pid, unnest(pg_blocking_pids(a.pid)) AS blocker FROM pg_stat_activity a WHERE a.wait_event_type = 'Lock'
     ), behind AS (
       SELECT e.pid FROM edge e WHERE e.blocker = $1
       UNION
       SELECT e.pid FROM edge e JOIN behind b ON e.blocker = b.pid
     )
     SELECT count(DISTINCT pid) >= $2 AS ok FROM behind`,
    [pid, count],
  );
}
