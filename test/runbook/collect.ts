/**
 * Stands in for `runbookd/testing` where the detectors' own cases are diagnosed for their ledgers (`ledger.ts`): no test is
 * declared, every case of a cause is walked, and the probes that had an answer in it are noted.
 */

import type { AnyDetector } from '../../src/sdk/detector.ts';
import { type DetectorCases, diagnoseWith, judge, TARGET } from '../../src/testing/index.ts';

export * from '../../src/testing/index.ts';

/** `<detector> <probe>` → the cases in whose ledger it has an answer. */
export const answered = new Map<string, string[]>();

export function describeDetector(detector: AnyDetector, cases: DetectorCases): void {
  const target = cases.target ?? TARGET;
  for (const one of cases.causes) {
    const judged = judge(detector, one, target);
    const symptom = judged.state === 'judged' ? judged.symptoms[0] : undefined;
    if (symptom === undefined) continue;
    const { causes } = diagnoseWith(detector, symptom, one.answers, target, {
      options: one.options ?? {},
      dependencies: cases.dependencies ?? [],
      answersOf: one.answersOf ?? {},
      readings: one.readings,
    });
    // A line that counts: an answer that came and was judged, whatever it spoke for.
    for (const line of causes.flatMap(({ evidence }) => evidence)) {
      if (line.state === 'unknown') continue;
      const key = `${detector.id} ${line.probe}`;
      const names = answered.get(key) ?? [];
      if (!names.includes(one.name)) names.push(one.name);
      answered.set(key, names);
    }
  }
}
