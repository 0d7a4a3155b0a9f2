/** The outbox over the real store and the unmodified vendor client, against PagerDuty's documented model over HTTPS. */

import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Notification, NotificationKind, OutboxRow, Store } from '../../src/model/index.ts';
import { createPagerDutyChannel, type PagerDutyOptions } from '../../src/notify/channels/pagerduty.ts';
import { createOutbox, type Outbox, type OutboxOutcome } from '../../src/notify/outbox.ts';
import { openSqliteStore } from '../../src/store/sqlite.ts';
import { canaries } from '../world/canaries.ts';
import { type PagerDutyFault, type PagerDutyWorld, startPagerDuty } from '../world/pagerduty.ts';
import { AT, sampleNotification } from '../world/samples.ts';
import { waitUntil } from '../world/wait.ts';

const ROUTING_KEY = 'e93facc04764012d7bfb002500d5d1a6';
/** Long enough for a TLS handshake on a busy machine. */
const DEADLINE_MS = 1_500;
const signal = new AbortController().signal;

let pagerduty: PagerDutyWorld;
let store: Store;
let outbox: Outbox;
let clock: number;
let logged: string;
let outcomes: OutboxOutcome[];

/** Deterministic numbers in [0, 1): mulberry32. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function outboxWith(options: Partial<PagerDutyOptions> = {}): Outbox {
  const write = (line: string): void => {
    logged += line;
  };
  const log = pino({ level: 'trace' }, { write });
  const channel = createPagerDutyChannel({
    routingKey: () => ROUTING_KEY,
    server: pagerduty.server,
    caFile: pagerduty.caFile,
    client: { name: 'runbookd', url: 'https://runbookd.example/' },
    group: 'rastup-prod',
    log,
    ...options,
  });
  return createOutbox({
    store,
    channels: [channel],
    log,
    now: () => clock,
    // The pace is tested without a network; here it would only lengthen the simulated time.
    ratePerMinute: 6_000,
    deadlineMs: DEADLINE_MS,
    onOutcome: (_channel, outcome) => void outcomes.push(outcome),
  });
}

const enqueue = (...notifications: readonly Notification[]) =>
  store.commit({
    findings: [],
    incidents: [],
    notifications: notifications.map((notification) => ({ channel: 'pagerduty', notification })),
    changes: [],
  });

/** The life of an incident: a page, an update, a resolve. */
const life = (key: string, kinds: readonly NotificationKind[] = ['trigger', 'update', 'resolve']) =>
  kinds.map((kind, n) => sampleNotification(`${key}-${n}`, { key, kind, summary: `${key} ${n} ${kind}` }));

const heads = (): Promise<readonly OutboxRow[]> => store.outboxDue(clock + 1e9, 1_000);

/** Moves the clock on and pumps until nothing is pending; fails when `hours` of the clock were not enough. */
async function drain(hours: number): Promise<void> {
  const end = clock + hours * 3_600_000;
  while ((await store.outboxCounts()).pending > 0) {
    if (clock > end) throw new Error(`still pending after ${hours} h: ${JSON.stringify(await heads())}`);
    clock += 60_000;
    await outbox.pump(signal);
  }
}

/** Every key's incident is there once, and closed by its resolve; its events came in order, repeats aside. */
function expectWholeLives(keys: readonly string[]): void {
  const { incidents } = pagerduty.ledger();
  expect(incidents.map(({ dedupKey }) => dedupKey).toSorted()).toStrictEqual(keys.toSorted());
  expect(pagerduty.openIncidents()).toStrictEqual([]);
  for (const { dedupKey, events } of incidents) {
    const steps = events.map(({ raw }) => (raw['payload'] as { summary: string }).summary);
    expect([...new Set(steps)]).toStrictEqual(life(dedupKey).map(({ summary }) => summary));
    expect(steps).toStrictEqual(steps.toSorted());
  }
}

beforeAll(async () => {
  pagerduty = await startPagerDuty();
});
afterAll(() => pagerduty.close());
beforeEach(async () => {
  clock = AT;
  logged = '';
  outcomes = [];
  pagerduty.setFault('ok');
  pagerduty.clear();
  store = await openSqliteStore({ path: ':memory:', log: pino({ level: 'silent' }), now: () => clock });
  outbox = outboxWith();
});
afterEach(async () => {
  await outbox.stop();
  await store.close();
});

