import { expect, test } from 'vitest';
import type { Question, QuestionTypes, Symptom, Target } from '../../model/index.ts';
import type { Answered, Facts } from '../detector.ts';
import { databaseTimeProbe, queriesProbe } from './service-statements.ts';

const MINUTE = 60_000;
const NOW = Date.UTC(2026, 10, 23, 14, 5);
const API: Target = { name: 'api', kind: 'service', dependsOn: [], slots: {} };
const SYMPTOM: Symptom = {
  detector: 'high-latency',
  target: 'api',
  subject: '',
  severity: 'error',
  headline: 'p95 2.9 s',
  summary: '',
  onset: { earliest: NOW - 5 * MINUTE, latest: NOW - 4 * MINUTE },
  readings: [],
};
const FACTS: Facts = { now: NOW, target: API, on: API, onset: SYMPTOM.onset, options: {} };

type World = Readonly<Record<string, readonly [usual: number, now: number]>>;

const seriesOf = (world: World, signal: string): QuestionTypes['series']['value'] | null => {
  const figures = world[signal];
  if (figures === undefined) return null;
  const [usual, now] = figures;
  const points = Array.from({ length: 25 }, (_, index) => ({
    labels: {},
    at: NOW - (24 - index) * MINUTE,
    value: index < 20 ? usual : now,
    expected: usual,
    lower: usual * 0.8,
    upper: usual * 1.2,
  }));
  return { unit: 'count', points };
};

function judged(probe: ReturnType<typeof queriesProbe>, world: World) {
  const question = probe.ask(SYMPTOM, FACTS) as Question<'series'>;
  const answered: Answered = (other) => seriesOf(world, (other as Question<'series'>).params.signal) as never;
  return probe.judge(seriesOf(world, question.params.signal)!, SYMPTOM, FACTS, answered);
}

const requests = [6000, 6000] as const;

test.each([
  { name: 'ten times the time', world: { db_time_seconds: [120, 1200], requests }, weight: 2 },
  { name: 'as much as before', world: { db_time_seconds: [120, 126], requests }, weight: -3 },
  {
    name: 'twice the time for twice the requests is as before',
    world: { db_time_seconds: [120, 240], requests: [6000, 12_000] },
    weight: -3,
  },
  { name: 'requests that are not known', world: { db_time_seconds: [120, 1200] }, weight: 0 },
] as const)('time in the database: $name weighs $weight', ({ world, weight }) => {
  expect(judged(databaseTimeProbe(2, 3), world).weight).toBe(weight);
});

test.each([
  {
    name: 'ten times the queries, each as long',
    world: { db_queries: [24_000, 240_000], db_time_seconds: [120, 1200], requests },
    weight: 2.7,
    observed: 'a request sends 40 queries, 10× of before, each as long as before',
  },
  {
    name: 'more queries, each slower too',
    world: { db_queries: [24_000, 48_000], db_time_seconds: [120, 1200], requests },
    weight: 1.35,
    observed: 'a request sends 8 queries, 2× of before, and each takes 5× as long',
  },
  {
    name: 'twice the queries for twice the requests',
    world: { db_queries: [24_000, 48_000], requests: [6000, 12_000] },
    weight: -4,
    observed: 'a request sends 4 queries, 1× of before',
  },
] as const)('queries: $name weighs $weight', ({ world, weight, observed }) => {
  expect(judged(queriesProbe(2.7, 4), world)).toMatchObject({ weight, observed });
});
