/** A fleet that is watched while AWS cannot be read, or not as it should: what is common to each such trouble. */

import type { Finding, Series } from '../../src/model/index.ts';
import type { AnyDetector } from '../../src/sdk/detector.ts';
import { loadAllDetectors } from '../../src/watch.ts';
import { type CloudWorld, cloudConfig, startCloud, type WatchedService } from '../world/cloud.ts';
import { paced } from '../world/faults/services/fault.ts';
import { serviceFaults } from '../world/faults/services/index.ts';
import {
  type Learned,
  type MovedClock,
  movedClock,
  type ServiceHarness,
  startServiceHarness,
} from './service-harness.ts';

/** A Friday morning in California. */
export const START = Date.UTC(2026, 10, 20, 18, 0, 0);
export const DAY = 86_400_000;
const STARTED_AT = START - 16 * DAY;
const HISTORY_DAYS = 2;
export const CALM_MINUTES = 2;
export const HEALTHY_MINUTES = 12;
export const BOTH = ['api', 'search'] as const;

export const servicesOf = ({ target }: BlindFault): readonly WatchedService[] => BOTH.filter((name) => name === target);

type Sections = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** What happens to the fleet while AWS is in trouble, and the page that must come of it all the same. */
export interface BlindFault {
  readonly detector: string;
  readonly target: string;
  /** What was there before the daemon started to watch. */
  readonly prepare?: (world: CloudWorld) => void;
  readonly inject: (world: CloudWorld) => unknown;
}

const ofFleet = (name: string): BlindFault => {
  const { expect: expected, inject } = serviceFaults[name]!;
  return { detector: expected.detector, target: expected.target, inject };
};

const faults = {
  errors: ofFleet('errors-deployment'),
  latency: ofFleet('latency-deployment'),
  room: ofFleet('unavailable-no-cpu'),
  cpu: {
    detector: 'high-cpu-memory',
    target: 'api',
    inject: (world) => world.fleet.affect({ service: 'api', effects: { cpu: { add: 0.5 } } }),
  },
  crash: ofFleet('unavailable-exit'),
  /** Seen without AWS. */
  health: {
    detector: 'health-check-failing',
    target: 'api',
    inject: (world) => world.health.api.set({ live: false, failing: [] }),
  },
  queue: {
    detector: 'message-delivery-delays',
    target: 'messages',
    inject: (world) => world.fleet.affect({ queue: 'rastup-messages', effects: { capacityFactor: 0.2 } }),
  },
  /** A deployment was taken back, and ECS does not say so in its events. */
  rollback: {
    detector: 'high-error-rate',
    target: 'search',
    prepare: (world) => {
      world.aws.trouble.mute(/rolling back to deployment/);
      world.fleet.deploy('search', {
        ...paced(world),
        ...{
          at: START - 40 * 60_000,
          version: 512,
          outcome: 'fails-rollback',
          tasksFail: 'exit',
          failAfterSeconds: 15,
        },
      });
    },
    inject: (world) => world.fleet.affect({ service: 'search', effects: { errors: { share: 0.08 } } }),
  },
} satisfies Readonly<Record<string, BlindFault>>;

export type FaultName = keyof typeof faults;

export const FAULTS: Readonly<Record<FaultName, BlindFault>> = faults;

export interface Setup {
  readonly fault: FaultName;
  /** Default: the one that the fault is about. */
  readonly services?: readonly WatchedService[];
  /** As the daemon is configured, from how it should be. */
  readonly config?: (right: Sections) => Sections;
  readonly containerInsights?: 'disabled';
  /** There from before the first start: nothing of AWS is known from before. */
  readonly fromTheStart?: true;
  /** How far the daemon's clock is ahead of the fleet's. */
  readonly skewMs?: number;
}

interface Recorded {
  /** By time, as it was last read. */
  readonly values: Map<number, number>;
  /** Times of which a zero was ever given. */
  readonly zeros: Set<number>;
}

export type Samples = ReadonlyMap<string, Recorded>;

export interface Watching extends AsyncDisposable {
  readonly world: CloudWorld;
  readonly harness: ServiceHarness;
  /** Every sample that AWS' sources gave, by target, signal and labels. */
  readonly samples: Samples;
  /** From now on. */
  setSkew(ms: number): void;
  /** What cannot be seen, a line each. */
  gaps(): readonly string[];
  /** What was found, for whoever reads a failure. */
  story(): string;
}

