import { closeReason, type EcsServiceAnswer, type Reading, type StopKind, type TargetGroupAnswer } from 'runbookd/sdk';
import { type CaseAnswers, describeDetector, judge, NOW } from 'runbookd/testing';
import { expect, test } from 'vitest';
import {
  alone,
  type Counts,
  calm,
  change,
  confidenceOf,
  counts,
  DEPLOYED,
  ecs,
  even,
  logs,
  MINUTE,
  newVersion,
  ONSET,
  rolledBack,
  service,
  TASKS,
  template,
} from '../test/cases/service.ts';
import { detector } from './websocket-trouble.ts';

const GATEWAY = service('websocket', ['main-db']);

const of = (signal: string, before: number, after: readonly number[], over: Counts = {}): Reading =>
  counts(signal, before, after, { target: 'websocket', ...over });
const open = (...after: readonly number[]): Reading => of('ws_connections', 2000, after);
const fresh = (...after: readonly number[]): Reading => of('ws_new_connections', 100, after);
const failed = (reason: string, ...after: readonly number[]): Reading =>
  of('ws_errors', 0.5, after, { labels: { reason } });
const ended = (reason: string, before: number, ...after: readonly number[]): Reading =>
  of('ws_disconnects', before, after, { labels: { reason } });

const keyOf = (one: Reading): string => JSON.stringify([one.signal, Object.entries(one.labels)]);
const QUIET = [
  open(2010, 1990, 2005),
  fresh(100, 97, 103),
  failed('server', 1, 0, 1),
  ended('client', 95, 96, 94, 98),
  ended('idle_timeout', 4, 4, 3, 4),
  of('unhealthy_hosts', 0, [0, 0, 0]),
];
function world(...now: readonly Reading[]): readonly Reading[] {
  const changed = new Set(now.map(keyOf));
  return [...now, ...QUIET.filter((one) => !changed.has(keyOf(one)))];
}

const targets = (over: Partial<TargetGroupAnswer> = {}): TargetGroupAnswer => ({
  at: NOW,
  targetGroup: 'targetgroup/websocket/0123456789abcdef',
  targetGroupArn: 'arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/websocket/0123456789abcdef',
  targets: TASKS.map((id) => ({ id, zone: 'us-east-1a', state: 'healthy', reason: null, description: null })),
  healthy: 6,
  unhealthy: 0,
  healthCheck: 'GET /health on port 8080, expects 200',
  idleTimeoutSeconds: 60,
  ...over,
});
const CALM = { ...calm('websocket'), 'alb.targets': targets() } satisfies CaseAnswers;

const said = (text: string, kind: 'authentication' | 'other' | 'exception', n: number): CaseAnswers => ({
  'logs.errors': logs([template(text, kind, n)], even(Math.round(n / 6))),
});

// --- the troubles ---------------------------------------------------------------------------------------------------

const REFUSED = world(open(1700, 1350, 1000), fresh(100, 110, 120), failed('auth', 85, 95, 104));
/** Each lives for a minute: as many new ones a minute as are open. */
const IDLE = world(open(1010, 990, 1000), fresh(980, 1010, 990), ended('idle_timeout', 4, 960, 990, 970));
const FULL = world(open(2690, 2700, 2700), fresh(420, 430, 440), failed('limit', 300, 330, 335));
const STORM = world(open(700, 1500, 1900), fresh(1300, 900, 520), ended('server', 1, 1300, 100, 5));
const LOST = world(open(900, 700, 650), fresh(140, 160, 150), failed('server', 60, 75, 70));

const crash = (kind: StopKind, reason: string): EcsServiceAnswer =>
  ecs('websocket', {
    running: 4,
    stopped: [0, 1, 2].map((index) => ({
      id: `${index}`.repeat(32),
      version: 'websocket:511',
      kind,
      stopCode: 'EssentialContainerExited',
      reason,
      startedAt: NOW - 300 * MINUTE,
      stoppedAt: ONSET + index * 20_000,
      containers: [{ name: 'app', exitCode: 137, reason }],
    })),
  });
const crashed = (kind: StopKind, reason: string) => ({
  name: `the tasks stop: ${kind}`,
  readings: LOST,
  answers: { ...CALM, 'ecs.service': crash(kind, reason) },
  first: { cause: 'service-crashed', variant: kind },
  atLeast: 0.8,
  commands: [/list-tasks .* --desired-status STOPPED|describe-target-health|curl/],
  check: alone,
});

