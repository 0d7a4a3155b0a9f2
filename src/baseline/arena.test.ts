import { expect, test } from 'vitest';
import { createArena, isReleased, noRoom, type Room } from './arena.ts';

const PAGE = 4096;

const doublesOf = ({ page, at, bytes }: Room): Float64Array => page.doubles.subarray(at / 8, (at + bytes) / 8);
const read = (room: Room): readonly number[] => [...new Set(doublesOf(room))];

test('rooms keep what was written, wherever they are moved, and do not overlap', () => {
  const arena = createArena(PAGE);
  let state = 1;
  const random = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const rooms = new Map<Room, number>();
  for (let step = 1; step < 5000; step++) {
    const room = noRoom();
    arena.take(room, 1 + random(900));
    expect(read(room)).toEqual([0]);
    doublesOf(room).fill(step);
    rooms.set(room, step);
    for (let most = step % 500 < 50 ? 10 : 40; rooms.size > most; ) {
      const gone = [...rooms.keys()][random(rooms.size)]!;
      expect(read(gone)).toEqual([rooms.get(gone)]);
      doublesOf(gone).fill(-1);
      arena.give(gone);
      rooms.delete(gone);
    }
    const used = [...rooms.keys()].reduce((sum, { bytes }) => sum + bytes, 0);
    // A page that is open, one that may lie idle, the ends of pages, and those of large rooms.
    expect(arena.bytes()).toBeLessThan(used * (1 + 1 / 16) * 1.2 + 3 * PAGE);
  }
  for (const [room, value] of rooms) expect(read(room)).toEqual([value]);
});

test('who holds on to a room that was given back reads nothing and changes nothing', () => {
  const arena = createArena(PAGE);
  const [stays, gone, next] = [noRoom(), noRoom(), noRoom()];
  arena.take(stays, 512);
  arena.take(gone, 512);
  arena.give(gone);
  arena.take(next, 512);
  gone.page.floats[0] = 7;
  gone.page.halves[gone.at] = 7;
  doublesOf(gone).fill(7);
  expect(isReleased(gone)).toBe(true);
  expect(read(gone)).toEqual([]);
  expect([...read(stays), ...read(next)]).toEqual([0, 0]);
});

test('what is given back twice is given back once', () => {
  const arena = createArena(PAGE);
  const rooms = Array.from({ length: 8 }, () => noRoom());
  for (const room of rooms) arena.take(room, 512);
  for (let i = 0; i < 8; i++) arena.give(rooms[0]!);
  expect(arena.bytes()).toBe(PAGE);
  expect(rooms.slice(1).map(read)).toEqual(rooms.slice(1).map(() => [0]));
});

test('pages without rooms are given back, and what is large has a page of its own', () => {
  const arena = createArena(PAGE);
  const rooms = Array.from({ length: 100 }, () => noRoom());
  for (const room of rooms) arena.take(room, 448);
  expect(arena.bytes()).toBe(12 * PAGE);
  const large = noRoom();
  arena.take(large, 3 * PAGE);
  expect(arena.bytes()).toBe(15 * PAGE);
  arena.give(large);
  for (const room of rooms) arena.give(room);
  expect(arena.bytes()).toBe(0);
  arena.take(large, 448);
  expect(read(large)).toEqual([0]);
});

test('a thousand rooms that grow at once leave little behind', () => {
  const arena = createArena(PAGE);
  const rooms = Array.from({ length: 1000 }, () => noRoom());
  for (const room of rooms) arena.take(room, 256);
  for (const bytes of [320, 400, 504]) {
    for (const room of rooms) {
      const before = { ...room };
      arena.take(room, bytes);
      arena.give(before);
    }
  }
  expect(arena.bytes()).toBeLessThan(1.15 * 1000 * 504);
});
