/**
 * The runbook as people wrote it, section by section and line by line: what `map.ts` must have an answer for. Names of
 * sections and commands are the original's (`psql` without the way in, on one line); the prose is shortened.
 */

export type ItemKind = 'symptom' | 'command' | 'cause' | 'issue' | 'advice' | 'reference' | 'contact';

export interface Item {
  /** `<section>/<name>`. */
  readonly id: string;
  readonly kind: ItemKind;
  readonly text: string;
}

export interface Section {
  readonly id: string;
  readonly title: string;
  readonly items: readonly Item[];
}

const section = (id: string, title: string, items: readonly (readonly [ItemKind, string, string])[]): Section => ({
  id,
  title,
  items: items.map(([kind, name, text]) => ({ id: `${id}/${name}`, kind, text })),
});

export const ORIGINAL: readonly Section[] = [
  section('approach', 'General Troubleshooting Approach', [
    ['advice', 'gather', 'Gather metrics, logs, traces and recent changes'],
    ['advice', 'form', 'Form a hypothesis: what could cause this symptom'],
    ['advice', 'test', 'Test it: the evidence for and against'],
    ['advice', 'mitigate', 'Mitigate: apply the fix or a way around'],
    ['advice', 'validate', 'Validate that the issue is resolved'],
    ['advice', 'document', 'Document what was found and what helped'],
  ]),
  section('error-rate', 'Troubleshooting by Symptom / High Error Rate', [
    ['symptom', 'above-baseline', 'Error rate more than 0.5 % above the baseline'],
    ['symptom', 'new-types', 'New error types in Sentry'],
    ['symptom', 'reports', 'Users report failures'],
    ['command', 'breakdown', 'npm run metrics:errors -- --window=15m --group-by=endpoint,status_code'],
    ['command', 'history', 'npm run deploy:history -- --limit=5'],
    ['command', 'sentry', 'open https://sentry.io/rastup/production'],
    ['command', 'logs', 'aws logs tail /aws/ecs/rastup-prod/api-service --follow --filter-pattern="ERROR"'],
    ['command', 'external', 'npm run status:external-services'],
    ['cause', 'deployment', '1. Recent Deployment Bug: errors started after a deployment'],
    ['command', 'rollback', 'npm run deploy:rollback -- --service=api --to-version=<previous>'],
    ['cause', 'vendor-down', '2. External Service Down: errors related to Stripe, Twilio, etc.'],
    ['command', 'stripe-status', 'curl https://status.stripe.com/api/v2/status.json'],
    ['command', 'disable-flag', 'npm run flags:disable -- --flag=stripe_payments_enabled'],
    ['cause', 'database-connections', '3. Database Connection Issues: connection timeouts'],
    ['command', 'count-by-state', 'psql -c "SELECT count(*), state FROM pg_stat_activity GROUP BY state;"'],
    ['command', 'pool-size', 'npm run config:update -- --key=db.pool.max --value=50'],
    ['cause', 'rate-limiting', '4. Rate Limiting: answers with status 429'],
    ['command', 'rate-limits', 'npm run metrics:rate-limits -- --window=15m'],
    ['command', 'raise-limit', 'npm run config:update -- --key=rate_limit.requests_per_minute --value=1000'],
  ]),
  section('latency', 'Troubleshooting by Symptom / High Latency', [
    ['symptom', 'above-baseline', 'p95 latency more than 25 % above the baseline'],
    ['symptom', 'reports', 'Users report slow pages'],
    ['symptom', 'traces', 'APM shows slow traces'],
    ['command', 'breakdown', 'npm run metrics:latency -- --window=15m --percentiles=50,95,99 --group-by=endpoint'],
    ['command', 'apm', 'open https://datadog.rastup.com/apm/traces?env=production&sort=duration'],
    ['command', 'slow-queries', 'npm run db:slow-queries -- --threshold=1000ms --limit=20'],
    ['command', 'external', 'npm run metrics:external-services -- --window=15m --metric=latency'],
    ['command', 'infra', 'npm run metrics:infra -- --services=api,search,messaging --metrics=cpu,memory'],
    ['cause', 'slow-queries-cause', '1. Slow Database Queries: the database takes more than 50 % of the request time'],
    [
      'command',
      'mean-time',
      'psql -c "SELECT query, mean_exec_time, calls FROM pg_stat_statements ORDER BY mean_exec_time DESC LIMIT 20;"',
    ],
    ['command', 'explain', 'psql -c "EXPLAIN ANALYZE <slow-query>;"'],
    ['command', 'add-index', 'psql -c "CREATE INDEX CONCURRENTLY idx_users_city ON users(city);"'],
    ['cause', 'n-plus-one', '2. N+1 Query Problem: many small queries for a request'],
    ['command', 'db-queries', 'npm run metrics:db-queries -- --window=15m --group-by=endpoint'],
    ['command', 'log-queries', 'npm run config:update -- --key=db.log_queries --value=true'],
    ['cause', 'vendor-slow', '3. External Service Latency: calls to vendors take long'],
    ['command', 'external-all', 'npm run metrics:external-services -- --window=15m'],
    ['command', 'enable-cache', 'npm run flags:enable -- --flag=stripe_api_cache_enabled'],
    ['command', 'reduce-timeout', 'npm run config:update -- --key=stripe.timeout_ms --value=5000'],
    ['cause', 'resources', '4. High CPU/Memory Usage: utilization above 80 %'],
    ['command', 'describe-services', 'aws ecs describe-services --cluster rastup-prod --services api-service'],
    ['command', 'scale-up', 'aws ecs update-service --cluster rastup-prod --service api-service --desired-count 10'],
    ['command', 'memory', 'npm run metrics:memory -- --window=1h --group-by=task'],
  ]),
  section('unavailable', 'Troubleshooting by Symptom / Service Unavailable', [
    ['symptom', 'status-503', '503 Service Unavailable'],
    ['symptom', 'health', 'The health check fails'],
    ['symptom', 'silent', 'The service does not respond'],
    ['command', 'describe-services', 'aws ecs describe-services --cluster rastup-prod --services api-service'],
    [
      'command',
      'list-tasks',
      'aws ecs list-tasks --cluster rastup-prod --service-name api-service --desired-status RUNNING',
    ],
    ['command', 'describe-tasks', 'aws ecs describe-tasks --cluster rastup-prod --tasks <task-arn>'],
    ['command', 'logs', 'aws logs tail /aws/ecs/rastup-prod/api-service --follow'],
    ['command', 'ready', 'curl https://api.rastup.com/ready'],
    ['cause', 'crashed', '1. Service Crashed: no task runs, or tasks are STOPPED'],
    [
      'command',
      'stopped-tasks',
      'aws ecs list-tasks --cluster rastup-prod --service-name api-service --desired-status STOPPED',
    ],
    [
      'command',
      'stopped-reason',
      "aws ecs describe-tasks --cluster rastup-prod --tasks <stopped-task-arn> --query 'tasks[0].stoppedReason'",
    ],
    ['issue', 'out-of-memory', 'OutOfMemory: increase the memory limit'],
    ['issue', 'container-exited', 'Essential container exited: look at the logs'],
    ['issue', 'health-failed', 'Health check failed: look at the health endpoint'],
    ['command', 'restart', 'aws ecs update-service --cluster rastup-prod --service api-service --force-new-deployment'],
    ['cause', 'stuck', '2. Deployment Stuck: in progress for more than 30 minutes'],
    [
      'command',
      'deployments',
      "aws ecs describe-services --cluster rastup-prod --services api-service --query 'services[0].deployments'",
    ],
    [
      'command',
      'events',
      "aws ecs describe-services --cluster rastup-prod --services api-service --query 'services[0].events[0:10]'",
    ],
    ['command', 'rollback', 'npm run deploy:rollback -- --service=api --to-version=<previous>'],
    ['cause', 'database', '3. Database Unreachable: the ready endpoint shows the database unhealthy'],
    ['command', 'rds', 'aws rds describe-db-instances --db-instance-identifier rastup-prod'],
    ['command', 'connect', 'psql -c "SELECT 1;"'],
    ['command', 'security-groups', 'aws ec2 describe-security-groups --group-ids <db-security-group-id>'],
    ['cause', 'exhausted', '4. Resource Exhaustion: tasks fail to start for want of resources'],
    ['command', 'capacity', 'aws ecs describe-clusters --clusters rastup-prod'],
    ['command', 'instances', 'aws ecs list-container-instances --cluster rastup-prod'],
    [
      'command',
      'scale-cluster',
      'aws autoscaling set-desired-capacity --auto-scaling-group-name rastup-prod-cluster --desired-capacity 10',
    ],
  ]),
  section('health-check', 'Troubleshooting by Service / API Service / Health Check Failing', [
    ['command', 'health', 'curl -v https://api.rastup.com/health'],
    ['command', 'ready', 'curl -v https://api.rastup.com/ready'],
    ['issue', 'database', 'Database connection: look at the connection pool'],
    ['issue', 'redis', 'Redis connection: look at the state of Redis'],
    ['issue', 'vendor', 'External service: look at its state'],
    ['command', 'logs', 'aws logs tail /aws/ecs/rastup-prod/api-service --follow --filter-pattern="health"'],
  ]),
  section('graphql', 'Troubleshooting by Service / API Service / GraphQL Errors', [
    ['command', 'errors', 'npm run metrics:graphql -- --window=15m --group-by=operation,error_type'],
    ['command', 'slow', 'npm run metrics:graphql -- --window=15m --sort-by=duration --limit=20'],
    ['command', 'log-queries', 'npm run config:update -- --key=graphql.log_queries --value=true'],
    ['command', 'n-plus-one', 'npm run metrics:graphql -- --window=15m --metric=db_queries_per_operation'],
  ]),
  section('search-empty', 'Troubleshooting by Service / Search Service / Search Not Returning Results', [
    ['command', 'health', 'curl https://typesense.rastup.com/health'],
    [
      'command',
      'collection',
      'curl -H "X-TYPESENSE-API-KEY: $API_KEY" https://typesense.rastup.com/collections/models',
    ],
    ['command', 'outbox', 'psql -c "SELECT count(*), processed FROM search.outbox GROUP BY processed;"'],
    ['command', 'indexer-logs', 'aws logs tail /aws/lambda/rastup-search-indexer --follow'],
    ['command', 'reindex', 'npm run search:reindex -- --surface=models --city=los-angeles --dry-run'],
  ]),
  section('search-slow', 'Troubleshooting by Service / Search Service / Search Latency High', [
    ['command', 'latency', 'npm run metrics:typesense -- --window=15m --metric=latency'],
    ['command', 'cache', 'npm run metrics:search -- --window=15m --metric=cache_hit_rate'],
    ['command', 'complexity', 'npm run metrics:search -- --window=15m --group-by=filters,facets'],
    ['command', 'fallback', 'npm run flags:update -- --flag=search.engine --value=OPENSEARCH'],
  ]),
  section('pool', 'Troubleshooting by Service / Database / Connection Pool Exhausted', [
    [
      'command',
      'sessions',
      'psql -c "SELECT count(*), state, application_name FROM pg_stat_activity GROUP BY state, application_name;"',
    ],
    ['command', 'settings', 'npm run config:get -- --key=db.pool'],
    ['command', 'size', 'npm run config:update -- --key=db.pool.max --value=50'],
    [
      'command',
      'kill-idle',
      `psql -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle' AND state_change < now() - interval '10 minutes';"`,
    ],
  ]),
  section('locks', 'Troubleshooting by Service / Database / Lock Contention', [
    [
      'command',
      'waiting',
      'psql -c "SELECT l.pid, l.mode, l.granted, a.query, a.state, now() - a.query_start AS duration FROM pg_locks l JOIN pg_stat_activity a ON l.pid = a.pid WHERE NOT l.granted ORDER BY duration DESC;"',
    ],
    [
      'command',
      'blocking',
      'psql -c "SELECT blocked.pid AS blocked_pid, blocked.query AS blocked_query, blocking.pid AS blocking_pid, blocking.query AS blocking_query FROM pg_stat_activity blocked JOIN pg_locks blocked_locks ON blocked.pid = blocked_locks.pid JOIN pg_locks blocking_locks ON blocked_locks.locktype = blocking_locks.locktype JOIN pg_stat_activity blocking ON blocking_locks.pid = blocking.pid WHERE NOT blocked_locks.granted AND blocking_locks.granted;"',
    ],
    ['command', 'kill', 'psql -c "SELECT pg_terminate_backend(<blocking_pid>);"'],
  ]),
  section('replication', 'Troubleshooting by Service / Database / Replication Lag', [
    [
      'command',
      'status',
      'psql -c "SELECT client_addr, state, sync_state, pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) AS lag_bytes FROM pg_stat_replication;"',
    ],
    [
      'command',
      'lag-time',
      "aws rds describe-db-instances --db-instance-identifier rastup-prod-replica --query 'DBInstances[0].StatusInfos'",
    ],
    ['issue', 'size', "Look at the replica's instance size"],
    ['issue', 'network', 'Look at the network between them'],
    ['issue', 'scale', 'Think of a larger replica'],
  ]),
  section('webhooks', 'Troubleshooting by Service / Payment Service / Stripe Webhook Failures', [
    ['command', 'logs', 'npm run logs:webhooks -- --source=stripe --window=1h'],
    [
      'command',
      'signature',
      'aws logs tail /aws/ecs/rastup-prod/payment-service --follow --filter-pattern="webhook signature"',
    ],
    ['command', 'dashboard', 'open https://dashboard.stripe.com/webhooks'],
    ['command', 'retry', 'npm run webhooks:retry -- --source=stripe --since=1h'],
    ['command', 'rotate', 'npm run secrets:rotate -- --secret=stripe_webhook_secret'],
  ]),
  section('payments', 'Troubleshooting by Service / Payment Service / Payment Intent Failures', [
    ['command', 'errors', 'npm run metrics:payments -- --window=1h --group-by=error_code'],
    [
      'command',
      'logs',
      'aws logs tail /aws/ecs/rastup-prod/payment-service --follow --filter-pattern="stripe api error"',
    ],
    ['issue', 'declined', "card_declined: the user's issue, notify the user"],
    ['issue', 'funds', "insufficient_funds: the user's issue, notify the user"],
    ['issue', 'authentication', 'authentication_required: needs 3D Secure, handle it in the interface'],
    ['issue', 'api-error', "api_error: Stripe's issue, retry with backoff"],
    ['command', 'status', 'curl https://status.stripe.com/api/v2/status.json'],
  ]),
  section('websocket', 'Troubleshooting by Service / Messaging Service / WebSocket Connection Issues', [
    ['command', 'connections', 'npm run metrics:websocket -- --window=15m --metric=active_connections'],
    [
      'command',
      'errors',
      'aws logs tail /aws/ecs/rastup-prod/websocket-service --follow --filter-pattern="connection error"',
    ],
    ['command', 'targets', 'aws elbv2 describe-target-health --target-group-arn <websocket-target-group-arn>'],
    ['issue', 'idle', 'Connection timeout: look at the idle timeout'],
    ['issue', 'authentication', 'Authentication failure: look at the validation of JWTs'],
    ['issue', 'too-many', 'Too many connections: scale the service up'],
  ]),
  section('messages', 'Troubleshooting by Service / Messaging Service / Message Delivery Delays', [
    [
      'command',
      'backlog',
      'aws sqs get-queue-attributes --queue-url https://sqs.us-east-1.amazonaws.com/123456789/rastup-messages --attribute-names ApproximateNumberOfMessages,ApproximateAgeOfOldestMessage',
    ],
    ['command', 'rate', 'npm run metrics:messages -- --window=15m --metric=processing_rate'],
    ['command', 'logs', 'aws logs tail /aws/ecs/rastup-prod/notification-service --follow'],
    [
      'command',
      'scale',
      'aws lambda update-function-configuration --function-name rastup-message-processor --reserved-concurrent-executions 100',
    ],
  ]),
  section('cpu-profiling', 'Performance Profiling / CPU Profiling', [
    ['command', 'enable', 'npm run profile:cpu -- --service=api --duration=60s'],
    ['command', 'download', 'npm run profile:download -- --service=api --type=cpu --output=cpu-profile.cpuprofile'],
    ['advice', 'analyze', 'Load the profile in chrome://inspect'],
  ]),
  section('memory-profiling', 'Performance Profiling / Memory Profiling', [
    ['command', 'snapshot', 'npm run profile:heap -- --service=api'],
    [
      'command',
      'download',
      'npm run profile:download -- --service=api --type=heap --output=heap-snapshot.heapsnapshot',
    ],
    ['advice', 'analyze', 'Load the snapshot in chrome://inspect'],
  ]),
  section('query-profiling', 'Performance Profiling / Database Query Profiling', [
    ['command', 'log', 'psql -c "ALTER SYSTEM SET log_min_duration_statement = 1000; SELECT pg_reload_conf();"'],
    [
      'command',
      'slow',
      'psql -c "SELECT query, mean_exec_time, calls, total_exec_time FROM pg_stat_statements ORDER BY mean_exec_time DESC LIMIT 20;"',
    ],
    ['command', 'reset', 'psql -c "SELECT pg_stat_statements_reset();"'],
  ]),
  section('references', 'References', [
    ['reference', 'on-call', 'On-Call Runbook: ops/runbooks/on-call.md'],
    ['reference', 'incident', 'Incident Response: ops/runbooks/incident_response.md'],
    ['reference', 'deployment', 'Deployment: ops/runbooks/deployment.md'],
    ['reference', 'rollback', 'Rollback: ops/runbooks/rollback.md'],
  ]),
  section('contacts', 'Contacts', [
    ['contact', 'on-call', 'On-Call Engineer: PagerDuty'],
    ['contact', 'dba', 'Database Administrator: @dba (Slack)'],
    ['contact', 'security', 'Security Engineer: @security (Slack)'],
    ['contact', 'manager', 'Engineering Manager: @eng-manager (Slack)'],
  ]),
];
