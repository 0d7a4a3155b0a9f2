/**
 * One channel's answers spoilt, round after round: in a poll, in a diagnosis, then true again. What goes wrong is thrown
 * with the seed and the round that make it again.
 */

import { type Case, instancesOf, questionsOf } from '../../src/diagnose/questions.ts';
import { walk } from '../../src/diagnose/walk.ts';
import type { Answer, Diagnosis, Evidence, Question, Series } from '../../src/model/index.ts';
import { RunbookdError } from '../../src/model/index.ts';
import { hashText } from '../world/aws/random.ts';
import { CANARY, malformedJson, malformedXml, pickOf, seeded } from '../world/mutations.ts';
import { ENDLESS, spoiltReply } from './fuzz-redis.ts';
import { HTTP_TROUBLES, type HttpTrouble, type Spoilt } from './fuzz-upstream.ts';
import { type Channel, type FuzzWorld, identityOf, pollAll, recordPolls, symptomOf } from './fuzz-world.ts';
import type { ServiceHarness } from './service-harness.ts';

export interface FuzzCount {
  readonly channel: string;
  readonly answers: number;
  readonly rounds: number;
  /** Samples that were taken in while answers were spoilt; all of them true. */
  readonly samples: number;
  /** Lines of ledgers that a spoilt answer made unknown. */
  readonly unknown: number;
}

const MINUTE_MS = 60_000;
/** A new installation after that many rounds: the world's day goes on meanwhile. */
const ROUNDS_A_LIFE = 40;
const BESIDE_EVERY = 20;
/** Polls that it takes to look for all that is new in CloudWatch. */
const LOOKS = 4;
/** Diagnoses that ask what no poll reads. */
const ASKED_AT_ONCE = 4;
/** What a reader may still read right. The AWS SDK does not look at how a body is encoded. */
const READABLE: readonly HttpTrouble[] = ['wrong-type', 'padded', 'many-headers', 'gzip-lie'];
/** Of which a round sees one answer at most. */
const ONE_ANSWER: ReadonlySet<string> = new Set(['status', 'opensearch', 'aws autoscaling']);
/** Megabytes take their time. */
const LARGE: readonly HttpTrouble[] = ['huge', 'gzip-bomb'];
const RARE = 0.04;
/** Answers of a health endpoint that are not its own. */
const UNSAID: readonly HttpTrouble[] = ['redirect', 'redirect-nowhere', 'not-http', 'not-modified'];
/** Of our own clock. */
const MEASURED = new Set(['health_milliseconds', 'cache_ping_ms']);
/** Differences of two polls: one that was not read makes them of two periods. */
const DIFFERENCES = new Set(['cache_hit_ratio', 'cache_evictions_per_second', 'cache_rejected_connections']);
const UNSHOWN = /[\u0000-\u0008\u000b-\u001f\u007f\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

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
      .map((target) => ({
        detector,
        options: values(detector.id),
        symptom: symptomOf(detector, target.name, now),
        target,
        targets,
        now,
      })),
  );
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

async function askNow(harness: ServiceHarness, question: Question): Promise<Answer> {
  if (question.kind.startsWith('postgres')) return { ...POSTGRES, kind: question.kind } as Answer;
  return harness.pipeline.ask(question, AbortSignal.timeout(10_000));
}

/** By series, by time. */
class Wrong extends Error {}

/** By series, and by signal for those under another label, all values at a time. */
type Truth = Map<string, Map<number, ReadonlySet<number>>>;
const signalKey = ({ target, signal }: Series): string => `${target}\t${signal}`;
const seriesKey = (one: Series): string => `${signalKey(one)}\t${JSON.stringify(Object.entries(one.labels).sort())}`;

function learnTruth(truth: Truth, series: readonly Series[]): void {
  for (const one of series) {
    for (const key of [seriesKey(one), signalKey(one)]) {
      const known = truth.get(key) ?? new Map<number, ReadonlySet<number>>();
      truth.set(key, known);
      for (const [index, at] of one.times.entries()) {
        const others = key === seriesKey(one) ? [] : (known.get(at) ?? []);
        known.set(at, new Set([...others, one.values[index]!]));
      }
    }
  }
}

