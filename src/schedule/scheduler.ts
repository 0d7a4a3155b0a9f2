/**
 * The scheduler: runs jobs at their pace, each by itself. node-cron's calendar calls `tick()` each second; what is due is
 * decided by the monotonic clock alone, so the wall clock may step without a run lost or doubled. Between ticks one timer
 * wakes for the next due job, so that a run starts in its slot and not up to a second after.
 * A job that still runs, or is stuck, is not started; the others go on.
 */

import { RunbookdError } from '../model/index.ts';
import type { Clock } from './clock.ts';
import { decideDue, phaseOf, SILENT_AFTER_MS, type SlotMissed, slotFrom, watch } from './due.ts';
import { createExecutor, type Job } from './executor.ts';
import type { ScheduleLog } from './failures.ts';
import { cronTicker, type StartTicker } from './ticker.ts';

export type { Job } from './executor.ts';

/** `watchdog`: the ticker fell silent; `stall`: the event loop stood still. Both name `SCHEDULER`, not a job. */
export type MissedReason = SlotMissed | 'watchdog' | 'stall';

/** The job name under which the scheduler reports about itself. */
export const SCHEDULER = 'scheduler';

export interface SchedulerOptions extends Clock {
  readonly log: ScheduleLog;
  /** Must not throw. `slots` is how many runs were left out. */
  readonly onMissed?: (job: string, reason: MissedReason, slots: number) => void;
  /** Every failed run, deadline included; the log has each message once. Must not throw. */
  readonly onError?: (job: string, error: unknown) => void;
  readonly startTicker?: StartTicker;
  /** Whether a job first runs when it is added (staggered) or waits for its slot. Default true. */
  readonly runAtStart?: boolean;
}

export interface Lateness {
  readonly lastTickMonotonic: number;
  /** No tick for more than 2.5 s. */
  readonly stalled: boolean;
  readonly stuck: readonly string[];
}

export interface Scheduler {
  /** Adding an id again replaces the job; a run in progress ends first. Throws CONFIG_INVALID. */
  add(job: Job): void;
  /** No new runs of it; one in progress goes on to its end or deadline. */
  remove(id: string): void;
  /** Starts what is due. Cheap, may be called at any time. */
  tick(): void;
  start(): void;
  /** No new runs; waits for those in progress, then aborts them and gives them half a second to end. Final. */
  stop(graceMs: number): Promise<void>;
  lateness(): Lateness;
  /** Jobs whose promise has not settled, stuck ones included. */
  running(): readonly string[];
  /** Resolves when no run is in progress; a stuck one is not waited for. */
  idle(): Promise<void>;
}

const MIN_PERIOD_MS = 1000;
const WATCHDOG_MS = 1000;
/** How far ahead a timer is armed: beyond the next look of the watchdog, should the ticker be silent. */
const WAKE_AHEAD_MS = SILENT_AFTER_MS + WATCHDOG_MS;
/** Jobs due within this time start together, so that thousands of them do not mean thousands of looks. */
const MIN_WAKE_MS = 20;
/** First runs follow each other by this much, and all come within the spread. */
const STAGGER_MS = 200;
const STAGGER_SPREAD_MS = 5000;

interface Entry {
  readonly job: Job;
  readonly phaseMs: number;
  nextMs: number;
  inPhase: boolean;
}

