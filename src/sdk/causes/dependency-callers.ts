/**
 * Calls as their callers see them: whoever waits for a CPU of his own sees everybody slow, and the vendor is only where it
 * shows.
 */

import type { Question, Target } from '../../model/index.ts';
import type { Answered, AnyProbe, Facts } from '../detector.ts';
import { aroundOnset, probe } from '../detector.ts';
import { neutral } from '../evidence.ts';
import { percent, safeName } from '../format.ts';
import { isSlowHost } from './external-latency.ts';
import { isHostOf } from './service-questions.ts';
import { type Level, latencyText, levelsOf, overLevel } from './service-series.ts';
import { weighed } from './weighed.ts';

const HALF_HOUR_MS = 30 * 60_000;
/** More of them would only repeat what these say. */
const CALLERS = 4;

const callsBy = (facts: Facts, caller: Target): Question<'series'> => ({
  kind: 'series',
  target: caller.name,
  window: aroundOnset(facts, HALF_HOUR_MS),
  params: { signal: 'dependency_latency_p95' },
});

interface Elsewhere {
  readonly caller: string;
  /** Whether calls to others are slow too. */
  readonly alike: boolean;
  readonly others: readonly Level[];
}

/** Null where the caller calls nobody else, is not seen, or does not find the vendor slow. */
function elsewhereOf(facts: Facts, caller: Target, answered: Answered): Elsewhere | null {
  const levels = levelsOf(answered(callsBy(facts, caller))?.points ?? [], facts);
  const hosts = facts.target.hosts ?? [];
  const isMine = (level: Level): boolean => isHostOf(level.labels['host'] ?? null, hosts);
  const others = levels.filter((level) => !isMine(level) && level.before !== null);
  if (!levels.some((level) => isMine(level) && isSlowHost(level)) || others.length === 0) return null;
  return { caller: caller.name, alike: others.filter(isSlowHost).length * 2 > others.length, others };
}

const levelText = (level: Level): string =>
  `${safeName(level.labels['host'] ?? 'a host', 60)} ${latencyText(level.now)} (before ${latencyText(level.before ?? 0)})`;

interface Weights {
  readonly alike: number;
  readonly alone: number;
}

/**
 * Whether calls of its callers to other hosts take longer too. About a caller: of that one. About the vendor: alike only
 * where all callers that call others find them slow too.
 */
export function callsElsewhereProbe({ alike, alone }: Weights): AnyProbe {
  const callersOf = (facts: Facts): readonly Target[] =>
    facts.on.name === facts.target.name ? (facts.dependents ?? []).slice(0, CALLERS) : [facts.on];
  return probe({
    id: 'calls-elsewhere',
    factor: 'elsewhere',
    title: 'how long calls of its callers to other hosts take',
    ask: (_symptom, facts) => callsBy(facts, callersOf(facts)[0] ?? facts.target),
    also: (_symptom, facts) => callersOf(facts).map((caller) => callsBy(facts, caller)),
    judge(_points, _symptom, facts, answered) {
      const found = callersOf(facts).flatMap((caller) => elsewhereOf(facts, caller, answered) ?? []);
      const [first] = found;
      if (first === undefined) return neutral('how long its callers wait for others is not known');
      const told = found.find((one) => !one.alike) ?? first;
      const others = told.others.slice(0, 3).map(levelText).join(', ');
      if (found.every((one) => one.alike)) {
        const observed = `calls to other hosts take longer too, from ${safeName(told.caller, 60)}: ${others}`;
        return weighed(alike, observed, { headline: 'calls to others are slow too' });
      }
      const observed = `calls to other hosts take as long as before, from ${safeName(told.caller, 60)}: ${others}`;
      return weighed(alone, observed, { headline: 'calls to others take as long as before' });
    },
  });
}

/** CPU of the caller: without it, answers wait until they are read. */
export function callerCpuProbe(weights: { readonly full: number; readonly room: number }): AnyProbe {
  return overLevel(
    { id: 'caller-cpu', factor: 'cpu', title: 'CPU of the caller, of what is reserved', signal: 'cpu', of: 'cause' },
    (level, _symptom, facts) => {
      const observed = `CPU of ${safeName(facts.on.name, 60)} is at ${percent(level.now)} of what is reserved`;
      if (level.now >= 0.85) return weighed(weights.full, observed, { headline: observed });
      return level.now < 0.6 ? weighed(-weights.room, observed, { headline: observed }) : neutral(observed);
    },
  );
}
