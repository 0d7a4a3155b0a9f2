import {
  beyond,
  count,
  type Departure,
  databaseSaturatedHypotheses,
  databaseSaturatedMitigations,
  defineDetector,
  type Interval,
  integer,
  lifecycleOptions,
  lockContentionHypotheses,
  lockContentionMitigations,
  milliseconds,
  nPlusOneHypotheses,
  nPlusOneMitigations,
  number,
  percent,
  plural,
  points,
  type Reading,
  type RuleContext,
  type Sample,
  type Severity,
  slowQueryHypotheses,
  slowQueryMitigations,
  times,
} from 'runbookd/sdk';

const options = {
  ...lifecycleOptions({ pollSeconds: 60, holdSeconds: 120, clearPolls: 2, clearSeconds: 600 }),
  riseRatio: number(2, 'mean time against before, from which on a statement is slow', { unit: 'ratio', minimum: 1 }),
  floorMs: number(20, 'and this much more than before', { unit: 'ms', minimum: 0 }),
  minCalls: integer(50, 'and this many calls in the window', { unit: 'calls', minimum: 1 }),
  minShare: number(0.1, 'and this share of the time of all statements', { unit: 'ratio', minimum: 0, maximum: 1 }),
  windowPolls: integer(5, 'polls that are summed', { unit: 'polls', minimum: 1, maximum: 30 }),
  minLifetimeCalls: integer(100, 'calls before, without which a life is nothing to compare with', {
    unit: 'calls',
    minimum: 1,
  }),
  newHours: number(24, 'how long a statement is new', { unit: 'h', minimum: 0 }),
  newCalls: integer(5, 'calls in the window from which a new or spilling statement counts', {
    unit: 'calls',
    minimum: 1,
  }),
  newLoadRatio: number(1.5, 'time of all statements against that before it came, from which a new one harms', {
    unit: 'ratio',
    minimum: 1,
  }),
  callsRatio: number(2, 'calls a second against before, from which on a statement is called too often', {
    unit: 'ratio',
    minimum: 1,
  }),
  flatShare: number(0.2, 'difference of the mean within which each call is as fast as before', {
    unit: 'ratio',
    minimum: 0,
  }),
  spillBlocks: integer(1000, 'temporary blocks (8 kB) a call, from which on a statement spills', {
    unit: 'blocks',
    minimum: 1,
  }),
  loadFloor: number(20, 'time a second below which new, frequent and spilling statements harm nobody', {
    unit: 'ms/s',
    minimum: 0,
  }),
};

type Options = { readonly [K in keyof typeof options]: (typeof options)[K]['default'] };

/** Everything that is known of one statement over the window; `before` is null without one. */
interface Statement {
  readonly queryid: string;
  readonly mean: Reading;
  readonly calls: Reading | undefined;
  readonly temp: Reading | undefined;
  readonly meanMs: number;
  readonly callsInWindow: number;
  /** Polls of the window in which it was called. */
  readonly polls: number;
  readonly callsPerSecond: number;
  readonly share: number;
  readonly before: number | null;
  readonly callsBefore: number | null;
  readonly knownSeconds: number | null;
}

/** Why a statement is a symptom, in words for the summary, and since when. */
interface Found {
  readonly statement: Statement;
  readonly text: string;
  readonly headline: string;
  readonly onset: Interval;
  readonly readings: readonly (Reading | undefined)[];
  /** The harm grows with the traffic alone: told, but not paged. */
  readonly traffic: boolean;
}

