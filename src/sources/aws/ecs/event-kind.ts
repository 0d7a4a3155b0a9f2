/**
 * What a service event of ECS says. DescribeServices gives events as texts only; the texts are those of the developer
 * guide ("Amazon ECS service event messages") and of real services, which put the name in other places.
 */

import type { EcsCapacityAnswer, EcsEventKind } from '../../../model/aws.ts';

type Lacks = EcsCapacityAnswer['placementFailures'][number]['lacks'];

const KINDS: readonly (readonly [EcsEventKind, RegExp])[] = [
  ['rollback', /rolling back to (deployment|service revision)/i],
  ['deployment-failed', /deployment failed/i],
  ['deployment-completed', /\bdeployment completed/i],
  ['deployment-started', /\bdeployment (in progress|started)|started a (new )?deployment/i],
  ['steady', /has reached a steady state/i],
  ['start-impaired', /unable to consistently start tasks/i],
  ['throttled', /operations are being throttled/i],
  [
    'configuration-failure',
    /service deployment configuration|unable to assume (the )?role|IAM (permissions|trust)|failed to register targets|TARGET GROUP IS NOT FOUND|task definition is inactive|UnauthorizedOperation/i,
  ],
  ['unhealthy', /is unhealthy in|is not healthy in|failed .*health checks|due to an unhealthy status/i],
];

const PLACEMENT =
  /unable to place (a )?tasks?|could not launch|no container instances? (were|was) found|waiting for Amazon ECS Agent to start/i;
/** What stands behind "unable to place a task. Reason:" although a place was found. */
const START = /CannotPull|CannotStart|CannotCreate|ContainerRuntime|ResourceInitializationError/i;
/** Managed instances: no instance could be had, told as an error of the task's start. */
const LAUNCH = /unable to launch instance/i;

export function eventKindOf(message: string): EcsEventKind {
  const known = KINDS.find(([, pattern]) => pattern.test(message))?.[0];
  if (known !== undefined) return known;
  if (!PLACEMENT.test(message)) return 'other';
  return START.test(message) && !LAUNCH.test(message) ? 'start-impaired' : 'placement-failure';
}

/** Quotas first: their texts name CPU and memory too. */
const LACKS: readonly (readonly [Lacks, RegExp])[] = [
  ['quota', /reached the limit|above your limit|quota|LimitExceeded|capacity limit was exceeded/i],
  ['fargate-capacity', /capacity is unavailable at this time/i],
  ['network-interfaces', /RESOURCE:ENI|\bENI\b|network interfaces?/i],
  ['ports', /RESOURCE:PORTS|using a port|\bports?\b.*(registered|required|unavailable)/i],
  ['cpu', /RESOURCE:CPU|insufficient CPU|CPU units/i],
  ['memory', /RESOURCE:MEMORY|insufficient memory/i],
  [
    'instances',
    /no container instances? (were|was) found|have the agent connected|error "AGENT"|:? ?AGENT\.?$|ECS Agent to start|unable to launch instance|InsufficientInstanceCapacity|UnfulfillableCapacity/i,
  ],
];

/** What the cluster was short of, of an event of kind `placement-failure`. */
export function lacksOf(message: string): Lacks {
  return LACKS.find(([, pattern]) => pattern.test(message))?.[0] ?? 'other';
}

/** `ecs-svc/123` that an event is about. */
export function deploymentOf(message: string): string | null {
  return /\becs-svc\/\d+/.exec(message)?.[0] ?? null;
}
