import {
  DescribeContainerInstancesCommand,
  DescribeServiceDeploymentsCommand,
  DescribeServicesCommand,
  DescribeTasksCommand,
  type ECSClient,
  ListContainerInstancesCommand,
  ListServiceDeploymentsCommand,
  ListServicesCommand,
  ListTasksCommand,
} from '@aws-sdk/client-ecs';
import { DescribeTargetHealthCommand } from '@aws-sdk/client-elastic-load-balancing-v2';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type AwsEndpoint, startAws } from './aws.ts';
import { awsClients } from './clients.ts';
import { bigFleet, demoFleet } from './demo-fleet.ts';
import type { StopReason } from './ecs-stops.ts';
import type { Fleet } from './fleet.ts';

const NOW = Date.parse('2026-11-23T22:00:00Z');
const MINUTE = 60_000;
let now = NOW;
let fleet: Fleet;
let aws: AwsEndpoint;
let clients: ReturnType<typeof awsClients>;
let ecs: ECSClient;

beforeEach(async () => {
  now = NOW;
  fleet = demoFleet({ now: () => now });
  aws = await startAws({ fleet });
  clients = awsClients(aws.endpoint);
  ecs = clients.ecs;
});
afterEach(async () => {
  for (const client of Object.values(clients)) client.destroy();
  await aws.close();
});

const cluster = 'rastup-prod';
const service = async () =>
  (await ecs.send(new DescribeServicesCommand({ cluster, services: ['api-service'] }))).services![0]!;
const tasks = async (desiredStatus: 'RUNNING' | 'STOPPED') => {
  const { taskArns } = await ecs.send(new ListTasksCommand({ cluster, serviceName: 'api-service', desiredStatus }));
  if (taskArns!.length === 0) return [];
  return (await ecs.send(new DescribeTasksCommand({ cluster, tasks: taskArns }))).tasks!;
};
const messages = async (): Promise<string[]> =>
  (await service())
    .events!.filter(({ createdAt }) => Number(createdAt) > NOW)
    .map(({ message }) => message!.replace('(service api-service', '('));
const short = (found: Awaited<ReturnType<typeof service>>): string =>
  found
    .deployments!.map(
      (d) =>
        `${d.status} ${d.taskDefinition!.split(':').at(-1)} ${d.runningCount}/${d.desiredCount} ${d.rolloutState} ${d.failedTasks}`,
    )
    .join(', ');
const deploymentStatus = async () => {
  const { serviceDeployments } = await ecs.send(new ListServiceDeploymentsCommand({ cluster, service: 'api-service' }));
  return serviceDeployments!.map(({ status }) => status);
};

