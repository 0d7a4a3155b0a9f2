/** The configuration as the program uses it: checked, complete, frozen. Files hold it in the form of `schema.ts`. */

import type { Secret } from './secrets.ts';

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
  readonly replicas: Readonly<Record<string, ReplicaConfig>>;
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
  readonly databases: Readonly<Record<string, DatabaseConfig>>;
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
