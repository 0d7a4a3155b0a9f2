import {
  aroundOnset,
  type Band,
  capacityHypotheses,
  capacityMitigations,
  count,
  crashedHypotheses,
  crashedMitigations,
  defineDetector,
  deploymentHypotheses,
  deploymentMitigations,
  duration,
  type EpochMs,
  externalServiceHypotheses,
  externalServiceMitigations,
  type Hypothesis,
  type Interval,
  integer,
  lifecycleOptions,
  mitigationsOf,
  neutral,
  number,
  opposes,
  plural,
  points,
  probe,
  type Reading,
  type RuleSymptom,
  requestsLostTo,
  type Sample,
  type Severity,
  serviceDatabaseUnreachableHypotheses,
  stuckDeploymentHypotheses,
  stuckDeploymentMitigations,
  times,
  trafficStoppedHypotheses,
  trafficStoppedMitigations,
  unreachableMitigations,
} from 'runbookd/sdk';

const DEPLOYMENT = 'deployment';
/** As far as SINCE looks back, so that it is asked once. */
const LOOKBACK_MS = 2 * 3_600_000;

/** One thing that speaks for an outage. */
interface Sign {
  /** In a few words, for the headline: `0 of 6 tasks run`. */
  readonly text: string;
  readonly onset: Interval;
  readonly reading: Reading;
  /** Whether it alone says that nothing serves. */
  readonly isDown: boolean;
  /** Order in the headline, the most telling first. */
  readonly rank: number;
}

/** The present run of samples that are bad: when it began, and how many they are. Null when the newest one is fine. */
function badRun(reading: Reading, isBad: (sample: Sample) => boolean): { onset: Interval; polls: number } | null {
  const { samples, periodMs } = reading;
  let start = samples.length;
  while (start > 0 && isBad(samples[start - 1]!)) start--;
  const first = samples[start];
  if (first === undefined) return null;
  const earliest = samples[start - 1]?.at ?? first.at - periodMs;
  return { onset: { earliest, latest: first.at }, polls: samples.length - start };
}

const newest = (reading: Reading | undefined): Sample | undefined => reading?.samples.at(-1);

/** The value that a series had at that time, or last before it. */
function valueAt(reading: Reading | undefined, at: EpochMs): number | undefined {
  return reading?.samples.findLast((sample) => sample.at <= at)?.value ?? reading?.samples[0]?.value;
}

interface Readings {
  readonly running: Reading | undefined;
  readonly desired: Reading | undefined;
  readonly healthy: Reading | undefined;
  readonly elb503: Reading | undefined;
  readonly requests: Reading | undefined;
  /** Also one that has no new samples any more: its band says what was due. */
  readonly lastRequests: Reading | undefined;
  readonly silent: Reading | undefined;
  readonly live: Reading | undefined;
  readonly ready: Reading | undefined;
}

function tasksSign({ running, desired }: Readings): Sign | null {
  if (running === undefined || desired === undefined) return null;
  const wanted = (at: EpochMs): number => valueAt(desired, at) ?? 0;
  const run = badRun(running, ({ at, value }) => wanted(at) > 0 && value < wanted(at) / 2);
  const last = newest(running);
  if (run === null || last === undefined) return null;
  const text = `${last.value} of ${plural(wanted(last.at), 'task')} ${last.value === 1 ? 'runs' : 'run'}`;
  return { text, onset: run.onset, reading: running, isDown: last.value === 0, rank: 1 };
}

function targetsSign({ healthy }: Readings): Sign | null {
  const run = healthy === undefined ? null : badRun(healthy, (sample) => sample.value === 0);
  if (healthy === undefined || run === null) return null;
  return { text: 'no healthy target', onset: run.onset, reading: healthy, isDown: true, rank: 2 };
}

/** Below this part of the expected requests, hardly any comes through. */
const HARDLY_ANY = 0.2;

/** 503 are of the whole load balancer: only while as many of this service's own requests are missing are they its own. */
function balancerSign({ elb503, requests, lastRequests }: Readings, minimum: number): Sign | null {
  if (elb503 === undefined) return null;
  const run = badRun(elb503, ({ value, band }) => value > 0 && (!band.ready || value > band.upper));
  const since = run === null ? [] : elb503.samples.filter((sample) => sample.at >= run.onset.latest);
  const all = since.reduce((sum, sample) => sum + sample.value, 0);
  if (run === null || all < minimum) return null;
  const last = newest(requests);
  const band = newest(lastRequests)?.band;
  if (band?.ready !== true || band.expected <= 0) return null;
  // Where requests are not shown any more beside 503 that are, none reached a target.
  const value = last !== undefined && last.at >= run.onset.latest ? last.value : requests === undefined ? 0 : null;
  if (value === null || value >= band.lower || !requestsLostTo(elb503, lastRequests)) return null;
  const part = value / band.expected;
  return {
    text: `${count(all)} × 503 of the load balancer, requests ${times(part)} the expected`,
    onset: run.onset,
    reading: elb503,
    isDown: part < HARDLY_ANY,
    rank: 4,
  };
}

