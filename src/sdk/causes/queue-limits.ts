/** Concurrency of a consumer on Lambda: what it uses, what is reserved for it, and what more it could be given. */

import type { Judged, LambdaFunctionAnswer } from '../../model/index.ts';
import type { AnyProbe } from '../detector.ts';
import { ask, type Facts, probe } from '../detector.ts';
import { neutral, opposes, supports } from '../evidence.ts';
import { count, plural } from '../format.ts';
import type { QueueView } from './queue-series.ts';
import { flowOf, queueView } from './queue-series.ts';
import { seriesQuestion } from './service-questions.ts';

/** Lambda leaves this many to the functions without a reservation. https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionConcurrency.html */
const KEPT_UNRESERVED = 100;
const LEAST_RAISE = 1.5;
const MOST_RAISE = 4;

/**
 * How many runs at once should be reserved: what comes in over what is worked off, and a quarter more to catch up; at
 * most what the account can give. Null where that is no more than now.
 */
export function raisedConcurrency(
  limits: Pick<LambdaFunctionAnswer, 'reservedConcurrency' | 'accountUnreserved'>,
  used: number,
  flow: { readonly sent: number; readonly deleted: number } | null,
): number | null {
  const { reservedConcurrency: reserved, accountUnreserved } = limits;
  const present = Math.max(1, reserved ?? 0, Math.round(used));
  const lack = flow === null || flow.deleted <= 0 ? MOST_RAISE : (1.25 * flow.sent) / flow.deleted;
  const wanted = Math.ceil(present * Math.min(MOST_RAISE, Math.max(LEAST_RAISE, lack)));
  const most = (reserved ?? 0) + Math.max(0, accountUnreserved - KEPT_UNRESERVED);
  const raised = Math.min(wanted, most);
  return raised > present ? raised : null;
}

const LIMIT_SIGNALS = ['consumer_concurrency', 'queue_sent', 'queue_deleted'] as const;

const presentSlot = (reserved: number | null) => (reserved === null ? {} : { presentConcurrency: reserved });

/** The most runs at once since the onset. */
const usedOf = (view: QueueView, { onset }: Facts): number | null => {
  const since = view.points('consumer_concurrency').filter((one) => one.at >= onset.latest);
  return since.length === 0 ? null : Math.max(...since.slice(-5).map((one) => one.value));
};

/** Where nothing is reserved, whatever refuses a run is the account's limit, and the other way round. */
export function limitProbe(by: 'reserved' | 'account'): AnyProbe {
  return overLambda('limit', 'runs at once, beside what is reserved and what the account has', (limits, used, view) => {
    const { reservedConcurrency: reserved, accountConcurrency, accountUnreserved } = limits;
    const isReserved = reserved !== null;
    if (isReserved !== (by === 'reserved') && reserved !== 0) {
      const observed = isReserved
        ? `${count(reserved)} runs at once are reserved for it`
        : 'nothing is reserved for it';
      return opposes(6, observed, { headline: observed });
    }
    const account = `the account has ${count(accountConcurrency)}, ${count(accountUnreserved)} of them not reserved`;
    if (reserved === 0) {
      return opposes(6, `nothing is reserved for it: it is switched off; ${account}`, {
        headline: 'it is switched off',
      });
    }
    if (used === null) return neutral(`runs at once are not known; ${account}`);
    const raised = raisedConcurrency(limits, used, flowOf(view));
    const slots = raised === null ? {} : { slots: { concurrency: raised, ...presentSlot(reserved) } };
    const more = raised === null ? '; the account has no more to give: ask AWS for a higher quota' : '';
    const own = reserved === null ? 'none reserved for it' : `${count(reserved)} reserved for it`;
    const observed = `${count(used)} runs at once, ${own}; ${account}${more}`;
    if (reserved !== null && used >= reserved * 0.9) {
      return supports(2, observed, { headline: `at its limit of ${count(reserved)} runs at once`, ...slots });
    }
    if (reserved !== null) return used < reserved * 0.5 ? opposes(1.5, observed) : neutral(observed, slots);
    if (used >= accountUnreserved * 0.9) return supports(2, observed, { headline: "at the account's limit", ...slots });
    const headline = 'other functions take what the account has';
    return supports(1.2, `${observed}: other functions take the rest`, { headline, ...slots });
  });
}

/** For causes that more runs at once would help: whether the reserved ones are what ends them. */
export function concurrencyProbe(weight = 1): AnyProbe {
  return overLambda('concurrency', 'runs of the consumer at once', (limits, used, view) => {
    const { reservedConcurrency: reserved } = limits;
    if (used === null) return neutral('runs at once are not known');
    const before = view.rate('consumer_concurrency')?.before ?? null;
    const usual = before === null ? '' : `, ${count(before, 1)} before`;
    const observed = `${count(used)} runs at once${usual}; ${reserved === null ? 'none reserved' : `${count(reserved)} reserved`}`;
    if (reserved !== null && used >= reserved * 0.9) {
      const raised = raisedConcurrency(limits, used, flowOf(view));
      const slots = raised === null ? {} : { slots: { concurrency: raised, ...presentSlot(reserved) } };
      return weight > 0 ? supports(weight, `${observed}: all that it may have`, slots) : neutral(observed, slots);
    }
    // As many as ever: the event source gives it no more.
    const isFlat = before !== null && used <= before * 1.2;
    return isFlat && weight > 0 ? supports(weight * 0.7, `${observed}: no more than ever`) : neutral(observed);
  });
}

/** The look at Lambda is what can be denied, so it is what is asked; the series are looked up beside it. */
export function overLambda(
  id: string,
  title: string,
  judge: (limits: LambdaFunctionAnswer, used: number | null, view: QueueView, facts: Facts) => Judged,
): AnyProbe {
  return probe({
    id,
    factor: id,
    title,
    ask: (_symptom, facts) => ask('lambda.function', facts, {}),
    also: (_symptom, facts) => LIMIT_SIGNALS.map((signal) => seriesQuestion(facts, signal)),
    judge(limits, _symptom, facts, answered) {
      const view = queueView(facts, answered);
      return judge(limits, usedOf(view, facts), view, facts);
    },
  });
}

export function switchedOffProbe(weightOff: number, weightOn: number): AnyProbe {
  return probe({
    id: 'reserved',
    factor: 'reserved',
    title: 'whether the consumer may run at all',
    ask: (_symptom, facts) => ask('lambda.function', facts, {}),
    also: (_symptom, facts) => [seriesQuestion(facts, 'consumer_concurrency')],
    judge(limits, _symptom, facts, answered): Judged {
      const { reservedConcurrency: reserved, accountUnreserved } = limits;
      if (reserved !== 0) {
        const observed =
          reserved === null
            ? 'no concurrency is reserved for it'
            : `${plural(reserved, 'run')} at once are reserved for it`;
        return weightOn === 0 ? neutral(observed) : opposes(weightOn, observed, { headline: observed });
      }
      const observed = 'its reserved concurrency is 0: it may not run';
      const before = (answered(seriesQuestion(facts, 'consumer_concurrency'))?.points ?? [])
        .filter((one) => one.at <= facts.onset.earliest)
        .reduce((most, one) => Math.max(most, one.value), 0);
      const most = Math.max(0, accountUnreserved - KEPT_UNRESERVED);
      const slots = before > 0 && most > 0 ? { slots: { concurrency: Math.min(Math.ceil(before), most) } } : {};
      const headline = 'its reserved concurrency is 0';
      return weightOff > 0
        ? supports(weightOff, observed, { headline, ...slots })
        : opposes(weightOff, observed, { headline });
    },
  });
}
