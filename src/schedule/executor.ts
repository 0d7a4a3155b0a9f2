/**
 * Runs jobs inline, in this process. A job is *idle*, *running*, or *stuck*: past its deadline while its promise has not
 * settled. What is running or stuck must not be started again; the caller looks at `state` first.
 */

import { type EpochMs, RunbookdError } from '../model/index.ts';
import { withDeadline } from './deadline.ts';
import { createFailures, type Failures, type ScheduleLog } from './failures.ts';

export interface Job {
  readonly id: string;
  /** At least 1,000. */
  readonly periodMs: number;
  readonly deadlineMs: number;
  /** Should end soon after `signal` is aborted: until it does, it is not started again. */
  run(now: EpochMs, signal: AbortSignal): Promise<void>;
}

export interface ExecutorOptions {
  now(): EpochMs;
  readonly log: ScheduleLog;
  readonly onError?: ((job: string, error: unknown) => void) | undefined;
}

export interface Executor {
  begin(job: Job): void;
  state(id: string): 'idle' | 'running' | 'stuck';
  /** Logs once for each run that a slot was lost to a stuck job: most late runs let go before they lose one. */
  tellStuck(job: Job): void;
  running(): readonly string[];
  stuck(): readonly string[];
  idle(): Promise<void>;
  /** Waits for what is running, then aborts it and gives it half a second to end. */
  drain(graceMs: number): Promise<void>;
}

const SETTLE_AFTER_ABORT_MS = 500;

interface Run {
  state: 'running' | 'stuck';
  told: boolean;
  /** Settles with the run or at its deadline; never rejects. */
  readonly done: Promise<void>;
  /** Settles when the job's own promise does; never rejects. */
  readonly settled: Promise<void>;
}

async function waitAtMost(ms: number, all: readonly Promise<void>[]): Promise<void> {
  await withDeadline(ms, new AbortController().signal, () => Promise.all(all)).catch(() => {});
}

export function createExecutor({ now, log, onError }: ExecutorOptions): Executor {
  // By id, not by job: a job that was replaced may still run, and must not overlap its successor.
  const runs = new Map<string, Run>();
  const failures = new Map<string, Failures>();
  const stopping = new AbortController();
  const where = (state: Run['state']): readonly Run[] => [...runs.values()].filter((run) => run.state === state);

  function failuresOf(id: string): Failures {
    const known = failures.get(id) ?? createFailures(id, log);
    failures.set(id, known);
    return known;
  }

  async function finish(job: Job, start: (signal: AbortSignal) => Promise<void>): Promise<void> {
    try {
      await withDeadline(job.deadlineMs, stopping.signal, start, job.id);
      failures.get(job.id)?.succeeded();
      failures.delete(job.id);
    } catch (error) {
      if (stopping.signal.aborted) return;
      failuresOf(job.id).failed(error);
      onError?.(job.id, error);
    }
  }

  return {
    begin(job) {
      const own = Promise.withResolvers<void>();
      const start = async (signal: AbortSignal): Promise<void> => {
        try {
          await job.run(now(), signal);
        } finally {
          own.resolve();
        }
      };
      const run: Run = { state: 'running', told: false, done: finish(job, start), settled: own.promise };
      runs.set(job.id, run);
      void run.done.then(() => {
        run.state = 'stuck';
      });
      void run.settled.then(() => {
        runs.delete(job.id);
        if (run.told) log.info({ job: job.id }, 'job has let go');
      });
    },
    state: (id) => runs.get(id)?.state ?? 'idle',
    tellStuck(job) {
      const run = runs.get(job.id);
      if (run === undefined || run.told) return;
      run.told = true;
      log.warn({ job: job.id, deadlineMs: job.deadlineMs }, 'job is stuck: it goes on after its deadline');
    },
    running: () => [...runs.keys()],
    stuck: () => [...runs].filter(([, run]) => run.state === 'stuck').map(([id]) => id),
    async idle() {
      for (let going = where('running'); going.length > 0; going = where('running')) {
        await Promise.all(going.map((run) => run.done));
      }
    },
    async drain(graceMs) {
      const going = where('running').map((run) => run.done);
      if (going.length > 0) await waitAtMost(graceMs, going);
      stopping.abort(new RunbookdError('ABORTED', ['scheduler']));
      const left = [...runs.values()].map((run) => run.settled);
      if (left.length > 0) await waitAtMost(SETTLE_AFTER_ABORT_MS, left);
    },
  };
}
