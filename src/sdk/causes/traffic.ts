/** Whether the other statements are called more often too: tells more traffic from one statement run too often. */

import type { Judged, StatementDelta, StatementsAnswer } from '../../model/index.ts';
import type { AnyProbe } from '../detector.ts';
import { neutral, opposes, supports } from '../evidence.ts';
import { count, times } from '../format.ts';
import { callsRatio, overSuspects, ratio } from './statements.ts';

/** Calls a second of all statements but this one, against before; null when not known. */
export function othersRatio(value: StatementsAnswer, one: StatementDelta): number | null {
  const seconds = (value.to - value.from) / 1000;
  const before = value.totalCallsPerSecondBefore;
  if (seconds <= 0 || before === null || one.before.callsPerSecond === null) return null;
  const othersBefore = before - one.before.callsPerSecond;
  return othersBefore <= 0 ? null : ratio((value.totalCalls - one.calls) / seconds, othersBefore);
}

/** `ifUp` is the weight when the others rose as well, `ifFlat` when this one rose alone. */
export function trafficProbe(ifUp: number, ifFlat: number): AnyProbe {
  return overSuspects('traffic', 'traffic', 'calls of all other statements, against before', (one, { value }) => {
    const others = othersRatio(value, one);
    if (others === null) return neutral('how often the other statements were called before is not known');
    const own = callsRatio(one) ?? 1;
    const text = `the other statements are called ${times(others)} as often as before, ${count((value.totalCalls - one.calls) / ((value.to - value.from) / 1000), 1)}/s`;
    const judged = (weight: number, headline: string): Judged =>
      weight > 0 ? supports(weight, text, { headline }) : opposes(weight, text, { headline });
    if (others >= 1.4 && others >= 0.6 * own) return judged(ifUp, `all statements called ${times(others)} as often`);
    return others <= 1.3 ? judged(ifFlat, 'the other statements are called as before') : neutral(text);
  });
}
