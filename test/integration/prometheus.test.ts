import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Blindness, PollResult, Source } from '../../src/model/source.ts';
import { createPrometheusSource, type PrometheusBinding } from '../../src/sources/prometheus/source.ts';
import { type FakePrometheus, type PrometheusQuery, startPrometheus } from '../world/prometheus.ts';

const STEP = 15_000;
const SETTLE = 30_000;
const NOW = 1_764_000_000_000;
const MINUTE = 60_000;
const { signal } = new AbortController();

const ERRORS = 'sum(increase(http_errors_total{service="api"}[1m]))';
const LATENCY = 'histogram_quantile(0.95, sum by (le) (rate(http_seconds_bucket[1m])))';
const BY_ROUTE = 'sum by (route) (increase(http_requests_total[1m]))';
const errors: PrometheusBinding = { target: 'api', signal: 'errors', unit: 'count', query: ERRORS };
const latency: PrometheusBinding = { target: 'api', signal: 'latency_p95', unit: 's', query: LATENCY, scale: 0.001 };
const byRoute: PrometheusBinding = { target: 'web', signal: 'requests', unit: 'count', query: BY_ROUTE };

const constant =
  (value: number, labels: Readonly<Record<string, string>> = {}): PrometheusQuery =>
  () => [{ labels, value }];

let prometheus: FakePrometheus;
let logged: { readonly level: number; readonly msg: string }[] = [];
beforeEach(async () => {
  prometheus = await startPrometheus({ [ERRORS]: constant(3), [LATENCY]: constant(210) });
  logged = [];
});
afterEach(async () => {
  await prometheus[Symbol.asyncDispose]();
});

interface Extra {
  readonly url?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly deadlineMs?: number;
  readonly pollDeadlineMs?: number;
}

function open(bindings: readonly PrometheusBinding[], extra: Extra = {}): Source {
  return createPrometheusSource({
    name: 'prometheus',
    url: prometheus.url,
    bindings,
    periodMs: STEP,
    settleMs: SETTLE,
    deadlineMs: 400,
    log: pino({ level: 'warn' }, { write: (line: string) => logged.push(JSON.parse(line)) }),
    ...extra,
  });
}

const poll = (source: Source, now = NOW): Promise<PollResult> => source.poll('prometheus', now, signal);
const sizes = ({ series }: PollResult): readonly number[] => series.map(({ values }) => values.length);

