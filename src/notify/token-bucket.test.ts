import { describe, expect, test } from 'vitest';
import { createTokenBucket } from './token-bucket.ts';

/** Takes whenever it can, asking every `everyMs`; the times of what was let through. */
function taken(perMinute: number, everyMs: number, forMs: number): readonly number[] {
  const bucket = createTokenBucket(perMinute);
  const times: number[] = [];
  for (let now = 0; now < forMs; now += everyMs) while (bucket.take(now, 0)) times.push(now);
  return times;
}

const mostInAnyMinute = (times: readonly number[]): number =>
  Math.max(...times.map((from) => times.filter((at) => at >= from && at < from + 60_000).length));

describe('however often it is asked', () => {
  test.each([60, 6, 12, 100])('no minute lets more than %i through, and a long run nearly as many', (perMinute) => {
    const times = taken(perMinute, 100, 600_000);
    expect(mostInAnyMinute(times)).toBeLessThanOrEqual(perMinute + (perMinute < 12 ? 1 : 0));
    expect(times.length).toBeGreaterThanOrEqual(perMinute * 10 * 0.8);
  });

  test('after a long rest, too', () => {
    const bucket = createTokenBucket(60);
    let count = 0;
    for (let now = 86_400_000; now < 86_460_000; now += 50) if (bucket.take(now, 0)) count += 1;
    expect(count).toBeLessThanOrEqual(60);
  });
});

test('a reserve is left for those who ask without one', () => {
  const bucket = createTokenBucket(60);
  let ordinary = 0;
  while (bucket.take(0, 2)) ordinary += 1;
  expect(ordinary).toBe(bucket.burst - 2);
  expect([bucket.take(0, 0), bucket.take(0, 0), bucket.take(0, 0)]).toStrictEqual([true, true, false]);
});

test('a clock that is set back neither fills nor blocks', () => {
  const bucket = createTokenBucket(60);
  while (bucket.take(10_000_000, 0));
  expect(bucket.take(0, 0)).toBe(false);
  expect(bucket.take(2_000, 0)).toBe(true);
});
