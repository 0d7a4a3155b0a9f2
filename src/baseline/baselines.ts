/**
 * The rolling baselines of all series. A sample passes three states: *judged* when it is observed (its band is read before
 * anything is learned from it), *waiting* for the learning horizon, then *learned*; or *held* apart when its target is
 * frozen by an incident, to be dropped at the thaw or learned when the new level is accepted. So an incident never has to
 * be taken out of a baseline again.
 */

import type { EpochMs, Reading, Series } from '../model/index.ts';
import { createEngine, NO_BAND } from './engine.ts';
import { createFreezes } from './freezes.ts';
import { freshnessOf } from './freshness.ts';
import { bytesOf, createSeriesState, indexAfter, type SeriesState, seriesKey } from './series-state.ts';
import { decodeSnapshot, encodeSnapshot } from './snapshot.ts';
import type { BaselineOptions, Baselines } from './types.ts';

export type { BaselineOptions, BaselineStats, Baselines, RestoreResult } from './types.ts';

const READINGS_MS = 60 * 60_000;
/** A series that nobody sees for so long is forgotten; its baseline is not believed any more by then. */
const FORGET_MS = 7 * 24 * 60 * 60_000;
const MAX_RECENT = 8_192;
/** A backend's clock may be ahead of ours by this much, or by a period. Later samples are of a clock that was set back. */
const AHEAD_MS = 60_000;

