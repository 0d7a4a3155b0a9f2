/** Ready-made fleets. */

import { createFleet, type Fleet } from './fleet.ts';
import { hash } from './random.ts';
import type { ClusterSpec, FleetOptions, ServiceSpec } from './types.ts';

const WEEKS = 16 * 86_400_000;

type Some = Partial<Pick<FleetOptions, 'seed' | 'startedAt' | 'timeZone' | 'now'>> & {
  readonly cluster?: Partial<ClusterSpec>;
  /** Address of the database, where a real one stands behind it. */
  readonly database?: { readonly host: string; readonly port: number };
};

/** The company of the runbook: five services, a database with a replica, two queues, two vendors. */
export function demoFleet(options: Some = {}): Fleet {
  const now = options.now ?? Date.now;
  const cluster = 'rastup-prod';
  const service = (spec: Omit<ServiceSpec, 'cluster'>): ServiceSpec => ({ cluster, ...spec });
  return createFleet({
    seed: options.seed ?? 1,
    now,
    startedAt: options.startedAt ?? Math.floor((now() - WEEKS) / 3_600_000) * 3_600_000,
    timeZone: options.timeZone ?? 'America/Los_Angeles',
    clusters: [{ cluster, launchType: 'EC2', containerInsights: 'enhanced', instances: 10, ...options.cluster }],
    services: [
      service({
        name: 'api',
        requestsPerMinute: 10_000,
        tasks: 6,
        errorShare: 0.002,
        latency: { p50: 0.06, p95: 0.21, p99: 0.42 },
        cpu: 0.38,
        memory: 0.5,
        loadBalancer: 'app/rastup/0123456789abcdef',
        targetGroup: 'targetgroup/api/fedcba9876543210',
        endpoints: [
          { name: 'GET /v1/profiles', share: 0.34, latencyFactor: 0.8 },
          { name: 'GET /v1/orders', share: 0.26, latencyFactor: 1 },
          { name: 'POST /v1/orders', share: 0.12, latencyFactor: 1.4 },
          { name: 'POST /v1/checkout', share: 0.08, latencyFactor: 2 },
          { name: 'GET /v1/messages', share: 0.2, latencyFactor: 0.7 },
        ],
        dependencies: { 'api.stripe.com': 0.08, 'api.twilio.com': 0.04 },
      }),
      service({
        name: 'search',
        requestsPerMinute: 2_000,
        tasks: 4,
        errorShare: 0.0015,
        latency: { p50: 0.045, p95: 0.16, p99: 0.3 },
        logFormat: 'json',
        queriesPerRequest: 2,
      }),
      service({
        name: 'payment',
        requestsPerMinute: 600,
        tasks: 4,
        errorShare: 0.003,
        latency: { p50: 0.18, p95: 0.55, p99: 1.1 },
        dependencies: { 'api.stripe.com': 0.9 },
      }),
      service({
        name: 'messaging',
        requestsPerMinute: 1_500,
        tasks: 4,
        errorShare: 0.001,
        dependencies: { 'api.twilio.com': 0.3 },
        logFormat: 'json',
      }),
      service({ name: 'websocket', requestsPerMinute: 300, tasks: 4, errorShare: 0.0008 }),
    ],
    databases: [
      { instance: 'rastup-prod', ...options.database },
      { instance: 'rastup-prod-replica', replicaOf: 'rastup-prod', connections: 40, cpu: 0.2 },
    ],
    queues: [
      {
        queue: 'rastup-messages',
        deadLetter: 'rastup-messages-dlq',
        lambda: 'rastup-message-processor',
        messagesPerMinute: 900,
        visibilityTimeoutSeconds: 180,
        maxReceives: 5,
        maximumConcurrency: 8,
        runMs: { p50: 1_800, p95: 4_200, p99: 7_000 },
      },
      {
        queue: 'rastup-search-index',
        deadLetter: 'rastup-search-index-dlq',
        lambda: 'rastup-search-indexer',
        messagesPerMinute: 180,
        maximumConcurrency: 5,
      },
    ],
  });
}

/** `count` services between 20 and 20,000 requests a minute, evenly over the orders of magnitude. */
export function bigFleet(count: number, options: Some = {}): Fleet {
  const now = options.now ?? Date.now;
  const seed = options.seed ?? 1;
  const cluster = 'rastup-big';
  const services = Array.from({ length: count }, (_, index): ServiceSpec => {
    const position = count === 1 ? 0.5 : index / (count - 1);
    return {
      name: `svc-${String(index).padStart(3, '0')}`,
      cluster,
      requestsPerMinute: Math.round(20 * 1_000 ** position),
      tasks: 4 + (hash(seed, index) % 5),
      logFormat: index % 2 === 0 ? 'text' : 'json',
    };
  });
  return createFleet({
    seed,
    now,
    startedAt: options.startedAt ?? Math.floor((now() - WEEKS) / 3_600_000) * 3_600_000,
    timeZone: options.timeZone ?? 'America/Los_Angeles',
    clusters: [{ cluster, launchType: 'FARGATE', containerInsights: 'enabled', ...options.cluster }],
    services,
  });
}
