/** What a service says of itself, and what a vendor says of itself. */

import type { EpochMs } from './glossary.ts';

export interface HealthCheckResult {
  /** Host and path, without query: `api.rastup.com/ready`. */
  readonly endpoint: string;
  readonly status: number | null;
  /** Why there was no usable answer; null when there was one, whatever its status. */
  readonly failure: 'dns' | 'refused' | 'timeout' | 'tls' | 'reset' | 'redirect' | 'too-large' | 'other' | null;
  readonly milliseconds: number;
  /** What the body says of single dependencies, at most 50: `{ name: 'database', ok: false, detail: 'timeout' }`. */
  readonly checks: readonly { readonly name: string; readonly ok: boolean; readonly detail: string | null }[];
}

export interface ServiceHealthAnswer {
  readonly at: EpochMs;
  readonly live: HealthCheckResult | null;
  readonly ready: HealthCheckResult | null;
  /** Oldest first, over the question's window: whether each answered with 2xx. */
  readonly history: readonly { readonly at: EpochMs; readonly live: boolean | null; readonly ready: boolean | null }[];
}

/** A vendor's status page. It is support, never proof: pages lag and are edited by people. */
export interface VendorStatusAnswer {
  readonly at: EpochMs;
  /** Host of the page. */
  readonly page: string;
  readonly indicator: 'none' | 'minor' | 'major' | 'critical' | 'maintenance' | 'unknown';
  readonly description: string;
  /** Unresolved ones, newest first, at most 10. */
  readonly incidents: readonly {
    readonly name: string;
    readonly status: string;
    readonly impact: string;
    readonly startedAt: EpochMs | null;
  }[];
  /** Components that do not work as they should, at most 20. */
  readonly components: readonly { readonly name: string; readonly status: string }[];
}
