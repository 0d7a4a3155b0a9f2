import { expect, test } from 'vitest';
import type { Aws } from '../calls.ts';
import { accountAt } from '../testdata.ts';
import { serviceQueries } from './presets.ts';
import { type MetricSeries, metricSeries } from './query.ts';
import { readBatch } from './read.ts';

const MINUTE = 60_000;
const FROM = 1_764_000_000_000;
const SPAN = { from: FROM, to: FROM + 3 * MINUTE };
const queries = serviceQueries({
  ecs: { cluster: 'prod', service: 'api' },
  alb: { loadBalancer: 'app/x/1', targetGroup: 'targetgroup/api/2' },
});
const seriesOf = (signal: string): MetricSeries =>
  metricSeries('api', queries.find((one) => one.signal === signal)!, {});

const at = (minute: number): Date => new Date(FROM + minute * MINUTE);

async function read(signal: string, result: object) {
  const series = seriesOf(signal);
  const output = { MetricDataResults: [{ Id: series.id, StatusCode: 'Complete', ...result }] };
  const aws = { account: accountAt('http://x'), call: async () => output, close: () => undefined } as unknown as Aws;
  const { outcomes } = await readBatch(
    aws,
    { span: SPAN, periodMs: MINUTE, series: [series] },
    AbortSignal.timeout(5_000),
  );
  return outcomes.get(series.id)!;
}

test.each<readonly [string, object, readonly number[]]>([
  ['requests', { Timestamps: [at(0), at(1)], Values: [9_102, 0] }, [9_102, 0]],
  ['requests', { Timestamps: [], Values: [] }, []],
  ['requests', {}, []],
  // A clock that is behind, or an endpoint that includes the end: told elsewhere, and left out.
  ['requests', { Timestamps: [at(0), at(3)], Values: [1, 2] }, [1]],
  // Four times what is reserved: a task that is alone on its instance.
  ['cpu', { Timestamps: [at(0)], Values: [400] }, [400]],
])('%s of %o is read', async (signal, result, values) => {
  expect(await read(signal, result)).toMatchObject({ state: 'complete', points: { values } });
});

// A value that were left out would be a hole, and a hole of a counter that is published when it is not zero is zero.
test.each<readonly [string, object, string]>([
  ['errors', { Timestamps: [at(0), at(1)], Values: [7] }, 'not as many values as times'],
  ['errors', { Timestamps: [at(0)], Values: [7, 8] }, 'not as many values as times'],
  ['errors', { Timestamps: { length: 3 }, Values: [7] }, 'not as many values as times'],
  ['errors', { Timestamps: [at(0)], Values: ['7'] }, 'a time or a value that is none'],
  ['errors', { Timestamps: [at(0)], Values: [Number.NaN] }, 'a time or a value that is none'],
  ['errors', { Timestamps: [new Date(Number.NaN)], Values: [7] }, 'a time or a value that is none'],
  ['errors', { Timestamps: [at(0.5)], Values: [7] }, 'a value at a time that was not asked for'],
  ['errors', { Timestamps: [at(-60)], Values: [7] }, 'a value at a time that was not asked for'],
  ['errors', { Timestamps: [at(1e6)], Values: [7] }, 'a value at a time that was not asked for'],
  ['errors', { Timestamps: [at(0)], Values: [-1] }, 'gives errors of -1, expected 0 to 1000000000000'],
  ['latency_p95', { Timestamps: [at(0)], Values: [1e308] }, 'gives latency_p95 of 1e+308, expected 0 to 86400'],
])('%s of %o is not seen: %s', async (signal, result, words) => {
  const outcome = await read(signal, result);
  expect(outcome).toMatchObject({ state: 'unseen', invalid: false, failure: { because: 'error' } });
  expect(outcome.state === 'unseen' ? outcome.failure.detail : '').toContain(words);
});

test('a status that is no word is not repeated', async () => {
  const outcome = await read('errors', { StatusCode: '\u202epassword=hunter2' });
  expect(outcome.state === 'unseen' ? outcome.failure.detail : '').toMatch(/does not mention a metric$/);
});
