import {
  beyond,
  cacheUnreachable,
  connectionPoolMitigations,
  crashedHypotheses,
  crashedMitigations,
  defineDetector,
  deploymentHypotheses,
  deploymentMitigations,
  duration,
  endpointUnreachable,
  externalServiceHypotheses,
  externalServiceMitigations,
  healthCacheHypotheses,
  healthCheckItself,
  healthCheckMitigations,
  healthDatabaseHypotheses,
  type Interval,
  integer,
  lifecycleOptions,
  milliseconds,
  mitigationsOf,
  number,
  percent,
  points,
  type Reading,
  type ReadingPoint,
  type RuleSymptom,
  type Sample,
  type Severity,
  safeName,
  serviceHung,
  serviceLoadMitigations,
  type Target,
  unreachableMitigations,
  withHealthDoubts,
} from 'runbookd/sdk';

const newest = (reading: Reading | undefined): Sample | undefined => reading?.samples.at(-1);

interface Failing {
  readonly reading: Reading;
  readonly onset: Interval;
  readonly seconds: number;
}

/** The present run of failed polls, when there are enough of them. */
function failing(reading: Reading | undefined, polls: number): Failing | null {
  if (reading === undefined) return null;
  const { samples, periodMs } = reading;
  let start = samples.length;
  while (start > 0 && samples[start - 1]!.value < 0.5) start--;
  const first = samples[start];
  if (first === undefined || samples.length - start < polls) return null;
  const earliest = samples[start - 1]?.at ?? first.at - periodMs;
  return { reading, onset: { earliest, latest: first.at }, seconds: (samples.at(-1)!.at - earliest) / 1000 };
}

