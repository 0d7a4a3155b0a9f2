/** The part of the configuration's schema about databases, and the queries that people put to them. */

import { z } from 'zod';
import { contact, name, targetAccount } from './schema-parts.ts';
import { labelName, signalName, signalsSchema, unit } from './schema-signals.ts';

/** What a command's `{psql}` slot accepts: plain words, so that nothing of it can be read by a shell. */
export const OPERATOR_COMMAND_PATTERN = /^[A-Za-z0-9_@%+=:,./-]+( [A-Za-z0-9_@%+=:,./-]+)*$/;

const databaseUrl = (example: string) =>
  z
    .string()
    .min(1)
    .meta({
      description:
        'postgres:// URL of the monitoring role: env:NAME, file:PATH, or in the open when it has no password',
      writeOnly: true,
      examples: [example],
    });

const rds = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9-]{0,62}$/, { error: 'expected an RDS instance identifier: letters, digits and "-"' })
  .meta({ description: 'RDS instance identifier, for its metrics, events and network', examples: ['rastup-prod'] });

const query = z
  .strictObject({
    sql: z
      .string()
      .regex(/^(?=[\s\S]*\S)[\s\S]{1,4000}$/, { error: 'expected one SELECT, at most 4000 characters' })
      .meta({
        description: 'one statement that only reads, tables with their schema',
        examples: ['select count(*) from public.outbox where processed_at is null'],
      }),
    unit: unit('unit of the number'),
    periodSeconds: z
      .number()
      .int()
      .min(10)
      .max(3600)
      .default(60)
      .meta({ description: 'how often it is asked, in seconds' }),
    column: z
      .string()
      .regex(/^[^\x00-\x1f\x7f]{1,63}$/, { error: 'expected the name of a column' })
      .meta({ description: 'column of the number, where it is not the only one besides labels', examples: ['n'] })
      .optional(),
    labels: z
      .array(labelName)
      .max(5)
      .prefault([])
      .meta({ description: 'columns whose values become labels', examples: [['kind']] }),
  })
  .meta({ description: 'a query and what it gives' });

const queries = z
  .record(signalName, query)
  .prefault({})
  .meta({
    description: 'signals of your own, each a number that a query reads',
    examples: [
      { outbox_pending: { sql: 'select count(*) from public.outbox where processed_at is null', unit: 'count' } },
    ],
  });

const replica = z
  .strictObject({ url: databaseUrl('env:REPLICA_URL'), rds: rds.optional() })
  .meta({ description: 'a read replica' });

const database = z
  .strictObject({
    url: databaseUrl('env:DATABASE_URL'),
    operatorCommand: z
      .string()
      .regex(OPERATOR_COMMAND_PATTERN, {
        error: 'expected plain words without quotes or shell characters, as psql -h db.internal -U admin -d app',
      })
      .regex(/^(?!.*(:\/\/[^ /@]*:[^ /@]*@|password=))/i, {
        error: 'has a password, which would be in every page; use a password file (~/.pgpass) or a service name',
      })
      .meta({
        description: 'how people get in, used in commands of pages; default psql -h HOST -p PORT -U admin -d DATABASE',
        examples: ['psql -h main-db.internal -U admin -d rastup'],
      })
      .optional(),
    rds: rds.optional(),
    account: targetAccount,
    queries,
    signals: signalsSchema,
    contact: contact.meta({ description: 'who is asked when it breaks', examples: ["'@dba'"] }).optional(),
    replicas: z
      .record(name, replica)
      .prefault({})
      .meta({ description: 'read replicas by name; a replica is the target DATABASE/REPLICA' }),
  })
  .meta({ description: 'a Postgres server and the database to look at' });

export const databasesSchema = z
  .record(name, database)
  .prefault({})
  .meta({ description: 'the databases to watch, by name' });
