/**
 * THE wiring file: builds sources, store, pipeline, schedule, outbox and server from a configuration, starts them, and
 * stops them by a release stack. Nothing else knows how the parts are joined.
 */

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Logger } from 'pino';
import { createBaselines } from './baseline/baselines.ts';
import type { Config } from './config/index.ts';
import { type CauseConfidence, createMetrics } from './expose/metrics.ts';
import { createServer, type ListenAddresses } from './expose/server.ts';
import { createHistoryReader } from './history.ts';
import type { Channel, Finding } from './model/index.ts';
import { messageOf, RunbookdError } from './model/index.ts';
import { newId } from './new-id.ts';
import { createOutbox } from './notify/outbox.ts';
import type { Pipeline } from './pipeline.ts';
import { createPipeline } from './pipeline.ts';
import { createReleaseStack } from './release.ts';
import type { Clock } from './schedule/clock.ts';
import { createScheduler } from './schedule/scheduler.ts';
import type { AnyDetector } from './sdk/detector.ts';
import { openSqliteStore } from './store/sqlite.ts';
import { contactOf } from './targets.ts';
import { VERSION } from './version.ts';
import { createWatch, SIGNALS } from './watch.ts';

const PRUNE_AFTER_MS = 90 * 86_400_000;
const SNAPSHOT_EVERY_MS = 60_000;
const OUTBOX_PERIOD_MS = 1000;
const LEARNING_HORIZON_MS = 15 * 60_000;
/** From so many series on, a snapshot is megabytes: it is then taken less often, since history can be read again. */
const MANY_SERIES = 1000;
const SERIES_PER_PART = 500;
const LARGE_SNAPSHOT_EVERY_MS = 10 * 60_000;

/** A poll and the walk after it must be over by then; every query inside has shorter deadlines of its own. */
const POLL_DEADLINE_MS = 25_000;
const READINGS_EVERY_MS = 5000;

export interface App {
  /** Opens the store, restores state, listens, starts polling. Releases everything when any of it fails. */
  start(): Promise<ListenAddresses>;
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

