import { describe, expect, test } from 'vitest';
import type { Band } from '../model/index.ts';
import { absorbEngine, createEngine, type Engine, expectedAt, learnValues, restoreState, stateOf } from './engine.ts';
import { createZone } from './zone.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** A Monday, months from any change of the clock. */
const START = Date.UTC(2026, 6, 6);

/** mulberry32 and Box–Muller: the same normal values at every run. */
function normal(seed: number): () => number {
  let state = seed;
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return () => Math.sqrt(-2 * Math.log(uniform() || 1e-12)) * Math.cos(2 * Math.PI * uniform());
}

type Curve = (at: number) => number;

function engineIn(timeZone: string, unit: 's' | 'count' = 's'): Engine {
  return createEngine({ unit, warmupBuckets: 12, zone: createZone(timeZone) });
}

/** One value each `periodMs` in [from, to), with normal noise of that share of the curve. */
function feed(to: Engine, from: number, until: number, periodMs: number, curve: Curve, noise: () => number): void {
  const times = Float64Array.from({ length: Math.floor((until - from) / periodMs) }, (_, i) => from + i * periodMs);
  learnValues(
    to,
    times,
    times.map((at) => curve(at) * (1 + 0.05 * noise())),
    periodMs,
  );
}

/** Bands at every five minutes in [from, to), read before that hour is learned. */
function bands(engine: Engine, from: number, until: number): readonly (readonly [number, Band])[] {
  const result: (readonly [number, Band])[] = [];
  for (let at = from; at < until; at += 5 * MINUTE) result.push([at, expectedAt(engine, at)]);
  return result;
}

/** ±40 % over the day of a zone, least at three in the morning. */
function daily(timeZone: string): Curve {
  const zone = createZone(timeZone);
  return (at) => 100 * (1 - 0.4 * Math.cos((2 * Math.PI * (at + zone(at) - 3 * HOUR)) / DAY));
}

/** The level within 5 % of what is true, and the ends of the band within 10 % of three deviations to each side. */
function expectTrue([at, band]: readonly [number, Band], curve: Curve, ends = 0.1): void {
  const truth = curve(at + 2.5 * MINUTE);
  expect(Math.abs(band.expected / truth - 1), `level at ${new Date(at).toISOString()}`).toBeLessThan(0.05);
  expect(Math.abs(band.upper / (1.15 * truth) - 1), `upper at ${new Date(at).toISOString()}`).toBeLessThan(ends);
  expect(Math.abs(band.lower / (0.85 * truth) - 1), `lower at ${new Date(at).toISOString()}`).toBeLessThan(ends);
}

test.each(['UTC', 'America/New_York', 'Asia/Kolkata'])('two weeks of days in %s give the band of each hour', (zone) => {
  const engine = engineIn(zone);
  const curve = daily(zone);
  const noise = normal(1);
  const now = START + 14 * DAY;
  feed(engine, START, now - 2 * DAY, 5 * MINUTE, curve, noise);
  feed(engine, now - 2 * DAY, now, MINUTE, curve, noise);
  const all = bands(engine, now + 15 * MINUTE, now + DAY - HOUR);
  for (const one of all) {
    expect(one[1].profile).toBe('hour_of_day');
    expectTrue(one, curve);
  }
  // No step at the hour: from one five minutes to the next the level moves by no more than the curve does.
  const steps = all.slice(1).map(([, band], i) => Math.abs(band.expected / all[i]![1].expected - 1));
  expect(Math.max(...steps)).toBeLessThan(0.03);
});

