/**
 * A queue of SQS and its consumer on Lambda. Without a condition nothing piles up; from the first condition on, cells of
 * five seconds are worked through in order, since a backlog is the sum of everything before it.
 *
 * What fails or times out is not given back at once: it is invisible until the visibility timeout, comes again, and
 * after the most receives lies in the dead-letter queue. Messages that were received three times or more do not count
 * for the age of the oldest. Pollers hand over as many batches at once as the event source lets them, and do not know
 * of reserved concurrency: what is above that is throttled.
 */

import type { Component } from './latency.ts';
import { createQueueCells, type QueueCell } from './queue-cells.ts';
import { hash, hashText, hexId, normal, poisson, uniform } from './random.ts';
import { createSeason } from './season.ts';
import type { Active, QueueEffects, QueueSpec } from './types.ts';

export interface QueueFacts {
  readonly queue: string;
  readonly deadLetter: string | null;
  readonly lambda: string | null;
  readonly messagesPerMinute: number;
  /** With everything as it should be. */
  readonly capacityPerMinute: number;
  readonly visibilityTimeoutSeconds: number;
  readonly maxReceives: number;
  readonly reservedConcurrency: number | null;
  readonly batchSize: number;
  /** Most runs at once of the event source; null when it has no limit of its own. */
  readonly maximumConcurrency: number | null;
  /** Time limit of the function. */
  readonly timeoutSeconds: number;
  readonly runMs: { readonly p50: number; readonly p95: number; readonly p99: number; readonly mean: number };
  /** UUID of the event source mapping. */
  readonly eventSourceId: string;
}

export interface QueueSlot {
  readonly sent: number;
  readonly received: number;
  readonly deleted: number;
  readonly visible: number;
  readonly inFlight: number;
  readonly ageSeconds: number;
  readonly dead: number;
  readonly invocations: number;
  readonly invocationErrors: number;
  /** Of those errors, runs that ended at their time limit. */
  readonly timeouts: number;
  /** Messages that a run reported as failed while it did the others. */
  readonly poisoned: number;
  readonly throttles: number;
  readonly concurrency: number;
  readonly duration: readonly Component[];
}

/** What AWS says of the consumer at a time. */
export interface ConsumerState {
  readonly reservedConcurrency: number | null;
  readonly eventSource: {
    readonly state: 'Enabled' | 'Disabled';
    readonly maximumConcurrency: number | null;
    readonly changedAt: number;
  };
}

export interface QueueModel {
  readonly facts: QueueFacts;
  conditions: readonly Active<QueueEffects>[];
  slot(start: number, length: number): QueueSlot;
  effectsAt(at: number): readonly QueueEffects[];
  consumer(at: number): ConsumerState;
  reset(): void;
}

const CELL = 5_000;
/** Lambda begins with five pollers, which share what little there is. */
const POLLERS = 5;