describe('a deployment, as the clock moves', () => {
  test('completes: old and new side by side, then only new', async () => {
    expect(short(await service())).toBe('PRIMARY 511 6/6 COMPLETED 0');
    const digest = (await tasks('RUNNING'))[0]!.containers![0]!.imageDigest;
    fleet.deploy('api', { version: 'api:512' });
    now = NOW + MINUTE;
    const middle = await service();
    expect(middle.deployments!.map(({ status }) => status)).toEqual(['PRIMARY', 'ACTIVE']);
    expect(middle.taskDefinition).toMatch(/task-definition\/api:512$/);
    expect(middle.deployments![0]!.rolloutState).toBe('IN_PROGRESS');
    expect(middle.runningCount).toBeGreaterThan(6);
    expect(await deploymentStatus()).toEqual(['IN_PROGRESS', 'SUCCESSFUL']);
    now = NOW + 5 * MINUTE;
    const after = await service();
    expect(short(after)).toBe('PRIMARY 512 6/6 COMPLETED 0');
    expect(await deploymentStatus()).toEqual(['SUCCESSFUL', 'SUCCESSFUL']);
    expect((await messages()).slice(0, 2)).toEqual([
      '() has reached a steady state.',
      `() (deployment ${after.deployments![0]!.id}) deployment completed.`,
    ]);
    const running = await tasks('RUNNING');
    expect(running.every(({ startedBy }) => startedBy === after.deployments![0]!.id)).toBe(true);
    expect(running[0]!.containers![0]!.imageDigest).not.toBe(digest);
    const stopped = await tasks('STOPPED');
    expect(stopped).toHaveLength(6);
    expect(stopped[0]).toMatchObject({
      stopCode: 'ServiceSchedulerInitiated',
      stoppedReason: expect.stringContaining('Scaling activity'),
    });
  });

  test('fails, and the circuit breaker takes it back', async () => {
    fleet.deploy('api', { version: 512, outcome: 'fails-rollback', tasksFail: 'image-pull' });
    const seen = new Set<string>();
    for (; now < NOW + 6 * MINUTE; now += 5_000) {
      const found = await service();
      seen.add(found.deployments![0]!.rolloutStateReason!.replace(/ecs-svc\/\d+/, 'ID'));
      expect(found.runningCount).toBeGreaterThanOrEqual(6);
    }
    expect([...seen]).toEqual([
      'ECS deployment ID in progress.',
      'ECS deployment circuit breaker: rolling back to deploymentId ID.',
      'ECS deployment ID completed.',
    ]);
    expect(short(await service())).toBe('PRIMARY 511 6/6 COMPLETED 0');
    expect(await deploymentStatus()).toEqual(['ROLLBACK_SUCCESSFUL', 'SUCCESSFUL']);
    const { serviceDeployments } = await ecs.send(
      new ListServiceDeploymentsCommand({ cluster, service: 'api-service', maxResults: 1 }),
    );
    const arns = [
      serviceDeployments![0]!.serviceDeploymentArn!,
      'arn:aws:ecs:us-east-1:123456789012:service-deployment/x/y/z',
    ];
    const detail = await ecs.send(new DescribeServiceDeploymentsCommand({ serviceDeploymentArns: arns }));
    expect(detail.serviceDeployments![0]).toMatchObject({
      status: 'ROLLBACK_SUCCESSFUL',
      rollback: { reason: expect.stringContaining('circuit breaker') },
      deploymentCircuitBreaker: { threshold: 3, failureCount: 4 },
    });
    expect(detail.failures).toEqual([{ arn: arns[1], reason: 'MISSING' }]);
    const said = await messages();
    for (const text of [
      'deployment failed: tasks failed to start.',
      'rolling back to deployment ecs-svc/',
      'Reason: CannotPullContainerError',
      'is unable to consistently start tasks',
    ]) {
      expect(said.some((message) => message.includes(text))).toBe(true);
    }
    expect(fleet.runningTasks('api')).toHaveLength(6);
  });

  test('sticks: its tasks stay pending, for as long as one looks', async () => {
    fleet.deploy('api', { version: 512, outcome: 'stuck' });
    now = NOW + 45 * MINUTE;
    expect(short(await service())).toBe('PRIMARY 512 0/6 IN_PROGRESS 0, ACTIVE 511 6/6 COMPLETED 0');
    const found = await service();
    expect([found.pendingCount, found.runningCount]).toEqual([6, 6]);
    expect(found.deploymentConfiguration!.deploymentCircuitBreaker).toEqual({ enable: false, rollback: false });
    expect((await tasks('RUNNING')).filter(({ lastStatus }) => lastStatus === 'PENDING')).toHaveLength(6);
  });

  test('sticks with tasks that fail again and again', async () => {
    fleet.deploy('api', { version: 512, outcome: 'stuck', tasksFail: 'exit' });
    now = NOW + 20 * MINUTE;
    const early = (await service()).deployments![0]!.failedTasks!;
    now = NOW + 40 * MINUTE;
    const late = await service();
    expect(late.deployments![0]).toMatchObject({ rolloutState: 'IN_PROGRESS' });
    expect(late.deployments![0]!.failedTasks).toBeGreaterThan(early + 5);
  });

  test('never gets healthy: targets fail their checks and are replaced', async () => {
    fleet.deploy('api', { version: 512, outcome: 'never-healthy' });
    now = NOW + 70_000;
    const { TargetHealthDescriptions } = await clients.elb.send(
      new DescribeTargetHealthCommand({
        TargetGroupArn: 'arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/api/fedcba9876543210',
      }),
    );
    const states = TargetHealthDescriptions!.map(({ TargetHealth }) =>
      `${TargetHealth!.State} ${TargetHealth!.Reason ?? ''}`.trim(),
    );
    expect(states.filter((state) => state === 'healthy')).toHaveLength(6);
    expect(states).toContain('unhealthy Target.FailedHealthChecks');
    now = NOW + 10 * MINUTE;
    expect((await service()).deployments![0]).toMatchObject({ rolloutState: 'IN_PROGRESS' });
    expect((await service()).deployments![0]!.failedTasks).toBeGreaterThan(2);
    expect((await tasks('STOPPED'))[0]!.stoppedReason).toContain('Task failed ELB health checks in (target-group arn:');
    expect((await messages()).some((message) => message.includes('is unhealthy in (target-group arn:'))).toBe(true);
  });

  test('the answers do not depend on who asked when', async () => {
    const other = demoFleet({ now: () => now });
    for (const one of [fleet, other]) {
      one.deploy('api', { version: 512, at: NOW + 3_000, outcome: 'fails-rollback' });
      one.crashLoop('api', { at: NOW + 5 * MINUTE, to: NOW + 8 * MINUTE, tasks: 2 });
    }
    for (now = NOW; now < NOW + 12 * MINUTE; now += 1_700) await service();
    const events = other.services.get('api')!.machine.events(now);
    expect(fleet.services.get('api')!.machine.events(now)).toEqual(events);
    expect(events.length).toBeGreaterThan(20);
  });
});

