/**
 * What services say of themselves: `live` and `ready` endpoints, each read with one GET.
 *
 * An endpoint that does not answer counts as 0 only after it has answered here once: until then the address, the way
 * there or the certificate authority may be what is wrong, and that is a setting of ours and no symptom of theirs. The
 * last hour and which endpoints have answered are kept, because nobody else has them.
 */

import type { Logger } from 'pino';
import type { EpochMs } from '../../model/glossary.ts';
import type { HealthCheckResult, ServiceHealthAnswer } from '../../model/health.ts';
import type { Answer, Unseen } from '../../model/question.ts';
import type { Series } from '../../model/series.ts';
import type { Blindness, PollResult, SignalInfo, Source } from '../../model/source.ts';
import { checksOf } from './checks.ts';
import { endpointOf, type GetResult, get, wordsOf } from './get.ts';
import { type HealthState, packHealth, unpackHealth } from './health-snapshot.ts';

export const HEALTH_SIGNALS: readonly SignalInfo[] = [
  { signal: 'health_live', unit: 'bool', group: 'health', description: 'the live endpoint answers with 2xx' },
  { signal: 'health_ready', unit: 'bool', group: 'health', description: 'the ready endpoint answers with 2xx' },
  {
    signal: 'health_milliseconds',
    unit: 'ms',
    group: 'health',
    description: 'time of the answer of the ready endpoint, or of the live one where there is no other',
  },
];

export interface HealthSourceOptions {
  readonly services: readonly {
    readonly target: string;
    readonly live: string | null;
    readonly ready: string | null;
  }[];
  /** Of the poll group `health`. */
  readonly periodMs: number;
  readonly log: Logger;
  readonly monotonic?: () => number;
  readonly deadlineMs?: number;
}

type Service = HealthSourceOptions['services'][number];
type Endpoint = 'live' | 'ready';

const DEADLINE_MS = 5_000;
/** A walk waits 5 s for an answer. */
const ANSWER_MS = 4_500;
const MAX_BYTES = 65_536;
const RING_MS = 3_600_000;
const MAX_POINTS = 720;

interface Look {
  readonly result: HealthCheckResult;
  readonly got: GetResult;
}

type Looks = Readonly<Record<Endpoint, Look | null>>;

