/**
 * Which revisions served, and when. ECS shows only the deployments that still have tasks, so it is told from those that
 * were seen; what had been there before, from its tasks. Pure.
 */

import type { EcsServiceAnswer } from '../../../model/aws.ts';
import type { EpochMs } from '../../../model/glossary.ts';
import type { SeenDeployment } from './deployments.ts';
import { primaryOf, type ServiceFacts } from './facts.ts';
import type { ServiceMemory } from './memory.ts';
import type { Rollback } from './rollbacks.ts';
import { isCrash } from './stop-kind.ts';

export type ServedVersion = EcsServiceAnswer['versions'][number];

type Memory = Pick<ServiceMemory, 'deployments' | 'stopped' | 'tasks'>;

/** A deployment takes no longer as a rule: one that was created longer ago had served before it was first seen. */
const LONG_MS = 60 * 60_000;

/** Newest first. Deployments that never completed served nobody alone, and are left out. */
export function servedVersions(
  memory: Memory,
  facts: Pick<ServiceFacts, 'deployments'>,
  rollbacks: readonly Rollback[],
): readonly ServedVersion[] {
  const primary = primaryOf(facts)?.id ?? null;
  const seen = memory.deployments.toSorted((a, b) => b.createdAt - a.createdAt);
  const served = seen.flatMap((one, index): readonly ServedVersion[] => {
    if (one.completedAt === null) return [];
    const servedUntil = one.id === primary ? null : (seen[index - 1]?.createdAt ?? null);
    const isTaken = ({ deployment, from, at }: Rollback): boolean =>
      deployment === one.id ||
      (from === one.version && at.latest >= one.createdAt && at.earliest <= (servedUntil ?? Number.POSITIVE_INFINITY));
    return [
      {
        version: one.version,
        completedAt: one.completedAt.latest,
        servedFrom: servedFrom(one, memory),
        servedUntil,
        failed: rollbacks.some(isTaken),
      },
    ];
  });
  return [...served, ...fromTasks(memory)];
}

/** When it was seen completed, or when its first task started where that was seen late. */
function servedFrom({ id, createdAt, completedAt }: SeenDeployment, { tasks, stopped }: Memory): EpochMs | null {
  if (completedAt === null || completedAt.earliest === completedAt.latest) return completedAt?.latest ?? null;
  const starts = [...tasks, ...stopped.filter((task) => !isCrash(task))].flatMap(({ deployment, startedAt }) =>
    deployment === id && startedAt !== null ? [startedAt] : [],
  );
  if (starts.length > 0) return Math.min(completedAt.latest, Math.max(completedAt.earliest, Math.min(...starts)));
  const isOld = completedAt.earliest === createdAt && completedAt.latest - createdAt >= LONG_MS;
  return isOld ? null : completedAt.latest;
}

/** Revisions of tasks that were replaced before any deployment of theirs was seen. */
function fromTasks({ deployments, stopped }: Memory): readonly ServedVersion[] {
  const known = new Set(deployments.map(({ version }) => version));
  const replaced = Map.groupBy(
    stopped.filter((task) => !known.has(task.version) && !isCrash(task) && task.startedAt !== null),
    (task) => task.version,
  );
  return [...replaced]
    .map(([version, tasks]) => ({
      version,
      completedAt: null,
      servedFrom: Math.min(...tasks.map(({ startedAt, stoppedAt }) => startedAt ?? stoppedAt)),
      servedUntil: Math.max(...tasks.map(({ stoppedAt }) => stoppedAt)),
      failed: false,
    }))
    .toSorted((a, b) => b.servedUntil - a.servedUntil);
}
