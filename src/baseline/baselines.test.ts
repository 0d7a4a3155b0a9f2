import { describe, expect, test } from 'vitest';
import type { Labels, Series, Unit } from '../model/index.ts';
import { createBaselines } from './baselines.ts';
import type { BaselineOptions, Baselines } from './types.ts';

const START = Date.UTC(2026, 10, 23);
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const PERIOD = 15 * SECOND;
const NONE: Labels = {};

interface Where {
  readonly target?: string;
  readonly signal?: string;
  readonly labels?: Labels;
  readonly unit?: Unit;
  readonly periodMs?: number;
}

function series(points: readonly (readonly [number, number])[], where: Where = {}): Series {
  const { target = 'main-db', signal = 'blocked_sessions', labels = NONE, unit = 'count', periodMs = PERIOD } = where;
  const times = Float64Array.from(points, ([at]) => at);
  return { target, signal, labels, unit, periodMs, times, values: Float64Array.from(points, ([, value]) => value) };
}

function baselines(options: Partial<BaselineOptions> = {}): Baselines {
  return createBaselines({ learningHorizonMs: 15 * MINUTE, ...options });
}

/** Polls each 15 s in (from, to], as the daemon does: observe, then learn. */
function poll(b: Baselines, from: number, to: number, value: (at: number) => number, where: Where = {}): void {
  for (let now = from + PERIOD; now <= to; now += PERIOD) {
    b.observe([series([[now, value(now)]], where)], now);
    b.learn(now);
  }
}

const band = (b: Baselines, at: number) => b.expected('main-db', 'blocked_sessions', NONE, at);
const wave = (at: number): number => 10 + 2 * Math.sin(at / 700_000);

test('nothing is expected of an unknown series, and of a known one not before the warm-up', () => {
  const b = baselines();
  expect(band(b, START)).toMatchObject({ ready: false, profile: 'none' });
  // An hour of closed buckets, and the learning horizon.
  poll(b, START, START + 75 * MINUTE, wave);
  expect(band(b, START + 75 * MINUTE).ready).toBe(false);
  poll(b, START + 75 * MINUTE, START + 76 * MINUTE, wave);
  expect(band(b, START + 76 * MINUTE)).toMatchObject({ ready: true, profile: 'last_24h' });
});

test('a sample is judged by the band from before it was learned', () => {
  const b = baselines();
  const now = START + 3 * HOUR;
  poll(b, START, now, () => 10);
  b.observe([series([[now + PERIOD, 500]])], now + PERIOD);
  const sample = b.readings('main-db', 'blocked_sessions', now + PERIOD)[0]!.samples.at(-1)!;
  expect(sample).toMatchObject({ at: now + PERIOD, value: 500, band: { expected: 10, lower: 8.5, upper: 11.5 } });
});

test('history that is given at once makes the band ready at once', () => {
  const b = baselines();
  const now = START + 24 * HOUR;
  const points = Array.from({ length: 24 * 60 }, (_, i) => [START + i * MINUTE, 10] as const);
  b.observe([series(points, { periodMs: MINUTE })], now);
  b.learn(now);
  expect(band(b, now)).toMatchObject({ ready: true, expected: 10 });
  expect(b.readings('main-db', 'blocked_sessions', now)[0]!.samples).toHaveLength(59);
});

