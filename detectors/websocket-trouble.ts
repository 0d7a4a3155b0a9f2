import {
  beyond,
  count,
  countedBeside,
  crashedHypotheses,
  crashedMitigations,
  type Departure,
  defineDetector,
  deploymentHypotheses,
  deploymentMitigations,
  type ErrorRateDeparture,
  errorRateAbove,
  type Interval,
  integer,
  lifecycleOptions,
  mitigationsOf,
  number,
  percent,
  points,
  type Reading,
  rateText,
  type Sample,
  type Severity,
  serviceLoadMitigations,
  summedReadings,
  times,
  unevenHypotheses,
  unevenMitigations,
  websocketHypotheses,
  websocketMitigations,
  withWebsocketDoubts,
} from 'runbookd/sdk';

const newest = (reading: Reading | null): Sample | undefined => reading?.samples.at(-1);

const options = {
  ...lifecycleOptions({ pollSeconds: 60, holdSeconds: 0, clearPolls: 3, clearSeconds: 300 }),
  fallPercent: number(30, 'how far the open connections must be below what is expected', {
    unit: '%',
    minimum: 1,
    maximum: 100,
  }),
  minimumConnections: integer(50, 'connections that must be expected before a fall of them counts', {
    unit: 'connections',
    minimum: 1,
  }),
  needPeriods: integer(2, 'periods below the limit, of the last one more than these', {
    unit: 'periods',
    minimum: 1,
    maximum: 59,
  }),
  excessPoints: number(5, 'how far the share of failed new connections must be above its baseline', {
    unit: 'percentage points',
    minimum: 0,
    maximum: 100,
  }),
  shortSeconds: integer(300, 'the short window for failed connections', { unit: 's', minimum: 10, maximum: 3600 }),
  longSeconds: integer(3600, 'the long window, which gathers failures where few connections are opened', {
    unit: 's',
    minimum: 10,
    maximum: 3600,
  }),
  minimumErrors: integer(10, 'failed connections that there must be in the window', {
    unit: 'connections',
    minimum: 1,
  }),
  significance: number(1e-6, 'chance of so many failures at the baseline rate, below which it is no chance', {
    minimum: 1e-12,
    maximum: 0.05,
  }),
  stormRatio: number(5, 'new connections against what is expected, above which it is a storm', {
    unit: '×',
    minimum: 1.5,
  }),
  minimumNew: integer(100, 'new connections that a period of a storm must have', { unit: 'connections', minimum: 1 }),
  criticalPercent: number(60, 'lost connections, or failed new ones, from which on it is critical', {
    unit: '%',
    minimum: 0,
    maximum: 100,
  }),
  pingIntervalKey: {
    type: 'string',
    default: '',
    description:
      'configuration key of the interval of pings in milliseconds, for the mitigation; empty where there is none',
  },
} as const;

type Options = {
  readonly [K in keyof typeof options]: (typeof options)[K]['default'] extends string ? string : number;
};

/** Fewer are open than the hour of the day explains. */
function fallOf(open: Reading | null, o: Options, active: boolean): Departure | null {
  const band = newest(open)?.band;
  if (open === null || band?.ready !== true || band.expected < o.minimumConnections) return null;
  const share = o.fallPercent / 100;
  const limit = Math.min(band.expected * (1 - share), band.lower);
  const clear = Math.max(limit, Math.min(band.expected * (1 - share / 2), band.lower * 1.1));
  return beyond(open, { limit, clear, direction: 'below', need: o.needPeriods, of: o.needPeriods + 1 }, active);
}

/** Far more are opened than ever at this hour. */
function stormOf(fresh: Reading | null, o: Options, active: boolean): Departure | null {
  const band = newest(fresh)?.band;
  if (fresh === null || band?.ready !== true) return null;
  const limit = Math.max(band.expected * o.stormRatio, band.upper, o.minimumNew);
  return beyond(
    fresh,
    { limit, clear: Math.max(limit / 2, band.upper), need: o.needPeriods, of: o.needPeriods + 1 },
    active,
  );
}

/** Failed ones among those that were tried; whoever counts only those that came through is helped out. */
function failuresOf(fresh: Reading | null, errors: readonly Reading[]): readonly [Reading, Reading] | null {
  if (fresh === null || errors.length === 0) return null;
  const failed = countedBeside(fresh, errors);
  if (failed === null) return null;
  const at = new Map(failed.samples.map((sample) => [sample.at, sample.value]));
  const samples = fresh.samples.map((one) => ({ ...one, value: Math.max(one.value, at.get(one.at) ?? 0) }));
  return [failed, { ...fresh, samples }];
}

const earlier = (a: Interval, b: Interval): Interval => (b.latest < a.latest ? b : a);

const shareLost = ({ latest }: Departure): number =>
  latest.band.expected > 0 ? 1 - latest.value / latest.band.expected : 0;

