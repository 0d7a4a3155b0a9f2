import type { RequestTimeAnswer, TrackedErrorsAnswer } from 'runbookd/sdk';
import { NOW } from 'runbookd/testing';
import { describe, expect, test } from 'vitest';
import { databaseShareProbe } from './request-time.ts';
import { newIssuesProbe } from './tracked-errors.ts';

const target = { name: 'api', kind: 'service', dependsOn: [], slots: {} } as const;
const facts = { now: NOW, target, on: target, onset: { earliest: NOW - 60_000, latest: NOW }, options: {} };
const symptom = {
  detector: 'x',
  target: 'api',
  subject: '',
  severity: 'error',
  headline: '',
  summary: '',
  onset: facts.onset,
  readings: [],
} as const;

describe('issues of the error tracker', () => {
  const issue = (state: TrackedErrorsAnswer['issues'][number]['state'], over: object = {}) => ({
    id: '1',
    title: 'TypeError: x is undefined',
    culprit: null,
    firstSeenAt: NOW - 30_000,
    lastSeenAt: NOW,
    events: 1200,
    users: 41,
    state,
    release: 'api@512',
    ...over,
  });
  const judge = (...issues: TrackedErrorsAnswer['issues']) =>
    newIssuesProbe(1.2).judge(
      { at: NOW, tracker: 'sentry', project: 'api', issues } as never,
      symptom,
      facts,
      () => null,
    );

  test.each([
    ['new', 1.2, /first seen at 14:04:30 in api@512, 1,200 times for 41 users$/],
    ['regressed', 0.6, /back after it was resolved in api@512/],
    ['grown', 0, /no issue of api is new or back; 1 issue has grown$/],
    ['known', 0, /no issue of api is new or back; none has grown$/],
  ] as const)('one that is %s weighs %s', (state, weight, observed) => {
    expect(judge(issue(state))).toMatchObject({ weight, observed: expect.stringMatching(observed) });
  });

  test('none proves nothing', () => expect(judge()).toMatchObject({ state: 'neutral', weight: 0 }));

  test('asks from the onset on', () => {
    expect(newIssuesProbe().ask(symptom, facts)).toMatchObject({ target: 'api', params: { since: NOW - 60_000 } });
  });
});

describe("the database's share of request time", () => {
  const judge = (now: number | null, before: number | null) => {
    const shares = { database: now, http: null, cache: null };
    const answer: RequestTimeAnswer = {
      at: NOW,
      apm: 'datadog',
      service: 'api',
      p95Seconds: 2,
      meanSeconds: 1,
      shares,
      before: { ...shares, database: before },
    };
    return databaseShareProbe(1.5, 3).judge(answer as never, symptom, facts, () => null);
  };

  test.each([
    ['more than half, and more than before', 0.8, 0.3, 1.5],
    ['more than half, as ever', 0.8, 0.75, 0],
    ['more than half, before not known', 0.8, null, 1.5],
    ['a third', 0.35, 0.1, 0],
    ['little', 0.1, 0.1, -3],
    ['not measured', null, null, 0],
  ])('%s', (_, now, before, weight) => expect(judge(now, before).weight).toBe(weight));
});
