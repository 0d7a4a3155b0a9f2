/**
 * Why messages wait: more come than usual, or the consumer works off less than usual, and then what keeps it: too little
 * capacity, a limit, its own errors, waiting, single messages that it cannot take, or that nobody receives at all.
 */

import type { AnyProbe, Hypothesis } from '../detector.ts';
import { ask } from '../detector.ts';
import { neutral, opposes, supports } from '../evidence.ts';
import { clockTime, count, duration, plural } from '../format.ts';
import { externalServiceHypotheses } from './external-service.ts';
import { eventSourceLimitProbe, eventSourceProbe } from './queue-event-source.ts';
import { concurrencyProbe, limitProbe, switchedOffProbe } from './queue-limits.ts';
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
import { overQueue, queueNowProbe } from './queue-series.ts';
import { searchEngineDownHypotheses } from './search-engine.ts';
import { serviceDatabaseHypotheses, serviceDatabaseUnreachableHypotheses } from './service-database.ts';

export { raisedConcurrency } from './queue-limits.ts';
export { queueMitigations } from './queue-mitigations.ts';
export { clearText, secondsToClear } from './queue-series.ts';

/** So many wait at any time. */
const FEW_WAITING = 20;
const LATE_SECONDS = 60;

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

function inFlightProbe(): AnyProbe {
  return overQueue(
    {
      id: 'in-flight',
      factor: 'in-flight',
      title: 'messages that were taken and not finished',
      signal: 'queue_in_flight',
    },
    (rate) => {
      const before = rate.before === null ? '' : `, ${count(rate.before)} before`;
      const observed = `${count(rate.now)} messages are in flight${before}`;
      if (rate.now < 1) return opposes(5, observed, { headline: 'none is in flight' });
      const isUp = rate.now > Math.max(rate.upper ?? 0, (rate.before ?? Number.POSITIVE_INFINITY) * 2);
      return isUp ? supports(1.5, observed, { headline: `${count(rate.now)} in flight` }) : neutral(observed);
    },
  );
}

/** Dead letters more than before: single messages, or all of them where nothing else gets through. */
function deadLettersProbe(): AnyProbe {
  return overQueue(
    { id: 'dead-letters', factor: 'dead-letters', title: 'dead letters, beside before', signal: 'dead_letters' },
    ({ newest, points }, _view, symptom, facts, answered) => {
      const earlier = points.filter((one) => one.at <= facts.onset.earliest);
      const before = (earlier.at(-1) ?? points[0])?.value ?? newest;
      const more = newest - before;
      const observed = `${plural(newest, 'dead letter')}, ${count(before)} before it began`;
      if (more <= 0) {
        // It is tried so often first, each time after it was hidden for so long.
        const queue = answered(ask('sqs.queue', facts, {}));
        const untilMs = queue === null ? 0 : (queue.maxReceives ?? 0) * queue.visibilityTimeoutSeconds * 1000;
        const isEarly = symptom.subject !== 'dead-letter' && facts.now < facts.onset.latest + untilMs;
        if (isEarly) return neutral(`${observed}; a message is tried for ${duration(untilMs / 1000)} first`);
        return opposes(4, observed, { headline: 'no more dead letters than before' });
      }
      // Where they are the symptom, the summary says so already.
      const headline = symptom.subject === 'dead-letter' ? {} : { headline: plural(more, 'new dead letter') };
      return supports(more >= 5 ? 3.3 : 1.5, observed, headline);
    },
  );
}

/** The oldest is late and no more than usual wait: the others pass it, and it comes again and again. */
function passedByProbe(): AnyProbe {
  return overQueue(
    {
      id: 'passed-by',
      factor: 'passed-by',
      title: 'how many wait behind the oldest message',
      signal: 'queue_visible',
      also: ['queue_age_seconds'],
    },
    (visible, view) => {
      const age = view.rate('queue_age_seconds');
      if (age === null || visible.before === null) return neutral('how many usually wait is not known');
      const observed = `${plural(visible.now, 'message')} wait, ${count(visible.before)} are usual`;
      const usual = Math.max(visible.upper ?? 0, visible.before * 1.5, FEW_WAITING);
      if (visible.now > usual * 2) return opposes(2, observed, { headline: `${count(visible.now)} wait` });
      const isLate = age.newest > Math.max(age.upper ?? 0, 2 * (age.before ?? 0)) && age.newest >= LATE_SECONDS;
      if (visible.now > usual || !isLate) return neutral(observed);
      return supports(2.5, `the oldest is ${duration(age.newest)} old, yet ${observed}: the others pass it`, {
        headline: `the others pass one that is ${duration(age.newest)} old`,
      });
    },
  );
}

function workedOffProbe(): AnyProbe {
  return overQueue(
    { id: 'worked-off', factor: 'flow', title: 'messages worked off, beside what is usual', signal: 'queue_deleted' },
    ({ now, before }) => {
      if (before === null || before <= 0) return neutral('how many are usually worked off is not known');
      const observed = `${count(now)} a period are worked off, ${count(before)} are usual`;
      if (now < before * 0.5) return opposes(2.5, observed, { headline: `only ${count(now)} a period are worked off` });
      return now >= before * 0.9 ? supports(1, `${observed}: the consumer works as ever`) : neutral(observed);
    },
  );
}

/** Messages wait and none is in flight: whoever consumed the queue does not receive any more. */
function receivesProbe(weight: number): AnyProbe {
  return overQueue(
    {
      id: 'receives',
      factor: 'in-flight',
      title: 'whether anybody receives messages',
      signal: 'queue_in_flight',
      also: ['queue_visible'],
    },
    ({ now, before }, view) => {
      const waiting = view.rate('queue_visible')?.newest ?? 0;
      if (now >= 1) {
        const observed = `${count(now)} messages are in flight: somebody receives them`;
        return opposes(5, observed, { headline: `${count(now)} are in flight` });
      }
      if (waiting <= 0) return neutral('no message waits');
      const usual = before === null ? '' : `, ${count(before)} are usual`;
      return supports(weight, `${plural(waiting, 'message')} wait and none is in flight${usual}`, {
        headline: 'nobody receives them',
      });
    },
  );
}

/** A function that is not invoked publishes nothing, so silence counts only beside a queue that speaks. */
function invocationsProbe(weight: number): AnyProbe {
  return overQueue(
    {
      id: 'invocations',
      factor: 'invocations',
      title: 'runs of the consumer since then',
      signal: 'queue_visible',
      also: ['consumer_invocations'],
    },
    (_waiting, view, _symptom, facts) => {
      const points = view.points('consumer_invocations');
      const since = points.filter((one) => one.at >= facts.onset.latest);
      const runs = since.reduce((sum, one) => sum + one.value, 0);
      if (runs > 0) {
        // A few may still have ended as it began.
        const isOver = (since.at(-1)?.value ?? 0) === 0;
        return isOver
          ? neutral(`${plural(runs, 'run')} since it began, none at the end`)
          : opposes(4, `${plural(runs, 'run')} since it began`, { headline: 'the consumer runs' });
      }
      const last = points.findLast((one) => one.value > 0);
      if (last === undefined) return neutral('runs of the consumer are not known');
      return supports(weight, `the last run that is known was at ${clockTime(last.at)}`, {
        headline: `no run since ${clockTime(last.at)}`,
      });
    },
  );
}
