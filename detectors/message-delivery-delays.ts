import {
  beyond,
  clearText,
  connectionPoolMitigations,
  count,
  type Departure,
  defineDetector,
  duration,
  externalServiceMitigations,
  type Interval,
  integer,
  lifecycleOptions,
  mitigationsOf,
  number,
  plural,
  points,
  queueDependencyHypotheses,
  queueHypotheses,
  queueMitigations,
  type Reading,
  type RuleSymptom,
  type Sample,
  type Severity,
  searchMitigations,
  secondsToClear,
  slopePerSecond,
  unreachableMitigations,
} from 'runbookd/sdk';

const DEAD_LETTER = 'dead-letter';

const options = {
  ...lifecycleOptions({ pollSeconds: 60, holdSeconds: 0, clearPolls: 3, clearSeconds: 300 }),
  ageSeconds: number(60, 'age of the oldest message above which it is late', { unit: 's', minimum: 1 }),
  ageRatio: number(3, 'and above this many times the upper end of its baseline', { unit: '×', minimum: 1 }),
  needPeriods: integer(3, 'periods above the limit, of the last `ofPeriods`', {
    unit: 'periods',
    minimum: 1,
    maximum: 60,
  }),
  ofPeriods: integer(5, 'periods that are looked at', { unit: 'periods', minimum: 1, maximum: 60 }),
  growSeconds: integer(900, 'time over which a backlog must have grown', { unit: 's', minimum: 60, maximum: 3600 }),
  minimumMessages: integer(100, 'messages that must wait, and by which a backlog must have grown', {
    unit: 'messages',
    minimum: 1,
  }),
  clearMinutes: number(30, 'a backlog that is worked off within this time is no trouble', { unit: 'min', minimum: 0 }),
  criticalMinutes: number(60, 'age of the oldest message from which it is critical', { unit: 'min', minimum: 0 }),
  deadLetterSeconds: integer(900, 'time in which new dead letters are counted', {
    unit: 's',
    minimum: 60,
    maximum: 3600,
  }),
  minimumDeadLetters: integer(5, 'new dead letters in that time', { unit: 'messages', minimum: 1 }),
};

type Options = { readonly [K in keyof typeof options]: (typeof options)[K]['default'] };

const newest = (reading: Reading | undefined): Sample | undefined => reading?.samples.at(-1);

const LAST = 5;

/** Mean over the last samples, of those since it began where there are two; a second; null when nothing is known. */
function perSecond(reading: Reading | undefined, since: number): number | null {
  const latest = reading?.samples.slice(-LAST) ?? [];
  const after = latest.filter(({ at }) => at >= since);
  const last = after.length >= 2 ? after : latest;
  if (reading === undefined || last.length === 0) return null;
  return (last.reduce((sum, one) => sum + one.value, 0) / last.length / reading.periodMs) * 1000;
}

interface Queue {
  readonly age: Reading | undefined;
  readonly inFlight: Reading | undefined;
  readonly visible: Reading | undefined;
  readonly sent: Reading | undefined;
  readonly deleted: Reading | undefined;
}

/** Until nothing waits, at the rates of the last minutes; where those are not known, at the backlog's own pace. */
function clearSeconds({ visible, sent, deleted }: Queue, slope: number | null, since: number): number | null {
  const waiting = newest(visible)?.value;
  if (waiting === undefined) return null;
  const [comes, goes] = [perSecond(sent, since), perSecond(deleted, since)];
  if (comes !== null && goes !== null) return secondsToClear(waiting, comes, goes);
  return slope === null ? null : secondsToClear(waiting, Math.max(0, slope), Math.max(0, -slope));
}

function lateOf(age: Reading | undefined, o: Options, active: boolean): Departure | null {
  const band = newest(age)?.band;
  if (age === undefined || band === undefined) return null;
  const limit = Math.max(o.ageSeconds, band.ready ? o.ageRatio * band.upper : 0);
  return beyond(
    age,
    { limit, clear: limit * 0.8, need: o.needPeriods, of: Math.max(o.needPeriods, o.ofPeriods) },
    active,
  );
}

