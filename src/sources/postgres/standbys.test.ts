import { describe, expect, it } from 'vitest';
import type { ReplicaLook, StandbyRow } from './replication-reader.ts';
import { bytesOnReplica, lagOnPrimary, lagOnReplica, linkUp, nameStandbys, walRate } from './standbys.ts';

const row = (rest: Partial<StandbyRow>): StandbyRow => ({
  app: 'walreceiver',
  client: null,
  state: 'streaming',
  syncState: 'async',
  slot: null,
  sentBytesBehind: 0,
  replayBytesBehind: 0,
  replayPosition: 1_000,
  replayLagSeconds: null,
  ...rest,
});
const replica = (
  name: string,
  slot: string | null = null,
  cluster: string | null = null,
  address: string | null = null,
) => ({
  name,
  identity: { slot, cluster, address },
});
const unread = (name: string) => ({ name, identity: null });

describe('nameStandbys', () => {
  it.each([
    ['its application name', [row({ app: 'replica-1' })], [unread('replica-1'), unread('replica-2')], ['replica-1']],
    ['its slot', [row({ slot: 's2' })], [replica('a', 's1'), replica('b', 's2')], ['b']],
    ['its cluster name', [row({ app: 'east' })], [replica('a', null, 'west'), replica('b', null, 'east')], ['b']],
    ['its address', [row({ client: '10.0.0.2' })], [replica('a', null, null, '10.0.0.2'), unread('b')], ['a']],
    ['being the only one', [row({})], [unread('a')], ['a']],
    [
      'slots where all share one address',
      [row({ client: '10.0.0.2', slot: 's2' }), row({ client: '10.0.0.2', slot: 's1' })],
      [replica('a', 's1', null, '10.0.0.2'), replica('b', 's2', null, '10.0.0.2')],
      ['b', 'a'],
    ],
  ])('recognises a replica by %s', (_, rows, replicas, expected) => {
    expect(nameStandbys(rows, replicas).map(({ name }) => name)).toEqual(expected);
  });

  it('calls others by what they say of themselves, without two of a name', () => {
    const rows = [
      row({ app: 'backup' }),
      row({ app: 'backup' }),
      row({ client: '10.0.0.9' }),
      row({ slot: 'dr', client: '10.0.0.9' }),
      row({}),
    ];
    expect(nameStandbys(rows, [unread('a')]).map(({ name }) => name)).toEqual([
      'backup',
      'backup-2',
      '10.0.0.9',
      'dr',
      'walreceiver',
    ]);
  });

  it('does not take the only row for the only replica when their slots differ, nor guess between two alike', () => {
    expect(nameStandbys([row({ slot: 'dr' })], [replica('a', 's1')])[0]?.name).toBe('dr');
    const twins = [row({ client: '10.0.0.2' }), row({ client: '10.0.0.2' })];
    const names = nameStandbys(twins, [replica('a', null, null, '10.0.0.2'), replica('b', null, null, '10.0.0.2')]);
    expect(names.map(({ name }) => name)).toEqual(['10.0.0.2', '10.0.0.2-2']);
  });
});

const look = (rest: Partial<ReplicaLook>): ReplicaLook => ({
  at: 600_000,
  inRecovery: true,
  receiver: 'streaming',
  lastMessageSeconds: 2,
  receiverTimeoutSeconds: 60,
  receivedPosition: 1_000,
  replayPosition: 1_000,
  replayAgeSeconds: 300,
  replayPaused: false,
  maxStandbyStreamingDelayMs: 30_000,
  recoveryMinApplyDelayMs: 0,
  startupWaitEvent: null,
  conflicts: 0,
  hotStandbyFeedback: false,
  identity: { slot: null, cluster: null, address: null },
  role: 'runbookd',
  ...rest,
});