/** The services that the faults are about, their database on RDS, a queue with its consumer. */
function rightConfig(world: CloudWorld, services: readonly WatchedService[]): Sections {
  const config = cloudConfig(world, { services, aws: { taskDefinitions: true } }) as Sections;
  const withDatabase = Object.entries(config['services'] ?? {}).map(([name, one]) => {
    const section = one as { readonly dependsOn: readonly string[] };
    return [name, { ...section, dependsOn: [...section.dependsOn, 'main-db'] }];
  });
  return {
    ...config,
    services: Object.fromEntries(withDatabase),
    databases: { 'main-db': { url: 'env:BLIND_DATABASE_URL', rds: 'rastup-prod' } },
    queues: {
      messages: {
        sqs: 'rastup-messages',
        deadLetter: 'rastup-messages-dlq',
        consumer: { lambda: 'rastup-message-processor' },
      },
    },
  };
}

/** Nobody is there: what Postgres itself says is not what this is about, and its source is not asked. */
const env = { BLIND_DATABASE_URL: 'postgres://monitor_ro@127.0.0.1:1/rastup' };

const worldAt = (clock: MovedClock, { containerInsights }: Partial<Setup> = {}): Promise<CloudWorld> =>
  startCloud({
    now: clock.now,
    startedAt: STARTED_AT,
    ...(containerInsights === undefined ? {} : { cluster: { containerInsights } }),
  });

let learned: Promise<Learned> | null = null;
let detectors: Promise<readonly AnyDetector[]> | null = null;

function loadedOnce(): Promise<readonly AnyDetector[]> {
  detectors ??= loadAllDetectors([]);
  return detectors;
}

/** Once: every trouble begins with what was learned before it. */
function learnedOnce(): Promise<Learned> {
  learned ??= (async () => {
    const clock = movedClock(START);
    await using world = await worldAt(clock);
    await using harness = await startServiceHarness({ clock, config: rightConfig(world, BOTH), env });
    await harness.backfill(HISTORY_DAYS);
    return harness.learned();
  })();
  return learned;
}

export async function startWatching(setup: Setup): Promise<Watching> {
  const known = await learnedOnce();
  const fault = FAULTS[setup.fault];
  const clock = movedClock(START);
  await using starting = new AsyncDisposableStack();
  const world = starting.use(await worldAt(clock, setup));
  fault.prepare?.(world);
  const { config = (right) => right } = setup;
  let { skewMs = 0 } = setup;
  const isFresh = setup.fromTheStart === true || fault.prepare !== undefined;
  const harness = starting.use(
    await startServiceHarness({
      detectors: await loadedOnce(),
      clock: { now: () => clock.now() + skewMs, advance: clock.advance },
      config: config(rightConfig(world, setup.services ?? servicesOf(fault))),
      env,
      learned: isFresh ? { ...known, sources: new Map() } : known,
      stepMs: 60_000,
    }),
  );
  const samples = new Map<string, Recorded>();
  for (const source of harness.watch.sources) {
    const { poll } = source;
    const recording: typeof poll = async (group, now, signal) => {
      const result = await poll(group, now, signal);
      for (const series of result.series) note(samples, series);
      return result;
    };
    const notConfigured: typeof source.answer = async ({ kind }) => ({
      ...{ state: 'unknown', kind, because: 'not_configured', detail: 'not configured' },
    });
    const nothing: typeof poll = async () => ({ series: [], changes: [], blind: [] });
    if (/^(cloudwatch|ecs)/.test(source.name)) Object.assign(source, { poll: recording });
    if (source.name.startsWith('postgres:')) Object.assign(source, { poll: nothing, answer: notConfigured });
  }
  const stack = starting.move();
  return {
    world,
    harness,
    samples,
    gaps: () =>
      harness.pipeline
        .blindness()
        .map(
          ({ target, check, detail, grant }) => `${target}: ${check}: ${detail}${grant === null ? '' : `; ${grant}`}`,
        ),
    setSkew: (ms) => {
      skewMs = ms;
    },
    story: () => harness.pipeline.findings().map(storyOf).join('\n'),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function note(samples: Map<string, Recorded>, { target, signal, labels, times, values }: Series): void {
  const key = `${target} ${signal} ${JSON.stringify(Object.entries(labels).sort())}`;
  const one = samples.get(key) ?? { values: new Map<number, number>(), zeros: new Set<number>() };
  samples.set(key, one);
  times.forEach((at, i) => {
    one.values.set(at, values[i]!);
    if (values[i] === 0) one.zeros.add(at);
  });
}

function storyOf({ detector, target, subject, state, symptom, diagnosis }: Finding): string {
  const causes = (diagnosis?.causes ?? []).slice(0, 3).map((one) => `${one.cause}/${one.variant} ${one.confidence}`);
  const gaps = (diagnosis?.gaps ?? []).map((gap) => `  not seen: ${gap.what}: ${gap.detail}; ${gap.grant}`);
  return [`${detector} ${target} '${subject}' ${state}: ${symptom.headline} [${causes.join(', ')}]`, ...gaps].join(
    '\n',
  );
}