describe('a poll', () => {
  test('reads the quarter of an hour before on its first, and from there on what is new', async () => {
    prometheus.set(ERRORS, (at) => [{ labels: { __name__: 'x', job: 'api' }, value: (at / STEP) % 1000 }]);
    const source = open([errors]);
    const first = await poll(source);
    expect(first.blind).toEqual([]);
    const [series] = first.series;
    expect(series).toMatchObject({
      target: 'api',
      signal: 'errors',
      unit: 'count',
      periodMs: STEP,
      labels: { job: 'api' },
    });
    expect(series?.times[0]).toBe(NOW - 15 * MINUTE);
    expect(series?.times.at(-1)).toBe(NOW - SETTLE);
    expect([...(series?.times ?? [])].map((at) => (at / STEP) % 1000)).toEqual([...(series?.values ?? [])]);

    expect(sizes(await poll(source, NOW + 1))).toEqual([]);
    expect(sizes(await poll(source, NOW + STEP))).toEqual([1]);
    expect(sizes(await poll(source, NOW + 3 * STEP))).toEqual([2]);
    // Too long ago for a poll: history has it.
    expect(sizes(await poll(source, NOW + 60 * MINUTE))).toEqual([59]);
  });

  test('is a POST form with times in seconds, one step for each period, and a server-side timeout', async () => {
    await poll(open([errors]));
    expect(prometheus.requests).toMatchObject([
      {
        method: 'POST',
        path: '/api/v1/query_range',
        parameters: {
          query: ERRORS,
          start: String(NOW / 1000 - 900),
          end: String(NOW / 1000 - 30),
          step: '15',
          timeout: '0.36',
        },
        authorization: null,
      },
    ]);
  });

  test('brings values into the unit of the signal', async () => {
    const { series } = await poll(open([latency]));
    expect(series[0]).toMatchObject({ unit: 's' });
    expect(series[0]?.values[0]).toBeCloseTo(0.21, 12);
  });

  test('an empty result is no data: no series, no zero, no blindness, and it is read again', async () => {
    prometheus.set(ERRORS, () => []);
    const source = open([errors]);
    expect(await poll(source)).toEqual({ series: [], changes: [], blind: [] });
    prometheus.set(ERRORS, constant(7));
    expect(sizes(await poll(source, NOW + STEP))).toEqual([59]);
  });

  test('NaN and infinite samples are holes', async () => {
    const value = (at: number): number =>
      [1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 5][(at / STEP) % 5] ?? 0;
    prometheus.set(ERRORS, (at) => [{ labels: {}, value: value(at) }]);
    const { series, blind } = await poll(open([errors]));
    expect(new Set(series[0]?.values)).toEqual(new Set([1, 5]));
    expect(blind).toEqual([]);
    prometheus.trouble({ kind: 'nan' });
    expect(await poll(open([errors]))).toMatchObject({ series: [], blind: [] });
  });

  test('keeps at most 50 series, the same ones at each poll, and says once what was left out', async () => {
    const routes = (from: number, to: number): PrometheusQuery => {
      const all = Array.from({ length: to - from }, (_, n) => ({ labels: { route: `/r${from + n}` }, value: n }));
      return () => all;
    };
    prometheus.set(BY_ROUTE, routes(100, 150));
    const source = open([byRoute]);
    const names = ({ series }: PollResult) => series.map(({ labels }) => labels['route']).sort();
    const before = names(await poll(source));
    expect(before).toHaveLength(50);
    expect(logged).toEqual([]);
    // Forty more that would sort before them.
    prometheus.set(BY_ROUTE, routes(60, 150));
    expect(names(await poll(source, NOW + STEP))).toEqual(before);
    expect(names(await poll(source, NOW + 2 * STEP))).toEqual(before);
    expect(logged).toMatchObject([{ msg: 'series are left out', signal: 'requests', kept: 50, dropped: 40 }]);
  });

  test('asks four at a time at most', async () => {
    const many = Array.from({ length: 12 }, (_, n) => ({ ...errors, signal: `errors_${n}` }));
    prometheus.trouble({ kind: 'slow', ms: 30 });
    const { series } = await poll(open(many));
    expect(series).toHaveLength(12);
    expect(prometheus.peak()).toBeLessThanOrEqual(4);
    expect(prometheus.peak()).toBeGreaterThan(1);
  });

  test('credentials come from headers or from the address, and are in no message', async () => {
    await poll(open([errors], { headers: { Authorization: 'Bearer abc' } }));
    await poll(open([errors], { url: prometheus.url.replace('//', '//me:p%40ss@') }));
    const basic = `Basic ${Buffer.from('me:p@ss').toString('base64')}`;
    expect(prometheus.requests.map(({ authorization }) => authorization)).toEqual(['Bearer abc', basic]);
    prometheus.trouble({ kind: 'status', status: 401, error: 'no such user me p@ss' });
    const { blind } = await poll(open([errors], { url: prometheus.url.replace('//', '//me:p%40ss@') }));
    expect(JSON.stringify([blind, logged])).not.toMatch(/p@ss|p%40ss/);
    expect(() => open([errors], { headers: { 'X-Key': 'se\ncret' } })).toThrow(
      'prometheus.headers.X-Key: expected one line of plain characters',
    );
    expect(() => open([errors], { url: 'prometheus:9090' })).toThrow('prometheus.url: expected an http:// or https://');
  });

  test('a path prefix stays in front', async () => {
    await poll(open([errors], { url: `${prometheus.url}/prom/` }));
    expect(prometheus.requests[0]?.path).toBe('/prom/api/v1/query_range');
  });

  test('a snapshot carries on where it ended, and a damaged one is ignored', async () => {
    const source = open([errors]);
    expect(source.snapshot()).toBeNull();
    await poll(source);
    const state = source.snapshot()!;
    const next = open([errors, latency]);
    next.restore(state);
    expect(sizes(await poll(next, NOW + STEP))).toEqual([1, 59]);
    for (const text of ['', 'null', '[]', '{"version":1,"watermarks":[[1,2],["x"],null]}', '{"version":9}']) {
      expect(() => open([errors]).restore(new TextEncoder().encode(text))).not.toThrow();
    }
  });
});

