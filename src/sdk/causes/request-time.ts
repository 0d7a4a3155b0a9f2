/** What APM says: the runbook's "database time > 50 % of request time", against what it was before. */

import type { Question } from '../../model/index.ts';
import type { AnyProbe, Facts, Hypothesis } from '../detector.ts';
import { aroundOnset, probe } from '../detector.ts';
import { neutral, opposes, supports } from '../evidence.ts';
import { percent, safeName } from '../format.ts';

/** From this share of a request's time on, the database has most of it. */
const MOST = 0.5;
/** Up to this share it cannot be why a request is slow. */
const LITTLE = 0.2;
/** A share that was as high before is not what changed: one that rose by a fifth of what was left has. */
const ROSE = 0.15;

export function requestTimeQuestion(facts: Facts): Question<'apm.request_time'> {
  const since = facts.onset.earliest;
  return { kind: 'apm.request_time', target: facts.target.name, window: aroundOnset(facts), params: { since } };
}

/** `ifMost` is the weight when the database has most of the time and more than before, `ifLittle` when it has little. */
export function databaseShareProbe(ifMost: number, ifLittle: number): AnyProbe {
  return probe({
    id: 'database-share',
    // Of the same factor as the time in the database that the service itself measures.
    factor: 'database-time',
    title: "the database's share of request time in APM, against before",
    ask: (_symptom, facts) => requestTimeQuestion(facts),
    judge({ shares, before, service }) {
      const now = shares.database;
      if (now === null) return neutral(`APM has no database time of ${safeName(service)}`);
      const was = before.database === null ? '' : `, ${percent(before.database)} before`;
      const text = `the database has ${percent(now)} of the request time of ${safeName(service)}${was}`;
      const headline = `database ${percent(now)} of request time`;
      const rose = before.database === null || now - before.database >= ROSE;
      if (now >= MOST && rose) {
        return ifMost >= 0 ? supports(ifMost, text, { headline }) : opposes(ifMost, text, { headline });
      }
      if (now > LITTLE) return neutral(text);
      return ifLittle === 0 ? neutral(text) : opposes(ifLittle, text, { headline });
    },
  });
}

/** Slow statements and what else takes time in the database, beside what APM says: that it does, not which of them. */
export function withRequestTime(hypotheses: readonly Hypothesis[], ifMost = 0.9, ifLittle = 3): readonly Hypothesis[] {
  return hypotheses.map((one) => ({
    ...one,
    probes: [...one.probes, databaseShareProbe(one.variant === 'more-calls' ? ifMost / 2 : ifMost, ifLittle)],
  }));
}