const near = (a: number, b: number): boolean => Math.abs(a - b) <= 1e-9 * Math.max(Math.abs(a), Math.abs(b), 1e-9);

export async function fuzzChannel(
  fuzz: FuzzWorld,
  channel: Channel,
  recorded: Recorded,
  { wanted, seed, slow }: { readonly wanted: number; readonly seed: number; readonly slow: number },
): Promise<FuzzCount> {
  const count = { answers: 0, rounds: 0, samples: 0, unknown: 0 };
  const stuck = (): boolean => count.rounds > 20 * wanted + 100;
  while (count.answers < wanted && !stuck()) await life(fuzz, channel, recorded, { wanted, seed, slow }, count);
  if (stuck()) throw new Wrong(`${channel.name}: only ${count.answers} answers in ${count.rounds} rounds`);
  return { channel: channel.name, ...count };
}

type Count = { -readonly [K in keyof Omit<FuzzCount, 'channel'>]: number };

async function life(
  fuzz: FuzzWorld,
  channel: Channel,
  recorded: Recorded,
  options: { readonly wanted: number; readonly seed: number; readonly slow: number },
  count: Count,
): Promise<void> {
  const { clock } = fuzz;
  fuzz.restart();
  await using harness = await fuzz.installation();
  await using control = await fuzz.control();
  const polled = recordPolls(harness);
  const seriesOf = (name: string): readonly Series[] => polled(name)?.series ?? [];
  const truly = recordPolls(control);
  const truthOf = (name: string): readonly Series[] => truly(name)?.series ?? [];
  const trueChanges = new Set<string>();
  const truth: Truth = new Map();
  const source = harness.watch.sources.find(({ name }) => name === channel.source)!;
  const trueSource = control.watch.sources.find(({ name }) => name === channel.source)!;
  const poll = async (of: ServiceHarness): Promise<unknown> => {
    const which = of === harness ? source : trueSource;
    for (const group of which.groups) {
      try {
        await of.pipeline.poll(which, group, AbortSignal.timeout(20_000));
      } catch (error) {
        return error;
      }
    }
    return null;
  };
  const learnNow = async (): Promise<void> => {
    if (!channel.polled) return;
    const failed = await poll(control);
    if (failed !== null) throw failed;
    learnTruth(truth, truthOf(source.name));
    for (const { summary } of truly(source.name)?.changes ?? []) trueChanges.add(summary);
  };
  /** Of CloudWatch a metric is found by who looks for it then: who looked before finds it ten minutes later. */
  const lieIn = async (one: Series, mayFall: boolean): Promise<string | null> => {
    const lie = falseSample(one, truth, mayFall);
    if (lie === null || channel.api !== 'cloudwatch') return lie;
    await using anew = await fuzz.control();
    const seen = recordPolls(anew);
    const same = anew.watch.sources.find(({ name }) => name === channel.source)!;
    for (let looks = 0; looks < LOOKS; looks += 1) {
      for (const group of same.groups) await anew.pipeline.poll(same, group, AbortSignal.timeout(20_000));
      learnTruth(truth, seen(same.name)?.series ?? []);
    }
    // What nobody finds any more has been silent for hours: of those that are zero where they are not there.
    if (isOverAnotherPeriod(one, truth)) return null;
    return falseSample(withoutUnknown(one, truth.get(seriesKey(one))), truth, mayFall);
  };
  await pollAll(harness);
  // A poll looks for a part of what is new in CloudWatch.
  for (let looks = 0; looks < LOOKS; looks += 1) await learnNow();
  clock.advance(MINUTE_MS);

  for (let lived = 0; lived < ROUNDS_A_LIFE && count.answers < options.wanted; lived += 1) {
    const round = count.rounds;
    count.rounds += 1;
    const plan = planOf(channel, options.seed, round, round < options.slow);
    const spoilt: string[] = [];
    const fail = (what: string, detail: unknown = ''): never => {
      const story = typeof detail === 'string' ? detail : JSON.stringify(detail, null, 1);
      throw new Wrong(
        `${channel.name}, FUZZ_SEED=${options.seed}, round ${round} (${plan.name}): ${what}\n${story.slice(0, 4_000)}\nspoilt:\n${spoilt.join('\n')}`,
      );
    };
    const checkChanges = (): void => {
      const invented = (polled(source.name)?.changes ?? []).filter(({ summary }) => !trueChanges.has(summary));
      if (invented.length > 0)
        fail(
          'changes that were none',
          invented.map(({ summary }) => summary),
        );
    };
    await learnNow();

    const cases = casesOf(harness, clock.now());
    const asking = cases.filter((one) =>
      questionsOf(one).some(
        ({ question }) =>
          channel.kinds.includes(question.kind) && (question.kind === 'series' || source.answers(question)),
      ),
    );
    if (asking.length === 0) fail('no diagnosis asks it');
    const subjects = Array.from({ length: channel.polled ? 1 : ASKED_AT_ONCE }, () => pickOf(plan.next)(asking));
    const isLive = (question: Question): boolean => channel.kinds.includes(question.kind);
    const old = async (question: Question): Promise<Answer> =>
      recorded.get(identityOf(question)) ?? askNow(harness, question);
    const limits = {
      questionMs: 8_000,
      walkMs: 10_000,
      signal: new AbortController().signal,
      render: { commands: 'runbook', overrides: {} },
    } as const;
    const trueAsk = (question: Question): Promise<Answer> =>
      isLive(question) && question.kind !== 'series' ? askNow(control, question) : old(question);
    const clean = await Promise.all(subjects.map((subject) => walk(subject, { ask: trueAsk }, limits)));

    spoil(fuzz, channel, plan, (what) => {
      count.answers += 1;
      spoilt.push(what);
    });
    const beside = round % BESIDE_EVERY === 0;
    const [failed] = await Promise.all([
      channel.polled ? poll(harness) : Promise.resolve(null),
      beside ? pollAll(harness, (one) => one.name === source.name) : Promise.resolve(),
    ]);
    const polledAnswers = spoilt.length;
    const ask = (question: Question): Promise<Answer> => (isLive(question) ? askNow(harness, question) : old(question));
    const live = await Promise.all(subjects.map((subject) => walk(subject, { ask }, limits)));
    spoil(fuzz, channel, null, () => undefined);

    // What was read in the poll.
    if (failed !== null && !(failed instanceof RunbookdError))
      fail('the poll failed with what is no error of ours', stackOf(failed));
    if (failed !== null && !isShown(String((failed as Error).message)))
      fail('an error that is not fit to be shown', String(failed));
    const series = channel.polled && failed === null ? seriesOf(source.name) : [];
    const mayFall = plan.symptom;
    for (const one of series) {
      const lie = await lieIn(one, mayFall);
      if (lie !== null) fail(`a sample that is not true: ${lie}`);
      count.samples += one.times.length;
    }
    const blind = harness.pipeline.blindness();
    const strangers = blind.filter((one) => !isShown(JSON.stringify(one)));
    if (strangers.length > 0) fail('a gap that is not fit to be shown', strangers);
    if (plan.whole && channel.polled && polledAnswers > 0) {
      if (failed === null && blind.length === 0)
        fail('nothing could be read, and no gap says so', series.map(seriesKey));
      const fresh = series.filter((one) => !MEASURED.has(one.signal));
      if (fresh.length > 0 && !mayFall && isAlone(channel))
        fail('nothing could be read, and yet there are samples', fresh.map(seriesKey));
    }
    // What was judged in the diagnosis.
    for (const [index, subject] of subjects.entries()) {
      const { diagnosis, record } = live[index]!;
      // What a log says may be anything.
      const half = [...record.values()].some(isHalf) || (channel.api === 'logs' && plan.http === null && !plan.whole);
      count.unknown += checkLedger(clean[index]!.diagnosis, diagnosis, subject, { ...plan, channel, half }, fail);
      if (!isShown(JSON.stringify(diagnosis))) fail('a diagnosis that is not fit to be shown', diagnosis);
    }
    // What came of it.
    const findings = harness.pipeline.findings();
    const told = findings.map((one) => `${one.state} ${one.detector} ${one.target} ${one.symptom.headline}`);
    if (findings.length > 0 && !mayFall) fail('a finding from spoilt data', told);
    if (harness.incidents().length > 0) fail('an incident from spoilt data', told);
    if (beside) {
      const others = harness.watch.sources.filter(
        ({ name, groups }) => name !== source.name && groups.length > 0 && !name.startsWith('postgres'),
      );
      const unread = others.filter(
        ({ name, groups }) => groups.length > 0 && name !== 'rds' && seriesOf(name).length === 0,
      );
      if (unread.length > 0)
        fail(
          'a source beside it was not read',
          unread.map(({ name }) => name),
        );
    }

    checkChanges();
    clock.advance(MINUTE_MS);
    if (!channel.polled) continue;
    await learnNow();
    const after = await poll(harness);
    if (after !== null) fail('it is not read again when its answers are true', stackOf(after));
    for (const one of seriesOf(source.name)) {
      const lie = await lieIn(one, false);
      if (lie !== null) fail(`a sample that is not true, when all is well again: ${lie}`);
    }
    checkChanges();
    const missing = newestOf(truthOf(source.name), channel).filter(
      (key) => !newestOf(seriesOf(source.name), channel).includes(key),
    );
    if (missing.length > 0) fail('not all is read again when its answers are true', missing);
    const left = harness.pipeline.blindness();
    if (left.length > 0) fail('it is still blind when its answers are true', left);
    if (harness.pipeline.findings().length > 0)
      fail(
        'a finding is left',
        harness.pipeline.findings().map((one) => one.symptom.headline),
      );
    clock.advance(MINUTE_MS);
  }
  if (fuzz.visits() > 0) throw new Wrong(`${channel.name}: a redirect was followed`);
}