describe('an incident', () => {
  const healthy = START + 6 * HOUR;
  const over = healthy + 3 * HOUR;
  const incident = (): { b: Baselines; before: object } => {
    const b = baselines();
    poll(b, START, healthy, wave);
    b.freeze('main-db', healthy);
    // What was still to be learned of the time before is learned first.
    poll(b, healthy, healthy + 20 * MINUTE, () => 80);
    const before = band(b, healthy);
    poll(b, healthy + 20 * MINUTE, over, () => 80);
    return { b, before };
  };

  test('leaves the band as it is while its target is frozen', () => {
    const { b, before } = incident();
    expect(band(b, over)).toBe(before);
  });

  test('leaves the band as it is after the thaw, with what was waiting for the horizon', () => {
    const { b, before } = incident();
    b.thaw('main-db', false);
    // 15 minutes later the last frozen sample has passed the horizon; only then new ones are learned.
    poll(b, over, over + 14 * MINUTE, wave);
    expect(band(b, over)).toBe(before);
    poll(b, over + 14 * MINUTE, over + 6 * HOUR, wave);
    expect(band(b, over).upper).toBeLessThan(20);
    expect(band(b, over)).not.toBe(before);
  });

  test('is learned when it is accepted as the new level', () => {
    const { b } = incident();
    poll(b, over, over + 21 * HOUR, () => 80);
    expect(band(b, over).expected).toBeLessThan(15);
    b.thaw('main-db', true);
    expect(band(b, over + 21 * HOUR).expected).toBe(80);
  });

  test('of a few minutes loses nothing of the time before it', () => {
    const calm = baselines();
    const shaken = baselines();
    for (const b of [calm, shaken]) poll(b, START, healthy, wave);
    // The sample of that very time was still a good one.
    shaken.freeze('main-db', healthy + 1);
    poll(shaken, healthy, healthy + 5 * MINUTE, () => 80);
    shaken.thaw('main-db', false);
    // The calm one is just not asked in those five minutes.
    for (const b of [calm, shaken]) poll(b, healthy + 5 * MINUTE, healthy + 2 * HOUR, wave);
    expect(band(shaken, healthy + 2 * HOUR)).toEqual(band(calm, healthy + 2 * HOUR));
  });

  test('on one target leaves the others learning', () => {
    const b = baselines();
    b.freeze('other', START);
    poll(b, START, START + 2 * HOUR, wave);
    expect(band(b, START + 2 * HOUR).ready).toBe(true);
  });

  test('frozen twice begins at the earlier time, and one thaw ends it', () => {
    const b = baselines();
    poll(b, START, healthy, wave);
    b.freeze('main-db', healthy);
    b.freeze('main-db', healthy - 10 * MINUTE);
    b.freeze('main-db', healthy + 10 * MINUTE);
    b.thaw('main-db', false);
    b.thaw('main-db', true);
    const before = band(b, healthy);
    poll(b, healthy, healthy + 14 * MINUTE, () => 80);
    expect(band(b, healthy).upper).toBeLessThanOrEqual((before as { upper: number }).upper * 1.1);
    poll(b, healthy + 14 * MINUTE, healthy + 24 * HOUR, () => 80);
    expect(band(b, healthy + 24 * HOUR).expected).toBe(80);
  });
});

