import { pino } from 'pino';
import { expect, test } from 'vitest';
import { RunbookdError } from '../../../model/errors.ts';
import type { Aws } from '../calls.ts';
import { createSqsSource } from './source.ts';

const QUESTION = { kind: 'sqs.queue', target: 'messages', window: { from: 0, to: 1 }, params: {} } as const;
const URL_OF = (queue: string): string => `https://sqs.us-east-1.amazonaws.com/123456789012/${queue}`;
const { signal } = new AbortController();

const ATTRIBUTES = {
  ApproximateNumberOfMessages: '41200',
  ApproximateNumberOfMessagesNotVisible: '10',
  ApproximateNumberOfMessagesDelayed: '0',
  VisibilityTimeout: '30',
};
const redrive = (policy: string) => ({ ...ATTRIBUTES, RedrivePolicy: policy });
const POLICY = '{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:123456789012:rastup-messages-dlq","maxReceiveCount":5}';

function open(queues: Readonly<Record<string, unknown>>, deadLetter: string | null = null) {
  const calls: string[] = [];
  const aws = {
    account: { name: 'default', region: 'us-east-1', roleArn: null, externalId: null, endpoint: null },
    call: async (action: string, input: { readonly QueueName?: string; readonly QueueUrl?: string }) => {
      const queue = input.QueueName ?? input.QueueUrl?.split('/').at(-1) ?? '';
      calls.push(`${action} ${queue}`);
      const reply = queues[queue];
      if (reply === undefined) throw new RunbookdError('AWS_NOT_FOUND', ['AWS', action, queue]);
      if (action === 'sqs:GetQueueUrl') return { QueueUrl: URL_OF(queue) };
      if (reply instanceof Error) throw reply;
      return { Attributes: reply };
    },
    close: () => undefined,
  } as unknown as Aws;
  const source = createSqsSource({
    name: 'sqs',
    aws,
    queues: [{ target: 'messages', queue: 'rastup-messages', deadLetter }],
    log: pino({ level: 'silent' }),
  });
  return { calls, source };
}

test('a queue with its dead letters, by the redrive policy', async () => {
  const { source, calls } = open({
    'rastup-messages': redrive(POLICY),
    'rastup-messages-dlq': { ApproximateNumberOfMessages: '7' },
  });
  expect(await source.answer(QUESTION, 5, signal)).toEqual({
    state: 'answered',
    kind: 'sqs.queue',
    at: 5,
    source: 'rastup-messages: sqs:GetQueueAttributes',
    value: {
      at: 5,
      queue: 'rastup-messages',
      url: URL_OF('rastup-messages'),
      visible: 41_200,
      inFlight: 10,
      delayed: 0,
      visibilityTimeoutSeconds: 30,
      maxReceives: 5,
      deadLetterQueue: 'rastup-messages-dlq',
      deadLetters: 7,
    },
  });
  await source.answer(QUESTION, 6, signal);
  expect(calls.filter((call) => call === 'sqs:GetQueueUrl rastup-messages')).toHaveLength(1);
});

test.each([
  ['none', ATTRIBUTES, null, null],
  ['a count as text', redrive(POLICY.replace('5}', '"3"}')), 'rastup-messages-dlq', 3],
  ['not JSON', redrive('{oops'), null, null],
  ['a list', redrive('[]'), null, null],
  [
    'an address that is none',
    redrive('{"deadLetterTargetArn":"arn:aws:sqs:x:1:a b$(c)","maxReceiveCount":-1}'),
    null,
    null,
  ],
])('redrive policy: %s', async (_, attributes, deadLetterQueue, maxReceives) => {
  const { source } = open({ 'rastup-messages': attributes });
  expect(await source.answer(QUESTION, 5, signal)).toMatchObject({
    state: 'answered',
    value: { deadLetterQueue, maxReceives, deadLetters: null },
  });
});

test('the configured dead-letter queue goes before the policy; where it cannot be read its count is not known', async () => {
  const denied = new RunbookdError('AWS_DENIED', ['AWS', 'sqs:GetQueueAttributes']);
  const { source } = open({ 'rastup-messages': redrive(POLICY), 'by-hand': denied }, 'by-hand');
  expect(await source.answer(QUESTION, 5, signal)).toMatchObject({
    state: 'answered',
    value: { deadLetterQueue: 'by-hand', deadLetters: null, maxReceives: 5 },
    unseen: [{ because: 'denied' }],
  });
});

test.each([
  ['no such queue', {}, 'not_configured'],
  ['no right', { 'rastup-messages': new RunbookdError('AWS_DENIED', ['AWS', 'x']) }, 'denied'],
  ['a number that is none', { 'rastup-messages': { ...ATTRIBUTES, ApproximateNumberOfMessages: 'many' } }, 'error'],
  ['an attribute that is missing', { 'rastup-messages': { VisibilityTimeout: '30' } }, 'error'],
])('unknown: %s', async (_, queues, because) => {
  const { source } = open(queues);
  expect(await source.answer(QUESTION, 5, signal)).toMatchObject({ state: 'unknown', kind: 'sqs.queue', because });
});

test('a queue that was made anew is looked up again after one failure', async () => {
  const queues: Record<string, unknown> = { 'rastup-messages': new RunbookdError('AWS_NOT_FOUND', ['AWS', 'x', 'y']) };
  const { source, calls } = open(queues);
  await source.answer(QUESTION, 5, signal);
  queues['rastup-messages'] = ATTRIBUTES;
  expect(await source.answer(QUESTION, 6, signal)).toMatchObject({ state: 'answered' });
  expect(calls.filter((call) => call === 'sqs:GetQueueUrl rastup-messages')).toHaveLength(2);
});
