/** What looks like trouble at first sight and is none: nobody is to be woken for it. */

import type { SystemsWorld, Watchable } from '../../systems.ts';
import type { ActiveFault } from '../fault.ts';
import { VENDOR_WATCH } from './dependencies.ts';
import { befall, type SystemExpectation } from './fault.ts';
import { PAYMENT_WATCH } from './payments.ts';
import { WEBSOCKET_WATCH } from './websocket.ts';

export interface SystemCalm {
  readonly name: string;
  readonly title: string;
  readonly watch: readonly Watchable[];
  /** What is told all the same, without an incident. */
  readonly tells?: SystemExpectation;
  readonly inject: (world: SystemsWorld) => ActiveFault;
}

export const calmOccasions: readonly SystemCalm[] = [
  {
    name: 'calm-webhooks-come-again',
    title: 'Stripe sends again what it could not deliver to others: four times the webhooks, and all pass',
    watch: PAYMENT_WATCH,
    inject: (world) =>
      befall(world, ({ measure }) => {
        measure('payments', { sentFactor: 4 });
        return {};
      }),
  },
  {
    name: 'calm-nobody-pays',
    title: 'the shop is closed for an hour: nobody pays, so no webhook comes',
    watch: PAYMENT_WATCH,
    inject: (world) =>
      befall(world, ({ measure }) => {
        measure('payments', { attemptsFactor: 0.002, sentFactor: 0 });
        return {};
      }),
  },
  {
    name: 'calm-declines-with-a-sale',
    title: 'a sale: three times the payments, of which banks decline as many of a hundred as ever',
    watch: PAYMENT_WATCH,
    inject: (world) =>
      befall(world, ({ measure }) => {
        measure('payments', { attemptsFactor: 3, sentFactor: 3 });
        return {};
      }),
  },
  {
    name: 'calm-payday',
    title: 'the evening before payday: a third more declines for want of money than on other days',
    watch: PAYMENT_WATCH,
    inject: (world) =>
      befall(world, ({ measure }) => {
        measure('payments', { declinesFactor: 1.33 });
        return {};
      }),
  },
  {
    name: 'calm-ws-deployment',
    title: 'version 512 of websocket is brought out and drains: clients come back one after another',
    watch: WEBSOCKET_WATCH,
    inject: (world) =>
      befall(world, ({ deploy, measure }) => {
        deploy('websocket', 512);
        measure('websocket', { cut: { share: 0.2, code: '1012', backMinutes: 1 } });
        return {};
      }),
  },
  {
    name: 'calm-vendor-says',
    title: 'Stripe tells of a major incident that does not touch our calls',
    watch: VENDOR_WATCH,
    tells: { detector: 'dependency-trouble', target: 'stripe', cause: 'external-service', variant: 'announced' },
    inject: (world) =>
      befall(world, ({ undo }) => {
        world.vendors.stripe.say('major', 'Delays of bank transfers in Japan');
        undo(() => world.vendors.stripe.say('none'));
        return {};
      }),
  },
];