const isAlone = ({ name }: Channel): boolean =>
  !['aws ec2', 'aws rds', 'opensearch', 'aws elasticloadbalancing', 'aws autoscaling'].includes(name);

interface Plan {
  readonly name: string;
  readonly next: () => number;
  readonly http: HttpTrouble | 'close' | null;
  /** Share of the answers that are spoilt. */
  readonly share: number;
  /** No answer of the round can be read. */
  readonly whole: boolean;
  /** It is the target itself that seems to be unwell. */
  readonly symptom: boolean;
  readonly seed: number;
}

function planOf(channel: Channel, seed: number, round: number, slow: boolean): Plan {
  const own = hashText(`${seed} ${channel.name} ${round}`);
  const next = seeded(own);
  const pick = pickOf(next);
  const isBody = !slow && (channel.format === 'resp' ? next() < 0.95 : next() < 0.72);
  if (isBody) {
    // Of a health endpoint the status is what counts, whatever the body is.
    const whole = channel.server !== 'health' && next() < 0.15;
    const share = whole || ONE_ANSWER.has(channel.name) ? 1 : pick([0.4, 0.8, 1, 1]);
    return {
      name: whole ? 'nothing of a format' : `bodies, ${share}`,
      next,
      http: null,
      share,
      whole,
      symptom: false,
      seed: own,
    };
  }
  const kind = troubleOf(channel, slow, next);
  const symptom = channel.symptoms.includes(kind);
  const whole =
    channel.server === 'health' ? UNSAID.includes(kind as HttpTrouble) : !READABLE.includes(kind as HttpTrouble);
  return { name: kind, next, http: kind, share: 1, whole, symptom, seed: own };
}

