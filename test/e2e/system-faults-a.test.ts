import { graphqlFaults } from '../world/faults/systems/graphql.ts';
import { healthFaults } from '../world/faults/systems/health.ts';
import { searchFaults } from '../world/faults/systems/search.ts';
import { describeSystemFaults } from './system-fault-cases.ts';

describeSystemFaults([...searchFaults, ...healthFaults, ...graphqlFaults]);
