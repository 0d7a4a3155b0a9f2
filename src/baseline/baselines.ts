/**
 * The rolling baselines of all series. A sample passes three states: *judged* when it is observed (its band is read before
 * anything is learned from it), *waiting* for the learning horizon, then *learned*; or *held* apart when its target is
 * frozen by an incident, to be dropped at the thaw or learned when the new level is accepted. So an incident never has to
 * be taken out of a baseline again.
 *
 * Samples are learned in lots of five minutes: a band changes only when a bucket closes, so learning each sample the
 * moment it is due would change nothing but the cost.
 */

import type { EpochMs, Reading, Series } from '../model/index.ts';
import { createDueQueue } from './due.ts';
import { BUCKET_MS, createEngine, NO_BAND } from './engine.ts';
import { createFreezes } from './freezes.ts';
import { freshnessOf } from './freshness.ts';
import { bytesOf, createSeriesState, indexAfter, type SeriesState } from './series-state.ts';
import { byKey, createSeriesTable } from './series-table.ts';
import { decodeSnapshot, encodeSnapshot } from './snapshot.ts';
import type { BaselineOptions, Baselines } from './types.ts';
import { createZone, UTC } from './zone.ts';

export type { BaselineOptions, BaselineStats, Baselines, RestoreResult } from './types.ts';

const READINGS_MS = 60 * 60_000;
/** A series that nobody sees for so long is forgotten; its baseline is not believed any more by then. */
const FORGET_MS = 7 * 24 * 60 * 60_000;
const FORGET_EVERY_MS = 60 * 60_000;
/** How often room is looked for again when there are too many series. */
const SWEEP_MS = 60_000;
const MAX_RECENT = 8_192;
/** A backend's clock may be ahead of ours by this much, or by a period. Later samples are of a clock that was set back. */
const AHEAD_MS = 60_000;
/** Between two portions of history. */
const PORTIONS_MS = 2 * 60_000;
/** What was left out is remembered longer than samples wait: those of a series that falls silent wait until it speaks. */
const LEFT_OUT_MS = 24 * 60 * 60_000;

