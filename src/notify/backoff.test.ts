import { describe, expect, test } from 'vitest';
import type { DeliveryOutcome } from '../model/notification.ts';
import { afterAttempt } from './backoff.ts';

const NOW = 1_000_000;
const warning = { kind: 'trigger', severity: 'warning' };
const critical = { kind: 'trigger', severity: 'critical' };
type Row = Parameters<typeof afterAttempt>[0];
const row = (attempts: number, minimal = false, notification: object = warning): Row =>
  ({ attempts, minimal, notification }) as Row;
const retry = (retryAfterMs?: number): DeliveryOutcome =>
  retryAfterMs === undefined ? { outcome: 'retry', error: 'x' } : { outcome: 'retry', error: 'x', retryAfterMs };
const delays = (outcome: DeliveryOutcome, notification: object): readonly number[] =>
  [0, 1, 2, 3, 4, 5, 6, 7, 5_000].map(
    (attempts) => afterAttempt(row(attempts, false, notification), outcome, NOW).nextAt - NOW,
  );

describe('a retry waits, in seconds,', () => {
  test.each([
    ['for network and 5xx', retry(), warning, [5, 10, 20, 40, 80, 160, 300, 300, 300]],
    ['for a new critical page, at most a minute', retry(), critical, [5, 10, 20, 40, 60, 60, 60, 60, 60]],
    ['after 429, from 30 on', retry(0), warning, [30, 60, 120, 240, 300, 300, 300, 300, 300]],
    ['after 429, the same for a critical page', retry(0), critical, [30, 60, 120, 240, 300, 300, 300, 300, 300]],
    ['what the receiver asks when that is longer', retry(400_000), warning, Array.from({ length: 9 }, () => 400)],
    ['a quarter of an hour, whatever the receiver asks', retry(1e12), warning, Array.from({ length: 9 }, () => 900)],
    ['as ever when the receiver asks for nonsense', retry(-1), warning, [30, 60, 120, 240, 300, 300, 300, 300, 300]],
  ])('%s', (_name, outcome, notification, seconds) => {
    expect(delays(outcome, notification)).toStrictEqual(seconds.map((s) => s * 1_000));
  });

  test('and never gives up', () => {
    expect(afterAttempt(row(100_000), retry(), NOW)).toMatchObject({
      state: 'pending',
      attempts: 100_001,
      lastError: 'x',
    });
  });
});

test('a refused payload is tried once in minimal form, at once, then it is dead', () => {
  const refused: DeliveryOutcome = { outcome: 'refused', error: 'bad' };
  const first = afterAttempt(row(0), refused, NOW);
  expect(first).toStrictEqual({ state: 'pending', attempts: 1, nextAt: NOW, lastError: 'bad', minimal: true });
  expect(afterAttempt(row(1, first.minimal), refused, NOW)).toMatchObject({
    state: 'dead',
    attempts: 2,
    lastError: 'bad',
  });
});

test('a minimal payload stays minimal while it waits', () => {
  expect(afterAttempt(row(1, true), retry(), NOW)).toMatchObject({ state: 'pending', minimal: true });
});

test('a delivered row keeps no error', () => {
  expect(afterAttempt(row(3), { outcome: 'delivered' }, NOW)).toMatchObject({ state: 'delivered', lastError: null });
});
