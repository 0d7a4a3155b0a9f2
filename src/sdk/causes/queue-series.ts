/**
 * What a queue's own metrics and its consumer's were and are. All probes ask about one window, so that each signal is
 * asked once. A consumer that is not invoked publishes nothing: that is told from what the queue says, never from a hole.
 */

import type { Judged, SlotValues, SqsQueueAnswer, Symptom } from '../../model/index.ts';
import type { Answered, AnyProbe, Facts } from '../detector.ts';
import { ask, probe } from '../detector.ts';
import { neutral, unknown } from '../evidence.ts';
import { count, duration, plural } from '../format.ts';
import type { BeforeAfter, Points } from './service-questions.ts';
import { seriesQuestion, share, sumsAtOnset } from './service-questions.ts';
import { median } from './service-series.ts';

/** A signal since the onset beside what it was. */
export interface Rate {
  /** Mean of the last samples since the onset, a period: of counts, small ones too. */
  readonly now: number;
  /** What the band expects; without one the median of the time before the onset; null without either. */
  readonly before: number | null;
  readonly upper: number | null;
  readonly periodMs: number;
  readonly newest: number;
  readonly points: Points;
}

export interface QueueView {
  /** Null where it has no value since the onset. */
  rate(signal: string): Rate | null;
  /** Null where the signal is not known at all. */
  sums(signal: string): BeforeAfter | null;
  points(signal: string): Points;
}

const utcTime = (at: number): string => `${new Date(at).toISOString().slice(0, 19)}Z`;

const LAST_POINTS = 5;
const MINUTE_MS = 60_000;

function rateOf(points: Points, facts: Facts): Rate | null {
  const series = points.toSorted((a, b) => a.at - b.at);
  const since = series.filter((one) => one.at >= facts.onset.latest).slice(-LAST_POINTS);
  const last = since.at(-1);
  if (last === undefined) return null;
  const before = series.filter((one) => one.at <= facts.onset.earliest).map((one) => one.value);
  const steps = series.slice(1).map((one, index) => one.at - series[index]!.at);
  return {
    now: since.reduce((sum, one) => sum + one.value, 0) / since.length,
    before: last.expected ?? (before.length < 3 ? null : median(before)),
    upper: last.upper,
    periodMs: steps.length === 0 ? MINUTE_MS : Math.max(1000, Math.min(...steps)),
    newest: last.value,
    points: series,
  };
}

export interface QueueProbe {
  readonly id: string;
  readonly factor: string;
  readonly title: string;
  /** Without its series the probe is unknown. */
  readonly signal: string;
  readonly also?: readonly string[];
}

/** What the walk's answers say of the queue; `own` are the points that a probe got itself. */
export function queueView(facts: Facts, answered: Answered, own: Readonly<Record<string, Points>> = {}): QueueView {
  const of = (name: string): Points | null => own[name] ?? answered(seriesQuestion(facts, name))?.points ?? null;
  return {
    rate: (name) => rateOf(of(name) ?? [], facts),
    sums(name) {
      const found = of(name);
      return found === null ? null : sumsAtOnset(found, facts);
    },
    points: (name) => of(name) ?? [],
  };
}

/** A probe over signals of the queue; `rate` is that of the first, which must have a value since the onset. */
export function overQueue(
  { id, factor, title, signal, also = [] }: QueueProbe,
  judge: (rate: Rate, view: QueueView, symptom: Symptom, facts: Facts, answered: Answered) => Judged,
): AnyProbe {
  return probe<'series'>({
    id,
    factor,
    title,
    ask: (_symptom, facts) => seriesQuestion(facts, signal),
    also: (_symptom, facts) => ['queue_visible', ...also].map((one) => seriesQuestion(facts, one)),
    judge({ points }, symptom, facts, answered) {
      const view = queueView(facts, answered, { [signal]: points });
      const rate = view.rate(signal);
      if (rate === null) {
        // The queue speaks and its consumer, which spoke before, does not: it is not run, and that is no gap.
        const isIdle = signal.startsWith('consumer_') && points.length > 0 && view.rate('queue_visible') !== null;
        return isIdle
          ? neutral('the consumer has published nothing since it began')
          : unknown('no_data', `no value of ${signal} since it began`);
      }
      return judge(rate, view, symptom, facts, answered);
    },
  });
}

/** `1,240 a minute`. */
export function perMinute(rate: number, periodMs: number): string {
  const value = (rate * MINUTE_MS) / periodMs;
  return `${count(value, value < 10 ? 1 : 0)} a minute`;
}

