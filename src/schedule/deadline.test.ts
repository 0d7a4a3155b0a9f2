import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { withDeadline } from './deadline.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const never = (): Promise<never> => new Promise(() => {});
const outcome = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => ({ value }),
    (error) => error,
  );

/** Whatever happened: nothing is left behind. */
function expectNothingLeft(signal: AbortSignal): void {
  expect(vi.getTimerCount()).toBe(0);
  expect(getEventListeners(signal, 'abort')).toHaveLength(0);
}

test('a result in time is the result', async () => {
  const { signal } = new AbortController();
  const result = withDeadline(500, signal, async () => 42);
  expect(await result).toBe(42);
  expectNothingLeft(signal);
});

test.each([
  ['asynchronously', async () => Promise.reject(new Error('no'))],
  [
    'at once',
    () => {
      throw new Error('no');
    },
  ],
])('a failure %s is the failure', async (_, run) => {
  const { signal } = new AbortController();
  expect(await outcome(withDeadline(500, signal, run))).toEqual(new Error('no'));
  expectNothingLeft(signal);
});

test('a run that ignores its signal is left at the deadline', async () => {
  const { signal } = new AbortController();
  let inner: AbortSignal | undefined;
  const result = outcome(
    withDeadline(
      500,
      signal,
      (own) => {
        inner = own;
        return never();
      },
      'main-db activity',
    ),
  );
  await vi.advanceTimersByTimeAsync(499);
  expect(inner?.aborted).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  expect(await result).toMatchObject({
    code: 'POLL_DEADLINE',
    message: 'poll main-db activity did not finish within 500 ms',
  });
  expect(inner?.reason).toBe(await result);
  expectNothingLeft(signal);
});

test('a run that ends with its own error on the signal still ends with the deadline', async () => {
  const { signal } = new AbortController();
  const run = (own: AbortSignal): Promise<never> =>
    new Promise((_, reject) => own.addEventListener('abort', () => reject(new Error('query cancelled'))));
  const result = outcome(withDeadline(500, signal, run));
  await vi.advanceTimersByTimeAsync(500);
  expect(await result).toMatchObject({ code: 'POLL_DEADLINE' });
  expectNothingLeft(signal);
});

test('an abort from outside ends it, with the reason as cause', async () => {
  const controller = new AbortController();
  const result = outcome(withDeadline(500, controller.signal, never, 'poll'));
  controller.abort('stopping');
  expect(await result).toMatchObject({ code: 'ABORTED', message: 'poll was stopped', cause: 'stopping' });
  expectNothingLeft(controller.signal);
});

test('with a signal that is aborted already nothing is run', async () => {
  const run = vi.fn(never);
  expect(await outcome(withDeadline(500, AbortSignal.abort(), run))).toMatchObject({ code: 'ABORTED' });
  expect(run).not.toHaveBeenCalled();
});

test('a failure after the deadline is nobody’s', async () => {
  const unhandled = vi.fn();
  process.on('unhandledRejection', unhandled);
  const { signal } = new AbortController();
  const late = Promise.withResolvers<never>();
  const result = outcome(withDeadline(500, signal, () => late.promise));
  await vi.advanceTimersByTimeAsync(500);
  expect(await result).toMatchObject({ code: 'POLL_DEADLINE' });
  late.reject(new Error('too late'));
  vi.useRealTimers();
  // Node tells of unhandled rejections after the microtasks of a turn: let one turn pass.
  await new Promise((resolve) => setImmediate(resolve));
  process.off('unhandledRejection', unhandled);
  expect(unhandled).not.toHaveBeenCalled();
});

test('a deadline beyond the range of timers does not come at once', async () => {
  const { signal } = new AbortController();
  const late = Promise.withResolvers<string>();
  const result = outcome(withDeadline(Number.POSITIVE_INFINITY, signal, () => late.promise));
  await vi.advanceTimersByTimeAsync(86_400_000);
  late.resolve('done');
  expect(await result).toEqual({ value: 'done' });
});
