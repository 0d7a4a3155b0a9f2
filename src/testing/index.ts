/**
 * `runbookd/testing`: the harness for detectors, ours and others'. Tests are data: silent, firing, missing data, and
 * for each hypothesis a case where it must come first.
 */

import { describe, expect, test } from 'vitest';
import { breaches } from '../detect/contract.ts';
import type { Evaluated } from '../detect/evaluate.ts';
import { evaluate } from '../detect/evaluate.ts';
import { optionValues } from '../detect/options.ts';
import type { Case } from '../diagnose/questions.ts';
import { questionsOf } from '../diagnose/questions.ts';
import { weigh } from '../diagnose/weigh.ts';
import type {
  Answer,
  Band,
  Diagnosis,
  EpochMs,
  Labels,
  Question,
  QuestionKind,
  QuestionTypes,
  Reading,
  Severity,
  Symptom,
  Target,
  Unit,
  UnknownBecause,
  Verdict,
} from '../model/index.ts';
import type { AnyDetector } from '../sdk/detector.ts';

/** All cases end here: 2026-11-23 14:05:00 UTC. */
export const NOW: EpochMs = Date.UTC(2026, 10, 23, 14, 5, 0);

const NO_BAND: Band = {
  expected: Number.NaN,
  lower: Number.NaN,
  upper: Number.NaN,
  mean: Number.NaN,
  samples: 0,
  ready: false,
  profile: 'none',
};

export interface ReadingOptions {
  readonly labels?: Labels;
  readonly unit?: Unit;
  readonly periodSeconds?: number;
  /** `mean` is `expected` and `samples` a day of the period unless given. */
  readonly band?: Pick<Band, 'expected' | 'lower' | 'upper'> & Partial<Pick<Band, 'mean' | 'samples'>>;
  /** Default `main-db`. */
  readonly target?: string;
  readonly freshness?: Reading['freshness'];
  /** Time of the last value; default NOW. */
  readonly endsAt?: EpochMs;
}

/** A reading whose last value is at NOW, one value a period. */
export function reading(signal: string, values: readonly number[], options: ReadingOptions = {}): Reading {
  const periodMs = (options.periodSeconds ?? 15) * 1000;
  const end = options.endsAt ?? NOW;
  const band: Band =
    options.band === undefined
      ? NO_BAND
      : {
          mean: options.band.expected,
          samples: Math.round(86_400_000 / periodMs),
          ...options.band,
          ready: true,
          profile: 'last_24h',
        };
  return {
    target: options.target ?? 'main-db',
    signal,
    labels: options.labels ?? {},
    unit: options.unit ?? 'count',
    periodMs,
    samples: values.map((value, index) => ({ at: end - (values.length - 1 - index) * periodMs, value, band })),
    freshness: options.freshness ?? 'present',
  };
}

/** The target of the cases unless a case brings its own. */
export const TARGET: Target = {
  name: 'main-db',
  kind: 'database',
  dependsOn: [],
  contact: '@dba',
  slots: {
    psql: 'psql -h main-db.internal -U admin -d rastup',
    host: 'main-db.internal',
    port: '5432',
    database: 'rastup',
  },
};

export interface UnknownMarker {
  readonly unknown: UnknownBecause;
  readonly detail: string;
  readonly grant?: string;
}

export function unknownAnswer(because: UnknownBecause, detail: string, grant?: string): UnknownMarker {
  return { unknown: because, detail, ...(grant === undefined ? {} : { grant }) };
}

/** Answers by kind; a kind that is not there was not answered before the deadline. */
export type CaseAnswers = { readonly [K in QuestionKind]?: QuestionTypes[K]['value'] | UnknownMarker };

interface RuleCase {
  readonly name: string;
  readonly readings: readonly Reading[];
  readonly options?: Readonly<Record<string, number | boolean | string>>;
  /** What is expected at any time; default the band of the last sample of that signal. */
  readonly expected?: (signal: string, labels: Labels, at: EpochMs) => Band;
  /** Subjects whose findings are pending or firing now. */
  readonly active?: readonly string[];
}

