/** Probes of a queue and its consumer that several causes weigh, each with its own weights. */

import type { Judged, LogKind, LogTemplate, Question } from '../../model/index.ts';
import type { AnyProbe, Facts } from '../detector.ts';
import { aroundOnset, probe } from '../detector.ts';
import { neutral, opposes, supports } from '../evidence.ts';
import { clockTime, count, duration, percent, plural, safeName, times } from '../format.ts';
import type { Flow, QueueView } from './queue-series.ts';
import { failedRuns, flowOf, overQueue, refusedRuns, sentTooMany, slowdownOf } from './queue-series.ts';
import { refusesWrites } from './search-engine.ts';
import { engineQuestion, engineQuestions, engineWasDown } from './search-probes.ts';
import { changesQuestion, FEW_MESSAGES, logShare, logsQuestion } from './service-questions.ts';
import { weighed } from './weighed.ts';

const MINUTE_MS = 60_000;
/** Fewer failed or refused runs prove nothing. */
const FEW_RUNS = 5;

/** `still`: hardly anything; `behind`: clearly less than comes in; `level`: as much as comes in, or more. */
export type FlowState = 'still' | 'behind' | 'level';

export function flowState(flow: Flow): FlowState {
  if (flow.isStill) return 'still';
  return flow.part < 0.95 ? 'behind' : 'level';
}

export function flowProbe(weights: Readonly<Record<FlowState, number>> & { readonly half?: number }): AnyProbe {
  return overQueue(
    {
      id: 'flow',
      factor: 'flow',
      title: 'messages that come in and that are worked off',
      signal: 'queue_deleted',
      also: ['queue_sent'],
    },
    (_deleted, view) => {
      const flow = flowOf(view);
      if (flow === null) return neutral('how many messages come in is not known');
      const state = flowState(flow);
      // Behind by more than half is another thing than behind by a little.
      const weight = state === 'behind' && flow.part < 0.5 ? (weights.half ?? weights.behind) : weights[state];
      const others = state === 'level' && weight > 0 ? 'all others are worked off' : flow.text;
      const headline = state === 'still' ? 'hardly any is worked off' : others;
      return weighed(weight, flow.text, { headline });
    },
  );
}

/** Share of its runs from which on a consumer fails, and below which it does not. */
const MOST = 0.5;
const MANY = 0.2;
const HARDLY_ANY = 0.05;

export function errorsProbe(weights: {
  readonly most: number;
  readonly many: number;
  readonly some: number;
  readonly none: number;
}): AnyProbe {
  return overQueue(
    {
      id: 'consumer-errors',
      factor: 'errors',
      title: 'runs of the consumer that fail',
      signal: 'consumer_invocations',
      also: ['consumer_errors'],
    },
    (_runs, view) => {
      const runs = failedRuns(view);
      if (runs === null || runs.all <= 0) return neutral('failed runs of the consumer are not known');
      const observed = `${percent(runs.now)} of ${plural(runs.all, 'run')} of the consumer fail, ${percent(runs.before)} before`;
      const headline = `${percent(runs.now)} of its runs fail`;
      if (runs.now < HARDLY_ANY) return weighed(weights.none, observed, { headline });
      if (runs.failed < FEW_RUNS || runs.now < runs.before * 2) return neutral(observed);
      const weight = runs.now >= MOST ? weights.most : runs.now >= MANY ? weights.many : weights.some;
      return weighed(weight, observed, { headline });
    },
  );
}

export function throttlesProbe(weights: { readonly many: number; readonly none: number }): AnyProbe {
  return overQueue(
    {
      id: 'throttles',
      factor: 'throttles',
      title: 'runs of the consumer that were refused by a concurrency limit',
      signal: 'consumer_throttles',
      also: ['consumer_invocations'],
    },
    (_throttles, view) => {
      const runs = refusedRuns(view);
      if (runs === null) return neutral('refused runs are not known');
      const observed = `${count(runs.failed)} of ${plural(runs.all, 'run')} were refused by a concurrency limit, ${percent(runs.before)} before`;
      const headline = `${percent(runs.now)} of its runs are refused`;
      if (runs.now < 0.01) return weighed(weights.none, observed, { headline: 'no run is refused' });
      if (runs.failed < FEW_RUNS || runs.now < HARDLY_ANY || runs.now < runs.before * 2) return neutral(observed);
      return weighed(weights.many, observed, { headline });
    },
  );
}

