/** How ECS shows services, tasks, deployments and instances: the shapes of its Describe calls. */

import type { ClusterModel } from './cluster-model.ts';
import { type Deployment, ownerOf, type Task } from './ecs-orders.ts';
import { ACCOUNT, type Fleet } from './fleet.ts';
import { hexId } from './random.ts';
import type { ServiceModel } from './service-model.ts';
import { ZONES } from './types.ts';

const HOUR = 3_600_000;
export const CONTAINER = 'app';

export const arn = (region: string, rest: string): string => `arn:aws:ecs:${region}:${ACCOUNT}:${rest}`;
export const lastPart = (text: string): string => text.slice(text.lastIndexOf('/') + 1);
const seconds = (at: number): number | undefined => (Number.isFinite(at) ? Math.round(at) / 1_000 : undefined);
export const isPending = (task: Task, now: number): boolean => task.startedAt > now && task.stoppingAt > now;
export const isRunning = (task: Task, now: number): boolean => task.startedAt <= now && task.stoppedAt > now;

/** Tasks that ECS still shows: stopped ones for an hour. */
export const shown = (model: ServiceModel, now: number): readonly Task[] =>
  model.machine.tasks(now - HOUR, now + 1).filter(({ createdAt }) => createdAt <= now);

export const definition = (region: string, model: ServiceModel, revision: number): string =>
  arn(region, `task-definition/${model.facts.family}:${revision}`);

export const digestOf = (family: string, revision: number): string => `sha256:${hexId(`${family}:${revision}`, 64)}`;

/** Address of a task's network interface, as its target is registered. */
export const addressOf = (task: Task): string =>
  `10.0.${task.zone * 16 + (Math.floor(task.ordinal / 200) % 16)}.${10 + (task.ordinal % 200)}`;

export interface EcsViews {
  task(region: string, model: ServiceModel, task: Task, now: number): unknown;
  service(region: string, model: ServiceModel, now: number): unknown;
  /** Newest first. */
  serviceDeployments(region: string, model: ServiceModel, now: number): readonly ServiceDeploymentView[];
  instance(region: string, cluster: ClusterModel, index: number, now: number): unknown;
  instanceArn(region: string, cluster: ClusterModel, index: number): string;
}

export interface ServiceDeploymentView {
  readonly arn: string;
  readonly state: string;
  readonly createdAt: number;
  readonly full: Readonly<Record<string, unknown>> & { readonly targetServiceRevision: { readonly arn: string } };
}

export function ecsViews(fleet: Fleet): EcsViews {
  const statusOf = (task: Task, now: number): string => {
    if (task.stoppedAt <= now) return 'STOPPED';
    if (task.stoppingAt <= now) return task.stoppedAt - now > 3_000 ? 'DEACTIVATING' : 'STOPPING';
    if (task.startedAt <= now) return 'RUNNING';
    return task.pullAt <= now ? 'PENDING' : 'PROVISIONING';
  };
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
      events: machine.events(now).map(({ id, at, message }) => ({ id, createdAt: seconds(at), message })),
      enableECSManagedTags: true,
      propagateTags: 'NONE',
      placementConstraints: [],
      placementStrategy: [],
    };
  }

  const deploymentArn = (region: string, model: ServiceModel, deployment: Deployment): string =>
    arn(region, `service-deployment/${model.facts.cluster}/${model.facts.ecsService}/${hexId(deployment.id, 21)}`);
  const revisionArn = (region: string, model: ServiceModel, deployment: string): string =>
    arn(region, `service-revision/${model.facts.cluster}/${model.facts.ecsService}/${lastPart(deployment)}`);

  /** A rollback is a phase of the deployment that failed, not one of its own. */
  function serviceDeployments(region: string, model: ServiceModel, now: number): ServiceDeploymentView[] {
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

  function describeInstance(region: string, cluster: ClusterModel, index: number, now: number): unknown {
    const { facts } = cluster;
    const capacity = cluster.capacityAt(now);
    let cpu = facts.instanceCpuUnits;
    let memory = facts.instanceMemoryMiB;
    let running = 0;
    let pending = 0;
    for (const model of fleet.services.values()) {
      if (model.facts.cluster !== facts.cluster) continue;
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

  return {
    task: describeTask,
    service: describeService,
    serviceDeployments,
    instance: describeInstance,
    instanceArn,
  };
}
