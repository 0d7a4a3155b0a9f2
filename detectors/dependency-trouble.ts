import {
  beyond,
  countedBeside,
  type Departure,
  defineDetector,
  dependencyHypotheses,
  dependencyMitigations,
  type ErrorRateDeparture,
  errorRateAbove,
  type Interval,
  integer,
  latencyText,
  lifecycleOptions,
  mitigationsOf,
  number,
  points,
  type Reading,
  rateText,
  type Sample,
  type Severity,
  summedReadings,
  times,
} from 'runbookd/sdk';

const newest = (reading: Reading | null | undefined): Sample | undefined => reading?.samples.at(-1);

const options = {
  ...lifecycleOptions({ pollSeconds: 60, holdSeconds: 0, clearPolls: 3, clearSeconds: 300 }),
  announcedLevel: integer(2, 'what the status page must say: 1 minor, 2 major, 3 critical', {
    minimum: 1,
    maximum: 3,
  }),
  announcedPolls: integer(2, 'polls in a row in which it says so', { unit: 'polls', minimum: 1, maximum: 60 }),
  excessPoints: number(2, 'how far the share of failed calls must be above its baseline', {
    unit: 'percentage points',
    minimum: 0,
    maximum: 100,
  }),
  shortSeconds: integer(300, 'the short window for failed calls', { unit: 's', minimum: 10, maximum: 3600 }),
  longSeconds: integer(3600, 'the long window, which gathers failures where few calls are made', {
    unit: 's',
    minimum: 10,
    maximum: 3600,
  }),
  minimumErrors: integer(10, 'failed calls that there must be in the window', { unit: 'calls', minimum: 1 }),
  significance: number(1e-6, 'chance of so many failures at the baseline rate, below which it is no chance', {
    minimum: 1e-12,
    maximum: 0.05,
  }),
  slowRatio: number(1.5, 'p95 of calls against what is expected, above which it is slow', { unit: '×', minimum: 1 }),
  slowFloorMs: number(50, 'and by how much at least', { unit: 'ms', minimum: 0 }),
  slowPeriods: integer(4, 'slow periods, of the last one more than these', {
    unit: 'periods',
    minimum: 1,
    maximum: 59,
  }),
  criticalPercent: number(50, 'share of failed calls from which on it is critical', {
    unit: '%',
    minimum: 0,
    maximum: 100,
  }),
} as const;

type Options = { readonly [K in keyof typeof options]: number };

const WORDS = ['well', 'a minor incident', 'a major incident', 'a critical incident'] as const;
const said = (value: number): string => WORDS[Math.round(value)] ?? `level ${value}`;

/** The host that is slowest against its band, where it is slow at all. */
function slowOf(latencies: readonly Reading[], o: Options, active: boolean): Departure | null {
  const slow = latencies.flatMap((reading): readonly Departure[] => {
    const band = newest(reading)?.band;
    if (band?.ready !== true) return [];
    const limit = Math.max(band.expected * o.slowRatio, band.expected + o.slowFloorMs / 1000, band.upper);
    const clear = Math.min(limit, Math.max(band.upper, band.expected * (1 + (o.slowRatio - 1) / 2)));
    const found = beyond(reading, { limit, clear, need: o.slowPeriods, of: o.slowPeriods + 1 }, active);
    return found === null ? [] : [found];
  });
  const riseOf = ({ latest }: Departure): number => latest.value / Math.max(latest.band.expected, 0.001);
  return slow.sort((a, b) => riseOf(b) - riseOf(a))[0] ?? null;
}

function failingOf(calls: Reading | null, errors: readonly Reading[], o: Options, active: boolean) {
  const failed = calls === null || errors.length === 0 ? null : countedBeside(calls, errors);
  if (calls === null || failed === null) return null;
  const rule = {
    excess: o.excessPoints / 100,
    shortMs: o.shortSeconds * 1000,
    longMs: o.longSeconds * 1000,
    minimumErrors: o.minimumErrors,
    significance: o.significance,
  };
  return { failed, judged: errorRateAbove(failed, calls, rule, active) };
}

