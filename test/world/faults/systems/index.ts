import { dependencyFaults } from './dependencies.ts';
import type { SystemFault } from './fault.ts';
import { graphqlFaults } from './graphql.ts';
import { healthFaults } from './health.ts';
import { outboxFaults } from './outbox.ts';
import { paymentFaults } from './payments.ts';
import { queueFaults } from './queues.ts';
import { searchFaults } from './search.ts';
import { websocketFaults } from './websocket.ts';

export type { SystemFault } from './fault.ts';

const all = [
  ...searchFaults,
  ...healthFaults,
  ...graphqlFaults,
  ...paymentFaults,
  ...websocketFaults,
  ...dependencyFaults,
  ...queueFaults,
  ...outboxFaults,
];

/** Every fault of the systems by its name. */
export const systemFaults: Readonly<Record<string, SystemFault>> = Object.fromEntries(
  all.map((fault) => [fault.name, fault]),
);
