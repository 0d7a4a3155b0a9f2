/**
 * Why a health endpoint fails, besides the causes that have their own files: the cache that it names, the process that
 * hangs, the way to the endpoint (which may be only ours), the check itself, and the service's own pool of connections.
 */

import type { HealthCheckResult, Judged } from '../../model/index.ts';
import type { AnyProbe, Hypothesis } from '../detector.ts';
import { probe } from '../detector.ts';
import { neutral, opposes, supports } from '../evidence.ts';
import { CACHE, cacheMessagesProbe } from './cache-messages.ts';
import { versionBeforeProbe } from './explained-by-version.ts';
import { cacheWellProbe } from './health-cache.ts';
import {
  answerText,
  busyProcessProbe,
  endpointsOf,
  failingAddress,
  hangsProbe,
  isFine,
  namedCheckProbe,
  namesAnotherProbe,
  pathOf,
  SLOW_MS,
  tasksRunProbe,
  waitsForOthersProbe,
} from './health-probes.ts';
import { balancerProbe, servedProbe, usersProbe } from './served-probes.ts';
import { healthQuestion } from './service-questions.ts';

export { healthCacheHypotheses } from './health-cache.ts';
export { healthCheckMitigations } from './health-check-mitigations.ts';
export { healthDatabaseHypotheses } from './health-database.ts';

/** Spread `healthCheckMitigations` into the detector's mitigations beside these. */
export function cacheUnreachable(prior = 0.07): Hypothesis {
  return {
    cause: 'cache-unreachable',
    title: 'Cache unreachable: the service does not reach its Redis, Valkey or Memcached',
    prior,
    on: 'self',
    requires: ['named-check'],
    probes: [namedCheckProbe({ what: 'cache', names: CACHE, weight: 5 }), cacheMessagesProbe(), cacheWellProbe(7.5)],
    mitigations: ['ask-ready', 'cache-status', 'cache-events', 'health-logs'],
  };
}

export function serviceHung(prior = 0.07): Hypothesis {
  return {
    cause: 'service-hung',
    title: 'Service hung: its tasks run and do not answer in time (CPU at its limit, a blocked event loop, a deadlock)',
    prior,
    on: 'self',
    requires: ['hangs'],
    probes: [
      hangsProbe(),
      tasksRunProbe(),
      busyProcessProbe(),
      balancerProbe({ allHealthy: -3.5, someUnhealthy: -1, noneHealthy: -1, timeouts: 1.5 }),
      waitsForOthersProbe(3.5),
      namesAnotherProbe(3.5),
    ],
    mitigations: ['ask-health', 'load-look', 'restart-hung', 'cpu-profile', 'health-logs'],
  };
}

export type EndpointUnreachableVariant = 'dns' | 'tls' | 'redirect' | 'network';

interface Way {
  readonly title: string;
  readonly prior: number;
  readonly failures: readonly NonNullable<HealthCheckResult['failure']>[];
  /** Of having failed so: silence and refusals have other reasons too. */
  readonly weight: number;
  readonly asEver: number;
  readonly fewer: number;
  readonly allHealthy: number;
  readonly noneHealthy: number;
  readonly mitigations: readonly string[];
}

const WAYS: Readonly<Record<EndpointUnreachableVariant, Way>> = {
  tls: {
    title: 'its certificate is not accepted, or the TLS handshake fails',
    prior: 0.04,
    failures: ['tls'],
    weight: 5.5,
    asEver: 0.5,
    fewer: 1,
    allHealthy: 0.7,
    noneHealthy: 0,
    mitigations: ['endpoint-certificate', 'ask-health', 'ask-ready'],
  },
  dns: {
    title: 'its name does not resolve',
    prior: 0.03,
    failures: ['dns'],
    weight: 5.5,
    asEver: 0.5,
    fewer: 1,
    allHealthy: 0.7,
    noneHealthy: 0,
    mitigations: ['resolve-endpoint', 'ask-health', 'resolve-way-in'],
  },
  redirect: {
    title: 'whoever stands before it redirects instead of answering',
    prior: 0.03,
    failures: ['redirect'],
    weight: 5.5,
    asEver: 0.5,
    fewer: 1,
    allHealthy: 0.7,
    noneHealthy: 0,
    mitigations: ['follow-redirect', 'ask-ready'],
  },
  network: {
    title: 'we do not get through to it, while others do',
    prior: 0.05,
    failures: ['timeout', 'refused', 'reset'],
    weight: 2,
    asEver: 2.5,
    fewer: -3,
    allHealthy: 1.7,
    noneHealthy: -4,
    mitigations: ['ask-health', 'resolve-endpoint', 'target-health'],
  },
};

