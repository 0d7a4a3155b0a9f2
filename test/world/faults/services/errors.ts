/** Faults whose first symptom is requests that fail. */

import type { CloudWorld } from '../../cloud.ts';
import type { ActiveFault } from '../fault.ts';
import { befall, paced, type ServiceFault } from './fault.ts';

const errorRate = (target: string, cause: string) => ({ detector: 'high-error-rate', target, cause });
const DEPLOYMENT_FINDINGS = [{ detector: 'service-unavailable', subject: 'deployment' }] as const;

const STRIPE_DOWN = [
  'Error: request to https://api.stripe.com/v1/charges failed, reason: connect ETIMEDOUT {ip}:443',
  'Error: request to https://api.stripe.com/v1/payment_intents failed, reason: connect ECONNREFUSED {ip}:443',
];

/** Calls time out after seconds, so the service is slow too. */
export function stripeDown(world: CloudWorld, onPage: boolean): ActiveFault {
  return befall(world, ({ affect, undo }) => {
    const dependency = { host: 'api.stripe.com', errorShare: 0.7, latencyAddSeconds: 2 };
    const log = { perMinute: 300, messages: STRIPE_DOWN };
    affect('payment', {
      dependency,
      errors: { share: 0.6, status: 502 },
      latency: { addSeconds: 1.5 },
      log,
    });
    affect('api', {
      dependency,
      errors: { share: 0.6, status: 502, endpoint: 'POST /v1/checkout' },
      latency: { endpoint: 'POST /v1/checkout', addSeconds: 1.5 },
      log,
    });
    if (onPage) {
      world.vendors.stripe.say('major', 'Elevated errors on the API');
      undo(() => world.vendors.stripe.say('none'));
    }
    return { host: 'api.stripe.com' };
  });
}

/** Whoever calls Stripe feels it. */
export const stripeFindings = [
  { detector: 'dependency-trouble', target: 'stripe' },
  { detector: 'high-error-rate', target: 'api' },
  { detector: 'high-latency', target: 'payment' },
  { detector: 'high-latency', target: 'api' },
] as const;