function healthSign(name: 'live' | 'ready', reading: Reading | undefined, polls: number): Sign | null {
  const run = reading === undefined ? null : badRun(reading, (sample) => sample.value < 0.5);
  if (reading === undefined || run === null || run.polls < polls) return null;
  const what = name === 'live' ? 'the health endpoint fails' : 'the readiness endpoint fails';
  return { text: what, onset: run.onset, reading, isDown: false, rank: name === 'live' ? 3 : 5 };
}

/** ln 1e6: with more requests due than this, that none comes has a chance of less than one in a million (Poisson). */
const DUE = 13.8;

/** How finely what was due is added up over a silence: a band has a slope, and steps of five minutes. */
const DUE_STEP_MS = 15 * 60_000;
/** Of a longer silence its first day decides. */
const DUE_SPAN_MS = 24 * 3_600_000;

type Expected = (signal: string, at: EpochMs) => Band;

/**
 * Requests that were due in a period, at least: null where that was not learned. From below, by both things that are known.
 *
 * The count: its level less three times what sets one day apart from another (the spread of the band without the chance
 * of one period, which is level out over many), in clusters rather than requests where they come so. It is learned of
 * periods with requests only, so it knows no quiet night.
 *
 * The silence: with a chance p of a request in a period, the last one was (1 − p) / p periods ago on average, so that a
 * period is without with a chance of 1 − p = g / (g + 1), g being the usual silence in periods; as a rate −ln of that.
 * The mean of it, of all comparable days, follows the quietest of them.
 */
function dueAt(expected: Expected, at: EpochMs, periodMs: number): number | null {
  const count = expected('requests', at);
  if (!count.ready) return null;
  const dispersion = count.dispersion ?? 1;
  const chance = count.mean * dispersion;
  const daily = Math.sqrt(Math.max(0, ((count.upper - count.expected) / 3) ** 2 - chance));
  const counted = Math.max(0, Math.min(count.expected, count.mean) - 3 * daily) / Math.max(1, dispersion);
  const usual = expected('requests_silent_seconds', at);
  const gap = usual.ready ? (Math.max(0, usual.expected, usual.mean) * 1000) / periodMs : 0;
  return gap === 0 ? counted : Math.min(counted, Math.log1p(1 / gap));
}

/** Requests that were due from then on for so long; no further than it takes to know that they are enough. */
function dueIn(expected: Expected, from: EpochMs, spanMs: number, periodMs: number): number | null {
  const to = from + Math.min(spanMs, DUE_SPAN_MS);
  let due: number | null = null;
  for (let at = from; at < to && (due ?? 0) <= DUE; at += DUE_STEP_MS) {
    const part = Math.min(DUE_STEP_MS, to - at);
    const rate = dueAt(expected, at + part / 2, periodMs);
    if (rate !== null) due = (due ?? 0) + (rate * part) / periodMs;
  }
  return due;
}

interface SilenceLimits {
  readonly seconds: number;
  readonly aloneSeconds: number;
  /** Whether something else says the same, now or when the finding was opened. */
  readonly isConfirmed: boolean;
}

/** `unjudged`: silent for long enough, and nobody knows what was due. */
function silenceSign({ silent }: Readings, limits: SilenceLimits, expected: Expected): Sign | 'unjudged' | null {
  const last = newest(silent);
  if (silent === undefined || last === undefined) return null;
  const { seconds, aloneSeconds, isConfirmed } = limits;
  if (last.value < (isConfirmed ? seconds : Math.max(seconds, aloneSeconds))) return null;
  // The end of the last period with a request: the last one came in it.
  const latest = last.at - last.value * 1000;
  // Over all of the silence: it does not become usual because a night comes on, or because it lasts.
  const due = dueIn(expected, latest, last.value * 1000, silent.periodMs);
  if (due === null) return 'unjudged';
  if (due <= DUE) return null;
  return {
    text: `no traffic for ${duration(last.value)}`,
    onset: { earliest: latest - silent.periodMs, latest },
    reading: silent,
    isDown: true,
    rank: 0,
  };
}

const earliest = (signs: readonly Sign[]): Interval =>
  signs.reduce((first, sign) => (sign.onset.latest < first.latest ? sign.onset : first), signs[0]!.onset);

/** Whether anything says that requests are still answered. */
function isServing({ requests, healthy, running }: Readings): boolean {
  const last = newest(requests);
  const answered =
    last !== undefined && last.value > 0 && (!last.band.ready || last.value >= last.band.expected * HARDLY_ANY);
  const targets = newest(healthy)?.value;
  return answered || (targets === undefined ? (newest(running)?.value ?? 0) > 0 : targets > 0);
}

