/** The last hour of what has no history of its own, in memory: oldest first, bounded in time and in number. */

import type { EpochMs } from '../../model/glossary.ts';
import type { SessionCounts } from '../../model/postgres.ts';
import type { Window } from '../../model/question.ts';

export const RING_MS = 60 * 60_000;
/** An hour at one poll in four seconds; quicker polls keep less. */
const MAX_POINTS = 900;

/** Counters of pg_stat_database over all databases, with what tells whether two readings can be compared. */
export interface Counters {
  /** The server's clock, in seconds: differences do not feel our own clock's steps. */
  readonly serverSeconds: number;
  /** Server epoch, and its newest `stats_reset`. */
  readonly epoch: number;
  readonly resetAt: string | null;
  readonly commits: number;
  readonly rollbacks: number;
  readonly deadlocks: number;
  readonly tempBytes: number;
  readonly tempFiles: number;
  /** Sessions established since the reset (14+). */
  readonly sessions: number | null;
}

export interface ActivityPoint {
  readonly at: EpochMs;
  readonly counts: SessionCounts;
  readonly usable: number;
  readonly blocked: number;
  readonly root: number | null;
  readonly longestWaitSeconds: number;
  readonly counters: Counters;
}

/** Points at or after the new one's time are dropped: our clock was set back. */
export function pushPoint(ring: readonly ActivityPoint[], point: ActivityPoint): readonly ActivityPoint[] {
  const kept = ring.filter(({ at }) => at < point.at && at >= point.at - RING_MS);
  return [...kept, point].slice(-MAX_POINTS);
}

export function inWindow(ring: readonly ActivityPoint[], window: Window): readonly ActivityPoint[] {
  return ring.filter(({ at }) => at >= window.from && at <= window.to);
}

export interface Rates {
  readonly seconds: number;
  readonly transactionsPerSecond: number;
  readonly rollbackShare: number;
  readonly deadlocks: number;
  readonly tempBytesPerSecond: number;
  readonly tempFilesPerSecond: number;
  readonly sessionsPerSecond: number | null;
}

/**
 * What happened between two readings; null when they cannot be compared: another epoch, a reset, a counter that fell
 * (a database was dropped), or no time between them. The share of rollbacks among no transactions at all is 0.
 */
export function ratesBetween(from: Counters, to: Counters): Rates | null {
  const seconds = to.serverSeconds - from.serverSeconds;
  if (from.epoch !== to.epoch || from.resetAt !== to.resetAt || !(seconds > 0)) return null;
  const commits = to.commits - from.commits;
  const rollbacks = to.rollbacks - from.rollbacks;
  const deadlocks = to.deadlocks - from.deadlocks;
  const tempBytes = to.tempBytes - from.tempBytes;
  const tempFiles = to.tempFiles - from.tempFiles;
  const sessions = from.sessions === null || to.sessions === null ? null : to.sessions - from.sessions;
  if (Math.min(commits, rollbacks, deadlocks, tempBytes, tempFiles, sessions ?? 0) < 0) return null;
  const transactions = commits + rollbacks;
  return {
    seconds,
    transactionsPerSecond: transactions / seconds,
    rollbackShare: transactions === 0 ? 0 : rollbacks / transactions,
    deadlocks,
    tempBytesPerSecond: tempBytes / seconds,
    tempFilesPerSecond: tempFiles / seconds,
    sessionsPerSecond: sessions === null ? null : sessions / seconds,
  };
}

/** Rates over the longest run of comparable readings that ends with the last one; null when there are not two. */
export function ratesOver(readings: readonly Counters[]): Rates | null {
  const last = readings.at(-1);
  if (last === undefined) return null;
  for (const first of readings.slice(0, -1)) {
    const rates = ratesBetween(first, last);
    if (rates !== null) return rates;
  }
  return null;
}

/** Points out of a snapshot; whatever is not one is left out. */
export function restorePoints(state: unknown): readonly ActivityPoint[] {
  if (!Array.isArray(state)) return [];
  const figure = (value: unknown): boolean => typeof value === 'number' && Number.isFinite(value);
  const record = (value: unknown): value is Readonly<Record<string, unknown>> =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  const figures = (value: unknown, names: readonly string[]): value is Readonly<Record<string, unknown>> =>
    record(value) && names.every((name) => figure(value[name]));
  const orNull = (value: unknown, type: 'number' | 'string'): boolean => value === null || typeof value === type;
  const isPoint = (value: unknown): value is ActivityPoint =>
    figures(value, ['at', 'usable', 'blocked', 'longestWaitSeconds']) &&
    orNull(value['root'], 'number') &&
    figures(value['counts'], ['at', 'used', 'active', 'idle', 'idleInTransaction', 'waitingForLock']) &&
    record(value['counts']['byApp']) &&
    Object.values(value['counts']['byApp']).every(figure) &&
    figures(value['counters'], [
      'serverSeconds',
      'epoch',
      'commits',
      'rollbacks',
      'deadlocks',
      'tempBytes',
      'tempFiles',
    ]) &&
    orNull(value['counters']['resetAt'], 'string') &&
    orNull(value['counters']['sessions'], 'number');
  return state.filter(isPoint).slice(-MAX_POINTS);
}