  async function start(): Promise<ListenAddresses> {
    const metrics = createMetrics({ version: VERSION });
    const store = await openSqliteStore({ path: config.store.sqlite, log, now: clock.now });
    stack.add('store', () => store.close());

    const watch = createWatch(config, all, log);
    stack.add('sources', () => watch.close());

    const baselines = createBaselines({ learningHorizonMs: LEARNING_HORIZON_MS, timeZone: config.timeZone });
    const savedBaselines = await store.readSnapshot('baselines');
    const isRestored = savedBaselines !== null && baselines.restore(savedBaselines.state).state === 'restored';
    const savedAt = isRestored ? savedBaselines.at : null;
    for (const source of watch.sources) {
      const saved = await store.readSnapshot(source.name);
      if (saved !== null) source.restore(saved.state);
    }

    const channels = await channelsOf(config, log);
    const outbox = createOutbox({
      store,
      channels,
      log,
      now: clock.now,
      onOutcome: (channel, outcome) => metrics.notification(channel, outcome),
    });
    stack.add('outbox', () => outbox.stop());

    let readingsAt = Number.NEGATIVE_INFINITY;
    const running = createPipeline({
      installation: config.name,
      ...watch,
      baselines,
      store,
      channels: channels.map((channel) => channel.name),
      render: { commands: config.commands, overrides: config.mitigations },
      contactOf: (target, detector) => contactOf(config, target, detector),
      incidentUrl: (incident) =>
        config.publicUrl === null ? null : `${config.publicUrl}/api/v1/incidents/${incident}`,
      newId: () => newId(clock.now()),
      now: clock.now,
      stopping: aborter.signal,
      log,
      onCycle: (cycle) => {
        if (cycle.notified.length > 0) pump();
        metrics.cycle(cycle.at);
        metrics.setFindings(running.findings());
        // Once in a while is enough for who scrapes.
        if (clock.monotonic() - readingsAt >= READINGS_EVERY_MS) {
          readingsAt = clock.monotonic();
          metrics.setReadings(baselines.latest(cycle.at));
        }
        metrics.setCauses(causesOf(running.findings()));
        metrics.blind(running.blindness().filter((one) => one.optional !== true));
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
      onError(job, error) {
        const code = error instanceof RunbookdError ? error.code : 'UNKNOWN';
        metrics.sourceError(job.split('/')[0] ?? job, code);
        if (code === 'STORE_WRITE') storeWorks = false;
      },
    });
    // A store that cannot be written loses nothing yet: polls repeat what was not committed. But it must be seen.
    let storeWorks = true;
    let snapshotAt = Number.NEGATIVE_INFINITY;
    const snapshot = async (whole: boolean): Promise<void> => {
      const every = baselines.stats().series > MANY_SERIES ? LARGE_SNAPSHOT_EVERY_MS : 0;
      if (whole || clock.monotonic() - snapshotAt >= every) {
        snapshotAt = clock.monotonic();
        const parts: Uint8Array[] = [];
        for (const part of baselines.snapshotParts(SERIES_PER_PART)) {
          parts.push(part);
          // Thousands of series at once would hold up what is due meanwhile.
          await nextTurn();
        }
        await store.snapshot('baselines', Buffer.concat(parts), clock.now());
      }
      for (const source of watch.sources) {
        const state = source.snapshot();
        if (state !== null) await store.snapshot(source.name, state, clock.now());
      }
    };
    // Runs last of all, when nothing polls any more.
    stack.add('state', () => snapshot(true));
    const history = createHistoryReader({
      ...clock,
      log,
      sources: watch.sources,
      savedAt,
      isKnown: (target) => SIGNALS.some(({ signal }) => baselines.expected(target, signal, {}, clock.now()).ready),
      read: (source, from, signal) => running.backfill(source, from, signal),
      stopping: aborter.signal,
    });
    // Judged without what is expected, first samples would be without a band for as long as they are kept.
    history.start((source) => {
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
    });
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
        await snapshot(false);
        history.retry();
        await store.prune(now - PRUNE_AFTER_MS);
        storeWorks = true;
      },
    });

    const server = createServer({
      config: { ...config.http, publicUrl: config.publicUrl },
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
      acceptChange: (change) => running.acceptChange(change),
      targets: watch.targets.filter((target) => target.kind !== 'source').map((target) => target.name),
      now: clock.now,
      metrics,
      detectors: watch.detectors,
      log,
      version: VERSION,
      health: {
        live: () => !scheduler.lateness().stalled,
        notReady: () => [
          ...(running.cycles() > 0 ? [] : ['no poll has gone through yet']),
          ...history.holding().map((name) => `reading the history of ${name}`),
          ...(storeWorks ? [] : ['the store cannot be written']),
        ],
      },
    });
    const addresses = await server.listen();
    stack.add('server', () => server.close());

    // What the last polls have to say still goes out, while there is time.
    stack.add('deliveries', async () => void (await outbox.pump(aborter.signal)));
    scheduler.start();
    stack.add('scheduler', () => scheduler.stop(graceMs));
    // What the last life could not deliver does not wait for its turn among the first polls.
    pump();
    return addresses;
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

function causesOf(findings: readonly Finding[]): readonly CauseConfidence[] {
  return findings.flatMap(({ target, detector, diagnosis }) =>
    (diagnosis?.causes ?? []).map(({ cause, confidence }) => ({ target, detector, cause, confidence })),
  );
}

async function channelsOf(config: Config, log: Logger): Promise<readonly Channel[]> {
  const { pagerduty } = config.notify;
  if (pagerduty === null) return [];
  // Only who pages loads the vendor's client.
  const { createPagerDutyChannel } = await import('./notify/channels/pagerduty.ts');
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
