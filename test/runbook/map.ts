/**
 * What stands for each line of the runbook (`original.ts`): who looks at it now, or what is pasted in its place. Work of
 * people is mapped to the question that the daemon asks instead, or to whom it names. A contract test keeps it whole.
 */

import type { QuestionKind } from '../../src/model/index.ts';

export type Means =
  /** The whole detector. */
  | { readonly detector: string }
  | { readonly detector: string; readonly cause: string; readonly variant?: string }
  | { readonly detector: string; readonly probe: string }
  | { readonly detector: string; readonly mitigation: string }
  | { readonly detector: string; readonly signal: string }
  /** Asked of a source, by probes. */
  | { readonly question: QuestionKind }
  /** A key of `contacts` in the configuration. */
  | { readonly contact: string }
  /** A part of the daemon, by its file. */
  | { readonly part: string };

export interface Mapped {
  readonly by: readonly Means[];
  /** What the original's text gets wrong, or leaves open, and what is done about it. */
  readonly corrected?: string;
}

const cause = (detector: string, name: string, variant?: string): Means => ({
  detector,
  cause: name,
  ...(variant === undefined ? {} : { variant }),
});
const probe = (detector: string, id: string): Means => ({ detector, probe: id });
const step = (detector: string, mitigation: string): Means => ({ detector, mitigation });
const signal = (detector: string, name: string): Means => ({ detector, signal: name });

const SHELL = '`<…>` is a redirection where it is pasted; the values are filled in, or the command is withheld';
const FOLLOW = '`--follow` never ends; a window of time is read instead';
const NOT_FOUND_BY_MEAN = 'The mean finds rare statements; what grew is found by the total time since the last polls';

/** The detectors of each section, the one that owns it first; those of none come after the last. */
export const DETECTORS: Readonly<Record<string, readonly string[]>> = {
  approach: [],
  'error-rate': ['high-error-rate', 'dependency-trouble'],
  latency: ['high-latency', 'slow-queries', 'high-cpu-memory'],
  unavailable: ['service-unavailable', 'database-unreachable'],
  'health-check': ['health-check-failing'],
  graphql: ['graphql-errors'],
  'search-empty': ['search-no-results', 'outbox-backlog'],
  'search-slow': ['search-latency'],
  pool: ['connection-pool-exhausted'],
  locks: ['lock-contention'],
  replication: ['replication-lag'],
  webhooks: ['stripe-webhook-failures'],
  payments: ['payment-intent-failures'],
  websocket: ['websocket-trouble'],
  messages: ['message-delivery-delays'],
  'cpu-profiling': ['high-cpu-memory'],
  'memory-profiling': ['high-cpu-memory'],
  'query-profiling': ['slow-queries'],
  references: [],
  contacts: [],
};