function statementsOf({ readings }: RuleContext<Options>, total: Reading, o: Options): readonly Statement[] {
  const byId = (signal: string): ReadonlyMap<string, Reading> =>
    new Map(
      readings(signal).flatMap((one) => (one.labels['queryid'] === undefined ? [] : [[one.labels['queryid'], one]])),
    );
  const [counts, rates] = [byId('statement_calls'), byId('statement_calls_per_second')];
  const [known, temps] = [byId('statement_known_seconds'), byId('statement_temp_blocks_per_call')];
  const [lives, livedCalls] = [byId('statement_lifetime_mean_ms'), byId('statement_lifetime_calls')];
  // The polls as they came, not as they were planned: a late poll has a longer interval, and its rate weighs more.
  const beforeWindow = total.samples.at(-o.windowPolls - 1);
  const from = beforeWindow?.at ?? Number.NEGATIVE_INFINITY;
  const inWindow = (reading: Reading | undefined): readonly Sample[] =>
    reading?.samples.filter((sample) => sample.at > from) ?? [];
  const allMs = inWindow(total).reduce((all, sample, index, samples) => {
    const previous = samples[index - 1] ?? beforeWindow;
    return all + sample.value * ((previous === undefined ? total.periodMs : sample.at - previous.at) / 1000);
  }, 0);
  return [...byId('statement_mean_ms')].flatMap(([queryid, mean]): readonly Statement[] => {
    const means = inWindow(mean);
    const callsAt = new Map(inWindow(counts.get(queryid)).map((sample) => [sample.at, sample.value]));
    const calls = [...callsAt.values()].reduce((all, one) => all + one, 0);
    const ownMs = means.reduce((all, sample) => all + sample.value * (callsAt.get(sample.at) ?? 0), 0);
    if (means.length === 0 || calls === 0 || allMs === 0) return [];
    const band = mean.samples.at(-1)?.band;
    const rate = rates.get(queryid);
    const lived = lifetimeMean(lives.get(queryid), livedCalls.get(queryid), o);
    return [
      {
        queryid,
        mean,
        calls: rate,
        temp: temps.get(queryid),
        meanMs: ownMs / calls,
        callsInWindow: calls,
        polls: means.length,
        callsPerSecond: sum(inWindow(rate)) / means.length,
        share: Math.min(1, ownMs / allMs),
        before: band?.ready ? band.expected : lived,
        callsBefore: usualOf(rate, o),
        knownSeconds: known.get(queryid)?.samples.at(-1)?.value ?? null,
      },
    ];
  });
}

const sum = (samples: readonly Sample[]): number => samples.reduce((all, sample) => all + sample.value, 0);

/** The life's mean as it stood at the oldest reading with enough calls: newer ones hold more of what is to be judged. */
function lifetimeMean(mean: Reading | undefined, calls: Reading | undefined, o: Options): number | null {
  const enough = calls?.samples.find((sample) => sample.value >= o.minLifetimeCalls);
  if (enough === undefined) return null;
  return mean?.samples.find((sample) => sample.at >= enough.at)?.value ?? null;
}

/** What is usual of a reading: its band, else the median of the older half of what is kept of it. */
function usualOf(reading: Reading | undefined, o: Options): number | null {
  const band = reading?.samples.at(-1)?.band;
  if (reading === undefined || band === undefined) return null;
  if (band.ready) return band.expected;
  const { samples } = reading;
  const older = samples.slice(0, Math.min(Math.ceil(samples.length / 2), samples.length - o.windowPolls));
  return older.length < o.windowPolls ? null : median(older);
}

function median(samples: readonly Sample[]): number {
  const values = samples.map((sample) => sample.value).sort((a, b) => a - b);
  return values[Math.floor((values.length - 1) / 2)] ?? 0;
}

