import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { faults } from './faults/index.ts';
import { type PostgresServer, startPostgres } from './postgres.ts';
import { childrenOf, isAlive } from './processes.ts';
import { openSession } from './sessions.ts';
import { waitUntil } from './wait.ts';
import { startWorkload } from './workload.ts';

async function blocked(server: PostgresServer): Promise<number> {
  const rows = await server.admin("SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'");
  return rows.length;
}

async function sessions(server: PostgresServer): Promise<number> {
  const rows = await server.admin("SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'");
  return rows.length;
}

describe('the world in miniature', () => {
  test('a pair of version 18 streams, works, survives a restart and a fault, and leaves nothing', async () => {
    const world = await startPostgres({ version: 18, standby: true });
    const { primary, standby, directory } = world;
    const pids: number[] = [];
    try {
      expect(standby).toBeDefined();
      for (const server of [primary, standby!]) pids.push(server.pid, ...(await childrenOf(server.pid)));
      expect(pids.length).toBeGreaterThan(8);

      const [row] = await primary.admin<{ id: string }>(
        "INSERT INTO search.outbox (payload) VALUES ('{}') RETURNING id::text",
      );
      await waitUntil('the row to reach the standby', async () => {
        return (await standby!.admin('SELECT 1 FROM search.outbox WHERE id = $1', [row!.id])).length === 1;
      });

      const idle = await sessions(primary);
      const workload = startWorkload(primary, { clients: 4, perSecond: 80, replica: standby! });
      await waitUntil('the workload to work', () => workload.stats().transactions > 40);
      expect(workload.stats().errors).toBe(0);
      await primary.restart('fast');
      const { transactions } = workload.stats();
      await waitUntil('the workload to go on', () => workload.stats().transactions > transactions + 20);
      await workload.stop();
      const { transactions: stopped } = workload.stats();
      await sleep(100);
      expect(workload.stats().transactions).toBe(stopped);
      await waitUntil('its sessions to end', async () => (await sessions(primary)) === idle);

      const active = await faults['lock-idle-in-transaction']!.inject(world);
      expect(await blocked(primary)).toBe(Number(active.facts['waiters']) + 1);
      const [blocker] = await primary.admin(
        `SELECT application_name, state, pg_blocking_pids(pid) AS blocked_by FROM pg_stat_activity WHERE pid = $1`,
        [active.facts['blockerPid']],
      );
      expect(blocker).toEqual({ application_name: 'checkout-worker', state: 'idle in transaction', blocked_by: [] });
      await active.cure();
      expect(await blocked(primary)).toBe(0);
      expect(await sessions(primary)).toBe(idle);
    } finally {
      await world[Symbol.asyncDispose]();
    }
    await waitUntil('all its processes to be gone', () => !pids.some(isAlive), { timeoutMs: 5_000 });
    expect(existsSync(directory)).toBe(false);
  });

  test('a single server of version 15 can be stopped, paused and released while paused', async () => {
    const world = await startPostgres({ version: 15, settings: { work_mem: '1MB' } });
    const { primary, directory } = world;
    const { pid } = primary;
    expect(world.standby).toBeUndefined();
    const [row] = await primary.admin(
      "SELECT current_setting('server_version') AS v, current_setting('work_mem') AS m",
    );
    expect(row).toEqual({ v: expect.stringMatching(/^15\./), m: '1MB' });
    const active = await faults['unreachable-stopped']!.inject(world);
    expect(isAlive(pid)).toBe(false);
    await active.cure();
    await primary.admin('SELECT 1');
    await faults['unreachable-paused']!.inject(world);
    const paused = primary.pid;
    await world[Symbol.asyncDispose]();
    expect(isAlive(paused)).toBe(false);
    expect(existsSync(directory)).toBe(false);
  });

  test('the roles are what the runbook and the daemon expect', async () => {
    await using world = await startPostgres({ ssl: true });
    const roles = await world.primary.admin(
      `SELECT rolname, rolsuper, rolconnlimit, pg_has_role(rolname, 'pg_monitor', 'member') AS monitor
       FROM pg_roles WHERE rolname IN ('admin', 'app', 'runbookd') ORDER BY rolname`,
    );
    expect(roles).toEqual([
      { rolname: 'admin', rolsuper: true, rolconnlimit: -1, monitor: true },
      { rolname: 'app', rolsuper: false, rolconnlimit: -1, monitor: false },
      { rolname: 'runbookd', rolsuper: false, rolconnlimit: 3, monitor: true },
    ]);
    const session = await openSession(world.primary, 'probe', 'runbookd');
    await expect(session.query('SELECT count(*) FROM orders')).rejects.toThrow('permission denied');
    await session.close();
    expect(existsSync(world.certificateFile!)).toBe(true);
  });
});
