import { describe, expect, it } from 'vitest';
import { statementsAnswer } from './statement-answer.ts';
import {
  compact,
  cumulative,
  difference,
  pushed,
  type StatementInterval,
  type StatementReading,
  sumOf,
  WIDTH,
} from './statement-deltas.ts';
import { statementSeries } from './statement-series.ts';
import { packStatements, unpackStatements } from './statement-snapshot.ts';

const MINUTE = 60_000;
type Counters = readonly [calls: number, timeMs: number, rows?: number, hit?: number, read?: number, temp?: number];

function reading(
  at: number,
  counters: Readonly<Record<string, Counters>>,
  rest: Partial<StatementReading> = {},
): StatementReading {
  const keys = Object.keys(counters).map((name) => (name.includes('\t') ? name : `${name}\t5\t10\ttrue`));
  const values = new Float64Array(keys.length * WIDTH);
  for (const [row, each] of Object.values(counters).entries()) values.set(each as readonly number[], row * WIDTH);
  return { at, identity: 'a', epoch: 1, statsReset: 'then', dealloc: 0, keys, values, ...rest };
}

function intervalOf(before: StatementReading, after: StatementReading): StatementInterval {
  const delta = difference(before, after);
  if (delta.state !== 'interval') throw new Error('a reset');
  return delta.interval;
}

const byId = (interval: StatementInterval, queryid: string): readonly number[] | undefined => {
  const row = interval.queryids.indexOf(queryid);
  return row < 0 ? undefined : [...interval.values.subarray(row * WIDTH, (row + 1) * WIDTH)];
};

describe('difference', () => {
  it('subtracts, adds up who shares a queryid, leaves out what did not run, and takes what is new whole', () => {
    const before = reading(0, { '1': [10, 100, 10, 20, 2, 0], '1\t6\t11\ttrue': [1, 5], '2': [7, 70] });
    const after = reading(MINUTE, {
      '1': [15, 160, 15, 30, 3, 4],
      '1\t6\t11\ttrue': [3, 9],
      '2': [7, 70],
      '3': [2, 1000],
    });
    const delta = difference(before, after);
    expect(delta).toMatchObject({ state: 'interval', newKeys: ['3\t5\t10\ttrue'] });
    const interval = intervalOf(before, after);
    expect(interval.queryids).toEqual(['3', '1']);
    expect(byId(interval, '1')).toEqual([7, 64, 5, 10, 1, 4]);
    expect(byId(interval, '3')).toEqual([2, 1000, 0, 0, 0, 0]);
    expect(interval).toMatchObject({ from: 0, to: MINUTE, totalMs: 1064, totalCalls: 9, evicted: 0 });
  });

  it.each([
    ['another server', { identity: 'b' }, false],
    ['a restart or another role', { epoch: 2 }, false],
    ['a reset of the statistics', { statsReset: 'now' }, true],
    ['a clock that went back', { at: -1 }, false],
  ])('gives nothing over %s', (_, rest, statistics) => {
    const before = reading(0, { '1': [10, 100] });
    expect(difference(before, reading(MINUTE, { '1': [12, 120] }, rest))).toEqual({ state: 'reset', statistics });
  });

  it('takes a counter that fell for a reset, unless evictions explain it', () => {
    const before = reading(0, { '1': [10, 100], '2': [1, 1] });
    const fell = { '1': [3, 30] as const, '2': [2, 2] as const };
    expect(difference(before, reading(MINUTE, fell))).toEqual({ state: 'reset', statistics: true });
    const old = { statsReset: null, dealloc: null };
    expect(difference({ ...before, ...old }, reading(MINUTE, fell, old))).toEqual({ state: 'reset', statistics: true });
    const evicted = intervalOf(before, reading(MINUTE, fell, { dealloc: 2 }));
    expect(byId(evicted, '1')).toEqual([3, 30, 0, 0, 0, 0]);
    expect(evicted.evicted).toBe(2);
  });

  it('calls nothing new while entries are being evicted: it may have been there before', () => {
    const delta = difference(
      reading(0, { '1': [1, 1] }),
      reading(MINUTE, { '1': [1, 1], '2': [1, 9] }, { dealloc: 1 }),
    );
    expect(delta).toMatchObject({ state: 'interval', newKeys: [], interval: { totalMs: 9 } });
  });

  it('compares with a reading of an earlier process, whose epochs mean nothing now', () => {
    const before = reading(0, { '1': [1, 1] }, { epoch: null });
    expect(difference(before, reading(MINUTE, { '1': [2, 3] })).state).toBe('interval');
  });
});

describe('the ring', () => {
  const long = (at: number, count: number): StatementInterval => {
    const ids = Array.from({ length: count }, (_, n) => n);
    return {
      from: at,
      to: at + MINUTE,
      totalMs: ids.length,
      totalCalls: ids.length,
      evicted: 0,
      queryids: ids.map(String),
      // Most time first; most calls last.
      values: Float64Array.from(ids.flatMap((n) => [n + 1, count - n, 0, 0, 0, 0])),
    };
  };

  it('keeps the statements with most time and those with most calls, and the totals of all', () => {
    const kept = compact(long(0, 300));
    expect(kept.queryids).toHaveLength(100);
    expect(kept.queryids).toEqual(expect.arrayContaining(['0', '49', '250', '299']));
    expect(kept.totalCalls).toBe(300);
    expect(byId(kept, '299')).toEqual([300, 1, 0, 0, 0, 0]);
  });

  it('forgets what is older than an hour', () => {
    let ring: readonly StatementInterval[] = [];
    for (let minute = 0; minute < 90; minute += 1) ring = pushed(ring, long(minute * MINUTE, 1), (minute + 1) * MINUTE);
    expect(ring).toHaveLength(60);
    expect(sumOf(ring).coveredMs).toBe(60 * MINUTE);
  });
});