/** In the order in which a statement's trouble is best told: slower, spilling, new, called too often. */
function judgeStatement(
  one: Statement,
  total: Reading,
  o: Options,
  active: boolean,
  othersUp: number | null,
): Found | null {
  if (one.share < (active ? 0.8 : 1) * o.minShare) return null;
  // Not called in the newest poll: whatever it did, a bulk load for one, it does no more.
  if (one.mean.samples.at(-1)?.at !== total.samples.at(-1)?.at) return null;
  const load = one.callsPerSecond * one.meanMs >= o.loadFloor;
  const of = `${percent(one.share)} of database time`;
  const known = one.before !== null && one.before > 0;
  const before = one.before ?? 0;
  const limit = Math.max(o.riseRatio * before, before + o.floorMs);
  const clear = limit - 0.2 * (limit - before);
  const slow = beyond(one.mean, { limit, clear }, active);
  const isSlow =
    known && slow !== null && one.meanMs >= (active ? clear : limit) && one.callsInWindow >= (active ? 1 : o.minCalls);
  const statement = `statement ${one.queryid}`;
  if (isSlow) {
    const rise = `${times(one.meanMs / before)} slower`;
    const figures = `${milliseconds(one.meanMs)} a call, before ${milliseconds(before)}`;
    return found(one, slow, `${statement} is ${rise} (${figures}, ${of})`, `${statement} ${rise} (${figures}), ${of}`, [
      one.mean,
    ]);
  }
  if (!load) return null;
  const repeats = one.callsInWindow >= o.newCalls && one.polls >= 2;
  const spill = one.temp === undefined || !(repeats || active) ? null : spilling(one.temp, o, active);
  if (spill !== null && one.meanMs >= before + o.floorMs) {
    const figures = `${count(spill.latest.value)} temporary blocks a call`;
    return found(one, spill, `${statement} spills to disk (${figures}, ${of})`, `${statement} spills to disk, ${of}`, [
      one.mean,
      one.temp,
    ]);
  }
  if (repeats && isHarmfullyNew(one, total, o, active)) {
    const last = one.mean.samples.at(-1)?.at ?? 0;
    const first = one.mean.samples[0]?.at ?? last;
    const onset = { earliest: Math.min(first, last - (one.knownSeconds ?? 0) * 1000), latest: first };
    const figures = `${milliseconds(one.meanMs)} a call`;
    return {
      statement: one,
      onset,
      readings: [one.mean],
      traffic: false,
      text: `${statement} is new (${figures}, ${of})`,
      headline: `new statement ${one.queryid} takes ${of}`,
    };
  }
  return calledTooOften(one, o, active, othersUp, of);
}

/**
 * New, asked again and again, and the database does more than before it came. Whoever has not watched it without the
 * statement cannot say that: after a start everything is new.
 */
function isHarmfullyNew(one: Statement, total: Reading, o: Options, active: boolean): boolean {
  if (one.knownSeconds === null || one.knownSeconds >= o.newHours * 3600) return false;
  if (one.meanMs < o.floorMs) return false;
  const last = total.samples.at(-1);
  if (last === undefined) return false;
  const cameAt = last.at - one.knownSeconds * 1000;
  const without = total.samples.filter((sample) => sample.at < cameAt);
  // The band was learned before, and stands still while this fires; the samples before it leave the hour in time.
  const usual = last.band.ready ? last.band.expected : without.length < o.windowPolls ? null : median(without);
  const ratio = active ? 1 + 0.8 * (o.newLoadRatio - 1) : o.newLoadRatio;
  return usual !== null && last.value >= ratio * usual;
}

function spilling(temp: Reading, o: Options, active: boolean): Departure | null {
  const usual = usualOf(temp, o) ?? 0;
  const limit = Math.max(o.spillBlocks, 2 * usual);
  return beyond(temp, { limit, clear: limit - 0.2 * (limit - usual) }, active);
}

function calledTooOften(
  one: Statement,
  o: Options,
  active: boolean,
  othersUp: number | null,
  of: string,
): Found | null {
  const { callsBefore, before } = one;
  if (callsBefore === null || callsBefore <= 0 || before === null || one.calls === undefined) return null;
  const up = one.callsPerSecond / callsBefore;
  const flat = Math.abs(one.meanMs - before) <= Math.max(o.flatShare * before, 0.5);
  const limit = o.callsRatio * callsBefore;
  const departure = beyond(one.calls, { limit, clear: limit - 0.2 * (limit - callsBefore) }, active);
  if (departure === null || !flat || up < (active ? 1 : o.callsRatio) || one.callsInWindow < o.minCalls) return null;
  const figures = `${one.callsPerSecond.toFixed(1)} calls/s, before ${callsBefore.toFixed(1)}/s`;
  const text = `statement ${one.queryid} is called ${times(up)} as often (${figures}, ${of})`;
  const traffic = othersUp !== null && othersUp >= 0.6 * up;
  return { ...found(one, departure, text, text.replace(' is called', ' called'), [one.calls, one.mean]), traffic };
}

function found(
  statement: Statement,
  departure: Departure,
  text: string,
  headline: string,
  readings: Found['readings'],
): Found {
  return { statement, text, headline, onset: departure.onset, readings, traffic: false };
}

