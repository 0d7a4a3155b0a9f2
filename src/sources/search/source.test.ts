import { pino } from 'pino';
import { afterEach, expect, test } from 'vitest';
import {
  type HttpTrouble,
  type OpenSearch,
  READY,
  startOpenSearch,
  startTypesense,
  type Typesense,
  WELL,
} from '../../../test/world/search.ts';
import type { Answer, PollResult, Question, Source } from '../../model/index.ts';
import { createSearchSource, SEARCH_SIGNALS, type SearchSourceOptions } from './source.ts';

const DEADLINE_MS = 300;
const { signal } = new AbortController();
const closers: AsyncDisposable[] = [];

afterEach(async () => {
  for (const one of closers.splice(0)) await one[Symbol.asyncDispose]();
});

async function world(): Promise<{ readonly engine: Typesense; readonly fallback: OpenSearch }> {
  const engine = await startTypesense();
  const fallback = await startOpenSearch();
  closers.push(engine, fallback);
  return { engine, fallback };
}

type Engine = SearchSourceOptions['engines'][number];

function open(engine: Typesense, fallback: OpenSearch | null, change: Partial<Engine> = {}): Source {
  return createSearchSource({
    name: 'search',
    engines: [
      {
        target: 'catalogue',
        typesense: { url: engine.url, apiKey: () => engine.apiKey },
        collections: ['models', 'studios'],
        opensearch: fallback === null ? null : { url: `${fallback.url}/` },
        ...change,
      },
    ],
    periodMs: 15_000,
    deadlineMs: DEADLINE_MS,
    log: pino({ level: 'silent' }),
  });
}

const question = (kind: 'search.engine' | 'search.fallback'): Question => ({
  kind,
  target: 'catalogue',
  window: { from: 0, to: 1_000_000 },
  params: {},
});

const valuesOf = ({ series }: PollResult): Readonly<Record<string, number>> =>
  Object.fromEntries(
    series.map(({ signal: name, labels, values }) => [
      labels['collection'] === undefined ? name : `${name}/${labels['collection']}`,
      values[0] ?? Number.NaN,
    ]),
  );

const answerOf = (answer: Answer): unknown => (answer.state === 'answered' ? answer.value : answer);

test('an engine that is well: every signal, in its unit, and nothing blind', async () => {
  const { engine } = await world();
  const source = open(engine, null);
  const result = await source.poll('search', 1_000, signal);
  expect(valuesOf(result)).toEqual({
    search_up: 1,
    'search_documents/models': 48_200,
    'search_documents/studios': 3_100,
    search_requests_per_second: 42,
    search_engine_latency_ms: 12,
    search_pending_writes: 0,
    search_overloaded_per_second: 0,
    search_memory: 0.375,
    search_disk: 0.25,
  });
  expect(result.blind).toEqual([]);
  const units = new Map(SEARCH_SIGNALS.map((info) => [info.signal, info.unit]));
  for (const one of result.series) {
    expect(one).toMatchObject({ target: 'catalogue', unit: units.get(one.signal), periodMs: 15_000 });
  }
  expect([...engine.requests].sort()).toEqual([
    'GET /collections/models',
    'GET /collections/studios',
    'GET /health',
    'GET /metrics.json',
    'GET /stats.json',
  ]);
});

test('a window without searches has no latency', async () => {
  const { engine } = await world();
  engine.set({ searchesPerSecond: 0 });
  const values = valuesOf(await open(engine, null).poll('search', 1_000, signal));
  expect(values['search_requests_per_second']).toBe(0);
  expect(values).not.toHaveProperty('search_engine_latency_ms');
});

test('the answer has the same figures, and the host', async () => {
  const { engine } = await world();
  const value = answerOf(await open(engine, null).answer(question('search.engine'), 2_000, signal));
  expect(value).toEqual({
    at: 2_000,
    engine: 'typesense',
    host: engine.url.replace('http://', ''),
    healthy: true,
    problem: null,
    collections: [
      { name: 'models', documents: 48_200 },
      { name: 'studios', documents: 3_100 },
    ],
    requestsPerSecond: 42,
    searchLatencyMs: 12,
    writeLatencyMs: 20,
    pendingWriteBatches: 0,
    overloadedPerSecond: 0,
    memoryRatio: 0.375,
    diskRatio: 0.25,
    cpuRatio: 0.22,
  });
});

