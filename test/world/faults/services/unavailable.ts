/** Faults that take a service away, or keep a new version of it from coming. */

import type { StopReason } from '../../aws/ecs-stops.ts';
import type { CloudWorld } from '../../cloud.ts';
import type { AlsoFinding, ServiceFault } from './fault.ts';
import { befall, crashPace, paced } from './fault.ts';

const unavailable = (target: string, cause: string, variant?: string) => ({
  detector: 'service-unavailable',
  target,
  cause,
  ...(variant === undefined ? {} : { variant }),
});

/** What a service that is gone looks like to others of our detectors. */
export const gone = (target: string): readonly AlsoFinding[] => [
  { detector: 'high-error-rate', target },
  { detector: 'high-latency', target },
  { detector: 'high-cpu-memory', target },
  { detector: 'health-check-failing', target },
  { detector: 'service-unavailable', target },
];

interface Loop {
  readonly name: string;
  readonly title: string;
  readonly reason: StopReason;
  readonly variant: string;
  readonly lives: number;
  readonly says: readonly RegExp[];
  readonly commands?: readonly string[];
  readonly and?: (
    world: CloudWorld,
  ) => Parameters<Parameters<typeof befall>[1]>[0] extends infer M ? (moves: M) => void : never;
}

/** Tasks of search die, again and again; its health endpoints answer only while one of them lives. */
function crashLoop({ name, title, reason, variant, lives, says, commands = [], and }: Loop): ServiceFault {
  return {
    name,
    title,
    expect: { ...unavailable('search', 'service-crashed', variant), says, commands: ['search-service', ...commands] },
    also: gone('search'),
    inject: (world) =>
      befall(world, (moves) => {
        const end = world.fleet.crashLoop('search', { reason, ...crashPace(world, lives) });
        moves.undo(() => end());
        and?.(world)(moves);
        return {};
      }),
  };
}

/** Machines are replaced, and what comes anew does not start. Whoever mends it brings the service out anew. */
function noneStarts(
  name: string,
  title: string,
  reason: StopReason & ('image-pull' | 'secrets' | 'start-failed'),
  says: readonly RegExp[],
): ServiceFault {
  return {
    name,
    title,
    expect: { ...unavailable('search', 'service-crashed', reason), says, commands: ['aws ecs list-tasks'] },
    also: gone('search'),
    inject: (world) =>
      befall(world, ({ undo }) => {
        const { fleet } = world;
        const at = world.now();
        fleet.stopTask('search', { at, kind: 'host', count: 4 });
        const end = fleet.crashLoop('search', { at: at + 1, reason, ...crashPace(world, 10) });
        undo(() => fleet.deploy('search', { ...paced(world), version: 511 }));
        undo(() => end());
        return {};
      }),
  };
}

/** A cluster that has no room, and a service that wants three times its tasks. */
function noRoom(lacks: NonNullable<Parameters<CloudWorld['fleet']['capacity']>[1]['lacks']>, more: object = {}) {
  return (world: CloudWorld) =>
    befall(world, ({ affect, undo }) => {
      const { fleet } = world;
      const take = fleet.capacity('rastup-prod', { lacks, ...more });
      undo(() => fleet.scale('search', 4));
      undo(() => take());
      fleet.scale('search', 12);
      affect('search', { requestsFactor: 1.35 });
      return {};
    });
}

const roomless = (
  name: string,
  title: string,
  variant: string,
  inject: ServiceFault['inject'],
  more: Partial<ServiceFault> & { readonly says?: readonly RegExp[]; readonly commands?: readonly string[] } = {},
): ServiceFault => {
  const { says = [], commands = [], ...rest } = more;
  return {
    name,
    title,
    expect: { ...unavailable('search', 'capacity-exhausted', variant), says: [/4 of 12 tasks run/, ...says], commands },
    also: [
      { detector: 'high-latency', target: 'search' },
      { detector: 'high-cpu-memory', target: 'search' },
    ],
    inject,
    ...rest,
  };
};

/** A new version whose tasks do not come up, where ECS goes on trying; the old ones serve. */
function stuck(
  name: string,
  title: string,
  cause: { readonly cause: string; readonly variant?: string },
  order: object,
  more: Partial<ServiceFault> & { readonly says?: readonly RegExp[] } = {},
): ServiceFault {
  const { says = [], ...rest } = more;
  return {
    name,
    title,
    expect: {
      ...unavailable('search', cause.cause, cause.variant),
      commands: ['search-service'],
      says: [/deployment in progress/, ...says],
    },
    also: [{ detector: 'service-unavailable', target: 'search' }],
    within: 20,
    inject: (world) =>
      befall(world, ({ deploy }) => {
        deploy('search', 512, order);
        return { version: 'search:512' };
      }),
    ...rest,
  };
}

