/**
 * A vendor that answers slowly: its host takes longer than its band while the other hosts are as before, and enough
 * requests go to it to be felt. The vendor's status page is support and never proof: it lags and is edited by people.
 */

import type { Target } from '../../model/index.ts';
import type { AnyProbe, Facts, Hypothesis } from '../detector.ts';
import { neutral, opposes, supports, unknown } from '../evidence.ts';
import { clockTime, percent, safeName, times } from '../format.ts';
import { externalServiceHypotheses } from './external-service.ts';
import { isHostOf } from './service-questions.ts';
import {
  isAfterOnset,
  isUp,
  type Level,
  latencyText,
  type OtherLevel,
  overLevels,
  riseOf,
  roseAt,
} from './service-series.ts';

const SLOW = 1.4;
const FLAT = 1.2;
/** Added latency below this is nothing. */
const FLOOR_SECONDS = 0.05;
/** For a p95 to move, more than 5 % of the requests must be touched; a request may call more than once. */
const SHARE = 0.05;
const NO_SHARE = 0.02;
const SIGNAL = 'dependency_latency_p95';

/** Its messages and its status page are judged as for calls that fail; how slow its hosts are is judged here. */
export function externalSlowHypotheses(prior = 0.15): readonly Hypothesis[] {
  return externalServiceHypotheses({ variants: ['slow'], prior }).map((hypothesis) => ({
    ...hypothesis,
    requires: ['host-latency'],
    probes: [
      hostLatencyProbe(),
      hostOrderProbe(),
      hostShareProbe(),
      ...hypothesis.probes.filter((one) => one.id !== 'slow-calls'),
    ],
  }));
}

const hostsOf = (target: Target): readonly string[] => target.hosts ?? [];

const isOf = (level: Level, target: Target): boolean => isHostOf(level.labels['host'] ?? null, hostsOf(target));

const addedBy = (level: Level): number => (level.before === null ? 0 : level.now - level.before);

export const isSlowHost = (level: Level): boolean => isUp(level, SLOW) && addedBy(level) >= FLOOR_SECONDS;

const hostText = (level: Level): string => {
  const before = level.before === null ? '' : ` (baseline ${latencyText(level.before)})`;
  return `${safeName(level.labels['host'] ?? 'a host', 60)} takes ${latencyText(level.now)}${before}`;
};

/** Our own hosts worst first, and those of others. */
function split(levels: readonly Level[], facts: Facts) {
  const mine = levels.filter((level) => isOf(level, facts.on)).sort((a, b) => addedBy(b) - addedBy(a));
  return { mine, others: levels.filter((level) => !isOf(level, facts.on)) };
}

function notKnown(facts: Facts) {
  const name = facts.on.name;
  if (hostsOf(facts.on).length === 0)
    return unknown('not_configured', `the hosts of ${name} are not configured`, `dependencies.${name}.hosts`);
  return unknown('no_data', `no latency of ${hostsOf(facts.on).join(', ')}`);
}

function hostLatencyProbe(): AnyProbe {
  return overLevels(
    { id: 'host-latency', factor: 'host', title: 'p95 of calls by host', signal: SIGNAL, also: ['latency_p95'] },
    (levels, _symptom, facts, other) => {
      const { mine, others } = split(levels, facts);
      const worst = mine[0];
      if (worst === undefined) return notKnown(facts);
      const up = riseOf(worst);
      const text = hostText(worst);
      if (up === null) return neutral(`${text}; how long before is not known`);
      if (!isSlowHost(worst))
        return up <= FLAT || addedBy(worst) < FLOOR_SECONDS || worst.upper !== null
          ? opposes(4.5, text, {
              headline: `${safeName(worst.labels['host'] ?? '', 60)} ${latencyText(worst.now)}, as before`,
            })
          : neutral(text);
      const slots = { slots: timeoutSlots(worst) };
      const headline = `${safeName(worst.labels['host'] ?? '', 60)} ${times(up)} slower (${latencyText(worst.now)})`;
      const slowToo = others.filter(isSlowHost).length;
      if (others.length > 0 && slowToo >= Math.max(1, others.length / 2))
        return supports(
          1,
          `${text}, but ${slowToo} of ${others.length} other hosts are slower too: look at what they share`,
          {
            ...slots,
          },
        );
      const rest =
        others.length === 0 ? '' : `; ${others.length - slowToo} of ${others.length} other hosts are as before`;
      const weight = explained(worst, other) >= 0.3 ? 3.7 : 1.5;
      return supports(weight, `${text}${rest}`, { headline, ...slots });
    },
  );
}

