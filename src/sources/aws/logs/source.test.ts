import { pino } from 'pino';
import { afterEach, expect, test, vi } from 'vitest';
import type { LogErrorsAnswer } from '../../../model/aws.ts';
import { RunbookdError } from '../../../model/errors.ts';
import type { Answer } from '../../../model/question.ts';
import type { Aws, AwsCalls } from '../calls.ts';
import { createLogsSource, DEFAULT_FILTER } from './source.ts';

type Input = AwsCalls['logs:FilterLogEvents']['input'];
type Output = Omit<AwsCalls['logs:FilterLogEvents']['output'], '$metadata'>;

const MINUTE = 60_000;
const NOW = 100 * MINUTE;
const WINDOW = { from: NOW - 60 * MINUTE, to: NOW };
const SINCE = NOW - 10 * MINUTE;

afterEach(() => {
  vi.useRealTimers();
});

function ask(
  reply: (input: Input, signal: AbortSignal) => Output | Promise<Output>,
  options: { readonly filter?: string; readonly since?: number } = {},
) {
  const calls: Input[] = [];
  const aws = {
    account: { name: 'default', region: 'us-east-1', roleArn: null, externalId: null, endpoint: null },
    call: async (_: string, input: Input, signal: AbortSignal) => {
      calls.push(input);
      return reply(input, signal);
    },
    close: () => undefined,
  } as unknown as Aws;
  const services = [{ target: 'api', group: '/ecs/api', filter: options.filter ?? null }];
  const source = createLogsSource({ name: 'logs', aws, services, log: pino({ level: 'silent' }) });
  const params = { since: options.since ?? SINCE };
  const question = { kind: 'logs.errors', target: 'api', window: WINDOW, params } as const;
  return { calls, source, answer: source.answer(question, NOW, new AbortController().signal) };
}

function logsOf(answer: Answer): LogErrorsAnswer {
  if (answer.state !== 'answered' || answer.kind !== 'logs.errors') throw new Error(JSON.stringify(answer));
  return answer.value;
}

const event = (timestamp: number, message = 'ERROR boom') => ({ timestamp, message, logStreamName: 'a/b/c' });
/** One event every ten seconds of the span asked for. */
const everyTenSeconds = ({ startTime = 0, endTime = 0 }: Input): Output => ({
  events: Array.from({ length: Math.floor((endTime - startTime) / 10_000) + 1 }, (_, n) =>
    event(startTime + n * 10_000),
  ),
});

test('reads from the onset on, then as long before it', async () => {
  const { calls, answer } = ask(everyTenSeconds);
  const value = logsOf(await answer);
  expect(
    calls.map(({ startTime, endTime, logGroupName, filterPattern }) => [
      startTime,
      endTime,
      logGroupName,
      filterPattern,
    ]),
  ).toEqual([
    [SINCE, NOW, '/ecs/api', DEFAULT_FILTER],
    [SINCE - 10 * MINUTE, SINCE - 1, '/ecs/api', DEFAULT_FILTER],
  ]);
  expect(value).toMatchObject({
    from: SINCE - 10 * MINUTE,
    to: NOW,
    count: 61,
    before: 60,
    beforeSeconds: 600,
    partial: false,
  });
});

test('an empty page is not the last one', async () => {
  const pages: Output[] = [
    { events: [], nextToken: 'a' },
    { nextToken: 'b' },
    { events: [event(SINCE + 5)] },
    { events: [] },
  ];
  const { calls, answer } = ask(() => pages.shift()!);
  expect(logsOf(await answer)).toMatchObject({ count: 1, before: 0, beforeSeconds: 600, partial: false });
  expect(calls.map(({ nextToken }) => nextToken)).toEqual([undefined, 'a', 'b', undefined]);
});

test('a flood ends at the cap, says so, and what it is compared with is as long as what was read', async () => {
  let at = SINCE;
  const { calls, answer } = ask(({ limit = 0, startTime = 0 }) => {
    if (startTime < SINCE) return { events: [event(startTime + 1)] };
    const events = Array.from({ length: Math.min(limit, 900) }, (_, n) => event(at + (n + 1) * 10));
    at = events.at(-1)?.timestamp ?? at;
    return { events, nextToken: `t${at}` };
  });
  const value = logsOf(await answer);
  expect(value).toMatchObject({ count: 6_000, to: SINCE + 60_000, before: 1, beforeSeconds: 60, partial: true });
  expect(calls.length).toBeLessThanOrEqual(20);
  expect(calls.every(({ limit }) => limit! > 0 && limit! <= 10_000)).toBe(true);
});

test('pages without end stop at the cap of pages', async () => {
  let n = 0;
  const { calls, answer } = ask(() => {
    n += 1;
    return { events: [], nextToken: String(n) };
  });
  expect(logsOf(await answer)).toMatchObject({ count: 0, to: SINCE, beforeSeconds: 0, partial: true });
  expect(calls).toHaveLength(20);
});

test('a token that repeats itself is not followed', async () => {
  const { calls, answer } = ask(() => ({ events: [], nextToken: 'same' }));
  await answer;
  expect(calls).toHaveLength(4);
});