const ERRORS: Readonly<Record<string, Mapped>> = {
  'error-rate/above-baseline': {
    by: [signal('high-error-rate', 'errors'), signal('high-error-rate', 'requests')],
    corrected: 'Half a percentage point above the baseline, and no chance: not half a percent of it',
  },
  'error-rate/new-types': { by: [{ question: 'errors.tracked' }, probe('graphql-errors', 'new-issues')] },
  'error-rate/reports': {
    by: [signal('high-error-rate', 'elb_errors'), signal('high-error-rate', 'connection_errors')],
  },
  'error-rate/breakdown': {
    by: [
      probe('high-error-rate', 'by-endpoint'),
      probe('high-error-rate', 'by-zone'),
      probe('high-error-rate', 'by-task'),
      step('high-error-rate', 'errors-by-endpoint'),
    ],
  },
  'error-rate/history': {
    by: [probe('high-error-rate', 'deployment-order'), step('high-error-rate', 'deploy-history')],
  },
  'error-rate/sentry': { by: [{ question: 'errors.tracked' }] },
  'error-rate/logs': {
    by: [
      probe('high-error-rate', 'new-messages'),
      probe('high-error-rate', 'own-messages'),
      step('high-error-rate', 'error-logs'),
    ],
    corrected: FOLLOW,
  },
  'error-rate/external': {
    by: [
      probe('high-error-rate', 'vendor-status'),
      probe('high-error-rate', 'failed-calls'),
      step('high-error-rate', 'external-services'),
    ],
  },
  'error-rate/deployment': {
    by: [cause('high-error-rate', 'recent-deployment'), cause('high-error-rate', 'recent-deployment', 'rolled-back')],
  },
  'error-rate/rollback': { by: [step('high-error-rate', 'rollback')], corrected: SHELL },
  'error-rate/vendor-down': {
    by: [
      cause('high-error-rate', 'external-service', 'down'),
      cause('dependency-trouble', 'external-service', 'down'),
      cause('dependency-trouble', 'our-side', 'credentials'),
    ],
    corrected: 'A vendor that is well looks the same where our own key, name service or way out is broken',
  },
  'error-rate/stripe-status': {
    by: [probe('dependency-trouble', 'vendor-status'), step('dependency-trouble', 'vendor-status')],
  },
  'error-rate/disable-flag': { by: [step('high-error-rate', 'disable-flag')] },
  'error-rate/database-connections': {
    by: [
      cause('high-error-rate', 'connection-pool', 'leak'),
      cause('high-error-rate', 'connection-pool', 'surge'),
      cause('high-error-rate', 'connection-pool', 'idle-in-transaction'),
      cause('high-error-rate', 'connection-pool', 'limit-lowered'),
      cause('high-error-rate', 'database-unreachable', 'too-many-connections'),
    ],
  },
  'error-rate/count-by-state': {
    by: [probe('high-error-rate', 'idle-by-app'), step('high-error-rate', 'count-by-state')],
    corrected: SHELL,
  },
  'error-rate/pool-size': {
    by: [step('high-error-rate', 'pool-size')],
    corrected: 'More connections than the server has slots make it worse: the size is reckoned from what is free',
  },
  'error-rate/rate-limiting': {
    by: [cause('high-error-rate', 'rate-limited', 'ours'), cause('high-error-rate', 'rate-limited', 'theirs')],
    corrected: "Our own limit and a vendor's are two causes",
  },
  'error-rate/rate-limits': {
    by: [probe('high-error-rate', 'limited-share'), step('high-error-rate', 'rate-limit-metrics')],
  },
  'error-rate/raise-limit': { by: [step('high-error-rate', 'raise-rate-limit')] },
};