export function createScheduler(options: SchedulerOptions): Scheduler {
  const { log, onMissed, onError, runAtStart = true, startTicker = cronTicker } = options;
  const executor = createExecutor({ now: options.now, log, onError });
  const entries = new Map<string, Entry>();
  const releases: (() => void)[] = [];
  let unplaced: Entry[] = [];
  let lastTickMs = options.monotonic();
  let wake: NodeJS.Timeout | undefined;
  let phase: 'new' | 'started' | 'stopped' = 'new';
  let stopped: Promise<void> | undefined;
  let silentLooks = 0;

  function remove(id: string): void {
    entries.delete(id);
    unplaced = unplaced.filter((entry) => entry.job.id !== id);
  }

  /** First runs of jobs that were added since the last look: all soon, not all at once. */
  function place(nowMs: number): void {
    const stagger = Math.min(STAGGER_MS, STAGGER_SPREAD_MS / Math.max(1, unplaced.length));
    unplaced.forEach((entry, i) => {
      entry.nextMs = runAtStart ? nowMs + i * stagger : slotFrom(entry.job.periodMs, entry.phaseMs, nowMs);
      entry.inPhase = !runAtStart;
    });
    unplaced = [];
  }

  function startDue(): void {
    if (phase === 'stopped') return;
    const nowMs = options.monotonic();
    place(nowMs);
    for (const entry of entries.values()) {
      if (nowMs < entry.nextMs) continue;
      const { job, phaseMs, nextMs, inPhase } = entry;
      const state = executor.state(job.id);
      const decision = decideDue({ periodMs: job.periodMs, phaseMs, nextMs, inPhase, state }, nowMs);
      entry.inPhase = true;
      entry.nextMs = decision.nextMs;
      if (decision.missed?.reason === 'stuck') executor.tellStuck(job);
      if (decision.missed !== null) onMissed?.(job.id, decision.missed.reason, decision.missed.slots);
      if (decision.run) executor.begin(job);
    }
    if (phase === 'started') armWake(nowMs);
  }

  function armWake(nowMs: number): void {
    clearTimeout(wake);
    let nextMs = Number.POSITIVE_INFINITY;
    for (const entry of entries.values()) nextMs = Math.min(nextMs, entry.nextMs);
    if (nextMs - nowMs > WAKE_AHEAD_MS) return;
    wake = setTimeout(startDue, Math.max(MIN_WAKE_MS, Math.ceil(nextMs - nowMs))).unref();
  }

  function tick(): void {
    lastTickMs = options.monotonic();
    if (silentLooks > 0) log.info({ looks: silentLooks }, 'ticker is back');
    silentLooks = 0;
    startDue();
  }

  function startWatchdog(): () => void {
    let lastLookMs = options.monotonic();
    const timer = setInterval(() => {
      const nowMs = options.monotonic();
      const verdict = watch(nowMs, lastTickMs, lastLookMs);
      lastLookMs = nowMs;
      if (verdict === 'ok') return;
      const silentMs = Math.round(nowMs - lastTickMs);
      if (verdict === 'stall') log.warn({ silentMs }, 'event loop stood still');
      else if (silentLooks++ === 0) log.warn({ silentMs }, 'ticker is silent: the watchdog looks in its place');
      onMissed?.(SCHEDULER, verdict === 'stall' ? 'stall' : 'watchdog', 1);
      startDue();
    }, WATCHDOG_MS).unref();
    return () => clearInterval(timer);
  }

  async function shutDown(graceMs: number): Promise<void> {
    phase = 'stopped';
    clearTimeout(wake);
    for (const release of releases.splice(0).reverse()) release();
    await executor.drain(graceMs);
  }

  return {
    add(job) {
      if (!(job.periodMs >= MIN_PERIOD_MS) || !Number.isFinite(job.periodMs)) {
        throw new RunbookdError('CONFIG_INVALID', [
          `job ${job.id}: period ${job.periodMs} ms, expected at least ${MIN_PERIOD_MS} ms`,
        ]);
      }
      if (!(job.deadlineMs > 0)) {
        throw new RunbookdError('CONFIG_INVALID', [
          `job ${job.id}: deadline ${job.deadlineMs} ms, expected more than 0`,
        ]);
      }
      const { id, periodMs } = job;
      const entry: Entry = { job, phaseMs: phaseOf(id, periodMs), nextMs: Number.POSITIVE_INFINITY, inPhase: false };
      remove(id);
      entries.set(id, entry);
      unplaced.push(entry);
    },
    remove,
    tick,
    start() {
      if (phase !== 'new') return;
      phase = 'started';
      lastTickMs = options.monotonic();
      releases.push(startWatchdog());
      releases.push(startTicker(tick));
      tick();
    },
    stop(graceMs) {
      stopped ??= shutDown(graceMs);
      return stopped;
    },
    lateness() {
      const stalled = options.monotonic() - lastTickMs > SILENT_AFTER_MS;
      return { lastTickMonotonic: lastTickMs, stalled, stuck: executor.stuck() };
    },
    running: executor.running,
    idle: executor.idle,
  };
}
