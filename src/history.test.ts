import { pino } from 'pino';
import { expect, test, vi } from 'vitest';
import { createHistoryReader } from './history.ts';
import type { Source } from './model/index.ts';
import { manualClock } from './schedule/clock.ts';

const DAY = 86_400_000;
const T0 = Date.UTC(2026, 10, 23, 14, 0, 0);

const sourceOf = (targets: readonly string[], hasHistory = true): Source =>
  ({ name: 'cloudwatch', groups: ['cloudwatch'], targets, ...(hasHistory ? { history: () => [] } : {}) }) as never;

interface Call {
  readonly from: number;
  readonly settle: (error?: Error) => void;
}

function setUp(known: readonly string[], savedAt: number | null, source = sourceOf(['api', 'search'])) {
  const clock = manualClock(T0);
  const calls: Call[] = [];
  const reader = createHistoryReader({
    ...clock,
    log: pino({ level: 'silent' }),
    sources: [source],
    savedAt,
    isKnown: (target) => known.includes(target),
    read: (_source, from) =>
      new Promise((resolve, reject) => {
        calls.push({ from, settle: (error) => (error === undefined ? resolve(1) : reject(error)) });
      }),
    stopping: new AbortController().signal,
  });
  const released: string[] = [];
  reader.start(({ name }) => released.push(name));
  return { clock, calls, reader, released };
}

const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 5; turn++) await Promise.resolve();
};

test.each([
  ['the first start', [], null, T0 - 14 * DAY],
  ['a restart after a night', ['api', 'search'], T0 - DAY, T0 - DAY],
  ['a restart with a service that is new in the configuration', ['api'], T0 - DAY, T0 - 14 * DAY],
  ['a restart after a month', ['api', 'search'], T0 - 30 * DAY, T0 - 14 * DAY],
])('%s', (_name, known, savedAt, from) => {
  expect(setUp(known, savedAt).calls.map((call) => call.from)).toEqual([from]);
});

test('after a short stop, and of a source without history, nothing is read', () => {
  for (const { calls, released } of [setUp(['api', 'search'], T0 - 60_000), setUp([], null, sourceOf([], false))]) {
    expect(calls).toEqual([]);
    expect(released).toEqual(['cloudwatch']);
  }
});

test('polls begin as soon as it is read', async () => {
  const { calls, reader, released } = setUp([], null);
  expect(reader.holding()).toEqual(['cloudwatch']);
  expect(released).toEqual([]);
  calls[0]!.settle();
  await turns();
  expect(reader.holding()).toEqual([]);
  expect(released).toEqual(['cloudwatch']);
});

test('they wait for a minute at most, and begin once', async () => {
  vi.useFakeTimers();
  try {
    const { clock, calls, reader, released } = setUp([], null);
    clock.advance(60_000);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(reader.holding()).toEqual([]);
    expect(released).toEqual(['cloudwatch']);
    calls[0]!.settle();
    await turns();
    expect(released).toEqual(['cloudwatch']);
  } finally {
    vi.useRealTimers();
  }
});

test('what failed is read again, later each time, and from the same time on', async () => {
  const { clock, calls, reader, released } = setUp([], null);
  calls[0]!.settle(new Error('denied'));
  await turns();
  expect(released).toEqual(['cloudwatch']);
  reader.retry();
  expect(calls).toHaveLength(1);
  clock.advance(10 * 60_000);
  reader.retry();
  expect(calls.map((call) => call.from)).toEqual([T0 - 14 * DAY, T0 - 14 * DAY]);
  calls[1]!.settle(new Error('denied'));
  await turns();
  clock.advance(10 * 60_000);
  reader.retry();
  expect(calls).toHaveLength(2);
  clock.advance(10 * 60_000);
  reader.retry();
  calls[2]!.settle();
  await turns();
  clock.advance(DAY);
  reader.retry();
  expect(calls).toHaveLength(3);
});
