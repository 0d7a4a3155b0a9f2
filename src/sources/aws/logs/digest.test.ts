import { expect, test } from 'vitest';
import { createDigest, growthOf, taskOf } from './digest.ts';

const TASK = '0123456789abcdef0123456789abcdef';

function digestOf(lines: readonly (readonly [side: 'before' | 'after', times: number, message: string])[]) {
  const digest = createDigest(false);
  let at = 0;
  for (const [side, times, message] of lines) {
    for (let n = 0; n < times; n += 1) {
      at += 1;
      digest.add({ at, stream: `api/app/${TASK}`, message }, side);
    }
  }
  return digest.result(60, 60);
}

test('what grew by most messages beyond luck comes first, not what grew by the largest factor', () => {
  const { templates, count, before } = digestOf([
    ['before', 50, 'ERROR usual one'],
    ['after', 52, 'ERROR usual one'],
    ['after', 1, 'ERROR happened once'],
    ['before', 5, 'ERROR connect ECONNREFUSED 10.0.0.1:5432'],
    ['after', 500, 'ERROR connect ECONNREFUSED 10.0.0.1:5432'],
    ['before', 30, 'ERROR gone'],
  ]);
  expect(templates.map(({ template, count: n, before: m }) => [template, n, m])).toEqual([
    ['ERROR connect ECONNREFUSED <*>', 500, 5],
    ['ERROR happened once', 1, 0],
    ['ERROR usual one', 52, 50],
    ['ERROR gone', 0, 30],
  ]);
  expect([count, before]).toEqual([553, 85]);
});

test('one template for two hosts is two lines', () => {
  const { templates } = digestOf([
    ['after', 2, '{"level":50,"msg":"call failed","err":{"message":"timeout","hostname":"api.stripe.com"}}'],
    ['after', 1, '{"level":50,"msg":"call failed","err":{"message":"timeout","hostname":"api.twilio.com"}}'],
  ]);
  expect(templates.map(({ host, count }) => [host, count])).toEqual([
    ['api.stripe.com', 2],
    ['api.twilio.com', 1],
  ]);
});

test('at most 20 templates, first and last time of each, tasks by their id', () => {
  const names = Array.from({ length: 60 }, (_, n) => `${'abcdefghij'[n % 10]}${'klmnop'[Math.floor(n / 10)]}x`);
  const { templates, byTask } = digestOf(names.map((name) => ['after', 2, `ERROR cause ${name} happened`]));
  expect(templates).toHaveLength(20);
  expect(templates[0]).toMatchObject({ firstAt: 1, lastAt: 2 });
  expect(byTask).toEqual({ [TASK]: 120 });
});

// 2·(100·ln(100/75) + 50·ln(50/75)) = 16.99, 2·(500·ln(500/252.5) + 5·ln(5/252.5)) = 643.98, and their roots.
test.each([
  [100, 60, 50, 60, 4.122],
  [50, 60, 100, 60, -4.122],
  [10, 60, 10, 60, 0],
  [10, 60, 5, 30, 0],
  [0, 60, 0, 60, 0],
  [9, 60, 0, 0, 3],
  [500, 60, 5, 60, 25.377],
])('growth of %s in %s s after %s in %s s is %s', (after, afterSeconds, before, beforeSeconds, expected) => {
  expect(growthOf(after, afterSeconds, before, beforeSeconds)).toBeCloseTo(expected, 2);
});

test.each([
  [`api/app/${TASK}`, TASK],
  [`app-firelens-${TASK}`, TASK],
  ['api/app/8c9f2b1e-1111-2222-3333-444455556666', '8c9f2b1e-1111-2222-3333-444455556666'],
  ['2026/11/23/[$LATEST]abc', null],
  ['', null],
])('the task of stream %s is %s', (stream, task) => {
  expect(taskOf(stream)).toBe(task);
});
