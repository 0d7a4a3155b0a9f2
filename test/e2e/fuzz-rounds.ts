/**
 * One channel's answers spoilt, round after round: in a poll, in a diagnosis, then true again. What goes wrong is thrown
 * with the seed and the round that make it again.
 */

import type { Case } from '../../src/diagnose/questions.ts';
import { questionsOf } from '../../src/diagnose/questions.ts';
import { type Walk, walk } from '../../src/diagnose/walk.ts';
import type { Answer, Question, Series } from '../../src/model/index.ts';
import { RunbookdError } from '../../src/model/index.ts';
import { pickOf } from '../world/mutations.ts';
import { askNow, caseAt, casesOf, checkLedger, type Fail, isShown, type Recorded } from './fuzz-ledger.ts';
import type { Life, Lives } from './fuzz-life.ts';
import { type Plan, planOf, spoil } from './fuzz-plan.ts';
import {
  endpointRequests,
  falseSample,
  isOverAnotherPeriod,
  learnTruth,
  MEASURED,
  newestOf,
  seriesKey,
  type Truth,
} from './fuzz-truth.ts';
import { type Channel, type FuzzWorld, identityOf, pollAll } from './fuzz-world.ts';

export interface FuzzCount {
  readonly channel: string;
  readonly answers: number;
  readonly rounds: number;
  /** Samples that were taken in while answers were spoilt; all of them true. */
  readonly samples: number;
  /** Lines of ledgers that a spoilt answer made unknown. */
  readonly unknown: number;
}

export interface FuzzOptions {
  readonly fuzz: FuzzWorld;
  readonly lives: Lives;
  readonly recorded: Recorded;
  /** Answers that are to be spoilt. */
  readonly wanted: number;
  readonly seed: number;
  /** Of the first rounds, which take as long as our deadlines are. */
  readonly slow: number;
}

type Count = { -readonly [K in keyof Omit<FuzzCount, 'channel'>]: number };

/** The spoilt installation and the true one, as far as the channel is about them. */
interface Stage extends Pick<FuzzOptions, 'fuzz' | 'recorded'> {
  readonly channel: Channel;
  readonly life: Life;
  readonly truth: Truth;
  readonly trueChanges: Set<string>;
  /** Diagnoses that ask the channel. */
  readonly asking: readonly Case[];
}

const MINUTE_MS = 60_000;
const BESIDE_EVERY = 20;
/** Polls that it takes to look for all that is new in CloudWatch. */
const LOOKS = 4;
/** Diagnoses that ask what no poll reads. */
const ASKED_AT_ONCE = 4;
const LIMITS = { questionMs: 8_000, walkMs: 10_000, render: { commands: 'runbook', overrides: {} } } as const;

class Wrong extends Error {}

export async function fuzzChannel(channel: Channel, options: FuzzOptions): Promise<FuzzCount> {
  const { fuzz, lives, recorded, wanted, seed, slow } = options;
  const count: Count = { answers: 0, rounds: 0, samples: 0, unknown: 0 };
  let stage: Stage | null = null;
  try {
    while (count.answers < wanted) {
      if (count.rounds > 20 * wanted + 100) throw new Wrong(`${channel.name}: only ${count.answers} answers`);
      const life = await lives.current();
      if (stage?.life !== life) stage = await enter({ fuzz, recorded, channel, life });
      await playRound(stage, planOf(channel, seed, count.rounds, count.rounds < slow), seed, count);
    }
  } catch (error) {
    await lives.end();
    throw error;
  }
  if (fuzz.visits() > 0) throw new Wrong(`${channel.name}: a redirect was followed`);
  return { channel: channel.name, ...count };
}

async function enter(options: Pick<Stage, 'fuzz' | 'recorded' | 'channel' | 'life'>): Promise<Stage> {
  const { own } = options.life;
  const { kinds, source: name } = options.channel;
  const source = own.source(name);
  const isAsked = ({ question }: { readonly question: Question }): boolean =>
    kinds.includes(question.kind) && (question.kind === 'series' || source.answers(question));
  const asking = casesOf(own.harness, options.fuzz.clock.now()).filter((one) => questionsOf(one).some(isAsked));
  if (asking.length === 0) throw new Wrong(`${options.channel.name}: no diagnosis asks it`);
  const stage: Stage = { ...options, truth: new Map(), trueChanges: new Set(), asking };
  // After other channels' rounds it is read as it is now.
  if (stage.channel.polled) await own.poll(source);
  for (let looks = 0; looks < LOOKS; looks += 1) await learnNow(stage);
  stage.fuzz.clock.advance(MINUTE_MS);
  return stage;
}

