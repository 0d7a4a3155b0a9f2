/** The part of the configuration, as the program uses it, about bound signals and about systems besides AWS and Postgres. */

import type { Unit } from '../model/index.ts';
import type { Secret } from './secrets.ts';
import type { HostPort } from './types.ts';

/** A metric of CloudWatch that is bound to a signal by hand. */
export interface CloudWatchBinding {
  readonly namespace: string;
  readonly metric: string;
  /** `Sum`, `Average`, `Maximum`, `Minimum`, `SampleCount`, `p95`… */
  readonly stat: string;
  /** `*` stands for every value that ListMetrics knows (at most 50), which becomes the label of the same name. */
  readonly dimensions: Readonly<Record<string, string>>;
  /** Label names for dimensions with `*`, where they differ: `{ Endpoint: endpoint }`. */
  readonly labels: Readonly<Record<string, string>>;
  /** What a value is multiplied with: 0.001 for milliseconds, 0.01 for percent. */
  readonly scale: number;
  /** A metric that is published only when it is not zero: its holes are zero where `requests` has a value. */
  readonly sparse: boolean;
}

/** A query of Prometheus that is bound to a signal by hand. */
export interface PrometheusBinding {
  readonly query: string;
  /** Null: that of the known signal of that name. */
  readonly unit: Unit | null;
  readonly scale: number;
}

export type SignalBinding = { readonly cloudwatch: CloudWatchBinding } | { readonly prometheus: PrometheusBinding };

export interface PrometheusConfig {
  /** Without a slash at its end, and without user and password. */
  readonly url: string;
  readonly headers: Readonly<Record<string, Secret>>;
  /** Null: as often as the detectors of the bound signals ask. */
  readonly periodSeconds: number | null;
}

export interface SentryConfig {
  readonly url: string;
  readonly organization: string;
  readonly token: Secret;
}

export interface DatadogConfig {
  readonly site: string;
  /** For tests: another address of its API. */
  readonly endpoint: string | null;
  readonly apiKey: Secret;
  readonly appKey: Secret;
}

export interface LogsConfig {
  readonly group: string;
  readonly filter: string | null;
}

export interface SearchConfig {
  /** Where `logs` and metrics of CloudWatch are. */
  readonly account: string;
  /** URLs without a slash at their end. */
  readonly typesense: { readonly url: string; readonly apiKey: Secret; readonly collections: readonly string[] };
  readonly opensearch: { readonly url: string; readonly headers: Readonly<Record<string, Secret>> } | null;
  /** Feature flag that says which engine searches, and its value for the other one: for mitigations. */
  readonly fallback: { readonly flag: string; readonly value: string } | null;
  /** Of what fills the index. */
  readonly logs: LogsConfig | null;
  readonly dependsOn: readonly string[];
  readonly signals: Readonly<Record<string, SignalBinding>>;
  readonly contact: string | null;
}

export interface CacheConfig {
  readonly url: Secret;
  readonly address: HostPort;
  readonly dependsOn: readonly string[];
  readonly signals: Readonly<Record<string, SignalBinding>>;
  readonly contact: string | null;
}

/** What the configuration needs to know of a signal that sources give. Entries of the catalogue fit it. */
export interface SignalShape {
  readonly signal: string;
  readonly unit: Unit;
}
