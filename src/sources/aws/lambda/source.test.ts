import { pino } from 'pino';
import { expect, test } from 'vitest';
import { RunbookdError } from '../../../model/errors.ts';
import type { Aws } from '../calls.ts';
import { createLambdaSource } from './source.ts';

const QUESTION = { kind: 'lambda.function', target: 'messages', window: { from: 0, to: 1 }, params: {} } as const;
const LIMITS = { ConcurrentExecutions: 1_000, UnreservedConcurrentExecutions: 900 };

function ask(reserved: unknown, account: unknown) {
  const inputs: unknown[] = [];
  const aws = {
    account: { name: 'default', region: 'us-east-1', roleArn: null, externalId: null, endpoint: null },
    call: async (action: string, input: unknown) => {
      inputs.push(input);
      const reply = action === 'lambda:GetAccountSettings' ? account : reserved;
      if (reply instanceof Error) throw reply;
      return reply;
    },
    close: () => undefined,
  } as unknown as Aws;
  const functions = [{ target: 'messages', name: 'rastup-message-processor' }];
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
    source: 'rastup-message-processor: lambda:GetFunctionConcurrency, lambda:GetAccountSettings',
    value: {
      at: 5,
      name: 'rastup-message-processor',
      reservedConcurrency,
      accountConcurrency: 1_000,
      accountUnreserved: 900,
    },
  });
  expect(inputs).toEqual([{ FunctionName: 'rastup-message-processor' }, {}]);
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

test('answers only about its own functions', () => {
  const { source } = ask({}, {});
  expect(source.answers(QUESTION)).toBe(true);
  expect(source.answers({ ...QUESTION, target: 'other' })).toBe(false);
});
