/** Why WebSocket connections fail or end, by the reason that their counters carry. */

import type { AnyProbe, Facts } from '../detector.ts';
import { probe } from '../detector.ts';
import { neutral } from '../evidence.ts';
import { count, percent } from '../format.ts';
import { type Excess, excessBy, excessShare } from './label-excess.ts';
import { seriesQuestion } from './service-questions.ts';
import { weighed } from './weighed.ts';

/** What the applications' many words and close codes come down to. */
export type CloseReason = 'auth' | 'idle' | 'limit' | 'server' | 'client' | 'other';

/**
 * First match wins. Close codes: RFC 6455, 7.4.1, and https://www.iana.org/assignments/websocket (1012 service restart,
 * 1013 try again later). 1006, a connection that ended without a word, has many reasons and is none of them.
 */
const REASONS: readonly (readonly [CloseReason, RegExp])[] = [
  ['auth', /auth|jwt|token|credential|forbidden|denied|\b(?:401|403|1008|4401|4403)\b/i],
  ['idle', /idle|ping|pong|heart.?beat|keep.?alive|inactiv/i],
  ['limit', /limit|max|too.?many|capacity|full|overload|try.?again|\b(?:429|503|1013)\b/i],
  ['client', /client|normal|going.?away.?client|navigat|\b1000\b/i],
  [
    'server',
    /server|internal|error|crash|shut.?down|restart|going.?away|deploy|\b(?:500|502|504|1001|1011|1012|1014)\b/i,
  ],
];

export function closeReason(label: string): CloseReason {
  return REASONS.find(([, pattern]) => pattern.test(label))?.[0] ?? 'other';
}

/** Fewer connections more than before tell nothing of their reason. */
export const FEW = 10;

const REASON_WORDS: Readonly<Record<CloseReason, string>> = {
  auth: 'of authentication',
  idle: 'of idleness',
  limit: 'of a limit',
  server: 'the server ended them',
  client: 'the client ended them',
  other: 'of something else',
};

/** What ended by the will of the client is no trouble, however much there is of it. */
const reasonsOf = (value: Parameters<typeof excessBy>[0], facts: Facts): Excess =>
  excessBy(value, facts, ({ reason = '' }) => {
    const found = closeReason(reason);
    return found === 'client' ? null : found;
  });

export interface ReasonWeights {
  /** When most of what is more than before has that reason; may be negative. */
  readonly most: number;
  /** When hardly any has; a size. */
  readonly hardly: number;
}

interface Ends {
  readonly id: string;
  readonly title: string;
  readonly signal: string;
  readonly what: string;
}

const FAILED: Ends = {
  id: 'error-reasons',
  title: 'why new connections fail',
  signal: 'ws_errors',
  what: 'failed connections',
};
const ENDED: Ends = {
  id: 'disconnect-reasons',
  title: 'why connections end',
  signal: 'ws_disconnects',
  what: 'ended connections',
};
/** Of both together: fewer are what comes with more connections, or with their loss. */
const ASIDE = 0.2;

/** Of connections that were refused or failed, and of those that were cut: both look at why. */
export function reasonProbes(reason: CloseReason, weights: ReasonWeights): readonly AnyProbe[] {
  return [reasonProbe(FAILED, ENDED, reason, weights), reasonProbe(ENDED, FAILED, reason, weights)];
}

function reasonProbe(ends: Ends, beside: Ends, reason: CloseReason, { most, hardly }: ReasonWeights): AnyProbe {
  const { id, title, signal, what } = ends;
  return probe({
    id,
    factor: 'reasons',
    title,
    ask: (_symptom, facts) => seriesQuestion(facts, signal),
    also: (_symptom, facts) => [seriesQuestion(facts, beside.signal)],
    judge({ points }, _symptom, facts, answered) {
      const excess = reasonsOf(points, facts);
      const part = excessShare(excess, (name) => name === reason);
      const observed = `${percent(part)} of ${count(excess.all)} additional ${what}: ${REASON_WORDS[reason]}`;
      if (excess.all < FEW) return neutral(`no more ${what} than before`);
      const others = reasonsOf(answered(seriesQuestion(facts, beside.signal))?.points, facts).all;
      if (excess.all < (excess.all + others) * ASIDE) {
        return neutral(`${count(excess.all)} additional ${what}, few beside ${count(others)} ${beside.what}`);
      }
      const top = excess.parts[0];
      const headline = `${percent(part)} of ${what} for reason ${reason}`;
      if (part >= 0.5) return weighed(most, observed, { headline });
      // Without a reason that tells, it may be any.
      if (part >= 0.2 || top === undefined || top.name === 'other') return neutral(observed);
      const weight = part < 0.1 ? hardly : hardly / 2;
      return weighed(-weight, `${observed}; most have reason ${top.name}`, { headline: `most for reason ${top.name}` });
    },
  });
}
