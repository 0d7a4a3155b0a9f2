/**
 * What a service's own metrics were and are: the levels that the probes of its load and of its latency compare. All
 * probes of a signal ask about one window, so that each question is asked once.
 */

import type { EpochMs, Judged, Labels, Question, QuestionTypes, Symptom } from '../../model/index.ts';
import type { Answered, AnyProbe, Facts } from '../detector.ts';
import { probe } from '../detector.ts';
import { unknown } from '../evidence.ts';
import { count, duration, milliseconds } from '../format.ts';
import { seriesQuestion } from './service-questions.ts';

export type SeriesPoint = QuestionTypes['series']['value']['points'][number];

/** One labelled series, now against before. */
export interface Level {
  readonly labels: Labels;
  /** Oldest first. */
  readonly points: readonly SeriesPoint[];
  readonly periodMs: number;
  /** Median of the last points since the onset: one odd minute decides nothing. */
  readonly now: number;
  /** What the band expects; without a band the median of the time before the onset; null without either. */
  readonly before: number | null;
  /** Upper end of the band; null without one. */
  readonly upper: number | null;
  /** Median of the half hour before the onset; null where that is gone, or too little of it is known. */
  readonly recent: number | null;
}

const SINCE_POINTS = 5;
/** Fewer points before the onset are nothing to compare with. */
const BEFORE_POINTS = 3;
const MINUTE_MS = 60_000;

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** One level for each label set that has a value since the onset, in the order of the answer. */
export function levelsOf(points: readonly SeriesPoint[], facts: Facts): readonly Level[] {
  const byLabels = Map.groupBy(points, ({ labels }) => JSON.stringify(Object.entries(labels).sort()));
  return [...byLabels.values()].flatMap((group): readonly Level[] => {
    const series = [...group].sort((a, b) => a.at - b.at);
    const since = series.filter((one) => one.at >= facts.onset.latest).slice(-SINCE_POINTS);
    const newest = since.at(-1);
    if (newest === undefined) return [];
    const earlier = series.filter((one) => one.at <= facts.onset.earliest).map((one) => one.value);
    const recent = earlier.length < BEFORE_POINTS ? null : median(earlier);
    return [
      {
        labels: newest.labels,
        points: series,
        periodMs: periodOf(series),
        now: median(since.map((one) => one.value)),
        before: newest.expected ?? recent,
        upper: newest.upper,
        recent,
      },
    ];
  });
}

function periodOf(series: readonly SeriesPoint[]): number {
  const steps = series.slice(1).flatMap((one, index) => {
    const step = one.at - series[index]!.at;
    return step > 0 ? [step] : [];
  });
  return steps.length === 0 ? MINUTE_MS : Math.min(...steps);
}

/** Now over before; null when before is not known or is nothing. */
export function riseOf(level: Pick<Level, 'now' | 'before'>): number | null {
  return level.before === null || level.before <= 0 ? null : level.now / level.before;
}

/** More than `ratio` times before, and outside of the band where there is one: a busy hour of every day is neither. */
export function isUp(level: Level, ratio: number): boolean {
  return (riseOf(level) ?? 1) >= ratio && (level.upper === null || level.now > level.upper);
}

/**
 * When the present rise above the band (else above `ratio` times before) began; a single sample back within it does not
 * end a rise. Null when it is not up now, and when it was up already at the oldest point that is known: then it is older.
 */
export function roseAt(level: Level, ratio: number): EpochMs | null {
  const limit = level.upper ?? (level.before === null ? null : ratio * level.before);
  const { points } = level;
  if (limit === null) return null;
  const isOver = (index: number): boolean => (points[index]?.value ?? 0) > limit;
  let start = points.length;
  for (let index = points.length - 1; index >= 0; index--) {
    if (isOver(index)) start = index;
    else if (!isOver(index - 1)) break;
  }
  return start === 0 ? null : (points[start]?.at ?? null);
}

