/**
 * The life of deployments: *started* → *completed*, or *failed*, or *failed* and *rolled back* by the circuit breaker or
 * an alarm. ECS shows only the deployments that still have tasks, so what was seen is kept. Pure.
 */

import type { EcsDeployment } from '../../../model/aws.ts';
import type { EpochMs, Interval } from '../../../model/glossary.ts';
import { deploymentOf } from './event-kind.ts';
import { inProgress, rolloutOf, type ServiceFacts } from './facts.ts';
import type { KeptStop } from './task-facts.ts';

export type Told = 'started' | 'completed' | 'failed' | 'rolled_back';

export interface SeenDeployment {
  readonly id: string;
  readonly version: string;
  /** What was wanted before it. */
  readonly previous: string | null;
  readonly createdAt: EpochMs;
  /** Since when it has been in progress; null when it is not. A rollback may bring an old deployment back. */
  readonly progressSince: EpochMs | null;
  readonly completedAt: Interval | null;
  readonly failedAt: Interval | null;
  readonly reason: string | null;
  /** It was ECS that started it, to take another one back. */
  readonly rollback: boolean;
  readonly told: readonly Told[];
}

const MAX_DEPLOYMENTS = 50;
/** Between "rolling back" and the deployment that does it. */
const ROLLBACK_START_MS = 10_000;

export const exactly = (at: EpochMs): Interval => ({ earliest: at, latest: at });
export const ROLLING = /rolling back/i;

/** Takes this look into what was seen. `before`: the last look; null at the first. */
export function noteDeployments(
  seen: readonly SeenDeployment[],
  facts: ServiceFacts,
  context: {
    readonly before: EpochMs | null;
    readonly primary: string | null;
    /** Newest first. */
    readonly stopped: readonly KeptStop[];
  },
  now: EpochMs,
): readonly SeenDeployment[] {
  const known = new Map(seen.map((one) => [one.id, one]));
  for (const deployment of facts.deployments.toReversed()) {
    const old = known.get(deployment.id);
    const rollout = rolloutOf(deployment, facts);
    const event = (kind: 'deployment-completed' | 'deployment-failed'): EpochMs | null =>
      facts.events.find((one) => one.kind === kind && deploymentOf(one.message) === deployment.id)?.at ?? null;
    const turned = (state: typeof rollout, at: EpochMs | null, had: Interval | null | undefined): Interval | null => {
      if (rollout !== state) return had ?? null;
      // Completed again after it was brought back is not news.
      if (had != null) return had;
      if (at !== null) return exactly(at);
      if (old !== undefined && context.before !== null) return { earliest: context.before, latest: now };
      return {
        earliest: deployment.createdAt,
        latest: Math.min(now, Math.max(deployment.createdAt, deployment.updatedAt)),
      };
    };
    const progresses = inProgress(facts)?.id === deployment.id;
    known.set(deployment.id, {
      id: deployment.id,
      version: deployment.version,
      previous: old === undefined ? previousOf(deployment, facts, seen, context) : old.previous,
      createdAt: deployment.createdAt,
      progressSince: progresses ? (old === undefined ? begunAt(deployment, facts) : (old.progressSince ?? now)) : null,
      completedAt: turned('completed', event('deployment-completed'), old?.completedAt),
      failedAt: turned('failed', event('deployment-failed'), old?.failedAt),
      reason: deployment.rollout === 'failed' ? deployment.rolloutReason : (old?.reason ?? null),
      rollback:
        old?.rollback === true || ROLLING.test(deployment.rolloutReason ?? '') || startedByRollback(deployment, facts),
      told: old?.told ?? [],
    });
  }
  return [...known.values()].toSorted((a, b) => a.createdAt - b.createdAt).slice(-MAX_DEPLOYMENTS);
}

/** A rollback may bring an old deployment back, which has not been in progress since it was created. */
function begunAt({ createdAt, updatedAt, rolloutReason }: EcsDeployment, facts: ServiceFacts): EpochMs {
  if (!ROLLING.test(rolloutReason ?? '')) return createdAt;
  return Math.max(createdAt, facts.events.find(({ kind }) => kind === 'rollback')?.at ?? updatedAt);
}

/** ECS forgets the reason when the rollback completes; its event stays. */
function startedByRollback({ createdAt }: EcsDeployment, facts: ServiceFacts): boolean {
  return facts.events.some(({ kind, at }) => kind === 'rollback' && Math.abs(at - createdAt) <= ROLLBACK_START_MS);
}

function previousOf(
  deployment: EcsDeployment,
  facts: ServiceFacts,
  seen: readonly SeenDeployment[],
  context: { readonly primary: string | null; readonly stopped: readonly KeptStop[] },
): string | null {
  const older = (all: readonly { readonly id: string; readonly version: string; readonly createdAt: EpochMs }[]) =>
    all
      .filter(({ id, createdAt }) => id !== deployment.id && createdAt < deployment.createdAt)
      .toSorted((a, b) => b.createdAt - a.createdAt)[0]?.version;
  const wanted = seen.find(({ id }) => id === context.primary && id !== deployment.id);
  const replaced = context.stopped.find(
    (task) => task.startedAt !== null && task.startedAt < deployment.createdAt && task.deployment !== deployment.id,
  );
  return (
    (wanted !== undefined && wanted.createdAt < deployment.createdAt ? wanted.version : undefined) ??
    older(facts.deployments) ??
    older(seen) ??
    replaced?.version ??
    null
  );
}
