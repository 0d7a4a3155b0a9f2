import type { ReachabilityAnswer, ReplicaFacts, ReplicationAnswer, StandbyOnPrimary } from 'runbookd/sdk';
import { type CaseAnswers, describeDetector, NOW, reading, TARGET, unknownAnswer } from 'runbookd/testing';
import { describe, expect, test } from 'vitest';
import { detector } from './replication-lag.ts';

const on = (from: 'primary' | 'replica', standby = 'replica-1') => ({ labels: { standby, from } });
const seconds = (values: readonly number[], from: 'primary' | 'replica' = 'replica') =>
  reading('standby_lag_seconds', values, { ...on(from), unit: 's' });
const behind = (values: readonly number[], from: 'primary' | 'replica' = 'primary') =>
  reading('standby_lag_bytes', values, { ...on(from), unit: 'bytes' });
const link = (values: readonly number[], from: 'primary' | 'replica' = 'replica') =>
  reading('standby_link_up', values, { ...on(from), unit: 'bool' });
const wal = reading('wal_bytes_per_second', [400_000], { unit: 'bytes_per_second' });

const lagging = [seconds([0.2, 0.3, 14, 29, 42]), behind([1e5, 1e5, 6e6, 12e6, 18e6]), link([1, 1, 1, 1, 1]), wal];
const cutOff = [seconds([0, 0, 0, 0, 0]), behind([0, 0, 0, 0, 0], 'replica'), link([1, 1, 1, 0, 0]), wal];

const primaryRefuses: ReachabilityAnswer = {
  at: NOW,
  step: 'tcp',
  reason: 'refused',
  host: 'main-db.internal',
  port: 5432,
  address: '10.0.3.2',
  sqlstate: null,
  message: 'connection refused',
  elapsedMs: 1,
  passed: { dns: 1 },
  lastGoodAt: NOW - 30_000,
  lastUsed: 12,
  lastUsable: 97,
};

const SENDER: StandbyOnPrimary = {
  name: 'replica-1',
  client: '10.0.3.7',
  state: 'streaming',
  syncState: 'async',
  sentBytesBehind: 0,
  replayBytesBehind: 18_000_000,
  replayLagSeconds: 42,
};
const REPLICA: ReplicaFacts = {
  at: NOW,
  receiver: 'streaming',
  lastMessageSeconds: 1,
  receiverTimeoutSeconds: 60,
  replayedAllReceived: false,
  replayAgeSeconds: 42,
  receivedNotReplayedBytes: 18_000_000,
  replayPaused: false,
  longQueries: [],
  maxStandbyStreamingDelayMs: 30_000,
  recoveryMinApplyDelayMs: 0,
  startupWaitEvent: null,
  conflictsPerSecond: 0,
  hotStandbyFeedback: false,
  receiveRateBytesPerSecond: 400_000,
  replayRateBytesPerSecond: 400_000,
};
const REPORT = {
  pid: 811,
  backendStart: '2026-11-23 13:30:02.114873+00',
  app: 'reporting',
  user: 'report',
  client: '10.0.9.4',
  state: 'active',
  inStateSeconds: 700,
  inTransactionSeconds: 700,
  query: 'SELECT sum(total_cents) FROM orders',
};
const SLOT = {
  name: 'replica_1',
  type: 'physical',
  active: true,
  walStatus: 'reserved',
  retainedBytes: 2e7,
  inactiveSince: null,
};

interface Parts {
  readonly replica?: Partial<ReplicaFacts> | null;
  readonly sender?: boolean;
  readonly lag?: number;
  readonly rate?: number;
  readonly before?: number | null;
  readonly slot?: Partial<typeof SLOT>;
}

function answer({
  replica = {},
  sender = true,
  lag = 42,
  rate = 400_000,
  before = 380_000,
  slot = {},
}: Parts): CaseAnswers {
  const value: ReplicationAnswer = {
    at: NOW,
    primary: {
      standbys: sender ? [{ ...SENDER, replayLagSeconds: lag }] : [],
      walBytesPerSecond: rate,
      walBytesPerSecondBefore: before,
      slots: [{ ...SLOT, ...slot }],
      walSenderTimeoutSeconds: 60,
    },
    replicas: {
      'replica-1':
        replica === null
          ? { facts: null, because: 'connection refused' }
          : { facts: { ...REPLICA, ...replica }, because: null },
    },
    history: [],
  };
  return { 'postgres.replication': value, changes: { changes: [] } };
}