/** Wholly after the onset, by more than the period that the samples' times are exact to. */
export function isAfterOnset(at: EpochMs, facts: Facts, slackMs: number = MINUTE_MS): boolean {
  return at > facts.onset.latest + slackMs;
}

/** What a judgement may look up besides: the level of another signal of the service; null when it is not known. */
export type OtherLevel = (signal: string) => Level | null;

interface LevelProbe {
  readonly id: string;
  readonly factor: string;
  readonly title: string;
  readonly signal: string | ((symptom: Symptom) => string);
  /** Further signals of the service that `judge` looks up. */
  readonly also?: readonly string[];
  /** Other questions that it looks up. */
  readonly questions?: (facts: Facts) => readonly Question[];
  /** `cause`: of the target that the hypothesis is about. Default: of the service that has the symptom. */
  readonly of?: 'service' | 'cause';
  /** Default: from half an hour before the onset on. */
  readonly lookbackMs?: number;
}

type LevelsJudge = (
  levels: readonly Level[],
  symptom: Symptom,
  facts: Facts,
  other: OtherLevel,
  answered: Answered,
) => Judged;

/** A probe over every label set of a signal. */
export function overLevels(definition: LevelProbe, judge: LevelsJudge): AnyProbe {
  const { id, factor, title, signal, also = [], questions, of = 'service', lookbackMs } = definition;
  return probe<'series'>({
    id,
    factor,
    title,
    ask(symptom, facts) {
      const question = seriesQuestion(facts, typeof signal === 'string' ? signal : signal(symptom));
      return {
        ...question,
        target: of === 'cause' ? facts.on.name : facts.target.name,
        window: lookbackMs === undefined ? question.window : { from: facts.now - lookbackMs, to: facts.now },
      };
    },
    also: (_symptom, facts) => [...also.map((one) => seriesQuestion(facts, one)), ...(questions?.(facts) ?? [])],
    judge({ points }, symptom, facts, answered) {
      const levels = levelsOf(points, facts);
      if (levels.length === 0) return unknown('no_data', `${title}: no value since it began`);
      const other: OtherLevel = (one) => plainOf(levelsOf(answered(seriesQuestion(facts, one))?.points ?? [], facts));
      return judge(levels, symptom, facts, other, answered);
    },
  });
}

/** A probe over a signal without labels. */
export function overLevel(
  definition: LevelProbe,
  judge: (level: Level, symptom: Symptom, facts: Facts, other: OtherLevel) => Judged,
): AnyProbe {
  return overLevels(definition, (levels, symptom, facts, other) =>
    judge(plainOf(levels) ?? levels[0]!, symptom, facts, other),
  );
}

function plainOf(levels: readonly Level[]): Level | null {
  return levels.find((level) => Object.keys(level.labels).length === 0) ?? null;
}

/** How much another signal rose; null when that is not known. */
export function riseOfOther(other: OtherLevel, signal: string): number | null {
  const level = other(signal);
  return level === null ? null : riseOf(level);
}

/** The resources that a service reserves, as people call them. */
export const RESOURCE_NAMES = { cpu: 'CPU', memory: 'memory' } as const;
export type Resource = keyof typeof RESOURCE_NAMES;

/** The resource that the symptom is about; null where a lack of one would have to explain another symptom. */
export function subjectOf(symptom: Symptom): Resource | null {
  return symptom.subject === 'cpu' || symptom.subject === 'memory' ? symptom.subject : null;
}

/** 0.21 → `0.21 s`, 0.004 → `4 ms`, 75 → `1 min 15 s`: latencies with two telling digits. */
export function latencyText(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return '?';
  if (seconds < 0.0095) return milliseconds(seconds * 1000);
  return seconds < 9.95 ? `${Number(seconds.toPrecision(2))} s` : duration(seconds);
}

/** Counts per period as a rate: `90/s`. */
export function perSecond(value: number, periodMs: number): string {
  const rate = value / (periodMs / 1000);
  return `${count(rate, rate < 10 ? 1 : 0)}/s`;
}
