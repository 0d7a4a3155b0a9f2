/** The shape of a detector: plain data and pure functions. One file declares it; adding one edits nothing else. */

import type {
  Band,
  EffectState,
  EpochMs,
  Interval,
  Judged,
  Labels,
  Question,
  QuestionKind,
  QuestionTypes,
  Reading,
  Risk,
  SlotValues,
  Symptom,
  Target,
  TargetKind,
  Unit,
  Window,
} from '../model/index.ts';
import type { LifecycleSpecs, OptionSpecs, OptionValues } from './options.ts';

/** A signal that the rule reads. Without a required one the judgement is `no_data`. */
export interface SignalSpec {
  readonly signal: string;
  readonly unit: Unit;
  readonly required: boolean;
  readonly description: string;
}

/** What a rule says of one departure; the engine adds whose it is. */
export type RuleSymptom = Omit<Symptom, 'detector' | 'target'>;

export type Judgement =
  | {
      readonly state: 'judged';
      /** Time of the newest sample that was judged. */
      readonly at: EpochMs;
      readonly symptoms: readonly RuleSymptom[];
      /** Subjects that could not be judged this time: their findings neither clear nor count. */
      readonly unjudged?: readonly string[];
    }
  | { readonly state: 'no_data'; readonly signals: readonly string[] }
  | { readonly state: 'not_ready'; readonly signals: readonly string[] };

export interface RuleContext<O> {
  readonly now: EpochMs;
  readonly target: Target;
  readonly options: O;
  /** All label sets of the signal, sorted by labels; only current ones (`present` or `late`) unless `all` is asked. */
  readings(signal: string, all?: boolean): readonly Reading[];
  /** What is expected of a signal at any time, also one without a sample; not `ready` where nothing was learned. */
  expected(signal: string, labels: Labels, at: EpochMs): Band;
  /** Whether a finding of this subject is pending or firing now: for hysteresis. */
  active(subject: string): boolean;
}

/** What probes and mitigations know of the case besides the answers. Plain data. */
export interface Facts {
  readonly now: EpochMs;
  /** The target of the symptom. */
  readonly target: Target;
  /** The target that the hypothesis is about: the same, one that it depends on, or one that depends on it. */
  readonly on: Target;
  /** Targets that depend on that of the symptom, where they are known: for what only its callers can tell. */
  readonly dependents?: readonly Target[];
  readonly onset: Interval;
  readonly options: Readonly<Record<string, number | boolean | string>>;
}

/** The other answers of the walk: null for what was not asked, or not answered. */
export type Answered = <K extends QuestionKind>(question: Question<K>) => QuestionTypes[K]['value'] | null;

export interface Probe<K extends QuestionKind = QuestionKind> {
  readonly id: string;
  /** Probes that look at the same thing share a factor; only the strongest of a factor counts. */
  readonly factor: string;
  /** For people: what is looked at. */
  readonly title: string;
  ask(symptom: Symptom, facts: Facts): Question<K>;
  /** Further questions that the judgement may look up with `answered`: errors by task beside which task runs what. */
  also?(symptom: Symptom, facts: Facts): readonly Question[];
  /** Pure. Gets only what was answered; what was not is `unknown` by itself. */
  judge(value: QuestionTypes[K]['value'], symptom: Symptom, facts: Facts, answered: Answered): Judged;
}

/** A probe of any one kind, once its kind no longer matters. */
export interface AnyProbe {
  readonly id: string;
  readonly factor: string;
  readonly title: string;
  ask(symptom: Symptom, facts: Facts): Question;
  also?(symptom: Symptom, facts: Facts): readonly Question[];
  judge(value: QuestionTypes[QuestionKind]['value'], symptom: Symptom, facts: Facts, answered: Answered): Judged;
}

export interface Hypothesis {
  readonly cause: string;
  /** Which kind of the cause; not part of its identity. */
  readonly variant?: string;
  /** One line, `Lock contention: an idle-in-transaction session holds the lock at the root of the chain`. */
  readonly title: string;
  /** Probability before any evidence, 0…1: how often this is the cause when the symptom shows. */
  readonly prior: number;
  /**
   * `self`, or a kind of dependency: then there is one instance for each dependency of that kind. `dependent`: one for
   * each target that depends on that of the symptom.
   */
  readonly on: 'self' | 'dependent' | TargetKind;
  /** With `dependent`: only those of this kind. */
  readonly dependentKind?: TargetKind;
  readonly probes: readonly AnyProbe[];
  /** Ids of probes without whose answer nothing can be said of this hypothesis. */
  readonly requires?: readonly string[];
  /** Ids of mitigations, the first to do first. */
  readonly mitigations: readonly string[];
  /** Ids of detectors to which this cause is a symptom of the target that it is on: both are one incident. */
  readonly seenBy?: readonly string[];
  /** The same thing on whichever target of the kind it is found, where both began together: our way out, on each vendor. */
  readonly anywhere?: true;
}

