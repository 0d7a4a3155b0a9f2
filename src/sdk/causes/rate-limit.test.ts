import { expect, test } from 'vitest';
import type { Question, QuestionTypes, Symptom, Target } from '../../model/index.ts';
import type { Answered, Facts } from '../detector.ts';
import { rateLimitHypotheses } from './rate-limit.ts';

const T0 = Date.UTC(2026, 10, 23, 14, 0, 0);
const api = (rateLimit?: string): Target => ({
  name: 'api',
  kind: 'service',
  dependsOn: [],
  slots: rateLimit === undefined ? {} : { rateLimit },
});
const facts = (target: Target): Facts => ({
  now: T0 + 300_000,
  target,
  on: target,
  onset: { earliest: T0, latest: T0 + 60_000 },
  options: {},
});
const series = (before: number, after: number): QuestionTypes['series']['value'] => ({
  unit: 'count',
  points: [before, after].map((value, index) => ({
    labels: {},
    at: T0 + index * 60_000,
    value,
    expected: null,
    lower: null,
    upper: null,
  })),
});
const requests: Answered = (question: Question) =>
  (question.kind === 'series' && (question as Question<'series'>).params.signal === 'requests'
    ? series(1000, 1000)
    : null) as never;
const [ours] = rateLimitHypotheses({ variants: ['ours'] });
const judge = (subject: string, before: number, after: number, target = api('1000')) =>
  ours!.probes[0]!.judge(series(before, after), { subject } as Symptom, facts(target), requests);

test('our own limit explains 429, and no 5xx', () => {
  expect(judge('429', 2, 180)).toMatchObject({ state: 'supports', observed: expect.stringContaining('18 %') });
  expect(judge('', 2, 180).state).toBe('neutral');
  expect(judge('429', 20, 22).state).toBe('opposes');
});

test('the limit is raised by half where it is known', () => {
  expect(judge('429', 2, 180).slots).toEqual({ rateLimit: 1500 });
  expect(judge('429', 2, 180, api()).slots).toEqual({});
});
