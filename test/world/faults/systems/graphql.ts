/** Faults whose first symptom is a GraphQL operation that fails or is slow, while HTTP says 200. */

import { calmSpans, type SystemsWorld } from '../../systems.ts';
import { befall, type SystemFault, type SystemMaking } from './fault.ts';

const errors = (cause: string) => ({ detector: 'graphql-errors', target: 'api', cause });
const WATCH = ['api', 'main-db', 'redis', 'stripe', 'twilio'] as const;
const BY_OPERATION = 'npm run metrics:graphql -- --window=15m --group-by=operation,error_type';

/** An issue that the tracker had not seen before. */
function tracked({ undo }: SystemMaking, world: SystemsWorld, type: string, value: string, perMinute: number): void {
  const burst = { from: world.now(), to: world.now() + 3_600_000, perMinute };
  world.sentry.set([{ id: '901', project: 'api', type, value, substatus: 'new', release: 'api@512', bursts: [burst] }]);
  undo(() => world.sentry.set([]));
}

const internal = (share: number) => ({ share, type: 'INTERNAL_SERVER_ERROR' });

export const graphqlFaults: readonly SystemFault[] = [
  {
    name: 'graphql-new-version',
    title: 'version 512 of api cannot read orders without a discount: every operation on orders fails now and then',
    expect: {
      ...errors('recent-deployment'),
      commands: ['npm run deploy:rollback -- --service=api --to-version=api:511'],
      says: [/GraphQL errors/, /api:512/, /TypeError/],
    },
    watch: WATCH,
    inject: (world) =>
      befall(world, (moves) => {
        moves.deploy('api', 512);
        for (const operation of ['ListOrders', 'GetOrder', 'Checkout']) {
          moves.measure('graphql', { operation, errors: internal(0.15) });
        }
        tracked(moves, world, 'TypeError', "Cannot read properties of null (reading 'amount')", 240);
        return {};
      }),
  },
  {
    name: 'graphql-one-operation',
    title: 'GetOrder fails for orders with an item that is not sold any more',
    expect: {
      ...errors('bad-operation'),
      commands: [BY_OPERATION, 'npm run config:update -- --key=graphql.log_queries --value=true'],
      says: [/GetOrder has (> )?\d+ % of/],
    },
    lookAlikeOf: 'graphql-new-version',
    watch: WATCH,
    inject: (world) =>
      befall(world, ({ measure }) => {
        measure('graphql', { operation: 'GetOrder', errors: internal(0.3) });
        return {};
      }),
  },
  {
    name: 'graphql-old-app',
    title: 'an old version of the app asks for a field that is gone',
    expect: {
      ...errors('client-errors'),
      commands: [BY_OPERATION],
      says: [/GRAPHQL_VALIDATION_FAILED/, /of a type that callers make/],
    },
    watch: WATCH,
    inject: (world) =>
      befall(world, ({ measure }) => {
        measure('graphql', { errors: { share: 0.06, type: 'GRAPHQL_VALIDATION_FAILED' } });
        return {};
      }),
  },
  {
    name: 'graphql-schema-changed',
    title: 'version 512 of api drops a field that its callers still ask for',
    expect: {
      ...errors('recent-deployment'),
      commands: ['npm run deploy:rollback -- --service=api --to-version=api:511'],
      says: [/api:512/],
    },
    lookAlikeOf: 'graphql-old-app',
    watch: WATCH,
    inject: (world) =>
      befall(world, ({ measure, deploy }) => {
        deploy('api', 512);
        measure('graphql', { errors: { share: 0.06, type: 'GRAPHQL_VALIDATION_FAILED' } });
        return {};
      }),
  },
  {
    name: 'graphql-stripe-down',
    title: 'Checkout fails: Stripe does not answer, and says so',
    expect: {
      ...errors('external-service'),
      variant: 'down',
      on: 'stripe',
      commands: ['npm run flags:disable -- --flag=stripe_enabled'],
      says: [/api\.stripe\.com/],
    },
    also: [
      { detector: 'dependency-trouble', target: 'stripe' },
      { detector: 'high-latency', target: 'api' },
    ],
    lookAlikeOf: 'graphql-one-operation',
    watch: WATCH,
    inject: (world) =>
      befall(world, ({ affect, measure, undo }) => {
        affect('api', {
          dependency: { host: 'api.stripe.com', errorShare: 0.7, latencyAddSeconds: 2 },
          log: {
            perMinute: 120,
            messages: [
              'Error: request to https://api.stripe.com/v1/charges failed, reason: connect ETIMEDOUT {ip}:443',
            ],
          },
        });
        world.vendors.stripe.say('major', 'Elevated errors on the API');
        undo(() => world.vendors.stripe.say('none'));
        measure('graphql', { operation: 'Checkout', errors: internal(0.6) });
        return {};
      }),
  },
  {
    name: 'graphql-slow-operation',
    title: 'SearchModels sorts in memory since a setting was changed: it takes four times as long',
    expect: {
      ...errors('bad-operation'),
      commands: ['npm run metrics:graphql -- --window=15m --sort-by=duration --limit=20'],
      says: [/SearchModels p95/],
    },
    watch: WATCH,
    inject: (world) =>
      befall(world, ({ measure }) => {
        measure('graphql', { operation: 'SearchModels', latencyFactor: 4 });
        return {};
      }),
  },
  {
    name: 'graphql-n-plus-one',
    title: 'ListOrders asks the database for each customer by itself',
    expect: {
      ...errors('n-plus-one'),
      on: 'main-db',
      commands: ['npm run metrics:graphql -- --window=15m --metric=db_queries_per_operation'],
      says: [/ListOrders sends .* queries/, /called .* as often|calls\/s, before/],
    },
    lookAlikeOf: 'graphql-slow-operation',
    also: [{ detector: 'slow-queries', target: 'main-db' }],
    watch: WATCH,
    calm: 12,
    inject: (world) =>
      befall(world, ({ affect, measure, undo }) => {
        measure('graphql', { operation: 'ListOrders', latencyFactor: 3.5, queriesFactor: 9 });
        measure('statements', { lookupsFactor: 12 });
        affect('api', { dbQueriesFactor: 2.6, dbTimeFactor: 2.2 });
        world.datadog.set(calmSpans(world.fleet.startedAt, { from: world.now(), databaseSeconds: 0.012 }));
        undo(() => world.datadog.set(calmSpans(world.fleet.startedAt)));
        return {};
      }),
  },
  {
    name: 'graphql-stripe-slow',
    title: 'Checkout is slow: Stripe answers after three seconds',
    expect: {
      ...errors('external-service'),
      variant: 'slow',
      on: 'stripe',
      commands: ['npm run flags:enable -- --flag=stripe_api_cache_enabled'],
      says: [/api\.stripe\.com/],
    },
    also: [
      { detector: 'dependency-trouble', target: 'stripe' },
      { detector: 'high-latency', target: 'api' },
    ],
    lookAlikeOf: 'graphql-slow-operation',
    watch: WATCH,
    inject: (world) =>
      befall(world, ({ affect, measure }) => {
        affect('api', { dependency: { host: 'api.stripe.com', latencyFactor: 6, latencyAddSeconds: 1 } });
        measure('graphql', { operation: 'Checkout', latencyFactor: 6 });
        return {};
      }),
  },
];
