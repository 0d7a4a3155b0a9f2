/**
 * The real pipeline and the unmodified SDK against the world's AWS, on a clock that is moved: what hours take in life
 * takes seconds here. Only what waits on the network waits really.
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { stringify } from 'yaml';
import { createBaselines } from '../../src/baseline/baselines.ts';
import { loadConfig } from '../../src/config/index.ts';
import type { Finding, Incident, Notification } from '../../src/model/index.ts';
import { newId } from '../../src/new-id.ts';
import { createPipeline, type Pipeline } from '../../src/pipeline.ts';
import type { AnyDetector } from '../../src/sdk/detector.ts';
import { RATES } from '../../src/sources/aws/gate.ts';
import { openSqliteStore } from '../../src/store/sqlite.ts';
import { createWatch, loadAllDetectors, type Watch } from '../../src/watch.ts';

export interface MovedClock {
  now(): number;
  advance(ms: number): void;
}

export function movedClock(start: number): MovedClock {
  let at = start;
  return {
    now: () => at,
    advance(ms) {
      at += ms;
    },
  };
}

/** The system's clock, for what cannot be moved. */
export const realClock: MovedClock = { now: Date.now, advance: () => undefined };

export interface ServiceHarness extends AsyncDisposable {
  readonly watch: Watch;
  readonly pipeline: Pipeline;
  readonly notifications: readonly Notification[];
  /** Errors of polls and detectors, by what failed; newest last. */
  readonly errors: readonly string[];
  /** Learns what the backend holds. */
  backfill(days: number): Promise<number>;
  /** One minute: every group that is due at each step is polled, then the clock goes on. */
  minutes(count: number, until?: () => boolean): Promise<boolean>;
  /** In real time, each group as often as it is due. */
  seconds(count: number, until?: () => boolean): Promise<boolean>;
  firing(detector: string, target?: string): Finding | undefined;
  incidents(): readonly Incident[];
  /** What was learned so far, for another harness on the same history. */
  learned(): Learned;
}

/** Baselines, and what each source knows of before. */
export interface Learned {
  readonly baselines: Uint8Array;
  readonly sources: ReadonlyMap<string, Uint8Array>;
}

export interface ServiceHarnessOptions {
  readonly clock: MovedClock;
  /** The configuration as YAML would hold it. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly detectors?: readonly AnyDetector[];
  /** How far the clock goes between polls; default 30 s. */
  readonly stepMs?: number;
  readonly learned?: Learned;
}

/** The world takes any key; these are no secrets. */
const CREDENTIALS = { AWS_ACCESS_KEY_ID: 'AKIAWORLDWORLDWORLD0', AWS_SECRET_ACCESS_KEY: 'world' };

/** A clock that is moved is quicker than the rates that are made for a real one: the gate would wait for real seconds. */
function openGates(): void {
  for (const name of Object.keys(RATES) as (keyof typeof RATES)[]) {
    Object.assign(RATES, { [name]: { perSecond: 10_000, burst: 10_000 } });
  }
}

export async function startServiceHarness(options: ServiceHarnessOptions): Promise<ServiceHarness> {
  const { clock, stepMs = 30_000 } = options;
  const log = pino({ level: process.env.HARNESS_LOG ?? 'silent' });
  Object.assign(process.env, CREDENTIALS);
  openGates();
  const directory = mkdtempSync(join(tmpdir(), 'runbookd-services-'));
  const path = join(directory, 'runbookd.yaml');
  writeFileSync(path, stringify(options.config));
  const detectors = options.detectors ?? (await loadAllDetectors([]));
  const config = loadConfig({ path, env: { ...process.env, ...options.env }, detectors });
  const watch = createWatch(config, detectors, log);
  const store = await openSqliteStore({ path: ':memory:', log, now: clock.now });
  const baselines = createBaselines({ learningHorizonMs: 15 * 60_000, timeZone: config.timeZone });
  if (options.learned !== undefined) {
    baselines.restore(options.learned.baselines);
    for (const source of watch.sources) {
      const saved = options.learned.sources.get(source.name);
      if (saved !== undefined) source.restore(saved);
    }
  }
  const notifications: Notification[] = [];
  const errors: string[] = [];
  const pipeline = createPipeline({
    installation: config.name,
    ...watch,
    baselines,
    store,
    channels: ['test'],
    render: { commands: config.commands, overrides: config.mitigations },
    contactOf: () => '@oncall',
    incidentUrl: () => null,
    newId: () => newId(clock.now()),
    now: clock.now,
    stopping: new AbortController().signal,
    log,
    onCycle: (cycle) => notifications.push(...cycle.notified),
    onDetectorError: (detector, error) => {
      throw new Error(`detector ${detector} failed`, { cause: error });
    },
  });
  const groups = watch.sources.flatMap((source) => source.groups.map((group) => ({ source, group })));
  const polledAt = new Map<string, number>();
  const pollDue = async (): Promise<void> => {
    const due = groups.filter(({ source, group }) => {
      const key = `${source.name}/${group}`;
      // A clock that is set back delays no poll: in life they are paced by one that never goes back.
      const ageMs = Math.abs(clock.now() - (polledAt.get(key) ?? Number.NEGATIVE_INFINITY));
      if (ageMs < watch.periodMs(group)) return false;
      polledAt.set(key, clock.now());
      return true;
    });
    const results = await Promise.allSettled(
      due.map(({ source, group }) => pipeline.poll(source, group, AbortSignal.timeout(20_000))),
    );
    results.forEach((result, index) => {
      if (result.status === 'rejected') errors.push(`${due[index]!.source.name}: ${String(result.reason)}`);
    });
  };
  return {
    watch,
    pipeline,
    notifications,
    errors,
    async backfill(days) {
      let samples = 0;
      for (const source of watch.sources) {
        if (source.history === undefined) continue;
        samples += await pipeline.backfill(source, clock.now() - days * 86_400_000, AbortSignal.timeout(120_000));
      }
      return samples;
    },
    async minutes(count, until = () => false) {
      const end = clock.now() + count * 60_000;
      while (clock.now() < end) {
        await pollDue();
        if (until()) return true;
        clock.advance(stepMs);
      }
      return until();
    },
    async seconds(count, until = () => false) {
      const end = performance.now() + count * 1000;
      while (performance.now() < end) {
        await pollDue();
        if (until()) return true;
        await sleep(50);
      }
      return until();
    },
    firing: (detector, target) =>
      pipeline
        .findings()
        .find(
          (one) =>
            one.detector === detector && one.state === 'firing' && (target === undefined || one.target === target),
        ),
    incidents: () => pipeline.incidents(),
    learned: () => ({
      baselines: baselines.snapshot(),
      sources: new Map(
        watch.sources.flatMap((one) => {
          const saved = one.snapshot();
          return saved === null ? [] : [[one.name, saved] as const];
        }),
      ),
    }),
    async [Symbol.asyncDispose]() {
      await watch.close();
      await store.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
