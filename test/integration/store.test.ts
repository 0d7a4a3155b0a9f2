import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Commit, Notification, OutboxRow, Store } from '../../src/model/index.ts';
import { RunbookdError } from '../../src/model/index.ts';
import { openSqliteStore } from '../../src/store/sqlite.ts';
import { AT, sampleChange, sampleFinding, sampleIncident, sampleNotification } from '../world/samples.ts';
import { withDeadline } from '../world/wait.ts';

const log = pino({ level: 'silent' });
const NOTHING: Commit = { findings: [], incidents: [], notifications: [], changes: [] };
const page = (...notifications: readonly Notification[]): Commit => ({
  ...NOTHING,
  notifications: notifications.map((notification) => ({ channel: 'pagerduty', notification })),
});
const ids = (rows: readonly OutboxRow[]): readonly string[] => rows.map((row) => row.notification.id);

let directory: string;
let path: string;
let clock: number;
const opened: Store[] = [];

async function open(at: string = path): Promise<Store> {
  const store = await openSqliteStore({ path: at, log, now: () => clock });
  opened.push(store);
  return store;
}

async function openError(at: string = path): Promise<RunbookdError> {
  const error: unknown = await open(at).then(
    () => new Error('opened'),
    (reason: unknown) => reason,
  );
  if (!(error instanceof RunbookdError)) throw error;
  return error;
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'runbookd-store-'));
  path = join(directory, 'state.db');
  clock = AT;
});

afterEach(async () => {
  await Promise.all(opened.splice(0).map((store) => store.close()));
  rmSync(directory, { recursive: true, force: true });
});

