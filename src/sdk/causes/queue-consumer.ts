/**
 * Why messages wait: more come than usual, or the consumer works off less than usual, and then what keeps it: too little
 * capacity, a limit, its own errors, waiting, single messages that it cannot take, or that nobody receives at all.
 */

import type { Hypothesis } from '../detector.ts';
import { externalServiceHypotheses } from './external-service.ts';
import { eventSourceLimitProbe, eventSourceProbe } from './queue-event-source.ts';
import { concurrencyProbe, limitProbe, switchedOffProbe } from './queue-limits.ts';
import {
  deadLettersProbe,
  inFlightProbe,
  invocationsProbe,
  passedByProbe,
  receivesProbe,
  workedOffProbe,
} from './queue-messages.ts';
import {
  consumerChangedProbe,
  consumerSuffersProbe,
  dependencyWellProbe,
  durationProbe,
  errorsProbe,
  flowProbe,
  ownMessagesProbe,
  sentProbe,
  throttlesProbe,
} from './queue-probes.ts';
import { queueNowProbe } from './queue-series.ts';
import { searchEngineDownHypotheses } from './search-engine.ts';
import { serviceDatabaseHypotheses, serviceDatabaseUnreachableHypotheses } from './service-database.ts';

export { raisedConcurrency } from './queue-limits.ts';
export { queueMitigations } from './queue-mitigations.ts';
export { clearText, secondsToClear } from './queue-series.ts';

