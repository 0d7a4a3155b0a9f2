/** What several causes of search trouble look at: the engine itself, its fallback, and signals of what search depends on. */

import type { Change, Judged, Question, SearchEngineAnswer, SlotValues, Target } from '../../model/index.ts';
import type { Answered, AnyProbe, Facts } from '../detector.ts';
import { aroundOnset, probe, rightNow } from '../detector.ts';
import { neutral, opposes, supports } from '../evidence.ts';
import { clockTime, count, duration, percent, safeName } from '../format.ts';
import { changesQuestion } from './service-questions.ts';
import { isAfterOnset, type Level, levelsOf, riseOf, type SeriesPoint } from './service-series.ts';

const MINUTE_MS = 60_000;
const NEAR_MS = 15 * MINUTE_MS;
const RECENT_MS = 30 * MINUTE_MS;

/** The engine that it is about: that of the cause, where others wait for one, else that of the symptom. */
const searchOf = (facts: Facts): Target => (facts.on.kind === 'search' ? facts.on : facts.target);

/** Of the engine of the case, or of the one with that name. */
export function engineQuestion(facts: Facts, target = searchOf(facts).name): Question<'search.engine'> {
  return { kind: 'search.engine', target, window: rightNow(facts), params: {} };
}

const upQuestion = (facts: Facts, target: string): Question<'series'> => ({
  kind: 'series',
  target,
  window: aroundOnset(facts, 30 * MINUTE_MS),
  params: { signal: 'search_up' },
});

/** From when until when polls found the engine down, of those since shortly before the onset; null when none did. */
export function downSince(points: readonly SeriesPoint[], { onset }: Facts): string | null {
  const since = points.filter((one) => one.at >= onset.earliest - 2 * MINUTE_MS);
  const down = since.filter((one) => one.value === 0);
  const [first, last] = [down[0], down.at(-1)];
  if (first === undefined || last === undefined) return null;
  return `the polls found it down ${down.length} of ${since.length} times, from ${clockTime(first.at)} to ${clockTime(last.at)}`;
}

/** `wasDown` is what polls say of the time since the onset; null when it was always up. */
export function engineProbe(
  definition: { readonly id: string; readonly factor: string; readonly title: string },
  judge: (engine: SearchEngineAnswer, facts: Facts, wasDown: string | null) => Judged,
): AnyProbe {
  return probe<'search.engine'>({
    ...definition,
    ask: (_symptom, facts) => engineQuestion(facts),
    also: (_symptom, facts) => [upQuestion(facts, searchOf(facts).name)],
    judge: (engine, _symptom, facts, answered) =>
      judge(engine, facts, engineWasDown(facts, searchOf(facts).name, answered)),
  });
}

export const engineQuestions = (facts: Facts, target: string): readonly Question[] => [
  engineQuestion(facts, target),
  upQuestion(facts, target),
];

export function engineWasDown(facts: Facts, target: string, answered: Answered): string | null {
  return downSince(answered(upQuestion(facts, target))?.points ?? [], facts);
}

/** Decides nothing: it says whether the switch that the runbook names may be shown. */
export function fallbackProbe(): AnyProbe {
  return probe<'search.fallback'>({
    id: 'fallback',
    factor: 'fallback',
    title: 'whether the engine to fall back to is ready',
    ask: (_symptom, facts) => ({
      kind: 'search.fallback',
      target: searchOf(facts).name,
      window: rightNow(facts),
      params: {},
    }),
    judge({ host, status, nodes, unassignedShards, activeShardsRatio, ready }, _symptom, facts) {
      const text = `OpenSearch on ${safeName(host, 80)} is ${status} with ${count(nodes)} nodes, ${percent(activeShardsRatio)} of its shards active, ${count(unassignedShards)} not assigned`;
      const { fallbackValue } = searchOf(facts).slots;
      const isKnown = ready && fallbackValue !== undefined;
      const slots: SlotValues = { ...(isKnown ? { fallbackEngine: fallbackValue } : {}), ...targetSlots(facts) };
      return neutral(ready ? `${text}: ready` : `${text}: not ready to take over`, { slots });
    },
  });
}

/** The addresses of the search target, where the cause is about another one. */
export function targetSlots(facts: Facts): SlotValues {
  const names = ['searchUrl', 'fallbackUrl', 'fallbackFlag', 'functionName', 'region'];
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = searchOf(facts).slots[name];
      return value === undefined || facts.on.slots[name] !== undefined ? [] : [[name, value]];
    }),
  );
}

const seriesOf = (facts: Facts, target: string, signal: string): Question<'series'> => ({
  kind: 'series',
  target,
  window: aroundOnset(facts, 30 * MINUTE_MS),
  params: { signal },
});

/** A signal of everything that search depends on: whoever has it answers. */
export function dependencyQuestions(facts: Facts, signal: string): readonly Question<'series'>[] {
  return facts.target.dependsOn.map((target) => seriesOf(facts, target, signal));
}

