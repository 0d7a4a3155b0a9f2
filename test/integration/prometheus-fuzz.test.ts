/**
 * Answers that were tampered with, by hand of a seeded generator: whatever comes back, the source does not fail, and each
 * figure that it gives stands in the answer, at its time and under its labels.
 */

import { pino } from 'pino';
import { expect, test } from 'vitest';
import type { Series } from '../../src/model/series.ts';
import { createPrometheusSource } from '../../src/sources/prometheus/source.ts';
import { startPrometheus } from '../world/prometheus.ts';

const NOW = 1_764_000_000_000;
const STEP = 15_000;
const SCALE = 0.001;
const FROM = NOW - 900_000;
const TO = NOW - 30_000;
const QUERY = 'sum by (route) (rate(http_seconds_sum[1m]))';
const STRUCTURAL = 1_600;
const TEXTUAL = 1_200;

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** mulberry32: small, seeded, good enough to choose with. */
function randomOf(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** A figure tells its row and its time by itself: row × 1000 + step. */
const figure = (row: number, at: number): number => row * 1000 + (at - FROM) / STEP;

function truth(): { [key: string]: Json } {
  const result = [0, 1, 2].map((row): Json => {
    const times = Array.from({ length: 8 }, (_, step) => FROM + (row * 8 + step) * STEP);
    return {
      metric: { __name__: 'x', route: `/r${row}`, job: 'api' },
      values: times.map((at): Json => [at / 1000, String(figure(row, at))]),
    };
  });
  return { status: 'success', data: { resultType: 'matrix', result } };
}

const JUNK: readonly Json[] = [
  ...[null, true, false, 0, -1, 1e308, 7.5, [], {}, [[]], [0], [0, '0'], { a: 1 }, { metric: {}, values: [] }],
  ...['', ' ', ' 7', '7 ', '0x1f', '1_0', '1,5', '1e', 'e5', '--1', 'nan', 'NaN', '+Inf', '-Inf', 'Infinity', '1e999'],
  ...['null', 'error', 'vector', 'success', '__proto__', '\u202e', '\u0000', 'x'.repeat(5_000), '٧', '½'],
];

/** Every place of the tree: whose member it is, and which. */
function places(node: Json, found: [Json[] | { [key: string]: Json }, string][] = []): typeof found {
  if (typeof node !== 'object' || node === null) return found;
  for (const key of Object.keys(node)) {
    found.push([node as { [key: string]: Json }, key]);
    places((node as { [key: string]: Json })[key]!, found);
  }
  return found;
}

/** Changes that leave no figure that could be taken for another one. */
function tamper(tree: { [key: string]: Json }, random: (below: number) => number): void {
  const all = places(tree);
  const [holder, key] = all[random(all.length)]!;
  const record = holder as { [key: string]: Json };
  const value = record[key]!;
  const isTime = Array.isArray(holder) && key === '0' && typeof value === 'number';
  switch (random(7)) {
    case 0:
      if (Array.isArray(holder)) holder.splice(Number(key), 1);
      else delete record[key];
      return;
    case 1:
      record[key] = structuredClone(JUNK[random(JUNK.length)]!);
      return;
    case 2:
      if (Array.isArray(holder)) holder.splice(random(holder.length + 1), 0, structuredClone(value));
      else record[`${key}_`] = structuredClone(value);
      return;
    case 3:
      record[key] = [value];
      return;
    case 4:
      if (isTime)
        record[key] = [value + 1, value - 3600, value + 86_400, value * 1000, value / 1000, -value][random(6)]!;
      else if (typeof value === 'string') record[key] = `${value}${['x', ' ', '"', '\\', '\n', 'e', '.'][random(7)]}`;
      return;
    case 5:
      if (Array.isArray(value)) value.reverse();
      return;
    default:
      if (typeof value === 'string' && value !== '') record[key] = Number(value);
      else record['warnings'] = structuredClone(JUNK[random(JUNK.length)]!);
  }
}

function damage(text: string, random: (below: number) => number): string {
  const at = random(text.length);
  const other = '{}[]",:.0123456789eE+-NaInftrul \u0000\u202e\\'[random(40)] ?? '';
  const piece = text.slice(at, at + 1 + random(40));
  switch (random(5)) {
    case 0:
      return text.slice(0, at);
    case 1:
      return text.slice(0, at) + other + text.slice(at + 1);
    case 2:
      return text.slice(0, at) + other + text.slice(at);
    case 3:
      return text.slice(0, at) + text.slice(at + piece.length);
    default:
      return text.slice(0, at) + piece + text.slice(at);
  }
}

interface Figure {
  readonly at: number;
  readonly value: number;
  readonly labels: Series['labels'];
}

const figuresOf = (series: readonly Series[]): readonly Figure[] =>
  series.flatMap(({ times, values, labels }) =>
    [...times].map((at, index) => ({ at, value: (values[index] ?? Number.NaN) / SCALE, labels })),
  );

test(`${STRUCTURAL + TEXTUAL} answers that were tampered with: no crash, and no figure that is not in them`, async () => {
  await using prometheus = await startPrometheus();
  const log = pino({ level: 'silent' });
  const { signal } = new AbortController();
  const read = async (body: string): Promise<readonly Series[]> => {
    prometheus.trouble({ kind: 'body', body });
    const source = createPrometheusSource({
      name: 'prometheus',
      url: prometheus.url,
      bindings: [{ target: 'api', signal: 'seconds', unit: 's', query: QUERY, scale: SCALE }],
      periodMs: STEP,
      log,
    });
    const { series, blind } = await source.poll('prometheus', NOW, signal);
    for (const { detail } of blind) expect(detail).toMatch(/^[^\p{C}]{1,400}$/u);
    if (series.length > 0) expect(blind.filter(({ because }) => because !== 'unsupported')).toEqual([]);
    return series;
  };

  const whole = figuresOf(await read(JSON.stringify(truth())));
  expect(whole).toHaveLength(24);

  const random = randomOf(20_261_123);
  let withFigures = 0;
  for (let n = 0; n < STRUCTURAL; n += 1) {
    const tree = truth();
    for (let times = 1 + random(2); times > 0; times -= 1) tamper(tree, random);
    const body = JSON.stringify(tree);
    const figures = figuresOf(await read(body));
    withFigures += figures.length > 0 ? 1 : 0;
    for (const { at, value, labels } of figures) {
      const row = Math.floor(Math.round(value) / 1000);
      expect(Math.round(value), body).toBeCloseTo(figure(row, at), 6);
      expect(at >= FROM && at <= TO, body).toBe(true);
      const named = /^\/r(\d)$/.exec(labels['route'] ?? '');
      if (named !== null) expect(Number(named[1]), body).toBe(row);
    }
  }
  // The rest is refused as a whole; were it all of them, nothing would be tested.
  expect(withFigures).toBeGreaterThan(100);
  expect(withFigures).toBeLessThan(STRUCTURAL * 0.8);

  for (let n = 0; n < TEXTUAL; n += 1) {
    let body = JSON.stringify(truth());
    for (let times = 1 + random(3); times > 0; times -= 1) body = damage(body, random);
    const written = samplesIn(body);
    for (const { at, value } of figuresOf(await read(body))) {
      const texts = written.get(at) ?? [];
      expect(
        texts.some(
          (text) => /^[-+.\deE]+$/.test(text) && Math.abs(Number(text) - value) < 1e-9 * Math.abs(value) + 1e-12,
        ),
        body,
      ).toBe(true);
    }
  }
});

test('a figure that no signal of that name can have costs the signal, which is named, and is over when it is over', async () => {
  await using prometheus = await startPrometheus();
  const source = createPrometheusSource({
    name: 'prometheus',
    url: prometheus.url,
    bindings: [
      { target: 'api', signal: 'graphql_errors', unit: 'count', query: 'errors' },
      { target: 'api', signal: 'graphql_latency_p95', unit: 's', query: 'latency' },
    ],
    periodMs: STEP,
    log: pino({ level: 'silent' }),
  });
  let errors = -1;
  prometheus.set('errors', () => [{ labels: { operation: 'GetOrder' }, value: errors }]);
  prometheus.set('latency', () => [{ labels: {}, value: 0.2 }]);
  const { signal } = new AbortController();
  const lied = await source.poll('prometheus', NOW, signal);
  expect(lied.series.map((one) => one.signal)).toEqual(['graphql_latency_p95']);
  expect(lied.blind).toMatchObject([{ target: 'api', check: 'graphql_errors', because: 'error' }]);
  expect(lied.blind[0]?.detail).toMatch(/graphql_errors: the query gives -1, expected 0 to \d+$/);
  errors = 40;
  const after = await source.poll('prometheus', NOW + STEP, signal);
  expect(after.blind).toEqual([]);
  expect(after.series.find((one) => one.signal === 'graphql_errors')?.values.every((value) => value === 40)).toBe(true);
});

/** Read by the simplest means: what the text says stands at each time; nothing when it is no JSON. */
function samplesIn(body: string): ReadonlyMap<number, readonly string[]> {
  const found = new Map<number, string[]>();
  let tree: Json;
  try {
    tree = JSON.parse(new TextDecoder().decode(new TextEncoder().encode(body)));
  } catch {
    return found;
  }
  for (const [holder, key] of places(tree)) {
    const pair = (holder as { [key: string]: Json })[key];
    if (!Array.isArray(pair) || typeof pair[0] !== 'number' || typeof pair[1] !== 'string') continue;
    const at = Math.round(pair[0] * 1000);
    found.set(at, [...(found.get(at) ?? []), pair[1]]);
  }
  return found;
}
