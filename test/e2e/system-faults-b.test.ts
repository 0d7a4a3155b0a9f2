import { calmOccasions } from '../world/faults/systems/calm.ts';
import { dependencyFaults } from '../world/faults/systems/dependencies.ts';
import { paymentFaults } from '../world/faults/systems/payments.ts';
import { websocketFaults } from '../world/faults/systems/websocket.ts';
import { describeSystemCalm, describeSystemFaults } from './system-fault-cases.ts';

describeSystemCalm(calmOccasions);
describeSystemFaults([...paymentFaults, ...websocketFaults, ...dependencyFaults]);
