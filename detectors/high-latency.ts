import {
  coldCapacityHypotheses,
  coldCapacityMitigations,
  connectionPoolHypotheses,
  connectionPoolMitigations,
  crashedMitigations,
  crashingHypothesis,
  databaseSaturatedHypotheses,
  databaseSaturatedMitigations,
  defineDetector,
  deploymentHypotheses,
  deploymentMitigations,
  externalServiceMitigations,
  externalSlowHypotheses,
  type Hypothesis,
  hotTask,
  integer,
  latencyText,
  lessEfficientCode,
  lifecycleOptions,
  lockContentionHypotheses,
  lockContentionMitigations,
  memoryLeak,
  mitigationsOf,
  nPlusOneHypotheses,
  nPlusOneMitigations,
  number,
  percentileAbove,
  plural,
  points,
  type Reading,
  type Severity,
  safeName,
  serviceLoadMitigations,
  serviceSaturatedHypotheses,
  slowQueryHypotheses,
  slowQueryMitigations,
  trafficSurge,
  unevenHypotheses,
  unevenMitigations,
  withLoadDoubts,
  withRequestTime,
  withServiceEvidence,
} from 'runbookd/sdk';

/** From this ratio on it is critical, when it is also this long. */
const CRITICAL = { ratio: 3, seconds: 1 } as const;
/** Below this ratio it is a warning. */
const WARNING_RATIO = 1.5;

/** A reading's newest value beside what is expected of it; null without a ready band. */
function standing(reading: Reading | undefined) {
  const newest = reading?.samples.at(-1);
  if (newest === undefined || !newest.band.ready || newest.band.expected <= 0) return null;
  const { expected, upper } = newest.band;
  return { value: newest.value, expected, added: newest.value - expected, up: newest.value / expected, upper };
}

type Standing = NonNullable<ReturnType<typeof standing>>;

const figures = ({ value, expected }: Standing): string => `${latencyText(value)} (baseline ${latencyText(expected)})`;

/** Whether all requests are slow or a part of them: what tells a shared resource from one endpoint, task or vendor. */
function medianText(p50: Reading | undefined): string {
  const found = standing(p50);
  if (found === null) return '';
  if (found.up <= 1.15) return `; p50 ${latencyText(found.value)} as before: a part of the requests is slow`;
  const all = found.up >= 1.25 ? ': all requests are slower' : '';
  return `; p50 ${figures(found)}${all}`;
}

/** Which of an endpoint or a host is slow, worst first; null when none is, or when there is only one. */
function slowOnes(what: string, label: string, readings: readonly Reading[], floorSeconds: number): string | null {
  const known = readings.flatMap((one) => {
    const found = standing(one);
    return found === null ? [] : [{ ...found, name: safeName(one.labels[label] ?? '', 60) }];
  });
  const slow = known
    .filter((one) => one.up >= 1.25 && one.value > one.upper && one.added >= floorSeconds)
    .sort((a, b) => b.added - a.added);
  if (slow.length === 0 || known.length < 2) return null;
  const named = slow.slice(0, 3).map((one) => `${one.name} ${figures(one)}`);
  const rest = known.length - slow.length;
  const others =
    rest === 0 ? `all ${plural(known.length, what)} are slower` : `${rest} of ${plural(known.length, what)} as before`;
  return `p95 by ${what}: ${named.join(', ')}; ${others}`;
}

const hypotheses: readonly Hypothesis[] = [
  ...withLoadDoubts(deploymentHypotheses({ prior: 0.2 })),
  ...withRequestTime(
    withServiceEvidence([
      ...slowQueryHypotheses('database'),
      ...nPlusOneHypotheses('database'),
      ...databaseSaturatedHypotheses('database'),
      ...lockContentionHypotheses({ on: 'database', priorScale: 0.5, minimumShare: 0.1 }),
      ...connectionPoolHypotheses({ on: 'database', priorScale: 0.4, elsewhere: true }),
    ]),
  ),
  ...externalSlowHypotheses(),
  trafficSurge(),
  ...serviceSaturatedHypotheses(),
  lessEfficientCode(['rollback'], { elsewhere: true }),
  crashingHypothesis(),
  hotTask({ elsewhere: true }),
  memoryLeak(0.07),
  ...coldCapacityHypotheses(),
  ...unevenHypotheses({ variants: ['bad-zone'], prior: 0.1 }),
];