async function learnNow({ channel, life: { control }, truth, trueChanges }: Stage): Promise<void> {
  if (!channel.polled) return;
  const failed = await control.poll(control.source(channel.source));
  if (failed !== null) throw failed;
  learnTruth(truth, control.polled(channel.source)?.series ?? []);
  for (const { summary } of control.polled(channel.source)?.changes ?? []) trueChanges.add(summary);
}

async function playRound(stage: Stage, plan: Plan, seed: number, count: Count): Promise<void> {
  const { fuzz, channel, life } = stage;
  const { own } = life;
  const source = own.source(channel.source);
  const round = count.rounds;
  count.rounds += 1;
  life.rounds += 1;
  const spoilt: string[] = [];
  const fail: Fail = (what, detail = '') => {
    const story = (typeof detail === 'string' ? detail : JSON.stringify(detail, null, 1)).slice(0, 4_000);
    const where = `${channel.name}, FUZZ_SEED=${seed}, round ${round} (${plan.name})`;
    throw new Wrong(`${where}: ${what}\n${story}\nspoilt:\n${spoilt.join('\n')}`);
  };
  await learnNow(stage);
  const subjects = Array.from({ length: channel.polled ? 1 : ASKED_AT_ONCE }, () =>
    caseAt(pickOf(plan.next)(stage.asking), fuzz.clock.now()),
  );
  const trues = await Promise.all(subjects.map((subject) => walked(stage, subject, 'control')));

  spoil(fuzz, channel, plan, (what) => {
    count.answers += 1;
    spoilt.push(what);
  });
  const isBeside = round % BESIDE_EVERY === 0;
  const [failed] = await Promise.all([
    channel.polled ? own.poll(source) : null,
    isBeside ? pollAll(own.harness, (one) => one.name === source.name) : null,
  ]);
  const inPoll = spoilt.length;
  const walks = await Promise.all(subjects.map((subject) => walked(stage, subject, 'own')));
  spoil(fuzz, channel, null, () => undefined);

  count.samples += await checkPoll(stage, plan, failed, inPoll, fail);
  for (const [index, subject] of subjects.entries()) {
    count.unknown += checkLedger(subject, trues[index]!, walks[index]!, channel, plan, fail);
  }
  checkOutcome(stage, plan.symptom, fail);
  if (isBeside) checkBeside(stage, fail);
  fuzz.clock.advance(MINUTE_MS);
  if (!channel.polled) return;

  await learnNow(stage);
  await checkRecovery(stage, fail);
  fuzz.clock.advance(MINUTE_MS);
}

/** The channel's questions are asked now, all others are answered as they were when all was well. */
function walked({ channel, life, recorded }: Stage, subject: Case, side: 'own' | 'control'): Promise<Walk> {
  const { harness } = life[side];
  const ask = async (question: Question): Promise<Answer> => {
    // The control has no past of its own, so no baselines.
    const isOld = !channel.kinds.includes(question.kind) || (side === 'control' && question.kind === 'series');
    const known = isOld ? recorded.get(identityOf(question)) : undefined;
    return known ?? askNow(harness, question);
  };
  return walk(subject, { ask }, { ...LIMITS, signal: new AbortController().signal });
}

