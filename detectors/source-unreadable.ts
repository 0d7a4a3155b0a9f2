import {
  type AnyProbe,
  ask,
  defineDetector,
  duration,
  type Hypothesis,
  integer,
  lifecycleOptions,
  neutral,
  opposes,
  points,
  probe,
  rightNow,
  type SourceFailureAnswer,
  supports,
} from 'runbookd/sdk';

type Failure = SourceFailureAnswer['failures'][number];

const of = (value: SourceFailureAnswer): Failure | undefined =>
  [...value.failures].sort((a, b) => b.polls - a.polls)[0];

/** The error of the poll that has failed longest: its code decides, its words are shown. */
function codeProbe(codes: RegExp, headline: string): AnyProbe {
  return probe({
    id: 'error',
    factor: 'error',
    title: 'the error of the failed polls',
    ask: (_symptom, facts) => ask('source.failure', facts, {}, rightNow(facts)),
    judge(value, _symptom, facts) {
      const failure = of(value);
      if (failure === undefined) return neutral('the last poll went through');
      const grant = failure.grant === null ? '' : `; to mend it: ${failure.grant}`;
      const since = duration((facts.now - failure.since) / 1000);
      const text = `${failure.group}: ${failure.detail} (${failure.polls} polls in a row, for ${since})${grant}`;
      if (!codes.test(failure.code)) return opposes(4, text, { headline: failure.detail });
      return supports(4, text, { headline });
    },
  });
}

/** Who goes unwatched meanwhile. */
const targetsProbe: AnyProbe = probe({
  id: 'targets',
  factor: 'targets',
  title: 'what the source watches',
  ask: (_symptom, facts) => ask('source.failure', facts, {}, rightNow(facts)),
  judge(value) {
    const { targets } = value;
    if (targets.length === 0)
      return neutral('it has not been read since the start: which targets it shows is not known');
    const some = targets.slice(0, 8).join(', ');
    const more = targets.length > 8 ? ` and ${targets.length - 8} more` : '';
    return neutral(`not seen meanwhile: ${some}${more}`);
  },
});

const hypothesis = (
  variant: string,
  title: string,
  codes: RegExp,
  headline: string,
  mitigations: readonly string[],
): Hypothesis => ({
  cause: 'source-unreadable',
  variant,
  title: `Source cannot be read: ${title}`,
  prior: 0.2,
  on: 'self',
  requires: ['error'],
  probes: [codeProbe(codes, headline), targetsProbe],
  mitigations,
});

export const detector = defineDetector({
  id: 'source-unreadable',
  title: 'Source cannot be read',
  why: 'What runbookd cannot read it cannot watch: an outage of those services would page nobody.',
  runbook: 'General / Gather Information',
  target: 'source',
  signals: {
    failedPolls: {
      signal: 'failed_polls',
      unit: 'count',
      required: true,
      description: 'polls in a row that read nothing, by poll group',
    },
  },
  options: {
    ...lifecycleOptions({ pollSeconds: 60, holdSeconds: 0, clearPolls: 1, clearSeconds: 0 }),
    needPolls: integer(3, 'polls in a row that read nothing before it is a symptom', {
      unit: 'polls',
      minimum: 1,
      maximum: 1000,
    }),
  },
  rule({ options, readings, target }) {
    const all = readings('failed_polls');
    const latest = all.flatMap((reading) => {
      const sample = reading.samples.at(-1);
      return sample === undefined ? [] : [{ reading, sample }];
    });
    if (latest.length === 0) return { state: 'no_data', signals: ['failed_polls'] };
    const at = Math.max(...latest.map(({ sample }) => sample.at));
    const worst = latest.reduce((a, b) => (b.sample.value > a.sample.value ? b : a));
    if (worst.sample.value < options.needPolls) return { state: 'judged', at, symptoms: [] };
    const { samples, periodMs } = worst.reading;
    const good = samples.findLast((sample) => sample.value === 0);
    const first = samples.find((sample) => sample.at > (good?.at ?? Number.NEGATIVE_INFINITY)) ?? worst.sample;
    const lasting = duration((at - first.at) / 1000);
    return {
      state: 'judged',
      at,
      symptoms: [
        {
          subject: '',
          severity: 'error',
          headline: `nothing could be read for ${lasting}`,
          summary: `${worst.sample.value} polls of ${target.name} in a row read nothing, for ${lasting}. What it shows is not watched meanwhile; findings that wait for it stay open.`,
          onset: { earliest: good?.at ?? first.at - periodMs, latest: first.at },
          readings: points([worst.reading]),
        },
      ],
    };
  },
  hypotheses: [
    hypothesis('denied', 'a permission is missing', /_DENIED$/, 'a permission is missing', ['source-check']),
    hypothesis('credentials', 'the credentials are not valid', /_CREDENTIALS$/, 'the credentials are not valid', [
      'source-identity',
      'source-check',
    ]),
    hypothesis('throttled', 'its calls are throttled', /_THROTTLED$/, 'its calls are throttled', ['source-check']),
    hypothesis(
      'unreachable',
      'it does not answer, or not with anything that can be read',
      /_(TIMEOUT|FAILED|ANSWER|DEADLINE)$|^UNKNOWN$/,
      'it does not answer as it should',
      ['source-check'],
    ),
    hypothesis('not-found', 'what is configured is not there', /_NOT_FOUND$/, 'what is configured is not there', [
      'source-check',
    ]),
  ],
  mitigations: {
    'source-check': {
      title: 'Try every call once, with the permission or setting that each lacks',
      risk: 'read-only',
      riskText: 'reads only',
      command: 'runbookd check',
    },
    'source-identity': {
      title: 'See who AWS takes us for',
      risk: 'read-only',
      riskText: 'reads only; run it where runbookd runs, with its environment',
      command: 'aws sts get-caller-identity',
    },
  },
});