const cut: Parts = {
  replica: { receiver: 'none', lastMessageSeconds: null, replayedAllReceived: true },
  sender: false,
};
const stopped = { receiveRateBytesPerSecond: 400_000, replayRateBytesPerSecond: 0 };
const of = (variant: string) => ({ cause: 'replication-lag', variant });

describeDetector(detector, {
  target: {
    ...TARGET,
    replicas: {
      'replica-1': { replicaPsql: 'psql -h replica-1.internal -U admin -d rastup', rdsReplica: 'rastup-prod-replica' },
    },
  },
  silent: [
    { name: 'no standby at all', readings: [wal] },
    { name: 'a standby that keeps up', readings: [seconds([0, 0.2, 0.1]), behind([0, 2e5, 0]), link([1, 1, 1])] },
    {
      name: 'an idle primary, however old its last transaction',
      readings: [seconds([900, 915, 930]), behind([0, 0, 0]), link([1, 1, 1])],
    },
    {
      name: 'an idle primary whose bytes are not known',
      readings: [seconds([900, 915, 930]), link([1, 1, 1]), reading('wal_bytes_per_second', [0])],
    },
    { name: 'two of five polls', readings: [seconds([0, 0, 0, 12, 13]), behind([9e5, 9e5, 9e5, 9e5, 9e5])] },
    {
      name: 'a lag that is usual at this hour',
      readings: [
        {
          ...reading('standby_lag_seconds', [30, 31, 32], {
            ...on('replica'),
            band: { expected: 8, lower: 0, upper: 12 },
          }),
        },
        behind([9e6, 9e6, 9e6]),
      ],
    },
    { name: 'one poll without a link', readings: [link([1, 1, 0])] },
    {
      name: 'an archive-fed standby that may have no link',
      readings: [link([0, 0, 0])],
      options: { expectStreaming: false },
    },
    {
      name: 'an intended delay',
      readings: [seconds([3600, 3600, 3600]), behind([4e8, 4e8, 4e8])],
      options: { applyDelaySeconds: 3600 },
    },
    {
      name: 'below the clearing limit while it fires',
      readings: [seconds([40, 20, 7]), behind([9e6, 9e6, 9e5])],
      active: ['replica-1'],
    },
  ],
  firing: [
    {
      name: 'in seconds',
      readings: lagging,
      subject: 'replica-1',
      severity: 'warning',
      headline: /^replica-1 is 42 s behind$/,
    },
    {
      name: 'in bytes alone',
      readings: [behind([2e7, 2e8, 3e8, 4e8])],
      subject: 'replica-1',
      severity: 'warning',
      headline: /400 MB behind/,
    },
    {
      name: 'by more than a minute',
      readings: [seconds([50, 65, 80]), behind([1, 2, 3])],
      subject: 'replica-1',
      severity: 'critical',
    },
    {
      name: 'by more than a gigabyte',
      readings: [behind([2e8, 8e8, 11e8])],
      subject: 'replica-1',
      severity: 'critical',
    },
    {
      name: 'growing for ten minutes',
      readings: [seconds(Array.from({ length: 41 }, (_, i) => 10 + i * 9))],
      subject: 'replica-1',
      severity: 'critical',
      options: { criticalSeconds: 3600 },
    },
    {
      name: 'cut off with nothing to replay',
      readings: cutOff,
      subject: 'replica-1',
      severity: 'critical',
      headline: /^replica-1 has had no link to its primary for 15 s$/,
    },
    {
      name: 'gone from the primary only',
      readings: [link([1, 0, 0], 'primary')],
      subject: 'replica-1',
      severity: 'critical',
    },
    {
      name: 'the second of two standbys',
      readings: [link([1, 1]), reading('standby_link_up', [0, 0], on('replica', 'replica-2'))],
      subject: 'replica-2',
      severity: 'critical',
    },
    {
      name: 'above the clearing limit while it fires',
      readings: [seconds([40, 20, 9]), behind([9e6, 9e6, 9e5])],
      subject: 'replica-1',
      active: ['replica-1'],
    },
    {
      name: 'with a baseline',
      readings: [
        {
          ...reading('standby_lag_seconds', [0.2, 22, 23, 24], {
            ...on('replica'),
            band: { expected: 0.2, lower: 0, upper: 0.6 },
          }),
        },
      ],
      subject: 'replica-1',
      headline: /24 s behind \(baseline 200 ms\)/,
    },
  ],
  missing: [
    { name: 'nothing at all', readings: [] },
    { name: 'only figures of the past', readings: [{ ...seconds([42, 42, 42]), freshness: 'missing' }] },
  ],
  causes: [
    {
      name: 'no receiver, and gone from the primary',
      readings: cutOff,
      answers: answer(cut),
      first: of('cut-link'),
      atLeast: 0.95,
      commands: [/^psql -h replica-1\.internal .*primary_conninfo/],
      check: (diagnosis) => {
        expect(diagnosis.causes.slice(1).every((one) => one.confidence < 0.3)).toBe(true);
        expect(diagnosis.ruledOut.map((one) => one.variant)).toEqual(
          expect.arrayContaining(['replay-paused', 'wal-surge', 'replica-overloaded']),
        );
      },
    },
    {
      name: 'the primary itself is down: the standby is not to blame',
      readings: cutOff,
      answers: { ...answer(cut), 'postgres.reachability': primaryRefuses },
      first: { cause: 'database-unreachable' },
      atLeast: 0.95,
      check: (diagnosis) => expect(diagnosis.causes.slice(1).every((one) => one.confidence < 0.5)).toBe(true),
    },
    {
      name: 'a receiver that heard nothing for long',
      readings: cutOff,
      answers: answer({ replica: { lastMessageSeconds: 300 }, sender: false }),
      first: of('cut-link'),
      atLeast: 0.9,
    },
    {
      name: 'a replica that does not answer is said to be down',
      readings: [link([1, 1, 0, 0], 'primary'), wal],
      answers: answer({ replica: null, sender: false }),
      first: of('cut-link'),
      verdict: 'cause',
      check: (diagnosis) => {
        expect(diagnosis.causes[0]?.confidence).toBeLessThan(0.85);
        expect(JSON.stringify(diagnosis.causes[0]?.evidence)).toContain('it is probably down, not only cut off');
      },
    },
    {
      name: 'a report that replay waits for',
      readings: lagging,
      answers: answer({
        replica: {
          ...stopped,
          startupWaitEvent: 'RecoveryConflictSnapshot',
          longQueries: [REPORT],
          maxStandbyStreamingDelayMs: -1,
        },
      }),
      first: of('replica-query'),
      atLeast: 0.95,
      commands: [/pg_cancel_backend\(pid\).*pid = 811 and backend_start = '2026-11-23 13:30:02\.114873\+00'/],
      check: (diagnosis) => expect(diagnosis.causes.slice(1).every((one) => one.confidence < 0.3)).toBe(true),
    },
    {
      name: 'a report that began after the lag is not its cause',
      readings: lagging,
      answers: answer({
        replica: { ...stopped, longQueries: [{ ...REPORT, inStateSeconds: 5, inTransactionSeconds: 5 }] },
      }),
      check: (diagnosis) => {
        const query = diagnosis.causes.find((one) => one.variant === 'replica-query');
        expect(query?.confidence ?? 0).toBeLessThan(0.1);
      },
    },
    {
      name: 'replay that somebody paused',
      readings: lagging,
      answers: answer({
        replica: { ...stopped, replayPaused: true, startupWaitEvent: 'RecoveryPause', longQueries: [REPORT] },
      }),
      first: of('replay-paused'),
      atLeast: 0.9,
      commands: [/pg_wal_replay_resume/],
      check: (diagnosis) => expect(diagnosis.causes.slice(1).every((one) => one.confidence < 0.3)).toBe(true),
    },
    {
      name: 'an import',
      readings: lagging,
      answers: answer({
        rate: 48e6,
        before: 1e6,
        replica: { receiveRateBytesPerSecond: 47e6, replayRateBytesPerSecond: 9e6 },
      }),
      first: of('wal-surge'),
      atLeast: 0.85,
      commands: [/backend_xid is not null/],
      check: (diagnosis) => expect(diagnosis.causes.slice(1).every((one) => one.confidence < 0.3)).toBe(true),
    },
    {
      name: 'a standby too small for its usual load',
      readings: lagging,
      answers: answer({
        rate: 2e6,
        before: 1.9e6,
        replica: { receiveRateBytesPerSecond: 2e6, replayRateBytesPerSecond: 0.5e6 },
      }),
      first: of('replica-overloaded'),
      atLeast: 0.85,
      commands: [/--db-instance-identifier rastup-prod-replica/],
      check: (diagnosis) => expect(diagnosis.causes.slice(1).every((one) => one.confidence < 0.3)).toBe(true),
    },
    {
      name: 'WAL that was removed too early',
      readings: cutOff,
      answers: answer({ ...cut, slot: { active: false, walStatus: 'lost' } }),
      first: of('slot'),
      atLeast: 0.85,
      commands: [/pg_drop_replication_slot\(slot_name\).*slot_name = 'replica_1' and not active/],
      check: (diagnosis) => expect(diagnosis.causes.slice(1).every((one) => one.confidence < 0.3)).toBe(true),
    },
    {
      name: 'a delay on purpose is no fault',
      readings: lagging,
      answers: answer({
        replica: { ...stopped, recoveryMinApplyDelayMs: 3_600_000, startupWaitEvent: 'RecoveryApplyDelay' },
      }),
      verdict: 'unclear',
      check: (diagnosis) => {
        expect(diagnosis.causes.every((one) => one.confidence < 0.3)).toBe(true);
        expect(JSON.stringify(diagnosis)).toContain('replay is delayed on purpose by 1 h');
      },
    },
    {
      name: 'nothing could be seen',
      readings: lagging,
      answers: { 'postgres.replication': unknownAnswer('timeout', 'no answer within 5 s'), changes: { changes: [] } },
      verdict: 'inconclusive',
      check: (diagnosis) => expect(diagnosis.causes.every((one) => one.confidence <= 0.2)).toBe(true),
    },
  ],
});

