/** Where a version that was brought out explains more than a cause that needs none. */

import type { Change, EcsServiceAnswer } from '../../model/index.ts';
import type { AnyProbe, Facts } from '../detector.ts';
import { probe } from '../detector.ts';
import { neutral, opposes, supports } from '../evidence.ts';
import { clockTime, duration, safeName } from '../format.ts';
import { healthyVersionBefore, previousByChanges, previousVersionSlots } from './healthy-version.ts';
import { changesQuestion, ecsQuestion, primaryOf } from './service-questions.ts';

/** A rolling deployment takes minutes until the new version has its share of the traffic. */
const NEAR_MS = 15 * 60_000;

export interface VersionBefore {
  readonly text: string;
  /** What to go back to; null when it is not known. */
  readonly previous: string | null;
}

/** The deployment of the service in the 15 min before it began; null when there was none. */
function versionBefore(changes: readonly Change[], facts: Facts): VersionBefore | null {
  const found = changes.findLast(
    ({ kind, target, at, deployment }) =>
      kind === 'deployment' &&
      target === facts.target.name &&
      deployment?.state !== 'rolled_back' &&
      at.earliest <= facts.onset.latest &&
      at.latest >= facts.onset.earliest - NEAR_MS,
  );
  if (found === undefined) return null;
  const gap = duration(Math.max(0, Math.round((facts.onset.latest - found.at.latest) / 1000)));
  return {
    text: `${safeName(found.summary, 120)} at ${clockTime(found.at.latest)}, ${gap} before it began`,
    previous: previousByChanges(found, changes, facts.onset),
  };
}

/** One that ECS took back at about that time was there before it. */
function takenBack(ecs: EcsServiceAnswer | null, facts: Facts): VersionBefore | null {
  const found = ecs?.rolledBack ?? null;
  if (found === null || found.at.latest < facts.onset.earliest - NEAR_MS) return null;
  const text = `${safeName(found.from, 60)} was taken back to ${safeName(found.to, 60)} at ${clockTime(found.at.latest)}`;
  return { text, previous: null };
}

interface VersionWeights {
  /** Weight when a version was brought out just before; negative where it explains more. */
  readonly ifBefore: number;
  /** Weight when none was: for causes that come with one. */
  readonly ifNone: number;
}

/** Whether a version of the service was brought out in the minutes before. Fills `previousVersion` where it supports. */
export function versionBeforeProbe({ ifBefore, ifNone }: VersionWeights): AnyProbe {
  return probe({
    id: 'version-before',
    factor: 'version',
    title: 'deployments in the 15 min before',
    ask: (_symptom, facts) => changesQuestion(facts),
    also: (_symptom, facts) => [ecsQuestion(facts, facts.target)],
    judge({ changes }, _symptom, facts, answered) {
      const ecs = answered(ecsQuestion(facts, facts.target));
      const primary = primaryOf(ecs);
      const gap = primary === null ? Number.NaN : facts.onset.latest - primary.createdAt;
      const seen =
        primary !== null && gap >= 0 && gap <= NEAR_MS
          ? {
              text: `${safeName(primary.version, 60)} was brought out ${duration(Math.round(gap / 1000))} before it began`,
              previous: ecs === null ? null : healthyVersionBefore(ecs, facts.onset),
            }
          : null;
      const before = versionBefore(changes, facts) ?? seen ?? takenBack(ecs, facts);
      if (before === null) {
        const observed = 'no deployment in the 15 min before';
        if (ifNone === 0) return neutral(observed);
        return ifNone > 0 ? supports(ifNone, observed) : opposes(ifNone, observed, { headline: observed });
      }
      if (ifBefore < 0) {
        return opposes(ifBefore, `${before.text}, which explains more`, { headline: before.text });
      }
      // With ECS, only what it knows to have run healthy is gone back to.
      const told = before.previous === null ? {} : { previousVersion: before.previous };
      const slots = { slots: ecs === null ? told : previousVersionSlots(ecs, facts.onset) };
      return supports(ifBefore, before.text, { headline: before.text, ...slots });
    },
  });
}
