/**
 * What to go back to: not the revision before, which may be as bad as the one that is out now, but the one that served
 * when all was well.
 */

import type { Change, EcsServiceAnswer, EpochMs, Interval, SlotValues } from '../../model/index.ts';
import { safeName } from '../format.ts';

type ServedVersion = EcsServiceAnswer['versions'][number];

/** A revision must have served for so long, and that before it began. */
const PROVEN_MS = 10 * 60_000;

function wasProven({ failed, servedFrom, servedUntil }: ServedVersion, onset: Interval): boolean {
  const from = servedFrom ?? Number.NEGATIVE_INFINITY;
  return (
    !failed &&
    onset.earliest - from >= PROVEN_MS &&
    (servedUntil === null || servedFrom === null || servedUntil - servedFrom >= PROVEN_MS)
  );
}

/**
 * The newest revision that served for ten minutes before it began, and was not taken back; null when none is known. Where
 * the wanted revision did so itself, as with a leak that takes hours, the one before it. It is the wanted revision where
 * that was only brought out anew, or is back already: then there is nothing to go back to.
 */
export function healthyVersionBefore(
  { version, versions }: Pick<EcsServiceAnswer, 'version' | 'versions'>,
  onset: Interval,
): string | null {
  const [newest] = versions;
  const isOld = newest !== undefined && newest.version === version && wasProven(newest, onset);
  const first = isOld ? versions.findIndex((one) => one.version !== version) : 0;
  const found = versions.find(
    (one, index) => first >= 0 && index >= first && wasProven(one, onset) && !wasLeft(versions, index),
  );
  return found === undefined || (isOld && found.version === version) ? null : found.version;
}

/** Somebody went from it back to one that had been there before it. */
function wasLeft(versions: readonly ServedVersion[], index: number): boolean {
  const next = versions[index - 1]?.version;
  return next !== versions[index]?.version && versions.slice(index + 1).some(({ version }) => version === next);
}

/** For the command that goes back: only where there is something else to go back to, and ECS would do it. */
export function previousVersionSlots(
  ecs: Pick<EcsServiceAnswer, 'version' | 'versions' | 'controller'>,
  onset: Interval,
): SlotValues {
  const previous = healthyVersionBefore(ecs, onset);
  return previous === null || previous === ecs.version || ecs.controller !== 'ecs' ? {} : { previousVersion: previous };
}

/** For the command that restarts: UpdateService refuses it where ECS does not deploy by itself. */
export function restartSlots({ controller }: Pick<EcsServiceAnswer, 'controller'>): SlotValues {
  return controller === 'ecs' ? { forceNewDeployment: 'force-new-deployment' } : {};
}

/** `; api:511 served well before it`, and who else has to bring it out. For the end of a line. */
export function previousText(
  ecs: Pick<EcsServiceAnswer, 'version' | 'versions' | 'controller'>,
  onset: Interval,
): string {
  const previous = healthyVersionBefore(ecs, onset);
  const before = previous === null ? '' : `; ${safeName(previous, 60)} ran healthy before`;
  if (ecs.controller === 'code-deploy') return `${before}; deployed by CodeDeploy: roll back there`;
  return ecs.controller === 'external' ? `${before}; deployed by another controller than ECS: roll back there` : before;
}

/**
 * The same where only changes tell: what the deployment replaced, or what that one replaced when it had come less than
 * ten minutes before it began.
 *
 * @param suspect of `changes`
 */
export function previousByChanges(suspect: Change, changes: readonly Change[], onset: Interval): string | null {
  const tooLate: EpochMs = onset.earliest - PROVEN_MS;
  const visited = new Set<string>();
  let previous = suspect.deployment?.previous ?? null;
  while (previous !== null && !visited.has(previous)) {
    visited.add(previous);
    const wanted = previous;
    const broughtOut = changes.findLast(
      ({ kind, target, at, deployment }) =>
        kind === 'deployment' &&
        target === suspect.target &&
        deployment?.version === wanted &&
        at.latest <= suspect.at.latest,
    );
    if (broughtOut === undefined || broughtOut.at.latest <= tooLate) return previous;
    previous = broughtOut.deployment?.previous ?? null;
  }
  return null;
}
