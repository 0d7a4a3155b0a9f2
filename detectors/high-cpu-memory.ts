import {
  beyond,
  cpuThrottled,
  crashedMitigations,
  type Departure,
  defineDetector,
  deploymentHypotheses,
  deploymentMitigations,
  forecastText,
  type Hypothesis,
  hotTask,
  integer,
  killedForMemory,
  latencyText,
  lessEfficientCode,
  lifecycleOptions,
  memoryGrowth,
  memoryLeak,
  mitigationsOf,
  number,
  percent,
  points,
  type Reading,
  type RuleSymptom,
  type Sample,
  type Severity,
  secondsToLimit,
  serviceLoadMitigations,
  trafficSurge,
  withLoadDoubts,
} from 'runbookd/sdk';

const options = {
  ...lifecycleOptions({ pollSeconds: 60, holdSeconds: 0, clearPolls: 2, clearSeconds: 600 }),
  limitPercent: number(80, 'share of what is reserved above which CPU or memory is high', {
    unit: '%',
    minimum: 1,
    maximum: 100,
  }),
  clearPercent: number(75, 'share below which it clears', { unit: '%', minimum: 0, maximum: 100 }),
  taskPercent: number(95, 'share above which a single task is high, whatever the mean', {
    unit: '%',
    minimum: 1,
    maximum: 100,
  }),
  urgentPercent: number(95, 'share from which it is more than a finding that explains others', {
    unit: '%',
    minimum: 1,
    maximum: 100,
  }),
  needPeriods: integer(3, 'periods above the limit, of the last `ofPeriods`', {
    unit: 'periods',
    minimum: 1,
    maximum: 60,
  }),
  ofPeriods: integer(5, 'periods that are looked at', { unit: 'periods', minimum: 1, maximum: 60 }),
  forecastHours: number(2, 'memory that is full within this time at its steady pace is a warning', {
    unit: 'h',
    minimum: 0,
    maximum: 24,
  }),
  forecastErrorMinutes: number(30, 'and within this time an error', { unit: 'min', minimum: 0, maximum: 1440 }),
};

type Options = { readonly [K in keyof typeof options]: (typeof options)[K]['default'] };

const RESOURCES = [
  { subject: 'cpu', name: 'CPU', mean: 'cpu', max: 'cpu_max' },
  { subject: 'memory', name: 'memory', mean: 'memory', max: 'memory_max' },
] as const;

interface Resource {
  readonly subject: string;
  readonly name: string;
  readonly mean: Reading | undefined;
  readonly max: Reading | undefined;
}

/** Within its band: the service always runs like this, and nothing has become of it so far. */
function isAsEver({ value, band }: Sample): boolean {
  return band.ready && value <= band.upper;
}

/** Above its band in two of the last three samples, the newest among them, by as much as a rule of its own would ask for. */
function isWorse(reading: Reading | undefined, ratio: number, floor: number): boolean {
  const last = (reading?.samples ?? []).slice(-3).map(({ value, band }) => {
    return band.ready && value > band.upper && value >= ratio * band.expected && value - band.expected >= floor;
  });
  return last.at(-1) === true && last.filter(Boolean).length >= 2;
}

/** What was borne for so long without harm does not do harm now by itself. */
const BORNE_MS = 15 * 60_000;

/** When the present run above the band began; a single sample back within it does not end a run. */
function worseSince({ samples }: Reading): number {
  const isOver = (index: number): boolean => {
    const sample = samples[index];
    return sample?.band.ready === true && sample.value > sample.band.upper;
  };
  let start = samples.length - 1;
  for (let index = start; isOver(index) || isOver(index - 1); index--) if (isOver(index)) start = index;
  return samples[start]?.at ?? Number.POSITIVE_INFINITY;
}

interface Harm {
  readonly text: string;
  readonly since: number;
}

/** What users feel, in words, and since when. */
function harmsOf(
  p95: Reading | undefined,
  errors: Reading | undefined,
  requests: Reading | undefined,
): readonly Harm[] {
  const found: Harm[] = [];
  const slow = p95?.samples.at(-1);
  if (p95 !== undefined && slow !== undefined && isWorse(p95, 1.25, 0.025))
    found.push({
      since: worseSince(p95),
      text: `p95 is ${latencyText(slow.value)} (baseline ${latencyText(slow.band.expected)})`,
    });
  const failed = errors?.samples.at(-1)?.value ?? 0;
  const all = requests?.samples.at(-1)?.value ?? 0;
  // Half a point of all requests, as the rule for errors has it.
  if (errors !== undefined && isWorse(errors, 1.5, Math.max(5, 0.005 * all)) && all > 0)
    found.push({ since: worseSince(errors), text: `${percent(failed / all)} of requests fail` });
  return found;
}