describe('the answer', () => {
  const readings = Array.from({ length: 14 }, (_, minute) =>
    reading(minute * MINUTE, { '1': [100 + minute * 3, 1000 + minute * 30, 0, minute * 6, 0, 0] }),
  );
  const steady = readings.slice(1).map((after, index) => intervalOf(readings[index] as StatementReading, after));
  const slow = intervalOf(
    readings[13] as StatementReading,
    reading(14 * MINUTE, { '1': [149, 3390, 10, 178, 20, 5], '2': [30, 300] }),
  );
  const lifetime = new Map([
    ['1', Float64Array.of(149, 3390, 10, 178, 20, 5)],
    ['2', Float64Array.of(30, 300, 0, 0, 0, 0)],
  ]);
  const ask = (intervals: readonly StatementInterval[], from: number, to: number) =>
    statementsAnswer(
      { intervals, lifetime, firstSeenAt: (id) => (id === '2' ? 13.5 * MINUTE : null), statsResetAt: null },
      { from, to },
    );

  it('compares a statement with the rolling baseline, and a new one with nothing', () => {
    const answer = ask([...steady, slow], 13 * MINUTE, 14 * MINUTE);
    expect(answer).toMatchObject({ from: 13 * MINUTE, to: 14 * MINUTE, totalCalls: 40, totalMs: 2300, evicted: 0 });
    expect(answer?.totalMsPerSecondBefore).toBeCloseTo(0.5);
    expect(answer?.top[0]).toMatchObject({
      queryid: '1',
      calls: 10,
      meanMs: 200,
      share: 2000 / 2300,
      rowsPerCall: 1,
      blocksPerCall: 12,
      blocksReadPerCall: 2,
      tempBlocksPerCall: 0.5,
      firstSeenAt: null,
      before: { basis: 'baseline', calls: 39, meanMs: 10, callsPerSecond: 0.05, blocksPerCall: 2 },
    });
    expect(answer?.top[1]).toMatchObject({
      queryid: '2',
      before: { basis: 'none', calls: 0 },
      firstSeenAt: 13.5 * MINUTE,
    });
  });

  it('takes the whole life before the window while the ring is short', () => {
    const answer = ask([...steady.slice(-3), slow], 13 * MINUTE, 14 * MINUTE);
    expect(answer?.top[0]?.before).toMatchObject({ basis: 'lifetime', calls: 139, meanMs: 10, callsPerSecond: null });
  });

  it('does not count what came after the window as life before it', () => {
    const answer = ask([...steady.slice(-3), slow], 12 * MINUTE, 13 * MINUTE);
    expect(answer?.top[0]?.before).toMatchObject({ basis: 'lifetime', calls: 136 });
  });

  it('is null for a window that no interval touches', () => {
    expect(ask([...steady, slow], 15 * MINUTE, 16 * MINUTE)).toBeNull();
    expect(ask([], 0, MINUTE)).toBeNull();
  });
});

describe('the series', () => {
  it('follow at most 60 statements: those with most time, then those that were', () => {
    const first = Object.fromEntries(Array.from({ length: 200 }, (_, n) => [String(n), [10, 10] as const]));
    const run = (at: number, ids: (n: number) => boolean, from: StatementReading) => {
      const counters = from.keys.map((key, row): [string, Counters] => {
        const n = Number(key.split('\t')[0]);
        const calls = from.values[row * WIDTH] ?? 0;
        return [String(n), ids(n) ? [calls + 1, calls * 10 + n] : [calls, from.values[row * WIDTH + 1] ?? 0]];
      });
      return reading(at, Object.fromEntries(counters));
    };
    let tracked: ReadonlyMap<string, number> = new Map();
    let last = reading(0, first);
    let shown: ReadonlySet<string | undefined> = new Set();
    for (const [minute, ids] of [(n: number) => n < 100, (n: number) => n >= 50, () => true].entries()) {
      const next = run((minute + 1) * MINUTE, ids, last);
      const made = statementSeries({
        target: 'main-db',
        periodMs: MINUTE,
        interval: intervalOf(last, next),
        reading: next,
        tracked,
        firstSeenAt: () => null,
      });
      tracked = made.tracked;
      last = next;
      shown = new Set(made.series.map(({ labels }) => labels['queryid']));
      expect(made.series.every(({ values }) => Number.isFinite(values[0]))).toBe(true);
    }
    shown = new Set([...shown].filter((id) => id !== undefined));
    expect(shown.size).toBeLessThanOrEqual(60);
    expect(shown.size).toBeGreaterThan(30);
    expect(tracked.size).toBeLessThanOrEqual(200);
  });
});

describe('the snapshot', () => {
  const state = {
    last: reading(0, { '1': [1, 2.5, 3, 4, 5, 6], '-9223372036854775808': [7, 8] }, { epoch: null }),
    ring: [intervalOf(reading(0, { '1': [1, 1] }), reading(MINUTE, { '1': [3, 9] }))],
    known: new Map([
      ['1\t5\t10\ttrue', null],
      ['2\t5\t10\ttrue', 1234],
    ]),
    tracked: new Map([['1', MINUTE]]),
  };

  it('comes back as it was, through JSON', () => {
    expect(unpackStatements(JSON.parse(JSON.stringify(packStatements(state))))).toEqual(state);
    expect(cumulative(state.last).get('1')).toEqual(Float64Array.of(1, 2.5, 3, 4, 5, 6));
  });

  it.each([null, 'x', {}, { version: 2 }, { version: 1, keys: 'a', values: '' }])('ignores %j', (broken) => {
    expect(unpackStatements(broken)).toBeNull();
  });
});
