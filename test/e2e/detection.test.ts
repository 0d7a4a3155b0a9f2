/**
 * How soon and how seldom: the promises about detection, on the world's fleet with its seasons, its bursts of errors and
 * its 14 days of history, through the unmodified SDK and the real pipeline on a moved clock.
 */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AwsEndpoint } from '../world/aws/aws.ts';
import { startAws } from '../world/aws/aws.ts';
import { bigFleet } from '../world/aws/demo-fleet.ts';
import { createFleet, type Fleet } from '../world/aws/fleet.ts';
import type { ServiceEffects } from '../world/aws/types.ts';
import { servicesConfig } from '../world/service-config.ts';
import { type MovedClock, movedClock, type ServiceHarness, startServiceHarness } from './service-harness.ts';

const MINUTE = 60_000;
const SETTLE_MS = 120_000;
const STEP_MS = 30_000;
/** Default: a day takes minutes. `npm run test:quiet` plays 24 hours. */
const QUIET_HOURS = Number(process.env.QUIET_HOURS ?? 1);
const QUIET_SERVICES = Number(process.env.QUIET_SERVICES ?? 50);

const configOf = (fleet: Fleet, endpoint: string) => ({
  name: 'test',
  timeZone: fleet.timeZone,
  aws: { region: 'us-east-1', endpoint, budgetUsdPerMonth: 100_000 },
  services: servicesConfig(fleet, { app: false }),
});

describe('steps', () => {
  let clock: MovedClock;
  let fleet: Fleet;
  let aws: AwsEndpoint;
  let harness: ServiceHarness;

  beforeAll(async () => {
    clock = movedClock(Date.UTC(2026, 10, 19, 15, 0, 0));
    const cluster = 'prod';
    fleet = createFleet({
      seed: 11,
      now: clock.now,
      startedAt: clock.now() - 16 * 86_400_000,
      timeZone: 'America/Los_Angeles',
      clusters: [{ cluster }],
      services: [
        {
          name: 'busy',
          cluster,
          requestsPerMinute: 10_000,
          errorShare: 0.002,
          latency: { p50: 0.06, p95: 0.21, p99: 0.4 },
        },
        {
          name: 'middling',
          cluster,
          requestsPerMinute: 2_000,
          errorShare: 0.002,
          latency: { p50: 0.06, p95: 0.21, p99: 0.4 },
        },
        { name: 'small', cluster, requestsPerMinute: 10, errorShare: 0.002 },
      ],
    });
    aws = await startAws({ fleet });
    harness = await startServiceHarness({ clock, config: configOf(fleet, aws.endpoint), stepMs: STEP_MS });
    await harness.backfill(14);
    await harness.minutes(10);
  });
  afterAll(async () => {
    await harness?.[Symbol.asyncDispose]();
    await aws?.close();
  });

  /** Settled minutes of the fault that were needed; the effect begins with a minute. */
  async function pollsUntil(detector: string, service: string, effects: ServiceEffects, most: number): Promise<number> {
    expect(harness.pipeline.findings().map((one) => `${one.detector} ${one.symptom.headline}`)).toEqual([]);
    clock.advance(MINUTE - (clock.now() % MINUTE));
    const from = clock.now();
    const undo = fleet.affect({ service, from, effects });
    const isFiring = (): boolean => harness.firing(detector, service) !== undefined;
    await harness.minutes(most + 4, isFiring);
    const polls = isFiring() ? Math.floor((clock.now() - from - SETTLE_MS) / MINUTE) : Number.POSITIVE_INFINITY;
    undo();
    await harness.minutes(40, () => harness.pipeline.findings().length === 0);
    return polls;
  }

  test('+1.0 points of errors at 10,000 requests a minute fires within 3 polls of settled data', async () => {
    expect(await pollsUntil('high-error-rate', 'busy', { errors: { share: 0.01 } }, 3)).toBeLessThanOrEqual(3);
  });

  test('+0.6 points at 10,000 a minute fires within 10', async () => {
    expect(await pollsUntil('high-error-rate', 'busy', { errors: { share: 0.006 } }, 10)).toBeLessThanOrEqual(10);
  });

  test('+50 % of p95 at 2,000 a minute fires within 3', async () => {
    expect(await pollsUntil('high-latency', 'middling', { latency: { factor: 1.5 } }, 3)).toBeLessThanOrEqual(3);
  });

  test('a lucky error among 50 requests of a window does not fire', async () => {
    clock.advance(MINUTE - (clock.now() % MINUTE));
    // One minute in which a tenth of ten requests fails: an error or two of the window's fifty.
    fleet.affect({
      service: 'small',
      from: clock.now(),
      to: clock.now() + MINUTE,
      effects: { errors: { share: 0.1 } },
    });
    await harness.minutes(10);
    expect(harness.pipeline.findings().map((one) => `${one.detector} ${one.symptom.headline}`)).toEqual([]);
    expect(harness.errors).toEqual([]);
  });
});

test(`${QUIET_HOURS} h of ${QUIET_SERVICES} healthy services of 20 to 20,000 requests a minute: no page`, {
  timeout: 30 * MINUTE,
}, async () => {
  const clock = movedClock(Date.UTC(2026, 10, 20, 13, 0, 0));
  const fleet = bigFleet(QUIET_SERVICES, { now: clock.now, seed: Number(process.env.QUIET_SEED ?? 3) });
  const aws = await startAws({ fleet });
  await using harness = await startServiceHarness({ clock, config: configOf(fleet, aws.endpoint), stepMs: MINUTE });
  try {
    await harness.backfill(QUIET_HOURS > 6 ? 14 : 4);
    await harness.minutes(QUIET_HOURS * 60);
    expect(harness.notifications.map((one) => one.summary)).toEqual([]);
    expect(harness.errors).toEqual([]);
    expect(harness.pipeline.cycles()).toBeGreaterThanOrEqual(QUIET_HOURS * 60);
  } finally {
    await aws.close();
  }
});
