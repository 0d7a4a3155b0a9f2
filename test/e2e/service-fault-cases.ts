/** Each fault of services on a clock that is moved: quiet before, found for what it is, gone when it is cured. */

import { afterAll, describe, expect, test } from 'vitest';
import { cloudConfig, startCloud, WATCHED, type WatchedService } from '../world/cloud.ts';
import type { ServiceExpectation, ServiceFault } from '../world/faults/services/index.ts';
import { type Learned, movedClock, type ServiceHarness, startServiceHarness } from './service-harness.ts';

/** A Friday morning in California, two weeks and two days after the fleet was brought up. */
export const START = Date.UTC(2026, 10, 20, 18, 0, 0);
export const STARTED_AT = START - 16 * 86_400_000;
const CALM_MINUTES = 4;
/** What else the fault makes of itself comes in this time. */
const SETTLE_MINUTES = 3;

/** Two weeks of history are learned once for each kind of cluster; every fault begins with what was learned. */
const learned = new Map<string, Learned>();

async function learnedFor(fault: ServiceFault): Promise<Learned> {
  const key = fault.prepare === undefined ? JSON.stringify(fault.cluster ?? null) : fault.name;
  const known = learned.get(key);
  if (known !== undefined) return known;
  let made: Learned | null = null;
  // Two weeks in one go from a world in the same process: on a machine that others keep busy a call may time out.
  for (let attempt = 1; made === null; attempt++) {
    made = await learn(fault, key).catch((error: unknown) => {
      if (attempt === 3) throw error;
      return null;
    });
  }
  learned.set(key, made);
  return made;
}

async function learn(fault: ServiceFault, key: string): Promise<Learned> {
  const clock = movedClock(START);
  await using world = await startCloud({ now: clock.now, startedAt: STARTED_AT, ...clusterOf(fault) });
  await fault.prepare?.(world);
  const services = key === 'null' ? WATCHED : servicesOf(fault);
  await using harness = await startServiceHarness({ clock, config: cloudConfig(world, { services }) });
  // Rare kinds have a shorter past: a season is not what they are about.
  await harness.backfill(key === 'null' ? 14 : 3);
  return harness.learned();
}

const clusterOf = (fault: ServiceFault) => (fault.cluster === undefined ? {} : { cluster: fault.cluster });

/** The services that the fault touches: to watch the others beside it would only take time. */
function servicesOf(fault: ServiceFault): readonly WatchedService[] {
  const named = new Set([fault.expect, fault.second, ...(fault.also ?? [])].flatMap((one) => one?.target ?? []));
  return WATCHED.filter((name) => named.has(name));
}

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

/** Everything that was found, for whoever reads a failure. */
function storyOf(harness: ServiceHarness): string {
  return harness.pipeline
    .findings()
    .map((one) => {
      const causes = (one.diagnosis?.causes ?? [])
        .slice(0, 3)
        .map(({ cause, variant, on, confidence }) => `${cause}/${variant}@${on} ${confidence}`);
      return `${one.detector} ${one.target} '${one.subject}' ${one.state}: ${one.symptom.headline} [${causes.join(', ')}]`;
    })
    .join('\n');
}

const filled = (text: string, facts: Readonly<Record<string, string | number>>): string =>
  text.replace(/\{(\w+)\}/g, (whole, name: string) => String(facts[name] ?? whole));

async function makeSeeCure(fault: ServiceFault): Promise<void> {
  const known = await learnedFor(fault);
  const clock = movedClock(START);
  await using world = await startCloud({ now: clock.now, startedAt: STARTED_AT, ...clusterOf(fault) });
  await fault.prepare?.(world);
  const config = cloudConfig(world, { services: servicesOf(fault) });
  await using harness = await startServiceHarness({ clock, config, learned: known, stepMs: 60_000 });

  await harness.minutes(CALM_MINUTES);
  expect(harness.incidents(), storyOf(harness)).toEqual([]);
  expect(harness.pipeline.findings().filter((one) => one.symptom.severity !== 'info')).toEqual([]);

  const active = await fault.inject(world);
  const expected = [fault.expect, ...(fault.second === undefined ? [] : [fault.second])];
  const all = (): boolean => expected.every((one) => isFound(harness, one));
  expect(await harness.minutes(fault.within ?? 12, all), storyOf(harness)).toBe(true);
  await harness.minutes(SETTLE_MINUTES);

  const also = [...expected, ...(fault.also ?? [])];
  const alarms = harness.pipeline.findings().filter(({ detector, target, subject }) => {
    const fits = (one: (typeof also)[number]): boolean =>
      one.detector === detector &&
      (one.target ?? target) === target &&
      (('subject' in one ? one.subject : undefined) ?? subject) === subject;
    return !also.some(fits);
  });
  expect(alarms.map((one) => `${one.detector} ${one.target} ${one.symptom.headline}`)).toEqual([]);
  const summaries = harness.incidents().map((one) => `${one.lead.detector} ${one.lead.symptom.summary}`);
  expect(harness.incidents(), summaries.join('\n')).toHaveLength(expected.length);
  for (const one of expected) {
    expect(isFound(harness, one), storyOf(harness)).toBe(true);
    const { diagnosis, symptom } = harness.firing(one.detector, one.target)!;
    const first = diagnosis!.causes[0]!;
    const commands = JSON.stringify(first.mitigations.filter((each) => 'command' in each));
    for (const part of one.commands ?? []) expect(commands).toContain(filled(part, active.facts));
    const page = [symptom.headline, symptom.summary, ...first.evidence.map((line) => line.observed)].join('\n');
    for (const text of one.says ?? []) expect(page).toMatch(text);
  }

  await active.cure();
  const isOver = (): boolean => harness.incidents().length === 0;
  expect(await harness.minutes(fault.gone ?? 20, isOver), storyOf(harness)).toBe(true);
  const opened = new Set(harness.notifications.filter((one) => one.kind === 'trigger').map((one) => one.incident));
  const resolved = new Set(harness.notifications.filter((one) => one.kind === 'resolve').map((one) => one.incident));
  expect(resolved).toEqual(opened);
  expect(opened.size, 'one incident for each fault').toBe(expected.length);
  expect(harness.errors).toEqual([]);
}

/** Declares a test for each; files call it with a part of them, so that they run side by side. */
export function describeServiceFaults(faults: readonly ServiceFault[]): void {
  describe('faults of services', () => {
    afterAll(() => learned.clear());
    test.each(faults.filter((one) => one.live !== true))('$name: $title', makeSeeCure);
  });
}
