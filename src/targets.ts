/** From configuration to targets: what is watched, with the values that mitigations may fill in. Pure. */

import type {
  Config,
  DatabaseConfig,
  ReplicaConfig,
  SearchConfig,
  ServiceConfig,
  TargetSection,
} from './config/index.ts';
import type { Target, TargetKind } from './model/index.ts';

type Slots = Readonly<Record<string, string>>;

/** Which kind of target each section of the configuration holds. */
export const KIND_OF: Readonly<Record<TargetSection, TargetKind>> = {
  services: 'service',
  databases: 'database',
  dependencies: 'dependency',
  queues: 'queue',
  searches: 'search',
  caches: 'cache',
};

/** The slots that have a value. */
function known(slots: Readonly<Record<string, string | null | undefined>>): Slots {
  return Object.fromEntries(Object.entries(slots).flatMap(([name, value]) => (value == null ? [] : [[name, value]])));
}

const contactSlot = (contact: string | null): { readonly contact?: string } => (contact === null ? {} : { contact });

/** An account that is only named may have no region. */
const regionOf = (config: Config, account: string): string | null => config.aws?.accounts[account]?.region || null;

function slotsOf(config: ReplicaConfig, region: string | null): Slots {
  const { host, port, database } = config.address;
  return known({
    host,
    port: String(port),
    database,
    psql: config.operatorCommand,
    rdsInstance: config.rds,
    ...(config.rds === null ? {} : { region }),
  });
}

function targetsOfDatabase(config: Config, name: string, database: DatabaseConfig): readonly Target[] {
  const region = regionOf(config, database.account);
  const replicas = Object.entries(database.replicas);
  return [
    {
      name,
      kind: 'database',
      dependsOn: [],
      ...contactSlot(database.contact),
      slots: slotsOf(database, region),
      replicas: Object.fromEntries(
        replicas.map(([replica, { operatorCommand, rds }]) => [
          replica,
          known({ replicaPsql: operatorCommand, rdsReplica: rds }),
        ]),
      ),
    },
    ...replicas.map(
      ([replica, one]): Target => ({
        name: `${name}/${replica}`,
        kind: 'database',
        dependsOn: [],
        replicaOf: name,
        ...contactSlot(one.contact ?? database.contact),
        slots: slotsOf(one, region),
      }),
    ),
  ];
}

function targetOfService(config: Config, name: string, service: ServiceConfig): Target {
  return {
    name,
    kind: 'service',
    dependsOn: service.dependsOn,
    ...contactSlot(service.contact),
    slots: known({
      service: name,
      region: regionOf(config, service.account),
      cluster: service.ecs?.cluster,
      ecsService: service.ecs?.service,
      logGroup: service.logs?.group,
      healthUrl: service.health?.live,
      readyUrl: service.health?.ready,
      sentryProject: service.sentry,
      datadogService: service.datadog?.service,
      rateLimitKey: service.rateLimit?.key,
      ...(service.rateLimit === null ? {} : { rateLimit: String(service.rateLimit.perMinute) }),
    }),
  };
}

/** The API of a status page, as the runbook's `curl` has it. */
function statusUrl(page: string | null): string | null {
  return page === null ? null : `${page.replace(/\/+$/, '')}/api/v2/status.json`;
}

/** Targets of everything that is configured; a database's replicas are targets of their own. */
export function targetsOf(config: Config): readonly Target[] {
  return [
    ...Object.entries(config.services).map(([name, service]) => targetOfService(config, name, service)),
    ...Object.entries(config.databases).flatMap(([name, database]) => targetsOfDatabase(config, name, database)),
    ...Object.entries(config.dependencies).map(
      ([name, one]): Target => ({
        name,
        kind: 'dependency',
        dependsOn: [],
        hosts: one.hosts,
        ...contactSlot(one.contact),
        slots: known({
          dependency: name,
          flag: one.flag,
          cacheFlag: one.cacheFlag,
          timeoutKey: one.timeoutKey,
          statusUrl: statusUrl(one.statusPage),
        }),
      }),
    ),
    ...Object.entries(config.queues).map(
      ([name, one]): Target => ({
        name,
        kind: 'queue',
        dependsOn: one.dependsOn,
        ...contactSlot(one.contact),
        slots: known({
          region: regionOf(config, one.account),
          queueName: one.sqs,
          functionName: one.consumer?.lambda,
          logGroup: one.logs?.group,
        }),
      }),
    ),
    ...Object.entries(config.searches).map(([name, one]) => targetOfSearch(config, name, one)),
    ...Object.entries(config.caches).map(
      ([name, one]): Target => ({
        name,
        kind: 'cache',
        dependsOn: one.dependsOn,
        ...contactSlot(one.contact),
        slots: known({ host: one.address.host, port: String(one.address.port) }),
      }),
    ),
  ];
}

/** What fills the index is often a function, whose name its log group tells. */
function targetOfSearch(config: Config, name: string, search: SearchConfig): Target {
  const { typesense, opensearch, fallback, logs } = search;
  return {
    name,
    kind: 'search',
    dependsOn: search.dependsOn,
    ...contactSlot(search.contact),
    slots: known({
      searchUrl: typesense.url,
      fallbackUrl: opensearch?.url,
      fallbackFlag: fallback?.flag,
      fallbackValue: fallback?.value,
      logGroup: logs?.group,
      functionName: /^\/aws\/lambda\/([A-Za-z0-9_-]{1,64})$/.exec(logs?.group ?? '')?.[1],
      ...(logs === null ? {} : { region: regionOf(config, search.account) }),
    }),
  };
}

/** The section of the configuration that holds targets of a kind: `database` → `databases`. */
export function sectionOf(kind: TargetKind): string {
  return Object.entries(KIND_OF).find(([, one]) => one === kind)?.[0] ?? kind;
}

/**
 * Who is asked about a finding, the first that fits: the target's own contact (its `contact`, or `contacts` by its
 * name), then `contacts` by detector, by kind of target (`databases`), and `default`.
 */
export function contactOf(config: Config, target: Target, detector: string): string | null {
  const { contacts } = config;
  return target.contact ?? contacts[detector] ?? contacts[sectionOf(target.kind)] ?? contacts.default ?? null;
}
