/** The answer to `alb.targets`: what the load balancer says of the health of a service's targets, with its reasons. */

import type { TargetGroup, TargetHealthDescription } from '@aws-sdk/client-elastic-load-balancing-v2';
import type { TargetGroupAnswer, TargetHealth } from '../../../model/aws.ts';
import { RunbookdError } from '../../../model/errors.ts';
import type { EpochMs } from '../../../model/glossary.ts';
import type { Aws } from '../calls.ts';
import { accountLabel, redactAws } from '../errors.ts';
import { healthCheckText } from './health-check.ts';

/** How long what seldom changes (ARN, health check, idle timeout) is not asked again. */
const DETAILS_MS = 10 * 60_000;
const MAX_TARGETS = 200;

export interface AlbName {
  /** `targetgroup/name/id` or an ARN. */
  readonly targetGroup: string | null;
  /** `app/name/id` or an ARN. */
  readonly loadBalancer: string | null;
}

export type OnUnseen = (error: unknown) => void;

export interface AlbReader {
  /**
   * Rejects as `Aws.call` does; a health check or idle timeout that may not be read is null.
   *
   * @param known ARNs of the target groups that ECS has for the service
   * @param onUnseen is told why something of the answer is null
   */
  targets(
    name: AlbName,
    known: readonly string[],
    now: EpochMs,
    signal: AbortSignal,
    onUnseen?: OnUnseen,
  ): Promise<TargetGroupAnswer>;
}

interface Details {
  readonly at: EpochMs;
  readonly group: TargetGroup | null;
  readonly idleTimeoutSeconds: number | null;
}

export function createAlbReader(aws: Aws): AlbReader {
  const arns = new Map<string, { readonly at: EpochMs; readonly arn: string }>();
  const details = new Map<string, Details>();

  async function arnOf(
    wanted: string | null,
    known: readonly string[],
    now: EpochMs,
    signal: AbortSignal,
  ): Promise<string> {
    if (wanted === null) {
      const first = known[0];
      if (first === undefined) throw notFound('the service has no target group');
      return first;
    }
    if (wanted.startsWith('arn:')) return wanted;
    const end = wanted.startsWith('targetgroup/') ? wanted : `targetgroup/${wanted}`;
    const ofService = known.find((arn) => arn.endsWith(`:${end}`));
    if (ofService !== undefined) return ofService;
    const cached = arns.get(end);
    if (cached !== undefined && now - cached.at < DETAILS_MS && now >= cached.at) return cached.arn;
    const name = end.split('/')[1] ?? end;
    const answer = await aws.call('elasticloadbalancing:DescribeTargetGroups', { Names: [name] }, signal);
    const arn = answer.TargetGroups?.find(({ TargetGroupArn }) => TargetGroupArn?.endsWith(`:${end}`))?.TargetGroupArn;
    if (arn === undefined) throw notFound(`no target group ends with ${end}`);
    arns.set(end, { at: now, arn });
    return arn;
  }

  function notFound(what: string): RunbookdError {
    const action = 'elasticloadbalancing:DescribeTargetGroups';
    return new RunbookdError('AWS_NOT_FOUND', [accountLabel(aws.account), action, what]);
  }

  /** What makes the answer richer and may be missing from it; an abort is passed on. */
  async function orNull<T>(asked: Promise<T>, signal: AbortSignal, onUnseen: OnUnseen): Promise<T | null> {
    try {
      return await asked;
    } catch (error) {
      if (signal.aborted) throw error;
      onUnseen(error);
      return null;
    }
  }

  async function detailsOf(
    arn: string,
    loadBalancer: string | null,
    now: EpochMs,
    signal: AbortSignal,
    onUnseen: OnUnseen,
  ): Promise<Details> {
    const cached = details.get(arn);
    if (cached !== undefined && now - cached.at < DETAILS_MS && now >= cached.at) return cached;
    const answer = await orNull(
      aws.call('elasticloadbalancing:DescribeTargetGroups', { TargetGroupArns: [arn] }, signal),
      signal,
      onUnseen,
    );
    const group = answer?.TargetGroups?.[0] ?? null;
    const balancer = loadBalancerArn(arn, loadBalancer, group?.LoadBalancerArns ?? []);
    const attributes =
      balancer === null
        ? null
        : await orNull(
            aws.call('elasticloadbalancing:DescribeLoadBalancerAttributes', { LoadBalancerArn: balancer }, signal),
            signal,
            onUnseen,
          );
    const idle = attributes?.Attributes?.find(({ Key }) => Key === 'idle_timeout.timeout_seconds')?.Value;
    const found = { at: now, group, idleTimeoutSeconds: /^\d{1,4}$/.test(idle ?? '') ? Number(idle) : null };
    // One that could not be had is asked for again with the next question.
    if (group !== null && attributes !== null) details.set(arn, found);
    return found;
  }

  return {
    async targets({ targetGroup, loadBalancer }, known, now, signal, onUnseen = () => undefined) {
      const arn = await arnOf(targetGroup, known, now, signal);
      const [health, { group, idleTimeoutSeconds }] = await Promise.all([
        aws.call('elasticloadbalancing:DescribeTargetHealth', { TargetGroupArn: arn }, signal),
        detailsOf(arn, loadBalancer, now, signal, onUnseen),
      ]);
      const described = health.TargetHealthDescriptions ?? [];
      const targets = described.map(targetHealth);
      return {
        at: now,
        targetGroup: arn.slice(arn.lastIndexOf(':') + 1),
        targetGroupArn: arn,
        targets: targets.toSorted(worstFirst).slice(0, MAX_TARGETS),
        healthy: targets.filter(({ state }) => state === 'healthy').length,
        unhealthy: targets.filter(({ state }) => state === 'unhealthy').length,
        healthCheck: group === null ? null : healthCheckText(group, checkedPort(described)),
        idleTimeoutSeconds,
      };
    },
  };
}

