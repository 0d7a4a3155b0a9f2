/** Probes of an outbox: how its age and its length change, what is added and worked off, and who works at it. */

import type { Judged, LockTreeAnswer, SlotValues, StatementDelta } from '../../model/index.ts';
import type { AnyProbe, Facts } from '../detector.ts';
import { aroundOnset, ask, probe } from '../detector.ts';
import { neutral, opposes, supports } from '../evidence.ts';
import { clockTime, count, duration, percent, plural, safeName, times } from '../format.ts';
import { slopePerSecond } from '../rules/index.ts';
import { isUp, type Level, overLevel, perSecond, riseOf } from './service-series.ts';
import { isSlower, overStatements, slowerHeadline, statementsWindow, statementText } from './statements.ts';

/** `search.outbox`, from the detector's option. */
export function outboxTable(facts: Facts): string {
  return String(facts.options['table'] ?? 'search.outbox').toLowerCase();
}

const nameOf = (facts: Facts): string => outboxTable(facts).split('.').at(-1) ?? 'outbox';

/** Values for the commands: which table, whose log. Text that is not of a slot's type withholds them. */
export function outboxSlots(facts: Facts): SlotValues {
  const logGroup = String(facts.options['workerLogGroup'] ?? '');
  return { outboxTable: outboxTable(facts), ...(logGroup === '' ? {} : { logGroup }) };
}

const isOutbox = (relation: string | null, facts: Facts): boolean =>
  relation !== null && (relation === outboxTable(facts) || relation.split('.').at(-1) === nameOf(facts));

function isAbout({ text }: StatementDelta, facts: Facts): boolean {
  const word = nameOf(facts).replace(/[^a-z0-9_]/g, '');
  return text !== null && new RegExp(`(?<![a-z0-9_])${word}(?![a-z0-9_])`, 'i').test(text);
}

/** The weight says which way. */
function judged(weight: number, observed: string, extra: { headline?: string; slots?: SlotValues } = {}): Judged {
  if (weight === 0) return neutral(observed, extra);
  return weight > 0 ? supports(weight, observed, extra) : opposes(weight, observed, extra);
}

const WINDOW_MS = 15 * 60_000;
/** A head that nobody takes away ages by a second each second. */
const STUCK = 0.85;
const BEHIND = 0.75;

/** How the age of the oldest row changes: by a second each second where the head is stuck. */
export function ageShapeProbe(weights: { readonly stuck: number; readonly behind: number }): AnyProbe {
  return overLevel(
    { id: 'age-shape', factor: 'age', title: 'how the age of the oldest row changes', signal: 'outbox_oldest_seconds' },
    (level, _symptom, facts) => {
      const since = level.points.filter((one) => one.at >= facts.onset.earliest);
      const slope = slopePerSecond(since, WINDOW_MS);
      const slots = outboxSlots(facts);
      const age = `the oldest row is ${duration(level.now)} old`;
      if (slope === null) return neutral(`${age}; how that changes is not known yet`, { slots });
      const text = `${age}, and ages by ${count(Math.max(0, slope), 2)} s each second`;
      if (slope >= STUCK) return judged(weights.stuck, text, { headline: 'nobody takes the oldest row', slots });
      if (slope >= 0.05 && slope <= BEHIND) {
        return judged(weights.behind, text, { headline: 'rows are still worked off', slots });
      }
      return neutral(text, { slots });
    },
  );
}

/** Whether more and more rows wait, or as many as ever behind one that does not go. */
export function pendingShapeProbe(weights: { readonly grows: number; readonly flat: number }): AnyProbe {
  return overLevel(
    { id: 'pending-shape', factor: 'pending', title: 'how many rows wait, against before', signal: 'outbox_pending' },
    (level) => {
      const before = level.before === null ? '' : `, before ${count(level.before)}`;
      const text = `${plural(level.now, 'row waits', 'rows wait')}${before}`;
      if (level.before === null) return neutral(text);
      const up = level.before <= 0 ? (level.now > 0 ? Number.POSITIVE_INFINITY : 1) : level.now / level.before;
      if (up >= 1.5 && (level.upper === null || level.now > level.upper)) {
        return judged(weights.grows, text, { headline: `${count(level.now)} rows wait` });
      }
      if (up <= 1.3 || (level.upper !== null && level.now <= level.upper)) {
        return judged(weights.flat, text, { headline: `${count(level.now)} rows wait, as before` });
      }
      return neutral(text);
    },
  );
}

const rateText = (level: Level): string => perSecond(level.now, level.periodMs);

