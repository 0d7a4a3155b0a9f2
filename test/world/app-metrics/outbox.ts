/** The outbox of the search index in the database, as queries of the user's would count it, and its worker. */

import { type AreaOptions, type Bound, createArea, MINUTE, plain } from './area.ts';

export interface OutboxEffects {
  /** Of what is usually added, the share that is still worked off: 0 is a worker that stands still. */
  readonly drained?: number;
  readonly addedFactor?: number;
  /** One row at the head that nobody can work off, while the others pass it. */
  readonly headStuck?: boolean;
  /** The worker's process is gone, or takes rows and gives them back. Default: it works. */
  readonly worker?: 'gone' | 'fails';
}

/** What a real server is asked for in a minute; few, since only how often they come against before counts. */
export interface OutboxWork {
  readonly connected: boolean;
  readonly fetches: number;
  /** Fetches whose rows are finished; the rest is rolled back. */
  readonly finishes: number;
  readonly inserts: number;
}

const TARGET = 'main-db';
const PER_MINUTE = 180;
/** What is left over is worked off that many times as fast as it came. */
const CATCH_UP = 4;
const ROUNDS = 8;

export function outboxMetrics(options: AreaOptions) {
  const { affect, active, busy, count, level } = createArea<OutboxEffects>('outbox', options);
  /** Rows a minute, without noise: what adds up must add up the same from whichever minute it is looked at. */
  const rate = (at: number): number => PER_MINUTE * busy(at);

  /** Closed form of one effect: what it left over until a time, less what was worked off since it ended. */
  function left(at: number): number {
    return active().reduce((sum, { from, to, effects }) => {
      const { drained = 1, addedFactor = 1 } = effects;
      const grows = Math.max(0, addedFactor - drained) * rate(from);
      const grown = (grows * Math.max(0, Math.min(at, to) - from)) / MINUTE;
      const worked = (rate(from) * CATCH_UP * Math.max(0, at - to)) / MINUTE;
      return sum + Math.max(0, grown - worked);
    }, 0);
  }
  const added = (at: number): number => {
    const factor = active().reduce(
      (all, { from, to, effects }) => all * (from < at && at - MINUTE < to ? (effects.addedFactor ?? 1) : 1),
      1,
    );
    return count(at, 'added', rate(at) * factor);
  };
  /** For the whole minute before. */
  const stands = (at: number): boolean =>
    active().some(({ from, to, effects }) => effects.drained === 0 && from <= at - MINUTE && at <= to);
  /** What waits in front of a row that was added just now, and the row at the head that stands still. */
  const oldest = (at: number): number => {
    const stuck = active()
      .filter(({ from, to, effects }) => effects.headStuck === true && from < at && at <= to)
      .map(({ from }) => (at - from) / 1000);
    // A head that nobody takes ages with the clock; one that is taken late is as old as what stands before it.
    const standing = active()
      .filter(({ from, to, effects }) => (effects.drained ?? 1) === 0 && from < at && at <= to)
      .map(({ from }) => (at - from) / 1000);
    return Math.max(level(at, 'oldest', 4, 0.2) + (left(at) * 60) / rate(at), ...stuck, ...standing);
  };

  const bound: readonly Bound[] = [
    {
      target: TARGET,
      signal: 'outbox_pending',
      query: 'sum(search_outbox_pending)',
      read: plain((at) => Math.round(level(at, 'pending', 14, 0.2) + left(at))),
    },
    {
      target: TARGET,
      signal: 'outbox_oldest_seconds',
      query: 'max(search_outbox_oldest_seconds)',
      read: plain(oldest),
    },
    {
      target: TARGET,
      signal: 'outbox_added',
      query: 'sum(increase(search_outbox_added_total[1m]))',
      read: plain(added),
    },
    {
      target: TARGET,
      signal: 'outbox_processed',
      query: 'sum(increase(search_outbox_processed_total[1m]))',
      read: plain((at) => (stands(at) ? 0 : Math.max(0, Math.round(added(at) - (left(at) - left(at - MINUTE)))))),
    },
  ];

  /** At a time, of the minute that begins then. */
  function work(at: number): OutboxWork {
    const now = active().filter(({ from, to }) => from <= at && at < to);
    const product = (of: (one: OutboxEffects) => number): number =>
      now.reduce((all, { effects }) => all * of(effects), 1);
    const worker = now.find(({ effects }) => effects.worker !== undefined)?.effects.worker;
    return {
      connected: worker !== 'gone',
      fetches: worker === 'gone' ? 0 : ROUNDS,
      finishes: worker === undefined ? ROUNDS : 0,
      inserts: Math.round(ROUNDS * product((one) => one.addedFactor ?? 1)),
    };
  }
  return { affect, work, bound };
}
