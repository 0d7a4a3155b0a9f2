/**
 * Weighing: from hypotheses and answers to a diagnosis. Pure; the same questions and answers give the same bytes.
 *
 * The confidence of a cause is σ(logit(prior) + Σ weights), the weights being log odds ratios of which only the
 * strongest of each factor counts. Causes are independent: nothing is normalised, two true causes are two high figures.
 */

import type {
  Answer,
  Diagnosis,
  Evidence,
  Gap,
  Judged,
  Question,
  QuestionKind,
  RankedCause,
  RuledOut,
  SlotValues,
  Verdict,
} from '../model/index.ts';
import { messageOf } from '../model/index.ts';
import type { Answered, AnyProbe, Hypothesis } from '../sdk/detector.ts';
import type { Case, Instance } from './questions.ts';
import { CHANGES_LOOKBACK_MS, changesQuestion, instancesOf, questionKey, questionOf } from './questions.ts';
import type { RenderOptions } from './render.ts';
import { renderMitigation } from './render.ts';

/** Below this confidence, and with evidence against it, a cause is ruled out. */
export const RULED_OUT_BELOW = 0.05;
/** From this confidence on, a cause is the verdict. */
export const CAUSE_FROM = 0.5;

/** What a kind of question is called in NOT SEEN. */
const QUESTION_NAMES: Readonly<Record<QuestionKind, string>> = {
  'postgres.server': 'server facts',
  'postgres.sessions': 'sessions (pg_stat_activity)',
  'postgres.lock_tree': 'lock tree (pg_locks, pg_blocking_pids)',
  'postgres.statements': 'statements (pg_stat_statements)',
  'postgres.tables': 'table statistics (pg_stat_user_tables)',
  'postgres.activity': 'activity (pg_stat_activity, pg_stat_database)',
  'postgres.replication': 'replication (pg_stat_replication, pg_stat_wal_receiver)',
  'postgres.reachability': 'the way to the server',
  'postgres.backend': 'one backend (pg_stat_activity)',
  'ecs.service': 'ECS service, deployments and tasks',
  'ecs.capacity': 'ECS cluster capacity',
  'alb.targets': 'target health of the load balancer',
  'logs.errors': 'errors in CloudWatch Logs',
  'rds.instance': 'RDS instance and events',
  'rds.network': 'security groups of the RDS instance',
  'lambda.function': 'Lambda concurrency',
  'sqs.queue': 'SQS queue',
  'service.health': 'health endpoints',
  'vendor.status': "the vendor's status page",
  'search.engine': 'search engine',
  'search.fallback': 'the search engine to fall back to',
  'cache.server': 'cache (INFO)',
  'errors.tracked': 'issues of the error tracker',
  'apm.request_time': 'request time by kind of work (APM)',
  'source.failure': 'why the source cannot be read',
  changes: 'changes',
  series: 'metric history',
};

/** Kinds of questions that make sense only for a target with that slot: where it is not on RDS, nothing of RDS is missed. */
const NEEDS_SLOT: Readonly<Partial<Record<QuestionKind, string>>> = {
  'ecs.service': 'ecsService',
  'ecs.capacity': 'ecsService',
  'rds.instance': 'rdsInstance',
  'rds.network': 'rdsInstance',
  'lambda.function': 'functionName',
  'vendor.status': 'statusUrl',
  'errors.tracked': 'sentryProject',
  'apm.request_time': 'datadogService',
  'search.fallback': 'fallbackUrl',
};

function neededSlot(question: Question): string | undefined {
  if (question.kind !== 'series') return NEEDS_SLOT[question.kind];
  const { signal } = (question as Question<'series'>).params;
  return signal.startsWith('rds_') ? 'rdsInstance' : undefined;
}

export type Answers = ReadonlyMap<string, Answer>;

interface Weighed {
  readonly instance: Instance;
  readonly evidence: readonly Evidence[];
  readonly confidence: number;
}

const logit = (p: number): number => Math.log(p / (1 - p));
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const round = (value: number): number => Math.round(value * 10_000) / 10_000;

