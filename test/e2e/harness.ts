/**
 * The real pipeline on a real database, polled back to back: what the fault tests share. Time is the real one, since the
 * server's own ages are; holds are options that the tests shorten.
 */

import { pino } from 'pino';
import { createBaselines } from '../../src/baseline/baselines.ts';
import { configFromEnv, type DatabaseConfig } from '../../src/config/index.ts';
import type { Finding, Incident, Notification, Store } from '../../src/model/index.ts';
import { newId } from '../../src/new-id.ts';
import type { Pipeline } from '../../src/pipeline.ts';
import { createPipeline } from '../../src/pipeline.ts';
import type { AnyDetector } from '../../src/sdk/detector.ts';
import { openSqliteStore } from '../../src/store/sqlite.ts';
import { createWatch, loadAllDetectors, type Watch } from '../../src/watch.ts';

export interface Harness extends AsyncDisposable {
  readonly watch: Watch;
  readonly pipeline: Pipeline;
  readonly store: Store;
  readonly notifications: readonly Notification[];
  readonly detectors: readonly AnyDetector[];
  /** Polls every group of every source once. */
  poll(): Promise<void>;
  /** Polls back to back until it is so, for at most `deadlineMs`; answers whether it came to be. */
  pollUntil(done: () => boolean, deadlineMs: number): Promise<boolean>;
  firing(detector: string): Finding | undefined;
  incidents(): readonly Incident[];
}

export interface HarnessOptions {
  readonly url: string;
  readonly replicaUrl?: string;
  readonly options?: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly detectors?: readonly AnyDetector[];
  /** `databases.main-db.queries`, resolved: asked as often as they say, be it every second. */
  readonly queries?: DatabaseConfig['queries'];
}

/** Statements are judged by calls in an interval: back to back there would be none in it. */
const STATEMENTS_MS = 1000;

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
  const plain = configFromEnv(env);
  const databases = Object.fromEntries(
    Object.entries(plain.databases).map(([name, one]) => [name, { ...one, queries: options.queries ?? {} }]),
  );
  const config = { ...plain, databases, detectors: configured };
  const watch = createWatch(config, detectors, log);
  const store = await openSqliteStore({ path: ':memory:', log, now: Date.now });
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
    newId: () => newId(Date.now()),
    now: Date.now,
    stopping: new AbortController().signal,
    log,
    onCycle: (cycle) => notifications.push(...cycle.notified),
    onDetectorError: (detector, error) => {
      throw new Error(`detector ${detector} failed`, { cause: error });
    },
  });
  const groups = watch.sources.flatMap((source) => source.groups.map((group) => ({ source, group })));
  const polledAt = new Map<string, number>();
  const isDue = (group: string): boolean => {
    if (!/^(statements|catalog)/.test(group)) return true;
    if (performance.now() - (polledAt.get(group) ?? Number.NEGATIVE_INFINITY) < STATEMENTS_MS) return false;
    polledAt.set(group, performance.now());
    return true;
  };
  // As under the scheduler, a group that cannot be polled costs itself and nothing else.
  const poll = async (): Promise<void> => {
    const due = groups.filter(({ group }) => isDue(group));
    await Promise.allSettled(due.map(({ source, group }) => pipeline.poll(source, group, AbortSignal.timeout(20_000))));
  };
  return {
    watch,
    pipeline,
    store,
    notifications,
    detectors,
    poll,
    async pollUntil(done, deadlineMs) {
      const deadline = performance.now() + deadlineMs;
      while (!done() && performance.now() < deadline) await poll();
      return done();
    },
    firing: (detector) => pipeline.findings().find((one) => one.detector === detector && one.state === 'firing'),
    incidents: () => pipeline.incidents(),
    async [Symbol.asyncDispose]() {
      await watch.close();
      await store.close();
    },
  };
}