const LATENCY: Readonly<Record<string, Mapped>> = {
  'latency/above-baseline': { by: [signal('high-latency', 'latency_p95')] },
  'latency/reports': { by: [signal('high-latency', 'latency_p50'), signal('high-latency', 'latency_p99')] },
  'latency/traces': { by: [{ question: 'apm.request_time' }, probe('graphql-errors', 'database-share')] },
  'latency/breakdown': {
    by: [
      signal('high-latency', 'latency_p50'),
      signal('high-latency', 'latency_p95'),
      signal('high-latency', 'latency_p99'),
      signal('high-latency', 'endpoint_latency_p95'),
    ],
  },
  'latency/apm': { by: [{ question: 'apm.request_time' }] },
  'latency/slow-queries': {
    by: [probe('slow-queries', 'totals'), step('slow-queries', 'slow-query-list')],
  },
  'latency/external': {
    by: [probe('high-latency', 'host-latency'), step('high-latency', 'external-latency')],
  },
  'latency/infra': {
    by: [probe('high-latency', 'cpu'), probe('high-latency', 'memory'), step('high-latency', 'load-look')],
  },
  'latency/slow-queries-cause': {
    by: [
      cause('high-latency', 'slow-query', 'plan-change'),
      cause('high-latency', 'slow-query', 'stale-statistics'),
      cause('high-latency', 'slow-query', 'new-query'),
      cause('high-latency', 'slow-query', 'temp-spill'),
      cause('high-latency', 'slow-query', 'more-calls'),
      probe('high-latency', 'database-time'),
    ],
  },
  'latency/mean-time': {
    by: [probe('slow-queries', 'totals'), step('slow-queries', 'slow-query-list')],
    corrected: NOT_FOUND_BY_MEAN,
  },
  'latency/explain': {
    by: [step('slow-queries', 'slow-query-explain')],
    corrected:
      '`EXPLAIN ANALYZE` runs the statement, writes too: the generic plan is shown instead (Postgres 16 and later)',
  },
  'latency/add-index': {
    by: [
      cause('slow-queries', 'slow-query', 'plan-change'),
      probe('slow-queries', 'index'),
      step('slow-queries', 'slow-query-indexes'),
    ],
    corrected:
      'Slow, waits for old transactions, may leave an invalid index: not at 3 AM. An index that was lost is named, and one that is invalid is shown',
  },
  'latency/n-plus-one': { by: [cause('high-latency', 'n-plus-one')] },
  'latency/db-queries': {
    by: [
      probe('high-latency', 'queries-per-request'),
      probe('slow-queries', 'loop'),
      step('high-latency', 'n-plus-one-list'),
    ],
  },
  'latency/log-queries': { by: [step('high-latency', 'n-plus-one-log')] },
  'latency/vendor-slow': {
    by: [cause('high-latency', 'external-service', 'slow'), cause('dependency-trouble', 'external-service', 'slow')],
  },
  'latency/external-all': {
    by: [probe('high-latency', 'host-order'), step('high-latency', 'external-latency')],
  },
  'latency/enable-cache': { by: [step('high-latency', 'enable-cache')] },
  'latency/reduce-timeout': {
    by: [step('high-latency', 'reduce-timeout')],
    corrected: 'Five times the usual p95, at most 5 s, and only where that is less than the wait now',
  },
  'latency/resources': {
    by: [
      cause('high-latency', 'service-saturated', 'cpu'),
      cause('high-latency', 'service-saturated', 'memory'),
      cause('high-cpu-memory', 'traffic-surge'),
      cause('high-cpu-memory', 'memory-leak'),
      signal('high-cpu-memory', 'cpu'),
      signal('high-cpu-memory', 'memory'),
    ],
  },
  'latency/describe-services': {
    by: [probe('high-cpu-memory', 'cpu'), step('high-cpu-memory', 'load-look')],
    corrected: '`describe-services` shows neither CPU nor memory: CloudWatch does',
  },
  'latency/scale-up': {
    by: [probe('high-cpu-memory', 'tasks'), step('high-cpu-memory', 'scale-up')],
    corrected: 'The number is reckoned from the load, beside the one of now for the way back',
  },
  'latency/memory': {
    by: [probe('high-cpu-memory', 'memory-growth'), step('high-cpu-memory', 'load-by-task')],
  },
};

