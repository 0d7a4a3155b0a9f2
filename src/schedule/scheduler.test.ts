import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type ManualClock, manualClock } from './clock.ts';
import { createScheduler, type Job, type Scheduler, type SchedulerOptions } from './scheduler.ts';

const HOUR = 3_600_000;
const START = Date.UTC(2026, 10, 23);

let clock: ManualClock;
let scheduler: Scheduler;
const log = { info: vi.fn(), warn: vi.fn() };
const onMissed = vi.fn();
const onError = vi.fn();

beforeEach(() => {
  vi.useFakeTimers();
  vi.resetAllMocks();
  clock = manualClock(START);
});
afterEach(async () => {
  const stopped = scheduler.stop(0);
  await vi.advanceTimersByTimeAsync(1000);
  await stopped;
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

function create(options: Partial<SchedulerOptions> = {}): Scheduler {
  scheduler = createScheduler({ ...clock, log, onMissed, onError, ...options });
  return scheduler;
}

interface Recorded extends Job {
  /** Monotonic time of each start. */
  readonly starts: number[];
}

function job(id: string, run: Job['run'] = async () => {}, periodMs = 15_000, deadlineMs = 8_000): Recorded {
  const starts: number[] = [];
  return {
    id,
    periodMs,
    deadlineMs,
    starts,
    run(now, signal) {
      starts.push(clock.monotonic());
      return run(now, signal);
    },
  };
}

const never = (): Promise<never> => new Promise(() => {});

/** Time passes for clocks, timers and promises alike. */
async function pass(ms: number, stepMs = 100): Promise<void> {
  for (let left = ms; left > 0; left -= stepMs) {
    clock.advance(Math.min(stepMs, left));
    await vi.advanceTimersByTimeAsync(Math.min(stepMs, left));
  }
}

/** Time passes, and the ticker comes each second. */
async function tickFor(seconds: number): Promise<void> {
  for (let i = 0; i < seconds; i++) {
    await pass(1000, 500);
    scheduler.tick();
  }
}

const gaps = (starts: readonly number[]): readonly number[] => starts.slice(1).map((at, i) => at - starts[i]!);

describe('pace', () => {
  test('all jobs first run within seconds, each a little after the one before', async () => {
    create();
    const jobs = Array.from({ length: 8 }, (_, i) => job(`job-${i}`));
    for (const one of jobs) scheduler.add(one);
    scheduler.start();
    await pass(2_000, 20);
    expect(jobs.map((one) => one.starts.length)).toEqual(new Array(8).fill(1));
    for (const gap of gaps(jobs.map((one) => one.starts[0]!))) {
      expect(gap).toBeGreaterThan(0);
      expect(gap).toBeLessThanOrEqual(220);
    }
  });

  test('five hundred jobs have all run after five seconds', async () => {
    create();
    const jobs = Array.from({ length: 500 }, (_, i) => job(`job-${i}`));
    for (const one of jobs) scheduler.add(one);
    scheduler.start();
    await pass(5_100, 20);
    expect(jobs.every((one) => one.starts.length === 1)).toBe(true);
  });

  test('a job then keeps its period, to the length of a look', async () => {
    create();
    const one = job('main-db activity');
    scheduler.add(one);
    scheduler.start();
    await pass(600_000);
    const [first, ...rest] = gaps(one.starts);
    expect(first).toBeGreaterThanOrEqual(7_500);
    expect(first).toBeLessThanOrEqual(22_600);
    expect(rest.length).toBeGreaterThanOrEqual(37);
    for (const gap of rest) expect(Math.abs(gap - 15_000)).toBeLessThanOrEqual(120);
    expect(onMissed).not.toHaveBeenCalled();
  });

  test('a job waits for its slot when it should not run at start', async () => {
    create({ runAtStart: false });
    const one = job('main-db activity');
    scheduler.add(one);
    scheduler.start();
    await pass(31_000);
    expect(one.starts).toHaveLength(2);
    for (const gap of gaps(one.starts)) expect(gap).toBe(15_000);
  });

  test('ticks alone pace it too, with nothing started', async () => {
    create();
    const one = job('main-db activity');
    scheduler.add(one);
    await tickFor(300);
    expect(one.starts.length).toBeGreaterThanOrEqual(20);
    expect(one.starts.length).toBeLessThanOrEqual(21);
  });

  test('a job that is added later runs within a second, one that is removed no more', async () => {
    create();
    scheduler.start();
    await pass(10_000);
    const one = job('late');
    scheduler.add(one);
    await pass(1_000);
    expect(one.starts).toHaveLength(1);
    scheduler.remove('late');
    await pass(60_000);
    expect(one.starts).toHaveLength(1);
  });

  test.each([
    ['a period below a second', { periodMs: 999 }, 'job j: period 999 ms, expected at least 1000 ms'],
    ['no period', { periodMs: Number.NaN }, 'job j: period NaN ms, expected at least 1000 ms'],
    ['no deadline', { deadlineMs: 0 }, 'job j: deadline 0 ms, expected more than 0'],
  ])('%s is refused', (_, changes, message) => {
    create();
    expect(() => scheduler.add({ ...job('j'), ...changes })).toThrow(message);
  });
});

describe('clock faults', () => {
  test.each([
    ['−1 h', -HOUR],
    ['+1 h', HOUR],
    ['−1 day', -24 * HOUR],
    ['+1 day', 24 * HOUR],
  ])('a wall clock step of %s loses and doubles no run', async (_, step) => {
    create();
    const walls: number[] = [];
    const one = job('main-db', async (now) => void walls.push(now));
    scheduler.add(one);
    scheduler.start();
    await pass(60_000);
    const before = one.starts.length;
    clock.set(clock.now() + step);
    vi.setSystemTime(Date.now() + step);
    await pass(60_000);
    expect(one.starts.length - before).toBe(4);
    for (const gap of gaps(one.starts).slice(1)) expect(Math.abs(gap - 15_000)).toBeLessThanOrEqual(120);
    expect(walls.at(-1)).toBeGreaterThan(START + step);
    expect(walls.at(-1)).toBeLessThan(START + step + 125_000);
    expect(onMissed).not.toHaveBeenCalled();
  });

  test('a standstill of the event loop is made up by one run, and counted', async () => {
    create();
    const one = job('main-db');
    scheduler.add(one);
    scheduler.start();
    await pass(60_000);
    const before = one.starts.length;
    clock.advance(60_000);
    await pass(1_000);
    expect(one.starts.length - before).toBe(1);
    expect(onMissed.mock.calls).toEqual(expect.arrayContaining([['main-db', 'late', 3]]));
  });

  test('a standstill that the watchdog sees first is told from a silent ticker', async () => {
    create({ startTicker: () => () => {} });
    scheduler.start();
    clock.advance(5_000);
    await pass(1_000);
    expect(onMissed.mock.calls).toEqual([['scheduler', 'stall', 1]]);
    expect(log.warn.mock.calls).toEqual([[{ silentMs: 6000 }, 'event loop stood still']]);
  });

  test('the watchdog looks in place of a silent ticker, and says so once', async () => {
    let tick: () => void = () => {};
    create({
      startTicker: (given) => {
        tick = given;
        return () => {};
      },
    });
    const one = job('main-db');
    scheduler.add(one);
    scheduler.start();
    expect(scheduler.lateness()).toMatchObject({ stalled: false });
    await pass(150_000);
    expect(one.starts.length).toBeGreaterThanOrEqual(10);
    for (const gap of gaps(one.starts).slice(1)) expect(Math.abs(gap - 15_000)).toBeLessThanOrEqual(120);
    expect(onMissed.mock.calls[0]).toEqual(['scheduler', 'watchdog', 1]);
    expect(scheduler.lateness()).toMatchObject({ stalled: true, lastTickMonotonic: 0 });
    expect(log.warn).toHaveBeenCalledTimes(1);
    tick();
    expect(scheduler.lateness()).toMatchObject({ stalled: false });
    expect(log.info.mock.calls.at(-1)?.[1]).toBe('ticker is back');
  });
});

describe('runs', () => {
  test('a job that still runs when it is due misses that run', async () => {
    create();
    const slow = job('slow', never, 15_000, 40_000);
    const fast = job('fast');
    scheduler.add(slow);
    scheduler.add(fast);
    await tickFor(30);
    expect(slow.starts).toHaveLength(1);
    expect(fast.starts.length).toBeGreaterThanOrEqual(2);
    expect(onMissed).toHaveBeenCalledWith('slow', 'overlap', 1);
    expect(scheduler.running()).toEqual(['slow']);
  });

  test('a job that ignores its deadline is stuck until it lets go, and the others go on', async () => {
    create();
    const hung = Promise.withResolvers<void>();
    let signal: AbortSignal | undefined;
    const stuck = job('stuck', (_, given) => {
      signal = given;
      return hung.promise;
    });
    const fine = job('fine');
    scheduler.add(stuck);
    scheduler.add(fine);
    await tickFor(60);
    expect(signal?.aborted).toBe(true);
    expect(stuck.starts).toHaveLength(1);
    expect(fine.starts.length).toBeGreaterThanOrEqual(4);
    expect(onError.mock.calls).toEqual([['stuck', expect.objectContaining({ code: 'POLL_DEADLINE' })]]);
    expect(onMissed).toHaveBeenCalledWith('stuck', 'stuck', 1);
    expect(scheduler.lateness().stuck).toEqual(['stuck']);
    expect(log.warn.mock.calls.filter(([, message]) => message.startsWith('job is stuck'))).toHaveLength(1);
    await scheduler.idle();
    hung.resolve();
    await tickFor(15);
    expect(scheduler.lateness().stuck).toEqual([]);
    expect(stuck.starts).toHaveLength(2);
  });

  test('a job that ends soon after its deadline is not stuck', async () => {
    create();
    const obeys: Job['run'] = (_, signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => setTimeout(() => reject(new Error('cancelled')), 50));
      });
    const one = job('obeys', obeys);
    scheduler.add(one);
    await tickFor(60);
    expect(one.starts.length).toBeGreaterThanOrEqual(4);
    expect(onMissed).not.toHaveBeenCalled();
    expect(onError.mock.calls.every(([, error]) => error.code === 'POLL_DEADLINE')).toBe(true);
    expect(log.warn).toHaveBeenCalledTimes(1);
  });

  test.each([
    ['rejects', async () => Promise.reject(new Error('refused'))],
    [
      'throws',
      () => {
        throw new Error('refused');
      },
    ],
  ])('a job that %s is told each time and logged once, and the others go on', async (_, run) => {
    create();
    const bad = job('bad', run);
    const fine = job('fine');
    scheduler.add(bad);
    scheduler.add(fine);
    await tickFor(60);
    expect(bad.starts.length).toBeGreaterThanOrEqual(4);
    expect(fine.starts.length).toBeGreaterThanOrEqual(4);
    expect(onError).toHaveBeenCalledTimes(bad.starts.length);
    expect(log.warn).toHaveBeenCalledTimes(1);
  });

  test('a job that is replaced while it runs does not overlap its successor', async () => {
    create();
    const hung = Promise.withResolvers<void>();
    const old = job('main-db', () => hung.promise);
    scheduler.add(old);
    await tickFor(1);
    const fresh = job('main-db');
    scheduler.add(fresh);
    await tickFor(5);
    expect(fresh.starts).toHaveLength(0);
    hung.resolve();
    await tickFor(25);
    expect(old.starts).toHaveLength(1);
    expect(fresh.starts.length).toBeGreaterThanOrEqual(1);
  });

  test('idle waits for what runs', async () => {
    create();
    const work = Promise.withResolvers<void>();
    scheduler.add(job('main-db', () => work.promise));
    await tickFor(1);
    const done = vi.fn();
    void scheduler.idle().then(done);
    await pass(1000);
    expect(done).not.toHaveBeenCalled();
    work.resolve();
    await pass(100);
    expect(done).toHaveBeenCalled();
  });
});

