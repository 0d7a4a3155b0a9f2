/** What is kept of one series: its baseline, its recent samples, and how far they were learned. */

import type { EpochMs, Labels, Series, Unit } from '../model/index.ts';
import { type Arena, isReleased } from './arena.ts';
import { createEngine, type Engine, releaseEngine } from './engine.ts';
import { createRecent, type Recent, releaseRecent, reserve } from './recent.ts';
import type { Zone } from './zone.ts';

/** How far readings go back. */
export const READINGS_MS = 60 * 60_000;

export interface SeriesState {
  readonly target: string;
  readonly signal: string;
  readonly labels: Labels;
  readonly unit: Unit;
  periodMs: number;
  /** How long its backend takes until a sample can be had. Not saved: the next poll says it again. */
  delayMs: number;
  /** Wall time of the last poll that had the series. */
  seenAt: EpochMs;
  /** Samples up to this time have been learned, held or left out; −1 for none. */
  learnedThrough: EpochMs;
  /** Not learned from `recent` before then: portions of history are still coming, and learning goes forward only. */
  learnAfter: EpochMs;
  /** When there is something to learn that changes the band; infinite for never. */
  dueAt: EpochMs;
  readonly engine: Engine;
  /** What was learned apart while the target was frozen. */
  held: Engine | null;
  readonly recent: Recent;
}

export interface SeriesStateOptions {
  readonly warmupBuckets: number;
  readonly zone: Zone;
  readonly arena: Arena;
}

export function createSeriesState(
  { target, signal, labels, unit, periodMs }: Omit<Series, 'times' | 'values'>,
  options: SeriesStateOptions,
  seenAt: EpochMs,
): SeriesState {
  const state: SeriesState = {
    target,
    signal,
    labels: Object.keys(labels).length === 0 ? NO_LABELS : labels,
    unit,
    periodMs,
    delayMs: 0,
    seenAt,
    learnedThrough: -1,
    learnAfter: -1,
    dueAt: Number.POSITIVE_INFINITY,
    engine: createEngine({ unit, ...options }),
    held: null,
    recent: createRecent(capacityFor(periodMs), options.arena),
  };
  state.engine.periodMs = periodMs;
  return state;
}

/** The first polls after a history that was coarser, or a backend whose resolution was changed. */
export function setPeriod(state: SeriesState, periodMs: number): void {
  if (state.periodMs === periodMs) return;
  state.periodMs = periodMs;
  state.engine.periodMs = periodMs;
  reserve(state.recent, capacityFor(periodMs));
}

/** What is read back, and a little more; series that are sampled more often than every ten seconds grow as they come. */
function capacityFor(periodMs: number): number {
  const wanted = Math.ceil(READINGS_MS / periodMs) + ROOM;
  return wanted <= MOST_AT_ONCE ? wanted : MOST_AT_ONCE;
}

const ROOM = 8;
const MOST_AT_ONCE = 370;

/** One object for the many that have none. */
const NO_LABELS: Labels = Object.freeze({});

/** The same for the same labels, in whatever order they are named; lengths keep it apart from every other. */
export function labelsKey(labels: Labels): string {
  const names = Object.keys(labels);
  if (names.length === 0) return '';
  if (names.length > 1) names.sort();
  let key = '';
  for (const name of names) {
    const value = labels[name]!;
    key += `${name.length}:${name}${value.length}:${value}`;
  }
  return key;
}

export function bytesOf(state: SeriesState): number {
  return state.engine.bytes + (state.held?.bytes ?? 0) + state.recent.bytes;
}

/** Of a series that is forgotten or replaced: its memory is given to others, and it is never due again. */
export function releaseSeries(state: SeriesState): void {
  state.dueAt = Number.POSITIVE_INFINITY;
  releaseHeld(state);
  releaseEngine(state.engine);
  releaseRecent(state.recent);
}

export function releaseHeld(state: SeriesState): void {
  if (state.held !== null) releaseEngine(state.held);
  state.held = null;
}

export const wasReleased = (state: SeriesState): boolean => isReleased(state.engine);
