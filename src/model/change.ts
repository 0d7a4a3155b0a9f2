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
}
