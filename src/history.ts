/**
 * Reads what the backends still hold, for baselines of the first day: at the start, and again later what could not be
 * read. For a while the polls of such a source wait for it, because what they read first would be judged without knowing
 * what is expected; but no longer, because nobody would be watching meanwhile. Part of the wiring.
 */

import type { Logger } from 'pino';
import type { EpochMs, Source } from './model/index.ts';
import { messageOf } from './model/index.ts';

export interface HistoryReaderOptions {
  readonly now: () => EpochMs;
  readonly monotonic: () => number;
  readonly log: Logger;
  readonly sources: readonly Source[];
  /** When the baselines were saved that were restored; null when there are none. */
  readonly savedAt: EpochMs | null;
  /** Whether anything is known of what is expected of a target. */
  readonly isKnown: (target: string) => boolean;
  /** Learns what the source holds since then; resolves with the number of samples. */
  readonly read: (source: Source, from: EpochMs, signal: AbortSignal) => Promise<number>;
  readonly stopping: AbortSignal;
}

export interface HistoryReader {
  /** Calls back once for each source, when its polls may begin: at once where there is nothing to wait for. */
  start(onReleased: (source: Source) => void): void;
  /** Reads again what failed, when it is time. */
  retry(): void;
  /** Sources whose polls wait. */
  holding(): readonly string[];
}

/** Enough for the hour of the day and most of the hour of the week; CloudWatch keeps 300 s for 63 days. */
const WHOLE_MS = 14 * 86_400_000;
/** Gaps shorter than that are read by the polls themselves. */
const SHORTEST_MS = 15 * 60_000;
const DEADLINE_MS = 30 * 60_000;
const HOLD_MS = 60_000;
const RETRY_MS = 10 * 60_000;
const RETRY_MOST_MS = 6 * 3_600_000;

interface Reading {
  readonly source: Source;
  readonly from: EpochMs;
  state: 'reading' | 'failed' | 'done';
  holdUntil: number;
  attempts: number;
  retryAt: number;
}

export function createHistoryReader(options: HistoryReaderOptions): HistoryReader {
  const { log, now, monotonic, savedAt } = options;
  const readings = new Map<string, Reading>();

  function fromOf(source: Source): EpochMs {
    const whole = now() - WHOLE_MS;
    if (savedAt === null || !(source.targets ?? []).every(options.isKnown)) return whole;
    return Math.max(savedAt, whole);
  }

  function read(reading: Reading): Promise<void> {
    const { source, from } = reading;
    const started = monotonic();
    reading.state = 'reading';
    reading.attempts++;
    const signal = AbortSignal.any([options.stopping, AbortSignal.timeout(DEADLINE_MS)]);
    return options.read(source, from, signal).then(
      (samples) => {
        reading.state = 'done';
        const seconds = Math.round((monotonic() - started) / 1000);
        log.info({ source: source.name, samples, seconds }, 'history read');
      },
      (error: unknown) => {
        reading.state = 'failed';
        const waitMs = Math.min(RETRY_MS * 2 ** (reading.attempts - 1), RETRY_MOST_MS);
        reading.retryAt = monotonic() + waitMs;
        if (options.stopping.aborted) return;
        const fields = { source: source.name, error: messageOf(error), retryMinutes: waitMs / 60_000 };
        log.warn(fields, 'history cannot be read, baselines warm up meanwhile');
      },
    );
  }

  const holds = (reading: Reading): boolean => reading.state === 'reading' && monotonic() < reading.holdUntil;

  return {
    start(onReleased) {
      for (const source of options.sources) {
        const from = source.history === undefined ? now() : fromOf(source);
        if (now() - from < SHORTEST_MS) {
          onReleased(source);
          continue;
        }
        const holdUntil = monotonic() + HOLD_MS;
        const reading: Reading = { source, from, state: 'reading', holdUntil, attempts: 0, retryAt: 0 };
        readings.set(source.name, reading);
        const waited = new Promise<void>((resolve) => setTimeout(resolve, HOLD_MS).unref());
        void Promise.race([read(reading), waited]).then(() => {
          if (!options.stopping.aborted) onReleased(source);
        });
      }
    },
    retry() {
      for (const reading of readings.values()) {
        if (reading.state === 'failed' && monotonic() >= reading.retryAt && !options.stopping.aborted) {
          void read(reading);
        }
      }
    },
    holding: () => [...readings.values()].filter(holds).map(({ source }) => source.name),
  };
}
