/**
 * Datadog's metrics query on loopback (`GET /api/v1/query`), over trace metrics as its documentation names them:
 * `trace.<span>.hits`, `trace.<span>.duration` and the distribution `trace.<span>`.
 */

import { createServer } from 'node:http';
import { answerTrouble, closing, json, listening, type VendorTrouble } from './vendor-troubles.ts';

/** Spans of one name in one service, from a time on. */
export interface FakeSpans {
  readonly span: string;
  /** Tag `service` of the spans: the service's own, or of its client (`api-postgres`). */
  readonly service: string;
  readonly env: string;
  /** Oldest first: from then on, so many a minute, each of so many seconds. */
  readonly phases: readonly { readonly from: number; readonly perMinute: number; readonly seconds: number }[];
}

export interface FakeDatadog extends AsyncDisposable {
  readonly url: string;
  set(spans: readonly FakeSpans[]): void;
  trouble(trouble: VendorTrouble | null): void;
  /** Changes every answer of 200 on its way out; null ends it. */
  mutate(change: ((body: string) => string) | null): void;
  /** The query of each request, oldest first. */
  readonly queries: readonly string[];
}

export interface FakeDatadogOptions {
  readonly apiKey: string;
  readonly appKey: string;
}

const NANOSECOND = {
  family: 'time',
  scale_factor: 1e-9,
  name: 'nanosecond',
  short_name: 'ns',
  plural: 'nanoseconds',
  id: 7,
};

const QUERY =
  /^(sum|p95):trace\.([a-z0-9_.]+?)(\.hits|\.duration)?\{([^}]*)\}(?:\.as_count\(\))?\.rollup\((?:sum,)?(\d+)\)$/;

/** `service:api,env:prod`, or `service IN (api,api-postgres) AND env:prod`. */
function matches(scope: string, spans: FakeSpans): boolean {
  const list = /^service IN \(([^)]*)\) AND env:(.+)$/.exec(scope);
  if (list !== null) return list[1]!.split(',').includes(spans.service) && list[2] === spans.env;
  return scope === `service:${spans.service},env:${spans.env}`;
}

/** Queries stand beside each other with commas, which also stand inside braces and parentheses. */
function split(text: string): readonly string[] {
  const parts: string[] = [''];
  let depth = 0;
  for (const char of text) {
    if (char === '{' || char === '(') depth += 1;
    if (char === '}' || char === ')') depth -= 1;
    if (char === ',' && depth === 0) parts.push('');
    else parts[parts.length - 1] += char;
  }
  return parts;
}

function seriesOf(query: string, index: number, spans: readonly FakeSpans[], from: number, to: number): object | null {
  const [, aggregation, span, suffix = '', scope, rollup] = QUERY.exec(query)!;
  const own = spans.filter((one) => one.span === span && matches(scope!, one));
  if (own.length === 0) return null;
  const width = Number(rollup) * 1000;
  const pointlist: [number, number | null][] = [];
  for (let at = Math.floor(from / width) * width; at < to; at += width) {
    const phases = own.flatMap((one) => one.phases.findLast((phase) => phase.from <= at) ?? []);
    const hits = phases.reduce((sum, phase) => sum + (phase.perMinute * width) / 60_000, 0);
    const duration = phases.reduce((sum, phase) => sum + ((phase.perMinute * width) / 60_000) * phase.seconds * 1e9, 0);
    const p95 = Math.max(0, ...phases.map((phase) => phase.seconds * 1.8 * 1e9));
    const value = suffix === '.hits' ? hits : suffix === '.duration' ? duration : p95;
    pointlist.push([at, phases.length === 0 ? null : value]);
  }
  return {
    metric: `trace.${span}${suffix}`,
    query_index: index,
    aggr: aggregation,
    interval: Number(rollup),
    scope: scope,
    tag_set: [],
    expression: query,
    display_name: `trace.${span}${suffix}`,
    start: from,
    end: to - 1,
    length: pointlist.length,
    pointlist,
    unit: suffix === '.hits' ? [{ family: 'network', scale_factor: 1, name: 'hit' }, null] : [NANOSECOND, null],
    attributes: {},
  };
}

export async function startDatadog({ apiKey, appKey }: FakeDatadogOptions): Promise<FakeDatadog> {
  let spans: readonly FakeSpans[] = [];
  let trouble: VendorTrouble | null = null;
  let change: ((body: string) => string) | null = null;
  const queries: string[] = [];
  const refusal = (status: number) => ({ errors: [status === 403 ? 'Forbidden' : `status ${status}`] });
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://127.0.0.1');
    queries.push(searchParams.get('query') ?? '');
    if (trouble !== null) return answerTrouble(trouble, request, response, refusal);
    if (request.headers['dd-api-key'] !== apiKey) return json(response, 403, refusal(403));
    if (request.headers['dd-application-key'] !== appKey) return json(response, 403, refusal(403));
    if (pathname !== '/api/v1/query' || request.method !== 'GET') return json(response, 404, refusal(404));
    const [from, to] = [Number(searchParams.get('from')) * 1000, Number(searchParams.get('to')) * 1000];
    const list = split(searchParams.get('query') ?? '');
    const base = { res_type: 'time_series', resp_version: 1, query: list.join(','), from_date: from, to_date: to };
    if (!(from > 0 && from < to) || list.some((one) => !QUERY.test(one))) {
      return json(response, 200, { ...base, status: 'error', error: 'Error parsing query', series: [] });
    }
    const series = list.flatMap((query, index) => seriesOf(query, index, spans, from, to) ?? []);
    json(
      response,
      200,
      { ...base, status: 'ok', series, values: [], times: [], message: '', group_by: [] },
      {},
      change,
    );
  });
  const url = await listening(server);
  return {
    url,
    queries,
    set(next) {
      spans = next;
    },
    trouble(next) {
      trouble = next;
    },
    mutate(next) {
      change = next;
    },
    [Symbol.asyncDispose]: closing(server),
  };
}