test('the profile of hours begins with three days, that of the week with three weeks, and before is the last day', () => {
  const engine = engineIn('UTC');
  const curve = daily('UTC');
  const noise = normal(2);
  const profileAfter = (days: number): string => {
    const fresh = createEngine({ unit: 's', warmupBuckets: 12 });
    feed(fresh, START, START + days * DAY, 5 * MINUTE, curve, noise);
    return expectedAt(fresh, START + days * DAY + 5 * MINUTE).profile;
  };
  expect([1 / 20, 1, 2.9, 3.1, 20.9, 21.1, 40].map(profileAfter)).toEqual([
    'last_24h',
    'last_24h',
    'last_24h',
    'hour_of_day',
    'hour_of_day',
    'hour_of_week',
    'hour_of_week',
  ]);
  expect(expectedAt(engine, START).profile).toBe('none');
});

describe('three weeks and more', () => {
  const zone = createZone('Europe/Berlin');
  /** Half as much on Saturdays and Sundays, and on top the curve of the day. */
  const weekly: Curve = (at) => {
    const day = Math.floor((at + zone(at)) / DAY + 4) % 7;
    return daily('Europe/Berlin')(at) * (day === 0 || day === 6 ? 0.5 : 1);
  };
  /** Away from midnight, where the weekend begins and ends within a minute. */
  const atNight = (at: number): boolean => [22, 23, 0, 1].includes(Math.floor((at + zone(at)) / HOUR) % 24);

  test.each([
    ['as it is', 0],
    ['growing by a tenth each week', 0.1],
    ['shrinking by a tenth each week', -0.1],
  ])('a week %s gives the band of each hour of the next', (_, growth) => {
    const engine = engineIn('Europe/Berlin');
    const curve: Curve = (at) => weekly(at) * (1 + growth) ** ((at - START) / (7 * DAY));
    const noise = normal(3);
    let now = START + 24 * DAY;
    feed(engine, START, now, 5 * MINUTE, curve, noise);
    for (; now < START + 31 * DAY; now += HOUR) {
      for (const one of bands(engine, now + 15 * MINUTE, now + 75 * MINUTE)) {
        // The spread within an hour is kept by hour of day: on the quieter Saturday it is still that of Friday.
        if (!atNight(one[0])) expectTrue(one, curve, 0.25);
      }
      feed(engine, now, now + HOUR, MINUTE, curve, noise);
    }
  });

  test('forgive one bad week', () => {
    const engine = engineIn('Europe/Berlin');
    const noise = normal(4);
    const bad: Curve = (at) => weekly(at) * (at >= START + 7 * DAY && at < START + 14 * DAY ? 3 : 1);
    feed(engine, START, START + 28 * DAY, 5 * MINUTE, bad, noise);
    for (const [at, band] of bands(engine, START + 28 * DAY, START + 29 * DAY - HOUR)) {
      if (!atNight(at)) expect(Math.abs(band.expected / weekly(at) - 1)).toBeLessThan(0.15);
    }
  });
});

describe.each([
  ['America/New_York', 'autumn', Date.UTC(2026, 10, 1, 6)],
  ['America/New_York', 'spring', Date.UTC(2026, 2, 8, 7)],
  ['Europe/Berlin', 'autumn', Date.UTC(2026, 9, 25, 1)],
  ['Europe/Berlin', 'spring', Date.UTC(2026, 2, 29, 1)],
])('the change of the clock in %s in %s', (zone, _, change) => {
  test.each([
    ['people, by the local clock', daily(zone)],
    ['machines, by UTC', daily('UTC')],
  ])('leaves within the band what follows %s', (_who, curve) => {
    for (const days of [12, 30]) {
      const engine = engineIn(zone);
      const noise = normal(5);
      let now = change - 10 * HOUR;
      feed(engine, now - days * DAY, now, 5 * MINUTE, curve, noise);
      let outside = 0;
      let judged = 0;
      for (; now < change + 6 * DAY; now += HOUR) {
        for (const [at, band] of bands(engine, now + 15 * MINUTE, now + 75 * MINUTE)) {
          judged++;
          const value = curve(at);
          if (value < band.lower || value > band.upper) outside++;
          // Not just any band: what lies 60 % from both hours is outside of it.
          expect(band.upper).toBeLessThan(1.6 * Math.max(curve(at), curve(at - HOUR), curve(at + HOUR)));
        }
        feed(engine, now, now + HOUR, 5 * MINUTE, curve, noise);
      }
      expect(judged).toBeGreaterThan(1800);
      expect(outside).toBe(0);
    }
  });

  test('is over when the profile holds nothing of the time before', () => {
    const engine = engineIn(zone);
    feed(engine, change - 12 * DAY, change + 8 * DAY, 5 * MINUTE, daily(zone), normal(6));
    for (const one of bands(engine, change + 8 * DAY + 15 * MINUTE, change + 9 * DAY - HOUR))
      expectTrue(one, daily(zone));
  });
});

