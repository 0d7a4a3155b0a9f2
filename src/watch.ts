/** What is watched: sources, targets and detectors made from a configuration. Part of the wiring; nothing runs yet. */

import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import type { Config, KnownSignals } from './config/index.ts';
import { loadDetectors, mapSdk } from './detect/load.ts';
import type { Values } from './detect/options.ts';
import { optionValues } from './detect/options.ts';
import type { SignalInfo, Source, Target, Unit } from './model/index.ts';
import type { AnyDetector } from './sdk/detector.ts';
import { databaseQueries } from './sources/aws/cloudwatch/presets.ts';
import { failureOf } from './sources/aws/failure.ts';
import { AWS_SIGNALS } from './sources/aws/signals.ts';
import { HAND_SIGNALS } from './sources/hand-signals.ts';
import { HEALTH_SIGNALS } from './sources/http/health.ts';
import { STATUS_SIGNALS } from './sources/http/status-page.ts';
import { queriesPeriodMs } from './sources/postgres/queries/signal-query.ts';
import { createPostgresSource, POSTGRES_SIGNALS } from './sources/postgres/source.ts';
import { REDIS_SIGNALS } from './sources/redis/signals.ts';
import { SEARCH_SIGNALS, SEARCH_SIGNALS_BY_HAND } from './sources/search/signals.ts';
import { targetsOf } from './targets.ts';
import { type AwsWatch, createAwsWatch, createHttpSources } from './watch-aws.ts';
import {
  boundSignals,
  createSystemSources,
  keyOf,
  signalQueries,
  type WatchOptions,
  withoutBound,
} from './watch-systems.ts';

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

/** Every signal that a source of ours gives, and those that are known and bound by hand. */
export const SIGNALS: readonly SignalInfo[] = [
  ...POSTGRES_SIGNALS,
  ...AWS_SIGNALS,
  ...HEALTH_SIGNALS,
  ...STATUS_SIGNALS,
  ...SEARCH_SIGNALS,
  ...REDIS_SIGNALS,
  ...SEARCH_SIGNALS_BY_HAND,
  {
    signal: 'failed_polls',
    unit: 'count',
    group: 'polls',
    description: 'polls of a source in a row that read nothing',
  },
  ...HAND_SIGNALS.map((info): SignalInfo => ({ ...info, byHand: true })),
];

const UNITS: ReadonlyMap<string, Unit> = new Map(SIGNALS.map(({ signal, unit }) => [signal, unit]));
const unitOf = (signal: string): Unit | undefined => UNITS.get(signal);

/** What signals of a configuration are checked against. */
export const KNOWN_SIGNALS: KnownSignals = {
  all: SIGNALS,
  ofDatabases: [...POSTGRES_SIGNALS, ...databaseQueries({ rds: '' })].map(({ signal }) => signal),
};

/** A source as something watched: whether it can be read at all. */
const targetOfSource = ({ name }: Source): Target => ({ name, kind: 'source', dependsOn: [], slots: {} });

/** Poll groups whose pace no detector sets. */
const UNASKED_PERIOD_MS = 60_000;

export interface Watch {
  readonly targets: readonly Target[];
  readonly sources: readonly Source[];
  /** For what CloudWatch costs. */
  readonly cloudwatch: AwsWatch['cloudwatch'];
  /** What a poll group gives by itself or by what is bound to it. */
  readonly signalsOf: (group: string) => ReadonlySet<string>;
  readonly signalsByHand: ReadonlySet<string>;
  readonly failureOf: typeof failureOf;
  readonly detectors: readonly AnyDetector[];
  readonly values: (detector: string) => Values;
  /** How often a poll group is read: as often as the most eager detector of its signals asks. */
  readonly periodMs: (group: string) => number;
  close(): Promise<void>;
}

/** What is watched and how, without anything running yet. The caller closes it. */
export function createWatch(config: Config, all: readonly AnyDetector[], log: Logger): Watch {
  const detectors = all.filter((detector) => config.detectors[detector.id]?.enabled !== false);
  const values = new Map(detectors.map((one) => [one.id, optionValues(one, config.detectors[one.id]?.options)]));
  const valuesOf = (detector: string): Values => values.get(detector) ?? {};
  const bound = boundSignals(config);
  const signalsOf = (group: string): ReadonlySet<string> => {
    const own = SIGNALS.filter((info) => info.group === group && info.byHand !== true);
    const byHand = bound.filter(({ binding }) => group in binding);
    return new Set([...own, ...byHand].map(({ signal }) => signal));
  };
  const periodMs = (group: string): number => {
    const base = group.split(':')[0] ?? group;
    if (base === 'queries') return queriesPeriodMs(Object.values(config.databases).flatMap(signalQueries));
    const own = base === 'prometheus' ? (config.prometheus?.periodSeconds ?? null) : null;
    if (own !== null) return own * 1000;
    const signals = signalsOf(base);
    const wanted = detectors.filter((one) => Object.values(one.signals).some((spec) => signals.has(spec.signal)));
    const periods = wanted.map((one) => Number(valuesOf(one.id).pollSeconds) * 1000);
    return periods.length === 0 ? UNASKED_PERIOD_MS : Math.min(...periods);
  };
  const options: WatchOptions = { bound, periodMs, unitOf, log };
  const postgres = Object.entries(config.databases).map(([target, database]) =>
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
      queries: signalQueries(database),
      log,
    }),
  );
  const aws = createAwsWatch(config, options);
  const others = [
    ...postgres,
    ...aws.sources,
    ...createHttpSources(config, options),
    ...createSystemSources(config, options),
  ];
  const replaced = new Set(bound.map(({ target, signal }) => keyOf(target, signal)));
  // CloudWatch and Prometheus are where bound signals come from; of the others' own, those are left out.
  const isReplacedIn = ({ groups }: Source): boolean =>
    !groups.some((group) => /^(cloudwatch|prometheus)/.test(group)) &&
    groups.some((group) => bound.some(({ signal }) => signalsOf(group.split(':')[0] ?? group).has(signal)));
  const sources = others.map((source) => (isReplacedIn(source) ? withoutBound(source, replaced) : source));
  return {
    // A Postgres that cannot be read is a finding of the database itself.
    targets: [...targetsOf(config), ...sources.filter((one) => !one.name.startsWith('postgres:')).map(targetOfSource)],
    failureOf,
    sources,
    cloudwatch: aws.cloudwatch,
    signalsOf,
    signalsByHand: new Set(SIGNALS.filter((info) => info.byHand === true).map((info) => info.signal)),
    detectors,
    values: valuesOf,
    periodMs,
    async close() {
      await Promise.allSettled(sources.map((source) => source.close()));
      for (const client of aws.clients) client.close();
    },
  };
}