test('an engine that says that it is not ready is down at the first look, and asked nothing else', async () => {
  const { engine } = await world();
  engine.set({ ok: false, resourceError: 'OUT_OF_MEMORY' });
  const source = open(engine, null);
  const result = await source.poll('search', 1_000, signal);
  expect(valuesOf(result)).toEqual({ search_up: 0 });
  expect(result.blind).toEqual([]);
  expect(engine.requests).toEqual(['GET /health']);
  expect(answerOf(await source.answer(question('search.engine'), 2_000, signal))).toMatchObject({
    healthy: false,
    problem: 'OUT_OF_MEMORY',
    collections: [],
    searchLatencyMs: null,
  });
});

test('one that is out of disk still searches, and says so', async () => {
  const { engine } = await world();
  engine.set({ resourceError: 'OUT_OF_DISK' });
  const source = open(engine, null);
  expect(valuesOf(await source.poll('search', 1_000, signal))).toMatchObject({ search_up: 1 });
  expect(answerOf(await source.answer(question('search.engine'), 2_000, signal))).toMatchObject({
    healthy: true,
    problem: 'OUT_OF_DISK',
  });
});

test('a wrong address at install is blindness and no outage; the same silence later is one', async () => {
  const { engine } = await world();
  await engine.stop();
  const source = open(engine, null);
  expect(await source.poll('search', 1_000, signal)).toMatchObject({
    series: [],
    blind: [{ target: 'catalogue', check: 'search.health', grant: expect.stringContaining('typesense.url') }],
  });
  expect(await source.answer(question('search.engine'), 1_500, signal)).toMatchObject({ state: 'unknown' });
  await engine.start();
  expect(valuesOf(await source.poll('search', 2_000, signal))).toMatchObject({ search_up: 1 });
  await engine.stop();
  const result = await source.poll('search', 3_000, signal);
  expect(valuesOf(result)).toEqual({ search_up: 0 });
  expect(result.blind).toMatchObject([{ check: 'search.health', because: 'error', grant: null }]);
  expect(answerOf(await source.answer(question('search.engine'), 4_000, signal))).toMatchObject({
    healthy: null,
    problem: 'refused',
  });
});

test('a restart of ours remembers what has answered, and not under another address', async () => {
  const { engine } = await world();
  const first = open(engine, null);
  await first.poll('search', 1_000, signal);
  await engine.stop();
  const second = open(engine, null);
  second.restore(first.snapshot()!);
  expect(valuesOf(await second.poll('search', 2_000, signal))).toEqual({ search_up: 0 });
  const moved = open(engine, null, { typesense: { url: 'http://127.0.0.1:9', apiKey: () => 'k' } });
  moved.restore(first.snapshot()!);
  expect(valuesOf(await moved.poll('search', 2_000, signal))).toEqual({});
});

test.each<readonly [HttpTrouble, Readonly<Record<string, number>>, string]>([
  ['hang', { search_up: 0 }, 'timeout'],
  ['drip', { search_up: 0 }, 'timeout'],
  ['reset', { search_up: 0 }, 'error'],
  ['status-502', { search_up: 0 }, 'error'],
  // Of whoever stands before it, or of nobody: no figure of the engine.
  ['huge', {}, 'error'],
  ['redirect', {}, 'not_configured'],
  ['garbage', {}, 'error'],
  ['empty', {}, 'error'],
])('%s after it was well gives %j and one blindness', async (kind, values, because) => {
  const { engine } = await world();
  const source = open(engine, null);
  await source.poll('search', 1_000, signal);
  engine.trouble(kind);
  const result = await source.poll('search', 2_000, signal);
  expect(valuesOf(result)).toEqual(values);
  expect(result.blind).toMatchObject([{ check: 'search.health', because }]);
});

test('a key that may not read is a gap with the action that it lacks, and is in no text', async () => {
  const { engine } = await world();
  const source = open(engine, null, { typesense: { url: engine.url, apiKey: () => 'wrong-canary-key' } });
  const result = await source.poll('search', 1_000, signal);
  expect(valuesOf(result)).toEqual({ search_up: 1 });
  expect(result.blind.map(({ check, because, grant }) => [check, because, grant])).toEqual([
    ['search.stats', 'denied', 'set searches.catalogue.typesense.apiKey to an API key with the action stats.json:list'],
    [
      'search.metrics',
      'denied',
      'set searches.catalogue.typesense.apiKey to an API key with the action metrics.json:list',
    ],
    [
      'search.collections',
      'denied',
      'set searches.catalogue.typesense.apiKey to an API key with the action collections:get',
    ],
    [
      'search.collections',
      'denied',
      'set searches.catalogue.typesense.apiKey to an API key with the action collections:get',
    ],
  ]);
  const answered = await source.answer(question('search.engine'), 2_000, signal);
  expect(JSON.stringify([result, answered, source.snapshot()])).not.toContain('canary');
});

