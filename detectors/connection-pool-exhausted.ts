import {
  connectionPoolHypotheses,
  connectionPoolMitigations,
  databaseSaturatedHypotheses,
  databaseSaturatedMitigations,
  defineDetector,
  type EpochMs,
  type Interval,
  integer,
  lifecycleOptions,
  lockContentionHypotheses,
  lockContentionMitigations,
  number,
  percent,
  points,
  type Reading,
} from 'runbookd/sdk';

interface Share {
  readonly at: EpochMs;
  readonly used: number;
  readonly usable: number;
  readonly percent: number;
}

/** Each sample of used slots beside the usable ones as they were then. */
function shares(used: Reading, usable: Reading): readonly Share[] {
  return used.samples.flatMap((sample) => {
    const limit = usable.samples.findLast((one) => one.at <= sample.at) ?? usable.samples[0];
    if (limit === undefined || limit.value <= 0) return [];
    return [{ at: sample.at, used: sample.value, usable: limit.value, percent: (sample.value / limit.value) * 100 }];
  });
}

interface Limits {
  readonly warnPercent: number;
  readonly criticalPercent: number;
  readonly clearPercent: number;
  readonly criticalClearPercent: number;
}

type Level = 'none' | 'warning' | 'critical';

/** The level after a sample: up at once, down only below the clearing limits. */
function next(level: Level, { percent: now }: Share, limits: Limits): Level {
  if (now >= limits.criticalPercent) return 'critical';
  if (level === 'critical' && now >= limits.criticalClearPercent) return 'critical';
  if (now >= limits.warnPercent) return 'warning';
  return level !== 'none' && now >= limits.clearPercent ? 'warning' : 'none';
}

export const detector = defineDetector({
  id: 'connection-pool-exhausted',
  title: 'Connection pool exhausted',
  why: 'When the last slot is taken, every new connection is refused: requests fail at once, and so does the way in for on-call.',
  runbook: 'Database / Connection Pool Exhausted',
  target: 'database',
  signals: {
    used: { signal: 'connections_used', unit: 'count', required: true, description: 'connection slots that are taken' },
    usable: {
      signal: 'connections_usable',
      unit: 'count',
      required: true,
      description: 'slots that an ordinary role can take: max_connections less the reserved ones',
    },
  },
  options: {
    ...lifecycleOptions({ pollSeconds: 15, holdSeconds: 30, clearPolls: 2, clearSeconds: 0 }),
    warnPercent: number(80, 'used share of the usable slots from which it is a symptom', {
      unit: '%',
      minimum: 1,
      maximum: 100,
    }),
    criticalPercent: number(90, 'used share from which it is critical', { unit: '%', minimum: 1, maximum: 100 }),
    clearPercent: number(70, 'used share below which it clears', { unit: '%', minimum: 0, maximum: 100 }),
    criticalClearPercent: number(80, 'used share below which it is no longer critical', {
      unit: '%',
      minimum: 0,
      maximum: 100,
    }),
    needPolls: integer(2, 'polls in a row over the limit before it is a symptom', {
      unit: 'polls',
      minimum: 1,
      maximum: 20,
    }),
  },
  rule({ options, readings, target, active }) {
    const [used] = readings('connections_used');
    const [usable] = readings('connections_usable');
    const seen = used === undefined || usable === undefined ? [] : shares(used, usable);
    const latest = seen.at(-1);
    if (used === undefined || usable === undefined || latest === undefined) {
      return { state: 'no_data', signals: ['connections_used', 'connections_usable'] };
    }
    const levels: Level[] = [];
    for (const share of seen) levels.push(next(levels.at(-1) ?? (active('') ? 'warning' : 'none'), share, options));
    const level = levels.at(-1) ?? 'none';
    const polls = seen.slice(-options.needPolls);
    const held = polls.length >= options.needPolls && polls.every((share) => share.percent >= options.warnPercent);
    if (level === 'none' || !(held || active(''))) return { state: 'judged', at: latest.at, symptoms: [] };
    const first = levels.lastIndexOf('none') + 1;
    const onset: Interval = {
      earliest: seen[first - 1]?.at ?? seen[first]!.at - used.periodMs,
      latest: seen[first]!.at,
    };
    const free = Math.max(0, latest.usable - latest.used);
    const taken = `${latest.used} of ${latest.usable}`;
    return {
      state: 'judged',
      at: latest.at,
      symptoms: [
        {
          subject: '',
          severity: level === 'critical' ? 'critical' : 'warning',
          headline: `${taken} connection slots taken`,
          summary: `${taken} connection slots of ${target.name} are taken (${percent(latest.percent / 100)}), ${free} ${free === 1 ? 'is' : 'are'} free. When none is, new connections are refused.`,
          onset,
          readings: points([used, usable]),
        },
      ],
    };
  },
  hypotheses: [
    ...connectionPoolHypotheses(),
    ...lockContentionHypotheses({ priorScale: 0.25, minimumShare: 0.15 }),
    ...databaseSaturatedHypotheses().map((hypothesis) => ({
      ...hypothesis,
      prior: 0.06,
      mitigations: ['saturated-waits'],
    })),
  ],
  mitigations: { ...connectionPoolMitigations, ...lockContentionMitigations, ...databaseSaturatedMitigations },
});
