import { describe, expect, test } from 'vitest';
import type { Band, Reading } from '../../model/index.ts';
import { type ErrorRateDeparture, type ErrorRateJudgement, type ErrorRateRule, errorRateAbove } from './error-rate.ts';

const START = Date.UTC(2026, 10, 23, 12);
const MINUTE = 60_000;

const RULE: ErrorRateRule = {
  excess: 0.005,
  shortMs: 5 * MINUTE,
  longMs: 60 * MINUTE,
  minimumErrors: 5,
  significance: 1e-6,
};

interface Shape {
  readonly periodMs?: number;
  readonly mean?: number;
  /** How the band differs from that of 10,000 independent samples of that mean. */
  readonly band?: Partial<Band>;
  /** Samples left out, by index from the start. */
  readonly without?: readonly number[];
}

function counts(signal: string, values: readonly number[], shape: Shape = {}): Reading {
  const { periodMs = MINUTE, mean = values[0]!, without = [] } = shape;
  const band: Band = {
    expected: Math.round(mean),
    lower: 0,
    upper: 2 * mean + 5,
    mean,
    samples: 10_000,
    ready: true,
    profile: 'hour_of_day',
    dispersion: 1,
    ...shape.band,
  };
  const samples = values.map((value, i) => ({ at: START + i * periodMs, value, band }));
  const kept = samples.filter((_, i) => !without.includes(i));
  return { target: 'api', signal, labels: {}, unit: 'count', periodMs, samples: kept, freshness: 'present' };
}

const hour = (before: number, ...then: readonly number[]): readonly number[] => [
  ...Array.from({ length: 60 - then.length }, () => before),
  ...then,
];

interface Traffic {
  readonly requests: readonly number[];
  readonly errors: readonly number[];
  /** Baselines a period; of the first value if not said. */
  readonly mean?: number;
  readonly band?: Partial<Band>;
  readonly periodMs?: number;
}

function judge({ requests, errors, mean, band, periodMs = MINUTE }: Traffic, active = false): ErrorRateJudgement {
  return errorRateAbove(
    counts('errors', errors, {
      periodMs,
      ...(mean === undefined ? {} : { mean }),
      ...(band === undefined ? {} : { band }),
    }),
    counts('requests', requests, {
      periodMs,
      ...(band?.samples === undefined ? {} : { band: { samples: band.samples } }),
    }),
    RULE,
    active,
  );
}

function departure(traffic: Traffic, active = false): ErrorRateDeparture {
  const judged = judge(traffic, active);
  if (judged.state !== 'departed') throw new Error(`${judged.state}: ${JSON.stringify(judged)}`);
  return judged.departure;
}

describe('a rise', () => {
  test('by 1.0 point at 10,000 requests a minute is found with the third sample', () => {
    const at = (...then: readonly number[]) => ({ requests: hour(10_000), errors: hour(20, ...then) });
    expect(judge(at(120, 120))).toMatchObject({ state: 'clear', baseline: 0.002 });
    const found = departure(at(120, 120, 120));
    expect(found).toMatchObject({ window: 'short', errors: 400, requests: 50_000, rate: 0.008, baseline: 0.002 });
    expect(found.onset).toEqual({ earliest: START + 56 * MINUTE, latest: START + 57 * MINUTE });
    expect(found.worstRate).toBe(0.008);
    // R: wilson of 200,000 of 1e8 (binom::binom.confint) is 0.0020087; ppois(399, 50000 * 0.0020087, lower = FALSE) < 1e-100
    expect(found.baselineUpper).toBeCloseTo(0.0020088, 6);
    expect(found.tail).toBeLessThan(1e-100);
  });

  test('is not one of size where the size is missed, however significant', () => {
    // 0.45 points above, 22 standard deviations.
    expect(judge({ requests: hour(100_000), errors: hour(200, 650, 650, 650, 650, 650) }).state).toBe('clear');
  });

  test('is not one of significance where chance explains it, however large', () => {
    // 1.0 % in five minutes of 100 requests is one error.
    expect(judge({ requests: hour(20), errors: hour(0, 0, 0, 0, 1, 0), mean: 0.04 }).state).toBe('clear');
    expect(judge({ requests: hour(10), errors: hour(0, 1, 0, 1, 1, 1), mean: 0.1 }).state).toBe('clear');
  });

  test('to a half of 20 requests a minute is found with the second sample', () => {
    expect(judge({ requests: hour(20), errors: hour(0, 11), mean: 0.04 }).state).toBe('clear');
    expect(departure({ requests: hour(20), errors: hour(0, 11, 9), mean: 0.04 })).toMatchObject({
      window: 'short',
      errors: 20,
      requests: 100,
      onset: { earliest: START + 57 * MINUTE, latest: START + 58 * MINUTE },
    });
  });

  test('to a half of 2 requests a minute is found within five minutes', () => {
    expect(departure({ requests: hour(2), errors: hour(0, 1, 1, 1, 1, 1), mean: 0.004 })).toMatchObject({
      window: 'short',
      errors: 5,
      requests: 10,
    });
  });

  test('that is small is found in the long window, and only while the short one has it', () => {
    const slow = (...last: readonly number[]) => ({
      requests: hour(100),
      errors: [...Array.from({ length: 30 }, () => 0), ...Array.from({ length: 30 - last.length }, () => 2), ...last],
      mean: 0.2,
      band: { samples: 500 },
    });
    expect(departure(slow()).window).toBe('short');
    const spread = { requests: hour(100), errors: Array.from({ length: 60 }, (_, i) => (i % 2 === 1 ? 2 : 0)) };
    expect(departure({ ...spread, mean: 0.2 })).toMatchObject({ window: 'long', errors: 60, requests: 6000 });
    expect(judge(slow(0, 0, 0, 0, 0)).state).toBe('clear');
  });
});

