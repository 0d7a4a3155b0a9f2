/** Faults of the database as its services feel them: the Postgres ones are real, and what they do to a service is too. */

import type { ServiceEffects } from '../../aws/types.ts';
import type { CloudWorld } from '../../cloud.ts';
import type { PostgresWorld } from '../../postgres.ts';
import { type Fault, faults } from '../index.ts';
import { type AlsoFinding, befall, paced, type ServiceExpectation, type ServiceFault } from './fault.ts';

function pairOf({ postgres }: CloudWorld): PostgresWorld {
  if (postgres === undefined) throw new Error('the world has no PostgreSQL pair: this fault needs one');
  return postgres;
}

interface Felt {
  readonly name: string;
  readonly title: string;
  readonly fault: Fault;
  readonly expect: ServiceFault['expect'];
  readonly also: readonly AlsoFinding[];
  readonly second?: ServiceExpectation;
  readonly effects: (world: CloudWorld) => ServiceEffects;
  /** Whether the readiness endpoint cannot reach the database. */
  readonly unready?: true;
  readonly and?: Parameters<typeof befall>[1] extends (moves: infer M) => unknown
    ? (moves: M, world: CloudWorld) => void
    : never;
}

/** What Postgres has comes first: only then the service feels it. */
function felt({ fault, effects, unready, and, ...rest }: Felt): ServiceFault {
  return {
    ...rest,
    live: true,
    ...(fault.prepare === undefined ? {} : { prepare: (world) => fault.prepare!(pairOf(world)) }),
    inject: async (world) => {
      const database = await fault.inject(pairOf(world));
      const service = befall(world, (moves) => {
        moves.affect('api', effects(world));
        if (unready === true) {
          world.health.api.set({ live: true, failing: ['main-db'] });
          moves.undo(() => world.health.api.set({ live: true, failing: [] }));
        }
        and?.(moves, world);
        return {};
      });
      return {
        facts: database.facts,
        cure: async () => {
          await database.cure();
          await service.cure();
        },
      };
    },
  };
}

const onDatabase = (detector: string, { expect }: Fault): ServiceFault['expect'] => ({
  detector,
  target: 'api',
  cause: expect!.cause,
  ...(expect!.variant === undefined ? {} : { variant: expect!.variant }),
  on: 'main-db',
});

const DATABASE = [
  { detector: 'lock-contention' },
  { detector: 'connection-pool-exhausted' },
  { detector: 'database-unreachable' },
  { detector: 'slow-queries' },
  { detector: 'replication-lag' },
  { detector: 'health-check-failing' },
];
const API = [
  { detector: 'high-error-rate', target: 'api' },
  { detector: 'high-latency', target: 'api' },
  { detector: 'service-unavailable', target: 'api' },
];
const also = [...DATABASE, ...API];

const lock = faults['lock-idle-in-transaction']!;
const pool = faults['pool-leak']!;
const plan = faults['slow-plan']!;
const loop = faults['slow-n-plus-one']!;
const stopped = faults['unreachable-stopped']!;

const where = (world: CloudWorld): string => {
  const { host, port } = pairOf(world).primary;
  return `${host}:${port}`;
};

const lockEffects = (): ServiceEffects => ({
  errors: { share: 0.12, status: 504 },
  latency: { p95AddSeconds: 2.4, factor: 1.2 },
  dbTimeFactor: 8,
  log: { perMinute: 0, messages: ['error: canceling statement due to statement timeout (request {id})'] },
});

export const liveFaults: readonly ServiceFault[] = [
  felt({
    name: 'latency-lock',
    title: 'checkout-worker forgot a transaction on main-db, and api waits behind it',
    fault: lock,
    expect: { ...onDatabase('high-latency', lock), commands: ['pid = {blockerPid}', 'pg_terminate_backend'] },
    also,
    effects: lockEffects,
  }),
  felt({
    name: 'errors-pool',
    title: 'a worker leaks connections of main-db until api gets none',
    fault: pool,
    expect: onDatabase('high-error-rate', pool),
    also,
    effects: () => ({
      errors: { share: 0.35, status: 503 },
      latency: { p95AddSeconds: 2 },
      log: {
        perMinute: 0,
        messages: [
          'error: remaining connection slots are reserved for roles with the SUPERUSER attribute',
          'TimeoutError: Knex: Timeout acquiring a connection. The pool is probably full (request {id})',
        ],
      },
    }),
  }),
  felt({
    name: 'latency-slow-query',
    title: 'an index of main-db is gone, and every page of api that lists orders waits',
    fault: plan,
    expect: onDatabase('high-latency', plan),
    also,
    effects: () => ({ latency: { factor: 2.6 }, dbTimeFactor: 9 }),
  }),
  felt({
    name: 'latency-n-plus-one',
    title: 'a page of api asks main-db for each item by itself',
    fault: loop,
    expect: onDatabase('high-latency', loop),
    also,
    effects: () => ({ latency: { factor: 2.4 }, dbQueriesFactor: 6, dbTimeFactor: 6 }),
  }),
  felt({
    name: 'unavailable-database',
    title: 'main-db is stopped: api cannot be ready, and nearly every request fails',
    fault: stopped,
    expect: onDatabase('service-unavailable', stopped),
    also,
    unready: true,
    effects: (world) => ({
      errors: { share: 0.85, status: 503 },
      log: { perMinute: 0, messages: [`Error: connect ECONNREFUSED ${where(world)} (request {id})`] },
    }),
  }),
  {
    name: 'unavailable-security-group',
    title: "somebody removed the rule that lets api's tasks reach main-db",
    live: true,
    expect: {
      detector: 'service-unavailable',
      target: 'api',
      cause: 'database-unreachable',
      variant: 'network',
      on: 'main-db',
      says: [/10\.0\.0\.0\/16/],
    },
    also,
    // The daemon has another way: the database goes on answering it.
    inject: (world) =>
      befall(world, ({ affect, undo }) => {
        affect('api', {
          errors: { share: 0.85, status: 503 },
          // As node-postgres says it when a packet is never answered.
          log: { perMinute: 0, messages: ['Error: Connection terminated due to connection timeout (request {id})'] },
        });
        world.health.api.set({ live: true, failing: ['main-db'] });
        undo(() => world.health.api.set({ live: true, failing: [] }));
        world.fleet.database('rastup-prod', { removeRule: '10.0.0.0/16' });
        undo(() => world.fleet.database('rastup-prod', { addRule: '10.0.0.0/16' }));
        return {};
      }),
  },
  felt({
    name: 'two-lock-and-deployment',
    title: 'a forgotten transaction holds api up, while version 512 of search fails one request in ten',
    fault: lock,
    expect: onDatabase('high-latency', lock),
    second: { detector: 'high-error-rate', target: 'search', cause: 'recent-deployment' },
    also: [...also, { detector: 'service-unavailable', target: 'search' }],
    effects: lockEffects,
    and: ({ affect, deploy }, world) => {
      deploy('search', 512, paced(world));
      affect('search', {
        errors: { share: 0.1, version: '512' },
        log: { perMinute: 0, messages: ['TypeError: query.filters is not iterable at parse (/srv/app/query.js:{n})'] },
      });
    },
  }),
];
