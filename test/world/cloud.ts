/**
 * Everything that services are made of, in miniature: a fleet behind AWS' wire protocols, the status pages of two
 * vendors, the health endpoints of each service, and a PostgreSQL pair where a fault needs a real one.
 */

import { type AwsEndpoint, startAws } from './aws/aws.ts';
import { demoFleet } from './aws/demo-fleet.ts';
import type { Fleet } from './aws/fleet.ts';
import type { ClusterSpec } from './aws/types.ts';
import type { PostgresWorld } from './postgres.ts';
import { servicesConfig } from './service-config.ts';
import { type HealthEndpoints, startHealthEndpoints, startVendor, type Vendor } from './vendor.ts';

export const WATCHED = ['api', 'search', 'payment'] as const;
export type WatchedService = (typeof WATCHED)[number];
export const VENDORS = ['stripe', 'twilio'] as const;
export type VendorName = (typeof VENDORS)[number];

/** What each service asks others for: its readiness endpoint names them, its configuration depends on them. */
const NEEDS: Readonly<Record<WatchedService, readonly string[]>> = {
  api: ['main-db', 'stripe', 'twilio'],
  search: ['main-db'],
  payment: ['main-db', 'stripe'],
};

export interface CloudWorld extends AsyncDisposable {
  readonly fleet: Fleet;
  readonly aws: AwsEndpoint;
  readonly vendors: Readonly<Record<VendorName, Vendor>>;
  readonly health: Readonly<Record<WatchedService, HealthEndpoints>>;
  readonly postgres?: PostgresWorld;
  now(): number;
  /** How many times quicker than in life things go: 1 for hours that are moved, 12 where a demo shows them in a minute. */
  readonly pace: number;
  /** A time of life in the world's own milliseconds. */
  ms(secondsOfLife: number): number;
}

export interface CloudOptions {
  readonly now?: () => number;
  readonly pace?: number;
  readonly cluster?: Partial<ClusterSpec>;
  readonly postgres?: PostgresWorld;
  readonly startedAt?: number;
  /** For every namespace alike; default as AWS has it. */
  readonly publishDelayMs?: number;
  /** What a readiness endpoint calls what it needs, where that is not the name of the target. */
  readonly checks?: Readonly<Partial<Record<WatchedService, readonly string[]>>>;
}

export async function startCloud(options: CloudOptions = {}): Promise<CloudWorld> {
  const { now = Date.now, pace = 1, cluster, postgres, startedAt, publishDelayMs, checks = {} } = options;
  await using starting = new AsyncDisposableStack();
  const server = postgres?.primary;
  const fleet = demoFleet({
    now,
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(cluster === undefined ? {} : { cluster }),
    ...(server === undefined ? {} : { database: { host: server.host, port: server.port } }),
  });
  const aws = await startAws({ fleet, ...(publishDelayMs === undefined ? {} : { publishDelayMs }) });
  starting.defer(() => aws.close());
  const vendor = async (name: string): Promise<Vendor> => starting.use(await startVendor(name, now));
  // The load balancer has someone to ask as long as one target is healthy; with none it asks them all.
  const isServed = (name: WatchedService): boolean => {
    const { machine } = fleet.services.get(name)!;
    const at = now();
    return machine
      .tasks(at, at + 1)
      .some((task) => task.healthyAt <= at && task.stoppingAt > at && machine.targetProblem(task, at) === null);
  };
  const endpoints = async (name: WatchedService): Promise<HealthEndpoints> =>
    starting.use(await startHealthEndpoints(checks[name] ?? NEEDS[name], () => isServed(name)));
  const vendors = { stripe: await vendor('Stripe'), twilio: await vendor('Twilio') };
  const health = {
    api: await endpoints('api'),
    search: await endpoints('search'),
    payment: await endpoints('payment'),
  };
  const stack = starting.move();
  return {
    fleet,
    aws,
    vendors,
    health,
    ...(postgres === undefined ? {} : { postgres }),
    now,
    pace,
    ms: (secondsOfLife) => (secondsOfLife * 1000) / pace,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

export interface CloudConfigOptions {
  readonly services?: readonly WatchedService[];
  /** Default: as AWS needs them. */
  readonly aws?: Readonly<Record<string, unknown>>;
  /** Name of the environment variables with the addresses of the pair, where there is one. */
  readonly database?: { readonly url: string; readonly replicaUrl?: string };
  readonly detectors?: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** The configuration that watches it, as a user would write it. */
export function cloudConfig(world: CloudWorld, options: CloudConfigOptions = {}): Readonly<Record<string, unknown>> {
  const { services = WATCHED, aws = {}, database, detectors = {} } = options;
  const known = (name: string): boolean => name !== 'main-db' || database !== undefined;
  const sections = servicesConfig(world.fleet, {
    services,
    dependsOn: Object.fromEntries(services.map((name) => [name, NEEDS[name].filter(known)])),
    health: Object.fromEntries(
      services.map((name) => [name, { live: world.health[name].live, ready: world.health[name].ready }]),
    ),
  }) as Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  const limited = { rateLimit: { key: 'rate_limit.requests_per_minute', perMinute: 20_000 } };
  const server = world.postgres?.primary;
  return {
    name: 'world',
    timeZone: world.fleet.timeZone,
    aws: { region: 'us-east-1', endpoint: world.aws.endpoint, budgetUsdPerMonth: 100_000, ...aws },
    services: Object.fromEntries(
      Object.entries(sections).map(([name, one]) => [
        name,
        { ...one, ...(name === 'api' ? limited : {}), contact: '@oncall' },
      ]),
    ),
    dependencies: Object.fromEntries(
      VENDORS.map((name) => [
        name,
        {
          statusPage: world.vendors[name].url,
          hosts: [`api.${name}.com`],
          flag: `${name}_enabled`,
          cacheFlag: `${name}_api_cache_enabled`,
          timeoutKey: `${name}.timeout_ms`,
        },
      ]),
    ),
    ...(database === undefined || server === undefined
      ? {}
      : {
          databases: {
            'main-db': {
              url: database.url,
              rds: 'rastup-prod',
              operatorCommand: `psql -h ${server.host} -p ${server.port} -U admin -d ${server.database}`,
              contact: '@dba',
              ...(database.replicaUrl === undefined ? {} : { replicas: { 'replica-1': { url: database.replicaUrl } } }),
            },
          },
        }),
    detectors: Object.fromEntries(Object.entries(detectors).map(([id, values]) => [id, { options: values }])),
  };
}
