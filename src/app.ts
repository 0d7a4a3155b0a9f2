/**
 * THE wiring file: builds sources, store, pipeline, schedule, outbox and server from a configuration, starts them, and
 * stops them by a release stack. Nothing else knows how the parts are joined.
 */

import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import { createBaselines } from './baseline/baselines.ts';
import type { Config } from './config/index.ts';
import { loadDetectors, mapSdk } from './detect/load.ts';
import type { Values } from './detect/options.ts';
import { optionValues } from './detect/options.ts';
import { createMetrics } from './expose/metrics.ts';
import { createServer } from './expose/server.ts';
import type { Channel, Source, Target } from './model/index.ts';
import { messageOf, RunbookdError } from './model/index.ts';
import { newId } from './new-id.ts';
import { createPagerDutyChannel } from './notify/channels/pagerduty.ts';
import { createOutbox } from './notify/outbox.ts';
import type { Pipeline } from './pipeline.ts';
import { createPipeline } from './pipeline.ts';
import { createReleaseStack } from './release.ts';
import type { Clock } from './schedule/clock.ts';
import { createScheduler } from './schedule/scheduler.ts';
import type { AnyDetector } from './sdk/detector.ts';
import { createPostgresSource, POSTGRES_SIGNALS } from './sources/postgres/source.ts';
import { openSqliteStore } from './store/sqlite.ts';
import { targetsOf } from './targets.ts';
import { VERSION } from './version.ts';

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
const PRUNE_AFTER_MS = 90 * 86_400_000;
const SNAPSHOT_EVERY_MS = 60_000;
const OUTBOX_PERIOD_MS = 1000;
const LEARNING_HORIZON_MS = 15 * 60_000;

/** A poll of one group must be over by then; every query inside has shorter deadlines of its own. */
const POLL_DEADLINE_MS = 12_000;

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

export interface App {
  /** Opens the store, restores state, listens, starts polling. Releases everything when any of it fails. */
  start(): Promise<{ readonly addresses: readonly string[] }>;
  /** Lets polls and deliveries in flight finish, at most `graceMs`. */
  stop(graceMs: number): Promise<void>;
  readonly pipeline: () => Pipeline;
}

export interface AppOptions {
  readonly config: Config;
  readonly detectors: readonly AnyDetector[];
  readonly clock: Clock;
  readonly log: Logger;
}

