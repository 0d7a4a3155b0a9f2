import { describe, expect, test } from 'vitest';
import type { Notification, PageSection } from '../../model/notification.ts';
import { redact } from '../redact.ts';
import { alertEvent, changeEvent, MAX_PAYLOAD_BYTES, type PayloadContext } from './pagerduty-payload.ts';

const AT = Date.UTC(2026, 10, 23, 14, 2, 30);
const context: PayloadContext = {
  routingKey: 'e93facc04764012d7bfb002500d5d1a6',
  client: { name: 'runbookd', url: 'https://runbookd.example/' },
  group: 'rastup-prod',
  clean: redact,
};
const notification = (fields: Partial<Notification> = {}): Notification => ({
  id: 'n1',
  kind: 'trigger',
  key: 'runbookd:rastup-prod:01JD4Z8Q0V5N3',
  incident: '01JD4Z8Q0V5N3',
  at: AT,
  severity: 'critical',
  summary: 'main-db: 14 sessions blocked for 2 min · 94 % lock contention',
  target: 'main-db',
  detector: 'lock-contention',
  cause: 'lock-contention',
  reason: 'opened',
  sections: [
    { heading: 'WHAT', lines: ['14 of 40 sessions wait', 'p95 2.9 s'], value: 99 },
    { heading: 'RULED OUT', lines: ['CPU 31 %'], value: 60 },
  ],
  links: [{ href: 'https://runbookd.example/incidents/1', text: 'incident' }],
  ...fields,
});
const section = (heading: string, value: number, lines: readonly string[]): PageSection => ({ heading, value, lines });
const bytes = (event: unknown): number => Buffer.byteLength(JSON.stringify(event));

test('a page has the documented fields, the details in reading order', () => {
  expect(alertEvent(notification(), false, context)).toStrictEqual({
    routing_key: 'e93facc04764012d7bfb002500d5d1a6',
    event_action: 'trigger',
    dedup_key: 'runbookd:rastup-prod:01JD4Z8Q0V5N3',
    client: 'runbookd',
    client_url: 'https://runbookd.example/',
    payload: {
      summary: 'main-db: 14 sessions blocked for 2 min · 94 % lock contention',
      source: 'main-db',
      severity: 'critical',
      timestamp: '2026-11-23T14:02:30.000Z',
      component: 'main-db',
      group: 'rastup-prod',
      class: 'lock-contention',
      custom_details: { WHAT: '14 of 40 sessions wait\np95 2.9 s', 'RULED OUT': 'CPU 31 %' },
    },
    links: [{ href: 'https://runbookd.example/incidents/1', text: 'incident' }],
  });
});

test.each([
  ['trigger', 'trigger'],
  ['update', 'trigger'],
  ['resolve', 'resolve'],
] as const)('%s is the action %s with the same dedup key', (kind, action) => {
  const event = alertEvent(notification({ kind }), false, context);
  expect([event.event_action, event.dedup_key]).toStrictEqual([action, 'runbookd:rastup-prod:01JD4Z8Q0V5N3']);
});

test('the minimal form has the required fields alone', () => {
  expect(alertEvent(notification(), true, context)).toStrictEqual({
    routing_key: 'e93facc04764012d7bfb002500d5d1a6',
    event_action: 'trigger',
    dedup_key: 'runbookd:rastup-prod:01JD4Z8Q0V5N3',
    payload: { summary: notification().summary, source: 'main-db', severity: 'critical' },
  });
  expect(changeEvent(notification(), true, context)).toMatchObject({ links: [], payload: { custom_details: {} } });
});

describe('the summary', () => {
  test.each([
    ['is cut at a word below 1,024 code points', `${'word 😀 '.repeat(300)}`],
    ['is cut within a word that never ends', '漢'.repeat(3_000)],
  ])('%s', (_name, summary) => {
    const cut = alertEvent(notification({ summary }), false, context).payload.summary;
    expect(Array.from(cut).length).toBeLessThanOrEqual(1_024);
    expect(Array.from(cut).length).toBeGreaterThan(1_000);
    expect(cut).toMatch(/…$/);
    expect(cut.isWellFormed()).toBe(true);
  });

  test.each([
    ['is one line', 'a\n b\tc', 'a b c'],
    ['is never empty', ' \u0000\n', 'main-db'],
  ])('%s', (_name, summary, expected) => {
    expect(alertEvent(notification({ summary }), false, context).payload.summary).toBe(expected);
  });
});