function troubleOf({ format }: Channel, slow: boolean, next: () => number): HttpTrouble | 'close' {
  const pick = pickOf(next);
  if (format === 'resp') return slow ? 'hang' : 'close';
  if (slow) return pick(['drip', 'hang']);
  return pick(next() < RARE ? LARGE : HTTP_TROUBLES);
}

function spoil(fuzz: FuzzWorld, channel: Channel, plan: Plan | null, note: (what: string) => void): void {
  if (channel.server === 'redis') {
    const random = plan === null ? null : seeded(plan.seed + 1);
    fuzz.redis.spoil(
      plan === null || random === null
        ? null
        : (piece) => {
            if (plan.http !== null) {
              note(plan.http);
              return plan.http === 'hang' ? Buffer.from(pickOf(random)(ENDLESS)) : null;
            }
            const made = spoiltReply(piece.toString('latin1'), random, plan.whole);
            if (made === null) return piece;
            note(made.what);
            return Buffer.from(made.reply, 'latin1');
          },
    );
    return;
  }
  const seen = new Map<string, number>();
  for (const upstream of fuzz.http[channel.server]) {
    upstream.spoil(
      plan === null
        ? null
        : (told, asked): Spoilt | null => {
            if (!fuzz.isOf(channel, asked)) return null;
            const request = `${asked.method} ${asked.path} ${asked.body.toString('latin1').slice(0, 300)}`;
            const nth = (seen.get(request) ?? 0) + 1;
            seen.set(request, nth);
            const random = seeded(hashText(`${plan.seed} ${request.replace(/127\.0\.0\.1(?::|%3A)\d+/g, '')} ${nth}`));
            if (random() >= plan.share) return null;
            if (plan.http !== null) {
              note(`${request.slice(0, 120)}: ${plan.http}`);
              return { http: plan.http as HttpTrouble };
            }
            const text = told.body.toString('utf8');
            const make = channel.format === 'xml' ? malformedXml : malformedJson;
            let made = make(text, random);
            while (plan.whole && !made.whole) made = make(text, random);
            note(
              `${request.slice(0, 120)}: ${made.what}${made.whole ? '' : `\n  ${String(made.body).slice(0, 1_500)}`}`,
            );
            return { body: made.body };
          },
    );
  }
}

