/**
 * Each fault of the systems beside AWS on a clock that is moved: quiet before, found for what it is, told from what it
 * resembles, gone when it is cured.
 */

import { afterAll, describe, expect, test } from 'vitest';
import type { RankedCause } from '../../src/model/index.ts';
import type { SystemCalm } from '../world/faults/systems/calm.ts';
import type { SystemExpectation } from '../world/faults/systems/fault.ts';
import { type SystemFault, systemFaults } from '../world/faults/systems/index.ts';
import { type PostgresWorld, startPostgres } from '../world/postgres.ts';
import {
  type SystemsWorld,
  startSystems,
  systemsConfig,
  systemsEnv,
  WATCHABLE,
  type Watchable,
} from '../world/systems.ts';
import { START, STARTED_AT } from './service-fault-cases.ts';
import {
  type Learned,
  type MovedClock,
  movedClock,
  type ServiceHarness,
  startServiceHarness,
} from './service-harness.ts';

/** Sources without a history are watched for so long before: a band takes an hour, and what is learned is 15 min old. */
const WATCHED_MINUTES = 100;
const CALM_MINUTES = 4;
/** What else the fault makes of itself comes in this time. */
const SETTLE_MINUTES = 3;

/** The clock is moved and the server is not: on a machine that others keep busy, a poll may find no connection free. */
const BUSY_MACHINE = /no answer to [\w ]+: a free connection of ours within/;

/** One server for a whole file: it starts once, and faults that stop it start it again. */
let server: Promise<PostgresWorld> | null = null;
const learned = new Map<string, Learned>();

/** Servers that say how they are now, and not how they were, go with the clock. */
function clockOf(start: number): MovedClock & { follow(world: SystemsWorld): void } {
  const clock = movedClock(start);
  let world: SystemsWorld | null = null;
  return {
    now: clock.now,
    advance(ms) {
      clock.advance(ms);
      world?.tick();
    },
    follow(next) {
      world = next;
    },
  };
}

async function worldAt(clock: ReturnType<typeof clockOf>, watch: readonly Watchable[]): Promise<SystemsWorld> {
  if (watch.includes('main-db')) server ??= startPostgres();
  const postgres = watch.includes('main-db') ? await server : null;
  const world = await startSystems({ now: clock.now, startedAt: STARTED_AT, ...(postgres ? { postgres } : {}) });
  clock.follow(world);
  return world;
}

/** By what is watched: two weeks of history where there is one, and an hour and a half of watching. */
async function learnedFor({ watch }: Pick<SystemFault, 'watch'>): Promise<Learned> {
  const key = WATCHABLE.filter((name) => watch.includes(name)).join();
  const known = learned.get(key) ?? (await learn(watch));
  learned.set(key, known);
  return known;
}

/** A minute at a time: what the application did in it is done before it is looked at. */
async function minutes(
  harness: ServiceHarness,
  world: SystemsWorld,
  count: number,
  until: () => boolean = () => false,
): Promise<boolean> {
  for (let minute = 0; minute < count; minute += 1) {
    await world.work();
    if (await harness.minutes(1, until)) return true;
  }
  return until();
}

async function learn(watch: readonly Watchable[]): Promise<Learned> {
  const clock = clockOf(START - WATCHED_MINUTES * 60_000);
  await using world = await worldAt(clock, watch);
  const config = systemsConfig(world, { watch });
  await using harness = await startServiceHarness({ clock, config, env: systemsEnv(world), stepMs: 60_000 });
  await harness.backfill(14);
  await minutes(harness, world, WATCHED_MINUTES);
  const { baselines, sources } = harness.learned();
  // The server goes on while the clock goes back: its counters are of another time.
  return { baselines, sources: new Map([...sources].filter(([name]) => !name.startsWith('postgres:'))) };
}

const isCause = (one: RankedCause | undefined, { target, cause, variant, on }: SystemExpectation): boolean =>
  one?.cause === cause && one.on === (on ?? target) && (one.variant ?? undefined) === variant;

const isFound = (harness: ServiceHarness, wanted: SystemExpectation): boolean => {
  const { diagnosis } = harness.firing(wanted.detector, wanted.target) ?? {};
  return diagnosis?.verdict === 'cause' && isCause(diagnosis.causes[0], wanted);
};

