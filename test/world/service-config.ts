/** The configuration that watches a fleet's services, as a user would write it. */

import type { Fleet } from './aws/fleet.ts';

/** Where the fleet's applications publish what only they know. */
export const APP_NAMESPACE = 'Rastup/App';

interface Bound {
  readonly metric: string;
  readonly stat: string;
  /** Dimensions with every value, and the label that each becomes. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly scale?: number;
}

const SIGNALS: Readonly<Record<string, Bound>> = {
  endpoint_requests: {
    metric: 'Requests',
    stat: 'Sum',
    labels: { Endpoint: 'endpoint', StatusCode: 'status' },
  },
  endpoint_latency_p95: { metric: 'Latency', stat: 'p95', labels: { Endpoint: 'endpoint' } },
  dependency_requests: { metric: 'DependencyRequests', stat: 'Sum', labels: { Host: 'host' } },
  dependency_errors: { metric: 'DependencyErrors', stat: 'Sum', labels: { Host: 'host' } },
  dependency_latency_p95: { metric: 'DependencyLatency', stat: 'p95', labels: { Host: 'host' } },
  db_queries: { metric: 'DbQueries', stat: 'Sum' },
  db_time_seconds: { metric: 'DbTime', stat: 'Sum' },
  rate_limited: { metric: 'RateLimited', stat: 'Sum' },
};

/** Signals that are published only when they are not zero. */
const SPARSE = new Set(['dependency_errors', 'rate_limited', 'endpoint_requests']);

function bindings(service: string, callsOthers: boolean): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(SIGNALS)
      .filter(([signal]) => callsOthers || !signal.startsWith('dependency_'))
      .map(([signal, { metric, stat, labels = {}, scale }]) => {
        const every = Object.fromEntries(Object.keys(labels).map((name) => [name, '*']));
        const cloudwatch = {
          namespace: APP_NAMESPACE,
          metric,
          stat,
          dimensions: { Service: service, ...every },
          ...(Object.keys(labels).length === 0 ? {} : { labels }),
          ...(scale === undefined ? {} : { scale }),
          ...(SPARSE.has(signal) ? { sparse: true } : {}),
        };
        return [signal, { cloudwatch }];
      }),
  );
}

export interface ServiceConfigOptions {
  /** Names of services of the fleet; default all. */
  readonly services?: readonly string[];
  readonly dependsOn?: Readonly<Record<string, readonly string[]>>;
  /** Whether the applications' own metrics are bound too; default true. */
  readonly app?: boolean;
  readonly health?: Readonly<Record<string, { readonly live: string; readonly ready: string }>>;
}

/** The `services:` section. */
export function servicesConfig(fleet: Fleet, options: ServiceConfigOptions = {}): Readonly<Record<string, unknown>> {
  const { services = [...fleet.services.keys()], dependsOn = {}, app = true, health = {} } = options;
  return Object.fromEntries(
    services.map((name) => {
      const { facts } = fleet.services.get(name)!;
      const section = {
        ecs: { cluster: facts.cluster, service: facts.ecsService },
        alb: { loadBalancer: facts.loadBalancer, targetGroup: facts.targetGroup },
        logs: facts.logGroup,
        ...(health[name] === undefined ? {} : { health: health[name] }),
        dependsOn: dependsOn[name] ?? [],
        ...(app ? { signals: bindings(name, Object.keys(facts.dependencies).length > 0) } : {}),
      };
      return [name, section];
    }),
  );
}
