/**
 * A Prometheus on loopback, with the documented forms of its HTTP API (https://prometheus.io/docs/prometheus/latest/querying/api/).
 * It knows no PromQL: each query is a text with a function of time behind it; any other is a metric that nobody has.
 */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface PrometheusSample {
  readonly labels: Readonly<Record<string, string>>;
  /** NaN and ±Infinity too. */
  readonly value: number;
}

/** What a query gives at a time in epoch milliseconds; nothing where there is no series. */
export type PrometheusQuery = (at: number) => readonly PrometheusSample[];

/** What goes wrong with every request, or with those of one query. */
export type PrometheusTrouble =
  | { readonly kind: 'slow'; readonly ms: number }
  | { readonly kind: 'hang' | 'drip' | 'huge' | 'malformed' | 'html' | 'truncated' | 'reset' | 'nan' }
  /** Evaluations of longer ranges take too long. */
  | { readonly kind: 'limit'; readonly rangeMs: number }
  | { readonly kind: 'redirect'; readonly to: string }
  | { readonly kind: 'status'; readonly status: number; readonly errorType?: string; readonly error?: string }
  | { readonly kind: 'warnings'; readonly warnings: readonly string[] }
  /** This text in place of an answer. */
  | { readonly kind: 'body'; readonly body: string };

export interface PrometheusRequest {
  readonly method: string;
  readonly path: string;
  readonly parameters: Readonly<Record<string, string>>;
  readonly authorization: string | null;
}

export interface FakePrometheus extends AsyncDisposable {
  readonly url: string;
  /** Oldest first. */
  readonly requests: readonly PrometheusRequest[];
  /** Most requests that were under way at once. */
  readonly peak: () => number;
  set(query: string, series: PrometheusQuery): void;
  /** Null: all is well again. Without `query`, all of them. */
  trouble(trouble: PrometheusTrouble | null, query?: string): void;
}

/** `--query.max-samples` aside, a range has at most as many points (web/api/v1/api.go). */
const MAX_POINTS = 11_000;

