/**
 * Why single statements take longer or take more of the database: another plan, stale statistics, a new statement,
 * a spill to disk, more calls. Told apart by what a call touches (blocks, rows, temporary blocks) against before.
 */

import type { StatementDelta, TableState, TargetKind } from '../../model/index.ts';
import { type AnyProbe, ask, type Facts, type Hypothesis, probe } from '../detector.ts';
import { neutral, opposes, supports } from '../evidence.ts';
import { bytes, clockTime, count, duration, percent, safeName, times } from '../format.ts';
import {
  blocksOf,
  blocksText,
  callsRatio,
  cameWithOnset,
  FEW_BLOCKS,
  hasBefore,
  isFlat,
  isNew,
  isSlower,
  overChanges,
  overStatements,
  overSuspects,
  ratio,
  slowerHeadline,
  statementsWindow,
  statementText,
} from './statements.ts';
import { trafficProbe } from './traffic.ts';

/** Twice the default trigger of autovacuum's analyze (50 rows + 10 %), and enough rows to matter. */
const STALE_TRIGGERS = 2;
const STALE_ROWS = 1000;

function isStale(table: TableState): boolean {
  if (table.lastAnalyzedAt === null) return table.liveRows >= STALE_ROWS;
  const trigger = 50 + 0.1 * table.liveRows;
  return table.modifiedSinceAnalyze >= Math.max(STALE_ROWS, STALE_TRIGGERS * trigger);
}

const staleText = (table: TableState, now: number): string => {
  const analyzed =
    table.lastAnalyzedAt === null
      ? 'never analyzed'
      : `last analyzed ${duration((now - table.lastAnalyzedAt) / 1000)} ago`;
  return `${safeName(table.table, 80)}: ${count(table.modifiedSinceAnalyze)} rows modified since, of ${count(table.liveRows)}, ${analyzed}`;
};

type TablesJudge = (tables: readonly TableState[], facts: Facts) => ReturnType<typeof supports>;

const overTables = (id: string, title: string, judge: TablesJudge): AnyProbe =>
  probe<'postgres.tables'>({
    id,
    factor: 'tables',
    title,
    ask: (_symptom, facts) => ask('postgres.tables', facts, {}, statementsWindow(facts)),
    judge: (value, _symptom, facts) => judge(value.tables, facts),
  });

/** The blocks of a call, for the two causes that change the plan. */
const blocksProbe = (weight: number): AnyProbe =>
  overSuspects('blocks', 'blocks', 'blocks that a call touches, against before', (one) => {
    const blocks = blocksOf(one);
    const text = `${statementText(one)}; ${blocksText(one)}`;
    if (blocks === 'unknown')
      return opposes(2, `${statementText(one)}; it has no before`, { headline: 'the statement is new' });
    if (blocks === 'flat')
      return opposes(4, text, { headline: `blocks per call as before (${count(one.blocksPerCall, 1)})` });
    if (blocks === 'more-rows')
      return opposes(2, `${text}, for as many more rows`, { headline: 'as many more rows per call' });
    if (blocks === 'between' || !isSlower(one)) return neutral(text);
    return supports(weight, text, { headline: slowerHeadline(one) });
  });

const indexProbe = overTables('index', 'indexes of the tables, and those that are gone', (tables, facts) => {
  for (const table of tables) {
    const lost = table.lostIndexes[0];
    if (lost === undefined) continue;
    const name = `${safeName(lost.name)} of ${safeName(table.table, 80)}`;
    const text = `index ${name} went away between ${clockTime(lost.seenAt)} and ${clockTime(lost.lostBy)} UTC; it was: ${safeName(lost.definition, 300)}`;
    if (lost.seenAt > facts.onset.latest)
      return opposes(2, `${text}, which is after it began`, { headline: 'the index was lost only afterwards' });
    return supports(3.5, text, {
      headline: `index ${safeName(lost.name)} is gone`,
      slots: { table: table.table, indexName: lost.name },
    });
  }
  const invalid = tables.find((table) => table.invalidIndexes.length > 0);
  if (invalid !== undefined)
    return supports(
      1,
      `index ${safeName(invalid.invalidIndexes[0] ?? '')} of ${safeName(invalid.table, 80)} is invalid: it is not read`,
      { slots: { table: invalid.table } },
    );
  const stale = tables.find(isStale);
  if (stale !== undefined)
    return opposes(3, `no index is gone, but statistics are stale: ${staleText(stale, facts.now)}`, {
      headline: 'no index is gone; statistics are stale',
    });
  const scanned = tables.find(
    (table) => (table.sequentialScansPerSecond ?? 0) > 0.1 && (table.sequentialRowsPerScan ?? 0) >= 5000,
  );
  if (scanned === undefined) return neutral('no index is gone, no large table is read from end to end');
  const { table, sequentialScansPerSecond: scans, sequentialRowsPerScan: rows } = scanned;
  return supports(
    1,
    `${safeName(table, 80)} is read from end to end ${count(scans ?? 0, 1)} times a second, ${count(rows ?? 0)} rows each`,
    { slots: { table } },
  );
});