describe('what is committed', () => {
  test('comes back the same after a reopen', async () => {
    const finding = sampleFinding('f1');
    const openEnd = sampleFinding('f2', {
      firstSeenAt: AT + 1,
      symptom: { ...finding.symptom, onset: { earliest: Number.NEGATIVE_INFINITY, latest: AT } },
    });
    const incident = sampleIncident('i1');
    const change = sampleChange('c1', { at: { earliest: AT + 0.25, latest: AT + 0.5 } });
    const notification = sampleNotification('n1', { summary: 'nul \u0000 and 😀 and "quotes"' });
    const first = await open();
    const { newChanges } = await first.commit({
      findings: [finding, openEnd],
      incidents: [incident],
      notifications: [{ channel: 'pagerduty', notification }],
      changes: [change],
    });
    await first.snapshot('main-db/activity', new Uint8Array([0, 1, 255]), AT);
    await first.close();
    expect(newChanges).toStrictEqual([change]);

    const store = await open();
    expect(await store.load()).toStrictEqual({ findings: [finding, openEnd], incidents: [incident] });
    expect(await store.incident('i1')).toStrictEqual(incident);
    expect(await store.incident('i2')).toBeNull();
    expect(await store.changes({ targets: ['main-db'], from: AT, to: AT + 1 })).toStrictEqual([change]);
    expect(await store.readSnapshot('main-db/activity')).toStrictEqual({ state: new Uint8Array([0, 1, 255]), at: AT });
    expect(await store.readSnapshot('other')).toBeNull();
    expect(await store.outboxDue(AT, 10)).toStrictEqual([
      {
        seq: 1,
        channel: 'pagerduty',
        notification,
        state: 'pending',
        attempts: 0,
        nextAt: 0,
        lastError: null,
        minimal: false,
      },
    ]);
  });

  test('replaces what had the same id, and resolved findings and incidents are no longer loaded', async () => {
    const store = await open(':memory:');
    await store.commit({ ...NOTHING, findings: [sampleFinding('f1')], incidents: [sampleIncident('i1')] });
    const finding = sampleFinding('f1', { state: 'resolved', resolvedAt: AT + 60_000 });
    const incident = sampleIncident('i1', { state: 'resolved', resolvedAt: AT + 60_000 });
    await store.commit({ ...NOTHING, findings: [finding], incidents: [incident] });
    expect(await store.load()).toStrictEqual({ findings: [], incidents: [] });
    expect(await store.findings({ state: 'resolved', limit: 10 })).toStrictEqual([finding]);
    expect(await store.incidents({ state: 'resolved', limit: 10 })).toStrictEqual([incident]);
    expect(await store.incidents({ state: 'open', limit: 10 })).toStrictEqual([]);
  });

  test('is listed newest first, up to the limit', async () => {
    const store = await open(':memory:');
    const incidents = [1, 2, 3].map((n) => sampleIncident(`i${n}`, { openedAt: AT + n }));
    const findings = [1, 2, 3].map((n) => sampleFinding(`f${n}`, { firstSeenAt: AT + n }));
    await store.commit({ ...NOTHING, incidents, findings });
    expect((await store.incidents({ limit: 2 })).map(({ id }) => id)).toStrictEqual(['i3', 'i2']);
    expect((await store.findings({ limit: 2 })).map(({ id }) => id)).toStrictEqual(['f3', 'f2']);
  });

  test('is all or nothing', async () => {
    const store = await open(':memory:');
    const broken = { ...sampleNotification('n1'), key: undefined } as unknown as Notification;
    const commit = { ...page(broken), findings: [sampleFinding('f1')] };
    await expect(store.commit(commit)).rejects.toMatchObject({ code: 'STORE_WRITE', retryable: true });
    expect((await store.load()).findings).toStrictEqual([]);
    await store.commit({ ...NOTHING, findings: [sampleFinding('f2')] });
    expect((await store.load()).findings.map(({ id }) => id)).toStrictEqual(['f2']);
  });

  test('tells new changes from known ones, and keeps the first', async () => {
    const store = await open(':memory:');
    await store.commit({ ...NOTHING, changes: [sampleChange('c1')] });
    const again = sampleChange('c1', { summary: 'other words' });
    const { newChanges } = await store.commit({ ...NOTHING, changes: [again, sampleChange('c2'), sampleChange('c2')] });
    expect(newChanges.map(({ id }) => id)).toStrictEqual(['c2']);
    const [first] = await store.changes({ targets: ['main-db'], from: 0, to: AT * 2 });
    expect(first?.summary).toBe('max_connections 100 → 40');
  });
});

test('changes are those of the targets whose interval touches the window, oldest first', async () => {
  const store = await open(':memory:');
  const at = (earliest: number, latest: number) => ({ at: { earliest, latest } });
  await store.commit({
    ...NOTHING,
    changes: [
      sampleChange('before', at(0, 99)),
      sampleChange('ends at the start', at(50, 100)),
      sampleChange('around', at(0, 1_000)),
      sampleChange('inside', at(120, 130)),
      sampleChange('starts at the end', at(200, 300)),
      sampleChange('after', at(201, 300)),
      sampleChange('other target', { ...at(120, 130), target: 'api' }),
      sampleChange('open end', at(Number.NEGATIVE_INFINITY, 150)),
    ],
  });
  const found = await store.changes({ targets: ['main-db', "o'brien"], from: 100, to: 200 });
  const expected = ['open end', 'around', 'ends at the start', 'inside', 'starts at the end'];
  expect(found.map(({ id }) => id)).toStrictEqual(expected);
  expect(await store.changes({ targets: [], from: 100, to: 200 })).toStrictEqual([]);
});

