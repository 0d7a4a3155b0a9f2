import { expect, test } from 'vitest';
import { COUNTS_MS, MAX_STOPS, mergeStops, pushCount, STOPS_MS } from './memory.ts';
import type { KeptStop } from './task-facts.ts';

const T = 1_900_000_000_000;

const stop = (id: string, stoppedAt: number, more: Partial<KeptStop> = {}): KeptStop => ({
  id,
  version: 'api:1',
  kind: 'essential-container-exited',
  stopCode: 'EssentialContainerExited',
  reason: 'Essential container in task exited',
  startedAt: null,
  stoppedAt,
  containers: [],
  final: true,
  deployment: null,
  ...more,
});

test('five hundred stopped tasks of the last day are kept, the newest', () => {
  const many = Array.from({ length: 700 }, (_, n) => stop(`t${n}`, T - n * 1000));
  const kept = mergeStops(many.slice(300), many.slice(0, 300), T);
  expect(kept).toHaveLength(MAX_STOPS);
  expect([kept[0]?.id, kept.at(-1)?.id]).toEqual(['t0', 't499']);
  expect(mergeStops(kept, [], T + STOPS_MS - 100_000)).toHaveLength(101);
});

test('a task that still ends is told again, one that ended is not', () => {
  const early = stop('t', T, { final: false });
  const late = stop('t', T, { kind: 'out-of-memory' });
  expect(mergeStops([early], [late], T)).toEqual([late]);
  expect(mergeStops([late], [early], T)).toEqual([late]);
});

test('counts are kept for an hour, and forget what a clock that was set back would put after them', () => {
  const at = (time: number) => ({ at: time, desired: 2, running: 2, pending: 0 });
  const ring = [at(T), at(T + COUNTS_MS / 2)];
  expect(pushCount(ring, at(T + COUNTS_MS + 1)).map((one) => one.at)).toEqual([T + COUNTS_MS / 2, T + COUNTS_MS + 1]);
  expect(pushCount(ring, at(T + 1000)).map((one) => one.at)).toEqual([T, T + 1000]);
});
