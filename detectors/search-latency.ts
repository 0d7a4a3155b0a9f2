import {
  cacheMissStormHypotheses,
  defineDetector,
  engineOverloadedHypothesis,
  integer,
  latencyText,
  lifecycleOptions,
  memoryPressureHypothesis,
  milliseconds,
  mitigationsOf,
  number,
  percentileAbove,
  points,
  queryComplexityHypothesis,
  type Reading,
  type RuleSymptom,
  type Severity,
  searchMitigations,
  searchSurgeHypothesis,
  writesPendingHypothesis,
} from 'runbookd/sdk';

/** Subject of what users wait; that of the engine alone is ''. */
const P95 = 'p95';
/** From this ratio on it is an error, when it is also this long. */
const ERROR = { ratio: 3, seconds: 0.5 } as const;

/** Samples of means that are of enough searches. */
function ofEnough(latency: Reading, rate: Reading | undefined, minimum: number): Reading {
  if (rate === undefined) return latency;
  const rates = new Map(rate.samples.map((sample) => [sample.at, sample.value]));
  return { ...latency, samples: latency.samples.filter(({ at }) => (rates.get(at) ?? minimum) >= minimum) };
}

const severityOf = (seconds: number, baselineSeconds: number): Severity =>
  seconds >= ERROR.ratio * baselineSeconds && seconds >= ERROR.seconds ? 'error' : 'warning';

const hypotheses = [
  engineOverloadedHypothesis(),
  memoryPressureHypothesis(),
  writesPendingHypothesis(),
  ...cacheMissStormHypotheses(),
  queryComplexityHypothesis(),
  searchSurgeHypothesis(),
];

export const detector = defineDetector({
  id: 'search-latency',
  title: 'Search latency high',
  why: 'Search answers at every key that is typed; when it lags, users type on, give up, and the engine has more to do still.',
  runbook: 'Search Service / Search Latency High',
  target: 'search',
  signals: {
    engine: {
      signal: 'search_engine_latency_ms',
      unit: 'ms',
      required: false,
      description: 'mean time of a search in the engine, of 10 s',
    },
    rate: {
      signal: 'search_requests_per_second',
      unit: 'per_second',
      required: false,
      description: 'searches a second, so that a mean of hardly any is not judged',
    },
    p95: {
      signal: 'search_latency_p95',
      unit: 's',
      required: false,
      description: '95th percentile of what users wait for a search, bound by hand',
    },
    queries: {
      signal: 'search_queries',
      unit: 'count',
      required: false,
      description: 'searches of users, bound by hand',
    },
  },
  options: {
    ...lifecycleOptions({ pollSeconds: 30, holdSeconds: 0, clearPolls: 2, clearSeconds: 300 }),
    riseRatio: number(1.5, 'latency against its baseline, from which on it is a symptom', {
      unit: 'ratio',
      minimum: 1,
    }),
    floorMs: number(50, 'and this much more than the baseline', { unit: 'ms', minimum: 0 }),
    needPeriods: integer(3, 'periods above the limit, of the last `ofPeriods`', {
      unit: 'periods',
      minimum: 1,
      maximum: 60,
    }),
    ofPeriods: integer(5, 'periods that are looked at', { unit: 'periods', minimum: 1, maximum: 60 }),
    minimumRate: number(0.5, 'searches a second that a mean of the engine must be of', { unit: '1/s', minimum: 0 }),
    minimumSamples: integer(200, 'searches that a p95 is made of; fewer are no percentile', {
      unit: 'searches',
      minimum: 1,
    }),
  },
  rule({ options: o, readings, target, active }) {
    const plain = (signal: string): Reading | undefined =>
      readings(signal).find((one) => Object.keys(one.labels).length === 0);
    const engine = plain('search_engine_latency_ms');
    const rate = plain('search_requests_per_second');
    const p95 = plain('search_latency_p95');
    const queries = plain('search_queries');
    if (engine === undefined && p95 === undefined)
      return { state: 'no_data', signals: ['search_engine_latency_ms', 'search_latency_p95'] };
    const shape = {
      ratio: o.riseRatio,
      need: o.needPeriods,
      of: Math.max(o.needPeriods, o.ofPeriods),
      clearShare: 0.2,
    };
    const symptoms: RuleSymptom[] = [];
    const unjudged: string[] = [];
    let at = 0;

    const engineJudged =
      engine === undefined
        ? null
        : percentileAbove(
            ofEnough(engine, rate, o.minimumRate),
            undefined,
            // Of the reading's own unit: milliseconds.
            { ...shape, floorSeconds: o.floorMs, minimumSamples: 0 },
            active(''),
          );
    if (engineJudged === null || engineJudged.state === 'not_ready') unjudged.push('');
    else at = engineJudged.state === 'clear' ? engineJudged.at : engineJudged.departure.at;
    if (engineJudged?.state === 'departed') {
      const { value, baseline, onset } = engineJudged.departure;
      const text = `${milliseconds(value)} (baseline ${milliseconds(baseline)})`;
      symptoms.push({
        subject: '',
        severity: severityOf(value / 1000, baseline / 1000),
        headline: `search takes ${text}`,
        summary: `A search takes ${text} in the engine of ${target.name}, on the mean.`,
        onset,
        readings: points([engine, rate]),
      });
    }

    if (p95 !== undefined) {
      const rule = { ...shape, floorSeconds: o.floorMs / 1000, minimumSamples: o.minimumSamples };
      const judged = percentileAbove(p95, queries, rule, active(P95));
      if (judged.state === 'not_ready') unjudged.push(P95);
      else at = Math.max(at, judged.state === 'clear' ? judged.at : judged.departure.at);
      if (judged.state === 'departed') {
        const { value, baseline, onset } = judged.departure;
        const text = `${latencyText(value)} (baseline ${latencyText(baseline)})`;
        symptoms.push({
          subject: P95,
          severity: severityOf(value, baseline),
          headline: `search p95 ${text}`,
          summary: `p95 of searches in ${target.name} is ${text}.`,
          onset,
          readings: points([p95, engine, queries]),
        });
      }
    } else if (active(P95)) unjudged.push(P95);

    if (at === 0) return { state: 'not_ready', signals: ['search_engine_latency_ms', 'search_latency_p95'] };
    return { state: 'judged', at, symptoms, unjudged };
  },
  hypotheses,
  mitigations: mitigationsOf(hypotheses, searchMitigations),
});
