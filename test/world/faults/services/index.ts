import { errorFaults } from './errors.ts';
import type { ServiceFault } from './fault.ts';
import { latencyFaults, loadFaults } from './latency.ts';
import { liveFaults } from './live.ts';
import { manyFaults } from './many.ts';
import { unavailableFaults } from './unavailable.ts';

export type { ServiceExpectation, ServiceFault } from './fault.ts';

const all = [...errorFaults, ...latencyFaults, ...loadFaults, ...unavailableFaults, ...manyFaults, ...liveFaults];

/** Every fault of services by its name. */
export const serviceFaults: Readonly<Record<string, ServiceFault>> = Object.fromEntries(
  all.map((fault) => [fault.name, fault]),
);
