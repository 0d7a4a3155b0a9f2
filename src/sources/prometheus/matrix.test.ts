import { expect, test } from 'vitest';
import { type MatrixSeries, type RangeAnswer, readRange } from './matrix.ts';

const T = 1_764_000_000_000;
const STEP = 15_000;
const window = { from: T, to: T + 4 * STEP, stepMs: STEP };

type Sample = readonly [unknown, unknown];
const at = (step: number): number => (T + step * STEP) / 1000;
const row = (metric: unknown, ...values: readonly Sample[]): unknown => ({ metric, values });
const body = (result: unknown, rest: object = {}): string =>
  JSON.stringify({ status: 'success', data: { resultType: 'matrix', result }, ...rest });

function read(text: string): RangeAnswer {
  return readRange(text, window);
}

function seriesIn(answer: RangeAnswer): readonly MatrixSeries[] {
  if (answer.state !== 'matrix') throw new Error(JSON.stringify(answer));
  return answer.series;
}

test('the form that the documentation shows is read: labels without __name__, times in milliseconds', () => {
  const result = [
    row({ __name__: 'up', job: 'prometheus', instance: 'localhost:9090' }, [at(0), '1'], [at(1), '0.5']),
    row({ __name__: 'up', job: 'node', instance: 'localhost:9091' }, [at(2), '1e-05']),
  ];
  expect(seriesIn(read(body(result)))).toEqual([
    {
      labels: { instance: 'localhost:9090', job: 'prometheus' },
      key: '{"instance":"localhost:9090","job":"prometheus"}',
      times: [T, T + STEP],
      values: [1, 0.5],
    },
    expect.objectContaining({ times: [T + 2 * STEP], values: [0.000_01] }),
  ]);
});

test.each(['NaN', '+Inf', '-Inf', 'Inf', '1e999'])('%s is a sample that is not there, never zero', (text) => {
  const [series] = seriesIn(read(body([row({}, [at(0), '3'], [at(1), text], [at(2), '4'])])));
  expect(series).toMatchObject({ times: [T, T + 2 * STEP], values: [3, 4] });
});

test('an empty result is no series', () => {
  expect(read(body([]))).toEqual({ state: 'matrix', series: [], dropped: 0, histograms: 0, remarks: [], partial: [] });
});

test.each<readonly [string, string, RegExp]>([
  ['no JSON', '<html>', /not JSON/],
  ['cut JSON', body([row({}, [at(0), '1'])]).slice(0, -9), /not JSON/],
  ['null', 'null', /not an object/],
  ['a list', '[]', /not an object/],
  ['no status', '{"data":{"resultType":"matrix","result":[]}}', /no status/],
  ['a vector', JSON.stringify({ status: 'success', data: { resultType: 'vector', result: [] } }), /not a matrix/],
  ['no list', body({}), /not a list/],
  ['no metric', body([{ values: [] }]), /no metric/],
  ['a metric that is a list', body([row([], [at(0), '1'])]), /no metric/],
  ['a label that is a number', body([row({ code: 500 }, [at(0), '1'])]), /not a text/],
  ['no values', body([{ metric: {} }]), /no list of values/],
  ['a sample of three', body([{ metric: {}, values: [[at(0), '1', '2']] }]), /not a pair/],
  ['a time that is text', body([row({}, [String(at(0)), '1'])]), /time of a sample/],
  ['a time outside', body([row({}, [at(-1), '1'])]), /outside the range/],
  ['a time in the future', body([row({}, [at(5), '1'])]), /outside the range/],
  ['a time in milliseconds', body([row({}, [T, '1'])]), /outside the range/],
  ['a time between steps', body([row({}, [at(0) + 1, '1'])]), /between the steps/],
  ['times that go back', body([row({}, [at(1), '1'], [at(0), '1'])]), /order of time/],
  ['a time twice', body([row({}, [at(1), '1'], [at(1), '2'])]), /order of time/],
  ['a value that is a number', body([row({}, [at(0), 1])]), /not a text/],
  ['a value that is null', body([row({}, [at(0), null])]), /not a text/],
  ...['', ' ', ' 1', '0x10', '1,5', '1_000', '1e', '--1', '.', 'nan', 'Infinity', '١'].map(
    (text) => [`the value ${JSON.stringify(text)}`, body([row({}, [at(0), text])]), /not a number/] as const,
  ),
  ['warnings that are none', body([], { warnings: 'all of them' }), /warnings/],
  [
    'two series of the same labels',
    body([row({ __name__: 'a', job: 'x' }, [at(0), '1']), row({ __name__: 'b', job: 'x' }, [at(0), '2'])]),
    /same labels/,
  ],
])('%s is another form, and gives no figure at all', (_, text, why) => {
  const answer = read(text);
  expect(answer).toMatchObject({ state: 'malformed' });
  expect((answer as { readonly why: string }).why).toMatch(why);
});

test.each<readonly [string, Readonly<Record<string, string>>]>([
  ['eleven labels', Object.fromEntries(Array.from({ length: 11 }, (_, n) => [`l${n}`, 'x']))],
  ['a value of 101 characters', { path: 'x'.repeat(101) }],
  ['a value with a line end', { path: 'a\nb' }],
  ['a value that turns the text around', { path: 'a\u202eb' }],
  ['a name that is not plain', { 'http.route': '/x' }],
  ["a name of the server's own", { __proto: 'x', __tenant__: 'y' }],
])('a series with %s is left out and counted, the others stay', (_, labels) => {
  const answer = read(body([row(labels, [at(0), '1']), row({ job: 'x' }, [at(0), '2'])]));
  expect(answer).toMatchObject({ dropped: 1, series: [{ labels: { job: 'x' } }] });
});

test('a label named __proto__ changes nothing', () => {
  const text = body([row({ job: 'x' }, [at(0), '2'])]).replace('"job"', '"__proto__"');
  expect(read(text)).toMatchObject({ state: 'matrix', dropped: 1, series: [] });
  expect(({} as Record<string, unknown>)['job']).toBeUndefined();
});

test('native histograms are counted and are no figures', () => {
  const histogram = { count: '3', sum: '2.5', buckets: [[0, '1', '2', '3']] };
  const answer = read(body([{ metric: { job: 'x' }, histograms: [[at(0), histogram]] }]));
  expect(answer).toMatchObject({ state: 'matrix', series: [], histograms: 1 });
});

test("the language's warnings leave the data whole, the storage's do not", () => {
  const warnings = [
    'PromQL warning: bucket label "le" is missing or has a malformed value of ""',
    'remote_read: https://me:hunter2@remote/read: 502',
  ];
  const answer = read(body([row({}, [at(0), '1'])], { warnings }));
  expect(answer).toMatchObject({
    remarks: [expect.stringMatching(/^PromQL/)],
    partial: [expect.stringMatching(/502/)],
  });
  expect(JSON.stringify(answer)).not.toContain('hunter2');
});

test('an error says its type, and its words without secrets', () => {
  const error = 'parse error: unexpected token=sk_live_0123456789abcdef in query';
  const answer = read(JSON.stringify({ status: 'error', errorType: 'bad_data', error }));
  expect(answer).toMatchObject({ state: 'error', type: 'bad_data', words: expect.stringContaining('parse error') });
  expect(JSON.stringify(answer)).not.toContain('sk_live');
});
