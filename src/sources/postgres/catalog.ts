/**
 * The catalogue: what was changed on the server. Restarts, failovers, settings and indexes become changes with an
 * interval between the look that did not have them and the look that had; a restart knows its time.
 *
 * State: the last identity and settings, the last look at the indexes (taken every ten minutes, and whenever tables are
 * asked about), the indexes lost in the last day, and scan counters of the last hour. Changes of a replica are reported
 * under the database, because that is what a symptom names; its catalogue is the primary's, so it is not looked at.
 */

import type { Change, ChangeKind } from '../../model/change.ts';
import type { EpochMs } from '../../model/glossary.ts';
import type { Answer, Question, Window } from '../../model/question.ts';
import type { Blindness, PollResult, SignalInfo } from '../../model/source.ts';
import { type IndexLook, indexChanges, type LostIndex, lostIndexes, readIndexes } from './catalog-indexes.ts';
import { readSettings, type Settings, settingChanges } from './catalog-settings.ts';
import { packCatalog, unpackCatalog } from './catalog-snapshot.ts';
import type { Collector, PostgresServer } from './collector.ts';
import { unknownAnswer } from './failure.ts';
import { booleanOf, textOf, timeOfAge } from './row-values.ts';
import { type RelationName, readCounters, readTables, relationNames, type TableCounters } from './tables.ts';

const INDEX_LOOK_MS = 10 * 60_000;
/** A restart so recent is worth telling even by a first look. */
const RECENT_RESTART_MS = 2 * 60 * 60_000;

/** The catalogue gives changes and answers, no series. */
export const CATALOG_SIGNALS: readonly SignalInfo[] = [];

export interface ServerIdentity {
  readonly at: EpochMs;
  /** `pg_postmaster_start_time()` as text, exact. */
  readonly started: string;
  readonly startedAt: EpochMs;
  readonly inRecovery: boolean;
  readonly timeline: string | null;
}

export interface CatalogOptions {
  readonly periodMs: number;
  /** Normalised texts of the statements with most time in the window; without it, tables are not answered. */
  readonly topStatements?: (window: Window, now: EpochMs, signal: AbortSignal) => Promise<readonly string[]>;
}

// The timeline is the first eight digits of a WAL file's name; in recovery the function for the current file fails.
const identitySql = (aurora: boolean): string => `
SELECT pg_catalog.pg_postmaster_start_time()::pg_catalog.text AS started,
  extract(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.pg_postmaster_start_time())::pg_catalog.float8 AS age,
  pg_catalog.pg_is_in_recovery() AS in_recovery, pg_catalog.quote_ident(current_user) AS role,
  pg_catalog.pg_has_role(current_user, 'pg_read_all_settings', 'USAGE') AS all_settings,
  CASE WHEN ${aurora} OR pg_catalog.pg_is_in_recovery() THEN NULL
    ELSE pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8) END AS timeline`;

