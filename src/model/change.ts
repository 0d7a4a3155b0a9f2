/** Changes: what was changed, when, as an interval. Always evidence, never a page by itself. */

import type { Interval } from './glossary.ts';

export type ChangeKind = 'deployment' | 'flag' | 'setting' | 'restart' | 'failover' | 'stats_reset' | 'index' | 'other';

export interface Change {
  /** Stable: the same change seen twice has the same id. */
  readonly id: string;
  readonly target: string;
  readonly kind: ChangeKind;
  /** One line for people: `max_connections 100 → 40`. */
  readonly summary: string;
  readonly at: Interval;
  readonly source: string;
  readonly links?: readonly string[];
  /** Happens by itself all day (a service that scales with its traffic): evidence, but nobody is told of it. */
  readonly routine?: true;
  /** Of a deployment: what was brought out, in place of what, and how it stands. */
  readonly deployment?: {
    /** `family:revision`, or what CI calls it. */
    readonly version: string;
    readonly previous: string | null;
    readonly state: 'started' | 'completed' | 'failed' | 'rolled_back';
    /** Digests of its images, when known. */
    readonly images?: readonly string[];
  };
}
