import {
  clockTime,
  connectionPoolMitigations,
  count,
  crashedMitigations,
  crashingHypothesis,
  defineDetector,
  deploymentHypotheses,
  deploymentMitigations,
  duration,
  type ErrorRateDeparture,
  errorBreakdown,
  errorRateAbove,
  externalServiceHypotheses,
  externalServiceMitigations,
  integer,
  lifecycleOptions,
  lockContentionMitigations,
  mitigationsOf,
  number,
  points,
  type Reading,
  type RuleSymptom,
  rateLimitHypotheses,
  rateLimitMitigations,
  rateText,
  requestsLostTo,
  type Sample,
  type Severity,
  serviceDatabaseHypotheses,
  serviceDatabaseUnreachableHypotheses,
  unevenHypotheses,
  unevenMitigations,
  unreachableMitigations,
  withTrackedErrors,
} from 'runbookd/sdk';

/** Share of 5xx that a service without a baseline is taken to have. */
const ASSUMED_RATE = 0.01;
const LIMITED = '429';

/** Two counts as one: samples of the base with what the other has at the same time, nothing where it has none. */
function summed(base: Reading, extra: Reading | undefined): Reading {
  const others = new Map((extra?.samples ?? []).map((sample) => [sample.at, sample]));
  const add = (sample: Sample): Sample => {
    const other = others.get(sample.at);
    if (other === undefined) return sample;
    const { band } = sample;
    const both = band.ready && other.band.ready;
    return {
      at: sample.at,
      value: sample.value + other.value,
      band: both
        ? {
            ...band,
            expected: band.expected + other.band.expected,
            lower: band.lower + other.band.lower,
            upper: band.upper + other.band.upper,
            mean: band.mean + other.band.mean,
            dispersion: Math.max(band.dispersion ?? 1, other.band.dispersion ?? 1),
          }
        : band,
    };
  };
  return { ...base, samples: base.samples.map(add) };
}

type Readings = (signal: string) => readonly Reading[];

/**
 * Errors of the load balancer belong to all services behind it, so they count as this one's only while something of its
 * own fails too: its targets, the connections to them, its tasks, or as many of its requests as the errors are.
 */
function hasOwnTrouble(readings: Readings, balancer: Reading, windowMs: number): boolean {
  const newest = (signal: string): Sample | undefined => readings(signal)[0]?.samples.at(-1);
  const sum = (signal: string): number => {
    const samples = readings(signal)[0]?.samples ?? [];
    const from = (samples.at(-1)?.at ?? 0) - windowMs;
    return samples.reduce((total, sample) => total + (sample.at > from ? sample.value : 0), 0);
  };
  const running = newest('running_tasks')?.value;
  const desired = newest('desired_tasks')?.value;
  return (
    newest('healthy_hosts')?.value === 0 ||
    sum('unhealthy_hosts') > 0 ||
    sum('connection_errors') > 0 ||
    sum('crashed_tasks') > 0 ||
    (running !== undefined && desired !== undefined && running < desired) ||
    requestsLostTo(balancer, readings('requests')[0])
  );
}

interface Limits {
  readonly criticalPercent: number;
  readonly criticalRatio: number;
  readonly criticalRatioPercent: number;
}

function severityOf(rate: number, baseline: number, limits: Limits): Severity {
  const critical =
    rate >= limits.criticalPercent / 100 ||
    (rate >= limits.criticalRatioPercent / 100 && rate >= baseline * limits.criticalRatio);
  return critical ? 'critical' : 'error';
}

const hypotheses = [
  ...withTrackedErrors(deploymentHypotheses()),
  ...externalServiceHypotheses(),
  ...serviceDatabaseHypotheses(),
  ...serviceDatabaseUnreachableHypotheses(),
  ...rateLimitHypotheses({ subject: LIMITED }),
  ...unevenHypotheses(),
  crashingHypothesis(),
];

interface Windows {
  readonly shortMs: number;
  readonly longMs: number;
}