export const detector = defineDetector({
  id: 'high-latency',
  title: 'High latency',
  why: 'Users wait, give up or try again; what waits holds connections and memory, and slow becomes down.',
  runbook: 'Symptom / High Latency',
  target: 'service',
  signals: {
    p95: { signal: 'latency_p95', unit: 's', required: true, description: '95th percentile of the time of an answer' },
    p50: { signal: 'latency_p50', unit: 's', required: false, description: 'median: whether all or a part is slow' },
    p99: { signal: 'latency_p99', unit: 's', required: false, description: '99th percentile, for comparison' },
    requests: {
      signal: 'requests',
      unit: 'count',
      required: false,
      description: 'requests: fewer than a p95 needs are not judged',
    },
    endpoints: {
      signal: 'endpoint_latency_p95',
      unit: 's',
      required: false,
      description: 'the same by endpoint, for the page',
    },
    hosts: {
      signal: 'dependency_latency_p95',
      unit: 's',
      required: false,
      description: 'the same of requests to others by host, for the page',
    },
  },
  options: {
    ...lifecycleOptions({ pollSeconds: 60, holdSeconds: 0, clearPolls: 2, clearSeconds: 600 }),
    riseRatio: number(1.25, 'p95 against its baseline, from which on it is a symptom', { unit: 'ratio', minimum: 1 }),
    floorMs: number(25, 'and this much more than the baseline', { unit: 'ms', minimum: 0 }),
    needPeriods: integer(3, 'periods above the limit, of the last `ofPeriods`', {
      unit: 'periods',
      minimum: 1,
      maximum: 60,
    }),
    ofPeriods: integer(5, 'periods that are looked at', { unit: 'periods', minimum: 1, maximum: 60 }),
    minimumSamples: integer(200, 'requests that a p95 is made of; fewer are no percentile', {
      unit: 'requests',
      minimum: 1,
    }),
  },
  rule({ options: o, readings, target, active }) {
    const plain = (signal: string): Reading | undefined =>
      readings(signal).find((one) => Object.keys(one.labels).length === 0);
    const [p95, p50, p99, requests] = ['latency_p95', 'latency_p50', 'latency_p99', 'requests'].map(plain);
    if (p95 === undefined) return { state: 'no_data', signals: ['latency_p95'] };
    const rule = {
      ratio: o.riseRatio,
      floorSeconds: o.floorMs / 1000,
      need: o.needPeriods,
      of: Math.max(o.needPeriods, o.ofPeriods),
      minimumSamples: o.minimumSamples,
      clearShare: 0.2,
    };
    const judged = percentileAbove(p95, requests, rule, active(''));
    if (judged.state === 'not_ready') return { state: 'not_ready', signals: ['latency_p95'] };
    if (judged.state === 'clear') return { state: 'judged', at: judged.at, symptoms: [] };
    const { at, value, baseline, onset } = judged.departure;
    const critical = value >= CRITICAL.ratio * baseline && value >= CRITICAL.seconds;
    const severity: Severity = critical ? 'critical' : value < WARNING_RATIO * baseline ? 'warning' : 'error';
    const slow99 = standing(p99);
    const breakdown = [
      slowOnes('endpoint', 'endpoint', readings('endpoint_latency_p95'), rule.floorSeconds),
      slowOnes('host', 'host', readings('dependency_latency_p95'), rule.floorSeconds),
      slow99 === null || slow99.up < o.riseRatio ? null : `p99 ${figures(slow99)}`,
    ].filter((line) => line !== null);
    const text = `${latencyText(value)} (baseline ${latencyText(baseline)})`;
    return {
      state: 'judged',
      at,
      symptoms: [
        {
          subject: '',
          severity,
          headline: `p95 ${text}`,
          summary: `p95 of ${target.name} is ${text}${medianText(p50)}.`,
          onset,
          readings: points([p95, p50, p99, requests]),
          ...(breakdown.length === 0 ? {} : { breakdown }),
        },
      ],
    };
  },
  hypotheses,
  mitigations: mitigationsOf(
    hypotheses,
    deploymentMitigations,
    slowQueryMitigations,
    nPlusOneMitigations,
    databaseSaturatedMitigations,
    lockContentionMitigations,
    connectionPoolMitigations,
    externalServiceMitigations,
    unevenMitigations,
    serviceLoadMitigations,
    coldCapacityMitigations,
    crashedMitigations,
  ),
});