const statisticsProbe = overTables('statistics', 'rows modified since the last analyze', (tables, facts) => {
  if (tables.length === 0) return neutral('the tables of the statements are not known');
  const lost = tables.flatMap((table) => table.lostIndexes)[0];
  if (lost !== undefined)
    return opposes(3, `index ${safeName(lost.name)} is gone, which explains more`, {
      headline: `index ${safeName(lost.name)} is gone`,
    });
  const stale = tables.filter(isStale).sort((a, b) => b.modifiedSinceAnalyze - a.modifiedSinceAnalyze)[0];
  if (stale !== undefined)
    return supports(3.5, staleText(stale, facts.now), {
      headline: `${safeName(stale.table, 80)} has stale statistics`,
      slots: { table: stale.table },
    });
  const most = Math.max(...tables.map((table) => table.modifiedSinceAnalyze));
  return opposes(3, `statistics are fresh: at most ${count(most)} rows of a table modified since its analyze`, {
    headline: 'statistics fresh',
  });
});

const newProbe = overSuspects('new', 'new', 'when the statement was first seen', (one, { facts }) => {
  const age = one.firstSeenAt === null ? null : duration(Math.max(0, facts.now - one.firstSeenAt) / 1000);
  if (!isNew(one, facts.now))
    return opposes(4, `${statementText(one)}; known ${age === null ? 'since our first look' : `for ${age}`}`, {
      headline: 'no new statement',
    });
  const text = `${statementText(one)}; first seen ${age} ago`;
  if (!cameWithOnset(one, facts))
    return opposes(3, `${text}, well before it began`, { headline: 'the statement was there before it began' });
  return one.share >= 0.1 ? supports(4.5, text, { headline: `new statement ${one.queryid}` }) : neutral(text);
});

/** Fewer are asked for than by the rule: the window may begin before the spilling did, and mixes the healthy part in. */
const spills = (one: StatementDelta): boolean =>
  one.tempBlocksPerCall >= FEW_BLOCKS && (ratio(one.tempBlocksPerCall, one.before.tempBlocksPerCall) ?? 2) >= 2;

const tempProbe = overSuspects('temp', 'temp', 'temporary blocks that a call writes, against before', (one) => {
  const text = `${statementText(one)}; ${count(one.tempBlocksPerCall)} temporary blocks a call (${bytes(one.tempBlocksPerCall * 8192)}), before ${count(one.before.tempBlocksPerCall)}`;
  if (!spills(one)) return opposes(4, text, { headline: `${count(one.tempBlocksPerCall)} temporary blocks a call` });
  const slots = one.user === null ? {} : { roleName: one.user };
  const headline = `statement ${one.queryid} spills ${bytes(one.tempBlocksPerCall * 8192)} a call`;
  return hasBefore(one) ? supports(3.5, text, { headline, slots }) : supports(1, text, { headline, slots });
});

const tempFilesProbe = probe<'postgres.activity'>({
  id: 'temp-files',
  factor: 'temp-files',
  title: 'temporary files of the whole server',
  ask: (_symptom, facts) => ask('postgres.activity', facts, {}, statementsWindow(facts)),
  judge: ({ tempBytesPerSecond: rate }) => {
    if (rate === null) return neutral('the rate of temporary files is not known');
    if (rate >= 1_000_000) return supports(1, `${bytes(rate)}/s go to temporary files`);
    return rate === 0
      ? opposes(1.5, 'nothing goes to temporary files', { headline: 'no temporary files' })
      : neutral(`${bytes(rate)}/s go to temporary files`);
  },
});