describe('what cannot be seen is a blindness of the target and the signal', () => {
  const blindAt = async (extra: Extra = {}): Promise<Blindness> => {
    const { series, blind } = await poll(open([errors], extra));
    expect(series).toEqual([]);
    expect(blind).toHaveLength(1);
    expect(blind[0]).toMatchObject({ target: 'api', check: 'errors' });
    return blind[0]!;
  };

  test.each<readonly [string, Parameters<FakePrometheus['trouble']>[0], string, RegExp, RegExp | null]>([
    ['slow', { kind: 'slow', ms: 5_000 }, 'timeout', /no whole answer within 400 ms/, null],
    ['hangs', { kind: 'hang' }, 'timeout', /no whole answer within 400 ms/, null],
    ['drips', { kind: 'drip' }, 'timeout', /no whole answer within 400 ms/, null],
    ['is huge', { kind: 'huge' }, 'error', /larger than 8192 KB|no whole answer/, /aggregate/],
    [
      'is malformed',
      { kind: 'malformed' },
      'error',
      /not the documented answer: a series has no list/,
      /prometheus\.url/,
    ],
    [
      'is a login page',
      { kind: 'html' },
      'error',
      /not the documented answer: the answer is not JSON/,
      /prometheus\.url/,
    ],
    ['is cut', { kind: 'truncated' }, 'error', /closed before the answer/, null],
    ['is closed', { kind: 'reset' }, 'error', /closed before the answer/, null],
    [
      'redirects',
      { kind: 'redirect', to: 'https://sso.example.com/login?next=x' },
      'not_configured',
      /redirects to sso\.example\.com, which is not followed/,
      /^set prometheus\.url to the address at sso\.example\.com$/,
    ],
    ['is 401', { kind: 'status', status: 401 }, 'denied', /answered 401/, /^set prometheus\.headers\.Authorization/],
    ['is 403', { kind: 'status', status: 403 }, 'denied', /answered 403/, /^set prometheus\.headers\.Authorization/],
    ['is 404', { kind: 'status', status: 404 }, 'not_configured', /answered 404/, /prometheus\.url/],
    [
      'is 422',
      { kind: 'status', status: 422, errorType: 'execution', error: 'found duplicate series for the match group' },
      'error',
      /cannot be executed: found duplicate series/,
      null,
    ],
    ['is 429', { kind: 'status', status: 429, error: 'too many' }, 'error', /answered 429, is busy or away/, null],
    [
      'is 503 of a timeout',
      { kind: 'status', status: 503, errorType: 'timeout', error: 'query timed out in expression evaluation' },
      'timeout',
      /gave the query up: query timed out/,
      null,
    ],
    ['is 503 of a proxy', { kind: 'status', status: 503 }, 'error', /answered 503, is busy or away/, null],
    [
      'is 500',
      { kind: 'status', status: 500, errorType: 'internal', error: 'disk' },
      'error',
      /answered 500: disk/,
      null,
    ],
    [
      'is partial',
      { kind: 'warnings', warnings: ['store 10.0.0.7:10901: rpc error: context deadline exceeded'] },
      'error',
      /the data is not whole: store 10\.0\.0\.7/,
      null,
    ],
  ])('an answer that %s', async (_, trouble, because, detail, grant) => {
    prometheus.trouble(trouble);
    const blind = await blindAt(trouble?.kind === 'huge' ? { deadlineMs: 4_000 } : {});
    expect(blind).toMatchObject({ because, detail: expect.stringMatching(detail) });
    expect(blind.detail).toMatch(/^127\.0\.0\.1:\d+: errors: /);
    if (grant === null) expect(blind.grant).toBeNull();
    else expect(blind.grant).toMatch(grant);
  });

  test('a server that is not there', async () => {
    const source = open([errors]);
    await prometheus[Symbol.asyncDispose]();
    expect((await poll(source)).blind).toMatchObject([
      { because: 'error', detail: expect.stringContaining('refused') },
    ]);
    prometheus = await startPrometheus();
  });

  test('a query that is not valid is named, not asked at each poll, and asked again after a quarter of an hour', async () => {
    const broken = { ...errors, query: 'sum(increase(http_errors_total[1m])' };
    const source = open([broken, latency]);
    const first = await poll(source);
    expect(first.series.map((each) => each.signal)).toEqual(['latency_p95']);
    expect(first.blind).toMatchObject([
      {
        check: 'errors',
        because: 'not_configured',
        detail: expect.stringMatching(/the query is not valid: .*parse error/),
        grant: 'correct the query of errors',
      },
    ]);
    const asked = (): number =>
      prometheus.requests.filter(({ parameters }) => parameters['query'] === broken.query).length;
    for (let n = 1; n < 60; n += 1) expect((await poll(source, NOW + n * STEP)).blind).toEqual(first.blind);
    expect(asked()).toBe(1);
    await poll(source, NOW + 15 * MINUTE);
    expect(asked()).toBe(2);
  });

  test('one query in trouble costs that query alone, and is over when it is over', async () => {
    const source = open([errors, latency]);
    prometheus.trouble({ kind: 'status', status: 500, errorType: 'internal', error: 'x' }, ERRORS);
    const bad = await poll(source);
    expect(bad.series.map((each) => each.signal)).toEqual(['latency_p95']);
    expect(bad.blind).toHaveLength(1);
    prometheus.trouble(null, ERRORS);
    const good = await poll(source, NOW + STEP);
    expect(good.blind).toEqual([]);
    expect(sizes(good)).toEqual([59, 1]);
  });

  test('a server that refuses all is not asked each query, and a poll has an end', async () => {
    const many = Array.from({ length: 40 }, (_, n) => ({ ...errors, signal: `errors_${n}` }));
    prometheus.trouble({ kind: 'status', status: 503 });
    const refused = await poll(open(many));
    expect(refused.blind).toHaveLength(40);
    expect(new Set(refused.blind.map(({ check }) => check)).size).toBe(40);
    expect(prometheus.requests.length).toBeLessThanOrEqual(8);

    prometheus.trouble({ kind: 'hang' });
    const started = performance.now();
    const hung = await poll(open(many));
    expect(hung.blind).toHaveLength(40);
    expect(performance.now() - started).toBeLessThan(2_000);

    // Every other one hangs: the server is not given up, the poll ends all the same.
    prometheus.trouble(null);
    prometheus.trouble({ kind: 'hang' }, 'hang');
    const mixed = many.map((each, n) => (n % 2 === 0 ? each : { ...each, query: 'hang' }));
    const late = await poll(open(mixed, { pollDeadlineMs: 600 }));
    expect(late.series.length + late.blind.length).toBe(40);
    expect(late.blind.some(({ detail }) => /not asked, the queries before it took 600 ms/.test(detail))).toBe(true);
  });

  test('a poll that is stopped says nothing and forgets nothing', async () => {
    const source = open([errors]);
    const stop = new AbortController();
    prometheus.trouble({ kind: 'hang' });
    const polling = source.poll('prometheus', NOW, stop.signal);
    stop.abort();
    expect(await polling).toEqual({ series: [], changes: [], blind: [] });
    prometheus.trouble(null);
    expect(sizes(await poll(source))).toEqual([59]);
  });

  test('what the query language warns of is logged once, and the figures stand', async () => {
    prometheus.trouble({ kind: 'warnings', warnings: ['PromQL warning: quantile value should be between 0 and 1'] });
    const source = open([errors]);
    expect(sizes(await poll(source))).toEqual([59]);
    expect((await poll(source, NOW + STEP)).blind).toEqual([]);
    expect(logged).toMatchObject([{ msg: 'prometheus warns of a query' }]);
  });
});