/** The page alone is no trouble of ours yet: people write it, and it speaks of all that the vendor has. */
function severityOf(
  announced: Departure | null,
  failing: ErrorRateDeparture | null,
  slow: Departure | null,
  areCallsWell: boolean,
  o: Options,
): Severity {
  if (failing !== null) return failing.rate * 100 >= o.criticalPercent ? 'critical' : 'error';
  if (slow !== null) return 'warning';
  return (announced?.latest.value ?? 0) >= 3 && !areCallsWell ? 'warning' : 'info';
}

const earlier = (a: Interval, b: Interval): Interval => (b.latest < a.latest ? b : a);

const hypotheses = dependencyHypotheses();

export const detector = defineDetector({
  id: 'dependency-trouble',
  title: 'External dependency in trouble',
  why: 'What we buy from others fails our users as much as what we build, and they hear of it from us.',
  runbook: 'Symptom / High Error Rate → 2. External Service Down; High Latency → 3. External Service Latency',
  target: 'dependency',
  signals: {
    page: {
      signal: 'vendor_indicator',
      unit: 'count',
      required: false,
      description: "what the vendor's status page says: 0 none, 1 minor or maintenance, 2 major, 3 critical",
    },
    calls: { signal: 'dependency_requests', unit: 'count', required: false, description: 'our calls to it' },
    errors: {
      signal: 'dependency_errors',
      unit: 'count',
      required: false,
      description: 'those that failed, by reason where that is counted',
    },
    latency: {
      signal: 'dependency_latency_p95',
      unit: 's',
      required: false,
      description: '95th percentile of the time of our calls',
    },
  },
  options,
  rule({ options: o, readings, target, active }) {
    const [page] = readings('vendor_indicator');
    const calls = summedReadings(readings('dependency_requests'));
    const latencies = readings('dependency_latency_p95');
    const at = [page, calls, ...latencies].flatMap((one) => newest(one)?.at ?? []);
    if (at.length === 0) return { state: 'no_data', signals: ['vendor_indicator', 'dependency_requests'] };
    const judged = { state: 'judged', at: Math.max(...at) } as const;
    const isActive = active('');

    const announced =
      page === undefined
        ? null
        : beyond(page, { limit: o.announcedLevel - 0.5, need: o.announcedPolls, of: o.announcedPolls }, isActive);
    const rates = failingOf(calls, readings('dependency_errors'), o, isActive);
    const failing = rates?.judged.state === 'departed' ? rates.judged.departure : null;
    const slow = slowOf(latencies, o, isActive);
    if (announced === null && failing === null && slow === null) {
      const isLost = ['vendor_indicator', 'dependency_requests', 'dependency_latency_p95'].some(
        (signal) => readings(signal).length === 0 && readings(signal, true).length > 0,
      );
      return { ...judged, symptoms: [], unjudged: isActive && isLost ? [''] : [] };
    }
    const areCallsWell = rates?.judged.state === 'clear';
    const told = [
      ...(failing === null
        ? []
        : [`${rateText(failing.rate)} of our calls fail (baseline ${rateText(failing.baseline)})`]),
      ...(slow === null
        ? []
        : [
            `p95 of our calls ${latencyText(slow.latest.value)} (${times(slow.latest.value / Math.max(slow.latest.band.expected, 0.001))} the baseline ${latencyText(slow.latest.band.expected)})`,
          ]),
      ...(announced === null
        ? []
        : [
            `its status page tells of ${said(announced.latest.value)}${areCallsWell && slow === null ? ', our calls are as before' : ''}`,
          ]),
    ];
    return {
      ...judged,
      symptoms: [
        {
          subject: '',
          severity: severityOf(announced, failing, slow, areCallsWell, o),
          headline: told[0]!,
          summary: `${target.name}: ${told.join('; ')}.`,
          onset: [announced?.onset, failing?.onset, slow?.onset].filter((one) => one !== undefined).reduce(earlier),
          readings: points([page, calls ?? undefined, rates?.failed, slow?.reading]),
        },
      ],
    };
  },
  hypotheses,
  mitigations: mitigationsOf(hypotheses, dependencyMitigations),
});
