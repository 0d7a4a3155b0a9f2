/** Causes that several detectors share: hypotheses with their probes and mitigations. */

export * from './connection-pool.ts';
export * from './database-saturated.ts';
export * from './lock-contention.ts';
export * from './n-plus-one.ts';
export * from './replication-lag.ts';
export * from './replication-lag-mitigations.ts';
export * from './slow-query.ts';
export * from './slow-query-mitigations.ts';
export * from './unreachable.ts';
