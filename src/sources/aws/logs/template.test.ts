import { expect, test } from 'vitest';
import { hostOf, kindOf } from './kind.ts';
import { messageOf } from './message.ts';
import { redact } from './redact.ts';
import { templateOf } from './template.ts';

const of = (line: string): string => templateOf(messageOf(line).text);

test.each([
  [
    '2026-11-23T14:02:25.123Z ERROR [HikariPool-1] SqlExceptionHelper - Connection is not available, request timed out after 30000ms.',
    'ERROR [<*>] SqlExceptionHelper - Connection is not available, request timed out after <*>.',
  ],
  ['[2026-11-23 14:02:25,123] ERROR in app: boom', 'ERROR in app: boom'],
  ['Error: connect ECONNREFUSED 10.0.3.17:5432', 'Error: connect ECONNREFUSED <*>'],
  ['request 8c9f2b1e-1111-2222-3333-444455556666 failed', 'request <*> failed'],
  ['Request failed with status code 503 after 3 tries', 'Request failed with status code 503 after <*> tries'],
  ['query failed: 53300 too many clients', 'query failed: 53300 too many clients'],
  ['GET https://api.stripe.com/v1/charges/ch_3Nx?expand=a failed', 'GET https://api.stripe.com/<*> failed'],
  ["relation 'orders' is gone, can't go on", "relation <*> is gone, can't go on"],
  ['Key (email)=(bob) already exists', 'Key (email)=(<*>) already exists'],
  ['failed for user bob in /users/42/orders', 'failed for user <*> in /users/<*>/orders'],
  ['user not found', 'user not found'],
  ['retry region=us-east-1 attempt=7', 'retry region=<*> attempt=<*>'],
  ['cannot parse "unfinished value of somebody', 'cannot parse <*>'],
  ['upload to s3 over HTTP/1.1 broke', 'upload to s3 over HTTP/1.1 broke'],
  ['12345 67890', '(no text)'],
  ['', '(no text)'],
])('%s', (line, expected) => {
  expect(of(line)).toBe(expected);
});

test.each([
  [
    'pino',
    '{"level":50,"time":1,"msg":"request failed","err":{"type":"Error","message":"socket hang up","stack":"x"}}',
  ],
  ['winston', '{"level":"error","message":"request failed","error":{"message":"socket hang up"}}'],
  ['logfmt', 'time=2026-11-23T14:02:25Z level=error msg="request failed" err="socket hang up"'],
  ['a text of the error', '{"severity":"ERROR","message":"request failed","error":"socket hang up"}'],
])('%s: the message and what caused it', (_, line) => {
  expect(of(line)).toBe('request failed: socket hang up');
});

test('python: the last line of a traceback is the exception', () => {
  const trace = 'Traceback (most recent call last):\\n  File \\"a.py\\", line 3\\nValueError: bad thing';
  expect(of(`{"level":"ERROR","message":"job failed","exc_info":"${trace}"}`)).toBe(
    'job failed: ValueError: bad thing',
  );
});

test('messages that differ in numbers, ids and names are one template', () => {
  const lines = Array.from(
    { length: 50 },
    (_, n) =>
      `2026-11-23 14:02:${10 + n} ERROR order ${n * 7919} of 'u${n}' failed after ${n} ms at 10.0.0.${n}:80${n}`,
  );
  expect(new Set(lines.map(of)).size).toBe(1);
});

test('a template is one line of at most 200 characters', () => {
  const long = of(`ERROR ${'something went wrong and '.repeat(100)}\n at x`);
  expect(Array.from(long)).toHaveLength(200);
  expect(long).toMatch(/^[\x20-\x7e…]+$/);
});

test.each([
  [true, 'ERROR boom'],
  [true, '{"level":50,"msg":"boom"}'],
  [true, '{"level":50,"time":1,"msg":"cut off in the mid'],
  [true, '{"level":30,"msg":"request completed","res":{"statusCode":500}}'],
  [true, '{"level":30,"msg":"request completed","res":{"statusCode":429}}'],
  [true, 'INFO retrying: connect ECONNREFUSED 10.0.0.1:80'],
  [true, '1.2.3.4 - - [23/Nov/2026:14:02:25 +0000] "GET /x HTTP/1.1" 502 12'],
  [false, '1.2.3.4 - - [23/Nov/2026:14:02:25 +0000] "GET /error HTTP/1.1" 200 12'],
  [false, '{"level":30,"msg":"finished","errors":0}'],
  [false, '{"level":"info","message":"error budget 99 %"}'],
  [false, 'INFO finished with 0 errors'],
  [false, 'level=info msg="no error"'],
  [false, '    at Object.onError (/app/error.js:1:2)'],
  [false, 'request took 429 ms'],
])('an error: %s: %s', (expected, line) => {
  expect(messageOf(line).isError).toBe(expected);
});

test('the work of a hostile line grows with its length, and no faster', () => {
  const hostile = [
    'a.'.repeat(40_000),
    'a-'.repeat(40_000),
    `${'a.'.repeat(2_000)}com`,
    '"GET '.repeat(10_000),
    'level=error msg='.repeat(5_000),
    `level=error msg="${'\\'.repeat(50_000)}`,
    `{"level":50,"msg":"${'\\'.repeat(9_000)}`,
    '{"msg":"'.repeat(9_000),
    ':'.repeat(50_000),
    '1.'.repeat(40_000),
    "'".repeat(50_000),
    '= ('.repeat(20_000),
    'host '.repeat(20_000),
    'code'.repeat(20_000),
    `ERROR ${'aA'.repeat(30_000)}`,
    'connection to '.repeat(5_000),
    'user '.repeat(10_000),
    '{"a":'.repeat(13_000),
  ];
  const work = (line: string): void => {
    const { text } = messageOf(line);
    templateOf(text);
    hostOf(redact(text));
    kindOf(text);
  };
  /** The quickest of a few: the machine may have other things to do. */
  const cost = (line: string): number =>
    Math.min(
      ...Array.from({ length: 5 }, () => {
        const started = process.cpuUsage().user;
        work(line);
        return process.cpuUsage().user - started;
      }),
    );
  // Four times the line is four times the work, not sixteen times: some are cut, none may explode.
  for (const line of hostile) {
    const part = cost(line.slice(0, line.length / 4));
    expect(cost(line), line.slice(0, 20)).toBeLessThan(8 * part + 20_000);
  }
});
