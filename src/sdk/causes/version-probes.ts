/** Probes of a service's own versions: what came with one, and what one would explain better. */

import type { Change, Judged, SlotValues, Symptom } from '../../model/index.ts';
import type { AnyProbe, Facts } from '../detector.ts';
import { probe } from '../detector.ts';
import { neutral, opposes, supports } from '../evidence.ts';
import { clockTime, safeName } from '../format.ts';
import { changesQuestion } from './service-questions.ts';
import { isAfterOnset, subjectOf } from './service-series.ts';

const DEPLOYED_MS = 30 * 60_000;

/** Deployments and flags of the service itself that can have brought it: from 30 min before the onset on. */
function versionsOf(changes: readonly Change[], facts: Facts): readonly Change[] {
  return changes.filter(
    (one) =>
      one.target === facts.target.name &&
      (one.kind === 'deployment' || one.kind === 'flag') &&
      one.at.latest >= facts.onset.earliest - DEPLOYED_MS,
  );
}

function overVersions(judge: (before: Change | null, after: Change | null, symptom: Symptom) => Judged): AnyProbe {
  return probe<'changes'>({
    id: 'new-version',
    factor: 'version',
    title: 'deployments and flags in the 30 min before',
    ask: (_symptom, facts) => changesQuestion(facts),
    judge({ changes }, symptom, facts) {
      const found = versionsOf(changes, facts);
      const before = found.findLast((one) => !isAfterOnset(one.at.earliest, facts)) ?? null;
      return judge(before, found[0] ?? null, symptom);
    },
  });
}

const saying = (change: Change): string => `${safeName(change.summary, 120)} at ${clockTime(change.at.latest)}`;

/** Code that costs more comes with a new version. */
export function versionProbe(): AnyProbe {
  return overVersions((before, after, symptom) => {
    if (subjectOf(symptom) === 'memory') return opposes(4, 'it is about memory', { headline: 'it is about memory' });
    if (before !== null) {
      const previous = before.deployment?.previous ?? null;
      const slots: SlotValues = previous === null ? {} : { previousVersion: previous };
      return supports(1.3, `${saying(before)}, before it began`, { slots });
    }
    if (after !== null)
      return opposes(3, `${saying(after)}, but only after it began`, { headline: 'deployed only after it began' });
    return opposes(3, 'no deployment and no flag of it in the 30 min before', { headline: 'no new version' });
  });
}

/** A new version of the service may send new statements to its database, whose own changes do not tell of it. */
export function serviceVersionProbe(weight: number): AnyProbe {
  return overVersions((before, after) => {
    if (before !== null) return supports(weight, `${saying(before)}, before it began`);
    return after === null
      ? neutral('no deployment and no flag of the service in the 30 min before')
      : opposes(1, `${saying(after)}, but only after it began`, { headline: 'deployed only after it began' });
  });
}

/** Where a new version would explain more. */
export function noVersionProbe(): AnyProbe {
  return overVersions((before) =>
    before === null
      ? neutral('no deployment and no flag of it in the 30 min before')
      : opposes(2.7, `${saying(before)} came before it, which explains more`, { headline: saying(before) }),
  );
}
