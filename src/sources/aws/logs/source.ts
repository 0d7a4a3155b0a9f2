/**
 * Error messages of services out of CloudWatch Logs: nothing is polled (each call is billed by what it scans and counts
 * against 5 to 10 calls a second of the account), only asked for while a symptom is there.
 */

import type { Logger } from 'pino';
import type { LogErrorsAnswer } from '../../../model/aws.ts';
import type { Answer, Question, Unseen } from '../../../model/question.ts';
import type { Source } from '../../../model/source.ts';
import type { Aws } from '../calls.ts';
import { awsUnknown, failureOf } from '../failure.ts';
import { createDigest } from './digest.ts';
import { type ReadResult, readEvents } from './read.ts';

export interface LogsSourceOptions {
  readonly name: string;
  readonly aws: Aws;
  readonly services: readonly {
    readonly target: string;
    readonly group: string;
    /** A filter pattern of CloudWatch Logs in place of ours; then every line that it lets through counts. */
    readonly filter: string | null;
  }[];
  readonly log: Logger;
}

/**
 * Terms that are optional to one another, as the filter syntax has it: case counts, and terms with other characters than
 * letters and digits stand in quotes. `?` terms cannot be mixed with excluding ones, so what is no error is left out here
 * (`message.ts`). At most 1,024 characters.
 */
export const DEFAULT_FILTER = [
  ...['ERROR', 'Error', 'error', 'err', 'FATAL', 'Fatal', 'fatal', 'CRITICAL', 'SEVERE', 'Exception', 'exception'],
  ...[
    'panic',
    'Traceback',
    'Unhandled',
    'Uncaught',
    'failed',
    'failure',
    'refused',
    'timeout',
    'Timeout',
    'OutOfMemory',
  ],
  ...['OutOfMemoryError', 'ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', 'ENOTFOUND', 'EAI_AGAIN', 'SQLSTATE', '429'],
  ...['timed out', 'out of memory', 'too many', 'Too Many Requests', 'rate limit', 'not available', 'certificate'],
]
  .map((term) => (/^[A-Za-z0-9]+$/.test(term) ? `?${term}` : `?"${term}"`))
  .join(' ');

/** For both parts together; the walk waits 5 s for an answer. */
const READ_MS = 4_000;
const PAGES = 20;
const EVENTS = 10_000;
/** What the part from the onset on may use up, so that something is left to compare it with. */
const AFTER_SHARE = 0.6;
/** An onset of a moment ago is compared with a minute at least. */
const LEAST_BEFORE_MS = 60_000;

export function createLogsSource({ name, aws, services, log }: LogsSourceOptions): Source {
  const byTarget = new Map(services.map((service) => [service.target, service]));

  const read = async (
    { window, params }: Question<'logs.errors'>,
    { group, filter }: LogsSourceOptions['services'][number],
    unseen: Unseen[],
    signal: AbortSignal,
  ): Promise<LogErrorsAnswer> => {
    const since = Math.floor(Math.min(Math.max(params.since, window.from), window.to));
    const to = Math.floor(window.to);
    const digest = createDigest(filter !== null);
    const span = { group, filter: filter ?? DEFAULT_FILTER };
    using enough = limitOf(READ_MS * AFTER_SHARE, signal);
    using limit = limitOf(READ_MS, signal);

    const afterBudget = {
      pages: PAGES * AFTER_SHARE,
      events: EVENTS * AFTER_SHARE,
      enough: enough.signal,
      signal: limit.signal,
    };
    const after = await readEvents(aws, { ...span, from: since, to }, afterBudget, (event) => {
      digest.add(event, 'after');
    });
    const readTo = after.readTo ?? since;
    if (after.error !== null) unseen.push(failureOf(after.error));

    const wanted = Math.max(readTo - since, LEAST_BEFORE_MS);
    const from = Math.max(Math.ceil(window.from), since - wanted);
    let before: Pick<ReadResult, 'readTo' | 'complete' | 'error'> = { readTo: null, complete: true, error: null };
    if (from < since && limit.signal.aborted) before = { readTo: null, complete: false, error: null };
    else if (from < since) {
      const budget = {
        pages: PAGES - after.pages,
        events: EVENTS - after.events,
        enough: limit.signal,
        signal: limit.signal,
      };
      try {
        before = await readEvents(aws, { ...span, from, to: since - 1 }, budget, (event) => {
          digest.add(event, 'before');
        });
      } catch (error) {
        log.debug({ source: name, group, error: String(error) }, 'log messages before the onset were not read');
        before = { readTo: null, complete: false, error };
      }
    }
    if (before.error !== null) unseen.push(failureOf(before.error));
    const beforeMs = before.readTo === null ? 0 : Math.max(0, before.readTo + 1 - from);
    const beforeSeconds = from < since ? beforeMs / 1000 : 0;
    return {
      from: from < since && beforeMs > 0 ? from : since,
      to: readTo,
      logGroup: group,
      partial: !after.complete || !before.complete,
      beforeSeconds,
      ...digest.result((readTo - since) / 1000, beforeSeconds),
    };
  };

  return {
    name,
    groups: [],
    poll: async () => ({ series: [], changes: [], blind: [] }),
    answers: ({ kind, target }) => kind === 'logs.errors' && byTarget.has(target),
    async answer(question, now, signal): Promise<Answer> {
      const { kind, target } = question;
      const service = byTarget.get(target);
      if (kind !== 'logs.errors' || service === undefined) {
        return {
          state: 'unknown',
          kind,
          because: 'unsupported',
          detail: `${name} does not answer ${kind} of ${target}`,
        };
      }
      try {
        const unseen: Unseen[] = [];
        const value = await read(question as Question<'logs.errors'>, service, unseen, signal);
        const source = `${service.group}: logs:FilterLogEvents`;
        return { state: 'answered', kind, value, at: now, source, ...(unseen.length === 0 ? {} : { unseen }) };
      } catch (error) {
        return awsUnknown(kind, error);
      }
    },
    snapshot: () => null,
    restore: () => undefined,
    close: async () => undefined,
  };
}

/** Aborts after `ms` or with `outer`; leaves no timer behind. */
function limitOf(ms: number, outer: AbortSignal): { readonly signal: AbortSignal; [Symbol.dispose](): void } {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(new Error(`no answer within ${ms} ms`)), ms);
  return {
    signal: AbortSignal.any([outer, controller.signal]),
    [Symbol.dispose]: () => clearTimeout(timer),
  };
}
