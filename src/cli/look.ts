/** Looking once: polls every group of every source a few times, so that differences exist, without a store. */

import { pino } from 'pino';
import { createWatch, type Watch } from '../app.ts';
import { createBaselines } from '../baseline/baselines.ts';
import type { Config } from '../config/index.ts';
import type { Finding, Incident } from '../model/index.ts';
import { messageOf } from '../model/index.ts';
import { newId } from '../new-id.ts';
import type { Pipeline } from '../pipeline.ts';
import { createPipeline } from '../pipeline.ts';
import type { AnyDetector } from '../sdk/detector.ts';
import { openSqliteStore } from '../store/sqlite.ts';

export interface Look {
  readonly watch: Watch;
  readonly pipeline: Pipeline;
  /** What could not be polled, by `<source>/<group>`. */
  readonly failures: Readonly<Record<string, string>>;
  readonly findings: readonly Finding[];
  readonly incidents: readonly Incident[];
}

export interface LookOptions {
  readonly rounds: number;
  readonly pauseMs: number;
  /** Only sources of these targets; all when null. */
  readonly target: string | null;
}

const POLL_MS = 12_000;

/** Holds are left out: what is wrong now is told now. */
export async function look<T>(
  config: Config,
  all: readonly AnyDetector[],
  options: LookOptions,
  use: (look: Look) => Promise<T>,
): Promise<T> {
  const log = pino({ level: 'silent' });
  const watch = createWatch(config, all, log);
  const store = await openSqliteStore({ path: ':memory:', log, now: Date.now });
  const pipeline = createPipeline({
    installation: config.name,
    ...watch,
    values: (detector) => ({ ...watch.values(detector), holdSeconds: 0 }),
    baselines: createBaselines({ learningHorizonMs: 15 * 60_000 }),
    store,
    channels: [],
    render: { commands: config.commands, overrides: config.mitigations },
    contactOf: (target) => target.contact ?? config.contacts[`${target.kind}s`] ?? config.contacts.default ?? null,
    incidentUrl: () => null,
    newId: () => newId(Date.now()),
    now: Date.now,
    log,
  });
  const failures: Record<string, string> = {};
  const sources = watch.sources.filter((source) => {
    const wanted = options.target?.split('/')[0];
    return wanted === undefined || source.name === `postgres:${wanted}`;
  });
  try {
    for (let round = 0; round < options.rounds; round++) {
      if (round > 0) await new Promise((resolve) => setTimeout(resolve, options.pauseMs));
      await Promise.all(
        sources.map(async (source) => {
          for (const group of source.groups) {
            try {
              await pipeline.poll(source, group, AbortSignal.timeout(POLL_MS));
              delete failures[`${source.name}/${group}`];
            } catch (error) {
              failures[`${source.name}/${group}`] = messageOf(error);
            }
          }
        }),
      );
    }
    return await use({ watch, pipeline, failures, findings: pipeline.findings(), incidents: pipeline.incidents() });
  } finally {
    await Promise.all(watch.sources.map((source) => source.close()));
    await store.close();
  }
}
