/** The real pipeline on a real database with a moved clock: what the fault tests and the determinism test share. */

import { pino } from 'pino';
import { createWatch, loadAllDetectors, type Watch } from '../../src/app.ts';
import { createBaselines } from '../../src/baseline/baselines.ts';
import { configFromEnv } from '../../src/config/index.ts';
import type { Finding, Incident, Notification, Store } from '../../src/model/index.ts';
import { newId } from '../../src/new-id.ts';
import type { Pipeline } from '../../src/pipeline.ts';
import { createPipeline } from '../../src/pipeline.ts';
import type { AnyDetector } from '../../src/sdk/detector.ts';
import { openSqliteStore } from '../../src/store/sqlite.ts';

export interface Harness extends AsyncDisposable {
  readonly watch: Watch;
  readonly pipeline: Pipeline;
  readonly store: Store;
  readonly notifications: readonly Notification[];
  readonly detectors: readonly AnyDetector[];
  now(): number;
  /** Moves the clock by one period and polls every group of every source once. */
  poll(stepMs?: number): Promise<void>;
  /** Polls until it is so, at most `rounds` times; answers whether it came to be. */
  pollUntil(done: () => boolean, rounds: number, stepMs?: number): Promise<boolean>;
  firing(detector: string): Finding | undefined;
  incidents(): readonly Incident[];
}

export interface HarnessOptions {
  readonly url: string;
  readonly replicaUrl?: string;
  readonly options?: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly detectors?: readonly AnyDetector[];
}

const STEP_MS = 15_000;

export async function startHarness(options: HarnessOptions): Promise<Harness> {
  const log = pino({ level: process.env.HARNESS_LOG ?? 'silent' });
  const env = {
    DATABASE_URL: options.url,
    ...(options.replicaUrl === undefined ? {} : { REPLICA_URL: options.replicaUrl }),
  };
  const detectors = options.detectors ?? (await loadAllDetectors([]));
  const configured = Object.fromEntries(
    Object.entries(options.options ?? {}).map(([id, values]) => [id, { enabled: true, options: values }]),
  );
  const config = { ...configFromEnv(env), detectors: configured };
  const watch = createWatch(config, detectors, log);
  let now = Date.now();
  const store = await openSqliteStore({ path: ':memory:', log, now: () => now });
  const notifications: Notification[] = [];
  const pipeline = createPipeline({
    installation: 'test',
    ...watch,
    baselines: createBaselines({ learningHorizonMs: 15 * 60_000 }),
    store,
    channels: ['test'],
    render: { commands: 'runbook', overrides: {} },
    contactOf: () => '@dba',
    incidentUrl: () => null,
    newId: () => newId(now),
    now: () => now,
    log,
    onCycle: (cycle) => notifications.push(...cycle.notified),
    onDetectorError: (detector, error) => {
      throw new Error(`detector ${detector} failed`, { cause: error });
    },
  });
  const poll = async (stepMs = STEP_MS): Promise<void> => {
    now += stepMs;
    const groups = watch.sources.flatMap((source) => source.groups.map((group) => ({ source, group })));
    await Promise.all(groups.map(({ source, group }) => pipeline.poll(source, group, AbortSignal.timeout(20_000))));
  };
  return {
    watch,
    pipeline,
    store,
    notifications,
    detectors,
    now: () => now,
    poll,
    async pollUntil(done, rounds, stepMs = STEP_MS) {
      for (let round = 0; round < rounds && !done(); round++) await poll(stepMs);
      return done();
    },
    firing: (detector) => pipeline.findings().find((one) => one.detector === detector && one.state === 'firing'),
    incidents: () => pipeline.incidents(),
    async [Symbol.asyncDispose]() {
      await Promise.all(watch.sources.map((source) => source.close()));
      await store.close();
    },
  };
}
