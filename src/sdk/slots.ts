/**
 * The typed slots of command templates. A value that does not match its type withholds the command: it is never
 * escaped into shape. Patterns are anchored and allow printable ASCII only.
 */

export interface SlotType {
  readonly description: string;
  readonly pattern: RegExp;
  /** Fills several shell words (a command prefix) instead of a part of one. */
  readonly words?: true;
}

const ECS_NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,254}$/;

export const SLOTS = {
  /** The operator's way in, from configuration: `psql -h db.internal -U admin -d rastup`. Checked word by word. */
  psql: {
    description: "the operator's psql command, from databases.<name>.operatorCommand",
    pattern: /^[A-Za-z0-9_@%+=:,./-]+( [A-Za-z0-9_@%+=:,./-]+)*$/,
    words: true,
  },
  /** The same for the replica that the case is about. */
  replicaPsql: {
    description: "the operator's psql command for the replica",
    pattern: /^[A-Za-z0-9_@%+=:,./-]+( [A-Za-z0-9_@%+=:,./-]+)*$/,
    words: true,
  },
  pid: { description: 'process id of a backend', pattern: /^[1-9][0-9]{0,9}$/ },
  backendStart: {
    description: 'backend_start::text with its microseconds, which tells a recycled pid',
    pattern: /^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?[+-][0-9]{2}(:[0-9]{2})?$/,
  },
  /** The session whose DDL statement waits or holds at the head of a queue; `pid` is the root of that queue. */
  ddlPid: { description: 'process id of the session that runs the DDL', pattern: /^[1-9][0-9]{0,9}$/ },
  ddlBackendStart: {
    description: 'backend_start::text of the session that runs the DDL',
    pattern: /^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?[+-][0-9]{2}(:[0-9]{2})?$/,
  },
  gid: { description: 'global id of a prepared transaction', pattern: /^[A-Za-z0-9_.:-]{1,200}$/ },
  idleSeconds: { description: 'an age in whole seconds', pattern: /^[1-9][0-9]{0,8}$/ },
  appName: {
    description: 'application_name of sessions, plain characters only',
    pattern: /^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,62}$/,
  },
  roleName: { description: 'a Postgres role, plain characters only', pattern: /^[a-z_][a-z0-9_]{0,62}$/ },
  queryid: { description: 'queryid of pg_stat_statements', pattern: /^-?[0-9]{1,20}$/ },
  table: {
    description: 'schema.table, plain identifiers only',
    pattern: /^[a-z_][a-z0-9_]{0,62}\.[a-z_][a-z0-9_]{0,62}$/,
  },
  outboxTable: {
    description: "schema.table of an outbox, from the detector's option",
    pattern: /^[a-z_][a-z0-9_]{0,62}\.[a-z_][a-z0-9_]{0,62}$/,
  },
  indexName: { description: 'an index, plain identifier only', pattern: /^[a-z_][a-z0-9_]{0,62}$/ },
  slotName: { description: 'a replication slot', pattern: /^[a-z0-9_]{1,63}$/ },
  standby: {
    description: "a standby's name, plain characters only",
    pattern: /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/,
  },
  fromTime: {
    description: 'start of a time range, UTC',
    pattern: /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$/,
  },
  toTime: {
    description: 'end of a time range, UTC',
    pattern: /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$/,
  },
  planOption: {
    description: 'EXPLAIN (generic_plan), which Postgres has from version 16 on',
    pattern: /^generic_plan$/,
  },
  systemScope: {
    description: 'ALTER SYSTEM, which RDS and Aurora refuse: use the parameter group there',
    pattern: /^system$/,
  },
  settingName: { description: 'a Postgres setting', pattern: /^[a-z_][a-z0-9_.]{0,62}$/ },
  poolSize: { description: 'a number of connections', pattern: /^[1-9][0-9]{0,4}$/ },
  maxConnections: { description: 'a value of max_connections', pattern: /^[1-9][0-9]{0,5}$/ },
  securityGroup: { description: 'id of an EC2 security group', pattern: /^sg-[0-9a-f]{8,17}$/ },
  host: { description: 'a host name or address', pattern: /^[A-Za-z0-9]([A-Za-z0-9.:_-]{0,252}[A-Za-z0-9])?$/ },
  port: { description: 'a TCP port', pattern: /^[1-9][0-9]{0,4}$/ },
  database: { description: 'a database name, plain characters only', pattern: /^[A-Za-z_][A-Za-z0-9_-]{0,62}$/ },
  rdsInstance: { description: 'an RDS instance identifier', pattern: /^[A-Za-z][A-Za-z0-9-]{0,62}$/ },
  rdsReplica: { description: 'the RDS identifier of the replica', pattern: /^[A-Za-z][A-Za-z0-9-]{0,62}$/ },
  service: { description: "the target's name", pattern: /^[a-z][a-z0-9-]{0,62}$/ },
  ecsService: { description: 'ECS service name', pattern: ECS_NAME },
  cluster: { description: 'ECS cluster name', pattern: ECS_NAME },
  region: { description: 'an AWS region', pattern: /^[a-z]{2,5}(-[a-z]+)+-[0-9]{1,2}$/ },
  logGroup: { description: 'a CloudWatch log group', pattern: /^[A-Za-z0-9_/.#-]{1,512}$/ },
  task: { description: 'id of an ECS task', pattern: /^[0-9a-f]{8,64}$/ },
  stoppedTask: { description: 'id of a stopped ECS task', pattern: /^[0-9a-f]{8,64}$/ },
  desiredCount: { description: 'a number of tasks', pattern: /^[1-9][0-9]{0,3}$/ },
  presentCount: { description: 'the number of tasks that is wanted now', pattern: /^[1-9][0-9]{0,3}$/ },
  /** Only evidence gives it: that a restart may help, and that ECS would do it. */
  forceNewDeployment: {
    description:
      'force-new-deployment, where the version is not the cause and ECS itself deploys; where CodeDeploy or another controller does, deploy there',
    pattern: /^force-new-deployment$/,
  },
  autoScalingGroup: {
    description: 'an Auto Scaling group, plain characters',
    pattern: /^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,254}$/,
  },
  instanceCount: { description: 'a number of container instances', pattern: /^[1-9][0-9]{0,3}$/ },
  targetGroupArn: {
    description: 'ARN of a target group',
    pattern: /^arn:aws[a-z-]*:elasticloadbalancing:[a-z0-9-]+:[0-9]{12}:targetgroup\/[A-Za-z0-9-]{1,32}\/[0-9a-f]{16}$/,
  },
  flag: { description: 'a feature flag', pattern: /^[A-Za-z][A-Za-z0-9_.-]{0,99}$/ },
  cacheFlag: {
    description: 'the feature flag that turns caching of a dependency on',
    pattern: /^[A-Za-z][A-Za-z0-9_.-]{0,99}$/,
  },
  timeoutKey: {
    description: 'the configuration key of a timeout in milliseconds',
    pattern: /^[A-Za-z][A-Za-z0-9_.-]{0,99}$/,
  },
  timeoutMs: { description: 'a timeout in milliseconds', pattern: /^[1-9][0-9]{1,6}$/ },
  dependency: { description: "the dependency's name", pattern: /^[a-z][a-z0-9-]{0,62}$/ },
  statusUrl: {
    description: "API address of a vendor's status page",
    pattern: /^https?:\/\/[A-Za-z0-9.-]+(:[0-9]{1,5})?\/[A-Za-z0-9._/-]*$/,
  },
  healthUrl: {
    description: 'a health endpoint',
    pattern: /^https?:\/\/[A-Za-z0-9.-]+(:[0-9]{1,5})?\/[A-Za-z0-9._/-]*$/,
  },
  readyUrl: {
    description: 'a readiness endpoint',
    pattern: /^https?:\/\/[A-Za-z0-9.-]+(:[0-9]{1,5})?\/[A-Za-z0-9._/-]*$/,
  },
  sentryProject: { description: 'slug of a project of Sentry', pattern: /^[a-z0-9][a-z0-9_-]{0,99}$/ },
  datadogService: { description: 'service tag in the APM of Datadog', pattern: /^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,199}$/ },
  rateLimitKey: { description: 'the configuration key of a rate limit', pattern: /^[A-Za-z][A-Za-z0-9_.-]{0,99}$/ },
  rateLimit: { description: 'requests a minute', pattern: /^[1-9][0-9]{0,8}$/ },
  functionName: { description: 'a Lambda function', pattern: /^[A-Za-z0-9_-]{1,140}$/ },
  concurrency: { description: 'a number of concurrent executions', pattern: /^[1-9][0-9]{0,4}$/ },
  presentConcurrency: {
    description: 'the number of concurrent executions that is reserved now',
    pattern: /^[1-9][0-9]{0,4}$/,
  },
  eventSourceId: {
    description: 'UUID of an event source mapping of Lambda',
    pattern: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
  },
  /** Lambda takes from 2 to 1,000. */
  eventSourceConcurrency: {
    description: 'a number of runs at once that an event source may start',
    pattern: /^([2-9]|[1-9][0-9]{1,2}|1000)$/,
  },
  presentEventSourceConcurrency: {
    description: 'the number of runs at once that an event source may start now',
    pattern: /^([2-9]|[1-9][0-9]{1,2}|1000)$/,
  },
  queueName: { description: 'an SQS queue', pattern: /^[A-Za-z0-9_-]{1,80}(\.fifo)?$/ },
  deadLetterUrl: {
    description: 'URL of the dead-letter queue of an SQS queue',
    pattern: /^https?:\/\/[A-Za-z0-9.:-]+\/[0-9]{12}\/[A-Za-z0-9_-]{1,80}(\.fifo)?$/,
  },
  queueUrl: {
    description: 'URL of an SQS queue',
    pattern: /^https?:\/\/[A-Za-z0-9.:-]+\/[0-9]{12}\/[A-Za-z0-9_-]{1,80}(\.fifo)?$/,
  },
  collection: {
    description: 'a collection of the search engine, plain characters only',
    pattern: /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$/,
  },
  searchUrl: {
    description: 'root of the search engine, without a slash at its end',
    pattern: /^https?:\/\/[A-Za-z0-9.-]+(:[0-9]{1,5})?(\/[A-Za-z0-9._-]+)*$/,
  },
  fallbackUrl: {
    description: 'root of the search engine to fall back to, without a slash at its end',
    pattern: /^https?:\/\/[A-Za-z0-9.-]+(:[0-9]{1,5})?(\/[A-Za-z0-9._-]+)*$/,
  },
  fallbackFlag: {
    description: 'the feature flag that says which engine searches, from searches.<name>.fallback',
    pattern: /^[A-Za-z][A-Za-z0-9_.-]{0,99}$/,
  },
  fallbackValue: {
    description: 'the value of that flag for the other engine',
    pattern: /^[A-Za-z][A-Za-z0-9_.-]{0,99}$/,
  },
  /** The same value, but only evidence that its cluster is ready gives it. */
  fallbackEngine: {
    description: 'the value of that flag for the other engine, once its cluster says that it is ready',
    pattern: /^[A-Za-z][A-Za-z0-9_.-]{0,99}$/,
  },
  previousVersion: {
    description:
      'task-definition revision that served well before it began; where CodeDeploy or another controller deploys, roll back there',
    pattern: /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,254}$/,
  },
} as const satisfies Record<string, SlotType>;

export type SlotName = keyof typeof SLOTS;
