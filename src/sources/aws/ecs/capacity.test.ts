import type { AutoScalingGroup } from '@aws-sdk/client-auto-scaling';
import type { ContainerInstance } from '@aws-sdk/client-ecs';
import { expect, test } from 'vitest';
import { type CapacityQuestion, capacityAnswer } from './capacity.ts';
import { factsOf } from './facts.ts';
import { CLUSTER, deployment, event, type FakeAws, fakeAws, service } from './testdata.ts';

const { signal } = new AbortController();
const T = Date.UTC(2026, 10, 23, 14, 0, 0);

function instance(id: string, cpu: number, memory: number, more: Partial<ContainerInstance> = {}): ContainerInstance {
  return {
    ec2InstanceId: id,
    status: 'ACTIVE',
    agentConnected: true,
    capacityProviderName: 'main',
    remainingResources: [
      { name: 'CPU', type: 'INTEGER', integerValue: cpu },
      { name: 'MEMORY', type: 'INTEGER', integerValue: memory },
    ],
    ...more,
  };
}

const group = (name: string, more: Partial<AutoScalingGroup> = {}): AutoScalingGroup =>
  ({ AutoScalingGroupName: name, DesiredCapacity: 3, MaxSize: 3, Instances: [], ...more }) as AutoScalingGroup;

function cluster(instances: readonly ContainerInstance[], groups: readonly AutoScalingGroup[]): FakeAws {
  return fakeAws({
    'ecs:ListContainerInstances': () => ({ containerInstanceArns: instances.map((_, n) => `arn:${n}`) }),
    'ecs:DescribeContainerInstances': () => ({ containerInstances: [...instances] }),
    'autoscaling:DescribeAutoScalingGroups': () => ({ AutoScalingGroups: [...groups] }),
    'autoscaling:DescribeScalingActivities': () => ({
      Activities: [
        {
          ActivityId: '1',
          AutoScalingGroupName: 'rastup-prod-cluster',
          Cause: 'At 2026-11-23T13:59:00Z an instance was started.',
          StartTime: new Date(T - 60_000),
          StatusCode: 'Failed',
          StatusMessage:
            'You have requested more vCPU capacity than your current vCPU limit of 32 allows. Launching EC2 instance failed.',
        },
        {
          ActivityId: '2',
          AutoScalingGroupName: 'x',
          Cause: '',
          StartTime: new Date(T - 90_000),
          StatusCode: 'Successful',
        },
      ],
    }),
  });
}

const question: CapacityQuestion = {
  cluster: CLUSTER,
  facts: factsOf(
    service('api-service', {
      launchType: 'EC2',
      deployments: [deployment('1', 'api:1', T)],
      events: [
        event(
          T - 1000,
          '(service api-service) was unable to place a task because no container instance met all of its requirements. The closest matching (container-instance b2db) has insufficient memory available.',
        ),
      ],
    }),
  ),
  size: { version: 'api:1', cpuUnits: 512, memoryMiB: 1024 },
  window: { from: T - 3_600_000, to: T },
  now: T,
};

test('room is what is left on active, connected instances, and the group is the one of an instance', async () => {
  const aws = cluster(
    [
      instance('i-1', 256, 4096),
      instance('i-2', 1024, 512),
      instance('i-3', 2048, 2048, { status: 'DRAINING' }),
      instance('i-4', 2048, 2048, { agentConnected: false }),
    ],
    [
      group('other'),
      group('rastup-prod-cluster', { Instances: [{ InstanceId: 'i-1', LifecycleState: 'InService' } as never] }),
    ],
  );
  expect(await capacityAnswer(aws, question, signal)).toMatchObject({
    onInstances: true,
    instances: 4,
    draining: 1,
    disconnected: 1,
    largestFreeCpuUnits: 1024,
    largestFreeMemoryMiB: 4096,
    neededCpuUnits: 512,
    neededMemoryMiB: 1024,
    fitting: 0,
    autoScalingGroup: {
      name: 'rastup-prod-cluster',
      desired: 3,
      maximum: 3,
      inService: 1,
      failures: [{ at: T - 60_000, reason: expect.stringMatching(/vCPU limit of 32/) }],
    },
    placementFailures: [{ at: T - 1000, lacks: 'memory' }],
  });
});

test('without instances a group is named only when ECS manages it and it is the only one of that name', async () => {
  const tagged = { Tags: [{ Key: 'AmazonECSManaged' }] };
  const named = async (groups: readonly AutoScalingGroup[]) =>
    (await capacityAnswer(cluster([], groups), question, signal)).autoScalingGroup?.name ?? null;
  expect(await named([group('rastup-prod-cluster')])).toBeNull();
  expect(await named([group('rastup-prod-cluster', tagged), group('else', tagged)])).toBe('rastup-prod-cluster');
  expect(await named([group('rastup-prod-a', tagged), group('rastup-prod-b', tagged)])).toBeNull();
});

test('groups that may not be read leave the room as it is', async () => {
  const aws = cluster([instance('i-1', 1024, 4096)], []);
  aws.denied.add('autoscaling:DescribeAutoScalingGroups');
  const unseen: unknown[] = [];
  const answer = await capacityAnswer(aws, question, signal, (error) => unseen.push(error));
  expect(answer).toMatchObject({ fitting: 1, autoScalingGroup: null });
  expect(unseen).toMatchObject([{ code: 'AWS_DENIED' }]);
  aws.denied.add('ecs:ListContainerInstances');
  await expect(capacityAnswer(aws, question, signal)).rejects.toMatchObject({ code: 'AWS_DENIED' });
});

test('a service with a capacity provider has room on the instances of that one only', async () => {
  const facts = factsOf(service('api-service', { capacityProviderStrategy: [{ capacityProvider: 'main' }] }));
  const instances = [instance('i-1', 1024, 4096), instance('i-2', 1024, 4096, { capacityProviderName: 'gpu' })];
  const answer = await capacityAnswer(cluster(instances, []), { ...question, facts }, signal);
  expect(answer).toMatchObject({ onInstances: true, instances: 1, fitting: 1 });
});
