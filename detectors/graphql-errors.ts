import {
  connectionPoolMitigations,
  count,
  countedBeside,
  defineDetector,
  deploymentHypotheses,
  deploymentMitigations,
  duration,
  type ErrorRateDeparture,
  errorRateAbove,
  errorSubject,
  externalServiceHypotheses,
  externalServiceMitigations,
  externalSlowHypotheses,
  graphqlHypotheses,
  graphqlMitigations,
  integer,
  isClientError,
  latencyText,
  lifecycleOptions,
  lockContentionMitigations,
  mitigationsOf,
  nPlusOneHypotheses,
  nPlusOneMitigations,
  number,
  operationName,
  percent,
  percentileAbove,
  points,
  queriesPerOperationProbe,
  type Reading,
  type RuleSymptom,
  rateText,
  readingsBy,
  type Severity,
  serviceDatabaseHypotheses,
  serviceDatabaseUnreachableHypotheses,
  slowQueryHypotheses,
  slowQueryMitigations,
  slowSubject,
  summedReadings,
  unreachableMitigations,
  withLoadDoubts,
  withRequestTime,
  withServiceEvidence,
  withTrackedErrors,
} from 'runbookd/sdk';

/** Operations that may have a symptom of their own at once. */
const MOST = 10;

const hypotheses = [
  ...withTrackedErrors(withLoadDoubts(deploymentHypotheses())),
  ...graphqlHypotheses(),
  ...withRequestTime(
    withServiceEvidence(
      nPlusOneHypotheses('database').map((one) => ({
        ...one,
        probes: [...one.probes, queriesPerOperationProbe({ ifUp: 2.7, ifFlat: 4 })],
        mitigations: ['graphql-queries', ...one.mitigations],
      })),
    ),
  ),
  ...withRequestTime(withServiceEvidence(slowQueryHypotheses('database'))),
  ...serviceDatabaseHypotheses(),
  ...serviceDatabaseUnreachableHypotheses(),
  ...externalServiceHypotheses({ prior: 0.1 }),
  ...externalSlowHypotheses(0.12).map((one) => ({
    ...one,
    // Calls that time out are calls that fail.
    probes: one.probes.filter(({ id }) => id !== 'messages-name-it'),
  })),
];

interface Limits {
  readonly criticalPercent: number;
  readonly criticalRatio: number;
  readonly criticalRatioPercent: number;
}

/** Errors that callers make are nobody's emergency. */
function severityOf({ rate, baseline }: ErrorRateDeparture, clients: number, limits: Limits): Severity {
  if (clients >= 0.8) return 'warning';
  const much = rate >= limits.criticalRatioPercent / 100 && rate >= baseline * limits.criticalRatio;
  return much || rate >= limits.criticalPercent / 100 ? 'critical' : 'error';
}

interface Part {
  readonly name: string;
  readonly errors: number;
}

/** Errors by a label since the onset, most first. */
function parts(label: string, errors: readonly Reading[], { onset }: ErrorRateDeparture): readonly Part[] {
  const sum = (all: readonly Reading[]): number =>
    all.flatMap((one) => one.samples).reduce((total, { at, value }) => total + (at >= onset.latest ? value : 0), 0);
  return [...readingsBy(label, errors)]
    .map(([name, own]) => ({ name, errors: sum(own) }))
    .filter((one) => one.errors > 0)
    .sort((a, b) => b.errors - a.errors || (a.name < b.name ? -1 : 1));
}

function partsText(what: string, found: readonly Part[]): string | null {
  const all = found.reduce((sum, one) => sum + one.errors, 0);
  if (found.length === 0 || all === 0) return null;
  const named = found.slice(0, 3).map((one) => `${operationName(one.name)} ${percent(one.errors / all)}`);
  const rest = found.length > 3 ? `, ${found.length - 3} more` : '';
  return `errors by ${what}: ${named.join(', ')}${rest}`;
}