test('a key that cannot be read, or breaks a header, is a gap and no crash', async () => {
  const { engine } = await world();
  const unreadable = open(engine, null, {
    typesense: {
      url: engine.url,
      apiKey: () => {
        throw new Error('file:/run/secrets/canary: no such file');
      },
    },
  });
  const broken = open(engine, null, { typesense: { url: engine.url, apiKey: () => 'canary\r\nx: y' } });
  for (const source of [unreadable, broken]) {
    const result = await source.poll('search', 1_000, signal);
    expect(valuesOf(result)).toEqual({ search_up: 1 });
    expect(result.blind.length).toBeGreaterThan(0);
    expect(JSON.stringify(result)).not.toContain('canary');
  }
});

test('a collection that was never there is a setting of ours; one that has gone has no documents', async () => {
  const { engine } = await world();
  const source = open(engine, null, { collections: ['models', 'typo'] });
  const first = await source.poll('search', 1_000, signal);
  expect(valuesOf(first)).not.toHaveProperty('search_documents/typo');
  expect(first.blind).toMatchObject([{ check: 'search.collections', because: 'not_configured' }]);
  engine.set({ collections: { studios: 3_100 } });
  expect(valuesOf(await source.poll('search', 2_000, signal))).toMatchObject({ 'search_documents/models': 0 });
  expect(answerOf(await source.answer(question('search.engine'), 3_000, signal))).toMatchObject({
    collections: [{ name: 'models', documents: 0, missing: true }],
  });
});

test.each<readonly [string, Parameters<OpenSearch['set']>[0], unknown]>([
  ['green', {}, { status: 'green', ready: true, nodes: 3, unassignedShards: 0, activeShardsRatio: 1 }],
  [
    'yellow: all primaries are there',
    { status: 'yellow', activeShards: 12, unassignedShards: 12 },
    { status: 'yellow', ready: true, activeShardsRatio: 0.5 },
  ],
  ['red', { status: 'red', unassignedShards: 4 }, { status: 'red', ready: false }],
  ['green, and empty', { activePrimaryShards: 0, activeShards: 0 }, { status: 'green', ready: false }],
])('the fallback: %s', async (_name, state, expected) => {
  const { engine, fallback } = await world();
  fallback.set(state);
  const answer = await open(engine, fallback).answer(question('search.fallback'), 2_000, signal);
  expect(answerOf(answer)).toMatchObject({ at: 2_000, engine: 'opensearch', ...(expected as object) });
  expect(fallback.requests).toEqual(['GET /_cluster/health']);
});

test.each<readonly [HttpTrouble, string]>([
  ['hang', 'timeout'],
  ['huge', 'error'],
  ['redirect', 'not_configured'],
  ['garbage', 'error'],
  ['status-502', 'error'],
])('a fallback with %s is unknown: never ready', async (kind, because) => {
  const { engine, fallback } = await world();
  fallback.trouble(kind);
  const answer = await open(engine, fallback).answer(question('search.fallback'), 2_000, signal);
  expect(answer).toMatchObject({ state: 'unknown', because });
});

test('without a fallback the answer names the setting', async () => {
  const { engine } = await world();
  const answer = await open(engine, null).answer(question('search.fallback'), 2_000, signal);
  expect(answer).toMatchObject({
    state: 'unknown',
    because: 'not_configured',
    grant: 'set searches.catalogue.opensearch.url',
  });
});

test('a look that is given up says nothing about the engine', async () => {
  const { engine } = await world();
  const source = open(engine, null);
  await source.poll('search', 1_000, signal);
  engine.trouble('hang');
  const controller = new AbortController();
  const polling = source.poll('search', 2_000, controller.signal);
  controller.abort();
  expect(await polling).toEqual({ series: [], changes: [], blind: [] });
  expect(await source.answer(question('search.engine'), 3_000, AbortSignal.abort())).toMatchObject({
    state: 'unknown',
    because: 'timeout',
  });
});

test('an unknown or damaged snapshot is ignored', async () => {
  const { engine } = await world();
  const source = open(engine, null);
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
  for (const damaged of [
    new Uint8Array([0xff]),
    bytes('null'),
    bytes('{"version":1,"engines":7}'),
    bytes('{"version":1,"engines":[7,["catalogue"],["catalogue",{"answered":7,"collections":[7]}]]}'),
  ]) {
    expect(() => source.restore(damaged)).not.toThrow();
  }
  expect(source.answers(question('search.engine'))).toBe(true);
  expect(source.answers({ ...question('search.engine'), target: 'other' })).toBe(false);
  expect(WELL.ok && READY.timedOut).toBe(false);
});