describe('tasks that stop', () => {
  const KINDS: readonly (readonly [StopReason, string, string, number | undefined, string | undefined])[] = [
    [
      'out-of-memory',
      'EssentialContainerExited',
      'Essential container in task exited',
      137,
      'OutOfMemoryError: Container killed',
    ],
    ['exit', 'EssentialContainerExited', 'Essential container in task exited', 1, undefined],
    ['segfault', 'EssentialContainerExited', 'Essential container in task exited', 139, undefined],
    [
      'slow-shutdown',
      'ServiceSchedulerInitiated',
      'Scaling activity initiated by (deployment ecs-svc/',
      137,
      undefined,
    ],
    ['health-check', 'ServiceSchedulerInitiated', 'Task failed ELB health checks in (target-group', 143, undefined],
    ['image-pull', 'TaskFailedToStart', 'CannotPullContainerError', undefined, 'CannotPullContainerError'],
    ['secrets', 'TaskFailedToStart', 'ResourceInitializationError: unable to pull secrets', undefined, undefined],
    ['spot', 'SpotInterruption', 'Your Spot Task was interrupted.', 143, undefined],
    ['host', 'TerminationNotice', 'Host EC2 (instance i-', undefined, undefined],
    ['user', 'UserInitiated', 'Task stopped by user', 143, undefined],
  ];
  test.each(KINDS)('%s', async (kind, stopCode, reason, exitCode, containerReason) => {
    fleet.stopTask('api', { kind });
    now = NOW + 10_000;
    const [task, ...more] = await tasks('STOPPED');
    expect(more).toEqual([]);
    expect(task).toMatchObject({ stopCode, lastStatus: 'STOPPED', stoppedReason: expect.stringContaining(reason) });
    const [container] = task!.containers!;
    expect(container!.exitCode).toBe(exitCode);
    if (containerReason === undefined) expect(container!.reason).toBeUndefined();
    else expect(container!.reason).toContain(containerReason);
    now = NOW + 2 * MINUTE;
    expect((await service()).runningCount).toBe(6);
  });

  test('a task that failed to start has no time of its start', async () => {
    fleet.stopTask('api', { kind: 'exit' });
    fleet.crashLoop('api', { tasks: 1, reason: 'image-pull' });
    now = NOW + 3 * MINUTE;
    const failed = (await tasks('STOPPED')).filter(({ stopCode }) => stopCode === 'TaskFailedToStart');
    expect(failed.length).toBeGreaterThan(1);
    expect(failed[1]!.startedAt).toBeUndefined();
  });

  test('are listed for an hour', async () => {
    fleet.stopTask('api', { kind: 'user', reason: 'maintenance by hand', exitCode: 0 });
    now = NOW + 59 * MINUTE;
    expect(await tasks('STOPPED')).toMatchObject([
      { stoppedReason: 'maintenance by hand', containers: [{ exitCode: 0 }] },
    ]);
    const [gone] = await tasks('STOPPED');
    now = NOW + 61 * MINUTE;
    expect(await tasks('STOPPED')).toEqual([]);
    const { failures } = await ecs.send(new DescribeTasksCommand({ cluster, tasks: [gone!.taskArn!] }));
    expect(failures).toEqual([{ arn: gone!.taskArn, reason: 'MISSING' }]);
  });

  test('a crash loop goes on until it is taken back', async () => {
    const undo = fleet.crashLoop('api', { afterSeconds: 40, reason: 'out-of-memory', tasks: 2 });
    now = NOW + 20 * MINUTE;
    const stopped = await tasks('STOPPED');
    expect(stopped.length).toBeGreaterThan(20);
    expect((await service()).runningCount).toBeGreaterThanOrEqual(4);
    undo();
    const before = (await tasks('STOPPED')).map(({ taskArn }) => taskArn);
    expect(before).toEqual(stopped.map(({ taskArn }) => taskArn));
    now = NOW + 30 * MINUTE;
    expect((await service()).runningCount).toBe(6);
    expect((await tasks('STOPPED')).length).toBe(before.length);
    expect((await messages())[0]).toBe('() has reached a steady state.');
  });

  test('scaling starts and stops', async () => {
    fleet.scale('api', 9);
    now = NOW + 2 * MINUTE;
    expect(await service()).toMatchObject({ desiredCount: 9, runningCount: 9 });
    fleet.scale('api', 3);
    now = NOW + 4 * MINUTE;
    expect(await service()).toMatchObject({ desiredCount: 3, runningCount: 3 });
    expect(await tasks('STOPPED')).toHaveLength(6);
    fleet.scale('api', 0);
    now = NOW + 6 * MINUTE;
    expect(await service()).toMatchObject({ desiredCount: 0, runningCount: 0 });
  });

  test('unhealthy targets say why', async () => {
    const undo = fleet.unhealthyTargets('api', { reason: 'Target.ResponseCodeMismatch', tasks: 2 });
    now = NOW + MINUTE;
    const ask = async () =>
      (
        await clients.elb.send(
          new DescribeTargetHealthCommand({
            TargetGroupArn: 'arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/api/fedcba9876543210',
          }),
        )
      ).TargetHealthDescriptions!.map(({ TargetHealth }) => TargetHealth!);
    expect((await ask()).filter(({ State }) => State === 'unhealthy')).toEqual([
      {
        State: 'unhealthy',
        Reason: 'Target.ResponseCodeMismatch',
        Description: 'Health checks failed with these codes: [503]',
      },
      {
        State: 'unhealthy',
        Reason: 'Target.ResponseCodeMismatch',
        Description: 'Health checks failed with these codes: [503]',
      },
    ]);
    undo();
    expect((await ask()).every(({ State }) => State === 'healthy')).toBe(true);
  });
});

