/**
 * The error-rate rule over whole weeks, with the bands of the real baselines. `QUIET_WEEKS=4032` runs the full set in about
 * three minutes; without it a part of it, in seconds.
 */

import { expect, test } from 'vitest';
import { departures, quietServices, type Service } from './testdata/quiet-weeks.ts';

const WEEKS = Number(process.env['QUIET_WEEKS'] ?? 63);
const WEEK_MINUTES = 7 * 24 * 60;

test(
  `${WEEKS} quiet weeks of services with bursts of errors have no departure`,
  () => {
    const found = quietServices(WEEKS).flatMap((service) =>
      departures(service, WEEK_MINUTES).map((minute) => ({ ...service, minute })),
    );
    expect(found).toEqual([]);
  },
  60_000 + WEEKS * 500,
);

/** Samples until a departure, of 24 services alike: sorted. */
function delays(service: Partial<Service>, rate: number): readonly number[] {
  return Array.from({ length: 24 }, (_, i) => {
    const calm = { perMinute: 20, rate: 0.002, burstsPerDay: 0, extra: true };
    const one: Service = { ...calm, historyDays: 8, ...service, seed: 1000 + i };
    return (departures(one, 60, { rate })[0] ?? Number.POSITIVE_INFINITY) + 1;
  }).sort((a, b) => a - b);
}

test.each<[string, Partial<Service>, number, number, number]>([
  ['1.0 point more at 10,000 requests a minute', { perMinute: 10_000 }, 0.012, 3, 4],
  ['1.0 point more there, with bursts before', { perMinute: 10_000, burstsPerDay: 3 }, 0.012, 3, 4],
  ['0.6 points more at 10,000 requests a minute', { perMinute: 10_000 }, 0.008, 5, 10],
  ['a half at 20 requests a minute', { perMinute: 20 }, 0.5, 2, 3],
  ['a half at 20 requests a minute, with bursts before', { perMinute: 20, burstsPerDay: 3 }, 0.5, 5, 12],
  ['a half at 2 requests a minute', { perMinute: 2 }, 0.5, 8, 20],
  ['all at 2 requests a minute', { perMinute: 2 }, 1, 4, 8],
  ['all at 2 requests a minute, with bursts before', { perMinute: 2, burstsPerDay: 3 }, 1, 6, 12],
  ['a half at 2,000 requests a minute, with bursts before', { perMinute: 2000, burstsPerDay: 3 }, 0.5, 1, 1],
])('%s is found in the middle of cases within its samples, and always', (_, service, rate, middle, most) => {
  const all = delays(service, rate);
  expect(all[12]).toBeLessThanOrEqual(middle);
  expect(all.at(-1)).toBeLessThanOrEqual(most);
});

test('the first three hours of 1,260 services that nothing is known of have no departure', () => {
  const young = quietServices(1260).map((service) => ({ ...service, historyDays: 0 }));
  expect(young.flatMap((service) => departures(service, 180).map((minute) => ({ ...service, minute })))).toEqual([]);
}, 60_000);

test.each<[string, Partial<Service>, number, number]>([
  ['all at 2,000 requests a minute', { perMinute: 2000 }, 1, 5],
  ['all at 20 requests a minute', { perMinute: 20 }, 1, 5],
  ['a half at 20 requests a minute', { perMinute: 20 }, 0.5, 6],
  ['all at 2 requests a minute', { perMinute: 2 }, 1, 10],
  ['a tenth at 2,000 requests a minute', { perMinute: 2000 }, 0.1, 5],
])('of a service that fails from its first minute, %s is found within its samples', (_, service, rate, most) => {
  expect(delays({ ...service, historyDays: 0 }, rate).at(-1)).toBeLessThanOrEqual(most);
});
