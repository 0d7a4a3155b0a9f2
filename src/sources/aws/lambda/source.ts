/** Concurrency of Lambda functions that consume queues: what is reserved for them, and what the account has. */

import type { Logger } from 'pino';
import { RunbookdError } from '../../../model/errors.ts';
import type { Answer } from '../../../model/question.ts';
import type { Source } from '../../../model/source.ts';
import type { Aws } from '../calls.ts';
import { accountLabel } from '../errors.ts';
import { awsUnknown } from '../failure.ts';

export interface LambdaSourceOptions {
  readonly name: string;
  readonly aws: Aws;
  /** The target is the queue that the function consumes. */
  readonly functions: readonly { readonly target: string; readonly name: string }[];
  readonly log: Logger;
}

/** Nothing is polled: CloudWatch has the signals. */
export function createLambdaSource({ name, aws, functions, log }: LambdaSourceOptions): Source {
  const byTarget = new Map(functions.map((one) => [one.target, one.name]));
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
        const [reserved, account] = await Promise.all([
          aws.call('lambda:GetFunctionConcurrency', { FunctionName: of }, signal),
          aws.call('lambda:GetAccountSettings', {}, signal),
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
            name: of,
            // 0 is a limit as well: the function is switched off.
            reservedConcurrency: reserved.ReservedConcurrentExecutions ?? null,
            accountConcurrency: ConcurrentExecutions,
            accountUnreserved: UnreservedConcurrentExecutions,
          },
          at: now,
          source: `${of}: lambda:GetFunctionConcurrency, lambda:GetAccountSettings`,
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