const UNAVAILABLE: Readonly<Record<string, Mapped>> = {
  'unavailable/status-503': { by: [signal('service-unavailable', 'elb_503')] },
  'unavailable/health': {
    by: [signal('service-unavailable', 'health_live'), signal('service-unavailable', 'health_ready')],
  },
  'unavailable/silent': { by: [signal('service-unavailable', 'requests_silent_seconds')] },
  'unavailable/describe-services': {
    by: [probe('service-unavailable', 'running-tasks'), step('service-unavailable', 'deployment-status')],
  },
  'unavailable/list-tasks': {
    by: [probe('service-unavailable', 'running-tasks'), signal('service-unavailable', 'running_tasks')],
  },
  'unavailable/describe-tasks': {
    by: [probe('service-unavailable', 'running-version'), probe('service-unavailable', 'missing-tasks')],
    corrected: SHELL,
  },
  'unavailable/logs': {
    by: [probe('service-unavailable', 'new-messages'), step('service-unavailable', 'service-logs')],
    corrected: FOLLOW,
  },
  'unavailable/ready': {
    by: [probe('service-unavailable', 'ready-check'), probe('service-unavailable', 'readiness')],
  },
  'unavailable/crashed': {
    by: [
      cause('service-unavailable', 'service-crashed', 'out-of-memory'),
      cause('service-unavailable', 'service-crashed', 'essential-container-exited'),
      cause('service-unavailable', 'service-crashed', 'health-check-failed'),
      cause('service-unavailable', 'service-crashed', 'image-pull'),
      cause('service-unavailable', 'service-crashed', 'secrets'),
      cause('service-unavailable', 'service-crashed', 'start-failed'),
      cause('service-unavailable', 'service-crashed', 'slow-shutdown'),
      cause('service-unavailable', 'service-crashed', 'host-lost'),
    ],
  },
  'unavailable/stopped-tasks': {
    by: [probe('service-unavailable', 'stopped-tasks'), step('service-unavailable', 'stopped-tasks')],
    corrected: 'ECS shows stopped tasks for about an hour; the daemon keeps them for a day',
  },
  'unavailable/stopped-reason': {
    by: [probe('service-unavailable', 'stopped-tasks'), step('service-unavailable', 'stopped-reason')],
    corrected: SHELL,
  },
  'unavailable/out-of-memory': {
    by: [
      cause('service-unavailable', 'service-crashed', 'out-of-memory'),
      step('service-unavailable', 'memory-by-task'),
    ],
  },
  'unavailable/container-exited': {
    by: [cause('service-unavailable', 'service-crashed', 'essential-container-exited')],
  },
  'unavailable/health-failed': {
    by: [
      cause('service-unavailable', 'service-crashed', 'health-check-failed'),
      probe('service-unavailable', 'health-endpoint'),
      step('service-unavailable', 'check-health'),
    ],
  },
  'unavailable/restart': {
    by: [step('service-unavailable', 'restart-service')],
    corrected: 'It starts the same version again: shown only where the version is not the cause',
  },
  'unavailable/stuck': {
    by: [
      cause('service-unavailable', 'deployment-stuck'),
      cause('service-unavailable', 'deployment-stuck', 'rolled-back'),
      signal('service-unavailable', 'deployment_seconds'),
    ],
  },
  'unavailable/deployments': {
    by: [probe('service-unavailable', 'rollout'), step('service-unavailable', 'deployment-status')],
  },
  'unavailable/events': {
    by: [
      probe('service-unavailable', 'steady-state'),
      probe('service-unavailable', 'placement'),
      step('service-unavailable', 'service-events'),
    ],
  },
  'unavailable/rollback': { by: [step('service-unavailable', 'rollback')], corrected: SHELL },
  'unavailable/database': {
    by: [
      cause('service-unavailable', 'database-unreachable', 'stopped'),
      cause('service-unavailable', 'database-unreachable', 'network'),
      cause('database-unreachable', 'database-unreachable', 'dns'),
      cause('database-unreachable', 'database-unreachable', 'authentication'),
      cause('database-unreachable', 'database-unreachable', 'hung'),
    ],
  },
  'unavailable/rds': {
    by: [probe('service-unavailable', 'rds-status'), step('service-unavailable', 'server-status')],
  },
  'unavailable/connect': {
    by: [probe('service-unavailable', 'reachability'), step('service-unavailable', 'test-connection')],
    corrected: SHELL,
  },
  'unavailable/security-groups': {
    by: [probe('service-unavailable', 'rds-network'), step('service-unavailable', 'security-groups')],
    corrected: SHELL,
  },
  'unavailable/exhausted': {
    by: [
      cause('service-unavailable', 'capacity-exhausted', 'cpu'),
      cause('service-unavailable', 'capacity-exhausted', 'memory'),
      cause('service-unavailable', 'capacity-exhausted', 'network'),
      cause('service-unavailable', 'capacity-exhausted', 'instances'),
      cause('service-unavailable', 'capacity-exhausted', 'fargate'),
    ],
  },
  'unavailable/capacity': {
    by: [probe('service-unavailable', 'room'), step('service-unavailable', 'cluster-capacity')],
  },
  'unavailable/instances': {
    by: [probe('service-unavailable', 'room'), step('service-unavailable', 'container-instances')],
  },
  'unavailable/scale-cluster': {
    by: [step('service-unavailable', 'scale-cluster')],
    corrected: 'Only where the cluster has a group of instances: there is none on Fargate',
  },
};

