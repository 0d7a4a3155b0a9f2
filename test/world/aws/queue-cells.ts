/** A queue under a condition, cell by cell: who waits since when, what was taken, what comes back, what is given up. */

import type { QueueFacts } from './queue-model.ts';
import type { QueueEffects } from './types.ts';

export interface QueueCell {
  readonly sent: number;
  readonly received: number;
  readonly deleted: number;
  readonly visible: number;
  readonly inFlight: number;
  readonly ageSeconds: number;
  readonly dead: number;
  readonly runs: number;
  readonly failedRuns: number;
  readonly timeouts: number;
  readonly poisoned: number;
  readonly throttles: number;
  readonly concurrency: number;
}

export interface QueueCellsOptions {
  readonly facts: QueueFacts;
  readonly cellMs: number;
  /** When the first condition begins; infinite without one. */
  readonly startedAt: () => number;
  readonly effectsAt: (at: number) => readonly QueueEffects[];
  readonly sent: (start: number, effects: readonly QueueEffects[]) => number;
  readonly pollers: number;
}

export interface QueueCells {
  /** Null while no condition has begun. */
  at(time: number): QueueCell | null;
  origin(): number;
  reset(): void;
}

/** Messages that were sent together and have fared alike since. Counts may be fractions. */
interface Cohort {
  readonly sentAt: number;
  readonly receives: number;
  readonly poison: boolean;
  readonly visibleAt: number;
  readonly count: number;
}

/** What is left of the account's concurrency, by default all of it. */
const ACCOUNT_RUNS = 1_000;
/** Pollers that are throttled try again about that often. */
const RETRY_MS = 4_000;
/** Below it a message is gone. */
const NOTHING = 1e-6;
/** SQS counts messages only before their third receive for the age of the oldest. */
const COUNTED_RECEIVES = 3;

