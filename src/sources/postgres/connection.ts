/**
 * The connections to one server: two slots, each with at most one session, which is all that we ever hold.
 *
 * A slot is free or taken. A taken slot's session is opened when it has none, is used for one round trip at a time, and
 * is destroyed (the socket, not only the object) when a round trip ends in anything but an answer. The second slot is
 * used when the first has been busy for a while, hence for a question while a poll runs, and is closed again when idle.
 *
 * `pg.Pool` is not used because a connection that it gave up can still arrive later and stay (node-postgres #3543,
 * #3197), and because it forgets a client before its socket is closed: with sockets of our own the limit is a fact.
 */

import { Socket } from 'node:net';
import pg from 'pg';
import { RunbookdError } from '../../model/errors.ts';
import type { Row } from './collector.ts';
import { APPLICATION_NAME, type Endpoint, tlsOptions } from './endpoint.ts';
import { connectFailure, queryFailure } from './failure.ts';

const SLOTS = 2;
const CONNECT_MS = 3_000;
/** How long the first slot is waited for before the second is opened. */
const SECOND_AFTER_MS = 250;
/** Beyond the server's own statement timeout: only a server that cannot even cancel reaches it. */
const GRACE_MS = 1_000;
const LOCK_TIMEOUT_MS = 250;
const IDLE_MS = 30_000;
/** So that a failover behind a DNS name is noticed. */
const LIFETIME_MS = 600_000;

export interface QueryOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export interface Connection {
  query(check: string, sql: string, options: QueryOptions): Promise<readonly Row[]>;
  /** Takes one slot and closes its session, so that the caller may open one connection of its own; returns the release. */
  reserve(signal: AbortSignal): Promise<() => void>;
  /** Counts the sessions opened so far: another number means that the server may be another one. */
  generation(): number;
  /** Process ids of our sessions as the server told them (made up by a pooler in between). */
  backends(): readonly number[];
  /** Sockets open now, and the most that ever were. */
  sockets(): { readonly open: number; readonly peak: number };
  close(): Promise<void>;
}

interface Session {
  readonly client: pg.Client;
  readonly openedAt: number;
  readonly pid: number;
}

interface Slot {
  readonly index: number;
  taken: boolean;
  session: Session | null;
  socket: Socket | null;
  idle: NodeJS.Timeout | undefined;
}

/**
 * int8 and numeric become numbers, unless they are integers beyond 2^53, which stay text: counts and sizes are then
 * figures like any other. Identifiers that need all 64 bits (query ids, LSNs) must be selected as text.
 */
export function parseNumber(text: string): number | string {
  const value = Number(text);
  return Number.isInteger(value) && !Number.isSafeInteger(value) ? text : value;
}

const INT8 = 20;
const NUMERIC = 1700;
const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === INT8 || oid === NUMERIC
      ? parseNumber
      : pg.types.getTypeParser(oid, format ?? 'text')) as typeof pg.types.getTypeParser,
};

/**
 * The settings that stand before each statement. In one message of the simple query protocol they and the statement
 * are one implicit transaction block: SET LOCAL ends with it, on success and on error, so no session state is left
 * behind and a transaction pooler may sit in between (checked on 15 and 18; the statement timeout counts from the start
 * of each statement of the message).
 */
function withSettings(sql: string, timeoutMs: number): string {
  const settings = [
    `statement_timeout = ${Math.ceil(timeoutMs)}`,
    `lock_timeout = ${LOCK_TIMEOUT_MS}`,
    'transaction_read_only = on',
    'search_path = pg_catalog',
    "TimeZone = 'UTC'",
    "DateStyle = 'ISO'",
  ];
  return `${settings.map((setting) => `SET LOCAL ${setting};`).join(' ')} ${sql}`;
}

