/** The configuration as the program uses it: checked, complete, frozen. Files hold it in the form of `schema.ts`. */

import type { Unit } from '../model/index.ts';
import type { Secret } from './secrets.ts';
import type {
  CacheConfig,
  DatadogConfig,
  LogsConfig,
  PrometheusConfig,
  SearchConfig,
  SentryConfig,
  SignalBinding,
} from './types-systems.ts';

export type * from './types-systems.ts';

export interface HostPort {
  /** Without brackets: `::1`. */
  readonly host: string;
  readonly port: number;
}

export interface DatabaseAddress extends HostPort {
  readonly database: string;
}

export interface ReplicaConfig {
  readonly url: Secret;
  readonly address: DatabaseAddress;
  readonly rds: string | null;
  /** How people get in, for commands in pages; never the daemon's own URL. */
  readonly operatorCommand: string;
  /** Its own only: `contacts` has those of detectors, of all databases, and the default. */
  readonly contact: string | null;
}

export interface DatabaseConfig extends ReplicaConfig {
  /** Account of its RDS instances, a name of `aws.accounts`. */
  readonly account: string;
  readonly replicas: Readonly<Record<string, ReplicaConfig>>;
  readonly signals: Readonly<Record<string, SignalBinding>>;
  /** By the name of the signal that each gives. */
  readonly queries: Readonly<Record<string, QueryConfig>>;
}

/** A signal of the user's own, read from the primary. */
export interface QueryConfig {
  /** Checked only where the check was given: its parser is large. */
  readonly sql: string;
  readonly unit: Unit;
  readonly periodSeconds: number;
  /** Null: the only column that is no label. */
  readonly column: string | null;
  readonly labels: readonly string[];
}

/** One account and region of AWS. `default` is the top of `aws`. */
export interface AwsAccountConfig {
  readonly name: string;
  readonly region: string;
  readonly roleArn: string | null;
  readonly externalId: string | null;
  /** For tests: another address for every AWS service. */
  readonly endpoint: string | null;
}

export interface AwsConfig {
  /** By name; always with `default`. */
  readonly accounts: Readonly<Record<string, AwsAccountConfig>>;
  /** Of all accounts together, for GetMetricData. */
  readonly budgetUsdPerMonth: number;
  /** Period of metrics, and how long CloudWatch takes until a value has settled. */
  readonly periodSeconds: number;
  readonly settleSeconds: number;
  /** Whether task definitions may be read (they carry plain-text environment values, which are dropped at once). */
  readonly taskDefinitions: boolean;
}

export interface ServiceConfig {
  /** A name of `aws.accounts`. */
  readonly account: string;
  readonly ecs: { readonly cluster: string; readonly service: string } | null;
  /** `app/name/id`, and `targetgroup/name/id` or the whole ARN's end. */
  readonly alb: { readonly loadBalancer: string; readonly targetGroup: string } | null;
  readonly logs: LogsConfig | null;
  readonly health: { readonly live: string | null; readonly ready: string | null } | null;
  /** Names of other targets. */
  readonly dependsOn: readonly string[];
  readonly signals: Readonly<Record<string, SignalBinding>>;
  /** Configuration key of its rate limit, and the limit now, for the mitigation. */
  readonly rateLimit: { readonly key: string; readonly perMinute: number } | null;
  /** Slug of its project in Sentry. */
  readonly sentry: string | null;
  /** Its tags in Datadog; the operation by which requests enter, where it is not one of the usual ones. */
  readonly datadog: { readonly service: string; readonly env: string; readonly operation: string | null } | null;
  readonly contact: string | null;
}

export interface DependencyConfig {
  /** Root of an Atlassian Statuspage. */
  readonly statusPage: string | null;
  readonly hosts: readonly string[];
  /** Feature flag that turns it off, flag that turns its caching on, configuration key of its timeout: for mitigations. */
  readonly flag: string | null;
  readonly cacheFlag: string | null;
  readonly timeoutKey: string | null;
  readonly signals: Readonly<Record<string, SignalBinding>>;
  readonly contact: string | null;
}