describe('effects of replication-lag', () => {
  const facts = {
    now: NOW,
    target: TARGET,
    on: TARGET,
    onset: { earliest: NOW - 60_000, latest: NOW - 60_000 },
    options: { warnSeconds: 10 },
  };
  const slots = { standby: 'replica-1', pid: REPORT.pid, backendStart: REPORT.backendStart };
  const after = (id: string, parts: Parts) => {
    const value = answer(parts)['postgres.replication'] as ReplicationAnswer;
    return detector.mitigations[id]?.effect?.judge(value, slots, facts).state;
  };
  test.each([
    ['cancel-query', { replica: { ...stopped, longQueries: [REPORT] } }, 'not_applied'],
    ['cancel-query', { replica: stopped }, 'not_yet'],
    ['cancel-query', { replica: { replayRateBytesPerSecond: 9e6 } }, 'partly'],
    [
      'cancel-query',
      { replica: { longQueries: [{ ...REPORT, backendStart: 'of another session' }] }, lag: 2 },
      'worked',
    ],
    ['resume', { replica: { replayPaused: true } }, 'not_applied'],
    ['resume', { lag: 2 }, 'worked'],
    ['check-link', cut, 'not_applied'],
    ['check-link', { lag: 2 }, 'worked'],
  ] as const)('%s: %j is %s', (id, parts, state) => expect(after(id, parts as Parts)).toBe(state));
});

test('a standby that can no longer be seen neither clears nor counts', () => {
  const readings = [link([1, 1]), { ...seconds([42, 42]), freshness: 'missing' as const }];
  const judged = detector.rule({
    now: NOW,
    target: TARGET,
    options: Object.fromEntries(Object.entries(detector.options).map(([name, spec]) => [name, spec.default])),
    readings: (signal, all) =>
      readings.filter((one) => one.signal === signal && (all === true || one.freshness === 'present')),
    expected: () => readings[0]!.samples[0]!.band,
    active: () => true,
  });
  expect(judged).toMatchObject({ state: 'judged', symptoms: [], unjudged: ['replica-1'] });
});
