/**
 * Statements: what the server spent its time on, from differences of pg_stat_statements.
 *
 * State: the last reading (all entries, columnar), the ring of the last hour's differences, when each entry was first
 * seen, and which statements are tracked (each tracked one is a handful of series). A poll moves all of it; a question
 * takes one reading more and leaves the state alone, so that series keep their period.
 */

import type { Change } from '../../model/change.ts';
import type { EpochMs } from '../../model/glossary.ts';
import type { StatementDelta } from '../../model/postgres.ts';
import type { Answer, Question, Window } from '../../model/question.ts';
import type { PollResult } from '../../model/source.ts';
import type { Collector, PostgresServer } from './collector.ts';
import { unknownAnswer } from './failure.ts';
import { normalizeSql } from './normalize.ts';
import { type StatementsInput, statementsAnswer } from './statement-answer.ts';
import {
  compact,
  cumulative,
  difference,
  pushed,
  queryidOf,
  type StatementInterval,
  type StatementReading,
} from './statement-deltas.ts';
import { type ReadOutcome, readStatements, readTexts } from './statement-reader.ts';
import { STATEMENTS_SIGNALS, statementSeries } from './statement-series.ts';
import { packStatements, unpackStatements } from './statement-snapshot.ts';

const MAX_KNOWN = 20_000;
/** A difference over a longer time (the daemon was down) is history, not a sample of now. */
const maxGapMs = (periodMs: number): number => Math.max(5 * periodMs, 5 * 60_000);
/** Long enough for any list of tables; such texts stay inside the source. */
const INNER_TEXT = 2_000;

export { STATEMENTS_SIGNALS };

export interface StatementsCollector extends Collector {
  /**
   * Normalised texts of the statements with most time in the window, most first, too long for a page: for looking up
   * their tables. Throws RunbookdError; empty when nothing is known of the window.
   */
  topStatements(window: Window, now: EpochMs, signal: AbortSignal): Promise<readonly string[]>;
}