/** The diagnosis of a case from the answers, by question key. A question without an answer counts as timed out. */
export function weigh(subject: Case, answers: Answers, render: RenderOptions): Diagnosis {
  const weighed = instancesOf(subject)
    .map((instance) => weighOne(instance, subject, answers))
    .sort(
      (a, b) =>
        b.confidence - a.confidence ||
        b.instance.hypothesis.prior - a.instance.hypothesis.prior ||
        compare(nameOf(a.instance), nameOf(b.instance)),
    );
  const kept = weighed.filter((one) => !isRuledOut(one));
  const verdict = verdictOf(weighed, kept);
  return {
    verdict,
    target: subject.target.name,
    at: subject.now,
    symptom: subject.symptom,
    causes: kept.map((one) => ranked(one, subject, render)),
    ruledOut: weighed.filter(isRuledOut).map(ruledOut),
    gaps: gapsOf(subject, answers, weighed),
    unexplained: round(weighed.reduce((product, one) => product * (1 - one.confidence), 1)),
    changes: changesOf(subject, answers),
    runbook: subject.detector.runbook,
    wouldSeparate: verdict === 'unclear' ? separator(kept) : null,
  };
}

function weighOne(instance: Instance, subject: Case, answers: Answers): Weighed {
  const lines = instance.hypothesis.probes.map((probe) => lineOf(probe, instance, subject, answers));
  const strongest = new Map<string, number>();
  lines.forEach((line, index) => {
    const best = strongest.get(line.factor);
    if (best === undefined || Math.abs(line.weight) > Math.abs(lines[best]!.weight)) strongest.set(line.factor, index);
  });
  const evidence = lines
    .map((line, index) => ({ ...line, counted: line.weight !== 0 && strongest.get(line.factor) === index }))
    .sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight) || compare(a.probe, b.probe));
  const sum = evidence.reduce((total, line) => total + (line.counted ? line.weight : 0), 0);
  return { instance, evidence, confidence: round(sigmoid(logit(instance.hypothesis.prior) + sum)) };
}

function lineOf(probe: AnyProbe, instance: Instance, subject: Case, answers: Answers): Omit<Evidence, 'counted'> {
  const question = questionOf(probe, subject, instance.facts);
  const answer = answers.get(questionKey(question));
  const base = { probe: probe.id, factor: probe.factor };
  if (answer === undefined || answer.state === 'unknown') {
    const detail = answer === undefined ? 'no answer before the deadline' : answer.detail;
    return {
      ...base,
      state: 'unknown',
      weight: 0,
      because: answer?.because ?? 'timeout',
      observed: `${probe.title}: ${detail}`,
      ...(answer?.grant === undefined ? {} : { grant: answer.grant }),
      source: `${question.target}: ${QUESTION_NAMES[question.kind]}`,
      at: subject.now,
    };
  }
  const judged = judge(probe, answer.value, subject, instance, answers);
  return { ...base, ...judged, source: answer.source, at: answer.at };
}

/** A probe that throws costs its own line, never the diagnosis. */
function judge(
  probe: AnyProbe,
  value: Parameters<AnyProbe['judge']>[0],
  subject: Case,
  instance: Instance,
  answers: Answers,
): Judged {
  const answered: Answered = (question) => {
    const other = answers.get(questionKey(question));
    // A question's answer is of the question's kind.
    return other?.state === 'answered' ? (other.value as never) : null;
  };
  try {
    const judged = probe.judge(value, subject.symptom, instance.facts, answered);
    if (Number.isFinite(judged.weight)) return { ...judged, weight: round(judged.weight) };
    return { state: 'unknown', weight: 0, because: 'error', observed: `${probe.title}: weight is not a number` };
  } catch (error) {
    return { state: 'unknown', weight: 0, because: 'error', observed: `${probe.title}: ${messageOf(error)}` };
  }
}

function ranked(one: Weighed, subject: Case, render: RenderOptions): RankedCause {
  const { hypothesis, facts } = one.instance;
  const slots = slotsOf(one);
  return {
    cause: hypothesis.cause,
    variant: hypothesis.variant ?? null,
    on: facts.on.name,
    title: hypothesis.title,
    confidence: one.confidence,
    prior: round(logit(hypothesis.prior)),
    evidence: one.evidence,
    mitigations: hypothesis.mitigations.map((id) =>
      renderMitigation(subject.detector.id, id, subject.detector.mitigations[id]!, slots, render),
    ),
    ...(hypothesis.seenBy === undefined ? {} : { seenBy: hypothesis.seenBy }),
    ...(hypothesis.anywhere === undefined ? {} : { anywhere: true as const }),
  };
}

/** Values for the mitigations: from configuration, then from this hypothesis' own evidence, the strongest last word. */
function slotsOf(one: Weighed): SlotValues {
  const found = [...one.evidence].reverse().map((line) => line.slots ?? {});
  return Object.assign({}, one.instance.facts.on.slots, ...found);
}

