/**
 * A server whose connection slots run out, told apart by what the sessions do: sit idle and grow (leak), work (surge),
 * sit in open transactions, or are as many as ever under a lower limit.
 */

import type {
  ActivityAnswer,
  Judged,
  SessionsAnswer,
  StatementsAnswer,
  TargetKind,
  Window,
} from '../../model/index.ts';
import type { AnyProbe, Facts, Hypothesis } from '../detector.ts';
import { aroundOnset, ask, probe } from '../detector.ts';
import { neutral, opposes, supports, unknown } from '../evidence.ts';
import { clockTime, count, duration, percent, plural, safeName, times } from '../format.ts';
import { limitChangeProbe, limitSeriesProbe, limitStoodProbe } from './limit-change.ts';
import { MONITOR_GRANT } from './lock-tree.ts';
import type { Growth, Occupant } from './session-shares.ts';
import { growthOf, growthOfUse, idleAge, slotShares, steepestRise } from './session-shares.ts';
import { statementsWindow } from './statements.ts';

export { connectionPoolMitigations } from './connection-pool-mitigations.ts';

export interface ConnectionPoolOptions {
  /** `self` on a database, `database` on what depends on one. */
  readonly on?: 'self' | TargetKind;
  /** The four priors, multiplied by this: 1 where the symptom is the full server itself. */
  readonly priorScale?: number;
  /** Where a full server would have to explain another symptom: it must first be shown to be full. */
  readonly elsewhere?: boolean;
}

/** Growth over less time than this proves nothing when it is small. */
const FLAT_SECONDS = 10 * 60;

/** The variants as hypotheses; spread `connectionPoolMitigations` into the detector's mitigations beside them. */
export function connectionPoolHypotheses(options: ConnectionPoolOptions = {}): readonly Hypothesis[] {
  const { on = 'self', priorScale = 1, elsewhere = false } = options;
  const full = elsewhere ? [slotsProbe()] : [];
  const hypothesis = (
    variant: string,
    title: string,
    prior: number,
    rest: Pick<Hypothesis, 'probes' | 'mitigations'>,
  ) => ({
    cause: 'connection-pool',
    variant,
    title: `Connection pool: ${title}`,
    prior: prior * priorScale,
    on,
    probes: [...rest.probes, ...full],
    requires: [rest.probes[0]!.id],
    mitigations: rest.mitigations,
  });
  return [
    hypothesis('leak', 'one application opens sessions and does not give them back', 0.3, {
      probes: [idleProbe(), leakGrowthProbe(), idleAgeProbe(), flatWorkProbe(), limitStoodProbe()],
      mitigations: ['count-by-state', 'restart-app', 'terminate-idle', 'pool-settings', 'pool-size'],
    }),
    hypothesis('surge', 'more work than usual takes the slots', 0.25, {
      probes: [workingProbe(), jumpProbe(), callsProbe()],
      mitigations: ['count-by-state', 'pool-settings', 'pool-size', 'look-at-limits'],
    }),
    hypothesis('idle-in-transaction', 'sessions pile up idle in transaction', 0.2, {
      probes: [idleInTransactionProbe(), idleInTransactionGrowthProbe()],
      mitigations: ['count-by-state', 'terminate-idle-in-transaction', 'restart-app', 'pool-settings'],
    }),
    hypothesis('limit-lowered', 'the server allows fewer connections than before', 0.05, {
      probes: [limitChangeProbe(), limitSeriesProbe(sessionWindow), useFlatProbe()],
      mitigations: ['look-at-limits', 'restore-limit', 'pool-settings'],
    }),
  ];
}

/** One line for detectors where a full server is only to be ruled out. */
export function connectionPoolFull(
  options: { readonly on?: 'self' | TargetKind; readonly prior?: number } = {},
): Hypothesis {
  return {
    cause: 'connection-pool',
    title: 'Connection pool: the connection slots of the server run out',
    prior: options.prior ?? 0.03,
    on: options.on ?? 'self',
    probes: [slotsProbe()],
    mitigations: ['count-by-state'],
  };
}

/** Long enough to see a leak grow; the same for all probes of sessions, so that it is asked once. */
function sessionWindow(facts: Facts): Window {
  return aroundOnset(facts, 50 * 60_000);
}

function sessionsProbe(
  id: string,
  factor: string,
  title: string,
  judge: (sessions: SessionsAnswer, facts: Facts) => Judged,
): AnyProbe {
  return probe({
    id,
    factor,
    title,
    ask: (_symptom, facts) => ask('postgres.sessions', facts, {}, sessionWindow(facts)),
    judge: (sessions, _symptom, facts) =>
      sessions.hidden * 2 > sessions.used
        ? unknown(
            'denied',
            `what ${sessions.hidden} of ${sessions.used} sessions do is hidden from the role of runbookd`,
            MONITOR_GRANT,
          )
        : judge(sessions, facts),
  });
}

