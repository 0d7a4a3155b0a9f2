import { pino } from 'pino';
import { afterEach, expect, test } from 'vitest';
import { type FakeDatadog, type FakeSpans, startDatadog } from '../../../test/world/datadog.ts';
import { mutated, seeded } from '../../../test/world/mutations.ts';
import type { VendorTrouble } from '../../../test/world/vendor-troubles.ts';
import type { Answer, Question } from '../../model/question.ts';
import { createDatadogSource, type DatadogSourceOptions } from './source.ts';

const MINUTE = 60_000;
const NOW = Date.UTC(2026, 10, 23, 14, 5, 0);
const SINCE = NOW - 20 * MINUTE;
const KEYS = { apiKey: 'api-key-of-the-test', appKey: 'application-key-of-the-test' };
const { signal } = new AbortController();

const opened: FakeDatadog[] = [];
afterEach(async () => {
  for (const one of opened.splice(0)) await one[Symbol.asyncDispose]();
});

async function open(over: Partial<DatadogSourceOptions> = {}) {
  const datadog = await startDatadog(KEYS);
  opened.push(datadog);
  const lines: string[] = [];
  const source = createDatadogSource({
    name: 'datadog',
    site: 'datadoghq.com',
    url: datadog.url,
    apiKey: () => KEYS.apiKey,
    appKey: () => KEYS.appKey,
    services: [{ target: 'api', service: 'rastup-api', env: 'prod' }],
    log: pino({ level: 'trace' }, { write: (line: string) => lines.push(line) }),
    deadlineMs: 250,
    ...over,
  });
  return { datadog, source, lines };
}

const question: Question<'apm.request_time'> = {
  kind: 'apm.request_time',
  target: 'api',
  window: { from: SINCE - 10 * MINUTE, to: NOW },
  params: { since: SINCE },
};

const told = (answer: Answer) => {
  if (answer.state !== 'answered' || answer.kind !== 'apm.request_time') throw new Error(JSON.stringify(answer));
  return answer.value;
};

/** Spans as they were, and since the onset. */
const spans = (
  span: string,
  service: string,
  before: readonly [number, number],
  after: readonly [number, number] = before,
): FakeSpans => ({
  span,
  service,
  env: 'prod',
  phases: [
    { from: 0, perMinute: before[0], seconds: before[1] },
    { from: SINCE, perMinute: after[0], seconds: after[1] },
  ],
});

/** 300 requests a minute of 0.2 s; from the onset on 1 s each, of which 0.8 s are the database's. */
const SLOW_DATABASE = [
  spans('express.request', 'rastup-api', [300, 0.2], [300, 1]),
  spans('pg.query', 'rastup-api-postgres', [900, 0.02], [900, 0.8 / 3]),
  spans('http.request', 'rastup-api', [60, 0.1]),
];

test('the share of the database is told beside what it was', async () => {
  const { datadog, source } = await open();
  datadog.set(SLOW_DATABASE);
  const value = told(await source.answer(question, NOW, signal));
  expect(value).toMatchObject({ apm: 'datadog', service: 'rastup-api', at: NOW });
  expect(value.meanSeconds).toBeCloseTo(1, 5);
  expect(value.p95Seconds).toBeCloseTo(1.8, 5);
  expect(value.shares.database).toBeCloseTo(0.8, 5);
  expect(value.before.database).toBeCloseTo(0.3, 5);
  expect(value.shares.http).toBeCloseTo(0.02, 5);
  // No span of a cache was ever seen: that is not known, and not zero.
  expect(value.shares.cache).toBeNull();
  expect(value.before.cache).toBeNull();
});

test('the entry spans are the most frequent of the usual ones, and found once', async () => {
  const { datadog, source } = await open();
  datadog.set([...SLOW_DATABASE, spans('graphql.execute', 'rastup-api', [40, 3])]);
  expect(told(await source.answer(question, NOW, signal)).meanSeconds).toBeCloseTo(1, 5);
  await source.answer(question, NOW + MINUTE, signal);
  expect(datadog.queries).toHaveLength(3);
  expect(datadog.queries[1]).toContain(
    'sum:trace.express.request.duration{service:rastup-api,env:prod}.rollup(sum,60)',
  );
});

test('the entry spans that are configured are taken', async () => {
  const services = [{ target: 'api', service: 'rastup-api', env: 'prod', operation: 'graphql.execute' }];
  const { datadog, source } = await open({ services });
  datadog.set([...SLOW_DATABASE, spans('graphql.execute', 'rastup-api', [40, 3])]);
  expect(told(await source.answer(question, NOW, signal)).meanSeconds).toBeCloseTo(3, 5);
  expect(datadog.queries).toHaveLength(1);
});

test('work at once can take more than the whole request: then it is all of it', async () => {
  const { datadog, source } = await open();
  datadog.set([spans('web.request', 'rastup-api', [60, 0.1]), spans('pg.query', 'rastup-api', [600, 0.05])]);
  expect(told(await source.answer(question, NOW, signal)).shares.database).toBe(1);
});

