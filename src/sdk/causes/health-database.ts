/** A database behind a readiness endpoint: what its own causes say, beside what the body says of it. */

import type { AnyProbe, Hypothesis } from '../detector.ts';
import { aroundOnset, ask, probe } from '../detector.ts';
import { neutral, opposes, supports } from '../evidence.ts';
import { percent, plural, safeName } from '../format.ts';
import { serviceDatabaseHypotheses, serviceDatabaseUnreachableHypotheses } from './service-database.ts';
import { FEW_MESSAGES, logShare, logsQuestion } from './service-questions.ts';

/** The causes of a database, beside what the readiness endpoint says of it. Mitigations: those of each cause. */
export function healthDatabaseHypotheses(): readonly Hypothesis[] {
  const unreachable = serviceDatabaseUnreachableHypotheses({ readiness: true });
  const readyCheck = unreachable[0]!.probes.find(({ id }) => id === 'ready-check')!;
  const pool = serviceDatabaseHypotheses().filter(({ cause }) => cause === 'connection-pool');
  // That messages and body both complain of the database is one observation, whichever kind of full pool it is.
  const poolCheck = { ...readyCheck, factor: 'service-messages' };
  return [
    ...unreachable,
    ...pool.map((hypothesis) => ({ ...hypothesis, probes: [...hypothesis.probes, poolCheck] })),
    {
      cause: 'connection-pool',
      variant: 'own-pool',
      title: "Connection pool: the service's own pool is used up, while the server has free slots",
      prior: 0.05,
      on: 'database',
      probes: [poolMessagesProbe(), readyCheck, answersProbe(), freeSlotsProbe()],
      requires: ['pool-messages'],
      mitigations: ['count-by-state', 'pool-settings'],
    },
  ];
}

function poolMessagesProbe(): AnyProbe {
  return probe({
    id: 'pool-messages',
    factor: 'service-messages',
    title: "error messages about the service's own pool",
    ask: (_symptom, facts) => logsQuestion(facts),
    judge(logs, _symptom, facts) {
      const found = logShare(logs, facts, ({ kind }) => kind === 'pool-timeout');
      if (found.all < FEW_MESSAGES) return neutral('no more error messages than before');
      const observed = `${found.fitting} of ${found.all} more error messages than before say that the pool gives no connection`;
      if (found.top === null || found.share < 0.05) {
        return opposes(3, observed, { headline: 'no message is about a pool' });
      }
      if (found.share < 0.2) return neutral(observed);
      return supports(found.share >= 0.5 ? 3.5 : 1.5, `${observed}: ${safeName(found.top.template, 120)}`, {
        headline: `${percent(found.share)} of the new error messages are about its pool`,
      });
    },
  });
}

function answersProbe(): AnyProbe {
  return probe({
    id: 'reachability',
    factor: 'way',
    title: 'whether the server answers us',
    ask: (_symptom, facts) => ask('postgres.reachability', facts, {}),
    judge({ reason, step }, _symptom, facts) {
      if (reason === 'ok') return neutral(`${facts.on.name} answers us`);
      const observed = `${facts.on.name} does not answer us either, at step ${step}`;
      return opposes(6, observed, { headline: observed });
    },
  });
}

function freeSlotsProbe(): AnyProbe {
  return probe({
    id: 'slots',
    factor: 'slots',
    title: 'connection slots of the server',
    // The window that the other causes of the pool ask about, so that it is asked once.
    ask: (_symptom, facts) => ask('postgres.sessions', facts, {}, aroundOnset(facts, 50 * 60_000)),
    judge({ used, usable }) {
      const part = used / Math.max(usable, 1);
      const observed = `${used} of ${plural(usable, 'slot')} of the server are used`;
      if (part >= 0.9) return opposes(5, observed, { headline: observed });
      return part < 0.8 ? supports(0.5, `${observed}: the server would give more`) : neutral(observed);
    },
  });
}
