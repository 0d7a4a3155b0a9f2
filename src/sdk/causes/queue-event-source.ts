/** The event source mapping that hands a queue's messages to its consumer on Lambda: whether it does, and how many at once. */

import type { EventSourceMapping, Judged } from '../../model/index.ts';
import type { AnyProbe, Facts } from '../detector.ts';
import { ask, probe } from '../detector.ts';
import { neutral, unknown } from '../evidence.ts';
import { clockTime, count, safeName } from '../format.ts';
import { overLambda } from './queue-limits.ts';
import { flowOf } from './queue-series.ts';
import { weighed } from './weighed.ts';

/** Lambda takes from 2 to 1,000. https://docs.aws.amazon.com/lambda/latest/api/API_ScalingConfig.html */
const MOST_RUNS = 1000;
const LEAST_RAISE = 1.5;
const MOST_RAISE = 4;
const MINUTE_MS = 60_000;
/** A change that is part of the trouble comes before it, or shows a little later than the messages do. */
const SLACK_MS = 2 * MINUTE_MS;
const NEAR_MS = 30 * MINUTE_MS;

const UNREAD = 'its event source could not be read';

const DAY_MS = 24 * 60 * MINUTE_MS;

function changedText({ changedAt, reason }: EventSourceMapping, { now }: Facts): string {
  const by = reason === null ? '' : ` (${safeName(reason, 60)})`;
  if (changedAt === null) return by;
  const since = now - changedAt < DAY_MS ? clockTime(changedAt) : new Date(changedAt).toISOString().slice(0, 10);
  return ` since ${since}${by}`;
}

const isOff = ({ state }: EventSourceMapping): boolean => state === 'disabled' || state === 'disabling';
const idSlot = ({ id }: EventSourceMapping): Judged['slots'] => (id === '' ? {} : { eventSourceId: id });

/** `disabled`: each one of the queue's is; `none`: there is none. */
export function eventSourceProbe(weights: {
  readonly disabled: number;
  readonly enabled: number;
  readonly none: number;
}): AnyProbe {
  return probe({
    id: 'event-source',
    factor: 'event-source',
    title: 'whether an event source hands the messages to the consumer',
    ask: (_symptom, facts) => ask('lambda.function', facts, {}),
    judge({ eventSources }, _symptom, facts): Judged {
      if (eventSources === null) return unknown('no_data', UNREAD);
      const [first] = eventSources;
      if (first === undefined) {
        const observed = 'no event source hands it the messages of the queue';
        return weighed(weights.none, observed, { headline: 'it has no event source' });
      }
      const on = eventSources.find(({ state }) => state === 'enabled');
      if (on !== undefined)
        return weighed(weights.enabled, 'its event source is enabled', { headline: 'it is enabled' });
      const off = eventSources.find(isOff);
      if (off === undefined) return neutral(`its event source is ${first.state}${changedText(first, facts)}`);
      const observed = `its event source is ${off.state}${changedText(off, facts)}`;
      const extra = { headline: `its event source is ${off.state}`, slots: { ...idSlot(off) } };
      // Who disables it because messages wait is not why they wait.
      if (off.changedAt !== null && off.changedAt > facts.onset.latest + SLACK_MS) {
        return neutral(`${observed}, when it had begun`, extra);
      }
      return weighed(weights.disabled, observed, extra);
    },
  });
}

/** How many runs at once the event source should start, for the consumer to work off what comes in. */
export function raisedEventSource(present: number, flow: { readonly sent: number; readonly deleted: number } | null) {
  const lack = flow === null || flow.deleted <= 0 ? MOST_RAISE : (1.25 * flow.sent) / flow.deleted;
  const raised = Math.min(MOST_RUNS, Math.ceil(present * Math.min(MOST_RAISE, Math.max(LEAST_RAISE, lack))));
  return raised > present ? raised : null;
}

/** The one with the least room of those that are enabled and have a limit. */
function limitOf(
  eventSources: readonly EventSourceMapping[],
): (EventSourceMapping & { maximumConcurrency: number }) | null {
  const limited = eventSources.flatMap((one) =>
    one.state === 'enabled' && one.maximumConcurrency !== null
      ? [{ ...one, maximumConcurrency: one.maximumConcurrency }]
      : [],
  );
  return limited.sort((a, b) => a.maximumConcurrency - b.maximumConcurrency)[0] ?? null;
}

const isRecent = ({ changedAt }: EventSourceMapping, { onset }: Facts): boolean =>
  changedAt !== null && changedAt <= onset.latest + SLACK_MS && changedAt >= onset.earliest - NEAR_MS;

/**
 * `held`: its limit is below what ran before, or was changed as it began; `at`: it is reached, which a slow consumer
 * does as well; `room`: it is not reached; `none`: there is no limit.
 */
export function eventSourceLimitProbe(weights: {
  readonly held: number;
  readonly at: number;
  readonly room: number;
  readonly none: number;
}): AnyProbe {
  return overLambda(
    'event-source-limit',
    'runs at once that the event source may start',
    (limits, used, view, facts) => {
      const { eventSources } = limits;
      if (eventSources === null) return unknown('no_data', UNREAD);
      const limit = limitOf(eventSources);
      if (limit === null)
        return weighed(weights.none, 'its event source has no limit of its own', { headline: 'no limit of its own' });
      const most = limit.maximumConcurrency;
      const batch = limit.batchSize === null ? '' : ` of up to ${count(limit.batchSize)} messages`;
      const allowed = `its event source may start ${count(most)} runs at once${batch}`;
      if (used === null) return neutral(`${allowed}; runs at once are not known`);
      const before = view.rate('consumer_concurrency')?.before ?? null;
      const observed = `${allowed}, ${count(used)} are there${before === null ? '' : `, ${count(before)} before`}`;
      if (used < most * 0.8)
        return weighed(weights.room, observed, { headline: `${count(used)} of ${count(most)} runs at once` });
      const raised = raisedEventSource(most, flowOf(view));
      const slots = {
        ...idSlot(limit),
        ...(raised === null ? {} : { eventSourceConcurrency: raised, presentEventSourceConcurrency: most }),
      };
      const headline = `its event source starts no more than ${count(most)} runs at once`;
      const changed = isRecent(limit, facts) ? `, changed at ${clockTime(limit.changedAt!)}` : '';
      // A limit below what ran before is what holds it back; one that it has just reached may be reached because it is slow.
      const isHeld = changed !== '' || (before !== null && before > most * 1.2);
      const text = `${observed}${changed}`;
      return isHeld
        ? weighed(weights.held, text, { headline, slots })
        : weighed(weights.at, `${text}: all that it may`, { headline, slots });
    },
  );
}
