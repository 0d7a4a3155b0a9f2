import { pino } from 'pino';
import { expect, test } from 'vitest';
import { detector as unreadable } from '../detectors/source-unreadable.ts';
import { createBaselines } from './baseline/baselines.ts';
import { optionValues } from './detect/options.ts';
import type { Notification, PollResult, Source, Target } from './model/index.ts';
import { RunbookdError } from './model/index.ts';
import { createPipeline } from './pipeline.ts';
import type { AnyDetector } from './sdk/detector.ts';
import { ask, defineDetector, probe } from './sdk/detector.ts';
import { neutral } from './sdk/evidence.ts';
import { lifecycleOptions } from './sdk/options.ts';
import { openSqliteStore } from './store/sqlite.ts';

const TARGET: Target = { name: 'main-db', kind: 'database', dependsOn: [], slots: {} };
const T0 = Date.UTC(2026, 10, 23, 14, 0, 0);
const STEP_MS = 15_000;

/** Fires while the signal `level` is above zero; `broken` says where its probe throws. */
function detectorWith(broken: 'ask' | 'judge' | 'rule' | null): AnyDetector {
  return defineDetector({
    id: 'level',
    title: 'Level',
    why: 'w',
    runbook: 'Test',
    target: 'database',
    signals: { level: { signal: 'level', unit: 'count', required: true, description: 'd' } },
    options: { ...lifecycleOptions({ pollSeconds: 15, holdSeconds: 0, clearPolls: 2, clearSeconds: 0 }) },
    rule({ readings }) {
      if (broken === 'rule') throw new Error('rule broke');
      const latest = readings('level')[0]?.samples.at(-1);
      if (latest === undefined) return { state: 'no_data', signals: ['level'] };
      const symptom = {
        subject: '',
        severity: 'critical',
        headline: 'level is up',
        summary: 'level is up.',
        onset: { earliest: latest.at, latest: latest.at },
        readings: [],
      } as const;
      return { state: 'judged', at: latest.at, symptoms: latest.value > 0 ? [symptom] : [] };
    },
    hypotheses: [
      {
        cause: 'some-cause',
        title: 'Some cause',
        prior: 0.2,
        on: 'self',
        mitigations: ['look'],
        probes: [
          probe<'changes'>({
            id: 'p',
            factor: 'f',
            title: 'look',
            ask(_symptom, facts) {
              if (broken === 'ask') throw new Error('ask broke');
              return ask('changes', facts, {});
            },
            judge() {
              if (broken === 'judge') throw new Error('judge broke');
              return neutral('nothing');
            },
          }),
        ],
      },
    ],
    mitigations: { look: { title: 'Look', risk: 'read-only', riskText: '', command: 'true' } },
  });
}

/** `levels` are the polls; null reads another signal, and `fails` makes the poll reject. */
async function start(
  detector: AnyDetector,
  levels: readonly (number | null | 'fails')[],
  more: { readonly targets?: readonly Target[]; readonly detectors?: readonly AnyDetector[] } = {},
) {
  let now = T0;
  let next = 0;
  const notified: Notification[] = [];
  const failures: string[] = [];
  const log = pino({ level: 'silent' });
  const store = await openSqliteStore({ path: ':memory:', log, now: () => now });
  const source: Source = {
    name: 'fake',
    groups: ['g'],
    async poll(): Promise<PollResult> {
      const level = levels[next++] ?? null;
      if (level === 'fails') throw new RunbookdError('AWS_DENIED', ['default', 'cloudwatch:GetMetricData']);
      const series = {
        target: 'main-db',
        signal: level === null ? 'other' : 'level',
        labels: {},
        unit: 'count',
        periodMs: STEP_MS,
        times: Float64Array.of(now),
        values: Float64Array.of(level ?? 1),
      } as const;
      return { series: [series], changes: [], blind: [] };
    },
    answers: () => false,
    answer: () => Promise.reject(new Error('not asked')),
    snapshot: () => null,
    restore: () => undefined,
    close: async () => undefined,
  };
  const pipeline = createPipeline({
    installation: 'test',
    sources: [source],
    targets: [TARGET, ...(more.targets ?? [])],
    detectors: [detector, ...(more.detectors ?? [])],
    values: (id) => optionValues([detector, ...(more.detectors ?? [])].find((one) => one.id === id) ?? detector),
    baselines: createBaselines({ learningHorizonMs: 900_000 }),
    store,
    signalsOf: () => new Set(['level']),
    channels: ['test'],
    render: { commands: 'runbook', overrides: {} },
    contactOf: () => null,
    incidentUrl: () => null,
    newId: () => `id${next}-${notified.length}-${now}`,
    now: () => now,
    stopping: new AbortController().signal,
    log,
    onCycle: (cycle) => notified.push(...cycle.notified),
    onDetectorError: (id) => failures.push(id),
  });
  for (let poll = 0; poll < levels.length; poll++) {
    now += STEP_MS;
    await pipeline.poll(source, 'g', new AbortController().signal).catch((error: unknown) => {
      if (levels[poll] !== 'fails') throw error;
    });
  }
  return { notified, failures, pipeline, store };
}