test('a page, its update and its resolve are one incident, taken in order in one pump', async () => {
  await enqueue(...life('a'), ...life('b'));
  expect(await outbox.pump(signal)).toBe(6);
  expectWholeLives(['a', 'b']);
  expect(await store.outboxCounts()).toMatchObject({ pending: 0, dead: 0 });
});

describe('nothing is lost or out of order while PagerDuty', () => {
  const faults: readonly PagerDutyFault[] = ['429', '500', 'html', 'empty', 'hang', 'reset', 'lose-reply', 'drip'];
  test.each(faults)('answers with %s', async (fault) => {
    const keys = ['a', 'b', 'c'];
    await enqueue(...keys.flatMap((key) => life(key)));
    pagerduty.setFault(fault);
    for (let round = 0; round < 3; round += 1) {
      const before = pagerduty.ledger().requests.length;
      // One attempt for each key's oldest row, and one request for each attempt: the client must not repeat by itself.
      expect(await outbox.pump(signal)).toBe(keys.length);
      expect(pagerduty.ledger().requests.length - before).toBe(keys.length);
      clock += 300_000;
    }
    expect(await store.outboxCounts()).toMatchObject({ pending: 9, dead: 0 });
    expect(outcomes.every((outcome) => outcome === 'retry')).toBe(true);
    pagerduty.setFault('ok');
    await drain(1);
    expectWholeLives(keys);
    await waitUntil('all connections closed', () => pagerduty.connections() === 0);
  });

  test('does all of this at random', async () => {
    const random = seeded(20_261_123);
    const faults: readonly PagerDutyFault[] = ['429', '500', 'html', 'empty', 'reset', 'lose-reply', 'ok', 'ok'];
    const keys = Array.from({ length: 25 }, (_, n) => `k${n}`);
    for (const key of keys) await enqueue(...life(key));
    for (let round = 0; round < 40; round += 1) {
      pagerduty.setFault(faults[Math.floor(random() * faults.length)]!, { probability: 0.5 });
      await outbox.pump(signal);
      clock += 60_000;
    }
    pagerduty.setFault('ok');
    await drain(1);
    expectWholeLives(keys);
  });

  test('is down for 24 h: all is delivered after it, critical pages within a minute', async () => {
    const keys = Array.from({ length: 6 }, (_, n) => `k${n}`);
    await enqueue(...keys.flatMap((key) => life(key)));
    const faults: readonly PagerDutyFault[] = ['500', 'html', '429', 'reset'];
    const recovery = clock + 24 * 3_600_000;
    for (let round = 0; clock < recovery - 1_200_000; round += 1) {
      pagerduty.setFault(faults[round % faults.length]!);
      await outbox.pump(signal);
      clock = Math.min(clock + 3_600_000, recovery - 1_200_000);
    }
    pagerduty.setFault('500');
    while (clock < recovery) {
      await outbox.pump(signal);
      clock += 60_000;
    }
    expect(pagerduty.ledger().incidents).toStrictEqual([]);
    expect((await store.outboxCounts()).pending).toBe(18);
    pagerduty.setFault('ok');
    clock = recovery + 60_000;
    await outbox.pump(signal);
    expect(pagerduty.ledger().incidents).toHaveLength(6);
    await drain(1);
    expectWholeLives(keys);
    expect(logged.split('\n').length).toBeLessThan(400);
  });
});

test('one key that hangs does not hold up the others', async () => {
  await enqueue(...life('stuck'), ...life('free'));
  pagerduty.setFault('hang', { when: ({ dedupKey }) => dedupKey === 'stuck' });
  const pumped = outbox.pump(signal);
  const started = performance.now();
  await pagerduty.waitFor(({ incidents }) => incidents.some(({ state }) => state === 'resolved'), DEADLINE_MS);
  expect(performance.now() - started).toBeLessThan(DEADLINE_MS);
  await pumped;
  pagerduty.setFault('ok');
  await drain(1);
  expectWholeLives(['stuck', 'free']);
});

test('a throttled page waits as long as PagerDuty asks', async () => {
  await enqueue(...life('a', ['trigger']));
  pagerduty.setFault('429', { retryAfterSeconds: 70 });
  await outbox.pump(signal);
  expect((await heads())[0]).toMatchObject({
    nextAt: AT + 70_000,
    lastError: 'pagerduty answered 429: too many requests',
  });
});

