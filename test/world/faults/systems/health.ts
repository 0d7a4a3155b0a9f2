/** Faults whose first symptom is a health endpoint that fails. */

import type { SystemsWorld } from '../../systems.ts';
import type { HealthState } from '../../vendor.ts';
import type { ActiveFault } from '../fault.ts';
import { befall, type SystemFault, type SystemMaking } from './fault.ts';

const failing = (cause: string) => ({ detector: 'health-check-failing', target: 'api', cause });
const WATCH = ['api', 'main-db', 'redis', 'stripe', 'twilio'] as const;
/** Where the database has no part in it: a look at an endpoint that hangs takes its real time. */
const WATCH_NO_DATABASE = ['api', 'redis', 'stripe', 'twilio'] as const;

/** Who watches the service as a whole sees its readiness too. */
const UNAVAILABLE = { detector: 'service-unavailable', target: 'api' } as const;
/** What users see of it. */
const FELT = [
  UNAVAILABLE,
  { detector: 'high-error-rate', target: 'api' },
  { detector: 'high-latency', target: 'api' },
] as const;

function says({ undo }: SystemMaking, world: SystemsWorld, state: Partial<HealthState>): void {
  world.health.api.set({ live: true, failing: [], ...state });
  undo(() => world.health.api.set({ live: true, failing: [] }));
}

/** A part of the requests fails, and the log says with which words. */
function requestsFail({ affect }: SystemMaking, share: number, ...messages: readonly string[]): void {
  affect('api', { errors: { share, status: 500 }, log: { perMinute: 0, messages } });
}

/** Something of the world's own that stops and starts, around what is told of it. */
async function around(
  stop: () => Promise<void>,
  start: () => Promise<void>,
  make: () => ActiveFault,
): Promise<ActiveFault> {
  await stop();
  const active = make();
  return {
    facts: active.facts,
    cure: async () => {
      await start();
      await active.cure();
    },
  };
}