export function createBaselines(options: BaselineOptions): Baselines {
  const { learningHorizonMs, warmupBuckets = 12, seriesCap = 20_000, seriesCapPerTarget = 2_000 } = options;
  let targets = new Map<string, Map<string, SeriesState>>();
  const freezes = createFreezes();
  let count = 0;
  let dropped = 0;
  let samplesDropped = 0;
  let mayEvict = true;

  const ofTarget = (target: string): Iterable<SeriesState> => targets.get(target)?.values() ?? [];

  function* all(): Iterable<SeriesState> {
    for (const states of targets.values()) yield* states.values();
  }

  function forgetUnseen(now: EpochMs, forMs: number): void {
    for (const [target, states] of targets) {
      for (const state of states.values()) {
        if (now - state.seenAt > forMs && states.delete(state.key)) count--;
      }
      if (states.size === 0) targets.delete(target);
    }
  }

  function place(state: SeriesState): void {
    const states = targets.get(state.target) ?? new Map<string, SeriesState>();
    if (!states.has(state.key)) count++;
    states.set(state.key, state);
    targets.set(state.target, states);
  }

  function stateOf(series: Series, now: EpochMs): SeriesState | null {
    const known = targets.get(series.target)?.get(seriesKey(series.target, series.signal, series.labels));
    // Figures in another unit are another series.
    if (known?.unit === series.unit) return known;
    const full = (): boolean => count >= seriesCap || (targets.get(series.target)?.size ?? 0) >= seriesCapPerTarget;
    if (known === undefined && full() && mayEvict) {
      forgetUnseen(now, READINGS_MS);
      // Looking again would find nothing before time has passed.
      mayEvict = false;
    }
    if (known === undefined && full()) {
      dropped++;
      return null;
    }
    const state = createSeriesState(series, warmupBuckets, now);
    place(state);
    return state;
  }

  function observeOne(series: Series, now: EpochMs): void {
    const state = stateOf(series, now);
    if (state === null) return;
    const { engine, recent } = state;
    const newestAllowed = now + Math.max(AHEAD_MS, series.periodMs);
    state.periodMs = series.periodMs;
    state.seenAt = now;
    // After a backward clock step: what the wrong clock stamped would stay the newest for the size of the step.
    recent.dropFrom(indexAfter(recent, newestAllowed));
    if (state.learnedThrough > newestAllowed) state.learnedThrough = now;
    for (let i = 0; i < series.times.length; i++) {
      const at = series.times[i]!;
      const value = series.values[i]!;
      if (Number.isFinite(value) && at >= 0 && at <= newestAllowed) recent.upsert(at, value, engine.expected(at));
      else samplesDropped++;
    }
    const over = recent.length - MAX_RECENT;
    if (over > 0) {
      recent.dropBefore(over);
      samplesDropped += over;
    }
  }

  function readingOf(state: SeriesState, now: EpochMs): Reading | null {
    const { target, signal, labels, unit, periodMs, recent } = state;
    const to = indexAfter(recent, now + Math.max(AHEAD_MS, periodMs));
    const samples = [];
    for (let i = indexAfter(recent, now - READINGS_MS); i < to; i++) {
      samples.push({ at: recent.timeAt(i), value: recent.valueAt(i), band: recent.bandAt(i) });
    }
    const newest = samples.at(-1);
    if (newest === undefined) return null;
    return { target, signal, labels, unit, periodMs, samples, freshness: freshnessOf(newest.at, periodMs, now) };
  }

  function readingsOf(states: Iterable<SeriesState>, now: EpochMs): readonly Reading[] {
    return [...states]
      .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
      .map((state) => readingOf(state, now))
      .filter((reading) => reading !== null);
  }

  function learnOne(state: SeriesState, now: EpochMs): void {
    const { engine, recent, target } = state;
    const to = recent.lowerBound(now - learningHorizonMs);
    let from = indexAfter(recent, state.learnedThrough);
    const upTo = (index: number): void => {
      if (index <= from) return;
      const { times, values } = recent.columns(from, index);
      engine.observe(times, values);
      from = index;
    };
    if (from < to) {
      state.learnedThrough = recent.timeAt(to - 1);
      for (const span of freezes.leftOut(target)) {
        upTo(Math.min(to, recent.lowerBound(span.from)));
        from = Math.max(from, Math.min(to, indexAfter(recent, span.through)));
      }
      const since = freezes.since(target);
      upTo(since === null ? to : Math.min(to, recent.lowerBound(since)));
      if (from < to) {
        state.held ??= createEngine({ unit: state.unit, warmupBuckets });
        const { times, values } = recent.columns(from, to);
        state.held.observe(times, values);
      }
    }
    recent.dropBefore(Math.min(indexAfter(recent, state.learnedThrough), recent.lowerBound(now - READINGS_MS)));
  }

  return {
    observe(series, now) {
      for (const one of series) observeOne(one, now);
    },
    expected: (target, signal, labels, at) =>
      targets
        .get(target)
        ?.get(seriesKey(target, signal, labels))
        ?.engine.expected(at) ?? NO_BAND,
    readings(target, signal, now) {
      const states = [...ofTarget(target)].filter((state) => state.signal === signal);
      return readingsOf(states, now);
    },
    allReadings: (now) => readingsOf(all(), now),
    learn(now) {
      forgetUnseen(now, FORGET_MS);
      mayEvict = true;
      for (const state of all()) learnOne(state, now);
      freezes.forget(now - learningHorizonMs);
    },
    freeze: freezes.freeze,
    thaw(target, keep) {
      const from = freezes.thaw(target);
      if (from === null) return;
      let through = from;
      for (const state of ofTarget(target)) {
        if (keep && state.held !== null) state.engine.absorb(state.held);
        state.held = null;
        if (state.recent.length > 0) through = Math.max(through, state.recent.timeAt(state.recent.length - 1));
      }
      // Those that wait for the horizon belong to the incident too.
      if (!keep) freezes.leaveOut(target, { from, through });
    },
    snapshot() {
      const series = [...all()].map((state) => {
        const { target, signal, labels, unit, periodMs, seenAt, learnedThrough, engine, held, recent } = state;
        const meta = { target, signal, labels, unit, periodMs, seenAt, learnedThrough };
        const columns = recent.columns(0, recent.length);
        return { ...meta, engine: engine.snapshot(), held: held?.snapshot() ?? null, ...columns };
      });
      return encodeSnapshot({ freezes: freezes.save(), series });
    },
    restore(bytes) {
      const decoded = decodeSnapshot(bytes);
      if (decoded.state === 'ignored') return decoded;
      const { saved } = decoded;
      const states = saved.series.map((series) => {
        const state = createSeriesState(series, warmupBuckets, series.seenAt);
        state.learnedThrough = series.learnedThrough;
        if (series.held !== null) state.held = createEngine({ unit: series.unit, warmupBuckets });
        const read = state.engine.restore(series.engine) && (series.held === null || state.held?.restore(series.held));
        series.times.forEach((at, i) => {
          state.recent.upsert(at, series.values[i]!, state.engine.expected(at));
        });
        return read ? state : null;
      });
      if (states.includes(null)) return { state: 'ignored', because: 'damaged' };
      targets = new Map();
      count = 0;
      for (const state of states) if (state !== null) place(state);
      freezes.load(saved.freezes);
      return { state: 'restored', series: count };
    },
    stats() {
      let bytes = 0;
      for (const state of all()) bytes += bytesOf(state);
      return { series: count, dropped, samplesDropped, bytes };
    },
  };
}
