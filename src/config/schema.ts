/**
 * The configuration as it is written: shape, patterns, defaults, words for people. What needs a second look at the
 * world (secrets, files, time zones, keys that refer to each other) is checked in `resolve.ts`. `writeOnly` marks what
 * must never be shown.
 */

import { z } from 'zod';
import { LISTEN_PATTERN } from './address.ts';
import type { JsonSchema } from './json-schema.ts';
import { awsSchema } from './schema-aws.ts';
import { databasesSchema } from './schema-databases.ts';
import { contact, secret } from './schema-parts.ts';
import { cachesSchema, datadogSchema, prometheusSchema, searchesSchema, sentrySchema } from './schema-systems.ts';
import { dependenciesSchema, queuesSchema, servicesSchema } from './schema-targets.ts';

const DETECTOR_ID = /^[a-z][a-z0-9-]{0,62}$/;

const listen = (what: string, example: string) =>
  z
    .string()
    .regex(LISTEN_PATTERN, { error: `expected host:port such as ${example}` })
    .meta({ description: what, examples: [example] });

const path = (what: string, example: string) =>
  z
    .string()
    .regex(/^[^\0]+$/, { error: 'expected a path' })
    .meta({ description: what, examples: [example] });

const pagerduty = z
  .strictObject({
    routingKey: secret('integration key of an Events API v2 integration', 'file:/run/secrets/pagerduty'),
    server: z
      .string()
      .regex(/^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?$/, {
        error: 'expected a host, or host:port, without https://',
      })
      .default('events.pagerduty.com')
      .meta({ description: 'host of the Events API; events.eu.pagerduty.com for accounts in the EU' }),
    caFile: path('PEM file of the authority that signed the certificate of a private server', 'ca.pem').optional(),
  })
  .meta({ description: 'pages to PagerDuty' });

const detector = z
  .strictObject({
    enabled: z.boolean().default(true).meta({ description: 'whether it runs' }),
    options: z
      .record(
        z.string(),
        z.union([z.number(), z.boolean(), z.string()], { error: 'expected a number, true or false, or text' }),
      )
      .prefault({})
      .meta({ description: 'options that differ from their defaults (runbookd detectors ID lists them)' }),
  })
  .meta({ description: 'settings of one detector' });

export const configSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, {
      error: 'expected letters, digits, ".", "_" and "-", at most 63, beginning with a letter or digit',
    })
    .default('runbookd')
    .meta({ description: 'name of this installation, in pages and in their dedup keys' }),
  timeZone: z
    .string()
    .default('UTC')
    .meta({ description: 'IANA time zone of daily and weekly patterns; pages are always in UTC' }),
  store: z
    .strictObject({
      sqlite: path(
        'file of the embedded store; default $XDG_STATE_HOME/runbookd/state.db, or ~/.local/state/runbookd/state.db',
        '/var/lib/runbookd/state.db',
      ).optional(),
    })
    .prefault({})
    .meta({ description: 'findings, incidents, baselines, and pages not yet delivered' }),
  http: z
    .strictObject({
      listen: listen('address of the API; other than loopback it needs a token', '127.0.0.1:9470').default(
        '127.0.0.1:9470',
      ),
      token: secret(
        'bearer token that everything but /livez and /readyz asks for, at least 16 characters',
        'file:/run/secrets/api-token',
      ).optional(),
      writeToken: secret(
        'bearer token of those who may tell of changes (POST /api/v1/changes); without one nobody may',
        'file:/run/secrets/write-token',
      ).optional(),
      metricsListen: listen(
        'second address for /livez, /readyz and /metrics only, without token',
        '0.0.0.0:9471',
      ).optional(),
    })
    .prefault({})
    .meta({ description: 'the HTTP server' }),
  publicUrl: z
    .string()
    .regex(/^https?:\/\/[A-Za-z0-9[][^\s@?#]*$/, {
      error: 'expected an http:// or https:// URL without user, query or fragment',
    })
    .meta({
      description: 'where people reach this HTTP server, for links in pages',
      examples: ['https://runbookd.example'],
    })
    .optional(),
  aws: awsSchema,
  prometheus: prometheusSchema.optional(),
  sentry: sentrySchema.optional(),
  datadog: datadogSchema.optional(),
  services: servicesSchema,
  databases: databasesSchema,
  dependencies: dependenciesSchema,
  queues: queuesSchema,
  searches: searchesSchema,
  caches: cachesSchema,
  notify: z
    .strictObject({ pagerduty: pagerduty.optional() })
    .prefault({})
    .meta({ description: 'where pages go; without any they are only in the log and the API' }),
  contacts: z
    .record(
      z.string().regex(/^[a-z][a-z0-9-]{0,62}(\/[a-z][a-z0-9-]{0,62})?$/, {
        error: 'expected the name of a target or detector',
      }),
      contact,
    )
    .prefault({})
    .meta({
      description:
        'who is asked when something breaks: by the name of a target or detector, by kind (services, databases, ' +
        'dependencies, queues, searches, caches), or default',
      examples: [{ default: '#oncall', databases: '@dba' }],
    }),
  commands: z
    .enum(['runbook', 'aws'])
    .default('runbook')
    .meta({ description: "which command stands first in a page: the runbook's own, or the AWS CLI / psql one" }),
  detectors: z
    .record(z.string().regex(DETECTOR_ID, { error: 'expected the id of a detector' }), detector)
    .prefault({})
    .meta({ description: 'detectors that are switched off or have other options, by id' }),
  mitigations: z
    .record(
      z.string().regex(/^[a-z][a-z0-9-]*\.[A-Za-z][A-Za-z0-9-]*$/, { error: 'expected DETECTOR.MITIGATION' }),
      z
        .string()
        .regex(/^[\x20-\x7e]{1,2000}$/, { error: 'expected one line of printable ASCII' })
        .meta({ description: 'a command with {slots}' }),
    )
    .prefault({})
    .meta({
      description: "your own commands in place of a mitigation's, by DETECTOR.MITIGATION",
      examples: [{ 'lock-contention.terminate-root': './ops/kill.sh {pid}' }],
    }),
  detectorsDir: z
    .union([z.string().min(1), z.array(z.string().min(1)).max(20)], {
      error: 'expected a directory or a list of directories',
    })
    .meta({
      description: 'directories with your own detectors, read after the built-in ones',
      examples: ['/etc/runbookd/detectors'],
    })
    .optional(),
  log: z
    .strictObject({
      level: z
        .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
        .default('info')
        .meta({ description: 'the least important messages that are written' }),
    })
    .prefault({})
    .meta({ description: 'the log, JSON lines on standard output' }),
});

/** What the schema lets through: every default in its place. */
export type RawConfig = z.output<typeof configSchema>;

/** What every kind of target has. */
export type RawTarget = Pick<RawConfig['services'][string], 'signals'> & { readonly account?: string | undefined };

/** The schema of what people write, without the detectors' options. */
export function inputJsonSchema(): JsonSchema {
  return z.toJSONSchema(configSchema, { io: 'input' }) as JsonSchema;
}
