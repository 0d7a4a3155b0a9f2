import type { IpPermission } from '@aws-sdk/client-ec2';
import { expect, test } from 'vitest';
import { MEMORY_MS, type NetworkMemory, networkChanges, remember, rulesOf } from './network.ts';

const tcp = (from: number, to: number, rest: IpPermission): IpPermission => ({
  IpProtocol: 'tcp',
  FromPort: from,
  ToPort: to,
  ...rest,
});
const app = { UserIdGroupPairs: [{ GroupId: 'sg-app' }] };

test.each<readonly [string, IpPermission, readonly string[]]>([
  ['the port itself', tcp(5432, 5432, app), ['sg-app']],
  ['a range around it', tcp(5000, 6000, app), ['sg-app']],
  ['another port', tcp(3306, 3306, app), []],
  ['a range below', tcp(5000, 5431, app), []],
  ['all protocols', { IpProtocol: '-1', ...app }, ['sg-app']],
  ['TCP by its number', { ...tcp(5432, 5432, app), IpProtocol: '6' }, ['sg-app']],
  ['all ports of TCP', tcp(-1, -1, app), ['sg-app']],
  ['UDP', { ...tcp(5432, 5432, app), IpProtocol: 'udp' }, []],
  ['ping, whose type is no port', { ...tcp(-1, -1, app), IpProtocol: 'icmp' }, []],
  [
    'every kind of source',
    tcp(5432, 5432, {
      IpRanges: [{ CidrIp: '10.0.0.0/16' }],
      Ipv6Ranges: [{ CidrIpv6: 'fd00::/8' }],
      PrefixListIds: [{ PrefixListId: 'pl-1' }],
      ...app,
    }),
    ['10.0.0.0/16', 'fd00::/8', 'pl-1', 'sg-app'],
  ],
])('%s', (_, rule, allows) => {
  expect(rulesOf({ GroupId: 'sg-db', IpPermissions: [rule] }, 5432)).toEqual({ id: 'sg-db', allows });
});

const look = (
  before: NetworkMemory | null,
  now: number,
  groups: Readonly<Record<string, readonly string[]>>,
  port = 5432,
) =>
  remember(
    before,
    Object.entries(groups).map(([id, allows]) => ({ id, allows })),
    port,
    now,
  );

test('a rule that is gone was lost between the last look that had it and the first that had not', () => {
  const first = look(null, 1_000, { 'sg-db': ['sg-app', 'sg-job'] });
  const second = look(first, 2_000, { 'sg-db': ['sg-job'] });
  expect(second.lost).toEqual([{ group: 'sg-db', source: 'sg-app', seenAt: 1_000, lostBy: 2_000 }]);
  expect(networkChanges('main-db', 'rastup-prod', first, second)).toMatchObject([
    {
      target: 'main-db',
      kind: 'setting',
      summary: 'security group sg-db no longer lets sg-app in to port 5432',
      at: { earliest: 1_000, latest: 2_000 },
    },
  ]);
  const third = look(second, 3_000, { 'sg-db': ['sg-job'] });
  expect(third.lost).toEqual(second.lost);
  expect(networkChanges('main-db', 'rastup-prod', second, third)).toEqual([]);
});

test('what comes back is not lost any more', () => {
  const lost = look(look(null, 1_000, { 'sg-db': ['sg-app'] }), 2_000, { 'sg-db': [] });
  const back = look(lost, 3_000, { 'sg-db': ['sg-app'] });
  expect(back.lost).toEqual([]);
  expect(networkChanges('main-db', 'x', lost, back)).toMatchObject([
    { summary: 'security group sg-db now lets sg-app in to port 5432' },
  ]);
});

test('a group that is replaced by another with the same rule loses nothing', () => {
  const before = look(null, 1_000, { 'sg-old': ['sg-app'] });
  const after = look(before, 2_000, { 'sg-new': ['sg-app'] });
  expect(after.lost).toEqual([]);
  expect(networkChanges('main-db', 'x', before, after)).toEqual([]);
});

test('a loss is remembered for a day, and another port starts anew', () => {
  const lost = look(look(null, 0, { 'sg-db': ['sg-app'] }), 1_000, { 'sg-db': [] });
  expect(look(lost, MEMORY_MS, { 'sg-db': [] }).lost).toHaveLength(1);
  expect(look(lost, MEMORY_MS + 2_000, { 'sg-db': [] }).lost).toEqual([]);
  expect(look(lost, 2_000, { 'sg-db': [] }, 5433).lost).toEqual([]);
  expect(look(null, 2_000, { 'sg-db': ['sg-app'] }).lost).toEqual([]);
});
