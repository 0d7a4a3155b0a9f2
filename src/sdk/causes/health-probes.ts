/** Probes of a service's health endpoints: what they answered, what their bodies name, and whether anybody else suffers. */

import type { HealthCheckResult, Judged, LogKind, ServiceHealthAnswer, SlotValues } from '../../model/index.ts';
import type { AnyProbe } from '../detector.ts';
import { probe } from '../detector.ts';
import { neutral, opposes, supports } from '../evidence.ts';
import { milliseconds, percent, plural, safeName } from '../format.ts';
import { restartSlots } from './healthy-version.ts';
import {
  ecsQuestion,
  FEW_MESSAGES,
  healthQuestion,
  logShare,
  logsQuestion,
  unwantedStops,
} from './service-questions.ts';
import { overLevel } from './service-series.ts';

/** An answer that takes longer hangs. */
export const SLOW_MS = 2000;
export function isFine({ status, failure }: HealthCheckResult): boolean {
  return status !== null && status >= 200 && status < 300 && (failure === null || failure === 'too-large');
}

/** The endpoints that are configured, the live one first. */
export function endpointsOf({ live, ready }: ServiceHealthAnswer): readonly HealthCheckResult[] {
  return [live, ready].filter((one) => one !== null);
}

const FAILURES: Readonly<Record<NonNullable<HealthCheckResult['failure']>, string>> = {
  dns: 'does not resolve',
  refused: 'refuses the connection',
  timeout: 'does not answer',
  tls: 'fails at TLS (certificate or handshake)',
  reset: 'resets the connection',
  redirect: 'redirects elsewhere',
  'too-large': 'answers more than can be read',
  other: 'gives no usable answer',
};

/** `api.rastup.com/ready answers 503 after 12 ms`. */
export function answerText(result: HealthCheckResult): string {
  const { endpoint, status, failure } = result;
  const where = safeName(endpoint, 80);
  const took = milliseconds(result.milliseconds);
  if (failure === 'timeout') return `${where} does not answer within ${took}`;
  if (failure !== null && failure !== 'too-large') return `${where} ${FAILURES[failure]}`;
  return `${where} answers ${status ?? '?'} after ${took}`;
}

/** `/ready` of `api.rastup.com/ready`. */
export function pathOf({ endpoint }: HealthCheckResult): string {
  const slash = endpoint.indexOf('/');
  return safeName(slash < 0 ? endpoint : endpoint.slice(slash), 40);
}

/** Host and port as `host:port/path` has them, for commands. */
export function addressOf({ endpoint }: HealthCheckResult): SlotValues {
  const [, host, port = '443'] = /^([^/:]+)(?::(\d+))?(?:\/|$)/.exec(endpoint) ?? [];
  return host === undefined ? {} : { host, port };
}

/** Dependencies that the bodies say are not well. */
export function failedChecks(health: ServiceHealthAnswer): HealthCheckResult['checks'] {
  return [...(health.ready?.checks ?? []), ...(health.live?.checks ?? [])].filter((check) => !check.ok);
}

const checkText = ({ name, detail }: HealthCheckResult['checks'][number]): string =>
  `${safeName(name)}${detail === null ? '' : `: ${safeName(detail, 80)}`}`;

/** For a cause that is told by what the bodies say of single dependencies. */
export function namedCheckProbe(spec: {
  readonly what: string;
  readonly names: RegExp;
  readonly weight: number;
}): AnyProbe {
  const { what, names, weight } = spec;
  return probe({
    id: 'named-check',
    factor: 'ready',
    title: `what the readiness endpoint says of its ${what}`,
    ask: (_symptom, facts) => healthQuestion(facts),
    judge(health) {
      const failed = failedChecks(health);
      const own = failed.find(({ name }) => names.test(name));
      if (own !== undefined) {
        return supports(weight, `the readiness endpoint cannot reach ${checkText(own)}`, {
          headline: `not ready: ${checkText(own)}`,
        });
      }
      const fine = endpointsOf(health)
        .flatMap(({ checks }) => checks)
        .find(({ name }) => names.test(name));
      if (fine !== undefined) {
        const observed = `the readiness endpoint reaches ${safeName(fine.name)}`;
        return opposes(weight, observed, { headline: observed });
      }
      const [other] = failed;
      if (other === undefined) return neutral(`the readiness endpoint does not speak of a ${what}`);
      return opposes(2.5, `the readiness endpoint names ${checkText(other)}, and no ${what}`, {
        headline: `it names ${safeName(other.name)}`,
      });
    },
  });
}

/** For causes within the service: that its body names a dependency is a better reason. */
export function namesAnotherProbe(weight: number): AnyProbe {
  return probe({
    id: 'names-another',
    factor: 'ready',
    title: 'whether the readiness endpoint names a dependency',
    ask: (_symptom, facts) => healthQuestion(facts),
    judge(health) {
      const failed = failedChecks(health);
      if (failed.length === 0) return neutral('the health endpoints name no dependency that fails');
      const named = failed.slice(0, 3).map(checkText).join(', ');
      return opposes(weight, `the readiness endpoint names what fails: ${named}`, {
        headline: `it names ${safeName(failed[0]!.name)}`,
      });
    },
  });
}

