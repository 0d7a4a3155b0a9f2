import {
  beyond,
  boolean,
  bytes,
  type Departure,
  defineDetector,
  duration,
  integer,
  lifecycleOptions,
  number,
  points,
  type Reading,
  type RuleSymptom,
  replicationLagHypotheses,
  replicationLagMitigations,
  slopePerSecond,
  unreachableMitigations,
} from 'runbookd/sdk';

const MB = 1_000_000;
const options = {
  ...lifecycleOptions({ pollSeconds: 15, holdSeconds: 0, clearPolls: 2, clearSeconds: 0 }),
  warnSeconds: number(10, 'lag in time above which a standby lags', { unit: 's', minimum: 0 }),
  criticalSeconds: number(60, 'lag in time above which it is critical', { unit: 's', minimum: 0 }),
  warnBytes: number(100 * MB, 'lag in WAL above which a standby lags', { unit: 'bytes', minimum: 0 }),
  criticalBytes: number(1000 * MB, 'lag in WAL above which it is critical', { unit: 'bytes', minimum: 0 }),
  baselineRatio: number(5, "times the upper end of the standby's usual lag", { unit: 'ratio', minimum: 1 }),
  applyDelaySeconds: number(0, 'intended delay of the standbys (recovery_min_apply_delay), added to both limits', {
    unit: 's',
    minimum: 0,
  }),
  needPolls: integer(3, 'polls above the limit, of the last `ofPolls`', { unit: 'polls', minimum: 1, maximum: 60 }),
  ofPolls: integer(5, 'polls that are looked at', { unit: 'polls', minimum: 1, maximum: 60 }),
  linkPolls: integer(2, 'polls in a row without a link', { unit: 'polls', minimum: 1, maximum: 60 }),
  expectStreaming: boolean(
    true,
    'a standby without a streaming link is a fault; false where WAL comes from an archive',
  ),
  growthPerSecond: number(0.5, 'growth of the lag that is critical', { unit: 's/s', minimum: 0 }),
  growthSeconds: number(600, 'how long it must have grown', { unit: 's', minimum: 30, maximum: 3600 }),
  surgeRatio: number(3, 'WAL written a second against before that is a surge', { unit: 'ratio', minimum: 1 }),
  surgeBytesPerSecond: number(5 * MB, 'WAL written a second below which there is no surge', {
    unit: 'bytes/s',
    minimum: 0,
  }),
};

type Options = { readonly [K in keyof typeof options]: (typeof options)[K]['default'] };

/** One standby's readings. The replica knows more than the primary, so its figures stand first. */
interface Standby {
  readonly name: string;
  readonly link: readonly Reading[];
  readonly seconds: readonly Reading[];
  readonly bytes: readonly Reading[];
  readonly wal: Reading | undefined;
}

function judgeStandby(standby: Standby, o: Options, active: boolean, target: string, at: number): RuleSymptom | null {
  const { name } = standby;
  const cut = o.expectStreaming
    ? worst(standby.link.map((link) => beyond(link, { limit: 0.5, direction: 'below', need: o.linkPolls }, active)))
    : null;
  const seconds = isIdle(standby) ? null : worst(standby.seconds.map((one) => overSeconds(one, o, active)));
  // A standby that is delayed on purpose keeps WAL back on purpose: only the time tells.
  const behind = o.applyDelaySeconds > 0 ? null : worst(standby.bytes.map((one) => overBytes(one, o, active)));
  const found = [cut, seconds, behind].filter((one) => one !== null);
  if (found.length === 0) return null;
  const onset = {
    earliest: Math.min(...found.map((one) => one.onset.earliest)),
    latest: Math.min(...found.map((one) => one.onset.latest)),
  };
  const lasting = duration((at - onset.latest) / 1000);
  const growing = seconds !== null && isGrowing(seconds.reading, o);
  const critical =
    cut !== null ||
    growing ||
    (seconds?.latest.value ?? 0) > o.criticalSeconds + o.applyDelaySeconds ||
    (behind?.latest.value ?? 0) > o.criticalBytes;
  const figures = [
    ...(seconds === null ? [] : [duration(seconds.latest.value)]),
    ...(behind === null ? [] : [bytes(behind.latest.value)]),
  ].join(' and ');
  const band = seconds?.latest.band;
  const usual = band?.ready ? ` (baseline ${duration(Math.max(0, band.expected))})` : '';
  const since = lasting === '0 ms' ? '' : ` for ${lasting}`;
  const headline =
    cut === null ? `${name} is ${figures} behind${usual}` : `${name} has had no link to its primary${since}`;
  const summary =
    cut === null
      ? `${name} replays ${figures} behind ${target}${usual}${growing ? ', and falls further behind' : ''}.`
      : `${name} has had no streaming link to ${target}${since}, seen from the ${cut.reading.labels.from ?? 'server'}: ` +
        `${figures === '' ? 'it gets no WAL, whatever its lag reads' : `it is ${figures} behind`}.`;
  return {
    subject: name,
    severity: critical ? 'critical' : 'warning',
    headline,
    summary,
    onset,
    readings: points([cut?.reading, seconds?.reading, behind?.reading]),
  };
}