const MOST_LEAD_MS = 15 * 60_000;

/** The message that is late now was not worked off when it came: it began between that and the first late sample. */
function lateOnset({ onset, reading }: Departure): Interval {
  const first = reading.samples.find(({ at }) => at === onset.latest);
  const waited = Math.min((first?.value ?? 0) * 1000, MOST_LEAD_MS);
  return { earliest: Math.min(onset.earliest, onset.latest - waited), latest: onset.latest };
}

interface Backlog {
  readonly onset: Interval;
}

/** More wait with time, more than usual, and they are not worked off soon. */
function backlogOf(
  queue: Queue,
  slope: number | null,
  left: number | null,
  o: Options,
  active: boolean,
): Backlog | null {
  const { visible } = queue;
  const last = newest(visible);
  if (visible === undefined || last === undefined || last.value < o.minimumMessages) return null;
  if (last.band.ready && last.value <= last.band.upper) return null;
  if (left !== null && left <= o.clearMinutes * 60) return null;
  const grown = (slope ?? 0) * o.growSeconds;
  if (!active && (slope === null || grown < o.minimumMessages)) return null;
  const { samples } = visible;
  const least = Math.min(...samples.map(({ value }) => value));
  const floor = last.band.ready ? last.band.upper : least + (last.value - least) * 0.05;
  const start = samples.findLastIndex(({ value }) => value <= floor);
  const first = samples[start + 1] ?? last;
  return { onset: { earliest: samples[start]?.at ?? first.at - visible.periodMs, latest: first.at } };
}

const earlier = (a: Interval, b: Interval): Interval => (b.latest < a.latest ? b : a);

function delaySymptom(queue: Queue, o: Options, active: boolean, name: string): RuleSymptom | null {
  const { age, visible, inFlight, sent, deleted } = queue;
  const slope = visible === undefined ? null : slopePerSecond(visible.samples, o.growSeconds * 1000);
  const late = lateOf(age, o, active);
  const since = late?.onset.latest ?? Number.NEGATIVE_INFINITY;
  const left = clearSeconds(queue, slope, since);
  const backlog = backlogOf(queue, slope, left, o, active);
  const onsets = [late === null ? null : lateOnset(late), backlog?.onset ?? null].filter((one) => one !== null);
  if (onsets.length === 0) return null;

  const oldest = newest(age);
  const waiting = newest(visible);
  const isStill = (perSecond(deleted, since) ?? 1) === 0 && (waiting?.value ?? 0) >= o.minimumMessages;
  const isOld = late !== null && late.latest.value >= o.criticalMinutes * 60;
  const isSoon = left !== null && left <= o.clearMinutes * 60;
  const severity: Severity = isOld || isStill ? 'critical' : isSoon ? 'warning' : 'error';
  const usual = (sample: Sample, text: (value: number) => string): string =>
    sample.band.ready ? ` (baseline ${text(sample.band.expected)})` : '';
  // Where few wait, those that are late were taken and come again: no rate tells when they are done.
  const isFew = (waiting?.value ?? 0) < o.minimumMessages;
  const pace = left === null || isFew ? '' : isStill ? ', none is worked off' : `, ${clearText(left)}`;
  const ageText = oldest === undefined ? null : `${duration(oldest.value)}${usual(oldest, duration)}`;
  const taken = newest(inFlight);
  const flying =
    isFew && taken !== undefined && taken.value >= o.minimumMessages ? `, ${count(taken.value)} are in flight` : '';
  const waitText = waiting === undefined ? null : `${count(waiting.value)} wait${usual(waiting, count)}${flying}`;
  const rates = ratesText(perSecond(sent, since), perSecond(deleted, since));
  return {
    subject: '',
    severity,
    headline: [
      ...(late === null ? [] : [`oldest message ${ageText}`]),
      ...(waitText === null ? [] : [`${waitText}${pace}`]),
    ].join(', '),
    summary: `${name}: ${waitText === null ? 'messages wait' : `${waitText} to be worked off`}${ageText === null ? '' : `, the oldest for ${ageText}`}${rates}${isStill || isFew || left === null ? '' : `: ${clearText(left)}`}.`,
    onset: onsets.reduce(earlier),
    readings: points(late === null ? [visible, age, sent, deleted] : [age, visible, sent, deleted]),
  };
}

