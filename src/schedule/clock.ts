/** Clocks: the wall's time for stamping, the monotonic one for pacing. Only the first can be set by an administrator. */

import type { EpochMs } from '../model/index.ts';

export interface Clock {
  /** Wall clock: steps when it is set, by hand or by NTP. */
  now(): EpochMs;
  /** Milliseconds since some fixed moment: never goes back. On Linux it stands still while the machine sleeps. */
  monotonic(): number;
}

export function systemClock(): Clock {
  return { now: () => Date.now(), monotonic: () => performance.now() };
}

export interface ManualClock extends Clock {
  /** Time passes: both clocks go on. */
  advance(ms: number): void;
  /** The wall clock is set; the monotonic one does not notice. */
  set(at: EpochMs): void;
}

export function manualClock(startMs: EpochMs): ManualClock {
  let wall = startMs;
  let monotonic = 0;
  return {
    now: () => wall,
    monotonic: () => monotonic,
    advance(ms) {
      wall += ms;
      monotonic += ms;
    },
    set(at) {
      wall = at;
    },
  };
}