export const healthFaults: readonly SystemFault[] = [
  {
    name: 'health-database-stopped',
    title: 'the database server is stopped: /ready names it',
    expect: {
      ...failing('database-unreachable'),
      variant: 'stopped',
      on: 'main-db',
      commands: ['aws rds start-db-instance', 'rastup-prod'],
      says: [/cannot reach database|database: connect ECONNREFUSED/],
    },
    also: [...FELT, { detector: 'database-unreachable', target: 'main-db' }],
    breaks: /main-db: cannot connect: connect ECONNREFUSED/,
    watch: WATCH,
    inject: (world) => {
      const server = world.postgres!.primary;
      const refused = `connect ECONNREFUSED ${server.host}:${server.port}`;
      return around(
        () => server.stop(),
        () => server.start(),
        () =>
          befall(world, (moves) => {
            world.fleet.database('rastup-prod', { status: 'stopped' });
            moves.undo(() => world.fleet.database('rastup-prod', { status: 'available' }));
            says(moves, world, { failing: ['database'], error: refused });
            requestsFail(moves, 0.5, `Error: ${refused} (request {id})`);
            return {};
          }),
      );
    },
  },
  {
    name: 'health-own-pool',
    title: "the api's own pool of connections is used up, while the server has room: /ready names the database",
    expect: {
      ...failing('connection-pool'),
      variant: 'own-pool',
      on: 'main-db',
      commands: ['npm run config:get -- --key=db.pool'],
      says: [/pool gives no connection/],
    },
    also: FELT,
    lookAlikeOf: 'health-database-stopped',
    watch: WATCH,
    inject: (world) =>
      befall(world, (moves) => {
        says(moves, world, { failing: ['database'], error: 'timeout acquiring a connection' });
        requestsFail(
          moves,
          0.3,
          'TimeoutError: Knex: Timeout acquiring a connection. The pool is probably full (request {id})',
        );
        return {};
      }),
  },
  {
    name: 'health-redis-down',
    title: 'Redis has ended: /ready names it',
    expect: {
      ...failing('cache-unreachable'),
      variant: 'down',
      on: 'redis',
      commands: ['redis-cli -h 127.0.0.1 -p {port} PING', 'aws elasticache describe-events --region us-east-1'],
      says: [/redis did not answer/, /cannot reach redis/],
    },
    also: FELT,
    watch: WATCH,
    inject: (world) =>
      around(
        () => world.redis.stop(),
        () => world.redis.start(),
        () =>
          befall(world, (moves) => {
            says(moves, world, { failing: ['redis'], error: 'connect ECONNREFUSED 10.0.4.9:6379' });
            requestsFail(moves, 0.2, 'Error: connect ECONNREFUSED 10.0.4.9:6379 (request {id})');
            return { port: world.redis.port };
          }),
      ),
  },
  {
    name: 'health-redis-cut-off',
    title: 'a rule of the network is gone: the api does not reach Redis, which answers everybody else',
    expect: {
      ...failing('cache-unreachable'),
      commands: ['curl -v -m 10', 'aws elasticache describe-cache-clusters --region us-east-1'],
      says: [/only the service does not reach it/],
    },
    also: FELT,
    lookAlikeOf: 'health-redis-down',
    watch: WATCH,
    inject: (world) =>
      befall(world, (moves) => {
        says(moves, world, { failing: ['redis'], error: 'connect ETIMEDOUT 10.0.4.9:6379' });
        requestsFail(moves, 0.2, 'Error: connect ETIMEDOUT 10.0.4.9:6379 (request {id})');
        return {};
      }),
  },
  {
    name: 'health-redis-full',
    title: 'a worker leaks connections: Redis has as many clients as it takes and turns the api away',
    expect: {
      ...failing('cache-unreachable'),
      variant: 'too-many-clients',
      on: 'redis',
      commands: ['redis-cli -h 127.0.0.1 -p {port} CLIENT LIST'],
      says: [/9,990 of at most 10,000 clients/],
    },
    also: FELT,
    lookAlikeOf: 'health-redis-cut-off',
    watch: WATCH,
    inject: (world) =>
      befall(world, (moves) => {
        world.redis.set({ clients: 9_990 });
        moves.undo(() => world.redis.set({ clients: 41 }));
        moves.measure('cache', { rejectedPerSecond: 6 });
        says(moves, world, { failing: ['redis'], error: 'ERR max number of clients reached' });
        requestsFail(moves, 0.2, 'ReplyError: ERR max number of clients reached (redis, request {id})');
        return { port: world.redis.port };
      }),
  },
  {
    name: 'health-stripe-down',
    title: 'Stripe does not answer and says so: /ready names it',
    expect: {
      ...failing('external-service'),
      variant: 'down',
      on: 'stripe',
      commands: ['npm run flags:disable -- --flag=stripe_enabled'],
      says: [/cannot reach stripe/, /Elevated errors on the API/],
    },
    also: [...FELT, { detector: 'dependency-trouble', target: 'stripe' }],
    watch: WATCH,
    inject: (world) =>
      befall(world, (moves) => {
        const { affect, undo } = moves;
        says(moves, world, { failing: ['stripe'], error: 'request timed out' });
        affect('api', {
          dependency: { host: 'api.stripe.com', errorShare: 0.7, latencyAddSeconds: 2 },
          errors: { share: 0.6, status: 502, endpoint: 'POST /v1/checkout' },
          log: {
            perMinute: 0,
            messages: [
              'Error: request to https://api.stripe.com/v1/charges failed, reason: connect ETIMEDOUT {ip}:443',
            ],
          },
        });
        world.vendors.stripe.say('major', 'Elevated errors on the API');
        undo(() => world.vendors.stripe.say('none'));
        return {};
      }),
  },
  {
    name: 'health-check-guarded',
    title:
      'a gateway asks for a token now: /ready answers 401 while requests are served as ever; Stripe has an incident',
    expect: { ...failing('health-check-itself'), commands: ['curl -v -m 10'], says: [/answers 401/] },
    also: [UNAVAILABLE, { detector: 'dependency-trouble', target: 'stripe' }],
    lookAlikeOf: 'health-stripe-down',
    watch: WATCH,
    inject: (world) =>
      befall(world, (moves) => {
        says(moves, world, { status: 401 });
        world.vendors.stripe.say('major', 'Delayed payouts');
        moves.undo(() => world.vendors.stripe.say('none'));
        return {};
      }),
  },
  {
    name: 'health-new-version',
    title: 'version 512 of api cannot read its templates: /ready says no without naming anybody',
    expect: {
      ...failing('recent-deployment'),
      commands: ['npm run deploy:rollback -- --service=api --to-version=api:511'],
      says: [/api:512/],
    },
    also: FELT,
    lookAlikeOf: 'health-check-guarded',
    watch: WATCH,
    inject: (world) =>
      befall(world, (moves) => {
        moves.deploy('api', 512);
        says(moves, world, { status: 503 });
        moves.affect('api', {
          errors: { share: 0.12, status: 500, version: '512' },
          log: { perMinute: 0, messages: ['Error: ENOENT: no such file or directory, open template (request {id})'] },
        });
        return {};
      }),
  },
  {
    name: 'health-hung',
    title: 'the event loop of every task of api is blocked: nothing answers, CPU is at its limit',
    expect: {
      ...failing('service-hung'),
      commands: ['--force-new-deployment', 'curl -v -m 10'],
      says: [/does not answer within/],
    },
    also: [...FELT, { detector: 'high-cpu-memory', target: 'api' }],
    watch: WATCH_NO_DATABASE,
    inject: (world) =>
      befall(world, (moves) => {
        says(moves, world, { hangs: true });
        const end = world.fleet.unhealthyTargets('api', { reason: 'Target.Timeout' });
        moves.undo(() => end());
        moves.affect('api', { errors: { share: 0.8, status: 504 }, cpu: { add: 0.6 }, latency: { addSeconds: 8 } });
        return {};
      }),
  },
  {
    name: 'health-way',
    title: 'a firewall resets our own looks, while users and the load balancer get through',
    expect: {
      ...failing('endpoint-unreachable'),
      variant: 'network',
      commands: ['curl -v -m 10'],
      says: [/as ever|healthy/],
    },
    also: [UNAVAILABLE],
    lookAlikeOf: 'health-hung',
    watch: WATCH_NO_DATABASE,
    inject: (world) =>
      befall(world, (moves) => {
        says(moves, world, { resets: true });
        return {};
      }),
  },
];
