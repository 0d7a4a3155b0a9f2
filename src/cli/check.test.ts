import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { startDatadog } from '../../test/world/datadog.ts';
import { startPrometheus } from '../../test/world/prometheus.ts';
import { startRedis } from '../../test/world/redis.ts';
import { startOpenSearch, startTypesense } from '../../test/world/search.ts';
import { startSentry } from '../../test/world/sentry.ts';
import { check } from './check.ts';
import { createOutput } from './output.ts';
import { fakeIo } from './testdata.ts';

const ONE = () => [{ labels: {}, value: 1 }];

async function checked(config: unknown, env: Readonly<Record<string, string>>) {
  const path = join(mkdtempSync(join(tmpdir(), 'runbookd-check-')), 'runbookd.yaml');
  writeFileSync(path, stringify(config));
  const io = fakeIo(env);
  const code = await check({ config: path, json: true }, io, createOutput(io));
  const { lines } = JSON.parse(io.out()) as { readonly lines: readonly Record<'target' | 'state' | 'what', string>[] };
  return { code, text: io.out(), lines: lines.map(({ target, state, what }) => `${state} ${target}: ${what}`) };
}

test('each system is looked at with what the configuration says of it, and no secret is printed', async () => {
  await using prometheus = await startPrometheus({ all: ONE, slow: ONE });
  await using typesense = await startTypesense();
  await using opensearch = await startOpenSearch();
  await using redis = await startRedis();
  await using sentry = await startSentry({ organization: 'rastup', token: 'canary-sentry', projects: ['api'] });
  await using datadog = await startDatadog({ apiKey: 'canary-api', appKey: 'canary-app' });
  const now = Date.now();
  datadog.set([
    {
      span: 'express.request',
      service: 'api',
      env: 'prod',
      phases: [{ from: now - 7_200_000, perMinute: 60, seconds: 0.1 }],
    },
  ]);
  const config = {
    prometheus: { url: prometheus.url, headers: { Authorization: 'env:PROMETHEUS' } },
    sentry: { url: sentry.url, organization: 'rastup', token: 'env:SENTRY' },
    datadog: { endpoint: datadog.url, apiKey: 'env:API', appKey: 'env:APP' },
    services: {
      api: {
        signals: { requests: { prometheus: 'all' }, checkout_seconds: { prometheus: 'slow', unit: 's', scale: 0.001 } },
        dependsOn: ['products', 'sessions'],
        sentry: 'api',
        datadog: { service: 'api', env: 'prod' },
      },
    },
    searches: {
      products: {
        typesense: { url: typesense.url, apiKey: 'env:TYPESENSE', collections: ['models'] },
        opensearch: { url: opensearch.url },
      },
    },
    caches: { sessions: { redis: 'env:REDIS_URL' } },
  };
  const secrets = { PROMETHEUS: 'Bearer canary-prometheus', SENTRY: 'canary-sentry', API: 'canary-api' };
  const keys = { APP: 'canary-app', TYPESENSE: typesense.apiKey, REDIS_URL: redis.url };
  const { code, lines, text } = await checked(config, { ...secrets, ...keys });
  expect(lines).toEqual([
    expect.stringMatching(/^ok configuration: /),
    'ok prometheus: queries',
    'none api: logs',
    'ok api: Sentry api',
    'ok api: Datadog api in prod',
    'ok api: signals by hand',
    'ok products: Typesense',
    'ok products: OpenSearch',
    'ok sessions: Redis',
    'none notify: PagerDuty',
  ]);
  expect(code).toBe(0);
  for (const secret of Object.values({ ...secrets, ...keys })) expect(text).not.toContain(secret);
  expect(text).not.toContain('canary');
  expect(text).toContain('48200');
}, 30_000);

test('systems that do not answer are said one by one', async () => {
  await using prometheus = await startPrometheus({ all: ONE });
  const nowhere = 'http://127.0.0.1:9';
  const { code, lines } = await checked(
    {
      prometheus: { url: prometheus.url },
      services: { api: { signals: { requests: { prometheus: 'all' } }, dependsOn: ['sessions'] } },
      searches: { products: { typesense: { url: nowhere, apiKey: 'env:KEY', collections: ['models'] } } },
      caches: { sessions: { redis: 'redis://127.0.0.1:9' } },
    },
    { KEY: 'canary' },
  );
  expect(code).toBe(3);
  expect(lines).toEqual(
    expect.arrayContaining([
      'ok prometheus: queries',
      'failed products: Typesense',
      'none products: OpenSearch',
      'failed sessions: Redis',
    ]),
  );
}, 30_000);

test.each([
  ['delete from public.outbox', /sql: is not a SELECT/],
  ['select count(*) from outbox', /sql: names outbox without its schema/],
])('the query %s is refused before anything is asked, with its place', async (sql, message) => {
  const queries = { outbox_pending: { sql, unit: 'count' } };
  const config = { databases: { 'main-db': { url: 'postgres://m@127.0.0.1:9/app', queries } } };
  const refused = checked(config, {});
  await expect(refused).rejects.toThrow(message);
  await expect(refused).rejects.toThrow(/runbookd.yaml:\d+: databases.main-db.queries.outbox_pending.sql/);
});
