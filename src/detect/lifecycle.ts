/**
 * The life of a finding, pure:
 *
 *   (none) ──symptom──▶ pending ──held for holdMs──▶ firing ──clean──▶ resolved
 *                          └──clean──▶ (dropped)       ▲ symptom again before that: a turn
 *
 * The hold is measured from the onset as the symptom knows it, so that what has lasted for minutes when first seen
 * fires at once, as does what the rule calls urgent. A finding clears only after `clearPolls` clean judgements on newer data and `clearMs`. Missing data
 * neither clears nor counts. Three turns within two hours are flapping: then the resolve is held, longer each time.
 */

import type { EpochMs, Finding, Symptom } from '../model/index.ts';

export interface LifecycleOptions {
  readonly holdMs: number;
  readonly clearPolls: number;
  readonly clearMs: number;
  /** Clean time that a flapping finding needs first; doubles with each further turn, up to an hour. 0: no difference. */
  readonly flapHoldMs: number;
}

export interface StepInput {
  readonly finding: Finding | null;
  /** The last life of the same symptom, if it ended not long ago: its turns are carried on. */
  readonly previous: Finding | null;
  /** The symptom; `clean` when it was judged and is not there; `unseen` when it could not be judged. */
  readonly seen: { readonly symptom: Symptom } | 'clean' | 'unseen';
  /** Time of the newest sample that was judged; ignored for `unseen`. */
  readonly at: EpochMs;
  readonly now: EpochMs;
  readonly options: LifecycleOptions;
  readonly newId: () => string;
}

export type StepEvent = 'pending' | 'fired' | 'resolved' | 'dropped' | 'no_data' | null;

export interface Step {
  readonly finding: Finding | null;
  readonly event: StepEvent;
}

const FLAP_WINDOW_MS = 2 * 3_600_000;
const FLAP_TURNS = 3;
const FLAP_CLEAR_MAX_MS = 3_600_000;

export function step(input: StepInput): Step {
  const { finding, seen } = input;
  if (seen === 'unseen') return unseen(input);
  if (seen === 'clean') return finding === null ? { finding: null, event: null } : clean(finding, input);
  return finding === null ? open(seen.symptom, input) : again(finding, seen.symptom, input);
}

/** Whether the symptom has been turning on and off: at least three turns within two hours. */
export function isFlapping(finding: Finding, now: EpochMs): boolean {
  return recentTurns(finding.turns, now).length >= FLAP_TURNS;
}

function open(symptom: Symptom, input: StepInput): Step {
  const turns = input.previous === null ? [] : [...recentTurns(input.previous.turns, input.now), input.now];
  const finding: Finding = {
    id: input.newId(),
    detector: symptom.detector,
    target: symptom.target,
    subject: symptom.subject,
    state: 'pending',
    noData: false,
    noDataSince: null,
    symptom,
    firstSeenAt: input.now,
    firedAt: null,
    resolvedAt: null,
    judgedAt: input.at,
    cleanPolls: 0,
    cleanSince: null,
    turns,
    diagnosis: null,
    diagnosedAt: null,
  };
  return fireIfHeld(finding, input, 'pending');
}

function again(finding: Finding, symptom: Symptom, input: StepInput): Step {
  const turned = finding.state === 'firing' && finding.cleanPolls > 0;
  const next: Finding = {
    ...finding,
    noData: false,
    noDataSince: null,
    // The onset is that of this life: a later look may see only the younger part of it.
    symptom: { ...symptom, onset: earlier(finding.symptom.onset, symptom.onset) },
    judgedAt: Math.max(finding.judgedAt, input.at),
    cleanPolls: 0,
    cleanSince: null,
    turns: turned ? [...recentTurns(finding.turns, input.now), input.now] : finding.turns,
  };
  return finding.state === 'pending' ? fireIfHeld(next, input, null) : { finding: next, event: null };
}

function clean(finding: Finding, input: StepInput): Step {
  if (finding.state === 'pending') return { finding: null, event: 'dropped' };
  const seen = { ...finding, noData: false, noDataSince: null };
  if (input.at <= finding.judgedAt) return { finding: seen, event: null };
  const cleanSince = finding.cleanSince ?? input.at;
  const next: Finding = { ...seen, judgedAt: input.at, cleanPolls: finding.cleanPolls + 1, cleanSince };
  const done = next.cleanPolls >= input.options.clearPolls && input.at - cleanSince >= clearAfterMs(next, input);
  return done
    ? { finding: { ...next, state: 'resolved', resolvedAt: input.now }, event: 'resolved' }
    : { finding: next, event: null };
}

function unseen(input: StepInput): Step {
  const { finding, now } = input;
  if (finding === null || finding.noData) return { finding, event: null };
  return { finding: { ...finding, noData: true, noDataSince: now }, event: 'no_data' };
}

function fireIfHeld(finding: Finding, input: StepInput, otherwise: StepEvent): Step {
  const since = Math.min(finding.symptom.onset.latest, finding.firstSeenAt);
  if (finding.symptom.urgent !== true && input.now - since < input.options.holdMs) return { finding, event: otherwise };
  return { finding: { ...finding, state: 'firing', firedAt: input.now }, event: 'fired' };
}

function clearAfterMs(finding: Finding, input: StepInput): number {
  const turns = recentTurns(finding.turns, input.now).length;
  if (turns < FLAP_TURNS) return input.options.clearMs;
  const { clearMs, flapHoldMs } = input.options;
  return Math.max(clearMs, Math.min(flapHoldMs * 2 ** (turns - FLAP_TURNS), FLAP_CLEAR_MAX_MS));
}

function recentTurns(turns: readonly EpochMs[], now: EpochMs): readonly EpochMs[] {
  return turns.filter((at) => now - at < FLAP_WINDOW_MS);
}

function earlier(a: Finding['symptom']['onset'], b: Finding['symptom']['onset']): Finding['symptom']['onset'] {
  return b.latest < a.latest ? b : a;
}
