import { latencyFaults } from '../world/faults/services/latency.ts';
import { unavailableFaults } from '../world/faults/services/unavailable.ts';
import { describeServiceFaults } from './service-fault-cases.ts';

describeServiceFaults([...unavailableFaults, ...latencyFaults]);
