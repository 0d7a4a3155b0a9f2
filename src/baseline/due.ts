/**
 * Which series have something to learn, and when: lists by seconds, so that a call with nothing due costs next to nothing,
 * however many series there are.
 */

import type { EpochMs } from '../model/index.ts';

export interface Due {
  dueAt: EpochMs;
}

export interface DueQueue<T extends Due> {
  /** Brings it forward, or puts it in; a later time than the one it has is passed over. */
  at(item: T, when: EpochMs): void;
  /** Takes out those whose time is before `now`. */
  take(now: EpochMs): Iterable<T>;
  clear(): void;
}

const TICK_MS = 5_000;

export function createDueQueue<T extends Due>(): DueQueue<T> {
  const ticks = new Map<number, T[]>();

  function put(item: T): void {
    const tick = Math.floor(item.dueAt / TICK_MS);
    const list = ticks.get(tick);
    if (list === undefined) ticks.set(tick, [item]);
    else list.push(item);
  }

  return {
    at(item, when) {
      if (when >= item.dueAt) return;
      // An entry of it in a later tick is passed over when its turn comes: it is not of that time any more.
      item.dueAt = when;
      put(item);
    },
    *take(now) {
      const last = Math.floor(now / TICK_MS);
      // Of the ticks as they are now: what is put back meanwhile has its turn at the next call.
      for (const tick of [...ticks.keys()]) {
        if (tick > last) continue;
        const items = ticks.get(tick) ?? [];
        ticks.delete(tick);
        for (const item of items) {
          if (Math.floor(item.dueAt / TICK_MS) !== tick) continue;
          if (item.dueAt >= now) {
            put(item);
            continue;
          }
          item.dueAt = Number.POSITIVE_INFINITY;
          yield item;
        }
      }
    },
    clear: () => ticks.clear(),
  };
}
