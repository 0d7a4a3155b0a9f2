import { pino } from 'pino';
import { expect, test } from 'vitest';
import { RunbookdError } from '../../../model/errors.ts';
import type { Aws, AwsAction } from '../calls.ts';
import { createRdsSource } from './source.ts';

const NOW = Date.parse('2026-11-23T14:00:00Z');
const MINUTE = 60_000;
const { signal } = new AbortController();
const WINDOW = { from: NOW - 60 * MINUTE, to: NOW };

type Replies = Partial<Record<AwsAction, unknown>>;

const instance = (rest: object = {}) => ({
  DBInstanceIdentifier: 'rastup-prod',
  DBInstanceStatus: 'available',
  Engine: 'postgres',
  EngineVersion: '16.4',
  DBInstanceClass: 'db.r6g.large',
  MultiAZ: true,
  AllocatedStorage: 100,
  Endpoint: { Address: 'rastup-prod.abcdefghijkl.us-east-1.rds.amazonaws.com', Port: 5432 },
  VpcSecurityGroups: [{ VpcSecurityGroupId: 'sg-db', Status: 'active' }],
  ...rest,
});
const groups = (...sources: readonly string[]) => ({
  SecurityGroups: [
    {
      GroupId: 'sg-db',
      IpPermissions: [
        { IpProtocol: 'tcp', FromPort: 5432, ToPort: 5432, UserIdGroupPairs: sources.map((GroupId) => ({ GroupId })) },
      ],
    },
  ],
});
const event = (minutesAgo: number, Message: string, ...EventCategories: readonly string[]) => ({
  Date: new Date(NOW - minutesAgo * MINUTE),
  Message,
  EventCategories,
});
const denied = (action: AwsAction) => new RunbookdError('AWS_DENIED', ['AWS us-east-1', action]);

function open(first: Replies) {
  const calls: { readonly action: string; readonly input: Readonly<Record<string, unknown>> }[] = [];
  let replies: Replies = first;
  const aws = {
    account: { name: 'default', region: 'us-east-1', roleArn: null, externalId: null, endpoint: null },
    call: async (action: AwsAction, input: Readonly<Record<string, unknown>>) => {
      calls.push({ action, input });
      const reply = replies[action];
      if (reply instanceof Error) throw reply;
      return typeof reply === 'function' ? reply(input) : (reply ?? {});
    },
    close: () => undefined,
  } as unknown as Aws;
  const databases = [{ target: 'main-db', instance: 'rastup-prod' }];
  const make = () => createRdsSource({ name: 'rds', aws, databases, periodMs: MINUTE, log: pino({ level: 'silent' }) });
  return {
    calls,
    source: make(),
    make,
    set: (next: Replies) => {
      replies = next;
    },
  };
}

const WELL: Replies = {
  'rds:DescribeDBInstances': { DBInstances: [instance()] },
  'rds:DescribeEvents': { Events: [] },
  'ec2:DescribeSecurityGroups': groups('sg-app'),
};

test('an instance that is well has nothing to tell', async () => {
  const { source } = open(WELL);
  expect(await source.poll('rds', NOW, signal)).toEqual({ series: [], changes: [], blind: [] });
  expect(await source.poll('rds', NOW + MINUTE, signal)).toEqual({ series: [], changes: [], blind: [] });
});

test('events are told once, oldest first, by their kind, and backups are not', async () => {
  const Events = [
    event(30, 'Multi-AZ instance failover completed', 'failover'),
    event(29, 'DB instance restarted', 'availability'),
    event(20, 'Updated to use DBParameterGroup rastup-prod-pg16-parameters', 'configuration change'),
    event(15, 'The free storage capacity for DB Instance is low', 'low storage'),
    event(10, 'Finished DB Instance backup', 'backup'),
    event(5, 'Finished applying off-line patches to DB instance', 'maintenance'),
  ];
  const { source, calls } = open({ ...WELL, 'rds:DescribeEvents': { Events } });
  const { changes } = await source.poll('rds', NOW, signal);
  expect(changes.map(({ kind, summary, at }) => [kind, summary, (NOW - at.latest) / MINUTE])).toEqual([
    ['failover', 'rastup-prod: Multi-AZ instance failover completed', 30],
    ['restart', 'rastup-prod: DB instance restarted', 29],
    ['setting', 'rastup-prod: Updated to use DBParameterGroup rastup-prod-pg16-parameters', 20],
    ['other', 'rastup-prod: The free storage capacity for DB Instance is low', 15],
    ['setting', 'rastup-prod: Finished applying off-line patches to DB instance', 5],
  ]);
  expect(changes[0]).toMatchObject({ target: 'main-db', source: 'rastup-prod: rds:DescribeEvents' });
  expect(changes[0]!.id).toMatch(/^rds:rastup-prod:\d{13}:[0-9a-f]{12}$/);
  expect((await source.poll('rds', NOW + MINUTE, signal)).changes).toEqual([]);
  const asked = calls.filter(({ action }) => action === 'rds:DescribeEvents').map(({ input }) => input);
  expect(asked[0]).toMatchObject({
    SourceIdentifier: 'rastup-prod',
    SourceType: 'db-instance',
    EndTime: new Date(NOW),
  });
  expect(asked[0]?.['StartTime']).toEqual(new Date(NOW - 120 * MINUTE));
  expect(asked[1]?.['StartTime']).toEqual(new Date(NOW - 10 * MINUTE));
});