describe('what is not the curve', () => {
  const curve = daily('UTC');
  const now = START + 10 * DAY;
  const with2h = (days: number, factor: number): { calm: Engine; shaken: Engine } => {
    const [calm, shaken] = [engineIn('UTC'), engineIn('UTC')];
    const bad: Curve = (at) => curve(at) * (at >= now - 5 * HOUR && at < now - 3 * HOUR ? factor : 1);
    feed(calm, now - days * DAY, now, 5 * MINUTE, curve, normal(7));
    feed(shaken, now - days * DAY, now, 5 * MINUTE, bad, normal(7));
    return { calm, shaken };
  };

  test.each([10, 35])('an incident of two hours in %d days does not move the level', (days) => {
    const { calm, shaken } = with2h(days, 10);
    for (const [at, band] of bands(shaken, now + 15 * MINUTE, now + DAY - HOUR)) {
      expect(Math.abs(band.expected / expectedAt(calm, at).expected - 1)).toBeLessThan(0.03);
      expect(band.upper).toBeLessThan(1.25 * expectedAt(calm, at).upper);
    }
  });

  test('a gap of two days and a half leaves the profile as it is, and one of more than a week begins anew', () => {
    const engine = engineIn('UTC');
    const noise = normal(8);
    feed(engine, now - 10 * DAY, now - 2.5 * DAY, 5 * MINUTE, curve, noise);
    feed(engine, now, now + 2 * HOUR, MINUTE, curve, noise);
    for (const one of bands(engine, now + 3 * HOUR, now + 20 * HOUR)) {
      expect(one[1].profile).toBe('hour_of_day');
      expectTrue(one, curve);
    }
    feed(engine, now + 11 * DAY, now + 11 * DAY + 2 * HOUR, MINUTE, curve, noise);
    expect(expectedAt(engine, now + 11 * DAY + 3 * HOUR).profile).toBe('last_24h');
  });

  test('an accepted level is the profile at once, with the shape that it had', () => {
    const engine = engineIn('UTC');
    const noise = normal(9);
    feed(engine, now - 10 * DAY, now, 5 * MINUTE, curve, noise);
    const held = engineIn('UTC');
    const higher: Curve = (at) => 1.5 * curve(at);
    feed(held, now, now + 26 * HOUR, 5 * MINUTE, higher, noise);
    absorbEngine(engine, held);
    for (const one of bands(engine, now + 26 * HOUR, now + 48 * HOUR)) {
      expect(one[1].profile).toBe('hour_of_day');
      expectTrue(one, higher, 0.25);
    }
    expect(expectedAt(engine, now + 27 * HOUR).mean / higher(now + 27 * HOUR)).toBeCloseTo(1, 1);
  });

  test('an accepted level of what was at zero is that of the last day', () => {
    const engine = engineIn('UTC', 'count');
    const noise = normal(10);
    feed(engine, now - 10 * DAY, now, 5 * MINUTE, () => 0, noise);
    const held = engineIn('UTC', 'count');
    feed(held, now, now + 26 * HOUR, 5 * MINUTE, () => 50, noise);
    absorbEngine(engine, held);
    const band = expectedAt(engine, now + 27 * HOUR);
    expect(band.profile).toBe('last_24h');
    expect(band.expected).toBeCloseTo(50, -1);
  });
});