test('without a unit of time there are shares, and no seconds', async () => {
  const { datadog, source } = await open();
  datadog.set(SLOW_DATABASE);
  datadog.mutate((body) => body.replaceAll('"family":"time"', '"family":"cycles"'));
  const value = told(await source.answer(question, NOW, signal));
  expect(value).toMatchObject({ meanSeconds: null, p95Seconds: null });
  expect(value.shares.database).toBeCloseTo(0.8, 5);
});

test('spans of another service or environment are not ours', async () => {
  const { datadog, source } = await open();
  datadog.set([{ ...SLOW_DATABASE[0]!, env: 'staging' }, spans('express.request', 'other', [300, 0.2])]);
  expect(await source.answer(question, NOW, signal)).toMatchObject({
    state: 'unknown',
    because: 'no_data',
    detail: expect.stringMatching(/no requests in the trace metrics of rastup-api in prod$/),
  });
});

test.each<readonly [VendorTrouble, string, RegExp, RegExp | null]>([
  ['unauthorized', 'denied', /answered 401 to a metrics query$/, /timeseries_query/],
  ['forbidden', 'denied', /answered 403/, /application key with the scope timeseries_query/],
  ['not-found', 'not_configured', /answered 404/, /site/],
  ['rate-limited', 'error', /too many requests$/, null],
  ['unavailable', 'error', /answered 503/, null],
  ['hang', 'timeout', /no whole answer within 250 ms$/, null],
  ['drip', 'timeout', /no whole answer within 250 ms$/, null],
  ['huge', 'error', /larger than 2048 KB$/, null],
  ['redirect', 'not_configured', /redirects to login\.example\.com, which is not followed$/, null],
  ['reset', 'error', /closed before the answer/, null],
  ['no-json', 'error', /not that of a metrics query$/, null],
  ['other-json', 'error', /not that of a metrics query$/, null],
])('%s is one unknown, with what to do about it', async (trouble, because, detail, grant) => {
  const { datadog, source, lines } = await open(trouble === 'huge' ? { deadlineMs: 3_000 } : {});
  datadog.trouble(trouble);
  const answer = await source.answer(question, NOW, signal);
  expect(answer).toMatchObject({ state: 'unknown', because, detail: expect.stringMatching(detail) });
  if (grant !== null) expect(answer).toMatchObject({ grant: expect.stringMatching(grant) });
  const said = JSON.stringify(answer) + lines.join('');
  for (const key of Object.values(KEYS)) expect(said).not.toContain(key);
});

test('an error in an answer of 200 is no figure', async () => {
  const { datadog, source } = await open();
  datadog.mutate(() => JSON.stringify({ status: 'error', error: 'Rate limit of queries', series: [] }));
  expect(await source.answer(question, NOW, signal)).toMatchObject({
    because: 'error',
    detail: expect.stringMatching(/refused the query$/),
  });
});

test('keys that are wrong are denied, and ones that are none are not sent', async () => {
  const wrong = await open({ appKey: () => 'other' });
  expect(await wrong.source.answer(question, NOW, signal)).toMatchObject({ because: 'denied' });
  const { source, datadog } = await open({ apiKey: () => 'a\r\nb' });
  expect(await source.answer(question, NOW, signal)).toMatchObject({ because: 'not_configured' });
  expect(datadog.queries).toEqual([]);
});

test('a tag that would be a query of its own is not sent', async () => {
  const services = [{ target: 'api', service: 'api} by {host', env: 'prod' }];
  const { source, datadog } = await open({ services });
  expect(await source.answer(question, NOW, signal)).toMatchObject({ because: 'not_configured' });
  expect(datadog.queries).toEqual([]);
});

test('2,000 mutated answers: no crash, and no figure but true shares and times', async () => {
  const services = [{ target: 'api', service: 'rastup-api', env: 'prod', operation: 'express.request' }];
  const { datadog, source } = await open({ services, deadlineMs: 5_000 });
  datadog.set(SLOW_DATABASE);
  const random = seeded(4_711);
  let sent = '';
  datadog.mutate((body) => {
    sent = mutated(body, random);
    return sent;
  });
  let answered = 0;
  for (let run = 0; run < 2_000; run += 1) {
    const answer = await source.answer(question, NOW, signal);
    const parses = ((): boolean => {
      try {
        return typeof JSON.parse(sent) === 'object';
      } catch {
        return false;
      }
    })();
    if (!parses) expect(answer.state, sent).toBe('unknown');
    if (answer.state !== 'answered') continue;
    answered += 1;
    const { shares, before, meanSeconds, p95Seconds } = told(answer);
    for (const share of [...Object.values(shares), ...Object.values(before)])
      expect(share === null || (share >= 0 && share <= 1), sent).toBe(true);
    for (const seconds of [meanSeconds, p95Seconds])
      expect(seconds === null || (Number.isFinite(seconds) && seconds >= 0), sent).toBe(true);
  }
  expect(answered).toBeGreaterThan(200);
});
