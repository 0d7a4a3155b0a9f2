/** All series by target, signal and labels, with the caps on their number. */

import type { EpochMs, Labels } from '../model/index.ts';
import { labelsKey, releaseSeries, type SeriesState } from './series-state.ts';

export interface SeriesTable {
  readonly size: number;
  sizeOf(target: string): number;
  find(target: string, signal: string, labels: Labels): SeriesState | undefined;
  /** Replaces one of the same target, signal and labels, and releases that. */
  place(state: SeriesState): void;
  all(): Iterable<SeriesState>;
  ofTarget(target: string): Iterable<SeriesState>;
  /** Of one signal, sorted by labels. */
  ofSignal(target: string, signal: string): readonly SeriesState[];
  /** Forgets and releases those that nobody has seen since. */
  forget(before: EpochMs): void;
  /** Forgets and releases all. */
  clear(): void;
}

/** By labels. Most signals have one series, for which a map would be as large as the rest of what is kept of it. */
interface Signal {
  only: SeriesState | null;
  /** Of more than one. */
  many: Map<string, SeriesState> | null;
  /** Null after a change. */
  sorted: readonly SeriesState[] | null;
}

function stateIn({ only, many }: Signal, labels: Labels): SeriesState | undefined {
  const key = labelsKey(labels);
  if (only !== null) return labelsKey(only.labels) === key ? only : undefined;
  return many?.get(key);
}

const statesIn = ({ only, many }: Signal): Iterable<SeriesState> => (only !== null ? [only] : (many?.values() ?? []));

function putInto(signal: Signal, state: SeriesState): void {
  const key = labelsKey(state.labels);
  const { only } = signal;
  signal.sorted = null;
  if (signal.many !== null) signal.many.set(key, state);
  else if (only === null || labelsKey(only.labels) === key) signal.only = state;
  else {
    signal.many = new Map([only, state].map((one) => [labelsKey(one.labels), one]));
    signal.only = null;
  }
}

function removeFrom(signal: Signal, state: SeriesState): void {
  signal.sorted = null;
  if (signal.only === state) signal.only = null;
  else signal.many?.delete(labelsKey(state.labels));
}

const isEmpty = ({ only, many }: Signal): boolean => only === null && (many?.size ?? 0) === 0;

export function createSeriesTable(): SeriesTable {
  const targets = new Map<string, Map<string, Signal>>();
  const counts = new Map<string, number>();
  let size = 0;

  function* ofTarget(target: string): Iterable<SeriesState> {
    for (const signal of targets.get(target)?.values() ?? []) yield* statesIn(signal);
  }

  function add(target: string, by: number): void {
    size += by;
    const count = (counts.get(target) ?? 0) + by;
    if (count > 0) counts.set(target, count);
    else {
      counts.delete(target);
      targets.delete(target);
    }
  }

  return {
    get size() {
      return size;
    },
    sizeOf: (target) => counts.get(target) ?? 0,
    find(target, name, labels) {
      const signal = targets.get(target)?.get(name);
      return signal === undefined ? undefined : stateIn(signal, labels);
    },
    place(state) {
      const signals = targets.get(state.target) ?? new Map<string, Signal>();
      const signal = signals.get(state.signal) ?? { only: null, many: null, sorted: null };
      targets.set(state.target, signals);
      signals.set(state.signal, signal);
      const before = stateIn(signal, state.labels);
      if (before === undefined) add(state.target, 1);
      else if (before !== state) releaseSeries(before);
      putInto(signal, state);
    },
    *all() {
      for (const target of targets.keys()) yield* ofTarget(target);
    },
    ofTarget,
    ofSignal(target, name) {
      const signal = targets.get(target)?.get(name);
      if (signal === undefined) return [];
      if (signal.only !== null) return [signal.only];
      signal.sorted ??= sortedByName(statesIn(signal));
      return signal.sorted;
    },
    forget(before) {
      for (const [target, signals] of targets) {
        for (const [name, signal] of signals) {
          for (const state of statesIn(signal)) {
            if (state.seenAt >= before) continue;
            removeFrom(signal, state);
            releaseSeries(state);
            add(target, -1);
          }
          if (isEmpty(signal)) signals.delete(name);
        }
      }
    },
    clear() {
      for (const target of targets.keys()) for (const state of ofTarget(target)) releaseSeries(state);
      targets.clear();
      counts.clear();
      size = 0;
    },
  };
}

/** By target, signal, labels. */
export function sortedByName(states: Iterable<SeriesState>): readonly SeriesState[] {
  const keys = new Map(Array.from(states, (state) => [state, sortKey(state.labels)] as const));
  const byName = (a: SeriesState, b: SeriesState): number =>
    compare(a.target, b.target) || compare(a.signal, b.signal) || compare(keys.get(a)!, keys.get(b)!);
  return [...keys.keys()].sort(byName);
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function sortKey(labels: Labels): string {
  const names = Object.keys(labels).sort();
  return names.length === 0 ? '' : JSON.stringify(names.map((name) => [name, labels[name]]));
}
