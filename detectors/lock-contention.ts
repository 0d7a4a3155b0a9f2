import {
  connectionPoolFull,
  connectionPoolMitigations,
  databaseSaturatedHypotheses,
  databaseSaturatedMitigations,
  defineDetector,
  duration,
  type Interval,
  integer,
  lifecycleOptions,
  lockContentionHypotheses,
  lockContentionMitigations,
  number,
  plural,
  points,
  type Reading,
} from 'runbookd/sdk';

/**
 * When blocking began. The server's own wait time says since when at the latest (whoever waited first may have given
 * up since); at the earliest it was after the last clean look before that.
 */
function onsetOf(blocked: Reading, at: number, waitSeconds: number): Interval {
  const latest = Math.round(at - waitSeconds * 1000);
  const clean = blocked.samples.findLast((sample) => sample.value === 0 && sample.at <= latest);
  return { earliest: clean?.at ?? latest - blocked.periodMs, latest };
}

export const detector = defineDetector({
  id: 'lock-contention',
  title: 'Lock contention',
  why: 'Sessions queue behind a lock, each holds a connection while it waits, and the queue grows until the pool is empty.',
  runbook: 'Database / Lock Contention',
  target: 'database',
  signals: {
    blocked: {
      signal: 'blocked_sessions',
      unit: 'count',
      required: true,
      description: 'sessions that wait for a lock',
    },
    wait: {
      signal: 'longest_lock_wait_seconds',
      unit: 's',
      required: true,
      description: 'how long the longest of them has been waiting',
    },
    ddlQueue: {
      signal: 'ddl_queue_waiters',
      unit: 'count',
      required: false,
      description: 'sessions that queue behind a DDL statement which itself waits',
    },
    clients: {
      signal: 'client_sessions',
      unit: 'count',
      required: false,
      description: 'sessions in all, for comparison',
    },
  },
  options: {
    ...lifecycleOptions({ pollSeconds: 15, holdSeconds: 30, clearPolls: 2, clearSeconds: 0 }),
    minimumBlocked: integer(1, 'sessions that must be blocked', { unit: 'sessions', minimum: 1 }),
    clearWaitSeconds: number(5, 'once it fires, it goes on while the longest wait is at least this', {
      unit: 's',
      minimum: 0,
    }),
    criticalBlocked: integer(3, 'blocked sessions from which it is critical', { unit: 'sessions', minimum: 1 }),
    criticalWaitSeconds: number(120, 'longest wait from which it is critical', { unit: 's', minimum: 0 }),
    ddlWaiters: integer(
      2,
      'sessions queued behind a waiting DDL statement from which it is critical without the hold',
      {
        unit: 'sessions',
        minimum: 1,
      },
    ),
    ddlWaitSeconds: number(5, 'longest wait from which that queue counts', { unit: 's', minimum: 0 }),
  },
  rule({ options, readings, target, active }) {
    const [blocked] = readings('blocked_sessions');
    const [wait] = readings('longest_lock_wait_seconds');
    const [ddlQueue] = readings('ddl_queue_waiters');
    const [clients] = readings('client_sessions');
    const sessions = blocked?.samples.at(-1);
    const longest = wait?.samples.at(-1);
    if (blocked === undefined || sessions === undefined) return { state: 'no_data', signals: ['blocked_sessions'] };
    if (longest === undefined) return { state: 'no_data', signals: ['longest_lock_wait_seconds'] };
    const at = Math.max(sessions.at, longest.at);
    const waiters = ddlQueue?.samples.at(-1)?.value ?? 0;
    const isDdl = waiters >= options.ddlWaiters && longest.value > options.ddlWaitSeconds;
    // The wait itself must have lasted for the hold: short waits of ever new sessions are the life of a busy server.
    const needSeconds = active('') ? Math.min(options.clearWaitSeconds, options.holdSeconds) : options.holdSeconds;
    const isLong = sessions.value >= options.minimumBlocked && longest.value >= needSeconds;
    if (!isDdl && !isLong) return { state: 'judged', at, symptoms: [] };
    const critical = isDdl || sessions.value >= options.criticalBlocked || longest.value >= options.criticalWaitSeconds;
    const all = clients?.samples.at(-1)?.value ?? 0;
    const who =
      all < sessions.value
        ? plural(sessions.value, 'session')
        : `${sessions.value} of ${plural(all, 'client session')}`;
    const behind = isDdl ? `; ${plural(waiters, 'session')} queue behind a DDL statement that waits itself` : '';
    return {
      state: 'judged',
      at,
      symptoms: [
        {
          subject: '',
          severity: critical ? 'critical' : 'warning',
          headline: `${plural(sessions.value, 'session')} blocked for ${duration(longest.value)}`,
          summary: `${who} of ${target.name} ${sessions.value === 1 ? 'waits' : 'wait'} for locks, the longest for ${duration(longest.value)}${behind}.`,
          onset: onsetOf(blocked, longest.at, longest.value),
          readings: points([blocked, wait, ddlQueue, clients]),
          ...(isDdl ? { urgent: true } : {}),
        },
      ],
    };
  },
  hypotheses: [
    ...lockContentionHypotheses(),
    ...databaseSaturatedHypotheses().map((hypothesis) => ({
      ...hypothesis,
      prior: 0.08,
      mitigations: ['saturated-waits'],
    })),
    connectionPoolFull(),
  ],
  mitigations: {
    ...lockContentionMitigations,
    ...databaseSaturatedMitigations,
    'count-by-state': connectionPoolMitigations['count-by-state']!,
  },
});