export function createQueueModel(spec: QueueSpec, fleetSeed: number, startedAt: number, timeZone: string): QueueModel {
  const seed = hash(fleetSeed, hashText(`queue/${spec.queue}`));
  const season = createSeason(timeZone);
  const facts = factsOf(spec, fleetSeed);
  const expectedSent = (at: number, length: number, effects: readonly QueueEffects[]): number =>
    ((facts.messagesPerMinute * length) / 60_000) *
    season.factor(at) *
    effects.reduce((factor, one) => factor * (one.sentFactor ?? 1), 1);
  const effectsAt = (at: number): QueueEffects[] =>
    model.conditions.filter(({ from, to }) => from <= at && at < to).map(({ effects }) => effects);
  const cells = createQueueCells({
    facts,
    cellMs: CELL,
    startedAt: () => Math.min(...model.conditions.map(({ from }) => from)),
    effectsAt,
    sent: (start, effects) => poisson(expectedSent(start, CELL, effects), uniform(seed, start, 71)),
    pollers: POLLERS,
  });
  const jitter = (start: number, channel: number): number => 1 + 0.04 * normal(seed, start, channel);

  /** As long as nothing ever befell it. */
  function calm(start: number, length: number): QueueSlot {
    const sent = poisson(expectedSent(start, length, []), uniform(seed, start, 75));
    const perSecond = expectedSent(start, 1_000, []);
    const deleted = Math.max(0, sent + Math.round(2 * normal(seed, start, 76)));
    const perRun = Math.min(facts.batchSize, Math.max(1, (perSecond * facts.runMs.mean) / 1_000 / POLLERS));
    const invocations = Math.max(1, Math.round(deleted / perRun));
    const factor = jitter(start, 77);
    return {
      sent,
      received: deleted,
      deleted,
      visible: Math.round(2 + 4 * uniform(seed, start, 72)),
      inFlight: Math.round(((perSecond * facts.runMs.mean) / 1_000) * (0.8 + 0.4 * uniform(seed, start, 73))),
      ageSeconds: Math.round(1 + facts.runMs.mean / 1_000 + 2 * uniform(seed, start, 74)),
      dead: 0,
      invocations,
      invocationErrors: 0,
      timeouts: 0,
      poisoned: 0,
      throttles: 0,
      concurrency: Math.max(1, Math.round((invocations / length) * facts.runMs.mean * factor + 1)),
      duration: components(facts, invocations, 0, factor),
    };
  }

  const model: QueueModel = {
    facts,
    conditions: [],
    reset: cells.reset,
    effectsAt,
    consumer(at) {
      const effects = effectsAt(at);
      const given = effects.flatMap((one) => (one.eventSource === undefined ? [] : [one.eventSource]));
      const changes = model.conditions.flatMap(({ from, to, effects: { eventSource } }) =>
        eventSource === undefined ? [] : [from, to].filter((time) => time <= at),
      );
      const reserved = effects.flatMap((one) => (one.reserved === undefined ? [] : [one.reserved]));
      return {
        reservedConcurrency: reserved.at(-1) ?? facts.reservedConcurrency,
        eventSource: {
          state: given.some((one) => one.disabled === true) ? 'Disabled' : 'Enabled',
          maximumConcurrency:
            given.findLast((one) => one.maximumConcurrency !== undefined)?.maximumConcurrency ??
            facts.maximumConcurrency,
          changedAt: Math.max(startedAt, ...changes),
        },
      };
    },
    slot(start, length) {
      const end = start + length;
      const last = start < startedAt ? null : cells.at(end - 1);
      const usual = calm(start, length);
      if (last === null) return usual;
      const part: QueueCell[] = [];
      for (let at = Math.max(start, cells.origin()); at < end; at += CELL) part.push(cells.at(at)!);
      const scale = Math.min(1, length / CELL);
      const sum = (of: (cell: QueueCell) => number): number =>
        Math.round(part.reduce((all, cell) => all + of(cell), 0) * scale);
      const invocations = sum((cell) => cell.runs);
      const timeouts = Math.min(
        invocations,
        sum((cell) => cell.timeouts),
      );
      const factor = effectsAt(start + length / 2).reduce((all, one) => all * (one.durationFactor ?? 1), 1);
      return {
        sent: sum((cell) => cell.sent),
        received: sum((cell) => cell.received),
        deleted: sum((cell) => cell.deleted),
        visible: Math.round(last.visible),
        inFlight: Math.max(Math.round(last.inFlight), last.received > 0 ? 1 : 0),
        ageSeconds: Math.max(last.ageSeconds, last.deleted > 0 ? usual.ageSeconds : 0),
        dead: Math.floor(last.dead),
        invocations,
        invocationErrors: Math.min(
          invocations,
          sum((cell) => cell.failedRuns),
        ),
        timeouts,
        poisoned: sum((cell) => cell.poisoned),
        throttles: sum((cell) => cell.throttles),
        concurrency: Math.max(1, ...part.map((cell) => Math.round(cell.concurrency))),
        duration: components(facts, invocations - timeouts, timeouts, factor * jitter(start, 77)),
      };
    },
  };
  return model;
}

/** Runs that end by themselves, and those that end at the time limit. */
function components(facts: QueueFacts, ended: number, timeouts: number, factor: number): readonly Component[] {
  const { p50, p95, p99 } = facts.runMs;
  const limit = facts.timeoutSeconds * 1_000;
  const own = (ms: number): number => Math.min(limit, ms * factor);
  return [
    ...(ended <= 0 ? [] : [{ p50: own(p50), p95: own(p95), p99: own(p99), weight: ended }]),
    ...(timeouts <= 0 ? [] : [{ p50: limit, p95: limit * 1.0005, p99: limit * 1.001, weight: timeouts }]),
  ];
}

function factsOf(spec: QueueSpec, fleetSeed: number): QueueFacts {
  const messagesPerMinute = spec.messagesPerMinute ?? 1_200;
  const { p50, p95, p99 } = spec.runMs ?? { p50: 180, p95: 420, p99: 800 };
  const spread = Math.log(p95 / p50) / 1.645;
  const mean = p50 * Math.exp(spread ** 2 / 2);
  const batchSize = spec.batchSize ?? 10;
  const maximumConcurrency = spec.maximumConcurrency ?? null;
  const byRuns = maximumConcurrency === null ? null : (maximumConcurrency * batchSize * 60_000) / mean;
  const id = hexId(`${fleetSeed}/event-source/${spec.queue}`, 32);
  return {
    queue: spec.queue,
    deadLetter: spec.deadLetter ?? null,
    lambda: spec.lambda ?? null,
    messagesPerMinute,
    capacityPerMinute: spec.capacityPerMinute ?? byRuns ?? messagesPerMinute * 2.5,
    visibilityTimeoutSeconds: spec.visibilityTimeoutSeconds ?? 60,
    maxReceives: spec.maxReceives ?? 3,
    reservedConcurrency: spec.reservedConcurrency ?? null,
    batchSize,
    maximumConcurrency,
    timeoutSeconds: spec.timeoutSeconds ?? 30,
    runMs: { p50, p95, p99, mean },
    eventSourceId: id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'),
  };
}