/** On the queue itself; spread `queueMitigations` into the detector's mitigations beside these. */
export function queueHypotheses(): readonly Hypothesis[] {
  return [
    {
      cause: 'consumer-under-capacity',
      title: 'Consumer under capacity: it works without errors, and less than comes in',
      prior: 0.15,
      on: 'self',
      requires: ['flow'],
      probes: [
        flowProbe({ still: -5, behind: 2.3, level: -3 }),
        errorsProbe({ most: -4, many: -4, some: -1, none: 0.7 }),
        throttlesProbe({ many: -4.5, none: 0.7 }),
        sentProbe({ surge: -4, usual: 1 }),
        durationProbe({ long: 1, longer: 1.5, same: 0 }),
        concurrencyProbe(),
        eventSourceLimitProbe({ held: -5, at: 0, room: 0, none: 0 }),
        queueNowProbe(),
      ],
      mitigations: [
        'processing-rate',
        'event-source',
        'raise-event-source',
        'raise-concurrency',
        'queue-now',
        'queue-age',
      ],
    },
    {
      cause: 'consumer-under-capacity',
      variant: 'event-source',
      title: 'Consumer under capacity: its event source starts too few runs at once',
      prior: 0.05,
      on: 'self',
      requires: ['flow', 'event-source-limit'],
      probes: [
        flowProbe({ still: -5, behind: 2.3, level: -3 }),
        errorsProbe({ most: -4, many: -4, some: -1, none: 0.3 }),
        throttlesProbe({ many: -4.5, none: 0.3 }),
        sentProbe({ surge: -4, usual: 1 }),
        durationProbe({ long: -2.5, longer: -1, same: 0.5 }),
        eventSourceLimitProbe({ held: 4, at: 0, room: -4, none: -6 }),
        queueNowProbe(),
      ],
      mitigations: ['event-source', 'raise-event-source', 'processing-rate', 'queue-now', 'queue-age'],
    },
    {
      cause: 'consumer-throttled',
      title: 'Consumer throttled: its concurrency limit refuses its runs',
      prior: 0.12,
      on: 'self',
      requires: ['throttles'],
      // Runs that hang take up what there is: being refused is what comes of it.
      probes: [
        throttlesProbe({ many: 4, none: -5 }),
        limitProbe('reserved'),
        durationProbe({ long: -5, longer: 0, same: 0.3 }),
        queueNowProbe(),
      ],
      mitigations: ['concurrency-now', 'raise-concurrency', 'queue-now', 'processing-rate', 'queue-age'],
    },
    {
      cause: 'consumer-throttled',
      variant: 'account',
      title: "Consumer throttled: nothing is reserved for it, and the account's concurrency is used up",
      prior: 0.05,
      on: 'self',
      requires: ['throttles', 'limit'],
      probes: [
        throttlesProbe({ many: 4, none: -5 }),
        limitProbe('account'),
        durationProbe({ long: -5, longer: 0, same: 0.3 }),
        queueNowProbe(),
      ],
      mitigations: ['account-limits', 'reserve-concurrency', 'queue-now', 'processing-rate', 'queue-age'],
    },
    {
      cause: 'consumer-failing',
      title: 'Consumer failing: its runs end with errors, so messages come again and again',
      prior: 0.2,
      on: 'self',
      requires: ['consumer-errors'],
      probes: [
        errorsProbe({ most: 4.5, many: 3, some: 0, none: -5 }),
        durationProbe({ long: -5, longer: 0, same: 0.5 }),
        flowProbe({ still: 0, behind: 0, level: -3.5 }),
        ownMessagesProbe(['exception', 'other', 'out-of-memory']),
        dependencyWellProbe(5.5),
        consumerChangedProbe(),
        queueNowProbe(),
      ],
      mitigations: ['consumer-logs', 'consumer-version', 'deploy-history', 'queue-now'],
    },
    {
      cause: 'consumer-hanging',
      title: 'Consumer hanging: messages are taken and not finished, runs last until their time limit',
      prior: 0.1,
      on: 'self',
      requires: ['duration'],
      probes: [
        durationProbe({ long: 3, longer: 0, same: -4 }),
        flowProbe({ still: 2, half: 0, behind: -1.5, level: -4 }),
        inFlightProbe(),
        // A run that its time limit ends is a failed one.
        errorsProbe({ most: 0.7, many: 0.5, some: 0, none: -3 }),
        switchedOffProbe(-4, 0),
        ownMessagesProbe(['timeout']),
        dependencyWellProbe(6),
        queueNowProbe(),
      ],
      mitigations: ['consumer-timeouts', 'consumer-version', 'queue-now'],
    },
    {
      cause: 'poison-messages',
      title: 'Poison messages: single messages fail each time and end as dead letters, the others flow',
      prior: 0.12,
      on: 'self',
      requires: ['flow'],
      probes: [
        deadLettersProbe(),
        passedByProbe(),
        flowProbe({ still: -4, half: -3, behind: 0, level: 1.5 }),
        throttlesProbe({ many: -4, none: 0 }),
        errorsProbe({ most: -3, many: 0.5, some: 0.5, none: 0 }),
        queueNowProbe(),
      ],
      mitigations: ['dead-letters', 'peek-dead-letters', 'consumer-logs'],
    },
    {
      cause: 'traffic-surge',
      title: 'Traffic surge: far more messages are sent than usual, and the consumer works as ever',
      prior: 0.15,
      on: 'self',
      requires: ['sent'],
      probes: [
        sentProbe({ surge: 4, usual: -5 }),
        workedOffProbe(),
        concurrencyProbe(0),
        eventSourceLimitProbe({ held: -3, at: 0, room: 0, none: 0 }),
        queueNowProbe(),
      ],
      mitigations: [
        'processing-rate',
        'queue-now',
        'queue-age',
        'raise-event-source',
        'raise-concurrency',
        'event-source',
      ],
    },
    {
      cause: 'consumer-stopped',
      title: 'Consumer stopped: nobody receives the messages',
      prior: 0.1,
      on: 'self',
      requires: ['receives'],
      probes: [
        receivesProbe(3),
        flowProbe({ still: 1.5, half: -4, behind: -5, level: -5 }),
        invocationsProbe(1.5),
        switchedOffProbe(-5, 0),
        eventSourceProbe({ disabled: -5, enabled: -0.5, none: 1.5 }),
        queueNowProbe(),
      ],
      mitigations: ['event-source', 'consumer-version', 'queue-now'],
    },
    {
      cause: 'consumer-stopped',
      variant: 'disabled',
      title: 'Consumer stopped: its event source is disabled, so nobody receives the messages',
      prior: 0.05,
      on: 'self',
      requires: ['event-source'],
      probes: [
        // Where it cannot be read, that nobody receives is the other's.
        eventSourceProbe({ disabled: 6, enabled: -7, none: -6 }),
        receivesProbe(0.7),
        flowProbe({ still: 0.5, half: -4, behind: -5, level: -5 }),
        invocationsProbe(0.2),
        switchedOffProbe(-3, 0),
        queueNowProbe(),
      ],
      mitigations: ['event-source', 'enable-event-source', 'queue-now', 'queue-age'],
    },
    {
      cause: 'consumer-stopped',
      variant: 'switched-off',
      title: 'Consumer stopped: no concurrency is left to it (0 reserved), so every run is refused',
      prior: 0.03,
      on: 'self',
      requires: ['reserved'],
      probes: [switchedOffProbe(7, -6), flowProbe({ still: 1, half: -1, behind: -3, level: -4 }), queueNowProbe()],
      mitigations: ['concurrency-now', 'restore-concurrency', 'queue-now'],
    },
  ];
}

/** What the consumer needs: on each database, vendor and search engine that the queue depends on. Mitigations: those of each cause. */
export function queueDependencyHypotheses(): readonly Hypothesis[] {
  const pool = serviceDatabaseHypotheses().filter(({ cause }) => cause === 'connection-pool');
  const vendors = externalServiceHypotheses({ prior: 0.1 }).map((hypothesis) => ({
    ...hypothesis,
    // Neither its messages nor a status page need be there for anything to be said.
    requires: [],
    // Calls by host are a signal of services; a queue has none.
    probes: hypothesis.probes.filter(({ id }) => id !== 'failed-calls'),
  }));
  const all = [
    ...serviceDatabaseUnreachableHypotheses({ readiness: false }),
    ...pool,
    ...vendors,
    ...searchEngineDownHypotheses('search'),
  ];
  return all.map((hypothesis) => ({ ...hypothesis, probes: [...hypothesis.probes, consumerSuffersProbe()] }));
}
