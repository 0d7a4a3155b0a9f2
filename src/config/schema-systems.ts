/** The part of the configuration's schema about Prometheus, Sentry, Datadog, search engines and caches. */

import { z } from 'zod';
import { contact, dependsOn, headers, logs, name, ownKey, secret, targetAccount, url } from './schema-parts.ts';
import { signalsSchema } from './schema-signals.ts';

export const prometheusSchema = z
  .strictObject({
    url: url('root of the server, or of what speaks its query API', 'http://prometheus.monitoring:9090'),
    headers: headers('file:/run/secrets/prometheus-authorization'),
    periodSeconds: z
      .number()
      .int()
      .min(5)
      .max(300)
      .meta({
        description: 'how often it is asked, and the distance of samples; default as often as detectors ask',
        examples: [60],
      })
      .optional(),
  })
  .meta({ description: 'the Prometheus that signals with prometheus: QUERY come from' });

export const sentrySchema = z
  .strictObject({
    url: url('its address, if not the one for all', 'https://sentry.io').default('https://sentry.io'),
    organization: z
      .string()
      .regex(/^[a-z0-9][a-z0-9_-]{0,99}$/, { error: 'expected the slug of an organization' })
      .meta({ description: 'slug of the organization', examples: ['rastup'] }),
    token: secret('token with the scopes event:read and project:read', 'file:/run/secrets/sentry-token'),
  })
  .meta({ description: 'Sentry; a service names its project' });

export const datadogSchema = z
  .strictObject({
    site: z
      .string()
      .regex(/^([a-z0-9-]+\.)+[a-z]{2,10}$/, { error: 'expected a site such as datadoghq.eu, without https://' })
      .default('datadoghq.com')
      .meta({ description: 'site of the organization' }),
    endpoint: url('another address of its API, for tests', 'http://127.0.0.1:8126').optional(),
    apiKey: secret('API key', 'file:/run/secrets/datadog-api-key'),
    appKey: secret('application key with the scope timeseries_query', 'file:/run/secrets/datadog-app-key'),
  })
  .meta({ description: 'Datadog APM; a service names its tags' });

const typesense = z
  .strictObject({
    url: url('root of the engine', 'http://typesense.internal:8108'),
    apiKey: secret(
      'key with the actions collections:get, stats.json:list and metrics.json:list',
      'file:/run/secrets/typesense-key',
    ),
    collections: z
      .array(
        z
          .string()
          .regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$/, { error: 'expected the name of a collection, or an alias' }),
      )
      .min(1)
      .max(50)
      .meta({ description: 'collections (or aliases) whose documents are counted', examples: [['products']] }),
  })
  .meta({ description: 'the engine that searches' });

const search = z
  .strictObject({
    typesense,
    opensearch: z
      .strictObject({
        url: url('root of the cluster', 'https://opensearch.internal:9200'),
        headers: headers('file:/run/secrets/opensearch-authorization'),
      })
      .meta({ description: 'what would take over; a page says whether it is ready' })
      .optional(),
    fallback: z
      .strictObject({
        flag: ownKey('feature flag that says which engine searches', 'search.engine'),
        value: ownKey('its value for the other engine', 'OPENSEARCH'),
      })
      .meta({ description: 'how people switch over, for the command in pages' })
      .optional(),
    dependsOn,
    account: targetAccount,
    logs: logs('log group of what fills the index', '/aws/lambda/rastup-search-indexer'),
    signals: signalsSchema,
    contact: contact.meta({ description: 'who is asked when it breaks', examples: ["'@search'"] }).optional(),
  })
  .meta({ description: 'a search engine' });

export const searchesSchema = z
  .record(name, search)
  .prefault({})
  .meta({ description: 'the search engines to watch, by name' });

const cache = z
  .strictObject({
    redis: z
      .string()
      .min(1)
      .meta({
        description: 'redis:// or rediss:// URL: env:NAME, file:PATH, or in the open when it has no password',
        writeOnly: true,
        examples: ['env:REDIS_URL'],
      }),
    dependsOn,
    signals: signalsSchema,
    contact: contact.meta({ description: 'who is asked when it breaks', examples: ["'@platform'"] }).optional(),
  })
  .meta({ description: 'a cache that speaks the protocol of Redis' });

export const cachesSchema = z.record(name, cache).prefault({}).meta({ description: 'the caches to watch, by name' });