/** What fails before the service is asked. From where we look: users and the load balancer may get through. */
export function endpointUnreachable(): readonly Hypothesis[] {
  return (Object.keys(WAYS) as readonly EndpointUnreachableVariant[]).map((variant) => {
    const way = WAYS[variant];
    const { asEver, fewer, allHealthy, noneHealthy } = way;
    return {
      cause: 'endpoint-unreachable',
      variant,
      title: `Endpoint unreachable: ${way.title}`,
      prior: way.prior,
      on: 'self',
      requires: ['way'],
      probes: [
        wayProbe(way),
        usersProbe({ asEver, fewer }),
        balancerProbe({ allHealthy, noneHealthy, someUnhealthy: noneHealthy / 2, timeouts: noneHealthy }),
      ],
      mitigations: way.mitigations,
    };
  });
}

function wayProbe({ failures, weight }: Way): AnyProbe {
  return probe({
    id: 'way',
    factor: 'answer',
    title: 'at which step our own look fails',
    ask: (_symptom, facts) => healthQuestion(facts),
    judge(health): Judged {
      const slots = failingAddress(health);
      const failing = endpointsOf(health).filter((one) => !isFine(one));
      const [first] = failing;
      if (first === undefined) return neutral('both endpoints answer again');
      const own = failing.find(({ failure }) => failure !== null && failures.includes(failure));
      if (own === undefined) return opposes(5.5, answerText(first), { headline: answerText(first), slots });
      const observed = `${answerText(own)}, as seen from here`;
      // The same way leads to the other endpoint: where that one answers, the way is open.
      const open = endpointsOf(health).find(
        ({ failure, status, endpoint }) =>
          failure === null && status !== null && hostOf(endpoint) === hostOf(own.endpoint),
      );
      if (open !== undefined)
        return opposes(2.5, `${observed}; but ${answerText(open)}`, { headline: answerText(open), slots });
      return supports(weight, observed, { headline: answerText(own), slots });
    },
  });
}

const hostOf = (endpoint: string): string => endpoint.split('/')[0]!.toLowerCase();

export function healthCheckItself(prior = 0.06): Hypothesis {
  return {
    cause: 'health-check-itself',
    title: 'The health check itself: the endpoint says no while the service serves as ever',
    prior,
    on: 'self',
    requires: ['status'],
    probes: [
      statusProbe(),
      balancerProbe({ allHealthy: 1.7, someUnhealthy: -3.5, noneHealthy: -4, timeouts: -4 }),
      servedProbe(),
      namesAnotherProbe(3.5),
      // A version that brought it is to be taken back, whether it broke the service or only its check.
      versionBeforeProbe({ ifBefore: -3.5, ifNone: 0 }),
    ],
    mitigations: ['ask-health', 'ask-ready', 'target-health', 'health-logs'],
  };
}

/** Answers that speak of the address or of who may ask, and not of how the service is. */
const OF_THE_ASKING: readonly number[] = [400, 401, 403, 404, 405, 406, 410, 426, 429];

function statusProbe(): AnyProbe {
  return probe({
    id: 'status',
    factor: 'answer',
    title: 'what the endpoint that fails answers',
    ask: (_symptom, facts) => healthQuestion(facts),
    judge(health): Judged {
      const own = endpointsOf(health).find((one) => !isFine(one));
      if (own === undefined) {
        const slow = endpointsOf(health).find((one) => one.milliseconds >= SLOW_MS);
        return slow === undefined
          ? neutral('the endpoints answer again')
          : opposes(2.5, `${answerText(slow)}: it is slow, not wrong`, { headline: 'it is slow, not wrong' });
      }
      const observed = answerText(own);
      const { status, failure } = own;
      if (failure !== null && failure !== 'too-large') {
        return opposes(failure === 'timeout' || failure === 'refused' || failure === 'reset' ? 2.7 : 5, observed, {
          headline: observed,
        });
      }
      if (status !== null && OF_THE_ASKING.includes(status)) {
        return supports(2.7, `${observed}: that is about the address, or about who may ask`, {
          headline: `${pathOf(own)} answers ${status}`,
        });
      }
      return supports(0.5, observed, { headline: `${pathOf(own)} answers ${status ?? '?'}` });
    },
  });
}

/** A new version is not what a dependency that the body names, or the way to the endpoint, lacks. */
export function withHealthDoubts(hypotheses: readonly Hypothesis[]): readonly Hypothesis[] {
  const doubts = [namesAnotherProbe(3.5), ownAnswerProbe()];
  return hypotheses.map((one) => ({ ...one, probes: [...one.probes, ...doubts] }));
}

function ownAnswerProbe(): AnyProbe {
  return probe({
    id: 'own-answer',
    factor: 'answer',
    title: 'whether it is the service that says no',
    ask: (_symptom, facts) => healthQuestion(facts),
    judge(health): Judged {
      const own = endpointsOf(health).find((one) => !isFine(one));
      if (own === undefined) return neutral('both endpoints answer again');
      const observed = answerText(own);
      if (own.failure === 'dns' || own.failure === 'tls' || own.failure === 'redirect') {
        return opposes(5, observed, { headline: observed });
      }
      return own.failure === null && own.status !== null
        ? supports(1, observed, { headline: `${pathOf(own)} answers ${own.status}` })
        : neutral(observed);
    },
  });
}
