/** The part of the configuration's schema about services, dependencies and queues. */

import { z } from 'zod';
import { AWS_NAMES } from './aws-names.ts';
import { awsName, contact, dependsOn, logs, name, ownKey, targetAccount, url } from './schema-parts.ts';
import { signalsSchema } from './schema-signals.ts';

/** Sentry's rule for slugs. */
const SLUG = /^[a-z0-9_-]{1,100}$/;

/** What the source takes: other characters would be a query of their own. */
const tag = (name: string, example: string) =>
  z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,199}$/, { error: `expected the tag ${name} of its spans` })
    .meta({ description: `tag ${name} of its spans`, examples: [example] });

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
    logs: logs('log group, or { group, filter } with a filter pattern for errors', '/aws/ecs/rastup-prod/api-service'),
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
    sentry: z
      .string()
      .regex(SLUG, { error: 'expected the slug of a project, as it stands in addresses of Sentry' })
      .meta({ description: 'slug of its project in Sentry, for what is new among its errors', examples: ['api'] })
      .optional(),
    datadog: z
      .strictObject({
        service: tag('service', 'api'),
        env: tag('env', 'production'),
        operation: z
          .string()
          .regex(/^[a-z][a-z0-9_.]{0,99}$/i, { error: 'expected the name of an operation such as express.request' })
          .meta({
            description: 'operation by which requests enter; without it the most frequent of the usual ones',
            examples: ['express.request'],
          })
          .optional(),
      })
      .meta({ description: 'its tags in Datadog APM, for where the time of requests goes' })
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
      signals: signalsSchema,
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
      logs: logs(
        'log group of what works it off; default /aws/lambda/FUNCTION where that is a Lambda function',
        '/aws/lambda/rastup-message-processor',
      ),
      dependsOn,
      signals: signalsSchema,
      contact: contact.meta({ description: 'who is asked when it breaks', examples: ["'@messaging'"] }).optional(),
    }),
  )
  .prefault({})
  .meta({ description: 'the queues to watch, by name' });
