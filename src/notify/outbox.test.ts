import { describe, expect, test } from 'vitest';
import type { Channel, DeliveryOutcome, Notification, OutboxRow } from '../model/notification.ts';
import type { Store } from '../model/store.ts';
import { createOutbox, type OutboxOptions, type OutboxOutcome } from './outbox.ts';

type OutboxStore = Pick<Store, 'outboxDue' | 'outboxMark'>;

/** Rows in memory, shown as the store's contract says. */
function memoryStore(notifications: readonly Partial<Notification>[], channel = 'test') {
  const rows: OutboxRow[] = [];
  const add = (fields: Partial<Notification>): void => {
    const seq = rows.length + 1;
    const notification = {
      id: `n${seq}`,
      kind: 'trigger',
      key: `k${seq}`,
      severity: 'warning',
      ...fields,
    } as Notification;
    rows.push({
      seq,
      channel,
      notification,
      state: 'pending',
      attempts: 0,
      nextAt: 0,
      lastError: null,
      minimal: false,
    });
  };
  notifications.forEach(add);
  const urgent = ({ notification }: OutboxRow): number => (notification.severity === 'critical' ? 0 : 1);
  const store: OutboxStore = {
    outboxDue: async (now, limit) => {
      const heads = new Map<string, OutboxRow>();
      for (const row of rows) {
        if (row.state === 'pending' && !heads.has(row.notification.key)) heads.set(row.notification.key, row);
      }
      const due = [...heads.values()].filter((row) => row.nextAt <= now);
      return due.toSorted((a, b) => urgent(a) - urgent(b) || a.seq - b.seq).slice(0, limit);
    },
    outboxMark: async (seq, mark) => {
      rows[seq - 1] = { ...rows[seq - 1]!, ...mark };
    },
  };
  return { store, rows, add };
}

interface Logged {
  readonly level: string;
  readonly fields: unknown;
  readonly message: string;
}

function recorder() {
  const lines: Logged[] = [];
  const at = (level: string) => (fields: unknown, message: string) => void lines.push({ level, fields, message });
  return { lines, log: { info: at('info'), warn: at('warn'), error: at('error') } as unknown as OutboxOptions['log'] };
}

const channelOf = (deliver: Channel['deliver'], name = 'test'): Channel => ({ name, deliver });
const DELIVERED: DeliveryOutcome = { outcome: 'delivered' };
const forever = new AbortController().signal;

function outboxOf(store: OutboxStore, channels: readonly Channel[], options: Partial<OutboxOptions> = {}) {
  return createOutbox({ store, channels, log: recorder().log, now: () => 0, ratePerMinute: 600, ...options });
}

/** A channel that answers when told to; `waiting` are the keys under way. */
function heldChannel() {
  const held = new Map<string, (outcome: DeliveryOutcome) => void>();
  const channel = channelOf(({ key }) => new Promise((resolve) => held.set(key, resolve)));
  const release = (key: string): void => {
    held.get(key)?.(DELIVERED);
    held.delete(key);
  };
  return { channel, release, waiting: () => [...held.keys()] };
}

const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
};

describe('lanes', () => {
  test('one receiver’s slow keys leave room for others, and one lane is kept for critical pages', async () => {
    const memory = memoryStore([{}, {}, {}, {}, {}]);
    const held = heldChannel();
    const outbox = outboxOf(memory.store, [held.channel]);
    const pumped = outbox.pump(forever);
    await settle();
    expect(held.waiting()).toStrictEqual(['k1', 'k2', 'k3']);
    memory.add({ severity: 'critical', key: 'urgent' });
    held.release('k1');
    await settle();
    expect(held.waiting()).toStrictEqual(['k2', 'k3', 'urgent', 'k4']);
    for (const key of ['urgent', 'k2', 'k3', 'k4']) held.release(key);
    await settle();
    held.release('k5');
    expect(await pumped).toBe(6);
    expect(memory.rows.every(({ state }) => state === 'delivered')).toBe(true);
  });

  test('rows of one key go one after the other, in order', async () => {
    const memory = memoryStore([{ key: 'a' }, { key: 'a', kind: 'update' }, { key: 'a', kind: 'resolve' }]);
    const seen: string[] = [];
    let under = 0;
    const channel = channelOf(async ({ kind }) => {
      under += 1;
      expect(under).toBe(1);
      await settle();
      under -= 1;
      seen.push(kind);
      return DELIVERED;
    });
    expect(await outboxOf(memory.store, [channel]).pump(forever)).toBe(3);
    expect(seen).toStrictEqual(['trigger', 'update', 'resolve']);
  });
});

describe('whatever a channel does, the pump goes on', () => {
  test.each<[string, Channel['deliver']]>([
    [
      'throws',
      () => {
        throw new Error('broken');
      },
    ],
    ['rejects', () => Promise.reject(new Error('broken'))],
    ['ignores its signal for ever', () => new Promise(() => undefined)],
  ])('%s', async (_name, deliver) => {
    const memory = memoryStore([{ key: 'bad' }, { key: 'good' }]);
    const channel = channelOf((notification, minimal, signal) =>
      notification.key === 'bad' ? deliver(notification, minimal, signal) : Promise.resolve(DELIVERED),
    );
    expect(await outboxOf(memory.store, [channel], { deadlineMs: 20 }).pump(forever)).toBe(2);
    expect(memory.rows.map(({ state, attempts, nextAt }) => [state, attempts, nextAt])).toStrictEqual([
      ['pending', 1, 5_000],
      ['delivered', 1, 0],
    ]);
  });
});

