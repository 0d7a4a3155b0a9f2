/** Queues on SQS as they are now: how many messages wait, are worked on, were given up. CloudWatch has their history. */

import type { QueueAttributeName } from '@aws-sdk/client-sqs';
import type { Logger } from 'pino';
import type { SqsQueueAnswer } from '../../../model/aws.ts';
import { messageOf, RunbookdError } from '../../../model/errors.ts';
import type { EpochMs } from '../../../model/glossary.ts';
import type { Answer, Unseen } from '../../../model/question.ts';
import type { Source } from '../../../model/source.ts';
import type { Aws } from '../calls.ts';
import { accountLabel } from '../errors.ts';
import { awsUnknown, failureOf } from '../failure.ts';
import { outside } from '../logs/redact.ts';

export interface SqsSourceOptions {
  readonly name: string;
  readonly aws: Aws;
  readonly queues: readonly {
    readonly target: string;
    readonly queue: string;
    /** Null: the one that the queue's redrive policy names, if it is in the same account and region. */
    readonly deadLetter: string | null;
  }[];
  readonly log: Logger;
}

const WANTED: QueueAttributeName[] = [
  'ApproximateNumberOfMessages',
  'ApproximateNumberOfMessagesNotVisible',
  'ApproximateNumberOfMessagesDelayed',
  'VisibilityTimeout',
  'RedrivePolicy',
];

type Attributes = Readonly<Partial<Record<string, string>>>;

/** Nothing is polled: CloudWatch has the signals. */
export function createSqsSource({ name, aws, queues, log }: SqsSourceOptions): Source {
  const byTarget = new Map(queues.map((queue) => [queue.target, queue]));
  const urls = new Map<string, string>();

  const urlOf = async (queue: string, signal: AbortSignal): Promise<string> => {
    const known = urls.get(queue);
    if (known !== undefined) return known;
    const { QueueUrl } = await aws.call('sqs:GetQueueUrl', { QueueName: queue }, signal);
    if (QueueUrl === undefined) throw unreadable('sqs:GetQueueUrl', `no URL of queue ${queue} in the answer`);
    urls.set(queue, QueueUrl);
    return QueueUrl;
  };

  const attributesOf = async (
    queue: string,
    names: QueueAttributeName[],
    signal: AbortSignal,
  ): Promise<{ readonly url: string; readonly attributes: Attributes }> => {
    const url = await urlOf(queue, signal);
    try {
      const input = { QueueUrl: url, AttributeNames: names };
      const { Attributes = {} } = await aws.call('sqs:GetQueueAttributes', input, signal);
      return { url, attributes: Attributes };
    } catch (error) {
      // It may have been made anew under another address.
      urls.delete(queue);
      throw error;
    }
  };

  const unreadable = (action: string, why: string): RunbookdError =>
    new RunbookdError('AWS_FAILED', [accountLabel(aws.account), action, why]);

  const numberIn = (attributes: Attributes, attribute: QueueAttributeName): number => {
    const value = attributes[attribute];
    if (!/^\d{1,15}$/.test(value ?? '')) {
      throw unreadable(
        'sqs:GetQueueAttributes',
        `${attribute} is ${outside(value ?? 'missing', 40)}, expected a number`,
      );
    }
    return Number(value);
  };

  const deadLettersIn = async (queue: string, unseen: Unseen[], signal: AbortSignal): Promise<number | null> => {
    try {
      const { attributes } = await attributesOf(queue, ['ApproximateNumberOfMessages'], signal);
      return numberIn(attributes, 'ApproximateNumberOfMessages');
    } catch (error) {
      log.debug({ source: name, queue, error: messageOf(error) }, 'dead-letter queue was not read');
      unseen.push(failureOf(error));
      return null;
    }
  };

  const look = async (
    { queue, deadLetter }: SqsSourceOptions['queues'][number],
    now: EpochMs,
    unseen: Unseen[],
    signal: AbortSignal,
  ): Promise<SqsQueueAnswer> => {
    const { url, attributes } = await attributesOf(queue, WANTED, signal);
    const redrive = redriveOf(attributes['RedrivePolicy']);
    const deadLetterQueue = deadLetter ?? redrive.queue;
    return {
      at: now,
      queue,
      url: /^https?:\/\/[\w.:-]{1,200}\/[\w./-]{1,200}$/.test(url) ? url : '',
      visible: numberIn(attributes, 'ApproximateNumberOfMessages'),
      inFlight: numberIn(attributes, 'ApproximateNumberOfMessagesNotVisible'),
      delayed: numberIn(attributes, 'ApproximateNumberOfMessagesDelayed'),
      visibilityTimeoutSeconds: numberIn(attributes, 'VisibilityTimeout'),
      maxReceives: redrive.maxReceives,
      deadLetterQueue,
      deadLetters: deadLetterQueue === null ? null : await deadLettersIn(deadLetterQueue, unseen, signal),
    };
  };

  return {
    name,
    groups: [],
    poll: async () => ({ series: [], changes: [], blind: [] }),
    answers: ({ kind, target }) => kind === 'sqs.queue' && byTarget.has(target),
    async answer(question, now, signal): Promise<Answer> {
      const { kind, target } = question;
      const queue = byTarget.get(target);
      if (kind !== 'sqs.queue' || queue === undefined) {
        return {
          state: 'unknown',
          kind,
          because: 'unsupported',
          detail: `${name} does not answer ${kind} of ${target}`,
        };
      }
      try {
        const unseen: Unseen[] = [];
        const value = await look(queue, now, unseen, signal);
        const source = `${queue.queue}: sqs:GetQueueAttributes`;
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

/** `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:123456789012:name","maxReceiveCount":5}`; the count may be text. */
function redriveOf(policy: string | undefined): {
  readonly queue: string | null;
  readonly maxReceives: number | null;
} {
  try {
    const parsed: unknown = JSON.parse(policy ?? '');
    if (typeof parsed !== 'object' || parsed === null) return { queue: null, maxReceives: null };
    const { deadLetterTargetArn, maxReceiveCount } = parsed as Readonly<Record<string, unknown>>;
    const queue = typeof deadLetterTargetArn === 'string' ? (deadLetterTargetArn.split(':')[5] ?? '') : '';
    const receives = Number(maxReceiveCount ?? Number.NaN);
    return {
      queue: /^[A-Za-z0-9_-]{1,80}(?:\.fifo)?$/.test(queue) ? queue : null,
      maxReceives: Number.isInteger(receives) && receives > 0 ? receives : null,
    };
  } catch {
    return { queue: null, maxReceives: null };
  }
}