describe('history', () => {
  const DAYS = 14;
  const collect = async (source: Source): Promise<PollResult['series']> => {
    const all = [];
    for await (const portion of source.history!(NOW - DAYS * 24 * 60 * MINUTE, NOW, signal)) all.push(...portion);
    return all;
  };

  test('is every 300 s, in portions, oldest first, without a hole or a repetition', async () => {
    prometheus.set(ERRORS, (at) => [{ labels: {}, value: (at / 300_000) % 288 }]);
    const series = await collect(open([errors]));
    expect(series.length).toBeGreaterThan(3);
    expect(series.every(({ periodMs, signal: name }) => periodMs === STEP && name === 'errors')).toBe(true);
    const times = series.flatMap((each) => [...each.times]);
    expect(times).toHaveLength(DAYS * 288);
    expect(times.every((at, n) => n === 0 || at - times[n - 1]! === 300_000)).toBe(true);
    expect(series.flatMap((each) => [...each.values])).toEqual(times.map((at) => (at / 300_000) % 288));
    for (const { parameters } of prometheus.requests) {
      const { start, end, step } = parameters;
      expect((Number(end) - Number(start)) / Number(step)).toBeLessThan(11_000);
    }
  });

  test('a query that fails is left out, the others are read; a server that fails ends it', async () => {
    prometheus.trouble({ kind: 'status', status: 422, errorType: 'execution', error: 'too many samples' }, ERRORS);
    const series = await collect(open([errors, latency]));
    expect(new Set(series.map((each) => each.signal))).toEqual(new Set(['latency_p95']));
    expect(logged).toMatchObject([{ msg: 'no history', signal: 'errors' }]);
    prometheus.trouble({ kind: 'status', status: 403 });
    await expect(collect(open([errors]))).rejects.toMatchObject({ code: 'HTTP_ANSWER' });
  });

  test('a portion that is too much is asked for in smaller ones, down to a limit', async () => {
    prometheus.trouble({ kind: 'limit', rangeMs: 24 * 60 * MINUTE });
    const times = (await collect(open([errors]))).flatMap((each) => [...each.times]);
    expect(times).toHaveLength(DAYS * 288);
    expect(times.every((at, n) => n === 0 || at - times[n - 1]! === 300_000)).toBe(true);
    prometheus.trouble({ kind: 'limit', rangeMs: 0 });
    const before = prometheus.requests.length;
    expect(await collect(open([errors]))).toEqual([]);
    expect(prometheus.requests.length - before).toBeLessThan(6);
  });
});