test('no minute has more attempts than allowed, and a critical page behind a flood is tried at once', async () => {
  const memory = memoryStore(Array.from({ length: 500 }, () => ({})));
  let now = 0;
  const times: number[] = [];
  const criticalAt: number[] = [];
  const channel = channelOf(async ({ severity }) => {
    times.push(now);
    if (severity === 'critical') criticalAt.push(now);
    return DELIVERED;
  });
  const outbox = outboxOf(memory.store, [channel], { now: () => now, ratePerMinute: 60 });
  for (; now < 600_000; now += 500) {
    await outbox.pump(forever);
    if (now === 200_000) memory.add({ severity: 'critical' });
  }
  const most = Math.max(...times.map((from) => times.filter((at) => at >= from && at < from + 60_000).length));
  expect(most).toBeLessThanOrEqual(60);
  expect(criticalAt).toStrictEqual([200_500]);
  expect(memory.rows.filter(({ state }) => state === 'pending').length).toBeLessThan(100);
});

test('outcomes are counted, a dead letter is loud, a repeated error is logged once, a recovery is said', async () => {
  const memory = memoryStore([{ key: 'a' }, { key: 'b' }, { key: 'c' }]);
  const outcomes: OutboxOutcome[] = [];
  const { lines, log } = recorder();
  let now = 0;
  const channel = channelOf(async ({ key }, minimal) => {
    if (key === 'a') return { outcome: 'refused', error: `bad${minimal ? ' still' : ''}, password=hunter2` };
    return now === 0 ? { outcome: 'retry', error: 'down' } : DELIVERED;
  });
  const onOutcome = (_name: string, outcome: OutboxOutcome): void => void outcomes.push(outcome);
  const outbox = outboxOf(memory.store, [channel], { now: () => now, log, onOutcome });
  await outbox.pump(forever);
  now = 5_000;
  await outbox.pump(forever);
  expect(outcomes.toSorted()).toStrictEqual(['dead', 'delivered', 'delivered', 'refused', 'retry', 'retry']);
  expect(memory.rows.map(({ state }) => state)).toStrictEqual(['dead', 'delivered', 'delivered']);
  expect(lines.filter(({ level }) => level === 'error')).toHaveLength(1);
  expect(lines.filter(({ fields }) => JSON.stringify(fields).includes('"down"'))).toHaveLength(1);
  expect(lines.at(-1)?.message).toBe('notifications are delivered again');
  expect(JSON.stringify([lines, memory.rows])).not.toContain('hunter2');
});

describe('stopping', () => {
  test('leaves what is under way untouched, and a later pump does nothing', async () => {
    const memory = memoryStore([{}]);
    const aborted: boolean[] = [];
    const channel = channelOf(
      (_notification, _minimal, signal) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => {
            aborted.push(true);
            resolve({ outcome: 'retry', error: 'aborted' });
          });
        }),
    );
    const outbox = outboxOf(memory.store, [channel]);
    const pumped = outbox.pump(forever);
    await settle();
    await outbox.stop();
    expect(await pumped).toBe(1);
    expect(aborted).toStrictEqual([true]);
    expect(memory.rows[0]).toMatchObject({ state: 'pending', attempts: 0, nextAt: 0 });
    expect(await outbox.pump(forever)).toBe(0);
  });

  test('by the caller’s signal ends the pump as well', async () => {
    const memory = memoryStore([{}, {}]);
    const caller = new AbortController();
    const pumped = outboxOf(memory.store, [channelOf(() => new Promise(() => undefined))]).pump(caller.signal);
    await settle();
    caller.abort();
    await pumped;
    expect(memory.rows.every(({ attempts }) => attempts === 0)).toBe(true);
  });
});

test('a pump while another runs joins it: nothing is sent twice', async () => {
  const memory = memoryStore([{}, {}, {}]);
  let sent = 0;
  const channel = channelOf(async () => {
    sent += 1;
    return DELIVERED;
  });
  const outbox = outboxOf(memory.store, [channel]);
  await Promise.all([outbox.pump(forever), outbox.pump(forever)]);
  expect(sent).toBe(3);
});

test('rows of a channel that is not configured wait, said once', async () => {
  const memory = memoryStore([{}, {}], 'slack');
  const { lines, log } = recorder();
  const outbox = outboxOf(memory.store, [channelOf(async () => DELIVERED)], { log });
  expect(await outbox.pump(forever)).toBe(0);
  expect(await outbox.pump(forever)).toBe(0);
  expect(lines).toHaveLength(1);
  expect(memory.rows.every(({ state }) => state === 'pending')).toBe(true);
});

test('a failure of the store comes out, after what was under way', async () => {
  const memory = memoryStore([{}, {}]);
  const store: OutboxStore = { ...memory.store, outboxMark: () => Promise.reject(new Error('disk full')) };
  await expect(outboxOf(store, [channelOf(async () => DELIVERED)]).pump(forever)).rejects.toThrow('disk full');
});
