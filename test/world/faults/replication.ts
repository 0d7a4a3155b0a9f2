import { setTimeout as sleep } from 'node:timers/promises';
import { type Callers, startCallers } from '../callers.ts';
import type { PostgresWorld } from '../postgres.ts';
import { signalProcess } from '../processes.ts';
import type { PostgresServer } from '../server.ts';
import { waitUntil } from '../wait.ts';
import { type Expectation, type Fault, injecting, sessionsFor, waitForRow } from './fault.ts';

export interface ReplicationOptions {
  /** Bytes of WAL that the standby must be behind before `inject` resolves. Default 200 kB, for the surge 16 MB. */
  readonly lagBytes?: number;
}

const expect = (variant: string): Expectation => ({ detector: 'replication-lag', cause: 'replication-lag', variant });

/** The standby cannot reach the primary; both its received and its replayed position stand still, and equal. */
export function replicationCut({ lagBytes = 200_000 }: ReplicationOptions = {}): Fault {
  return {
    name: 'replication-cut',
    title: 'the standby lost its link to the primary',
    expect: expect('cut-link'),
    needsStandby: true,
    inject: (world) =>
      injecting(world, async (undo) => {
        const { primary, standby } = pair(world);
        undo.defer(() => caughtUp(primary, standby));
        undo.defer(async () => {
          await standby.admin('ALTER SYSTEM RESET primary_conninfo');
          await standby.admin('SELECT pg_reload_conf()');
        });
        await standby.admin("ALTER SYSTEM SET primary_conninfo = 'host=127.0.0.1 port=1 user=replicator'");
        await standby.admin('SELECT pg_reload_conf()');
        await primary.admin('SELECT pg_terminate_backend(pid) FROM pg_stat_replication');
        const writer = startWriter(primary);
        undo.defer(() => writer.stop());
        await waitForRow(
          'the standby to have no link',
          standby,
          'SELECT count(*) = 0 AS ok FROM pg_stat_wal_receiver WHERE status = $1',
          ['streaming'],
        );
        await waitForRow('the primary to miss it', primary, 'SELECT count(*) = 0 AS ok FROM pg_stat_replication');
        return { lagBytes: await waitForLag(primary, standby, lagBytes) };
      }),
  };
}

/** A report on the standby still needs rows that the primary has vacuumed away, and replay is told to wait for it. */
export function replicationReplicaQuery({ lagBytes = 200_000 }: ReplicationOptions = {}): Fault {
  return {
    name: 'replication-replica-query',
    title: 'a long report on the standby holds up its replay',
    expect: expect('replica-query'),
    needsStandby: true,
    inject: (world) =>
      injecting(world, async (undo) => {
        const { primary, standby } = pair(world);
        undo.defer(() => caughtUp(primary, standby));
        undo.defer(async () => {
          await standby.admin('ALTER SYSTEM RESET max_standby_streaming_delay');
          await standby.admin('SELECT pg_reload_conf()');
        });
        await standby.admin("ALTER SYSTEM SET max_standby_streaming_delay = '-1'");
        await standby.admin('SELECT pg_reload_conf()');
        const [report] = await sessionsFor(undo, standby, 'reporting');
        await report!.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
        await report!.query('SELECT count(*) FROM orders');
        report!.start(
          'SELECT status, sum(total_cents), max(pause::text) FROM orders, pg_sleep(3600) AS pause GROUP BY 1',
        );
        const writer = startWriter(primary);
        undo.defer(() => writer.stop());
        await waitUntil(
          'replay to wait for the report',
          async () => {
            await primary.admin("UPDATE orders SET note = 'recount' WHERE id <= 500");
            await primary.admin('VACUUM orders');
            const [row] = await standby.admin<{ wait: string | null }>(
              "SELECT wait_event AS wait FROM pg_stat_activity WHERE backend_type = 'startup'",
            );
            return row?.wait?.startsWith('RecoveryConflict') === true;
          },
          { everyMs: 100 },
        );
        return { queryPid: report!.pid, lagBytes: await waitForLag(primary, standby, lagBytes) };
      }),
  };
}

/** Somebody paused replay, for a backup or a look at old rows, and forgot it. */
export function replicationPaused({ lagBytes = 200_000 }: ReplicationOptions = {}): Fault {
  return {
    name: 'replication-paused',
    title: 'replay on the standby was paused and forgotten',
    expect: expect('replay-paused'),
    needsStandby: true,
    inject: (world) =>
      injecting(world, async (undo) => {
        const { primary, standby } = pair(world);
        undo.defer(() => caughtUp(primary, standby));
        undo.defer(async () => {
          await standby.admin('SELECT pg_wal_replay_resume()');
        });
        await standby.admin('SELECT pg_wal_replay_pause()');
        const writer = startWriter(primary);
        undo.defer(() => writer.stop());
        await waitForRow('replay to pause', standby, "SELECT pg_get_wal_replay_pause_state() = 'paused' AS ok");
        return { lagBytes: await waitForLag(primary, standby, lagBytes) };
      }),
  };
}