describe('the dedup key', () => {
  test('stays below 255 characters, and long keys that differ at the end stay different', () => {
    const keys = ['a', 'b'].map((end) =>
      alertEvent(notification({ key: `runbookd:${'x'.repeat(300)}${end}` }), false, context),
    );
    for (const { dedup_key } of keys) expect(dedup_key.length).toBeLessThanOrEqual(255);
    expect(keys[0]?.dedup_key).not.toBe(keys[1]?.dedup_key);
  });

  test('does not carry a secret, and keys that differ in one stay different', () => {
    const keys = ['hunter2', 'hunter3'].map((secret) => {
      return alertEvent(notification({ key: `runbookd:password=${secret}` }), false, context).dedup_key;
    });
    expect(keys.join()).not.toMatch(/hunter/);
    expect(new Set(keys).size).toBe(2);
  });
});

test('a section whose heading is not on the list does not leave, and one that comes twice is one', () => {
  const sections = [section('ALSO', 80, ['one']), section('ENV', 99, ['x=1']), section('ALSO', 80, ['two'])];
  const { payload } = alertEvent(notification({ sections }), false, context);
  expect(payload.custom_details).toStrictEqual({ ALSO: 'one\ntwo' });
});

test('links that are not for a browser, or carry a secret, do not leave', () => {
  const hrefs = ['javascript:alert(1)', 'file:///etc/passwd', 'https://a.example/x y', 'http://a.example/'];
  hrefs.push('https://app:hunter2@a.example/', 'https://a.example/?x=-----BEGIN%20PRIVATE%20KEY-----%0AMIIE');
  const links = hrefs.map((href) => ({ href, text: 'x' }));
  expect(alertEvent(notification({ links }), false, context).links).toStrictEqual([
    { href: 'http://a.example/', text: 'x' },
  ]);
});

test('a time that no date can hold does not stop a page', () => {
  expect(() => alertEvent(notification({ at: Number.NaN }), false, context)).not.toThrow();
});

describe('a payload that is too large', () => {
  const large = (character: string) => Array.from({ length: 1_900 }, (_, n) => `${n} ${character.repeat(45)}`);

  test('loses its least valuable sections first, then lines, and says so', () => {
    const sections = [
      section('NEWS', 100, ['14:09 worse']),
      section('LIKELY', 97, large('漢')),
      section('MAYBE', 95, large('漢')),
      section('RULED OUT', 60, large('漢')),
      section('OWNER', 50, ['@dba']),
    ];
    const event = alertEvent(notification({ sections }), false, context);
    const details = event.payload.custom_details ?? {};
    expect(bytes(event)).toBeLessThanOrEqual(MAX_PAYLOAD_BYTES);
    expect(bytes(event)).toBeGreaterThan(MAX_PAYLOAD_BYTES - 1_000);
    expect(Object.keys(details)).toStrictEqual(['NEWS', 'LIKELY', 'MAYBE', 'LEFT OUT']);
    expect(details['LIKELY']?.split('\n').length).toBe(1_900);
    expect(details['MAYBE']).toMatch(/漢{45}$/);
    expect(details['LEFT OUT']).toBe('too large to send: the end of MAYBE, RULED OUT, OWNER');
  });

  test.each(['a', '"', '\\', '\n', '漢', '😀', '\ud83d', '\u0007', '&'])(
    'of 5 MB of %j fits and is valid UTF-8',
    (character) => {
      const headings = [
        'NEWS',
        'WHAT',
        'SINCE',
        'LIKELY',
        'ALSO',
        'MAYBE',
        'DO FIRST',
        'RULED OUT',
        'NOT SEEN',
        'OWNER',
      ];
      const lines = Array.from({ length: 50 }, () => character.repeat(10_000 / character.length));
      const sections = headings.map((heading, n) => section(heading, 100 - n, lines));
      const links = Array.from({ length: 1_000 }, () => ({
        href: `https://a.example/${'x'.repeat(1_900)}`,
        text: '漢'.repeat(1_000),
      }));
      for (const event of [
        alertEvent(notification({ sections, links, summary: character.repeat(100_000) }), false, context),
        changeEvent(notification({ sections, links }), false, context),
      ]) {
        const body = Buffer.from(JSON.stringify(event));
        expect(body.length).toBeLessThanOrEqual(MAX_PAYLOAD_BYTES);
        expect(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))).toStrictEqual(event);
        expect(JSON.stringify(event)).not.toMatch(/\\ud[89ab]/i);
      }
    },
  );
});
