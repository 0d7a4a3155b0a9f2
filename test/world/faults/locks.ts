import type { PostgresServer } from '../server.ts';
import type { Session } from '../sessions.ts';
import { type Expectation, type Fault, injecting, sessionsFor, waitForBlocked, waitForRow } from './fault.ts';

export interface LockOptions {
  /** Sessions that queue behind the lock. Default 6. */
  readonly waiters?: number;
}

const expect = (variant: string): Expectation => ({ detector: 'lock-contention', cause: 'lock-contention', variant });

/** The row that the faults lock. */
const lockedOrder = 4_242;

/** A forgotten transaction holds one row, a migration waits for it, and everybody waits for the migration. */
export function lockIdleInTransaction({ waiters = 6 }: LockOptions = {}): Fault {
  return {
    name: 'lock-idle-in-transaction',
    title: 'checkout-worker forgot a transaction; a migration and the whole application wait behind it',
    expect: expect('idle-in-transaction'),
    inject: (world) =>
      injecting(world, async (undo) => {
        const { primary } = world;
        undo.defer(() => noneBlocked(primary));
        undo.defer(() => dropColumn(primary));
        const [blocker] = await sessionsFor(undo, primary, 'checkout-worker');
        await blocker!.query('BEGIN');
        await blocker!.query("UPDATE orders SET note = 'packing' WHERE id = $1", [lockedOrder]);
        const migrationPid = await queueBehind(undo, primary, blocker!, waiters);
        return { blockerPid: blocker!.pid, migrationPid, waiters };
      }),
  };
}

/** A long report is running, which harms nobody until a migration queues behind it. */
export function lockDdlQueue({ waiters = 6 }: LockOptions = {}): Fault {
  return {
    name: 'lock-ddl-queue',
    title: 'a migration waits behind a long report, and the application behind the migration',
    expect: expect('ddl-queue'),
    inject: (world) =>
      injecting(world, async (undo) => {
        const { primary } = world;
        undo.defer(() => noneBlocked(primary));
        undo.defer(() => dropColumn(primary));
        const [report] = await sessionsFor(undo, primary, 'reporting');
        report!.start(
          'SELECT status, sum(total_cents), max(pause::text) FROM orders, pg_sleep(3600) AS pause GROUP BY 1',
        );
        await waitForRow(
          'the report to run',
          primary,
          "SELECT count(*) = 1 AS ok FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'",
          [report!.pid],
        );
        const migrationPid = await queueBehind(undo, primary, report!, waiters);
        return { blockerPid: report!.pid, migrationPid, waiters };
      }),
  };
}

/** A batch job updates and computes in one transaction, and others want the same row. */
export function lockRunningTransaction({ waiters = 6 }: LockOptions = {}): Fault {
  return {
    name: 'lock-running-transaction',
    title: 'a long running update holds a row that the application wants to write',
    expect: expect('running-transaction'),
    inject: (world) =>
      injecting(world, async (undo) => {
        const { primary } = world;
        undo.defer(() => noneBlocked(primary));
        const [batch] = await sessionsFor(undo, primary, 'billing-batch');
        await batch!.query('BEGIN');
        await batch!.query("UPDATE orders SET note = 'billing' WHERE id = $1", [lockedOrder]);
        batch!.start("UPDATE orders SET note = 'billing' || pg_sleep(3600)::text WHERE id = $1", [lockedOrder + 1]);
        await writersBehind(undo, primary, batch!.pid, waiters);
        return { blockerPid: batch!.pid, waiters };
      }),
  };
}

/** A two-phase commit that nobody finished: no session holds the lock, so there is nothing to terminate. */
export function lockPreparedTransaction({ waiters = 6 }: LockOptions = {}): Fault {
  return {
    name: 'lock-prepared-transaction',
    title: 'a prepared transaction that nobody finished holds a row that the application wants to write',
    expect: expect('prepared-transaction'),
    inject: (world) =>
      injecting(world, async (undo) => {
        const { primary } = world;
        const gid = `ledger-${Date.now()}`;
        undo.defer(() => noneBlocked(primary));
        undo.defer(async () => {
          const [prepared] = await primary.admin('SELECT gid FROM pg_prepared_xacts WHERE gid = $1', [gid]);
          if (prepared !== undefined) await primary.admin(`ROLLBACK PREPARED '${gid}'`);
        });
        const [ledger] = await sessionsFor(undo, primary, 'ledger');
        await ledger!.query('BEGIN');
        await ledger!.query("UPDATE orders SET note = 'ledger' WHERE id = $1", [lockedOrder]);
        await ledger!.query(`PREPARE TRANSACTION '${gid}'`);
        await ledger!.close();
        // Views show a prepared transaction as process 0.
        await writersBehind(undo, primary, 0, waiters);
        return { blockerPid: 0, gid, waiters };
      }),
  };
}

/** A migration waits behind the blocker, and readers and writers alike behind the migration. Returns its process id. */
async function queueBehind(
  undo: AsyncDisposableStack,
  server: PostgresServer,
  blocker: Session,
  waiters: number,
): Promise<number> {
  const [migration] = await sessionsFor(undo, server, 'migrate');
  const queue = await sessionsFor(undo, server, 'checkout-api', waiters);
  migration!.start('ALTER TABLE public.orders ADD COLUMN gift_message text');
  await waitForBlocked(server, blocker.pid, 1);
  for (const [index, session] of queue.entries()) {
    if (index % 2 === 0) session.start('SELECT * FROM orders WHERE id = $1', [index + 1]);
    else session.start("UPDATE orders SET status = 'paid' WHERE id = $1", [index + 1]);
  }
  await waitForBlocked(server, blocker.pid, waiters + 1);
  return migration!.pid;
}

async function writersBehind(
  undo: AsyncDisposableStack,
  server: PostgresServer,
  blockerPid: number,
  waiters: number,
): Promise<void> {
  const queue = await sessionsFor(undo, server, 'checkout-api', waiters);
  for (const session of queue) session.start("UPDATE orders SET status = 'paid' WHERE id = $1", [lockedOrder]);
  await waitForBlocked(server, blockerPid, waiters);
}

// The migration goes through as soon as somebody terminates the blocker, which is what a user of the fault may do.
async function dropColumn(server: PostgresServer): Promise<void> {
  await server.admin('ALTER TABLE public.orders DROP COLUMN IF EXISTS gift_message');
}

async function noneBlocked(server: PostgresServer): Promise<void> {
  await waitForRow(
    'no session to wait for a lock',
    server,
    "SELECT count(*) = 0 AS ok FROM pg_stat_activity WHERE wait_event_type = 'Lock'",
  );
}
