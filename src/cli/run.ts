/** `runbookd run`: the daemon, until a signal stops it. */

import { flushCompileCache } from 'node:module';
import { pino } from 'pino';
import { createApp } from '../app.ts';
import { systemClock } from '../schedule/clock.ts';
import type { Io, Output } from './output.ts';
import { EXIT } from './output.ts';
import { prepareConfig } from './prepare.ts';

/**
 * Polls and deliveries in flight get this long to finish: more than the deadline of a poll, and with what closing takes
 * below the 20 s that `runbookd run` promises (Kubernetes kills after 30 s).
 */
const GRACE_MS = 14_000;
/** What has not let go by then, once all is released, does not keep the process alive. */
const LINGER_MS = 1000;

export async function run(options: { readonly config?: string }, io: Io, output: Output): Promise<number> {
  const { config, detectors } = await prepareConfig(options, io);
  const log = pino(
    { level: config.log.level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ dest: 1, sync: true }),
  );
  const app = createApp({ config, detectors, clock: systemClock(), log });
  const { promise: stopped, resolve: stop } = Promise.withResolvers<string>();
  const onSignal = (signal: string): void => {
    // A second signal means: now.
    if (stopping) process.exit(EXIT.internal);
    stopping = true;
    stop(signal);
  };
  let stopping = false;
  const signals = ['SIGTERM', 'SIGINT'] as const;
  for (const signal of signals) process.on(signal, onSignal);
  const die = (error: unknown): void => {
    log.fatal({ err: error }, 'internal error');
    process.exit(EXIT.internal);
  };
  process.on('uncaughtException', die);
  process.on('unhandledRejection', die);
  try {
    const { http, metrics } = await app.start();
    log.info(
      { name: config.name, databases: Object.keys(config.databases), detectors: detectors.length, http, metrics },
      'started',
    );
    if (config.notify.pagerduty === null) {
      output.error('runbookd: no notify.pagerduty is configured: findings are logged and served, nobody is paged');
    }
    // Node writes it at exit only, and a daemon may be killed.
    flushCompileCache();
    log.info({ signal: await stopped }, 'stopping');
    await app.stop(GRACE_MS);
    log.info({}, 'stopped');
    setTimeout(() => process.exit(EXIT.ok), LINGER_MS).unref();
    return EXIT.ok;
  } finally {
    for (const signal of signals) process.off(signal, onSignal);
    process.off('uncaughtException', die);
    process.off('unhandledRejection', die);
  }
}
