/** Faults whose first symptom is that answers take longer. */

import type { CloudWorld } from '../../cloud.ts';
import type { ActiveFault } from '../fault.ts';
import type { ServiceFault } from './fault.ts';
import { befall, paced } from './fault.ts';

const latency = (target: string, cause: string) => ({ detector: 'high-latency', target, cause });
const load = (target: string) => ({ detector: 'high-cpu-memory', target });

export function stripeSlow(world: CloudWorld, onPage: boolean): ActiveFault {
  return befall(world, ({ affect, undo }) => {
    const dependency = { host: 'api.stripe.com', latencyAddSeconds: 1.1 };
    affect('payment', { dependency, latency: { addSeconds: 0.95 } });
    affect('api', { dependency, latency: { endpoint: 'POST /v1/checkout', addSeconds: 1.1 } });
    if (onPage) {
      world.vendors.stripe.say('minor', 'Increased latency of the API');
      undo(() => world.vendors.stripe.say('none'));
    }
    return { host: 'api.stripe.com' };
  });
}

export const latencyFaults: readonly ServiceFault[] = [
  {
    name: 'latency-deployment',
    title: 'version 512 of api waits for a lookup that nobody needs',
    expect: {
      ...latency('api', 'recent-deployment'),
      commands: ['npm run deploy:rollback -- --service=api --to-version=api:511'],
      says: [/api:512/],
    },
    inject: (world) =>
      befall(world, ({ affect, deploy }) => {
        deploy('api', 512);
        affect('api', { latency: { factor: 1.9, version: '512' } });
        return { version: 'api:512' };
      }),
  },
  {
    name: 'latency-stripe-slow',
    title: 'Stripe answers a second later than usual',
    expect: {
      ...latency('payment', 'external-service'),
      variant: 'slow',
      on: 'stripe',
      commands: ['npm run flags:enable -- --flag=stripe_api_cache_enabled'],
      says: [/api\.stripe\.com/],
    },
    also: [latency('api', '')],
    inject: (world) => stripeSlow(world, true),
  },
  {
    name: 'latency-traffic',
    title: 'a campaign brings two and a half times the usual visitors to search, and its tasks have no CPU left',
    expect: {
      ...latency('search', 'traffic-surge'),
      commands: ['aws ecs update-service', '--service search-service --desired-count 7'],
      says: [/the usual requests|before .*\/s/],
    },
    also: [load('search')],
    inject: (world) =>
      befall(world, ({ affect }) => {
        affect('search', { requestsFactor: 2.5, latency: { factor: 1.25 } });
        return {};
      }),
  },
  {
    name: 'latency-cpu',
    title: 'a job that should run elsewhere eats the CPU of every task of api',
    expect: {
      ...latency('api', 'service-saturated'),
      variant: 'cpu',
      commands: ['--service api-service --desired-count'],
      says: [/CPU is at 9\d %|CPU at 9\d %/],
    },
    also: [load('api')],
    inject: (world) =>
      befall(world, ({ affect }) => {
        affect('api', { cpu: { add: 0.52 }, latency: { factor: 1.5 } });
        return {};
      }),
  },
  {
    name: 'latency-memory',
    title: 'a larger catalogue fills the memory of every task of search, which collects garbage all the time',
    expect: {
      ...latency('search', 'service-saturated'),
      variant: 'memory',
      commands: ['--service search-service --force-new-deployment'],
      says: [/memory is at 9\d %|memory at 9\d %/],
    },
    also: [load('search')],
    inject: (world) =>
      befall(world, ({ affect }) => {
        const { memory } = world.fleet.services.get('search')!.facts;
        affect('search', { memory: { add: 0.95 - memory }, cpu: { add: 0.12 }, latency: { factor: 2.6 } });
        return {};
      }),
  },
  {
    name: 'latency-hot-task',
    title: 'one task of api spins, and a sixth of the requests waits for it',
    expect: {
      ...latency('api', 'bad-task'),
      variant: 'hot-task',
      commands: ['aws ecs stop-task', '--task {task}'],
      says: [/the others? (?:\d )?at/],
    },
    also: [load('api')],
    inject: (world) =>
      befall(world, ({ affect }) => {
        const task = world.fleet.runningTasks('api')[1]!;
        affect('api', { cpu: { add: 0.62, task }, latency: { factor: 6, task } });
        return { task };
      }),
  },
  {
    name: 'latency-cold',
    title: 'search scales out for the evening, and its new tasks answer slowly until their caches are warm',
    expect: { ...latency('search', 'cold-capacity'), says: [/just started|tasks? started/] },
    inject: (world) =>
      befall(world, ({ affect, undo }) => {
        affect('search', { coldTasks: { seconds: 480 / world.pace, latencyFactor: 4 } });
        world.fleet.scale('search', 8);
        undo(() => world.fleet.scale('search', 4));
        return {};
      }),
  },
  {
    name: 'latency-bad-zone',
    title: 'packets are lost in us-east-1c, and what is in that zone waits',
    expect: { ...latency('api', 'bad-zone') },
    inject: (world) =>
      befall(world, ({ affect }) => {
        affect('api', {
          latency: { zone: 'c', factor: 5 },
          errors: { share: 0.012, zone: 'c', status: 504 },
          log: { perMinute: 0, messages: ['Error: no answer from {ip} within 3000 ms (request {id})'] },
        });
        return { zone: 'us-east-1c' };
      }),
  },
];

