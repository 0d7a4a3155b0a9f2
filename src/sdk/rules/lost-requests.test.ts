import { reading } from 'runbookd/testing';
import { expect, test } from 'vitest';
import { requestsLostTo } from './lost-requests.ts';

const counts = (signal: string, values: readonly number[], expected: number, over = {}) =>
  reading(signal, values, {
    periodSeconds: 60,
    band: { expected, lower: expected * 0.9, upper: expected * 1.1 },
    ...over,
  });

test.each<[string, readonly number[], readonly number[], boolean]>([
  ['as many requests are missing as errors came', [100, 100, 100, 0, 0], [900, 900, 900, 1000, 1000], false],
  ['three of the last five periods are low', [100, 500, 500, 500, 100], [1000, 500, 500, 500, 1000], true],
  ['two of them are', [100, 500, 500, 100, 100], [1000, 500, 500, 1000, 1000], false],
  ['below the band, but hardly', [100, 100, 100, 100, 100], [850, 850, 850, 850, 850], false],
  ['half of the errors are explained', [1000, 1000, 1000, 1000, 1000], [500, 500, 500, 500, 500], true],
  ['less than half of them is', [1100, 1100, 1100, 1100, 1100], [500, 500, 500, 500, 500], false],
])('%s', (_name, errors, requests, lost) => {
  expect(requestsLostTo(counts('elb_503', errors, 0), counts('requests', requests, 1000))).toBe(lost);
});

test('requests that are not shown any more beside errors that are did not come', () => {
  const errors = counts('elb_503', [0, 900, 900, 900], 0);
  const [first] = errors.samples;
  const ended = (freshness: 'present' | 'missing') =>
    counts('requests', [1000, 1000], 1000, { endsAt: first!.at, freshness });
  expect(requestsLostTo(errors, ended('missing'))).toBe(true);
  expect(requestsLostTo(errors, ended('present'))).toBe(false);
  expect(requestsLostTo(errors, undefined)).toBe(false);
});