export interface DetectorCases {
  readonly target?: Target;
  /** What the target depends on, for hypotheses about a kind of dependency. */
  readonly dependencies?: readonly Target[];
  readonly silent: readonly RuleCase[];
  readonly firing: readonly (RuleCase & {
    readonly subject?: string;
    readonly severity?: Severity;
    readonly headline?: RegExp;
  })[];
  readonly missing: readonly RuleCase[];
  readonly causes: readonly (RuleCase & {
    /**
     * The same for every target. A `series` question is answered from the case's readings unless `series` is given.
     */
    readonly answers: CaseAnswers;
    /** Answers of single targets, by name: they come before `answers`. */
    readonly answersOf?: Readonly<Record<string, CaseAnswers>>;
    readonly first?: { readonly cause: string; readonly variant?: string; readonly on?: string };
    /** Least confidence of the first. */
    readonly atLeast?: number;
    /** Each must match a command of the first cause's mitigations. */
    readonly commands?: readonly RegExp[];
    readonly verdict?: Verdict;
    /** Further expectations on the diagnosis. */
    readonly check?: (diagnosis: Diagnosis) => void;
  })[];
}

const sameLabels = (one: Labels, other: Labels): boolean =>
  Object.keys(one).length === Object.keys(other).length &&
  Object.entries(one).every(([name, value]) => other[name] === value);

export function judge(detector: AnyDetector, subject: RuleCase, target: Target = TARGET): Evaluated {
  return evaluate({
    detector,
    target,
    options: optionValues(detector, subject.options),
    now: NOW,
    readings: (signal) => subject.readings.filter((one) => one.signal === signal),
    expected: (signal, labels, at) =>
      subject.expected?.(signal, labels, at) ??
      subject.readings.find((one) => one.signal === signal && sameLabels(one.labels, labels))?.samples.at(-1)?.band ??
      NO_BAND,
    active: (name) => subject.active?.includes(name) ?? false,
  });
}

/** What a case's diagnosis may need besides the answers by kind. */
export interface DiagnoseOptions {
  readonly options?: Readonly<Record<string, number | boolean | string>>;
  readonly dependencies?: readonly Target[];
  readonly answersOf?: Readonly<Record<string, CaseAnswers>>;
  readonly readings?: readonly Reading[];
}

/** The diagnosis of a symptom from answers by kind. */
export function diagnoseWith(
  detector: AnyDetector,
  symptom: Symptom,
  answers: CaseAnswers,
  target: Target = TARGET,
  { options = {}, dependencies = [], answersOf = {}, readings = [] }: DiagnoseOptions = {},
): Diagnosis {
  const subject: Case = {
    detector,
    options: optionValues(detector, options),
    symptom,
    target,
    targets: [target, ...dependencies],
    now: NOW,
  };
  const record = new Map<string, Answer>();
  for (const { key, question } of questionsOf(subject)) {
    const value =
      answersOf[question.target]?.[question.kind] ?? answers[question.kind] ?? seriesOf(question, target, readings);
    if (value === undefined) continue;
    record.set(
      key,
      ('unknown' in value
        ? { state: 'unknown', kind: question.kind, because: value.unknown, detail: value.detail, grant: value.grant }
        : { state: 'answered', kind: question.kind, value, at: NOW, source: `${question.target}: test` }) as Answer,
    );
  }
  return weigh(subject, record, { commands: 'runbook', overrides: {} });
}

/** A `series` question from readings; undefined for other kinds, and where no reading is of that signal. */
function seriesOf(
  question: Question,
  target: Target,
  readings: readonly Reading[],
): QuestionTypes['series']['value'] | undefined {
  if (question.kind !== 'series') return undefined;
  const { signal, labels = {} } = (question as Question<'series'>).params;
  const wanted = Object.entries(labels);
  const mine = readings.filter(
    (one) =>
      one.signal === signal &&
      (one.target === question.target || (one.target === 'main-db' && question.target === target.name)) &&
      wanted.every(([name, value]) => one.labels[name] === value),
  );
  const [first] = mine;
  if (first === undefined) return undefined;
  const points = mine.flatMap((one) =>
    one.samples
      .filter(({ at }) => at >= question.window.from && at <= question.window.to)
      .map(({ at, value, band }) => ({
        labels: one.labels,
        at,
        value,
        expected: band.ready ? band.expected : null,
        lower: band.ready ? band.lower : null,
        upper: band.ready ? band.upper : null,
      })),
  );
  return { unit: first.unit, points };
}

