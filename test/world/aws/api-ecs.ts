/** ECS: the calls, their limits and their pages, as the API reference describes them. */

import type { ClusterModel } from './cluster-model.ts';
import { arn, CONTAINER, definition, ecsViews, isPending, isRunning, lastPart, shown } from './ecs-views.ts';
import { ACCOUNT, type Fleet } from './fleet.ts';
import { page } from './paging.ts';
import { ApiError, type Call } from './protocol.ts';
import type { ServiceModel } from './service-model.ts';

type Input = Call['input'];

export interface EcsApi {
  readonly [operation: string]: (call: Call, now: number) => unknown;
}

const bad = (message: string): ApiError => new ApiError('InvalidParameterException', message);

export function ecsApi(fleet: Fleet): EcsApi {
  const views = ecsViews(fleet);

  function clusterOf(input: Input): ClusterModel {
    const name = lastPart(String(input['cluster'] ?? 'default'));
    const cluster = fleet.clusters.get(name);
    if (cluster === undefined) throw new ApiError('ClusterNotFoundException', 'Cluster not found.');
    return cluster;
  }
  function strings(input: Input, key: string, most: number, required = true): readonly string[] {
    const value = input[key] ?? [];
    if (!Array.isArray(value) || value.some((item) => typeof item !== 'string'))
      throw bad(`${key} must be a list of texts`);
    if (required && value.length === 0) throw bad(`${key[0]!.toUpperCase()}${key.slice(1)} cannot be empty.`);
    if (value.length > most) throw bad(`${key} can have at most ${most} items: ${value.length}`);
    return value as readonly string[];
  }
  function sizeOf(input: Input, usual: number, most = 100): number {
    const size = input['maxResults'] ?? usual;
    if (typeof size !== 'number' || size < 1 || size > most)
      throw bad(`maxResults must be between 1 and ${most}: ${String(size)}`);
    return size;
  }
  const paged = (
    values: readonly string[],
    size: number,
    input: Input,
  ): { values: readonly string[]; next: string | undefined } => {
    const { nextToken, ...request } = input;
    return page(values, size, request, nextToken as string | undefined, () => bad('Invalid token.'));
  };
  const servicesIn = (cluster: ClusterModel): ServiceModel[] =>
    [...fleet.services.values()].filter(({ facts }) => facts.cluster === cluster.facts.cluster);
  function serviceOf(cluster: ClusterModel, name: string): ServiceModel | undefined {
    if (name.startsWith('arn:') && !name.includes(`/${cluster.facts.cluster}/`)) return undefined;
    return fleet.serviceByEcs(cluster.facts.cluster, lastPart(name));
  }

  return {
    DescribeServices: ({ input, region }, now) => {
      const cluster = clusterOf(input);
      const names = strings(input, 'services', 10);
      const services: unknown[] = [];
      const failures: unknown[] = [];
      for (const name of names) {
        const model = serviceOf(cluster, name);
        if (model !== undefined) services.push(views.service(region, model, now));
        else {
          const missing = name.startsWith('arn:') ? name : arn(region, `service/${cluster.facts.cluster}/${name}`);
          failures.push({ arn: missing, reason: 'MISSING' });
        }
      }
      return { services, failures };
    },
    ListServices: ({ input, region }) => {
      const cluster = clusterOf(input);
      const arns = servicesIn(cluster).map(({ facts }) => arn(region, `service/${facts.cluster}/${facts.ecsService}`));
      const { values, next } = paged(arns, sizeOf(input, 10), input);
      return { serviceArns: values, nextToken: next };
    },
    ListTasks: ({ input, region }, now) => {
      const cluster = clusterOf(input);
      const status = input['desiredStatus'] ?? 'RUNNING';
      if (status !== 'RUNNING' && status !== 'STOPPED' && status !== 'PENDING')
        throw bad(`desiredStatus ${String(status)} is not valid`);
      let models = servicesIn(cluster);
      if (typeof input['serviceName'] === 'string') {
        const model = serviceOf(cluster, input['serviceName']);
        if (model === undefined) throw new ApiError('ServiceNotFoundException', 'Service not found.');
        models = [model];
      }
      if (typeof input['family'] === 'string') models = models.filter(({ facts }) => facts.family === input['family']);
      const found = models.flatMap((model) =>
        shown(model, now)
          // The desired status PENDING is accepted and finds nothing, as documented.
          .filter((task) => status !== 'PENDING' && task.stoppingAt <= now === (status === 'STOPPED'))
          .map(({ id }) => arn(region, `task/${cluster.facts.cluster}/${id}`)),
      );
      const { values, next } = paged(found, sizeOf(input, 100), input);
      return { taskArns: values, nextToken: next };
    },
    DescribeTasks: ({ input, region }, now) => {
      const cluster = clusterOf(input);
      const tasks: unknown[] = [];
      const failures: unknown[] = [];
      const all = new Map(
        servicesIn(cluster).flatMap((model) => shown(model, now).map((task) => [task.id, { model, task }] as const)),
      );
      for (const name of strings(input, 'tasks', 100)) {
        const found = all.get(lastPart(name));
        if (found !== undefined) tasks.push(views.task(region, found.model, found.task, now));
        else {
          const missing = name.startsWith('arn:') ? name : arn(region, `task/${cluster.facts.cluster}/${name}`);
          failures.push({ arn: missing, reason: 'MISSING' });
        }
      }
      return { tasks, failures };
    },
    DescribeClusters: ({ input, region }, now) => {
      const names = strings(input, 'clusters', 100, false);
      const include = strings(input, 'include', 10, false);
      const clusters: unknown[] = [];
      const failures: unknown[] = [];
      for (const name of names.length === 0 ? ['default'] : names) {
        const cluster = fleet.clusters.get(lastPart(name));
        if (cluster === undefined) {
          failures.push({ arn: name.startsWith('arn:') ? name : arn(region, `cluster/${name}`), reason: 'MISSING' });
          continue;
        }
        const models = servicesIn(cluster);
        const tasks = models.flatMap((model) => shown(model, now));
        const gone = cluster.capacityAt(now)?.lacks === 'instances';
        clusters.push({
          clusterArn: arn(region, `cluster/${cluster.facts.cluster}`),
          clusterName: cluster.facts.cluster,
          status: 'ACTIVE',
          registeredContainerInstancesCount: gone ? 0 : cluster.facts.instances,
          runningTasksCount: tasks.filter((task) => isRunning(task, now)).length,
          pendingTasksCount: tasks.filter((task) => isPending(task, now)).length,
          activeServicesCount: models.length,
          statistics: [],
          tags: [],
          settings: include.includes('SETTINGS')
            ? [{ name: 'containerInsights', value: cluster.facts.containerInsights }]
            : [],
          capacityProviders: cluster.facts.launchType === 'FARGATE' ? ['FARGATE', 'FARGATE_SPOT'] : [],
          defaultCapacityProviderStrategy: [],
        });
      }
      return { clusters, failures };
    },
    ListContainerInstances: ({ input, region }, now) => {
      const cluster = clusterOf(input);
      const gone = cluster.capacityAt(now)?.lacks === 'instances';
      const draining = cluster.capacityAt(now)?.draining ?? 0;
      const wanted = input['status'];
      const arns = (gone ? [] : cluster.facts.instanceIds)
        .map((_, index) => index)
        .filter((index) => wanted === undefined || wanted === (index < draining ? 'DRAINING' : 'ACTIVE'))
        .map((index) => views.instanceArn(region, cluster, index));
      const { values, next } = paged(arns, sizeOf(input, 100), input);
      return { containerInstanceArns: values, nextToken: next };
    },
    DescribeContainerInstances: ({ input, region }, now) => {
      const cluster = clusterOf(input);
      const capacity = cluster.capacityAt(now);
      const known = new Map(
        cluster.facts.instanceIds.map(
          (_, index) => [lastPart(views.instanceArn(region, cluster, index)), index] as const,
        ),
      );
      const containerInstances: unknown[] = [];
      const failures: unknown[] = [];
      for (const name of strings(input, 'containerInstances', 100)) {
        const index = known.get(lastPart(name));
        if (index === undefined || capacity?.lacks === 'instances') {
          failures.push({ arn: name, reason: 'MISSING' });
          continue;
        }
        containerInstances.push(views.instance(region, cluster, index, now));
      }
      return { containerInstances, failures };
    },
    ListServiceDeployments: ({ input, region }, now) => {
      const cluster = clusterOf(input);
      const model = serviceOf(cluster, String(input['service'] ?? ''));
      if (model === undefined) throw new ApiError('ServiceNotFoundException', 'Service not found.');
      const status = strings(input, 'status', 10, false);
      const created = (input['createdAt'] ?? {}) as { readonly before?: number; readonly after?: number };
      const found = views
        .serviceDeployments(region, model, now)
        .filter(
          (deployment) =>
            (status.length === 0 || status.includes(deployment.state)) &&
            deployment.createdAt > (created.after ?? 0) * 1_000 &&
            deployment.createdAt < (created.before ?? Number.POSITIVE_INFINITY) * 1_000,
        );
      const byArn = new Map(found.map(({ arn: id, full }) => [id, full]));
      const { values, next } = paged([...byArn.keys()], sizeOf(input, 20), input);
      return {
        serviceDeployments: values.map((id) => {
          const {
            serviceDeploymentArn,
            serviceArn,
            clusterArn,
            startedAt,
            createdAt,
            finishedAt,
            status: state,
            targetServiceRevision,
          } = byArn.get(id)! as Readonly<Record<string, unknown>> & { targetServiceRevision: { arn: string } };
          return {
            serviceDeploymentArn,
            serviceArn,
            clusterArn,
            startedAt,
            createdAt,
            finishedAt,
            status: state,
            targetServiceRevisionArn: targetServiceRevision.arn,
          };
        }),
        nextToken: next,
      };
    },
    DescribeServiceDeployments: ({ input, region }, now) => {
      const arns = strings(input, 'serviceDeploymentArns', 20);
      const known = new Map(
        [...fleet.services.values()].flatMap((model) =>
          views.serviceDeployments(region, model, now).map(({ arn: id, full }) => [id, full] as const),
        ),
      );
      return {
        serviceDeployments: arns.flatMap((id) => known.get(id) ?? []),
        failures: arns.filter((id) => !known.has(id)).map((id) => ({ arn: id, reason: 'MISSING' })),
      };
    },
    DescribeTaskDefinition: ({ input, region }, now) => {
      const name = lastPart(String(input['taskDefinition'] ?? ''));
      const [family, given] = name.split(':');
      const model = [...fleet.services.values()].find(({ facts }) => facts.family === family);
      const state = model?.machine.state(now);
      const revision = given === undefined ? (state?.deployments.at(-1)?.revision ?? 0) : Number(given);
      if (model === undefined || !Number.isInteger(revision) || revision < 1) {
        throw new ApiError('ClientException', 'Unable to describe task definition.');
      }
      const { facts } = model;
      return {
        taskDefinition: {
          taskDefinitionArn: definition(region, model, revision),
          family,
          revision,
          status: 'ACTIVE',
          networkMode: 'awsvpc',
          cpu: String(facts.taskCpuUnits),
          memory: String(facts.taskMemoryMiB),
          requiresCompatibilities: [fleet.clusters.get(facts.cluster)!.facts.launchType],
          containerDefinitions: [
            {
              name: CONTAINER,
              image: `${ACCOUNT}.dkr.ecr.${region}.amazonaws.com/rastup/${facts.name}:${revision}`,
              essential: true,
              stopTimeout: 30,
              portMappings: [{ containerPort: facts.port, protocol: 'tcp' }],
              // A canary: no one who reads task definitions may let this out.
              environment: [{ name: 'DATABASE_PASSWORD', value: 'canary-environment-value' }],
              logConfiguration: {
                logDriver: 'awslogs',
                options: { 'awslogs-group': facts.logGroup, 'awslogs-region': region, 'awslogs-stream-prefix': 'ecs' },
              },
            },
          ],
        },
        tags: [],
      };
    },
  };
}