describe('a burst', () => {
  test.each([
    ['of 30 errors in one minute', [30], {}],
    ['of 30 errors, and one error each in two other minutes', [1, 30, 1], {}],
  ])('%s is no rise', (_, burst, band) => {
    expect(judge({ requests: hour(200), errors: hour(0, ...burst), mean: 0.1, band }).state).toBe('clear');
  });

  test('and another are none at a service that has them', () => {
    const two = { requests: hour(200), errors: hour(0, 30, 0, 30), mean: 0.4 };
    expect(judge({ ...two, band: { dispersion: 8 } }).state).toBe('clear');
    expect(judge({ ...two, band: { dispersion: 1.5, profile: 'last_24h' } }).state).toBe('clear');
    // At one that has never had any it is the beginning of an outage.
    expect(judge(two).state).toBe('departed');
  });

  test('that goes on is a rise at such a service too', () => {
    const bursty = { requests: hour(200), mean: 0.4, band: { dispersion: 8 } };
    expect(departure({ ...bursty, errors: hour(0, 30, 28, 31, 33) }).window).toBe('short');
  });

  test('of a hundred times its clusters needs no second minute', () => {
    expect(departure({ requests: hour(2000), errors: hour(4, 1100) })).toMatchObject({ rate: (16 + 1100) / 10_000 });
    expect(judge({ requests: hour(2000), errors: hour(4, 1100), band: { dispersion: 15 } }).state).toBe('clear');
  });
});

describe('at very low traffic', () => {
  const sparse = (errors: readonly number[], requests: readonly number[]): Traffic => ({
    requests: hour(0, ...requests),
    errors: hour(0, ...errors),
    mean: 0.0002,
    band: { samples: 10_000 },
  });
  const judgeSparse = (errors: readonly number[], requests: readonly number[]): ErrorRateJudgement => {
    const { requests: asked, errors: failed } = sparse(errors, requests);
    return errorRateAbove(
      counts('errors', failed, { mean: 0.0002 }),
      counts('requests', asked, { mean: 0.1 }),
      RULE,
      false,
    );
  };
  const apart = (...values: readonly number[]): readonly number[] =>
    values.flatMap((value) => [value, 0, 0, 0, 0, 0, 0]);

  test('five failures in a row are a departure, and four are none', () => {
    expect(judgeSparse(apart(0, 1, 1, 1, 1, 1), apart(1, 1, 1, 1, 1, 1))).toMatchObject({
      state: 'departed',
      departure: {
        window: 'total-failure',
        errors: 5,
        requests: 5,
        rate: 1,
        onset: { earliest: START + 18 * MINUTE, latest: START + 25 * MINUTE },
      },
    });
    expect(judgeSparse(apart(0, 1, 1, 1, 1), apart(1, 1, 1, 1, 1)).state).toBe('clear');
    expect(judgeSparse(apart(1, 1, 1, 1, 1, 1, 0), apart(1, 1, 1, 1, 1, 1, 1)).state).toBe('clear');
  });

  test('all of one minute are none', () => {
    expect(judgeSparse([7], [7]).state).toBe('clear');
  });
});

test('periods may be of any length', () => {
  // 15 minutes: the second of them tells. 15 seconds: minutes are put together.
  const quarter = { periodMs: 15 * MINUTE, requests: [3000, 3000, 3000, 3000], mean: 6, band: { samples: 700 } };
  expect(judge({ ...quarter, errors: [6, 5, 7, 60] }).state).toBe('clear');
  expect(departure({ ...quarter, errors: [6, 5, 60, 58] })).toMatchObject({ window: 'short', errors: 58 });
  const seconds = (seconds15: number) => ({
    periodMs: MINUTE / 4,
    requests: Array.from({ length: 240 }, () => 50),
    errors: Array.from({ length: 240 }, (_, i) => (i >= 240 - seconds15 ? 25 : 0)),
    mean: 0.1,
  });
  expect(judge(seconds(3)).state).toBe('clear');
  expect(departure(seconds(5)).onset).toEqual({ earliest: START + 58.5 * MINUTE, latest: START + 58.75 * MINUTE });
});