/** Rows that were worked off, against before. */
export function processedProbe(weights: {
  readonly none: number;
  readonly less: number;
  readonly same: number;
}): AnyProbe {
  return overLevel(
    { id: 'processed', factor: 'processed', title: 'rows worked off, against before', signal: 'outbox_processed' },
    (level) => {
      const up = riseOf(level);
      if (up === null) return neutral(`${rateText(level)} rows worked off; before is not known`);
      const text = `${rateText(level)} rows worked off, before ${perSecond(level.before!, level.periodMs)}`;
      if (up < 0.05) return judged(weights.none, text, { headline: 'no row is worked off' });
      const headline = `${rateText(level)} rows worked off`;
      return judged(up < 0.7 ? weights.less : weights.same, text, { headline });
    },
  );
}

/** Rows that were added, against before. */
export function addedProbe(weights: { readonly surge: number; readonly usual: number }): AnyProbe {
  return overLevel(
    { id: 'added', factor: 'added', title: 'rows added, against before', signal: 'outbox_added' },
    (level) => {
      const up = riseOf(level);
      if (up === null) return neutral(`${rateText(level)} rows added; before is not known`);
      const text = `${rateText(level)} rows added, before ${perSecond(level.before!, level.periodMs)} (${times(up)})`;
      if (isUp(level, 1.4)) return judged(weights.surge, text, { headline: `${times(up)} the rows added` });
      return up <= 1.3 ? judged(weights.usual, text, { headline: 'rows added as before' }) : neutral(text);
    },
  );
}

/** `FOR UPDATE` takes a row and does not finish it; `WITH … UPDATE` does. */
const ends = (text: string): boolean => /(?<!\bfor\s+(?:no\s+key\s+)?)\bupdate\b|\bdelete\s+from\b/i.test(text);
const takes = (text: string): boolean => /^\s*(?:select|with)\b/i.test(text) && !ends(text);

/** Statements of one kind at the outbox, against before; null where none is among those with most time. */
function callsOf(top: readonly StatementDelta[], facts: Facts, fits: (text: string) => boolean) {
  const found = top.filter((one) => isAbout(one, facts) && fits(one.text ?? ''));
  const before = found.reduce((sum, one) => sum + (one.before.callsPerSecond ?? 0), 0);
  if (found.length === 0 || before <= 0) return null;
  const now = found.reduce((sum, one) => sum + one.callsPerSecond, 0);
  return { now, ratio: now / before };
}

/** Whether anybody still fetches rows and finishes them, by the statements at the table. */
export function workerStatementsProbe(weights: {
  readonly stopped: number;
  readonly fetchesOnly: number;
  readonly works: number;
}): AnyProbe {
  return overStatements(
    'worker-statements',
    'work',
    'statements that fetch and finish rows, against before',
    ({ value, facts }) => {
      const fetches = callsOf(value.top, facts, takes);
      const finishes = callsOf(value.top, facts, ends);
      const any = finishes ?? fetches;
      if (any === null) return neutral(`no statement at ${outboxTable(facts)} is among those with most time`);
      const said = (name: string, calls: { now: number; ratio: number } | null): readonly string[] =>
        calls === null ? [] : [`${count(calls.now, 1)} ${name} a second (${percent(calls.ratio)} of before)`];
      const text = [...said('fetches', fetches), ...said('ends', finishes)].join(', ');
      const most = Math.max(fetches?.ratio ?? 0, finishes?.ratio ?? 0);
      if (most < 0.1) return judged(weights.stopped, text, { headline: `nobody works at ${outboxTable(facts)}` });
      if (fetches !== null && finishes !== null && fetches.ratio >= 0.5 && finishes.ratio < 0.2) {
        return judged(weights.fetchesOnly, text, { headline: 'rows are fetched and not finished' });
      }
      // What is not called any more is not in the list: that rows are fetched says nothing of whether they are finished.
      if (finishes === null) return neutral(`${text}; none that ends rows is among those with most time`);
      return any.ratio >= 0.5
        ? judged(weights.works, text, { headline: 'rows are fetched and finished' })
        : neutral(text);
    },
  );
}

/** Names by which workers of an outbox log in. */
const WORKER = /outbox|index|relay|publish|dispatch|worker/i;

