/** What a function on Lambda writes: Lambda's own report of each run, its errors, and the end of runs that took too long. */

import { LOG_SLOT } from './log-lines.ts';
import type { QueueModel } from './queue-model.ts';
import { hash, hexId, poisson, uniform } from './random.ts';

export interface WorkerLine {
  readonly at: number;
  readonly stream: string;
  readonly message: string;
}

/** Execution environments that share the work. */
const ENVIRONMENTS = 8;
const USUAL_SHARE = 0.04;
const USUAL = ['Error: recipient {id} has no device', 'Error: message {id} was recalled'] as const;
const UNKNOWN = ["TypeError: Cannot read properties of undefined (reading 'channel')"] as const;

/** Lines of one slot, in order of time. */
export function workerLinesOf(model: QueueModel, start: number): readonly WorkerLine[] {
  const { facts } = model;
  if (facts.lambda === null) return [];
  const slot = model.slot(start, LOG_SLOT);
  const given = model.effectsAt(start + LOG_SLOT / 2).flatMap(({ messages }) => messages ?? []);
  const lines: WorkerLine[] = [];
  const add = (nth: number, channel: number, text: (at: number, request: string) => string): void => {
    const draw = hash(start, nth, channel);
    const at = Math.floor(start + LOG_SLOT * uniform(start, nth, channel, 401));
    const day = new Date(at).toISOString().slice(0, 10).replaceAll('-', '/');
    const request = hexId(`${facts.lambda}/${start}/${nth}/${channel}`, 32);
    lines.push({
      at,
      stream: `${day}/[$LATEST]${hexId(`${facts.lambda}/${draw % ENVIRONMENTS}`, 32)}`,
      message: text(at, request.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')),
    });
  };
  const error = (nth: number, channel: number, messages: readonly string[]): void =>
    add(nth, channel, (at, request) => {
      const words = fill(messages[hash(start, nth, channel, 402) % messages.length]!, start, nth);
      return `${new Date(at).toISOString()}\t${request}\tERROR\t${words}`;
    });

  const failed = slot.invocationErrors - slot.timeouts;
  for (let nth = 0; nth < slot.invocations; nth += 1) {
    const ms = 200 + (hash(start, nth, 403) % 4_000);
    add(
      nth,
      410,
      (_at, request) =>
        `REPORT RequestId: ${request}\tDuration: ${ms}.27 ms\tBilled Duration: ${ms + 1} ms\tMemory Size: 256 MB`,
    );
  }
  for (let nth = 0; nth < failed; nth += 1) error(nth, 420, given.length > 0 ? given : UNKNOWN);
  for (let nth = 0; nth < slot.poisoned; nth += 1) error(nth, 430, given.length > 0 ? given : UNKNOWN);
  for (let nth = 0; nth < slot.timeouts; nth += 1) {
    const seconds = facts.timeoutSeconds.toFixed(2);
    add(nth, 440, (at, request) => `${new Date(at).toISOString()} ${request} Task timed out after ${seconds} seconds`);
    if (given.length > 0) error(nth, 450, given);
  }
  for (const { log } of model.effectsAt(start + LOG_SLOT / 2)) {
    const lines = log === undefined ? 0 : poisson((log.perMinute * LOG_SLOT) / 60_000, uniform(start, 480));
    for (let nth = 0; nth < lines; nth += 1) error(nth, 481, log!.messages);
  }
  if (uniform(start, 460) < USUAL_SHARE && slot.deleted > 0) error(0, 460, USUAL);
  return lines.sort((a, b) => a.at - b.at);
}

function fill(template: string, start: number, nth: number): string {
  let part = 0;
  return template.replace(/\{(n|id|ms)\}/g, (_, kind: string) => {
    part += 1;
    const draw = hash(start, nth, 470 + part);
    if (kind === 'id') return draw.toString(16).padStart(8, '0');
    return String(kind === 'ms' ? 3 + (draw % 900) : draw % 10_000);
  });
}
