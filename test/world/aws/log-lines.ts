/** What the tasks of a service write: a few lines of work, a line for every failed request, and their last words. */

import type { Task } from './ecs-orders.ts';
import { hash, hexId, poisson, uniform } from './random.ts';
import { revisionOf } from './service-facts.ts';
import type { ServiceModel } from './service-model.ts';

export const LOG_SLOT = 5_000;

export interface LogLine {
  readonly at: number;
  readonly task: string;
  readonly message: string;
}

const USUAL = [
  'unhandled error: TypeError: Cannot read properties of undefined (reading "id") at handler (/srv/app/routes/{id}.js:{n})',
  'request failed: Error: socket hang up (request {id})',
  'validation of entity {id} failed: unexpected state "archived"',
  'Error: write conflict on version {n}, gave up after 3 attempts',
];
const WORK = ['handled request {id} in {ms} ms', 'cache refreshed: {n} entries', 'job {id} done in {ms} ms'];

/** Lines of one slot, in order of time. */
export function linesOf(model: ServiceModel, start: number): LogLine[] {
  const slot = model.slot(start, LOG_SLOT);
  const { seed, facts } = model;
  const lines: LogLine[] = [];
  const end = start + LOG_SLOT;
  const alive = slot.tasks.filter((task) => task.startedAt < end && task.stoppingAt > start);
  let nth = 0;
  const add = (task: Task, level: Level, template: string, extra: Extra = {}): void => {
    nth += 1;
    const from = Math.max(start, task.startedAt);
    const to = Math.min(end, task.stoppingAt);
    const at = Math.floor(from + (to - from) * uniform(seed, start, nth, 301));
    lines.push({ at, task: task.id, message: format(model, at, level, fill(template, seed, start, nth), extra, nth) });
  };
  const choose = (tasks: readonly Task[], channel: number): Task | undefined =>
    tasks[hash(seed, start, nth + 1, channel) % Math.max(1, tasks.length)];

  for (const task of alive) {
    const count = slot.requests === 0 ? 0 : poisson(2, uniform(seed, start, task.ordinal, 302));
    for (let index = 0; index < count; index += 1) {
      add(task, 'info', WORK[hash(seed, start, nth + 1, 303) % WORK.length]!, { status: 200 });
    }
    if (task.startedAt >= start) add(task, 'info', `server listening on port ${facts.port}, version ${task.revision}`);
  }
  for (const part of slot.parts) {
    const zoned = part.zone === null ? alive : alive.filter(({ zone }) => zone === part.zone);
    const owners = zoned.filter(
      (task) =>
        (part.task === null || task.id === part.task) && (part.revision === null || task.revision === part.revision),
    );
    const messages = part.messages ?? USUAL;
    for (let index = 0; index < part.count; index += 1) {
      const task = choose(owners.length > 0 ? owners : alive, 304);
      if (task === undefined) break;
      const endpoint = facts.endpoints[part.endpoint ?? hash(seed, start, nth + 1, 305) % facts.endpoints.length]!;
      add(task, 'error', messages[hash(seed, start, nth + 1, 306) % messages.length]!, {
        status: part.status,
        endpoint: endpoint.name,
      });
    }
  }
  for (const { from, to, effects } of model.conditions) {
    const { log } = effects;
    const overlap = Math.min(end, to) - Math.max(start, from);
    if (log === undefined || overlap <= 0) continue;
    // Errors of the same condition carry its messages already.
    if (effects.errors !== undefined && (log.level ?? 'error') === 'error') continue;
    const ofVersion =
      log.version === undefined ? alive : alive.filter(({ revision }) => revision === revisionOf(log.version!));
    const owners = log.task === undefined ? ofVersion : ofVersion.filter(({ id }) => id === log.task);
    const part = log.version === undefined ? 1 : ofVersion.length / Math.max(1, alive.length);
    const count = poisson((log.perMinute * overlap * part) / 60_000, uniform(seed, start, 307, from));
    for (let index = 0; index < count; index += 1) {
      const task = choose(owners, 308);
      if (task !== undefined)
        add(task, log.level ?? 'error', log.messages[hash(seed, start, nth + 1, 309) % log.messages.length]!);
    }
  }
  for (const task of slot.tasks) {
    if (task.stoppingAt < start || task.stoppingAt >= end || task.stop === null || !task.stop.starts) continue;
    const last = lastWords(task);
    if (last !== null) {
      nth += 1;
      lines.push({
        at: Math.floor(task.stoppingAt),
        task: task.id,
        message: format(model, Math.floor(task.stoppingAt), last[0], last[1], {}, nth),
      });
    }
  }
  return lines.filter(({ at }) => at >= model.startedAt).sort((a, b) => a.at - b.at);
}

type Level = 'error' | 'warn' | 'info' | 'fatal';
interface Extra {
  readonly status?: number;
  readonly endpoint?: string;
}

function lastWords(task: Task): readonly [Level, string] | null {
  const { exitCode = null, containerReason = null, stopCode = '' } = task.stop ?? {};
  if (stopCode === 'ServiceSchedulerInitiated') return ['info', 'SIGTERM received, closing'];
  if (containerReason?.startsWith('OutOfMemoryError')) {
    return ['fatal', 'FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory'];
  }
  return exitCode === 1 ? ['fatal', 'Error: configuration key db.pool.max must be a number; exiting'] : null;
}

function format(model: ServiceModel, at: number, level: Level, message: string, extra: Extra, nth: number): string {
  const time = new Date(at).toISOString();
  const request = hexId(`${at}/${nth}`, 12);
  if (model.facts.logFormat === 'json') {
    return JSON.stringify({ time, level, service: model.facts.name, msg: message, requestId: request, ...extra });
  }
  const where = extra.endpoint === undefined ? '' : `${extra.endpoint} ${extra.status ?? ''} `;
  return `${time} ${level.toUpperCase()} [${model.facts.name}] ${where}req=${request} ${message}`;
}

function fill(template: string, seed: number, start: number, nth: number): string {
  let part = 0;
  return template.replace(/\{(n|id|ms|ip)\}/g, (_, kind: string) => {
    part += 1;
    const draw = hash(seed, start, nth, 320 + part);
    if (kind === 'id') return draw.toString(16).padStart(8, '0');
    if (kind === 'ip') return `10.0.${draw % 256}.${(draw >>> 8) % 256}`;
    return String(kind === 'ms' ? 3 + (draw % 900) : draw % 10_000);
  });
}
