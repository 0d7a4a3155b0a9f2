import { restart, settingChanged } from './changes.ts';
import type { Fault } from './fault.ts';
import { lockDdlQueue, lockIdleInTransaction, lockPreparedTransaction, lockRunningTransaction } from './locks.ts';
import { poolIdleInTransaction, poolLeak, poolSurge } from './pools.ts';
import { replicationCut, replicationPaused, replicationReplicaQuery, replicationWalSurge } from './replication.ts';
import { slowNewQuery, slowNPlusOne, slowPlan } from './slow.ts';
import { slowStatistics, slowTempSpill } from './slow-data.ts';
import {
  unreachableAuth,
  unreachableDns,
  unreachablePaused,
  unreachableStartingUp,
  unreachableStopped,
  unreachableTls,
  unreachableTooManyConnections,
} from './unreachable.ts';

export * from './changes.ts';
export type { ActiveFault, Expectation, Fault } from './fault.ts';
export * from './locks.ts';
export * from './pools.ts';
export * from './replication.ts';
export { type SlowPlanOptions, slowNewQuery, slowNPlusOne, slowPlan } from './slow.ts';
export { type SlowStatisticsOptions, slowStatistics, slowTempSpill } from './slow-data.ts';
export * from './unreachable.ts';

const all: readonly Fault[] = [
  lockIdleInTransaction(),
  lockDdlQueue(),
  lockRunningTransaction(),
  lockPreparedTransaction(),
  poolLeak(),
  poolSurge(),
  poolIdleInTransaction(),
  replicationCut(),
  replicationReplicaQuery(),
  replicationPaused(),
  replicationWalSurge(),
  slowPlan(),
  slowStatistics(),
  slowNewQuery(),
  slowTempSpill(),
  slowNPlusOne(),
  unreachableStopped(),
  unreachablePaused(),
  unreachableAuth(),
  unreachableStartingUp(),
  unreachableTooManyConnections(),
  unreachableDns(),
  unreachableTls(),
  restart(),
  settingChanged(),
];

/** Every fault by its name, with its default options. The factories are exported for those who need others. */
export const faults: Readonly<Record<string, Fault>> = Object.fromEntries(all.map((fault) => [fault.name, fault]));
