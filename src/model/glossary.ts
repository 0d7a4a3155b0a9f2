/**
 * The words of runbookd, one word for one thing. Everything in `model/` obeys them and imports nothing else.
 *
 * - target: a thing watched (a service, a database, a queue…). It has a name, a kind, and says what it depends on.
 * - signal: a named quantity of a target that detectors ask for (`blocked_sessions`, `replay_lag_seconds`).
 * - source: an adapter that reads signals or answers questions (Postgres, CloudWatch, Prometheus…).
 * - series, sample: the values of one signal of one target over time; one value at one time.
 * - baseline, reading: what is expected of a series with its spread; the settled samples of a signal beside their bands.
 * - symptom: a departure that a detector's rule sees.
 * - cause: something that can be wrong, one identity for all detectors: `{ cause: 'lock-contention', on: 'main-db' }`.
 *   A variant says which kind of it (`idle-in-transaction`); it is not part of the identity.
 * - hypothesis: a cause as a candidate for a symptom: its prior and its probes.
 * - probe, evidence: a question asked to test a hypothesis, and the judgement of its answer.
 * - diagnosis: causes ranked with the evidence ledger, the ruled-out ones, the gaps, and the unexplained share.
 * - mitigation: a step from the runbook with real values filled in.
 * - finding: the life of one symptom (detector, target, subject): pending → firing → resolved.
 * - onset: when it began, as an interval: no earlier than, no later than.
 * - incident: the findings that share one cause; the unit that pages. Its id is minted at opening and kept.
 * - change: something that was changed: a failover, a restart, a setting, a deployment.
 * - notification: what leaves: a page, an update, a resolve; kept in the outbox until delivered.
 *
 * Times are epoch milliseconds (`at`, `now`, `…At`), durations carry their unit in the name (`…Ms`, `…Seconds`).
 */
export type EpochMs = number;

/** An interval in epoch milliseconds: the true time lies between the two, both included. */
export interface Interval {
  readonly earliest: EpochMs;
  readonly latest: EpochMs;
}

/** Order of urgency, the field's (and PagerDuty's) four words. `info` never pages. */
export type Severity = 'critical' | 'error' | 'warning' | 'info';

export const SEVERITIES: readonly Severity[] = ['critical', 'error', 'warning', 'info'];

export type Unit = 's' | 'ms' | 'bytes' | 'ratio' | 'count' | 'per_second' | 'bytes_per_second' | 'bool';
