/** The store's queries, on any dialect of the schema. Opening, locking and migrating are the dialect's own (`sqlite.ts`). */

import type { Kysely, Selectable, Transaction } from 'kysely';
import { sql } from 'kysely';
import type { Change } from '../model/change.ts';
import type { ErrorCode } from '../model/errors.ts';
import type { Finding, Incident } from '../model/finding.ts';
import type { EpochMs } from '../model/glossary.ts';
import type { Notification, OutboxRow } from '../model/notification.ts';
import type { Commit, Store } from '../model/store.ts';
import { decode, encode } from './json.ts';
import type { OutboxTable, Schema } from './schema.ts';
import { urgencyOf } from './urgency.ts';

export interface QueryContext {
  readonly db: Kysely<Schema>;
  readonly now: () => EpochMs;
  /** Turns what the driver threw into an error of the catalogue. */
  readonly failure: (code: ErrorCode, error: unknown) => Error;
  /** Releases what opening took: called once. */
  readonly close: () => Promise<void>;
}

/** Integer columns hold whole milliseconds within JavaScript's exact range; open ends of intervals are clamped to it. */
const column = (at: EpochMs): number => {
  const whole = Math.round(at);
  return Math.min(Math.max(whole, Number.MIN_SAFE_INTEGER), Number.MAX_SAFE_INTEGER) || 0;
};
const columnOrNull = (at: EpochMs | null): number | null => (at === null ? null : column(at));

export function createStore({ db, now, failure, close }: QueryContext): Store {
  const reading = <T>(work: () => Promise<T>): Promise<T> => guarded('STORE_READ', work);
  const writing = <T>(work: () => Promise<T>): Promise<T> => guarded('STORE_WRITE', work);
  async function guarded<T>(code: ErrorCode, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw failure(code, error);
    }
  }
  let closing: Promise<void> | null = null;

  return {
    load: () =>
      reading(async () => {
        const findings = await db
          .selectFrom('finding')
          .select('body')
          .where('state', '!=', 'resolved')
          .orderBy('first_seen_at')
          .orderBy('id')
          .execute();
        const incidents = await db
          .selectFrom('incident')
          .select('body')
          .where('state', '=', 'open')
          .orderBy('opened_at')
          .orderBy('id')
          .execute();
        return { findings: bodies<Finding>(findings), incidents: bodies<Incident>(incidents) };
      }),

    commit: (commit) => writing(() => db.transaction().execute((tx) => writeCommit(tx, commit, now()))),

    incidents: ({ state, limit }) =>
      reading(async () => {
        let query = db.selectFrom('incident').select('body');
        if (state !== undefined) query = query.where('state', '=', state);
        return bodies<Incident>(
          await query.orderBy('opened_at', 'desc').orderBy('id', 'desc').limit(rows(limit)).execute(),
        );
      }),

    incident: (id) =>
      reading(async () => {
        const row = await db.selectFrom('incident').select('body').where('id', '=', id).executeTakeFirst();
        return row === undefined ? null : decode<Incident>(row.body);
      }),

    findings: ({ state, limit }) =>
      reading(async () => {
        let query = db.selectFrom('finding').select('body');
        if (state !== undefined) query = query.where('state', '=', state);
        return bodies<Finding>(
          await query.orderBy('first_seen_at', 'desc').orderBy('id', 'desc').limit(rows(limit)).execute(),
        );
      }),

    changes: ({ targets, from, to }) =>
      reading(async () =>
        bodies<Change>(
          await db
            .selectFrom('change')
            .select('body')
            // One JSON parameter: the number of bound parameters of a statement is limited, that of targets is not.
            .where('target', 'in', sql<string>`(select value from json_each(${JSON.stringify(targets)}))`)
            .where('latest', '>=', column(from))
            .where('earliest', '<=', column(to))
            .orderBy('earliest')
            .orderBy('latest')
            .orderBy('id')
            .execute(),
        ),
      ),

    outboxDue: (at, limit) => reading(() => due(db, at, limit)),

    outboxMark: (seq, mark) =>
      writing(async () => {
        await db
          .updateTable('outbox')
          .set({
            state: mark.state,
            attempts: mark.attempts,
            next_at: column(mark.nextAt),
            marked_at: column(now()),
            last_error: mark.lastError,
            minimal: mark.minimal ? 1 : 0,
          })
          .where('seq', '=', seq)
          .execute();
      }),

    outboxCounts: () =>
      reading(async () => {
        const counts = await db
          .selectFrom('outbox')
          .select((e) => [
            e.fn.countAll<number>().filterWhere('state', '=', 'pending').as('pending'),
            e.fn.countAll<number>().filterWhere('state', '=', 'dead').as('dead'),
            e.fn.min<number | null>('enqueued_at').filterWhere('state', '=', 'pending').as('oldest'),
          ])
          .where('state', 'in', ['pending', 'dead'])
          .executeTakeFirstOrThrow();
        return { pending: counts.pending, dead: counts.dead, oldestPendingAt: counts.oldest };
      }),

    snapshot: (key, state, at) =>
      writing(async () => {
        await db
          .insertInto('snapshot')
          .values({ key, state, at: column(at) })
          .onConflict((oc) => oc.column('key').doUpdateSet({ state, at: column(at) }))
          .execute();
      }),

    readSnapshot: (key) =>
      reading(async () => {
        const row = await db.selectFrom('snapshot').select(['state', 'at']).where('key', '=', key).executeTakeFirst();
        return row === undefined ? null : { state: row.state, at: row.at };
      }),

    prune: (before) => writing(() => db.transaction().execute((tx) => deleteOld(tx, column(before)))),

    close: () => {
      closing ??= writing(close);
      return closing;
    },
  };
}