describe('the outbox', () => {
  const mark = { state: 'pending', attempts: 1, lastError: 'x', minimal: false } as const;

  test('takes a notification once per channel', async () => {
    const store = await open(':memory:');
    await store.commit(page(sampleNotification('n1')));
    await store.commit({
      ...NOTHING,
      notifications: [
        { channel: 'pagerduty', notification: sampleNotification('n1', { summary: 'again' }) },
        { channel: 'slack', notification: sampleNotification('n1') },
      ],
    });
    const due = await store.outboxDue(AT, 10);
    expect(due.map((row) => [row.channel, row.notification.summary.slice(0, 7)])).toStrictEqual([
      ['pagerduty', 'main-db'],
      ['slack', 'main-db'],
    ]);
  });

  test('shows only the oldest pending row of a key, and nothing while that one waits', async () => {
    const store = await open(':memory:');
    const key = 'runbookd:prod:1';
    await store.commit(
      page(
        sampleNotification('n1', { key }),
        sampleNotification('n2', { key, kind: 'update' }),
        sampleNotification('n3', { key, kind: 'resolve' }),
        sampleNotification('other', { key: 'runbookd:prod:2', kind: 'resolve' }),
      ),
    );
    const [head] = await store.outboxDue(AT, 10);
    expect(ids(await store.outboxDue(AT, 10))).toStrictEqual(['n1', 'other']);
    await store.outboxMark(head!.seq, { ...mark, nextAt: AT + 5_000 });
    expect(ids(await store.outboxDue(AT + 4_999, 10))).toStrictEqual(['other']);
    expect(ids(await store.outboxDue(AT + 5_000, 10))).toStrictEqual(['n1', 'other']);
    await store.outboxMark(head!.seq, { ...mark, state: 'delivered', nextAt: AT });
    expect(ids(await store.outboxDue(AT, 10))).toStrictEqual(['n2', 'other']);
    await store.outboxMark(head!.seq + 1, { ...mark, state: 'dead', nextAt: AT, minimal: true });
    expect(ids(await store.outboxDue(AT, 10))).toStrictEqual(['n3', 'other']);
    expect(await store.outboxCounts()).toStrictEqual({ pending: 2, dead: 1, oldestPendingAt: AT });
  });

  test('keeps what was marked', async () => {
    const store = await open(':memory:');
    await store.commit(page(sampleNotification('n1')));
    await store.outboxMark(1, { ...mark, attempts: 7, nextAt: AT - 1, lastError: 'refused', minimal: true });
    const [row] = await store.outboxDue(AT, 1);
    expect(row).toMatchObject({ attempts: 7, nextAt: AT - 1, lastError: 'refused', minimal: true, state: 'pending' });
  });

  test('shows a critical page first behind a flood of warnings, and each channel its share', async () => {
    const store = await open(':memory:');
    const flood = Array.from({ length: 2_000 }, (_, n) => sampleNotification(`w${n}`, { severity: 'warning' }));
    await store.commit(page(...flood, sampleNotification('critical')));
    await store.commit({
      ...NOTHING,
      notifications: [{ channel: 'slack', notification: sampleNotification('s1', { severity: 'info' }) }],
    });
    expect(ids(await store.outboxDue(AT, 2))).toStrictEqual(['critical', 'w0', 's1']);
  });

  test('does not wait longer because the clock was set back', async () => {
    const store = await open(':memory:');
    await store.commit(page(sampleNotification('n1')));
    await store.outboxMark(1, { ...mark, nextAt: AT + 300_000 });
    expect(await store.outboxDue(AT + 1, 1)).toHaveLength(0);
    expect(await store.outboxDue(AT - 3_600_000, 1)).toHaveLength(1);
  });

  test('counts nothing when empty', async () => {
    const store = await open(':memory:');
    expect(await store.outboxCounts()).toStrictEqual({ pending: 0, dead: 0, oldestPendingAt: null });
  });
});