/** The configured one, else the only one that the target group hangs on. */
function loadBalancerArn(targetGroupArn: string, wanted: string | null, attached: readonly string[]): string | null {
  if (wanted === null) return attached.length === 1 ? (attached[0] ?? null) : null;
  if (wanted.startsWith('arn:')) return wanted;
  const end = wanted.replace(/^loadbalancer\//, '');
  // Both are of the same account and region, so that the rest of the ARN is known.
  const prefix = targetGroupArn.slice(0, targetGroupArn.lastIndexOf(':'));
  return attached.find((arn) => arn.endsWith(`/${end}`)) ?? `${prefix}:loadbalancer/${end}`;
}

const STATES: ReadonlySet<string> = new Set(['healthy', 'unhealthy', 'initial', 'draining', 'unused', 'unavailable']);

function targetHealth({ Target, TargetHealth: health }: TargetHealthDescription): TargetHealth {
  const state = health?.State?.replace('unhealthy.draining', 'draining') ?? 'unavailable';
  return {
    id: Target?.Id ?? '',
    zone: Target?.AvailabilityZone ?? null,
    state: STATES.has(state) ? (state as TargetHealth['state']) : 'unavailable',
    reason: health?.Reason ?? null,
    description: health?.Description === undefined ? null : redactAws(health.Description),
  };
}

function worstFirst(a: TargetHealth, b: TargetHealth): number {
  const order = (one: TargetHealth): number => (one.state === 'unhealthy' ? 0 : one.state === 'healthy' ? 2 : 1);
  return order(a) - order(b) || (a.id < b.id ? -1 : 1);
}

function checkedPort(described: readonly TargetHealthDescription[]): string | null {
  const ports = new Set(described.flatMap(({ HealthCheckPort }) => HealthCheckPort ?? []));
  return ports.size === 1 ? ([...ports][0] ?? null) : null;
}