/** A process that has no time, or stands still: the live endpoint, which needs nobody else, is late or silent. */
export function hangsProbe(): AnyProbe {
  return probe({
    id: 'hangs',
    factor: 'answer',
    title: 'whether the process answers at all, and how fast',
    ask: (_symptom, facts) => healthQuestion(facts),
    judge({ live, ready }): Judged {
      const own = live ?? ready;
      if (own === null) return neutral('no health endpoint is configured');
      const observed = answerText(own);
      if (own.failure === 'timeout') {
        return supports(live === null ? 2 : 3.3, observed, { headline: `${pathOf(own)} does not answer` });
      }
      if (own.failure === 'reset' || own.failure === 'other') return neutral(observed);
      const isAnswer = own.status !== null && own.failure !== 'redirect';
      if (isAnswer && own.milliseconds >= SLOW_MS) {
        return supports(2.7, observed, { headline: `${pathOf(own)} takes ${milliseconds(own.milliseconds)}` });
      }
      const headline = isAnswer ? `it answers within ${milliseconds(own.milliseconds)}` : observed;
      if (live !== null && isFine(live) && ready !== null && !isFine(ready) && ready.failure === 'timeout') {
        return opposes(3, `${observed}, and only ${answerText(ready)}`, { headline });
      }
      return opposes(own.failure === 'refused' ? 2.5 : 4, observed, { headline });
    },
  });
}

export function tasksRunProbe(): AnyProbe {
  return probe({
    id: 'tasks-run',
    factor: 'tasks',
    title: 'whether the tasks run all the same',
    ask: (_symptom, facts) => ecsQuestion(facts),
    judge(ecs, _symptom, facts) {
      const { running, desired } = ecs;
      const observed = `${running} of ${plural(desired, 'task')} run`;
      if (running === 0) return opposes(5, observed, { headline: observed });
      // Whoever hangs is stopped by the health check, and is slow to leave: those stops are of the hanging itself.
      const ends = unwantedStops(ecs, facts).filter(
        ({ kind }) => kind !== 'health-check-failed' && kind !== 'slow-shutdown',
      );
      if (ends.length > 0) {
        const text = `${plural(ends.length, 'task')} stopped by themselves`;
        return opposes(3, `${observed}; ${text}`, { headline: text });
      }
      const slots = restartSlots(ecs);
      return running >= desired ? supports(0.7, observed, { slots }) : neutral(observed, { slots });
    },
  });
}

/** At the limit a process is too busy to answer; idle it waits for something. */
export function busyProcessProbe(): AnyProbe {
  return overLevel(
    { id: 'cpu', factor: 'cpu', title: 'CPU of what is reserved', signal: 'cpu', also: ['cpu_max'] },
    ({ now }, _symptom, _facts, other) => {
      const most = Math.max(now, other('cpu_max')?.now ?? 0);
      const observed = `CPU is at ${percent(now)} of what is reserved${most > now ? `, of the busiest task ${percent(most)}` : ''}`;
      if (now >= 0.9 || most >= 0.97) {
        return supports(2, `${observed}: no time is left for an answer`, { headline: `with CPU at ${percent(most)}` });
      }
      if (most < 0.5) return opposes(1, `${observed}: it waits for something rather than works`);
      return neutral(observed);
    },
  );
}

/** Messages about others: whoever waits for them answers late. */
const ELSEWHERE: readonly LogKind[] = [
  'pool-timeout',
  'database-refused',
  'database-timeout',
  'database-error',
  'name-resolution',
  'refused',
  'timeout',
];

export function waitsForOthersProbe(weight: number): AnyProbe {
  return probe({
    id: 'messages-elsewhere',
    factor: 'logs',
    title: 'whether the error messages are about others',
    ask: (_symptom, facts) => logsQuestion(facts),
    judge(logs, _symptom, facts) {
      const about = ({ kind, host }: { readonly kind: LogKind; readonly host: string | null }): boolean =>
        ELSEWHERE.includes(kind) && (host !== null || kind.startsWith('database') || kind === 'pool-timeout');
      const found = logShare(logs, facts, about);
      if (found.all < FEW_MESSAGES) return neutral('no more error messages than before');
      const observed = `${found.fitting} of ${found.all} more error messages than before are about others`;
      if (found.share < 0.6) return neutral(observed);
      const name = safeName(found.top?.host ?? found.top?.kind ?? 'others', 60);
      return opposes(weight, observed, { headline: `messages are about ${name}` });
    },
  });
}

/** The slots of the address that fails, for commands that look at its name and certificate. */
export function failingAddress(health: ServiceHealthAnswer): SlotValues {
  const failing = endpointsOf(health).find((one) => !isFine(one));
  return failing === undefined ? {} : addressOf(failing);
}
