/**
 * One configured database as a source: its primary endpoint and its replicas, each with its own connection, circuit
 * breaker and collectors. A poll group is a collector's group, with `:<replica>` for those that read a replica.
 */

import type { Logger } from 'pino';
import { messageOf, RunbookdError } from '../../model/errors.ts';
import type { EpochMs } from '../../model/glossary.ts';
import type { Answer, Question } from '../../model/question.ts';
import type { Blindness, PollResult, SignalInfo, Source } from '../../model/source.ts';
import { type ActivityCollector, createActivityCollector } from './activity.ts';
import { ACTIVITY_SIGNALS } from './activity-signals.ts';
import { afterPoll, type Breaker, beforePoll, CLOSED } from './breaker.ts';
import { CATALOG_SIGNALS, createCatalogCollector } from './catalog.ts';
import type { Collector } from './collector.ts';
import { parseEndpoint } from './endpoint.ts';
import { becauseOf } from './failure.ts';
import { createQueriesCollector } from './queries/queries.ts';
import type { SignalQuery } from './queries/signal-query.ts';
import { createReplicationCollector, REPLICATION_SIGNALS } from './replication.ts';
import { createServer, type ManagedServer } from './server.ts';
import { createStatementsCollector, STATEMENTS_SIGNALS } from './statements.ts';

export interface PostgresSourceOptions {
  readonly target: string;
  /** Never logged, and in no message. */
  readonly url: string;
  readonly replicas: Readonly<Record<string, { readonly url: string }>>;
  readonly periodsMs: Readonly<Record<'activity' | 'replication' | 'statements' | 'catalog', number>>;
  /** Signals of the user's own, read from the primary endpoint in a poll group `queries`. Default: none. */
  readonly queries?: readonly SignalQuery[];
  readonly log: Logger;
}

/** Every signal that the source can give; those of a replica have the same names, on its own target. */
export const POSTGRES_SIGNALS: readonly SignalInfo[] = [
  ...ACTIVITY_SIGNALS,
  ...REPLICATION_SIGNALS,
  ...STATEMENTS_SIGNALS,
  ...CATALOG_SIGNALS,
];

interface Watched {
  readonly server: ManagedServer;
  readonly activity: ActivityCollector;
  breaker: Breaker;
}

interface Group {
  readonly name: string;
  readonly collector: Collector;
  /** Whose breaker counts, and who must be known before the poll. */
  readonly watched: Watched;
}

const SNAPSHOT_VERSION = 1;

/**
 * Throws POSTGRES_URL, and CONFIG_INVALID for a query whose signal has a name that is taken; nothing is connected to before
 * the first poll.
 */
