/** Probes of a service's requests: more than usual, and whether what it takes rose with them. Put together in `service-load.ts`. */

import type { AnyProbe } from '../detector.ts';
import { neutral, opposes, supports } from '../evidence.ts';
import { clockTime, times } from '../format.ts';
import {
  isAfterOnset,
  isUp,
  type Level,
  overLevel,
  perSecond,
  RESOURCE_NAMES,
  riseOf,
  riseOfOther,
  roseAt,
  subjectOf,
} from './service-series.ts';

/** Requests against before, from which on there is a surge, and up to which there is none. */
const SURGE = 1.3;
const NO_SURGE = 1.2;
/** Against the half hour before the onset, where the hour's band is wide. */
const JUMP = 1.5;

type Traffic = 'up' | 'jumped' | 'flat' | 'between' | 'unknown';

function trafficOf(level: Level): Traffic {
  const up = riseOf(level);
  if (up === null) return 'unknown';
  if (isUp(level, SURGE)) return 'up';
  if (level.recent !== null && level.now >= JUMP * level.recent) return 'jumped';
  return up <= NO_SURGE || level.upper !== null ? 'flat' : 'between';
}

function trafficText(level: Level): string {
  const now = perSecond(level.now, level.periodMs);
  const up = riseOf(level);
  return up === null
    ? `${now} requests; how many before is not known`
    : `${now} requests, before ${perSecond(level.before!, level.periodMs)} (${times(up)})`;
}

/** More requests than usual, and not only after it began: who waits too long asks again. */
export function requestsProbe(): AnyProbe {
  return overLevel(
    { id: 'requests', factor: 'traffic', title: 'requests beside their band', signal: 'requests' },
    (level, _symptom, facts) => {
      const text = trafficText(level);
      const up = riseOf(level) ?? 1;
      const began = roseAt(level, SURGE);
      switch (trafficOf(level)) {
        case 'flat':
          return opposes(4, `${text}: within what is usual`, {
            headline: `requests as usual (${perSecond(level.now, level.periodMs)})`,
          });
        case 'jumped':
          return supports(
            1.5,
            `${text}: as many as at other hours, but ${times(level.now / level.recent!)} the half hour before`,
          );
        case 'up':
          if (began !== null && isAfterOnset(began, facts, level.periodMs))
            return opposes(2.5, `${text}, but only from ${clockTime(began)} on, after it began, as retries make it`, {
              headline: 'requests rose only after it began',
            });
          return supports(up >= 1.6 ? 3.7 : 3.3, text, { headline: `with ${times(up)} the usual requests` });
        default:
          return neutral(text);
      }
    },
  );
}

/** The other side: what needs no traffic to explain it. A surge explains more. */
export function noSurgeProbe(ifFlat: number, ifUp: number): AnyProbe {
  return overLevel(
    { id: 'requests', factor: 'traffic', title: 'requests beside their band', signal: 'requests' },
    (level, _symptom, facts) => {
      const text = trafficText(level);
      const traffic = trafficOf(level);
      if (traffic === 'flat') return ifFlat === 0 ? neutral(text) : supports(ifFlat, `${text}: no more than usual`);
      const began = roseAt(level, SURGE);
      if (traffic !== 'up' || (began !== null && isAfterOnset(began, facts, level.periodMs))) return neutral(text);
      return opposes(ifUp, `${text}, which explains more`, { headline: `${times(riseOf(level)!)} the usual requests` });
    },
  );
}

/** Whether CPU or memory rose as much as the requests did. */
export function proportionProbe(): AnyProbe {
  return overLevel(
    {
      id: 'proportion',
      factor: 'proportion',
      title: 'requests beside what they take',
      signal: 'requests',
      also: ['cpu', 'memory'],
    },
    (level, symptom, _facts, other) => {
      const subject = subjectOf(symptom) ?? 'cpu';
      const taken = riseOfOther(other, subject);
      const up = riseOf(level);
      if (taken === null || up === null) return neutral('how both were before is not known');
      const text = `${RESOURCE_NAMES[subject]} is ${times(taken)} what it was, requests ${times(up)}`;
      if (trafficOf(level) !== 'up') return neutral(text);
      if (taken <= 1.4 * up) return supports(0.7, `${text}: in proportion`);
      return taken >= 2 * up
        ? opposes(1.5, text, { headline: `${RESOURCE_NAMES[subject]} rose far more than requests` })
        : neutral(text);
    },
  );
}
