/** What runs on an ECS cluster, as far as a configuration needs it: services, their target groups, their log groups. */

import type { ContainerDefinition, Service } from '@aws-sdk/client-ecs';
import type { TargetGroup } from '@aws-sdk/client-elastic-load-balancing-v2';
import { AWS_NAMES, readAwsName } from '../config/index.ts';
import type { Aws } from '../sources/aws/calls.ts';
import { failureOf } from '../sources/aws/failure.ts';

export interface FoundService {
  readonly service: string;
  readonly alb: { readonly loadBalancer: string; readonly targetGroup: string } | null;
  /** Path that the load balancer asks for health. */
  readonly healthPath: string | null;
  readonly logs: string | null;
}

/** A look that was refused; what it would have shown is left out of the rest. */
export interface Refused {
  readonly what: string;
  readonly detail: string;
  readonly grant: string | null;
}

export interface Found {
  readonly services: readonly FoundService[];
  /** Services that cannot be watched as they are, with the reason. */
  readonly skipped: readonly { readonly service: string; readonly because: string }[];
  readonly refused: readonly Refused[];
  /** There are more than are listed. */
  readonly more: boolean;
}

/** DescribeServices takes ten; more target groups than twenty make a long request. */
const SERVICES_A_CALL = 10;
const GROUPS_A_CALL = 20;
const MAX_PAGES = 10;

/** Rejects as `Aws.call` does when the services themselves cannot be listed. */
export async function discoverServices(
  aws: Aws,
  cluster: string,
  { taskDefinitions }: { readonly taskDefinitions: boolean },
  signal: AbortSignal,
): Promise<Found> {
  const { arns, more } = await listServices(aws, cluster, signal);
  const services = (
    await Promise.all(
      chunks(arns, SERVICES_A_CALL).map((some) =>
        aws.call('ecs:DescribeServices', { cluster, services: [...some] }, signal),
      ),
    )
  ).flatMap((answer) => answer.services ?? []);
  const refused: Refused[] = [];
  const orRefused = async <T>(what: string, look: () => Promise<T>, instead: T): Promise<T> => {
    try {
      return await look();
    } catch (error) {
      const { detail, grant } = failureOf(error);
      if (!refused.some((one) => one.what === what)) refused.push({ what, detail, grant });
      return instead;
    }
  };
  const groups = await orRefused('load balancers', () => targetGroups(aws, services, signal), new Map());
  const found: FoundService[] = [];
  const skipped: { service: string; because: string }[] = [];
  for (const one of services.sort((a, b) => ((a.serviceName ?? '') < (b.serviceName ?? '') ? -1 : 1))) {
    const name = one.serviceName ?? '';
    if (one.status !== 'ACTIVE') {
      skipped.push({ service: name, because: `it is ${one.status ?? 'not there'}` });
      continue;
    }
    const behind = (one.loadBalancers ?? []).flatMap(({ targetGroupArn = '' }) => groups.get(targetGroupArn) ?? []);
    const alb = behind.map(albOf).find((pair) => pair !== null) ?? null;
    const logs = taskDefinitions ? await orRefused('log groups', () => logGroup(aws, one, signal), null) : null;
    found.push({ service: name, alb, healthPath: healthPath(behind[0]), logs });
  }
  return { services: found, skipped, refused, more };
}

async function listServices(
  aws: Aws,
  cluster: string,
  signal: AbortSignal,
): Promise<{ readonly arns: readonly string[]; readonly more: boolean }> {
  const arns: string[] = [];
  let nextToken: string | undefined;
  for (let page = 0; page < MAX_PAGES; page++) {
    const input = { cluster, maxResults: 100, ...(nextToken === undefined ? {} : { nextToken }) };
    const answer = await aws.call('ecs:ListServices', input, signal);
    arns.push(...(answer.serviceArns ?? []));
    nextToken = answer.nextToken;
    if (nextToken === undefined) return { arns, more: false };
  }
  return { arns, more: true };
}

async function targetGroups(
  aws: Aws,
  services: readonly Service[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, TargetGroup>> {
  const arns = services.flatMap(({ loadBalancers }) =>
    (loadBalancers ?? []).flatMap(({ targetGroupArn }) => (targetGroupArn === undefined ? [] : [targetGroupArn])),
  );
  const answers = await Promise.all(
    chunks([...new Set(arns)], GROUPS_A_CALL).map((some) =>
      aws.call('elasticloadbalancing:DescribeTargetGroups', { TargetGroupArns: [...some] }, signal),
    ),
  );
  const groups = answers.flatMap((answer) => answer.TargetGroups ?? []);
  return new Map(groups.map((group) => [group.TargetGroupArn ?? '', group]));
}

/** Null for groups of Network Load Balancers, which count no requests, and for groups that none uses. */
function albOf(group: TargetGroup): FoundService['alb'] {
  const balancer = (group.LoadBalancerArns ?? []).find((arn) => AWS_NAMES.loadBalancer.pattern.test(arn));
  const arn = group.TargetGroupArn ?? '';
  if (balancer === undefined || !AWS_NAMES.targetGroup.pattern.test(arn)) return null;
  return {
    loadBalancer: readAwsName(AWS_NAMES.loadBalancer, balancer).name,
    targetGroup: readAwsName(AWS_NAMES.targetGroup, arn).name,
  };
}

function healthPath(group: TargetGroup | undefined): string | null {
  const path = group?.HealthCheckPath ?? '';
  return /^\/[A-Za-z0-9._~/-]{0,100}$/.test(path) ? path : null;
}

/** The log group of the container that takes the requests, else of the first essential one. The rest is dropped here. */
async function logGroup(aws: Aws, service: Service, signal: AbortSignal): Promise<string | null> {
  const { taskDefinition } = service;
  if (taskDefinition === undefined) return null;
  const answer = await aws.call('ecs:DescribeTaskDefinition', { taskDefinition }, signal);
  const logged = (answer.taskDefinition?.containerDefinitions ?? []).flatMap((container) => {
    const group = awslogsGroup(container);
    return group === null ? [] : [{ name: container.name, essential: container.essential !== false, group }];
  });
  const front = service.loadBalancers?.[0]?.containerName;
  const best = logged.find(({ name }) => name === front) ?? logged.find(({ essential }) => essential) ?? logged[0];
  return best?.group ?? null;
}

function awslogsGroup({ logConfiguration }: ContainerDefinition): string | null {
  if (logConfiguration?.logDriver !== 'awslogs') return null;
  const group = logConfiguration.options?.['awslogs-group'] ?? '';
  return AWS_NAMES.logGroup.pattern.test(group) ? group : null;
}

function chunks<T>(list: readonly T[], size: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, index) =>
    list.slice(index * size, (index + 1) * size),
  );
}