/** Whether more was sent than usual, and whether that is what waits now. */
export function sentProbe(weights: { readonly surge: number; readonly usual: number }): AnyProbe {
  return overQueue(
    {
      id: 'sent',
      factor: 'sent',
      title: 'messages that were sent, beside what is usual',
      signal: 'queue_sent',
      also: ['queue_visible'],
    },
    (sent, view, _symptom, facts) => {
      const extra = sentTooMany(view, facts);
      if (extra === null || sent.before === null) return neutral('how many are usually sent is not known');
      const waiting = view.rate('queue_visible')?.newest ?? null;
      const peak = sent.points
        .filter((one) => one.at >= facts.onset.earliest - 10 * MINUTE_MS)
        .reduce((most, one) => Math.max(most, one.value), 0);
      const ratio = sent.before > 0 ? peak / sent.before : Number.POSITIVE_INFINITY;
      const most = Number.isFinite(ratio) ? `, at most ${times(ratio)} the usual` : '';
      const waits = waiting === null ? '' : ` beside ${count(waiting)} that wait`;
      const observed = `${count(extra)} more than usual were sent since shortly before${most}${waits}`;
      const part = waiting === null || waiting <= 0 ? (ratio >= 1.5 ? 1 : 0) : extra / waiting;
      if (ratio >= 1.4 && part >= 0.5) {
        const headline = Number.isFinite(ratio) ? `${times(ratio)} as many sent as usual` : 'far more sent than usual';
        return weighed(weights.surge, observed, { headline });
      }
      if (ratio < 1.4 || part < 0.1) return weighed(weights.usual, observed, { headline: 'no more sent than usual' });
      return neutral(observed);
    },
  );
}

/** A run that takes far longer than before waits for something, or runs into its time limit. */
export function durationProbe(weights: {
  readonly long: number;
  readonly longer: number;
  readonly same: number;
}): AnyProbe {
  return overQueue(
    {
      id: 'duration',
      factor: 'duration',
      title: 'how long a run of the consumer takes',
      signal: 'consumer_duration_p95',
    },
    (_duration, view) => {
      const found = slowdownOf(view);
      if (found === null) return neutral('how long a run took before is not known');
      const { rate, ratio } = found;
      const observed = `95 % of its runs take under ${duration(rate.now)}, ${duration(rate.before ?? 0)} before (${times(ratio)})`;
      const headline = `runs take ${duration(rate.now)} (${times(ratio)})`;
      if (ratio >= 3) return weighed(weights.long, observed, { headline });
      return weighed(ratio >= 1.3 ? weights.longer : weights.same, observed, { headline });
    },
  );
}

const ELSEWHERE: readonly LogKind[] = [
  'pool-timeout',
  'database-refused',
  'database-timeout',
  'database-error',
  'refused',
  'timeout',
  'rate-limited',
  'tls',
  'name-resolution',
];

/** Lambda's own words for a run that it ended. https://docs.aws.amazon.com/lambda/latest/dg/troubleshooting-invocation.html */
const ENDED = /task timed out after/i;

/** What the consumer says of itself: that its runs are ended at their time limit, or what goes wrong in them. */
function ofItself(own: readonly LogKind[], { kind, host, template }: LogTemplate): boolean {
  if (ENDED.test(template)) return own.includes('timeout');
  return own.includes(kind) && host === null;
}

/** What the consumer says: of others, which explains it, or of itself. `own` are the kinds that fit the cause. */
export function ownMessagesProbe(own: readonly LogKind[]): AnyProbe {
  return probe({
    id: 'messages',
    factor: 'logs',
    title: 'what the error messages of the consumer are about',
    ask: (_symptom, facts) => logsQuestion(facts),
    judge(logs, _symptom, facts) {
      const found = logShare(
        logs,
        facts,
        ({ kind, host }) =>
          ELSEWHERE.includes(kind) && (host !== null || kind.startsWith('database') || kind === 'pool-timeout'),
      );
      if (found.all < FEW_MESSAGES) return neutral('no more error messages than before');
      const ofAll = `of ${found.all} more error messages than before`;
      if (found.share >= 0.6) {
        const about = safeName(found.top?.host ?? found.top?.kind ?? 'others', 60);
        const observed = `${found.fitting} ${ofAll} are about others, most about ${about}`;
        return opposes(5.5, observed, { headline: `messages are about ${about}` });
      }
      const fitting = logShare(logs, facts, (one) => ofItself(own, one));
      if (fitting.top !== null && fitting.share >= 0.5) {
        const observed = `${fitting.fitting} ${ofAll}: ${safeName(fitting.top.template, 120)}`;
        return supports(ENDED.test(fitting.top.template) ? 2.5 : 1.2, observed);
      }
      const ended = logShare(logs, facts, ({ template }) => ENDED.test(template));
      if (ended.share >= 0.5) {
        return opposes(3, `${ended.fitting} ${ofAll} are of runs that their time limit ended`, {
          headline: 'runs are ended at their time limit',
        });
      }
      return neutral(`${found.fitting} ${ofAll} are about others`);
    },
  });
}