/** `82 of 97 slots are idle sessions of billing-worker, the longest for 12 min`. */
function occupantText(what: string, occupant: Occupant, usable: number): string {
  const longest = occupant.longestSeconds === null ? '' : `, the longest for ${duration(occupant.longestSeconds)}`;
  return `${occupant.count} of ${usable} slots (${percent(occupant.count / usable)}) are ${what} sessions of ${safeName(occupant.app)}${longest}`;
}

function appSlots(occupant: Occupant, occupation: 'idle' | 'idle-in-transaction') {
  const idleSeconds = idleAge(occupant.longestSeconds, occupation);
  return { appName: occupant.app, ...(idleSeconds === null ? {} : { idleSeconds }) };
}

function idleProbe(): AnyProbe {
  return sessionsProbe('idle-by-app', 'state', 'idle sessions by application', (sessions) => {
    const top = slotShares(sessions).top.idle;
    const share = (top?.count ?? 0) / Math.max(sessions.used, 1);
    if (top === null || share < 0.2) {
      const text = `${slotShares(sessions).count.idle} of ${sessions.used} sessions are idle, at most ${top?.count ?? 0} of one application`;
      return opposes(4.5, text, { headline: `${slotShares(sessions).count.idle} of ${sessions.used} sessions idle` });
    }
    const observed = occupantText('idle', top, sessions.usable);
    if (share < 0.35) return neutral(observed);
    const headline = `by ${top.count} idle sessions of ${safeName(top.app)}`;
    return supports(share >= 0.5 ? 3 : 1.5, observed, { headline, slots: appSlots(top, 'idle') });
  });
}

function growthText(name: string, growth: Growth): string {
  return `${name} went from ${growth.from} to ${plural(growth.to, 'session')} in ${duration(growth.seconds)}`;
}

function leakGrowthProbe(): AnyProbe {
  return sessionsProbe('growth-by-app', 'growth', 'growth of the application with most idle sessions', (sessions) => {
    const top = slotShares(sessions).top.idle;
    const growth = top === null ? null : growthOf(top.app, sessions);
    if (top === null || growth === null) return neutral('no history of sessions by application yet');
    const observed = growthText(safeName(top.app), growth);
    if (growth.to - growth.from >= 10 && growth.to >= growth.from * 1.5) return supports(1.5, observed);
    if (growth.seconds >= FLAT_SECONDS && growth.to <= growth.from * 1.1) {
      return opposes(1.5, observed, { headline: `${safeName(top.app)} has not grown` });
    }
    return neutral(observed);
  });
}

function idleAgeProbe(): AnyProbe {
  return sessionsProbe('idle-age', 'idle-age', 'the longest idle session', (sessions) => {
    const top = slotShares(sessions).top.idle;
    if (top === null || top.longestSeconds === null) return neutral('no idle session whose age is visible');
    const observed = `the longest idle session of ${safeName(top.app)} has not been used for ${duration(top.longestSeconds)}`;
    return top.longestSeconds >= 60 ? supports(1, observed) : neutral(observed);
  });
}

/** A leak does no more work than before; a surge does. */
function flatWorkProbe(): AnyProbe {
  return probe({
    id: 'active-sessions',
    factor: 'work',
    title: 'active sessions beside what they were before',
    ask: (_symptom, facts) => ask('postgres.activity', facts, {}, statementsWindow(facts)),
    judge(activity) {
      if (activity.activeBefore === null) return neutral('active sessions before are not known');
      const observed = activeText(activity);
      const more =
        activity.activeSessions >= activity.activeBefore * 2 && activity.activeSessions - activity.activeBefore >= 5;
      return more ? opposes(1.5, observed, { headline: observed }) : supports(0.5, observed);
    },
  });
}

function activeText(activity: ActivityAnswer): string {
  const before = activity.activeBefore === null ? '' : `, ${count(activity.activeBefore, 1)} before`;
  return `${plural(activity.activeSessions, 'active session')}${before}`;
}

function workingProbe(): AnyProbe {
  return sessionsProbe('working-sessions', 'state', 'sessions that are really at work', (sessions) => {
    const { count: counts, top } = slotShares(sessions);
    const share = counts.working / Math.max(sessions.used, 1);
    const most = top.working === null ? '' : `, most of ${safeName(top.working.app)} (${top.working.count})`;
    const observed = `${counts.working} of ${sessions.used} sessions are at work, waiting for no lock${most}`;
    const headline = `${counts.working} of ${sessions.used} sessions at work`;
    if (share < 0.2) return opposes(5, observed, { headline });
    if (share < 0.4 || top.working === null) return neutral(observed);
    return supports(3, observed, {
      headline: `by ${counts.working} sessions at work, most of ${safeName(top.working.app)}`,
    });
  });
}

