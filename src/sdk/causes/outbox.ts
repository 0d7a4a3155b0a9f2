/**
 * Why rows wait in an outbox: nobody takes them, whoever takes them fails, takes too few or gets too many, or one at the
 * head that nobody can take. The names are those of a queue's consumer: it is the same trouble, seen at the table.
 */

import type { Hypothesis, Mitigation } from '../detector.ts';
import { lockContentionHypotheses } from './lock-contention.ts';
import { downstreamWellProbe, workerMessagesProbe, workerSuffersProbe } from './outbox-around.ts';
import {
  addedProbe,
  ageShapeProbe,
  outboxLocksProbe,
  outboxStatementProbe,
  pendingShapeProbe,
  processedProbe,
  rollbacksProbe,
  workerSessionsProbe,
  workerStatementsProbe,
} from './outbox-probes.ts';
import { searchEngineDownHypotheses } from './search-engine.ts';
import { slowQueryHypotheses } from './slow-query.ts';
import { overChanges } from './statements.ts';

const LOOK = ['outbox-count', 'outbox-worker-logs'] as const;

/** Locks on the outbox and slow statements at it explain more than its worker. */
const elsewhere = () => [outboxLocksProbe({ its: -5.5, others: 0 }), outboxStatementProbe({ slow: -5, others: 0 })];

const workerChanges = () =>
  overChanges(
    'worker-changes',
    0.7,
    'deployments, flags and restarts before',
    ({ kind }) => kind === 'deployment' || kind === 'flag' || kind === 'restart',
  );

/** On the database itself; spread `outboxMitigations` into the detector's mitigations beside them. */
export function outboxHypotheses(): readonly Hypothesis[] {
  return [
    {
      cause: 'consumer-stopped',
      title: 'Outbox worker stopped: rows are added and nobody takes them',
      prior: 0.2,
      on: 'self',
      requires: ['age-shape'],
      probes: [
        ageShapeProbe({ stuck: 1.2, behind: -3 }),
        pendingShapeProbe({ grows: 1, flat: -4 }),
        processedProbe({ none: 1, less: -3.5, same: -5 }),
        workerStatementsProbe({ stopped: 2.2, fetchesOnly: -4, works: -3.5 }),
        workerSessionsProbe({ gone: 2.2, there: -3 }),
        workerMessagesProbe({ fails: -2.5, quiet: 0 }),
        workerChanges(),
        ...elsewhere(),
      ],
      mitigations: [...LOOK, 'outbox-head'],
    },
    {
      cause: 'consumer-failing',
      title: 'Outbox worker failing: rows are taken and not finished',
      prior: 0.18,
      on: 'self',
      requires: ['age-shape'],
      probes: [
        ageShapeProbe({ stuck: 1, behind: -2 }),
        pendingShapeProbe({ grows: 0.7, flat: -3.5 }),
        processedProbe({ none: 1, less: 0, same: -4.5 }),
        workerStatementsProbe({ stopped: -4, fetchesOnly: 2.5, works: -3 }),
        workerSessionsProbe({ gone: -4, there: 0.7 }),
        rollbacksProbe(1.8),
        workerMessagesProbe({ fails: 2.2, quiet: -0.7 }),
        downstreamWellProbe(7),
        workerChanges(),
        ...elsewhere(),
      ],
      mitigations: ['outbox-worker-logs', 'outbox-head', 'outbox-count'],
    },
    {
      cause: 'consumer-under-capacity',
      title: 'Outbox worker under capacity: it works off less than is added',
      prior: 0.15,
      on: 'self',
      requires: ['age-shape'],
      probes: [
        ageShapeProbe({ stuck: -2.5, behind: 1.5 }),
        pendingShapeProbe({ grows: 1, flat: -3.5 }),
        processedProbe({ none: -4.5, less: 1.7, same: 0 }),
        addedProbe({ surge: -3.5, usual: 0.5 }),
        downstreamWellProbe(3),
        workerStatementsProbe({ stopped: -4, fetchesOnly: -3, works: 0.5 }),
        workerSessionsProbe({ gone: -3, there: 0.3 }),
        ...elsewhere(),
      ],
      mitigations: [...LOOK],
    },
    {
      cause: 'traffic-surge',
      title: 'Traffic surge: far more rows are added than usual',
      prior: 0.12,
      on: 'self',
      requires: ['added'],
      probes: [
        addedProbe({ surge: 3.5, usual: -4.5 }),
        ageShapeProbe({ stuck: -2.5, behind: 0.7 }),
        pendingShapeProbe({ grows: 0.5, flat: -3 }),
        processedProbe({ none: -4, less: -1.5, same: 0.5 }),
        ...elsewhere(),
      ],
      mitigations: [...LOOK],
    },
    {
      cause: 'poison-row',
      title: 'Poison row: one row at the head cannot be worked off, the others pass it',
      prior: 0.08,
      on: 'self',
      requires: ['age-shape', 'pending-shape'],
      probes: [
        ageShapeProbe({ stuck: 1.2, behind: -3 }),
        pendingShapeProbe({ grows: -4.5, flat: 2.8 }),
        processedProbe({ none: -4, less: -1, same: 1 }),
        workerStatementsProbe({ stopped: -4, fetchesOnly: 0, works: 0.7 }),
        ...elsewhere(),
      ],
      mitigations: ['outbox-head', 'outbox-worker-logs', 'outbox-count'],
    },
    ...searchEngineDownHypotheses('dependent').map((one) => ({
      ...one,
      probes: [...one.probes, workerSuffersProbe()],
    })),
    ...lockContentionHypotheses({ on: 'self', priorScale: 0.3 }).map((one) => ({
      ...one,
      probes: [...one.probes, outboxLocksProbe({ its: 1.5, others: -4.5 })],
    })),
    ...slowQueryHypotheses('self')
      // That all is called more often is the surge.
      .filter(({ variant }) => variant !== 'more-calls')
      .map((one) => ({
        ...one,
        prior: one.prior * 0.7,
        probes: [...one.probes, outboxStatementProbe({ slow: 1.2, others: -4 })],
      })),
  ];
}

const readOnly = { risk: 'read-only', riskText: 'reads only' } as const;

export const outboxMitigations: Readonly<Record<string, Mitigation>> = {
  'outbox-count': {
    ...readOnly,
    title: 'Count the rows that wait and those that are done',
    command: '{psql} -c "select count(*), processed from {outboxTable} group by processed"',
  },
  'outbox-head': {
    ...readOnly,
    title: 'Look at the oldest rows that wait, without what they carry',
    riskText: 'reads five rows; what they carry is left out',
    command: `{psql} -c "select to_jsonb(o) - 'payload' as waiting from {outboxTable} o where not processed order by created_at limit 5"`,
  },
  'outbox-worker-logs': {
    ...readOnly,
    title: "Look at the worker's log",
    command: 'aws logs tail {logGroup} --since 30m',
  },
};