export const unavailableFaults: readonly ServiceFault[] = [
  crashLoop({
    name: 'unavailable-out-of-memory',
    title: 'every task of search runs out of memory a minute after its start',
    reason: 'out-of-memory',
    variant: 'out-of-memory',
    lives: 20,
    says: [/OutOfMemoryError/, /exit code 137/],
    commands: ['npm run metrics:memory', '--force-new-deployment'],
    and: (world) => (moves) => {
      const { memory } = world.fleet.services.get('search')!.facts;
      moves.affect('search', { memory: { add: 0.97 - memory } });
    },
  }),
  crashLoop({
    name: 'unavailable-exit',
    title: 'a setting is no number, and the program of search ends as soon as it reads it',
    reason: 'exit',
    variant: 'essential-container-exited',
    lives: 12,
    says: [/exit code 1\b/],
    commands: ['aws ecs list-tasks'],
  }),
  {
    name: 'unavailable-health-check',
    title: 'tasks of search run but no longer pass the health check, and are replaced again and again',
    expect: { ...unavailable('search', 'service-crashed', 'health-check-failed'), says: [/health check/i] },
    also: gone('search'),
    inject: (world) =>
      befall(world, ({ undo, affect }) => {
        const end = world.fleet.unhealthyTargets('search', {
          reason: 'Target.ResponseCodeMismatch',
          replaceAfterSeconds: 60 / world.pace,
        });
        undo(() => end());
        affect('search', {
          errors: { share: 0.7, status: 503 },
          log: { perMinute: 0, messages: ['Error: search index is not open yet (request {id})'] },
        });
        return {};
      }),
  },
  noneStarts(
    'unavailable-image-pull',
    'the registry cleaned up the image of search, and its machines are replaced: no task can be started again',
    'image-pull',
    [/0 of 4 tasks run/, /CannotPullContainerError/],
  ),
  noneStarts(
    'unavailable-secrets',
    'the role of search may not read its secret any more, and its machines are replaced: no task can be started again',
    'secrets',
    [/0 of 4 tasks run/, /ResourceInitializationError/],
  ),
  noneStarts(
    'unavailable-start-failed',
    'the machines of search are replaced, and its program does not run on the new ones: nothing runs, all is silent',
    'start-failed',
    [/0 of 4 tasks run/, /CannotStartContainerError/],
  ),
  crashLoop({
    name: 'unavailable-slow-shutdown',
    title: 'tasks of search are replaced over and over and killed at their stop timeout: 137, and not out of memory',
    reason: 'slow-shutdown',
    variant: 'slow-shutdown',
    lives: 20,
    says: [/stop timeout|Scaling activity/],
  }),
  crashLoop({
    name: 'unavailable-spot',
    title: 'Spot takes every machine of search back, and the ones that replace them',
    reason: 'spot',
    variant: 'host-lost',
    lives: 20,
    says: [/Spot/],
  }),
  crashLoop({
    name: 'unavailable-host',
    title: 'the instances under search are terminated one after another',
    reason: 'host',
    variant: 'host-lost',
    lives: 20,
    says: [/host went away|Host EC2/],
  }),
  stuck(
    'unavailable-deployment-stuck',
    'tasks of version 512 of search stay PENDING for more than half an hour',
    { cause: 'deployment-stuck' },
    { outcome: 'stuck' },
    { within: 45, slow: true, says: [/search:512/] },
  ),
  stuck(
    'unavailable-deployment-no-image',
    'version 512 of search was never pushed: its image cannot be pulled, and the old tasks go on serving',
    { cause: 'deployment-stuck' },
    { outcome: 'stuck', tasksFail: 'image-pull' },
    { says: [/CannotPullContainerError/] },
  ),
  stuck(
    'unavailable-deployment-failing',
    'tasks of version 512 of search start, fail the health check and are replaced',
    { cause: 'deployment-stuck' },
    { outcome: 'never-healthy' },
    { says: [/search:512/] },
  ),
  roomless(
    'unavailable-no-cpu',
    'search is to scale out, and no instance has the CPU for another task',
    'cpu',
    noRoom('cpu', { scalingFailure: null }),
    {
      says: [/insufficient CPU/, /rastup-prod-cluster is at its maximum of 10/],
      commands: ['aws ecs describe-clusters'],
    },
  ),
  roomless(
    'unavailable-no-memory',
    'search is to scale out, and no instance has the memory for another task',
    'memory',
    noRoom('memory'),
    { says: [/insufficient memory/] },
  ),
  roomless(
    'unavailable-no-interface',
    'search is to scale out, and no instance has a network interface left',
    'network',
    noRoom('network-interfaces'),
    { says: [/RESOURCE:ENI/] },
  ),
  roomless(
    'unavailable-no-instances',
    'search is to scale out, and every instance of the cluster is being drained',
    'instances',
    noRoom('instances', { draining: 10 }),
    { says: [/draining|No Container Instances/] },
  ),
  roomless(
    'unavailable-no-fargate',
    'search is to scale out, and Fargate has no capacity in the zone',
    'fargate',
    noRoom('fargate-capacity'),
    { cluster: { launchType: 'FARGATE' }, says: [/Capacity is unavailable/] },
  ),
  {
    name: 'unavailable-silence',
    title: 'the name of the load balancer of api was taken out of DNS: nobody arrives, and all is well inside',
    expect: {
      ...unavailable('api', 'traffic-stopped-upstream'),
      says: [/no traffic for/, /6 of 6 tasks/],
      commands: ['curl -sS -v -m 10 {healthUrl}'],
    },
    also: [{ detector: 'high-error-rate', target: 'api' }],
    within: 18,
    inject: (world) =>
      befall(world, ({ affect }) => {
        affect('api', { silence: true });
        return { healthUrl: world.health.api.live };
      }),
  },
];