/** The questions that the causes of databases and vendors ask, so that nothing more is asked. */
function elsewhere(facts: Facts): readonly Question[] {
  return facts.target.dependsOn.flatMap((target): readonly Question[] => [
    { kind: 'postgres.reachability', target, window: aroundOnset(facts), params: {} },
  ]);
}

/** That a database cannot be reached, or that a search engine takes no writes, explains a consumer that fails or waits. */
export function dependencyWellProbe(weight: number): AnyProbe {
  return probe({
    id: 'dependencies',
    factor: 'dependencies',
    title: 'whether the databases and search engines that it needs can be reached',
    ask: (_symptom, facts) => changesQuestion(facts),
    also: (_symptom, facts) => [
      ...elsewhere(facts),
      ...facts.target.dependsOn.flatMap((target) => engineQuestions(facts, target)),
    ],
    judge(_changes, _symptom, facts, answered) {
      const databases = elsewhere(facts).flatMap((question) => {
        const answer = answered(question as Question<'postgres.reachability'>);
        return answer === null || answer.reason === 'ok'
          ? []
          : [`${question.target} cannot be reached, at step ${answer.step}`];
      });
      const refusals = facts.target.dependsOn.flatMap((target) => {
        const engine = answered(engineQuestion(facts, target));
        const was = engineWasDown(facts, target, answered);
        const refuses = engine === null ? null : refusesWrites(engine);
        return refuses ?? (was === null ? [] : `${safeName(target, 60)}: ${was}`);
      });
      const away = [...databases, ...refusals];
      if (away.length === 0) return neutral('no database and no search engine that it needs is known to be away');
      const observed = away.join(', ');
      return opposes(weight, `${observed}, which explains it`, { headline: observed });
    },
  });
}

const NEAR_MS = 15 * MINUTE_MS;

/** A new version of the consumer, as CI told it: Lambda itself is not asked. */
export function consumerChangedProbe(): AnyProbe {
  return probe({
    id: 'consumer-changed',
    factor: 'order',
    title: 'whether the consumer was changed before it began',
    ask: (_symptom, facts) => changesQuestion(facts),
    judge({ changes }, _symptom, facts) {
      const own = changes.filter(
        ({ kind, target }) => target === facts.target.name && ['deployment', 'setting', 'flag'].includes(kind),
      );
      const before = own.findLast(({ at }) => at.earliest <= facts.onset.latest);
      if (before === undefined) {
        const after = own[0];
        return after === undefined
          ? neutral('no change of the consumer is known in the 2 h before')
          : opposes(
              1.5,
              `${safeName(after.summary, 120)}, but only at ${clockTime(after.at.earliest)}, when it had begun`,
            );
      }
      const gap = Math.max(0, facts.onset.latest - before.at.latest);
      const observed = `${safeName(before.summary, 120)} at ${clockTime(before.at.latest)}`;
      if (gap > NEAR_MS) return neutral(`${observed}, ${duration(gap / 1000)} before it began`);
      const version = safeName(before.deployment?.version ?? before.summary, 60);
      return supports(1.5, `${observed}, ${duration(gap / 1000)} before it began`, {
        headline: `${duration(gap / 1000)} after ${version} was brought out`,
      });
    },
  });
}

/** For the causes of others: whether the consumer fails or waits at all. */
export function consumerSuffersProbe(): AnyProbe {
  return overQueue(
    {
      id: 'consumer-suffers',
      factor: 'consumer',
      title: 'whether the consumer fails or waits',
      signal: 'consumer_invocations',
      also: ['consumer_errors', 'consumer_duration_p95'],
    },
    (_runs, view) => judgeSuffering(view),
  );
}

function judgeSuffering(view: QueueView): Judged {
  const failed = failedRuns(view);
  const slow = slowdownOf(view);
  const texts = [
    ...(failed === null ? [] : [`${percent(failed.now)} of its runs fail`]),
    ...(slow === null ? [] : [`runs take ${times(slow.ratio)} the time of before`]),
  ];
  if (texts.length === 0) return neutral('how the consumer does is not known');
  const observed = texts.join(', ');
  const fails = failed !== null && failed.failed >= FEW_RUNS && failed.now >= MANY && failed.now >= failed.before * 2;
  if (fails || (slow !== null && slow.ratio >= 2)) return supports(1.2, observed);
  const isWell = (failed === null || failed.now < HARDLY_ANY) && (slow === null || slow.ratio < 1.3);
  return isWell ? opposes(4, observed, { headline: 'the consumer works without errors' }) : neutral(observed);
}