describe('once departed', () => {
  const at = (perMinute: number): Traffic => ({
    requests: hour(10_000),
    errors: hour(20, ...Array.from({ length: 5 }, () => perMinute)),
  });

  test('it stays so down to the limit less a fifth of its distance to the baseline', () => {
    expect(judge(at(65)).state).toBe('clear');
    expect(departure(at(65), true)).toMatchObject({ window: 'short', rate: 0.0065 });
    expect(judge(at(59), true)).toMatchObject({ state: 'clear', rate: 0.0059 });
  });

  test('one error of a few requests does not keep it', () => {
    expect(judge({ requests: hour(20), errors: hour(0, 0, 1, 0), mean: 0.04 }, true).state).toBe('clear');
    expect(judge({ requests: hour(20), errors: hour(0, 1, 1, 1), mean: 0.04 }, true).state).toBe('departed');
  });

  test('no requests are no end', () => {
    expect(judge({ requests: hour(20, 0, 0, 0, 0, 0), errors: hour(0), mean: 0.04 }, true).state).toBe('not_ready');
  });
});

describe('what is missing', () => {
  const requests = counts('requests', hour(2000));

  test.each([
    ['errors altogether', undefined],
    ['every sample of errors', counts('errors', [])],
    [
      'a common time',
      {
        ...counts('errors', hour(4)),
        samples: counts('errors', hour(4)).samples.map((one) => ({ ...one, at: one.at + 1 })),
      },
    ],
    [
      'a baseline',
      counts('errors', hour(400), { band: { ready: false, mean: Number.NaN, samples: 0, profile: 'none' } }),
    ],
  ])('as %s is no judgement', (_, errors) => {
    expect(errorRateAbove(errors, requests, RULE, false).state).toBe('not_ready');
    expect(errorRateAbove(errors, requests, RULE, true).state).toBe('not_ready');
  });

  test('as times of one of them is left out of both', () => {
    const errors = counts('errors', hour(4, 100, 100, 100, 100, 100), { without: [57] });
    const judged = errorRateAbove(errors, requests, RULE, false);
    expect(judged).toMatchObject({
      state: 'departed',
      departure: { errors: 400, requests: 8000, at: START + 59 * MINUTE },
    });
  });

  test('as the baseline of the short window is taken from the long one', () => {
    const known = counts('errors', hour(4));
    const unknown = counts('errors', hour(4), {
      band: { ready: false, mean: Number.NaN, samples: 0, profile: 'none' },
    });
    const errors = { ...known, samples: [...known.samples.slice(0, 55), ...unknown.samples.slice(55)] };
    expect(errorRateAbove(errors, requests, RULE, false)).toMatchObject({ state: 'clear', baseline: 0.002 });
  });
});

test('few requests make the baseline uncertain: none of 300 is not 0', () => {
  const none = { requests: hour(1), errors: hour(0, 1, 1, 1, 1, 1), mean: 0, band: { samples: 300 } };
  // (0 + 1) / (300 + 2)
  expect(departure(none).baselineUpper).toBeCloseTo(1 / 302, 12);
});

describe('without a baseline', () => {
  const unknown = { ready: false, mean: Number.NaN, samples: 0, profile: 'none' } as const;
  const young = (errors: readonly number[], requests: readonly number[], active = false): ErrorRateJudgement =>
    errorRateAbove(
      counts('errors', errors, { band: unknown }),
      counts('requests', requests, { band: unknown }),
      { ...RULE, assumed: 0.01 },
      active,
    );
  const minutes = (count: number, each: number): readonly number[] => Array.from({ length: count }, () => each);

  test('what fails from its first minute departs from the rate assumed', () => {
    expect(young(minutes(5, 20), minutes(5, 20))).toMatchObject({
      state: 'departed',
      departure: {
        window: 'short',
        errors: 100,
        requests: 100,
        baseline: 0.01,
        assumed: true,
        // (0.01 * 100 + 1) / (100 + 2)
        baselineUpper: expect.closeTo(2 / 102, 12),
        onset: { earliest: START - MINUTE, latest: START },
      },
    });
    // One request a minute, every one of which fails.
    expect(young(minutes(8, 1), minutes(8, 1))).toMatchObject({
      departure: { window: 'total-failure', assumed: true },
    });
  });

  test.each([
    ['fewer than five failures', minutes(4, 1), minutes(4, 1)],
    ['five minutes of 4 % errors', minutes(5, 80), minutes(5, 2000)],
    ['one bad minute, however large', [0, 0, 0, 1500, 0], minutes(5, 2000)],
    ['three bad minutes', [0, 0, 300, 300, 300], minutes(5, 2000)],
    ['nothing', minutes(60, 0), minutes(60, 2000)],
  ])('%s are no departure, and no proof of health', (_, errors, requests) => {
    expect(young(errors, requests).state).toBe('not_ready');
  });

  test('once departed it clears below the limit less a fifth of its distance', () => {
    expect(young(minutes(60, 90), minutes(60, 2000), true).state).toBe('departed');
    expect(young(minutes(60, 80), minutes(60, 2000), true)).toMatchObject({ state: 'clear', baseline: 0.01 });
  });

  test('a rule that assumes nothing says nothing', () => {
    expect(judge({ requests: hour(20), errors: hour(20), band: unknown }).state).toBe('not_ready');
  });
});