describe('samples', () => {
  const now = START + 30 * MINUTE;
  const values = (b: Baselines, at = now) =>
    b.readings('main-db', 'blocked_sessions', at)[0]?.samples.map((sample) => [sample.at - START, sample.value]);

  test('come late, twice and out of order, and the state is that of an orderly run', () => {
    const orderly = baselines();
    const messy = baselines();
    const end = START + 3 * HOUR;
    const at = Array.from({ length: 720 }, (_, i) => START + (i + 1) * PERIOD);
    for (const [i, time] of at.entries()) {
      orderly.observe([series([[time, wave(time)]])], time);
      // Pairs come swapped, and each is told twice more, first with a value that moves later.
      const partner = at[i ^ 1]!;
      const told =
        partner <= time
          ? [
              [partner, wave(partner)],
              [time, wave(time)],
            ]
          : [[time, -5]];
      messy.observe([series(told.reverse() as [number, number][]), series(told as [number, number][])], time);
      orderly.learn(time);
      messy.learn(time);
    }
    expect(values(messy, end)).toEqual(values(orderly, end));
    expect(band(messy, end)).toEqual(band(orderly, end));
  });

  test('that are not finite are dropped and counted', () => {
    const b = baselines();
    const bad = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    b.observe([series([...bad.map((value) => [START, value] as const), [Number.NaN, 1], [START + 1, 1e308]])], now);
    expect(values(b)).toEqual([[1, 1e308]]);
    expect(b.stats().samplesDropped).toBe(4);
  });

  test('that move are judged again by the band of now and replaced', () => {
    const b = baselines();
    const end = START + 2 * HOUR;
    poll(b, START, end, () => 10);
    b.observe([series([[end - 5 * MINUTE, 400]])], end);
    const { samples } = b.readings('main-db', 'blocked_sessions', end)[0]!;
    expect(samples.find((sample) => sample.at === end - 5 * MINUTE)).toMatchObject({
      value: 400,
      band: { upper: 11.5 },
    });
    expect(samples).toHaveLength(240);
  });

  test('older than an hour are not in a reading, and a series without others is not there', () => {
    const b = baselines();
    b.observe(
      [
        series([
          [START, 1],
          [START + 10 * MINUTE, 2],
        ]),
      ],
      START + 10 * MINUTE,
    );
    expect(values(b, START + 60 * MINUTE)).toEqual([[10 * MINUTE, 2]]);
    expect(values(b, START + 70 * MINUTE)).toBeUndefined();
    expect(b.allReadings(START + 70 * MINUTE)).toEqual([]);
  });

  test('of a wrong clock are gone when the clock is set back, and learning goes on', () => {
    const b = baselines();
    poll(b, START, START + 4 * HOUR, () => 10);
    const back = START + 3 * HOUR;
    poll(b, back, back + 5 * MINUTE, () => 12);
    const [reading] = b.readings('main-db', 'blocked_sessions', back + 5 * MINUTE);
    expect(reading).toMatchObject({ freshness: 'present' });
    expect(reading!.samples.at(-1)).toMatchObject({ at: back + 5 * MINUTE, value: 12 });
    poll(b, back + 5 * MINUTE, back + 24 * HOUR, () => 12);
    expect(band(b, back + 24 * HOUR).expected).toBe(12);
  });

  test('of a clock that was a year ahead do not stop learning', () => {
    const b = baselines();
    poll(b, START + 365 * 24 * HOUR, START + 365 * 24 * HOUR + HOUR, () => 99);
    poll(b, START, START + 26 * HOUR, () => 10);
    expect(band(b, START + 26 * HOUR)).toMatchObject({ ready: true, expected: 10 });
  });
});

describe('points that are sent again', () => {
  const end = START + 3 * HOUR;
  const healthy = (): Baselines => {
    const b = baselines();
    poll(b, START, end, () => 10);
    return b;
  };
  const sample = (b: Baselines, at: number) =>
    b.readings('main-db', 'blocked_sessions', at + 10 * MINUTE)[0]!.samples.find((one) => one.at === at)!;

  test('with the same value keep the band with which they were first judged', () => {
    const b = healthy();
    const at = end - PERIOD;
    const first = sample(b, at).band;
    for (let now = end + PERIOD; now <= end + 10 * MINUTE; now += PERIOD) {
      b.observe(
        [
          series([
            [at, 10],
            [now, 10],
          ]),
        ],
        now,
      );
      b.learn(now);
    }
    expect(b.expected('main-db', 'blocked_sessions', NONE, at)).not.toEqual(first);
    expect(sample(b, at).band).toEqual(first);
    b.observe([series([[at, 11]])], end + 10 * MINUTE);
    expect(sample(b, at)).toMatchObject({ value: 11 });
    expect(sample(b, at).band).toEqual(b.expected('main-db', 'blocked_sessions', NONE, at));
  });

  test('that nothing was known of are judged as soon as there is a band', () => {
    const b = baselines();
    const at = START + 70 * MINUTE;
    poll(b, START, at, () => 10);
    expect(b.readings('main-db', 'blocked_sessions', at)[0]!.samples.at(-1)!.band.ready).toBe(false);
    poll(b, at, START + 77 * MINUTE, () => 10);
    b.observe([series([[at, 10]])], START + 77 * MINUTE);
    expect(sample(b, at).band).toMatchObject({ ready: true, expected: 10 });
  });
});