/** Seconds until nothing waits any more, at this rate; infinite where as much comes as goes. */
export function secondsToClear(waiting: number, sentPerSecond: number, deletedPerSecond: number): number {
  const drain = deletedPerSecond - sentPerSecond;
  return waiting <= 0 ? 0 : drain <= 0 ? Number.POSITIVE_INFINITY : waiting / drain;
}

/** `clear in 25 min at this rate`, `not draining`. */
export function clearText(seconds: number): string {
  return Number.isFinite(seconds) ? `clear in ${duration(seconds)} at this rate` : 'not draining';
}

/** What comes and what goes, since the onset. */
export interface Flow {
  readonly sent: number;
  readonly deleted: number;
  /** Deleted of sent; 1 where nothing is sent. */
  readonly part: number;
  /** Hardly anything is worked off, measured by what comes and by what was worked off before. */
  readonly isStill: boolean;
  readonly text: string;
}

const STILL = 0.1;

export function flowOf(view: QueueView): Flow | null {
  const sent = view.rate('queue_sent');
  const deleted = view.rate('queue_deleted');
  if (sent === null || deleted === null) return null;
  const usual = Math.max(sent.now, deleted.before ?? 0);
  return {
    sent: sent.now,
    deleted: deleted.now,
    part: sent.now <= 0 ? 1 : deleted.now / sent.now,
    isStill: deleted.now <= STILL * usual && usual > 0,
    text: `${perMinute(sent.now, sent.periodMs)} come in, ${perMinute(deleted.now, deleted.periodMs)} are worked off`,
  };
}

/** Runs of the consumer that failed, or that were refused, of all since the onset and before. */
export interface RunShare {
  readonly failed: number;
  readonly all: number;
  readonly now: number;
  readonly before: number;
}

export function failedRuns(view: QueueView): RunShare | null {
  const errors = view.sums('consumer_errors');
  const runs = view.sums('consumer_invocations');
  if (errors === null || runs === null) return null;
  return {
    failed: errors.after,
    all: runs.after,
    now: share(errors.after, runs.after),
    before: share(errors.before, runs.before),
  };
}

/** Refused runs are not among the invocations. */
export function refusedRuns(view: QueueView): RunShare | null {
  const throttles = view.sums('consumer_throttles');
  if (throttles === null) return null;
  const runs = view.sums('consumer_invocations') ?? { before: 0, after: 0 };
  return {
    failed: throttles.after,
    all: throttles.after + runs.after,
    now: share(throttles.after, throttles.after + runs.after),
    before: share(throttles.before, throttles.before + runs.before),
  };
}

/** Times of before that a run takes; null where either is not known. */
export function slowdownOf(view: QueueView): { readonly rate: Rate; readonly ratio: number } | null {
  const rate = view.rate('consumer_duration_p95');
  return rate === null || rate.before === null || rate.before <= 0 ? null : { rate, ratio: rate.now / rate.before };
}

/** Long enough before the onset for a batch of messages to have been sent that is the trouble now. */
const SURGE_LOOKBACK_MS = 10 * MINUTE_MS;

/** Messages more than usual that were sent since shortly before the onset; null where usual is not known. */
export function sentTooMany(view: QueueView, facts: Facts): number | null {
  const sent = view.rate('queue_sent');
  if (sent === null || sent.before === null) return null;
  const usual = sent.before;
  return sent.points
    .filter((one) => one.at >= facts.onset.earliest - SURGE_LOOKBACK_MS)
    .reduce((sum, one) => {
      const limit = one.upper ?? usual * 1.3;
      return sum + (one.value > limit ? one.value - (one.expected ?? usual) : 0);
    }, 0);
}

/** The queue as it is now, with the addresses for commands. */
export function queueNowProbe(): AnyProbe {
  return probe({
    id: 'queue-now',
    factor: 'queue-now',
    title: 'the queue as it is now',
    ask: (_symptom, facts) => ask('sqs.queue', facts, {}),
    judge(queue, _symptom, facts) {
      const dead = queue.deadLetters === null ? '' : `, ${plural(queue.deadLetters, 'dead letter')}`;
      return neutral(`${plural(queue.visible, 'message')} wait, ${count(queue.inFlight)} are in flight${dead}`, {
        slots: {
          ...queueSlots(queue),
          fromTime: utcTime(facts.onset.earliest - 30 * MINUTE_MS),
          toTime: utcTime(facts.now),
        },
      });
    },
  });
}

/** The dead-letter queue lies beside the queue, in its account and region. */
function queueSlots({ url, deadLetterQueue }: SqsQueueAnswer): SlotValues {
  if (url === '') return {};
  const beside = url.slice(0, url.lastIndexOf('/'));
  return { queueUrl: url, ...(deadLetterQueue === null ? {} : { deadLetterUrl: `${beside}/${deadLetterQueue}` }) };
}