/** Percentiles are over as long as it takes for enough requests, as far as these were seen: none is half or twice another. */
function isOverAnotherPeriod(one: Series, truth: Truth): boolean {
  if (!/latency|duration/.test(one.signal)) return false;
  const known = [...(truth.get(signalKey(one))?.values() ?? [])].flatMap((values) => [...values]);
  const [least, most] = [Math.min(...known) / 2, Math.max(...known) * 2];
  return one.values.every((value) => value >= least && value <= most);
}

/** Without zeros of times of which nothing is known. */
function withoutUnknown(one: Series, own: ReadonlyMap<number, unknown> | undefined): Series {
  const kept = [...one.times.keys()].filter((index) => own?.has(one.times[index]!) === true || one.values[index] !== 0);
  return {
    ...one,
    times: Float64Array.from(kept, (index) => one.times[index]!),
    values: Float64Array.from(kept, (index) => one.values[index]!),
  };
}

/** Null when all samples are those of the truth. */
function falseSample(one: Series, truth: Truth, mayFall: boolean): string | null {
  // A label may be any text; the values are those of the signal then.
  const known = truth.get(seriesKey(one)) ?? truth.get(signalKey(one));
  for (const [index, at] of one.times.entries()) {
    const value = one.values[index]!;
    const name = `${seriesKey(one)} at ${new Date(at).toISOString()} is ${value}`;
    if (!Number.isFinite(value)) return name;
    if (MEASURED.has(one.signal)) {
      if (value < 0 || value > MINUTE_MS) return name;
      continue;
    }
    const expected = [...(known?.get(at) ?? [])];
    if (DIFFERENCES.has(one.signal)) {
      const far = expected.some((each) => Math.abs(value - each) > 0.5 * each + 1e-9);
      if (value < 0 || (one.unit === 'ratio' && value > 1) || far) return `${name}, not ${expected.join()}`;
      continue;
    }
    if (mayFall && value === 0 && one.unit === 'bool') continue;
    if (!expected.some((each) => near(value, each))) return `${name}, not ${expected.join()}`;
  }
  return null;
}