/** Which part of the errors is of the types that callers make. */
function clientShare(types: readonly Part[]): number {
  const all = types.reduce((sum, one) => sum + one.errors, 0);
  return all === 0 ? 0 : types.reduce((sum, one) => sum + (isClientError(one.name) ? one.errors : 0), 0) / all;
}

/** Requests of the window that the rule looks at. */
function requestsIn(requests: Reading, windowMs: number): number {
  const from = (requests.samples.at(-1)?.at ?? 0) - windowMs;
  return requests.samples.reduce((sum, { at, value }) => sum + (at > from ? value : 0), 0);
}

export const detector = defineDetector({
  id: 'graphql-errors',
  title: 'GraphQL errors',
  why: 'HTTP answers 200 while the answer holds errors: users see empty pages, and no other rule sees anything.',
  runbook: 'API Service / GraphQL Errors',
  target: 'service',
  signals: {
    requests: {
      signal: 'graphql_requests',
      unit: 'count',
      required: true,
      description: 'GraphQL operations that were answered, by operation',
    },
    errors: {
      signal: 'graphql_errors',
      unit: 'count',
      required: true,
      description: 'those whose answer holds an error, by operation and type of the first error',
    },
    latency: {
      signal: 'graphql_latency_p95',
      unit: 's',
      required: false,
      description: '95th percentile by operation: operations that are slow',
    },
    queries: {
      signal: 'graphql_queries_per_operation',
      unit: 'count',
      required: false,
      description: 'database queries of one operation, mean by operation: loops around a query',
    },
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
    minimumRequests: integer(50, 'requests in the short window from which on one operation is judged by itself', {
      unit: 'requests',
      minimum: 1,
    }),
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
    riseRatio: number(1.5, 'p95 of an operation against its baseline, from which on it is slow', {
      unit: 'ratio',
      minimum: 1,
    }),
    floorMs: number(100, 'and this much more than the baseline', { unit: 'ms', minimum: 0 }),
    needPeriods: integer(3, 'periods above the limit, of the last `ofPeriods`', {
      unit: 'periods',
      minimum: 1,
      maximum: 60,
    }),
    ofPeriods: integer(5, 'periods that are looked at', { unit: 'periods', minimum: 1, maximum: 60 }),
    minimumSamples: integer(200, 'requests of a period that a p95 is made of; fewer are no percentile', {
      unit: 'requests',
      minimum: 1,
    }),
  },
  rule({ options: o, readings, target, active }) {
    const requests = readings('graphql_requests');
    const errors = readings('graphql_errors');
    const all = summedReadings(requests);
    const failed = all === null ? null : countedBeside(all, errors);
    if (all === null || failed === null) {
      return { state: 'no_data', signals: all === null ? ['graphql_requests'] : ['graphql_errors'] };
    }
    const rule = {
      excess: o.excessPoints / 100,
      shortMs: o.shortSeconds * 1000,
      longMs: o.longSeconds * 1000,
      minimumErrors: o.minimumErrors,
      significance: o.significance,
    };
    const symptoms: RuleSymptom[] = [];
    const unjudged: string[] = [];
    const windowText = ({ window, onset, at }: ErrorRateDeparture): string =>
      window === 'total-failure'
        ? `in the ${duration((at - onset.earliest) / 1000)} since it began`
        : `in the last ${duration((window === 'long' ? rule.longMs : rule.shortMs) / 1000)}`;

    const judgeErrors = (subject: string, name: string | null, asked: Reading, own: readonly Reading[]) => {
      const counted = countedBeside(asked, own);
      if (counted === null) return null;
      const judged = errorRateAbove(counted, asked, rule, active(subject));
      if (judged.state === 'not_ready') unjudged.push(subject);
      if (judged.state !== 'departed') return judged;
      const found = judged.departure;
      const types = parts('error_type', own, found);
      const what = name === null ? 'GraphQL errors' : `GraphQL errors of ${name}`;
      const whose = name === null ? `GraphQL operations of ${target.name}` : `${name} of ${target.name}`;
      const breakdown = [
        name === null ? partsText('operation', parts('operation', own, found)) : null,
        partsText('type', types),
      ].filter((line) => line !== null);
      symptoms.push({
        subject,
        severity: severityOf(found, clientShare(types), o),
        headline: `${what} ${rateText(found.rate)} (baseline ${rateText(found.baseline)})`,
        summary: `${rateText(found.rate)} of the ${whose} were answered with errors ${windowText(found)}: ${count(found.errors)} of ${count(found.requests)}. The baseline is ${rateText(found.baseline)}.`,
        onset: found.onset,
        readings: points([counted, asked]),
        ...(breakdown.length === 0 ? {} : { breakdown }),
      });
      return judged;
    };

    const overall = judgeErrors('', null, all, errors);
    const errorsBy = readingsBy('operation', errors);
    const requestsBy = readingsBy('operation', requests);
    const before = symptoms.length;
    for (const [operation, own] of requestsBy) {
      const subject = errorSubject(operation);
      const asked = summedReadings(own)!;
      const enough = requestsIn(asked, rule.shortMs) >= o.minimumRequests;
      if (!enough && !active(subject)) continue;
      judgeErrors(subject, operationName(operation), asked, errorsBy.get(operation) ?? []);
    }
    const most = symptoms
      .splice(before)
      .sort((a, b) => (b.readings[0]?.value ?? 0) - (a.readings[0]?.value ?? 0) || (a.subject < b.subject ? -1 : 1));
    symptoms.push(...most.slice(0, MOST));

    const slow: { readonly added: number; readonly symptom: RuleSymptom }[] = [];
    for (const [operation, [latency]] of readingsBy('operation', readings('graphql_latency_p95'))) {
      const subject = slowSubject(operation);
      const asked = summedReadings(requestsBy.get(operation) ?? []) ?? undefined;
      const judged = percentileAbove(
        latency!,
        asked,
        {
          ratio: o.riseRatio,
          floorSeconds: o.floorMs / 1000,
          need: o.needPeriods,
          of: Math.max(o.needPeriods, o.ofPeriods),
          minimumSamples: o.minimumSamples,
          clearShare: 0.2,
        },
        active(subject),
      );
      if (judged.state === 'not_ready' && active(subject)) unjudged.push(subject);
      if (judged.state !== 'departed') continue;
      const { value, baseline, onset } = judged.departure;
      const text = `${latencyText(value)} (baseline ${latencyText(baseline)})`;
      slow.push({
        added: value - baseline,
        symptom: {
          subject,
          severity: value >= 3 * baseline && value >= 1 ? 'error' : 'warning',
          headline: `${operationName(operation)} p95 ${text}`,
          summary: `p95 of the GraphQL operation ${operationName(operation)} of ${target.name} is ${text}.`,
          onset,
          readings: points([latency, asked]),
        },
      });
    }
    slow.sort((a, b) => b.added - a.added || (a.symptom.subject < b.symptom.subject ? -1 : 1));
    symptoms.push(...slow.slice(0, MOST).map((one) => one.symptom));

    // Operations that are not told of any more neither clear nor count.
    for (const signal of ['graphql_requests', 'graphql_latency_p95'] as const) {
      const subjectOf = signal === 'graphql_requests' ? errorSubject : slowSubject;
      const current = readingsBy('operation', readings(signal));
      for (const operation of readingsBy('operation', readings(signal, true)).keys()) {
        if (!current.has(operation) && active(subjectOf(operation))) unjudged.push(subjectOf(operation));
      }
    }

    if (overall?.state === 'not_ready' && symptoms.length === 0) {
      return { state: 'not_ready', signals: ['graphql_errors', 'graphql_requests'] };
    }
    return { state: 'judged', at: all.samples.at(-1)?.at ?? 0, symptoms, unjudged };
  },
  hypotheses,
  mitigations: mitigationsOf(
    hypotheses,
    deploymentMitigations,
    graphqlMitigations,
    nPlusOneMitigations,
    slowQueryMitigations,
    connectionPoolMitigations,
    lockContentionMitigations,
    unreachableMitigations,
    externalServiceMitigations,
  ),
});
