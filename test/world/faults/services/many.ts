/** Two faults at once, and what looks like a cause and is none. */

import { stripeDown, stripeFindings } from './errors.ts';
import { befall, crashPace, paced, type ServiceFault } from './fault.ts';
import { gone } from './unavailable.ts';

export const manyFaults: readonly ServiceFault[] = [
  {
    name: 'two-stripe-and-memory',
    title: 'Stripe is down for payment while search runs out of memory',
    expect: {
      detector: 'high-error-rate',
      target: 'payment',
      cause: 'external-service',
      variant: 'down',
      on: 'stripe',
    },
    second: { detector: 'service-unavailable', target: 'search', cause: 'service-crashed', variant: 'out-of-memory' },
    also: [...stripeFindings, ...gone('search')],
    inject: async (world) => {
      const stripe = await stripeDown(world, true);
      const memory = befall(world, ({ affect, undo }) => {
        const end = world.fleet.crashLoop('search', { reason: 'out-of-memory', ...crashPace(world, 20) });
        undo(() => end());
        affect('search', { memory: { add: 0.97 - world.fleet.services.get('search')!.facts.memory } });
        return {};
      });
      return {
        facts: stripe.facts,
        cure: async () => {
          await Promise.all([stripe.cure(), memory.cure()]);
        },
      };
    },
  },
  {
    name: 'herring-late-deployment',
    title: 'Stripe is down, and somebody deploys payment three minutes later in the hope that it helps',
    expect: {
      detector: 'high-error-rate',
      target: 'payment',
      cause: 'external-service',
      variant: 'down',
      on: 'stripe',
    },
    also: stripeFindings,
    inject: async (world) => {
      const active = await stripeDown(world, true);
      world.fleet.deploy('payment', { ...paced(world), version: 512, at: world.now() + world.ms(180) });
      return active;
    },
  },
  {
    name: 'herring-old-deployment',
    title: 'POST /v1/orders fails, five hours after a deployment of api that has nothing to do with it',
    expect: { detector: 'high-error-rate', target: 'api', cause: 'bad-endpoint' },
    slow: true,
    prepare: (world) => {
      world.fleet.deploy('api', { ...paced(world), version: 511, at: world.now() - 5 * 3_600_000 });
      world.fleet.deploy('api', { ...paced(world), version: 512, at: world.now() - 5 * 3_600_000 + 600_000 });
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
        return {};
      }),
  },
];
