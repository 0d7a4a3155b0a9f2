import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Fault } from '../world/faults/index.ts';
import { faults } from '../world/faults/index.ts';
import { type PostgresVersion, type PostgresWorld, startPostgres } from '../world/postgres.ts';
import { startWorkload, type Workload } from '../world/workload.ts';
import { type Harness, startHarness } from './harness.ts';

/** Holds are options that the tests shorten, and replication's sizes are the world's. */
const OPTIONS = {
  'lock-contention': { holdSeconds: 0.2 },
  'connection-pool-exhausted': { holdSeconds: 0.2 },
  'replication-lag': { pollSeconds: 1, holdSeconds: 1.5, warnBytes: 150_000, warnSeconds: 2 },
  'slow-queries': {
    pollSeconds: 1,
    holdSeconds: 0,
    clearSeconds: 0,
    minCalls: 20,
    minLifetimeCalls: 50,
    spillBlocks: 50,
    loadFloor: 0.5,
  },
};

/** Long enough for rates to have a before. */
const CALM_MS = 3000;
const CALM_STATEMENTS_MS = 8000;
const FIRING_MS = 25_000;
const CLEARING_MS = 25_000;

async function watching(world: PostgresWorld): Promise<Harness> {
  return startHarness({
    url: world.primary.monitorUrl,
    ...(world.standby === undefined ? {} : { replicaUrl: world.standby.monitorUrl }),
    options: OPTIONS,
  });
}

/** Make the bad state, see the finding with the right cause first, cure it, see it go. */
export async function makeSeeCure(
  fault: Fault,
  world: PostgresWorld,
  seen: (harness: Harness) => boolean = () => true,
): Promise<void> {
  const expected = fault.expect!;
  await using harness = await watching(world);
  await harness.pollUntil(
    () => harness.pipeline.findings().length > 0,
    fault.prepare === undefined && !fault.name.startsWith('slow') ? CALM_MS : CALM_STATEMENTS_MS,
  );
  const early = harness.pipeline.findings().map((one) => `${one.detector}: ${one.symptom.headline}`);
  expect(early, 'nothing is found while all is healthy').toEqual([]);

  const active = await fault.inject(world);
  try {
    const isFound = (): boolean => harness.firing(expected.detector)?.diagnosis != null && seen(harness);
    const found = await harness.pollUntil(isFound, FIRING_MS);
    const findings = harness.pipeline.findings().map((one) => `${one.detector} ${one.state} ${one.symptom.headline}`);
    expect(found, `findings: ${findings.join('; ')}`).toBe(true);
    const { diagnosis } = harness.firing(expected.detector)!;
    const ranking = diagnosis?.causes.map((one) => `${one.cause}/${one.variant} ${one.confidence}`);
    const first = diagnosis?.causes[0];
    expect(
      [first?.cause, first?.variant],
      `${diagnosis?.symptom?.summary}\n${JSON.stringify(diagnosis?.ruledOut.map((one) => [one.variant, one.because]))}\n${ranking?.join(', ')}\n${JSON.stringify(first?.evidence, null, 1)}`,
    ).toEqual([expected.cause, expected.variant ?? null]);
    expect(diagnosis?.verdict).toBe('cause');
    const summaries = harness
      .incidents()
      .map((one) => `${one.lead.detector}: ${one.lead.symptom.summary} ${JSON.stringify(one.cause)}`);
    expect(summaries, summaries.join('\n')).toHaveLength(1);
    expect(harness.notifications.filter((one) => one.kind === 'trigger')).toHaveLength(1);
    const commands = JSON.stringify(first?.mitigations);
    const pid = active.facts.blockerPid ?? active.facts.pid;
    if (pid !== undefined && pid !== 0 && expected.detector === 'lock-contention')
      expect(commands).toContain(`pid = ${pid}`);
  } finally {
    await active.cure();
  }
  const gone = await harness.pollUntil(() => harness.incidents().length === 0, CLEARING_MS);
  const left = harness.pipeline.findings().map((one) => `${one.detector} ${one.state} ${one.symptom.headline}`);
  expect(gone, `left: ${left.join('; ')}`).toBe(true);
  // A severity that rose has a key of its own, and each key is resolved: one incident all the same.
  const resolved = harness.notifications.filter((one) => one.kind === 'resolve').map((one) => one.incident);
  expect(new Set(resolved).size).toBe(1);
}

const all = Object.values(faults).filter((fault) => fault.expect !== undefined && !/-(dns|tls)$/.test(fault.name));
/** What grows tables, or takes the server away, has a world of its own; the others share one that is never idle. */
const alone = all.filter((fault) => /^(slow|unreachable)-/.test(fault.name));
const shared = all.filter((fault) => !alone.includes(fault));

/** Declares the tests of every fault on one version; two files call it, so that the versions run side by side. */
export function describeFaults(version: PostgresVersion): void {
  // Real servers in real time on machines that others share: one more try is said by the runner, two failures fail.
  describe(`PostgreSQL ${version}`, { retry: 1 }, () => {
    describe('a busy pair', () => {
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
        expect(workload.stats().transactions).toBeGreaterThan(0);
      });

      test.each(shared)('$name: $title', async (fault) => {
        await makeSeeCure(fault, world);
      });
    });

    test.each(alone)('$name: $title', async (fault) => {
      await using world = await startPostgres({ version });
      await fault.prepare?.(world);
      const workload = startWorkload(world.primary, { clients: 3, perSecond: 15 });
      try {
        await makeSeeCure(fault, world);
      } finally {
        await workload.stop();
      }
    });
  });
}
