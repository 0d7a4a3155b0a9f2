import { expect, test } from 'vitest';
import { configFromText } from './cli/testdata.ts';
import { configFromEnv } from './config/index.ts';
import { SLOTS } from './sdk/slots.ts';
import { contactOf, targetsOf } from './targets.ts';

const base = configFromEnv({
  DATABASE_URL: 'postgres://monitor@db.internal/app',
  REPLICA_URL: 'postgres://monitor@replica.internal/app',
});

test.each([
  ['nobody is configured', {}, null],
  ['the default comes last', { default: '#oncall' }, '#oncall'],
  ['before it the kind of target', { default: '#oncall', databases: '@dba' }, '@dba'],
  ['before that the detector', { default: '#oncall', databases: '@dba', 'slow-queries': '@app' }, '@app'],
])('%s', (_title, contacts, expected) => {
  const config = { ...base, contacts: Object.assign(Object.create(null), contacts) };
  expect(contactOf(config, targetsOf(config)[0]!, 'slow-queries')).toBe(expected);
});

test('the target itself is asked first', () => {
  const [target] = targetsOf(base);
  const config = { ...base, contacts: { 'slow-queries': '@app', default: '#oncall' } };
  expect(contactOf(config, { ...target!, contact: '@orders' }, 'slow-queries')).toBe('@orders');
});

const SYSTEMS = configFromText(`
aws: { region: us-east-1 }
searches:
  products:
    typesense: { url: http://typesense.internal:8108/, apiKey: env:KEY, collections: [products] }
    opensearch: { url: https://opensearch.internal:9200 }
    fallback: { flag: search.engine, value: OPENSEARCH }
    logs: /aws/lambda/rastup-search-indexer
    dependsOn: [sessions]
  bare: { typesense: { url: http://typesense.internal:8108, apiKey: env:KEY, collections: [a] }, logs: /ecs/indexer }
caches: { sessions: { redis: 'redis://monitor@redis.internal/2' } }
queues: { messages: { sqs: rastup-messages, consumer: { lambda: rastup-processor } } }
`);

const KINDS = [
  ['products', 'search', 'searches'],
  ['sessions', 'cache', 'caches'],
  ['messages', 'queue', 'queues'],
] as const;

test.each(KINDS)('%s is a %s, and its contact may stand under %s', (name, kind, section) => {
  const target = targetsOf(SYSTEMS).find((one) => one.name === name)!;
  expect(target.kind).toBe(kind);
  expect(contactOf({ ...SYSTEMS, contacts: { [section]: '@team', default: '#oncall' } }, target, 'x')).toBe('@team');
});

test('search engines, caches and queues bring what mitigations fill in, and nothing of the URL of the daemon', () => {
  const slots = Object.fromEntries(targetsOf(SYSTEMS).map((target) => [target.name, target.slots]));
  expect(slots.products).toMatchObject({
    searchUrl: 'http://typesense.internal:8108',
    fallbackUrl: 'https://opensearch.internal:9200',
    functionName: 'rastup-search-indexer',
    region: 'us-east-1',
  });
  expect(slots.bare?.functionName).toBeUndefined();
  expect(slots.sessions).toEqual({ host: 'redis.internal', port: '6379' });
  expect(slots.messages).toMatchObject({ functionName: 'rastup-processor', logGroup: '/aws/lambda/rastup-processor' });
});

test('every slot that a target brings is typed, and its value is of that type', () => {
  const wrong = targetsOf(SYSTEMS).flatMap(({ name, slots }) =>
    Object.entries(slots).flatMap(([slot, value]) =>
      SLOTS[slot as keyof typeof SLOTS]?.pattern.test(value) === true ? [] : [`${name} ${slot}: ${value}`],
    ),
  );
  expect(wrong).toEqual([]);
});