/** The part of the service's own added p95 that the host's added p95 could make; 1 where that is not known. */
function explained(host: Level, other: OtherLevel): number {
  const own = other('latency_p95');
  return own === null || addedBy(own) <= 0 ? 1 : addedBy(host) / addedBy(own);
}

/** Five times the usual p95 in half seconds, at most the runbook's 5 s, and only where that cuts the present wait. */
function timeoutSlots({ before, now }: Level): Record<string, number> {
  if (before === null) return {};
  const seconds = Math.min(5, Math.max(1, Math.ceil(before * 10) / 2));
  return seconds < now ? { timeoutMs: seconds * 1000 } : {};
}

/** What waits for a slow service of ours can make its calls look slow as well, but not before. */
function hostOrderProbe(): AnyProbe {
  return overLevels(
    { id: 'host-order', factor: 'order', title: 'which came first, the slow host or the symptom', signal: SIGNAL },
    (levels, _symptom, facts) => {
      const slow = split(levels, facts).mine.find(isSlowHost);
      const began = slow === undefined ? null : roseAt(slow, SLOW);
      if (slow === undefined || began === null) return neutral('no host of it is slow');
      const text = `${safeName(slow.labels['host'] ?? '', 60)} is slow since ${clockTime(began)}`;
      return isAfterOnset(began, facts, slow.periodMs)
        ? opposes(3, `${text}, which is after it began`, { headline: 'its host was slow only later' })
        : supports(0.5, `${text}, when it began`);
    },
  );
}

function hostShareProbe(): AnyProbe {
  return overLevels(
    {
      id: 'host-share',
      factor: 'share',
      title: 'calls by host beside all requests',
      signal: 'dependency_requests',
      also: ['requests'],
    },
    (levels, _symptom, facts, other) => {
      const calls = levels.filter((level) => isOf(level, facts.on)).reduce((sum, level) => sum + level.now, 0);
      const all = other('requests');
      if (all === null || all.now <= 0) return neutral('requests of the service are not known');
      const share = calls / all.now;
      const text = `calls to ${facts.on.name} are ${percent(share)} of the number of requests`;
      if (share >= SHARE) return supports(1, text);
      return share < NO_SHARE
        ? opposes(3, `${text}: too few to move the p95 of all`, { headline: `${percent(share)} of requests call it` })
        : neutral(text);
    },
  );
}

/** Where a vendor's host is slow and makes the added latencyText, what else came before it did not. */
export function notAVendorProbe(weight: number): AnyProbe {
  return overLevels(
    { id: 'hosts', factor: 'hosts', title: 'p95 of calls by host', signal: SIGNAL, also: ['latency_p95'] },
    (levels, _symptom, facts, other) => {
      const slow = levels.filter(isSlowHost).sort((a, b) => addedBy(b) - addedBy(a));
      const [worst] = slow;
      if (worst === undefined) return neutral('calls to other hosts take as long as before');
      const began = roseAt(worst, SLOW);
      const late = began !== null && isAfterOnset(began, facts, worst.periodMs);
      // Calls to all hosts are slower where the caller itself is.
      const few = levels.length > 1 && slow.length <= levels.length / 2;
      if (late || !few || explained(worst, other) < 0.3) return neutral(hostText(worst));
      return opposes(weight, `${hostText(worst)} and the other hosts do not, which explains more`, {
        headline: `${safeName(worst.labels['host'] ?? '', 60)} is slow`,
      });
    },
  );
}
