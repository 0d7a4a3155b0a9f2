/**
 * Signals of the user's own: each is a query on the database, one at a time, under the limits of everything that we run
 * (read only, statement and lock timeouts). The text of a query and what it reads are in no message: a signal's name and
 * the SQLSTATE are.
 */

import type { Logger } from 'pino';
import { RunbookdError } from '../../../model/errors.ts';
import type { EpochMs } from '../../../model/glossary.ts';
import type { Series } from '../../../model/series.ts';
import type { Blindness, PollResult } from '../../../model/source.ts';
import type { Collector } from '../collector.ts';
import { isUnreachable, sqlstateOf } from '../failure.ts';
import { point } from '../row-values.ts';
import type { ManagedServer } from '../server.ts';
import { afterAsking, FRESH, overdueMs, type Pace, slowdown } from './pace.ts';
import { samplesOf } from './result.ts';
import { QUERIES_GROUP, queriesPeriodMs, type SignalQuery } from './signal-query.ts';
import { troubleOf } from './trouble.ts';

export interface QueriesOptions {
  readonly queries: readonly SignalQuery[];
  readonly log: Logger;
  readonly monotonic?: () => number;
}

const TIMEOUT_MS = 2_000;
/** No query is begun after that: a walk comes after the poll, within the 25 s of both. */
const POLL_BUDGET_MS = 10_000;

type Server = Pick<ManagedServer, 'target' | 'query' | 'role'>;

/** What is known of a query once it was looked at. */
interface Plan {
  readonly sql: string;
  readonly relations: readonly { readonly schema: string; readonly name: string }[];
  readonly refusal: string | null;
}

export function createQueriesCollector(server: Server, options: QueriesOptions): Collector {
  const { queries, log, monotonic = () => performance.now() } = options;
  const pollMs = queriesPeriodMs(queries);
  const paces = new Map<string, Pace>();
  const blind = new Map<string, Blindness>();
  let plans: ReadonlyMap<string, Plan> | null = null;
  let limits = { maxRows: 0, maxRow: 0 };

  const paceOf = ({ signal }: SignalQuery): Pace => paces.get(signal) ?? FRESH;

  /** The parser is loaded by whoever has such queries. */
  const look = async (): Promise<ReadonlyMap<string, Plan>> => {
    if (plans !== null) return plans;
    const { checkSignalQuery, MAX_ROW, MAX_ROWS, relationsOf, wrapped } = await import('./check-query.ts');
    limits = { maxRows: MAX_ROWS, maxRow: MAX_ROW };
    plans = new Map(
      queries.map(({ signal, sql }) => {
        const refusal = checkSignalQuery(sql);
        const plan = refusal === null ? { sql: wrapped(sql), relations: relationsOf(sql) } : { sql: '', relations: [] };
        return [signal, { ...plan, refusal }];
      }),
    );
    return plans;
  };

  const tell = (
    query: SignalQuery,
    because: Blindness['because'],
    words: string,
    grant: string | null = null,
  ): void => {
    const { signal } = query;
    const factor = slowdown(paceOf(query));
    const rarely =
      factor === 1 ? '' : `; asked every ${Math.round((query.periodMs * factor) / 1000)} s until it answers`;
    blind.set(signal, {
      target: server.target,
      check: signal,
      because,
      detail: `query of ${signal}: ${words}${rarely}`,
      grant,
    });
  };

  const slower = (query: SignalQuery, before: Pace): void => {
    const factor = slowdown(paceOf(query));
    if (factor <= slowdown(before)) return;
    log.warn({ target: server.target, signal: query.signal, factor }, 'query times out, it is asked less often');
  };

  const ask = async (query: SignalQuery, plan: Plan, now: EpochMs, signal: AbortSignal): Promise<readonly Series[]> => {
    const before = paceOf(query);
    const done = (timedOut: boolean): void => {
      paces.set(query.signal, afterAsking(before, now, timedOut));
    };
    if (plan.refusal !== null) {
      done(false);
      tell(query, 'not_configured', plan.refusal, `correct databases.${server.target}.queries.${query.signal}.sql`);
      return [];
    }
    try {
      const rows = await server.query(`the query of ${query.signal}`, plan.sql, { timeoutMs: TIMEOUT_MS, signal });
      done(false);
      const { samples, problem } = samplesOf(rows, query, limits);
      if (problem === null) blind.delete(query.signal);
      else tell(query, 'unsupported', problem);
      const of = { target: server.target, signal: query.signal, unit: query.unit, periodMs: query.periodMs };
      return samples.map(({ labels, value }) => point({ ...of, labels }, now, value));
    } catch (error) {
      if (error instanceof RunbookdError && error.code === 'ABORTED') throw error;
      if (!isUnreachable(error)) done(sqlstateOf(error) === '57014');
      const context = { timeoutMs: TIMEOUT_MS, role: server.role(), relations: plan.relations };
      const { because, words, grant } = troubleOf(error, context);
      tell(query, because, words, grant);
      slower(query, before);
      if (isUnreachable(error)) throw error;
      return [];
    }
  };

  return {
    group: QUERIES_GROUP,
    answers: {},
    async poll(now, signal): Promise<PollResult> {
      const started = monotonic();
      const all = await look();
      const due = queries
        .map((query) => ({ query, overdue: overdueMs(paceOf(query), query.periodMs, pollMs, now) }))
        .filter(({ overdue }) => overdue >= 0)
        .sort((a, b) => b.overdue - a.overdue || 0);
      const series: Series[] = [];
      let answered = 0;
      for (const { query } of due) {
        if (monotonic() - started > POLL_BUDGET_MS) {
          tell(query, 'timeout', `not asked, the queries before it took ${POLL_BUDGET_MS / 1000} s`);
          continue;
        }
        try {
          series.push(...(await ask(query, all.get(query.signal)!, now, signal)));
          answered += 1;
        } catch (error) {
          // What was read before the server went away stays good.
          if (answered === 0 || !isUnreachable(error)) throw error;
          break;
        }
      }
      return { series, changes: [], blind: [...blind.values()] };
    },
    snapshot: () => null,
    restore: () => undefined,
  };
}