test('pruning deletes what is old and over, and keeps everything undelivered with its incident', async () => {
  const store = await open(':memory:');
  const over = { state: 'resolved', resolvedAt: AT } as const;
  await store.commit({
    findings: [
      sampleFinding('firing'),
      sampleFinding('old', over),
      sampleFinding('of-waiting', over),
      sampleFinding('of-open', over),
      sampleFinding('recent', { ...over, resolvedAt: AT + 10_000 }),
    ],
    incidents: [
      sampleIncident('open', { findings: ['of-open'] }),
      sampleIncident('old', { ...over, findings: ['old'] }),
      sampleIncident('waiting', { ...over, findings: ['of-waiting'] }),
    ],
    notifications: [
      { channel: 'pagerduty', notification: sampleNotification('delivered', { incident: 'old' }) },
      { channel: 'pagerduty', notification: sampleNotification('pending', { incident: 'waiting' }) },
      { channel: 'pagerduty', notification: sampleNotification('dead', { incident: 'old' }) },
    ],
    changes: [
      sampleChange('old', { at: { earliest: 0, latest: 1 } }),
      sampleChange('new', { at: { earliest: 0, latest: AT * 2 } }),
    ],
  });
  const mark = { attempts: 1, nextAt: AT, lastError: null, minimal: true };
  await store.outboxMark(1, { ...mark, state: 'delivered' });
  await store.outboxMark(3, { ...mark, state: 'dead' });
  await store.prune(AT + 5_000);
  const findings = await store.findings({ limit: 10 });
  expect(findings.map(({ id }) => id).toSorted()).toStrictEqual(['firing', 'of-open', 'of-waiting', 'recent']);
  expect((await store.incidents({ limit: 10 })).map(({ id }) => id).toSorted()).toStrictEqual(['open', 'waiting']);
  expect(await store.outboxCounts()).toMatchObject({ pending: 1, dead: 1 });
  expect((await store.changes({ targets: ['main-db'], from: 0, to: AT })).map(({ id }) => id)).toStrictEqual(['new']);
  await store.commit(page(sampleNotification('next')));
  expect((await store.outboxDue(AT, 10)).map(({ seq }) => seq)).toStrictEqual([2, 4]);
});

describe('opening', () => {
  test('creates the directory, and a clean close leaves no holder behind', async () => {
    path = join(directory, 'a', 'b', 'state.db');
    const store = await open();
    expect(JSON.parse(readFileSync(`${path}.holder`, 'utf8'))).toStrictEqual({
      pid: process.pid,
      host: hostname(),
      since: new Date(AT).toISOString(),
    });
    await store.close();
    expect(existsSync(`${path}.holder`)).toBe(false);
  });

  test('leaves a file that writes ahead', async () => {
    await (await open()).close();
    const database = new DatabaseSync(path);
    expect(database.prepare('pragma journal_mode').get()).toMatchObject({ journal_mode: 'wal' });
    database.close();
  });

  test('a second store on the same file is refused, naming the holder', async () => {
    await open();
    const error = await openError();
    expect(error.code).toBe('STORE_LOCKED');
    for (const part of [path, `pid ${process.pid}`, hostname(), '2026-11-23T14:02:30.000Z']) {
      expect(error.message).toContain(part);
    }
    expect(existsSync(`${path}.holder`)).toBe(true);
  });

  test('a holder file that says nothing does not hide the lock', async () => {
    await open();
    writeFileSync(`${path}.holder`, '{"pid":');
    expect(await openError()).toMatchObject({ code: 'STORE_LOCKED', message: expect.stringContaining('no name') });
  });

  test.each([
    ['below a file', () => join('/dev/null', 'x', 'state.db')],
    ['a directory', () => directory],
  ])('a path %s cannot be opened', async (_name, at) => {
    expect(await openError(at())).toMatchObject({ code: 'STORE_OPEN', message: expect.stringContaining(at()) });
  });

  test('a store of a newer schema is left alone', async () => {
    await (await open()).close();
    const database = new DatabaseSync(path);
    database.exec('insert into schema_version (version, applied_at) values (99, 0)');
    database.close();
    expect(await openError()).toMatchObject({ code: 'STORE_VERSION', message: expect.stringContaining('99') });
  });
});

