/**
 * What AWS does not let us see is a named gap, with the permission or setting that would let us; never a zero and never a
 * page for a service that is well. First each action of the policy, denied by itself.
 */

import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { callLines } from '../../src/cli/check-aws.ts';
import { tryAccount } from '../../src/cli/try-aws.ts';
import { ACTION_NAMES } from '../../src/sources/aws/actions.ts';
import type { AwsAction } from '../../src/sources/aws/calls.ts';
import { createAws } from '../../src/sources/aws/clients.ts';
import {
  CALM_MINUTES,
  FAULTS,
  type FaultName,
  HEALTHY_MINUTES,
  startWatching,
  type Watching,
} from './service-blind-cases.ts';
import { expectCaughtUp, expectNoFalsePage, expectNoMadeUpZero, truthOf, untilPaged } from './service-blind-truth.ts';

/** Called by people, with `check --discover`, and for clusters of more than 500 instances. */
const BY_HAND: readonly AwsAction[] = ['ecs:ListServices', 'ecs:DescribeClusters'];

/** A fault whose page needs the action. */
function faultFor(action: AwsAction): FaultName {
  if (action === 'cloudwatch:GetMetricData') return 'health';
  if (/^(sqs|lambda):/.test(action)) return 'queue';
  if (/ContainerInstances$|^autoscaling:/.test(action)) return 'room';
  return action.endsWith('ServiceDeployments') ? 'rollback' : 'errors';
}

beforeAll(() => {
  // The SDK waits at random between its attempts.
  vi.spyOn(Math, 'random').mockReturnValue(0);
});
afterAll(() => vi.restoreAllMocks());

test('every action of the policy is tried here', async () => {
  const needed = await Promise.all(
    (['health', 'queue', 'room', 'rollback', 'errors'] as const).map((fault) => truthOf({ fault })),
  );
  const all = new Set([...needed.flatMap((truth) => [...truth.needed]), ...BY_HAND]);
  expect([...all].sort()).toEqual([...ACTION_NAMES].sort());
});

describe.each(ACTION_NAMES.filter((action) => !BY_HAND.includes(action)))('%s is denied', (action) => {
  const fault = faultFor(action);
  const grant = `iam: allow ${action}`;
  let watching: Watching;
  let allow: () => void;

  beforeAll(async () => {
    watching = await startWatching({ fault });
    // What is only asked about a thing of the past is asked at the start.
    const isAtStart = FAULTS[fault].prepare !== undefined;
    if (isAtStart) allow = watching.world.aws.trouble.deny(action);
    await watching.harness.minutes(CALM_MINUTES);
    if (!isAtStart) allow = watching.world.aws.trouble.deny(action);
  });
  afterAll(() => watching[Symbol.asyncDispose]());

  test('a fleet that is well: the gap is named, nobody is paged', async () => {
    const truth = await truthOf({ fault });
    await watching.harness.minutes(HEALTHY_MINUTES);
    expectNoFalsePage(watching, action === 'cloudwatch:GetMetricData' ? 'cloudwatch' : null);
    expectNoMadeUpZero(watching, truth);
    const named = watching.gaps().filter((line) => line.includes(grant));
    if (truth.polled.has(action)) expect(named, watching.gaps().join('\n')).not.toEqual([]);
    expect(watching.gaps().filter((line) => !line.includes(grant))).toEqual([]);
  });

  test('a fault: the page comes and names it, and once it is allowed the gap is gone', async () => {
    FAULTS[fault].inject(watching.world);
    const { finding, notSeen } = await untilPaged(watching, fault);
    expect(
      finding.diagnosis?.gaps.map((gap) => gap.grant),
      watching.story(),
    ).toContain(grant);
    expect(notSeen.join('\n')).toContain(grant);
    expectNoMadeUpZero(watching, await truthOf({ fault }));
    allow();
    await watching.harness.minutes(3);
    expect(watching.gaps()).toEqual([]);
    expectNoMadeUpZero(watching, await truthOf({ fault }));
    expectCaughtUp(watching, await truthOf({ fault }), fault);
  });
});

test('`check` names each action that is denied, before it is needed', async () => {
  await using watching = await startWatching({ fault: 'errors' });
  const { aws, fleet } = watching.world;
  const { cluster, ecsService: service, targetGroup, logGroup } = fleet.services.get('api')!.facts;
  const account = { name: 'default', region: 'us-east-1', roleArn: null, externalId: null, endpoint: aws.endpoint };
  const watched = {
    ...{ metrics: true, ecs: { cluster, service }, targetGroup, logGroup, rds: 'rastup-prod', sqs: 'rastup-messages' },
    ...{ lambda: 'rastup-message-processor', taskDefinitions: true },
  };
  const client = createAws(account, { log: pino({ level: 'silent' }) });
  const lines = async () =>
    callLines(account, await tryAccount(watched, client, Date.now(), AbortSignal.timeout(20_000)));
  expect((await lines()).map(({ state }) => state)).toEqual(['ok']);
  for (const action of ACTION_NAMES.filter((name) => name !== 'ecs:ListServices')) {
    const allow = aws.trouble.deny(action);
    const [, ...named] = await lines();
    expect(named).toMatchObject([{ what: action, grant: `iam: allow ${action}` }]);
    allow();
  }
  client.close();
});
