import type { ServiceFault } from './fault.ts';
export const liveFaults: readonly ServiceFault[] = [];
