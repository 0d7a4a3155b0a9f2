/** All series by target, signal and labels, with the caps on their number. */

import type { EpochMs, Labels } from '../model/index.ts';
import { labelsKey, type SeriesState } from './series-state.ts';

export interface SeriesTable {
  readonly size: number;
  sizeOf(target: string): number;
  find(target: string, signal: string, labels: Labels): SeriesState | undefined;
  /** Replaces one of the same target, signal and labels. */
  place(state: SeriesState): void;
  all(): Iterable<SeriesState>;
  ofTarget(target: string): Iterable<SeriesState>;
  /** Of one signal, sorted by labels. */
  ofSignal(target: string, signal: string): readonly SeriesState[];
  /** Forgets those that nobody has seen since. */
  forget(before: EpochMs): void;
}

interface Signal {
  readonly states: Map<string, SeriesState>;
  /** Null after a change. */
  sorted: readonly SeriesState[] | null;
}

export function createSeriesTable(): SeriesTable {
  const targets = new Map<string, Map<string, Signal>>();
  const counts = new Map<string, number>();
  let size = 0;

  function* ofTarget(target: string): Iterable<SeriesState> {
    for (const { states } of targets.get(target)?.values() ?? []) yield* states.values();
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
    find: (target, signal, labels) => targets.get(target)?.get(signal)?.states.get(labelsKey(labels)),
    place(state) {
      const signals = targets.get(state.target) ?? new Map<string, Signal>();
      const signal = signals.get(state.signal) ?? { states: new Map<string, SeriesState>(), sorted: null };
      targets.set(state.target, signals);
      signals.set(state.signal, signal);
      const key = labelsKey(state.labels);
      if (!signal.states.has(key)) add(state.target, 1);
      signal.states.set(key, state);
      signal.sorted = null;
    },
    *all() {
      for (const target of targets.keys()) yield* ofTarget(target);
    },
    ofTarget,
    ofSignal(target, name) {
      const signal = targets.get(target)?.get(name);
      if (signal === undefined) return [];
      signal.sorted ??= [...signal.states.values()].sort(byKey);
      return signal.sorted;
    },
    forget(before) {
      for (const [target, signals] of targets) {
        for (const [name, signal] of signals) {
          for (const [key, state] of signal.states) {
            if (state.seenAt >= before) continue;
            signal.states.delete(key);
            signal.sorted = null;
            state.dueAt = Number.POSITIVE_INFINITY;
            add(target, -1);
          }
          if (signal.states.size === 0) signals.delete(name);
        }
      }
    },
  };
}

export function byKey(a: SeriesState, b: SeriesState): number {
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
}
