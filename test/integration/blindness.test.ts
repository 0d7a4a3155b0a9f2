/**
 * What runbookd cannot see, end to end on a real server: a grant or an extension that is missing is said, with the
 * command that helps; what it hides is not called healthy; and once that very command was run, it is seen.
 */

import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Harness, startHarness } from '../e2e/harness.ts';
import { lockIdleInTransaction } from '../world/faults/index.ts';
import { type PostgresVersion, type PostgresWorld, startPostgres } from '../world/postgres.ts';

const OPTIONS = { 'lock-contention': { holdSeconds: 0, rewalkSeconds: 0.5 } };
const DEADLINE_MS = 20_000;

describe.each<{ readonly version: PostgresVersion }>([{ version: 18 }, { version: 15 }])(
  'PostgreSQL $version',
  ({ version }) => {
    let world: PostgresWorld;

    beforeAll(async () => {
      world = await startPostgres({ version });
      await world.primary.admin("CREATE ROLE plain LOGIN PASSWORD 'plain-password'");
      await world.primary.admin('CREATE DATABASE bare');
    });
    afterAll(async () => {
      await world?.[Symbol.asyncDispose]();
    });

    const watching = (change: (url: URL) => void): Promise<Harness> => {
      const url = new URL(world.primary.monitorUrl);
      change(url);
      return startHarness({ url: url.href, options: OPTIONS });
    };
    const spots = (harness: Harness) => harness.pipeline.blindness().map(({ check, grant }) => [check, grant]);

    test('a role without pg_monitor: a lock chain is seen, its cause is not guessed, and the grant shows it', async () => {
      await using harness = await watching((url) => {
        url.username = 'plain';
        url.password = 'plain-password';
      });
      const fault = await lockIdleInTransaction({ waiters: 2 }).inject(world);
      try {
        expect(await harness.pollUntil(() => harness.firing('lock-contention') !== undefined, DEADLINE_MS)).toBe(true);
        const grant = 'GRANT pg_monitor TO plain;';
        expect(spots(harness)).toEqual(
          expect.arrayContaining([
            ['sessions', grant],
            ['settings', grant],
          ]),
        );
        const { diagnosis, symptom } = harness.firing('lock-contention')!;
        // That sessions wait is no secret, only whose they are and what they do.
        expect(symptom.headline).toMatch(/^3 sessions blocked/);
        expect(diagnosis?.verdict).toBe('inconclusive');
        expect(JSON.stringify(diagnosis?.causes)).not.toContain('pg_terminate_backend');
        const hidden = diagnosis?.gaps.filter((gap) => gap.because === 'denied') ?? [];
        expect(hidden.flatMap((gap) => gap.hides).join()).toContain('lock-contention');
        for (const gap of hidden) expect(gap.grant).toMatch(/^GRANT pg_monitor /);

        await world.primary.admin(grant);
        const known = await harness.pollUntil(
          () => harness.firing('lock-contention')?.diagnosis?.verdict === 'cause',
          DEADLINE_MS,
        );
        expect(known).toBe(true);
        const first = harness.firing('lock-contention')?.diagnosis?.causes[0];
        expect(first).toMatchObject({ cause: 'lock-contention', variant: 'idle-in-transaction' });
        expect(JSON.stringify(first?.mitigations)).toContain(`pid = ${fault.facts.blockerPid}`);
        expect(await harness.pollUntil(() => spots(harness).length === 0, DEADLINE_MS)).toBe(true);
      } finally {
        await fault.cure();
        await world.primary.admin('REVOKE pg_monitor FROM plain');
      }
    });

    test('a database without the extension: its statements are blind, the rest goes on, CREATE EXTENSION ends it', async () => {
      await using harness = await watching((url) => {
        url.pathname = '/bare';
      });
      await harness.poll();
      expect(spots(harness)).toEqual([['statements', 'CREATE EXTENSION pg_stat_statements;']]);
      expect(harness.pipeline.cycles()).toBeGreaterThan(1);

      const admin = new URL(world.primary.adminUrl);
      admin.pathname = '/bare';
      await run(admin.href, harness.pipeline.blindness()[0]?.grant ?? '');
      expect(await harness.pollUntil(() => spots(harness).length === 0, DEADLINE_MS)).toBe(true);
    });

    test('losing the sight of an open incident does not end it', async () => {
      await world.primary.admin('GRANT pg_monitor TO plain');
      await using harness = await watching((url) => {
        url.username = 'plain';
        url.password = 'plain-password';
      });
      const fault = await lockIdleInTransaction({ waiters: 2 }).inject(world);
      try {
        const diagnosed = (): boolean => harness.firing('lock-contention')?.diagnosis?.verdict === 'cause';
        expect(await harness.pollUntil(diagnosed, DEADLINE_MS)).toBe(true);
        await world.primary.admin('REVOKE pg_monitor FROM plain');
        expect(await harness.pollUntil(() => spots(harness).length > 0, DEADLINE_MS)).toBe(true);
        for (let poll = 0; poll < 5; poll++) await harness.poll();
        // What was found out while it could be seen still stands.
        expect(diagnosed()).toBe(true);
        expect(harness.incidents()).toHaveLength(1);
        expect(harness.notifications.filter((one) => one.kind === 'resolve')).toEqual([]);
      } finally {
        await fault.cure();
      }
    });
  },
);

async function run(url: string, sql: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
