/** Error messages of a service, grouped by template, counted before and after the onset, ranked by how they grew. */

import type { LogErrorsAnswer, LogKind, LogTemplate } from '../../../model/aws.ts';
import type { EpochMs } from '../../../model/glossary.ts';
import { hostOf, isHost, kindOf } from './kind.ts';
import { messageOf } from './message.ts';
import { redact } from './redact.ts';
import { templateOf } from './template.ts';

export interface LogEvent {
  readonly at: EpochMs;
  readonly stream: string;
  readonly message: string;
}

export type Side = 'before' | 'after';

const MAX_TEMPLATES = 20;
const MAX_TASKS = 100;
/** So many messages are remembered by their very text: an outage repeats itself. */
const MAX_REMEMBERED = 2_000;
const REMEMBERED_LENGTH = 2_000;

interface Group {
  readonly template: string;
  readonly kind: LogKind;
  readonly host: string | null;
  count: number;
  before: number;
  firstAt: EpochMs;
  lastAt: EpochMs;
}

interface Judged {
  readonly key: string;
  readonly template: string;
  readonly kind: LogKind;
  readonly host: string | null;
}

export interface Digest {
  add(event: LogEvent, side: Side): void;
  result(
    afterSeconds: number,
    beforeSeconds: number,
  ): Pick<LogErrorsAnswer, 'count' | 'before' | 'templates' | 'byTask'>;
}

/** @param all every line counts: the user's own filter has chosen them */
export function createDigest(all: boolean): Digest {
  const groups = new Map<string, Group>();
  const tasks = new Map<string, number>();
  const remembered = new Map<string, Judged | null>();
  let count = 0;
  let before = 0;

  const judge = (line: string): Judged | null => {
    const known = remembered.get(line);
    if (known !== undefined) return known;
    const judged = judgeLine(line, all);
    if (remembered.size < MAX_REMEMBERED && line.length <= REMEMBERED_LENGTH) remembered.set(line, judged);
    return judged;
  };

  return {
    add({ at, stream, message }, side) {
      const judged = judge(message);
      if (judged === null) return;
      const { key, template, kind, host } = judged;
      let group = groups.get(key);
      if (group === undefined) {
        group = { template, kind, host, count: 0, before: 0, firstAt: at, lastAt: at };
        groups.set(key, group);
      }
      group.firstAt = Math.min(group.firstAt, at);
      group.lastAt = Math.max(group.lastAt, at);
      if (side === 'before') {
        group.before += 1;
        before += 1;
        return;
      }
      group.count += 1;
      count += 1;
      const task = taskOf(stream);
      if (task !== null) tasks.set(task, (tasks.get(task) ?? 0) + 1);
    },
    result(afterSeconds, beforeSeconds) {
      const ranked = [...groups.values()]
        .map((group) => ({ group, growth: growthOf(group.count, afterSeconds, group.before, beforeSeconds) }))
        .sort((a, b) => b.growth - a.growth || b.group.count - a.group.count || order(a.group, b.group));
      const byTask = [...tasks].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)).slice(0, MAX_TASKS);
      return {
        count,
        before,
        templates: ranked.slice(0, MAX_TEMPLATES).map(({ group }): LogTemplate => ({ ...group })),
        byTask: Object.fromEntries(byTask),
      };
    },
  };
}

function judgeLine(line: string, all: boolean): Judged | null {
  const { text, host: field, isError } = messageOf(line);
  if (!isError && !all) return null;
  const template = templateOf(text);
  const kind = kindOf(text);
  const named = field?.toLowerCase() ?? '';
  // Of the redacted text: a token with dots in it could pass for a name.
  const host = isHost(named) ? named : hostOf(redact(text));
  return { key: `${kind}\n${host ?? ''}\n${template}`, template, kind, host };
}

function order(a: Group, b: Group): number {
  const key = (group: Group): string => `${group.template}\n${group.host ?? ''}`;
  return key(a) < key(b) ? -1 : 1;
}

/**
 * Signed root of the log-likelihood ratio of two Poisson rates (Dunning 1993, "Accurate methods for the statistics of
 * surprise and coincidence"): 0 where the rate is the same, above 2 where it grew by more than luck at one in twenty.
 * Unlike a ratio it puts 5 → 500 before 0 → 1. Without anything before to compare with it is the root of the count.
 */
export function growthOf(after: number, afterSeconds: number, before: number, beforeSeconds: number): number {
  if (beforeSeconds <= 0 || afterSeconds <= 0) return Math.sqrt(after);
  const total = after + before;
  const expectedAfter = (total * afterSeconds) / (afterSeconds + beforeSeconds);
  const term = (seen: number, expected: number): number => (seen === 0 ? 0 : seen * Math.log(seen / expected));
  const ratio = 2 * (term(after, expectedAfter) + term(before, total - expectedAfter));
  return Math.sign(after - expectedAfter) * Math.sqrt(Math.max(0, ratio));
}

/** awslogs names streams `prefix/container/task id`, FireLens `container-firelens-task id`. */
export function taskOf(stream: string): string | null {
  return /(?:^|[/-])([0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/.exec(stream)?.[1] ?? null;
}