export const errorFaults: readonly ServiceFault[] = [
  {
    name: 'errors-deployment',
    title: 'version 512 of api fails one request in twenty-five',
    expect: {
      ...errorRate('api', 'recent-deployment'),
      commands: ['npm run deploy:rollback -- --service=api --to-version=api:511', '--task-definition api:511'],
      says: [/api:512/],
    },
    inject: (world) =>
      befall(world, ({ affect, deploy }) => {
        deploy('api', 512);
        affect('api', {
          errors: { share: 0.04, version: '512' },
          log: {
            perMinute: 0,
            messages: ['TypeError: order.customer.address is undefined at checkout (/srv/app/orders.js:{n})'],
          },
        });
        return { version: 'api:512' };
      }),
  },
  {
    name: 'errors-rolled-back',
    title: 'version 512 of search migrated the cache and crashed; ECS took it back, its entries still break answers',
    expect: { ...errorRate('search', 'recent-deployment'), variant: 'rolled-back', says: [/taken back/] },
    also: DEPLOYMENT_FINDINGS,
    inject: (world) =>
      befall(world, ({ affect }) => {
        const { fleet } = world;
        fleet.deploy('search', {
          ...paced(world),
          version: 512,
          outcome: 'fails-rollback',
          tasksFail: 'exit',
          failAfterSeconds: 15 / world.pace,
        });
        affect('search', {
          errors: { share: 0.08 },
          log: { perMinute: 0, messages: ['SyntaxError: Unexpected token v in JSON at position 0 (cache entry {id})'] },
        });
        return { version: 'search:512' };
      }),
  },
  {
    name: 'errors-stripe-down',
    title: 'Stripe does not answer, and says so on its status page',
    expect: {
      ...errorRate('payment', 'external-service'),
      variant: 'down',
      on: 'stripe',
      commands: ['npm run flags:disable -- --flag=stripe_enabled'],
      says: [/api\.stripe\.com/, /Elevated errors on the API/],
    },
    also: stripeFindings,
    inject: (world) => stripeDown(world, true),
  },
  {
    name: 'errors-stripe-down-unsaid',
    title: 'Stripe does not answer, and its status page says that all is well',
    expect: { ...errorRate('payment', 'external-service'), variant: 'down', on: 'stripe', says: [/api\.stripe\.com/] },
    also: stripeFindings,
    inject: (world) => stripeDown(world, false),
  },
  {
    name: 'errors-rate-limit-ours',
    title: 'api turns one request in five away with 429: one customer asks twice as much as all',
    expect: {
      ...errorRate('api', 'rate-limited'),
      variant: 'ours',
      commands: ['--key=rate_limit.requests_per_minute --value=30000', 'npm run metrics:rate-limits'],
      says: [/429/],
    },
    also: [{ detector: 'high-cpu-memory', target: 'api' }],
    inject: (world) =>
      befall(world, ({ affect }) => {
        affect('api', { requestsFactor: 1.4, rateLimited: 0.2, cpu: { add: -0.1 } });
        return {};
      }),
  },
  {
    name: 'errors-rate-limit-theirs',
    title: 'Twilio answers api with 429',
    expect: {
      ...errorRate('api', 'rate-limited'),
      variant: 'theirs',
      on: 'twilio',
      says: [/api\.twilio\.com limits our calls/],
    },
    inject: (world) =>
      befall(world, ({ affect }) => {
        affect('api', {
          dependency: { host: 'api.twilio.com', errorShare: 0.5 },
          errors: { share: 0.1, endpoint: 'GET /v1/messages' },
          log: {
            perMinute: 0,
            messages: [
              'Error: api.twilio.com answered 429 Too Many Requests for message {id}, gave up after 3 attempts',
            ],
          },
        });
        return { host: 'api.twilio.com' };
      }),
  },
  {
    name: 'errors-bad-task',
    title: 'one task of api lost its way to the cache and fails half of its requests',
    expect: { ...errorRate('api', 'bad-task'), commands: ['aws ecs stop-task', '--task {task}'], says: [/one of 6/] },
    inject: (world) =>
      befall(world, ({ affect }) => {
        const task = world.fleet.runningTasks('api')[2]!;
        affect('api', {
          errors: { share: 0.5, task },
          log: { perMinute: 0, messages: ['Error: session {id} could not be read: read-only file system'], task },
        });
        return { task };
      }),
  },
  {
    name: 'errors-bad-zone',
    title: 'a network fault in us-east-1b: one request in six of that zone fails',
    expect: {
      ...errorRate('api', 'bad-zone'),
      commands: ['aws elbv2 describe-target-health', 'targetgroup/api/fedcba9876543210'],
      says: [/us-east-1b/],
    },
    inject: (world) =>
      befall(world, ({ affect }) => {
        affect('api', {
          errors: { share: 0.17, zone: 'b', status: 502 },
          log: { perMinute: 0, messages: ['Error: upstream {ip} reset the stream before an answer (request {id})'] },
        });
        return { zone: 'us-east-1b' };
      }),
  },
  {
    name: 'errors-bad-endpoint',
    title: 'POST /v1/orders fails for one order in six: a product with data that nobody expected',
    expect: {
      ...errorRate('api', 'bad-endpoint'),
      commands: ['aws logs tail /aws/ecs/rastup-prod/api-service'],
      says: [/POST \/v1\/orders/],
    },
    inject: (world) =>
      befall(world, ({ affect }) => {
        affect('api', {
          errors: { share: 0.16, endpoint: 'POST /v1/orders' },
          log: {
            perMinute: 0,
            messages: ['RangeError: Invalid currency code : in formatPrice (/srv/app/price.js:{n})'],
          },
        });
        return { endpoint: 'POST /v1/orders' };
      }),
  },
];
