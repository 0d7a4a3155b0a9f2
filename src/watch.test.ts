import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import { beforeAll, describe, expect, test } from 'vitest';
import { configFromText } from './cli/testdata.ts';
import { RunbookdError } from './model/index.ts';
import type { AnyDetector } from './sdk/detector.ts';
import { createWatch, KNOWN_SIGNALS, loadAllDetectors, SIGNALS } from './watch.ts';

const log = pino({ level: 'silent' });

let detectors: readonly AnyDetector[] = [];

beforeAll(async () => {
  detectors = await loadAllDetectors([]);
});

describe('the catalogue of signals', () => {
  test('has each name once', () => {
    const names = SIGNALS.map(({ signal }) => signal);
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
  });

  test('has every signal that our detectors read, in the unit that they expect', () => {
    const known = new Map(SIGNALS.map(({ signal, unit }) => [signal, unit]));
    const wrong = detectors.flatMap(({ id, signals }) =>
      Object.values(signals).flatMap(({ signal, unit }) =>
        known.get(signal) === unit ? [] : [`${id}: ${signal} in ${unit}, catalogue: ${known.get(signal)}`],
      ),
    );
    expect(wrong).toEqual([]);
  });

  test('knows which of them databases have anyhow', () => {
    expect(KNOWN_SIGNALS.ofDatabases).toEqual(expect.arrayContaining(['blocked_sessions', 'rds_cpu']));
    expect(KNOWN_SIGNALS.ofDatabases).not.toContain('outbox_pending');
  });
});

const TYPESENSE = 'typesense: { url: http://typesense:8108, apiKey: env:KEY, collections: [a] }';
const PROMETHEUS = 'prometheus: { url: http://prometheus:9090 }';
const LIVE = 'health: { live: https://api/live }';

describe('sources are made of what is configured, and of nothing else', () => {
  test.each([
    ['a search engine', `searches: { a: { ${TYPESENSE} } }`, ['search']],
    ['two caches', 'caches: { a: { redis: redis://r }, b: { redis: redis://r } }', ['redis']],
    [
      'a service that only Prometheus knows',
      `${PROMETHEUS}\nservices: { api: { signals: { requests: { prometheus: up } } } }`,
      ['prometheus'],
    ],
    ['a Prometheus that nothing is bound to', `${PROMETHEUS}\ncaches: { a: { redis: redis://r } }`, ['redis']],
    [
      'Sentry and Datadog',
      `sentry: { organization: rastup, token: env:KEY }
datadog: { apiKey: env:KEY, appKey: env:KEY }
services: { api: { ${LIVE}, sentry: api, datadog: { service: api, env: prod } } }`,
      ['health', 'sentry', 'datadog'],
    ],
    [
      'trackers that no service names',
      `sentry: { organization: rastup, token: env:KEY }\nservices: { api: { ${LIVE} } }`,
      ['health'],
    ],
    [
      'a queue with a consumer, and its log group',
      'aws: { region: us-east-1 }\nqueues: { q: { sqs: q, consumer: { lambda: f } } }',
      ['cloudwatch', 'logs', 'sqs', 'lambda'],
    ],
    [
      'the log group of a search engine',
      `aws: { region: us-east-1 }\nsearches: { a: { ${TYPESENSE}, logs: /aws/lambda/indexer } }`,
      ['logs', 'search'],
    ],
    [
      'a signal of a cache in CloudWatch',
      'aws: { region: us-east-1 }\ncaches: { a: { redis: redis://r, signals: { x: { cloudwatch: { namespace: N, metric: M, stat: Sum } } } } }',
      ['cloudwatch', 'redis'],
    ],
  ])('%s', async (_, text, expected) => {
    const watch = createWatch(configFromText(text), detectors, log);
    expect(watch.sources.map(({ name }) => name)).toEqual(expected);
    expect(watch.targets.length).toBeGreaterThan(0);
    await watch.close();
  });

  test('a database has a group of its own for queries', async () => {
    const text = 'queries: { orders: { sql: select 1, unit: count } }';
    const watch = createWatch(configFromText(`databases: { a: { url: postgres://m@h/d, ${text} } }`), detectors, log);
    expect(watch.sources.flatMap(({ groups }) => groups)).toContain('queries');
    await watch.close();
  });
});

