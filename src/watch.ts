/** What is watched: sources, targets and detectors made from a configuration. Part of the wiring; nothing runs yet. */

import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import type { Config } from './config/index.ts';
import { loadDetectors, mapSdk } from './detect/load.ts';
import type { Values } from './detect/options.ts';
import { optionValues } from './detect/options.ts';
import type { Source, Target } from './model/index.ts';
import type { AnyDetector } from './sdk/detector.ts';
import { createPostgresSource, POSTGRES_SIGNALS } from './sources/postgres/source.ts';
import { targetsOf } from './targets.ts';

export const OUR_DETECTORS = fileURLToPath(new URL('../detectors', import.meta.url));

/** Loads our detectors and those of the configured directories. */
export async function loadAllDetectors(directories: readonly string[]): Promise<readonly AnyDetector[]> {
  const url = (path: string): string => new URL(path, import.meta.url).href;
  const hooks = mapSdk({ sdk: url('./sdk/index.ts'), testing: url('./testing/index.ts') });
  try {
    return await loadDetectors([OUR_DETECTORS, ...directories]);
  } finally {
    hooks.deregister();
  }
}

/** Poll groups of the Postgres source whose pace no detector sets. */
const SETTINGS_PERIOD_MS = 60_000;
export interface Watch {
  readonly targets: readonly Target[];
  readonly sources: readonly Source[];
  readonly detectors: readonly AnyDetector[];
  readonly values: (detector: string) => Values;
  readonly periodMs: (group: string) => number;
}

/** What is watched and how, without anything running yet. The caller closes the sources. */
export function createWatch(config: Config, all: readonly AnyDetector[], log: Logger): Watch {
  const detectors = all.filter((detector) => config.detectors[detector.id]?.enabled !== false);
  const values = new Map(detectors.map((one) => [one.id, optionValues(one, config.detectors[one.id]?.options)]));
  const valuesOf = (detector: string): Values => values.get(detector) ?? {};
  const periodMs = (group: string): number => {
    const base = group.split(':')[0] ?? group;
    const signals = new Set(POSTGRES_SIGNALS.filter((info) => info.group === base).map((info) => info.signal));
    const wanted = detectors.filter((one) => Object.values(one.signals).some((spec) => signals.has(spec.signal)));
    const periods = wanted.map((one) => Number(valuesOf(one.id).pollSeconds) * 1000);
    return periods.length === 0 ? SETTINGS_PERIOD_MS : Math.min(...periods);
  };
  const targets = targetsOf(config);
  const sources = Object.entries(config.databases).map(([target, database]) =>
    createPostgresSource({
      target,
      url: database.url.read(),
      replicas: Object.fromEntries(
        Object.entries(database.replicas).map(([name, one]) => [name, { url: one.url.read() }]),
      ),
      periodsMs: {
        activity: periodMs('activity'),
        replication: periodMs('replication'),
        statements: periodMs('statements'),
        catalog: periodMs('catalog'),
      },
      log,
    }),
  );
  return { targets, sources, detectors, values: valuesOf, periodMs };
}
