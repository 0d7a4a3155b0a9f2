/**
 * A queue of SQS and its consumer on Lambda. Without a condition nothing piles up; from the first condition on, cells of
 * five seconds are worked through in order, since a backlog is the sum of everything before it.
 */

import type { Component } from './latency.ts';
import { hash, hashText, normal, poisson, uniform } from './random.ts';
import { createSeason } from './season.ts';
import type { Active, QueueEffects, QueueSpec } from './types.ts';

export interface QueueFacts {
  readonly queue: string;
  readonly deadLetter: string | null;
  readonly lambda: string | null;
  readonly messagesPerMinute: number;
  readonly capacityPerMinute: number;
  readonly visibilityTimeoutSeconds: number;
  readonly maxReceives: number;
  readonly reservedConcurrency: number | null;
}

export interface QueueSlot {
  readonly sent: number;
  readonly deleted: number;
  readonly visible: number;
  readonly inFlight: number;
  readonly ageSeconds: number;
  readonly dead: number;
  readonly invocations: number;
  readonly invocationErrors: number;
  readonly throttles: number;
  readonly concurrency: number;
  readonly duration: readonly Component[];
}

export interface QueueModel {
  readonly facts: QueueFacts;
  conditions: readonly Active<QueueEffects>[];
  slot(start: number, length: number): QueueSlot;
  reset(): void;
}

const CELL = 5_000;
const BATCH = 10;

interface Cell {
  readonly sent: number;
  readonly deleted: number;
  readonly visible: number;
  readonly hung: number;
  readonly dead: number;
}

export function createQueueModel(spec: QueueSpec, fleetSeed: number, startedAt: number, timeZone: string): QueueModel {
  const seed = hash(fleetSeed, hashText(`queue/${spec.queue}`));
  const season = createSeason(timeZone);
  const messagesPerMinute = spec.messagesPerMinute ?? 1_200;
  const facts: QueueFacts = {
    queue: spec.queue,
    deadLetter: spec.deadLetter ?? null,
    lambda: spec.lambda ?? null,
    messagesPerMinute,
    capacityPerMinute: spec.capacityPerMinute ?? messagesPerMinute * 2.5,
    visibilityTimeoutSeconds: spec.visibilityTimeoutSeconds ?? 60,
    maxReceives: spec.maxReceives ?? 3,
    reservedConcurrency: spec.reservedConcurrency ?? null,
  };
  let cells: Cell[] = [];
  let origin = 0;

  const effectsAt = (at: number): QueueEffects[] =>
    model.conditions.filter(({ from, to }) => from <= at && at < to).map(({ effects }) => effects);
  const product = (effects: readonly QueueEffects[], of: (effect: QueueEffects) => number | undefined): number =>
    effects.reduce((factor, effect) => factor * (of(effect) ?? 1), 1);
  const expectedSent = (at: number, length: number, effects: readonly QueueEffects[]): number =>
    ((messagesPerMinute * length) / 60_000) * season.factor(at) * product(effects, (e) => e.sentFactor);

  /** Cells up to the one that holds `at`; null while no condition has begun. */
  function cellAt(at: number): Cell | null {
    const first = Math.min(...model.conditions.map(({ from }) => from));
    if (!(at >= first)) return null;
    if (cells.length === 0) origin = Math.floor(first / CELL) * CELL;
    const wanted = Math.floor((at - origin) / CELL);
    while (cells.length <= wanted) {
      const start = origin + cells.length * CELL;
      const before = cells.at(-1) ?? { visible: 3, hung: 0, dead: 0 };
      const effects = effectsAt(start + CELL / 2);
      const sent = poisson(expectedSent(start, CELL, effects), uniform(seed, start, 71));
      const failing = Math.max(0, ...effects.map((e) => Math.max(e.errorShare ?? 0, e.throttledShare ?? 0)));
      const capacity =
        ((facts.capacityPerMinute * CELL) / 60_000) * product(effects, (e) => e.capacityFactor) * (1 - failing);
      const poison = Math.round(sent * Math.max(0, ...effects.map((e) => e.poisonShare ?? 0)));
      const hangs = effects.some(({ hang }) => hang === true);
      const taken = Math.min(before.visible + sent - poison, Math.round(capacity));
      const limit = facts.capacityPerMinute;
      const hung = hangs ? Math.min(limit, before.hung + taken) : 0;
      const back = hangs ? 0 : before.hung;
      cells.push({
        sent,
        deleted: hangs ? 0 : taken,
        visible: before.visible + sent - poison - (hangs ? hung - before.hung : taken) + back,
        hung,
        dead: before.dead + poison,
      });
    }
    return cells[wanted] ?? null;
  }

  const model: QueueModel = {
    facts,
    conditions: [],
    reset: () => {
      cells = [];
    },
    slot: (start, length) => {
      const end = start + length;
      const effects = effectsAt(start + length / 2);
      const last = start < startedAt ? null : cellAt(end - 1);
      let sent: number;
      let deleted: number;
      let visible = Math.round(2 + 4 * uniform(seed, start, 72));
      let inFlight = Math.round(
        (messagesPerMinute / 60) * 0.3 * season.factor(start) * (0.8 + 0.4 * uniform(seed, start, 73)),
      );
      let age = 1 + Math.floor(2 * uniform(seed, start, 74));
      if (last === null) {
        sent = poisson(expectedSent(start, length, effects), uniform(seed, start, 75));
        deleted = Math.max(0, sent + Math.round(2 * normal(seed, start, 76)));
      } else {
        sent = 0;
        deleted = 0;
        for (let at = Math.max(start, origin); at < end; at += CELL) {
          const cell = cellAt(at);
          sent += cell?.sent ?? 0;
          deleted += cell?.deleted ?? 0;
        }
        const scale = Math.min(1, length / CELL);
        sent = Math.round(sent * scale);
        deleted = Math.round(deleted * scale);
        visible = last.visible;
        inFlight = Math.max(inFlight, last.hung);
        const rate = Math.max(0.01, expectedSent(end, 1_000, []));
        age = Math.max(age, Math.round((last.visible + last.hung - 10) / rate));
      }
      const throttled = Math.max(0, ...effects.map((e) => e.throttledShare ?? 0));
      const failing = Math.max(0, ...effects.map((e) => e.errorShare ?? 0));
      const poison = Math.max(0, ...effects.map((e) => e.poisonShare ?? 0));
      const attempts = Math.max(1, (deleted + (sent * poison * facts.maxReceives) / 1) / BATCH);
      const invocations = Math.round(attempts / Math.max(0.05, 1 - failing));
      const factor = product(effects, (e) => e.durationFactor) * (1 + 0.04 * normal(seed, start, 77));
      const hang = effects.some((effect) => effect.hang === true);
      return {
        sent,
        deleted,
        visible,
        inFlight,
        ageSeconds: age,
        dead: last?.dead ?? 0,
        invocations: hang ? 0 : invocations,
        invocationErrors: Math.round(invocations * Math.max(failing, poison > 0 ? Math.min(0.9, poison * 3) : 0)),
        throttles: Math.round((invocations * throttled) / Math.max(0.05, 1 - throttled)),
        concurrency: Math.max(1, Math.round(((invocations / (length / 1_000)) * 0.25 * factor + 1) * 1.4)),
        duration:
          hang || invocations === 0
            ? []
            : [{ p50: 180 * factor, p95: 420 * factor, p99: 800 * factor, weight: invocations }],
      };
    },
  };
  return model;
}
