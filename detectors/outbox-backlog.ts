import {
  beyond,
  count,
  defineDetector,
  duration,
  type Interval,
  integer,
  lifecycleOptions,
  lockContentionMitigations,
  mitigationsOf,
  number,
  outboxHypotheses,
  outboxMitigations,
  plural,
  points,
  type Reading,
  type RuleSymptom,
  type Severity,
  searchMitigations,
  slopePerSecond,
  slowQueryMitigations,
} from 'runbookd/sdk';

const hypotheses = outboxHypotheses();

/** Counts a second over the last ten minutes, of those since it began where there are two samples; null without any. */
function rateOf(reading: Reading | undefined, since: number): number | null {
  const newest = reading?.samples.at(-1);
  if (reading === undefined || newest === undefined) return null;
  const latest = reading.samples.filter((one) => one.at > newest.at - 600_000);
  // The sample of the moment that it began is partly of before.
  const after = latest.filter((one) => one.at - reading.periodMs >= since);
  const last = after.length >= 2 ? after : latest;
  return last.reduce((sum, one) => sum + one.value, 0) / ((last.length * reading.periodMs) / 1000);
}

/** When the present backlog is gone; null where that is not known. */
function clearText(
  pending: Reading | undefined,
  added: Reading | undefined,
  processed: Reading | undefined,
  since: number,
): string {
  const waiting = pending?.samples.at(-1)?.value;
  const [inflow, drain] = [rateOf(added, since), rateOf(processed, since)];
  if (waiting === undefined || drain === null) return '';
  if (drain === 0) return ' Nothing is worked off.';
  const net = drain - (inflow ?? 0);
  if (net <= 0)
    return ` ${count(drain, 1)} rows a second are worked off, which is less than is added: it does not clear.`;
  return ` At ${count(drain, 1)} rows a second it is clear in ${duration(waiting / net)}.`;
}

/**
 * When it began: at the first sample of the run above what is usual, or when the row that is the oldest there was added,
 * which is earlier. The limit is crossed only minutes later.
 */
function beganAt(oldest: Reading, usual: number, crossed: Interval): Interval {
  const first = usual > 0 ? beyond(oldest, { limit: usual })?.onset : undefined;
  const { earliest, latest } = first ?? crossed;
  const age = oldest.samples.find((one) => one.at === latest)?.value ?? 0;
  return { earliest: Math.min(earliest, latest - age * 1000), latest };
}

export const detector = defineDetector({
  id: 'outbox-backlog',
  title: 'Outbox backlog',
  why: 'What was written does not reach the search index or whoever waits for it: users see what is old, and do not find what is new.',
  runbook: 'Search Service / Search Not Returning Results',
  target: 'database',
  signals: {
    oldest: {
      signal: 'outbox_oldest_seconds',
      unit: 's',
      required: true,
      description: 'age of the oldest row that waits; 0 when none does',
    },
    pending: { signal: 'outbox_pending', unit: 'count', required: false, description: 'rows that wait' },
    added: { signal: 'outbox_added', unit: 'count', required: false, description: 'rows added' },
    processed: { signal: 'outbox_processed', unit: 'count', required: false, description: 'rows worked off' },
  },
  options: {
    ...lifecycleOptions({ pollSeconds: 60, holdSeconds: 0, clearPolls: 3, clearSeconds: 300 }),
    minimumAgeSeconds: number(120, 'age of the oldest row from which on it may be a backlog', {
      unit: 's',
      minimum: 1,
      maximum: 86_400,
    }),
    riseRatio: number(3, 'and this many times the upper end of its baseline', { unit: '×', minimum: 1 }),
    needPeriods: integer(2, 'periods above the limit, of the last three', { unit: 'periods', minimum: 1, maximum: 3 }),
    minimumPending: integer(200, 'rows that wait, from which on their growth may be a backlog', {
      unit: 'rows',
      minimum: 1,
    }),
    growSeconds: integer(600, 'how long they must have grown', { unit: 's', minimum: 60, maximum: 3600 }),
    criticalSeconds: number(1800, 'age of the oldest row from which on it is critical', { unit: 's', minimum: 1 }),
    table: {
      type: 'string',
      default: 'search.outbox',
      description: 'schema and name of the outbox, for the evidence and the commands',
    },
    workerLogGroup: {
      type: 'string',
      default: '/aws/lambda/rastup-search-indexer',
      description: 'log group of the worker, for the commands',
    },
  },
  rule({ options: o, readings, target, active }) {
    const [oldest] = readings('outbox_oldest_seconds');
    const [pending] = readings('outbox_pending');
    const latest = oldest?.samples.at(-1);
    if (oldest === undefined || latest === undefined) return { state: 'no_data', signals: ['outbox_oldest_seconds'] };
    const usual = latest.band.ready ? latest.band.upper : 0;
    const limit = Math.max(o.minimumAgeSeconds, o.riseRatio * usual);
    const old = beyond(oldest, { limit, clear: limit * 0.8, need: o.needPeriods, of: 3 }, active(''));
    const symptoms: RuleSymptom[] = [];
    const waiting = pending?.samples.at(-1);
    const clear = (since: number): string =>
      clearText(pending, readings('outbox_added')[0], readings('outbox_processed')[0], since);
    const rows = waiting === undefined ? '' : `, ${plural(waiting.value, 'row waits', 'rows wait')}`;
    const all = points([oldest, pending, ...readings('outbox_added'), ...readings('outbox_processed')]);
    const upper = latest.band.ready ? ` (usually at most ${duration(latest.band.upper)})` : '';
    if (old !== null) {
      const severity: Severity = old.latest.value >= o.criticalSeconds ? 'critical' : 'error';
      const onset = beganAt(oldest, usual, old.onset);
      symptoms.push({
        subject: '',
        severity,
        headline: `outbox ${duration(old.latest.value)} behind${rows}`,
        summary: `The oldest row of ${o.table} in ${target.name} waits for ${duration(old.latest.value)}${upper}${rows}.${clear(onset.earliest)}`,
        onset,
        readings: all,
      });
    } else if (pending !== undefined && waiting?.band.ready === true) {
      const high = Math.max(o.minimumPending, waiting.band.upper);
      const slope = slopePerSecond(pending.samples, o.growSeconds * 1000);
      const many = beyond(pending, { limit: high, clear: high }, active(''));
      const covered = pending.samples[0]!.at <= waiting.at - o.growSeconds * 1000;
      const gained = (slope ?? 0) * o.growSeconds;
      // Half as many again within the time: not the ups and downs of a busy table.
      const grows = covered && many !== null && gained >= Math.max(high * 0.5, waiting.value * 0.25);
      if (many !== null && (grows || (active('') && (slope ?? 0) > 0))) {
        const onset = beyond(pending, { limit: waiting.band.upper })?.onset ?? many.onset;
        symptoms.push({
          subject: '',
          severity: 'warning',
          headline: `outbox grows: ${plural(waiting.value, 'row waits', 'rows wait')}`,
          summary: `${plural(waiting.value, 'row waits', 'rows wait')} in ${o.table} in ${target.name} (usually at most ${count(waiting.band.upper)}), and ${count(Math.max(0, slope ?? 0), 1)} more each second.${clear(onset.earliest)}`,
          onset,
          readings: all,
        });
      }
    }
    return { state: 'judged', at: latest.at, symptoms };
  },
  hypotheses,
  mitigations: mitigationsOf(
    hypotheses,
    searchMitigations,
    outboxMitigations,
    lockContentionMitigations,
    slowQueryMitigations,
  ),
});
