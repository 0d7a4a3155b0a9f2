import { expect, test } from 'vitest';
import { samplesOf } from './result.ts';
import type { SignalQuery } from './signal-query.ts';

const limits = { maxRows: 3, maxRow: 200 };
const query = (labels: readonly string[] = [], column: string | null = null): SignalQuery => ({
  signal: 'backlog',
  sql: '',
  unit: 'count',
  periodMs: 60_000,
  column,
  labels,
});
/** As the wrapped query gives it. */
const row = (json: string, columns = 1) => ({ row: json, columns });

test.each<readonly [string, string, number]>([
  ['an integer', '{"count":41200}', 41_200],
  ['a bigint beyond 2^53', '{"count":9007199254740993}', 9_007_199_254_740_992],
  ['a numeric', '{"x":0.25}', 0.25],
  ['a negative double', '{"x":-1.5e-7}', -1.5e-7],
  ['zero', '{"x":0}', 0],
])('%s is a number', (_, json, value) => {
  expect(samplesOf([row(json)], query(), limits)).toEqual({ samples: [{ labels: {}, value }], problem: null });
});

test('no row is no data and NULL is missing: neither is zero, neither is a problem', () => {
  expect(samplesOf([], query(), limits)).toEqual({ samples: [], problem: null });
  expect(samplesOf([row('{"age":null}')], query(), limits)).toEqual({ samples: [], problem: null });
});

test.each<readonly [string, ReturnType<typeof row>[], SignalQuery, RegExp]>([
  ['a text', [row('{"x":"12"}')], query(), /^gives a text, a time or an interval, expected a number/],
  ['a time', [row('{"x":"2026-11-23T14:02:00"}')], query(), /^gives a text, a time/],
  ['a flag', [row('{"x":true}')], query(), /^gives true or false/],
  ['an array', [row('{"x":[1]}')], query(), /^gives JSON or an array/],
  ['NaN', [row('{"x":"NaN"}')], query(), /not finite/],
  ['infinity', [row('{"x":"-Infinity"}')], query(), /not finite/],
  ['more than a double holds', [row('{"x":1e400}')], query(), /not finite/],
  ['two columns', [row('{"a":1,"b":2}', 2)], query(), /^gives 2 columns besides labels/],
  ['no column', [row('{}', 0)], query(), /^gives 0 columns/],
  ['two columns of one name', [row('{"count":1,"count":2}', 2)], query(), /^gives two columns of the same name/],
  ['another column than wanted', [row('{"a":1}')], query([], 'n'), /^gives no column n$/],
  ['no column of a label', [row('{"n":1}')], query(['queue']), /^gives no column queue for the label/],
  ['JSON as a label', [row('{"n":1,"q":{}}', 2)], query(['q']), /^gives JSON or an array in q/],
  ['several rows', [row('{"n":1}'), row('{"n":2}')], query(), /^gives several rows/],
  [
    'two rows of the same labels',
    [row('{"n":1,"q":"a"}', 2), row('{"n":null,"q":"a"}', 2)],
    query(['q']),
    /same labels/,
  ],
  ['a row that was cut', [row(`{"n":1,"q":"${'x'.repeat(300)}`.slice(0, 200), 2)], query(['q']), /more than 200 char/],
  ['no JSON', [row('oops')], query(), /cannot be read/],
  ['a member of the prototype', [row('{"n":1}')], query([], 'constructor'), /^gives no column constructor$/],
])('%s gives no figure, with the reason and nothing of the result', (_, rows, wanted, why) => {
  const { samples, problem } = samplesOf(rows, wanted, limits);
  expect(samples).toEqual([]);
  expect(problem).toMatch(why);
});

test('labels are texts that can be shown, in the order of their names', () => {
  const json = JSON.stringify({ n: 5, region: 'eu\nwest', queue: 'x'.repeat(110), retry: 2, kind: null });
  const { samples } = samplesOf([row(json, 5)], query(['retry', 'region', 'queue', 'kind'], 'n'), limits);
  expect(samples).toEqual([
    { labels: { kind: '(null)', queue: `${'x'.repeat(99)}…`, region: 'eu?west', retry: '2' }, value: 5 },
  ]);
  expect(Object.keys(samples[0]!.labels)).toEqual(['kind', 'queue', 'region', 'retry']);
});

test('of more rows than are kept the first are read, and it says so', () => {
  const rows = ['a', 'b', 'c', 'd'].map((q, n) => row(JSON.stringify({ q, n }), 2));
  const { samples, problem } = samplesOf(rows, query(['q']), limits);
  expect(samples.map(({ labels }) => labels['q'])).toEqual(['a', 'b', 'c']);
  expect(problem).toBe('gives more than 3 rows, of which the first 3 are read');
});
