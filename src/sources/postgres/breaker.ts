/**
 * The circuit breaker of one server, counted in polls, not in time: a server that hangs is asked rarely, so that a
 * struggling one is not pushed further and our own polls do not queue up.
 *
 * closed → (three polls in a row time out) → open for five polls → one poll tries → closed, or open again.
 */

export interface Breaker {
  readonly timeouts: number;
  /** Polls still to be skipped. */
  readonly skip: number;
}

export const CLOSED: Breaker = { timeouts: 0, skip: 0 };

const TIMEOUTS_TO_OPEN = 3;
const POLLS_TO_SKIP = 5;

/** Called before each poll: whether it is to be skipped, and the state after that. */
export function beforePoll(breaker: Breaker): { readonly open: boolean; readonly breaker: Breaker } {
  if (breaker.skip === 0) return { open: false, breaker };
  return { open: true, breaker: { ...breaker, skip: breaker.skip - 1 } };
}

/** Called after each poll that was not skipped. Anything but a timeout, a refusal too, shows a server that answers. */
export function afterPoll(breaker: Breaker, timedOut: boolean): Breaker {
  if (!timedOut) return CLOSED;
  const timeouts = breaker.timeouts + 1;
  return { timeouts, skip: timeouts >= TIMEOUTS_TO_OPEN ? POLLS_TO_SKIP : 0 };
}
