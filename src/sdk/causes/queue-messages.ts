/** What a queue's own figures say of its messages: taken, given up, passed by, worked off, received at all. */

import type { AnyProbe } from '../detector.ts';
import { ask } from '../detector.ts';
import { neutral, opposes, supports } from '../evidence.ts';
import { clockTime, count, duration, plural } from '../format.ts';
import { overQueue } from './queue-series.ts';

/** So many wait at any time. */
const FEW_WAITING = 20;
const LATE_SECONDS = 60;

export function inFlightProbe(): AnyProbe {
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
export function deadLettersProbe(): AnyProbe {
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
export function passedByProbe(): AnyProbe {
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

export function workedOffProbe(): AnyProbe {
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
export function receivesProbe(weight: number): AnyProbe {
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
export function invocationsProbe(weight: number): AnyProbe {
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
