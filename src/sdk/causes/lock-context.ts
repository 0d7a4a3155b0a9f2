/** Evidence about lock contention from beside the lock tree: other sessions, changes, how much it explains, what came first. */

import type { AnyProbe } from '../detector.ts';
import { aroundOnset, ask, probe } from '../detector.ts';
import { neutral, opposes, supports, unknown } from '../evidence.ts';
import { clockTime, duration, percent, plural, safeName } from '../format.ts';
import { MONITOR_GRANT } from './lock-tree.ts';

/** Sees the same from the sessions when the lock tree cannot be had. */
export function idleSessionsProbe(): AnyProbe {
  return probe({
    id: 'idle-in-transaction-sessions',
    factor: 'idle-sessions',
    title: 'sessions idle in transaction',
    ask: (_symptom, facts) => ask('postgres.sessions', facts, {}),
    judge(sessions) {
      const groups = sessions.groups.filter((group) => group.state.startsWith('idle in transaction'));
      const total = groups.reduce((sum, group) => sum + group.count, 0);
      if (total === 0 && sessions.hidden > 0) {
        return unknown('denied', `states of ${plural(sessions.hidden, 'session')} are hidden`, MONITOR_GRANT);
      }
      if (total === 0) return opposes(1.5, 'no session is idle in transaction', { headline: '0 idle in transaction' });
      const longest = Math.max(...groups.map((group) => group.longestInStateSeconds ?? 0));
      const observed = `${plural(total, 'session')} idle in transaction, the longest for ${duration(longest)}`;
      return longest >= 15 ? supports(0.7, observed) : neutral(observed);
    },
  });
}

/** DDL comes with deployments as a rule. One wholly after the onset did not bring it. */
export function deploymentProbe(): AnyProbe {
  return probe({
    id: 'deployment-before',
    factor: 'deployment',
    title: 'a deployment or schema change before the blocking',
    ask: (_symptom, facts) => ask('changes', facts, {}, aroundOnset(facts, 30 * 60_000)),
    judge({ changes }, _symptom, facts) {
      const related = changes.filter((change) => change.kind === 'deployment' || change.kind === 'index');
      const before = related.filter((change) => change.at.earliest <= facts.onset.latest).at(-1);
      if (before !== undefined) {
        return supports(
          0.7,
          `${safeName(before.summary, 120)} between ${clockTime(before.at.earliest)} and ${clockTime(before.at.latest)}`,
        );
      }
      const after = related[0];
      if (after === undefined) return neutral('no deployment or schema change was seen in the 30 min before');
      return opposes(0.7, `${safeName(after.summary, 120)} came after the blocking began`);
    },
  });
}

/** Whether enough sessions are blocked to explain a symptom other than the blocking. */
export function shareProbe(minimumShare: number): AnyProbe {
  return probe({
    id: 'lock-share',
    factor: 'share',
    title: 'the share of sessions that wait for locks',
    ask: (_symptom, facts) => ask('postgres.lock_tree', facts, {}),
    judge(tree) {
      const share = tree.blockedSessions / Math.max(tree.clientSessions, 1);
      const observed = `${tree.blockedSessions} of ${plural(tree.clientSessions, 'client session')} (${percent(share)}) wait for locks`;
      if (tree.blockedSessions === 0) return neutral(observed);
      const headline = `${tree.blockedSessions} of ${tree.clientSessions} sessions blocked`;
      return share >= minimumShare ? supports(1.5, observed) : opposes(6, observed, { headline });
    },
  });
}

export function orderProbe(): AnyProbe {
  return probe({
    id: 'lock-order',
    factor: 'order',
    title: 'which came first, the blocking or the symptom',
    ask: (_symptom, facts) => ask('postgres.lock_tree', facts, {}),
    judge(tree, _symptom, facts) {
      const since = tree.blockedSince;
      if (since === null) return neutral('nobody is blocked');
      if (since.earliest > facts.onset.latest) {
        return opposes(3, `blocking began after ${clockTime(since.earliest)}, later than the symptom`, {
          headline: `blocking began only after ${clockTime(since.earliest)}`,
        });
      }
      const observed = `blocking began before ${clockTime(since.latest)}`;
      return since.latest < facts.onset.earliest ? supports(0.7, observed) : neutral(observed);
    },
  });
}