test('a restart of ours tells nothing twice, and still knows what was lost', async () => {
  const Events = [event(30, 'DB instance restarted', 'availability')];
  const { source, make, set } = open({ ...WELL, 'rds:DescribeEvents': { Events } });
  const told = await source.poll('rds', NOW, signal);
  expect(told.changes).toHaveLength(1);
  const again = make();
  again.restore(source.snapshot()!);
  set({ ...WELL, 'rds:DescribeEvents': { Events }, 'ec2:DescribeSecurityGroups': groups() });
  const { changes } = await again.poll('rds', NOW + 5 * MINUTE, signal);
  expect(changes.map(({ summary, at }) => [summary, at])).toEqual([
    ['security group sg-db no longer lets sg-app in to port 5432', { earliest: NOW, latest: NOW + 5 * MINUTE }],
  ]);
  // Without a snapshot the same event has the same id.
  expect((await make().poll('rds', NOW, signal)).changes[0]?.id).toBe(told.changes[0]?.id);
});

test('a change of the status is told with its interval; a backup is no change', async () => {
  const { source, set } = open(WELL);
  const status = (DBInstanceStatus: string) =>
    set({ ...WELL, 'rds:DescribeDBInstances': { DBInstances: [instance({ DBInstanceStatus })] } });
  await source.poll('rds', NOW, signal);
  status('backing-up');
  expect((await source.poll('rds', NOW + MINUTE, signal)).changes).toEqual([]);
  status('rebooting');
  expect((await source.poll('rds', NOW + 2 * MINUTE, signal)).changes).toMatchObject([
    {
      kind: 'restart',
      summary: 'rastup-prod: status available → rebooting',
      at: { earliest: NOW + MINUTE, latest: NOW + 2 * MINUTE },
    },
  ]);
  status('modifying');
  expect((await source.poll('rds', NOW + 3 * MINUTE, signal)).changes).toMatchObject([{ kind: 'setting' }]);
  status('storage-full');
  expect((await source.poll('rds', NOW + 4 * MINUTE, signal)).changes).toMatchObject([{ kind: 'other' }]);
});

test('each part that is denied is blind by itself, with the right that is missing', async () => {
  const { source } = open({
    'rds:DescribeDBInstances': WELL['rds:DescribeDBInstances'],
    'rds:DescribeEvents': denied('rds:DescribeEvents'),
    'ec2:DescribeSecurityGroups': denied('ec2:DescribeSecurityGroups'),
  });
  const { blind } = await source.poll('rds', NOW, signal);
  expect(blind.map(({ target, check, because }) => [target, check, because]).sort()).toEqual([
    ['main-db', 'rds.events', 'denied'],
    ['main-db', 'rds.network', 'denied'],
  ]);
});

test('an instance whose events may not be read is answered, and the events are told to be missing', async () => {
  const { source } = open({ ...WELL, 'rds:DescribeEvents': denied('rds:DescribeEvents') });
  const question = {
    kind: 'rds.instance',
    target: 'main-db',
    window: { from: NOW - MINUTE, to: NOW },
    params: {},
  } as const;
  expect(await source.answer(question, NOW, signal)).toMatchObject({
    state: 'answered',
    value: { status: 'available', events: [] },
    unseen: [{ because: 'denied' }],
  });
});

test('a group that AWS does not show has lost no rule', async () => {
  const { source, set } = open(WELL);
  await source.poll('rds', NOW, signal);
  set({ ...WELL, 'ec2:DescribeSecurityGroups': { SecurityGroups: [] } });
  expect(await source.poll('rds', NOW + MINUTE, signal)).toMatchObject({
    changes: [],
    blind: [{ check: 'rds.network', because: 'no_data' }],
  });
  set(WELL);
  expect(await source.poll('rds', NOW + 2 * MINUTE, signal)).toEqual({ series: [], changes: [], blind: [] });
});