test('a log group that answers slowly costs four seconds and gives what was read', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  let n = 0;
  const { answer } = ask((input, signal) => {
    n += 1;
    if (n === 1) return { events: [event(SINCE + 1), event(SINCE + 2_000)], nextToken: 'x' };
    return new Promise((_, reject) => {
      signal.addEventListener('abort', () =>
        reject(new RunbookdError('AWS_TIMEOUT', ['AWS', String(input.limit), 4_000])),
      );
    });
  });
  await vi.advanceTimersByTimeAsync(4_100);
  expect(logsOf(await answer)).toMatchObject({ count: 2, to: SINCE + 2_000, beforeSeconds: 0, partial: true });
});

test('what cannot be read before the onset costs the comparison and not the answer', async () => {
  const { answer } = ask(({ startTime = 0 }) => {
    if (startTime < SINCE) throw new RunbookdError('AWS_THROTTLED', ['AWS', 'logs:FilterLogEvents']);
    return { events: [event(SINCE)] };
  });
  expect(logsOf(await answer)).toMatchObject({ count: 1, before: 0, beforeSeconds: 0, partial: true, from: SINCE });
  expect(await answer).toMatchObject({ unseen: [{ because: 'error' }] });
});

test('a page that cannot be had ends the reading, and that is told', async () => {
  const { answer } = ask(({ nextToken }) => {
    if (nextToken !== undefined) throw new RunbookdError('AWS_THROTTLED', ['AWS', 'logs:FilterLogEvents']);
    return { events: [event(SINCE)], nextToken: 'more' };
  });
  expect(logsOf(await answer)).toMatchObject({ count: 1, partial: true });
  expect(await answer).toMatchObject({ unseen: [{ detail: expect.stringContaining('throttled') }, {}] });
});

test.each([
  ['AWS_DENIED', 'denied'],
  ['AWS_TIMEOUT', 'timeout'],
  ['AWS_NOT_FOUND', 'not_configured'],
  ['AWS_THROTTLED', 'error'],
] as const)('%s on the first page is unknown: %s', async (code, because) => {
  const { answer } = ask(() => {
    throw new RunbookdError(code, ['AWS us-east-1', 'logs:FilterLogEvents', 'x']);
  });
  expect(await answer).toMatchObject({ state: 'unknown', kind: 'logs.errors', because });
});

test("the user's filter replaces ours, and then every line counts", async () => {
  const { calls, answer } = ask(() => ({ events: [event(SINCE, 'INFO webhook signature of somebody')] }), {
    filter: '"webhook"',
  });
  expect(logsOf(await answer)).toMatchObject({ count: 1 });
  expect(calls[0]).toMatchObject({ filterPattern: '"webhook"' });
});

test('lines that are no errors do not count, nor do those without a time or outside the window', async () => {
  const events = [
    event(SINCE, 'INFO finished with 0 errors'),
    { message: 'ERROR x' },
    { timestamp: SINCE },
    event(NOW + 1),
  ];
  expect(logsOf(await ask(() => ({ events })).answer)).toMatchObject({ count: 0, templates: [] });
});

test('an onset before the window leaves nothing to compare with', async () => {
  const { calls, answer } = ask(everyTenSeconds, { since: WINDOW.from - MINUTE });
  expect(logsOf(await answer)).toMatchObject({ from: WINDOW.from, before: 0, beforeSeconds: 0 });
  expect(calls).toHaveLength(1);
});

test('ten thousand lines are judged without holding up the daemon', async () => {
  const line = (n: number): string =>
    `{"level":50,"time":${n},"msg":"request ${n} failed","err":{"message":"connect ECONNREFUSED 10.0.0.${n % 250}:5432","stack":"${'at x '.repeat(100)}"}}`;
  let longest = 0;
  let last = performance.now();
  const beat = setInterval(() => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }, 1);
  const { answer } = ask(({ limit = 0, startTime = 0 }) => ({
    events: Array.from({ length: limit }, (_, n) => event(startTime + n, line(n))),
  }));
  const value = logsOf(await answer);
  clearInterval(beat);
  expect(value.count + value.before).toBe(10_000);
  expect(value.templates).toHaveLength(1);
  expect(longest).toBeLessThan(500);
});

test('the default filter is a list of optional terms as CloudWatch takes it', () => {
  expect(DEFAULT_FILTER.length).toBeLessThanOrEqual(1_024);
  expect(DEFAULT_FILTER).toMatch(/^(?:\?(?:[A-Za-z0-9]+|"[^"\\]+") ?)+$/);
});

test('answers only about its own services, and polls nothing', async () => {
  const { source } = ask(everyTenSeconds);
  const question = { kind: 'logs.errors', target: 'api', window: WINDOW, params: { since: SINCE } } as const;
  expect(source.answers(question)).toBe(true);
  expect(source.answers({ ...question, target: 'web' })).toBe(false);
  expect(source.answers({ kind: 'sqs.queue', target: 'api', window: WINDOW, params: {} })).toBe(false);
  expect(source.groups).toEqual([]);
});
