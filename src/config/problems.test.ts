import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { RunbookdError } from '../model/index.ts';
import { loadConfig } from './load.ts';
import { nearest, shown } from './problems.ts';
import type { DetectorShape } from './types.ts';

/** Each file of testdata has one thing wrong with it, and is named by that thing. */
const TESTDATA = join(import.meta.dirname, 'testdata');

/** Stands in every secret, in files and in the environment. No message may show it. */
const CANARY = /canary|hunter2/;

const ENV = {
  HOME: '/home/op',
  DATABASE_URL: 'postgres://monitor:canary-hunter2@db.internal/rastup',
  REPLICA_URL: 'postgres://monitor@replica.internal:5433/rastup',
  ROUTING_KEY: 'canaryhunter2canaryhunter2canary',
  SHORT: 'canary-hunter2',
  LONG: 'canary-hunter2-canary',
  SAME: 'canary-hunter2-canary',
  EMPTY_URL: ' ',
  BROKEN_URL: 'postgres://monitor:canary#hunter2@db/rastup',
  BROKEN_REDIS: 'redis://:canary/hunter2@redis',
  TWO_LINES: 'Bearer canary\nhunter2',
};

const DETECTORS: readonly DetectorShape[] = [
  {
    id: 'slow-queries',
    title: 'Slow queries',
    options: {
      holdSeconds: { type: 'number', default: 120, unit: 's', minimum: 0, maximum: 86_400, description: 'hold' },
      compareWith: { type: 'string', default: 'yesterday', choices: ['yesterday', 'last-week'], description: 'which' },
    },
    mitigations: { cancel: {}, reindex: {} },
  },
];

function checkCommand(template: string): void {
  const slot = /\{pdi\}/.exec(template);
  if (slot !== null) throw new RunbookdError('TEMPLATE', [JSON.stringify(template), 'there is no slot {pdi}']);
}

function checkQuery(sql: string): string | null {
  return sql.startsWith('select') ? null : 'is not a SELECT';
}

const SIGNALS = {
  all: [
    { signal: 'requests', unit: 'count' },
    { signal: 'errors', unit: 'count' },
    { signal: 'latency_p95', unit: 's' },
    { signal: 'outbox_pending', unit: 'count' },
    { signal: 'cache_hit_ratio', unit: 'ratio' },
    { signal: 'blocked_sessions', unit: 'count' },
  ],
  ofDatabases: ['blocked_sessions'],
} as const;