test('the instance: what it is, what waits to be applied, events newest first, no password', async () => {
  const { source } = open({
    ...WELL,
    'rds:DescribeDBInstances': {
      DBInstances: [
        instance({
          PendingModifiedValues: { DBInstanceClass: 'db.r6g.xlarge', MasterUserPassword: 'hunter22' },
          DBParameterGroups: [{ DBParameterGroupName: 'pg16', ParameterApplyStatus: 'pending-reboot' }],
        }),
      ],
    },
    'rds:DescribeEvents': { Events: [event(9, 'older', 'availability'), event(3, 'newer', 'backup')] },
  });
  const answer = await source.answer(
    { kind: 'rds.instance', target: 'main-db', window: WINDOW, params: {} },
    NOW,
    signal,
  );
  expect(answer).toEqual({
    state: 'answered',
    kind: 'rds.instance',
    at: NOW,
    source: 'rastup-prod: rds:DescribeDBInstances, rds:DescribeEvents',
    value: {
      at: NOW,
      instance: 'rastup-prod',
      status: 'available',
      engine: 'postgres',
      version: '16.4',
      instanceClass: 'db.r6g.large',
      multiAz: true,
      allocatedGiB: 100,
      pending: ['DBInstanceClass db.r6g.xlarge', 'MasterUserPassword', 'parameter group pg16 waits for a reboot'],
      host: 'rastup-prod.abcdefghijkl.us-east-1.rds.amazonaws.com',
      port: 5432,
      events: [
        { at: NOW - 3 * MINUTE, message: 'newer', categories: ['backup'] },
        { at: NOW - 9 * MINUTE, message: 'older', categories: ['availability'] },
      ],
    },
  });
});

test('the network: who is let in, and a loss found by the question is told by the next poll', async () => {
  const { source, set } = open(WELL);
  const question = { kind: 'rds.network', target: 'main-db', window: WINDOW, params: {} } as const;
  await source.poll('rds', NOW, signal);
  set({ ...WELL, 'ec2:DescribeSecurityGroups': groups() });
  expect(await source.answer(question, NOW + MINUTE, signal)).toMatchObject({
    state: 'answered',
    source: 'rastup-prod: ec2:DescribeSecurityGroups',
    value: {
      instance: 'rastup-prod',
      port: 5432,
      groups: [{ id: 'sg-db', allows: [] }],
      lost: [{ group: 'sg-db', source: 'sg-app', seenAt: NOW, lostBy: NOW + MINUTE }],
    },
  });
  expect((await source.poll('rds', NOW + 2 * MINUTE, signal)).changes).toMatchObject([
    { kind: 'setting', at: { earliest: NOW, latest: NOW + MINUTE } },
  ]);
});

test.each([
  ['no right', { 'rds:DescribeDBInstances': denied('rds:DescribeDBInstances') }, 'denied'],
  ['no such instance', { 'rds:DescribeDBInstances': { DBInstances: [] } }, 'not_configured'],
  ['no port yet', { 'rds:DescribeDBInstances': { DBInstances: [instance({ Endpoint: undefined })] } }, 'no_data'],
  [
    'no security group',
    { 'rds:DescribeDBInstances': { DBInstances: [instance({ VpcSecurityGroups: [] })] } },
    'no_data',
  ],
])('the network is unknown: %s', async (_, replies, because) => {
  const { source } = open({ ...WELL, ...replies });
  const question = { kind: 'rds.network', target: 'main-db', window: WINDOW, params: {} } as const;
  expect(await source.answer(question, NOW, signal)).toMatchObject({ state: 'unknown', kind: 'rds.network', because });
});

test('events of several pages are read, and a marker that repeats itself is not followed', async () => {
  const { source, calls } = open({
    ...WELL,
    'rds:DescribeEvents': ({ Marker }: { Marker?: string }) => ({
      Events: [event(Marker === undefined ? 5 : 6, 'x', 'availability')],
      Marker: 'again',
    }),
  });
  await source.poll('rds', NOW, signal);
  expect(calls.filter(({ action }) => action === 'rds:DescribeEvents')).toHaveLength(2);
});

test('an unknown or damaged snapshot is ignored', async () => {
  const { source, make } = open(WELL);
  await source.poll('rds', NOW, signal);
  const fresh = source.snapshot()!;
  const bytes = (text: string) => new TextEncoder().encode(text);
  for (const damaged of [
    new Uint8Array(),
    bytes('null'),
    bytes('{"version":9}'),
    bytes(
      '{"version":1,"instances":[7,{"target":"main-db","status":3,"told":[["x"]],"network":{"port":1,"at":2,"seen":[{}]}}]}',
    ),
    fresh.slice(0, 20),
  ]) {
    const other = make();
    expect(() => other.restore(damaged)).not.toThrow();
    expect((await other.poll('rds', NOW, signal)).blind).toEqual([]);
  }
});