describe('a payload that PagerDuty refuses', () => {
  test('goes out once more in minimal form', async () => {
    await enqueue(...life('a'));
    pagerduty.setFault('400', { when: ({ details }) => Object.keys(details).length > 0 });
    expect(await outbox.pump(signal)).toBe(6);
    expectWholeLives(['a']);
    expect(outcomes).toStrictEqual(['refused', 'delivered', 'refused', 'delivered', 'refused', 'delivered']);
  });

  test.each<[PagerDutyFault, string]>([
    ['400', 'pagerduty answered 400: Event object is invalid; injected: refused'],
    ['401', 'the routing key is not accepted'],
    ['413', 'pagerduty answered 413: the body cannot be read as JSON'],
  ])(
    'in minimal form as well (%s) is a dead letter after two requests, and does not hold up its key',
    async (fault, text) => {
      await enqueue(...life('a'), ...life('b'));
      pagerduty.setFault(fault, { when: ({ dedupKey, action }) => dedupKey === 'a' && action === 'trigger' });
      await outbox.pump(signal);
      expect(await store.outboxCounts()).toMatchObject({ pending: 0, dead: 2 });
      expect(pagerduty.ledger().requests.filter(({ event }) => event?.summary === 'a 0 trigger')).toHaveLength(2);
      expect(pagerduty.ledger().dropped.map(({ dedupKey }) => dedupKey)).toStrictEqual(['a']);
      const dead = logged.split('\n').filter((line) => line.includes('"level":50'));
      expect(dead).toHaveLength(2);
      expect(dead[0]).toContain(text);
    },
  );
});

test('evidence of 5 MB leaves as at most 512,000 bytes and is taken', async () => {
  const headings = ['WHAT', 'SINCE', 'LIKELY', 'ALSO', 'MAYBE', 'RULED OUT', 'NOT SEEN', 'OTHERWISE', 'OWNER', 'NEWS'];
  const lines = Array.from({ length: 5_000 }, (_, n) => `${n} pid 2134 holds 漢字 😀 "orders" ${'x'.repeat(60)}`);
  const sections = headings.map((heading, n) => ({ heading, lines, value: 100 - n }));
  await enqueue(sampleNotification('large', { sections }), sampleNotification('change', { sections, kind: 'change' }));
  await drain(1);
  const { requests, incidents, changes } = pagerduty.ledger();
  expect([incidents.length, changes.length]).toStrictEqual([1, 1]);
  expect(requests.every(({ status }) => status === 202)).toBe(true);
  for (const { bytes } of requests) expect(bytes).toBeLessThanOrEqual(512_000);
});

// The receiver's answer has a second and a half: a busy machine may miss it, and then the count is another one.
test('none of 200 planted secrets leaves, is logged, or is kept as an error', { retry: 2 }, async () => {
  const secrets = canaries(200);
  const every = (n: number): string =>
    secrets
      .filter((_, index) => index % 10 === n)
      .map(({ text }) => text)
      .join(' and ');
  const planted = sampleNotification('planted', {
    key: `runbookd:${secrets[0]?.text}`,
    summary: `main-db: ${every(1)}`,
    target: `main-db ${every(2)}`,
    detector: every(3),
    reason: every(4),
    cause: every(5),
    sections: [
      { heading: 'WHAT', lines: [every(0), every(6)], value: 9 },
      { heading: 'LIKELY', lines: secrets.map(({ text }) => `holds ${text} for 2 min`), value: 8 },
      { heading: every(7), lines: [every(7)], value: 7 },
    ],
    links: secrets.map(({ text }) => ({ href: `https://runbookd.example/?q=${encodeURI(text)}`, text })),
  });
  await enqueue(
    planted,
    { ...planted, id: 'resolve', kind: 'resolve' },
    { ...planted, id: 'change', kind: 'change', key: 'c' },
  );
  pagerduty.setFault('400');
  await outbox.pump(signal);
  pagerduty.setFault('ok');
  await enqueue({ ...planted, id: 'again' });
  await outbox.pump(signal);
  const { requests } = pagerduty.ledger();
  expect(requests.length).toBe(7);
  const outside = `${requests.map(({ body, headers }) => body + JSON.stringify(headers)).join()}${logged}`;
  expect(secrets.filter(({ secret }) => outside.includes(secret) || outside.includes(encodeURI(secret)))).toStrictEqual(
    [],
  );
  expect(logged).not.toContain(ROUTING_KEY);
  for (const line of logged.trim().split('\n')) expect(() => JSON.parse(line)).not.toThrow();
});