const callsProbe = overSuspects('calls', 'calls', 'calls a second, against before', (one) => {
  const up = callsRatio(one);
  if (up === null) return neutral(`${statementText(one)}; how often it was called before is not known`);
  const text = `${statementText(one)}; ${count(one.callsPerSecond, 1)} calls/s, before ${count(one.before.callsPerSecond ?? 0, 1)}/s`;
  if (up < 1.5) return opposes(4, text, { headline: `calls as before (${count(one.callsPerSecond, 1)}/s)` });
  if (!isFlat(one)) return opposes(2, `${text}, and each is slower`, { headline: 'each call is slower too' });
  return supports(1.5, text, { headline: `statement ${one.queryid} called ${times(up)} as often` });
});

const totalsProbe = overStatements('totals', 'totals', 'time of all statements, against before', ({ value }) => {
  const seconds = (value.to - value.from) / 1000;
  const before = value.totalMsPerSecondBefore;
  if (before === null || seconds <= 0) return neutral('the time of all statements before is not known');
  const up = (ratio(value.totalMs / seconds, before) ?? 1) - 1;
  const text = `all statements together take ${count(value.totalMs / seconds)} ms/s, before ${count(before)} ms/s`;
  return up >= 0.3 ? supports(0.5, text) : neutral(`${text} (${percent(Math.abs(up))} ${up < 0 ? 'less' : 'more'})`);
});

/** What the server can be told: a command that it would refuse is withheld, because its slot is not filled. */
const serverProbe = probe<'postgres.server'>({
  id: 'server',
  factor: 'server',
  title: 'what kind of server it is',
  ask: (_symptom, facts) => ask('postgres.server', facts, {}, statementsWindow(facts)),
  judge: ({ flavour, versionNum }) => {
    const where = { postgres: '', rds: ' on RDS', aurora: ' on Aurora' }[flavour];
    return neutral(`Postgres ${Math.floor(versionNum / 10_000)}${where}`, {
      slots: {
        ...(versionNum >= 160_000 ? { planOption: 'generic_plan' } : {}),
        ...(flavour === 'postgres' ? { systemScope: 'system' } : {}),
      },
    });
  },
});

/** `on` is `self` for a database's own detector, `database` for a service that depends on one. */
export function slowQueryHypotheses(on: 'self' | TargetKind = 'self'): readonly Hypothesis[] {
  const base = { cause: 'slow-query', on } as const;
  return [
    {
      ...base,
      variant: 'plan-change',
      title: 'Slow query: a statement has changed to a worse plan',
      prior: 0.2,
      requires: ['blocks'],
      probes: [
        blocksProbe(2.5),
        indexProbe,
        overChanges(
          'plan-settings',
          1,
          'indexes and settings changed before',
          (one) => one.kind === 'index' || one.kind === 'setting',
        ),
        serverProbe,
      ],
      mitigations: ['slow-query-list', 'slow-query-indexes', 'slow-query-explain'],
    },
    {
      ...base,
      variant: 'stale-statistics',
      title: 'Slow query: the planner works with stale statistics',
      prior: 0.12,
      requires: ['blocks', 'statistics'],
      probes: [blocksProbe(1.5), statisticsProbe, serverProbe],
      mitigations: ['slow-query-analyze', 'slow-query-list', 'slow-query-explain'],
    },
    {
      ...base,
      variant: 'new-query',
      title: 'Slow query: a new statement takes much of the database',
      prior: 0.12,
      requires: ['new'],
      probes: [
        newProbe,
        overChanges('deployment', 1.5, 'deployments before', (one) => one.kind === 'deployment' || one.kind === 'flag'),
        serverProbe,
      ],
      mitigations: ['slow-query-list', 'slow-query-explain', 'slow-query-log'],
    },
    {
      ...base,
      variant: 'temp-spill',
      title: 'Slow query: a statement spills to temporary files',
      prior: 0.12,
      requires: ['temp'],
      probes: [
        tempProbe,
        tempFilesProbe,
        overChanges(
          'memory-settings',
          1.5,
          'memory settings changed before',
          (one) => one.kind === 'setting' && /work_mem|hash_mem/.test(one.summary),
        ),
        serverProbe,
      ],
      mitigations: ['slow-query-list', 'slow-query-work-mem', 'slow-query-explain'],
    },
    {
      ...base,
      variant: 'more-calls',
      title: 'Slow query: there is more traffic, each call is as fast as before',
      prior: 0.12,
      requires: ['calls'],
      probes: [callsProbe, trafficProbe(3, -3), totalsProbe],
      mitigations: ['slow-query-list'],
    },
  ];
}
