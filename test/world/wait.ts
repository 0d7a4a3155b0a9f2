import { setTimeout as sleep } from 'node:timers/promises';

export interface WaitOptions {
  /** How long to wait at most, in milliseconds. */
  readonly timeoutMs?: number;
  /** Time between two checks, in milliseconds. */
  readonly everyMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * Waits until `check` gives a value that is neither false, null nor undefined, and returns it.
 * An error that `check` throws ends the wait. Throws on the deadline, naming what was waited for.
 */
export async function waitUntil<Value>(
  what: string | (() => string),
  check: () => Promise<Value | false | null | undefined> | Value | false | null | undefined,
  options: WaitOptions = {},
): Promise<Value> {
  const { timeoutMs = 15_000, everyMs = 25, signal } = options;
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    signal?.throwIfAborted();
    const value = await check();
    if (value !== false && value !== null && value !== undefined) return value;
    if (performance.now() > deadline) {
      throw new Error(`waited ${timeoutMs} ms in vain: ${typeof what === 'string' ? what : what()}`);
    }
    await sleep(everyMs);
  }
}

/** Resolves with the result of `work`, or rejects after `timeoutMs`; the work itself goes on. */
export async function withDeadline<Value>(what: string, timeoutMs: number, work: Promise<Value>): Promise<Value> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`waited ${timeoutMs} ms in vain: ${what}`)), timeoutMs);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}