describe('stopping', () => {
  test('lets a run finish within the grace, and starts no other', async () => {
    create();
    const work = Promise.withResolvers<void>();
    const one = job('main-db', () => work.promise);
    scheduler.add(one);
    scheduler.start();
    await pass(1_000);
    const stopped = vi.fn();
    void scheduler.stop(10_000).then(stopped);
    await pass(5_000);
    expect(stopped).not.toHaveBeenCalled();
    work.resolve();
    await pass(100);
    expect(stopped).toHaveBeenCalled();
    scheduler.tick();
    await pass(60_000);
    expect(one.starts).toHaveLength(1);
    expect(onError).not.toHaveBeenCalled();
  });

  test('aborts what still runs after the grace, and does not wait for what ignores that', async () => {
    create();
    let signal: AbortSignal | undefined;
    scheduler.add(
      job(
        'deaf',
        (_, given) => {
          signal = given;
          return never();
        },
        15_000,
        60_000,
      ),
    );
    scheduler.start();
    await pass(1_000);
    const stopped = vi.fn();
    void scheduler.stop(3_000).then(stopped);
    await pass(2_900);
    expect(signal?.aborted).toBe(false);
    await pass(200);
    expect(signal?.reason).toMatchObject({ code: 'ABORTED' });
    expect(stopped).not.toHaveBeenCalled();
    await pass(500);
    expect(stopped).toHaveBeenCalled();
    expect(onError).not.toHaveBeenCalled();
  });

  test('is immediate when nothing runs', async () => {
    create();
    scheduler.start();
    await scheduler.stop(10_000);
    expect(vi.getTimerCount()).toBe(0);
  });
});

test('a day with clock steps each way: every slot of every job is run, none twice', async () => {
  create();
  const jobs = Array.from({ length: 4 }, (_, i) => job(`job-${i}`, async () => {}, 60_000));
  for (const one of jobs) scheduler.add(one);
  const steps = new Map([
    [4, -HOUR],
    [9, HOUR],
    [14, -24 * HOUR],
    [19, 24 * HOUR],
  ]);
  for (let hour = 0; hour < 24; hour++) {
    clock.set(clock.now() + (steps.get(hour) ?? 0));
    for (let second = 0; second < 3600; second++) {
      clock.advance(1000);
      scheduler.tick();
      // Let the runs end before the next tick.
      await scheduler.idle();
    }
  }
  for (const one of jobs) {
    expect(one.starts.length).toBeGreaterThanOrEqual(1439);
    expect(one.starts.length).toBeLessThanOrEqual(1441);
    for (const gap of gaps(one.starts).slice(1)) expect(gap).toBe(60_000);
  }
  expect(onMissed).not.toHaveBeenCalled();
});