function severityOf(fall: Departure | null, failing: ErrorRateDeparture | null, o: Options): Severity {
  const worst = Math.max(fall === null ? 0 : shareLost(fall), failing?.rate ?? 0);
  if (worst * 100 >= o.criticalPercent) return 'critical';
  return fall !== null || failing !== null ? 'error' : 'warning';
}

const hypotheses = [
  ...websocketHypotheses(),
  ...crashedHypotheses({ variants: ['out-of-memory', 'essential-container-exited', 'health-check-failed'] }),
  ...unevenHypotheses({ variants: ['bad-task'] }),
  ...withWebsocketDoubts(deploymentHypotheses({ prior: 0.2 })),
];

export const detector = defineDetector({
  id: 'websocket-trouble',
  title: 'WebSocket connection trouble',
  why: 'Messages, presence and live updates stop for whoever is not connected, and clients that all come back at once can take the service down.',
  runbook: 'Messaging Service / WebSocket Connection Issues',
  target: 'service',
  signals: {
    open: { signal: 'ws_connections', unit: 'count', required: false, description: 'connections that are open' },
    fresh: {
      signal: 'ws_new_connections',
      unit: 'count',
      required: false,
      description: 'connections that were tried, failed ones among them',
    },
    errors: { signal: 'ws_errors', unit: 'count', required: false, description: 'those that failed, by reason' },
    disconnects: {
      signal: 'ws_disconnects',
      unit: 'count',
      required: false,
      description: 'connections that ended, by reason, for the causes',
    },
    lifetime: {
      signal: 'ws_lifetime_p50',
      unit: 's',
      required: false,
      description: 'how long those that ended had lived, for the causes',
    },
    unhealthy: {
      signal: 'unhealthy_hosts',
      unit: 'count',
      required: false,
      description: 'targets that the load balancer holds for unhealthy',
    },
    connectionErrors: {
      signal: 'connection_errors',
      unit: 'count',
      required: false,
      description: 'connections of the load balancer to targets that failed',
    },
    elbErrors: { signal: 'elb_errors', unit: 'count', required: false, description: '5xx of the load balancer itself' },
  },
  options,
  rule({ options: o, readings, target, active }) {
    const open = summedReadings(readings('ws_connections'));
    const fresh = summedReadings(readings('ws_new_connections'));
    const errors = readings('ws_errors');
    const at = [newest(open)?.at, newest(fresh)?.at].filter((time) => time !== undefined);
    if (at.length === 0) return { state: 'no_data', signals: ['ws_connections', 'ws_new_connections'] };
    const judged = { state: 'judged', at: Math.max(...at) } as const;
    const isActive = active('');
    const fall = fallOf(open, o, isActive);
    const storm = stormOf(fresh, o, isActive);
    const pair = failuresOf(fresh, errors);
    const rates =
      pair === null
        ? null
        : errorRateAbove(
            pair[0],
            pair[1],
            {
              excess: o.excessPoints / 100,
              shortMs: o.shortSeconds * 1000,
              longMs: o.longSeconds * 1000,
              minimumErrors: o.minimumErrors,
              significance: o.significance,
            },
            isActive,
          );
    const failing = rates?.state === 'departed' ? rates.departure : null;
    if (fall === null && storm === null && failing === null) {
      if ([open, fresh].every((one) => newest(one)?.band.ready !== true)) {
        return { state: 'not_ready', signals: ['ws_connections', 'ws_new_connections'] };
      }
      // What is not seen any more has not become well.
      const isLost = ['ws_connections', 'ws_new_connections'].some(
        (signal) => readings(signal).length === 0 && readings(signal, true).length > 0,
      );
      return { ...judged, symptoms: [], unjudged: isActive && isLost ? [''] : [] };
    }
    const told = [
      ...(fall === null
        ? []
        : [
            `${count(fall.latest.value)} connections (baseline ${count(fall.latest.band.expected)}, ${percent(shareLost(fall))} lost)`,
          ]),
      ...(failing === null
        ? []
        : [`${rateText(failing.rate)} of new connections fail (baseline ${rateText(failing.baseline)})`]),
      ...(storm === null
        ? []
        : [
            `${count(storm.latest.value)} new connections a period (${times(storm.latest.value / Math.max(storm.latest.band.expected, 1))} the usual)`,
          ]),
    ];
    const beside = ['unhealthy_hosts', 'connection_errors', 'elb_errors'].map((signal) => readings(signal)[0]);
    return {
      ...judged,
      symptoms: [
        {
          subject: '',
          severity: severityOf(fall, failing, o),
          headline: `WebSocket: ${told[0]}`,
          summary: `WebSocket connections of ${target.name}: ${told.join('; ')}.`,
          onset: [fall?.onset, failing?.onset, storm?.onset].filter((one) => one !== undefined).reduce(earlier),
          readings: points([open ?? undefined, fresh ?? undefined, pair?.[0], ...beside]),
        },
      ],
    };
  },
  hypotheses,
  mitigations: mitigationsOf(
    hypotheses,
    unevenMitigations,
    serviceLoadMitigations,
    crashedMitigations,
    deploymentMitigations,
    websocketMitigations,
  ),
});