export async function startPrometheus(
  queries: Readonly<Record<string, PrometheusQuery>> = {},
): Promise<FakePrometheus> {
  const known = new Map(Object.entries(queries));
  const troubles = new Map<string | null, PrometheusTrouble>();
  const requests: PrometheusRequest[] = [];
  const timers = new Set<NodeJS.Timeout>();
  let open = 0;
  let peak = 0;

  const respond = (response: ServerResponse, parameters: URLSearchParams, path: string): void => {
    const query = parameters.get('query') ?? '';
    const trouble = troubles.get(query) ?? troubles.get(null);
    if (trouble === undefined || (trouble.kind === 'limit' && rangeOf(parameters) <= trouble.rangeMs)) {
      send(response, answerOf(known, path, parameters));
    } else if (trouble.kind === 'slow') {
      timers.add(setTimeout(() => send(response, answerOf(known, path, parameters)), trouble.ms));
    } else if (trouble.kind === 'drip') {
      response.writeHead(200, { 'content-type': 'application/json' });
      const timer = setInterval(() => response.write(' '), 10);
      timers.add(timer);
      response.on('close', () => clearInterval(timer));
    } else if (trouble.kind === 'nan' || trouble.kind === 'warnings') {
      const answer = answerOf(known, path, parameters);
      const text = JSON.stringify(answer.body);
      const body = trouble.kind === 'nan' ? text.replace(/,"[^"]*"\]/g, ',"NaN"]') : text;
      const warnings = trouble.kind === 'warnings' ? { warnings: trouble.warnings } : {};
      send(response, { ...answer, body: { ...JSON.parse(body), ...warnings } });
    } else {
      fail(response, trouble);
    }
  };

  const server = createServer((request, response) => {
    open += 1;
    peak = Math.max(peak, open);
    response.on('close', () => {
      open -= 1;
    });
    void bodyOf(request).then((body) => {
      const url = new URL(request.url ?? '/', 'http://prometheus');
      const parameters = new URLSearchParams([...url.searchParams, ...new URLSearchParams(body)]);
      requests.push({
        method: request.method ?? '',
        path: url.pathname,
        parameters: Object.fromEntries(parameters),
        authorization: request.headers.authorization ?? null,
      });
      respond(response, parameters, url.pathname);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    peak: () => peak,
    set: (query, series) => {
      known.set(query, series);
    },
    trouble: (trouble, query) => {
      if (query === undefined) troubles.clear();
      if (trouble === null) troubles.delete(query ?? null);
      else troubles.set(query ?? null, trouble);
    },
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        for (const timer of timers) clearTimeout(timer);
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

interface Reply {
  readonly status: number;
  readonly body: unknown;
}

function answerOf(known: ReadonlyMap<string, PrometheusQuery>, path: string, parameters: URLSearchParams): Reply {
  const query = parameters.get('query') ?? '';
  switch (path) {
    case '/api/v1/query_range':
    case '/api/v1/query': {
      if (!isBalanced(query))
        return bad(`invalid parameter "query": 1:${query.length + 1}: parse error: unclosed left parenthesis`);
      const series = known.get(query) ?? (() => []);
      return path === '/api/v1/query' ? instant(series, parameters) : range(series, parameters);
    }
    case '/api/v1/labels': {
      const names = [...known.values()].flatMap((each) => each(0).flatMap(({ labels }) => Object.keys(labels)));
      return success([...new Set(names)].sort());
    }
    case '/-/healthy':
      return { status: 200, body: 'Prometheus Server is Healthy.\n' };
    default:
      return { status: 404, body: '404 page not found\n' };
  }
}

function instant(series: PrometheusQuery, parameters: URLSearchParams): Reply {
  const at = timeOf(parameters.get('time')) ?? Date.now();
  const result = series(at).map(({ labels, value }) => ({ metric: labels, value: [at / 1000, textOf(value)] }));
  return success({ resultType: 'vector', result });
}

function range(series: PrometheusQuery, parameters: URLSearchParams): Reply {
  const [start, end, step] = ['start', 'end', 'step'].map((name) => timeOf(parameters.get(name)));
  if (start == null) return bad('invalid parameter "start": cannot parse "" to a valid timestamp');
  if (end == null) return bad('invalid parameter "end": cannot parse "" to a valid timestamp');
  if (step == null || step <= 0)
    return bad(
      'invalid parameter "step": zero or negative query resolution step widths are not accepted. Try a positive integer',
    );
  if (end < start) return bad('invalid parameter "end": end timestamp must not be before start time');
  if ((end - start) / step > MAX_POINTS) {
    return bad(
      'exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)',
    );
  }
  const rows = new Map<string, { readonly metric: object; readonly values: [number, string][] }>();
  for (let at = start; at <= end; at += step) {
    for (const { labels, value } of series(at)) {
      const key = JSON.stringify(Object.entries(labels).sort());
      const row = rows.get(key) ?? { metric: labels, values: [] };
      row.values.push([at / 1000, textOf(value)]);
      rows.set(key, row);
    }
  }
  return success({ resultType: 'matrix', result: [...rows.values()] });
}

const success = (data: unknown): Reply => ({ status: 200, body: { status: 'success', data } });
const bad = (error: string): Reply => ({ status: 400, body: { status: 'error', errorType: 'bad_data', error } });

/** As Go writes them; JSON has no such numbers. */
function textOf(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  return Number.isFinite(value) ? String(value) : value > 0 ? '+Inf' : '-Inf';
}

/** A number of seconds, or a time or duration as text, in milliseconds. */
function timeOf(text: string | null): number | null {
  if (text === null || text === '') return null;
  const seconds = Number(text);
  if (Number.isFinite(seconds)) return Math.round(seconds * 1000);
  const duration = /^(\d+)(ms|s|m|h)$/.exec(text);
  if (duration !== null) return Number(duration[1]) * { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[duration[2] as 'ms'];
  const parsed = Date.parse(text);
  return Number.isNaN(parsed) ? null : parsed;
}

function rangeOf(parameters: URLSearchParams): number {
  return (timeOf(parameters.get('end')) ?? 0) - (timeOf(parameters.get('start')) ?? 0);
}

function isBalanced(query: string): boolean {
  let depth = 0;
  for (const character of query) {
    if (character === '(') depth += 1;
    if (character === ')') depth -= 1;
    if (depth < 0) return false;
  }
  return depth === 0 && query.trim() !== '';
}

function send(response: ServerResponse, { status, body }: Reply): void {
  const isText = typeof body === 'string';
  response.writeHead(status, { 'content-type': isText ? 'text/plain; charset=utf-8' : 'application/json' });
  response.end(isText ? body : JSON.stringify(body));
}

function fail(response: ServerResponse, trouble: PrometheusTrouble): void {
  switch (trouble.kind) {
    case 'redirect':
      response.writeHead(302, { location: trouble.to }).end();
      return;
    case 'status': {
      const { status, errorType, error = '' } = trouble;
      const body = errorType === undefined ? `${error}\n` : { status: 'error', errorType, error };
      send(response, { status, body });
      return;
    }
    case 'limit':
      send(response, { status: 503, body: { status: 'error', errorType: 'timeout', error: 'query timed out' } });
      return;
    case 'huge': {
      response.writeHead(200, { 'content-type': 'application/json' });
      const more = (): void => {
        while (!response.destroyed && response.write(' '.repeat(65_536)));
      };
      response.on('drain', more).on('error', () => undefined);
      more();
      return;
    }
    case 'malformed':
      send(response, {
        status: 200,
        body: { status: 'success', data: { resultType: 'matrix', result: [{ metric: {} }] } },
      });
      return;
    case 'html':
      response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>Sign in</title>');
      return;
    case 'truncated':
      response
        .writeHead(200, { 'content-length': '1000' })
        .write('{"status":"success","data":', () => response.destroy());
      return;
    case 'reset':
      response.destroy();
      return;
    case 'body':
      response.writeHead(200, { 'content-type': 'application/json' }).end(trouble.body);
      return;
    default:
      // Hangs: the connection is open and nothing comes.
      return;
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of request) chunks.push(chunk as Buffer);
  } catch {
    // The client went away.
  }
  return Buffer.concat(chunks).toString('utf8');
}