export function createPostgresSource(options: PostgresSourceOptions): Source {
  const { target, periodsMs, queries = [], log } = options;
  refuseTaken(target, queries);
  const watch = (name: string, replica: string | null, url: string): Watched => {
    const server = createServer({ target: name, database: target, replica, endpoint: parseEndpoint(name, url) });
    const activity = createActivityCollector(server, { periodMs: periodsMs.activity });
    return { server, activity, breaker: CLOSED };
  };
  const primary = watch(target, null, options.url);
  const replicas = new Map(
    Object.entries(options.replicas).map(([name, { url }]) => [name, watch(`${target}/${name}`, name, url)]),
  );
  const all = [primary, ...replicas.values()];

  const groups: readonly Group[] = [
    ...all.flatMap((watched) => {
      const { server } = watched;
      const statements = createStatementsCollector(server, { periodMs: periodsMs.statements });
      const { topStatements } = statements;
      const catalog = createCatalogCollector(server, { periodMs: periodsMs.catalog, topStatements });
      const collectors = [watched.activity, statements, catalog];
      const suffix = server.replica === null ? '' : `:${server.replica}`;
      return collectors.map((collector) => ({ name: `${collector.group}${suffix}`, collector, watched }));
    }),
    ...createReplicationCollector(
      primary.server,
      Object.fromEntries([...replicas].map(([name, { server }]) => [name, server])),
      { periodMs: periodsMs.replication },
    ).map((collector) => {
      const replica = collector.group.split(':').slice(1).join(':');
      return { name: collector.group, collector, watched: replicas.get(replica) ?? primary };
    }),
    ...(queries.length === 0 ? [] : [createQueriesCollector(primary.server, { queries, log })]).map((collector) => ({
      name: collector.group,
      collector,
      watched: primary,
    })),
  ];

  const collectorFor = (question: Question): Collector | undefined =>
    groups.find(({ collector, watched, name }) => {
      if (collector.answers[question.kind] === undefined) return false;
      // Replication is one subject, whichever of the servers is asked about.
      const wanted = name === 'replication' ? all : [watched];
      return wanted.some(({ server }) => server.target === question.target);
    })?.collector;

  const pollOpen = async ({ name, collector, watched }: Group, now: EpochMs, signal: AbortSignal) => {
    if (collector !== watched.activity) await watched.server.prepare(now, signal);
    log.trace({ group: name }, 'poll');
    return collector.poll(now, signal);
  };

  return {
    name: `postgres:${target}`,
    groups: groups.map(({ name }) => name),
    async poll(name, now, signal): Promise<PollResult> {
      const group = groups.find((each) => each.name === name);
      if (group === undefined) throw new RunbookdError('POSTGRES_QUERY', [target, name, 'no such poll group']);
      const { watched, collector } = group;
      const before = beforePoll(watched.breaker);
      watched.breaker = before.breaker;
      if (before.open) {
        const why = circuitOpen(watched.server.target);
        return collector === watched.activity
          ? watched.activity.skipped(now, why)
          : { series: [], changes: [], blind: [why] };
      }
      try {
        const result = await pollOpen(group, now, signal);
        const timedOut = result.blind.some(({ check, because }) => check === 'connect' && because === 'timeout');
        settle(watched, timedOut);
        return result;
      } catch (error) {
        // A poll that we stopped ourselves says nothing about the server.
        if (!signal.aborted) settle(watched, becauseOf(error) === 'timeout');
        throw error;
      }
    },
    answers: (question) => collectorFor(question) !== undefined,
    async answer(question, now, signal): Promise<Answer> {
      const { kind } = question;
      const find = collectorFor(question)?.answers[kind] as
        | ((question: Question, now: EpochMs, signal: AbortSignal) => Promise<Answer>)
        | undefined;
      if (find === undefined) {
        const detail = `postgres:${target} does not answer ${kind} of ${question.target}`;
        return { state: 'unknown', kind, because: 'unsupported', detail };
      }
      try {
        return await find(question, now, signal);
      } catch (error) {
        return { state: 'unknown', kind, because: becauseOf(error), detail: messageOf(error) };
      }
    },
    snapshot: () => {
      const servers = Object.fromEntries(all.map(({ server }) => [server.target, server.snapshot()]));
      const collectors = Object.fromEntries(groups.map(({ name, collector }) => [name, collector.snapshot()]));
      return new TextEncoder().encode(JSON.stringify({ version: SNAPSHOT_VERSION, servers, collectors }));
    },
    restore: (bytes) => {
      const state = parseSnapshot(bytes);
      if (state === null) {
        log.warn({ source: `postgres:${target}` }, 'snapshot is not readable, starting without history');
        return;
      }
      const quietly = (part: string, restore: () => void): void => {
        try {
          restore();
        } catch (error) {
          log.warn({ source: `postgres:${target}`, part, error: messageOf(error) }, 'snapshot part is not readable');
        }
      };
      for (const { server } of all) quietly(server.target, () => server.restore(state.servers[server.target]));
      for (const { name, collector } of groups) quietly(name, () => collector.restore(state.collectors[name]));
    },
    close: async () => {
      await Promise.all(all.map(({ server }) => server.connection.close()));
    },
  };

  function settle(watched: Watched, timedOut: boolean): void {
    const next = afterPoll(watched.breaker, timedOut);
    if (next.skip > 0 && watched.breaker.timeouts < next.timeouts) {
      log.warn(
        { target: watched.server.target, timeouts: next.timeouts, skip: next.skip },
        'server hangs, polls are skipped',
      );
    }
    watched.breaker = next;
  }
}

function refuseTaken(target: string, queries: readonly SignalQuery[]): void {
  const taken = new Set(POSTGRES_SIGNALS.map(({ signal }) => signal));
  for (const { signal } of queries) {
    const key = `databases.${target}.queries.${signal}`;
    if (taken.has(signal))
      throw new RunbookdError('CONFIG_INVALID', [`${key}: a signal of that name is there already`]);
    taken.add(signal);
  }
}

function circuitOpen(target: string): Blindness {
  const detail = 'circuit open: three polls in a row timed out, so this one was not tried';
  return { target, check: 'connect', because: 'timeout', detail, grant: null };
}

function parseSnapshot(bytes: Uint8Array): {
  readonly servers: Readonly<Record<string, unknown>>;
  readonly collectors: Readonly<Record<string, unknown>>;
} | null {
  const record = (value: unknown): value is Readonly<Record<string, unknown>> =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  try {
    const state: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (!record(state) || state['version'] !== SNAPSHOT_VERSION) return null;
    const { servers, collectors } = state;
    return record(servers) && record(collectors) ? { servers, collectors } : null;
  } catch {
    return null;
  }
}