describe('the cluster', () => {
  const instances = async () => {
    const { containerInstanceArns } = await ecs.send(new ListContainerInstancesCommand({ cluster }));
    const { containerInstances } = await ecs.send(
      new DescribeContainerInstancesCommand({ cluster, containerInstances: containerInstanceArns }),
    );
    return containerInstances!;
  };
  const free = (found: Awaited<ReturnType<typeof instances>>, name: string): number =>
    Math.max(
      ...found.map(
        ({ remainingResources }) => remainingResources!.find((resource) => resource.name === name)!.integerValue!,
      ),
    );

  test('that is full places nothing, says so once, and places when there is room', async () => {
    expect(free(await instances(), 'CPU')).toBeGreaterThan(1024);
    const undo = fleet.capacity(cluster, { lacks: 'cpu', draining: 1, disconnected: 2 });
    fleet.stopTask('api', { kind: 'exit', at: NOW + 1_000 });
    now = NOW + 10 * MINUTE;
    expect(await service()).toMatchObject({ runningCount: 5, desiredCount: 6, pendingCount: 0 });
    const full = await instances();
    expect(free(full, 'CPU')).toBeLessThan(1024);
    expect(full.filter(({ status }) => status === 'DRAINING')).toHaveLength(1);
    expect(full.filter(({ agentConnected }) => !agentConnected)).toHaveLength(2);
    const said = (await messages()).filter((message) => message.includes('was unable to place a task'));
    expect(said).toEqual([expect.stringContaining('has insufficient CPU units available. For more information')]);
    undo();
    now = NOW + 12 * MINUTE;
    expect(await service()).toMatchObject({ runningCount: 6 });
  });

  test('misuse and what is missing', async () => {
    const services = Array.from({ length: 11 }, (_, index) => `s${index}`);
    await expect(ecs.send(new DescribeServicesCommand({ cluster, services }))).rejects.toMatchObject({
      name: 'InvalidParameterException',
    });
    const many = Array.from({ length: 101 }, (_, index) => String(index));
    await expect(ecs.send(new DescribeTasksCommand({ cluster, tasks: many }))).rejects.toMatchObject({
      name: 'InvalidParameterException',
    });
    await expect(ecs.send(new ListTasksCommand({ cluster, serviceName: 'nope' }))).rejects.toMatchObject({
      name: 'ServiceNotFoundException',
    });
    const found = await ecs.send(new DescribeServicesCommand({ cluster, services: ['nope', 'search-service'] }));
    expect(found.failures).toEqual([
      { arn: 'arn:aws:ecs:us-east-1:123456789012:service/rastup-prod/nope', reason: 'MISSING' },
    ]);
    expect(found.services).toHaveLength(1);
  });

  test('pages of ten services by default, with tokens of their own', async () => {
    const big = await startAws({ fleet: bigFleet(25, { now: () => now }) });
    const { ecs: client } = awsClients(big.endpoint);
    const sizes: number[] = [];
    let nextToken: string | undefined;
    do {
      const page = await client.send(
        new ListServicesCommand({ cluster: 'rastup-big', ...(nextToken === undefined ? {} : { nextToken }) }),
      );
      sizes.push(page.serviceArns!.length);
      nextToken = page.nextToken;
    } while (nextToken !== undefined);
    expect(sizes).toEqual([10, 10, 5]);
    await expect(client.send(new ListServicesCommand({ cluster: 'rastup-big', nextToken: 'x' }))).rejects.toMatchObject(
      {
        name: 'InvalidParameterException',
      },
    );
    client.destroy();
    await big.close();
  });

  test('a service shows its 100 newest events', async () => {
    fleet.crashLoop('api', { afterSeconds: 20 });
    now = NOW + 60 * MINUTE;
    const { events } = await service();
    expect(events).toHaveLength(100);
    const at = events!.map(({ createdAt }) => Number(createdAt));
    expect(at).toEqual([...at].sort((a, b) => b - a));
  });
});