export function createConnection(target: string, endpoint: Endpoint): Connection {
  const slots: readonly Slot[] = Array.from({ length: SLOTS }, (_, index) => ({
    index,
    taken: false,
    session: null,
    socket: null,
    idle: undefined,
  }));
  const waiting: { readonly grant: (slot: Slot) => void }[] = [];
  const closing = new AbortController();
  const open = new Set<Socket>();
  let peak = 0;
  let generation = 0;

  const drop = (slot: Slot): void => {
    clearTimeout(slot.idle);
    slot.session = null;
    slot.socket?.destroy();
    if (slot.socket !== null) open.delete(slot.socket);
    slot.socket = null;
  };

  const take = (slot: Slot): Slot => {
    clearTimeout(slot.idle);
    slot.taken = true;
    return slot;
  };

  const acquire = (check: string, signal: AbortSignal, preferEmpty = false): Promise<Slot> => {
    const free = slots.filter((slot) => !slot.taken);
    const empty = free.findLast((slot) => slot.session === null);
    const first = preferEmpty ? (empty ?? free[0]) : free.find((slot) => slot.index === 0 || slot.session !== null);
    if (first !== undefined) return Promise.resolve(take(first));
    return new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(second);
        clearTimeout(deadline);
        signal.removeEventListener('abort', abort);
        const at = waiting.indexOf(waiter);
        if (at >= 0) waiting.splice(at, 1);
      };
      const waiter = {
        grant: (slot: Slot): void => {
          end();
          resolve(take(slot));
        },
      };
      const abort = (): void => {
        end();
        reject(new RunbookdError('ABORTED', [`${target}: ${check}`], signal.reason));
      };
      const second = setTimeout(() => {
        const any = slots.find((slot) => !slot.taken);
        if (any !== undefined) waiter.grant(any);
      }, SECOND_AFTER_MS);
      const deadline = setTimeout(() => {
        end();
        reject(new RunbookdError('POSTGRES_TIMEOUT', [target, `${check}: a free connection of ours`, CONNECT_MS]));
      }, CONNECT_MS);
      signal.addEventListener('abort', abort, { once: true });
      waiting.push(waiter);
    });
  };

  const release = (slot: Slot): void => {
    slot.taken = false;
    const next = waiting[0];
    if (next !== undefined) {
      next.grant(slot);
      return;
    }
    if (slot.session === null) return;
    slot.idle = setTimeout(() => goodbye(slot), IDLE_MS);
    slot.idle.unref();
  };

  // Terminate is sent, as a client should; the socket is destroyed soon after whether or not it was read, and at once
  // when the slot opens another.
  const goodbye = (slot: Slot): void => {
    const { session, socket } = slot;
    slot.session = null;
    if (session === null) return;
    void session.client.end().catch(() => undefined);
    setTimeout(() => socket?.destroy(), 500).unref();
  };

  /** Ends with the work, with the deadline or with the signal, whichever comes first; the last two drop the session. */
  const within = async <Value>(
    slot: Slot,
    check: string,
    limitMs: number,
    signal: AbortSignal,
    work: Promise<Value>,
  ): Promise<Value> => {
    const { promise, reject } = Promise.withResolvers<never>();
    const stop = (error: RunbookdError): void => {
      reject(error);
      drop(slot);
    };
    const abort = (): void => stop(new RunbookdError('ABORTED', [`${target}: ${check}`], signal.reason));
    const timer = setTimeout(() => stop(new RunbookdError('POSTGRES_TIMEOUT', [target, check, limitMs])), limitMs);
    signal.addEventListener('abort', abort, { once: true });
    // The loser of the race is rejected later, when its socket goes: that is expected.
    work.catch(() => undefined);
    if (signal.aborted) abort();
    try {
      return await Promise.race([promise, work]);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
    }
  };

  const connect = async (slot: Slot, signal: AbortSignal): Promise<Session> => {
    drop(slot);
    const socket = new Socket();
    open.add(socket);
    peak = Math.max(peak, open.size);
    socket.once('close', () => open.delete(socket));
    slot.socket = socket;
    const client = new pg.Client({
      host: endpoint.host,
      port: endpoint.port,
      user: endpoint.user,
      database: endpoint.database,
      ...(endpoint.password !== null && { password: endpoint.password }),
      ssl: endpoint.tls === null ? false : tlsOptions(endpoint.tls),
      application_name: APPLICATION_NAME,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      types,
      stream: () => socket,
    });
    const lost = (): void => {
      if (slot.socket === socket) drop(slot);
    };
    // Without a listener, a session that the server ends while idle would end this process.
    client.on('error', lost);
    client.on('end', lost);
    try {
      await within(slot, 'connect', CONNECT_MS, signal, client.connect());
    } catch (error) {
      socket.destroy();
      if (slot.socket === socket) drop(slot);
      throw error instanceof RunbookdError ? error : connectFailure(target, error, endpoint.password);
    }
    generation += 1;
    const pid = (client as unknown as { readonly processID: unknown }).processID;
    const session = { client, openedAt: performance.now(), pid: typeof pid === 'number' ? pid : 0 };
    slot.session = session;
    return session;
  };

  const exchange = async (slot: Slot, session: Session, check: string, sql: string, options: QueryOptions) => {
    const { timeoutMs, signal } = options;
    const limitMs = timeoutMs + GRACE_MS;
    const answer: Promise<unknown> = session.client.query(withSettings(sql, timeoutMs));
    const results = await within(slot, check, limitMs, signal, answer);
    const last: unknown = Array.isArray(results) ? results.at(-1) : results;
    return (last as pg.QueryResult<Row>).rows;
  };

  return {
    async query(check, sql, options) {
      const signal = AbortSignal.any([options.signal, closing.signal]);
      if (signal.aborted) throw new RunbookdError('ABORTED', [`${target}: ${check}`], signal.reason);
      const slot = await acquire(check, signal);
      const attempt = async (): Promise<readonly Row[]> => {
        const { session } = slot;
        const usable = session !== null && performance.now() - session.openedAt < LIFETIME_MS;
        const current = usable ? session : await connect(slot, signal);
        try {
          return await exchange(slot, current, check, sql, { ...options, signal });
        } catch (error) {
          if (error instanceof RunbookdError) throw error;
          const failure = queryFailure(target, check, options.timeoutMs, error, endpoint.password);
          if (failure.code !== 'POSTGRES_CONNECT') throw failure;
          drop(slot);
          // A kept session may have died unnoticed. Everything that we run only reads, so once more, on a new one.
          if (usable) return attempt();
          throw failure;
        }
      };
      try {
        return await attempt();
      } finally {
        release(slot);
      }
    },
    async reserve(signal) {
      const slot = await acquire('reachability', AbortSignal.any([signal, closing.signal]), true);
      drop(slot);
      return () => {
        if (slot.taken) release(slot);
      };
    },
    generation: () => generation,
    backends: () => slots.flatMap(({ session }) => (session === null || session.pid === 0 ? [] : [session.pid])),
    sockets: () => ({ open: open.size, peak }),
    async close() {
      closing.abort(new Error('the source is closed'));
      for (const slot of slots) {
        if (slot.session !== null && !slot.taken) goodbye(slot);
        else drop(slot);
      }
      await new Promise((resolve) => setImmediate(resolve));
      for (const slot of slots) drop(slot);
    },
  };
}
