import { pino } from 'pino';
import { expect, test } from 'vitest';
import { startOpenSearch, startTypesense } from '../../../test/world/search.ts';
import { clusterOf } from './opensearch.ts';
import { createSearchSource } from './source.ts';
import { documentsOf, healthOf, resourcesOf, statsOf } from './typesense.ts';

/** Deterministic (mulberry32): a failure can be had again. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const HOSTILE: readonly unknown[] = [
  null,
  true,
  false,
  '',
  'NaN',
  'Infinity',
  '-1',
  '1e309',
  '0x10',
  ' 5',
  '٣',
  'true',
  -1,
  -0.0001,
  1e300,
  1.5e308,
  [],
  [1],
  {},
  { valueOf: 1 },
  'a'.repeat(10_000),
  '\u202e',
  '\ud800',
];

const BODIES: readonly unknown[] = [
  { ok: true },
  { ok: true, resource_error: 'OUT_OF_DISK' },
  {
    search_latency_ms: 12,
    search_requests_per_second: 42,
    write_latency_ms: 20,
    write_requests_per_second: 3,
    pending_write_batches: 4,
    overloaded_requests_per_second: 0,
    latency_ms: { 'GET /health': 1 },
  },
  {
    system_cpu_active_percentage: '22.00',
    system_disk_total_bytes: '1043447808',
    system_disk_used_bytes: '561152',
    system_memory_total_bytes: '2086899712',
    system_memory_used_bytes: '1004507136',
  },
  { name: 'models', num_documents: 48_200, fields: [] },
  {
    status: 'green',
    timed_out: false,
    number_of_nodes: 3,
    unassigned_shards: 0,
    active_primary_shards: 12,
    active_shards_percent_as_number: 100,
  },
];

function mutated(body: unknown, next: () => number): string {
  const pick = <T>(all: readonly T[]): T => all[Math.floor(next() * all.length)]!;
  const fields = { ...(body as Record<string, unknown>) };
  const text = JSON.stringify(fields);
  switch (Math.floor(next() * 7)) {
    case 0:
      return text.slice(0, Math.floor(next() * text.length));
    case 1: {
      const at = Math.floor(next() * text.length);
      return text.slice(0, at) + String.fromCharCode(Math.floor(next() * 65_536)) + text.slice(at + 1);
    }
    case 2:
      return JSON.stringify([fields]);
    case 3:
      return `${text}${text}`;
    case 4:
      delete fields[pick(Object.keys(fields))];
      return JSON.stringify(fields);
    case 5:
      return `${'{"a":'.repeat(Math.floor(next() * 2_000))}${text}`;
    default:
      fields[pick(Object.keys(fields))] = pick(HOSTILE);
      return JSON.stringify(fields);
  }
}

/** Every figure is one that an engine can have. */
function sane(value: object | number | null): boolean {
  if (value === null) return true;
  if (typeof value === 'number') return Number.isFinite(value) && value >= 0;
  return Object.entries(value).every(([name, each]) => {
    if (Array.isArray(each)) return each.every(sane);
    if (typeof each !== 'number') return each === null || typeof each === 'boolean' || typeof each === 'string';
    return Number.isFinite(each) && each >= 0 && (!name.endsWith('Ratio') || each <= 1);
  });
}

test('12,000 mutated answers: no crash, and no figure that an engine cannot have', () => {
  const next = random(20_261_123);
  const wrong: string[] = [];
  for (let round = 0; round < 12_000; round += 1) {
    const body = mutated(BODIES[round % BODIES.length], next);
    for (const read of [healthOf, statsOf, resourcesOf, documentsOf]) {
      if (!sane(read(body))) wrong.push(`${read.name}: ${body}`);
    }
    const cluster = clusterOf(body, 'search', 1);
    if (!sane(cluster) || (cluster?.ready === true && !body.includes('"timed_out":false'))) wrong.push(body);
  }
  expect(wrong).toEqual([]);
});

test('2,400 mutated responses over HTTP: no crash, no outage, no figure that an engine cannot have', async () => {
  await using engine = await startTypesense();
  await using fallback = await startOpenSearch();
  const source = createSearchSource({
    name: 'search',
    engines: [
      {
        target: 'catalogue',
        typesense: { url: engine.url, apiKey: () => engine.apiKey },
        collections: ['models', 'studios'],
        opensearch: { url: fallback.url },
      },
    ],
    periodMs: 15_000,
    log: pino({ level: 'silent' }),
  });
  const { signal } = new AbortController();
  await source.poll('search', 0, signal);
  const next = random(7);
  const asItIs = (body: string): string => body;
  const mutate = (body: string): string => mutated(JSON.parse(body), next);
  const window = { from: 0, to: 1 };
  const wrong: string[] = [];
  for (let round = 1; round <= 400; round += 1) {
    // Health as it is every other time: else the other answers would hardly ever be asked for.
    engine.mutate(round % 2 === 0 ? (body) => (body.includes('"ok"') ? asItIs : mutate)(body) : mutate);
    fallback.mutate(mutate);
    const { series, blind } = await source.poll('search', round, signal);
    for (const { signal: name, values } of series) {
      const [value = Number.NaN] = values;
      const isRatio = name === 'search_memory' || name === 'search_disk';
      if (!(Number.isFinite(value) && value >= 0) || (isRatio && value > 1)) wrong.push(`${name} ${value}`);
      if (name === 'search_up' && value !== 1) wrong.push(`down in round ${round}`);
    }
    if (JSON.stringify(blind).includes(engine.apiKey)) wrong.push('the key was told');
    for (const kind of ['search.engine', 'search.fallback'] as const) {
      const answer = await source.answer({ kind, target: 'catalogue', window, params: {} }, round, signal);
      if (answer.state === 'answered' && !sane(answer.value)) wrong.push(JSON.stringify(answer));
    }
  }
  expect(wrong).toEqual([]);
  expect(engine.requests.length + fallback.requests.length).toBeGreaterThan(2_400);
}, 60_000);

test.each([
  ['a health that is a word', () => healthOf('{"ok":"true"}')],
  ['a health in a list', () => healthOf('[{"ok":true}]')],
  ['statistics without one that is known', () => statsOf('{"latency_ms":{},"requests_per_second":{}}')],
  [
    'more memory in use than there is',
    () => resourcesOf('{"system_memory_used_bytes":"9","system_memory_total_bytes":"8"}'),
  ],
  ['a fraction of a document', () => documentsOf('{"name":"models","num_documents":1.5}')],
  ['documents below zero', () => documentsOf('{"name":"models","num_documents":-1}')],
  ['a colour that there is not', () => clusterOf('{"status":"blue","number_of_nodes":1}', 'h', 1)],
])('%s is nothing', (_name, read) => {
  expect(read()).toBeNull();
});