/**
 * Commands are templates: shell words with `{slot}`s of known names and types (see `slots.ts`). A slot whose value is
 * unknown or not of its type withholds the command. Free text is never a slot.
 */
export interface Mitigation {
  readonly title: string;
  readonly risk: Risk;
  /** What it does to whom: `the transaction of pid {pid} is rolled back; nothing else is touched`. */
  readonly riskText: string;
  readonly precheck?: string;
  readonly command: string;
  readonly alternative?: string;
  readonly verify?: string;
  readonly undo?: string;
  readonly effect?: Effect;
}

export interface Effect {
  /** `blocked sessions 0 within 10 s`. */
  readonly expect: string;
  readonly withinMs: number;
  ask(slots: SlotValues, facts: Facts): Question;
  judge(
    value: QuestionTypes[QuestionKind]['value'],
    slots: SlotValues,
    facts: Facts,
  ): { readonly state: EffectState; readonly observed: string };
}

/** An effect over one kind of question, typed. */
export function effect<K extends QuestionKind>(definition: {
  readonly expect: string;
  readonly withinMs: number;
  ask(slots: SlotValues, facts: Facts): Question<K>;
  judge(
    value: QuestionTypes[K]['value'],
    slots: SlotValues,
    facts: Facts,
  ): { readonly state: EffectState; readonly observed: string };
}): Effect {
  // The engine hands `judge` only answers to what `ask` asked, so the kinds agree.
  return definition as unknown as Effect;
}

export interface Detector<S extends OptionSpecs = OptionSpecs> {
  /** kebab-case, the file's name. */
  readonly id: string;
  readonly title: string;
  /** What happens to you if you ignore it, one sentence. */
  readonly why: string;
  /** The section of the runbook that it automates: `Database / Lock Contention`. */
  readonly runbook: string;
  readonly target: TargetKind;
  readonly signals: Readonly<Record<string, SignalSpec>>;
  readonly options: S;
  rule(context: RuleContext<OptionValues<S>>): Judgement;
  readonly hypotheses: readonly Hypothesis[];
  readonly mitigations: Readonly<Record<string, Mitigation>>;
}

/** A detector whose options' types no longer matter. */
export type AnyDetector = Omit<Detector, 'rule'> & {
  rule(context: RuleContext<Readonly<Record<string, number | boolean | string>>>): Judgement;
};

/** Every detector has the lifecycle options (`lifecycleOptions`), so that tests and demos can shorten its holds. */
export function defineDetector<S extends OptionSpecs & LifecycleSpecs>(detector: Detector<S>): AnyDetector {
  return detector as unknown as AnyDetector;
}

/** A probe over one kind of question, typed. */
export function probe<K extends QuestionKind>(definition: Probe<K>): AnyProbe {
  return definition as unknown as AnyProbe;
}

const LOOKBACK_MS = 10 * 60_000;

/** The window that most probes ask about: from ten minutes before the onset until now. */
export function aroundOnset(facts: Facts, lookbackMs: number = LOOKBACK_MS): Window {
  return { from: facts.onset.earliest - lookbackMs, to: facts.now };
}

/** From the onset until now, and at least the last `minimumMs`. */
export function sinceOnset(facts: Facts, minimumMs = 60_000): Window {
  return { from: Math.min(facts.onset.earliest, facts.now - minimumMs), to: facts.now };
}

/** This moment only: what effects ask, so that no earlier state answers for the present one. */
export function rightNow(facts: Facts): Window {
  return { from: facts.now, to: facts.now };
}

/** A question about the hypothesis' target. */
export function ask<K extends QuestionKind>(
  kind: K,
  facts: Facts,
  params: QuestionTypes[K]['params'],
  window: Window = aroundOnset(facts),
): Question<K> {
  return { kind, target: facts.on.name, window, params };
}
