/** A true fault while everything that is asked about it answers nonsense, and what is told of it when answers are true. */

import { expect } from 'vitest';
import type { Finding } from '../../src/model/index.ts';
import { serviceFaults } from '../world/faults/services/index.ts';
import { malformedJson, malformedXml, seeded } from '../world/mutations.ts';
import { CHANNELS, type Channel, type FuzzWorld, pollAll } from './fuzz-world.ts';
import type { ServiceHarness } from './service-harness.ts';

const MINUTE_MS = 60_000;
const WITHIN_MINUTES = 12;

/** What the fault is asked about; its first symptom is read from CloudWatch. */
const ASKED: readonly Channel[] = CHANNELS.filter(({ api, server }) => api !== 'cloudwatch' && server !== 'redis');

function spoilAll(fuzz: FuzzWorld, seed: number | null): void {
  const next = seeded(seed ?? 0);
  for (const [server, upstreams] of Object.entries(fuzz.http)) {
    const channels = ASKED.filter((one) => one.server === server);
    for (const upstream of upstreams) {
      if (seed === null) upstream.spoil(null);
      else
        upstream.spoil((told, asked) => {
          const channel = channels.find((one) => fuzz.isOf(one, asked));
          if (channel === undefined) return null;
          const make = channel.format === 'xml' ? malformedXml : malformedJson;
          const text = told.body.toString('utf8');
          for (;;) {
            const made = make(text, next);
            if (made.whole) return { body: made.body };
          }
        });
    }
  }
}

async function minutes(fuzz: FuzzWorld, harness: ServiceHarness, count: number, until = () => false): Promise<boolean> {
  for (let minute = 0; minute < count && !until(); minute += 1) {
    // Of what is spoilt polls fail, which is told of each after the third in a row.
    await pollAll(harness).catch(() => undefined);
    fuzz.clock.advance(MINUTE_MS);
  }
  return until();
}

/** Asserts all of it. */
export async function faultAmongNonsense(fuzz: FuzzWorld, seed: number): Promise<void> {
  fuzz.restart();
  // A database that nobody answers for would be the cause.
  await using harness = await fuzz.installation(['api', 'typesense', 'redis', 'messages', 'stripe']);
  await minutes(fuzz, harness, 3);
  expect(harness.pipeline.findings()).toEqual([]);

  const active = await serviceFaults['errors-deployment']!.inject(fuzz.world);
  const found = (): Finding | undefined => harness.firing('high-error-rate', 'api');
  try {
    spoilAll(fuzz, seed);
    await minutes(fuzz, harness, WITHIN_MINUTES, () => found() !== undefined);
    const diagnosis = found()?.diagnosis;
    // The page comes from what is read, says of each other look that it was none, and blames nobody.
    expect(diagnosis?.verdict).toMatch(/^(?:unclear|inconclusive)$/);
    const gaps = diagnosis!.gaps.map(({ what }) => what).join('\n');
    for (const look of [/api: ECS/, /api: errors in CloudWatch Logs/, /api: issues of the error tracker/]) {
      expect(gaps).toMatch(look);
    }
    for (const { because, detail } of diagnosis!.gaps) expect([because, detail === '']).toEqual([because, false]);
    expect(
      harness
        .incidents()
        .map((one) => one.lead.detector)
        .sort(),
    ).toEqual(expect.arrayContaining(['high-error-rate']));
    const others = harness.incidents().filter((one) => one.lead.detector !== 'source-unreadable');
    expect(others.map((one) => `${one.lead.detector} ${one.lead.target}`)).toEqual(['high-error-rate api']);

    spoilAll(fuzz, null);
    const isKnown = (): boolean => {
      const { verdict, causes } = found()?.diagnosis ?? {};
      return verdict === 'cause' && causes?.[0]?.cause === 'recent-deployment';
    };
    expect(await minutes(fuzz, harness, WITHIN_MINUTES, isKnown)).toBe(true);
    await minutes(fuzz, harness, 3);
    expect(harness.incidents().map((one) => one.lead.detector)).toEqual(['high-error-rate']);
  } finally {
    spoilAll(fuzz, null);
    await active.cure();
  }
}
