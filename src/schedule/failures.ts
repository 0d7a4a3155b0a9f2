import { messageOf } from '../model/index.ts';

/** As pino's: fields first, then a constant message. */
export interface ScheduleLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface Failures {
  failed(error: unknown): void;
  succeeded(): void;
}

/** Messages told apart per job; the rest is counted as one. */
const MAX_MESSAGES = 20;

/** A job's failures for the log: each message once until the job works again, which is told with the count. */
export function createFailures(job: string, log: ScheduleLog): Failures {
  const seen = new Set<string>();
  let count = 0;
  return {
    failed(error) {
      count++;
      const message = messageOf(error);
      if (seen.has(message) || seen.size >= MAX_MESSAGES) return;
      seen.add(message);
      log.warn({ job, err: error }, 'job failed; the same failure is counted, not repeated');
    },
    succeeded() {
      if (count === 0) return;
      log.info({ job, failures: count }, 'job works again');
      seen.clear();
      count = 0;
    },
  };
}
