/**
 * Which trace metrics tell where a service's time goes. Datadog makes them from spans, as `trace.<span name>.<suffix>`:
 * `hits` (count), `duration` (time of all these spans, summed) and the distribution itself for percentiles.
 * https://docs.datadoghq.com/tracing/metrics/metrics_namespace/
 *
 * A metric by kind of work (`duration.by_type`) is no longer among those that are documented, so the time of a kind is
 * the `duration` of its span names. These are the names that Datadog's own tracers give.
 */

export type Kind = 'database' | 'http' | 'cache';

export const KINDS: readonly Kind[] = ['database', 'http', 'cache'];

/** Spans by which a request enters a service, in the order of preference where several of one request are counted. */
export const ENTRIES: readonly string[] = [
  'web.request',
  'express.request',
  'fastify.request',
  'koa.request',
  'hapi.request',
  'next.request',
  'graphql.execute',
  'http.server.request',
  'servlet.request',
  'django.request',
  'flask.request',
  'fastapi.request',
  'rack.request',
  'rails.action_controller',
  'aspnet_core.request',
  'laravel.request',
];

export const SPANS: Readonly<Record<Kind, readonly string[]>> = {
  database: ['pg.query', 'postgres.query', 'postgresql.query', 'mysql.query', 'prisma.engine', 'mongodb.query'],
  http: ['http.request', 'fetch', 'requests.request', 'okhttp.request', 'grpc.client'],
  cache: ['redis.command', 'memcached.command'],
};

/** Names that tracers give the services of their clients, beside the service's own: `api-postgres`. */
const SUFFIXES = ['postgres', 'postgresql', 'mysql', 'prisma', 'mongodb', 'redis', 'memcached', 'http-client'];

/** Tags are plain: what is not would be a query of its own. */
const TAG = /^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,199}$/;
const SPAN = /^[a-z][a-z0-9_.]{0,99}$/i;

export const isTag = (value: string): boolean => TAG.test(value);
export const isSpanName = (value: string): boolean => SPAN.test(value);

const scope = (service: string, env: string): string => `{service:${service},env:${env}}`;

function clientScope(service: string, env: string): string {
  const names = [service, ...SUFFIXES.map((suffix) => `${service}-${suffix}`)];
  return `{service IN (${names.join(',')}) AND env:${env}}`;
}

/** Hits of every span by which requests may enter: the most frequent of them is the service's. */
export function entryQueries(service: string, env: string, entries: readonly string[], seconds: number) {
  return entries.map((entry) => `sum:trace.${entry}.hits${scope(service, env)}.as_count().rollup(sum,${seconds})`);
}

export interface TimeQueries {
  readonly total: string;
  readonly hits: string;
  readonly p95: string;
  readonly kinds: readonly { readonly kind: Kind; readonly query: string }[];
}

export function timeQueries(service: string, env: string, entry: string, seconds: number): TimeQueries {
  const sum = (span: string, where: string): string => `sum:trace.${span}.duration${where}.rollup(sum,${seconds})`;
  return {
    total: sum(entry, scope(service, env)),
    hits: `sum:trace.${entry}.hits${scope(service, env)}.as_count().rollup(sum,${seconds})`,
    p95: `p95:trace.${entry}${scope(service, env)}.rollup(${seconds})`,
    kinds: KINDS.flatMap((kind) => SPANS[kind].map((span) => ({ kind, query: sum(span, clientScope(service, env)) }))),
  };
}
