/**
 * One endpoint: its connection, what it is, and whether its counters can still be compared with earlier ones.
 *
 * States: unknown → (prepare) → known, with capabilities and facts. A session opened since the last look, or another
 * identity seen in the facts, makes the capabilities stale: the next `prepare` probes again.
 */

import { RunbookdError } from '../../model/errors.ts';
import type { EpochMs } from '../../model/glossary.ts';
import type { PostgresServerFacts } from '../../model/postgres.ts';
import { CAPABILITIES_SQL, parseCapabilities, type ServerConstants } from './capabilities.ts';
import type { Capabilities, PostgresServer, Row } from './collector.ts';
import { type Connection, createConnection } from './connection.ts';
import type { Endpoint } from './endpoint.ts';
import { numberOf, textOf } from './row-values.ts';

/** Enough for a catalogue that is cold; the check itself takes milliseconds. */
const PROBE_MS = 3_000;

export interface ManagedServer extends PostgresServer {
  readonly endpoint: Endpoint;
  readonly connection: Connection;
  /** Probes after a (re)connect; free otherwise. Throws as `query` does. */
  prepare(now: EpochMs, signal: AbortSignal): Promise<void>;
  /** Select list of the facts that may change, to ride along in a query of the caller; its row goes to `note`. */
  factColumns(): string;
  note(row: Row, now: EpochMs): void;
  /** Our role, quoted for a GRANT; null before the first probe. */
  role(): string | null;
  /** Makes the next `prepare` probe again. */
  forget(): void;
  snapshot(): unknown;
  restore(state: unknown): void;
}

export interface ServerOptions {
  readonly target: string;
  readonly database: string;
  readonly replica: string | null;
  readonly endpoint: Endpoint;
}

export function createServer({ target, database, replica, endpoint }: ServerOptions): ManagedServer {
  const connection = createConnection(target, endpoint);
  let probed: { readonly capabilities: Capabilities; readonly constants: ServerConstants } | null = null;
  let probedGeneration = -1;
  let facts: PostgresServerFacts | null = null;
  let identity: string | null = null;
  let epoch = 0;

  /** False once the control functions turned out to be forbidden or not there (some managed servers). */
  let control = true;

  const factColumns = (): string => {
    const timeline = '(SELECT timeline_id FROM pg_catalog.pg_control_checkpoint())';
    const system = '(SELECT system_identifier::text FROM pg_catalog.pg_control_system())';
    return [
      'pg_catalog.pg_is_in_recovery() AS in_recovery',
      'pg_catalog.pg_postmaster_start_time()::text AS started',
      'extract(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.pg_postmaster_start_time())::float8 AS uptime_seconds',
      `${control ? timeline : 'NULL::int'} AS timeline`,
      `${control ? system : 'NULL::text'} AS system_identifier`,
    ].join(', ');
  };

  const probe = async (signal: AbortSignal): Promise<Row> => {
    const look = async (): Promise<Row> => {
      const sql = `${CAPABILITIES_SQL}, ${factColumns()}`;
      const [row] = await connection.query('capabilities', sql, { timeoutMs: PROBE_MS, signal });
      return row ?? {};
    };
    try {
      return await look();
    } catch (error) {
      const refused =
        error instanceof RunbookdError && (error.code === 'POSTGRES_DENIED' || error.code === 'POSTGRES_QUERY');
      if (!refused || !control) throw error;
      control = false;
      return look();
    }
  };

  const note = (row: Row, now: EpochMs): void => {
    if (probed === null) return;
    const { constants } = probed;
    const timeline = numberOf(row, 'timeline');
    const role = row['in_recovery'] === true ? 'replica' : 'primary';
    const seen = [textOf(row, 'started'), role, timeline, textOf(row, 'system_identifier')].join('|');
    if (identity !== null && seen !== identity) {
      epoch += 1;
      probedGeneration = -1;
    }
    identity = seen;
    facts = {
      role,
      versionNum: constants.versionNum,
      startedAt: now - Math.round((numberOf(row, 'uptime_seconds') ?? 0) * 1000),
      timeline,
      flavour: constants.flavour,
      maxConnections: constants.maxConnections,
      usableConnections: constants.usableConnections,
      database: constants.database,
    };
  };

  return {
    target,
    database,
    replica,
    endpoint,
    connection,
    query: connection.query,
    facts: () => facts,
    capabilities: () => probed?.capabilities ?? null,
    epoch: () => epoch,
    role: () => probed?.constants.role ?? null,
    factColumns,
    note,
    forget: () => {
      probedGeneration = -1;
    },
    async prepare(now, signal) {
      if (probed !== null && probedGeneration === connection.generation()) return;
      const row = await probe(signal);
      // Read after the probe, which may itself have opened the session that it looked through.
      const generation = connection.generation();
      probed = parseCapabilities(row);
      note(row, now);
      probedGeneration = generation;
    },
    snapshot: () => ({ epoch, identity }),
    restore: (state) => {
      const { epoch: savedEpoch, identity: savedIdentity } = (state ?? {}) as Readonly<Record<string, unknown>>;
      if (typeof savedEpoch !== 'number' || !Number.isSafeInteger(savedEpoch) || typeof savedIdentity !== 'string')
        return;
      epoch = savedEpoch;
      identity = savedIdentity;
    },
  };
}