/** What comes of two polls takes two that were read; which values a wildcard has depends on when it was looked at. */
function newestOf(series: readonly Series[], { api }: Channel): readonly string[] {
  const own = series.filter((one) => !DIFFERENCES.has(one.signal));
  if (api !== 'cloudwatch') return own.map((one) => `${seriesKey(one)} ${one.times.at(-1)}`);
  return own.map((one) =>
    Object.keys(one.labels).length === 0 ? `${seriesKey(one)} ${one.times.at(-1)}` : signalKey(one),
  );
}

const isShown = (text: string): boolean => {
  const plain = text.replace(/\\u00[01]\w|\\[bf]/g, '\u0001');
  return !UNSHOWN.test(plain) && !text.includes(CANARY);
};

const stackOf = (error: unknown): string =>
  error instanceof Error ? `${error.stack}\n${String(error.cause ?? '')}` : String(error);

type Line = Pick<Evidence, 'state' | 'weight' | 'observed' | 'because'>;

function linesOf(diagnosis: Diagnosis): ReadonlyMap<string, Line> {
  return new Map(
    diagnosis.causes.flatMap(({ cause, variant, on, evidence }) =>
      evidence.map((line) => [JSON.stringify([cause, variant, on, line.probe]), line] as const),
    ),
  );
}

/** Messages since the onset were read and those of before were not, which the answer says: there is no more to say of it. */
function isHalf(answer: Answer): boolean {
  return answer.state === 'answered' && answer.kind === 'logs.errors' && answer.value.beforeSeconds === 0;
}

/** Number of lines that are unknown and were not. */
function checkLedger(
  clean: Diagnosis,
  live: Diagnosis,
  subject: Case,
  { whole, symptom, channel, half }: Plan & { readonly channel: Channel; readonly half: boolean },
  fail: (what: string, detail?: unknown) => never,
): number {
  const before = linesOf(clean);
  const asks = new Map(
    instancesOf(subject).flatMap(({ hypothesis: { cause, variant, probes }, facts }) =>
      probes.map((probe) => {
        const questions = [probe.ask(subject.symptom, facts), ...(probe.also?.(subject.symptom, facts) ?? [])];
        const key = JSON.stringify([cause, variant ?? null, facts.on.name, probe.id]);
        return [key, questions.map(({ kind }) => kind)] as const;
      }),
    ),
  );
  let unknown = 0;
  for (const [key, line] of linesOf(live)) {
    const story = { key, line, was: before.get(key) };
    if (!Number.isFinite(line.weight)) fail('a weight that is no number', story);
    if (line.state === 'unknown' && (line.because === undefined || line.observed === ''))
      fail('an unknown without its reason', story);
    const was = before.get(key);
    if (was === undefined) continue;
    const isIts = (asks.get(key) ?? []).some((kind) => channel.kinds.includes(kind));
    const same = line.state === was.state && line.weight === was.weight;
    if (!isIts) {
      if (!same || line.observed !== was.observed) fail('a line that has nothing to do with it is another one', story);
      continue;
    }
    if (line.state === 'unknown' && was.state !== 'unknown') unknown += 1;
    // What is measured goes on meanwhile; of what seems to be unwell something is to be said.
    if (channel.kinds.includes('series') || symptom) continue;
    // What it would say beside another question is left out then.
    const isLess = line.state === 'neutral' && asks.get(key)?.length !== 1;
    if (whole && line.state !== 'unknown' && !same && !isLess)
      fail('nothing could be read, and yet it is judged', story);
    if (line.state === 'supports' && line.weight > Math.max(0, was.weight) && !half)
      fail('a spoilt answer speaks for a cause', story);
  }
  if (live.verdict === 'cause' && !symptom && clean.verdict !== 'cause' && !channel.kinds.includes('series'))
    fail('a spoilt answer makes a cause', live.causes[0]);
  return unknown;
}
