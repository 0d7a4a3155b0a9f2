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
  start(): void;
  /** Reads again what failed, when it is time. */
  retry(): void;
  /** Whether the polls of this source wait. */
  holds(source: string): boolean;
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

  function read(reading: Reading): void {
    const { source, from } = reading;
    const started = monotonic();
    reading.state = 'reading';
    reading.attempts++;
    const signal = AbortSignal.any([options.stopping, AbortSignal.timeout(DEADLINE_MS)]);
    options.read(source, from, signal).then(
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
    start() {
      for (const source of options.sources) {
        if (source.history === undefined) continue;
        const from = fromOf(source);
        if (now() - from < SHORTEST_MS) continue;
        const holdUntil = monotonic() + HOLD_MS;
        const reading: Reading = { source, from, state: 'reading', holdUntil, attempts: 0, retryAt: 0 };
        readings.set(source.name, reading);
        read(reading);
      }
    },
    retry() {
      for (const reading of readings.values()) {
        if (reading.state === 'failed' && monotonic() >= reading.retryAt && !options.stopping.aborted) read(reading);
      }
    },
    holds(source) {
      const reading = readings.get(source);
      return reading !== undefined && holds(reading);
    },
    holding: () => [...readings.values()].filter(holds).map(({ source }) => source.name),
  };
}