/** A deployment that is stuck is recent by itself: that explains nothing of it. */
function notOfItself(hypothesis: Hypothesis): Hypothesis {
  const itself = probe<'changes'>({
    id: 'itself',
    factor: 'itself',
    title: 'whether the symptom is the deployment itself',
    ask: (_symptom, facts) => ({
      kind: 'changes',
      target: facts.target.name,
      window: aroundOnset(facts, LOOKBACK_MS),
      params: {},
    }),
    judge: (_value, symptom) =>
      symptom.subject === DEPLOYMENT
        ? opposes(6, 'the deployment itself is the symptom', { headline: 'is itself what is stuck' })
        : neutral('the symptom is not the deployment itself'),
  });
  return { ...hypothesis, probes: [...hypothesis.probes, itself] };
}

const hypotheses = [
  ...crashedHypotheses(),
  ...deploymentHypotheses({ prior: 0.2 }).map(notOfItself),
  ...stuckDeploymentHypotheses({ subject: DEPLOYMENT }),
  ...capacityHypotheses(),
  ...serviceDatabaseUnreachableHypotheses(),
  ...externalServiceHypotheses({ prior: 0.06, readiness: true }),
  ...trafficStoppedHypotheses(),
];

export const detector = defineDetector({
  id: 'service-unavailable',
  title: 'Service unavailable',
  why: 'Nobody is served. Metrics of a service that is gone are silent rather than bad, so that silence itself has to be read.',
  runbook: 'Symptom / Service Unavailable',
  target: 'service',
  signals: {
    running: { signal: 'running_tasks', unit: 'count', required: false, description: 'tasks that run' },
    desired: { signal: 'desired_tasks', unit: 'count', required: false, description: 'tasks that are wanted' },
    healthy: {
      signal: 'healthy_hosts',
      unit: 'count',
      required: false,
      description: 'targets that the load balancer holds for healthy',
    },
    elb503: {
      signal: 'elb_503',
      unit: 'count',
      required: false,
      description: '503 of the load balancer: no healthy target',
    },
    requests: { signal: 'requests', unit: 'count', required: false, description: 'requests that reached a target' },
    silent: {
      signal: 'requests_silent_seconds',
      unit: 's',
      required: false,
      description: 'how long CloudWatch has had no request to show, asked and answered in full',
    },
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
    deploymentAge: {
      signal: 'deployment_seconds',
      unit: 's',
      required: false,
      description: 'age of the deployment that is in progress; 0 when none is',
    },
    deploymentFailed: {
      signal: 'deployment_failed_tasks',
      unit: 'count',
      required: false,
      description: 'tasks of that deployment that failed',
    },
  },
  options: {
    ...lifecycleOptions({ pollSeconds: 60, holdSeconds: 60, clearPolls: 2, clearSeconds: 120 }),
    healthPolls: integer(3, 'failed polls of a health endpoint in a row before it is a symptom', {
      unit: 'polls',
      minimum: 1,
      maximum: 100,
    }),
    minimum503: integer(5, '503 of the load balancer that there must be', { unit: 'answers', minimum: 1 }),
    silentSeconds: number(300, 'silence from which it is a symptom, when something else confirms it', {
      unit: 's',
      minimum: 60,
    }),
    silentAloneSeconds: number(600, 'silence from which it is a symptom by itself', { unit: 's', minimum: 60 }),
    stuckSeconds: number(1800, 'how long a deployment may take', { unit: 's', minimum: 60 }),
    stuckFailedTasks: integer(3, 'failed tasks of a deployment from which it is stuck', { unit: 'tasks', minimum: 1 }),
  },
  rule({ options, readings, target, active, expected }) {
    const one = (signal: string, all = false): Reading | undefined => readings(signal, all)[0];
    const seen: Readings = {
      running: one('running_tasks'),
      desired: one('desired_tasks'),
      healthy: one('healthy_hosts'),
      elb503: one('elb_503'),
      requests: one('requests'),
      lastRequests: one('requests', true),
      silent: one('requests_silent_seconds'),
      live: one('health_live'),
      ready: one('health_ready'),
    };
    const deployment = { age: one('deployment_seconds'), failed: one('deployment_failed_tasks') };
    // Requests and 503 alone say nothing of an outage that leaves no metrics.
    const telling = [seen.running, seen.healthy, seen.silent, seen.live, seen.ready, deployment.age, seen.elb503];
    const current = [...telling, seen.requests].flatMap((reading) => newest(reading)?.at ?? []);
    if (telling.every((reading) => newest(reading) === undefined)) {
      return {
        state: 'no_data',
        signals: ['running_tasks', 'healthy_hosts', 'requests_silent_seconds', 'health_live'],
      };
    }
    const at = Math.max(...current);
    const isWanted = (newest(seen.desired)?.value ?? 1) > 0;
    const signs: Sign[] = [
      isWanted ? tasksSign(seen) : null,
      isWanted ? targetsSign(seen) : null,
      balancerSign(seen, options.minimum503),
      healthSign('live', seen.live, isWanted ? options.healthPolls : Number.POSITIVE_INFINITY),
      healthSign('ready', seen.ready, isWanted ? options.healthPolls : Number.POSITIVE_INFINITY),
    ].filter((sign) => sign !== null);
    const limits: SilenceLimits = {
      seconds: options.silentSeconds,
      aloneSeconds: options.silentAloneSeconds,
      isConfirmed: signs.length > 0 || active(''),
    };
    const labels = seen.lastRequests?.labels ?? {};
    const silence = isWanted
      ? silenceSign(seen, limits, (signal, at) => expected(signal, signal === 'requests' ? labels : {}, at))
      : null;
    if (silence !== null && silence !== 'unjudged') signs.push(silence);
    signs.sort((a, b) => a.rank - b.rank);

    const symptoms: RuleSymptom[] = [];
    const isDown = signs.some((sign) => sign.isDown);
    const serves = isServing(seen);
    if (signs.length > 0) {
      const severity: Severity = isDown || !serves ? 'critical' : 'error';
      const texts = signs.map((sign) => sign.text);
      symptoms.push({
        subject: '',
        severity,
        headline: texts.slice(0, 2).join(' and '),
        summary: `${target.name} ${severity === 'critical' ? 'is not available' : 'is not fully available'}: ${texts.join('; ')}.`,
        onset: earliest(signs),
        readings: points([...signs.map((sign) => sign.reading), seen.desired, seen.requests]),
      });
    }
    const stuck = stuckSymptom(
      deployment,
      options,
      !(isDown || (signs.length > 0 && !serves)),
      target.name,
      active(DEPLOYMENT),
    );
    if (stuck !== null) symptoms.push(stuck);

    // What was seen bad is not well because it is not seen any more.
    const lost = (signals: readonly string[]): boolean =>
      signals.some((signal) => one(signal) === undefined && one(signal, true) !== undefined);
    const isLost =
      lost(['running_tasks', 'healthy_hosts', 'health_live', 'health_ready']) ||
      silence === 'unjudged' ||
      (seen.requests === undefined && lost(['requests_silent_seconds']));
    const unjudged = [
      ...(active('') && signs.length === 0 && isLost ? [''] : []),
      ...(active(DEPLOYMENT) && stuck === null && lost(['deployment_seconds']) ? [DEPLOYMENT] : []),
    ];
    return { state: 'judged', at, symptoms, unjudged };
  },
  hypotheses,
  mitigations: mitigationsOf(
    hypotheses,
    crashedMitigations,
    deploymentMitigations,
    stuckDeploymentMitigations,
    capacityMitigations,
    unreachableMitigations,
    externalServiceMitigations,
    trafficStoppedMitigations,
  ),
});