describe('history', () => {
  const DAY = 24 * HOUR;
  const now = START + 14 * DAY;
  const MINUTELY = { periodMs: MINUTE };
  const curve = (at: number): number => 100 - 40 * Math.cos((2 * Math.PI * (at - START)) / DAY);
  const history = (from: number, to: number, periodMs = 5 * MINUTE): Series =>
    series(
      Array.from(
        { length: (to - from) / periodMs },
        (_, i) => [from + i * periodMs, curve(from + i * periodMs)] as const,
      ),
      { periodMs },
    );
  const live = (b: Baselines, from: number, to: number): void => {
    for (let at = from + MINUTE; at <= to; at += MINUTE) {
      const points = Array.from(
        { length: 15 },
        (_, i) => [at - (14 - i) * MINUTE, curve(at - (14 - i) * MINUTE)] as const,
      );
      b.observe([series(points, MINUTELY)], at);
      b.learn(at);
    }
  };
  const expectProfile = (b: Baselines, at: number): void => {
    expect(band(b, at)).toMatchObject({ ready: true, profile: 'hour_of_day' });
    expect(Math.abs(band(b, at).expected / curve(at + 2.5 * MINUTE) - 1)).toBeLessThan(0.02);
  };

  test('gives the profile of the hours at once, before or after the first polls, whole or in portions', () => {
    const whole = baselines();
    whole.backfill([history(START, now)], now);
    const late = baselines();
    live(late, now - 30 * MINUTE, now);
    late.backfill([history(START, now)], now);
    const portions = baselines();
    live(portions, now - 30 * MINUTE, now);
    for (let day = 0; day < 14; day++) {
      portions.backfill([history(START + day * DAY, START + (day + 1) * DAY)], now + day * 10 * SECOND);
      live(portions, now + day * 10 * SECOND - MINUTE, now + day * 10 * SECOND);
    }
    for (const b of [whole, late, portions]) {
      expectProfile(b, now);
      // What was polled before the history has a band too.
      const samples = b.allReadings(now)[0]?.samples ?? [];
      expect(samples.every((one) => one.band.ready)).toBe(true);
      live(b, now + 3 * MINUTE, now + 3 * HOUR);
      expectProfile(b, now + 3 * HOUR);
      expect(b.stats().samplesDropped).toBe(0);
    }
  });

  test('that was learned already is passed over', () => {
    const b = baselines();
    b.backfill([history(START, now)], now);
    const before = b.snapshot();
    b.backfill([history(START + 5 * DAY, START + 6 * DAY)], now);
    expect(Buffer.compare(b.snapshot(), before)).toBe(0);
  });

  test('fills the gap of a restart', () => {
    const [steady, restarted] = [baselines(), baselines()];
    for (const b of [steady, restarted]) b.backfill([history(START, now - 6 * HOUR, MINUTE)], now - 6 * HOUR);
    steady.backfill([history(now - 6 * HOUR, now, MINUTE)], now);
    const resumed = baselines();
    resumed.restore(restarted.snapshot());
    resumed.backfill([history(now - 6 * HOUR, now, MINUTE)], now);
    expect(band(resumed, now)).toEqual(band(steady, now));
  });

  test('of the last hour is in the readings, and what was polled stays', () => {
    const b = baselines();
    b.observe([series([[now - 3 * MINUTE, 1]], MINUTELY)], now);
    b.backfill([history(now - 2 * HOUR, now, MINUTE)], now);
    const [reading] = b.readings('main-db', 'blocked_sessions', now);
    expect(reading!.samples).toHaveLength(59);
    expect(reading!.samples.find((one) => one.at === now - 3 * MINUTE)!.value).toBe(1);
    expect(reading!.samples.find((one) => one.at === now - 5 * MINUTE)!.value).toBe(curve(now - 5 * MINUTE));
  });

  test('under a freeze is not learned', () => {
    const b = baselines();
    b.backfill([history(START, now - 4 * HOUR)], now - 4 * HOUR);
    b.freeze('main-db', now - 4 * HOUR);
    const before = band(b, now);
    b.backfill(
      [
        series(
          [
            [now - 2 * HOUR, 9999],
            [now - HOUR, 9999],
          ],
          { periodMs: 5 * MINUTE },
        ),
      ],
      now,
    );
    expect(band(b, now)).toEqual(before);
  });

  test('follows the clock of the zone that it is told', () => {
    const b = baselines({ timeZone: 'America/New_York' });
    b.backfill([history(START, now)], now);
    expectProfile(b, now);
    expect(() => baselines({ timeZone: 'Mars/Olympus' })).toThrow(RangeError);
  });
});

