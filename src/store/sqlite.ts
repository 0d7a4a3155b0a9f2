/**
 * The embedded store: one SQLite file, held by one process.
 *
 * States: closed → (directory, lock, check, migrate, holder written) → open → (holder removed) → closed. A process that
 * dies leaves the file, its write-ahead log and the holder file behind; the next open recovers from the log.
 */

import { mkdirSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Kysely } from 'kysely';
import type { Logger } from 'pino';
import { messageOf, RunbookdError } from '../model/errors.ts';
import type { EpochMs } from '../model/glossary.ts';
import type { Store } from '../model/store.ts';
import { damaged, isBusy, isDamage, storeFailure } from './failures.ts';
import { describeHolder, holderPath, removeHolder, writeHolder } from './holder.ts';
import { createStore } from './queries.ts';
import { type Schema, SQLITE_MIGRATIONS } from './schema.ts';
import { nodeSqliteDialect } from './sqlite-dialect.ts';

export interface SqliteStoreOptions {
  /** File, created with its directory when it is not there; `:memory:` for tests. */
  readonly path: string;
  readonly log: Pick<Logger, 'info' | 'warn'>;
  readonly now: () => EpochMs;
}

/**
 * Opens the store and takes its lock until `close()`.
 *
 * @throws RunbookdError STORE_OPEN (path), STORE_LOCKED (another process, named), STORE_DAMAGED (never an empty start
 * in its place), STORE_VERSION (written by a newer schema)
 */
export async function openSqliteStore({ path, log, now }: SqliteStoreOptions): Promise<Store> {
  const onDisk = path !== ':memory:';
  if (onDisk) prepareFile(path);
  const database = openLocked(path);
  try {
    check(database, path);
    const version = migrate(database, path, now());
    if (onDisk) writeHolder(path, { pid: process.pid, host: hostname(), since: new Date(now()).toISOString() });
    log.info({ path, schema: version }, 'store opened');
  } catch (error) {
    database.close();
    throw storeFailure(path, 'STORE_OPEN', error);
  }
  const db = new Kysely<Schema>({ dialect: nodeSqliteDialect(database) });
  return createStore({
    db,
    now,
    failure: (code, error) => storeFailure(path, code, error),
    close: async () => {
      await db.destroy();
      // Kysely closes the database only after its first query.
      if (database.isOpen) database.close();
      if (onDisk) removeHolder(path);
    },
  });
}

function prepareFile(path: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true });
    const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    if (size > 0) return;
    // SQLite would take a missing or empty file for a new store. A log or a holder beside it says that there was one.
    const rest = [`${path}-wal`, holderPath(path)].filter((name) => statSync(name, { throwIfNoEntry: false })?.size);
    if (rest.length > 0)
      throw damaged(path, `the file is missing or empty, but ${rest.join(' and ')} shows that it was in use`);
  } catch (error) {
    throw storeFailure(path, 'STORE_OPEN', error);
  }
}

function openLocked(path: string): DatabaseSync {
  let database: DatabaseSync | null = null;
  try {
    database = new DatabaseSync(path, { enableForeignKeyConstraints: true, timeout: 0 });
    // Exclusive before the first access: the write-ahead log then needs no shared memory, and the lock taken by the
    // first transaction is kept until the file is closed or the process dies.
    database.exec('pragma locking_mode = exclusive');
    database.exec('pragma journal_mode = wal');
    database.exec('pragma synchronous = full');
    database.exec('pragma journal_size_limit = 67108864');
    database.exec('begin exclusive; commit');
    return database;
  } catch (error) {
    database?.close();
    if (isBusy(error)) throw new RunbookdError('STORE_LOCKED', [path, describeHolder(path)], error);
    throw storeFailure(path, 'STORE_OPEN', error);
  }
}

function check(database: DatabaseSync, path: string): void {
  try {
    const problems = database
      .prepare('pragma quick_check(3)')
      .all()
      .map((row) => String(row['quick_check']));
    if (problems.length !== 1 || problems[0] !== 'ok') throw damaged(path, problems.join('; '));
  } catch (error) {
    throw isDamage(error) ? damaged(path, messageOf(error), error) : error;
  }
}

/** Applies what is missing, each migration with its version row in one transaction. Returns the schema's version. */
function migrate(database: DatabaseSync, path: string, now: EpochMs): number {
  database.exec(
    'create table if not exists schema_version (version integer primary key, applied_at integer not null) strict',
  );
  const found = Number(
    database.prepare('select coalesce(max(version), 0) as version from schema_version').get()?.['version'],
  );
  const known = SQLITE_MIGRATIONS.at(-1)?.version ?? 0;
  if (found > known) throw new RunbookdError('STORE_VERSION', [path, found, known]);
  for (const { version, statements } of SQLITE_MIGRATIONS) {
    if (version <= found) continue;
    database.exec('begin immediate');
    try {
      for (const statement of statements) database.exec(statement);
      database.prepare('insert into schema_version (version, applied_at) values (?, ?)').run(version, Math.round(now));
      database.exec('commit');
    } catch (error) {
      database.exec('rollback');
      throw error;
    }
  }
  return known;
}