/** Those that it resembles, and those that resemble it. */
const twinsOf = ({ name, lookAlikeOf }: SystemFault): readonly SystemFault[] =>
  Object.values(systemFaults).filter((one) => one.name === lookAlikeOf || one.lookAlikeOf === name);

/** Everything that was found, for whoever reads a failure. */
function storyOf(harness: ServiceHarness): string {
  const lines = harness.pipeline.findings().flatMap((one) => {
    const head = `${one.detector} ${one.target} '${one.subject}' ${one.state}: ${one.symptom.headline}`;
    const causes = (one.diagnosis?.causes ?? [])
      .slice(0, 3)
      .flatMap(({ cause, variant, on, confidence, evidence }) => [
        `    ${cause}/${variant}@${on} ${confidence.toFixed(3)}`,
        ...evidence.map((line) => `        ${line.probe} ${line.state} ${line.weight}: ${line.observed}`),
      ]);
    return [head, `    verdict ${one.diagnosis?.verdict}`, ...causes];
  });
  return [...lines, ...harness.errors].join('\n');
}

const filled = (text: string, facts: Readonly<Record<string, string | number>>): string =>
  text.replace(/\{(\w+)\}/g, (whole, name: string) => String(facts[name] ?? whole));

async function makeSeeCure(fault: SystemFault): Promise<void> {
  const known = await learnedFor(fault);
  const clock = clockOf(START);
  await using world = await worldAt(clock, fault.watch);
  const config = systemsConfig(world, { watch: fault.watch });
  await using harness = await startServiceHarness({
    clock,
    config,
    env: systemsEnv(world),
    learned: known,
    stepMs: 60_000,
  });

  await minutes(harness, world, fault.calm ?? CALM_MINUTES);
  expect(harness.incidents(), storyOf(harness)).toEqual([]);
  expect(
    harness.pipeline.findings().filter((one) => one.symptom.severity !== 'info'),
    storyOf(harness),
  ).toEqual([]);

  const { expect: wanted, also = [] } = fault;
  const active = await fault.inject(world);
  try {
    expect(await minutes(harness, world, fault.within ?? 12, () => isFound(harness, wanted)), storyOf(harness)).toBe(
      true,
    );
    await minutes(harness, world, SETTLE_MINUTES);

    const alarms = harness.pipeline.findings().filter(({ detector, target, subject }) => {
      const fits = (one: (typeof also)[number]): boolean =>
        one.detector === detector && (one.target ?? target) === target && (one.subject ?? subject) === subject;
      return ![{ detector: wanted.detector, target: wanted.target }, ...also].some(fits);
    });
    expect(alarms.map((one) => `${one.detector} ${one.target} ${one.symptom.headline}`)).toEqual([]);
    expect(harness.incidents(), storyOf(harness)).toHaveLength(1);
    const { cause, on = wanted.target } = wanted;
    // Whoever leads: the page is about the cause.
    expect(harness.incidents()[0]!.cause, storyOf(harness)).toEqual({ cause, on });
    expect(isFound(harness, wanted), storyOf(harness)).toBe(true);
    const { diagnosis, symptom } = harness.firing(wanted.detector, wanted.target)!;
    const first = diagnosis!.causes[0]!;
    for (const { expect: other } of twinsOf(fault)) {
      const told = diagnosis!.causes.find((one) => isCause(one, other))?.confidence ?? 0;
      expect(told, `${other.cause} ${other.variant}\n${storyOf(harness)}`).toBeLessThan(0.5);
    }
    const commands = JSON.stringify(first.mitigations.filter((each) => 'command' in each));
    const story = `${storyOf(harness)}\n${JSON.stringify(first.mitigations, null, 1)}`;
    for (const id of fault.withheld ?? [])
      expect(
        first.mitigations.find((one) => one.id === id),
        story,
      ).toHaveProperty('withheld');
    for (const part of wanted.commands ?? []) expect(commands, story).toContain(filled(part, active.facts));
    const page = [symptom.headline, symptom.summary, ...first.evidence.map((line) => line.observed)].join('\n');
    for (const text of wanted.says ?? []) expect(page, story).toMatch(text);
  } finally {
    await active.cure();
  }

  const isOver = (): boolean => harness.incidents().length === 0;
  expect(await minutes(harness, world, fault.gone ?? 25, isOver), storyOf(harness)).toBe(true);
  const opened = new Set(harness.notifications.filter((one) => one.kind === 'trigger').map((one) => one.incident));
  const resolved = new Set(harness.notifications.filter((one) => one.kind === 'resolve').map((one) => one.incident));
  const told = harness.notifications.map(
    ({ kind, incident, at, summary }) => `${kind} ${incident} ${new Date(at).toISOString()} ${summary}`,
  );
  expect(resolved).toEqual(opened);
  expect(opened.size, told.join('\n')).toBe(1);
  const unexpected = harness.errors.filter((error) => fault.breaks?.test(error) !== true && !BUSY_MACHINE.test(error));
  expect(unexpected).toEqual([]);
}