export interface QueueConfig {
  readonly account: string;
  readonly sqs: string;
  readonly deadLetter: string | null;
  readonly consumer: { readonly lambda: string } | null;
  /** Of what works it off. */
  readonly logs: LogsConfig | null;
  readonly dependsOn: readonly string[];
  readonly signals: Readonly<Record<string, SignalBinding>>;
  readonly contact: string | null;
}

export interface PagerDutyConfig {
  readonly routingKey: Secret;
  /** Host or host:port of the Events API v2. */
  readonly server: string;
  /** PEM file of the authority that signed the server's certificate, for a private endpoint. */
  readonly caFile: string | null;
}

export type OptionValue = number | boolean | string;

export interface DetectorConfig {
  readonly enabled: boolean;
  /** Only what is configured; the detector's defaults fill the rest. */
  readonly options: Readonly<Record<string, OptionValue>>;
}

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

export interface HttpConfig {
  readonly listen: HostPort;
  readonly token: Secret | null;
  /** Bearer token of those who may write: `POST /api/v1/changes`. Without one nobody may. */
  readonly writeToken: Secret | null;
  /** A second address for /livez, /readyz and /metrics only, without token. */
  readonly metricsListen: HostPort | null;
}

/** Records have no prototype: a name such as `constructor` is found only when it was configured. */
export interface Config {
  /** The file, the directory, or `environment`: for messages. */
  readonly origin: string;
  readonly name: string;
  readonly timeZone: string;
  readonly store: { readonly sqlite: string };
  readonly http: HttpConfig;
  /** Without a slash at its end. */
  readonly publicUrl: string | null;
  /** Null when nothing of AWS is configured: then no SDK client is ever loaded. */
  readonly aws: AwsConfig | null;
  readonly prometheus: PrometheusConfig | null;
  readonly sentry: SentryConfig | null;
  readonly datadog: DatadogConfig | null;
  readonly services: Readonly<Record<string, ServiceConfig>>;
  readonly databases: Readonly<Record<string, DatabaseConfig>>;
  readonly dependencies: Readonly<Record<string, DependencyConfig>>;
  readonly queues: Readonly<Record<string, QueueConfig>>;
  readonly searches: Readonly<Record<string, SearchConfig>>;
  readonly caches: Readonly<Record<string, CacheConfig>>;
  readonly notify: { readonly pagerduty: PagerDutyConfig | null };
  readonly contacts: Readonly<Record<string, string>>;
  readonly commands: 'runbook' | 'aws';
  readonly detectors: Readonly<Record<string, DetectorConfig>>;
  /** By `<detector>.<mitigation>`. */
  readonly mitigations: Readonly<Record<string, string>>;
  readonly detectorsDir: readonly string[];
  readonly log: { readonly level: LogLevel };
}

/** What the configuration needs to know of a detector's option. The detectors' own specs fit it. */
export type OptionSpec =
  | {
      readonly type: 'number' | 'integer';
      readonly default: number;
      readonly unit?: string;
      readonly minimum?: number;
      readonly maximum?: number;
      readonly description: string;
    }
  | { readonly type: 'boolean'; readonly default: boolean; readonly unit?: string; readonly description: string }
  | {
      readonly type: 'string';
      readonly default: string;
      readonly unit?: string;
      readonly description: string;
      readonly choices?: readonly string[];
    };

export type OptionSpecs = Readonly<Record<string, OptionSpec>>;

/** What the configuration needs to know of a detector. A loaded detector fits it. */
export interface DetectorShape {
  readonly id: string;
  readonly title: string;
  readonly options: OptionSpecs;
  /** By id; absent when they are not to be checked. */
  readonly mitigations?: Readonly<Record<string, unknown>>;
}