const SERVICES: Readonly<Record<string, Mapped>> = {
  'health-check/health': { by: [probe('health-check-failing', 'way'), step('health-check-failing', 'ask-health')] },
  'health-check/ready': {
    by: [probe('health-check-failing', 'named-check'), step('health-check-failing', 'ask-ready')],
  },
  'health-check/database': {
    by: [
      cause('health-check-failing', 'connection-pool', 'own-pool'),
      cause('health-check-failing', 'connection-pool', 'leak'),
      cause('health-check-failing', 'database-unreachable', 'too-many-connections'),
    ],
  },
  'health-check/redis': {
    by: [cause('health-check-failing', 'cache-unreachable'), step('health-check-failing', 'cache-status')],
  },
  'health-check/vendor': { by: [cause('health-check-failing', 'external-service', 'down')] },
  'health-check/logs': {
    by: [probe('health-check-failing', 'messages-elsewhere'), step('health-check-failing', 'health-logs')],
    corrected: FOLLOW,
  },
  'graphql/errors': {
    by: [
      probe('graphql-errors', 'by-operation'),
      probe('graphql-errors', 'error-types'),
      cause('graphql-errors', 'bad-operation'),
      cause('graphql-errors', 'client-errors'),
      step('graphql-errors', 'graphql-by-operation'),
    ],
  },
  'graphql/slow': {
    by: [probe('graphql-errors', 'slow-operations'), step('graphql-errors', 'graphql-slow-operations')],
  },
  'graphql/log-queries': { by: [step('graphql-errors', 'graphql-log-queries')] },
  'graphql/n-plus-one': {
    by: [
      cause('graphql-errors', 'n-plus-one'),
      probe('graphql-errors', 'queries-per-operation'),
      step('graphql-errors', 'graphql-queries'),
    ],
  },
  'search-empty/health': {
    by: [
      probe('search-no-results', 'engine'),
      cause('search-no-results', 'search-engine-down', 'unreachable'),
      step('search-no-results', 'engine-health'),
    ],
  },
  'search-empty/collection': {
    by: [
      probe('search-no-results', 'documents'),
      cause('search-no-results', 'index-shrunk'),
      cause('search-no-results', 'index-shrunk', 'collection-missing'),
      step('search-no-results', 'collection-stats'),
    ],
    corrected: 'The key stays out of the command line, which others can read',
  },
  'search-empty/outbox': {
    by: [
      probe('search-no-results', 'outbox-backlog'),
      cause('search-no-results', 'indexer-behind'),
      { detector: 'outbox-backlog' },
      signal('outbox-backlog', 'outbox_pending'),
      step('search-no-results', 'outbox-count'),
    ],
    corrected: SHELL,
  },
  'search-empty/indexer-logs': {
    by: [
      probe('search-no-results', 'indexer-errors'),
      cause('search-no-results', 'indexer-behind', 'indexer-fails'),
      step('search-no-results', 'indexer-logs'),
    ],
  },
  'search-empty/reindex': {
    by: [step('search-no-results', 'reindex-dry-run'), step('search-no-results', 'reindex')],
    corrected: 'A dry run changes nothing: it comes first, the reindex itself after it',
  },
  'search-slow/latency': {
    by: [
      signal('search-latency', 'search_engine_latency_ms'),
      probe('search-latency', 'overloaded'),
      step('search-latency', 'engine-stats'),
    ],
  },
  'search-slow/cache': {
    by: [
      cause('search-latency', 'cache-miss-storm'),
      probe('search-latency', 'hit-rate'),
      step('search-latency', 'cache-hit-rate'),
    ],
  },
  'search-slow/complexity': {
    by: [
      cause('search-latency', 'query-complexity'),
      probe('search-latency', 'facets'),
      step('search-latency', 'query-complexity'),
    ],
  },
  'search-slow/fallback': {
    by: [{ question: 'search.fallback' }, probe('search-latency', 'fallback'), step('search-latency', 'fallback')],
    corrected: 'Shown only once the cluster that would take over says that it is ready',
  },
};

