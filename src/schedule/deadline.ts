import { RunbookdError } from '../model/index.ts';

/** Node fires timers beyond 2^31 − 1 ms at once, with a warning. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Runs something for at most `ms` milliseconds. Rejects with POLL_DEADLINE when the time is over and with ABORTED when
 * `signal` is aborted first, in both cases at once, even when `run` ignores the signal that it was given; what it
 * still does then is its own, and its late failure is nobody's. Leaves no timer and no listener behind.
 *
 * @param what names the run in the error
 */
export async function withDeadline<T>(
  ms: number,
  signal: AbortSignal,
  run: (signal: AbortSignal) => Promise<T>,
  what = 'run',
): Promise<T> {
  if (signal.aborted) throw new RunbookdError('ABORTED', [what], signal.reason);
  const controller = new AbortController();
  const over = Promise.withResolvers<never>();
  const end = (error: RunbookdError): void => {
    over.reject(error);
    controller.abort(error);
  };
  const onAbort = (): void => end(new RunbookdError('ABORTED', [what], signal.reason));
  const timer = setTimeout(() => end(new RunbookdError('POLL_DEADLINE', [what, ms])), Math.min(ms, MAX_TIMER_MS));
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    const running = run(controller.signal);
    // The race below takes its result only while it is in time.
    running.catch(() => {});
    return await Promise.race([running, over.promise]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}
