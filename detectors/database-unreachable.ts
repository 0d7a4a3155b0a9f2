import {
  beyond,
  defineDetector,
  duration,
  integer,
  lifecycleOptions,
  plural,
  points,
  unreachableHypotheses,
  unreachableMitigations,
} from 'runbookd/sdk';

export const detector = defineDetector({
  id: 'database-unreachable',
  title: 'Database unreachable',
  why: 'Nothing that needs the database works, and everything else that we know of it is growing old.',
  runbook: 'Service Unavailable / Database Unreachable',
  target: 'database',
  signals: {
    reachable: {
      signal: 'reachable',
      unit: 'bool',
      required: true,
      description: '1 when a poll got a session and an answer, 0 when not',
    },
  },
  options: {
    ...lifecycleOptions({ pollSeconds: 15, holdSeconds: 0, clearPolls: 2, clearSeconds: 0 }),
    needPolls: integer(2, 'failed polls before it is a symptom', { unit: 'polls', minimum: 1, maximum: 20 }),
    ofPolls: integer(3, 'of the last this many polls', { unit: 'polls', minimum: 1, maximum: 20 }),
  },
  rule({ options, readings, target, active }) {
    const [reachable] = readings('reachable');
    const latest = reachable?.samples.at(-1);
    if (reachable === undefined || latest === undefined) return { state: 'no_data', signals: ['reachable'] };
    const found = beyond(
      reachable,
      { limit: 0.5, direction: 'below', need: options.needPolls, of: Math.max(options.ofPolls, options.needPolls) },
      active(''),
    );
    if (found === null) return { state: 'judged', at: latest.at, symptoms: [] };
    const run = reachable.samples.filter((sample) => sample.at >= found.onset.latest);
    const failed = run.filter((sample) => sample.value < 0.5).length;
    const since = duration((latest.at - found.onset.latest) / 1000);
    const good = reachable.samples.findLast((sample) => sample.value >= 0.5);
    const before =
      good === undefined
        ? 'No poll before that is known.'
        : `The last good one was ${ago(latest.at - good.at)} earlier.`;
    return {
      state: 'judged',
      at: latest.at,
      symptoms: [
        {
          subject: '',
          severity: 'critical',
          headline: `unreachable for ${since}`,
          summary: `${target.name} could not be reached in ${failed} of the last ${plural(run.length, 'poll')}, since at least ${since}. ${before}`,
          onset: found.onset,
          readings: points([reachable]),
        },
      ],
    };
  },
  hypotheses: unreachableHypotheses(),
  mitigations: unreachableMitigations,
});

function ago(ms: number): string {
  return duration(ms / 1000);
}