describe('damage', () => {
  async function filled(): Promise<void> {
    const store = await open();
    await store.commit(page(...Array.from({ length: 400 }, (_, n) => sampleNotification(`n${n}`))));
    await store.close();
  }
  const overwrite = (from: number, bytes: number): void => {
    const file = readFileSync(path);
    for (let i = from; i < Math.min(from + bytes, file.length); i += 1) file[i] = file[i]! ^ 0xa5;
    writeFileSync(path, file);
  };

  test.each([
    ['a file that is not a database', () => writeFileSync(path, 'hello, this is no database at all')],
    ['flipped bytes in the header', () => overwrite(0, 64)],
    ['flipped bytes of the first page', () => overwrite(100, 2_000)],
    ['flipped bytes in the middle', () => overwrite(Math.floor(statSync(path).size / 2 / 4_096) * 4_096, 4_096)],
    ['a file cut short', () => truncateSync(path, 8_192)],
  ])('%s is told with the file and what to do, never an empty start', async (_name, damage) => {
    await filled();
    damage();
    const before = readFileSync(path);
    const error = await openError();
    expect(error.code).toBe('STORE_DAMAGED');
    expect(error.message).toContain(path);
    expect(error.message).toContain('restore a copy');
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  test.each([
    ['missing', () => rmSync(path)],
    ['empty', () => truncateSync(path, 0)],
  ])('a file that is %s beside traces of its use is damage, too', async (_name, damage) => {
    await filled();
    writeFileSync(`${path}.holder`, '{}');
    damage();
    expect(await openError()).toMatchObject({ code: 'STORE_DAMAGED', message: expect.stringContaining('.holder') });
  });

  test('a row that cannot be read is told, not skipped', async () => {
    await filled();
    const database = new DatabaseSync(path);
    database.exec(`update outbox set body = substr(body, 1, 20) where seq = 1`);
    database.close();
    const store = await open();
    await expect(store.outboxDue(AT, 10)).rejects.toMatchObject({ code: 'STORE_DAMAGED' });
  });
});

describe('a process killed at any time', () => {
  const script = fileURLToPath(new URL('../world/store-writer.ts', import.meta.url));
  const node = fileURLToPath(new URL('../../node_modules/.bin/node', import.meta.url));
  let child: ChildProcess;

  /** Starts a writer that prints the id of each commit after it returned, and kills it after `count` of them. */
  async function killedAfter(count: number): Promise<readonly string[]> {
    child = spawn(node, [script, path], { stdio: ['ignore', 'pipe', 'inherit'] });
    const acknowledged: string[] = [];
    let rest = '';
    const reading = (async () => {
      for await (const chunk of child.stdout!) {
        const lines = `${rest}${chunk}`.split('\n');
        rest = lines.pop() ?? '';
        acknowledged.push(...lines);
        if (acknowledged.length >= count) child.kill('SIGKILL');
      }
    })();
    const exited = once(child, 'exit');
    await withDeadline('the killed writer', 30_000, Promise.all([reading, exited]));
    return acknowledged;
  }

  test('has on disk all that it acknowledged, and its lock and holder file block nobody', async () => {
    for (const count of [1, 7, 40]) {
      const acknowledged = await killedAfter(count);
      expect(acknowledged.length).toBeGreaterThanOrEqual(count);
      expect(existsSync(`${path}.holder`)).toBe(true);
      const store = await open();
      const found = ids(await store.outboxDue(AT * 2, 100_000));
      expect(acknowledged.filter((id) => !found.includes(id))).toStrictEqual([]);
      await store.close();
    }
  });

  test('leaves a log whose torn end costs nothing before it', async () => {
    await killedAfter(20);
    const wal = `${path}-wal`;
    truncateSync(wal, statSync(wal).size - 100);
    const store = await open();
    const found = (await store.outboxDue(AT * 2, 100_000)).length;
    expect(found).toBeGreaterThanOrEqual(19);
  });
});
