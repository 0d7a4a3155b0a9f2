/** The configuration that watches the systems, as a user would write it. */

import { boundOf } from './app-metrics/index.ts';
import { VENDOR_HOSTS } from './app-metrics/vendors.ts';
import { VENDORS } from './cloud.ts';
import { servicesConfig } from './service-config.ts';
import type { SystemsWorld } from './systems.ts';

/** Every target that there is. `main-db` needs a real server. */
export const WATCHABLE = [
  'api',
  'search',
  'payment',
  'websocket',
  'messaging',
  'main-db',
  'typesense',
  'redis',
  'messages',
  'indexer',
  'stripe',
  'twilio',
] as const;
export type Watchable = (typeof WATCHABLE)[number];

const SERVICES = ['api', 'search', 'payment', 'websocket', 'messaging'] as const;

const NEEDS: Readonly<Partial<Record<Watchable, readonly Watchable[]>>> = {
  api: ['main-db', 'redis', 'stripe', 'twilio'],
  search: ['typesense', 'main-db', 'redis'],
  payment: ['main-db', 'stripe'],
  websocket: ['redis', 'main-db'],
  messaging: ['twilio'],
  typesense: ['main-db', 'redis', 'indexer'],
  messages: ['twilio', 'main-db'],
  indexer: ['main-db', 'typesense'],
};

/** Names of settings that only a user knows. */
const DETECTORS = { 'websocket-trouble': { pingIntervalKey: 'websocket.ping_interval_ms' } } as const;

export interface SystemsConfigOptions {
  /** Targets; others are left out, and nothing depends on them. */
  readonly watch: readonly Watchable[];
  readonly detectors?: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** Secrets stand in the environment of `systemsEnv`. */
export function systemsConfig(
  world: SystemsWorld,
  { watch, detectors = {} }: SystemsConfigOptions,
): Readonly<Record<string, unknown>> {
  const has = (name: Watchable): boolean => watch.includes(name);
  const dependsOn = (name: Watchable): readonly string[] => (NEEDS[name] ?? []).filter(has);
  const signals = (target: string): Readonly<Record<string, unknown>> =>
    Object.fromEntries(
      boundOf(world.app)
        .filter((one) => one.target === target)
        .map(({ signal, query }) => [signal, { prometheus: query }]),
    );
  const section = (name: string, entries: Readonly<Record<string, unknown>>) =>
    Object.keys(entries).length === 0 ? {} : { [name]: entries };
  const pick = (name: Watchable, make: () => Readonly<Record<string, unknown>>) =>
    has(name) ? { [name]: make() } : {};

  const services = SERVICES.filter(has);
  const base = servicesConfig(world.fleet, {
    services,
    dependsOn: Object.fromEntries(services.map((name) => [name, dependsOn(name)])),
    health: Object.fromEntries(Object.entries(world.health).map(([name, { live, ready }]) => [name, { live, ready }])),
  }) as Readonly<Record<string, { readonly signals: Readonly<Record<string, unknown>> }>>;
  const ofService = (name: string, one: (typeof base)[string]) => ({
    ...one,
    signals: { ...one.signals, ...signals(name) },
    ...(['api', 'payment', 'websocket'].includes(name) ? { sentry: name } : {}),
    ...(name === 'api' ? { datadog: { service: 'api', env: 'prod' } } : {}),
    contact: '@oncall',
  });
  const server = world.postgres?.primary;
  return {
    name: 'world',
    timeZone: world.fleet.timeZone,
    aws: { region: 'us-east-1', endpoint: world.aws.endpoint, budgetUsdPerMonth: 100_000 },
    prometheus: { url: world.prometheus.url, periodSeconds: 60 },
    sentry: { url: world.sentry.url, organization: world.secrets.organization, token: 'env:SYSTEMS_SENTRY_TOKEN' },
    datadog: {
      endpoint: world.datadog.url,
      apiKey: 'env:SYSTEMS_DATADOG_API_KEY',
      appKey: 'env:SYSTEMS_DATADOG_APP_KEY',
    },
    ...section('services', Object.fromEntries(services.map((name) => [name, ofService(name, base[name]!)]))),
    ...section(
      'databases',
      pick('main-db', () => ({
        url: 'env:SYSTEMS_DATABASE_URL',
        rds: 'rastup-prod',
        operatorCommand: `psql -h ${server!.host} -p ${server!.port} -U admin -d ${server!.database}`,
        signals: signals('main-db'),
        contact: '@dba',
      })),
    ),
    ...section(
      'searches',
      pick('typesense', () => ({
        typesense: {
          url: world.typesense.url,
          apiKey: 'env:SYSTEMS_TYPESENSE_KEY',
          collections: ['models', 'studios'],
        },
        opensearch: { url: world.opensearch.url },
        fallback: { flag: 'search.engine', value: 'OPENSEARCH' },
        logs: '/aws/lambda/rastup-search-indexer',
        dependsOn: dependsOn('typesense'),
        signals: signals('typesense'),
        contact: '@search',
      })),
    ),
    ...section(
      'caches',
      pick('redis', () => ({ redis: 'env:SYSTEMS_REDIS_URL', signals: signals('redis'), contact: '@platform' })),
    ),
    ...section('queues', {
      ...pick('messages', () => ({
        sqs: 'rastup-messages',
        deadLetter: 'rastup-messages-dlq',
        consumer: { lambda: 'rastup-message-processor' },
        dependsOn: dependsOn('messages'),
        signals: signals('messages'),
        contact: '@messaging',
      })),
      ...pick('indexer', () => ({
        sqs: 'rastup-search-index',
        deadLetter: 'rastup-search-index-dlq',
        consumer: { lambda: 'rastup-search-indexer' },
        dependsOn: dependsOn('indexer'),
        contact: '@search',
      })),
    }),
    ...section(
      'dependencies',
      Object.fromEntries(
        VENDORS.filter(has).map((name) => [
          name,
          {
            statusPage: world.vendors[name].url,
            hosts: VENDOR_HOSTS[name],
            flag: `${name}_enabled`,
            cacheFlag: `${name}_api_cache_enabled`,
            timeoutKey: `${name}.timeout_ms`,
            signals: signals(name),
          },
        ]),
      ),
    ),
    detectors: Object.fromEntries(
      Object.entries({ ...DETECTORS, ...detectors }).map(([id, values]) => [id, { options: values }]),
    ),
  };
}

/** What the configuration names. */
export function systemsEnv(world: SystemsWorld): Readonly<Record<string, string>> {
  return {
    SYSTEMS_TYPESENSE_KEY: world.typesense.apiKey,
    SYSTEMS_REDIS_URL: world.redis.url,
    SYSTEMS_SENTRY_TOKEN: world.secrets.token,
    SYSTEMS_DATADOG_API_KEY: world.secrets.apiKey,
    SYSTEMS_DATADOG_APP_KEY: world.secrets.appKey,
    SYSTEMS_DATABASE_URL: world.postgres?.primary.monitorUrl ?? '',
  };
}
