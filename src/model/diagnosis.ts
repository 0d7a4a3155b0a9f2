/** Evidence, causes, mitigations, diagnosis: the JSON of `diagnose --json`, the API, the store and the page's details. */

import type { EpochMs, Interval, Severity } from './glossary.ts';
import type { UnknownBecause } from './question.ts';
import type { ReadingPoint } from './series.ts';

/** A departure that a detector's rule sees. */
export interface Symptom {
  readonly detector: string;
  readonly target: string;
  /** What of the target, when it can have several (a standby's name); '' for the target as a whole. */
  readonly subject: string;
  readonly severity: Severity;
  /** For the page's summary line, without the target: `14 sessions blocked for 2 min`. */
  readonly headline: string;
  /** One or two full sentences with figures, for WHAT. */
  readonly summary: string;
  readonly onset: Interval;
  readonly readings: readonly ReadingPoint[];
  /** Further lines of WHAT, most telling first, at most 5: by endpoint and status, by zone, p50 beside p95. */
  readonly breakdown?: readonly string[];
  /** Fires without the detector's hold: for what is certain at first sight and gets worse by the second. */
  readonly urgent?: true;
}

export type EvidenceState = 'supports' | 'opposes' | 'neutral' | 'unknown';

/** Values that a mitigation's typed slots may take, by slot name. Text is checked against the slot's type when rendered. */
export type SlotValues = Readonly<Record<string, string | number>>;

/** What a probe's judgement says. The weight is a natural-log odds ratio: > 0 supports, < 0 opposes, 0 otherwise. */
export interface Judged {
  readonly state: EvidenceState;
  readonly weight: number;
  /** Sentence with the figure behind it: `pid 2134 (checkout-worker) holds RowExclusiveLock on public.orders…`. */
  readonly observed: string;
  /** The telling fact in a few words, for the summary line: `by pid 2134, idle in transaction (checkout-worker)`. */
  readonly headline?: string;
  readonly because?: UnknownBecause;
  readonly grant?: string;
  readonly slots?: SlotValues;
}

/** A line of the ledger. */
export interface Evidence extends Judged {
  readonly probe: string;
  /** Probes that look at the same thing share a factor; only the strongest of a factor counts. */
  readonly factor: string;
  /** False when a stronger evidence of the same factor was counted instead. */
  readonly counted: boolean;
  readonly source: string;
  readonly at: EpochMs;
}

export type Risk = 'read-only' | 'reversible' | 'disruptive';

/** A mitigation with real values, or the reason why its command is not shown. */
export type RenderedMitigation =
  | {
      readonly id: string;
      readonly title: string;
      readonly risk: Risk;
      readonly riskText: string;
      readonly precheck: string | null;
      readonly command: string;
      readonly alternative: string | null;
      readonly verify: string | null;
      readonly undo: string | null;
      /** What must change and by when, for people: `blocked sessions 0 within 10 s`. */
      readonly effect: string | null;
      /** The values used, so that the effect can be asked for while the incident is open. */
      readonly slots: SlotValues;
    }
  | { readonly id: string; readonly title: string; readonly withheld: string };

/** A cause's identity is (cause, on). */
export interface CauseRef {
  readonly cause: string;
  readonly on: string;
}

export interface RankedCause extends CauseRef {
  readonly variant: string | null;
  /** `Lock contention: an idle-in-transaction session holds the lock at the root of the chain`. */
  readonly title: string;
  /** σ(prior + Σ counted weights), 0…1, independent of the other causes. */
  readonly confidence: number;
  /** Natural-log odds before evidence. */
  readonly prior: number;
  readonly evidence: readonly Evidence[];
  readonly mitigations: readonly RenderedMitigation[];
  /** Ids of detectors that see this very cause as a symptom of `on`: their findings there are of the same incident. */
  readonly seenBy?: readonly string[];
  /** The same thing on whichever target of the kind it is found, where both began together: our way out, on each vendor. */
  readonly anywhere?: true;
}

export interface RuledOut extends CauseRef {
  readonly variant: string | null;
  readonly title: string;
  readonly confidence: number;
  /** With the figure that rules it out: `40 of 97 slots`. */
  readonly because: string;
}

/** Something that could not be seen, what it hides, and what would let us see. */
export interface Gap {
  readonly what: string;
  readonly because: UnknownBecause;
  readonly detail: string;
  readonly hides: readonly string[];
  readonly grant: string | null;
}

export type Verdict = 'cause' | 'unclear' | 'inconclusive' | 'healthy';

export interface Diagnosis {
  readonly verdict: Verdict;
  readonly target: string;
  readonly at: EpochMs;
  readonly symptom: Symptom | null;
  /** Most confident first; ruled-out ones are not among them. */
  readonly causes: readonly RankedCause[];
  readonly ruledOut: readonly RuledOut[];
  readonly gaps: readonly Gap[];
  /** Π(1 − pᵢ) over all hypotheses. */
  readonly unexplained: number;
  /** What changed on the target and what it depends on before the onset, for SINCE; null when it could not be asked. */
  readonly changes: {
    readonly lookbackMs: number;
    readonly seen: readonly { readonly at: Interval; readonly summary: string }[];
  } | null;
  /** The runbook's section: `Database / Lock Contention`. */
  readonly runbook: string;
  /** When verdict is `unclear`: the one probe that would separate the two best hypotheses. */
  readonly wouldSeparate: string | null;
}
