/** ECS: answers over the machines of a fleet, as the API reference describes them. */

import { type Deployment, ownerOf, type Task } from './ecs-machine.ts';
import { ACCOUNT, type ClusterModel, type Fleet } from './fleet.ts';
import { page } from './paging.ts';
import { ApiError, type Call } from './protocol.ts';
import { hexId } from './random.ts';
import type { ServiceModel } from './service-model.ts';
import { ZONES } from './types.ts';

const HOUR = 3_600_000;
const CONTAINER = 'app';
type Input = Call['input'];

export interface EcsApi {
  readonly [operation: string]: (call: Call, now: number) => unknown;
}

const seconds = (at: number): number | undefined => (Number.isFinite(at) ? Math.round(at) / 1_000 : undefined);
const bad = (message: string): ApiError => new ApiError('InvalidParameterException', message);

export const digestOf = (family: string, revision: number): string => `sha256:${hexId(`${family}:${revision}`, 64)}`;

export function ecsApi(fleet: Fleet): EcsApi {
  const arn = (region: string, rest: string): string => `arn:aws:ecs:${region}:${ACCOUNT}:${rest}`;
  const lastPart = (text: string): string => text.slice(text.lastIndexOf('/') + 1);

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
  const definition = (region: string, model: ServiceModel, revision: number): string =>
    arn(region, `task-definition/${model.facts.family}:${revision}`);

  /** Tasks that ECS still shows: stopped ones for an hour. */
  const shown = (model: ServiceModel, now: number): readonly Task[] =>
    model.machine.tasks(now - HOUR, now + 1).filter(({ createdAt }) => createdAt <= now);

  const statusOf = (task: Task, now: number): string => {
    if (task.stoppedAt <= now) return 'STOPPED';
    if (task.stoppingAt <= now) return task.stoppedAt - now > 3_000 ? 'DEACTIVATING' : 'STOPPING';
    if (task.startedAt <= now) return 'RUNNING';
    return task.pullAt <= now ? 'PENDING' : 'PROVISIONING';
  };
  const isPending = (task: Task, now: number): boolean => task.startedAt > now && task.stoppingAt > now;
  const isRunning = (task: Task, now: number): boolean => task.startedAt <= now && task.stoppedAt > now;

  function instanceOf(model: ServiceModel, task: Task): number | null {
    const cluster = fleet.clusters.get(model.facts.cluster)!;
    return cluster.facts.instances === 0 ? null : (task.ordinal + model.seed) % cluster.facts.instances;
  }
  const instanceArn = (region: string, cluster: ClusterModel, index: number): string =>
    arn(region, `container-instance/${cluster.facts.cluster}/${hexId(`${cluster.facts.instanceIds[index]}/ci`, 32)}`);

  function describeTask(region: string, model: ServiceModel, task: Task, now: number): unknown {
    const { facts } = model;
    const cluster = fleet.clusters.get(facts.cluster)!;
    const status = statusOf(task, now);
    const stopping = task.stoppingAt <= now;
    const stop = stopping ? task.stop : null;
    const gone = task.stoppedAt <= now;
    const index = instanceOf(model, task);
    const healthy = task.healthyAt <= now && model.machine.targetProblem(task, now) === null;
    const taskArn = arn(region, `task/${facts.cluster}/${task.id}`);
    return {
      taskArn,
      clusterArn: arn(region, `cluster/${facts.cluster}`),
      taskDefinitionArn: definition(region, model, task.revision),
      ...(index === null ? {} : { containerInstanceArn: instanceArn(region, cluster, index) }),
      group: `service:${facts.ecsService}`,
      startedBy: ownerOf(task, now),
      launchType: cluster.facts.launchType,
      availabilityZone: `${region}${ZONES[task.zone]}`,
      lastStatus: status,
      desiredStatus: stopping ? 'STOPPED' : 'RUNNING',
      healthStatus: status !== 'RUNNING' ? 'UNKNOWN' : healthy ? 'HEALTHY' : 'UNKNOWN',
      connectivity: 'CONNECTED',
      cpu: String(facts.taskCpuUnits),
      memory: String(facts.taskMemoryMiB),
      version: 1,
      createdAt: seconds(task.createdAt),
      pullStartedAt: task.pullAt <= now ? seconds(task.pullAt) : undefined,
      startedAt: task.startedAt <= now ? seconds(task.startedAt) : undefined,
      stoppingAt: stopping ? seconds(task.stoppingAt) : undefined,
      stoppedAt: gone ? seconds(task.stoppedAt) : undefined,
      stopCode: stop?.stopCode,
      stoppedReason: stop?.reason,
      containers: [
        {
          containerArn: arn(region, `container/${facts.cluster}/${task.id}/${hexId(`${task.id}/c`, 8)}`),
          taskArn,
          name: CONTAINER,
          image: `${ACCOUNT}.dkr.ecr.${region}.amazonaws.com/rastup/${facts.name}:${task.revision}`,
          ...(task.startedAt <= now ? { imageDigest: digestOf(facts.family, task.revision) } : {}),
          lastStatus: gone ? 'STOPPED' : status,
          ...(gone && stop !== null && stop.exitCode !== null ? { exitCode: stop.exitCode } : {}),
          ...(gone && stop !== null && stop.containerReason !== null ? { reason: stop.containerReason } : {}),
          networkInterfaces: [{ privateIpv4Address: addressOf(task) }],
          healthStatus: 'UNKNOWN',
        },
      ],
      tags: [],
    };
  }

  const latest = (deployment: Deployment, now: number): Deployment['changes'][number] =>
    deployment.changes.findLast(({ at }) => at <= now) ?? deployment.changes[0]!;

  function describeService(region: string, model: ServiceModel, now: number): unknown {
    const { facts, machine } = model;
    const state = machine.state(now);
    const tasks = shown(model, now);
    const cluster = fleet.clusters.get(facts.cluster)!;
    const visible = state.deployments.filter((deployment) => latest(deployment, now).status !== 'INACTIVE');
    const deployments = visible
      .map((deployment) => {
        const { status, rollout, reason, at } = latest(deployment, now);
        const own = tasks.filter((task) => ownerOf(task, now) === deployment.id);
        const running = own.filter((task) => isRunning(task, now)).length;
        return {
          id: deployment.id,
          status,
          taskDefinition: definition(region, model, deployment.revision),
          desiredCount: status === 'PRIMARY' ? state.desired : own.filter((task) => task.stoppingAt > now).length,
          pendingCount: own.filter((task) => isPending(task, now)).length,
          runningCount: running,
          failedTasks: rollout === 'COMPLETED' ? 0 : deployment.failedAt.filter((time) => time <= now).length,
          createdAt: seconds(deployment.createdAt),
          updatedAt: seconds(at),
          launchType: cluster.facts.launchType,
          rolloutState: rollout,
          rolloutStateReason: reason,
        };
      })
      .reverse();
    const wanted = visible.findLast((deployment) => latest(deployment, now).status === 'PRIMARY')!;
    return {
      serviceArn: arn(region, `service/${facts.cluster}/${facts.ecsService}`),
      serviceName: facts.ecsService,
      clusterArn: arn(region, `cluster/${facts.cluster}`),
      status: 'ACTIVE',
      desiredCount: state.desired,
      runningCount: tasks.filter((task) => isRunning(task, now)).length,
      pendingCount: tasks.filter((task) => isPending(task, now)).length,
      launchType: cluster.facts.launchType,
      schedulingStrategy: 'REPLICA',
      deploymentController: { type: 'ECS' },
      deploymentConfiguration: {
        deploymentCircuitBreaker: { enable: state.circuitBreaker, rollback: state.circuitBreaker },
        maximumPercent: 200,
        minimumHealthyPercent: 100,
        strategy: 'ROLLING',
      },
      loadBalancers: [
        {
          targetGroupArn: `arn:aws:elasticloadbalancing:${region}:${ACCOUNT}:${facts.targetGroup}`,
          containerName: CONTAINER,
          containerPort: facts.port,
        },
      ],
      taskDefinition: definition(region, model, wanted.revision),
      healthCheckGracePeriodSeconds: 60,
      createdAt: seconds(model.startedAt - HOUR),
      deployments,
      events: state.events.map(({ id, at, message }) => ({ id, createdAt: seconds(at), message })),
      enableECSManagedTags: true,
      propagateTags: 'NONE',
      placementConstraints: [],
      placementStrategy: [],
    };
  }

  function serviceOf(cluster: ClusterModel, name: string): ServiceModel | undefined {
    if (name.startsWith('arn:') && !name.includes(`/${cluster.facts.cluster}/`)) return undefined;
    return fleet.serviceByEcs(cluster.facts.cluster, lastPart(name));
  }

  const deploymentArn = (region: string, model: ServiceModel, deployment: Deployment): string =>
    arn(region, `service-deployment/${model.facts.cluster}/${model.facts.ecsService}/${hexId(deployment.id, 21)}`);
  const revisionArn = (region: string, model: ServiceModel, deployment: string): string =>
    arn(region, `service-revision/${model.facts.cluster}/${model.facts.ecsService}/${lastPart(deployment)}`);

  /** A rollback is a phase of the deployment that failed, not one of its own. */
  function serviceDeployments(region: string, model: ServiceModel, now: number) {
    const { deployments } = model.machine.state(now);
    const tasks = shown(model, now);
    return deployments
      .filter(({ rollbackOf }) => rollbackOf === null)
      .map((deployment) => {
        const { rollout, reason, at, status } = latest(deployment, now);
        const rollback = deployments.find(({ rollbackOf }) => rollbackOf === deployment.id);
        const back = rollback === undefined ? null : latest(rollback, now);
        const superseded = status !== 'PRIMARY' && rollout === 'IN_PROGRESS';
        const state =
          back !== null
            ? back.rollout === 'COMPLETED'
              ? 'ROLLBACK_SUCCESSFUL'
              : 'ROLLBACK_IN_PROGRESS'
            : rollout === 'COMPLETED'
              ? 'SUCCESSFUL'
              : superseded
                ? 'STOPPED'
                : 'IN_PROGRESS';
        const finished =
          state === 'ROLLBACK_SUCCESSFUL'
            ? back!.at
            : deployment.changes.find((change) => change.at <= now && change.rollout === 'COMPLETED')?.at;
        const own = tasks.filter((task) => ownerOf(task, now) === deployment.id);
        const failures = deployment.failedAt.filter((time) => time <= now).length;
        const desired = model.machine.state(now).desired;
        const threshold = Math.min(200, Math.max(3, Math.ceil(desired / 2)));
        return {
          arn: deploymentArn(region, model, deployment),
          state,
          createdAt: deployment.createdAt,
          finished,
          full: {
            serviceDeploymentArn: deploymentArn(region, model, deployment),
            serviceArn: arn(region, `service/${model.facts.cluster}/${model.facts.ecsService}`),
            clusterArn: arn(region, `cluster/${model.facts.cluster}`),
            createdAt: seconds(deployment.createdAt),
            startedAt: seconds(deployment.createdAt),
            updatedAt: seconds(back?.at ?? at),
            ...(finished === undefined ? {} : { finishedAt: seconds(finished) }),
            sourceServiceRevisions:
              deployment.source === null ? [] : [{ arn: revisionArn(region, model, deployment.source.id) }],
            targetServiceRevision: {
              arn: revisionArn(region, model, deployment.id),
              requestedTaskCount: desired,
              runningTaskCount: own.filter((task) => isRunning(task, now)).length,
              pendingTaskCount: own.filter((task) => isPending(task, now)).length,
            },
            status: state,
            ...(state === 'SUCCESSFUL' ? {} : { statusReason: reason }),
            deploymentConfiguration: {
              deploymentCircuitBreaker: { enable: model.facts.circuitBreaker, rollback: model.facts.circuitBreaker },
              maximumPercent: 200,
              minimumHealthyPercent: 100,
              strategy: 'ROLLING',
            },
            deploymentCircuitBreaker: {
              status: back !== null ? 'TRIGGERED' : finished === undefined ? 'MONITORING' : 'MONITORING_COMPLETE',
              failureCount: failures,
              threshold,
            },
            ...(rollback === undefined
              ? {}
              : {
                  rollback: {
                    reason: 'Service deployment rolled back because the circuit breaker threshold was exceeded.',
                    startedAt: seconds(rollback.createdAt),
                    serviceRevisionArn: revisionArn(region, model, deployment.source?.id ?? deployment.id),
                  },
                }),
          },
        };
      })
      .reverse();
  }

  return {
    DescribeServices: ({ input, region }, now) => {
      const cluster = clusterOf(input);
      const names = strings(input, 'services', 10);
      const services: unknown[] = [];
      const failures: unknown[] = [];
      for (const name of names) {
        const model = serviceOf(cluster, name);
        if (model !== undefined) services.push(describeService(region, model, now));
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
        if (found !== undefined) tasks.push(describeTask(region, found.model, found.task, now));
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
        .map((index) => instanceArn(region, cluster, index));
      const { values, next } = paged(arns, sizeOf(input, 100), input);
      return { containerInstanceArns: values, nextToken: next };
    },
    DescribeContainerInstances: ({ input, region }, now) => {
      const cluster = clusterOf(input);
      const capacity = cluster.capacityAt(now);
      const known = new Map(
        cluster.facts.instanceIds.map((_, index) => [lastPart(instanceArn(region, cluster, index)), index] as const),
      );
      const containerInstances: unknown[] = [];
      const failures: unknown[] = [];
      for (const name of strings(input, 'containerInstances', 100)) {
        const index = known.get(lastPart(name));
        if (index === undefined || capacity?.lacks === 'instances') {
          failures.push({ arn: name, reason: 'MISSING' });
          continue;
        }
        containerInstances.push(describeInstance(region, cluster, index, now));
      }
      return { containerInstances, failures };
    },
    ListServiceDeployments: ({ input, region }, now) => {
      const cluster = clusterOf(input);
      const model = serviceOf(cluster, String(input['service'] ?? ''));
      if (model === undefined) throw new ApiError('ServiceNotFoundException', 'Service not found.');
      const status = strings(input, 'status', 10, false);
      const created = (input['createdAt'] ?? {}) as { readonly before?: number; readonly after?: number };
      const found = serviceDeployments(region, model, now).filter(
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
          serviceDeployments(region, model, now).map(({ arn: id, full }) => [id, full] as const),
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

  function describeInstance(region: string, cluster: ClusterModel, index: number, now: number): unknown {
    const { facts } = cluster;
    const capacity = cluster.capacityAt(now);
    let cpu = facts.instanceCpuUnits;
    let memory = facts.instanceMemoryMiB;
    let running = 0;
    let pending = 0;
    for (const model of servicesIn(cluster)) {
      for (const task of shown(model, now)) {
        if (task.stoppedAt <= now || instanceOf(model, task) !== index) continue;
        cpu -= model.facts.taskCpuUnits;
        memory -= model.facts.taskMemoryMiB;
        if (task.startedAt <= now) running += 1;
        else pending += 1;
      }
    }
    // Other people's tasks took the rest.
    if (capacity?.lacks === 'cpu') cpu = Math.min(cpu, 128 + 16 * index);
    if (capacity?.lacks === 'memory') memory = Math.min(memory, 256 + 32 * index);
    const integers = (values: Readonly<Record<string, number>>): unknown[] =>
      Object.entries(values).map(([name, integerValue]) => ({ name, type: 'INTEGER', integerValue }));
    const ports = { name: 'PORTS', type: 'STRINGSET', stringSetValue: ['22', '2376', '2375', '51678', '51679'] };
    return {
      containerInstanceArn: instanceArn(region, cluster, index),
      ec2InstanceId: facts.instanceIds[index],
      version: 10,
      status: index < (capacity?.draining ?? 0) ? 'DRAINING' : 'ACTIVE',
      agentConnected: index < facts.instances - (capacity?.disconnected ?? 0),
      runningTasksCount: running,
      pendingTasksCount: pending,
      registeredResources: [...integers({ CPU: facts.instanceCpuUnits, MEMORY: facts.instanceMemoryMiB }), ports],
      remainingResources: [...integers({ CPU: Math.max(0, cpu), MEMORY: Math.max(0, memory) }), ports],
      attributes: [
        { name: 'ecs.availability-zone', value: `${region}${ZONES[index % 3]}` },
        { name: 'ecs.instance-type', value: 'm6i.xlarge' },
      ],
      registeredAt: seconds(fleet.startedAt),
      attachments: [],
      tags: [],
    };
  }
}

/** Address of a task's network interface, as its target is registered. */
export const addressOf = (task: Task): string =>
  `10.0.${task.zone * 16 + (Math.floor(task.ordinal / 200) % 16)}.${10 + (task.ordinal % 200)}`;