describe('the mean', () => {
  const now = START + 10 * DAY;
  /** Nothing, and once an hour 30: the median does not know of them. */
  const bursts: Curve = (at) => (Math.floor(at / MINUTE) % 60 === 17 ? 30 : 0);

  test.each([
    ['last_24h', 0.5],
    ['last_24h', 2],
    ['hour_of_day', 6],
    ['hour_of_week', 30],
  ])('of %s after %d days counts the bursts, and their clusters are known', (profile, days) => {
    const engine = engineIn('UTC', 'count');
    feed(engine, now - days * DAY, now, MINUTE, bursts, () => 0);
    const band = expectedAt(engine, now + HOUR);
    expect(band).toMatchObject({ profile, expected: 0 });
    expect(band.mean).toBeCloseTo(0.5, 2);
    const perDay = 24 * 60;
    const samples = { last_24h: Math.min(days, 1) * perDay, hour_of_day: days * 60, hour_of_week: 4 * 60 }[profile]!;
    expect(Math.abs(band.samples - samples)).toBeLessThanOrEqual(0.1 * samples);
    // Variance (59 · 0.5² + 29.5²) / 59 over a mean of 0.5.
    expect(band.dispersion).toBeCloseTo(30, 0);
  });

  test('of history in means of five minutes is that of its minutes', () => {
    const [fine, coarse] = [engineIn('UTC', 'count'), engineIn('UTC', 'count')];
    const noise = normal(11);
    const times = Float64Array.from({ length: 8 * 24 * 60 }, (_, i) => now - 8 * DAY + i * MINUTE);
    const values = times.map((at) => Math.max(0, Math.round(4 + 2 * noise())) + bursts(at));
    learnValues(fine, times, values, MINUTE);
    const fives = times.filter((_, i) => i % 5 === 0);
    learnValues(
      coarse,
      fives,
      fives.map((_, i) => values.subarray(5 * i, 5 * i + 5).reduce((sum, value) => sum + value, 0) / 5),
      5 * MINUTE,
    );
    coarse.periodMs = MINUTE;
    const [a, b] = [expectedAt(fine, now + HOUR), expectedAt(coarse, now + HOUR)];
    expect(b.mean / a.mean).toBeCloseTo(1, 2);
    expect(b.samples).toBe(a.samples);
    expect(Math.abs(b.dispersion! / a.dispersion! - 1)).toBeLessThan(0.15);
  });
});

test('a restored state of five weeks goes on exactly as the original', () => {
  const now = START + 35 * DAY;
  const [a, b] = [engineIn('America/New_York'), engineIn('America/New_York')];
  feed(a, START, now, 5 * MINUTE, daily('UTC'), normal(12));
  expect(restoreState(b, stateOf(a))).toBe(true);
  for (const engine of [a, b]) feed(engine, now, now + 3 * HOUR, MINUTE, daily('UTC'), normal(13));
  expect(stateOf(b)).toEqual(stateOf(a));
  expect(bands(b, now + 3 * HOUR, now + DAY)).toEqual(bands(a, now + 3 * HOUR, now + DAY));
  expect(expectedAt(a, now + 4 * HOUR).profile).toBe('hour_of_week');
});

test('a clock that was weeks ahead costs the weeks that it wrote over, and no more', () => {
  const engine = engineIn('UTC');
  const curve = daily('UTC');
  const noise = normal(14);
  feed(engine, START, START + 10 * DAY, 5 * MINUTE, curve, noise);
  feed(engine, START + 14 * DAY, START + 14 * DAY + 2 * HOUR, 5 * MINUTE, curve, noise);
  feed(engine, START + 10 * DAY, START + 11 * DAY, 5 * MINUTE, curve, noise);
  for (const one of bands(engine, START + 11 * DAY, START + 12 * DAY - HOUR)) {
    expect(one[1].profile).toBe('hour_of_day');
    expectTrue(one, curve);
  }
});