describe('linkUp', () => {
  it.each([
    ['a receiver that hears', {}, true],
    ['a receiver that last heard within twice the timeout', { lastMessageSeconds: 120 }, true],
    ['a receiver that heard nothing for longer', { lastMessageSeconds: 121 }, false],
    ['no receiver', { receiver: 'none' as const, lastMessageSeconds: null }, false],
    ['a receiver that waits for a primary', { receiver: 'other' as const }, false],
    ['a receiver that we may not look at', { receiver: 'hidden' as const, lastMessageSeconds: null }, true],
    ['a receiver without a timeout', { receiverTimeoutSeconds: 0, lastMessageSeconds: 9_999 }, true],
  ])('for %s', (_, rest, expected) => {
    expect(linkUp(look(rest))).toBe(expected);
  });
});

// The primary wrote until 1,000 at 540 s, stood still, and is at 1,500 since 590 s.
const idleThenBusy = [
  { at: 530_000, position: 900 },
  { at: 540_000, position: 1_000 },
  { at: 580_000, position: 1_000 },
  { at: 590_000, position: 1_500 },
];
const idle = idleThenBusy.slice(0, 3);

describe('lagOnReplica', () => {
  it.each([
    ['none when all that was received is replayed and the link is up', {}, idleThenBusy, 0],
    ['the age while replay is behind and the primary was never idle', { replayPosition: 500 }, idleThenBusy, 300],
    [
      'no more than the time since the primary went ahead',
      { receivedPosition: 1_200, replayPosition: 1_000 },
      idleThenBusy,
      20,
    ],
    ['none over a cut link while the primary is idle', { receiver: 'none' as const }, idle, 0],
    ['the time since the primary went ahead over a cut link', { receiver: 'none' as const }, idleThenBusy, 20],
    ['the age when nothing is known of the primary', { receiver: 'none' as const }, [], 300],
    [
      'the age when the primary was last read long ago',
      { receiver: 'none' as const },
      [{ at: 100_000, position: 1_000 }],
      300,
    ],
    [
      'nothing for a server that never replayed',
      { receiver: 'none' as const, replayPosition: null, replayAgeSeconds: null },
      idle,
      null,
    ],
  ])('is %s', (_, rest, positions, expected) => {
    expect(lagOnReplica(look(rest), positions, 45_000)).toBe(expected);
  });
});

describe('bytesOnReplica', () => {
  it('counts what was received, and what the primary is known to have written beyond it', () => {
    expect(bytesOnReplica(look({ receivedPosition: 1_700 }), idleThenBusy)).toBe(700);
    expect(bytesOnReplica(look({ receivedPosition: 1_000 }), idleThenBusy)).toBe(500);
    expect(bytesOnReplica(look({}), idle)).toBe(0);
    expect(bytesOnReplica(look({ replayPosition: null }), idle)).toBeNull();
  });
});

describe('lagOnPrimary', () => {
  it.each([
    ['0 when it is not behind, whatever replay_lag remembers', { replayBytesBehind: 0, replayLagSeconds: 7 }, 0],
    ['replay_lag while replay moves', { replayBytesBehind: 10, replayPosition: 1_499, replayLagSeconds: 12 }, 12],
    [
      'the time that the position is behind, when that is longer',
      { replayBytesBehind: 600, replayPosition: 900, replayLagSeconds: 0.2 },
      60,
    ],
    ['unknown for a receiver that does not replay', { replayBytesBehind: null, replayPosition: null }, null],
    ['unknown for one that has just begun', { replayBytesBehind: 10, replayPosition: 1_600 }, null],
  ])('is %s', (_, rest, expected) => {
    expect(lagOnPrimary(row(rest), idleThenBusy, 600_000)).toBe(expected);
  });
});

describe('walRate', () => {
  it('is the slope over the window, from the last look before it', () => {
    expect(walRate(idleThenBusy, 585_000, 600_000)).toBe(50);
    expect(walRate(idleThenBusy, Number.NEGATIVE_INFINITY, 585_000)).toBe(2);
    expect(walRate(idleThenBusy, 595_000, 600_000)).toBeNull();
    expect(walRate([], 0, 1)).toBeNull();
  });
});