const EXPECTED: Readonly<Record<string, readonly [code: string, message: string]>> = {
  'account-default-twice.yaml': [
    'CONFIG_INVALID',
    'account-default-twice.yaml:3: aws.accounts.default: is there twice: the top of aws is the account default',
  ],
  'account-on-queue-unknown.yaml': [
    'CONFIG_INVALID',
    'account-on-queue-unknown.yaml:2: queues.messages.account: found "elsewhere", which aws.accounts has not; aws.accounts has: default',
  ],
  'account-unknown.yaml': [
    'CONFIG_INVALID',
    'account-unknown.yaml:3: services.api.account: found "stagin", which aws.accounts has not; did you mean "staging"?',
  ],
  'alb-network-load-balancer.yaml': [
    'CONFIG_INVALID',
    'alb-network-load-balancer.yaml:5: services.api.alb.loadBalancer: found "net/rastup/0123456789abcdef", expected app/NAME/0123456789abcdef of an Application Load Balancer, or its ARN',
  ],
  'alb-target-group-name.yaml': [
    'CONFIG_INVALID',
    'alb-target-group-name.yaml:2: services.api.alb.targetGroup: found "api", expected targetgroup/NAME/0123456789abcdef, or its ARN',
  ],
  'alb-without-target-group.yaml': [
    'CONFIG_INVALID',
    'alb-without-target-group.yaml:4: services.api.alb.targetGroup: is missing, expected text such as targetgroup/api/fedcba9876543210',
  ],
  'alias-before-anchor.yaml': [
    'CONFIG_SYNTAX',
    'alias-before-anchor.yaml:2: not valid YAML: alias (*name) before its anchor (&name)',
  ],
  'alias-circular.yaml': ['CONFIG_SYNTAX', 'alias-circular.yaml:1: not valid YAML: nested too deeply'],
  'arn-of-another-region.yaml': [
    'CONFIG_INVALID',
    'arn-of-another-region.yaml:2: queues.messages.sqs: is in eu-west-1, but the account default is us-east-1; expected the same, or another account',
  ],
  'aws-budget-infinite.yaml': [
    'CONFIG_INVALID',
    'aws-budget-infinite.yaml:2: aws.budgetUsdPerMonth: found Infinity, expected a number above 0, at most 1000000',
  ],
  'aws-budget.yaml': [
    'CONFIG_INVALID',
    'aws-budget.yaml:2: aws.budgetUsdPerMonth: found 0, expected a number above 0, at most 1000000',
  ],
  'aws-endpoint-password.yaml': [
    'CONFIG_INVALID',
    'aws-endpoint-password.yaml:2: aws.endpoint: has a user or password, which is never written here',
  ],
  'aws-endpoint-path.yaml': [
    'CONFIG_INVALID',
    'aws-endpoint-path.yaml:2: aws.endpoint: found "https://aws.internal/monitoring", expected nothing after the host: https://aws.internal',
  ],
  'aws-endpoint-plain.yaml': [
    'CONFIG_INVALID',
    'aws-endpoint-plain.yaml:2: aws.endpoint: found "http://aws.internal:4566", expected https:// (http:// only for this machine)',
  ],
  'aws-external-id-alone.yaml': [
    'CONFIG_INVALID',
    'aws-external-id-alone.yaml:2: aws.externalId: is of no use without roleArn',
  ],
  'aws-keys-of-account.yaml': [
    'CONFIG_INVALID',
    'aws-keys-of-account.yaml:2: aws.accounts.staging.aws_session_token: keys of AWS are never taken from here; credentials come from the default chain of the SDK (environment, shared files, IRSA, Pod Identity, task or instance role), and from there into roleArn',
  ],
  'aws-keys.yaml': [
    'CONFIG_INVALID',
    'aws-keys.yaml:3: aws.accessKeyId: keys of AWS are never taken from here; credentials come from the default chain of the SDK (environment, shared files, IRSA, Pod Identity, task or instance role), and from there into roleArn\naws-keys.yaml:4: aws.secretAccessKey: keys of AWS are never taken from here; credentials come from the default chain of the SDK (environment, shared files, IRSA, Pod Identity, task or instance role), and from there into roleArn',
  ],
  'aws-period-between.yaml': [
    'CONFIG_INVALID',
    'aws-period-between.yaml:2: aws.periodSeconds: found 90, expected one of 1, 5, 10, 20, 30, 60, 120, 180, 240, 300; below 60 only high-resolution metrics of your own have values, those of AWS begin at 60',
  ],
  'aws-period-long.yaml': [
    'CONFIG_INVALID',
    'aws-period-long.yaml:2: aws.periodSeconds: found 360, expected one of 1, 5, 10, 20, 30, 60, 120, 180, 240, 300; below 60 only high-resolution metrics of your own have values, those of AWS begin at 60',
  ],
  'aws-region-missing.yaml': [
    'CONFIG_INVALID',
    'aws-region-missing.yaml:2: services.api.ecs: is looked up in AWS, and no region is known; add aws: { region: us-east-1 }, or set AWS_REGION',
  ],
  'aws-region-zone.yaml': [
    'CONFIG_INVALID',
    'aws-region-zone.yaml:2: aws.region: found "us-east-1a", expected a region such as us-east-1 (not an availability zone such as us-east-1a)',
  ],
  'aws-role.yaml': [
    'CONFIG_INVALID',
    'aws-role.yaml:2: aws.roleArn: found "arn:aws:iam::123456789012:user/runbookd", expected the ARN of a role, as arn:aws:iam::123456789012:role/runbookd',
  ],
  'aws-settle-long.yaml': [
    'CONFIG_INVALID',
    'aws-settle-long.yaml:2: aws.settleSeconds: found 3600, expected a number from 0 to 900',
  ],
  'aws-settle-text.yaml': [
    'CONFIG_INVALID',
    'aws-settle-text.yaml:2: aws.settleSeconds: found "2m", expected a number from 0 to 900',
  ],
  'billion-laughs.yaml': [
    'CONFIG_SYNTAX',
    'billion-laughs.yaml:2: not valid YAML: more than 100 aliases (*name) in use',
  ],
  'cache-broken-in-env.yaml': [
    'CONFIG_INVALID',
    'cache-broken-in-env.yaml:1: caches.sessions.redis: the value of env:BROKEN_REDIS cannot be read: characters such as @ / # ? % in a password must be percent-encoded',
  ],
  'cache-depends-on.yaml': [
    'CONFIG_INVALID',
    'cache-depends-on.yaml:1: caches.sessions.dependsOn: found "session", which is no target; targets: orders',
  ],
  'cache-named-twice.yaml': [
    'CONFIG_INVALID',
    'cache-named-twice.yaml:1: caches.sessions: is the name of one of the databases too; every target needs a name of its own',
  ],
  'cache-not-redis.yaml': [
    'CONFIG_INVALID',
    'cache-not-redis.yaml:1: caches.sessions.redis: is not a redis:// URL; expected redis://host:6379, or rediss:// for TLS, or env:NAME, or file:/path',
  ],
  'cache-password.yaml': [
    'CONFIG_INVALID',
    'cache-password.yaml:1: caches.sessions.redis: has a password, which is never written here; put the whole URL in env:NAME or file:/path/to/it',
  ],
  'cache-path.yaml': [
    'CONFIG_INVALID',
    'cache-path.yaml:1: caches.sessions.redis: has more than the number of a database after the host; expected redis://host:6379/0, or env:NAME, or file:/path',
  ],
  'commands-choice.yaml': [
    'CONFIG_INVALID',
    'commands-choice.yaml:2: commands: found "runbok"; did you mean "runbook"?',
  ],
  'contact-at.yaml.broken': [
    'CONFIG_SYNTAX',
    'contact-at.yaml.broken:3: not valid YAML: plain value cannot start with reserved character @',
  ],
  'contact-comment.yaml': [
    'CONFIG_INVALID',
    'contact-comment.yaml:3: contacts.default: found nothing, expected text; text that begins with # must be in quotes',
  ],
  'contact-unknown-target.yaml': [
    'CONFIG_INVALID',
    'contact-unknown-target.yaml:2: contacts.man-db: there is no such target or detector; did you mean "main-db"?',
  ],
  'database-as-text.yaml': [
    'CONFIG_INVALID',
    'database-as-text.yaml:2: databases.main-db: found text, expected a map with url, operatorCommand, rds, account, queries, signals, contact, replicas',
  ],
  'database-name.yaml': [
    'CONFIG_INVALID',
    'database-name.yaml:2: databases.Main_DB: found the key "Main_DB", expected a name: a letter, then letters, digits and "-", lower case, at most 63',
  ],
  'datadog-endpoint.yaml': [
    'CONFIG_INVALID',
    'datadog-endpoint.yaml:1: datadog.endpoint: found "http://proxy.internal", expected https:// (http:// only for this machine)',
  ],
  'datadog-missing.yaml': [
    'CONFIG_INVALID',
    'datadog-missing.yaml:1: services.api.datadog: has tags, but there is no datadog: { apiKey: …, appKey: … }',
  ],
  'datadog-site.yaml': [
    'CONFIG_INVALID',
    'datadog-site.yaml:1: datadog.site: found "https://datadoghq.eu", expected a site such as datadoghq.eu, without https://',
  ],
  'datadog-tag.yaml': [
    'CONFIG_INVALID',
    'datadog-tag.yaml:2: services.api.datadog.service: found "api,env:other", expected the tag service of its spans',
  ],
  'dependency-blind.yaml': [
    'CONFIG_INVALID',
    'dependency-blind.yaml:1: dependencies.stripe: has nothing to be seen by; expected at least one of hosts, statusPage and signals',
  ],
  'dependency-flag.yaml': [
    'CONFIG_INVALID',
    'dependency-flag.yaml:1: dependencies.stripe.flag: found "payments; rm -rf", expected a letter, then letters, digits and "_.-", at most 100',
  ],
  'dependency-host-url.yaml': [
    'CONFIG_INVALID',
    'dependency-host-url.yaml:1: dependencies.stripe.hosts[1]: found "https://files.stripe.com", expected the name of a host, without https:// and port',
  ],
  'dependency-hosts-text.yaml': [
    'CONFIG_INVALID',
    'dependency-hosts-text.yaml:1: dependencies.stripe.hosts: found "api.stripe.com", expected a list of at most 50 values',
  ],
  'dependency-status-page-path.yaml': [
    'CONFIG_INVALID',
    'dependency-status-page-path.yaml:1: dependencies.stripe.statusPage: found "https://status.stripe.com/api/v2/status.json", expected nothing after the host: https://status.stripe.com',
  ],
  'dependency-status-page-plain.yaml': [
    'CONFIG_INVALID',
    'dependency-status-page-plain.yaml:1: dependencies.stripe.statusPage: found "http://status.stripe.com", expected https:// (http:// only for this machine)',
  ],
  'depends-on-itself.yaml': [
    'CONFIG_INVALID',
    'depends-on-itself.yaml:1: services.api.dependsOn: found "api", which is itself',
  ],
  'depends-on-twice.yaml': ['CONFIG_INVALID', 'depends-on-twice.yaml:2: services.api.dependsOn: found "main-db" twice'],
  'depends-on-unknown-replica.yaml': [
    'CONFIG_INVALID',
    'depends-on-unknown-replica.yaml:3: queues.messages.dependsOn: found "main-db/replica-2", which is no target; did you mean "main-db/replica-1"?',
  ],
  'depends-on-unknown.yaml': [
    'CONFIG_INVALID',
    'depends-on-unknown.yaml:5: services.api.dependsOn: found "man-db", which is no target; did you mean "main-db"?',
  ],
  'detector-enabled.yaml': [
    'CONFIG_INVALID',
    'detector-enabled.yaml:3: detectors.slow-queries.enabled: found "no", expected true or false',
  ],
  'detector-option-choice.yaml': [
    'CONFIG_INVALID',
    'detector-option-choice.yaml:4: detectors.slow-queries.options.compareWith: found "yesterdy"; did you mean "yesterday"?',
  ],
  'detector-option-range.yaml': [
    'CONFIG_INVALID',
    'detector-option-range.yaml:4: detectors.slow-queries.options.holdSeconds: found -1, expected a number from 0 to 86400 (s)',
  ],
  'detector-option-type.yaml': [
    'CONFIG_INVALID',
    'detector-option-type.yaml:4: detectors.slow-queries.options.holdSeconds: found "soon", expected a number from 0 to 86400 (s)',
  ],
  'detector-option-unknown.yaml': [
    'CONFIG_INVALID',
    'detector-option-unknown.yaml:4: detectors.slow-queries.options.holdSecond: unknown option of slow-queries; did you mean "holdSeconds"?',
  ],
  'detector-unknown.yaml': [
    'CONFIG_INVALID',
    'detector-unknown.yaml:3: detectors.slow-querys: there is no such detector; did you mean "slow-queries"?',
  ],
  'detectors-dir.yaml': [
    'CONFIG_INVALID',
    'detectors-dir.yaml:2: detectorsDir: found a map, expected a directory or a list of directories',
  ],
  'duplicate-key.yaml': ['CONFIG_SYNTAX', 'duplicate-key.yaml:3: not valid YAML: the same key twice in one map'],
  'ecs-cluster.yaml': [
    'CONFIG_INVALID',
    'ecs-cluster.yaml:2: services.api.ecs.cluster: found "rastup prod", expected the name of an ECS cluster, or its ARN',
  ],
  'ecs-service-missing.yaml': [
    'CONFIG_INVALID',
    'ecs-service-missing.yaml:2: services.api.ecs.service: is missing, expected text such as api-service',
  ],
  'empty.yaml': [
    'CONFIG_EMPTY',
    'nothing to watch: empty.yaml has no services, databases, dependencies, queues, searches or caches; expected at least one, as databases: { main-db: { url: env:DATABASE_URL } }',
  ],
  'health-as-text.yaml': [
    'CONFIG_INVALID',
    'health-as-text.yaml:2: services.api.health: found text, expected a map with live, ready',
  ],
  'health-url-password.yaml': [
    'CONFIG_INVALID',
    'health-url-password.yaml:1: services.api.health.live: has a user or password, which is never written here',
  ],
  'health-url-scheme.yaml': [
    'CONFIG_INVALID',
    'health-url-scheme.yaml:1: services.api.health.ready: found "api.rastup.com/ready", expected an http:// or https:// URL',
  ],
  'list-at-top.yaml': [
    'CONFIG_INVALID',
    'list-at-top.yaml:1: found a list, expected a map with name, timeZone, store, http, publicUrl, aws, prometheus, sentry',
  ],
  'listen-port-only.yaml': [
    'CONFIG_INVALID',
    'listen-port-only.yaml:2: http.listen: found 9470, expected text such as 127.0.0.1:9470',
  ],
  'listen-port-range.yaml': [
    'CONFIG_INVALID',
    'listen-port-range.yaml:2: http.listen: found "127.0.0.1:94700", expected a port from 0 to 65535',
  ],
  'listen-without-token.yaml': [
    'CONFIG_INVALID',
    'listen-without-token.yaml:2: http.listen: found "0.0.0.0:9470", which other machines can reach, but there is no http.token; expected 127.0.0.1 or a token (http.metricsListen serves probes and metrics without one)',
  ],
  'log-level.yaml': [
    'CONFIG_INVALID',
    'log-level.yaml:2: log.level: found "verbose"; expected one of: trace, debug, info, warn, error, fatal, silent',
  ],
  'logs-group.yaml': [
    'CONFIG_INVALID',
    'logs-group.yaml:2: services.api.logs: found "/aws/ecs/rastup prod", expected the name of a log group such as /aws/ecs/cluster/service, or its ARN',
  ],
  'logs-key.yaml': ['CONFIG_INVALID', 'logs-key.yaml:5: services.api.logs.filtr: unknown key; did you mean "filter"?'],
  'logs-list.yaml': [
    'CONFIG_INVALID',
    'logs-list.yaml:2: services.api.logs: found a list, expected the name of a log group, or { group, filter }',
  ],
  'metrics-listen-taken.yaml': [
    'CONFIG_INVALID',
    'metrics-listen-taken.yaml:2: http.metricsListen: found "127.0.0.1:9470", which http.listen has already',
  ],
  'mitigation-key.yaml': [
    'CONFIG_INVALID',
    'mitigation-key.yaml:2: mitigations.terminate: found the key "terminate", expected DETECTOR.MITIGATION',
  ],
  'mitigation-template.yaml': [
    'CONFIG_INVALID',
    'mitigation-template.yaml:2: mitigations.slow-queries.cancel: command template "./kill.sh {pdi}": there is no slot {pdi}',
  ],
  'mitigation-unknown.yaml': [
    'CONFIG_INVALID',
    'mitigation-unknown.yaml:2: mitigations.slow-queries.cancle: there is no such mitigation; did you mean "slow-queries.cancel"?',
  ],
  'name-number.yaml': [
    'CONFIG_INVALID',
    "name-number.yaml:2: name: found 2026, expected text; write it in quotes: '2026'",
  ],
  'not-a-number.yaml': [
    'CONFIG_INVALID',
    'not-a-number.yaml:4: detectors.slow-queries.options.holdSeconds: found NaN, expected a number, true or false, or text',
  ],
  'nothing-to-watch.yaml': [
    'CONFIG_EMPTY',
    'nothing to watch: nothing-to-watch.yaml has no services, databases, dependencies, queues, searches or caches; expected at least one, as databases: { main-db: { url: env:DATABASE_URL } }',
  ],
  'operator-command-password.yaml': [
    'CONFIG_INVALID',
    'operator-command-password.yaml:2: databases.main-db.operatorCommand: has a password, which would be in every page; use a password file (~/.pgpass) or a service name',
  ],
  'operator-command-quotes.yaml': [
    'CONFIG_INVALID',
    'operator-command-quotes.yaml:2: databases.main-db.operatorCommand: found "ssh bastion \'psql rastup\'", expected plain words without quotes or shell characters, as psql -h db.internal -U admin -d app',
  ],
  'pagerduty-ca-file.yaml': [
    'CONFIG_INVALID',
    'pagerduty-ca-file.yaml:3: notify.pagerduty.caFile: found "no-such.pem", expected a readable file with a PEM certificate',
  ],
  'pagerduty-server.yaml': [
    'CONFIG_INVALID',
    'pagerduty-server.yaml:3: notify.pagerduty.server: found "https://events.eu.pagerduty.com", expected a host, or host:port, without https://',
  ],
  'prometheus-header-inline.yaml': [
    'CONFIG_INVALID',
    'prometheus-header-inline.yaml:1: prometheus.headers.Authorization: a secret is never written here; write env:NAME or file:/path, as file:/run/secrets/prometheus-authorization',
  ],
  'prometheus-header-lines.yaml': [
    'CONFIG_INVALID',
    'prometheus-header-lines.yaml:1: prometheus.headers.Authorization: env:TWO_LINES is not fit for a header, expected one line of printable ASCII',
  ],
  'prometheus-missing.yaml': [
    'CONFIG_INVALID',
    'prometheus-missing.yaml:4: services.api.signals.requests.prometheus: is asked of Prometheus, but no server is known; add prometheus: { url: … }',
  ],
  'prometheus-period.yaml': [
    'CONFIG_INVALID',
    'prometheus-period.yaml:1: prometheus.periodSeconds: found 1, expected a whole number from 5 to 300',
  ],
  'prometheus-url-missing.yaml': [
    'CONFIG_INVALID',
    'prometheus-url-missing.yaml:1: prometheus.url: is missing, expected text such as http://prometheus.monitoring:9090',
  ],
  'prometheus-url-password.yaml': [
    'CONFIG_INVALID',
    'prometheus-url-password.yaml:1: prometheus.url: has a user or password, which is never written here',
  ],
  'prometheus-url-query.yaml': [
    'CONFIG_INVALID',
    'prometheus-url-query.yaml:1: prometheus.url: found "http://prometheus:9090/?dedup=true", expected a URL without ?',
  ],
  'prometheus-url-scheme.yaml': [
    'CONFIG_INVALID',
    'prometheus-url-scheme.yaml:1: prometheus.url: found "prometheus.monitoring:9090", expected an http:// or https:// URL',
  ],
  'proto.yaml': ['CONFIG_SYNTAX', 'proto.yaml:3: not valid YAML: the key __proto__ is not allowed'],
  'public-url.yaml': [
    'CONFIG_INVALID',
    'public-url.yaml:2: publicUrl: found "https://***@runbookd.example", expected an http:// or https:// URL without user, query or fragment',
  ],
  'query-bound-too.yaml': [
    'CONFIG_INVALID',
    'query-bound-too.yaml:6: databases.main-db.queries.outbox_pending: is bound under signals too; expected it in one place',
  ],
  'query-label-is-column.yaml': [
    'CONFIG_INVALID',
    'query-label-is-column.yaml:4: databases.main-db.queries.orders.labels: found "n", which is the column of the number',
  ],
  'query-period.yaml': [
    'CONFIG_INVALID',
    'query-period.yaml:2: databases.main-db.queries.orders.periodSeconds: found 1, expected a whole number from 10 to 3600',
  ],
  'query-taken.yaml': [
    'CONFIG_INVALID',
    'query-taken.yaml:4: databases.main-db.queries.blocked_sessions: is a signal that every database has; expected another name',
  ],
  'query-unit-missing.yaml': [
    'CONFIG_INVALID',
    'query-unit-missing.yaml:2: databases.main-db.queries.outbox_pending.unit: is missing, expected text such as count',
  ],
  'query-unit-other.yaml': [
    'CONFIG_INVALID',
    'query-unit-other.yaml:2: databases.main-db.queries.outbox_pending.unit: found bytes, but outbox_pending is in count',
  ],
  'query-writes.yaml': [
    'CONFIG_INVALID',
    'query-writes.yaml:5: databases.main-db.queries.outbox_pending.sql: is not a SELECT',
  ],
  'queue-consumer-alias.yaml': [
    'CONFIG_INVALID',
    'queue-consumer-alias.yaml:2: queues.messages.consumer.lambda: found "rastup-message-processor:live", expected the name of a Lambda function, or its ARN without version',
  ],
  'queue-dead-letter-itself.yaml': [
    'CONFIG_INVALID',
    'queue-dead-letter-itself.yaml:2: queues.messages.deadLetter: is the queue itself; expected the other queue',
  ],
  'queue-name.yaml': [
    'CONFIG_INVALID',
    'queue-name.yaml:2: queues.messages.sqs: found "rastup messages", expected the name of an SQS queue, its ARN or its URL',
  ],
  'rate-limit.yaml': [
    'CONFIG_INVALID',
    'rate-limit.yaml:1: services.api.rateLimit.perMinute: found 0.5, expected a whole number from 1 to 999999999',
  ],
  'routing-key-inline.yaml': [
    'CONFIG_INVALID',
    'routing-key-inline.yaml:4: notify.pagerduty.routingKey: a secret is never written here; write env:NAME or file:/path, as file:/run/secrets/pagerduty',
  ],
  'routing-key-wrong.yaml': [
    'CONFIG_INVALID',
    'routing-key-wrong.yaml:3: notify.pagerduty.routingKey: env:SHORT is no integration key, expected the 32 letters and digits of an Events API v2 integration key',
  ],
  'search-account.yaml': [
    'CONFIG_INVALID',
    'search-account.yaml:3: searches.products.account: found "elsewhere", which aws.accounts has not; aws.accounts has: default',
  ],
  'search-collections-empty.yaml': [
    'CONFIG_INVALID',
    'search-collections-empty.yaml:1: searches.products.typesense.collections: found a list of 0, expected a list of 1 to 50 values',
  ],
  'search-collections-missing.yaml': [
    'CONFIG_INVALID',
    'search-collections-missing.yaml:1: searches.products.typesense.collections: is missing, expected a list of 1 to 50 values',
  ],
  'search-fallback.yaml': [
    'CONFIG_INVALID',
    'search-fallback.yaml:4: searches.products.fallback.value: found "OPENSEARCH; rm -rf", expected a letter, then letters, digits and "_.-", at most 100',
  ],
  'search-key-inline.yaml': [
    'CONFIG_INVALID',
    'search-key-inline.yaml:1: searches.products.typesense.apiKey: a secret is never written here; write env:NAME or file:/path, as file:/run/secrets/typesense-key',
  ],
  'search-logs-without-region.yaml': [
    'CONFIG_INVALID',
    'search-logs-without-region.yaml:2: searches.products.logs: is looked up in AWS, and no region is known; add aws: { region: us-east-1 }, or set AWS_REGION',
  ],
  'search-opensearch-headers.yaml': [
    'SECRET_MISSING',
    'search-opensearch-headers.yaml:4: searches.products.opensearch.headers.Authorization: env:NOT_SET_HEADER: environment variable is not set',
  ],
  'search-url-password.yaml': [
    'CONFIG_INVALID',
    'search-url-password.yaml:1: searches.products.typesense.url: has a user or password, which is never written here',
  ],
  'secret-env-empty.yaml': [
    'SECRET_MISSING',
    'secret-env-empty.yaml:2: databases.main-db.url: env:EMPTY_URL: environment variable is empty',
  ],
  'secret-env-missing.yaml': [
    'SECRET_MISSING',
    'secret-env-missing.yaml:2: databases.main-db.url: env:NOT_SET_URL: environment variable is not set',
  ],
  'secret-file-missing.yaml': [
    'SECRET_MISSING',
    'secret-file-missing.yaml:3: notify.pagerduty.routingKey: file:no-such-file: there is no file no-such-file',
  ],
  'sentry-missing.yaml': [
    'CONFIG_INVALID',
    'sentry-missing.yaml:1: services.api.sentry: names a project, but there is no sentry: { organization: …, token: … }',
  ],
  'sentry-plain.yaml': [
    'CONFIG_INVALID',
    'sentry-plain.yaml:1: sentry.url: found "http://sentry.internal:9000", expected https:// (http:// only for this machine)',
  ],
  'sentry-project.yaml': [
    'CONFIG_INVALID',
    'sentry-project.yaml:2: services.api.sentry: found "Api Service", expected the slug of a project, as it stands in addresses of Sentry',
  ],
  'sentry-token-inline.yaml': [
    'CONFIG_INVALID',
    'sentry-token-inline.yaml:1: sentry.token: a secret is never written here; write env:NAME or file:/path, as file:/run/secrets/sentry-token',
  ],
  'service-empty.yaml': [
    'CONFIG_INVALID',
    'service-empty.yaml:3: services.api: has nothing to look at; expected at least one of ecs, alb, health and signals',
  ],
  'several-problems.yaml': [
    'CONFIG_INVALID',
    'several-problems.yaml:1: nmae: unknown key; did you mean "name"?\nseveral-problems.yaml:3: databases.main-db.rsd: unknown key; did you mean "rds"?\nseveral-problems.yaml:3: databases.main-db.url: env:NOT_SET_URL: environment variable is not set\nseveral-problems.yaml:4: databases.Other: found the key "Other", expected a name: a letter, then letters, digits and "-", lower case, at most 63\nseveral-problems.yaml:5: http.listen: found "0.0.0.0:9470", which other machines can reach, but there is no http.token; expected 127.0.0.1 or a token (http.metricsListen serves probes and metrics without one)\nseveral-problems.yaml:6: timeZone: found "Mars/Olympus", expected an IANA time zone such as Europe/Berlin\nseveral-problems.yaml:7: log.level: found "loud"; expected one of: trace, debug, info, warn, error, fatal, silent',
  ],
  'signal-dimensions.yaml': [
    'CONFIG_INVALID',
    'signal-dimensions.yaml:10: services.api.signals.db_queries.cloudwatch.dimensions: found a map, expected at most 30 dimensions',
  ],
  'signal-label.yaml': [
    'CONFIG_INVALID',
    'signal-label.yaml:7: services.api.signals.endpoint_requests.cloudwatch.labels.Endpont: is not one of the dimensions with "*": only those become labels',
  ],
  'signal-name.yaml': [
    'CONFIG_INVALID',
    'signal-name.yaml:2: services.api.signals.DbQueries: found the key "DbQueries", expected the name of a signal: a letter, then letters, digits and "_", lower case',
  ],
  'signal-no-backend.yaml': [
    'CONFIG_INVALID',
    'signal-no-backend.yaml:1: queues.messages.signals.queue_visible: has neither, expected exactly one of cloudwatch and prometheus',
  ],
  'signal-of-dependency-without-region.yaml': [
    'CONFIG_INVALID',
    'signal-of-dependency-without-region.yaml:2: dependencies.stripe.signals.payments: is looked up in AWS, and no region is known; add aws: { region: us-east-1 }, or set AWS_REGION',
  ],
  'signal-query-empty.yaml': [
    'CONFIG_INVALID',
    'signal-query-empty.yaml:2: services.api.signals.requests.prometheus: found " ", expected a query in PromQL, at most 4000 characters',
  ],
  'signal-scale-of-cloudwatch.yaml': [
    'CONFIG_INVALID',
    'signal-scale-of-cloudwatch.yaml:2: services.api.signals.latency_p95.scale: is for prometheus; expected it inside cloudwatch',
  ],
  'signal-scale.yaml': [
    'CONFIG_INVALID',
    'signal-scale.yaml:4: services.api.signals.db_time_seconds.cloudwatch.scale: found 0, expected a number other than 0',
  ],
  'signal-stat.yaml': [
    'CONFIG_INVALID',
    'signal-stat.yaml:2: services.api.signals.db_queries.cloudwatch.stat: found "sum", expected Sum, Average, Minimum, Maximum, SampleCount, or a percentile such as p95 or p99.9',
  ],
  'signal-two-backends.yaml': [
    'CONFIG_INVALID',
    'signal-two-backends.yaml:7: caches.sessions.signals.cache_hit_ratio: has both, expected exactly one of cloudwatch and prometheus',
  ],
  'signal-unit-missing.yaml': [
    'CONFIG_INVALID',
    'signal-unit-missing.yaml:5: services.api.signals.checkout_seconds: is no signal of ours, so it needs a unit: s, ms, bytes, ratio, count, per_second…\nsignal-unit-missing.yaml:6: services.api.signals.request: is no signal of ours, so it needs a unit: s, ms, bytes, ratio, count, per_second…; or did you mean "requests"?',
  ],
  'signal-unit-of-cloudwatch.yaml': [
    'CONFIG_INVALID',
    'signal-unit-of-cloudwatch.yaml:2: services.api.signals.latency_p95.unit: is for prometheus only; expected it to be left out',
  ],
  'signal-unit-other.yaml': [
    'CONFIG_INVALID',
    'signal-unit-other.yaml:2: services.api.signals.latency_p95.unit: found ms, but latency_p95 is in s; leave it out, and set scale where the values are in another one',
  ],
  'signal-unit-word.yaml': [
    'CONFIG_INVALID',
    'signal-unit-word.yaml:2: services.api.signals.checkout_seconds.unit: found "seconds"; expected one of: s, ms, bytes, ratio, count, per_second, bytes_per_second, bool',
  ],
  'stray-bracket.yaml.broken': [
    'CONFIG_SYNTAX',
    'stray-bracket.yaml.broken:1: not valid YAML: nested mappings are not allowed in compact mappings',
  ],
  'tab-indent.yaml.broken': [
    'CONFIG_SYNTAX',
    'tab-indent.yaml.broken:2: not valid YAML: tabs are not allowed as indentation',
  ],
  'tag.yaml': ['CONFIG_SYNTAX', 'tag.yaml:2: not valid YAML: tags (!…) are not allowed'],
  'target-twice.yaml': [
    'CONFIG_INVALID',
    'target-twice.yaml:2: dependencies.stripe: is the name of one of the databases too; every target needs a name of its own',
  ],
  'time-zone-offset.yaml': [
    'CONFIG_INVALID',
    'time-zone-offset.yaml:2: timeZone: found "+02:00", expected an IANA time zone such as Europe/Berlin',
  ],
  'time-zone.yaml': [
    'CONFIG_INVALID',
    'time-zone.yaml:2: timeZone: found "Europe/Berln", expected an IANA time zone such as Europe/Berlin; did you mean "Europe/Berlin"?',
  ],
  'token-inline.yaml': [
    'CONFIG_INVALID',
    'token-inline.yaml:3: http.token: a secret is never written here; write env:NAME or file:/path, as file:/run/secrets/api-token',
  ],
  'token-short.yaml': [
    'CONFIG_INVALID',
    'token-short.yaml:3: http.token: env:SHORT is not fit to be a token, expected at least 16 characters, printable, without blanks; make one with: openssl rand -hex 32',
  ],
  'two-documents.yaml': [
    'CONFIG_SYNTAX',
    'two-documents.yaml:2: not valid YAML: several documents (---) in one file, expected one',
  ],
  'unclosed-quote.yaml.broken': [
    'CONFIG_SYNTAX',
    'unclosed-quote.yaml.broken:3: not valid YAML: missing closing "quote',
  ],
  'unknown-key-with-secret.yaml': [
    'CONFIG_INVALID',
    'unknown-key-with-secret.yaml:3: notify.pagerduty.apiToken: unknown key; known keys: routingKey, server, caFile',
  ],
  'unknown-key.yaml': ['CONFIG_INVALID', 'unknown-key.yaml:1: database: unknown key; did you mean "databases"?'],
  'unknown-nested-key.yaml': [
    'CONFIG_INVALID',
    'unknown-nested-key.yaml:4: databases.main-db.replica: unknown key; did you mean "replicas"?',
  ],
  'unknown-section.yaml': [
    'CONFIG_INVALID',
    'unknown-section.yaml:2: grafana: unknown key; known keys: name, timeZone, store, http, publicUrl, aws, prometheus, sentry, datadog, services, databases, dependencies, queues, searches, caches, and 7 more',
  ],
  'url-broken-in-env.yaml': [
    'CONFIG_INVALID',
    'url-broken-in-env.yaml:2: databases.main-db.url: the value of env:BROKEN_URL cannot be read: characters such as @ / # ? % in a password must be percent-encoded',
  ],
  'url-inline-password.yaml': [
    'CONFIG_INVALID',
    'url-inline-password.yaml:2: databases.main-db.url: has a password, which is never written here; put the whole URL in env:NAME or file:/path/to/it',
  ],
  'url-missing.yaml': [
    'CONFIG_INVALID',
    'url-missing.yaml:2: databases.main-db.url: is missing, expected text such as env:DATABASE_URL',
  ],
  'url-not-postgres.yaml': [
    'CONFIG_INVALID',
    'url-not-postgres.yaml:2: databases.main-db.url: is not a postgres:// URL; expected postgres://user@host:5432/database, or env:NAME, or file:/path',
  ],
  'url-number.yaml': [
    'CONFIG_INVALID',
    'url-number.yaml:2: databases.main-db.url: found a number, expected text such as env:DATABASE_URL',
  ],
  'url-query-password.yaml': [
    'CONFIG_INVALID',
    'url-query-password.yaml:2: databases.main-db.url: has a password, which is never written here; put the whole URL in env:NAME or file:/path/to/it',
  ],
  'url-without-user.yaml': [
    'CONFIG_INVALID',
    'url-without-user.yaml:2: databases.main-db.url: names no user; expected postgres://user@host:5432/database, or env:NAME, or file:/path',
  ],
  'write-token-same.yaml': [
    'CONFIG_INVALID',
    'write-token-same.yaml:2: http.writeToken: env:SAME is the same as http.token: whoever may read could write; expected another one',
  ],
  'write-token-short.yaml': [
    'CONFIG_INVALID',
    'write-token-short.yaml:2: http.writeToken: env:SHORT is not fit to be a token, expected at least 16 characters, printable, without blanks; make one with: openssl rand -hex 32',
  ],
};