function ratesText(comes: number | null, goes: number | null): string {
  if (comes === null || goes === null) return '';
  const minute = (rate: number): string => count(rate * 60, rate * 60 < 10 ? 1 : 0);
  return `; ${minute(comes)} a minute come in and ${minute(goes)} are worked off`;
}

/** New ones within the window; a first value says nothing of when those came. */
function deadLetterSymptom(dead: Reading | undefined, o: Options, active: boolean, name: string): RuleSymptom | null {
  const last = newest(dead);
  if (dead === undefined || last === undefined) return null;
  const from = last.at - o.deadLetterSeconds * 1000;
  const { samples } = dead;
  const before = samples.findLast(({ at }) => at <= from) ?? samples[0]!;
  const more = last.value - before.value;
  if (more < (active ? 1 : o.minimumDeadLetters)) return null;
  const first = samples.find(({ at, value }) => at > before.at && value > before.value) ?? last;
  const within = duration((last.at - before.at) / 1000);
  return {
    subject: DEAD_LETTER,
    severity: 'warning',
    headline: `${plural(more, 'new dead letter')} in ${within} (${count(last.value)} in all)`,
    summary: `${name}: ${plural(more, 'message')} became dead letters in the last ${within}; there are ${count(last.value)} now. What they ask for has not been done.`,
    onset: { earliest: samples[samples.indexOf(first) - 1]?.at ?? before.at, latest: first.at },
    readings: points([dead]),
  };
}

const hypotheses = [...queueHypotheses(), ...queueDependencyHypotheses()];

export const detector = defineDetector({
  id: 'message-delivery-delays',
  title: 'Message delivery delays',
  why: 'Users wait for what was promised to them, and what waits longer than its retention is lost.',
  runbook: 'Messaging Service / Message Delivery Delays',
  target: 'queue',
  signals: {
    age: { signal: 'queue_age_seconds', unit: 's', required: false, description: 'age of the oldest message' },
    visible: { signal: 'queue_visible', unit: 'count', required: false, description: 'messages that wait' },
    inFlight: {
      signal: 'queue_in_flight',
      unit: 'count',
      required: false,
      description: 'messages that were received and not yet deleted, for the causes',
    },
    sent: { signal: 'queue_sent', unit: 'count', required: false, description: 'messages that come in' },
    deleted: { signal: 'queue_deleted', unit: 'count', required: false, description: 'messages that are worked off' },
    dead: { signal: 'dead_letters', unit: 'count', required: false, description: 'messages that were given up' },
  },
  options,
  rule({ options: o, readings, target, active }) {
    const one = (signal: string): Reading | undefined => readings(signal)[0];
    const queue: Queue = {
      age: one('queue_age_seconds'),
      visible: one('queue_visible'),
      inFlight: one('queue_in_flight'),
      sent: one('queue_sent'),
      deleted: one('queue_deleted'),
    };
    const dead = one('dead_letters');
    const at = [queue.age, queue.visible, dead].flatMap((reading) => newest(reading)?.at ?? []);
    // SQS publishes nothing of a queue that nobody has used for six hours: that is no trouble, and no clean bill either.
    if (at.length === 0) return { state: 'no_data', signals: ['queue_age_seconds', 'queue_visible'] };
    const isSeen = queue.age !== undefined || queue.visible !== undefined;
    const symptoms = [
      delaySymptom(queue, o, active(''), target.name),
      deadLetterSymptom(dead, o, active(DEAD_LETTER), target.name),
    ].filter((symptom) => symptom !== null);
    const unjudged = [...(isSeen ? [] : ['']), ...(dead === undefined ? [DEAD_LETTER] : [])];
    return { state: 'judged', at: Math.max(...at), symptoms, unjudged };
  },
  hypotheses,
  mitigations: mitigationsOf(
    hypotheses,
    connectionPoolMitigations,
    unreachableMitigations,
    externalServiceMitigations,
    searchMitigations,
    queueMitigations,
  ),
});