const DATABASE: Readonly<Record<string, Mapped>> = {
  'pool/sessions': {
    by: [
      probe('connection-pool-exhausted', 'idle-by-app'),
      probe('connection-pool-exhausted', 'working-sessions'),
      step('connection-pool-exhausted', 'count-by-state'),
    ],
    corrected: 'Background processes hold no slot of clients: only client backends are counted',
  },
  'pool/settings': {
    by: [probe('connection-pool-exhausted', 'limit-change'), step('connection-pool-exhausted', 'pool-settings')],
  },
  'pool/size': { by: [step('connection-pool-exhausted', 'pool-size')] },
  'pool/kill-idle': {
    by: [
      cause('connection-pool-exhausted', 'connection-pool', 'leak'),
      cause('connection-pool-exhausted', 'connection-pool', 'idle-in-transaction'),
      step('connection-pool-exhausted', 'terminate-idle-in-transaction'),
      step('connection-pool-exhausted', 'terminate-idle'),
    ],
    corrected:
      'It would hit every healthy pool, and itself: only the sessions of the one application that leaks, those idle in transaction first',
  },
  'locks/waiting': {
    by: [probe('lock-contention', 'lock-chain'), signal('lock-contention', 'blocked_sessions')],
    corrected: SHELL,
  },
  'locks/blocking': {
    by: [
      probe('lock-contention', 'lock-root'),
      cause('lock-contention', 'lock-contention', 'idle-in-transaction'),
      cause('lock-contention', 'lock-contention', 'ddl-queue'),
      cause('lock-contention', 'lock-contention', 'running-transaction'),
      cause('lock-contention', 'lock-contention', 'prepared-transaction'),
      step('lock-contention', 'look-at-root'),
    ],
    corrected: 'The join makes false pairs: `pg_blocking_pids()` tells who blocks whom, and the root is named',
  },
  'locks/kill': {
    by: [step('lock-contention', 'cancel-root'), step('lock-contention', 'terminate-root')],
    corrected: `${SHELL}; the start of the backend goes with its pid, so that a recycled one is not hit`,
  },
  'replication/status': {
    by: [
      probe('replication-lag', 'walsender'),
      signal('replication-lag', 'standby_lag_bytes'),
      step('replication-lag', 'look'),
    ],
    corrected: '`pg_current_wal_lsn()` fails on a replica: the guarded form works on both sides',
  },
  'replication/lag-time': {
    by: [signal('replication-lag', 'standby_lag_seconds'), step('replication-lag', 'cloudwatch-lag')],
    corrected: '`StatusInfos` holds no lag: the metric ReplicaLag does',
  },
  'replication/size': {
    by: [cause('replication-lag', 'replication-lag', 'replica-overloaded'), step('replication-lag', 'replica-size')],
  },
  'replication/network': {
    by: [cause('replication-lag', 'replication-lag', 'cut-link'), step('replication-lag', 'check-link')],
  },
  'replication/scale': {
    by: [
      cause('replication-lag', 'replication-lag', 'replica-overloaded'),
      cause('replication-lag', 'replication-lag', 'wal-surge'),
      cause('replication-lag', 'replication-lag', 'replica-query'),
      cause('replication-lag', 'replication-lag', 'replay-paused'),
      cause('replication-lag', 'replication-lag', 'slot'),
    ],
    corrected: 'A larger replica helps only one of these',
  },
};

