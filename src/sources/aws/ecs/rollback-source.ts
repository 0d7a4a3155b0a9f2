/**
 * The second source for what became of a failed deployment: the service deployments, asked only while the events do not
 * say. They name revisions of their own kind, so the task definition comes from what was seen of the deployment.
 */

import type { ServiceDeploymentBrief } from '@aws-sdk/client-ecs';
import type { EpochMs } from '../../../model/glossary.ts';
import type { Aws } from '../calls.ts';
import { redactAws } from '../errors.ts';
import { deploymentOf } from './event-kind.ts';
import { type ServiceFacts, timeOf } from './facts.ts';
import type { Rollback } from './rollbacks.ts';

const RECENT_MS = 2 * 60 * 60_000;
/** The two kinds of deployment are created by the same call. */
const SAME_CREATION_MS = 60_000;

export interface Failed {
  readonly deployment: string;
  /** When it was created, or failed where only the event of that is known. */
  readonly at: EpochMs;
}

/** Failed deployments of the last two hours that ECS may be taking back and of which no rollback is known. */
export function unexplainedFailures(
  facts: ServiceFacts,
  rollbacks: readonly Rollback[],
  now: EpochMs,
): readonly Failed[] {
  if (!facts.rollsBack) return [];
  const shown = facts.deployments
    .filter(({ rollout, createdAt }) => rollout === 'failed' && createdAt >= now - RECENT_MS)
    .map(({ id, createdAt }): Failed => ({ deployment: id, at: createdAt }));
  const told = facts.events
    .filter(({ kind, at }) => kind === 'deployment-failed' && at >= now - RECENT_MS)
    .flatMap(({ message, at }): readonly Failed[] => {
      const deployment = deploymentOf(message);
      return deployment === null ? [] : [{ deployment, at }];
    });
  const all = new Map([...told, ...shown].map((one) => [one.deployment, one]));
  for (const { deployment } of rollbacks) all.delete(deployment);
  return [...all.values()];
}

export async function askRollbacks(
  aws: Aws,
  { cluster, service }: { readonly cluster: string; readonly service: string },
  failures: readonly Failed[],
  context: { readonly versions: ReadonlyMap<string, string>; readonly version: string },
  now: EpochMs,
  signal: AbortSignal,
): Promise<readonly Rollback[]> {
  const listed = await aws.call(
    'ecs:ListServiceDeployments',
    { cluster, service, createdAt: { after: new Date(now - 2 * RECENT_MS) }, maxResults: 20 },
    signal,
  );
  const taken = (listed.serviceDeployments ?? []).filter(({ status }) => status?.startsWith('ROLLBACK_') === true);
  const arns = taken.flatMap(({ serviceDeploymentArn }) => serviceDeploymentArn ?? []);
  if (arns.length === 0) return [];
  const described = await aws.call('ecs:DescribeServiceDeployments', { serviceDeploymentArns: arns }, signal);
  return failures.flatMap((failed): readonly Rollback[] => {
    const one = (described.serviceDeployments ?? []).find((each) => isOf(each, failed));
    const startedAt = timeOf(one?.rollback?.startedAt);
    if (one === undefined) return [];
    return [
      {
        deployment: failed.deployment,
        at: startedAt === null ? { earliest: failed.at, latest: now } : { earliest: startedAt, latest: startedAt },
        from: context.versions.get(failed.deployment) ?? failed.deployment,
        to: context.version,
        reason: redactAws(one.rollback?.reason ?? one.statusReason ?? 'deployment failed').replace(/\.$/, ''),
      },
    ];
  });
}

/** Created with it, or under way when it failed. */
function isOf(one: Pick<ServiceDeploymentBrief, 'createdAt' | 'finishedAt'>, failed: Failed): boolean {
  const createdAt = timeOf(one.createdAt);
  if (createdAt === null) return false;
  if (Math.abs(createdAt - failed.at) <= SAME_CREATION_MS) return true;
  return createdAt <= failed.at && failed.at <= (timeOf(one.finishedAt) ?? Number.POSITIVE_INFINITY) + SAME_CREATION_MS;
}
