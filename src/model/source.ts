/** Sources: adapters that read signals and answer questions. */

import type { Change } from './change.ts';
import type { EpochMs, Unit } from './glossary.ts';
import type { Answer, Question, UnknownBecause } from './question.ts';
import type { Series } from './series.ts';

/** What a poll group reads, with the signals that come from it. */
export interface SignalInfo {
  readonly signal: string;
  readonly unit: Unit;
  readonly group: string;
  readonly description: string;
  /** No source gives it by itself: the `signals` of a target bind it. */
  readonly byHand?: true;
}

/** Something that a source cannot see, and what would let it. */
export interface Blindness {
  readonly target: string;
  readonly check: string;
  readonly because: UnknownBecause;
  readonly detail: string;
  readonly grant: string | null;
  /** Signals of the target that this hides, where it hides signals: who asks for one of them is told why. */
  readonly signals?: readonly string[];
  /** What is hidden is worth having and not needed: `check` mentions it, and is well all the same. */
  readonly optional?: true;
}

export interface PollResult {
  readonly series: readonly Series[];
  readonly changes: readonly Change[];
  /** The source's whole present blindness for what this poll group reads; empty when all was seen. */
  readonly blind: readonly Blindness[];
}

export interface Source {
  readonly name: string;
  /** Poll groups, each on a schedule of its own. Never called again while a call is pending. */
  readonly groups: readonly string[];
  /** Throws a `RunbookdError`; `now` is the wall clock's time that samples are stamped with. */
  poll(group: string, now: EpochMs, signal: AbortSignal): Promise<PollResult>;
  /**
   * What the backend still holds of the series that `poll` reads, oldest first, in portions: for baselines of the first
   * day. Absent where the backend has no history. Rejects as `poll` does; what was given before stays good.
   */
  history?(from: EpochMs, now: EpochMs, signal: AbortSignal): AsyncIterable<readonly Series[]>;
  /** The targets that `history` is about, where that is known before: what has no baseline yet makes it worth reading. */
  readonly targets?: readonly string[];
  /** Whether this source answers that question about that target. */
  answers(question: Question): boolean;
  /** Never throws: what cannot be answered is unknown, with the reason. */
  answer(question: Question, now: EpochMs, signal: AbortSignal): Promise<Answer>;
  /** State that cannot be read again after a restart (counters, rings); restored before the first poll. */
  snapshot(): Uint8Array | null;
  restore(state: Uint8Array): void;
  close(): Promise<void>;
}

/** A source of which nothing can be read: what failed last, by poll group. */
export interface SourceFailureAnswer {
  readonly at: EpochMs;
  readonly source: string;
  /** Targets that it reads, as far as it ever gave a series of them. */
  readonly targets: readonly string[];
  readonly failures: readonly {
    readonly group: string;
    /** Polls in a row that read nothing. */
    readonly polls: number;
    readonly since: EpochMs;
    /** Of the error catalogue: `AWS_DENIED`. */
    readonly code: string;
    readonly because: UnknownBecause;
    readonly detail: string;
    readonly grant: string | null;
  }[];
}