const PAYMENTS: Readonly<Record<string, Mapped>> = {
  'webhooks/logs': {
    by: [
      signal('stripe-webhook-failures', 'webhook_events'),
      probe('stripe-webhook-failures', 'results'),
      cause('stripe-webhook-failures', 'handler-failing'),
      step('stripe-webhook-failures', 'webhook-logs'),
    ],
  },
  'webhooks/signature': {
    by: [
      probe('stripe-webhook-failures', 'signature-messages'),
      cause('stripe-webhook-failures', 'webhook-body-parsed'),
      cause('stripe-webhook-failures', 'webhook-clock-skew'),
      step('stripe-webhook-failures', 'webhook-logs'),
    ],
    corrected: FOLLOW,
  },
  'webhooks/dashboard': {
    by: [probe('stripe-webhook-failures', 'from-one-moment'), step('stripe-webhook-failures', 'webhook-logs')],
  },
  'webhooks/retry': { by: [step('stripe-webhook-failures', 'webhook-retry')] },
  'webhooks/rotate': {
    by: [
      cause('stripe-webhook-failures', 'webhook-secret-rotated'),
      probe('stripe-webhook-failures', 'secret-change'),
      step('stripe-webhook-failures', 'webhook-secret-rotate'),
    ],
    corrected: 'Only where signatures fail from one moment on: it breaks what still passes',
  },
  'payments/errors': {
    by: [
      signal('payment-intent-failures', 'payment_errors'),
      probe('payment-intent-failures', 'payment-declined'),
      step('payment-intent-failures', 'payment-errors'),
    ],
    corrected: '`insufficient_funds` is a decline code under `card_declined`: the two levels are told apart',
  },
  'payments/logs': {
    by: [probe('payment-intent-failures', 'messages-name-it'), step('payment-intent-failures', 'payment-logs')],
    corrected: FOLLOW,
  },
  'payments/declined': {
    by: [
      cause('payment-intent-failures', 'declines-up'),
      cause('payment-intent-failures', 'card-testing'),
      probe('payment-intent-failures', 'decline-kinds'),
    ],
    corrected: 'Many declines at once are no issue of single users: somebody may be testing stolen cards',
  },
  'payments/funds': {
    by: [cause('payment-intent-failures', 'declines-up'), probe('payment-intent-failures', 'decline-kinds')],
  },
  'payments/authentication': {
    by: [
      cause('payment-intent-failures', 'authentication-flow-broken'),
      probe('payment-intent-failures', 'payment-authentication'),
    ],
  },
  'payments/api-error': {
    by: [
      cause('payment-intent-failures', 'external-service', 'down'),
      cause('payment-intent-failures', 'rate-limited', 'theirs'),
      probe('payment-intent-failures', 'payment-vendor'),
    ],
  },
  'payments/status': {
    by: [probe('payment-intent-failures', 'vendor-status'), step('payment-intent-failures', 'vendor-status')],
  },
};

const MESSAGING: Readonly<Record<string, Mapped>> = {
  'websocket/connections': {
    by: [
      signal('websocket-trouble', 'ws_connections'),
      probe('websocket-trouble', 'new-connections'),
      cause('websocket-trouble', 'reconnect-storm'),
      step('websocket-trouble', 'ws-connections'),
    ],
  },
  'websocket/errors': {
    by: [
      probe('websocket-trouble', 'error-reasons'),
      probe('websocket-trouble', 'disconnect-reasons'),
      step('websocket-trouble', 'ws-logs'),
    ],
    corrected: FOLLOW,
  },
  'websocket/targets': {
    by: [
      cause('websocket-trouble', 'service-crashed', 'health-check-failed'),
      probe('websocket-trouble', 'targets'),
      step('websocket-trouble', 'target-health'),
    ],
    corrected: SHELL,
  },
  'websocket/idle': {
    by: [
      cause('websocket-trouble', 'idle-timeout'),
      probe('websocket-trouble', 'lifetime'),
      step('websocket-trouble', 'idle-timeout-look'),
      step('websocket-trouble', 'ping-more-often'),
    ],
  },
  'websocket/authentication': {
    by: [
      cause('websocket-trouble', 'websocket-auth-failing'),
      probe('websocket-trouble', 'auth-messages'),
      probe('websocket-trouble', 'key-change'),
      step('websocket-trouble', 'secret-changes'),
    ],
  },
  'websocket/too-many': {
    by: [
      cause('websocket-trouble', 'too-many-connections'),
      probe('websocket-trouble', 'connections-by-task'),
      step('websocket-trouble', 'scale-up'),
    ],
  },
  'messages/backlog': {
    by: [
      signal('message-delivery-delays', 'queue_age_seconds'),
      signal('message-delivery-delays', 'queue_visible'),
      probe('message-delivery-delays', 'queue-now'),
      step('message-delivery-delays', 'queue-now'),
    ],
    corrected:
      'The age is no attribute of a queue: it is a metric of CloudWatch, and names of attributes are parted by blanks',
  },
  'messages/rate': {
    by: [
      cause('message-delivery-delays', 'consumer-under-capacity'),
      probe('message-delivery-delays', 'flow'),
      step('message-delivery-delays', 'processing-rate'),
    ],
  },
  'messages/logs': {
    by: [
      cause('message-delivery-delays', 'consumer-failing'),
      cause('message-delivery-delays', 'consumer-hanging'),
      cause('message-delivery-delays', 'poison-messages'),
      probe('message-delivery-delays', 'messages'),
      step('message-delivery-delays', 'consumer-logs'),
    ],
    corrected: `${FOLLOW}; read are the messages of what works the queue off`,
  },
  'messages/scale': {
    by: [
      cause('message-delivery-delays', 'consumer-throttled'),
      probe('message-delivery-delays', 'limit'),
      step('message-delivery-delays', 'raise-concurrency'),
    ],
    corrected: '`update-function-configuration` has no such option: `put-function-concurrency` has',
  },
};