test('the latest of each series is its newest sample alone', () => {
  const b = baselines();
  const now = START + 2 * HOUR;
  poll(b, START, now, wave);
  poll(b, START, START + 50 * MINUTE, wave, { signal: 'silent' });
  const [latest, ...others] = b.latest(now);
  const [whole] = b.readings('main-db', 'blocked_sessions', now);
  expect(latest).toEqual({ ...whole, samples: whole!.samples.slice(-1) });
  expect(others).toEqual([]);
});

test('readings come sorted by labels, each with its own freshness', () => {
  const b = baselines();
  const now = START + 10 * MINUTE;
  b.observe(
    [
      series([[now - 40 * SECOND, 2]], { labels: { standby: 'b', zone: '1' } }),
      series([[now, 1]], { labels: { standby: 'a' } }),
      series([[now - 70 * SECOND, 3]], { labels: { standby: 'c' } }),
      series([[now - 5 * MINUTE, 3]], { labels: { standby: 'd' } }),
      series([[now, 9]], { signal: 'other' }),
    ],
    now,
  );
  const got = b
    .readings('main-db', 'blocked_sessions', now)
    .map(({ labels, freshness }) => [labels.standby, freshness]);
  expect(got).toEqual([
    ['a', 'present'],
    ['b', 'late'],
    ['c', 'missing'],
    ['d', 'absent'],
  ]);
  expect(b.allReadings(now)).toHaveLength(5);
  // The order in which labels are named does not make another series.
  b.observe([series([[now, 4]], { labels: { zone: '1', standby: 'b' } })], now);
  expect(b.allReadings(now)).toHaveLength(5);
});

describe('the cap', () => {
  const many = (count: number, target = 'main-db'): Series[] =>
    Array.from({ length: count }, (_, i) => series([[START, 1]], { target, labels: { queryid: String(i) } }));

  test.each([
    ['of one target', { seriesCapPerTarget: 10 }, 10],
    ['of all', { seriesCap: 10 }, 10],
  ])('%s drops further series and counts them', (_, options, kept) => {
    const b = baselines(options);
    b.observe(many(13), START);
    b.observe(many(13), START);
    expect(b.stats()).toMatchObject({ series: kept, dropped: 6 });
  });

  test('makes room for new series where old ones have not been seen for an hour', () => {
    const b = baselines({ seriesCap: 10 });
    b.observe(many(10), START);
    const later = START + 61 * MINUTE;
    b.observe([series([[later, 1]], { labels: { queryid: 'new' } })], later);
    expect(b.stats()).toMatchObject({ series: 1, dropped: 0 });
  });
});