export const detector = defineDetector({
  id: 'slow-queries',
  title: 'Slow queries',
  why: 'A statement that takes far more of the database than before slows down everything that shares it.',
  runbook: 'High Latency / Slow Database Queries',
  target: 'database',
  signals: {
    time: {
      signal: 'statement_time_ms_per_second',
      unit: 'ms',
      required: true,
      description: 'time of all statements, a second',
    },
    mean: { signal: 'statement_mean_ms', unit: 'ms', required: false, description: 'mean time of a call, by queryid' },
    calls: { signal: 'statement_calls', unit: 'count', required: false, description: 'calls in the poll, by queryid' },
    rate: {
      signal: 'statement_calls_per_second',
      unit: 'per_second',
      required: false,
      description: 'calls a second: of all, and by queryid',
    },
    lifetimeMean: {
      signal: 'statement_lifetime_mean_ms',
      unit: 'ms',
      required: false,
      description: 'mean time of a call in its whole life, by queryid',
    },
    lifetimeCalls: {
      signal: 'statement_lifetime_calls',
      unit: 'count',
      required: false,
      description: 'calls in its whole life, by queryid',
    },
    known: {
      signal: 'statement_known_seconds',
      unit: 's',
      required: false,
      description: 'how long the statement has been known, by queryid',
    },
    temp: {
      signal: 'statement_temp_blocks_per_call',
      unit: 'count',
      required: false,
      description: 'temporary blocks a call, by queryid',
    },
  },
  options,
  rule(context) {
    const { options: o, readings, active } = context;
    const total = readings('statement_time_ms_per_second')[0];
    const at = total?.samples.at(-1)?.at;
    if (total === undefined || at === undefined) return { state: 'no_data', signals: ['statement_time_ms_per_second'] };
    const statements = statementsOf(context, total, o);
    const all = readings('statement_calls_per_second').find((one) => one.labels['queryid'] === undefined);
    const wasActive = active('');
    const symptoms = statements
      .flatMap((one) => judgeStatement(one, total, o, wasActive, othersRatio(all, one, o)) ?? [])
      .sort((a, b) => b.statement.share - a.statement.share || (a.statement.queryid < b.statement.queryid ? -1 : 1))
      .slice(0, 3);
    const [worst] = symptoms;
    if (worst === undefined) return { state: 'judged', at, symptoms: [] };
    const usual = usualOf(total, o);
    const now = total.samples.at(-1)?.value ?? 0;
    const up = usual === null || usual <= 0 ? null : now / usual;
    const busy =
      up === null ? '' : ` All statements take ${Math.round(now)} ms/s, before ${Math.round(usual ?? 0)} ms/s.`;
    const more = symptoms.length === 1 ? '' : `, and ${plural(symptoms.length - 1, 'more', 'more')}`;
    const severity: Severity = symptoms.every((one) => one.traffic) ? 'info' : (up ?? 1) >= 2 ? 'error' : 'warning';
    return {
      state: 'judged',
      at,
      symptoms: [
        {
          subject: '',
          severity,
          headline: `${worst.headline}${more}`,
          summary: `On ${context.target.name} ${symptoms.map((one) => one.text).join('; ')}.${busy}`,
          onset: {
            earliest: Math.min(...symptoms.map((one) => one.onset.earliest)),
            latest: Math.min(...symptoms.map((one) => one.onset.latest)),
          },
          readings: points([...symptoms.flatMap((one) => one.readings), total]),
        },
      ],
    };
  },
  hypotheses: [
    ...slowQueryHypotheses(),
    ...nPlusOneHypotheses(),
    ...databaseSaturatedHypotheses(),
    // Waiting for a lock makes a statement slow too; it explains it only where many sessions wait.
    ...lockContentionHypotheses({ priorScale: 0.5, minimumShare: 0.1 }),
  ],
  mitigations: {
    ...slowQueryMitigations,
    ...nPlusOneMitigations,
    ...databaseSaturatedMitigations,
    ...lockContentionMitigations,
  },
});

/** Calls a second of all other statements against before; null when not known. */
function othersRatio(all: Reading | undefined, one: Statement, o: Options): number | null {
  const usual = usualOf(all, o);
  const now = all?.samples.slice(-o.windowPolls) ?? [];
  if (usual === null || one.callsBefore === null || now.length === 0) return null;
  const before = usual - one.callsBefore;
  const mean = now.reduce((sum, sample) => sum + sample.value, 0) / now.length;
  return before <= 0 ? null : (mean - one.callsPerSecond) / before;
}
