import { errorFaults } from '../world/faults/services/errors.ts';
import { loadFaults } from '../world/faults/services/latency.ts';
import { manyFaults } from '../world/faults/services/many.ts';
import { describeServiceFaults } from './service-fault-cases.ts';

describeServiceFaults([...errorFaults, ...loadFaults, ...manyFaults]);