describe('each bad file is refused with a message that says where, what and how', () => {
  test.each(readdirSync(TESTDATA))('%s', (file) => {
    let thrown: unknown;
    try {
      loadConfig({
        path: join(TESTDATA, file),
        env: ENV,
        detectors: DETECTORS,
        checkCommand,
        signals: SIGNALS,
        checkQuery,
      });
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(RunbookdError);
    const { code, message } = thrown as RunbookdError;
    expect([code, message.replaceAll(`${TESTDATA}/`, '')]).toEqual(EXPECTED[file]);
    expect(message.replaceAll(file, '')).not.toMatch(CANARY);
  });

  test('the table has no row without a file', () => {
    expect(Object.keys(EXPECTED).sort()).toEqual(readdirSync(TESTDATA).sort());
  });
});

test.each([
  ['databse', 'databases'],
  ['Databases', 'databases'],
  ['srtore', 'store'],
  ['prometheus', null],
])('the key nearest to %s is %s', (wrong, expected) => {
  expect(nearest(wrong, ['name', 'store', 'databases', 'notify'])).toBe(expected);
});

test.each([
  ['postgres://op:p@ss/w@db/x', '"postgres://***@db/x"'],
  ['PGPASSWORD=hunter2 psql', '"PGPASSWORD=*** psql"'],
  ['\u001b[31mred\u202e', '"?[31mred?"'],
  [{ token: 'x' }, 'a map'],
  [['x'], 'a list'],
  [null, 'nothing'],
  [1.5, '1.5'],
])('%j is shown as %s', (value, expected) => {
  expect(shown(value)).toBe(expected);
});