const OCCASION_MINUTES = 16;

/** Nobody is woken, neither by it nor by its end. */
async function makeStayQuiet({ watch, inject, tells }: SystemCalm): Promise<void> {
  const known = await learnedFor({ watch });
  const clock = clockOf(START);
  await using world = await worldAt(clock, watch);
  const config = systemsConfig(world, { watch });
  const options = { clock, config, env: systemsEnv(world), learned: known, stepMs: 60_000 };
  await using harness = await startServiceHarness(options);
  await minutes(harness, world, CALM_MINUTES);
  const active = await inject(world);
  if (tells === undefined) await minutes(harness, world, OCCASION_MINUTES);
  else {
    const isTold = await minutes(harness, world, OCCASION_MINUTES, () => isFound(harness, tells));
    expect(isTold, storyOf(harness)).toBe(true);
    await minutes(harness, world, SETTLE_MINUTES);
  }
  await active.cure();
  await minutes(harness, world, CALM_MINUTES);
  expect(
    harness.notifications.filter((one) => one.kind === 'trigger').map((one) => one.summary),
    storyOf(harness),
  ).toEqual([]);
  expect(harness.errors).toEqual([]);
}

/** All of them take ten minutes: the suite has one of each detector and what it resembles, `npm run test:faults` has all. */
const isWhole = process.env.FAULTS === 'all';

function chosenOf(faults: readonly SystemFault[]): readonly SystemFault[] {
  if (process.env.FAULT !== undefined) {
    const only = new RegExp(process.env.FAULT);
    return faults.filter(({ name }) => only.test(name));
  }
  if (isWhole) return faults;
  const firsts = [...Map.groupBy(faults, ({ expect: { detector } }) => detector).values()].flatMap((all) => {
    const twin = all.flatMap(twinsOf).find((one) => all.includes(one));
    return twin === undefined ? [] : [twin, ...twinsOf(twin).slice(0, 1)];
  });
  return faults.filter((one) => firsts.includes(one));
}

/** Declares a test for each occasion that is no fault. */
export function describeSystemCalm(occasions: readonly SystemCalm[]): void {
  const only = process.env.FAULT === undefined ? null : new RegExp(process.env.FAULT);
  const chosen = occasions.filter(({ name }, index) => (only === null ? isWhole || index < 2 : only.test(name)));
  describe('nobody is woken for', () => {
    test.each(chosen)('$name: $title', { timeout: 180_000 }, makeStayQuiet);
  });
}

/** Declares a test for each; files call it with a part of them, so that they run side by side. */
export function describeSystemFaults(faults: readonly SystemFault[]): void {
  const chosen = chosenOf(faults);
  const part = chosen.length === faults.length ? '' : ` (${chosen.length} of ${faults.length}: npm run test:faults)`;
  describe(`faults of the systems${part}`, () => {
    afterAll(async () => {
      learned.clear();
      await (await server)?.[Symbol.asyncDispose]();
      server = null;
    });
    // The server and the looks that hang take real time: on a machine that others keep busy, one more try, and the run says so.
    test.each(chosen)('$name: $title', { timeout: 180_000, retry: 1 }, makeSeeCure);
    test('each has a look-alike, which has another cause', () => {
      const causeOf = ({ cause, variant, on, target }: SystemExpectation) => [cause, variant, on ?? target];
      for (const fault of faults) {
        const twins = twinsOf(fault);
        expect(twins.length, fault.name).toBeGreaterThan(0);
        for (const twin of twins) {
          expect(twin.expect.detector, fault.name).toBe(fault.expect.detector);
          expect(causeOf(twin.expect), fault.name).not.toEqual(causeOf(fault.expect));
        }
      }
    });
  });
}
