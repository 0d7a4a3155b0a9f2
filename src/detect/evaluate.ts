/** One detector on one target: from readings to a judgement. Pure. */

import type { Band, EpochMs, Labels, Reading, Symptom, Target } from '../model/index.ts';
import type { AnyDetector, Judgement } from '../sdk/detector.ts';

export interface Evaluation {
  readonly detector: AnyDetector;
  readonly target: Target;
  readonly options: Readonly<Record<string, number | boolean | string>>;
  readonly now: EpochMs;
  /** All label sets of a signal of this target. */
  readonly readings: (signal: string) => readonly Reading[];
  /** What is expected of a signal of this target. */
  readonly expected: (signal: string, labels: Labels, at: EpochMs) => Band;
  readonly active: (subject: string) => boolean;
}

export type Evaluated =
  | {
      readonly state: 'judged';
      readonly at: EpochMs;
      readonly symptoms: readonly Symptom[];
      readonly unjudged: readonly string[];
    }
  | { readonly state: 'no_data' | 'not_ready'; readonly signals: readonly string[] };

const isCurrent = (reading: Reading): boolean => reading.freshness === 'present' || reading.freshness === 'late';

/** A required signal without a current reading is `no_data`: the rule is not asked, nothing clears, nothing counts. */
export function evaluate(evaluation: Evaluation): Evaluated {
  const { detector, target, options, now } = evaluation;
  const missing = Object.values(detector.signals)
    .filter((spec) => spec.required && !evaluation.readings(spec.signal).some(isCurrent))
    .map((spec) => spec.signal);
  if (missing.length > 0) return { state: 'no_data', signals: missing };
  const judgement: Judgement = detector.rule({
    now,
    target,
    options,
    readings: (signal, all = false) => evaluation.readings(signal).filter((reading) => all || isCurrent(reading)),
    expected: evaluation.expected,
    active: evaluation.active,
  });
  if (judgement.state !== 'judged') return judgement;
  return {
    state: 'judged',
    at: judgement.at,
    symptoms: judgement.symptoms.map((symptom) => ({ ...symptom, detector: detector.id, target: target.name })),
    unjudged: judgement.unjudged ?? [],
  };
}
