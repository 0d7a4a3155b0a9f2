/**
 * The rolling baselines of all series. A sample passes three states: *judged* when it is observed (its band is read before
 * anything is learned from it), *waiting* for the learning horizon, then *learned*; or *held* apart when its target is
 * frozen by an incident, to be dropped at the thaw or learned when the new level is accepted. So an incident never has to
 * be taken out of a baseline again.
 *
 * Samples are learned in lots of five minutes: a band changes only when a bucket closes, so learning each sample the
 * moment it is due would change nothing but the cost.
 */

import type { EpochMs, Reading, Sample, Series } from '../model/index.ts';
import { createArena } from './arena.ts';
import { createDueQueue } from './due.ts';
import { absorbEngine, createEngine, expectedAt, NO_BAND, restoreState, stateOf } from './engine.ts';
import { createFeed, newestAllowed } from './feed.ts';
import { createFreezes } from './freezes.ts';
import { freshnessOf } from './freshness.ts';
import { bandAt, bandNumber, columns, indexAfter, lengthOf, timeAt, upsert, valueAt } from './recent.ts';
import {
  bytesOf,
  createSeriesState,
  READINGS_MS,
  releaseHeld,
  releaseSeries,
  type SeriesState,
  wasReleased,
} from './series-state.ts';
import { createSeriesTable, sortedByName } from './series-table.ts';
import { decodeSnapshot, encodeEnd, encodeSeries, type SavedSeries } from './snapshot.ts';
import type { BaselineOptions, Baselines } from './types.ts';
import { createZone, UTC } from './zone.ts';

export type { BaselineOptions, BaselineStats, Baselines, RestoreResult } from './types.ts';

/** A series that nobody sees for so long is forgotten; its baseline is not believed any more by then. */
const FORGET_MS = 7 * 24 * 60 * 60_000;
const FORGET_EVERY_MS = 60 * 60_000;
/** How often room is looked for again when there are too many series. */
const SWEEP_MS = 60_000;
/** Series in one part of a snapshot that is asked for whole. */
const PART_SERIES = 500;
/** What was left out is remembered longer than samples wait: those of a series that falls silent wait until it speaks. */
const LEFT_OUT_MS = READINGS_MS;

