/** How a statement differs from before: what the probes of slow statements share. Ratios are null without a before. */

import type { Judged, QuestionTypes, StatementDelta, StatementsAnswer, Symptom, Window } from '../../model/index.ts';
import { type AnyProbe, ask, type Facts, probe, sinceOnset } from '../detector.ts';
import { neutral } from '../evidence.ts';
import { count, milliseconds, percent, safeName, times } from '../format.ts';

/** A statement is slower from this ratio of means on, and from this difference on. */
const SLOWER_RATIO = 1.5;
const SLOWER_MS = 5;
/** A mean is as before within this share (check 40: ± 20 %), or within this difference, which is noise. */
const FLAT_SHARE = 0.2;
export const FLAT_MS = 0.5;
/** Blocks and temporary blocks per call below this are nothing (8 kB each). */
export const FEW_BLOCKS = 20;
/** At least two polls, so that there is a difference in the window, and no more than two of the usual minute. */
const MINIMUM_POLLS = 2;
const MINIMUM_WINDOW_MS = 120_000;

/** Null without a before; infinite when there was none of it before. */
export function ratio(now: number, before: number | null): number | null {
  if (before === null) return null;
  return before > 0 ? now / before : now > 0 ? Number.POSITIVE_INFINITY : 1;
}

export const hasBefore = (one: StatementDelta): boolean => one.before.basis !== 'none' && one.before.calls > 0;

export function isSlower(one: StatementDelta, atLeastMs = SLOWER_MS): boolean {
  const { meanMs } = one.before;
  return hasBefore(one) && one.meanMs >= SLOWER_RATIO * meanMs && one.meanMs - meanMs >= atLeastMs;
}

export function isFlat(one: StatementDelta): boolean {
  const { meanMs } = one.before;
  return hasBefore(one) && Math.abs(one.meanMs - meanMs) <= Math.max(FLAT_SHARE * meanMs, FLAT_MS);
}

/** Calls a second against before; null when not known. */
export const callsRatio = (one: StatementDelta): number | null => ratio(one.callsPerSecond, one.before.callsPerSecond);

export type Blocks = 'unknown' | 'up' | 'flat' | 'more-rows' | 'between';

/** Blocks per call against before. More blocks for as many more rows is more data, not another plan. */
export function blocksOf(one: StatementDelta): Blocks {
  if (!hasBefore(one)) return 'unknown';
  const { blocksPerCall, rowsPerCall } = one.before;
  const up = ratio(one.blocksPerCall, blocksPerCall) ?? 1;
  if (up <= 1.3 || one.blocksPerCall - blocksPerCall < FEW_BLOCKS) return 'flat';
  if (up < 2) return 'between';
  const rows = ratio(one.rowsPerCall, rowsPerCall) ?? 1;
  return rows >= 0.5 * up && one.rowsPerCall >= 10 ? 'more-rows' : 'up';
}

export function blocksText(one: StatementDelta): string {
  return `${count(one.blocksPerCall, 1)} blocks a call, before ${count(one.before.blocksPerCall, 1)}`;
}

/** First seen less than a day ago, and not already there at our first look. */
export function isNew(one: StatementDelta, now: number): boolean {
  return one.firstSeenAt !== null && now - one.firstSeenAt < 86_400_000;
}

/** Whether it was first seen when the symptom began, give or take two polls: one that ran before it cannot be why. */
export function cameWithOnset(one: StatementDelta, facts: Facts): boolean {
  const slackMs = 2 * Number(facts.options['pollSeconds'] ?? 60) * 1000;
  return one.firstSeenAt !== null && one.firstSeenAt >= facts.onset.earliest - slackMs;
}

/** `statement 7239487: 95 ms a call (before 3.1 ms), 62 % of database time`, with its text where known. */
export function statementText(one: StatementDelta): string {
  const before = hasBefore(one) ? ` (before ${milliseconds(one.before.meanMs)})` : '';
  const text = one.text === null ? '' : `: ${safeName(one.text, 120)}`;
  return `statement ${one.queryid}, ${milliseconds(one.meanMs)} a call${before}, ${percent(one.share)} of database time${text}`;
}