function jumpProbe(): AnyProbe {
  return sessionsProbe('jump', 'growth', 'how fast the sessions at work became more', (sessions) => {
    const rise = steepestRise(sessions);
    if (rise === null) return neutral('no history of sessions yet');
    const observed = `sessions at work went from ${rise.from} to ${rise.to} within ${duration(rise.seconds)} at ${clockTime(rise.at)}`;
    const opened = sessions.newSessionsPerSecond;
    const text = opened === null ? observed : `${observed}; ${count(opened, 1)} new sessions a second`;
    if (rise.to - rise.from >= 10 && rise.to >= rise.from * 2) return supports(1.2, text);
    return rise.to - rise.from < 5 ? opposes(1, 'sessions at work rose by less than 5 in any 2 min') : neutral(text);
  });
}

/** Calls a second beside what they were; null where before is not known. */
function callsRatio(answer: StatementsAnswer): number | null {
  const seconds = (answer.to - answer.from) / 1000;
  const before = answer.totalCallsPerSecondBefore;
  return seconds > 0 && before !== null && before > 0 ? answer.totalCalls / seconds / before : null;
}

function callsProbe(): AnyProbe {
  return probe({
    id: 'calls',
    factor: 'calls',
    title: 'statement calls beside what they were before',
    ask: (_symptom, facts) => ask('postgres.statements', facts, {}, statementsWindow(facts)),
    judge(answer) {
      const ratio = callsRatio(answer);
      if (ratio === null) return neutral('calls before are not known');
      const observed = `statement calls a second are ${times(ratio)} what they were`;
      if (ratio >= 1.5) return supports(1.5, observed);
      // As many calls as before that hold more sessions are slower work, not more work.
      return ratio <= 1.2 ? opposes(4.5, observed, { headline: `calls ${times(ratio)}` }) : neutral(observed);
    },
  });
}

function idleInTransactionProbe(): AnyProbe {
  return sessionsProbe('idle-in-transaction', 'state', 'sessions idle in transaction by application', (sessions) => {
    const { count: counts, top } = slotShares(sessions);
    const total = counts['idle-in-transaction'];
    const share = total / Math.max(sessions.used, 1);
    const most = top['idle-in-transaction'];
    const plain = `${total} of ${sessions.used} sessions are idle in transaction`;
    if (most === null || share < 0.08) {
      return opposes(4.5, plain, { headline: `${total} of ${sessions.used} sessions idle in transaction` });
    }
    const observed = occupantText('idle-in-transaction', most, sessions.usable);
    if (share < 0.2) return neutral(observed);
    const headline = `by ${most.count} sessions of ${safeName(most.app)} idle in transaction`;
    return supports(share >= 0.35 ? 4 : 1.5, observed, { headline, slots: appSlots(most, 'idle-in-transaction') });
  });
}

function idleInTransactionGrowthProbe(): AnyProbe {
  return sessionsProbe(
    'idle-in-transaction-growth',
    'growth',
    'growth of the sessions idle in transaction',
    (sessions) => {
      const first = sessions.history[0];
      const last = sessions.history.at(-1);
      if (first === undefined || last === undefined) return neutral('no history of sessions yet');
      const grew = last.idleInTransaction - first.idleInTransaction;
      const observed = `sessions idle in transaction went from ${first.idleInTransaction} to ${last.idleInTransaction} in ${duration((last.at - first.at) / 1000)}`;
      return grew >= 10 ? supports(0.7, observed) : neutral(observed);
    },
  );
}

function useFlatProbe(): AnyProbe {
  return sessionsProbe('use', 'growth', 'whether more sessions than before are open', (sessions) => {
    const growth = growthOfUse(sessions);
    if (growth === null) return neutral('no history of sessions yet');
    const observed = growthText('the server', growth);
    if (growth.to - growth.from >= 10 && growth.to >= growth.from * 1.5) return opposes(1.5, observed);
    return growth.to <= growth.from * 1.2 ? supports(1, observed) : neutral(observed);
  });
}

/** For the other symptoms: whether the slots are full at all. */
function slotsProbe(): AnyProbe {
  return probe({
    id: 'slots',
    factor: 'slots',
    title: 'used connection slots',
    ask: (_symptom, facts) => ask('postgres.sessions', facts, {}, sessionWindow(facts)),
    judge(sessions) {
      const share = sessions.used / Math.max(sessions.usable, 1);
      const headline = `${sessions.used} of ${sessions.usable} slots`;
      const observed = `${headline} are used (${percent(share)})`;
      if (share >= 0.9) return supports(1.5, observed, { headline: `with ${headline} used` });
      return share < 0.8 ? opposes(6, observed, { headline }) : neutral(observed);
    },
  });
}
