import { expect, test } from 'vitest';
import { createDueQueue, type Due } from './due.ts';

const item = (): Due => ({ dueAt: Number.POSITIVE_INFINITY });

test('items come once, after their time, and not before', () => {
  const queue = createDueQueue<Due>();
  const [a, b] = [item(), item()];
  queue.at(a, 12_000);
  queue.at(b, 14_000);
  expect([...queue.take(12_000)]).toEqual([]);
  expect([...queue.take(12_001)]).toEqual([a]);
  expect([...queue.take(13_000)]).toEqual([]);
  expect([...queue.take(99_000)]).toEqual([b]);
  expect([...queue.take(199_000)]).toEqual([]);
});

test('an item is brought forward and never put off', () => {
  const queue = createDueQueue<Due>();
  const one = item();
  queue.at(one, 60_000);
  queue.at(one, 20_000);
  queue.at(one, 40_000);
  expect([...queue.take(20_001)]).toEqual([one]);
  expect([...queue.take(100_000)]).toEqual([]);
});

test('an item may be put in again while the due ones are taken', () => {
  const queue = createDueQueue<Due>();
  const one = item();
  queue.at(one, 1000);
  let turns = 0;
  for (const due of queue.take(4000)) {
    turns++;
    queue.at(due, 2000);
  }
  expect(turns).toBe(1);
  expect([...queue.take(4000)]).toEqual([one]);
});

test('10,000 items of different times come when they are due, as a sorted list would give them', () => {
  const queue = createDueQueue<Due>();
  let state = 7;
  const random = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const items = Array.from({ length: 10_000 }, item);
  const times = new Map<Due, number>();
  for (const one of items) {
    times.set(one, random(3_600_000));
    queue.at(one, times.get(one)!);
  }
  for (let now = 0; now < 3_700_000; now += 7000) {
    const due = [...times].filter(([, at]) => at < now).map(([one]) => one);
    expect(new Set(queue.take(now))).toEqual(new Set(due));
    for (const one of due) times.delete(one);
  }
});