/** A level, and whose it is: the ledger's line must say where its figure comes from. */
export interface DependencyLevel {
  readonly level: Level;
  readonly of: string;
}

/** The level of a signal where it is known, of the dependency where it rose most. */
export function dependencyLevel(facts: Facts, signal: string, answered: Answered): DependencyLevel | null {
  const found = dependencyQuestions(facts, signal).flatMap((question) =>
    levelsOf(answered(question)?.points ?? [], facts).map((level) => ({ level, of: safeName(question.target, 60) })),
  );
  return found.toSorted((a, b) => rise(b.level) - rise(a.level))[0] ?? null;
}

const rise = (level: Level): number => riseOf(level) ?? level.now;

/** So many more rows than usual are no busy minute. */
const BACKLOG = { ratio: 3, rows: 100 } as const;

/** The newest value: of what grows or shrinks all the time, a median is of the past. */
export function newestOf(level: Level): number {
  return level.points.at(-1)?.value ?? level.now;
}

/** Whether a backlog stands far above what it was; null where what it was is not known. */
export function isBackedUp(level: Level): boolean | null {
  if (level.before === null) return null;
  const limit = Math.max(level.before * BACKLOG.ratio, level.before + BACKLOG.rows, level.upper ?? 0);
  return level.now > limit;
}

/** Over a signal of whichever dependency has it: the level is null where none has. */
export function dependencyProbe(
  definition: { readonly id: string; readonly factor: string; readonly title: string },
  signal: string,
  judge: (found: DependencyLevel | null) => Judged,
): AnyProbe {
  return probe<'changes'>({
    ...definition,
    // Who has it is not known beforehand: it is looked up beside a question that every walk asks.
    ask: (_symptom, facts) => changesQuestion(facts),
    also: (_symptom, facts) => dependencyQuestions(facts, signal),
    judge: (_changes, _symptom, facts, answered) => judge(dependencyLevel(facts, signal, answered)),
  });
}

/** For causes that leave the outbox alone: rows that wait there explain more. */
export function noBacklogProbe(ifFlat: number, ifUp: number): AnyProbe {
  const title = 'whether changes wait in the outbox';
  return dependencyProbe({ id: 'no-backlog', factor: 'outbox', title }, 'outbox_pending', (found) => {
    const up = found === null ? null : isBackedUp(found.level);
    if (found === null || up === null) return neutral('how many changes wait in the outbox is not known');
    const { level, of } = found;
    const rows = count(newestOf(level));
    const text = `${rows} changes wait in the outbox of ${of}, ${count(level.before ?? 0)} before`;
    if (!up) return ifFlat === 0 ? neutral(text) : supports(ifFlat, `${text}: no backlog`);
    return opposes(ifUp, `${text}, which explains more`, { headline: `outbox ${rows} behind` });
  });
}

/** Deployments and flags of whoever searches, fills the index or runs the engine, around the onset. */
const versionsOf = (changes: readonly Change[], facts: Facts): readonly Change[] =>
  changes.filter(
    ({ kind, at }) => (kind === 'deployment' || kind === 'flag') && at.latest >= facts.onset.earliest - RECENT_MS,
  );

/** Weights of a version near before, of none, and of one that came only afterwards. */
export function newQueriesProbe(weights: {
  readonly near: number;
  readonly none: number;
  readonly after: number;
}): AnyProbe {
  return probe<'changes'>({
    id: 'new-queries',
    factor: 'version',
    title: 'deployments and flags in the 30 min before, which bring other queries',
    ask: (_symptom, facts) => changesQuestion(facts),
    judge({ changes }, _symptom, facts) {
      const found = versionsOf(changes, facts);
      const before = found.findLast((one) => !isAfterOnset(one.at.earliest, facts));
      if (before !== undefined) {
        const gap = Math.max(0, facts.onset.latest - before.at.latest);
        const observed = `${safeName(before.target, 60)}: ${safeName(before.summary, 120)} at ${clockTime(before.at.latest)}, ${duration(gap / 1000)} before it began`;
        const previous = before.deployment?.previous ?? null;
        const slots = previous === null ? {} : { service: before.target, previousVersion: previous };
        const headline = `after ${safeName(before.summary, 60)}`;
        return supports(gap <= NEAR_MS ? weights.near : weights.near / 3, observed, { headline, slots });
      }
      const after = found[0];
      if (after !== undefined) {
        const observed = `${safeName(after.summary, 120)}, but only after ${clockTime(after.at.earliest)}, when it had begun`;
        return opposes(weights.after, observed, { headline: 'deployed only after it began' });
      }
      const observed = 'no deployment and no flag in the 30 min before';
      return weights.none === 0
        ? neutral(observed)
        : opposes(weights.none, observed, { headline: 'nothing was deployed' });
    },
  });
}
