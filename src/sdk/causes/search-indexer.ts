/** What changed does not reach the index: it waits in the outbox, or the indexer fails on it. */

import type { AnyProbe, Hypothesis } from '../detector.ts';
import { neutral, opposes, supports } from '../evidence.ts';
import { clockTime, count, duration, safeName } from '../format.ts';
import { dependencyProbe, engineProbe, fallbackProbe, isBackedUp, newestOf, targetSlots } from './search-probes.ts';
import { isAfterOnset, isUp, overLevel, roseAt } from './service-series.ts';

export function indexerBehindHypotheses(): readonly Hypothesis[] {
  return [
    {
      cause: 'indexer-behind',
      title: 'Indexer behind: what changed waits in the outbox',
      prior: 0.18,
      on: 'database',
      requires: ['outbox-backlog'],
      probes: [backlogProbe(), oldestProbe(), indexerErrorsProbe(), acceptsWritesProbe(), fallbackProbe()],
      mitigations: ['outbox-count', 'indexer-logs', 'reindex-dry-run', 'fallback'],
      seenBy: ['outbox-backlog'],
    },
    {
      cause: 'indexer-behind',
      variant: 'indexer-fails',
      title: 'Indexer behind: the indexer fails',
      prior: 0.1,
      on: 'queue',
      requires: ['consumer-errors'],
      probes: [consumerErrorsProbe(), queueAgeProbe(), acceptsWritesProbe(), fallbackProbe()],
      mitigations: ['indexer-logs', 'reindex-dry-run', 'fallback'],
      seenBy: ['message-delivery-delays'],
    },
  ];
}

function backlogProbe(): AnyProbe {
  return overLevel(
    {
      id: 'outbox-backlog',
      factor: 'outbox',
      title: 'changes that wait in the outbox, against before',
      signal: 'outbox_pending',
      of: 'cause',
    },
    (level, symptom, facts) => {
      const rows = count(newestOf(level));
      const up = isBackedUp(level);
      if (up === null) return neutral(`${rows} changes wait in the outbox; how many before is not known`);
      const text = `${rows} changes wait in the outbox, ${count(level.before ?? 0)} before`;
      const headline = `outbox ${rows} behind`;
      if (!up) return opposes(4.5, text, { headline: `outbox ${rows}, as ever` });
      const began = roseAt(level, 3);
      if (began !== null && isAfterOnset(began, facts, 5 * 60_000))
        return supports(1, `${text}, but only from ${clockTime(began)} on, after it began`);
      return supports(4.5, text, { headline, slots: { ...targetSlots(facts), ...subjectSlot(symptom.subject) } });
    },
  );
}

/** The subject of a symptom of one collection is its name; others have one of our own words, or none. */
const subjectSlot = (subject: string) => (subject === '' || subject === 'zero-results' ? {} : { collection: subject });

function oldestProbe(): AnyProbe {
  return overLevel(
    {
      id: 'outbox-age',
      factor: 'outbox',
      title: 'age of the oldest change in the outbox',
      signal: 'outbox_oldest_seconds',
      of: 'cause',
    },
    (level) => {
      const text = `the oldest change has waited for ${duration(level.now)}${level.before === null ? '' : `, ${duration(level.before)} before`}`;
      if (level.now < 120) return opposes(3, text, { headline: `oldest change ${duration(level.now)}` });
      if (level.now < 300 || level.now < (level.before ?? 0) * 3) return neutral(text);
      return supports(3.5, text);
    },
  );
}

/** Where a queue stands between the outbox and the engine. */
function indexerErrorsProbe(): AnyProbe {
  const title = 'whether the indexer fails';
  return dependencyProbe({ id: 'indexer-errors', factor: 'indexer', title }, 'consumer_errors', (found) => {
    if (found === null) return neutral(`${title} is not known`);
    const { level, of } = found;
    const text = `${of} fails ${count(level.now)} times a period, ${count(level.before ?? 0)} before`;
    return isUp(level, 2) && level.now >= 3 ? supports(1.2, text) : neutral(text);
  });
}

/** An engine that refuses writes makes everything before it wait. */
function acceptsWritesProbe(): AnyProbe {
  return engineProbe(
    { id: 'accepts-writes', factor: 'writes', title: 'whether the engine takes writes' },
    ({ healthy, problem, host }) => {
      const name = safeName(host, 80);
      if (healthy === true && problem === null) return neutral(`${name} is well and takes writes`);
      const said = problem === null ? 'is not ready' : `is ${safeName(problem, 40)}`;
      return opposes(5.5, `${name} ${said} and takes no writes, which explains more`, { headline: `${name} ${said}` });
    },
  );
}

function consumerErrorsProbe(): AnyProbe {
  return overLevel(
    {
      id: 'consumer-errors',
      factor: 'errors',
      title: 'runs of the indexer that fail',
      signal: 'consumer_errors',
      of: 'cause',
    },
    (level, _symptom, facts) => {
      const text = `${count(level.now)} runs of ${safeName(facts.on.name)} fail a period, ${count(level.before ?? 0)} before`;
      const headline = `${count(level.now)} runs of the indexer fail`;
      if (level.now < 1) return opposes(4, text, { headline: 'no run of the indexer fails' });
      if (level.now < 3 || !isUp({ ...level, before: Math.max(level.before ?? 0, 0.5) }, 2)) return neutral(text);
      return supports(3.8, text, { headline, slots: targetSlots(facts) });
    },
  );
}

function queueAgeProbe(): AnyProbe {
  return overLevel(
    { id: 'queue-age', factor: 'age', title: 'how long messages wait', signal: 'queue_age_seconds', of: 'cause' },
    (level) => {
      const text = `the oldest message has waited for ${duration(level.now)}`;
      if (level.now >= 300 && level.now > 3 * (level.before ?? 0)) return supports(1.5, text);
      return level.now < 120 ? opposes(1.5, text) : neutral(text);
    },
  );
}
