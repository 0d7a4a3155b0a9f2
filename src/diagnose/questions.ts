/** Which questions a walk asks: those of every probe of every hypothesis, each once. */

import type { EpochMs, Question, Symptom, Target } from '../model/index.ts';
import type { AnyDetector, AnyProbe, Facts, Hypothesis } from '../sdk/detector.ts';

/** One hypothesis about one target: `self`, one of the dependencies of its kind, or one that depends on it. */
export interface Instance {
  readonly hypothesis: Hypothesis;
  readonly facts: Facts;
}

/** The case that is walked. Everything in it is plain data. */
export interface Case {
  readonly detector: AnyDetector;
  readonly options: Readonly<Record<string, number | boolean | string>>;
  readonly symptom: Symptom;
  readonly target: Target;
  readonly targets: readonly Target[];
  readonly now: EpochMs;
}

/** How far back SINCE looks for changes. */
export const CHANGES_LOOKBACK_MS = 2 * 3_600_000;

export function instancesOf(subject: Case): readonly Instance[] {
  const dependents = subject.targets.filter((target) => target.dependsOn.includes(subject.target.name));
  const facts = (on: Target): Facts => ({
    now: subject.now,
    target: subject.target,
    on,
    ...(dependents.length === 0 ? {} : { dependents }),
    onset: subject.symptom.onset,
    options: subject.options,
  });
  return subject.detector.hypotheses.flatMap((hypothesis) => {
    if (hypothesis.on === 'self') return [{ hypothesis, facts: facts(subject.target) }];
    if (hypothesis.on === 'dependent') {
      const { dependentKind } = hypothesis;
      const fitting = dependents.filter(({ kind }) => dependentKind === undefined || kind === dependentKind);
      return fitting.map((on) => ({ hypothesis, facts: facts(on) }));
    }
    return subject.targets
      .filter((target) => target.kind === hypothesis.on && subject.target.dependsOn.includes(target.name))
      .map((on) => ({ hypothesis, facts: facts(on) }));
  });
}

/** What every diagnosis asks besides its probes' questions. */
export function changesQuestion(subject: Case): Question<'changes'> {
  return {
    kind: 'changes',
    target: subject.target.name,
    window: { from: subject.symptom.onset.earliest - CHANGES_LOOKBACK_MS, to: subject.now },
    params: {},
  };
}

/** Identity of a question: the same text whatever the order of its keys. */
export function questionKey(question: Question): string {
  return canonical(question);
}

/** JSON with sorted keys. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).filter(([, item]) => item !== undefined);
    entries.sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`).join(',')}}`;
  }
  return JSON.stringify(value) ?? 'null';
}

export function questionOf(probe: AnyProbe, subject: Case, facts: Facts): Question {
  return probe.ask(subject.symptom, facts);
}

/** In order of their keys, so that two walks ask the same things in the same order. */
export function questionsOf(subject: Case): readonly { readonly key: string; readonly question: Question }[] {
  const byKey = new Map<string, Question>();
  const add = (question: Question): void => {
    byKey.set(questionKey(question), question);
  };
  add(changesQuestion(subject));
  for (const { hypothesis, facts } of instancesOf(subject)) {
    for (const probe of hypothesis.probes) {
      add(questionOf(probe, subject, facts));
      for (const question of probe.also?.(subject.symptom, facts) ?? []) add(question);
    }
  }
  return [...byKey].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, question]) => ({ key, question }));
}
