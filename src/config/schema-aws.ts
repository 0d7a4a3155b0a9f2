/** The part of the configuration's schema that says how AWS is reached, and what it may cost. */

import { z } from 'zod';
import { EXTERNAL_ID_PATTERN, PERIODS, REGION_PATTERN, ROLE_ARN_PATTERN } from './aws-names.ts';
import { name } from './schema-parts.ts';

const region = z.string().regex(REGION_PATTERN, {
  error: 'expected a region such as us-east-1 (not an availability zone such as us-east-1a)',
});

const roleArn = z
  .string()
  .regex(ROLE_ARN_PATTERN, { error: 'expected the ARN of a role, as arn:aws:iam::123456789012:role/runbookd' })
  .meta({
    description: 'role that is assumed; without it the credentials of the default chain are used as they are',
    examples: ['arn:aws:iam::123456789012:role/runbookd'],
  });

const externalId = z
  .string()
  .regex(EXTERNAL_ID_PATTERN, { error: 'expected 2 to 1224 letters, digits and + = , . @ : / _ -' })
  .meta({ description: "external id that the role's trust policy asks for", examples: ['runbookd-prod'] });

const endpoint = z
  .string()
  .min(1)
  .meta({ description: 'another address for every AWS service, for tests', examples: ['http://127.0.0.1:4566'] });

const account = z
  .strictObject({
    region: region.meta({ description: 'its region', examples: ['eu-west-1'] }),
    roleArn: roleArn.optional(),
    externalId: externalId.optional(),
    endpoint: endpoint.optional(),
  })
  .meta({ description: 'one more account or region' });

export const awsSchema = z
  .strictObject({
    region: region
      .meta({ description: 'region; default AWS_REGION, then AWS_DEFAULT_REGION', examples: ['us-east-1'] })
      .optional(),
    roleArn: roleArn.optional(),
    externalId: externalId.optional(),
    endpoint: endpoint.optional(),
    budgetUsdPerMonth: z
      .number()
      .gt(0)
      .max(1_000_000)
      .default(50)
      .meta({ description: 'most that reading metrics from CloudWatch may cost, all accounts together, in dollars' }),
    periodSeconds: z
      .number()
      .refine((seconds) => PERIODS.includes(seconds), {
        error:
          `expected one of ${PERIODS.join(', ')}; below 60 only high-resolution metrics of your own have values, ` +
          'those of AWS begin at 60',
      })
      .default(60)
      .meta({
        description: 'period of metrics, in seconds; below 60 only for high-resolution metrics of your own',
        enum: PERIODS,
      }),
    settleSeconds: z
      .number()
      .min(0)
      .max(900)
      .default(120)
      .meta({ description: 'how long CloudWatch takes until a value has settled, in seconds' }),
    taskDefinitions: z
      .boolean()
      .default(false)
      .meta({
        description:
          'whether ECS task definitions may be read, for what changed between two; they carry environment values, ' +
          'which are dropped at once',
      }),
    accounts: z
      .record(name, account)
      .prefault({})
      .meta({ description: 'other accounts or regions by name; what is watched there says account: NAME' }),
  })
  .prefault({})
  .meta({ description: 'AWS; credentials come from the default chain of the SDK, never from here' });