const REST: Readonly<Record<string, Mapped>> = {
  'approach/gather': { by: [{ part: 'src/diagnose/questions.ts' }, { part: 'src/diagnose/walk.ts' }] },
  'approach/form': { by: [{ part: 'src/sdk/causes/index.ts' }] },
  'approach/test': { by: [{ part: 'src/diagnose/weigh.ts' }] },
  'approach/mitigate': { by: [{ part: 'src/diagnose/render.ts' }] },
  'approach/validate': { by: [{ part: 'src/incident/effects.ts' }] },
  'approach/document': { by: [{ part: 'src/incident/notifications.ts' }, { part: 'src/store/sqlite.ts' }] },
  'cpu-profiling/enable': { by: [step('high-cpu-memory', 'cpu-profile')] },
  'cpu-profiling/download': { by: [step('high-cpu-memory', 'cpu-profile-download')] },
  'cpu-profiling/analyze': {
    by: [cause('high-cpu-memory', 'less-efficient-code'), probe('high-cpu-memory', 'cpu-per-request')],
  },
  'memory-profiling/snapshot': {
    by: [step('high-cpu-memory', 'heap-snapshot')],
    corrected: 'It stops the task and takes as much memory again: not near the limit',
  },
  'memory-profiling/download': { by: [step('high-cpu-memory', 'heap-download')] },
  'memory-profiling/analyze': {
    by: [cause('high-cpu-memory', 'memory-leak'), probe('high-cpu-memory', 'memory-growth')],
  },
  'query-profiling/log': {
    by: [step('slow-queries', 'slow-query-log')],
    corrected:
      '`ALTER SYSTEM` is refused on RDS and cannot run beside another statement: the parameter group there, two `-c` elsewhere',
  },
  'query-profiling/slow': {
    by: [probe('slow-queries', 'totals'), step('slow-queries', 'slow-query-list')],
    corrected: NOT_FOUND_BY_MEAN,
  },
  'query-profiling/reset': {
    by: [{ question: 'postgres.statements' }],
    corrected: "Never: it destroys everybody's counters, the daemon's too, which takes differences and needs none",
  },
  'references/on-call': { by: [{ contact: 'default' }] },
  'references/incident': { by: [{ part: 'src/incident/correlate.ts' }] },
  'references/deployment': {
    by: [cause('high-error-rate', 'recent-deployment'), step('high-error-rate', 'deploy-history')],
  },
  'references/rollback': {
    by: [step('high-error-rate', 'rollback'), step('high-error-rate', 'watch-rollback')],
  },
  'contacts/on-call': { by: [{ contact: 'default' }] },
  'contacts/dba': { by: [{ contact: 'databases' }] },
  'contacts/security': {
    by: [{ contact: 'stripe-webhook-failures' }, { contact: 'websocket-trouble' }],
  },
  'contacts/manager': { by: [{ contact: 'default' }] },
};

export const MAP: Readonly<Record<string, Mapped>> = {
  ...REST,
  ...ERRORS,
  ...LATENCY,
  ...UNAVAILABLE,
  ...SERVICES,
  ...DATABASE,
  ...PAYMENTS,
  ...MESSAGING,
};
