/** Deployments that ECS took back by itself, because the circuit breaker or an alarm said so. Pure. */

import type { EcsDeployment, EcsServiceAnswer } from '../../../model/aws.ts';
import type { EpochMs, Interval } from '../../../model/glossary.ts';
import { exactly, ROLLING, type SeenDeployment } from './deployments.ts';
import { deploymentOf } from './event-kind.ts';
import { primaryOf, type ServiceFacts } from './facts.ts';

export type Rollback = NonNullable<EcsServiceAnswer['rolledBack']> & {
  /** The deployment that was taken back. */
  readonly deployment: string;
};

const KEPT_MS = 24 * 60 * 60_000;
/** Between "deployment failed" and "rolling back" there are milliseconds; more for a slow alarm. */
const SAME_FAILURE_MS = 5 * 60_000;

/**
 * Deployments that ECS took back: its event "rolling back to deployment" after "deployment failed", or a failed
 * deployment beside a wanted one that says so or that brings back a revision that had been completed. Oldest first; known
 * ones are kept, and completed when their revision becomes known.
 */
export function noteRollbacks(
  known: readonly Rollback[],
  facts: ServiceFacts,
  context: {
    readonly seen: readonly SeenDeployment[];
    /** By deployment. */
    readonly versions: ReadonlyMap<string, string>;
    readonly before: EpochMs | null;
  },
  now: EpochMs,
): readonly Rollback[] {
  const primary = primaryOf(facts);
  const found = [...fromEvents(), ...fromDeployments()];
  const all = new Map(known.filter(({ at }) => at.latest >= now - KEPT_MS).map((one) => [one.deployment, one]));
  for (const one of found) {
    const old = all.get(one.deployment);
    // While only the deployment is known its id stands for the revision, and is replaced by it.
    if (old === undefined || old.from === old.deployment)
      all.set(one.deployment, old === undefined ? one : { ...old, from: one.from });
  }
  return [...all.values()].toSorted((a, b) => a.at.latest - b.at.latest);

  function fromEvents(): readonly Rollback[] {
    return facts.events
      .filter(({ kind, at }) => kind === 'rollback' && at >= now - KEPT_MS)
      .flatMap(({ at, message }): readonly Rollback[] => {
        const target = deploymentOf(message);
        const failure = facts.events.find(
          (one) => one.kind === 'deployment-failed' && one.at <= at + 1000 && one.at >= at - SAME_FAILURE_MS,
        );
        const failed =
          (failure === undefined ? null : deploymentOf(failure.message)) ??
          facts.deployments.find((one) => one.rollout === 'failed' && one.id !== target)?.id ??
          null;
        if (failed === null) return [];
        return [
          rollback(failed, target, exactly(at), /deployment failed:\s*(.*?)\.?$/i.exec(failure?.message ?? '')?.[1]),
        ];
      });
  }

  function fromDeployments(): readonly Rollback[] {
    if (primary === undefined) return [];
    const says = ROLLING.test(primary.rolloutReason ?? '');
    const brought = (failed: EcsDeployment): boolean =>
      context.seen.some(
        (one) => one.version === primary.version && one.completedAt !== null && one.createdAt < failed.createdAt,
      );
    return facts.deployments
      .filter(({ id, rollout, version }) => rollout === 'failed' && id !== primary.id && version !== primary.version)
      .filter((failed) => says || (facts.rollsBack && brought(failed)))
      .map((failed) => {
        const fresh = primary.createdAt > failed.createdAt;
        const at = fresh ? exactly(primary.createdAt) : { earliest: context.before ?? failed.createdAt, latest: now };
        return rollback(failed.id, primary.id, at, undefined);
      });
  }

  function rollback(failed: string, target: string | null, at: Interval, reason: string | undefined): Rollback {
    const of = facts.deployments.find(({ id }) => id === failed);
    return {
      deployment: failed,
      at,
      from: context.versions.get(failed) ?? failed,
      to: (target === null ? undefined : context.versions.get(target)) ?? facts.version,
      reason: (reason === '' ? undefined : reason) ?? of?.rolloutReason?.replace(/\.$/, '') ?? 'deployment failed',
    };
  }
}

/** With those that were taken back before ECS was first looked at, so that these are told too, once. */
export function withRollbacks(
  seen: readonly SeenDeployment[],
  rollbacks: readonly Rollback[],
): readonly SeenDeployment[] {
  const unseen = rollbacks.filter(({ deployment }) => !seen.some(({ id }) => id === deployment));
  if (unseen.length === 0) return seen;
  const added = unseen.map(
    ({ deployment, at, from, to, reason }): SeenDeployment => ({
      id: deployment,
      version: from,
      previous: to,
      createdAt: at.earliest,
      progressSince: null,
      completedAt: null,
      failedAt: at,
      reason,
      rollback: false,
      told: ['started', 'failed'],
    }),
  );
  return [...seen, ...added].toSorted((a, b) => a.createdAt - b.createdAt);
}
