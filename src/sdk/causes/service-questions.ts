/**
 * Questions about a service that the probes of many causes ask in the same words, so that a walk asks each once, and
 * what several of them read out of the answers.
 */

import type {
  EcsDeployment,
  EcsServiceAnswer,
  Interval,
  LogErrorsAnswer,
  LogTemplate,
  Question,
  QuestionTypes,
  StoppedTask,
  Target,
} from '../../model/index.ts';
import type { Facts } from '../detector.ts';
import { aroundOnset } from '../detector.ts';
import { count, percent } from '../format.ts';

const MINUTE_MS = 60_000;

/** Long enough for the deployment that brought the trouble, and for what stopped before it was noticed. */
export function ecsQuestion(facts: Facts, target: Target = facts.on): Question<'ecs.service'> {
  return { kind: 'ecs.service', target: target.name, window: aroundOnset(facts, 60 * MINUTE_MS), params: {} };
}

/** Error messages of the service that has the symptom, from ten minutes before the onset on. */
export function logsQuestion(facts: Facts, target: Target = facts.target): Question<'logs.errors'> {
  const since = facts.onset.earliest;
  return { kind: 'logs.errors', target: target.name, window: aroundOnset(facts), params: { since } };
}

/** The changes that SINCE shows too: of the service and of all that it depends on, in the two hours before. */
export function changesQuestion(facts: Facts): Question<'changes'> {
  return { kind: 'changes', target: facts.target.name, window: aroundOnset(facts, 120 * MINUTE_MS), params: {} };
}

/** A signal of the service that has the symptom, all its labels, half an hour before the onset and all since. */
export function seriesQuestion(facts: Facts, signal: string): Question<'series'> {
  return { kind: 'series', target: facts.target.name, window: aroundOnset(facts, 30 * MINUTE_MS), params: { signal } };
}

export function healthQuestion(facts: Facts): Question<'service.health'> {
  return { kind: 'service.health', target: facts.target.name, window: aroundOnset(facts), params: {} };
}

export type Points = QuestionTypes['series']['value']['points'];

/** The symptom's onset, whoever knows it. */
type WithOnset = { readonly onset: Interval };

export interface BeforeAfter {
  readonly before: number;
  readonly after: number;
}

/** Sums of counts before the onset and from it on. The onset is the first bad sample, so no period is counted twice. */
export function sumsAtOnset(points: Points | null | undefined, facts: WithOnset): BeforeAfter {
  const sum = (wanted: (point: Points[number]) => boolean): number =>
    (points ?? []).reduce((total, point) => total + (wanted(point) ? point.value : 0), 0);
  return {
    before: sum((point) => point.at <= facts.onset.earliest),
    after: sum((point) => point.at >= facts.onset.latest),
  };
}

/** `part` of `whole`; 0 where there is nothing. */
export function share(part: number, whole: number): number {
  return whole > 0 ? part / whole : 0;
}

/** 0.039 → `3.9 %`: one digit more than `percent`, where tenths tell. */
export function rateText(rate: number): string {
  return rate >= 0.01 && rate < 0.0995 ? `${count(rate * 100, 1)} %` : percent(rate);
}

/** Fewer messages more than before say nothing of what they are about. */
export const FEW_MESSAGES = 5;

/** How many more of these messages there are since the onset than the time before would have given. */
export function excessOf(template: LogTemplate, logs: LogErrorsAnswer, facts: Facts): number {
  const seconds = Math.max(0, logs.to - facts.onset.earliest) / 1000;
  const expected = logs.beforeSeconds > 0 ? (template.before / logs.beforeSeconds) * seconds : 0;
  return Math.max(0, template.count - expected);
}

export interface LogShare {
  /** Messages more than before that fit, and all of them. */
  readonly fitting: number;
  readonly all: number;
  readonly share: number;
  /** The one of those that fit that grew most. */
  readonly top: LogTemplate | null;
}

/** Which part of the messages that grew since the onset fits. */
export function logShare(logs: LogErrorsAnswer, facts: Facts, fits: (template: LogTemplate) => boolean): LogShare {
  let fitting = 0;
  let all = 0;
  let top: LogTemplate | null = null;
  let most = 0;
  for (const template of logs.templates) {
    const excess = excessOf(template, logs, facts);
    all += excess;
    if (!fits(template)) continue;
    fitting += excess;
    if (excess > most) [top, most] = [template, excess];
  }
  return { fitting: Math.round(fitting), all: Math.round(all), share: share(fitting, all), top };
}

/** Whether a message's host is one of these, or below one of them. */
export function isHostOf(host: string | null, hosts: readonly string[]): boolean {
  if (host === null) return false;
  const name = host.toLowerCase();
  return hosts.some((one) => name === one.toLowerCase() || name.endsWith(`.${one.toLowerCase()}`));
}

/** What one value of a label has of all errors and requests since the onset. */
export interface LabelPart {
  readonly name: string;
  readonly errors: number;
  readonly requests: number;
  readonly errorShare: number;
  readonly trafficShare: number;
}

/** Errors and requests since the onset by one label, most errors first. */
export function partsBy(label: string, errors: Points, requests: Points, facts: WithOnset): readonly LabelPart[] {
  const names = new Set([...errors, ...requests].map((point) => point.labels[label] ?? ''));
  const sinceOnset = (points: Points, name: string): number =>
    sumsAtOnset(
      points.filter((point) => (point.labels[label] ?? '') === name),
      facts,
    ).after;
  const found = [...names].map((name) => ({
    name,
    errors: sinceOnset(errors, name),
    requests: sinceOnset(requests, name),
  }));
  const allErrors = found.reduce((sum, one) => sum + one.errors, 0);
  const allRequests = found.reduce((sum, one) => sum + one.requests, 0);
  return found
    .map((one) => ({
      ...one,
      errorShare: share(one.errors, allErrors),
      trafficShare: share(one.requests, allRequests),
    }))
    .sort((a, b) => b.errors - a.errors || (a.name < b.name ? -1 : 1));
}

/** The error rate of several parts together. */
export function rateOf(parts: readonly LabelPart[]): number {
  return share(
    parts.reduce((sum, one) => sum + one.errors, 0),
    parts.reduce((sum, one) => sum + one.requests, 0),
  );
}

/** Of a signal with the label `status`: `500`, `5xx`. */
export const isServerError = (status: string | undefined): boolean => /^5/.test(status ?? '');

/** The deployment that is wanted. */
export function primaryOf(ecs: EcsServiceAnswer | null): EcsDeployment | null {
  return ecs?.deployments.find((one) => one.status === 'PRIMARY') ?? null;
}

/** Stops that nobody wanted, from a quarter of an hour before the onset on. */
export function unwantedStops(ecs: EcsServiceAnswer, facts: Facts): readonly StoppedTask[] {
  const from = facts.onset.earliest - 15 * MINUTE_MS;
  return ecs.stopped.filter(
    ({ kind, stoppedAt }) => stoppedAt >= from && kind !== 'scaling' && kind !== 'deployment' && kind !== 'user',
  );
}
