import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { detectorFiles } from '../../src/detect/load.ts';
import { type Case, questionsOf } from '../../src/diagnose/questions.ts';
import type { Target, TargetKind } from '../../src/model/index.ts';
import type { AnyDetector } from '../../src/sdk/detector.ts';
import { DETECTORS, MAP, type Means } from '../runbook/map.ts';
import { ORIGINAL } from '../runbook/original.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const loaded = await Promise.all(
  detectorFiles(`${ROOT}/detectors`).map(
    async ({ file }) => ((await import(file)) as { readonly detector: AnyDetector }).detector,
  ),
);
const detectors = new Map(loaded.map((one) => [one.id, one]));
const items = ORIGINAL.flatMap((section) => section.items);

/** Every kind of question that some probe asks. */
const asked = new Set(
  loaded.flatMap((detector) => {
    const kinds = ['service', 'database', 'queue', 'search', 'cache', 'dependency'] as const;
    const one = (kind: TargetKind, name: string, dependsOn: readonly string[] = []): Target => ({
      name,
      kind,
      dependsOn,
      slots: {},
    });
    const target = one(detector.target, 'subject', kinds);
    const subject: Case = {
      detector,
      options: Object.fromEntries(Object.entries(detector.options).map(([name, spec]) => [name, spec.default])),
      symptom: {
        detector: detector.id,
        target: 'subject',
        subject: '',
        severity: 'error',
        headline: '',
        summary: '',
        onset: { earliest: 0, latest: 60_000 },
        readings: [],
      },
      target,
      targets: [target, ...kinds.map((kind) => one(kind, kind))],
      now: 120_000,
    };
    return questionsOf(subject).map(({ question }) => question.kind);
  }),
);

const CONTACTS = new Set([
  'default',
  ...['services', 'databases', 'queues', 'searches', 'caches', 'dependencies'],
  ...detectors.keys(),
]);

/** What it names that is not there; null when it is. */
function missing(means: Means): string | null {
  if ('question' in means) return asked.has(means.question) ? null : `no probe asks ${means.question}`;
  if ('contact' in means) return CONTACTS.has(means.contact) ? null : `contacts has no ${means.contact}`;
  if ('part' in means) return existsSync(`${ROOT}/${means.part}`) ? null : `${means.part} is not there`;
  const detector = detectors.get(means.detector);
  if (detector === undefined) return `there is no detector ${means.detector}`;
  const say = (is: boolean, what: string): string | null => (is ? null : `${detector.id} has no ${what}`);
  if ('cause' in means) {
    const { cause, variant } = means;
    const is = detector.hypotheses.some((one) => one.cause === cause && one.variant === variant);
    return say(is, `cause ${cause}${variant === undefined ? '' : ` (${variant})`}`);
  }
  if ('probe' in means) {
    return say(
      detector.hypotheses.some(({ probes }) => probes.some(({ id }) => id === means.probe)),
      `probe ${means.probe}`,
    );
  }
  if ('mitigation' in means) {
    return say(Object.hasOwn(detector.mitigations, means.mitigation), `mitigation ${means.mitigation}`);
  }
  if ('signal' in means) {
    const is = Object.values(detector.signals).some(({ signal }) => signal === means.signal);
    return say(is, `signal ${means.signal}`);
  }
  return null;
}

describe('the map from the runbook as people wrote it', () => {
  test('has every line of it, each once, and no other', () => {
    expect(new Set(items.map(({ id }) => id)).size).toBe(items.length);
    expect(Object.keys(MAP).sort()).toEqual(items.map(({ id }) => id).sort());
    expect(Object.keys(DETECTORS).sort()).toEqual(ORIGINAL.map(({ id }) => id).sort());
  });

  test('leaves no line without what stands for it', () => {
    expect(items.filter(({ id }) => (MAP[id]?.by.length ?? 0) === 0).map(({ id }) => id)).toEqual([]);
  });

  test.each(ORIGINAL)('$title: names only what is there', ({ id, items: lines }) => {
    const wrong = lines.flatMap((line) => (MAP[line.id]?.by ?? []).map(missing).filter((one) => one !== null));
    expect([...wrong, ...(DETECTORS[id] ?? []).filter((name) => !detectors.has(name))]).toEqual([]);
  });

  test('has what can be pasted, or who looks, for every command', () => {
    const idle = items
      .filter(({ kind }) => kind === 'command')
      .filter(
        ({ id }) =>
          !MAP[id]?.by.some((one) => 'mitigation' in one || 'probe' in one || 'question' in one || 'signal' in one),
      );
    expect(idle.map(({ id }) => id)).toEqual([]);
  });

  test('has a cause for every cause', () => {
    const bare = items.filter(({ id, kind }) => kind === 'cause' && !MAP[id]?.by.some((one) => 'cause' in one));
    expect(bare.map(({ id }) => id)).toEqual([]);
  });
});

test('every probe of the map has an answer in the ledger of a case of its detector', () => {
  const output = execFileSync(process.execPath, [`${ROOT}/test/runbook/ledger.ts`], {
    encoding: 'utf8',
    timeout: 60_000,
    maxBuffer: 16_000_000,
    // What vitest sets for its own workers is not for this one.
    env: { PATH: process.env['PATH'], TZ: 'UTC' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const answered = JSON.parse(output) as Readonly<Record<string, readonly string[]>>;
  const mapped = Object.values(MAP).flatMap(({ by }) => by.flatMap((one) => ('probe' in one ? [one] : [])));
  const never = mapped.filter(({ detector, probe }) => (answered[`${detector} ${probe}`]?.length ?? 0) === 0);
  expect(never.map(({ detector, probe }) => `${detector} ${probe}`)).toEqual([]);
});

test('what it gets wrong is copied into no command of ours', () => {
  const wrong: readonly (readonly [string, RegExp])[] = [
    ['the age is no attribute of a queue', /get-queue-attributes.*ApproximateAgeOfOldestMessage/],
    ['no such option', /update-function-configuration.*reserved-concurrent/],
    ['no lag in it', /StatusInfos/],
    ['runs the statement', /explain \(?analyze|EXPLAIN ANALYZE/i],
    ["destroys everybody's counters", /pg_stat_statements_reset/],
    ['finds rare statements', /order by mean_exec_time/i],
    ['a redirection where it is pasted', /<[a-z-]+>/],
    ['hits every healthy pool', /pg_terminate_backend(?!.*(?:application_name|pid = |\(pid, backend_start\)))/],
    ['fails on a replica', /(?<!else )pg_current_wal_lsn/],
  ];
  const found = loaded.flatMap((detector) =>
    Object.entries(detector.mitigations).flatMap(([id, { command, alternative, precheck, verify, undo }]) =>
      [command, alternative, precheck, verify, undo].flatMap((text) =>
        wrong
          .filter(([, pattern]) => text !== undefined && pattern.test(text))
          .map(([why]) => `${detector.id}.${id}: ${why}: ${text}`),
      ),
    ),
  );
  expect(found).toEqual([]);
});

test('RUNBOOK.md has every detector, and every command of the original as it was', () => {
  const text = readFileSync(`${ROOT}/detectors/RUNBOOK.md`, 'utf8');
  expect([...detectors.keys()].filter((id) => !text.includes(`](${id}.md)** watches`))).toEqual([]);
  const lines = items.filter(({ kind }) => kind === 'command').map((item) => item.text.replace(/\s+/g, ' '));
  expect(lines.filter((line) => !text.includes(line))).toEqual([]);
});
