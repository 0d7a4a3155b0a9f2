/** The sources of a configuration besides AWS and Postgres, and what is bound by hand. Part of the wiring. */

import type { Logger } from 'pino';
import { type Config, type Secret, type SignalBinding, TARGET_KINDS, type TargetSection } from './config/index.ts';
import type { PollResult, Series, Source, Unit } from './model/index.ts';
import { RunbookdError } from './model/index.ts';
import { createDatadogSource } from './sources/datadog/source.ts';
import type { SignalQuery } from './sources/postgres/queries/signal-query.ts';
import { createPrometheusSource } from './sources/prometheus/source.ts';
import { createRedisSource } from './sources/redis/source.ts';
import { createSearchSource } from './sources/search/source.ts';
import { createSentrySource } from './sources/sentry/source.ts';

/** A signal of a target that its `signals` bind. */
export interface BoundSignal {
  readonly section: TargetSection;
  readonly target: string;
  readonly account: string;
  readonly signal: string;
  readonly binding: SignalBinding;
}

export function boundSignals(config: Config): readonly BoundSignal[] {
  return TARGET_KINDS.flatMap((section) =>
    Object.entries(config[section]).flatMap(([target, one]) => {
      const account = 'account' in one ? one.account : 'default';
      return Object.entries<SignalBinding>(one.signals).map(([signal, binding]) => ({
        section,
        target,
        account,
        signal,
        binding,
      }));
    }),
  );
}

/** Identity of a signal of a target. */
export const keyOf = (target: string, signal: string): string => `${target}\t${signal}`;

/** What is bound stands in place of what the source gives: two series of one name would be judged as one. */
export function withoutBound(source: Source, bound: ReadonlySet<string>): Source {
  const kept = (series: readonly Series[]): readonly Series[] =>
    series.filter((one) => !bound.has(keyOf(one.target, one.signal)));
  const { history } = source;
  return {
    ...source,
    async poll(group, now, signal): Promise<PollResult> {
      const result = await source.poll(group, now, signal);
      return { ...result, series: kept(result.series) };
    },
    ...(history !== undefined && {
      async *history(from: number, now: number, signal: AbortSignal) {
        for await (const portion of history.call(source, from, now, signal)) yield kept(portion);
      },
    }),
  };
}

/** The queries of a database that give signals. */
export function signalQueries(database: Config['databases'][string]): readonly SignalQuery[] {
  return Object.entries(database.queries).map(([signal, { sql, unit, periodSeconds, column, labels }]) => ({
    signal,
    sql,
    unit,
    periodMs: periodSeconds * 1000,
    column,
    labels,
  }));
}

/** What sources are made of, besides the configuration. */
export interface WatchOptions {
  readonly bound: readonly BoundSignal[];
  readonly periodMs: (group: string) => number;
  /** Unit of a signal that sources know. */
  readonly unitOf: (signal: string) => Unit | undefined;
  readonly log: Logger;
}

/** Throws CONFIG_INVALID and SECRET_MISSING; nothing is asked before the first poll. */
export function createSystemSources(config: Config, options: WatchOptions): readonly Source[] {
  return [
    ...prometheusSources(config, options),
    ...searchSources(config, options),
    ...redisSources(config, options),
    ...sentrySources(config, options),
    ...datadogSources(config, options),
  ];
}

function prometheusSources(config: Config, { bound, periodMs, unitOf, log }: WatchOptions): readonly Source[] {
  const { prometheus } = config;
  const bindings = bound.flatMap(({ section, target, signal, binding }) => {
    if (!('prometheus' in binding)) return [];
    const { query, scale } = binding.prometheus;
    const unit = binding.prometheus.unit ?? unitOf(signal);
    if (unit === undefined) {
      const place = `${section}.${target}.signals.${signal}`;
      throw new RunbookdError('CONFIG_INVALID', [`${place}: is no signal of ours, so it needs a unit`]);
    }
    return [{ target, signal, unit, query, scale }];
  });
  if (prometheus === null || bindings.length === 0) return [];
  const { url, headers } = prometheus;
  const group = periodMs('prometheus');
  return [createPrometheusSource({ name: 'prometheus', url, headers: read(headers), bindings, periodMs: group, log })];
}

function searchSources(config: Config, { periodMs, log }: WatchOptions): readonly Source[] {
  const engines = Object.entries(config.searches).map(([target, { typesense, opensearch }]) => ({
    target,
    typesense: { url: typesense.url, apiKey: () => typesense.apiKey.read() },
    collections: typesense.collections,
    opensearch: opensearch === null ? null : { url: opensearch.url, headers: read(opensearch.headers) },
  }));
  if (engines.length === 0) return [];
  return [createSearchSource({ name: 'search', engines, periodMs: periodMs('search'), log })];
}

function redisSources(config: Config, { periodMs, log }: WatchOptions): readonly Source[] {
  const caches = Object.entries(config.caches).map(([target, { url }]) => ({ target, url: url.read() }));
  return caches.length === 0 ? [] : [createRedisSource({ name: 'redis', caches, periodMs: periodMs('redis'), log })];
}

function sentrySources(config: Config, { log }: WatchOptions): readonly Source[] {
  const { sentry } = config;
  const services = Object.entries(config.services).flatMap(([target, { sentry: project }]) =>
    project === null ? [] : [{ target, project }],
  );
  if (sentry === null || services.length === 0) return [];
  const { url, organization } = sentry;
  const token = (): string => sentry.token.read();
  return [createSentrySource({ name: 'sentry', url, organization, token, services, log })];
}

function datadogSources(config: Config, { log }: WatchOptions): readonly Source[] {
  const { datadog } = config;
  const services = Object.entries(config.services).flatMap(([target, { datadog: tags }]) => {
    if (tags === null) return [];
    const { service, env, operation } = tags;
    return [{ target, service, env, ...(operation !== null && { operation }) }];
  });
  if (datadog === null || services.length === 0) return [];
  const { site, endpoint } = datadog;
  return [
    createDatadogSource({
      name: 'datadog',
      site,
      ...(endpoint !== null && { url: endpoint }),
      apiKey: () => datadog.apiKey.read(),
      appKey: () => datadog.appKey.read(),
      services,
      log,
    }),
  ];
}

function read(headers: Readonly<Record<string, Secret>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(headers).map(([name, secret]) => [name, secret.read()]));
}