describeDetector(detector, {
  target: GATEWAY,
  silent: [
    { name: 'a quiet service', readings: world() },
    { name: 'a fifth fewer', readings: world(open(1600, 1590, 1600)) },
    { name: 'one period without a third of them', readings: world(open(2000, 1990, 1200)) },
    { name: 'twice as many new ones', readings: world(fresh(210, 205, 200)) },
    { name: 'a few that fail', readings: world(failed('auth', 2, 1, 3)) },
    { name: 'only failures that come from the clients are more', readings: world(ended('client', 95, 200, 210, 190)) },
    {
      name: 'hardly any connections, and fewer',
      readings: [of('ws_connections', 20, [3, 2, 2]), of('ws_new_connections', 1, [1, 0, 1])],
    },
    {
      name: 'a storm of ten connections',
      readings: [open(2000, 2000, 2000), of('ws_new_connections', 1, [10, 9, 10])],
    },
  ],
  firing: [
    {
      name: 'half of the connections are lost',
      readings: world(open(1300, 1100, 1000)),
      severity: 'error',
      headline: /^WebSocket: 1,000 connections \(baseline 2,000, 50 % lost\)$/,
    },
    { name: 'nearly all are lost', readings: world(open(300, 200, 150)), severity: 'critical' },
    {
      name: 'new ones fail',
      readings: world(failed('auth', 22, 25, 24, 23, 26)),
      severity: 'error',
      headline: /^WebSocket: [0-9.]+ % of new connections fail \(baseline 1 %\)$/,
    },
    {
      name: 'new ones fail, of a service that counts only those that came through',
      readings: world(fresh(4, 3, 5, 4, 3), failed('auth', 95, 97, 99, 96, 97)),
      severity: 'critical',
    },
    {
      name: 'a storm alone',
      readings: world(fresh(900, 1000, 950)),
      severity: 'warning',
      headline: /^WebSocket: 950 new connections a period \(9\.5× the usual\)$/,
    },
    {
      name: 'it stays while it is still far below',
      readings: world(open(1200, 1400, 1500)),
      active: [''],
      severity: 'error',
    },
  ],
  missing: [
    { name: 'nothing is bound', readings: [of('unhealthy_hosts', 0, [3, 3, 3])] },
    { name: 'no baseline yet', readings: [of('ws_connections', 2000, [900, 800], { fresh: true })] },
  ],
  causes: [
    {
      name: 'idle connections are cut; no storm of clients that were cut off',
      readings: IDLE,
      answers: CALM,
      options: { pingIntervalKey: 'websocket.ping_interval_ms' },
      first: { cause: 'idle-timeout' },
      atLeast: 0.9,
      commands: [
        /metrics:websocket -- --window=15m --metric=active_connections/,
        /config:update -- --key=websocket\.ping_interval_ms --value=30000/,
        /describe-target-groups .* --target-group-arns arn:aws:elasticloadbalancing/,
      ],
      check: alone,
    },
    {
      name: 'idle connections are cut since a setting was changed, and nobody counts why they end',
      readings: IDLE.filter(({ signal }) => signal !== 'ws_disconnects'),
      answers: {
        ...CALM,
        changes: { changes: [change('websocket', 'websocket.ping_interval_ms 25000 → 75000', ONSET - 4 * MINUTE)] },
      },
      first: { cause: 'idle-timeout' },
      atLeast: 0.8,
      check: alone,
    },
    {
      name: 'tokens are refused since a key was rotated; no limit',
      readings: REFUSED,
      answers: {
        ...CALM,
        ...said('JsonWebTokenError: invalid signature', 'authentication', 280),
        changes: { changes: [change('websocket', 'secret jwt_signing_key was rotated', ONSET - 3 * MINUTE)] },
      },
      first: { cause: 'websocket-auth-failing' },
      atLeast: 0.9,
      commands: [/aws logs tail \/aws\/ecs\/rastup-prod\/websocket-service/, /secretsmanager list-secrets/],
      check: alone,
    },
    {
      name: 'tokens are refused, from the counts alone',
      readings: REFUSED,
      answers: CALM,
      first: { cause: 'websocket-auth-failing' },
      atLeast: 0.8,
      check: alone,
    },
    {
      name: 'the tasks take no more; new ones are retried, which is no storm of a restart',
      readings: FULL,
      answers: { ...CALM, ...said('Error: accept EMFILE: too many open files', 'exception', 900) },
      first: { cause: 'too-many-connections' },
      atLeast: 0.9,
      commands: [/update-service .* --service websocket-service --desired-count 9/, /metrics:websocket/],
      check: alone,
    },
    {
      name: 'they come back after tasks were replaced; the version is not to blame',
      readings: STORM,
      answers: {
        ...CALM,
        'ecs.service': ecs('websocket', {
          version: 'websocket:512',
          controller: 'ecs',
          versions: [
            { version: 'websocket:512', completedAt: null, servedFrom: null, servedUntil: null, failed: false },
          ],
          deployments: newVersion('websocket')['ecs.service'].deployments,
          tasks: newVersion('websocket')['ecs.service'].tasks.map((one) => ({
            ...one,
            version: 'websocket:512',
            startedAt: DEPLOYED,
          })),
        }),
        changes: newVersion('websocket').changes,
      },
      first: { cause: 'reconnect-storm' },
      atLeast: 0.8,
      commands: [/metrics:websocket/],
      check: (diagnosis) => {
        alone(diagnosis);
        expect(confidenceOf(diagnosis, 'recent-deployment')).toBeLessThan(0.3);
      },
    },
    crashed('out-of-memory', 'OutOfMemoryError: Container killed due to memory usage'),
    crashed('essential-container-exited', 'Essential container in task exited'),
    crashed('health-check-failed', 'Task failed ELB health checks'),
    {
      name: 'tasks stop and their clients storm the others: the crash comes first',
      readings: STORM,
      answers: { ...CALM, 'ecs.service': crash('out-of-memory', 'OutOfMemoryError') },
      first: { cause: 'service-crashed', variant: 'out-of-memory' },
      atLeast: 0.8,
      check: alone,
    },
    {
      name: 'one task drops its connections',
      readings: LOST,
      answers: {
        ...CALM,
        'logs.errors': logs([template('Error: write EPIPE', 'exception', 240)], { [TASKS[1]!]: 236, [TASKS[2]!]: 4 }),
      },
      first: { cause: 'bad-task' },
      atLeast: 0.8,
      commands: [/stop-task .* --task 1b0/],
      check: alone,
    },
    {
      name: 'a new version refuses connections',
      readings: LOST,
      answers: { ...newVersion('websocket'), 'alb.targets': targets() },
      first: { cause: 'recent-deployment' },
      atLeast: 0.9,
      commands: [/deploy:rollback -- --service=websocket --to-version=websocket:511/],
      check: alone,
    },
    {
      name: 'a new version refuses tokens: the version and not a key',
      readings: REFUSED,
      answers: {
        ...newVersion('websocket', template('JsonWebTokenError: jwt audience invalid', 'authentication', 610)),
        'alb.targets': targets(),
      },
      first: { cause: 'recent-deployment' },
      atLeast: 0.9,
      check: alone,
    },
    {
      name: 'a bad version that was taken back',
      readings: LOST,
      answers: { ...rolledBack('websocket'), 'alb.targets': targets() },
      first: { cause: 'recent-deployment', variant: 'rolled-back' },
      atLeast: 0.8,
      check: alone,
    },
    {
      name: 'nothing that we look at is wrong',
      readings: world(open(1300, 1100, 1000)),
      answers: CALM,
      verdict: 'unclear',
    },
  ],
});

test.each([
  ['idle_timeout', 'idle'],
  ['ping timeout', 'idle'],
  ['auth', 'auth'],
  ['token_expired', 'auth'],
  ['401', 'auth'],
  ['1008', 'auth'],
  ['limit', 'limit'],
  ['too_many_connections', 'limit'],
  ['1013', 'limit'],
  ['server_shutdown', 'server'],
  ['1012', 'server'],
  ['client', 'client'],
  ['1000', 'client'],
  ['1006', 'other'],
  ['', 'other'],
])('the reason %s is %s', (label, reason) => {
  expect(closeReason(label)).toBe(reason);
});

test('connections that are not seen any more have not come back', () => {
  const gone: Reading = { ...open(1000, 1000, 1000), freshness: 'missing' };
  const judged = judge(detector, { name: '', readings: [gone, fresh(100, 97, 103)], active: [''] }, GATEWAY);
  expect(judged).toMatchObject({ state: 'judged', symptoms: [], unjudged: [''] });
});
