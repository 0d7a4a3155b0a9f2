import { expect, test } from 'vitest';
import { createZone } from './zone.ts';

const HOUR = 3_600_000;

// timedatectl / zdump -v: offsets from UTC in hours
test.each([
  ['UTC', Date.UTC(2026, 6, 1), 0],
  ['America/New_York', Date.UTC(2026, 0, 15), -5],
  ['America/New_York', Date.UTC(2026, 2, 8, 6, 59), -5],
  ['America/New_York', Date.UTC(2026, 2, 8, 7), -4],
  ['America/New_York', Date.UTC(2026, 10, 1, 5, 59), -4],
  ['America/New_York', Date.UTC(2026, 10, 1, 6), -5],
  ['Europe/Berlin', Date.UTC(2026, 9, 25, 0, 59), 2],
  ['Europe/Berlin', Date.UTC(2026, 9, 25, 1), 1],
  ['Asia/Kolkata', Date.UTC(2026, 6, 1), 5.5],
  ['Pacific/Chatham', Date.UTC(2026, 0, 1), 13.75],
])('in %s at %d local time is UTC and %d h', (zone, at, hours) => {
  const offset = createZone(zone);
  for (let i = 0; i < 2; i++) expect(offset(at)).toBe(hours * HOUR);
});

test('a name that is no zone is refused', () => {
  expect(() => createZone('Mars/Olympus')).toThrow(RangeError);
});

test('years of hours keep their offsets', () => {
  const offset = createZone('America/New_York');
  const winter = Date.UTC(2026, 0, 15);
  for (let i = 0; i < 10_000; i++) offset(winter + i * HOUR);
  expect(offset(winter)).toBe(-5 * HOUR);
});
