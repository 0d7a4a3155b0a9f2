/** All statements are slower together while each does the same work: the server has too much to do. */

import type { TargetKind } from '../../model/index.ts';
import { ask, type Hypothesis, probe } from '../detector.ts';
import { neutral, opposes, supports } from '../evidence.ts';
import { count, percent, plural, times } from '../format.ts';
import { blocksOf, FLAT_MS, hasBefore, isSlower, overStatements, statementsWindow } from './statements.ts';

/** Fewer statements with a before say nothing of all of them. */
const STATEMENTS = 4;
/** Fewer active sessions saturate nothing (check 10). */
const SESSIONS = 5;

export function databaseSaturatedHypotheses(on: 'self' | TargetKind = 'self'): readonly Hypothesis[] {
  return [
    {
      cause: 'database-saturated',
      title: 'Database saturated: all statements wait for CPU or IO together',
      prior: 0.12,
      on,
      requires: ['all-slower'],
      probes: [
        overStatements('all-slower', 'breadth', 'how many statements are slower for the same work', ({ value }) => {
          const known = value.top.filter(hasBefore);
          if (known.length < STATEMENTS) return neutral(`only ${plural(known.length, 'statement')} with a before`);
          const slower = known.filter((one) => isSlower(one, FLAT_MS) && blocksOf(one) === 'flat');
          const share = slower.length / known.length;
          const text = `${slower.length} of ${known.length} statements are slower with as many blocks a call`;
          if (share >= 0.6)
            return supports(3, text, { headline: `${slower.length} of ${known.length} statements slower` });
          return share <= 0.3
            ? opposes(4, text, { headline: `${slower.length} of ${known.length} statements slower` })
            : neutral(text);
        }),
        probe<'postgres.activity'>({
          id: 'active',
          factor: 'load',
          title: 'active sessions, against before',
          ask: (_symptom, facts) => ask('postgres.activity', facts, {}, statementsWindow(facts)),
          judge: ({ activeSessions, activeBefore }) => {
            if (activeBefore === null)
              return neutral(`${plural(activeSessions, 'session')} active; before is not known`);
            const up = activeSessions / Math.max(activeBefore, 0.5);
            const text = `${plural(activeSessions, 'session')} active, before ${count(activeBefore, 1)} (${times(up)})`;
            if (up >= 2 && activeSessions >= SESSIONS)
              return supports(1.5, text, { headline: `${activeSessions} sessions active` });
            return up <= 1.3
              ? opposes(2, text, { headline: `${activeSessions} sessions active, as before` })
              : neutral(text);
          },
        }),
        probe<'postgres.activity'>({
          id: 'waits',
          factor: 'waits',
          title: 'what active sessions wait for',
          ask: (_symptom, facts) => ask('postgres.activity', facts, {}, statementsWindow(facts)),
          judge: ({ waits }) => {
            const all = Object.values(waits).reduce((sum, n) => sum + n, 0);
            if (all < SESSIONS) return neutral(`${plural(all, 'active session')} are too few to say`);
            const share = (...names: readonly string[]): number =>
              names.reduce((sum, name) => sum + (waits[name] ?? 0), 0) / all;
            if (share('Lock') >= 0.4)
              return opposes(3.5, `${percent(share('Lock'))} of active sessions wait for locks`, {
                headline: 'they wait for locks',
              });
            const busy = share('CPU', 'IO', 'LWLock', 'BufferPin');
            const text = `${percent(share('CPU'))} of active sessions are on CPU, ${percent(share('IO'))} wait for IO, ${percent(share('LWLock'))} for internal locks`;
            return busy >= 0.7 ? supports(1, text) : neutral(text);
          },
        }),
      ],
      mitigations: ['saturated-waits', 'slow-query-list'],
    },
  ];
}
