/** Causes that several detectors share: hypotheses with their probes and mitigations. */
export * from './replication-lag.ts';
export * from './replication-lag-mitigations.ts';
