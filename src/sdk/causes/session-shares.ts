/** Connection slots by who holds them and what they do with them. */

import type { SessionsAnswer } from '../../model/index.ts';

export type Occupation = 'working' | 'idle' | 'idle-in-transaction';

export interface Occupant {
  readonly app: string;
  readonly count: number;
  readonly longestSeconds: number | null;
}

export interface SlotShares {
  /** Sessions in each occupation. Sessions that wait for a lock are not working. */
  readonly count: Readonly<Record<Occupation, number>>;
  /** The application with most sessions in each occupation. */
  readonly top: Readonly<Record<Occupation, Occupant | null>>;
}

export function slotShares(sessions: SessionsAnswer): SlotShares {
  const byApp: Record<Occupation, Map<string, Occupant>> = {
    working: new Map(),
    idle: new Map(),
    'idle-in-transaction': new Map(),
  };
  const count = { working: 0, idle: 0, 'idle-in-transaction': 0 };
  for (const group of sessions.groups) {
    const occupation = occupationOf(group.state);
    if (occupation === null) continue;
    const before = byApp[occupation].get(group.app);
    const longest = [before?.longestSeconds, group.longestInStateSeconds].filter((value) => typeof value === 'number');
    count[occupation] += group.count;
    byApp[occupation].set(group.app, {
      app: group.app,
      count: (before?.count ?? 0) + group.count,
      longestSeconds: longest.length === 0 ? null : Math.max(...longest),
    });
  }
  const waiting = sessions.history.at(-1)?.waitingForLock ?? 0;
  return {
    count: { ...count, working: Math.max(0, count.working - waiting) },
    top: {
      working: most(byApp.working),
      idle: most(byApp.idle),
      'idle-in-transaction': most(byApp['idle-in-transaction']),
    },
  };
}

function occupationOf(state: string): Occupation | null {
  if (state === 'active' || state === 'fastpath function call') return 'working';
  if (state.startsWith('idle in transaction')) return 'idle-in-transaction';
  return state === 'idle' ? 'idle' : null;
}

function most(occupants: ReadonlyMap<string, Occupant>): Occupant | null {
  return [...occupants.values()].reduce<Occupant | null>(
    (top, one) => (top === null || one.count > top.count || (one.count === top.count && one.app < top.app) ? one : top),
    null,
  );
}

export interface Growth {
  readonly from: number;
  readonly to: number;
  readonly seconds: number;
}

/** An application's sessions at both ends of the history; null with less than two points of it. */
export function growthOf(app: string, sessions: SessionsAnswer): Growth | null {
  // The history names the five largest only: one that is not among them had few.
  return growth(sessions, (point) => point.byApp[app] ?? 0);
}

/** All used slots at both ends of the history; null with less than two points of it. */
export function growthOfUse(sessions: SessionsAnswer): Growth | null {
  return growth(sessions, (point) => point.used);
}

function growth(sessions: SessionsAnswer, read: (point: SessionsAnswer['history'][number]) => number): Growth | null {
  const first = sessions.history[0];
  const last = sessions.history.at(-1);
  if (first === undefined || last === undefined || last.at === first.at) return null;
  return { from: read(first), to: read(last), seconds: (last.at - first.at) / 1000 };
}

export interface Jump {
  readonly from: number;
  readonly to: number;
  readonly at: number;
  readonly seconds: number;
}

/** The steepest rise of working sessions within two minutes; null without history. */
export function steepestRise(sessions: SessionsAnswer): Jump | null {
  const points = sessions.history.map((point) => ({
    at: point.at,
    working: Math.max(0, point.active - point.waitingForLock),
  }));
  let best: Jump | null = null;
  let start = 0;
  for (const [index, to] of points.entries()) {
    while (to.at - points[start]!.at > 120_000) start++;
    for (const from of points.slice(start, index)) {
      const rise = to.working - from.working;
      if (best !== null && rise <= best.to - best.from) continue;
      best = { from: from.working, to: to.working, at: to.at, seconds: Math.round((to.at - from.at) / 1000) };
    }
  }
  return best;
}

/** The age in seconds past which to end an application's idle sessions: below the longest, well above what is healthy. */
export function idleAge(longestSeconds: number | null, occupation: 'idle' | 'idle-in-transaction'): number | null {
  const steps = occupation === 'idle' ? [600, 60, 30] : [300, 60, 10];
  return steps.find((seconds) => longestSeconds !== null && longestSeconds >= seconds * 1.5) ?? null;
}
