import { outboxFaults } from '../world/faults/systems/outbox.ts';
import { queueFaults } from '../world/faults/systems/queues.ts';
import { describeSystemFaults } from './system-fault-cases.ts';

describeSystemFaults([...queueFaults, ...outboxFaults]);