/** ECS waits up to so long between two tries of tasks that do not start (developer guide, service throttle logic). */
const MOST_BACK_OFF_MS = 27 * 60_000;

interface DeploymentReadings {
  readonly age: Reading | undefined;
  readonly failed: Reading | undefined;
}

function stuckSymptom(
  { age, failed }: DeploymentReadings,
  options: { readonly stuckSeconds: number; readonly stuckFailedTasks: number },
  serves: boolean,
  name: string,
  isKnown: boolean,
): RuleSymptom | null {
  const last = newest(age);
  if (age === undefined || last === undefined || last.value <= 0) return null;
  const failures = newest(failed)?.value ?? 0;
  const since = last.at - last.value * 1000;
  // Failures that have stopped coming are of a deployment that has found its way; one that is known to fail tries again
  // ever more slowly, and is not well between two tries.
  const quietMs = isKnown ? MOST_BACK_OFF_MS : 600_000;
  const before = failed?.samples.findLast((sample) => sample.at <= last.at - quietMs && sample.at >= since);
  const isRising = failures >= options.stuckFailedTasks && failures > (before?.value ?? 0);
  const isLate = last.value >= options.stuckSeconds;
  if (!isLate && !isRising) return null;
  const tasks = failures === 0 ? '' : `, ${plural(failures, 'task')} failed`;
  return {
    subject: DEPLOYMENT,
    severity: serves ? 'warning' : 'error',
    headline: `deployment in progress for ${duration(last.value)}${tasks}`,
    summary: `A deployment of ${name} has been in progress for ${duration(last.value)}${tasks}${serves ? '; the tasks of before still serve' : ''}.`,
    onset: { earliest: since - age.periodMs, latest: since },
    readings: points([age, failed]),
  };
}