describe('the routing key', () => {
  test('is read anew for each delivery; while it cannot be read the page waits', async () => {
    const keys: readonly (string | null)[] = [null, '', `${ROUTING_KEY}\n`];
    let reads = 0;
    outbox = outboxWith({
      routingKey: () => {
        const key = keys[Math.min(reads, 2)];
        reads += 1;
        if (typeof key !== 'string') throw new Error('file:/run/secrets/pagerduty: no such file');
        return key;
      },
    });
    await enqueue(...life('a'));
    await outbox.pump(signal);
    expect((await heads())[0]?.lastError).toContain('no such file');
    await drain(1);
    expectWholeLives(['a']);
    expect(pagerduty.ledger().incidents[0]?.routingKey).toBe(ROUTING_KEY);
  });

  test('of a ruleset does not take change events, which is said; it takes pages', async () => {
    outbox = outboxWith({ routingKey: () => `R${ROUTING_KEY.slice(1)}` });
    await enqueue(...life('a'), sampleNotification('change', { kind: 'change', key: 'change' }));
    await outbox.pump(signal);
    expectWholeLives(['a']);
    expect(await store.outboxCounts()).toMatchObject({ pending: 0, dead: 1 });
    expect(logged).toContain('change events are not taken by the key of a ruleset');
  });
});

test('a change event goes to its own place and opens nothing', async () => {
  await enqueue(sampleNotification('change', { kind: 'change', summary: 'max_connections 100 → 40' }));
  await outbox.pump(signal);
  const { changes, incidents } = pagerduty.ledger();
  expect(changes.map(({ summary }) => summary)).toStrictEqual(['max_connections 100 → 40']);
  expect(incidents).toStrictEqual([]);
});

describe('a page waits, with the reason, when', () => {
  test.each<[string, () => Partial<PagerDutyOptions>, RegExp]>([
    ['the name does not resolve', () => ({ server: 'events.invalid' }), /ENOTFOUND|EAI_AGAIN/],
    ['nobody listens', () => ({ server: '127.0.0.1:1' }), /ECONNREFUSED/],
    ['the certificate is not trusted', () => ({ caFile: undefined as never }), /self-signed certificate/],
    ['the file of the authority is gone', () => ({ caFile: '/nonexistent/ca.pem' }), /ENOENT.*ca\.pem/],
  ])('%s', async (_name, options, reason) => {
    outbox = outboxWith(options());
    await enqueue(...life('a'));
    expect(await outbox.pump(signal)).toBe(1);
    expect((await heads())[0]).toMatchObject({ state: 'pending', lastError: expect.stringMatching(reason) });
    outbox = outboxWith();
    await drain(1);
    expectWholeLives(['a']);
  });

  test('the certificate has expired', async () => {
    const expired = await startPagerDuty({ certificate: 'expired' });
    try {
      outbox = outboxWith({ server: expired.server, caFile: expired.caFile });
      await enqueue(...life('a'));
      await outbox.pump(signal);
      expect((await heads())[0]?.lastError).toContain('certificate has expired');
      expect(expired.ledger().requests).toStrictEqual([]);
    } finally {
      await expired.close();
    }
  });
});

test('a person who resolves in between gets at most one new incident, by the next trigger', async () => {
  await enqueue(...life('a', ['trigger']));
  await outbox.pump(signal);
  expect(pagerduty.resolveByHand('a')).toBe(true);
  await enqueue(...life('a').slice(1));
  await outbox.pump(signal);
  expect(pagerduty.ledger().incidents.map(({ state }) => state)).toStrictEqual(['resolved', 'resolved']);
});

test('a process that stopped during a delivery delivers it after the restart, as one incident', async () => {
  await enqueue(...life('a'));
  pagerduty.setFault('hang');
  const pumped = outbox.pump(signal);
  await pagerduty.waitFor(({ requests }) => requests.length === 1, 5_000);
  await outbox.stop();
  await pumped;
  expect((await heads())[0]).toMatchObject({ state: 'pending', attempts: 0 });
  pagerduty.setFault('ok');
  outbox = outboxWith();
  await outbox.pump(signal);
  expectWholeLives(['a']);
});