export function createBaselines(options: BaselineOptions): Baselines {
  const { learningHorizonMs, warmupBuckets = 12, seriesCap = 20_000, seriesCapPerTarget = 2_000 } = options;
  const zone = options.timeZone === undefined ? UTC : createZone(options.timeZone);
  const stateOptions = { warmupBuckets, zone };
  let table = createSeriesTable();
  const due = createDueQueue<SeriesState>();
  const freezes = createFreezes();
  let dropped = 0;
  let samplesDropped = 0;
  let mayEvict = true;
  let sweptAt = Number.NEGATIVE_INFINITY;
  let forgotAt = Number.NEGATIVE_INFINITY;

  const newestAllowed = (now: EpochMs, periodMs: number): EpochMs => now + Math.max(AHEAD_MS, periodMs);

  function stateOf(series: Series, now: EpochMs): SeriesState | null {
    const known = table.find(series.target, series.signal, series.labels);
    // Figures in another unit are another series.
    if (known?.unit === series.unit) return known;
    const full = (): boolean => table.size >= seriesCap || table.sizeOf(series.target) >= seriesCapPerTarget;
    if (known === undefined && full() && mayEvict) {
      table.forget(now - READINGS_MS);
      // Looking again would find nothing before time has passed.
      mayEvict = false;
    }
    if (known === undefined && full()) {
      dropped++;
      return null;
    }
    const state = createSeriesState(series, stateOptions, now);
    table.place(state);
    return state;
  }

  /** Due when a sample passes the horizon that is not of the bucket that is being learned. */
  function schedule(state: SeriesState): void {
    const { recent, learnedThrough } = state;
    const index = learnedThrough < 0 ? 0 : recent.lowerBound((Math.floor(learnedThrough / BUCKET_MS) + 1) * BUCKET_MS);
    if (index < recent.length) due.at(state, Math.max(recent.timeAt(index) + learningHorizonMs, state.learnAfter));
  }

  function observeOne(series: Series, now: EpochMs): void {
    const state = stateOf(series, now);
    if (state === null) return;
    const { engine, recent } = state;
    const newest = newestAllowed(now, series.periodMs);
    state.periodMs = series.periodMs;
    engine.periodMs = series.periodMs;
    state.seenAt = now;
    // After a backward clock step: what the wrong clock stamped would stay the newest for the size of the step.
    if (recent.length > 0 && recent.timeAt(recent.length - 1) > newest) recent.dropFrom(indexAfter(recent, newest));
    if (state.learnedThrough > newest) state.learnedThrough = now;
    let changed = false;
    // The same points are sent again at each poll, oldest first.
    for (let i = recent.known(series.times, series.values); i < series.times.length; i++) {
      const at = series.times[i]!;
      const value = series.values[i]!;
      if (!Number.isFinite(value) || !(at >= 0 && at <= newest)) {
        samplesDropped++;
        continue;
      }
      const index = recent.lowerBound(at);
      if (index < recent.length && recent.timeAt(index) === at && recent.valueAt(index) === value) {
        // One that nothing was known for when it came is judged as soon as there is something.
        if (!recent.bandAt(index).ready) recent.judge(index, engine.expected(at));
        continue;
      }
      recent.upsert(at, value, engine.expected(at));
      changed = true;
    }
    if (!changed) return;
    const over = recent.length - MAX_RECENT;
    if (over > 0) {
      recent.dropBefore(over);
      samplesDropped += over;
    }
    schedule(state);
  }

  function backfillOne(series: Series, now: EpochMs): void {
    const state = stateOf(series, now);
    if (state === null || series.times.length === 0) return;
    const { engine, recent } = state;
    state.seenAt = now;
    state.learnAfter = now + PORTIONS_MS;
    if (series.times[0]! <= state.learnedThrough && engine.filled() < warmupBuckets) {
      engine.reset();
      state.learnedThrough = -1;
    }
    const { times, values } = learnable(state, series, now);
    engine.observe(times, values, series.periodMs);
    if (times.length > 0) state.learnedThrough = times.at(-1)!;
    const newest = newestAllowed(now, series.periodMs);
    for (let i = 0; i < series.times.length; i++) {
      const at = series.times[i]!;
      if (series.periodMs !== state.periodMs || !(at > now - READINGS_MS && at <= newest)) continue;
      const index = recent.lowerBound(at);
      // What was polled is newer than what history says of the same time.
      if (index < recent.length && recent.timeAt(index) === at) continue;
      if (Number.isFinite(series.values[i]!)) recent.upsert(at, series.values[i]!, engine.expected(at));
    }
    for (let i = 0; i < recent.length; i++) {
      if (!recent.bandAt(i).ready) recent.judge(i, engine.expected(recent.timeAt(i)));
    }
    schedule(state);
  }

  /** Of a portion of history, what is past the horizon, newer than what was learned, and of no incident. */
  function learnable(state: SeriesState, series: Series, now: EpochMs): Pick<Series, 'times' | 'values'> {
    const since = freezes.since(state.target) ?? Number.POSITIVE_INFINITY;
    const leftOut = freezes.leftOut(state.target);
    const until = Math.min(now - learningHorizonMs, since);
    let last = state.learnedThrough;
    const times = new Float64Array(series.times.length);
    const values = new Float64Array(series.times.length);
    let count = 0;
    for (let i = 0; i < series.times.length; i++) {
      const at = series.times[i]!;
      const value = series.values[i]!;
      if (!(at > last && at >= 0 && at < until)) continue;
      if (leftOut.some((span) => at >= span.from && at <= span.through)) continue;
      if (!Number.isFinite(value)) {
        samplesDropped++;
        continue;
      }
      last = at;
      times[count] = at;
      values[count++] = value;
    }
    return { times: times.subarray(0, count), values: values.subarray(0, count) };
  }

  function readingOf(state: SeriesState, now: EpochMs, newestOnly = false): Reading | null {
    const { target, signal, labels, unit, periodMs, recent } = state;
    const to = indexAfter(recent, newestAllowed(now, periodMs));
    const from = indexAfter(recent, now - READINGS_MS);
    if (from >= to) return null;
    const samples = [];
    for (let i = newestOnly ? to - 1 : from; i < to; i++) {
      samples.push({ at: recent.timeAt(i), value: recent.valueAt(i), band: recent.bandAt(i) });
    }
    const freshness = freshnessOf(recent.timeAt(to - 1), periodMs, now);
    return { target, signal, labels, unit, periodMs, samples, freshness };
  }

  function learnOne(state: SeriesState, now: EpochMs): void {
    const { engine, recent, target, periodMs } = state;
    const to = recent.lowerBound(now - learningHorizonMs);
    let from = indexAfter(recent, state.learnedThrough);
    const upTo = (index: number): void => {
      if (index <= from) return;
      const { times, values } = recent.columns(from, index);
      engine.observe(times, values, periodMs);
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
        state.held ??= createEngine({ unit: state.unit, ...stateOptions });
        const { times, values } = recent.columns(from, to);
        state.held.observe(times, values, periodMs);
      }
    }
    recent.dropBefore(Math.min(indexAfter(recent, state.learnedThrough), recent.lowerBound(now - READINGS_MS)));
  }

  function sweep(now: EpochMs): void {
    // Before the last one: the clock was set back.
    if (now >= sweptAt && now - sweptAt < SWEEP_MS) return;
    sweptAt = now;
    mayEvict = true;
    if (now < forgotAt || now - forgotAt >= FORGET_EVERY_MS) {
      forgotAt = now;
      table.forget(now - FORGET_MS);
    }
    freezes.forget(now - learningHorizonMs - LEFT_OUT_MS);
  }

  return {
    observe(series, now) {
      for (const one of series) observeOne(one, now);
    },
    backfill(series, now) {
      for (const one of series) backfillOne(one, now);
    },
    expected: (target, signal, labels, at) => table.find(target, signal, labels)?.engine.expected(at) ?? NO_BAND,
    readings(target, signal, now) {
      return table
        .ofSignal(target, signal)
        .map((state) => readingOf(state, now))
        .filter((reading) => reading !== null);
    },
    allReadings: (now) =>
      [...table.all()]
        .sort(byKey)
        .map((state) => readingOf(state, now))
        .filter((reading) => reading !== null),
    latest: (now) => [...table.all()].map((state) => readingOf(state, now, true)).filter((reading) => reading !== null),
    learn(now) {
      sweep(now);
      for (const state of due.take(now)) {
        learnOne(state, now);
        schedule(state);
      }
    },
    freeze: freezes.freeze,
    thaw(target, keep) {
      const from = freezes.thaw(target);
      if (from === null) return;
      let through = from;
      for (const state of table.ofTarget(target)) {
        if (keep && state.held !== null) state.engine.absorb(state.held);
        state.held = null;
        if (state.recent.length > 0) through = Math.max(through, state.recent.timeAt(state.recent.length - 1));
      }
      // Those that wait for the horizon belong to the incident too.
      if (!keep) freezes.leaveOut(target, { from, through });
    },
    snapshot() {
      const series = [...table.all()].map((state) => {
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
        const state = createSeriesState(series, stateOptions, series.seenAt);
        state.learnedThrough = series.learnedThrough;
        if (series.held !== null) state.held = createEngine({ unit: series.unit, ...stateOptions });
        const read = state.engine.restore(series.engine) && (series.held === null || state.held?.restore(series.held));
        series.times.forEach((at, i) => {
          state.recent.upsert(at, series.values[i]!, state.engine.expected(at));
        });
        return read ? state : null;
      });
      if (states.includes(null)) return { state: 'ignored', because: 'damaged' };
      table = createSeriesTable();
      due.clear();
      for (const state of states) {
        if (state === null) continue;
        table.place(state);
        schedule(state);
      }
      freezes.load(saved.freezes);
      return { state: 'restored', series: table.size };
    },
    stats() {
      let bytes = 0;
      for (const state of table.all()) bytes += bytesOf(state);
      return { series: table.size, dropped, samplesDropped, bytes };
    },
  };
}
