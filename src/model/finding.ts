/** Findings and incidents: the lives of symptoms, and the unit that pages. */

import type { CauseRef, Diagnosis, SlotValues, Symptom } from './diagnosis.ts';
import type { EpochMs, Severity } from './glossary.ts';

export type FindingState = 'pending' | 'firing' | 'resolved';

/** The life of one symptom. Identity is (detector, target, subject); a new life has a new id. */
export interface Finding {
  readonly id: string;
  readonly detector: string;
  readonly target: string;
  readonly subject: string;
  readonly state: FindingState;
  /** True while the signals are missing: it neither clears nor counts. */
  readonly noData: boolean;
  readonly noDataSince: EpochMs | null;
  readonly symptom: Symptom;
  readonly firstSeenAt: EpochMs;
  readonly firedAt: EpochMs | null;
  readonly resolvedAt: EpochMs | null;
  /** Newest sample that was judged: an evaluation without newer data changes nothing. */
  readonly judgedAt: EpochMs;
  readonly cleanPolls: number;
  readonly cleanSince: EpochMs | null;
  /** Times of the last turns from clear to firing, newest last; ≥ 3 in 2 h is flapping. */
  readonly turns: readonly EpochMs[];
  readonly diagnosis: Diagnosis | null;
  readonly diagnosedAt: EpochMs | null;
}

export type EffectState = 'not_applied' | 'worked' | 'partly' | 'not_yet';

export interface EffectReport {
  readonly detector: string;
  readonly mitigation: string;
  /** Name of the target that the cause is on. */
  readonly on: string;
  /** The values that the page showed: this very pid, not whoever leads now. */
  readonly slots: SlotValues;
  readonly state: EffectState;
  readonly observed: string;
  readonly at: EpochMs;
  /** When it was first seen to be applied; null until then. */
  readonly appliedAt: EpochMs | null;
}

/** What was last said about an incident, so that nothing is said twice. */
export interface NotifyRecord {
  readonly at: EpochMs;
  readonly reason: string;
  readonly severity: Severity;
  readonly cause: CauseRef | null;
  /** Which kind of the cause was told; null when none was. */
  readonly variant: string | null;
  readonly effect: EffectState | null;
  /** Ids of the findings that it was then; absent in records of before 0.1.0. */
  readonly findings?: readonly string[];
  readonly headline: string;
  /** Value of the lead symptom's first reading then: what `worse` is measured against. */
  readonly measure: number | null;
}

export interface Incident {
  readonly id: string;
  readonly state: 'open' | 'resolved';
  readonly openedAt: EpochMs;
  readonly resolvedAt: EpochMs | null;
  readonly severity: Severity;
  /** The shared cause; null while unclear. */
  readonly cause: CauseRef | null;
  /** Ids of the findings; the first is the lead whose diagnosis the page shows. */
  readonly findings: readonly string[];
  readonly lead: Finding;
  /** Ids of those that were told to have the incident's cause at some time: they stay, whatever they are told when it ends. */
  readonly shared?: readonly string[];
  readonly log: readonly NotifyRecord[];
  /** Severities under which a page was sent: each has its own dedup key and is resolved. */
  readonly pagedSeverities: readonly Severity[];
  readonly effects: readonly EffectReport[];
}