export function slowerHeadline(one: StatementDelta): string {
  return `statement ${one.queryid} ${times(ratio(one.meanMs, one.before.meanMs) ?? Number.NaN)} slower`;
}

/** The statements that the symptom names, else those that stand out by themselves; most time first. */
export function suspectsOf(value: StatementsAnswer, symptom: Symptom, now: number): readonly StatementDelta[] {
  const named = new Set(symptom.readings.flatMap((one) => one.labels['queryid'] ?? []));
  const found = value.top.filter((one) => named.has(one.queryid));
  if (named.size > 0) return found;
  return value.top.filter(
    (one) => one.share >= 0.05 && (isSlower(one) || (callsRatio(one) ?? 1) >= 2 || isNew(one, now)),
  );
}

/**
 * From the onset on: a window that begins before it would mix the healthy time in. All probes of all causes of slow
 * statements ask about this one, so that each question is asked once.
 */
export function statementsWindow(facts: Facts): Window {
  const pollMs = Number(facts.options['pollSeconds'] ?? 60) * 1000;
  return sinceOnset(facts, Math.min(MINIMUM_WINDOW_MS, MINIMUM_POLLS * pollMs));
}

export interface StatementContext {
  readonly value: StatementsAnswer;
  readonly suspects: readonly StatementDelta[];
  readonly facts: Facts;
}

/** A probe over all statements of the window. */
export function overStatements(
  id: string,
  factor: string,
  title: string,
  judge: (context: StatementContext) => Judged,
): AnyProbe {
  return probe<'postgres.statements'>({
    id,
    factor,
    title,
    ask: (_symptom, facts) => ask('postgres.statements', facts, {}, statementsWindow(facts)),
    judge: (value, symptom, facts) => judge({ value, suspects: suspectsOf(value, symptom, facts.now), facts }),
  });
}

/** A probe over each suspect: what supports most counts, and it opposes only when it does for all of them. */
export function overSuspects(
  id: string,
  factor: string,
  title: string,
  judge: (one: StatementDelta, context: StatementContext) => Judged,
): AnyProbe {
  return overStatements(id, factor, title, (context) => {
    const judged = context.suspects.map((one) => {
      const found = judge(one, context);
      return { ...found, slots: { queryid: one.queryid, ...found.slots } };
    });
    const best = judged.reduce<Judged | null>((a, b) => (a === null || b.weight > a.weight ? b : a), null);
    return best ?? neutral('no statement stands out among those with most time');
  });
}

/** A probe over the changes around the onset; `matches` says which count. Onset order decides. */
export function overChanges(
  id: string,
  weight: number,
  title: string,
  matches: (change: QuestionTypes['changes']['value']['changes'][number]) => boolean,
): AnyProbe {
  return probe<'changes'>({
    id,
    factor: 'changes',
    title,
    ask: (_symptom, facts) => ask('changes', facts, {}, { from: facts.onset.earliest - 30 * 60_000, to: facts.now }),
    judge: ({ changes }, _symptom, facts) => {
      const found = changes.filter(matches);
      const before = found.findLast((one) => one.at.latest <= facts.onset.earliest);
      if (before !== undefined) return { state: 'supports', weight, observed: `${before.summary}, before it began` };
      const overlapping = found.find((one) => one.at.earliest <= facts.onset.latest);
      if (overlapping !== undefined) return neutral(`${overlapping.summary}, at about the time it began`);
      const after = found[0];
      if (after === undefined) return neutral('nothing of the kind was changed in the 30 min before');
      return {
        state: 'opposes',
        weight: -1,
        observed: `${after.summary}, but only after it began`,
        headline: 'changed only afterwards',
      };
    },
  });
}
