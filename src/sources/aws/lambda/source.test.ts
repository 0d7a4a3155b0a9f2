import { pino } from 'pino';
import { expect, test } from 'vitest';
import { RunbookdError } from '../../../model/errors.ts';
import type { Aws } from '../calls.ts';
import { createLambdaSource } from './source.ts';

const QUESTION = { kind: 'lambda.function', target: 'messages', window: { from: 0, to: 1 }, params: {} } as const;
const LIMITS = { ConcurrentExecutions: 1_000, UnreservedConcurrentExecutions: 900 };

const EVENT_SOURCE = {
  UUID: '6f3a3c1e-1111-4222-8333-0123456789ab',
  EventSourceArn: 'arn:aws:sqs:us-east-1:123456789012:rastup-messages',
  State: 'Enabled',
  StateTransitionReason: 'USER_INITIATED',
  LastModified: new Date(3),
  BatchSize: 10,
  ScalingConfig: { MaximumConcurrency: 8 },
};
const MAPPING = {
  id: EVENT_SOURCE.UUID,
  state: 'enabled',
  reason: 'USER_INITIATED',
  changedAt: 3,
  batchSize: 10,
  maximumConcurrency: 8,
};

function ask(
  reserved: unknown,
  account: unknown,
  pages: readonly unknown[] = [{ EventSourceMappings: [EVENT_SOURCE] }],
) {
  const listed = [...pages];
  const inputs: unknown[] = [];
  const aws = {
    account: { name: 'default', region: 'us-east-1', roleArn: null, externalId: null, endpoint: null },
    call: async (action: string, input: unknown) => {
      inputs.push(input);
      const others = action === 'lambda:GetAccountSettings' ? account : reserved;
      const reply = action === 'lambda:ListEventSourceMappings' ? (listed.shift() ?? pages.at(-1)) : others;
      if (reply instanceof Error) throw reply;
      return reply;
    },
    close: () => undefined,
  } as unknown as Aws;
  const functions = [{ target: 'messages', name: 'rastup-message-processor', queue: 'rastup-messages' }];
  const source = createLambdaSource({ name: 'lambda', aws, functions, log: pino({ level: 'silent' }) });
  return { inputs, source, answer: source.answer(QUESTION, 5, new AbortController().signal) };
}

test.each([
  ['reserved', { ReservedConcurrentExecutions: 100 }, 100],
  ['switched off', { ReservedConcurrentExecutions: 0 }, 0],
  ['not reserved', {}, null],
])('concurrency: %s', async (_, reserved, reservedConcurrency) => {
  const { inputs, answer } = ask(reserved, { AccountLimit: LIMITS });
  expect(await answer).toEqual({
    state: 'answered',
    kind: 'lambda.function',
    at: 5,
    source:
      'rastup-message-processor: lambda:GetFunctionConcurrency, lambda:GetAccountSettings, lambda:ListEventSourceMappings',
    value: {
      at: 5,
      name: 'rastup-message-processor',
      reservedConcurrency,
      accountConcurrency: 1_000,
      accountUnreserved: 900,
      eventSources: [MAPPING],
    },
  });
  const FunctionName = 'rastup-message-processor';
  expect(inputs).toEqual([{ FunctionName }, {}, { FunctionName }]);
});

test.each([
  [
    'denied',
    new RunbookdError('AWS_DENIED', ['AWS', 'lambda:GetFunctionConcurrency']),
    { AccountLimit: LIMITS },
    'denied',
  ],
  ['not there', new RunbookdError('AWS_NOT_FOUND', ['AWS', 'x', 'y']), { AccountLimit: LIMITS }, 'not_configured'],
  ['no limits in the answer', {}, {}, 'error'],
])('unknown: %s', async (_, reserved, account, because) => {
  expect(await ask(reserved, account).answer).toMatchObject({ state: 'unknown', kind: 'lambda.function', because });
});

test.each<readonly [string, readonly unknown[], unknown]>([
  ['none', [{}], []],
  [
    'of other queues and streams',
    [
      {
        EventSourceMappings: [
          { ...EVENT_SOURCE, EventSourceArn: 'arn:aws:sqs:us-east-1:123456789012:rastup-messages-dlq' },
          { ...EVENT_SOURCE, EventSourceArn: 'arn:aws:kinesis:us-east-1:123456789012:rastup-messages' },
          { State: 'Enabled' },
        ],
      },
    ],
    [],
  ],
  [
    'on the second page, disabled, of few words',
    [
      { EventSourceMappings: [], NextMarker: 'two' },
      { EventSourceMappings: [{ UUID: MAPPING.id, EventSourceArn: EVENT_SOURCE.EventSourceArn, State: 'Disabled' }] },
    ],
    [{ ...MAPPING, state: 'disabled', reason: null, changedAt: null, batchSize: null, maximumConcurrency: null }],
  ],
  [
    'in a state that AWS did not have yet',
    [{ EventSourceMappings: [{ ...EVENT_SOURCE, State: 'constructor' }] }],
    [{ ...MAPPING, state: 'other' }],
  ],
])('event sources: %s', async (_, pages, eventSources) => {
  const { answer } = ask({}, { AccountLimit: LIMITS }, pages);
  expect(await answer).toMatchObject({ state: 'answered', value: { eventSources } });
});

test.each([
  ['denied', new RunbookdError('AWS_DENIED', ['AWS', 'lambda:ListEventSourceMappings']), 'denied'],
  ['a list without an end', { EventSourceMappings: [], NextMarker: 'again' }, 'error'],
])('event sources that cannot be read are a gap, and the limits are told: %s', async (_, page, because) => {
  const answer = await ask({ ReservedConcurrentExecutions: 5 }, { AccountLimit: LIMITS }, [page]).answer;
  expect(answer).toMatchObject({
    state: 'answered',
    value: { reservedConcurrency: 5, eventSources: null },
    unseen: [{ because }],
  });
});

test('answers only about its own functions', () => {
  const { source } = ask({}, {});
  expect(source.answers(QUESTION)).toBe(true);
  expect(source.answers({ ...QUESTION, target: 'other' })).toBe(false);
});
