import { expect, test } from 'vitest';
import {
  type ActivityPoint,
  type Counters,
  inWindow,
  pushPoint,
  ratesBetween,
  ratesOver,
  restorePoints,
} from './ring.ts';

const counters = (over: Partial<Counters> = {}): Counters => ({
  serverSeconds: 100,
  epoch: 1,
  resetAt: null,
  commits: 1_000,
  rollbacks: 10,
  deadlocks: 0,
  tempBytes: 0,
  tempFiles: 0,
  sessions: 50,
  ...over,
});
const point = (at: number): ActivityPoint => ({
  at,
  counts: { at, used: 5, active: 1, idle: 4, idleInTransaction: 0, waitingForLock: 0, byApp: { api: 5 } },
  usable: 97,
  blocked: 0,
  root: null,
  longestWaitSeconds: 0,
  counters: counters({ serverSeconds: at / 1000 }),
});

test('rates are differences over the time that the server says has passed', () => {
  const later = counters({
    serverSeconds: 110,
    commits: 1_090,
    rollbacks: 20,
    deadlocks: 5,
    tempBytes: 4_096,
    sessions: 70,
  });
  expect(ratesBetween(counters(), later)).toEqual({
    seconds: 10,
    transactionsPerSecond: 10,
    rollbackShare: 0.1,
    deadlocks: 5,
    tempBytesPerSecond: 409.6,
    tempFilesPerSecond: 0,
    sessionsPerSecond: 2,
  });
});

test.each([
  ['another epoch', { epoch: 2 }],
  ['a reset', { resetAt: '2026-11-23 14:00:00+00' }],
  ['a counter that fell', { commits: 999 }],
  ['no time in between', { serverSeconds: 100 }],
  ['a server clock that was set back', { serverSeconds: 90 }],
])('there is no rate over %s', (_name, over) => {
  expect(ratesBetween(counters(), counters({ serverSeconds: 110, commits: 2_000, ...over }))).toBeNull();
});

test('no transactions at all are no rollbacks', () => {
  expect(ratesBetween(counters(), counters({ serverSeconds: 110 }))?.rollbackShare).toBe(0);
});

test('rates over a window begin after the last reset in it', () => {
  const readings = [
    counters({ serverSeconds: 0, epoch: 1, commits: 9_000 }),
    counters({ serverSeconds: 10, epoch: 2, commits: 0, rollbacks: 0, sessions: 0 }),
    counters({ serverSeconds: 30, epoch: 2, commits: 100, rollbacks: 0, sessions: 40 }),
  ];
  expect(ratesOver(readings)).toMatchObject({ seconds: 20, transactionsPerSecond: 5, sessionsPerSecond: 2 });
  expect(ratesOver(readings.slice(1, 2))).toBeNull();
  expect(ratesOver([])).toBeNull();
});

test('the ring holds an hour, and no more than 900 points however often it is fed', () => {
  let ring: readonly ActivityPoint[] = [];
  for (let at = 0; at <= 2 * 3_600_000; at += 60_000) ring = pushPoint(ring, point(at));
  expect(ring).toHaveLength(61);
  expect(ring[0]?.at).toBe(3_600_000);
  for (let at = 8_000_000; at < 9_000_000; at += 1_000) ring = pushPoint(ring, point(at));
  expect(ring).toHaveLength(900);
});

test('points of a clock that was set back are dropped, so that the order stays', () => {
  const ring = [1_000, 2_000, 3_000, 1_500].map(point).reduce(pushPoint, [] as readonly ActivityPoint[]);
  expect(ring.map(({ at }) => at)).toEqual([1_000, 1_500]);
});

test('a window takes both its ends', () => {
  const ring = [1, 2, 3, 4].map(point);
  expect(inWindow(ring, { from: 2, to: 3 }).map(({ at }) => at)).toEqual([2, 3]);
});

test('a snapshot comes back as it was, and what is not a point is left out', () => {
  const saved: unknown = JSON.parse(
    JSON.stringify([point(1), { at: 2 }, null, 'x', { ...point(3), root: 'x' }, point(4)]),
  );
  expect(restorePoints(saved)).toEqual([point(1), point(4)]);
  for (const damaged of [null, undefined, 7, 'x', {}, [[]]]) expect(restorePoints(damaged)).toEqual([]);
});