export function createQueueCells(options: QueueCellsOptions): QueueCells {
  const { facts, cellMs, startedAt, effectsAt, sent: sentAt, pollers } = options;
  const cellSeconds = cellMs / 1_000;
  let cells: QueueCell[] = [];
  let cohorts: readonly Cohort[] = [];
  let origin = 0;

  /** Runs at once that the fleet's figure of the capacity stands for. */
  const usualRuns = (facts.capacityPerMinute * facts.runMs.mean) / (60_000 * facts.batchSize);

  function step(start: number): QueueCell {
    const end = start + cellMs;
    const effects = effectsAt(start + cellMs / 2);
    const product = (of: (one: QueueEffects) => number | undefined): number =>
      effects.reduce((all, one) => all * (of(one) ?? 1), 1);
    const most = (of: (one: QueueEffects) => number | undefined): number =>
      Math.max(0, ...effects.map((one) => of(one) ?? 0));
    const least = (of: (one: QueueEffects) => number | undefined): number =>
      Math.min(Number.POSITIVE_INFINITY, ...effects.map((one) => of(one) ?? Number.POSITIVE_INFINITY));

    const sent = sentAt(start, effects);
    const poison = sent * most((one) => one.poisonShare);
    cohorts = [
      ...cohorts,
      { sentAt: start, receives: 0, poison: false, visibleAt: start, count: sent - poison },
      { sentAt: start, receives: 0, poison: true, visibleAt: start, count: poison },
    ].filter(({ count }) => count > NOTHING);

    const hangs = effects.some(({ hang }) => hang === true) ? 1 : 0;
    const limitMs = facts.timeoutSeconds * 1_000;
    const ownMs = Math.min(limitMs, facts.runMs.mean * product((one) => one.durationFactor));
    const runMs = hangs * limitMs + (1 - hangs) * ownMs;
    const disabled = effects.some(({ eventSource }) => eventSource?.disabled === true);
    /** What pollers would start, and what Lambda lets them. */
    const wanted = disabled
      ? 0
      : Math.min(
          usualRuns,
          least((one) => one.eventSource?.maximumConcurrency),
        );
    const reserved = least((one) => one.reserved);
    const allowed = Math.min(
      facts.reservedConcurrency ?? Number.POSITIVE_INFINITY,
      Number.isFinite(reserved) ? reserved : ACCOUNT_RUNS - most((one) => one.accountTaken),
    );
    const runsAtOnce = Math.min(wanted, Math.max(0, allowed));
    const throttled = most((one) => one.throttledShare);
    const capacity =
      ((runsAtOnce * facts.batchSize * cellMs) / runMs) * product((one) => one.capacityFactor) * (1 - throttled);

    const ready = cohorts.filter(({ visibleAt }) => visibleAt < end).sort((a, b) => a.sentAt - b.sentAt);
    const waiting = cohorts.filter(({ visibleAt }) => visibleAt >= end);
    const failing = most((one) => one.errorShare);
    let left = capacity;
    let deleted = 0;
    let given = 0;
    let poisoned = 0;
    let dead = cells.at(-1)?.dead ?? 0;
    const kept: Cohort[] = [];
    for (const cohort of ready) {
      // Who would receive it once more finds that it was received too often.
      if (cohort.receives >= facts.maxReceives && left > 0) {
        dead += cohort.count;
        continue;
      }
      const taken = Math.min(left, cohort.count);
      left -= taken;
      if (cohort.count - taken > NOTHING) kept.push({ ...cohort, count: cohort.count - taken });
      const back = cohort.poison ? taken : taken * (hangs + (1 - hangs) * failing);
      if (cohort.poison && hangs === 0) poisoned += taken;
      deleted += taken - back;
      given += taken;
      if (back > NOTHING) {
        kept.push({
          ...cohort,
          receives: cohort.receives + 1,
          visibleAt: start + facts.visibilityTimeoutSeconds * 1_000,
          count: back,
        });
      }
    }
    cohorts = merged([...waiting, ...kept]);
    const visible = total(cohorts.filter(({ visibleAt }) => visibleAt < end));
    // Whole batches once there is enough; before, pollers share what there is.
    const perRun =
      left < capacity * 0.02
        ? facts.batchSize
        : Math.min(facts.batchSize, Math.max(1, ((given / cellSeconds) * runMs) / 1_000 / pollers));
    const runs = given / perRun;
    const isFull = visible > facts.batchSize && left < capacity * 0.02;
    const refused = isFull || allowed <= 0 ? Math.max(0, wanted - runsAtOnce) : 0;
    const oldest = cohorts
      .filter(({ receives }) => receives < COUNTED_RECEIVES)
      .reduce((first, one) => Math.min(first, one.sentAt), end);
    return {
      sent,
      received: given,
      deleted,
      visible,
      inFlight: total(cohorts.filter(({ visibleAt }) => visibleAt >= end)) + (deleted / cellSeconds) * (ownMs / 1_000),
      ageSeconds: Math.round((end - oldest) / 1_000),
      dead,
      runs,
      failedRuns: runs * (hangs + (1 - hangs) * failing),
      timeouts: runs * hangs,
      poisoned,
      throttles: (refused * cellMs) / RETRY_MS + (throttled > 0 ? (runs * throttled) / (1 - throttled) : 0),
      concurrency: isFull ? runsAtOnce : (runs / cellSeconds) * (runMs / 1_000),
    };
  }

  return {
    at(time) {
      const first = startedAt();
      if (!(time >= first)) return null;
      if (cells.length === 0) {
        origin = Math.floor(first / cellMs) * cellMs;
        cohorts = [];
      }
      const wanted = Math.floor((time - origin) / cellMs);
      while (cells.length <= wanted) cells.push(step(origin + cells.length * cellMs));
      return cells[wanted] ?? null;
    },
    origin: () => origin,
    reset: () => {
      cells = [];
    },
  };
}

const total = (cohorts: readonly Cohort[]): number => cohorts.reduce((sum, one) => sum + one.count, 0);

/** Those that cannot be told apart are one. */
function merged(cohorts: readonly Cohort[]): readonly Cohort[] {
  const byKind = Map.groupBy(cohorts, (one) => `${one.sentAt}/${one.receives}/${one.poison}/${one.visibleAt}`);
  return [...byKind.values()].map((group) => ({ ...group[0]!, count: total(group) }));
}
