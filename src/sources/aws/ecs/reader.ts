/** The reading calls of ECS, in the portions that the API takes. All reject as `Aws.call` does. */

import type { Service, Task } from '@aws-sdk/client-ecs';
import { RunbookdError } from '../../../model/errors.ts';
import type { Aws } from '../calls.ts';
import { accountLabel } from '../errors.ts';

/** DescribeServices takes ten. */
export const SERVICES_A_CALL = 10;
/** DescribeTasks and DescribeContainerInstances take a hundred; lists give a hundred a page. */
export const A_HUNDRED = 100;
/** Pages of a list: more tasks than that are not looked at one by one. */
const MAX_PAGES = 5;

export interface EcsReader {
  /** By name: the service, or why there is none. */
  services(
    cluster: string,
    names: readonly string[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, Service | { readonly missing: string }>>;
  /** One that is there; AWS_NOT_FOUND otherwise. */
  service(cluster: string, name: string, signal: AbortSignal): Promise<Service>;
  /** ARNs of a service's tasks; STOPPED has those that are stopping too. */
  taskArns(
    cluster: string,
    service: string,
    desiredStatus: 'RUNNING' | 'STOPPED',
    signal: AbortSignal,
  ): Promise<readonly string[]>;
  /** Those of the tasks that ECS still knows. */
  tasks(cluster: string, arns: readonly string[], signal: AbortSignal): Promise<readonly Task[]>;
  /** Longest stop timeout of its containers, null when none is set. The rest of the definition is dropped here. */
  stopTimeoutSeconds(version: string, signal: AbortSignal): Promise<number | null>;
}

export function createEcsReader(aws: Aws): EcsReader {
  const services: EcsReader['services'] = async (cluster, names, signal) => {
    const answer = await aws.call('ecs:DescribeServices', { cluster, services: [...names] }, signal);
    const found = new Map<string, Service | { readonly missing: string }>();
    for (const one of answer.services ?? []) {
      if (one.serviceName === undefined) continue;
      const gone = one.status === 'INACTIVE';
      found.set(one.serviceName, gone ? { missing: 'INACTIVE: it was deleted' } : one);
    }
    const reasons = new Map((answer.failures ?? []).map(({ arn, reason }) => [arn?.split('/').at(-1), reason]));
    for (const name of names) {
      if (!found.has(name)) found.set(name, { missing: reasons.get(name) ?? 'MISSING' });
    }
    return found;
  };

  return {
    services,
    async service(cluster, name, signal) {
      const one = (await services(cluster, [name], signal)).get(name);
      if (one === undefined || 'missing' in one) throw noService(aws, cluster, name, one?.missing ?? 'MISSING');
      return one;
    },
    async taskArns(cluster, service, desiredStatus, signal) {
      const arns: string[] = [];
      let nextToken: string | undefined;
      for (let page = 0; page < MAX_PAGES; page += 1) {
        const input = { cluster, serviceName: service, desiredStatus, maxResults: A_HUNDRED };
        const answer = await aws.call(
          'ecs:ListTasks',
          nextToken === undefined ? input : { ...input, nextToken },
          signal,
        );
        arns.push(...(answer.taskArns ?? []));
        nextToken = answer.nextToken;
        if (nextToken === undefined) break;
      }
      return arns;
    },
    async tasks(cluster, arns, signal) {
      const found: Task[] = [];
      for (let at = 0; at < arns.length; at += A_HUNDRED) {
        const tasks = arns.slice(at, at + A_HUNDRED);
        found.push(...((await aws.call('ecs:DescribeTasks', { cluster, tasks }, signal)).tasks ?? []));
      }
      return found;
    },
    async stopTimeoutSeconds(version, signal) {
      const answer = await aws.call('ecs:DescribeTaskDefinition', { taskDefinition: version }, signal);
      const timeouts = (answer.taskDefinition?.containerDefinitions ?? []).flatMap(
        ({ stopTimeout }) => stopTimeout ?? [],
      );
      return timeouts.length === 0 ? null : Math.max(...timeouts);
    },
  };
}

export function noService(aws: Aws, cluster: string, name: string, reason: string): RunbookdError {
  const what = `service ${name} in cluster ${cluster} (${reason})`;
  return new RunbookdError('AWS_NOT_FOUND', [accountLabel(aws.account), 'ecs:DescribeServices', what]);
}