function ruledOut(one: Weighed): RuledOut {
  const { hypothesis, facts } = one.instance;
  const against = one.evidence.find((line) => line.counted && line.weight < 0)!;
  return {
    cause: hypothesis.cause,
    variant: hypothesis.variant ?? null,
    on: facts.on.name,
    title: hypothesis.title,
    confidence: one.confidence,
    because: against.headline ?? against.observed,
  };
}

function verdictOf(weighed: readonly Weighed[], kept: readonly Weighed[]): Verdict {
  if ((kept[0]?.confidence ?? 0) >= CAUSE_FROM) return 'cause';
  const blind = weighed.some(
    (one) =>
      one.confidence >= RULED_OUT_BELOW &&
      (one.instance.hypothesis.requires ?? []).some(
        (id) => one.evidence.find((line) => line.probe === id)?.state === 'unknown',
      ),
  );
  return blind ? 'inconclusive' : 'unclear';
}

function isRuledOut({ confidence, evidence }: Weighed): boolean {
  return confidence < RULED_OUT_BELOW && evidence.some((line) => line.counted && line.weight <= -1);
}

/** The unanswered probe of the two best hypotheses that would tell them apart. */
function separator(kept: readonly Weighed[]): string | null {
  for (const one of kept.slice(0, 2)) {
    const line = one.evidence.find((evidence) => evidence.state === 'unknown');
    const probe = line && one.instance.hypothesis.probes.find((candidate) => candidate.id === line.probe);
    if (probe) return probe.title;
  }
  return null;
}

/**
 * One gap per unanswered question and per part that an answer lacks, with every cause whose probes needed it;
 * judged-unknown lines are gaps too.
 */
function gapsOf(subject: Case, answers: Answers, weighed: readonly Weighed[]): readonly Gap[] {
  const gaps = new Map<string, Gap>();
  const add = (key: string, gap: Omit<Gap, 'hides'>, hidden: string | null): void => {
    const before = gaps.get(key)?.hides ?? [];
    const hides = hidden === null || before.includes(hidden) ? before : [...before, hidden].sort();
    gaps.set(key, { ...gap, hides });
  };
  const unanswered = (question: Question, hidden: string | null): boolean => {
    const answer = answers.get(questionKey(question));
    const what = `${question.target}: ${QUESTION_NAMES[question.kind]}`;
    if (answer?.state === 'answered') {
      for (const part of answer.unseen ?? []) add(what + part.detail, { what, ...part }, hidden);
      return false;
    }
    const detail = answer?.detail ?? 'no answer before the deadline';
    add(what + detail, { what, because: answer?.because ?? 'timeout', detail, grant: answer?.grant ?? null }, hidden);
    return true;
  };
  unanswered(changesQuestion(subject), null);
  for (const one of weighed) {
    const { instance, evidence } = one;
    const cause = causeName(instance.hypothesis);
    for (const probe of instance.hypothesis.probes) {
      const question = questionOf(probe, subject, instance.facts);
      const slot = neededSlot(question);
      const { target, on } = instance.facts;
      const asked = question.target === target.name ? target : on;
      if (slot !== undefined && asked.slots[slot] === undefined) continue;
      if (unanswered(question, cause)) continue;
      const line = evidence.find((candidate) => candidate.probe === probe.id);
      if (line?.state !== 'unknown') continue;
      // What other figures have ruled out is not hidden by one that has not come yet.
      if (line.because === 'no_data' && isRuledOut(one)) continue;
      const grant = line.grant ?? null;
      add(
        line.observed,
        { what: probe.title, because: line.because ?? 'no_data', detail: line.observed, grant },
        cause,
      );
    }
  }
  return [...gaps].sort(([a], [b]) => compare(a, b)).map(([, gap]) => gap);
}

function changesOf(subject: Case, answers: Answers): Diagnosis['changes'] {
  const answer = answers.get(questionKey(changesQuestion(subject)));
  if (answer?.state !== 'answered' || answer.kind !== 'changes') return null;
  const seen = answer.value.changes
    .filter((change) => change.at.earliest <= subject.symptom.onset.latest)
    .map((change) => ({ at: change.at, summary: `${change.target}: ${change.summary}` }))
    .sort((a, b) => b.at.latest - a.at.latest || compare(a.summary, b.summary));
  return { lookbackMs: CHANGES_LOOKBACK_MS, seen };
}

function causeName(hypothesis: Hypothesis): string {
  return hypothesis.variant === undefined ? hypothesis.cause : `${hypothesis.cause} (${hypothesis.variant})`;
}

function nameOf(instance: Instance): string {
  return `${instance.hypothesis.cause}/${instance.hypothesis.variant ?? ''}/${instance.facts.on.name}`;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
