/** The part of the configuration's schema about targets besides databases: services, dependencies, queues. */

import { z } from 'zod';
import { AWS_NAMES, type AwsNameForm } from './aws-names.ts';
import { contact, name, targetName } from './schema-parts.ts';
import { signalsSchema } from './schema-signals.ts';

const awsName = (form: AwsNameForm, description: string, example: string) =>
  z
    .string()
    .regex(form.pattern, { error: `expected ${form.expected}` })
    .meta({ description, examples: [example] });

export const targetAccount = name
  .meta({ description: 'account where it runs, a name of aws.accounts', examples: ['default'] })
  .optional();

const dependsOn = z
  .array(targetName)
  .max(100)
  .prefault([])
  .meta({
    description: 'what it needs: names of databases, dependencies, queues and services',
    examples: [['main-db']],
  });

/** A key of people's own configuration or flag system, as it stands in commands. */
const ownKey = (description: string, example: string) =>
  z
    .string()
    .regex(/^[A-Za-z][A-Za-z0-9_.-]{0,99}$/, {
      error: 'expected a letter, then letters, digits and "_.-", at most 100',
    })
    .meta({ description, examples: [example] });

const url = (description: string, example: string) =>
  z
    .string()
    .min(1)
    .meta({ description, examples: [example] });

const service = z
  .strictObject({
    account: targetAccount,
    ecs: z
      .strictObject({
        cluster: awsName(AWS_NAMES.cluster, 'ECS cluster', 'rastup-prod'),
        service: awsName(AWS_NAMES.ecsService, 'ECS service', 'api-service'),
      })
      .meta({ description: 'where it runs' })
      .optional(),
    alb: z
      .strictObject({
        loadBalancer: awsName(
          AWS_NAMES.loadBalancer,
          'end of the ARN of the Application Load Balancer',
          'app/rastup/0123456789abcdef',
        ),
        targetGroup: awsName(
          AWS_NAMES.targetGroup,
          'end of the ARN of the target group',
          'targetgroup/api/fedcba9876543210',
        ),
      })
      .meta({ description: 'where its requests come from' })
      .optional(),
    logs: z
      .union(
        [
          awsName(AWS_NAMES.logGroup, 'log group', '/aws/ecs/rastup-prod/api-service'),
          z.strictObject({
            group: awsName(AWS_NAMES.logGroup, 'log group', '/aws/ecs/rastup-prod/api-service'),
            filter: z
              .string()
              .regex(/^[^\x00-\x1f\x7f]{1,1024}$/, { error: 'expected one line of at most 1024 characters' })
              .meta({ description: 'filter pattern of CloudWatch Logs', examples: ['?ERROR ?FATAL'] })
              .optional(),
          }),
        ],
        { error: 'expected the name of a log group, or { group, filter }' },
      )
      .meta({
        description: 'log group, or { group, filter } with a filter pattern for errors',
        examples: ['/aws/ecs/rastup-prod/api-service'],
      })
      .optional(),
    health: z
      .strictObject({
        live: url('whether it answers at all', 'https://api.rastup.com/health').optional(),
        ready: url('whether it and what it needs work', 'https://api.rastup.com/ready').optional(),
      })
      .meta({ description: 'its own health endpoints' })
      .optional(),
    dependsOn,
    signals: signalsSchema,
    rateLimit: z
      .strictObject({
        key: ownKey('configuration key of the limit', 'rate_limit.requests_per_minute'),
        perMinute: z
          .number()
          .int()
          .min(1)
          .max(999_999_999)
          .meta({ description: 'the limit now, requests a minute', examples: [600] }),
      })
      .meta({ description: 'its own rate limit, for the command that raises it' })
      .optional(),
    contact: contact.meta({ description: 'who is asked when it breaks', examples: ["'@api-team'"] }).optional(),
  })
  .meta({ description: 'a service' });

export const servicesSchema = z
  .record(name, service)
  .prefault({})
  .meta({ description: 'the services to watch, by name' });

export const dependenciesSchema = z
  .record(
    name,
    z.strictObject({
      statusPage: url(
        'root of its status page, if that is an Atlassian Statuspage',
        'https://status.stripe.com',
      ).optional(),
      hosts: z
        .array(
          z
            .string()
            .regex(/^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*\.?$/, {
              error: 'expected the name of a host, without https:// and port',
            }),
        )
        .max(50)
        .prefault([])
        .meta({ description: 'its hosts, as they stand in metrics and log messages', examples: [['api.stripe.com']] }),
      flag: ownKey('feature flag that turns it off', 'stripe_payments_enabled').optional(),
      cacheFlag: ownKey('feature flag that turns caching of it on', 'stripe_api_cache_enabled').optional(),
      timeoutKey: ownKey(
        'configuration key of the timeout of calls to it, in milliseconds',
        'stripe.timeout_ms',
      ).optional(),
      contact: contact.meta({ description: 'who is asked when it breaks', examples: ["'@payments'"] }).optional(),
    }),
  )
  .prefault({})
  .meta({ description: 'vendors and other services that are not ours, by name' });

export const queuesSchema = z
  .record(
    name,
    z.strictObject({
      account: targetAccount,
      sqs: awsName(AWS_NAMES.queue, 'SQS queue', 'rastup-messages'),
      deadLetter: awsName(AWS_NAMES.queue, 'its dead-letter queue', 'rastup-messages-dlq').optional(),
      consumer: z
        .strictObject({ lambda: awsName(AWS_NAMES.lambda, 'Lambda function', 'rastup-message-processor') })
        .meta({ description: 'what works it off' })
        .optional(),
      dependsOn,
      contact: contact.meta({ description: 'who is asked when it breaks', examples: ["'@messaging'"] }).optional(),
    }),
  )
  .prefault({})
  .meta({ description: 'the queues to watch, by name' });
