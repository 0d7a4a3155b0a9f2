/** Faults whose first symptom is an outbox that is worked off late. */

import { WELL } from '../../search.ts';
import { openSession } from '../../sessions.ts';
import type { SystemsWorld } from '../../systems.ts';
import type { ActiveFault } from '../fault.ts';
import { befall, type SystemFault } from './fault.ts';

const behind = (cause: string) => ({ detector: 'outbox-backlog', target: 'main-db', cause });
const WATCH = ['main-db', 'typesense'] as const;

const COUNT = 'select count(*), processed from search.outbox group by processed';
const WORKER_LOG = 'aws logs tail /aws/lambda/rastup-search-indexer --since 30m';

/** A session of its own keeps the outbox locked until the cure. */
async function locking(world: SystemsWorld, sql: string): Promise<ActiveFault> {
  const { primary } = world.postgres!;
  const session = await openSession(primary, 'search-migration', 'postgres');
  await session.query('BEGIN');
  await session.query(sql);
  const active = befall(world, ({ measure }) => {
    measure('outbox', { drained: 0, addedFactor: 0.02 });
    return { pid: session.pid };
  });
  return {
    facts: active.facts,
    cure: async () => {
      await session.query('ROLLBACK');
      await session.close();
      await active.cure();
    },
  };
}

export const outboxFaults: readonly SystemFault[] = [
  {
    name: 'outbox-worker-stopped',
    title: 'the worker of the outbox was scaled to zero: rows pile up and nobody takes them',
    expect: {
      ...behind('consumer-stopped'),
      commands: [COUNT, WORKER_LOG],
      says: [/search-outbox-worker was connected until/, /Nothing is worked off/],
    },
    calm: 12,
    watch: WATCH,
    inject: (world) =>
      befall(world, ({ measure }) => {
        measure('outbox', { drained: 0, worker: 'gone' });
        return {};
      }),
  },
  {
    name: 'outbox-worker-failing',
    title: 'the worker takes rows, fails with each of them, and gives them back',
    expect: {
      ...behind('consumer-failing'),
      commands: [COUNT, WORKER_LOG, "to_jsonb(o) - 'payload'"],
      says: [/search-outbox-worker is connected/],
    },
    lookAlikeOf: 'outbox-worker-stopped',
    calm: 12,
    watch: WATCH,
    inject: (world) =>
      befall(world, ({ measure, queue }) => {
        measure('outbox', { drained: 0, worker: 'fails' });
        queue('rastup-search-index', {
          log: {
            perMinute: 60,
            messages: [
              "TypeError: Cannot read properties of undefined (reading 'surface') at index (/var/task/index.js:{n})",
            ],
          },
        });
        return {};
      }),
  },
  {
    name: 'outbox-engine-full',
    title: 'the disk of the search engine is full: the worker takes rows, is refused, and gives them back',
    expect: {
      ...behind('search-engine-down'),
      variant: 'out-of-disk',
      on: 'typesense',
      says: [/OUT_OF_DISK/],
    },
    also: [{ detector: 'search-no-results', target: 'typesense' }],
    lookAlikeOf: 'outbox-worker-failing',
    watch: WATCH,
    inject: (world) =>
      befall(world, ({ measure, queue, undo }) => {
        world.typesense.set({ resourceError: 'OUT_OF_DISK', diskUsedBytes: Math.round(WELL.diskTotalBytes * 0.99) });
        undo(() => world.typesense.set({ resourceError: null, diskUsedBytes: WELL.diskUsedBytes }));
        measure('outbox', { drained: 0, worker: 'fails' });
        queue('rastup-search-index', {
          errorShare: 0.97,
          messages: [
            'ServerError: Request failed with HTTP code 422 | Server said: Rejecting write: running out of disk',
          ],
        });
        return {};
      }),
  },
  {
    name: 'outbox-worker-slow',
    title: 'the worker does half of what is added',
    expect: {
      ...behind('consumer-under-capacity'),
      commands: [COUNT],
      says: [/which is less than is added: it does not clear/],
    },
    watch: WATCH,
    within: 15,
    inject: (world) =>
      befall(world, ({ measure }) => {
        measure('outbox', { drained: 0.5 });
        return {};
      }),
  },
  {
    name: 'outbox-surge',
    title: 'an import adds four times the rows; the worker does what it always did',
    expect: {
      ...behind('traffic-surge'),
      commands: [COUNT],
      says: [/4(\.\d)?×/],
    },
    lookAlikeOf: 'outbox-worker-slow',
    watch: WATCH,
    inject: (world) =>
      befall(world, ({ measure }) => {
        measure('outbox', { addedFactor: 4, drained: 1.6 });
        return {};
      }),
  },
  {
    name: 'outbox-poison-row',
    title: 'one row at the head fails each time, the others pass it',
    expect: {
      ...behind('poison-row'),
      commands: ["to_jsonb(o) - 'payload'", WORKER_LOG],
      says: [/as before|rows? waits?/],
    },
    lookAlikeOf: 'outbox-worker-stopped',
    watch: WATCH,
    inject: (world) =>
      befall(world, ({ measure }) => {
        measure('outbox', { headStuck: true });
        return {};
      }),
  },
  {
    name: 'outbox-locked',
    title: 'a migration holds the outbox in a forgotten transaction: neither the worker nor those who write get at it',
    expect: {
      ...behind('lock-contention'),
      variant: 'idle-in-transaction',
      commands: ['pg_terminate_backend(pid)', 'pid = {pid}'],
      says: [/search\.outbox/],
    },
    also: [
      { detector: 'lock-contention', target: 'main-db' },
      { detector: 'search-no-results', target: 'typesense' },
    ],
    lookAlikeOf: 'outbox-worker-stopped',
    watch: WATCH,
    inject: (world) => locking(world, 'ALTER TABLE search.outbox ADD COLUMN surface text'),
  },
];
