import type { Reading } from 'runbookd/sdk';
import { type CaseAnswers, describeDetector, judge, unknownAnswer } from 'runbookd/testing';
import { expect, test } from 'vitest';
import {
  activity,
  alone,
  type Counts,
  calm,
  change,
  confidenceOf,
  counts,
  DB,
  DELTA,
  databaseCases,
  even,
  hostLatency,
  logs,
  MINUTE,
  newVersion,
  ONSET,
  rolledBack,
  STRIPE,
  STRIPE_TIMEOUT,
  service,
  statementCases,
  suspect,
  TWILIO,
  TYPE_ERROR,
  template,
  toHost,
  tracked,
  vendorCallsFail,
} from '../test/cases/service.ts';
import { detector } from './graphql-errors.ts';

const API = service('api', ['main-db', 'stripe', 'twilio']);
const CALM = calm();

// --- what the metrics say -------------------------------------------------------------------------------------------

const OPERATIONS: Readonly<Record<string, number>> = { getModel: 900, search: 700, checkout: 200, me: 400 };
const requestsOf = (operation: string, after?: readonly number[]): Reading => {
  const usual = OPERATIONS[operation] ?? 100;
  return counts('graphql_requests', usual, after ?? [usual, usual, usual], { labels: { operation } });
};
const errorsOf = (operation: string, type: string, before: number, after: readonly number[], over: Counts = {}) =>
  counts('graphql_errors', before, after, { labels: { operation, error_type: type }, ...over });
const latencyOf = (operation: string, before: number, after: number): Reading =>
  counts('graphql_latency_p95', before, [after, after, after], { labels: { operation }, unit: 's' });
const queriesOf = (operation: string, before: number, after: number): Reading =>
  counts('graphql_queries_per_operation', before, [after, after, after], { labels: { operation } });

const REQUESTS = Object.keys(OPERATIONS).map((operation) => requestsOf(operation));
const QUIET = [
  errorsOf('getModel', 'INTERNAL_SERVER_ERROR', 1, [1, 1, 0]),
  errorsOf('search', 'BAD_USER_INPUT', 2, [2, 2, 3]),
  errorsOf('checkout', 'INTERNAL_SERVER_ERROR', 0.2, [0, 1, 0]),
];
const LATENCY = Object.keys(OPERATIONS).map((operation) => latencyOf(operation, 0.2, 0.2));
const QUERIES = Object.keys(OPERATIONS).map((operation) => queriesOf(operation, 6, 6));

const keyOf = (one: Reading): string => JSON.stringify([one.signal, Object.entries(one.labels).sort()]);
/** A quiet service with these readings in place of its own. */
function world(...now: readonly Reading[]): readonly Reading[] {
  const changed = new Set(now.map(keyOf));
  return [...now, ...[...REQUESTS, ...QUIET, ...LATENCY, ...QUERIES].filter((one) => !changed.has(keyOf(one)))];
}

const ONE_FAILS = world(errorsOf('checkout', 'INTERNAL_SERVER_ERROR', 0.2, [150, 170, 165]));
const ALL_FAIL = world(
  errorsOf('getModel', 'INTERNAL_SERVER_ERROR', 1, [130, 160, 150]),
  errorsOf('search', 'INTERNAL_SERVER_ERROR', 0.2, [90, 110, 120]),
  errorsOf('checkout', 'INTERNAL_SERVER_ERROR', 0.2, [60, 70, 64]),
  errorsOf('me', 'INTERNAL_SERVER_ERROR', 0.2, [50, 60, 61]),
);
const ONE_SLOW = world(latencyOf('search', 0.2, 2.4));

const CALLERS = world(errorsOf('search', 'BAD_USER_INPUT', 2, [300, 320, 310]));

// --- what the sources say -------------------------------------------------------------------------------------------

const OWN = { ...CALM, 'logs.errors': logs([TYPE_ERROR], even(100)) } satisfies CaseAnswers;
const NEW_ISSUE = tracked([
  {
    id: '4711',
    title: "TypeError: Cannot read properties of undefined (reading 'total')",
    culprit: 'checkout.resolver',
    firstSeenAt: ONSET,
    lastSeenAt: ONSET + MINUTE,
    events: 480,
    users: 212,
    state: 'new',
    release: 'api@512',
  },
]);
const LOOP = suspect(
  {
    meanMs: 2.1,
    rowsPerCall: 1,
    blocksPerCall: 4,
    callsPerSecond: 400,
    calls: 120_000,
    before: { ...DELTA.before, meanMs: 2, rowsPerCall: 1, blocksPerCall: 4, callsPerSecond: 40 },
  },
  48_000 + 120_000,
);

