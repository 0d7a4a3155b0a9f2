/**
 * Lambda functions that consume queues: the concurrency that is reserved for them, what the account has, and whether an
 * event source hands them the messages.
 */

import type { Logger } from 'pino';
import type { EventSourceMapping } from '../../../model/aws.ts';
import { messageOf, RunbookdError } from '../../../model/errors.ts';
import type { Answer, Unseen } from '../../../model/question.ts';
import type { Source } from '../../../model/source.ts';
import type { Aws } from '../calls.ts';
import { accountLabel } from '../errors.ts';
import { awsUnknown, failureOf } from '../failure.ts';
import { eventSourcesOf } from './event-sources.ts';

export interface LambdaSourceOptions {
  readonly name: string;
  readonly aws: Aws;
  /** The target is the queue that the function consumes. */
  readonly functions: readonly { readonly target: string; readonly name: string; readonly queue: string }[];
  readonly log: Logger;
}

/** Nothing is polled: CloudWatch has the signals. */
export function createLambdaSource({ name, aws, functions, log }: LambdaSourceOptions): Source {
  const byTarget = new Map(functions.map((one) => [one.target, one]));

  /** Null where they cannot be read: the limits are worth having without them. */
  const eventSources = async (
    of: LambdaSourceOptions['functions'][number],
    unseen: Unseen[],
    signal: AbortSignal,
  ): Promise<readonly EventSourceMapping[] | null> => {
    try {
      return await eventSourcesOf(aws, of.name, of.queue, signal);
    } catch (error) {
      log.debug({ source: name, function: of.name, error: messageOf(error) }, 'event sources were not read');
      unseen.push(failureOf(error));
      return null;
    }
  };

  return {
    name,
    groups: [],
    poll: async () => ({ series: [], changes: [], blind: [] }),
    answers: ({ kind, target }) => kind === 'lambda.function' && byTarget.has(target),
    async answer(question, now, signal): Promise<Answer> {
      const { kind, target } = question;
      const of = byTarget.get(target);
      if (kind !== 'lambda.function' || of === undefined) {
        return {
          state: 'unknown',
          kind,
          because: 'unsupported',
          detail: `${name} does not answer ${kind} of ${target}`,
        };
      }
      try {
        log.trace({ source: name, target }, 'answer');
        const unseen: Unseen[] = [];
        const [reserved, account, sources] = await Promise.all([
          aws.call('lambda:GetFunctionConcurrency', { FunctionName: of.name }, signal),
          aws.call('lambda:GetAccountSettings', {}, signal),
          eventSources(of, unseen, signal),
        ]);
        const { ConcurrentExecutions, UnreservedConcurrentExecutions } = account.AccountLimit ?? {};
        if (ConcurrentExecutions === undefined || UnreservedConcurrentExecutions === undefined) {
          const args = [accountLabel(aws.account), 'lambda:GetAccountSettings', 'no concurrency limit in the answer'];
          throw new RunbookdError('AWS_FAILED', args);
        }
        return {
          state: 'answered',
          kind,
          value: {
            at: now,
            name: of.name,
            // 0 is a limit as well: the function is switched off.
            reservedConcurrency: reserved.ReservedConcurrentExecutions ?? null,
            accountConcurrency: ConcurrentExecutions,
            accountUnreserved: UnreservedConcurrentExecutions,
            eventSources: sources,
          },
          at: now,
          source: `${of.name}: lambda:GetFunctionConcurrency, lambda:GetAccountSettings, lambda:ListEventSourceMappings`,
          ...(unseen.length === 0 ? {} : { unseen }),
        };
      } catch (error) {
        return awsUnknown(kind, error);
      }
    },
    snapshot: () => null,
    restore: () => undefined,
    close: async () => undefined,
  };
}