export interface WalSurgeOptions extends ReplicationOptions {
  /** Imports per second, of about 3 MB WAL each. Default 6. */
  readonly perSecond?: number;
  /** The import rests while the standby is further behind than this, so that the disk survives. Default 768 MB. */
  readonly maxLagBytes?: number;
}

/**
 * An import rewrites its tables again and again, and the standby replays more slowly than WAL arrives.
 * A standby on the same machine would keep up, so its startup process gets the processor for a twentieth of the time.
 */
export function replicationWalSurge(options: WalSurgeOptions = {}): Fault {
  const { lagBytes = 16_000_000, perSecond = 6, maxLagBytes = 768_000_000 } = options;
  return {
    name: 'replication-wal-surge',
    title: 'an import writes WAL faster than the standby replays it',
    expect: expect('wal-surge'),
    needsStandby: true,
    inject: (world) =>
      injecting(world, async (undo) => {
        const { primary, standby } = pair(world);
        undo.defer(() => caughtUp(primary, standby));
        undo.defer(async () => {
          await primary.admin('DROP TABLE IF EXISTS public.price_import_1, public.price_import_2');
        });
        for (const table of [1, 2]) {
          await primary.admin(
            `CREATE TABLE public.price_import_${table} (sku bigint PRIMARY KEY, sheet text NOT NULL)`,
          );
          await primary.admin(`ALTER TABLE public.price_import_${table} OWNER TO app`);
        }
        let behindBytes = 0;
        const imports = [1, 2].map((table) =>
          startCallers(primary, {
            applicationName: 'price-import',
            clients: 1,
            perSecond: perSecond / 2,
            call: async (client) => {
              if (behindBytes > maxLagBytes) return;
              await client.query('BEGIN');
              await client.query(`TRUNCATE price_import_${table}`);
              await client.query(
                `INSERT INTO price_import_${table} SELECT n, repeat('price ' || n, 60) FROM generate_series(1, $1) AS n`,
                [5_000],
              );
              await client.query('COMMIT');
            },
          }),
        );
        for (const each of imports) undo.defer(() => each.stop());
        const brake = await slowReplay(standby, async () => {
          behindBytes = await lag(primary, standby);
        });
        undo.defer(brake);
        return { lagBytes: await waitForLag(primary, standby, lagBytes) };
      }),
  };
}

function pair(world: PostgresWorld): { readonly primary: PostgresServer; readonly standby: PostgresServer } {
  if (world.standby === undefined) throw new Error('the fault needs a world with a standby');
  return { primary: world.primary, standby: world.standby };
}

// Small writes that go on, so that the standby falls behind in bytes and in seconds.
function startWriter(primary: PostgresServer): Callers {
  return startCallers(primary, {
    applicationName: 'orders-worker',
    clients: 1,
    perSecond: 20,
    call: (client) =>
      client.query(
        `INSERT INTO search.outbox (payload, processed)
         SELECT jsonb_build_object($1::text, n), true FROM generate_series(1, $2) AS n`,
        ['reindex', 50],
      ),
  });
}

/** Bytes of WAL that the primary has written and the standby has not replayed. */
async function lag(primary: PostgresServer, standby: PostgresServer): Promise<number> {
  const [written] = await primary.admin<{ lsn: string }>('SELECT pg_current_wal_lsn()::text AS lsn');
  const [replayed] = await standby.admin<{ bytes: number }>(
    'SELECT pg_wal_lsn_diff($1::pg_lsn, pg_last_wal_replay_lsn())::float8 AS bytes',
    [written?.lsn],
  );
  return replayed?.bytes ?? 0;
}

function waitForLag(primary: PostgresServer, standby: PostgresServer, bytes: number): Promise<number> {
  return waitUntil(
    `the standby to be ${bytes} bytes behind`,
    async () => {
      const behind = await lag(primary, standby);
      return behind >= bytes && behind;
    },
    { timeoutMs: 60_000, everyMs: 50 },
  );
}

async function caughtUp(primary: PostgresServer, standby: PostgresServer): Promise<void> {
  await waitForRow('the standby to stream', standby, 'SELECT count(*) = 1 AS ok FROM pg_stat_wal_receiver');
  await waitUntil('the standby to catch up', async () => (await lag(primary, standby)) < 100_000, {
    timeoutMs: 120_000,
  });
}

// Holds the startup process, which replays, for 475 of 500 ms, until the returned function is called.
async function slowReplay(standby: PostgresServer, observe: () => Promise<void>): Promise<() => Promise<void>> {
  const [startup] = await standby.admin<{ pid: number }>(
    "SELECT pid FROM pg_stat_activity WHERE backend_type = 'startup'",
  );
  if (startup === undefined) throw new Error('the standby has no startup process');
  const stopping = new AbortController();
  const signal = AbortSignal.any([stopping.signal, standby.closing]);
  const duty = (async () => {
    for (let turn = 0; !signal.aborted && signalProcess(startup.pid, 'SIGSTOP'); turn += 1) {
      await sleep(475, undefined, { signal }).catch(() => undefined);
      signalProcess(startup.pid, 'SIGCONT');
      await sleep(25, undefined, { signal }).catch(() => undefined);
      if (turn % 4 === 3) await observe().catch(() => undefined);
    }
  })();
  return async () => {
    stopping.abort();
    await duty;
  };
}