/** `/ready`, or what it is called where its address is not known. */
function nameOf(target: Target, slot: 'healthUrl' | 'readyUrl'): string {
  const path = /^https?:\/\/[^/]+(\/[^?#]*)/.exec(target.slots[slot] ?? '')?.[1];
  if (path !== undefined) return safeName(path, 40);
  return slot === 'healthUrl' ? 'the health endpoint' : 'the readiness endpoint';
}

/** Errors within this share of the requests are no harm, whatever the baseline is. */
const FEW_ERRORS = 0.01;

interface Served {
  readonly well: boolean;
  /** `requests are served as before`, `12 % of the requests fail`. */
  readonly text: string;
}

/** How requests are served, from what the load balancer counts; null where nothing tells. */
function servedOf(readings: (signal: string) => Reading | undefined): Served | null {
  const [requests, errors] = [newest(readings('requests')), newest(readings('errors'))];
  if (newest(readings('healthy_hosts'))?.value === 0) return { well: false, text: 'no target is healthy' };
  if (requests === undefined || !requests.band.ready) return null;
  const part = errors === undefined || requests.value <= 0 ? 0 : errors.value / requests.value;
  if (part > FEW_ERRORS && (errors?.band.ready !== true || errors.value > errors.band.upper)) {
    return { well: false, text: `${percent(part)} of the requests fail` };
  }
  if (requests.value < requests.band.lower) {
    const ratio = requests.band.expected > 0 ? requests.value / requests.band.expected : 1;
    return { well: false, text: `requests are at ${percent(ratio)} of what is expected` };
  }
  return { well: true, text: 'requests are served as before' };
}

const earlier = (a: Interval, b: Interval): Interval => (b.latest < a.latest ? b : a);

/** What is wrong first, then what stands beside it, each once. */
function pointsOnce(lead: readonly Reading[], beside: readonly (Reading | undefined)[]): readonly ReadingPoint[] {
  return points([...new Set([...lead, ...beside])]);
}

type Seen = Omit<RuleSymptom, 'subject' | 'readings'> & { readonly lead: readonly Reading[] };

function failingSymptom(
  target: Target,
  live: Reading | undefined,
  ready: Reading | undefined,
  polls: number,
  served: Served | null,
): Seen | null {
  const [liveFails, readyFails] = [failing(live, polls), failing(ready, polls)];
  const fails = [liveFails, readyFails].filter((one) => one !== null);
  if (fails.length === 0) return null;
  const names = [
    ...(liveFails === null ? [] : [nameOf(target, 'healthUrl')]),
    ...(readyFails === null ? [] : [nameOf(target, 'readyUrl')]),
  ].join(' and ');
  const isBoth = fails.length === 2;
  const alone: Severity = liveFails === null && served?.well === true ? 'warning' : 'error';
  const longest = duration(Math.max(...fails.map(({ seconds }) => seconds)));
  const fine = liveFails === null && live !== undefined ? ` ${nameOf(target, 'healthUrl')} is well.` : '';
  return {
    severity: isBoth ? 'critical' : alone,
    headline: `${names} ${isBoth ? 'fail' : 'fails'} for ${longest}${served === null ? '' : `, ${served.text}`}`,
    summary: `${names} of ${target.name} ${isBoth ? 'have' : 'has'} not answered with 2xx for ${longest}.${fine}${served === null ? '' : ` By what the load balancer counts, ${served.text}.`}`,
    onset: fails.map(({ onset }) => onset).reduce(earlier),
    lead: fails.map(({ reading }) => reading),
  };
}

interface SlowOptions {
  readonly slowMilliseconds: number;
  readonly slowPolls: number;
}

/** Slow for long, and slower than it always is. */
function slowSymptom(
  target: Target,
  time: Reading | undefined,
  isReady: boolean,
  { slowMilliseconds: limit, slowPolls }: SlowOptions,
  isActive: boolean,
  served: Served | null,
): Seen | null {
  if (time === undefined) return null;
  const slow = beyond(time, { limit, clear: limit * 0.8, need: slowPolls, of: slowPolls + 1 }, isActive);
  if (slow === null) return null;
  const { value, band } = slow.latest;
  if (band.ready && value <= band.upper) return null;
  const name = nameOf(target, isReady ? 'readyUrl' : 'healthUrl');
  const usual = band.ready ? `baseline ${milliseconds(band.expected)}` : `limit ${milliseconds(limit)}`;
  return {
    severity: served?.well === false ? 'error' : 'warning',
    headline: `${name} takes ${milliseconds(value)} (${usual})`,
    summary: `${name} of ${target.name} answers, but only after ${milliseconds(value)} (${usual})${served === null ? '' : `; ${served.text}`}.`,
    onset: slow.onset,
    lead: [time],
  };
}

const hypotheses = [
  ...healthDatabaseHypotheses(),
  cacheUnreachable(),
  ...healthCacheHypotheses(),
  ...externalServiceHypotheses({ prior: 0.1, readiness: true }),
  serviceHung(),
  // That it does not pass its health check is the symptom itself.
  ...crashedHypotheses().filter(({ variant }) => variant !== 'health-check-failed'),
  ...endpointUnreachable(),
  healthCheckItself(),
  ...withHealthDoubts(deploymentHypotheses({ prior: 0.12 })),
];

export const detector = defineDetector({
  id: 'health-check-failing',
  title: 'Health check failing',
  why: 'What fails its health check is taken out of service and replaced, task after task, until nobody is left to serve.',
  runbook: 'API Service / Health Check Failing',
  target: 'service',
  signals: {
    live: {
      signal: 'health_live',
      unit: 'bool',
      required: false,
      description: '1 when the health endpoint answers 2xx',
    },
    ready: {
      signal: 'health_ready',
      unit: 'bool',
      required: false,
      description: '1 when the readiness endpoint answers 2xx',
    },
    time: {
      signal: 'health_milliseconds',
      unit: 'ms',
      required: false,
      description: 'how long the readiness endpoint takes, or the health endpoint where there is no other',
    },
    desired: { signal: 'desired_tasks', unit: 'count', required: false, description: 'tasks that are wanted' },
    requests: { signal: 'requests', unit: 'count', required: false, description: 'whether requests still come in' },
    errors: { signal: 'errors', unit: 'count', required: false, description: 'whether they fail' },
    healthy: { signal: 'healthy_hosts', unit: 'count', required: false, description: 'targets held for healthy' },
  },
  options: {
    ...lifecycleOptions({ pollSeconds: 60, holdSeconds: 0, clearPolls: 2, clearSeconds: 60 }),
    failedPolls: integer(3, 'failed polls of an endpoint in a row before it is a symptom', {
      unit: 'polls',
      minimum: 1,
      maximum: 60,
    }),
    slowMilliseconds: number(2000, 'an answer that takes longer is slow', { unit: 'ms', minimum: 1 }),
    slowPolls: integer(5, 'slow polls, of the last one more than these, before it is a symptom', {
      unit: 'polls',
      minimum: 1,
      maximum: 59,
    }),
  },
  rule({ now, options, readings, target, active }) {
    const one = (signal: string, all = false): Reading | undefined => readings(signal, all)[0];
    const [live, ready, time] = [one('health_live'), one('health_ready'), one('health_milliseconds')];
    const at = [live, ready, time].flatMap((reading) => newest(reading)?.at ?? []);
    if (at.length === 0) {
      const hasNone = target.slots['healthUrl'] === undefined && target.slots['readyUrl'] === undefined;
      if (hasNone && !active('')) return { state: 'judged', at: now, symptoms: [] };
      return { state: 'no_data', signals: ['health_live', 'health_ready'] };
    }
    const judged = { state: 'judged', at: Math.max(...at) } as const;
    // Whoever is switched off on purpose need not answer.
    if (newest(one('desired_tasks'))?.value === 0) return { ...judged, symptoms: [] };

    const polls = active('') ? 1 : options.failedPolls;
    const served = servedOf((signal) => one(signal));
    const beside = [live, ready, time, one('requests'), one('errors'), one('healthy_hosts')];
    const symptom =
      failingSymptom(target, live, ready, polls, served) ??
      slowSymptom(target, time, ready !== undefined, options, active(''), served);
    if (symptom !== null) {
      return { ...judged, symptoms: [{ ...symptom, subject: '', readings: pointsOnce(symptom.lead, beside) }] };
    }
    // What failed is not well because it is not seen any more.
    const isLost = ['health_live', 'health_ready'].some(
      (signal) => one(signal) === undefined && one(signal, true) !== undefined,
    );
    return { ...judged, symptoms: [], unjudged: active('') && isLost ? [''] : [] };
  },
  hypotheses,
  mitigations: mitigationsOf(
    hypotheses,
    crashedMitigations,
    deploymentMitigations,
    connectionPoolMitigations,
    unreachableMitigations,
    externalServiceMitigations,
    serviceLoadMitigations,
    healthCheckMitigations,
  ),
});