function overSeconds(reading: Reading, o: Options, active: boolean): Departure | null {
  const band = reading.samples.at(-1)?.band;
  const upper = band?.ready ? band.upper : 0;
  const usual = band?.ready ? Math.max(0, band.expected) : 0;
  const limit = Math.max(o.warnSeconds + o.applyDelaySeconds, o.baselineRatio * upper);
  const clear = limit - 0.2 * (limit - Math.min(usual, limit));
  const departure = beyond(reading, { limit, clear, need: o.needPolls, of: Math.max(o.ofPolls, o.needPolls) }, active);
  if (departure === null) return null;
  // A lag of 12 s began 12 s ago: what held replay up came before the poll that first saw the lag.
  const first = reading.samples.find((sample) => sample.at === departure.onset.latest);
  const began = departure.onset.latest - (first?.value ?? 0) * 1000;
  return { ...departure, onset: { ...departure.onset, earliest: Math.min(departure.onset.earliest, began) } };
}

function overBytes(reading: Reading, o: Options, active: boolean): Departure | null {
  const of = Math.max(o.ofPolls, o.needPolls);
  return beyond(reading, { limit: o.warnBytes, clear: o.warnBytes * 0.8, need: o.needPolls, of }, active);
}

/** With nothing to replay, the age of the last transaction grows and means nothing. */
function isIdle({ bytes: behind, wal }: Standby): boolean {
  const newest = (behind.length > 0 ? behind : [wal]).map((one) => one?.samples.at(-1)?.value);
  return newest.every((value) => value !== undefined && value <= 0);
}

function isGrowing(reading: Reading, o: Options): boolean {
  const { samples } = reading;
  const span = ((samples.at(-1)?.at ?? 0) - (samples[0]?.at ?? 0)) / 1000;
  const slope = slopePerSecond(samples, o.growthSeconds * 1000);
  return span >= 0.9 * o.growthSeconds && slope !== null && slope > o.growthPerSecond;
}

function worst(departures: readonly (Departure | null)[]): Departure | null {
  return departures.reduce(
    (best, one) => (one !== null && (best === null || one.latest.value > best.latest.value) ? one : best),
    null,
  );
}

const newestAt = (readings: readonly Reading[]): number =>
  Math.max(...readings.map((one) => one.samples.at(-1)?.at ?? 0));

export const detector = defineDetector({
  id: 'replication-lag',
  title: 'Replication lag',
  why: 'Reads from a standby that lags show old data, and a failover to it loses what it has not replayed.',
  runbook: 'Database / Replication Lag',
  target: 'database',
  signals: {
    linkUp: { signal: 'standby_link_up', unit: 'bool', required: false, description: 'whether the standby streams' },
    seconds: { signal: 'standby_lag_seconds', unit: 's', required: false, description: 'replay lag in time' },
    bytes: { signal: 'standby_lag_bytes', unit: 'bytes', required: false, description: 'WAL not replayed yet' },
    wal: { signal: 'wal_bytes_per_second', unit: 'bytes_per_second', required: false, description: 'WAL written' },
    slot: { signal: 'slot_retained_bytes', unit: 'bytes', required: false, description: 'WAL kept for a slot' },
  },
  options,
  rule({ target, options: o, readings, active }) {
    const signals = ['standby_link_up', 'standby_lag_seconds', 'standby_lag_bytes'] as const;
    const wal = readings('wal_bytes_per_second');
    const nameOf = (reading: Reading): string => reading.labels['standby'] ?? '';
    const known = new Set(signals.flatMap((signal) => readings(signal, true)).map(nameOf));
    const current = signals.flatMap((signal) => readings(signal));
    // A database without standbys has nothing that lags; it is judged by the WAL rate's time.
    if (known.size === 0 && wal.length > 0) return { state: 'judged', at: newestAt(wal), symptoms: [] };
    if (current.length === 0) return { state: 'no_data', signals };
    const at = newestAt(current);
    const symptoms: RuleSymptom[] = [];
    const unjudged: string[] = [];
    for (const name of [...known].sort()) {
      const of = (signal: string): readonly Reading[] =>
        readings(signal)
          .filter((one) => nameOf(one) === name)
          .sort((a, b) => Number(b.labels.from === 'replica') - Number(a.labels.from === 'replica'));
      const [link, seconds, behind] = [of(signals[0]), of(signals[1]), of(signals[2])];
      const symptom = judgeStandby(
        { name, link, seconds, bytes: behind, wal: wal[0] },
        o,
        active(name),
        target.name,
        at,
      );
      if (symptom !== null) symptoms.push(symptom);
      // Without a figure of its lag a standby that lagged has not caught up, it is only unseen.
      else if (link.length + seconds.length + behind.length === 0) unjudged.push(name);
      else if (active(name) && seconds.length + behind.length === 0) unjudged.push(name);
    }
    return { state: 'judged', at, symptoms, unjudged };
  },
  hypotheses: replicationLagHypotheses,
  mitigations: {
    ...replicationLagMitigations,
    'test-connection': unreachableMitigations['test-connection']!,
    'server-status': unreachableMitigations['server-status']!,
  },
});
