/** One statement is run many times where it was run once: calls up, each as fast as before, the others as before. */

import type { TargetKind } from '../../model/index.ts';
import type { Hypothesis } from '../detector.ts';
import { neutral, opposes, supports } from '../evidence.ts';
import { count, times } from '../format.ts';
import { callsRatio, isFlat, overChanges, overSuspects, statementText } from './statements.ts';
import { trafficProbe } from './traffic.ts';

/** Calls a second against before, from which on it looks like a loop around a query (check 40). */
const CALLS_RATIO = 2;

export function nPlusOneHypotheses(on: 'self' | TargetKind = 'self'): readonly Hypothesis[] {
  return [
    {
      cause: 'n-plus-one',
      title: 'N+1 queries: one statement is run many more times for the same work',
      prior: 0.1,
      on,
      requires: ['loop'],
      probes: [
        overSuspects('loop', 'calls', 'calls a second of single statements, against before', (one) => {
          const up = callsRatio(one);
          if (up === null) return neutral(`${statementText(one)}; how often it was called before is not known`);
          const text = `${statementText(one)}; ${count(one.callsPerSecond, 1)} calls/s, before ${count(one.before.callsPerSecond ?? 0, 1)}/s`;
          if (up < 1.5) return opposes(4, text, { headline: `calls as before (${count(one.callsPerSecond, 1)}/s)` });
          if (!isFlat(one)) return opposes(2, `${text}, and each is slower`, { headline: 'each call is slower too' });
          if (up < CALLS_RATIO) return neutral(text);
          return supports(up >= 5 ? 3 : 2.5, text, {
            headline: `statement ${one.queryid} called ${times(up)} as often`,
          });
        }),
        trafficProbe(-3.5, 2),
        overSuspects('small', 'shape', 'rows and time of a call', (one) => {
          const text = `a call of ${one.queryid} gives ${count(one.rowsPerCall, 1)} rows`;
          if (one.rowsPerCall <= 5 && one.meanMs < 20) return supports(1, `${text}: a look-up, as loops make them`);
          return one.rowsPerCall > 100
            ? opposes(1, `${text}: no single look-up`, { headline: 'no single look-up' })
            : neutral(text);
        }),
        overChanges('deployment', 1, 'deployments before', (one) => one.kind === 'deployment' || one.kind === 'flag'),
      ],
      mitigations: ['n-plus-one-list', 'n-plus-one-log', 'slow-query-list'],
    },
  ];
}
