import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Fault } from '../world/faults/index.ts';
import { faults } from '../world/faults/index.ts';
import { type PostgresVersion, type PostgresWorld, startPostgres } from '../world/postgres.ts';
import { startWorkload, type Workload } from '../world/workload.ts';
import { type Harness, startHarness } from './harness.ts';

/** Holds are options: the clock is moved by 15 s a poll, so 30 s are two polls. Replication's sizes are the world's. */
const OPTIONS = {
  'lock-contention': { holdSeconds: 15 },
  'connection-pool-exhausted': { holdSeconds: 15 },
  'replication-lag': { warnLagBytes: 150_000, warnLagSeconds: 2 },
  'slow-queries': { holdSeconds: 0 },
};

const CALM_POLLS = 6;
const FIRING_POLLS = 30;
const CLEARING_POLLS = 60;

async function watching(world: PostgresWorld): Promise<Harness> {
  return startHarness({
    url: world.primary.monitorUrl,
    ...(world.standby === undefined ? {} : { replicaUrl: world.standby.monitorUrl }),
    options: OPTIONS,
  });
}

/** Make the bad state, see the finding with the right cause first, cure it, see it go. */
async function makeSeeCure(fault: Fault, world: PostgresWorld): Promise<void> {
  const expected = fault.expect!;
  await fault.prepare?.(world);
  await using harness = await watching(world);
  for (let poll = 0; poll < CALM_POLLS; poll++) await harness.poll();
  expect(harness.incidents(), 'nothing pages while all is healthy').toEqual([]);

  const active = await fault.inject(world);
  try {
    const found = await harness.pollUntil(() => harness.firing(expected.detector) !== undefined, FIRING_POLLS);
    const seen = harness.pipeline.findings().map((one) => `${one.detector} ${one.state} ${one.symptom.headline}`);
    expect(found, `findings: ${seen.join('; ')}`).toBe(true);
    const { diagnosis } = harness.firing(expected.detector)!;
    const ranking = diagnosis?.causes.map((one) => `${one.cause}/${one.variant} ${one.confidence}`);
    const first = diagnosis?.causes[0];
    expect(
      [first?.cause, first?.variant],
      `${ranking?.join(', ')}\n${JSON.stringify(first?.evidence, null, 1)}`,
    ).toEqual([expected.cause, expected.variant ?? null]);
    expect(diagnosis?.verdict).toBe('cause');
    expect(harness.incidents()).toHaveLength(1);
    expect(harness.notifications.filter((one) => one.kind === 'trigger')).toHaveLength(1);
    const commands = JSON.stringify(first?.mitigations);
    const pid = active.facts.blockerPid ?? active.facts.pid;
    if (pid !== undefined && expected.detector === 'lock-contention') expect(commands).toContain(`pid = ${pid}`);
  } finally {
    await active.cure();
  }
  const gone = await harness.pollUntil(() => harness.incidents().length === 0, CLEARING_POLLS);
  const left = harness.pipeline.findings().map((one) => `${one.detector} ${one.state} ${one.symptom.headline}`);
  expect(gone, `left: ${left.join('; ')}`).toBe(true);
  expect(harness.notifications.filter((one) => one.kind === 'resolve')).toHaveLength(1);
}

const all = Object.values(faults).filter((fault) => fault.expect !== undefined && !/-(dns|tls)$/.test(fault.name));
/** Every fault on 18; on the older major those that read what differs between the versions. */
const OLDER = all.filter((fault) => /^(lock|pool|replication|slow|unreachable)-/.test(fault.name));

describe.each<{ readonly version: PostgresVersion; readonly list: readonly Fault[] }>([
  { version: 18, list: all },
  { version: 15, list: OLDER },
])('PostgreSQL $version', ({ version, list }) => {
  let world: PostgresWorld;
  let workload: Workload;

  beforeAll(async () => {
    world = await startPostgres({ version, standby: true });
    workload = startWorkload(world.primary, { clients: 4, perSecond: 30 });
  });
  afterAll(async () => {
    await workload?.stop();
    await world?.[Symbol.asyncDispose]();
  });

  test('a healthy busy workload over 40 back-to-back polls raises nothing', async () => {
    await using harness = await watching(world);
    for (let poll = 0; poll < 40; poll++) {
      await harness.poll();
      expect(harness.pipeline.findings().map((one) => `${one.detector}: ${one.symptom.headline}`)).toEqual([]);
    }
    expect(workload.stats().transactions).toBeGreaterThan(20);
  });

  test.each(list)('$name: $title', async (fault) => {
    await makeSeeCure(fault, world);
  });
});