test.each([
  ['CONFIG_INVALID', 'checkout_seconds: { prometheus: up }'],
  ['none', 'checkout_seconds: { prometheus: up, unit: s }'],
  ['none', 'latency_p95: { prometheus: up }'],
])('%s comes of signals: { %s }', (code, signal) => {
  const config = configFromText(`${PROMETHEUS}\nservices: { api: { signals: { ${signal} } } }`);
  let thrown: unknown;
  try {
    createWatch(config, detectors, log);
  } catch (error) {
    thrown = error;
  }
  expect(thrown instanceof RunbookdError ? thrown.code : 'none').toBe(code);
});

describe('a poll group is read as often as', () => {
  const periodOf = (group: string, text: string): number => {
    const config = configFromText(text);
    return createWatch(config, detectors, log).periodMs(group) / 1000;
  };
  const pollSeconds = (signals: readonly string[]): number =>
    Math.min(
      ...detectors
        .filter((one) => Object.values(one.signals).some(({ signal }) => signals.includes(signal)))
        .map((one) => Number(one.options['pollSeconds']?.default)),
    );
  const bound = 'services: { api: { signals: { requests: { prometheus: up }, errors: { prometheus: up } } } }';

  test('the section prometheus says', () => {
    const text = `prometheus: { url: http://p:9090, periodSeconds: 20 }\n${bound}`;
    expect(periodOf('prometheus', text)).toBe(20);
  });

  test('the most eager detector of the signals that are bound there', () => {
    expect(periodOf('prometheus', `${PROMETHEUS}\n${bound}`)).toBe(pollSeconds(['requests', 'errors']));
  });

  test('the most eager query of a database', () => {
    const query = (seconds: number) => `{ sql: select 1, unit: count, periodSeconds: ${seconds} }`;
    const database = (name: string, seconds: number) =>
      `${name}: { url: postgres://m@h/d, queries: { orders: ${query(seconds)} } }`;
    expect(periodOf('queries', `databases: { ${database('a', 300)}, ${database('b', 30)} }`)).toBe(30);
  });

  test('its own detectors ask, whatever could be bound to it and is not', () => {
    const alb = 'alb: { loadBalancer: app/a/0123456789abcdef, targetGroup: targetgroup/a/0123456789abcdef }';
    const given = SIGNALS.filter(({ group, byHand }) => group === 'cloudwatch' && byHand !== true);
    const expected = pollSeconds(given.map(({ signal }) => signal));
    expect(periodOf('cloudwatch', `aws: { region: us-east-1 }\nservices: { api: { ${alb} } }`)).toBe(expected);
  });
});

test('a signal that is bound is not taken from the source that has it anyhow', async () => {
  await using server = createServer((_, response) => response.end('{}')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const live = `http://127.0.0.1:${(server.address() as AddressInfo).port}/live`;
  const signalsOf = async (bound: string): Promise<readonly string[]> => {
    const text = `${PROMETHEUS}\nservices: { api: { health: { live: '${live}' }, signals: { ${bound} } } }`;
    const watch = createWatch(configFromText(text), detectors, log);
    const health = watch.sources.find(({ name }) => name === 'health')!;
    const { series } = await health.poll('health', Date.now(), AbortSignal.timeout(5000));
    await watch.close();
    return series.map(({ signal }) => signal).sort();
  };
  expect(await signalsOf('requests: { prometheus: up }')).toEqual(['health_live', 'health_milliseconds']);
  expect(await signalsOf('health_live: { prometheus: up }')).toEqual(['health_milliseconds']);
});

test('signals that a target must bind before anybody can see them are known as such', () => {
  const watch = createWatch(configFromText('caches: { a: { redis: redis://r } }'), detectors, log);
  expect(watch.signalsByHand).toContain('outbox_pending');
  expect(watch.signalsByHand).toContain('db_queries');
  expect(watch.signalsByHand).not.toContain('requests');
});
