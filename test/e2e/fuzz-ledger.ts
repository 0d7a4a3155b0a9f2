/** Diagnoses as they would be, asked of spoilt and of true answers, and what may differ between the two. */

import { type Case, instancesOf, questionKey, questionsOf } from '../../src/diagnose/questions.ts';
import type { Walk } from '../../src/diagnose/walk.ts';
import type { Answer, Judged, Question } from '../../src/model/index.ts';
import { messageOf } from '../../src/model/index.ts';
import type { Answered, AnyProbe, Facts } from '../../src/sdk/detector.ts';
import { CANARY } from '../world/mutations.ts';
import type { Plan } from './fuzz-plan.ts';
import { type Channel, identityOf, symptomOf } from './fuzz-world.ts';
import type { ServiceHarness } from './service-harness.ts';

export type Recorded = ReadonlyMap<string, Answer>;

const POSTGRES: Omit<Extract<Answer, { state: 'unknown' }>, 'kind'> = {
  state: 'unknown',
  because: 'not_configured',
  detail: 'not asked here',
};

/** Every case that the detectors of an installation could have. */
export function casesOf(harness: ServiceHarness, now: number): readonly Case[] {
  const { detectors, targets, values } = harness.watch;
  return detectors.flatMap((detector) =>
    targets
      .filter(({ kind }) => kind === detector.target)
      .map((target) =>
        caseAt({ detector, options: values(detector.id), symptom: NO_SYMPTOM, target, targets, now }, now),
      ),
  );
}

const NO_SYMPTOM = {} as Case['symptom'];

/** The same case, as if it were seen then. */
export function caseAt(one: Case, now: number): Case {
  return { ...one, symptom: symptomOf(one.detector, one.target.name, now), now };
}

/** What every question is answered by an installation of which nothing is spoilt. */
export async function recordAnswers(harness: ServiceHarness, now: number): Promise<Recorded> {
  const recorded = new Map<string, Answer>();
  for (const one of casesOf(harness, now)) {
    for (const { question } of questionsOf(one)) {
      const identity = identityOf(question);
      if (!recorded.has(identity)) recorded.set(identity, await askNow(harness, question));
    }
  }
  return recorded;
}

export async function askNow(harness: ServiceHarness, question: Question): Promise<Answer> {
  if (question.kind.startsWith('postgres')) return { ...POSTGRES, kind: question.kind } as Answer;
  return harness.pipeline.ask(question, AbortSignal.timeout(10_000));
}

const UNSHOWN = /[\u0000-\u0008\u000b-\u001f\u007f\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

/** No control characters, nothing that turns text around, nothing secret. */
export const isShown = (text: string): boolean => {
  const plain = text.replace(/\\u00[01]\w|\\[bf]/g, '\u0001');
  return !UNSHOWN.test(plain) && !text.includes(CANARY);
};

type Line = Pick<Judged, 'state' | 'weight' | 'observed' | 'because'>;

/** Every line that a case's ledger can have, those of causes that are ruled out too. */
function linesOf(subject: Case) {
  return instancesOf(subject).flatMap(({ hypothesis: { cause, variant, probes }, facts }) =>
    probes.map((probe) => {
      const question = probe.ask(subject.symptom, facts);
      const kinds = [question, ...(probe.also?.(subject.symptom, facts) ?? [])].map(({ kind }) => kind);
      const name = [cause, variant ?? '', facts.on.name, probe.id].join(' ');
      const asked = questionKey(question);
      return { name, kinds, judgedIn: ({ record }: Walk): Line => judged(probe, asked, subject, facts, record) };
    }),
  );
}

/** As the diagnosis judges. */
function judged(probe: AnyProbe, asked: string, { symptom }: Case, facts: Facts, record: Walk['record']): Line {
  const answer = record.get(asked);
  if (answer?.state !== 'answered') {
    return { state: 'unknown', weight: 0, because: answer?.because ?? 'timeout', observed: answer?.detail ?? '' };
  }
  const answered: Answered = (question) => {
    const other = record.get(questionKey(question));
    return other?.state === 'answered' ? (other.value as never) : null;
  };
  try {
    return probe.judge(answer.value, symptom, facts, answered);
  } catch (error) {
    return { state: 'unknown', weight: 0, because: 'error', observed: messageOf(error) };
  }
}

/** Messages since the onset were read and those of before were not, which the answer says: there is no more to say of it. */
function isHalf(answer: Answer): boolean {
  return answer.state === 'answered' && answer.kind === 'logs.errors' && answer.value.beforeSeconds === 0;
}

export type Fail = (what: string, detail?: unknown) => never;

/** Number of lines that are unknown and would not be. */
export function checkLedger(subject: Case, clean: Walk, live: Walk, channel: Channel, plan: Plan, fail: Fail): number {
  const { whole, symptom } = plan;
  const { diagnosis } = live;
  // What a log says may be anything.
  const isFreeText = channel.api === 'logs' && plan.http === null && !whole;
  const half = isFreeText || [...live.record.values()].some(isHalf);
  let unknown = 0;
  for (const { name, kinds, judgedIn } of linesOf(subject)) {
    const [was, line] = [judgedIn(clean), judgedIn(live)];
    const story = { name, line, was };
    if (!Number.isFinite(line.weight)) fail('a weight that is no number', story);
    if (line.state === 'unknown' && (line.because === undefined || line.observed === ''))
      fail('an unknown without its reason', story);
    const same = line.state === was.state && line.weight === was.weight;
    if (!kinds.some((kind) => channel.kinds.includes(kind))) {
      if (!same || line.observed !== was.observed) fail('a line that has nothing to do with it is another one', story);
      continue;
    }
    if (line.state === 'unknown' && was.state !== 'unknown') unknown += 1;
    // What is measured goes on meanwhile; of what seems to be unwell something is to be said.
    if (channel.kinds.includes('series') || symptom) continue;
    // What it would say beside another question is left out then.
    const isLess = line.state === 'neutral' && kinds.length > 1;
    if (whole && line.state !== 'unknown' && !same && !isLess)
      fail('nothing could be read, and yet it is judged', story);
    if (line.state === 'supports' && line.weight > Math.max(0, was.weight) && !half)
      fail('a spoilt answer speaks for a cause', story);
  }
  const blames = diagnosis.verdict === 'cause' && clean.diagnosis.verdict !== 'cause';
  if (blames && !symptom && !channel.kinds.includes('series'))
    fail('a spoilt answer makes a cause', diagnosis.causes[0]);
  if (!isShown(JSON.stringify(diagnosis))) fail('a diagnosis that is not fit to be shown', diagnosis);
  return unknown;
}