const windowMs = (window: ErrorRateDeparture['window'], { shortMs, longMs }: Windows): number =>
  window === 'long' ? longMs : shortMs;

function windowText({ window, onset }: ErrorRateDeparture, windows: Windows): string {
  if (window === 'total-failure') return `since ${clockTime(onset.latest)}`;
  return `in the last ${duration(windowMs(window, windows) / 1000)}`;
}

export const detector = defineDetector({
  id: 'high-error-rate',
  title: 'High error rate',
  why: 'Users get errors instead of answers, and what they were doing is lost or done twice when they try again.',
  runbook: 'Symptom / High Error Rate',
  target: 'service',
  signals: {
    requests: { signal: 'requests', unit: 'count', required: true, description: 'requests that reached a target' },
    errors: { signal: 'errors', unit: 'count', required: true, description: '5xx answers of targets' },
    elbErrors: {
      signal: 'elb_errors',
      unit: 'count',
      required: false,
      description: '5xx answers of the load balancer itself, for all services behind it',
    },
    rateLimited: {
      signal: 'rate_limited',
      unit: 'count',
      required: false,
      description: 'requests that the service answered with 429',
    },
    endpoints: {
      signal: 'endpoint_requests',
      unit: 'count',
      required: false,
      description: 'requests by endpoint and status, for the breakdown',
    },
    zoneErrors: { signal: 'zone_errors', unit: 'count', required: false, description: '5xx answers by zone' },
    zoneRequests: { signal: 'zone_requests', unit: 'count', required: false, description: 'requests by zone' },
    healthyHosts: { signal: 'healthy_hosts', unit: 'count', required: false, description: 'healthy targets' },
    unhealthyHosts: { signal: 'unhealthy_hosts', unit: 'count', required: false, description: 'unhealthy targets' },
    connectionErrors: {
      signal: 'connection_errors',
      unit: 'count',
      required: false,
      description: 'connections to targets that failed',
    },
    crashedTasks: {
      signal: 'crashed_tasks',
      unit: 'count',
      required: false,
      description: 'tasks that stopped without anybody wanting it',
    },
    runningTasks: { signal: 'running_tasks', unit: 'count', required: false, description: 'tasks that run' },
    desiredTasks: { signal: 'desired_tasks', unit: 'count', required: false, description: 'tasks that are wanted' },
  },
  options: {
    ...lifecycleOptions({ pollSeconds: 60, holdSeconds: 0, clearPolls: 3, clearSeconds: 600 }),
    excessPoints: number(0.5, 'how far the error rate must be above its baseline', {
      unit: 'percentage points',
      minimum: 0,
      maximum: 100,
    }),
    shortSeconds: integer(300, 'the short window', { unit: 's', minimum: 10, maximum: 3600 }),
    longSeconds: integer(3600, 'the long window, which gathers errors where traffic is low', {
      unit: 's',
      minimum: 10,
      maximum: 3600,
    }),
    minimumErrors: integer(5, 'errors that there must be in the window', { unit: 'errors', minimum: 1 }),
    significance: number(1e-6, 'chance of so many errors at the baseline rate, below which it is no chance', {
      minimum: 1e-12,
      maximum: 0.05,
    }),
    criticalPercent: number(5, 'error rate from which it is critical', { unit: '%', minimum: 0, maximum: 100 }),
    criticalRatio: number(10, 'times the baseline from which it is critical …', { unit: '×', minimum: 1 }),
    criticalRatioPercent: number(2, '… when the error rate is also at least this', {
      unit: '%',
      minimum: 0,
      maximum: 100,
    }),
    elbErrors: {
      type: 'string',
      default: 'auto',
      choices: ['auto', 'always', 'never'],
      description:
        'whether 5xx of the load balancer itself count: auto while something of this service fails too, always where it is the only one behind it',
    },
  },
  rule({ options, readings, target, active }) {
    const [requests] = readings('requests');
    const [errors] = readings('errors');
    if (requests === undefined || errors === undefined) return { state: 'no_data', signals: ['requests', 'errors'] };
    const rule = {
      excess: options.excessPoints / 100,
      shortMs: options.shortSeconds * 1000,
      longMs: options.longSeconds * 1000,
      minimumErrors: options.minimumErrors,
      significance: options.significance,
    };
    const [balancer] = readings('elb_errors');
    const counts =
      balancer !== undefined &&
      (options.elbErrors === 'always' ||
        (options.elbErrors === 'auto' && hasOwnTrouble(readings, balancer, rule.shortMs)));
    const failed = counts ? summed(errors, balancer) : errors;
    const asked = counts ? summed(requests, balancer) : requests;
    const [limited] = readings('rate_limited');
    const symptoms: RuleSymptom[] = [];
    const unjudged: string[] = [];

    const serverErrors = errorRateAbove(failed, asked, { ...rule, assumed: ASSUMED_RATE }, active(''));
    if (serverErrors.state === 'not_ready') unjudged.push('');
    if (serverErrors.state === 'departed') {
      const found = serverErrors.departure;
      const from = found.window === 'total-failure' ? found.onset.earliest : found.at - windowMs(found.window, rule);
      const balancerErrors = counts
        ? balancer.samples.reduce(
            (sum, sample) => sum + (sample.at > from && sample.at <= found.at ? sample.value : 0),
            0,
          )
        : 0;
      const ofBalancer =
        balancerErrors > 0 ? `, ${count(balancerErrors)} of them by the load balancer before a target answered` : '';
      const worst = found.worstRate > found.rate * 1.2 ? `; at its worst ${rateText(found.worstRate)}` : '';
      symptoms.push({
        subject: '',
        severity: severityOf(found.rate, found.baseline, options),
        headline: `5xx ${rateText(found.rate)} (${found.assumed ? 'no baseline yet, assumed' : 'baseline'} ${rateText(found.baseline)})`,
        summary: `${rateText(found.rate)} of the requests of ${target.name} failed with 5xx ${windowText(found, rule)}: ${count(found.errors)} of ${count(found.requests)}${ofBalancer}. ${found.assumed ? 'There is no baseline yet; assumed is' : 'The baseline is'} ${rateText(found.baseline)}${worst}.`,
        onset: found.onset,
        readings: points([errors, requests, balancer]),
        breakdown: errorBreakdown(
          {
            endpoints: readings('endpoint_requests'),
            zoneErrors: readings('zone_errors'),
            zoneRequests: readings('zone_requests'),
          },
          found.onset,
        ),
      });
    }

    const turnedAway = limited === undefined ? null : errorRateAbove(limited, requests, rule, active(LIMITED));
    if (turnedAway === null ? active(LIMITED) : turnedAway.state === 'not_ready') unjudged.push(LIMITED);
    if (turnedAway?.state === 'departed') {
      const found = turnedAway.departure;
      symptoms.push({
        subject: LIMITED,
        severity: found.rate >= options.criticalPercent / 100 ? 'error' : 'warning',
        headline: `429 for ${rateText(found.rate)} of requests (baseline ${rateText(found.baseline)})`,
        summary: `${target.name} turned ${rateText(found.rate)} of its requests away with 429 ${windowText(found, rule)}: ${count(found.errors)} of ${count(found.requests)}. The baseline is ${rateText(found.baseline)}.`,
        onset: found.onset,
        readings: points([limited, requests]),
      });
    }

    if (serverErrors.state === 'not_ready' && symptoms.length === 0) {
      return { state: 'not_ready', signals: ['errors', 'requests'] };
    }
    const at = Math.max(requests.samples.at(-1)?.at ?? 0, errors.samples.at(-1)?.at ?? 0);
    return { state: 'judged', at, symptoms, unjudged };
  },
  hypotheses,
  mitigations: mitigationsOf(
    hypotheses,
    deploymentMitigations,
    externalServiceMitigations,
    connectionPoolMitigations,
    lockContentionMitigations,
    unreachableMitigations,
    rateLimitMitigations,
    unevenMitigations,
    crashedMitigations,
  ),
});