describe('a snapshot', () => {
  const end = START + 5 * HOUR;
  const filled = (): Baselines => {
    const b = baselines();
    poll(b, START, end - 2 * HOUR, wave);
    poll(b, START, end, wave, { target: 'replica', signal: 'lag', unit: 's', labels: { standby: 'ü "1"' } });
    b.freeze('main-db', end - HOUR);
    poll(b, end - 2 * HOUR, end, wave);
    return b;
  };

  test('restores the same bands, samples and freezes', () => {
    const a = filled();
    const b = baselines();
    expect(b.restore(a.snapshot())).toEqual({ state: 'restored', series: 2 });
    expect(
      b.allReadings(end).map(({ samples, ...rest }) => [rest, samples.map(({ at, value }) => [at, value])]),
    ).toEqual(a.allReadings(end).map(({ samples, ...rest }) => [rest, samples.map(({ at, value }) => [at, value])]));
    for (const one of [a, b]) {
      poll(one, end, end + HOUR, () => 80);
      one.thaw('main-db', true);
      poll(one, end + HOUR, end + 2 * HOUR, wave);
    }
    expect(band(b, end + 2 * HOUR)).toEqual(band(a, end + 2 * HOUR));
    expect(b.expected('replica', 'lag', { standby: 'ü "1"' }, end)).toEqual(
      a.expected('replica', 'lag', { standby: 'ü "1"' }, end),
    );
    expect(Buffer.compare(b.snapshot(), a.snapshot())).toBe(0);
  });

  test('in parts is the same put together, wherever its bytes lie', () => {
    const a = filled();
    const parts = [...a.snapshotParts(1)];
    expect(parts).toHaveLength(3);
    expect(Math.max(...parts.map((part) => part.length))).toBeLessThan(a.snapshot().length * 0.7);
    const odd = Buffer.concat([new Uint8Array(1), ...parts]).subarray(1);
    const b = baselines();
    expect(b.restore(odd)).toEqual({ state: 'restored', series: 2 });
    expect(Buffer.compare(b.snapshot(), a.snapshot())).toBe(0);
    expect(baselines().restore(Buffer.concat(parts.slice(0, 2)))).toEqual({ state: 'ignored', because: 'damaged' });
    expect(baselines().restore(Buffer.concat(parts.slice(1)))).toEqual({ state: 'ignored', because: 'damaged' });
  });

  test('between whose parts samples come and a freeze ends is one of moments that were', () => {
    const a = filled();
    const parts: Uint8Array[] = [];
    for (const part of a.snapshotParts(1)) {
      parts.push(part);
      if (parts.length > 1) continue;
      a.thaw('main-db', false);
      poll(a, end, end + HOUR, wave, { target: 'replica', signal: 'lag', unit: 's', labels: { standby: 'ü "1"' } });
      poll(a, end, end + HOUR, wave, { target: 'later' });
    }
    const b = baselines();
    expect(b.restore(Buffer.concat(parts))).toEqual({ state: 'restored', series: 2 });
    // Nothing that was held under the freeze is left to be learned at the end of another.
    b.freeze('main-db', end + HOUR);
    const before = band(b, end);
    b.thaw('main-db', true);
    expect(band(b, end)).toEqual(before);
    expect(b.readings('main-db', 'blocked_sessions', end)[0]?.samples.at(-1)?.at).toBe(end);
    expect(b.readings('replica', 'lag', end + HOUR)[0]?.samples.at(-1)?.at).toBe(end + HOUR);
  });

  test.each([
    ['empty', () => new Uint8Array(0), 'damaged'],
    ['cut off', (bytes: Uint8Array) => bytes.subarray(0, bytes.length - 9), 'damaged'],
    ['of another program', () => new TextEncoder().encode('SQLite format 3, and more'), 'damaged'],
    [
      'flipped in a bit',
      (bytes: Uint8Array) => bytes.with(bytes.length >> 1, bytes[bytes.length >> 1]! ^ 4),
      'damaged',
    ],
    ['of another version', (bytes: Uint8Array) => bytes.with(4, 99), 'version'],
  ])('that is %s is ignored and says so', (_, spoil, because) => {
    const bytes = spoil(new Uint8Array(filled().snapshot()));
    const b = baselines();
    poll(b, START, START + 2 * HOUR, wave);
    const before = band(b, START + 2 * HOUR);
    expect(b.restore(bytes)).toEqual({ state: 'ignored', because });
    expect(band(b, START + 2 * HOUR)).toBe(before);
  });
});

test('1,000 series of a minute over 24 h stay below 5.5 KB each, with the samples of the last hour', () => {
  const b = baselines();
  const count = 1000;
  const labels = Array.from({ length: count }, (_, i) => ({ queryid: String(i) }));
  for (let now = START; now <= START + 24 * HOUR; now += 15 * MINUTE) {
    const points = Array.from({ length: 15 }, (_, i) => [now - (14 - i) * MINUTE, wave(now)] as const);
    const one = series(points, { periodMs: MINUTE });
    b.observe(
      labels.map((own) => ({ ...one, labels: own })),
      now,
    );
    b.learn(now);
  }
  expect(b.stats().bytes / count).toBeLessThan(5632);
  expect(b.snapshot().length / count).toBeLessThan(5632);
});