export function createHealthSource(options: HealthSourceOptions): Source {
  const { periodMs, log, monotonic = () => performance.now(), deadlineMs = DEADLINE_MS } = options;
  const services = options.services.filter(({ live, ready }) => live !== null || ready !== null);
  const byTarget = new Map(services.map((service) => [service.target, service]));
  const limits = { deadlineMs, maxBytes: MAX_BYTES };
  let states: ReadonlyMap<string, HealthState> = new Map();

  const stateOf = (target: string): HealthState => states.get(target) ?? { answered: [], history: [] };

  const lookAt = async (url: string | null, deadline: number, signal: AbortSignal): Promise<Look | null> => {
    if (url === null) return null;
    const got = await get(url, { ...limits, deadlineMs: deadline, monotonic }, signal);
    const { status, failure, milliseconds, body } = got;
    const checks = body === null ? [] : checksOf(body);
    return { result: { endpoint: endpointOf(url), status, failure, milliseconds, checks }, got };
  };

  const look = async (service: Service, now: EpochMs, deadline: number, signal: AbortSignal): Promise<Looks> => {
    const [live, ready] = await Promise.all([
      lookAt(service.live, deadline, signal),
      lookAt(service.ready, deadline, signal),
    ]);
    // A look that the caller gave up says nothing about the service.
    if (!signal.aborted) keep(service, { live, ready }, now);
    return { live, ready };
  };

  const keep = ({ target }: Service, looks: Looks, now: EpochMs): void => {
    const { answered, history } = stateOf(target);
    const newly = (['live', 'ready'] as const).filter(
      (each) => hasAnswered(looks[each]) && !answered.some((endpoint) => endpoint === looks[each]?.result.endpoint),
    );
    const point = { at: now, live: okOf(looks.live), ready: okOf(looks.ready) };
    states = new Map(states).set(target, {
      answered: [...answered, ...newly.map((each) => looks[each]!.result.endpoint)],
      history: [...history.filter(({ at }) => at < now && at >= now - RING_MS), point].slice(-MAX_POINTS),
    });
  };

  const seriesOf = ({ target }: Service, looks: Looks, now: EpochMs): readonly Series[] => {
    const { answered } = stateOf(target);
    const point = (signal: string, unit: Series['unit'], value: number): Series => ({
      target,
      signal,
      labels: {},
      unit,
      periodMs,
      times: Float64Array.of(now),
      values: Float64Array.of(value),
    });
    const series = (['live', 'ready'] as const).flatMap((each) => {
      const seen = looks[each];
      const ok = okOf(seen);
      if (seen === null || ok === null || !answered.includes(seen.result.endpoint)) return [];
      return [point(`health_${each}`, 'bool', ok ? 1 : 0)];
    });
    const timed = [looks.ready, looks.live].find((seen) => seen !== null && hasAnswered(seen));
    return timed == null ? series : [...series, point('health_milliseconds', 'ms', timed.result.milliseconds)];
  };

  const blindnessOf = ({ target }: Service, looks: Looks): readonly Blindness[] =>
    (['live', 'ready'] as const).flatMap((each): readonly Blindness[] => {
      const seen = looks[each];
      const failure = seen?.result.failure ?? null;
      if (seen === null || failure === null) return [];
      const detail = `${seen.result.endpoint}: ${wordsOf(seen.got, limits)}`;
      return [
        {
          target,
          check: `health.${each}`,
          because: failure === 'timeout' ? 'timeout' : failure === 'redirect' ? 'not_configured' : 'error',
          detail,
          grant: grantOf(target, each, failure, stateOf(target).answered.includes(seen.result.endpoint)),
        },
      ];
    });

  /** Of those that gave no answer of the service: a part that could not be seen. */
  const unseenOf = (service: Service, looks: Looks): readonly Unseen[] =>
    (['live', 'ready'] as const)
      .flatMap((each) => {
        const seen = looks[each];
        if (seen === null || !isNoAnswer(seen.result)) return [];
        return blindnessOf(service, { live: null, ready: null, [each]: seen });
      })
      .map(({ because, detail, grant }) => ({ because, detail, grant }));

  return {
    name: 'health',
    groups: ['health'],
    async poll(_group, now, signal): Promise<PollResult> {
      const seen = await Promise.all(
        services.map(async (service) => ({ service, looks: await look(service, now, deadlineMs, signal) })),
      );
      if (signal.aborted) return { series: [], changes: [], blind: [] };
      return {
        series: seen.flatMap(({ service, looks }) => seriesOf(service, looks, now)),
        changes: [],
        blind: seen.flatMap(({ service, looks }) => blindnessOf(service, looks)),
      };
    },
    answers: ({ kind, target }) => kind === 'service.health' && byTarget.has(target),
    async answer(question, now, signal): Promise<Answer> {
      const { kind, target, window } = question;
      const service = byTarget.get(target);
      if (kind !== 'service.health' || service === undefined) {
        return {
          state: 'unknown',
          kind,
          because: 'unsupported',
          detail: `health does not answer ${kind} of ${target}`,
        };
      }
      const looks = await look(service, now, Math.min(ANSWER_MS, deadlineMs), signal);
      if (signal.aborted) return { state: 'unknown', kind, because: 'timeout', detail: 'the look was given up' };
      const { live, ready } = looks;
      const seen = [live, ready].filter((each) => each !== null);
      const unseen = unseenOf(service, looks);
      const [first] = unseen;
      if (first !== undefined && unseen.length === seen.length) {
        const { because, detail, grant } = first;
        return { state: 'unknown', kind, because, detail, ...(grant === null ? {} : { grant }) };
      }
      const value: ServiceHealthAnswer = {
        at: now,
        live: live?.result ?? null,
        ready: ready?.result ?? null,
        history: stateOf(target).history.filter(({ at }) => at >= window.from && at <= Math.max(window.to, now)),
      };
      const source = `GET ${seen.map(({ result }) => result.endpoint).join(', ')}`;
      return { state: 'answered', kind, value, at: now, source, ...(unseen.length === 0 ? {} : { unseen }) };
    },
    snapshot: () => (states.size === 0 ? null : packHealth(states)),
    restore(bytes) {
      const restored = unpackHealth(bytes);
      if (restored === null) log.warn({ source: 'health' }, 'snapshot is not readable, starting without history');
      else states = new Map([...restored].filter(([target]) => byTarget.has(target)));
    },
    close: async () => undefined,
  };
}

/** The service itself said something: no redirect of whoever stands before it, no answer that is none in HTTP. */
function hasAnswered(seen: Look | null): boolean {
  return seen !== null && seen.result.status !== null && !isNoAnswer(seen.result);
}

/**
 * A body that is too large to read is an answer all the same; one that never ends is none. Null where it is not the
 * service that speaks, or not in HTTP: that says nothing of how it is.
 */
function okOf(seen: Look | null): boolean | null {
  if (seen === null || isNoAnswer(seen.result)) return null;
  const { status, failure } = seen.result;
  return status !== null && status >= 200 && status < 300 && (failure === null || failure === 'too-large');
}

function isNoAnswer({ status, failure }: HealthCheckResult): boolean {
  if (failure === 'redirect' || failure === 'other') return true;
  // It said that it is well, and a part of its words was lost on the way.
  return failure === 'reset' && status !== null && status >= 200 && status < 300;
}

function grantOf(target: string, each: Endpoint, failure: string, answered: boolean): string | null {
  const key = `services.${target}.health.${each}`;
  if (failure === 'redirect') return `set ${key} to the address that answers without a redirect`;
  if (failure === 'too-large') return `set ${key} to an endpoint whose answer is below 64 KB`;
  if (answered) return null;
  const what =
    failure === 'tls' ? 'the certificate (NODE_EXTRA_CA_CERTS for an authority of your own)' : 'the way there';
  return `it has never answered here: check ${key} and ${what}`;
}