const rows = (limit: number): number => Math.max(0, Math.floor(limit));

function bodies<T>(found: readonly { readonly body: string }[]): readonly T[] {
  return found.map((row) => decode<T>(row.body));
}

async function writeCommit(
  tx: Transaction<Schema>,
  { findings, incidents, notifications, changes }: Commit,
  now: EpochMs,
): Promise<{ readonly newChanges: readonly Change[] }> {
  for (const finding of findings) {
    const values = {
      state: finding.state,
      first_seen_at: column(finding.firstSeenAt),
      resolved_at: columnOrNull(finding.resolvedAt),
      body: encode(finding),
    };
    await tx
      .insertInto('finding')
      .values({ id: finding.id, ...values })
      .onConflict((oc) => oc.column('id').doUpdateSet(values))
      .execute();
  }
  for (const incident of incidents) {
    const values = {
      state: incident.state,
      opened_at: column(incident.openedAt),
      resolved_at: columnOrNull(incident.resolvedAt),
      body: encode(incident),
    };
    await tx
      .insertInto('incident')
      .values({ id: incident.id, ...values })
      .onConflict((oc) => oc.column('id').doUpdateSet(values))
      .execute();
  }
  for (const { channel, notification } of notifications) {
    await tx
      .insertInto('outbox')
      .values({
        channel,
        notification_id: notification.id,
        key: notification.key,
        incident: notification.incident,
        urgency: urgencyOf(notification),
        enqueued_at: column(now),
        state: 'pending',
        attempts: 0,
        // At once, whatever a clock that is set back says later.
        next_at: 0,
        marked_at: 0,
        last_error: null,
        minimal: 0,
        body: encode(notification),
      })
      .onConflict((oc) => oc.columns(['channel', 'notification_id']).doNothing())
      .execute();
  }
  const newChanges: Change[] = [];
  for (const change of changes) {
    const inserted = await tx
      .insertInto('change')
      .values({
        id: change.id,
        target: change.target,
        earliest: column(change.at.earliest),
        latest: column(change.at.latest),
        body: encode(change),
      })
      .onConflict((oc) => oc.column('id').doNothing())
      .returning('id')
      .execute();
    if (inserted.length > 0) newChanges.push(change);
  }
  return { newChanges };
}

/**
 * Heads only: an earlier pending row of the same (channel, key), due or not, keeps the later ones back. A row marked
 * "later than now" is due: the clock was set back since, and a back-off must not grow by the size of that step.
 */
async function due(db: Kysely<Schema>, at: EpochMs, limit: number): Promise<readonly OutboxRow[]> {
  const heads = db
    .selectFrom('outbox as o')
    .select((e) => [
      'o.seq',
      e.fn
        .agg<number>('row_number')
        .over((over) => over.partitionBy('o.channel').orderBy('o.urgency').orderBy('o.seq'))
        .as('rank'),
    ])
    .where('o.state', '=', 'pending')
    .where((e) => e.or([e('o.next_at', '<=', column(at)), e('o.marked_at', '>', column(at))]))
    .where((e) =>
      e.not(
        e.exists(
          e
            .selectFrom('outbox as earlier')
            .select('earlier.seq')
            .where('earlier.state', '=', 'pending')
            .whereRef('earlier.channel', '=', 'o.channel')
            .whereRef('earlier.key', '=', 'o.key')
            .whereRef('earlier.seq', '<', 'o.seq'),
        ),
      ),
    );
  const found = await db
    .selectFrom(heads.as('head'))
    .innerJoin('outbox', 'outbox.seq', 'head.seq')
    .selectAll('outbox')
    .where('head.rank', '<=', rows(limit))
    .orderBy('outbox.urgency')
    .orderBy('outbox.seq')
    .execute();
  return found.map(outboxRow);
}

function outboxRow(row: Selectable<OutboxTable>): OutboxRow {
  return {
    seq: row.seq,
    channel: row.channel,
    notification: decode<Notification>(row.body),
    state: row.state,
    attempts: row.attempts,
    nextAt: row.next_at,
    lastError: row.last_error,
    minimal: row.minimal !== 0,
  };
}

async function deleteOld(tx: Transaction<Schema>, before: number): Promise<void> {
  await tx.deleteFrom('outbox').where('state', '=', 'delivered').where('enqueued_at', '<', before).execute();
  await tx
    .deleteFrom('incident')
    .where('state', '=', 'resolved')
    .where('resolved_at', '<', before)
    .where((e) =>
      e.not(
        e.exists(
          e
            .selectFrom('outbox')
            .select('outbox.seq')
            .where('outbox.state', '=', 'pending')
            .whereRef('outbox.incident', '=', 'incident.id'),
        ),
      ),
    )
    .execute();
  // A finding of an incident that stays is kept with it: its ids must lead somewhere.
  await tx
    .deleteFrom('finding')
    .where('state', '=', 'resolved')
    .where('resolved_at', '<', before)
    .where('id', 'not in', sql<string>`(select value from incident, json_each(incident.body, '$.findings'))`)
    .execute();
  await tx.deleteFrom('change').where('latest', '<', before).execute();
}
