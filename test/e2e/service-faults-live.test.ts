/** Faults of the database as its services feel them: a real PostgreSQL pair, the real clock, periods of a second. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CloudWorld, cloudConfig, startCloud } from '../world/cloud.ts';
import type { ServiceExpectation, ServiceFault } from '../world/faults/services/index.ts';
import { serviceFaults } from '../world/faults/services/index.ts';
import { LIVE_OPTIONS } from '../world/faults/services/live-options.ts';
import { type PostgresWorld, startPostgres } from '../world/postgres.ts';
import { startWorkload, type Workload } from '../world/workload.ts';
import { type Learned, realClock, type ServiceHarness, startServiceHarness } from './service-harness.ts';

/** History comes in steps of five minutes: enough of them for a band, and for its spread. */
const HISTORY_DAYS = 2;
const CALM_SECONDS = 6;
const CALM_STATEMENTS_SECONDS = 10;

const isFound = (harness: ServiceHarness, { detector, target, cause, variant, on }: ServiceExpectation): boolean => {
  const { diagnosis } = harness.firing(detector, target) ?? {};
  const first = diagnosis?.causes[0];
  return (
    diagnosis?.verdict === 'cause' &&
    first?.cause === cause &&
    first.on === (on ?? target) &&
    (first.variant ?? undefined) === variant
  );
};

function storyOf(harness: ServiceHarness): string {
  return harness.pipeline
    .findings()
    .map((one) => {
      const causes = (one.diagnosis?.causes ?? [])
        .slice(0, 4)
        .map(({ cause, variant, on, confidence }) => `${cause}/${variant}@${on} ${confidence}`);
      return `${one.detector} ${one.target} '${one.subject}' ${one.state}: ${one.symptom.headline} [${causes.join(', ')}]`;
    })
    .join('\n');
}

async function watching(world: CloudWorld, learned: Learned | undefined): Promise<ServiceHarness> {
  const { primary, standby } = world.postgres!;
  const config = cloudConfig(world, {
    services: ['api', 'search'],
    aws: { periodSeconds: 1, settleSeconds: 0 },
    database: {
      url: 'env:LIVE_DATABASE_URL',
      ...(standby === undefined ? {} : { replicaUrl: 'env:LIVE_REPLICA_URL' }),
    },
    detectors: LIVE_OPTIONS,
  });
  const env = { LIVE_DATABASE_URL: primary.monitorUrl, LIVE_REPLICA_URL: standby?.monitorUrl ?? '' };
  const harness = await startServiceHarness({ clock: realClock, config, env, ...(learned ? { learned } : {}) });
  if (learned === undefined) await harness.backfill(HISTORY_DAYS);
  return harness;
}

async function makeSeeCure(fault: ServiceFault, world: CloudWorld): Promise<void> {
  await fault.prepare?.(world);
  await using harness = await watching(world, undefined);
  await harness.seconds(fault.prepare === undefined ? CALM_SECONDS : CALM_STATEMENTS_SECONDS);
  expect(harness.incidents(), storyOf(harness)).toEqual([]);

  const active = await fault.inject(world);
  const expected = [fault.expect, ...(fault.second === undefined ? [] : [fault.second])];
  try {
    const all = (): boolean => expected.every((one) => isFound(harness, one));
    expect(await harness.seconds(40, all), storyOf(harness)).toBe(true);
    const summaries = harness.incidents().map((one) => `${one.lead.target} ${one.lead.symptom.summary}`);
    expect(harness.incidents(), `${summaries.join('\n')}\n${storyOf(harness)}`).toHaveLength(expected.length);
    for (const one of expected) {
      const commands = JSON.stringify(harness.firing(one.detector, one.target)!.diagnosis!.causes[0]!.mitigations);
      for (const part of one.commands ?? []) {
        expect(commands).toContain(part.replace(/\{(\w+)\}/g, (_, name: string) => String(active.facts[name])));
      }
    }
  } finally {
    await active.cure();
  }
  expect(await harness.seconds(60, () => harness.incidents().length === 0), storyOf(harness)).toBe(true);
}

/** Minutes of real time with real servers: the suite has two of them, `npm run test:live` has all. */
const IN_SUITE: readonly string[] = ['latency-lock', 'unavailable-security-group'];
const isWhole = process.env.LIVE === '1';
const live = Object.values(serviceFaults).filter(
  (one) => one.live === true && (isWhole || IN_SUITE.includes(one.name)),
);
const part = isWhole ? '' : ` (${live.length} of them: npm run test:live)`;
/** What grows tables, or takes the server away, has a world of its own. */
const isAlone = ({ name }: ServiceFault): boolean => /query|n-plus-one|database|security/.test(name);

/** One more try is said by the runner, two failures fail. */
describe(`faults of a database as its services feel them${part}`, { retry: 1, timeout: 150_000 }, () => {
  describe('a busy pair', () => {
    let postgres: PostgresWorld;
    let workload: Workload;
    let world: CloudWorld;

    beforeAll(async () => {
      postgres = await startPostgres({ version: 18, standby: true });
      workload = startWorkload(postgres.primary, { clients: 3, perSecond: 20 });
      world = await startCloud({ postgres, publishDelayMs: 0, pace: 30 });
    });
    afterAll(async () => {
      await world?.[Symbol.asyncDispose]();
      await workload?.stop();
      await postgres?.[Symbol.asyncDispose]();
    });

    test.each(live.filter((one) => !isAlone(one)))('$name: $title', (fault) => makeSeeCure(fault, world));
  });

  test.each(live.filter(isAlone))('$name: $title', async (fault) => {
    await using postgres = await startPostgres({ version: 18 });
    await using world = await startCloud({ postgres, publishDelayMs: 0, pace: 30 });
    const workload = startWorkload(postgres.primary, { clients: 3, perSecond: 15 });
    try {
      await makeSeeCure(fault, world);
    } finally {
      await workload.stop();
    }
  });
});