export function createBaselines(options: BaselineOptions): Baselines {
  const { learningHorizonMs, warmupBuckets = 12, seriesCap = 20_000, seriesCapPerTarget = 2_000 } = options;
  const zone = options.timeZone === undefined ? UTC : createZone(options.timeZone);
  const stateOptions = { warmupBuckets, zone, arena: createArena() };
  const table = createSeriesTable();
  const due = createDueQueue<SeriesState>();
  const freezes = createFreezes();
  const feed = createFeed({ learningHorizonMs, freezes, due, ...stateOptions });
  let dropped = 0;
  let samplesDropped = 0;
  let mayEvict = true;
  let sweptAt = Number.NEGATIVE_INFINITY;
  let forgotAt = Number.NEGATIVE_INFINITY;

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

  function* snapshotParts(perPart: number): Generator<Uint8Array> {
    const states = [...table.all()];
    let saved = 0;
    for (let i = 0; i < states.length; i += perPart) {
      const part = states.slice(i, i + perPart).filter((state) => !wasReleased(state));
      saved += part.length;
      yield encodeSeries(part.map(savedOf));
    }
    // Last, so that a freeze that began or ended meanwhile is told as it is.
    yield encodeEnd(freezes.save(), saved);
  }

  return {
    observe(series, now) {
      for (const one of series) {
        const state = stateOf(one, now);
        if (state !== null) samplesDropped += feed.observe(state, one, now);
      }
    },
    backfill(series, now) {
      for (const one of series) {
        const state = stateOf(one, now);
        if (state !== null) samplesDropped += feed.backfill(state, one, now);
      }
    },
    expected(target, signal, labels, at) {
      const state = table.find(target, signal, labels);
      return state === undefined ? NO_BAND : expectedAt(state.engine, at);
    },
    readings(target, signal, now) {
      return table
        .ofSignal(target, signal)
        .map((state) => readingOf(state, now))
        .filter((reading) => reading !== null);
    },
    allReadings: (now) =>
      sortedByName(table.all())
        .map((state) => readingOf(state, now))
        .filter((reading) => reading !== null),
    latest: (now) => [...table.all()].map((state) => readingOf(state, now, true)).filter((reading) => reading !== null),
    learn(now) {
      sweep(now);
      for (const state of due.take(now)) feed.learn(state, now);
    },
    freeze: freezes.freeze,
    thaw(target, keep) {
      const from = freezes.thaw(target);
      if (from === null) return;
      let through = from;
      for (const state of table.ofTarget(target)) {
        if (keep && state.held !== null) absorbEngine(state.engine, state.held);
        releaseHeld(state);
        if (lengthOf(state.recent) > 0) through = Math.max(through, timeAt(state.recent, lengthOf(state.recent) - 1));
      }
      // Those that wait for the horizon belong to the incident too.
      if (!keep) freezes.leaveOut(target, { from, through });
    },
    snapshot: () => Buffer.concat([...snapshotParts(PART_SERIES)]),
    snapshotParts,
    restore(bytes) {
      const decoded = decodeSnapshot(bytes);
      if (decoded.state === 'ignored') return decoded;
      const { saved } = decoded;
      const states = saved.series.map((series) => {
        const state = createSeriesState(series, stateOptions, series.seenAt);
        state.learnedThrough = series.learnedThrough;
        // A freeze may have ended between the part that has the series and the end of the snapshot.
        const held = saved.freezes.since[series.target] === undefined ? null : series.held;
        if (held !== null) state.held = createEngine({ unit: series.unit, ...stateOptions });
        const read =
          restoreState(state.engine, series.engine) && (state.held === null || restoreState(state.held, held!));
        series.times.forEach((at, i) => {
          upsert(state.recent, at, series.values[i]!, expectedAt(state.engine, at));
        });
        return { state, read };
      });
      if (!states.every(({ read }) => read)) {
        for (const { state } of states) releaseSeries(state);
        return { state: 'ignored', because: 'damaged' };
      }
      table.clear();
      due.clear();
      for (const { state } of states) {
        table.place(state);
        feed.schedule(state);
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

/** Its columns are views: to be encoded before anything changes. */
function savedOf(state: SeriesState): SavedSeries {
  const { target, signal, labels, unit, periodMs, seenAt, learnedThrough, engine, held, recent } = state;
  const meta = { target, signal, labels, unit, periodMs, seenAt, learnedThrough };
  return {
    ...meta,
    engine: stateOf(engine),
    held: held === null ? null : stateOf(held),
    ...columns(recent, 0, lengthOf(recent)),
  };
}

/** Null without a sample within the last hour. */
function readingOf(state: SeriesState, now: EpochMs, newestOnly = false): Reading | null {
  const { target, signal, labels, unit, periodMs, recent } = state;
  const to = indexAfter(recent, newestAllowed(now, periodMs));
  const from = indexAfter(recent, now - READINGS_MS);
  if (from >= to) return null;
  let band = NO_BAND;
  let number = -1;
  const sampleAt = (i: number): Sample => {
    const own = bandNumber(recent, i);
    if (own !== number) band = bandAt(recent, i);
    number = own;
    return { at: timeAt(recent, i), value: valueAt(recent, i), band };
  };
  // Of their length from the first: arrays that grow keep room for more.
  const samples = newestOnly ? [sampleAt(to - 1)] : new Array<Sample>(to - from);
  for (let i = 0; i < to - from && !newestOnly; i++) samples[i] = sampleAt(from + i);
  const freshness = freshnessOf(timeAt(recent, to - 1), periodMs, now, state.delayMs);
  return { target, signal, labels, unit, periodMs, samples, freshness };
}