describeDetector(detector, {
  target: API,
  dependencies: [DB, STRIPE, TWILIO],
  silent: [
    { name: 'a quiet service', readings: world() },
    { name: 'a few errors more', readings: world(errorsOf('checkout', 'INTERNAL_SERVER_ERROR', 0.2, [2, 1, 2])) },
    {
      name: 'an operation that is hardly asked is not judged by itself',
      readings: world(
        counts('graphql_requests', 2, [2, 2, 2], { labels: { operation: 'rare' } }),
        errorsOf('rare', 'INTERNAL_SERVER_ERROR', 0.01, [1, 1, 1]),
      ),
    },
    { name: 'slower, but by less than 100 ms', readings: world(latencyOf('me', 0.03, 0.12)) },
    {
      name: 'a slow operation of too few requests to make a p95',
      readings: world(requestsOf('search', [20, 20, 20]), latencyOf('search', 0.2, 3)),
    },
  ],
  firing: [
    {
      name: 'errors over all operations',
      readings: ALL_FAIL,
      severity: 'critical',
      headline: /^GraphQL errors 1[0-9] % \(baseline 0\.2 %\)$/,
    },
    { name: 'one operation, told by itself', readings: ONE_FAILS, subject: 'operation:checkout', severity: 'critical' },
    {
      name: 'one operation whose errors are few of all',
      readings: world(errorsOf('checkout', 'INTERNAL_SERVER_ERROR', 0.2, [6, 6, 7, 6, 6, 7, 6, 6])),
      subject: 'operation:checkout',
    },
    {
      name: 'a type of error that was never seen before',
      readings: world(errorsOf('me', 'DATABASE_TIMEOUT', 0, [90, 100, 95], { fresh: true })),
      subject: 'operation:me',
    },
    { name: 'errors that callers make are a warning', readings: CALLERS, severity: 'warning' },
    {
      name: 'one slow operation',
      readings: ONE_SLOW,
      subject: 'slow:search',
      severity: 'error',
      headline: /^search p95 2\.4 s \(baseline 0\.2 s\)$/,
    },
  ],
  missing: [
    { name: 'nothing is bound', readings: [] },
    { name: 'requests alone', readings: REQUESTS },
    { name: 'errors alone', readings: QUIET },
    {
      name: 'no baseline yet',
      readings: [
        counts('graphql_requests', 0, [900, 900], { labels: { operation: 'a' }, fresh: true }),
        errorsOf('a', 'X', 0, [300, 300], { fresh: true }),
      ],
    },
  ],
  causes: [
    {
      name: 'a version breaks one operation',
      readings: ONE_FAILS,
      answers: { ...newVersion(), 'errors.tracked': NEW_ISSUE },
      first: { cause: 'recent-deployment', on: 'api' },
      atLeast: 0.9,
      commands: [/^npm run deploy:rollback -- --service=api --to-version=api:511$/],
      check: (diagnosis) => {
        alone(diagnosis);
        expect(diagnosis.symptom!.breakdown).toEqual([
          'errors by operation: checkout 98 %, search 1 %, getModel 0.4 %',
          'errors by type: INTERNAL_SERVER_ERROR 99 %, BAD_USER_INPUT 1 %',
        ]);
        const evidence = diagnosis.causes[0]!.evidence.map((one) => one.observed);
        expect(evidence).toContain(
          "TypeError: Cannot read properties of undefined (reading 'total'), first seen at 14:01:00 in api@512, 480 times for 212 users",
        );
      },
    },
    {
      name: 'a version that ECS took back already',
      readings: ALL_FAIL,
      answers: rolledBack(),
      first: { cause: 'recent-deployment', variant: 'rolled-back', on: 'api' },
      atLeast: 0.8,
      check: alone,
    },
    {
      name: 'one resolver, without any change',
      readings: ONE_FAILS,
      answers: OWN,
      first: { cause: 'bad-operation', on: 'api' },
      atLeast: 0.8,
      commands: [
        /^npm run metrics:graphql -- --window=15m --group-by=operation,error_type$/,
        /^npm run config:update -- --key=graphql\.log_queries --value=true$/,
      ],
      check: (diagnosis) => {
        alone(diagnosis);
        expect(diagnosis.causes[0]!.evidence[0]!.observed).toMatch(
          /^checkout has > 99 % of \d+ additional errors and 9 % of the requests, one of 4 operations$/,
        );
      },
    },
    {
      name: 'one resolver that is slow, without any change and with as many queries',
      readings: ONE_SLOW,
      answers: CALM,
      first: { cause: 'bad-operation', on: 'api' },
      atLeast: 0.8,
      commands: [/--sort-by=duration --limit=20$/],
      check: alone,
    },
    {
      name: 'one operation fails for want of a vendor: it is the vendor',
      readings: [...ONE_FAILS, ...vendorCallsFail()],
      answers: { ...CALM, 'logs.errors': logs([STRIPE_TIMEOUT], even(97)) },
      first: { cause: 'external-service', variant: 'down', on: 'stripe' },
      atLeast: 0.8,
      commands: [/flags:disable -- --flag=stripe_enabled/],
      check: alone,
    },
    {
      name: 'a vendor is down, and a version came at the same minute',
      readings: [...ALL_FAIL, ...vendorCallsFail()],
      answers: { ...newVersion(), 'logs.errors': logs([STRIPE_TIMEOUT], even(97)) },
      first: { cause: 'external-service', variant: 'down', on: 'stripe' },
      atLeast: 0.8,
      check: alone,
    },
    {
      name: 'one operation is slow for a slow vendor',
      readings: [
        ...ONE_SLOW,
        hostLatency('api.stripe.com', 0.3, 2.3),
        hostLatency('api.twilio.com', 0.25, 0.25),
        hostLatency('typesense.rastup.com', 0.04, 0.04),
        toHost('dependency_requests', 'api.stripe.com', 600, 600),
        counts('requests', 2200, [2200, 2200, 2200]),
      ],
      answers: CALM,
      first: { cause: 'external-service', variant: 'slow', on: 'stripe' },
      atLeast: 0.8,
      check: alone,
    },
    {
      name: 'callers ask what is not valid',
      readings: CALLERS,
      answers: CALM,
      first: { cause: 'client-errors', on: 'api' },
      atLeast: 0.8,
      check: (diagnosis) => {
        alone(diagnosis);
        expect(diagnosis.causes[0]!.evidence[0]!.observed).toMatch(/of a type that callers make, most BAD_USER_INPUT$/);
      },
    },
    {
      name: 'a version changed the schema under its callers',
      readings: world(errorsOf('search', 'GRAPHQL_VALIDATION_FAILED', 0.1, [300, 320, 310])),
      answers: newVersion('api', null),
      first: { cause: 'recent-deployment', on: 'api' },
      atLeast: 0.8,
      check: alone,
    },
    {
      name: 'a loop around a query in one operation',
      readings: world(latencyOf('search', 0.2, 2.4), queriesOf('search', 6, 140)),
      answers: { ...CALM, 'postgres.statements': LOOP, 'postgres.activity': activity(9, 6) },
      first: { cause: 'n-plus-one', on: 'main-db' },
      atLeast: 0.9,
      commands: [/^npm run metrics:graphql -- --window=15m --metric=db_queries_per_operation$/],
      check: alone,
    },
    {
      name: 'the same, seen by the service alone',
      readings: world(latencyOf('search', 0.2, 2.4), queriesOf('search', 6, 140)),
      answers: { ...CALM, 'postgres.statements': unknownAnswer('unsupported', 'pg_stat_statements is not installed') },
      first: { cause: 'n-plus-one', on: 'main-db' },
      atLeast: 0.55,
      check: alone,
    },
    ...statementCases(ONE_SLOW),
    ...databaseCases(ALL_FAIL),
    {
      name: 'a deployment that came only afterwards is not why',
      readings: ONE_FAILS,
      answers: {
        ...OWN,
        changes: {
          changes: [
            change('api', 'deployment of api:512 started', ONSET + 60_000, {
              kind: 'deployment',
              deployment: { version: 'api:512', previous: 'api:511', state: 'started' },
            }),
          ],
        },
      },
      first: { cause: 'bad-operation', on: 'api' },
      check: (diagnosis) => {
        alone(diagnosis);
        expect(confidenceOf(diagnosis, 'recent-deployment')).toBeLessThan(0.05);
      },
    },
    {
      name: 'nothing could be seen',
      readings: ALL_FAIL,
      answers: { series: unknownAnswer('no_data', 'none') },
      verdict: 'inconclusive',
    },
    {
      name: 'everything was seen, and nothing explains it',
      readings: [...ALL_FAIL, hostLatency('api.stripe.com', 0.3, 0.3), hostLatency('api.twilio.com', 0.25, 0.25)],
      answers: { ...CALM, 'logs.errors': logs([template('Error: odd', 'other', 30, { before: 28 })], even(5)) },
      verdict: 'unclear',
      check: (diagnosis) => expect(diagnosis.causes.every((one) => one.confidence < 0.3)).toBe(true),
    },
  ],
});

test('ten operations at most have a symptom of their own', () => {
  const many = Array.from({ length: 30 }, (_, index) => `op${index}`);
  const readings = many.flatMap((operation) => [
    requestsOf(operation),
    errorsOf(operation, 'INTERNAL_SERVER_ERROR', 0.1, [60, 60, 60]),
  ]);
  const judged = judge(detector, { name: '', readings }, API);
  expect(judged.state === 'judged' && judged.symptoms.map((one) => one.subject)).toHaveLength(11);
});

test('an operation that is not told of any more neither clears nor counts', () => {
  const readings = world().map((one) =>
    one.labels['operation'] === 'checkout' ? { ...one, freshness: 'missing' as const } : one,
  );
  const active = ['operation:checkout', 'slow:checkout'];
  expect(judge(detector, { name: '', readings, active }, API)).toMatchObject({
    state: 'judged',
    symptoms: [],
    unjudged: active,
  });
});
