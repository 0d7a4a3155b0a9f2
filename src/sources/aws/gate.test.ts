import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createGate, RATES, rateName } from './gate.ts';

const monotonic = (): number => performance.now();
const never = new AbortController().signal;

describe('the gate', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test('lets a burst through, then the rate', async () => {
    const gate = createGate({ perSecond: 2, burst: 3, concurrency: 100, monotonic });
    let entered = 0;
    for (let i = 0; i < 10; i += 1) void gate.enter(never).then(() => (entered += 1));
    await vi.advanceTimersByTimeAsync(0);
    expect(entered).toBe(3);
    await vi.advanceTimersByTimeAsync(499);
    expect(entered).toBe(3);
    await vi.advanceTimersByTimeAsync(2);
    expect(entered).toBe(4);
    await vi.advanceTimersByTimeAsync(3_000);
    expect(entered).toBe(10);
  });

  test('lets no more in than may be under way, in the order they came', async () => {
    const gate = createGate({ perSecond: 1000, burst: 1000, concurrency: 2, monotonic });
    const order: number[] = [];
    const leaves: (() => void)[] = [];
    for (let i = 0; i < 4; i += 1) {
      void gate.enter(never).then((leave) => {
        order.push(i);
        leaves.push(leave);
      });
    }
    await vi.advanceTimersByTimeAsync(100);
    expect(order).toEqual([0, 1]);
    // Leaving twice frees one place.
    leaves[0]?.();
    leaves[0]?.();
    await vi.advanceTimersByTimeAsync(100);
    expect(order).toEqual([0, 1, 2]);
  });

  test('who gives up waiting takes no token and leaves no timer', async () => {
    const gate = createGate({ perSecond: 1, burst: 1, concurrency: 9, monotonic });
    (await gate.enter(never))();
    const controller = new AbortController();
    const waiting = gate.enter(controller.signal);
    const refused = expect(waiting).rejects.toThrow('enough');
    controller.abort(new Error('enough'));
    await refused;
    expect(vi.getTimerCount()).toBe(0);
    await expect(gate.enter(controller.signal)).rejects.toThrow('enough');
  });
});

test('GetMetricData takes at most a fifth of what the region has', () => {
  expect(RATES[rateName('cloudwatch:GetMetricData')].perSecond).toBeLessThanOrEqual(0.2 * 50);
  expect(RATES[rateName('cloudwatch:ListMetrics')].perSecond).toBeLessThanOrEqual(0.2 * 25);
});