function judgeResource(resource: Resource, o: Options, active: boolean, context: Context): RuleSymptom | null {
  const { subject, name, mean, max } = resource;
  const { target } = context;
  const many = { need: o.needPeriods, of: Math.max(o.needPeriods, o.ofPeriods) };
  const over = (reading: Reading | undefined, limit: number, clear: number): Departure | null =>
    reading === undefined ? null : beyond(reading, { limit: limit / 100, clear: clear / 100, ...many }, active);
  const all = over(mean, o.limitPercent, o.clearPercent);
  const one = all === null ? over(max, o.taskPercent, o.taskPercent - (o.limitPercent - o.clearPercent)) : null;
  const departure = all ?? one;
  if (departure === null) return null;
  const { latest, onset } = departure;
  const harm = context.harms
    .filter(({ since }) => since <= onset.latest + BORNE_MS)
    .map(({ text }) => text)
    .join(', ');
  const beside = (one === null ? max : mean)?.samples.at(-1);
  const left = subject === 'memory' ? secondsToLimit(memoryGrowth(mean?.samples ?? []), latest.value) : null;
  const soon = left !== null && left <= o.forecastHours * 3600 ? left : null;
  const urgent = all !== null && latest.value >= o.urgentPercent / 100 && !isAsEver(latest);
  const now = percent(latest.value);
  const usual = latest.band.ready ? `baseline ${percent(latest.band.expected)}` : `limit ${o.limitPercent} %`;
  const texts =
    one === null
      ? {
          headline: `${name} ${now} (${usual})${soon === null ? '' : `, full in ${forecastText(soon)}`}`,
          summary: `${capital(name)} of ${target} is at ${now} of what is reserved (${usual})${beside === undefined ? '' : `, of the busiest task ${percent(beside.value)}`}.${soon === null ? '' : ` At its steady pace it is full in ${forecastText(soon)}.`}`,
        }
      : {
          headline: `${name} of one task ${now}${beside === undefined ? '' : `, mean ${percent(beside.value)}`}`,
          summary: `One task of ${target} is at ${now} of the ${name} that it reserves${beside === undefined ? '' : `, the mean of all at ${percent(beside.value)}`}.`,
        };
  return {
    subject,
    severity: severityOf({ subject, harmed: harm !== '', urgent, soon }, o),
    headline: texts.headline,
    summary: harm === '' ? texts.summary : `${texts.summary} Beside it ${harm}.`,
    onset,
    readings: points([...(one === null ? [mean, max] : [max, mean]), ...context.beside]),
  };
}

const capital = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}`;

interface Context {
  readonly target: string;
  readonly harms: readonly Harm[];
  readonly beside: readonly (Reading | undefined)[];
}

interface Weight {
  readonly subject: string;
  readonly harmed: boolean;
  readonly urgent: boolean;
  /** Seconds until it is full, where that is soon. */
  readonly soon: number | null;
}

/** A high figure alone harms nobody: `info` explains, and never opens an incident. */
function severityOf({ subject, harmed, urgent, soon }: Weight, o: Options): Severity {
  if (urgent && (subject === 'memory' || harmed)) return 'error';
  if (soon !== null && soon <= o.forecastErrorMinutes * 60) return 'error';
  return urgent || soon !== null || harmed ? 'warning' : 'info';
}

const hypotheses: readonly Hypothesis[] = [
  killedForMemory(),
  trafficSurge(0.15),
  lessEfficientCode(['rollback']),
  hotTask(),
  memoryLeak(),
  cpuThrottled(),
  ...withLoadDoubts(deploymentHypotheses({ prior: 0.15 }), { cost: true }),
];

export const detector = defineDetector({
  id: 'high-cpu-memory',
  title: 'High CPU or memory usage',
  why: 'A service without CPU answers late, one without memory is killed; both come with the next rush of visitors.',
  runbook: 'Symptom / High Latency → 4. High CPU/Memory Usage; Performance Profiling',
  target: 'service',
  signals: {
    cpu: { signal: 'cpu', unit: 'ratio', required: false, description: 'CPU of what is reserved, mean of the tasks' },
    cpuMax: { signal: 'cpu_max', unit: 'ratio', required: false, description: 'the same of the busiest task' },
    memory: { signal: 'memory', unit: 'ratio', required: false, description: 'memory of what is reserved, mean' },
    memoryMax: { signal: 'memory_max', unit: 'ratio', required: false, description: 'the same of the fullest task' },
    latency: { signal: 'latency_p95', unit: 's', required: false, description: 'whether anybody feels it' },
    errors: { signal: 'errors', unit: 'count', required: false, description: 'whether requests fail of it' },
    requests: { signal: 'requests', unit: 'count', required: false, description: 'of how many' },
  },
  options,
  rule({ options: o, readings, target, active }) {
    const plain = (signal: string): Reading | undefined =>
      readings(signal).find((one) => Object.keys(one.labels).length === 0);
    const [p95, errors, requests] = ['latency_p95', 'errors', 'requests'].map(plain);
    const context: Context = {
      target: target.name,
      harms: harmsOf(p95, errors, requests),
      beside: [requests, p95, errors],
    };
    const symptoms: RuleSymptom[] = [];
    const unjudged: string[] = [];
    const times: number[] = [];
    for (const { subject, name, mean, max } of RESOURCES) {
      const resource: Resource = { subject, name, mean: plain(mean), max: plain(max) };
      const newest = [resource.mean, resource.max].flatMap((one) => one?.samples.at(-1)?.at ?? []);
      if (newest.length === 0) {
        unjudged.push(subject);
        continue;
      }
      times.push(...newest);
      const symptom = judgeResource(resource, o, active(subject), context);
      if (symptom !== null) symptoms.push(symptom);
    }
    if (times.length === 0) return { state: 'no_data', signals: ['cpu', 'memory'] };
    return { state: 'judged', at: Math.max(...times), symptoms, unjudged };
  },
  hypotheses,
  mitigations: mitigationsOf(hypotheses, crashedMitigations, deploymentMitigations, serviceLoadMitigations),
});