export function createApp({ config, detectors: all, clock, log }: AppOptions): App {
  const stack = createReleaseStack();
  const aborter = new AbortController();
  let pipeline: Pipeline | null = null;
  let graceMs = 0;

  async function start(): Promise<{ readonly addresses: readonly string[] }> {
    const metrics = createMetrics({ version: VERSION });
    const store = await openSqliteStore({ path: config.store.sqlite, log, now: clock.now });
    stack.add('store', () => store.close());

    const watch = createWatch(config, all, log);
    for (const source of watch.sources) stack.add(source.name, () => source.close());

    const baselines = createBaselines({ learningHorizonMs: LEARNING_HORIZON_MS });
    const savedBaselines = await store.readSnapshot('baselines');
    if (savedBaselines !== null) baselines.restore(savedBaselines.state);
    for (const source of watch.sources) {
      const saved = await store.readSnapshot(source.name);
      if (saved !== null) source.restore(saved.state);
    }

    const channels = channelsOf(config, log);
    const outbox = createOutbox({
      store,
      channels,
      log,
      now: clock.now,
      onOutcome: (channel, outcome) => metrics.notification(channel, outcome),
    });
    stack.add('outbox', () => outbox.stop());

    const running = createPipeline({
      installation: config.name,
      ...watch,
      baselines,
      store,
      channels: channels.map((channel) => channel.name),
      render: { commands: config.commands, overrides: config.mitigations },
      contactOf: (target, detector) =>
        target.contact ??
        config.contacts[target.name] ??
        config.contacts[detector] ??
        config.contacts[`${target.kind}s`] ??
        config.contacts.default ??
        null,
      incidentUrl: (incident) =>
        config.publicUrl === null ? null : `${config.publicUrl}/api/v1/incidents/${incident}`,
      newId: () => newId(clock.now()),
      now: clock.now,
      log,
      onCycle: (cycle) => {
        if (cycle.notified.length > 0) pump();
        metrics.cycle(cycle.at);
        metrics.setFindings(running.findings());
        metrics.setReadings(baselines.allReadings(cycle.at));
        metrics.blind(running.blindness().map(({ target, check }) => ({ target, source: check })));
        metrics.seriesDropped(baselines.stats().dropped);
      },
      onDetectorError: (detector) => metrics.sourceError(`detector:${detector}`, 'DETECTOR_FAILED'),
    });
    pipeline = running;
    await running.load();

    function pump(): void {
      outbox.pump(aborter.signal).catch((error: unknown) => log.error({ error: messageOf(error) }, 'outbox failed'));
    }

    const scheduler = createScheduler({
      ...clock,
      log,
      onMissed: (_job, reason) => metrics.missed(reason),
      onError: (job, error) =>
        metrics.sourceError(job.split('/')[0] ?? job, error instanceof RunbookdError ? error.code : 'UNKNOWN'),
    });
    const snapshot = async (): Promise<void> => {
      await store.snapshot('baselines', baselines.snapshot(), clock.now());
      for (const source of watch.sources) {
        const state = source.snapshot();
        if (state !== null) await store.snapshot(source.name, state, clock.now());
      }
    };
    // Runs last of all, when nothing polls any more.
    stack.add('state', snapshot);
    for (const source of watch.sources) {
      for (const group of source.groups) {
        scheduler.add({
          id: `${source.name}/${group}`,
          periodMs: watch.periodMs(group),
          deadlineMs: POLL_DEADLINE_MS,
          async run(_now, signal) {
            const started = clock.monotonic();
            await running.poll(source, group, signal);
            metrics.pollDuration(source.name, (clock.monotonic() - started) / 1000);
          },
        });
      }
    }
    scheduler.add({
      id: 'outbox',
      periodMs: OUTBOX_PERIOD_MS,
      deadlineMs: 60_000,
      async run(_now, signal) {
        await outbox.pump(AbortSignal.any([signal, aborter.signal]));
        metrics.outboxPending((await store.outboxCounts()).pending);
      },
    });
    scheduler.add({
      id: 'housekeeping',
      periodMs: SNAPSHOT_EVERY_MS,
      deadlineMs: 30_000,
      async run(now) {
        await snapshot();
        await store.prune(now - PRUNE_AFTER_MS);
      },
    });

    const server = createServer({
      config: config.http,
      view: {
        incidents: (query) => store.incidents(query),
        incident: (id) => store.incident(id),
        findings: async (query) => {
          const pending = running.findings().filter((one) => one.state === 'pending');
          if (query.state === 'pending') return pending.slice(0, query.limit);
          const saved = await store.findings(query);
          return query.state === undefined ? [...pending, ...saved].slice(0, query.limit) : saved;
        },
        series: () => baselines.allReadings(clock.now()),
      },
      metrics,
      detectors: watch.detectors,
      log,
      version: VERSION,
      health: {
        live: () => !scheduler.lateness().stalled,
        ready: () => (running.cycles() > 0 ? [] : ['no poll has gone through yet']),
      },
    });
    const addresses = await server.listen();
    stack.add('server', () => server.close());

    scheduler.start();
    stack.add('scheduler', () => scheduler.stop(graceMs));
    return { addresses };
  }

  return {
    async start() {
      try {
        return await start();
      } catch (error) {
        await stack.release().catch((released: unknown) => log.error({ error: messageOf(released) }, 'release failed'));
        throw error;
      }
    },
    async stop(grace) {
      graceMs = grace;
      const timer = setTimeout(() => aborter.abort(), grace);
      try {
        await stack.release();
      } finally {
        clearTimeout(timer);
        aborter.abort();
      }
    },
    pipeline() {
      if (pipeline === null) throw new RunbookdError('ABORTED', ['the pipeline']);
      return pipeline;
    },
  };
}

function channelsOf(config: Config, log: Logger): readonly Channel[] {
  const { pagerduty } = config.notify;
  if (pagerduty === null) return [];
  return [
    createPagerDutyChannel({
      routingKey: () => pagerduty.routingKey.read(),
      server: pagerduty.server,
      ...(pagerduty.caFile === null ? {} : { caFile: pagerduty.caFile }),
      client: { name: `runbookd ${config.name}`, ...(config.publicUrl === null ? {} : { url: config.publicUrl }) },
      log,
    }),
  ];
}