export function createStatementsCollector(
  server: PostgresServer,
  options: { readonly periodMs: number },
): StatementsCollector {
  const { periodMs } = options;
  const readerState = { shared: false };
  let last: StatementReading | null = null;
  let ring: readonly StatementInterval[] = [];
  let known = new Map<string, EpochMs | null>();
  let tracked: ReadonlyMap<string, EpochMs> = new Map();

  /** First times by key, after a reading; `fresh` are keys that the last reading did not have. */
  const learnKeys = (outcome: ReadOutcome & { state: 'read' }, fresh: readonly string[], now: EpochMs): void => {
    const { reading, since } = outcome.read;
    const isNew = new Set(fresh);
    const next = new Map<string, EpochMs | null>();
    for (const key of reading.keys) {
      const before = known.get(key);
      next.set(key, before !== undefined ? before : (since.get(key) ?? (isNew.has(key) ? now : null)));
    }
    // Entries that were evicted or reset come back as old acquaintances, not as new statements.
    for (const [key, at] of known) if (next.size < MAX_KNOWN && !next.has(key)) next.set(key, at);
    known = next;
  };

  const firstSeen = (keys: readonly string[]): ((queryid: string) => EpochMs | null) => {
    const byQueryid = new Map<string, EpochMs | null>();
    for (const key of keys) {
      const at = known.get(key) ?? null;
      const queryid = queryidOf(key);
      const before = byQueryid.get(queryid);
      byQueryid.set(queryid, before === undefined ? at : before === null || at === null ? null : Math.min(before, at));
    }
    return (queryid) => byQueryid.get(queryid) ?? null;
  };

  const poll = async (now: EpochMs, signal: AbortSignal): Promise<PollResult> => {
    const outcome = await readStatements(server, readerState, last?.at ?? null, now, signal);
    if (outcome.state === 'blind') return { series: [], changes: [], blind: [outcome.blind] };
    const { reading, statsResetAt } = outcome.read;
    const previous = last;
    last = reading;
    if (previous === null) {
      learnKeys(outcome, [], now);
      return { series: [], changes: [], blind: [] };
    }
    const delta = difference(previous, reading);
    learnKeys(outcome, delta.state === 'interval' ? delta.newKeys : [], now);
    if (delta.state === 'reset') {
      const changes: readonly Change[] = delta.statistics
        ? [resetChange(server.target, previous, reading, statsResetAt)]
        : [];
      return { series: [], changes, blind: [] };
    }
    ring = pushed(ring, delta.interval, now);
    const current = delta.interval.to - delta.interval.from <= maxGapMs(periodMs);
    if (!current) return { series: [], changes: [], blind: [] };
    const { target } = server;
    const made = statementSeries({
      target,
      periodMs,
      interval: delta.interval,
      reading,
      tracked,
      firstSeenAt: firstSeen(reading.keys),
    });
    tracked = made.tracked;
    return { series: made.series, changes: [], blind: [] };
  };

  /** The ring with the time since the last poll, by one reading more; without it when that reading fails. */
  const looked = async (
    now: EpochMs,
    signal: AbortSignal,
  ): Promise<(StatementsInput & { schema: string | null; failure: unknown }) | (ReadOutcome & { state: 'blind' })> => {
    let outcome: ReadOutcome | null = null;
    let failure: unknown = null;
    try {
      outcome = await readStatements(server, readerState, last?.at ?? null, now, signal);
    } catch (error) {
      failure = error;
    }
    if (outcome?.state === 'blind') return outcome;
    const reading = outcome?.read.reading ?? last;
    const fresh = outcome !== null && last !== null ? difference(last, outcome.read.reading) : null;
    return {
      intervals: fresh?.state === 'interval' ? [...ring, compact(fresh.interval)] : ring,
      lifetime: reading === null ? new Map() : cumulative(reading),
      firstSeenAt: firstSeenWith(fresh?.state === 'interval' ? fresh.newKeys : [], outcome, reading, now),
      statsResetAt: outcome?.read.statsResetAt ?? null,
      schema: outcome?.read.schema ?? null,
      failure,
    };
  };

  const firstSeenWith = (
    newKeys: readonly string[],
    outcome: (ReadOutcome & { state: 'read' }) | null,
    reading: StatementReading | null,
    now: EpochMs,
  ): ((queryid: string) => EpochMs | null) => {
    const seen = firstSeen(reading?.keys.filter((key) => known.has(key)) ?? []);
    const fresh = new Map(
      newKeys
        .filter((key) => !known.has(key))
        .map((key) => [queryidOf(key), outcome?.read.since.get(key) ?? now] as const),
    );
    const old = new Set([...known.keys()].map(queryidOf));
    return (queryid) => (old.has(queryid) ? seen(queryid) : (fresh.get(queryid) ?? null));
  };

  const answer = async (
    question: Question<'postgres.statements'>,
    now: EpochMs,
    signal: AbortSignal,
  ): Promise<Answer<'postgres.statements'>> => {
    const kind = 'postgres.statements';
    try {
      const input = await looked(now, signal);
      if ('state' in input) {
        const { because, detail, grant } = input.blind;
        return { state: 'unknown', kind, because, detail, ...(grant !== null && { grant }) };
      }
      const value = statementsAnswer(input, question.window);
      if (value === null) {
        if (input.failure !== null) return unknownAnswer(kind, input.failure);
        const detail = `no two readings of pg_stat_statements of ${server.target} in the window`;
        return { state: 'unknown', kind, because: 'no_data', detail };
      }
      const top = await withTexts(server, input.schema, value.top, signal);
      const source = `${server.target}: pg_stat_statements`;
      return { state: 'answered', kind, value: { ...value, top }, at: now, source };
    } catch (error) {
      return unknownAnswer(kind, error);
    }
  };

  return {
    group: 'statements',
    poll,
    answers: { 'postgres.statements': answer },
    topStatements: async (window, now, signal) => {
      const input = await looked(now, signal);
      if ('state' in input || input.schema === null) return [];
      const value = statementsAnswer(input, window);
      const queryids = value?.top.map(({ queryid }) => queryid) ?? [];
      const texts = await readTexts(server, input.schema, queryids, signal);
      const normalised = await Promise.all(queryids.map((id) => normalizeSql(texts.get(id)?.text ?? '', INNER_TEXT)));
      return normalised.filter((text) => text !== null);
    },
    snapshot: () => (last === null ? null : packStatements({ last, ring, known, tracked })),
    restore: (state) => {
      const restored = unpackStatements(state);
      if (restored !== null) ({ last, ring, known, tracked } = restored);
    },
  };
}

function resetChange(
  target: string,
  previous: StatementReading,
  reading: StatementReading,
  statsResetAt: EpochMs | null,
): Change {
  const moved = reading.statsReset !== null && reading.statsReset !== previous.statsReset;
  const at =
    moved && statsResetAt !== null
      ? { earliest: statsResetAt, latest: statsResetAt }
      : { earliest: previous.at, latest: reading.at };
  return {
    id: `${target}:stats_reset:${moved ? reading.statsReset : previous.at}`,
    target,
    kind: 'stats_reset',
    summary: 'pg_stat_statements was reset',
    at,
    source: 'pg_stat_statements',
  };
}

async function withTexts(
  server: PostgresServer,
  schema: string | null,
  top: readonly StatementDelta[],
  signal: AbortSignal,
): Promise<readonly StatementDelta[]> {
  if (schema === null) return top;
  try {
    const texts = await readTexts(
      server,
      schema,
      top.map(({ queryid }) => queryid),
      signal,
    );
    return await Promise.all(
      top.map(async (delta) => {
        const found = texts.get(delta.queryid);
        if (found === undefined) return delta;
        return { ...delta, text: await normalizeSql(found.text), database: found.database, user: found.user };
      }),
    );
  } catch {
    // The figures stand without the texts: a file of texts too large to read in time must not cost the answer.
    return top;
  }
}
