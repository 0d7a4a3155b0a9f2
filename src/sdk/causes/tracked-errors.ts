/** What an error tracker says: errors that were never seen before came with something new. */

import type { Question } from '../../model/index.ts';
import type { AnyProbe, Facts, Hypothesis } from '../detector.ts';
import { aroundOnset, probe } from '../detector.ts';
import { neutral, supports } from '../evidence.ts';
import { clockTime, count, plural, safeName } from '../format.ts';

export function trackedErrorsQuestion(facts: Facts): Question<'errors.tracked'> {
  const since = facts.onset.earliest;
  return { kind: 'errors.tracked', target: facts.target.name, window: aroundOnset(facts), params: { since } };
}

/** New code makes new errors. That there are none proves nothing: a tracker groups by where an error is thrown. */
export function newIssuesProbe(weight = 1.2): AnyProbe {
  return probe({
    id: 'new-issues',
    // Of the same factor as new messages in the logs, which say the same.
    factor: 'logs',
    title: 'issues of the error tracker that are new, back or grown since then',
    ask: (_symptom, facts) => trackedErrorsQuestion(facts),
    judge({ issues, project }) {
      const changed = issues.filter((one) => one.state !== 'known');
      const fresh = changed.find((one) => one.state === 'new') ?? changed.find((one) => one.state === 'regressed');
      if (fresh === undefined) {
        const grown =
          changed.length === 0 ? 'none has grown' : `${plural(changed.length, 'issue has', 'issues have')} grown`;
        return neutral(`no issue of ${safeName(project)} is new or back; ${grown}`);
      }
      const word =
        fresh.state === 'new' ? `first seen at ${clockTime(fresh.firstSeenAt)}` : 'back after it was resolved';
      const release = fresh.release === null ? '' : ` in ${safeName(fresh.release, 60)}`;
      const users = fresh.users === null || fresh.users === 0 ? '' : ` for ${plural(fresh.users, 'user')}`;
      const observed = `${safeName(fresh.title, 120)}, ${word}${release}, ${count(fresh.events)} times${users}`;
      return supports(fresh.state === 'new' ? weight : weight / 2, observed);
    },
  });
}

/** The same hypotheses, beside what the error tracker says. */
export function withTrackedErrors(hypotheses: readonly Hypothesis[], weight = 1.2): readonly Hypothesis[] {
  return hypotheses.map((one) => ({ ...one, probes: [...one.probes, newIssuesProbe(weight)] }));
}