export function createCatalogCollector(server: PostgresServer, options: CatalogOptions): Collector {
  const { topStatements } = options;
  let identity: ServerIdentity | null = null;
  let settings: Settings | null = null;
  let settingsAt: EpochMs = 0;
  let look: IndexLook | null = null;
  let lost: readonly LostIndex[] = [];
  let counters: readonly TableCounters[] = [];
  /** Found while a question was answered, or by a poll that failed after finding them; the next good poll has them. */
  let found: readonly Change[] = [];

  const prefix = server.replica === null ? '' : `${server.replica}: `;
  const change = (kind: ChangeKind, id: string, summary: string, earliest: EpochMs, latest: EpochMs): Change => ({
    id: `${server.target}:${kind}:${id}`,
    target: server.database,
    kind,
    summary: `${prefix}${summary}`,
    at: { earliest: Math.min(earliest, latest), latest },
    source: `${server.target}: catalogue`,
  });

  const lookAtIndexes = async (now: EpochMs, signal: AbortSignal): Promise<IndexLook> => {
    const before = look;
    const after = await readIndexes(server, before, now, signal);
    // Another look may have overtaken this one while it was under way.
    if (look !== before || (before !== null && before.at >= now)) return after;
    lost = lostIndexes(lost, before, after);
    look = after;
    if (before !== null) {
      const changes = indexChanges(before, after).map(({ name, what, summary }) =>
        change('index', `${what}:${name}:${before.at}`, summary, before.at, now),
      );
      found = [...found, ...changes];
    }
    return after;
  };

  const readIdentity = async (
    now: EpochMs,
    signal: AbortSignal,
  ): Promise<ServerIdentity & { readonly role: string; readonly allSettings: boolean }> => {
    const sql = identitySql(server.facts()?.flavour === 'aurora');
    const [row] = await server.query('catalogue', sql, { timeoutMs: 2_000, signal });
    return {
      at: now,
      started: textOf(row, 'started') ?? '',
      startedAt: timeOfAge(row, 'age', now) ?? now,
      inRecovery: booleanOf(row, 'in_recovery') === true,
      timeline: textOf(row, 'timeline'),
      role: textOf(row, 'role') ?? '',
      allSettings: booleanOf(row, 'all_settings') === true,
    };
  };

  const identityChanges = (before: ServerIdentity | null, after: ServerIdentity): readonly Change[] => {
    const { started, startedAt, at } = after;
    const restarted = (): Change => change('restart', started, 'the server was started', startedAt, startedAt);
    if (before === null) return at - startedAt < RECENT_RESTART_MS ? [restarted()] : [];
    const changes: Change[] = [];
    const failover = (id: string, summary: string): void => {
      changes.push(change('failover', id, summary, before.at, at));
    };
    const timelines = before.timeline !== null && after.timeline !== null && before.timeline !== after.timeline;
    if (before.inRecovery !== after.inRecovery) {
      failover(`${started}:${after.inRecovery}`, after.inRecovery ? 'primary → standby' : 'standby → primary');
    } else if (timelines) {
      failover(`${started}:${after.timeline}`, `timeline ${tli(before.timeline)} → ${tli(after.timeline)}`);
    } else if (before.started !== started && startedAt < before.startedAt) {
      // Started before the one that answered here until now: it is another one.
      failover(started, 'another server answers at this address');
    }
    if (before.started !== started && startedAt > before.at - 5_000) changes.push(restarted());
    return changes;
  };

  const poll = async (now: EpochMs, signal: AbortSignal): Promise<PollResult> => {
    const { role, allSettings, ...current } = await readIdentity(now, signal);
    found = [...found, ...identityChanges(identity, current)];
    identity = current;
    const fresh = await readSettings(server, signal);
    const differences = settings === null ? [] : settingChanges(settings, fresh);
    found = [
      ...found,
      ...differences.map(({ name, summary }) => change('setting', `${name}:${settingsAt}`, summary, settingsAt, now)),
    ];
    settings = fresh;
    settingsAt = now;
    if (server.replica === null) {
      counters = await readCounters(server, counters, now, signal);
      if (look === null || now - look.at >= INDEX_LOOK_MS) await lookAtIndexes(now, signal);
    }
    const changes = found;
    found = [];
    return { series: [], changes, blind: allSettings ? [] : blindness(server, role) };
  };

  const answerTables = async (
    question: Question<'postgres.tables'>,
    now: EpochMs,
    signal: AbortSignal,
  ): Promise<Answer<'postgres.tables'>> => {
    const kind = 'postgres.tables';
    if (topStatements === undefined || server.replica !== null) {
      return { state: 'unknown', kind, because: 'unsupported', detail: `tables of ${server.target} are not looked at` };
    }
    try {
      const texts = await topStatements(question.window, now, signal);
      if (texts.length === 0) {
        const detail = `no statement of ${server.target} is known in the window, so no table is either`;
        return { state: 'unknown', kind, because: 'no_data', detail };
      }
      const named = await Promise.all(texts.map(relationNames));
      const names = new Map<string, RelationName>(named.flat().map((name) => [`${name.schema}\t${name.name}`, name]));
      const fresh = await lookAtIndexes(now, signal);
      const input = { names: [...names.values()], ring: counters, from: question.window.from, look: fresh, lost };
      const tables = await readTables(server, input, now, signal);
      const source = `${server.target}: pg_stat_user_tables, pg_index`;
      return { state: 'answered', kind, value: { at: now, tables }, at: now, source };
    } catch (error) {
      return unknownAnswer(kind, error);
    }
  };

  return {
    group: 'catalog',
    poll,
    answers: topStatements === undefined ? {} : { 'postgres.tables': answerTables },
    snapshot: () => (identity === null ? null : packCatalog({ identity, settings, settingsAt, look, lost })),
    restore: (state) => {
      const restored = unpackCatalog(state);
      if (restored !== null) ({ identity, settings, settingsAt, look, lost } = restored);
    },
  };
}

function tli(timeline: string | null): number {
  return Number.parseInt(timeline ?? '', 16);
}

function blindness(server: PostgresServer, role: string): readonly Blindness[] {
  const detail = `settings that only superusers may see are hidden from role ${role}`;
  return [
    { target: server.target, check: 'settings', because: 'denied', detail, grant: `GRANT pg_monitor TO ${role};` },
  ];
}