test('a symptom pages once and resolves after two clean polls', async () => {
  const { notified } = await start(detectorWith(null), [0, 1, 1, 0, 0, 0]);
  expect(notified.map((one) => one.kind)).toEqual(['trigger', 'resolve']);
});

test('missing data neither resolves nor pages again', async () => {
  const { notified, pipeline } = await start(detectorWith(null), [1, ...Array.from({ length: 20 }, () => null)]);
  expect(notified.map((one) => one.reason)).toEqual(['first notification', 'cannot see any more']);
  expect(pipeline.incidents()).toHaveLength(1);
});

test.each(['ask', 'judge'] as const)('a probe whose %s throws costs the diagnosis, not the page', async (broken) => {
  const { notified, failures } = await start(detectorWith(broken), [1, 1, 0, 0]);
  expect(notified.map((one) => one.kind)).toEqual(['trigger', 'resolve']);
  expect(failures).toEqual(broken === 'ask' ? ['level'] : []);
});

test('a rule that throws is told of and pages nothing', async () => {
  const { notified, failures } = await start(detectorWith('rule'), [1, 1]);
  expect(notified).toEqual([]);
  expect(failures).toEqual(['level', 'level']);
});

test('what is on disk after a restart is taken up: no second page, and the resolve comes', async () => {
  const first = await start(detectorWith(null), [1]);
  const saved = await first.store.load();
  expect(saved.findings).toHaveLength(1);
  expect(saved.incidents).toMatchObject([{ state: 'open', log: [{ reason: 'first notification' }] }]);
});

test('an open finding is told that nothing can be seen any more when its source only fails', async () => {
  const fails = Array.from({ length: 20 }, () => 'fails' as const);
  const { pipeline } = await start(detectorWith(null), [1, 1, ...fails]);
  expect(pipeline.findings()).toMatchObject([{ state: 'firing', noData: true }]);
  expect(pipeline.blindness()).toMatchObject([{ target: 'main-db', because: 'denied' }]);
});

test('a source of which three polls in a row read nothing is an incident of its own, until it is read again', async () => {
  const more = {
    targets: [{ name: 'fake', kind: 'source', dependsOn: [], slots: {} }] as const,
    detectors: [unreadable],
  };
  const blind = await start(detectorWith(null), [0, 'fails', 'fails', 'fails'], more);
  expect(blind.notified.map((one) => one.kind)).toEqual(['trigger']);
  expect(blind.notified[0]?.summary).toMatch(/^fake: nothing could be read .* source unreadable$/);
  const well = await start(detectorWith(null), [0, 'fails', 'fails', 'fails', 0, 0], more);
  expect(well.notified.map((one) => one.kind)).toEqual(['trigger', 'resolve']);
  const short = await start(detectorWith(null), [0, 'fails', 'fails', 0], more);
  expect(short.notified).toEqual([]);
});

test('a signal that is hidden is unknown for that reason, and told beside what was seen of it before', async () => {
  const ask = async (levels: Parameters<typeof start>[1]) => {
    const { pipeline } = await start(detectorWith(null), levels);
    const window = { from: T0, to: T0 + 1000 * STEP_MS };
    const question = { kind: 'series', target: 'main-db', window, params: { signal: 'level' } } as const;
    return pipeline.ask(question, new AbortController().signal);
  };
  expect(await ask([null])).toMatchObject({
    state: 'unknown',
    because: 'no_data',
    detail: 'main-db has no signal level',
  });
  expect(await ask([null, 'fails'])).toMatchObject({ state: 'unknown', because: 'denied' });
  expect(await ask([1, 'fails'])).toMatchObject({ state: 'answered', unseen: [{ because: 'denied' }] });
  expect(await ask([1, 'fails', 1])).not.toHaveProperty('unseen');
});