export const loadFaults: readonly ServiceFault[] = [
  {
    name: 'load-hot-task',
    title: 'one task of search spins on a regular expression, and what it serves is late',
    expect: {
      detector: 'high-cpu-memory',
      target: 'search',
      cause: 'bad-task',
      variant: 'hot-task',
      commands: ['aws ecs stop-task', '--task {task}'],
    },
    also: [latency('search', '')],
    inject: (world) =>
      befall(world, ({ affect }) => {
        const task = world.fleet.runningTasks('search')[1]!;
        affect('search', { cpu: { add: 0.65, task }, latency: { factor: 4, task } });
        return { task };
      }),
  },
  {
    name: 'load-leak',
    title: 'search leaks 24 points of its memory an hour',
    expect: {
      detector: 'high-cpu-memory',
      target: 'search',
      cause: 'memory-leak',
      commands: ['--service search-service --force-new-deployment', 'npm run profile:heap -- --service=search'],
      says: [/full in/, /steadily/],
    },
    within: 150,
    gone: 25,
    slow: true,
    inject: (world) =>
      befall(world, ({ affect, undo }) => {
        affect('search', { memory: { slopePerHour: 0.24 } });
        // What has leaked stays with a task: only new tasks are free of it.
        undo(() => world.fleet.deploy('search', { ...paced(world), version: 511 }));
        return {};
      }),
  },
  {
    name: 'load-traffic',
    title: 'payment gets twice its usual requests and has the CPU for them, just',
    expect: {
      detector: 'high-cpu-memory',
      target: 'payment',
      cause: 'traffic-surge',
      commands: ['--service payment-service --desired-count 7'],
    },
    also: [latency('payment', '')],
    inject: (world) =>
      befall(world, ({ affect }) => {
        affect('payment', { requestsFactor: 2.15 });
        return {};
      }),
  },
  {
    name: 'load-less-efficient',
    title: 'version 512 of api compresses every answer twice',
    expect: {
      detector: 'high-cpu-memory',
      target: 'api',
      cause: 'less-efficient-code',
      commands: ['npm run deploy:rollback -- --service=api --to-version=api:511'],
      says: [/a request costs/],
    },
    also: [latency('api', '')],
    inject: (world) =>
      befall(world, ({ affect, deploy }) => {
        deploy('api', 512);
        affect('api', { cpu: { add: 0.5 } });
        return { version: 'api:512' };
      }),
  },
  {
    name: 'load-throttled',
    title: 'the tasks of search on Fargate stand at the CPU that they reserve, and work queues up',
    expect: {
      detector: 'high-cpu-memory',
      target: 'search',
      cause: 'service-saturated',
      variant: 'cpu-throttled',
      commands: ['--service search-service --desired-count'],
      says: [/flat at|between 9\d % and/],
    },
    cluster: { launchType: 'FARGATE' },
    also: [latency('search', '')],
    inject: (world) =>
      befall(world, ({ affect }) => {
        affect('search', { cpu: { add: 0.75 }, latency: { factor: 1.4 } });
        return {};
      }),
  },
];
