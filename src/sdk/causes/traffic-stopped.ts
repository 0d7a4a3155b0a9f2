/** Nothing arrives although all is well here: name, certificate, load balancer, or whoever sends the traffic. */

import type { HealthCheckResult, Judged } from '../../model/index.ts';
import type { Answered, AnyProbe, Facts, Hypothesis, Mitigation } from '../detector.ts';
import { ask, probe } from '../detector.ts';
import { neutral, opposes, supports } from '../evidence.ts';
import { count, duration, plural, safeName } from '../format.ts';
import type { Points } from './service-questions.ts';
import { ecsQuestion, healthQuestion, seriesQuestion } from './service-questions.ts';
import { unevenMitigations } from './uneven-mitigations.ts';

export interface TrafficStoppedOptions {
  readonly prior?: number;
}

/** Silence for less than this is a pause. */
const SILENT_SECONDS = 300;

/** Spread `trafficStoppedMitigations` into the detector's mitigations beside it. */
export function trafficStoppedHypotheses({ prior = 0.1 }: TrafficStoppedOptions = {}): readonly Hypothesis[] {
  return [
    {
      cause: 'traffic-stopped-upstream',
      title: 'Traffic stopped before it reached the service: name, certificate, load balancer, or whoever sends it',
      prior,
      on: 'self',
      requires: ['silence'],
      probes: [silenceProbe(), requestsProbe(), tasksProbe(), targetsProbe(), wayInProbe()],
      mitigations: ['ask-from-outside', 'resolve-way-in', 'target-health'],
    },
  ];
}

function silenceProbe(): AnyProbe {
  return probe({
    id: 'silence',
    factor: 'silence',
    title: 'how long no request has come',
    ask: (_symptom, facts) => silenceQuestion(facts),
    judge({ points }): Judged {
      const last = newestOf(points);
      if (last === null) return neutral('silence is not known');
      const observed = `no request for ${duration(last.value)}`;
      if (last.value >= SILENT_SECONDS) return supports(2, observed);
      return last.value === 0 ? opposes(6, 'requests come in', { headline: 'requests come in' }) : neutral(observed);
    },
  });
}

function newestOf(points: Points | null | undefined): Points[number] | null {
  return (points ?? []).reduce<Points[number] | null>(
    (newest, one) => (newest === null || one.at > newest.at ? one : newest),
    null,
  );
}

const silenceQuestion = (facts: Facts) => seriesQuestion(facts, 'requests_silent_seconds');

/** That all is well here speaks for trouble upstream only while nothing arrives. */
function isSilent(answered: Answered, facts: Facts): boolean {
  return (newestOf(answered(silenceQuestion(facts))?.points)?.value ?? 0) >= SILENT_SECONDS;
}

/** Sees the same from the requests themselves. */
function requestsProbe(): AnyProbe {
  return probe({
    id: 'requests',
    factor: 'silence',
    title: 'whether requests come in',
    ask: (_symptom, facts) => seriesQuestion(facts, 'requests'),
    judge({ points }, _symptom, facts) {
      const last = newestOf(points);
      if (last === null || facts.now - last.at > SILENT_SECONDS * 1000) return neutral('no request of late is known');
      const observed = `${count(last.value)} requests in the last period that is known`;
      return last.value > 0 ? opposes(5, observed, { headline: 'requests come in' }) : neutral(observed);
    },
  });
}

function tasksProbe(): AnyProbe {
  return probe({
    id: 'tasks',
    factor: 'tasks',
    title: 'whether the tasks of the service run',
    ask: (_symptom, facts) => ecsQuestion(facts),
    also: (_symptom, facts) => [silenceQuestion(facts)],
    judge({ running, desired, tasks }, _symptom, facts, answered) {
      const observed = `${running} of ${plural(desired, 'task')} run`;
      const silent = newestOf(answered(silenceQuestion(facts))?.points);
      const lastRequest = silent === null ? null : silent.at - silent.value * 1000;
      const isYoung =
        lastRequest !== null &&
        tasks.length > 0 &&
        tasks.every((one) => (one.startedAt ?? Number.POSITIVE_INFINITY) > lastRequest);
      if (isYoung && running > 0) {
        const text = `${observed}, but all of them started after the last request`;
        return opposes(5, text, { headline: 'its tasks are younger than the silence' });
      }
      if (desired > 0 && running >= desired) {
        return isSilent(answered, facts)
          ? supports(1.5, observed, { headline: `while ${observed}` })
          : neutral(observed);
      }
      return running < Math.max(1, desired / 2) ? opposes(6, observed, { headline: observed }) : neutral(observed);
    },
  });
}

function targetsProbe(): AnyProbe {
  return probe({
    id: 'targets',
    factor: 'targets',
    title: 'whether the load balancer has healthy targets',
    ask: (_symptom, facts) => ask('alb.targets', facts, {}),
    also: (_symptom, facts) => [silenceQuestion(facts)],
    judge({ healthy, targets, targetGroupArn }, _symptom, facts, answered) {
      const slots = { targetGroupArn };
      const observed = `${healthy} of ${plural(targets.length, 'target')} healthy`;
      if (healthy === 0) return opposes(5, observed, { headline: observed, slots });
      const isWell = healthy === targets.length && isSilent(answered, facts);
      return isWell ? supports(1.5, observed, { slots }) : neutral(observed, { slots });
    },
  });
}

/** What keeps us out before any server of ours is asked. */
const OUTSIDE: Readonly<Partial<Record<NonNullable<HealthCheckResult['failure']>, string>>> = {
  dns: 'does not resolve',
  tls: 'fails its TLS handshake or shows a certificate that is not accepted',
  refused: 'refuses connections',
  timeout: 'does not answer',
};

function wayInProbe(): AnyProbe {
  return probe({
    id: 'way-in',
    factor: 'way-in',
    title: 'the way in that users take, as we see it',
    ask: (_symptom, facts) => healthQuestion(facts),
    judge({ live, ready }) {
      const check = live ?? ready;
      if (check === null) return neutral('no health endpoint is configured');
      const where = safeName(check.endpoint, 80);
      const why = check.failure === null ? undefined : OUTSIDE[check.failure];
      if (why !== undefined) return supports(2, `${where} ${why}`, { headline: `${where} ${why}` });
      const said = check.failure ?? `status ${count(check.status ?? 0)}`;
      return neutral(`${where} answers us with ${said}: what is missing is missing further up`);
    },
  });
}

export const trafficStoppedMitigations: Readonly<Record<string, Mitigation>> = {
  'ask-from-outside': {
    title: 'Ask the way that users take: name, certificate, answer',
    risk: 'read-only',
    riskText: 'reads only',
    command: 'curl -sS -v -m 10 {healthUrl}',
    alternative: 'curl -sS -v -m 10 {readyUrl}',
  },
  'resolve-way-in': {
    title: 'Look at the load balancers and their names',
    risk: 'read-only',
    riskText: 'reads only',
    command:
      'aws elbv2 describe-load-balancers --region {region} --query "LoadBalancers[].[LoadBalancerName,DNSName,State.Code]"',
  },
  'target-health': unevenMitigations['target-health']!,
};