/** Whether the worker is still connected, where its name tells it. */
export function workerSessionsProbe(weights: { readonly gone: number; readonly there: number }): AnyProbe {
  return probe({
    id: 'worker-sessions',
    factor: 'sessions',
    title: "the worker's sessions, against before",
    ask: (_symptom, facts) => ask('postgres.sessions', facts, {}, aroundOnset(facts, 50 * 60_000)),
    judge({ groups, history, hidden }, _symptom, facts) {
      const own = new RegExp(`${nameOf(facts).replace(/[^a-z0-9_]/g, '')}|outbox|index|relay`, 'i');
      const now = groups.filter((one) => own.test(one.app)).reduce((sum, one) => sum + one.count, 0);
      const before = history.filter((one) => one.at <= facts.onset.latest);
      const gone = [...new Set(before.flatMap((one) => Object.keys(one.byApp)))].find(
        (app) => WORKER.test(app) && !groups.some((one) => one.app === app),
      );
      if (now > 0) {
        const who = groups.find((one) => own.test(one.app))!;
        const text = `${safeName(who.app)} is connected with ${plural(now, 'session')}, ${safeName(who.state)}`;
        return judged(weights.there, text, { headline: `${safeName(who.app)} is connected` });
      }
      if (gone === undefined || hidden > 0) return neutral('no session whose name tells that it works at the outbox');
      const last = before.findLast((one) => (one.byApp[gone] ?? 0) > 0)!;
      const text = `${safeName(gone)} was connected until ${clockTime(last.at)} and is not any more`;
      return judged(weights.gone, text, { headline: `${safeName(gone)} is not connected` });
    },
  });
}

/** Transactions that are rolled back: work that was begun and failed. */
export function rollbacksProbe(weight: number): AnyProbe {
  return probe({
    id: 'rollbacks',
    factor: 'rollbacks',
    title: 'share of transactions that are rolled back',
    ask: (_symptom, facts) => ask('postgres.activity', facts, {}, statementsWindow(facts)),
    judge({ rollbackShare }) {
      if (rollbackShare === null) return neutral('the share of rolled back transactions is not known');
      const text = `${percent(rollbackShare)} of transactions are rolled back`;
      return rollbackShare >= 0.05 ? supports(weight, text, { headline: text }) : neutral(text);
    },
  });
}

/** Whether sessions wait for the outbox itself. */
function locksOf(tree: LockTreeAnswer, facts: Facts): 'its' | 'others' | 'none' | 'unnamed' {
  if (tree.blockedSessions === 0) return 'none';
  const relations = [...tree.roots, ...tree.waiters].map((one) => one.relation).filter((one) => one !== null);
  if (relations.some((one) => isOutbox(one, facts))) return 'its';
  return relations.length === 0 ? 'unnamed' : 'others';
}

export function outboxLocksProbe(weights: { readonly its: number; readonly others: number }): AnyProbe {
  return probe({
    id: 'outbox-locks',
    factor: 'outbox-locks',
    title: 'whether sessions wait for the outbox',
    ask: (_symptom, facts) => ask('postgres.lock_tree', facts, {}),
    judge(tree, _symptom, facts) {
      const slots = outboxSlots(facts);
      const found = locksOf(tree, facts);
      const name = outboxTable(facts);
      if (found === 'its') {
        const text = `${plural(tree.blockedSessions, 'session waits', 'sessions wait')} for locks, on ${name} too`;
        return judged(weights.its, text, { headline: `sessions wait for locks on ${name}`, slots });
      }
      if (found === 'others') {
        const text = `${plural(tree.blockedSessions, 'session waits', 'sessions wait')} for locks, none on ${name}`;
        return judged(weights.others, text, { headline: `no lock on ${name}`, slots });
      }
      return neutral(found === 'none' ? 'no session waits for a lock' : 'what they wait for has no name', { slots });
    },
  });
}

/** Whether a statement at the outbox is slower, new or more frequent than before. */
export function outboxStatementProbe(weights: { readonly slow: number; readonly others: number }): AnyProbe {
  return overStatements(
    'outbox-statement',
    'outbox-statement',
    'whether a statement at the outbox stands out',
    ({ suspects, facts }) => {
      const slots = outboxSlots(facts);
      const its = suspects.filter((one) => isAbout(one, facts));
      // A worker that runs more often is no slow statement.
      const slow = its.find((one) => isSlower(one) || one.before.basis === 'none');
      if (slow !== undefined) {
        const headline = isSlower(slow) ? slowerHeadline(slow) : `new statement ${slow.queryid}`;
        return judged(weights.slow, statementText(slow), { headline, slots });
      }
      const text = `no statement at ${outboxTable(facts)} is slower or new`;
      return judged(weights.others, text, { headline: text, slots });
    },
  );
}
