/**
 * When a job is due: pure decisions over the monotonic clock, so that neither a clock step nor daylight saving can move
 * them. A job's slots are `phase + k · period` for whole k; the phase is a hash of its id, so that jobs of one period
 * spread over it, the same way at every start.
 */

/** Why a slot passed without a run of its own. */
export type SlotMissed =
  /** The run before was still going. */
  | 'overlap'
  /** The run before is past its deadline and has not let go. */
  | 'stuck'
  /** Nobody looked in time: the event loop stood still, or the machine slept. */
  | 'late';

export interface Pace {
  readonly periodMs: number;
  readonly phaseMs: number;
  /** Monotonic time of the next run. */
  readonly nextMs: number;
  /** False until the first run when that came at start, before the job's own slot. */
  readonly inPhase: boolean;
  readonly state: 'idle' | 'running' | 'stuck';
}

export interface DueDecision {
  readonly run: boolean;
  readonly missed: { readonly reason: SlotMissed; readonly slots: number } | null;
  readonly nextMs: number;
}

/** FNV-1a, 32 bits (Fowler, Noll, Vo; draft-eastlake-fnv), of the id's UTF-16 code units, spread over the period. */
export function phaseOf(id: string, periodMs: number): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193);
  // FNV's high bits hardly differ between ids that differ in the last letter only: mix once more (murmur3's finaliser).
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32) * periodMs;
}

/** First slot at or after that monotonic time. */
export function slotFrom(periodMs: number, phaseMs: number, atLeastMs: number): number {
  return phaseMs + Math.ceil((atLeastMs - phaseMs) / periodMs) * periodMs;
}

/** After a standstill a job runs once, not once for each slot; a job never overlaps itself. */
export function decideDue(pace: Pace, nowMs: number): DueDecision {
  if (nowMs < pace.nextMs) return { run: false, missed: null, nextMs: pace.nextMs };
  const passed = Math.floor((nowMs - pace.nextMs) / pace.periodMs) + 1;
  const nextMs = pace.inPhase
    ? pace.nextMs + passed * pace.periodMs
    : // From the first run to the job's own slot it is at least half a period, at most one and a half.
      slotFrom(pace.periodMs, pace.phaseMs, nowMs + pace.periodMs / 2);
  if (pace.state !== 'idle') {
    return { run: false, missed: { reason: pace.state === 'stuck' ? 'stuck' : 'overlap', slots: passed }, nextMs };
  }
  return { run: true, missed: passed > 1 ? { reason: 'late', slots: passed - 1 } : null, nextMs };
}

/** A ticker that comes each second has fallen silent when nothing came for this long. */
export const SILENT_AFTER_MS = 2_500;

/**
 * What the watchdog makes of its own look: `silent` when the ticker alone failed (a backward clock step), `stall` when
 * the watchdog too was held up (a blocked event loop).
 */
export function watch(nowMs: number, lastTickMs: number, lastLookMs: number): 'ok' | 'silent' | 'stall' {
  if (nowMs - lastTickMs <= SILENT_AFTER_MS) return 'ok';
  return nowMs - lastLookMs > SILENT_AFTER_MS ? 'stall' : 'silent';
}