/** Number of samples that the poll gave. */
async function checkPoll(stage: Stage, plan: Plan, failed: unknown, inPoll: number, fail: Fail): Promise<number> {
  const { channel, life } = stage;
  const { harness, polled } = life.own;
  if (failed !== null && !(failed instanceof RunbookdError)) {
    fail('the poll failed with what is no error of ours', stackOf(failed));
  }
  if (failed !== null && !isShown((failed as Error).message)) fail('an error that is not fit to be shown', `${failed}`);
  const blind = harness.pipeline.blindness();
  if (!isShown(JSON.stringify(blind))) fail('a gap that is not fit to be shown', blind);
  if (!channel.polled) return 0;
  const result = failed === null ? polled(channel.source) : null;
  const series = result?.series ?? [];
  for (const one of series) {
    const lie = await lieIn(stage, one, plan.symptom);
    if (lie !== null) fail(`a sample that is not true: ${lie}`);
  }
  if (plan.whole && inPoll > 0) {
    if (failed === null && blind.length === 0) fail('nothing could be read, and no gap says so', series.map(seriesKey));
    const fresh = series.filter((one) => !MEASURED.has(one.signal));
    if (fresh.length > 0 && !plan.symptom)
      fail('nothing could be read, and yet there are samples', fresh.map(seriesKey));
  }
  checkChanges(stage, fail);
  return series.reduce((sum, { times }) => sum + times.length, 0);
}

/** Null when all of its samples are true. */
async function lieIn({ channel, truth, fuzz }: Stage, one: Series, mayFall: boolean): Promise<string | null> {
  const lie = falseSample(one, truth, mayFall);
  if (lie === null || channel.api !== 'cloudwatch') return lie;
  if (isOverAnotherPeriod(one, truth)) return null;
  // A metric is found by who looks for it then: one that the control did not find is asked for itself.
  if (one.signal !== 'endpoint_requests') return lie;
  return falseSample(one, new Map([[seriesKey(one), await endpointRequests(fuzz, one)]]), mayFall);
}

function checkChanges({ channel, life: { own }, trueChanges }: Stage, fail: Fail): void {
  const changes = own.polled(channel.source)?.changes ?? [];
  const invented = changes.flatMap(({ summary }) => (trueChanges.has(summary) ? [] : [summary]));
  if (invented.length > 0) fail('changes that were none', invented);
}

/** Nothing is found and nobody is told; of what seems to be unwell itself, one poll is no page. */
function checkOutcome({ life: { own } }: Stage, mayFind: boolean, fail: Fail): void {
  const findings = own.harness.pipeline.findings();
  const told = findings.map((one) => `${one.state} ${one.detector} ${one.target} ${one.symptom.headline}`);
  if (findings.length > 0 && !mayFind) fail('a finding from spoilt data', told);
  if (own.harness.incidents().length > 0) fail('an incident from spoilt data', told);
  if (own.harness.notifications.length > 0) fail('a notification from spoilt data', own.harness.notifications);
}

/** What is not spoilt was read at the same time. Of RDS only changes are. */
function checkBeside({ channel, life: { own } }: Stage, fail: Fail): void {
  const others = own.harness.watch.sources.filter(
    ({ name, groups }) => groups.length > 0 && ![channel.source, 'rds'].includes(name) && !name.startsWith('postgres'),
  );
  const unread = others.filter(({ name }) => (own.polled(name)?.series ?? []).length === 0);
  if (unread.length > 0)
    fail(
      'a source beside it was not read',
      unread.map(({ name }) => name),
    );
}

async function checkRecovery(stage: Stage, fail: Fail): Promise<void> {
  const { channel, life } = stage;
  const { own, control } = life;
  const failed = await own.poll(own.source(channel.source));
  if (failed !== null) fail('it is not read again when its answers are true', stackOf(failed));
  const series = own.polled(channel.source)?.series ?? [];
  for (const one of series) {
    const lie = await lieIn(stage, one, false);
    if (lie !== null) fail(`a sample that is not true, when all is well again: ${lie}`);
  }
  const read = new Set(newestOf(series, channel));
  const missing = newestOf(control.polled(channel.source)?.series ?? [], channel).filter((key) => !read.has(key));
  if (missing.length > 0) fail('not all is read again when its answers are true', missing);
  const blind = own.harness.pipeline.blindness();
  if (blind.length > 0) fail('it is still blind when its answers are true', blind);
  checkChanges(stage, fail);
  checkOutcome(stage, false, fail);
}

const stackOf = (error: unknown): string =>
  error instanceof Error ? `${error.stack}\n${String(error.cause ?? '')}` : String(error);
