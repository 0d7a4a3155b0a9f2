/**
 * The calendar: each full second in UTC, whatever time zone the container is in.
 *
 * node-cron 4.6 is asked for the next second and does not run the timer itself. Its own runner falls silent for the size
 * of a backward clock step, and walks through every missed second after a forward one: measured, a step of a day blocks
 * the event loop for 8 s, one of 20 days for 215 s. A timer of at most a second, armed anew each time, has neither.
 */

import { createTask } from 'node-cron';

export type StartTicker = (tick: () => void) => () => void;

const SECOND_MS = 1000;

/** Time from `atMs` to the next slot, at most a second: a wrong answer of the calendar costs one second at most. */
export function delayTo(next: Date | undefined, atMs: number): number {
  const delay = (next?.getTime() ?? Number.NaN) - atMs;
  return delay > 0 && delay <= SECOND_MS ? delay : SECOND_MS;
}

/** Calls `tick` each second until the function that it returns is called. Keeps the process alive. */
export const cronTicker: StartTicker = (tick) => {
  const calendar = createTask('* * * * * *', () => {}, { timezone: 'Etc/UTC' });
  let timer: NodeJS.Timeout;
  const arm = (): void => {
    timer = setTimeout(
      () => {
        arm();
        tick();
      },
      delayTo(calendar.getNextRuns(1)[0], Date.now()),
    );
  };
  arm();
  return () => {
    clearTimeout(timer);
    // Takes it out of node-cron's global list of tasks.
    void calendar.destroy();
  };
};