/** Declares the tests of a detector. */
export function describeDetector(detector: AnyDetector, cases: DetectorCases): void {
  const target = cases.target ?? TARGET;
  const symptomsOf = (subject: RuleCase): readonly Symptom[] => {
    const judged = judge(detector, subject, target);
    return judged.state === 'judged' ? judged.symptoms : [];
  };
  describe(detector.id, () => {
    test('keeps the contract', () => {
      expect(breaches(detector, detector.id)).toEqual([]);
    });
    test.each(cases.silent)('is silent: $name', (subject) => {
      expect(judge(detector, subject, target)).toMatchObject({ state: 'judged', symptoms: [] });
    });
    test.each(cases.firing)('sees a symptom: $name', (subject) => {
      const symptoms = symptomsOf(subject);
      const symptom = symptoms.find((one) => one.subject === (subject.subject ?? ''));
      expect(symptom, `symptoms: ${JSON.stringify(symptoms)}`).toBeDefined();
      if (subject.severity !== undefined) expect(symptom?.severity).toBe(subject.severity);
      if (subject.headline !== undefined) expect(symptom?.headline).toMatch(subject.headline);
      expect(symptom!.onset.earliest).toBeLessThanOrEqual(symptom!.onset.latest);
      expect(symptom!.onset.latest).toBeLessThanOrEqual(NOW);
    });
    test.each(cases.missing)('says no data: $name', (subject) => {
      expect(judge(detector, subject, target).state).not.toBe('judged');
    });
    test.each(cases.causes)('cause: $name', (subject) => {
      const symptom = symptomsOf(subject)[0];
      expect(symptom, 'the readings of the case must show the symptom').toBeDefined();
      const more: DiagnoseOptions = {
        options: subject.options ?? {},
        dependencies: cases.dependencies ?? [],
        answersOf: subject.answersOf ?? {},
        readings: subject.readings,
      };
      const diagnosis = diagnoseWith(detector, symptom!, subject.answers, target, more);
      const first = diagnosis.causes[0];
      const shown = JSON.stringify(diagnosis.causes.map((one) => [one.cause, one.variant, one.confidence]));
      if (subject.verdict !== undefined) expect(diagnosis.verdict, shown).toBe(subject.verdict);
      if (subject.first !== undefined) {
        expect({ cause: first?.cause, variant: first?.variant ?? undefined }, shown).toEqual({
          cause: subject.first.cause,
          variant: subject.first.variant,
        });
        if (subject.first.on !== undefined) expect(first?.on, shown).toBe(subject.first.on);
      }
      if (subject.atLeast !== undefined) expect(first?.confidence, shown).toBeGreaterThanOrEqual(subject.atLeast);
      const commands = (first?.mitigations ?? []).flatMap((one) => ('command' in one ? [one.command] : []));
      for (const pattern of subject.commands ?? []) {
        expect(
          commands.some((command) => pattern.test(command)),
          `${pattern} in ${commands.join('\n')}`,
        ).toBe(true);
      }
      // The same answers give the same bytes, whatever the order in which they came.
      const again = diagnoseWith(detector, symptom!, reversed(subject.answers), target, more);
      expect(JSON.stringify(again)).toBe(JSON.stringify(diagnosis));
      subject.check?.(diagnosis);
    });
    test('every hypothesis comes first in some case', () => {
      const covered = new Set(cases.causes.map((one) => `${one.first?.cause}/${one.first?.variant ?? ''}`));
      const all = detector.hypotheses.map((one) => `${one.cause}/${one.variant ?? ''}`);
      expect(all.filter((name) => !covered.has(name))).toEqual([]);
    });
  });
}

function reversed(answers: CaseAnswers): CaseAnswers {
  return Object.fromEntries(Object.entries(answers).reverse()) as CaseAnswers;
}
